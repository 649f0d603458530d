//! Convolution by Winograd's minimal filtering; [`Winograd`] says what it computes.
//!
//! A unit of work is one or two panels of output channels of a group of tiles. The thread transforms the group's input once, for all the
//! units that it has of it, into its scratch memory; then it multiplies, product by product, into a second part of the scratch
//! memory that holds the unit's sums; then it transforms that back, adds bias and shortcut, and applies the activation. So the
//! transformed input is read from a near cache, each transformed weight once per group, and sums never leave the core.
//!
//! Scratch: `[block][product][tile][16]` of the input, then `[tile][product][channel of the unit]` of the sums.

#![expect(clippy::needless_range_loop, reason = "an index is a row, column or tile here, and offsets follow from it")]

use std::marker::PhantomData;

use super::products::{Factors, add_products};
use super::tile::Split;
use super::{Arguments, clear_output_frames, finish, place};
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
    const ACROSS: usize = Self::WINOGRAD.tiles(L::GEOMETRY.output.width);
    const PER_IMAGE: usize = Self::ACROSS * Self::WINOGRAD.tiles(L::GEOMETRY.output.height);
    const TILES: usize = L::GEOMETRY.batch * Self::PER_IMAGE;
    /// Output channels per unit of work.
    const WIDTH: usize = width(&L::GEOMETRY);
    const UNITS: usize = L::GEOMETRY.output.blocks() * BLOCK / Self::WIDTH;
    /// Input channels of a panel.
    const DEPTH: usize = L::GEOMETRY.window * BLOCK;
    /// Length of a panel's weights for one factor.
    const SLAB: usize = Self::DEPTH * BLOCK;
    /// Length of a panel, bias included.
    const PANEL: usize = Self::FACTORS * Self::SLAB + BLOCK;
    /// Between the products of a block of transformed input. An odd number of lines: their stores spread over the cache.
    const BETWEEN_PRODUCTS: usize = between_products(Self::GROUP);
    /// Between its blocks.
    const BETWEEN_BLOCKS: usize = Self::PRODUCTS * Self::BETWEEN_PRODUCTS;
    /// Between the sums of neighbouring tiles.
    const BETWEEN_TILES: usize = Self::PRODUCTS * Self::WIDTH;

    /// From the weights of a unit's first channel to those of a later one: it may span several panels.
    #[inline(always)]
    const fn of_lane(lane: usize) -> usize {
        lane / BLOCK * Self::PANEL + lane % BLOCK
    }
}

/// Output channels per unit of work: two panels if they come in pairs that read the same input, else one.
pub(super) const fn width(conv: &ConvGeometry) -> usize {
    if in_pairs(conv.output.blocks(), conv.first_block) { 2 * BLOCK } else { BLOCK }
}

const fn between_products(group: usize) -> usize {
    (group | 1) * BLOCK
}

/// Length of the scratch memory that a thread needs.
pub(super) const fn scratch(conv: &ConvGeometry, winograd: Winograd) -> usize {
    let products = winograd.products(conv.stride[0]);
    conv.input.blocks() * products * between_products(winograd.group) + winograd.group * products * width(conv)
}

/// Runs a convolution in register tiles of one form.
///
/// # Safety
/// As [`Kernel::run`](super::Kernel::run) says. The output may be the shortcut itself, if their layouts agree.
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
    // SAFETY: the caller vouches for what the kernel asks for.
    unsafe {
        // Conditions, of which only the true one is compiled, for each layer.
        if const { Shape::<L>::OUTPUTS == 4 && Shape::<L>::STRIDE == 1 } {
            of_size::<I, L, PIXELS, FEWER, VECTORS, 4, 6>(arguments);
        } else if const { Shape::<L>::OUTPUTS == 4 } {
            of_size::<I, L, PIXELS, FEWER, VECTORS, 4, 9>(arguments);
        } else if const { Shape::<L>::STRIDE == 1 } {
            of_size::<I, L, PIXELS, FEWER, VECTORS, 2, 4>(arguments);
        } else {
            of_size::<I, L, PIXELS, FEWER, VECTORS, 2, 5>(arguments);
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
    const FEWER: usize,
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
        let rest = Shape::<L>::TILES - first;
        let tiles = if rest < group { rest } else { group };
        // SAFETY: first and tiles lie in the layer, so that all offsets lie in the maps, in the panel's weights and in the scratch memory.
        unsafe {
            if transformed != first {
                transform_input::<I, L, SIDE>(arguments, first, tiles);
                transformed = first;
            }
            multiply::<I, L, PIXELS, FEWER, VECTORS, OUTPUTS, SIDE>(arguments, channel, tiles);
            transform_output::<I, L, OUTPUTS, SIDE>(arguments, channel, first, tiles);
        }
    }
}

