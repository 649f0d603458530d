//! Compiled programs against the interpreter: random graphs and chosen ones, every instruction set of the machine, several
//! numbers of threads, with every pass and with none.
//!
//! All programs of the test go into one package, so that cargo is called once. It runs each on an input and prints the
//! bits of every result.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use quote::{format_ident, quote};
use resnetc::codegen::{Item, Weights};
use resnetc::frontend::Network;
use resnetc::ir::interpreter::{self, Values};
use resnetc::ir::{
    Activation, BatchNorm, ChainKind, Conv, Dense, Graph, GroupNorm, Layout, NodeId, Op, Pad, Padding, Pool, Tensor,
};
use resnetc::passes::Switches;
use resnetc::pipeline::Compiled;
use resnetc::plan::geometry::{Algorithm, Strassen};
use resnetc::plan::{Decision, Layer, Tuned, Tuning};
use resnetc::{passes, plan};

#[path = "../../compiler/tests/support/random.rs"]
mod random;

#[path = "support/arrays.rs"]
mod arrays;

/// A program of the test.
struct Case {
    what: String,
    compiled: Compiled,
    input: Vec<f32>,
    /// The outputs by the interpreter, of the graph before the passes.
    expected: Vec<Vec<f64>>,
}

/// Strassen's multiplication wherever it computes a layer: left to itself, the model takes it for more channels than networks have here.
fn by_strassen(graph: &Graph) -> Tuning {
    let mut tuning = Tuning::default();
    for (_, layer) in plan::layers(graph) {
        for batch in [1, layer.batch] {
            let decision = Decision::from(Algorithm::Strassen(Strassen {
                band: 7.min(layer.output.iter().product::<usize>() / 2),
                depth: 1,
            }));
            // What it does not compute is refused, and stays as it was.
            let _ = tuning.insert(Layer { batch, ..layer }, Tuned { decision, place: None });
        }
    }
    tuning
}

/// `None` when the plan refuses the graph for `reason`.
fn case(what: String, graph: Graph, switches: &Switches, input: &[f32]) -> Result<Case, String> {
    let network = Network {
        name: what.clone(),
        description: String::new(),
        parameters: 0,
        preprocess: None,
        labels: Vec::new(),
        files: Vec::new(),
        weights: "the test".to_owned(),
        graph,
    };
    let mut graph = network.graph.clone();
    let reports = passes::run(&mut graph, switches).unwrap();
    // Some graphs of several images run together, some partly and some wholly image by image.
    let nodes = graph.topological().len();
    let tuning = if what.len().is_multiple_of(2) { by_strassen(&graph) } else { Tuning::default() };
    let settings = plan::Settings { image_by_image: Some(what.len() * 5 % (2 * nodes)), tuning, ..Default::default() };
    let (plan, warnings) = plan::plan(&graph, &settings).map_err(|refusal| refusal.to_string())?;
    let (mut given, mut rest) = (Values::new(), input);
    for x in network.graph.inputs() {
        let node = network.graph.node(x);
        let Op::Input(layout) = node.op() else { unreachable!() };
        let (own, behind) = rest.split_at(node.shape().len());
        given.insert(x, interpreter::logical(*layout, node.shape(), own).unwrap());
        rest = behind;
    }
    assert_eq!(rest, [0.0_f32; 0], "{what}: the input is too long");
    let outputs: Vec<NodeId> = network.graph.outputs().iter().map(|output| output.node).collect();
    let kept = outputs.iter().copied().collect();
    let values = interpreter::run_keeping(&network.graph, &given, &kept).unwrap();
    let expected = outputs.iter().map(|output| values[output].clone()).collect();
    let compiled = Compiled { network, graph, passes: reports, plan, warnings };
    Ok(Case { what, compiled, input: input.to_vec(), expected })
}

