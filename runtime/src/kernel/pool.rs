//! Maximum and mean over windows.

use std::marker::PhantomData;

use super::{Arguments, Kernel, clear_frames};
use crate::geometry::{BLOCK, PoolGeometry, Reduction};
use crate::isa::Isa;
use crate::program::Layer;

/// The pooling of a layer.
pub(crate) struct Pool<L>(PhantomData<L>);

impl<L: Layer<PoolGeometry>> Kernel for Pool<L> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        let geometry = const { L::GEOMETRY };
        let (input, output) = const { (L::GEOMETRY.input, L::GEOMETRY.output) };
        // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
        unsafe {
            clear_frames(arguments.output, output, geometry.batch, arguments.share);
            for unit in arguments.share.units(geometry.batch * output.blocks() * output.height) {
                let (plane, y) = (unit / output.height, unit % output.height);
                let rows = Span::of::<L>(y, 0, input.height);
                let from = arguments.input.add(input.block_at(plane) + input.interior() + rows.first * input.row());
                let mut to = arguments.output.add(output.block_at(plane) + output.interior() + y * output.row());
                for x in 0..output.width {
                    let columns = Span::of::<L>(x, 1, input.width);
                    let from = from.add(columns.first * BLOCK);
                    let scale = match geometry.reduction {
                        Reduction::Max => 1.0,
                        Reduction::Mean => 1.0 / (rows.length * columns.length) as f32,
                        Reduction::MeanWithPadding => 1.0 / (rows.padded * columns.padded) as f32,
                    };
                    for vector in 0..BLOCK / I::LANES {
                        let from = from.add(vector * I::LANES);
                        let mut sum = match geometry.reduction {
                            Reduction::Max => I::load(from),
                            Reduction::Mean | Reduction::MeanWithPadding => I::splat(0.0),
                        };
                        for row in 0..rows.length {
                            let from = from.add(row * input.row());
                            for column in 0..columns.length {
                                let value = I::load(from.add(column * BLOCK));
                                sum = match geometry.reduction {
                                    Reduction::Max => I::max(sum, value),
                                    Reduction::Mean | Reduction::MeanWithPadding => I::add(sum, value),
                                };
                            }
                        }
                        let result = match geometry.reduction {
                            Reduction::Max => sum,
                            Reduction::Mean | Reduction::MeanWithPadding => I::multiply(sum, I::splat(scale)),
                        };
                        I::store(to.add(vector * I::LANES), result);
                    }
                    to = to.add(BLOCK);
                }
            }
        }
    }
}

/// The part of a window, along one axis, that exists.
struct Span {
    first: usize,
    length: usize,
    /// Length of the part inside the padded map.
    padded: usize,
}

impl Span {
    #[inline(always)]
    fn of<L: Layer<PoolGeometry>>(index: usize, axis: usize, size: usize) -> Self {
        let geometry = const { L::GEOMETRY };
        let (before, after) = (geometry.padding[axis], geometry.padding[axis + 2]);
        // Both counted from the first element of the padding.
        let start = index * geometry.stride[axis];
        let end = start + geometry.kernel[axis];
        let first = start.saturating_sub(before);
        let last = if end < before + size { end - before } else { size };
        let padded_end = if end < before + size + after { end } else { before + size + after };
        Self { first, length: last - first, padded: padded_end - start }
    }
}