/// Image, row and column of a tile's first output.
#[inline(always)]
fn tile_place<L: Layer<ConvGeometry>>(tile: usize) -> (usize, usize, usize) {
    let (image, in_image) = (tile / Shape::<L>::PER_IMAGE, tile % Shape::<L>::PER_IMAGE);
    let (row, column) = (in_image / Shape::<L>::ACROSS, in_image % Shape::<L>::ACROSS);
    (image, row * Shape::<L>::OUTPUTS, column * Shape::<L>::OUTPUTS)
}

/// Transforms the inputs of a group of tiles into scratch memory.
///
/// # Safety
/// As [`run`], for the tiles.
#[inline(always)]
unsafe fn transform_input<I: Isa, L: Layer<ConvGeometry>, const SIDE: usize>(
    arguments: &Arguments,
    first: usize,
    tiles: usize,
) {
    let (map, padding, stride) = const { (L::GEOMETRY.input, L::GEOMETRY.padding, Shape::<L>::STRIDE) };
    let origin = (map.frame.top - padding[0]) * map.row() + (map.frame.left - padding[1]) * BLOCK;
    for index in 0..tiles {
        let (image, row, column) = tile_place::<L>(first + index);
        for block in 0..map.blocks() {
            // SAFETY: the frame of the input covers what the tile reads, and the scratch memory has room for the group.
            unsafe {
                let from = arguments
                    .input
                    .add(image * map.len() + block * map.plane() + origin)
                    .add(row * stride * map.row() + column * stride * BLOCK);
                let to = arguments.scratch.add(block * Shape::<L>::BETWEEN_BLOCKS + index * BLOCK);
                for lane in (0..BLOCK).step_by(I::LANES) {
                    let mut columns = [[I::splat(0.0); SIDE]; SIDE];
                    for x in 0..SIDE {
                        let mut values = [I::splat(0.0); SIDE];
                        for y in 0..SIDE {
                            values[y] = I::load(from.add(y * map.row() + x * BLOCK + lane));
                        }
                        columns[x] = of_inputs::<I, SIDE>(values);
                    }
                    for y in 0..SIDE {
                        let mut values = [I::splat(0.0); SIDE];
                        for x in 0..SIDE {
                            values[x] = columns[x][y];
                        }
                        let products = of_inputs::<I, SIDE>(values);
                        for x in 0..SIDE {
                            I::store(to.add((y * SIDE + x) * Shape::<L>::BETWEEN_PRODUCTS + lane), products[x]);
                        }
                    }
                }
            }
        }
    }
}

/// Multiplies a unit's weights with the transformed inputs of its window, product by product. `unit` is its first channel.
///
/// # Safety
/// As [`run`], for the unit; the scratch memory holds the transformed inputs of `tiles` tiles.
#[inline(always)]
unsafe fn multiply<
    I: Isa,
    L: Layer<ConvGeometry>,
    const PIXELS: usize,
    const FEWER: usize,
    const VECTORS: usize,
    const OUTPUTS: usize,
    const SIDE: usize,
>(
    arguments: &Arguments,
    unit: usize,
    tiles: usize,
) {
    let geometry = const { L::GEOMETRY };
    let split = const { Split::new(Shape::<L>::GROUP, PIXELS, FEWER) };
    let first_block = if geometry.first_block.is_empty() { 0 } else { geometry.first_block[unit / BLOCK] };
    // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
    unsafe {
        let inputs = arguments.scratch.add(first_block * Shape::<L>::BETWEEN_BLOCKS);
        let sums = arguments.scratch.add(geometry.input.blocks() * Shape::<L>::BETWEEN_BLOCKS);
        let weights = arguments.weights.add(unit / BLOCK * Shape::<L>::PANEL + BLOCK);
        for factor in 0..const { Shape::<L>::FACTORS } {
            let (y, x) = (factor / (OUTPUTS + 2), factor % (OUTPUTS + 2));
            for channel in (0..const { Shape::<L>::WIDTH }).step_by(VECTORS * I::LANES) {
                let weights = weights.add(factor * Shape::<L>::SLAB + Shape::<L>::of_lane(channel));
                // Each register tile of the first product asks for its part of the next factor.
                let mut rows = BLOCK.div_ceil(split.count);
                for y in products_of::<OUTPUTS, SIDE>(y) {
                    for x in products_of::<OUTPUTS, SIDE>(x) {
                        let product = y * SIDE + x;
                        for register_tile in 0..split.count {
                            let first = split.first(register_tile);
                            if first >= tiles {
                                break;
                            }
                            let corner = Corner {
                                inputs: inputs.add(product * Shape::<L>::BETWEEN_PRODUCTS + first * BLOCK),
                                weights,
                                sums: sums
                                    .add(first * Shape::<L>::BETWEEN_TILES + product * Shape::<L>::WIDTH + channel),
                                ahead: weights
                                    .wrapping_add(Shape::<L>::SLAB + register_tile * rows * geometry.window * BLOCK),
                            };
                            if const { FEWER != 0 } && register_tile >= split.whole {
                                if const { FEWER != 0 } {
                                    multiply_tile::<I, L, FEWER, VECTORS>(corner, rows);
                                }
                            } else {
                                multiply_tile::<I, L, PIXELS, VECTORS>(corner, rows);
                            }
                        }
                        rows = 0;
                    }
                }
            }
        }
    }
}