fn pseudo(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// A residual network in which every kind of channel count, group, kernel, stride and frame of the family meets.
struct Chosen {
    graph: Graph,
    seed: u64,
}

impl Chosen {
    fn new(shape: [usize; 4], layout: Layout) -> (Self, NodeId) {
        let mut graph = Graph::new();
        let x = graph.input("x", layout, shape);
        (Self { graph, seed: 1 }, x)
    }

    fn weight(&mut self, shape: &[usize]) -> NodeId {
        self.seed += 1;
        let count: usize = shape.iter().product();
        let fan_in: usize = shape.iter().skip(1).product::<usize>().max(1);
        let scale = (3.0 / fan_in as f32).sqrt();
        let values: Vec<f32> = pseudo(count, self.seed).into_iter().map(|value| value * scale).collect();
        let name = format!("weight{}", self.seed);
        self.graph.constant(name, Tensor::new(resnetc::ir::Shape(shape.to_vec()), values).unwrap())
    }

    fn conv(&mut self, x: NodeId, out: usize, kernel: [usize; 2], stride: usize, groups: usize) -> NodeId {
        let padding =
            Padding { top: kernel[0] / 2, left: kernel[1] / 2, bottom: kernel[0] / 2, right: (kernel[1] - 1) / 2 };
        let channels = self.graph.node(x).shape().0[1];
        let weights = self.weight(&[out, channels / groups, kernel[0], kernel[1]]);
        let bias = self.weight(&[out]);
        let conv = Conv {
            kernel,
            stride: [stride; 2],
            padding,
            dilation: [1, 1],
            groups,
            bias: true,
            shortcut: false,
            activation: None,
            second: None,
        };
        let name = format!("conv{}", self.seed);
        self.graph.add(name, Op::Conv(conv), &[x, weights, bias]).unwrap()
    }

    fn relu(&mut self, x: NodeId) -> NodeId {
        self.then(Op::Activation(Activation::Relu), &[x])
    }

    fn then(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        let name = format!("{}{}", op.name(), self.graph.len());
        self.graph.add(name, op, operands).unwrap()
    }

    fn activation(&mut self, x: NodeId, activation: Activation) -> NodeId {
        self.then(Op::Activation(activation), &[x])
    }

    /// A batch normalisation of its own.
    fn norm(&mut self, x: NodeId) -> NodeId {
        let channels = self.graph.node(x).shape().0[1];
        let [mean, gamma] = [0; 2].map(|_| self.weight(&[channels]));
        let variance = Tensor::new([channels], vec![0.7; channels]).unwrap();
        let variance = self.graph.constant("variance", variance);
        let norm = BatchNorm { epsilon: 1e-5, gamma: true, beta: false, activation: None };
        self.then(Op::BatchNorm(norm), &[x, gamma, mean, variance])
    }

    fn group_norm(&mut self, x: NodeId, groups: usize) -> NodeId {
        let channels = self.graph.node(x).shape().0[1];
        let [gamma, beta] = [0; 2].map(|_| self.weight(&[channels]));
        self.then(Op::GroupNorm(GroupNorm { groups, epsilon: 1e-5, activation: None }), &[x, gamma, beta])
    }

    /// Squeeze and excitation through so many channels.
    fn excite(&mut self, x: NodeId, squeezed: usize, gate: Activation, pool: Op) -> NodeId {
        let channels = self.graph.node(x).shape().0[1];
        let mut y = self.then(pool, &[x]);
        y = self.conv(y, squeezed, [1, 1], 1, 1);
        y = self.relu(y);
        y = self.conv(y, channels, [1, 1], 1, 1);
        y = self.activation(y, gate);
        self.then(Op::Multiply { activation: None }, &[x, y])
    }

    fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let name = format!("add{}", self.graph.len());
        let sum = self.graph.add(name, Op::Add { activation: None }, &[a, b]).unwrap();
        self.relu(sum)
    }

    fn finish(mut self, x: NodeId, units: usize) -> Graph {
        let pooled = self.graph.add("pool", Op::GlobalAveragePool, &[x]).unwrap();
        let flat = self.graph.add("flatten", Op::Flatten, &[pooled]).unwrap();
        let features = self.graph.node(flat).shape().0[1];
        let (kernel, bias) = (self.weight(&[units, features]), self.weight(&[units]));
        let dense = Op::Dense(Dense { bias: true, activation: None });
        let logits = self.graph.add("dense", dense, &[flat, kernel, bias]).unwrap();
        self.graph.output("logits", logits);
        self.graph
    }
}

fn bottlenecks(batch: usize, layout: Layout) -> Graph {
    let (mut net, x) = Chosen::new([batch, 3, 42, 38], layout);
    let stem = net.conv(x, 32, [7, 7], 2, 1);
    let stem = net.relu(stem);
    let pool = Pool { kernel: [3, 3], stride: [2, 2], padding: Padding::same(1), ceil_mode: false };
    let mut y = net.graph.add("max", Op::MaxPool(pool), &[stem]).unwrap();
    for (width, stride, groups) in [(32, 1, 1), (32, 1, 8), (64, 2, 32), (48, 1, 3), (26, 2, 2)] {
        let shortcut = net.conv(y, 4 * width, [1, 1], stride, 1);
        let a = net.conv(y, width, [1, 1], 1, 1);
        let a = net.relu(a);
        let b = net.conv(a, width, [3, 3], stride, groups);
        let b = net.relu(b);
        let c = net.conv(b, 4 * width, [1, 1], 1, 1);
        y = net.add(c, shortcut);
        let d = net.conv(y, 4 * width, [3, 2], 1, groups);
        y = net.add(y, d);
    }
    net.finish(y, 37)
}

