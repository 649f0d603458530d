//! Floating-point numbers of 8 bits against ml_dtypes: `reference/float8.txt`, which `reference/make_float8.py` writes.

use resnetc::ir::scalar::{Float8, Function, FunctionKind};

const REFERENCE: &str = include_str!("reference/float8.txt");

/// The formats with the functions that round to them, in the order of the reference.
const FORMATS: [(Float8, FunctionKind); 4] = [
    (Float8::E4M3FN, FunctionKind::Float8E4M3Fn),
    (Float8::E4M3FNUZ, FunctionKind::Float8E4M3FnUz),
    (Float8::E5M2, FunctionKind::Float8E5M2),
    (Float8::E5M2FNUZ, FunctionKind::Float8E5M2FnUz),
];

fn same(a: f64, b: f64) -> bool {
    a.is_nan() && b.is_nan() || a.to_bits() == b.to_bits()
}

/// Each function with the values of its format's codes, and the codes of numbers about the places where rounding turns.
fn formats() -> Vec<(Float8, Function, Vec<f64>, Vec<u8>)> {
    let lines: Vec<&str> = REFERENCE.lines().collect();
    let formats = lines.chunks(3).zip(FORMATS).map(|(lines, (format, kind))| {
        assert_eq!(lines[0], kind.name());
        let hex = |text: &str| u32::from_str_radix(text, 16).unwrap();
        let pieces = |text: &str, width: usize| -> Vec<u32> {
            (0..text.len() / width).map(|index| hex(&text[index * width..][..width])).collect()
        };
        let values = pieces(lines[1], 8).into_iter().map(|bits| f64::from(f32::from_bits(bits))).collect();
        let codes = pieces(lines[2], 2).into_iter().map(|code| code as u8).collect();
        (format, Function::plain(kind), values, codes)
    });
    formats.collect()
}

#[test]
fn codes_mean_what_they_say_and_stay() {
    for (format, function, values, _) in formats() {
        assert_eq!(values.len(), 256);
        for (code, value) in (0..=255_u8).zip(values) {
            assert!(same(format.decode(code), value), "{function:?}: {code:#x} is {}", format.decode(code));
            assert!(same(function.apply(value), value), "{function:?}: {value} becomes {}", function.apply(value));
        }
    }
}

#[test]
fn numbers_become_the_nearest_of_two_the_even_one() {
    for (format, function, values, codes) in formats() {
        let finite: Vec<f64> = values[..128].iter().copied().filter(|value| value.is_finite()).collect();
        let most = finite[finite.len() - 1];
        let beyond = 2.0 * most - finite[finite.len() - 2];
        let middles = finite.iter().zip(finite[1..].iter().chain([&beyond])).map(|(one, next)| (one + next) / 2.0);
        let around = |middle: f64| {
            let middle = middle as f32;
            [middle.next_down(), middle, middle.next_up()].map(f64::from)
        };
        let points: Vec<f64> = middles.flat_map(around).chain([f64::INFINITY]).collect();
        assert_eq!(points.len(), codes.len());
        let saturating = Function { alpha: 1.0, ..function };
        for (point, code) in points.into_iter().zip(codes) {
            let expected = format.decode(code);
            let negative = if expected == 0.0 && format.decode(0x80).is_nan() { 0.0 } else { -expected };
            assert!(same(function.apply(point), expected), "{function:?}: {point} becomes {}", function.apply(point));
            assert!(same(function.apply(-point), negative), "{function:?}: {}", function.apply(-point));
            // What is not finite saturates, and nothing else changes.
            let (expected, negative) = if expected.is_finite() { (expected, negative) } else { (most, -most) };
            assert!(same(saturating.apply(point), expected), "{saturating:?}: {point}");
            assert!(same(saturating.apply(-point), negative), "{saturating:?}: -{point}");
        }
        assert!(saturating.apply(f64::NAN).is_nan() && function.apply(f64::NAN).is_nan());
    }
}
