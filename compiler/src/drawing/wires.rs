//! The edges of a unit: straight down, to the side and down, or, where a layer is in the way, in tracks on the right.

use std::collections::BTreeSet;

use super::lanes::{BOX, ENTRY, Node, Place, Scene, TURN, Wire, left};

const BETWEEN_TRACKS: i64 = 12;
/// More tracks than these are not made: edges lie on each other then.
const MOST_TRACKS: usize = 24;
/// From the middle of a layer to where edges from the side end, and those from tracks.
const SIDE: i64 = 22;

/// An edge of the unit: where it begins and where it ends, before it is known how it gets there.
struct Edge {
    from: Place,
    to: Place,
    /// Whether it leaves others behind that begin where it does, and meets none where it ends.
    splits: bool,
    /// Whether another one has the same beginning and the same end.
    again: bool,
}

/// Adds the edges between layers that have their places, and those from the top.
pub(super) fn draw(nodes: &[Node], places: &[Place], scene: &mut Scene) {
    let boxes = Boxes::new(nodes, places);
    let mut detours: Vec<Edge> = Vec::new();
    for edge in edges(nodes, places) {
        match direct(&edge, &boxes) {
            Some(points) => scene.wires.push(Wire { points }),
            None => detours.push(edge),
        }
    }
    // Short ones first, so that they lie within long ones.
    detours.sort_by_key(|edge| (edge.to.y - edge.from.y, edge.from.y));
    let mut tracks: Vec<BTreeSet<(i64, i64)>> = Vec::new();
    let begin = scene.width + BETWEEN_TRACKS + 4;
    for Edge { from, to, .. } in detours {
        let track = begin + take(&mut tracks, from.y, to.y) as i64 * BETWEEN_TRACKS;
        let (x, end) = (middle(from), middle(to) + 2 * SIDE);
        let (out, back) = (from.y + TURN, to.y - TURN);
        let points = if back - out < 2 * TURN {
            vec![(x, from.y), (x, out), (end, out), (end, to.y)]
        } else {
            vec![(x, from.y), (x, out), (track, out), (track, back), (end, back), (end, to.y)]
        };
        scene.wires.push(Wire { points });
        scene.width = scene.width.max(track);
    }
}

fn middle(place: Place) -> i64 {
    left(place.lane) + BOX / 2
}

fn edges(nodes: &[Node], places: &[Place]) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (node, to) in nodes.iter().zip(places) {
        let mut seen = BTreeSet::new();
        for operand in &node.operands {
            let again = !seen.insert(operand);
            let read = operand.and_then(|operand| Some((nodes.get(operand)?, places.get(operand)?)));
            let (from, splits) = match read {
                Some((read, place)) => (Place { y: place.y + read.height, ..*place }, read.readers.len() > 1),
                None => (Place { lane: 0, y: -ENTRY }, true),
            };
            edges.push(Edge { from, to: *to, splits: splits && node.operands.len() == 1, again });
        }
    }
    edges
}

/// An edge without a track: straight, to the side below the layer that it leaves, or above the one that it goes to.
fn direct(edge: &Edge, boxes: &Boxes) -> Option<Vec<(i64, i64)>> {
    let Edge { from, to, splits, again } = edge;
    if *again {
        return None;
    }
    let crosses = |y: i64| {
        let (low, high) = (from.lane.min(to.lane), from.lane.max(to.lane));
        (low + 1..high).any(|lane| !boxes.leave(lane, y, y + 1))
    };
    let (x, end) = (middle(*from), middle(*to));
    if from.lane == to.lane {
        return boxes.leave(to.lane, from.y, to.y).then(|| vec![(x, from.y), (x, to.y)]);
    }
    let first = boxes.leave(to.lane, from.y, to.y) && !crosses(from.y + TURN);
    let last = boxes.leave(from.lane, from.y, to.y) && !crosses(to.y - TURN);
    let aside = end + if *splits { 0 } else { SIDE * if to.lane > from.lane { -1 } else { 1 } };
    let turned = |y: i64| Some(vec![(x, from.y), (x, y), (aside, y), (aside, to.y)]);
    match (first, last) {
        (true, false) => turned(from.y + TURN),
        (true, true) if *splits => turned(from.y + TURN),
        (_, true) => turned(to.y - TURN),
        (false, false) => None,
    }
}

