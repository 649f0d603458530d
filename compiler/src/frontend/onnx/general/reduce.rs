//! Operators that reduce axes: sums, extremes, places of extremes, softmax, the largest few.

use super::super::attributes::{Node, attribute, axis};
use super::super::importer::{Failure, Importer, Outcome, refuse};
use super::super::literal::element;
use super::super::operators::Operator;
use super::{Operand, binary, operand, reduced, unary};
use crate::ir::scalar::{Combine, Fold, Function, FunctionKind};

/// The function for an operator.
pub(super) fn find(operator: &str) -> Option<Operator> {
    Some(match operator {
        "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd" | "ReduceL1" | "ReduceL2"
        | "ReduceLogSum" | "ReduceLogSumExp" | "ReduceSumSquare" => reduce,
        "ArgMax" | "ArgMin" => place,
        "Softmax" | "LogSoftmax" => softmax,
        "TopK" => largest,
        _ => return None,
    })
}

/// The extents without some axes.
pub(super) fn without(dims: &[usize], axes: &[usize]) -> Vec<usize> {
    dims.iter().enumerate().filter(|(axis, _)| !axes.contains(axis)).map(|(_, extent)| *extent).collect()
}

fn reduce<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let rank = x.dims.len();
    let given = node.ints_either("axes", 1)?.unwrap_or_default();
    let mut axes: Vec<usize> = given.iter().map(|value| axis(*value, rank)).collect::<Result<_, _>>()?;
    axes.sort_unstable();
    axes.dedup();
    if axes.is_empty() {
        if node.flag("noop_with_empty_axes", false)? {
            return node.value(0).cloned();
        }
        axes = (0..rank).collect();
    }
    let count: usize = axes.iter().filter_map(|axis| x.dims.get(*axis)).product();
    let name = |part: &str| format!("{}.{part}", node.name);
    let plain = Function::plain;
    let element = x.element;
    let (x, fold, finish) = match node.proto.op_type.as_str() {
        "ReduceMean" => {
            // An integer mean is cut off.
            let share = Function::of(FunctionKind::Affine, 1.0 / count.max(1) as f64, 0.0);
            (x, Fold::Sum, share)
        }
        "ReduceSum" => (x, Fold::Sum, Function::IDENTITY),
        "ReduceMax" => (x, Fold::Maximum, Function::IDENTITY),
        "ReduceMin" => (x, Fold::Minimum, Function::IDENTITY),
        "ReduceProd" => (x, Fold::Product, Function::IDENTITY),
        "ReduceL1" => {
            (unary(importer, &name("abs"), &x, plain(FunctionKind::Abs), element)?, Fold::Sum, Function::IDENTITY)
        }
        "ReduceL2" => (
            binary(importer, &name("square"), &x, &x, Combine::Multiply, element)?,
            Fold::Sum,
            plain(FunctionKind::Sqrt),
        ),
        "ReduceSumSquare" => {
            (binary(importer, &name("square"), &x, &x, Combine::Multiply, element)?, Fold::Sum, Function::IDENTITY)
        }
        "ReduceLogSum" => (x, Fold::Sum, plain(FunctionKind::Log)),
        _ => {
            // The largest is taken out first, so that no exponential overflows.
            let most = reduced(importer, &name("largest"), &x, &axes, Fold::Maximum, Function::IDENTITY, element)?;
            let apart = binary(importer, &name("apart"), &x, &most, Combine::Subtract, element)?;
            let powers = unary(importer, &name("exp"), &apart, plain(FunctionKind::Exp), element)?;
            let sum = reduced(importer, &name("sum"), &powers, &axes, Fold::Sum, plain(FunctionKind::Log), element)?;
            let result = binary(importer, &node.name, &sum, &most, Combine::Add, element)?;
            return kept(node, result, &axes);
        }
    };
    let mut result = reduced(importer, &node.name, &x, &axes, fold, finish, element)?;
    if element::is_whole(element) && node.proto.op_type == "ReduceMean" {
        result = unary(importer, &name("truncated"), &result, plain(FunctionKind::Truncate), element)?;
    }
    kept(node, result, &axes)
}

/// A result whose reduced axes are there, or not.
fn kept(node: &Node<'_>, result: Operand, axes: &[usize]) -> Outcome {
    if node.flag("keepdims", true)? {
        return Ok(result.value());
    }
    let dims = without(&result.dims, axes);
    Ok(result.reshaped(dims).value())
}

/// ArgMax and ArgMin.
fn place<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let axes = [axis(node.int("axis", 0)?, x.dims.len())?];
    let fold = match (node.proto.op_type.as_str(), node.flag("select_last_index", false)?) {
        ("ArgMax", false) => Fold::FirstMaximum,
        ("ArgMax", true) => Fold::LastMaximum,
        (_, false) => Fold::FirstMinimum,
        (_, true) => Fold::LastMinimum,
    };
    let result = reduced(importer, &node.name, &x, &axes, fold, Function::IDENTITY, element::INT64)?;
    kept(node, result, &axes)
}

