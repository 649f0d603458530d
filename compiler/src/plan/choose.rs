//! How each convolution is computed: the decisions open to it, and a model of what each costs.
//!
//! The model counts in multiply-adds of one lane, the unit in which vector width and clock cancel out: products, the operations of
//! Winograd's transforms, and the weights that pass through, at so many multiply-adds per byte. It only has to rank; what it
//! is wrong about on a given machine, a [`Tuning`] made there puts right.

use std::collections::{BTreeMap, BTreeSet};

use super::geometry::{Algorithm, BLOCK, Direct, Grouped, Strassen, Winograd};
use super::layout::{extents, raw};
use super::{Decision, Settings, pack};
use crate::diagnostic::Diagnostics;
use crate::ir::{Conv, Graph, NodeId, Op};

/// The decision for each convolution.
pub type Decisions = BTreeMap<NodeId, Decision>;

/// A convolution as far as it bears on the decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Layer {
    /// Images.
    pub batch: usize,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Height and width of the output.
    pub output: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Vertical and horizontal step.
    pub stride: [usize; 2],
    /// Vertical and horizontal distance of neighbouring kernel elements.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// Whether the input is the network's own, with fewer channels than a block.
    pub raw: bool,
}

/// Multiply-adds in the time of a byte from memory.
const PER_BYTE: f64 = 4.0;
/// Bytes of weights that stay in a cache from one part of the map to the next.
const KEPT: f64 = 4.0 * 1024.0 * 1024.0;
/// What does not hide of the shorter of the two, computation and reading the weights.
const SHOWN: f64 = 0.8;
/// What is reached of the peak in sums of products, and in those of Winograd's, which are shorter.
const DIRECT: f64 = 0.92;
const SHORT: f64 = 0.85;
/// The same where groups lie in one block, so that Winograd's sums are of 16 products each, and every thread transforms all inputs for few.
const SHORTEST: f64 = 0.3;
/// The same in Strassen's multiplication with fewer channels than these on a side: what it saves on a core that is alone, it loses where
/// the core's other thread is busy.
const FEW: f64 = 0.8;
const MANY_CHANNELS: usize = 512;
/// Multiply-adds in the time of one in groups of few channels, and of reading a vector of input for it.
const WITHIN_GROUPS: f64 = 0.9;
const SPREAD: f64 = 1.3;
/// Most bytes of transformed input at a time: they are read for every panel, from a second-level cache. More where as many more tiles
/// share weights that do not stay in any cache from one group to the next.
const GROUP_BYTES: usize = 480 * 1024;
const HEAVY_GROUP_BYTES: usize = 1200 * 1024;
/// Tiles at a time, if there are so many: each weight that is read from afar is used as often.
const FEWEST: usize = 16;
/// Input values per pass: with 16 output channels their weights fill half of a first-level cache.
const PASS: usize = 288;
/// Bytes of a band's inputs of one pass: they are read for every panel, from a second-level cache, of which the core's other thread may
/// have half.
const BAND: usize = 100 * 1024;
/// A band's pixels at least: as often is each weight used that is read from afar.
const NARROWEST: usize = 96;
/// Input blocks of a quarter in Strassen's multiplication: with 16 output channels their weights fill a quarter of a first-level
/// cache, beside the inputs, which come from two places, and the slots.
const QUARTER: usize = 8;
/// Bytes of a band's inputs and of their sums, of one pass: they are read for every panel, from a second-level cache.
const PAIRS: usize = 210 * 1024;
/// Sums between passes: half as many bytes as a band's.
const SUMS: usize = 1 << 15;

/// Decides for every convolution: what was measured goes before the model.
pub(super) fn decisions(
    graph: &Graph,
    settings: &Settings,
    early: usize,
) -> Result<(Decisions, Diagnostics), Diagnostics> {
    let one_by_one: BTreeSet<NodeId> = graph.topological().into_iter().take(early).collect();
    let (mut decisions, mut problems) = (Decisions::new(), Diagnostics::new());
    let (mut seen, mut tuned_any) = (BTreeSet::new(), false);
    for (id, mut layer) in layers(graph) {
        if one_by_one.contains(&id) {
            layer.batch = 1;
        }
        let decision = match settings.tuning.get(&layer) {
            Some(tuned) => {
                tuned_any = true;
                if settings.exact && !sums_products(tuned.decision.algorithm) && seen.insert(layer) {
                    problems.push(tuned.inexact(&layer));
                }
                Some(tuned.decision)
            }
            None => layer.candidates(settings.exact).into_iter().next().map(Decision::from),
        };
        decisions.extend(decision.map(|decision| (id, decision)));
    }
    if !tuned_any && !settings.tuning.is_empty() {
        let some = layers(graph).into_iter().next();
        problems.push(settings.tuning.strange(some.map(|(_, layer)| layer).as_ref()));
    }
    problems.finish(decisions)
}

