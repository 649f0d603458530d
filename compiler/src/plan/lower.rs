//! Nodes to steps: kernels with their geometry, buffers, packed weights.
//!
//! A step writes in place over what it reads when nobody reads that later and the layouts agree: sums over their first term,
//! convolutions over their shortcut. A flattened map of 1 x 1 pixels is the same bytes, so it is no step at all.
//!
//! An output is written directly after what it shows: its map need not be kept for it, and may be written over.
//!
//! The early nodes of a batch run image by image: their steps have the geometry of one image, and their buffers room for one, except those
//! that later steps read.

mod bands;
mod places;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use super::bands::Chain;
use super::choose::{Decisions, Layer};
use super::geometry::{
    self, Algorithm, BLOCK, ChannelsGeometry, ConvGeometry, DenseGeometry, ElementwiseGeometry, FlattenGeometry, Frame,
    GlobalPoolGeometry, GroupNormGeometry, Images, InputGeometry, Join, Map, Operand, OutputGeometry, PoolGeometry,
    Reduction, RemapGeometry, SoftmaxGeometry,
};
use super::layout::{Layouts, extents};
use super::{Input, Kernel, Operands, Output, Step, inputs, pack, tile};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::ir::scalar::Combine;
use crate::ir::{
    Activation, BatchNorm, Conv, Dense, Graph, GroupNorm, Layout, Nest, NodeId, Op, Pad, Padding, Pool, Tensor,
};
pub(super) use places::{Buffer, Place, Used};
use words::{conv_summary, epilogue, pair, size, step};

/// All steps, without places in the arena.
#[derive(Debug)]
pub(super) struct Lowered {
    pub steps: Vec<Step>,
    /// The node of each step, beside `steps`.
    pub nodes: Vec<NodeId>,
    /// Beside `steps`.
    pub buffers: Vec<Used>,
    /// Length of each buffer in f32 values.
    pub sizes: BTreeMap<Buffer, usize>,
    /// Buffers that steps which run image by image leave to later ones, with room for all images.
    pub kept: BTreeSet<Buffer>,
    pub inputs: Vec<Input>,
    pub outputs: Vec<Output>,
    pub weights: Vec<f32>,
}

/// Lowers every node.
pub(super) fn lower(
    graph: &Graph,
    layouts: &Layouts,
    decisions: &Decisions,
    chains: &[Chain],
    early: usize,
) -> Result<Lowered, Diagnostics> {
    let Some(first) = graph.inputs().first().copied() else {
        return Err(Diagnostic::error("E-PLAN", "the network has no input").expected("one or more").into());
    };
    if graph.outputs().is_empty() {
        return Err(Diagnostic::error("E-PLAN", "the network has no output").expected("one or more").into());
    }
    let mut outputs: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
    for (index, output) in graph.outputs().iter().enumerate() {
        outputs.entry(output.node).or_default().push(index);
    }
    let order = graph.topological();
    let positions: BTreeMap<NodeId, usize> = order.iter().enumerate().map(|(position, id)| (*id, position)).collect();
    // The layers of a chain run where its last one stands.
    let ends: BTreeMap<NodeId, NodeId> =
        chains.iter().flat_map(|chain| chain.nodes.iter().filter_map(|id| Some((*id, *chain.nodes.last()?)))).collect();
    let mut last_read: BTreeMap<NodeId, usize> = BTreeMap::new();
    for id in &order {
        let Some(position) = positions.get(ends.get(id).unwrap_or(id)).copied() else { continue };
        for operand in graph.operands(*id) {
            let last = last_read.entry(operand).or_default();
            *last = position.max(*last);
        }
    }

    let mut lowering = Lowering {
        graph,
        layouts,
        decisions,
        positions,
        last_read,
        all: 1,
        early,
        batch: 1,
        position: 0,
        current: first,
        homes: BTreeMap::new(),
        occupied: BTreeMap::new(),
        wholes: BTreeMap::new(),
        packed: BTreeMap::new(),
        target: None,
        lowered: Lowered {
            steps: Vec::new(),
            nodes: Vec::new(),
            buffers: Vec::new(),
            sizes: BTreeMap::new(),
            kept: BTreeSet::new(),
            inputs: inputs(graph),
            outputs: graph
                .outputs()
                .iter()
                .map(|output| {
                    let node = graph.node(output.node);
                    let softmax = matches!(node.op(), Op::Softmax);
                    Output { name: output.name.clone(), shape: node.shape().0.clone(), softmax }
                })
                .collect(),
            weights: Vec::new(),
        },
        problems: Diagnostics::new(),
    };
    for (position, id) in order.into_iter().enumerate() {
        lowering.position = position;
        lowering.current = id;
        // An array has no images: one that leads to maps need not begin with their number.
        lowering.all = match layouts.get(id).zip(extents(graph.node(id).shape())) {
            Some((_, [batch, ..])) if !graph.node(id).op().is_array() => batch,
            _ => 1,
        };
        lowering.batch = if lowering.is_early(position) { 1 } else { lowering.all };
        match ends.get(&id) {
            Some(last) if *last != id => continue,
            Some(_) => {
                chains.iter().filter(|chain| chain.nodes.last() == Some(&id)).for_each(|chain| lowering.chain(chain))
            }
            None => lowering.node(id),
        }
        for index in outputs.get(&id).into_iter().flatten() {
            lowering.output(id, *index);
        }
    }
    let Lowered { steps, buffers, kept, .. } = &mut lowering.lowered;
    for (step, used) in steps.iter_mut().zip(buffers).filter(|(step, _)| step.images.count > 1) {
        let [input, other, output] =
            [used.input, used.other, used.output].map(|place| place.is_some_and(|place| kept.contains(&place.buffer)));
        step.images = Images { input, other, output, ..step.images };
    }
    lowering.problems.finish(lowering.lowered).map(|(lowered, _)| lowered)
}

