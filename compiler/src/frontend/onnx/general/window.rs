//! Convolutions and pooling over any number of axes.

use super::super::attributes::{Node, attribute};
use super::super::importer::{Failure, Importer, Outcome, refuse};
use super::super::literal::{element, elements};
use super::super::operators::Operator;
use super::{Operand, Recipe, Taken, binary, nest, operand, optional, reduced, taken, unary};
use crate::ir::scalar::{Combine, Fold, Function, FunctionKind};
use crate::ir::{Access, Move, strides};

/// The function for an operator.
pub(super) fn find(operator: &str) -> Option<Operator> {
    Some(match operator {
        "Conv" => conv,
        "ConvTranspose" => conv_transpose,
        "MaxPool" => max_pool,
        "AveragePool" => average_pool,
        "GlobalAveragePool" | "GlobalMaxPool" => global_pool,
        _ => return None,
    })
}

/// How a window goes over the axes behind the channels.
pub(super) struct Window {
    pub kernel: Vec<usize>,
    pub stride: Vec<usize>,
    pub dilation: Vec<usize>,
    /// What is added before and after each axis; below 0 it is taken away.
    pub pads: Vec<[i64; 2]>,
    /// Extents of the result.
    pub output: Vec<usize>,
}

impl Window {
    /// The elements that a window covers along each axis, gaps included.
    fn spans(&self) -> impl Iterator<Item = usize> + '_ {
        self.kernel.iter().zip(&self.dilation).map(|(kernel, dilation)| (kernel - 1) * dilation + 1)
    }
}

/// An attribute of one number per axis.
fn per_axis(node: &Node<'_>, name: &str, rank: usize, default: Option<usize>) -> Result<Vec<usize>, Failure> {
    let given = match (node.ints(name)?, default) {
        (Some(given), _) => given.to_vec(),
        (None, Some(default)) => vec![default as i64; rank],
        (None, None) => return Err(attribute(name, (), "a number for each axis")),
    };
    let numbers: Option<Vec<usize>> =
        given.iter().map(|value| usize::try_from(*value).ok().filter(|value| (1..1 << 24).contains(value))).collect();
    numbers
        .filter(|numbers| numbers.len() == rank)
        .ok_or_else(|| attribute(name, &given, &format!("{rank} numbers of at least 1")))
}

/// What `auto_pad` and `pads` say, for windows of such a kernel over such extents.
fn explicit_pads(node: &Node<'_>, rank: usize) -> Result<Option<Vec<[i64; 2]>>, Failure> {
    let Some(pads) = node.ints("pads")? else { return Ok(None) };
    let fits = pads.len() == 2 * rank && pads.iter().all(|pad| pad.unsigned_abs() < 1 << 24);
    if !fits {
        return Err(attribute("pads", pads, "numbers, before and after each axis"));
    }
    let (before, after) = pads.split_at(rank);
    Ok(Some(before.iter().zip(after).map(|(before, after)| [*before, *after]).collect()))
}

