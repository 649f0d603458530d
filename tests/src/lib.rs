//! Tests and benchmarks that cross the crates.
