//! Layers computed together, part by part: which chains of the graph are, and how their rows follow from each other.
//!
//! Of each layer but the last only the rows exist that the next one reads at the time: they roll through a buffer. The last layer's rows
//! are written in bands; before each, every layer computes the rows that are new, so that no row is computed twice. A global pool's
//! conv goes by channels instead: each part of them is computed whole, pooled, and written over by the next.
//!
//! **What it is worth.** Maps that a near cache does not hold come back from a far one, but convolutions hide most of that behind their
//! arithmetic: on Zen 3 ResNet-50's blocks are as fast either way. What counts is what element-wise layers and pools write and read,
//! and maps that no cache holds at all. Against that stand the weights, which pass through once for each band.

use std::fmt;

use super::choose::{Decisions, Layer};
use super::geometry::{Algorithm, BLOCK};
use super::layout::extents;
use super::traffic;
use crate::ir::{self, ChainKind, Graph, NodeId, Op};

/// Bytes of a second-level cache.
const NEAR: f64 = traffic::NEAR as f64;
/// Bytes of a map that no cache holds until it is read again.
const FAR: f64 = 16.0 * 1024.0 * 1024.0;
/// What shows of the bytes of weights that pass through again.
const SHOWN: f64 = 0.25;
/// Rows of a band at least, and a divisor of their number: those of a tile of Winograd's.
const ROWS: usize = 4;
/// The same of channels: those of two panels, which a register tile may span.
const CHANNELS: usize = 2 * BLOCK;

/// A chain as it is carried out: the nodes, and how much of the last is computed at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chain {
    pub kind: ChainKind,
    pub nodes: Vec<NodeId>,
    /// Rows, or channels.
    pub part: usize,
}

/// What became of a chain of the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What its layers are.
    pub kind: ChainKind,
    /// The names of its layers.
    pub layers: Vec<String>,
    /// How many parts it is computed in; 1 when its layers are computed one by one.
    pub parts: usize,
    /// Why, in words.
    pub reason: String,
}

/// `bottleneck of conv1, conv2, conv3: in 14 parts: ...`
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layers = self.layers.join(", ");
        write!(f, "{} of {layers}: ", self.kind.name())?;
        if self.parts > 1 {
            write!(f, "in {} parts: {}", self.parts, self.reason)
        } else {
            write!(f, "layer by layer: {}", self.reason)
        }
    }
}

/// Decides about every chain. The first nodes, in topological order, run image by image.
pub(super) fn decide(graph: &Graph, decisions: &Decisions, early: usize) -> (Vec<Chain>, Vec<Verdict>) {
    let order = graph.topological();
    let (mut chains, mut verdicts) = (Vec::new(), Vec::new());
    for chain in graph.chains() {
        let Some(last) = chain.nodes.last() else { continue };
        let one_by_one = order.iter().position(|id| id == last).is_some_and(|position| position < early);
        let Some(account) = Account::new(graph, chain, one_by_one) else { continue };
        let (part, mut verdict) = account.verdict(graph, chain);
        let by_rows = chain.kind != ChainKind::GlobalPool;
        if verdict.parts > 1 && by_rows && !possible(graph, decisions, &chain.nodes, part) {
            verdict.parts = 1;
            verdict.reason = "a part would need rows that are not there".to_owned();
        }
        if verdict.parts > 1 {
            chains.push(Chain { kind: chain.kind, nodes: chain.nodes.clone(), part });
        }
        verdicts.push(verdict);
    }
    (chains, verdicts)
}

/// What a chain writes, and its weights, in bytes; of one image, or of all, whichever it computes at a time.
struct Account {
    /// The results in order.
    results: Vec<f64>,
    /// Whether the step that makes a result, or the one that reads it, has too little arithmetic to hide the way to memory.
    bare: Vec<bool>,
    weights: f64,
    /// Rows of the last layer, or channels.
    extent: usize,
    /// A part is as many of them, or a multiple.
    unit: usize,
}

impl Account {
    fn new(graph: &Graph, chain: &ir::Chain, one_by_one: bool) -> Option<Self> {
        let bytes = |id: NodeId| {
            let [batch, channels, height, width] = extents(graph.node(id).shape())?;
            let images = if one_by_one { 1 } else { batch };
            Some((images * channels.next_multiple_of(BLOCK) * height * width * 4) as f64)
        };
        let last = *chain.nodes.last()?;
        let results = chain.nodes.iter().map(|id| bytes(*id)).collect::<Option<Vec<_>>>()?;
        let light = |id: &NodeId| !matches!(graph.node(*id).op(), Op::Conv(_));
        let follows = chain.nodes.iter().skip(1).map(light).chain([false]);
        let bare = chain.nodes.iter().map(light).zip(follows).map(|(one, other)| one || other).collect();
        let mut weights = 0.0;
        for id in &chain.nodes {
            if let Op::Conv(conv) = graph.node(*id).op() {
                weights += 4.0 * Layer::of(graph, *id, conv)?.weights();
            }
        }
        let [_, channels, height, _] = extents(graph.node(last).shape())?;
        let (extent, unit) = match chain.kind {
            ChainKind::GlobalPool => (channels, CHANNELS),
            ChainKind::StemPool | ChainKind::Bottleneck => (height, ROWS),
        };
        Some(Self { results, bare, weights, extent, unit })
    }

