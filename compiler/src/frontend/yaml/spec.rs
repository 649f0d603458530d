//! The spec as it is written: the types that `specs/README.md` describes and `specs/resnet.schema.json` is made from.
//!
//! What is checked here is form; what the values mean together is checked where they are lowered.

mod layer;
mod ordered;
mod stages;
mod value;

use serde::{Deserialize, Serialize};

pub use layer::{
    AveragePool, BatchNorm, Block, BlockArguments, BlockUse, Conv, Dense, GroupNorm, Layer, LayerWith, MaxPool,
    NetworkArguments, NetworkUse, PlainLayer, Sources,
};
pub use ordered::Ordered;
pub use stages::{
    OneShortcut, ResidualBlock, Shortcut, ShortcutByReason, ShortcutDetails, ShortcutFrom, ShortcutKind,
    SqueezeExcitation, StageBlock, Stages, StrideAt,
};
pub use value::{ActivationChoice, Argument, Count, Extent, Flag, Number, Padding, ZeroPadding};

/// A residual network: one file, one network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The format of this file.
    pub spec: Version,
    /// The network's name.
    pub name: String,
    /// One sentence about it.
    #[serde(default)]
    pub description: String,
    /// Where the architecture comes from: a paper, a library.
    #[serde(default)]
    pub source: String,
    /// What the network reads.
    pub input: Input,
    /// What layers take when they do not say otherwise.
    #[serde(default)]
    pub defaults: Defaults,
    /// Blocks of your own, for `stages`, `graph` and each other.
    #[serde(default)]
    pub blocks: Ordered<Block>,
    /// The layers before the first block.
    #[serde(default)]
    pub stem: Vec<Layer>,
    /// The residual blocks.
    pub stages: Option<Stages>,
    /// In place of `stem` and `stages`: values by name, each a chain of layers that begins with `input` or with `from`. The last one goes on.
    pub graph: Option<Ordered<Vec<Layer>>>,
    /// The layers behind the last block that belong to the features.
    #[serde(default)]
    pub tail: Vec<Layer>,
    /// The classifier: what `include_top: false` leaves out.
    #[serde(default)]
    pub head: Vec<Layer>,
    /// What the network gives: one result or a list of several.
    pub output: Option<Outputs>,
    /// How a picture becomes the input.
    pub preprocess: Option<Preprocess>,
    /// A label per class: `imagenet1k`, `cifar10`, `cifar100`, a text file beside the spec with one label per line, or a list.
    pub labels: Option<Labels>,
    /// How tensors are named, and where they are found.
    #[serde(default)]
    pub weights: Weights,
    /// Counts that the network must have.
    #[serde(default)]
    pub expect: Expect,
}

/// The format of a spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Version {
    /// The first format.
    #[serde(rename = "resnet/1")]
    V1,
}

/// What the network reads.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its name.
    #[serde(default = "input_name")]
    pub name: String,
    /// `[N, channels, height, width]`; the batch size N is chosen when compiling.
    pub shape: InputShape,
    /// How the caller's buffer is laid out; the shape above is always written channels first.
    #[serde(default)]
    pub layout: Layout,
}

/// `[N, channels, height, width]`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InputShape(
    pub Batch,
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65536)))] pub usize,
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65536)))] pub usize,
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65536)))] pub usize,
);

/// The batch axis, whose size is chosen when compiling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Batch {
    /// Any number of images.
    N,
}

/// How the caller's buffer is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// `[N, channels, height, width]`
    #[default]
    Nchw,
    /// `[N, height, width, channels]`
    Nhwc,
}

/// What layers take when they do not say otherwise.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// For convolutions, those of the blocks included.
    pub conv: ConvDefaults,
    /// For batch normalisations, those of the blocks included.
    pub batch_norm: BatchNormDefaults,
    /// For group normalisations. When it is given, the blocks of stages have them in place of batch normalisations.
    pub group_norm: Option<GroupNormDefaults>,
    /// For activations, those of the blocks included.
    pub activation: Activation,
}

/// What convolutions take when they do not say otherwise.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ConvDefaults {
    /// Whether there is a bias.
    pub bias: bool,
    /// Zeros around the input.
    pub padding: Padding,
    /// When it is given, the weights of each output channel have their mean subtracted and are divided by the root of their variance and this
    /// (weight standardisation, Qiao et al. 2019).
    #[cfg_attr(feature = "schema", schemars(extend("exclusiveMinimum" = 0, "maximum" = 1)))]
    pub weight_standardization: Option<f64>,
}

