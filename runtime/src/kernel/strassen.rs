//! 1 x 1 convolution by Strassen's multiplication; [`Strassen`] says what it computes.
//!
//! The pixels of a band are pairs: one of the image's first half and its like in the second. Per band and pass, the thread
//! writes the four sums of input quarters into its scratch memory; then, for each pair of panels, it computes product by product for
//! all register tiles of the band. What several outputs share stays in two slots per tile; what a pass leaves unfinished lies in
//! scratch memory until the next one.
//!
//! Scratch: `[sum][block][pixel][16]` of the inputs, then the slots, then `[panel][tile][quarter]` of the unfinished outputs.

use std::hint::black_box;
use std::marker::PhantomData;

use super::conv::{NEIGHBOURS, finish_tile};
use super::products::{Factors, Sums, add_products, load, plus, store};
use super::share::Parts;
use super::tile::Split;
use super::{Arguments, clear_output_frames, line_of, place};
use crate::geometry::{Algorithm, BLOCK, ConvGeometry, Map, Strassen};
use crate::isa::Isa;
use crate::program::Layer;

/// Numbers that follow from a layer's geometry.
struct Shape<L>(PhantomData<L>);

impl<L: Layer<ConvGeometry>> Shape<L> {
    const INPUT: Map = L::GEOMETRY.input;
    const OUTPUT: Map = L::GEOMETRY.output;
    const STRASSEN: Strassen = match L::GEOMETRY.algorithm {
        Algorithm::Strassen(strassen) => strassen,
        // Never used: other kernels run these.
        _ => Strassen { band: 1, depth: 1 },
    };
    const DEPTH: usize = Self::STRASSEN.depth;
    const PASSES: usize = Self::STRASSEN.passes(L::GEOMETRY.window);
    /// Length of the weights of a panel for one product of a pass.
    const SLAB: usize = Self::DEPTH * BLOCK * BLOCK;
    /// Length of a pair of panels, biases included.
    const PANEL: usize = Self::STRASSEN.panel(L::GEOMETRY.window);
    /// Pixels of an image.
    const PIXELS: usize = L::GEOMETRY.output.height * L::GEOMETRY.output.width;
    /// From an input pixel of the first half to its partner.
    const LOWER: usize = Self::PIXELS / 2 * BLOCK;

    /// From the weights of a tile's first channel to those of a later one: it may span two panels.
    #[inline(always)]
    const fn of_lane(lane: usize) -> usize {
        lane / BLOCK * Self::PANEL + lane % BLOCK
    }
}

/// What a product multiplies the weights with.
#[derive(Clone, Copy)]
enum Input {
    /// The quarter of the map of a half of the pixels and a half of the channels.
    Quarter(usize, usize),
    /// A sum of quarters, in scratch memory.
    Sum(usize),
}

/// One of the seven products, and what becomes of it.
#[derive(Clone, Copy)]
struct Product {
    input: Input,
    /// The slots that its sums begin with.
    begin: [bool; 2],
    /// The slot that takes its sums.
    keep: Option<usize>,
    /// The half of the pixels and the half of the channels whose output its sums are, and whether the second slot is part of them.
    output: Option<(usize, usize, bool)>,
}

/// The products in the order of their weights.
const PRODUCTS: [Product; Strassen::PRODUCTS] = [
    Product { input: Input::Quarter(0, 0), begin: [false, false], keep: Some(0), output: None },
    Product { input: Input::Quarter(0, 1), begin: [true, false], keep: None, output: Some((0, 0, false)) },
    Product { input: Input::Sum(1), begin: [true, false], keep: Some(0), output: None },
    Product { input: Input::Sum(0), begin: [false, false], keep: Some(1), output: None },
    Product { input: Input::Sum(3), begin: [true, true], keep: None, output: Some((0, 1, false)) },
    Product { input: Input::Sum(2), begin: [true, false], keep: Some(0), output: Some((1, 1, true)) },
    Product { input: Input::Quarter(1, 1), begin: [true, false], keep: None, output: Some((1, 0, false)) },
];

