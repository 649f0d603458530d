//! Operators that are computed of constants alone, while the model is read: exporters leave them in the arithmetic of positions and
//! masks. A network computes none of them.

use std::sync::Arc;

use super::attributes::{Node, attribute, axis};
use super::fold::{broadcast, dense_strides, picked, sources, strides};
use super::importer::{Failure, Importer, Outcome, refuse};
use super::literal::{Data, LARGEST_RANK, Literal, element, elements};
use super::operators::Operator;
use super::value::Value;

/// The function for an operator.
pub(super) fn find(operator: &str) -> Option<Operator> {
    Some(match operator {
        "NonZero" => non_zero,
        "GatherElements" => gather_elements,
        "GatherND" => gather_nd,
        "Scatter" | "ScatterElements" => scatter_elements,
        "ScatterND" => scatter_nd,
        "OneHot" => one_hot,
        "CumSum" => cumulative_sum,
        "Trilu" => triangle,
        "EyeLike" => diagonal,
        "Compress" => compress,
        "BitShift" | "BitwiseAnd" | "BitwiseOr" | "BitwiseXor" => bits,
        "BitwiseNot" => bitwise_not,
        "IsInf" => is_infinite,
        "Tan" | "Asin" | "Acos" | "Atan" | "Sinh" | "Cosh" | "Asinh" | "Acosh" | "Atanh" => trigonometric,
        _ => return None,
    })
}

/// The position of an element along each axis.
fn position(dims: &[usize], mut place: usize) -> Vec<usize> {
    let mut position = vec![0; dims.len()];
    for (slot, extent) in position.iter_mut().zip(dims).rev() {
        *slot = place % (*extent).max(1);
        place /= (*extent).max(1);
    }
    position
}

/// The place of an element in row-major order.
fn place(dims: &[usize], position: &[usize]) -> usize {
    position.iter().zip(dims).fold(0, |place, (index, extent)| place * extent + index)
}

/// An index that is counted from the end where it is below 0.
fn wrapped(index: i64, extent: usize) -> Result<usize, Failure> {
    let counted = if index < 0 { index.checked_add(extent as i64) } else { Some(index) };
    let inside = counted.and_then(|index| usize::try_from(index).ok()).filter(|index| *index < extent);
    inside.ok_or_else(|| refuse("E-ONNX-SHAPE", format!("it takes position {index} of {extent}")))
}

/// An integer as it overflows in a type.
fn fitted(value: i64, element: i32) -> i64 {
    match element {
        element::UINT8 => i64::from(value as u8),
        element::UINT16 => i64::from(value as u16),
        element::UINT32 => i64::from(value as u32),
        element::INT8 => i64::from(value as i8),
        element::INT16 => i64::from(value as i16),
        element::INT32 => i64::from(value as i32),
        _ => value,
    }
}

/// A result that counts against what may be computed.
fn made(importer: &mut Importer<'_>, dims: Vec<usize>, element: i32, data: impl FnOnce() -> Data) -> Outcome {
    if dims.len() > LARGEST_RANK {
        return Err(refuse("E-ONNX-SHAPE", format!("its result has {} axes", dims.len())));
    }
    importer.charge(elements(&dims))?;
    Ok(Value::Constant(Literal { dims, data: data(), element }))
}

/// Positions that are not 0: `[rank, how many]`.
fn non_zero<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = node.literal(0)?;
    let places: Vec<usize> = match &x.data {
        Data::Float(values) => {
            values.iter().enumerate().filter(|(_, value)| **value != 0.0).map(|(at, _)| at).collect()
        }
        Data::Int(values) => values.iter().enumerate().filter(|(_, value)| **value != 0).map(|(at, _)| at).collect(),
    };
    let axes = x.dims.iter().zip(dense_strides(&x.dims));
    let axes: Vec<(usize, usize)> = axes.map(|(extent, step)| (*extent, step.max(1))).collect();
    made(importer, vec![axes.len(), places.len()], element::INT64, || {
        let along = |(extent, step): &(usize, usize)| {
            let (extent, step) = (*extent, *step);
            places.iter().map(move |place| (place / step % extent) as i64)
        };
        Data::Int(axes.iter().flat_map(along).collect())
    })
}

