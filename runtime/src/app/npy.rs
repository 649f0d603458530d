//! The part of NumPy's file format that is needed: float32, little-endian, C order.

use std::io::Read;

/// The most bytes a header may have; NumPy's own stop at 64 KiB unless told otherwise.
const MOST_HEADER: usize = 1 << 16;

/// Reads a header up to the first value, and gives the shape.
///
/// # Errors
/// What was found, and what was expected.
pub(super) fn read_header(file: &mut impl Read) -> Result<Vec<usize>, (String, String)> {
    let whole = "a whole .npy file as numpy.save writes it";
    let short = |_| ("the file ends within its header".to_string(), whole.to_string());
    let mut start = [0; 8];
    file.read_exact(&mut start).map_err(short)?;
    if &start[..6] != b"\x93NUMPY" {
        return Err(("this is no .npy file".to_string(), whole.to_string()));
    }
    let length = match start[6] {
        1 => {
            let mut bytes = [0; 2];
            file.read_exact(&mut bytes).map_err(short)?;
            usize::from(u16::from_le_bytes(bytes))
        }
        2 | 3 => {
            let mut bytes = [0; 4];
            file.read_exact(&mut bytes).map_err(short)?;
            u32::from_le_bytes(bytes) as usize
        }
        other => return Err((format!("version {other} of the .npy format"), "version 1, 2 or 3".to_string())),
    };
    if length > MOST_HEADER {
        return Err((format!("a header of {length} bytes"), format!("at most {MOST_HEADER}")));
    }
    let mut header = vec![0; length];
    file.read_exact(&mut header).map_err(short)?;
    let header = String::from_utf8_lossy(&header);
    let broken =
        || (format!("the header {:?}", header.trim()), "a dictionary of descr, fortran_order and shape".into());
    let descr = value(&header, "descr").ok_or_else(broken)?;
    let kind = descr.strip_prefix(['\'', '"']).and_then(|rest| rest.split(['\'', '"']).next());
    match kind {
        Some("<f4" | "=f4") => {}
        Some(other) => {
            return Err((format!("values of dtype '{other}'"), "'<f4', that is little-endian float32".to_string()));
        }
        None => return Err(("values of a structured dtype".to_string(), "'<f4', that is float32".to_string())),
    }
    let order = value(&header, "fortran_order").ok_or_else(broken)?;
    if order.starts_with("True") {
        return Err(("values in Fortran order".to_string(), "C order, as numpy.ascontiguousarray gives".to_string()));
    }
    if !order.starts_with("False") {
        return Err(broken());
    }
    let shape = value(&header, "shape").ok_or_else(broken)?;
    let inside = shape.strip_prefix('(').and_then(|rest| rest.split_once(')')).ok_or_else(broken)?.0;
    let numbers = inside.split(',').map(str::trim).filter(|number| !number.is_empty());
    numbers.map(|number| number.parse().map_err(|_| broken())).collect()
}

/// What follows a key of the header's dictionary.
fn value<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let at = [format!("'{key}'"), format!("\"{key}\"")].iter().find_map(|key| Some(header.find(key)? + key.len()))?;
    Some(header.get(at..)?.trim_start().strip_prefix(':')?.trim_start())
}

/// The bytes of a file of this shape up to its first value.
pub(super) fn header(shape: &[usize]) -> Vec<u8> {
    let shape: String = shape.iter().map(|length| format!("{length},")).collect();
    let mut text = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({shape}), }}");
    // The values begin on a line of 64 bytes: ten bytes come before the text, and a line feed ends it.
    while (10 + text.len() + 1) % 64 != 0 {
        text.push(' ');
    }
    text.push('\n');
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((text.len() as u16).to_le_bytes());
    bytes.extend(text.into_bytes());
    bytes
}

/// Values as they are written.
pub(super) fn bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
