//! What generated code implements.

use crate::engine::Step;
use crate::isa::Isa;
use crate::network::Network;

/// A layer: a type whose only content is its geometry, so that code generic over it is compiled for just these numbers.
pub trait Layer<Geometry>: 'static {
    /// Shapes, layouts and attributes.
    const GEOMETRY: Geometry;
}

/// The register tiles of a convolution, one per instruction set.
pub trait Tiles: 'static {
    /// For AVX-512.
    type Avx512: crate::kernel::RegisterTile;
    /// For AVX2 with FMA.
    type Avx2: crate::kernel::RegisterTile;
    /// For NEON.
    type Neon: crate::kernel::RegisterTile;
    /// For portable Rust.
    type Portable: crate::kernel::RegisterTile;
}

/// A compiled network: its description, and its steps for every instruction set.
pub trait Program: Sized + Send + Sync + 'static {
    /// The description.
    const NETWORK: &'static Network;
    /// Length of the arena, in f32 values.
    const ARENA: usize;
    /// Length of the packed weights, in f32 values.
    const WEIGHTS: usize;
    /// Says which plan the packed weights belong to.
    const FINGERPRINT: u64;

    /// The steps in the order they run, each a function that was compiled for one layer shape and one instruction set.
    fn steps<I: Isa>() -> &'static [Step];
}
