//! Slice, Split, Pad and Concat: of constants, and what residual networks do with maps.

use super::attributes::{Node, attribute, axis};
use super::fold;
use super::general;
use super::importer::{Failure, Importer, Outcome, array_read, refuse};
use super::literal::Literal;
use super::pool::zeros;
use super::shape::dims;
use super::value::{NCHW, NHWC, Value, View, natural};
use crate::ir::{NodeId, Op, Pad, Padding};

/// A run of positions along an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The first.
    pub start: usize,
    /// Their distance; negative runs backwards.
    pub step: i64,
    /// How many.
    pub count: usize,
}

/// Slice; of a map, what takes a run of channels, or every so many rows or columns.
pub(super) fn slice<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let value = node.value(0)?;
    let runs = runs(node, dims(value))?;
    match value {
        Value::Constant(literal) => Ok(Value::Constant(fold::sliced(importer, literal, &runs)?)),
        Value::Computed(view) => part(importer, &node.name, view, &runs),
        Value::Array(_) => Err(array_read()),
        Value::Text(_) | Value::Unknown => Ok(Value::Unknown),
    }
}

/// What a Slice takes of each axis of a tensor of such extents.
pub(super) fn runs(node: &Node<'_>, from: &[usize]) -> Result<Vec<Run>, Failure> {
    let missing = || refuse("E-ONNX-ATTR", "it lacks its starts or ends");
    let starts = node.ints_either("starts", 1)?.ok_or_else(missing)?;
    let ends = node.ints_either("ends", 2)?.ok_or_else(missing)?;
    let axes: Vec<usize> = match node.ints_either("axes", 3)? {
        Some(axes) => axes.iter().map(|value| axis(*value, from.len())).collect::<Result<_, _>>()?,
        None => (0..starts.len()).collect(),
    };
    let steps = match node.optional(4) {
        Some(_) => node.input_ints(4)?.to_vec(),
        None => vec![1; starts.len()],
    };
    let lengths = [ends.len(), axes.len(), steps.len()];
    if lengths.iter().any(|length| *length != starts.len()) || steps.contains(&0) {
        return Err(refuse("E-ONNX-ATTR", "its starts, ends, axes and steps do not go together"));
    }
    let mut runs: Vec<Run> = from.iter().map(|extent| Run { start: 0, step: 1, count: *extent }).collect();
    for (((start, end), axis), step) in starts.iter().zip(ends).zip(&axes).zip(&steps) {
        let (Some(extent), Some(run)) = (from.get(*axis), runs.get_mut(*axis)) else { return Err(missing()) };
        *run = self::run(*start, *end, *step, *extent);
    }
    Ok(runs)
}

/// The positions from `start` to before `end`, by the standard's rule of clamping.
fn run(start: i64, end: i64, step: i64, extent: usize) -> Run {
    let length = extent as i64;
    let wrap = |value: i64| if value < 0 { value.saturating_add(length) } else { value };
    let (start, distance) = if step > 0 {
        let start = wrap(start).clamp(0, length);
        (start, wrap(end).clamp(0, length) - start)
    } else {
        let start = wrap(start).clamp(0, (length - 1).max(0));
        (start, start - wrap(end).clamp(-1, length - 1))
    };
    let stride = step.unsigned_abs();
    let count = u64::try_from(distance).unwrap_or(0).div_ceil(stride.max(1));
    Run { start: usize::try_from(start).unwrap_or(0), step, count: usize::try_from(count).unwrap_or(0).min(extent) }
}

/// Split along the channels.
pub(super) fn split<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let value = node.value(0)?.clone();
    let from = dims(&value).to_vec();
    let axis = axis(node.int("axis", 0)?, from.len())?;
    let extent = from.get(axis).copied().unwrap_or(0);
    let names = &node.proto.output;
    let lengths: Vec<usize> = match node.ints_either("split", 1)? {
        Some(lengths) => lengths.iter().filter_map(|length| usize::try_from(*length).ok()).collect(),
        // Equal parts, but for a smaller last one.
        None => {
            let each = extent.div_ceil(names.len().max(1));
            (0..names.len()).map(|index| each.min(extent.saturating_sub(index.saturating_mul(each)))).collect()
        }
    };
    let total = lengths.iter().try_fold(0_usize, |total, length| total.checked_add(*length));
    let empty = lengths.contains(&0) && !matches!(value, Value::Constant(_));
    if lengths.len() != names.len() || total != Some(extent) || empty {
        let message = format!("it splits {extent} positions into {lengths:?}, for {} outputs", names.len());
        return Err(refuse("E-ONNX-SHAPE", message));
    }
    let (mut first, mut start) = (Value::Unknown, 0);
    for (index, (name, length)) in names.iter().zip(&lengths).enumerate() {
        let run = |(other, extent): (usize, &usize)| match other == axis {
            true => Run { start, step: 1, count: *length },
            false => Run { start: 0, step: 1, count: *extent },
        };
        let runs: Vec<Run> = from.iter().enumerate().map(run).collect();
        let part = match &value {
            Value::Constant(literal) => Value::Constant(fold::sliced(importer, literal, &runs)?),
            Value::Computed(_) | Value::Array(_) => {
                let name = format!("{}.{index}", node.name);
                let special = match &value {
                    Value::Computed(view) => part(importer, &name, view, &runs),
                    _ => Err(array_read()),
                };
                match special {
                    Err(Failure::Unsupported(_)) => general::cut(importer, &name, &value, &runs)?,
                    other => other?,
                }
            }
            Value::Text(_) | Value::Unknown => Value::Unknown,
        };
        if index == 0 {
            first = part;
        } else if !name.is_empty() {
            importer.define(name, part);
        }
        start += length;
    }
    Ok(first)
}

