//! A whole network written by hand, as the compiler would write it: a stem, a bottleneck-like block with its sum in place, and a head.

mod common;

use resnet::geometry::{
    Activation, Algorithm, ConvGeometry, DenseGeometry, Direct, Frame, GlobalPoolGeometry, InputGeometry, Map,
    OutputGeometry, PoolGeometry, Reduction, Rest, SoftmaxGeometry,
};
use resnet::{Engine, Isa, Kind, Layer, Network, Operands, Options, Program, Step, Tile, Tiles, Weights};

const BATCH: usize = 2;
const CLASSES: usize = 10;
const FRAME: Frame = Frame { top: 1, left: 1, bottom: 1, right: 1 };

const IMAGE: Map = Map { channels: 3, height: 12, width: 12, block: 3, frame: FRAME, rest: Rest::NONE };
const STEM: Map = Map { channels: 16, height: 12, width: 12, block: 16, frame: Frame::NONE, rest: Rest::NONE };
const POOLED: Map = Map { height: 6, width: 6, frame: FRAME, ..STEM };
const WIDE: Map = Map { channels: 32, frame: Frame::NONE, ..POOLED };

const CONV: ConvGeometry = ConvGeometry {
    batch: BATCH,
    input: IMAGE,
    output: STEM,
    shortcut: None,
    kernel: [3, 3],
    stride: [1, 1],
    dilation: [1, 1],
    padding: [1, 1],
    window: 1,
    first_block: &[],
    activation: Activation::Relu,
    second: None,
    algorithm: Algorithm::Direct(Direct { band: 3 * 6, depth: 16, sums: 1 << 15 }),
};

macro_rules! layer {
    ($name:ident: $type:ty = $geometry:expr) => {
        struct $name;
        impl Layer<$type> for $name {
            const GEOMETRY: $type = $geometry;
        }
    };
}

layer!(In: InputGeometry = InputGeometry { batch: BATCH, output: IMAGE, channels_last: false });
layer!(Stem: ConvGeometry = CONV);
layer!(MaxPool: PoolGeometry = PoolGeometry {
    batch: BATCH, input: STEM, output: POOLED, kernel: [3, 3], stride: [2, 2], padding: [1, 1, 1, 1], reduction: Reduction::Max,
});
layer!(Project: ConvGeometry = ConvGeometry {
    input: POOLED, output: WIDE, kernel: [1, 1], padding: [0, 0], activation: Activation::None, ..CONV
});
layer!(Expand: ConvGeometry = ConvGeometry {
    input: POOLED, output: WIDE, shortcut: Some(WIDE), algorithm: Algorithm::Direct(Direct { band: 200, depth: 16, sums: 1 << 15 }), ..CONV
});
const MEANS: Map = Map { height: 1, width: 1, frame: Frame::NONE, ..WIDE };
layer!(Mean: GlobalPoolGeometry = GlobalPoolGeometry { batch: BATCH, input: WIDE, output: MEANS, reduction: Reduction::Mean });
layer!(Head: DenseGeometry = DenseGeometry { batch: BATCH, features: 32, units: CLASSES, panel: 16, activation: Activation::None });
layer!(Soft: SoftmaxGeometry = SoftmaxGeometry { batch: BATCH, features: CLASSES });
layer!(Out: OutputGeometry = OutputGeometry {
    batch: BATCH, input: Map { channels: CLASSES, height: 1, width: 1, block: 16, frame: Frame::NONE, rest: Rest::NONE },
});

impl Tiles for Stem {
    type Avx512 = Tile<12, 0, 1>;
    type Avx2 = Tile<6, 0, 2>;
    type Neon = Tile<5, 2, 4>;
    type Portable = Tile<4, 0, 2>;
}
impl Tiles for Project {
    type Avx512 = Tile<6, 0, 2>;
    type Avx2 = Tile<4, 2, 2>;
    type Neon = Tile<6, 0, 4>;
    type Portable = Tile<4, 2, 2>;
}
impl Tiles for Expand {
    type Avx512 = Tile<6, 0, 2>;
    type Avx2 = Tile<3, 0, 4>;
    type Neon = Tile<6, 0, 4>;
    type Portable = Tile<5, 1, 1>;
}

