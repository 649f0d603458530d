//! Constants computed from constants: the arithmetic of shapes, and of weights.
//!
//! Every result counts against a limit before it is made, so a small file cannot ask for much memory or time.

use super::attributes::{Node, attribute, axis};
use super::importer::{Failure, Importer, Outcome, array_read, refuse};
use super::literal::{self, Data, LARGEST_RANK, Literal, elements};
use super::slice::Run;
use super::value::Value;

/// An operation on two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`, towards zero for integers.
    Div,
}

/// Constant.
pub(super) fn constant<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    if let Some(tensor) = node.tensor("value")? {
        return importer.tensor(tensor);
    }
    if let Some(tensor) = node.sparse_tensor("sparse_value")? {
        return Ok(Value::Constant(importer.dense(tensor)?));
    }
    if let Some(values) = node.floats("value_floats")? {
        return Ok(Value::Constant(Literal::new(vec![values.len()], Data::Float(values.into()))));
    }
    if let Some(values) = node.ints("value_ints")? {
        return Ok(Value::Constant(Literal::ints(values.to_vec())));
    }
    let data = if node.has("value_float") {
        Data::Float([node.float("value_float", 0.0)?].into())
    } else if node.has("value_int") {
        Data::Int([node.int("value_int", 0)?].into())
    } else {
        return Err(refuse("E-ONNX-TYPE", "its value is neither a tensor, nor numbers"));
    };
    Ok(Value::Constant(Literal::new(Vec::new(), data)))
}

/// ConstantOfShape.
pub(super) fn constant_of_shape<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let dims = extents(node.input_ints(0)?)?;
    let count = importer.charge(elements(&dims))?;
    let value = node.tensor("value")?.map(|tensor| literal::read(tensor, &mut importer.external)).transpose()?;
    let data = match value.map(|value| value.data) {
        None => Data::Float(std::iter::repeat_n(0.0, count).collect()),
        Some(Data::Float(values)) if values.len() == 1 => {
            Data::Float(values.iter().copied().cycle().take(count).collect())
        }
        Some(Data::Int(values)) if values.len() == 1 => Data::Int(values.iter().copied().cycle().take(count).collect()),
        Some(_) => return Err(attribute("value", "a tensor", "one number")),
    };
    Ok(Value::Constant(Literal::new(dims, data)))
}

/// Gather of constants.
pub(super) fn gather<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let from = node.literal(0)?;
    let axis = axis(node.int("axis", 0)?, from.dims.len())?;
    let extent = from.dims.get(axis).copied().unwrap_or(0);
    let positions: Vec<usize> =
        node.input_ints(1)?.iter().map(|index| self::axis(*index, extent)).collect::<Result<_, _>>().map_err(
            |_: Failure| refuse("E-ONNX-SHAPE", format!("it takes a position beyond the {extent} of axis {axis}")),
        )?;
    let chosen = &node.literal(1)?.dims;
    let (before, after) = from.dims.split_at_checked(axis).unwrap_or_default();
    let after = after.get(1..).unwrap_or_default();
    let dims: Vec<usize> = [before, chosen, after].concat();
    if dims.len() > LARGEST_RANK {
        return Err(refuse("E-ONNX-SHAPE", format!("its result has {} axes", dims.len())));
    }
    importer.charge(elements(&dims))?;
    let (outer, inner) = (before.iter().product::<usize>(), after.iter().product::<usize>());
    let sources = (0..outer).flat_map(|o| {
        positions.iter().flat_map(move |position| {
            let start = (o * extent + position) * inner;
            start..start + inner
        })
    });
    Ok(Value::Constant(Literal { dims, data: picked(&from.data, sources), element: from.element }))
}

/// Expand of constants.
pub(super) fn expand<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let target = extents(node.input_ints(1)?)?;
    let from = match node.value(0)? {
        Value::Constant(literal) => literal,
        Value::Computed(view) => {
            return if broadcast(&view.dims, &target)? == view.dims {
                Ok(Value::Computed(view.clone()))
            } else {
                Err(Failure::Unsupported("it repeats a computed value".to_owned()))
            };
        }
        Value::Array(_) => return Err(array_read()),
        Value::Text(_) | Value::Unknown => return Ok(Value::Unknown),
    };
    let dims = broadcast(&from.dims, &target)?;
    importer.charge(elements(&dims))?;
    let data = picked(&from.data, sources(&dims, &strides(&from.dims, dims.len())));
    Ok(Value::Constant(Literal { dims, data, element: from.element }))
}

