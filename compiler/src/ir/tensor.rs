//! Shapes and constant tensors.

use std::fmt;
use std::sync::Arc;

/// The extents of a tensor, outermost first: `[N, C, H, W]`, `[N, C]`, or those of a weight.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape(pub Vec<usize>);

impl Shape {
    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// The number of elements; `usize::MAX` when it is greater still.
    pub fn len(&self) -> usize {
        if self.0.contains(&0) { 0 } else { self.0.iter().fold(1, |total, extent| total.saturating_mul(*extent)) }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[N, C, H, W]`, when the shape is that of a map.
    pub fn map(&self) -> Option<[usize; 4]> {
        self.0.as_slice().try_into().ok()
    }

    /// `[N, C]`, when the shape is that of a vector.
    pub fn vector(&self) -> Option<[usize; 2]> {
        self.0.as_slice().try_into().ok()
    }
}

impl<const RANK: usize> From<[usize; RANK]> for Shape {
    fn from(extents: [usize; RANK]) -> Self {
        Self(extents.to_vec())
    }
}

/// `[1, 3, 224, 224]`
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A constant: f32 values in row-major order. Cloning shares them.
#[derive(Clone, PartialEq)]
pub struct Tensor {
    shape: Shape,
    values: Arc<[f32]>,
}

impl Tensor {
    /// A tensor of `values` in row-major order; `None` when their number is not that of the shape.
    pub fn new(shape: impl Into<Shape>, values: impl Into<Arc<[f32]>>) -> Option<Self> {
        let (shape, values) = (shape.into(), values.into());
        (shape.len() == values.len()).then_some(Self { shape, values })
    }

    /// The extents.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The values in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tensor{}", self.shape)
    }
}
