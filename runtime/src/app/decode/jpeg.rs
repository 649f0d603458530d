//! JPEG, baseline and progressive.

use std::fs::File;
use std::io::Read;

use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;

use super::{Picture, Refusal, check_size, exif, spread};

/// A block of 8x8 values takes a bit at least, and the channel with the most blocks has one for 16x16 pixels at least.
const MOST_PIXELS_PER_BYTE: u64 = 8 * 16 * 16;

/// The picture and its EXIF orientation.
pub(super) fn decode(file: File, length: u64, most: u64) -> Result<(Picture, u8), Refusal> {
    // Eight per pixel of the largest picture.
    let most_bytes = most * 8;
    if length > most_bytes {
        return Err(Refusal::Unsupported(format!("the file has {length} bytes, which is more than {most_bytes}")));
    }
    let mut bytes = Vec::new();
    file.take(most_bytes).read_to_end(&mut bytes).map_err(Refusal::Unreadable)?;
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(1 << 16).set_max_height(1 << 16);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes.as_slice()), options);
    decoder.decode_headers().map_err(refusal)?;
    let damaged = |reason: &str| Refusal::Damaged(reason.to_string());
    let (width, height) = decoder.dimensions().ok_or_else(|| damaged("it says no size"))?;
    check_size(width as u64, height as u64, most)?;
    // The decoder makes up what a cut-off file lacks.
    if !is_whole(&bytes) || (width * height) as u64 / MOST_PIXELS_PER_BYTE > length {
        return Err(damaged("the file ends before the picture does"));
    }
    let orientation = decoder.exif().map_or(1, |data| exif::orientation(data));
    let grey = matches!(decoder.input_colorspace(), Some(ColorSpace::Luma));
    let color = if grey { ColorSpace::Luma } else { ColorSpace::RGB };
    decoder.set_options(decoder.options().jpeg_set_out_colorspace(color));
    let pixels = decoder.decode().map_err(refusal)?;
    let pixels = if grey { spread(&pixels, 1) } else { pixels };
    if pixels.len() != width * height * 3 {
        return Err(damaged("its colours are of an unknown kind"));
    }
    Ok((Picture { width, height, pixels }, orientation))
}

fn refusal(error: DecodeErrors) -> Refusal {
    match error {
        DecodeErrors::Unsupported(kind) => Refusal::Unsupported(format!("a kind of JPEG that is not read: {kind:?}")),
        error => Refusal::Damaged(one_line(&error)),
    }
}

fn one_line(error: &impl std::fmt::Debug) -> String {
    format!("{error:?}").split_whitespace().collect::<Vec<_>>().join(" ").trim_matches('"').to_string()
}

/// Whether the markers lead from the start of the image to its end (ITU-T T.81, annex B).
fn is_whole(bytes: &[u8]) -> bool {
    let mut at = 2;
    loop {
        // To the next marker: 0xff, fill bytes of 0xff, and a code. In a scan, 0xff 0x00 is a value, and restarts
        // belong to it.
        let Some(skip) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xff)) else {
            return false;
        };
        at += skip + 1;
        let code = match bytes.get(at) {
            None => return false,
            Some(&code) => code,
        };
        match code {
            0xff => continue,
            0xd9 => return true,
            0x00 | 0x01 | 0xd0..=0xd8 => at += 1,
            _ => {
                let Some(length) = bytes.get(at + 1..).and_then(|rest| rest.first_chunk()) else { return false };
                let length = usize::from(u16::from_be_bytes(*length));
                // A length below its own two bytes is damage that the decoder judges.
                at += 1 + length.max(2);
            }
        }
    }
}
