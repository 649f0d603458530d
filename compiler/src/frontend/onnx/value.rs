//! What an ONNX value is while a model is read.

use super::literal::{Literal, Text};
use crate::ir::{NodeId, Shape};

/// A value of the model.
#[derive(Debug, Clone)]
pub(super) enum Value {
    /// It depends on no input.
    Constant(Literal),
    /// It is computed by the graph.
    Computed(View),
    /// It is computed by the graph as an array, in row-major order.
    Array(Array),
    /// Words, which depend on no input.
    Text(Text),
    /// What makes it was refused; who reads it is passed over.
    Unknown,
}

/// An array of the graph, which has the extents that the model says: they are as good as any others of as many elements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Array {
    /// The node.
    pub node: NodeId,
    /// For each axis of the model, its extent.
    pub dims: Vec<usize>,
    /// The type that the standard gives its elements, by its number.
    pub element: i32,
}

/// A node of the graph as the model sees it, after reshapes and transpositions that the graph does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct View {
    /// The node.
    pub node: NodeId,
    /// For each axis of the model, the axes of the node that it runs through, the slowest first. Axes of extent 1 are left out:
    /// they make no difference, wherever they stand.
    pub axes: Vec<Vec<usize>>,
    /// For each axis of the model, its extent.
    pub dims: Vec<usize>,
}

impl View {
    /// The node as it is.
    pub fn whole(node: NodeId, shape: &Shape) -> Self {
        Self::permuted(node, shape, &(0..shape.rank()).collect::<Vec<_>>())
    }

    /// The node with its axes in another order: axis `order[i]` of the node is axis `i` of the model.
    pub fn permuted(node: NodeId, shape: &Shape, order: &[usize]) -> Self {
        let axes = order.iter().map(|axis| natural(shape, &[*axis])).collect();
        let dims = order.iter().map(|axis| shape.0.get(*axis).copied().unwrap_or(1)).collect();
        Self { node, axes, dims }
    }

    /// The same elements, in the same order, with other extents. Says why when an axis would have to be cut.
    pub fn reshaped(&self, shape: &Shape, dims: &[usize]) -> Result<Self, String> {
        let flat: Vec<usize> = self.axes.concat();
        let mut rest = flat.into_iter();
        let mut axes = Vec::with_capacity(dims.len());
        for extent in dims {
            let (mut group, mut product) = (Vec::new(), 1_usize);
            while product < *extent {
                let Some(axis) = rest.next() else { break };
                product = product.saturating_mul(shape.0.get(axis).copied().unwrap_or(1));
                group.push(axis);
            }
            if product != *extent {
                return Err(format!("it cuts an axis: {:?} becomes {dims:?}", self.dims));
            }
            axes.push(group);
        }
        if rest.next().is_some() {
            return Err(format!("{:?} has more elements than {dims:?}", self.dims));
        }
        Ok(Self { node: self.node, axes, dims: dims.to_vec() })
    }

    /// Another node of the same shape, seen the same way.
    pub fn of(&self, node: NodeId) -> Self {
        Self { node, axes: self.axes.clone(), dims: self.dims.clone() }
    }

    /// Which axis of a map each of the four axes of the model is: `[N, C, H, W]` or `[N, H, W, C]`.
    pub fn layout(&self, shape: &Shape) -> Option<[usize; 4]> {
        shape.map()?;
        [NCHW, NHWC].into_iter().find(|order| {
            self.axes.len() == 4 && order.iter().zip(&self.axes).all(|(axis, seen)| natural(shape, &[*axis]) == *seen)
        })
    }

    /// Whether it is a map in the order of the graph.
    pub fn is_map(&self, shape: &Shape) -> bool {
        self.layout(shape) == Some(NCHW)
    }

    /// Whether it is `[N, everything else]` in the order of the graph.
    pub fn is_vector(&self, shape: &Shape) -> bool {
        let rest: Vec<_> = (1..shape.rank()).collect();
        matches!(self.axes.as_slice(), [n, features]
            if *n == natural(shape, &[0]) && *features == natural(shape, &rest))
    }
}

/// The order of the graph.
pub(super) const NCHW: [usize; 4] = [0, 1, 2, 3];
/// Channels last, as axes of the graph.
pub(super) const NHWC: [usize; 4] = [0, 2, 3, 1];

/// Those of some axes that have more than one position.
pub(super) fn natural(shape: &Shape, axes: &[usize]) -> Vec<usize> {
    axes.iter().copied().filter(|axis| shape.0.get(*axis).is_some_and(|extent| *extent != 1)).collect()
}
