//! From a picture to the network's input, as torchvision's transforms and Pillow do it.

use std::num::NonZeroU32;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::decode::{MOST_PIXELS, Picture};
use crate::network::{Color, Interpolation, Network, Preprocess, Resize};

/// The part of one image in the network's input: resized, cropped, scaled and normalised into `input`, which holds
/// `C * H * W` values in the network's own order.
///
/// # Errors
/// A sentence that says what is wrong, when the picture cannot be resized in reason or does not come out in the size
/// that the network takes.
pub fn fill(network: &Network, rules: &Preprocess, picture: &Picture, input: &mut [f32]) -> Result<(), String> {
    let [height, width] = input_size(network);
    let resized = resize(picture, rules)?;
    let cropped = match rules.crop {
        Some(size) => center_crop(&resized, size),
        None => resized,
    };
    if [cropped.height, cropped.width] != [height, width] {
        return Err(format!(
            "the picture becomes {}x{} pixels (width x height), the network takes {width}x{height}",
            cropped.width, cropped.height
        ));
    }
    let tables = tables(rules);
    let plane = height * width;
    for (index, pixel) in cropped.pixels.chunks_exact(3).enumerate() {
        for (channel, table) in tables.iter().enumerate() {
            let source = match rules.color {
                Color::Rgb => channel,
                Color::Bgr => 2 - channel,
            };
            let position = if network.channels_last { index * 3 + channel } else { channel * plane + index };
            input[position] = table[usize::from(pixel[source])];
        }
    }
    Ok(())
}

/// Height and width of the network's input.
pub(super) fn input_size(network: &Network) -> [usize; 2] {
    let [_, a, b, c] = network.input_shape;
    if network.channels_last { [a, b] } else { [b, c] }
}

/// Channels of the network's input.
pub(super) fn input_channels(network: &Network) -> usize {
    if network.channels_last { network.input_shape[3] } else { network.input_shape[1] }
}

/// The input value of each 8-bit value, per channel of the input.
fn tables(rules: &Preprocess) -> [[f32; 256]; 3] {
    std::array::from_fn(|channel| {
        std::array::from_fn(|value| ((value as f64 * rules.scale - rules.mean[channel]) / rules.std[channel]) as f32)
    })
}

/// Resizes as Pillow does: 8-bit values, first along the rows, then along the columns.
///
/// # Errors
/// When the picture is so long and narrow that its resized form would be beyond the limit of pictures.
pub fn resize(picture: &Picture, rules: &Preprocess) -> Result<Picture, String> {
    let [height, width] = resized_size([picture.height, picture.width], rules.resize);
    let too_large = || {
        format!(
            "the picture of {}x{} pixels (width x height) is too long and narrow: it would be resized to {width}x{height}",
            picture.width, picture.height
        )
    };
    if height as u64 * width as u64 > MOST_PIXELS {
        return Err(too_large());
    }
    if [height, width] == [picture.height, picture.width] {
        return Ok(picture.clone());
    }
    let filter = match rules.interpolation {
        Interpolation::Nearest => None,
        Interpolation::Bilinear => Some(FilterType::Bilinear),
        // Keys' cubic with a = -0.5 is Catmull and Rom's.
        Interpolation::Bicubic => Some(FilterType::CatmullRom),
    };
    let algorithm = match filter {
        None => ResizeAlg::Nearest,
        Some(filter) if rules.antialias => ResizeAlg::Convolution(filter),
        Some(filter) => ResizeAlg::Interpolation(filter),
    };
    let side = |length: usize| u32::try_from(length).ok().and_then(NonZeroU32::new).map(NonZeroU32::get);
    let (Some(w), Some(h)) = (side(width), side(height)) else { return Err(too_large()) };
    let (Some(from_w), Some(from_h)) = (side(picture.width), side(picture.height)) else { return Err(too_large()) };
    let source = TypedImageRef::<U8x3>::from_buffer(from_w, from_h, &picture.pixels)
        .map_err(|error| format!("the picture cannot be resized: {error}"))?;
    // One pass per call: between the passes values are rounded and clipped to 8 bits, so their order matters.
    let options = ResizeOptions::new().resize_alg(algorithm);
    let mut resizer = Resizer::new();
    let mut wide = TypedImage::<U8x3>::new(w, from_h);
    let mut target = TypedImage::<U8x3>::new(w, h);
    resizer
        .resize_typed(&source, &mut wide, &options)
        .and_then(|()| resizer.resize_typed(&wide, &mut target, &options))
        .map_err(|error| format!("the picture cannot be resized: {error}"))?;
    let pixels = target.pixels().iter().flat_map(|pixel| pixel.0).collect();
    Ok(Picture { width, height, pixels })
}

/// Height and width after resizing. A side never becomes zero.
fn resized_size([height, width]: [usize; 2], rule: Resize) -> [usize; 2] {
    match rule {
        Resize::Exact(size) => size,
        Resize::ShorterSide(side) if width <= height => [side * height / width.max(1), side],
        Resize::ShorterSide(side) => [side, side * width / height.max(1)],
    }
}

/// Cuts `[height, width]` from the middle; where the picture is smaller, it gets a black border first. Odd rests are
/// rounded as torchvision's `center_crop` rounds them.
pub fn center_crop(picture: &Picture, [height, width]: [usize; 2]) -> Picture {
    let top = offset(picture.height, height);
    let left = offset(picture.width, width);
    let mut pixels = vec![0; height * width * 3];
    let columns = overlap(picture.width, width, left);
    for row in overlap(picture.height, height, top) {
        let source = ((row as isize + top) as usize * picture.width + (columns.start as isize + left) as usize) * 3;
        let target = (row * width + columns.start) * 3;
        let length = columns.len() * 3;
        pixels[target..target + length].copy_from_slice(&picture.pixels[source..source + length]);
    }
    Picture { width, height, pixels }
}

/// Where the cut begins in the picture; negative when a border comes first.
fn offset(length: usize, crop: usize) -> isize {
    if crop > length {
        return -(((crop - length) / 2) as isize);
    }
    // Half to even, as Python rounds.
    let rest = length - crop;
    let half = rest / 2;
    (half + (rest % 2) * (half % 2)) as isize
}

/// The positions of the cut that lie in the picture.
fn overlap(length: usize, crop: usize, offset: isize) -> std::ops::Range<usize> {
    let start = offset.min(0).unsigned_abs();
    start..crop.min(start + length)
}
