//! What the kernels rely on, checked while the program that holds the constants is compiled.

use super::tile::{Split, extent};
use super::{RegisterTile, conv, strassen, vector_length, winograd};
use crate::geometry::{
    Access, Algorithm, BLOCK, ChannelsGeometry, ConvGeometry, DenseGeometry, ElementwiseGeometry, FlattenGeometry,
    GlobalPoolGeometry, GroupNormGeometry, Grouped, InputGeometry, Map, Move, NestGeometry, Operand, OutputGeometry,
    PoolGeometry, RemapGeometry, SoftmaxGeometry, Winograd,
};

/// A map that is not empty, so that no kernel divides by zero, with blocks of 16 unless stated.
const fn check_map(map: Map, blocked: bool) {
    assert!(map.channels > 0 && map.height > 0 && map.width > 0, "a map is empty");
    assert!(map.block > 0 && map.block <= BLOCK, "a map has blocks of no or more than 16 channels");
    assert!(!blocked || map.block == BLOCK, "a map inside the network has blocks of other than 16 channels");
}

const fn check_same_size(a: Map, b: Map) {
    assert!(a.channels == b.channels && a.height == b.height && a.width == b.width, "maps of one size differ in size");
}

/// A convolution whose register tile on an instruction set of so many lanes is `T`.
pub(crate) const fn check_conv<T: RegisterTile>(conv: &ConvGeometry, lanes: usize) {
    check_map(conv.input, conv.input.channels >= BLOCK);
    check_map(conv.output, true);
    if let Some(shortcut) = conv.shortcut {
        check_map(shortcut, true);
        check_same_size(shortcut, conv.output);
    }
    if conv.second.is_some() {
        assert!(
            conv.output.channels.is_multiple_of(BLOCK) && conv.output.rest.blocks >= conv.output.blocks(),
            "a convolution's second result has no whole blocks behind the output's"
        );
    }
    assert!(conv.batch > 0, "a convolution has no images");
    let mut axis = 0;
    while axis < 2 {
        assert!(
            conv.kernel[axis] > 0 && conv.stride[axis] > 0 && conv.dilation[axis] > 0,
            "a convolution has a zero attribute"
        );
        let [before, after] =
            [[conv.input.frame.top, conv.input.frame.bottom], [conv.input.frame.left, conv.input.frame.right]][axis];
        let size = [conv.input.height, conv.input.width][axis];
        let outputs = [conv.output.height, conv.output.width][axis];
        assert!(conv.padding[axis] <= before, "a convolution's padding exceeds its input's frame");
        let (covered, beyond) = match conv.algorithm {
            Algorithm::Direct(_) | Algorithm::Strassen(_) | Algorithm::Grouped(_) => (outputs, 0),
            Algorithm::Winograd(winograd) => {
                assert!(
                    2 <= winograd.outputs && winograd.outputs <= 4,
                    "a tile has other than 2, 3 or 4 outputs to a side"
                );
                assert!(
                    conv.kernel[axis] == winograd.kernel()
                        && conv.stride[0] == conv.stride[1]
                        && (conv.stride[0] == 2 || conv.stride[0] == 1 && !winograd.in_pairs())
                        && conv.dilation[axis] == 1,
                    "a convolution by Winograd is neither 3 x 3 of stride 1 or 2 nor 7 x 7 of stride 2"
                );
                (winograd.covered(outputs, conv.stride[0]), winograd.beyond()[axis])
            }
        };
        let end = (covered - 1) * conv.stride[axis] + (conv.kernel[axis] - 1) * conv.dilation[axis] + 1 + beyond;
        assert!(end <= conv.padding[axis] + size + after, "a convolution's windows exceed its input and its frame");
        axis += 1;
    }

    assert!(conv.window > 0, "a convolution has an empty window");
    if conv.first_block.is_empty() {
        assert!(conv.window <= conv.input.blocks(), "a convolution's window exceeds its input");
    } else {
        assert!(conv.first_block.len() == conv.output.blocks(), "a convolution has not one first block per panel");
        let mut panel = 0;
        while panel < conv.first_block.len() {
            assert!(
                conv.first_block[panel] + conv.window <= conv.input.blocks(),
                "a convolution's window exceeds its input"
            );
            panel += 1;
        }
    }
    match conv.algorithm {
        Algorithm::Direct(direct) => {
            assert!(direct.band > 0 && direct.depth > 0, "a convolution has bands or passes of nothing");
        }
        Algorithm::Winograd(winograd) => {
            assert!(winograd.group > 0, "a convolution has groups of no tiles");
            assert!(T::PIXELS <= winograd::MOST_PIXELS, "a register tile of a convolution by Winograd is too large");
            if winograd.in_pairs() {
                assert!(
                    conv.input.blocks() == 1 && conv.input.block <= Winograd::MOST_IN_PAIRS && conv.window == 1,
                    "a convolution by Winograd takes pixels of too many channels in pairs"
                );
                assert!(conv.input.row() >= BLOCK, "a convolution by Winograd reads a vector that exceeds a row");
            } else {
                assert!(conv.input.block == BLOCK, "a convolution by Winograd has blocks of other than 16 channels");
            }
        }
        Algorithm::Strassen(strassen) => {
            assert!(strassen.band > 0 && strassen.depth > 0, "a convolution has bands or passes of nothing");
            assert!(
                conv.flat() && conv.output.height * conv.output.width > 1,
                "a convolution by Strassen has no pairs of pixels"
            );
            assert!(
                conv.window.is_multiple_of(2 * strassen.depth) && conv.first_block.is_empty(),
                "a convolution by Strassen has a window that is no whole number of passes"
            );
            assert!(
                conv.output.channels.is_multiple_of(2 * BLOCK) && conv.input.block == BLOCK,
                "a convolution by Strassen has no pairs of panels"
            );
            let channels = T::VECTORS * lanes;
            assert!((conv.output.channels / 2).is_multiple_of(channels), "register tiles do not divide the channels");
        }
        Algorithm::Grouped(grouped) => {
            assert!(
                grouped.channels > 0 && BLOCK.is_multiple_of(grouped.channels),
                "a grouped convolution has groups that do not divide a block"
            );
            assert!(
                Grouped::spans(conv.kernel[1], conv.stride[1], conv.dilation[1]) && T::PIXELS <= Grouped::MOST_PIXELS,
                "a grouped convolution's kernel, stride or register tile is too large"
            );
            assert!(
                conv.input.block == BLOCK && conv.input.channels == conv.output.channels && conv.window == 1,
                "a grouped convolution's panels read other than the block of their channels"
            );
            let mut panel = 0;
            while panel < conv.output.blocks() {
                let first = if conv.first_block.is_empty() { 0 } else { conv.first_block[panel] };
                assert!(first == panel, "a grouped convolution's panels read other than the block of their channels");
                panel += 1;
            }
            assert!(T::VECTORS == 1, "a grouped convolution's register tile is wider than a vector");
        }
    }
    let extent = extent(conv, T::PIXELS, T::FEWER);
    assert!(T::PIXELS > 0 && T::PIXELS <= extent, "a register tile exceeds its row");
    assert!(Split::new(extent, T::PIXELS, T::FEWER).even(extent), "register tiles do not divide their row");
    let channels = T::VECTORS * lanes;
    let all = conv.output.blocks() * BLOCK;
    assert!(channels > 0 && all.is_multiple_of(channels), "register tiles do not divide the channels");
    let one_panel = BLOCK.is_multiple_of(channels);
    let two_panels = channels == 2 * BLOCK && winograd::width(conv) == channels;
    assert!(one_panel || two_panels, "a register tile spans panels that read different input, or more than two");
}

