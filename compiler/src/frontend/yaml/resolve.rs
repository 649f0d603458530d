//! The flat list of layers with every shape and attribute known, and the tensors that it asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::expand::{self, ConvStep, Expanded, Step, StepKind, Window};
use super::names;
use super::order::keras_order;
use super::problems::Problems;
use super::spec::{self, PaddingRule, Spec};
use crate::frontend::weights::{Request, Role, Weighted};
use crate::ir::{BatchNorm, Conv, Dense, GroupNorm, Op, Pad, Padding, Pool, Shape, infer};
use crate::limits;

/// A layer whose operation and shapes are known.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// Its name, unlike any other's.
    pub name: String,
    /// The operation.
    pub op: Op,
    /// What it reads: 0 is the input, `i + 1` the result of layer `i`.
    pub reads: Vec<usize>,
    /// Its tensors among all requests, in the order of the operation's operands.
    pub tensors: Range<usize>,
    /// The shape of its result.
    pub shape: Shape,
    /// What is added to the variance of an output channel's weights when they are standardised.
    pub weight_standardization: Option<f64>,
}

/// Every layer, and every tensor they ask for.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resolution {
    /// In the order they run.
    pub layers: Vec<Resolved>,
    /// In the order of the layers.
    pub requests: Vec<Request>,
    /// The results, in order.
    pub outputs: Vec<Given>,
    /// The layers that have tensors, in Keras' order, each with its tensors among the requests.
    pub weighted: Vec<Weighted>,
}

/// A result of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// The value it is: 0 is the input, `i + 1` the result of layer `i`.
    pub value: usize,
    /// Its shape.
    pub shape: Shape,
}

/// Works out shapes, attributes and tensors of the layers; stops at the first layer whose input does not fit.
pub fn resolve(spec: &Spec, expanded: &Expanded, batch: usize, problems: &mut Problems<'_>) -> Resolution {
    let spec::InputShape(_, channels, height, width) = spec.input.shape;
    let mut shapes = vec![Shape::from([batch, channels, height, width])];
    let mut resolver = Resolver {
        spec,
        steps: &expanded.steps,
        problems,
        result: Resolution::default(),
        tensors: BTreeMap::new(),
        nodes: BTreeSet::from([spec.input.name.clone()]),
        parameters: 0,
    };
    if shapes.first().and_then(values).is_none_or(|values| values > limits::MAP_ELEMENTS.get()) {
        resolver
            .problems
            .error("E-RANGE", "input.shape", "the input is too large")
            .expected(format!("at most {} values", limits::MAP_ELEMENTS.get()));
        return resolver.result;
    }
    for step in &expanded.steps {
        match resolver.layer(step, &shapes) {
            Some(shape) => shapes.push(shape),
            None => return resolver.result,
        }
    }
    let mut result = resolver.result;
    for index in keras_order(expanded) {
        let Some(layer) = result.layers.get(index).filter(|layer| !layer.tensors.is_empty()) else { continue };
        let class = match layer.op {
            Op::Conv(_) => "conv2d",
            Op::Dense(_) => "dense",
            Op::GroupNorm(_) => "group_normalization",
            _ => "batch_normalization",
        };
        result.weighted.push(Weighted { class, tensors: layer.tensors.clone() });
    }
    for output in &expanded.outputs {
        if let Some(shape) = shapes.get(output.value) {
            result.outputs.push(Given { name: output.name.clone(), value: output.value, shape: shape.clone() });
        }
    }
    result
}

struct Resolver<'a, 'p> {
    spec: &'a Spec,
    steps: &'a [Step],
    problems: &'a mut Problems<'p>,
    result: Resolution,
    /// The path that asked for each tensor.
    tensors: BTreeMap<String, String>,
    nodes: BTreeSet<String>,
    parameters: u64,
}

