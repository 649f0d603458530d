//! Gemm, MatMul and Softmax.

use std::sync::Arc;

use super::attributes::{Node, axis};
use super::convolution::{floats, wrong_bias};
use super::importer::{Failure, Importer, Outcome, refuse};
use super::value::{Value, View, natural};
use crate::ir::{Dense, NodeId, Op};

/// Gemm with constant weights: a dense layer.
pub(super) fn gemm<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    if node.flag("transA", false)? {
        return Err(Failure::Unsupported("it transposes a computed matrix".to_owned()));
    }
    let x = importer.vector(node.view(0)?)?;
    let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
    let (units, kernel) = kernel(importer, node, node.flag("transB", false)?, alpha)?;
    let mut operands = vec![x, kernel];
    let bias = node.optional_literal(2)?;
    if let Some(bias) = bias {
        let values = scaled(&floats(node, 2)?, beta);
        let values = match (bias.dims.as_slice(), values.as_ref()) {
            ([] | [1] | [1, 1], &[value]) => vec![value; units].into(),
            ([n] | [1, n], _) if *n == units => values,
            (dims, _) => return Err(wrong_bias(dims, units)),
        };
        operands.push(importer.constant(&importer.input_name(node, 2, "bias"), vec![units], values)?);
    }
    let id = importer.add(&node.name, Op::Dense(Dense { bias: bias.is_some(), activation: None }), &operands)?;
    Ok(importer.whole(id))
}

/// MatMul with constant weights: a dense layer without bias.
pub(super) fn mat_mul<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = importer.vector(node.view(0)?)?;
    let (_, kernel) = kernel(importer, node, false, 1.0)?;
    let id = importer.add(&node.name, Op::Dense(Dense { bias: false, activation: None }), &[x, kernel])?;
    Ok(importer.whole(id))
}

/// Softmax over all features of an image.
pub(super) fn softmax<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let view = node.view(0)?;
    let shape = importer.shape(view).clone();
    let flattens = node.opset < 13;
    let axis = axis(node.int("axis", if flattens { 1 } else { -1 })?, view.dims.len())?;
    let features = natural(&shape, &(1..shape.rank()).collect::<Vec<_>>());
    // Before version 13, all axes from the given one; since then, that one alone. The others must be the images.
    let within: Vec<usize> = match flattens {
        true => view.axes.iter().skip(axis).flatten().copied().collect(),
        false => view.axes.get(axis).cloned().unwrap_or_default(),
    };
    if within != features {
        let reason = format!("a softmax over axis {axis} of {:?} is not over all features of an image", view.dims);
        return Err(Failure::Unsupported(reason));
    }
    let images = shape.0.first().copied().unwrap_or(1);
    let vector = view.reshaped(&shape, &[images, shape.len() / images.max(1)]).map_err(Failure::Unsupported)?;
    let x = importer.vector(&vector)?;
    let id = importer.add(&node.name, Op::Softmax, &[x])?;
    let whole = View::whole(id, importer.graph.node(id).shape());
    let seen = whole.reshaped(importer.graph.node(id).shape(), &view.dims).map_err(Failure::Unsupported)?;
    Ok(Value::Computed(seen))
}

/// The weights in input 1 as `[units, features]`, multiplied by `alpha`.
fn kernel<'m>(
    importer: &mut Importer<'m>,
    node: &Node<'m>,
    units_first: bool,
    alpha: f32,
) -> Result<(usize, NodeId), Failure> {
    let literal = node.literal(1)?;
    let &[rows, columns] = literal.dims.as_slice() else {
        return Err(Failure::Unsupported(format!(
            "its weights have the shape {:?}, not that of a matrix",
            literal.dims
        )));
    };
    let values = floats(node, 1)?;
    let (units, features) = if units_first { (rows, columns) } else { (columns, rows) };
    if !units_first || alpha != 1.0 {
        importer.charge(Some(values.len()))?;
    }
    let values = if units_first { values } else { transposed(&values, columns)? };
    let name = importer.input_name(node, 1, "kernel");
    let id = importer.constant(&name, vec![units, features], scaled(&values, alpha))?;
    Ok((units, id))
}

fn scaled(values: &Arc<[f32]>, factor: f32) -> Arc<[f32]> {
    if factor == 1.0 { values.clone() } else { values.iter().map(|value| value * factor).collect() }
}

fn transposed(values: &[f32], columns: usize) -> Result<Arc<[f32]>, Failure> {
    if columns == 0 {
        return Err(refuse("E-ONNX-SHAPE", "its weights are empty"));
    }
    Ok((0..columns).flat_map(|column| values.iter().skip(column).step_by(columns).copied()).collect())
}
