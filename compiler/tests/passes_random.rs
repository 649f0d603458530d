//! The passes on random graphs, held against the interpreter; text form and verifier on the way.
//!
//! **The bound.** With u = 2^-24, a folded constant is `w (1 + d)`, |d| <= u (or off by at most 2^-150, where f32 is
//! subnormal). The optimised graph is walked with, for every value v, an e(v) that its distance from the exact value cannot
//! exceed: e = 0 for the input and for constants of the original graph, u |c| + 2^-150 for those a pass made, and for
//! every operation what its definition makes of that: for conv and dense
//! `|Δ(w x)| <= |e_w| (|x| + e_x) + |w| e_x`, plus e of bias and shortcut; for batch_norm |scale| e_x; a sum adds; a mean is
//! the mean and a maximum at most the maximum of the e of its window; relu is 1-Lipschitz; a softmax value p moves at
//! most by p (exp(2 max e) - 1). The rest, different orders of summation in f64, is far below 1e-9 of the largest value.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use resnetc::ir::interpreter::{self, Operand, Values, evaluate};
use resnetc::ir::text::{parse, print};
use resnetc::ir::verify::verify;
use resnetc::ir::{Activation, BatchNorm, Conv, Dense, Graph, Layout, NodeId, Op, Pad, Padding, Pool, Shape, Tensor};
use resnetc::passes;

/// A source of choices: SplitMix64, so that a graph is a function of its seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// From `low` to `high`.
    fn real(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn padding(&mut self, below: usize) -> Padding {
        let [top, left, bottom, right] = [0; 4].map(|_| self.below(below));
        Padding { top, left, bottom, right }
    }
}

struct Builder {
    dice: Dice,
    graph: Graph,
    /// Maps and vectors that may be read.
    pool: Vec<NodeId>,
}

impl Builder {
    fn tensor(&mut self, shape: &[usize], low: f64, high: f64) -> NodeId {
        let shape = Shape(shape.to_vec());
        let values: Vec<f32> = (0..shape.len()).map(|_| self.dice.real(low, high) as f32).collect();
        let name = format!("weight {}", self.graph.len());
        self.graph.constant(name, Tensor::new(shape, values).unwrap())
    }

    fn push(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        let name = self.dice.pick(&["layer", "l\"q\"", "a\\b\nc", "é\u{1}", ""]);
        let name = format!("{name}{}", self.graph.len());
        let id = self.graph.add(name, op, operands).unwrap();
        self.pool.push(id);
        id
    }

    fn activation(&mut self, percent: usize) -> Option<Activation> {
        self.dice.chance(percent).then_some(Activation::Relu)
    }

    fn extents(&self, id: NodeId) -> Vec<usize> {
        self.graph.node(id).shape().0.clone()
    }

    /// A conv on a map; with `like`, one whose result has the same shape.
    fn conv(&mut self, x: NodeId, like: Option<&[usize]>) -> NodeId {
        let [_, channels, h, w] = self.extents(x)[..] else { unreachable!() };
        let groups = self.dice.pick(&(1..=channels).filter(|groups| channels % groups == 0).collect::<Vec<_>>());
        let (kernel, stride, padding, dilation, out) = match like {
            Some(shape) => ([3, 1], [1, 1], Padding { top: 0, bottom: 2, left: 0, right: 0 }, [1, 1], shape[1]),
            None => {
                let dilation = [0; 2].map(|_| 1 + self.dice.below(2));
                let padding = self.dice.padding(3);
                let room = [h + padding.top + padding.bottom, w + padding.left + padding.right];
                let kernel = [0, 1].map(|axis| {
                    let most = ((room[axis] - 1) / dilation[axis] + 1).min(3);
                    1 + self.dice.below(most)
                });
                let stride = [0; 2].map(|_| 1 + self.dice.below(2));
                (kernel, stride, padding, dilation, groups * (1 + self.dice.below(3)))
            }
        };
        let groups = if out % groups == 0 { groups } else { 1 };
        let bias = self.dice.chance(40);
        let weights = self.tensor(&[out, channels / groups, kernel[0], kernel[1]], -0.7, 0.7);
        let mut operands = vec![x, weights];
        if bias {
            operands.push(self.tensor(&[out], -1.0, 1.0));
        }
        let activation = self.activation(10);
        let conv = Conv { kernel, stride, padding, dilation, groups, bias, shortcut: false, activation };
        self.push(Op::Conv(conv), &operands)
    }

