//! The shape rule of every operation.

use std::fmt;

use super::{Conv, GroupNorm, Op, Padding, Pool, Shape};

/// A node whose operands do not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeError {
    /// The node's name.
    pub node: String,
    /// What does not fit, with the shapes.
    pub message: String,
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node `{}`: {}", self.node, self.message)
    }
}

impl std::error::Error for ShapeError {}

/// The shape of an operation's result, or what is wrong with its operands.
///
/// A result that could not be addressed as an array of f64 is refused, so the extents of an inferred shape multiply safely.
pub fn infer(op: &Op, operands: &[&Shape]) -> Result<Shape, String> {
    let shape = rule(op, operands)?;
    if shape.len() > isize::MAX as usize / size_of::<f64>() {
        return Err(format!("{} would give {shape}, which does not fit in memory", op.name()));
    }
    Ok(shape)
}

fn rule(op: &Op, operands: &[&Shape]) -> Result<Shape, String> {
    if operands.len() != op.arity() {
        return Err(format!("{} takes {} operands, got {}", op.name(), op.arity(), operands.len()));
    }
    match (op, operands) {
        (Op::Constant(tensor), _) => Ok(tensor.shape().clone()),
        (Op::Input(_), _) => Err("an input has no operands to infer from".to_owned()),
        (Op::Conv(conv), [x, kernel, rest @ ..]) => conv_shape(conv, x, kernel, rest),
        (Op::BatchNorm(norm), [x, vectors @ ..]) => {
            let channels = *x.0.get(1).ok_or_else(|| format!("batch_norm takes [N, C, ...], got {x}"))?;
            for vector in vectors {
                if vector.0 != [channels] {
                    return Err(format!("batch_norm over {channels} channels got a vector of shape {vector}"));
                }
            }
            if !(norm.epsilon > 0.0 && norm.epsilon.is_finite()) {
                return Err(format!("batch_norm epsilon is {}, must be positive", norm.epsilon));
            }
            Ok((*x).clone())
        }
        (Op::GroupNorm(norm), [x, vectors @ ..]) => group_norm_shape(norm, x, vectors),
        (Op::Activation(_), [x]) => Ok((*x).clone()),
        (Op::MaxPool(pool), [x]) => pool_shape(pool, x, "max_pool"),
        (Op::AveragePool { pool, .. }, [x]) => pool_shape(pool, x, "average_pool"),
        (Op::GlobalAveragePool | Op::GlobalMaxPool, [x]) => {
            let [n, c, _, _] = map(x, op.name())?;
            Ok([n, c, 1, 1].into())
        }
        (Op::Flatten, [x]) => match x.0.split_first() {
            Some((n, rest)) if !rest.is_empty() => Ok([*n, Shape(rest.to_vec()).len()].into()),
            _ => Err(format!("flatten takes [N, ...], got {x}")),
        },
        (Op::Dense(_), [x, kernel, bias @ ..]) => {
            let [n, features] = vector(x, "dense")?;
            let [units, expected] = vector(kernel, "the kernel of dense")?;
            if features != expected {
                return Err(format!("dense got {features} features, its kernel {kernel} takes {expected}"));
            }
            match bias.first() {
                Some(bias) if bias.0 != [units] => Err(format!("dense of {units} units got a bias of shape {bias}")),
                _ => Ok([n, units].into()),
            }
        }
        (Op::Add { .. }, [a, b]) => {
            if a == b {
                Ok((*a).clone())
            } else {
                Err(format!("add of different shapes, {a} and {b}"))
            }
        }
        (Op::Multiply { .. }, [a, b]) => match (a.0.as_slice(), b.0.as_slice()) {
            _ if a == b => Ok((*a).clone()),
            ([n, c, _, _], [also_n, also_c, 1, 1] | [also_n, also_c]) if (n, c) == (also_n, also_c) => Ok((*a).clone()),
            _ => Err(format!(
                "multiply takes two tensors of one shape, or a map and a factor per channel; got {a} and {b}"
            )),
        },
        (Op::Scale { factor }, [x]) => {
            if factor.is_finite() {
                Ok((*x).clone())
            } else {
                Err(format!("scale by {factor}, must be finite"))
            }
        }
        (Op::Concat { .. }, [first, rest @ ..]) => concat_shape(first, rest),
        (Op::Slice { channels: [begin, end] }, [x]) => {
            let (Some(channels), 2 | 4) = (x.0.get(1), x.rank()) else {
                return Err(format!("slice takes [N, C] or [N, C, H, W], got {x}"));
            };
            if begin >= end || end > channels {
                return Err(format!("slice takes the channels {begin}..{end} of {channels}"));
            }
            let mut shape = (*x).clone();
            if let Some(extent) = shape.0.get_mut(1) {
                *extent = end - begin;
            }
            Ok(shape)
        }
        (Op::Softmax, [x]) => vector(x, "softmax").map(Shape::from),
        (Op::Pad(pad), [x]) => {
            let [n, c, h, w] = map(x, "pad")?;
            let [h, w] = padded([h, w], pad.spatial)?;
            let c = sum(&[c, pad.channels[0], pad.channels[1]])?;
            Ok([n, c, h, w].into())
        }
        (Op::AsArray, [x]) => match x.rank() {
            2 | 4 => Ok((*x).clone()),
            _ => Err(format!("as_array takes a map or a vector, got {x}")),
        },
        (Op::AsMap, [x]) => match x.rank() {
            2 | 4 => Ok((*x).clone()),
            _ => Err(format!("as_map takes [N, C, H, W] or [N, C], got {x}")),
        },
        (Op::Nest(nest), operands) => nest.infer(operands),
        (Op::Subsample { stride }, [x]) => {
            let [n, c, h, w] = map(x, "subsample")?;
            positive("stride", stride)?;
            Ok([n, c, h.div_ceil(stride[0]), w.div_ceil(stride[1])].into())
        }
        _ => Err(format!("{} got {} operands", op.name(), operands.len())),
    }
}

