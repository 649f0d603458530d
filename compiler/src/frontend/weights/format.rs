//! Which format a file has, told by its content, and what each gives.

use std::collections::BTreeMap;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::archive::Archive;
use super::content::Content;
use super::{FileLayer, FileTensor, index, keras, npz, onnx, pytorch, safetensors};

/// What a format gives.
pub struct Found {
    /// The tensors by name.
    pub tensors: BTreeMap<String, FileTensor>,
    /// The layers in the file's order, for formats that have them.
    pub layers: Option<Vec<FileLayer>>,
}

impl From<BTreeMap<String, FileTensor>> for Found {
    fn from(tensors: BTreeMap<String, FileTensor>) -> Self {
        Self { tensors, layers: None }
    }
}

/// Why a file is not read.
#[derive(Debug)]
pub struct Failure {
    /// `E-WFMT`, or `E-WFILE` for files beside it.
    pub code: &'static str,
    /// A sentence.
    pub message: String,
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self { code: "E-WFMT", message }
    }
}

/// A format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Zip archives: `torch.save`, Keras, NumPy.
    Archive,
    /// `torch.save` before PyTorch 1.6.
    Pickle,
    /// Keras.
    Hdf5,
    /// A list of shards.
    Index,
    /// ONNX.
    Onnx,
    /// Safetensors.
    Safetensors,
    /// One array of NumPy, which has no name.
    Array,
    /// Nothing at all.
    Empty,
    /// Any other.
    Unknown,
}

impl Format {
    /// The format of a file.
    pub fn of(content: &[u8]) -> Self {
        match content {
            [] => Self::Empty,
            // The length of a header may look like another format's magic.
            bytes if safetensors::matches(bytes) => Self::Safetensors,
            [b'P', b'K', 3 | 5, 4 | 6, ..] => Self::Archive,
            [0x80, 2..=5, ..] => Self::Pickle,
            [0x89, b'H', b'D', b'F', ..] => Self::Hdf5,
            [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => Self::Array,
            bytes if index::matches(bytes) => Self::Index,
            bytes if onnx::matches(bytes) => Self::Onnx,
            bytes if safetensors::resembles(bytes) => Self::Safetensors,
            _ => Self::Unknown,
        }
    }

    /// What to do when a file of the format is not read.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Hdf5 => {
                "`model.save_weights(\"x.weights.h5\")` and `model.save(\"x.keras\")` write such files in Keras"
            }
            Self::Index => "name the index, and keep the shards that were saved with it beside it",
            Self::Onnx => {
                "`onnx.save(model, path)` writes such files in Python; keep the files of external data beside them"
            }
            Self::Array => "`np.savez(path, **tensors)` writes arrays with their names",
            Self::Archive => {
                "`torch.save(model.state_dict(), path)`, `model.save(\"x.keras\")` and `np.savez(path, **tensors)` write such files in Python"
            }
            Self::Pickle | Self::Safetensors | Self::Empty | Self::Unknown => {
                "`torch.save(model.state_dict(), path)` and `safetensors.torch.save_file` write such files in Python"
            }
        }
    }
}

/// The tensors of a content of a format.
///
/// # Errors
/// What is wrong with it.
pub fn read(path: &Path, format: Format, content: &mut Content) -> Result<Found, Failure> {
    let whole = content.range();
    let bytes = content.get(&whole).unwrap_or_default();
    let found = match format {
        Format::Archive => archived(content)?,
        Format::Pickle => pytorch::parse_legacy(bytes)?.into(),
        Format::Safetensors => safetensors::parse(bytes)?.into(),
        Format::Hdf5 => keras::parse(content, &whole)?,
        Format::Onnx => onnx::parse(path, content)?.into(),
        Format::Array => return Err("the file is a single array of NumPy, which has no name".to_owned().into()),
        Format::Empty => return Err("the file is empty".to_owned().into()),
        Format::Index | Format::Unknown => return Err("the file is of no format that is known".to_owned().into()),
    };
    Ok(found)
}

fn archived(content: &mut Content) -> Result<Found, String> {
    let archive = Archive::read(content)?;
    if pytorch::is_archive(&archive) {
        return Ok(pytorch::parse_archive(&archive, content)?.into());
    }
    if keras::is_archive(&archive) {
        return keras::parse_archive(&archive, content);
    }
    if npz::is_archive(&archive) {
        return Ok(npz::parse(&archive, content)?.into());
    }
    Err("the zip archive is of no format that is known".to_owned())
}

/// A description in JSON may have this many bytes.
const LARGEST_TEXT: usize = 1 << 24;

/// Reads JSON.
///
/// # Errors
/// A sentence, which begins with what it calls the text.
pub fn json<T: DeserializeOwned>(what: &str, text: &[u8]) -> Result<T, String> {
    if text.len() > LARGEST_TEXT {
        return Err(format!("{what} has {} bytes, more than the {LARGEST_TEXT} that are read", text.len()));
    }
    serde_json::from_slice(text).map_err(|error| format!("{what} is not valid JSON: {error}"))
}
