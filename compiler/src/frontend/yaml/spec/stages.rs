//! The residual blocks, stage by stage.

use serde::Deserialize;

use super::ordered::Ordered;
use super::value::Argument;

/// The residual blocks, stage by stage: `depth`, `width` and `stride` have one entry per stage.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Stages {
    /// What a block is.
    pub block: StageBlock,
    /// Blocks per stage.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64), inner(range(min = 1, max = 4096))))]
    pub depth: Vec<usize>,
    /// Width per stage: channels of the block's inner convolutions before `groups` and `base_width`; times `expansion` the channels it gives.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64), inner(range(min = 1, max = 65536))))]
    pub width: Vec<usize>,
    /// Stride of each stage, in the block that `stride_at` says.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 64), inner(range(min = 1, max = 64))))]
    pub stride: Vec<usize>,
    /// Which convolution of that block has the stride, from 1; the default is 1 for basic and 2 for bottleneck blocks.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub stride_on: Option<usize>,
    /// Which block of a stage has the stride.
    #[serde(default)]
    pub stride_at: StrideAt,
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
    /// Convolutions that have a bias: their numbers, from 1; the default is all or none, as `defaults.conv.bias` says.
    #[cfg_attr(feature = "schema", schemars(length(max = 3), inner(range(min = 1, max = 3))))]
    pub bias_on: Option<Vec<usize>>,
    /// Convolutions before which the padding is a layer of its own: their numbers, from 1.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(length(max = 3), inner(range(min = 1, max = 3))))]
    pub zero_pad_on: Vec<usize>,
    /// Squeeze-and-excitation of each block's branch.
    pub squeeze_excitation: Option<SqueezeExcitation>,
    /// What the branch is multiplied with before the sum.
    #[serde(default = "whole")]
    pub residual_scale: f64,
    /// How the input of a block reaches its sum where it changes channels or size; elsewhere it is added as it is.
    #[serde(default)]
    pub shortcut: Shortcut,
    /// Arguments for the parameters of a block of your own, besides those that the stage gives: `width`, `channels`, `stride`, `groups`, `stage` and `index`.
    #[serde(default)]
    pub arguments: Ordered<Argument>,
}

/// What a block is: one of the residual blocks of the literature, or one of `blocks`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum StageBlock {
    /// Of the literature.
    Residual(ResidualBlock),
    /// The name of a block of `blocks`, which has its shortcut inside.
    Own(String),
}

/// The residual blocks of the literature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResidualBlock {
    /// Two 3x3 convolutions, each with batch normalisation behind it.
    Basic,
    /// A 1x1 convolution, a 3x3 one and a 1x1 one that widens, each with batch normalisation behind it.
    Bottleneck,
    /// Two 3x3 convolutions, each with batch normalisation and activation before it.
    PreactivationBasic,
    /// A 1x1 convolution, a 3x3 one and a 1x1 one that widens, each with batch normalisation and activation before it.
    PreactivationBottleneck,
}

/// Which block of a stage has the stride.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StrideAt {
    /// The first.
    #[default]
    First,
    /// The last.
    Last,
}

/// Squeeze-and-excitation: the branch's channels, each multiplied with a number between 0 and 1 that two 1x1 convolutions make of all their means.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SqueezeExcitation {
    /// Channels between the two convolutions, as a part of the branch's.
    #[cfg_attr(feature = "schema", schemars(extend("exclusiveMinimum" = 0, "maximum" = 1)))]
    pub ratio: f64,
    /// The channels between are rounded to a multiple of this, at least once.
    #[serde(default = "eight")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65536)))]
    pub divisor: usize,
}

/// How the input of a block reaches its sum where it changes channels or size: a word, a map with details, or one of either for each of
/// the two reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Shortcut {
    /// With everything at its default.
    Kind(ShortcutKind),
    /// With details.
    Detailed(ShortcutDetails),
    /// By what changes.
    ByReason(ShortcutByReason),
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
    /// The input as it is: for blocks that change nothing.
    Identity,
    /// A 1x1 convolution with the block's stride, and batch normalisation: options B and C of the first paper.
    Projection,
    /// The mean of each window of the block's stride, then a 1x1 convolution and batch normalisation: ResNet-D.
    AverageProjection,
    /// Every stride-th pixel, and zero channels half before and half behind: option A.
    PadSplit,
    /// Every stride-th pixel, and zero channels behind: option A as Torch7 has it.
    PadEnd,
    /// Every stride-th pixel.
    Subsample,
}

/// A shortcut with details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ShortcutDetails {
    /// Its kind.
    pub kind: ShortcutKind,
    /// Height and width of the projection's kernel; 1 when not given.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 15)))]
    pub kernel: Option<usize>,
    /// Whether the projection is normalised; when not given, only that of a block with the normalisation behind its convolutions.
    pub batch_norm: Option<bool>,
    /// Whether the projection has a bias; the default is that of `defaults.conv.bias`.
    pub bias: Option<bool>,
    /// What the projection of a pre-activation block reads.
    pub from: Option<ShortcutFrom>,
}

/// What the projection of a pre-activation block reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ShortcutFrom {
    /// The block's input.
    Input,
    /// The input after the block's first normalisation and activation.
    Preactivation,
}

/// A shortcut for each reason to have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ShortcutByReason {
    /// Where the channels change.
    pub channels: OneShortcut,
    /// Where only the size changes.
    pub stride: OneShortcut,
}

/// A kind of shortcut, or a map with details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum OneShortcut {
    /// With everything at its default.
    Kind(ShortcutKind),
    /// With details.
    Detailed(ShortcutDetails),
}

impl OneShortcut {
    /// The details, those not given left open.
    pub fn details(self) -> ShortcutDetails {
        match self {
            Self::Kind(kind) => ShortcutDetails { kind, kernel: None, batch_norm: None, bias: None, from: None },
            Self::Detailed(details) => details,
        }
    }
}

fn one() -> usize {
    1
}

fn eight() -> usize {
    8
}

fn whole() -> f64 {
    1.0
}

fn base_width() -> usize {
    64
}
