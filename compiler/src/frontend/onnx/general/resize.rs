//! Resize and Upsample: along each axis in turn, each position of the result is a weighted sum of a few of the input.

use super::super::attributes::{Node, attribute, axis};
use super::super::importer::{Failure, Importer, Outcome, refuse};
use super::super::literal::element::FLOAT;
use super::super::operators::Operator;
use super::{Operand, Recipe, Taken, binary, moved, nest, operand, taken};
use crate::ir::scalar::Combine;
use crate::ir::{Access, Move, strides};

/// The function for an operator.
pub(super) fn find(operator: &str) -> Option<Operator> {
    Some(match operator {
        "Resize" | "Upsample" => resize,
        _ => return None,
    })
}

/// Positions that a filter may reach to each side; each is a step of the program.
const MOST_REACH: f64 = 512.0;

/// How one axis is resized.
struct Along {
    from: usize,
    to: usize,
    scale: f64,
    /// The part of the input that is resized, of 0 to 1; beyond the input lies the extrapolation value.
    crop: Option<[f64; 2]>,
}

/// What the attributes say of the positions.
struct Rule {
    mode: String,
    coordinates: String,
    nearest: String,
    cubic: f64,
    exclude_outside: bool,
    antialias: bool,
    extrapolation: f32,
}

fn resize<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let upsample = node.proto.op_type == "Upsample" || node.opset < 11;
    let rule = Rule {
        mode: node.string("mode", "nearest")?,
        coordinates: node
            .string("coordinate_transformation_mode", if upsample { "asymmetric" } else { "half_pixel" })?,
        nearest: node.string("nearest_mode", if upsample { "floor" } else { "round_prefer_floor" })?,
        cubic: f64::from(node.float("cubic_coeff_a", -0.75)?),
        exclude_outside: node.flag("exclude_outside", false)?,
        antialias: node.flag("antialias", false)?,
        extrapolation: node.float("extrapolation_value", 0.0)?,
    };
    const COORDINATES: [&str; 6] = [
        "half_pixel",
        "half_pixel_symmetric",
        "pytorch_half_pixel",
        "align_corners",
        "asymmetric",
        "tf_crop_and_resize",
    ];
    if !COORDINATES.contains(&rule.coordinates.as_str()) {
        return Err(attribute("coordinate_transformation_mode", &rule.coordinates, &COORDINATES.join(", ")));
    }
    if !["nearest", "linear", "bilinear", "cubic"].contains(&rule.mode.as_str()) {
        return Err(attribute("mode", &rule.mode, "nearest, linear or cubic"));
    }
    let plans = plans(importer, node, &x, rule.coordinates == "tf_crop_and_resize")?;
    let mut result = x;
    let changes = |along: &Along| along.from != along.to || along.scale != 1.0 || along.crop.is_some();
    for (axis, along) in plans.iter().enumerate().filter(|(_, along)| changes(along)) {
        importer.charge(Some(along.to))?;
        let name = format!("{}.axis{axis}", node.name);
        result = if rule.mode == "nearest" {
            let mut positions = vec![Taken::Whole; result.dims.len()];
            if let Some(slot) = positions.get_mut(axis) {
                *slot = Taken::Listed(nearest(&rule, along)?.into_iter().map(Some).collect());
            }
            taken(importer, &name, &result, &positions, 0.0)?
        } else {
            weighted(importer, &name, &result, axis, &taps(&rule, along)?)?
        };
        // Weights add up to 1, so that what is filled here stays what it is along the axes to come.
        let last = (along.from - 1) as f64;
        let inside = |position: &usize| (0.0..=last).contains(&source(&rule, along, *position));
        if along.crop.is_some() && !(0..along.to).all(|position| inside(&position)) {
            let mut positions = vec![Taken::Whole; result.dims.len()];
            if let Some(slot) = positions.get_mut(axis) {
                *slot = Taken::Listed((0..along.to).map(|position| Some(position).filter(inside)).collect());
            }
            result = taken(importer, &format!("{name}.extrapolated"), &result, &positions, rule.extrapolation)?;
        }
    }
    Ok(result.value())
}

