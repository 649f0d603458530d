//! Convolution in groups of few channels; [`Grouped`] says in which order.
//!
//! A tile of the output, some pixels of a row by one vector of channels, stays in registers. For each row of the kernel and each channel of
//! a group, the weights of the kernel's columns are read once; then each input pixel that the tile depends on is read once, spread over the
//! lanes of its groups, and multiplied with the weights of each column that has an output in the tile. So a value that was read serves as
//! many multiply-adds as the kernel is wide, over its stride.
//!
//! A unit of work is a tile of a whole block of channels, its vectors one after the other: they share the lines of the input.

#![expect(clippy::needless_range_loop, reason = "an index is a pixel or column here, and offsets follow from it")]

use std::hint::black_box;
use std::marker::PhantomData;

use super::conv::NEIGHBOURS;
use super::share::Parts;
use super::tile::Split;
use super::{Arguments, clear_output_frames, finish, line_of, place};
use crate::geometry::{Algorithm, BLOCK, ConvGeometry, Grouped, Map};
use crate::isa::Isa;
use crate::program::Layer;

/// Numbers that follow from a layer's geometry.
struct Shape<L>(PhantomData<L>);

impl<L: Layer<ConvGeometry>> Shape<L> {
    const INPUT: Map = L::GEOMETRY.input;
    const OUTPUT: Map = L::GEOMETRY.output;
    /// Channels of a group.
    const GROUP: usize = match L::GEOMETRY.algorithm {
        Algorithm::Grouped(grouped) => grouped.channels,
        // Never used: other kernels run these.
        _ => 1,
    };
    /// Channels of a group per turn of the innermost loop: up to 4 the instructions for them differ.
    const UNROLLED: usize = if Self::GROUP < 4 { Self::GROUP } else { 4 };
    /// Columns of the kernel.
    const COLUMNS: usize = L::GEOMETRY.kernel[1];
    /// Input columns between neighbouring outputs, and between neighbouring kernel columns.
    const STRIDE: usize = L::GEOMETRY.stride[1];
    const DILATION: usize = L::GEOMETRY.dilation[1];
    /// From the first value of an image to the first value of the first window.
    const ORIGIN: usize = (Self::INPUT.frame.top - L::GEOMETRY.padding[0]) * Self::INPUT.row()
        + (Self::INPUT.frame.left - L::GEOMETRY.padding[1]) * BLOCK;
    /// Between windows of neighbouring rows.
    const DOWN: usize = L::GEOMETRY.stride[0] * Self::INPUT.row();
    /// Between kernel rows.
    const BETWEEN_ROWS: usize = L::GEOMETRY.dilation[0] * Self::INPUT.row();
    /// Length of a panel, bias included.
    const PANEL: usize = (L::GEOMETRY.kernel[0] * Self::COLUMNS * Self::GROUP + 1) * BLOCK;

    /// Input pixels of a phase that a tile of so many pixels depends on.
    const fn steps(pixels: usize, phase: usize) -> usize {
        if pixels == 0 {
            return 0;
        }
        let inputs = (pixels - 1) * Self::STRIDE + (Self::COLUMNS - 1) * Self::DILATION + 1;
        if inputs > phase { (inputs - phase).div_ceil(Self::STRIDE) } else { 0 }
    }

    /// Whether a kernel column reads input pixels of a phase.
    const fn reads(column: usize, phase: usize) -> bool {
        column * Self::DILATION % Self::STRIDE == phase
    }

    /// The one of so many pixels whose kernel has such a column at an input pixel of the column's phase.
    const fn pixel(step: usize, column: usize, pixels: usize) -> Option<usize> {
        let before = column * Self::DILATION / Self::STRIDE;
        if before <= step && step - before < pixels { Some(step - before) } else { None }
    }
}