/// For each index of a tensor of the data's rank, the place that it means in the data: its own, but for the one axis.
fn along_axis(node: &Node<'_>, data: &Literal) -> Result<Vec<usize>, Failure> {
    let indices = node.literal(1)?;
    let along = axis(node.int("axis", 0)?, data.dims.len())?;
    let fits = indices.dims.len() == data.dims.len()
        && indices.dims.iter().zip(&data.dims).enumerate().all(|(at, (index, extent))| at == along || index <= extent);
    if !fits {
        let message = format!("its indices of shape {:?} do not fit {:?}", indices.dims, data.dims);
        return Err(refuse("E-ONNX-SHAPE", message));
    }
    let extent = data.dims.get(along).copied().unwrap_or(0);
    let places = node.input_ints(1)?.iter().enumerate().map(|(at, index)| {
        let mut position = position(&indices.dims, at);
        if let Some(slot) = position.get_mut(along) {
            *slot = wrapped(*index, extent)?;
        }
        Ok(place(&data.dims, &position))
    });
    places.collect()
}

fn gather_elements<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let data = node.literal(0)?;
    importer.charge(elements(&node.literal(1)?.dims))?;
    let places = along_axis(node, data)?;
    made(importer, node.literal(1)?.dims.clone(), data.element, || picked(&data.data, places.into_iter()))
}

/// Where the parts begin that tuples of indices mean, in a tensor whose first axes they run through, behind the batch axes.
fn tuples(node: &Node<'_>, data: &Literal, batch: usize) -> Result<(Vec<usize>, usize, usize), Failure> {
    let indices = node.literal(1)?;
    let wrong = || {
        let message = format!("its indices of shape {:?} do not fit {:?}", indices.dims, data.dims);
        refuse("E-ONNX-SHAPE", message)
    };
    let (length, outer) = indices.dims.split_last().ok_or_else(wrong)?;
    let depth = batch.checked_add(*length).filter(|depth| *depth <= data.dims.len()).ok_or_else(wrong)?;
    if *length == 0 || outer.len() < batch || outer.iter().zip(&data.dims).take(batch).any(|(one, other)| one != other)
    {
        return Err(wrong());
    }
    let (front, part) = data.dims.split_at_checked(depth).ok_or_else(wrong)?;
    let part: usize = part.iter().product();
    let starts = node.input_ints(1)?.chunks_exact(*length).enumerate().map(|(at, tuple)| {
        let own = position(outer, at);
        let mut whole: Vec<usize> = own.iter().take(batch).copied().collect();
        for (index, extent) in tuple.iter().zip(front.iter().skip(batch)) {
            whole.push(wrapped(*index, *extent)?);
        }
        Ok(place(front, &whole) * part)
    });
    Ok((starts.collect::<Result<_, Failure>>()?, part, depth))
}

fn gather_nd<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (data, indices) = (node.literal(0)?, node.literal(1)?);
    importer.charge(elements(&indices.dims))?;
    let batch = usize::try_from(node.int("batch_dims", 0)?)
        .map_err(|_| attribute("batch_dims", "below 0", "a number of axes"))?;
    let (starts, part, depth) = tuples(node, data, batch)?;
    let outer = indices.dims.split_last().map(|(_, outer)| outer).unwrap_or_default();
    let dims = [outer, data.dims.get(depth..).unwrap_or_default()].concat();
    let places = starts.into_iter().flat_map(move |start| start..start + part);
    made(importer, dims, data.element, || picked(&data.data, places))
}

/// What becomes of an element that another one is put on.
#[derive(Clone, Copy)]
enum Put {
    Replace,
    Add,
    Multiply,
    Most,
    Least,
}

impl Put {
    fn of(node: &Node<'_>) -> Result<Self, Failure> {
        Ok(match node.string("reduction", "none")?.as_str() {
            "none" => Self::Replace,
            "add" => Self::Add,
            "mul" => Self::Multiply,
            "max" => Self::Most,
            "min" => Self::Least,
            other => return Err(attribute("reduction", other, "none, add, mul, max or min")),
        })
    }

