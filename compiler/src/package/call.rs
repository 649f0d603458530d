//! A finished program is run.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::diagnostic::{Diagnostic, Place};

/// Runs a program to its end. What it printed to standard output.
///
/// # Errors
/// `E-RUN` when it cannot be run, or fails, with what it says about that.
pub fn call(program: &Path, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<Vec<u8>, Diagnostic> {
    let done = Command::new(program).args(arguments).stdin(Stdio::null()).output().map_err(|error| {
        Diagnostic::error("E-RUN", format!("cannot run the program: {error}")).at(Place::file(program))
    })?;
    if done.status.success() {
        return Ok(done.stdout);
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(Diagnostic::error("E-RUN", format!("the program failed ({}): {}", done.status, said.trim())))
}
