//! `resnetc` compiles residual networks into specialised Rust programs.
//!
//! A YAML spec with weights, or an ONNX model, goes through one [`pipeline`]: front end, passes, plan, code.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod codegen;
pub mod diagnostic;
pub mod frontend;
pub mod ir;
pub mod passes;
pub mod pipeline;
pub mod plan;

pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity};
