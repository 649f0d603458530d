//! The residual blocks of the literature: branch, shortcut, sum.

use super::frame::Frame;
use super::{ConvStep, Expansion, Padding, StepKind, ValueId, arguments};
use crate::frontend::yaml::names::{BlockId, Branch};
use crate::frontend::yaml::spec::{
    OneShortcut, ResidualBlock, Shortcut, ShortcutDetails, ShortcutFrom, ShortcutKind, SqueezeExcitation, Stages,
};
use crate::ir::Activation;

/// A block with its numbers.
pub(super) struct Residual<'a> {
    stages: &'a Stages,
    id: BlockId,
    preactivation: bool,
    /// Channels, kernel and groups of each convolution.
    convs: Vec<[usize; 3]>,
    /// The convolution with the stride, from 1.
    stride_on: usize,
    stride: usize,
    path: String,
}

impl<'a> Residual<'a> {
    /// A block of so many channels per unit of expansion.
    pub(super) fn new(stages: &'a Stages, kind: ResidualBlock, id: BlockId, width: usize, stride: usize) -> Self {
        let (convs, on) = match kind {
            ResidualBlock::Basic | ResidualBlock::PreactivationBasic => {
                (vec![[width, 3, 1], [width * stages.expansion.unwrap_or(1), 3, 1]], 1)
            }
            ResidualBlock::Bottleneck | ResidualBlock::PreactivationBottleneck => {
                let inner = width * stages.base_width / 64 * stages.groups;
                let out = width * stages.expansion.unwrap_or(4);
                (vec![[inner, 1, 1], [inner, 3, stages.groups], [out, 1, 1]], 2)
            }
        };
        Self {
            stages,
            id,
            preactivation: matches!(kind, ResidualBlock::PreactivationBasic | ResidualBlock::PreactivationBottleneck),
            convs,
            stride_on: stages.stride_on.unwrap_or(on),
            stride,
            path: format!("stages.width[{}]", id.stage),
        }
    }

    fn channels(&self) -> usize {
        self.convs.last().map_or(0, |[channels, ..]| *channels)
    }
}

impl Expansion<'_, '_> {
    /// Expands a block over the value at hand.
    pub(super) fn residual(&mut self, block: &Residual<'_>) {
        let Some(input) = self.single(&block.path) else { return };
        let input_channels = self.channels.get(input).copied().flatten().unwrap_or(0);
        let mut before = input;
        if block.preactivation {
            self.block_norm(block, Branch::Preactivation);
            self.block_activation(block, "relu0");
            before = self.current.first().copied().unwrap_or(input);
        }
        for (index, [channels, kernel, groups]) in block.convs.iter().copied().enumerate() {
            self.block_conv(block, index + 1, [channels, kernel, groups]);
            let last = index + 1 == block.convs.len();
            if !last || !block.preactivation {
                self.block_norm(block, Branch::Body(index + 1));
            }
            if !last {
                self.block_activation(block, &format!("relu{}", index + 1));
            }
        }
        if let Some(squeeze) = block.stages.squeeze_excitation {
            self.squeeze_excitation(block, squeeze);
        }
        if block.stages.residual_scale != 1.0 {
            let name = self.names.block_layer(block.id, "scale");
            self.then(&name, StepKind::Scale(block.stages.residual_scale), &block.path);
        }
        let Some(branch) = self.single(&block.path) else { return };
        self.current = vec![input];
        if block.stride != 1 || input_channels != block.channels() {
            self.shortcut(block, before, input_channels);
        }
        let Some(shortcut) = self.single(&block.path) else { return };
        // The shortcut is the first term in the libraries too; the order of a file without names depends on it.
        let name = self.names.block_layer(block.id, "add");
        self.push(name, StepKind::Add, vec![shortcut, branch], &block.path);
        if !block.preactivation {
            self.block_activation(block, "relu");
        }
    }

    fn block_conv(&mut self, block: &Residual<'_>, number: usize, [channels, kernel, groups]: [usize; 3]) {
        let stages = block.stages;
        let padding = self.spec.defaults.conv.padding.clone();
        let Some(mut padding) = self.padding(&Frame::default(), &padding, "defaults.conv.padding") else { return };
        if stages.zero_pad_on.contains(&number) {
            let name = self.names.block_layer(block.id, &format!("{number}_pad"));
            self.then(&name, StepKind::ZeroPad([kernel / 2; 4]), &block.path);
            padding = Padding::All(0);
        }
        let conv = ConvStep {
            channels,
            kernel: [kernel; 2],
            stride: [if number == block.stride_on { block.stride } else { 1 }; 2],
            padding,
            dilation: [1, 1],
            groups,
            bias: match &stages.bias_on {
                Some(numbers) => numbers.contains(&number),
                None => self.spec.defaults.conv.bias,
            },
            weight_standardization: self.spec.defaults.conv.weight_standardization,
        };
        let name = self.names.block_conv(block.id, Branch::Body(number));
        self.then(&name, StepKind::Conv(conv), &block.path);
    }

    fn block_norm(&mut self, block: &Residual<'_>, branch: Branch) {
        let name = self.names.block_norm(block.id, branch, block.preactivation);
        let defaults = &self.spec.defaults;
        let kind = match &defaults.group_norm {
            Some(norm) => StepKind::GroupNorm { groups: norm.groups, epsilon: norm.epsilon },
            None => StepKind::BatchNorm { epsilon: defaults.batch_norm.epsilon, gamma: defaults.batch_norm.gamma },
        };
        self.then(&name, kind, &block.path);
    }

    fn block_activation(&mut self, block: &Residual<'_>, what: &str) {
        if let Some(kind) = arguments::activation(self.spec.defaults.activation) {
            let name = self.names.block_layer(block.id, what);
            self.then(&name, StepKind::Activation(kind), &block.path);
        }
    }

