//! What the objects of a file claim for themselves, before the library reads it.
//!
//! In a file that was written honestly, names, links and attributes lie side by side, so that all of them are no longer than the file. A
//! hostile one points to the same long name or text from a hundred thousand places, and the library would copy it for each.

use std::collections::BTreeSet;

use hdf5_reader::btree_v1::collect_btree_v1_leaves_storage;
use hdf5_reader::btree_v2::{BTreeV2Header, BTreeV2Record, collect_btree_v2_records_storage};
use hdf5_reader::fractal_heap::{FractalHeap, FractalHeapDirectBlockCache};
use hdf5_reader::io::Cursor;
use hdf5_reader::local_heap::LocalHeap;
use hdf5_reader::messages::attribute::AttributeMessage;
use hdf5_reader::messages::link::{LinkMessage, LinkTarget};
use hdf5_reader::messages::symbol_table_msg::SymbolTableMessage;
use hdf5_reader::messages::{HdfMessage, attribute, link};
use hdf5_reader::symbol_table::SymbolTableNode;
use hdf5_reader::{Datatype, Hdf5File, StringSize};

use super::explain;

/// Some things are counted twice, as there are two indices of them.
const TIMES: u64 = 4;

/// What may still be claimed, and by whom it was.
pub struct Claims {
    left: u64,
    groups: BTreeSet<u64>,
    objects: BTreeSet<u64>,
}

impl Claims {
    /// For a file of `length` bytes.
    pub fn of(length: usize) -> Self {
        Self { left: (length as u64).saturating_mul(TIMES), groups: BTreeSet::new(), objects: BTreeSet::new() }
    }

    /// Counts the links of a group, and the attributes of it and of what it links to. All links are to objects of the file.
    pub fn group(&mut self, file: &Hdf5File, address: u64) -> Result<(), String> {
        if !self.groups.insert(address) {
            return Ok(());
        }
        self.attributes(file, address)?;
        let header = file.get_or_parse_header(address).map_err(|error| explain(&error))?;
        let mut children = Vec::new();
        for message in &header.messages {
            match message {
                HdfMessage::Link(link) => children.push(self.link(link)?),
                HdfMessage::LinkInfo(info) => {
                    let index = info.btree_name_index_address;
                    dense(file, info.fractal_heap_address, index, |bytes, [offset, length]| {
                        self.take(bytes.len())?;
                        let link = link::parse(&mut Cursor::new(bytes), offset, length, bytes.len());
                        children.push(self.link(&link.map_err(|error| explain(&error))?)?);
                        Ok(())
                    })?;
                }
                HdfMessage::SymbolTable(table) => self.table(file, table, &mut children)?,
                _ => {}
            }
        }
        children.into_iter().try_for_each(|child| self.attributes(file, child))
    }

