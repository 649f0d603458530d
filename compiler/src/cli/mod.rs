//! The command line: arguments in, files and tables out. One file per subcommand.

mod bench;
mod check;
mod compile;
mod explain;
mod graph;
mod inspect;
mod machine;
mod model;
mod npy;
mod output;
mod progress;
mod pull;
mod run;
mod specs;
mod structure;
mod surroundings;
mod table;
mod tune;
mod verify;
mod weights;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::limits;

const EXAMPLES: &str = "\
Examples:
  resnetc run cat.jpg                                   classify a picture with the bundled network
  resnetc compile cifar-resnet20 -o classify            make a program of it: ./classify cat.jpg
  resnetc compile resnet50 --weights resnet50.safetensors
  resnetc compile model.onnx --emit rust -o model-rust  a Rust package instead, complete in itself
  resnetc check model.onnx                              all that is wrong or doubtful about it, in one report
  resnetc inspect resnet50 --weights seed:0             layers, shapes, parameters, what each pass did
  resnetc graph resnet50 -o resnet50.html               draw its blocks, layers and what was fused; .svg, .dot too
  resnetc verify model.onnx --input x.npy --expect y.npy
  resnetc verify backbone.onnx --input x.npy --expect c2=c2.npy --expect logits=y.npy
  resnetc compile model.onnx --preprocess timm --crop-fraction 0.95 --labels imagenet1k
  resnetc tune resnet50                                 time its layers on this machine: resnet50.tuning.yaml
  resnetc compile resnet50 --tuning resnet50.tuning.yaml
  resnetc bench resnet50 --html resnet50.html           time it beside programs with fewer passes: what each is worth
  resnetc specs                                         the networks that ship inside
  resnetc weights model.h5                              what a file of weights holds, and which network it fits
  resnetc pull resnet50                                 fetch its published weights: from then on they are found
  resnetc explain E-ONNX-OP                             what an error means, and what to do

A model is the name of a network that ships inside (`resnetc specs`), or a file: a spec (.yaml, .yml) or
an ONNX model (.onnx). Weights are a file, or `seed:N` for reproducible random ones, which test speed and
arithmetic but recognise nothing. An ONNX model says nothing about pictures and labels: options do.

Exit status:
  0  done
  1  a model, weights, pictures or other files are wrong, a build failed, or `verify` or `bench` found a difference
  2  the arguments are wrong
  3  `check --strict` found warnings and no error

Environment:
  RESNETC_CACHE    folder for pulled weights, built programs and what they are built from (else the user's cache folder)
  RESNETC_LIMITS   how large models and weights may be, as in `onnx-nodes=2000000,spec-layers=1000000`; the README lists the names
  RESNETC_TIMEOUT  seconds that `pull` waits for a server (else 30)
  HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, SSL_CERT_FILE  how `pull` reaches servers
  RESNET_ISA       instruction set of a program at run time, and that `tune` and `bench` measure: portable, avx2, avx512 or neon";

/// Compiles residual networks into standalone programs.
///
/// A YAML spec with weights, or an ONNX model, becomes one executable with the weights inside, specialised
/// for every layer. Building a program needs cargo, and nothing else.
#[derive(Debug, Parser)]
#[command(name = "resnetc", version, after_long_help = EXAMPLES, after_help = "`--help` shows examples.")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Compile(compile::Arguments),
    Run(run::Arguments),
    Check(check::Arguments),
    Inspect(inspect::Arguments),
    Graph(graph::Arguments),
    Verify(verify::Arguments),
    Tune(tune::Arguments),
    Bench(bench::Arguments),
    Specs(specs::Arguments),
    Weights(weights::Arguments),
    Pull(pull::Arguments),
    Explain(explain::Arguments),
}

/// Why a command ended early.
#[derive(Debug)]
enum Failure {
    /// Something is wrong with the user's files, or a build failed: exit status 1.
    Input(Diagnostics),
    /// Something is wrong with the arguments: exit status 2.
    Usage(Diagnostics),
    /// It has been said already: exit status 1.
    Told,
    /// Something is doubtful, and that was asked for to count: exit status 3.
    Doubtful,
    /// Nobody reads the output any more: no failure.
    Closed,
}

impl From<Diagnostics> for Failure {
    fn from(diagnostics: Diagnostics) -> Self {
        Self::Input(diagnostics)
    }
}

impl From<Diagnostic> for Failure {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Input(diagnostic.into())
    }
}

/// Reads how long something is measured.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.1..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected a number from 0.1 to 86400".to_owned()),
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; a closed pipe is none either.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let limits = limits::check().map_err(|problem| Failure::Usage(problem.into()));
    let done = limits.and_then(|()| match arguments.command {
        Command::Compile(arguments) => compile::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Graph(arguments) => graph::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Tune(arguments) => tune::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Specs(arguments) => specs::run(&arguments),
        Command::Weights(arguments) => weights::run(&arguments),
        Command::Pull(arguments) => pull::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
    });
    match done {
        Ok(()) | Err(Failure::Closed) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::from(1),
        Err(Failure::Doubtful) => ExitCode::from(3),
        Err(Failure::Input(diagnostics)) => {
            output::tell(&diagnostics);
            output::tell_more(&diagnostics);
            ExitCode::from(1)
        }
        Err(Failure::Usage(diagnostics)) => {
            output::tell(&diagnostics);
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
