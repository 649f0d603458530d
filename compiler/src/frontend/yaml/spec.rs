//! The spec as it is written: the types that `specs/README.md` describes and `specs/resnet.schema.json` is made from.
//!
//! What is checked here is form; what the values mean together is checked where they are lowered.

use serde::{Deserialize, Serialize};

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
    /// The layers before the first block.
    #[serde(default)]
    pub stem: Vec<Layer>,
    /// The residual blocks.
    pub stages: Option<Stages>,
    /// The layers behind the last block.
    #[serde(default)]
    pub head: Vec<Layer>,
    /// What the network gives.
    pub output: Option<Output>,
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
}

/// What batch normalisations take when they do not say otherwise.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct BatchNormDefaults {
    /// Added to the running variance.
    #[cfg_attr(feature = "schema", schemars(extend("exclusiveMinimum" = 0, "maximum" = 1)))]
    pub epsilon: f64,
}

impl Default for BatchNormDefaults {
    fn default() -> Self {
        Self { epsilon: 1e-5 }
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
}

/// A layer of the stem or the head: a word, or a map of one key with the layer's arguments.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Layer {
    /// A layer that needs no arguments.
    Plain(PlainLayer),
    /// A layer with its arguments.
    With(LayerWith),
}

/// A layer that needs no arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PlainLayer {
    /// Batch normalisation with running statistics.
    BatchNorm,
    /// The activation of `defaults`.
    Activation,
    /// Mean over height and width.
    GlobalAveragePool,
    /// `[N, C, H, W]` to `[N, C * H * W]`
    Flatten,
    /// Softmax over the classes.
    Softmax,
}

/// A layer with its arguments.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LayerWith {
    /// Convolution.
    Conv(Conv),
    /// Batch normalisation with running statistics.
    BatchNorm(BatchNorm),
    /// An activation.
    Activation(Activation),
    /// Maximum over a window; padding never wins.
    MaxPool(MaxPool),
    /// Mean over a window.
    AveragePool(AveragePool),
    /// Zeros around a map, as a layer of its own.
    ZeroPad(ZeroPadding),
    /// Fully connected layer.
    Dense(Dense),
}