/// How each axis is resized, from scales or sizes.
fn plans<'m>(importer: &mut Importer<'m>, node: &Node<'m>, x: &Operand, cropped: bool) -> Result<Vec<Along>, Failure> {
    let rank = x.dims.len();
    let axes: Vec<usize> = match node.ints("axes")? {
        Some(axes) => axes.iter().map(|value| axis(*value, rank)).collect::<Result<_, _>>()?,
        None => (0..rank).collect(),
    };
    let given = |importer: &mut Importer<'m>, position: usize| -> Result<Option<Vec<f64>>, Failure> {
        match node.optional(position) {
            None => Ok(None),
            Some(_) => {
                let values = operand(importer, node, position)?.values();
                let values = values.ok_or_else(|| {
                    Failure::Unsupported(format!("its input {position} depends on the network's input"))
                })?;
                Ok(Some(values).filter(|values| !values.is_empty()))
            }
        }
    };
    let (scales, sizes) = match (node.proto.op_type.as_str(), node.opset) {
        ("Upsample", ..9) => {
            (node.floats("scales")?.map(|scales| scales.iter().map(|scale| f64::from(*scale)).collect()), None)
        }
        (_, ..11) => (given(importer, 1)?, None),
        _ => (given(importer, 2)?, given(importer, 3)?),
    };
    let whole = |extent: &usize| Along { from: *extent, to: *extent, scale: 1.0, crop: None };
    let mut plans: Vec<Along> = x.dims.iter().map(whole).collect();
    // All starts, then all ends.
    let region = if cropped { given(importer, 1)?.unwrap_or_default() } else { Vec::new() };
    if cropped && region.len() != 2 * axes.len() {
        return Err(refuse("E-ONNX-SHAPE", format!("it resizes {} axes of a region {region:?}", axes.len())));
    }
    let fits = |values: &Vec<f64>| values.len() == axes.len();
    let wrong = || refuse("E-ONNX-SHAPE", format!("it resizes {:?} by scales {scales:?} and sizes {sizes:?}", x.dims));
    let policy = node.string("keep_aspect_ratio_policy", "stretch")?;
    let common = match (&sizes, policy.as_str()) {
        (_, "stretch") | (None, _) => None,
        (Some(sizes), policy) => {
            let ratios =
                axes.iter().zip(sizes).map(|(axis, size)| size / x.dims.get(*axis).copied().unwrap_or(1) as f64);
            Some(match policy {
                "not_larger" => ratios.fold(f64::INFINITY, f64::min),
                "not_smaller" => ratios.fold(0.0, f64::max),
                other => {
                    return Err(attribute("keep_aspect_ratio_policy", other, "stretch, not_larger or not_smaller"));
                }
            })
        }
    };
    let values = match (&scales, &sizes) {
        (_, Some(sizes)) if fits(sizes) => sizes,
        (Some(scales), None) if fits(scales) => scales,
        _ => return Err(wrong()),
    };
    for (position, (axis, value)) in axes.iter().zip(values).enumerate() {
        let Some(plan) = plans.get_mut(*axis) else { return Err(wrong()) };
        let (to, scale) = match (common, sizes.is_some()) {
            (Some(scale), _) => ((scale * plan.from as f64).round(), scale),
            (None, true) => (*value, value / plan.from as f64),
            (None, false) => ((value * plan.from as f64).floor(), *value),
        };
        if plan.from == 0 || !(1.0..16_777_216.0).contains(&to) || !scale.is_finite() {
            return Err(wrong());
        }
        let crop = region.get(position).zip(region.get(axes.len() + position)).map(|(start, end)| [*start, *end]);
        *plan = Along { from: plan.from, to: to as usize, scale, crop };
    }
    Ok(plans)
}

/// Where a position of the result lies in the input.
fn source(rule: &Rule, along: &Along, position: usize) -> f64 {
    // The extent of the result as it is before it is cut off.
    let (x, from, scale) = (position as f64, along.from as f64, along.scale);
    let to = scale * from;
    if let Some([start, end]) = along.crop {
        return match along.to {
            1 => (start + end) / 2.0 * (from - 1.0),
            to => start * (from - 1.0) + x * (end - start) * (from - 1.0) / (to - 1) as f64,
        };
    }
    match rule.coordinates.as_str() {
        "align_corners" if along.to == 1 || to <= 1.0 => 0.0,
        "align_corners" => x * (from - 1.0) / (to - 1.0),
        "asymmetric" => x / scale,
        "pytorch_half_pixel" if along.to == 1 => -0.5,
        "half_pixel_symmetric" => {
            let adjustment = along.to as f64 / to;
            from / 2.0 * (1.0 - adjustment) + (x + 0.5) / scale - 0.5
        }
        _ => (x + 0.5) / scale - 0.5,
    }
}

