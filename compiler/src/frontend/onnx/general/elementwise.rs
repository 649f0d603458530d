//! Functions of each element, of one tensor and of several.

use super::super::attributes::{Node, attribute};
use super::super::importer::{Failure, Importer, Outcome};
use super::super::literal::{element, type_name};
use super::super::operators::Operator;
use super::super::shape;
use super::super::text;
use super::super::value::Value;
use super::window::channel_dims;
use super::{Operand, binary, operand, optional, overflow, range, unary};
use crate::ir::scalar::{Combine, Function, FunctionKind};

/// The function for an operator.
pub(super) fn find(operator: &str) -> Option<Operator> {
    Some(match operator {
        "Add" => |importer, node| arithmetic(importer, node, Combine::Add),
        "Sub" => |importer, node| arithmetic(importer, node, Combine::Subtract),
        "Mul" => |importer, node| arithmetic(importer, node, Combine::Multiply),
        "Div" => |importer, node| arithmetic(importer, node, Combine::Divide),
        "Pow" => |importer, node| arithmetic(importer, node, Combine::Power),
        "PRelu" => parametric_relu,
        "Mod" => modulo,
        "Sum" => |importer, node| several(importer, node, Combine::Add),
        "Mean" => mean,
        "Max" => |importer, node| several(importer, node, Combine::Maximum),
        "Min" => |importer, node| several(importer, node, Combine::Minimum),
        "Equal" => |importer, node| compared(importer, node, Combine::Equal, false),
        "Greater" => |importer, node| compared(importer, node, Combine::Greater, false),
        "GreaterOrEqual" => |importer, node| compared(importer, node, Combine::GreaterOrEqual, false),
        "Less" => |importer, node| compared(importer, node, Combine::Greater, true),
        "LessOrEqual" => |importer, node| compared(importer, node, Combine::GreaterOrEqual, true),
        "And" => |importer, node| compared(importer, node, Combine::And, false),
        "Or" => |importer, node| compared(importer, node, Combine::Or, false),
        "Xor" => |importer, node| compared(importer, node, Combine::Xor, false),
        "Where" => choose,
        "Clip" => clip,
        "Cast" | "CastLike" => cast,
        "Dropout" => dropout,
        "Relu" | "Sigmoid" | "HardSigmoid" | "HardSwish" | "Swish" | "Tanh" | "LeakyRelu" | "Elu" | "Celu" | "Selu"
        | "ThresholdedRelu" | "Shrink" | "Mish" | "Gelu" | "Softplus" | "Softsign" | "Exp" | "Log" | "Sqrt"
        | "Reciprocal" | "Abs" | "Neg" | "Sign" | "Erf" | "Sin" | "Cos" | "Floor" | "Ceil" | "Round" | "Not"
        | "IsNaN" => function,
        _ => return None,
    })
}

/// A function of one tensor.
fn function<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let float = |name: &str, default: f32| node.float(name, default).map(f64::from);
    let of = Function::of;
    let plain = Function::plain;
    let finish = match node.proto.op_type.as_str() {
        "Relu" => of(FunctionKind::Clip, 0.0, f64::INFINITY),
        "Sigmoid" => plain(FunctionKind::Sigmoid),
        "HardSigmoid" => of(FunctionKind::HardSigmoid, float("alpha", 0.2)?, float("beta", 0.5)?),
        "HardSwish" => of(FunctionKind::HardSwish, 1.0 / 6.0, 0.5),
        "Swish" => of(FunctionKind::Swish, float("alpha", 1.0)?, 0.0),
        "Tanh" => plain(FunctionKind::Tanh),
        "LeakyRelu" => of(FunctionKind::LeakyRelu, float("alpha", 0.01)?, 0.0),
        "Elu" => of(FunctionKind::Elu, float("alpha", 1.0)?, 0.0),
        "Celu" => of(FunctionKind::Celu, float("alpha", 1.0)?, 0.0),
        "Selu" => of(FunctionKind::Selu, float("alpha", 1.673_263_2)?, float("gamma", 1.050_701)?),
        "ThresholdedRelu" => of(FunctionKind::ThresholdedRelu, float("alpha", 1.0)?, 0.0),
        "Shrink" => of(FunctionKind::Shrink, float("lambd", 0.5)?, float("bias", 0.0)?),
        "Mish" => plain(FunctionKind::Mish),
        "Gelu" => match node.string("approximate", "none")?.as_str() {
            "none" => plain(FunctionKind::Gelu),
            "tanh" => plain(FunctionKind::GeluTanh),
            other => return Err(attribute("approximate", other, "\"none\" or \"tanh\"")),
        },
        "Softplus" => plain(FunctionKind::Softplus),
        "Softsign" => plain(FunctionKind::Softsign),
        "Exp" => plain(FunctionKind::Exp),
        "Log" => plain(FunctionKind::Log),
        "Sqrt" => plain(FunctionKind::Sqrt),
        "Reciprocal" => plain(FunctionKind::Reciprocal),
        "Abs" => plain(FunctionKind::Abs),
        "Neg" => of(FunctionKind::Affine, -1.0, 0.0),
        "Sign" => plain(FunctionKind::Sign),
        "Erf" => plain(FunctionKind::Erf),
        "Sin" => plain(FunctionKind::Sin),
        "Cos" => plain(FunctionKind::Cos),
        "Floor" => plain(FunctionKind::Floor),
        "Ceil" => plain(FunctionKind::Ceil),
        "Round" => plain(FunctionKind::Round),
        "Not" => plain(FunctionKind::Not),
        "IsNaN" => plain(FunctionKind::IsNan),
        _ => return Err(Failure::Unsupported("the operator is not supported".to_owned())),
    };
    let element = match node.proto.op_type.as_str() {
        "Not" | "IsNaN" => element::BOOL,
        _ => x.element,
    };
    Ok(unary(importer, &node.name, &x, finish, element)?.value())
}

