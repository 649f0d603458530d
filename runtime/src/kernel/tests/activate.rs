//! Activations against f64, from the smallest to the largest values that there are.

use std::marker::PhantomData;

use super::support::{Guarded, Memory, activated, run_everywhere};
use crate::geometry::Activation;
use crate::isa::Isa;
use crate::kernel::activate::{activate, exp};
use crate::kernel::{Arguments, Kernel};

/// Values per run.
const COUNT: usize = 8192;

/// What a case applies to each value.
trait Function: 'static {
    const ACTIVATION: Option<Activation>;
}

struct Apply<F>(PhantomData<F>);

impl<F: Function> Kernel for Apply<F> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        for unit in arguments.share.of(COUNT / I::LANES) {
            // SAFETY: the test hands over so many values.
            unsafe {
                let value = I::load(arguments.input.add(unit * I::LANES));
                let value = match F::ACTIVATION {
                    Some(activation) => activate::<I>(activation, value),
                    None => exp::<I>(value),
                };
                I::store(arguments.output.add(unit * I::LANES), value);
            }
        }
    }
}

macro_rules! functions {
    ($($name:ident: $activation:expr;)*) => {
        $(
            enum $name {}
            impl Function for $name {
                const ACTIVATION: Option<Activation> = $activation;
            }
        )*
    };
}

functions! {
    Exp: None;
    Relu6: Some(Activation::Relu6);
    Sigmoid: Some(Activation::Sigmoid);
    HardSigmoid: Some(Activation::HardSigmoid);
    HardSwish: Some(Activation::HardSwish);
    Silu: Some(Activation::Silu);
    Tanh: Some(Activation::Tanh);
}

/// Every power of two of both signs with values between, a fine walk over where something happens, and what is not finite.
fn values() -> Vec<f32> {
    let mut values =
        vec![0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN, 1e-45, -1e-45, 1e30, -1e30];
    for exponent in 1..255_u32 {
        for fraction in [0, 0x2A_AAAA, 0x55_5555, 0x7F_FFFF] {
            let value = f32::from_bits(exponent << 23 | fraction);
            values.extend([value, -value]);
        }
    }
    let rest = COUNT - values.len();
    values.extend((0..rest).map(|i| (i as f32 / rest as f32 - 0.5) * 220.0));
    values
}

/// Compares each value: `relative` to the exact result, but for `floor`.
fn test<F: Function>(exact: impl Fn(f64) -> f64, relative: f64, floor: f64) {
    let input = values();
    let memory = Memory { input: &input, other: None, weights: &[], scratch: |_| 0 };
    run_everywhere::<Apply<F>>(&memory, &Guarded::unwritten(COUNT), None, |kind, output| {
        for (x, y) in input.iter().zip(output) {
            if x.is_nan() {
                assert!(y.is_nan(), "{kind}: {y} of what is not a number");
                continue;
            }
            let expected = exact(f64::from(*x));
            // What f32 cannot hold is infinite.
            let same = expected as f32 == *y;
            let near = (f64::from(*y) - expected).abs() <= relative * expected.abs() + floor;
            assert!(same || near, "{kind}: {y:e} of {x:e}, expected {expected:e}");
        }
    });
}

#[test]
fn powers_are_right_from_zero_to_infinity() {
    // Below the smallest normal number, neighbours are 1.4e-45 apart.
    test::<Exp>(f64::exp, 2e-7, 1.5e-45);
}

#[test]
fn activations_are_right_from_minus_to_plus_infinity() {
    let exact = |activation| move |x: f64| activated(activation, x);
    test::<Relu6>(exact(Activation::Relu6), 0.0, 0.0);
    test::<HardSigmoid>(exact(Activation::HardSigmoid), 2e-7, 0.0);
    test::<HardSwish>(exact(Activation::HardSwish), 3e-7, 1.5e-45);
    // Where e^-x is too large for f32, the result is zero for what is smaller than these.
    test::<Sigmoid>(exact(Activation::Sigmoid), 3e-7, 3e-39);
    test::<Silu>(exact(Activation::Silu), 3e-7, 3e-37);
    test::<Tanh>(exact(Activation::Tanh), 4e-7, 1.5e-45);
}

#[test]
fn idle_lanes_become_zero() {
    fn test<F: Function>() {
        let idle = F::ACTIVATION.unwrap().idle();
        let memory = Memory { input: &[idle; COUNT], other: None, weights: &[], scratch: |_| 0 };
        run_everywhere::<Apply<F>>(&memory, &Guarded::unwritten(COUNT), None, |kind, output| {
            assert!(output.iter().all(|value| *value == 0.0), "{kind}: {:?}", F::ACTIVATION);
        });
    }
    test::<Relu6>();
    test::<Sigmoid>();
    test::<HardSigmoid>();
    test::<HardSwish>();
    test::<Silu>();
    test::<Tanh>();
}