/// Where a thread's scratch memory holds what, for register tiles of so many pixels and channels.
#[derive(Clone, Copy)]
struct Scratch {
    /// Sums of a register tile.
    tile: usize,
    /// Between the blocks of a sum of inputs. An odd number of lines: their stores spread over the cache.
    between_blocks: usize,
    /// Between two sums of inputs.
    between_sums: usize,
    slots: usize,
    unfinished: usize,
    len: usize,
}

impl Scratch {
    const fn new(conv: &ConvGeometry, strassen: Strassen, pixels: usize, channels: usize) -> Self {
        let (band, tile) = (strassen.band.div_ceil(pixels), pixels * channels);
        let between_blocks = ((band * pixels) | 1) * BLOCK;
        let between_sums = strassen.depth * between_blocks;
        let slots = 4 * between_sums;
        let unfinished = slots + 2 * band * tile;
        let panels = conv.output.blocks() / 2 * BLOCK / channels;
        let open = if strassen.passes(conv.window) > 1 { 4 * band * panels * tile } else { 0 };
        Self { tile, between_blocks, between_sums, slots, unfinished, len: unfinished + open }
    }
}

/// Length of the scratch memory that a thread needs, for register tiles of so many pixels and channels.
pub(super) const fn scratch(conv: &ConvGeometry, strassen: Strassen, pixels: usize, channels: usize) -> usize {
    Scratch::new(conv, strassen, pixels, channels).len
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
    let geometry = const { L::GEOMETRY };
    // SAFETY: the caller vouches for what the kernel asks for.
    unsafe { clear_output_frames(&geometry, arguments) };
    let split = const { Split::new(L::GEOMETRY.extent(), PIXELS, FEWER) };
    let band = const { Shape::<L>::STRASSEN.band.div_ceil(PIXELS) };
    let panels = const { Shape::<L>::OUTPUT.blocks() / 2 * BLOCK / (VECTORS * I::LANES) };
    // A unit is a register tile of both halves, of the pixels and of the channels: of an image, of a band, of a pair of panels.
    let per_image = split.count * panels;
    // In several passes, each part adds up its inputs again in each.
    let parts = const {
        if Shape::<L>::PASSES == 1 { Parts::of(NEIGHBOURS / 2) } else { Parts::of(NEIGHBOURS / 2).few(usize::MAX) }
    };
    // Where the inputs are from whose sums lie in the scratch memory, if they are of all passes.
    let mut added = None;
    for range in arguments.share.parts(geometry.batch * per_image, parts) {
        let mut unit = range.start;
        while unit < range.end {
            let in_image = unit % per_image;
            let first = in_image / (band * panels) * band;
            let tiles = if split.count - first < band { split.count - first } else { band };
            let start = in_image - first * panels;
            let rest = start + (range.end - unit);
            let part = Part {
                image: unit / per_image,
                first,
                tiles,
                start,
                end: if rest < tiles * panels { rest } else { tiles * panels },
                added: added == Some((unit / per_image, first)),
            };
            // SAFETY: the part lies in the layer.
            unsafe { of_band::<I, L, PIXELS, FEWER, VECTORS>(arguments, part) };
            if const { Shape::<L>::PASSES == 1 } {
                added = Some((part.image, first));
            }
            unit += part.end - start;
        }
    }
}

/// A thread's part of a band.
#[derive(Clone, Copy)]
struct Part {
    image: usize,
    /// The band's first register tile of the image, and how many it has.
    first: usize,
    tiles: usize,
    /// Its units, which are numbered panel by panel.
    start: usize,
    end: usize,
    /// Whether the sums of its inputs lie in the scratch memory.
    added: bool,
}

