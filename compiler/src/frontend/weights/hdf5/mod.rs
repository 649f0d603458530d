//! HDF5 files: groups, texts and tensors by path.
//!
//! `hdf5-reader` decodes the format. What it must not do for a hostile file is bounded here: the bytes it may read (`Window`), what it may
//! copy (`Claims`) and decode (`Budget`), the filters it runs (deflate, shuffle, checksums). Files that links or storages name are never
//! opened. Its sizes are checked arithmetic but in one old layout message, where a debug build would panic; `guarded` turns that into an error.

mod claims;

use std::collections::BTreeMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hdf5_reader::error::Error;
pub use hdf5_reader::group::Group;
use hdf5_reader::messages::HdfMessage;
use hdf5_reader::messages::layout::DataLayout;
use hdf5_reader::{Attribute, ByteOrder, Dataset, Datatype, Hdf5File, OpenOptions, Storage, StorageBuffer};

use claims::Claims;

use super::content::{Budget, Content, Part};
use super::{Element, FileTensor};
use crate::ir::Shape;

/// A header of a group or a dataset may have this many bytes.
const LARGEST_HEADER: usize = 1 << 26;
/// Bytes that may be read for every byte of the file, and besides: headers and heaps are read more than once.
const READS: (u64, u64) = (8, 1 << 22);
/// Lists of names are split when they are longer than 64 KB; this many pieces are looked for.
const MOST_PIECES: usize = 1 << 12;

/// A file that is open, inside a content.
pub struct Hdf5<'a> {
    file: Hdf5File,
    content: &'a mut Content,
    /// The address that the file's own addresses are relative to.
    origin: usize,
    end: usize,
    budget: Budget,
    claims: Claims,
    read: BTreeMap<u64, FileTensor>,
}

/// Runs what reads a file, so that a panic in the library is an error.
pub fn guarded<T>(read: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let outcome = catch_unwind(AssertUnwindSafe(read));
    outcome.unwrap_or_else(|_| Err("the HDF5 file is broken: a size in it overflows".to_owned()))
}

