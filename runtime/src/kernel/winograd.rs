//! Convolution by Winograd's minimal filtering; [`Winograd`] says what it computes.
//!
//! A unit of work is one or two panels of output channels of a group of tiles. The thread transforms the group's input once, for all the
//! units that it has of it, into its scratch memory; then it multiplies, product by product, into a second part of the scratch
//! memory that holds the unit's sums; then it transforms that back, adds bias and shortcut, and applies the activation. So the
//! transformed input is read from a near cache, each transformed weight once per group, and sums never leave the core.
//!
//! Where a last tile has fewer outputs and so lacks products, tiles are numbered by [kind](Shape::STARTS), those of all images after
//! one another, so that the tiles that have a product are a run.
//!
//! Where pixels are taken two by two, a tile's input is read so, row by row of the pairs: two neighbouring pixels lie together anyway.
//!
//! Scratch: `[block][product][tile][16]` of the input, then `[tile][product][channel of the unit]` of the sums.

#![expect(clippy::needless_range_loop, reason = "an index is a row, column or tile here, and offsets follow from it")]

mod transforms;

use std::marker::PhantomData;

use self::transforms::{kept, of_inputs, of_sums};
use super::products::{Factors, add_products};
use super::{Arguments, clear_output_frames, finish, line_of, place};
use crate::geometry::{Algorithm, BLOCK, ConvGeometry, Map, Winograd, in_pairs};
use crate::isa::Isa;
use crate::program::Layer;

/// Numbers that follow from a layer's geometry.
struct Shape<L>(PhantomData<L>);

impl<L: Layer<ConvGeometry>> Shape<L> {
    const WINOGRAD: Winograd = match L::GEOMETRY.algorithm {
        Algorithm::Winograd(winograd) => winograd,
        // Never used: other kernels run these.
        _ => Winograd { outputs: 2, group: 1 },
    };
    const GROUP: usize = Self::WINOGRAD.group;
    const OUTPUTS: usize = Self::WINOGRAD.outputs;
    const STRIDE: usize = L::GEOMETRY.stride[0];
    const PRODUCTS: usize = Self::WINOGRAD.products(Self::STRIDE);
    /// Factors of a transformed kernel.
    const FACTORS: usize = Self::WINOGRAD.factors() * Self::WINOGRAD.factors();
    /// Points but infinity of a last tile along each side.
    const KEPT: [usize; 2] = [kept(Self::LAST[0], Self::WINOGRAD.taps()), kept(Self::LAST[1], Self::WINOGRAD.taps())];
    /// Along each side, the tiles with all products, and the outputs of a last one with fewer; 0 where none has.
    const WHOLE: [usize; 2] = [
        Self::WINOGRAD.whole(L::GEOMETRY.output.height, Self::STRIDE),
        Self::WINOGRAD.whole(L::GEOMETRY.output.width, Self::STRIDE),
    ];
    const LAST: [usize; 2] = [
        Self::WINOGRAD.last(L::GEOMETRY.output.height, Self::STRIDE),
        Self::WINOGRAD.last(L::GEOMETRY.output.width, Self::STRIDE),
    ];
    /// Tiles of an image of each kind: last in their row, none of that, last in their column, both.
    const PER_IMAGE: [usize; 4] = {
        let [down, across] = Self::WHOLE;
        let (below, beside) = ((Self::LAST[0] > 0) as usize, (Self::LAST[1] > 0) as usize);
        [down * beside, down * across, across * below, below * beside]
    };
    /// The first tile of each kind, of all images, and the number of tiles. A product that tiles last in their row lack begins with
    /// the second kind; one that tiles last in their column lack ends before the third.
    const STARTS: [usize; 5] = {
        let mut starts = [0; 5];
        let mut kind = 0;
        while kind < 4 {
            starts[kind + 1] = starts[kind] + L::GEOMETRY.batch * Self::PER_IMAGE[kind];
            kind += 1;
        }
        starts
    };
    const TILES: usize = Self::STARTS[4];
    /// Output channels per unit of work.
    const WIDTH: usize = width(&L::GEOMETRY);
    const UNITS: usize = L::GEOMETRY.output.blocks() * BLOCK / Self::WIDTH;
    /// Channels of a block of input, as the products see it.
    const CHANNELS: usize = Self::WINOGRAD.channels(L::GEOMETRY.input.block);
    /// Rows of pixels of which those channels are, and the run of values of each.
    const ROWS: usize = if Self::WINOGRAD.in_pairs() { 2 } else { 1 };
    const RUN: usize = Self::CHANNELS / Self::ROWS;
    /// Input channels of a panel.
    const DEPTH: usize = L::GEOMETRY.window * Self::CHANNELS;
    /// Length of a panel's weights for one factor.
    const SLAB: usize = Self::DEPTH * BLOCK;
    /// Length of a panel, bias included.
    const PANEL: usize = Self::FACTORS * Self::SLAB + BLOCK;
    /// Between the products of a block of transformed input. An odd number of lines: their stores spread over the cache.
    const BETWEEN_PRODUCTS: usize = between_products(Self::WINOGRAD);
    /// Between its blocks.
    const BETWEEN_BLOCKS: usize = Self::PRODUCTS * Self::BETWEEN_PRODUCTS;
    /// Between the sums of neighbouring tiles.
    const BETWEEN_TILES: usize = Self::PRODUCTS * Self::WIDTH;

