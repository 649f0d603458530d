use proptest::prelude::*;

use super::support::{
    Guarded, Memory, activated, assert_close, cases, frame, from_map, map, part, random, run_everywhere, to_map,
};
use crate::geometry::{Activation, ElementwiseGeometry, Frame, Join, Map};
use crate::kernel::Elementwise;
use crate::kernel::check::check_elementwise;
use crate::program::Layer;

trait Case: Layer<ElementwiseGeometry> {
    const IN_PLACE: Option<bool>;
}

const PLAIN: ElementwiseGeometry = ElementwiseGeometry {
    batch: 1,
    input: map(40, 5, 7, Frame::NONE),
    other: None,
    join: Join::Sum,
    output: map(40, 5, 7, frame(1)),
    affine: false,
    activation: Activation::Relu,
};

/// A product with one factor per channel.
const EXCITED: ElementwiseGeometry = ElementwiseGeometry {
    other: Some(map(40, 1, 1, Frame::NONE)),
    join: Join::Product,
    activation: Activation::None,
    ..PLAIN
};

const FRAMED: Map = map(40, 5, 7, frame(1));

macro_rules! cases {
    ($($name:ident, $in_place:expr, $geometry:expr;)*) => {
        $(
            enum $name {}
            impl Layer<ElementwiseGeometry> for $name {
                const GEOMETRY: ElementwiseGeometry = $geometry;
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
    Relu, None, PLAIN;
    AddOfParts, None, ElementwiseGeometry {
        input: part(PLAIN.input), other: Some(part(map(40, 5, 7, frame(2)))), output: part(PLAIN.output), batch: 2, ..PLAIN
    };
    ReluInPlace, Some(false), ElementwiseGeometry { input: FRAMED, batch: 2, ..PLAIN };
    Add, None, ElementwiseGeometry { other: Some(map(40, 5, 7, frame(2))), batch: 3, activation: Activation::None, ..PLAIN };
    AddInPlace, Some(false), ElementwiseGeometry { other: Some(PLAIN.input), input: FRAMED, ..PLAIN };
    AddInPlaceOfOther, Some(true), ElementwiseGeometry { other: Some(FRAMED), ..PLAIN };
    Affine, None, ElementwiseGeometry { affine: true, batch: 2, ..PLAIN };
    Product, None, ElementwiseGeometry { other: Some(map(40, 5, 7, frame(2))), join: Join::Product, batch: 2, ..PLAIN };
    ProductInPlaceOfOther, Some(true), ElementwiseGeometry { other: Some(FRAMED), join: Join::Product, ..PLAIN };
    Excited, None, ElementwiseGeometry { batch: 3, activation: Activation::HardSwish, ..EXCITED };
    ExcitedByFramed, Some(false), ElementwiseGeometry { input: FRAMED, other: Some(map(40, 1, 1, frame(1))), batch: 2, ..EXCITED };
    ExcitedVector, Some(true), ElementwiseGeometry { input: map(24, 1, 1, frame(1)), output: map(24, 1, 1, Frame::NONE), other: Some(map(24, 1, 1, Frame::NONE)), ..EXCITED };
    AffineProduct, None, ElementwiseGeometry { affine: true, ..EXCITED };
    Sigmoid, None, ElementwiseGeometry { activation: Activation::Sigmoid, batch: 2, ..PLAIN };
    SigmoidWhole, None, ElementwiseGeometry { input: map(32, 5, 7, Frame::NONE), output: map(32, 5, 7, frame(1)), activation: Activation::Sigmoid, ..PLAIN };
    HardSigmoidOfSum, Some(true), ElementwiseGeometry { other: Some(FRAMED), activation: Activation::HardSigmoid, ..PLAIN };
    AffineSigmoid, Some(false), ElementwiseGeometry { input: FRAMED, affine: true, activation: Activation::Sigmoid, batch: 2, ..PLAIN };
    Silu, None, ElementwiseGeometry { activation: Activation::Silu, ..PLAIN };
    Tanh, None, ElementwiseGeometry { activation: Activation::Tanh, ..PLAIN };
    AffineSumInPlace, Some(true), ElementwiseGeometry { affine: true, other: Some(FRAMED), activation: Activation::None, ..PLAIN };
}

fn test<C: Case>(seed: u64) {
    let geometry = C::GEOMETRY;
    check_elementwise(&geometry);
    let ElementwiseGeometry { batch, input: from, output: to, .. } = geometry;
    let (pixels, length) = (to.height * to.width, batch * to.channels * to.height * to.width);
    let input = random(seed, length);
    let other = geometry.other.map(|other| random(seed + 1, batch * other.channels * other.height * other.width));
    let (scale, shift) = (random(seed + 2, to.channels), random(seed + 3, to.channels));
    let expected: Vec<(f64, f64)> = (0..length)
        .map(|index| {
            let channel = index / pixels % to.channels;
            let mut value = f64::from(input[index]);
            if let Some(other) = &other {
                let second = f64::from(other[index * other.len() / length]);
                value = if geometry.join == Join::Sum { value + second } else { value * second };
            }
            if geometry.affine {
                value = value * f64::from(scale[channel]) + f64::from(shift[channel]);
            }
            (activated(geometry.activation, value), 3.0)
        })
        .collect();
    let mut weights = Vec::new();
    for vector in [scale, shift] {
        weights.extend(vector);
        weights.resize(weights.len().next_multiple_of(16), 0.0);
    }
    let laid_input = to_map(&input, from, batch);
    let laid_other = other.zip(geometry.other).map(|(values, map)| to_map(&values, map, batch));
    let before = match (C::IN_PLACE, &laid_other) {
        (Some(false), _) => Guarded::new(&laid_input),
        (Some(true), Some(other)) => Guarded::new(other),
        _ => Guarded::unwritten(batch * to.len()),
    };
    let memory = Memory { input: &laid_input, other: laid_other.as_deref(), weights: &weights, scratch: |_| 0 };
    run_everywhere::<Elementwise<C>>(&memory, &before, C::IN_PLACE, |kind, output| {
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
