//! What can go wrong when a compiled network is made ready or run.

use std::fmt;

use crate::isa::Kind;

/// What went wrong. Every message says what was found, what was expected and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The input has another length than the network's.
    InputLength {
        /// f32 values given.
        found: usize,
        /// f32 values of the network's input.
        expected: usize,
    },
    /// The caller gave more or fewer inputs than the network has.
    InputCount {
        /// Inputs given.
        found: usize,
        /// Inputs of the network.
        expected: usize,
    },
    /// `RESNET_ISA` names no instruction set.
    UnknownIsa {
        /// What it says.
        found: String,
    },
    /// An instruction set was asked for that this machine, or this program, does not have.
    UnsupportedIsa {
        /// The one asked for.
        found: Kind,
    },
    /// A number of threads outside 1 to [`crate::engine::MAX_THREADS`].
    Threads {
        /// The number asked for.
        found: usize,
    },
    /// The system started no thread.
    Spawn {
        /// The system's reason.
        reason: String,
    },
    /// A file of weights could not be read.
    WeightsUnreadable {
        /// The file.
        path: String,
        /// The system's reason.
        reason: String,
    },
    /// The weights do not begin with the magic bytes of packed weights.
    WeightsForeign {
        /// The first bytes, printable ones as they are.
        found: String,
    },
    /// The weights end too early or too late.
    WeightsLength {
        /// Bytes found, header included.
        found: u64,
        /// Bytes expected, header included.
        expected: u64,
    },
    /// The weights belong to another program.
    WeightsFingerprint {
        /// The fingerprint in the weights.
        found: u64,
        /// The program's.
        expected: u64,
    },
    /// The weights were damaged.
    WeightsChecksum {
        /// What the weights sum up to.
        found: u64,
        /// What their header says.
        expected: u64,
    },
    /// Embedded weights do not start on a 64-byte line.
    WeightsMisaligned,
    /// A step of the program does not fit the program's memory: a defect of the compiler, or code changed by hand.
    Step {
        /// The step's name.
        step: &'static str,
        /// What does not fit.
        problem: Problem,
    },
}

/// What does not fit about a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    /// It was made for another instruction set.
    Isa {
        /// The one it was made for.
        found: Kind,
        /// The one in use.
        expected: Kind,
    },
    /// A range ends behind the memory it lies in.
    Range {
        /// Which.
        place: Place,
        /// Where it begins.
        start: usize,
        /// Its length.
        length: usize,
        /// The length of the memory.
        available: usize,
    },
    /// A range does not start on a 64-byte line.
    Alignment {
        /// Which.
        place: Place,
        /// Where it begins.
        start: usize,
    },
    /// The result would overwrite what is still to be read.
    Overlap {
        /// What would be overwritten.
        place: Place,
    },
    /// It writes an output that the network does not have.
    Output {
        /// Its index.
        found: usize,
        /// The number of outputs.
        available: usize,
    },
    /// It reads an input that the network does not have.
    Input {
        /// Its index.
        found: usize,
        /// The number of inputs.
        available: usize,
    },
    /// It reads or writes a caller's buffer of another length than the network's.
    Caller {
        /// Which.
        place: Place,
        /// The length it was made for.
        found: usize,
        /// The network's.
        expected: usize,
    },
}

/// A range that a step reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// What it reads.
    Input,
    /// What else it reads.
    Other,
    /// What it writes.
    Output,
    /// Its weights.
    Weights,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InputLength { found, expected } => {
                write!(
                    f,
                    "the input has {found} values, but the network takes {expected}: give one whole batch without gaps"
                )
            }
            Self::InputCount { found, expected } => {
                write!(f, "there are {found} inputs, but the network takes {expected}")
            }
            Self::UnknownIsa { found } => {
                write!(f, "{} is \"{found}\", expected one of", crate::isa::VARIABLE)?;
                list(f, Kind::ALL.into_iter())?;
                write!(f, ": unset it to use the fastest that the machine has")
            }
            Self::UnsupportedIsa { found } => {
                let why = if found.compiled_in() { "this processor lacks" } else { "this program was not built for" };
                write!(f, "the instruction set \"{found}\" was asked for, which {why}; it runs")?;
                list(f, Kind::all_available())?;
                write!(f, ": set {} to one of these, or unset it", crate::isa::VARIABLE)
            }
            Self::Threads { found } => {
                let most = crate::engine::MAX_THREADS;
                write!(
                    f,
                    "{found} threads were asked for, expected 1 to {most}: leave the number out to use every core"
                )
            }
            Self::Spawn { reason } => {
                write!(f, "the system started no further thread ({reason}): ask for fewer threads")
            }
            Self::WeightsUnreadable { path, reason } => write!(f, "{path}: cannot be read: {reason}"),
            Self::WeightsForeign { found } => write!(
                f,
                "the weights begin with \"{found}\", expected \"RESNETW1\": give the packed weights that the compiler wrote for this program"
            ),
            Self::WeightsLength { found, expected } => write!(
                f,
                "the weights have {found} bytes, expected {expected}: the file is cut off or belongs to another program"
            ),
            Self::WeightsFingerprint { found, expected } => write!(
                f,
                "the weights have the fingerprint {found:016x}, expected {expected:016x}: they belong to another program; compile both together"
            ),
            Self::WeightsChecksum { found, expected } => write!(
                f,
                "the weights have the checksum {found:016x}, expected {expected:016x}: they are damaged; write or copy them again"
            ),
            Self::WeightsMisaligned => f.write_str(
                "the embedded weights do not start on a 64-byte line: wrap them in `resnet::engine::Aligned`",
            ),
            Self::Step { step, problem } => {
                write!(f, "step \"{step}\": {problem}: the program was changed by hand, or its compiler has a defect")
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Isa { found, expected } => write!(f, "it was made for {found}, but {expected} is in use"),
            Self::Range { place, start, length, available } => {
                write!(f, "its {place} takes {length} values from {start} on, but there are {available}")
            }
            Self::Alignment { place, start } => {
                write!(f, "its {place} begins at value {start}, expected a multiple of 16")
            }
            Self::Input { found, available } => {
                write!(f, "it reads the input of index {found}, but the network has {available}")
            }
            Self::Output { found, available } => {
                write!(f, "it writes the output of index {found}, but the network has {available}")
            }
            Self::Overlap { place } => write!(f, "its result overlaps its {place}"),
            Self::Caller { place, found, expected } => {
                write!(f, "the caller's {place} has {expected} values, but it was made for {found}")
            }
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Input => "input",
            Self::Other => "second input",
            Self::Output => "output",
            Self::Weights => "weights",
        })
    }
}

fn list(f: &mut fmt::Formatter<'_>, kinds: impl Iterator<Item = Kind>) -> fmt::Result {
    for (index, kind) in kinds.enumerate() {
        write!(f, "{} {kind}", if index == 0 { "" } else { "," })?;
    }
    Ok(())
}

impl std::error::Error for Error {}
