//! The order in which Keras lists the layers of a model: the order of files whose names are not reliable.
//!
//! Keras' rule (`keras.src.ops.function.map_graph`): a layer's depth is the length of the longest way from it to the result; deeper layers come
//! first, and of equal depth those come first that a walk from the result, depth first and inputs in the order of the call, meets first. A
//! scale and the sum behind it are one layer there, a global pool and the flattening behind it too.

use super::expand::{Expanded, Step, StepKind};

/// The steps of a network in Keras' order.
pub fn keras_order(expanded: &Expanded) -> Vec<usize> {
    let steps = &expanded.steps;
    let mut depth = vec![0_usize; steps.len()];
    for (index, step) in steps.iter().enumerate().rev() {
        let own = depth.get(index).copied().unwrap_or(0);
        for source in step.reads.iter().filter_map(|value| value.checked_sub(1)) {
            let one = usize::from(!steps.get(source).is_some_and(|source| same_layer(source, step)));
            if let Some(depth) = depth.get_mut(source) {
                *depth = (own + one).max(*depth);
            }
        }
    }
    let mut met = vec![None; steps.len()];
    let mut open: Vec<usize> = expanded.outputs.iter().rev().filter_map(|output| output.value.checked_sub(1)).collect();
    let mut count = 0_usize;
    while let Some(index) = open.pop() {
        let (Some(met), Some(step)) = (met.get_mut(index), steps.get(index)) else { continue };
        if met.is_none() {
            *met = Some(count);
            count += 1;
            open.extend(step.reads.iter().rev().filter_map(|value| value.checked_sub(1)));
        }
    }
    let mut order: Vec<(usize, usize, usize)> = met
        .into_iter()
        .zip(depth)
        .enumerate()
        .filter_map(|(index, (met, depth))| Some((usize::MAX - depth, met?, index)))
        .collect();
    order.sort_unstable();
    order.into_iter().map(|(.., index)| index).collect()
}

/// Whether two steps are one layer of Keras.
fn same_layer(source: &Step, reader: &Step) -> bool {
    matches!(
        (&source.kind, &reader.kind),
        (StepKind::Scale(_), StepKind::Add)
            | (StepKind::GlobalAveragePool | StepKind::GlobalMaxPool, StepKind::Flatten)
    )
}
