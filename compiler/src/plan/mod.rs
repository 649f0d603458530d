//! Stage 3: every decision, no tokens.
//!
//! The graph becomes a list of steps in the order they run. Each has its geometry (shapes and layouts as
//! `runtime/src/geometry.rs` defines them), its register tiles, its places in the arena and in the packed weights.

mod arena;
mod bands;
mod choose;
mod denormal;
#[path = "../../../runtime/src/geometry.rs"]
pub mod geometry;
mod images;
pub(crate) mod layout;
mod lower;
mod pack;
mod tile;
mod traffic;
pub mod tuning;
mod variants;

use std::fmt;

pub use bands::Verdict;
pub use choose::{Decisions, Layer, layers};
pub use tile::{Tile, Tiles};
pub use tuning::{Decision, Pixels, Tuned, Tuning};

use crate::diagnostic::Diagnostics;
use crate::ir::{Graph, Layout, Nest, NodeId, Op, scalar};
use geometry::{
    Algorithm, ChannelsGeometry, ConvGeometry, DenseGeometry, Direct, ElementwiseGeometry, FlattenGeometry,
    GlobalPoolGeometry, GroupNormGeometry, Grouped, Images, InputGeometry, Operand, OutputGeometry, PoolGeometry,
    RemapGeometry, SoftmaxGeometry, Strassen, Winograd,
};

/// A network with every decision taken.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The steps in the order they run.
    pub steps: Vec<Step>,
    /// The node of the graph that each step is a part of, beside `steps`.
    pub nodes: Vec<NodeId>,
    /// Names, shapes in the caller's order of axes, and whether channels are last; at least one.
    pub inputs: Vec<Input>,
    /// Names and shapes of the outputs, in the network's order; at least one.
    pub outputs: Vec<Output>,
    /// Length of the arena in f32 values.
    pub arena: usize,
    /// The most f32 values that are alive at once: no arena can be smaller.
    pub arena_lower_bound: usize,
    /// What became of the chains of the graph: layers that may be computed together.
    pub chains: Vec<Verdict>,
    /// The packed weights as they lie in the blob behind its header.
    pub weights: Vec<f32>,
    /// Says which plan the packed weights belong to.
    pub fingerprint: u64,
}

/// An input of the network as the caller gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// `[N, C, H, W]`, or `[N, H, W, C]` when the channels are last; of an array any.
    pub shape: Vec<usize>,
    /// Whether the channels are last.
    pub channels_last: bool,
}

/// The inputs of a network as the caller gives them.
pub fn inputs(graph: &Graph) -> Vec<Input> {
    let described = |id| {
        let node = graph.node(id);
        let (shape, channels_last) = match (node.op(), node.shape().map()) {
            (Op::Input(Layout::Nhwc), Some([n, c, h, w])) => (vec![n, h, w, c], true),
            _ => (node.shape().0.clone(), false),
        };
        Input { name: node.name.clone(), shape, channels_last }
    };
    graph.inputs().into_iter().map(described).collect()
}

/// An output of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// `[N, C, H, W]` or `[N, C]`; of an array any.
    pub shape: Vec<usize>,
    /// Whether it went through softmax.
    pub softmax: bool,
}

/// One step of the program.
#[derive(Debug, Clone)]
pub struct Step {
    /// The layer's name in the user's file.
    pub name: String,
    /// What it does, as a specification: operation, shapes, epilogue.
    pub summary: String,
    /// Shape of the result: `[N, C, H, W]` or `[N, C]`; of an array any.
    pub shape: Vec<usize>,
    /// Weights and biases it uses, after the passes.
    pub parameters: u64,
    /// Multiply-accumulates for one image.
    pub macs: u64,
    /// The kernel that runs it.
    pub kernel: Kernel,
    /// Where it reads and writes.
    pub operands: Operands,
    /// How often it runs, and where it finds each image.
    pub images: Images,
    /// The part of its layer's result that it computes, where others compute the rest.
    pub part: Option<Section>,
}

/// A part of a map: some channels, some rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// The first channel, and the one behind the last.
    pub channels: [usize; 2],
    /// The first row, and the one behind the last.
    pub rows: [usize; 2],
}

