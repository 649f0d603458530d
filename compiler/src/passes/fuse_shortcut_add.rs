//! Lets a conv add the shortcut to its result, and apply the activation of the sum.
//!
//! Right when the conv's result goes to the add alone and is added as it is: no activation, no other shortcut. The other
//! operand then cannot depend on the conv, since all that reads the conv is the add. When both operands qualify, the later in
//! topological order takes the other as its shortcut: what is computed last finds the other finished. A constant is no
//! shortcut: there is no map of it in memory.

use std::collections::BTreeMap;

use super::{PassReport, seen_by_others};
use crate::ir::{Activation, Conv, Edit, Graph, NodeId, Op};

pub(super) fn run(graph: &mut Graph) -> Edit<PassReport> {
    let mut report = PassReport::new("fuse_shortcut_add");
    let order = graph.topological();
    let positions: BTreeMap<NodeId, usize> = order.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    for id in order {
        let Op::Add { activation } = *graph.node(id).op() else { continue };
        let name = graph.node(id).name.clone();
        let mut sides = graph.operands(id);
        sides.sort_by_key(|side| std::cmp::Reverse(positions.get(side).copied()));
        let [late, early] = sides.as_slice() else { continue };
        let fused = fuse(graph, id, activation, *late, *early)
            .or_else(|reason| fuse(graph, id, activation, *early, *late).map_err(|other| [reason, other]));
        match fused {
            Ok(fused) => {
                let (conv, shortcut) = (&graph.node(fused.conv).name, &graph.node(fused.shortcut).name);
                report.changed(name, format!("fused into conv `{conv}` with shortcut `{shortcut}`"));
                let mut operands = graph.operands(fused.conv);
                operands.push(fused.shortcut);
                graph.replace(fused.conv, Op::Conv(fused.op), &operands)?;
                graph.supersede(id, fused.conv)?;
            }
            Err([late, early]) if late == early => report.refused(name, late),
            Err([late, early]) => report.refused(name, format!("{late}; {early}")),
        }
    }
    Ok(report)
}

/// A conv that adds a shortcut.
struct Fused {
    conv: NodeId,
    op: Conv,
    shortcut: NodeId,
}

fn fuse(
    graph: &Graph,
    add: NodeId,
    activation: Option<Activation>,
    side: NodeId,
    shortcut: NodeId,
) -> Result<Fused, String> {
    let node = graph.node(side);
    let name = &node.name;
    let Op::Conv(conv) = node.op() else { return Err(format!("`{name}` is {}, no conv", node.op().name())) };
    if let Some(activation) = conv.activation {
        return Err(format!("conv `{name}` applies {} before the add", activation.name()));
    }
    if conv.shortcut {
        return Err(format!("conv `{name}` has a shortcut already"));
    }
    if let Some(reason) = seen_by_others(graph, side, add) {
        return Err(reason);
    }
    if graph.value(shortcut).is_some() {
        return Err(format!("the shortcut of conv `{name}` would be the constant `{}`", graph.node(shortcut).name));
    }
    Ok(Fused { conv: side, op: Conv { shortcut: true, activation, ..conv.clone() }, shortcut })
}
