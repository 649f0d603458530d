//! What can go wrong when a compiled network is opened or run.

use std::fmt;

/// Why a network could not be opened or run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// What was found, what was expected, and what to do, in one sentence or more.
    Message(String),
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(text) => formatter.write_str(text),
        }
    }
}

impl std::error::Error for Error {}