    fn float(self, old: f32, new: f32) -> f32 {
        match self {
            Self::Replace => new,
            Self::Add => old + new,
            Self::Multiply => old * new,
            Self::Most => old.max(new),
            Self::Least => old.min(new),
        }
    }

    fn whole(self, old: i64, new: i64) -> i64 {
        match self {
            Self::Replace => new,
            Self::Add => old.wrapping_add(new),
            Self::Multiply => old.wrapping_mul(new),
            Self::Most => old.max(new),
            Self::Least => old.min(new),
        }
    }
}

/// A tensor with others put at some places, one after the other.
fn scattered(importer: &mut Importer<'_>, data: &Literal, updates: &Literal, places: &[usize], put: Put) -> Outcome {
    fn onto<T: Copy>(old: &[T], new: &[T], places: &[usize], put: impl Fn(T, T) -> T) -> Arc<[T]> {
        let mut all = old.to_vec();
        for (place, value) in places.iter().zip(new) {
            if let Some(slot) = all.get_mut(*place) {
                *slot = put(*slot, *value);
            }
        }
        all.into()
    }
    if updates.len() != places.len() {
        let message = format!("its updates of shape {:?} are not {} elements", updates.dims, places.len());
        return Err(refuse("E-ONNX-SHAPE", message));
    }
    let result = match (&data.data, &updates.data) {
        (Data::Float(old), Data::Float(new)) => Data::Float(onto(old, new, places, |old, new| put.float(old, new))),
        (Data::Int(old), Data::Int(new)) => {
            Data::Int(onto(old, new, places, |old, new| fitted(put.whole(old, new), data.element)))
        }
        _ => return Err(refuse("E-ONNX-TYPE", "it mixes floating-point values and integers")),
    };
    made(importer, data.dims.clone(), data.element, || result)
}

fn scatter_elements<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (data, updates) = (node.literal(0)?, node.literal(2)?);
    importer.charge(elements(&node.literal(1)?.dims))?;
    scattered(importer, data, updates, &along_axis(node, data)?, Put::of(node)?)
}

fn scatter_nd<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (data, updates) = (node.literal(0)?, node.literal(2)?);
    importer.charge(elements(&node.literal(1)?.dims))?;
    let (starts, part, _) = tuples(node, data, 0)?;
    importer.charge(starts.len().checked_mul(part))?;
    let places: Vec<usize> = starts.into_iter().flat_map(|start| start..start + part).collect();
    scattered(importer, data, updates, &places, Put::of(node)?)
}

/// Integers of a constant, whole numbers of floats too.
fn whole(literal: &Literal) -> Vec<i64> {
    match &literal.data {
        Data::Int(values) => values.to_vec(),
        Data::Float(values) => values.iter().map(|value| *value as i64).collect(),
    }
}

fn one_hot<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (indices, values) = (node.literal(0)?, node.literal(2)?);
    let depth = match whole(node.literal(1)?).as_slice() {
        [depth] => usize::try_from(*depth).ok(),
        _ => None,
    };
    let depth = depth.ok_or_else(|| refuse("E-ONNX-SHAPE", "its depth is no number of positions"))?;
    if values.len() != 2 {
        return Err(refuse("E-ONNX-SHAPE", format!("its values are {}, not those for off and on", values.len())));
    }
    let along = axis(node.int("axis", -1)?, indices.dims.len() + 1)?;
    let mut dims = indices.dims.clone();
    dims.insert(along, depth);
    let inner: usize = indices.dims.iter().skip(along).product();
    let chosen = whole(indices);
    made(importer, dims.clone(), values.element, || {
        let on = (0..elements(&dims).unwrap_or(0)).map(|at| {
            let (row, within) = (at / inner.max(1), at % inner.max(1));
            let index = chosen.get(row / depth.max(1) * inner + within).copied().unwrap_or(0);
            let index = if index < 0 { index.saturating_add(depth as i64) } else { index };
            usize::from(usize::try_from(index) == Ok(row % depth.max(1)))
        });
        picked(&values.data, on)
    })
}

