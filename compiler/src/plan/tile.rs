//! Register tiles of each instruction set.
//!
//! A tile is `pixels` output pixels of a row (where that leaves too small tiles: of the image, row by row) by `vectors`
//! vectors of output channels, all held in registers while the kernel walks over its inputs. Per input value and tile it
//! costs the largest of three: its multiply-adds at two per cycle, its loads at two per cycle (one broadcast per pixel,
//! one load per vector), and four cycles, the latency of an accumulator's chain. From four pixels on the multiply-adds are
//! the largest, so tiles as even as possible waste nothing.

use super::Pixels;
use super::geometry::{Algorithm, ConvGeometry, Grouped, in_pairs};

/// A register tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tile {
    /// Output pixels.
    pub pixels: usize,
    /// Output pixels of the last tiles of a row, or 0 when none has fewer.
    pub fewer: usize,
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

/// The tiles of a convolution, of so many pixels at most.
pub(super) fn tiles(conv: &ConvGeometry, first_block: &[usize], bounds: Pixels) -> Tiles {
    let extent = conv.extent();
    let pairs = match conv.algorithm {
        Algorithm::Strassen(_) => in_pairs(conv.output.blocks() / 2, first_block),
        _ => in_pairs(conv.output.blocks(), first_block),
    };
    let within = |registers: usize, bound: Option<usize>| bound.map_or(registers, |bound| bound.clamp(1, registers));
    if let Algorithm::Grouped(_) = conv.algorithm {
        let [_, columns] = conv.kernel;
        // Beside the sums stand the weights of a row of the kernel, a vector of input, and what else the instruction set needs.
        let beside = |registers: usize, others: usize, bound: Option<usize>| {
            best(extent, within(registers.saturating_sub(columns + others).clamp(1, Grouped::MOST_PIXELS), bound), 1)
        };
        // With as many as that, the compiler does not find registers for all when it walks over the input at a stride.
        let strided = if conv.stride == [1, 1] { 1 } else { 4 };
        return Tiles {
            avx512: beside(32, 2, bounds.avx512),
            avx2: beside(16, strided, bounds.avx2),
            neon: beside(32, 2, bounds.neon),
            portable: beside(16, 2, bounds.portable),
        };
    }
    Tiles {
        // Two panels that read the same input are two registers wide; one more holds a broadcast value.
        avx512: if pairs {
            best(extent, within(14, bounds.avx512), 2)
        } else {
            best(extent, within(28, bounds.avx512), 1)
        },
        avx2: {
            let rows = best(extent, within(6, bounds.avx2), 2);
            // Tiles that wrap have an address for each pixel, for which only registers of so few pixels are left.
            let wrapped = best(conv.output.height * conv.output.width, within(6, bounds.avx2), 2);
            let wraps = matches!(conv.algorithm, Algorithm::Direct(_)) && !conv.flat() && least(rows) < FULL;
            if wraps && least(wrapped) >= FULL && !divides(wrapped, extent) { wrapped } else { rows }
        },
        neon: best(extent, within(6, bounds.neon), 4),
        portable: best(extent, within(PORTABLE_PIXELS, bounds.portable), PORTABLE_VECTORS),
    }
}

/// Pixels from which on the multiply-adds of a tile of two vectors take longest.
const FULL: usize = 4;

/// Pixels of the smallest tiles.
fn least(tile: Tile) -> usize {
    if tile.fewer == 0 { tile.pixels } else { tile.fewer }
}

/// Whether a row is so many tiles of the larger form and then so many of the smaller.
fn divides(tile: Tile, row: usize) -> bool {
    let count = row.div_ceil(tile.pixels);
    (0..=count).any(|whole| whole * tile.pixels + (count - whole) * tile.fewer == row)
}

/// Pixels of a portable tile: baseline x86-64 has 16 registers of 4 values.
const PORTABLE_PIXELS: usize = 4;
/// Vectors of a portable tile.
const PORTABLE_VECTORS: usize = 2;

