//! What the threads of an engine do while nobody calls, and how many there are.

#[expect(dead_code, reason = "other tests need all of it")]
mod common;

use resnet::geometry::{Activation, ElementwiseGeometry, Frame, Join, Map, Rest};
use resnet::{Engine, Isa, Layer, Network, Operands, Options, Program, Step, Weights};

const MAP: Map = Map { channels: 16, height: 1, width: 1, block: 16, frame: Frame::NONE, rest: Rest::NONE };

struct Relu;
impl Layer<ElementwiseGeometry> for Relu {
    const GEOMETRY: ElementwiseGeometry = ElementwiseGeometry {
        batch: 1,
        input: MAP,
        other: None,
        join: Join::Sum,
        output: MAP,
        affine: false,
        activation: Activation::Relu,
    };
}

/// A hundred steps that do next to nothing.
struct Net;
impl Program for Net {
    const NETWORK: &'static Network = &common::network(&[common::input(&[0; 4])], &[], 100);
    const ARENA: usize = 32;
    const WEIGHTS: usize = 0;
    const FINGERPRINT: u64 = 1;

    fn steps<I: Isa>() -> &'static [Step] {
        const { &[Step::elementwise::<I, Relu>("relu", Operands::new(0, 16)); 100] }
    }
}

fn engine(threads: Option<usize>) -> Engine<Net> {
    Engine::new(Weights::from_bytes(&common::blob(1, &[])), Options { threads }).unwrap()
}

/// Nanoseconds that the workers of this process have run, or `None` where the system does not tell.
fn workers_ran() -> Option<u64> {
    let mut total = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let task = task.ok()?.path();
        if std::fs::read_to_string(task.join("comm")).ok()?.starts_with("resnet-") {
            total += std::fs::read_to_string(task.join("schedstat")).ok()?.split(' ').next()?.parse::<u64>().ok()?;
        }
    }
    Some(total)
}

#[test]
fn workers_take_no_time_between_calls() {
    let mut engine = engine(Some(3));
    for _ in 0..10 {
        engine.infer(&[]).unwrap();
    }
    // Time for them to go to sleep.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let Some(before) = workers_ran() else {
        eprintln!("skipped: the system does not tell how long threads ran");
        return;
    };
    assert!(before > 0, "the workers were not found");
    std::thread::sleep(std::time::Duration::from_secs(1));
    let ran = workers_ran().unwrap() - before;
    assert!(ran < 1_000_000, "two workers ran for {ran} ns while nobody called");
    engine.infer(&[]).unwrap();
}

/// Threads that may run on one processor only.
#[cfg(target_os = "linux")]
#[test]
fn the_usual_number_of_threads_is_that_of_the_processors_the_process_may_use() {
    unsafe extern "C" {
        fn sched_getaffinity(thread: i32, bytes: usize, processors: *mut u64) -> i32;
        fn sched_setaffinity(thread: i32, bytes: usize, processors: *const u64) -> i32;
    }
    assert_eq!(engine(None).threads(), std::thread::available_parallelism().map_or(1, usize::from));
    let threads = std::thread::spawn(|| {
        let mut processors = [0_u64; 16];
        let bytes = size_of_val(&processors);
        // SAFETY: the kernel writes and reads so many bytes of the set; 0 is this thread.
        unsafe {
            assert!(sched_getaffinity(0, bytes, processors.as_mut_ptr()) >= 0);
            let word = processors.iter().position(|word| *word != 0).unwrap();
            let lowest = processors[word] & processors[word].wrapping_neg();
            processors.fill(0);
            processors[word] = lowest;
            assert_eq!(sched_setaffinity(0, bytes, processors.as_ptr()), 0);
        }
        // More threads than that work too, one after another.
        let mut crowded = engine(Some(3));
        for _ in 0..20 {
            crowded.infer(&[]).unwrap();
        }
        engine(None).threads()
    });
    assert_eq!(threads.join().unwrap(), 1);
}
