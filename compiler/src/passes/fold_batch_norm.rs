//! Multiplies a batch normalisation into the weights of the conv or dense layer before it.
//!
//! With `scale = gamma / sqrt(variance + epsilon)` per output channel, `batch_norm(kernel x + bias)` is
//! `(scale kernel) x + scale (bias - mean) + beta`. That is right when the layer's result goes to the normalisation alone,
//! and straight: no shortcut and no activation in between. The activation of the normalisation becomes the layer's. The
//! products are taken in f64 and rounded to f32 once; weights that f32 cannot hold are left as they were.

use super::{PassReport, activation_name, seen_by_others};
use crate::ir::{BatchNorm, Edit, Graph, NodeId, Op, Tensor};

pub(super) fn run(graph: &mut Graph) -> Edit<PassReport> {
    let mut report = PassReport::new("fold_batch_norm");
    for id in graph.topological() {
        let Op::BatchNorm(norm) = graph.node(id).op().clone() else { continue };
        let name = graph.node(id).name.clone();
        match fold(graph, id, &norm) {
            Ok(folded) => {
                let layer = graph.node(folded.layer).name.clone();
                report.changed(&name, format!("folded into {} `{layer}`", graph.node(folded.layer).op().name()));
                let kernel = graph.constant(format!("{layer}.weight * {name}"), folded.kernel);
                let bias = graph.constant(format!("{layer}.bias * {name}"), folded.bias);
                graph.replace(folded.layer, folded.op, &[folded.x, kernel, bias])?;
                graph.redirect(id, folded.layer)?;
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

fn fold(graph: &Graph, id: NodeId, norm: &BatchNorm) -> Result<Folded, String> {
    let operands = graph.operands(id);
    let (layer, vectors) = operands.split_first().ok_or("it reads nothing")?;
    let node = graph.node(*layer);
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
        return Err(format!("`{}` applies {} before it", node.name, activation_name(activation)));
    }
    let op = match node.op().clone() {
        Op::Conv(conv) => Op::Conv(crate::ir::Conv { bias: true, activation: norm.activation, ..conv }),
        _ => Op::Dense(crate::ir::Dense { bias: true, activation: norm.activation }),
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
    let channels = Channels::new(norm, &vectors.iter().map(constant).collect::<Result<Vec<_>, _>>()?)?;

    let outputs = channels.scale.len();
    let per_output = kernel.values().len().checked_div(outputs).unwrap_or(0).max(1);
    let scaled = kernel.values().chunks(per_output).zip(&channels.scale);
    let weights: Vec<f32> =
        scaled.flat_map(|(weights, scale)| weights.iter().map(move |w| (f64::from(*w) * scale) as f32)).collect();
    let old =
        |channel: usize| old_bias.and_then(|bias| bias.values().get(channel)).map_or(0.0, |bias| f64::from(*bias));
    let bias: Vec<f32> = (channels.scale.iter().zip(&channels.mean).zip(&channels.beta).enumerate())
        .map(|(channel, ((scale, mean), beta))| ((old(channel) - mean) * scale + beta) as f32)
        .collect();
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

/// A normalisation as `scale (x - mean) + beta`.
struct Channels {
    scale: Vec<f64>,
    mean: Vec<f64>,
    beta: Vec<f64>,
}

impl Channels {
    fn new(norm: &BatchNorm, vectors: &[&Tensor]) -> Result<Self, String> {
        let wide = |tensor: &&Tensor| tensor.values().iter().map(|value| f64::from(*value)).collect::<Vec<_>>();
        let mut vectors = vectors.iter();
        let gamma = if norm.gamma { vectors.next().map(wide) } else { None };
        let beta = if norm.beta { vectors.next().map(wide) } else { None };
        let (Some(mean), Some(variance)) = (vectors.next().map(wide), vectors.next().map(wide)) else {
            return Err("it has no running statistics".to_owned());
        };
        let gamma = gamma.unwrap_or_else(|| vec![1.0; mean.len()]);
        let beta = beta.unwrap_or_else(|| vec![0.0; mean.len()]);
        let scale =
            gamma.iter().zip(&variance).map(|(gamma, variance)| gamma / (variance + norm.epsilon).sqrt()).collect();
        Ok(Self { scale, mean, beta })
    }
}
