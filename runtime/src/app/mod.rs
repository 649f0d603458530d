//! The standalone program around a compiled network: pictures in, labels out.
//!
//! Generated code calls [`main`] with its model; all that follows is the same for every network:
//!
//! ```text
//! PROGRAM IMAGE...            the most probable classes of each picture (or of all pictures in a folder)
//! PROGRAM tensor IN OUT       a raw tensor (.npy) through the network; several outputs become files of a folder
//! PROGRAM bench               latency on this machine
//! PROGRAM info                what is inside
//! ```
//!
//! Results go to standard output, or whole or not at all to the named file; problems and progress go to standard error.
//! Exit codes: 0 when all went well, 1 when a picture, the weights or a run failed, 2 when the program was called
//! wrongly or with settings that this machine cannot meet.
//!
//! `RESNET_ISA` forces an instruction set; [`Model::open`] reads it, and its errors are printed as they are.
//! `RESNET_PICTURE_PIXELS` sets how many pixels a picture may have.

#![deny(unsafe_code)]

mod batches;
mod bench;
mod cli;
mod decode;
mod draft;
mod files;
mod info;
mod names;
mod npy;
mod predict;
pub mod preprocess;
mod profile;
mod resample;
mod table;
mod tensor;
mod trace;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use crate::error::Error;
use crate::network::Output;
use crate::program::{Model, Options};
use cli::Task;

pub use decode::{Picture, decode};

/// The whole program: takes the process's arguments and streams, and gives its exit code.
pub fn main<M: Model>() -> ExitCode {
    let terminal = io::stderr().is_terminal();
    let mut out = io::BufWriter::new(io::stdout().lock());
    ExitCode::from(run::<M>(std::env::args_os(), &mut out, &mut io::stderr(), terminal))
}

/// The program with everything around it given: `arguments` (the first is the program's own name), standard output and
/// error, and whether the latter is a terminal (then progress is shown). Gives the exit code.
pub fn run<M: Model>(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
    terminal: bool,
) -> u8 {
    let result = start::<M>(arguments, out, err, terminal).and_then(|code| {
        out.flush()?;
        Ok(code)
    });
    match result {
        Ok(code) => code,
        Err(Failure::Usage(problem)) => report(err, &problem, 2),
        Err(Failure::Run(problem)) => report(err, &problem, 1),
        // Who reads the output has had enough of it, as `head` has: nothing failed.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(Failure::Output(error)) => {
            let problem = Problem::new("standard output", format!("cannot be written: {error}"));
            report(err, &problem, 1)
        }
    }
}

fn start<M: Model>(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
    terminal: bool,
) -> Result<u8, Failure> {
    let task = match cli::parse(M::NETWORK, arguments) {
        Ok(task) => task,
        Err(message) if message.is_error => {
            let _ = err.write_all(message.text.as_bytes());
            return Ok(2);
        }
        Err(message) => {
            out.write_all(message.text.as_bytes())?;
            return Ok(0);
        }
    };
    decode::most_pixels().map_err(Failure::Usage)?;
    match task {
        Task::Predict(task) => predict::run::<M>(&task, out, err, terminal),
        Task::Tensor(task) => tensor::run::<M>(&task).map(|()| 0),
        Task::Trace(task) => trace::run::<M>(&task).map(|()| 0),
        Task::Bench(task) => bench::run::<M>(&task, out).map(|()| 0),
        Task::Info(task) => info::run::<M>(&task, out).map(|()| 0),
    }
}

fn report(err: &mut dyn Write, problem: &Problem, code: u8) -> u8 {
    // There is nowhere left to say that standard error cannot be written.
    let _ = writeln!(err, "error: {problem}");
    code
}

/// Something wrong with what the user gave: where, what was found, what was expected and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file or the argument.
    pub place: String,
    /// What was found there.
    pub found: String,
    /// What was expected, or empty.
    pub expected: String,
    /// What to do about it, or empty.
    pub hint: String,
}

impl Problem {
    /// A problem at `place`, of which nothing but the finding is known.
    pub fn new(place: impl fmt::Display, found: impl Into<String>) -> Self {
        Self { place: place.to_string(), found: found.into(), expected: String::new(), hint: String::new() }
    }

    /// With what was expected.
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    /// With what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.found)?;
        if !self.expected.is_empty() {
            write!(formatter, "\n  expected: {}", self.expected)?;
        }
        if !self.hint.is_empty() {
            write!(formatter, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// Why the program ends early.
#[derive(Debug)]
enum Failure {
    /// It was called wrongly, or with settings that this machine cannot meet: exit code 2.
    Usage(Problem),
    /// Its work failed: exit code 1.
    Run(Problem),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn open<M: Model>(threads: Option<usize>) -> Result<M, Failure> {
    M::open(Options { threads }).map_err(failed::<M>)
}

/// Sorts the runtime's errors: what the user asked of this machine is a wrong call, all else a failed run.
fn failed<M: Model>(error: Error) -> Failure {
    let problem = Problem::new(M::NETWORK.name, error.to_string());
    match error {
        Error::UnknownIsa { .. } | Error::UnsupportedIsa { .. } | Error::Threads { .. } | Error::Spawn { .. } => {
            Failure::Usage(problem)
        }
        Error::InputLength { .. }
        | Error::InputCount { .. }
        | Error::WeightsUnreadable { .. }
        | Error::WeightsForeign { .. }
        | Error::WeightsLength { .. }
        | Error::WeightsFingerprint { .. }
        | Error::WeightsChecksum { .. }
        | Error::WeightsMisaligned
        | Error::Step { .. } => Failure::Run(problem),
    }
}

/// Names and shapes of outputs, as messages show them.
fn list(outputs: &[Output]) -> String {
    outputs.iter().map(|output| format!("\"{}\" {:?}", output.name, output.shape)).collect::<Vec<_>>().join(", ")
}

fn product(shape: &[usize]) -> usize {
    shape.iter().product()
}
