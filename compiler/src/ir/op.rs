//! The operations: a closed set, matched exhaustively everywhere.
//!
//! What a fusion adds to an operation (a shortcut, an activation) is an attribute of it, not a new operation.
//! The operands of a node stand in the order that the comment of each operation gives.

use super::{Nest, Tensor};

/// An operation with its attributes.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// The network's input. No operands.
    Input(Layout),
    /// Values known at compile time. No operands.
    Constant(Tensor),
    /// Convolution. Operands: `x`, `kernel`, `bias` if any, `scale` and `shift` of the second result if any, `shortcut` if any.
    Conv(Conv),
    /// Batch normalisation with running statistics: `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.
    /// Operands: `x`, `gamma` if any, `beta` if any, `mean`, `variance`, each of the latter `[C]`.
    BatchNorm(BatchNorm),
    /// Group normalisation (Wu and He 2018): `gamma * (x - mean) / sqrt(variance + epsilon) + beta`, mean and biased variance over
    /// the channels of a group and all pixels of each image. Operands: `x` `[N, C, H, W]`, `gamma` `[C]`, `beta` `[C]`.
    GroupNorm(GroupNorm),
    /// An activation on its own. Operand: `x`.
    Activation(Activation),
    /// Maximum over a window; padding counts as minus infinity. Operand: `x`.
    MaxPool(Pool),
    /// Mean over a window. Operand: `x`.
    AveragePool {
        /// The window.
        pool: Pool,
        /// Whether explicit padding counts as zeros in the divisor; overhang by `ceil_mode` never does.
        count_include_padding: bool,
    },
    /// Mean over height and width: `[N, C, H, W]` to `[N, C, 1, 1]`. Operand: `x`.
    GlobalAveragePool,
    /// Maximum over height and width: `[N, C, H, W]` to `[N, C, 1, 1]`. Operand: `x`.
    GlobalMaxPool,
    /// `[N, C, H, W]` to `[N, C * H * W]`. Operand: `x`.
    Flatten,
    /// `x * kernel^T + bias`. Operands: `x` `[N, features]`, `kernel` `[units, features]`, `bias` `[units]` if any.
    Dense(Dense),
    /// Sum of two tensors of one shape. Operands: `a`, `b`.
    Add {
        /// What is applied to the sum.
        activation: Option<Activation>,
    },
    /// Element-wise product. Operands: `a`, `b`; `b` has the shape of `a`, or is `[N, C, 1, 1]` or `[N, C]` beside a map:
    /// one factor per channel.
    Multiply {
        /// What is applied to the product.
        activation: Option<Activation>,
    },
    /// `x * factor`. Operand: `x`.
    Scale {
        /// The factor, finite.
        factor: f64,
    },
    /// Maps `[N, C_i, H, W]`, or vectors `[N, C_i]`, one behind the other along the channels. Operands: all of them, at least one.
    Concat {
        /// How many there are.
        operands: usize,
    },
    /// The channels `begin..end` of a map or a vector. Operand: `x`.
    Slice {
        /// The first channel, and the one behind the last.
        channels: [usize; 2],
    },
    /// Softmax over the classes of `[N, C]`. Operand: `x`.
    Softmax,
    /// Zeros around a map, in channels, height and width. Operand: `x`.
    Pad(Pad),
    /// Every `stride`-th row and column, from the first. Operand: `x`.
    Subsample {
        /// Vertical and horizontal step.
        stride: [usize; 2],
    },
    /// The values of a map or a vector in row-major order: an array. Operand: `x`.
    AsArray,
    /// An array `[N, C, H, W]` as a map, or `[N, C]` as a vector. Operand: `x`.
    AsMap,
    /// A loop nest over arrays, whose result is an array. Operands: one or two, as it says; each an array or a constant, not all of
    /// them constants.
    Nest(Box<Nest>),
}

