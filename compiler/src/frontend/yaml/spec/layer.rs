//! Layers, and what they are made of into: chains, blocks, graphs.

use serde::Deserialize;

use super::ordered::Ordered;
use super::value::{ActivationChoice, Argument, Count, Extent, Flag, Number, Padding, ZeroPadding};
use super::{OutputActivation, Pooling};

/// A layer of a chain: a word, or a map of one key with the layer's arguments.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Layer {
    /// A layer that needs no arguments.
    Plain(PlainLayer),
    /// A layer with its arguments.
    With(Box<LayerWith>),
}

/// A layer that needs no arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PlainLayer {
    /// Batch normalisation with running statistics.
    BatchNorm,
    /// Group normalisation.
    GroupNorm,
    /// The activation of `defaults`.
    Activation,
    /// Mean over height and width.
    GlobalAveragePool,
    /// Maximum over height and width.
    GlobalMaxPool,
    /// `[N, C, H, W]` to `[N, C * H * W]`
    Flatten,
    /// Softmax over the classes.
    Softmax,
    /// The values of `from` joined along their channels.
    Concat,
    /// The sum of the values of `from`.
    Add,
    /// The product of the values of `from`; one of `[N, C, 1, 1]` counts for every pixel.
    Multiply,
}

/// A layer with its arguments.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LayerWith {
    /// What the next layer reads: a value by its name, or several for `concat`, `add` and `multiply`.
    From(Sources),
    /// Gives the value at hand a name that `from` and `output` can use.
    As(String),
    /// Convolution.
    Conv(Conv),
    /// Batch normalisation with running statistics.
    BatchNorm(BatchNorm),
    /// Group normalisation.
    GroupNorm(GroupNorm),
    /// An activation.
    Activation(ActivationChoice),
    /// Maximum over a window; padding never wins.
    MaxPool(MaxPool),
    /// Mean over a window.
    AveragePool(AveragePool),
    /// Zeros around a map, as a layer of its own.
    ZeroPad(ZeroPadding),
    /// Every so many-th row and column.
    Subsample(Count<1, 4096>),
    /// Zero channels before the first and behind the last.
    PadChannels([Count<0, 65536>; 2]),
    /// The channels from the first number up to, but without, the second.
    Slice([Count<0, 65536>; 2]),
    /// Multiplication with a number.
    Scale(Number),
    /// Fully connected layer.
    Dense(Dense),
    /// Ignored: only training has it.
    Dropout(Number),
    /// A block of `blocks`: its name, or a map with its arguments.
    Block(BlockUse),
    /// Another spec as a part of this network: its name, or a map with its arguments.
    Network(NetworkUse),
}

/// The name of a value, or a list of several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Sources {
    /// One value.
    One(String),
    /// Several values, in order.
    Several(#[cfg_attr(feature = "schema", schemars(length(min = 1, max = 1024)))] Vec<String>),
}

/// A convolution.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Output channels.
    pub channels: Count<1, 65536>,
    /// Height and width of the kernel.
    pub kernel: Extent,
    /// Vertical and horizontal step.
    #[serde(default)]
    pub stride: Extent,
    /// Zeros around the input; the default is that of `defaults.conv.padding`.
    pub padding: Option<Padding>,
    /// Vertical and horizontal distance of neighbouring kernel elements.
    #[serde(default)]
    pub dilation: Extent,
    /// Groups of channels that do not see each other.
    #[serde(default = "one")]
    pub groups: Count<1, 65536>,
    /// Whether there is a bias; the default is that of `defaults.conv.bias`.
    pub bias: Option<Flag>,
    /// The layer's name in the weights, when it is not the one of the naming scheme.
    pub name: Option<String>,
}

/// A batch normalisation.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BatchNorm {
    /// Added to the running variance; the default is that of `defaults.batch_norm.epsilon`.
    #[cfg_attr(feature = "schema", schemars(extend("exclusiveMinimum" = 0, "maximum" = 1)))]
    pub epsilon: Option<f64>,
    /// Whether there is a scale; the default is that of `defaults.batch_norm.gamma`.
    pub gamma: Option<bool>,
    /// The layer's name in the weights, when it is not the one of the naming scheme.
    pub name: Option<String>,
}

