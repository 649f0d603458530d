//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::list;
use crate::network::Network;

/// What the user asked for.
#[derive(Debug)]
pub(super) enum Task {
    Predict(Predict),
    Tensor(Tensor),
    Trace(Trace),
    Bench(Bench),
    Info(Info),
}

/// What to print instead of working: help, the version, or what is wrong with the arguments.
pub(super) struct Message {
    pub(super) text: String,
    pub(super) is_error: bool,
}

#[derive(Debug, Parser)]
#[command(
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    override_usage = "PROGRAM [OPTIONS] IMAGE...\n       PROGRAM tensor IN OUT\n       PROGRAM bench\n       PROGRAM info"
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    predict: Predict,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a raw tensor through the network: .npy in, .npy out, or a folder of them for several outputs
    Tensor(Tensor),
    /// Write what every step writes for the first batch: .npy in, a folder of .npy out
    #[command(hide = true)]
    Trace(Trace),
    /// Measure the latency on this machine
    Bench(Bench),
    /// Tell what is inside: the model, its shapes and sizes, checksums, instruction sets
    Info(Info),
}

/// Classifies pictures.
#[derive(Debug, Args)]
pub(super) struct Predict {
    /// Pictures (JPEG or PNG), or folders with pictures
    #[arg(value_name = "IMAGE")]
    pub(super) images: Vec<PathBuf>,
    /// How many classes to print per picture
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = parse_positive)]
    pub(super) top: usize,
    /// Print a JSON array with one object per picture
    #[arg(long)]
    pub(super) json: bool,
    /// Threads to use [default: all that the process may use]
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub(super) threads: Option<usize>,
}

/// Runs a raw tensor.
#[derive(Debug, Args)]
pub(super) struct Tensor {
    /// The input: float32, in C order, of the network's input shape with any number of images; of several inputs, a folder with a .npy
    /// file for each
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,
    /// The output, a .npy file; of several outputs, a folder with a .npy file for each. A file appears whole or not at all
    #[arg(value_name = "OUT")]
    pub(super) out: PathBuf,
    /// Write only the output of this name, to a file
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(super) output: Option<String>,
    /// Threads to use [default: all that the process may use]
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub(super) threads: Option<usize>,
}

/// Shows the steps.
#[derive(Debug, Args)]
pub(super) struct Trace {
    /// The input, as of `tensor`
    #[arg(value_name = "IN")]
    pub(super) input: PathBuf,
    /// The folder; made where it is missing
    #[arg(value_name = "DIR")]
    pub(super) folder: PathBuf,
}

/// Measures.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// Threads to use [default: all that the process may use]
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub(super) threads: Option<usize>,
    /// How long to measure, after the warm-up
    #[arg(long, value_name = "S", default_value_t = 3.0, value_parser = parse_seconds)]
    pub(super) seconds: f64,
    /// Print a table of all layers: their times, and how near they come to what this machine can do
    #[arg(long)]
    pub(super) profile: bool,
    /// Width of the table [default: that of the terminal]
    #[arg(long, value_name = "N", requires = "profile", conflicts_with = "json", value_parser = parse_positive)]
    pub(super) columns: Option<usize>,
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
    /// Run as often as each line of standard input says, and print the milliseconds
    #[arg(long, hide = true, conflicts_with_all = ["seconds", "profile", "json"])]
    pub(super) turns: bool,
}

/// Describes.
#[derive(Debug, Args)]
pub(super) struct Info {
    /// Print one JSON object
    #[arg(long)]
    pub(super) json: bool,
}

/// Reads the arguments; the first is the program's own name.
pub(super) fn parse(network: &Network, arguments: impl IntoIterator<Item = OsString>) -> Result<Task, Message> {
    let mut arguments = arguments.into_iter();
    let program = arguments.next().unwrap_or_else(|| network.name.into());
    let name = std::path::Path::new(&program)
        .file_name()
        .map_or_else(|| network.name.to_string(), |name| name.to_string_lossy().into_owned());
    let about = match network.description {
        "" => format!("{}, compiled into a program.", network.name),
        text => format!("{}: {text}", network.name),
    };
    let out = if network.outputs.len() == 1 { "OUT.npy" } else { "FOLDER" };
    let input = if network.inputs.len() == 1 { "IN.npy" } else { "FOLDER" };
    let usage = format!(
        "{name} [OPTIONS] IMAGE...\n       {name} tensor [OPTIONS] {input} {out}\n       {name} bench [OPTIONS]\n       {name} info [OPTIONS]"
    );
    let command = Arguments::command()
        .name(network.name)
        .bin_name(name.clone())
        .version(format!("(compiled by resnetc {})", network.compiler.trim_start_matches("resnetc ")))
        .about(about)
        .override_usage(usage)
        .after_help(examples(network, &name));
    let matches = command.try_get_matches_from(std::iter::once(program).chain(arguments));
    let parsed = matches.and_then(|matches| Arguments::from_arg_matches(&matches));
    match parsed {
        Ok(Arguments { command: Some(Command::Tensor(task)), .. }) => Ok(Task::Tensor(task)),
        Ok(Arguments { command: Some(Command::Trace(task)), .. }) => Ok(Task::Trace(task)),
        Ok(Arguments { command: Some(Command::Bench(task)), .. }) => Ok(Task::Bench(task)),
        Ok(Arguments { command: Some(Command::Info(task)), .. }) => Ok(Task::Info(task)),
        Ok(Arguments { command: None, predict }) if predict.images.is_empty() => Err(Message {
            text: format!("error: no picture given\n\nUsage: {name} [OPTIONS] IMAGE...\n\nFor more, try '--help'.\n"),
            is_error: true,
        }),
        Ok(Arguments { command: None, predict }) => Ok(Task::Predict(predict)),
        Err(error) => Err(Message { text: error.render().to_string(), is_error: error.use_stderr() }),
    }
}

fn examples(network: &Network, name: &str) -> String {
    let input = if network.inputs.len() == 1 { "in.npy" } else { "in/   " };
    let tensor = match network.outputs {
        [first, _, ..] => format!(
            "  {name} tensor {input} out           raw numbers through the network, each output to out/NAME.npy
  {name} tensor --output {first} {input} out.npy
                                     one output, to a file; the outputs are {all}",
            first = first.name,
            all = list(network.outputs),
        ),
        _ => format!("  {name} tensor {input} out.npy       raw numbers through the network"),
    };
    format!(
        "Examples:
  {name} cat.jpg                     the five most probable classes of a picture
  {name} --top 1 --json photos/      the best class of every picture in a folder, as JSON
  {name} ./bench                     a picture whose file is named like a command
{tensor}
  {name} bench --threads 1 --json    the latency of one thread
  {name} bench --profile             the time of every layer, and what bounds it
  RESNET_ISA=portable {name} info    force an instruction set (avx512, avx2, neon, portable)
  RESNET_PICTURE_PIXELS=400000000 {name} map.png
                                     read pictures of more than 100 million pixels

Exit codes: 0 all went well, 1 a picture or a run failed, 2 called wrongly."
    )
}

const MOST: usize = 1 << 16;

fn parse_positive(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(number) if (1..=MOST).contains(&number) => Ok(number),
        _ => Err(format!("expected a whole number from 1 to {MOST}")),
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds > 0.0 && seconds <= 86400.0 => Ok(seconds),
        _ => Err("expected a number of seconds above 0, at most 86400".to_string()),
    }
}
