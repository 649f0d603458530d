//! Lets the last conv and the global pool behind it be computed together, some channels at a time.
//!
//! Right when the conv's result goes to the pool alone: a channel of the pool depends on that channel of the map, all of it, and on no
//! other.

use super::{Eagerness, PassReport, chained, seen_by_others};
use crate::ir::{Chain, ChainKind, Edit, Graph, NodeId, Op};

pub(super) fn run(graph: &mut Graph, eagerness: Eagerness) -> Edit<PassReport> {
    let mut report = PassReport::new("fuse_global_pool");
    for id in graph.topological() {
        if !matches!(graph.node(id).op(), Op::GlobalAveragePool | Op::GlobalMaxPool) {
            continue;
        }
        let name = graph.node(id).name.clone();
        match before(graph, id) {
            Ok(conv) => {
                let conv_name = &graph.node(conv).name;
                report.changed(name, format!("may be computed together with conv `{conv_name}`, by channels"));
                graph.chain(Chain {
                    kind: ChainKind::GlobalPool,
                    nodes: vec![conv, id],
                    forced: eagerness == Eagerness::WhereRight,
                });
            }
            Err(reason) => report.refused(name, reason),
        }
    }
    Ok(report)
}

/// The conv that a global pool alone reads.
fn before(graph: &Graph, id: NodeId) -> Result<NodeId, String> {
    let conv = *graph.operands(id).first().ok_or("it reads nothing")?;
    let node = graph.node(conv);
    match node.op() {
        Op::Conv(attributes) if attributes.groups == 1 => {
            match seen_by_others(graph, conv, id).or_else(|| chained(graph, conv)) {
                Some(reason) => Err(reason),
                None => Ok(conv),
            }
        }
        Op::Conv(_) => Err(format!("conv `{}` has groups, which go by channels themselves", node.name)),
        op => Err(format!("it follows {} `{}`, no conv", op.name(), node.name)),
    }
}