/// A window by the rules of convolutions and pooling.
pub(super) fn window(node: &Node<'_>, dims: &[usize], kernel: Vec<usize>, ceil: bool) -> Result<Window, Failure> {
    let extents = dims.get(2..).unwrap_or_default();
    let rank = extents.len();
    let (stride, dilation) = (per_axis(node, "strides", rank, Some(1))?, per_axis(node, "dilations", rank, Some(1))?);
    let mode = node.string("auto_pad", "NOTSET")?;
    let mut window = Window { kernel, stride, dilation, pads: vec![[0, 0]; rank], output: Vec::new() };
    let spans: Vec<usize> = window.spans().collect();
    match mode.as_str() {
        "NOTSET" | "" => window.pads = explicit_pads(node, rank)?.unwrap_or(window.pads),
        "VALID" => {}
        "SAME_UPPER" | "SAME_LOWER" => {
            for (((pads, extent), span), stride) in window.pads.iter_mut().zip(extents).zip(&spans).zip(&window.stride)
            {
                let total = (extent.div_ceil(*stride).saturating_sub(1) * stride + span).saturating_sub(*extent) as i64;
                let (less, more) = (total / 2, total - total / 2);
                *pads = if mode == "SAME_UPPER" { [less, more] } else { [more, less] };
            }
        }
        other => return Err(attribute("auto_pad", other, "NOTSET, SAME_UPPER, SAME_LOWER or VALID")),
    }
    for (((pads, extent), span), stride) in window.pads.iter().zip(extents).zip(&spans).zip(&window.stride) {
        let [before, after] = *pads;
        let padded = *extent as i64 + before + after;
        let beyond = usize::try_from(padded).ok().and_then(|padded| padded.checked_sub(*span));
        let Some(beyond) = beyond else {
            let message =
                format!("a window of {span} does not fit an axis of {extent}, padded by {before} and {after}");
            return Err(refuse("E-ONNX-SHAPE", message));
        };
        let mut count = if ceil { beyond.div_ceil(*stride) } else { beyond / stride } + 1;
        // A last window that would start behind the input is left out.
        if ceil && ((count - 1) * stride) as i64 >= *extent as i64 + before {
            count -= 1;
        }
        if count == 0 {
            let message = format!("no window of {span} begins in an axis of {extent}, padded by {before}");
            return Err(refuse("E-ONNX-SHAPE", message));
        }
        window.output.push(count);
    }
    Ok(window)
}

/// The operand with what the windows read around it.
fn surrounded(
    importer: &mut Importer<'_>,
    name: &str,
    x: &Operand,
    window: &Window,
    fill: f32,
) -> Result<Operand, Failure> {
    let mut positions = vec![Taken::Whole; 2];
    let spans: Vec<usize> = window.spans().collect();
    let mut as_it_is = true;
    for ((((extent, [before, _]), output), span), stride) in
        x.dims.iter().skip(2).zip(&window.pads).zip(&window.output).zip(&spans).zip(&window.stride)
    {
        let length = (output - 1) * stride + span;
        if (length, *before) == (*extent, 0) {
            positions.push(Taken::Whole);
            continue;
        }
        as_it_is = false;
        importer.charge(Some(length))?;
        let inside = |place: usize| usize::try_from(place as i64 - before).ok().filter(|place| place < extent);
        positions.push(Taken::Listed((0..length).map(inside).collect()));
    }
    if as_it_is { Ok(x.clone()) } else { taken(importer, &format!("{name}.padded"), x, &positions, fill) }
}

fn conv<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (x, kernel, bias) = (operand(importer, node, 0)?, operand(importer, node, 1)?, optional(importer, node, 2)?);
    let result = convolution(importer, node, &x, &kernel, element::FLOAT)?;
    biased(importer, node, result, bias)
}

fn biased<'m>(importer: &mut Importer<'m>, node: &Node<'m>, result: Operand, bias: Option<Operand>) -> Outcome {
    let Some(bias) = bias else { return Ok(result.value()) };
    let channels = result.dims.get(1).copied().unwrap_or(1);
    if bias.dims != [channels] {
        return Err(super::super::convolution::wrong_bias(&bias.dims, channels));
    }
    let dims = channel_dims(channels, result.dims.len());
    let sum =
        binary(importer, &format!("{}.bias", node.name), &result, &bias.reshaped(dims), Combine::Add, element::FLOAT)?;
    Ok(sum.value())
}

/// `[1, C, 1, ...]`
pub(super) fn channel_dims(channels: usize, rank: usize) -> Vec<usize> {
    (0..rank).map(|axis| if axis == 1 { channels } else { 1 }).collect()
}

