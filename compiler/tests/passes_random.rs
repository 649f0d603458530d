//! The passes on random graphs, held against the interpreter; text form and verifier on the way.
//!
//! **The bound**, after each pass. With u = 2^-24, a folded constant is `w (1 + d)`, |d| <= u (or off by at most 2^-150, where f32 is
//! subnormal). The graph after the pass is walked with, for every value v, an e(v) that its distance from the exact value cannot
//! exceed: e = 0 for the input and for constants of the graph before the pass, u |c| + 2^-150 for those the pass made, and for
//! every operation what its definition makes of that: for conv and dense `|Δ(w x)| <= |e_w| (|x| + e_x) + |w| e_x`, plus e of bias and
//! shortcut, and so for a conv's second result, of the first; for batch_norm |scale| e_x; a sum adds; a mean is the mean and a maximum
//! at most the maximum of the e of its window; a product moves by at most `e_a (|b| + e_b) + |a| e_b`; a group_norm, with E the greatest
//! e of the group, a = |x - mean| and s the root, by at most `2 E / s (1 + (a + 2 E) / (s - 2 E))` times gamma; an activation multiplies
//! e by at most its steepest slope; a softmax value p moves by at most p (exp(2 max e) - 1), and never by more than 1. The rest,
//! different orders of summation in f64, is far below 1e-9 of the largest value.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use resnetc::ir::interpreter::{self, Operand, Values, evaluate};
use resnetc::ir::scalar::{Combine, Fold};
use resnetc::ir::text::{parse, print};
use resnetc::ir::verify::verify;
use resnetc::ir::{Activation, BatchNorm, Conv, Dense, Graph, Nest, Op, Shape, Tensor};
use resnetc::passes::{self, Eagerness, PASSES, Switches};

#[path = "support/random.rs"]
mod random;

use random::{chain, random};

fn run(graph: &Graph, x: &[f64]) -> Values {
    interpreter::run(graph, &Values::from([(graph.inputs()[0], x.to_vec())])).unwrap()
}

fn apply(op: &Op, operands: &[(&Shape, &[f64])]) -> Vec<f64> {
    let operands: Vec<_> = operands.iter().map(|(shape, values)| Operand { shape, values }).collect();
    evaluate(op, &operands).unwrap()
}

