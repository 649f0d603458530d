//! How fast the machine is at best: multiply-adds in registers, and reads of a buffer over and over.
//!
//! Both run on an instruction set and a number of threads, all threads at once, many times; the best counts, since whatever else
//! the machine does can only slow them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Arguments, Kernel, Share};
use crate::geometry::BLOCK;
#[cfg(target_arch = "aarch64")]
use crate::isa::Neon;
#[cfg(target_arch = "x86_64")]
use crate::isa::{Avx2, Avx512};
use crate::isa::{Isa, Kind, Portable};

/// How long a speed is measured at a time: so short that other programs leave some of the times undisturbed.
const TIME: Duration = Duration::from_millis(1);
/// How long all times take together, at least.
const ALL_TIMES: Duration = Duration::from_millis(100);
/// The fewest times.
const FEWEST: usize = 10;
/// Values that buffers are multiples of: a line for each stream that is read.
const QUANTUM: usize = STREAMS * BLOCK;
/// Values that are read between two looks at the clock: a multiple of [`QUANTUM`], some ten microseconds even from memory.
const PIECE: usize = 1 << 18;

/// Floating-point operations per second of all threads together, a multiply-add being two. `None` when the machine does not have the
/// instruction set or not so many threads.
pub(crate) fn operations(isa: Kind, threads: usize) -> Option<f64> {
    let run = function::<MultiplyAdds>(isa)?;
    best(threads, || {
        let factors = [0.999_f32, 0.001];
        let mut sum = [0.0_f32; BLOCK];
        move || {
            let [factor, term] = &factors;
            let arguments = Arguments { input: factor, other: term, ..places(&mut sum) };
            // SAFETY: the machine has the instruction set; a value can be read at `input` and at `other`, a vector written at `output`.
            unsafe { run(&arguments) };
            (CALL * lanes(isa) * 2) as f64
        }
    })
}

/// Bytes per second that all threads together read from a buffer of so many bytes, of which each thread has its part. `None` as of
/// [`operations`], and when there is no memory for it.
pub(crate) fn bandwidth(isa: Kind, threads: usize, bytes: usize) -> Option<f64> {
    let run = function::<Read>(isa)?;
    let length = (bytes / size_of::<f32>() / threads).next_multiple_of(QUANTUM).max(QUANTUM);
    // Where there is too little memory, this fails before a thread does; it is given back at once.
    Vec::<f32>::new().try_reserve_exact(length.checked_mul(threads)?).ok()?;
    best(threads, || {
        // Other values than zero, so that there is memory behind every page.
        let buffer = vec![1.0_f32; length + BLOCK];
        let skipped = buffer.as_ptr().align_offset(64).min(BLOCK);
        let mut sum = [0.0_f32; BLOCK];
        // A small buffer is read several times between two looks at the clock, a large one in pieces.
        let (piece, times) = (length.min(PIECE), (PIECE / 4 / length).max(1));
        let mut position = 0;
        move || {
            let piece = piece.min(length - position);
            for _ in 0..times {
                let range = buffer[skipped + position..][..piece].as_ptr_range();
                let arguments = Arguments { input: range.start, other: range.end, ..places(&mut sum) };
                // SAFETY: the machine has the instruction set; the range lies in the buffer and is a multiple of `QUANTUM` long, and a
                // vector can be written at `output`.
                unsafe { run(&arguments) };
            }
            position = (position + piece) % length;
            (times * piece * size_of::<f32>()) as f64
        }
    })
}

fn places(sum: &mut [f32; BLOCK]) -> Arguments<'_> {
    let nothing = std::ptr::null();
    Arguments {
        input: nothing,
        other: nothing,
        output: sum.as_mut_ptr(),
        weights: nothing,
        scratch: std::ptr::null_mut(),
        share: Share::WHOLE,
    }
}

/// The best rate of each thread, summed. Each has its own state, which does some work and says how much; it goes on until all threads
/// have measured, so that none does so alone.
fn best<Work: FnMut() -> f64>(threads: usize, state: impl Fn() -> Work + Sync) -> Option<f64> {
    let measuring = AtomicUsize::new(threads);
    let measure = || {
        let mut work = state();
        // The first rate is that of a processor that wakes up and a cache that is empty.
        let _ = rate(&mut work);
        let (start, mut times, mut best) = (Instant::now(), 0, 0.0);
        while times < FEWEST || start.elapsed() < ALL_TIMES {
            best = rate(&mut work).max(best);
            times += 1;
        }
        measuring.fetch_sub(1, Ordering::Relaxed);
        while measuring.load(Ordering::Relaxed) > 0 {
            work();
        }
        best
    };
    thread::scope(|scope| {
        let mut others = Vec::new();
        for _ in 1..threads {
            match thread::Builder::new().spawn_scoped(scope, measure) {
                Ok(other) => others.push(other),
                Err(_) => {
                    // Nobody waits for who does not come.
                    measuring.fetch_sub(threads - others.len(), Ordering::Relaxed);
                    return None;
                }
            }
        }
        let own = measure();
        others.into_iter().try_fold(own, |sum, other| Some(sum + other.join().ok()?))
    })
}

/// Work per second.
fn rate(work: &mut impl FnMut() -> f64) -> f64 {
    let (start, mut done) = (Instant::now(), 0.0);
    loop {
        done += work();
        let elapsed = start.elapsed();
        if elapsed >= TIME {
            return done / elapsed.as_secs_f64();
        }
    }
}

