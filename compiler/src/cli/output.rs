//! Text to the user, without a panic when nobody reads it.

use std::io::{self, Write};

use super::Failure;
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::drawing::escape::lines;

/// Prints to standard output.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Failure::Closed),
        Err(error) => Err(Diagnostic::error("E-FILE", format!("cannot write to standard output: {error}")).into()),
    }
}

/// Prints a value as JSON.
pub fn json(value: &serde_json::Value) -> Result<(), Failure> {
    print(&format!("{value:#}\n"))
}

/// Prints problems to standard error.
pub fn tell(diagnostics: &Diagnostics) {
    if !diagnostics.0.is_empty() {
        // Messages quote names and values of a user's file.
        note(&lines(&diagnostics.to_string()));
    }
}

/// Says where errors are explained, on a line behind them.
pub fn tell_more(diagnostics: &Diagnostics) {
    if let Some(error) = diagnostics.0.iter().find(|problem| problem.severity == Severity::Error) {
        note(&format!("`resnetc explain {}` tells more", error.code));
    }
}

/// Prints a line to standard error. When that is closed, there is nobody to tell.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
