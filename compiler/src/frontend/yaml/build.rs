//! Layers with their tensors as a graph.

use super::resolve::Resolution;
use super::spec::{self, Spec};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::frontend::weights::Role;
use crate::ir::{Graph, Layout, Tensor};

/// The graph of a network whose tensors are at hand, in the order of the requests.
///
/// # Errors
/// `E-SHAPE`, when a layer is refused: [`super::resolve`] has seen every shape before, so none is.
pub fn graph(spec: &Spec, resolution: &Resolution, tensors: &[Tensor], batch: usize) -> Result<Graph, Diagnostics> {
    let spec::InputShape(_, channels, height, width) = spec.input.shape;
    let layout = match spec.input.layout {
        spec::Layout::Nchw => Layout::Nchw,
        spec::Layout::Nhwc => Layout::Nhwc,
    };
    let mut graph = Graph::new();
    let mut values = vec![graph.input(&spec.input.name, layout, [batch, channels, height, width])];
    for layer in &resolution.layers {
        let mut operands: Vec<_> = layer.reads.iter().filter_map(|value| values.get(*value).copied()).collect();
        for index in layer.tensors.clone() {
            if let (Some(request), Some(tensor)) = (resolution.requests.get(index), tensors.get(index)) {
                let tensor = match layer.weight_standardization {
                    Some(epsilon) if request.role == Role::Kernel => standardized(tensor, epsilon),
                    Some(_) | None => tensor.clone(),
                };
                operands.push(graph.constant(&request.name, tensor));
            }
        }
        let node = graph
            .add(&layer.name, layer.op.clone(), &operands)
            .map_err(|error| Diagnostics::from(Diagnostic::error("E-SHAPE", error.to_string())))?;
        values.push(node);
    }
    for output in &resolution.outputs {
        if let Some(node) = values.get(output.value) {
            graph.output(&output.name, *node);
        }
    }
    Ok(graph)
}

/// A kernel `[C_out, ...]` whose weights have mean 0 and variance 1 in each output channel.
fn standardized(kernel: &Tensor, epsilon: f64) -> Tensor {
    let channels = kernel.shape().0.first().copied().unwrap_or(1).max(1);
    let each = kernel.values().len() / channels;
    let mut values = Vec::with_capacity(kernel.values().len());
    for weights in kernel.values().chunks(each.max(1)) {
        let count = weights.len() as f64;
        let mean = weights.iter().map(|weight| f64::from(*weight)).sum::<f64>() / count;
        let variance = weights.iter().map(|weight| (f64::from(*weight) - mean).powi(2)).sum::<f64>() / count;
        let scale = 1.0 / (variance + epsilon).sqrt();
        values.extend(weights.iter().map(|weight| ((f64::from(*weight) - mean) * scale) as f32));
    }
    Tensor::new(kernel.shape().clone(), values).unwrap_or_else(|| kernel.clone())
}