/// What batch normalisations take when they do not say otherwise.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BatchNormDefaults {
    /// Added to the running variance.
    #[cfg_attr(feature = "schema", schemars(extend("exclusiveMinimum" = 0, "maximum" = 1)))]
    pub epsilon: f64,
    /// Whether there is a scale.
    pub gamma: bool,
}

impl Default for BatchNormDefaults {
    fn default() -> Self {
        Self { epsilon: 1e-5, gamma: true }
    }
}

/// What group normalisations take when they do not say otherwise.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct GroupNormDefaults {
    /// Groups of channels that are normalised together.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65536)))]
    pub groups: usize,
    /// Added to the variance.
    #[cfg_attr(feature = "schema", schemars(extend("exclusiveMinimum" = 0, "maximum" = 1)))]
    pub epsilon: f64,
}

impl Default for GroupNormDefaults {
    fn default() -> Self {
        Self { groups: 32, epsilon: 1e-5 }
    }
}

/// A function of each element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`
    #[default]
    Relu,
    /// `min(max(x, 0), 6)`
    Relu6,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `relu6(x + 3) / 6`
    HardSigmoid,
    /// `x * hard_sigmoid(x)`
    HardSwish,
    /// `x * sigmoid(x)`
    Silu,
    /// `(exp(x) - exp(-x)) / (exp(x) + exp(-x))`
    Tanh,
    /// `x`
    None,
}

/// How padding follows from the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PaddingRule {
    /// `(kernel - 1) / 2` on every side; the kernel must be odd.
    Half,
    /// As TensorFlow's SAME: the output is the input divided by the stride, rounded up, and an odd rest goes below and to the right.
    Same,
    /// None.
    Valid,
}

/// What the network gives.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Outputs {
    /// One result.
    One(Output),
    /// Several results, in order.
    Several(#[cfg_attr(feature = "schema", schemars(length(min = 1, max = 256)))] Vec<Output>),
}

/// A result.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// The value it is: `stem`, `stage1` and so on, `tail`, a value of `graph`, a name that `as` gave; the last value when not given.
    pub from: Option<String>,
    /// What is applied last.
    pub activation: OutputActivation,
}

impl Default for Output {
    fn default() -> Self {
        Self { name: "output".to_owned(), from: None, activation: OutputActivation::None }
    }
}

/// What is applied to the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OutputActivation {
    /// Nothing: the output is what the head gives.
    #[default]
    None,
    /// Softmax over the classes.
    Softmax,
    /// `1 / (1 + exp(-x))` of each class by itself.
    Sigmoid,
}

/// What stands in place of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Pooling {
    /// Nothing: the last map is the result.
    #[default]
    None,
    /// Mean over height and width, as a vector.
    Avg,
    /// Maximum over height and width, as a vector.
    Max,
}

/// How a picture becomes the input: resize, crop, channel order, range, `(x - mean) / std`. What is not given comes from the preset.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Preprocess {
    /// Where the values come from that are not given; `unit` when not given.
    pub preset: Option<Preset>,
    /// A number for the shorter side, `[height, width]` for an exact size; the default is the preset's fraction, or the input's size.
    pub resize: Option<Size>,
    /// What is cut from the middle: a number for a square, or `[height, width]`; the default is the input's size after a resize of the shorter side, else nothing.
    pub crop: Option<Size>,
    /// Instead of `resize` and `crop`: the part of the shorter side that the crop keeps, timm's `crop_pct`. The picture is resized to cover the input's size divided by it, rounded down.
    #[cfg_attr(feature = "schema", schemars(extend("exclusiveMinimum" = 0, "maximum" = 1)))]
    pub crop_fraction: Option<f64>,
    /// How the picture is resampled.
    pub interpolation: Option<Interpolation>,
    /// Whether the filter widens when the picture shrinks, as Pillow's does.
    pub antialias: Option<bool>,
    /// The order of the channels.
    pub color: Option<Color>,
    /// What the 8-bit values 0 and 255 become.
    pub range: Option<[f64; 2]>,
    /// Subtracted per channel, in the order of `color`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub mean: Option<Vec<f64>>,
    /// Divided by per channel, in the order of `color`.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub std: Option<Vec<f64>>,
}

