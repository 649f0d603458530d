//! `resnetc tune`

mod layers;
mod whole;

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::compile::guard;
use super::model::{self, ModelOptions};
use super::progress::Progress;
use super::table::{Align, table};
use super::{Failure, machine, output};
use crate::diagnostic::Diagnostic;
use crate::package::{self, Cache, Package};
use crate::pipeline::Compiled;
use crate::plan::{self, Settings, Tuned, Tuning};
use crate::tuning::{File, Machine, Measured, probe};
use layers::Timed;
use whole::Whole;

/// Time the ways to compute each layer on this machine, and write down where another is faster than the compiler's own choice
///
/// The compiler chooses an algorithm and the sizes of its loops for each convolution by a model of costs, the same
/// on every machine. This command times about a dozen ways for every distinct convolution of MODEL, with weights as
/// cold as they are in a whole inference. Where one is faster by more than 3 % and by more than noise, it is written to
/// FILE. At last both whole programs are timed in turn: when the tuned one is not faster, FILE lists no layer, and what is
/// compiled with it is what is compiled without it.
///
/// Then `resnetc compile MODEL --tuning FILE`, and the same option of `run`, `inspect` and `verify`, and `tuning:
/// "FILE"` in the macro. FILE belongs to a machine, a number of threads and a batch; for others, make another. Keep the machine quiet
/// meanwhile. The first time, everything is built: some minutes for a network of many distinct layers.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A network that ships inside (see `resnetc specs`), or a .yaml, .yml or .onnx file
    model: String,

    #[command(flatten)]
    options: ModelOptions,

    /// Threads that the program will have [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,

    /// Where to write [default: the network's name with `.tuning.yaml` in the current folder]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// Seconds that the measurements take together, builds aside
    #[arg(long, value_name = "S", default_value_t = 60.0, value_parser = super::seconds, allow_hyphen_values = true)]
    seconds: f64,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What part of the time the layers get; the whole programs get the rest.
const LAYERS: f64 = 0.7;

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.options.compiler.tuning.is_some() {
        let error = Diagnostic::error("E-ARGUMENT", "the measurements begin with the compiler's own choices")
            .about("--tuning")
            .hint("leave it out: `-o FILE` says where to write");
        return Err(Failure::Usage(error.into()));
    }
    let isa = machine::isa()?;
    let mut progress = Progress::new();
    let options = arguments.options.options(&arguments.model)?;
    let compiled = model::compile_seeded(&options, "timing", &mut progress)?;
    let path = arguments.output.clone().unwrap_or_else(|| default_output(&compiled));
    guard(&path, &compiled.network)?;
    if path.is_dir() {
        let error = Diagnostic::error("E-OUTPUT", "this is a folder").at(crate::diagnostic::Place::file(&path));
        return Err(error.hint("name a file with `-o`").into());
    }
    let cache = Cache::open()?;
    let exact = arguments.options.compiler.exact;
    let timed = layers::time(
        &probe::subjects(&compiled, exact, isa),
        &layers::How {
            isa,
            threads: arguments.threads,
            seconds: LAYERS * arguments.seconds,
            flushed: 4 * (compiled.plan.weights.len() + compiled.plan.arena),
        },
        &cache,
        &mut progress,
    )?;
    let mut faster: Vec<Measured> = timed.iter().filter_map(Timed::faster).collect();
    let whole = if faster.is_empty() {
        None
    } else {
        let seconds = (1.0 - LAYERS) * arguments.seconds;
        Some(compare(compiled, exact, &faster, arguments.threads, seconds, &cache, &mut progress)?)
    };
    progress.clear();
    if whole.as_ref().is_some_and(|whole| !whole.tuned_wins()) {
        faster.clear();
    }
    let threads = match arguments.threads {
        Some(threads) => threads as usize,
        None => machine::threads(),
    };
    let file = File {
        compiler: env!("CARGO_PKG_VERSION").to_owned(),
        machine: Machine { processor: machine::processor(), isa: isa.to_owned(), threads },
        layers: faster,
    };
    package::write_file(&path, file.to_string().as_bytes(), false)?;
    if arguments.json {
        output::json(&as_json(&file, &timed, whole.as_ref(), &path))?;
    } else {
        output::print(&as_text(&timed, whole.as_ref(), !file.layers.is_empty()))?;
    }
    output::note(&format!("wrote {}", path.display()));
    Ok(())
}

