//! Register tiles: how much of a convolution's output is held in registers at a time.

use super::Arguments;
use super::{conv, grouped, strassen, winograd};
use crate::geometry::{Algorithm, ConvGeometry};
use crate::isa::Isa;
use crate::program::Layer;

mod sealed {
    pub trait Sealed {}
}

/// A register tile of a convolution; always a [`Tile`].
pub trait RegisterTile: sealed::Sealed + 'static {
    /// Output pixels of the first tiles of a row.
    const PIXELS: usize;
    /// Output pixels of the others, or 0 when there are none.
    const FEWER: usize;
    /// Vectors of output channels.
    const VECTORS: usize;

    /// Runs a convolution in tiles of this form.
    ///
    /// # Safety
    /// As [`Kernel::run`](super::Kernel::run) says.
    unsafe fn conv<I: Isa, L: Layer<ConvGeometry>>(arguments: &Arguments);
}

/// `PIXELS` output pixels of a row by `VECTORS` vectors of output channels; as many of the last tiles of a row as make it even have
/// `FEWER` pixels, none when that is 0.
///
/// A row is a row of the output map; where each output pixel depends on just the input pixel of the same place and the
/// input has no frame, or where the tiles do not divide a row of the map, it is all pixels of an image. By
/// [`Winograd`](crate::geometry::Winograd), a pixel is a tile of outputs, a row a group of them, and register tiles are as even as can
/// be for the tiles of the group that have a product, of up to `PIXELS`; by
/// [`Strassen`](crate::geometry::Strassen), a row is the first half of an image, and a tile computes the other half's
/// pixels as well.
/// A [`Grouped`](crate::geometry::Grouped) convolution's tiles are one vector wide, of rows of the output map.
pub enum Tile<const PIXELS: usize, const FEWER: usize, const VECTORS: usize> {}

impl<const PIXELS: usize, const FEWER: usize, const VECTORS: usize> sealed::Sealed for Tile<PIXELS, FEWER, VECTORS> {}

impl<const PIXELS: usize, const FEWER: usize, const VECTORS: usize> RegisterTile for Tile<PIXELS, FEWER, VECTORS> {
    const PIXELS: usize = PIXELS;
    const FEWER: usize = FEWER;
    const VECTORS: usize = VECTORS;

    #[inline(always)]
    unsafe fn conv<I: Isa, L: Layer<ConvGeometry>>(arguments: &Arguments) {
        // SAFETY: the caller vouches for what the kernel asks for.
        unsafe {
            match const { L::GEOMETRY.algorithm } {
                Algorithm::Direct(_) => conv::run::<I, L, PIXELS, FEWER, VECTORS>(arguments),
                Algorithm::Winograd(_) => winograd::run::<I, L, PIXELS, VECTORS>(arguments),
                Algorithm::Strassen(_) => strassen::run::<I, L, PIXELS, FEWER, VECTORS>(arguments),
                Algorithm::Grouped(_) => grouped::run::<I, L, PIXELS, FEWER>(arguments),
            }
        }
    }
}

/// The pixels that register tiles of a form divide.
pub(super) const fn extent(conv: &ConvGeometry, pixels: usize, fewer: usize) -> usize {
    if wraps(conv, pixels, fewer) { conv.output.height * conv.output.width } else { conv.extent() }
}

/// Whether a tile goes on in the next row of the map, though windows do not lie in a row: tiles of a form that does not divide a row do.
pub(super) const fn wraps(conv: &ConvGeometry, pixels: usize, fewer: usize) -> bool {
    let row = conv.extent();
    matches!(conv.algorithm, Algorithm::Direct(_)) && !conv.flat() && !Split::new(row, pixels, fewer).even(row)
}

/// A row of pixels divided into register tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    /// Tiles.
    pub count: usize,
    /// Those of the first, larger form.
    pub whole: usize,
    pixels: usize,
    fewer: usize,
}

impl Split {
    /// Divides `extent` pixels into tiles of `pixels` and, at the end, of `fewer`. It comes out even, or is refused at compile time
    /// (see [`Split::even`]).
    pub(super) const fn new(extent: usize, pixels: usize, fewer: usize) -> Self {
        let count = extent.div_ceil(pixels);
        let lacking = count * pixels - extent;
        let small = if fewer == 0 || fewer >= pixels { 0 } else { lacking / (pixels - fewer) };
        Self { count, whole: count.saturating_sub(small), pixels, fewer }
    }

    /// Whether the tiles are the row.
    pub(super) const fn even(self, extent: usize) -> bool {
        self.whole * self.pixels + (self.count - self.whole) * self.fewer == extent
    }

    /// The first pixel of a tile.
    #[inline(always)]
    pub(super) const fn first(self, tile: usize) -> usize {
        if tile <= self.whole {
            tile * self.pixels
        } else {
            self.whole * self.pixels + (tile - self.whole) * self.fewer
        }
    }
}
