//! What a compiled program knows about its network besides how to run it.

pub use crate::preprocess::{Color, Interpolation, Preprocess, Resize, Rounding};

/// The description of a compiled network, a constant of its program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Network {
    /// The network's name.
    pub name: &'static str,
    /// One sentence about it, or empty.
    pub description: &'static str,
    /// The input's name.
    pub input: &'static str,
    /// The shape of the caller's input buffer: `[N, C, H, W]`, or `[N, H, W, C]` when `channels_last`.
    pub input_shape: [usize; 4],
    /// Whether the caller's input buffer has its channels last.
    pub channels_last: bool,
    /// The output's name.
    pub output: &'static str,
    /// The shape of the output: `[N, classes]` or `[N, C, H, W]`.
    pub output_shape: &'static [usize],
    /// Whether the output went through softmax already.
    pub softmax: bool,
    /// Trainable parameters, before any pass.
    pub parameters: u64,
    /// Multiply-accumulates of convolutions and dense layers for one image.
    pub macs: u64,
    /// Names of the passes that ran, in order.
    pub passes: &'static [&'static str],
    /// Layers after the passes: steps of the program.
    pub steps: usize,
    /// Bytes of activations held at a time.
    pub arena_bytes: u64,
    /// Bytes of packed weights.
    pub weight_bytes: u64,
    /// Where the weights came from.
    pub weights: &'static str,
    /// SHA-256 of the packed weights and the fingerprint of the plan, in hexadecimal, each with its name.
    pub checksums: &'static [(&'static str, &'static str)],
    /// Version of the compiler.
    pub compiler: &'static str,
    /// How a picture becomes the input.
    pub preprocess: Option<Preprocess>,
    /// A label per class, or empty.
    pub labels: &'static [&'static str],
}
