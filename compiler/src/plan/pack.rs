//! Weights in the order the kernels read them: panels, as `runtime/src/geometry.rs` defines them.

use super::geometry::{Algorithm, BLOCK, ConvGeometry, DenseGeometry, Strassen, Winograd};
use crate::ir::Tensor;

/// FNV-1a 64 over bytes.
pub(super) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

/// FNV-1a 64 over the little-endian u64 words of the packed weights, whose number is even.
pub(super) fn checksum(weights: &[f32]) -> u64 {
    weights.chunks_exact(2).fold(0xCBF2_9CE4_8422_2325, |hash, pair| match pair {
        [low, high] => {
            let word = u64::from(low.to_bits()) | u64::from(high.to_bits()) << 32;
            (hash ^ word).wrapping_mul(0x0100_0000_01B3)
        }
        _ => hash,
    })
}

/// The run of input blocks that each panel of a convolution reads: how many, and the first of each panel.
/// Without groups that is all blocks from the first, and the list is empty.
pub(super) fn windows(channels: usize, outputs: usize, groups: usize, block: usize) -> (usize, Vec<usize>) {
    let blocks = channels.div_ceil(block);
    if groups == 1 {
        return (blocks, Vec::new());
    }
    let (inputs_per_group, outputs_per_group) = (channels / groups, outputs / groups);
    let ranges: Vec<(usize, usize)> = (0..outputs.div_ceil(BLOCK))
        .map(|index| {
            let first_group = index * BLOCK / outputs_per_group;
            let last_group = (((index + 1) * BLOCK).min(outputs) - 1) / outputs_per_group;
            (first_group * inputs_per_group / block, ((last_group + 1) * inputs_per_group).div_ceil(block))
        })
        .collect();
    let window = ranges.iter().map(|(first, end)| end - first).max().unwrap_or(blocks);
    let first: Vec<usize> = ranges.iter().map(|(first, _)| (*first).min(blocks - window)).collect();
    (window, first)
}

/// A convolution and its parameters: `kernel` is `[outputs, channels / groups, height, width]`, `bias` `[outputs]`.
#[derive(Clone, Copy)]
pub(super) struct Parameters<'a> {
    pub conv: &'a ConvGeometry,
    pub first_block: &'a [usize],
    pub groups: usize,
    pub kernel: &'a Tensor,
    pub bias: Option<&'a Tensor>,
    /// Scale and shift of the second result, `[outputs]` each.
    pub line: Option<[&'a Tensor; 2]>,
}

/// Appends a convolution's panels, and what its second result takes.
pub(super) fn conv(into: &mut Vec<f32>, parameters: Parameters) {
    let Parameters { conv, groups, .. } = parameters;
    let ([_, columns], block, window) = (conv.kernel, conv.input.block, conv.window);
    let taps: usize = conv.kernel.iter().product();
    match conv.algorithm {
        Algorithm::Direct(_) => panels(into, parameters, window * taps * block, None, |channel, _, tap| {
            channel / block * taps * block + tap * block + channel % block
        }),
        Algorithm::Winograd(winograd) => {
            let factors = winograd.factors() * winograd.factors();
            let depth = window * winograd.channels(block);
            let transforms = transforms(winograd, conv.stride[0]);
            panels(into, parameters, factors * depth, Some(&transforms), |channel, _, index| {
                let (of_pairs, factor) = (index / factors, index % factors);
                factor * depth + of_pairs * block + channel
            });
        }
        Algorithm::Grouped(grouped) => {
            let per_group = conv.input.channels / groups;
            panels(into, parameters, grouped.channels * taps, None, |_, inner, tap| {
                (tap / columns * per_group + inner) * columns + tap % columns
            });
        }
        Algorithm::Strassen(strassen) => quarters(into, parameters, strassen),
    }
    into.extend(parameters.line.into_iter().flatten().flat_map(Tensor::values));
}

