//! Normalisations over any axes.

use super::super::attributes::{Node, axis};
use super::super::importer::{Failure, Importer, Outcome, refuse};
use super::super::literal::element::FLOAT;
use super::super::operators::Operator;
use super::window::channel_dims;
use super::{Operand, binary, operand, optional, reduced, unary};
use crate::ir::scalar::{Combine, Fold, Function, FunctionKind};

/// The function for an operator.
pub(super) fn find(operator: &str) -> Option<Operator> {
    Some(match operator {
        "BatchNormalization" => batch,
        "InstanceNormalization" => instance,
        "LayerNormalization" => layer,
        "GroupNormalization" => group,
        _ => return None,
    })
}

/// Mean and variance over some axes.
fn statistics(importer: &mut Importer<'_>, name: &str, x: &Operand, axes: &[usize]) -> Result<[Operand; 3], Failure> {
    let count: usize = axes.iter().filter_map(|axis| x.dims.get(*axis)).product();
    let share = Function::of(FunctionKind::Affine, 1.0 / count.max(1) as f64, 0.0);
    let mean = reduced(importer, &format!("{name}.mean"), x, axes, Fold::Sum, share, FLOAT)?;
    let apart = binary(importer, &format!("{name}.apart"), x, &mean, Combine::Subtract, FLOAT)?;
    let squares = binary(importer, &format!("{name}.squares"), &apart, &apart, Combine::Multiply, FLOAT)?;
    let variance = reduced(importer, &format!("{name}.variance"), &squares, axes, Fold::Sum, share, FLOAT)?;
    Ok([mean, variance, apart])
}

/// `1 / sqrt(variance + epsilon)`
fn inverse(importer: &mut Importer<'_>, name: &str, variance: &Operand, epsilon: f64) -> Result<Operand, Failure> {
    let raised =
        unary(importer, &format!("{name}.raised"), variance, Function::of(FunctionKind::Affine, 1.0, epsilon), FLOAT)?;
    let root = unary(importer, &format!("{name}.deviation"), &raised, Function::plain(FunctionKind::Sqrt), FLOAT)?;
    unary(importer, &format!("{name}.inverse"), &root, Function::plain(FunctionKind::Reciprocal), FLOAT)
}

/// `x * inverse * gamma + beta`, of what is apart from the mean.
fn scaled(
    importer: &mut Importer<'_>,
    name: &str,
    apart: &Operand,
    inverse: &Operand,
    gamma: Option<Operand>,
    beta: Option<Operand>,
) -> Result<Operand, Failure> {
    let mut result = binary(importer, &format!("{name}.normal"), apart, inverse, Combine::Multiply, FLOAT)?;
    if let Some(gamma) = gamma {
        result = binary(importer, &format!("{name}.scaled"), &result, &gamma, Combine::Multiply, FLOAT)?;
    }
    if let Some(beta) = beta {
        result = binary(importer, name, &result, &beta, Combine::Add, FLOAT)?;
    }
    Ok(result)
}

fn per_channel(vector: Operand, x: &Operand) -> Result<Operand, Failure> {
    let channels = x.dims.get(1).copied().unwrap_or(1);
    if vector.len() != channels {
        let message = format!("a vector of shape {:?} belongs to {channels} channels", vector.dims);
        return Err(refuse("E-ONNX-SHAPE", message));
    }
    Ok(vector.reshaped(channel_dims(channels, x.dims.len())))
}