    fn norm(&mut self, x: NodeId) -> NodeId {
        let channels = self.extents(x)[1];
        let (gamma, beta) = (self.dice.chance(70), self.dice.chance(70));
        let mut operands = vec![x];
        if gamma {
            let low = if self.dice.chance(10) { 0.0 } else { -1.5 };
            operands.push(self.tensor(&[channels], low, -low));
        }
        if beta {
            operands.push(self.tensor(&[channels], -1.0, 1.0));
        }
        operands.push(self.tensor(&[channels], -1.0, 1.0));
        operands.push(self.tensor(&[channels], 0.0, 2.0));
        let epsilon = self.dice.pick(&[1e-5, 1e-3, 2e-5]);
        let activation = self.activation(10);
        self.push(Op::BatchNorm(BatchNorm { epsilon, gamma, beta, activation }), &operands)
    }

    fn window(&mut self, x: NodeId) -> Pool {
        let [_, _, h, w] = self.extents(x)[..] else { unreachable!() };
        let kernel = [1 + self.dice.below(h.min(3)), 1 + self.dice.below(w.min(3))];
        let stride = [0; 2].map(|_| 1 + self.dice.below(3));
        let mut padding = self.dice.padding(kernel[0].min(kernel[1]));
        if self.dice.chance(50) {
            padding = Padding::default();
        }
        Pool { kernel, stride, padding, ceil_mode: self.dice.chance(50) }
    }

    /// One more node, or a few that belong together.
    fn grow(&mut self) {
        // Mostly the last node, so that graphs are deep; any other makes second readers.
        let maps: Vec<_> = self.pool.iter().copied().filter(|id| self.extents(*id).len() == 4).collect();
        let x = if self.dice.chance(75) { *maps.last().unwrap() } else { self.dice.pick(&maps) };
        let shape = self.extents(x);
        match self.dice.below(20) {
            0..=3 => {
                let conv = self.conv(x, None);
                self.norm(conv);
            }
            4 | 5 => {
                self.conv(x, None);
            }
            6 => {
                self.norm(x);
            }
            7 | 8 => {
                self.push(Op::Activation(Activation::Relu), &[x]);
            }
            9..=12 => {
                // A residual block, with a conv on one side or on both.
                let mut main = self.conv(x, Some(&shape));
                if self.dice.chance(60) {
                    main = self.norm(main);
                }
                let mut side = x;
                if self.dice.chance(40) {
                    side = self.conv(x, Some(&shape));
                }
                let sides = if self.dice.chance(50) { [main, side] } else { [side, main] };
                let activation = self.activation(20);
                let sum = self.push(Op::Add { activation }, &sides);
                if self.dice.chance(60) {
                    self.push(Op::Activation(Activation::Relu), &[sum]);
                }
            }
            13 => {
                let pool = self.window(x);
                self.push(Op::MaxPool(pool), &[x]);
            }
            14 => {
                let (pool, count_include_padding) = (self.window(x), self.dice.chance(50));
                self.push(Op::AveragePool { pool, count_include_padding }, &[x]);
            }
            15 | 16 => {
                // Option A: every second pixel, more channels of zeros; the sum with a conv that does the same.
                let small = self.push(Op::Subsample { stride: [2, 2] }, &[x]);
                let pad = Pad { channels: [1, 1], spatial: Padding::default() };
                let wide = self.push(Op::Pad(pad), &[small]);
                let out = self.extents(wide);
                let kernel = self.tensor(&[out[1], shape[1], 1, 1], -0.7, 0.7);
                let conv = Conv {
                    kernel: [1, 1],
                    stride: [2, 2],
                    padding: Padding::default(),
                    dilation: [1, 1],
                    groups: 1,
                    bias: false,
                    shortcut: false,
                    activation: None,
                };
                let conv = self.push(Op::Conv(conv), &[x, kernel]);
                self.push(Op::Add { activation: None }, &[wide, conv]);
            }
            17 => {
                // A chain of constants.
                let mut constant = self.tensor(&shape, -1.0, 1.0);
                let other = self.tensor(&shape, -1.0, 1.0);
                for _ in 0..1 + self.dice.below(3) {
                    constant = self.push(Op::Add { activation: None }, &[constant, other]);
                }
                self.push(Op::Add { activation: None }, &[x, constant]);
            }
            18 => {
                self.push(Op::Add { activation: None }, &[x, x]);
            }
            _ => {
                let (spatial, channels) = (self.dice.padding(2), self.dice.below(2));
                self.push(Op::Pad(Pad { channels: [0, channels], spatial }), &[x]);
            }
        }
    }

