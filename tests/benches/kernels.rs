//! Throughput of convolution kernels over the shapes of ResNet-50 and of the CIFAR networks, one thread, warm memory, on the
//! instruction set that `RESNET_ISA` names or the fastest.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use resnet::geometry::{Activation, Algorithm, BLOCK, ConvGeometry, Frame, Map};
use resnet::{Engine, Isa, Layer, Network, Operands, Options, Program, Step, Tile, Tiles, Weights};

const NETWORK: Network = Network {
    name: "one-layer",
    description: "",
    input: "",
    input_shape: [0; 4],
    channels_last: false,
    outputs: &[],
    parameters: 0,
    macs: 0,
    passes: &[],
    steps: 1,
    arena_bytes: 0,
    weight_bytes: 0,
    weights: "",
    checksums: &[],
    compiler: "",
    preprocess: None,
    labels: &[],
};

/// A square convolution with the padding that keeps the size at stride 1.
const fn conv(
    channels: usize,
    size: usize,
    outputs: usize,
    kernel: usize,
    stride: usize,
    algorithm: Algorithm,
) -> ConvGeometry {
    let padding = (kernel - 1) / 2;
    let frame = Frame { top: padding, left: padding, bottom: padding, right: padding };
    let block = if channels < BLOCK { channels } else { BLOCK };
    ConvGeometry {
        batch: 1,
        input: Map { channels, height: size, width: size, block, frame },
        output: Map {
            channels: outputs,
            height: size / stride,
            width: size / stride,
            block: BLOCK,
            frame: Frame::NONE,
        },
        shortcut: None,
        kernel: [kernel, kernel],
        stride: [stride, stride],
        dilation: [1, 1],
        padding: [padding, padding],
        window: channels / block,
        first_block: &[],
        activation: Activation::Relu,
        algorithm,
    }
}

const fn weights(conv: &ConvGeometry) -> usize {
    conv.output.channels * (conv.kernel[0] * conv.kernel[1] * conv.input.channels + 1)
}

const fn macs(conv: &ConvGeometry) -> usize {
    (weights(conv) - conv.output.channels) * conv.output.height * conv.output.width
}

const fn extent(conv: &ConvGeometry) -> usize {
    let flat = conv.kernel[0] == 1 && conv.stride[0] == 1;
    if flat { conv.output.height * conv.output.width } else { conv.output.width }
}

/// The number of pixels, up to a limit, that splits a row into the fewest and most even tiles.
const fn pixels(conv: &ConvGeometry, most: usize) -> usize {
    let extent = extent(conv);
    extent.div_ceil(extent.div_ceil(most))
}

fn blob(length: usize) -> Vec<u8> {
    let values = (0..length).map(|index| (index * 7919 % 1000) as f32 * 0.001 - 0.5);
    let body: Vec<u8> = values.flat_map(f32::to_le_bytes).collect();
    let checksum = body.as_chunks::<8>().0.iter().fold(0xCBF2_9CE4_8422_2325, |hash: u64, word| {
        (hash ^ u64::from_le_bytes(*word)).wrapping_mul(0x0100_0000_01B3)
    });
    let mut blob = b"RESNETW1".to_vec();
    for word in [1, length as u64, checksum] {
        blob.extend(word.to_le_bytes());
    }
    blob.resize(64, 0);
    blob.extend(body);
    blob
}

macro_rules! layers {
    ($($name:ident: $geometry:expr;)*) => {
        $(
            struct $name;

            impl Layer<ConvGeometry> for $name {
                const GEOMETRY: ConvGeometry = $geometry;
            }

            impl $name {
                const WIDE: usize = pixels(&$name::GEOMETRY, if $name::GEOMETRY.output.channels < 32 { 28 } else { 14 });
                const NARROW: usize = pixels(&$name::GEOMETRY, 6);
                const PORTABLE: usize = pixels(&$name::GEOMETRY, 4);
                const EXTENT: usize = extent(&$name::GEOMETRY);
                const OUTPUT: usize = $name::GEOMETRY.input.len().next_multiple_of(16);
            }

            impl Tiles for $name {
                type Avx512 = Tile<{ $name::WIDE }, { $name::EXTENT % $name::WIDE }, { if $name::GEOMETRY.output.channels < 32 { 1 } else { 2 } }>;
                type Avx2 = Tile<{ $name::NARROW }, { $name::EXTENT % $name::NARROW }, 2>;
                type Neon = Tile<{ $name::NARROW }, { $name::EXTENT % $name::NARROW }, 4>;
                type Portable = Tile<{ $name::PORTABLE }, { $name::EXTENT % $name::PORTABLE }, 2>;
            }

            impl Program for $name {
                const NETWORK: &'static Network = &NETWORK;
                const ARENA: usize = $name::OUTPUT + $name::GEOMETRY.output.len();
                const WEIGHTS: usize = weights(&$name::GEOMETRY);
                const FINGERPRINT: u64 = 1;

                fn steps<I: Isa>() -> &'static [Step] {
                    const { &[Step::conv::<I, $name>(stringify!($name), Operands::new(0, $name::OUTPUT))] }
                }
            }
        )*

        fn benchmark(criterion: &mut Criterion) {
            $(measure::<$name>(criterion, stringify!($name), &$name::GEOMETRY);)*
        }
    };
}

