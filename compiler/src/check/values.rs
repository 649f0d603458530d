//! Values of weights that no network can use, or that are a sign of something gone wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{Case, Finding, Topic, Values};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::ir::{Graph, NodeId, Op, Shape, Tensor};

/// The product of two values of this size is beyond f32.
const LARGE: f32 = 1e19;
/// A variance that is smaller than this part of epsilon decides nothing any more.
const TINY: f64 = 1e-3;

/// What a tensor is for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Role {
    /// Weights of a convolution or a dense layer, output channels first.
    Kernel,
    /// The scale of a normalisation.
    Gamma,
    /// The running variance of a normalisation with this epsilon.
    Variance(f64),
    /// Anything else.
    Other,
}

/// Values of one kind in a tensor.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    count: usize,
    first: Option<(usize, f32)>,
}

impl Tally {
    fn take(&mut self, index: usize, value: f32) {
        self.count += 1;
        self.first.get_or_insert((index, value));
    }

    fn values(&self, shape: &Shape) -> Option<Values> {
        let (index, value) = self.first?;
        Some(Values { count: self.count, of: shape.len(), first: place(index, shape), value })
    }
}

/// The index of an element, an extent per axis, from its place in row-major order.
fn place(mut index: usize, shape: &Shape) -> Vec<usize> {
    let mut place: Vec<usize> = shape
        .0
        .iter()
        .rev()
        .map(|extent| {
            let at = index.checked_rem(*extent).unwrap_or(0);
            index = index.checked_div(*extent).unwrap_or(0);
            at
        })
        .collect();
    place.reverse();
    place
}

/// Kinds of values, each a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    NotFinite,
    NegativeVariance,
    Large,
    Overflow,
    Zero,
    ZeroVariance,
    Subnormal,
    ZeroChannels,
    TinyVariance,
}

/// Looks at every constant that a layer reads.
pub(super) fn examine(graph: &Graph, file: Option<&Path>, findings: &mut Vec<Finding>) {
    let mut found: BTreeMap<Kind, Vec<Case>> = BTreeMap::new();
    for (id, role) in roles(graph) {
        let Some(tensor) = graph.value(id) else { continue };
        for (kind, what, values) in remarkable(tensor, role) {
            let case = Case { name: graph.node(id).name.clone(), what, nodes: Vec::new(), values };
            found.entry(kind).or_default().push(case);
        }
    }
    for id in graph.topological() {
        if let Some(case) = overflow(graph, id) {
            found.entry(Kind::Overflow).or_default().push(case);
        }
    }
    for (kind, cases) in found {
        let tensors: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
        let mut diagnostic = diagnostic(kind, tensors.len());
        diagnostic.place = file.map(Place::file);
        findings.push(Finding { topic: Topic::Weights, diagnostic, cases });
    }
}

/// The constants that are parameters of layers, each with what it is for, in the order of the layers.
fn roles(graph: &Graph) -> Vec<(NodeId, Role)> {
    let mut roles = Vec::new();
    let mut seen = BTreeSet::new();
    for id in graph.topological() {
        let operands = graph.operands(id);
        for (position, operand) in operands.iter().enumerate() {
            if graph.value(*operand).is_none() || !seen.insert(*operand) {
                continue;
            }
            let last = position + 1 == operands.len();
            roles.push((
                *operand,
                match graph.node(id).op() {
                    Op::Conv(_) | Op::Dense(_) if position == 1 => Role::Kernel,
                    Op::BatchNorm(norm) if last => Role::Variance(norm.epsilon),
                    Op::BatchNorm(norm) if position == 1 && norm.gamma => Role::Gamma,
                    Op::GroupNorm(_) if position == 1 => Role::Gamma,
                    _ => Role::Other,
                },
            ));
        }
    }
    roles
}

/// What is remarkable about a tensor.
fn remarkable(tensor: &Tensor, role: Role) -> Vec<(Kind, String, Option<Values>)> {
    let (shape, values) = (tensor.shape(), tensor.values());
    let [mut nan, mut infinite, mut subnormal, mut large, mut negative, mut tiny] = [Tally::default(); 6];
    for (index, value) in values.iter().copied().enumerate() {
        if value.is_nan() {
            nan.take(index, value);
        } else if value.is_infinite() {
            infinite.take(index, value);
        } else if value.abs() >= LARGE {
            large.take(index, value);
        } else if value.is_subnormal() {
            subnormal.take(index, value);
        }
        if let Role::Variance(epsilon) = role {
            if value < 0.0 {
                negative.take(index, value);
            } else if f64::from(value) <= TINY * epsilon {
                tiny.take(index, value);
            }
        }
    }
    let mut found = Vec::new();
    let mut add = |kind, tally: &Tally, of: &str| {
        let Some(values) = tally.values(shape) else { return };
        found.push((kind, sentence(&values, of), Some(values)));
    };
    add(Kind::NotFinite, &nan, "NaN");
    add(Kind::NotFinite, &infinite, "infinite");
    add(Kind::NegativeVariance, &negative, "negative");
    add(Kind::Large, &large, "beyond 1e19");
    add(Kind::Subnormal, &subnormal, "too small");
    let all = !values.is_empty() && tiny.count == values.len();
    match tiny.count {
        _ if all => add(Kind::ZeroVariance, &tiny, "next to nothing"),
        _ => add(Kind::TinyVariance, &tiny, "next to nothing"),
    }
    if matches!(role, Role::Kernel | Role::Gamma) {
        let channels = shape.0.first().copied().unwrap_or(0);
        let each = values.len().checked_div(channels).unwrap_or(0).max(1);
        let dead = values.chunks(each).filter(|channel| channel.iter().all(|value| *value == 0.0)).count();
        if dead == channels && channels > 0 {
            found.push((Kind::Zero, String::new(), None));
        } else if dead > 0 && role == Role::Kernel {
            found.push((Kind::ZeroChannels, format!("{dead} of {channels} output channels"), None));
        }
    }
    found
}

