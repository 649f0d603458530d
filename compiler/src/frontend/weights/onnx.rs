//! ONNX models as files of weights: their initializers by name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use prost::bytes::Bytes;

use super::content::{Content, Part};
use super::{Element, FileTensor};
use crate::frontend::onnx::External;
use crate::frontend::onnx::proto::TensorProto;
use crate::ir::Shape;
use crate::limits;

/// A model without its nodes, which are skipped unread.
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    #[prost(message, repeated, tag = "5")]
    initializer: Vec<TensorProto>,
}

/// Whether a file is one: the version of the format, then another field.
pub fn matches(content: &[u8]) -> bool {
    // Fields of ModelProto that a writer puts second: strings, messages, the model's version.
    let second = [0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42, 0x72];
    matches!(content, [0x08, 1..=0x7F, tag, ..] if second.contains(tag))
}

/// The initializers of a model.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse(path: &Path, content: &mut Content) -> Result<BTreeMap<String, FileTensor>, String> {
    let (whole, _) = content.part(&content.range()).ok_or("the file is in pieces")?;
    let model = Model::decode(Bytes::from_owner(Owner(whole)));
    let model = model.map_err(|error| format!("the file is broken or truncated, or no ONNX model: {error}"))?;
    let graph = model.graph.ok_or("the ONNX model has no graph")?;
    let mut external = External::new(path);
    let mut left = limits::WEIGHT_BYTES.get();
    let mut tensors = BTreeMap::new();
    for proto in graph.initializer {
        let name = proto.name.clone();
        let fail = |message| format!("initializer `{}`: {message}", name.escape_debug());
        let tensor = tensor(proto, &mut external, &mut left, content).map_err(fail)?;
        if tensors.insert(name.clone(), tensor).is_some() {
            return Err(format!("initializer `{}` is in the model twice", name.escape_debug()));
        }
    }
    Ok(tensors)
}

/// Lends the bytes of a part.
struct Owner(Part);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

fn tensor(
    proto: TensorProto,
    external: &mut External,
    left: &mut u64,
    content: &mut Content,
) -> Result<FileTensor, String> {
    let (element, width): (Element, usize) = match proto.data_type {
        1 => (Element::F32, 4),
        10 => (Element::F16, 2),
        11 => (Element::F64, 8),
        16 => (Element::Bf16, 2),
        other => (Element::Other(crate::frontend::onnx::type_name(other)), 0),
    };
    let shape: Option<Vec<usize>> = proto.dims.iter().map(|extent| usize::try_from(*extent).ok()).collect();
    let size = shape.as_ref().and_then(|shape| shape.iter().try_fold(width, |size, extent| size.checked_mul(*extent)));
    let (Some(shape), Some(size)) = (shape, size) else {
        return Err(format!("its extents {:?} are negative or too large to be true", proto.dims));
    };
    if matches!(element, Element::Other(_)) {
        return Ok(FileTensor::dense(Shape(shape), element, 0..0));
    }
    let part: Part = if proto.data_location == 1 {
        *left = left
            .checked_sub(size as u64)
            .ok_or_else(|| format!("the tensors in other files have more than {} bytes", limits::WEIGHT_BYTES.get()))?;
        Arc::new(external.read(&proto, size).map_err(|problem| problem.message)?)
    } else if !proto.raw_data.is_empty() {
        Arc::new(proto.raw_data)
    } else {
        Arc::new(typed(&proto))
    };
    let held = (*part).as_ref().len();
    if held != size {
        return Err(format!("its shape {} takes {size} bytes, it has {held}", Shape(shape)));
    }
    let bytes = content.push(part);
    Ok(FileTensor::dense(Shape(shape), element, bytes))
}

/// The values that stand as numbers, as the bytes that they would have been.
fn typed(proto: &TensorProto) -> Vec<u8> {
    match proto.data_type {
        1 => proto.float_data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        11 => proto.double_data.iter().flat_map(|value| value.to_le_bytes()).collect(),
        _ => proto.int32_data.iter().flat_map(|bits| (*bits as u16).to_le_bytes()).collect(),
    }
}
