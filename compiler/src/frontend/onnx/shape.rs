//! Operators that move no element, or all alike: reshapes, transpositions, casts.

use super::attributes::{Node, attribute, axis};
use super::fold;
use super::importer::{Failure, Importer, Outcome, array_read, known, refuse};
use super::literal::{Data, LARGEST_RANK, Literal, element, elements, type_name};
use super::text;
use super::value::{Array, Value, View};

/// Identity.
pub(super) fn identity<'m>(_importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    node.value(0).cloned()
}

/// Cast and CastLike, where nothing changes: the graph computes in f32, whatever width the model has.
pub(super) fn cast<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let to = cast_to(node)?;
    match node.value(0)? {
        Value::Computed(view) if element::is_float(to) => Ok(Value::Computed(view.clone())),
        Value::Constant(literal) => match (&literal.data, to) {
            (Data::Float(_), to) if element::is_float(to) => {
                Ok(Value::Constant(Literal { element: to, ..literal.clone() }))
            }
            (Data::Int(_), element::INT64) => Ok(Value::Constant(Literal { element: to, ..literal.clone() })),
            (Data::Int(values), element::INT32) if values.iter().all(|value| i32::try_from(*value).is_ok()) => {
                Ok(Value::Constant(Literal { element: to, ..literal.clone() }))
            }
            _ => Err(Failure::Unsupported("it changes the values of a constant".to_owned())),
        },
        Value::Computed(_) => Err(Failure::Unsupported("it turns a computed value into integers".to_owned())),
        Value::Array(_) => Err(array_read()),
        Value::Text(text) => text::numbers(importer, text, to),
        Value::Unknown => Ok(Value::Unknown),
    }
}

/// The element type that a Cast or CastLike asks for, by its number.
pub(super) fn cast_to(node: &Node<'_>) -> Result<i32, Failure> {
    Ok(match node.proto.op_type.as_str() {
        "CastLike" => match node.value(1)? {
            Value::Constant(literal) => literal.element,
            Value::Array(array) => array.element,
            Value::Text(_) => element::STRING,
            Value::Computed(_) | Value::Unknown => element::FLOAT,
        },
        _ => i32::try_from(target(node)?).unwrap_or(0),
    })
}

/// The element type that a Cast asks for, by its number; before version 6 it is a word.
fn target(node: &Node<'_>) -> Result<i64, Failure> {
    if node.opset >= 6 {
        return node.int("to", 0);
    }
    let word = node.string("to", "")?;
    let named = (1..=16).find(|code| type_name(*code).eq_ignore_ascii_case(&word));
    named.map(i64::from).ok_or_else(|| attribute("to", word, "the name of an element type, such as FLOAT"))
}

/// Shape.
pub(super) fn shape<'m>(_importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let dims = dims(node.value(0)?);
    let rank = dims.len() as i64;
    let clamp = |value: i64| usize::try_from(if value < 0 { value.saturating_add(rank) } else { value }.clamp(0, rank));
    let start = clamp(node.int("start", 0)?).unwrap_or(0);
    let end = clamp(node.int("end", rank)?).unwrap_or(0);
    Ok(known(dims.get(start..end.max(start)).unwrap_or_default().iter().map(|extent| *extent as i64).collect()))
}

/// Reshape.
pub(super) fn reshape<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let value = node.value(0)?;
    let from = dims(value);
    let target = match node.opset < 5 {
        true => node.ints("shape")?.ok_or_else(|| attribute("shape", (), "the extents of the result"))?,
        false => node.input_ints(1)?,
    };
    let target: Vec<i64> = match (importer.rebound, value, target) {
        // The file's batch, written into the shape, follows the batch that is wanted.
        (Some(fixed), Value::Computed(_), [n, rest @ ..]) if usize::try_from(*n) == Ok(fixed) => {
            [importer.batch as i64].iter().chain(rest).copied().collect()
        }
        _ => target.to_vec(),
    };
    let dims = resolve(from, &target, node.flag("allowzero", false)?)?;
    reshaped(importer, value, dims)
}

/// Flatten.
pub(super) fn flatten<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let value = node.value(0)?;
    let from = dims(value);
    let split = match node.int("axis", 1)? {
        end if usize::try_from(end) == Ok(from.len()) => from.len(),
        within => axis(within, from.len())?,
    };
    let (before, after) = from.split_at_checked(split).unwrap_or((from, &[]));
    let dims = vec![before.iter().product(), after.iter().product()];
    reshaped(importer, value, dims)
}

