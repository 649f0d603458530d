//! Graph to text.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use super::super::scalar::{Function, FunctionKind};
use super::super::{
    Activation, Element, Graph, Layout, Nest, NodeId, Numbers, Op, Padding, Pool, SecondResult, Tensor,
};
use super::{INLINE, fingerprint};

/// The text form of a graph: the same text for the same graph. Nodes on a cycle are not in it.
pub fn print(graph: &Graph) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    let _ = write(graph, &mut text);
    text
}

fn write(graph: &Graph, text: &mut String) -> fmt::Result {
    let order = graph.topological();
    let numbers: BTreeMap<NodeId, usize> = order.iter().enumerate().map(|(number, id)| (*id, number)).collect();
    let number = |id: NodeId| numbers.get(&id).copied().unwrap_or(usize::MAX);
    for id in &order {
        let node = graph.node(*id);
        write!(text, "%{} = {}", number(*id), node.op().name())?;
        let operands = graph.operands(*id);
        if !operands.is_empty() {
            let labels = labels(node.op());
            text.push('(');
            for (position, operand) in operands.iter().enumerate() {
                let comma = if position > 0 { ", " } else { "" };
                match labels.get(position).copied().flatten() {
                    Some(label) => write!(text, "{comma}{label}: %{}", number(*operand))?,
                    None => write!(text, "{comma}%{}", number(*operand))?,
                }
            }
            text.push(')');
        }
        text.push(' ');
        quote(text, &node.name)?;
        attributes(text, node.op())?;
        declared(text, node.numbers())?;
        write!(text, " : {}", node.shape())?;
        if let Op::Constant(tensor) = node.op() {
            values(text, tensor)?;
        }
        text.push('\n');
    }
    for output in graph.outputs() {
        text.push_str("output ");
        quote(text, &output.name)?;
        writeln!(text, " = %{}", number(output.node))?;
    }
    for chain in graph.chains() {
        let nodes: Vec<String> = chain.nodes.iter().map(|id| format!("%{}", number(*id))).collect();
        let forced = if chain.forced { " forced" } else { "" };
        writeln!(text, "chain {}({}){forced}", chain.kind.name(), nodes.join(", "))?;
    }
    Ok(())
}

/// The label of each operand that has one.
fn labels(op: &Op) -> Vec<Option<&'static str>> {
    let optional = |present, label| if present { vec![Some(label)] } else { Vec::new() };
    match op {
        Op::Conv(conv) => {
            let second = if conv.second.is_some() { vec![Some("scale"), Some("shift")] } else { Vec::new() };
            [vec![None, None], optional(conv.bias, "bias"), second, optional(conv.shortcut, "shortcut")].concat()
        }
        Op::BatchNorm(norm) => {
            let fixed = vec![Some("mean"), Some("variance")];
            [vec![None], optional(norm.gamma, "gamma"), optional(norm.beta, "beta"), fixed].concat()
        }
        Op::GroupNorm(_) => vec![None, Some("gamma"), Some("beta")],
        Op::Dense(dense) => [vec![None, None], optional(dense.bias, "bias")].concat(),
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
        | Op::Nest(_) => Vec::new(),
    }
}

