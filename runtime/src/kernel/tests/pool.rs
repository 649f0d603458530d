use proptest::prelude::*;

use super::support::{
    Guarded, Memory, assert_close, cases, frame, from_map, map, part, random, run_everywhere, to_map,
};
use crate::geometry::{Frame, GlobalPoolGeometry, PoolGeometry, Reduction};
use crate::kernel::check::{check_global_pool, check_pool};
use crate::kernel::{GlobalPool, Pool};
use crate::program::Layer;

const PLAIN: PoolGeometry = PoolGeometry {
    batch: 1,
    input: map(64, 12, 16, Frame::NONE),
    output: map(64, 6, 8, frame(1)),
    kernel: [3, 3],
    stride: [2, 2],
    padding: [1, 1, 1, 1],
    reduction: Reduction::Max,
};

macro_rules! cases {
    ($($name:ident: $geometry:expr;)*) => {
        $(
            enum $name {}
            impl Layer<PoolGeometry> for $name {
                const GEOMETRY: PoolGeometry = $geometry;
            }
        )*

        fn test_all(seed: u64) {
            $(test::<$name>(seed);)*
        }
    };
}

cases! {
    Max: PLAIN;
    OfParts: PoolGeometry { input: part(map(40, 12, 16, frame(1))), output: part(map(40, 6, 8, frame(1))), batch: 2, ..PLAIN };
    Mean: PoolGeometry { reduction: Reduction::Mean, batch: 2, ..PLAIN };
    MeanWithPadding: PoolGeometry { reduction: Reduction::MeanWithPadding, ..PLAIN };
    FramedInput: PoolGeometry { input: map(40, 11, 9, frame(2)), output: map(40, 6, 5, Frame::NONE), batch: 2, ..PLAIN };
    TwoByTwo: PoolGeometry { kernel: [2, 2], padding: [0; 4], reduction: Reduction::Mean, ..PLAIN };
    // The last windows hang over the padded map, as rounding up makes them.
    RoundedUp: PoolGeometry {
        input: map(17, 8, 9, frame(1)), output: map(17, 4, 5, frame(1)), padding: [0, 0, 0, 0], reduction: Reduction::MeanWithPadding, ..PLAIN
    };
    RoundedUpMean: PoolGeometry {
        input: map(17, 8, 9, frame(1)), output: map(17, 4, 5, frame(1)), padding: [0, 0, 1, 0], reduction: Reduction::Mean, ..PLAIN
    };
    Subsampling: PoolGeometry { kernel: [1, 1], padding: [0; 4], ..PLAIN };
    OneSided: PoolGeometry {
        input: map(16, 7, 5, Frame::NONE), output: map(16, 7, 5, Frame::NONE), kernel: [2, 3], stride: [1, 1], padding: [0, 2, 1, 0],
        reduction: Reduction::MeanWithPadding, ..PLAIN
    };
}

fn reference(geometry: &PoolGeometry, input: &[f32]) -> Vec<(f64, f64)> {
    let PoolGeometry { input: from, output: to, padding: [top, left, bottom, right], .. } = *geometry;
    let mut expected = Vec::new();
    for index in 0..geometry.batch * to.channels * to.height * to.width {
        let (x, y, plane) = (index % to.width, index / to.width % to.height, index / (to.width * to.height));
        let (mut values, mut padded) = (Vec::new(), 0);
        for window_y in (0..geometry.kernel[0]).map(|ky| y * geometry.stride[0] + ky) {
            for window_x in (0..geometry.kernel[1]).map(|kx| x * geometry.stride[1] + kx) {
                if window_y < top + from.height + bottom && window_x < left + from.width + right {
                    padded += 1;
                }
                let inside =
                    (top..top + from.height).contains(&window_y) && (left..left + from.width).contains(&window_x);
                if inside {
                    let at = (plane * from.height + window_y - top) * from.width + window_x - left;
                    values.push(f64::from(input[at]));
                }
            }
        }
        let sum: f64 = values.iter().sum();
        expected.push(match geometry.reduction {
            Reduction::Max => (values.into_iter().fold(f64::NEG_INFINITY, f64::max), 0.0),
            Reduction::Mean => (sum / values.len() as f64, 1.0),
            Reduction::MeanWithPadding => (sum / f64::from(padded), 1.0),
        });
    }
    expected
}

fn test<L: Layer<PoolGeometry>>(seed: u64) {
    let geometry = L::GEOMETRY;
    check_pool(&geometry);
    let PoolGeometry { batch, input: from, output: to, .. } = geometry;
    let input = random(seed, batch * from.channels * from.height * from.width);
    let expected = reference(&geometry, &input);
    let memory = Memory { input: &to_map(&input, from, batch), other: None, weights: &[], scratch: |_| 0 };
    run_everywhere::<Pool<L>>(&memory, &Guarded::unwritten(batch * to.len()), None, |kind, output| {
        assert_close(kind, &from_map(output, to, batch), &expected, 1e-6);
    });
}

macro_rules! global_cases {
    ($($name:ident: $geometry:expr;)*) => {
        $(
            enum $name {}
            impl Layer<GlobalPoolGeometry> for $name {
                const GEOMETRY: GlobalPoolGeometry = $geometry;
            }
        )*

        fn test_all_global(seed: u64) {
            $(test_global::<$name>(seed);)*
        }
    };
}

global_cases! {
    SevenBySeven: GlobalPoolGeometry { batch: 1, input: map(96, 7, 7, Frame::NONE), output: map(96, 1, 1, Frame::NONE), reduction: Reduction::Mean };
    Framed: GlobalPoolGeometry { batch: 3, input: map(20, 3, 5, frame(1)), output: map(20, 1, 1, frame(2)), reduction: Reduction::Mean };
    GlobalOfParts: GlobalPoolGeometry {
        batch: 2, input: part(map(20, 3, 5, frame(1))), output: part(map(20, 1, 1, Frame::NONE)), reduction: Reduction::Mean
    };
    OnePixel: GlobalPoolGeometry { batch: 2, input: map(16, 1, 1, Frame::NONE), output: map(16, 1, 1, Frame::NONE), reduction: Reduction::Mean };
    Most: GlobalPoolGeometry { batch: 3, input: map(20, 3, 5, frame(1)), output: map(20, 1, 1, Frame::NONE), reduction: Reduction::Max };
}

fn test_global<L: Layer<GlobalPoolGeometry>>(seed: u64) {
    let GlobalPoolGeometry { batch, input: from, output: to, reduction } = L::GEOMETRY;
    check_global_pool(&L::GEOMETRY);
    let pixels = from.height * from.width;
    let input = random(seed, batch * from.channels * pixels);
    let expected: Vec<(f64, f64)> = input
        .chunks_exact(pixels)
        .map(|channel| match reduction {
            Reduction::Max => (f64::from(channel.iter().copied().fold(f32::NEG_INFINITY, f32::max)), 0.0),
            _ => (channel.iter().map(|value| f64::from(*value)).sum::<f64>() / pixels as f64, 1.0),
        })
        .collect();
    let memory = Memory { input: &to_map(&input, from, batch), other: None, weights: &[], scratch: |_| 0 };
    run_everywhere::<GlobalPool<L>>(&memory, &Guarded::unwritten(batch * to.len()), None, |kind, output| {
        assert_close(kind, &from_map(output, to, batch), &expected, 1e-6);
    });
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn is_right_on_every_instruction_set(seed in 0..1_u64 << 48) {
        test_all(seed);
    }

    #[test]
    fn global_is_right_on_every_instruction_set(seed in 0..1_u64 << 48) {
        test_all_global(seed);
    }
}