fn function<K: Kernel>(isa: Kind) -> Option<unsafe fn(&Arguments)> {
    match isa {
        _ if !isa.available() => None,
        #[cfg(target_arch = "x86_64")]
        Kind::Avx512 => Some(Avx512::enter::<K>),
        #[cfg(target_arch = "x86_64")]
        Kind::Avx2 => Some(Avx2::enter::<K>),
        #[cfg(target_arch = "aarch64")]
        Kind::Neon => Some(Neon::enter::<K>),
        Kind::Portable => Some(Portable::enter::<K>),
        _ => None,
    }
}

fn lanes(isa: Kind) -> usize {
    match isa {
        Kind::Avx512 => 16,
        Kind::Avx2 => 8,
        Kind::Neon => 4,
        Kind::Portable => Portable::LANES,
    }
}

/// Multiply-adds of vectors per call.
const CALL: usize = 240_000;

/// Sums in registers, `sum * factor + term`, with one value at `input` and one at `other`; writes a vector at `output`, so that they
/// are computed.
///
/// The sum is a factor, not the term: else the product would be the same every time, and a compiler could take it out of the loop
/// where there is no one instruction for both.
struct MultiplyAdds;

impl Kernel for MultiplyAdds {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        // As many sums as hide the latency of one, and as the registers hold beside factor and term.
        // SAFETY: the caller vouches for the memory.
        unsafe {
            match I::KIND {
                Kind::Avx512 | Kind::Neon => multiply_adds::<I, 24>(arguments),
                Kind::Avx2 | Kind::Portable => multiply_adds::<I, 12>(arguments),
            }
        }
    }
}

/// # Safety
/// As [`MultiplyAdds`] says.
#[inline(always)]
unsafe fn multiply_adds<I: Isa, const SUMS: usize>(arguments: &Arguments) {
    // SAFETY: the caller vouches for the memory.
    unsafe {
        let (factor, term) = (I::broadcast(arguments.input), I::broadcast(arguments.other));
        let mut sums = [factor; SUMS];
        for _ in 0..CALL / SUMS {
            for sum in &mut sums {
                *sum = I::multiply_add(*sum, factor, term);
            }
        }
        store_sum::<I, SUMS>(sums, arguments.output);
    }
}

/// Runs of values that are read side by side.
const STREAMS: usize = 4;

/// Reads all values from `input` up to `other`, a multiple of [`QUANTUM`]; writes a vector at `output`.
struct Read;

impl Kernel for Read {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        // SAFETY: the caller vouches for the memory; each stream is a multiple of BLOCK values long.
        unsafe {
            let stream = arguments.other.offset_from(arguments.input) as usize / STREAMS;
            let mut sums = [I::splat(0.0); 2 * STREAMS];
            let mut at = 0;
            while at < stream {
                for step in 0..BLOCK / I::LANES {
                    for index in 0..STREAMS {
                        let value = I::load(arguments.input.add(index * stream + at + step * I::LANES));
                        let sum = &mut sums[index * 2 + step % 2];
                        *sum = I::add(*sum, value);
                    }
                }
                at += BLOCK;
            }
            store_sum::<I, { 2 * STREAMS }>(sums, arguments.output);
        }
    }
}

/// # Safety
/// The processor has the instruction set; a vector can be written at `to`.
#[inline(always)]
unsafe fn store_sum<I: Isa, const SUMS: usize>(sums: [I::Vector; SUMS], to: *mut f32) {
    // SAFETY: the caller vouches for it.
    unsafe {
        let mut total = I::splat(0.0);
        for sum in sums {
            total = I::add(total, sum);
        }
        I::store(to, total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_value_once() {
        let values: Vec<f32> = (0..4 * QUANTUM).map(|index| index as f32 * 0.25).collect();
        let expected: f32 = values.iter().sum();
        for isa in Kind::all_available() {
            let mut sum = [0.0; BLOCK];
            let range = values.as_ptr_range();
            let arguments = Arguments { input: range.start, other: range.end, ..places(&mut sum) };
            // SAFETY: the instruction set is available; the range is four times the quantum long.
            unsafe { function::<Read>(isa).unwrap()(&arguments) };
            assert_eq!(sum.iter().sum::<f32>(), expected, "{isa}");
        }
    }

    #[test]
    fn every_multiply_add_is_done() {
        for isa in Kind::all_available() {
            let mut sum = [0.0; BLOCK];
            let arguments = Arguments { input: &0.5, other: &1.0, ..places(&mut sum) };
            // SAFETY: the instruction set is available; there is a value to read at each place.
            unsafe { function::<MultiplyAdds>(isa).unwrap()(&arguments) };
            // Each sum goes to term / (1 - factor).
            let sums = if matches!(isa, Kind::Avx512 | Kind::Neon) { 24.0 } else { 12.0 };
            assert!(sum[..lanes(isa)].iter().all(|lane| *lane == 2.0 * sums), "{isa}: {sum:?}");
        }
    }

    #[test]
    fn speeds_are_numbers() {
        for isa in Kind::all_available() {
            assert!(operations(isa, 2).is_some_and(|rate| rate > 1e6 && rate.is_finite()));
            assert!(bandwidth(isa, 2, 100_000).is_some_and(|rate| rate > 1e6 && rate.is_finite()));
        }
        let foreign = if cfg!(target_arch = "aarch64") { Kind::Avx2 } else { Kind::Neon };
        assert_eq!((operations(foreign, 1), bandwidth(foreign, 1, 1000)), (None, None));
        assert_eq!(bandwidth(Kind::Portable, 1, usize::MAX), None);
    }
}
