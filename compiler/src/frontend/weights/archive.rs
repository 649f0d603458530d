//! Zip archives: entries by name, never as paths.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::ops::Range;

use zip::{CompressionMethod, ZipArchive};

/// Compressed entries may give this many bytes together.
const MOST_INFLATED: u64 = 1 << 30;

/// An archive's entries, as ranges of bytes.
#[derive(Debug)]
pub struct Archive {
    /// The archive's bytes, followed by those of entries that were compressed.
    pub content: Cow<'static, [u8]>,
    /// Where each entry lies.
    pub entries: BTreeMap<String, Range<usize>>,
}

impl Archive {
    /// Reads an archive. Stored entries stay where they are. Checksums are checked.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn read(content: Cow<'static, [u8]>) -> Result<Self, String> {
        let broken = |error: &dyn std::fmt::Display| format!("the zip archive is broken or truncated: {error}");
        let mut entries = BTreeMap::new();
        let mut inflated = Vec::new();
        let mut archive = ZipArchive::new(Cursor::new(content.as_ref())).map_err(|error| broken(&error))?;
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
                    let end = start.checked_add(size).filter(|end| *end <= content.len() as u64);
                    let end = end.ok_or_else(|| fail(&"it reaches past the end of the file"))?;
                    let read = io::copy(&mut entry, &mut io::sink()).map_err(|error| fail(&error))?;
                    if read != size {
                        return Err(fail(&format!("it has {read} bytes and claims {size}")));
                    }
                    start as usize..end as usize
                }
                CompressionMethod::Deflated => {
                    let left = MOST_INFLATED.saturating_sub(inflated.len() as u64);
                    if size > left {
                        return Err(fail(&format!("compressed entries give more than {MOST_INFLATED} bytes")));
                    }
                    let start = inflated.len();
                    let read = entry.take(size + 1).read_to_end(&mut inflated).map_err(|error| fail(&error))?;
                    if read as u64 != size {
                        return Err(fail(&format!("it does not have the {size} bytes that it claims")));
                    }
                    content.len() + start..content.len() + start + read
                }
                other => return Err(fail(&format!("its compression, {other}, is not read"))),
            };
            if entries.insert(name.clone(), range).is_some() {
                return Err(format!("entry `{}` stands in it twice", name.escape_debug()));
            }
        }
        let content = match inflated.is_empty() {
            true => content,
            false => {
                let mut content = content.into_owned();
                content.append(&mut inflated);
                Cow::Owned(content)
            }
        };
        Ok(Self { content, entries })
    }

    /// The bytes of an entry.
    pub fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.content.get(range.clone()).unwrap_or_default()
    }
}
