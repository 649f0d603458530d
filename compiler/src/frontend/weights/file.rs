//! Files of tensors, whatever their format.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::content::Content;
use super::format::{self, Failure, Format};
use super::{FileTensor, index, keras};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::frontend::source;
use crate::limits;
use index::Index;

/// What is read.
const FORMATS: &str = "a file of Keras (`.h5`, `.weights.h5`, `.keras`), `torch.save`, safetensors (or their index), NumPy (`.npz`) or ONNX";

/// A file of tensors. Values are converted when they are asked for.
#[derive(Debug, Clone)]
pub struct TensorFile {
    /// The file as the user named it.
    pub path: PathBuf,
    /// Its tensors by name.
    pub tensors: BTreeMap<String, FileTensor>,
    /// Its layers in the file's order, when its format has layers; each tensor of theirs is among `tensors` too. `keras` says what the
    /// order of each format is worth.
    pub layers: Option<Vec<FileLayer>>,
    /// The shards that were read besides, when the file is their index.
    pub shards: Vec<PathBuf>,
    content: Content,
}

/// A layer of a file that has weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLayer {
    /// Its name, when the file has it.
    pub name: Option<String>,
    /// Its class as Keras writes it in paths (`conv2d`, `batch_normalization`), when the file has it.
    pub class: Option<String>,
    /// Its variables (`kernel`, or their numbers where the class is not known) with their tensors, in the file's order.
    pub tensors: Vec<(String, FileTensor)>,
}

impl TensorFile {
    /// A file of these tensors, whose ranges lie in `content`.
    pub fn new(path: PathBuf, tensors: BTreeMap<String, FileTensor>, content: impl Into<Content>) -> Self {
        Self { path, tensors, layers: None, shards: Vec::new(), content: content.into() }
    }

    /// A tensor's values in the file's order.
    ///
    /// # Errors
    /// The name of an element type that holds no weights.
    pub fn values(&self, tensor: &FileTensor) -> Result<Vec<f32>, String> {
        tensor.values(self.content.get(&tensor.bytes).unwrap_or_default())
    }
}

/// Reads a file of weights; its content tells the format. The shards of an index are read with it.
///
/// # Errors
/// `E-WFILE` when it cannot be read, `E-WFMT` when it is not of a format that is known, or broken.
pub fn load(path: &Path) -> Result<TensorFile, Diagnostics> {
    let content = source::read(path, limits::WEIGHT_BYTES.get()).map_err(|message| {
        let problem = Diagnostic::error("E-WFILE", message).expected("a file of weights");
        match path.to_str() {
            Some(text) if text.starts_with("seed:") => problem.hint("a seed is a whole number, as in `seed:7`"),
            _ if path.is_dir() => problem.hint("name a file in it; for weights in shards, the index (`.index.json`)"),
            _ => problem,
        }
    })?;
    parse(path, Cow::Owned(content))
}

/// The tensors of a file that was read already. An index finds its shards beside `path`, an ONNX model its data.
///
/// # Errors
/// `E-WFMT`, and `E-WFILE` for shards.
pub fn parse(path: &Path, content: Cow<'static, [u8]>) -> Result<TensorFile, Diagnostics> {
    let format = Format::of(&content);
    let read = match format {
        Format::Index => indexed(path, &content),
        _ => single(path, format, content),
    };
    read.map_err(|Failure { code, message }| {
        let problem = Diagnostic::error(code, message).at(Place::file(path)).expected(FORMATS);
        problem.hint(format.hint()).into()
    })
}

fn single(path: &Path, format: Format, bytes: Cow<'static, [u8]>) -> Result<TensorFile, Failure> {
    let mut content = Content::from(bytes);
    let found = format::read(path, format, &mut content)?;
    Ok(TensorFile { layers: found.layers, ..TensorFile::new(path.to_path_buf(), found.tensors, content) })
}

/// The tensors of all shards of an index.
fn indexed(path: &Path, text: &[u8]) -> Result<TensorFile, Failure> {
    let index = Index::read(text)?;
    let missing = |message| Failure { code: "E-WFILE", message };
    let mut left = limits::WEIGHT_BYTES.get();
    let mut shards = Vec::new();
    for name in index.shards() {
        let file = index::beside(path, name).map_err(missing)?;
        let bytes = source::read(&file, left).map_err(missing)?;
        left = left.saturating_sub(bytes.len() as u64);
        shards.push((name.to_owned(), file, bytes));
    }
    let mut whole = TensorFile::new(path.to_path_buf(), BTreeMap::new(), Content::default());
    whole.shards = shards.iter().map(|(_, file, _)| file.clone()).collect();
    if shards.iter().all(|(_, _, bytes)| Format::of(bytes) == Format::Hdf5) {
        let mut ranges = Vec::new();
        for (name, _, bytes) in shards {
            ranges.push((name, whole.content.push(Arc::new(bytes))));
        }
        let found = keras::shards(&mut whole.content, &ranges, None)?;
        return Ok(TensorFile { tensors: found.tensors, layers: found.layers, ..whole });
    }
    for (name, _, bytes) in shards {
        let fail = |message: String| Failure::from(format!("shard `{}`: {message}", name.escape_debug()));
        let format = Format::of(&bytes);
        if format == Format::Index {
            return Err(fail("it is an index itself".to_owned()));
        }
        let shard = single(path, format, Cow::Owned(bytes)).map_err(|failure| fail(failure.message))?;
        let start = whole.content.append(shard.content);
        for (tensor, mut stored) in shard.tensors {
            let listed = index.entries.get(&tensor).is_some_and(|shards| shards.contains(&name));
            if !listed {
                return Err(fail(format!("the index does not list its tensor `{}`", tensor.escape_debug())));
            }
            stored.bytes = start + stored.bytes.start..start + stored.bytes.end;
            whole.tensors.insert(tensor, stored);
        }
    }
    match index.entries.iter().find(|(tensor, _)| !whole.tensors.contains_key(*tensor)) {
        Some((tensor, shards)) => {
            let shards = shards.join("`, `");
            Err(format!("tensor `{}` is not in shard `{shards}`, where the index has it", tensor.escape_debug()).into())
        }
        None => Ok(whole),
    }
}
