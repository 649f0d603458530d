//! Dense layers.
//!
//! A unit of work is one or two vectors of units, of all images; some images are computed at a time. Sums over the features run in
//! several strands, which hide the latency of multiply-add and are added up at the end; how many depends on the layer only.

#![expect(
    clippy::needless_range_loop,
    reason = "an index is a pixel, image or vector here, and offsets follow from it"
)]

use std::marker::PhantomData;

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
            if const { L::GEOMETRY.panel >= 2 * I::LANES } {
                of_vectors::<I, L, 2>(arguments);
            } else {
                of_vectors::<I, L, 1>(arguments);
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

/// Computes the layer, so many vectors of units wide.
///
/// # Safety
/// As [`Kernel::run`] says.
#[inline(always)]
unsafe fn of_vectors<I: Isa, L: Layer<DenseGeometry>, const VECTORS: usize>(arguments: &Arguments) {
    let batch = const { L::GEOMETRY.batch };
    let together = batch / IMAGES * IMAGES;
    for unit in arguments.share.units(vector_length(L::GEOMETRY.units) / (VECTORS * I::LANES)) {
        let first_unit = unit * VECTORS * I::LANES;
        // SAFETY: the caller vouches for what the kernel asks for; units and images lie in the layer.
        unsafe {
            if const { L::GEOMETRY.batch >= IMAGES } {
                for image in (0..together).step_by(IMAGES) {
                    compute::<I, L, IMAGES, 1, VECTORS>(arguments, first_unit, image);
                }
            }
            for image in together..batch {
                compute::<I, L, 1, 4, VECTORS>(arguments, first_unit, image);
            }
        }
    }
}

/// Computes some units of some images.
///
/// # Safety
/// As [`Kernel::run`] says, for the units and images.
#[inline(always)]
unsafe fn compute<I: Isa, L: Layer<DenseGeometry>, const IMAGES: usize, const STRANDS: usize, const VECTORS: usize>(
    arguments: &Arguments,
    first_unit: usize,
    image: usize,
) {
    let geometry = const { L::GEOMETRY };
    let (inputs, outputs) = const { (vector_length(L::GEOMETRY.features), vector_length(L::GEOMETRY.units)) };
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
