//! What generated code implements, and what a user of a compiled network sees of it.

use crate::engine::{Step, Timing, Traced};
use crate::error::Error;
use crate::isa::Isa;
use crate::network::Network;
use crate::outputs::Outputs;

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

/// A network that can be run: what `resnet!` makes, and what the standalone program takes.
pub trait Model: Sized + Send + 'static {
    /// The description.
    const NETWORK: &'static Network;

    /// Makes it ready.
    fn open(options: Options) -> Result<Self, Error>;

    /// Runs it over `input`, the caller's layout without gaps, several inputs one after another; the outputs are valid until the next
    /// call.
    ///
    /// # Errors
    /// When the input is of another length than the network's.
    fn run(&mut self, input: &[f32]) -> Result<Outputs<'_>, Error>;

    /// The instruction set in use: `avx512`, `avx2`, `neon` or `portable`.
    fn isa(&self) -> &'static str;

    /// The number of threads in use.
    fn threads(&self) -> usize;

    /// The steps in the order they run.
    fn steps(&self) -> &'static [Step];

    /// Runs it and tells how long each step took, its barrier included.
    ///
    /// # Errors
    /// As [`Model::run`].
    fn timings(&mut self, input: &[f32]) -> Result<Vec<Timing>, Error>;

    /// Runs it on the calling thread alone and shows what each step wrote.
    ///
    /// # Errors
    /// As [`Model::run`].
    fn trace(&mut self, input: &[f32], visit: &mut dyn FnMut(Traced<'_>)) -> Result<(), Error>;
}

/// How a network is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Threads, from 1; as many as the process may use when not given. The result has the same bits for every number.
    pub threads: Option<usize>,
}