/// The products along a side that have a factor.
#[inline(always)]
fn products_of<const OUTPUTS: usize, const SIDE: usize>(factor: usize) -> std::ops::Range<usize> {
    if factor <= OUTPUTS { factor..factor + 1 } else { OUTPUTS + 1..SIDE }
}

/// Where a register tile begins in all that it reads and writes.
#[derive(Clone, Copy)]
struct Corner {
    inputs: *const f32,
    weights: *const f32,
    sums: *mut f32,
    ahead: *const f32,
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

/// Transforms a unit's sums of a group of tiles into the output.
///
/// # Safety
/// As [`run`], for the tiles and the unit; the scratch memory holds the sums.
#[inline(always)]
unsafe fn transform_output<I: Isa, L: Layer<ConvGeometry>, const OUTPUTS: usize, const SIDE: usize>(
    arguments: &Arguments,
    unit: usize,
    first: usize,
    tiles: usize,
) {
    let geometry = const { L::GEOMETRY };
    let map: Map = geometry.output;
    for index in 0..tiles {
        let (image, row, column) = tile_place::<L>(first + index);
        let rows = if const { L::GEOMETRY.output.height.is_multiple_of(OUTPUTS) } {
            OUTPUTS
        } else {
            OUTPUTS.min(map.height - row)
        };
        let across = if const { L::GEOMETRY.output.width.is_multiple_of(OUTPUTS) } {
            OUTPUTS
        } else {
            OUTPUTS.min(map.width - column)
        };
        for lane in (0..const { Shape::<L>::WIDTH }).step_by(I::LANES) {
            let channel = unit + lane;
            // SAFETY: only rows and columns of the map are written, and the caller vouches for the memory.
            unsafe {
                let from = arguments.scratch.add(
                    geometry.input.blocks() * Shape::<L>::BETWEEN_BLOCKS + index * Shape::<L>::BETWEEN_TILES + lane,
                );
                let bias = I::load(arguments.weights.add(unit / BLOCK * Shape::<L>::PANEL + Shape::<L>::of_lane(lane)));
                let mut columns = [[I::splat(0.0); OUTPUTS]; SIDE];
                for x in 0..SIDE {
                    let mut values = [I::splat(0.0); SIDE];
                    for y in 0..SIDE {
                        values[y] = I::load(from.add((y * SIDE + x) * Shape::<L>::WIDTH));
                    }
                    columns[x] = of_sums::<I, OUTPUTS, SIDE>(values);
                }
                let to = arguments.output.add(place(map, image, channel, row, column));
                let shortcut = match geometry.shortcut {
                    Some(shortcut) => arguments.other.add(place(shortcut, image, channel, row, column)),
                    None => std::ptr::null(),
                };
                for y in 0..OUTPUTS {
                    if y >= rows {
                        break;
                    }
                    let mut values = [I::splat(0.0); SIDE];
                    for x in 0..SIDE {
                        values[x] = columns[x][y];
                    }
                    let outputs = of_sums::<I, OUTPUTS, SIDE>(values);
                    for x in 0..OUTPUTS {
                        if x >= across {
                            break;
                        }
                        let shortcut = geometry.shortcut.map(|map| shortcut.wrapping_add(y * map.row() + x * BLOCK));
                        let to = to.add(y * map.row() + x * BLOCK);
                        finish::<I>(geometry.activation, I::add(outputs[x], bias), shortcut, to);
                    }
                }
            }
        }
    }
}

/// p, the smaller of the two points of F(4 x 4, 3 x 3) at stride 1 that are no integers.
const P: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// q, the larger one; p * q = 1.
const Q: f32 = std::f32::consts::SQRT_2;

/// `B^T d` for one column or row.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
unsafe fn of_inputs<I: Isa, const SIDE: usize>(d: [I::Vector; SIDE]) -> [I::Vector; SIDE] {
    let mut v = d;
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let minus = I::splat(-1.0);
        let (half, minus_half) = (I::splat(0.5), I::splat(-0.5));
        match const { SIDE } {
            4 => {
                v[0] = I::multiply_add(minus, d[0], d[2]);
                v[1] = I::add(d[1], d[2]);
                v[2] = I::multiply_add(minus, d[1], d[2]);
                v[3] = I::multiply_add(minus, d[1], d[3]);
            }
            5 => {
                v[0] = I::multiply_add(minus, d[0], d[2]);
                v[1] = d[2];
                v[2] = I::multiply_add(minus, d[2], d[4]);
                v[3] = d[1];
                v[4] = d[3];
            }
            6 => {
                let (p, q) = (I::splat(P), I::splat(Q));
                let (minus_p, minus_q) = (I::splat(-P), I::splat(-Q));
                let (minus_two, minus_five_halves) = (I::splat(-2.0), I::splat(-2.5));
                // x (x^2 - q^2) times x and p, then x (x^2 - p^2) times x and q.
                let even_p = I::multiply_add(minus_two, d[2], d[4]);
                let odd_p = I::multiply_add(minus_two, d[1], d[3]);
                let even_q = I::multiply_add(minus_half, d[2], d[4]);
                let odd_q = I::multiply_add(minus_half, d[1], d[3]);
                v[0] = I::multiply_add(minus_five_halves, d[2], I::add(d[0], d[4]));
                v[1] = I::multiply_add(p, odd_p, even_p);
                v[2] = I::multiply_add(minus_p, odd_p, even_p);
                v[3] = I::multiply_add(q, odd_q, even_q);
                v[4] = I::multiply_add(minus_q, odd_q, even_q);
                v[5] = I::multiply_add(minus_five_halves, d[3], I::add(d[1], d[5]));
            }
            _ => {
                // The even inputs are d[0], d[2] and so on.
                let outer = I::multiply_add(minus, d[2], d[6]);
                let inner = I::multiply_add(minus_half, d[2], d[6]);
                v[0] = I::multiply_add(minus_half, I::multiply_add(minus, d[0], d[4]), outer);
                v[1] = I::multiply_add(half, d[4], inner);
                v[2] = I::multiply_add(I::splat(-1.5), d[4], I::multiply_add(half, d[2], d[6]));
                v[3] = outer;
                v[4] = I::multiply_add(minus_half, outer, I::multiply_add(minus, d[4], d[8]));
                v[5] = d[1];
                v[6] = d[3];
                v[7] = d[5];
                v[8] = d[7];
            }
        }
    }
    v
}

