//! PNG, of every colour type and depth.

use std::io::{BufRead, Seek};

use png::{ColorType, Decoder, DecodingError, Limits, Transformations};

use super::{Picture, Refusal, check_size, exif, spread};

/// What chunks beside the pixels may take.
const MOST_BESIDE: usize = 1 << 26;

/// The picture and its EXIF orientation.
pub(super) fn decode(file: impl BufRead + Seek, most: u64) -> Result<(Picture, u8), Refusal> {
    let mut decoder = Decoder::new(file);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let header = decoder.read_header_info().map_err(refusal)?;
    let (width, height) = (header.width, header.height);
    check_size(u64::from(width), u64::from(height), most)?;
    let (width, height) = (width as usize, height as usize);
    // A row as stored takes eight bytes per pixel at most, and it is kept together with the one before.
    decoder.set_limits(Limits { bytes: MOST_BESIDE + width * 16 });
    let mut reader = decoder.read_info().map_err(refusal)?;
    let size = reader.output_buffer_size().ok_or(Refusal::Size(width as u64, height as u64))?;
    let mut values = vec![0; size];
    let info = reader.next_frame(&mut values).map_err(refusal)?;
    if (info.width as usize, info.height as usize) != (width, height) {
        return Err(Refusal::Damaged("its first frame does not fill it".into()));
    }
    // The orientation may come after the pixels. Damage behind them does no harm.
    let _ = reader.finish();
    let orientation = reader.info().exif_metadata.as_ref().map_or(1, |data| exif::orientation(data));
    values.truncate(info.buffer_size());
    let pixels = match info.color_type {
        ColorType::Rgb => values,
        ColorType::Grayscale => spread(&values, 1),
        ColorType::GrayscaleAlpha => spread(&values, 2),
        ColorType::Rgba => {
            for pixel in 0..width * height {
                values.copy_within(pixel * 4..pixel * 4 + 3, pixel * 3);
            }
            values.truncate(width * height * 3);
            values
        }
        ColorType::Indexed => return Err(Refusal::Damaged("it has no palette".into())),
    };
    Ok((Picture { width, height, pixels }, orientation))
}

fn refusal(error: DecodingError) -> Refusal {
    match error {
        DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Refusal::Damaged("the file ends before the picture does".into())
        }
        DecodingError::IoError(error) => Refusal::Unreadable(error),
        DecodingError::LimitsExceeded => Refusal::Unsupported("a chunk of the picture is too large".into()),
        error @ (DecodingError::Format(_) | DecodingError::Parameter(_)) => Refusal::Damaged(error.to_string()),
    }
}
