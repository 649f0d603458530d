//! Outputs that appear whole or not at all: written beside their place, then renamed into it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::trouble;
use crate::diagnostic::{Diagnostic, Place};

/// A file that says that a folder was written here and may be written again.
const MARKER: &str = ".resnetc-package";

/// Writes a file, in the place of a file that may be there.
///
/// # Errors
/// When `path` is a folder, or cannot be written.
pub fn write_file(path: &Path, content: &[u8], executable: bool) -> Result<(), Diagnostic> {
    let mut file = draft(path)?;
    file.write_all(content).map_err(|error| trouble("write", path, &error))?;
    permit(file.path(), executable).map_err(|error| trouble("set the permissions of", path, &error))?;
    file.persist(path).map(|_| ()).map_err(|error| trouble("write", path, &error.error))
}

/// Whether [`write_file`] would go well, for those who have long work before it.
///
/// # Errors
/// As [`write_file`].
pub fn writable(path: &Path) -> Result<(), Diagnostic> {
    draft(path).map(|_| ())
}

/// An empty file beside the place of a file.
fn draft(path: &Path) -> Result<tempfile::NamedTempFile, Diagnostic> {
    if path.is_dir() {
        return Err(Diagnostic::error("E-OUTPUT", "this is a folder")
            .at(Place::file(path))
            .expected("the name of a file")
            .hint("name a file inside of it"));
    }
    tempfile::Builder::new()
        .prefix(".resnetc-")
        .tempfile_in(parent(path))
        .map_err(|error| trouble("write beside this file", path, &error))
}

/// Writes a folder with `files` (path inside of it, content), in the place of one that was written so before.
///
/// # Errors
/// When `path` holds something else, or cannot be written.
pub fn write_folder(path: &Path, files: &[(String, Vec<u8>)]) -> Result<(), Diagnostic> {
    let replaces = match fs::symlink_metadata(path) {
        Err(_) => false,
        Ok(_) if path.join(MARKER).is_file() || is_empty(path) => true,
        Ok(_) => {
            return Err(Diagnostic::error("E-OUTPUT", "this exists, and was not written by resnetc")
                .at(Place::file(path))
                .expected("a new folder, an empty one, or one that `--emit rust` wrote")
                .hint("name another with `-o`, or remove it first"));
        }
    };
    let parent = parent(path);
    let scratch = tempfile::Builder::new()
        .prefix(".resnetc-")
        .tempdir_in(parent)
        .map_err(|error| trouble("write beside this folder", path, &error))?;
    let new = scratch.path().join("new");
    write_files(&new, files)?;
    write_all(&new.join(MARKER), b"This folder was written by resnetc, which may replace it.\n")?;
    let old = scratch.path().join("old");
    if replaces {
        fs::rename(path, &old).map_err(|error| trouble("replace", path, &error))?;
    }
    fs::rename(&new, path).map_err(|error| {
        if replaces {
            // Nothing more can be done if this fails too; the first error is the one to tell.
            let _ = fs::rename(&old, path);
        }
        trouble("write", path, &error)
    })
}

/// Writes `files` into `folder`, which is made.
pub(super) fn write_files(folder: &Path, files: &[(String, Vec<u8>)]) -> Result<(), Diagnostic> {
    for (name, content) in files {
        let path = folder.join(name);
        let folder = parent(&path);
        fs::create_dir_all(folder).map_err(|error| trouble("make the folder", folder, &error))?;
        write_all(&path, content)?;
    }
    Ok(())
}

fn write_all(path: &Path, content: &[u8]) -> Result<(), Diagnostic> {
    fs::write(path, content).map_err(|error| trouble("write", path, &error))
}

fn is_empty(path: &Path) -> bool {
    fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// The folder that a path stands in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// Gives a new file the permissions that any new file of the user gets.
#[cfg(unix)]
fn permit(path: &Path, executable: bool) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mode = if executable { 0o755 } else { 0o644 };
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn permit(_path: &Path, _executable: bool) -> std::io::Result<()> {
    Ok(())
}

/// Whether two paths name the same existing file.
pub fn same_file(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| -> Option<PathBuf> { path.canonicalize().ok() };
    matches!((real(a), real(b)), (Some(a), Some(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_nothing_stays_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("program");
        write_file(&path, b"one", true).unwrap();
        write_file(&path, b"two", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["program"]);
    }

    #[test]
    fn a_foreign_folder_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("work");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("thesis.txt"), "years").unwrap();
        let error = write_folder(&path, &[("a".to_owned(), b"b".to_vec())]).unwrap_err();
        assert_eq!(error.code, "E-OUTPUT");
        assert_eq!(names(&path), ["thesis.txt"]);
        assert_eq!(names(folder.path()), ["work"]);
    }

    #[test]
    fn a_folder_of_ours_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("package");
        write_folder(&path, &[("src/old.rs".to_owned(), Vec::new())]).unwrap();
        write_folder(&path, &[("src/new.rs".to_owned(), Vec::new())]).unwrap();
        assert_eq!(names(&path.join("src")), ["new.rs"]);
        assert_eq!(names(folder.path()), ["package"]);
    }

    #[test]
    fn a_folder_is_no_place_for_a_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(write_file(folder.path(), b"x", false).unwrap_err().code, "E-OUTPUT");
        assert_eq!(writable(folder.path()).unwrap_err().code, "E-OUTPUT");
        assert_eq!(writable(&folder.path().join("none").join("x")).unwrap_err().code, "E-FILE");
        writable(&folder.path().join("x")).unwrap();
        assert!(names(folder.path()).is_empty());
    }
}
