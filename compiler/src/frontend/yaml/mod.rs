//! YAML specs: text, tree, types, flat list of layers, shapes, graph.

mod build;
pub mod check;
pub mod document;
pub mod expand;
mod expression;
pub mod fitting;
mod library;
pub mod names;
mod order;
pub mod overrides;
mod own_weights;
mod pattern;
pub mod problems;
pub mod resolve;
pub mod spec;
pub mod surround;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::source::Source;
use super::weights::{self, Checksum, LeftOut, Published, TensorFile, Wanted};
use super::{Examined, Network, Preprocess, WeightSource};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::frontend::Changes;
use crate::ir::Tensor;
use crate::limits;
use library::Library;
use overrides::Overrides;
use pattern::NameMap;
use problems::Problems;
use resolve::Resolution;
use spec::{Scheme, Spec, TensorNames};

/// A spec that holds together, before it has weights.
#[derive(Debug, Clone)]
pub struct Described {
    /// As it is written, with what the user changed.
    pub spec: Rc<Spec>,
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
    /// What a file of weights may have besides.
    pub left_out: LeftOut,
    /// What the spec's own weights must hash to.
    pub checksums: Vec<Checksum>,
    /// Where the spec names the file of its weights.
    pub weights_place: Place,
}

impl Described {
    /// What it asks of a file of weights.
    pub fn wanted(&self) -> Wanted<'_> {
        let Resolution { requests, weighted, .. } = &self.resolution;
        Wanted { requests, layers: weighted, left_out: &self.left_out }
    }

    /// The file of weights that is published for this network, when the spec tells where and what it hashes to.
    pub fn published(&self) -> Option<Published> {
        let url = self.spec.weights.url.clone()?;
        (!self.checksums.is_empty()).then(|| Published { url, checksums: self.checksums.clone() })
    }
}

/// How a spec is read.
#[derive(Debug, Clone, Copy)]
pub struct Reading<'a> {
    /// Images per call.
    pub batch: usize,
    /// What the user changes.
    pub changes: &'a Changes,
    /// The scheme that names the tensors, when not the spec's own.
    pub scheme: Option<Scheme>,
}

/// Reads a spec and its weights.
///
/// # Errors
/// All that is wrong with the spec; when nothing is, all that is wrong with the weights.
pub fn load(
    source: &Source<'_>,
    weights: Option<&WeightSource>,
    batch: usize,
    changes: &Changes,
) -> Result<(Network, Diagnostics), Diagnostics> {
    examine(source, weights, batch, changes).finish()
}

/// Reads a spec and its weights as [`load`] does, as far as they can be read.
pub fn examine(source: &Source<'_>, weights: Option<&WeightSource>, batch: usize, changes: &Changes) -> Examined {
    let mut examined = Examined::default();
    match read(source, weights, Reading { batch, changes, scheme: None }, &mut examined.problems) {
        Ok(network) => examined.network = Some(network),
        Err(problems) => examined.problems.extend(problems),
    }
    examined
}

/// The network; warnings and what is wrong with the values of its weights go to `problems`.
fn read(
    source: &Source<'_>,
    weights: Option<&WeightSource>,
    reading: Reading<'_>,
    problems: &mut Diagnostics,
) -> Result<Network, Diagnostics> {
    let (mut described, warnings) = describe_as(source, reading)?;
    problems.extend(warnings);
    let Bound { tensors, origin, doubts } = tensors(source, weights, reading, &mut described)?;
    problems.extend(doubts);
    let graph = build::graph(&described.spec, &described.resolution, &tensors, reading.batch)?;
    let Described { spec, counts, preprocess, labels, files, .. } = described;
    Ok(Network {
        name: spec.name.clone(),
        description: spec.description.clone(),
        graph,
        preprocess,
        labels,
        parameters: counts.parameters,
        files,
        weights: origin,
    })
}

/// Reads a spec without weights: everything about it is checked but these.
///
/// # Errors
/// All that is wrong with it.
pub fn describe(source: &Source<'_>, batch: usize) -> Result<(Described, Diagnostics), Diagnostics> {
    describe_as(source, Reading { batch, changes: &Changes::default(), scheme: None })
}