impl Op {
    /// The operation's name, as in text form, tables and generated comments.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Input(_) => "input",
            Self::Constant(_) => "constant",
            Self::Conv(_) => "conv",
            Self::BatchNorm(_) => "batch_norm",
            Self::GroupNorm(_) => "group_norm",
            Self::Activation(activation) => activation.name(),
            Self::MaxPool(_) => "max_pool",
            Self::AveragePool { .. } => "average_pool",
            Self::GlobalAveragePool => "global_average_pool",
            Self::GlobalMaxPool => "global_max_pool",
            Self::Flatten => "flatten",
            Self::Dense(_) => "dense",
            Self::Add { .. } => "add",
            Self::Multiply { .. } => "multiply",
            Self::Scale { .. } => "scale",
            Self::Concat { .. } => "concat",
            Self::Slice { .. } => "slice",
            Self::Softmax => "softmax",
            Self::Pad(_) => "pad",
            Self::Subsample { .. } => "subsample",
            Self::AsArray => "as_array",
            Self::AsMap => "as_map",
            Self::Nest(_) => "nest",
        }
    }

    /// What the operation applies to its result last.
    pub fn activation(&self) -> Option<Activation> {
        match self {
            Self::Activation(activation) => Some(*activation),
            Self::Conv(conv) => conv.activation,
            Self::BatchNorm(norm) => norm.activation,
            Self::GroupNorm(norm) => norm.activation,
            Self::Dense(dense) => dense.activation,
            Self::Add { activation } | Self::Multiply { activation } => *activation,
            Self::Input(_)
            | Self::Constant(_)
            | Self::MaxPool(_)
            | Self::AveragePool { .. }
            | Self::GlobalAveragePool
            | Self::GlobalMaxPool
            | Self::Flatten
            | Self::Scale { .. }
            | Self::Concat { .. }
            | Self::Slice { .. }
            | Self::Softmax
            | Self::Pad(_)
            | Self::Subsample { .. }
            | Self::AsArray
            | Self::AsMap
            | Self::Nest(_) => None,
        }
    }

    /// Whether its result is an array, which lies in memory in row-major order, and no map or vector.
    pub fn is_array(&self) -> bool {
        matches!(self, Self::Input(Layout::Array) | Self::AsArray | Self::Nest(_))
    }

    /// How many operands a node of this operation has.
    pub fn arity(&self) -> usize {
        match self {
            Self::Input(_) | Self::Constant(_) => 0,
            Self::Conv(conv) => {
                2 + usize::from(conv.bias) + 2 * usize::from(conv.second.is_some()) + usize::from(conv.shortcut)
            }
            Self::BatchNorm(norm) => 3 + usize::from(norm.gamma) + usize::from(norm.beta),
            Self::GroupNorm(_) => 3,
            Self::Dense(dense) => 2 + usize::from(dense.bias),
            Self::Add { .. } | Self::Multiply { .. } => 2,
            Self::Concat { operands } => *operands,
            Self::Nest(nest) => nest.operands.len(),
            Self::Activation(_)
            | Self::MaxPool(_)
            | Self::AveragePool { .. }
            | Self::GlobalAveragePool
            | Self::GlobalMaxPool
            | Self::Flatten
            | Self::Scale { .. }
            | Self::Slice { .. }
            | Self::Softmax
            | Self::Pad(_)
            | Self::Subsample { .. }
            | Self::AsArray
            | Self::AsMap => 1,
        }
    }

    /// Whether the operand at a position is a parameter of the layer and no activation map.
    pub fn is_parameter(&self, position: usize) -> bool {
        match self {
            Self::Conv(conv) => (1..self.arity() - usize::from(conv.shortcut)).contains(&position),
            Self::Dense(_) | Self::BatchNorm(_) | Self::GroupNorm(_) => position >= 1,
            Self::Input(_)
            | Self::Constant(_)
            | Self::Activation(_)
            | Self::MaxPool(_)
            | Self::AveragePool { .. }
            | Self::GlobalAveragePool
            | Self::GlobalMaxPool
            | Self::Flatten
            | Self::Add { .. }
            | Self::Multiply { .. }
            | Self::Scale { .. }
            | Self::Concat { .. }
            | Self::Slice { .. }
            | Self::Softmax
            | Self::Pad(_)
            | Self::Subsample { .. }
            | Self::AsArray
            | Self::AsMap
            | Self::Nest(_) => false,
        }
    }
}

