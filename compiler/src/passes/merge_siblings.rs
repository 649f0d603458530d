//! Makes convs that read the same map with the same kernel size one conv, whose outputs they share.
//!
//! The outputs of a conv do not see each other. So convs of equal kernel size, stride, padding and dilation, without
//! groups, over one map are one conv with their kernels one behind the other, and each old result is a [`Op::Slice`] of its
//! channels. Right when none of them adds a shortcut. An activation that all of them apply is the one conv's;
//! where they differ the one conv applies none, and each slice gets its own as a node.
//!
//! It pays where the map is read once instead of several times and nothing is added: activations agree, since one of its own is a step
//! more; every part but the last ends with a whole block of 16 channels, and goes to operations alone that read some
//! channels of a larger map where they lie. That is no concat, which the conv by itself writes into directly, and no
//! shortcut, which a conv by itself writes over. And all parts share one frame of zeros: so either each part is
//! read by a conv that wants a frame, however wide, or none is.

use super::{BLOCK, Eagerness, PassReport, constant_value, frames};
use crate::ir::{Activation, Conv, Edit, Graph, NodeId, Op, Shape, Tensor};
use crate::plan::layout::reads_part;

pub(super) fn run(graph: &mut Graph, eagerness: Eagerness) -> Edit<PassReport> {
    let mut report = PassReport::new("merge_siblings");
    for x in graph.topological().into_iter().filter(|x| graph.value(*x).is_none()).collect::<Vec<_>>() {
        for family in families(graph, x) {
            let mut siblings = Vec::new();
            for conv in family {
                match sibling(graph, conv) {
                    Ok(sibling) => siblings.push(sibling),
                    Err(reason) => report.refused(graph.node(conv).name.clone(), reason),
                }
            }
            let parties = match eagerness {
                Eagerness::WhereRight => vec![siblings],
                Eagerness::WherePays if siblings.len() > 1 => worthwhile(graph, siblings, &mut report),
                Eagerness::WherePays => Vec::new(),
            };
            for party in parties.into_iter().filter(|party| party.len() > 1) {
                merge(graph, x, &party, &mut report)?;
            }
        }
    }
    Ok(report)
}

/// The convs that read a node as their input, without groups and alike but for their weights, shortcut and activation; two or more.
fn families(graph: &Graph, x: NodeId) -> Vec<Vec<NodeId>> {
    let mut families: Vec<(Conv, Vec<NodeId>)> = Vec::new();
    let mut readers = graph.readers(x);
    readers.dedup();
    for reader in readers {
        let Op::Conv(conv) = graph.node(reader).op() else { continue };
        if conv.groups != 1 || conv.second.is_some() || graph.operands(reader).first() != Some(&x) {
            continue;
        }
        let alike = Conv { bias: false, shortcut: false, activation: None, ..conv.clone() };
        match families.iter_mut().find(|(conv, _)| *conv == alike) {
            Some((_, family)) => family.push(reader),
            None => families.push((alike, vec![reader])),
        }
    }
    families.into_iter().map(|(_, family)| family).filter(|family| family.len() > 1).collect()
}

/// A conv that may be merged.
struct Sibling {
    id: NodeId,
    op: Conv,
    outputs: usize,
    kernel: Tensor,
    bias: Option<Tensor>,
}

fn sibling(graph: &Graph, id: NodeId) -> Result<Sibling, String> {
    let Op::Conv(op) = graph.node(id).op().clone() else { return Err("it is no conv".to_owned()) };
    let operands = graph.operands(id);
    if op.shortcut {
        let shortcut = operands.last().map(|shortcut| graph.node(*shortcut).name.as_str()).unwrap_or_default();
        return Err(format!("it adds the shortcut `{shortcut}`"));
    }
    let [_, kernel, rest @ ..] = operands.as_slice() else { return Err("it has no weights".to_owned()) };
    let kernel = constant_value(graph, *kernel)?.clone();
    let bias = rest.first().map(|bias| constant_value(graph, *bias).cloned()).transpose()?;
    let outputs = kernel.shape().0.first().copied().unwrap_or(0);
    Ok(Sibling { id, op, outputs, kernel, bias })
}

/// Siblings whose parts of one map cost nothing.
struct Party {
    activation: Option<Activation>,
    framed: bool,
    siblings: Vec<Sibling>,
}

