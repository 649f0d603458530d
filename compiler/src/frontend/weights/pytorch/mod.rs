//! Files of `torch.save`: zip archives since PyTorch 1.6, and the sequence of pickles from before.

mod pickle;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use self::pickle::{Global, Id, Pickle, Value};
use super::archive::Archive;
use super::content::Content;
use super::{Element, FileTensor};
use crate::ir::Shape;

/// The number that a file from before PyTorch 1.6 begins with, pickled.
const MAGIC: [u8; 15] = [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, b'.'];
/// Under which keys training scripts keep the weights, the likeliest first.
const NESTED: [&str; 6] = ["state_dict", "model_state_dict", "model", "net", "network", "weights"];
/// What data-parallel training puts in front of every name.
const PREFIX: &str = "module.";

type Tensors = BTreeMap<String, FileTensor>;

/// Whether an archive is one of `torch.save`.
pub fn is_archive(archive: &Archive) -> bool {
    archive.entries.keys().any(|name| description(name).is_some())
}

/// The folder of an archive whose entry `data.pkl` this is.
fn description(name: &str) -> Option<&str> {
    name.strip_suffix("data.pkl").filter(|folder| folder.is_empty() || folder.ends_with('/'))
}

/// The tensors of an archive.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse_archive(archive: &Archive, content: &Content) -> Result<Tensors, String> {
    let mut found = archive.entries.iter().filter_map(|(name, range)| Some((description(name)?, range)));
    let (Some((folder, range)), None) = (found.next(), found.next()) else {
        return Err("the archive has no `data.pkl`, or several".to_owned());
    };
    let order = archive.entries.get(&format!("{folder}byteorder"));
    if order.is_some_and(|order| content.get(order) != Some(b"little")) {
        return Err("its numbers are not little-endian".to_owned());
    }
    let pickle = Pickle::read(content.get(range).unwrap_or_default())?;
    tensors(&pickle, |key| archive.entries.get(&format!("{folder}data/{key}")).cloned())
}

/// The tensors of a file from before PyTorch 1.6: pickles of a number, the version, the system, the data and the storages' keys, then
/// for each key the number of elements (u64) and their bytes.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse_legacy(content: &[u8]) -> Result<Tensors, String> {
    if !content.starts_with(&MAGIC) {
        // Read all the same, so that a hostile one is called by its name.
        Pickle::read(content)?;
        return Err("the file is a pickle, but not one of `torch.save`".to_owned());
    }
    let mut at = MAGIC.len();
    let mut next = || {
        let pickle = Pickle::read(content.get(at..).unwrap_or_default())?;
        at += pickle.length;
        Ok::<_, String>((pickle, at))
    };
    next()?;
    let (system, _) = next()?;
    if entry(&system, system.root(), "little_endian").and_then(|id| system.count(id)) != Some(1) {
        return Err("its numbers are not little-endian".to_owned());
    }
    let (pickle, _) = next()?;
    let (keys, mut at) = next()?;
    let Value::Sequence(listed) = keys.root() else {
        return Err("its storages are not listed".to_owned());
    };
    let sizes: BTreeMap<&str, usize> = pickle
        .values()
        .iter()
        .filter_map(|value| match value {
            Value::Persistent(id) => Storage::read(&pickle, *id).ok().map(|storage| (storage.key, storage.width)),
            _ => None,
        })
        .collect();
    let mut storages = BTreeMap::new();
    for id in listed {
        let key = keys.text(*id).ok_or("a storage's key is no text")?;
        let width = sizes.get(key).ok_or_else(|| format!("storage `{}` belongs to no tensor", key.escape_debug()))?;
        let head = content.get(at..).and_then(|rest| rest.first_chunk::<8>());
        let count = head.map(|head| u64::from_le_bytes(*head)).and_then(|count| usize::try_from(count).ok());
        let range = count
            .and_then(|count| at.checked_add(8)?.checked_add(count.checked_mul(*width)?))
            .filter(|end| *end <= content.len())
            .map(|end| at + 8..end);
        let range = range.ok_or_else(|| format!("storage `{}` is truncated", key.escape_debug()))?;
        at = range.end;
        storages.insert(key, range);
    }
    tensors(&pickle, |key| storages.get(key).cloned())
}

/// The value of a key of a dictionary.
fn entry(pickle: &Pickle<'_>, dict: &Value, key: &str) -> Option<Id> {
    match dict {
        Value::Dict(entries) => entries.iter().rev().find(|(id, _)| pickle.text(*id) == Some(key)).map(|(_, id)| *id),
        _ => None,
    }
}