/// Appends panels of so many weights per output channel. `place` says which of them one is: by its channel from the panel's first on, by
/// its channel in the group, and by its tap, or, with transforms, its factor, of all pixels of a pair one after the other.
fn panels(
    into: &mut Vec<f32>,
    parameters: Parameters,
    depth: usize,
    transforms: Option<&[Transform]>,
    place: impl Fn(usize, usize, usize) -> usize,
) {
    let Parameters { conv, first_block, groups, kernel, bias, .. } = parameters;
    let outputs = conv.output.channels;
    let (inputs_per_group, outputs_per_group) = (conv.input.channels / groups, outputs / groups);
    let taps = conv.kernel.iter().product();
    let panels = outputs.div_ceil(BLOCK);
    into.reserve(panels * (depth + 1) * BLOCK);
    for panel in 0..panels {
        let start = into.len();
        into.resize(start + (depth + 1) * BLOCK, 0.0);
        let Some((head, body)) = into.get_mut(start..).map(|all| all.split_at_mut(BLOCK)) else { continue };
        let first_channel = first_block.get(panel).copied().unwrap_or(0) * conv.input.block;
        for (lane, slot) in head.iter_mut().enumerate() {
            let output = panel * BLOCK + lane;
            if output >= outputs {
                *slot = conv.activation.idle();
                continue;
            }
            *slot = bias.and_then(|bias| bias.values().get(output).copied()).unwrap_or(0.0);
            let group_start = output / outputs_per_group * inputs_per_group;
            let values = kernel.values().chunks_exact(inputs_per_group * taps).nth(output).unwrap_or(&[]);
            for (inner, taps) in values.chunks_exact(taps).enumerate() {
                let channel = group_start + inner - first_channel;
                let mut put = |factor: usize, value: f32| {
                    if let Some(slot) = body.get_mut(place(channel, inner, factor) * BLOCK + lane) {
                        *slot = value;
                    }
                };
                match transforms {
                    None => taps.iter().enumerate().for_each(|(tap, value)| put(tap, *value)),
                    Some(transforms) => {
                        transformed(transforms, taps).enumerate().for_each(|(factor, value)| put(factor, value))
                    }
                }
            }
        }
    }
}

/// Appends the pairs of panels of Strassen's multiplication. `kernel` is `[outputs, channels, 1, 1]`, `bias` `[outputs]`.
fn quarters(into: &mut Vec<f32>, parameters: Parameters, strassen: Strassen) {
    let Parameters { conv, kernel, bias, .. } = parameters;
    let (channels, half) = (conv.input.channels, conv.output.channels / 2);
    let per_quarter = strassen.depth * BLOCK;
    let bias = |output: usize| bias.and_then(|bias| bias.values().get(output).copied()).unwrap_or(0.0);
    let weight = |input: usize, output: usize| {
        f64::from(kernel.values().get(output * channels + input).copied().unwrap_or_default())
    };
    into.reserve(half / BLOCK * strassen.panel(conv.window));
    for panel in (0..half).step_by(BLOCK) {
        into.extend((panel..panel + BLOCK).map(bias));
        into.extend((half + panel..half + panel + BLOCK).map(bias));
        for first in (0..channels).step_by(2 * per_quarter) {
            for product in 0..Strassen::PRODUCTS {
                for input in first..first + per_quarter {
                    into.extend((panel..panel + BLOCK).map(|output| {
                        let later = input + per_quarter;
                        let (b11, b12) = (weight(input, output), weight(input, half + output));
                        let (b21, b22) = (weight(later, output), weight(later, half + output));
                        let t2 = b22 - b12 + b11;
                        let factor = match product {
                            0 => b11,
                            1 => b21,
                            2 => t2,
                            3 => b12 - b11,
                            4 => b22,
                            5 => b22 - b12,
                            _ => b21 - t2,
                        };
                        factor as f32
                    }));
                }
            }
        }
    }
}

/// A matrix G of [`Winograd`]: for each factor along a side, what it has of each tap.
type Transform = Vec<Vec<f64>>;

/// The matrices G of the kernel's rows and columns, as many as there are pixels to a pair along a side: for each point p but infinity the powers
/// of p over the product of its distances to the other points. At stride 2 these are of the first and the last tap, and a row for the
/// middle one follows. In pairs, a pixel's are of every second tap.
fn transforms(winograd: Winograd, stride: usize) -> Vec<Transform> {
    let points = winograd.points(stride);
    // The taps that a factor is made of, one after the other.
    let chosen: &[&[usize]] = match (stride, winograd.outputs) {
        (_, 3) => &[&[0, 2, 4, 6], &[1, 3, 5]],
        (1, _) => &[&[0, 1, 2]],
        (..) => &[&[0, 2]],
    };
    let transform = |chosen: &&[usize]| {
        let row = |values: &dyn Fn(usize) -> f64| {
            let value = |tap| chosen.iter().position(|of| *of == tap).map_or(0.0, values);
            (0..winograd.kernel()).map(value).collect::<Vec<f64>>()
        };
        let finite = points.iter().map(|point| {
            let others: f64 = points.iter().filter(|other| *other != point).map(|other| point - other).product();
            row(&|place| point.powi(i32::try_from(place).unwrap_or_default()) / others)
        });
        let last = if winograd.in_pairs() { winograd.taps() } else { chosen.len() } - 1;
        let infinity = row(&|place| if place == last { 1.0 } else { 0.0 });
        let middle = (stride == 2 && !winograd.in_pairs()).then(|| vec![0.0, 1.0, 0.0]);
        finite.chain([infinity]).chain(middle).collect()
    };
    chosen.iter().map(transform).collect()
}