/// A kernel with its geometry.
#[expect(clippy::large_enum_variant, reason = "there are a few hundred, most of them convolutions")]
#[derive(Debug, Clone)]
pub enum Kernel {
    /// The caller's buffer into the first map.
    Input(InputGeometry),
    /// A convolution.
    Conv {
        /// Shapes and layouts; `first_block` is empty here, see beside.
        geometry: ConvGeometry,
        /// The first input block of each panel's window; empty when each begins at block 0.
        first_block: Vec<usize>,
        /// Register tiles.
        tiles: Tiles,
    },
    /// A pooling layer.
    Pool(PoolGeometry),
    /// A sum or product, a scale and shift, an activation.
    Elementwise(ElementwiseGeometry),
    /// A group normalisation.
    GroupNorm(GroupNormGeometry),
    /// A strided, shifted copy.
    Remap(RemapGeometry),
    /// A copy of channels: a part of a concatenation, a slice.
    Channels(ChannelsGeometry),
    /// Maximum or mean over a map.
    GlobalPool(GlobalPoolGeometry),
    /// A dense layer.
    Dense(DenseGeometry),
    /// Softmax.
    Softmax(SoftmaxGeometry),
    /// A map as a vector.
    Flatten(FlattenGeometry),
    /// A map or a vector into an array.
    AsArray(OutputGeometry),
    /// An array into a map or a vector.
    AsMap(InputGeometry),
    /// A loop nest over arrays.
    Nest {
        /// What it computes, and how it reads.
        nest: Box<Nest>,
        /// Lengths of its operands.
        lengths: Vec<usize>,
        /// Which of them lies among the weights.
        constant: Option<Operand>,
    },
    /// A map into one of the network's outputs.
    Output(OutputGeometry),
}

/// Offsets of what a step reads and writes, in f32 values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Operands {
    /// What is read, in the arena.
    pub input: Option<usize>,
    /// What else is read, in the arena: a shortcut, the second term of a sum or factor of a product.
    pub other: Option<usize>,
    /// What is written, in the arena.
    pub output: Option<usize>,
    /// Where its weights begin, in the packed weights.
    pub weights: Option<usize>,
    /// The index of the network's input that is read, of a step that reads one.
    pub network_input: Option<usize>,
    /// The index of the network's output that is written, of a step that writes one.
    pub network_output: Option<usize>,
}

impl Kernel {
    /// How a convolution is computed: algorithm, loop order, register tiles.
    pub fn algorithm(&self) -> Option<String> {
        let Self::Conv { geometry, tiles: Tiles { avx512, avx2, neon, portable }, .. } = self else { return None };
        let algorithm = match geometry.algorithm {
            Algorithm::Direct(Direct { band, depth, .. }) => {
                format!("direct, {band} pixels and {depth} input blocks at a time")
            }
            Algorithm::Winograd(winograd @ Winograd { outputs, group }) => {
                let taps = winograd.taps();
                let pairs = if winograd.in_pairs() { " of pixels two by two" } else { "" };
                format!("winograd F({outputs}x{outputs}, {taps}x{taps}){pairs}, {group} tiles at a time")
            }
            Algorithm::Strassen(Strassen { band, depth }) => {
                format!("strassen, {band} pairs of pixels and 2 x {depth} input blocks at a time")
            }
            Algorithm::Grouped(Grouped { channels }) => format!("grouped, {channels} channels per group"),
        };
        Some(format!(
            "{algorithm}; register tiles of {} pixels (AVX-512), {} (AVX2), {} (NEON), {} (portable)",
            avx512.pixels, avx2.pixels, neon.pixels, portable.pixels
        ))
    }
}

/// What became of the chains; then `conv1: conv 7x7 ...`, with places and algorithm on lines of their own; offsets and lengths in f32
/// values.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "arena {}, at least {}; weights {}", self.arena, self.arena_lower_bound, self.weights.len())?;
        for verdict in &self.chains {
            writeln!(f, "{verdict}")?;
        }
        for step in &self.steps {
            let Operands { input, other, output, weights, network_input, network_output } = step.operands;
            let places: Vec<String> = [
                ("reads input", network_input),
                ("reads", input),
                ("and", other),
                ("writes", output),
                ("writes output", network_output),
                ("weights at", weights),
            ]
            .into_iter()
            .filter_map(|(word, place)| place.map(|place| format!("{word} {place}")))
            .collect();
            writeln!(f, "{}: {}\n    {}", step.name, step.summary, places.join(", "))?;
            if step.images.count > 1 {
                writeln!(f, "    image by image")?;
            }
            if let Some(algorithm) = step.kernel.algorithm() {
                writeln!(f, "    {algorithm}")?;
            }
        }
        Ok(())
    }
}

