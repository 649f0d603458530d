//! A map written to the caller's dense buffer.

use std::marker::PhantomData;

use super::{Arguments, Kernel};
use crate::geometry::{BLOCK, OutputGeometry};
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
                let from = arguments
                    .input
                    .add(image * input.len() + channel / BLOCK * input.plane() + input.interior() + channel % BLOCK);
                let mut to = arguments.output.add(unit * input.height * input.width);
                for y in 0..input.height {
                    for x in 0..input.width {
                        to.write(from.add(y * input.row() + x * BLOCK).read());
                        to = to.add(1);
                    }
                }
            }
        }
    }
}