    fn verdict(&self, graph: &Graph, chain: &ir::Chain) -> (usize, Verdict) {
        let inside = self.results.len().saturating_sub(1);
        let shows =
            |(bytes, bare): (&f64, &bool)| if *bare && *bytes > NEAR || *bytes > FAR { 2.0 * bytes } else { 0.0 };
        let saved: f64 = self.results.iter().zip(&self.bare).take(inside).map(shows).sum();
        let part = self.part(inside, chain.forced);
        let parts = self.extent.div_ceil(part);
        let again = match chain.kind {
            // Each part has weights of its own.
            ChainKind::GlobalPool => 0.0,
            ChainKind::StemPool | ChainKind::Bottleneck if self.weights > NEAR / 2.0 => {
                self.weights * (parts - 1) as f64
            }
            ChainKind::StemPool | ChainKind::Bottleneck => 0.0,
        };
        let pays = saved > SHOWN * again;
        let reason = match (parts > 1, saved > 0.0, pays, chain.forced) {
            (false, ..) => "one part holds all of it".to_owned(),
            (_, true, true, _) => {
                "what pools and element-wise layers read and write is not hidden by arithmetic, or no cache holds it"
                    .to_owned()
            }
            (.., true) => "asked for".to_owned(),
            (_, false, ..) => "convolutions hide what they read and write behind their arithmetic".to_owned(),
            (_, true, false, _) => "the weights would pass through once for each part".to_owned(),
        };
        let together = parts > 1 && (pays || chain.forced);
        let verdict = Verdict {
            kind: chain.kind,
            layers: chain.nodes.iter().map(|id| graph.node(*id).name.clone()).collect(),
            parts: if together { parts } else { 1 },
            reason,
        };
        (part, verdict)
    }

    /// How much is computed at a time: as much as a near cache holds of all that lies between the layers, but more where the weights
    /// would pass through too often for that. What is forced is two parts at least.
    fn part(&self, inside: usize, forced: bool) -> usize {
        let between: f64 = self.results.iter().take(inside).sum();
        let held = (NEAR * self.extent as f64 / between) as usize / self.unit * self.unit;
        let fewest = if self.weights > NEAR / 2.0 && self.unit == ROWS {
            (SHOWN * self.weights * self.extent as f64 / (2.0 * between)).ceil() as usize
        } else {
            0
        };
        let part = held.max(self.unit).max(fewest.next_multiple_of(self.unit));
        let half = self.extent.div_ceil(2);
        let most = match (forced, half > self.unit) {
            (false, _) => self.extent,
            (true, true) => half.next_multiple_of(self.unit),
            (true, false) => half,
        };
        part.min(most).max(1)
    }
}

/// How a layer's rows follow from those of what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Rows that a row reads, from the first to the last.
    pub span: usize,
    /// Rows between those that neighbouring rows begin with.
    pub stride: usize,
    /// Rows above the input that the first row reads.
    pub padding: usize,
    /// Rows that are computed together: those that lack are read for, but not written.
    pub together: usize,
    /// Rows that are read beyond.
    pub beyond: usize,
    /// Rows of the result.
    pub height: usize,
}

impl Window {
    /// The rows that are read for some.
    fn reads(&self, rows: Rows) -> Rows {
        let covered = rows.count().next_multiple_of(self.together.max(1)) as isize;
        let from = rows.from * self.stride as isize - self.padding as isize;
        let last = from + (covered - 1) * self.stride as isize;
        Rows { from, to: last + (self.span + self.beyond) as isize }
    }
}

/// Rows from one to before another. Rows above the first of a map and behind its last are its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rows {
    pub from: isize,
    pub to: isize,
}

impl Rows {
    pub fn count(self) -> usize {
        usize::try_from(self.to - self.from).unwrap_or(0)
    }

    pub fn is_empty(self) -> bool {
        self.count() == 0
    }

    /// Those that exist, of so many.
    pub fn within(self, height: isize) -> Self {
        Self { from: self.from.clamp(0, height), to: self.to.clamp(0, height) }
    }
}