/// The part of a computed value that some runs take.
fn part<'m>(importer: &mut Importer<'m>, name: &str, view: &View, runs: &[Run]) -> Outcome {
    let unsupported = || {
        let reason = format!(
            "it takes a part of a computed value of shape {:?}; only a run of channels and a stride over height and width are supported",
            view.dims
        );
        Failure::Unsupported(reason)
    };
    let whole = |run: &Run, extent: usize| *run == Run { start: 0, step: 1, count: extent };
    if runs.iter().zip(&view.dims).all(|(run, extent)| whole(run, *extent)) {
        return Ok(Value::Computed(view.clone()));
    }
    let Some(order) = view.layout(importer.shape(view)) else {
        let [images, features] = runs else { return Err(unsupported()) };
        if !whole(images, view.dims.first().copied().unwrap_or(0)) || features.step != 1 || features.count == 0 {
            return Err(unsupported());
        }
        let x = importer.vector(view)?;
        let channels = [features.start, features.start + features.count];
        let id = importer.add(name, Op::Slice { channels }, &[x])?;
        return Ok(importer.whole(id));
    };
    let mut channels = None;
    let mut stride = [1_usize, 1];
    for ((run, extent), axis) in runs.iter().zip(&view.dims).zip(order) {
        let step = usize::try_from(run.step).map_err(|_| unsupported())?;
        let every = run.start == 0 && run.count == extent.div_ceil(step.max(1));
        match axis {
            2 if every => stride[0] = step,
            3 if every => stride[1] = step,
            _ if whole(run, *extent) => {}
            1 if run.step == 1 && run.count > 0 => channels = Some([run.start, run.start + run.count]),
            _ => return Err(unsupported()),
        }
    }
    // Of two strides in a row, one after the other, only their product is left.
    let mut x = view.node;
    if let Some(channels) = channels {
        x = importer.add(name, Op::Slice { channels }, &[x])?;
        if stride == [1, 1] {
            return Ok(Value::Computed(View::permuted(x, importer.graph.node(x).shape(), &order)));
        }
    }
    if let Op::Subsample { stride: first } = importer.graph.node(x).op() {
        let product = (first[0].checked_mul(stride[0]), first[1].checked_mul(stride[1]));
        if let ((Some(rows), Some(columns)), [source]) = (product, importer.graph.operands(x).as_slice()) {
            (x, stride) = (*source, [rows, columns]);
        }
    }
    let id = importer.add(name, Op::Subsample { stride }, &[x])?;
    Ok(Value::Computed(View::permuted(id, importer.graph.node(id).shape(), &order)))
}

/// Pad with zeros around a map.
pub(super) fn pad<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let view = node.view(0)?;
    let mode = node.string("mode", "constant")?;
    let fill = if node.has("value") { node.float("value", 0.0)? } else { 0.0 };
    let filled = node.optional_literal(2)?.is_some_and(|value| !zeros(value));
    if mode != "constant" || fill != 0.0 || filled {
        return Err(Failure::Unsupported("it pads with something else than 0".to_owned()));
    }
    let around: Option<Vec<[usize; 2]>> = pads(node, view.dims.len())?
        .into_iter()
        .map(|[before, after]| Some([usize::try_from(before).ok()?, usize::try_from(after).ok()?]))
        .collect();
    let Some(around) = around else { return Err(Failure::Unsupported("it takes away rows or columns".to_owned())) };
    padded(importer, node, view, &around)
}

