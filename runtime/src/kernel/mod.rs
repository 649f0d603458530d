//! The kernels: one generic body each, compiled once per layer shape and instruction set.
//!
//! A kernel is a type that names a layer; its body sees all shapes as constants and the memory as raw pointers. The engine
//! has checked the ranges behind the pointers before it runs any step, and the constructors of
//! [`Step`](crate::engine::Step) check each geometry while the program is compiled.
//!
//! Work is split over outputs only: a unit of work writes what no other unit writes, and computes it in one order,
//! so results have the same bits for every number of threads, whichever of them does it (`share.rs`).

mod activate;
mod channels;
mod check;
mod conv;
mod dense;
mod elementwise;
mod flatten;
mod global_pool;
mod group_norm;
mod grouped;
mod input;
mod nest;
mod output;
mod pool;
mod products;
mod remap;
mod share;
mod softmax;
#[cfg(feature = "app")]
pub(crate) mod speed;
mod strassen;
mod tile;
mod winograd;

#[cfg(test)]
mod tests;

use activate::activate;
pub(crate) use channels::Channels;
pub(crate) use check::{
    check_channels, check_conv, check_dense, check_elementwise, check_flatten, check_global_pool, check_group_norm,
    check_input, check_nest, check_output, check_pool, check_remap, check_softmax, conv_scratch, conv_weights,
    dense_weights, repeats,
};
pub(crate) use conv::Conv;
pub(crate) use dense::{Dense, tile as dense_tile};
pub(crate) use elementwise::Elementwise;
pub(crate) use flatten::Flatten;
pub(crate) use global_pool::GlobalPool;
pub(crate) use group_norm::GroupNorm;
pub(crate) use input::Input;
pub(crate) use nest::Nest;
pub(crate) use output::Output;
pub(crate) use pool::Pool;
pub(crate) use remap::Remap;
pub(crate) use share::{Claim, Share};
pub(crate) use softmax::Softmax;
pub use tile::{RegisterTile, Tile};

use crate::geometry::{BLOCK, ConvGeometry, Map};
use crate::isa::Isa;
use crate::program::Layer;

/// A kernel with its geometry.
pub trait Kernel: 'static {
    /// Does a thread's share of the work.
    ///
    /// # Safety
    /// The processor has the instruction set; the pointers of `arguments` lead to memory as the geometry says; the output
    /// overlaps what is read only where the kernel allows it; the shares of a step's threads have the same claims and step.
    unsafe fn run<I: Isa>(arguments: &Arguments);
}

/// Where a step reads and writes, and whose share it is.
#[derive(Debug, Clone, Copy)]
pub struct Arguments<'a> {
    pub(crate) input: *const f32,
    pub(crate) other: *const f32,
    pub(crate) output: *mut f32,
    pub(crate) weights: *const f32,
    /// The thread's own, for what a step needs besides; at least as long as the step says.
    pub(crate) scratch: *mut f32,
    pub(crate) share: Share<'a>,
}

/// Length of a vector of features, with what is behind the last.
pub(crate) const fn vector_length(features: usize) -> usize {
    features.next_multiple_of(BLOCK)
}

/// Offset of a channel of a pixel.
#[inline(always)]
fn place(map: Map, image: usize, channel: usize, row: usize, pixel: usize) -> usize {
    image * map.len()
        + channel / BLOCK * map.plane()
        + map.interior()
        + row * map.row()
        + pixel * BLOCK
        + channel % BLOCK
}

/// Where a convolution's scale of the second result lies, for the channels from one on; of no meaning where there is no such result.
#[inline(always)]
fn line_of<L: Layer<ConvGeometry>>(weights: *const f32, channel: usize) -> *const f32 {
    match const { L::GEOMETRY.second } {
        Some(_) => weights.wrapping_add(const { check::conv_panels(&L::GEOMETRY) }).wrapping_add(channel),
        None => std::ptr::null(),
    }
}

/// Writes a convolution's finished sum: adds the shortcut, if any, and applies the activation; and the second result, if any, with the
/// scale that lies at `line`, and the shift behind it.
///
/// # Safety
/// The processor has the instruction set; a vector can be read from the shortcut and written at `to`, and so one of the second result.
#[inline(always)]
unsafe fn finish<I: Isa, L: Layer<ConvGeometry>>(
    sum: I::Vector,
    shortcut: Option<*const f32>,
    line: *const f32,
    to: *mut f32,
) {
    let geometry = const { L::GEOMETRY };
    // SAFETY: the caller vouches for the instruction set and the memory.
    unsafe {
        let sum = match shortcut {
            Some(shortcut) => I::add(sum, I::load(shortcut)),
            None => sum,
        };
        let result = activate::<I>(geometry.activation, sum);
        I::store(to, result);
        if let Some(activation) = geometry.second {
            let (scale, shift) = (I::load(line), I::load(line.add(geometry.output.channels)));
            let second = activate::<I>(activation, I::multiply_add(result, scale, shift));
            I::store(to.add(geometry.output.blocks() * geometry.output.plane()), second);
        }
    }
}

/// Writes the zeros around a convolution's output. A shortcut in place has its frame already.
///
/// # Safety
/// As [`Kernel::run`] says.
#[inline(always)]
unsafe fn clear_output_frames(conv: &ConvGeometry, arguments: &Arguments) {
    if !std::ptr::eq(arguments.output, arguments.other) {
        // SAFETY: the caller vouches for the output's memory.
        unsafe { clear_frames(arguments.output, conv.results(), conv.batch, arguments.share) };
    }
}

/// Writes the zeros around a map.
///
/// # Safety
/// `batch` maps can be written at `to`; nothing else uses their frames.
#[inline(always)]
unsafe fn clear_frames(to: *mut f32, map: Map, batch: usize, share: Share) {
    let frame = map.frame;
    if frame.is_none() {
        return;
    }
    let above = map.interior();
    let between = (frame.left + frame.right) * map.block;
    let below = frame.right * map.block + frame.bottom * map.row();
    for plane in share.of(batch * map.blocks()) {
        // SAFETY: the plane lies in the maps; above + height * (width * block + between) - between + below is the length of its part.
        unsafe {
            let mut at = to.add(map.block_at(plane));
            at.write_bytes(0, above);
            at = at.add(above + map.width * map.block);
            if between > 0 {
                for _ in 1..map.height {
                    at.write_bytes(0, between);
                    at = at.add(between + map.width * map.block);
                }
            } else {
                at = at.add((map.height - 1) * map.width * map.block);
            }
            at.write_bytes(0, below);
        }
    }
}