/// Range of numbers.
pub(super) fn range<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    if let (Some(&[start]), Some(&[limit]), Some(&[step])) = (
        node.literal(0)?.as_floats().map(|values| values.as_ref()),
        node.literal(1)?.as_floats().map(|values| values.as_ref()),
        node.literal(2)?.as_floats().map(|values| values.as_ref()),
    ) {
        let count = ((f64::from(limit) - f64::from(start)) / f64::from(step)).ceil().max(0.0);
        if step == 0.0 || !count.is_finite() {
            return Err(refuse("E-ONNX-SHAPE", format!("it counts from {start} to {limit} by {step}")));
        }
        let count = importer.charge(if count < 4e9 { Some(count as usize) } else { None })?;
        let values: Vec<f32> = (0..count).map(|index| start + index as f32 * step).collect();
        return Ok(Value::Constant(Literal::new(vec![count], Data::Float(values.into()))));
    }
    let one = |position: usize| match node.input_ints(position)? {
        &[value] => Ok(value),
        _ => Err(refuse("E-ONNX-TYPE", format!("its input {position} is not one number"))),
    };
    let (start, limit, step) = (one(0)?, one(1)?, one(2)?);
    if step == 0 {
        return Err(refuse("E-ONNX-SHAPE", "its step is 0"));
    }
    let distance = if step > 0 { i128::from(limit) - i128::from(start) } else { i128::from(start) - i128::from(limit) };
    let count = usize::try_from(distance.max(0) as u128 / u128::from(step.unsigned_abs())).ok();
    let rest = distance > 0 && !(distance as u128).is_multiple_of(u128::from(step.unsigned_abs()));
    let count = importer.charge(count.and_then(|count| count.checked_add(usize::from(rest))))?;
    let values = std::iter::successors(Some(start), |value| Some(value.wrapping_add(step))).take(count).collect();
    Ok(Value::Constant(Literal::ints(values)))
}

/// An operation on two constants, broadcast.
pub(super) fn elementwise(
    importer: &mut Importer<'_>,
    operation: Arithmetic,
    a: &Literal,
    b: &Literal,
) -> Result<Literal, Failure> {
    let dims = broadcast(&a.dims, &b.dims)?;
    importer.charge(elements(&dims).and_then(|count| count.checked_mul(3)))?;
    let rank = dims.len();
    let left = picked(&a.data, sources(&dims, &strides(&a.dims, rank)));
    let right = picked(&b.data, sources(&dims, &strides(&b.dims, rank)));
    let data = match (left, right) {
        (Data::Float(left), Data::Float(right)) => {
            let apply = |(a, b): (&f32, &f32)| match operation {
                Arithmetic::Add => a + b,
                Arithmetic::Sub => a - b,
                Arithmetic::Mul => a * b,
                Arithmetic::Div => a / b,
            };
            Data::Float(left.iter().zip(right.iter()).map(apply).collect())
        }
        (Data::Int(left), Data::Int(right)) => {
            let apply = |(a, b): (&i64, &i64)| match operation {
                Arithmetic::Add => a.checked_add(*b),
                Arithmetic::Sub => a.checked_sub(*b),
                Arithmetic::Mul => a.checked_mul(*b),
                Arithmetic::Div => a.checked_div(*b),
            };
            let values: Option<_> = left.iter().zip(right.iter()).map(apply).collect();
            Data::Int(values.ok_or_else(|| refuse("E-ONNX-LIMIT", "its integers overflow, or are divided by 0"))?)
        }
        _ => return Err(refuse("E-ONNX-TYPE", "it mixes floating-point values and integers")),
    };
    Ok(Literal::new(dims, data))
}

/// A constant with its axes in another order.
pub(super) fn transposed(importer: &mut Importer<'_>, literal: &Literal, order: &[usize]) -> Result<Literal, Failure> {
    let pick = |list: &[usize]| -> Vec<usize> { order.iter().filter_map(|axis| list.get(*axis)).copied().collect() };
    let (dims, steps) = (pick(&literal.dims), dense_strides(&literal.dims));
    importer.charge(elements(&dims))?;
    let data = picked(&literal.data, sources(&dims, &pick(&steps)));
    Ok(Literal { dims, data, element: literal.element })
}

/// A part of a constant.
pub(super) fn sliced(importer: &mut Importer<'_>, literal: &Literal, runs: &[Run]) -> Result<Literal, Failure> {
    let dims: Vec<usize> = runs.iter().map(|run| run.count).collect();
    importer.charge(elements(&dims))?;
    // One axis at a time, so that steps may be negative.
    let (mut data, mut shape) = (literal.data.clone(), literal.dims.clone());
    for (axis, run) in runs.iter().enumerate() {
        let extent = shape.get(axis).copied().unwrap_or(1);
        if (run.start, run.step, run.count) == (0, 1, extent) {
            continue;
        }
        importer.charge(elements(&shape))?;
        let outer: usize = shape.iter().take(axis).product();
        let inner: usize = shape.iter().skip(axis + 1).product();
        let sources = (0..outer).flat_map(|o| {
            (0..run.count).flat_map(move |index| {
                let position = run.start as i64 + index as i64 * run.step;
                let start = (o * extent + usize::try_from(position).unwrap_or(0)) * inner;
                start..start + inner
            })
        });
        data = picked(&data, sources);
        if let Some(slot) = shape.get_mut(axis) {
            *slot = run.count;
        }
    }
    Ok(Literal { dims, data, element: literal.element })
}

