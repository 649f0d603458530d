use proptest::prelude::*;

use super::support::{Guarded, Memory, assert_close, cases, random, run_everywhere};
use crate::geometry::{Access, Move, NestGeometry, Operand};
use crate::kernel::Nest;
use crate::kernel::check::check_nest;
use crate::program::Layer;
use crate::scalar::{Combine, Fold, Function, FunctionKind};

const fn access(length: usize, start: usize, axes: &'static [Move]) -> Access {
    Access { length, start, axes, fill: 0.0 }
}

/// `[3, 4, 5]` with its last axis first and the middle one backwards.
enum Moved {}
impl Layer<NestGeometry> for Moved {
    const GEOMETRY: NestGeometry = NestGeometry {
        output: &[5, 3, 4],
        reduced: &[],
        a: access(60, 15, &[Move::Even(1), Move::Even(20), Move::Even(-5)]),
        b: None,
        constant: None,
        combine: Combine::Add,
        fold: Fold::Sum,
        finish: Function::of(FunctionKind::Affine, -2.0, 0.5),
    };
}

/// Rows of `[3, 4]` with places left out, times a row of constants.
enum Listed {}
impl Layer<NestGeometry> for Listed {
    const GEOMETRY: NestGeometry = NestGeometry {
        output: &[5, 4],
        reduced: &[],
        a: access(4, 0, &[Move::Even(0), Move::Even(1)]),
        b: Some(Access { length: 12, start: 0, axes: &[Move::Listed(&[-1, 8, 0, -1, 4]), Move::Even(1)], fill: 0.25 }),
        constant: Some(Operand::A),
        combine: Combine::Multiply,
        fold: Fold::Sum,
        finish: Function::IDENTITY,
    };
}

/// `[4, 6]` times `[6, 5]`.
enum Product {}
impl Layer<NestGeometry> for Product {
    const GEOMETRY: NestGeometry = NestGeometry {
        output: &[4, 5],
        reduced: &[6],
        a: access(24, 0, &[Move::Even(6), Move::Even(0), Move::Even(1)]),
        b: Some(access(30, 0, &[Move::Even(0), Move::Even(1), Move::Even(5)])),
        constant: None,
        combine: Combine::Multiply,
        fold: Fold::Sum,
        finish: Function::IDENTITY,
    };
}

/// Where the largest of each two by three stands.
enum Place {}
impl Layer<NestGeometry> for Place {
    const GEOMETRY: NestGeometry = NestGeometry {
        output: &[4],
        reduced: &[2, 3],
        a: access(24, 0, &[Move::Even(6), Move::Even(3), Move::Even(1)]),
        b: None,
        constant: None,
        combine: Combine::Add,
        fold: Fold::FirstMaximum,
        finish: Function::IDENTITY,
    };
}

/// The sum of all, as a number without axes.
enum Scalar {}
impl Layer<NestGeometry> for Scalar {
    const GEOMETRY: NestGeometry = NestGeometry {
        output: &[],
        reduced: &[24],
        a: access(24, 0, &[Move::Even(1)]),
        b: None,
        constant: None,
        combine: Combine::Add,
        fold: Fold::Sum,
        finish: Function::IDENTITY,
    };
}

fn test<L: Layer<NestGeometry>>(a: &[f32], b: &[f32], expected: impl IntoIterator<Item = f64>) {
    check_nest(&L::GEOMETRY);
    let expected: Vec<(f64, f64)> = expected.into_iter().map(|value| (value, value.abs() + 8.0)).collect();
    assert_eq!(expected.len(), L::GEOMETRY.output.iter().product::<usize>());
    let (input, other, weights) = match L::GEOMETRY.constant {
        Some(Operand::A) => (b, None, a),
        Some(Operand::B) => (a, None, b),
        None => (a, L::GEOMETRY.b.map(|_| b), &[] as &[f32]),
    };
    let memory = Memory { input, other, weights, scratch: |_| 0 };
    run_everywhere::<Nest<L>>(&memory, &Guarded::unwritten(expected.len()), None, |kind, output| {
        assert_close(kind, output, &expected, 1e-7);
    });
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn is_right_on_every_instruction_set(seed in 0..1_u64 << 48) {
        let (x, y) = (random(seed, 60), random(seed + 1, 30));
        let at = |values: &[f32], index: usize| f64::from(values[index]);
        let moved = (0..60).map(|i| at(&x, i / 12 + i / 4 % 3 * 20 + (3 - i % 4) * 5) * -2.0 + 0.5);
        test::<Moved>(&x, &[], moved);
        let rows = [None, Some(2), Some(0), None, Some(1)];
        let listed = (0..20).map(|i| at(&x, i % 4) * rows[i / 4].map_or(0.25, |row| at(&y, row * 4 + i % 4)));
        test::<Listed>(&x[..4], &y[..12], listed);
        let product = (0..20).map(|i| (0..6).map(|k| at(&x, i / 5 * 6 + k) * at(&y, k * 5 + i % 5)).sum());
        test::<Product>(&x[..24], &y, product);
        let place = x[..24].chunks(6).map(|six| {
            let most = six.iter().copied().fold(f32::MIN, f32::max);
            six.iter().position(|value| *value == most).unwrap() as f64
        });
        test::<Place>(&x[..24], &[], place);
        test::<Scalar>(&x[..24], &[], [x[..24].iter().map(|value| f64::from(*value)).sum()]);
    }
}

/// What would read beside an array is refused while a program is compiled.
#[test]
fn places_outside_of_an_array_are_refused() {
    let beyond = |a: Access| {
        let geometry = NestGeometry { a, ..Moved::GEOMETRY };
        std::panic::catch_unwind(|| check_nest(&geometry)).is_err()
    };
    assert!(!beyond(Moved::GEOMETRY.a));
    assert!(beyond(access(59, 15, &[Move::Even(1), Move::Even(20), Move::Even(-5)])));
    assert!(beyond(access(60, 14, &[Move::Even(1), Move::Even(20), Move::Even(-5)])));
    assert!(beyond(access(60, 15, &[Move::Even(1), Move::Even(20)])));
    assert!(beyond(access(60, 0, &[Move::Even(0), Move::Even(0), Move::Listed(&[0, 1, 60, 2])])));
    assert!(beyond(access(60, 0, &[Move::Even(0), Move::Even(0), Move::Listed(&[0, 1, 2])])));
}
