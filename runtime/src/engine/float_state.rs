//! The floating-point state of a thread while it runs steps.
//!
//! Numbers too small for the usual form of a f32, below 1.18e-38 in size, are taken and given as zero: they cost some processors a
//! hundred times as much as others and are far below what a network can tell from zero. Rounding is to nearest and no exception
//! traps, whatever the caller has set, so that results have the same bits for every caller. The caller's state comes back, with every
//! bit of it, when the guard is dropped, after a panic too.
//!
//! Rust takes the default state for granted and may compute with it whatever it likes. That holds good here: steps are called through
//! pointers to functions, so that none of their arithmetic can move out from under the guard, and no other arithmetic is done under
//! it. Results that are not of the usual size aside, the state of the guard is the default.

/// Sets the calling thread's state for steps and restores what was there when it is dropped.
#[must_use]
pub(super) struct FloatState {
    before: Word,
    /// The state is the thread's: the guard stays there.
    of_thread: std::marker::PhantomData<*const ()>,
}

impl FloatState {
    pub(super) fn for_steps() -> Self {
        let before = read();
        // SAFETY: the state for steps masks every exception, and the drop brings back what was there.
        unsafe { write(FOR_STEPS) };
        Self { before, of_thread: std::marker::PhantomData }
    }
}

impl Drop for FloatState {
    fn drop(&mut self) {
        // SAFETY: it is what this thread had.
        unsafe { write(self.before) };
    }
}

#[cfg(target_arch = "x86_64")]
use x86_64::{FOR_STEPS, Word, read, write};

/// MXCSR; the instructions of SSE and later, the only ones that steps use, obey it.
#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use std::arch::asm;

    pub(super) type Word = u32;

    /// All six exceptions masked.
    const DEFAULT: u32 = 0x1F80;
    const FLUSH_TO_ZERO: u32 = 1 << 15;
    const DENORMALS_ARE_ZERO: u32 = 1 << 6;
    pub(super) const FOR_STEPS: u32 = DEFAULT | FLUSH_TO_ZERO | DENORMALS_ARE_ZERO;

    pub(super) fn read() -> u32 {
        let mut word = 0;
        // SAFETY: every x86-64 processor has the register; it is stored to `word`.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
        word
    }

    /// # Safety
    /// No arithmetic that takes another state for granted may follow until that is back.
    pub(super) unsafe fn write(word: u32) {
        // SAFETY: what is written is without reserved bits: it is a constant or was read.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, preserves_flags)) };
    }
}

#[cfg(target_arch = "aarch64")]
use aarch64::{FOR_STEPS, Word, read, write};

/// FPCR, and FPSR, which gathers what exceptions there were.
#[cfg(target_arch = "aarch64")]
mod aarch64 {
    use std::arch::asm;

    pub(super) type Word = [u64; 2];

    /// FZ alone: f32 operands and results.
    pub(super) const FOR_STEPS: [u64; 2] = [1 << 24, 0];

    pub(super) fn read() -> [u64; 2] {
        let (control, status);
        // SAFETY: the registers are there wherever floating point is.
        unsafe {
            asm!("mrs {}, fpcr", "mrs {}, fpsr", out(reg) control, out(reg) status, options(nostack, preserves_flags));
        }
        [control, status]
    }

    /// # Safety
    /// No arithmetic that takes another state for granted may follow until that is back.
    pub(super) unsafe fn write([control, status]: [u64; 2]) {
        // SAFETY: what is written is without reserved bits: it is a constant or was read.
        unsafe {
            asm!("msr fpcr, {}", "msr fpsr, {}", in(reg) control, in(reg) status, options(nostack, preserves_flags));
        }
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
use unknown::{FOR_STEPS, Word, read, write};

/// Other processors keep their state.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod unknown {
    pub(super) type Word = ();

    pub(super) const FOR_STEPS: () = ();

    pub(super) fn read() {}

    /// # Safety
    /// Nothing is written.
    pub(super) unsafe fn write((): ()) {}
}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::*;
    use crate::engine::{Engine, Operands, Step, Weights};
    use crate::geometry::{Activation, DenseGeometry, Frame, InputGeometry, Map, OutputGeometry, Rest};
    use crate::isa::{Isa, Kind};
    use crate::network::{Input, Network, Output};
    use crate::program::{Layer, Options, Program};

    /// Sixteen values as a map, which lies in memory as a vector does.
    const MAP: Map = Map { channels: 16, height: 1, width: 1, block: 16, frame: Frame::NONE, rest: Rest::NONE };

    struct In;
    impl Layer<InputGeometry> for In {
        const GEOMETRY: InputGeometry = InputGeometry { batch: 1, output: MAP, channels_last: false };
    }
    struct Dense;
    impl Layer<DenseGeometry> for Dense {
        const GEOMETRY: DenseGeometry =
            DenseGeometry { batch: 1, features: 16, units: 16, panel: 16, activation: Activation::Sigmoid };
    }
    struct Linear;
    impl Layer<DenseGeometry> for Linear {
        const GEOMETRY: DenseGeometry = DenseGeometry { activation: Activation::None, ..Dense::GEOMETRY };
    }
    struct Out;
    impl Layer<OutputGeometry> for Out {
        const GEOMETRY: OutputGeometry = OutputGeometry { batch: 1, input: MAP };
    }

