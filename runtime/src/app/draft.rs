//! Files that appear whole or not at all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that takes its name only when it is whole; until then it lies beside it, and goes when dropped.
pub(super) struct Draft {
    target: PathBuf,
    path: PathBuf,
    file: Option<BufWriter<File>>,
}

impl Draft {
    /// Begins a file. What a killed program left behind is in nobody's way.
    pub(super) fn create(target: &Path) -> io::Result<Self> {
        if target.file_name().is_none() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"));
        }
        // What a link leads to is replaced, not the link.
        let target = target.canonicalize().unwrap_or_else(|_| target.to_path_buf());
        if target.exists() && !target.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "there is something that is no ordinary file"));
        }
        for number in 0_u64.. {
            let path = target.with_file_name(format!(".resnet-{}-{number}.tmp", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => return Ok(Self { target, path, file: Some(BufWriter::new(file)) }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Writes on.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), |file| file.write_all(bytes))
    }

    /// Hands all that was written to the system, which may find now that it has no room.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush)
    }

    /// Gives the file its name.
    pub(super) fn finish(mut self) -> io::Result<()> {
        if let Some(mut file) = self.file.take() {
            let written = file.flush().and_then(|()| fs::rename(&self.path, &self.target));
            if written.is_err() {
                let _ = fs::remove_file(&self.path);
            }
            return written;
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
