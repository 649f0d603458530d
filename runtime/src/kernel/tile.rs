//! Register tiles: how much of a convolution's output is held in registers at a time.

use super::Arguments;
use super::conv;
use crate::geometry::ConvGeometry;
use crate::isa::Isa;
use crate::program::Layer;

mod sealed {
    pub trait Sealed {}
}

/// A register tile of a convolution; always a [`Tile`].
pub trait RegisterTile: sealed::Sealed + 'static {
    /// Output pixels.
    const PIXELS: usize;
    /// Output pixels of the last tile of a row, or 0 when the tiles fill it.
    const TAIL: usize;
    /// Vectors of output channels.
    const VECTORS: usize;

    /// Runs a convolution in tiles of this form.
    ///
    /// # Safety
    /// As [`Kernel::run`](super::Kernel::run) says.
    unsafe fn conv<I: Isa, L: Layer<ConvGeometry>>(arguments: &Arguments);
}

/// `PIXELS` output pixels of a row by `VECTORS` vectors of output channels; the last tile of a row has `TAIL` pixels, or
/// as many as the others when that is 0.
///
/// A row is a row of the output map; where each output pixel depends on just the input pixel of the same place and no map has a
/// frame, it is all pixels of an image.
pub enum Tile<const PIXELS: usize, const TAIL: usize, const VECTORS: usize> {}

impl<const PIXELS: usize, const TAIL: usize, const VECTORS: usize> sealed::Sealed for Tile<PIXELS, TAIL, VECTORS> {}

impl<const PIXELS: usize, const TAIL: usize, const VECTORS: usize> RegisterTile for Tile<PIXELS, TAIL, VECTORS> {
    const PIXELS: usize = PIXELS;
    const TAIL: usize = TAIL;
    const VECTORS: usize = VECTORS;

    #[inline(always)]
    unsafe fn conv<I: Isa, L: Layer<ConvGeometry>>(arguments: &Arguments) {
        // SAFETY: the caller vouches for what the kernel asks for.
        unsafe { conv::run::<I, L, PIXELS, TAIL, VECTORS>(arguments) }
    }
}
