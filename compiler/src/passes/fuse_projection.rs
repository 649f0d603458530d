//! Makes the two 1x1 convs of a projection block, whose results are added, one conv over both of their inputs.
//!
//! `K1 m + b1 + K2 x + b2` is `[K1 K2] (m over x) + (b1 + b2)`: the kernels stand side by side along the input channels, and the
//! sum of both convs is the sum over the channels of [`Op::Concat`]. After [`fuse_shortcut_add`](super::fuse_shortcut_add)
//! one of the two carries the other's result as its shortcut, whichever of them is computed last. Right when both convs are 1x1
//! without padding and groups, and when the carried conv's result is added as it is and seen by nothing else: no activation
//! and no shortcut of its own, no other reader, no result of the network. A 1x1 conv with a stride is one without over the
//! pixels that it reads, so a strided conv's input goes through [`Op::Subsample`]; other 1x1 convs of this input and stride,
//! without padding, then read the same pixels instead of gathering them again. Biases are added in f64 and rounded to f32 once;
//! a sum that f32 cannot hold leaves both convs as they were.
//!
//! It pays where the joined map costs no copy: both inputs are written by their own steps straight into their channels of
//! it. So each has whole blocks of 16 channels, is computed by an operation that can write there, lies in no other joined
//! map, and is read by no conv that wants a frame of zeros around it, since all channels of a map share one frame.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Eagerness, PassReport, constant_value, frames, seen_by_others, whole_blocks};
use crate::ir::{Conv, Edit, Graph, NodeId, Op, Padding, Tensor};
use crate::plan::layout::writes_part;

pub(super) fn run(graph: &mut Graph, eagerness: Eagerness) -> Edit<PassReport> {
    let mut report = PassReport::new("fuse_projection");
    let order = graph.topological();
    let positions: BTreeMap<NodeId, usize> = order.iter().enumerate().map(|(at, id)| (*id, at)).collect();
    for id in order {
        let Some(carried) = carried(graph, id) else { continue };
        let name = graph.node(id).name.clone();
        let joined = join(graph, id, carried, &positions).and_then(|joined| {
            let worth = if eagerness == Eagerness::WhereRight { Ok(()) } else { pays(graph, &joined) };
            worth.map(|()| joined).map_err(|reason| format!("does not pay: {reason}"))
        });
        match joined {
            Ok(joined) => report.changed(name, joined.put(graph)?),
            Err(reason) => report.refused(name, reason),
        }
    }
    Ok(report)
}

/// The conv whose result a conv has as its shortcut.
fn carried(graph: &Graph, id: NodeId) -> Option<NodeId> {
    if !graph.contains(id) || !matches!(graph.node(id).op(), Op::Conv(Conv { shortcut: true, .. })) {
        return None;
    }
    graph.operands(id).last().copied().filter(|shortcut| matches!(graph.node(*shortcut).op(), Op::Conv(_)))
}

/// One of the two convs.
struct Side {
    conv: NodeId,
    x: NodeId,
    stride: [usize; 2],
    kernel: Tensor,
    bias: Option<Tensor>,
}

impl Side {
    fn strided(&self) -> bool {
        self.stride != [1, 1]
    }
}

/// Two convs as one.
struct Joined {
    carrier: NodeId,
    carried: NodeId,
    sides: [Side; 2],
    op: Conv,
    kernel: Tensor,
    bias: Option<Tensor>,
}

fn join(
    graph: &Graph,
    carrier: NodeId,
    carried: NodeId,
    positions: &BTreeMap<NodeId, usize>,
) -> Result<Joined, String> {
    let node = graph.node(carried);
    if let Op::Conv(Conv { activation: Some(activation), .. }) = node.op() {
        return Err(format!("its shortcut `{}` applies {} before the add", node.name, activation.name()));
    }
    if let Op::Conv(Conv { shortcut: true, .. }) = node.op() {
        return Err(format!("its shortcut `{}` adds a shortcut of its own", node.name));
    }
    if let Some(reason) = seen_by_others(graph, carried, carrier) {
        return Err(reason);
    }
    let mut sides = [side(graph, carrier)?, side(graph, carried)?];
    // The block's own map comes first: it is the one without a stride, or the one that is computed last.
    sides.sort_by_key(|side| (side.strided(), Reverse(positions.get(&side.x).copied())));
    let [first, second] = &sides;
    let fill = || "its weights do not fill their shapes".to_owned();
    let outputs = graph.node(carrier).shape().0.get(1).copied().ok_or_else(fill)?;
    let [of_first, of_second] =
        [first, second].map(|side| side.kernel.values().len().checked_div(outputs).unwrap_or(0));
    let rows = first.kernel.values().chunks(of_first.max(1)).zip(second.kernel.values().chunks(of_second.max(1)));
    let weights: Vec<f32> = rows.flat_map(|(first, second)| first.iter().chain(second).copied()).collect();
    let kernel = Tensor::new([outputs, of_first + of_second, 1, 1], weights).ok_or_else(fill)?;
    let bias = match (&first.bias, &second.bias) {
        (None, None) => None,
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (Some(first), Some(second)) => {
            let pairs = first.values().iter().zip(second.values());
            let sums: Vec<f32> = pairs.map(|(a, b)| (f64::from(*a) + f64::from(*b)) as f32).collect();
            if !sums.iter().all(|sum| sum.is_finite()) {
                return Err("the sum of both biases would not fit in f32".to_owned());
            }
            Some(Tensor::new([outputs], sums).ok_or_else(fill)?)
        }
    };
    let Op::Conv(conv) = graph.node(carrier).op() else { return Err("it is no conv".to_owned()) };
    let op = Conv { stride: [1, 1], dilation: [1, 1], bias: bias.is_some(), shortcut: false, ..conv.clone() };
    Ok(Joined { carrier, carried, sides, op, kernel, bias })
}

