//! Networks that compute one layer in several ways, to be timed.
//!
//! They go through the same plan and code generation as any network, so what is timed is what will run. Around the layer
//! stands what bears on its time: the frames of its maps, its shortcut, its activation.

use std::collections::BTreeMap;

use quote::{format_ident, quote};

use crate::codegen::{Item, Weights};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::frontend::Network;
use crate::ir::{Activation, Conv, Graph, Layout, NodeId, Op, Pad, Padding, ShapeError, Tensor};
use crate::pipeline::Compiled;
use crate::plan::geometry::{BLOCK, ConvGeometry, Frame, Map};
use crate::plan::{self, Decision, Decisions, Kernel, Layer, Step};

/// A distinct convolution of a network, and the ways to compute it that are worth timing.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// What bears on the decision.
    pub layer: Layer,
    /// How many of the network's layers are such.
    pub count: usize,
    /// The ways to compute it, the model's first.
    pub decisions: Vec<Decision>,
    graph: &'a Graph,
    id: NodeId,
    conv: &'a Conv,
    geometry: &'a ConvGeometry,
}

/// A network that computes a layer in all of its ways.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Its generated module, with a type `Probe`.
    pub source: String,
    /// The step of each way.
    pub steps: Vec<usize>,
}

/// The distinct convolutions of a network in the order they run.
pub fn subjects<'a>(compiled: &'a Compiled, exact: bool, isa: &str) -> Vec<Subject<'a>> {
    let graph = &compiled.graph;
    // What is computed part by part is as the plan made it: its layer as a whole is no step.
    let whole = |(_, step): &(&NodeId, &Step)| matches!(step.kernel, Kernel::Conv { .. }) && step.part.is_none();
    let steps: BTreeMap<NodeId, &Step> =
        compiled.plan.nodes.iter().zip(&compiled.plan.steps).filter(whole).map(|(id, step)| (*id, step)).collect();
    let mut subjects: Vec<Subject<'a>> = Vec::new();
    let mut places: BTreeMap<Layer, usize> = BTreeMap::new();
    for (id, mut layer) in plan::layers(graph) {
        let Some(step) = steps.get(&id) else { continue };
        let (Op::Conv(conv), Kernel::Conv { geometry, .. }) = (graph.node(id).op(), &step.kernel) else { continue };
        // Fewer than the network's where the layer runs image by image.
        layer.batch = geometry.batch;
        let next = subjects.len();
        let place = *places.entry(layer).or_insert(next);
        if let Some(subject) = subjects.get_mut(place) {
            subject.count += 1;
            continue;
        }
        let decisions = layer.variants(&step.kernel, exact, isa);
        subjects.push(Subject { layer, count: 1, decisions, graph, id, conv, geometry });
    }
    subjects
}

impl Subject<'_> {
    /// The network that computes the layer in all of its ways.
    ///
    /// # Errors
    /// When the plan refuses it, which it does for lack of memory only.
    pub fn probe(&self) -> Result<Probe, Diagnostics> {
        let (graph, decisions) = self.network()?;
        let (plan, _) = plan::carry_out(&graph, &decisions, 0)?;
        let steps = (0..self.decisions.len())
            .filter_map(|index| plan.steps.iter().position(|step| step.name == name(index)))
            .collect();
        let network = Network {
            name: self.layer.to_string(),
            description: String::new(),
            graph: Graph::new(),
            preprocess: None,
            labels: Vec::new(),
            parameters: 0,
            files: Vec::new(),
            weights: "made up".to_owned(),
        };
        let compiled = Compiled { network, graph, passes: Vec::new(), plan, warnings: Diagnostics::new() };
        let item = Item {
            attributes: quote!(),
            visibility: quote!(pub),
            name: format_ident!("Probe"),
            runtime: quote!(::resnet),
            weights: Weights::Runtime,
        };
        Ok(Probe { source: compiled.source(&item), steps })
    }

    fn network(&self) -> Result<(Graph, Decisions), Diagnostics> {
        let Self { layer, conv, geometry, .. } = self;
        let mut builder = Builder { graph: Graph::new(), ones: BTreeMap::new() };
        let Map { channels, height, width, frame, .. } = geometry.input;
        let mut input = builder.graph.input("input", Layout::Nchw, [layer.batch, channels, height, width]);
        if channels < BLOCK && !layer.raw {
            // Only the network's own input lies in narrower blocks.
            input = builder.add("input", Op::Activation(Activation::Relu), &[input])?;
        }
        builder.corners(input, frame)?;
        let mut weights = Vec::new();
        for operand in self.graph.operands(self.id).into_iter().skip(1).take(1 + usize::from(conv.bias)) {
            if let Some(value) = self.graph.value(operand) {
                weights.push(builder.graph.constant("weights", value.clone()));
            }
        }
        let mut ways = Vec::new();
        let mut last = input;
        // The first runs once before it is timed: behind the input, the caches are not as behind a convolution.
        for (name, decision) in self
            .decisions
            .iter()
            .take(1)
            .map(|first| ("before".to_owned(), first))
            .chain(self.decisions.iter().enumerate().map(|(index, decision)| (name(index), decision)))
        {
            let shortcut = match geometry.shortcut {
                Some(map) => builder.shortcut(input, geometry.input, map, geometry.stride)?,
                None => None,
            };
            let operands: Vec<_> = [input].into_iter().chain(weights.iter().copied()).chain(shortcut).collect();
            // A kernel of 1 x 1 with a step reads what another step gathered: here, the input as it is.
            let conv = Conv { shortcut: shortcut.is_some(), stride: geometry.stride, second: None, ..(*conv).clone() };
            let way = builder.add(name, Op::Conv(conv), &operands)?;
            ways.push((way, *decision));
            last = builder.corners(way, geometry.output.frame)?;
        }
        let mut graph = builder.graph;
        graph.output("output", last);
        let mut decisions: Decisions =
            plan::layers(&graph).into_iter().filter_map(|(id, layer)| Some((id, layer.own(true)?))).collect();
        decisions.extend(ways);
        Ok((graph, decisions))
    }
}

