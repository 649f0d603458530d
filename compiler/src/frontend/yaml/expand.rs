//! A spec as one flat list of layers: stem, blocks of every stage, head, each layer with what it reads.

use super::names::{BlockId, Branch, Names};
use super::problems::Problems;
use super::spec::{
    AveragePool, Block, Conv, Dense, Extent, Layer, LayerWith, MaxPool, OutputActivation, Padding, PlainLayer,
    Shortcut, ShortcutDetails, ShortcutKind, Spec, Stages, ZeroPadding,
};

/// Layers that a spec may expand to: 4096 blocks of a dozen layers, four times.
const MOST_LAYERS: usize = 200_000;

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
}

/// A value: 0 is the network's input, `i + 1` the result of step `i`.
pub type ValueId = usize;

/// The kinds of layers, with everything but the shapes of what they read.
#[derive(Debug, Clone, PartialEq)]
pub enum StepKind {
    /// Convolution.
    Conv(ConvStep),
    /// Batch normalisation with this epsilon.
    BatchNorm(f64),
    /// ReLU.
    Relu,
    /// Maximum over a window.
    MaxPool(MaxPool),
    /// Mean over a window.
    AveragePool(AveragePool),
    /// Zeros on each side: top, left, bottom, right.
    ZeroPad([usize; 4]),
    /// Mean over height and width.
    GlobalAveragePool,
    /// Maps to vectors.
    Flatten,
    /// Fully connected, units and bias.
    Dense(usize, bool),
    /// Softmax.
    Softmax,
    /// Sum of two.
    Add,
    /// Every so many-th pixel.
    Subsample(usize),
    /// Zero channels before the first and behind the last.
    PadChannels([usize; 2]),
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
    /// Groups.
    pub groups: usize,
    /// Whether there is a bias.
    pub bias: bool,
}

/// The layers of a spec in the order they run, and the names that their tensors follow.
///
/// What is wrong goes to `problems`; the list is complete only when nothing does.
pub fn expand(spec: &Spec, problems: &mut Problems<'_>) -> (Vec<Step>, Names) {
    let depth = spec.stages.as_ref().map(|stages| stages.depth.as_slice()).unwrap_or_default();
    let names = Names::new(spec.weights.names, depth);
    let mut expansion = Expansion {
        spec,
        problems,
        names,
        steps: Vec::new(),
        value: 0,
        channels: spec.input.shape.1,
        convs: 0,
        norms: 0,
    };
    expansion.body();
    let Expansion { steps, names, .. } = expansion;
    (steps, names)
}

struct Expansion<'a, 'p> {
    spec: &'a Spec,
    problems: &'a mut Problems<'p>,
    names: Names,
    steps: Vec<Step>,
    /// The value that the next layer reads, and its channels.
    value: ValueId,
    channels: usize,
    /// Convolutions and normalisations outside the blocks so far.
    convs: usize,
    norms: usize,
}

impl Expansion<'_, '_> {
    fn body(&mut self) {
        let spec = self.spec;
        for (index, layer) in spec.stem.iter().enumerate() {
            let path = format!("stem[{index}]");
            if is_classifier(layer) {
                self.problems.error("E-HEAD", &path, "a layer of the classifier in the stem").hint("move it to `head`");
            }
            self.layer(layer, &path);
        }
        match &spec.stages {
            Some(stages) => self.stages(stages),
            None => {
                self.problems.error("E-BODY", "", "the network has no `stages`").hint("add `stages:` with its blocks");
            }
        }
        for (index, layer) in spec.head.iter().enumerate() {
            self.layer(layer, &format!("head[{index}]"));
        }
        if spec.head.is_empty() && spec.output.is_none() {
            let problem = self.problems.error("E-BODY", "", "neither `head` nor `output` is given");
            problem.hint("add a `head:` with the classifier, or an `output:` to give the last map as it is");
        }
        self.output();
    }