/// A classifier over a map that is flattened whole, and a map as the result.
fn flattened() -> Graph {
    let (mut net, x) = Chosen::new([2, 3, 9, 7], Layout::Nchw);
    let y = net.conv(x, 20, [3, 3], 2, 1);
    let flat = net.graph.add("flatten", Op::Flatten, &[y]).unwrap();
    let features = net.graph.node(flat).shape().0[1];
    let kernel = net.weight(&[19, features]);
    let dense = Op::Dense(Dense { bias: false, activation: Some(Activation::Relu) });
    let y = net.graph.add("dense", dense, &[flat, kernel]).unwrap();
    let y = net.graph.add("softmax", Op::Softmax, &[y]).unwrap();
    net.graph.output("probabilities", y);
    net.graph
}

fn backbone() -> Graph {
    let (mut net, x) = Chosen::new([1, 5, 11, 17], Layout::Nchw);
    let y = net.conv(x, 24, [3, 3], 1, 1);
    let z = net.conv(y, 24, [5, 1], 1, 24);
    let y = net.add(y, z);
    net.graph.output("map", y);
    net.graph
}

/// Blocks with squeeze and excitation, of widths that do not fill blocks of 16, and every activation.
fn excited(batch: usize) -> Graph {
    let (mut net, x) = Chosen::new([batch, 3, 21, 19], Layout::Nchw);
    let y = net.conv(x, 24, [3, 3], 2, 1);
    let mut y = net.activation(y, Activation::HardSwish);
    for (width, gate, last) in [
        (24, Activation::Sigmoid, Activation::Relu),
        (40, Activation::HardSigmoid, Activation::Silu),
        (32, Activation::Sigmoid, Activation::Relu6),
        (17, Activation::Tanh, Activation::Tanh),
        (33, Activation::Sigmoid, Activation::Sigmoid),
        (26, Activation::HardSigmoid, Activation::HardSigmoid),
    ] {
        let shortcut = net.conv(y, width, [1, 1], 1, 1);
        let a = net.conv(y, width, [3, 3], 1, 1);
        let a = net.activation(a, last);
        let b = net.conv(a, width, [1, 1], 1, 1);
        let pool = if width % 2 == 0 { Op::GlobalAveragePool } else { Op::GlobalMaxPool };
        let b = net.excite(b, width / 4, gate, pool);
        y = net.add(b, shortcut);
    }
    net.finish(y, 21)
}

/// Branches that are joined and added at a scale; channels in slices, each added to the next; all of odd widths.
fn branches(batch: usize) -> Graph {
    let (mut net, x) = Chosen::new([batch, 4, 15, 14], Layout::Nhwc);
    let mut y = net.conv(x, 52, [3, 3], 1, 1);
    y = net.relu(y);
    for (parts, factor) in [([5, 17, 32], 0.17), ([16, 32, 16], 0.3), ([1, 2, 3], -1.0)] {
        let convs = [(parts[0], [1, 1]), (parts[1], [3, 3]), (parts[2], [1, 5])];
        let branches = convs.map(|(out, kernel)| net.conv(y, out, kernel, 1, 1));
        let joined = net.then(Op::Concat { operands: 3 }, &branches);
        let up = net.conv(joined, 52, [1, 1], 1, 1);
        let up = net.then(Op::Scale { factor }, &[up]);
        y = net.add(up, y);
    }
    let slices = [0, 13, 26, 39].map(|begin| net.then(Op::Slice { channels: [begin, begin + 13] }, &[y]));
    let mut parts = vec![slices[0]];
    let mut before = slices[1];
    for slice in &slices[2..] {
        let part = net.conv(before, 13, [3, 3], 1, 1);
        parts.push(part);
        before = net.then(Op::Add { activation: None }, &[part, *slice]);
    }
    parts.push(before);
    parts.push(y);
    let joined = net.then(Op::Concat { operands: parts.len() }, &parts);
    let gate = net.activation(y, Activation::Sigmoid);
    let squared = net.then(Op::Multiply { activation: Some(Activation::HardSwish) }, &[y, gate]);
    let joined = net.then(Op::Concat { operands: 2 }, &[squared, joined]);
    net.finish(joined, 33)
}

