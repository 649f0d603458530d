//! Packed weights: a header of 64 bytes, then f32 values, used in place.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::memory::{Buffer, as_values};
use crate::error::Error;

/// First bytes of packed weights.
const MAGIC: [u8; 8] = *b"RESNETW1";
/// Bytes of the header: magic, fingerprint, number of values, checksum, zeros.
const HEADER: usize = 64;

/// A network's packed weights, as the compiler wrote them.
#[derive(Debug, Clone)]
pub struct Weights(Source);

#[derive(Debug, Clone)]
enum Source {
    Embedded(&'static [u8]),
    /// Header and values.
    Owned(Arc<Buffer>, usize),
}

impl Weights {
    /// Weights that are part of the program, used where they are. They start on a 64-byte line: see [`Aligned`](super::Aligned).
    pub const fn embedded(bytes: &'static [u8]) -> Self {
        Self(Source::Embedded(bytes))
    }

    /// A copy of weights that lie anywhere.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut buffer = Buffer::zeroed(bytes.len().div_ceil(size_of::<f32>()));
        buffer.as_mut_bytes()[..bytes.len()].copy_from_slice(bytes);
        Self(Source::Owned(Arc::new(buffer), bytes.len()))
    }

    /// Weights from a file.
    ///
    /// # Errors
    /// When it cannot be read, does not begin as packed weights do, or has another length than its header says.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let unreadable = |reason: String| Error::WeightsUnreadable { path: path.display().to_string(), reason };
        let mut file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let found = file.metadata().map_err(|error| unreadable(error.to_string()))?.len();
        let mut header = Vec::with_capacity(HEADER);
        file.by_ref().take(HEADER as u64).read_to_end(&mut header).map_err(|error| unreadable(error.to_string()))?;
        let expected = Header::parse(&header)?.bytes();
        if found != expected {
            return Err(Error::WeightsLength { found, expected });
        }
        let length = usize::try_from(expected).map_err(|_| unreadable("it exceeds the address space".to_owned()))?;
        let mut buffer = Buffer::zeroed(length.div_ceil(size_of::<f32>()));
        let bytes = buffer.as_mut_bytes();
        bytes[..HEADER].copy_from_slice(&header);
        file.read_exact(&mut bytes[HEADER..length]).map_err(|error| unreadable(error.to_string()))?;
        Ok(Self(Source::Owned(Arc::new(buffer), length)))
    }

    /// The values, once header and length are known to be those of the program, and the body, when it came at run time, to be whole.
    pub(super) fn values(&self, length: usize, fingerprint: u64) -> Result<&[f32], Error> {
        let (bytes, check_body) = match &self.0 {
            Source::Embedded(bytes) => (*bytes, false),
            Source::Owned(buffer, length) => (&as_bytes(buffer.as_slice())[..*length], true),
        };
        let header = Header::parse(bytes)?;
        if header.fingerprint != fingerprint {
            return Err(Error::WeightsFingerprint { found: header.fingerprint, expected: fingerprint });
        }
        let expected = HEADER as u64 + 4 * length as u64;
        let found = if header.length == length as u64 { bytes.len() as u64 } else { header.bytes() };
        if found != expected {
            return Err(Error::WeightsLength { found, expected });
        }
        let body = &bytes[HEADER..];
        if check_body {
            let sum = checksum(body);
            if sum != header.checksum {
                return Err(Error::WeightsChecksum { found: sum, expected: header.checksum });
            }
        }
        as_values(body).ok_or(Error::WeightsMisaligned)
    }
}

struct Header {
    fingerprint: u64,
    /// In f32 values.
    length: u64,
    checksum: u64,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() < HEADER || bytes[..8] != MAGIC {
            let found = bytes[..bytes.len().min(8)].escape_ascii().to_string();
            return Err(Error::WeightsForeign { found });
        }
        let word = |index: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[index * 8..(index + 1) * 8]);
            u64::from_le_bytes(word)
        };
        Ok(Self { fingerprint: word(1), length: word(2), checksum: word(3) })
    }

    /// Bytes of header and values.
    fn bytes(&self) -> u64 {
        self.length.saturating_mul(4).saturating_add(HEADER as u64)
    }
}

/// FNV-1a 64 over little-endian u64 words; a last odd value is not part of it.
pub(super) fn checksum(body: &[u8]) -> u64 {
    body.as_chunks::<8>()
        .0
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, word| (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x0100_0000_01B3))
}

fn as_bytes(values: &[f32]) -> &[u8] {
    // SAFETY: the same memory, and a f32 has no byte that is not initialised.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}
