//! Operators on each element: of two computed values, of a computed value and a constant, of two constants.

use super::attributes::{Node, axis};
use super::convolution::wrong_bias;
use super::fold::{self, Arithmetic};
use super::importer::{Failure, Importer, Outcome, array_read, fits, refuse};
use super::literal::{Data, Literal};
use super::norm::channels;
use super::shape::{dims, reshaped};
use super::value::{NHWC, Value, View, natural};
use crate::diagnostic::Diagnostic;
use crate::ir::{BatchNorm, NodeId, Op};

/// With a variance of 1, so small that the divisor is exactly 1: a batch normalisation that only scales and shifts.
const NO_EPSILON: f64 = 1e-30;

/// Add.
pub(super) fn add<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    arithmetic(importer, node, Arithmetic::Add)
}

/// Sub.
pub(super) fn sub<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    arithmetic(importer, node, Arithmetic::Sub)
}

/// Mul.
pub(super) fn mul<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    arithmetic(importer, node, Arithmetic::Mul)
}

/// Div.
pub(super) fn div<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    arithmetic(importer, node, Arithmetic::Div)
}

/// Sum of any number of values.
pub(super) fn sum<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let mut total = node.value(0)?.clone();
    for position in 1..node.inputs.len() {
        let term = node.value(position)?;
        total = match (&total, term) {
            (Value::Computed(a), Value::Computed(b)) => both(importer, node, a, b, SUM)?,
            (Value::Constant(a), Value::Constant(b)) => {
                Value::Constant(fold::elementwise(importer, Arithmetic::Add, a, b)?)
            }
            _ => return Err(Failure::Unsupported("a sum of constants and computed values".to_owned())),
        };
    }
    Ok(total)
}

fn arithmetic<'m>(importer: &mut Importer<'m>, node: &Node<'m>, operation: Arithmetic) -> Outcome {
    let aligned = aligned(importer, node)?;
    match (node.value(0)?, &aligned) {
        (Value::Constant(a), Value::Constant(b)) => Ok(Value::Constant(fold::elementwise(importer, operation, a, b)?)),
        (Value::Computed(a), Value::Computed(b)) => match operation {
            Arithmetic::Add => both(importer, node, a, b, SUM),
            Arithmetic::Mul => product(importer, node, a, b),
            Arithmetic::Sub | Arithmetic::Div => Err(Failure::Unsupported(
                "both values depend on the network's input; only their sum or product is supported".to_owned(),
            )),
        },
        (Value::Computed(x), Value::Constant(c)) => affine(importer, node, x, c, operation, 0),
        (Value::Constant(c), Value::Computed(x)) => affine(importer, node, x, c, operation, 1),
        (Value::Text(_) | Value::Unknown, _) | (_, Value::Text(_) | Value::Unknown) => Ok(Value::Unknown),
        (Value::Array(_), _) | (_, Value::Array(_)) => Err(array_read()),
    }
}

/// The second value, in the shape in which axes match from the last. Before version 7 they match from an attribute's axis on, and only
/// where another attribute says so.
fn aligned(importer: &Importer<'_>, node: &Node<'_>) -> Outcome {
    let (a, b) = (dims(node.value(0)?), node.value(1)?);
    match matched(node, a, dims(b))? {
        Some(dims) if !matches!(b, Value::Unknown) => reshaped(importer, b, dims),
        _ => Ok(b.clone()),
    }
}

/// The extents that the second tensor is to have for its axes to match those of the first from the last, if they are others.
pub(super) fn matched(node: &Node<'_>, a: &[usize], extents: &[usize]) -> Result<Option<Vec<usize>>, Failure> {
    if node.opset >= 7 {
        return Ok(None);
    }
    let rank = a.len();
    let wrong = || {
        let expected = if node.has("broadcast") { "axes that follow each other in the first" } else { "one shape" };
        let message = format!("its values have the shapes {a:?} and {extents:?}");
        Failure::Refused(Box::new(Diagnostic::error("E-ONNX-SHAPE", message).expected(expected)))
    };
    if !node.flag("broadcast", false)? {
        return if extents == a { Ok(None) } else { Err(wrong()) };
    }
    let last = rank.checked_sub(extents.len()).ok_or_else(wrong)?;
    let first = match node.has("axis") {
        true => axis(node.int("axis", 0)?, rank)?,
        false => last,
    };
    let behind = last.checked_sub(first).ok_or_else(wrong)?;
    let matches = extents.iter().zip(a.iter().skip(first)).all(|(b, a)| *b == 1 || a == b);
    if !matches {
        return Err(wrong());
    }
    Ok(Some([extents, &vec![1; behind]].concat()))
}

