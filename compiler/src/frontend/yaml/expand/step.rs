//! The layers of the flat list.

use super::Expansion;
use crate::frontend::yaml::problems::Problem;
use crate::frontend::yaml::spec::{PaddingRule, Scheme};
use crate::ir::Activation;
use crate::limits;

/// A layer of the flat list.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name; with tensors, also their prefix.
    pub name: String,
    /// What it does.
    pub kind: StepKind,
    /// What it reads.
    pub reads: Vec<ValueId>,
    /// The key path it comes from.
    pub path: String,
    /// How its tensors are named, and how their axes are ordered.
    pub scheme: Scheme,
}

/// A value: 0 is the network's input, `i + 1` the result of step `i`.
pub type ValueId = usize;

/// The kinds of layers, with everything but the shapes of what they read.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Convolution.
    Conv(ConvStep),
    /// Batch normalisation.
    BatchNorm {
        /// Added to the running variance.
        epsilon: f64,
        /// Whether there is a scale.
        gamma: bool,
    },
    /// Group normalisation.
    GroupNorm {
        /// Groups of channels.
        groups: usize,
        /// Added to the variance.
        epsilon: f64,
    },
    /// A function of each element.
    Activation(Activation),
    /// Maximum over a window.
    MaxPool(Window),
    /// Mean over a window.
    AveragePool {
        /// The window.
        window: Window,
        /// Whether padding counts as zeros in the divisor.
        count_include_padding: bool,
    },
    /// Zeros on each side: top, left, bottom, right.
    ZeroPad([usize; 4]),
    /// Mean over height and width.
    GlobalAveragePool,
    /// Maximum over height and width.
    GlobalMaxPool,
    /// Maps to vectors.
    Flatten,
    /// Fully connected.
    Dense {
        /// Outputs.
        units: usize,
        /// Whether there is a bias.
        bias: bool,
    },
    /// Softmax.
    Softmax,
    /// Sum of two.
    Add,
    /// Product of two.
    Multiply,
    /// Channels of all, one after the other.
    Concat,
    /// Multiplication with a number.
    Scale(f64),
    /// Every so many-th pixel.
    Subsample(usize),
    /// Zero channels before the first and behind the last.
    PadChannels([usize; 2]),
    /// Channels from the first number up to the second.
    Slice([usize; 2]),
}

/// A convolution.
#[derive(Debug, Clone, PartialEq)]
pub struct ConvStep {
    /// Output channels.
    pub channels: usize,
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Vertical and horizontal step.
    pub stride: [usize; 2],
    /// Zeros around the input.
    pub padding: Padding,
    /// Vertical and horizontal distance of neighbouring kernel elements.
    pub dilation: [usize; 2],
    /// Groups.
    pub groups: usize,
    /// Whether there is a bias.
    pub bias: bool,
    /// What is added to the variance of an output channel's weights when they are standardised.
    pub weight_standardization: Option<f64>,
}

/// A pooling window.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Height and width.
    pub kernel: [usize; 2],
    /// Vertical and horizontal step.
    pub stride: [usize; 2],
    /// Padding around the input.
    pub padding: Padding,
    /// Whether the output size is rounded up.
    pub ceil_mode: bool,
}

/// What is added around a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// The same on all sides.
    All(usize),
    /// Top, left, bottom, right.
    Each([usize; 4]),
    /// By a rule.
    Rule(PaddingRule),
}

impl Expansion<'_, '_> {
    /// Adds a layer that reads what is at hand.
    pub(super) fn then(&mut self, name: &str, kind: StepKind, path: &str) {
        if let Some(value) = self.single(path) {
            self.push(name.to_owned(), kind, vec![value], path);
        }
    }

    /// The value at hand, when there is just one.
    pub(super) fn single(&mut self, path: &str) -> Option<ValueId> {
        match self.current.as_slice() {
            [value] => Some(*value),
            [] => None,
            several => {
                let count = several.len();
                self.error("E-REF", path, format!("this reads one value, {count} are at hand"))
                    .hint("join them before, with `concat`, `add` or `multiply`");
                self.current.clear();
                None
            }
        }
    }

    /// Adds a layer.
    pub(super) fn push(&mut self, name: String, kind: StepKind, reads: Vec<ValueId>, path: &str) {
        if !self.within_limit(path) {
            return;
        }
        let channels = self.channels_of(&kind, &reads);
        let path = self.part.clone().unwrap_or_else(|| path.to_owned());
        self.steps.push(Step { name, kind, reads, path, scheme: self.names.scheme() });
        self.channels.push(channels);
        self.current = vec![self.steps.len()];
    }

    /// Counts a layer or a block; tells once when there are too many.
    pub(super) fn within_limit(&mut self, path: &str) -> bool {
        self.looked_at += 1;
        if self.looked_at == limits::SPEC_LAYERS.count() {
            self.error("E-RANGE", path, format!("the network has more than {} layers", limits::SPEC_LAYERS.count()))
                .hint("smaller depths or fewer repeats");
        }
        self.looked_at < limits::SPEC_LAYERS.count()
    }

    /// Adds an error about the value at a key path of the spec at hand.
    pub(super) fn error(&mut self, code: &'static str, path: &str, message: impl Into<String>) -> Problem<'_> {
        let message = message.into();
        match (&self.part, self.open_networks.last()) {
            (Some(part), Some(network)) => {
                let part = part.clone();
                let message = format!("in `{network}`, at {path}: {message}");
                self.problems.error(code, &part, message)
            }
            _ => self.problems.error(code, path, message),
        }
    }

    fn channels_of(&self, kind: &StepKind, reads: &[ValueId]) -> Option<usize> {
        let of = |value: &ValueId| self.channels.get(*value).copied().flatten();
        let first = reads.first().and_then(of);
        match kind {
            StepKind::Conv(conv) => Some(conv.channels),
            StepKind::Dense { units, .. } => Some(*units),
            StepKind::Concat => reads.iter().map(of).sum(),
            StepKind::PadChannels([before, behind]) => first.map(|channels| channels + before + behind),
            StepKind::Slice([begin, end]) => end.checked_sub(*begin),
            StepKind::Flatten => {
                // After a global pool a pixel is left, else the size of the map counts too, which is not known here.
                let pooled = |value: &ValueId| {
                    let step = value.checked_sub(1).and_then(|index| self.steps.get(index));
                    step.is_some_and(|step| matches!(step.kind, StepKind::GlobalAveragePool | StepKind::GlobalMaxPool))
                };
                first.filter(|_| reads.first().is_some_and(pooled))
            }
            StepKind::BatchNorm { .. }
            | StepKind::GroupNorm { .. }
            | StepKind::Activation(_)
            | StepKind::MaxPool(_)
            | StepKind::AveragePool { .. }
            | StepKind::ZeroPad(_)
            | StepKind::GlobalAveragePool
            | StepKind::GlobalMaxPool
            | StepKind::Softmax
            | StepKind::Add
            | StepKind::Multiply
            | StepKind::Scale(_)
            | StepKind::Subsample(_) => first,
        }
    }
}