/// Normalisation and activation before the convolution, of so many images and channels; a padded map under a pool that must not see the padding as zeros.
fn preactivated(batch: usize, channels: usize) -> Graph {
    let (mut net, x) = Chosen::new([batch, 3, 19, 17], Layout::Nhwc);
    let pad = |by| Op::Pad(Pad { channels: [0, 0], spatial: Padding::same(by) });
    let y = net.then(pad(3), &[x]);
    let weights = net.weight(&[channels, 3, 7, 7]);
    let conv = Conv {
        kernel: [7, 7],
        stride: [2, 2],
        padding: Padding::default(),
        dilation: [1, 1],
        groups: 1,
        bias: false,
        shortcut: false,
        activation: None,
        second: None,
    };
    let y = net.then(Op::Conv(conv), &[y, weights]);
    let y = net.then(pad(1), &[y]);
    let pool = Pool { kernel: [3, 3], stride: [2, 2], padding: Padding::default(), ceil_mode: false };
    let mut y = net.then(Op::MaxPool(pool.clone()), &[y]);
    for last in [Activation::Relu, Activation::Silu, Activation::Relu6] {
        let a = net.norm(y);
        let a = net.activation(a, last);
        let b = net.conv(a, 20, [3, 3], 1, 1);
        let b = net.norm(b);
        let b = net.relu(b);
        let c = net.conv(b, channels, [1, 1], 1, 1);
        y = net.then(Op::Add { activation: None }, &[c, y]);
    }
    let y = net.norm(y);
    let y = net.relu(y);
    let y = net.then(pad(1), &[y]);
    let y = net.then(Op::MaxPool(pool), &[y]);
    net.finish(y, 10)
}

/// Chains of every form: a stem of two convs, and zeros before its pool; bodies of two and three convs, with groups, with a stride, with a
/// larger kernel, in pre-activation form, with a shortcut that they read or another one; a global pool behind a conv of more channels
/// than a part has.
fn chained(batch: usize) -> Graph {
    let (mut net, x) = Chosen::new([batch, 3, 45, 38], Layout::Nchw);
    let y = net.conv(x, 16, [3, 3], 2, 1);
    let y = net.relu(y);
    let y = net.conv(y, 40, [3, 3], 1, 1);
    let y = net.then(Op::Pad(Pad { channels: [0, 0], spatial: Padding::same(1) }), &[y]);
    let pool = Pool { kernel: [3, 3], stride: [1, 1], padding: Padding::default(), ceil_mode: false };
    let mut y = net.then(Op::MaxPool(pool), &[y]);
    for (middle, kernel, groups) in [(48, [3, 3], 1), (64, [5, 3], 16)] {
        let a = net.conv(y, middle, [1, 1], 1, 1);
        let a = net.relu(a);
        let a = net.conv(a, middle, kernel, 1, groups);
        let a = net.relu(a);
        let a = net.conv(a, 40, [1, 1], 1, 1);
        y = net.add(a, y);
    }
    let a = net.conv(y, 64, [3, 3], 1, 1);
    let a = net.relu(a);
    let a = net.conv(a, 40, [3, 3], 1, 1);
    y = net.add(a, y);
    let shortcut = net.conv(y, 72, [3, 3], 2, 1);
    let a = net.conv(y, 24, [1, 1], 1, 1);
    let a = net.relu(a);
    let a = net.conv(a, 32, [3, 3], 2, 1);
    let a = net.conv(a, 72, [1, 1], 1, 1);
    y = net.add(a, shortcut);
    let a = net.norm(y);
    let a = net.relu(a);
    let a = net.conv(a, 32, [3, 3], 1, 1);
    let a = net.conv(a, 72, [1, 1], 1, 1);
    y = net.then(Op::Add { activation: None }, &[a, y]);
    let y = net.conv(y, 100, [1, 1], 1, 1);
    let y = net.activation(y, Activation::Sigmoid);
    net.finish(y, 10)
}

/// Group normalisation before and behind convolutions, with groups inside of blocks, of whole blocks and across blocks; last on a map
/// that a pool reads too, and so stays.
fn group_normalised(batch: usize) -> Graph {
    let (mut net, x) = Chosen::new([batch, 3, 23, 18], Layout::Nchw);
    let mut y = net.conv(x, 64, [7, 7], 2, 1);
    for (width, groups, last) in
        [(64, 32, Activation::Relu), (48, 3, Activation::Relu), (20, 4, Activation::Sigmoid), (96, 4, Activation::Silu)]
    {
        let channels = net.graph.node(y).shape().0[1];
        let a = net.group_norm(y, channels / 2);
        let a = net.relu(a);
        let shortcut = net.conv(a, width, [1, 1], 1, 1);
        let b = net.conv(a, width, [3, 3], 1, 1);
        let b = net.group_norm(b, groups);
        let b = net.activation(b, last);
        let c = net.conv(b, width, [1, 1], 1, 1);
        y = net.then(Op::Add { activation: None }, &[c, shortcut]);
    }
    let z = net.group_norm(y, 1);
    y = net.add(z, y);
    net.finish(y, 10)
}