    const fn output(name: &'static str) -> Output {
        Output { name, shape: &[1, 16], softmax: false }
    }

    /// A dense layer without activation and one with, of the same input and weights.
    #[derive(Debug)]
    struct Net;
    impl Program for Net {
        const NETWORK: &'static Network = &Network {
            name: "",
            description: "",
            inputs: &[Input { name: "", shape: &[1, 16, 1, 1], channels_last: false }],
            outputs: &[output("linear"), output("sigmoid")],
            parameters: 0,
            macs: 0,
            passes: &[],
            steps: 5,
            arena_bytes: 0,
            weight_bytes: 0,
            weights: "",
            checksums: &[],
            compiler: "",
            preprocess: None,
            labels: &[],
        };
        const ARENA: usize = 48;
        const WEIGHTS: usize = 17 * 16;
        const FINGERPRINT: u64 = 5;

        fn steps<I: Isa>() -> &'static [Step] {
            const {
                &[
                    Step::input::<I, In>("input", Operands::new(0, 0)),
                    Step::dense::<I, Linear>("linear", Operands::new(0, 16)),
                    Step::dense::<I, Dense>("sigmoid", Operands::new(0, 32)),
                    Step::output::<I, Out>("linear", Operands::new(16, 0)),
                    Step::output::<I, Out>("sigmoid", Operands::new(32, 0).with_network_output(1)),
                ]
            }
        }
    }

    /// An engine with the bias of every unit, and a weight for every feature and unit.
    fn engine(isa: Kind, threads: usize, bias: f32, weight: impl Fn(usize, usize) -> f32) -> Engine<Net> {
        let mut values = vec![bias; 16];
        values.extend((0..16 * 16).map(|at| weight(at / 16, at % 16)));
        let body: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let mut blob = b"RESNETW1".to_vec();
        for word in [Net::FINGERPRINT, Net::WEIGHTS as u64, crate::engine::weights::checksum(&body)] {
            blob.extend(word.to_le_bytes());
        }
        blob.resize(64, 0);
        blob.extend(body);
        Engine::with_isa(Weights::from_bytes(&blob), Options { threads: Some(threads) }, isa).unwrap()
    }

    /// A caller's state that rounds up, traps what cannot be and is too small, and knows of an inexact result.
    #[cfg(target_arch = "x86_64")]
    const ODD: Word = 0x1000 | 2 << 13 | 0x20;
    #[cfg(target_arch = "aarch64")]
    const ODD: Word = [1 << 22 | 1 << 25, 0x10];

    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|value| value.to_bits()).collect()
    }

    #[test]
    fn the_state_of_the_caller_neither_changes_nor_matters() {
        let input: Vec<f32> = (0..16).map(|feature| (feature as f32 - 7.3) * 0.21).collect();
        let weight = |feature, unit| ((feature * 31 + unit * 17) % 23) as f32 * 0.113 - 1.1;
        for (isa, threads) in Kind::all_available().flat_map(|isa| [(isa, 1), (isa, 2)]) {
            let mut engine = engine(isa, threads, 0.1, weight);
            let expected = bits(engine.infer(&input).unwrap().values());
            let usual = read();
            // SAFETY: no arithmetic of floating point is done before the state is brought back.
            let (after, shown, result) = unsafe {
                write(ODD);
                let result = engine.infer(&input).is_ok();
                let after = read();
                let mut shown = Vec::new();
                let traced = engine.trace(&input, &mut |_| shown.push(read())).is_ok();
                write(usual);
                (after, shown, result && traced)
            };
            assert!(result);
            assert_eq!((after, shown), (ODD, vec![ODD; 5]), "{isa}, {threads} threads");
            assert_eq!(bits(engine.outputs().values()), expected, "{isa}, {threads} threads");
        }
    }

    #[test]
    fn what_is_too_small_is_zero() {
        let small = f32::MIN_POSITIVE * 0.5;
        for isa in Kind::all_available() {
            let run = |bias: f32, weight: f32, input: f32| {
                let mut engine = engine(isa, 1, bias, |_, _| weight);
                bits(engine.infer(&[input; 16]).unwrap().get(0).unwrap())
            };
            let zeros = vec![0; 16];
            assert_eq!(run(0.0, 1e30, small), zeros, "{isa}: an input");
            assert_eq!(run(0.0, small, 1e30), zeros, "{isa}: a weight");
            assert_eq!(run(0.0, 1e-20, 1e-20), zeros, "{isa}: a result");
            assert_eq!(run(small, 0.0, 1.0), zeros, "{isa}: a bias");
            assert_eq!(run(0.0, f32::MIN_POSITIVE, 1.0), bits(&[16.0 * f32::MIN_POSITIVE; 16]), "{isa}: nothing else");
        }
    }

    #[test]
    fn a_panic_brings_the_state_back() {
        let before = read();
        let panicked = std::panic::catch_unwind(|| {
            let _state = FloatState::for_steps();
            assert_eq!(read(), before, "on purpose");
        });
        assert!(panicked.is_err());
        assert_eq!(read(), before);
    }
}
