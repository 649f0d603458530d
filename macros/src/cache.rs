//! Expansions that were made before: rust-analyzer and cargo expand the same invocation again and again.
//!
//! An entry belongs to the text of one invocation at one place, and holds as long as every file that was read has its length and
//! time of modification. It is a JSON file `PLACE-TEXT.json`, and `PLACE-TEXT-CONTENT.bin` with the packed weights,
//! which generated code includes. Both are written beside their place and renamed, so other processes find them whole.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Inside the user's target folder.
const FOLDER: &str = concat!(env!("OUT_DIR"), "/expansions");

/// An entry of the same place that nobody asked for in this time belongs to a text that is gone.
const FORGOTTEN: Duration = Duration::from_secs(3600);

/// What an invocation expands to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// The tokens as text.
    pub tokens: String,
    /// Every file that was read: absolute paths.
    pub files: Vec<PathBuf>,
    /// The packed weights, when they are embedded.
    pub blob: Option<PathBuf>,
}

/// The entry of one invocation.
#[derive(Debug)]
pub struct Entry {
    folder: PathBuf,
    place: String,
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Record {
    compiler: String,
    files: Vec<Stamp>,
    blob: Option<Stamp>,
    tokens: String,
}

/// A file as it was.
#[derive(Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    length: u64,
    /// Seconds and nanoseconds since 1970.
    modified: (u64, u32),
}

impl Stamp {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            path: path.to_path_buf(),
            length: metadata.len(),
            modified: (modified.as_secs(), modified.subsec_nanos()),
        })
    }

    fn holds(&self) -> bool {
        Self::of(&self.path).is_ok_and(|now| now == *self)
    }
}

impl Entry {
    /// The entry of the invocation with this text at this place.
    pub fn new(place: &[&str], text: &str) -> Self {
        Self::inside(Path::new(FOLDER), place, text)
    }

    fn inside(folder: &Path, place: &[&str], text: &str) -> Self {
        let place = format!("{:016x}", hash(place.join("\n").as_bytes()));
        let name = format!("{place}-{:016x}", hash(text.as_bytes()));
        Self { folder: folder.to_path_buf(), place, name }
    }

    /// The expansion, when nothing has changed since it was made.
    pub fn get(&self) -> Option<Expansion> {
        let path = self.record();
        let record: Record = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        if record.compiler != resnetc::BUILD || !record.files.iter().chain(&record.blob).all(Stamp::holds) {
            return None;
        }
        // Says that it is in use; if it cannot be said, it may be made again one day.
        if let Ok(file) = File::options().append(true).open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        Some(Expansion {
            tokens: record.tokens,
            files: record.files.into_iter().map(|file| file.path).collect(),
            blob: record.blob.map(|blob| blob.path),
        })
    }

