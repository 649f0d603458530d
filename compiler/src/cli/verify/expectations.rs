//! What is expected of which output.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::cli::npy::fits;
use crate::cli::npy::{self, Array};
use crate::diagnostic::Diagnostic;
use crate::plan::Output;

/// What an output should be.
pub struct Expectation<'a> {
    /// The output.
    pub output: &'a Output,
    /// Its shape is the output's.
    pub array: Array,
}

/// Reads what is expected of which output: `NAME=FILE`, or a file alone when there is one output.
pub fn expectations<'a>(outputs: &'a [Output], arguments: &[PathBuf]) -> Result<Vec<Expectation<'a>>, Failure> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for argument in arguments {
        // A name may have a `=` in it: the longest that fits is meant.
        let named = outputs
            .iter()
            .filter_map(|output| {
                let file = argument.to_str()?.strip_prefix(output.name.as_str())?.strip_prefix('=')?;
                Some((output, Path::new(file)))
            })
            .max_by_key(|(output, _)| output.name.len());
        let (output, file) = match (named, outputs) {
            (Some(named), _) => named,
            (None, [output]) => (output, argument.as_path()),
            (None, _) => {
                let names: Vec<_> = outputs.iter().map(|output| format!("`{}`", output.name)).collect();
                let message = format!("--expect {} begins with the name of no output", argument.display());
                let error = Diagnostic::error("E-ARGUMENT", message)
                    .expected(format!("NAME=Y.npy, NAME one of {}", names.join(", ")))
                    .hint("--expect can be given for any of them, once for each");
                return Err(Failure::Usage(error.into()));
            }
        };
        if !seen.insert(&output.name) {
            let message = format!("--expect says twice what `{}` should be", output.name);
            return Err(Failure::Usage(
                Diagnostic::error("E-ARGUMENT", message).expected("once for each output").into(),
            ));
        }
        let array = npy::read(file)?;
        fits(&array, &output.shape, file, &format!("output `{}`", output.name))?;
        found.push(Expectation { output, array });
    }
    Ok(found)
}