fn attributes(text: &mut String, op: &Op) -> fmt::Result {
    match op {
        Op::Input(Layout::Nhwc) => text.push_str(" layout=nhwc"),
        Op::Input(Layout::Array) => text.push_str(" layout=array"),
        Op::Nest(attributes) => nest(text, attributes)?,
        Op::Constant(tensor) if tensor.values().len() > INLINE => {
            write!(text, " sha256=\"{}\"", fingerprint(tensor.values()))?;
        }
        Op::Conv(conv) => {
            write!(text, " kernel={:?}", conv.kernel)?;
            pair(text, "stride", conv.stride, [1, 1])?;
            padding(text, "padding", conv.padding)?;
            pair(text, "dilation", conv.dilation, [1, 1])?;
            if conv.groups != 1 {
                write!(text, " groups={}", conv.groups)?;
            }
            activation(text, conv.activation);
            if let Some(SecondResult { activation: Some(activation) }) = conv.second {
                write!(text, " second_activation={}", activation.name())?;
            }
        }
        Op::BatchNorm(norm) => {
            write!(text, " epsilon={:?}", norm.epsilon)?;
            activation(text, norm.activation);
        }
        Op::GroupNorm(norm) => {
            write!(text, " groups={} epsilon={:?}", norm.groups, norm.epsilon)?;
            activation(text, norm.activation);
        }
        Op::MaxPool(attributes) => pool(text, attributes)?,
        Op::AveragePool { pool: attributes, count_include_padding } => {
            pool(text, attributes)?;
            write!(text, " count_include_padding={count_include_padding}")?;
        }
        Op::Dense(dense) => activation(text, dense.activation),
        Op::Add { activation: last } | Op::Multiply { activation: last } => activation(text, *last),
        Op::Scale { factor } => write!(text, " factor={factor:?}")?,
        Op::Slice { channels } => write!(text, " channels={channels:?}")?,
        Op::Pad(pad) => {
            pair(text, "channels", pad.channels, [0, 0])?;
            padding(text, "spatial", pad.spatial)?;
        }
        Op::Subsample { stride } => pair(text, "stride", *stride, [1, 1])?,
        Op::Input(Layout::Nchw)
        | Op::Constant(_)
        | Op::Activation(_)
        | Op::GlobalAveragePool
        | Op::GlobalMaxPool
        | Op::Flatten
        | Op::Concat { .. }
        | Op::Softmax
        | Op::AsArray
        | Op::AsMap => {}
    }
    Ok(())
}

fn declared(text: &mut String, numbers: &Numbers) -> fmt::Result {
    if numbers.element != Element::Float32 {
        write!(text, " element={}", numbers.element)?;
    }
    match &numbers.quantisation {
        Some(quantisation) => write!(text, " quantisation=\"{quantisation}\""),
        None => Ok(()),
    }
}

fn nest(text: &mut String, nest: &Nest) -> fmt::Result {
    for (key, access) in ["a", "b"].iter().zip(&nest.operands) {
        write!(text, " {key}=\"{access}\"")?;
    }
    if nest.operands.len() > 1 {
        write!(text, " combine={}", nest.combine.name())?;
    }
    if !nest.reduced.is_empty() {
        write!(text, " reduced={:?} fold={}", nest.reduced, nest.fold.name())?;
    }
    let Function { kind, alpha, beta } = nest.finish;
    if kind != FunctionKind::Identity {
        write!(text, " finish={}", kind.name())?;
    }
    for (key, value) in [("alpha", alpha), ("beta", beta)] {
        if value != 0.0 {
            write!(text, " {key}={value:?}")?;
        }
    }
    Ok(())
}

fn pool(text: &mut String, pool: &Pool) -> fmt::Result {
    write!(text, " kernel={:?}", pool.kernel)?;
    pair(text, "stride", pool.stride, [1, 1])?;
    padding(text, "padding", pool.padding)?;
    if pool.ceil_mode {
        text.push_str(" ceil_mode=true");
    }
    Ok(())
}

fn pair(text: &mut String, name: &str, value: [usize; 2], default: [usize; 2]) -> fmt::Result {
    if value == default { Ok(()) } else { write!(text, " {name}={value:?}") }
}

fn padding(text: &mut String, name: &str, padding: Padding) -> fmt::Result {
    let Padding { top, left, bottom, right } = padding;
    if padding == Padding::default() { Ok(()) } else { write!(text, " {name}={:?}", [top, left, bottom, right]) }
}

fn activation(text: &mut String, activation: Option<Activation>) {
    if let Some(activation) = activation {
        text.push_str(" activation=");
        text.push_str(activation.name());
    }
}

fn values(text: &mut String, tensor: &Tensor) -> fmt::Result {
    if tensor.values().len() > INLINE {
        return Ok(());
    }
    text.push_str(" = [");
    for (index, value) in tensor.values().iter().enumerate() {
        if index > 0 {
            text.push_str(", ");
        }
        if value.is_finite() { write!(text, "{value:?}")? } else { write!(text, "{:#010x}", value.to_bits())? }
    }
    text.push(']');
    Ok(())
}

fn quote(text: &mut String, name: &str) -> fmt::Result {
    text.push('"');
    for character in name.chars() {
        match character {
            '"' | '\\' => {
                text.push('\\');
                text.push(character);
            }
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ if character.is_control() => write!(text, "\\u{{{:x}}}", u32::from(character))?,
            _ => text.push(character),
        }
    }
    text.push('"');
    Ok(())
}
