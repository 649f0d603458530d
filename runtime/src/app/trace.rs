//! `PROGRAM trace IN.npy DIR`: what every step of the program writes, for who looks for the step that goes wrong.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

use super::batches::Batches;
use super::draft::Draft;
use super::{Failure, Problem, cli, failed, npy, open};
use crate::engine::Traced;
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
    let mut save = |Traced { step: index, name, image, mut shape, values }: Traced<'_>| {
        let path = task.folder.join(format!("{index}.npy"));
        if image > 0 {
            return fs::OpenOptions::new()
                .append(true)
                .open(&path)
                .and_then(|mut file| file.write_all(&npy::bytes(values)))
                .map_err(|error| unwritable(&path, error));
        }
        if network.takes_maps() {
            shape[0] = network.images();
        }
        let mut draft = Draft::create(&path).map_err(|error| unwritable(&path, error))?;
        draft
            .write(&npy::header(&shape))
            .and_then(|()| draft.write(&npy::bytes(values)))
            .and_then(|()| draft.finish())
            .map_err(|error| unwritable(&path, error))?;
        steps.push(json!({ "index": index, "name": name, "shape": shape }));
        Ok(())
    };
    model
        .trace(input, &mut |traced| {
            if result.is_ok() {
                result = save(traced);
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