impl<'a> Hdf5<'a> {
    /// Opens the file that lies in a range of a content.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn open(content: &'a mut Content, range: &Range<usize>) -> Result<Self, String> {
        let (part, inside) = content.part(range).ok_or("the HDF5 file is in pieces")?;
        let length = inside.len();
        let left = AtomicU64::new((length as u64).saturating_mul(READS.0).saturating_add(READS.1));
        let (budget, claims) = (Budget::of(length), Claims::of(length));
        let options = OpenOptions::default()
            .with_chunk_cache_bytes(0)
            .with_max_object_header_bytes(LARGEST_HEADER)
            .with_filter_registry(filters());
        let window = Arc::new(Window { part, range: inside, left });
        let file = Hdf5File::from_storage_with_options(window, options).map_err(|error| explain(&error))?;
        let superblock = file.superblock();
        let base = usize::try_from(superblock.base_address).unwrap_or(usize::MAX);
        let claimed = superblock.eof_address;
        if claimed > length as u64 {
            return Err(format!("the HDF5 file is truncated: it claims {claimed} bytes and has {length}"));
        }
        let origin = range.start.saturating_add(base);
        Ok(Self { file, content, origin, end: range.end, budget, claims, read: BTreeMap::new() })
    }

    /// The group that holds everything.
    pub fn root(&mut self) -> Result<Group, String> {
        let root = self.file.root_group().map_err(|error| explain(&error))?;
        self.claims.group(&self.file, root.address())?;
        Ok(root)
    }

    /// The group at a path below another.
    pub fn group(&mut self, from: &Group, path: &str) -> Result<Option<Group>, String> {
        let mut group = from.clone();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            self.claims.group(&self.file, group.address())?;
            match group.group(name) {
                Ok(found) => group = found,
                Err(Error::GroupNotFound(_)) => return Ok(None),
                Err(error) => return Err(explain(&error)),
            }
        }
        Ok(Some(group))
    }

    /// The groups and the datasets of a group, with their names.
    pub fn members(&mut self, group: &Group) -> Result<(Vec<Group>, Vec<Dataset>), String> {
        self.claims.group(&self.file, group.address())?;
        group.members().map_err(|error| explain(&error))
    }

    /// The dataset at a path below a group.
    pub fn dataset(&mut self, from: &Group, path: &str) -> Result<Option<Dataset>, String> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(group) = self.group(from, folder)? else { return Ok(None) };
        self.claims.group(&self.file, group.address())?;
        match group.dataset(name) {
            Ok(dataset) => Ok(Some(dataset)),
            Err(Error::DatasetNotFound(_)) => Ok(None),
            Err(error) => Err(explain(&error)),
        }
    }

    /// A list of texts that is an attribute of a group, or several of that name with 0, 1, 2 and so on behind it.
    pub fn texts(&self, group: &Group, name: &str) -> Result<Option<Vec<String>>, String> {
        let attributes = group.attributes().map_err(|error| explain(&error))?;
        let by_name: BTreeMap<&str, &Attribute> =
            attributes.iter().map(|attribute| (attribute.name.as_str(), attribute)).collect();
        if let Some(attribute) = by_name.get(name) {
            return texts(attribute).map(Some);
        }
        let mut all = None;
        for piece in 0..MOST_PIECES {
            let Some(attribute) = by_name.get(format!("{name}{piece}").as_str()) else { break };
            all.get_or_insert_with(Vec::new).extend(texts(attribute)?);
        }
        Ok(all)
    }

    /// A text that is an attribute of a group.
    pub fn text(&self, group: &Group, name: &str) -> Result<Option<String>, String> {
        Ok(self.texts(group, name)?.and_then(|texts| texts.into_iter().next()))
    }

    /// A dataset as a tensor: in place when its values lie in one piece, else decoded.
    pub fn tensor(&mut self, dataset: &Dataset) -> Result<FileTensor, String> {
        if let Some(tensor) = self.read.get(&dataset.address()) {
            return Ok(tensor.clone());
        }
        let shape: Option<Vec<usize>> = dataset.shape().iter().map(|extent| usize::try_from(*extent).ok()).collect();
        let (element, width, swapped) = element(dataset)?;
        let size = shape.as_ref().and_then(|shape| shape.iter().try_fold(width, |size, axis| size.checked_mul(*axis)));
        let (Some(shape), Some(size)) = (shape, size) else {
            return Err(format!("its shape {:?} is too large to be true", dataset.shape()));
        };
        let bytes = match element {
            Element::Other(_) => 0..0,
            _ if size == 0 => 0..0,
            _ => self.values(dataset, size, swapped.then_some(width))?,
        };
        let tensor = FileTensor::dense(Shape(shape), element, bytes);
        self.read.insert(dataset.address(), tensor.clone());
        Ok(tensor)
    }

    /// Where the values of a dataset lie. Those that are stored big-endian have a width.
    fn values(&mut self, dataset: &Dataset, size: usize, swapped: Option<usize>) -> Result<Range<usize>, String> {
        let header = self.file.get_or_parse_header(dataset.address()).map_err(|error| explain(&error))?;
        if header.messages.iter().any(|message| matches!(message, HdfMessage::ExternalFiles(_))) {
            return Err("its values are in another file, which is not followed".to_owned());
        }
        let layout = header.messages.iter().rev().find_map(|message| match message {
            HdfMessage::DataLayout(message) => Some(&message.layout),
            _ => None,
        });
        let absent = || "it has no values, or they lie outside of the file".to_owned();
        let room = self.end.saturating_sub(self.origin);
        match layout {
            Some(DataLayout::Contiguous { address, size: stored }) => {
                let start = usize::try_from(*address).ok().filter(|start| *start < room).ok_or_else(absent)?;
                let end = start.checked_add(size).filter(|end| *end <= room).ok_or_else(absent)?;
                if *stored == size as u64 && swapped.is_none() {
                    return Ok(self.origin + start..self.origin + end);
                }
            }
            Some(DataLayout::Chunked { address, .. }) if *address >= room as u64 => return Err(absent()),
            _ => {}
        }
        self.budget.take(size as u64)?;
        let mut values = dataset.read_raw_bytes().map_err(|error| explain(&error))?;
        if let Some(width) = swapped {
            values.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        Ok(self.content.push(Arc::new(values)))
    }
}

