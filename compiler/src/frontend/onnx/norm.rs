//! BatchNormalization and Dropout.

use super::attributes::{Node, attribute};
use super::convolution::floats;
use super::importer::{Failure, Importer, Outcome, refuse};
use super::literal::Data;
use super::value::{Value, View};
use crate::Diagnostic;
use crate::ir::{BatchNorm, NodeId, Op};

/// BatchNormalization with running statistics.
pub(super) fn batch_normalization<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    if node.flag("training_mode", false)? {
        return Err(training("its statistics are those of the batch"));
    }
    if !node.flag("spatial", true)? {
        return Err(attribute("spatial", 0, "1, statistics per channel"));
    }
    let epsilon = f64::from(node.float("epsilon", 1e-5)?);
    if !(epsilon > 0.0 && epsilon.is_finite()) {
        return Err(attribute("epsilon", epsilon, "a positive number"));
    }
    let (x, view) = channels(importer, node.view(0)?)?;
    let channels = importer.graph.node(x).shape().0.get(1).copied().unwrap_or(0);
    let mut operands = vec![x];
    for (position, role) in ["gamma", "beta", "mean", "variance"].into_iter().enumerate() {
        let literal = node.literal(position + 1)?;
        if literal.dims != [channels] {
            let message = format!("its {role} has the shape {:?}", literal.dims);
            return Err(Failure::Refused(Box::new(
                Diagnostic::error("E-ONNX-SHAPE", message).expected(format!("[{channels}], one value per channel")),
            )));
        }
        let name = importer.input_name(node, position + 1, role);
        operands.push(importer.constant(&name, vec![channels], floats(node, position + 1)?)?);
    }
    let norm = BatchNorm { epsilon, gamma: true, beta: true, activation: None };
    let id = importer.add(&node.name, Op::BatchNorm(norm), &operands)?;
    Ok(Value::Computed(view.of(id)))
}

/// Dropout, which does nothing after training.
pub(super) fn dropout<'m>(_importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    if let Some(mode) = node.optional_literal(2)? {
        let on = match &mode.data {
            Data::Int(values) => values.iter().any(|value| *value != 0),
            Data::Float(_) => return Err(refuse("E-ONNX-TYPE", "its training_mode is not a truth value")),
        };
        if on {
            return Err(training("it drops values at random"));
        }
    }
    node.value(0).cloned()
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
