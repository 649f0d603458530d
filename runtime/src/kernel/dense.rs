//! Dense layers.
//!
//! A unit of work is some images by some vectors of units. Sums over the features run in several strands, which hide the latency of
//! multiply-add and are added up at the end; how many depends on the layer only.

#![expect(
    clippy::needless_range_loop,
    reason = "an index is a pixel, image or vector here, and offsets follow from it"
)]

use std::marker::PhantomData;
use std::ops::Range;

use super::{Arguments, Kernel, activate, vector_length};
use crate::geometry::DenseGeometry;
use crate::isa::Isa;
use crate::program::Layer;

/// The dense layer.
pub(crate) struct Dense<L>(PhantomData<L>);

impl<L: Layer<DenseGeometry>> Kernel for Dense<L> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        // SAFETY: the caller vouches for what the kernel asks for.
        unsafe {
            if const { L::GEOMETRY.batch < IMAGES } {
                of_panels::<I, L, 1, 4>(arguments, 0..L::GEOMETRY.batch);
            } else {
                of_panels::<I, L, IMAGES, 1>(arguments, 0..L::GEOMETRY.batch / IMAGES * IMAGES);
                if const { L::GEOMETRY.batch % IMAGES != 0 } {
                    of_panels::<I, L, 1, 4>(arguments, L::GEOMETRY.batch / IMAGES * IMAGES..L::GEOMETRY.batch);
                }
            }
        }
    }
}

/// Images computed at a time, when there are so many.
const IMAGES: usize = 4;

/// Images by units that are held in registers, in vectors of so many lanes.
pub(crate) const fn tile(dense: &DenseGeometry, lanes: usize) -> [usize; 2] {
    let images = if dense.batch < IMAGES { 1 } else { IMAGES };
    let vectors = if dense.panel >= 2 * lanes { 2 } else { 1 };
    [images, vectors * lanes]
}

/// Computes some images, so many at a time, two vectors of units wide where a panel holds them.
///
/// # Safety
/// As [`Kernel::run`] says; the number of images is a multiple of `IMAGES`.
#[inline(always)]
unsafe fn of_panels<I: Isa, L: Layer<DenseGeometry>, const IMAGES: usize, const STRANDS: usize>(
    arguments: &Arguments,
    images: Range<usize>,
) {
    // SAFETY: the caller vouches for what the kernel asks for.
    unsafe {
        if const { L::GEOMETRY.panel >= 2 * I::LANES } {
            of_vectors::<I, L, IMAGES, STRANDS, 2>(arguments, images);
        } else {
            of_vectors::<I, L, IMAGES, STRANDS, 1>(arguments, images);
        }
    }
}

/// # Safety
/// As [`of_panels`].
#[inline(always)]
unsafe fn of_vectors<
    I: Isa,
    L: Layer<DenseGeometry>,
    const IMAGES: usize,
    const STRANDS: usize,
    const VECTORS: usize,
>(
    arguments: &Arguments,
    images: Range<usize>,
) {
    let geometry = const { L::GEOMETRY };
    let (inputs, outputs) = const { (vector_length(L::GEOMETRY.features), vector_length(L::GEOMETRY.units)) };
    let groups = images.len() / IMAGES;
    let width = VECTORS * I::LANES;
    for unit in arguments.share.of(groups * (outputs / width)) {
        let (first_unit, image) = (unit / groups * width, images.start + unit % groups * IMAGES);
        let (panel, lane) = (first_unit / geometry.panel, first_unit % geometry.panel);
        // SAFETY: every offset follows from the geometry, and the caller vouches for the memory it describes.
        unsafe {
            let weights = arguments.weights.add(panel * (geometry.features + 1) * geometry.panel + lane);
            let values = arguments.input.add(image * inputs);
            let mut sums = [[[I::splat(0.0); VECTORS]; IMAGES]; STRANDS];
            for image in 0..IMAGES {
                for vector in 0..VECTORS {
                    sums[0][image][vector] = I::load(weights.add(vector * I::LANES));
                }
            }
            let weights = weights.add(geometry.panel);
            let whole = geometry.features / STRANDS * STRANDS;
            let mut feature = 0;
            while feature < whole {
                for strand in 0..STRANDS {
                    step::<I, IMAGES, VECTORS>(
                        weights.add((feature + strand) * geometry.panel),
                        values.add(feature + strand),
                        inputs,
                        &mut sums[strand],
                    );
                }
                feature += STRANDS;
            }
            for feature in whole..geometry.features {
                let weights = weights.add(feature * geometry.panel);
                step::<I, IMAGES, VECTORS>(weights, values.add(feature), inputs, &mut sums[0]);
            }
            for strand in 1..STRANDS {
                for image in 0..IMAGES {
                    for vector in 0..VECTORS {
                        sums[0][image][vector] = I::add(sums[0][image][vector], sums[strand][image][vector]);
                    }
                }
            }
            for index in 0..IMAGES {
                for vector in 0..VECTORS {
                    let to = arguments.output.add((image + index) * outputs + first_unit + vector * I::LANES);
                    I::store(to, activate::<I>(geometry.activation, sums[0][index][vector]));
                }
            }
        }
    }
}

/// Adds one feature's products.
///
/// # Safety
/// The processor has the instruction set; the weights of one feature and its values of `IMAGES` images can be read.
#[inline(always)]
unsafe fn step<I: Isa, const IMAGES: usize, const VECTORS: usize>(
    weights: *const f32,
    values: *const f32,
    inputs: usize,
    sums: &mut [[I::Vector; VECTORS]; IMAGES],
) {
    // SAFETY: the caller vouches for the memory.
    unsafe {
        let mut factors = [I::splat(0.0); VECTORS];
        for vector in 0..VECTORS {
            factors[vector] = I::load(weights.add(vector * I::LANES));
        }
        for image in 0..IMAGES {
            let value = I::broadcast(values.add(image * inputs));
            for vector in 0..VECTORS {
                sums[image][vector] = I::multiply_add(value, factors[vector], sums[image][vector]);
            }
        }
    }
}
