//! Resampling of 8-bit pictures, equal to Pillow's: along the rows and along the columns, with values rounded and clipped to
//! 8 bits between the two.

use super::decode::Picture;

/// A filter's weights reach this far to either side, in pixels of the picture or, where it widens, of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filter {
    /// A triangle.
    Triangle,
    /// Keys' cubic convolution (1981) with a = -0.5.
    Cubic,
}

impl Filter {
    fn support(self) -> f64 {
        match self {
            Self::Triangle => 1.0,
            Self::Cubic => 2.0,
        }
    }

    fn weight(self, distance: f64) -> f64 {
        const A: f64 = -0.5;
        let x = distance.abs();
        match self {
            Self::Triangle => (1.0 - x).max(0.0),
            Self::Cubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Cubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Self::Cubic => 0.0,
        }
    }
}

/// Bits behind the point of a weight: with 8 bits of value and two for sign and overshoot, a sum fills an i32.
const BITS: u32 = 22;

/// Resamples to a width and height. With `antialias` the filter widens where the picture shrinks, so that every pixel
/// counts; without, it takes the pixels beside the sampled point only. Points lie at the centres of pixels; what a filter
/// would take from beyond the border, the pixels within it give.
pub(super) fn filtered(picture: &Picture, width: usize, height: usize, filter: Filter, antialias: bool) -> Picture {
    let rows = |picture: &Picture| along_rows(picture, &Taps::new(picture.width, width, filter, antialias));
    let columns = |picture: &Picture| along_columns(picture, &Taps::new(picture.height, height, filter, antialias));
    match (width == picture.width, height == picture.height) {
        (true, true) => picture.clone(),
        (false, true) => rows(picture),
        (true, false) => columns(picture),
        (false, false) if columns_first(picture, width, height) => rows(&columns(picture)),
        (false, false) => columns(&rows(picture)),
    }
}

/// Whether the columns come first: where the height shrinks, by more than twice what the width shrinks by. Pillow does so from
/// version 13 on; before, rows came first, and such pictures differ in single pixels.
fn columns_first(picture: &Picture, width: usize, height: usize) -> bool {
    let shrinks = |from: usize, to: usize| from as i128 - to as i128;
    shrinks(picture.height, height) > (2 * shrinks(picture.width, width)).max(0)
}

/// The number of pixels between the two passes.
pub(super) fn between(picture: &Picture, width: usize, height: usize) -> Option<u64> {
    let [width, height] = match columns_first(picture, width, height) {
        true => [picture.width, height],
        false => [width, picture.height],
    };
    (width as u64).checked_mul(height as u64)
}

/// Takes the pixel that each point falls into.
pub(super) fn nearest(picture: &Picture, width: usize, height: usize) -> Picture {
    let columns: Vec<usize> = points(picture.width, width).collect();
    let mut pixels = Vec::with_capacity(width * height * 3);
    for row in points(picture.height, height) {
        let row = &picture.pixels[row * picture.width * 3..][..picture.width * 3];
        for &column in &columns {
            pixels.extend_from_slice(&row[column * 3..column * 3 + 3]);
        }
    }
    Picture { width, height, pixels }
}

/// The pixels of `from` that `to` points fall into. The steps are summed up, not multiplied: this decides where a point
/// lies on a border.
fn points(from: usize, to: usize) -> impl Iterator<Item = usize> {
    let step = from as f64 / to as f64;
    let positions = std::iter::successors(Some(step * 0.5), move |position| Some(position + step));
    positions.take(to).map(move |position| (position as usize).min(from - 1))
}

/// For each value of the result, the first value that it takes, and the weights of that and those after it.
struct Taps {
    starts: Vec<usize>,
    /// Where the weights of each value begin, and where the last end.
    ends: Vec<usize>,
    weights: Vec<i32>,
}

impl Taps {
    fn new(from: usize, to: usize, filter: Filter, antialias: bool) -> Self {
        let scale = from as f64 / to as f64;
        let stretch = if antialias { scale.max(1.0) } else { 1.0 };
        let support = filter.support() * stretch;
        let mut taps = Self { starts: Vec::with_capacity(to), ends: vec![0], weights: Vec::new() };
        let mut exact = Vec::new();
        for index in 0..to {
            let center = (index as f64 + 0.5) * scale;
            // Casts stop at zero.
            let start = (center - support + 0.5) as usize;
            let end = ((center + support + 0.5) as usize).min(from);
            exact.clear();
            exact.extend((start..end).map(|at| filter.weight((at as f64 - center + 0.5) * (1.0 / stretch))));
            let sum: f64 = exact.iter().sum();
            let fixed = |weight: &f64| (weight / sum * f64::from(1 << BITS)).round() as i32;
            taps.weights.extend(exact.iter().map(fixed));
            taps.starts.push(start);
            taps.ends.push(taps.weights.len());
        }
        taps
    }

    fn len(&self) -> usize {
        self.starts.len()
    }

    fn get(&self, index: usize) -> (usize, &[i32]) {
        (self.starts[index], &self.weights[self.ends[index]..self.ends[index + 1]])
    }
}

fn along_rows(picture: &Picture, taps: &Taps) -> Picture {
    let mut pixels = Vec::with_capacity(taps.len() * picture.height * 3);
    for row in picture.pixels.chunks_exact(picture.width * 3) {
        for index in 0..taps.len() {
            let (start, weights) = taps.get(index);
            let mut sums = [HALF; 3];
            for (pixel, weight) in row[start * 3..].as_chunks::<3>().0.iter().zip(weights) {
                for (sum, &value) in sums.iter_mut().zip(pixel) {
                    *sum += i32::from(value) * weight;
                }
            }
            pixels.extend(sums.map(rounded));
        }
    }
    Picture { width: taps.len(), height: picture.height, pixels }
}

fn along_columns(picture: &Picture, taps: &Taps) -> Picture {
    let length = picture.width * 3;
    let mut pixels = Vec::with_capacity(length * taps.len());
    let mut sums = vec![0; length];
    for index in 0..taps.len() {
        let (start, weights) = taps.get(index);
        sums.fill(HALF);
        for (row, weight) in picture.pixels[start * length..].chunks_exact(length).zip(weights) {
            for (sum, &value) in sums.iter_mut().zip(row) {
                *sum += i32::from(value) * weight;
            }
        }
        pixels.extend(sums.iter().map(|&sum| rounded(sum)));
    }
    Picture { width: picture.width, height: taps.len(), pixels }
}

/// What makes the shift round, half up.
const HALF: i32 = 1 << (BITS - 1);

fn rounded(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}