    fn output(&mut self) {
        let spec = self.spec;
        let softmax = |layer: &Layer| matches!(layer, Layer::Plain(PlainLayer::Softmax));
        let dense = |layer: &Layer| matches!(layer, Layer::With(LayerWith::Dense(_)));
        if let Some((index, _)) = spec.head.iter().enumerate().filter(|(_, layer)| dense(layer)).nth(1) {
            self.problems.error("E-HEAD", &format!("head[{index}]"), "a second classifier").expected("one `dense`");
        }
        if let Some((index, _)) = spec.head.iter().enumerate().filter(|(_, layer)| softmax(layer)).nth(1) {
            self.problems.error("E-HEAD", &format!("head[{index}]"), "a second softmax").expected("one `softmax`");
        }
        match spec.output.as_ref().map(|output| output.activation) {
            Some(OutputActivation::Softmax) if spec.head.iter().any(softmax) => {
                self.problems
                    .error("E-HEAD", "output.activation", "softmax would be applied twice, by `head` and by `output`")
                    .hint("leave one of them out");
            }
            Some(OutputActivation::Softmax) => self.then("softmax", StepKind::Softmax, "output.activation"),
            Some(OutputActivation::None) | None => {}
        }
    }

    fn layer(&mut self, layer: &Layer, path: &str) {
        match layer {
            Layer::Plain(PlainLayer::BatchNorm) => self.norm(None, None, path),
            Layer::Plain(PlainLayer::Activation) => self.then("relu", self.activation(), path),
            Layer::Plain(PlainLayer::GlobalAveragePool) => {
                self.then("global_average_pool", StepKind::GlobalAveragePool, path);
            }
            Layer::Plain(PlainLayer::Flatten) => self.then("flatten", StepKind::Flatten, path),
            Layer::Plain(PlainLayer::Softmax) => self.then("softmax", StepKind::Softmax, path),
            Layer::With(LayerWith::Conv(conv)) => self.conv(conv, &format!("{path}.conv")),
            Layer::With(LayerWith::BatchNorm(norm)) => {
                self.norm(norm.epsilon, norm.name.as_deref(), &format!("{path}.batch_norm"));
            }
            Layer::With(LayerWith::Activation(super::spec::Activation::Relu)) => {
                self.then("relu", StepKind::Relu, path)
            }
            Layer::With(LayerWith::MaxPool(pool)) => {
                self.then("max_pool", StepKind::MaxPool(pool.clone()), &format!("{path}.max_pool"));
            }
            Layer::With(LayerWith::AveragePool(pool)) => {
                self.then("average_pool", StepKind::AveragePool(pool.clone()), &format!("{path}.average_pool"));
            }
            Layer::With(LayerWith::ZeroPad(padding)) => {
                let sides = match padding {
                    ZeroPadding::All(amount) => [*amount; 4],
                    ZeroPadding::Each(sides) => *sides,
                };
                self.then("zero_pad", StepKind::ZeroPad(sides), &format!("{path}.zero_pad"));
            }
            Layer::With(LayerWith::Dense(Dense { units, bias, name })) => {
                let name = name.clone().unwrap_or_else(|| self.names.dense().to_owned());
                self.then(&name, StepKind::Dense(*units, *bias), &format!("{path}.dense"));
            }
        }
    }

    fn activation(&self) -> StepKind {
        match self.spec.defaults.activation {
            super::spec::Activation::Relu => StepKind::Relu,
        }
    }

    fn conv(&mut self, conv: &Conv, path: &str) {
        self.convs += 1;
        let scheme = self.names.conv(self.convs);
        let step = ConvStep {
            channels: conv.channels,
            kernel: conv.kernel.pair(),
            stride: conv.stride.pair(),
            padding: conv.padding.unwrap_or(self.spec.defaults.conv.padding),
            groups: conv.groups,
            bias: conv.bias.unwrap_or(self.spec.defaults.conv.bias),
        };
        self.channels = conv.channels;
        self.then(conv.name.as_deref().unwrap_or(&scheme), StepKind::Conv(step), path);
    }

    fn norm(&mut self, epsilon: Option<f64>, name: Option<&str>, path: &str) {
        self.norms += 1;
        let scheme = self.names.norm(self.norms);
        let epsilon = epsilon.unwrap_or(self.spec.defaults.batch_norm.epsilon);
        self.then(name.unwrap_or(&scheme), StepKind::BatchNorm(epsilon), path);
    }