/// Length of a convolution's weights: its panels, and what the second result takes.
pub(crate) const fn conv_weights(conv: &ConvGeometry) -> usize {
    let vectors = if conv.second.is_some() { 2 } else { 0 };
    conv_panels(conv) + vectors * conv.output.channels
}

/// Length of a convolution's panels.
pub(super) const fn conv_panels(conv: &ConvGeometry) -> usize {
    let taps = conv.kernel[0] * conv.kernel[1];
    let per_lane = match conv.algorithm {
        Algorithm::Strassen(strassen) => return conv.output.blocks() / 2 * strassen.panel(conv.window),
        Algorithm::Direct(_) => conv.window * conv.input.block * taps,
        Algorithm::Winograd(winograd) => {
            conv.window * winograd.channels(conv.input.block) * winograd.factors() * winograd.factors()
        }
        Algorithm::Grouped(grouped) => grouped.channels * taps,
    };
    conv.output.blocks() * BLOCK * (per_lane + 1)
}

/// Length of the scratch memory of each thread that computes a convolution, with register tiles `T` on an instruction set of so many lanes.
pub(crate) const fn conv_scratch<T: RegisterTile>(conv: &ConvGeometry, lanes: usize) -> usize {
    match conv.algorithm {
        Algorithm::Direct(direct) => conv::scratch(conv.window, direct, T::PIXELS * T::VECTORS * lanes),
        Algorithm::Winograd(winograd) => winograd::scratch(conv, winograd),
        Algorithm::Strassen(strassen) => strassen::scratch(conv, strassen, T::PIXELS, T::VECTORS * lanes),
        Algorithm::Grouped(_) => 0,
    }
}