impl Resolver<'_, '_> {
    fn layer(&mut self, step: &Step, shapes: &[Shape]) -> Option<Shape> {
        let operands: Vec<&Shape> = step.reads.iter().filter_map(|value| shapes.get(*value)).collect();
        let x = *operands.first()?;
        let first = self.result.requests.len();
        let op = self.operation(step, x)?;
        let tensors = first..self.result.requests.len();
        let mut all = operands.clone();
        all.extend(self.result.requests.get(tensors.clone()).unwrap_or_default().iter().map(|request| &request.shape));
        let shape = match infer(&op, &all) {
            Ok(shape) => shape,
            Err(message) => {
                let code = match step.kind {
                    StepKind::Add => "E-ADD",
                    StepKind::Concat => "E-CONCAT",
                    StepKind::Multiply => "E-MUL",
                    _ => "E-SHAPE",
                };
                let producers: Vec<_> = step.reads.iter().map(|value| self.producer(*value)).collect();
                let problem = self.problems.error(code, &step.path, format!("`{}`: {message}", step.name));
                if producers.len() > 1 {
                    problem.hint(format!("they come from {}", producers.join(" and ")));
                }
                return None;
            }
        };
        if values(&shape).is_none_or(|values| values > limits::MAP_ELEMENTS.get()) {
            self.problems
                .error("E-RANGE", &step.path, format!("`{}` gives {shape}", step.name))
                .expected(format!("at most {} values", limits::MAP_ELEMENTS.get()));
            return None;
        }
        let name = self.unique(&step.name);
        let weight_standardization = match &step.kind {
            StepKind::Conv(conv) => conv.weight_standardization,
            _ => None,
        };
        self.result.layers.push(Resolved {
            name,
            op,
            reads: step.reads.clone(),
            tensors,
            shape: shape.clone(),
            weight_standardization,
        });
        Some(shape)
    }

    fn operation(&mut self, step: &Step, x: &Shape) -> Option<Op> {
        Some(match &step.kind {
            StepKind::Conv(conv) => {
                let map = self.map(step, x, "conv")?;
                self.conv(step, conv, map)?
            }
            StepKind::BatchNorm { epsilon, gamma } => {
                let [_, channels, ..] = self.map(step, x, "batch_norm")?;
                let roles = [Role::Gamma, Role::Beta, Role::Mean, Role::Variance];
                for role in roles.into_iter().skip(usize::from(!gamma)) {
                    self.request(step, role, [channels])?;
                }
                Op::BatchNorm(BatchNorm { epsilon: *epsilon, gamma: *gamma, beta: true, activation: None })
            }
            StepKind::GroupNorm { groups, epsilon } => {
                let [_, channels, ..] = self.map(step, x, "group_norm")?;
                if !channels.is_multiple_of(*groups) {
                    self.problems
                        .error("E-GROUP", &step.path, format!("{groups} groups do not divide {channels} channels"))
                        .expected("a number that divides them");
                    return None;
                }
                for role in [Role::Gamma, Role::Beta] {
                    self.request(step, role, [channels])?;
                }
                Op::GroupNorm(GroupNorm { groups: *groups, epsilon: *epsilon, activation: None })
            }
            StepKind::Activation(kind) => Op::Activation(*kind),
            StepKind::MaxPool(window) => Op::MaxPool(self.pool(step, x, window)?),
            StepKind::AveragePool { window, count_include_padding } => {
                Op::AveragePool { pool: self.pool(step, x, window)?, count_include_padding: *count_include_padding }
            }
            StepKind::ZeroPad([top, left, bottom, right]) => {
                self.map(step, x, "zero_pad")?;
                let spatial = Padding { top: *top, left: *left, bottom: *bottom, right: *right };
                Op::Pad(Pad { channels: [0, 0], spatial })
            }
            StepKind::GlobalAveragePool => {
                self.map(step, x, "global_average_pool")?;
                Op::GlobalAveragePool
            }
            StepKind::GlobalMaxPool => {
                self.map(step, x, "global_max_pool")?;
                Op::GlobalMaxPool
            }
            StepKind::Flatten => {
                self.map(step, x, "flatten")?;
                Op::Flatten
            }
            StepKind::Dense { units, bias } => {
                let [_, features] = self.vector(step, x, "dense")?;
                self.request(step, Role::Kernel, [*units, features])?;
                if *bias {
                    self.request(step, Role::Bias, [*units])?;
                }
                Op::Dense(Dense { bias: *bias, activation: None })
            }
            StepKind::Softmax => {
                self.vector(step, x, "softmax")?;
                Op::Softmax
            }
            StepKind::Add => Op::Add { activation: None },
            StepKind::Multiply => Op::Multiply { activation: None },
            StepKind::Concat => Op::Concat { operands: step.reads.len() },
            StepKind::Scale(factor) => Op::Scale { factor: *factor },
            StepKind::Slice(channels) => Op::Slice { channels: *channels },
            StepKind::Subsample(stride) => Op::Subsample { stride: [*stride; 2] },
            StepKind::PadChannels(channels) => Op::Pad(Pad { channels: *channels, spatial: Padding::default() }),
        })
    }