    fn head(&mut self) {
        let x = *self.pool.iter().rev().find(|id| self.extents(**id).len() == 4).unwrap();
        let pooled = self.push(Op::GlobalAveragePool, &[x]);
        let flat = self.push(Op::Flatten, &[pooled]);
        let features = self.extents(flat)[1];
        let kernel = self.tensor(&[3, features], -1.0, 1.0);
        let mut operands = vec![flat, kernel];
        let bias = self.dice.chance(50);
        if bias {
            operands.push(self.tensor(&[3], -1.0, 1.0));
        }
        let mut y = self.push(Op::Dense(Dense { bias, activation: None }), &operands);
        if self.dice.chance(50) {
            y = self.norm(y);
        }
        if self.dice.chance(30) {
            y = self.push(Op::Activation(Activation::Relu), &[y]);
        }
        if self.dice.chance(50) {
            y = self.push(Op::Softmax, &[y]);
        }
        self.graph.output("y", y);
        if self.dice.chance(20) {
            let middle = self.dice.pick(&self.pool.clone());
            self.graph.output("middle", middle);
        }
    }
}

/// A sound graph of some `size` layers with its input's values.
fn random(seed: u64, size: usize) -> (Graph, Vec<f64>) {
    let mut builder = Builder { dice: Dice(seed), graph: Graph::new(), pool: Vec::new() };
    let dice = &mut builder.dice;
    let shape = [1 + dice.below(2), 1 + dice.below(4), 3 + dice.below(5), 3 + dice.below(5)];
    let values = (0..shape.iter().product()).map(|_| dice.real(-2.0, 2.0)).collect();
    let x = builder.graph.input("x", Layout::Nchw, shape);
    builder.pool.push(x);
    for _ in 0..size {
        builder.grow();
    }
    builder.head();
    (builder.graph, values)
}

fn run(graph: &Graph, x: &[f64]) -> Values {
    interpreter::run(graph, &Values::from([(graph.inputs()[0], x.to_vec())])).unwrap()
}

fn apply(op: &Op, operands: &[(&Shape, &[f64])]) -> Vec<f64> {
    let operands: Vec<_> = operands.iter().map(|(shape, values)| Operand { shape, values }).collect();
    evaluate(op, &operands).unwrap()
}