/// The bytes of a file, as many as may be read of them.
struct Window {
    part: Part,
    range: Range<usize>,
    left: AtomicU64,
}

impl Storage for Window {
    fn len(&self) -> u64 {
        self.range.len() as u64
    }

    fn read_range(&self, offset: u64, length: usize) -> Result<StorageBuffer, Error> {
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub((length as u64).max(1)))
            .is_ok();
        if !taken {
            let message = "its parts are read over and over: they overlap, or link in circles";
            return Err(Error::ResourceLimit(message.to_owned()));
        }
        let start = usize::try_from(offset).ok().and_then(|offset| self.range.start.checked_add(offset));
        let inside = start.filter(|start| start.checked_add(length).is_some_and(|end| end <= self.range.end));
        let start = inside.ok_or(Error::UnexpectedEof { offset, needed: length as u64, available: self.len() })?;
        StorageBuffer::from_shared_owner(Arc::clone(&self.part), start, length)
    }
}

/// Those that Keras and h5py use.
fn filters() -> hdf5_reader::FilterRegistry {
    let mut registry = hdf5_reader::FilterRegistry::new();
    for (code, name) in [(4, "szip"), (5, "nbit"), (6, "scale-offset")] {
        let refuse = move |_: &_, _: &[u8], _| Err(Error::UnsupportedFilter(format!("{name} is not read")));
        registry.register(code, Box::new(refuse));
    }
    registry
}

/// How a dataset stores an element, in how many bytes, and whether they stand in the order of big-endian numbers.
fn element(dataset: &Dataset) -> Result<(Element, usize, bool), String> {
    let other = |name: String| Ok((Element::Other(name), 1, false));
    match dataset.dtype() {
        Datatype::FloatingPoint { size, byte_order } => {
            // The widths of exponent and mantissa tell formats of one size apart.
            let raw = dataset.raw_datatype().map_err(|error| explain(&error))?;
            let (exponent, mantissa) = (raw.get(13).copied(), raw.get(15).copied());
            let swapped = *byte_order == ByteOrder::BigEndian;
            match (*size, exponent, mantissa) {
                (4, Some(8), Some(23)) => Ok((Element::F32, 4, swapped)),
                (2, Some(5), Some(10)) => Ok((Element::F16, 2, swapped)),
                (2, Some(8), Some(7)) => Ok((Element::Bf16, 2, swapped)),
                (8, Some(11), Some(52)) => Ok((Element::F64, 8, swapped)),
                _ => other(format!("floating point numbers of {size} bytes")),
            }
        }
        Datatype::FixedPoint { size, signed, .. } => {
            other(format!("{}{}", if *signed { 'I' } else { 'U' }, u32::from(*size) * 8))
        }
        // How h5py writes the numbers of a type that HDF5 has not; Keras says which.
        Datatype::Opaque { size: 2, .. } => {
            let says = dataset.attribute("dtype").ok().and_then(|attribute| texts(&attribute).ok());
            match says.as_ref().and_then(|says| says.first()) {
                Some(name) if name == "bfloat16" => Ok((Element::Bf16, 2, false)),
                _ => other("opaque".to_owned()),
            }
        }
        Datatype::Opaque { .. } => other("opaque".to_owned()),
        Datatype::String { .. } | Datatype::VarLen { .. } => other("text".to_owned()),
        Datatype::Enum { .. } => other("enumerated".to_owned()),
        _ => other("compound".to_owned()),
    }
}

/// The texts of an attribute; none when it is empty, whatever its type.
fn texts(attribute: &Attribute) -> Result<Vec<String>, String> {
    if attribute.shape.contains(&0) {
        return Ok(Vec::new());
    }
    let single = || attribute.read_string().map(|text| vec![text]);
    let read = if attribute.shape.is_empty() { single() } else { attribute.read_strings() };
    read.map_err(|error| format!("attribute `{}`: {}", attribute.name.escape_debug(), explain(&error)))
}

fn explain(error: &Error) -> String {
    match error {
        Error::ResourceLimit(message) | Error::UnsupportedFilter(message) | Error::UnsupportedEncoding(message) => {
            format!("the HDF5 file is not read: {message}")
        }
        _ => format!("the HDF5 file is broken or truncated: {error}"),
    }
}
