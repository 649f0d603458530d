//! The cache: the runtime's sources, what cargo built of them, and finished programs.
//!
//! A folder per build of this tool, so that two of them never meet; a new one lets go of those that were used longest
//! ago. One process builds at a time, under a lock.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use super::output::write_files;
use super::{sources, trouble, write_file};
use crate::diagnostic::{Diagnostic, Place};
use crate::user_cache;

/// How many bytes the finished programs that are kept have together; those that this process asked for stay however large.
const PROGRAMS: u64 = 2 << 30;

/// How many other builds of this tool keep their folders.
const BUILDS: usize = 2;

/// A folder of one build of this tool.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
    /// Programs that this process asked for.
    given: Arc<Mutex<BTreeSet<PathBuf>>>,
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
        let new = !root.is_dir();
        fs::create_dir_all(&root).map_err(|error| {
            trouble("make the cache", &root, &error).hint("set RESNETC_CACHE to a folder that can be written")
        })?;
        if new {
            let builds = entries(&base)
                .into_iter()
                .filter(|path| *path != root && path.file_name().is_some_and(|name| is_build(&name.to_string_lossy())));
            for old in by_last_use(builds, |path| path.join("lock")).skip(BUILDS) {
                // Held while the folder goes; what another process holds stays until the next time.
                let lock = File::open(old.join("lock"));
                if !lock.as_ref().is_ok_and(|lock| lock.try_lock().is_err()) {
                    let _ = fs::remove_dir_all(old);
                }
            }
        }
        Ok(Self { root, given: Arc::default() })
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
        touch(&lock);
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
            for used in [&path, &self.root.join("lock")] {
                if let Ok(file) = File::options().append(true).open(used) {
                    touch(&file);
                }
            }
            self.give(&path);
            path
        })
    }

    /// Whether a program was given to this process before.
    fn was_given(&self, path: &Path) -> bool {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).contains(path)
    }

    fn give(&self, path: &Path) {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
    }

    /// Keeps a program, and lets go of those that were used longest ago, but for those that this process was given before.
    pub(super) fn keep(&self, hash: &str, program: &Path) -> Result<PathBuf, Diagnostic> {
        let path = self.program_path(hash);
        let folder = self.root.join("programs");
        fs::create_dir_all(&folder).map_err(|error| trouble("make the folder", &folder, &error))?;
        let content = fs::read(program).map_err(|error| trouble("read", program, &error))?;
        write_file(&path, &content, true)?;
        let mut kept = content.len() as u64;
        self.give(&path);
        let others = entries(&folder).into_iter().filter(|other| *other != path);
        for other in by_last_use(others, Path::to_owned) {
            kept = kept.saturating_add(other.metadata().map_or(0, |other| other.len()));
            if kept > PROGRAMS && !self.was_given(&other) {
                // Another process may have been faster.
                let _ = fs::remove_file(other);
            }
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

/// What is in a folder; nothing where it cannot be read.
fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Whether this is the name of a build's folder, [`crate::BUILD`] of some build: `0.1.0-0123456789abcdef`.
fn is_build(name: &str) -> bool {
    let is_version = |version: &str| version.split('.').filter(|number| number.parse::<u64>().is_ok()).count() >= 3;
    name.rsplit_once('-').is_some_and(|(version, hash)| {
        is_version(version) && hash.len() == 16 && hash.bytes().all(|digit| digit.is_ascii_hexdigit())
    })
}

/// The paths, the last used first; `marker` is the file of a path whose time tells. Those without one come last.
fn by_last_use(paths: impl Iterator<Item = PathBuf>, marker: fn(&Path) -> PathBuf) -> impl Iterator<Item = PathBuf> {
    let used = |path: &Path| marker(path).metadata().and_then(|marker| marker.modified()).ok();
    let mut paths: Vec<_> = paths.map(|path| (Reverse(used(&path)), path)).collect();
    paths.sort();
    paths.into_iter().map(|(_, path)| path)
}

/// Says that a file was used; a cache that cannot be written serves all the same.
fn touch(file: &File) {
    let _ = file.set_modified(SystemTime::now());
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn place(path: &Path, bytes: u64, age: u64) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::create(path).unwrap();
        file.set_len(bytes).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            entries(folder).iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_new_build_lets_go_of_old_ones_that_nobody_uses() {
        let base = tempfile::tempdir().unwrap();
        for (digit, age) in [(1, 10), (2, 40), (3, 30), (4, 20)] {
            place(&base.path().join(format!("0.1.{digit}-000000000000000{digit}")).join("lock"), 0, age);
        }
        place(&base.path().join("weights").join("lock"), 0, 99);
        // One that never built anything.
        fs::create_dir(base.path().join("0.1.5-0000000000000005")).unwrap();
        let held = File::open(base.path().join("0.1.2-0000000000000002").join("lock")).unwrap();
        held.lock().unwrap();

        Cache::inside(base.path()).unwrap();
        let mut expected =
            vec!["0.1.1-0000000000000001", "0.1.2-0000000000000002", "0.1.4-0000000000000004", crate::BUILD, "weights"];
        expected.sort_unstable();
        assert_eq!(names(base.path()), expected);
    }

    #[test]
    fn programs_of_this_process_stay_when_there_is_too_much() {
        let base = tempfile::tempdir().unwrap();
        let cache = Cache::inside(base.path()).unwrap();
        let built = base.path().join("built");
        fs::write(&built, "12345").unwrap();
        cache.keep("large", &built).unwrap();
        place(&cache.program_path("large"), PROGRAMS, 30);
        cache.keep("new", &built).unwrap();
        assert_eq!(names(&cache.root.join("programs")), ["large", "new"]);
        // The next process was given none.
        Cache::inside(base.path()).unwrap().keep("newer", &built).unwrap();
        assert_eq!(names(&cache.root.join("programs")), ["new", "newer"]);
    }

    #[test]
    fn programs_used_longest_ago_go_when_there_is_too_much() {
        let base = tempfile::tempdir().unwrap();
        let cache = Cache::inside(base.path()).unwrap();
        for (name, bytes, age) in [("old", 10, 30), ("used", 10, 20), ("large", PROGRAMS - 15, 10)] {
            place(&cache.program_path(name), bytes, age);
        }
        cache.program("used").unwrap();
        let built = base.path().join("built");
        fs::write(&built, "12345").unwrap();
        cache.keep("new", &built).unwrap();
        assert_eq!(names(&cache.root.join("programs")), ["large", "new", "used"]);
        cache.keep("newer", &built).unwrap();
        assert_eq!(names(&cache.root.join("programs")), ["new", "newer", "used"]);
    }
}