/// Reads a spec without weights, with what the user changes.
///
/// # Errors
/// All that is wrong with it, or with the changes.
pub fn describe_as(source: &Source<'_>, reading: Reading<'_>) -> Result<(Described, Diagnostics), Diagnostics> {
    let Reading { batch, changes, scheme } = reading;
    let file = source.label();
    let bytes = source
        .content(limits::SPEC_BYTES.get())
        .map_err(|message| Diagnostic::error("E-YAML", message).at(Place::file(&file)))?;
    let text = utf8(&bytes, &file)?;
    let document = document::parse(&text, &file)?;
    let mut spec = parse(&text, &file)?;
    changes.structure.apply(&mut spec).map_err(|refused| {
        Diagnostics::from(Diagnostic::error("E-ARG", refused.message).about(refused.subject).hint(refused.hint))
    })?;
    let spec = Rc::new(spec);
    let mut problems = Problems::new(&document, &file);
    if batch == 0 || batch > limits::BATCH.count() {
        problems
            .error("E-RANGE", "input.shape[0]", format!("a batch of {batch}"))
            .expected(format!("1 to {}", limits::BATCH.get()));
        return Err(problems.into_diagnostics());
    }
    let library = Library::collect(&spec, source, &mut problems)?;
    let scheme = scheme.unwrap_or(spec.weights.names.scheme());
    let expanded = expand::expand(&spec, scheme, &library, &mut problems);
    let preprocess = surround::preprocess(&spec, &changes.surroundings, &mut problems);
    let map = name_map(&spec, &mut problems);
    let checksums = own_weights::checksums(&spec, &mut problems);
    if problems.any() {
        return Err(problems.into_diagnostics());
    }
    let mut resolution = resolve::resolve(&spec, &expanded, batch, &mut problems);
    for request in &mut resolution.requests {
        request.name = map.file_name(&request.name);
    }
    let left_out = left_out(source, reading, &resolution);
    let counts = surround::counts(&resolution);
    let (labels, labels_file) = surround::labels(&spec, &changes.surroundings, source, &resolution, &mut problems);
    if !problems.any() {
        surround::expect(&spec, counts, &mut problems);
    }
    let files = source.path().into_iter().chain(library.files).chain(labels_file).collect();
    let weights_place = problems.place("weights.file");
    let described =
        Described { spec, resolution, counts, preprocess, labels, files, left_out, checksums, weights_place };
    problems.into_diagnostics().finish(described)
}

/// A spec's text as its types, its form checked.
fn parse(text: &str, file: &Path) -> Result<Spec, Diagnostics> {
    let form = check::check(&document::parse(text, file)?, file);
    if form.has_errors() {
        return Err(form);
    }
    typed(text, file)
}

fn utf8(bytes: &[u8], file: &Path) -> Result<String, Diagnostics> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
        Diagnostic::error("E-YAML", "not UTF-8 text").at(Place::at(file, line, 1))
    })?;
    Ok(text.trim_start_matches('\u{feff}').to_owned())
}

/// The tensors of the head, when it is left out of a network that has one.
fn left_out(source: &Source<'_>, reading: Reading<'_>, kept: &Resolution) -> LeftOut {
    if reading.changes.structure.include_top != Some(false) {
        return LeftOut::default();
    }
    let structure = Overrides { input_shape: reading.changes.structure.input_shape.clone(), ..Overrides::default() };
    let changes = Changes { structure, ..Changes::default() };
    // A whole network that does not hold together has nothing that could be left over.
    let Ok((whole, _)) = describe_as(source, Reading { changes: &changes, ..reading }) else {
        return LeftOut::default();
    };
    let names = |resolution: &Resolution| -> BTreeSet<String> {
        resolution.requests.iter().map(|request| request.name.clone()).collect()
    };
    let kept_names = names(kept);
    LeftOut {
        names: names(&whole.resolution).into_iter().filter(|name| !kept_names.contains(name)).collect(),
        layers: whole.resolution.weighted.len().saturating_sub(kept.weighted.len()),
    }
}

