//! Lets the operation before an activation apply it.
//!
//! Right when that operation has room for it (conv, batch_norm, group_norm, dense, add, multiply), has none yet, and its result goes to the
//! activation alone: the sum, shortcut included, is finished before the activation is applied in either form.

use super::{PassReport, seen_by_others};
use crate::ir::{Activation, Edit, Graph, NodeId, Op};

pub(super) fn run(graph: &mut Graph) -> Edit<PassReport> {
    let mut report = PassReport::new("fuse_activation");
    for id in graph.topological() {
        let Op::Activation(activation) = *graph.node(id).op() else { continue };
        let name = graph.node(id).name.clone();
        match fuse(graph, id, activation) {
            Ok((producer, op)) => {
                report.changed(&name, format!("fused into {} `{}`", op.name(), graph.node(producer).name));
                let operands = graph.operands(producer);
                graph.replace(producer, op, &operands)?;
                graph.supersede(id, producer)?;
            }
            Err(reason) => report.refused(name, reason),
        }
    }
    Ok(report)
}

/// The operation before the activation, and what it becomes.
fn fuse(graph: &Graph, id: NodeId, activation: Activation) -> Result<(NodeId, Op), String> {
    let operands = graph.operands(id);
    let producer = *operands.first().ok_or("it reads nothing")?;
    let node = graph.node(producer);
    let mut op = node.op().clone();
    let slot = match &mut op {
        Op::Conv(conv) => &mut conv.activation,
        Op::BatchNorm(norm) => &mut norm.activation,
        Op::GroupNorm(norm) => &mut norm.activation,
        Op::Dense(dense) => &mut dense.activation,
        Op::Add { activation } | Op::Multiply { activation } => activation,
        Op::Input(_)
        | Op::Constant(_)
        | Op::Activation(_)
        | Op::MaxPool(_)
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::GlobalMaxPool
        | Op::Flatten
        | Op::Scale { .. }
        | Op::Concat { .. }
        | Op::Slice { .. }
        | Op::Softmax
        | Op::Pad(_)
        | Op::Subsample { .. }
        | Op::AsArray
        | Op::AsMap
        | Op::Nest(_) => {
            return Err(format!("it follows {} `{}`, which applies no activation", node.op().name(), node.name));
        }
    };
    if let Some(before) = slot {
        return Err(format!("`{}` applies {} already", node.name, before.name()));
    }
    if let Some(reason) = seen_by_others(graph, producer, id) {
        return Err(reason);
    }
    *slot = Some(activation);
    Ok((producer, op))
}
