//! The operations one by one. `Operand`s have the shapes that the shape rules gave, so reads past the end do not
//! happen; where a loop walks over padding on purpose, the `None` of a checked read is the padding.

use std::thread;

use super::super::{Activation, Conv, GroupNorm, Op, Padding, Pool, SecondResult, Shape, infer};

/// A value that an operation reads.
#[derive(Debug, Clone, Copy)]
pub struct Operand<'a> {
    /// Its extents.
    pub shape: &'a Shape,
    /// Its values in row-major order.
    pub values: &'a [f64],
}

/// The result of one operation.
///
/// # Errors
/// What the shape rule says against the operands; an input has no result to compute.
pub fn evaluate(op: &Op, operands: &[Operand]) -> Result<Vec<f64>, String> {
    let shapes: Vec<_> = operands.iter().map(|operand| operand.shape).collect();
    let shape = infer(op, &shapes)?;
    if operands.iter().any(|operand| operand.shape.len() != operand.values.len()) {
        return Err("an operand has not as many values as its shape says".to_owned());
    }
    Ok(match (op, operands) {
        (Op::Input(_), _) => return Err("an input has no operands to compute from".to_owned()),
        (Op::Constant(tensor), _) => tensor.values().iter().map(|value| f64::from(*value)).collect(),
        (Op::Conv(attributes), [x, kernel, rest @ ..]) => conv(attributes, *x, *kernel, rest, &shape),
        (Op::BatchNorm(norm), [x, rest @ ..]) => {
            let mut rest = rest.iter();
            let gamma = if norm.gamma { rest.next() } else { None };
            let beta = if norm.beta { rest.next() } else { None };
            let (mean, variance) = (rest.next(), rest.next());
            let at = |vector: Option<&Operand>, channel: usize, default: f64| {
                vector.and_then(|vector| vector.values.get(channel)).copied().unwrap_or(default)
            };
            let (channels, plane) = (shape.0.get(1).copied().unwrap_or(1), shape.0.iter().skip(2).product::<usize>());
            let mut y = Vec::with_capacity(x.values.len());
            for (index, values) in x.values.chunks(plane.max(1)).enumerate() {
                let channel = index % channels.max(1);
                let (gamma, beta) = (at(gamma, channel, 1.0), at(beta, channel, 0.0));
                let (mean, variance) = (at(mean, channel, 0.0), at(variance, channel, 1.0));
                let deviation = (variance + norm.epsilon).sqrt();
                y.extend(values.iter().map(|x| activate(norm.activation, gamma * (x - mean) / deviation + beta)));
            }
            y
        }
        (Op::GroupNorm(norm), [x, gamma, beta]) => group_norm(norm, *x, gamma.values, beta.values),
        (Op::Activation(activation), [x]) => x.values.iter().map(|x| activate(Some(*activation), *x)).collect(),
        (Op::MaxPool(pool), [x]) => windows(pool, *x, &shape, |window| {
            window
                .elements
                .into_iter()
                .fold(f64::NEG_INFINITY, |most, element| if element > most { element } else { most })
        }),
        (Op::AveragePool { pool, count_include_padding }, [x]) => windows(pool, *x, &shape, |window| {
            let count = if *count_include_padding { window.padded_size } else { window.elements.len() };
            window.elements.iter().sum::<f64>() / count as f64
        }),
        (Op::GlobalAveragePool, [x]) => {
            let [_, _, h, w] = x.shape.map().unwrap_or_default();
            x.values.chunks((h * w).max(1)).map(|plane| plane.iter().sum::<f64>() / plane.len() as f64).collect()
        }
        (Op::GlobalMaxPool, [x]) => {
            let [_, _, h, w] = x.shape.map().unwrap_or_default();
            let most = |plane: &[f64]| plane.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            x.values.chunks((h * w).max(1)).map(most).collect()
        }
        (Op::Flatten, [x]) => x.values.to_vec(),
        (Op::Dense(dense), [x, kernel, bias @ ..]) => {
            let features = x.shape.vector().map_or(1, |[_, features]| features.max(1));
            let mut y = Vec::with_capacity(shape.len());
            for x in x.values.chunks(features) {
                for (unit, weights) in kernel.values.chunks(features).enumerate() {
                    let bias = bias.first().and_then(|bias| bias.values.get(unit)).copied().unwrap_or(0.0);
                    let sum = x.iter().zip(weights).fold(bias, |sum, (x, weight)| sum + x * weight);
                    y.push(activate(dense.activation, sum));
                }
            }
            y
        }
        (Op::Add { activation }, [a, b]) => {
            a.values.iter().zip(b.values).map(|(a, b)| activate(*activation, a + b)).collect()
        }
        (Op::Multiply { activation }, [a, b]) => {
            // Each value of `b` has a run of `a` of its own: one value, or the pixels of a channel.
            let run = a.values.len().checked_div(b.values.len()).unwrap_or(0).max(1);
            let products = a.values.chunks(run).zip(b.values).flat_map(|(run, b)| run.iter().map(move |a| a * b));
            products.map(|product| activate(*activation, product)).collect()
        }
        (Op::Scale { factor }, [x]) => x.values.iter().map(|x| x * factor).collect(),
        (Op::Concat { .. }, operands) => {
            let images = shape.0.first().copied().unwrap_or(0);
            let mut y = Vec::with_capacity(shape.len());
            for image in 0..images {
                for operand in operands {
                    let length = operand.values.len() / images;
                    y.extend(operand.values.iter().skip(image * length).take(length));
                }
            }
            y
        }
        (Op::Slice { channels: [begin, end] }, [x]) => {
            let plane: usize = shape.0.iter().skip(2).product();
            let image: usize = x.shape.0.iter().skip(1).product();
            let slice = |image| <[f64]>::iter(image).skip(begin * plane).take((end - begin) * plane).copied();
            x.values.chunks(image.max(1)).flat_map(slice).collect()
        }
        (Op::Softmax, [x]) => {
            let classes = x.shape.vector().map_or(1, |[_, classes]| classes.max(1));
            x.values.chunks(classes).flat_map(softmax).collect()
        }
        (Op::Pad(pad), [x]) => {
            let [n, c, h, w] = shape.map().unwrap_or_default();
            let x = Map::of(*x);
            let mut y = Vec::with_capacity(shape.len());
            for image in 0..n {
                for channel in 0..c {
                    for row in 0..h {
                        let source = channel
                            .checked_sub(pad.channels[0])
                            .zip(row.checked_sub(pad.spatial.top))
                            .and_then(|(channel, row)| x.row(image, channel, row));
                        y.extend((0..w).map(|column| element(source, column, pad.spatial.left).unwrap_or(0.0)));
                    }
                }
            }
            y
        }
        (Op::AsArray | Op::AsMap, [x]) => x.values.to_vec(),
        (Op::Nest(nest), operands) => {
            let values: Vec<&[f64]> = operands.iter().map(|operand| operand.values).collect();
            nest.evaluate(&values)
        }
        (Op::Subsample { stride }, [x]) => {
            let [n, c, h, _] = shape.map().unwrap_or_default();
            let x = Map::of(*x);
            let mut y = Vec::with_capacity(shape.len());
            for image in 0..n {
                for channel in 0..c {
                    for row in 0..h {
                        let source = x.row(image, channel, row * stride[0]).unwrap_or_default();
                        y.extend(source.iter().step_by(stride[1]));
                    }
                }
            }
            y
        }
        _ => return Err(format!("{} got {} operands", op.name(), operands.len())),
    })
}

