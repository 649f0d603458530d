//! What a step applies to its result last.
//!
//! Exponentials are a polynomial: with n the whole number nearest to x / ln 2 and r = x - n ln 2, at most 0.347 in size, e^x is 2^n
//! (1 + m), m = r + r^2 q(r). The coefficients of q are a fit that keeps the relative error of 1 + m below 4e-9; with roundings e^x is
//! within 2e-7 of exact. Infinities and what is far give the limits, and what is not a number stays that.

use crate::geometry::Activation;
use crate::isa::Isa;

/// Applies an activation.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn activate<I: Isa>(activation: Activation, value: I::Vector) -> I::Vector {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        match activation {
            Activation::None => value,
            Activation::Relu => I::max(I::splat(0.0), value),
            Activation::Relu6 => six::<I>(value),
            Activation::Sigmoid => I::divide(I::splat(1.0), one_and_inverse_power::<I>(value)),
            Activation::HardSigmoid => I::multiply(six::<I>(I::add(value, I::splat(3.0))), I::splat(1.0 / 6.0)),
            Activation::HardSwish => {
                let value = I::max(I::splat(-3.0), value);
                let gate = I::multiply(six::<I>(I::add(value, I::splat(3.0))), I::splat(1.0 / 6.0));
                I::multiply(value, gate)
            }
            Activation::Silu => {
                // Down there the result is zero; minus infinity would not divide.
                let value = I::max(I::splat(-128.0), value);
                I::divide(value, one_and_inverse_power::<I>(value))
            }
            Activation::Tanh => tanh::<I>(value),
        }
    }
}

/// `min(max(x, 0), 6)`
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
unsafe fn six<I: Isa>(value: I::Vector) -> I::Vector {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { I::min(I::splat(6.0), I::max(I::splat(0.0), value)) }
}

/// `1 + e^-x`
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
unsafe fn one_and_inverse_power<I: Isa>(value: I::Vector) -> I::Vector {
    // SAFETY: the caller vouches for the instruction set.
    unsafe { I::add(I::splat(1.0), exp::<I>(I::multiply(value, I::splat(-1.0)))) }
}

/// `e^x`
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
pub(super) unsafe fn exp<I: Isa>(value: I::Vector) -> I::Vector {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        // Beyond these bounds lie 0 and infinity.
        let (m, n) = reduced::<I>(I::max(I::splat(-105.0), I::min(I::splat(89.0), value)));
        I::scale_by_power(I::add(I::splat(1.0), m), n)
    }
}

/// `(e^2x - 1) / (e^2x + 1)`, with e^2x - 1 computed as such, so that small results are as precise as others.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
unsafe fn tanh<I: Isa>(value: I::Vector) -> I::Vector {
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        // Beyond these bounds the result is 1 in size.
        let value = I::max(I::splat(-20.0), I::min(I::splat(20.0), value));
        let (m, n) = reduced::<I>(I::add(value, value));
        let power = I::scale_by_power(I::splat(1.0), n);
        let less_one = I::multiply_add(m, power, I::add(power, I::splat(-1.0)));
        I::divide(less_one, I::add(less_one, I::splat(2.0)))
    }
}

/// The m and the n of `e^x = 2^n (1 + m)`, for x of at most some hundreds in size.
///
/// # Safety
/// The processor has the instruction set.
#[inline(always)]
unsafe fn reduced<I: Isa>(value: I::Vector) -> (I::Vector, I::Vector) {
    /// Added to a number of less than 2^22 in size, it leaves a whole number: the last bit of the sum is worth 1.
    const ROUND: f32 = 12_582_912.0;
    /// ln 2 in two parts; a whole number of three digits times the first is exact.
    const LN_2: [f32; 2] = [355.0 / 512.0, -2.121_944_4e-4];
    const Q: [f32; 5] = [1.381_422_2e-3, 8.368_899e-3, 4.166_840_4e-2, 1.666_652e-1, 4.999_999_4e-1];
    // SAFETY: the caller vouches for the instruction set.
    unsafe {
        let n = I::multiply_add(value, I::splat(std::f32::consts::LOG2_E), I::splat(ROUND));
        let n = I::add(n, I::splat(-ROUND));
        let r = I::multiply_add(n, I::splat(-LN_2[0]), value);
        let r = I::multiply_add(n, I::splat(-LN_2[1]), r);
        let mut q = I::splat(Q[0]);
        for coefficient in [Q[1], Q[2], Q[3], Q[4]] {
            q = I::multiply_add(q, r, I::splat(coefficient));
        }
        (I::multiply_add(I::multiply(r, r), q, r), n)
    }
}
