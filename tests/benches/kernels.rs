//! Throughput of every kernel over the shapes of ResNet-50, of its relatives and of the CIFAR networks: one thread, warm memory, on
//! the instruction set that `RESNET_ISA` names or the fastest.
//!
//! `cargo bench -p resnet-tests --bench kernels -- '^conv 3x3'` measures a family, `-- --test` runs everything once.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use resnet::geometry::{
    Activation, Algorithm, BLOCK, ChannelsGeometry, ConvGeometry, DenseGeometry, Direct, ElementwiseGeometry,
    FlattenGeometry, Frame, GlobalPoolGeometry, GroupNormGeometry, Grouped, InputGeometry, Join, Map, OutputGeometry,
    PoolGeometry, Reduction, RemapGeometry, Rest, SoftmaxGeometry, Strassen, Winograd,
};
use resnet::{Engine, Isa, Layer, Network, Operands, Options, Program, Step, Tile, Tiles, Weights};

#[expect(dead_code, reason = "tests need all of it")]
#[path = "../../runtime/tests/common/mod.rs"]
mod common;

/// Declares a layer per line, by family and kernel: the kernel's constructor of [`Step`], and of [`Case`].
macro_rules! layers {
    ($($family:literal $kernel:ident $type:ident { $($name:ident: $geometry:expr;)* })*) => {
        $($(
            struct $name;

            impl Layer<$type> for $name {
                const GEOMETRY: $type = $geometry;
            }

            impl $name {
                const CASE: Case = Case::$kernel(&$name::GEOMETRY);
            }

            tiles!($kernel $name);

            impl Program for $name {
                const NETWORK: &'static Network = &common::network(
                    &[common::input(&[$name::CASE.from_caller, 1, 1, 1])],
                    &[common::output("", &[$name::CASE.to_caller])],
                    1,
                );
                const ARENA: usize = $name::CASE.arena();
                const WEIGHTS: usize = $name::CASE.weights;
                const FINGERPRINT: u64 = 1;

                fn steps<I: Isa>() -> &'static [Step] {
                    const { &[Step::$kernel::<I, $name>(stringify!($name), $name::CASE.operands())] }
                }
            }
        )*)*

        fn benchmarks(criterion: &mut Criterion) {
            $($(measure::<$name>(criterion, $family, &$name::CASE);)*)*
        }
    };
}

/// The register tiles of layers that have some.
macro_rules! tiles {
    (conv $name:ident) => {
        impl $name {
            const GROUPED: bool = matches!($name::GEOMETRY.algorithm, Algorithm::Grouped(_));
            /// Two vectors of AVX-512 where two panels read the same input.
            const PAIRS: usize = if $name::GEOMETRY.output.channels < 32
                || $name::GEOMETRY.first_block.len() > 1
                    && $name::GEOMETRY.first_block[0] != $name::GEOMETRY.first_block[1]
            {
                1
            } else {
                2
            };
            const WIDE: [usize; 2] = pixels(&$name::GEOMETRY, 28 / $name::PAIRS);
            const NARROW: [usize; 2] = pixels(&$name::GEOMETRY, if $name::GROUPED { 12 } else { 6 });
            const PORTABLE: [usize; 2] = pixels(&$name::GEOMETRY, 4);
        }

        impl Tiles for $name {
            type Avx512 = Tile<{ $name::WIDE[0] }, { $name::WIDE[1] }, { $name::PAIRS }>;
            type Avx2 = Tile<{ $name::NARROW[0] }, { $name::NARROW[1] }, { if $name::GROUPED { 1 } else { 2 } }>;
            type Neon = Tile<{ $name::NARROW[0] }, { $name::NARROW[1] }, { if $name::GROUPED { 1 } else { 4 } }>;
            type Portable =
                Tile<{ $name::PORTABLE[0] }, { $name::PORTABLE[1] }, { if $name::GROUPED { 1 } else { 2 } }>;
        }
    };
    ($other:ident $name:ident) => {};
}