fn group_norm_shape(norm: &GroupNorm, x: &Shape, vectors: &[&Shape]) -> Result<Shape, String> {
    let [_, channels, _, _] = map(x, "group_norm")?;
    positive("groups", &[norm.groups])?;
    if !channels.is_multiple_of(norm.groups) {
        return Err(format!("group_norm in {} groups, which do not divide {channels} channels", norm.groups));
    }
    if let Some(vector) = vectors.iter().find(|vector| vector.0 != [channels]) {
        return Err(format!("group_norm over {channels} channels got a vector of shape {vector}"));
    }
    if !(norm.epsilon > 0.0 && norm.epsilon.is_finite()) {
        return Err(format!("group_norm epsilon is {}, must be positive", norm.epsilon));
    }
    Ok(x.clone())
}

fn concat_shape(first: &Shape, rest: &[&Shape]) -> Result<Shape, String> {
    if !matches!(first.rank(), 2 | 4) {
        return Err(format!("concat takes [N, C] or [N, C, H, W], got {first}"));
    }
    let mut shape = first.clone();
    for other in rest {
        let (Some(channels), Some(more)) = (shape.0.get_mut(1), other.0.get(1)) else { continue };
        let apart =
            |shape: &Shape| shape.0.iter().enumerate().filter(|(axis, _)| *axis != 1).map(|(_, e)| *e).collect();
        let [a, b]: [Vec<usize>; 2] = [apart(first), apart(other)];
        if a != b {
            return Err(format!("concat takes shapes that differ in their channels alone, got {first} and {other}"));
        }
        *channels = sum(&[*channels, *more])?;
    }
    Ok(shape)
}

