//! What a compiled program knows about its network besides how to run it.

pub use crate::preprocess::{Color, Interpolation, Preprocess, Resize, Rounding};

/// The description of a compiled network, a constant of its program.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Network {
    /// The network's name.
    pub name: &'static str,
    /// One sentence about it, or empty.
    pub description: &'static str,
    /// The inputs, in their order.
    pub inputs: &'static [Input],
    /// The outputs, in their order.
    pub outputs: &'static [Output],
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

impl Network {
    /// Images of a call: the first extent of its maps. Where an input is an array, which has no images, it is 1.
    pub const fn images(&self) -> usize {
        if self.takes_maps() { self.inputs[0].shape[0] } else { 1 }
    }

    /// Whether every input is a map of as many images, so that images can be put together to batches.
    pub(crate) const fn takes_maps(&self) -> bool {
        let mut index = 0;
        while index < self.inputs.len() {
            let shape = self.inputs[index].shape;
            if shape.len() != 4 || shape[0] != self.inputs[0].shape[0] {
                return false;
            }
            index += 1;
        }
        index > 0
    }

    /// The number of values of all inputs together.
    ///
    /// # Panics
    /// When there are more than memory can hold.
    pub const fn input_length(&self) -> usize {
        input_start(self.inputs, self.inputs.len())
    }
}

/// Where the input at `index` begins among the values of all.
pub(crate) const fn input_start(inputs: &[Input], index: usize) -> usize {
    let (mut start, mut at) = (0_usize, 0);
    while at < index {
        // A sum that wrapped around would lead outside of the caller's memory.
        start = match start.checked_add(inputs[at].len()) {
            Some(start) => start,
            None => panic!("the inputs exceed the address space"),
        };
        at += 1;
    }
    start
}

/// The description of one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Input {
    /// Its name; no other input of the network has it.
    pub name: &'static str,
    /// The shape of the caller's buffer: `[N, C, H, W]`, or `[N, H, W, C]` when `channels_last`; of an array any.
    pub shape: &'static [usize],
    /// Whether the caller's buffer has its channels last.
    pub channels_last: bool,
}

impl Input {
    /// Its number of values.
    ///
    /// # Panics
    /// When there are more than memory can hold.
    #[expect(clippy::len_without_is_empty, reason = "no network has an empty input")]
    pub const fn len(&self) -> usize {
        product(self.shape)
    }
}

const fn product(shape: &[usize]) -> usize {
    let (mut length, mut axis) = (1_usize, 0);
    while axis < shape.len() {
        length = match length.checked_mul(shape[axis]) {
            Some(length) => length,
            None => panic!("a tensor exceeds the address space"),
        };
        axis += 1;
    }
    length
}

/// The description of one output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Output {
    /// Its name; no other output of the network has it.
    pub name: &'static str,
    /// Its shape: `[N, features]` or `[N, C, H, W]`; of an array any.
    pub shape: &'static [usize],
    /// Whether it went through softmax already.
    pub softmax: bool,
}

impl Output {
    /// Its number of values.
    ///
    /// # Panics
    /// When there are more than memory can hold.
    #[expect(clippy::len_without_is_empty, reason = "no network has an empty output")]
    pub const fn len(&self) -> usize {
        product(self.shape)
    }
}
