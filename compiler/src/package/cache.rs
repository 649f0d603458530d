//! The cache: the runtime's sources, what cargo built of them, and finished programs.
//!
//! A folder per build of this tool, so that two of them never meet. One process builds at a time, under a lock.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::output::write_files;
use super::{sources, trouble, write_file};
use crate::diagnostic::{Diagnostic, Place};
use crate::user_cache;

/// How many finished programs are kept.
const PROGRAMS: usize = 32;

/// A folder of one build of this tool.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache of this user: `$RESNETC_CACHE`, or the folder for caches of the platform.
    ///
    /// # Errors
    /// When there is no such folder, or it cannot be made.
    pub fn open() -> Result<Self, Diagnostic> {
        let base = user_cache::folder().ok_or_else(|| {
            Diagnostic::error("E-CACHE", "no folder for the cache: neither RESNETC_CACHE nor HOME is set")
                .hint("set RESNETC_CACHE to a folder that can be written")
        })?;
        Self::inside(&base)
    }

    /// The cache in a folder, which is made when it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn inside(base: &Path) -> Result<Self, Diagnostic> {
        let base = std::path::absolute(base).map_err(|error| trouble("use the cache", base, &error))?;
        let root = base.join(crate::BUILD);
        fs::create_dir_all(&root).map_err(|error| {
            trouble("make the cache", &root, &error).hint("set RESNETC_CACHE to a folder that can be written")
        })?;
        Ok(Self { root })
    }

    /// The lock that a build holds. `waiting` is called when another process has it.
    pub(super) fn lock(&self, waiting: &mut dyn FnMut()) -> Result<File, Diagnostic> {
        let path = self.root.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| trouble("open the lock", &path, &error))?;
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => waiting(),
            Err(TryLockError::Error(error)) => return Err(trouble("lock", &path, &error)),
        }
        lock.lock().map_err(|error| trouble("lock", &path, &error))?;
        Ok(lock)
    }

    /// Writes a package into the folder `name` and, the first time, the runtime beside it. Returns the package's folder.
    pub(super) fn lay_out(&self, name: &str, files: &[(String, Vec<u8>)]) -> Result<PathBuf, Diagnostic> {
        let runtime = self.root.join("runtime");
        if !runtime.is_dir() {
            let scratch = self.root.join("runtime.new");
            remove(&scratch)?;
            let files: Vec<_> =
                sources::RUNTIME.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())).collect();
            write_files(&scratch, &files)?;
            fs::rename(&scratch, &runtime).map_err(|error| trouble("write", &runtime, &error))?;
        }
        let folder = self.root.join(name);
        remove(&folder)?;
        write_files(&folder, files)?;
        self.forget_package()?;
        Ok(folder)
    }

    /// Where cargo builds, for all packages.
    pub(super) fn target(&self) -> PathBuf {
        self.root.join("target")
    }

    /// Makes cargo build a package anew whatever the clock says: its folder is always the same.
    fn forget_package(&self) -> Result<(), Diagnostic> {
        let prints = self.target().join("release").join(".fingerprint");
        let Ok(entries) = fs::read_dir(&prints) else { return Ok(()) };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with("resnet-program-") {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// The program that was built from a package of this hash, if it is still there.
    pub fn program(&self, hash: &str) -> Option<PathBuf> {
        let path = self.program_path(hash);
        path.is_file().then(|| {
            // Says that it was used; a cache that cannot be written serves all the same.
            if let Ok(file) = File::options().append(true).open(&path) {
                let _ = file.set_modified(SystemTime::now());
            }
            path
        })
    }

    /// Keeps a program, and lets go of those that were used longest ago.
    pub(super) fn keep(&self, hash: &str, program: &Path) -> Result<PathBuf, Diagnostic> {
        let path = self.program_path(hash);
        let folder = self.root.join("programs");
        fs::create_dir_all(&folder).map_err(|error| trouble("make the folder", &folder, &error))?;
        let content = fs::read(program).map_err(|error| trouble("read", program, &error))?;
        write_file(&path, &content, true)?;
        let mut programs: Vec<(SystemTime, PathBuf)> = fs::read_dir(&folder)
            .map_err(|error| trouble("read the folder", &folder, &error))?
            .flatten()
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .filter(|(_, other)| *other != path)
            .collect();
        programs.sort();
        let surplus = (programs.len() + 1).saturating_sub(PROGRAMS);
        for (_, old) in programs.into_iter().take(surplus) {
            // Another process may have been faster.
            let _ = fs::remove_file(old);
        }
        Ok(path)
    }

    /// What was noted under a key, see [`Cache::note`].
    pub fn noted(&self, key: &str) -> Option<String> {
        fs::read_to_string(self.root.join("notes").join(key)).ok()
    }

    /// Keeps a short text under a key, a file name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, key: &str, text: &str) -> Result<(), Diagnostic> {
        let folder = self.root.join("notes");
        fs::create_dir_all(&folder).map_err(|error| trouble("make the folder", &folder, &error))?;
        write_file(&folder.join(key), text.as_bytes(), false)
    }

    fn program_path(&self, hash: &str) -> PathBuf {
        self.root.join("programs").join(format!("{hash}{}", std::env::consts::EXE_SUFFIX))
    }
}

fn remove(path: &Path) -> Result<(), Diagnostic> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            Err(Diagnostic::error("E-CACHE", format!("cannot clear the cache: {error}")).at(Place::file(path)))
        }
    }
}