/// A convolution without bias, of a kernel `[C_out, C_in / groups, ...]`.
pub(super) fn convolution<'m>(
    importer: &mut Importer<'m>,
    node: &Node<'m>,
    x: &Operand,
    kernel: &Operand,
    element: i32,
) -> Result<Operand, Failure> {
    let groups = groups(node)?;
    let wrong =
        || refuse("E-ONNX-SHAPE", format!("it convolves {:?} with {:?} in {groups} groups", x.dims, kernel.dims));
    let (&[n, channels, ..], &[outputs, inputs, ..]) = (x.dims.as_slice(), kernel.dims.as_slice()) else {
        return Err(wrong());
    };
    let extents = kernel.dims.get(2..).unwrap_or_default();
    let fits = x.dims.len() == kernel.dims.len() && inputs * groups == channels && outputs % groups == 0;
    let given = node
        .ints("kernel_shape")?
        .map(|given| given.iter().map(|value| usize::try_from(*value).unwrap_or(0)).collect::<Vec<_>>());
    if !fits || extents.contains(&0) || given.is_some_and(|given| given != extents) {
        return Err(wrong());
    }
    let window = window(node, &x.dims, extents.to_vec(), false)?;
    let padded = surrounded(importer, &node.name, x, &window, 0.0)?;
    let (of_x, of_kernel) = (strides(&padded.dims), strides(&kernel.dims));
    let [x_image, x_channel, x_axes @ ..] = of_x.as_slice() else { return Err(wrong()) };
    let [k_output, k_input, k_axes @ ..] = of_kernel.as_slice() else { return Err(wrong()) };
    let each = outputs / groups;
    // Axes: images, groups, outputs of a group, positions; reduced: inputs of a group, the kernel.
    let steps = |steps: Vec<usize>| Access { start: 0, axes: steps.into_iter().map(Move::step).collect(), fill: 0.0 };
    let reads_x = [
        vec![*x_image, inputs * x_channel, 0],
        x_axes.iter().zip(&window.stride).map(|(step, stride)| step * stride).collect(),
        vec![*x_channel],
        x_axes.iter().zip(&window.dilation).map(|(step, dilation)| step * dilation).collect(),
    ];
    let reads_kernel = [vec![0, each * k_output, *k_output], vec![0; x_axes.len()], vec![*k_input], k_axes.to_vec()];
    let shape = [vec![n, groups, each], window.output.clone()].concat();
    let folded = [vec![inputs], extents.to_vec()].concat();
    let reads = [(&padded, steps(reads_x.concat())), (kernel, steps(reads_kernel.concat()))];
    let recipe = Recipe { combine: Combine::Multiply, ..Recipe::copy(element) };
    let result = nest(importer, &node.name, shape, &folded, &reads, recipe)?;
    Ok(result.reshaped([vec![n, outputs], window.output].concat()))
}

fn groups(node: &Node<'_>) -> Result<usize, Failure> {
    let groups = node.int("group", 1)?;
    usize::try_from(groups)
        .ok()
        .filter(|groups| (1..1 << 24).contains(groups))
        .ok_or_else(|| attribute("group", groups, "1 or more"))
}

