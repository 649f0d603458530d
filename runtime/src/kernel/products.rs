//! The innermost loops of the algorithms that multiply matrices: inputs in blocks of 16 channels, weights in panels of 16.

#![expect(
    clippy::needless_range_loop,
    reason = "an index is a pixel, vector or channel here, and offsets follow from it"
)]

use crate::geometry::BLOCK;
use crate::isa::Isa;

/// A register tile's sums.
pub(super) type Sums<I, const PIXELS: usize, const VECTORS: usize> = [[<I as Isa>::Vector; VECTORS]; PIXELS];

/// What a tile's products are made of.
#[derive(Clone, Copy)]
pub(super) struct Factors {
    /// The tile's first input.
    pub inputs: *const f32,
    /// Channels of a block, a multiple of 4.
    pub channels: usize,
    /// Between two blocks of inputs.
    pub between_blocks: usize,
    /// The tile's first weight.
    pub weights: *const f32,
    /// Between a panel and the next one, which a tile may span.
    pub between_panels: usize,
    /// Weights to ask for from memory meanwhile: so many rows per block.
    pub ahead: *const f32,
    pub rows: usize,
}

/// Input values per turn of the innermost loop.
const UNROLLED: usize = 4;

/// Adds the products over so many blocks of input channels to a tile's sums.
///
/// # Safety
/// The processor has the instruction set; the inputs of the tile's pixels and the weights can be read.
#[inline(always)]
pub(super) unsafe fn add_products<I: Isa, const PIXELS: usize, const VECTORS: usize>(
    begun: Sums<I, PIXELS, VECTORS>,
    factors: Factors,
    blocks: usize,
) -> Sums<I, PIXELS, VECTORS> {
    let Factors { mut inputs, channels, between_blocks, mut weights, between_panels, mut ahead, rows } = factors;
    let of_lane = |lane: usize| lane / BLOCK * between_panels + lane % BLOCK;
    // A copy: what indexes the caller's sums elsewhere would keep them in memory.
    let mut sums = begun;
    // SAFETY: the caller vouches for the inputs and the weights.
    unsafe {
        for _ in 0..blocks {
            for row in 0..rows {
                for line in (0..VECTORS * I::LANES).step_by(BLOCK) {
                    I::prefetch(ahead.wrapping_add(row * BLOCK + of_lane(line)));
                }
            }
            ahead = ahead.wrapping_add(rows * BLOCK);
            for first in (0..channels).step_by(UNROLLED) {
                for channel in first..first + UNROLLED {
                    let mut vectors = [I::splat(0.0); VECTORS];
                    for vector in 0..VECTORS {
                        vectors[vector] = I::load(weights.add(channel * BLOCK + of_lane(vector * I::LANES)));
                    }
                    for pixel in 0..PIXELS {
                        let input = I::broadcast(inputs.add(pixel * BLOCK + channel));
                        for vector in 0..VECTORS {
                            sums[pixel][vector] = I::multiply_add(input, vectors[vector], sums[pixel][vector]);
                        }
                    }
                }
            }
            weights = weights.add(channels * BLOCK);
            inputs = inputs.add(between_blocks);
        }
    }
    sums
}

/// The sums of a tile in memory, vector after vector.
///
/// # Safety
/// The processor has the instruction set; the tile's sums can be read.
#[inline(always)]
pub(super) unsafe fn load<I: Isa, const PIXELS: usize, const VECTORS: usize>(
    from: *const f32,
) -> Sums<I, PIXELS, VECTORS> {
    // SAFETY: the caller vouches for the memory.
    unsafe {
        let mut sums = [[I::splat(0.0); VECTORS]; PIXELS];
        for pixel in 0..PIXELS {
            for vector in 0..VECTORS {
                sums[pixel][vector] = I::load(from.add((pixel * VECTORS + vector) * I::LANES));
            }
        }
        sums
    }
}

/// Writes a tile's sums as [`load`] reads them.
///
/// # Safety
/// The processor has the instruction set; the memory can be written.
#[inline(always)]
pub(super) unsafe fn store<I: Isa, const PIXELS: usize, const VECTORS: usize>(
    to: *mut f32,
    sums: Sums<I, PIXELS, VECTORS>,
) {
    // SAFETY: the caller vouches for the memory.
    unsafe {
        for pixel in 0..PIXELS {
            for vector in 0..VECTORS {
                I::store(to.add((pixel * VECTORS + vector) * I::LANES), sums[pixel][vector]);
            }
        }
    }
}

/// The sum of two tiles' sums.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn plus<I: Isa, const PIXELS: usize, const VECTORS: usize>(
    mut a: Sums<I, PIXELS, VECTORS>,
    b: Sums<I, PIXELS, VECTORS>,
) -> Sums<I, PIXELS, VECTORS> {
    for pixel in 0..PIXELS {
        for vector in 0..VECTORS {
            // SAFETY: the caller vouches for the instruction set.
            a[pixel][vector] = unsafe { I::add(a[pixel][vector], b[pixel][vector]) };
        }
    }
    a
}
