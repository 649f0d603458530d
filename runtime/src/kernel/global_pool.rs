//! The maximum or the mean over all pixels of each channel.

use std::marker::PhantomData;

use super::{Arguments, Kernel, clear_frames};
use crate::geometry::{BLOCK, GlobalPoolGeometry, Reduction};
use crate::isa::Isa;
use crate::program::Layer;

/// The global pooling of a layer.
pub(crate) struct GlobalPool<L>(PhantomData<L>);

impl<L: Layer<GlobalPoolGeometry>> Kernel for GlobalPool<L> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        let geometry = const { L::GEOMETRY };
        let (input, output) = const { (L::GEOMETRY.input, L::GEOMETRY.output) };
        // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
        unsafe {
            clear_frames(arguments.output, output, geometry.batch, arguments.share);
            for unit in arguments.share.units(geometry.batch * input.blocks()) {
                let from = arguments.input.add(input.block_at(unit) + input.interior());
                let to = arguments.output.add(output.block_at(unit) + output.interior());
                for vector in 0..BLOCK / I::LANES {
                    let from = from.add(vector * I::LANES);
                    let at = |y: usize, x: usize| from.add(y * input.row() + x * BLOCK);
                    let result = match geometry.reduction {
                        Reduction::Max => {
                            let mut largest = I::load(from);
                            for y in 0..input.height {
                                for x in 0..input.width {
                                    largest = I::max(largest, I::load(at(y, x)));
                                }
                            }
                            largest
                        }
                        Reduction::Mean | Reduction::MeanWithPadding => {
                            let mut total = I::splat(0.0);
                            for y in 0..input.height {
                                // Rows are summed by themselves, which keeps the partial sums near each other in size.
                                let mut sum = I::splat(0.0);
                                for x in 0..input.width {
                                    sum = I::add(sum, I::load(at(y, x)));
                                }
                                total = I::add(total, sum);
                            }
                            I::multiply(total, I::splat(1.0 / (input.height * input.width) as f32))
                        }
                    };
                    I::store(to.add(vector * I::LANES), result);
                }
            }
        }
    }
}
