//! Units one below the other, in as many columns as make a page of the drawing.

use super::lanes::{self, BOX, ENTRY, LABELLED_GAP, Label, Scene, TURN, Wire};
use super::{Block, Drawing, Unit, blocks};

/// Around the layers of a block.
pub(super) const PADDING: i64 = 12;
/// The bar with a block's name.
pub(super) const HEADING: i64 = 22;
/// Between columns: an edge passes there.
const BETWEEN_COLUMNS: i64 = 44;
/// A drawing is to be this much wider than high.
const ASPECT: f64 = 1.35;
/// Between units.
const GAP: i64 = 24;
/// The width of a letter in a block's name.
const LETTER: i64 = 7;

/// A frame around a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Frame {
    pub x: i64,
    pub y: i64,
    pub width: i64,
    pub height: i64,
    /// The block's name, and that of the last one like it.
    pub title: String,
    pub full_title: String,
    /// How many such blocks follow each other.
    pub times: usize,
}

/// A network laid out, from (0, 0).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub frames: Vec<Frame>,
    pub scene: Scene,
}

/// A unit before it has a place.
struct Piece<'a> {
    scene: Scene,
    run: Option<&'a [Block]>,
    width: i64,
    height: i64,
    /// The layer whose result leaves it, and where that ends.
    last: usize,
    exit: i64,
    connected: bool,
}

/// Lays out a whole network, one block of each run.
pub(super) fn network(drawing: &Drawing) -> Page {
    let pieces: Vec<Piece<'_>> = drawing.units.iter().filter_map(|unit| piece(drawing, unit)).collect();
    let mut page = Page::default();
    let limit = column_height(drawing, &pieces);
    let (mut x, mut y, mut width) = (0, 0, 0);
    // Where the result of the unit before leaves its last layer, and where that unit ends.
    let mut exit: Option<((i64, i64), i64)> = None;
    for piece in &pieces {
        let mut wraps = false;
        if y > 0 && y + piece.height > limit {
            x += width + BETWEEN_COLUMNS;
            (y, width, wraps) = (0, 0, true);
        }
        let entry = (x + PADDING + BOX / 2, y);
        if let Some((from, bottom)) = exit.filter(|_| piece.connected) {
            let points = if wraps {
                let (gutter, top, turn) = (x - BETWEEN_COLUMNS / 2, -TURN - 4, bottom + LABELLED_GAP - TURN);
                vec![from, (from.0, turn), (gutter, turn), (gutter, top), (entry.0, top), entry]
            } else {
                vec![from, entry]
            };
            page.scene.wires.push(Wire { points });
        }
        put(&mut page, piece, x, y);
        width = width.max(piece.width);
        page.scene.width = page.scene.width.max(x + piece.width);
        let bottom = y + piece.height;
        exit = Some(((entry.0, y + piece.exit), bottom));
        let labelled = exit_label(drawing, piece);
        if labelled {
            page.scene.labels.push(Label { layer: piece.last, x: entry.0 + 5, y: bottom + LABELLED_GAP / 2 + 1 });
        }
        y = bottom + if labelled { LABELLED_GAP } else { GAP };
        page.scene.height = page.scene.height.max(y);
    }
    page
}

/// A block by itself: its layers, with the edge that comes in.
pub(super) fn block(drawing: &Drawing, block: &Block) -> Scene {
    let mut scene = Scene::default();
    merge(&mut scene, &lanes::lay_out(drawing, &block.layers), PADDING, ENTRY);
    scene.width += 2 * PADDING;
    scene.height += ENTRY + PADDING;
    scene
}