    /// From the weights of a unit's first channel to those of a later one: it may span several panels.
    #[inline(always)]
    const fn of_lane(lane: usize) -> usize {
        lane / BLOCK * Self::PANEL + lane % BLOCK
    }

    /// Height and width of a kind of tile, in outputs.
    const fn outputs_of(kind: usize) -> [usize; 2] {
        let [rows, columns] = Self::LAST;
        [if kind < 2 { Self::OUTPUTS } else { rows }, if matches!(kind, 0 | 3) { columns } else { Self::OUTPUTS }]
    }

    /// Image, row and column of the first output of a tile of a kind.
    #[inline(always)]
    const fn place(kind: usize, tile: usize) -> (usize, usize, usize) {
        let [down, across] = Self::WHOLE;
        let in_kind = tile - Self::STARTS[kind];
        let (image, in_image) = (in_kind / Self::PER_IMAGE[kind], in_kind % Self::PER_IMAGE[kind]);
        let (row, column) = match kind {
            0 => (in_image, across),
            1 => (in_image / across, in_image % across),
            2 => (down, in_image),
            _ => (down, across),
        };
        (image, row * Self::OUTPUTS, column * Self::OUTPUTS)
    }

    /// The part of a group that is of a kind: its first tile, and the one behind its last, as numbered in the layer.
    #[inline(always)]
    const fn of_kind(kind: usize, first: usize, tiles: usize) -> (usize, usize) {
        common((Self::STARTS[kind], Self::STARTS[kind + 1]), (first, first + tiles))
    }

    /// The same for the part of a group that has a product, by its row and column.
    #[inline(always)]
    const fn having(product: (usize, usize), first: usize, tiles: usize) -> (usize, usize) {
        let [_, second, third, fourth, end] = Self::STARTS;
        let (row, column) = (Self::lacking(0, product.0), Self::lacking(1, product.1));
        let begin = if column { second } else { 0 };
        let end = match (row, column) {
            (true, _) => third,
            (false, true) => fourth,
            (false, false) => end,
        };
        common((begin, end), (first, first + tiles))
    }

    /// Whether tiles of a kind lack a product along an axis.
    #[inline(always)]
    const fn lacks(kind: usize, axis: usize, product: usize) -> bool {
        Self::outputs_of(kind)[axis] < Self::OUTPUTS && Self::lacking(axis, product)
    }

    /// Whether last tiles along an axis lack a product.
    #[inline(always)]
    const fn lacking(axis: usize, product: usize) -> bool {
        Self::LAST[axis] > 0 && product >= Self::KEPT[axis] && product + 1 < Self::WINOGRAD.side(Self::STRIDE)
    }
}

/// What two ranges have in common; one that ends before it begins where that is nothing.
#[inline(always)]
const fn common(a: (usize, usize), b: (usize, usize)) -> (usize, usize) {
    (if a.0 > b.0 { a.0 } else { b.0 }, if a.1 < b.1 { a.1 } else { b.1 })
}

/// The sizes of register tiles of at most so many pixels that a layer needs.
struct Forms<L, const PIXELS: usize>(PhantomData<L>);