fn default_output(compiled: &Compiled) -> PathBuf {
    PathBuf::from(format!("{}.tuning.yaml", package::file_name(&compiled.network.name)))
}

/// Times the program that the measured decisions make against the one of the compiler's own.
fn compare(
    mut compiled: Compiled,
    exact: bool,
    faster: &[Measured],
    threads: Option<u32>,
    seconds: f64,
    cache: &Cache,
    progress: &mut Progress,
) -> Result<Whole, Failure> {
    let mut tuning = Tuning::default();
    for Measured { layer, decision, .. } in faster {
        if tuning.insert(*layer, Tuned { decision: *decision, place: None }).is_err() {
            let error = Diagnostic::error("E-TUNE", format!("{decision} was measured, but cannot be carried out"));
            return Err(error.about(format!("`{layer}`")).into());
        }
    }
    let own = model::build(&Package::new(&compiled), cache, progress)?;
    (compiled.plan, _) = plan::plan(&compiled.graph, &Settings { exact, tuning, ..Settings::default() })?;
    let tuned = model::build(&Package::new(&compiled), cache, progress)?;
    whole::time(&own.path, &tuned.path, threads, seconds, progress)
}

fn as_text(timed: &[Timed], whole: Option<&Whole>, written: bool) -> String {
    let rows: Vec<Vec<String>> = timed
        .iter()
        .map(|timed| {
            let chosen = timed.faster();
            let (decision, time) = match &chosen {
                Some(measured) => (measured.decision.to_string(), measured.microseconds),
                None => ("the compiler's own".to_owned(), timed.own()),
            };
            vec![
                timed.layer.to_string(),
                timed.count.to_string(),
                format!("{:.1}", timed.own()),
                format!("{time:.1}"),
                decision,
            ]
        })
        .collect();
    let columns = [
        ("layer", Align::Left),
        ("layers", Align::Right),
        ("own us", Align::Right),
        ("best us", Align::Right),
        ("best", Align::Left),
    ];
    let mut text = table(&columns, &rows);
    text.push('\n');
    text.push_str(&match whole {
        None => "No layer is faster otherwise: the compiler's own choices are the best on this machine.\n".to_owned(),
        Some(whole) => {
            let Whole { own, tuned, .. } = whole;
            let told = if written {
                "The tuned program is faster."
            } else {
                "The tuned program is not faster beyond noise, so the file lists no layer: the compiler's own choices stay."
            };
            format!(
                "Whole program: {own:.3} ms as the compiler chooses, {tuned:.3} ms tuned, {:.3} of it.\n{told}\n",
                whole.ratio()
            )
        }
    });
    text
}

fn as_json(file: &File, timed: &[Timed], whole: Option<&Whole>, path: &Path) -> Value {
    let Machine { processor, isa, threads } = &file.machine;
    let layers: Vec<Value> = timed
        .iter()
        .map(|timed| {
            let ways: Vec<Value> = timed
                .ways()
                .map(|(decision, microseconds)| {
                    json!({ "decision": decision.to_string(), "microseconds": microseconds })
                })
                .collect();
            let best = timed.faster().map(|measured| measured.decision.to_string());
            json!({ "layer": timed.layer.to_string(), "count": timed.count, "faster": best, "ways": ways })
        })
        .collect();
    json!({
        "machine": { "processor": processor, "isa": isa, "threads": threads },
        "layers": layers,
        "whole": whole.map(|whole| json!({
            "own_ms": whole.own, "tuned_ms": whole.tuned, "ratio": whole.ratio(), "faster": whole.tuned_wins(),
        })),
        "tuned_layers": file.layers.len(),
        "file": path.display().to_string(),
    })
}
