//! ONNX models.
//!
//! The file is decoded by types that prost generates from `onnx.proto`; its nodes are taken in topological order, one function per
//! operator. A value is a constant, whatever was computed to get it, or a view of a node of the graph: reshapes and transpositions
//! change the view and add no node, and only an operator that needs a particular layout asks for it.

mod activation;
mod attributes;
mod constants;
mod convolution;
mod elementwise;
mod external;
mod facts;
mod fold;
mod functions;
mod general;
mod importer;
mod input;
mod linear;
mod literal;
mod metadata;
mod model;
mod norm;
mod operators;
mod order;
mod origins;
mod pool;
#[allow(missing_docs, clippy::all, clippy::pedantic)]
#[rustfmt::skip]
pub mod proto;
mod result;
mod shape;
mod slice;
mod stand_in;
mod text;
mod unsupported;
mod value;

use std::path::Path;

pub(super) use external::External;
pub use facts::{Axis, Facts, Input};
pub(super) use literal::type_name;
pub use unsupported::Unsupported;

use super::{Examined, InputExtents, Network, WeightSource};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};

/// Reads an ONNX model with its weights, for a batch of `batch` images.
///
/// The warnings come with the network. Codes of errors: `E-ONNX-FILE` (cannot be read or decoded), `E-ONNX-OPSET`, `E-ONNX-NAME`
/// (a name twice or nowhere), `E-ONNX-IO` (inputs and outputs), `E-ONNX-CYCLE`, `E-ONNX-OP` (all operators that are not supported),
/// `E-ONNX-CTRL` (control flow), `E-ONNX-ATTR`, `E-ONNX-TYPE`, `E-ONNX-DYN`, `E-ONNX-TRAIN`, `E-ONNX-EXT` (external data), `E-ONNX-SHAPE`,
/// `E-ONNX-BIAS`, `E-ONNX-LIMIT` (constants too large to compute), `E-ONNX-WEIGHTS` (weights from elsewhere) and `E-WVAL`. Warnings: `W-ONNX-BATCH`, `W-ONNX-CONSTANT`, `W-ONNX-META`, `W-ONNX-OPSET`, `W-ONNX-TYPE`.
pub fn load(path: &Path, weights: Option<&WeightSource>, batch: usize) -> Result<(Network, Diagnostics), Diagnostics> {
    examine(path, weights, batch, None).finish()
}

/// Reads an ONNX model as [`load`] does, as far as it can be read, with extents for what the file leaves open.
pub fn examine(path: &Path, weights: Option<&WeightSource>, batch: usize, extents: Option<&InputExtents>) -> Examined {
    let mut examined = Examined::default();
    if let Err(problems) = read(path, weights, batch, extents, &mut examined) {
        examined.problems.extend(problems);
    }
    examined
}

fn read(
    path: &Path,
    weights: Option<&WeightSource>,
    batch: usize,
    extents: Option<&InputExtents>,
    examined: &mut Examined,
) -> Result<(), Diagnostics> {
    match weights {
        None | Some(WeightSource::Model) => {}
        Some(WeightSource::Seed(_) | WeightSource::File(_)) => {
            return Err(Diagnostic::error("E-ONNX-WEIGHTS", "an ONNX model has its own weights and takes no others")
                .at(Place::file(path))
                .hint("leave out the weights, or name a YAML spec as the model")
                .into());
        }
    }
    if batch == 0 {
        return Err(Diagnostic::error("E-ONNX-DYN", "the batch is 0")
            .at(Place::file(path))
            .expected("1 or more")
            .into());
    }
    let (model, mut diagnostics) = model::read(path)?;
    examined.facts = Some(facts::facts(&model));
    let schedule = match order::schedule(&model, path) {
        Ok(schedule) => schedule,
        Err(errors) => {
            diagnostics.extend(errors);
            examined.unsupported = unsupported::unknown(&model);
            if !examined.unsupported.is_empty() {
                diagnostics.push(unsupported::error(&examined.unsupported).at(Place::file(path)));
            }
            return Err(diagnostics);
        }
    };
    let mut importer = importer::Importer::new(path, &model, &schedule, batch, diagnostics);
    importer.inputs(extents);
    for index in &schedule.nodes {
        importer.node(*index);
    }
    let outcome = result::network(importer);
    examined.network = outcome.network;
    examined.unsupported = outcome.unsupported;
    examined.problems = outcome.problems;
    if let Some(network) = &examined.network {
        let (hints, warnings) = metadata::hints(&model.metadata, &network.graph);
        examined.hints = hints;
        examined
            .problems
            .extend(Diagnostics(warnings.into_iter().map(|warning| warning.at(Place::file(path))).collect()));
    }
    Ok(())
}