    fn conv(&mut self, step: &Step, conv: &ConvStep, [_, channels, height, width]: [usize; 4]) -> Option<Op> {
        let kernel = [0, 1].map(|axis: usize| {
            let pick = |pair: [usize; 2]| pair.get(axis).copied().unwrap_or(1);
            (pick(conv.kernel) - 1) * pick(conv.dilation) + 1
        });
        let padding = self.padding(step, conv.padding, [height, width], kernel, conv.stride)?;
        self.window_fits(step, [height, width], kernel, padding)?;
        if !channels.is_multiple_of(conv.groups) || !conv.channels.is_multiple_of(conv.groups) {
            self.problems
                .error(
                    "E-GROUP",
                    &step.path,
                    format!(
                        "{} groups do not divide {channels} input and {} output channels",
                        conv.groups, conv.channels
                    ),
                )
                .expected("a number that divides both");
            return None;
        }
        let [kernel_height, kernel_width] = conv.kernel;
        self.request(step, Role::Kernel, [conv.channels, channels / conv.groups, kernel_height, kernel_width])?;
        if conv.bias {
            self.request(step, Role::Bias, [conv.channels])?;
        }
        Some(Op::Conv(Conv {
            kernel: conv.kernel,
            stride: conv.stride,
            padding,
            dilation: conv.dilation,
            groups: conv.groups,
            bias: conv.bias,
            shortcut: false,
            activation: None,
            second: None,
        }))
    }

    fn pool(&mut self, step: &Step, x: &Shape, window: &Window) -> Option<Pool> {
        let Window { kernel, stride, ceil_mode, .. } = *window;
        let [_, _, height, width] = self.map(step, x, "a pool")?;
        let padding = self.padding(step, window.padding, [height, width], kernel, stride)?;
        let [kernel_height, kernel_width] = kernel;
        if padding.top.max(padding.bottom) >= kernel_height || padding.left.max(padding.right) >= kernel_width {
            self.problems
                .error("E-PAD", &format!("{}.padding", step.path), format!("padding as large as the window {kernel:?}"))
                .expected("padding smaller than the kernel");
            return None;
        }
        if !ceil_mode {
            self.window_fits(step, [height, width], kernel, padding)?;
        }
        Some(Pool { kernel, stride, padding, ceil_mode })
    }