/// The second operand, with its axes matched as before version 7: see [`super::super::elementwise`].
fn matched<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Result<[Operand; 2], Failure> {
    let (a, b) = (operand(importer, node, 0)?, operand(importer, node, 1)?);
    let b = match super::super::elementwise::matched(node, &a.dims, &b.dims)? {
        Some(dims) => b.reshaped(dims),
        None => b,
    };
    Ok([a, b])
}

fn arithmetic<'m>(importer: &mut Importer<'m>, node: &Node<'m>, combine: Combine) -> Outcome {
    let [a, b] = matched(importer, node)?;
    let element = a.element;
    let combine = match combine {
        Combine::Divide if element::is_whole(element) => Combine::DivideWhole,
        other => other,
    };
    let whole_power = combine == Combine::Power && element::is_whole(element) && !element::is_whole(b.element);
    let result = binary(importer, &node.name, &a, &b, combine, element)?;
    if whole_power {
        let name = format!("{}.truncated", node.name);
        return Ok(unary(importer, &name, &result, Function::plain(FunctionKind::Truncate), element)?.value());
    }
    Ok(result.value())
}

/// PRelu: before version 7 its slopes are one for each channel.
fn parametric_relu<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (x, slope) = (operand(importer, node, 0)?, operand(importer, node, 1)?);
    let slope = match (slope.len(), x.dims.get(1)) {
        (1, _) => slope.reshaped(Vec::new()),
        (count, Some(channels)) if node.opset < 7 && count == *channels => {
            let dims = channel_dims(count, x.dims.len());
            slope.reshaped(dims)
        }
        _ => slope,
    };
    let element = x.element;
    Ok(binary(importer, &node.name, &x, &slope, Combine::ParametricRelu, element)?.value())
}

fn modulo<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let combine = if node.flag("fmod", false)? { Combine::Remainder } else { Combine::Modulo };
    arithmetic(importer, node, combine)
}

fn several<'m>(importer: &mut Importer<'m>, node: &Node<'m>, combine: Combine) -> Outcome {
    Ok(joined(importer, node, combine)?.value())
}

fn joined<'m>(importer: &mut Importer<'m>, node: &Node<'m>, combine: Combine) -> Result<Operand, Failure> {
    let mut total = operand(importer, node, 0)?;
    for position in 1..node.inputs.len() {
        let next = operand(importer, node, position)?;
        let name =
            if position + 1 == node.inputs.len() { node.name.clone() } else { format!("{}.{position}", node.name) };
        let element = total.element;
        total = binary(importer, &name, &total, &next, combine, element)?;
    }
    Ok(total)
}

fn mean<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let total = joined(importer, node, Combine::Add)?;
    let share = Function::of(FunctionKind::Affine, 1.0 / node.inputs.len().max(1) as f64, 0.0);
    let element = total.element;
    Ok(unary(importer, &format!("{}.mean", node.name), &total, share, element)?.value())
}

fn compared<'m>(importer: &mut Importer<'m>, node: &Node<'m>, combine: Combine, swapped: bool) -> Outcome {
    if let (Value::Text(a), Value::Text(b)) = (node.value(0)?, node.value(1)?) {
        return text::equal(importer, a, b);
    }
    let [a, b] = matched(importer, node)?;
    let (a, b) = if swapped { (b, a) } else { (a, b) };
    Ok(binary(importer, &node.name, &a, &b, combine, element::BOOL)?.value())
}

