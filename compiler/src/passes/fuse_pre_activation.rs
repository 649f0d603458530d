//! Lets a conv write two results: its sum, and what a normalisation with an activation, or an activation alone, makes of that.
//!
//! In pre-activation networks the sum of a block goes two ways: on as the shortcut, and through a batch normalisation and an activation
//! into the next block. The normalisation folds into no weights, since the sum itself is needed too. But it is arithmetic on one value at
//! a time, so the conv can do it while the sum is in a register. The conv's second result lies behind the first, and the sum and the
//! normalised sum are its slices.
//!
//! Right when the parameters are constants and both results are whole blocks of 16 channels: the second begins where the first ends.
//! A conv has two results at most.
//!
//! It pays where the sum is read by another layer, and is not just given out, which is done at once, so that the normalised sum is
//! written over it; and where both are read where they lie: by operations that read some channels of a larger map, and no concat, which the conv
//! by itself writes into directly. And both share one frame of zeros: so where a conv of one pixel reads either without a frame, and
//! goes over the pixels of a map as over one row, no other conv may want one.

use super::{Eagerness, PassReport, affine, chained, frames, whole_blocks};
use crate::ir::{Activation, Conv, Edit, Graph, NodeId, Op, SecondResult, Tensor};
use crate::plan::layout::reads_part;

pub(super) fn run(graph: &mut Graph, eagerness: Eagerness) -> Edit<PassReport> {
    let mut report = PassReport::new("fuse_pre_activation");
    for id in graph.topological() {
        let name = graph.node(id).name.clone();
        let conv = match read_conv(graph, id) {
            Some(Read::One(conv)) => conv,
            Some(Read::Two(conv)) => {
                report.refused(name, format!("conv `{}` has two results already", graph.node(conv).name));
                continue;
            }
            None => continue,
        };
        let pays = match eagerness {
            Eagerness::WherePays => pays(graph, conv, id),
            Eagerness::WhereRight => Ok(()),
        };
        match pays.map_err(|reason| format!("does not pay: {reason}")).and_then(|()| second(graph, conv, id)) {
            Ok(second) => {
                let writer = graph.node(conv).name.clone();
                fuse(graph, conv, id, second)?;
                report.changed(name, format!("the second result of conv `{writer}`"));
            }
            Err(reason) => report.refused(name, reason),
        }
    }
    Ok(report)
}

/// A conv whose result is read: one with just that, or one with two.
enum Read {
    One(NodeId),
    Two(NodeId),
}

/// The conv whose result a normalisation or an activation reads beside others.
fn read_conv(graph: &Graph, id: NodeId) -> Option<Read> {
    let read = *graph.operands(id).first()?;
    match (graph.node(id).op(), graph.node(read).op()) {
        (Op::BatchNorm(_) | Op::Activation(_), Op::Conv(_)) if graph.only_reader(read) != Some(id) => {
            Some(Read::One(read))
        }
        (Op::BatchNorm(_) | Op::Activation(_), Op::Slice { .. }) => {
            let of = *graph.operands(read).first()?;
            matches!(graph.node(of).op(), Op::Conv(Conv { second: Some(_), .. })).then_some(Read::Two(of))
        }
        _ => None,
    }
}

/// What a conv is to do for its second result.
struct Second {
    activation: Option<Activation>,
    scale: Tensor,
    shift: Tensor,
}

fn second(graph: &Graph, conv: NodeId, id: NodeId) -> Result<Second, String> {
    whole_blocks(graph, conv)?;
    if let Some(reason) = chained(graph, conv).or_else(|| chained(graph, id)) {
        return Err(reason);
    }
    let channels = graph.node(conv).shape().0.get(1).copied().unwrap_or(0);
    let (row, activation): (&[NodeId], _) = match graph.node(id).op() {
        Op::Activation(activation) => (&[], Some(*activation)),
        op => (&[id], op.activation()),
    };
    let lines = affine::lines(graph, row, channels)?;
    let fits = |value: f64| (value as f32).is_finite();
    if !lines.iter().all(|line| fits(line.scale) && fits(line.shift)) {
        return Err("its scale or shift would not fit in f32".to_owned());
    }
    let vector = |values: Vec<f32>| Tensor::new([channels], values).ok_or("its parameters do not fill their shape");
    let scale = vector(lines.iter().map(|line| line.scale as f32).collect())?;
    let shift = vector(lines.iter().map(|line| line.shift as f32).collect())?;
    Ok(Second { activation, scale, shift })
}

/// Whether both results are read where they lie.
fn pays(graph: &Graph, conv: NodeId, id: NodeId) -> Result<(), String> {
    if graph.readers(conv).iter().all(|reader| *reader == id) {
        let name = &graph.node(conv).name;
        return Err(format!("beside it, `{name}` is only given out, at once, and takes no room of its own"));
    }
    let (mut framed, mut flat) = (None, None);
    for result in [conv, id] {
        for reader in graph.readers(result).into_iter().filter(|reader| *reader != id) {
            let node = graph.node(reader);
            let name = node.name.clone();
            match node.op() {
                Op::Concat { .. } => return Err(format!("`{}` lies in concat `{name}`", graph.node(result).name)),
                op if !reads_part(op) => return Err(format!("it would be copied for {} `{name}`", op.name())),
                Op::Conv(_) if frames(graph, reader, result) => framed = Some(name),
                Op::Conv(Conv { stride: [1, 1], .. }) if graph.operands(reader).first() == Some(&result) => {
                    flat = Some(name);
                }
                _ => {}
            }
        }
    }
    match (framed, flat) {
        (Some(framed), Some(flat)) => Err(format!(
            "conv `{framed}` wants a frame of zeros, without which conv `{flat}` goes over a map as over one row"
        )),
        _ => Ok(()),
    }
}

/// Puts a conv of two results in the place of one and its normalisation, which become its slices.
fn fuse(graph: &mut Graph, conv: NodeId, id: NodeId, second: Second) -> Edit<()> {
    let Op::Conv(op) = graph.node(conv).op().clone() else { return Ok(()) };
    let name = format!("{} | {}", graph.node(conv).name, graph.node(id).name);
    let channels = graph.node(conv).shape().0.get(1).copied().unwrap_or(0);
    let mut operands = graph.operands(conv);
    let at = operands.len() - usize::from(op.shortcut);
    let scale = graph.constant(format!("{name}.scale"), second.scale);
    let shift = graph.constant(format!("{name}.shift"), second.shift);
    operands.splice(at..at, [scale, shift]);
    let op = Conv { second: Some(SecondResult { activation: second.activation }), ..op };
    let both = graph.add(name, Op::Conv(op), &operands)?;
    graph.replace(conv, Op::Slice { channels: [0, channels] }, &[both])?;
    graph.replace(id, Op::Slice { channels: [channels, 2 * channels] }, &[both])
}