layers! {
    "stem" conv ConvGeometry {
        Stem: conv(3, 224, 64, 7, 2);
        StemWinograd: winograd(conv(3, 224, 64, 7, 2), 3, 42);
        CifarStem: conv(3, 32, 16, 3, 1);
    }
    "conv 1x1" conv ConvGeometry {
        C2Reduce: conv(256, 56, 64, 1, 1);
        C2Expand: conv(64, 56, 256, 1, 1);
        C2ExpandAdd: with_shortcut(conv(64, 56, 256, 1, 1));
        C3Reduce: conv(512, 28, 128, 1, 1);
        C3Expand: conv(128, 28, 512, 1, 1);
        C4Reduce: conv(1024, 14, 256, 1, 1);
        C4Expand: conv(256, 14, 1024, 1, 1);
        C5Reduce: conv(2048, 7, 512, 1, 1);
        C5Expand: conv(512, 7, 2048, 1, 1);
    }
    "strassen" conv ConvGeometry {
        C2ReduceStrassen: strassen(conv(256, 56, 64, 1, 1), 105);
        C3ReduceStrassen: strassen(conv(512, 28, 128, 1, 1), 98);
        C3ExpandStrassen: strassen(conv(128, 28, 512, 1, 1), 196);
        C4ReduceStrassen: strassen(conv(1024, 14, 256, 1, 1), 98);
        C4ExpandStrassen: strassen(conv(256, 14, 1024, 1, 1), 98);
    }
    "conv 3x3" conv ConvGeometry {
        C2Middle: conv(64, 56, 64, 3, 1);
        C3Middle: conv(128, 28, 128, 3, 1);
        C4Middle: conv(256, 14, 256, 3, 1);
        C5Middle: conv(512, 7, 512, 3, 1);
        Cifar16: conv(16, 32, 16, 3, 1);
        Cifar32: conv(32, 16, 32, 3, 1);
        Cifar64: conv(64, 8, 64, 3, 1);
    }
    "winograd" conv ConvGeometry {
        C2MiddleWinograd: winograd(conv(64, 56, 64, 3, 1), 4, 49);
        C3MiddleWinograd: winograd(conv(128, 28, 128, 3, 1), 4, 25);
        C4MiddleWinograd: winograd(conv(256, 14, 256, 3, 1), 4, 16);
        C5MiddleWinograd: winograd(conv(512, 7, 512, 3, 1), 2, 16);
        C3StridedWinograd: winograd(conv(128, 56, 128, 3, 2), 4, 10);
        C4StridedWinograd: winograd(conv(256, 28, 256, 3, 2), 2, 17);
        NextC3Winograd: winograd(grouped(256, 28), 4, 17);
        Cifar16Winograd: winograd(conv(16, 32, 16, 3, 1), 4, 64);
        Cifar32Winograd: winograd(conv(32, 16, 32, 3, 1), 4, 16);
        Cifar64Winograd: winograd(conv(64, 8, 64, 3, 1), 4, 4);
        Cifar32StridedWinograd: winograd(conv(16, 32, 32, 3, 2), 4, 16);
    }
    "conv strided" conv ConvGeometry {
        C3Strided: conv(128, 56, 128, 3, 2);
        C4Strided: conv(256, 28, 256, 3, 2);
        C5Strided: conv(512, 14, 512, 3, 2);
        C3Project: conv(256, 56, 512, 1, 2);
        C4Project: conv(512, 28, 1024, 1, 2);
        C5Project: conv(1024, 14, 2048, 1, 2);
        Cifar32Strided: conv(16, 32, 32, 3, 2);
        Cifar64Strided: conv(32, 16, 64, 3, 2);
    }
    "conv grouped" conv ConvGeometry {
        NextC2: grouped(128, 56);
        NextC3: grouped(256, 28);
        NextC4: grouped(512, 14);
        NextC5: grouped(1024, 7);
        NextC2Within: within_groups(grouped(128, 56), 4);
        NextC3Within: within_groups(grouped(256, 28), 8);
        NextC4Within: within_groups(grouped(512, 14), 16);
    }
    "dense" dense DenseGeometry {
        Classes: dense(1, 2048, 1000);
        Classes8: dense(8, 2048, 1000);
        Cifar10: dense(1, 64, 10);
    }
    "pool" pool PoolGeometry {
        MaxPool: pool(64, 112, 3, 1, Reduction::Max);
        MeanPool: pool(256, 56, 2, 0, Reduction::Mean);
    }
    "global pool" global_pool GlobalPoolGeometry {
        GlobalMean: GlobalPoolGeometry { batch: 1, input: map(2048, 7), output: map(2048, 1), reduction: Reduction::Mean };
        CifarGlobalMean: GlobalPoolGeometry { batch: 1, input: map(64, 8), output: map(64, 1), reduction: Reduction::Mean };
    }
    "elementwise" elementwise ElementwiseGeometry {
        C2Add: elementwise(map(256, 56), Some(map(256, 56)), Join::Sum);
        C5Add: elementwise(map(2048, 7), Some(map(2048, 7)), Join::Sum);
        CifarAdd: elementwise(map(16, 32), Some(map(16, 32)), Join::Sum);
        Excite: elementwise(map(256, 56), Some(map(256, 1)), Join::Product);
        PreActivation: ElementwiseGeometry { affine: true, ..elementwise(map(256, 56), None, Join::Sum) };
    }
    "group norm" group_norm GroupNormGeometry {
        NormStem: group_norm(64, 112);
        NormC2: group_norm(256, 56);
        NormC5: group_norm(2048, 7);
    }
    "remap" remap RemapGeometry {
        CifarShortcut: RemapGeometry {
            batch: 1,
            input: map(16, 32),
            output: map(32, 16),
            stride: [2, 2],
            channels_before: 8,
            top: 0,
            left: 0,
        };
    }
    "channels" channels ChannelsGeometry {
        Concat: ChannelsGeometry { batch: 1, input: map(128, 35), output: map(320, 35), from: 0, to: 192, count: 128 };
        ConcatCrooked: ChannelsGeometry { batch: 1, input: map(24, 35), output: map(64, 35), from: 0, to: 40, count: 24 };
    }
    "softmax" softmax SoftmaxGeometry {
        Softmax: SoftmaxGeometry { batch: 1, features: 1000 };
        CifarSoftmax: SoftmaxGeometry { batch: 1, features: 10 };
    }
    "flatten" flatten FlattenGeometry {
        Flatten: FlattenGeometry { batch: 1, input: map(64, 8) };
    }
    "input" input InputGeometry {
        ChannelsFirst: InputGeometry { batch: 1, output: image(224, 3), channels_last: false };
        ChannelsLast: InputGeometry { batch: 1, output: image(224, 3), channels_last: true };
        CifarInput: InputGeometry { batch: 1, output: image(32, 1), channels_last: false };
    }
    "output" output OutputGeometry {
        Logits: OutputGeometry { batch: 1, input: map(1000, 1) };
        Features: OutputGeometry { batch: 1, input: map(2048, 7) };
    }
}