/// How the rows of a node follow from those of its input.
pub(super) fn window(graph: &Graph, decisions: &Decisions, id: NodeId) -> Option<Window> {
    let [_, _, height, _] = extents(graph.node(id).shape())?;
    let row = Window { span: 1, stride: 1, padding: 0, together: 1, beyond: 0, height };
    Some(match graph.node(id).op() {
        Op::Conv(conv) => {
            let (span, stride) = ((conv.kernel[0] - 1) * conv.dilation[0] + 1, conv.stride[0]);
            let (together, beyond) = match decisions.get(&id)?.algorithm {
                // Where tiles at the end have all products, the windows of rows that do not exist are read.
                Algorithm::Winograd(winograd) if winograd.covered(1, stride) > 1 => {
                    (winograd.outputs, winograd.beyond()[0])
                }
                Algorithm::Winograd(winograd) => (1, winograd.beyond()[0]),
                _ => (1, 0),
            };
            Window { span, stride, padding: conv.padding.top, together, beyond, height }
        }
        Op::MaxPool(pool) => Window { span: pool.kernel[0], stride: pool.stride[0], padding: pool.padding.top, ..row },
        Op::Pad(pad) => Window { padding: pad.spatial.top, ..row },
        _ => row,
    })
}

/// Whether a chain can be computed in such bands: no step reads only rows that do not exist, or more rows of the chain's input than its map
/// has with the frame that a conv asks for.
fn possible(graph: &Graph, decisions: &Decisions, nodes: &[NodeId], rows: usize) -> bool {
    let Some(windows) = nodes.iter().map(|id| window(graph, decisions, *id)).collect::<Option<Vec<_>>>() else {
        return false;
    };
    let heights: Vec<isize> = nodes
        .iter()
        .filter_map(|id| extents(graph.node(*graph.operands(*id).first()?).shape()))
        .map(|[_, _, height, _]| height as isize)
        .collect();
    let deepest = |window: &Window| window.reads(Rows { from: 0, to: window.height as isize }).to;
    let bands = bands(&windows, rows);
    let some = bands.iter().flatten().zip(nodes.iter().zip(&heights).cycle()).all(|(turn, (id, height))| {
        turn.rows.is_empty() || matches!(graph.node(*id).op(), Op::Conv(_)) || !turn.reads.within(*height).is_empty()
    });
    let inside = windows.first().zip(heights.first()).is_some_and(|(window, height)| {
        let most = deepest(window).max(*height);
        bands.iter().filter_map(|band| band.first()).all(|turn| turn.rows.is_empty() || turn.reads.to <= most)
    });
    some && inside
}

/// What a layer does for a band.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    /// The rows that it computes; none when the ones there suffice.
    pub rows: Rows,
    /// The rows of its input that it reads for them, those of its frame among them.
    pub reads: Rows,
    /// The rows that its buffer holds from then on, those of its frame among them.
    pub holds: Rows,
    /// Those of them that it held before: they move up, by as many rows as `holds` begins later than it did.
    pub keeps: Rows,
}

/// A band: a turn for each layer.
pub(super) type Band = Vec<Turn>;

/// The bands of layers that follow each other, for so many rows of the last at a time.
pub(super) fn bands(layers: &[Window], rows: usize) -> Vec<Band> {
    let shallow = to_depths(layers, rows, &vec![0; layers.len()]);
    // How far down each layer is read, into its frame.
    let depth = |index: usize, height: usize| {
        let read = shallow.iter().filter_map(|band| band.get(index + 1)).filter(|turn| !turn.rows.is_empty());
        read.map(|turn| turn.reads.to).max().unwrap_or(0).max(height as isize)
    };
    let depths: Vec<isize> = layers.iter().enumerate().map(|(index, layer)| depth(index, layer.height)).collect();
    to_depths(layers, rows, &depths)
}

