//! Where results lie: buffers of the arena, and places in them.

use super::super::geometry::Map;
use super::super::layout::Part;
use super::Lowering;
use crate::ir::NodeId;

/// Names a buffer of the arena.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::plan) struct Buffer(usize);

#[cfg(test)]
impl Buffer {
    pub(in crate::plan) fn numbered(number: usize) -> Self {
        Self(number)
    }
}

/// A place in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plan) struct Place {
    pub buffer: Buffer,
    /// In f32 values.
    pub offset: usize,
}

impl Place {
    pub(super) fn start(buffer: Buffer) -> Self {
        Self { buffer, offset: 0 }
    }

    pub(super) fn after(self, offset: usize) -> Self {
        Self { offset: self.offset + offset, ..self }
    }
}

#[cfg(test)]
impl Place {
    pub(in crate::plan) fn numbered(number: usize) -> Self {
        Self::start(Buffer(number))
    }
}

/// What a step reads and writes.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::plan) struct Used {
    pub input: Option<Place>,
    pub other: Option<Place>,
    pub output: Option<Place>,
}

impl Lowering<'_> {
    /// A place of its own for a node's result.
    pub(super) fn fresh(&mut self, id: NodeId, map: Map) -> Place {
        if let Some(target) = self.target {
            return target.place;
        }
        let place = match self.layouts.part(id) {
            Some(part) => self.within(part),
            None => self.scratch(map),
        };
        self.settle(id, map, place);
        place
    }

    /// The place of a part, in the larger map that it belongs to.
    fn within(&mut self, part: Part) -> Place {
        let map = self.layouts.get(part.of);
        let whole = match (self.wholes.get(&part.of), map) {
            (Some(place), _) => *place,
            (None, Some(map)) => self.scratch(map),
            (None, None) => return Place::start(Buffer(0)),
        };
        self.wholes.insert(part.of, whole);
        whole.after(part.block * map.map_or(0, Map::plane))
    }

    pub(super) fn scratch(&mut self, map: Map) -> Place {
        let buffer = Buffer(self.lowered.sizes.len());
        self.lowered.sizes.insert(buffer, map.len().saturating_mul(self.batch));
        Place::start(buffer)
    }

    pub(super) fn settle(&mut self, id: NodeId, map: Map, place: Place) {
        let buffer = place.buffer;
        // A part is needed for as long as what it belongs to.
        let of = self.layouts.part(id).map(|part| part.of);
        let read = |id: NodeId| self.last_read.get(&id).copied();
        let until = [read(id), of.and_then(read), of.and_then(|of| self.positions.get(&of).copied())];
        let until = until.into_iter().flatten().fold(self.position, usize::max);
        let occupied = self.occupied.entry(buffer).or_default();
        *occupied = until.max(*occupied);
        if self.is_early(self.position) && !self.is_early(until) && self.lowered.kept.insert(buffer) {
            self.lowered.sizes.entry(buffer).and_modify(|size| *size = size.saturating_mul(self.all));
        }
        self.homes.insert(id, (map, place));
    }

    /// The place of `over` for a node's result when nobody reads it later and the layouts agree, else one of its own.
    pub(super) fn in_place(&mut self, id: NodeId, map: Map, over: Option<(Map, Place)>, but: Option<Place>) -> Place {
        match over {
            _ if self.target.is_some() || self.layouts.part(id).is_some() => self.fresh(id, map),
            Some((other, place))
                if other == map
                    && but.is_none_or(|but| but.buffer != place.buffer)
                    && self.occupied.get(&place.buffer).is_some_and(|until| *until <= self.position) =>
            {
                self.settle(id, map, place);
                place
            }
            _ => self.fresh(id, map),
        }
    }
}
