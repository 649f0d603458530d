//! What normalisations and scales do to each channel of a map, alone or in a row.

use super::constant_value;
use crate::ir::{BatchNorm, Graph, NodeId, Op, Tensor};

/// `scale x + shift`: what they do to a channel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Line {
    pub(super) scale: f64,
    pub(super) shift: f64,
}

impl Line {
    pub(super) fn at(self, x: f64) -> f64 {
        self.scale * x + self.shift
    }
}

/// A normalisation or a scale, and those that follow it straight, each the only one to see the one before; none if the first
/// is neither.
pub(super) fn row(graph: &Graph, first: NodeId) -> Vec<NodeId> {
    let mut row = Vec::new();
    let mut next = Some(first);
    while let Some(id) = next.filter(|id| matches!(graph.node(*id).op(), Op::BatchNorm(_) | Op::Scale { .. })) {
        row.push(id);
        next = graph.only_reader(id).filter(|_| graph.node(id).op().activation().is_none());
    }
    row
}

/// The lines of the channels of a map behind a row, without the activation of the last.
pub(super) fn lines(graph: &Graph, row: &[NodeId], channels: usize) -> Result<Vec<Line>, String> {
    let mut lines = vec![Line { scale: 1.0, shift: 0.0 }; channels];
    for id in row {
        let vectors = graph.operands(*id);
        let vectors = vectors.iter().skip(1).map(|id| constant_value(graph, *id)).collect::<Result<Vec<_>, _>>()?;
        let more = match graph.node(*id).op() {
            Op::BatchNorm(norm) => of_norm(norm, &vectors)?,
            Op::Scale { factor } => vec![Line { scale: *factor, shift: 0.0 }; channels],
            other => return Err(format!("{} `{}` is no normalisation", other.name(), graph.node(*id).name)),
        };
        lines = lines
            .iter()
            .zip(&more)
            .map(|(first, second)| Line { scale: first.scale * second.scale, shift: second.at(first.shift) })
            .collect();
    }
    Ok(lines)
}

/// The line of each channel of a normalisation.
fn of_norm(norm: &BatchNorm, vectors: &[&Tensor]) -> Result<Vec<Line>, String> {
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
