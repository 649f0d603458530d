//! Computes every node all of whose operands are constants.
//!
//! Always right: such a node has the same value in every run. A chain of them is computed in f64 from end to end and each
//! value is rounded to f32 once. A value that f32 cannot hold, or that is larger than [`MOST_ELEMENTS`], stays computed.

use std::collections::BTreeMap;

use super::PassReport;
use crate::ir::interpreter::{Operand, evaluate};
use crate::ir::{Edit, Graph, NodeId, Op, Tensor};

/// 256 MiB of f32 values: what is larger would only grow the blob.
const MOST_ELEMENTS: usize = 1 << 26;

pub(super) fn run(graph: &mut Graph) -> Edit<PassReport> {
    let mut report = PassReport::new("fold_constants");
    let mut exact: BTreeMap<NodeId, Vec<f64>> = BTreeMap::new();
    for id in graph.topological() {
        let operands = graph.operands(id);
        if operands.is_empty() || !operands.iter().all(|operand| graph.value(*operand).is_some()) {
            continue;
        }
        let node = graph.node(id);
        match fold(graph, id, &operands, &exact) {
            Ok((values, tensor)) => {
                report.changed(
                    node.name.clone(),
                    format!("computed {} of constants: {}", node.op().name(), node.shape()),
                );
                let numbers = node.numbers().clone();
                let holds = tensor.values().iter().all(|value| numbers.element.holds(*value));
                graph.replace(id, Op::Constant(tensor), &[])?;
                if holds {
                    graph.declare(id, numbers);
                }
                exact.insert(id, values);
            }
            Err(reason) => report.refused(node.name.clone(), reason),
        }
    }
    Ok(report)
}

fn fold(
    graph: &Graph,
    id: NodeId,
    operands: &[NodeId],
    exact: &BTreeMap<NodeId, Vec<f64>>,
) -> Result<(Vec<f64>, Tensor), String> {
    let node = graph.node(id);
    if node.shape().len() > MOST_ELEMENTS {
        return Err(format!("its {} elements are too many to keep as a constant", node.shape().len()));
    }
    let widened: Vec<Option<Vec<f64>>> = operands
        .iter()
        .map(|operand| match exact.contains_key(operand) {
            true => None,
            false => {
                graph.value(*operand).map(|tensor| tensor.values().iter().map(|value| f64::from(*value)).collect())
            }
        })
        .collect();
    let operands: Vec<_> = operands
        .iter()
        .zip(&widened)
        .map(|(operand, widened)| Operand {
            shape: graph.node(*operand).shape(),
            values: widened.as_ref().or_else(|| exact.get(operand)).map(Vec::as_slice).unwrap_or_default(),
        })
        .collect();
    let values = evaluate(node.op(), &operands)?;
    let rounded: Vec<f32> = values.iter().map(|value| *value as f32).collect();
    if let Some(place) = rounded.iter().position(|value| !value.is_finite()) {
        return Err(format!("its value {place} does not fit in f32"));
    }
    match Tensor::new(node.shape().clone(), rounded) {
        Some(tensor) => Ok((values, tensor)),
        None => Err("its value does not fill its shape".to_owned()),
    }
}
