//! Stage 2: rewrites of the graph.

use std::collections::BTreeSet;

use crate::diagnostic::Diagnostics;
use crate::ir::Graph;

/// What a pass did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassReport {
    /// The pass.
    pub pass: &'static str,
    /// Nodes it changed, and how.
    pub changes: Vec<Change>,
    /// Nodes it left alone, and why.
    pub refusals: Vec<Refusal>,
}

/// A rewrite that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The node's name.
    pub node: String,
    /// What was done.
    pub what: String,
}

/// A rewrite that was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The node's name.
    pub node: String,
    /// Why not.
    pub reason: String,
}

/// Runs the passes in order, but for those that are switched off.
pub fn run(_graph: &mut Graph, _disabled: &BTreeSet<String>) -> Result<Vec<PassReport>, Diagnostics> {
    Ok(Vec::new())
}
