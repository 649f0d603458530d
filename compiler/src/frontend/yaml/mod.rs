//! YAML specs.
