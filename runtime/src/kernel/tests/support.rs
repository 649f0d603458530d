//! Maps with guards around them, random values, and running a kernel in shares.

use proptest::prelude::ProptestConfig;

use crate::geometry::{Activation, BLOCK, Frame, Map, Rest};
use crate::isa::{Isa, Kind, Portable};
use crate::kernel::{Arguments, Claim, Kernel, Share};

/// Threads that a kernel is split among, one after the other.
pub const SHARES: [usize; 4] = [1, 2, 3, 4];

/// Marks memory that no kernel may write.
const GUARD: f32 = -1.2345e30;
/// Guards on each side.
const GUARDS: usize = 48;

/// A frame of one width on all sides.
pub const fn frame(width: usize) -> Frame {
    Frame { top: width, left: width, bottom: width, right: width }
}

/// A map in blocks of 16.
pub const fn map(channels: usize, height: usize, width: usize, frame: Frame) -> Map {
    Map { channels, height, width, block: BLOCK, frame, rest: Rest::NONE }
}

/// A map that is one block of as many channels as there are.
pub const fn raw(channels: usize, height: usize, width: usize, frame: Frame) -> Map {
    Map { channels, height, width, block: channels, frame, rest: Rest::NONE }
}

/// A part of a larger map, of more rows and more blocks.
pub const fn part(map: Map) -> Map {
    Map { rest: Rest { rows: 3, blocks: 2 }, ..map }
}

/// Memory with guards around it.
#[derive(Clone)]
pub struct Guarded(Vec<f32>);

impl Guarded {
    pub fn new(values: &[f32]) -> Self {
        let guards = [GUARD; GUARDS];
        Self([&guards[..], values, &guards].concat())
    }

    /// Memory full of what no kernel writes.
    pub fn unwritten(length: usize) -> Self {
        Self::new(&vec![f32::NAN; length])
    }

    /// The values, once the guards are known to be untouched.
    #[track_caller]
    pub fn values(&self) -> &[f32] {
        let inner = GUARDS..self.0.len() - GUARDS;
        let touched = (0..self.0.len()).find(|index| !inner.contains(index) && self.0[*index] != GUARD);
        assert_eq!(touched, None, "memory of others was written, of {} values", inner.len());
        &self.0[inner]
    }

    pub fn as_mut_ptr(&mut self) -> *mut f32 {
        self.0[GUARDS..].as_mut_ptr()
    }
}

/// Values of `[batch][channels][height][width]`, laid out. What a part leaves of the larger map is what no kernel may read.
pub fn to_map(values: &[f32], map: Map, batch: usize) -> Vec<f32> {
    let mut laid: Vec<f32> = (0..batch * map.len()).map(|at| if is_in(map, at) { 0.0 } else { f32::NAN }).collect();
    for (index, value) in values.iter().enumerate() {
        laid[offset(map, index)] = *value;
    }
    laid
}

/// Whether a place in the memory of a map is one of its own.
fn is_in(map: Map, at: usize) -> bool {
    let in_image = at % map.len();
    in_image / map.plane() < map.blocks() && in_image % map.plane() / map.row() < map.rows()
}

/// Values of `[batch][channels][height][width]` from a map, all else in which must be zero, and unwritten where it is not the map's own.
#[track_caller]
pub fn from_map(laid: &[f32], map: Map, batch: usize) -> Vec<f32> {
    let mut rest = laid.to_vec();
    let values = (0..batch * map.channels * map.height * map.width)
        .map(|index| std::mem::take(&mut rest[offset(map, index)]))
        .collect();
    let stray =
        rest.iter().enumerate().position(|(at, value)| if is_in(map, at) { *value != 0.0 } else { !value.is_nan() });
    assert_eq!(
        stray, None,
        "a frame or a lane behind the last channel is not zero, or what is beside the map was written: {map:?}"
    );
    values
}

fn offset(map: Map, index: usize) -> usize {
    let (x, rest) = (index % map.width, index / map.width);
    let (y, rest) = (rest % map.height, rest / map.height);
    let (channel, image) = (rest % map.channels, rest / map.channels);
    image * map.len()
        + channel / map.block * map.plane()
        + map.interior()
        + y * map.row()
        + x * map.block
        + channel % map.block
}

