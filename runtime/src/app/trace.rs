//! `PROGRAM trace IN.npy DIR`: what every step of the program writes, for who looks for the step that goes wrong.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use super::batches::Batches;
use super::draft::Draft;
use super::{Failure, Problem, cli, failed, npy, open};
use crate::program::Model;

/// Runs the file's first batch and writes each step's result to `DIR/<step>.npy`, `[N, C, H, W]`, and last of all
/// `DIR/steps.json`, an array of `{"index", "name", "shape"}`.
pub(super) fn run<M: Model>(task: &cli::Trace) -> Result<(), Failure> {
    let network = M::NETWORK;
    let mut batches = Batches::open(network, &task.input).map_err(Failure::Run)?;
    let mut model = open::<M>(Some(1))?;
    let unwritable = |path: &Path, error: io::Error| {
        Failure::Run(Problem::new(path.display(), format!("cannot be written: {error}")))
    };
    fs::create_dir_all(&task.folder).map_err(|error| unwritable(&task.folder, error))?;
    let Some((_, input)) = batches.next().map_err(Failure::Run)? else { return Ok(()) };

    let mut steps: Vec<Value> = Vec::new();
    let mut result: Result<(), Failure> = Ok(());
    let mut save = |index: usize, name: &str, shape: &[usize], values: &[f32]| {
        let path = task.folder.join(format!("{index}.npy"));
        let mut draft = Draft::create(&path).map_err(|error| unwritable(&path, error))?;
        draft
            .write(&npy::header(shape))
            .and_then(|()| draft.write(&npy::bytes(values)))
            .and_then(|()| draft.finish())
            .map_err(|error| unwritable(&path, error))?;
        steps.push(json!({ "index": index, "name": name, "shape": shape }));
        Ok(())
    };
    model
        .trace(input, &mut |traced| {
            if result.is_ok() {
                result = save(traced.step, traced.name, &traced.shape, traced.values);
            }
        })
        .map_err(failed::<M>)?;
    result?;
    let path = task.folder.join("steps.json");
    let mut draft = Draft::create(&path).map_err(|error| unwritable(&path, error))?;
    draft
        .write(format!("{:#}\n", Value::Array(steps)).as_bytes())
        .and_then(|()| draft.finish())
        .map_err(|error| unwritable(&path, error))
}
