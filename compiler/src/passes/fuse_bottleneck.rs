//! Lets the body of a residual block be computed together, some rows at a time.
//!
//! The body is a conv whose result is added to a shortcut, in its own epilogue, as the shortcut of another conv, or by an add, and the
//! convs, batch norms, scales and activations before it: 1x1, 3x3, 1x1; 3x3, 3x3; and, in pre-activation form, the batch norm with
//! its activation that the block begins with. It goes as far back as each result goes to the next of them alone, as what it reads
//! first. Right because nothing else needs these results, and each of their rows depends on a few rows of what is read: a few more
//! above and below for each kernel that is higher than a row. The shortcut is read row by row, so that it may be written over, unless
//! the body reads rows of it that are written already.
//!
//! A layer is in one chain at most.

use super::{Eagerness, PassReport, chain_back};
use crate::ir::{Chain, ChainKind, Edit, Graph, NodeId, Op};

pub(super) fn run(graph: &mut Graph, eagerness: Eagerness) -> Edit<PassReport> {
    let mut report = PassReport::new("fuse_bottleneck");
    for id in graph.topological() {
        if !ends_body(graph, id) {
            continue;
        }
        let name = graph.node(id).name.clone();
        match chain_back(graph, id) {
            Ok(nodes) => {
                let first = nodes.first().map(|id| graph.node(*id).name.clone()).unwrap_or_default();
                let count = nodes.len();
                report.changed(
                    name,
                    format!("may be computed together with the block from `{first}` on, {count} layers, by rows"),
                );
                graph.chain(Chain { kind: ChainKind::Bottleneck, nodes, forced: eagerness == Eagerness::WhereRight });
            }
            Err(reason) => report.refused(name, reason),
        }
    }
    Ok(report)
}

/// Whether a node is a conv whose result is added to a shortcut, and that is no shortcut's own conv.
fn ends_body(graph: &Graph, id: NodeId) -> bool {
    let Op::Conv(conv) = graph.node(id).op() else { return false };
    let added = |reader: NodeId| {
        let other_than_first = graph.operands(reader).first() != Some(&id);
        match graph.node(reader).op() {
            Op::Conv(other) => other.shortcut && other_than_first,
            Op::Add { .. } => true,
            _ => false,
        }
    };
    conv.shortcut && !carries(graph, id) || graph.only_reader(id).is_some_and(added)
}

/// Whether a conv that adds a shortcut adds the body of a block to a projection: then the body's last conv is that shortcut.
fn carries(graph: &Graph, id: NodeId) -> bool {
    let operands = graph.operands(id);
    let shortcut = operands.last().copied();
    shortcut.is_some_and(|shortcut| {
        matches!(graph.node(shortcut).op(), Op::Conv(conv) if !conv.shortcut) && graph.only_reader(shortcut) == Some(id)
    }) && operands.first().is_some_and(|first| graph.only_reader(*first) != Some(id))
}