impl<L: Layer<ConvGeometry>, const PIXELS: usize> Forms<L, PIXELS> {
    /// A bit for each size.
    const NEEDED: u32 = {
        let side = Shape::<L>::WINOGRAD.side(Shape::<L>::STRIDE);
        let (mut needed, mut product) = (0, 0);
        while product < Shape::<L>::PRODUCTS {
            let at = (product / side, product % side);
            // The tiles that have a product are a run: of the groups in it, all but the first and the last are alike.
            let (from, to) = Shape::<L>::having(at, 0, Shape::<L>::TILES);
            if from < to {
                let (first, last) = (from / Shape::<L>::GROUP, (to - 1) / Shape::<L>::GROUP);
                let groups = [first, if first < last { first + 1 } else { last }, last];
                let mut index = 0;
                while index < groups.len() {
                    let first = groups[index] * Shape::<L>::GROUP;
                    let (begin, end) = Shape::<L>::having(at, first, group_from::<L>(first));
                    let Even { size, whole, count } = Even::new(end - begin, PIXELS);
                    needed |= 1 << size;
                    if whole < count {
                        needed |= 1 << (size - 1);
                    }
                    index += 1;
                }
            }
            product += 1;
        }
        needed
    };
}

/// Tiles of the group that begins with this one.
#[inline(always)]
const fn group_from<L: Layer<ConvGeometry>>(first: usize) -> usize {
    let rest = Shape::<L>::TILES - first;
    if rest < Shape::<L>::GROUP { rest } else { Shape::<L>::GROUP }
}

/// Tiles divided among as few register tiles as hold so many at most.
#[derive(Clone, Copy)]
struct Even {
    /// Register tiles.
    count: usize,
    /// Tiles of each, or one fewer.
    size: usize,
    /// Those that are not one fewer, the first.
    whole: usize,
}

impl Even {
    #[inline(always)]
    const fn new(tiles: usize, most: usize) -> Self {
        let count = tiles.div_ceil(most);
        let size = tiles.div_ceil(count);
        Self { count, size, whole: tiles - count * (size - 1) }
    }
}

/// Output channels per unit of work: two panels if they come in pairs that read the same input, else one.
pub(super) const fn width(conv: &ConvGeometry) -> usize {
    if in_pairs(conv.output.blocks(), conv.first_block) { 2 * BLOCK } else { BLOCK }
}

const fn between_products(winograd: Winograd) -> usize {
    // A pair's second row is written as a whole vector, and so over the next tile's first values, before they are written.
    let slots = winograd.group + winograd.in_pairs() as usize;
    (slots | 1) * BLOCK
}

/// Length of the scratch memory that a thread needs.
pub(super) const fn scratch(conv: &ConvGeometry, winograd: Winograd) -> usize {
    let products = winograd.products(conv.stride[0]);
    conv.input.blocks() * products * between_products(winograd) + winograd.group * products * width(conv)
}

/// Runs a convolution in register tiles of one form.
///
/// # Safety
/// As [`Kernel::run`](super::Kernel::run) says. The output may be the shortcut itself, if their layouts agree.
#[inline(always)]
pub(super) unsafe fn run<I: Isa, L: Layer<ConvGeometry>, const PIXELS: usize, const VECTORS: usize>(
    arguments: &Arguments,
) {
    // SAFETY: the caller vouches for what the kernel asks for.
    unsafe {
        // Conditions, of which only the true one is compiled, for each layer.
        if const { Shape::<L>::OUTPUTS == 3 } {
            of_size::<I, L, PIXELS, VECTORS, 3, 6>(arguments);
        } else if const { Shape::<L>::OUTPUTS == 4 && Shape::<L>::STRIDE == 1 } {
            of_size::<I, L, PIXELS, VECTORS, 4, 6>(arguments);
        } else if const { Shape::<L>::OUTPUTS == 4 } {
            of_size::<I, L, PIXELS, VECTORS, 4, 9>(arguments);
        } else if const { Shape::<L>::STRIDE == 1 } {
            of_size::<I, L, PIXELS, VECTORS, 2, 4>(arguments);
        } else {
            of_size::<I, L, PIXELS, VECTORS, 2, 5>(arguments);
        }
    }
}

/// # Safety
/// As [`run`].
#[inline(always)]
unsafe fn of_size<
    I: Isa,
    L: Layer<ConvGeometry>,
    const PIXELS: usize,
    const VECTORS: usize,
    const OUTPUTS: usize,
    const SIDE: usize,