struct Lowering<'a> {
    graph: &'a Graph,
    layouts: &'a Layouts,
    decisions: &'a Decisions,
    /// Position of each node.
    positions: BTreeMap<NodeId, usize>,
    /// Position of the last reader of each node.
    last_read: BTreeMap<NodeId, usize>,
    /// Images of the network's batch.
    all: usize,
    /// Nodes before this position run image by image.
    early: usize,
    /// Images that the step at hand computes at once.
    batch: usize,
    /// Position of the node at hand.
    position: usize,
    /// The node at hand.
    current: NodeId,
    /// Where the result of each node lies, and how.
    homes: BTreeMap<NodeId, (Map, Place)>,
    /// Position until which each buffer is read.
    occupied: BTreeMap<Buffer, usize>,
    /// Where the maps lie that parts are written into.
    wholes: BTreeMap<NodeId, Place>,
    /// Where the weights of a node begin, of its channels from one on, if they are packed already.
    packed: BTreeMap<(NodeId, usize), usize>,
    /// What the node at hand is to write, in place of a buffer of its own.
    target: Option<Target>,
    lowered: Lowered,
    problems: Diagnostics,
}

/// A part of a result that a node is to compute.
#[derive(Clone, Copy)]
struct Target {
    place: Place,
    /// Rows above and below the rows at hand that a window covers and that are not there.
    padding: [usize; 2],
    /// Of a convolution, the first channel and the one behind the last, if they are not all.
    channels: Option<[usize; 2]>,
}

/// What a node becomes.
struct Draft {
    kernel: Kernel,
    used: Used,
    weights: Option<usize>,
    network_input: Option<usize>,
    network_output: Option<usize>,
    parameters: u64,
    macs: u64,
    summary: String,
}

