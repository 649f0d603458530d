//! `resnetc run`

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use sha2::{Digest, Sha256};

use super::Failure;
use super::model::{self, ModelOptions};
use super::progress::Progress;
use crate::diagnostic::Diagnostic;
use crate::package::{Cache, Package, hexadecimal};
use crate::pipeline::Options;

/// The network that is run when none is named.
const DEFAULT: &str = "cifar-resnet20";

/// Compile a model, unless that was done before, and classify pictures with it
///
/// The first argument is the model when it ends in .yaml, .yml or .onnx or is the name of a network that
/// ships inside; else it is a picture, and the bundled `cifar-resnet20` is run. (A folder of pictures with
/// the name of such a network is `./NAME`.) What stands behind `--` goes to the program as it is:
/// `resnetc run resnet50 --weights seed:0 -- bench --seconds 5`.
#[derive(Debug, Args)]
#[command(override_usage = "resnetc run [OPTIONS] [MODEL] IMAGE... [-- ARGUMENTS...]")]
pub struct Arguments {
    /// The model, if not the bundled one, then pictures or folders of pictures
    #[arg(value_name = "MODEL|IMAGE")]
    arguments: Vec<OsString>,

    #[command(flatten)]
    options: ModelOptions,

    /// Classes to show for each picture
    #[arg(long, value_name = "N")]
    top: Option<u32>,

    /// Threads of the program [default: all]
    #[arg(long, value_name = "N")]
    threads: Option<u32>,

    /// Print JSON
    #[arg(long)]
    json: bool,

    /// Goes to the program as it is
    #[arg(last = true, value_name = "ARGUMENTS")]
    rest: Vec<OsString>,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (model, pictures) = match arguments.arguments.split_first() {
        Some((first, rest)) if first.to_str().is_some_and(model::is_model) => (first.to_string_lossy(), rest),
        _ => (DEFAULT.into(), arguments.arguments.as_slice()),
    };
    if pictures.is_empty() && arguments.rest.is_empty() {
        let error = Diagnostic::error("E-ARGUMENT", "no picture to classify")
            .expected("pictures or folders of pictures, or arguments for the program behind `--`")
            .hint("for example: resnetc run cat.jpg");
        return Err(Failure::Usage(error.into()));
    }
    let options = arguments.options.options(&model)?;
    let program = program(&options)?;
    let mut command = Command::new(&program);
    for (flag, value) in [("--top", arguments.top), ("--threads", arguments.threads)] {
        if let Some(value) = value {
            command.arg(flag).arg(value.to_string());
        }
    }
    if arguments.json {
        command.arg("--json");
    }
    command.args(pictures).args(&arguments.rest);
    become_program(command, &program)
}

/// The program of a model: from the cache when nothing it was made from has changed.
fn program(options: &Options) -> Result<PathBuf, Failure> {
    let cache = Cache::open()?;
    let key = hexadecimal(&Sha256::digest(format!("{options:?} {:?}", std::env::current_dir().ok())));
    if let Some(program) = cache.noted(&key).and_then(|note| remembered(&note, &cache)) {
        return Ok(program);
    }
    let mut progress = Progress::new();
    let compiled = model::compile(options, &mut progress)?;
    let package = Package::new(&compiled);
    let program = model::build(&package, &cache, &mut progress)?;
    let files: Option<Vec<_>> = compiled
        .network
        .files
        .iter()
        .map(|file| Some(serde_json::json!({ "path": file.to_str()?, "sha256": sum(file)? })))
        .collect();
    if let Some(files) = files {
        cache.note(&key, &serde_json::json!({ "program": package.hash(), "files": files }).to_string())?;
    }
    Ok(program.path)
}

/// The program that a note speaks of, when every file still has the content it had.
fn remembered(note: &str, cache: &Cache) -> Option<PathBuf> {
    let note: serde_json::Value = serde_json::from_str(note).ok()?;
    let unchanged = note.get("files")?.as_array()?.iter().all(|file| {
        let text = |key| file.get(key).and_then(serde_json::Value::as_str);
        text("path").and_then(|path| sum(Path::new(path))).as_deref() == text("sha256")
    });
    if unchanged { cache.program(note.get("program")?.as_str()?) } else { None }
}

/// SHA-256 of a file's content; `None` when it cannot be read.
fn sum(path: &Path) -> Option<String> {
    let mut file = std::fs::File::open(path).ok()?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).ok()? {
            0 => return Some(hexadecimal(&hash.finalize())),
            length => hash.update(buffer.get(..length)?),
        }
    }
}

/// Lets the program take the place of this process: signals and the exit status are its own.
#[cfg(unix)]
fn become_program(mut command: Command, program: &Path) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;

    Err(cannot_run(program, &command.exec()))
}

#[cfg(not(unix))]
fn become_program(mut command: Command, program: &Path) -> Result<(), Failure> {
    let status = command.status().map_err(|error| cannot_run(program, &error))?;
    std::process::exit(status.code().unwrap_or(1))
}

fn cannot_run(program: &Path, error: &std::io::Error) -> Failure {
    Diagnostic::error("E-RUN", format!("cannot run the program: {error}"))
        .at(crate::diagnostic::Place::file(program))
        .into()
}