/// Whether an algorithm adds up the products of inputs and weights as they are: what is left of them in an exact network.
fn sums_products(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::Direct(_) | Algorithm::Grouped(_))
}

/// The convolutions of a graph in the order they run.
pub fn layers(graph: &Graph) -> Vec<(NodeId, Layer)> {
    let of = |id: NodeId| match graph.node(id).op() {
        Op::Conv(conv) => Some((id, Layer::of(graph, id, conv)?)),
        _ => None,
    };
    graph.topological().into_iter().filter_map(of).collect()
}

impl Layer {
    pub(super) fn of(graph: &Graph, id: NodeId, conv: &Conv) -> Option<Self> {
        let input = *graph.operands(id).first()?;
        let [batch, inputs, ..] = extents(graph.node(input).shape())?;
        let [_, _, height, width] = extents(graph.node(id).shape())?;
        let [outputs, ..] = graph.node(*graph.operands(id).get(1)?).shape().map()?;
        let Conv { kernel, stride, dilation, groups, .. } = *conv;
        let raw = raw(graph, input) && inputs < BLOCK;
        Some(Self { batch, inputs, outputs, output: [height, width], kernel, stride, dilation, groups, raw })
    }

    /// Input channels per panel, those that do not exist among them.
    fn depth(&self) -> usize {
        self.blocks() * self.block()
    }

    fn block(&self) -> usize {
        if self.raw { self.inputs } else { BLOCK }
    }

    /// Input blocks per panel.
    pub(super) fn blocks(&self) -> usize {
        pack::windows(self.inputs, self.outputs, self.groups, self.block()).0
    }

