//! A network that can be run, as its user sees it.

use crate::error::Error;
use crate::network::Network;

/// A network that can be run: what `resnet!` makes, and what the standalone program takes.
pub trait Model: Sized + Send + 'static {
    /// The description.
    const NETWORK: &'static Network;

    /// Makes it ready.
    fn open(options: Options) -> Result<Self, Error>;

    /// Runs it over `input`, the caller's layout without gaps; the result is valid until the next call.
    ///
    /// # Errors
    /// When the input is of another length than the network's.
    fn run(&mut self, input: &[f32]) -> Result<&[f32], Error>;

    /// The instruction set in use: `avx512`, `avx2`, `neon` or `portable`.
    fn isa(&self) -> &'static str;

    /// The number of threads in use.
    fn threads(&self) -> usize;
}

/// How a network is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// Threads, from 1; as many as the process may use when not given. The result has the same bits for every number.
    pub threads: Option<usize>,
}
