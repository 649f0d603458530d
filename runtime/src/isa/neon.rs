//! NEON: 32 registers of 4 values.

use core::arch::aarch64::*;

use super::{Isa, Kind, sealed::Sealed};
use crate::kernel::{Arguments, Kernel};
use crate::program::Tiles;

/// 64-bit ARM.
pub enum Neon {}

impl Sealed for Neon {}

impl Isa for Neon {
    const KIND: Kind = Kind::Neon;
    const LANES: usize = 4;
    type Vector = float32x4_t;
    type TileOf<L: Tiles> = L::Neon;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set and the memory.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn broadcast(from: *const f32) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set and the memory.
        unsafe { vld1q_dup_f32(from) }
    }

    #[inline(always)]
    unsafe fn spread(from: *const f32, group: usize, k: usize) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set and the memory.
        unsafe {
            match (group, k) {
                (1, _) => Self::load(from),
                (2, 0) => vtrn1q_f32(Self::load(from), Self::load(from)),
                (2, _) => vtrn2q_f32(Self::load(from), Self::load(from)),
                _ => Self::broadcast(from.add(k)),
            }
        }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::Vector) {
        // SAFETY: the caller vouches for the instruction set and the memory.
        unsafe { vst1q_f32(to, value) }
    }

    #[inline(always)]
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { vmaxq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { vminq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn divide(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn scale_by_power(value: Self::Vector, exponent: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            // In two halves, each of which is the exponent of an f32.
            let whole = vcvtq_s32_f32(exponent);
            let half = vshrq_n_s32::<1>(whole);
            let rest = vsubq_s32(whole, half);
            let [half, rest] = [half, rest]
                .map(|exponent| vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(exponent, vdupq_n_s32(127)))));
            vmulq_f32(vmulq_f32(value, half), rest)
        }
    }

    #[inline(always)]
    unsafe fn in_order(first: Self::Vector, then: &mut *const f32) {
        // SAFETY: there is no instruction in it.
        unsafe {
            core::arch::asm!("/* {0:v} {1} */", in(vreg) first, inout(reg) *then, options(nostack, preserves_flags));
        }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { core::arch::asm!("prfm pldl2keep, [{0}]", in(reg) at, options(nostack, preserves_flags, readonly)) }
    }

    #[target_feature(enable = "neon")]
    unsafe fn enter<K: Kernel>(arguments: &Arguments) {
        // SAFETY: the caller vouches for what the kernel asks for.
        unsafe { K::run::<Self>(arguments) }
    }
}
