//! The end: outputs, checks on the values of the weights, the network.

use std::collections::BTreeMap;

use super::general;
use super::importer::Importer;
use super::proto::ValueInfoProto;
use super::unsupported::{LISTED, Unsupported};
use super::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::frontend::Network;
use crate::ir::{Graph, NodeId, Op, Tensor};

/// Names that exporters give to every graph.
const EVERY_GRAPH: [&str; 6] = ["", "main_graph", "torch_jit", "torch-jit-export", "onnx", "graph"];

/// What became of a model.
pub(super) struct Outcome {
    /// The network. What is wrong with the values of its weights alone leaves it whole.
    pub network: Option<Network>,
    /// All problems.
    pub problems: Diagnostics,
    /// Nodes that cannot be compiled, which one of the problems names.
    pub unsupported: Vec<Unsupported>,
}

/// The network that was read, and what is wrong with it.
pub(super) fn network(mut importer: Importer<'_>) -> Outcome {
    let unsupported = std::mem::take(&mut importer.unsupported);
    if !unsupported.is_empty() {
        importer.report(super::unsupported::error(&unsupported));
    }
    for info in &importer.schedule.outputs {
        output(&mut importer, info);
    }
    if importer.diagnostics.has_errors() {
        return Outcome { network: None, problems: importer.diagnostics, unsupported };
    }
    importer.graph.remove_dead();
    if let Some(diagnostic) = bad_values(&importer.graph) {
        importer.report(diagnostic);
    }
    let stem = importer.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let given = &importer.model.graph.name;
    let mut files = vec![importer.path.to_path_buf()];
    files.extend(importer.external.files().cloned());
    let network = Network {
        name: if EVERY_GRAPH.contains(&given.as_str()) { stem } else { given.clone() },
        description: String::new(),
        parameters: parameters(&importer.graph),
        graph: importer.graph,
        preprocess: None,
        labels: Vec::new(),
        files,
        weights: "the model".to_owned(),
    };
    Outcome { network: Some(network), problems: importer.diagnostics, unsupported }
}

fn output<'m>(importer: &mut Importer<'m>, info: &'m ValueInfoProto) {
    let subject = format!("output `{}`", info.name);
    let fail = |message: String| Diagnostic::error("E-ONNX-IO", message).about(subject.clone());
    let value = match importer.value(&info.name) {
        Ok(value) => value,
        Err(_) => Value::Unknown,
    };
    let view = match value {
        Value::Computed(view) => view,
        Value::Array(array) => {
            match general::exposed(importer, &info.name, &array) {
                Ok(id) => importer.graph.output(info.name.clone(), id),
                Err(_) => importer
                    .report(fail(format!("its shape is {:?}", array.dims)).expected("a tensor that fits in memory")),
            }
            return;
        }
        Value::Constant(literal) => {
            importer.report(
                Diagnostic::warning(
                    "W-ONNX-CONSTANT",
                    "it depends on no input: the program gives the same for every call",
                )
                .about(subject.clone())
                .hint("look whether the exporter took the input for a constant"),
            );
            match general::constant(importer, &info.name, &literal) {
                Ok(id) => importer.graph.output(info.name.clone(), id),
                Err(_) => importer.report(
                    fail(format!("it is a constant of shape {:?}", literal.dims))
                        .expected("a tensor that fits in memory"),
                ),
            }
            return;
        }
        Value::Text(text) => {
            importer.report(
                fail(format!("it is {} words, of shape {:?}", text.words.len(), text.dims))
                    .expected("a tensor of numbers"),
            );
            return;
        }
        // What made it unknown is an error of its own.
        Value::Unknown => return,
    };
    let shape = importer.shape(&view).clone();
    let id = if view.is_vector(&shape) { importer.vector(&view).ok() } else { None };
    let flat = view.axes.concat();
    let id = id.or_else(|| (flat.is_sorted() && shape.0 == view.dims).then_some(view.node));
    let id = match id {
        Some(id) => Ok(id),
        None => general::array(importer, &Value::Computed(view.clone()))
            .and_then(|array| general::exposed(importer, &info.name, &array)),
    };
    match id {
        Ok(id) => importer.graph.output(info.name.clone(), id),
        Err(_) => importer.report(
            fail(format!("its axes have the extents {:?}", view.dims)).expected("a tensor that fits in memory"),
        ),
    }
}

/// Values of kernels, biases, scales and shifts, each counted where it is used.
fn parameters(graph: &Graph) -> u64 {
    let trainable = |id: &NodeId| {
        let operands = graph.operands(*id);
        let count = match graph.node(*id).op() {
            Op::BatchNorm(norm) => 1 + usize::from(norm.gamma) + usize::from(norm.beta),
            _ => operands.len(),
        };
        operands
            .into_iter()
            .take(count)
            .filter_map(|operand| graph.value(operand))
            .map(|value| value.values().len() as u64)
            .sum::<u64>()
    };
    graph.ids().map(|id| trainable(&id)).sum()
}

/// One error for all weights that have values that are not finite, or negative variances. A constant that nobody reads is a result, which
/// may be anything.
fn bad_values(graph: &Graph) -> Option<Diagnostic> {
    let mut bad: BTreeMap<NodeId, &str> = BTreeMap::new();
    for id in graph.ids() {
        let read = !graph.readers(id).is_empty();
        if read && graph.value(id).is_some_and(|value| value.values().iter().any(|value| !value.is_finite())) {
            bad.insert(id, "has values that are not finite");
        }
        let variance = match graph.node(id).op() {
            Op::BatchNorm(_) => graph.operands(id).last().copied(),
            _ => None,
        };
        let negative = |value: &Tensor| value.values().iter().any(|value| *value < 0.0);
        if let Some(variance) = variance.filter(|variance| graph.value(*variance).is_some_and(negative)) {
            bad.insert(variance, "is a variance with negative values");
        }
    }
    if bad.is_empty() {
        return None;
    }
    let lines: Vec<_> =
        bad.iter().take(LISTED).map(|(id, what)| format!("tensor `{}` {what}", graph.node(*id).name)).collect();
    let more = if bad.len() > LISTED { format!(", and {} more", bad.len() - LISTED) } else { String::new() };
    Some(Diagnostic::error("E-WVAL", format!("{}{more}", lines.join(", "))).expected("finite weights"))
}
