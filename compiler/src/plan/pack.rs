//! Weights in the order the kernels read them: panels, as `runtime/src/geometry.rs` defines them.

use super::geometry::{BLOCK, ConvGeometry, DenseGeometry};
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
pub(super) fn windows(channels: usize, outputs: usize, groups: usize, block: usize, panel: usize) -> (usize, Vec<usize>) {
    let blocks = channels.div_ceil(block);
    if groups == 1 {
        return (blocks, Vec::new());
    }
    let (inputs_per_group, outputs_per_group) = (channels / groups, outputs / groups);
    let ranges: Vec<(usize, usize)> = (0..outputs.div_ceil(panel))
        .map(|index| {
            let first_group = index * panel / outputs_per_group;
            let last_group = (((index + 1) * panel).min(outputs) - 1) / outputs_per_group;
            (first_group * inputs_per_group / block, ((last_group + 1) * inputs_per_group).div_ceil(block))
        })
        .collect();
    let window = ranges.iter().map(|(first, end)| end - first).max().unwrap_or(blocks);
    let first: Vec<usize> = ranges.iter().map(|(first, _)| (*first).min(blocks - window)).collect();
    (window, first)
}

/// Appends a convolution's panels.
///
/// `kernel` is `[outputs, channels / groups, height, width]`, `bias` `[outputs]`.
pub(super) fn conv(
    into: &mut Vec<f32>,
    conv: &ConvGeometry,
    first_block: &[usize],
    groups: usize,
    kernel: &Tensor,
    bias: Option<&Tensor>,
) {
    let [kh, kw] = conv.kernel;
    let (block, outputs) = (conv.input.block, conv.output.channels);
    let (inputs_per_group, outputs_per_group) = (conv.input.channels / groups, outputs / groups);
    let panels = outputs.next_multiple_of(BLOCK).div_ceil(conv.panel);
    let depth = conv.window * kh * kw * block;
    into.reserve(panels * (depth + 1) * conv.panel);
    for panel in 0..panels {
        let start = into.len();
        into.resize(start + (depth + 1) * conv.panel, 0.0);
        let Some((head, body)) = into.get_mut(start..).map(|all| all.split_at_mut(conv.panel)) else { continue };
        let first_channel = first_block.get(panel).copied().unwrap_or(0) * block;
        for (lane, slot) in head.iter_mut().enumerate() {
            let output = panel * conv.panel + lane;
            if output >= outputs {
                break;
            }
            *slot = bias.and_then(|bias| bias.values().get(output).copied()).unwrap_or(0.0);
            let group_start = output / outputs_per_group * inputs_per_group;
            let values = kernel.values().chunks_exact(inputs_per_group * kh * kw).nth(output).unwrap_or(&[]);
            for (inner, taps) in values.chunks_exact(kh * kw).enumerate() {
                let channel = group_start + inner - first_channel;
                let base = channel / block * kh * kw * block + channel % block;
                for (tap, value) in taps.iter().enumerate() {
                    if let Some(slot) = body.get_mut((base + tap * block) * conv.panel + lane) {
                        *slot = *value;
                    }
                }
            }
        }
    }
}

/// Appends a dense layer's panels. `kernel` is `[units, features]`, `bias` `[units]`.
pub(super) fn dense(into: &mut Vec<f32>, dense: &DenseGeometry, kernel: &Tensor, bias: Option<&Tensor>) {
    let panels = dense.units.next_multiple_of(BLOCK).div_ceil(dense.panel);
    for panel in 0..panels {
        let start = into.len();
        into.resize(start + (dense.features + 1) * dense.panel, 0.0);
        let Some((head, body)) = into.get_mut(start..).map(|all| all.split_at_mut(dense.panel)) else { continue };
        let first = panel * dense.panel;
        for (lane, (slot, row)) in head.iter_mut().zip(kernel.values().chunks_exact(dense.features).skip(first)).enumerate() {
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
