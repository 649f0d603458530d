//! Channels copied from one map into another: the parts of a concatenation, slices.

use std::marker::PhantomData;

use super::{Arguments, Kernel, clear_frames};
use crate::geometry::{BLOCK, ChannelsGeometry};
use crate::isa::Isa;
use crate::program::Layer;

/// The copy of a layer.
pub(crate) struct Channels<L>(PhantomData<L>);

impl<L: Layer<ChannelsGeometry>> Kernel for Channels<L> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        let ChannelsGeometry { batch, input, output, from: origin, to: target, count } = const { L::GEOMETRY };
        // The output blocks that hold the copied channels, and the part of the last one that does.
        let (first, last) = (target / BLOCK, (target + count - 1) / BLOCK);
        let end = (target + count - 1) % BLOCK + 1;
        let blocks = last - first + 1;
        // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
        unsafe {
            if target == 0 {
                clear_frames(arguments.output, output, batch, arguments.share);
            }
            for unit in arguments.share.units(batch * blocks * output.height) {
                let (plane, y) = (unit / output.height, unit % output.height);
                let (image, block) = (plane / blocks, first + plane % blocks);
                let low = if block == first { target % BLOCK } else { 0 };
                let high = if block == last { end } else { BLOCK };
                let channel = origin + block * BLOCK + low - target;
                let lane = channel % BLOCK;
                let from = arguments
                    .input
                    .add(image * input.len() + channel / BLOCK * input.plane() + input.interior() + y * input.row());
                let to = arguments
                    .output
                    .add(image * output.len() + block * output.plane() + output.interior() + y * output.row());
                if low == 0 && high == BLOCK && lane == 0 {
                    to.copy_from_nonoverlapping(from, output.width * BLOCK);
                    continue;
                }
                // The channels of one output block lie in one input block or in two.
                let length = high - low;
                let head = if length < BLOCK - lane { length } else { BLOCK - lane };
                for pixel in (0..output.width).map(|x| x * BLOCK) {
                    let to = to.add(pixel);
                    to.add(low).copy_from_nonoverlapping(from.add(pixel + lane), head);
                    if head < length {
                        to.add(low + head).copy_from_nonoverlapping(from.add(input.plane() + pixel), length - head);
                    }
                    to.add(high).write_bytes(0, BLOCK - high);
                }
            }
        }
    }
}
