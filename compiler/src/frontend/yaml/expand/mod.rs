//! A spec as one flat list of layers, each with what it reads: stem and stages or a graph, then tail and head.

mod arguments;
mod chain;
mod frame;
mod residual;
mod stages;
mod step;
mod unit;

use std::collections::BTreeSet;
use std::rc::Rc;

pub use step::{ConvStep, Padding, Step, StepKind, ValueId, Window};

use super::library::Library;
use super::names::Names;
use super::problems::Problems;
use super::spec::{Layer, LayerWith, Output, OutputActivation, Outputs, PlainLayer, Scheme, Spec};
use frame::Frame;

/// A result of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkResult {
    /// Its name.
    pub name: String,
    /// The value it is.
    pub value: ValueId,
    /// The key path that asks for it.
    pub path: String,
}

/// The layers of a spec in the order they run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expanded {
    /// The layers.
    pub steps: Vec<Step>,
    /// The results.
    pub outputs: Vec<NetworkResult>,
}

/// Expands a spec whose tensors are named by `scheme`, with the specs that it uses at hand.
///
/// What is wrong goes to `problems`; the list is complete only when nothing does.
pub fn expand(spec: &Rc<Spec>, scheme: Scheme, library: &Library, problems: &mut Problems<'_>) -> Expanded {
    let mut expansion = Expansion {
        names: Names::new(scheme, spec, ""),
        spec: Rc::clone(spec),
        library,
        problems,
        steps: Vec::new(),
        channels: vec![Some(spec.input.shape.1)],
        current: vec![0],
        part: None,
        looked_at: 0,
        used_blocks: BTreeSet::new(),
        open_networks: Vec::new(),
    };
    let mut frame = Frame::of_network(0);
    expansion.body(&mut frame);
    let outputs = if expansion.problems.any() { Vec::new() } else { expansion.outputs(&mut frame) };
    expansion.unused(&frame);
    Expanded { steps: expansion.steps, outputs }
}

struct Expansion<'a, 'p> {
    /// The spec whose layers are expanded: the user's, or one that it uses as a part.
    spec: Rc<Spec>,
    library: &'a Library,
    problems: &'a mut Problems<'p>,
    names: Names,
    steps: Vec<Step>,
    /// Channels of each value, where they are known.
    channels: Vec<Option<usize>>,
    /// What the next layer reads.
    current: Vec<ValueId>,
    /// While the layers of another spec are expanded, the key path that asks for it.
    part: Option<String>,
    /// Layers and blocks so far, those that leave no step included.
    looked_at: usize,
    used_blocks: BTreeSet<String>,
    /// The specs that are being expanded, as they are asked for.
    open_networks: Vec<String>,
}

impl Expansion<'_, '_> {
    /// Everything between the input and the results.
    fn body(&mut self, frame: &mut Frame) {
        let spec = Rc::clone(&self.spec);
        match (&spec.graph, &spec.stages) {
            (Some(_), Some(_)) => {
                self.error("E-BODY", "graph", "the network has both `graph` and `stages`")
                    .hint("leave one of them out");
            }
            (Some(_), None) if !spec.stem.is_empty() => {
                self.error("E-BODY", "stem", "the network has both `graph` and `stem`")
                    .hint("make the stem a value of the graph");
            }
            (Some(graph), None) => self.values(frame, graph, "graph"),
            (None, Some(stages)) => {
                self.stem(frame, &spec.stem);
                self.stages(frame, stages);
            }
            (None, None) => {
                self.error("E-BODY", "", "the network has neither `stages` nor `graph`")
                    .hint("add `stages:` with its blocks, or `graph:` with its values");
            }
        }
        if !spec.tail.is_empty() {
            self.chain(frame, &spec.tail, "tail", None);
            self.define(frame, "tail", "tail");
        }
        self.chain(frame, &spec.head, "head", None);
        if spec.head.is_empty() && spec.output.is_none() {
            self.error("E-BODY", "", "neither `head` nor `output` is given")
                .hint("add a `head:` with the classifier, or an `output:` to give the last map as it is");
        }
        self.classifier(&spec);
    }

    fn stem(&mut self, frame: &mut Frame, stem: &[Layer]) {
        for (index, layer) in stem.iter().enumerate() {
            if is_classifier(layer) {
                self.error("E-HEAD", &format!("stem[{index}]"), "a layer of the classifier in the stem")
                    .hint("move it to `head`");
            }
        }
        self.chain(frame, stem, "stem", None);
        self.define(frame, "stem", "stem");
    }

