//! Instruction sets: one trait, one file each, and the choice at run time.
//!
//! Everything in an [`Isa`] is `#[inline(always)]` and names no target feature itself. It becomes the instructions it stands
//! for once it is inlined into [`Isa::enter`], the one function per kernel and instruction set that enables them.

use crate::error::Error;
use crate::kernel::{Arguments, Kernel, RegisterTile};
use crate::program::Tiles;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
pub use portable::Portable;

/// The environment variable that forces an instruction set.
pub const VARIABLE: &str = "RESNET_ISA";

mod sealed {
    /// Keeps [`super::Isa`] to the instruction sets of this crate: the kernels trust its functions with memory.
    pub trait Sealed {}
}

/// An instruction set: a vector of `LANES` f32 values and what is done with it.
///
/// No function but [`Isa::enter`] may be called outside of a kernel that runs under `enter`.
pub trait Isa: sealed::Sealed + 'static {
    /// Which one it is.
    const KIND: Kind;
    /// f32 values per vector; divides 16.
    const LANES: usize;
    /// A vector.
    type Vector: Copy;
    /// The register tile that a convolution has for this instruction set.
    type TileOf<L: Tiles>: RegisterTile;

    /// All lanes `value`.
    ///
    /// # Safety
    /// The processor has the instruction set.
    unsafe fn splat(value: f32) -> Self::Vector;

    /// Reads a vector, at any alignment of f32.
    ///
    /// # Safety
    /// The processor has the instruction set; `LANES` values can be read at `from`.
    unsafe fn load(from: *const f32) -> Self::Vector;

    /// Reads one value into all lanes.
    ///
    /// # Safety
    /// The processor has the instruction set; one value can be read at `from`.
    unsafe fn broadcast(from: *const f32) -> Self::Vector;

    /// Reads a vector for groups of neighbouring channels: lane `l` is `from[l / group * group + k]`, the same channel of each group in all
    /// lanes of the group; `from[k]` in all lanes when a group fills the vector. `group` is a power of two and `k` less than it; both are
    /// constants once the kernel is compiled, but for `k` of a group of 8 or more.
    ///
    /// # Safety
    /// The processor has the instruction set; `LANES` values, or a group's when those are more, can be read at `from`.
    unsafe fn spread(from: *const f32, group: usize, k: usize) -> Self::Vector;

    /// Writes a vector, at any alignment of f32.
    ///
    /// # Safety
    /// The processor has the instruction set; `LANES` values can be written at `to`.
    unsafe fn store(to: *mut f32, value: Self::Vector);

    /// `a + b`
    ///
    /// # Safety
    /// The processor has the instruction set.
    unsafe fn add(a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a * b`
    ///
    /// # Safety
    /// The processor has the instruction set.
    unsafe fn multiply(a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a * b + c`, rounded once where the instruction set can.
    ///
    /// # Safety
    /// The processor has the instruction set.
    unsafe fn multiply_add(a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;

    /// The larger of `a` and `b`; `b` where `b` is not a number.
    ///
    /// # Safety
    /// The processor has the instruction set.
    unsafe fn max(a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// The smaller of `a` and `b`; `b` where `b` is not a number.
    ///
    /// # Safety
    /// The processor has the instruction set.
    unsafe fn min(a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `a / b`
    ///
    /// # Safety
    /// The processor has the instruction set.
    unsafe fn divide(a: Self::Vector, b: Self::Vector) -> Self::Vector;

    /// `value * 2^exponent`, for values from 2^-64 to 2^64 in size and whole exponents from -250 to 250.
    ///
    /// # Safety
    /// The processor has the instruction set.
    unsafe fn scale_by_power(value: Self::Vector, exponent: Self::Vector) -> Self::Vector;

    /// Has the compiler compute `first` before it reads what `then` points to: left to itself it may read so much ahead of what it waits for
    /// that there are more vectors than registers. No instruction comes of it.
    ///
    /// # Safety
    /// The processor has the instruction set.
    unsafe fn in_order(first: Self::Vector, then: &mut *const f32);

    /// Asks for the cache line of `at` in the second-level cache. `at` may be any address.
    ///
    /// # Safety
    /// The processor has the instruction set.
    unsafe fn prefetch(at: *const f32);

    /// Runs a kernel with the instruction set enabled.
    ///
    /// # Safety
    /// The processor has the instruction set, and what [`Kernel::run`] asks for holds.
    unsafe fn enter<K: Kernel>(arguments: &Arguments);
}

/// The instruction sets there are kernels for, the fastest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// x86-64 with AVX-512 F.
    Avx512,
    /// x86-64 with AVX2 and FMA.
    Avx2,
    /// 64-bit ARM.
    Neon,
    /// Whatever the target of the build has for sure.
    Portable,
}

impl Kind {
    /// All, the fastest first.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Portable];

    /// Its name, as `RESNET_ISA` takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Portable => "portable",
        }
    }

    /// Whether this program holds kernels for it.
    pub const fn compiled_in(self) -> bool {
        match self {
            Self::Avx512 | Self::Avx2 => cfg!(target_arch = "x86_64"),
            Self::Neon => cfg!(target_arch = "aarch64"),
            Self::Portable => true,
        }
    }

    /// Whether this program holds kernels for it and the processor runs them.
    pub fn available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => std::arch::is_x86_feature_detected!("avx512f"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(not(target_arch = "aarch64"))]
            Self::Neon => false,
            Self::Portable => true,
        }
    }

    /// The instruction sets that this machine runs, the fastest first.
    pub fn all_available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kind| kind.available())
    }

    /// The fastest that this machine runs, or the one that the environment variable `RESNET_ISA` names.
    ///
    /// # Errors
    /// When the variable names none, or one that this machine does not run.
    pub fn choose() -> Result<Self, Error> {
        match std::env::var_os(VARIABLE) {
            Some(value) if !value.is_empty() => Self::forced(&value.to_string_lossy()),
            _ => Ok(Self::all_available().next().unwrap_or(Self::Portable)),
        }
    }

    /// The one of this name.
    ///
    /// # Errors
    /// When there is none of this name, or this machine does not run it.
    pub fn forced(name: &str) -> Result<Self, Error> {
        match Self::ALL.into_iter().find(|kind| kind.name() == name) {
            None => Err(Error::UnknownIsa { found: name.to_owned() }),
            Some(kind) if kind.available() => Ok(kind),
            Some(kind) => Err(Error::UnsupportedIsa { found: kind }),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_or_refused() {
        for kind in Kind::ALL {
            match Kind::forced(kind.name()) {
                Ok(found) => assert_eq!((found, kind.available()), (kind, true)),
                Err(error) => assert_eq!((error, kind.available()), (Error::UnsupportedIsa { found: kind }, false)),
            }
        }
        assert_eq!(Kind::forced("sse9"), Err(Error::UnknownIsa { found: "sse9".to_owned() }));
        assert!(Kind::Portable.available());
    }
}