/// Every operation that vectors have.
fn vectors(batch: usize) -> Graph {
    let (mut net, x) = Chosen::new([batch, 20, 3, 3], Layout::Nchw);
    let most = net.then(Op::GlobalMaxPool, &[x]);
    let mean = net.then(Op::GlobalAveragePool, &[x]);
    let [most, mean] = [most, mean].map(|pooled| net.then(Op::Flatten, &[pooled]));
    let both = net.then(Op::Concat { operands: 3 }, &[most, mean, most]);
    let kernel = net.weight(&[37, 60]);
    let dense = Op::Dense(Dense { bias: false, activation: Some(Activation::Sigmoid) });
    let gate = net.then(dense, &[both, kernel]);
    let part = net.then(Op::Slice { channels: [7, 44] }, &[both]);
    let product = net.then(Op::Multiply { activation: None }, &[part, gate]);
    let product = net.then(Op::Scale { factor: 2.5 }, &[product]);
    let product = net.activation(product, Activation::Tanh);
    let joined = net.then(Op::Concat { operands: 2 }, &[gate, product]);
    net.graph.output("vector", joined);
    net.graph
}

/// A backbone that gives out its input, maps of three sizes, one of them before and after its activation, the pooled vector before and
/// after it is flattened, the logits under two names, and the probabilities: those of them that are wanted by name.
fn pyramid(batch: usize, layout: Layout, wanted: impl Fn(&str) -> bool) -> Graph {
    let give = |net: &mut Chosen, name: &str, node: NodeId| {
        if wanted(name) {
            net.graph.output(name, node);
        }
    };
    let (mut net, x) = Chosen::new([batch, 3, 33, 29], layout);
    give(&mut net, "loop", x);
    let stem = net.conv(x, 16, [3, 3], 1, 1);
    let mut y = net.relu(stem);
    give(&mut net, "C2", y);
    for (width, name) in [(32, "c2"), (40, "4/\"}\\{\n")] {
        let shortcut = net.conv(y, width, [1, 1], 2, 1);
        let a = net.conv(y, width, [3, 3], 2, 1);
        y = net.add(a, shortcut);
        // The last sum is written over its shortcut, and the activation over the sum.
        let b = net.conv(y, width, [3, 3], 1, 1);
        let sum = net.graph.add("sum", Op::Add { activation: None }, &[y, b]).unwrap();
        give(&mut net, name, y);
        give(&mut net, &format!("{name} sum"), sum);
        y = net.relu(sum);
    }
    let pooled = net.graph.add("pool", Op::GlobalAveragePool, &[y]).unwrap();
    let flat = net.graph.add("flatten", Op::Flatten, &[pooled]).unwrap();
    let (kernel, bias) = (net.weight(&[11, 40]), net.weight(&[11]));
    let dense = Op::Dense(Dense { bias: true, activation: None });
    let logits = net.graph.add("dense", dense, &[flat, kernel, bias]).unwrap();
    let softmax = net.graph.add("softmax", Op::Softmax, &[logits]).unwrap();
    for (name, node) in
        [("self", logits), ("embedding", flat), ("", pooled), ("the logits, again", logits), ("größe", softmax)]
    {
        give(&mut net, name, node);
    }
    net.graph
}

/// Makes outputs of some more nodes, of those that depend on the input; of one, twice.
fn widen(mut graph: Graph, seed: u64) -> Graph {
    let mut reached = BTreeSet::from([graph.inputs()[0]]);
    for id in graph.topological() {
        if graph.operands(id).iter().any(|operand| reached.contains(operand)) {
            reached.insert(id);
        }
    }
    let nodes: Vec<NodeId> = reached.into_iter().collect();
    for index in 0..4 {
        let node = nodes[(seed as usize * 7 + index * 5) % nodes.len()];
        graph.output(format!("further {index}"), node);
        if index == 0 {
            graph.output("Further0", node);
        }
    }
    graph
}

