//! Whether each pass leaves the values as they were: the graph after it and the graph before any, both run by the interpreter on the
//! same inputs, held against each other in every tensor that is still there.
//!
//! A tensor is still there when a node computes it: a node that no pass touched, one whose operation changed in place, or one that
//! took another's place ([`Graph::supersede`]). Results of the network always are. What a pass removed or added for itself,
//! as a folded kernel, has nothing to be held against; its readers have.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::{PASSES, Pass, Switches, run_each};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::ir::interpreter::{self, Distance, InterpreterError, Values};
use crate::ir::{Graph, NodeId};

/// What a pass made of the tensors of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The pass.
    pub pass: &'static str,
    /// How many nodes it changed. When it is none, the graph is the one before, and nothing was computed.
    pub changes: usize,
    /// The tensors that are still there, in the order they are computed.
    pub tensors: Vec<Compared>,
}

impl Record {
    /// The tensor that is furthest from what it was.
    pub fn worst(&self) -> Option<&Compared> {
        self.tensors.iter().max_by(|a, b| a.distance.relative().total_cmp(&b.distance.relative()))
    }
}

/// A tensor after a pass beside what it was before any.
#[derive(Debug, Clone, PartialEq)]
pub struct Compared {
    /// The node, or the result of the network, that it was.
    pub tensor: String,
    /// The node that computes it now.
    pub node: String,
    /// How far it is from what it was.
    pub distance: Distance,
}

/// f64 values that are held at a time of the graph before any pass: 2 GiB.
const MOST_VALUES: usize = 1 << 28;

/// Runs the passes, but for those that are switched off, and compares after each that changed something. `inputs` has a value for each
/// input of the graph. `progress` is told the pass and the node that is computed.
///
/// # Errors
/// As [`run`](super::run); `E-INTERPRETER` when the interpreter cannot compute a graph.
pub fn compare(
    graph: &Graph,
    switches: &Switches,
    inputs: &Values,
    progress: &mut dyn FnMut(&str, &str),
) -> Result<Vec<Record>, Diagnostics> {
    compare_in_parts(&PASSES, graph, switches, inputs, MOST_VALUES, progress)
}

fn compare_in_parts(
    passes: &[Pass],
    graph: &Graph,
    switches: &Switches,
    inputs: &Values,
    most: usize,
    progress: &mut dyn FnMut(&str, &str),
) -> Result<Vec<Record>, Diagnostics> {
    let mut original = graph.clone();
    original.remember();
    let mut records: Vec<Record> = Vec::new();
    for part in parts(&original, most) {
        progress("before any pass", "");
        let expected = interpreter::run_keeping(&original, inputs, &part).map_err(unable)?;
        let mut rewritten = original.clone();
        let mut index = 0;
        run_each(passes, &mut rewritten, switches, &mut |rewritten, report| {
            if records.len() == index {
                records.push(Record { pass: report.pass, changes: report.changes.len(), tensors: Vec::new() });
            }
            if let Some(record) = records.get_mut(index).filter(|record| record.changes > 0) {
                let mut told = |node: &str| progress(report.pass, node);
                record.tensors.extend(distances(&original, rewritten, inputs, &expected, &mut told)?);
            }
            index += 1;
            Ok(())
        })?;
    }
    Ok(records)
}

/// The nodes but constants, in the order they are computed, in parts of so many values at most, or of one node.
fn parts(graph: &Graph, most: usize) -> Vec<BTreeSet<NodeId>> {
    let mut parts: Vec<BTreeSet<NodeId>> = Vec::new();
    let mut room = 0;
    for id in graph.topological().into_iter().filter(|id| graph.value(*id).is_none()) {
        let values = graph.node(id).shape().len();
        match parts.last_mut().filter(|_| values <= room) {
            Some(part) => {
                part.insert(id);
                room -= values;
            }
            None => {
                parts.push(BTreeSet::from([id]));
                room = most.saturating_sub(values);
            }
        }
    }
    parts
}

