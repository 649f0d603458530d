//! Chains of layers to steps, band by band.

use super::super::Section;
use super::super::bands::{Band, Chain, Turn, Window, bands, window};
use super::super::geometry::{BLOCK, Frame, Map, RemapGeometry, Rest};
use super::{Draft, Kernel, Lowering, Place, Target, Used, draft, size};
use crate::ir::{ChainKind, NodeId, Op};

impl Lowering<'_> {
    /// Lists the steps of a chain.
    pub(super) fn chain(&mut self, chain: &Chain) {
        match chain.kind {
            ChainKind::StemPool | ChainKind::Bottleneck => self.by_rows(chain),
            ChainKind::GlobalPool => self.by_channels(chain),
        }
    }

    /// A conv and a global pool, some channels at a time.
    fn by_channels(&mut self, chain: &Chain) {
        let graph = self.graph;
        let [conv, pool] = *chain.nodes.as_slice() else { return };
        let (Some(whole), Some(map)) = (self.layouts.get(conv), self.layouts.get(pool)) else {
            return;
        };
        let output = self.fresh(pool, map);
        let shortcut = match graph.node(conv).op() {
            Op::Conv(attributes) if attributes.shortcut => graph.operands(conv).last().copied(),
            _ => None,
        };
        let home = shortcut.and_then(|id| Some((id, *self.homes.get(&id)?)));
        let part = self.scratch(Map { channels: chain.part.min(whole.channels), ..whole });
        for from in (0..whole.channels).step_by(chain.part.max(BLOCK)) {
            let to = (from + chain.part.max(BLOCK)).min(whole.channels);
            if let Some((id, (map, place))) = home {
                let (view, offset) = channels(map, from, to);
                self.homes.insert(id, (view, place.after(offset)));
            }
            let target = Map { channels: to - from, ..whole };
            self.target = Some(Target { place: part, padding: [0, 0], channels: Some([from, to]) });
            let computed = self.compute(conv, target);
            let rows = [0, whole.height];
            self.list(conv, target, Section { channels: [from, to], rows }, computed);
            self.homes.insert(conv, (target, part));
            let (view, offset) = channels(map, from, to);
            self.target = Some(Target { place: output.after(offset), padding: [0, 0], channels: None });
            let pooled = self.compute(pool, view);
            self.list(pool, view, Section { channels: [from, to], rows: [0, 1] }, pooled);
        }
        self.target = None;
        self.homes.extend(home);
    }

    /// Lists a step that computes a part of a node.
    fn list(&mut self, id: NodeId, map: Map, section: Section, drafted: Option<Draft>) {
        if let Some(draft) = drafted {
            self.current = id;
            let shape = vec![self.all, map.channels, map.height, map.width];
            self.push(self.graph.node(id).name.clone(), shape, draft);
            if let Some(step) = self.lowered.steps.last_mut() {
                step.part = Some(section);
            }
        }
    }

    /// Layers of which the last is computed some rows at a time.
    fn by_rows(&mut self, chain: &Chain) {
        let graph = self.graph;
        let (Some(&first), Some(&last)) = (chain.nodes.first(), chain.nodes.last()) else { return };
        let windows: Option<Vec<Window>> = chain.nodes.iter().map(|id| window(graph, self.decisions, *id)).collect();
        let Some(windows) = windows else { return };
        let bands = bands(&windows, chain.part);
        let Some(input) = graph.operands(first).first().copied().and_then(|id| self.read(id)) else { return };
        let Some(map) = self.layouts.get(last) else { return };
        let shortcut = match graph.node(last).op() {
            Op::Conv(conv) if conv.shortcut => graph.operands(last).last().copied(),
            _ => None,
        };
        let over = shortcut.and_then(|id| self.homes.get(&id).copied());
        // A shortcut that the chain reads from the top as well is written over only as far as nothing of it is read any more.
        let behind = over.is_none_or(|(_, place)| place.buffer != input.1.buffer) || reads_ahead(&bands);
        let output = self.in_place(last, map, over.filter(|_| behind), None);
        // Of each layer but the last, the rows that there are.
        let mut rolling: Vec<(Map, Place)> = Vec::new();
        for (index, id) in chain.nodes.iter().enumerate() {
            let Some(whole) = self.layouts.get(*id) else { return };
            if *id == last {
                rolling.push((whole, output));
                continue;
            }
            let rows =
                bands.iter().filter_map(|band| band.get(index)).map(|turn| turn.holds.count()).max().unwrap_or(1);
            let frame = Frame { top: 0, bottom: 0, ..whole.frame };
            let map = Map { height: rows, frame, ..whole };
            rolling.push((map, self.scratch(map)));
        }
        let mut before: Option<&Band> = None;
        for band in &bands {
            for (index, turn) in band.iter().enumerate() {
                let (Some(&id), Some(&(map, place))) = (chain.nodes.get(index), rolling.get(index)) else { return };
                if id != last
                    && let Some(earlier) = before.and_then(|band| band.get(index))
                {
                    self.roll(id, map, place, earlier, turn);
                }
                if turn.rows.is_empty() {
                    continue;
                }
                let source = match index.checked_sub(1) {
                    None => (input.0, input.1, -(input.0.frame.top as isize)),
                    Some(before) => match (rolling.get(before), band.get(before)) {
                        (Some((map, place)), Some(turn)) => (*map, *place, turn.holds.from),
                        _ => return,
                    },
                };
                self.turn(id, turn, source, (map, place), id == last);
            }
            before = Some(band);
        }
        self.homes.insert(last, (map, output));
    }

    /// Moves the rows that a layer keeps to the top of its buffer.
    fn roll(&mut self, id: NodeId, map: Map, place: Place, before: &Turn, turn: &Turn) {
        let moved = turn.holds.from - before.holds.from;
        if moved == 0 || turn.keeps.is_empty() {
            return;
        }
        let rows = turn.keeps.count();
        self.current = id;
        let (to, offset) = part(map, 0, 0, rows, 0);
        let (from, origin) = part(map, moved as usize, 0, rows, 0);
        let geometry = RemapGeometry {
            batch: self.batch,
            input: from,
            output: to,
            stride: [1, 1],
            channels_before: 0,
            top: 0,
            left: 0,
        };
        let used = Used { input: Some(place.after(origin)), other: None, output: Some(place.after(offset)) };
        let node = self.graph.node(id);
        let shape = vec![self.all, map.channels, rows, map.width];
        self.push(
            format!("{} kept", node.name),
            shape,
            draft(Kernel::Remap(geometry), used, format!("keep {}", size(to))),
        );
    }

    /// Lists the step that computes a layer's new rows, from `source`, whose first row that there is has a number, into `result`.
    fn turn(&mut self, id: NodeId, turn: &Turn, source: (Map, Place, isize), result: (Map, Place), whole: bool) {
        let graph = self.graph;
        let node = graph.node(id);
        let Some(layout) = self.layouts.get(id) else { return };
        let operands = graph.operands(id);
        let Some(&operand) = operands.first() else { return };
        let height = layout.height as isize;

        // What is read.
        let (map, place, first) = source;
        let input_height = self.layouts.get(operand).map_or(0, |map| map.height) as isize;
        let (rows, frame_rows, padding) = match node.op() {
            Op::Conv(conv) => (turn.reads, conv.padding.top, [0, 0]),
            _ => {
                let there = turn.reads.within(input_height);
                let lack = [there.from - turn.reads.from, turn.reads.to - there.to];
                (there, 0, lack.map(isize::unsigned_abs))
            }
        };
        let (view, offset) =
            part(map, (rows.from - first).unsigned_abs(), frame_rows, rows.count().saturating_sub(frame_rows), 0);
        let saved = self.homes.insert(operand, (view, place.after(offset)));

        // What is written: the frame above with the first row, the one below with the last.
        let (map, place) = result;
        let (target, offset) = if whole {
            let above = if turn.rows.from == 0 { layout.frame.top } else { 0 };
            let below = if turn.rows.to == height { layout.frame.bottom } else { 0 };
            let at = layout.frame.top + turn.rows.from.unsigned_abs() - above;
            part(map, at, above, turn.rows.count(), below)
        } else {
            let above = if turn.rows.from == 0 { (-turn.holds.from).max(0).unsigned_abs() } else { 0 };
            let below = if turn.rows.to == height { (turn.holds.to - height).max(0).unsigned_abs() } else { 0 };
            let at = (turn.rows.from - turn.holds.from).unsigned_abs() - above;
            part(map, at, above, turn.rows.count(), below)
        };
        self.target = Some(Target { place: place.after(offset), padding, channels: None });

        // What is added.
        let shortcut = match node.op() {
            Op::Conv(conv) if conv.shortcut => operands.last().copied(),
            _ => None,
        };
        let saved_shortcut = shortcut.and_then(|id| {
            let (map, place) = self.homes.get(&id).copied().filter(|_| id != operand)?;
            let above = if map.frame == layout.frame { target.frame.top } else { 0 };
            let below = if map.frame == layout.frame { target.frame.bottom } else { 0 };
            let at = map.frame.top + turn.rows.from.unsigned_abs() - above;
            let (view, offset) = part(map, at, above, turn.rows.count(), below);
            self.homes.insert(id, (view, place.after(offset)));
            Some((id, (map, place)))
        });

        let drafted = self.compute(id, target);
        self.target = None;
        let rows = [turn.rows.from.unsigned_abs(), turn.rows.to.unsigned_abs()];
        self.list(id, target, Section { channels: [0, target.channels], rows }, drafted);
        if let Some((id, home)) = saved_shortcut {
            self.homes.insert(id, home);
        }
        match saved {
            Some(home) => self.homes.insert(operand, home),
            None => self.homes.remove(&operand),
        };
    }
}

/// Rows of a map: from one that is counted from the first there is, some that are frame, those of the part, and frame again. Beside
/// the part stands its offset.
fn part(map: Map, from: usize, above: usize, height: usize, below: usize) -> (Map, usize) {
    let all = map.rows() + map.rest.rows;
    let frame = Frame { top: above, bottom: below, ..map.frame };
    let part =
        Map { height, frame, rest: Rest { rows: all.saturating_sub(above + height + below), ..map.rest }, ..map };
    (part, from * map.row())
}

/// Channels of a map. Beside the part stands its offset.
pub(super) fn channels(map: Map, from: usize, to: usize) -> (Map, usize) {
    let part = Map { channels: to - from, ..map };
    let rest = Rest { blocks: map.blocks() + map.rest.blocks - part.blocks(), ..map.rest };
    (Map { rest, ..part }, from / BLOCK * map.plane())
}

/// Whether each band reads only rows of the chain's input that no band before it writes.
fn reads_ahead(bands: &[Band]) -> bool {
    let mut written = 0;
    bands.iter().all(|band| {
        let reads = band.first().is_none_or(|turn| turn.rows.is_empty() || turn.reads.from >= written);
        written = band.last().map_or(written, |turn| turn.rows.to);
        reads
    })
}
