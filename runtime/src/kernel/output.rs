//! A map written to a dense buffer: the caller's, or an array.

use std::marker::PhantomData;

use super::{Arguments, Kernel};
use crate::geometry::OutputGeometry;
use crate::isa::Isa;
use crate::program::Layer;

/// The writing of a network's output.
pub(crate) struct Output<L>(PhantomData<L>);

impl<L: Layer<OutputGeometry>> Kernel for Output<L> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        let OutputGeometry { batch, input } = const { L::GEOMETRY };
        for unit in arguments.share.units(batch * input.channels) {
            let (image, channel) = (unit / input.channels, unit % input.channels);
            // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
            unsafe {
                let (block, lane) = (channel / input.block, channel % input.block);
                let from = arguments.input.add(image * input.len() + block * input.plane() + input.interior() + lane);
                let mut to = arguments.output.add(unit * input.height * input.width);
                for y in 0..input.height {
                    for x in 0..input.width {
                        to.write(from.add(y * input.row() + x * input.block).read());
                        to = to.add(1);
                    }
                }
            }
        }
    }
}
