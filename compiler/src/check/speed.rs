//! What takes longer than it could, and why, from what passes and plan did.
//!
//! Only what matters is told: what takes at least as long as a two hundredth of the network's multiply-adds. A byte that is moved counts as
//! four of them, as in the plan's model of costs, or as one where a near cache holds the maps.

use std::collections::BTreeMap;

use super::{Case, Finding, Topic};
use crate::diagnostic::Diagnostic;
use crate::ir::{Conv, NodeId, Op, Shape};
use crate::pipeline::Compiled;
use crate::plan::geometry::{Algorithm, BLOCK, ConvGeometry, Grouped};
use crate::plan::{Kernel, Step};

/// Multiply-adds in the time of a byte from afar, and from a near cache.
const FAR: f64 = 4.0;
const NEAR: f64 = 1.0;
/// Bytes that a near cache holds.
const NEAR_BYTES: f64 = 512.0 * 1024.0;
/// The part of the network's work that is worth telling.
const WORTH: f64 = 0.005;
/// So many products for each that is asked for are told.
const WASTEFUL: f64 = 1.15;

/// A layer that takes longer than it could, with the multiply-adds that this is worth.
struct Slow {
    kind: Kind,
    cost: f64,
    case: Case,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Grouped,
    Blocks,
    Unfused,
    Copied,
    Scalar,
}

pub(super) fn examine(compiled: &Compiled, findings: &mut Vec<Finding>) {
    let plan = &compiled.plan;
    let batch = plan.images();
    let total = plan.macs() as f64 * batch as f64;
    let mut seen = std::collections::BTreeSet::new();
    let mut found: BTreeMap<Kind, Vec<(f64, Case)>> = BTreeMap::new();
    for (step, id) in plan.steps.iter().zip(&plan.nodes) {
        // A layer in parts has several steps, all alike.
        let Some(slow) = slow(compiled, step, *id, batch) else { continue };
        if slow.cost >= WORTH * total && seen.insert((*id, slow.case.what.clone())) {
            found.entry(slow.kind).or_default().push((slow.cost, slow.case));
        }
    }
    for (kind, mut cases) in found {
        cases.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        let cases: Vec<_> = cases.into_iter().map(|(_, case)| case).collect();
        let diagnostic = diagnostic(kind, cases.len());
        findings.push(Finding { topic: Topic::Speed, diagnostic, cases });
    }
}

fn slow(compiled: &Compiled, step: &Step, id: NodeId, batch: usize) -> Option<Slow> {
    let graph = &compiled.graph;
    let node = graph.node(id);
    let case = |what: String| Case { name: step.name.clone(), what, ..Case::default() };
    // What is read and written, of all images.
    let written = node.shape().len() * 4;
    let moved = |read: usize| (read + written) as f64;
    let reads = || {
        let maps = graph.operands(id).into_iter().filter(|operand| graph.value(*operand).is_none());
        maps.map(|operand| graph.node(operand).shape().len() * 4).sum::<usize>()
    };
    match (&step.kernel, node.op()) {
        (Kernel::Conv { geometry, .. }, Op::Conv(conv)) => {
            let kernel = graph.node(*graph.operands(id).get(1)?).shape();
            let needed = products(kernel.len(), geometry);
            let computed = computed(kernel.0.first().copied().unwrap_or(0), geometry);
            let times = computed / needed.max(1.0);
            let (kind, what) = reason(conv, kernel, geometry, times);
            let cost = batch as f64 * (computed - needed) * saved(geometry);
            (times > WASTEFUL).then(|| Slow { kind, cost, case: case(what) })
        }
        (
            Kernel::Elementwise(_) | Kernel::GroupNorm(_) | Kernel::Remap(_),
            Op::BatchNorm(_)
            | Op::GroupNorm(_)
            | Op::Activation(_)
            | Op::Scale { .. }
            | Op::Add { .. }
            | Op::Pad(_)
            | Op::Subsample { .. },
        ) => {
            let bytes = moved(reads());
            let why = why(compiled, &node.name, node.op());
            let what = format!("{}, {}: {why}", node.op().name(), size(bytes));
            Some(Slow { kind: Kind::Unfused, cost: moving(bytes), case: case(what) })
        }
        (Kernel::Channels(copy), op) => {
            let pixels = batch * copy.output.height * copy.output.width;
            let bytes = (2 * copy.count * pixels * 4) as f64;
            let whole = [copy.from, copy.to, copy.count].iter().all(|channels| channels.is_multiple_of(BLOCK));
            let last = copy.to + copy.count;
            let (kind, why) = match whole {
                true => (Kind::Copied, "its operand cannot be written there at once, as another layer needs it elsewhere or framed differently".to_owned()),
                false => (Kind::Scalar, format!("channels {} to {last} do not begin and end at blocks of {BLOCK}", copy.to)),
            };
            // Parts of blocks are copied pixel by pixel.
            let cost = moving(bytes) * if whole { 1.0 } else { 2.0 };
            Some(Slow { kind, cost, case: case(format!("{}, {}: {why}", op.name(), size(bytes))) })
        }
        (Kernel::Flatten(flatten), _) if flatten.input.height * flatten.input.width > 1 => {
            let bytes = moved(written);
            let [height, width] = [flatten.input.height, flatten.input.width];
            let what = format!(
                "flatten, {}: {height} x {width} pixels are put in another order, number by number",
                size(bytes)
            );
            Some(Slow { kind: Kind::Scalar, cost: moving(bytes) * BLOCK as f64, case: case(what) })
        }
        _ => None,
    }
}

