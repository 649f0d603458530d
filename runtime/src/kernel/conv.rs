//! Direct convolution.
//!
//! A tile of the output, some pixels of a row by some vectors of channels, stays in registers while the kernel walks over
//! what it depends on: for each input block of the pass, for each row of the kernel, over a contiguous run of input values. Per
//! value it reads the channels' weights once and broadcasts the value of each pixel. The first pass begins with the bias; the last
//! adds the shortcut and applies the activation; between passes the sums lie in scratch memory. So each output is written once.
//!
//! The tiles are numbered in the order that [`Direct`] says, passes aside; each thread takes contiguous parts of the numbers, and
//! runs over each pass by pass. Each tile asks for its part of the weights that the thread needs next.

#![expect(
    clippy::needless_range_loop,
    reason = "an index is a pixel, image or vector here, and offsets follow from it"
)]

use std::hint::black_box;
use std::marker::PhantomData;

use super::products::{Sums, load, store};
use super::share::Parts;
use super::tile::{Split, extent, wraps};
use super::{Arguments, Kernel, RegisterTile, clear_output_frames, finish, line_of, place};
use crate::geometry::{Algorithm, BLOCK, ConvGeometry, Direct, Map};
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

/// Tiles that threads do not part, if they can: neighbours share weights in a near cache.
pub(super) const NEIGHBOURS: usize = 8;

/// Numbers that follow from a layer's geometry.
struct Shape<L>(PhantomData<L>);

impl<L: Layer<ConvGeometry>> Shape<L> {
    const GEOMETRY: ConvGeometry = L::GEOMETRY;
    const INPUT: Map = L::GEOMETRY.input;
    const OUTPUT: Map = L::GEOMETRY.output;
    /// Rows of an image that tiles of a form divide.
    const fn rows(pixels: usize, fewer: usize) -> usize {
        Self::OUTPUT.height * Self::OUTPUT.width / extent(&L::GEOMETRY, pixels, fewer)
    }
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
    /// Values per turn of the innermost loop.
    const UNROLLED: usize = if Self::RUN.is_multiple_of(4) { 4 } else { 1 };
    /// Between such runs.
    const BETWEEN_RUNS: usize = Self::GEOMETRY.dilation[1] * Self::INPUT.block;
    /// Input values of a block that an output depends on.
    const PER_BLOCK: usize = Self::GEOMETRY.kernel[0] * Self::RUNS * Self::RUN;
    /// Length of a panel, bias included.
    const PANEL: usize = (Self::GEOMETRY.window * Self::PER_BLOCK + 1) * BLOCK;
    const DIRECT: Direct = match Self::GEOMETRY.algorithm {
        Algorithm::Direct(direct) if direct.depth > Self::GEOMETRY.window => {
            Direct { depth: Self::GEOMETRY.window, ..direct }
        }
        Algorithm::Direct(direct) => direct,
        // Never used: other kernels run these.
        _ => Direct { band: 1, depth: 1, sums: 1 },
    };
    const PASSES: usize = Self::GEOMETRY.window.div_ceil(Self::DIRECT.depth);

    /// From the weights of a register tile's first channel to those of a later one: it may span several panels.
    #[inline(always)]
    const fn of_lane(lane: usize) -> usize {
        lane / BLOCK * Self::PANEL + lane % BLOCK
    }
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
    // SAFETY: the caller vouches for what the kernel asks for.
    unsafe { clear_output_frames(&geometry, arguments) };

    let split = const { Split::new(extent(&L::GEOMETRY, PIXELS, FEWER), PIXELS, FEWER) };
    let per_image = const {
        Shape::<L>::rows(PIXELS, FEWER) * Split::new(extent(&L::GEOMETRY, PIXELS, FEWER), PIXELS, FEWER).count
    };
    let tiles = geometry.batch * per_image;
    let channels = const { VECTORS * I::LANES };
    let panels = const { Shape::<L>::OUTPUT.blocks() * BLOCK / (VECTORS * I::LANES) };
    let band = const { Shape::<L>::DIRECT.band.div_ceil(PIXELS) };
    let ahead = const { rows_ahead::<L>(PIXELS) };
    let rows = const { rows_ahead::<L>(PIXELS) * Shape::<L>::DIRECT.depth * Shape::<L>::GEOMETRY.kernel[0] };
    let passes = const { Shape::<L>::PASSES };
    // Panel and tile of a number. A panel here is as wide as the register tile.
    let place_of = |unit: usize| {
        let first = unit / (band * panels) * band;
        let rest = unit % (band * panels);
        let length = if tiles - first < band { tiles - first } else { band };
        (rest / length, first + rest % length, rest % length)
    };
    let weights_of = |panel: usize, pass: usize| {
        let channel = panel * channels;
        let first = pass * Shape::<L>::DIRECT.depth * Shape::<L>::PER_BLOCK + 1;
        let at = channel / BLOCK * Shape::<L>::PANEL + channel % BLOCK + first * BLOCK;
        arguments.weights.wrapping_add(at)
    };

