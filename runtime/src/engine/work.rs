//! What a step has to do, in words and numbers, for who measures it.
//!
//! Bytes count each value once: what a step must read and write at least, however often its kernel does. Frames and the lanes behind
//! the last channel are counted, since they lie between the others; pixels that a stride steps over are not.

use crate::geometry::{
    Algorithm, BLOCK, ChannelsGeometry, ConvGeometry, DenseGeometry, ElementwiseGeometry, FlattenGeometry, Frame,
    GlobalPoolGeometry, GroupNormGeometry, InputGeometry, Join, Map, OutputGeometry, PoolGeometry, Reduction,
    RemapGeometry, Rest, SoftmaxGeometry, Winograd,
};
use crate::kernel::{RegisterTile, conv_weights, dense_tile, dense_weights, vector_length};

/// The name of a convolution's algorithm.
const fn algorithm(conv: &ConvGeometry) -> &'static str {
    match (conv.algorithm, conv.stride[0]) {
        (Algorithm::Direct(_), _) => "direct",
        (Algorithm::Grouped(_), _) => "grouped",
        (Algorithm::Winograd(Winograd { outputs: 3, .. }), _) => "winograd 3x3/2",
        (Algorithm::Winograd(Winograd { outputs: 2, .. }), 1) => "winograd 2x2",
        (Algorithm::Winograd(_), 1) => "winograd 4x4",
        (Algorithm::Winograd(Winograd { outputs: 2, .. }), _) => "winograd 2x2/2",
        (Algorithm::Winograd(_), _) => "winograd 4x4/2",
        (Algorithm::Strassen(_), _) => "strassen",
    }
}

/// What a step has to do: of all images together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work {
    /// The kind of layer.
    pub operation: &'static str,
    /// How it is computed, where there are several ways.
    pub algorithm: Option<&'static str>,
    /// Output pixels (of a dense layer: images) by output channels that are held in registers.
    pub tile: Option<[usize; 2]>,
    /// Height and width of the kernel or of the window of a pooling layer.
    pub kernel: Option<[usize; 2]>,
    /// Vertical and horizontal step.
    pub stride: [usize; 2],
    /// Channels, height and width of what is read.
    pub input: [usize; 3],
    /// Channels, height and width of what is written.
    pub output: [usize; 3],
    /// Multiply-accumulates that the network asks for. The kernel may do more, where it multiplies by zeros, or fewer, where it has
    /// a faster algorithm.
    pub macs: u64,
    /// Bytes of maps and vectors that are read.
    pub bytes_read: u64,
    /// Bytes of weights, all of which are read.
    pub bytes_of_weights: u64,
    /// Bytes of maps and vectors that are written.
    pub bytes_written: u64,
}

impl Work {
    /// Nothing known.
    pub(super) const NONE: Self = Self {
        operation: "step",
        algorithm: None,
        tile: None,
        kernel: None,
        stride: [1, 1],
        input: [0; 3],
        output: [0; 3],
        macs: 0,
        bytes_read: 0,
        bytes_of_weights: 0,
        bytes_written: 0,
    };

    /// A step from one map to another without weights.
    pub(super) const fn new(operation: &'static str, batch: usize, input: Map, output: Map) -> Self {
        Self {
            operation,
            input: size(input),
            output: size(output),
            bytes_read: bytes(batch * input.values()),
            bytes_written: bytes(batch * output.values()),
            ..Self::NONE
        }
    }

    const fn windowed(self, batch: usize, input: Map, kernel: [usize; 2], stride: [usize; 2]) -> Self {
        let bytes_read = bytes(batch * reached(input, self.output, kernel, stride));
        Self { kernel: Some(kernel), stride, bytes_read, ..self }
    }

    const fn with_other(self, batch: usize, other: Option<Map>) -> Self {
        match other {
            Some(other) => Self { bytes_read: self.bytes_read + bytes(batch * other.values()), ..self },
            None => self,
        }
    }

    const fn with_weights(self, length: usize) -> Self {
        Self { bytes_of_weights: bytes(length), ..self }
    }

    /// A convolution whose register tile is `T`, in vectors of so many lanes.
    pub(super) const fn conv<T: RegisterTile>(conv: &ConvGeometry, lanes: usize) -> Self {
        let work = Self::new("conv", conv.batch, conv.input, conv.results())
            .windowed(conv.batch, conv.input, conv.kernel, conv.stride)
            .with_other(conv.batch, conv.shortcut)
            .with_weights(conv_weights(conv));
        Self { algorithm: Some(algorithm(conv)), tile: Some([T::PIXELS, T::VECTORS * lanes]), ..work }
    }

    pub(super) const fn pool(pool: &PoolGeometry) -> Self {
        let operation = match pool.reduction {
            Reduction::Max => "max pool",
            Reduction::Mean | Reduction::MeanWithPadding => "mean pool",
        };
        Self::new(operation, pool.batch, pool.input, pool.output).windowed(
            pool.batch,
            pool.input,
            pool.kernel,
            pool.stride,
        )
    }

    pub(super) const fn elementwise(step: &ElementwiseGeometry) -> Self {
        let operation = match (step.other, step.join) {
            (Some(_), Join::Sum) => "add",
            (Some(_), Join::Product) => "multiply",
            (None, _) if step.affine => "scale",
            (None, _) => "activation",
        };
        let work = Self::new(operation, step.batch, step.input, step.output).with_other(step.batch, step.other);
        if step.affine { work.with_weights(2 * vector_length(step.output.channels)) } else { work }
    }

