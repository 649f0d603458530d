//! AVX-512: 32 registers of 16 values.

use core::arch::x86_64::*;

use super::{Isa, Kind, sealed::Sealed};
use crate::kernel::{Arguments, Kernel};
use crate::program::Tiles;

/// x86-64 with AVX-512 F.
pub enum Avx512 {}

impl Sealed for Avx512 {}

impl Isa for Avx512 {
    const KIND: Kind = Kind::Avx512;
    const LANES: usize = 16;
    type Vector = __m512;
    type TileOf<L: Tiles> = L::Avx512;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set and the memory.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn broadcast(from: *const f32) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set and the memory.
        unsafe { _mm512_set1_ps(*from) }
    }

    #[inline(always)]
    unsafe fn spread(from: *const f32, group: usize, k: usize) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set and the memory.
        unsafe {
            match (group, k) {
                (1, _) => Self::load(from),
                (2, 0) => _mm512_moveldup_ps(Self::load(from)),
                (2, _) => _mm512_movehdup_ps(Self::load(from)),
                (4, 0) => _mm512_permute_ps::<0x00>(Self::load(from)),
                (4, 1) => _mm512_permute_ps::<0x55>(Self::load(from)),
                (4, 2) => _mm512_permute_ps::<0xAA>(Self::load(from)),
                (4, _) => _mm512_permute_ps::<0xFF>(Self::load(from)),
                // Two broadcasts leave the ports of the shuffles to the multiply-adds.
                (8, _) => {
                    let upper = _mm_load_ss(from.add(8 + k));
                    _mm512_mask_broadcastss_ps(Self::broadcast(from.add(k)), 0xFF00, upper)
                }
                _ => Self::broadcast(from.add(k)),
            }
        }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::Vector) {
        // SAFETY: the caller vouches for the instruction set and the memory.
        unsafe { _mm512_storeu_ps(to, value) }
    }

    #[inline(always)]
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn divide(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn scale_by_power(value: Self::Vector, exponent: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm512_scalef_ps(value, exponent) }
    }

    #[inline(always)]
    unsafe fn in_order(_: Self::Vector, then: &mut *const f32) {
        // Without the first: outside of a function with AVX-512, only half of the registers can be named, and there is room in all of them.
        // SAFETY: there is no instruction in it.
        unsafe { core::arch::asm!("/* {0} */", inout(reg) * then, options(nostack, preserves_flags)) }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[target_feature(enable = "avx512f")]
    unsafe fn enter<K: Kernel>(arguments: &Arguments) {
        // SAFETY: the caller vouches for what the kernel asks for.
        unsafe { K::run::<Self>(arguments) }
    }
}