    // In several passes, each part reads its inputs from afar again in each.
    let parts = const {
        if Shape::<L>::PASSES == 1 {
            Parts::of(NEIGHBOURS)
        } else {
            Parts::of(NEIGHBOURS).few(run_length::<L>(PIXELS * VECTORS * I::LANES))
        }
    };
    for part in arguments.share.parts(tiles * panels, parts) {
        let start = part.start;
        let first_panel = place_of(start).0;
        let last_panel = place_of(part.end - 1).0;
        for pass in 0..passes {
            for unit in part.clone() {
                let (panel, tile, in_band) = place_of(unit);
                let (image, in_image) = (tile / per_image, tile % per_image);
                let (row, column) = (in_image / split.count, in_image % split.count);
                let (pixel, channel) = (split.first(column), panel * channels);
                let first_block = match geometry.first_block {
                    [] => 0,
                    blocks => blocks[channel / BLOCK],
                } + pass * Shape::<L>::DIRECT.depth;
                let (next_panel, next_pass) = match (panel < last_panel, pass + 1 < passes) {
                    (true, _) => (panel + 1, pass),
                    (false, true) => (first_panel, pass + 1),
                    (false, false) => (panel + 1, 0),
                };
                // SAFETY: image, row, pixel and channel lie in the maps, and the maps where the caller says; unit - start lies in the run.
                unsafe {
                    // The tile's first pixel in the output, whose rows may be shorter than those that tiles divide.
                    let (y, x) = if const { Shape::<L>::rows(PIXELS, FEWER) == 1 } {
                        (pixel / output.width, pixel % output.width)
                    } else {
                        (row, pixel)
                    };
                    // In the input, pixels of a flat convolution are one row.
                    let (down, across) =
                        if const { wraps(&L::GEOMETRY, PIXELS, FEWER) } { (y, x) } else { (row, pixel) };
                    let corner = Corner {
                        column: x,
                        input: arguments.input.add(
                            image * Shape::<L>::INPUT.len()
                                + first_block * Shape::<L>::INPUT.plane()
                                + Shape::<L>::ORIGIN
                                + down * Shape::<L>::DOWN
                                + across * Shape::<L>::ACROSS,
                        ),
                        bias: weights_of(panel, 0).wrapping_sub(BLOCK),
                        weights: weights_of(panel, pass),
                        shortcut: match geometry.shortcut {
                            Some(shortcut) => arguments.other.add(place(shortcut, image, channel, y, x)),
                            None => std::ptr::null(),
                        },
                        line: line_of::<L>(arguments.weights, channel),
                        output: arguments.output.add(place(output, image, channel, y, x)),
                        ahead: if in_band * rows < Shape::<L>::DIRECT.depth * Shape::<L>::PER_BLOCK {
                            weights_of(next_panel, next_pass).wrapping_add(in_band * rows * BLOCK)
                        } else {
                            weights_of(panel, pass)
                        },
                        sums: arguments.scratch.wrapping_add((unit - start) * PIXELS * channels),
                        pass,
                    };
                    // Without this the compiler takes the addresses apart and computes them anew in the innermost loop.
                    let corner = black_box(corner);
                    let small = const { FEWER != 0 } && column >= split.whole;
                    if const { wraps(&L::GEOMETRY, PIXELS, FEWER) } {
                        either::<I, L, PIXELS, FEWER, VECTORS, true>(corner, ahead, small);
                    } else {
                        either::<I, L, PIXELS, FEWER, VECTORS, false>(corner, ahead, small);
                    }
                }
            }
        }
    }
}

/// Computes one tile, of the larger or the smaller form.
///
/// # Safety
/// As [`compute`].
#[inline(always)]
unsafe fn either<
    I: Isa,
    L: Layer<ConvGeometry>,
    const PIXELS: usize,
    const FEWER: usize,
    const VECTORS: usize,
    const WRAPS: bool,