const STEM_WEIGHTS: usize = 16 * (27 + 1);
const PROJECT_WEIGHTS: usize = 32 * (16 + 1);
const EXPAND_WEIGHTS: usize = 32 * (144 + 1);
const HEAD_WEIGHTS: usize = 16 * (32 + 1);

const fn line(length: usize) -> usize {
    length.next_multiple_of(16)
}

const AT_STEM: usize = line(BATCH * IMAGE.len());
const AT_POOLED: usize = AT_STEM + BATCH * STEM.len();
const AT_WIDE: usize = AT_POOLED + BATCH * POOLED.len();

struct Net;

impl Program for Net {
    const NETWORK: &'static Network =
        &common::network(&[common::input(&[BATCH, 3, 12, 12])], &[common::output("output", &[BATCH, CLASSES])], 9);
    const ARENA: usize = AT_WIDE + BATCH * WIDE.len();
    const WEIGHTS: usize = STEM_WEIGHTS + PROJECT_WEIGHTS + EXPAND_WEIGHTS + HEAD_WEIGHTS;
    const FINGERPRINT: u64 = 0x1234;

    fn steps<I: Isa>() -> &'static [Step] {
        const {
            &[
                Step::input::<I, In>("input", Operands::new(0, 0)),
                Step::conv::<I, Stem>("stem", Operands::new(0, AT_STEM).with_weights(0)),
                Step::pool::<I, MaxPool>("maxpool", Operands::new(AT_STEM, AT_POOLED)),
                Step::conv::<I, Project>("project", Operands::new(AT_POOLED, AT_WIDE).with_weights(STEM_WEIGHTS)),
                Step::conv::<I, Expand>(
                    "expand",
                    Operands::new(AT_POOLED, AT_WIDE).with_other(AT_WIDE).with_weights(STEM_WEIGHTS + PROJECT_WEIGHTS),
                ),
                Step::global_pool::<I, Mean>("mean", Operands::new(AT_WIDE, 0)),
                Step::dense::<I, Head>("head", Operands::new(0, 64).with_weights(Net::WEIGHTS - HEAD_WEIGHTS)),
                Step::softmax::<I, Soft>("softmax", Operands::new(64, 64)),
                Step::output::<I, Out>("output", Operands::new(64, 0)),
            ]
        }
    }
}

/// The network in f64, from the packed weights, whose order needs no group or block logic here: panels of 16, `[K][16]`, with one block of 16 or 3.
fn reference(weights: &[f32], image: &[f32]) -> Vec<f64> {
    let image: Vec<f64> = image.iter().map(|value| f64::from(*value)).collect();
    let (stem, rest) = weights.split_at(STEM_WEIGHTS);
    let (project, rest) = rest.split_at(PROJECT_WEIGHTS);
    let (expand, head) = rest.split_at(EXPAND_WEIGHTS);
    let relu = |values: Vec<f64>| values.into_iter().map(|value| value.max(0.0)).collect::<Vec<f64>>();

    let x = relu(conv(&image, 3, 12, stem, 16, 3));
    let mut pooled = vec![f64::NEG_INFINITY; 16 * 36];
    for (index, slot) in pooled.iter_mut().enumerate() {
        let (channel, y, x0) = (index / 36, index / 6 % 6, index % 6);
        for (dy, dx) in (0..3).flat_map(|dy| (0..3).map(move |dx| (dy, dx))) {
            let (y, x0) = ((2 * y + dy).wrapping_sub(1), (2 * x0 + dx).wrapping_sub(1));
            if y < 12 && x0 < 12 {
                *slot = slot.max(x[(channel * 12 + y) * 12 + x0]);
            }
        }
    }
    let shortcut = conv(&pooled, 16, 6, project, 32, 1);
    let sum = conv(&pooled, 16, 6, expand, 32, 3).iter().zip(&shortcut).map(|(a, b)| a + b).collect();
    let means: Vec<f64> = relu(sum).chunks_exact(36).map(|channel| channel.iter().sum::<f64>() / 36.0).collect();
    let logits: Vec<f64> = (0..CLASSES)
        .map(|unit| {
            let product = |(feature, mean): (usize, &f64)| mean * f64::from(head[(feature + 1) * 16 + unit]);
            f64::from(head[unit]) + means.iter().enumerate().map(product).sum::<f64>()
        })
        .collect();
    let powers: Vec<f64> = logits.iter().map(|logit| logit.exp()).collect();
    powers.iter().map(|power| power / powers.iter().sum::<f64>()).collect()
}