/// ConvTranspose, as a convolution of the input with zeros between its elements, by the kernel from behind.
fn conv_transpose<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (x, kernel, bias) = (operand(importer, node, 0)?, operand(importer, node, 1)?, optional(importer, node, 2)?);
    let groups = groups(node)?;
    let wrong =
        || refuse("E-ONNX-SHAPE", format!("it convolves {:?} with {:?} in {groups} groups", x.dims, kernel.dims));
    let (&[n, channels, ..], &[inputs, each, ..]) = (x.dims.as_slice(), kernel.dims.as_slice()) else {
        return Err(wrong());
    };
    let (extents, kernels) = (x.dims.get(2..).unwrap_or_default(), kernel.dims.get(2..).unwrap_or_default());
    let rank = extents.len();
    if inputs != channels
        || channels % groups != 0
        || kernels.len() != rank
        || kernels.contains(&0)
        || extents.contains(&0)
    {
        return Err(wrong());
    }
    let (stride, dilation) = (per_axis(node, "strides", rank, Some(1))?, per_axis(node, "dilations", rank, Some(1))?);
    let numbers = |name: &str| -> Result<Option<Vec<i64>>, Failure> {
        match node.ints(name)? {
            Some(given) if given.iter().any(|value| !(0..1 << 24).contains(value)) => {
                Err(attribute(name, given, "a number for each axis"))
            }
            Some(given) => Ok(Some(given.get(given.len().saturating_sub(rank)..).unwrap_or_default().to_vec())),
            None => Ok(None),
        }
    };
    let beyond = numbers("output_padding")?.unwrap_or(vec![0; rank]);
    let asked = numbers("output_shape")?;
    let mode = node.string("auto_pad", "NOTSET")?;
    let explicit = explicit_pads(node, rank)?.unwrap_or(vec![[0, 0]; rank]);
    let mut positions = vec![Taken::Whole; 2];
    let mut output = Vec::with_capacity(rank);
    for axis in 0..rank {
        let at = |list: &[usize]| list.get(axis).copied().unwrap_or(1);
        let (extent, kernel, stride, dilation) = (at(extents), at(kernels), at(&stride), at(&dilation));
        let span = (kernel - 1) * dilation;
        let full = (stride * (extent - 1) + span + 1) as i64 + beyond.get(axis).copied().unwrap_or(0);
        let same = matches!(mode.as_str(), "SAME_UPPER" | "SAME_LOWER");
        let wanted =
            asked.as_ref().and_then(|asked| asked.get(axis).copied()).or(same.then_some((extent * stride) as i64));
        let [before, after] = match wanted {
            Some(wanted) => {
                let total = full - wanted;
                let half = total.div_euclid(2);
                if mode == "SAME_UPPER" { [half, total - half] } else { [total - half, half] }
            }
            None if mode == "VALID" => [0, 0],
            None => explicit.get(axis).copied().unwrap_or([0, 0]),
        };
        let length = usize::try_from(full - before - after)
            .ok()
            .filter(|length| (1..1 << 24).contains(length))
            .ok_or_else(wrong)?;
        output.push(length);
        importer.charge(Some(length + span))?;
        let place = |index: usize| {
            let place = usize::try_from(index as i64 + before - span as i64).ok()?;
            (place.is_multiple_of(stride) && place / stride < extent).then_some(place / stride)
        };
        positions.push(Taken::Listed((0..length + span).map(place).collect()));
    }
    let spread = taken(importer, &format!("{}.spread", node.name), &x, &positions, 0.0)?;
    let (of_x, of_kernel) = (strides(&spread.dims), strides(&kernel.dims));
    let [x_image, x_channel, x_axes @ ..] = of_x.as_slice() else { return Err(wrong()) };
    let [k_input, k_output, k_axes @ ..] = of_kernel.as_slice() else { return Err(wrong()) };
    let of_group = channels / groups;
    let steps = |steps: Vec<usize>| steps.into_iter().map(Move::step).collect::<Vec<_>>();
    let reads_x = Access {
        start: 0,
        axes: [
            steps(vec![*x_image, of_group * x_channel, 0]),
            steps(x_axes.to_vec()),
            steps(vec![*x_channel]),
            steps(x_axes.iter().zip(&dilation).map(|(step, dilation)| step * dilation).collect()),
        ]
        .concat(),
        fill: 0.0,
    };
    let backwards = k_axes.iter().map(|step| Move::Even(-(*step as isize))).collect();
    let reads_kernel = Access {
        start: k_axes.iter().zip(kernels).map(|(step, kernel)| step * (kernel - 1)).sum(),
        axes: [steps(vec![0, of_group * k_input, *k_output]), steps(vec![0; rank]), steps(vec![*k_input]), backwards]
            .concat(),
        fill: 0.0,
    };
    let shape = [vec![n, groups, each], output.clone()].concat();
    let folded = [vec![of_group], kernels.to_vec()].concat();
    let recipe = Recipe { combine: Combine::Multiply, ..Recipe::copy(element::FLOAT) };
    let result = nest(importer, &node.name, shape, &folded, &[(&spread, reads_x), (&kernel, reads_kernel)], recipe)?;
    biased(importer, node, result.reshaped([vec![n, groups * each], output].concat()), bias)
}

