//! The runtime of compiled residual networks, and the `resnet!` macro that compiles them.
//!
//! A compiled network is a [`program::Program`]: constants for every layer, and a table of [`engine::Step`]s for each instruction
//! set. An [`engine::Engine`] holds its memory, its weights and its threads, and runs it.
//!
//! - [`geometry`]: shapes and layouts, the contract of compiler and runtime
//! - [`program`]: what generated code implements, and what a user of a compiled network sees of it
//! - [`network`]: what a program tells about its network
//! - [`outputs`]: what a call gives
//! - [`engine`]: steps, memory, weights, threads
//! - [`kernel`]: one generic body per kernel
//! - [`isa`]: the instruction sets, and the choice at run time
//! - [`scalar`]: functions of numbers, what a loop nest computes with
//! - [`tensor`]: typed arrays as flat slices and back
//! - [`error`]: what can go wrong
//!
//! Without default features the crate has no dependencies.

#[cfg(target_endian = "big")]
compile_error!(
    "packed weights are little-endian f32 values that are used in place: big-endian targets are not supported"
);

#[cfg(feature = "app")]
pub mod app;
pub mod engine;
pub mod error;
pub mod geometry;
pub mod isa;
pub mod kernel;
pub mod network;
pub mod outputs;
mod preprocess;
pub mod program;
pub mod scalar;
pub mod tensor;

pub use engine::{Aligned, Engine, Operands, Step, Timing, Traced, Weights, Work};
pub use error::Error;
pub use isa::{Isa, Kind};
pub use kernel::Tile;
pub use network::{Input, Network, Output};
pub use outputs::{Arrays, Outputs};
pub use program::{Layer, Model, Options, Program, Tiles};
pub use tensor::Tensor;

#[cfg(feature = "macro")]
pub use resnet_macros::resnet;
