//! Builds the programs, holds their outputs against each other, and times them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::outputs::Outputs;
use crate::bench::layers::{Rows, Side};
use crate::bench::profile::profile;
use crate::bench::report::{Machine, Report, Role, Setting, Variant};
use crate::bench::turns::{self, How};
use crate::bench::variants::{Selection, selections, timings};
use crate::cli::model::{self, CompilerOptions};
use crate::cli::progress::Progress;
use crate::cli::surroundings::named;
use crate::cli::{Failure, machine, output};
use crate::diagnostic::{Diagnostic, Place};
use crate::frontend::weights::Hashes;
use crate::frontend::{Network, shipped};
use crate::ir::Graph;
use crate::package::{self, Cache, Package, hexadecimal};
use crate::passes::PASSES;
use crate::pipeline::{self, Compiled};

/// What outputs may depart by from those of the unfused program, with sums of products only and with faster algorithms.
const TOLERANCES: [f64; 2] = [1e-5, 1e-4];
/// The fewest rounds and the most.
const ROUNDS: [usize; 2] = [5, 60];
/// Seconds of a profile, as a part of those that the programs are timed.
const PROFILE: f64 = 0.1;

/// What is to be measured.
#[derive(Debug)]
pub struct Task<'a> {
    /// The model as it was named.
    pub model: &'a str,
    /// How it is compiled.
    pub options: &'a CompilerOptions,
    /// Images per call.
    pub batches: Vec<usize>,
    /// Threads.
    pub threads: Vec<u32>,
    /// The passes that are switched, in the order they run.
    pub passes: Vec<&'static str>,
    /// Seconds of each batch and number of threads.
    pub seconds: f64,
    /// The instruction set.
    pub isa: &'static str,
}

/// Measures it all. `check` may refuse the network, once it is read.
pub fn measure(
    task: &Task<'_>,
    progress: &mut Progress,
    check: &dyn Fn(&Network) -> Result<(), Failure>,
) -> Result<Report, Failure> {
    let cache = Cache::open()?;
    let (mut variants, mut settings, mut about) = (Vec::new(), Vec::new(), None);
    for batch in &task.batches {
        let built = Batch::build(task, *batch, &cache, progress, check)?;
        let first = variants.len();
        for threads in &task.threads {
            settings.push(built.time(task, *threads, first, progress)?);
        }
        variants.extend(built.variants);
        about.get_or_insert(built.about);
    }
    let about = about.ok_or_else(|| Diagnostic::error("E-ARGUMENT", "no batch is given").about("--batch"))?;
    let summaries = task.passes.iter().filter_map(|name| PASSES.iter().find(|pass| pass.name == *name));
    Ok(Report {
        network: about.network,
        model: task.model.to_owned(),
        compiler: env!("CARGO_PKG_VERSION").to_owned(),
        time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs()),
        machine: Machine { processor: machine::processor(), isa: task.isa.to_owned(), threads: machine::threads() },
        files: about.files,
        weights: about.weights,
        exact: task.options.exact,
        passes: summaries.map(|pass| (pass.name.to_owned(), pass.summary.to_owned())).collect(),
        variants,
        settings,
        graphs: about.graphs,
    })
}

/// What a report says about the network.
struct About {
    network: String,
    weights: String,
    files: Vec<(String, String)>,
    graphs: [Graph; 2],
}

/// The programs of a batch, ready to be timed.
struct Batch {
    batch: usize,
    about: About,
    variants: Vec<Variant>,
    /// The neighbour and the program of each variant.
    places: Vec<(usize, usize)>,
    programs: Vec<PathBuf>,
    rows: Rows,
}

