//! From a picture file to 8-bit red, green and blue.

use std::io::{self, BufReader};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::Problem;

/// The most pixels a picture may have.
pub(super) const MOST_PIXELS: u64 = 100_000_000;

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

/// Reads a JPEG or PNG file, whatever its name, and turns it upright as its EXIF orientation says. Grey becomes three
/// equal channels, alpha is dropped, 16-bit values are scaled to 8, palettes and CMYK are resolved.
///
/// # Errors
/// When the file cannot be read, is no JPEG or PNG, is damaged, or has more than 100 million pixels. The header is
/// judged before memory is taken for what it promises.
pub fn decode(path: &Path) -> Result<Picture, Problem> {
    let place = path.display();
    let unreadable = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => {
            Problem::new(place.to_string(), "no such file").hint("check the spelling of the path")
        }
        _ => Problem::new(place.to_string(), format!("cannot be read: {error}")),
    };
    let file = std::fs::File::open(path).map_err(|error| unreadable(&error))?;
    if file.metadata().map_err(|error| unreadable(&error))?.len() == 0 {
        return Err(Problem::new(place, "the file is empty").expected("a JPEG or PNG picture"));
    }
    let mut reader =
        ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|error| unreadable(&error))?;
    match reader.format() {
        Some(ImageFormat::Jpeg | ImageFormat::Png) => {}
        Some(other) => {
            return Err(Problem::new(place, format!("the content is {other:?}"))
                .expected("a JPEG or PNG picture")
                .hint("convert it, for instance to PNG"));
        }
        None => {
            return Err(Problem::new(place, "the content is of no known picture format")
                .expected("a JPEG or PNG picture")
                .hint("raw numbers go through `tensor`"));
        }
    }
    let mut limits = Limits::default();
    // Eight bytes per pixel, the most that either format has, and as much again to work with.
    limits.max_alloc = Some(MOST_PIXELS * 16);
    reader.limits(limits);
    let damaged = |error: ImageError| match error {
        ImageError::Limits(error) => {
            Problem::new(place.to_string(), format!("the picture is too large: {error}")).expected(size_limit())
        }
        ImageError::Unsupported(error) => Problem::new(place.to_string(), format!("{error}"))
            .expected("a JPEG or PNG picture of a common kind")
            .hint("save it again with another program"),
        error => Problem::new(place.to_string(), format!("the picture is damaged: {error}"))
            .expected("a whole JPEG or PNG picture")
            .hint("fetch or save it again"),
    };
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(Problem::new(place, format!("the picture is {width}x{height} pixels")).expected(size_limit()));
    }
    if width == 0 || height == 0 {
        return Err(Problem::new(place, format!("the picture is {width}x{height} pixels")).expected("at least one"));
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    image.apply_orientation(orientation);
    let image = image.into_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    Ok(Picture { width, height, pixels: image.into_raw() })
}

fn size_limit() -> String {
    format!("at most {} million pixels", MOST_PIXELS / 1_000_000)
}