fn conv_shape(conv: &Conv, x: &Shape, kernel: &Shape, rest: &[&Shape]) -> Result<Shape, String> {
    let [n, channels, h, w] = map(x, "conv")?;
    let [out, per_group, kh, kw] = map(kernel, "the kernel of conv")?;
    if [kh, kw] != conv.kernel {
        return Err(format!("conv kernel is {:?}, its weights {kernel} say {:?}", conv.kernel, [kh, kw]));
    }
    positive("kernel", &conv.kernel)?;
    positive("stride", &conv.stride)?;
    positive("dilation", &conv.dilation)?;
    positive("groups", &[conv.groups])?;
    if !channels.is_multiple_of(conv.groups) || !out.is_multiple_of(conv.groups) {
        return Err(format!("{} groups do not divide {channels} input and {out} output channels", conv.groups));
    }
    if channels / conv.groups != per_group {
        return Err(format!(
            "conv got {channels} input channels in {} groups, its weights {kernel} take {per_group} per group",
            conv.groups
        ));
    }
    let [height, width] = padded([h, w], conv.padding)?;
    let out_h = steps(height, extent(kh, conv.dilation[0])?, conv.stride[0], "height")?;
    let out_w = steps(width, extent(kw, conv.dilation[1])?, conv.stride[1], "width")?;
    let shape = Shape::from([n, out, out_h, out_w]);
    let (vectors, shortcut) = rest.split_at(rest.len() - usize::from(conv.shortcut));
    let names = conv.bias.then_some("bias").into_iter().chain(["scale", "shift"]);
    if let Some((vector, name)) = vectors.iter().zip(names).find(|(vector, _)| vector.0 != [out]) {
        return Err(format!("conv of {out} output channels got a {name} of shape {vector}"));
    }
    if let Some(other) = shortcut.first().filter(|other| ***other != shape) {
        return Err(format!("conv gives {shape}, its shortcut is {other}"));
    }
    let results = if conv.second.is_some() { 2 } else { 1 };
    let all = out.checked_mul(results).ok_or("the output channels do not fit in memory")?;
    Ok(Shape::from([n, all, out_h, out_w]))
}

fn pool_shape(pool: &Pool, x: &Shape, name: &str) -> Result<Shape, String> {
    let [n, c, h, w] = map(x, name)?;
    positive("kernel", &pool.kernel)?;
    positive("stride", &pool.stride)?;
    let padding = pool.padding;
    let [padded_h, padded_w] = padded([h, w], padding)?;
    if padding.top.max(padding.bottom) >= pool.kernel[0] || padding.left.max(padding.right) >= pool.kernel[1] {
        return Err(format!("{name} padding must be smaller than its kernel {:?}", pool.kernel));
    }
    let out_h = windows(pool, Axis { name: "height", led: h + padding.top, padded: padded_h, index: 0 })?;
    let out_w = windows(pool, Axis { name: "width", led: w + padding.left, padded: padded_w, index: 1 })?;
    Ok([n, c, out_h, out_w].into())
}

/// One of the two axes a window moves along.
struct Axis {
    name: &'static str,
    /// The input's extent and the padding before it.
    led: usize,
    /// The input's extent and the padding on both sides.
    padded: usize,
    index: usize,
}

fn windows(pool: &Pool, axis: Axis) -> Result<usize, String> {
    let [kernel, stride] = match axis.index {
        0 => [pool.kernel[0], pool.stride[0]],
        _ => [pool.kernel[1], pool.stride[1]],
    };
    // Rounded up, the only window may overhang, but by less than a step.
    if !pool.ceil_mode || kernel.saturating_sub(axis.padded) >= stride {
        return steps(axis.padded, kernel, stride, axis.name);
    }
    let last = axis.padded.saturating_sub(kernel).div_ceil(stride);
    // A last window that would start in the padding behind the input sees nothing of it.
    Ok(if last.saturating_mul(stride) >= axis.led { last } else { last + 1 })
}

fn steps(padded: usize, kernel: usize, stride: usize, axis: &str) -> Result<usize, String> {
    match padded.checked_sub(kernel) {
        Some(room) => Ok(room / stride + 1),
        None => Err(format!("the padded input is {padded} in {axis}, smaller than the kernel's {kernel}")),
    }
}

fn extent(kernel: usize, dilation: usize) -> Result<usize, String> {
    (kernel - 1).checked_mul(dilation).and_then(|span| span.checked_add(1)).ok_or_else(|| "kernel too large".to_owned())
}

fn padded([h, w]: [usize; 2], padding: Padding) -> Result<[usize; 2], String> {
    Ok([sum(&[h, padding.top, padding.bottom])?, sum(&[w, padding.left, padding.right])?])
}

fn sum(terms: &[usize]) -> Result<usize, String> {
    terms
        .iter()
        .try_fold(0_usize, |total, term| total.checked_add(*term))
        .ok_or_else(|| "an extent does not fit in memory".to_owned())
}

fn positive(what: &str, values: &[usize]) -> Result<(), String> {
    if values.contains(&0) { Err(format!("{what} is {values:?}, must be positive")) } else { Ok(()) }
}

fn map(shape: &Shape, what: &str) -> Result<[usize; 4], String> {
    shape.map().ok_or_else(|| format!("{what} takes four axes, got {shape}"))
}