/// A number for both directions, or one each for height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Extent {
    /// The same for height and width.
    Both(#[cfg_attr(feature = "schema", schemars(range(min = 1, max = 4096)))] usize),
    /// Height, then width.
    Each(#[cfg_attr(feature = "schema", schemars(inner(range(min = 1, max = 4096))))] [usize; 2]),
}

impl Extent {
    /// Height and width.
    pub fn pair(self) -> [usize; 2] {
        match self {
            Self::Both(extent) => [extent; 2],
            Self::Each(pair) => pair,
        }
    }
}

impl Default for Extent {
    fn default() -> Self {
        Self::Both(1)
    }
}

/// What is added around a map: a number for all sides, `[top, left, bottom, right]`, or a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Padding {
    /// The same on all sides.
    All(#[cfg_attr(feature = "schema", schemars(range(min = 0, max = 4096)))] usize),
    /// Top, left, bottom, right.
    Each(#[cfg_attr(feature = "schema", schemars(inner(range(min = 0, max = 4096))))] [usize; 4]),
    /// By a rule.
    Rule(PaddingRule),
}

impl Default for Padding {
    fn default() -> Self {
        Self::Rule(PaddingRule::Half)
    }
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

/// A convolution.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Output channels.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65536)))]
    pub channels: usize,
    /// Height and width of the kernel.
    pub kernel: Extent,
    /// Vertical and horizontal step.
    #[serde(default)]
    pub stride: Extent,
    /// Zeros around the input; the default is that of `defaults.conv.padding`.
    pub padding: Option<Padding>,
    /// Groups of channels that do not see each other.
    #[serde(default = "one")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65536)))]
    pub groups: usize,
    /// Whether there is a bias; the default is that of `defaults.conv.bias`.
    pub bias: Option<bool>,
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

/// A number for all sides, or `[top, left, bottom, right]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ZeroPadding {
    /// The same on all sides.
    All(#[cfg_attr(feature = "schema", schemars(range(min = 0, max = 4096)))] usize),
    /// Top, left, bottom, right.
    Each(#[cfg_attr(feature = "schema", schemars(inner(range(min = 0, max = 4096))))] [usize; 4]),
}

/// A fully connected layer.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Dense {
    /// Outputs.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub units: usize,
    /// Whether there is a bias.
    #[serde(default = "yes")]
    pub bias: bool,
    /// The layer's name in the weights, when it is not the one of the naming scheme.
    pub name: Option<String>,
}

/// The residual blocks, stage by stage: `depth`, `width` and `stride` have one entry per stage.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Stages {
    /// What a block is.
    pub block: Block,
    /// Blocks per stage.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64), inner(range(min = 1, max = 4096))))]
    pub depth: Vec<usize>,
    /// Width per stage: channels of the block's inner convolutions before `groups` and `base_width`; times `expansion` the channels it gives.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64), inner(range(min = 1, max = 65536))))]
    pub width: Vec<usize>,
    /// Stride of the first block of each stage.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64), inner(range(min = 1, max = 64))))]
    pub stride: Vec<usize>,
    /// Which convolution of the block has the stride, from 1; the default is 1 for basic and 2 for bottleneck blocks.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub stride_on: Option<usize>,
    /// Channels that a block gives per unit of width; the default is 1 for basic and 4 for bottleneck blocks.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 64)))]
    pub expansion: Option<usize>,
    /// Groups of the 3x3 convolution of bottleneck blocks.
    #[serde(default = "one")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65536)))]
    pub groups: usize,
    /// Bottleneck blocks are `width * base_width / 64 * groups` channels wide inside.
    #[serde(default = "base_width")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65536)))]
    pub base_width: usize,
    /// How the input of a block reaches its sum where it changes channels or size; elsewhere it is added as it is.
    #[serde(default)]
    pub shortcut: Shortcut,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// A 1x1 convolution, a 3x3 one and a 1x1 one that widens.
    Bottleneck,
}

/// How the input of a block reaches its sum where it changes channels or size: a word, or a map with details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Shortcut {
    /// With everything at its default.
    Kind(ShortcutKind),
    /// With details.
    Detailed(ShortcutDetails),
}

impl Default for Shortcut {
    fn default() -> Self {
        Self::Kind(ShortcutKind::Projection)
    }
}

/// The kinds of shortcuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ShortcutKind {
    /// A 1x1 convolution with the block's stride, and batch normalisation: options B and C of the first paper.
    Projection,
    /// Every stride-th pixel, and zero channels half before and half behind: option A.
    PadSplit,
    /// Every stride-th pixel, and zero channels behind: option A as Torch7 has it.
    PadEnd,
}

/// A shortcut with details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ShortcutDetails {
    /// Its kind.
    pub kind: ShortcutKind,
    /// Whether the projection is normalised; yes when not given.
    pub batch_norm: Option<bool>,
    /// Whether the projection has a bias; the default is that of `defaults.conv.bias`.
    pub bias: Option<bool>,
}

/// What the network gives.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// What is applied last.
    pub activation: OutputActivation,
}

impl Default for Output {
    fn default() -> Self {
        Self { name: "output".to_owned(), activation: OutputActivation::None }
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
    pub names: Scheme,
    /// The file that is read when no other weights are given: a path beside or below the spec.
    pub file: Option<String>,
    /// What `file` must hash to, in hexadecimal.
    #[cfg_attr(feature = "schema", schemars(length(min = 64, max = 64)))]
    pub sha256: Option<String>,
    /// Where trained weights are published; shown, never fetched.
    pub url: Option<String>,
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

fn one() -> usize {
    1
}

fn base_width() -> usize {
    64
}

fn yes() -> bool {
    true
}

fn no_padding() -> Padding {
    Padding::All(0)
}