fn cases() -> Vec<Case> {
    let all: BTreeSet<String> = passes::names().into_iter().map(str::to_owned).collect();
    let (every, none) = (Switches::default(), Switches::from(all.clone()));
    let forced = Switches { forced: all, ..Switches::default() };
    let mut cases = Vec::new();
    let mut chosen = |what: &str, graph: Graph| {
        for (switches, passes) in [(&every, "every pass"), (&none, "no pass")] {
            let count = graph.inputs().iter().map(|input| graph.node(*input).shape().len()).sum();
            cases.push(case(format!("{what}, {passes}"), graph.clone(), switches, &pseudo(count, 5)).unwrap());
        }
    };
    chosen("bottlenecks", bottlenecks(1, Layout::Nchw));
    chosen("bottlenecks, three images, channels last", bottlenecks(3, Layout::Nhwc));
    chosen("flattened map", flattened());
    chosen("backbone", backbone());
    for (batch, images) in [(1, ""), (2, ", two images")] {
        chosen(&format!("squeeze and excitation{images}"), excited(batch));
        chosen(&format!("group normalisation{images}"), group_normalised(batch));
        chosen(&format!("branches{images}"), branches(batch));
        chosen(&format!("vectors{images}"), vectors(batch));
    }
    chosen("two pictures and an array, three of each", arrays::several(3));
    chosen("maps as arrays", arrays::mixed(1));
    chosen("maps as arrays, two images", arrays::mixed(2));
    chosen("pre-activation", preactivated(2, 40));
    for (batch, channels) in [(1, 32), (2, 48), (3, 64)] {
        chosen(&format!("pre-activation of {batch} images and {channels} channels"), preactivated(batch, channels));
    }
    chosen("pyramid", pyramid(1, Layout::Nchw, |_| true));
    chosen("pyramid, two images, channels last", pyramid(2, Layout::Nhwc, |_| true));
    cases.push(case("arrays".to_owned(), arrays::arrays(), &every, &pseudo(60, 5)).unwrap());
    let chains = chained(2);
    let count = chains.node(chains.inputs()[0]).shape().len();
    cases.push(case("chains".to_owned(), chains, &forced, &pseudo(count, 5)).unwrap());
    let deep = random::chain(60);
    cases.push(case("chain of 60 blocks".to_owned(), deep, &every, &[0.1, -0.2, 0.3, 0.4]).unwrap());
    let (mut seed, mut refused) = (0, 0);
    while cases.len() < 95 {
        seed += 1;
        let (graph, input) = random::random(seed, 4 + seed as usize % 8);
        let graph = if seed.is_multiple_of(3) { widen(graph, seed) } else { graph };
        let input: Vec<f32> = input.into_iter().map(|value| value as f32).collect();
        let switches = [&every, &none, &forced][seed as usize % 3];
        match case(format!("random graph {seed}"), graph, switches, &input) {
            Ok(case) => cases.push(case),
            Err(reason) => {
                assert!(reason.contains("is read where a map is needed"), "random graph {seed}: {reason}");
                refused += 1;
            }
        }
    }
    assert!(refused < 60, "{refused} random graphs were refused");
    let strassen = |case: &&Case| case.compiled.plan.to_string().contains("    strassen, ");
    let strassen = cases.iter().filter(strassen).count();
    assert!(strassen >= 5, "only {strassen} networks have layers by Strassen's multiplication");
    let second =
        |step: &plan::Step| matches!(&step.kernel, plan::Kernel::Conv { geometry, .. } if geometry.second.is_some());
    let seconds = cases.iter().filter(|case| case.compiled.plan.steps.iter().any(second)).count();
    assert!(seconds >= 4, "only {seconds} networks have convs of two results");
    for kind in ChainKind::ALL {
        let chains = cases.iter().flat_map(|case| &case.compiled.plan.chains);
        let parts = chains.filter(|chain| chain.kind == kind && chain.parts > 1).count();
        assert!(parts >= 2, "only {parts} chains {} are computed in parts", kind.name());
    }
    let partly = |case: &&Case| {
        let mut counts: Vec<usize> = case.compiled.plan.steps.iter().map(|step| step.images.count).collect();
        counts.dedup();
        counts.len() > 1
    };
    let partly = cases.iter().filter(partly).count();
    assert!(partly >= 5, "only {partly} networks run partly image by image");
    cases
}

