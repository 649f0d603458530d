//! Layers with their tensors as a graph.

use super::resolve::Resolution;
use super::spec::{self, Spec};
use crate::diagnostic::{Diagnostic, Diagnostics};
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
                operands.push(graph.constant(&request.name, tensor.clone()));
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