fn conv(input: &[f64], channels: usize, size: usize, panels: &[f32], outputs: usize, kernel: usize) -> Vec<f64> {
    let length = (kernel * kernel * channels + 1) * 16;
    let panel = |channel: usize| &panels[channel / 16 * length..];
    let mut output = vec![0.0; outputs * size * size];
    for (index, slot) in output.iter_mut().enumerate() {
        let (channel, y, x) = (index / (size * size), index / size % size, index % size);
        *slot = f64::from(panel(channel)[channel % 16]);
        for tap in 0..kernel * kernel * channels {
            let (ky, kx, inner) = (tap / channels / kernel, tap / channels % kernel, tap % channels);
            let (y, x) = ((y + ky).wrapping_sub(kernel / 2), (x + kx).wrapping_sub(kernel / 2));
            if y < size && x < size {
                *slot +=
                    input[(inner * size + y) * size + x] * f64::from(panel(channel)[(tap + 1) * 16 + channel % 16]);
            }
        }
    }
    output
}

fn weights() -> Vec<f32> {
    let mut weights = common::random(5, Net::WEIGHTS);
    // Units that do not exist have no weights.
    for (index, weight) in weights[Net::WEIGHTS - HEAD_WEIGHTS..].iter_mut().enumerate() {
        if index % 16 >= CLASSES {
            *weight = 0.0;
        }
    }
    weights.iter().map(|weight| weight * 0.3).collect()
}

fn engine(threads: usize, isa: Kind) -> Engine<Net> {
    let blob = common::blob(Net::FINGERPRINT, &weights());
    Engine::with_isa(Weights::from_bytes(&blob), Options { threads: Some(threads) }, isa).unwrap()
}

#[test]
fn agrees_with_the_reference_on_every_instruction_set() {
    let input = common::random(11, Engine::<Net>::input_length());
    let expected: Vec<f64> = input.chunks_exact(3 * 144).flat_map(|image| reference(&weights(), image)).collect();
    for isa in Kind::all_available() {
        let mut engine = engine(1, isa);
        assert_eq!((engine.isa(), engine.threads(), engine.steps().len()), (isa, 1, 9));
        let found = engine.infer(&input).unwrap().values();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((f64::from(*found) - expected).abs() < 1e-5 * expected.max(0.1), "{isa}: {found} {expected}");
        }
    }
}

#[test]
fn has_the_same_bits_for_every_number_of_threads_and_every_call() {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<u32>>();
    for isa in Kind::all_available() {
        let inputs: Vec<Vec<f32>> = (0..3).map(|seed| common::random(seed, Engine::<Net>::input_length())).collect();
        let mut alone = engine(1, isa);
        let expected: Vec<Vec<u32>> = inputs.iter().map(|input| bits(alone.infer(input).unwrap().values())).collect();
        assert_ne!(expected[0], expected[1]);
        for threads in 2..=4 {
            let mut engine = engine(threads, isa);
            for _ in 0..20 {
                for (input, expected) in inputs.iter().zip(&expected) {
                    assert_eq!(bits(engine.infer(input).unwrap().values()), *expected, "{isa}, {threads} threads");
                }
            }
        }
    }
}

#[test]
fn clones_run_side_by_side() {
    let original = engine(2, Kind::Portable);
    let input = common::random(3, Engine::<Net>::input_length());
    let expected = original.clone().infer(&input).unwrap().values().to_vec();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let (mut engine, input, expected) = (original.clone(), &input, &expected);
            scope.spawn(move || {
                for _ in 0..50 {
                    assert_eq!(engine.infer(input).unwrap().values(), expected);
                }
            });
        }
    });
}

#[test]
fn times_every_step() {
    let mut engine = engine(2, Kind::Portable);
    let input = common::random(3, Engine::<Net>::input_length());
    let names: Vec<&str> = engine.timings(&input).unwrap().iter().map(|timing| timing.step).collect();
    let steps: Vec<&str> = engine.steps().iter().map(Step::name).collect();
    assert_eq!(names, steps);
    assert!(
        engine.timings(&input).unwrap().iter().map(|timing| timing.time).sum::<std::time::Duration>().as_nanos() > 0
    );
}