fn nearest(rule: &Rule, along: &Along) -> Result<Vec<usize>, Failure> {
    let pick = |place: f64| {
        Ok(match rule.nearest.as_str() {
            "round_prefer_floor" => (place - 0.5).ceil(),
            "round_prefer_ceil" => (place + 0.5).floor(),
            "floor" => place.floor(),
            "ceil" => place.ceil(),
            other => {
                return Err(attribute("nearest_mode", other, "round_prefer_floor, round_prefer_ceil, floor or ceil"));
            }
        })
    };
    (0..along.to)
        .map(|position| Ok(pick(source(rule, along, position))?.clamp(0.0, (along.from - 1) as f64) as usize))
        .collect()
}

/// For each position of the result, those of the input that it is made of, with their weights.
fn taps(rule: &Rule, along: &Along) -> Result<Vec<Vec<(usize, f64)>>, Failure> {
    let cubic = rule.mode == "cubic";
    // Smaller by less than one: with antialias, the filter is as wide as what becomes one position.
    let wide = if rule.antialias && along.scale < 1.0 { along.scale } else { 1.0 };
    let reach = if cubic { 2.0 } else { 1.0 } / wide;
    if reach > MOST_REACH {
        let (from, to) = (along.from, along.to);
        return Err(Failure::Unsupported(format!(
            "it shrinks {from} positions to {to}, with a filter of {reach} to each side"
        )));
    }
    let weight = |distance: f64| {
        let d = distance.abs() * wide;
        let a = rule.cubic;
        match (cubic, d) {
            (false, d) => (1.0 - d).max(0.0),
            (true, ..=1.0) => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
            (true, ..2.0) => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
            (true, _) => 0.0,
        }
    };
    let last = (along.from - 1) as f64;
    Ok((0..along.to)
        .map(|position| {
            let place = source(rule, along, position);
            let place = if cubic || rule.antialias { place } else { place.clamp(0.0, last) };
            let (first, end) = ((place - reach).floor() as i64, (place + reach).ceil() as i64);
            let mut taps: Vec<(usize, f64)> = Vec::new();
            for index in first..=end {
                let outside = index < 0 || index as f64 > last;
                let share = weight(index as f64 - place);
                if share == 0.0 || outside && rule.exclude_outside {
                    continue;
                }
                let at = (index as f64).clamp(0.0, last) as usize;
                match taps.iter_mut().find(|(known, _)| *known == at) {
                    Some((_, sum)) => *sum += share,
                    None => taps.push((at, share)),
                }
            }
            let total: f64 = taps.iter().map(|(_, share)| share).sum();
            if (rule.exclude_outside || rule.antialias) && total != 0.0 {
                taps.iter_mut().for_each(|(_, share)| *share /= total);
            }
            taps
        })
        .collect())
}

/// The weighted sum along an axis, a tap of each position at a time.
fn weighted(
    importer: &mut Importer<'_>,
    name: &str,
    x: &Operand,
    axis: usize,
    taps: &[Vec<(usize, f64)>],
) -> Result<Operand, Failure> {
    let mut dims = x.dims.clone();
    if let Some(slot) = dims.get_mut(axis) {
        *slot = taps.len();
    }
    let steps = strides(&x.dims);
    let step = steps.get(axis).copied().unwrap_or(1);
    let mut sum: Option<Operand> = None;
    for tap in 0..taps.iter().map(Vec::len).max().unwrap_or(0) {
        let (places, weights): (Vec<Option<usize>>, Vec<f32>) = taps
            .iter()
            .map(|taps| taps.get(tap).map_or((Some(0), 0.0), |(place, weight)| (Some(*place), *weight as f32)))
            .unzip();
        let (start, along) = moved(&places, step)?;
        let mut axes: Vec<Move> = steps.iter().copied().map(Move::step).collect();
        if let Some(slot) = axes.get_mut(axis) {
            *slot = along;
        }
        let weights = Operand::floats(vec![taps.len()], weights);
        let own = (0..dims.len()).map(|other| Move::Even(isize::from(other == axis))).collect();
        let reads = [(x, Access { start, axes, fill: 0.0 }), (&weights, Access { start: 0, axes: own, fill: 0.0 })];
        let recipe = Recipe { combine: Combine::Multiply, ..Recipe::copy(FLOAT) };
        let part = nest(importer, &format!("{name}.tap{tap}"), dims.clone(), &[], &reads, recipe)?;
        sum = Some(match sum {
            None => part,
            Some(before) => binary(importer, &format!("{name}.sum{tap}"), &before, &part, Combine::Add, FLOAT)?,
        });
    }
    sum.ok_or_else(|| refuse("E-ONNX-SHAPE", "it resizes an axis to nothing"))
}