/// What a kernel reads and writes; null pointers where it has none.
pub struct Memory<'a> {
    pub input: &'a [f32],
    pub other: Option<&'a [f32]>,
    pub weights: &'a [f32],
    /// Length of the scratch memory that an instruction set is given: exactly what the step would ask for.
    pub scratch: fn(Kind) -> usize,
}

/// Runs a kernel on every instruction set and in every number of shares, and hands each result to `check`. `output` says what lies in
/// the output before; `in_place` whether that is the second input (`Some(true)`) or the first (`Some(false)`).
pub fn run_everywhere<K: Kernel>(
    memory: &Memory,
    output: &Guarded,
    in_place: Option<bool>,
    check: impl Fn(Kind, &[f32]),
) {
    let mut kinds = Vec::new();
    #[cfg(target_arch = "x86_64")]
    {
        if Kind::Avx512.available() {
            kinds.push(run_in_shares::<K, crate::isa::Avx512>(memory, output, in_place, &check));
        }
        if Kind::Avx2.available() {
            kinds.push(run_in_shares::<K, crate::isa::Avx2>(memory, output, in_place, &check));
        }
    }
    #[cfg(target_arch = "aarch64")]
    kinds.push(run_in_shares::<K, crate::isa::Neon>(memory, output, in_place, &check));
    kinds.push(run_in_shares::<K, Portable>(memory, output, in_place, &check));
    assert!(kinds.into_iter().eq(Kind::all_available()));
}

fn run_in_shares<K: Kernel, I: Isa>(
    memory: &Memory,
    output: &Guarded,
    in_place: Option<bool>,
    check: impl Fn(Kind, &[f32]),
) -> Kind {
    let mut first: Option<Guarded> = None;
    // Once each thread keeps to its own range, once the first takes over all others.
    for (count, alone) in SHARES.into_iter().flat_map(|count| [(count, true), (count, false)]) {
        let claims: Vec<Claim> = (0..count).map(|_| Claim::new()).collect();
        let mut output = output.clone();
        let to = output.as_mut_ptr();
        let mut scratch = Guarded::unwritten((memory.scratch)(I::KIND));
        for index in 0..count {
            if alone {
                claims.iter().for_each(Claim::empty);
                claims[index].clear(0);
            }
            let arguments = Arguments {
                input: if in_place == Some(false) { to } else { memory.input.as_ptr() },
                other: if in_place == Some(true) { to } else { memory.other.map_or(std::ptr::null(), <[f32]>::as_ptr) },
                output: to,
                weights: memory.weights.as_ptr(),
                scratch: scratch.as_mut_ptr(),
                share: if count == 1 && alone { Share::WHOLE } else { Share::new(index, &claims, 0) },
            };
            // SAFETY: the host has the instruction set, and the tests lay out memory as the geometry says.
            unsafe { I::enter::<K>(&arguments) };
        }
        scratch.values();
        match &first {
            None => {
                check(I::KIND, output.values());
                first = Some(output);
            }
            Some(first) => {
                let same = first.values().iter().zip(output.values()).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{}: other bits in {count} shares than in one, alone {alone}", I::KIND);
            }
        }
    }
    I::KIND
}

/// Compares element by element: `expected` holds each value and the size of the terms it was summed from. A sum is never larger than its
/// terms, but what a sigmoid makes of it may be, and is rounded by its own size.
#[track_caller]
pub fn assert_close(kind: Kind, found: &[f32], expected: &[(f64, f64)], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (index, (found, (expected, size))) in found.iter().zip(expected).enumerate() {
        let difference = (f64::from(*found) - expected).abs();
        assert!(
            difference <= tolerance * size.max(expected.abs()),
            "{kind}: element {index} is {found}, expected {expected}, terms of {size}"
        );
    }
}

/// An activation by its definition; what it tends to at infinity.
pub fn activated(activation: Activation, x: f64) -> f64 {
    let gate = (x + 3.0).clamp(0.0, 6.0) / 6.0;
    match activation {
        Activation::None => x,
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        Activation::HardSigmoid => gate,
        Activation::HardSwish => x.max(-3.0) * gate,
        Activation::Silu => x.max(-1000.0) / (1.0 + (-x.max(-1000.0)).exp()),
        Activation::Tanh => x.tanh(),
    }
}

/// Random values between -1 and 1 of a seed.
pub fn random(seed: u64, length: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..length)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// So many random cases, or as many as the environment variable `PROPTEST_CASES` says: one is enough under emulation.
pub fn cases(usual: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(usual);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