    fn padding(
        &mut self,
        step: &Step,
        padding: expand::Padding,
        [height, width]: [usize; 2],
        [kernel_height, kernel_width]: [usize; 2],
        [stride_y, stride_x]: [usize; 2],
    ) -> Option<Padding> {
        Some(match padding {
            expand::Padding::All(amount) => Padding::same(amount),
            expand::Padding::Each([top, left, bottom, right]) => Padding { top, left, bottom, right },
            expand::Padding::Rule(PaddingRule::Valid) => Padding::default(),
            expand::Padding::Rule(PaddingRule::Same) => {
                let [top, bottom] = same(height, kernel_height, stride_y);
                let [left, right] = same(width, kernel_width, stride_x);
                Padding { top, left, bottom, right }
            }
            expand::Padding::Rule(PaddingRule::Half) => {
                if kernel_height % 2 == 0 || kernel_width % 2 == 0 {
                    let kernel = [kernel_height, kernel_width];
                    self.problems
                        .error("E-PAD", &step.path, format!("`half` padding of the even kernel {kernel:?}"))
                        .expected("an odd kernel")
                        .hint("say `padding: same`, `padding: valid`, or give the numbers");
                    return None;
                }
                let (y, x) = (kernel_height / 2, kernel_width / 2);
                Padding { top: y, left: x, bottom: y, right: x }
            }
        })
    }

    fn window_fits(
        &mut self,
        step: &Step,
        [height, width]: [usize; 2],
        kernel: [usize; 2],
        padding: Padding,
    ) -> Option<()> {
        let padded = [height + padding.top + padding.bottom, width + padding.left + padding.right];
        if kernel.iter().zip(&padded).all(|(kernel, padded)| kernel <= padded) {
            return Some(());
        }
        let mut problem = self.problems.error(
            "E-SPATIAL",
            &step.path,
            format!("`{}`: the window {kernel:?} is larger than its padded input {padded:?}", step.name),
        );
        if let Some(side) = smallest_input(self.steps) {
            problem = problem.hint(format!("the network needs an input of at least {side} x {side} pixels"));
        }
        let _ = problem;
        None
    }

    fn map(&mut self, step: &Step, x: &Shape, what: &str) -> Option<[usize; 4]> {
        let map = x.map();
        if map.is_none() {
            self.problems
                .error("E-HEAD", &step.path, format!("{what} got {x}"))
                .expected("a map [N, C, H, W]")
                .hint("put it before `flatten`");
        }
        map
    }

    fn vector(&mut self, step: &Step, x: &Shape, what: &str) -> Option<[usize; 2]> {
        let vector = x.vector();
        if vector.is_none() {
            self.problems
                .error("E-HEAD", &step.path, format!("{what} got {x}"))
                .expected("a vector [N, C]")
                .hint("put `global_average_pool` and `flatten` before it");
        }
        vector
    }

    fn request(&mut self, step: &Step, role: Role, shape: impl Into<Shape>) -> Option<()> {
        let shape = shape.into();
        let name = names::tensor(step.scheme, &step.name, role);
        self.parameters = self.parameters.saturating_add(values(&shape).unwrap_or(u64::MAX));
        if self.parameters > limits::PARAMETERS.get() {
            self.problems
                .error(
                    "E-RANGE",
                    &step.path,
                    format!("with `{name}` of shape {shape} the tensors have {} values", self.parameters),
                )
                .expected(format!("at most {}", limits::PARAMETERS.get()));
            return None;
        }
        if let Some(path) = self.tensors.insert(name.clone(), step.path.clone()) {
            self.problems
                .error("E-WNAME", &step.path, format!("the tensor `{name}` is that of {path} too"))
                .hint("give one of the layers a `name` of its own");
        }
        let place = Some(self.problems.place(&step.path));
        self.result.requests.push(Request { name, role, shape, axes: names::axes(step.scheme), place });
        Some(())
    }

    fn producer(&self, value: usize) -> String {
        match value.checked_sub(1).and_then(|index| self.steps.get(index)) {
            Some(step) => format!("`{}`", step.name),
            None => format!("the input `{}`", self.spec.input.name),
        }
    }

