//! Direct convolution.
//!
//! A tile of the output, some pixels of a row by some vectors of channels, stays in registers while the kernel walks over
//! everything it depends on: for each input block, for each row of the kernel, over a contiguous run of input values. Per
//! value it reads the channels' weights once and broadcasts the value of each pixel. Bias comes first, shortcut and
//! activation last, so each output is written once and nothing is read again.
//!
//! The tiles are numbered in the order that [`Algorithm`] says; each thread takes a contiguous part of the numbers. In the order
//! that reads every weight just once, each tile asks for its part of the panel that comes next.

#![expect(
    clippy::needless_range_loop,
    reason = "an index is a pixel, image or vector here, and offsets follow from it"
)]

use std::hint::black_box;
use std::marker::PhantomData;

use super::tile::Split;
use super::{Arguments, Kernel, RegisterTile, activate, clear_frames};
use crate::geometry::{Algorithm, BLOCK, ConvGeometry, Map};
use crate::isa::Isa;
use crate::program::{Layer, Tiles};

/// The convolution of a layer.
pub(crate) struct Conv<L>(PhantomData<L>);

impl<L: Layer<ConvGeometry> + Tiles> Kernel for Conv<L> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        // SAFETY: the caller vouches for what the kernel asks for.
        unsafe { <I::TileOf<L> as RegisterTile>::conv::<I, L>(arguments) }
    }
}

/// Numbers that follow from a layer's geometry.
struct Shape<L>(PhantomData<L>);

impl<L: Layer<ConvGeometry>> Shape<L> {
    const GEOMETRY: ConvGeometry = L::GEOMETRY;
    const INPUT: Map = L::GEOMETRY.input;
    const OUTPUT: Map = L::GEOMETRY.output;
    /// Pixels that tiles divide.
    const EXTENT: usize = extent(&L::GEOMETRY);
    /// Such rows per image.
    const ROWS: usize = Self::OUTPUT.height * Self::OUTPUT.width / Self::EXTENT;
    /// From the first value of an image to the first value of the first window.
    const ORIGIN: usize = (Self::INPUT.frame.top - Self::GEOMETRY.padding[0]) * Self::INPUT.row()
        + (Self::INPUT.frame.left - Self::GEOMETRY.padding[1]) * Self::INPUT.block;
    /// Between windows of neighbouring pixels.
    const ACROSS: usize = Self::GEOMETRY.stride[1] * Self::INPUT.block;
    /// Between windows of neighbouring rows.
    const DOWN: usize = Self::GEOMETRY.stride[0] * Self::INPUT.row();
    /// Contiguous runs of input values per row of the kernel.
    const RUNS: usize = if Self::GEOMETRY.dilation[1] == 1 { 1 } else { Self::GEOMETRY.kernel[1] };
    /// Values of such a run.
    const RUN: usize = Self::GEOMETRY.kernel[1] * Self::INPUT.block / Self::RUNS;
    /// Between such runs.
    const BETWEEN_RUNS: usize = Self::GEOMETRY.dilation[1] * Self::INPUT.block;
    /// Kernel rows of all input blocks.
    const KERNEL_ROWS: usize = Self::GEOMETRY.window * Self::GEOMETRY.kernel[0];
    /// Length of a panel, bias included.
    const PANEL: usize = (Self::KERNEL_ROWS * Self::RUNS * Self::RUN + 1) * Self::GEOMETRY.panel;
}

/// The length of the row that tiles divide: all pixels when they lie without gaps and each output depends on one input pixel, else a row.
pub(super) const fn extent(conv: &ConvGeometry) -> usize {
    let plain = conv.kernel[0] == 1
        && conv.kernel[1] == 1
        && conv.stride[0] == 1
        && conv.stride[1] == 1
        && conv.padding[0] == 0
        && conv.padding[1] == 0
        && conv.input.frame.is_none()
        && conv.output.frame.is_none()
        && match conv.shortcut {
            Some(shortcut) => shortcut.frame.is_none(),
            None => true,
        };
    if plain { conv.output.height * conv.output.width } else { conv.output.width }
}

