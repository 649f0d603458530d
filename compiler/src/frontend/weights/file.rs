//! Files of tensors, whatever their format.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::safetensors;
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::frontend::source;
use crate::ir::Shape;

/// A file of weights may have this many bytes.
pub const LARGEST: u64 = 1 << 32;

/// How a file stores an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point.
    F16,
    /// The upper half of a 32-bit floating point number.
    Bf16,
    /// Anything else, by the name that the format has for it.
    Other(String),
}

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTensor {
    /// Its extents, in the file's order.
    pub shape: Shape,
    /// How its elements are stored.
    pub element: Element,
    /// Where its bytes lie in the file's content; little-endian, row-major, without gaps.
    pub bytes: Range<usize>,
}

/// A file of tensors. Values are converted when they are asked for.
#[derive(Debug, Clone)]
pub struct TensorFile {
    /// The file as the user named it.
    pub path: PathBuf,
    /// Its tensors by name.
    pub tensors: BTreeMap<String, FileTensor>,
    content: Cow<'static, [u8]>,
}

impl TensorFile {
    /// A file of these tensors, whose ranges lie in `content`.
    pub fn new(path: PathBuf, tensors: BTreeMap<String, FileTensor>, content: Cow<'static, [u8]>) -> Self {
        Self { path, tensors, content }
    }

    /// A tensor's values in the file's order.
    ///
    /// # Errors
    /// The name of an element type that holds no weights.
    pub fn values(&self, tensor: &FileTensor) -> Result<Vec<f32>, String> {
        let bytes = self.content.get(tensor.bytes.clone()).unwrap_or_default();
        let halves = || bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
        match &tensor.element {
            Element::F32 => Ok(bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect()),
            Element::F16 => Ok(halves().map(from_f16).collect()),
            Element::Bf16 => Ok(halves().map(|half| f32::from_bits(u32::from(half) << 16)).collect()),
            Element::Other(name) => Err(name.clone()),
        }
    }
}

/// Reads a file of weights; its content tells the format.
///
/// # Errors
/// `E-WFILE` when it cannot be read, `E-WFMT` when it is not of a format that is known, or broken.
pub fn load(path: &Path) -> Result<TensorFile, Diagnostics> {
    let content = source::read(path, LARGEST).map_err(|message| {
        let problem = Diagnostic::error("E-WFILE", message).expected("a file of weights");
        match path.to_str() {
            Some(text) if text.starts_with("seed:") => problem.hint("a seed is a whole number, as in `seed:7`"),
            _ => problem,
        }
    })?;
    parse(path, Cow::Owned(content))
}

/// The tensors of a file that was read already.
///
/// # Errors
/// `E-WFMT`
pub fn parse(path: &Path, content: Cow<'static, [u8]>) -> Result<TensorFile, Diagnostics> {
    let problem = |message: String| Diagnostic::error("E-WFMT", message).at(Place::file(path));
    if safetensors::matches(&content) {
        let tensors = safetensors::parse(&content).map_err(problem)?;
        return Ok(TensorFile::new(path.to_path_buf(), tensors, content));
    }
    let known = match content.as_ref() {
        [0x89, b'H', b'D', b'F', ..] => "an HDF5 file (Keras)",
        [b'P', b'K', 3, 4, ..] => "a zip archive (PyTorch, NumPy or Keras)",
        [0x80, 2..=5, ..] => "a pickle (PyTorch)",
        [0x93, b'N', b'U', b'M', b'P', b'Y', ..] => "a NumPy array",
        [] => "empty",
        _ => "of no format that is known",
    };
    Err(problem(format!("the file is {known}"))
        .expected("a safetensors file")
        .hint("`safetensors.torch.save_file(model.state_dict(), path)` writes one in Python")
        .into())
}

/// The value of an IEEE half-precision number, which every f32 can hold.
fn from_f16(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let (exponent, mantissa) = (u32::from(half >> 10 & 0x1F), u32::from(half & 0x3FF));
    match (exponent, mantissa) {
        // Zero and the subnormal numbers: multiples of 2^-24.
        (0, mantissa) => f32::from_bits(sign | (mantissa as f32 * f32::from_bits(0x3380_0000)).to_bits()),
        (31, mantissa) => f32::from_bits(sign | 0x7F80_0000 | mantissa << 13),
        (exponent, mantissa) => f32::from_bits(sign | (exponent + 112) << 23 | mantissa << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::from_f16;

    #[test]
    fn halves_have_their_values() {
        for (bits, value) in [
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7BFF, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0x7C00, f32::INFINITY),
            (0x0000, 0.0),
        ] {
            assert_eq!(from_f16(bits), value, "{bits:#06x}");
        }
        assert!(from_f16(0x7E00).is_nan());
        assert!(from_f16(0x8000).is_sign_negative());
    }
}