fn cumulative_sum<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    fn sums<T: Copy>(
        values: &[T],
        [extent, inner]: [usize; 2],
        [exclusive, reverse]: [bool; 2],
        zero: T,
        add: impl Fn(T, T) -> T,
    ) -> Vec<T> {
        let mut all = values.to_vec();
        let outer = values.len() / (extent * inner).max(1);
        for (block, within) in (0..outer).flat_map(|block| (0..inner).map(move |within| (block, within))) {
            let mut total = zero;
            for step in 0..extent {
                let at = if reverse { extent - 1 - step } else { step };
                let place = (block * extent + at) * inner + within;
                let (Some(value), Some(slot)) = (values.get(place), all.get_mut(place)) else { continue };
                let next = add(total, *value);
                *slot = if exclusive { total } else { next };
                total = next;
            }
        }
        all
    }
    let x = node.literal(0)?;
    let along = match node.input_ints(1)? {
        [along] => axis(*along, x.dims.len())?,
        _ => return Err(refuse("E-ONNX-SHAPE", "its axis is not one number")),
    };
    let around = [x.dims.get(along).copied().unwrap_or(1), x.dims.iter().skip(along + 1).product()];
    let how = [node.flag("exclusive", false)?, node.flag("reverse", false)?];
    made(importer, x.dims.clone(), x.element, || match &x.data {
        Data::Float(values) => Data::Float(sums(values, around, how, 0.0, |a, b| a + b).into()),
        Data::Int(values) => {
            Data::Int(sums(values, around, how, 0, |a, b| fitted(a.wrapping_add(b), x.element)).into())
        }
    })
}

/// A tensor of the same type with zeros where they are told.
fn cleared(data: &Data, keep: impl Fn(usize) -> bool) -> Data {
    match data {
        Data::Float(values) => {
            Data::Float(values.iter().enumerate().map(|(at, value)| if keep(at) { *value } else { 0.0 }).collect())
        }
        Data::Int(values) => {
            Data::Int(values.iter().enumerate().map(|(at, value)| if keep(at) { *value } else { 0 }).collect())
        }
    }
}

/// Trilu: the upper or the lower triangle of matrices.
fn triangle<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = node.literal(0)?;
    let [.., rows, columns] = x.dims.as_slice() else {
        return Err(refuse("E-ONNX-SHAPE", format!("it takes a triangle of the shape {:?}", x.dims)));
    };
    let shift = match node.optional_literal(1)? {
        None => 0,
        Some(_) => match node.input_ints(1)? {
            [shift] => *shift,
            _ => return Err(refuse("E-ONNX-SHAPE", "its diagonal is not one number")),
        },
    };
    let (upper, rows, columns) = (node.flag("upper", true)?, (*rows).max(1), (*columns).max(1));
    made(importer, x.dims.clone(), x.element, || {
        cleared(&x.data, |at| {
            let (row, column) = ((at / columns % rows) as i64, (at % columns) as i64);
            let first = row.saturating_add(shift);
            if upper { column >= first } else { column <= first }
        })
    })
}

/// EyeLike: ones on a diagonal.
fn diagonal<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = node.literal(0)?;
    let [rows, columns] = x.dims[..] else {
        return Err(refuse("E-ONNX-SHAPE", format!("it makes a diagonal of the shape {:?}", x.dims)));
    };
    let element = i32::try_from(node.int("dtype", i64::from(x.element))?).unwrap_or(0);
    if !element::is_number(element) {
        return Err(attribute("dtype", element, "a type of numbers"));
    }
    let shift = node.int("k", 0)?;
    made(importer, x.dims.clone(), element, || {
        let on = move |at: usize| (at % columns) as i64 == ((at / columns) as i64).saturating_add(shift);
        match element::is_whole(element) {
            true => Data::Int((0..rows * columns).map(|at| i64::from(on(at))).collect()),
            false => Data::Float((0..rows * columns).map(|at| if on(at) { 1.0 } else { 0.0 }).collect()),
        }
    })
}

