use proptest::prelude::*;

use super::support::{Guarded, Memory, assert_close, cases, from_map, map, random, run_everywhere, to_map};
use crate::geometry::{Frame, SoftmaxGeometry};
use crate::kernel::Softmax;
use crate::kernel::check::check_softmax;
use crate::program::Layer;

enum Few {}
impl Layer<SoftmaxGeometry> for Few {
    const GEOMETRY: SoftmaxGeometry = SoftmaxGeometry { batch: 3, features: 10 };
}

enum Many {}
impl Layer<SoftmaxGeometry> for Many {
    const GEOMETRY: SoftmaxGeometry = SoftmaxGeometry { batch: 1, features: 1000 };
}

fn test<L: Layer<SoftmaxGeometry>>(seed: u64, spread: f32) {
    let SoftmaxGeometry { batch, features } = L::GEOMETRY;
    check_softmax(&L::GEOMETRY);
    let input: Vec<f32> = random(seed, batch * features).into_iter().map(|value| value * spread).collect();
    let mut expected = Vec::new();
    for values in input.chunks_exact(features) {
        let largest = values.iter().fold(f64::NEG_INFINITY, |largest, value| largest.max(f64::from(*value)));
        let powers: Vec<f64> = values.iter().map(|value| (f64::from(*value) - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        expected.extend(powers.iter().map(|power| (power / sum, power / sum + 1e-30)));
    }
    let vector = map(features, 1, 1, Frame::NONE);
    let laid = to_map(&input, vector, batch);
    let memory = Memory { input: &laid, other: None, weights: &[], scratch: |_| 0 };
    for (before, in_place) in [(Guarded::unwritten(laid.len()), None), (Guarded::new(&laid), Some(false))] {
        run_everywhere::<Softmax<L>>(&memory, &before, in_place, |kind, output| {
            assert_close(kind, &from_map(output, vector, batch), &expected, 1e-5);
        });
    }
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn is_right_on_every_instruction_set(seed in 0..1_u64 << 48, spread in 0.0_f32..60.0) {
        test::<Few>(seed, spread);
        test::<Many>(seed, spread);
    }
}
