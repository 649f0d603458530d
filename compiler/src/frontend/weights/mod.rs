//! Weights: what a network asks for, and the files that answer.
//!
//! A new format is a file here and a variant of `format::Format`.

mod archive;
mod assign;
mod axes;
mod bind;
mod checksum;
mod content;
pub mod file;
mod format;
mod hdf5;
mod index;
mod keras;
mod npz;
mod onnx;
mod published;
mod pytorch;
mod safetensors;
pub mod seeded;
mod tensor;

pub use assign::{Assignment, LeftOut, Wanted, assign};
pub use bind::{bind, bind_any};
pub use checksum::{Checksum, Hashes, hexadecimal};
pub use content::Content;
pub use file::{FileLayer, TensorFile, load};
use format::Found;
pub use published::Published;
pub use tensor::{Element, FileTensor};

use crate::diagnostic::Place;
use crate::ir::Shape;

/// What a tensor is for. The seeded rule chooses its range by it; a check may depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Weights of a convolution or a dense layer.
    Kernel,
    /// Bias of a convolution or a dense layer.
    Bias,
    /// Scale of a batch normalisation.
    Gamma,
    /// Shift of a batch normalisation.
    Beta,
    /// Running mean.
    Mean,
    /// Running variance, never negative.
    Variance,
}

/// The order of a kernel's axes in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Axes {
    /// `[C_out, C_in / groups, H, W]` and `[units, features]`: PyTorch, ONNX.
    OutputFirst,
    /// `[H, W, C_in / groups, C_out]` and `[features, units]`: Keras.
    OutputLast,
}

/// A tensor that a network asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its name in the file.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// The shape the graph needs: output channels first.
    pub shape: Shape,
    /// How the file orders its axes.
    pub axes: Axes,
    /// The place in the spec that asks for it.
    pub place: Option<Place>,
}

/// A layer that has tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighted {
    /// Its class as Keras writes it in paths: `conv2d`, `batch_normalization`, `dense`.
    pub class: &'static str,
    /// Its tensors among the requests.
    pub tensors: std::ops::Range<usize>,
}

impl Request {
    /// The shape as the file has it.
    pub fn file_shape(&self) -> Shape {
        match self.axes {
            Axes::OutputFirst => self.shape.clone(),
            Axes::OutputLast => axes::output_last(&self.shape),
        }
    }
}