>(
    arguments: &Arguments,
) {
    // SAFETY: the caller vouches for what the kernel asks for.
    unsafe { clear_output_frames(&L::GEOMETRY, arguments) };
    let (group, units) = const { (Shape::<L>::GROUP, Shape::<L>::UNITS) };
    let mut transformed = usize::MAX;
    for unit in arguments.share.units(const { Shape::<L>::TILES.div_ceil(Shape::<L>::GROUP) * Shape::<L>::UNITS }) {
        let (first, channel) = (unit / units * group, unit % units * Shape::<L>::WIDTH);
        let tiles = group_from::<L>(first);
        // SAFETY: first and tiles lie in the layer, so that all offsets lie in the maps, in the panel's weights and in the scratch memory.
        unsafe {
            if transformed != first {
                transform_input::<I, L, OUTPUTS, SIDE, 0>(arguments, first, tiles);
                transform_input::<I, L, OUTPUTS, SIDE, 1>(arguments, first, tiles);
                transform_input::<I, L, OUTPUTS, SIDE, 2>(arguments, first, tiles);
                transform_input::<I, L, OUTPUTS, SIDE, 3>(arguments, first, tiles);
                transformed = first;
            }
            multiply::<I, L, PIXELS, VECTORS, OUTPUTS, SIDE>(arguments, channel, first, tiles);
            transform_output::<I, L, OUTPUTS, SIDE, 0>(arguments, channel, first, tiles);
            transform_output::<I, L, OUTPUTS, SIDE, 1>(arguments, channel, first, tiles);
            transform_output::<I, L, OUTPUTS, SIDE, 2>(arguments, channel, first, tiles);
            transform_output::<I, L, OUTPUTS, SIDE, 3>(arguments, channel, first, tiles);
        }
    }
}

/// Transforms the inputs of a group's tiles of a kind into scratch memory.
///
/// # Safety
/// As [`run`], for the tiles.
#[inline(always)]
unsafe fn transform_input<
    I: Isa,
    L: Layer<ConvGeometry>,
    const OUTPUTS: usize,
    const SIDE: usize,
    const KIND: usize,
