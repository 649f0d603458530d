//! Finding pictures in folders, and opening files.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::Problem;

/// The pictures that `arguments` name, in order: a file as it is, a folder as all JPEG and PNG files below it, sorted.
/// Each folder is entered once per argument, so links that lead back up end there.
pub(super) fn find(arguments: &[PathBuf]) -> Vec<Result<PathBuf, Problem>> {
    let mut found = Vec::new();
    for argument in arguments {
        if argument.is_dir() { walk(argument, &mut found) } else { found.push(Ok(argument.clone())) }
    }
    found
}

/// Opens an ordinary file and gives its length. Pipes and devices, which might never give an end, are refused unopened.
pub(super) fn open(path: &Path) -> Result<(File, u64), Problem> {
    let problem = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Problem::new(path.display(), "no such file").hint("check the spelling of the path"),
        _ => Problem::new(path.display(), format!("cannot be read: {error}")),
    };
    let kind = fs::metadata(path).map_err(problem)?;
    if !kind.is_file() {
        let found = if kind.is_dir() { "this is a folder" } else { "this is a pipe or a device" };
        return Err(Problem::new(path.display(), found).expected("an ordinary file"));
    }
    Ok((File::open(path).map_err(problem)?, kind.len()))
}

fn walk(root: &Path, found: &mut Vec<Result<PathBuf, Problem>>) {
    let before = found.len();
    let mut entered = BTreeSet::new();
    // What is still to be visited, the next at the end: this gives the order of a recursive walk.
    let mut waiting = vec![root.to_path_buf()];
    while let Some(path) = waiting.pop() {
        if !path.is_dir() {
            found.push(Ok(path));
            continue;
        }
        match entries(&path, &mut entered) {
            Ok(paths) => waiting.extend(paths.into_iter().rev()),
            Err(error) => found.push(Err(Problem::new(path.display(), format!("the folder cannot be read: {error}")))),
        }
    }
    if found.len() == before {
        let problem = Problem::new(root.display(), "the folder holds no pictures")
            .expected("files that end in .jpg, .jpeg or .png")
            .hint("name a picture itself if its file ends otherwise");
        found.push(Err(problem));
    }
}

fn entries(folder: &Path, entered: &mut BTreeSet<PathBuf>) -> std::io::Result<Vec<PathBuf>> {
    if !entered.insert(folder.canonicalize()?) {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in folder.read_dir()? {
        let path = entry?.path();
        if path.is_dir() || (is_picture(&path) && path.is_file()) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_picture(path: &Path) -> bool {
    let Some(extension) = path.extension().and_then(|extension| extension.to_str()) else { return false };
    ["jpg", "jpeg", "png"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}
