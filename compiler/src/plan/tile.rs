//! Register tiles and loop orders, by a small model of each instruction set.
//!
//! A tile is `pixels` output pixels of a row by `vectors` vectors of output channels, all held in registers while the
//! kernel walks over its inputs. Per input value and tile it costs the largest of three: its multiply-adds at two per
//! cycle, its loads at two per cycle (one broadcast per pixel, one load per vector), and four cycles, the latency of
//! an accumulator's chain.

use super::geometry::{ConvGeometry, Order};

/// A register tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Output pixels.
    pub pixels: usize,
    /// Output pixels of the last tile of a row, or 0 when the tiles fill it.
    pub tail: usize,
    /// Vectors of output channels.
    pub vectors: usize,
}

/// The register tile of a convolution on each instruction set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tiles {
    /// 32 registers of 16 values.
    pub avx512: Tile,
    /// 16 registers of 8 values.
    pub avx2: Tile,
    /// 32 registers of 4 values.
    pub neon: Tile,
    /// Arrays of 16 values.
    pub portable: Tile,
}

/// The length of the row that tiles divide: all pixels when they lie without gaps and each output depends on one input pixel, else a row.
pub(super) fn extent(conv: &ConvGeometry) -> usize {
    let flat = conv.kernel == [1, 1]
        && conv.stride == [1, 1]
        && conv.padding == [0, 0]
        && conv.input.frame.is_none()
        && conv.output.frame.is_none()
        && conv.shortcut.is_none_or(|shortcut| shortcut.frame.is_none());
    if flat { conv.output.height * conv.output.width } else { conv.output.width }
}

/// The tiles of a convolution.
pub(super) fn tiles(conv: &ConvGeometry) -> Tiles {
    let extent = extent(conv);
    Tiles {
        // A panel is one or two registers wide; two registers hold the panel and one a broadcast value.
        avx512: if conv.panel == 32 { best(extent, 14, 2) } else { best(extent, 28, 1) },
        avx2: best(extent, 6, 2),
        neon: best(extent, 6, 4),
        portable: best(extent, PORTABLE_PIXELS, PORTABLE_VECTORS),
    }
}

/// Pixels of a portable tile: baseline x86-64 has 16 registers of 4 values.
const PORTABLE_PIXELS: usize = 4;
/// Vectors of a portable tile.
const PORTABLE_VECTORS: usize = 2;

fn best(extent: usize, most: usize, vectors: usize) -> Tile {
    let cost = |pixels: usize| if pixels == 0 { 0 } else { (pixels * vectors).max(pixels + vectors).max(8) };
    let pixels = (1..=most.min(extent))
        .min_by_key(|&pixels| {
            let (whole, tail) = (extent / pixels, extent % pixels);
            (whole * cost(pixels) + cost(tail), whole + usize::from(tail > 0), tail)
        })
        .unwrap_or(1);
    Tile { pixels, tail: extent % pixels, vectors }
}

/// Weights up to this many bytes stay in a second-level cache beside a band of activations.
const SMALL_WEIGHTS: usize = 640 * 1024;
/// A band of activations that leaves room for a panel in a second-level cache.
const BAND: usize = 256 * 1024;

/// The loop order of a convolution with `weights` f32 values.
///
/// Small weights are walked once per band of tiles, so that the band is read from the second-level cache; large ones are
/// walked just once, and the activations, smaller then, are read again for each panel.
pub(super) fn order(conv: &ConvGeometry, pixels: usize, weights: usize) -> Order {
    if weights * 4 > SMALL_WEIGHTS {
        return Order::Panels;
    }
    let per_tile = pixels * conv.stride[0] * conv.stride[1] * conv.input.channels * 4;
    Order::Bands((BAND / per_tile.max(1)).max(8))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_divide_the_maps_of_resnets() {
        for (extent, pixels) in [(112, 14), (56, 14), (28, 14), (14, 14), (7, 7), (3136, 14), (784, 14), (196, 14)] {
            assert_eq!(best(extent, 14, 2), Tile { pixels, tail: 0, vectors: 2 }, "{extent}");
        }
        assert_eq!(best(49, 14, 2), Tile { pixels: 14, tail: 7, vectors: 2 });
        assert_eq!(best(32, 28, 1), Tile { pixels: 16, tail: 0, vectors: 1 });
        assert_eq!(best(1, 14, 2), Tile { pixels: 1, tail: 0, vectors: 2 });
    }
}