    /// Hu et al. 2018: mean, 1x1 convolution, ReLU, 1x1 convolution, sigmoid; the branch times the result.
    fn squeeze_excitation(&mut self, block: &Residual<'_>, squeeze: SqueezeExcitation) {
        let Some(branch) = self.single(&block.path) else { return };
        let channels = block.channels();
        let path = "stages.squeeze_excitation";
        let wanted = channels as f64 * squeeze.ratio;
        let rounded = (wanted + squeeze.divisor as f64 / 2.0) as usize / squeeze.divisor * squeeze.divisor;
        let between = rounded.max(squeeze.divisor);
        let layer = |this: &mut Self, what: &str, kind| {
            let name = this.names.block_layer(block.id, what);
            this.then(&name, kind, path);
        };
        let conv = |channels| {
            StepKind::Conv(ConvStep {
                channels,
                kernel: [1, 1],
                stride: [1, 1],
                padding: Padding::All(0),
                dilation: [1, 1],
                groups: 1,
                bias: true,
                weight_standardization: None,
            })
        };
        layer(self, "se_mean", StepKind::GlobalAveragePool);
        let name = self.names.squeeze(block.id, 1);
        self.then(&name, conv(between), path);
        layer(self, "se_relu", StepKind::Activation(Activation::Relu));
        let name = self.names.squeeze(block.id, 2);
        self.then(&name, conv(channels), path);
        layer(self, "se_gate", StepKind::Activation(Activation::Sigmoid));
        if let Some(gate) = self.single(path) {
            let name = self.names.block_layer(block.id, "se");
            self.push(name, StepKind::Multiply, vec![branch, gate], path);
        }
    }

    /// From the block's input at hand; `before` is what its first convolution reads.
    fn shortcut(&mut self, block: &Residual<'_>, before: ValueId, from: usize) {
        let to = block.channels();
        let (details, path) = match block.stages.shortcut {
            Shortcut::Kind(kind) => (OneShortcut::Kind(kind).details(), "stages.shortcut"),
            Shortcut::Detailed(details) => (details, "stages.shortcut"),
            Shortcut::ByReason(by) if from != to => (by.channels.details(), "stages.shortcut.channels"),
            Shortcut::ByReason(by) => (by.stride.details(), "stages.shortcut.stride"),
        };
        match details.kind {
            ShortcutKind::Projection | ShortcutKind::AverageProjection => {
                self.projection(block, details, before, path);
            }
            ShortcutKind::Identity => {
                self.error(
                    "E-SHORTCUT",
                    path,
                    format!("{}, {from} channels to {to}, stride {}", named(block.id), block.stride),
                )
                .expected("a block that changes neither, for an identity")
                .hint("use `projection`");
            }
            ShortcutKind::Subsample if from != to => {
                self.error("E-SHORTCUT", path, format!("{} takes {from} channels and gives {to}", named(block.id)))
                    .expected("equal channels, for a shortcut that only skips pixels")
                    .hint("use `projection`, `pad_split` or `pad_end`");
            }
            ShortcutKind::Subsample => self.subsample(block, path),
            ShortcutKind::PadSplit | ShortcutKind::PadEnd => self.padded(block, details.kind, [from, to], path),
        }
    }

    fn subsample(&mut self, block: &Residual<'_>, path: &str) {
        if block.stride != 1 {
            let name = self.names.block_layer(block.id, "subsample");
            self.then(&name, StepKind::Subsample(block.stride), path);
        }
    }

    fn projection(&mut self, block: &Residual<'_>, details: ShortcutDetails, before: ValueId, path: &str) {
        if details.from != Some(ShortcutFrom::Input) {
            self.current = vec![before];
        }
        let mut stride = block.stride;
        let averaged = details.kind == ShortcutKind::AverageProjection;
        if averaged && stride != 1 {
            let name = self.names.block_layer(block.id, "shortcut_mean");
            self.then(&name, Self::mean_of(stride), path);
            stride = 1;
        }
        let kernel = details.kernel.unwrap_or(1);
        let conv = ConvStep {
            channels: block.channels(),
            kernel: [kernel; 2],
            stride: [stride; 2],
            padding: Padding::All(kernel / 2),
            dilation: [1, 1],
            groups: 1,
            bias: details.bias.unwrap_or(self.spec.defaults.conv.bias),
            weight_standardization: self.spec.defaults.conv.weight_standardization,
        };
        let branch = if averaged { Branch::AverageShortcut } else { Branch::Shortcut };
        let name = self.names.block_conv(block.id, branch);
        self.then(&name, StepKind::Conv(conv), path);
        if details.batch_norm.unwrap_or(!block.preactivation) {
            self.block_norm(block, branch);
        }
    }

    fn padded(&mut self, block: &Residual<'_>, kind: ShortcutKind, [from, to]: [usize; 2], path: &str) {
        let Some(added) = to.checked_sub(from) else {
            let message = format!("{} takes {from} channels and gives {to}: padding cannot shrink", named(block.id));
            self.error("E-SHORTCUT", path, message).hint("use `projection`");
            return;
        };
        let channels = match kind {
            ShortcutKind::PadEnd => [0, added],
            _ if added % 2 == 0 => [added / 2; 2],
            _ => {
                self.error("E-SHORTCUT", path, format!("{added} channels cannot be split in halves"))
                    .hint("use `pad_end` or `projection`");
                return;
            }
        };
        self.subsample(block, path);
        if channels != [0, 0] {
            let name = self.names.block_layer(block.id, "pad");
            self.then(&name, StepKind::PadChannels(channels), path);
        }
    }
}

fn named(id: BlockId) -> String {
    format!("stage {}", id.stage + 1)
}