>(
    arguments: &Arguments,
    first: usize,
    tiles: usize,
) {
    if const { Shape::<L>::PER_IMAGE[KIND] == 0 } {
        return;
    }
    let (map, padding, stride) = const { (L::GEOMETRY.input, L::GEOMETRY.padding, Shape::<L>::STRIDE) };
    let run = const { Shape::<L>::RUN };
    let [rows, columns] = const { Shape::<L>::outputs_of(KIND) };
    let origin = (map.frame.top - padding[0]) * map.row() + (map.frame.left - padding[1]) * map.block;
    let (begin, end) = Shape::<L>::of_kind(KIND, first, tiles);
    for tile in begin..end {
        let (image, row, column) = Shape::<L>::place(KIND, tile);
        for block in 0..map.blocks() {
            // SAFETY: the frame of the input covers what the tile reads, and the scratch memory has room for the group.
            unsafe {
                let from = arguments
                    .input
                    .add(image * map.len() + block * map.plane() + origin)
                    .add(row * stride * map.row() + column * stride * map.block);
                let to = arguments.scratch.add(block * Shape::<L>::BETWEEN_BLOCKS + (tile - first) * BLOCK);
                for of_pair in 0..const { Shape::<L>::ROWS } {
                    let (from, to) = (from.add(of_pair * map.row()), to.add(of_pair * run));
                    for lane in (0..run).step_by(I::LANES) {
                        let mut inputs = [[I::splat(0.0); SIDE]; SIDE];
                        for x in 0..inputs_for::<OUTPUTS, SIDE>(columns) {
                            let mut values = [I::splat(0.0); SIDE];
                            for y in 0..inputs_for::<OUTPUTS, SIDE>(rows) {
                                values[y] = I::load(from.add(y * Shape::<L>::ROWS * map.row() + x * run + lane));
                            }
                            inputs[x] = of_inputs::<I, OUTPUTS, SIDE>(values, rows);
                        }
                        for y in 0..SIDE {
                            if Shape::<L>::lacks(KIND, 0, y) {
                                continue;
                            }
                            let mut values = [I::splat(0.0); SIDE];
                            for x in 0..inputs_for::<OUTPUTS, SIDE>(columns) {
                                values[x] = inputs[x][y];
                            }
                            let products = of_inputs::<I, OUTPUTS, SIDE>(values, columns);
                            for x in 0..SIDE {
                                if Shape::<L>::lacks(KIND, 1, x) {
                                    continue;
                                }
                                I::store(to.add((y * SIDE + x) * Shape::<L>::BETWEEN_PRODUCTS + lane), products[x]);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Inputs along a side of a tile with so many outputs; [`of_inputs`] says of what.
#[inline(always)]
const fn inputs_for<const OUTPUTS: usize, const SIDE: usize>(outputs: usize) -> usize {
    // Fewer outputs there are at stride 1 only, with one input fewer for each.
    SIDE - (OUTPUTS - outputs)
}

/// Multiplies a unit's weights with the transformed inputs of its window, product by product. `unit` is its first channel.
///
/// # Safety
/// As [`run`], for the unit; the scratch memory holds the transformed inputs of the group's tiles.
#[inline(always)]
unsafe fn multiply<
    I: Isa,
    L: Layer<ConvGeometry>,
    const PIXELS: usize,
    const VECTORS: usize,
    const OUTPUTS: usize,
    const SIDE: usize,
>(
    arguments: &Arguments,
    unit: usize,
    first: usize,
    tiles: usize,
) {
    let geometry = const { L::GEOMETRY };
    let first_block = if geometry.first_block.is_empty() { 0 } else { geometry.first_block[unit / BLOCK] };
    // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
    unsafe {
        let inputs = arguments.scratch.add(first_block * Shape::<L>::BETWEEN_BLOCKS);
        let sums = arguments.scratch.add(geometry.input.blocks() * Shape::<L>::BETWEEN_BLOCKS);
        let weights = arguments.weights.add(unit / BLOCK * Shape::<L>::PANEL + BLOCK);
        for factor in 0..const { Shape::<L>::FACTORS } {
            let side = const { Shape::<L>::WINOGRAD.factors() };
            let (y, x) = (factor / side, factor % side);
            for channel in (0..const { Shape::<L>::WIDTH }).step_by(VECTORS * I::LANES) {
                let weights = weights.add(factor * Shape::<L>::SLAB + Shape::<L>::of_lane(channel));
                let mut asks = true;
                for y in products_of::<L>(y) {
                    for x in products_of::<L>(x) {
                        let product = y * SIDE + x;
                        let (begin, end) = Shape::<L>::having((y, x), first, tiles);
                        if begin >= end {
                            continue;
                        }
                        let Even { count, size, whole } = Even::new(end - begin, PIXELS);
                        // Each register tile of the first product asks for its part of the next factor.
                        let rows = if asks { BLOCK.div_ceil(count) } else { 0 };
                        asks = false;
                        let mut tile = begin - first;
                        for register_tile in 0..count {
                            let corner = Corner {
                                inputs: inputs.add(product * Shape::<L>::BETWEEN_PRODUCTS + tile * BLOCK),
                                weights,
                                sums: sums
                                    .add(tile * Shape::<L>::BETWEEN_TILES + product * Shape::<L>::WIDTH + channel),
                                ahead: weights
                                    .wrapping_add(Shape::<L>::SLAB + register_tile * rows * geometry.window * BLOCK),
                            };
                            let size = size - (register_tile >= whole) as usize;
                            multiply_tiles::<I, L, PIXELS, VECTORS>(size, corner, rows);
                            tile += size;
                        }
                    }
                }
            }
        }
    }
}

/// The products along a side that have a factor.
#[inline(always)]
fn products_of<L: Layer<ConvGeometry>>(factor: usize) -> std::ops::Range<usize> {
    let (factors, side) = const { (Shape::<L>::WINOGRAD.factors(), Shape::<L>::WINOGRAD.side(Shape::<L>::STRIDE)) };
    if factor + 1 < factors { factor..factor + 1 } else { factor..side }
}

/// Where a register tile begins in all that it reads and writes.
#[derive(Clone, Copy)]
struct Corner {
    inputs: *const f32,
    weights: *const f32,
    sums: *mut f32,
    ahead: *const f32,
}

/// Tiles that a register tile holds at most: 32 registers are not enough for more.
pub(super) const MOST_PIXELS: usize = 28;

/// Multiplies so many tiles together, at most [`MOST_PIXELS`].
///
/// # Safety
/// As [`multiply`], for the register tile at `corner`.
#[inline(always)]
unsafe fn multiply_tiles<I: Isa, L: Layer<ConvGeometry>, const PIXELS: usize, const VECTORS: usize>(
    size: usize,
    corner: Corner,
    rows: usize,
) {
    macro_rules! in_one_of_these {
        ($($pixels:literal)*) => {
            $(
                if const { Forms::<L, PIXELS>::NEEDED & (1 << $pixels) != 0 } {
                    if size == $pixels {
                        // SAFETY: the caller vouches for the memory.
                        unsafe { multiply_tile::<I, L, $pixels, VECTORS>(corner, rows) };
                        return;
                    }
                }
            )*
        };
    }
    // All sizes up to `MOST_PIXELS`.
    in_one_of_these!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28);
}

/// # Safety
/// As [`multiply`], for the register tile at `corner`.
#[inline(always)]
unsafe fn multiply_tile<I: Isa, L: Layer<ConvGeometry>, const PIXELS: usize, const VECTORS: usize>(
    corner: Corner,
    rows: usize,
) {
    let factors = Factors {
        inputs: corner.inputs,
        channels: const { Shape::<L>::CHANNELS },
        between_blocks: const { Shape::<L>::BETWEEN_BLOCKS },
        weights: corner.weights,
        between_panels: const { Shape::<L>::PANEL },
        ahead: corner.ahead,
        rows,
    };
    // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
    unsafe {
        let sums = [[I::splat(0.0); VECTORS]; PIXELS];
        let sums = add_products::<I, PIXELS, VECTORS>(sums, factors, const { L::GEOMETRY.window });
        for pixel in 0..PIXELS {
            for vector in 0..VECTORS {
                I::store(corner.sums.add(pixel * Shape::<L>::BETWEEN_TILES + vector * I::LANES), sums[pixel][vector]);
            }
        }
    }
}

/// Transforms a unit's sums of a group's tiles of a kind into the output.
///
/// # Safety
/// As [`run`], for the tiles and the unit; the scratch memory holds the sums.
#[inline(always)]
unsafe fn transform_output<
    I: Isa,
    L: Layer<ConvGeometry>,
    const OUTPUTS: usize,
    const SIDE: usize,
    const KIND: usize,
>(
    arguments: &Arguments,
    unit: usize,
    first: usize,
    tiles: usize,
) {
    if const { Shape::<L>::PER_IMAGE[KIND] == 0 } {
        return;
    }
    let geometry = const { L::GEOMETRY };
    let map: Map = geometry.output;
    let [rows, columns] = const { Shape::<L>::outputs_of(KIND) };
    let (begin, end) = Shape::<L>::of_kind(KIND, first, tiles);
    for tile in begin..end {
        let (image, row, column) = Shape::<L>::place(KIND, tile);
        // At stride 2 some of the outputs of a last tile do not exist.
        let down =
            if const { L::GEOMETRY.output.height.is_multiple_of(OUTPUTS) } { rows } else { rows.min(map.height - row) };
        let across = if const { L::GEOMETRY.output.width.is_multiple_of(OUTPUTS) } {
            columns
        } else {
            columns.min(map.width - column)
        };
        for lane in (0..const { Shape::<L>::WIDTH }).step_by(I::LANES) {
            let channel = unit + lane;
            // SAFETY: only rows and columns of the map are written, and the caller vouches for the memory.
            unsafe {
                let from = arguments.scratch.add(
                    geometry.input.blocks() * Shape::<L>::BETWEEN_BLOCKS
                        + (tile - first) * Shape::<L>::BETWEEN_TILES
                        + lane,
                );
                let bias = I::load(arguments.weights.add(unit / BLOCK * Shape::<L>::PANEL + Shape::<L>::of_lane(lane)));
                let mut sums = [[I::splat(0.0); OUTPUTS]; SIDE];
                for x in 0..SIDE {
                    if Shape::<L>::lacks(KIND, 1, x) {
                        continue;
                    }
                    let mut values = [I::splat(0.0); SIDE];
                    for y in 0..SIDE {
                        if Shape::<L>::lacks(KIND, 0, y) {
                            continue;
                        }
                        values[y] = I::load(from.add((y * SIDE + x) * Shape::<L>::WIDTH));
                    }
                    sums[x] = of_sums::<I, OUTPUTS, SIDE>(values, rows);
                }
                let line = line_of::<L>(arguments.weights, channel);
                let to = arguments.output.add(place(map, image, channel, row, column));
                let shortcut = match geometry.shortcut {
                    Some(shortcut) => arguments.other.add(place(shortcut, image, channel, row, column)),
                    None => std::ptr::null(),
                };
                for y in 0..rows {
                    if y >= down {
                        break;
                    }
                    let mut values = [I::splat(0.0); SIDE];
                    for x in 0..SIDE {
                        values[x] = sums[x][y];
                    }
                    let outputs = of_sums::<I, OUTPUTS, SIDE>(values, columns);
                    for x in 0..columns {
                        if x >= across {
                            break;
                        }
                        let shortcut = geometry.shortcut.map(|map| shortcut.wrapping_add(y * map.row() + x * BLOCK));
                        let to = to.add(y * map.row() + x * BLOCK);
                        finish::<I, L>(I::add(outputs[x], bias), shortcut, line, to);
                    }
                }
            }
        }
    }
}
