//! What the fuzzers call; `tests/tests/corpus.rs` calls the same on every file of the corpus.

pub mod targets;