/// An element of a row with `left` columns of padding before it; `None` in the padding.
fn element(row: Option<&[f64]>, column: usize, left: usize) -> Option<f64> {
    row?.get(column.checked_sub(left)?).copied()
}

fn activate(activation: Option<Activation>, value: f64) -> f64 {
    let Some(activation) = activation else { return value };
    match activation {
        Activation::Relu if value < 0.0 => 0.0,
        Activation::Relu => value,
        Activation::Relu6 => value.clamp(0.0, 6.0),
        Activation::Sigmoid => 1.0 / (1.0 + (-value).exp()),
        Activation::HardSigmoid => (value + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::HardSwish => value * (value + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::Silu => value / (1.0 + (-value).exp()),
        Activation::Tanh => value.tanh(),
    }
}

fn group_norm(norm: &GroupNorm, x: Operand, gamma: &[f64], beta: &[f64]) -> Vec<f64> {
    let [_, channels, h, w] = x.shape.map().unwrap_or_default();
    let plane = (h * w).max(1);
    let per_group = channels.checked_div(norm.groups).unwrap_or(0).max(1);
    let mut y = Vec::with_capacity(x.values.len());
    // The channels of a group lie one behind the other, those of an image group by group.
    for (index, group) in x.values.chunks(per_group * plane).enumerate() {
        let count = group.len() as f64;
        let mean = group.iter().sum::<f64>() / count;
        let variance = group.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count;
        let deviation = (variance + norm.epsilon).sqrt();
        let first = index % norm.groups.max(1) * per_group;
        let lines = gamma.iter().zip(beta).skip(first);
        for (values, (gamma, beta)) in group.chunks(plane).zip(lines) {
            y.extend(values.iter().map(|x| activate(norm.activation, gamma * (x - mean) / deviation + beta)));
        }
    }
    y
}

fn softmax(x: &[f64]) -> Vec<f64> {
    let most = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<_> = x.iter().map(|x| (x - most).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

/// A map `[N, C, H, W]` by rows.
#[derive(Clone, Copy)]
struct Map<'a> {
    values: &'a [f64],
    extents: [usize; 4],
}

impl<'a> Map<'a> {
    fn of(operand: Operand<'a>) -> Self {
        Self { values: operand.values, extents: operand.shape.map().unwrap_or_default() }
    }

    /// A row of the map; `None` above and below it.
    fn row(self, image: usize, channel: usize, row: usize) -> Option<&'a [f64]> {
        let [_, c, h, w] = self.extents;
        if channel >= c || row >= h {
            return None;
        }
        let start = ((image * c + channel) * h + row) * w;
        self.values.get(start..start + w)
    }
}

fn conv(conv: &Conv, x: Operand, kernel: Operand, rest: &[Operand], shape: &Shape) -> Vec<f64> {
    let [images, _, h, w] = shape.map().unwrap_or_default();
    let [out_channels, per_group, _, _] = kernel.shape.map().unwrap_or_default();
    let (x, kernel) = (Map::of(x), Map::of(kernel));
    let mut rest = rest.iter();
    let bias = if conv.bias { rest.next() } else { None };
    let line = if conv.second.is_some() { rest.next().zip(rest.next()) } else { None };
    let shortcut = rest.next();
    let [stride_y, stride_x] = conv.stride;
    let [dilation_y, dilation_x] = conv.dilation;
    let Padding { top, left, .. } = conv.padding;

    let channel = |index: usize, plane: &mut [f64]| {
        let (image, out) = (index / out_channels, index % out_channels);
        let first = out / (out_channels / conv.groups) * per_group;
        let bias = bias.and_then(|bias| bias.values.get(out)).copied().unwrap_or(0.0);
        for (place, y) in plane.iter_mut().enumerate() {
            let (row, column) = (place / w, place % w);
            let mut sum = bias;
            for channel in 0..per_group {
                for kernel_y in 0..conv.kernel[0] {
                    let source = (row * stride_y + kernel_y * dilation_y).checked_sub(top);
                    let source = source.and_then(|row| x.row(image, first + channel, row));
                    let weights = kernel.row(out, channel, kernel_y).unwrap_or_default();
                    for (kernel_x, weight) in weights.iter().enumerate() {
                        let column = column * stride_x + kernel_x * dilation_x;
                        sum += weight * element(source, column, left).unwrap_or(0.0);
                    }
                }
            }
            let shortcut = shortcut.and_then(|shortcut| shortcut.values.get(index * h * w + place));
            *y = activate(conv.activation, sum + shortcut.copied().unwrap_or(0.0));
        }
    };

    let mut y = vec![0.0; images * out_channels * h * w];
    if y.is_empty() {
        return y;
    }
    let work = y.len().saturating_mul(kernel.values.len() / out_channels);
    let threads = if work < 1 << 20 { 1 } else { thread::available_parallelism().map_or(1, usize::from) };
    let planes = (y.len() / (h * w)).div_ceil(threads);
    let share = |part: usize, values: &mut [f64]| {
        for (index, plane) in values.chunks_mut(h * w).enumerate() {
            channel(part * planes + index, plane);
        }
    };
    if threads == 1 {
        share(0, &mut y);
    } else {
        thread::scope(|scope| {
            for (part, values) in y.chunks_mut(planes * h * w).enumerate() {
                scope.spawn(move || share(part, values));
            }
        });
    }
    match (&conv.second, line) {
        (Some(second), Some((scale, shift))) => with_second(&y, h * w, second, scale.values, shift.values),
        _ => y,
    }
}

/// The images of a result whose channels have so many pixels, each with the second result behind it.
fn with_second(first: &[f64], pixels: usize, second: &SecondResult, scale: &[f64], shift: &[f64]) -> Vec<f64> {
    let mut both = Vec::with_capacity(2 * first.len());
    for image in first.chunks(pixels * scale.len()) {
        both.extend(image);
        for (plane, (scale, shift)) in image.chunks(pixels).zip(scale.iter().zip(shift)) {
            both.extend(plane.iter().map(|x| activate(second.activation, scale * x + shift)));
        }
    }
    both
}

/// What lies under a window.
struct Window {
    /// The elements of the map, without padding.
    elements: Vec<f64>,
    /// The number of places within the map and its explicit padding: overhang by `ceil_mode` is not among them.
    padded_size: usize,
}

fn windows(pool: &Pool, x: Operand, shape: &Shape, reduce: impl Fn(Window) -> f64) -> Vec<f64> {
    let [n, c, h, w] = shape.map().unwrap_or_default();
    let x = Map::of(x);
    let [_, _, height, width] = x.extents;
    let padding = pool.padding;
    let (padded_h, padded_w) = (height + padding.top + padding.bottom, width + padding.left + padding.right);
    let mut y = Vec::with_capacity(shape.len());
    for image in 0..n {
        for channel in 0..c {
            for row in 0..h {
                for column in 0..w {
                    let (first_row, first_column) = (row * pool.stride[0], column * pool.stride[1]);
                    let rows = first_row..(first_row + pool.kernel[0]).min(padded_h);
                    let columns = first_column..(first_column + pool.kernel[1]).min(padded_w);
                    let padded_size = rows.len() * columns.len();
                    let mut elements = Vec::new();
                    for row in rows {
                        let source = row.checked_sub(padding.top).and_then(|row| x.row(image, channel, row));
                        elements.extend(columns.clone().filter_map(|column| element(source, column, padding.left)));
                    }
                    y.push(reduce(Window { elements, padded_size }));
                }
            }
        }
    }
    y
}
