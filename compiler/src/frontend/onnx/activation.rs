//! Functions of each element.

use super::attributes::Node;
use super::importer::{Failure, Importer, Outcome, refuse};
use super::value::Value;
use crate::ir::{Activation, Op};

/// Relu.
pub(super) fn relu<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    apply(importer, node, Activation::Relu)
}

/// Sigmoid.
pub(super) fn sigmoid<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    apply(importer, node, Activation::Sigmoid)
}

/// Tanh.
pub(super) fn tanh<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    apply(importer, node, Activation::Tanh)
}

/// HardSwish.
pub(super) fn hard_swish<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    apply(importer, node, Activation::HardSwish)
}

/// HardSigmoid with the slope of 1 / 6 that HardSwish has; the standard's default is another.
pub(super) fn hard_sigmoid<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (alpha, beta) = (node.float("alpha", 0.2)?, node.float("beta", 0.5)?);
    if (alpha * 6.0 - 1.0).abs() > 1e-6 || (beta - 0.5).abs() > 1e-6 {
        let reason = format!("its slope is {alpha}, its offset {beta}; only 1 / 6 and 0.5 are supported");
        return Err(Failure::Unsupported(reason));
    }
    apply(importer, node, Activation::HardSigmoid)
}

/// Swish, as SiLU.
pub(super) fn swish<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let alpha = node.float("alpha", 1.0)?;
    if alpha != 1.0 {
        return Err(Failure::Unsupported(format!("its alpha is {alpha}; only 1 is supported")));
    }
    apply(importer, node, Activation::Silu)
}

/// Clip, where it is an activation or nothing.
pub(super) fn clip<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let low = bound(node, "min", 1, f32::NEG_INFINITY)?;
    let high = bound(node, "max", 2, f32::INFINITY)?;
    let lowest = low <= f32::MIN;
    let highest = high >= f32::MAX;
    match (lowest, highest) {
        (true, true) => node.value(0).cloned(),
        (false, true) if low == 0.0 => relu(importer, node),
        (false, false) if low == 0.0 && high == 6.0 => apply(importer, node, Activation::Relu6),
        _ => Err(Failure::Unsupported(format!(
            "it clips to {low} to {high}; only the ranges 0 to infinity and 0 to 6 are supported"
        ))),
    }
}

fn bound(node: &Node<'_>, name: &str, position: usize, default: f32) -> Result<f32, Failure> {
    if node.has(name) {
        return node.float(name, default);
    }
    let Some(literal) = node.optional_literal(position)? else { return Ok(default) };
    match literal.as_floats().map(|values| values.as_ref()) {
        Some(&[value]) => Ok(value),
        None if literal.len() == 1 => Err(Failure::Unsupported("it clips integers".to_owned())),
        _ => Err(refuse("E-ONNX-TYPE", format!("its input {position} is not one floating-point number"))),
    }
}

fn apply<'m>(importer: &mut Importer<'m>, node: &Node<'m>, activation: Activation) -> Outcome {
    let view = node.view(0)?;
    let id = importer.add(&node.name, Op::Activation(activation), &[view.node])?;
    Ok(Value::Computed(view.of(id)))
}