fn compress<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = node.literal(0)?;
    let flat = [x.len()];
    let (dims, along) = match node.has("axis") {
        true => (x.dims.as_slice(), axis(node.int("axis", 0)?, x.dims.len())?),
        false => (flat.as_slice(), 0),
    };
    let extent = dims.get(along).copied().unwrap_or(0);
    let condition = node.input_ints(1)?.iter().enumerate();
    let kept: Vec<usize> = condition.filter(|(_, keep)| **keep != 0).map(|(at, _)| at).collect();
    if let Some(beyond) = kept.iter().find(|at| **at >= extent) {
        return Err(refuse("E-ONNX-SHAPE", format!("it takes position {beyond} of {extent}")));
    }
    let inner: usize = dims.iter().skip(along + 1).product();
    let outer: usize = dims.iter().take(along).product();
    let mut shape = dims.to_vec();
    if let Some(slot) = shape.get_mut(along) {
        *slot = kept.len();
    }
    let places = (0..outer).flat_map(|block| {
        kept.iter().flat_map(move |at| {
            let start = (block * extent + at) * inner;
            start..start + inner
        })
    });
    made(importer, shape, x.element, || picked(&x.data, places))
}

fn bits<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (a, b) = (node.literal(0)?, node.literal(1)?);
    let dims = broadcast(&a.dims, &b.dims)?;
    let (left, right) = (node.input_ints(0)?, node.input_ints(1)?);
    let to_the_left = match (node.proto.op_type.as_str(), node.string("direction", "")?.as_str()) {
        ("BitShift", "LEFT") => true,
        ("BitShift", "RIGHT") => false,
        ("BitShift", other) => return Err(attribute("direction", other, "LEFT or RIGHT")),
        _ => false,
    };
    let (steps, others) = (strides(&a.dims, dims.len()), strides(&b.dims, dims.len()));
    made(importer, dims.clone(), a.element, || {
        let pairs = sources(&dims, &steps).zip(sources(&dims, &others));
        let value = |(one, other): (usize, usize)| {
            let (a, b) = (left.get(one).copied().unwrap_or(0), right.get(other).copied().unwrap_or(0));
            let by = u32::try_from(b).unwrap_or(64);
            match node.proto.op_type.as_str() {
                "BitwiseAnd" => a & b,
                "BitwiseOr" => a | b,
                "BitwiseXor" => a ^ b,
                _ if to_the_left => a.cast_unsigned().checked_shl(by).unwrap_or(0).cast_signed(),
                _ => a.cast_unsigned().checked_shr(by).unwrap_or(0).cast_signed(),
            }
        };
        Data::Int(pairs.map(|pair| fitted(value(pair), a.element)).collect())
    })
}

fn bitwise_not<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (x, values) = (node.literal(0)?, node.input_ints(0)?);
    let not = |value: &i64| fitted(!value, x.element);
    made(importer, x.dims.clone(), x.element, || Data::Int(values.iter().map(not).collect()))
}

/// The floats of a constant.
fn floats<'a>(node: &'a Node<'_>) -> Result<&'a [f32], Failure> {
    let floats = node.literal(0)?.as_floats();
    floats.map(|values| values.as_ref()).ok_or_else(|| refuse("E-ONNX-TYPE", "its input has integers, floats are due"))
}

fn is_infinite<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let values = floats(node)?;
    let (low, high) = (node.flag("detect_negative", true)?, node.flag("detect_positive", true)?);
    let infinite = |value: &f32| value.is_infinite() && if *value < 0.0 { low } else { high };
    made(importer, node.literal(0)?.dims.clone(), element::BOOL, || {
        Data::Int(values.iter().map(|value| i64::from(infinite(value))).collect())
    })
}

fn trigonometric<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let values = floats(node)?;
    let function: fn(f64) -> f64 = match node.proto.op_type.as_str() {
        "Tan" => f64::tan,
        "Asin" => f64::asin,
        "Acos" => f64::acos,
        "Atan" => f64::atan,
        "Sinh" => f64::sinh,
        "Cosh" => f64::cosh,
        "Asinh" => f64::asinh,
        "Acosh" => f64::acosh,
        _ => f64::atanh,
    };
    let x = node.literal(0)?;
    made(importer, x.dims.clone(), x.element, || {
        Data::Float(values.iter().map(|value| function(f64::from(*value)) as f32).collect())
    })
}
