//! Archives of NumPy arrays: `np.savez` and `np.savez_compressed`.
//!
//! An array is the magic, a version, the length of a header (u16, later u32), the header (a dictionary of Python with `descr`,
//! `fortran_order` and `shape`), then its elements. The format is that of NumPy Enhancement Proposal 1. The header is read here: the library
//! for it takes nested brackets by recursion and multiplies extents unchecked.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::archive::Archive;
use super::content::{Budget, Content};
use super::{Element, FileTensor};
use crate::ir::Shape;

const MAGIC: &[u8] = b"\x93NUMPY";
/// A header may have this many bytes, as in NumPy.
const LONGEST_HEADER: usize = 10_000;

/// Whether an archive is one of arrays.
pub fn is_archive(archive: &Archive) -> bool {
    !archive.entries.is_empty() && archive.entries.keys().all(|name| name.ends_with(".npy"))
}

/// The arrays of an archive.
///
/// # Errors
/// A sentence that says what is wrong with one.
pub fn parse(archive: &Archive, content: &mut Content) -> Result<BTreeMap<String, FileTensor>, String> {
    let total: usize = archive.entries.values().map(ExactSizeIterator::len).sum();
    let mut budget = Budget::of(total);
    let mut tensors = BTreeMap::new();
    for (entry, range) in &archive.entries {
        let name = entry.strip_suffix(".npy").unwrap_or(entry);
        let tensor = array(range, content, &mut budget);
        let tensor = tensor.map_err(|message| format!("array `{}`: {message}", name.escape_debug()))?;
        tensors.insert(name.to_owned(), tensor);
    }
    Ok(tensors)
}

fn array(range: &Range<usize>, content: &mut Content, budget: &mut Budget) -> Result<FileTensor, String> {
    let bytes = content.get(range).unwrap_or_default();
    let header = header(bytes).ok_or("it does not begin as an array of NumPy does, or is truncated")?;
    let start = range.start + header.end;
    let text = std::str::from_utf8(bytes.get(header).unwrap_or_default()).map_err(|_| "its header is no text")?;
    let Header { kind, fortran, shape } = Header::read(text).ok_or_else(|| {
        let shown: String = text.chars().take(80).collect();
        format!("its header `{}` is no dictionary of descr, fortran_order and shape", shown.trim_end().escape_debug())
    })?;
    if kind.trim_start_matches(['|', '<', '>', '=']) == "O" {
        return Err("it is pickled, which is not read: its elements are objects of Python".to_owned());
    }
    let (element, width, swapped) = element(&kind);
    let dense = shape.iter().try_fold(width, |size, extent| size.checked_mul(*extent));
    let size = dense.ok_or_else(|| format!("its shape {} is too large to be true", Shape(shape.clone())))?;
    let held = range.end.saturating_sub(start);
    if held != size && !matches!(element, Element::Other(_)) {
        return Err(format!("its shape {} takes {size} bytes, it has {held}", Shape(shape)));
    }
    let mut stored = start..range.end;
    if swapped && width > 1 {
        budget.take(held as u64)?;
        let mut values = content.get(&stored).unwrap_or_default().to_vec();
        values.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        stored = content.push(Arc::new(values));
    }
    if !fortran || matches!(element, Element::Other(_)) {
        return Ok(FileTensor::dense(Shape(shape), element, stored));
    }
    let strides = shape.iter().scan(1_usize, |next, extent| {
        let stride = *next;
        *next = next.saturating_mul(*extent);
        Some(stride)
    });
    FileTensor::strided(Shape(shape.clone()), element, stored, strides.collect(), width)
}

/// Where the header of an array lies.
fn header(bytes: &[u8]) -> Option<Range<usize>> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (start, length) = match rest {
        [1, _, a, b, ..] => (10, usize::from(u16::from_le_bytes([*a, *b]))),
        [2 | 3, _, a, b, c, d, ..] => (12, usize::try_from(u32::from_le_bytes([*a, *b, *c, *d])).ok()?),
        _ => return None,
    };
    (length <= LONGEST_HEADER && start + length <= bytes.len()).then(|| start..start + length)
}

/// How elements are stored, in how many bytes, and whether these stand in the order of big-endian numbers.
fn element(kind: &str) -> (Element, usize, bool) {
    let (order, bare) = match kind.split_at_checked(1) {
        Some((order @ ("<" | ">" | "|" | "="), bare)) => (order, bare),
        _ => ("<", kind),
    };
    let swapped = order == ">";
    match bare {
        "f4" => (Element::F32, 4, swapped),
        "f2" => (Element::F16, 2, swapped),
        "f8" => (Element::F64, 8, swapped),
        other => (Element::Other(other.to_owned()), 1, false),
    }
}

/// What a header says.
#[derive(Debug, PartialEq)]
struct Header {
    kind: String,
    fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// Reads `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`. What `descr` of records is stays text.
    fn read(text: &str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim_start();
        let (mut kind, mut fortran, mut shape) = (None, None, None);
        while !rest.is_empty() {
            let (key, after) = quoted(rest)?;
            let value = after.trim_start().strip_prefix(':')?.trim_start();
            rest = match key {
                "descr" => {
                    let (text, after) = quoted(value).or_else(|| bracketed(value, '[', ']'))?;
                    kind.replace(text.to_owned()).is_none().then_some(after)?
                }
                "fortran_order" => {
                    let (value, after) = match value.strip_prefix("True") {
                        Some(after) => (true, after),
                        None => (false, value.strip_prefix("False")?),
                    };
                    fortran.replace(value).is_none().then_some(after)?
                }
                "shape" => {
                    let (list, after) = bracketed(value, '(', ')')?;
                    let list = list.trim().trim_end_matches(',');
                    // Python 2 wrote an `L` behind a long number.
                    let number = |text: &str| text.trim().trim_end_matches('L').parse().ok();
                    let extents =
                        if list.is_empty() { Some(Vec::new()) } else { list.split(',').map(number).collect() };
                    shape.replace(extents?).is_none().then_some(after)?
                }
                _ => return None,
            };
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').map_or(rest, str::trim_start);
        }
        Some(Self { kind: kind?, fortran: fortran?, shape: shape? })
    }
}

/// A text in quotes, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    text.get(1..)?.split_once(quote)
}

/// What stands between brackets, which may lie in each other, and what follows them.
fn bracketed(text: &str, open: char, close: char) -> Option<(&str, &str)> {
    let inside = text.strip_prefix(open)?;
    let mut depth = 1_usize;
    for (at, letter) in inside.char_indices() {
        depth = depth + usize::from(letter == open) - usize::from(letter == close);
        if depth == 0 {
            return Some((inside.get(..at)?, inside.get(at + close.len_utf8()..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_dictionaries() {
        let read = |text: &str| Header::read(text).map(|header| (header.kind, header.fortran, header.shape));
        let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   \n";
        assert_eq!(read(good), Some(("<f4".to_owned(), false, vec![2, 3])));
        let other = r#"{"shape":(7L,),"fortran_order":True,"descr":">f8"}"#;
        assert_eq!(read(other), Some((">f8".to_owned(), true, vec![7])));
        let scalar = "{'descr': '|O', 'fortran_order': False, 'shape': ()}";
        assert_eq!(read(scalar), Some(("|O".to_owned(), false, vec![])));
        let record = "{'descr': [('a', '<f4'), ('b', [('c', '<i2')])], 'fortran_order': False, 'shape': (1,)}";
        assert_eq!(read(record).map(|(_, _, shape)| shape), Some(vec![1]));
        for wrong in [
            "",
            "{}",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999,)}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'more': 1}",
            "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': ((((((((",
            "{'descr",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