/// What a Pad adds before and after each axis; below 0 it takes away.
pub(super) fn pads(node: &Node<'_>, rank: usize) -> Result<Vec<[i64; 2]>, Failure> {
    let Some(pads) = node.ints_either(if node.opset < 2 { "paddings" } else { "pads" }, 1)? else {
        return Err(attribute("pads", (), "what to add before and after each axis"));
    };
    let axes: Vec<usize> = match node.optional(3) {
        Some(_) => node.input_ints(3)?.iter().map(|value| axis(*value, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(attribute("pads", pads, "numbers, before and after each axis"));
    }
    let (before, after) = pads.split_at(axes.len());
    let mut around = vec![[0, 0]; rank];
    for ((axis, before), after) in axes.iter().zip(before).zip(after) {
        if let Some(slot) = around.get_mut(*axis) {
            *slot = [*before, *after];
        }
    }
    Ok(around)
}

fn padded<'m>(importer: &mut Importer<'m>, node: &Node<'m>, view: &View, around: &[[usize; 2]]) -> Outcome {
    if around.iter().all(|amounts| *amounts == [0, 0]) {
        return Ok(Value::Computed(view.clone()));
    }
    let unsupported =
        || Failure::Unsupported(format!("it pads a value of shape {:?} that is not a map, or its batch", view.dims));
    let order = view.layout(importer.shape(view)).ok_or_else(unsupported)?;
    let mut logical = [[0, 0]; 4];
    for (axis, amounts) in order.iter().zip(around) {
        if let Some(slot) = logical.get_mut(*axis) {
            *slot = *amounts;
        }
    }
    let [batch, channels, [top, bottom], [left, right]] = logical;
    if batch != [0, 0] {
        return Err(unsupported());
    }
    let pad = Pad { channels, spatial: Padding { top, left, bottom, right } };
    let id: NodeId = importer.add(&node.name, Op::Pad(pad), &[view.node])?;
    Ok(Value::Computed(View::permuted(id, importer.graph.node(id).shape(), &order)))
}

/// Concat of constants, of computed values along their channels, and of a map with constant zeros, which pads it.
pub(super) fn concat<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let mut literals: Vec<&Literal> = Vec::new();
    let mut computed: Vec<(usize, &View)> = Vec::new();
    for position in 0..node.inputs.len() {
        match node.value(position)? {
            Value::Constant(literal) => literals.push(literal),
            Value::Computed(view) => computed.push((position, view)),
            Value::Array(_) => return Err(array_read()),
            Value::Text(_) | Value::Unknown => return Ok(Value::Unknown),
        }
    }
    let given = node.int("axis", 1)?;
    match computed.as_slice() {
        [] => {
            let rank = literals.first().map_or(0, |literal| literal.dims.len());
            Ok(Value::Constant(fold::concatenated(importer, &literals, axis(given, rank)?)?))
        }
        [(position, view)] if literals.iter().all(|literal| zeros(literal)) => {
            let axis = axis(given, view.dims.len())?;
            let mut around = vec![[0, 0]; view.dims.len()];
            for (index, value) in node.inputs.iter().enumerate().filter(|(index, _)| index != position) {
                let other = value.as_ref().map(dims).unwrap_or_default();
                let agrees = other.len() == view.dims.len()
                    && other.iter().zip(&view.dims).enumerate().all(|(i, (a, b))| i == axis || a == b);
                let (Some([before, after]), Some(extent), true) = (around.get_mut(axis), other.get(axis), agrees)
                else {
                    return Err(refuse("E-ONNX-SHAPE", format!("it joins {other:?} to {:?}", view.dims)));
                };
                *(if index < *position { before } else { after }) += extent;
            }
            padded(importer, node, view, &around)
        }
        _ if literals.is_empty() => {
            let views: Vec<View> = computed.iter().map(|(_, view)| (*view).clone()).collect();
            joined(importer, node, &views, given)
        }
        _ => Err(Failure::Unsupported(
            "it joins constants to several computed values; only zeros to a single one are supported".to_owned(),
        )),
    }
}

/// Computed values one behind the other.
fn joined<'m>(importer: &mut Importer<'m>, node: &Node<'m>, views: &[View], given: i64) -> Outcome {
    let Some(first) = views.first() else { return Ok(Value::Unknown) };
    let axis = axis(given, first.dims.len())?;
    let unsupported = || {
        let dims: Vec<_> = views.iter().map(|view| &view.dims).collect();
        Failure::Unsupported(format!("it joins {dims:?} along axis {axis}, which is not the channels of all of them"))
    };
    if let Some(order) = first.layout(importer.shape(first)) {
        // A map of which all axes but the channels are 1 is laid out in either way; so the others decide.
        let fits = |order: [usize; 4]| {
            order.get(axis) == Some(&1)
                && views.iter().all(|view| {
                    let shape = importer.shape(view);
                    let natural = order.map(|axis| natural(shape, &[axis]));
                    shape.rank() == 4 && view.axes == natural
                })
        };
        let order = [order, NCHW, NHWC].into_iter().find(|order| fits(*order)).ok_or_else(unsupported)?;
        let operands: Vec<NodeId> = views.iter().map(|view| view.node).collect();
        let id = importer.add(&node.name, Op::Concat { operands: operands.len() }, &operands)?;
        return Ok(Value::Computed(View::permuted(id, importer.graph.node(id).shape(), &order)));
    }
    if axis != 1 || first.dims.len() != 2 {
        return Err(unsupported());
    }
    let operands: Vec<NodeId> = views.iter().map(|view| importer.vector(view)).collect::<Result<_, _>>()?;
    let id = importer.add(&node.name, Op::Concat { operands: operands.len() }, &operands)?;
    Ok(importer.whole(id))
}
