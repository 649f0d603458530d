//! Threads that do the same work on different shares.
//!
//! Between calls the workers wait: first spinning, for a call that follows at once, then asleep. Within a call they
//! meet at a barrier after each step, where they wait spinning, then asleep, for it may be that one of them does not get to run. A
//! panic on one thread lets all others leave the call, and reaches the caller.

use std::any::Any;
use std::cell::UnsafeCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::error::Error;

/// The most threads of an engine.
pub const MAX_THREADS: usize = 256;

/// How long a thread looks without rest for what others do, at first, at least and at most, before it goes to sleep. It lets nobody else
/// run in between: where all cores have work, to yield costs a whole slice of time. To be woken takes some 50 µs.
const SPINNING: Duration = Duration::from_micros(50);
const SPINNING_LEAST: Duration = Duration::from_micros(1);
const SPINNING_MOST: Duration = Duration::from_micros(200);
/// Who slept longer than this waited for a thread that did not get to run.
const NAP: Duration = Duration::from_micros(200);
/// Looks between two looks at the clock.
const LOOKS: u32 = 32;

/// What each thread runs: its index, and its seat where all meet.
type Work<'a> = dyn Fn(usize, Seat<'_>) + Sync + 'a;

/// A caller and its workers.
#[derive(Debug)]
pub(super) struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    /// Whether a caller has the workers.
    taken: AtomicBool,
    /// Counts the calls; a change starts the workers.
    call: AtomicUsize,
    work: UnsafeCell<Option<*const Work<'static>>>,
    /// Workers that have not finished the call.
    busy: AtomicUsize,
    stop: AtomicBool,
    barrier: Barrier,
    asleep: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

// SAFETY: `work` is written only by the caller that set `taken`, while no worker is busy, and read by workers only after `call`
// changed; what it points to is shared between threads (`Sync`) and lives until the last worker has finished.
unsafe impl Sync for Shared {}
// SAFETY: as above; nothing in it belongs to a thread.
unsafe impl Send for Shared {}

impl Pool {
    /// A pool for so many threads, the caller's among them.
    pub(super) fn new(threads: usize) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            taken: AtomicBool::new(false),
            call: AtomicUsize::new(0),
            work: UnsafeCell::new(None),
            busy: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            barrier: Barrier::new(threads),
            asleep: AtomicUsize::new(0),
            lock: Mutex::new(()),
            wake: Condvar::new(),
        });
        let mut pool = Self { shared, workers: Vec::with_capacity(threads - 1) };
        for index in 1..threads {
            let shared = Arc::clone(&pool.shared);
            let worker = std::thread::Builder::new()
                .name(format!("resnet-{index}"))
                .spawn(move || shared.serve(index))
                .map_err(|error| Error::Spawn { reason: error.to_string() })?;
            pool.workers.push(worker);
        }
        Ok(pool)
    }

    pub(super) fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `work` on every thread and returns true, or returns false at once when another caller has the workers.
    pub(super) fn run(&self, work: &Work) -> bool {
        let shared = &*self.shared;
        if shared.taken.swap(true, Ordering::Acquire) {
            return false;
        }
        let work_of_any_lifetime: *const Work = work;
        // SAFETY: only the lifetime changes; this function returns after the last worker has finished with it. Nobody else uses
        // the cell: `taken` was not set, so no worker is busy.
        unsafe {
            *shared.work.get() = Some(std::mem::transmute::<*const Work, *const Work<'static>>(work_of_any_lifetime))
        };
        shared.busy.store(self.workers.len(), Ordering::Relaxed);
        shared.start();
        let own = catch_unwind(AssertUnwindSafe(|| work(0, shared.barrier.seat(0))));
        if own.is_err() {
            shared.barrier.break_up();
        }
        let mut wait = Wait::default();
        while shared.busy.load(Ordering::Acquire) > 0 {
            // They have met the last time, and have only to say so.
            if wait.look() > SPINNING {
                std::thread::yield_now();
            }
        }
        let broken = shared.barrier.repair();
        shared.taken.store(false, Ordering::Release);
        match own {
            Err(panic) => resume_unwind(panic),
            Ok(()) => assert!(!broken, "a step panicked on a worker thread"),
        }
        true
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.shared.start();
        for worker in self.workers.drain(..) {
            let ended: Result<(), Box<dyn Any + Send>> = worker.join();
            debug_assert!(ended.is_ok(), "workers catch every panic");
        }
    }
}