impl Lowering<'_> {
    /// Whether a node runs image by image.
    fn is_early(&self, position: usize) -> bool {
        self.all > 1 && position < self.early
    }

    fn node(&mut self, id: NodeId) {
        let node = self.graph.node(id);
        let Some(map) = self.layouts.get(id) else { return };
        if let Some(draft) = self.compute(id, map) {
            self.push(node.name.clone(), node.shape().0.clone(), draft);
        }
    }

    /// The step of a node that writes such a map; the steps before it are listed already.
    fn compute(&mut self, id: NodeId, map: Map) -> Option<Draft> {
        let graph = self.graph;
        let operands = graph.operands(id);
        match graph.node(id).op() {
            Op::Constant(_) => None,
            Op::Input(layout) => {
                let output = self.fresh(id, map);
                let geometry = InputGeometry { batch: self.batch, output: map, channels_last: *layout == Layout::Nhwc };
                let summary = format!("input {}", size(map));
                let used = Used { output: Some(output), ..Used::default() };
                let network_input = graph.inputs().iter().position(|input| *input == id);
                Some(Draft { network_input, ..draft(Kernel::Input(geometry), used, summary) })
            }
            Op::Conv(conv) => self.conv(id, map, conv, &operands),
            Op::BatchNorm(norm) => self.batch_norm(id, map, norm, &operands),
            Op::GroupNorm(norm) => self.group_norm(id, map, norm, &operands),
            Op::Activation(kind) => self.elementwise(id, map, &operands, Some(*kind), Join::Sum),
            Op::Add { activation } => self.elementwise(id, map, &operands, *activation, Join::Sum),
            Op::Multiply { activation } => self.elementwise(id, map, &operands, *activation, Join::Product),
            Op::Scale { factor } => self.scale(id, map, *factor, &operands),
            Op::Concat { .. } => self.concat(id, map, &operands),
            Op::Slice { channels: [begin, _] } => self.slice(id, map, *begin, &operands),
            Op::MaxPool(pool) => self.pool(id, map, pool, Reduction::Max, &operands),
            Op::AveragePool { pool, count_include_padding: true } => {
                self.pool(id, map, pool, Reduction::MeanWithPadding, &operands)
            }
            Op::AveragePool { pool, count_include_padding: false } => {
                self.pool(id, map, pool, Reduction::Mean, &operands)
            }
            Op::GlobalAveragePool => self.global_pool(id, map, Reduction::Mean, &operands),
            Op::GlobalMaxPool => self.global_pool(id, map, Reduction::Max, &operands),
            Op::Flatten => self.flatten(id, map, &operands),
            Op::Dense(dense) => self.dense(id, map, dense, &operands),
            Op::Softmax => self.softmax(id, map, &operands),
            Op::AsArray => self.as_array(id, map, &operands),
            Op::AsMap => self.as_map(id, map, &operands),
            Op::Nest(nest) => self.nest(id, map, nest, &operands),
            Op::Pad(pad) => self.remap(id, map, [1, 1], pad, &operands),
            Op::Subsample { stride } => {
                let nothing = Pad { channels: [0, 0], spatial: Padding::default() };
                self.remap(id, map, *stride, &nothing, &operands)
            }
        }
    }

    fn push(&mut self, name: String, shape: Vec<usize>, draft: Draft) {
        self.lowered.steps.push(Step {
            name,
            summary: draft.summary,
            shape,
            parameters: draft.parameters,
            macs: draft.macs,
            kernel: draft.kernel,
            operands: Operands {
                weights: draft.weights,
                network_input: draft.network_input,
                network_output: draft.network_output,
                ..Operands::default()
            },
            images: Images { count: self.all / self.batch, ..Images::TOGETHER },
            part: None,
        });
        self.lowered.nodes.push(self.current);
        self.lowered.buffers.push(draft.used);
    }

    fn output(&mut self, id: NodeId, index: usize) {
        let Some(Output { name, shape, .. }) = self.lowered.outputs.get(index).cloned() else { return };
        if let Some(value) = self.graph.value(id) {
            if value.values().is_empty() {
                return;
            }
            let draft = self.constant_output(value.clone(), index);
            self.push(name, shape, draft);
            return;
        }
        let Some((map, buffer)) = self.read(id) else { return };
        let geometry = OutputGeometry { batch: self.batch, input: map };
        let used = Used { input: Some(buffer), ..Used::default() };
        let summary = format!("output {}", size(map));
        let draft = Draft { network_output: Some(index), ..draft(Kernel::Output(geometry), used, summary) };
        self.push(name, shape, draft);
    }

    /// An output that depends on nothing is copied from the weights.
    fn constant_output(&mut self, value: Tensor, index: usize) -> Draft {
        let weights = self.lowered.weights.len();
        self.lowered.weights.extend(value.values());
        self.lowered.weights.resize(self.lowered.weights.len().next_multiple_of(BLOCK), 0.0);
        let nest = Nest::copy(value.shape().clone());
        let lengths = vec![value.values().len()];
        let summary = format!("constant output, {} values", value.values().len());
        let kernel = Kernel::Nest { nest: Box::new(nest), lengths, constant: Some(Operand::A) };
        Draft { weights: Some(weights), network_output: Some(index), ..draft(kernel, Used::default(), summary) }
    }

    /// How the result of a node that is read lies, and where.
    fn read(&mut self, id: NodeId) -> Option<(Map, Place)> {
        match self.homes.get(&id) {
            Some(home) => Some(*home),
            None => {
                let node = self.graph.node(id);
                self.problems.push(
                    Diagnostic::error(
                        "E-PLAN",
                        format!("a constant of shape {} is read where a map is needed", node.shape()),
                    )
                    .about(node.name.clone())
                    .hint("let the pass fold_constants run"),
                );
                None
            }
        }
    }

    /// The value of a weight.
    fn weight(&mut self, id: Option<&NodeId>) -> Option<Tensor> {
        let id = *id?;
        let value = self.graph.value(id).cloned();
        if value.is_none() {
            self.problems.push(
                Diagnostic::error("E-PLAN", "a weight is computed from the input")
                    .about(self.graph.node(id).name.clone())
                    .expected("weights that are known at compile time"),
            );
        }
        value
    }

    /// Where the packed weights of a node begin, and whether they were packed before.
    fn pack(&mut self, id: NodeId, pack: impl FnOnce(&mut Vec<f32>)) -> (usize, bool) {
        let channel = self.target.and_then(|target| target.channels).map_or(0, |[from, _]| from);
        if let Some(weights) = self.packed.get(&(id, channel)) {
            return (*weights, true);
        }
        let weights = self.lowered.weights.len();
        pack(&mut self.lowered.weights);
        self.packed.insert((id, channel), weights);
        (weights, false)
    }

    fn conv(&mut self, id: NodeId, map: Map, conv: &Conv, operands: &[NodeId]) -> Option<Draft> {
        let (read, home) = self.read(*operands.first()?)?;
        let (mut input, mut from) = (read, home);
        let mut kernel = self.weight(operands.get(1))?;
        let mut bias = if conv.bias { Some(self.weight(operands.get(2))?) } else { None };
        if let Some(channels) = self.target.and_then(|target| target.channels) {
            kernel = along_first_axis(&kernel, channels)?;
            if let Some(whole) = &bias {
                bias = Some(along_first_axis(whole, channels)?);
            }
        }
        let shortcut = if conv.shortcut { Some(self.read(*operands.last()?)?) } else { None };
        let line = match conv.second {
            Some(_) => {
                let at = 2 + usize::from(conv.bias);
                Some([self.weight(operands.get(at))?, self.weight(operands.get(at + 1))?])
            }
            None => None,
        };
        // The first result, and behind it the second.
        let outputs = if conv.second.is_some() { map.channels / 2 } else { map.channels };
        if conv.second.is_some() && !outputs.is_multiple_of(BLOCK) {
            self.problems.push(
                Diagnostic::error("E-PLAN", format!("a conv of {outputs} channels has a second result"))
                    .about(self.graph.node(id).name.clone())
                    .expected(format!("a multiple of {BLOCK} channels")),
            );
            return None;
        }
        let (first, _) = bands::channels(map, 0, outputs);
        let mut stride = conv.stride;
        if gathers(conv, input, outputs) {
            // Every so many pixels once, side by side: after that each panel reads them as it reads a map of stride 1.
            let gathered = Map { height: map.height, width: map.width, frame: Frame::NONE, ..input };
            let geometry = RemapGeometry {
                batch: self.batch,
                input,
                output: gathered,
                stride,
                channels_before: 0,
                top: 0,
                left: 0,
            };
            let buffer = self.scratch(gathered);
            let node = self.graph.node(*operands.first()?);
            let used = Used { input: Some(from), other: None, output: Some(buffer) };
            let summary = format!("gather {} -> {}", size(input), size(gathered));
            let shape = vec![self.all, input.channels, map.height, map.width];
            self.push(format!("{} gathered", node.name), shape, draft(Kernel::Remap(geometry), used, summary));
            (input, from, stride) = (gathered, buffer, [1, 1]);
        }
        let (window, first_block) = pack::windows(input.channels, outputs, conv.groups, input.block);
        let mut decision = *self.decisions.get(&id)?;
        if self.target.is_some() {
            let layer = Layer::of(self.graph, id, conv)?;
            let part = Layer { batch: self.batch, outputs, output: [map.height, map.width], ..layer };
            decision.algorithm = part.resize(decision.algorithm);
        }
        let mut geometry = ConvGeometry {
            batch: self.batch,
            input,
            output: first,
            shortcut: shortcut.map(|(map, _)| map),
            kernel: conv.kernel,
            stride,
            dilation: conv.dilation,
            padding: [conv.padding.top, conv.padding.left],
            window,
            first_block: &[],
            activation: activation(conv.activation),
            second: conv.second.as_ref().map(|second| activation(second.activation)),
            algorithm: decision.algorithm,
        };
        if matches!(geometry.algorithm, Algorithm::Strassen(_)) && !geometry.flat() {
            // Another reader of its input asks for a frame, between the rows of which the pixels are no run.
            geometry.algorithm = Layer::of(self.graph, id, conv)?.direct();
        }
        let tiles = tile::tiles(&geometry, &first_block, decision.pixels);
        let (weights, again) = self.pack(id, |weights| {
            let parameters = pack::Parameters {
                conv: &geometry,
                first_block: &first_block,
                groups: conv.groups,
                kernel: &kernel,
                bias: bias.as_ref(),
                line: line.as_ref().map(|[scale, shift]| [scale, shift]),
            };
            pack::conv(weights, parameters);
        });
        let over = match shortcut {
            // With as much behind it, a shortcut at the start of a buffer is the first of two results itself.
            Some((other, place)) if conv.second.is_some() => {
                (other == first && place.offset == 0).then_some((map, place))
            }
            over => over,
        };
        let output = self.in_place(id, map, over, Some(from));
        let vectors = bias.iter().chain(line.iter().flatten()).map(|vector| vector.shape().len()).sum::<usize>();
        let parameters = if again { 0 } else { kernel.shape().len() + vectors } as u64;
        Some(Draft {
            summary: conv_summary(conv, read, &geometry),
            used: Used { input: Some(from), other: shortcut.map(|(_, place)| place), output: Some(output) },
            weights: Some(weights),
            network_input: None,
            network_output: None,
            parameters,
            macs: (map.height * map.width * kernel.shape().len()) as u64,
            kernel: Kernel::Conv { geometry, first_block, tiles },
        })
    }

    fn batch_norm(&mut self, id: NodeId, map: Map, norm: &BatchNorm, operands: &[NodeId]) -> Option<Draft> {
        let (input, from) = self.read(*operands.first()?)?;
        let mut vectors = operands.iter().skip(1);
        let gamma = if norm.gamma { Some(self.weight(vectors.next())?) } else { None };
        let beta = if norm.beta { Some(self.weight(vectors.next())?) } else { None };
        let (mean, variance) = (self.weight(vectors.next())?, self.weight(vectors.next())?);
        let at = |tensor: &Option<Tensor>, index: usize, default: f64| {
            tensor.as_ref().and_then(|tensor| tensor.values().get(index).copied()).map_or(default, f64::from)
        };
        let (mut scales, mut shifts) = (Vec::new(), Vec::new());
        for (channel, (mean, variance)) in mean.values().iter().zip(variance.values()).enumerate() {
            let scale = at(&gamma, channel, 1.0) / (f64::from(*variance) + norm.epsilon).sqrt();
            scales.push(scale);
            shifts.push(at(&beta, channel, 0.0) - f64::from(*mean) * scale);
        }
        let (weights, again) = self.pack(id, |weights| pack::affine(weights, &scales, &shifts));
        let output = self.in_place(id, map, Some((input, from)), None);
        let geometry = ElementwiseGeometry {
            batch: self.batch,
            input,
            other: None,
            join: Join::Sum,
            output: map,
            affine: true,
            activation: activation(norm.activation),
        };
        let summary = format!("batch_norm {}{}", size(map), epilogue(false, norm.activation));
        let used = Used { input: Some(from), other: None, output: Some(output) };
        Some(Draft {
            weights: Some(weights),
            parameters: if again { 0 } else { 2 * map.channels as u64 },
            ..draft(Kernel::Elementwise(geometry), used, summary)
        })
    }

    fn group_norm(&mut self, id: NodeId, map: Map, norm: &GroupNorm, operands: &[NodeId]) -> Option<Draft> {
        let (input, from) = self.read(*operands.first()?)?;
        let [gamma, beta] = [self.weight(operands.get(1))?, self.weight(operands.get(2))?]
            .map(|vector| vector.values().iter().map(|value| f64::from(*value)).collect::<Vec<_>>());
        let weights = self.lowered.weights.len();
        pack::affine(&mut self.lowered.weights, &gamma, &beta);
        let output = self.in_place(id, map, Some((input, from)), None);
        let geometry = GroupNormGeometry {
            batch: self.batch,
            input,
            output: map,
            groups: norm.groups,
            epsilon: (norm.epsilon as f32).clamp(f32::MIN_POSITIVE, f32::MAX),
            activation: activation(norm.activation),
        };
        let summary = format!("group_norm in {} groups {}{}", norm.groups, size(map), epilogue(false, norm.activation));
        let used = Used { input: Some(from), other: None, output: Some(output) };
        Some(Draft {
            weights: Some(weights),
            parameters: 2 * map.channels as u64,
            ..draft(Kernel::GroupNorm(geometry), used, summary)
        })
    }

    fn scale(&mut self, id: NodeId, map: Map, factor: f64, operands: &[NodeId]) -> Option<Draft> {
        let (input, from) = self.read(*operands.first()?)?;
        let (factors, shifts) = (vec![factor; map.channels], vec![0.0; map.channels]);
        let (weights, _) = self.pack(id, |weights| pack::affine(weights, &factors, &shifts));
        let output = self.in_place(id, map, Some((input, from)), None);
        let geometry = ElementwiseGeometry {
            batch: self.batch,
            input,
            other: None,
            join: Join::Sum,
            output: map,
            affine: true,
            activation: geometry::Activation::None,
        };
        let used = Used { input: Some(from), other: None, output: Some(output) };
        let summary = format!("scale by {factor} {}", size(map));
        Some(Draft { weights: Some(weights), ..draft(Kernel::Elementwise(geometry), used, summary) })
    }

    /// A step per operand, into one map; the last is returned. None where the operands lie there already.
    fn concat(&mut self, id: NodeId, map: Map, operands: &[NodeId]) -> Option<Draft> {
        if let Some(place) = self.wholes.get(&id).copied() {
            self.settle(id, map, place);
            return None;
        }
        let parts = operands.iter().map(|operand| self.read(*operand)).collect::<Option<Vec<(Map, Place)>>>()?;
        let output = self.fresh(id, map);
        let (mut to, mut last): (usize, Option<(Vec<usize>, Draft)>) = (0, None);
        for ((input, from), operand) in parts.into_iter().zip(operands) {
            if let Some((shape, draft)) = last.take() {
                self.push(self.graph.node(id).name.clone(), shape, draft);
            }
            let count = input.channels;
            let geometry = ChannelsGeometry { batch: self.batch, input, output: map, from: 0, to, count };
            let used = Used { input: Some(from), other: None, output: Some(output) };
            let summary = format!("concat {} -> channels {to}..{} of {}", size(input), to + count, size(map));
            last =
                Some((self.graph.node(*operand).shape().0.clone(), draft(Kernel::Channels(geometry), used, summary)));
            to += count;
        }
        last.map(|(_, draft)| draft)
    }

    fn slice(&mut self, id: NodeId, map: Map, begin: usize, operands: &[NodeId]) -> Option<Draft> {
        let (input, from) = self.read(*operands.first()?)?;
        if let Some(part) = self.layouts.part(id) {
            self.settle(id, map, from.after(part.block * input.plane()));
            return None;
        }
        let output = self.fresh(id, map);
        let count = map.channels;
        let geometry = ChannelsGeometry { batch: self.batch, input, output: map, from: begin, to: 0, count };
        let used = Used { input: Some(from), other: None, output: Some(output) };
        let summary = format!("slice channels {begin}..{} of {} -> {}", begin + count, size(input), size(map));
        Some(draft(Kernel::Channels(geometry), used, summary))
    }

    fn elementwise(
        &mut self,
        id: NodeId,
        map: Map,
        operands: &[NodeId],
        kind: Option<Activation>,
        join: Join,
    ) -> Option<Draft> {
        let (input, from) = self.read(*operands.first()?)?;
        let other = match operands.get(1) {
            Some(other) => Some(self.read(*other)?),
            None => None,
        };
        let output = self.in_place(id, map, Some((input, from)), other.map(|(_, place)| place));
        let geometry = ElementwiseGeometry {
            batch: self.batch,
            input,
            other: other.map(|(map, _)| map),
            join,
            output: map,
            affine: false,
            activation: activation(kind),
        };
        let name = match self.graph.node(id).op() {
            Op::Activation(_) => "activation",
            op => op.name(),
        };
        let summary = format!("{name} {}{}", size(map), epilogue(false, kind));
        let used = Used { input: Some(from), other: other.map(|(_, place)| place), output: Some(output) };
        Some(draft(Kernel::Elementwise(geometry), used, summary))
    }

    fn pool(&mut self, id: NodeId, map: Map, pool: &Pool, reduction: Reduction, operands: &[NodeId]) -> Option<Draft> {
        let (input, from) = self.read(*operands.first()?)?;
        let output = self.fresh(id, map);
        let Padding { left, right, .. } = pool.padding;
        let [top, bottom] = self.target.map_or([pool.padding.top, pool.padding.bottom], |target| target.padding);
        let geometry = PoolGeometry {
            batch: self.batch,
            input,
            output: map,
            kernel: pool.kernel,
            stride: pool.stride,
            padding: [top, left, bottom, right],
            reduction,
        };
        let name = self.graph.node(id).op().name();
        let summary = format!("{name} {} stride {}, {}", pair(pool.kernel), step(pool.stride), size(map));
        Some(draft(Kernel::Pool(geometry), Used { input: Some(from), other: None, output: Some(output) }, summary))
    }

    fn global_pool(&mut self, id: NodeId, map: Map, reduction: Reduction, operands: &[NodeId]) -> Option<Draft> {
        let (input, from) = self.read(*operands.first()?)?;
        let output = self.fresh(id, map);
        let geometry = GlobalPoolGeometry { batch: self.batch, input, output: map, reduction };
        let summary = format!("{} {}", self.graph.node(id).op().name(), size(input));
        let used = Used { input: Some(from), other: None, output: Some(output) };
        Some(draft(Kernel::GlobalPool(geometry), used, summary))
    }

    fn flatten(&mut self, id: NodeId, map: Map, operands: &[NodeId]) -> Option<Draft> {
        let (input, from) = self.read(*operands.first()?)?;
        if input.height == 1 && input.width == 1 && input.frame.is_none() {
            self.settle(id, map, from);
            return None;
        }
        let output = self.fresh(id, map);
        let geometry = FlattenGeometry { batch: self.batch, input };
        let used = Used { input: Some(from), other: None, output: Some(output) };
        Some(draft(Kernel::Flatten(geometry), used, format!("flatten {}", size(input))))
    }

    fn dense(&mut self, id: NodeId, map: Map, dense: &Dense, operands: &[NodeId]) -> Option<Draft> {
        let (input, from) = self.read(*operands.first()?)?;
        let kernel = self.weight(operands.get(1))?;
        let bias = if dense.bias { Some(self.weight(operands.get(2))?) } else { None };
        let panel = if map.channels.div_ceil(BLOCK).is_multiple_of(2) { 2 * BLOCK } else { BLOCK };
        let geometry = DenseGeometry {
            batch: self.batch,
            features: input.channels,
            units: map.channels,
            panel,
            activation: activation(dense.activation),
        };
        let weights = self.lowered.weights.len();
        pack::dense(&mut self.lowered.weights, &geometry, &kernel, bias.as_ref());
        let output = self.fresh(id, map);
        let summary = format!("dense {} -> {}{}", geometry.features, geometry.units, epilogue(false, dense.activation));
        let used = Used { input: Some(from), other: None, output: Some(output) };
        Some(Draft {
            weights: Some(weights),
            parameters: (kernel.shape().len() + bias.map_or(0, |bias| bias.shape().len())) as u64,
            macs: kernel.shape().len() as u64,
            ..draft(Kernel::Dense(geometry), used, summary)
        })
    }

    fn softmax(&mut self, id: NodeId, map: Map, operands: &[NodeId]) -> Option<Draft> {
        let (input, from) = self.read(*operands.first()?)?;
        let output = self.in_place(id, map, Some((input, from)), None);
        let geometry = SoftmaxGeometry { batch: self.batch, features: map.channels };
        let used = Used { input: Some(from), other: None, output: Some(output) };
        Some(draft(Kernel::Softmax(geometry), used, format!("softmax {}", map.channels)))
    }

    fn as_array(&mut self, id: NodeId, map: Map, operands: &[NodeId]) -> Option<Draft> {
        let (input, from) = self.read(*operands.first()?)?;
        let output = self.fresh(id, map);
        let [batch, ..] = extents(self.graph.node(id).shape())?;
        let used = Used { input: Some(from), other: None, output: Some(output) };
        let summary = format!("as array {}", size(input));
        Some(draft(Kernel::AsArray(OutputGeometry { batch, input }), used, summary))
    }

    fn as_map(&mut self, id: NodeId, map: Map, operands: &[NodeId]) -> Option<Draft> {
        let (_, from) = self.read(*operands.first()?)?;
        let output = self.fresh(id, map);
        let geometry = InputGeometry { batch: self.batch, output: map, channels_last: false };
        let used = Used { input: Some(from), other: None, output: Some(output) };
        Some(draft(Kernel::AsMap(geometry), used, format!("as map {}", size(map))))
    }

    fn nest(&mut self, id: NodeId, map: Map, nest: &Nest, operands: &[NodeId]) -> Option<Draft> {
        let lengths: Vec<usize> = operands.iter().map(|operand| self.graph.node(*operand).shape().len()).collect();
        let constants: Vec<Option<Tensor>> =
            operands.iter().map(|operand| self.graph.value(*operand).cloned()).collect();
        let (constant, weights) = match constants.as_slice() {
            [Some(value), None] => (Some(Operand::A), Some(value)),
            [None, Some(value)] => (Some(Operand::B), Some(value)),
            _ => (None, None),
        };
        let weights = weights.map(|value| {
            self.pack(id, |weights| {
                weights.extend(value.values());
                weights.resize(weights.len().next_multiple_of(BLOCK), 0.0);
            })
        });
        let mut computed = operands.iter().filter(|operand| self.graph.value(**operand).is_none()).copied();
        let (_, input) = self.read(computed.next().or(operands.first().copied())?)?;
        let other = match computed.next() {
            Some(other) => Some(self.read(other)?.1),
            None => None,
        };
        let output = self.fresh(id, map);
        let used = Used { input: Some(input), other, output: Some(output) };
        let folded: usize = nest.reduced.iter().product();
        let products = nest.operands.len() == 2 && nest.combine == Combine::Multiply && !nest.reduced.is_empty();
        Some(Draft {
            weights: weights.map(|(start, _)| start),
            parameters: constant
                .and_then(|_| constants.iter().flatten().next())
                .map_or(0, |value| value.values().len() as u64),
            macs: if products { (nest.shape.len() as u64).saturating_mul(folded as u64) } else { 0 },
            ..draft(Kernel::Nest { nest: Box::new(nest.clone()), lengths, constant }, used, nest.to_string())
        })
    }

    fn remap(&mut self, id: NodeId, map: Map, stride: [usize; 2], pad: &Pad, operands: &[NodeId]) -> Option<Draft> {
        let (input, from) = self.read(*operands.first()?)?;
        let output = self.fresh(id, map);
        let geometry = RemapGeometry {
            batch: self.batch,
            input,
            output: map,
            stride,
            channels_before: pad.channels[0],
            top: self.target.map_or(pad.spatial.top, |target| target.padding[0]),
            left: pad.spatial.left,
        };
        let used = Used { input: Some(from), other: None, output: Some(output) };
        let name = self.graph.node(id).op().name();
        Some(draft(Kernel::Remap(geometry), used, format!("{name} {} -> {}", size(input), size(map))))
    }
}

