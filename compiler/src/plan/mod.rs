//! Stage 3: every decision, no tokens.

use crate::diagnostic::Diagnostics;
use crate::frontend::Network;
use crate::ir::Graph;

/// A network with every decision taken.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The steps in the order they run.
    pub steps: Vec<Step>,
    /// Length of the arena in f32 values.
    pub arena: usize,
    /// The packed weights as they lie in the blob behind its header.
    pub weights: Vec<f32>,
    /// Says which plan the packed weights belong to.
    pub fingerprint: u64,
}

impl Plan {
    /// The blob: header and packed weights, as the program includes or opens it.
    pub fn blob(&self) -> Vec<u8> {
        Vec::new()
    }
}

/// One step of the program.
#[derive(Debug, Clone)]
pub struct Step {
    /// The layer's name in the user's file.
    pub name: String,
    /// What it does, as a specification: operation, shapes, tile, epilogue.
    pub summary: String,
    /// Shape of the result, logical: `[N, C, H, W]` or `[N, C]`.
    pub shape: Vec<usize>,
    /// Weights and biases it uses after the passes.
    pub parameters: u64,
    /// Multiply-accumulates for one image.
    pub macs: u64,
}

/// Takes every decision.
pub fn plan(_network: &Network, _graph: &Graph) -> Result<(Plan, Diagnostics), Diagnostics> {
    Err(Diagnostics::new())
}
