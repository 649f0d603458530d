//! Nodes that cannot be compiled.

use std::fmt;

use super::general;
use super::model::{Model, standard};
use super::operators;
use super::order::label;
use crate::diagnostic::Diagnostic;

/// So many lines of a list are shown; the rest is counted.
pub(super) const LISTED: usize = 100;
/// Operators that decide at run time what to compute: an error of their own.
pub(super) const CONTROL_FLOW: [&str; 3] = ["If", "Loop", "Scan"];

/// A node that cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// Its operator, with the domain if that is not the standard's, and with the version.
    pub operator: String,
    /// Its name, or operator and position, in backquotes.
    pub node: String,
    /// What is not supported of it.
    pub reason: String,
}

/// `Erf (opset 13) at node `gate`: the operator is not supported`
impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at node {}: {}", self.operator, self.node, self.reason)
    }
}

/// The one error that names all of them.
pub(super) fn error(unsupported: &[Unsupported]) -> Diagnostic {
    let mut message = match unsupported.len() {
        1 => "1 node cannot be compiled:".to_owned(),
        count => format!("{count} nodes cannot be compiled:"),
    };
    for node in unsupported.iter().take(LISTED) {
        message.push_str(&format!("\n    {node}"));
    }
    if unsupported.len() > LISTED {
        message.push_str(&format!("\n    and {} more", unsupported.len() - LISTED));
    }
    Diagnostic::error("E-ONNX-OP", message)
        .expected(
            "operators of the standard on tensors of numbers, whose shapes follow from the shapes of the input alone",
        )
        .hint("export the model in evaluation mode, with its post-processing left out")
}

/// The nodes of a model whose operators are not known, without regard to what they read: all that can be said of a model whose names
/// and order are wrong.
pub(super) fn unknown(model: &Model) -> Vec<Unsupported> {
    let nodes = model.graph.node.iter().enumerate().zip(&model.opsets);
    let of = |((index, node), opset): ((usize, &super::proto::NodeProto), &i64)| {
        let known = (standard(&node.domain) && operators::find(&node.op_type).is_some())
            || general::find(&node.domain, &node.op_type).is_some()
            || CONTROL_FLOW.contains(&node.op_type.as_str());
        let (operator, reason) = match standard(&node.domain) {
            _ if known => return None,
            true => (format!("{} (opset {opset})", node.op_type), "the operator is not supported"),
            false => (
                format!("{}::{} (not a standard operator)", node.domain, node.op_type),
                "the operator's domain is not supported",
            ),
        };
        Some(Unsupported { operator, node: label(node, index), reason: reason.to_owned() })
    };
    nodes.filter_map(of).collect()
}