fn vector(shape: &Shape, what: &str) -> Result<[usize; 2], String> {
    shape.vector().ok_or_else(|| format!("{what} takes two axes, got {shape}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{BatchNorm, Dense, Pad, SecondResult};

    fn shape(op: &Op, operands: &[&[usize]]) -> Result<Vec<usize>, String> {
        let operands: Vec<_> = operands.iter().map(|extents| Shape(extents.to_vec())).collect();
        infer(op, &operands.iter().collect::<Vec<_>>()).map(|shape| shape.0)
    }

    const CONV: Conv = Conv {
        kernel: [3, 3],
        stride: [1, 1],
        padding: Padding::same(1),
        dilation: [1, 1],
        groups: 1,
        bias: false,
        shortcut: false,
        activation: None,
        second: None,
    };

    #[test]
    fn conv_counts_steps_per_axis() {
        let conv = Conv {
            stride: [2, 1],
            padding: Padding { top: 0, left: 3, bottom: 1, right: 0 },
            dilation: [1, 2],
            ..CONV
        };
        // Height: (7 + 1 - 3) / 2 + 1; width: (9 + 3 - 5) / 1 + 1.
        assert_eq!(shape(&Op::Conv(conv), &[&[2, 4, 7, 9], &[5, 4, 3, 3]]), Ok(vec![2, 5, 3, 8]));
    }

    #[test]
    fn conv_holds_groups_bias_and_shortcut_against_its_kernel() {
        let grouped = Conv { groups: 2, ..CONV };
        let x: &[usize] = &[1, 4, 5, 5];
        assert_eq!(shape(&Op::Conv(grouped.clone()), &[x, &[6, 2, 3, 3]]), Ok(vec![1, 6, 5, 5]));
        let two = Conv { shortcut: true, second: Some(SecondResult { activation: None }), ..CONV };
        let operands: [&[usize]; 5] = [x, &[6, 4, 3, 3], &[6], &[6], &[1, 6, 5, 5]];
        assert_eq!(shape(&Op::Conv(two.clone()), &operands), Ok(vec![1, 12, 5, 5]));
        for (conv, rest, message) in [
            (grouped.clone(), vec![&[6, 4, 3, 3][..]], "take 4 per group"),
            (grouped, vec![&[5, 2, 3, 3]], "2 groups do not divide"),
            (Conv { groups: 0, ..CONV }, vec![&[6, 4, 3, 3]], "groups is [0]"),
            (CONV, vec![&[6, 4, 3, 5]], "kernel is [3, 3]"),
            (CONV, vec![&[6, 4, 9]], "takes four axes"),
            (Conv { kernel: [0, 3], ..CONV }, vec![&[6, 4, 0, 3]], "kernel is [0, 3]"),
            (Conv { stride: [1, 0], ..CONV }, vec![&[6, 4, 3, 3]], "stride is [1, 0]"),
            (Conv { dilation: [0, 1], ..CONV }, vec![&[6, 4, 3, 3]], "dilation is [0, 1]"),
            (
                Conv { dilation: [4, 1], ..CONV },
                vec![&[6, 4, 3, 3]],
                "padded input is 7 in height, smaller than the kernel's 9",
            ),
            (Conv { dilation: [usize::MAX, 1], ..CONV }, vec![&[6, 4, 3, 3]], "kernel too large"),
            (Conv { padding: Padding::same(usize::MAX), ..CONV }, vec![&[6, 4, 3, 3]], "does not fit in memory"),
            (Conv { bias: true, ..CONV }, vec![&[6, 4, 3, 3], &[5]], "bias of shape [5]"),
            (Conv { shortcut: true, ..CONV }, vec![&[6, 4, 3, 3], &[1, 6, 5, 4]], "its shortcut is [1, 6, 5, 4]"),
            (Conv { bias: true, ..CONV }, vec![&[6, 4, 3, 3]], "takes 3 operands, got 2"),
            (two.clone(), vec![&[6, 4, 3, 3], &[6], &[6]], "takes 5 operands, got 4"),
            (two.clone(), vec![&[6, 4, 3, 3], &[5], &[6], &[1, 6, 5, 5]], "scale of shape [5]"),
            (two.clone(), vec![&[6, 4, 3, 3], &[6], &[12], &[1, 6, 5, 5]], "shift of shape [12]"),
            (two, vec![&[6, 4, 3, 3], &[6], &[6], &[1, 12, 5, 5]], "its shortcut is [1, 12, 5, 5]"),
        ] {
            let operands = [vec![x], rest].concat();
            let error = shape(&Op::Conv(conv), &operands).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    fn pooled(
        input: usize,
        kernel: usize,
        stride: usize,
        [before, after]: [usize; 2],
        ceil_mode: bool,
    ) -> Result<usize, String> {
        let padding = Padding { left: before, right: after, ..Padding::default() };
        let pool = Pool { kernel: [1, kernel], stride: [1, stride], padding, ceil_mode };
        shape(&Op::MaxPool(pool), &[&[1, 1, 1, input]]).map(|shape| shape[3])
    }

    #[test]
    fn pools_round_as_pytorch_does() {
        assert_eq!(pooled(112, 3, 2, [1, 1], false), Ok(56));
        assert_eq!(pooled(112, 3, 2, [0, 0], false), Ok(55));
        assert_eq!(pooled(112, 3, 2, [0, 0], true), Ok(56));
        // The third window would start at 4, behind the input and its leading padding.
        assert_eq!(pooled(3, 2, 2, [1, 1], true), Ok(2));
        assert_eq!(pooled(5, 2, 2, [1, 1], true), Ok(3));
        assert_eq!(pooled(6, 2, 2, [1, 1], true), Ok(4));
        // A single window that overhangs by less than a step, and by a whole one.
        assert_eq!(pooled(2, 3, 2, [0, 0], true), Ok(1));
        assert!(pooled(2, 3, 2, [0, 0], false).is_err());
        assert!(pooled(1, 3, 2, [0, 0], true).is_err());
        assert!(pooled(5, 2, 2, [2, 0], false).unwrap_err().contains("must be smaller than its kernel"));
        assert_eq!(pooled(usize::MAX / 16, 2, usize::MAX, [0, 0], true), Ok(1));
    }

    #[test]
    fn the_other_rules_say_what_they_take() {
        let norm = |epsilon| Op::BatchNorm(BatchNorm { epsilon, gamma: false, beta: false, activation: None });
        assert_eq!(shape(&norm(1e-5), &[&[2, 3], &[3], &[3]]), Ok(vec![2, 3]));
        assert!(shape(&norm(1e-5), &[&[2, 3, 4, 4], &[3], &[4]]).unwrap_err().contains("shape [4]"));
        assert!(shape(&norm(0.0), &[&[2, 3], &[3], &[3]]).unwrap_err().contains("must be positive"));
        assert!(shape(&norm(f64::NAN), &[&[2, 3], &[3], &[3]]).is_err());
        let group = |groups, epsilon| Op::GroupNorm(GroupNorm { groups, epsilon, activation: None });
        assert_eq!(shape(&group(2, 1e-5), &[&[2, 6, 4, 5], &[6], &[6]]), Ok(vec![2, 6, 4, 5]));
        for groups in [0, 4, 12] {
            assert!(shape(&group(groups, 1e-5), &[&[2, 6, 4, 5], &[6], &[6]]).unwrap_err().contains("groups"));
        }
        assert!(shape(&group(2, 1e-5), &[&[2, 6, 4, 5], &[6], &[3]]).unwrap_err().contains("shape [3]"));
        assert!(shape(&group(2, 1e-5), &[&[2, 6], &[6], &[6]]).unwrap_err().contains("four axes"));
        assert!(shape(&group(2, 1e-5), &[&[2, 6, 4, 5], &[6]]).unwrap_err().contains("takes 3 operands"));
        for epsilon in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(shape(&group(2, epsilon), &[&[2, 6, 4, 5], &[6], &[6]]).unwrap_err().contains("must be positive"));
        }
        let dense = Op::Dense(Dense { bias: true, activation: None });
        assert_eq!(shape(&dense, &[&[2, 3], &[7, 3], &[7]]), Ok(vec![2, 7]));
        assert!(shape(&dense, &[&[2, 4], &[7, 3], &[7]]).unwrap_err().contains("takes 3"));
        assert!(shape(&dense, &[&[2, 3], &[7, 3], &[3]]).unwrap_err().contains("bias of shape [3]"));
        assert_eq!(shape(&Op::Flatten, &[&[2, 3, 4, 5]]), Ok(vec![2, 60]));
        assert!(shape(&Op::Flatten, &[&[2]]).is_err());
        assert!(shape(&Op::Flatten, &[&[1, usize::MAX, usize::MAX]]).unwrap_err().contains("does not fit in memory"));
        assert!(shape(&Op::Add { activation: None }, &[&[1, 2], &[1, 1]]).unwrap_err().contains("[1, 2] and [1, 1]"));
        let multiply = Op::Multiply { activation: None };
        assert_eq!(shape(&multiply, &[&[1, 2, 3, 4], &[1, 2, 3, 4]]), Ok(vec![1, 2, 3, 4]));
        assert_eq!(shape(&multiply, &[&[2, 2, 3, 4], &[2, 2, 1, 1]]), Ok(vec![2, 2, 3, 4]));
        assert_eq!(shape(&multiply, &[&[2, 5], &[2, 5]]), Ok(vec![2, 5]));
        assert_eq!(shape(&multiply, &[&[2, 5, 3, 4], &[2, 5]]), Ok(vec![2, 5, 3, 4]));
        for other in [&[1, 2, 1, 1][..], &[2, 3, 1, 1], &[2, 2, 1, 4], &[2, 3], &[2]] {
            assert!(shape(&multiply, &[&[2, 2, 3, 4], other]).unwrap_err().contains("factor per channel"), "{other:?}");
        }
        assert!(shape(&multiply, &[&[2, 2, 1, 1], &[2, 2, 3, 4]]).is_err());
        assert_eq!(shape(&Op::Scale { factor: -0.5 }, &[&[3]]), Ok(vec![3]));
        assert!(shape(&Op::Scale { factor: f64::NAN }, &[&[3]]).unwrap_err().contains("must be finite"));
        let concat = |operands| Op::Concat { operands };
        assert_eq!(shape(&concat(3), &[&[2, 5, 3, 4], &[2, 17, 3, 4], &[2, 32, 3, 4]]), Ok(vec![2, 54, 3, 4]));
        assert_eq!(shape(&concat(2), &[&[2, 5], &[2, 6]]), Ok(vec![2, 11]));
        assert_eq!(shape(&concat(1), &[&[2, 5]]), Ok(vec![2, 5]));
        for other in [&[1, 5, 3, 4][..], &[2, 5, 3, 5], &[2, 5]] {
            let error = shape(&concat(2), &[&[2, 5, 3, 4], other]).unwrap_err();
            assert!(error.contains("differ in their channels alone"), "{error}");
        }
        assert!(shape(&concat(2), &[&[5], &[5]]).unwrap_err().contains("[N, C]"));
        assert!(shape(&concat(2), &[&[1, usize::MAX], &[1, 1]]).unwrap_err().contains("does not fit in memory"));
        assert!(shape(&concat(0), &[]).is_err());
        let slice = |channels| Op::Slice { channels };
        assert_eq!(shape(&slice([3, 16]), &[&[2, 16, 3, 4]]), Ok(vec![2, 13, 3, 4]));
        assert_eq!(shape(&slice([0, 1]), &[&[2, 16]]), Ok(vec![2, 1]));
        assert!(shape(&slice([3, 17]), &[&[2, 16]]).unwrap_err().contains("channels 3..17 of 16"));
        assert!(shape(&slice([3, 3]), &[&[2, 16]]).is_err());
        assert!(shape(&slice([0, 1]), &[&[2, 16, 3]]).is_err());
        assert_eq!(shape(&Op::GlobalMaxPool, &[&[2, 16, 5, 7]]), Ok(vec![2, 16, 1, 1]));
        let pad = Op::Pad(Pad { channels: [8, 8], spatial: Padding { top: 1, ..Padding::default() } });
        assert_eq!(shape(&pad, &[&[1, 16, 4, 4]]), Ok(vec![1, 32, 5, 4]));
        assert_eq!(shape(&Op::Subsample { stride: [2, 3] }, &[&[1, 16, 5, 7]]), Ok(vec![1, 16, 3, 3]));
        assert!(shape(&Op::Subsample { stride: [0, 1] }, &[&[1, 16, 5, 7]]).is_err());
        assert_eq!(shape(&Op::GlobalAveragePool, &[&[2, 16, 5, 7]]), Ok(vec![2, 16, 1, 1]));
        assert!(shape(&Op::Softmax, &[&[1, 2, 3]]).unwrap_err().contains("two axes"));
        assert!(shape(&Op::Input(Default::default()), &[]).is_err());
    }
}