/// Runs a convolution in tiles of one form.
///
/// # Safety
/// As [`Kernel::run`](super::Kernel::run) says. The output may be the shortcut itself, if their layouts agree.
#[inline(always)]
pub(super) unsafe fn run<I: Isa, L: Layer<ConvGeometry>, const PIXELS: usize, const FEWER: usize>(
    arguments: &Arguments,
) {
    let geometry = const { L::GEOMETRY };
    let output = const { Shape::<L>::OUTPUT };
    // SAFETY: the caller vouches for what the kernel asks for.
    unsafe { clear_output_frames(&geometry, arguments) };

    let split = const { Split::new(Shape::<L>::OUTPUT.width, PIXELS, FEWER) };
    let blocks = const { Shape::<L>::OUTPUT.blocks() };
    let units = geometry.batch * blocks * output.height * split.count;
    for part in arguments.share.parts(units, Parts::of(NEIGHBOURS)) {
        let mut unit = part.start;
        while unit < part.end {
            // The rest of a row, or of the part.
            let (line, first) = (unit / split.count, unit % split.count);
            let last = if split.count - first < part.end - unit { split.count } else { first + part.end - unit };
            let (row, plane) = (line % output.height, line / output.height);
            let (image, block) = (plane / blocks, plane % blocks);
            for column in first..last {
                let pixel = split.first(column);
                for lane in (0..BLOCK).step_by(I::LANES) {
                    let channel = block * BLOCK + lane;
                    // SAFETY: image, block, row and pixel lie in the maps, and the maps where the caller says.
                    unsafe {
                        let corner = Corner {
                            input: arguments.input.add(
                                image * Shape::<L>::INPUT.len()
                                    + block * Shape::<L>::INPUT.plane()
                                    + Shape::<L>::ORIGIN
                                    + row * Shape::<L>::DOWN
                                    + pixel * Shape::<L>::STRIDE * BLOCK
                                    + lane / Shape::<L>::GROUP * Shape::<L>::GROUP,
                            ),
                            weights: arguments.weights.add(block * Shape::<L>::PANEL + lane),
                            shortcut: match geometry.shortcut {
                                Some(shortcut) => arguments.other.add(place(shortcut, image, channel, row, pixel)),
                                None => std::ptr::null(),
                            },
                            line: line_of::<L>(arguments.weights, channel),
                            output: arguments.output.add(place(output, image, channel, row, pixel)),
                        };
                        // Without this the compiler takes the addresses apart and computes them anew in the innermost loop.
                        let corner = black_box(corner);
                        if const { FEWER != 0 } && column >= split.whole {
                            if const { FEWER != 0 } {
                                compute::<I, L, FEWER>(corner);
                            }
                        } else {
                            compute::<I, L, PIXELS>(corner);
                        }
                    }
                }
            }
            unit += last - first;
        }
    }
}

/// Where a tile begins in all that it reads and writes.
#[derive(Clone, Copy)]
struct Corner {
    /// The first channel of the first group.
    input: *const f32,
    /// The bias.
    weights: *const f32,
    shortcut: *const f32,
    /// What the second result takes.
    line: *const f32,
    output: *mut f32,
}

/// Computes one tile.
///
/// # Safety
/// As [`run`], for the tile at `corner`.
#[inline(always)]
unsafe fn compute<I: Isa, L: Layer<ConvGeometry>, const PIXELS: usize>(corner: Corner) {
    let geometry = const { L::GEOMETRY };
    // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
    unsafe {
        let mut sums = [I::load(corner.weights); PIXELS];
        let mut weights = corner.weights.add(BLOCK);
        let mut row = corner.input;
        for _ in 0..geometry.kernel[0] {
            let mut channel = 0;
            while channel < const { Shape::<L>::GROUP } {
                multiply_channel::<I, L, PIXELS>(&mut weights, row, channel, &mut sums);
                if const { Shape::<L>::UNROLLED > 1 } {
                    multiply_channel::<I, L, PIXELS>(&mut weights, row, channel + 1, &mut sums);
                }
                if const { Shape::<L>::UNROLLED > 2 } {
                    multiply_channel::<I, L, PIXELS>(&mut weights, row, channel + 2, &mut sums);
                    multiply_channel::<I, L, PIXELS>(&mut weights, row, channel + 3, &mut sums);
                }
                channel += const { Shape::<L>::UNROLLED };
            }
            row = row.wrapping_add(Shape::<L>::BETWEEN_ROWS);
        }
        for pixel in 0..PIXELS {
            let shortcut = geometry.shortcut.map(|_| corner.shortcut.wrapping_add(pixel * BLOCK));
            finish::<I, L>(sums[pixel], shortcut, corner.line, corner.output.add(pixel * BLOCK));
        }
    }
}

