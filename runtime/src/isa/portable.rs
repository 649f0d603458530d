//! Plain Rust over small arrays, which the compiler turns into whatever vectors its target has for sure.

use super::{Isa, Kind, sealed::Sealed};
use crate::kernel::{Arguments, Kernel};
use crate::program::Tiles;

/// Any processor.
pub enum Portable {}

/// Four values: the widest vector that both baseline x86-64 and baseline 64-bit ARM have.
const LANES: usize = 4;

/// Whether the target of the build multiplies and adds in one instruction. Without one, `f32::mul_add` is a slow library call.
const FUSED: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));

impl Sealed for Portable {}

impl Isa for Portable {
    const KIND: Kind = Kind::Portable;
    const LANES: usize = LANES;
    type Vector = [f32; LANES];
    type TileOf<L: Tiles> = L::Portable;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Vector {
        [value; LANES]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Vector {
        // SAFETY: the caller vouches for the memory; an array is aligned as its elements are.
        unsafe { from.cast::<Self::Vector>().read() }
    }

    #[inline(always)]
    unsafe fn broadcast(from: *const f32) -> Self::Vector {
        // SAFETY: the caller vouches for the memory.
        unsafe { [from.read(); LANES] }
    }

    #[inline(always)]
    unsafe fn spread(from: *const f32, group: usize, k: usize) -> Self::Vector {
        // SAFETY: the caller vouches for the memory.
        unsafe {
            match group {
                1 => Self::load(from),
                2 => {
                    let [first, second] = [*from.add(k), *from.add(2 + k)];
                    [first, first, second, second]
                }
                _ => Self::broadcast(from.add(k)),
            }
        }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::Vector) {
        // SAFETY: the caller vouches for the memory; an array is aligned as its elements are.
        unsafe { to.cast::<Self::Vector>().write(value) }
    }

    #[inline(always)]
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        [a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]]
    }

    #[inline(always)]
    unsafe fn multiply(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        [a[0] * b[0], a[1] * b[1], a[2] * b[2], a[3] * b[3]]
    }

    #[inline(always)]
    unsafe fn multiply_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        if FUSED {
            [a[0].mul_add(b[0], c[0]), a[1].mul_add(b[1], c[1]), a[2].mul_add(b[2], c[2]), a[3].mul_add(b[3], c[3])]
        } else {
            [a[0] * b[0] + c[0], a[1] * b[1] + c[1], a[2] * b[2] + c[2], a[3] * b[3] + c[3]]
        }
    }

    #[inline(always)]
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        [larger(a[0], b[0]), larger(a[1], b[1]), larger(a[2], b[2]), larger(a[3], b[3])]
    }

    #[inline(always)]
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        [smaller(a[0], b[0]), smaller(a[1], b[1]), smaller(a[2], b[2]), smaller(a[3], b[3])]
    }

    #[inline(always)]
    unsafe fn divide(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        [a[0] / b[0], a[1] / b[1], a[2] / b[2], a[3] / b[3]]
    }

    #[inline(always)]
    unsafe fn scale_by_power(value: Self::Vector, exponent: Self::Vector) -> Self::Vector {
        let [a, b, c, d] = value;
        let [i, j, k, l] = exponent;
        [scaled(a, i), scaled(b, j), scaled(c, k), scaled(d, l)]
    }

    #[inline(always)]
    unsafe fn in_order(_: Self::Vector, _: &mut *const f32) {}

    #[inline(always)]
    unsafe fn prefetch(_: *const f32) {}

    unsafe fn enter<K: Kernel>(arguments: &Arguments) {
        // SAFETY: the caller vouches for what the kernel asks for.
        unsafe { K::run::<Self>(arguments) }
    }
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// `value * 2^exponent`, in two halves, each of which is the exponent of an f32.
#[inline(always)]
fn scaled(value: f32, exponent: f32) -> f32 {
    let whole = exponent as i32;
    let half = whole >> 1;
    let power = |exponent: i32| f32::from_bits((exponent.wrapping_add(127) as u32) << 23);
    value * power(half) * power(whole.wrapping_sub(half))
}
