//! What goes on in the place of a value that could not be made, so that what reads it is looked at as well.
//!
//! A model with such a value has an error, and never becomes a network: a stand-in only has the right shape.

use super::importer::{Failure, Importer};
use super::input::tensor_type;
use super::literal::elements;
use super::proto::NodeProto;
use super::value::{Value, View};
use crate::ir::{Layout, Shape};
use crate::limits;

/// Operators whose result has the shape of their first input, of any domain.
const KEEP_THEIR_SHAPE: [&str; 39] = [
    "Abs",
    "BatchNormalization",
    "Ceil",
    "Celu",
    "Clip",
    "Cos",
    "Dropout",
    "Elu",
    "Erf",
    "Exp",
    "FastGelu",
    "Floor",
    "Gelu",
    "GroupNormalization",
    "HardSigmoid",
    "HardSwish",
    "InstanceNormalization",
    "LRN",
    "LayerNormalization",
    "LeakyRelu",
    "Log",
    "LogSoftmax",
    "LpNormalization",
    "MeanVarianceNormalization",
    "Mish",
    "Neg",
    "PRelu",
    "QuickGelu",
    "RMSNormalization",
    "Reciprocal",
    "Round",
    "Selu",
    "Sign",
    "Sin",
    "Softplus",
    "Softsign",
    "Sqrt",
    "Swish",
    "ThresholdedRelu",
];

impl Importer<'_> {
    /// A value of the shape that a node's first result would have, when that is known and the node's failure says nothing against it.
    pub fn stand_in(&mut self, proto: &NodeProto, failure: &Failure) -> Value {
        let about_shapes = match failure {
            Failure::Unsupported(_) => false,
            Failure::Refused(refused) => !["E-ONNX-ATTR", "E-ONNX-CTRL", "E-ONNX-TRAIN"].contains(&refused.code),
        };
        if about_shapes {
            return Value::Unknown;
        }
        if KEEP_THEIR_SHAPE.contains(&proto.op_type.as_str()) {
            let first = proto.input.first().and_then(|name| self.known(name));
            return first.filter(|value| matches!(value, Value::Computed(_))).cloned().unwrap_or(Value::Unknown);
        }
        self.as_declared(proto).unwrap_or(Value::Unknown)
    }

    /// A map or vector of the shape that the file declares, when the node reads one that lies in order.
    fn as_declared(&mut self, proto: &NodeProto) -> Option<Value> {
        let in_order = |name: &String| match self.known(name) {
            Some(Value::Computed(view)) => view.is_map(self.shape(view)) || view.is_vector(self.shape(view)),
            _ => false,
        };
        if !proto.input.iter().any(in_order) {
            return None;
        }
        let name = proto.output.first().filter(|name| !name.is_empty())?;
        let (_, dims) = tensor_type(self.declared(name)?)?;
        let mut extents = dims?.into_iter().map(|extent| extent.and_then(|extent| usize::try_from(extent).ok()));
        // The batch is what the program is built for, whatever the file says.
        extents.next()?;
        let extents = std::iter::once(Some(self.batch)).chain(extents).collect::<Option<Vec<usize>>>()?;
        if !matches!(extents.len(), 2 | 4)
            || elements(&extents).is_none_or(|count| count == 0 || count > limits::MAP_ELEMENTS.count())
        {
            return None;
        }
        let name = self.unique(name);
        let shape = Shape(extents);
        let id = self.graph.input(name, Layout::Nchw, shape.clone());
        Some(Value::Computed(View::whole(id, &shape)))
    }
}
