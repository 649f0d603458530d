//! The network's input: its extents, its batch, its layout.

use std::collections::BTreeSet;

use super::importer::Importer;
use super::literal::{LARGEST_RANK, element, elements, type_name};
use super::proto::ValueInfoProto;
use super::proto::tensor_shape_proto::dimension::Value as Extent;
use super::value::{Array, NHWC, Value, View};
use crate::Diagnostic;
use crate::ir::{Layout, Numbers, Shape};
use crate::limits;

impl Importer<'_> {
    /// Takes the network's input.
    pub fn input(&mut self) {
        let info = self.schedule.input;
        let value = match self.input_value() {
            Ok(value) => value,
            Err(diagnostic) => {
                self.report((*diagnostic).about(format!("input `{}`", info.name)));
                Value::Unknown
            }
        };
        self.define(&info.name, value);
    }

    fn input_value(&mut self) -> Result<Value, Box<Diagnostic>> {
        let info = self.schedule.input;
        let Some((kind, Some(dims))) = tensor_type(info) else {
            return Err(Box::new(
                Diagnostic::error("E-ONNX-DYN", "its shape is not declared").expected("a tensor [N, C, H, W]"),
            ));
        };
        if !element::is_number(kind) {
            let message = format!("its elements are of type {}", type_name(kind));
            return Err(Box::new(Diagnostic::error("E-ONNX-TYPE", message).expected("numbers, such as float")));
        }
        if kind != element::FLOAT {
            let message = format!("its elements are of type {}; the program takes them as f32", type_name(kind));
            self.report(Diagnostic::warning("W-ONNX-TYPE", message).about(format!("input `{}`", info.name)));
        }
        let (n, rest) = match dims.as_slice() {
            [n, rest @ ..] if dims.len() == 4 && element::is_float(kind) => (n, rest),
            _ => return self.input_array(&dims, kind),
        };
        let open: Vec<_> = (1..).zip(rest).filter(|(_, extent)| extent.is_none()).map(|(axis, _)| axis).collect();
        if !open.is_empty() {
            let message = match open.as_slice() {
                [axis] => format!("its axis {axis} has no fixed extent"),
                axes => format!("its axes {axes:?} have no fixed extent"),
            };
            return Err(Box::new(
                Diagnostic::error("E-ONNX-DYN", message)
                    .expected("fixed extents for all axes but the first")
                    .hint("export the model for a fixed picture size; only the batch may be dynamic"),
            ));
        }
        let mut extents = [self.batch, 0, 0, 0];
        for (extent, slot) in rest.iter().flatten().zip(extents.iter_mut().skip(1)) {
            *slot = usize::try_from(*extent).unwrap_or(0);
        }
        if elements(&extents).is_none_or(|count| count == 0 || count > limits::MAP_ELEMENTS.count()) {
            return Err(Box::new(
                Diagnostic::error("E-ONNX-SHAPE", format!("its shape is {extents:?}")).expected("positive extents"),
            ));
        }
        match n.map(usize::try_from) {
            None => self.open_batch = true,
            Some(Ok(fixed)) if fixed == self.batch => {}
            Some(fixed) => {
                let fixed = fixed.unwrap_or(0);
                self.rebound = Some(fixed);
                let message = format!("the model is written for a batch of {fixed} and is built for {}", self.batch);
                let warning = Diagnostic::warning("W-ONNX-BATCH", message).about(format!("input `{}`", info.name));
                self.report(warning.hint(format!("a batch of {fixed} takes the model as it is")));
            }
        }
        let name = self.unique(&info.name);
        if self.channels_last() {
            let [n, h, w, c] = extents;
            let shape = Shape::from([n, c, h, w]);
            let id = self.graph.input(name, Layout::Nhwc, shape.clone());
            return Ok(Value::Computed(View::permuted(id, &shape, &NHWC)));
        }
        let shape = Shape::from(extents);
        let id = self.graph.input(name, Layout::Nchw, shape.clone());
        Ok(Value::Computed(View::whole(id, &shape)))
    }

    /// An input that is no map: all its extents are as declared; the first, where it is open, is the batch.
    fn input_array(&mut self, dims: &[Option<i64>], element: i32) -> Result<Value, Box<Diagnostic>> {
        let mut extents = Vec::with_capacity(dims.len());
        for (axis, extent) in dims.iter().enumerate() {
            let extent = match extent {
                Some(extent) => usize::try_from(*extent).unwrap_or(0),
                None if axis == 0 => {
                    self.open_batch = true;
                    self.batch
                }
                None => {
                    return Err(Box::new(
                        Diagnostic::error("E-ONNX-DYN", format!("its axis {axis} has no fixed extent"))
                            .expected("fixed extents for all axes but the first")
                            .hint("export the model for fixed shapes; only the batch may be dynamic"),
                    ));
                }
            };
            extents.push(extent);
        }
        if dims.len() > LARGEST_RANK
            || elements(&extents).is_none_or(|count| count == 0 || count > limits::MAP_ELEMENTS.count())
        {
            return Err(Box::new(
                Diagnostic::error("E-ONNX-SHAPE", format!("its shape is {extents:?}"))
                    .expected(format!("positive extents, {LARGEST_RANK} axes at most")),
            ));
        }
        let name = self.unique(&self.schedule.input.name);
        let node = self.graph.input(name, Layout::Array, Shape(extents.clone()));
        self.graph.declare(node, Numbers::of(element::of_graph(element)));
        Ok(Value::Array(Array { node, dims: extents, element }))
    }

    /// Whether the input, possibly after operations on each element and padding, is transposed from `[N, H, W, C]` to `[N, C, H, W]`.
    fn channels_last(&self) -> bool {
        let mut names = BTreeSet::from([self.schedule.input.name.as_str()]);
        for proto in self.schedule.nodes.iter().filter_map(|index| self.model.graph.node.get(*index)) {
            if !proto.input.iter().any(|input| names.contains(input.as_str())) {
                continue;
            }
            match proto.op_type.as_str() {
                "Transpose" => {
                    let order = proto.attribute.iter().find(|attribute| attribute.name == "perm");
                    return order.is_some_and(|order| order.ints == [0, 3, 1, 2]);
                }
                "Identity" | "Cast" | "Add" | "Sub" | "Mul" | "Div" | "Pad" => {
                    names.extend(proto.output.iter().map(String::as_str));
                }
                _ => return false,
            }
        }
        false
    }
}

/// Element type and extents, where declared; an extent without a number is `None`.
pub(super) fn tensor_type(info: &ValueInfoProto) -> Option<(i32, Option<Vec<Option<i64>>>)> {
    let tensor = info.r#type.as_ref()?.tensor_type.as_ref()?;
    let dims = tensor.shape.as_ref().map(|shape| {
        let extent = |value: &Option<Extent>| match value {
            Some(Extent::DimValue(extent)) => Some(*extent),
            Some(Extent::DimParam(_)) | None => None,
        };
        shape.dim.iter().map(|dim| extent(&dim.value)).collect()
    });
    Some((tensor.elem_type, dims))
}
