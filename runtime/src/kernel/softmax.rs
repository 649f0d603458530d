//! Softmax, one image after the other.

use std::marker::PhantomData;

use super::{Arguments, Kernel, vector_length};
use crate::geometry::SoftmaxGeometry;
use crate::isa::Isa;
use crate::program::Layer;

/// The softmax of a layer.
pub(crate) struct Softmax<L>(PhantomData<L>);

impl<L: Layer<SoftmaxGeometry>> Kernel for Softmax<L> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        let SoftmaxGeometry { batch, features } = const { L::GEOMETRY };
        let length = const { vector_length(L::GEOMETRY.features) };
        for image in arguments.share.units(batch) {
            // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes. In place,
            // each value is read just before it is written.
            unsafe {
                let (from, to) = (arguments.input.add(image * length), arguments.output.add(image * length));
                let mut largest = f32::NEG_INFINITY;
                for index in 0..features {
                    let value = from.add(index).read();
                    largest = if value > largest { value } else { largest };
                }
                let mut sum = 0.0_f64;
                for index in 0..features {
                    let value = (from.add(index).read() - largest).exp();
                    sum += f64::from(value);
                    to.add(index).write(value);
                }
                let scale = (1.0 / sum) as f32;
                for index in 0..features {
                    to.add(index).write(to.add(index).read() * scale);
                }
                to.add(features).write_bytes(0, length - features);
            }
        }
    }
}
