//! What passes made a part of another layer, found by comparing the graph before them with the graph after.
//!
//! An activation or an add that was fused shows in the operation itself. Normalisations, scales and pads leave no trace in it:
//! their arithmetic went into the layer's weights or its padding. A conv whose result was added to another's, and that is one with it
//! now, left its channels beside that one's.

use std::collections::BTreeMap;

use super::{Part, words};
use crate::ir::{Graph, NodeId, Op};

/// The parts that each layer of `graph` took over; `true` for those that came before it.
pub(super) fn parts(before: &Graph, graph: &Graph) -> BTreeMap<NodeId, Vec<(bool, Part)>> {
    let mut parts: BTreeMap<NodeId, Vec<(bool, Part)>> = BTreeMap::new();
    // The layer that each node which is gone became a part of, when that layer stands before it.
    let mut hosts: BTreeMap<NodeId, NodeId> = BTreeMap::new();
    let mut gone = Vec::new();
    for id in before.topological() {
        if survives(before, graph, id) || before.value(id).is_some() {
            continue;
        }
        let op = before.node(id).op();
        if matches!(op, Op::Conv(_)) {
            // Computed from what it reads, but no part of that.
            gone.push(id);
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
        if !leaves_no_trace(op) {
            continue;
        }
        let part = own(before, id);
        match host.filter(|_| !matches!(op, Op::Pad(_))) {
            Some(host) => parts.entry(host).or_default().push((false, part)),
            None => {
                for reader in before.readers(id).into_iter().filter(|reader| survives(before, graph, *reader)) {
                    parts.entry(reader).or_default().push((true, part.clone()));
                }
            }
        }
    }
    for conv in gone {
        let Some((host, row)) = joined(before, graph, &hosts, conv) else { continue };
        parts.entry(host).or_default().extend(row.into_iter().map(|id| (false, own(before, id))));
    }
    parts
}

/// The conv that another one is a part of because their results were added, and the nodes from the latter up to that add.
fn joined(
    before: &Graph,
    graph: &Graph,
    hosts: &BTreeMap<NodeId, NodeId>,
    conv: NodeId,
) -> Option<(NodeId, Vec<NodeId>)> {
    let mut row = vec![conv];
    let mut id = conv;
    while !matches!(before.node(id).op(), Op::Add { .. }) {
        id = before.only_reader(id).filter(|reader| !survives(before, graph, *reader))?;
        row.push(id);
    }
    let host = *hosts.get(&id)?;
    matches!(graph.node(host).op(), Op::Conv(conv) if !conv.shortcut).then_some((host, row))
}

/// What a node of the graph before the passes does.
fn own(before: &Graph, id: NodeId) -> Part {
    let input = before.operands(id).first().map(|operand| before.node(*operand).shape());
    words::own(before.node(id).op(), input, before.node(id).shape())
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
        | Op::Subsample { .. }
        | Op::AsArray
        | Op::AsMap
        | Op::Nest(_) => false,
    }
}
