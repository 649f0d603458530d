//! Cargo builds the program.

use std::collections::VecDeque;
use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use super::{Cache, Package, Probes, sources, trouble};
use crate::diagnostic::{Diagnostic, Place};

/// Lines of cargo's output that an error shows.
const SHOWN: usize = 40;

/// A finished program.
#[derive(Debug, Clone)]
pub struct Program {
    /// Where it is in the cache.
    pub path: PathBuf,
    /// Whether it was there already.
    pub cached: bool,
}

/// Builds the program of a package, or finds it in the cache. `line` gets a word on what is going on.
///
/// # Errors
/// When there is no cargo, when it fails (with the end of what it printed), or when the cache cannot be written.
pub fn build(package: &Package, cache: &Cache, line: &mut dyn FnMut(&str)) -> Result<Program, Diagnostic> {
    let hash = package.hash();
    if let Some(path) = cache.program(&hash) {
        return Ok(Program { path, cached: true });
    }
    let _lock = cache.lock(&mut || line("Waiting for another resnetc that is building"))?;
    // It may have built this very program.
    if let Some(path) = cache.program(&hash) {
        return Ok(Program { path, cached: true });
    }
    let folder = cache.lay_out("package", &sources::files(package, sources::Layout::Shared))?;
    line("Building the program");
    let built = cargo(&folder, &cache.target(), line)?;
    let built =
        built.last().ok_or_else(|| Diagnostic::error("E-BUILD", "cargo made no program").at(Place::file(&folder)))?;
    let path = cache.keep(&hash, built)?;
    Ok(Program { path, cached: false })
}

/// Builds the programs that time layers, and copies them into a folder. Their paths are in the order of the layers.
///
/// # Errors
/// As [`build`].
pub fn build_probes(
    probes: &Probes,
    cache: &Cache,
    into: &Path,
    line: &mut dyn FnMut(&str),
) -> Result<Vec<PathBuf>, Diagnostic> {
    // Under the lock until they are copied: another process would build its own in the same place.
    let _lock = cache.lock(&mut || line("Waiting for another resnetc that is building"))?;
    let folder = cache.lay_out("probes", &probes.files())?;
    line("Building the programs that time the layers");
    let built = cargo(&folder, &cache.target(), line)?;
    (0..probes.layers.len())
        .map(|index| {
            let name = format!("{}{}", Probes::name(index), std::env::consts::EXE_SUFFIX);
            let path = built.iter().find(|path| path.file_name() == Some(name.as_ref())).ok_or_else(|| {
                Diagnostic::error("E-BUILD", format!("cargo made no program `{name}`")).at(Place::file(&folder))
            })?;
            let copy = into.join(&name);
            std::fs::copy(path, &copy).map_err(|error| trouble("copy", path, &error))?;
            Ok(copy)
        })
        .collect()
}

/// Runs cargo over a package. Returns the paths of its programs.
fn cargo(folder: &Path, target: &Path, line: &mut dyn FnMut(&str)) -> Result<Vec<PathBuf>, Diagnostic> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut child = Command::new(&cargo)
        .args(["build", "--release", "--locked", "--message-format=json-render-diagnostics", "--color=never"])
        .arg("--target-dir")
        .arg(target)
        .current_dir(folder)
        // A cargo that runs this tool must not colour what it builds.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| missing(&cargo, &error))?;
    let messages = child.stdout.take().map(|stdout| thread::spawn(move || executables(stdout)));
    let mut tail: VecDeque<String> = VecDeque::new();
    for text in child.stderr.take().into_iter().flat_map(lines) {
        line(text.trim());
        tail.push_back(text);
        if tail.len() > SHOWN {
            tail.pop_front();
        }
    }
    let status = child.wait().map_err(|error| missing(&cargo, &error))?;
    let programs = messages.and_then(|reader| reader.join().ok());
    match programs {
        Some(programs) if status.success() => Ok(programs),
        _ => {
            let output: String = tail.iter().map(|text| format!("\n    {text}")).collect();
            Err(Diagnostic::error("E-BUILD", format!("cargo failed ({status}); the end of what it printed:{output}"))
                .at(Place::file(folder))
                .hint("the first build needs the network for the programs' dependencies, and a Rust of 1.89 or later"))
        }
    }
}

fn missing(cargo: &OsString, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error("E-CARGO", format!("cannot run `{}`: {error}", cargo.to_string_lossy()))
        .expected("cargo, which builds the program")
        .hint("install Rust from https://rustup.rs, or use `--emit rust` and build the package elsewhere")
}

/// The lines of a stream; what is no UTF-8 is replaced.
fn lines(stream: impl Read) -> impl Iterator<Item = String> {
    BufReader::new(stream).split(b'\n').map_while(Result::ok).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The paths of programs among cargo's messages.
fn executables(stdout: impl Read) -> Vec<PathBuf> {
    lines(stdout)
        .filter_map(|message| serde_json::from_str::<serde_json::Value>(&message).ok())
        .filter_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .collect()
}
