//! What the engine adds to its kernels: the time that threads need to meet behind a step, and what numbers too small for a normal
//! f32 cost, which should be nothing.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use resnet::geometry::{
    Activation, Algorithm, ConvGeometry, Direct, ElementwiseGeometry, Frame, InputGeometry, Join, Map, Rest,
};
use resnet::{Engine, Isa, Layer, Network, Operands, Options, Program, Step, Tile, Tiles, Weights};

#[expect(dead_code, reason = "tests need all of it")]
#[path = "../../runtime/tests/common/mod.rs"]
mod common;

const POINT: Map = Map { channels: 16, height: 1, width: 1, block: 16, frame: Frame::NONE, rest: Rest::NONE };

struct Relu;
impl Layer<ElementwiseGeometry> for Relu {
    const GEOMETRY: ElementwiseGeometry = ElementwiseGeometry {
        batch: 1,
        input: POINT,
        other: None,
        join: Join::Sum,
        output: POINT,
        affine: false,
        activation: Activation::Relu,
    };
}

/// A thousand steps that do next to nothing: on several threads, a thousand meetings.
struct Meetings;
impl Program for Meetings {
    const NETWORK: &'static Network = &common::network(&[common::input(&[0; 4])], &[], 1000);
    const ARENA: usize = 32;
    const WEIGHTS: usize = 0;
    const FINGERPRINT: u64 = 1;

    fn steps<I: Isa>() -> &'static [Step] {
        const { &[Step::elementwise::<I, Relu>("relu", Operands::new(0, 16)); 1000] }
    }
}

fn meetings(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("meeting");
    group.throughput(Throughput::Elements(1000));
    let most = std::thread::available_parallelism().map_or(1, usize::from);
    for threads in [1, 2, 4, 8, 16].into_iter().filter(|threads| *threads <= most) {
        let options = Options { threads: Some(threads) };
        let mut engine = Engine::<Meetings>::new(Weights::from_bytes(&common::blob(1, &[])), options).expect("sound");
        group.bench_function(format!("{threads} threads"), |bencher| {
            bencher.iter(|| engine.infer(&[]).map(|outputs| outputs.len()));
        });
    }
    group.finish();
}

const FRAME: Frame = Frame { top: 1, left: 1, bottom: 1, right: 1 };
const WIDE: Map = Map { channels: 64, height: 28, width: 28, block: 16, frame: FRAME, rest: Rest::NONE };

struct In;
impl Layer<InputGeometry> for In {
    const GEOMETRY: InputGeometry = InputGeometry { batch: 1, output: WIDE, channels_last: false };
}
struct Conv;
impl Layer<ConvGeometry> for Conv {
    const GEOMETRY: ConvGeometry = ConvGeometry {
        batch: 1,
        input: WIDE,
        output: WIDE,
        shortcut: None,
        kernel: [3, 3],
        stride: [1, 1],
        dilation: [1, 1],
        padding: [1, 1],
        window: 4,
        first_block: &[],
        activation: Activation::None,
        second: None,
        algorithm: Algorithm::Direct(Direct { band: 96, depth: 1, sums: 1 }),
    };
}
impl Tiles for Conv {
    type Avx512 = Tile<14, 0, 2>;
    type Avx2 = Tile<4, 0, 2>;
    type Neon = Tile<4, 0, 4>;
    type Portable = Tile<4, 0, 2>;
}

/// A convolution of a given input.
struct Small;
impl Program for Small {
    const NETWORK: &'static Network = &common::network(&[common::input(&[1, 64, 28, 28])], &[], 2);
    const ARENA: usize = 2 * WIDE.len();
    const WEIGHTS: usize = 64 * (9 * 64 + 1);
    const FINGERPRINT: u64 = 1;

    fn steps<I: Isa>() -> &'static [Step] {
        const {
            &[
                Step::input::<I, In>("input", Operands::new(0, 0)),
                Step::conv::<I, Conv>("conv", Operands::new(0, WIDE.len())),
            ]
        }
    }
}

fn denormals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("denormals");
    for (name, weight, input) in [
        ("none", 0.0, 0.0),
        ("weights", 1e-40, 0.5),
        ("inputs", 0.5, 1e-40),
        ("results", 1e-20, 1e-20),
        ("all", 1e-40, 1e-40),
    ] {
        let weights = Weights::from_bytes(&common::blob(1, &vec![weight; Small::WEIGHTS]));
        let mut engine = Engine::<Small>::new(weights, Options { threads: Some(1) }).expect("sound");
        let input = vec![input; Engine::<Small>::input_length()];
        group.bench_function(name, |bencher| bencher.iter(|| engine.infer(&input).map(|outputs| outputs.len())));
    }
    group.finish();
}

criterion_group!(benches, meetings, denormals);
criterion_main!(benches);
