//! The orientation that a camera noted: EXIF 2.3, tag 0x0112.

use super::Picture;

const TAG: u16 = 0x0112;
const SHORT: u16 = 3;

/// The orientation, 1 to 8, that a block of EXIF data (a TIFF header and its directories) gives; 1, as stored, where
/// it gives none.
pub(super) fn orientation(data: &[u8]) -> u8 {
    find(data.strip_prefix(b"Exif\0\0").unwrap_or(data)).unwrap_or(1)
}

fn find(data: &[u8]) -> Option<u8> {
    let little = match data.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = data.get(at..)?.first_chunk()?;
        Some(if little { u16::from_le_bytes(*bytes) } else { u16::from_be_bytes(*bytes) })
    };
    let offset = data.get(4..)?.first_chunk()?;
    let offset = if little { u32::from_le_bytes(*offset) } else { u32::from_be_bytes(*offset) } as usize;
    let entries = usize::from(short(offset)?);
    for index in 0..entries {
        let entry = offset.checked_add(2 + index * 12)?;
        if short(entry)? == TAG {
            return match (short(entry.checked_add(2)?)?, short(entry.checked_add(8)?)?) {
                (SHORT, value @ 1..=8) => Some(value as u8),
                _ => None,
            };
        }
    }
    None
}

/// The picture as it is meant to be seen, from as it was stored.
pub(super) fn upright(stored: Picture, orientation: u8) -> Picture {
    let (last_x, last_y) = (stored.width - 1, stored.height - 1);
    // Where the pixel of a column and row of the result lies.
    let source: fn(usize, usize, usize, usize) -> (usize, usize) = match orientation {
        2 => |x, y, last_x, _| (last_x - x, y),
        3 => |x, y, last_x, last_y| (last_x - x, last_y - y),
        4 => |x, y, _, last_y| (x, last_y - y),
        5 => |x, y, _, _| (y, x),
        6 => |x, y, _, last_y| (y, last_y - x),
        7 => |x, y, last_x, last_y| (last_x - y, last_y - x),
        8 => |x, y, last_x, _| (last_x - y, x),
        _ => return stored,
    };
    let (width, height) = if orientation >= 5 { (stored.height, stored.width) } else { (stored.width, stored.height) };
    let mut pixels = Vec::with_capacity(stored.pixels.len());
    for y in 0..height {
        for x in 0..width {
            let (from_x, from_y) = source(x, y, last_x, last_y);
            let at = (from_y * stored.width + from_x) * 3;
            pixels.extend_from_slice(&stored.pixels[at..at + 3]);
        }
    }
    Picture { width, height, pixels }
}