/// The bands when each layer's frame is so deep below its last row.
fn to_depths(layers: &[Window], rows: usize, depths: &[isize]) -> Vec<Band> {
    let Some(last) = layers.last() else { return Vec::new() };
    let mut bands: Vec<Band> = Vec::new();
    let mut first = 0;
    while first < last.height {
        let end = (first + rows.max(1)).min(last.height);
        let mut band: Band = Vec::with_capacity(layers.len());
        // What the layer at hand has to hold. None when the one behind it computes nothing.
        let mut wanted = Some(Rows { from: first as isize, to: end as isize });
        for (index, (layer, depth)) in layers.iter().zip(depths).enumerate().rev() {
            let before = bands.last().and_then(|band| band.get(index)).copied();
            let (height, held) = (layer.height as isize, before.map(|turn| turn.holds));
            let done = held.map_or(0, |held| held.to.min(height));
            let to = wanted.map_or(done, |wanted| wanted.to.clamp(done, height.max(done)));
            let computes = Rows { from: done, to };
            let mut holds = match (wanted, held) {
                (Some(wanted), _) => wanted,
                (None, Some(held)) => held,
                (None, None) => computes,
            };
            holds.to = if to == height { *depth } else { to };
            // Windows that lie apart step over rows, which are computed all the same.
            if !computes.is_empty() {
                holds.from = holds.from.min(computes.from);
            }
            let kept = held.map_or(holds.from, |held| held.to.min(if to == done { held.to } else { done }));
            let keeps = Rows { from: holds.from, to: kept.max(holds.from) };
            let reads = layer.reads(computes);
            band.push(Turn { rows: computes, reads, holds, keeps });
            wanted = if computes.is_empty() { None } else { Some(reads) };
        }
        band.reverse();
        bands.push(band);
        first = end;
    }
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conv(span: usize, stride: usize, height: usize) -> Window {
        Window { span, stride, padding: span / 2, together: 1, beyond: 0, height }
    }

    /// Walks the bands as a program does, with a buffer per layer that holds the number of the row in each place.
    fn walk(layers: &[Window], input: usize, rows: usize) {
        let bands = bands(layers, rows);
        let mut held: Vec<Vec<Option<isize>>> = vec![Vec::new(); layers.len()];
        let mut computed: Vec<Vec<isize>> = vec![Vec::new(); layers.len()];
        for (number, band) in bands.iter().enumerate() {
            for (index, turn) in band.iter().enumerate() {
                let layer = layers[index];
                let mut buffer = vec![None; turn.holds.count()];
                for row in turn.keeps.from..turn.keeps.to {
                    let at = row - bands[number - 1][index].holds.from;
                    buffer[(row - turn.holds.from) as usize] = held[index][at as usize];
                }
                for row in turn.rows.from..turn.rows.to {
                    assert!(turn.reads.from <= row * layer.stride as isize - layer.padding as isize);
                    buffer[(row - turn.holds.from) as usize] = Some(row);
                    computed[index].push(row);
                }
                // Frames are written with the first and the last row.
                if turn.rows.from == 0 {
                    (turn.holds.from..0).for_each(|row| buffer[(row - turn.holds.from) as usize] = Some(row));
                }
                if turn.rows.to == layer.height as isize {
                    (turn.rows.to..turn.holds.to).for_each(|row| buffer[(row - turn.holds.from) as usize] = Some(row));
                }
                if !turn.rows.is_empty() {
                    for row in turn.reads.from..turn.reads.to {
                        match index.checked_sub(1) {
                            Some(before) => {
                                let at = row - band[before].holds.from;
                                assert_eq!(held[before][at as usize], Some(row), "{layers:?} {rows} {turn:?}");
                            }
                            None => assert!(row < (input + layer.span) as isize),
                        }
                    }
                }
                held[index] = buffer;
            }
        }
        for (layer, computed) in layers.iter().zip(&computed) {
            assert!(computed.iter().copied().eq(0..computed.len() as isize), "every row once, in order");
            assert!(computed.len() <= layer.height);
        }
        assert_eq!(computed.last().unwrap().len(), layers.last().unwrap().height);
    }

    #[test]
    fn every_row_is_computed_once_and_is_there_when_it_is_read() {
        for height in [1, 2, 5, 7, 14, 28] {
            for rows in [1, 2, 3, 4, 5, 8, 30] {
                walk(&[conv(1, 1, height), conv(3, 1, height), conv(1, 1, height)], height, rows);
                walk(&[conv(3, 1, height), conv(3, 1, height)], height, rows);
                walk(&[conv(1, 1, height), conv(5, 1, height), conv(3, 1, height), conv(7, 1, height)], height, rows);
                walk(&[conv(1, 1, 2 * height), conv(3, 2, height), conv(1, 1, height)], 2 * height, rows);
                let pool = Window { span: 3, stride: 2, padding: 1, together: 1, beyond: 0, height };
                walk(&[conv(7, 2, 2 * height), pool], 4 * height, rows);
                let apart = Window { span: 1, stride: 3, padding: 0, together: 1, beyond: 0, height };
                walk(&[conv(3, 1, 3 * height), apart], 3 * height, rows);
                let winograd = Window { together: 4, ..conv(3, 2, height) };
                walk(&[conv(1, 1, 2 * height), winograd, conv(1, 1, height)], 2 * height, rows);
            }
        }
    }
}