/// The tiles that cost least, of two neighbouring sizes at most: the fewest that divide the row evenly.
fn best(extent: usize, most: usize, vectors: usize) -> Tile {
    let count = extent.div_ceil(most);
    let pixels = extent.div_ceil(count);
    let fewer = if count * pixels > extent { pixels - 1 } else { 0 };
    Tile { pixels, fewer, vectors }
}

#[cfg(test)]
mod tests {
    use super::super::geometry::{Activation, BLOCK, Direct, Frame, Map, Rest};
    use super::*;

    #[test]
    fn tiles_within_groups_leave_registers_for_the_weights() {
        let map = |width| Map { channels: 32, height: 1, width, block: BLOCK, frame: Frame::NONE, rest: Rest::NONE };
        let pixels = |columns: usize, stride: usize| {
            let conv = ConvGeometry {
                batch: 1,
                input: map(84 * stride + columns - 1),
                output: map(84),
                shortcut: None,
                second: None,
                kernel: [1, columns],
                stride: [stride, stride],
                dilation: [1, 1],
                padding: [0, 0],
                window: 1,
                first_block: &[],
                activation: Activation::None,
                algorithm: Algorithm::Grouped(Grouped { channels: 4 }),
            };
            let Tiles { avx512, avx2, neon, portable } = tiles(&conv, &[0, 1], Pixels::default());
            assert!([avx512, avx2, neon, portable].iter().all(|tile| tile.vectors == 1));
            [avx512, avx2, neon, portable].map(|tile| tile.pixels)
        };
        assert_eq!(pixels(1, 1), [28, 14, 28, 12]);
        assert_eq!(pixels(3, 1), [21, 12, 21, 11]);
        assert_eq!(pixels(7, 1), [21, 8, 21, 7]);
        assert_eq!(pixels(3, 2), [21, 9, 21, 11]);
    }

    #[test]
    fn tiles_wrap_where_a_row_would_leave_small_ones() {
        let avx2 = |width: usize, bound: Option<usize>| {
            let frame = Frame { top: 1, left: 1, bottom: 1, right: 1 };
            let map = |frame| Map { channels: 32, height: width, width, block: BLOCK, frame, rest: Rest::NONE };
            let conv = ConvGeometry {
                batch: 1,
                input: map(frame),
                output: map(Frame::NONE),
                shortcut: None,
                second: None,
                kernel: [3, 3],
                stride: [1, 1],
                dilation: [1, 1],
                padding: [1, 1],
                window: 2,
                first_block: &[],
                activation: Activation::None,
                algorithm: Algorithm::Direct(Direct { band: 100, depth: 1, sums: 100 }),
            };
            let Tiles { avx512, avx2, .. } = tiles(&conv, &[], Pixels { avx2: bound, ..Pixels::default() });
            assert!(avx512.pixels <= width);
            (avx2.pixels, avx2.fewer)
        };
        assert_eq!(avx2(7, None), (6, 5));
        assert_eq!(avx2(3, None), (5, 4));
        assert_eq!(avx2(8, None), (4, 0));
        assert_eq!(avx2(14, None), (5, 4));
        assert_eq!(avx2(7, Some(4)), (4, 3));
        assert_eq!(avx2(1, None), (1, 0));
    }

    #[test]
    fn tiles_divide_the_maps_of_resnets() {
        for (extent, pixels) in [(112, 14), (56, 14), (28, 14), (14, 14), (7, 7), (3136, 14), (784, 14), (196, 14)] {
            assert_eq!(best(extent, 14, 2), Tile { pixels, fewer: 0, vectors: 2 }, "{extent}");
        }
        assert_eq!(best(49, 14, 2), Tile { pixels: 13, fewer: 12, vectors: 2 });
        assert_eq!(best(32, 28, 1), Tile { pixels: 16, fewer: 0, vectors: 1 });
        assert_eq!(best(1, 14, 2), Tile { pixels: 1, fewer: 0, vectors: 2 });
    }
}