/// A group normalisation.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct GroupNorm {
    /// Groups of channels that are normalised together; the default is that of `defaults.group_norm.groups`.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65536)))]
    pub groups: Option<usize>,
    /// Added to the variance; the default is that of `defaults.group_norm.epsilon`.
    #[cfg_attr(feature = "schema", schemars(extend("exclusiveMinimum" = 0, "maximum" = 1)))]
    pub epsilon: Option<f64>,
    /// The layer's name in the weights, when it is not the one of the naming scheme.
    pub name: Option<String>,
}

/// A maximum over a window.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct MaxPool {
    /// Height and width of the window.
    pub kernel: Extent,
    /// Vertical and horizontal step; the default is the kernel.
    pub stride: Option<Extent>,
    /// Padding around the input, which never wins.
    #[serde(default = "no_padding")]
    pub padding: Padding,
    /// Whether the output size is rounded up.
    #[serde(default)]
    pub ceil_mode: bool,
}

/// A mean over a window.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct AveragePool {
    /// Height and width of the window.
    pub kernel: Extent,
    /// Vertical and horizontal step; the default is the kernel.
    pub stride: Option<Extent>,
    /// Padding around the input.
    #[serde(default = "no_padding")]
    pub padding: Padding,
    /// Whether the output size is rounded up.
    #[serde(default)]
    pub ceil_mode: bool,
    /// Whether padding counts as zeros in the divisor.
    #[serde(default)]
    pub count_include_padding: bool,
}

/// A fully connected layer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Outputs.
    pub units: Count<1, 1_000_000>,
    /// Whether there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
    /// The layer's name in the weights, when it is not the one of the naming scheme.
    pub name: Option<String>,
}

/// A use of a block: its name, or a map with its arguments.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum BlockUse {
    /// With every parameter at its default.
    Named(String),
    /// With arguments.
    With(BlockArguments),
}

/// A use of a block with arguments.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlockArguments {
    /// The block.
    #[serde(rename = "use")]
    pub block: String,
    /// How often, each time over the result of the last; `$index` counts from 1.
    #[serde(default = "one")]
    pub repeat: Count<1, 65536>,
    /// What `${name}` is inside: the beginning of the names of its layers.
    pub name: Option<String>,
    /// Its parameters.
    #[serde(flatten)]
    pub arguments: Ordered<Argument>,
}

/// A use of another spec: its name, or a map with its arguments.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum NetworkUse {
    /// As it is, with its classifier.
    Named(String),
    /// With arguments.
    With(NetworkArguments),
}

/// A use of another spec with arguments.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct NetworkArguments {
    /// A spec that ships with the compiler, or a file beside this one.
    #[serde(rename = "use")]
    pub spec: String,
    /// What stands before the names of its tensors; nothing when not given.
    pub name: Option<String>,
    /// Whether its head is a part of it.
    #[serde(default = "yes")]
    pub include_top: bool,
    /// What stands in place of the head.
    #[serde(default)]
    pub pooling: Pooling,
    /// Classes, when not its own number.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub classes: Option<usize>,
    /// What its classifier applies last; nothing when not given.
    #[serde(default)]
    pub classifier_activation: OutputActivation,
}

/// A block of your own: layers with parameters.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// One sentence about it.
    #[serde(default)]
    pub description: String,
    /// Its parameters, each with its default or the word `required`.
    #[serde(default)]
    pub parameters: Ordered<Argument>,
    /// Its values by name, each a chain of layers that begins with `input`, what the block reads, or with `from`; `output` is its result.
    pub values: Ordered<Vec<Layer>>,
}

fn one() -> Count<1, 65536> {
    Count::Literal(1)
}

fn yes() -> bool {
    true
}

fn no_padding() -> Padding {
    Padding::All(Count::Literal(0))
}