/// # Safety
/// As [`run`], for the part.
#[inline(always)]
unsafe fn of_band<I: Isa, L: Layer<ConvGeometry>, const PIXELS: usize, const FEWER: usize, const VECTORS: usize>(
    arguments: &Arguments,
    part: Part,
) {
    let split = const { Split::new(L::GEOMETRY.extent(), PIXELS, FEWER) };
    let channels = const { VECTORS * I::LANES };
    let scratch = const { Scratch::new(&L::GEOMETRY, Shape::<L>::STRASSEN, PIXELS, VECTORS * I::LANES) };
    let first_pixel = split.first(part.first);
    let pixels = split.first(part.first + part.tiles) - first_pixel;
    for pass in 0..const { Shape::<L>::PASSES } {
        // SAFETY: the band's pixels lie in both halves of the input, and the scratch memory has room for a band.
        let input = unsafe {
            let first_block = pass * 2 * Shape::<L>::DEPTH;
            let input = arguments.input.add(
                part.image * Shape::<L>::INPUT.len() + first_block * Shape::<L>::INPUT.plane() + first_pixel * BLOCK,
            );
            if !part.added {
                add_quarters::<I, L>(input, arguments.scratch, scratch, pixels);
            }
            input
        };
        let mut unit = part.start;
        while unit < part.end {
            let (panel, first) = (unit / part.tiles, unit % part.tiles);
            let rest = first + (part.end - unit);
            let end = if rest < part.tiles { rest } else { part.tiles };
            for (index, product) in PRODUCTS.iter().enumerate() {
                for tile in first..end {
                    let pixel = split.first(part.first + tile);
                    // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
                    unsafe {
                        let (from, between_blocks) = match product.input {
                            Input::Quarter(lower, later) => {
                                let at =
                                    lower * Shape::<L>::LOWER + later * Shape::<L>::DEPTH * Shape::<L>::INPUT.plane();
                                (input.add(at), Shape::<L>::INPUT.plane())
                            }
                            Input::Sum(sum) => {
                                (arguments.scratch.cast_const().add(sum * scratch.between_sums), scratch.between_blocks)
                            }
                        };
                        let channel = panel * channels;
                        let panel_start = arguments.weights.add(channel / BLOCK * Shape::<L>::PANEL + channel % BLOCK);
                        let weights =
                            panel_start.add(2 * BLOCK + (pass * Strassen::PRODUCTS + index) * Shape::<L>::SLAB);
                        let next = if index + 1 < Strassen::PRODUCTS {
                            weights.wrapping_add(Shape::<L>::SLAB)
                        } else {
                            weights
                                .wrapping_add(channels.div_ceil(BLOCK) * Shape::<L>::PANEL - index * Shape::<L>::SLAB)
                        };
                        let rows = BLOCK.div_ceil(end - first);
                        let corner = Corner {
                            factors: Factors {
                                inputs: from.add((pixel - first_pixel) * BLOCK),
                                channels: BLOCK,
                                between_blocks,
                                weights,
                                between_panels: Shape::<L>::PANEL,
                                ahead: next.wrapping_add((tile - first) * rows * Shape::<L>::DEPTH * BLOCK),
                                rows,
                            },
                            bias: panel_start,
                            slots: arguments.scratch.add(scratch.slots + tile * 2 * scratch.tile),
                            unfinished: arguments.scratch.wrapping_add(
                                scratch.unfinished + (unit - part.start + tile - first) * 4 * scratch.tile,
                            ),
                            pass,
                            place: [part.image, channel, pixel],
                        };
                        // Without this the compiler unrolls the loop over a few tiles, and has no registers for what they share.
                        let corner = black_box(corner);
                        if const { FEWER != 0 } && part.first + tile >= split.whole {
                            if const { FEWER != 0 } {
                                compute::<I, L, FEWER, VECTORS>(arguments, corner, *product);
                            }
                        } else {
                            compute::<I, L, PIXELS, VECTORS>(arguments, corner, *product);
                        }
                    }
                }
            }
            unit += end - first;
        }
    }
}

/// Writes the sums of input quarters of a band, of one pass.
///
/// # Safety
/// As [`run`], for so many pairs of pixels from `input`; the scratch memory has room for them.
#[inline(always)]
unsafe fn add_quarters<I: Isa, L: Layer<ConvGeometry>>(
    input: *const f32,
    to: *mut f32,
    scratch: Scratch,
    pixels: usize,
) {
    let (lower, later) = const { (Shape::<L>::LOWER, Shape::<L>::DEPTH * Shape::<L>::INPUT.plane()) };
    // SAFETY: the caller vouches for the memory.
    unsafe {
        let minus = I::splat(-1.0);
        for block in 0..const { Shape::<L>::DEPTH } {
            let from = input.add(block * Shape::<L>::INPUT.plane());
            let to = to.add(block * scratch.between_blocks);
            for at in (0..pixels * BLOCK).step_by(I::LANES) {
                let from = from.add(at);
                let upper = I::load(from);
                let lower_sum = I::add(I::load(from.add(lower)), I::load(from.add(lower + later)));
                let less = I::multiply_add(minus, upper, lower_sum);
                let sums = [
                    lower_sum,
                    less,
                    I::multiply_add(minus, I::load(from.add(lower)), upper),
                    I::multiply_add(minus, less, I::load(from.add(later))),
                ];
                for (index, sum) in sums.into_iter().enumerate() {
                    I::store(to.add(index * scratch.between_sums + at), sum);
                }
            }
        }
    }
}

