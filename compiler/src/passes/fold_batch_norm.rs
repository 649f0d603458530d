//! Multiplies a batch normalisation into the weights of the conv, dense or group norm layer before it.
//!
//! With `scale = gamma / sqrt(variance + epsilon)` per output channel, `batch_norm(kernel x + bias)` is
//! `(scale kernel) x + scale (bias - mean) + beta`. That is right when the layer's result goes to the normalisation alone,
//! and straight: no shortcut and no activation in between. The activation of the normalisation becomes the layer's.
//! A group normalisation has a scale and a shift per channel for its weights: exporters write these as operators of their own.
//! Normalisations and scales in a row are folded together: the products are taken in f64 and rounded to f32 once. Weights that f32
//! cannot hold are left as they were.

use super::affine::{lines, row};
use super::{PassReport, constant_value, seen_by_others};
use crate::ir::{Edit, Graph, NodeId, Op, Tensor};

pub(super) fn run(graph: &mut Graph) -> Edit<PassReport> {
    let mut report = PassReport::new("fold_batch_norm");
    for id in graph.topological() {
        // A normalisation that was folded with the one before it is gone.
        if !graph.contains(id) || !matches!(graph.node(id).op(), Op::BatchNorm(_)) {
            continue;
        }
        let row = row(graph, id);
        let name = graph.node(id).name.clone();
        match fold(graph, id, &row) {
            Ok(folded) => {
                let layer = graph.node(folded.layer).name.clone();
                let what = format!("folded into {} `{layer}`", folded.op.name());
                let kernel = graph.constant(format!("{layer}.weight * {name}"), folded.kernel);
                let bias = graph.constant(format!("{layer}.bias * {name}"), folded.bias);
                graph.replace(folded.layer, folded.op, &[folded.x, kernel, bias])?;
                for folded in &row {
                    report.changed(graph.node(*folded).name.clone(), what.clone());
                }
                for last in row.iter().rev() {
                    graph.supersede(*last, folded.layer)?;
                }
            }
            Err(reason) => report.refused(name, reason),
        }
    }
    Ok(report)
}

/// A layer with a normalisation in it.
struct Folded {
    layer: NodeId,
    op: Op,
    x: NodeId,
    kernel: Tensor,
    bias: Tensor,
}

fn fold(graph: &Graph, id: NodeId, row: &[NodeId]) -> Result<Folded, String> {
    let operands = graph.operands(id);
    let layer = operands.first().ok_or("it reads nothing")?;
    let node = graph.node(*layer);
    let last = row.last().and_then(|last| graph.node(*last).op().activation());
    let (has_bias, shortcut, activation) = match node.op() {
        Op::Conv(conv) => (conv.bias, conv.shortcut, conv.activation),
        Op::Dense(dense) => (dense.bias, false, dense.activation),
        Op::GroupNorm(norm) => (true, false, norm.activation),
        other => {
            return Err(format!("it follows {} `{}`, no conv, dense or group norm layer", other.name(), node.name));
        }
    };
    if let Some(reason) = seen_by_others(graph, *layer, id) {
        return Err(reason);
    }
    if shortcut {
        return Err(format!("`{}` adds a shortcut before it", node.name));
    }
    if let Some(activation) = activation {
        return Err(format!("`{}` applies {} before it", node.name, activation.name()));
    }
    let op = match node.op().clone() {
        Op::Conv(conv) => Op::Conv(crate::ir::Conv { bias: true, activation: last, ..conv }),
        Op::GroupNorm(norm) => Op::GroupNorm(crate::ir::GroupNorm { activation: last, ..norm }),
        _ => Op::Dense(crate::ir::Dense { bias: true, activation: last }),
    };
    let reads = graph.operands(*layer);
    let [x, kernel, rest @ ..] = reads.as_slice() else { return Err("its layer has no weights".to_owned()) };
    let kernel = constant_value(graph, *kernel)?;
    let old_bias = match rest {
        [bias, ..] if has_bias => Some(constant_value(graph, *bias)?),
        _ => None,
    };
    let channels = lines(graph, row, node.shape().0.get(1).copied().unwrap_or(0))?;

    let outputs = channels.len();
    let per_output = kernel.values().len().checked_div(outputs).unwrap_or(0).max(1);
    let scaled = kernel.values().chunks(per_output).zip(&channels);
    let weights: Vec<f32> =
        scaled.flat_map(|(weights, line)| weights.iter().map(|w| (f64::from(*w) * line.scale) as f32)).collect();
    let old =
        |channel: usize| old_bias.and_then(|bias| bias.values().get(channel)).map_or(0.0, |bias| f64::from(*bias));
    let bias: Vec<f32> = channels.iter().enumerate().map(|(channel, line)| line.at(old(channel)) as f32).collect();
    if !weights.iter().chain(&bias).all(|value| value.is_finite()) {
        return Err(format!("the weights of `{}` would not fit in f32", node.name));
    }
    let fill = || "its vectors do not fit its layer".to_owned();
    Ok(Folded {
        layer: *layer,
        op,
        x: *x,
        kernel: Tensor::new(kernel.shape().clone(), weights).ok_or_else(fill)?,
        bias: Tensor::new([outputs], bias).ok_or_else(fill)?,
    })
}