fn name_map(spec: &Spec, problems: &mut Problems<'_>) -> NameMap {
    let TensorNames::Mapped(mapped) = &spec.weights.names else { return NameMap::default() };
    NameMap::new(&mapped.map).unwrap_or_else(|(key, message)| {
        problems.error("E-WNAME", &format!("weights.names.map.{key}"), message);
        NameMap::default()
    })
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

/// The tensors that a spec asks for.
struct Bound {
    tensors: Vec<Tensor>,
    /// Where they came from, in words.
    origin: String,
    /// What is wrong with their values.
    doubts: Diagnostics,
}

/// The tensors that a spec asks for.
fn tensors(
    source: &Source<'_>,
    weights: Option<&WeightSource>,
    reading: Reading<'_>,
    described: &mut Described,
) -> Result<Bound, Diagnostics> {
    match weights {
        Some(WeightSource::Seed(seed)) => Ok(Bound {
            tensors: weights::seeded::tensors(&described.resolution.requests, *seed),
            origin: format!("seed:{seed}"),
            doubts: Diagnostics::new(),
        }),
        Some(WeightSource::File(path)) => {
            let file = weights::load(path)?;
            rename(source, &file, reading, described);
            let (tensors, doubts) = bind(described, &file)?;
            described.files.push(path.clone());
            described.files.extend(file.shards.iter().cloned());
            Ok(Bound { tensors, origin: file_name(path), doubts })
        }
        Some(WeightSource::Model) | None => {
            let (file, path) = own_weights::read(source, described)?;
            rename(source, &file, reading, described);
            let (tensors, doubts) = weights::bind_any(&described.wanted(), &file)?;
            described.files.extend(path);
            described.files.extend(file.shards.iter().cloned());
            Ok(Bound { tensors, origin: file_name(&file.path), doubts })
        }
    }
}

/// The tensors of a file, with what is wrong with their values; when it does not fit, also which of the specs that ship it would fit.
fn bind(described: &Described, file: &TensorFile) -> Result<(Vec<Tensor>, Diagnostics), Diagnostics> {
    weights::bind_any(&described.wanted(), file).map_err(|mut problems| {
        let fits = fitting::fitting(file);
        let others = fits.iter().filter(|fit| fit.described.spec.name != described.spec.name);
        for fit in others {
            let differences = fitting::differences(&described.spec, &fit.described.spec);
            let without = if fit.include_top { "" } else { " without its classifier" };
            let message = format!("the weights fit `{}`{without}, not `{}`", fit.name, described.spec.name);
            let mut problem = Diagnostic::error("E-WSPEC", message).at(Place::file(&file.path));
            if !differences.is_empty() {
                problem = problem.expected(format!("a network with {}", differences.join(", ")));
            }
            problems.push(problem.hint(format!("compile `{}` with them", fit.name)));
        }
        problems
    })
}

/// Schemes of the same tensors in the same layouts: a file is read by whichever of them names its tensors.
const ALIKE: [Scheme; 2] = [Scheme::Torchvision, Scheme::HuggingFace];

/// Takes another scheme that names the tensors of `file`, when that of the spec does not.
fn rename(source: &Source<'_>, file: &TensorFile, reading: Reading<'_>, described: &mut Described) {
    let missing = |described: &Described| {
        described.resolution.requests.len()
            - weights::assign(&described.wanted(), file).matching(&described.resolution.requests)
    };
    let (mut least, own) = (missing(described), described.spec.weights.names.scheme());
    if least == 0 || !ALIKE.contains(&own) {
        return;
    }
    for scheme in ALIKE.into_iter().filter(|scheme| *scheme != own) {
        // The spec was read once without errors; only names are different now.
        if let Ok((renamed, _)) = describe_as(source, Reading { scheme: Some(scheme), ..reading })
            && missing(&renamed) < least
        {
            least = missing(&renamed);
            *described = renamed;
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