/// Writes the package of all programs, and builds it.
fn build(folder: &Path, cases: &[Case]) -> PathBuf {
    let source = folder.join("src");
    std::fs::create_dir_all(&source).unwrap();
    let runtime = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("runtime");
    let manifest = format!(
        "[package]\nname = \"programs\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\nresnet = {{ path = {runtime:?}, \
         default-features = false }}\n\n[profile.release]\npanic = \"abort\"\nlto = \"off\"\n\n[workspace]\n"
    );
    std::fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    let (mut modules, mut calls) = (String::new(), String::new());
    for (index, case) in cases.iter().enumerate() {
        let item = Item {
            attributes: quote!(#[doc = " A network of the test."]),
            visibility: quote!(pub),
            name: format_ident!("Net"),
            runtime: quote!(::resnet),
            weights: Weights::Embedded(format!("{index}.weights")),
        };
        std::fs::write(source.join(format!("net{index}.rs")), case.compiled.source(&item)).unwrap();
        std::fs::write(source.join(format!("{index}.weights")), case.compiled.plan.blob()).unwrap();
        let input: Vec<u8> = case.input.iter().flat_map(|value| value.to_le_bytes()).collect();
        std::fs::write(source.join(format!("{index}.input")), input).unwrap();
        let _ = writeln!(modules, "mod net{index};");
        let _ = writeln!(calls, "    run::<net{index}::Net>({index}, include_bytes!(\"{index}.input\"), threads);");
    }
    let main = format!(
        r#"//! Runs each network twice on its input and prints the bits of the second call's outputs, a line each.
{modules}
fn run<M: resnet::Model>(index: usize, input: &[u8], threads: usize) {{
    let input: Vec<f32> = input.chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]])).collect();
    let mut model = M::open(resnet::Options {{ threads: Some(threads) }}).unwrap();
    model.run(&input).unwrap();
    for (output, (_, values)) in model.run(&input).unwrap().iter().enumerate() {{
        let bits: Vec<String> = values.iter().map(|value| format!("{{:08x}}", value.to_bits())).collect();
        println!("{{index}} {{output}} {{}}", bits.join(" "));
    }}
}}

fn main() {{
    let threads = std::env::args().nth(1).unwrap().parse().unwrap();
{calls}}}
"#
    );
    std::fs::write(source.join("main.rs"), main).unwrap();
    let target = folder.join("target");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--offline", "--quiet"]).current_dir(folder).env("CARGO_TARGET_DIR", &target);
    let mut built = target.join("release/programs");
    if let Some(other) = Other::machine() {
        cargo.args(["--target", &other.target]).env("RUSTC", &other.rustc);
        built = target.join(&other.target).join("release/programs");
    }
    let done = cargo.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(done.stderr.is_empty(), "generated code gives warnings: {}", String::from_utf8_lossy(&done.stderr));
    built
}

/// Another machine that the programs are built for and run on, under emulation.
struct Other {
    target: String,
    rustc: String,
    runner: String,
}

impl Other {
    /// As `RESNET_PROGRAMS_TARGET`, `_RUSTC` and `_RUNNER` say, if they do.
    fn machine() -> Option<Self> {
        let of = |name: &str| std::env::var(format!("RESNET_PROGRAMS_{name}"));
        let target = of("TARGET").ok()?;
        Some(Self { target, rustc: of("RUSTC").unwrap(), runner: of("RUNNER").unwrap() })
    }
}

/// The instruction sets of the machine that the programs run on.
fn kinds() -> Vec<resnet::Kind> {
    match Other::machine() {
        None => resnet::Kind::ALL.into_iter().filter(|kind| kind.available()).collect(),
        Some(other) if other.target.starts_with("aarch64") => vec![resnet::Kind::Neon, resnet::Kind::Portable],
        Some(other) => panic!("instruction sets of {} are not known here", other.target),
    }
}

/// By the number of the program and the index of the output.
fn results(program: &Path, isa: &str, threads: usize) -> Option<BTreeMap<(usize, usize), Vec<f32>>> {
    let mut command = match Other::machine() {
        None => Command::new(program),
        Some(other) => {
            let mut command = Command::new(other.runner);
            command.arg(program);
            command
        }
    };
    let done = command.arg(threads.to_string()).env("RESNET_ISA", isa).output().unwrap();
    if !done.status.success() {
        return None;
    }
    let text = String::from_utf8(done.stdout).unwrap();
    let line = |line: &str| {
        let mut words = line.split(' ');
        let mut number = || words.next().unwrap().parse().unwrap();
        let place = (number(), number());
        (place, words.map(|bits| f32::from_bits(u32::from_str_radix(bits, 16).unwrap())).collect())
    };
    Some(text.lines().map(line).collect())
}