/// BatchNormalization with running statistics; with those of the batch only where the batch is constant.
fn batch<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    if !node.flag("spatial", true)? {
        return Err(Failure::Unsupported("it has statistics for each element, not for each channel".to_owned()));
    }
    let [gamma, beta, mean, variance] = {
        let mut vectors = Vec::with_capacity(4);
        for position in 1..5 {
            vectors.push(per_channel(operand(importer, node, position)?, &x)?);
        }
        <[Operand; 4]>::try_from(vectors).map_err(|_| refuse("E-ONNX-TYPE", "it lacks its vectors"))?
    };
    let epsilon = f64::from(node.float("epsilon", 1e-5)?);
    let live = node.flag("training_mode", false)? || (node.opset < 7 && !node.flag("is_test", false)?);
    if live {
        if x.literal().is_none() {
            return Err(super::super::norm::training("its statistics are those of the batch"));
        }
        let axes: Vec<usize> = (0..x.dims.len()).filter(|axis| *axis != 1).collect();
        let [live_mean, live_variance, apart] = statistics(importer, &node.name, &x, &axes)?;
        let inverse = inverse(importer, &node.name, &live_variance, epsilon)?;
        // The running statistics, after this batch.
        let momentum = f64::from(node.float("momentum", 0.9)?);
        for (position, old, new) in [(1, &mean, &live_mean), (2, &variance, &live_variance)] {
            let Some(output) = node.proto.output.get(position).filter(|output| !output.is_empty()) else { continue };
            let part = |factor: f64| Function::of(FunctionKind::Affine, factor, 0.0);
            let old = unary(importer, &format!("{output}.old"), old, part(momentum), FLOAT)?;
            let new = unary(importer, &format!("{output}.new"), new, part(1.0 - momentum), FLOAT)?;
            let both = binary(importer, output, &old, &new, Combine::Add, FLOAT)?;
            let count = both.len();
            importer.define(output, both.reshaped(vec![count]).value());
        }
        return Ok(scaled(importer, &node.name, &apart, &inverse, Some(gamma), Some(beta))?.value());
    }
    let inverse = inverse(importer, &node.name, &variance, epsilon)?;
    let apart = binary(importer, &format!("{}.apart", node.name), &x, &mean, Combine::Subtract, FLOAT)?;
    Ok(scaled(importer, &node.name, &apart, &inverse, Some(gamma), Some(beta))?.value())
}

fn instance<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let gamma = per_channel(operand(importer, node, 1)?, &x)?;
    let beta = per_channel(operand(importer, node, 2)?, &x)?;
    let axes: Vec<usize> = (2..x.dims.len()).collect();
    let [_, variance, apart] = statistics(importer, &node.name, &x, &axes)?;
    let inverse = inverse(importer, &node.name, &variance, f64::from(node.float("epsilon", 1e-5)?))?;
    Ok(scaled(importer, &node.name, &apart, &inverse, Some(gamma), Some(beta))?.value())
}

fn layer<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let first = axis(node.int("axis", -1)?, x.dims.len())?;
    let axes: Vec<usize> = (first..x.dims.len()).collect();
    let (gamma, beta) = (operand(importer, node, 1)?, optional(importer, node, 2)?);
    let [mean, variance, apart] = statistics(importer, &node.name, &x, &axes)?;
    let inverse = inverse(importer, &node.name, &variance, f64::from(node.float("epsilon", 1e-5)?))?;
    let result = scaled(importer, &node.name, &apart, &inverse, Some(gamma), beta)?;
    for (position, value) in [(1, mean), (2, inverse)] {
        if let Some(output) = node.proto.output.get(position).filter(|output| !output.is_empty()) {
            importer.define(output, value.value());
        }
    }
    Ok(result.value())
}

/// GroupNormalization: scale and shift are per group before version 21, and per channel since.
fn group<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let (gamma, beta) = (operand(importer, node, 1)?, operand(importer, node, 2)?);
    let groups = usize::try_from(node.int("num_groups", 0)?).unwrap_or(0);
    let &[n, channels, ..] = x.dims.as_slice() else {
        return Err(refuse("E-ONNX-SHAPE", format!("it takes [N, C, ...], got {:?}", x.dims)));
    };
    if groups == 0 || channels % groups != 0 {
        return Err(refuse("E-ONNX-SHAPE", format!("{channels} channels are not made of {groups} groups")));
    }
    let pixels: usize = x.dims.iter().skip(2).product();
    let each = channels / groups;
    let grouped = x.reshaped(vec![n, groups, each, pixels]);
    let [_, variance, apart] = statistics(importer, &node.name, &grouped, &[2, 3])?;
    let inverse = inverse(importer, &node.name, &variance, f64::from(node.float("epsilon", 1e-5)?))?;
    let placed = |vector: Operand| match vector.len() {
        count if count == channels && node.opset >= 21 => Ok(vector.reshaped(vec![1, groups, each, 1])),
        count if count == groups && node.opset < 21 => Ok(vector.reshaped(vec![1, groups, 1, 1])),
        _ => Err(refuse("E-ONNX-SHAPE", format!("its scale or bias has the shape {:?}", vector.dims))),
    };
    let (gamma, beta) = (placed(gamma)?, placed(beta)?);
    let result = scaled(importer, &node.name, &apart, &inverse, Some(gamma), Some(beta))?;
    Ok(result.reshaped(x.dims).value())
}