/// The heights that the layers of each lane take.
struct Boxes(Vec<BTreeSet<(i64, i64)>>);

impl Boxes {
    fn new(nodes: &[Node], places: &[Place]) -> Self {
        let mut lanes: Vec<BTreeSet<(i64, i64)>> = Vec::new();
        for (node, place) in nodes.iter().zip(places) {
            if lanes.len() <= place.lane {
                lanes.resize(place.lane + 1, BTreeSet::new());
            }
            if let Some(lane) = lanes.get_mut(place.lane) {
                lane.insert((place.y, place.y + node.height));
            }
        }
        Self(lanes)
    }

    /// Whether a lane is free between two heights.
    fn leave(&self, lane: usize, from: i64, to: i64) -> bool {
        self.0.get(lane).is_none_or(|boxes| is_free(boxes, from, to))
    }
}

/// Whether nothing of what is taken, which does not overlap, lies between two heights.
fn is_free(taken: &BTreeSet<(i64, i64)>, from: i64, to: i64) -> bool {
    taken.range(..(to, i64::MIN)).next_back().is_none_or(|(_, end)| *end <= from)
}

/// The first track that has room between two heights, taken.
fn take(tracks: &mut Vec<BTreeSet<(i64, i64)>>, from: i64, to: i64) -> usize {
    let found = tracks.iter().position(|taken| is_free(taken, from, to));
    let track = found.unwrap_or_else(|| tracks.len().min(MOST_TRACKS - 1));
    match tracks.get_mut(track) {
        Some(taken) => {
            taken.insert((from, to));
        }
        None => tracks.push(BTreeSet::from([(from, to)])),
    }
    track
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Layers of height 10, each with its lane, its y and what it reads.
    fn drawn(list: &[(usize, i64, &[Option<usize>])]) -> Scene {
        let mut nodes: Vec<Node> = list
            .iter()
            .map(|(.., operands)| Node {
                height: 10,
                labelled: false,
                operands: operands.to_vec(),
                readers: Vec::new(),
            })
            .collect();
        for (index, (.., operands)) in list.iter().enumerate() {
            for operand in operands.iter().flatten() {
                nodes[*operand].readers.push(index);
            }
        }
        let places: Vec<Place> = list.iter().map(|(lane, y, _)| Place { lane: *lane, y: *y }).collect();
        let mut scene = Scene { width: BOX, ..Scene::default() };
        draw(&nodes, &places, &mut scene);
        scene
    }

    #[test]
    fn an_edge_past_a_layer_takes_a_track_and_short_ones_lie_within_long_ones() {
        let scene = drawn(&[
            (0, 0, &[None]),
            (0, 40, &[Some(0)]),
            (0, 80, &[Some(1)]),
            (0, 120, &[Some(2), Some(1)]),
            (0, 160, &[Some(3), None]),
        ]);
        let tracks: Vec<i64> =
            scene.wires.iter().filter(|wire| wire.points.len() == 6).map(|wire| wire.points[2].0).collect();
        let [inner, outer] = tracks[..] else { panic!("{tracks:?}") };
        assert!(BOX < inner && inner < outer && scene.width == outer);
        assert_eq!(scene.wires.iter().filter(|wire| wire.points.len() == 2).count(), 5);
    }

    #[test]
    fn what_is_read_twice_has_two_edges_apart() {
        let scene = drawn(&[(0, 0, &[None, None])]);
        assert_eq!(scene.wires.iter().map(|wire| wire.points.len()).collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn branches_leave_at_the_top_and_meet_at_the_bottom() {
        let scene = drawn(&[(0, 0, &[None]), (1, 0, &[None]), (0, 80, &[Some(0), Some(1)])]);
        let turns: Vec<_> = scene.wires.iter().filter(|wire| wire.points.len() == 4).collect();
        assert_eq!(turns[0].points[1].1, TURN - ENTRY);
        assert_eq!(turns[1].points[1].1, 80 - TURN);
    }

    #[test]
    fn tracks_are_bounded() {
        let mut tracks = Vec::new();
        let taken: Vec<usize> = (0..100).map(|_| take(&mut tracks, 0, 10)).collect();
        assert_eq!((taken[5], taken[99], tracks.len()), (5, MOST_TRACKS - 1, MOST_TRACKS));
        assert_eq!(take(&mut tracks, 10, 20), 0);
    }
}