/// Where a register tile begins in all that it reads and writes.
#[derive(Clone, Copy)]
struct Corner {
    factors: Factors,
    bias: *const f32,
    slots: *mut f32,
    unfinished: *mut f32,
    pass: usize,
    /// Image, channel and pixel of its first output.
    place: [usize; 3],
}

/// Computes one product of a register tile.
///
/// # Safety
/// As [`run`], for the tile at `corner`.
#[inline(always)]
unsafe fn compute<I: Isa, L: Layer<ConvGeometry>, const PIXELS: usize, const VECTORS: usize>(
    arguments: &Arguments,
    corner: Corner,
    product: Product,
) {
    let tile = const { PIXELS * VECTORS * I::LANES };
    // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
    unsafe {
        let mut sums: Sums<I, PIXELS, VECTORS> = [[I::splat(0.0); VECTORS]; PIXELS];
        if product.begin[0] {
            sums = load::<I, PIXELS, VECTORS>(corner.slots);
        }
        if product.begin[1] {
            sums = plus::<I, PIXELS, VECTORS>(sums, load::<I, PIXELS, VECTORS>(corner.slots.add(tile)));
        }
        let mut sums = add_products::<I, PIXELS, VECTORS>(sums, corner.factors, const { Shape::<L>::DEPTH });
        if let Some(slot) = product.keep {
            store::<I, PIXELS, VECTORS>(corner.slots.add(slot * tile), sums);
        }
        let Some((lower, later, second_slot)) = product.output else { return };
        if second_slot {
            sums = plus::<I, PIXELS, VECTORS>(sums, load::<I, PIXELS, VECTORS>(corner.slots.add(tile)));
        }
        let unfinished = corner.unfinished.wrapping_add((2 * lower + later) * tile);
        if const { Shape::<L>::PASSES > 1 } && corner.pass > 0 {
            sums = plus::<I, PIXELS, VECTORS>(sums, load::<I, PIXELS, VECTORS>(unfinished));
        }
        if const { Shape::<L>::PASSES > 1 } && corner.pass + 1 < const { Shape::<L>::PASSES } {
            store::<I, PIXELS, VECTORS>(unfinished, sums);
            return;
        }
        for vector in 0..VECTORS {
            let bias = I::load(corner.bias.add(later * BLOCK + Shape::<L>::of_lane(vector * I::LANES)));
            for sums in &mut sums {
                sums[vector] = I::add(sums[vector], bias);
            }
        }
        let [image, channel, pixel] = corner.place;
        let channel = channel + later * (Shape::<L>::OUTPUT.blocks() / 2 * BLOCK);
        let pixel = pixel + lower * (Shape::<L>::PIXELS / 2);
        let (row, column) = (pixel / Shape::<L>::OUTPUT.width, pixel % Shape::<L>::OUTPUT.width);
        let shortcut = match const { L::GEOMETRY.shortcut } {
            Some(shortcut) => arguments.other.add(place(shortcut, image, channel, row, column)),
            None => std::ptr::null(),
        };
        let line = line_of::<L>(arguments.weights, channel);
        let output = arguments.output.add(place(Shape::<L>::OUTPUT, image, channel, row, column));
        if const { !Shape::<L>::PIXELS.is_multiple_of(2) } && pixel == Shape::<L>::PIXELS / 2 && lower == 1 {
            // The first half has it too.
            finish_tile::<I, L, PIXELS, 1, VECTORS, false>(sums, shortcut, line, output, column);
        } else {
            finish_tile::<I, L, PIXELS, 0, VECTORS, false>(sums, shortcut, line, output, column);
        }
    }
}
