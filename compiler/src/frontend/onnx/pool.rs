//! Pooling, and the mean and the maximum over a map.

use std::collections::BTreeSet;

use super::attributes::{Node, attribute, axis, pair};
use super::convolution::padding;
use super::importer::{Failure, Importer, Outcome};
use super::literal::Literal;
use super::value::{Value, View, natural};
use crate::ir::{NodeId, Op, Padding, Pool};

/// MaxPool.
pub(super) fn max_pool<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (x, pool) = window(importer, node)?;
    let id = importer.add(&node.name, Op::MaxPool(pool), &[x])?;
    Ok(importer.whole(id))
}

/// AveragePool; over the whole map it is a global average.
pub(super) fn average_pool<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (x, pool) = window(importer, node)?;
    let [_, _, height, width] = importer.graph.node(x).shape().map().unwrap_or_default();
    let op = if pool.kernel == [height, width] && pool.padding == Padding::default() && !pool.stride.contains(&0) {
        Op::GlobalAveragePool
    } else {
        Op::AveragePool { pool, count_include_padding: node.flag("count_include_pad", false)? }
    };
    let id = importer.add(&node.name, op, &[x])?;
    Ok(importer.whole(id))
}

/// GlobalAveragePool.
pub(super) fn global_average_pool<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = importer.map(node.view(0)?)?;
    let id = importer.add(&node.name, Op::GlobalAveragePool, &[x])?;
    Ok(importer.whole(id))
}

/// GlobalMaxPool.
pub(super) fn global_max_pool<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = importer.map(node.view(0)?)?;
    let id = importer.add(&node.name, Op::GlobalMaxPool, &[x])?;
    Ok(importer.whole(id))
}

/// ReduceMean over height and width.
pub(super) fn reduce_mean<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    reduce(importer, node, Op::GlobalAveragePool)
}

/// ReduceMax over height and width.
pub(super) fn reduce_max<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    reduce(importer, node, Op::GlobalMaxPool)
}

fn reduce<'m>(importer: &mut Importer<'m>, node: &Node<'m>, op: Op) -> Outcome {
    let view = node.view(0)?;
    let rank = view.dims.len();
    let given = node.ints_either("axes", 1)?.unwrap_or_default();
    if given.is_empty() && node.flag("noop_with_empty_axes", false)? {
        return Ok(Value::Computed(view.clone()));
    }
    let reduced: BTreeSet<usize> = given.iter().map(|value| axis(*value, rank)).collect::<Result<_, _>>()?;
    let mut over: Vec<usize> =
        view.axes.iter().enumerate().filter(|(i, _)| reduced.contains(i)).flat_map(|(_, axes)| axes.clone()).collect();
    over.sort_unstable();
    let shape = importer.shape(view).clone();
    let pixels = natural(&shape, &[2, 3]);
    if shape.rank() != 4 || over != pixels || given.is_empty() {
        let reason = format!("it reduces the axes {given:?} of {:?}, which are not height and width", view.dims);
        return Err(Failure::Unsupported(reason));
    }
    let id = if over.is_empty() { view.node } else { importer.add(&node.name, op, &[view.node])? };
    let keep = node.flag("keepdims", true)?;
    let kept = |axis: &usize| keep || !reduced.contains(axis);
    let positions: Vec<usize> = (0..rank).filter(kept).collect();
    let pick = |position: &usize| -> (Vec<usize>, usize) {
        if reduced.contains(position) {
            return (Vec::new(), 1);
        }
        let axes = view.axes.get(*position).cloned().unwrap_or_default();
        (axes, view.dims.get(*position).copied().unwrap_or(1))
    };
    let (axes, dims) = positions.iter().map(pick).unzip();
    Ok(Value::Computed(View { node: id, axes, dims }))
}

fn window<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Result<(NodeId, Pool), Failure> {
    let x = importer.map(node.view(0)?)?;
    let Some(kernel) = node.ints("kernel_shape")? else {
        return Err(attribute("kernel_shape", (), "the height and width of the window"));
    };
    let kernel = pair("kernel_shape", Some(kernel), [1, 1])?;
    let stride = pair("strides", node.ints("strides")?, [1, 1])?;
    let dilation = pair("dilations", node.ints("dilations")?, [1, 1])?;
    if dilation != [1, 1] {
        return Err(Failure::Unsupported(format!("its dilations are {dilation:?}")));
    }
    let padding = padding(importer, node, x, kernel, stride, dilation)?;
    let ceil_mode = node.flag("ceil_mode", false)?;
    Ok((x, Pool { kernel, stride, padding, ceil_mode }))
}

/// All values 0.
pub(super) fn zeros(literal: &Literal) -> bool {
    match &literal.data {
        super::literal::Data::Float(values) => values.iter().all(|value| *value == 0.0),
        super::literal::Data::Int(values) => values.iter().all(|value| *value == 0),
    }
}
