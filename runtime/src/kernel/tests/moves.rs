//! The kernels that only move values: input, output, flatten, remap. Their results are exact.

use proptest::prelude::*;

use super::support::{Guarded, Memory, cases, frame, from_map, map, random, raw, run_everywhere, to_map};
use crate::geometry::{FlattenGeometry, Frame, InputGeometry, Map, OutputGeometry, RemapGeometry};
use crate::kernel::check::{check_flatten, check_input, check_output, check_remap};
use crate::kernel::{Flatten, Input, Output, Remap};
use crate::program::Layer;

macro_rules! cases {
    ($geometry_type:ty, $all:ident, $test:ident; $($name:ident: $geometry:expr;)*) => {
        $(
            enum $name {}
            impl Layer<$geometry_type> for $name {
                const GEOMETRY: $geometry_type = $geometry;
            }
        )*

        fn $all(seed: u64) {
            $($test::<$name>(seed);)*
        }
    };
}

cases! {
    InputGeometry, test_inputs, test_input;
    Planes: InputGeometry { batch: 2, output: raw(3, 5, 7, frame(3)), channels_last: false };
    Pixels: InputGeometry { batch: 2, output: raw(3, 5, 7, frame(1)), channels_last: true };
    BlockOfPlanes: InputGeometry { batch: 1, output: map(3, 5, 7, frame(1)), channels_last: false };
    BlocksOfPixels: InputGeometry { batch: 2, output: map(20, 5, 4, Frame { top: 0, left: 1, bottom: 2, right: 0 }), channels_last: true };
}

cases! {
    OutputGeometry, test_outputs, test_output;
    Vector: OutputGeometry { batch: 3, input: map(10, 1, 1, Frame::NONE) };
    Planar: OutputGeometry { batch: 2, input: map(20, 5, 7, frame(1)) };
}

cases! {
    FlattenGeometry, test_flattens, test_flatten;
    Small: FlattenGeometry { batch: 2, input: map(20, 3, 5, frame(1)) };
    Exact: FlattenGeometry { batch: 1, input: map(16, 2, 2, Frame::NONE) };
}

const OPTION_A: RemapGeometry = RemapGeometry {
    batch: 1,
    input: map(16, 8, 6, frame(1)),
    output: map(32, 4, 3, Frame::NONE),
    stride: [2, 2],
    channels_before: 8,
    top: 0,
    left: 0,
};

cases! {
    RemapGeometry, test_remaps, test_remap;
    SplitBlocks: OPTION_A;
    SplitBlocksOfBatch: RemapGeometry { batch: 2, output: map(32, 4, 3, frame(1)), ..OPTION_A };
    WholeBlocks: RemapGeometry { input: map(32, 8, 6, frame(1)), output: map(64, 4, 3, frame(2)), channels_before: 16, ..OPTION_A };
    ChannelsBehind: RemapGeometry { channels_before: 0, ..OPTION_A };
    Shifted: RemapGeometry {
        input: map(20, 5, 6, Frame::NONE), output: map(41, 9, 11, frame(1)), stride: [1, 1], channels_before: 17, top: 2, left: 3, ..OPTION_A
    };
    PadOnly: RemapGeometry { output: map(16, 12, 9, Frame::NONE), stride: [1, 1], channels_before: 0, top: 1, left: 1, ..OPTION_A };
}

fn count(map: Map, batch: usize) -> usize {
    batch * map.channels * map.height * map.width
}

fn test_input<L: Layer<InputGeometry>>(seed: u64) {
    let InputGeometry { batch, output: to, channels_last } = L::GEOMETRY;
    check_input(&L::GEOMETRY);
    let values = random(seed, count(to, batch));
    let mut given = values.clone();
    if channels_last {
        for (index, slot) in given.iter_mut().enumerate() {
            let (channel, rest) = (index % to.channels, index / to.channels);
            let (pixel, image) = (rest % (to.height * to.width), rest / (to.height * to.width));
            *slot = values[(image * to.channels + channel) * to.height * to.width + pixel];
        }
    }
    let memory = Memory { input: &given, other: None, weights: &[] };
    run_everywhere::<Input<L>>(&memory, &Guarded::unwritten(batch * to.len()), None, |kind, output| {
        assert_eq!(from_map(output, to, batch), values, "{kind}");
    });
}

fn test_output<L: Layer<OutputGeometry>>(seed: u64) {
    let OutputGeometry { batch, input: from } = L::GEOMETRY;
    check_output(&L::GEOMETRY);
    let values = random(seed, count(from, batch));
    let memory = Memory { input: &to_map(&values, from, batch), other: None, weights: &[] };
    run_everywhere::<Output<L>>(&memory, &Guarded::unwritten(values.len()), None, |kind, output| {
        assert_eq!(output, values, "{kind}");
    });
}

fn test_flatten<L: Layer<FlattenGeometry>>(seed: u64) {
    let FlattenGeometry { batch, input: from } = L::GEOMETRY;
    check_flatten(&L::GEOMETRY);
    let values = random(seed, count(from, batch));
    let to = map(values.len() / batch, 1, 1, Frame::NONE);
    let memory = Memory { input: &to_map(&values, from, batch), other: None, weights: &[] };
    run_everywhere::<Flatten<L>>(&memory, &Guarded::unwritten(batch * to.len()), None, |kind, output| {
        assert_eq!(from_map(output, to, batch), values, "{kind}");
    });
}

fn test_remap<L: Layer<RemapGeometry>>(seed: u64) {
    let geometry = L::GEOMETRY;
    check_remap(&geometry);
    let RemapGeometry { batch, input: from, output: to, .. } = geometry;
    let values = random(seed, count(from, batch));
    let expected: Vec<f32> = (0..count(to, batch))
        .map(|index| {
            let (x, y) = (index % to.width, index / to.width % to.height);
            let (channel, image) =
                (index / (to.width * to.height) % to.channels, index / (to.width * to.height * to.channels));
            let channel = channel.checked_sub(geometry.channels_before).filter(|channel| *channel < from.channels);
            let y = (y * geometry.stride[0]).checked_sub(geometry.top).filter(|y| *y < from.height);
            let x = (x * geometry.stride[1]).checked_sub(geometry.left).filter(|x| *x < from.width);
            match (channel, y, x) {
                (Some(channel), Some(y), Some(x)) => {
                    values[((image * from.channels + channel) * from.height + y) * from.width + x]
                }
                _ => 0.0,
            }
        })
        .collect();
    let memory = Memory { input: &to_map(&values, from, batch), other: None, weights: &[] };
    run_everywhere::<Remap<L>>(&memory, &Guarded::unwritten(batch * to.len()), None, |kind, output| {
        assert_eq!(from_map(output, to, batch), expected, "{kind}: {geometry:?}");
    });
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn values_arrive_where_they_belong(seed in 0..1_u64 << 48) {
        test_inputs(seed);
        test_outputs(seed);
        test_flattens(seed);
        test_remaps(seed);
    }
}