layers! {
    Stem: conv(3, 224, 64, 7, 2, Algorithm::Direct(Direct { band: 16 * 6, depth: 16, sums: 1 << 15 }));
    C2Reduce: conv(256, 56, 64, 1, 1, Algorithm::Direct(Direct { band: 16 * 6, depth: 16, sums: 1 << 15 }));
    C2Middle: conv(64, 56, 64, 3, 1, Algorithm::Direct(Direct { band: 16 * 6, depth: 16, sums: 1 << 15 }));
    C2Expand: conv(64, 56, 256, 1, 1, Algorithm::Direct(Direct { band: 16 * 6, depth: 16, sums: 1 << 15 }));
    C3Reduce: conv(512, 28, 128, 1, 1, Algorithm::Direct(Direct { band: 16 * 6, depth: 16, sums: 1 << 15 }));
    C3Middle: conv(128, 28, 128, 3, 1, Algorithm::Direct(Direct { band: 16 * 6, depth: 16, sums: 1 << 15 }));
    C3Strided: conv(128, 56, 128, 3, 2, Algorithm::Direct(Direct { band: 16 * 6, depth: 16, sums: 1 << 15 }));
    C3Expand: conv(128, 28, 512, 1, 1, Algorithm::Direct(Direct { band: 16 * 6, depth: 16, sums: 1 << 15 }));
    C4Reduce: conv(1024, 14, 256, 1, 1, Algorithm::Direct(Direct { band: 200, depth: 16, sums: 1 << 15 }));
    C4Middle: conv(256, 14, 256, 3, 1, Algorithm::Direct(Direct { band: 200, depth: 16, sums: 1 << 15 }));
    C4Expand: conv(256, 14, 1024, 1, 1, Algorithm::Direct(Direct { band: 200, depth: 16, sums: 1 << 15 }));
    C4Project: conv(512, 28, 1024, 1, 2, Algorithm::Direct(Direct { band: 200, depth: 16, sums: 1 << 15 }));
    C5Reduce: conv(2048, 7, 512, 1, 1, Algorithm::Direct(Direct { band: 200, depth: 16, sums: 1 << 15 }));
    C5Middle: conv(512, 7, 512, 3, 1, Algorithm::Direct(Direct { band: 200, depth: 16, sums: 1 << 15 }));
    C5Expand: conv(512, 7, 2048, 1, 1, Algorithm::Direct(Direct { band: 200, depth: 16, sums: 1 << 15 }));
    Cifar16: conv(16, 32, 16, 3, 1, Algorithm::Direct(Direct { band: 64 * 6, depth: 16, sums: 1 << 15 }));
    Cifar32: conv(32, 16, 32, 3, 1, Algorithm::Direct(Direct { band: 64 * 6, depth: 16, sums: 1 << 15 }));
    Cifar64: conv(64, 8, 64, 3, 1, Algorithm::Direct(Direct { band: 64 * 6, depth: 16, sums: 1 << 15 }));
}

fn measure<P: Program>(criterion: &mut Criterion, name: &str, geometry: &ConvGeometry) {
    let options = Options { threads: Some(1) };
    let mut engine = Engine::<P>::new(Weights::from_bytes(&blob(P::WEIGHTS)), options).expect("a sound program");
    let mut group = criterion.benchmark_group(format!("conv/{}", engine.isa()));
    // Two per multiply-accumulate: what is shown as Gelem/s are GFLOP/s.
    group.throughput(Throughput::Elements(2 * macs(geometry) as u64));
    group.bench_function(name, |bencher| bencher.iter(|| engine.infer(&[]).map(|outputs| outputs.len())));
    group.finish();
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
