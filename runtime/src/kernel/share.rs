//! How the threads of a step come by its work.
//!
//! The units of a step are numbered, and each thread has a range of them, which follows from their number alone. It takes parts from
//! the front of its range. Who has nothing left takes over the rear half of what another one has left: so the threads end together,
//! though one of them was held up. Which thread does a unit changes nothing about its result.
//!
//! A range is one word, so that it is taken from by exchanging it: whoever finds another word than before looks again. Each thread has two
//! words, for steps in turn; while it is in a step, it clears its word of the next one, which nobody looks at before all have come there.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

/// The smallest parts of a range that are worth it, where there may be many and where they are to be few.
const MANY: usize = 32;
const FEW: usize = 8;

/// What a thread has left to do, apart from what others write.
#[derive(Debug)]
#[repr(align(128))]
pub(crate) struct Claim([AtomicU64; 2]);

impl Claim {
    /// The word before its step: the range is what follows from the number of units.
    const UNTOUCHED: u64 = u64::MAX;

    pub(crate) const fn new() -> Self {
        Self([const { AtomicU64::new(Self::UNTOUCHED) }; 2])
    }

    /// Clears the word of a step that nobody has come to.
    pub(crate) fn clear(&self, step: usize) {
        self.0[step % 2].store(Self::UNTOUCHED, Ordering::Relaxed);
    }

    /// Leaves nothing to take.
    #[cfg(test)]
    pub(crate) fn empty(&self) {
        self.0.iter().for_each(|word| word.store(pack(0..0), Ordering::Relaxed));
    }
}

/// One thread among those that run a step.
#[derive(Debug, Clone, Copy)]
pub struct Share<'a> {
    index: usize,
    /// Those of all threads, or none if there is one thread.
    claims: &'a [Claim],
    step: usize,
}

/// The parts of a range that a thread takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts {
    /// Units of a part, at least and at most.
    least: usize,
    most: usize,
    /// Whether parts are few, since each costs something besides its units.
    few: bool,
}

impl Parts {
    /// Of so many units at least.
    pub(super) const fn of(least: usize) -> Self {
        Self { least, most: usize::MAX, few: false }
    }

    /// As few as it can be, of so many units at most, which are not fewer than at least.
    pub(super) const fn few(self, most: usize) -> Self {
        Self { most, few: true, ..self }
    }
}