/// How far each value of `graph` can be from exact, see the head of the file. `known` are the constants before the pass.
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
                    Op::Conv(conv) => {
                        Op::Conv(Conv { bias: false, shortcut: false, activation: None, second: None, ..conv.clone() })
                    }
                    _ => Op::Dense(Dense { bias: false, activation: None }),
                };
                let (e_x, e_w) = (&errors[&operands[0]], &errors[&operands[1]]);
                let reach: Vec<_> = size(0).iter().zip(e_x).map(|(x, e)| x + e).collect();
                let by_weight = apply(&bare, &[(shape(0), &reach), (shape(1), e_w)]);
                let by_input = apply(&bare, &[(shape(0), e_x), (shape(1), &size(1))]);
                let mut error: Vec<_> = by_weight.iter().zip(&by_input).map(|(a, b)| a + b).collect();
                let second = match node.op() {
                    Op::Conv(Conv { second, bias, .. }) => {
                        second.as_ref().map(|second| (second, 2 + usize::from(*bias)))
                    }
                    _ => None,
                };
                let [channels, plane] = [shape(1).0[0], node.shape().0[2..].iter().product::<usize>()];
                for (at, operand) in operands.iter().enumerate().skip(2) {
                    if second.is_some_and(|(_, line)| (line..line + 2).contains(&at)) {
                        continue;
                    }
                    let more = &errors[operand];
                    let whole = more.len() == error.len() && more.len() != channels;
                    for (at, error) in error.iter_mut().enumerate() {
                        *error += if whole { more[at] } else { more[at / plane % channels] };
                    }
                }
                if let Some((second, line)) = second {
                    let slope = node.op().activation().map_or(1.0, steepest);
                    error.iter_mut().for_each(|error| *error *= slope);
                    let (scale, e_scale, e_shift) =
                        (&values[&operands[line]], &errors[&operands[line]], &errors[&operands[line + 1]]);
                    let slope = second.activation.map_or(1.0, steepest);
                    let images = error.chunks(channels * plane).zip(values[&id].chunks(2 * channels * plane));
                    let both = images.flat_map(|(first, y)| {
                        let second = first.iter().zip(y).enumerate().map(|(at, (e, y))| {
                            let c = at / plane;
                            slope * (scale[c].abs() * e + e_scale[c] * (y.abs() + e) + e_shift[c])
                        });
                        first.iter().copied().chain(second).collect::<Vec<_>>()
                    });
                    error = both.collect();
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
            Op::GroupNorm(norm) => {
                let [channels, plane] = [shape(0).0[1], shape(0).0[2] * shape(0).0[3]];
                let pixels = channels / norm.groups * plane;
                let (gamma, e_gamma, e_beta) = (&values[&operands[1]], &errors[&operands[1]], &errors[&operands[2]]);
                let groups = values[&operands[0]].chunks(pixels).zip(errors[&operands[0]].chunks(pixels)).enumerate();
                let of_group = groups.flat_map(|(group, (x, e))| {
                    let most = e.iter().copied().fold(0.0, f64::max);
                    let mean = x.iter().sum::<f64>() / pixels as f64;
                    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / pixels as f64;
                    let (root, least) = ((variance + norm.epsilon).sqrt(), norm.epsilon.sqrt());
                    x.iter().enumerate().map(move |(at, x)| {
                        let c = (group * pixels + at) / plane % channels;
                        let apart = (x - mean).abs();
                        let before = (apart + 2.0 * most) / (root - 2.0 * most).max(least);
                        let moved = 2.0 * most / root * (1.0 + before);
                        gamma[c].abs() * moved + e_gamma[c] * (apart / root + moved) + e_beta[c]
                    })
                });
                of_group.collect()
            }
            // Those of the random graphs add, subtract and choose, so that errors add up, or the greatest of them is the bound.
            Op::Nest(nest) => {
                let combine = match nest.combine {
                    Combine::Add | Combine::Subtract => Combine::Add,
                    _ => Combine::Maximum,
                };
                let fold = if nest.fold == Fold::Sum { Fold::Sum } else { Fold::Maximum };
                let nest = Op::Nest(Box::new(Nest { combine, fold, ..nest.as_ref().clone() }));
                let reads: Vec<_> =
                    (0..operands.len()).map(|at| (shape(at), errors[&operands[at]].as_slice())).collect();
                apply(&nest, &reads)
            }
            Op::Add { .. } => errors[&operands[0]].iter().zip(&errors[&operands[1]]).map(|(a, b)| a + b).collect(),
            Op::Softmax => {
                let classes = node.shape().0[1];
                let most = errors[&operands[0]].chunks(classes).map(|e| e.iter().copied().fold(0.0, f64::max));
                let factors = most.flat_map(|most| std::iter::repeat_n((2.0 * most).exp_m1(), classes));
                values[&id].iter().zip(factors).map(|(p, factor)| (p * factor * 1.01).min(1.0)).collect()
            }
            Op::Multiply { .. } => {
                let pair =
                    |a: &[f64], b: &[f64]| apply(&Op::Multiply { activation: None }, &[(shape(0), a), (shape(1), b)]);
                let (e_a, e_b) = (&errors[&operands[0]], &errors[&operands[1]]);
                let reach: Vec<_> = size(1).iter().zip(e_b).map(|(b, e)| b + e).collect();
                pair(e_a, &reach).iter().zip(pair(&size(0), e_b)).map(|(a, b)| a + b).collect()
            }
            Op::Scale { factor } => errors[&operands[0]].iter().map(|error| error * factor.abs()).collect(),
            Op::Activation(_) => errors[&operands[0]].clone(),
            Op::Concat { .. } => {
                let reads: Vec<_> =
                    (0..operands.len()).map(|at| (shape(at), errors[&operands[at]].as_slice())).collect();
                apply(node.op(), &reads)
            }
            Op::MaxPool(_)
            | Op::AveragePool { .. }
            | Op::GlobalAveragePool
            | Op::GlobalMaxPool
            | Op::AsArray
            | Op::AsMap
            | Op::Slice { .. }
            | Op::Flatten
            | Op::Pad(_)
            | Op::Subsample { .. } => apply(node.op(), &[(shape(0), &errors[&operands[0]])]),
        };
        let steepest = match node.op() {
            // It has been heeded, of the first result alone.
            Op::Conv(Conv { second: Some(_), .. }) => 1.0,
            op => op.activation().map_or(1.0, steepest),
        };
        errors.insert(id, error.iter().map(|error| error * steepest).collect());
    }
    errors
}

/// The greatest slope of an activation.
fn steepest(activation: Activation) -> f64 {
    match activation {
        Activation::Relu | Activation::Relu6 | Activation::Tanh => 1.0,
        Activation::Sigmoid => 0.25,
        Activation::HardSigmoid => 1.0 / 6.0,
        // At 3, from below.
        Activation::HardSwish => 1.5,
        // At about 2.4.
        Activation::Silu => 1.1,
    }
}

