//! The network's input: its extents, its batch, its layout.

use std::collections::BTreeSet;

use super::importer::Importer;
use super::literal::{elements, type_name};
use super::proto::ValueInfoProto;
use super::proto::tensor_shape_proto::dimension::Value as Extent;
use super::value::{NHWC, Value, View};
use crate::Diagnostic;
use crate::ir::{Layout, Shape};
use crate::limits;

impl Importer<'_> {
    /// Takes the network's input.
    pub fn input(&mut self) {
        let info = self.schedule.input;
        let value = match self.input_view() {
            Ok(view) => Value::Computed(view),
            Err(diagnostic) => {
                self.report((*diagnostic).about(format!("input `{}`", info.name)));
                Value::Unknown
            }
        };
        self.define(&info.name, value);
    }

    fn input_view(&mut self) -> Result<View, Box<Diagnostic>> {
        let info = self.schedule.input;
        let Some((kind, Some(dims))) = tensor_type(info) else {
            return Err(Box::new(
                Diagnostic::error("E-ONNX-DYN", "its shape is not declared").expected("a tensor [N, C, H, W]"),
            ));
        };
        if kind != 1 {
            let message = format!("its elements are of type {}", type_name(kind));
            return Err(Box::new(Diagnostic::error("E-ONNX-TYPE", message).expected("float")));
        }
        let &[n, rest @ ..] = &dims.as_slice() else {
            return Err(Box::new(
                Diagnostic::error("E-ONNX-SHAPE", "it is a number").expected("four axes, [N, C, H, W]"),
            ));
        };
        if rest.len() != 3 {
            let message = format!("it has {} axes", dims.len());
            return Err(Box::new(
                Diagnostic::error("E-ONNX-SHAPE", message).expected("four, [N, C, H, W] or [N, H, W, C]"),
            ));
        }
        let mut extents = [self.batch, 0, 0, 0];
        for (position, (extent, slot)) in rest.iter().zip(extents.iter_mut().skip(1)).enumerate() {
            let Some(extent) = extent else {
                let message = format!("its axis {} has no fixed extent", position + 1);
                return Err(Box::new(
                    Diagnostic::error("E-ONNX-DYN", message)
                        .expected("fixed extents for all axes but the first")
                        .hint("export the model for a fixed picture size; only the batch may be dynamic"),
                ));
            };
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
                self.report(Diagnostic::warning("W-ONNX-BATCH", message).about(format!("input `{}`", info.name)));
            }
        }
        let name = self.unique(&info.name);
        if self.channels_last() {
            let [n, h, w, c] = extents;
            let shape = Shape::from([n, c, h, w]);
            let id = self.graph.input(name, Layout::Nhwc, shape.clone());
            return Ok(View::permuted(id, &shape, &NHWC));
        }
        let shape = Shape::from(extents);
        let id = self.graph.input(name, Layout::Nchw, shape.clone());
        Ok(View::whole(id, &shape))
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