/// Sets of preprocessing values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// RGB from 0 to 1, nothing subtracted, bilinear with antialiasing.
    #[default]
    Unit,
    /// RGB from 0 to 1 with the mean and deviation of ImageNet, bilinear with antialiasing, seven eighths from the middle.
    Torchvision,
    /// As `torchvision`, bicubic: timm's evaluation transform.
    Timm,
    /// As `timm`, with mean and deviation 0.5.
    TimmInception,
    /// As `timm`, odd rests of the crop rounded down, and from an input of 384 on the whole picture squashed: Hugging Face's processor of ResNet and ConvNeXT.
    HuggingFace,
    /// BGR from 0 to 255 minus the mean of ImageNet, nearest pixel: Keras' `caffe` mode.
    KerasCaffe,
    /// RGB from -1 to 1, nearest pixel: Keras' `tf` mode.
    KerasTf,
    /// RGB from 0 to 255, bilinear with antialiasing.
    Raw,
}

/// A length for one or both sides of a picture, or height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Size {
    /// One number.
    One(#[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65536)))] usize),
    /// Height, then width.
    Pair(#[cfg_attr(feature = "schema", schemars(inner(range(min = 1, max = 65536))))] [usize; 2]),
}

/// How a picture is resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Interpolation {
    /// The nearest pixel.
    Nearest,
    /// A triangle filter.
    Bilinear,
    /// A cubic filter.
    Bicubic,
}

/// The order of a picture's channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Color {
    /// Red, green, blue.
    Rgb,
    /// Blue, green, red.
    Bgr,
}

/// A label per class.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Labels {
    /// `imagenet1k`, `cifar10`, `cifar100`, or a text file beside the spec with one label per line.
    Named(String),
    /// In class order.
    List(Vec<String>),
}

/// How tensors are named, and where they are found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Weights {
    /// How tensors are named, and how their axes are ordered.
    pub names: TensorNames,
    /// The file that is read when no other weights are given: a path beside or below the spec.
    pub file: Option<String>,
    /// The SHA-256 of what `file` or `url` gives, in hexadecimal.
    #[cfg_attr(feature = "schema", schemars(length(min = 64, max = 64)))]
    pub sha256: Option<String>,
    /// The first digits of that SHA-256, for publishers who tell no more.
    #[cfg_attr(feature = "schema", schemars(length(min = 8, max = 63)))]
    pub sha256_prefix: Option<String>,
    /// The MD5 of what `file` or `url` gives, in hexadecimal.
    #[cfg_attr(feature = "schema", schemars(length(min = 32, max = 32)))]
    pub md5: Option<String>,
    /// Where trained weights are published: `resnetc pull` fetches them.
    pub url: Option<String>,
}

/// How tensors are named: by a scheme, or by a scheme and a map from the names of your own to the scheme's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum TensorNames {
    /// By a scheme.
    Scheme(Scheme),
    /// By a scheme and a map.
    Mapped(MappedNames),
}

impl TensorNames {
    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        match self {
            Self::Scheme(scheme) => *scheme,
            Self::Mapped(mapped) => mapped.scheme,
        }
    }
}

impl Default for TensorNames {
    fn default() -> Self {
        Self::Scheme(Scheme::default())
    }
}

/// A scheme, and a map from the names of your own to the scheme's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct MappedNames {
    /// The scheme.
    pub scheme: Scheme,
    /// Patterns of names in the file, each with the pattern of names in the scheme that it stands for. `{i}` stands for a number, `{i+1}` and
    /// `{i-1}` for its neighbours, `{rest*}` for any text.
    pub map: Ordered<String>,
}

/// How tensors are named, and how their axes are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// `layer1.0.conv1.weight`, output channels first.
    #[default]
    Torchvision,
    /// `conv2_block1_1_conv/kernel`, output channels last.
    Keras,
    /// `conv2d_1/kernel`, numbered in the order of construction, output channels last.
    KerasNumbered,
    /// `stages.0.blocks.0.conv1.weight`, output channels first: timm's ResNetV2.
    TimmResnetv2,
    /// `resnet.encoder.stages.0.layers.0.layer.0.convolution.weight`, output channels first.
    HuggingFace,
    /// `res2a_branch2a.weight`, output channels first.
    Caffe,
}

/// Counts that the network must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Trainable parameters: kernels, biases, and scale and shift of normalisations.
    pub parameters: Option<u64>,
    /// Running means and variances.
    pub statistics: Option<u64>,
    /// Multiply-accumulates of convolutions and dense layers for one image.
    pub macs: Option<u64>,
}

fn input_name() -> String {
    "input".to_owned()
}