fn piece<'a>(drawing: &Drawing, unit: &'a Unit) -> Option<Piece<'a>> {
    let (layers, run) = match unit {
        Unit::Layer(index) => (*index..index + 1, None),
        Unit::Blocks(run) => (run.first()?.layers.clone(), Some(run.as_slice())),
    };
    let mut scene = lanes::lay_out(drawing, &layers);
    if run.is_none() {
        // The edge from the unit before goes all the way.
        scene.wires.clear();
    }
    let connected = layers
        .clone()
        .filter_map(|index| drawing.layer(index))
        .any(|layer| layer.operands.iter().any(|operand| *operand < layers.start));
    let stack = run.map_or(0, |run| if run.len() > 1 { STACK } else { 0 });
    let (width, height) = match run {
        Some(_) => (scene.width + 2 * PADDING + stack, scene.height + HEADING + ENTRY + PADDING + stack),
        None => (scene.width + PADDING, scene.height),
    };
    let above = if run.is_some() { HEADING + ENTRY } else { 0 };
    let exit = above + scene.boxes.last().map_or(0, |last| last.y + last.height);
    Some(Piece { exit, scene, run, width, height, last: layers.end.saturating_sub(1), connected })
}

/// How far the frames of a run stick out behind the first.
pub(super) const STACK: i64 = 6;

/// Whether something is to be said about what leaves a unit: its shape changed, and somebody reads it.
fn exit_label(drawing: &Drawing, piece: &Piece<'_>) -> bool {
    let read_by_next = drawing.layer(piece.last + 1).is_some();
    let entered = match piece.scene.boxes.first() {
        Some(first) => first.layer.checked_sub(1).and_then(|before| drawing.layer(before)),
        None => None,
    };
    let shape = drawing.layer(piece.last).map(|layer| &layer.shape);
    read_by_next && entered.map(|layer| &layer.shape) != shape
}

/// The height of columns that makes the drawing about as wide as it should be, and leaves little of it empty.
fn column_height(drawing: &Drawing, pieces: &[Piece<'_>]) -> i64 {
    let gap = |piece: &Piece<'_>| if exit_label(drawing, piece) { LABELLED_GAP } else { GAP };
    let total: i64 = pieces.iter().map(|piece| piece.height + gap(piece)).sum();
    let tallest = pieces.iter().map(|piece| piece.height).max().unwrap_or(0);
    let badness = |limit: i64| {
        let (mut x, mut y, mut width, mut height, mut columns) = (0, 0, 0, 0, 1);
        for piece in pieces {
            if y > 0 && y + piece.height > limit {
                x += width + BETWEEN_COLUMNS;
                columns += 1;
                (y, width) = (0, 0);
            }
            y += piece.height;
            (width, height) = (width.max(piece.width), height.max(y));
            y += gap(piece);
        }
        let shape = ((x + width) as f64 / height.max(1) as f64 / ASPECT).ln().abs();
        let empty = 1.0 - total as f64 / (columns * (height + GAP)) as f64;
        ((shape + empty) * 1e6) as i64
    };
    // Columns of equal height, 1 to 40 of them, and somewhat higher ones.
    (1..=40)
        .flat_map(|columns| (0..8).map(move |more| (total / columns).max(tallest) * (32 + more) / 32 + GAP))
        .min_by_key(|limit| badness(*limit))
        .unwrap_or(total)
}

fn put(page: &mut Page, piece: &Piece<'_>, x: i64, y: i64) {
    let mut top = y;
    if let Some(run) = piece.run {
        let stack = if run.len() > 1 { STACK } else { 0 };
        let width = piece.width - stack;
        let times_width = if run.len() > 1 { 58 } else { 0 };
        page.frames.push(Frame {
            x,
            y,
            width,
            height: piece.height - stack,
            title: blocks::title(run, ((width - 20 - times_width) / LETTER) as usize),
            full_title: blocks::title(run, usize::MAX),
            times: run.len(),
        });
        top += HEADING + ENTRY;
    }
    merge(&mut page.scene, &piece.scene, x + PADDING, top);
}

/// Adds a scene at a place.
fn merge(scene: &mut Scene, part: &Scene, x: i64, y: i64) {
    scene.boxes.extend(part.boxes.iter().cloned().map(|mut placed| {
        placed.x += x;
        placed.y += y;
        placed
    }));
    let moved = |wire: &Wire| Wire { points: wire.points.iter().map(|(px, py)| (px + x, py + y)).collect() };
    scene.wires.extend(part.wires.iter().map(moved));
    scene.labels.extend(part.labels.iter().cloned().map(|mut label| {
        label.x += x;
        label.y += y;
        label
    }));
    scene.width = scene.width.max(part.width);
    scene.height = scene.height.max(part.height);
}