impl Shared {
    /// Lets the workers see a change.
    fn start(&self) {
        self.call.fetch_add(1, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst) > 0 {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.wake.notify_all();
        }
    }

    fn serve(&self, index: usize) {
        let mut seen = 0;
        loop {
            seen = self.next_call(seen);
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            // SAFETY: the caller wrote it before `call` changed, and writes it again only when no worker is busy.
            let work = unsafe { *self.work.get() };
            if let Some(work) = work {
                // SAFETY: it lives until the caller has seen that no worker is busy.
                let work = unsafe { &*work };
                if catch_unwind(AssertUnwindSafe(|| work(index, self.barrier.seat(index)))).is_err() {
                    self.barrier.break_up();
                }
            }
            self.busy.fetch_sub(1, Ordering::Release);
        }
    }

    fn next_call(&self, seen: usize) -> usize {
        let changed = || Some(self.call.load(Ordering::Acquire)).filter(|call| *call != seen);
        let mut wait = Wait::default();
        while wait.look() < SPINNING {
            if let Some(call) = changed() {
                return call;
            }
        }
        let mut guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.asleep.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let call = loop {
            if let Some(call) = changed() {
                break call;
            }
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        };
        self.asleep.fetch_sub(1, Ordering::SeqCst);
        call
    }
}

/// A place where all threads of a call meet.
///
/// They meet in rounds, as many as it takes to double one to all: in each, a thread tells another one that it has come, as far ahead
/// of it as all that it knows to have come are many, and hears from the one that lies as far behind. After the last round each has
/// heard of all. Nothing is written by two threads, and two threads need the time of one message.
#[derive(Debug)]
pub(super) struct Barrier {
    threads: usize,
    rounds: usize,
    /// How long a thread spins at most.
    most: Duration,
    /// How long each thread spun at last, in nanoseconds.
    spinning: Box<[AtomicU64]>,
    /// By thread and round.
    lines: Box<[Line]>,
    /// Whether a thread panicked and will not come.
    broken: AtomicBool,
}

/// Where a thread tells another one that it has come, apart from what others write.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line {
    /// Twice the number of meetings it came to, and one more while the other one sleeps until the next.
    came: AtomicUsize,
    lock: Mutex<()>,
    wake: Condvar,
}

impl Line {
    /// Wakes the one who waits here.
    fn wake(&self) {
        // Whoever holds the lock either sleeps when it is free again or has seen what has changed.
        drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_all();
    }
}

impl Barrier {
    fn new(threads: usize) -> Self {
        let rounds = threads.next_power_of_two().ilog2() as usize;
        let lines = (0..threads * rounds).map(|_| Line::default()).collect();
        // Threads that share cores keep each other from running.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let most = if threads <= cores { SPINNING_MOST } else { SPINNING_LEAST };
        let spinning = (0..threads).map(|_| AtomicU64::new(nanoseconds(SPINNING.min(most)))).collect();
        Self { threads, rounds, most, spinning, lines, broken: AtomicBool::new(false) }
    }

    /// The place of a thread for a call.
    fn seat(&self, index: usize) -> Seat<'_> {
        Seat { barrier: self, index, spinning: Duration::from_nanos(self.spinning[index].load(Ordering::Relaxed)) }
    }

    /// Lets all who wait or come leave.
    fn break_up(&self) {
        self.broken.store(true, Ordering::SeqCst);
        self.lines.iter().for_each(Line::wake);
    }

    /// Makes it whole when it was broken, and says whether it was. Only for when nobody waits.
    fn repair(&self) -> bool {
        let broken = self.broken.swap(false, Ordering::Acquire);
        if broken {
            self.lines.iter().for_each(|line| line.came.store(0, Ordering::Relaxed));
        }
        broken
    }
}

/// A thread's place at the barrier.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    barrier: &'a Barrier,
    index: usize,
    /// How long it spins: longer after each meeting, until it waits for a thread that does not get to run. Who spins takes from the time
    /// that such a thread needs.
    spinning: Duration,
}

