//! The network's inputs: their extents, batch, layout.

use std::collections::{BTreeMap, BTreeSet};

use super::super::InputExtents;
use super::facts::{self, Axis};
use super::importer::Importer;
use super::literal::{LARGEST_RANK, element, elements, type_name};
use super::proto::ValueInfoProto;
use super::proto::tensor_shape_proto::dimension::Value as Extent;
use super::value::{Array, NHWC, Value, View};
use crate::Diagnostic;
use crate::ir::{Layout, Numbers, Shape};
use crate::limits;

/// Inputs, and axes of each, that messages name.
const NAMED: usize = 8;

impl Importer<'_> {
    /// Takes the network's inputs, with extents for what the file leaves open.
    pub fn inputs(&mut self, extents: Option<&InputExtents>) {
        let bound = match extents.map_or(Ok(Bound::new()), |extents| self.bound(extents)) {
            Ok(bound) => bound,
            Err(diagnostic) => {
                // It is about what the user gives, not about the file.
                self.diagnostics.push(diagnostic.about("input_shape"));
                return;
            }
        };
        for info in &self.schedule.inputs {
            let value = match self.input_value(info, bound.get(info.name.as_str())) {
                Ok(value) => value,
                Err(diagnostic) => {
                    self.report((*diagnostic).about(format!("input `{}`", info.name)));
                    Value::Unknown
                }
            };
            self.define(&info.name, value);
        }
    }

    /// The extents that the user gives, by inputs and axes.
    fn bound(&self, extents: &InputExtents) -> Result<Bound, Diagnostic> {
        let inputs: Vec<(&ValueInfoProto, Vec<Axis>)> =
            self.schedule.inputs.iter().map(|info| (*info, facts::axes(info))).collect();
        let mut bound = Bound::new();
        let bind = |info: &ValueInfoProto, axes: &[Axis], axis: usize, extent: usize| {
            let refuse = |message: String| Err(Diagnostic::error("E-ARG", message));
            match axes.get(axis) {
                Some(Axis::Fixed(fixed)) if usize::try_from(*fixed) != Ok(extent) => {
                    refuse(format!("axis {axis} of the input `{}` is fixed at {fixed}, not {extent}", info.name))
                        .map_err(|error| error.hint("export the model for another size"))
                }
                Some(Axis::Open(_)) if axis == 0 && extent != self.batch => {
                    refuse(format!("the input `{}` is given {extent} images per call, not {}", info.name, self.batch))
                        .map_err(|error| error.hint(format!("`batch` says how many: {extent}")))
                }
                _ => Ok((info.name.clone(), axis, extent)),
            }
        };
        let mut given = Vec::new();
        match extents {
            InputExtents::Picture(channels, [height, width]) => {
                let pictures: Vec<_> = inputs.iter().filter(|(_, axes)| axes.len() == 4).collect();
                let [(info, axes)] = pictures.as_slice() else {
                    let message = format!("the model has {} inputs of four axes", pictures.len());
                    return Err(Diagnostic::error("E-ARG", message)
                        .expected("one, whose height and width are given")
                        .hint(format!("name what is given: {}", examples(&inputs))));
                };
                let [channel, row, column] = if self.channels_last(&info.name) { [3, 1, 2] } else { [1, 2, 3] };
                for (axis, extent) in
                    [(row, *height), (column, *width)].into_iter().chain(channels.map(|c| (channel, c)))
                {
                    given.push(bind(info, axes, axis, extent)?);
                }
            }
            InputExtents::Named(named) => {
                for (name, extents) in named {
                    let before = given.len();
                    for (info, axes) in &inputs {
                        let undeclared = vec![Axis::Open(None); extents.len()];
                        let axes = if declares_shape(info) { axes } else { &undeclared };
                        if info.name == *name && axes.len() == extents.len() {
                            for (axis, extent) in extents.iter().enumerate() {
                                given.push(bind(info, axes, axis, *extent)?);
                            }
                        } else if let [extent] = extents.as_slice() {
                            let is_it =
                                |(_, axis): &(usize, &Axis)| matches!(axis, Axis::Open(Some(own)) if own == name);
                            for (axis, _) in axes.iter().enumerate().filter(is_it) {
                                given.push(bind(info, axes, axis, *extent)?);
                            }
                        }
                    }
                    if given.len() == before {
                        let message = format!("no input with {} axes and no axis is called `{name}`", extents.len());
                        return Err(Diagnostic::error("E-ARG", message).expected(examples(&inputs)));
                    }
                }
            }
        }
        for (name, axis, extent) in given {
            bound.entry(name).or_default().insert(axis, extent);
        }
        Ok(bound)
    }

    fn input_value(
        &mut self,
        info: &ValueInfoProto,
        bound: Option<&BTreeMap<usize, usize>>,
    ) -> Result<Value, Box<Diagnostic>> {
        let undeclared = || {
            Box::new(
                Diagnostic::error("E-ONNX-DYN", "its shape is not declared")
                    .expected("a tensor, such as [N, C, H, W]")
                    .hint(format!("`--input-shape {}=N,N,N,N` says it, in the macro `input_shape`", info.name)),
            )
        };
        let Some((kind, dims)) = tensor_type(info) else { return Err(undeclared()) };
        let given = || bound.map(|bound| vec![None; bound.len()]);
        let mut dims = dims.or_else(given).ok_or_else(undeclared)?;
        if !element::is_number(kind) {
            let message = format!("its elements are of type {}", type_name(kind));
            return Err(Box::new(Diagnostic::error("E-ONNX-TYPE", message).expected("numbers, such as float")));
        }
        if kind != element::FLOAT {
            let message = format!("its elements are of type {}; the program takes them as f32", type_name(kind));
            self.report(Diagnostic::warning("W-ONNX-TYPE", message).about(format!("input `{}`", info.name)));
        }
        // The first axis is the batch or fixed, which was held against what is given.
        for (axis, extent) in bound.into_iter().flatten().filter(|(axis, _)| **axis > 0) {
            if let Some(slot) = dims.get_mut(*axis) {
                *slot = i64::try_from(*extent).ok();
            }
        }
        let (n, rest) = match dims.as_slice() {
            [n, rest @ ..] if dims.len() == 4 && element::is_float(kind) => (n, rest),
            _ => return self.input_array(info, &dims, kind),
        };
        let open: Vec<_> = (1..).zip(rest).filter(|(_, extent)| extent.is_none()).map(|(axis, _)| axis).collect();
        if !open.is_empty() {
            return Err(left_open(info, &open));
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
        if self.channels_last(&info.name) {
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
    fn input_array(
        &mut self,
        info: &ValueInfoProto,
        dims: &[Option<i64>],
        element: i32,
    ) -> Result<Value, Box<Diagnostic>> {
        let mut extents = Vec::with_capacity(dims.len());
        let open: Vec<_> =
            dims.iter().enumerate().skip(1).filter(|(_, extent)| extent.is_none()).map(|(axis, _)| axis).collect();
        if !open.is_empty() {
            return Err(left_open(info, &open));
        }
        for extent in dims {
            extents.push(match extent {
                Some(extent) => usize::try_from(*extent).unwrap_or(0),
                None => {
                    self.open_batch = true;
                    self.batch
                }
            });
        }
        if dims.len() > LARGEST_RANK
            || elements(&extents).is_none_or(|count| count == 0 || count > limits::MAP_ELEMENTS.count())
        {
            return Err(Box::new(
                Diagnostic::error("E-ONNX-SHAPE", format!("its shape is {extents:?}"))
                    .expected(format!("positive extents, {LARGEST_RANK} axes at most")),
            ));
        }
        let name = self.unique(&info.name);
        let node = self.graph.input(name, Layout::Array, Shape(extents.clone()));
        self.graph.declare(node, Numbers::of(element::of_graph(element)));
        Ok(Value::Array(Array { node, dims: extents, element }))
    }

    /// Whether the input, possibly after operations on each element and padding, is transposed from `[N, H, W, C]` to `[N, C, H, W]`.
    fn channels_last(&self, input: &str) -> bool {
        let mut names = BTreeSet::from([input]);
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

/// Extents by inputs and axes.
type Bound = BTreeMap<String, BTreeMap<usize, usize>>;

/// What the user may name: inputs, and axes that the file leaves open.
fn examples(inputs: &[(&ValueInfoProto, Vec<Axis>)]) -> String {
    let mut names: Vec<String> = Vec::new();
    for (info, axes) in inputs.iter().take(NAMED) {
        let open = axes.iter().skip(1).filter_map(|axis| match axis {
            Axis::Open(Some(name)) => Some(format!("`{name}=EXTENT`")),
            Axis::Fixed(_) | Axis::Open(None) => None,
        });
        names.extend(open.take(NAMED));
        names.push(format!("`{}={}`", info.name, vec!["EXTENT"; axes.len()].join(",")));
    }
    let mut told = BTreeSet::new();
    names.retain(|name| told.insert(name.clone()));
    names.join(", ")
}

/// The error about axes behind the first whose extent nobody says.
fn left_open(info: &ValueInfoProto, open: &[usize]) -> Box<Diagnostic> {
    let message = match open {
        [axis] => format!("its axis {axis} has no fixed extent"),
        axes => format!("its axes {axes:?} have no fixed extent"),
    };
    let axes = facts::axes(info);
    let named: Option<BTreeSet<String>> = open
        .iter()
        .map(|axis| match axes.get(*axis) {
            Some(Axis::Open(Some(name))) => Some(format!("{name}=N")),
            _ => None,
        })
        .collect();
    let whole = || BTreeSet::from([format!("{}={}", info.name, vec!["N"; axes.len()].join(","))]);
    let named: Vec<String> = named.unwrap_or_else(whole).into_iter().collect();
    Box::new(
        Diagnostic::error("E-ONNX-DYN", message)
            .expected("fixed extents for all axes but the first, which is the batch")
            .hint(format!(
                "`--input-shape {}` says it, in the macro `input_shape`; or export the model so",
                named.join(",")
            )),
    )
}

/// Whether the file says how many axes an input has.
fn declares_shape(info: &ValueInfoProto) -> bool {
    matches!(tensor_type(info), Some((_, Some(_))))
}

/// Element type and extents, where declared; an extent without a number is `None`.
pub(super) fn tensor_type(info: &ValueInfoProto) -> Option<(i32, Option<Vec<Option<i64>>>)> {
    let tensor = info.r#type.as_ref()?.tensor_type.as_ref()?;
    let dims = tensor.shape.as_ref().map(|shape| {
        let extent = |value: &Option<Extent>| match value {
            Some(Extent::DimValue(extent @ 0..)) => Some(*extent),
            // Some exporters write -1 for what is open.
            Some(Extent::DimValue(_) | Extent::DimParam(_)) | None => None,
        };
        shape.dim.iter().map(|dim| extent(&dim.value)).collect()
    });
    Some((tensor.elem_type, dims))
}