/// Adds the products of a channel of each group in one row of the kernel to a tile's sums, and moves on to the next weights.
///
/// # Safety
/// As [`multiply`].
#[inline(always)]
unsafe fn multiply_channel<I: Isa, L: Layer<ConvGeometry>, const PIXELS: usize>(
    weights: &mut *const f32,
    row: *const f32,
    channel: usize,
    sums: &mut [I::Vector; PIXELS],
) {
    // SAFETY: the caller vouches for the memory.
    unsafe {
        multiply::<I, L, PIXELS, 0>(weights, row, channel, sums);
        if const { Shape::<L>::STRIDE > 1 } {
            multiply::<I, L, PIXELS, 1>(weights, row, channel, sums);
        }
        if const { Shape::<L>::STRIDE > 2 } {
            multiply::<I, L, PIXELS, 2>(weights, row, channel, sums);
        }
        *weights = weights.add(Shape::<L>::COLUMNS * BLOCK);
    }
}

/// Calls a function for each input pixel of a phase, by its number as a constant: each sum has to have its register, and the compiler does
/// not unroll as long a loop by itself. There are at most `Grouped::MOST_PIXELS + Grouped::WIDEST - 1`.
macro_rules! each_step {
    ($layer:ident, $pixels:ident, $phase:ident, |$step:ident| $call:expr) => {
        each_step!($layer, $pixels, $phase, |$step| $call;
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34)
    };
    ($layer:ident, $pixels:ident, $phase:ident, |$step:ident| $call:expr; $($number:literal)*) => {
        $(if const { $number < Shape::<$layer>::steps($pixels, $phase) } {
            let $step = $number;
            $call;
        })*
    };
}

/// Adds the products of a channel of each group in one row of the kernel to a tile's sums: of the input pixels that lie a stride apart from
/// one of the first, the phase.
///
/// # Safety
/// The processor has the instruction set; the weights and the pixels that the tile depends on can be read.
#[inline(always)]
unsafe fn multiply<I: Isa, L: Layer<ConvGeometry>, const PIXELS: usize, const PHASE: usize>(
    weights: &mut *const f32,
    mut row: *const f32,
    channel: usize,
    sums: &mut [I::Vector; PIXELS],
) {
    // SAFETY: the caller vouches for the memory.
    unsafe {
        for pixel in PIXELS.saturating_sub(2)..PIXELS {
            I::in_order(sums[pixel], weights);
        }
        let mut factors = [I::splat(0.0); Grouped::WIDEST];
        for column in 0..Shape::<L>::COLUMNS {
            if Shape::<L>::reads(column, PHASE) {
                factors[column] = I::load(weights.add(column * BLOCK));
            }
        }
        each_step!(L, PIXELS, PHASE, |step| multiply_step::<I, L, PIXELS, PHASE>(
            step, &mut row, channel, &factors, sums
        ));
    }
}

/// Adds the products of an input pixel to the sums that depend on it.
///
/// # Safety
/// As [`multiply`], for the pixel.
#[inline(always)]
unsafe fn multiply_step<I: Isa, L: Layer<ConvGeometry>, const PIXELS: usize, const PHASE: usize>(
    step: usize,
    row: &mut *const f32,
    channel: usize,
    factors: &[I::Vector; Grouped::WIDEST],
    sums: &mut [I::Vector; PIXELS],
) {
    // SAFETY: the caller vouches for the memory.
    unsafe {
        for column in 0..Shape::<L>::COLUMNS {
            if let (true, Some(pixel)) =
                (step > 0 && Shape::<L>::reads(column, PHASE), Shape::<L>::pixel(step.wrapping_sub(1), column, PIXELS))
            {
                I::in_order(sums[pixel], row);
            }
        }
        let input = step * Shape::<L>::STRIDE + PHASE;
        let value = I::spread(row.add(input * BLOCK), Shape::<L>::GROUP, channel);
        for column in 0..Shape::<L>::COLUMNS {
            if let (true, Some(pixel)) = (Shape::<L>::reads(column, PHASE), Shape::<L>::pixel(step, column, PIXELS)) {
                sums[pixel] = I::multiply_add(value, factors[column], sums[pixel]);
            }
        }
    }
}