/// `A^T m` for one column or row.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
unsafe fn of_sums<I: Isa, const OUTPUTS: usize, const SIDE: usize>(m: [I::Vector; SIDE]) -> [I::Vector; OUTPUTS] {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let minus = I::splat(-1.0);
        let mut y = [I::splat(0.0); OUTPUTS];
        let (plus, less) = (I::add(m[1], m[2]), I::multiply_add(minus, m[2], m[1]));
        match const { SIDE } {
            4 => {
                y[0] = I::add(m[0], plus);
                y[1] = I::add(less, m[3]);
            }
            5 => {
                y[0] = I::add(m[3], I::add(m[0], m[1]));
                y[1] = I::add(m[4], plus);
            }
            6 => {
                let (plus_q, less_q) = (I::add(m[3], m[4]), I::multiply_add(minus, m[4], m[3]));
                y[0] = I::add(m[0], I::add(plus, plus_q));
                y[1] = I::multiply_add(I::splat(P), less, I::multiply(I::splat(Q), less_q));
                y[2] = I::multiply_add(I::splat(0.5), plus, I::multiply(I::splat(2.0), plus_q));
                y[3] = I::multiply_add(I::splat(P * 0.5), less, I::multiply_add(I::splat(Q * 2.0), less_q, m[5]));
            }
            _ => {
                y[0] = I::add(m[5], I::add(m[0], I::add(plus, m[3])));
                y[1] = I::multiply_add(I::splat(0.5), m[3], I::add(less, m[6]));
                y[2] = I::multiply_add(I::splat(0.25), m[3], I::add(plus, m[7]));
                y[3] = I::multiply_add(I::splat(0.125), m[3], I::add(less, I::add(m[4], m[8])));
            }
        }
        y
    }
}
