//! YAML specs: text, tree, types, flat list of layers, shapes, graph.

mod build;
pub mod check;
pub mod document;
pub mod expand;
pub mod names;
pub mod problems;
pub mod resolve;
pub mod spec;
pub mod surround;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::source::Source;
use super::surroundings::Surroundings;
use super::weights::{self, Request, TensorFile};
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
    /// Where the spec names its weights, and their hash.
    pub weight_places: [Place; 2],
}

/// Reads a spec and its weights.
///
/// # Errors
/// All that is wrong with the spec; when nothing is, all that is wrong with the weights.
pub fn load(
    source: &Source<'_>,
    weights: Option<&WeightSource>,
    batch: usize,
    surroundings: &Surroundings,
) -> Result<(Network, Diagnostics), Diagnostics> {
    let (mut described, warnings) = describe_with(source, batch, surroundings)?;
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
    describe_with(source, batch, &Surroundings::default())
}

/// The same with preprocessing and labels given in place of the spec's own.
///
/// # Errors
/// All that is wrong with the spec or with what is given.
pub fn describe_with(
    source: &Source<'_>,
    batch: usize,
    surroundings: &Surroundings,
) -> Result<(Described, Diagnostics), Diagnostics> {
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
    let preprocess = surround::preprocess(&spec, surroundings, &mut problems);
    if problems.any() {
        return Err(problems.into_diagnostics());
    }
    let resolution = resolve::resolve(&spec, &steps, &names, batch, &mut problems);
    let counts = surround::counts(&resolution);
    let (labels, labels_file) =
        surround::labels(&spec, surroundings, source, resolution.output.as_ref(), &mut problems);
    if !problems.any() {
        surround::expect(&spec, counts, &mut problems);
    }
    let files = source.path().into_iter().chain(labels_file).collect();
    let weight_places = [problems.place("weights.file"), problems.place("weights.sha256")];
    let described = Described { spec, resolution, counts, preprocess, labels, files, weight_places };
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
            let (file, path) = default_weights(source, described)?;
            let bound = bind(requests, &file)?;
            described.files.extend(path);
            Ok((bound, file_name(&file.path)))
        }
    }
}

fn bind(requests: &[Request], file: &TensorFile) -> Result<Vec<Tensor>, Diagnostics> {
    weights::bind(requests, file)
}

fn default_weights(source: &Source<'_>, described: &Described) -> Result<(TensorFile, Option<PathBuf>), Diagnostics> {
    let Described { spec, weight_places: [file_place, hash_place], .. } = described;
    let problem = |code, message: String, place: &Place| Diagnostic::error(code, message).at(place.clone());
    let Some(name) = &spec.weights.file else {
        let published = match &spec.weights.url {
            Some(url) => format!("; trained ones are published at {url}"),
            None => String::new(),
        };
        return Err(problem("E-WNONE", format!("`{}` comes without weights", spec.name), file_place)
            .about("weights")
            .expected("a file of weights or a seed")
            .hint(format!("say `--weights FILE`, or `--weights seed:7` for made-up ones{published}"))
            .into());
    };
    let (path, content) = source.beside(name, weights::file::LARGEST).map_err(|message| {
        problem("E-WFILE", message, file_place).about("weights.file").expected("a file beside or below the spec")
    })?;
    if let Some(wanted) = &spec.weights.sha256 {
        let hash = hexadecimal(&content);
        if !hash.eq_ignore_ascii_case(wanted) {
            return Err(problem("E-WHASH", format!("`{name}` hashes to {hash}"), hash_place)
                .about("weights.sha256")
                .expected(wanted.as_str())
                .hint("the file is not the one that the spec means, or it is damaged")
                .into());
        }
    }
    let shown = path.clone().unwrap_or_else(|| PathBuf::from(name));
    Ok((weights::file::parse(&shown, content)?, path))
}

fn hexadecimal(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
