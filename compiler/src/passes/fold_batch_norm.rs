//! Multiplies a batch normalisation into the weights of the conv or dense layer before it.
//!
//! With `scale = gamma / sqrt(variance + epsilon)` per output channel, `batch_norm(kernel x + bias)` is
//! `(scale kernel) x + scale (bias - mean) + beta`. That is right when the layer's result goes to the normalisation alone,
//! and straight: no shortcut and no activation in between. The activation of the normalisation becomes the layer's.
//! Normalisations and scales in a row are folded together: the products are taken in f64 and rounded to f32 once. Weights that f32
//! cannot hold are left as they were.

use super::{PassReport, seen_by_others};
use crate::ir::{BatchNorm, Edit, Graph, NodeId, Op, Tensor};

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

/// The normalisation, and normalisations and scales that follow it straight, each the only one to see the one before.
fn row(graph: &Graph, first: NodeId) -> Vec<NodeId> {
    let mut row = Vec::new();
    let mut next = Some(first);
    while let Some(id) = next.filter(|id| matches!(graph.node(*id).op(), Op::BatchNorm(_) | Op::Scale { .. })) {
        row.push(id);
        next = graph.only_reader(id).filter(|_| graph.node(id).op().activation().is_none());
    }
    row
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
        other => return Err(format!("it follows {} `{}`, no conv or dense layer", other.name(), node.name)),
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
        _ => Op::Dense(crate::ir::Dense { bias: true, activation: last }),
    };
    let reads = graph.operands(*layer);
    let [x, kernel, rest @ ..] = reads.as_slice() else { return Err("its layer has no weights".to_owned()) };
    let constant =
        |id: &NodeId| graph.value(*id).ok_or_else(|| format!("`{}` is computed, not constant", graph.node(*id).name));
    let kernel = constant(kernel)?;
    let old_bias = match rest {
        [bias, ..] if has_bias => Some(constant(bias)?),
        _ => None,
    };
    let mut channels = Vec::new();
    for id in row {
        let vectors = graph.operands(*id);
        let vectors = vectors.iter().skip(1).map(constant).collect::<Result<Vec<_>, _>>()?;
        channels = match graph.node(*id).op() {
            Op::BatchNorm(norm) => then(channels, &lines(norm, &vectors)?),
            Op::Scale { factor } => then(channels.clone(), &vec![Line { scale: *factor, shift: 0.0 }; channels.len()]),
            other => return Err(format!("{} `{}` is no normalisation", other.name(), graph.node(*id).name)),
        };
    }

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

/// `scale x + shift`: what normalisations do to a channel.
#[derive(Debug, Clone, Copy)]
struct Line {
    scale: f64,
    shift: f64,
}

impl Line {
    fn at(self, x: f64) -> f64 {
        self.scale * x + self.shift
    }
}

/// The lines of `first`, which may be none, with those of `second` behind them.
fn then(first: Vec<Line>, second: &[Line]) -> Vec<Line> {
    if first.is_empty() {
        return second.to_vec();
    }
    first
        .iter()
        .zip(second)
        .map(|(first, second)| Line { scale: first.scale * second.scale, shift: second.at(first.shift) })
        .collect()
}

/// The line of each channel of a normalisation.
fn lines(norm: &BatchNorm, vectors: &[&Tensor]) -> Result<Vec<Line>, String> {
    let mut vectors = vectors.iter().map(|tensor| tensor.values().iter().map(|value| f64::from(*value)).collect());
    let gamma: Option<Vec<f64>> = if norm.gamma { vectors.next() } else { None };
    let beta: Option<Vec<f64>> = if norm.beta { vectors.next() } else { None };
    let (Some(mean), Some(variance)) = (vectors.next(), vectors.next()) else {
        return Err("it has no running statistics".to_owned());
    };
    let gamma = gamma.unwrap_or_else(|| vec![1.0; mean.len()]);
    let beta = beta.unwrap_or_else(|| vec![0.0; mean.len()]);
    let scales = gamma.iter().zip(&variance).map(|(gamma, variance)| gamma / (variance + norm.epsilon).sqrt());
    Ok(scales
        .zip(mean.iter().zip(&beta))
        .map(|(scale, (mean, beta))| Line { scale, shift: beta - scale * mean })
        .collect())
}
