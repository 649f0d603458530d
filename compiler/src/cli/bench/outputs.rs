//! What programs make of one input.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::cli::npy::{self, Array};
use crate::diagnostic::Diagnostic;
use crate::frontend::weights::seeded;
use crate::ir::interpreter::Distance;
use crate::package;
use crate::plan::Plan;

/// The input of all programs of a batch, and what the first of them made of it.
#[derive(Debug)]
pub struct Outputs {
    folder: tempfile::TempDir,
    input: PathBuf,
    names: Vec<String>,
    expected: Option<Vec<Array>>,
}

impl Outputs {
    /// Inputs of a plan's shapes: numbers between -1 and 1 that follow from their names.
    pub fn new(plan: &Plan) -> Result<Self, Diagnostic> {
        let folder = tempfile::tempdir()
            .map_err(|error| Diagnostic::error("E-FILE", format!("cannot make a temporary folder: {error}")))?;
        let input = folder.path().join("input");
        if plan.inputs.len() > 1 {
            std::fs::create_dir(&input)
                .map_err(|error| Diagnostic::error("E-FILE", format!("cannot make a temporary folder: {error}")))?;
        }
        for (path, given) in npy::paths(&plan.inputs, &input).iter().zip(&plan.inputs) {
            let shape = given.shape.clone();
            let values = seeded::values(&given.name, (-1.0, 1.0), shape.iter().product(), 0);
            npy::write(path, &Array { shape, values })?;
        }
        let names = plan.outputs.iter().map(|output| output.name.clone()).collect();
        Ok(Self { folder, input, names, expected: None })
    }

    /// How far a program's outputs are from those of the first that was asked about, as a part of the largest value of each.
    pub fn departure(&mut self, program: &Path) -> Result<f64, Diagnostic> {
        let mut found = Vec::new();
        for (index, name) in self.names.iter().enumerate() {
            let out = self.folder.path().join(format!("{index}.npy"));
            let mut chosen = OsString::from("--output=");
            chosen.push(name);
            package::call(program, ["tensor".into(), chosen, self.input.clone().into(), out.clone().into()])?;
            found.push(npy::read(&out)?);
        }
        let expected = self.expected.get_or_insert_with(|| found.clone());
        let distances = found
            .iter()
            .zip(expected)
            .map(|(found, expected)| Distance::between(found.wide(), expected.wide()).relative());
        Ok(distances.fold(0.0, f64::max))
    }
}
