//! A map as a vector of features in `[C, H, W]` order.

use std::marker::PhantomData;

use super::{Arguments, Kernel, vector_length};
use crate::geometry::{BLOCK, FlattenGeometry};
use crate::isa::Isa;
use crate::program::Layer;

/// The flattening of a layer.
pub(crate) struct Flatten<L>(PhantomData<L>);

impl<L: Layer<FlattenGeometry>> Kernel for Flatten<L> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        let FlattenGeometry { batch, input } = const { L::GEOMETRY };
        let features = const { L::GEOMETRY.input.channels * L::GEOMETRY.input.height * L::GEOMETRY.input.width };
        for unit in arguments.share.units(batch * input.channels) {
            let (image, channel) = (unit / input.channels, unit % input.channels);
            // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
            unsafe {
                let from = arguments
                    .input
                    .add(image * input.len() + channel / BLOCK * input.plane() + input.interior() + channel % BLOCK);
                let vector = arguments.output.add(image * vector_length(features));
                let mut to = vector.add(channel * input.height * input.width);
                for y in 0..input.height {
                    for x in 0..input.width {
                        to.write(from.add(y * input.row() + x * BLOCK).read());
                        to = to.add(1);
                    }
                }
                if channel == input.channels - 1 {
                    vector.add(features).write_bytes(0, vector_length(features) - features);
                }
            }
        }
    }
}