/// The name of the step that computes the layer in one way.
fn name(index: usize) -> String {
    format!("way {index}")
}

struct Builder {
    graph: Graph,
    /// Kernels of ones, by their shape.
    ones: BTreeMap<[usize; 4], NodeId>,
}

impl Builder {
    fn add(&mut self, name: impl Into<String>, op: Op, operands: &[NodeId]) -> Result<NodeId, Diagnostics> {
        self.graph
            .add(name, op, operands)
            .map_err(|ShapeError { node, message }| Diagnostic::error("E-TUNE", message).about(node).into())
    }

    /// A reader that asks for a frame and costs nothing: a convolution over the four corners of the map with its frame.
    fn corners(&mut self, map: NodeId, frame: Frame) -> Result<NodeId, Diagnostics> {
        let Some([_, channels, height, width]) = self.graph.node(map).shape().map() else { return Ok(map) };
        let Frame { top, left, bottom, right } = frame;
        let extents = [height + top + bottom, width + left + right];
        let kernel = extents.map(|extent| extent.min(2));
        let shape = [1, channels, kernel[0], kernel[1]];
        let ones = match self.ones.get(&shape) {
            Some(ones) => *ones,
            None => {
                let tensor = Tensor::new(shape, vec![1.0; shape.iter().product()]);
                let tensor = tensor.ok_or_else(|| Diagnostic::error("E-TUNE", "a kernel of ones has no shape"))?;
                let ones = self.graph.constant("ones", tensor);
                self.ones.insert(shape, ones);
                ones
            }
        };
        let conv = Conv {
            kernel,
            stride: [1, 1],
            padding: Padding { top, left, bottom, right },
            dilation: extents.map(|extent| (extent - 1).max(1)),
            groups: 1,
            bias: false,
            shortcut: false,
            activation: None,
            second: None,
        };
        self.add("corners", Op::Conv(conv), &[map, ones])
    }

    /// A map of the shortcut's shape and frame, with memory of its own; none when the input cannot be made one without effort.
    fn shortcut(
        &mut self,
        input: NodeId,
        from: Map,
        to: Map,
        stride: [usize; 2],
    ) -> Result<Option<NodeId>, Diagnostics> {
        let taken = |extent: usize, stride: usize| extent.div_ceil(stride);
        if [taken(from.height, stride[0]), taken(from.width, stride[1])] != [to.height, to.width] {
            return Ok(None);
        }
        let mut map = input;
        if stride != [1, 1] {
            map = self.add("shortcut", Op::Subsample { stride }, &[map])?;
        }
        map = if to.channels < from.channels {
            self.add("shortcut", Op::Slice { channels: [0, to.channels] }, &[map])?
        } else if to.channels > from.channels {
            let pad = Pad { channels: [0, to.channels - from.channels], spatial: Padding::default() };
            self.add("shortcut", Op::Pad(pad), &[map])?
        } else {
            self.add("shortcut", Op::Activation(Activation::Relu), &[map])?
        };
        self.corners(map, to.frame)?;
        Ok(Some(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::WeightSource;
    use crate::pipeline::{self, Options};

    #[test]
    fn every_way_computes_the_layer_as_the_network_does() {
        let options = Options { weights: Some(WeightSource::Seed(1)), ..Options::new("resnet18") };
        let compiled = pipeline::compile(&options, &mut |_| ()).unwrap();
        let subjects = subjects(&compiled, true, "avx2");
        assert!(subjects.iter().any(|subject| subject.conv.stride != subject.geometry.stride), "a gathered layer");
        for subject in subjects {
            let (graph, decisions) = subject.network().unwrap();
            let (plan, _) = plan::carry_out(&graph, &decisions, 0).unwrap();
            for index in 0..subject.decisions.len() {
                let step = plan.steps.iter().find(|step| step.name == name(index)).unwrap();
                let Kernel::Conv { geometry, .. } = &step.kernel else { unreachable!() };
                let sizes = |map: &Map| [map.channels, map.height, map.width];
                let of = |conv: &ConvGeometry| {
                    (conv.batch, sizes(&conv.input), sizes(&conv.output), conv.kernel, conv.stride, conv.window)
                };
                assert_eq!(of(geometry), of(subject.geometry), "{}", subject.layer);
            }
        }
    }
}