/// Some entries of a tensor along its first axis.
fn along_first_axis(tensor: &Tensor, [from, to]: [usize; 2]) -> Option<Tensor> {
    let mut shape = tensor.shape().clone();
    let first = shape.0.first_mut()?;
    let each = tensor.values().len().checked_div(*first)?;
    *first = to - from;
    Tensor::new(shape, tensor.values().get(from * each..to * each)?.to_vec())
}

/// Whether a strided 1 x 1 convolution is worth a copy of just the pixels it reads: when enough panels read them.
fn gathers(conv: &Conv, input: Map, outputs: usize) -> bool {
    conv.kernel == [1, 1]
        && conv.stride != [1, 1]
        && conv.padding == Padding::default()
        && conv.groups == 1
        && input.block == BLOCK
        && outputs >= 4 * BLOCK
}

fn draft(kernel: Kernel, used: Used, summary: String) -> Draft {
    Draft { kernel, used, weights: None, network_input: None, network_output: None, parameters: 0, macs: 0, summary }
}

fn activation(kind: Option<Activation>) -> geometry::Activation {
    match kind {
        None => geometry::Activation::None,
        Some(Activation::Relu) => geometry::Activation::Relu,
        Some(Activation::Relu6) => geometry::Activation::Relu6,
        Some(Activation::Sigmoid) => geometry::Activation::Sigmoid,
        Some(Activation::HardSigmoid) => geometry::Activation::HardSigmoid,
        Some(Activation::HardSwish) => geometry::Activation::HardSwish,
        Some(Activation::Silu) => geometry::Activation::Silu,
        Some(Activation::Tanh) => geometry::Activation::Tanh,
    }
}