impl Share<'_> {
    /// The share of a thread that is alone.
    pub(crate) const WHOLE: Share<'static> = Share { index: 0, claims: &[], step: 0 };

    /// The share of a thread in a step. The claims are those of all threads.
    pub(crate) fn new(index: usize, claims: &[Claim], step: usize) -> Share<'_> {
        Share { index, claims, step }
    }

    /// This thread's range of so many units, which no other one takes from.
    #[inline(always)]
    pub(super) fn of(self, units: usize) -> Range<usize> {
        if self.claims.is_empty() { 0..units } else { self.range_of(self.index, units) }
    }

    fn range_of(self, index: usize, units: usize) -> Range<usize> {
        let count = self.claims.len();
        units * index / count..units * (index + 1) / count
    }

    /// The units that this thread does, of so many, part by part. A step calls this once, for its threads have one range each.
    #[inline(always)]
    pub(super) fn parts(self, units: usize, parts: Parts) -> impl Iterator<Item = Range<usize>> {
        let mut done = 0;
        std::iter::from_fn(move || {
            if !self.claims.is_empty() {
                return self.take(units, parts);
            }
            let start = done;
            done += parts.most.min(units - start);
            (start < done).then_some(start..done)
        })
    }

    /// The units that this thread does, of so many, one by one. As [`Share::parts`].
    #[inline(always)]
    pub(super) fn units(self, units: usize) -> impl Iterator<Item = usize> {
        self.parts(units, Parts::of(1)).flatten()
    }

    /// Takes a part of this thread's range or, when nothing is left of it, of another one.
    #[inline(never)]
    fn take(self, units: usize, parts: Parts) -> Option<Range<usize>> {
        debug_assert!(units < u32::MAX as usize, "a step writes a vector per unit");
        let range = self.range_of(self.index, units).len();
        let least = parts.least.max(range.div_ceil(if parts.few { FEW } else { MANY })).min(parts.most);
        loop {
            let (word, left) = self.left(self.index, units);
            if !left.is_empty() {
                // The first of few leaves two small ones.
                let length =
                    if parts.few { left.len().saturating_sub(2 * least).clamp(least, parts.most) } else { least };
                // A rest that is no part by itself goes along.
                let whole = left.len() < length + least.div_ceil(2) && left.len() <= parts.most;
                let middle = if whole { left.end } else { left.start + length };
                if self.exchange(self.index, word, middle..left.end) {
                    return Some(left.start..middle);
                }
                continue;
            }
            let lefts = (0..self.claims.len()).map(|index| (index, self.left(index, units)));
            let (other, (word, left)) = lefts.max_by_key(|(_, (_, left))| left.len())?;
            if left.is_empty() {
                return None;
            }
            let single = left.len() <= least;
            let middle = if single { left.start } else { left.start + left.len() / 2 };
            if self.exchange(other, word, left.start..middle) {
                if single {
                    return Some(left);
                }
                // Nobody else writes here: nothing is left of it to take.
                self.word(self.index).store(pack(middle..left.end), Ordering::Relaxed);
            }
        }
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        &self.claims[index].0[self.step % 2]
    }

    /// The word of a thread, and what is left of its range.
    fn left(&self, index: usize, units: usize) -> (u64, Range<usize>) {
        match self.word(index).load(Ordering::Relaxed) {
            Claim::UNTOUCHED => (Claim::UNTOUCHED, self.range_of(index, units)),
            word => (word, (word >> 32) as usize..(word & u64::from(u32::MAX)) as usize),
        }
    }

    /// Says that so much is left of a thread's range, if its word is what it was.
    fn exchange(&self, index: usize, word: u64, left: Range<usize>) -> bool {
        self.word(index).compare_exchange(word, pack(left), Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

const fn pack(range: Range<usize>) -> u64 {
    (range.start as u64) << 32 | range.end as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts and ends.
    fn taken(share: Share, units: usize, parts: Parts) -> Vec<(usize, usize)> {
        share.parts(units, parts).map(|part| (part.start, part.end)).collect()
    }

    #[test]
    fn a_thread_alone_takes_all_at_once() {
        assert_eq!(taken(Share::WHOLE, 7, Parts::of(2)), [(0, 7)]);
        assert_eq!(taken(Share::WHOLE, 7, Parts::of(2).few(3)), [(0, 3), (3, 6), (6, 7)]);
        assert_eq!(taken(Share::WHOLE, 0, Parts::of(2)), []);
        assert_eq!(Share::WHOLE.units(3).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(Share::WHOLE.of(3), 0..3);
    }

    #[test]
    fn who_is_done_takes_over_from_the_rear() {
        let claims = [Claim::new(), Claim::new()];
        let share = |index| Share::new(index, &claims, 0);
        assert_eq!(taken(share(1), 8, Parts::of(2)), [(4, 6), (6, 8), (2, 4), (0, 2)]);
        assert_eq!(taken(share(0), 8, Parts::of(2)), []);
    }

    #[test]
    fn few_parts_leave_two_small_ones() {
        let claims = [Claim::new(), Claim::new()];
        let share = |index| Share::new(index, &claims, 0);
        let mut first = share(0).parts(32, Parts::of(1).few(100));
        let mut second = share(1).parts(32, Parts::of(1).few(100));
        assert_eq!(first.next(), Some(0..12));
        assert_eq!(second.next(), Some(16..28));
        assert_eq!(second.next(), Some(28..30));
        assert_eq!(second.next(), Some(30..32));
        assert_eq!(second.next(), Some(14..16));
        assert_eq!(first.next(), Some(12..14));
        assert_eq!((first.next(), second.next()), (None, None));
    }

    #[test]
    fn words_are_cleared_for_steps_in_turn() {
        let claims = [Claim::new(), Claim::new()];
        for step in 0..4 {
            claims[0].clear(step + 1);
            claims[1].clear(step + 1);
            assert_eq!(Share::new(1, &claims, step).units(9).count(), 9, "in step {step}");
            assert_eq!(Share::new(0, &claims, step).units(9).count(), 0, "in step {step}");
        }
    }

    #[test]
    fn every_unit_is_taken_once_whoever_comes_when() {
        for round in 0..200 {
            let threads = 2 + round % 5;
            let claims: Vec<Claim> = (0..threads).map(|_| Claim::new()).collect();
            let units = round * 7;
            let times: Vec<AtomicU64> = (0..units).map(|_| AtomicU64::new(0)).collect();
            std::thread::scope(|scope| {
                for index in 0..threads {
                    let (claims, times) = (&claims, &times);
                    scope.spawn(move || {
                        let (parts, most) =
                            if round % 2 == 0 { (Parts::of(1), units) } else { (Parts::of(3).few(7), 7) };
                        let parts = Share::new(index, claims, round).parts(units, parts);
                        for unit in parts.inspect(|part| assert!(part.len() <= most)).flatten() {
                            times[unit].fetch_add(1, Ordering::Relaxed);
                            if unit.is_multiple_of(5) {
                                std::thread::yield_now();
                            }
                        }
                    });
                }
            });
            assert!(times.iter().all(|times| times.load(Ordering::Relaxed) == 1), "{threads} threads, {units} units");
        }
    }
}