/// The tensors of `rewritten` that are among those expected.
fn distances(
    original: &Graph,
    rewritten: &Graph,
    inputs: &Values,
    expected: &Values,
    progress: &mut dyn FnMut(&str),
) -> Result<Vec<Compared>, Diagnostics> {
    let mut found = Vec::new();
    interpreter::walk(rewritten, inputs, &mut |id, values| {
        let node = rewritten.node(id);
        progress(&node.name);
        let outputs = original.outputs().iter().zip(rewritten.outputs());
        let results = outputs.filter(|(_, now)| now.node == id).map(|(was, _)| (was.node, was.name.as_str()));
        let own =
            node.computes().filter(|was| original.contains(*was)).map(|was| (was, original.node(was).name.as_str()));
        for (was, name) in own.into_iter().chain(results) {
            if let Some(expected) = expected.get(&was) {
                let distance = Distance::between(values.iter().copied(), expected.iter().copied());
                found.push(Compared { tensor: name.to_owned(), node: node.name.clone(), distance });
            }
        }
        ControlFlow::Continue(())
    })
    .map_err(unable)?;
    Ok(found)
}

fn unable(error: InterpreterError) -> Diagnostics {
    Diagnostic::error("E-INTERPRETER", error.message).about(error.node).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::WeightSource;
    use crate::ir::text::parse;
    use crate::ir::{Edit, Op, Tensor};
    use crate::passes::{Change, Eagerness, PassReport, Rewrite};

    fn inputs(graph: &Graph) -> Values {
        let value = |index: usize| ((index * 37 % 101) as f64 - 50.0) / 25.0;
        graph.inputs().into_iter().map(|id| (id, (0..graph.node(id).shape().len()).map(value).collect())).collect()
    }

    /// Passes that weigh costs rewrite wherever it is right: the maps here are too small for what pays.
    fn records(passes: &[Pass], graph: &Graph, most: usize) -> Vec<Record> {
        let forced =
            Switches { forced: super::super::names().into_iter().map(str::to_owned).collect(), ..Default::default() };
        compare_in_parts(passes, graph, &forced, &inputs(graph), most, &mut |_, _| ()).unwrap()
    }

    #[test]
    fn every_pass_keeps_every_tensor() {
        let (network, _) = crate::frontend::load("mlperf-tiny-resnet8", Some(&WeightSource::Seed(3)), 1).unwrap();
        let graph = network.graph;
        let all = records(&PASSES, &graph, MOST_VALUES);
        assert_eq!(all.iter().map(|record| record.pass).collect::<Vec<_>>(), PASSES.map(|pass| pass.name));
        for record in &all {
            assert_eq!(record.changes > 0, !record.tensors.is_empty(), "{}", record.pass);
            let worst = record.worst().map_or(0.0, |worst| worst.distance.relative());
            assert!(worst < 1e-6, "{}: {worst}", record.pass);
        }
        // All that does not go is compared, and the result of the network.
        let mut left = graph.ids().filter(|id| graph.value(*id).is_none()).count() + 1;
        let number = |of: fn(&Op) -> bool| graph.ids().filter(|id| of(graph.node(*id).op())).count();
        for (pass, gone) in [
            ("fold_batch_norm", number(|op| matches!(op, Op::BatchNorm(_)))),
            ("fuse_activation", number(|op| matches!(op, Op::Activation(_)))),
            ("fuse_shortcut_add", number(|op| matches!(op, Op::Add { .. }))),
        ] {
            left -= gone;
            let record = all.iter().find(|record| record.pass == pass).unwrap();
            assert!(gone > 0);
            assert_eq!(record.tensors.len(), left, "{pass}");
        }
        // In parts of few values it is the same.
        assert_eq!(records(&PASSES, &graph, 60_000), all);
    }

    /// A block whose pad, normalisation, shortcut and activations all go.
    const BLOCK: &str = r#"
%0 = input "x" : [1, 1, 4, 4]
%1 = constant "k" : [1, 1, 3, 3] = [1.0, -2.0, 3.0, -4.0, 5.0, -6.0, 7.0, -8.0, 9.0]
%2 = constant "gamma" : [1] = [0.5]
%3 = constant "beta" : [1] = [0.25]
%4 = constant "mean" : [1] = [3.0]
%5 = constant "variance" : [1] = [2.0]
%6 = pad(%0) "pad" spatial=[1, 1, 1, 1] : [1, 1, 6, 6]
%7 = conv(%6, %1) "conv" kernel=[3, 3] : [1, 1, 4, 4]
%8 = batch_norm(%7, gamma: %2, beta: %3, mean: %4, variance: %5) "norm" epsilon=0.5 : [1, 1, 4, 4]
%9 = add(%8, %0) "add" : [1, 1, 4, 4]
%10 = relu(%9) "relu" : [1, 1, 4, 4]
%11 = scale(%10) "double" factor=2.0 : [1, 1, 4, 4]
%12 = conv(%11, %1) "last" kernel=[3, 3] padding=[1, 1, 1, 1] : [1, 1, 4, 4]
output "y" = %12
"#;

    /// A normalised input, a projection block with a stride on the first conv, and two convs of one map.
    const JOINED: &str = r#"
%0 = input "x" : [1, 2, 4, 4]
%1 = constant "mean" : [2] = [0.5, -1.0]
%2 = constant "variance" : [2] = [2.0, 1.0]
%3 = constant "k" : [2, 2, 1, 1] = [1.0, -2.0, 0.5, 3.0]
%4 = constant "b" : [2] = [0.25, 0.5]
%5 = constant "l" : [2, 2, 1, 1] = [2.0, 1.0, 0.75, -0.5]
%6 = batch_norm(%0, mean: %1, variance: %2) "data" epsilon=0.5 : [1, 2, 4, 4]
%7 = conv(%6, %3) "stem" kernel=[1, 1] activation=relu : [1, 2, 4, 4]
%8 = conv(%7, %3) "reduce" kernel=[1, 1] stride=[2, 2] activation=relu : [1, 2, 2, 2]
%9 = conv(%8, %5, bias: %4) "expand" kernel=[1, 1] : [1, 2, 2, 2]
%10 = conv(%7, %3, bias: %4) "downsample" kernel=[1, 1] stride=[2, 2] : [1, 2, 2, 2]
%11 = add(%9, %10) "add" : [1, 2, 2, 2]
%12 = relu(%11) "block" : [1, 2, 2, 2]
%13 = conv(%12, %3) "left" kernel=[1, 1] activation=relu : [1, 2, 2, 2]
%14 = conv(%12, %5, bias: %4) "right" kernel=[1, 1] : [1, 2, 2, 2]
%15 = multiply(%13, %14) "product" : [1, 2, 2, 2]
output "y" = %15
"#;

    /// A pass that goes wrong in its last step.
    fn mutant(name: &str, run: fn(&mut Graph) -> Edit<PassReport>) -> Vec<Pass> {
        PASSES
            .into_iter()
            .map(|pass| if pass.name == name { Pass { run: Rewrite::Always(run), ..pass } } else { pass })
            .collect()
    }

    fn run(name: &str, graph: &mut Graph) -> Edit<PassReport> {
        PASSES.into_iter().find(|pass| pass.name == name).unwrap().run(graph, Eagerness::WhereRight)
    }

    fn find(graph: &Graph, name: &str) -> NodeId {
        graph.ids().find(|id| graph.node(*id).name == name).unwrap()
    }

    /// The first pass and tensor beyond rounding.
    fn culprit(text: &str, passes: &[Pass]) -> Option<(&'static str, String, String)> {
        let graph = parse(text, &mut |_, _| None).unwrap();
        records(passes, &graph, MOST_VALUES).iter().find_map(|record| {
            let wrong = record.tensors.iter().find(|tensor| tensor.distance.relative() > 1e-6)?;
            Some((record.pass, wrong.tensor.clone(), wrong.node.clone()))
        })
    }

    #[test]
    fn a_pass_that_goes_wrong_is_named_with_the_tensor() {
        assert_eq!(culprit(BLOCK, &PASSES), None);
        let found = |pass, tensor: &str, node: &str| Some((pass, tensor.to_owned(), node.to_owned()));

        let drops_the_mean = mutant("fold_batch_norm", |graph| {
            let report = run("fold_batch_norm", graph)?;
            let conv = find(graph, "conv");
            let mut operands = graph.operands(conv);
            operands[2] = graph.constant("bias", Tensor::new([1], vec![0.25]).unwrap());
            graph.replace(conv, graph.node(conv).op().clone(), &operands)?;
            Ok(report)
        });
        assert_eq!(culprit(BLOCK, &drops_the_mean), found("fold_batch_norm", "norm", "conv"));

        let skips_the_add = mutant("fuse_shortcut_add", |graph| {
            let report = run("fuse_shortcut_add", graph)?;
            let conv = find(graph, "conv");
            let mut operands = graph.operands(conv);
            operands.pop();
            let Op::Conv(op) = graph.node(conv).op().clone() else { panic!("no conv") };
            graph.replace(conv, Op::Conv(crate::ir::Conv { shortcut: false, ..op }), &operands)?;
            Ok(report)
        });
        assert_eq!(culprit(BLOCK, &skips_the_add), found("fuse_shortcut_add", "relu", "conv"));

        let shifts_the_pad = mutant("fold_pad", |graph| {
            let report = run("fold_pad", graph)?;
            let conv = find(graph, "conv");
            let Op::Conv(mut op) = graph.node(conv).op().clone() else { panic!("no conv") };
            (op.padding.top, op.padding.bottom) = (2, 0);
            graph.replace(conv, Op::Conv(op), &graph.operands(conv))?;
            Ok(report)
        });
        assert_eq!(culprit(BLOCK, &shifts_the_pad), found("fold_pad", "conv", "conv"));

        let forgets_the_activation = mutant("fuse_activation", |graph| {
            let (relu, add) = (find(graph, "relu"), find(graph, "add"));
            graph.supersede(relu, add)?;
            let mut report = PassReport::new("fuse_activation");
            report.changed("relu", "forgotten");
            Ok(report)
        });
        assert_eq!(culprit(BLOCK, &forgets_the_activation), found("fuse_activation", "relu", "add"));

        let scales_twice = mutant("fold_scale", |graph| {
            let double = graph.node(find(graph, "double")).op().clone();
            run("fold_scale", graph)?;
            let last = find(graph, "last");
            let mut operands = graph.operands(last);
            operands[0] = graph.add("double", double, &operands[..1])?;
            graph.replace(last, graph.node(last).op().clone(), &operands)?;
            let mut report = PassReport::new("fold_scale");
            report.changed("double", "folded, and left in place");
            Ok(report)
        });
        assert_eq!(culprit(BLOCK, &scales_twice), found("fold_scale", "last", "last"));

        let mixes_the_results = mutant("remove_dead", |graph| {
            let report = run("remove_dead", graph)?;
            graph.redirect(graph.outputs()[0].node, find(graph, "conv"))?;
            Ok(PassReport { changes: vec![Change { node: "last".to_owned(), what: "lost".to_owned() }], ..report })
        });
        assert_eq!(culprit(BLOCK, &mixes_the_results), found("remove_dead", "y", "conv"));
    }

    /// A sum that goes on as a shortcut, and normalised into a body.
    const PRE_ACTIVATED: &str = r#"
%0 = input "x" : [1, 16, 1, 2]
%1 = constant "k" : [16, 1, 1, 1] = [1.0, -2.0, 0.5, 3.0, 1.0, -2.0, 0.5, 3.0, 1.0, -2.0, 0.5, 3.0, 1.0, -2.0, 0.5, 3.0]
%2 = constant "mean" : [16] = [0.5, -1.0, 2.0, 0.0, 0.5, -1.0, 2.0, 0.0, 0.5, -1.0, 2.0, 0.0, 0.5, -1.0, 2.0, 0.0]
%3 = constant "variance" : [16] = [1.0, 0.25, 1.0, 0.25, 1.0, 0.25, 1.0, 0.25, 1.0, 0.25, 1.0, 0.25, 1.0, 0.25, 1.0, 0.25]
%4 = conv(%0, %1) "stem" kernel=[1, 1] groups=16 : [1, 16, 1, 2]
%5 = batch_norm(%4, mean: %2, variance: %3) "norm" epsilon=0.75 activation=relu : [1, 16, 1, 2]
%6 = conv(%5, %1, shortcut: %4) "body" kernel=[1, 1] groups=16 : [1, 16, 1, 2]
output "y" = %6
"#;

    #[test]
    fn a_second_result_that_goes_wrong_is_named() {
        assert_eq!(culprit(PRE_ACTIVATED, &PASSES), None);
        let found = |tensor: &str, node: &str| Some(("fuse_pre_activation", tensor.to_owned(), node.to_owned()));

        let forgets_the_scale = mutant("fuse_pre_activation", |graph| {
            let report = run("fuse_pre_activation", graph)?;
            let both = find(graph, "stem | norm");
            let mut operands = graph.operands(both);
            operands[2] = graph.constant("ones", Tensor::new([16], vec![1.0; 16]).unwrap());
            graph.replace(both, graph.node(both).op().clone(), &operands)?;
            Ok(report)
        });
        assert_eq!(culprit(PRE_ACTIVATED, &forgets_the_scale), found("norm", "norm"));

        let forgets_the_activation = mutant("fuse_pre_activation", |graph| {
            let report = run("fuse_pre_activation", graph)?;
            let both = find(graph, "stem | norm");
            let Op::Conv(mut op) = graph.node(both).op().clone() else { panic!("no conv") };
            op.second = Some(crate::ir::SecondResult { activation: None });
            graph.replace(both, Op::Conv(op), &graph.operands(both))?;
            Ok(report)
        });
        assert_eq!(culprit(PRE_ACTIVATED, &forgets_the_activation), found("norm", "norm"));

        let takes_the_normalised_sum = mutant("fuse_pre_activation", |graph| {
            let report = run("fuse_pre_activation", graph)?;
            let stem = find(graph, "stem");
            graph.replace(stem, Op::Slice { channels: [16, 32] }, &graph.operands(stem))?;
            Ok(report)
        });
        assert_eq!(culprit(PRE_ACTIVATED, &takes_the_normalised_sum), found("stem", "stem"));
    }

    #[test]
    fn a_pass_that_joins_wrongly_is_named_with_the_tensor() {
        let graph = parse(JOINED, &mut |_, _| None).unwrap();
        let all = records(&PASSES, &graph, MOST_VALUES);
        let changed: Vec<_> = all.iter().filter(|record| record.changes > 0).map(|record| record.pass).collect();
        for pass in ["fold_preprocess", "fuse_projection", "merge_siblings"] {
            assert!(changed.contains(&pass), "{changed:?}");
        }
        assert_eq!(culprit(JOINED, &PASSES), None);
        let found = |pass, tensor: &str, node: &str| Some((pass, tensor.to_owned(), node.to_owned()));

        let forgets_the_shift = mutant("fold_preprocess", |graph| {
            let report = run("fold_preprocess", graph)?;
            let stem = find(graph, "stem");
            let mut operands = graph.operands(stem);
            operands.pop();
            let Op::Conv(op) = graph.node(stem).op().clone() else { panic!("no conv") };
            graph.replace(stem, Op::Conv(crate::ir::Conv { bias: false, ..op }), &operands)?;
            Ok(report)
        });
        assert_eq!(culprit(JOINED, &forgets_the_shift), found("fold_preprocess", "stem", "stem"));

        let swaps_the_maps = mutant("fuse_projection", |graph| {
            let report = run("fuse_projection", graph)?;
            let concat = find(graph, "downsample.concat");
            let mut operands = graph.operands(concat);
            operands.reverse();
            graph.replace(concat, graph.node(concat).op().clone(), &operands)?;
            Ok(report)
        });
        assert_eq!(culprit(JOINED, &swaps_the_maps), found("fuse_projection", "block", "downsample"));

        let takes_other_pixels = mutant("fuse_projection", |graph| {
            let report = run("fuse_projection", graph)?;
            let (stem, pixels) = (find(graph, "stem"), find(graph, "stem.subsampled"));
            let pool = crate::ir::Pool {
                kernel: [2, 2],
                stride: [2, 2],
                padding: crate::ir::Padding::default(),
                ceil_mode: false,
            };
            graph.replace(pixels, Op::MaxPool(pool), &[stem])?;
            Ok(report)
        });
        assert_eq!(culprit(JOINED, &takes_other_pixels), found("fuse_projection", "reduce", "reduce"));

        let takes_other_channels = mutant("merge_siblings", |graph| {
            let report = run("merge_siblings", graph)?;
            let right = find(graph, "right");
            graph.replace(right, Op::Slice { channels: [1, 3] }, &graph.operands(right))?;
            Ok(report)
        });
        assert_eq!(culprit(JOINED, &takes_other_channels), found("merge_siblings", "right", "right"));

        let forgets_an_activation = mutant("merge_siblings", |graph| {
            let report = run("merge_siblings", graph)?;
            let left = find(graph, "left");
            let slice = find(graph, "left.slice");
            graph.supersede(left, slice)?;
            Ok(report)
        });
        assert_eq!(culprit(JOINED, &forgets_an_activation), found("merge_siblings", "left", "left.slice"));
    }
}