pub(crate) const fn check_pool(pool: &PoolGeometry) {
    check_map(pool.input, true);
    check_map(pool.output, true);
    assert!(pool.batch > 0, "a pooling layer has no images");
    assert!(pool.input.channels == pool.output.channels, "a pooling layer changes the number of channels");
    let mut axis = 0;
    while axis < 2 {
        assert!(pool.kernel[axis] > 0 && pool.stride[axis] > 0, "a pooling layer has a zero attribute");
        assert!(pool.padding[axis] < pool.kernel[axis], "a pooling layer's first window is all padding");
        let size = [pool.input.height, pool.input.width][axis];
        let outputs = [pool.output.height, pool.output.width][axis];
        let last = (outputs - 1) * pool.stride[axis];
        assert!(last < pool.padding[axis] + size, "a pooling layer's last window is all padding");
        axis += 1;
    }
}

pub(crate) const fn check_elementwise(step: &ElementwiseGeometry) {
    check_map(step.input, true);
    check_map(step.output, true);
    check_same_size(step.input, step.output);
    if let Some(other) = step.other {
        check_map(other, true);
        if repeats(other, step.output) {
            assert!(other.channels == step.output.channels, "a repeated pixel has other channels than its map");
        } else {
            check_same_size(other, step.output);
        }
    }
    assert!(step.batch > 0, "an element-wise step has no images");
}

/// Whether the one pixel of `other` stands for all of `output`.
pub(crate) const fn repeats(other: Map, output: Map) -> bool {
    other.height == 1 && other.width == 1 && (output.height > 1 || output.width > 1)
}

pub(crate) const fn check_group_norm(norm: &GroupNormGeometry) {
    check_map(norm.input, true);
    check_map(norm.output, true);
    check_same_size(norm.input, norm.output);
    assert!(norm.batch > 0, "a group normalisation has no images");
    assert!(
        norm.groups > 0 && norm.output.channels.is_multiple_of(norm.groups),
        "a group normalisation's groups do not divide its channels"
    );
    assert!(norm.epsilon > 0.0 && norm.epsilon.is_finite(), "a group normalisation's epsilon is not positive");
}

pub(crate) const fn check_channels(copy: &ChannelsGeometry) {
    check_map(copy.input, true);
    check_map(copy.output, true);
    assert!(copy.batch > 0 && copy.count > 0, "a copy of channels is empty");
    assert!(
        copy.input.height == copy.output.height && copy.input.width == copy.output.width,
        "a copy of channels changes the size of its map"
    );
    assert!(copy.from + copy.count <= copy.input.channels, "a copy of channels exceeds its input");
    assert!(copy.to + copy.count <= copy.output.channels, "a copy of channels exceeds its output");
}