/// Squeeze.
pub(super) fn squeeze<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let value = node.value(0)?;
    let from = dims(value);
    let gone: Vec<usize> = match node.ints_either("axes", 1)? {
        Some(axes) => axes.iter().map(|value| axis(*value, from.len())).collect::<Result<_, _>>()?,
        None => (0..from.len()).filter(|axis| from.get(*axis) == Some(&1)).collect(),
    };
    if let Some(axis) = gone.iter().find(|axis| from.get(**axis) != Some(&1)) {
        return Err(refuse("E-ONNX-SHAPE", format!("it removes axis {axis} of {from:?}, whose extent is not 1")));
    }
    let dims = from.iter().enumerate().filter(|(axis, _)| !gone.contains(axis)).map(|(_, extent)| *extent).collect();
    reshaped(importer, value, dims)
}

/// Unsqueeze.
pub(super) fn unsqueeze<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let value = node.value(0)?;
    let from = dims(value);
    let Some(axes) = node.ints_either("axes", 1)? else {
        return Err(attribute("axes", (), "the axes to add"));
    };
    let rank = from.len() + axes.len();
    if rank > LARGEST_RANK {
        return Err(attribute("axes", axes.len(), "a tensor of at most 16 axes"));
    }
    let added: Vec<usize> = axes.iter().map(|value| axis(*value, rank)).collect::<Result<_, _>>()?;
    let mut rest = from.iter();
    let dims: Vec<usize> =
        (0..rank).map(|axis| if added.contains(&axis) { 1 } else { rest.next().copied().unwrap_or(1) }).collect();
    reshaped(importer, value, dims)
}

/// Transpose.
pub(super) fn transpose<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let value = node.value(0)?;
    let order = order(node, dims(value).len())?;
    match value {
        Value::Constant(literal) => Ok(Value::Constant(fold::transposed(importer, literal, &order)?)),
        Value::Computed(view) => {
            let axes = order.iter().map(|axis| view.axes.get(*axis).cloned().unwrap_or_default()).collect();
            let dims = order.iter().map(|axis| view.dims.get(*axis).copied().unwrap_or(1)).collect();
            Ok(Value::Computed(View { node: view.node, axes, dims }))
        }
        Value::Array(_) => Err(array_read()),
        Value::Text(_) | Value::Unknown => Ok(Value::Unknown),
    }
}

/// The order of axes that a Transpose asks for.
pub(super) fn order(node: &Node<'_>, rank: usize) -> Result<Vec<usize>, Failure> {
    let order: Vec<usize> = match node.ints("perm")? {
        Some(order) => order.iter().map(|value| axis(*value, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).rev().collect(),
    };
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if sorted != (0..rank).collect::<Vec<_>>() {
        return Err(attribute("perm", order, &format!("each of the {rank} axes once")));
    }
    Ok(order)
}

/// The extents of a value.
pub(super) fn dims(value: &Value) -> &[usize] {
    match value {
        Value::Constant(literal) => &literal.dims,
        Value::Computed(view) => &view.dims,
        Value::Array(array) => &array.dims,
        Value::Text(text) => &text.dims,
        Value::Unknown => &[],
    }
}

/// The same elements with other extents.
pub(super) fn reshaped(importer: &Importer<'_>, value: &Value, dims: Vec<usize>) -> Outcome {
    match value {
        Value::Constant(literal) => Ok(Value::Constant(Literal { dims, ..literal.clone() })),
        Value::Computed(view) => {
            view.reshaped(importer.shape(view), &dims).map(Value::Computed).map_err(Failure::Unsupported)
        }
        Value::Array(array) => {
            let array = Array { dims, ..array.clone() };
            let map = importer.maps.get(&(array.node, array.dims.clone())).filter(|_| element::is_float(array.element));
            Ok(map.map_or(Value::Array(array), |map| importer.whole(*map)))
        }
        Value::Text(_) | Value::Unknown => Ok(Value::Unknown),
    }
}

/// The extents that a target means: 0 copies, -1 follows from the number of elements.
fn resolve(from: &[usize], target: &[i64], zero_is_zero: bool) -> Result<Vec<usize>, Failure> {
    let wrong = || refuse("E-ONNX-SHAPE", format!("it reshapes {from:?} to {target:?}"));
    if target.len() > LARGEST_RANK || target.iter().filter(|extent| **extent == -1).count() > 1 {
        return Err(wrong());
    }
    let mut dims = Vec::with_capacity(target.len());
    for (position, extent) in target.iter().enumerate() {
        dims.push(match extent {
            0 if !zero_is_zero => *from.get(position).ok_or_else(wrong)?,
            -1 => 1,
            other => usize::try_from(*other).map_err(|_| wrong())?,
        });
    }
    let (Some(total), Some(known)) = (elements(from), elements(&dims)) else { return Err(wrong()) };
    if let Some(position) = target.iter().position(|extent| *extent == -1) {
        let rest = total.checked_div(known).ok_or_else(wrong)?;
        if let Some(slot) = dims.get_mut(position) {
            *slot = rest;
        }
    }
    if elements(&dims) == Some(total) { Ok(dims) } else { Err(wrong()) }
}