fn sentence(values: &Values, what: &str) -> String {
    let Values { count, of, first, value } = values;
    let at = if *count == 1 { "at" } else { "the first at" };
    match what {
        "NaN" => format!("{count} of {of} values {what}, {at} {first:?}"),
        _ => format!("{count} of {of} values {what}, {at} {first:?}: {value:e}"),
    }
}

/// A normalisation that would take the weights of the layer before it beyond f32.
fn overflow(graph: &Graph, id: NodeId) -> Option<Case> {
    let Op::BatchNorm(norm) = graph.node(id).op() else { return None };
    let operands = graph.operands(id);
    let layer = *operands.first()?;
    if !matches!(graph.node(layer).op(), Op::Conv(_) | Op::Dense(_)) {
        return None;
    }
    let kernel = graph.value(*graph.operands(layer).get(1)?)?;
    let variance = graph.value(*operands.last()?)?.values();
    let gamma = if norm.gamma { Some(graph.value(*operands.get(1)?)?.values()) } else { None };
    let each = kernel.values().len().checked_div(variance.len()).unwrap_or(0).max(1);
    for (channel, (weights, variance)) in kernel.values().chunks(each).zip(variance).enumerate() {
        let gamma = gamma.and_then(|gamma| gamma.get(channel)).copied().unwrap_or(1.0);
        let scale = f64::from(gamma) / (f64::from(*variance) + norm.epsilon).sqrt();
        let largest = weights.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
        // What is not finite by itself is told by itself.
        if scale.is_finite() && largest.is_finite() && f64::from(largest) * scale.abs() > f64::from(f32::MAX) {
            let layer = &graph.node(layer).name;
            let what = format!("channel {channel} of `{layer}`: weights of up to {largest:e}, times {scale:e}");
            return Some(Case { name: graph.node(id).name.clone(), what, ..Case::default() });
        }
    }
    None
}

fn diagnostic(kind: Kind, count: usize) -> Diagnostic {
    let tensors = if count == 1 { "1 tensor has".to_owned() } else { format!("{count} tensors have") };
    match kind {
        Kind::NotFinite => Diagnostic::error("E-WVAL", format!("{tensors} values that are not finite"))
            .expected("finite weights")
            .hint("training diverged, or the file is damaged; a checkpoint from before is needed"),
        Kind::NegativeVariance => Diagnostic::error("E-WVAL", format!("{tensors} negative variances"))
            .expected("running variances of at least 0")
            .hint("the tensor may be another one, such as the mean, or the file is damaged"),
        Kind::Large => Diagnostic::warning("W-LARGE", format!("{tensors} values beyond 1e19 in size"))
            .expected("weights whose products fit in f32")
            .hint("two such factors give infinity; look for a scale that was applied twice, or bytes in the wrong order"),
        Kind::Overflow => {
            let norms = if count == 1 { "1 normalisation".to_owned() } else { format!("{count} normalisations") };
            Diagnostic::warning("W-LARGE", format!("{norms} would take weights beyond f32, and cannot be folded"))
                .expected("weights times `gamma / sqrt(variance + epsilon)` within 3.4e38")
                .hint("results are likely to be infinite: compare them with `resnetc verify`")
        }
        Kind::Zero => Diagnostic::warning("W-ZERO", format!("{tensors} nothing but zeros"))
            .expected("kernels and scales that pass something on")
            .hint("all that comes through such a layer is its bias: the weights may not have been loaded, or the branch was never trained"),
        Kind::ZeroVariance => {
            Diagnostic::warning("W-VARIANCE", format!("{tensors} variances of next to nothing in every channel"))
                .expected("running variances that are large against epsilon")
                .hint("the statistics may never have been collected; epsilon alone then decides the scale")
        }
        Kind::Subnormal => {
            let message = format!("{tensors} values too small for a normal f32 (less than {:e} in size)", f32::MIN_POSITIVE);
            Diagnostic::warning("W-DENORMAL", message)
                .hint("they count as zero; many of them are a sign of weights that were scaled wrongly or have died in training")
        }
        Kind::ZeroChannels => Diagnostic::note("N-ZERO", format!("{tensors} output channels of zeros alone"))
            .hint("they are computed all the same: a network without them is smaller and faster"),
        Kind::TinyVariance => {
            Diagnostic::note("N-VARIANCE", format!("{tensors} variances of next to nothing in some channels"))
                .hint("these channels did not change in training; epsilon alone decides their scale")
        }
    }
}

/// Puts ones in the place of tensors with values that no network can use, so that passes and plan can go on.
///
/// # Errors
/// `E-INTERNAL`, when the graph refuses an edit.
pub(super) fn tame(graph: &mut Graph) -> Result<(), Diagnostics> {
    for (id, role) in roles(graph) {
        let Some(tensor) = graph.value(id) else { continue };
        let bad = |value: &f32| !value.is_finite() || matches!(role, Role::Variance(_)) && *value < 0.0;
        if !tensor.values().iter().any(bad) {
            continue;
        }
        let shape = tensor.shape().clone();
        let ones = vec![1.0; shape.len()];
        let Some(ones) = Tensor::new(shape, ones) else { continue };
        graph
            .replace(id, Op::Constant(ones), &[])
            .map_err(|error| Diagnostics::from(Diagnostic::error("E-INTERNAL", error.message).about(error.node)))?;
    }
    Ok(())
}