/// How far each value of `graph` can be from exact, see the head of the file. `known` are the original's constants.
fn bounds(graph: &Graph, values: &Values, known: &BTreeMap<&str, &Tensor>) -> Values {
    let mut errors = Values::new();
    for id in graph.topological() {
        let node = graph.node(id);
        let operands = graph.operands(id);
        let shape = |at: usize| graph.node(operands[at]).shape();
        let size = |at: usize| values[&operands[at]].iter().map(|value| value.abs()).collect::<Vec<_>>();
        let error = match node.op() {
            Op::Input(_) => vec![0.0; node.shape().len()],
            Op::Constant(tensor) if known.get(node.name.as_str()) == Some(&tensor) => vec![0.0; node.shape().len()],
            Op::Constant(tensor) => {
                let wide = tensor.values().iter().map(|value| f64::from(value.abs()));
                // Relative to the rounded value: u / (1 - u) < 2^-23.99.
                wide.map(|value| value * 2_f64.powf(-23.99) + 2_f64.powi(-150)).collect()
            }
            Op::Conv(_) | Op::Dense(_) => {
                let bare = match node.op() {
                    Op::Conv(conv) => Op::Conv(Conv { bias: false, shortcut: false, activation: None, ..conv.clone() }),
                    _ => Op::Dense(Dense { bias: false, activation: None }),
                };
                let (e_x, e_w) = (&errors[&operands[0]], &errors[&operands[1]]);
                let reach: Vec<_> = size(0).iter().zip(e_x).map(|(x, e)| x + e).collect();
                let by_weight = apply(&bare, &[(shape(0), &reach), (shape(1), e_w)]);
                let by_input = apply(&bare, &[(shape(0), e_x), (shape(1), &size(1))]);
                let mut error: Vec<_> = by_weight.iter().zip(&by_input).map(|(a, b)| a + b).collect();
                for operand in &operands[2..] {
                    let more = &errors[operand];
                    let whole = more.len() == error.len() && graph.node(*operand).shape() == node.shape();
                    let [channels, plane] = [node.shape().0[1], node.shape().0[2..].iter().product::<usize>()];
                    for (at, error) in error.iter_mut().enumerate() {
                        *error += if whole { more[at] } else { more[at / plane % channels] };
                    }
                }
                error
            }
            Op::BatchNorm(norm) => {
                // |scale| e_x: the normalisation of e_x without its shifts.
                let mut vectors: Vec<Vec<f64>> = operands[1..].iter().map(|id| values[id].clone()).collect();
                let count = vectors.len();
                vectors[count - 2].fill(0.0);
                if norm.gamma {
                    vectors[0].iter_mut().for_each(|gamma| *gamma = gamma.abs());
                }
                if norm.beta {
                    vectors[usize::from(norm.gamma)].fill(0.0);
                }
                let bare = Op::BatchNorm(BatchNorm { activation: None, ..norm.clone() });
                let mut reads = vec![(shape(0), errors[&operands[0]].as_slice())];
                reads.extend(vectors.iter().enumerate().map(|(at, vector)| (shape(at + 1), vector.as_slice())));
                apply(&bare, &reads)
            }
            Op::Add { .. } => errors[&operands[0]].iter().zip(&errors[&operands[1]]).map(|(a, b)| a + b).collect(),
            Op::Softmax => {
                let classes = node.shape().0[1];
                let most = errors[&operands[0]].chunks(classes).map(|e| e.iter().copied().fold(0.0, f64::max));
                let factors = most.flat_map(|most| std::iter::repeat_n((2.0 * most).exp_m1(), classes));
                values[&id].iter().zip(factors).map(|(p, factor)| p * factor * 1.01).collect()
            }
            Op::Activation(_)
            | Op::MaxPool(_)
            | Op::AveragePool { .. }
            | Op::GlobalAveragePool
            | Op::Flatten
            | Op::Pad(_)
            | Op::Subsample { .. } => apply(node.op(), &[(shape(0), &errors[&operands[0]])]),
        };
        errors.insert(id, error);
    }
    errors
}

/// Runs the passes but for `disabled` and compares every result of the network.
fn compare(original: &Graph, x: &[f64], disabled: &BTreeSet<String>) {
    let mut graph = original.clone();
    passes::run(&mut graph, disabled).unwrap_or_else(|errors| panic!("{disabled:?}:\n{errors}"));
    let (exact, found) = (run(original, x), run(&graph, x));
    let known = original.ids().filter_map(|id| Some((original.node(id).name.as_str(), original.value(id)?))).collect();
    let bounds = bounds(&graph, &found, &known);
    if disabled.contains("fold_constants") && disabled.contains("fold_batch_norm") {
        assert!(graph.outputs().iter().all(|output| bounds[&output.node].iter().all(|bound| *bound == 0.0)));
    }
    assert_eq!(original.outputs().len(), graph.outputs().len());
    for (before, after) in original.outputs().iter().zip(graph.outputs()) {
        let (exact, found, bounds) = (&exact[&before.node], &found[&after.node], &bounds[&after.node]);
        let most = exact.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
        assert_eq!(exact.len(), found.len());
        for ((exact, found), bound) in exact.iter().zip(found).zip(bounds) {
            let distance = (exact - found).abs();
            assert!(bound.is_finite());
            assert!(distance <= bound + 1e-9 * most, "{disabled:?}: {found} for {exact}, bound {bound:e}");
        }
    }
}

