//! The intermediate representation: a directed acyclic graph of tensor operations.
//!
//! Logical layout is `[N, C, H, W]` for maps and `[N, C]` for vectors, `[C_out, C_in / groups, kernel height, kernel width]`
//! for convolution weights and `[units, features]` for dense weights, whatever the files on disk say.

mod graph;
pub mod interpreter;
mod nest;
mod numbers;
mod op;
#[path = "../../../runtime/src/scalar.rs"]
pub mod scalar;
mod shape;
mod tensor;
pub mod text;
pub mod verify;

pub use graph::{Chain, ChainKind, Edit, Graph, Node, NodeId, Output};
pub use nest::{Access, MOST_AXES, Move, Nest, strides};
pub use numbers::{Bits, Element, Numbers, Quantisation};
pub use op::{Activation, BatchNorm, Conv, Dense, GroupNorm, Layout, Op, Pad, Padding, Pool, SecondResult};
pub use shape::{ShapeError, infer};
pub use tensor::{Shape, Tensor};