    pub(super) const fn group_norm(norm: &GroupNormGeometry) -> Self {
        Self::new("group norm", norm.batch, norm.input, norm.output)
            .with_weights(2 * vector_length(norm.output.channels))
    }

    pub(super) const fn remap(remap: &RemapGeometry) -> Self {
        Self::new("remap", remap.batch, remap.input, remap.output).windowed(
            remap.batch,
            remap.input,
            [1, 1],
            remap.stride,
        )
    }

    pub(super) const fn channels(copy: &ChannelsGeometry) -> Self {
        let input = Map { channels: copy.count, ..copy.input };
        let output = Map { channels: copy.count, ..copy.output };
        Self::new("copy", copy.batch, input, output)
    }

    pub(super) const fn global_pool(pool: &GlobalPoolGeometry) -> Self {
        let operation = match pool.reduction {
            Reduction::Max => "global max",
            Reduction::Mean | Reduction::MeanWithPadding => "global mean",
        };
        Self::new(operation, pool.batch, pool.input, pool.output)
    }

    /// A dense layer, in vectors of so many lanes.
    pub(super) const fn dense(dense: &DenseGeometry, lanes: usize) -> Self {
        let work = Self::new("dense", dense.batch, vector(dense.features), vector(dense.units))
            .with_weights(dense_weights(dense));
        Self { algorithm: Some("direct"), tile: Some(dense_tile(dense, lanes)), ..work }
    }

    pub(super) const fn softmax(softmax: &SoftmaxGeometry) -> Self {
        let vector = vector(softmax.features);
        Self::new("softmax", softmax.batch, vector, vector)
    }

    pub(super) const fn flatten(flatten: &FlattenGeometry) -> Self {
        let Map { channels, height, width, .. } = flatten.input;
        Self::new("flatten", flatten.batch, flatten.input, vector(channels * height * width))
    }

    /// A loop nest that reads so many values of one array, of another and of a constant.
    pub(super) const fn nest(a: usize, b: usize, constant: usize, output: Map) -> Self {
        let work = Self::new("loop nest", 1, Map { width: a, ..output }, output).with_weights(constant);
        Self { bytes_read: work.bytes_read + bytes(b), ..work }
    }

    pub(super) const fn input(input: &InputGeometry) -> Self {
        Self::new("input", input.batch, outside(input.output), input.output)
    }

    pub(super) const fn output(output: &OutputGeometry) -> Self {
        Self::new("output", output.batch, output.input, outside(output.input))
    }
}

const fn bytes(values: usize) -> u64 {
    (values * size_of::<f32>()) as u64
}

const fn size(map: Map) -> [usize; 3] {
    [map.channels, map.height, map.width]
}

/// A vector as a map of one pixel.
const fn vector(features: usize) -> Map {
    Map { channels: features, height: 1, width: 1, block: BLOCK, frame: Frame::NONE, rest: Rest::NONE }
}

/// A map as the caller has it: without gaps.
const fn outside(map: Map) -> Map {
    Map { block: map.channels, frame: Frame::NONE, rest: Rest::NONE, ..map }
}

/// Values of a map in the rows and columns that windows reach: all, unless the windows lie apart.
const fn reached(map: Map, outputs: [usize; 3], kernel: [usize; 2], stride: [usize; 2]) -> usize {
    let [_, height, width] = outputs;
    let mut extents = [map.rows(), map.row() / map.block];
    if kernel[0] < stride[0] && height * kernel[0] < extents[0] {
        extents[0] = height * kernel[0];
    }
    if kernel[1] < stride[1] && width * kernel[1] < extents[1] {
        extents[1] = width * kernel[1];
    }
    map.blocks() * extents[0] * extents[1] * map.block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::{Activation, Direct};

    const MAP: Map = Map {
        channels: 20,
        height: 8,
        width: 6,
        block: BLOCK,
        frame: Frame { top: 1, left: 1, bottom: 1, right: 1 },
        rest: Rest::NONE,
    };

    #[test]
    fn strided_windows_reach_a_part() {
        // Frames and lanes are counted.
        assert_eq!(reached(MAP, [20, 8, 6], [3, 3], [1, 1]), 2 * 16 * 10 * 8);
        assert_eq!(reached(MAP, [20, 4, 3], [3, 3], [2, 2]), 2 * 16 * 10 * 8);
        assert_eq!(reached(MAP, [20, 4, 3], [1, 1], [2, 2]), 2 * 16 * 4 * 3);
        assert_eq!(reached(MAP, [20, 8, 3], [1, 1], [1, 2]), 2 * 16 * 10 * 3);
    }

    #[test]
    fn a_convolution_reads_its_maps_and_weights() {
        let output = Map { channels: 32, height: 4, width: 3, block: BLOCK, frame: Frame::NONE, rest: Rest::NONE };
        let conv = ConvGeometry {
            batch: 2,
            input: MAP,
            output,
            shortcut: Some(output),
            kernel: [1, 1],
            stride: [2, 2],
            dilation: [1, 1],
            padding: [0, 0],
            window: 2,
            first_block: &[],
            activation: Activation::None,
            second: None,
            algorithm: Algorithm::Direct(Direct { band: 100, depth: 1, sums: 1 }),
        };
        let work = Work::conv::<crate::Tile<3, 0, 2>>(&conv, 8);
        assert_eq!((work.tile, work.algorithm), (Some([3, 16]), Some("direct")));
        assert_eq!(work.bytes_read, 4 * 2 * (2 * 16 + 32) * 12);
        assert_eq!(work.bytes_written, 4 * 2 * 32 * 12);
        assert_eq!(work.bytes_of_weights, 4 * 32 * (2 * 16 + 1));
    }
}