    /// Keeps packed weights. Returns their absolute path, another one for other content.
    pub fn put_blob(&self, blob: &[u8]) -> io::Result<PathBuf> {
        let path = self.folder.join(format!("{}-{:016x}.bin", self.name, hash(blob)));
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() == blob.len() as u64) {
            return Ok(path);
        }
        self.write(&path, blob)?;
        Ok(path)
    }

    /// Keeps an expansion, and removes what this place has no use for any more.
    pub fn put(&self, expansion: &Expansion) -> io::Result<()> {
        let record = Record {
            compiler: resnetc::BUILD.to_owned(),
            files: expansion.files.iter().map(|file| Stamp::of(file)).collect::<io::Result<_>>()?,
            blob: expansion.blob.as_deref().map(Stamp::of).transpose()?,
            tokens: expansion.tokens.clone(),
        };
        self.write(&self.record(), &serde_json::to_vec(&record)?)?;
        self.tidy(expansion.blob.as_deref());
        Ok(())
    }

    fn record(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.name))
    }

    fn write(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);

        fs::create_dir_all(&self.folder)?;
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let scratch = self.folder.join(format!("{}.{}.{next}.tmp", self.name, std::process::id()));
        fs::write(&scratch, content).and_then(|()| fs::rename(&scratch, path)).inspect_err(|_| {
            // The error that is returned matters more.
            let _ = fs::remove_file(&scratch);
        })
    }

    /// Removes other weights of this entry, and forgotten entries of this place. Another process may be faster; that is as good.
    fn tidy(&self, blob: Option<&Path>) {
        let names: Vec<String> = fs::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|file| file.file_name().into_string().ok())
            .filter(|name| name.starts_with(&self.place))
            .collect();
        let forgotten = |entry: &str| {
            let record = fs::metadata(self.folder.join(format!("{entry}.json"))).and_then(|record| record.modified());
            record.map_or(true, |used| used.elapsed().is_ok_and(|age| age > FORGOTTEN))
        };
        for name in names {
            let path = self.folder.join(&name);
            let own = name.starts_with(&self.name);
            let entry = name.get(..self.name.len()).unwrap_or_default();
            let stale = if own { name.ends_with(".bin") && blob != Some(&path) } else { forgotten(entry) };
            if stale {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// FNV-1a, 64 bits, over the length and the bytes in words of eight.
fn hash(bytes: &[u8]) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64;
    bytes.chunks(8).fold(start, |hash, chunk| {
        let word = chunk.iter().rev().fold(0_u64, |word, byte| (word << 8) | u64::from(*byte));
        (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(folder: &Path, text: &str) -> Entry {
        Entry::inside(folder, &["crate", "main.rs", "Net"], text)
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn an_expansion_holds_until_a_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("model.yaml");
        fs::write(&model, "a").unwrap();
        let cache = folder.path().join("cache");
        let entry = entry(&cache, "text");
        assert_eq!(entry.get(), None);
        let blob = entry.put_blob(b"weights").unwrap();
        let expansion = Expansion { tokens: "struct A ;".into(), files: vec![model.clone()], blob: Some(blob.clone()) };
        entry.put(&expansion).unwrap();
        assert_eq!(entry.get(), Some(expansion.clone()));
        fs::write(&model, "ab").unwrap();
        assert_eq!(entry.get(), None);

        let other = entry.put_blob(b"other weights").unwrap();
        assert_ne!(other, blob);
        entry.put(&Expansion { blob: Some(other.clone()), ..expansion }).unwrap();
        assert!(!blob.exists() && other.exists());
        assert_eq!(names(&cache).len(), 2);
    }

    #[test]
    fn a_missing_blob_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let entry = entry(folder.path(), "text");
        let blob = entry.put_blob(b"weights").unwrap();
        entry.put(&Expansion { tokens: String::new(), files: Vec::new(), blob: Some(blob.clone()) }).unwrap();
        fs::remove_file(blob).unwrap();
        assert_eq!(entry.get(), None);
    }

    #[test]
    fn forgotten_texts_of_a_place_are_removed_and_others_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let put = |text: &str| {
            let entry = entry(folder.path(), text);
            let blob = entry.put_blob(text.as_bytes()).unwrap();
            entry.put(&Expansion { tokens: String::new(), files: Vec::new(), blob: Some(blob) }).unwrap();
            entry.record()
        };
        let (old, young) = (put("one"), put("two"));
        assert_eq!(names(folder.path()).len(), 4);
        let age = SystemTime::now() - 2 * FORGOTTEN;
        File::options().append(true).open(&old).unwrap().set_modified(age).unwrap();
        let new = put("three");
        assert!(!old.exists() && young.exists() && new.exists());
    }

    #[test]
    fn hashes_differ_in_every_byte_and_the_length() {
        let base = hash(b"0123456789");
        assert_ne!(base, hash(b"0123456788"));
        assert_ne!(base, hash(b"1123456789"));
        assert_ne!(hash(b"a"), hash(b"a\0"));
    }
}