    /// Outputs along a side of the tiles that Winograd's minimal filtering may compute it in; none when it cannot.
    pub(super) fn winograd_tiles(&self) -> &'static [usize] {
        match (self.kernel, self.stride) {
            _ if self.dilation != [1, 1] => &[],
            ([3, 3], [1, 1] | [2, 2]) if !self.raw => &[2, 4],
            // A vector is read of each row, and must not be longer.
            ([7, 7], [2, 2])
                if self.raw
                    && self.groups == 1
                    && self.inputs <= Winograd::MOST_IN_PAIRS
                    && self.inputs * (2 * self.output[1] + 6) >= BLOCK =>
            {
                &[3]
            }
            _ => &[],
        }
    }

    /// Whether Strassen's multiplication computes it, if its input needs no frame.
    pub(super) fn has_strassen(&self) -> bool {
        !self.raw
            && self.kernel == [1, 1]
            && self.groups == 1
            && self.pixels() > 1
            && self.inputs.is_multiple_of(2 * BLOCK)
            && self.outputs.is_multiple_of(2 * BLOCK)
    }

    /// Pixels of an image.
    pub(super) fn pixels(&self) -> usize {
        self.output.iter().product()
    }

    /// Pairs of pixels of an image, in Strassen's multiplication.
    pub(super) fn pairs(&self) -> usize {
        self.pixels().div_ceil(2)
    }

    /// The groups of few channels that it is computed in, if it can be.
    pub(super) fn grouped(&self) -> Option<Grouped> {
        let channels = self.inputs / self.groups;
        let fits = self.groups > 1
            && !self.raw
            && self.inputs == self.outputs
            && BLOCK.is_multiple_of(channels)
            && Grouped::spans(self.kernel[1], self.stride[1], self.dilation[1]);
        fits.then_some(Grouped { channels })
    }

    fn lanes(&self) -> usize {
        self.outputs.next_multiple_of(BLOCK)
    }

    /// The decisions open to it, the one that the model holds for the cheapest first.
    pub(super) fn candidates(&self, exact: bool) -> Vec<Algorithm> {
        let mut candidates = vec![self.direct()];
        candidates.extend(self.grouped().map(Algorithm::Grouped));
        candidates.extend(self.winograd_tiles().iter().map(|outputs| self.winograd(*outputs)));
        if self.has_strassen() {
            candidates.push(self.strassen());
        }
        candidates.retain(|algorithm| !exact || sums_products(*algorithm));
        candidates.sort_by(|a, b| self.cost(*a).total_cmp(&self.cost(*b)));
        candidates
    }

    /// The same algorithm with what fits this layer's number of pixels and channels; weights are packed alike.
    pub(super) fn resize(&self, algorithm: Algorithm) -> Algorithm {
        match algorithm {
            Algorithm::Winograd(winograd) => self.winograd(winograd.outputs),
            Algorithm::Strassen(_) if !self.has_strassen() => self.direct(),
            Algorithm::Strassen(_) => self.strassen(),
            Algorithm::Direct(_) | Algorithm::Grouped(_) => algorithm,
        }
    }

    pub(super) fn direct(&self) -> Algorithm {
        let block = self.block();
        let [height, width] = self.kernel;
        let blocks = self.blocks().max(1);
        let fitting = (PASS / (height * width * block)).max(1);
        // As many passes as it takes, of even depth.
        let depth = blocks.div_ceil(blocks.div_ceil(fitting));
        // What a strided kernel leaves out comes along in part; 1 x 1 kernels read what was gathered.
        let spread = if self.kernel == [1, 1] { 1 } else { self.stride.iter().product::<usize>() };
        let per_pixel = depth * block * 4 * spread;
        Algorithm::Direct(Direct { band: (BAND / per_pixel).max(NARROWEST), depth, sums: SUMS })
    }

    fn winograd(&self, outputs: usize) -> Algorithm {
        let tiles = self.tiles(outputs);
        let winograd = Winograd { outputs, group: 1 };
        let products = winograd.products(self.stride[0]);
        // At stride 2 a factor serves several products.
        let fewest = FEWEST * winograd.factors() * winograd.factors() / products;
        let weights = winograd.factors() * winograd.factors() * self.lanes() * winograd.channels(self.depth()) * 4;
        let bytes = if weights as f64 > KEPT { HEAVY_GROUP_BYTES } else { GROUP_BYTES };
        // Of few input channels the sums of two panels are more, written and read.
        let sums = if winograd.in_pairs() { 4 * BLOCK } else { 0 };
        let most = (bytes / (products * (self.inputs.next_multiple_of(BLOCK) + sums) * 4)).max(fewest);
        Algorithm::Winograd(Winograd { outputs, group: tiles.div_ceil(tiles.div_ceil(most)) })
    }

    fn strassen(&self) -> Algorithm {
        let half = self.blocks() / 2;
        let depth = (1..=QUARTER.min(half)).rev().find(|depth| half.is_multiple_of(*depth)).unwrap_or(1);
        let pairs = self.pairs();
        // Both pixels of a pair, and the four sums of their quarters.
        let most = (PAIRS / (8 * depth * BLOCK * 4)).max(1);
        Algorithm::Strassen(Strassen { band: pairs.div_ceil(pairs.div_ceil(most)), depth })
    }

    /// Tiles of so many outputs to a side.
    pub(super) fn tiles(&self, outputs: usize) -> usize {
        self.batch * self.output.iter().map(|extent| extent.div_ceil(outputs)).product::<usize>()
    }

    /// Values of its packed weights, about: those of Winograd's minimal filtering, where it may compute the layer.
    pub(super) fn weights(&self) -> f64 {
        let direct = self.kernel.iter().product::<usize>() * self.depth();
        let of_winograd = |outputs: &usize| {
            let winograd = Winograd { outputs: *outputs, group: 1 };
            winograd.factors() * winograd.factors() * winograd.channels(self.depth())
        };
        (self.lanes() * self.winograd_tiles().iter().map(of_winograd).max().unwrap_or(direct)) as f64
    }

    /// Multiply-adds that take as long.
    pub(super) fn cost(&self, algorithm: Algorithm) -> f64 {
        let (lanes, depth) = (self.lanes() as f64, self.depth() as f64);
        let taps = (self.kernel[0] * self.kernel[1]) as f64;
        let pixels = (self.batch * self.output[0] * self.output[1]) as f64;
        // Its arithmetic, its weights, and how often these pass through: once for each part of the map that lies in a near cache.
        let (compute, weights, times) = match algorithm {
            Algorithm::Direct(direct) => {
                (pixels * lanes * depth * taps / DIRECT, lanes * depth * taps, pixels / direct.band as f64)
            }
            Algorithm::Grouped(grouped) => {
                let channels = grouped.channels as f64;
                // Each vector of input that is read serves as many columns of the kernel as fit its stride.
                let reads = (self.stride[1] as f64 / self.kernel[1] as f64).min(1.0);
                let per_product = WITHIN_GROUPS + SPREAD * reads;
                (pixels * lanes * channels * taps * per_product, lanes * channels * taps, 1.0)
            }
            Algorithm::Winograd(winograd) => {
                let outputs = winograd.outputs;
                let along = self.output.map(|extent| winograd.along(extent, self.stride[0]) as f64);
                let products = self.batch as f64 * along[0] * along[1];
                let factors = (winograd.factors() * winograd.factors()) as f64;
                // Loads, operations and stores of the transforms, per channel of a tile.
                let (into, back) = match (outputs, self.stride) {
                    (4, [1, 1]) => (150.0, 130.0),
                    (3, _) => (150.0, 100.0),
                    (4, _) => (260.0, 200.0),
                    (_, [1, 1]) => (40.0, 36.0),
                    (..) => (60.0, 45.0),
                };
                let inputs = self.inputs.next_multiple_of(BLOCK) as f64;
                let tiles = self.tiles(outputs) as f64;
                let transforms = tiles * (inputs * into + lanes * back);
                let reached = if self.groups > 1 && self.blocks() == 1 { SHORTEST } else { SHORT };
                let depth = winograd.channels(self.depth()) as f64;
                (
                    products * lanes * depth / reached + transforms,
                    factors * lanes * depth,
                    tiles / winograd.group as f64,
                )
            }
            Algorithm::Strassen(strassen) => {
                let pixels = (self.batch * 2 * self.pairs()) as f64;
                let products = pixels * lanes * depth * Strassen::PRODUCTS as f64 / 8.0;
                // Loads, additions and stores: of the sums of inputs, and of what outputs share and passes leave unfinished.
                let passes = strassen.passes(self.blocks()) as f64;
                let reached = if self.inputs.min(self.outputs) < MANY_CHANNELS { FEW } else { DIRECT };
                let sums = pixels * (depth * 4.0 + lanes * (6.0 + 3.0 * passes));
                (
                    products / reached + sums,
                    lanes * depth * Strassen::PRODUCTS as f64 / 4.0,
                    pixels / 2.0 / strassen.band as f64,
                )
            }
        };
        // A little of the shorter of the two hides behind the longer.
        let bytes = 4.0 * weights;
        let stream = if bytes > KEPT { bytes * times.ceil() } else { bytes } * PER_BYTE;
        compute.max(stream) + SHOWN * compute.min(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(channels: usize, size: usize) -> Layer {
        Layer {
            batch: 1,
            inputs: channels,
            outputs: channels,
            output: [size, size],
            kernel: [3, 3],
            stride: [1, 1],
            dilation: [1, 1],
            groups: 1,
            raw: false,
        }
    }

    fn tile(layer: Layer) -> Option<usize> {
        match layer.candidates(false).first() {
            Some(Algorithm::Winograd(winograd)) => Some(winograd.outputs),
            _ => None,
        }
    }

    #[test]
    fn large_maps_take_large_tiles_and_heavy_weights_small_ones() {
        assert_eq!(tile(layer(64, 56)), Some(4));
        assert_eq!(tile(layer(128, 28)), Some(4));
        // 22 products along a side for 14 outputs: tiles of 4, 4, 4 and 2.
        assert_eq!(tile(layer(256, 14)), Some(4));
        assert_eq!(tile(layer(256, 15)), Some(4));
        assert_eq!(tile(layer(512, 7)), Some(2));
        assert_eq!(tile(layer(512, 1)), None);
        assert_eq!(tile(Layer { batch: 8, ..layer(512, 7) }), Some(4));
        assert_eq!(tile(Layer { stride: [2, 2], ..layer(128, 28) }), Some(4));
        assert_eq!(tile(Layer { stride: [2, 2], ..layer(512, 7) }), None);
        // A few images at a time: their factors would pass through for each few.
        assert_eq!(tile(Layer { batch: 8, stride: [2, 2], ..layer(512, 7) }), None);
        assert_eq!(tile(Layer { stride: [3, 3], ..layer(128, 28) }), None);
    }

    #[test]
    fn stems_over_few_channels_take_pixels_in_pairs() {
        let stem = Layer { inputs: 3, outputs: 64, kernel: [7, 7], stride: [2, 2], raw: true, ..layer(0, 112) };
        let first = |layer: Layer| layer.candidates(false).first().copied();
        assert_eq!(first(stem), Some(Algorithm::Winograd(Winograd { outputs: 3, group: 42 })));
        assert_eq!(tile(Layer { inputs: 1, ..stem }), Some(3));
        for other in [
            Layer { inputs: 12, ..stem },
            Layer { kernel: [5, 5], ..stem },
            Layer { stride: [2, 1], ..stem },
            Layer { dilation: [2, 2], ..stem },
            Layer { inputs: 4, outputs: 64, groups: 4, ..stem },
        ] {
            assert!(matches!(first(other), Some(Algorithm::Direct(_))), "{other}");
        }
        assert!(matches!(stem.candidates(true)[..], [Algorithm::Direct(_)]));
    }

    #[test]
    fn pointwise_kernels_between_many_channels_take_seven_products_for_eight() {
        let pointwise = |inputs, outputs, size| Layer { inputs, outputs, kernel: [1, 1], ..layer(0, size) };
        let first = |layer: Layer| layer.candidates(false).first().copied();
        assert_eq!(first(pointwise(1024, 512, 14)), Some(Algorithm::Strassen(Strassen { band: 49, depth: 8 })));
        assert_eq!(first(pointwise(512, 512, 28)), Some(Algorithm::Strassen(Strassen { band: 49, depth: 8 })));
        for other in [
            pointwise(64, 64, 56),
            pointwise(1024, 256, 14),
            pointwise(256, 1024, 14),
            pointwise(512, 2048, 1),
            pointwise(512, 2048, 7),
            pointwise(1024, 520, 14),
            Layer { groups: 2, ..pointwise(1024, 512, 14) },
        ] {
            assert!(matches!(first(other), Some(Algorithm::Direct(_))), "{other}");
        }
        assert!(matches!(pointwise(1024, 512, 14).candidates(true)[..], [Algorithm::Direct(_)]));
    }

    #[test]
    fn groups_of_few_channels_have_their_own_kernel() {
        let grouped = |layer: Layer| match layer.candidates(false).first() {
            Some(Algorithm::Grouped(grouped)) => Some(grouped.channels),
            _ => None,
        };
        let next = |channels, size| Layer { groups: 32, ..layer(channels, size) };
        assert_eq!(grouped(next(128, 56)), Some(4));
        assert_eq!(grouped(Layer { stride: [2, 2], ..next(256, 28) }), Some(8));
        assert_eq!(grouped(next(256, 28)), Some(8));
        assert_eq!(grouped(Layer { groups: 64, ..next(128, 28) }), Some(2));
        assert_eq!(grouped(Layer { groups: 24, kernel: [5, 5], ..next(24, 28) }), Some(1));
        // A block that is one group has no zeros to leave out, and sums too short for Winograd.
        assert!(matches!(next(512, 14).candidates(false).first(), Some(Algorithm::Direct(_))));
        assert!(matches!(next(512, 14).candidates(true).first(), Some(Algorithm::Direct(_))));
        for other in [
            next(96, 14),
            next(1024, 7),
            Layer { outputs: 256, ..next(128, 56) },
            Layer { kernel: [1, 9], ..next(128, 56) },
            Layer { dilation: [1, 4], ..next(128, 56) },
            Layer { stride: [1, 4], ..next(128, 56) },
            Layer { groups: 1, ..next(16, 8) },
        ] {
            assert_eq!(other.grouped(), None, "{other}");
        }
        assert!(next(128, 56).candidates(true).contains(&Algorithm::Grouped(Grouped { channels: 4 })));
    }

    #[test]
    fn groups_of_tiles_are_even() {
        assert_eq!(layer(64, 56).winograd(4), Algorithm::Winograd(Winograd { outputs: 4, group: 49 }));
        assert_eq!(layer(256, 14).winograd(4), Algorithm::Winograd(Winograd { outputs: 4, group: 16 }));
        // Fewer groups read the weights, of 9 MB.
        let batch = Layer { batch: 8, ..layer(256, 14) };
        assert_eq!(batch.winograd(4), Algorithm::Winograd(Winograd { outputs: 4, group: 32 }));
        assert!(layer(64, 56).candidates(true).iter().all(|choice| matches!(choice, Algorithm::Direct(_))));
    }
}
