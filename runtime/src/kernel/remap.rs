//! Strided, shifted copies: the shortcuts without weights.

use std::marker::PhantomData;

use super::{Arguments, Kernel, clear_frames};
use crate::geometry::{BLOCK, RemapGeometry};
use crate::isa::Isa;
use crate::program::Layer;

/// The strided, shifted copy of a layer.
pub(crate) struct Remap<L>(PhantomData<L>);

impl<L: Layer<RemapGeometry>> Kernel for Remap<L> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        let geometry = const { L::GEOMETRY };
        let (input, output) = const { (L::GEOMETRY.input, L::GEOMETRY.output) };
        let [down, across] = geometry.stride;
        // An output block takes its first lanes from the end of one input block and the others from the start of the next.
        let (whole, lanes) = const { (L::GEOMETRY.channels_before / BLOCK, L::GEOMETRY.channels_before % BLOCK) };
        // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
        unsafe {
            clear_frames(arguments.output, output, geometry.batch, arguments.share);
            for unit in arguments.share.units(geometry.batch * output.blocks() * output.height) {
                let (plane, y) = (unit / output.height, unit % output.height);
                let (image, block) = (plane / output.blocks(), plane % output.blocks());
                let to = arguments.output.add(output.block_at(plane) + output.interior() + y * output.row());
                to.write_bytes(0, output.width * BLOCK);
                let from_y = y * down;
                if from_y < geometry.top || from_y - geometry.top >= input.height || block < whole {
                    continue;
                }
                let from =
                    arguments.input.add(image * input.len() + input.interior() + (from_y - geometry.top) * input.row());
                let upper = block - whole;
                for x in 0..output.width {
                    let from_x = x * across;
                    if from_x < geometry.left || from_x - geometry.left >= input.width {
                        continue;
                    }
                    let from = from.add((from_x - geometry.left) * BLOCK);
                    let to = to.add(x * BLOCK);
                    if upper < input.blocks() {
                        to.add(lanes).copy_from_nonoverlapping(from.add(upper * input.plane()), BLOCK - lanes);
                    }
                    if lanes > 0 && upper > 0 && upper <= input.blocks() {
                        let from = from.add((upper - 1) * input.plane() + BLOCK - lanes);
                        to.copy_from_nonoverlapping(from, lanes);
                    }
                }
            }
        }
    }
}