/// `G g G^T` of the taps g, factor by factor, for each pair of transforms of rows and of columns.
fn transformed(transforms: &[Transform], taps: &[f32]) -> impl Iterator<Item = f32> {
    let pairs = transforms.iter().flat_map(|rows| transforms.iter().map(move |columns| (rows, columns)));
    let factors =
        pairs.flat_map(|(rows, columns)| rows.iter().flat_map(|down| columns.iter().map(move |across| (down, across))));
    factors.map(move |(down, across)| {
        let weights = down.iter().flat_map(|down| across.iter().map(move |across| down * across));
        weights.zip(taps).map(|(weight, tap)| weight * f64::from(*tap)).sum::<f64>() as f32
    })
}

/// Appends a dense layer's panels. `kernel` is `[units, features]`, `bias` `[units]`.
pub(super) fn dense(into: &mut Vec<f32>, dense: &DenseGeometry, kernel: &Tensor, bias: Option<&Tensor>) {
    let panels = dense.units.next_multiple_of(BLOCK).div_ceil(dense.panel);
    for panel in 0..panels {
        let start = into.len();
        into.resize(start + (dense.features + 1) * dense.panel, 0.0);
        let Some((head, body)) = into.get_mut(start..).map(|all| all.split_at_mut(dense.panel)) else { continue };
        head.fill(dense.activation.idle());
        let first = panel * dense.panel;
        for (lane, (slot, row)) in
            head.iter_mut().zip(kernel.values().chunks_exact(dense.features).skip(first)).enumerate()
        {
            *slot = bias.and_then(|bias| bias.values().get(first + lane).copied()).unwrap_or(0.0);
            for (column, value) in body.chunks_exact_mut(dense.panel).zip(row) {
                if let Some(slot) = column.get_mut(lane) {
                    *slot = *value;
                }
            }
        }
    }
}