    fn unique(&mut self, name: &str) -> String {
        let mut unique = name.to_owned();
        let mut count = 1_usize;
        while !self.nodes.insert(unique.clone()) {
            count += 1;
            unique = format!("{name}_{count}");
        }
        unique
    }
}

/// The number of values, when it can be counted.
fn values(shape: &Shape) -> Option<u64> {
    shape.0.iter().try_fold(1_u64, |total, extent| total.checked_mul(*extent as u64))
}

/// TensorFlow's SAME: before and after.
fn same(input: usize, kernel: usize, stride: usize) -> [usize; 2] {
    let total = ((input.div_ceil(stride) - 1) * stride + kernel).saturating_sub(input);
    [total / 2, total - total / 2]
}

/// The smallest height and width for which every window fits, found from the last layer to the first.
fn smallest_input(steps: &[Step]) -> Option<usize> {
    let mut needed = vec![1_usize; steps.len() + 1];
    for (index, step) in steps.iter().enumerate().rev() {
        let out = *needed.get(index + 1)?;
        let through = |kernel: [usize; 2], stride: [usize; 2], padding: expand::Padding, ceil: bool| {
            let axis = |kernel: usize, stride: usize, padded: usize| {
                let least = if ceil { kernel } else { (out - 1).saturating_mul(stride).saturating_add(kernel) };
                least.saturating_sub(padded).max(1)
            };
            let ([ky, kx], [sy, sx]) = (kernel, stride);
            match padding {
                expand::Padding::Rule(PaddingRule::Same) => (out - 1).saturating_mul(sy.max(sx)).saturating_add(1),
                expand::Padding::Rule(PaddingRule::Valid) => axis(ky, sy, 0).max(axis(kx, sx, 0)),
                expand::Padding::Rule(PaddingRule::Half) => axis(ky, sy, ky / 2 * 2).max(axis(kx, sx, kx / 2 * 2)),
                expand::Padding::All(amount) => axis(ky, sy, 2 * amount).max(axis(kx, sx, 2 * amount)),
                expand::Padding::Each([top, left, bottom, right]) => {
                    axis(ky, sy, top + bottom).max(axis(kx, sx, left + right))
                }
            }
        };
        let input = match &step.kind {
            StepKind::Conv(conv) => {
                let [height, width] = conv.kernel;
                let [down, across] = conv.dilation;
                through([(height - 1) * down + 1, (width - 1) * across + 1], conv.stride, conv.padding, false)
            }
            StepKind::MaxPool(window) | StepKind::AveragePool { window, .. } => {
                through(window.kernel, window.stride, window.padding, window.ceil_mode)
            }
            StepKind::ZeroPad([top, left, bottom, right]) => {
                out.saturating_sub((top + bottom).min(left + right)).max(1)
            }
            StepKind::Subsample(stride) => (out - 1).saturating_mul(*stride).saturating_add(1),
            StepKind::GlobalAveragePool
            | StepKind::GlobalMaxPool
            | StepKind::Flatten
            | StepKind::Dense { .. }
            | StepKind::Softmax => 1,
            StepKind::BatchNorm { .. }
            | StepKind::GroupNorm { .. }
            | StepKind::Activation(_)
            | StepKind::Add
            | StepKind::Multiply
            | StepKind::Concat
            | StepKind::Scale(_)
            | StepKind::PadChannels(_)
            | StepKind::Slice(_) => out,
        };
        for value in &step.reads {
            if let Some(slot) = needed.get_mut(*value) {
                *slot = input.max(*slot);
            }
        }
    }
    needed.first().copied()
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn same_puts_the_odd_pixel_behind() {
        assert_eq!(same(32, 3, 2), [0, 1]);
        assert_eq!(same(33, 3, 2), [1, 1]);
        assert_eq!(same(32, 3, 1), [1, 1]);
        assert_eq!(same(32, 1, 2), [0, 0]);
        assert_eq!(same(224, 7, 2), [2, 3]);
    }
}
