//! Makes zeros around a map the padding of the conv or pool that reads it.
//!
//! Right for zeros above, below and beside the map, not for more channels, and for each reader by itself, whoever else reads
//! the padded map:
//! - A conv pads with zeros itself.
//! - An average pool sums the same zeros. It must count them too: as it does when it counts its padding, or when it has none
//!   of its own.
//! - The padding of a max pool never wins, but a zero beats what is negative. So the map must be at least zero everywhere: it
//!   comes, through operations that keep it so, from activations without negative results.
//!
//! Pools take no padding as wide as their window, and with `ceil_mode` their last window may be dropped where it would start
//! behind the input: the size of the result must stay what it is.

use std::collections::BTreeSet;

use super::PassReport;
use crate::ir::{Activation, Edit, Graph, NodeId, Op, Pad, Padding, infer};

pub(super) fn run(graph: &mut Graph) -> Edit<PassReport> {
    let mut report = PassReport::new("fold_pad");
    let mut known = BTreeSet::new();
    for id in graph.topological() {
        if !matches!(graph.node(id).op(), Op::Conv(_) | Op::MaxPool(_) | Op::AveragePool { .. }) {
            continue;
        }
        // Zeros around zeros go one after the other.
        while let Some((pad, zeros)) = pad_before(graph, id) {
            let name = graph.node(pad).name.clone();
            match fold(graph, id, pad, &zeros, &mut known) {
                Ok(op) => {
                    let mut operands = graph.operands(id);
                    if let (Some(first), Some(x)) = (operands.first_mut(), graph.operands(pad).first()) {
                        *first = *x;
                    }
                    report.changed(name, format!("folded into {} `{}`", op.name(), graph.node(id).name));
                    graph.replace(id, op, &operands)?;
                    graph.remove_unread(pad);
                }
                Err(reason) => {
                    report.refused(name, reason);
                    break;
                }
            }
        }
    }
    Ok(report)
}

/// The pad that a node reads first.
fn pad_before(graph: &Graph, id: NodeId) -> Option<(NodeId, Pad)> {
    let pad = *graph.operands(id).first()?;
    match graph.node(pad).op() {
        Op::Pad(zeros) => Some((pad, zeros.clone())),
        _ => None,
    }
}

/// The reader with the zeros in its padding.
fn fold(graph: &Graph, id: NodeId, pad: NodeId, zeros: &Pad, known: &mut BTreeSet<NodeId>) -> Result<Op, String> {
    let node = graph.node(id);
    let name = &node.name;
    if zeros.channels != [0, 0] {
        return Err(format!("it adds channels, which {} `{name}` does not", node.op().name()));
    }
    let x = *graph.operands(pad).first().ok_or("it reads nothing")?;
    let mut op = node.op().clone();
    match &mut op {
        Op::Conv(conv) => conv.padding = widened(conv.padding, zeros.spatial)?,
        Op::MaxPool(pool) => {
            pool.padding = widened(pool.padding, zeros.spatial)?;
            at_least_zero(graph, x, known)
                .map_err(|reason| format!("its zeros may be the largest in a window of max_pool `{name}`: {reason}"))?;
        }
        Op::AveragePool { pool, count_include_padding } => {
            if !*count_include_padding && pool.padding != Padding::default() {
                return Err(format!("average_pool `{name}` does not count its padding"));
            }
            *count_include_padding = true;
            pool.padding = widened(pool.padding, zeros.spatial)?;
        }
        _ => return Err(format!("{} `{name}` has no padding", node.op().name())),
    }
    let mut operands = graph.operands(id);
    if let Some(first) = operands.first_mut() {
        *first = x;
    }
    let shapes: Vec<_> = operands.iter().map(|operand| graph.node(*operand).shape()).collect();
    match infer(&op, &shapes) {
        Ok(shape) if shape == *node.shape() => Ok(op),
        Ok(shape) => Err(format!("{} `{name}` would give {shape}, not {}", op.name(), node.shape())),
        Err(reason) => Err(format!("`{name}` cannot take it: {reason}")),
    }
}

fn widened(padding: Padding, zeros: Padding) -> Result<Padding, String> {
    let sum = |a: usize, b: usize| a.checked_add(b).ok_or("the padding would not fit in memory");
    Ok(Padding {
        top: sum(padding.top, zeros.top)?,
        left: sum(padding.left, zeros.left)?,
        bottom: sum(padding.bottom, zeros.bottom)?,
        right: sum(padding.right, zeros.right)?,
    })
}

/// Proves that no value of a node is negative; `known` are nodes for which that is proven.
fn at_least_zero(graph: &Graph, id: NodeId, known: &mut BTreeSet<NodeId>) -> Result<(), String> {
    let (mut open, mut seen) = (vec![id], BTreeSet::new());
    while let Some(id) = open.pop() {
        if known.contains(&id) || !seen.insert(id) {
            continue;
        }
        let node = graph.node(id);
        match node.op() {
            op if op.activation().is_some_and(never_negative) => {}
            Op::Softmax => {}
            Op::Constant(tensor) if tensor.values().iter().all(|value| *value >= 0.0) => {}
            Op::Scale { factor } if *factor >= 0.0 => open.extend(graph.operands(id)),
            Op::MaxPool(_)
            | Op::AveragePool { .. }
            | Op::GlobalAveragePool
            | Op::GlobalMaxPool
            | Op::Flatten
            | Op::Add { activation: None }
            | Op::Multiply { activation: None }
            | Op::Concat { .. }
            | Op::Slice { .. }
            | Op::Pad(_)
            | Op::Subsample { .. }
            | Op::AsArray
            | Op::AsMap => open.extend(graph.operands(id)),
            op => return Err(format!("{} `{}` may be negative", op.name(), node.name)),
        }
    }
    known.extend(seen);
    Ok(())
}

fn never_negative(activation: Activation) -> bool {
    match activation {
        Activation::Relu | Activation::Relu6 | Activation::Sigmoid | Activation::HardSigmoid => true,
        Activation::HardSwish | Activation::Silu | Activation::Tanh => false,
    }
}
