//! How each tensor lies in the arena: its block size and its frame of zeros.
//!
//! A map's frame is as wide as the widest padding of the convolutions that read it. A vector is a map of 1 x 1 pixels.
//!
//! What is concatenated is written where it belongs in the concatenation, and a slice is read where it lies: both are parts of a larger
//! map, if they are whole blocks of it. All parts of a map have its frame.

use std::collections::{BTreeMap, BTreeSet};

use super::bands::Chain;
use super::choose::Decisions;
use super::geometry::{Algorithm, BLOCK, Frame, Map, Rest};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::ir::{Conv, Graph, NodeId, Op, Shape};

/// The layout of every node that is not a constant.
#[derive(Debug, Default)]
pub(super) struct Layouts {
    maps: BTreeMap<NodeId, Map>,
    parts: BTreeMap<NodeId, Part>,
}

/// A node whose result is a part of another one's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// The concatenation that it belongs to, or the node that it is a slice of.
    pub of: NodeId,
    /// Its first block there.
    pub block: usize,
}

impl Layouts {
    /// How the result of a node lies.
    pub fn get(&self, id: NodeId) -> Option<Map> {
        self.maps.get(&id).copied()
    }

    /// What the result of a node is a part of.
    pub fn part(&self, id: NodeId) -> Option<Part> {
        self.parts.get(&id).copied()
    }

    /// Gives the parts of a map its frame, and takes theirs for it.
    fn share_frames(&mut self) {
        // A concatenation's own parts, and slices of it, ask each other in turn.
        loop {
            let before = self.maps.clone();
            for (id, part) in &self.parts {
                let (Some(one), Some(whole)) = (self.maps.get(id).copied(), self.maps.get(&part.of).copied()) else {
                    continue;
                };
                let frame = widest(one.frame, whole.frame);
                self.maps.insert(part.of, Map { frame, ..whole });
                self.maps.insert(*id, Map { frame, ..one });
            }
            if self.maps == before {
                break;
            }
        }
        for (id, part) in &self.parts {
            let blocks = self.maps.get(&part.of).map_or(0, |whole| whole.blocks());
            if let Some(map) = self.maps.get_mut(id) {
                map.rest = Rest { rows: 0, blocks: blocks.saturating_sub(map.blocks()) };
            }
        }
    }
}

/// The nodes whose results are parts of other nodes' results. Nodes of which only some rows exist at a time are none.
fn parts(graph: &Graph, rolling: &BTreeSet<NodeId>) -> BTreeMap<NodeId, Part> {
    let mut parts: BTreeMap<NodeId, Part> = BTreeMap::new();
    let channels = |id: NodeId| extents(graph.node(id).shape()).map_or(0, |[_, channels, ..]| channels);
    // What is a slice is none of the operands that are written into a concatenation: it lies elsewhere.
    for id in graph.topological() {
        let Op::Slice { channels: [begin, end] } = *graph.node(id).op() else { continue };
        let Some(of) = graph.operands(id).first().copied() else { continue };
        let blocks = begin.is_multiple_of(BLOCK) && (end.is_multiple_of(BLOCK) || end == channels(of));
        let written = graph.node(of).shape().map().is_some()
            && !rolling.contains(&of)
            && (writes_part(graph.node(of).op()) || matches!(graph.node(of).op(), Op::Concat { .. }));
        if blocks && written && read_as_part(graph, id) && read_as_part(graph, of) {
            parts.insert(id, Part { of, block: begin / BLOCK });
        }
    }
    let sliced: BTreeSet<NodeId> = parts.values().map(|part| part.of).collect();
    for id in graph.topological() {
        if !matches!(graph.node(id).op(), Op::Concat { .. }) || !read_as_part(graph, id) {
            continue;
        }
        let operands = graph.operands(id);
        let each_once = operands.iter().collect::<BTreeSet<_>>().len() == operands.len();
        let last = operands.len().saturating_sub(1);
        let fit = operands.iter().enumerate().all(|(position, operand)| {
            (channels(*operand).is_multiple_of(BLOCK) || position == last)
                && writes_part(graph.node(*operand).op())
                && graph.node(*operand).shape().map().is_some()
                && !rolling.contains(operand)
                && !parts.contains_key(operand)
                && !sliced.contains(operand)
                && read_as_part(graph, *operand)
        });
        if !(fit && each_once) {
            continue;
        }
        let mut block = 0;
        for operand in operands {
            parts.insert(operand, Part { of: id, block });
            block += channels(operand).div_ceil(BLOCK);
        }
    }
    parts
}

/// Whether an operation can write its map into some blocks of a larger one.
pub(crate) fn writes_part(op: &Op) -> bool {
    match op {
        Op::Conv(_)
        | Op::BatchNorm(_)
        | Op::GroupNorm(_)
        | Op::Activation(_)
        | Op::MaxPool(_)
        | Op::AveragePool { .. }
        | Op::Add { .. }
        | Op::Multiply { .. }
        | Op::Scale { .. }
        | Op::Pad(_)
        | Op::Subsample { .. } => true,
        Op::Input(_)
        | Op::Constant(_)
        | Op::GlobalAveragePool
        | Op::GlobalMaxPool
        | Op::Flatten
        | Op::Dense(_)
        | Op::Concat { .. }
        | Op::Slice { .. }
        | Op::Softmax
        | Op::AsArray
        | Op::AsMap
        | Op::Nest(_) => false,
    }
}

/// Whether an operation can read a map that is some blocks of a larger one.
pub(crate) fn reads_part(op: &Op) -> bool {
    !matches!(op, Op::Flatten | Op::Dense(_) | Op::Softmax)
}

/// Whether all that read a node can read its map as some blocks of a larger one.
fn read_as_part(graph: &Graph, id: NodeId) -> bool {
    graph.readers(id).into_iter().all(|reader| reads_part(graph.node(reader).op()))
}

/// Images, channels, height and width of a map or a vector.
pub(super) fn extents(shape: &Shape) -> Option<[usize; 4]> {
    shape.map().or_else(|| shape.vector().map(|[n, c]| [n, c, 1, 1]))
}

/// So many values in a row.
pub(super) fn array(length: usize) -> Map {
    Map { channels: 1, height: 1, width: length, block: 1, frame: Frame::NONE, rest: Rest::NONE }
}

/// Chooses the layout of every node that is not a constant.
pub(super) fn layouts(graph: &Graph, decisions: &Decisions, chains: &[Chain]) -> Result<Layouts, Diagnostics> {
    let mut maps = BTreeMap::new();
    let mut problems = Diagnostics::new();
    for id in graph.topological() {
        let node = graph.node(id);
        if matches!(node.op(), Op::Constant(_)) {
            continue;
        }
        if node.op().is_array() {
            maps.insert(id, array(node.shape().len()));
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
        maps.insert(id, Map { channels, height, width, block, frame, rest: Rest::NONE });
    }
    let rolling = chains.iter().flat_map(|chain| chain.nodes.iter().rev().skip(1)).copied().collect();
    let mut layouts = Layouts { maps, parts: parts(graph, &rolling) };
    layouts.share_frames();
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
