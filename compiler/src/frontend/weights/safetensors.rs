//! The safetensors format: the length of a JSON header (u64), the header, the tensors' bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::Deserializer;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use super::{Element, FileTensor};
use crate::ir::Shape;

/// A header may have this many bytes.
const LARGEST_HEADER: u64 = 1 << 24;

/// Whether a file begins as one: a header length and the brace that a header begins with.
pub fn resembles(content: &[u8]) -> bool {
    content.get(8) == Some(&b'{')
}

/// Whether a file is one, whatever else its first bytes could mean: no other format has four zeros there.
pub fn matches(content: &[u8]) -> bool {
    resembles(content) && content.get(4..8) == Some(&[0; 4])
}

/// The tensors of a file.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse(content: &[u8]) -> Result<BTreeMap<String, FileTensor>, String> {
    let length = content.first_chunk::<8>().map_or(0, |length| u64::from_le_bytes(*length));
    if length > LARGEST_HEADER {
        return Err(format!("the header claims {length} bytes, more than the {LARGEST_HEADER} that are read"));
    }
    let header = usize::try_from(length).ok().and_then(|length| content.get(8..)?.get(..length)).ok_or_else(|| {
        format!("the header claims {length} bytes, the file has {} after its length", content.len().saturating_sub(8))
    })?;
    let duplicates = duplicates(header).map_err(|error| format!("the header is not valid JSON: {error}"))?;
    if !duplicates.is_empty() {
        return Err(format!("the header has these names twice: `{}`", duplicates.join("`, `")));
    }
    let (_, metadata) = SafeTensors::read_metadata(content).map_err(explain)?;
    let data = 8 + header.len();
    let mut tensors = BTreeMap::new();
    for (name, info) in metadata.tensors() {
        let (begin, end) = info.data_offsets;
        let element = match info.dtype {
            Dtype::F32 => Element::F32,
            Dtype::F16 => Element::F16,
            Dtype::BF16 => Element::Bf16,
            Dtype::F64 => Element::F64,
            other => Element::Other(format!("{other:?}")),
        };
        // The file's length was checked against the offsets, so the sums do not overflow.
        let bytes = data + begin..data + end;
        tensors.insert(name, FileTensor::dense(Shape(info.shape.clone()), element, bytes));
    }
    Ok(tensors)
}

fn explain(error: SafeTensorError) -> String {
    match error {
        SafeTensorError::InvalidOffset(name) => {
            format!(
                "the bytes of `{name}` do not follow those of the tensor before: they overlap, leave a gap, or run backwards"
            )
        }
        SafeTensorError::MetadataIncompleteBuffer => {
            "the tensors do not fill the file: it is truncated, or has bytes that belong to none".to_owned()
        }
        SafeTensorError::TensorInvalidInfo => "a tensor's bytes are not as many as its shape and type need".to_owned(),
        SafeTensorError::ValidationOverflow => "a tensor's shape is too large to be true".to_owned(),
        other => format!("not a valid safetensors file: {other}"),
    }
}

/// The names that stand more than once in a JSON object; a map would keep the last in silence.
fn duplicates(header: &[u8]) -> Result<Vec<String>, serde_json::Error> {
    struct Names;

    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object of tensors")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<String>, A::Error> {
            let (mut seen, mut twice) = (BTreeSet::new(), BTreeSet::new());
            while let Some((name, IgnoredAny)) = map.next_entry::<String, IgnoredAny>()? {
                if !seen.insert(name.clone()) {
                    twice.insert(name);
                }
            }
            Ok(twice.into_iter().collect())
        }
    }

    serde_json::Deserializer::from_slice(header).deserialize_map(Names)
}