    /// Counts the attributes of an object.
    fn attributes(&mut self, file: &Hdf5File, address: u64) -> Result<(), String> {
        if !self.objects.insert(address) {
            return Ok(());
        }
        let header = file.get_or_parse_header(address).map_err(|error| explain(&error))?;
        for message in &header.messages {
            match message {
                HdfMessage::Attribute(attribute) => self.texts(file, attribute)?,
                HdfMessage::AttributeInfo(info) => {
                    for index in [Some(info.btree_name_index_address), info.btree_creation_order_address] {
                        let Some(index) = index else { continue };
                        dense(file, info.fractal_heap_address, index, |bytes, [offset, length]| {
                            self.take(bytes.len())?;
                            let attribute = attribute::parse(&mut Cursor::new(bytes), offset, length, bytes.len());
                            self.texts(file, &attribute.map_err(|error| explain(&error))?)
                        })?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Counts the texts of an attribute that lie elsewhere: each is a length (u32), an address and a number (u32).
    fn texts(&mut self, file: &Hdf5File, attribute: &AttributeMessage) -> Result<(), String> {
        let elsewhere = match &attribute.datatype {
            Datatype::VarLen { .. } => true,
            Datatype::String { size, .. } => *size == StringSize::Variable,
            _ => false,
        };
        if elsewhere {
            let width = 8 + usize::from(file.superblock().offset_size);
            for reference in attribute.raw_data.chunks_exact(width) {
                let length = reference.first_chunk().map_or(0, |length| u32::from_le_bytes(*length));
                self.take(length as usize)?;
            }
        }
        Ok(())
    }

    /// Counts the names of a group of the old style.
    fn table(&mut self, file: &Hdf5File, table: &SymbolTableMessage, children: &mut Vec<u64>) -> Result<(), String> {
        let [offset, length] = sizes(file);
        let storage = file.storage();
        let broken = |error| explain(&error);
        let heap = LocalHeap::parse_at_storage(storage, table.heap_address, offset, length).map_err(broken)?;
        let segment = usize::try_from(heap.data_segment_size).unwrap_or(usize::MAX);
        let segment = storage.read_range(heap.data_segment_address, segment).map_err(broken)?;
        let leaves = collect_btree_v1_leaves_storage(storage, table.btree_address, offset, length, None, &[], None);
        for (_, address) in leaves.map_err(broken)? {
            let count = storage.read_range(address, 8).map_err(broken)?;
            let count =
                count.get(6..8).and_then(|count| count.first_chunk()).map_or(0, |count| u16::from_le_bytes(*count));
            let size = 8 + usize::from(count) * (24 + 2 * usize::from(offset));
            let node = storage.read_range(address, size).map_err(broken)?;
            let node = SymbolTableNode::parse(&mut Cursor::new(&node), offset, length).map_err(broken)?;
            for entry in node.entries {
                let at = usize::try_from(entry.link_name_offset).unwrap_or(usize::MAX);
                let name = segment.get(at..).unwrap_or_default();
                let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
                self.take(end)?;
                if entry.cache_type == 2 {
                    return Err(followed("a soft link", &String::from_utf8_lossy(name.get(..end).unwrap_or_default())));
                }
                children.push(entry.object_header_address);
            }
        }
        Ok(())
    }

    fn link(&mut self, link: &LinkMessage) -> Result<u64, String> {
        self.take(link.name.len())?;
        match link.target {
            LinkTarget::Hard { address } => Ok(address),
            LinkTarget::Soft { .. } => Err(followed("a soft link", &link.name)),
            LinkTarget::External { .. } => Err(followed("a link to another file", &link.name)),
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), String> {
        let left = self.left.checked_sub(bytes as u64);
        self.left = left.ok_or("the HDF5 file is broken: its names, links and attributes are longer than itself")?;
        Ok(())
    }
}

fn followed(what: &str, name: &str) -> String {
    format!("`{}` is {what}, which is not followed", name.escape_debug())
}

/// The sizes of the file's addresses and lengths.
fn sizes(file: &Hdf5File) -> [u8; 2] {
    [file.superblock().offset_size, file.superblock().length_size]
}

/// Hands over each object of a heap that an index lists, one at a time.
fn dense(
    file: &Hdf5File,
    heap: u64,
    index: u64,
    mut each: impl FnMut(&[u8], [u8; 2]) -> Result<(), String>,
) -> Result<(), String> {
    let [offset, length] = sizes(file);
    if Cursor::is_undefined_offset(heap, offset) || Cursor::is_undefined_offset(index, offset) {
        return Ok(());
    }
    let storage = file.storage();
    let broken = |error| explain(&error);
    let heap = FractalHeap::parse_at_storage(storage, heap, offset, length).map_err(broken)?;
    let header = BTreeV2Header::parse_at_storage(storage, index, offset, length).map_err(broken)?;
    let records =
        collect_btree_v2_records_storage(storage, &header, offset, length, None, &[], None).map_err(broken)?;
    let mut blocks = FractalHeapDirectBlockCache::default();
    for record in records {
        let id = match &record {
            BTreeV2Record::LinkNameHash { heap_id, .. }
            | BTreeV2Record::CreationOrder { heap_id, .. }
            | BTreeV2Record::AttributeNameHash { heap_id, .. }
            | BTreeV2Record::AttributeCreationOrder { heap_id, .. } => heap_id,
            _ => continue,
        };
        let object = heap.get_object_storage_cached(id, storage, offset, length, &mut blocks).map_err(broken)?;
        each(&object, [offset, length])?;
    }
    Ok(())
}