    /// What a classifier has at most once.
    fn classifier(&mut self, spec: &Spec) {
        let softmax = |layer: &Layer| matches!(layer, Layer::Plain(PlainLayer::Softmax));
        let dense = |layer: &Layer| matches!(layer, Layer::With(with) if matches!(**with, LayerWith::Dense(_)));
        let second = |wanted: &dyn Fn(&Layer) -> bool| {
            spec.head.iter().enumerate().filter(|(_, layer)| wanted(layer)).nth(1).map(|(index, _)| index)
        };
        if let Some(index) = second(&dense) {
            self.error("E-HEAD", &format!("head[{index}]"), "a second classifier").expected("one `dense`");
        }
        if let Some(index) = second(&softmax) {
            self.error("E-HEAD", &format!("head[{index}]"), "a second softmax").expected("one `softmax`");
        }
        let path = match &spec.output {
            Some(Outputs::One(output)) if output.activation != OutputActivation::None => "output.activation".to_owned(),
            Some(Outputs::Several(outputs)) => {
                let last = |output: &Output| output.from.is_none() && output.activation != OutputActivation::None;
                match outputs.iter().position(last) {
                    Some(index) => format!("output[{index}].activation"),
                    None => return,
                }
            }
            Some(Outputs::One(_)) | None => return,
        };
        if spec.head.iter().any(softmax) {
            self.error("E-HEAD", &path, "an activation would be applied twice, by `head` and by `output`")
                .hint("leave one of them out");
        }
    }

    /// The results, with what they apply last.
    fn outputs(&mut self, frame: &mut Frame) -> Vec<NetworkResult> {
        let spec = Rc::clone(&self.spec);
        let last = self.current.clone();
        let outputs: Vec<(Output, String)> = match &spec.output {
            None => vec![(Output::default(), "output".to_owned())],
            Some(Outputs::One(output)) => vec![(output.clone(), "output".to_owned())],
            Some(Outputs::Several(outputs)) => {
                outputs.iter().enumerate().map(|(index, output)| (output.clone(), format!("output[{index}]"))).collect()
            }
        };
        let mut results: Vec<NetworkResult> = Vec::new();
        for (output, path) in outputs {
            if results.iter().any(|known| known.name == output.name) {
                self.error("E-DUP", &format!("{path}.name"), format!("a second output is called `{}`", output.name))
                    .expected("a name of its own for each output");
                continue;
            }
            self.current = match &output.from {
                None => last.clone(),
                Some(from) => match self.value_named(frame, from, &format!("{path}.from")) {
                    Some(value) => vec![value],
                    None => continue,
                },
            };
            match output.activation {
                OutputActivation::None => {}
                OutputActivation::Softmax => {
                    self.then("softmax", StepKind::Softmax, &format!("{path}.activation"));
                }
                OutputActivation::Sigmoid => {
                    let sigmoid = StepKind::Activation(crate::ir::Activation::Sigmoid);
                    self.then("sigmoid", sigmoid, &format!("{path}.activation"));
                }
            }
            if let Some(value) = self.single(&path) {
                results.push(NetworkResult { name: output.name, value, path });
            }
        }
        results
    }

    /// Tells values and blocks that nothing uses.
    fn unused(&mut self, frame: &Frame) {
        let spec = Rc::clone(&self.spec);
        if self.problems.any() {
            return;
        }
        if spec.graph.is_some() {
            for path in frame.never_read() {
                self.error("E-UNUSED", &path, "nothing reads this value")
                    .hint("read it with `from`, name it in `output`, or leave it out");
            }
        }
        for name in spec.blocks.names() {
            if !self.used_blocks.contains(name) {
                self.problems
                    .warning("E-UNUSED", &format!("blocks.{name}"), "nothing uses this block")
                    .hint("use it with `block`, or leave it out");
            }
        }
    }
}

fn is_classifier(layer: &Layer) -> bool {
    match layer {
        Layer::Plain(
            PlainLayer::GlobalAveragePool | PlainLayer::GlobalMaxPool | PlainLayer::Flatten | PlainLayer::Softmax,
        ) => true,
        Layer::Plain(
            PlainLayer::BatchNorm
            | PlainLayer::GroupNorm
            | PlainLayer::Activation
            | PlainLayer::Concat
            | PlainLayer::Add
            | PlainLayer::Multiply,
        ) => false,
        Layer::With(with) => matches!(**with, LayerWith::Dense(_)),
    }
}
