//! The arguments that say what is compiled, and how.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;

use super::progress::Progress;
use super::structure::StructureOptions;
use super::surroundings::{SurroundingsOptions, named};
use super::{Failure, output};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::frontend::{self, Changes, Network, WeightSource};
use crate::package;
use crate::package::{Cache, Package, Program};
use crate::pipeline::{self, Compiled, Options, Stage};
use crate::plan::Settings;
use crate::tuning;

/// Options of every command that compiles one program.
#[derive(Debug, Clone, Args)]
pub struct ModelOptions {
    /// Images per call
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = batch, allow_hyphen_values = true)]
    pub batch: usize,

    #[command(flatten)]
    pub compiler: CompilerOptions,
}

impl ModelOptions {
    /// The options of the compiler for `model`.
    pub fn options(&self, model: &str) -> Result<Options, Failure> {
        self.compiler.options(model, self.batch)
    }
}

/// Options of every command that compiles, but for the batch.
#[derive(Debug, Clone, Args)]
pub struct CompilerOptions {
    /// Weights: a file, or `seed:N` for reproducible random ones. Default: the model's own
    #[arg(long, value_name = "FILE|seed:N")]
    pub weights: Option<String>,

    /// Switch a pass off; may be given several times
    #[arg(long, value_name = "NAME")]
    pub no_pass: Vec<String>,

    /// Let a pass rewrite wherever it is right, whether it pays or not; may be given several times
    #[arg(long, value_name = "NAME")]
    pub pass: Vec<String>,

    /// Compute every convolution as sums of products: no Winograd and no Strassen, whose rounding errors are a few times larger
    #[arg(long)]
    pub exact: bool,

    /// How layers are best computed, as `resnetc tune` measured it
    #[arg(long, value_name = "FILE")]
    pub tuning: Option<PathBuf>,

    #[command(flatten)]
    structure: StructureOptions,

    #[command(flatten)]
    surroundings: SurroundingsOptions,
}

impl CompilerOptions {
    /// The options of the compiler for `model` and so many images per call.
    pub fn options(&self, model: &str, batch: usize) -> Result<Options, Failure> {
        let options = Options {
            model: model.to_owned(),
            weights: self.weights.as_deref().map(weights).transpose()?,
            batch,
            changes: Changes {
                structure: self.structure.overrides()?,
                surroundings: self.surroundings.surroundings()?,
            },
            disabled_passes: self.no_pass.iter().cloned().collect::<BTreeSet<_>>(),
            forced_passes: self.pass.iter().cloned().collect::<BTreeSet<_>>(),
            settings: Settings {
                exact: self.exact,
                tuning: self.tuning.as_deref().map(tuning::read).transpose()?.unwrap_or_default(),
                image_by_image: None,
            },
        };
        options.switches().agree().map_err(Failure::Usage)?;
        Ok(options)
    }
}

/// Reads a number of images.
pub fn batch(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a whole number from 1".to_owned()),
        Ok(batch) => Ok(batch),
    }
}

/// Reads `seed:N` or the name of a file.
fn weights(text: &str) -> Result<WeightSource, Failure> {
    let source = WeightSource::parse(text);
    match &source {
        WeightSource::File(path) if text.starts_with("seed:") && !path.exists() => {
            let error = Diagnostic::error("E-ARGUMENT", format!("`{text}` is no seed"))
                .about("--weights")
                .expected("`seed:` and a whole number from 0 to 18446744073709551615");
            Err(Failure::Usage(error.into()))
        }
        WeightSource::File(_) | WeightSource::Seed(_) | WeightSource::Model => Ok(source),
    }
}

/// Whether an argument names a model: a file by its ending, or a network that ships inside.
pub fn is_model(text: &str) -> bool {
    let ending = Path::new(text).extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    matches!(ending.as_deref(), Some("yaml" | "yml" | "onnx")) || super::specs::shipped(text)
}

/// Compiles, with progress, and tells warnings.
pub fn compile(options: &Options, progress: &mut Progress) -> Result<Compiled, Failure> {
    let compiled = pipeline::compile(options, &mut |stage| progress.stage(stage));
    progress.clear();
    let mut compiled = compiled.map_err(named)?;
    compiled.warnings = named(compiled.warnings);
    output::tell(&compiled.warnings);
    Ok(compiled)
}

/// Compiles; a spec that lacks nothing but weights gets seeded ones, which is told: `doing` is what is done with them.
pub fn compile_seeded(options: &Options, doing: &str, progress: &mut Progress) -> Result<Compiled, Failure> {
    or_seeded(options, Some(doing), |options| compile(options, progress))
}

/// Reads a model; a spec that lacks nothing but weights gets seeded ones, which is told when they matter: `doing` is what is done with
/// them.
pub fn load_seeded(options: &Options, doing: Option<&str>, progress: &mut Progress) -> Result<Network, Failure> {
    or_seeded(options, doing, |options| {
        progress.stage(Stage::Load);
        let loaded = frontend::load_with(&options.model, options.weights.as_ref(), options.batch, &options.changes)
            .map_err(named);
        progress.clear();
        let (network, warnings) = loaded?;
        output::tell(&named(warnings));
        Ok(network)
    })
}

fn or_seeded<T>(
    options: &Options,
    doing: Option<&str>,
    mut attempt: impl FnMut(&Options) -> Result<T, Failure>,
) -> Result<T, Failure> {
    match attempt(options) {
        Err(Failure::Input(errors)) if options.weights.is_none() && only_weights_lack(&errors) => {
            if let Some(doing) = doing {
                output::note(&format!("note: no weights given; {doing} with seed:0"));
            }
            attempt(&Options { weights: Some(WeightSource::Seed(0)), ..options.clone() })
        }
        done => done,
    }
}

/// Whether nothing is wrong with a spec but that it has no weights.
pub fn only_weights_lack(problems: &Diagnostics) -> bool {
    let mut errors = problems.0.iter().filter(|problem| problem.severity == Severity::Error);
    errors.all(|error| error.code == NO_WEIGHTS)
}

/// The code of the error that a spec without weights raises.
const NO_WEIGHTS: &str = "E-WNONE";

/// Builds the program of a package, with progress.
pub fn build(package: &Package, cache: &Cache, progress: &mut Progress) -> Result<Program, Failure> {
    let program = package::build(package, cache, &mut |line| progress.line(line));
    progress.clear();
    Ok(program?)
}
