//! Operators that move elements: they read one tensor by places.

use super::super::attributes::{Node, attribute, axis};
use super::super::fold::{broadcast, extents};
use super::super::importer::{Failure, Importer, Outcome, refuse};
use super::super::literal::{Data, Literal, element};
use super::super::operators::Operator;
use super::super::shape;
use super::super::slice;
use super::super::value::Value;
use super::{Operand, Read, Recipe, Taken, binary, moved, nest, of, operand, permuted, repeated, taken};
use crate::ir::scalar::Combine;
use crate::ir::{Access, strides};

/// The function for an operator.
pub(super) fn find(operator: &str) -> Option<Operator> {
    Some(match operator {
        "Identity" => |_, node| node.value(0).cloned(),
        "Reshape" => |importer, node| again(importer, node, shape::reshape),
        "Flatten" => |importer, node| again(importer, node, shape::flatten),
        "Squeeze" => |importer, node| again(importer, node, shape::squeeze),
        "Unsqueeze" => |importer, node| again(importer, node, shape::unsqueeze),
        "Transpose" => transpose,
        "Slice" => cut,
        "Pad" => pad,
        "Concat" => concat,
        "Gather" => gather,
        "Expand" => expand,
        "Tile" => tile,
        "DepthToSpace" => depth_to_space,
        "SpaceToDepth" => space_to_depth,
        "Size" => size,
        _ => return None,
    })
}

/// The operator on views, on an array: its extents are as good as any.
fn again<'m>(importer: &mut Importer<'m>, node: &Node<'m>, operator: Operator) -> Outcome {
    let mut inputs = node.inputs.clone();
    if let Some(first) = inputs.first_mut() {
        *first = Some(operand(importer, node, 0)?.value());
    }
    operator(importer, &Node { proto: node.proto, name: node.name.clone(), opset: node.opset, inputs })
}

fn transpose<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let order = shape::order(node, x.dims.len())?;
    Ok(permuted(importer, &node.name, &x, &order)?.value())
}

fn cut<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let runs = slice::runs(node, shape::dims(node.value(0)?))?;
    super::cut(importer, &node.name, &node.value(0)?.clone(), &runs)
}

/// Pad in all modes; where an amount is below 0, the tensor becomes smaller there.
fn pad<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let mode = node.string("mode", "constant")?;
    let fill = match node.optional(2) {
        _ if node.has("value") => node.float("value", 0.0)?,
        Some(_) => {
            let values = operand(importer, node, 2)?.values();
            let values = values
                .ok_or_else(|| Failure::Unsupported("what it pads with depends on the network's input".to_owned()))?;
            values.first().copied().unwrap_or(0.0) as f32
        }
        None => 0.0,
    };
    let mut positions = Vec::with_capacity(x.dims.len());
    for ([before, after], extent) in slice::pads(node, x.dims.len())?.into_iter().zip(&x.dims) {
        if (before, after) == (0, 0) {
            positions.push(Taken::Whole);
            continue;
        }
        let length = *extent as i64;
        let end = length.checked_add(after).filter(|end| *end < 1 << 32 && before.unsigned_abs() < 1 << 32);
        let end = end.ok_or_else(|| refuse("E-ONNX-SHAPE", format!("it pads an axis by {before} and {after}")))?;
        let inside = |place: i64| usize::try_from(place).ok().filter(|place| place < extent);
        let place = |place: i64| match mode.as_str() {
            "constant" => Ok(inside(place)),
            "edge" => Ok(inside(place.clamp(0, (length - 1).max(0)))),
            "reflect" if length > 1 => {
                let period = 2 * (length - 1);
                let within = place.rem_euclid(period);
                Ok(inside(within.min(period - within)))
            }
            "reflect" => Ok(inside(0)),
            "wrap" => Ok(inside(place.rem_euclid(length.max(1)))),
            other => Err(attribute("mode", other, "\"constant\", \"edge\", \"reflect\" or \"wrap\"")),
        };
        importer.charge(Some(usize::try_from(end + before).unwrap_or(0)))?;
        positions.push(Taken::Listed((-before..end).map(place).collect::<Result<_, _>>()?));
    }
    Ok(taken(importer, &node.name, &x, &positions, fill)?.value())
}

