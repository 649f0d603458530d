//! The oracle: every operation by its definition, in f64, with plain loops.
//!
//! Nothing here is shared with the kernels or the passes' legality rules, so that each can be held against it.
//! Values are in the graph's logical layouts: an input is `[N, C, H, W]` whatever its [`Layout`] says
//! ([`logical`] brings a caller's buffer there). Convolutions split their output channels over the cores; every element
//! is summed by one thread in one order, so results have the same bits on any number of them.

mod distance;
mod evaluate;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::ControlFlow;
use std::rc::Rc;

pub use distance::Distance;
pub use evaluate::{Operand, evaluate};

use super::{Graph, Layout, NodeId, Op, Shape};

/// Values of nodes, row-major, in the logical layout of each.
pub type Values = BTreeMap<NodeId, Vec<f64>>;

/// The most elements that one node may have.
pub const MOST_ELEMENTS: usize = 1 << 30;

/// Why a graph could not be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterpreterError {
    /// The node's name.
    pub node: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for InterpreterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node `{}`: {}", self.node, self.message)
    }
}

impl std::error::Error for InterpreterError {}

/// The value of every node, constants included.
///
/// # Errors
/// When an input is missing or has the wrong number of values, when a node has more than [`MOST_ELEMENTS`], or when the
/// graph has a cycle.
pub fn run(graph: &Graph, inputs: &Values) -> Result<Values, InterpreterError> {
    collect(graph, inputs, |_| true)
}

/// The values of `keep` alone; every other is dropped after its last reader.
///
/// # Errors
/// As [`run`].
pub fn run_keeping(graph: &Graph, inputs: &Values, keep: &BTreeSet<NodeId>) -> Result<Values, InterpreterError> {
    collect(graph, inputs, |id| keep.contains(&id))
}

fn collect(graph: &Graph, inputs: &Values, keep: impl Fn(NodeId) -> bool) -> Result<Values, InterpreterError> {
    let mut values = Values::new();
    walk(graph, inputs, &mut |id, value| {
        if keep(id) {
            values.insert(id, value.to_vec());
        }
        ControlFlow::Continue(())
    })?;
    Ok(values)
}

/// Computes node after node in topological order, shows each value to `visit`, constants included, and stops when it says
/// so. A value is dropped after its last reader.
///
/// # Errors
/// As [`run`].
pub fn walk(
    graph: &Graph,
    inputs: &Values,
    visit: &mut dyn FnMut(NodeId, &[f64]) -> ControlFlow<()>,
) -> Result<(), InterpreterError> {
    let order = graph.topological();
    if order.len() != graph.len() {
        let lost = graph.ids().find(|id| !order.contains(id));
        let name = lost.map(|id| graph.node(id).name.as_str()).unwrap_or_default();
        return Err(error(name, "it depends on itself"));
    }
    let mut live: BTreeMap<NodeId, (Rc<Vec<f64>>, usize)> = BTreeMap::new();
    for id in order {
        let node = graph.node(id);
        if node.shape().len() > MOST_ELEMENTS {
            let message = format!("its {} elements are more than the interpreter takes", node.shape().len());
            return Err(error(&node.name, message));
        }
        let value = match node.op() {
            Op::Input(_) => input(&node.name, node.shape(), inputs.get(&id))?,
            op => {
                let operands = graph.operands(id);
                let values: Vec<_> = operands
                    .iter()
                    .filter_map(|operand| Some((graph.node(*operand).shape(), Rc::clone(&live.get(operand)?.0))))
                    .collect();
                let operands: Vec<_> =
                    values.iter().map(|(shape, values)| Operand { shape, values: values.as_slice() }).collect();
                evaluate(op, &operands).map_err(|message| error(&node.name, message))?
            }
        };
        if visit(id, &value).is_break() {
            return Ok(());
        }
        for operand in graph.operands(id) {
            if let Some((_, readers)) = live.get_mut(&operand) {
                *readers -= 1;
                if *readers == 0 {
                    live.remove(&operand);
                }
            }
        }
        let readers = graph.readers(id).len();
        if readers > 0 {
            live.insert(id, (Rc::new(value), readers));
        }
    }
    Ok(())
}

/// A caller's buffer of f32 values as an input's value: f64, in `[N, C, H, W]`. `None` when the number of values is not
/// that of the shape.
pub fn logical(layout: Layout, shape: &Shape, values: &[f32]) -> Option<Vec<f64>> {
    if values.len() != shape.len() {
        return None;
    }
    let wide = values.iter().map(|value| f64::from(*value));
    match (layout, shape.map()) {
        (Layout::Nchw | Layout::Array, _) => Some(wide.collect()),
        (Layout::Nhwc, None) => None,
        (Layout::Nhwc, Some([_, c, h, w])) => {
            let mut result = Vec::with_capacity(values.len());
            for image in wide.collect::<Vec<_>>().chunks(c * h * w) {
                for channel in 0..c {
                    result.extend(image.iter().skip(channel).step_by(c));
                }
            }
            Some(result)
        }
    }
}

fn input(name: &str, shape: &Shape, given: Option<&Vec<f64>>) -> Result<Vec<f64>, InterpreterError> {
    match given {
        Some(values) if values.len() == shape.len() => Ok(values.clone()),
        Some(values) => {
            let message = format!("the input {shape} takes {} values, got {}", shape.len(), values.len());
            Err(error(name, message))
        }
        None => Err(error(name, "the input has no value")),
    }
}

fn error(node: &str, message: impl Into<String>) -> InterpreterError {
    InterpreterError { node: node.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests;
