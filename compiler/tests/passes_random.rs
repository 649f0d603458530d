//! The passes on random graphs, held against the interpreter; text form and verifier on the way.
//!
//! **The bound.** With u = 2^-24, a folded constant is `w (1 + d)`, |d| <= u (or off by at most 2^-150, where f32 is
//! subnormal). The optimised graph is walked with, for every value v, an e(v) that its distance from the exact value cannot
//! exceed: e = 0 for the input and for constants of the original graph, u |c| + 2^-150 for those a pass made, and for
//! every operation what its definition makes of that: for conv and dense
//! `|Δ(w x)| <= |e_w| (|x| + e_x) + |w| e_x`, plus e of bias and shortcut; for batch_norm |scale| e_x; a sum adds; a mean is
//! the mean and a maximum at most the maximum of the e of its window; a product moves by at most
//! `e_a (|b| + e_b) + |a| e_b`; an activation multiplies e by at most its steepest slope; a softmax value p moves at
//! most by p (exp(2 max e) - 1). The rest, different orders of summation in f64, is far below 1e-9 of the largest value.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use resnetc::ir::interpreter::{self, Operand, Values, evaluate};
use resnetc::ir::text::{parse, print};
use resnetc::ir::verify::verify;
use resnetc::ir::{Activation, BatchNorm, Conv, Dense, Graph, Op, Shape, Tensor};
use resnetc::passes;

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
            Op::GroupNorm(_) => unreachable!("the random graphs have none"),
            Op::Add { .. } => errors[&operands[0]].iter().zip(&errors[&operands[1]]).map(|(a, b)| a + b).collect(),
            Op::Softmax => {
                let classes = node.shape().0[1];
                let most = errors[&operands[0]].chunks(classes).map(|e| e.iter().copied().fold(0.0, f64::max));
                let factors = most.flat_map(|most| std::iter::repeat_n((2.0 * most).exp_m1(), classes));
                values[&id].iter().zip(factors).map(|(p, factor)| p * factor * 1.01).collect()
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
            | Op::Slice { .. }
            | Op::Flatten
            | Op::Pad(_)
            | Op::Subsample { .. } => apply(node.op(), &[(shape(0), &errors[&operands[0]])]),
        };
        let steepest = node.op().activation().map_or(1.0, steepest);
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

/// Runs the passes but for `disabled` and compares every result of the network.
fn compare(original: &Graph, x: &[f64], disabled: &BTreeSet<String>) {
    let mut graph = original.clone();
    passes::run(&mut graph, disabled).unwrap_or_else(|errors| panic!("{disabled:?}:\n{errors}"));
    let (exact, found) = (run(original, x), run(&graph, x));
    let known = original.ids().filter_map(|id| Some((original.node(id).name.as_str(), original.value(id)?))).collect();
    let bounds = bounds(&graph, &found, &known);
    if ["fold_constants", "fold_batch_norm", "fold_scale"].iter().all(|pass| disabled.contains(*pass)) {
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
        compare(&graph, &x, &only(&["fold_constants", "fold_batch_norm", "fold_scale"]));
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
    let graph = chain(2000);
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