/// Concat: each part is read where it belongs, and as 0 elsewhere.
fn concat<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let parts: Vec<Operand> =
        (0..node.inputs.len()).map(|position| operand(importer, node, position)).collect::<Result<_, _>>()?;
    Ok(joined(importer, &node.name, &parts, node.int("axis", 1)?)?.value())
}

/// Tensors one after the other along an axis.
pub(super) fn joined(
    importer: &mut Importer<'_>,
    name: &str,
    parts: &[Operand],
    along: i64,
) -> Result<Operand, Failure> {
    let Some(first) = parts.first() else { return Err(refuse("E-ONNX-SHAPE", "it joins nothing")) };
    let rank = first.dims.len();
    let axis = axis(along, rank)?;
    for part in parts {
        let agrees = part.dims.len() == rank
            && part.dims.iter().zip(&first.dims).enumerate().all(|(i, (a, b))| i == axis || a == b);
        if !agrees {
            let message = format!("it joins {:?} to {:?} along axis {axis}", part.dims, first.dims);
            return Err(refuse("E-ONNX-SHAPE", message));
        }
    }
    let extent = |part: &Operand| part.dims.get(axis).copied().unwrap_or(1);
    let total: usize = parts.iter().map(extent).sum();
    let mut dims = first.dims.clone();
    if let Some(slot) = dims.get_mut(axis) {
        *slot = total;
    }
    importer.charge(total.checked_mul(parts.len()))?;
    let mut start = 0;
    let mut reads: Vec<Read> = Vec::with_capacity(parts.len());
    for part in parts.iter().filter(|part| part.len() > 0) {
        let steps = strides(&part.dims);
        let step = steps.get(axis).copied().unwrap_or(1);
        let place = |index: usize| index.checked_sub(start).filter(|index| *index < extent(part));
        let (first, along) = moved(&(0..total).map(place).collect::<Vec<_>>(), step)?;
        let mut access = Access { start: first, ..Access::whole(&part.dims) };
        if let Some(slot) = access.axes.get_mut(axis) {
            *slot = along;
        }
        reads.push((part, access));
        start += extent(part);
    }
    // Two at a time; then all pairs, one after the other.
    let element = first.element;
    let mut so_far: Option<Operand> = None;
    for (index, pair) in reads.chunks(2).enumerate() {
        let name = format!("{name}.{index}");
        let two = nest(importer, &name, dims.clone(), &[], pair, Recipe::copy(element))?;
        so_far = Some(match so_far {
            None => two,
            Some(before) => binary(importer, &format!("{name}.joined"), &before, &two, Combine::Add, element)?,
        });
    }
    match so_far {
        Some(whole) => {
            let known = parts.first().and_then(|part| part.stands_for(importer));
            if parts.iter().all(|part| part.stands_for(importer) == known) {
                whole.declare(importer, known);
            }
            Ok(whole)
        }
        None => {
            let data =
                if element::is_whole(element) { Data::Int(Vec::new().into()) } else { Data::Float(Vec::new().into()) };
            of(importer, &Value::Constant(Literal { dims, data, element }))
        }
    }
}

/// Gather at known positions.
fn gather<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let along = axis(node.int("axis", 0)?, x.dims.len())?;
    let extent = x.dims.get(along).copied().unwrap_or(0);
    let chosen = node.literal(1)?.dims.clone();
    let mut positions = vec![Taken::Whole; x.dims.len()];
    let wrong = |_: Failure| refuse("E-ONNX-SHAPE", format!("it takes a position beyond the {extent} of axis {along}"));
    let taken_there: Vec<Option<usize>> = node
        .input_ints(1)?
        .iter()
        .map(|index| axis(*index, extent).map(Some).map_err(wrong))
        .collect::<Result<_, _>>()?;
    if let Some(slot) = positions.get_mut(along) {
        *slot = Taken::Listed(taken_there);
    }
    let result = taken(importer, &node.name, &x, &positions, 0.0)?;
    let (before, after) = x.dims.split_at_checked(along).unwrap_or_default();
    let dims = [before, &chosen, after.get(1..).unwrap_or_default()].concat();
    Ok(result.reshaped(dims).value())
}

