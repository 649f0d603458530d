//! The file: size, decoding, operator set.

use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;

use super::functions;
use super::proto::{GraphProto, MetadataProto, ModelProto};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::frontend::source;

/// Protocol buffers end here.
const LARGEST_FILE: u64 = 1 << 31;
/// Versions of the operator set whose semantics the importer follows.
const OPSETS: std::ops::RangeInclusive<i64> = 1..=25;
/// The first version of the format in which a model says which operators it is written in; before, they are of version 1.
const SAYS_OPSETS: i64 = 3;

/// A decoded model.
pub(super) struct Model {
    /// The network.
    pub graph: GraphProto,
    /// Version of the standard's operators, beside the graph's nodes.
    pub opsets: Vec<i64>,
    /// Version of the operators that the file as a whole is written in.
    pub opset: i64,
    /// Version of the file's format.
    pub ir_version: i64,
    /// The tool that wrote the file.
    pub producer: String,
    /// Properties of the model, those that are text.
    pub metadata: Vec<(String, String)>,
}

/// Reads and decodes a file, and checks the version of its operators. The diagnostics are warnings.
pub(super) fn read(path: &Path) -> Result<(Model, Diagnostics), Diagnostics> {
    let place = || Place::file(path);
    let bytes = source::read(path, LARGEST_FILE).map_err(|message| {
        let problem = Diagnostic::error("E-ONNX-FILE", message).at(place());
        match path.metadata().is_ok_and(|found| found.len() > LARGEST_FILE) {
            true => problem.expected("at most 2 GiB, the end of the format").hint("save the model with external data"),
            false => problem,
        }
    })?;
    let model = ModelProto::decode(Bytes::from(bytes)).map_err(|error| {
        Diagnostic::error("E-ONNX-FILE", format!("not an ONNX model: {error}"))
            .at(place())
            .hint("the file may be cut short, or of another format")
    })?;
    let Some(mut graph) = model.graph else {
        return Err(Diagnostic::error("E-ONNX-FILE", "the model has no graph").at(place()).into());
    };
    let opset = functions::version(&model.opset_import);
    let opset = opset.or((1..SAYS_OPSETS).contains(&model.ir_version).then_some(1));
    let expected = format!("version {} to {} of the standard operators", OPSETS.start(), OPSETS.end());
    let mut diagnostics = Diagnostics::new();
    let opset = match opset {
        Some(version) if version >= *OPSETS.start() => version,
        found => {
            let message = match found {
                Some(version) => format!("the model's operator set is version {version}"),
                None => "the model does not say which version of the operators it is written in".to_owned(),
            };
            return Err(Diagnostic::error("E-ONNX-OPSET", message)
                .at(place())
                .expected(expected)
                .hint("export the model again with opset 13 or later, or convert it with onnx.version_converter")
                .into());
        }
    };
    if opset > *OPSETS.end() {
        diagnostics.push(
            Diagnostic::warning(
                "W-ONNX-OPSET",
                format!("the model's operator set is version {opset}, newer than this compiler knows"),
            )
            .at(place())
            .expected(expected),
        );
    }
    let opsets = functions::inline(&mut graph, &model.functions, opset, &OPSETS).map_err(|error| error.at(place()))?;
    let (ir_version, producer) = (model.ir_version, model.producer_name);
    let text = |property: MetadataProto| {
        Some((String::from_utf8(property.key).ok()?, String::from_utf8(property.value).ok()?))
    };
    let metadata = model.metadata_props.into_iter().filter_map(text).collect();
    Ok((Model { graph, opsets, opset, ir_version, producer, metadata }, diagnostics))
}

/// Whether a domain is that of the standard's own operators.
pub(super) fn standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}
