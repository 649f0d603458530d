//! BatchNormalization, GroupNormalization, InstanceNormalization and Dropout.

use std::sync::Arc;

use super::attributes::{Node, attribute};
use super::convolution::floats;
use super::general;
use super::importer::{Failure, Importer, Outcome, refuse};
use super::literal::Data;
use super::shape::reshaped;
use super::value::{Value, View};
use crate::Diagnostic;
use crate::ir::{BatchNorm, GroupNorm, NodeId, Op};

/// BatchNormalization with running statistics.
pub(super) fn batch_normalization<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let constant = matches!(node.optional(0), Some(Value::Constant(_)));
    if node.flag("training_mode", false)? || node.opset < 7 && !node.flag("is_test", false)? {
        if constant {
            return Err(Failure::Unsupported("its statistics are those of a constant".to_owned()));
        }
        return Err(training("its statistics are those of the batch"));
    }
    if !node.flag("spatial", true)? {
        return Err(attribute("spatial", 0, "1, statistics per channel"));
    }
    let epsilon = epsilon(node)?;
    let (x, view) = channels(importer, node.view(0)?)?;
    let operands = with_vectors(importer, node, x, &["gamma", "beta", "mean", "variance"])?;
    let norm = BatchNorm { epsilon, gamma: true, beta: true, activation: None };
    let id = importer.add(&node.name, Op::BatchNorm(norm), &operands)?;
    Ok(Value::Computed(view.of(id)))
}

/// GroupNormalization with a scale and a bias per channel, as from operator set 21 on.
pub(super) fn group_normalization<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let epsilon = epsilon(node)?;
    let groups = node.int("num_groups", 0)?;
    let view = node.view(0)?;
    if !view.is_map(importer.shape(view)) {
        return Err(Failure::Unsupported("a value other than [N, C, H, W]".to_owned()));
    }
    let (x, view) = (view.node, view.clone());
    let channels = importer.graph.node(x).shape().0.get(1).copied().unwrap_or(0);
    let divides = usize::try_from(groups).ok().filter(|groups| *groups > 0 && channels.is_multiple_of(*groups));
    let Some(count) = divides else {
        return Err(attribute("num_groups", groups, &format!("a divisor of its {channels} channels")));
    };
    let operands = with_vectors(importer, node, x, &["gamma", "beta"])?;
    let norm = GroupNorm { groups: count, epsilon, activation: None };
    let id = importer.add(&node.name, Op::GroupNorm(norm), &operands)?;
    Ok(Value::Computed(view.of(id)))
}

/// InstanceNormalization. Of a map, each channel is a group; of a map whose channels were cut in groups, `[N, groups, ...]`, as exporters
/// write a group normalisation, each group is one.
pub(super) fn instance_normalization<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let epsilon = epsilon(node)?;
    let other = || Failure::Unsupported("it reads a tensor that is no map, nor the groups of one".to_owned());
    let (x, groups) = match node.value(0)? {
        Value::Array(array) => {
            let x = match (importer.graph.node(array.node).op(), importer.graph.operands(array.node).as_slice()) {
                (Op::AsArray, &[x]) => x,
                _ => return Err(other()),
            };
            match (importer.graph.node(x).shape().map(), array.dims.as_slice()) {
                (Some([n, channels, ..]), &[images, groups, _, ..])
                    if images == n && groups > 0 && channels.is_multiple_of(groups) =>
                {
                    (x, groups)
                }
                _ => return Err(other()),
            }
        }
        _ => {
            let x = importer.map(node.view(0)?)?;
            (x, importer.graph.node(x).shape().0.get(1).copied().unwrap_or(0))
        }
    };
    let channels = importer.graph.node(x).shape().0.get(1).copied().unwrap_or(0);
    let each = channels.checked_div(groups).unwrap_or(0);
    importer.charge(channels.checked_mul(2))?;
    let mut operands = vec![x];
    for (position, role) in [(1, "gamma"), (2, "beta")] {
        let values = vector(node, position, role, groups)?;
        let values: Vec<f32> = values.iter().flat_map(|value| std::iter::repeat_n(*value, each)).collect();
        operands.push(importer.constant(&importer.input_name(node, position, role), vec![channels], values)?);
    }
    let id = importer.add(&node.name, Op::GroupNorm(GroupNorm { groups, epsilon, activation: None }), &operands)?;
    let whole = importer.whole(id);
    match node.value(0)? {
        Value::Array(array) => {
            let normal = Value::Array(general::array(importer, &whole)?);
            reshaped(importer, &normal, array.dims.clone())
        }
        _ => Ok(whole),
    }
}

fn epsilon(node: &Node<'_>) -> Result<f64, Failure> {
    let epsilon = f64::from(node.float("epsilon", 1e-5)?);
    if epsilon > 0.0 && epsilon.is_finite() {
        Ok(epsilon)
    } else {
        Err(attribute("epsilon", epsilon, "a positive number"))
    }
}

/// A normalised node, and the constant inputs behind it, of one value per channel each.
fn with_vectors(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
    x: NodeId,
    roles: &[&str],
) -> Result<Vec<NodeId>, Failure> {
    let channels = importer.graph.node(x).shape().0.get(1).copied().unwrap_or(0);
    let mut operands = vec![x];
    for (position, role) in roles.iter().enumerate() {
        let values = vector(node, position + 1, role, channels)?;
        let name = importer.input_name(node, position + 1, role);
        operands.push(importer.constant(&name, vec![channels], values)?);
    }
    Ok(operands)
}

/// A constant input of one value per channel.
fn vector(node: &Node<'_>, position: usize, role: &str, channels: usize) -> Result<Arc<[f32]>, Failure> {
    let literal = node.literal(position)?;
    if literal.dims != [channels] {
        let message = format!("its {role} has the shape {:?}", literal.dims);
        return Err(Failure::Refused(Box::new(
            Diagnostic::error("E-ONNX-SHAPE", message).expected(format!("[{channels}], one value per channel")),
        )));
    }
    floats(node, position)
}

/// Dropout, which does nothing after training.
pub(super) fn dropout<'m>(_importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    check_dropout(node)?;
    node.value(0).cloned()
}

/// Refuses what drops values at random.
pub(super) fn check_dropout(node: &Node<'_>) -> Result<(), Failure> {
    if node.opset < 7 && !node.flag("is_test", false)? {
        return Err(training("it drops values at random"));
    }
    if let Some(mode) = node.optional_literal(2)? {
        let on = match &mode.data {
            Data::Int(values) => values.iter().any(|value| *value != 0),
            Data::Float(_) => return Err(refuse("E-ONNX-TYPE", "its training_mode is not a truth value")),
        };
        let never = node.optional_literal(1)?.is_some_and(super::pool::zeros);
        if on && !never {
            return Err(training("it drops values at random"));
        }
    }
    Ok(())
}

/// The node behind a view whose axis 1 is the channels, and the view of a result of the same shape.
pub(super) fn channels(importer: &mut Importer<'_>, view: &View) -> Result<(NodeId, View), Failure> {
    if view.is_map(importer.shape(view)) {
        return Ok((view.node, view.clone()));
    }
    let id = importer.vector(view)?;
    Ok((id, View::whole(id, importer.graph.node(id).shape())))
}

/// An operator behaves as in training.
pub(super) fn training(what: &str) -> Failure {
    Failure::Refused(Box::new(
        Diagnostic::error("E-ONNX-TRAIN", format!("it is in training mode: {what}"))
            .expected("a model in evaluation mode")
            .hint("call `model.eval()` before the export, and do not export with `training=TRAINING`"),
    ))
}
