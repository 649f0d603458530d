//! From a picture to the network's input, as Pillow and the transforms of torchvision, timm, Keras and Hugging Face do it.

use super::decode::{Picture, most_pixels};
use super::resample::{self, Filter};
use crate::network::{Color, Input, Interpolation, Network, Preprocess, Resize, Rounding};

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
        Some(size) => center_crop(&resized, size, rules.rounding),
        None => resized,
    };
    if [cropped.height, cropped.width] != [height, width] {
        return Err(format!(
            "the picture becomes {}x{} pixels (width x height), the network takes {width}x{height}",
            cropped.width, cropped.height
        ));
    }
    let channels_last = network.inputs.first().is_some_and(|input| input.channels_last);
    let tables = tables(rules);
    let plane = height * width;
    for (index, pixel) in cropped.pixels.chunks_exact(3).enumerate() {
        for (channel, table) in tables.iter().enumerate() {
            let source = match rules.color {
                Color::Rgb => channel,
                Color::Bgr => 2 - channel,
            };
            let position = if channels_last { index * 3 + channel } else { channel * plane + index };
            input[position] = table[usize::from(pixel[source])];
        }
    }
    Ok(())
}

/// Height and width of the network's input, if it is one map.
pub(super) fn input_size(network: &Network) -> [usize; 2] {
    match network.inputs {
        &[Input { shape: &[_, height, width, _], channels_last: true, .. }]
        | &[Input { shape: &[_, _, height, width], channels_last: false, .. }] => [height, width],
        _ => [0, 0],
    }
}

/// Channels of the network's input, if it is one map.
pub(super) fn input_channels(network: &Network) -> usize {
    match network.inputs {
        &[Input { shape: &[_, _, _, channels], channels_last: true, .. }]
        | &[Input { shape: &[_, channels, _, _], channels_last: false, .. }] => channels,
        _ => 0,
    }
}

/// The input value of each 8-bit value, per channel of the input.
fn tables(rules: &Preprocess) -> [[f32; 256]; 3] {
    std::array::from_fn(|channel| {
        std::array::from_fn(|value| ((value as f64 * rules.scale - rules.mean[channel]) / rules.std[channel]) as f32)
    })
}

/// Resizes as Pillow does, in 8-bit values.
///
/// # Errors
/// When the picture is so long and narrow that its resized form, or what lies between the passes, would be beyond the
/// limit of pictures.
pub fn resize(picture: &Picture, rules: &Preprocess) -> Result<Picture, String> {
    let [height, width] = resized_size([picture.height, picture.width], rules.resize);
    let pixels = [(width as u64).checked_mul(height as u64), resample::between(picture, width, height)];
    let most = most_pixels().map_err(|problem| problem.to_string())?;
    if pixels.iter().any(|pixels| pixels.is_none_or(|pixels| pixels > most)) {
        return Err(format!(
            "the picture of {}x{} pixels (width x height) is too long and narrow to be resized to {width}x{height}",
            picture.width, picture.height
        ));
    }
    if [height, width] == [picture.height, picture.width] {
        return Ok(picture.clone());
    }
    let filtered = |filter| resample::filtered(picture, width, height, filter, rules.antialias);
    Ok(match rules.interpolation {
        Interpolation::Nearest => resample::nearest(picture, width, height),
        Interpolation::Bilinear => filtered(Filter::Triangle),
        Interpolation::Bicubic => filtered(Filter::Cubic),
    })
}

/// Height and width after resizing. A side never becomes zero.
fn resized_size([height, width]: [usize; 2], rule: Resize) -> [usize; 2] {
    match rule {
        Resize::Exact(size) => size,
        Resize::ShorterSide(side) if width <= height => [side.saturating_mul(height) / width.max(1), side],
        Resize::ShorterSide(side) => [side, side.saturating_mul(width) / height.max(1)],
        Resize::Cover([least_height, least_width]) => {
            let ratio = (height as f64 / least_height as f64).min(width as f64 / least_width as f64);
            [height, width].map(|length| (length as f64 / ratio).round_ties_even().max(1.0) as usize)
        }
    }
}

/// Cuts `[height, width]` from the middle; where the picture is smaller, it gets a black border first.
pub fn center_crop(picture: &Picture, [height, width]: [usize; 2], rounding: Rounding) -> Picture {
    let top = offset(picture.height, height, rounding);
    let left = offset(picture.width, width, rounding);
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
fn offset(length: usize, crop: usize, rounding: Rounding) -> isize {
    let rest = length as isize - crop as isize;
    let down = rest.div_euclid(2);
    match rounding {
        Rounding::Down => down,
        // torchvision's border is the smaller half before the picture, whatever its parity.
        Rounding::HalfToEven if rest < 0 => down + rest.rem_euclid(2),
        Rounding::HalfToEven => down + rest % 2 * (down % 2),
    }
}

/// The positions of the cut that lie in the picture.
fn overlap(length: usize, crop: usize, offset: isize) -> std::ops::Range<usize> {
    let start = offset.min(0).unsigned_abs();
    start..crop.min(start + length)
}
