//! `resnetc compile`

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::model::{self, ModelOptions};
use super::progress::Progress;
use super::{Failure, output};
use crate::diagnostic::{Diagnostic, Place};
use crate::frontend::Network;
use crate::package::{self, Cache, Layout, Package};
use crate::pipeline::Compiled;

/// Make a standalone program (or the Rust package of it) from a model
///
/// The program is one file with the weights inside. It classifies pictures (`PROGRAM IMAGE...`), runs a raw
/// tensor (`PROGRAM tensor IN.npy OUT.npy`), measures itself (`PROGRAM bench`) and tells what it is
/// (`PROGRAM info`). It appears whole or not at all.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A network that ships inside (see `resnetc specs`), or a .yaml, .yml or .onnx file
    model: String,

    #[command(flatten)]
    options: ModelOptions,

    /// Where to write [default: the network's name in the current folder]
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,

    /// What to write
    #[arg(long, value_enum, default_value_t = Emit::Binary)]
    emit: Emit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Emit {
    /// A program
    Binary,
    /// A folder with the Rust package of the program, the runtime's sources inside
    Rust,
    /// The packed weights alone, for programs that are given them at run time
    Weights,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut progress = Progress::new();
    let options = arguments.options.options(&arguments.model)?;
    let compiled = model::compile(&options, &mut progress)?;
    let path = arguments.output.clone().unwrap_or_else(|| default_output(&compiled, arguments.emit));
    guard(&path, &compiled.network)?;
    match arguments.emit {
        Emit::Binary => {
            if path.is_dir() {
                let error = Diagnostic::error("E-OUTPUT", "this is a folder")
                    .at(Place::file(&path))
                    .hint("name a file for the program with `-o`");
                return Err(error.into());
            }
            let program = model::build(&Package::new(&compiled), &Cache::open()?, &mut progress)?;
            let content = std::fs::read(&program.path).map_err(|error| {
                Diagnostic::error("E-FILE", format!("cannot read the program: {error}")).at(Place::file(&program.path))
            })?;
            package::write_file(&path, &content, true)?;
        }
        Emit::Rust => package::write_folder(&path, &package::files(&Package::new(&compiled), Layout::Standalone))?,
        Emit::Weights => package::write_file(&path, &compiled.plan.blob(), false)?,
    }
    output::note(&format!("wrote {}", path.display()));
    Ok(())
}

fn default_output(compiled: &Compiled, emit: Emit) -> PathBuf {
    let name = package::file_name(&compiled.network.name);
    PathBuf::from(match emit {
        Emit::Binary => format!("{name}{}", std::env::consts::EXE_SUFFIX),
        Emit::Rust => format!("{name}-rust"),
        Emit::Weights => format!("{name}.weights"),
    })
}

/// Refuses to write over what the model was read from.
pub(super) fn guard(path: &Path, network: &Network) -> Result<(), Failure> {
    guard_option(path, network, "-o")
}

/// The same for a path that another option named.
pub(super) fn guard_option(path: &Path, network: &Network, option: &str) -> Result<(), Failure> {
    if network.files.iter().any(|file| package::same_file(file, path)) {
        let error = Diagnostic::error("E-OUTPUT", "this is a file that the model was read from")
            .at(Place::file(path))
            .hint(format!("name another file with `{option}`"));
        return Err(error.into());
    }
    Ok(())
}