/// Appends a scale and a shift per channel, each rounded up to whole blocks with zeros.
pub(super) fn affine(into: &mut Vec<f32>, scale: &[f64], shift: &[f64]) {
    for vector in [scale, shift] {
        into.extend(vector.iter().map(|value| *value as f32));
        into.resize(into.len().next_multiple_of(BLOCK), 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::geometry::{Activation, Direct, Frame, Grouped, Map, Rest};
    use super::*;

    const EMPTY: Map = Map { channels: 0, height: 0, width: 0, block: BLOCK, frame: Frame::NONE, rest: Rest::NONE };
    const PLAIN: ConvGeometry = ConvGeometry {
        batch: 1,
        input: EMPTY,
        output: EMPTY,
        shortcut: None,
        kernel: [1, 1],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [0, 0],
        window: 1,
        first_block: &[],
        activation: Activation::None,
        second: None,
        algorithm: Algorithm::Direct(Direct { band: 200, depth: 16, sums: 1 << 15 }),
    };

    fn value(seed: usize) -> f32 {
        ((seed.wrapping_mul(2_654_435_761) >> 7) % 17) as f32 - 8.0
    }

    /// One output pixel of a convolution whose kernel covers its whole input, read from the panels as the contract says.
    fn through_panels(geometry: &ConvGeometry, first_block: &[usize], packed: &[f32], input: &[f32]) -> Vec<f32> {
        let [kh, kw] = geometry.kernel;
        let (block, panel) = (geometry.input.block, BLOCK);
        let panel_length = (1 + geometry.window * kh * kw * block) * panel;
        (0..geometry.output.channels)
            .map(|output| {
                let body = &packed[output / panel * panel_length..];
                let lane = output % panel;
                let first = first_block.get(output / panel).copied().unwrap_or(0);
                let mut sum = body[lane];
                let mut k = 0;
                for b in 0..geometry.window {
                    for tap in 0..kh * kw {
                        for inner in 0..block {
                            let channel = (first + b) * block + inner;
                            let x =
                                if channel < geometry.input.channels { input[channel * kh * kw + tap] } else { 0.0 };
                            sum += x * body[(1 + k) * panel + lane];
                            k += 1;
                        }
                    }
                }
                sum
            })
            .collect()
    }

    #[test]
    fn panels_give_the_convolution_for_every_kind_of_groups() {
        for (channels, outputs, groups, block) in [
            (3, 64, 1, 3),
            (64, 64, 1, 16),
            (26, 26, 1, 16),
            (40, 48, 1, 16),
            (128, 128, 32, 16),
            (256, 256, 32, 16),
            (512, 512, 32, 16),
            (1024, 1024, 32, 16),
            (48, 96, 2, 16),
            (72, 24, 3, 16),
            (20, 20, 20, 16),
            (6, 4, 2, 6),
        ] {
            let kernel_size = [2, 3];
            let (window, first_block) = windows(channels, outputs, groups, block);
            let map = |channels, block, height, width| Map {
                channels,
                height,
                width,
                block,
                frame: Frame::NONE,
                rest: Rest::NONE,
            };
            let geometry = ConvGeometry {
                input: map(channels, block, 2, 3),
                output: map(outputs, BLOCK, 1, 1),
                kernel: kernel_size,
                window,
                ..PLAIN
            };
            let per_group = channels / groups;
            let weights: Vec<f32> = (0..outputs * per_group * 6).map(value).collect();
            let bias: Vec<f32> = (0..outputs).map(|o| value(o + 99)).collect();
            let input: Vec<f32> = (0..channels * 6).map(|i| value(i + 7)).collect();
            let kernel = Tensor::new([outputs, per_group, 2, 3], weights.clone()).unwrap();
            let mut packed = Vec::new();
            let bias_of = Tensor::new([outputs], bias.clone());
            let parameters = Parameters {
                conv: &geometry,
                first_block: &first_block,
                groups,
                kernel: &kernel,
                bias: bias_of.as_ref(),
                line: None,
            };
            conv(&mut packed, parameters);
            assert_eq!(packed.len(), outputs.next_multiple_of(BLOCK) * (1 + window * 6 * block), "{groups} groups");
            let expected: Vec<f32> = (0..outputs)
                .map(|o| {
                    let start = o / (outputs / groups) * per_group;
                    let taps = (0..per_group * 6).map(|i| weights[o * per_group * 6 + i] * input[start * 6 + i]);
                    bias[o] + taps.sum::<f32>()
                })
                .collect();
            assert_eq!(
                through_panels(&geometry, &first_block, &packed, &input),
                expected,
                "{groups} groups of {channels}"
            );
        }
    }

    #[test]
    fn pairs_of_panels_hold_what_the_seven_products_take() {
        let (inputs, outputs) = (64, 96);
        let strassen = Strassen { band: 1, depth: 1 };
        let geometry = ConvGeometry {
            input: Map { channels: inputs, height: 2, width: 1, block: BLOCK, frame: Frame::NONE, rest: Rest::NONE },
            output: Map { channels: outputs, height: 2, width: 1, block: BLOCK, frame: Frame::NONE, rest: Rest::NONE },
            kernel: [1, 1],
            window: 4,
            activation: Activation::None,
            algorithm: Algorithm::Strassen(strassen),
            ..PLAIN
        };
        let weights: Vec<f32> = (0..outputs * inputs).map(value).collect();
        let bias: Vec<f32> = (0..outputs).map(|output| value(output + 99)).collect();
        let input: Vec<Vec<f32>> = (0..2).map(|pixel| (0..inputs).map(|i| value(i * 2 + pixel)).collect()).collect();
        let mut packed = Vec::new();
        let kernel = Tensor::new([outputs, inputs, 1, 1], weights.clone()).unwrap();
        let bias_of = Tensor::new([outputs], bias.clone());
        let parameters = Parameters {
            conv: &geometry,
            first_block: &[],
            groups: 1,
            kernel: &kernel,
            bias: bias_of.as_ref(),
            line: None,
        };
        conv(&mut packed, parameters);
        assert_eq!(packed.len(), 3 * strassen.panel(4));
        for (panel, pair) in packed.chunks(strassen.panel(4)).enumerate() {
            for lane in 0..BLOCK {
                let mut c = [[pair[lane], pair[BLOCK + lane]]; 2];
                for pass in 0..2 {
                    for k in 0..BLOCK {
                        let a = |pixel: usize, half: usize| input[pixel][(2 * pass + half) * BLOCK + k];
                        let b = |product: usize| pair[(2 + (pass * 7 + product) * BLOCK + k) * BLOCK + lane];
                        let s1 = a(1, 0) + a(1, 1);
                        let (s2, s3) = (s1 - a(0, 0), a(0, 0) - a(1, 0));
                        let (p1, p2, p6, p5) = (a(0, 0) * b(0), a(0, 1) * b(1), s2 * b(2), s1 * b(3));
                        let (p3, p7, minus_p4) = ((a(0, 1) - s2) * b(4), s3 * b(5), a(1, 1) * b(6));
                        c[0][0] += p1 + p2;
                        c[0][1] += p1 + p6 + p5 + p3;
                        c[1][0] += p1 + p6 + p7 + minus_p4;
                        c[1][1] += p1 + p6 + p7 + p5;
                    }
                }
                for (pixel, halves) in c.iter().enumerate() {
                    for (half, sum) in halves.iter().enumerate() {
                        let output = half * outputs / 2 + panel * BLOCK + lane;
                        let products = weights[output * inputs..].iter().zip(&input[pixel]).map(|(w, x)| w * x);
                        assert_eq!(*sum, bias[output] + products.sum::<f32>(), "pixel {pixel}, output {output}");
                    }
                }
            }
        }
    }

    #[test]
    fn panels_within_groups_hold_a_row_of_the_kernel_per_channel() {
        let map =
            |height, width| Map { channels: 24, height, width, block: BLOCK, frame: Frame::NONE, rest: Rest::NONE };
        let geometry = ConvGeometry {
            input: map(2, 3),
            output: map(1, 1),
            kernel: [2, 3],
            window: 1,
            activation: Activation::Sigmoid,
            algorithm: Algorithm::Grouped(Grouped { channels: 4 }),
            ..PLAIN
        };
        // A weight tells where it is from: output, input of the group, row, column.
        let places = (0..24).flat_map(|output| (0..24).map(move |rest| (output, rest / 6, rest / 3 % 2, rest % 3)));
        let weight = |(output, input, row, column): (usize, usize, usize, usize)| {
            (output * 1000 + input * 100 + row * 10 + column) as f32
        };
        let kernel = Tensor::new([24, 4, 2, 3], places.map(weight).collect::<Vec<_>>()).unwrap();
        let bias = Tensor::new([24], (0..24).map(|output| -(output as f32)).collect::<Vec<_>>()).unwrap();
        let mut packed = Vec::new();
        let parameters = Parameters {
            conv: &geometry,
            first_block: &[0, 1],
            groups: 6,
            kernel: &kernel,
            bias: Some(&bias),
            line: None,
        };
        conv(&mut packed, parameters);
        let mut expected = Vec::new();
        for panel in [0..16, 16..32] {
            let exists = |output: &usize| *output < 24;
            let lane = |output: usize| if exists(&output) { -(output as f32) } else { Activation::Sigmoid.idle() };
            expected.extend(panel.clone().map(lane));
            for (row, input, column) in (0..24).map(|rest| (rest / 12, rest / 3 % 4, rest % 3)) {
                let lane = |output| if exists(&output) { weight((output, input, row, column)) } else { 0.0 };
                expected.extend(panel.clone().map(lane));
            }
        }
        assert_eq!(packed, expected);
    }

    #[test]
    fn dense_panels_hold_bias_and_columns() {
        let geometry = DenseGeometry { batch: 1, features: 2, units: 17, panel: 32, activation: Activation::None };
        let kernel = Tensor::new([17, 2], (0..34).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
        let bias = Tensor::new([17], (0..17).map(|i| -(i as f32)).collect::<Vec<_>>()).unwrap();
        let mut packed = Vec::new();
        dense(&mut packed, &geometry, &kernel, Some(&bias));
        assert_eq!(packed.len(), 3 * 32);
        assert_eq!(
            (packed[16], packed[32 + 16], packed[64 + 16], packed[17], packed[64 + 17]),
            (-16.0, 32.0, 33.0, 0.0, 0.0)
        );
    }
}
