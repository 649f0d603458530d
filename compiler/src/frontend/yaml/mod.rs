//! YAML specs: text, tree, types, flat list of layers, shapes, graph.

mod build;
pub mod check;
pub mod document;
pub mod expand;
pub mod names;
mod own_weights;
pub mod problems;
pub mod resolve;
pub mod spec;
pub mod surround;

use std::path::{Path, PathBuf};

use super::source::Source;
use super::weights::{self, Checksum, Published, Request, TensorFile};
use super::{Network, Preprocess, WeightSource};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::ir::Tensor;
use problems::Problems;
use resolve::Resolution;
use spec::Spec;

/// Images per call are at most this many.
const LARGEST_BATCH: usize = 4096;

/// A spec that holds together, before it has weights.
#[derive(Debug, Clone)]
pub struct Described {
    /// As it is written.
    pub spec: Spec,
    /// Layers, shapes and the tensors that they ask for.
    pub resolution: Resolution,
    /// Parameters, statistics and multiply-accumulates.
    pub counts: surround::Counts,
    /// How a picture becomes the input.
    pub preprocess: Option<Preprocess>,
    /// A label per class, or none.
    pub labels: Vec<String>,
    /// The files read so far.
    pub files: Vec<PathBuf>,
    /// What the spec's own weights must hash to.
    pub checksums: Vec<Checksum>,
    /// Where the spec names the file of its weights.
    pub weights_place: Place,
}

impl Described {
    /// The file of weights that is published for this network, when the spec tells where and what it hashes to.
    pub fn published(&self) -> Option<Published> {
        let url = self.spec.weights.url.clone()?;
        (!self.checksums.is_empty()).then(|| Published { url, checksums: self.checksums.clone() })
    }
}

/// Reads a spec and its weights.
///
/// # Errors
/// All that is wrong with the spec; when nothing is, all that is wrong with the weights.
pub fn load(
    source: &Source<'_>,
    weights: Option<&WeightSource>,
    batch: usize,
) -> Result<(Network, Diagnostics), Diagnostics> {
    let (mut described, warnings) = describe(source, batch)?;
    let (tensors, origin) = tensors(source, weights, &mut described)?;
    let graph = build::graph(&described.spec, &described.resolution, &tensors, batch)?;
    let Described { spec, counts, preprocess, labels, files, .. } = described;
    let network = Network {
        name: spec.name,
        description: spec.description,
        graph,
        preprocess,
        labels,
        parameters: counts.parameters,
        files,
        weights: origin,
    };
    Ok((network, warnings))
}

/// Reads a spec without weights: everything about it is checked but these.
///
/// # Errors
/// All that is wrong with it.
pub fn describe(source: &Source<'_>, batch: usize) -> Result<(Described, Diagnostics), Diagnostics> {
    let file = source.label();
    let bytes = source
        .content(document::LARGEST as u64)
        .map_err(|message| Diagnostic::error("E-YAML", message).at(Place::file(&file)))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| {
            let line = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
            Diagnostic::error("E-YAML", "not UTF-8 text").at(Place::at(&file, line, 1))
        })?
        .trim_start_matches('\u{feff}');
    let document = document::parse(text, &file)?;
    let form = check::check(&document, &file);
    if form.has_errors() {
        return Err(form);
    }
    let spec = typed(text, &file)?;
    let mut problems = Problems::new(&document, &file);
    if batch == 0 || batch > LARGEST_BATCH {
        problems
            .error("E-RANGE", "input.shape[0]", format!("a batch of {batch}"))
            .expected(format!("1 to {LARGEST_BATCH}"));
        return Err(problems.into_diagnostics());
    }
    let (steps, names) = expand::expand(&spec, &mut problems);
    let preprocess = surround::preprocess(&spec, &mut problems);
    let checksums = own_weights::checksums(&spec, &mut problems);
    if problems.any() {
        return Err(problems.into_diagnostics());
    }
    let resolution = resolve::resolve(&spec, &steps, &names, batch, &mut problems);
    let counts = surround::counts(&resolution);
    let (labels, labels_file) = surround::labels(&spec, source, resolution.output.as_ref(), &mut problems);
    if !problems.any() {
        surround::expect(&spec, counts, &mut problems);
    }
    let files = source.path().into_iter().chain(labels_file).collect();
    let weights_place = problems.place("weights.file");
    let described = Described { spec, resolution, counts, preprocess, labels, files, checksums, weights_place };
    problems.into_diagnostics().finish(described)
}

fn typed(text: &str, file: &Path) -> Result<Spec, Diagnostics> {
    serde_yaml::from_str(text).map_err(|error| {
        let place = match error.location() {
            Some(location) => Place::at(file, location.line(), location.column()),
            None => Place::file(file),
        };
        Diagnostic::error("E-TYPE", error.to_string()).at(place).into()
    })
}

/// The tensors that a spec asks for, and where they came from in words.
fn tensors(
    source: &Source<'_>,
    weights: Option<&WeightSource>,
    described: &mut Described,
) -> Result<(Vec<Tensor>, String), Diagnostics> {
    let requests = &described.resolution.requests;
    match weights {
        Some(WeightSource::Seed(seed)) => Ok((weights::seeded::tensors(requests, *seed), format!("seed:{seed}"))),
        Some(WeightSource::File(path)) => {
            let bound = bind(requests, &weights::load(path)?)?;
            described.files.push(path.clone());
            Ok((bound, file_name(path)))
        }
        Some(WeightSource::Model) | None => {
            let (file, path) = own_weights::read(source, described)?;
            let bound = bind(requests, &file)?;
            described.files.extend(path);
            Ok((bound, file_name(&file.path)))
        }
    }
}

fn bind(requests: &[Request], file: &TensorFile) -> Result<Vec<Tensor>, Diagnostics> {
    weights::bind(requests, file)
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