pub(crate) const fn check_remap(remap: &RemapGeometry) {
    check_map(remap.input, true);
    check_map(remap.output, true);
    assert!(remap.batch > 0 && remap.stride[0] > 0 && remap.stride[1] > 0, "a remap has a zero attribute");
    assert!(
        remap.output.channels >= remap.channels_before + remap.input.channels,
        "a remap's output lacks channels of its input"
    );
}

pub(crate) const fn check_global_pool(pool: &GlobalPoolGeometry) {
    check_map(pool.input, true);
    check_map(pool.output, true);
    check_same_size(Map { height: 1, width: 1, ..pool.input }, pool.output);
    assert!(pool.batch > 0, "a global pooling layer has no images");
}

pub(crate) const fn check_dense(dense: &DenseGeometry) {
    assert!(dense.batch > 0 && dense.features > 0 && dense.units > 0, "a dense layer is empty");
    assert!(dense.panel == 16 || dense.panel == 32, "a dense layer has panels of other than 16 or 32 units");
    assert!(vector_length(dense.units).is_multiple_of(dense.panel), "a dense layer's output does not fill its panels");
}

/// Length of a dense layer's panels.
pub(crate) const fn dense_weights(dense: &DenseGeometry) -> usize {
    vector_length(dense.units) * (dense.features + 1)
}

pub(crate) const fn check_softmax(softmax: &SoftmaxGeometry) {
    assert!(softmax.batch > 0 && softmax.features > 0, "a softmax is empty");
}

pub(crate) const fn check_flatten(flatten: &FlattenGeometry) {
    check_map(flatten.input, true);
    assert!(flatten.batch > 0, "a flattening has no images");
}

pub(crate) const fn check_input(input: &InputGeometry) {
    check_map(input.output, input.output.channels >= BLOCK);
    assert!(input.batch > 0, "the input has no images");
}

pub(crate) const fn check_output(output: &OutputGeometry) {
    check_map(output.input, output.input.channels >= BLOCK);
    assert!(output.batch > 0, "the output has no images");
}

/// Follows every place that a loop nest reads, axis by axis: the sum of what each axis adds at least and at most must lie in the array.
pub(crate) const fn check_nest(nest: &NestGeometry) {
    let mut axis = 0;
    while axis < nest.output.len() + nest.reduced.len() {
        assert!(nest_extent(nest, axis) > 0, "an axis of a loop nest has no positions");
        axis += 1;
    }
    assert!(nest.b.is_some() || !matches!(nest.constant, Some(Operand::B)), "a loop nest lacks its second operand");
    check_access(nest, &nest.a);
    if let Some(b) = &nest.b {
        check_access(nest, b);
    }
}

const fn nest_extent(nest: &NestGeometry, axis: usize) -> usize {
    if axis < nest.output.len() { nest.output[axis] } else { nest.reduced[axis - nest.output.len()] }
}

const fn check_access(nest: &NestGeometry, access: &Access) {
    assert!(
        access.axes.len() == nest.output.len() + nest.reduced.len(),
        "an operand of a loop nest does not say how all axes move it"
    );
    let (mut least, mut most) = (access.start as isize, access.start as isize);
    let mut axis = 0;
    while axis < access.axes.len() {
        let extent = nest_extent(nest, axis);
        let (low, high) = match access.axes[axis] {
            Move::Even(step) => {
                let end = step * (extent as isize - 1);
                if end < 0 { (end, 0) } else { (0, end) }
            }
            Move::Listed(places) => {
                assert!(places.len() == extent, "a list of places is not as long as its axis");
                let (mut high, mut at) = (0, 0);
                while at < places.len() {
                    if places[at] as isize > high {
                        high = places[at] as isize;
                    }
                    at += 1;
                }
                (0, high)
            }
        };
        least += low;
        most += high;
        axis += 1;
    }
    assert!(least >= 0 && most < access.length as isize, "a loop nest reads beyond an array");
}
