//! `PROGRAM tensor IN.npy OUT`: raw numbers through the network.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::batches::Batches;
use super::draft::Draft;
use super::{Failure, Problem, cli, failed, list, names, npy, open};
use crate::network::Network;
use crate::program::Model;

/// An output and its file in the making.
struct File {
    index: usize,
    path: PathBuf,
    draft: Draft,
    /// Values per image; of an output that has no axis of images, all of them.
    length: usize,
    /// Whether it has an axis of images.
    each: bool,
}

pub(super) fn run<M: Model>(task: &cli::Tensor) -> Result<(), Failure> {
    let network = M::NETWORK;
    let targets = targets(network, task)?;
    let mut batches = Batches::open(network, &task.input).map_err(Failure::Run)?;
    let mut model = open::<M>(task.threads)?;
    // Files go before the folder that was made for them.
    let _folder = if is_folder(network, task) { Folder::create(&task.out)? } else { Folder(None) };
    let mut files = Vec::new();
    for (index, path) in targets {
        files.push(begin(network, index, path, batches.images)?);
    }
    while let Some((images, input)) = batches.next().map_err(Failure::Run)? {
        let outputs = model.run(input).map_err(failed::<M>)?;
        for file in &mut files {
            let values = outputs.get(file.index).unwrap_or_default();
            let written =
                file.draft.write(&npy::bytes(&values[..if file.each { images * file.length } else { file.length }]));
            written.map_err(|error| unwritable(&file.path, &error))?;
        }
    }
    // What can fail on the way comes before the first file has its name.
    for file in &mut files {
        file.draft.flush().map_err(|error| unwritable(&file.path, &error))?;
    }
    for File { path, draft, .. } in files {
        draft.finish().map_err(|error| unwritable(&path, &error))?;
    }
    Ok(())
}

/// Whether a folder is written: of several outputs, when none was chosen.
fn is_folder(network: &Network, task: &cli::Tensor) -> bool {
    task.output.is_none() && network.outputs.len() != 1
}

/// The outputs to write, by index, and their files.
fn targets(network: &Network, task: &cli::Tensor) -> Result<Vec<(usize, PathBuf)>, Failure> {
    if is_folder(network, task) {
        let files = names::files(network.outputs.iter().map(|output| output.name), "output");
        return Ok(files.iter().map(|name| task.out.join(name)).enumerate().collect());
    }
    let Some(name) = &task.output else { return Ok(vec![(0, task.out.clone())]) };
    match network.outputs.iter().position(|output| output.name == name) {
        Some(index) => Ok(vec![(index, task.out.clone())]),
        None => Err(Failure::Usage(
            Problem::new("--output", format!("the network has no output \"{name}\""))
                .expected(format!("one of {}", list(network.outputs))),
        )),
    }
}

fn begin(network: &Network, index: usize, path: PathBuf, images: usize) -> Result<File, Failure> {
    let mut shape = network.outputs[index].shape.to_vec();
    let all = shape.iter().product::<usize>();
    let each = network.takes_maps() && shape.first() == Some(&network.images());
    if network.takes_maps() && !each && images != network.images() {
        let name = network.outputs[index].name;
        let message = format!("the output \"{name}\" of shape {shape:?} is of {} images together", network.images());
        return Err(Failure::Run(
            Problem::new(path.display(), message)
                .expected(format!("an input of {} images", network.images()))
                .hint("one call computes it from all images of its batch"),
        ));
    }
    let length = match shape.first_mut() {
        Some(first) if each => {
            *first = images;
            all / network.images()
        }
        _ => all,
    };
    let begun = Draft::create(&path).and_then(|mut draft| draft.write(&npy::header(&shape)).map(|()| draft));
    match begun {
        Ok(draft) => Ok(File { index, path, draft, length, each }),
        Err(error) => Err(unwritable(&path, &error)),
    }
}

/// A folder that this run made, which goes when nothing came into it.
struct Folder(Option<PathBuf>);

impl Folder {
    /// Makes the folder, unless it is there.
    fn create(path: &Path) -> Result<Self, Failure> {
        match fs::create_dir(path) {
            Ok(()) => Ok(Self(Some(path.to_path_buf()))),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(Self(None)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::Run(
                Problem::new(path.display(), "there is something that is no folder")
                    .expected(
                        "a folder, or nothing: the network has several outputs, each of which becomes a file in it",
                    )
                    .hint("write one output to a file: --output NAME"),
            )),
            Err(error) => Err(unwritable(path, &error)),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Only an empty folder can be removed.
            let _ = fs::remove_dir(path);
        }
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::Run(Problem::new(path.display(), format!("cannot be written: {error}")))
}
