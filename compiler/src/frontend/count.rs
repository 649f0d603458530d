//! Parameters, statistics and multiply-accumulates of a graph, and of each of its nodes.

use crate::ir::{Graph, NodeId, Op, Shape};

/// Multiply-accumulates of convolutions and dense layers for one image.
pub fn macs(graph: &Graph) -> u64 {
    graph.ids().map(|id| node_macs(graph, id)).fold(0, u64::saturating_add)
}

/// Multiply-accumulates of a node for one image; 0 but for convolutions and dense layers.
pub fn node_macs(graph: &Graph, id: NodeId) -> u64 {
    let node = graph.node(id);
    let operands = graph.operands(id);
    operation_macs(node.op(), node.shape(), operands.get(1).map(|kernel| graph.node(*kernel).shape()))
}

/// Trainable values: kernels, biases, and scale and shift of normalisations.
pub fn parameters(graph: &Graph) -> u64 {
    graph.ids().map(|id| node_parameters(graph, id)).sum()
}

/// Trainable values that a node reads. Tensors that several nodes read count for each.
pub fn node_parameters(graph: &Graph, id: NodeId) -> u64 {
    let operands = graph.operands(id);
    let length = |range: &[NodeId]| range.iter().map(|id| graph.node(*id).shape().len() as u64).sum();
    let tensors = operands.get(1..).unwrap_or_default();
    match graph.node(id).op() {
        Op::Conv(conv) => length(tensors.get(..1 + usize::from(conv.bias)).unwrap_or_default()),
        Op::Dense(_) | Op::GroupNorm(_) => length(tensors),
        Op::BatchNorm(_) => length(tensors.split_last_chunk::<2>().map(|(trained, _)| trained).unwrap_or_default()),
        Op::Input(_)
        | Op::Constant(_)
        | Op::Activation(_)
        | Op::MaxPool(_)
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::GlobalMaxPool
        | Op::Flatten
        | Op::Add { .. }
        | Op::Multiply { .. }
        | Op::Scale { .. }
        | Op::Concat { .. }
        | Op::Slice { .. }
        | Op::Softmax
        | Op::Pad(_)
        | Op::Subsample { .. }
        | Op::AsArray
        | Op::AsMap
        | Op::Nest(_) => 0,
    }
}

/// Running means and variances.
pub fn statistics(graph: &Graph) -> u64 {
    let of = |id| match graph.node(id).op() {
        Op::BatchNorm(_) => {
            let operands = graph.operands(id);
            operands.iter().rev().take(2).map(|id| graph.node(*id).shape().len() as u64).sum()
        }
        _ => 0_u64,
    };
    graph.ids().map(of).sum()
}

/// Multiply-accumulates of an operation for one image, from the shapes of its result and its kernel.
pub fn operation_macs(op: &Op, result: &Shape, kernel: Option<&Shape>) -> u64 {
    let product = |extents: &[usize]| extents.iter().map(|extent| *extent as u64).product::<u64>();
    match (op, result.0.as_slice(), kernel.map(|kernel| kernel.0.as_slice())) {
        (Op::Conv(_) | Op::Dense(_), [_, outputs @ ..], Some([_, inputs @ ..])) => product(outputs) * product(inputs),
        _ => 0,
    }
}