/// A square map without a frame.
const fn map(channels: usize, size: usize) -> Map {
    Map { channels, height: size, width: size, block: BLOCK, frame: Frame::NONE, rest: Rest::NONE }
}

const fn framed(map: Map, width: usize) -> Map {
    Map { frame: Frame { top: width, left: width, bottom: width, right: width }, ..map }
}

/// A picture.
const fn image(size: usize, frame: usize) -> Map {
    framed(Map { block: 3, ..map(3, size) }, frame)
}

/// A square convolution with the padding that keeps the size at stride 1.
const fn conv(channels: usize, size: usize, outputs: usize, kernel: usize, stride: usize) -> ConvGeometry {
    let padding = (kernel - 1) / 2;
    let block = if channels < BLOCK { channels } else { BLOCK };
    ConvGeometry {
        batch: 1,
        input: framed(Map { block, ..map(channels, size) }, padding),
        output: map(outputs, size / stride),
        shortcut: None,
        kernel: [kernel, kernel],
        stride: [stride, stride],
        dilation: [1, 1],
        padding: [padding, padding],
        window: channels / block,
        first_block: &[],
        activation: Activation::Relu,
        second: None,
        algorithm: direct(kernel * kernel * block, channels / block),
    }
}

const fn with_shortcut(conv: ConvGeometry) -> ConvGeometry {
    ConvGeometry { shortcut: Some(conv.output), ..conv }
}

/// Passes of some 288 input values over bands of some 200 KiB, as the compiler chooses them.
const fn direct(per_block: usize, blocks: usize) -> Algorithm {
    let most = if per_block > 288 { 1 } else { 288 / per_block };
    let depth = if most < blocks { most } else { blocks };
    Algorithm::Direct(Direct { band: 51_200 / (depth * BLOCK), depth, sums: 1 << 15 })
}

/// By Strassen, with so many pairs of pixels at a time, and at most 8 input blocks of each half.
const fn strassen(conv: ConvGeometry, band: usize) -> ConvGeometry {
    let depth = if conv.window < 16 { conv.window / 2 } else { 8 };
    ConvGeometry { algorithm: Algorithm::Strassen(Strassen { band, depth }), ..conv }
}