/// First bytes of a blob.
const MAGIC: &[u8; 8] = b"RESNETW1";

impl Plan {
    /// The blob: header and packed weights, as the program includes or opens it.
    pub fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::with_capacity(64 + self.weights.len() * 4);
        blob.extend_from_slice(MAGIC);
        blob.extend_from_slice(&self.fingerprint.to_le_bytes());
        blob.extend_from_slice(&(self.weights.len() as u64).to_le_bytes());
        blob.extend_from_slice(&pack::checksum(&self.weights).to_le_bytes());
        blob.resize(64, 0);
        blob.extend(self.weights.iter().flat_map(|value| value.to_le_bytes()));
        blob
    }

    /// Images of a call: the first extent of its maps; 1 where an input is an array, which has no images.
    pub fn images(&self) -> usize {
        let first = |input: &Input| match input.shape.as_slice() {
            [images, _, _, _] => Some(*images),
            _ => None,
        };
        let mut all = self.inputs.iter().map(first);
        match all.next().flatten() {
            Some(images) if all.all(|other| other == Some(images)) => images,
            _ => 1,
        }
    }

    /// Bytes that a call is expected to fetch into a second-level cache of 512 KiB from beyond, on one thread, when others came before it:
    /// the steps, played through such a cache.
    pub fn fetched(&self) -> u64 {
        traffic::fetched(self)
    }

    /// Multiply-accumulates of convolutions and dense layers for one image.
    pub fn macs(&self) -> u64 {
        self.steps.iter().map(|step| step.macs).sum()
    }
}

/// What the plan is to heed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// Whether convolutions are sums of products only: no Winograd and no Strassen, whose rounding errors are a few times larger.
    pub exact: bool,
    /// Decisions that were measured; the model decides about all other layers.
    pub tuning: Tuning,
    /// How many nodes, in topological order, a batch goes through image by image; where not given, as many as the model holds for best.
    pub image_by_image: Option<usize>,
}

/// Takes every decision. Beside the plan stand doubts, such as weights too small to be worth their time.
///
/// # Errors
/// When the network has no input, or no output, or does not fit in memory, or when what was measured is at
/// odds with the settings.
pub fn plan(graph: &Graph, settings: &Settings) -> Result<(Plan, Diagnostics), Diagnostics> {
    let early = settings.image_by_image.unwrap_or_else(|| images::early(graph));
    let (decisions, mut doubts) = choose::decisions(graph, settings, early)?;
    let (plan, flushed) = carry_out(graph, &decisions, early)?;
    doubts.extend(flushed);
    Ok((plan, doubts))
}

/// Plans with the given decisions, one for each convolution. So many nodes, in topological order, run image by image.
///
/// # Errors
/// As [`plan`].
pub fn carry_out(graph: &Graph, decisions: &Decisions, early: usize) -> Result<(Plan, Diagnostics), Diagnostics> {
    // An array may hold all images, or parts of each.
    let early = if graph.ids().any(|id| graph.node(id).op().is_array()) { 0 } else { early };
    let (chains, verdicts) = bands::decide(graph, decisions, early);
    let layouts = layout::layouts(graph, decisions, &chains)?;
    let mut lowered = lower::lower(graph, &layouts, decisions, &chains, early)?;
    let arena = arena::assign(&lowered)?;
    let mut steps = lowered.steps;
    for (step, operands) in steps.iter_mut().zip(&arena.operands) {
        step.operands.input = operands.input;
        step.operands.other = operands.other;
        step.operands.output = operands.output;
    }
    let mut doubts = Diagnostics::new();
    doubts.0.extend(denormal::flush(&steps, &mut lowered.weights));
    let fingerprint = pack::fnv(format!("{steps:?} {}", arena.length).as_bytes());
    let plan = Plan {
        steps,
        nodes: lowered.nodes,
        inputs: lowered.inputs,
        outputs: lowered.outputs,
        arena: arena.length,
        arena_lower_bound: arena.lower_bound,
        chains: verdicts,
        weights: lowered.weights,
        fingerprint,
    };
    Ok((plan, doubts))
}
