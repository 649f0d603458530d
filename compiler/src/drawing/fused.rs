//! What passes made a part of another layer, found by comparing the graph before them with the graph after.
//!
//! An activation or an add that was fused shows in the operation itself. Normalisations, scales and pads leave no trace in it:
//! their arithmetic went into the layer's weights or its padding.

use std::collections::BTreeMap;

use super::{Part, words};
use crate::ir::{Graph, NodeId, Op};

/// The parts that each layer of `graph` took over; `true` for those that came before it.
pub(super) fn parts(before: &Graph, graph: &Graph) -> BTreeMap<NodeId, Vec<(bool, Part)>> {
    let mut parts: BTreeMap<NodeId, Vec<(bool, Part)>> = BTreeMap::new();
    // The layer that each node which is gone became a part of, when that layer stands before it.
    let mut hosts: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    for id in before.topological() {
        if survives(before, graph, id) || before.value(id).is_some() {
            continue;
        }
        let operands = before.operands(id);
        let host = operands.iter().find_map(|operand| {
            let seen_by_it_alone = before.only_reader(*operand) == Some(id);
            let alive = survives(before, graph, *operand).then_some(*operand);
            alive.or_else(|| hosts.get(operand).copied()).filter(|_| seen_by_it_alone)
        });
        let host = host.filter(|host| is_layer_with_weights(graph, *host));
        if let Some(host) = host {
            hosts.insert(id, host);
        }
        let op = before.node(id).op();
        if !leaves_no_trace(op) {
            continue;
        }
        let input = operands.first().map(|operand| before.node(*operand).shape());
        let part = words::own(op, input, before.node(id).shape());
        match host.filter(|_| !matches!(op, Op::Pad(_))) {
            Some(host) => parts.entry(host).or_default().push((false, part)),
            None => {
                for reader in before.readers(id).into_iter().filter(|reader| survives(before, graph, *reader)) {
                    parts.entry(reader).or_default().push((true, part.clone()));
                }
            }
        }
    }
    parts
}

/// Whether a node of the graph before the passes is still there. The slot of one that is gone may hold a constant now.
fn survives(before: &Graph, graph: &Graph, id: NodeId) -> bool {
    graph.contains(id) && graph.node(id).name == before.node(id).name && graph.value(id).is_none()
}

fn is_layer_with_weights(graph: &Graph, id: NodeId) -> bool {
    matches!(graph.node(id).op(), Op::Conv(_) | Op::Dense(_))
}

/// Whether nothing in a layer's operation tells that it took this one over. A factor of 1 was dropped, not taken over.
fn leaves_no_trace(op: &Op) -> bool {
    match op {
        Op::BatchNorm(_) | Op::Pad(_) => true,
        Op::Scale { factor } => factor.to_bits() != 1.0_f64.to_bits(),
        Op::Input(_)
        | Op::Constant(_)
        | Op::Conv(_)
        | Op::GroupNorm(_)
        | Op::Activation(_)
        | Op::MaxPool(_)
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::GlobalMaxPool
        | Op::Flatten
        | Op::Dense(_)
        | Op::Add { .. }
        | Op::Multiply { .. }
        | Op::Concat { .. }
        | Op::Slice { .. }
        | Op::Softmax
        | Op::Subsample { .. } => false,
    }
}