/// Runs one pass after another as `switches` say, and compares every result of the network after each with what it was before it.
///
/// So every constant that is not the graph's before is one that a single pass made, and was rounded once.
fn compare(original: &Graph, x: &[f64], switches: &Switches) {
    let mut graph = original.clone();
    let mut exact = run(&graph, x);
    for pass in PASSES.iter().filter(|pass| !switches.disabled.contains(pass.name)) {
        let before = graph.clone();
        let eagerness = if switches.forced.contains(pass.name) { Eagerness::WhereRight } else { Eagerness::WherePays };
        let report = pass.run(&mut graph, eagerness).unwrap_or_else(|error| panic!("{}: {error}", pass.name));
        assert_eq!(verify(&graph), Ok(()), "{}", pass.name);
        if report.changes.is_empty() {
            assert_eq!(print(&before), print(&graph), "{} tells what it changes", pass.name);
            continue;
        }
        let found = run(&graph, x);
        hold(pass.name, (&before, &exact), (&graph, &found));
        exact = found;
    }
    let mut whole = original.clone();
    passes::run(&mut whole, switches).unwrap_or_else(|errors| panic!("{switches:?}:\n{errors}"));
    assert_eq!(print(&whole), print(&graph), "{switches:?}");
}

/// Compares the results of a graph with those before a pass.
fn hold(pass: &str, (before, exact): (&Graph, &Values), (graph, found): (&Graph, &Values)) {
    let known = before.ids().filter_map(|id| Some((before.node(id).name.as_str(), before.value(id)?))).collect();
    let bounds = bounds(graph, found, &known);
    if !MAKES_CONSTANTS.contains(&pass) {
        assert!(graph.outputs().iter().all(|output| bounds[&output.node].iter().all(|bound| *bound == 0.0)));
    }
    assert_eq!(before.outputs().len(), graph.outputs().len());
    for (before, after) in before.outputs().iter().zip(graph.outputs()) {
        let (exact, found, bounds) = (&exact[&before.node], &found[&after.node], &bounds[&after.node]);
        let most = exact.iter().fold(1.0_f64, |most, value| most.max(value.abs()));
        assert_eq!(exact.len(), found.len());
        for ((exact, found), bound) in exact.iter().zip(found).zip(bounds) {
            let distance = (exact - found).abs();
            assert!(bound.is_finite());
            assert!(distance <= bound + 1e-9 * most, "{pass}: {found} for {exact}, bound {bound:e}");
        }
    }
}

/// The passes that put new constants into the graph.
const MAKES_CONSTANTS: [&str; 7] = [
    "fold_constants",
    "fold_scale",
    "fold_preprocess",
    "fold_batch_norm",
    "fuse_projection",
    "merge_siblings",
    "fuse_pre_activation",
];

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
        let all = only(&passes::names());
        compare(&graph, &x, &Switches::default());
        compare(&graph, &x, &Switches { forced: all.clone(), ..Switches::default() });
        compare(&graph, &x, &all.clone().into());
        for name in passes::names() {
            let disabled = only(&[name]);
            let forced = if seed.is_multiple_of(2) { all.difference(&disabled).cloned().collect() } else { BTreeSet::new() };
            compare(&graph, &x, &Switches { disabled, forced });
        }
        compare(&graph, &x, &only(&MAKES_CONSTANTS).into());
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
        passes::run(&mut graph, &Default::default()).unwrap();
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
    for seed in 0..100 {
        let (graph, _) = random(seed, 10);
        let forced = if seed % 2 == 0 { BTreeSet::new() } else { only(&passes::names()) };
        let switches = Switches { forced, ..Switches::default() };
        let mut texts = [graph.clone(), graph].map(|mut graph| {
            let reports = passes::run(&mut graph, &switches).unwrap();
            (print(&graph), reports, graph)
        });
        assert_eq!((&texts[0].0, &texts[0].1), (&texts[1].0, &texts[1].1));
        if switches.forced.is_empty() {
            busy.extend(texts[0].1.iter().filter(|report| !report.changes.is_empty()).map(|report| report.pass));
        }
        // A conv that fuse_projection freed of its shortcut takes a normalisation behind it, in the next run only.
        let freed = texts[0].1.iter().any(|report| report.pass == "fuse_projection" && !report.changes.is_empty());
        let mut again = passes::run(&mut texts[0].2, &switches).unwrap();
        if freed {
            again = passes::run(&mut texts[0].2, &switches).unwrap();
        }
        assert!(again.iter().all(|report| report.changes.is_empty()), "{again:?}");
    }
    assert_eq!(busy, passes::names().into_iter().collect(), "the random graphs give every pass something to do");
}

#[test]
fn a_chain_of_two_thousand_blocks_takes_no_recursion_and_no_quadratic_time() {
    let graph = chain(2000);
    let start = Instant::now();
    let mut optimised = graph.clone();
    let reports = passes::run(&mut optimised, &Default::default()).unwrap();
    assert!(reports.iter().any(|report| report.pass == "fold_batch_norm" && report.changes.len() > 1000));
    read_back(&optimised);
    read_back(&graph);
    run(&optimised, &[0.1, -0.2, 0.3, 0.4]);
    // Quadratic work on 16 000 nodes takes minutes in a debug build.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