const SUM: Op = Op::Add { activation: None };
const PRODUCT: Op = Op::Multiply { activation: None };

/// Two values of one shape, joined by an operation.
fn both<'m>(importer: &mut Importer<'m>, node: &Node<'m>, a: &View, b: &View, op: Op) -> Outcome {
    let stretches = a.dims.iter().rev().zip(b.dims.iter().rev()).all(|(a, b)| a == b || *a == 1 || *b == 1);
    if !stretches {
        let message = format!("its values have the shapes {:?} and {:?}, which do not go together", a.dims, b.dims);
        return Err(refuse("E-ONNX-SHAPE", message));
    }
    if a.dims != b.dims {
        let reason = format!("its values have the shapes {:?} and {:?}, which differ", a.dims, b.dims);
        return Err(Failure::Unsupported(reason));
    }
    if a.axes == b.axes && importer.shape(a) == importer.shape(b) {
        let id = importer.add(&node.name, op, &[a.node, b.node])?;
        return Ok(Value::Computed(a.of(id)));
    }
    let operands = [importer.vector(a)?, importer.vector(b)?];
    let id = importer.add(&node.name, op, &operands)?;
    Ok(importer.whole(id))
}

/// A product of two values of one shape, or of a map and a factor per channel.
fn product<'m>(importer: &mut Importer<'m>, node: &Node<'m>, a: &View, b: &View) -> Outcome {
    if a.dims != b.dims {
        for (map, factors) in [(a, b), (b, a)] {
            if one_per_channel(importer, map, factors) {
                let id = importer.add(&node.name, PRODUCT, &[map.node, factors.node])?;
                return Ok(Value::Computed(map.of(id)));
            }
        }
    }
    both(importer, node, a, b, PRODUCT)
}

/// Whether some values are one per image and channel of a map, however both are laid out.
fn one_per_channel(importer: &Importer<'_>, map: &View, factors: &View) -> bool {
    let shape = importer.shape(factors);
    let (Some(order), Some([n, c, _, _])) = (map.layout(importer.shape(map)), importer.shape(map).map()) else {
        return false;
    };
    let one_each = shape.0.starts_with(&[n, c]) && shape.len() == n * c;
    let axes = order.map(|axis| if axis < 2 { natural(shape, &[axis]) } else { Vec::new() });
    one_each && factors.axes == axes
}

/// A computed value, which is input `position`, with a constant per channel.
fn affine<'m>(
    importer: &mut Importer<'m>,
    node: &Node<'m>,
    x: &View,
    constant: &Literal,
    operation: Arithmetic,
    position: usize,
) -> Outcome {
    let Data::Float(values) = &constant.data else {
        return Err(refuse("E-ONNX-TYPE", "it mixes floating-point values and integers"));
    };
    if let Some(factor) = factor(operation, position, values).filter(|_| constant.dims.len() <= x.dims.len()) {
        let id = importer.add(&node.name, Op::Scale { factor }, &[x.node])?;
        return Ok(Value::Computed(x.of(id)));
    }
    let (x_node, view) =
        if x.layout(importer.shape(x)) == Some(NHWC) { (x.node, x.clone()) } else { channels(importer, x)? };
    let count = importer.graph.node(x_node).shape().0.get(1).copied().unwrap_or(0);
    importer.charge(count.checked_mul(4))?;
    let per_channel = per_channel(importer, x, constant, values, count)?;
    let neutral = match operation {
        Arithmetic::Add => per_channel.iter().all(|value| *value == 0.0),
        Arithmetic::Sub => position == 0 && per_channel.iter().all(|value| *value == 0.0),
        Arithmetic::Mul => per_channel.iter().all(|value| *value == 1.0),
        Arithmetic::Div => position == 0 && per_channel.iter().all(|value| *value == 1.0),
    };
    if neutral {
        return Ok(Value::Computed(x.clone()));
    }
    let negated = || per_channel.iter().map(|value| -value).collect::<Vec<_>>();
    let (gamma, beta) = match (operation, position) {
        (Arithmetic::Add, _) => (None, Some(per_channel)),
        (Arithmetic::Sub, 0) => (None, Some(negated())),
        (Arithmetic::Sub, _) => (Some(vec![-1.0; count]), Some(per_channel)),
        (Arithmetic::Mul, _) => (Some(per_channel), None),
        (Arithmetic::Div, 0) => {
            (Some(per_channel.iter().map(|value| (1.0 / f64::from(*value)) as f32).collect()), None)
        }
        (Arithmetic::Div, _) => return Err(Failure::Unsupported("a constant divided by a computed value".to_owned())),
    };
    let name = importer.input_name(node, 1 - position, "constant");
    if let (None, Some(beta)) = (&gamma, &beta)
        && importer.read_once(node, position, x_node)
        && let Some(op) = with_bias(importer.graph.node(x_node).op())
    {
        return biased(importer, x, x_node, op, &name, beta);
    }
    let norm = BatchNorm { epsilon: NO_EPSILON, gamma: gamma.is_some(), beta: beta.is_some(), activation: None };
    let mut operands = vec![x_node];
    for (role, values) in
        [("gamma", gamma), ("beta", beta), ("mean", Some(vec![0.0; count])), ("variance", Some(vec![1.0; count]))]
    {
        if let Some(values) = values {
            operands.push(importer.constant(&format!("{}.{role}", node.name), vec![count], values)?);
        }
    }
    let id = importer.add(&node.name, Op::BatchNorm(norm), &operands)?;
    Ok(Value::Computed(view.of(id)))
}