    fn stages(&mut self, stages: &Stages) {
        let [depth, width, stride] = [&stages.depth, &stages.width, &stages.stride].map(Vec::len);
        for (key, length) in [("width", width), ("stride", stride)] {
            if length != depth {
                self.problems
                    .error("E-LEN", &format!("stages.{key}"), format!("{length} entries"))
                    .expected(format!("{depth} entries, as `stages.depth` has"));
            }
        }
        let convs = match stages.block {
            Block::Basic => 2,
            Block::Bottleneck => 3,
        };
        if let Some(on) = stages.stride_on.filter(|on| *on > convs) {
            self.problems
                .error("E-STRIDE", "stages.stride_on", format!("convolution {on} of a block that has {convs}"))
                .expected(format!("1 to {convs}"));
        }
        if stages.block == Block::Basic {
            for (key, given) in [("groups", stages.groups != 1), ("base_width", stages.base_width != 64)] {
                if given {
                    self.problems
                        .error("E-GROUP", &format!("stages.{key}"), format!("basic blocks have no `{key}`"))
                        .hint("leave it out, or use `block: bottleneck`");
                }
            }
        }
        if let Shortcut::Detailed(details) = stages.shortcut
            && details.kind != ShortcutKind::Projection
        {
            for (key, given) in [("batch_norm", details.batch_norm.is_some()), ("bias", details.bias.is_some())] {
                if given {
                    self.problems
                        .error("E-ARG", &format!("stages.shortcut.{key}"), "a padded shortcut has no parameters")
                        .hint("leave it out, or use `kind: projection`");
                }
            }
        }
        for (index, width) in stages.width.iter().enumerate() {
            if stages.block == Block::Bottleneck && width * stages.base_width / 64 == 0 {
                self.problems
                    .error("E-GROUP", &format!("stages.width[{index}]"), "no channel is left inside the block")
                    .expected("`width * base_width / 64` of at least 1");
            }
        }
        let blocks: usize = stages.depth.iter().sum();
        if blocks.saturating_mul(14) > MOST_LAYERS {
            self.problems
                .error("E-RANGE", "stages.depth", format!("{blocks} blocks"))
                .expected(format!("at most {} in all", MOST_LAYERS / 14));
        }
        if self.problems.any() {
            return;
        }
        for (stage, ((depth, width), stride)) in stages.depth.iter().zip(&stages.width).zip(&stages.stride).enumerate()
        {
            for block in 0..*depth {
                let stride = if block == 0 { *stride } else { 1 };
                self.block(stages, BlockId { stage, block }, *width, stride);
            }
        }
    }

    fn block(&mut self, stages: &Stages, id: BlockId, width: usize, stride: usize) {
        let path = format!("stages.width[{}]", id.stage);
        let (plan, on) = match stages.block {
            Block::Basic => {
                let out = width * stages.expansion.unwrap_or(1);
                (vec![(width, 3, 1), (out, 3, 1)], 1)
            }
            Block::Bottleneck => {
                let inner = width * stages.base_width / 64 * stages.groups;
                let out = width * stages.expansion.unwrap_or(4);
                (vec![(inner, 1, 1), (inner, 3, stages.groups), (out, 1, 1)], 2)
            }
        };
        let on = stages.stride_on.unwrap_or(on);
        let (input, input_channels) = (self.value, self.channels);
        let last = plan.len();
        for (index, (channels, kernel, groups)) in plan.into_iter().enumerate() {
            let number = index + 1;
            let conv = ConvStep {
                channels,
                kernel: [kernel; 2],
                stride: [if number == on { stride } else { 1 }; 2],
                padding: self.spec.defaults.conv.padding,
                groups,
                bias: self.spec.defaults.conv.bias,
            };
            let name = self.names.block_conv(id, Branch::Body(number));
            self.then(&name, StepKind::Conv(conv), &path);
            self.channels = channels;
            let name = self.names.block_norm(id, Branch::Body(number));
            self.then(&name, StepKind::BatchNorm(self.spec.defaults.batch_norm.epsilon), &path);
            if number != last {
                let name = self.names.block_layer(id, &format!("relu{number}"));
                self.then(&name, self.activation(), &path);
            }
        }
        let branch = self.value;
        self.value = input;
        if stride != 1 || input_channels != self.channels {
            self.shortcut(stages, id, input_channels, stride);
        }
        let shortcut = self.value;
        self.push(self.names.block_layer(id, "add"), StepKind::Add, vec![branch, shortcut], &path);
        let name = self.names.block_layer(id, "relu");
        self.then(&name, self.activation(), &path);
    }