impl Batch {
    fn build(
        task: &Task<'_>,
        batch: usize,
        cache: &Cache,
        progress: &mut Progress,
        check: &dyn Fn(&Network) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let mut options = task.options.options(task.model, batch)?;
        let told = (task.batches.first() == Some(&batch)).then_some("measuring");
        let mut network = model::load_seeded(&options, told, progress)?;
        network.files.extend(options.settings.tuning.file().map(Path::to_path_buf));
        check(&network)?;
        let files = files(task.model, &network)?;
        let selections = selections(&task.passes, &options.disabled_passes);
        let (mut programs, mut variants, mut places) = (Programs::default(), Vec::new(), Vec::new());
        let (mut outputs, mut sides) = (None, Vec::new());
        for (index, Selection { role, disabled, neighbour }) in selections.iter().enumerate() {
            progress.line(&format!("Compiling program {} of {}", index + 1, selections.len()));
            options.disabled_passes.clone_from(disabled);
            let compiled = pipeline::compile_network(network, &options, &mut |_| ()).map_err(named)?;
            let outputs = match &mut outputs {
                Some(outputs) => outputs,
                none => none.insert(Outputs::new(&compiled.plan)?),
            };
            let place = programs.find(&compiled, cache, outputs, progress)?;
            places.push((*neighbour, place));
            let variant = programs.variant(place, role, batch, &compiled)?;
            refuse_departure(&variant, task.options.exact)?;
            variants.push(variant);
            if matches!(role, Role::Unfused | Role::Full) {
                sides.push(Side::new(&compiled.graph, &compiled.plan));
            }
            if *role == Role::Full {
                progress.clear();
                output::tell(&named(compiled.warnings));
            }
            network = compiled.network;
        }
        let [unfused, full] =
            sides.try_into().map_err(|_| Diagnostic::error("E-INTERNAL", "there is no full or no unfused program"))?;
        let rows = Rows::new(&network.graph, &unfused, &full);
        let about = About {
            network: network.name,
            weights: network.weights,
            files,
            graphs: [network.graph, full.into_graph()],
        };
        Ok(Self { batch, about, variants, places, programs: programs.paths(), rows })
    }

    /// Times the programs; `first` is the place of the first variant among those of all batches.
    fn time(&self, task: &Task<'_>, threads: u32, first: usize, progress: &mut Progress) -> Result<Setting, Failure> {
        let setting = format!("batch {}, {threads} thread(s)", self.batch);
        let paths: Vec<&Path> = self.programs.iter().map(PathBuf::as_path).collect();
        let how = How { threads: Some(threads), seconds: task.seconds, rounds: ROUNDS };
        progress.line(&format!("Warming up {} programs, {setting}", paths.len()));
        let times = turns::time(&paths, &how, &mut |round, rounds| {
            progress.line(&format!("Timing {} programs, {setting}: round {round} of {rounds}", paths.len()));
        })?;
        let place = |wanted: &Role| {
            let variant = self.variants.iter().position(|variant| variant.role == *wanted);
            variant.and_then(|variant| self.places.get(variant)).and_then(|(_, program)| paths.get(*program)).copied()
        };
        let mut profiled = |role: &Role| {
            let program = place(role).ok_or_else(|| Diagnostic::error("E-INTERNAL", "a program is missing"))?;
            progress.line(&format!("Timing every step, {setting}"));
            profile(program, Some(threads), PROFILE * task.seconds)
        };
        let (unfused, full) = (profiled(&Role::Unfused)?, profiled(&Role::Full)?);
        Ok(Setting {
            batch: self.batch,
            threads: threads as usize,
            timings: timings(first, &self.places, &times),
            layers: self.rows.timed(&unfused.steps, &full.steps),
            peak: full.peak,
            bandwidth: full.bandwidth,
        })
    }
}

/// Programs that were built, each once.
#[derive(Default)]
struct Programs {
    built: Vec<Built>,
    /// By what their plans and weights hash to.
    places: BTreeMap<[u8; 32], usize>,
}

struct Built {
    path: PathBuf,
    info: Value,
    departure: f64,
}

impl Programs {
    /// The place of a network's program, which is built when there is none for its plan and weights.
    fn find(
        &mut self,
        compiled: &Compiled,
        cache: &Cache,
        outputs: &mut Outputs,
        progress: &mut Progress,
    ) -> Result<usize, Failure> {
        // The blob names its plan.
        let hash: [u8; 32] = Sha256::digest(compiled.plan.blob()).into();
        if let Some(place) = self.places.get(&hash) {
            return Ok(*place);
        }
        let path = model::build(&Package::new(compiled), cache, progress)?.path;
        let said = package::call(&path, ["info", "--json"])?;
        let info = serde_json::from_slice(&said).unwrap_or_default();
        let departure = outputs.departure(&path)?;
        let place = self.built.len();
        self.built.push(Built { path, info, departure });
        self.places.insert(hash, place);
        Ok(place)
    }

