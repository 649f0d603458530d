//! What a layer does, in a few words per operation: `conv 3×3, 64, /2` as the papers have it.

use super::{Family, Part};
use crate::ir::{Conv, Graph, NodeId, Op, Pad, Padding, Pool, SecondResult, Shape};

/// The rows of a layer: its own operation, `fused` ones around it, and what it applies to its result.
pub(super) fn parts(graph: &Graph, id: NodeId, fused: &[(bool, Part)]) -> Vec<Part> {
    let node = graph.node(id);
    let in_front = |wanted: bool| fused.iter().filter(move |(front, _)| *front == wanted).map(|(_, part)| part.clone());
    let mut parts: Vec<Part> = in_front(true).collect();
    let input = graph.operands(id).first().map(|operand| graph.node(*operand).shape().clone());
    parts.push(own(node.op(), input.as_ref(), node.shape()));
    parts.extend(in_front(false));
    if let Op::Conv(Conv { shortcut: true, .. }) = node.op() {
        parts.push(Part::new(Family::Arithmetic, "add"));
    }
    match (node.op(), node.op().activation()) {
        (Op::Activation(_), _) | (_, None) => {}
        (_, Some(activation)) => parts.push(Part::new(Family::Activation, activation.name())),
    }
    if let Op::Conv(Conv { second: Some(SecondResult { activation }), .. }) = node.op() {
        let applied = activation.map_or(String::new(), |activation| format!(", {}", activation.name()));
        parts.push(Part::new(Family::Norm, format!("beside it: batch_norm{applied}")));
    }
    parts
}

/// What an operation does by itself, from the shapes of its first operand and its result.
pub(super) fn own(op: &Op, input: Option<&Shape>, shape: &Shape) -> Part {
    let name = op.name();
    let channels = |shape: &Shape| shape.0.get(1).copied().unwrap_or_default();
    match op {
        Op::Input(_) | Op::Constant(_) => Part::new(Family::Interface, name),
        Op::Conv(conv) => {
            let outputs = channels(shape) / if conv.second.is_some() { 2 } else { 1 };
            Part::new(Family::Conv, convolution(conv, input.map_or(0, channels), outputs))
        }
        Op::BatchNorm(_) => Part::new(Family::Norm, name),
        Op::GroupNorm(norm) => Part::new(Family::Norm, format!("{name}, {} groups", norm.groups)),
        Op::Activation(_) | Op::Softmax => Part::new(Family::Activation, name),
        Op::MaxPool(pool) | Op::AveragePool { pool, .. } => Part::new(Family::Pool, pooling(name, pool)),
        Op::GlobalAveragePool | Op::GlobalMaxPool => Part::new(Family::Pool, name),
        Op::Dense(_) => Part::new(Family::Dense, format!("{name}, {}", channels(shape))),
        Op::Add { .. } | Op::Multiply { .. } => Part::new(Family::Arithmetic, name),
        Op::Scale { factor } => Part::new(Family::Arithmetic, format!("{name} by {factor}")),
        Op::Concat { operands } => Part::new(Family::Shape, format!("{name} of {operands}")),
        Op::Slice { channels: [begin, end] } => Part::new(Family::Shape, format!("{name} {begin}..{end}")),
        Op::Flatten => Part::new(Family::Shape, name),
        Op::Pad(Pad { channels, spatial }) => Part::new(Family::Shape, padding(name, *channels, *spatial)),
        Op::AsArray | Op::AsMap => Part::new(Family::Shape, name),
        Op::Nest(nest) => {
            let moves = nest.operands.len() == 1 && nest.reduced.is_empty();
            Part::new(if moves { Family::Shape } else { Family::Arithmetic }, nest.to_string())
        }
        Op::Subsample { stride } => Part::new(Family::Shape, format!("{name} /{}", pair(*stride))),
    }
}

fn convolution(conv: &Conv, inputs: usize, outputs: usize) -> String {
    let depthwise = conv.groups > 1 && conv.groups == inputs;
    let mut text = format!("{} {}, {outputs}", if depthwise { "depthwise" } else { "conv" }, window(conv.kernel));
    if conv.stride != [1, 1] {
        text.push_str(&format!(", /{}", pair(conv.stride)));
    }
    if conv.groups > 1 && !depthwise {
        text.push_str(&format!(", {} groups", conv.groups));
    }
    if conv.dilation != [1, 1] {
        text.push_str(&format!(", dilation {}", pair(conv.dilation)));
    }
    text
}

fn pooling(name: &str, pool: &Pool) -> String {
    let stride = if pool.stride == [1, 1] { String::new() } else { format!(", /{}", pair(pool.stride)) };
    format!("{name} {}{stride}", window(pool.kernel))
}

fn padding(name: &str, [before, after]: [usize; 2], spatial: Padding) -> String {
    let mut text = name.to_owned();
    if before + after > 0 {
        text.push_str(&format!(" channels {before}+{after}"));
    }
    let Padding { top, left, bottom, right } = spatial;
    if spatial != Padding::default() {
        let sides =
            if spatial == Padding::same(top) { top.to_string() } else { format!("{top},{left},{bottom},{right}") };
        text.push_str(&format!(" by {sides}"));
    }
    text
}

fn window([height, width]: [usize; 2]) -> String {
    format!("{height}×{width}")
}

fn pair([vertical, horizontal]: [usize; 2]) -> String {
    if vertical == horizontal { vertical.to_string() } else { format!("{vertical},{horizontal}") }
}

/// A shape without its batch: `64×56×56`.
pub(super) fn extents(shape: &Shape) -> String {
    let extents: Vec<String> = shape.0.iter().skip(1).map(usize::to_string).collect();
    if extents.is_empty() { shape.to_string() } else { extents.join("×") }
}