/// Constants one after the other along an axis.
pub(super) fn concatenated(importer: &mut Importer<'_>, parts: &[&Literal], axis: usize) -> Result<Literal, Failure> {
    let Some(first) = parts.first() else { return Err(refuse("E-ONNX-SHAPE", "it joins nothing")) };
    let mut dims = first.dims.clone();
    let mut along = 0_usize;
    for part in parts {
        let agrees = part.dims.len() == dims.len()
            && part.dims.iter().zip(&dims).enumerate().all(|(i, (a, b))| i == axis || a == b);
        if !agrees {
            return Err(refuse(
                "E-ONNX-SHAPE",
                format!("it joins {:?} to {:?} along axis {axis}", part.dims, first.dims),
            ));
        }
        along = along.saturating_add(part.dims.get(axis).copied().unwrap_or(0));
    }
    if let Some(slot) = dims.get_mut(axis) {
        *slot = along;
    }
    importer.charge(elements(&dims))?;
    let outer: usize = dims.iter().take(axis).product();
    let inner: usize = dims.iter().skip(axis).skip(1).product();
    let chunk = |part: &Literal| part.dims.get(axis).copied().unwrap_or(0) * inner;
    let floats: Option<Vec<_>> = parts.iter().map(|part| part.as_floats()).collect();
    let ints: Option<Vec<_>> = parts.iter().map(|part| part.as_ints()).collect();
    let data = match (floats, ints) {
        (Some(floats), _) => {
            let rows = (0..outer).flat_map(|o| {
                floats
                    .iter()
                    .zip(parts)
                    .flat_map(move |(values, part)| values.iter().skip(o * chunk(part)).take(chunk(part)).copied())
            });
            Data::Float(rows.collect())
        }
        (None, Some(ints)) => {
            let rows = (0..outer).flat_map(|o| {
                ints.iter()
                    .zip(parts)
                    .flat_map(move |(values, part)| values.iter().skip(o * chunk(part)).take(chunk(part)).copied())
            });
            Data::Int(rows.collect())
        }
        (None, None) => return Err(refuse("E-ONNX-TYPE", "it mixes floating-point values and integers")),
    };
    Ok(Literal { dims, data, element: first.element })
}

pub(super) fn extents(values: &[i64]) -> Result<Vec<usize>, Failure> {
    let wrong = || refuse("E-ONNX-SHAPE", format!("it makes a tensor of shape {values:?}"));
    if values.len() > LARGEST_RANK {
        return Err(refuse("E-ONNX-SHAPE", format!("it makes a tensor with {} axes", values.len())));
    }
    values.iter().map(|value| usize::try_from(*value).map_err(|_| wrong())).collect()
}

pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>, Failure> {
    let rank = a.len().max(b.len());
    let at = |dims: &[usize], axis: usize| (axis + dims.len()).checked_sub(rank).and_then(|i| dims.get(i).copied());
    (0..rank)
        .map(|axis| match (at(a, axis).unwrap_or(1), at(b, axis).unwrap_or(1)) {
            (a, b) if a == b => Ok(a),
            (1, other) | (other, 1) => Ok(other),
            _ => Err(refuse("E-ONNX-SHAPE", format!("it takes the shapes {a:?} and {b:?} together"))),
        })
        .collect()
}

pub(super) fn dense_strides(dims: &[usize]) -> Vec<usize> {
    (0..dims.len()).map(|axis| dims.iter().skip(axis + 1).product()).collect()
}

/// Distances of neighbours along each of `rank` axes when broadcast: 0 along an axis of extent 1.
pub(super) fn strides(dims: &[usize], rank: usize) -> Vec<usize> {
    let own = dense_strides(dims).into_iter().zip(dims).map(|(stride, extent)| if *extent == 1 { 0 } else { stride });
    std::iter::repeat_n(0, rank.saturating_sub(dims.len())).chain(own).collect()
}

/// For each element of a tensor in row-major order, where it comes from.
pub(super) fn sources<'a>(dims: &'a [usize], strides: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    let count = elements(dims).unwrap_or(0);
    let mut index = vec![0_usize; dims.len()];
    let mut offset = 0_usize;
    (0..count).map(move |_| {
        let current = offset;
        for ((position, extent), stride) in index.iter_mut().zip(dims).zip(strides).rev() {
            *position += 1;
            offset += stride;
            if *position < *extent {
                break;
            }
            offset -= stride * extent;
            *position = 0;
        }
        current
    })
}

pub(super) fn picked(data: &Data, sources: impl Iterator<Item = usize>) -> Data {
    match data {
        Data::Float(values) => Data::Float(sources.filter_map(|source| values.get(source)).copied().collect()),
        Data::Int(values) => Data::Int(sources.filter_map(|source| values.get(source)).copied().collect()),
    }
}