    fn shortcut(&mut self, stages: &Stages, id: BlockId, from: usize, stride: usize) {
        let path = "stages.shortcut";
        let to = self.channels;
        let details = match stages.shortcut {
            Shortcut::Kind(kind) => ShortcutDetails { kind, batch_norm: None, bias: None },
            Shortcut::Detailed(details) => details,
        };
        let added = match details.kind {
            ShortcutKind::Projection => {
                let conv = ConvStep {
                    channels: to,
                    kernel: [1; 2],
                    stride: [stride; 2],
                    padding: Padding::All(0),
                    groups: 1,
                    bias: details.bias.unwrap_or(self.spec.defaults.conv.bias),
                };
                let name = self.names.block_conv(id, Branch::Shortcut);
                self.then(&name, StepKind::Conv(conv), path);
                if details.batch_norm.unwrap_or(true) {
                    let name = self.names.block_norm(id, Branch::Shortcut);
                    self.then(&name, StepKind::BatchNorm(self.spec.defaults.batch_norm.epsilon), path);
                }
                return;
            }
            ShortcutKind::PadSplit | ShortcutKind::PadEnd => to.checked_sub(from),
        };
        let channels = match (details.kind, added) {
            (ShortcutKind::PadEnd, Some(added)) => [0, added],
            (_, Some(added)) if added % 2 == 0 => [added / 2; 2],
            (_, Some(_)) => {
                self.problems
                    .error("E-SHORTCUT", path, format!("{} channels cannot be split in halves", to - from))
                    .hint("use `pad_end` or `projection`");
                return;
            }
            (_, None) => {
                self.problems
                    .error(
                        "E-SHORTCUT",
                        path,
                        format!("stage {} takes {from} channels and gives {to}: padding cannot shrink", id.stage + 1),
                    )
                    .hint("use `projection`");
                return;
            }
        };
        if stride != 1 {
            let name = self.names.block_layer(id, "subsample");
            self.then(&name, StepKind::Subsample(stride), path);
        }
        if channels != [0, 0] {
            let name = self.names.block_layer(id, "pad");
            self.then(&name, StepKind::PadChannels(channels), path);
        }
    }

    /// Adds a layer that reads what the last one gave.
    fn then(&mut self, name: &str, kind: StepKind, path: &str) {
        self.push(name.to_owned(), kind, vec![self.value], path);
    }

    fn push(&mut self, name: String, kind: StepKind, reads: Vec<ValueId>, path: &str) {
        self.steps.push(Step { name, kind, reads, path: path.to_owned() });
        self.value = self.steps.len();
    }
}

fn is_classifier(layer: &Layer) -> bool {
    match layer {
        Layer::Plain(PlainLayer::GlobalAveragePool | PlainLayer::Flatten | PlainLayer::Softmax)
        | Layer::With(LayerWith::Dense(_)) => true,
        Layer::Plain(PlainLayer::BatchNorm | PlainLayer::Activation)
        | Layer::With(
            LayerWith::Conv(_)
            | LayerWith::BatchNorm(_)
            | LayerWith::Activation(_)
            | LayerWith::MaxPool(_)
            | LayerWith::AveragePool(_)
            | LayerWith::ZeroPad(_),
        ) => false,
    }
}

/// The window of a pool: its kernel, and its stride, which is the kernel when not given.
pub fn window(kernel: Extent, stride: Option<Extent>) -> [[usize; 2]; 2] {
    [kernel.pair(), stride.unwrap_or(kernel).pair()]
}
