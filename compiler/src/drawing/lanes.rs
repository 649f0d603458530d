//! A unit laid out: the longest path straight down the first lane, other paths in lanes beside it, and edges that pass layers
//! by in tracks on the right.

use std::collections::BTreeSet;
use std::ops::Range;

use super::{Drawing, wires};

/// The width of a layer's box.
pub(super) const BOX: i64 = 186;
/// The height of the row with a layer's name, and of each row below.
pub(super) const NAME: i64 = 20;
pub(super) const ROW: i64 = 17;
/// Between a layer and the next one, without a shape on the edge and with one.
const GAP: i64 = 24;
pub(super) const LABELLED_GAP: i64 = 38;
const BETWEEN_LANES: i64 = 26;
/// From a layer to where an edge turns.
pub(super) const TURN: i64 = 9;
/// Above the first layers, where what the unit reads comes in.
pub(super) const ENTRY: i64 = 20;

/// A box of a layer, by its upper left corner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed {
    pub layer: usize,
    pub x: i64,
    pub y: i64,
    pub height: i64,
}

/// An edge: where it turns, from its beginning to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wire {
    pub points: Vec<(i64, i64)>,
}

/// What an edge carries, written to the right of a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    pub layer: usize,
    pub x: i64,
    pub y: i64,
}

/// Layers laid out, from (0, 0). What comes in does so at the top of the first lane, what goes out at its bottom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Scene {
    pub width: i64,
    pub height: i64,
    pub boxes: Vec<Placed>,
    pub wires: Vec<Wire>,
    pub labels: Vec<Label>,
}

/// Lays out consecutive layers.
pub(super) fn lay_out(drawing: &Drawing, layers: &Range<usize>) -> Scene {
    let nodes = nodes(drawing, layers);
    if nodes.is_empty() {
        return Scene::default();
    }
    let places = place(&nodes);
    let lanes = places.iter().map(|place| place.lane + 1).max().unwrap_or(1) as i64;
    let mut scene = Scene { width: lanes * (BOX + BETWEEN_LANES) - BETWEEN_LANES, ..Scene::default() };
    scene.height = places.iter().zip(&nodes).map(|(place, node)| place.y + node.height).max().unwrap_or(0);
    for (index, (place, node)) in places.iter().zip(&nodes).enumerate() {
        let layer = layers.start + index;
        let x = left(place.lane);
        scene.boxes.push(Placed { layer, x, y: place.y, height: node.height });
        if node.labelled && !node.readers.is_empty() {
            scene.labels.push(Label { layer, x: x + BOX / 2 + 5, y: place.y + node.height + LABELLED_GAP / 2 + 4 });
        }
    }
    wires::draw(&nodes, &places, &mut scene);
    scene
}

/// A layer of the unit.
pub(super) struct Node {
    pub height: i64,
    /// Whether its shape is written below it.
    pub labelled: bool,
    /// What it reads of the unit; [`None`] is the layer before the unit.
    pub operands: Vec<Option<usize>>,
    pub readers: Vec<usize>,
}

/// Where a layer stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub lane: usize,
    pub y: i64,
}

/// The left side of a lane.
pub(super) fn left(lane: usize) -> i64 {
    lane as i64 * (BOX + BETWEEN_LANES)
}

fn nodes(drawing: &Drawing, layers: &Range<usize>) -> Vec<Node> {
    let mut nodes: Vec<Node> = layers
        .clone()
        .filter_map(|index| drawing.layer(index).map(|layer| (index, layer)))
        .map(|(index, layer)| Node {
            height: NAME + ROW * (layer.parts.len() + layer.results.len()) as i64 + 4,
            labelled: drawing.reshapes(index),
            operands: layer.operands.iter().map(|operand| operand.checked_sub(layers.start)).collect(),
            readers: Vec::new(),
        })
        .collect();
    for index in 0..nodes.len() {
        let operands = nodes.get(index).map(|node| node.operands.clone()).unwrap_or_default();
        for operand in operands.into_iter().flatten() {
            if let Some(node) = nodes.get_mut(operand) {
                node.readers.push(index);
            }
        }
    }
    nodes
}

/// The longest path to the last layer.
fn main_path(nodes: &[Node]) -> BTreeSet<usize> {
    let mut depths: Vec<usize> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let before = node.operands.iter().flatten().filter_map(|operand| depths.get(*operand)).max();
        depths.push(before.map_or(0, |depth| depth + 1));
    }
    let mut path = BTreeSet::new();
    let mut next = nodes.len().checked_sub(1);
    while let Some(index) = next {
        path.insert(index);
        let operands = nodes.get(index).map(|node| node.operands.as_slice()).unwrap_or_default();
        // Of several as deep, the first.
        next = operands.iter().flatten().copied().rev().max_by_key(|operand| depths.get(*operand).copied());
    }
    path
}

/// A lane: the layer that was put there last, and where that ends.
struct Lane {
    tail: usize,
    bottom: i64,
}

fn place(nodes: &[Node]) -> Vec<Place> {
    let main = main_path(nodes);
    let gap = |node: &Node| if node.labelled { LABELLED_GAP } else { GAP };
    let mut places: Vec<Place> = Vec::with_capacity(nodes.len());
    // Lanes beside the first, and those of them whose last layer is read no more.
    let mut lanes: Vec<Lane> = Vec::new();
    let mut free: BTreeSet<usize> = BTreeSet::new();
    let mut main_bottom = 0;
    for (index, node) in nodes.iter().enumerate() {
        let above =
            |operand: &usize| Some(places.get(*operand)?.y + nodes.get(*operand)?.height + gap(nodes.get(*operand)?));
        let mut y = node.operands.iter().flatten().filter_map(above).max().unwrap_or(0);
        let lane = if main.contains(&index) {
            y = y.max(main_bottom);
            main_bottom = y + node.height + gap(node);
            0
        } else {
            let follows = node.operands.iter().flatten().find_map(|operand| {
                let lane = places.get(*operand)?.lane.checked_sub(1)?;
                (lanes.get(lane)?.tail == *operand).then_some(lane)
            });
            let reused = || free.iter().copied().find(|lane| lanes.get(*lane).is_some_and(|lane| lane.bottom <= y));
            let lane = follows.or_else(reused).unwrap_or(lanes.len());
            free.remove(&lane);
            let next = Lane { tail: index, bottom: y + node.height + gap(node) };
            match lanes.get_mut(lane) {
                Some(lane) => {
                    y = y.max(lane.bottom);
                    *lane = Lane { bottom: y + node.height + gap(node), ..next };
                }
                None => lanes.push(next),
            }
            lane + 1
        };
        places.push(Place { lane, y });
        // A lane whose last layer has its last reader is free from there on.
        for operand in node.operands.iter().flatten() {
            let is_last = nodes.get(*operand).and_then(|node| node.readers.last()) == Some(&index);
            let lane = places.get(*operand).and_then(|place| place.lane.checked_sub(1)).filter(|_| is_last);
            if let Some((lane, state)) = lane.and_then(|lane| Some((lane, lanes.get_mut(lane)?)))
                && state.tail == *operand
            {
                state.bottom = state.bottom.max(y);
                free.insert(lane);
            }
        }
    }
    places
}