/// By Winograd, with so many outputs to a side of a tile, so many tiles at a time, and the frame that covers the last tile.
const fn winograd(conv: ConvGeometry, outputs: usize, group: usize) -> ConvGeometry {
    let winograd = Winograd { outputs, group };
    let covered = (winograd.covered(conv.output.height, conv.stride[0]) - 1) * conv.stride[0] + conv.kernel[0];
    let [before, _] = conv.padding;
    let behind = covered - before - conv.input.height;
    let [rows, columns] = winograd.beyond();
    let frame = Frame { top: before, left: before, bottom: behind + rows, right: behind + columns };
    let input = Map { frame, ..conv.input };
    ConvGeometry { input, algorithm: Algorithm::Winograd(winograd), ..conv }
}

/// A 3x3 convolution in 32 groups, as ResNeXt-50 32x4d has them: no group is wider than the two blocks of a panel, and none lies
/// in two of them.
const fn grouped(channels: usize, size: usize) -> ConvGeometry {
    let first_block = BLOCKS.split_at(channels / BLOCK).0;
    let conv = conv(channels, size, channels, 3, 1);
    if channels / 32 == 32 {
        return ConvGeometry { window: 2, first_block: PAIRS, ..conv };
    }
    ConvGeometry { window: 1, first_block, ..conv }
}

/// By the kernel for groups of so few channels.
const fn within_groups(conv: ConvGeometry, channels: usize) -> ConvGeometry {
    ConvGeometry { algorithm: Algorithm::Grouped(Grouped { channels }), ..conv }
}

/// A block for each panel of 16 channels.
const BLOCKS: &[usize] = &counted::<64>(1);
/// The first of two blocks for each two panels.
const PAIRS: &[usize] = &counted::<64>(2);

const fn counted<const LENGTH: usize>(step: usize) -> [usize; LENGTH] {
    let (mut numbers, mut index) = ([0; LENGTH], 0);
    while index < LENGTH {
        numbers[index] = index / step * step;
        index += 1;
    }
    numbers
}

const fn dense(batch: usize, features: usize, units: usize) -> DenseGeometry {
    let panel = if units.div_ceil(BLOCK).is_multiple_of(2) { 32 } else { 16 };
    DenseGeometry { batch, features, units, panel, activation: Activation::None }
}

/// Halves a map.
const fn pool(channels: usize, size: usize, kernel: usize, padding: usize, reduction: Reduction) -> PoolGeometry {
    PoolGeometry {
        batch: 1,
        input: map(channels, size),
        output: map(channels, size / 2),
        kernel: [kernel, kernel],
        stride: [2, 2],
        padding: [padding, padding, padding, padding],
        reduction,
    }
}

const fn elementwise(input: Map, other: Option<Map>, join: Join) -> ElementwiseGeometry {
    ElementwiseGeometry { batch: 1, input, other, join, output: input, affine: false, activation: Activation::Relu }
}

const fn group_norm(channels: usize, size: usize) -> GroupNormGeometry {
    let map = map(channels, size);
    GroupNormGeometry { batch: 1, input: map, output: map, groups: 32, epsilon: 1e-5, activation: Activation::Relu }
}

/// The memory of one step and the size of its work, lengths in f32 values.
struct Case {
    input: usize,
    other: usize,
    output: usize,
    weights: usize,
    /// Lengths of what the caller gives, and takes.
    from_caller: usize,
    to_caller: usize,
    /// Floating-point operations, two per multiply-accumulate, or else values: what is shown as Gelem/s are GFLOP/s, or 10^9 values
    /// per second.
    amount: usize,
}

impl Case {
    const fn of(input: usize, output: usize) -> Self {
        let amount = if input > output { input } else { output };
        Self { input, other: 0, output, weights: 0, from_caller: 0, to_caller: 0, amount }
    }

    const fn maps(batch: usize, input: Map, output: Map) -> Self {
        Self::of(batch * input.len(), batch * output.len())
    }

    const fn with_other(self, other: Option<Map>) -> Self {
        match other {
            Some(other) => Self { other: other.len(), ..self },
            None => self,
        }
    }

    const fn conv(conv: &ConvGeometry) -> Self {
        let taps = conv.kernel[0] * conv.kernel[1];
        let depth = conv.window * conv.input.block;
        let per_channel = match conv.algorithm {
            Algorithm::Direct(_) => taps * depth,
            Algorithm::Winograd(winograd) => winograd.factors() * winograd.factors() * winograd.channels(depth),
            Algorithm::Strassen(strassen) => strassen.panel(conv.window) / (2 * BLOCK) - 1,
            Algorithm::Grouped(grouped) => taps * grouped.channels,
        };
        let weights = conv.output.channels * (per_channel + 1);
        // Of a group that is narrower than a panel's window the rest is zeros.
        let read = if conv.first_block.is_empty() { conv.input.channels } else { conv.input.channels / 32 };
        let macs = taps * read * conv.output.channels * conv.output.height * conv.output.width;
        let case = Self::maps(conv.batch, conv.input, conv.output).with_other(conv.shortcut);
        Self { weights, amount: 2 * macs, ..case }
    }