    /// What a report says about a program.
    fn variant(&self, place: usize, role: &Role, batch: usize, compiled: &Compiled) -> Result<Variant, Diagnostic> {
        let number = |key: &str| {
            let built = self.built.get(place)?;
            built.info.get(key)?.as_u64()
        };
        let told = |key: &str| {
            number(key).ok_or_else(|| Diagnostic::error("E-RUN", format!("the program does not tell its `{key}`")))
        };
        let mut passes: Vec<String> = Vec::new();
        for report in &compiled.passes {
            if !passes.iter().any(|pass| pass == report.pass) {
                passes.push(report.pass.to_owned());
            }
        }
        Ok(Variant {
            role: role.clone(),
            batch,
            passes,
            steps: compiled.plan.steps.len(),
            macs: compiled.plan.macs() * batch as u64,
            arena_bytes: told("arena_bytes")?,
            weight_bytes: told("weight_bytes")?,
            map_bytes: told("map_bytes")?,
            fetched_bytes: compiled.plan.fetched(),
            departure: self.built.get(place).map_or(0.0, |built| built.departure),
        })
    }

    fn paths(self) -> Vec<PathBuf> {
        self.built.into_iter().map(|built| built.path).collect()
    }
}

/// An error when the outputs of a program are further from those of the unfused one than rounding explains.
fn refuse_departure(variant: &Variant, exact: bool) -> Result<(), Diagnostic> {
    let [sums, fast] = TOLERANCES;
    let tolerance = if exact { sums } else { fast };
    if variant.departure <= tolerance {
        return Ok(());
    }
    let message = format!(
        "the program {} departs: its outputs are {:.3e} of their largest value from those of the unfused one",
        super::text::name(&variant.role),
        variant.departure
    );
    Err(Diagnostic::error("E-DEPARTURE", message)
        .expected(format!("{tolerance:e} at most"))
        .hint("this is an error of resnetc, or the weights make no sensible numbers; `resnetc verify MODEL --passes` looks closer"))
}

/// The files that a network was read from, with what they hash to.
fn files(model: &str, network: &Network) -> Result<Vec<(String, String)>, Diagnostic> {
    let mut files = Vec::new();
    if let Some(spec) = shipped::spec(model) {
        files.push((format!("{}.yaml", spec.name), hexadecimal(&Sha256::digest(spec.text))));
        let own = !network.files.iter().any(|path| path.file_name() == Some(network.weights.as_ref()));
        let inside = shipped::file(&format!("weights/{}", network.weights)).filter(|_| own);
        files.extend(inside.map(|content| (network.weights.clone(), hexadecimal(&Sha256::digest(content)))));
    }
    for path in &network.files {
        let hashes = File::open(path)
            .and_then(|file| Hashes::of(file, &[]))
            .map_err(|error| Diagnostic::error("E-FILE", format!("cannot read it: {error}")).at(Place::file(path)))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        files.push((name, hashes.sha256));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_departs_is_named() {
        let variant = |departure| Variant {
            role: Role::Without("fold_pad".to_owned()),
            batch: 1,
            passes: Vec::new(),
            steps: 1,
            macs: 1,
            arena_bytes: 1,
            weight_bytes: 1,
            map_bytes: 1,
            fetched_bytes: 1,
            departure,
        };
        refuse_departure(&variant(5e-5), false).unwrap();
        refuse_departure(&variant(5e-6), true).unwrap();
        for (departure, exact) in [(5e-5, true), (2e-4, false), (f64::INFINITY, false), (f64::NAN, false)] {
            let error = refuse_departure(&variant(departure), exact).unwrap_err();
            assert_eq!(error.code, "E-DEPARTURE");
            assert!(error.message.contains("the program without fold_pad departs"), "{error}");
        }
    }

    #[test]
    fn what_was_read_is_hashed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("labels.txt");
        std::fs::write(&path, "abc").unwrap();
        let (mut network, _) = crate::frontend::load(shipped::DEFAULT, None, 1).unwrap();
        network.files.push(path.clone());
        let files = files(shipped::DEFAULT, &network).unwrap();
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["cifar-resnet20.yaml", "cifar-resnet20.safetensors", "labels.txt"]);
        assert!(files[2].1.starts_with("ba7816bf8f01cfea") && files.iter().all(|(_, hash)| hash.len() == 64));
        std::fs::remove_file(path).unwrap();
        assert_eq!(super::files(shipped::DEFAULT, &network).unwrap_err().code, "E-FILE");
    }
}
