//! A dense buffer, the caller's or an array, read into a map.

use std::marker::PhantomData;

use super::{Arguments, Kernel, clear_frames};
use crate::geometry::InputGeometry;
use crate::isa::Isa;
use crate::program::Layer;

/// The reading of a network's input.
pub(crate) struct Input<L>(PhantomData<L>);

impl<L: Layer<InputGeometry>> Kernel for Input<L> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        let geometry = const { L::GEOMETRY };
        let output = const { L::GEOMETRY.output };
        let pixels = const { L::GEOMETRY.output.height * L::GEOMETRY.output.width };
        // Between neighbouring channels and between neighbouring columns of the caller's buffer.
        let (channel_step, column_step) = if geometry.channels_last { (1, output.channels) } else { (pixels, 1) };
        // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
        unsafe {
            clear_frames(arguments.output, output, geometry.batch, arguments.share);
            for unit in arguments.share.units(geometry.batch * output.height) {
                let (image, y) = (unit / output.height, unit % output.height);
                let from = arguments.input.add(image * output.channels * pixels + y * output.width * column_step);
                for block in 0..output.blocks() {
                    let first = block * output.block;
                    let lanes =
                        if output.channels - first < output.block { output.channels - first } else { output.block };
                    let from = from.add(first * channel_step);
                    let to = arguments
                        .output
                        .add(image * output.len() + block * output.plane() + output.interior() + y * output.row());
                    for x in 0..output.width {
                        let (from, to) = (from.add(x * column_step), to.add(x * output.block));
                        for lane in 0..lanes {
                            to.add(lane).write(from.add(lane * channel_step).read());
                        }
                        for lane in lanes..output.block {
                            to.add(lane).write(0.0);
                        }
                    }
                }
            }
        }
    }
}