#[test]
fn programs_compute_what_the_interpreter_does() {
    let cases = cases();
    let program = build(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs"), &cases);
    compare(&cases, &program);
}

/// Other graphs than those above; `RESNET_FIRST_SEED` gives yet others, and `RESNET_PROGRAMS_TARGET` has them run on another machine.
#[test]
#[ignore = "compiles two dozen random networks, for minutes; run by .ci/run"]
fn many_random_graphs_compute_what_the_interpreter_does() {
    let first = std::env::var("RESNET_FIRST_SEED").ok().map_or(1_000_000, |seed| seed.parse().unwrap());
    let all: BTreeSet<String> = passes::names().into_iter().map(str::to_owned).collect();
    let choices = [
        Switches::default(),
        Switches::from(all.clone()),
        Switches { forced: all.clone(), ..Switches::default() },
        Switches { disabled: all.iter().step_by(2).cloned().collect(), forced: BTreeSet::new() },
    ];
    let (mut cases, mut refused) = (Vec::new(), 0);
    for seed in first.. {
        if cases.len() == 24 {
            break;
        }
        let (graph, input) = random::random(seed, 3 + seed as usize % 16);
        let graph = if seed.is_multiple_of(5) { widen(graph, seed) } else { graph };
        let input: Vec<f32> = input.into_iter().map(|value| value as f32).collect();
        match case(format!("random graph {seed}"), graph, &choices[seed as usize % choices.len()], &input) {
            Ok(case) => cases.push(case),
            Err(reason) => {
                assert!(reason.contains("is read where a map is needed"), "random graph {seed}: {reason}");
                refused += 1;
            }
        }
        assert!(refused < 200, "{refused} random graphs were refused");
    }
    let program = build(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("random-programs"), &cases);
    compare(&cases, &program);
    println!("{} random graphs from seed {first}, {refused} more refused", cases.len());
}

/// Runs the programs on every instruction set of the machine and with several numbers of threads.
fn compare(cases: &[Case], program: &Path) {
    let mut sets = 0;
    for kind in kinds() {
        let Some(one) = results(program, kind.name(), 1) else { panic!("{kind} does not run") };
        sets += 1;
        assert_eq!(one.len(), cases.iter().map(|case| case.expected.len()).sum::<usize>());
        for (index, output, case, expected) in cases.iter().enumerate().flat_map(|(index, case)| {
            case.expected.iter().enumerate().map(move |(output, expected)| (index, output, case, expected))
        }) {
            let found = &one[&(index, output)];
            assert_eq!(found.len(), expected.len(), "{}, output {output}", case.what);
            let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
            for (position, (found, expected)) in found.iter().zip(expected).enumerate() {
                // Sums of at most a few thousand f32 terms, a dozen layers deep.
                let distance = (f64::from(*found) - expected).abs() / largest.max(1e-20);
                assert!(
                    distance <= 2e-5,
                    "{} on {kind}: value {position} of output {output} is {found}, the interpreter says {expected}",
                    case.what
                );
            }
        }
        for threads in [2, 3] {
            let several = results(program, kind.name(), threads).unwrap();
            assert_eq!(one.len(), several.len());
            for (place, values) in &one {
                let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
                let what = &cases[place.0].what;
                assert_eq!(
                    bits(values),
                    bits(&several[place]),
                    "{what}, output {} on {kind}, {threads} threads",
                    place.1
                );
            }
        }
    }
    assert!(sets >= 1);
}

#[test]
fn outputs_take_no_room_in_the_arena() {
    for disabled in [BTreeSet::new(), passes::names().into_iter().map(str::to_owned).collect()] {
        let plan = |wanted: fn(&str) -> bool| {
            let graph = pyramid(1, Layout::Nchw, wanted);
            let count = graph.node(graph.inputs()[0]).shape().len();
            case("pyramid".to_owned(), graph, &disabled.clone().into(), &pseudo(count, 5)).unwrap().compiled.plan
        };
        // An input that is an output cannot have its channels as they come.
        let (all, one) = (plan(|name| name != "loop"), plan(|name| name == "self"));
        assert_eq!((all.outputs.len(), one.outputs.len()), (10, 1));
        assert_eq!((all.arena, all.arena_lower_bound), (one.arena, one.arena_lower_bound), "{all}\n{one}");
        // Each is written directly behind the step that makes it.
        let behind = all.steps.windows(2).filter(|steps| steps[1].operands.network_output.is_some()).all(|steps| {
            steps[0].operands.network_output.is_some() || steps[0].operands.output == steps[1].operands.input
        });
        assert!(behind, "{all}");
    }
}

#[test]
fn generated_code_is_the_same_every_time() {
    let item = || Item {
        attributes: quote!(),
        visibility: quote!(),
        name: format_ident!("Net"),
        runtime: quote!(::resnet),
        weights: Weights::Runtime,
    };
    let once = || {
        let graph = bottlenecks(1, Layout::Nchw);
        let count = graph.node(graph.inputs()[0]).shape().len();
        let case = case("again".to_owned(), graph, &Switches::default(), &vec![0.0; count]).unwrap();
        (case.compiled.source(&item()), case.compiled.plan.blob())
    };
    assert!(once() == once());
}
