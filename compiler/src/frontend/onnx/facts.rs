//! What a file says of itself.

use super::model::Model;
use super::proto::ValueInfoProto;
use super::proto::tensor_shape_proto::dimension::Value as Extent;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Version of the format.
    pub ir_version: i64,
    /// Version of the standard's operators.
    pub opset: i64,
    /// The tool that wrote it; empty when it does not say.
    pub producer: String,
    /// Nodes, those of functions written out.
    pub nodes: usize,
    /// Inputs that are no constants.
    pub inputs: Vec<Input>,
}

/// An input as it is declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its axes; empty when the file does not declare them.
    pub axes: Vec<Axis>,
}

/// An axis of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Axis {
    /// So many elements.
    Fixed(i64),
    /// Left open, under a name or none; some exporters write -1.
    Open(Option<String>),
}

pub(super) fn facts(model: &Model) -> Facts {
    let graph = &model.graph;
    let constant = |name: &str| {
        graph.initializer.iter().any(|tensor| tensor.name == name)
            || graph.sparse_initializer.iter().filter_map(|sparse| sparse.values.as_ref()).any(|it| it.name == name)
    };
    Facts {
        ir_version: model.ir_version,
        opset: model.opset,
        producer: model.producer.chars().filter(|c| !c.is_control()).collect(),
        nodes: graph.node.len(),
        inputs: graph.input.iter().filter(|input| !constant(&input.name)).map(input).collect(),
    }
}

fn input(info: &ValueInfoProto) -> Input {
    Input { name: info.name.clone(), axes: axes(info) }
}

/// The axes of a value as the file declares them.
pub(super) fn axes(info: &ValueInfoProto) -> Vec<Axis> {
    let shape = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()?.shape.as_ref());
    let axes = shape.into_iter().flat_map(|shape| &shape.dim).map(|dim| match &dim.value {
        Some(Extent::DimValue(extent @ 0..)) => Axis::Fixed(*extent),
        Some(Extent::DimParam(name)) if !name.is_empty() => Axis::Open(Some(name.clone())),
        Some(Extent::DimValue(_) | Extent::DimParam(_)) | None => Axis::Open(None),
    });
    axes.collect()
}
