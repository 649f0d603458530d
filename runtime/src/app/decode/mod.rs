//! From a picture file to 8-bit red, green and blue.

mod exif;
mod jpeg;
mod png;

use std::ffi::OsString;
use std::io::{self, BufReader, Read, Seek};
use std::path::Path;

use super::{Problem, files};

/// The variable that sets how many pixels a picture may have.
const VARIABLE: &str = "RESNET_PICTURE_PIXELS";
/// How many it may have where nothing is set.
const USUAL: u64 = 100_000_000;

/// The most pixels that a picture may have: 100 million, or what the variable `RESNET_PICTURE_PIXELS` says.
///
/// # Errors
/// When the variable is no such number.
pub(super) fn most_pixels() -> Result<u64, Problem> {
    parsed(std::env::var_os(VARIABLE))
}

fn parsed(set: Option<OsString>) -> Result<u64, Problem> {
    let Some(set) = set else { return Ok(USUAL) };
    let number = set.to_str().and_then(|text| text.parse().ok()).filter(|number| (1..=1 << 40).contains(number));
    number.ok_or_else(|| Problem::new(VARIABLE, format!("it is {set:?}")).expected("a number of pixels from 1 to 2^40"))
}

/// A picture: rows from the top, pixels from the left, each red, green, blue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `height * width * 3` values.
    pub pixels: Vec<u8>,
}

/// Why a file gives no picture.
#[derive(Debug)]
enum Refusal {
    /// It is not what its format says; the decoder's reason.
    Damaged(String),
    /// A kind of the format that is not read.
    Unsupported(String),
    /// Width and height that nothing is done for.
    Size(u64, u64),
    /// The file cannot be read further.
    Unreadable(io::Error),
}

/// Reads a JPEG or PNG file, whatever its name, and turns it upright as its EXIF orientation says. Grey becomes three
/// equal channels, alpha is dropped, palettes are resolved, and so is CMYK, always taken as Adobe stores it, inverted:
/// all as Pillow does. Of 16-bit values the upper half counts, of grey ones too, which Pillow clips to white.
///
/// # Errors
/// When the file cannot be read, is no ordinary file, is no JPEG or PNG, is damaged or cut off, or has more than 100
/// million pixels (or than the variable `RESNET_PICTURE_PIXELS` allows). The header is judged before memory is taken for
/// what it promises.
pub fn decode(path: &Path) -> Result<Picture, Problem> {
    let problem = |found: String| Problem::new(path.display(), found);
    let unreadable = |error: io::Error| problem(format!("cannot be read: {error}"));
    let (mut file, length) = files::open(path)?;
    if length == 0 {
        return Err(problem("the file is empty".into()).expected("a JPEG or PNG picture"));
    }
    let mut start = Vec::new();
    (&mut file).take(16).read_to_end(&mut start).and_then(|_| file.rewind()).map_err(unreadable)?;
    let most = most_pixels()?;
    let decoded = match Format::of(&start) {
        Some(Format::Jpeg) => jpeg::decode(file, length, most),
        Some(Format::Png) => png::decode(BufReader::new(file), most),
        Some(Format::Other(name)) => {
            return Err(problem(format!("the content is {name}"))
                .expected("a JPEG or PNG picture")
                .hint("convert it, for instance to PNG"));
        }
        None => {
            return Err(problem("the content is of no known picture format".into())
                .expected("a JPEG or PNG picture")
                .hint("raw numbers go through `tensor`"));
        }
    };
    let (picture, orientation) = decoded.map_err(|refusal| match refusal {
        Refusal::Damaged(reason) => problem(format!("the picture is damaged: {reason}"))
            .expected("a whole JPEG or PNG picture")
            .hint("fetch or save it again"),
        Refusal::Unsupported(reason) => problem(reason)
            .expected("a JPEG or PNG picture of a common kind")
            .hint("save it again with another program"),
        Refusal::Size(width, height) => problem(format!("the picture is {width}x{height} pixels"))
            .expected(match most {
                USUAL => "at least one and at most 100 million pixels".to_owned(),
                other => format!("at least one and at most {other} pixels"),
            })
            .hint(format!("{VARIABLE}=NUMBER allows as many")),
        Refusal::Unreadable(error) => unreadable(error),
    })?;
    Ok(exif::upright(picture, orientation))
}

/// Checks a header's width and height before anything is done for them.
fn check_size(width: u64, height: u64, most: u64) -> Result<(), Refusal> {
    match width.checked_mul(height) {
        Some(pixels) if (1..=most).contains(&pixels) => Ok(()),
        _ => Err(Refusal::Size(width, height)),
    }
}

/// Three equal channels from each value's first of `step`.
fn spread(values: &[u8], step: usize) -> Vec<u8> {
    values.iter().step_by(step).flat_map(|&value| [value; 3]).collect()
}

/// What a file's first bytes say.
enum Format {
    Jpeg,
    Png,
    Other(&'static str),
}

impl Format {
    fn of(start: &[u8]) -> Option<Self> {
        let at = |offset: usize, bytes: &[u8]| start.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
        let known = [
            (0, &b"GIF8"[..], "GIF"),
            (0, b"BM", "BMP"),
            (0, b"II*\0", "TIFF"),
            (0, b"MM\0*", "TIFF"),
            (8, b"WEBP", "WebP"),
            (4, b"ftypavif", "AVIF"),
            (4, b"ftyphei", "HEIF"),
            (4, b"ftypmif1", "HEIF"),
            (0, b"\x93NUMPY", "a NumPy array; run it with `tensor IN.npy OUT.npy`"),
        ];
        if at(0, b"\xff\xd8\xff") {
            Some(Self::Jpeg)
        } else if at(0, b"\x89PNG\r\n\x1a\n") {
            Some(Self::Png)
        } else {
            known.iter().find(|(offset, bytes, _)| at(*offset, bytes)).map(|&(_, _, name)| Self::Other(name))
        }
    }
}
