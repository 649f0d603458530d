//! AVX2 with FMA: 16 registers of 8 values.

use core::arch::x86_64::*;

use super::{Isa, Kind, sealed::Sealed};
use crate::kernel::{Arguments, Kernel};
use crate::program::Tiles;

/// x86-64 with AVX2 and FMA.
pub enum Avx2 {}

impl Sealed for Avx2 {}

impl Isa for Avx2 {
    const KIND: Kind = Kind::Avx2;
    const LANES: usize = 8;
    type Vector = __m256;
    type TileOf<L: Tiles> = L::Avx2;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set and the memory.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn broadcast(from: *const f32) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set and the memory.
        unsafe { _mm256_set1_ps(*from) }
    }

    #[inline(always)]
    unsafe fn spread(from: *const f32, group: usize, k: usize) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set and the memory.
        unsafe {
            match (group, k) {
                (1, _) => Self::load(from),
                (2, 0) => _mm256_moveldup_ps(Self::load(from)),
                (2, _) => _mm256_movehdup_ps(Self::load(from)),
                (4, 0) => _mm256_permute_ps::<0x00>(Self::load(from)),
                (4, 1) => _mm256_permute_ps::<0x55>(Self::load(from)),
                (4, 2) => _mm256_permute_ps::<0xAA>(Self::load(from)),
                (4, _) => _mm256_permute_ps::<0xFF>(Self::load(from)),
                _ => Self::broadcast(from.add(k)),
            }
        }
    }

    #[inline(always)]
    unsafe fn store(to: *mut f32, value: Self::Vector) {
        // SAFETY: the caller vouches for the instruction set and the memory.
        unsafe { _mm256_storeu_ps(to, value) }
    }

    #[inline(always)]
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn multiply_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn divide(a: Self::Vector, b: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    unsafe fn scale_by_power(value: Self::Vector, exponent: Self::Vector) -> Self::Vector {
        // SAFETY: the caller vouches for the instruction set.
        unsafe {
            // In two halves, each of which is the exponent of an f32.
            let whole = _mm256_cvtps_epi32(exponent);
            let half = _mm256_srai_epi32::<1>(whole);
            let rest = _mm256_sub_epi32(whole, half);
            let [half, rest] = [half, rest].map(|exponent| {
                let biased = _mm256_add_epi32(exponent, _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased))
            });
            _mm256_mul_ps(_mm256_mul_ps(value, half), rest)
        }
    }

    #[inline(always)]
    unsafe fn in_order(first: Self::Vector, then: &mut *const f32) {
        // SAFETY: there is no instruction in it.
        unsafe {
            let first = _mm256_castps256_ps128(first);
            core::arch::asm!("/* {0} {1} */", in(xmm_reg) first, inout(reg) *then, options(nostack, preserves_flags));
        }
    }

    #[inline(always)]
    unsafe fn prefetch(at: *const f32) {
        // SAFETY: a prefetch never faults, whatever the address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[target_feature(enable = "avx2,fma")]
    unsafe fn enter<K: Kernel>(arguments: &Arguments) {
        // SAFETY: the caller vouches for what the kernel asks for.
        unsafe { K::run::<Self>(arguments) }
    }
}
