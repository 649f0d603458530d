//! Tensor data in files beside the model.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use super::proto::TensorProto;
use crate::Diagnostic;

/// Files beside a model that hold its tensors.
pub(in crate::frontend) struct External {
    folder: PathBuf,
    open: BTreeMap<PathBuf, Source>,
}

struct Source {
    file: File,
    length: u64,
    /// Bytes that may still be read: tensors that overlap without end are not a model.
    left: u64,
}

/// Tensors may share bytes, so that this many times a file's length may be read of it.
const SHARING: u64 = 4;

impl External {
    /// Those beside the model at `path`.
    pub fn new(path: &Path) -> Self {
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        Self { folder, open: BTreeMap::new() }
    }

    /// The files that were read.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.open.keys()
    }

    /// The bytes of a tensor that takes `size` of them.
    pub fn read(&mut self, tensor: &TensorProto, size: usize) -> Result<Vec<u8>, Box<Diagnostic>> {
        let fail = |message: String| {
            let message = format!("tensor `{}`: {message}", tensor.name);
            Box::new(
                Diagnostic::error("E-ONNX-EXT", message)
                    .expected(format!("{size} bytes in a file of the model's folder"))
                    .hint("keep the files that were exported with the model beside it"),
            )
        };
        let entry =
            |key: &str| tensor.external_data.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
        let number = |key: &str| {
            entry(key)
                .map(|text| text.parse::<u64>().map_err(|_| fail(format!("its `{key}` is `{text}`, not a number"))))
                .transpose()
        };
        let Some(location) = entry("location") else {
            return Err(fail("its data is external, but no location is given".to_owned()));
        };
        let offset = number("offset")?.unwrap_or(0);
        if let Some(length) = number("length")?.filter(|length| *length != size as u64) {
            return Err(fail(format!("its extents take {size} bytes, but {length} are declared in `{location}`")));
        }
        let path = self.resolve(location).map_err(fail)?;
        let source = match self.open.entry(path.clone()) {
            std::collections::btree_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::btree_map::Entry::Vacant(entry) => {
                let opened = File::open(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
                let (length, file) = opened.map_err(|error| fail(format!("`{location}` cannot be read: {error}")))?;
                entry.insert(Source { file, length, left: length.saturating_mul(SHARING) })
            }
        };
        let length = source.length;
        if offset.checked_add(size as u64).is_none_or(|last| last > length) {
            return Err(fail(format!(
                "bytes {offset} to {offset} + {size} lie beyond the {length} bytes of `{location}`"
            )));
        }
        source.left = source.left.checked_sub(size as u64).ok_or_else(|| {
            fail(format!("the tensors in `{location}` together have more than {SHARING} times its {length} bytes"))
        })?;
        let mut bytes = vec![0; size];
        source
            .file
            .seek(SeekFrom::Start(offset))
            .and_then(|_| source.file.read_exact(&mut bytes))
            .map_err(|error| fail(format!("`{location}` cannot be read: {error}")))?;
        Ok(bytes)
    }

    /// A path below the model's folder, links followed.
    fn resolve(&self, location: &str) -> Result<PathBuf, String> {
        let relative = Path::new(location);
        let plain = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !plain || location.is_empty() {
            return Err(format!("`{location}` is not a path below the model's folder"));
        }
        let path = self.folder.join(relative);
        let real = path.canonicalize().map_err(|error| format!("`{location}` cannot be read: {error}"))?;
        let folder = self.folder.canonicalize().map_err(|error| format!("the folder cannot be read: {error}"))?;
        if !real.starts_with(&folder) {
            return Err(format!("`{location}` leads out of the model's folder"));
        }
        if !real.is_file() {
            return Err(format!("`{location}` is not a file"));
        }
        Ok(path)
    }
}
