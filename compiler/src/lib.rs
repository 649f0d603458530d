//! `resnetc` compiles residual networks into specialised Rust programs.
//!
//! A YAML spec with weights, or an ONNX model, goes through one [`pipeline`]: front end, passes, plan, code.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

#[cfg(feature = "cli")]
pub mod bench;
#[cfg(feature = "cli")]
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod codegen;
pub mod diagnostic;
#[cfg(feature = "cli")]
pub mod drawing;
#[cfg(feature = "cli")]
pub mod fetch;
pub mod frontend;
pub mod ir;
pub mod limits;
#[cfg(feature = "cli")]
pub mod package;
pub mod passes;
pub mod pipeline;
pub mod plan;
pub mod tuning;
pub mod user_cache;

pub use diagnostic::{Diagnostic, Diagnostics, Place, Severity};

/// Changes with the sources of the compiler: what was made by another build of it may differ.
pub const BUILD: &str = concat!(env!("CARGO_PKG_VERSION"), "-", env!("RESNETC_BUILD"));