/// The siblings among which merging pays; the others are refused with the reason.
fn worthwhile(graph: &Graph, siblings: Vec<Sibling>, report: &mut PassReport) -> Vec<Vec<Sibling>> {
    let mut parties: Vec<Party> = Vec::new();
    let mut refuse = |sibling: &Sibling, reason: &str| {
        report.refused(graph.node(sibling.id).name.clone(), format!("does not pay: {reason}"));
    };
    for sibling in siblings {
        let framed = match read_where_it_lies(graph, sibling.id) {
            Ok(framed) => framed,
            Err(reason) => {
                refuse(&sibling, &reason);
                continue;
            }
        };
        let activation = sibling.op.activation;
        match parties.iter_mut().find(|party| party.activation == activation && party.framed == framed) {
            Some(party) => party.siblings.push(sibling),
            None => parties.push(Party { activation, framed, siblings: vec![sibling] }),
        }
    }
    let last = parties.iter().map(|party| party.siblings.len()).sum::<usize>() == 1;
    let mut chosen = Vec::new();
    for Party { activation, framed, siblings } in parties {
        // One that ends within a block may be the last.
        let (mut party, broken): (Vec<_>, Vec<_>) =
            siblings.into_iter().partition(|sibling| sibling.outputs.is_multiple_of(BLOCK));
        let alone = party.len() + broken.len() == 1;
        for sibling in broken {
            if party.last().is_none_or(|last| last.outputs.is_multiple_of(BLOCK)) {
                party.push(sibling);
            } else {
                let reason = format!(
                    "it has {} outputs, no multiple of {BLOCK}, and another has to be the last",
                    sibling.outputs
                );
                refuse(&sibling, &reason);
            }
        }
        if alone && let [sibling] = party.as_slice() {
            let applies = activation.map_or("no activation", Activation::name);
            let (reads, share) = if framed { ("with a frame", "have") } else { ("without a frame", "lack") };
            let reason = if last {
                "no other conv is left to merge it with".to_owned()
            } else {
                format!("no other applies {applies} and is read {reads} of zeros, which all parts of one map {share}")
            };
            refuse(sibling, &reason);
        }
        chosen.push(party);
    }
    chosen
}

/// Whether all that read a conv's result can read it as some channels of a larger map, and whether one of them wants a frame.
fn read_where_it_lies(graph: &Graph, id: NodeId) -> Result<bool, String> {
    let mut framed = false;
    for reader in graph.readers(id) {
        let node = graph.node(reader);
        let name = &node.name;
        match node.op() {
            Op::Conv(_) if graph.operands(reader).last() == Some(&id) => {
                return Err(format!("conv `{name}` writes over it as its shortcut"));
            }
            Op::Concat { .. } => return Err(format!("it lies in concat `{name}`, and would be copied there")),
            op if !reads_part(op) => return Err(format!("it would be copied for {} `{name}`", op.name())),
            _ => framed |= frames(graph, reader, id),
        }
    }
    Ok(framed)
}

/// Puts one conv in the place of several; each of them becomes its slice.
fn merge(graph: &mut Graph, x: NodeId, party: &[Sibling], report: &mut PassReport) -> Edit<()> {
    let names: Vec<_> = party.iter().map(|sibling| graph.node(sibling.id).name.clone()).collect();
    let Some(first) = party.first() else { return Ok(()) };
    let agree = party.iter().all(|sibling| sibling.op.activation == first.op.activation);
    let bias = party.iter().any(|sibling| sibling.bias.is_some());
    let op = Conv { bias, activation: first.op.activation.filter(|_| agree), ..first.op.clone() };
    let outputs: usize = party.iter().map(|sibling| sibling.outputs).sum();
    let name = names.join(" | ");
    let mut extents = first.kernel.shape().0.clone();
    if let Some(extent) = extents.first_mut() {
        *extent = outputs;
    }
    let weights: Vec<f32> = party.iter().flat_map(|sibling| sibling.kernel.values()).copied().collect();
    let biases: Vec<f32> = party
        .iter()
        .flat_map(|sibling| match &sibling.bias {
            Some(bias) => bias.values().to_vec(),
            None => vec![0.0; sibling.outputs],
        })
        .collect();
    let (Some(kernel), Some(biases)) = (Tensor::new(Shape(extents), weights), Tensor::new([outputs], biases)) else {
        report.refused(name, "their weights do not fill their shapes");
        return Ok(());
    };
    let mut operands = vec![x, graph.constant(format!("{name}.weight"), kernel)];
    if bias {
        operands.push(graph.constant(format!("{name}.bias"), biases));
    }
    let merged = graph.add(name.clone(), Op::Conv(op), &operands)?;
    let mut begin = 0;
    for (sibling, own) in party.iter().zip(&names) {
        let slice = Op::Slice { channels: [begin, begin + sibling.outputs] };
        begin += sibling.outputs;
        match sibling.op.activation.filter(|_| !agree) {
            Some(activation) => {
                let slice = graph.add(format!("{own}.slice"), slice, &[merged])?;
                graph.replace(sibling.id, Op::Activation(activation), &[slice])?;
            }
            None => graph.replace(sibling.id, slice, &[merged])?,
        }
        report.changed(own.clone(), format!("a part of conv `{name}`"));
    }
    Ok(())
}