/// What a conv brings along, if it is one of a pixel at a time.
fn side(graph: &Graph, id: NodeId) -> Result<Side, String> {
    let node = graph.node(id);
    let name = &node.name;
    let Op::Conv(conv) = node.op() else { return Err(format!("`{name}` is {}, no conv", node.op().name())) };
    if conv.kernel != [1, 1] {
        let [height, width] = conv.kernel;
        return Err(format!("conv `{name}` is {height}x{width}, not 1x1"));
    }
    if conv.padding != Padding::default() {
        return Err(format!("conv `{name}` pads its input"));
    }
    if conv.groups != 1 {
        return Err(format!("conv `{name}` has {} groups", conv.groups));
    }
    if conv.second.is_some() {
        return Err(format!("conv `{name}` has two results"));
    }
    let operands = graph.operands(id);
    let [x, kernel, rest @ ..] = operands.as_slice() else { return Err(format!("conv `{name}` has no weights")) };
    let bias = match rest {
        [bias, ..] if conv.bias => Some(constant_value(graph, *bias)?.clone()),
        _ => None,
    };
    Ok(Side { conv: id, x: *x, stride: conv.stride, kernel: constant_value(graph, *kernel)?.clone(), bias })
}

/// Whether the joined map costs no copy.
fn pays(graph: &Graph, joined: &Joined) -> Result<(), String> {
    let [first, second] = &joined.sides;
    if first.x == second.x {
        return Err(format!("`{}` would be copied to lie twice in one map", graph.node(first.x).name));
    }
    for side in &joined.sides {
        let node = graph.node(side.x);
        let name = &node.name;
        whole_blocks(graph, side.x)?;
        if side.strided() {
            // What lies in the joined map is a map of its own then.
            continue;
        }
        if !writes_part(node.op()) {
            return Err(format!("{} `{name}` would be copied into the joined map", node.op().name()));
        }
        for reader in graph.readers(side.x) {
            let other = graph.node(reader);
            if matches!(other.op(), Op::Concat { .. }) {
                return Err(format!("`{name}` lies in concat `{}` already", other.name));
            }
            if frames(graph, reader, side.x) {
                return Err(format!(
                    "conv `{}` reads `{name}` with a frame of zeros, which the whole joined map would have to have",
                    other.name
                ));
            }
        }
    }
    Ok(())
}

impl Joined {
    /// Puts the one conv in the carrier's place, and says so.
    fn put(self, graph: &mut Graph) -> Edit<String> {
        let [name, other] = [self.carrier, self.carried].map(|id| graph.node(id).name.clone());
        let [first, second] = &self.sides;
        let convs = [first.conv, second.conv];
        let [weight, second_name] = convs.map(|id| graph.node(id).name.clone());
        let mut parts = Vec::new();
        let mut what = format!("one conv with its shortcut `{other}`");
        for side in &self.sides {
            let (part, siblings) = if side.strided() { subsampled(graph, side, convs)? } else { (side.x, Vec::new()) };
            parts.push(part);
            if !siblings.is_empty() {
                what += &format!("; {} reads the same pixels", siblings.join(", "));
            }
        }
        let x = graph.add(format!("{name}.concat"), Op::Concat { operands: parts.len() }, &parts)?;
        let mut operands = vec![x, graph.constant(format!("{weight}.weight | {second_name}.weight"), self.kernel)];
        operands.extend(self.bias.map(|bias| graph.constant(format!("{weight}.bias + {second_name}.bias"), bias)));
        graph.replace(self.carrier, Op::Conv(self.op), &operands)?;
        graph.remove_unread(self.carried);
        Ok(what)
    }
}

/// The pixels that a strided conv reads, and the names of the other convs that read these now.
fn subsampled(graph: &mut Graph, side: &Side, convs: [NodeId; 2]) -> Edit<(NodeId, Vec<String>)> {
    let name = format!("{}.subsampled", graph.node(side.x).name);
    let others = graph.readers(side.x);
    let pixels = graph.add(name, Op::Subsample { stride: side.stride }, &[side.x])?;
    let mut siblings = Vec::new();
    for other in others.into_iter().filter(|other| !convs.contains(other)) {
        let node = graph.node(other);
        let Op::Conv(conv) = node.op() else { continue };
        let same = conv.kernel == [1, 1] && conv.stride == side.stride && conv.padding == Padding::default();
        let mut operands = graph.operands(other);
        let Some(first) = operands.first_mut().filter(|first| same && **first == side.x) else { continue };
        *first = pixels;
        siblings.push(format!("`{}`", node.name));
        graph.replace(other, Op::Conv(Conv { stride: [1, 1], ..conv.clone() }), &operands)?;
    }
    Ok((pixels, siblings))
}
