//! Places for all maps in one arena, so that those alive at the same time do not overlap.
//!
//! Greedy by size: the largest buffer first, each at the lowest offset that is free for as long as it lives.

use std::collections::BTreeMap;

use super::Operands;
use super::lower::{Buffer, Lowered, Place};
use crate::diagnostic::{Diagnostic, Diagnostics};

/// Where everything lies.
pub(super) struct Arena {
    /// Offsets per step; weights not among them.
    pub operands: Vec<Operands>,
    /// Length in f32 values.
    pub length: usize,
    /// The most f32 values alive at once.
    pub lower_bound: usize,
}

/// The steps from the one that writes a buffer to the last that reads it.
#[derive(Debug, Clone, Copy)]
struct Life {
    first: usize,
    last: usize,
}

/// Arenas past this many f32 values (16 GiB) are refused, and so are outputs that together have more.
const LIMIT: usize = 1 << 32;

/// Buffers start on 64-byte lines.
const LINE: usize = 16;

/// Gives every buffer its place.
pub(super) fn assign(lowered: &Lowered) -> Result<Arena, Diagnostics> {
    let mut lives: BTreeMap<Buffer, Life> = BTreeMap::new();
    for (index, used) in lowered.buffers.iter().enumerate() {
        for Place { buffer, .. } in [used.input, used.other, used.output].into_iter().flatten() {
            lives.entry(buffer).or_insert(Life { first: index, last: index }).last = index;
        }
    }
    // The first image's are written before the last image begins.
    for buffer in &lowered.kept {
        lives.entry(*buffer).and_modify(|life| life.first = 0);
    }
    let size = |buffer: Buffer| lowered.sizes.get(&buffer).copied().unwrap_or(0).next_multiple_of(LINE);
    let mut order: Vec<(Buffer, Life)> = lives.iter().map(|(buffer, life)| (*buffer, *life)).collect();
    order.sort_by_key(|(buffer, life)| (usize::MAX - size(*buffer), life.first, *buffer));

    let mut placed: Vec<(usize, usize, Life)> = Vec::with_capacity(order.len());
    let mut offsets: BTreeMap<Buffer, usize> = BTreeMap::new();
    let mut length = 0_usize;
    for (buffer, life) in order {
        let size = size(buffer);
        let mut taken: Vec<(usize, usize)> = placed
            .iter()
            .filter(|(_, _, other)| life.first <= other.last && other.first <= life.last)
            .map(|(start, end, _)| (*start, *end))
            .collect();
        taken.sort_unstable();
        let mut offset = 0_usize;
        for (start, end) in taken {
            if offset + size <= start {
                break;
            }
            offset = offset.max(end);
        }
        let end = offset.saturating_add(size);
        placed.push((offset, end, life));
        offsets.insert(buffer, offset);
        length = length.max(end);
    }
    if length > LIMIT {
        return Err(Diagnostic::error("E-PLAN", format!("its activations need {} GiB at a time", length >> 28))
            .expected("at most 16 GiB")
            .hint("a smaller input or a smaller batch")
            .into());
    }

    let outputs = lowered.outputs.iter().fold(0_usize, |sum, output| {
        sum.saturating_add(output.shape.iter().fold(1, |product: usize, extent| product.saturating_mul(*extent)))
    });
    if outputs > LIMIT {
        return Err(Diagnostic::error("E-PLAN", format!("its outputs take {} GiB", outputs >> 28))
            .expected("at most 16 GiB")
            .hint("fewer outputs, a smaller input or a smaller batch")
            .into());
    }

    let mut change: BTreeMap<usize, isize> = BTreeMap::new();
    for (buffer, life) in &lives {
        let size = size(*buffer) as isize;
        *change.entry(life.first).or_default() += size;
        *change.entry(life.last + 1).or_default() -= size;
    }
    let (mut alive, mut lower_bound) = (0_isize, 0_isize);
    for delta in change.values() {
        alive += delta;
        lower_bound = lower_bound.max(alive);
    }

    let offset = |place: Option<Place>| place.and_then(|place| Some(offsets.get(&place.buffer)? + place.offset));
    let operands = lowered
        .buffers
        .iter()
        .map(|used| Operands {
            input: offset(used.input),
            other: offset(used.other),
            output: offset(used.output),
            ..Operands::default()
        })
        .collect();
    Ok(Arena { operands, length, lower_bound: lower_bound.unsigned_abs() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::lower::Used;
    use super::*;

    /// Random lives: no two buffers that are alive at once overlap, and the arena is never below its bound.
    #[test]
    fn buffers_alive_at_once_do_not_overlap() {
        let mut state = 7_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for _ in 0..50 {
            let count = 40;
            let sizes: BTreeMap<Buffer, usize> = (0..count).map(|i| (Buffer::numbered(i), 1 + random(5000))).collect();
            let buffers: Vec<Used> = (0..count)
                .map(|i| Used {
                    input: (i > 0).then(|| Place::numbered(i - 1)),
                    other: (i > 2).then(|| Place::numbered(random(i - 1))),
                    output: Some(Place::numbered(i)),
                })
                .collect();
            let lowered = Lowered {
                steps: Vec::new(),
                nodes: Vec::new(),
                buffers: buffers.clone(),
                sizes: sizes.clone(),
                kept: BTreeSet::new(),
                inputs: Vec::new(),
                outputs: Vec::new(),
                weights: Vec::new(),
            };
            let arena = assign(&lowered).unwrap();
            assert!(arena.length >= arena.lower_bound);
            let mut place: BTreeMap<Buffer, (usize, usize, usize)> = BTreeMap::new();
            for (index, (used, at)) in buffers.iter().zip(&arena.operands).enumerate() {
                for (buffer, offset) in [(used.input, at.input), (used.other, at.other), (used.output, at.output)]
                    .into_iter()
                    .filter_map(|(place, offset)| Some((place?.buffer, offset?)))
                {
                    let entry = place.entry(buffer).or_insert((offset, index, index));
                    assert_eq!(entry.0, offset, "a buffer moved");
                    entry.2 = index;
                }
            }
            for (a, (start_a, first_a, last_a)) in &place {
                for (b, (start_b, first_b, last_b)) in &place {
                    let together = a != b && first_a <= last_b && first_b <= last_a;
                    let apart = start_a + sizes[a] <= *start_b || start_b + sizes[b] <= *start_a;
                    assert!(!together || apart, "{a:?} and {b:?} overlap");
                }
            }
        }
    }
}
