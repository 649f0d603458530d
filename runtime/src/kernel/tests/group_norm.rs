use proptest::prelude::*;

use super::support::{
    Guarded, Memory, activated, assert_close, cases, frame, from_map, map, random, run_everywhere, to_map,
};
use crate::geometry::{Activation, Frame, GroupNormGeometry};
use crate::kernel::GroupNorm;
use crate::kernel::check::check_group_norm;
use crate::program::Layer;

trait Case: Layer<GroupNormGeometry> {
    const IN_PLACE: Option<bool>;
}

/// So many channels in so many groups, written into a frame.
const fn groups(channels: usize, groups: usize) -> GroupNormGeometry {
    GroupNormGeometry {
        batch: 2,
        input: map(channels, 5, 7, Frame::NONE),
        output: map(channels, 5, 7, frame(1)),
        groups,
        epsilon: 1e-5,
        activation: Activation::None,
    }
}

const fn in_place(geometry: GroupNormGeometry) -> GroupNormGeometry {
    GroupNormGeometry { input: geometry.output, ..geometry }
}

macro_rules! cases {
    ($($name:ident, $in_place:expr, $geometry:expr;)*) => {
        $(
            enum $name {}
            impl Layer<GroupNormGeometry> for $name {
                const GEOMETRY: GroupNormGeometry = $geometry;
            }
            impl Case for $name {
                const IN_PLACE: Option<bool> = $in_place;
            }
        )*

        fn test_all(seed: u64) {
            $(test::<$name>(seed);)*
        }
    };
}

cases! {
    Pairs, None, GroupNormGeometry { batch: 1, activation: Activation::Relu, ..groups(64, 32) };
    Blocks, Some(false), in_place(groups(48, 3));
    SeveralBlocks, None, GroupNormGeometry { input: map(128, 5, 7, frame(2)), epsilon: 0.5, ..groups(128, 2) };
    Halves, Some(false), in_place(GroupNormGeometry { batch: 1, activation: Activation::Silu, ..groups(40, 5) });
    AcrossBlocks, None, groups(96, 4);
    AcrossBlocksInPlace, Some(false), in_place(GroupNormGeometry { batch: 3, activation: Activation::Relu, ..groups(96, 4) });
    LastRunShorter, None, groups(72, 3);
    OddAcrossBlocks, None, GroupNormGeometry { activation: Activation::Sigmoid, ..groups(20, 4) };
    MoreThanOneOddRun, None, GroupNormGeometry { batch: 1, ..groups(90, 18) };
    One, Some(false), in_place(GroupNormGeometry { activation: Activation::Sigmoid, ..groups(40, 1) });
    Each, None, GroupNormGeometry { activation: Activation::HardSigmoid, ..groups(17, 17) };
    Pixel, None, GroupNormGeometry { input: map(24, 1, 1, frame(1)), output: map(24, 1, 1, Frame::NONE), ..groups(24, 3) };
    EachPixel, None, GroupNormGeometry { input: map(3, 1, 1, frame(1)), output: map(3, 1, 1, Frame::NONE), ..groups(3, 3) };
}

fn test<C: Case>(seed: u64) {
    let geometry = C::GEOMETRY;
    check_group_norm(&geometry);
    let GroupNormGeometry { batch, input: from, output: to, .. } = geometry;
    let (channels, pixels) = (to.channels, to.height * to.width);
    // The means of the channels lie apart from each other and from zero.
    let input: Vec<f32> = random(seed, batch * channels * pixels)
        .into_iter()
        .enumerate()
        .map(|(index, value)| value + (index / pixels % 5) as f32)
        .collect();
    let (scale, shift) = (random(seed + 1, channels), random(seed + 2, channels));
    let length = channels / geometry.groups * pixels;
    let mut expected = Vec::new();
    for group in input.chunks(length) {
        let mean = group.iter().map(|x| f64::from(*x)).sum::<f64>() / length as f64;
        let variance = group.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / length as f64;
        let deviation = (variance + f64::from(geometry.epsilon)).sqrt();
        for x in group {
            let channel = expected.len() / pixels % channels;
            let (scale, shift) = (f64::from(scale[channel]), f64::from(shift[channel]));
            let value = scale * (f64::from(*x) - mean) / deviation + shift;
            let size = 3.0 + (scale * (f64::from(x.abs()) + mean.abs()) / deviation).abs();
            expected.push((activated(geometry.activation, value), size));
        }
    }
    let mut weights = Vec::new();
    for vector in [scale, shift] {
        weights.extend(vector);
        weights.resize(weights.len().next_multiple_of(16), 0.0);
    }
    let laid = to_map(&input, from, batch);
    let before = match C::IN_PLACE {
        Some(_) => Guarded::new(&laid),
        None => Guarded::unwritten(batch * to.len()),
    };
    let memory = Memory { input: &laid, other: None, weights: &weights, scratch: |_| 0 };
    run_everywhere::<GroupNorm<C>>(&memory, &before, C::IN_PLACE, |kind, output| {
        assert_close(kind, &from_map(output, to, batch), &expected, 1e-6);
    });
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn is_right_on_every_instruction_set(seed in 0..1_u64 << 48) {
        test_all(seed);
    }
}
