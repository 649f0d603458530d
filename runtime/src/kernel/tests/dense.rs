use proptest::prelude::*;

use super::support::{Guarded, Memory, activated, assert_close, cases, from_map, map, random, run_everywhere, to_map};
use crate::geometry::{Activation, DenseGeometry, Frame};
use crate::kernel::check::check_dense;
use crate::kernel::{Dense, vector_length};
use crate::program::Layer;

const PLAIN: DenseGeometry =
    DenseGeometry { batch: 1, features: 100, units: 64, panel: 32, activation: Activation::None };

macro_rules! cases {
    ($($name:ident: $geometry:expr;)*) => {
        $(
            enum $name {}
            impl Layer<DenseGeometry> for $name {
                const GEOMETRY: DenseGeometry = $geometry;
            }
        )*

        fn test_all(seed: u64) {
            $(test::<$name>(seed);)*
        }
    };
}

cases! {
    One: PLAIN;
    OneOfFew: DenseGeometry { features: 3, units: 10, panel: 16, activation: Activation::Relu, ..PLAIN };
    IdleLanes: DenseGeometry { units: 10, panel: 16, batch: 2, activation: Activation::Sigmoid, ..PLAIN };
    Silu: DenseGeometry { units: 24, activation: Activation::Silu, ..PLAIN };
    Ragged: DenseGeometry { features: 65, units: 41, panel: 16, ..PLAIN };
    Three: DenseGeometry { batch: 3, ..PLAIN };
    Four: DenseGeometry { batch: 4, features: 33, activation: Activation::Relu, ..PLAIN };
    Eleven: DenseGeometry { batch: 11, units: 90, ..PLAIN };
}

fn test<L: Layer<DenseGeometry>>(seed: u64) {
    let geometry = L::GEOMETRY;
    check_dense(&geometry);
    let DenseGeometry { batch, features, units, panel, .. } = geometry;
    let input = random(seed, batch * features);
    let kernel = random(seed + 1, units * features);
    let bias = random(seed + 2, units);
    let mut expected = Vec::new();
    for values in input.chunks_exact(features) {
        for (row, bias) in kernel.chunks_exact(features).zip(&bias) {
            let terms = row.iter().zip(values).map(|(a, b)| f64::from(*a) * f64::from(*b)).chain([f64::from(*bias)]);
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| (sum + term, size + term.abs()));
            expected.push((activated(geometry.activation, sum), size));
        }
    }
    let mut packed = Vec::new();
    for first in (0..vector_length(units)).step_by(panel) {
        packed.extend((first..first + panel).map(|unit| bias.get(unit).copied().unwrap_or(geometry.activation.idle())));
        for feature in 0..features {
            packed.extend(
                (first..first + panel).map(|unit| kernel.get(unit * features + feature).copied().unwrap_or(0.0)),
            );
        }
    }
    let (from, to) = (map(features, 1, 1, Frame::NONE), map(units, 1, 1, Frame::NONE));
    let memory = Memory { input: &to_map(&input, from, batch), other: None, weights: &packed, scratch: |_| 0 };
    run_everywhere::<Dense<L>>(&memory, &Guarded::unwritten(batch * to.len()), None, |kind, output| {
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