/// The one factor that an operation with a constant is, when it is that; a factor of 1 is left to the others.
fn factor(operation: Arithmetic, position: usize, values: &[f32]) -> Option<f64> {
    let &[value] = values else { return None };
    let factor = match (operation, position) {
        (Arithmetic::Mul, _) => f64::from(value),
        (Arithmetic::Div, 0) => 1.0 / f64::from(value),
        _ => return None,
    };
    (factor.is_finite() && factor != 1.0).then_some(factor)
}

fn biased<'m>(importer: &mut Importer<'m>, x: &View, id: NodeId, op: Op, name: &str, beta: &[f32]) -> Outcome {
    let mut operands = importer.graph.operands(id);
    let bias = importer.constant(name, vec![beta.len()], beta)?;
    operands.push(bias);
    fits(importer.graph.replace(id, op, &operands))?;
    Ok(Value::Computed(x.clone()))
}

/// The same operation with a bias, when it takes one and has none.
fn with_bias(op: &Op) -> Option<Op> {
    match op {
        Op::Conv(conv) if !conv.bias && !conv.shortcut && conv.activation.is_none() => {
            let mut conv = conv.clone();
            conv.bias = true;
            Some(Op::Conv(conv))
        }
        Op::Dense(dense) if !dense.bias && dense.activation.is_none() => {
            let mut dense = dense.clone();
            dense.bias = true;
            Some(Op::Dense(dense))
        }
        Op::Input(_)
        | Op::Constant(_)
        | Op::Conv(_)
        | Op::BatchNorm(_)
        | Op::GroupNorm(_)
        | Op::Activation(_)
        | Op::MaxPool(_)
        | Op::AveragePool { .. }
        | Op::GlobalAveragePool
        | Op::GlobalMaxPool
        | Op::Flatten
        | Op::Dense(_)
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
        | Op::Nest(_) => None,
    }
}

/// The constant as one value per channel, broadcast by the standard's rule.
fn per_channel(
    importer: &Importer<'_>,
    x: &View,
    constant: &Literal,
    values: &[f32],
    count: usize,
) -> Result<Vec<f32>, Failure> {
    if let &[value] = values
        && constant.dims.len() <= x.dims.len()
    {
        return Ok(vec![value; count]);
    }
    let axis = match x.layout(importer.shape(x)) {
        Some(NHWC) => 3,
        _ => 1,
    };
    // Axes are matched from the last.
    let from_last = x.dims.len().saturating_sub(axis + 1);
    let fits = constant.dims.len() <= x.dims.len()
        && constant.dims.iter().rev().enumerate().all(|(i, extent)| *extent == if i == from_last { count } else { 1 })
        && values.len() == count;
    if fits {
        return Ok(values.to_vec());
    }
    if x.dims.len() == 2 && constant.dims.len() == 1 {
        return Err(wrong_bias(&constant.dims, count));
    }
    let reason =
        format!("a constant of shape {:?} on a value of shape {:?} is not one per channel", constant.dims, x.dims);
    Err(Failure::Unsupported(reason))
}
