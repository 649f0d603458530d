//! The kernels that only move values: input, output, flatten, remap, copies of channels. Their results are exact.

use proptest::prelude::*;

use super::support::{Guarded, Memory, cases, frame, from_map, map, part, random, raw, run_everywhere, to_map};
use crate::geometry::{
    BLOCK, ChannelsGeometry, FlattenGeometry, Frame, InputGeometry, Map, OutputGeometry, RemapGeometry,
};
use crate::kernel::check::{check_channels, check_flatten, check_input, check_output, check_remap};
use crate::kernel::{Channels, Flatten, Input, Output, Remap};
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
    OutputOfPart: OutputGeometry { batch: 2, input: part(map(20, 5, 7, frame(1))) };
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
    RemapOfParts: RemapGeometry { batch: 2, input: part(map(16, 8, 6, frame(1))), output: part(map(32, 4, 3, frame(1))), ..OPTION_A };
    SplitBlocksOfBatch: RemapGeometry { batch: 2, output: map(32, 4, 3, frame(1)), ..OPTION_A };
    WholeBlocks: RemapGeometry { input: map(32, 8, 6, frame(1)), output: map(64, 4, 3, frame(2)), channels_before: 16, ..OPTION_A };
    ChannelsBehind: RemapGeometry { channels_before: 0, ..OPTION_A };
    Shifted: RemapGeometry {
        input: map(20, 5, 6, Frame::NONE), output: map(41, 9, 11, frame(1)), stride: [1, 1], channels_before: 17, top: 2, left: 3, ..OPTION_A
    };
    PadOnly: RemapGeometry { output: map(16, 12, 9, Frame::NONE), stride: [1, 1], channels_before: 0, top: 1, left: 1, ..OPTION_A };
}

const SLICE: ChannelsGeometry = ChannelsGeometry {
    batch: 1,
    input: map(54, 3, 5, Frame::NONE),
    output: map(32, 3, 5, frame(1)),
    from: 16,
    to: 0,
    count: 32,
};

cases! {
    ChannelsGeometry, test_all_channels, test_channels;
    Slice: SLICE;
    SliceOfPart: ChannelsGeometry { batch: 3, input: part(map(54, 3, 5, frame(2))), output: map(29, 3, 5, frame(1)), from: 5, count: 29, ..SLICE };
    SliceOfBatch: ChannelsGeometry { batch: 3, input: map(54, 3, 5, frame(2)), output: map(29, 3, 5, frame(1)), from: 5, count: 29, ..SLICE };
    SliceOfLast: ChannelsGeometry { output: map(5, 3, 5, Frame::NONE), from: 49, count: 5, ..SLICE };
    FirstOfConcat: ChannelsGeometry { batch: 2, input: map(5, 3, 5, frame(1)), output: map(54, 3, 5, frame(1)), from: 0, count: 5, ..SLICE };
    SecondOfConcat: ChannelsGeometry { batch: 2, input: map(17, 3, 5, Frame::NONE), output: map(54, 3, 5, frame(1)), from: 0, to: 5, count: 17 };
    ThirdOfConcat: ChannelsGeometry { input: map(32, 3, 5, Frame::NONE), output: map(54, 3, 5, frame(1)), from: 0, to: 22, count: 32, ..SLICE };
    WithinABlock: ChannelsGeometry { input: map(4, 3, 5, Frame::NONE), output: map(40, 3, 5, Frame::NONE), from: 1, to: 19, count: 3, ..SLICE };
    WholeBlocksOfConcat: ChannelsGeometry { input: map(32, 3, 5, frame(1)), output: map(64, 3, 5, Frame::NONE), from: 0, to: 16, count: 32, ..SLICE };
    OfVectors: ChannelsGeometry { batch: 2, input: map(21, 1, 1, Frame::NONE), output: map(40, 1, 1, Frame::NONE), from: 0, to: 19, count: 21 };
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
    let memory = Memory { input: &given, other: None, weights: &[], scratch: |_| 0 };
    run_everywhere::<Input<L>>(&memory, &Guarded::unwritten(batch * to.len()), None, |kind, output| {
        assert_eq!(from_map(output, to, batch), values, "{kind}");
    });
}

fn test_output<L: Layer<OutputGeometry>>(seed: u64) {
    let OutputGeometry { batch, input: from } = L::GEOMETRY;
    check_output(&L::GEOMETRY);
    let values = random(seed, count(from, batch));
    let memory = Memory { input: &to_map(&values, from, batch), other: None, weights: &[], scratch: |_| 0 };
    run_everywhere::<Output<L>>(&memory, &Guarded::unwritten(values.len()), None, |kind, output| {
        assert_eq!(output, values, "{kind}");
    });
}

fn test_flatten<L: Layer<FlattenGeometry>>(seed: u64) {
    let FlattenGeometry { batch, input: from } = L::GEOMETRY;
    check_flatten(&L::GEOMETRY);
    let values = random(seed, count(from, batch));
    let to = map(values.len() / batch, 1, 1, Frame::NONE);
    let memory = Memory { input: &to_map(&values, from, batch), other: None, weights: &[], scratch: |_| 0 };
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
    let memory = Memory { input: &to_map(&values, from, batch), other: None, weights: &[], scratch: |_| 0 };
    run_everywhere::<Remap<L>>(&memory, &Guarded::unwritten(batch * to.len()), None, |kind, output| {
        assert_eq!(from_map(output, to, batch), expected, "{kind}: {geometry:?}");
    });
}

/// What was there before stays, but for the channels copied and what is behind them in the last block.
fn test_channels<L: Layer<ChannelsGeometry>>(seed: u64) {
    let geometry = L::GEOMETRY;
    check_channels(&geometry);
    let ChannelsGeometry { batch, input: from, output: to, .. } = geometry;
    let values = random(seed, count(from, batch));
    let before = random(seed + 1, count(to, batch));
    let pixels = to.height * to.width;
    let expected: Vec<f32> = (0..count(to, batch))
        .map(|index| {
            let (channel, image) = (index / pixels % to.channels, index / pixels / to.channels);
            let end = geometry.to + geometry.count;
            match channel {
                _ if channel < geometry.to || channel >= end.next_multiple_of(BLOCK) => before[index],
                _ if channel >= end => 0.0,
                _ => values[(image * from.channels + channel - geometry.to + geometry.from) * pixels + index % pixels],
            }
        })
        .collect();
    let memory = Memory { input: &to_map(&values, from, batch), other: None, weights: &[], scratch: |_| 0 };
    let laid = match (geometry.to, end_of_block(&geometry) >= to.channels) {
        (0, true) => Guarded::unwritten(batch * to.len()),
        _ => Guarded::new(&to_map(&before, to, batch)),
    };
    run_everywhere::<Channels<L>>(&memory, &laid, None, |kind, output| {
        assert_eq!(from_map(output, to, batch), expected, "{kind}: {geometry:?}");
    });
}

fn end_of_block(copy: &ChannelsGeometry) -> usize {
    (copy.to + copy.count).next_multiple_of(BLOCK)
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn values_arrive_where_they_belong(seed in 0..1_u64 << 48) {
        test_inputs(seed);
        test_outputs(seed);
        test_flattens(seed);
        test_remaps(seed);
        test_all_channels(seed);
    }
}