/// Runs a convolution in tiles of one form.
///
/// # Safety
/// As [`Kernel::run`] says. The output may be the shortcut itself, if their layouts agree.
#[inline(always)]
pub(super) unsafe fn run<
    I: Isa,
    L: Layer<ConvGeometry>,
    const PIXELS: usize,
    const FEWER: usize,
    const VECTORS: usize,
>(
    arguments: &Arguments,
) {
    let geometry = const { Shape::<L>::GEOMETRY };
    let output = const { Shape::<L>::OUTPUT };
    // SAFETY: the caller vouches for the output's memory. A shortcut in place has its frame already.
    unsafe {
        if !std::ptr::eq(arguments.output, arguments.other) {
            clear_frames(arguments.output, output, geometry.batch, arguments.share);
        }
    }

    let split = const { Split::new(Shape::<L>::EXTENT, PIXELS, FEWER) };
    let per_row = split.count;
    let per_image = const { Shape::<L>::ROWS * Split::new(Shape::<L>::EXTENT, PIXELS, FEWER).count };
    let tiles = geometry.batch * per_image;
    let channels = const { VECTORS * I::LANES };
    let lines = const { lines_ahead::<L>(PIXELS) };
    let panels = const { Shape::<L>::OUTPUT.blocks() * BLOCK / (VECTORS * I::LANES) };

    for unit in arguments.share.of(tiles * panels) {
        let (panel, tile) = match geometry.algorithm {
            // The last never comes here.
            Algorithm::Panels | Algorithm::Winograd(_) => (unit / tiles, unit % tiles),
            Algorithm::Bands(band) => {
                let first = unit / (band * panels) * band;
                let rest = unit % (band * panels);
                let length = if tiles - first < band { tiles - first } else { band };
                (rest / length, first + rest % length)
            }
        };
        let (image, in_image) = (tile / per_image, tile % per_image);
        let (row, column) = (in_image / per_row, in_image % per_row);
        let (pixel, channel) = (split.first(column), panel * channels);
        let whole_panel = channel / geometry.panel;
        let first_block = if geometry.first_block.is_empty() { 0 } else { geometry.first_block[whole_panel] };
        // SAFETY: image, row, pixel and channel lie in the maps, and the maps where the caller says.
        unsafe {
            let in_output = place(output, image, channel, row, pixel);
            let part = tile * lines * Shape::<L>::KERNEL_ROWS * BLOCK;
            let weights = arguments.weights.add(whole_panel * Shape::<L>::PANEL + channel % geometry.panel);
            let corner = Corner {
                input: arguments.input.add(
                    image * Shape::<L>::INPUT.len()
                        + first_block * Shape::<L>::INPUT.plane()
                        + Shape::<L>::ORIGIN
                        + row * Shape::<L>::DOWN
                        + pixel * Shape::<L>::ACROSS,
                ),
                weights,
                shortcut: match geometry.shortcut {
                    Some(shortcut) => arguments.other.add(place(shortcut, image, channel, row, pixel)),
                    None => std::ptr::null(),
                },
                output: arguments.output.add(in_output),
                ahead: if part < Shape::<L>::PANEL { weights.wrapping_add(Shape::<L>::PANEL + part) } else { weights },
            };
            // Without this the compiler takes the addresses apart and computes them anew in the innermost loop.
            let corner = black_box(corner);
            if const { FEWER != 0 } && column >= split.whole {
                if const { FEWER != 0 } {
                    compute::<I, L, FEWER, VECTORS>(corner, lines);
                }
            } else {
                compute::<I, L, PIXELS, VECTORS>(corner, lines);
            }
        }
    }
}