/// Folds each window.
fn windows(
    importer: &mut Importer<'_>,
    name: &str,
    x: &Operand,
    window: &Window,
    fill: f32,
    fold: Fold,
) -> Result<Operand, Failure> {
    let padded = surrounded(importer, name, x, window, fill)?;
    let own = strides(&padded.dims);
    let [image, channel, axes @ ..] = own.as_slice() else {
        return Err(refuse("E-ONNX-SHAPE", "it reads a tensor without channels"));
    };
    let steps = [
        vec![*image, *channel],
        axes.iter().zip(&window.stride).map(|(step, stride)| step * stride).collect(),
        axes.iter().zip(&window.dilation).map(|(step, dilation)| step * dilation).collect(),
    ];
    let access = Access { start: 0, axes: steps.concat().into_iter().map(Move::step).collect(), fill: 0.0 };
    let shape = [x.dims.get(..2).unwrap_or_default(), &window.output].concat();
    let element = if fold.tells_place() { element::INT64 } else { x.element };
    nest(importer, name, shape, &window.kernel, &[(&padded, access)], Recipe { fold, ..Recipe::copy(element) })
}

fn pool_window(node: &Node<'_>, x: &Operand) -> Result<Window, Failure> {
    let rank = x.dims.len().checked_sub(2).filter(|rank| *rank > 0);
    let rank = rank.ok_or_else(|| refuse("E-ONNX-SHAPE", format!("it takes [N, C, ...], got {:?}", x.dims)))?;
    let kernel = per_axis(node, "kernel_shape", rank, None)?;
    window(node, &x.dims, kernel, node.flag("ceil_mode", false)?)
}

fn max_pool<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let window = pool_window(node, &x)?;
    let result = windows(importer, &node.name, &x, &window, f32::NEG_INFINITY, Fold::Maximum)?;
    if let Some(output) = node.proto.output.get(1).filter(|output| !output.is_empty()) {
        let places = places(importer, node, &x, &window)?;
        importer.define(output, places.value());
    }
    Ok(result.value())
}

/// Where the largest of each window stands in the whole input: where it stands in the window, looked up in a table, and where the window
/// begins.
fn places<'m>(importer: &mut Importer<'m>, node: &Node<'m>, x: &Operand, window: &Window) -> Result<Operand, Failure> {
    let name = |part: &str| format!("{}.{part}", node.name);
    let within = windows(importer, &name("within"), x, window, f32::NEG_INFINITY, Fold::FirstMaximum)?;
    let mut steps = strides(&x.dims);
    if node.flag("storage_order", false)? {
        // The axes behind the channels in reverse order.
        let mut step = 1;
        for (slot, extent) in steps.iter_mut().zip(&x.dims).skip(2) {
            *slot = step;
            step *= extent;
        }
    }
    let all = |extents: &[usize], place: &dyn Fn(usize, usize) -> i64| -> Vec<f32> {
        let mut sums = vec![0_i64];
        for (axis, extent) in extents.iter().enumerate() {
            sums = sums.iter().flat_map(|sum| (0..*extent).map(move |index| sum + place(axis, index))).collect();
        }
        sums.into_iter().map(|sum| sum as f32).collect()
    };
    let step = |axis: usize| steps.get(axis).copied().unwrap_or(1) as i64;
    let at = |list: &[usize], axis: usize| list.get(axis).copied().unwrap_or(1) as i64;
    importer.charge(elements(&window.kernel).and_then(|count| count.checked_add(within.len())))?;
    let table = all(&window.kernel, &|axis, index| index as i64 * at(&window.dilation, axis) * step(axis + 2));
    let begins = all(&within.dims, &|axis, index| match axis.checked_sub(2) {
        None => index as i64 * step(axis),
        Some(behind) => {
            let before = window.pads.get(behind).map_or(0, |[before, _]| *before);
            (index as i64 * at(&window.stride, behind) - before) * step(axis)
        }
    });
    let count = table.len();
    let begins = Operand::floats(within.dims.clone(), begins);
    let flat = within.reshaped(vec![within.len(), 1]);
    let numbers = Operand::floats(vec![1, count], (0..count).map(|index| index as f32).collect());
    let hits = binary(importer, &name("hits"), &flat, &numbers, Combine::Equal, element::BOOL)?;
    let table = Operand::floats(vec![1, count], table);
    let masked = binary(importer, &name("table"), &hits, &table, Combine::Masked, element::INT64)?;
    let found = reduced(importer, &name("found"), &masked, &[1], Fold::Sum, Function::IDENTITY, element::INT64)?;
    binary(importer, &name("places"), &found.reshaped(within.dims.clone()), &begins, Combine::Add, element::INT64)
}

