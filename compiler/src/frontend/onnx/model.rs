//! The file: size, decoding, operator set.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use prost::Message;
use prost::bytes::Bytes;

use super::proto::{GraphProto, ModelProto};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};

/// Protocol buffers end here.
const LARGEST_FILE: u64 = 1 << 31;
/// Versions of the operator set whose semantics the importer follows.
const OPSETS: std::ops::RangeInclusive<i64> = 7..=25;

/// A decoded model.
pub(super) struct Model {
    /// The network.
    pub graph: GraphProto,
    /// Version of the standard's operators.
    pub opset: i64,
    /// Domains and names of the functions defined in the file.
    pub functions: BTreeSet<(String, String)>,
}

/// Reads and decodes a file, and checks the version of its operators. The diagnostics are warnings.
pub(super) fn read(path: &Path) -> Result<(Model, Diagnostics), Diagnostics> {
    let place = || Place::file(path);
    let unreadable =
        |error: std::io::Error| Diagnostic::error("E-ONNX-FILE", format!("cannot be read: {error}")).at(place());
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(Diagnostic::error("E-ONNX-FILE", "the file is larger than 2 GiB, the end of the format")
            .at(place())
            .hint("save the model with external data")
            .into());
    }
    let model = ModelProto::decode(Bytes::from(bytes)).map_err(|error| {
        Diagnostic::error("E-ONNX-FILE", format!("not an ONNX model: {error}"))
            .at(place())
            .hint("the file may be cut short, or of another format")
    })?;
    let Some(graph) = model.graph else {
        return Err(Diagnostic::error("E-ONNX-FILE", "the model has no graph").at(place()).into());
    };
    let opset = model.opset_import.iter().filter(|set| standard(&set.domain)).map(|set| set.version).max();
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
    let functions = model.functions.into_iter().map(|function| (function.domain, function.name)).collect();
    Ok((Model { graph, opset, functions }, diagnostics))
}

/// Whether a domain is that of the standard's own operators.
pub(super) fn standard(domain: &str) -> bool {
    domain.is_empty() || domain == "ai.onnx"
}