/// Softmax along an axis; before version 13 over all axes from one on.
fn softmax<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let rank = x.dims.len();
    let first = axis(node.int("axis", if node.opset < 13 { 1 } else { -1 })?, rank)?;
    let axes: Vec<usize> = if node.opset < 13 { (first..rank).collect() } else { vec![first] };
    let logarithm = node.proto.op_type == "LogSoftmax";
    Ok(soft(importer, &node.name, &x, &axes, logarithm)?.value())
}

/// Softmax over some axes together, or its logarithm.
pub(super) fn soft(
    importer: &mut Importer<'_>,
    node: &str,
    x: &Operand,
    axes: &[usize],
    logarithm: bool,
) -> Result<Operand, Failure> {
    let (name, element) = (|part: &str| format!("{node}.{part}"), x.element);
    let plain = Function::plain;
    let most = reduced(importer, &name("largest"), x, axes, Fold::Maximum, Function::IDENTITY, element)?;
    let apart = binary(importer, &name("apart"), x, &most, Combine::Subtract, element)?;
    let powers = unary(importer, &name("exp"), &apart, plain(FunctionKind::Exp), element)?;
    if logarithm {
        let sum = reduced(importer, &name("sum"), &powers, axes, Fold::Sum, plain(FunctionKind::Log), element)?;
        return binary(importer, node, &apart, &sum, Combine::Subtract, element);
    }
    let sum = reduced(importer, &name("sum"), &powers, axes, Fold::Sum, Function::IDENTITY, element)?;
    binary(importer, node, &powers, &sum, Combine::Divide, element)
}

/// TopK: each element's rank is how many come before it; then those of each rank are picked.
fn largest<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let rank = x.dims.len();
    let along = axis(node.int("axis", -1)?, rank)?;
    let extent = x.dims.get(along).copied().unwrap_or(1);
    let count = match node.opset < 10 {
        true => node.int("k", 0)?,
        false => node.input_ints(1)?.first().copied().unwrap_or(0),
    };
    let count = usize::try_from(count).ok().filter(|count| (1..=extent).contains(count));
    let count = count.ok_or_else(|| attribute("k", count, &format!("1 to {extent}")))?;
    if extent > 4096 {
        return Err(Failure::Unsupported(format!("it orders {extent} values; up to 4096 are supported")));
    }
    let most = node.flag("largest", true)?;
    let name = |part: &str| format!("{}.{part}", node.name);
    // The axis comes last; then each element stands beside every other one.
    let last: Vec<usize> = (0..rank).filter(|axis| *axis != along).chain([along]).collect();
    let ordered = super::permuted(importer, &name("last"), &x, &last)?;
    let outer: usize = ordered.len() / extent.max(1);
    let rows = ordered.reshaped(vec![outer, extent, 1]);
    let columns = ordered.reshaped(vec![outer, 1, extent]);
    let (above, below) = if most { (&rows, &columns) } else { (&columns, &rows) };
    let before = binary(importer, &name("before"), above, below, Combine::Greater, element::BOOL)?;
    let equal = binary(importer, &name("equal"), &rows, &columns, Combine::Equal, element::BOOL)?;
    let earlier: Vec<f32> =
        (0..extent).flat_map(|row| (0..extent).map(move |column| f32::from(u8::from(row < column)))).collect();
    importer.charge(Some(earlier.len()))?;
    let earlier = Operand::floats(vec![1, extent, extent], earlier);
    let earlier = binary(importer, &name("earlier"), &equal, &earlier, Combine::Multiply, element::FLOAT)?;
    let before = binary(importer, &name("precedes"), &before, &earlier, Combine::Add, element::FLOAT)?;
    let ranks = reduced(importer, &name("rank"), &before, &[1], Fold::Sum, Function::IDENTITY, element::FLOAT)?;
    let wanted = Operand::floats(vec![1, count, 1], (0..count).map(|rank| rank as f32).collect());
    let chosen = binary(importer, &name("chosen"), &wanted, &ranks, Combine::Equal, element::BOOL)?;
    let places = Operand::floats(vec![1, 1, extent], (0..extent).map(|place| place as f32).collect());
    let back: Vec<usize> = (0..rank).map(|axis| last.iter().position(|from| *from == axis).unwrap_or(axis)).collect();
    let mut results = Vec::with_capacity(2);
    for (source, element, part) in [(&columns, x.element, "values"), (&places, element::INT64, "places")] {
        let masked = binary(importer, &name(&format!("masked_{part}")), &chosen, source, Combine::Masked, element)?;
        let picked = reduced(importer, &name(part), &masked, &[2], Fold::Sum, Function::IDENTITY, element)?;
        let mut dims: Vec<usize> = last.iter().filter_map(|axis| x.dims.get(*axis)).copied().collect();
        if let Some(slot) = dims.last_mut() {
            *slot = count;
        }
        results.push(super::permuted(importer, &name(&format!("{part}_back")), &picked.reshaped(dims), &back)?);
    }
    let places = results.pop().ok_or_else(|| refuse("E-ONNX-SHAPE", "it has no places"))?;
    let values = results.pop().ok_or_else(|| refuse("E-ONNX-SHAPE", "it has no values"))?;
    if let Some(output) = node.proto.output.get(1).filter(|output| !output.is_empty()) {
        importer.define(output, places.value());
    }
    Ok(values.value())
}
