//! Zip archives: entries by name, never as paths.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::sync::Arc;

use zip::{CompressionMethod, ZipArchive};

use super::content::{Budget, Content};

/// Where each entry of an archive lies in the content.
#[derive(Debug)]
pub struct Archive {
    /// The entries' bytes by their names.
    pub entries: BTreeMap<String, Range<usize>>,
}

impl Archive {
    /// Reads the archive that a content is. Stored entries stay where they are, others become parts of their own. Checksums are checked.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn read(content: &mut Content) -> Result<Self, String> {
        let broken = |error: &dyn std::fmt::Display| format!("the zip archive is broken or truncated: {error}");
        let whole = content.range();
        let (part, _) = content.part(&whole).ok_or_else(|| broken(&"it is in pieces"))?;
        let bytes = (*part).as_ref();
        let mut entries = BTreeMap::new();
        let mut budget = Budget::of(bytes.len());
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|error| broken(&error))?;
        if overlap(&mut archive).map_err(|error| broken(&error))? {
            return Err(broken(&"its entries overlap"));
        }
        for index in 0..archive.len() {
            let mut entry = archive.by_index(index).map_err(|error| broken(&error))?;
            if !entry.is_file() {
                continue;
            }
            let name = entry.name().map_err(|error| broken(&error))?.into_owned();
            let fail = |message: &dyn std::fmt::Display| format!("entry `{}`: {message}", name.escape_debug());
            let size = entry.size();
            let range = match entry.compression() {
                CompressionMethod::Stored => {
                    let start = entry.data_start().ok_or_else(|| fail(&"it has no beginning"))?;
                    let end = start.checked_add(size).filter(|end| *end <= bytes.len() as u64);
                    let end = end.ok_or_else(|| fail(&"it reaches past the end of the file"))?;
                    let read = io::copy(&mut entry, &mut io::sink()).map_err(|error| fail(&error))?;
                    if read != size {
                        return Err(fail(&format!("it has {read} bytes and claims {size}")));
                    }
                    start as usize..end as usize
                }
                CompressionMethod::Deflated => {
                    budget.take(size).map_err(|error| fail(&error))?;
                    let mut inflated = Vec::new();
                    let read = entry.take(size.saturating_add(1)).read_to_end(&mut inflated);
                    if read.map_err(|error| fail(&error))? as u64 != size {
                        return Err(fail(&format!("it does not have the {size} bytes that it claims")));
                    }
                    content.push(Arc::new(inflated))
                }
                other => return Err(fail(&format!("its compression, {other}, is not read"))),
            };
            if entries.insert(name.clone(), range).is_some() {
                return Err(format!("entry `{}` stands in it twice", name.escape_debug()));
            }
        }
        Ok(Self { entries })
    }
}

/// Whether two entries share bytes, so that little would be read over and over.
fn overlap(archive: &mut ZipArchive<Cursor<&[u8]>>) -> zip::result::ZipResult<bool> {
    let mut ranges = Vec::with_capacity(archive.len());
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        let start = entry.data_start().unwrap_or_default();
        ranges.push((start, start.saturating_add(entry.compressed_size())));
    }
    ranges.sort_unstable();
    Ok(ranges.windows(2).any(|pair| matches!(pair, [(_, end), (next, _)] if next < end)))
}