/// Multiply-adds that take as long as moving so many bytes.
fn moving(bytes: f64) -> f64 {
    bytes * if bytes > NEAR_BYTES { FAR } else { NEAR }
}

/// Products of an image that a convolution with so many weights asks for.
fn products(weights: usize, geometry: &ConvGeometry) -> f64 {
    weights as f64 * (geometry.output.height * geometry.output.width) as f64
}

/// Products of an image as direct sums over whole blocks, zeros among them.
fn computed(outputs: usize, geometry: &ConvGeometry) -> f64 {
    let lanes = outputs.next_multiple_of(BLOCK);
    let depth = match geometry.algorithm {
        Algorithm::Grouped(grouped) => grouped.channels,
        Algorithm::Direct(_) | Algorithm::Winograd(_) | Algorithm::Strassen(_) => {
            geometry.window * geometry.input.block
        }
    };
    (lanes * depth * geometry.kernel.iter().product::<usize>()) as f64
        * (geometry.output.height * geometry.output.width) as f64
}

/// Products that an algorithm takes, for each of direct sums.
fn saved(geometry: &ConvGeometry) -> f64 {
    match geometry.algorithm {
        Algorithm::Direct(_) | Algorithm::Grouped(_) => 1.0,
        Algorithm::Winograd(winograd) => {
            let outputs = (winograd.outputs * winograd.outputs) as f64;
            let taps = geometry.kernel.iter().product::<usize>() as f64;
            winograd.products(geometry.stride[0]) as f64 / (outputs * taps)
        }
        Algorithm::Strassen(_) => 0.875,
    }
}

/// Why a convolution multiplies zeros.
fn reason(conv: &Conv, kernel: &Shape, geometry: &ConvGeometry, times: f64) -> (Kind, String) {
    let (inputs, outputs) = (geometry.input.channels, kernel.0.first().copied().unwrap_or(0));
    let [height, width] = conv.kernel;
    let what =
        format!("conv {height}x{width} of {inputs} to {outputs} channels, {times:.2} products for each that counts");
    if conv.groups == 1 || matches!(geometry.algorithm, Algorithm::Grouped(_)) {
        return (Kind::Blocks, what);
    }
    let (from, to) = (inputs / conv.groups.max(1), outputs / conv.groups.max(1));
    let why = if from != to {
        format!("groups of {from} channels to {to}")
    } else if !BLOCK.is_multiple_of(from) && !from.is_multiple_of(BLOCK) {
        format!("groups of {from} channels, neither a divisor nor a multiple of {BLOCK}")
    } else if Grouped::spans(conv.kernel[1], conv.stride[1], conv.dilation[1]) {
        format!("groups of {from} channels, for which the plan holds this for the fastest")
    } else {
        format!("groups of {from} channels with a kernel, stride or dilation too wide for the kernel of such groups")
    };
    (Kind::Grouped, format!("{what}: {why}"))
}

/// Why no pass took a layer into another, in the words of the last that refused.
fn why(compiled: &Compiled, name: &str, op: &Op) -> String {
    let passes: &[&str] = match op {
        Op::BatchNorm(_) => &["fold_batch_norm"],
        Op::Scale { .. } => &["fold_scale"],
        Op::Activation(_) => &["fuse_activation"],
        Op::Add { .. } => &["fuse_shortcut_add"],
        Op::Pad(_) => &["fold_pad"],
        _ => &[],
    };
    let mut reports = compiled.passes.iter().filter(|report| passes.contains(&report.pass)).peekable();
    let off = reports.peek().is_none();
    let reason = reports.flat_map(|report| &report.refusals).rfind(|refusal| refusal.node == name);
    match (reason, op) {
        (Some(refusal), _) => refusal.reason.clone(),
        (None, Op::GroupNorm(_)) => "its statistics are those of each image".to_owned(),
        (None, Op::Subsample { .. }) => "it leaves rows and columns out, which no layer does for it".to_owned(),
        (None, _) if off => format!("the pass {} is switched off", passes.join(", ")),
        (None, _) => "no pass takes it".to_owned(),
    }
}

fn size(bytes: f64) -> String {
    if bytes >= 1e6 { format!("{:.1} MB moved", bytes / 1e6) } else { format!("{:.0} kB moved", bytes / 1e3) }
}

fn diagnostic(kind: Kind, count: usize) -> Diagnostic {
    let layers = |of: &str, many: &str| if count == 1 { format!("1 {of}") } else { format!("{count} {many}") };
    match kind {
        Kind::Grouped => Diagnostic::note("N-GROUPS", format!("{} among zeros", layers("grouped convolution multiplies", "grouped convolutions multiply")))
            .hint("groups of 1, 2, 4, 8 or 16 channels, as many out as in, have a kernel of their own; multiples of 16 leave no zeros"),
        Kind::Blocks => Diagnostic::note("N-BLOCKS", format!("{} of 16 that are not full", layers("convolution reads or makes blocks", "convolutions read or make blocks")))
            .hint("channels are computed in blocks of 16: widths that are multiples of it cost no more than those just below"),
        Kind::Unfused => Diagnostic::note("N-UNFUSED", format!("{} of its own, which only moves numbers", layers("layer is a step", "layers are each a step")))
            .hint("`resnetc inspect MODEL --explain` lists what each pass did and refused"),
        Kind::Copied => Diagnostic::note("N-COPY", format!("{} channels block by block", layers("step copies", "steps copy"))),
        Kind::Scalar => Diagnostic::note("N-SCALAR", format!("{} numbers without whole vectors", layers("step copies", "steps copy")))
            .hint("channels in multiples of 16 at every concatenation and slice avoid it; a global pool before `flatten` too"),
    }
}