>(
    corner: Corner,
    rows_ahead: usize,
    small: bool,
) {
    // SAFETY: the caller vouches for what the kernel asks for.
    unsafe {
        if const { FEWER != 0 } && small {
            if const { FEWER != 0 } {
                compute::<I, L, FEWER, VECTORS, WRAPS>(corner, rows_ahead);
            }
        } else {
            compute::<I, L, PIXELS, VECTORS, WRAPS>(corner, rows_ahead);
        }
    }
}

/// Where a tile begins in all that it reads and writes.
#[derive(Clone, Copy)]
struct Corner {
    input: *const f32,
    bias: *const f32,
    weights: *const f32,
    shortcut: *const f32,
    /// What the second result takes.
    line: *const f32,
    output: *mut f32,
    /// Of the first pixel in the output.
    column: usize,
    /// What to ask for from memory meanwhile: the tile's part of the weights that come next, or, when all of these are asked for,
    /// something near.
    ahead: *const f32,
    /// The tile's sums between passes.
    sums: *mut f32,
    pass: usize,
}

/// Rows of the next weights that each tile asks for per kernel row of an input block.
const fn rows_ahead<L: Layer<ConvGeometry>>(pixels: usize) -> usize {
    let Direct { band, depth, .. } = Shape::<L>::DIRECT;
    let all = (L::GEOMETRY.batch * Shape::<L>::OUTPUT.height * Shape::<L>::OUTPUT.width).div_ceil(pixels);
    let tiles = if band.div_ceil(pixels) < all { band.div_ceil(pixels) } else { all };
    (depth * Shape::<L>::PER_BLOCK).div_ceil(tiles * depth * L::GEOMETRY.kernel[0])
}

/// Tiles per run of sums, for tiles of so many sums.
const fn run_length<L: Layer<ConvGeometry>>(tile: usize) -> usize {
    let tiles = Shape::<L>::DIRECT.sums / tile;
    if tiles == 0 { 1 } else { tiles }
}

/// Length of the scratch memory that a thread needs, for register tiles of so many sums.
pub(super) const fn scratch(window: usize, direct: Direct, tile: usize) -> usize {
    if direct.depth >= window {
        0
    } else if direct.sums < tile {
        tile
    } else {
        direct.sums / tile * tile
    }
}

/// Computes one tile, or one pass of it.
///
/// # Safety
/// As [`Kernel::run`] says, for the tile at `corner`.
#[inline(always)]
unsafe fn compute<I: Isa, L: Layer<ConvGeometry>, const PIXELS: usize, const VECTORS: usize, const WRAPS: bool>(
    corner: Corner,
    rows_ahead: usize,
) {
    let geometry = const { Shape::<L>::GEOMETRY };
    let depth = const { Shape::<L>::DIRECT.depth };
    let (first, last) = (corner.pass == 0, const { Shape::<L>::PASSES == 1 } || corner.pass + 1 == Shape::<L>::PASSES);
    // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
    unsafe {
        let mut begun = [[I::splat(0.0); VECTORS]; PIXELS];
        if const { Shape::<L>::PASSES == 1 } || first {
            for vector in 0..VECTORS {
                let bias = I::load(corner.bias.add(Shape::<L>::of_lane(vector * I::LANES)));
                for pixel in 0..PIXELS {
                    begun[pixel][vector] = bias;
                }
            }
        } else {
            begun = load::<I, PIXELS, VECTORS>(corner.sums);
        }
        // From the first pixel's window to that of each, where they do not lie in a row.
        let mut windows = [0; PIXELS];
        if WRAPS {
            for pixel in 0..PIXELS {
                let (column, width) = (corner.column + pixel, Shape::<L>::OUTPUT.width);
                windows[pixel] = column / width * Shape::<L>::DOWN + column % width * Shape::<L>::ACROSS
                    - corner.column * Shape::<L>::ACROSS;
            }
        }
        // Copies: loops over many pixels that are not unrolled index what they touch, and that would keep the sums in memory.
        let mut sums = begun;
        let mut weights = corner.weights;
        let mut ahead = corner.ahead;
        let blocks = if const { Shape::<L>::GEOMETRY.window.is_multiple_of(Shape::<L>::DIRECT.depth) } || !last {
            depth
        } else {
            geometry.window - (Shape::<L>::PASSES - 1) * depth
        };
        for block in 0..blocks {
            for y in 0..geometry.kernel[0] {
                for row in 0..rows_ahead {
                    for line in (0..VECTORS * I::LANES).step_by(BLOCK) {
                        I::prefetch(ahead.wrapping_add(row * BLOCK + Shape::<L>::of_lane(line)));
                    }
                }
                ahead = ahead.wrapping_add(rows_ahead * BLOCK);
                let row = corner
                    .input
                    .add(block * Shape::<L>::INPUT.plane() + y * geometry.dilation[0] * Shape::<L>::INPUT.row());
                for run in 0..Shape::<L>::RUNS {
                    let values = row.add(run * Shape::<L>::BETWEEN_RUNS);
                    let mut value = 0;
                    while value < Shape::<L>::RUN {
                        for _ in 0..Shape::<L>::UNROLLED {
                            multiply::<I, L, PIXELS, VECTORS, WRAPS>(weights, values.add(value), &windows, &mut sums);
                            weights = weights.add(BLOCK);
                            value += 1;
                        }
                    }
                }
            }
        }
        if last {
            let Corner { shortcut, line, output, column, .. } = corner;
            finish_tile::<I, L, PIXELS, 0, VECTORS, WRAPS>(sums, shortcut, line, output, column);
        } else {
            store::<I, PIXELS, VECTORS>(corner.sums, sums);
        }
    }
}