fn expand<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let dims = broadcast(&x.dims, &extents(node.input_ints(1)?)?)?;
    let reads = [(&x, repeated(&x.dims, &dims))];
    Ok(nest(importer, &node.name, dims, &[], &reads, Recipe::copy(x.element))?.value())
}

/// Tile: of its first version, one axis; since version 6 all axes.
fn tile<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let one = |position: usize| node.input_ints(position).map(|values| values.first().copied().unwrap_or(0));
    let repeats: Vec<i64> = if node.opset < 6 {
        let (count, along) = (one(1)?, axis(one(2)?, x.dims.len())?);
        (0..x.dims.len()).map(|axis| if axis == along { count } else { 1 }).collect()
    } else {
        node.input_ints(1)?.to_vec()
    };
    if repeats.len() != x.dims.len() {
        return Err(refuse("E-ONNX-SHAPE", format!("it repeats {:?} by {repeats:?}", x.dims)));
    }
    let repeats = extents(&repeats)?;
    let mut positions = Vec::with_capacity(repeats.len());
    for (extent, times) in x.dims.iter().zip(&repeats) {
        importer.charge(extent.checked_mul(*times))?;
        positions.push(match times {
            1 => Taken::Whole,
            _ => Taken::Listed((0..extent * times).map(|index| Some(index % extent)).collect()),
        });
    }
    Ok(taken(importer, &node.name, &x, &positions, 0.0)?.value())
}

fn blocks(node: &Node<'_>, x: &Operand) -> Result<[usize; 5], Failure> {
    let size = node.int("blocksize", 0)?;
    let &[n, c, h, w] = x.dims.as_slice() else {
        return Err(refuse("E-ONNX-SHAPE", format!("it takes [N, C, H, W], got {:?}", x.dims)));
    };
    match usize::try_from(size) {
        Ok(size @ 1..=0xffff) => Ok([size, n, c, h, w]),
        _ => Err(attribute("blocksize", size, "1 or more")),
    }
}

fn depth_to_space<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let [size, n, c, h, w] = blocks(node, &x)?;
    let depth = c / (size * size);
    if depth * size * size != c {
        return Err(refuse("E-ONNX-SHAPE", format!("{c} channels are not made of blocks of {size} x {size}")));
    }
    let (dims, order) = match node.string("mode", "DCR")?.as_str() {
        "DCR" => (vec![n, size, size, depth, h, w], [0, 3, 4, 1, 5, 2]),
        "CRD" => (vec![n, depth, size, size, h, w], [0, 1, 4, 2, 5, 3]),
        other => return Err(attribute("mode", other, "\"DCR\" or \"CRD\"")),
    };
    let moved = permuted(importer, &node.name, &x.reshaped(dims), &order)?;
    Ok(moved.reshaped(vec![n, depth, h * size, w * size]).value())
}

fn space_to_depth<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let [size, n, c, h, w] = blocks(node, &x)?;
    if h % size != 0 || w % size != 0 {
        return Err(refuse("E-ONNX-SHAPE", format!("{h} x {w} pixels are not made of blocks of {size} x {size}")));
    }
    let dims = vec![n, c, h / size, size, w / size, size];
    let moved = permuted(importer, &node.name, &x.reshaped(dims), &[0, 3, 5, 1, 2, 4])?;
    Ok(moved.reshaped(vec![n, c * size * size, h / size, w / size]).value())
}

/// Size: how many elements there are.
fn size<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let count = operand(importer, node, 0)?.len();
    Ok(Value::Constant(Literal { dims: Vec::new(), data: Data::Int([count as i64].into()), element: element::INT64 }))
}