fn average_pool<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    Ok(averages(importer, node, &node.name, &x)?.value())
}

/// The mean of each window that a node says.
pub(super) fn averages<'m>(
    importer: &mut Importer<'m>,
    node: &Node<'m>,
    name: &str,
    x: &Operand,
) -> Result<Operand, Failure> {
    let window = pool_window(node, x)?;
    let sums = windows(importer, &format!("{name}.sum"), x, &window, 0.0, Fold::Sum)?;
    let with_padding = node.flag("count_include_pad", false)?;
    importer.charge(elements(&window.output))?;
    // How many elements each window has along each axis; the overhang of ceil_mode never counts.
    let mut counts = vec![1.0_f32];
    for (axis, output) in window.output.iter().enumerate() {
        let at = |list: &[usize]| list.get(axis).copied().unwrap_or(1);
        let [before, after] = window.pads.get(axis).copied().unwrap_or([0, 0]);
        let extent = x.dims.get(axis + 2).copied().unwrap_or(1) as i64;
        let [low, high] = if with_padding { [-before, extent + after] } else { [0, extent] };
        let along: Vec<f32> = (0..*output)
            .map(|index| {
                let start = (index * at(&window.stride)) as i64 - before;
                // Taps before a bound: those at `start`, `start + dilation`, and so on.
                let (taps, dilation) = (at(&window.kernel) as i64, at(&window.dilation) as i64);
                let before = |bound: i64| (bound - start + dilation - 1).div_euclid(dilation).clamp(0, taps);
                (before(high) - before(low)).max(0) as f32
            })
            .collect();
        counts = counts.iter().flat_map(|count| along.iter().map(move |more| count * more)).collect();
    }
    let dims = [vec![1, 1], window.output.clone()].concat();
    let counts = Operand::floats(dims, counts);
    binary(importer, name, &sums, &counts, Combine::Divide, x.element)
}

fn global_pool<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let axes: Vec<usize> = (2..x.dims.len()).collect();
    let count: usize = x.dims.iter().skip(2).product();
    let (fold, finish) = match node.proto.op_type.as_str() {
        "GlobalMaxPool" => (Fold::Maximum, Function::IDENTITY),
        _ => (Fold::Sum, Function::of(FunctionKind::Affine, 1.0 / count.max(1) as f64, 0.0)),
    };
    let element = x.element;
    if axes.is_empty() {
        return Ok(unary(importer, &node.name, &x, Function::IDENTITY, element)?.value());
    }
    Ok(reduced(importer, &node.name, &x, &axes, fold, finish, element)?.value())
}
