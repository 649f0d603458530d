//! Normalisation of each image over groups of channels.
//!
//! A unit of work is one image and the shortest run of whole blocks that no group crosses. Its sums are taken in two passes, the mean
//! first, then the squared distances from it: in f32 along a row, in f64 over rows, lanes and blocks, always in the same order.

use std::marker::PhantomData;
use std::ops::Range;

use super::{Arguments, Kernel, activate, clear_frames};
use crate::geometry::{BLOCK, GroupNormGeometry, Map};
use crate::isa::Isa;
use crate::program::Layer;

/// The group normalisation of a layer.
pub(crate) struct GroupNorm<L>(PhantomData<L>);

impl<L: Layer<GroupNormGeometry>> Kernel for GroupNorm<L> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        let geometry = const { L::GEOMETRY };
        let (input, output) = const { (L::GEOMETRY.input, L::GEOMETRY.output) };
        let (blocks, length) = const { (L::GEOMETRY.output.blocks(), run_length(&L::GEOMETRY)) };
        let runs = blocks.div_ceil(length);
        // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes. In place, a unit alone
        // reads what it writes, each value for the last time just before it is written, and the frame is there already.
        unsafe {
            if !std::ptr::eq(arguments.output, arguments.input) {
                clear_frames(arguments.output, output, geometry.batch, arguments.share);
            }
            for unit in arguments.share.units(geometry.batch * runs) {
                let (image, first) = (unit / runs, unit % runs * length);
                let run = first..if first + length < blocks { first + length } else { blocks };
                let from = arguments.input.add(image * input.len() + input.interior());
                let to = arguments.output.add(image * output.len() + output.interior());
                let means = averages::<I, L, false>(from, run.clone(), &[0.0; BLOCK]);
                let variances = averages::<I, L, true>(from, run.clone(), &means);
                for block in run {
                    let lines = Lines::of::<L>(arguments.weights, block, first, &means, &variances);
                    for y in 0..output.height {
                        let from = from.add(block * input.plane() + y * input.row());
                        let to = to.add(block * output.plane() + y * output.row());
                        for vector in 0..BLOCK / I::LANES {
                            let lane = vector * I::LANES;
                            let offset = I::load(lines.offset.as_ptr().add(lane));
                            let scale = I::load(lines.scale.as_ptr().add(lane));
                            let shift = I::load(lines.shift.as_ptr().add(lane));
                            for x in 0..output.width {
                                let at = x * BLOCK + lane;
                                let value = I::multiply_add(I::add(I::load(from.add(at)), offset), scale, shift);
                                I::store(to.add(at), activate::<I>(geometry.activation, value));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A number for each group of a run. There are at most 16: the run ends where the first group does that ends with a block.
type Groups = [f64; BLOCK];

/// Blocks of a run: the fewest that hold whole groups, or all that there are. Every run but the last has as many.
const fn run_length(norm: &GroupNormGeometry) -> usize {
    let size = norm.output.channels / norm.groups;
    let mut length = 1;
    while length < norm.output.blocks() && !(length * BLOCK).is_multiple_of(size) {
        length += 1;
    }
    length
}

/// Lanes of a block that are channels.
#[inline(always)]
fn lanes(map: Map, block: usize) -> usize {
    let left = map.channels - block * BLOCK;
    if left < BLOCK { left } else { BLOCK }
}

/// The group of a lane, counted from the first of the run.
#[inline(always)]
fn group<L: Layer<GroupNormGeometry>>(block: usize, first: usize, lane: usize) -> usize {
    let size = const { L::GEOMETRY.output.channels / L::GEOMETRY.groups };
    ((block - first) * BLOCK + lane) / size
}

/// The average, over each group of a run of blocks, of the values' distances from `around`, or of their squares.
///
/// # Safety
/// The processor has the instruction set; `from` is the first pixel of an image's input map.
#[inline(always)]
unsafe fn averages<I: Isa, L: Layer<GroupNormGeometry>, const SQUARED: bool>(
    from: *const f32,
    run: Range<usize>,
    around: &Groups,
) -> Groups {
    let (input, groups) = const { (L::GEOMETRY.input, L::GEOMETRY.groups) };
    let first = run.start;
    let mut averages = [0.0; BLOCK];
    for block in run {
        let mut offset = [0.0; BLOCK];
        for (lane, offset) in offset.iter_mut().enumerate().take(lanes(input, block)) {
            *offset = -around[group::<L>(block, first, lane)] as f32;
        }
        // SAFETY: the block lies in the map; the caller vouches for the rest.
        let sums = unsafe { lane_sums::<I, SQUARED>(from.add(block * input.plane()), input, &offset) };
        for (lane, sum) in sums.into_iter().enumerate().take(lanes(input, block)) {
            averages[group::<L>(block, first, lane)] += sum;
        }
    }
    let count = (input.channels / groups * input.height * input.width) as f64;
    for average in &mut averages {
        *average /= count;
    }
    averages
}

/// The sum, over the pixels of a block, of each lane with its offset added, or of the squares of that.
///
/// # Safety
/// The processor has the instruction set; `from` is the first pixel of a block of the map.
#[inline(always)]
unsafe fn lane_sums<I: Isa, const SQUARED: bool>(from: *const f32, map: Map, offset: &[f32; BLOCK]) -> Groups {
    let mut sums = [0.0; BLOCK];
    for y in 0..map.height {
        let mut row = [0.0_f32; BLOCK];
        // SAFETY: the row lies in the block, and the vectors in the arrays; the caller vouches for the rest.
        unsafe {
            let from = from.add(y * map.row());
            for vector in 0..BLOCK / I::LANES {
                let lane = vector * I::LANES;
                let offset = I::load(offset.as_ptr().add(lane));
                let mut sum = I::splat(0.0);
                for x in 0..map.width {
                    let distance = I::add(I::load(from.add(x * BLOCK + lane)), offset);
                    sum = if SQUARED { I::multiply_add(distance, distance, sum) } else { I::add(sum, distance) };
                }
                I::store(row.as_mut_ptr().add(lane), sum);
            }
        }
        for (sum, row) in sums.iter_mut().zip(row) {
            *sum += f64::from(row);
        }
    }
    sums
}

/// What is done with each lane of a block: `(x + offset) * scale + shift`.
struct Lines {
    offset: [f32; BLOCK],
    scale: [f32; BLOCK],
    shift: [f32; BLOCK],
}

impl Lines {
    /// Lanes behind the last channel, which hold zeros, become what the activation takes to zero.
    ///
    /// # Safety
    /// `weights` are those of the layer.
    #[inline(always)]
    unsafe fn of<L: Layer<GroupNormGeometry>>(
        weights: *const f32,
        block: usize,
        first: usize,
        means: &Groups,
        variances: &Groups,
    ) -> Self {
        let (output, epsilon) = const { (L::GEOMETRY.output, L::GEOMETRY.epsilon) };
        let idle = const { L::GEOMETRY.activation.idle() };
        let mut lines = Self { offset: [0.0; BLOCK], scale: [0.0; BLOCK], shift: [idle; BLOCK] };
        for lane in 0..lanes(output, block) {
            let group = group::<L>(block, first, lane);
            let channel = block * BLOCK + lane;
            // SAFETY: there is a scale and a shift for every channel.
            let (gamma, beta) =
                unsafe { (weights.add(channel).read(), weights.add(output.blocks() * BLOCK + channel).read()) };
            lines.offset[lane] = -means[group] as f32;
            lines.scale[lane] = (f64::from(gamma) / (variances[group] + f64::from(epsilon)).sqrt()) as f32;
            lines.shift[lane] = beta;
        }
        lines
    }
}