/// Where: both are masked, and their sum has the one that is there.
fn choose<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (condition, x, y) = (operand(importer, node, 0)?, operand(importer, node, 1)?, operand(importer, node, 2)?);
    let name = |part: &str| format!("{}.{part}", node.name);
    let no = unary(importer, &name("not"), &condition, Function::plain(FunctionKind::Not), element::BOOL)?;
    let yes = binary(importer, &name("true"), &condition, &x, Combine::Masked, x.element)?;
    let no = binary(importer, &name("false"), &no, &y, Combine::Masked, y.element)?;
    let element = yes.element;
    Ok(binary(importer, &node.name, &yes, &no, Combine::Add, element)?.value())
}

/// Clip, whose bounds are attributes before version 11 and may be computed after.
fn clip<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let mut x = operand(importer, node, 0)?;
    let element = x.element;
    let bounds = if node.opset < 11 {
        let bound = |name: &str, none: f32| Ok(Some(Operand::floats(Vec::new(), vec![node.float(name, none)?])));
        [bound("min", f32::NEG_INFINITY)?, bound("max", f32::INFINITY)?]
    } else {
        [optional(importer, node, 1)?, optional(importer, node, 2)?]
    };
    let known = |bound: &Option<Operand>, none: f64| match bound {
        None => Some(none),
        Some(bound) => bound.values().and_then(|values| <[f64; 1]>::try_from(values).ok()).map(|[value]| value),
    };
    let [low, high] = &bounds;
    if let (Some(low), Some(high)) = (known(low, f64::NEG_INFINITY), known(high, f64::INFINITY)) {
        return Ok(unary(importer, &node.name, &x, Function::of(FunctionKind::Clip, low, high), element)?.value());
    }
    for (bound, (combine, word)) in bounds.iter().zip([(Combine::Maximum, "min"), (Combine::Minimum, "max")]) {
        if let Some(bound) = bound {
            x = binary(importer, &format!("{}.{word}", node.name), &x, bound, combine, element)?;
        }
    }
    Ok(x.value())
}

/// Cast between any numbers. What is computed stays f32: a cast to float16, bfloat16 or double changes nothing.
fn cast<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let to = shape::cast_to(node)?;
    if !element::is_number(to) {
        return Err(attribute("to", type_name(to), "a type of numbers or bool"));
    }
    let function = |kind: FunctionKind| vec![Function::plain(kind)];
    let functions = match (element::float8(to), to) {
        _ if to == x.element => Vec::new(),
        (Some((_, kind)), _) => vec![saturating(node, kind)?],
        (None, element::BOOL) => function(FunctionKind::Truth),
        // The standard leaves open what numbers beyond the range become; its reference rounds to 4 bits so.
        (None, element::INT4 | element::UINT4) if !element::is_whole(x.element) => {
            let clip = range(to).map(|[low, high]| Function::of(FunctionKind::Clip, low, high));
            function(FunctionKind::Round).into_iter().chain(clip).collect()
        }
        (None, to) if element::is_whole(to) => {
            let whole = (!element::is_whole(x.element)).then_some(Function::plain(FunctionKind::Truncate));
            whole.into_iter().chain(Some(overflow(to)).filter(|function| *function != Function::IDENTITY)).collect()
        }
        // A constant keeps integers and floats apart.
        _ => vec![Function::IDENTITY; usize::from(x.literal().is_some())],
    };
    let mut result = x.typed(to);
    for (position, function) in functions.iter().enumerate() {
        let name = if position == 0 { node.name.clone() } else { format!("{}.wrapped", node.name) };
        result = unary(importer, &name, &result, *function, to)?;
    }
    Ok(result.value())
}

/// The function that rounds to a floating-point number of 8 bits, as a node has it.
fn saturating(node: &Node<'_>, kind: FunctionKind) -> Result<Function, Failure> {
    Ok(Function::of(kind, if node.flag("saturate", true)? { 1.0 } else { 0.0 }, 0.0))
}

/// Dropout in evaluation: the values as they are, and a mask of truth.
fn dropout<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    super::super::norm::check_dropout(node)?;
    let x = operand(importer, node, 0)?;
    if let Some(mask) = node.proto.output.get(1).filter(|name| !name.is_empty()) {
        let all = super::super::literal::Data::Int(vec![1; x.len()].into());
        importer.charge(Some(x.len()))?;
        let literal = super::super::literal::Literal { dims: x.dims.clone(), data: all, element: element::BOOL };
        importer.define(mask, Value::Constant(literal));
    }
    node.value(0).cloned()
}
