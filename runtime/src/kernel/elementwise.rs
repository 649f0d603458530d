//! Sums and products, scales and shifts per channel, and activations.

use std::marker::PhantomData;

use super::check::repeats;
use super::{Arguments, Kernel, activate, clear_frames};
use crate::geometry::{BLOCK, ElementwiseGeometry, Join};
use crate::isa::Isa;
use crate::program::Layer;

/// The element-wise step of a layer.
pub(crate) struct Elementwise<L>(PhantomData<L>);

impl<L: Layer<ElementwiseGeometry>> Kernel for Elementwise<L> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        let geometry = const { L::GEOMETRY };
        let (input, output) = const { (L::GEOMETRY.input, L::GEOMETRY.output) };
        let blocks = const { L::GEOMETRY.output.blocks() };
        let repeated = const { matches!(L::GEOMETRY.other, Some(other) if repeats(other, L::GEOMETRY.output)) };
        // Lanes behind the last channel, where the activation of zero is not zero.
        let lit =
            const { if L::GEOMETRY.activation.idle() == 0.0 { 0 } else { lanes_behind(L::GEOMETRY.output.channels) } };
        // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes. In place, each value
        // is read just before it is written, and the frame is there already.
        unsafe {
            if !std::ptr::eq(arguments.output, arguments.input) && !std::ptr::eq(arguments.output, arguments.other) {
                clear_frames(arguments.output, output, geometry.batch, arguments.share);
            }
            for unit in arguments.share.units(geometry.batch * blocks * output.height) {
                let (plane, y) = (unit / output.height, unit % output.height);
                let block = plane % blocks;
                let from = arguments.input.add(input.block_at(plane) + input.interior() + y * input.row());
                let to = arguments.output.add(output.block_at(plane) + output.interior() + y * output.row());
                let other = match geometry.other {
                    Some(other) if repeated => arguments.other.add(other.block_at(plane) + other.interior()),
                    Some(other) => arguments.other.add(other.block_at(plane) + other.interior() + y * other.row()),
                    None => std::ptr::null(),
                };
                for vector in 0..BLOCK / I::LANES {
                    let lane = vector * I::LANES;
                    let (scale, shift) = if geometry.affine {
                        let scale = arguments.weights.add(block * BLOCK + lane);
                        (I::load(scale), I::load(scale.add(blocks * BLOCK)))
                    } else {
                        (I::splat(1.0), I::splat(0.0))
                    };
                    for x in 0..output.width {
                        let at = x * BLOCK + lane;
                        let mut value = I::load(from.add(at));
                        if geometry.other.is_some() {
                            let second = I::load(other.add(if repeated { lane } else { at }));
                            value = match geometry.join {
                                Join::Sum => I::add(value, second),
                                Join::Product => I::multiply(value, second),
                            };
                        }
                        if geometry.affine {
                            value = I::multiply_add(value, scale, shift);
                        }
                        I::store(to.add(at), activate::<I>(geometry.activation, value));
                    }
                }
                if lit > 0 && block == blocks - 1 {
                    for x in 0..output.width {
                        to.add((x + 1) * BLOCK - lit).write_bytes(0, lit);
                    }
                }
            }
        }
    }
}

/// Lanes of the last block behind the last channel.
const fn lanes_behind(channels: usize) -> usize {
    channels.next_multiple_of(BLOCK) - channels
}
