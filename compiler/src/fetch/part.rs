//! The part of a file that has arrived, and where it came from.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::trouble;
use crate::diagnostic::Diagnostic;

/// `NAME.part` with the bytes, and `NAME.part.json` that says what they are the beginning of.
#[derive(Debug)]
pub struct Part {
    path: PathBuf,
    file: File,
    length: u64,
    origin: Origin,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Origin {
    url: String,
    /// The server's `ETag` or `Last-Modified`.
    validator: Option<String>,
}

impl Part {
    /// The part of the file that is to stand at `place`: what has arrived from this address before, else empty.
    pub fn open(place: &Path, url: &str) -> Result<Self, Diagnostic> {
        let path = beside(place, ".part");
        let failed = |error| trouble("write", &path, &error);
        let file = File::options().read(true).append(true).create(true).open(&path).map_err(failed)?;
        let length = file.metadata().map_err(failed)?.len();
        let known = fs::read(beside(place, ".part.json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
        let printable = |text: &String| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        let known = known.filter(|origin: &Origin| origin.url == url && origin.validator.iter().all(printable));
        let fresh = Origin { url: url.to_owned(), validator: None };
        let mut part = Self { path, file, length, origin: known.clone().unwrap_or(fresh) };
        if known.is_none() && length > 0 {
            part.restart(None)?;
        }
        Ok(part)
    }

    /// How many bytes have arrived.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// What the server calls the version of the file that these bytes are of.
    pub fn validator(&self) -> Option<&str> {
        self.origin.validator.as_deref()
    }

    /// Begins anew with a version of the file.
    pub fn restart(&mut self, validator: Option<String>) -> Result<(), Diagnostic> {
        if self.length > 0 {
            self.file.set_len(0).map_err(|error| self.trouble("empty", &error))?;
            self.length = 0;
        }
        self.origin.validator = validator;
        let text = serde_json::json!(self.origin).to_string();
        crate::package::write_file(&self.note(), text.as_bytes(), false)
            .map_err(|error| Diagnostic { code: "E-CACHE", ..error })
    }

    /// Adds bytes.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), Diagnostic> {
        self.file.write_all(bytes).map_err(|error| self.trouble("write", &error))?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// The bytes from the first.
    pub fn reader(&self) -> Result<impl io::Read, Diagnostic> {
        let mut file = File::open(&self.path).map_err(|error| self.trouble("read", &error))?;
        file.rewind().map_err(|error| self.trouble("read", &error))?;
        Ok(file)
    }

    /// Puts the file in its place: there at once and whole, even if the machine stops now.
    pub fn become_file(self, place: &Path) -> Result<(), Diagnostic> {
        self.file.sync_all().map_err(|error| self.trouble("write", &error))?;
        fs::rename(&self.path, place).map_err(|error| trouble("write", place, &error))?;
        // Says nothing of a file that is whole.
        let _ = fs::remove_file(self.note());
        Ok(())
    }

    /// Removes it.
    pub fn remove(self) -> Result<(), Diagnostic> {
        let _ = fs::remove_file(self.note());
        fs::remove_file(&self.path).map_err(|error| self.trouble("remove", &error))
    }

    /// An error of the file system about it.
    pub fn trouble(&self, doing: &str, error: &io::Error) -> Diagnostic {
        trouble(doing, &self.path, error)
    }

    fn note(&self) -> PathBuf {
        beside(&self.path, ".json")
    }
}

/// A path with something behind its name.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}