/// How the caller's buffer is laid out; inside the graph a map is always `[N, C, H, W]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Layout {
    /// `[N, C, H, W]`
    #[default]
    Nchw,
    /// `[N, H, W, C]`
    Nhwc,
    /// Any axes in row-major order: no map, but an array.
    Array,
}

/// A function of each element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `min(max(x + 3, 0), 6) / 6`
    HardSigmoid,
    /// `x * min(max(x + 3, 0), 6) / 6`
    HardSwish,
    /// `x / (1 + exp(-x))`, also called swish.
    Silu,
    /// `tanh(x)`
    Tanh,
}

impl Activation {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Relu, Self::Relu6, Self::Sigmoid, Self::HardSigmoid, Self::HardSwish, Self::Silu, Self::Tanh];

    /// Its name, as in text form, tables and generated comments.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Relu6 => "relu6",
            Self::Sigmoid => "sigmoid",
            Self::HardSigmoid => "hard_sigmoid",
            Self::HardSwish => "hard_swish",
            Self::Silu => "silu",
            Self::Tanh => "tanh",
        }
    }

    /// The activation of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|activation| activation.name() == name)
    }
}

/// Rows and columns added on each side of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Padding {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Padding {
    /// The same on all four sides.
    pub const fn same(amount: usize) -> Self {
        Self { top: amount, left: amount, bottom: amount, right: amount }
    }
}

/// Attributes of a convolution. Padding is with zeros.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Conv {
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Vertical and horizontal step.
    pub stride: [usize; 2],
    /// Zeros around the input.
    pub padding: Padding,
    /// Distance of neighbouring kernel elements, vertical and horizontal; 1 is a dense kernel.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Whether there is a bias operand `[C_out]`.
    pub bias: bool,
    /// Whether there is a shortcut operand of the output's shape, added before the activation.
    pub shortcut: bool,
    /// What is applied last.
    pub activation: Option<Activation>,
    /// A second result behind the first, in as many channels more.
    pub second: Option<SecondResult>,
}

/// The second result of a convolution: `activation(scale * first + shift)`, with a `scale` and a `shift` `[C_out]` for each channel of
/// the first. It is what a pre-activation network (He et al., arXiv 1603.05027) reads beside the sum that goes on as the shortcut.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SecondResult {
    /// What is applied last.
    pub activation: Option<Activation>,
}

/// Attributes of a batch normalisation.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNorm {
    /// Added to the variance, > 0.
    pub epsilon: f64,
    /// Whether there is a scale operand.
    pub gamma: bool,
    /// Whether there is a shift operand.
    pub beta: bool,
    /// What is applied last.
    pub activation: Option<Activation>,
}

/// Attributes of a group normalisation.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupNorm {
    /// Groups of neighbouring channels that are normalised together; divides the channels.
    pub groups: usize,
    /// Added to the variance, > 0.
    pub epsilon: f64,
    /// What is applied last.
    pub activation: Option<Activation>,
}

/// A pooling window.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pool {
    /// Height and width of the window.
    pub kernel: [usize; 2],
    /// Vertical and horizontal step.
    pub stride: [usize; 2],
    /// Padding around the input.
    pub padding: Padding,
    /// Whether the output size is rounded up. A last window that would start beyond the input and its leading padding is dropped.
    pub ceil_mode: bool,
}

/// Attributes of a dense layer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Dense {
    /// Whether there is a bias operand `[units]`.
    pub bias: bool,
    /// What is applied last.
    pub activation: Option<Activation>,
}

/// Zeros added around a map.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pad {
    /// Channels added before the first and after the last.
    pub channels: [usize; 2],
    /// Rows and columns added.
    pub spatial: Padding,
}