fn read_back(graph: &Graph) -> Graph {
    let text = print(graph);
    let order: Vec<_> = graph.topological().into_iter().filter_map(|id| graph.value(id).cloned()).collect();
    let mut large = order.into_iter().filter(|tensor| tensor.values().len() > resnetc::ir::text::INLINE);
    let back = parse(&text, &mut |_, _| large.next()).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    assert_eq!(print(&back), text);
    let nodes = |graph: &Graph| graph.topological().iter().map(|id| graph.node(*id).clone()).collect::<Vec<_>>();
    assert_eq!(nodes(&back), nodes(graph));
    back
}

fn only(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn passes_change_no_result(seed: u64, size in 1_usize..14) {
        let (graph, x) = random(seed, size);
        prop_assert_eq!(verify(&graph), Ok(()));
        compare(&graph, &x, &BTreeSet::new());
        compare(&graph, &x, &only(&passes::names()));
        for name in passes::names() {
            compare(&graph, &x, &only(&[name]));
        }
        compare(&graph, &x, &only(&["fold_constants", "fold_batch_norm"]));
    }

    #[test]
    fn text_reads_back(seed: u64, size in 1_usize..14) {
        let (mut graph, x) = random(seed, size);
        let back = read_back(&graph);
        let outputs = |graph: &Graph| {
            let values = run(graph, &x);
            graph.outputs().iter().map(|output| values[&output.node].clone()).collect::<Vec<_>>()
        };
        prop_assert!(outputs(&graph) == outputs(&back));
        passes::run(&mut graph, &BTreeSet::new()).unwrap();
        read_back(&graph);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(%[0-3] = (relu|add|conv|pad|constant|input)\\(?(%[0-3],? ?){0,2}\\)? \"[a-z]\" (kernel=\\[1, 1\\])? ?: \\[1, 2\\]( = \\[1, 2\\])?\n){0,6}|\\PC{0,80}") {
        if let Ok(graph) = parse(&text, &mut |_, _| None) {
            let _ = verify(&graph);
            read_back(&graph);
        }
    }
}

#[test]
fn optimising_is_repeatable_and_done_after_once() {
    let mut busy = BTreeSet::new();
    for seed in 0..50 {
        let (graph, _) = random(seed, 10);
        let mut texts = [graph.clone(), graph].map(|mut graph| {
            let reports = passes::run(&mut graph, &BTreeSet::new()).unwrap();
            (print(&graph), reports, graph)
        });
        assert_eq!((&texts[0].0, &texts[0].1), (&texts[1].0, &texts[1].1));
        busy.extend(texts[0].1.iter().filter(|report| !report.changes.is_empty()).map(|report| report.pass));
        let again = passes::run(&mut texts[0].2, &BTreeSet::new()).unwrap();
        assert!(again.iter().all(|report| report.changes.is_empty()), "{again:?}");
    }
    assert_eq!(busy, passes::names().into_iter().collect(), "the random graphs give every pass something to do");
}

#[test]
fn a_chain_of_two_thousand_blocks_takes_no_recursion_and_no_quadratic_time() {
    let mut builder = Builder { dice: Dice(1), graph: Graph::new(), pool: Vec::new() };
    let mut x = builder.graph.input("x", Layout::Nchw, [1, 1, 2, 2]);
    for _ in 0..2000 {
        let shape = builder.extents(x);
        let conv = builder.conv(x, Some(&shape));
        let norm = builder.norm(conv);
        let sum = builder.push(Op::Add { activation: None }, &[norm, x]);
        x = builder.push(Op::Activation(Activation::Relu), &[sum]);
    }
    builder.graph.output("y", x);
    let graph = builder.graph;
    let start = Instant::now();
    let mut optimised = graph.clone();
    let reports = passes::run(&mut optimised, &BTreeSet::new()).unwrap();
    assert!(reports.iter().any(|report| report.pass == "fold_batch_norm" && report.changes.len() > 1000));
    read_back(&optimised);
    read_back(&graph);
    run(&optimised, &[0.1, -0.2, 0.3, 0.4]);
    // Quadratic work on 16 000 nodes takes minutes in a debug build.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