/// Adds the shortcut to a tile's sums, applies the activation and writes the result, from a pixel on. `column` is that of the first.
///
/// # Safety
/// As [`Kernel::run`] says, for the tile at `shortcut`, `line` and `output`.
#[inline(always)]
pub(super) unsafe fn finish_tile<
    I: Isa,
    L: Layer<ConvGeometry>,
    const PIXELS: usize,
    const FROM: usize,
    const VECTORS: usize,
    const WRAPS: bool,
>(
    sums: Sums<I, PIXELS, VECTORS>,
    shortcut: *const f32,
    line: *const f32,
    output: *mut f32,
    column: usize,
) {
    let geometry = const { L::GEOMETRY };
    for vector in 0..VECTORS {
        let lane = vector * I::LANES;
        let of_pixel =
            |map: Map, pixel: usize| lane / BLOCK * map.plane() + lane % BLOCK + along::<L, WRAPS>(map, column, pixel);
        for pixel in FROM..PIXELS {
            let shortcut = geometry.shortcut.map(|map| shortcut.wrapping_add(of_pixel(map, pixel)));
            // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
            unsafe {
                let to = output.add(of_pixel(geometry.output, pixel));
                finish::<I, L>(sums[pixel][vector], shortcut, line.wrapping_add(lane), to);
            }
        }
    }
}

/// From a tile's first pixel, in a column of a map, to a later one. If it wraps, a row of the map may end between the two.
#[inline(always)]
fn along<L: Layer<ConvGeometry>, const WRAPS: bool>(map: Map, column: usize, pixel: usize) -> usize {
    if const { !WRAPS && !L::GEOMETRY.flat() } || map.frame.left + map.frame.right == 0 {
        return pixel * BLOCK;
    }
    pixel * BLOCK + (column + pixel) / map.width * (map.frame.left + map.frame.right) * BLOCK
}

/// Adds one input value's products to a tile's sums.
///
/// # Safety
/// The processor has the instruction set; the weights and the value of each pixel can be read.
#[inline(always)]
unsafe fn multiply<I: Isa, L: Layer<ConvGeometry>, const PIXELS: usize, const VECTORS: usize, const WRAPS: bool>(
    weights: *const f32,
    value: *const f32,
    windows: &[usize; PIXELS],
    sums: &mut [[I::Vector; VECTORS]; PIXELS],
) {
    // SAFETY: the caller vouches for the memory.
    unsafe {
        let mut factors = [I::splat(0.0); VECTORS];
        for vector in 0..VECTORS {
            factors[vector] = I::load(weights.add(Shape::<L>::of_lane(vector * I::LANES)));
        }
        for pixel in 0..PIXELS {
            let window = if WRAPS { windows[pixel] } else { pixel * Shape::<L>::ACROSS };
            let factor = I::broadcast(value.add(window));
            for vector in 0..VECTORS {
                sums[pixel][vector] = I::multiply_add(factor, factors[vector], sums[pixel][vector]);
            }
        }
    }
}
