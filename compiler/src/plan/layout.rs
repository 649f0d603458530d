//! How each tensor lies in the arena: its block size and its frame of zeros.
//!
//! A map's frame is as wide as the widest padding of the convolutions that read it. A vector is a map of 1 x 1 pixels.

use std::collections::BTreeMap;

use super::choose::Decisions;
use super::geometry::{Algorithm, BLOCK, Frame, Map};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::ir::{Conv, Graph, NodeId, Op, Shape};

/// The layout of every node that is not a constant.
pub(super) type Layouts = BTreeMap<NodeId, Map>;

/// Images, channels, height and width of a map or a vector.
pub(super) fn extents(shape: &Shape) -> Option<[usize; 4]> {
    shape.map().or_else(|| shape.vector().map(|[n, c]| [n, c, 1, 1]))
}

/// Chooses the layout of every node that is not a constant.
pub(super) fn layouts(graph: &Graph, decisions: &Decisions) -> Result<Layouts, Diagnostics> {
    let mut layouts = Layouts::new();
    let mut problems = Diagnostics::new();
    for id in graph.topological() {
        let node = graph.node(id);
        if matches!(node.op(), Op::Constant(_)) {
            continue;
        }
        let Some([_, channels, height, width]) = extents(node.shape()) else {
            problems.push(
                Diagnostic::error("E-PLAN", format!("its result has shape {}", node.shape()))
                    .about(node.name.clone())
                    .expected("a map [N, C, H, W] or a vector [N, C]"),
            );
            continue;
        };
        let mut frame = Frame::NONE;
        for reader in graph.readers(id) {
            let operands = graph.operands(reader);
            match graph.node(reader).op() {
                Op::Conv(conv) if operands.first() == Some(&id) => {
                    if let Some([_, _, out_height, out_width]) = extents(graph.node(reader).shape()) {
                        let outputs = [out_height, out_width];
                        let [stride, _] = conv.stride;
                        let (covered, beyond) = match decisions.get(&reader).map(|decision| decision.algorithm) {
                            Some(Algorithm::Winograd(winograd)) => {
                                (outputs.map(|extent| winograd.covered(extent, stride)), winograd.beyond())
                            }
                            _ => (outputs, [0, 0]),
                        };
                        frame = widest(frame, needed(conv, [height, width], covered, beyond));
                    }
                }
                _ => (),
            }
        }
        let block = if raw(graph, id) { channels.clamp(1, BLOCK) } else { BLOCK };
        layouts.insert(id, Map { channels, height, width, block, frame });
    }
    problems.finish(layouts).map(|(layouts, _)| layouts)
}

/// Whether a node is the network's input and lies in memory as its few channels do: convolutions alone can read that.
pub(super) fn raw(graph: &Graph, id: NodeId) -> bool {
    let only_convs = graph.readers(id).into_iter().all(|reader| {
        let operands = graph.operands(reader);
        matches!(graph.node(reader).op(), Op::Conv(_))
            && operands.first() == Some(&id)
            && operands.iter().filter(|operand| **operand == id).count() == 1
    });
    matches!(graph.node(id).op(), Op::Input(_)) && only_convs && graph.outputs().iter().all(|output| output.node != id)
}

/// The part of a convolution's padding that its windows really touch, and what is read beyond them.
fn needed(conv: &Conv, input: [usize; 2], output: [usize; 2], beyond: [usize; 2]) -> Frame {
    let before = [conv.padding.top, conv.padding.left];
    let [bottom, right] = [0, 1].map(|axis: usize| {
        let pick = |pair: &[usize; 2]| pair.get(axis).copied().unwrap_or(0);
        let last = (pick(&output) - 1) * pick(&conv.stride)
            + (pick(&conv.kernel) - 1) * pick(&conv.dilation)
            + 1
            + pick(&beyond);
        last.saturating_sub(pick(&before) + pick(&input))
    });
    Frame { top: conv.padding.top, left: conv.padding.left, bottom, right }
}

fn widest(a: Frame, b: Frame) -> Frame {
    Frame {
        top: a.top.max(b.top),
        left: a.left.max(b.left),
        bottom: a.bottom.max(b.bottom),
        right: a.right.max(b.right),
    }
}