/// Offset of a channel of a pixel.
#[inline(always)]
pub(super) fn place(map: Map, image: usize, channel: usize, row: usize, pixel: usize) -> usize {
    image * map.len()
        + channel / BLOCK * map.plane()
        + map.interior()
        + row * map.row()
        + pixel * BLOCK
        + channel % BLOCK
}

/// Where a tile begins in all that it reads and writes.
#[derive(Clone, Copy)]
struct Corner {
    input: *const f32,
    weights: *const f32,
    shortcut: *const f32,
    output: *mut f32,
    /// What to ask for from memory meanwhile: the tile's part of the next panel, or, when all of that is asked for, something near.
    ahead: *const f32,
}

/// 64-byte lines of the next panel that each tile asks for per kernel row of an input block.
const fn lines_ahead<L: Layer<ConvGeometry>>(pixels: usize) -> usize {
    match L::GEOMETRY.algorithm {
        Algorithm::Panels => {
            let tiles = L::GEOMETRY.batch * Shape::<L>::ROWS * Shape::<L>::EXTENT.div_ceil(pixels);
            (Shape::<L>::PANEL / BLOCK).div_ceil(tiles * Shape::<L>::KERNEL_ROWS)
        }
        Algorithm::Bands(_) | Algorithm::Winograd(_) => 0,
    }
}

/// Computes one tile.
///
/// # Safety
/// As [`Kernel::run`] says, for the tile at `corner`.
#[inline(always)]
unsafe fn compute<I: Isa, L: Layer<ConvGeometry>, const PIXELS: usize, const VECTORS: usize>(
    corner: Corner,
    lines: usize,
) {
    let geometry = const { Shape::<L>::GEOMETRY };
    // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
    unsafe {
        let mut sums = [[I::splat(0.0); VECTORS]; PIXELS];
        for vector in 0..VECTORS {
            let bias = I::load(corner.weights.add(vector * I::LANES));
            for pixel in 0..PIXELS {
                sums[pixel][vector] = bias;
            }
        }
        let mut weights = corner.weights.add(geometry.panel);
        let mut ahead = corner.ahead;
        for block in 0..geometry.window {
            for y in 0..geometry.kernel[0] {
                for line in 0..lines {
                    I::prefetch(ahead.wrapping_add(line * BLOCK));
                }
                ahead = ahead.wrapping_add(lines * BLOCK);
                let row = corner
                    .input
                    .add(block * Shape::<L>::INPUT.plane() + y * geometry.dilation[0] * Shape::<L>::INPUT.row());
                for run in 0..Shape::<L>::RUNS {
                    let values = row.add(run * Shape::<L>::BETWEEN_RUNS);
                    for value in 0..Shape::<L>::RUN {
                        let mut factors = [I::splat(0.0); VECTORS];
                        for vector in 0..VECTORS {
                            factors[vector] = I::load(weights.add(vector * I::LANES));
                        }
                        for pixel in 0..PIXELS {
                            let factor = I::broadcast(values.add(pixel * Shape::<L>::ACROSS + value));
                            for vector in 0..VECTORS {
                                sums[pixel][vector] = I::multiply_add(factor, factors[vector], sums[pixel][vector]);
                            }
                        }
                        weights = weights.add(geometry.panel);
                    }
                }
            }
        }
        for vector in 0..VECTORS {
            let lane = vector * I::LANES;
            for pixel in 0..PIXELS {
                let mut sum = sums[pixel][vector];
                if let Some(shortcut) = geometry.shortcut {
                    let at = lane / BLOCK * shortcut.plane() + lane % BLOCK + pixel * BLOCK;
                    sum = I::add(sum, I::load(corner.shortcut.add(at)));
                }
                let at = lane / BLOCK * Shape::<L>::OUTPUT.plane() + lane % BLOCK + pixel * BLOCK;
                I::store(corner.output.add(at), activate::<I>(geometry.activation, sum));
            }
        }
    }
}