    const fn dense(dense: &DenseGeometry) -> Self {
        let DenseGeometry { batch, features, units, .. } = *dense;
        let case = Self::of(batch * features.next_multiple_of(BLOCK), batch * units.next_multiple_of(BLOCK));
        let weights = units.next_multiple_of(BLOCK) * (features + 1);
        Self { weights, amount: 2 * batch * features * units, ..case }
    }

    const fn pool(pool: &PoolGeometry) -> Self {
        Self::maps(pool.batch, pool.input, pool.output)
    }

    const fn global_pool(pool: &GlobalPoolGeometry) -> Self {
        Self::of(pool.batch * pool.input.len(), pool.batch * pool.input.blocks() * BLOCK)
    }

    const fn elementwise(step: &ElementwiseGeometry) -> Self {
        let weights = if step.affine { 2 * step.output.blocks() * BLOCK } else { 0 };
        Self { weights, ..Self::maps(step.batch, step.input, step.output).with_other(step.other) }
    }

    const fn group_norm(norm: &GroupNormGeometry) -> Self {
        Self { weights: 2 * norm.output.blocks() * BLOCK, ..Self::maps(norm.batch, norm.input, norm.output) }
    }

    const fn remap(remap: &RemapGeometry) -> Self {
        Self::maps(remap.batch, remap.input, remap.output)
    }

    const fn channels(copy: &ChannelsGeometry) -> Self {
        let amount = copy.batch * copy.count * copy.output.height * copy.output.width;
        Self { amount, ..Self::maps(copy.batch, copy.input, copy.output) }
    }

    const fn softmax(softmax: &SoftmaxGeometry) -> Self {
        let length = softmax.batch * softmax.features.next_multiple_of(BLOCK);
        Self::of(length, length)
    }

    const fn flatten(flatten: &FlattenGeometry) -> Self {
        let Map { channels, height, width, .. } = flatten.input;
        let vector = (channels * height * width).next_multiple_of(BLOCK);
        Self::of(flatten.batch * flatten.input.len(), flatten.batch * vector)
    }

    const fn input(input: &InputGeometry) -> Self {
        let Map { channels, height, width, .. } = input.output;
        let from_caller = input.batch * channels * height * width;
        Self { from_caller, ..Self::of(0, input.batch * input.output.len()) }
    }

    const fn output(output: &OutputGeometry) -> Self {
        let Map { channels, height, width, .. } = output.input;
        let to_caller = output.batch * channels * height * width;
        Self { to_caller, ..Self::of(output.batch * output.input.len(), 0) }
    }

    const fn at_other(&self) -> usize {
        self.input.next_multiple_of(BLOCK)
    }

    const fn at_output(&self) -> usize {
        self.at_other() + self.other
    }

    const fn arena(&self) -> usize {
        self.at_output() + self.output
    }

    const fn operands(&self) -> Operands {
        Operands::new(0, self.at_output()).with_other(self.at_other())
    }
}

/// The numbers of pixels, up to a limit, that split a row into the fewest and most even tiles.
const fn pixels(conv: &ConvGeometry, most: usize) -> [usize; 2] {
    let extent = conv.extent();
    let pixels = extent.div_ceil(extent.div_ceil(most));
    [pixels, if extent.is_multiple_of(pixels) { 0 } else { pixels - 1 }]
}

fn values(length: usize) -> Vec<f32> {
    (0..length).map(|index| (index * 7919 % 1000) as f32 * 0.001 - 0.5).collect()
}

fn measure<P: Program>(criterion: &mut Criterion, family: &str, case: &Case) {
    let options = Options { threads: Some(1) };
    let mut engine =
        Engine::<P>::new(Weights::from_bytes(&common::blob(1, &values(P::WEIGHTS))), options).expect("a sound program");
    let input = values(case.from_caller);
    let [name] = engine.steps().iter().map(Step::name).collect::<Vec<_>>()[..] else { panic!("one step") };
    let mut group = criterion.benchmark_group(format!("{family}/{}", engine.isa()));
    group.throughput(Throughput::Elements(case.amount as u64));
    group.bench_function(name, |bencher| bencher.iter(|| engine.infer(&input).map(|outputs| outputs.len())));
    group.finish();
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