/// The tensors of the dictionary that holds the weights: the root, or one of its entries.
fn tensors(pickle: &Pickle<'_>, bytes: impl Fn(&str) -> Option<Range<usize>>) -> Result<Tensors, String> {
    let Value::Dict(root) = pickle.root() else {
        return Err("it holds no dictionary of tensors: `torch.save(model.state_dict(), path)` writes one".to_owned());
    };
    let holds = |value: &Value| match value {
        Value::Dict(entries) => entries.iter().any(|(_, id)| matches!(pickle.value(*id), Value::Tensor(_))),
        _ => false,
    };
    let nested = || {
        let named = NESTED.iter().filter_map(|key| entry(pickle, pickle.root(), key));
        let any = root.iter().map(|(_, id)| *id);
        named.chain(any).map(|id| pickle.value(id)).find(|value| holds(value))
    };
    let weights = if holds(pickle.root()) { Some(pickle.root()) } else { nested() };
    let Some(Value::Dict(entries)) = weights else {
        return Err("it holds no dictionary of tensors: `torch.save(model.state_dict(), path)` writes one".to_owned());
    };
    let mut tensors = BTreeMap::new();
    let mut twice = BTreeSet::new();
    for (key, id) in entries {
        let Value::Tensor(arguments) = pickle.value(*id) else { continue };
        let name = pickle.text(*key).ok_or("a tensor's name is no text")?;
        let fail = |message| format!("tensor `{}`: {message}", name.escape_debug());
        let tensor = rebuild(pickle, *arguments, &bytes).map_err(fail)?;
        if tensors.insert(name.to_owned(), tensor).is_some() {
            twice.insert(name);
        }
    }
    if !twice.is_empty() {
        let twice: Vec<_> = twice.into_iter().collect();
        return Err(format!("it has these names twice: `{}`", twice.join("`, `")));
    }
    if tensors.keys().all(|name| name.starts_with(PREFIX)) {
        let bare =
            |(name, tensor): (String, FileTensor)| (name.strip_prefix(PREFIX).unwrap_or(&name).to_owned(), tensor);
        tensors = tensors.into_iter().map(bare).collect();
    }
    Ok(tensors)
}

/// A storage as a pickle names it.
struct Storage<'a> {
    key: &'a str,
    element: Element,
    /// Bytes per element.
    width: usize,
    /// Which of its elements are seen.
    elements: Range<usize>,
}

impl<'a> Storage<'a> {
    /// From `("storage", type, key, device, count)`, before PyTorch 1.6 with `(key, offset, count)` of a view after it.
    fn read(pickle: &Pickle<'a>, id: Id) -> Result<Self, String> {
        let parts = pickle.sequence(id).unwrap_or_default();
        let [_, kind, key, _, count, view @ ..] = parts else {
            return Err("its storage is not described".to_owned());
        };
        let Value::Global(Global::Storage(kind)) = pickle.value(*kind) else {
            return Err("its storage has no type".to_owned());
        };
        let (Some(key), Some(count)) = (pickle.text(*key), pickle.count(*count)) else {
            return Err("its storage has no key or no length".to_owned());
        };
        let (element, width) = element(kind).ok_or_else(|| format!("storages of type `{kind}` are not read"))?;
        let elements = match view.first().and_then(|view| pickle.sequence(*view)) {
            Some([_, offset, count]) => {
                let range = pickle.count(*offset).zip(pickle.count(*count));
                let range = range.and_then(|(offset, count)| Some(offset..offset.checked_add(count)?));
                range.ok_or("its view of a storage is no range")?
            }
            _ => 0..count,
        };
        Ok(Self { key, element, width, elements })
    }
}

/// How a kind of storage keeps an element, and in how many bytes.
fn element(kind: &str) -> Option<(Element, usize)> {
    let other = |name: &str, width| Some((Element::Other(name.to_owned()), width));
    match kind {
        "Float" => Some((Element::F32, 4)),
        "Half" => Some((Element::F16, 2)),
        "BFloat16" => Some((Element::Bf16, 2)),
        "Double" => Some((Element::F64, 8)),
        "Long" => other("I64", 8),
        "Int" => other("I32", 4),
        "Short" => other("I16", 2),
        "Char" => other("I8", 1),
        "Byte" => other("U8", 1),
        "Bool" => other("BOOL", 1),
        "ComplexFloat" => other("C64", 8),
        "ComplexDouble" => other("C128", 16),
        _ => None,
    }
}

/// A tensor from the arguments that it is rebuilt from: storage, offset, shape, strides.
fn rebuild(
    pickle: &Pickle<'_>,
    arguments: Id,
    bytes: &impl Fn(&str) -> Option<Range<usize>>,
) -> Result<FileTensor, String> {
    let Some([storage, offset, shape, strides, ..]) = pickle.sequence(arguments) else {
        return Err("it has no storage, offset, shape and strides".to_owned());
    };
    let Value::Persistent(storage) = pickle.value(*storage) else {
        return Err("it has no storage".to_owned());
    };
    let Storage { key, element, width, elements } = Storage::read(pickle, *storage)?;
    let counts = |id: &Id| -> Option<Vec<usize>> { pickle.sequence(*id)?.iter().map(|id| pickle.count(*id)).collect() };
    let (Some(offset), Some(shape), Some(strides)) = (pickle.count(*offset), counts(shape), counts(strides)) else {
        return Err("its offset, shape or strides are no counts".to_owned());
    };
    let bytes = bytes(key).ok_or_else(|| format!("its storage `{}` is not in the file", key.escape_debug()))?;
    let held = bytes.len() / width;
    if elements.end > held {
        return Err(format!("its storage claims {} elements, the file has {held}", elements.end));
    }
    let first = elements.start.checked_add(offset);
    let start = first.and_then(|first| bytes.start.checked_add(first.checked_mul(width)?));
    let room = elements.len().checked_sub(offset);
    let (Some(start), Some(room)) = (start, room) else {
        return Err(format!("its offset {offset} lies outside its storage of {} elements", elements.len()));
    };
    FileTensor::strided(Shape(shape), element, start..start + room * width, strides, width)
}
