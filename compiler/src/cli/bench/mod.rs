//! `resnetc bench`

mod json;
mod measure;
mod outputs;
mod text;

use std::path::{Path, PathBuf};

use clap::Args;

use super::model::{self, CompilerOptions};
use super::progress::Progress;
use super::{Failure, compile, machine, output};
use crate::bench::page::{page, picture};
use crate::diagnostic::Diagnostic;
use crate::package;
use crate::passes::{self, PASSES};
use measure::Task;

const EXAMPLES: &str = "\
Examples:
  resnetc bench resnet50                                   what each pass is worth, on one thread and on all
  resnetc bench resnet50 --html resnet50.html              the same as a page, with every layer fused beside unfused
  resnetc bench resnet18 --batch 1,8 --threads 1 --seconds 120
  resnetc bench model.onnx --passes fuse_shortcut_add      the gain of one pass alone
  resnetc bench cifar-resnet20 --exact --json > bench.json";

/// Time a network's program beside those with fewer passes, and tell what each pass is worth
///
/// Builds the program without any pass that can be left out, a program with one more pass at a time, one without each pass, and the full one; those
/// that come out the same are built and timed once. Before they are timed, all are run over one input: when the output of one
/// departs from that of the unfused one by more than 1e-4 of its largest value (1e-5 with `--exact`), this is an error. Then they
/// run by turns in rounds, each round in another order; of a turn the fastest run counts. Ratios are those of the same round: the
/// median of all rounds, and the 95 % interval that resampling the rounds gives. At last the steps of the unfused and of the full
/// program are timed one by one.
///
/// Keep the machine quiet meanwhile. The first time, everything is built: up to some minutes per program of a large network. A spec whose
/// weights are not given is measured with `seed:0`.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// A network that ships inside (see `resnetc specs`), or a .yaml, .yml or .onnx file
    model: String,

    /// Images per call, each number a measurement of its own
    #[arg(long, value_name = "N,N", default_value = "1", value_delimiter = ',', value_parser = model::batch, allow_hyphen_values = true)]
    batch: Vec<usize>,

    /// Threads, each number a measurement of its own [default: 1 and all]
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1024), allow_hyphen_values = true)]
    threads: Vec<u32>,

    /// Passes to switch; the others run in every program, but for those of `--no-pass` [default: all that can be left out]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    passes: Vec<String>,

    #[command(flatten)]
    options: CompilerOptions,

    /// Seconds that the programs are timed for each batch and number of threads, builds and profiles aside; five rounds at least
    #[arg(long, value_name = "S", default_value_t = 30.0, value_parser = super::seconds, allow_hyphen_values = true)]
    seconds: f64,

    /// Show every layer of the full program beside those of the unfused one whose work it does
    #[arg(long, conflicts_with = "json")]
    layers: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Write a page too
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write what the passes gain as a picture (SVG)
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl Arguments {
    /// The files to write, with the option that asks for each.
    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let files = [("--html", &self.html), ("--svg", &self.svg)];
        files.into_iter().filter_map(|(option, path)| Some((option, path.as_deref()?)))
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let task = Task {
        model: &arguments.model,
        options: &arguments.options,
        batches: distinct(&arguments.batch),
        threads: threads(&arguments.threads),
        passes: switched(arguments)?,
        seconds: arguments.seconds,
        isa: machine::isa()?,
    };
    for (_, path) in arguments.files() {
        package::writable(path)?;
    }
    let mut progress = Progress::new();
    let report = measure::measure(&task, &mut progress, &|network| {
        arguments.files().try_for_each(|(option, path)| compile::guard_option(path, network, option))
    })?;
    progress.clear();
    for (option, path) in arguments.files() {
        let text = if option == "--html" { page(&report) } else { picture(&report) };
        package::write_file(path, text.as_bytes(), false)?;
    }
    if arguments.json {
        output::json(&json::report(&report))?;
    } else {
        output::print(&text::report(&report, arguments.layers))?;
    }
    for (_, path) in arguments.files() {
        output::note(&format!("wrote {}", path.display()));
    }
    Ok(())
}

/// Each number once, in the order they are given.
fn distinct<T: Copy + PartialEq>(numbers: &[T]) -> Vec<T> {
    let mut distinct = Vec::new();
    for number in numbers {
        if !distinct.contains(number) {
            distinct.push(*number);
        }
    }
    distinct
}

fn threads(given: &[u32]) -> Vec<u32> {
    if given.is_empty() { distinct(&[1, u32::try_from(machine::threads()).unwrap_or(1)]) } else { distinct(given) }
}

/// The passes that are switched, in the order they run.
fn switched(arguments: &Arguments) -> Result<Vec<&'static str>, Failure> {
    let (asked, off) = (&arguments.passes, &arguments.options.no_pass);
    let optional = |name: &str| PASSES.iter().any(|pass| pass.name == name && pass.optional);
    for name in asked {
        let wrong = if !passes::names().contains(&name.as_str()) {
            passes::unknown_pass(name)
        } else if !optional(name) {
            Diagnostic::error("E-PASS", format!("no program can do without the pass `{name}`"))
        } else if off.contains(name) {
            Diagnostic::error("E-PASS", format!("the pass `{name}` is switched off by `--no-pass`"))
        } else {
            continue;
        };
        return Err(wrong.about("--passes").into());
    }
    let mut names = passes::names();
    names.retain(|name| {
        let named = |list: &[String]| list.iter().any(|other| other == name);
        optional(name) && !named(off) && (asked.is_empty() || named(asked))
    });
    if names.is_empty() {
        let error = Diagnostic::error("E-PASS", "no pass is left to be measured").about("--no-pass");
        return Err(error.hint("leave one on").into());
    }
    Ok(names)
}