impl Seat<'_> {
    /// Waits for all others. Returns false when one of them will not come.
    pub(super) fn wait(&mut self) -> bool {
        let Barrier { threads, rounds, lines, .. } = self.barrier;
        for round in 0..*rounds {
            let own = &lines[self.index * rounds + round];
            let before = own.came.load(Ordering::Relaxed) & !1;
            // An exchange, for it goes out at once, where a store may stand in a queue while the loads below are served, and for it tells
            // whether someone sleeps.
            if own.came.swap(before.wrapping_add(2), Ordering::AcqRel) & 1 == 1 {
                own.wake();
            }
            let behind = (self.index + threads - (1 << round)) % threads;
            if !self.wait_for(&lines[behind * rounds + round], before) {
                return false;
            }
        }
        true
    }

    /// Waits until a thread, which came to as many meetings as this one before, has come to this one; it may be at the next when this
    /// thread looks.
    fn wait_for(&mut self, other: &Line, before: usize) -> bool {
        let broken = &self.barrier.broken;
        let mut wait = Wait::default();
        while other.came.load(Ordering::Acquire) == before {
            if broken.load(Ordering::Acquire) {
                return false;
            }
            if wait.look() < self.spinning {
                continue;
            }
            let asleep_since = Instant::now();
            let mut guard = other.lock.lock().unwrap_or_else(PoisonError::into_inner);
            let asleep = before + 1;
            let _ = other.came.compare_exchange(before, asleep, Ordering::AcqRel, Ordering::Acquire);
            while other.came.load(Ordering::Acquire) == asleep {
                if broken.load(Ordering::SeqCst) {
                    return false;
                }
                guard = other.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
            }
            if asleep_since.elapsed() > NAP {
                self.spinning = SPINNING_LEAST;
                return true;
            }
        }
        self.spinning = self.barrier.most.min(self.spinning + self.spinning / 8);
        true
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.barrier.spinning[self.index].store(nanoseconds(self.spinning), Ordering::Relaxed);
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Waiting with open eyes.
#[derive(Default)]
struct Wait {
    looks: u32,
    since: Option<Instant>,
    waited: Duration,
}

impl Wait {
    /// A pause between two looks. Says how long the waiting has been.
    fn look(&mut self) -> Duration {
        std::hint::spin_loop();
        self.looks = self.looks.wrapping_add(1);
        if self.looks.is_multiple_of(LOOKS) {
            self.waited = self.since.get_or_insert_with(Instant::now).elapsed();
        }
        self.waited
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_thread_runs_every_phase() {
        let pool = Pool::new(4).unwrap();
        let counters: Vec<AtomicUsize> = (0..50).map(|_| AtomicUsize::new(0)).collect();
        for round in 1..=20 {
            let ran = pool.run(&|_, mut seat| {
                for counter in &counters {
                    counter.fetch_add(1, Ordering::Relaxed);
                    assert!(seat.wait());
                    assert_eq!(counter.load(Ordering::Relaxed), 4 * round);
                    assert!(seat.wait());
                }
            });
            assert!(ran);
        }
    }

    #[test]
    fn a_second_caller_is_turned_away() {
        let pool = Pool::new(2).unwrap();
        let refused = AtomicBool::new(false);
        assert!(pool.run(&|index, _| {
            if index == 0 {
                refused.store(!pool.run(&|_, _| {}), Ordering::Relaxed);
            }
        }));
        assert!(refused.load(Ordering::Relaxed));
        assert!(pool.run(&|_, _| {}));
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = Pool::new(3).unwrap();
        for culprit in 0..3 {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                pool.run(&|index, mut seat| {
                    assert!(index != culprit, "on purpose");
                    let _ = seat.wait();
                })
            }));
            assert!(caught.is_err());
            assert!(pool.run(&|_, mut seat| assert!(seat.wait())));
        }
    }

    #[test]
    fn workers_wake_from_sleep() {
        let pool = Pool::new(2).unwrap();
        while pool.shared.asleep.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        let runs = AtomicUsize::new(0);
        assert!(pool.run(&|_, _| {
            runs.fetch_add(1, Ordering::Relaxed);
        }));
        assert_eq!(runs.load(Ordering::Relaxed), 2);
    }
}
