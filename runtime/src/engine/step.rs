//! Steps: what a program's table is made of.

use super::work::Work;
use crate::error::{Error, Place, Problem};
use crate::geometry::{
    BLOCK, ChannelsGeometry, ConvGeometry, DenseGeometry, ElementwiseGeometry, FlattenGeometry, Frame,
    GlobalPoolGeometry, GroupNormGeometry, Images, InputGeometry, Map, NestGeometry, Operand, OutputGeometry,
    PoolGeometry, RemapGeometry, Rest, SoftmaxGeometry,
};
use crate::isa::{Isa, Kind};
use crate::kernel::{
    Arguments, Channels, Conv, Dense, Elementwise, Flatten, GlobalPool, GroupNorm, Input, Nest, Output, Pool, Remap,
    Softmax, check_channels, check_conv, check_dense, check_elementwise, check_flatten, check_global_pool,
    check_group_norm, check_input, check_nest, check_output, check_pool, check_remap, check_softmax, conv_scratch,
    conv_weights, dense_weights, repeats, vector_length,
};
use crate::program::{Layer, Tiles};

/// Where a step reads and writes: offsets in f32 values, of 0 where not given. An input step has only an output in the arena, and the
/// index of the network's input that it reads; an output step only an input, and the index of the network's output that it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Operands {
    /// What is read, in the arena.
    pub input: usize,
    /// What else is read, in the arena: a shortcut, the second term of a sum or factor of a product.
    pub other: usize,
    /// What is written, in the arena.
    pub output: usize,
    /// Where its weights begin, in the packed weights.
    pub weights: usize,
    /// Which of the network's inputs an input step reads.
    pub network_input: usize,
    /// Which of the network's outputs an output step writes.
    pub network_output: usize,
}

impl Operands {
    /// One map read, one written.
    pub const fn new(input: usize, output: usize) -> Self {
        Self { input, other: 0, output, weights: 0, network_input: 0, network_output: 0 }
    }

    /// With a second map that is read.
    pub const fn with_other(self, other: usize) -> Self {
        Self { other, ..self }
    }

    /// With weights.
    pub const fn with_weights(self, weights: usize) -> Self {
        Self { weights, ..self }
    }

    /// With the index of the network's input that is read.
    pub const fn with_network_input(self, network_input: usize) -> Self {
        Self { network_input, ..self }
    }

    /// With the index of the network's output that is written.
    pub const fn with_network_output(self, network_output: usize) -> Self {
        Self { network_output, ..self }
    }
}

/// One step of a program: a kernel compiled for one layer shape and one instruction set, and where it reads and writes.
///
/// The constructors are for constants: `const { &[Step::conv::<I, Conv0>("conv1", Operands::new(0, 1024)), ...] }`. A geometry that no
/// kernel could run is refused by the Rust compiler.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    pub(super) name: &'static str,
    pub(super) isa: Kind,
    pub(super) run: unsafe fn(&Arguments),
    pub(super) input: Span,
    pub(super) other: Option<Span>,
    pub(super) output: Span,
    pub(super) weights: Option<Span>,
    /// Scratch memory of each thread, in f32 values.
    pub(super) scratch: usize,
    /// What is written into the arena: images, and the map of each.
    pub(super) result: Option<(usize, Map)>,
    pub(super) images: Images,
    work: Work,
    /// Whether the output may be the input's own memory.
    over_input: bool,
    /// Whether the output may be the second input's own memory.
    over_other: bool,
}

/// A range that a step reads or writes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) start: Start,
    length: usize,
    /// To where another image's is.
    next: usize,
    /// Of rows of a larger map, the distance of its blocks; of some of its blocks, the distance of its images: and how much of that
    /// they are.
    parts: [Option<[usize; 2]>; 2],
    /// Whether it begins on a line. The network's input, of a few channels, may be read from any row on.
    aligned: bool,
}

/// Where a range begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start {
    /// At an offset in the arena or in the weights.
    At(usize),
    /// It is the whole of the caller's input of this index.
    Input(usize),
    /// It is the whole of the network's output of this index.
    Output(usize),
}

impl Span {
    /// From its start to where a step finds an image, if there is one place for each.
    pub(super) const fn of_image(&self, each: bool, image: usize) -> usize {
        if each || !matches!(self.start, Start::At(_)) { image * self.next } else { 0 }
    }

    const fn new(start: Start, length: usize) -> Self {
        Self { start, length, next: length, parts: [None; 2], aligned: true }
    }

    const fn at(start: usize, length: usize) -> Self {
        Self::new(Start::At(start), length)
    }

    /// Maps of so many images.
    const fn of(start: usize, images: usize, map: Map) -> Self {
        let rows = if map.rest.rows == 0 { None } else { Some([map.plane(), map.rows() * map.row()]) };
        let blocks = if map.rest.blocks == 0 { None } else { Some([map.len(), map.span(1)]) };
        Self {
            start: Start::At(start),
            length: map.span(images),
            next: images * map.len(),
            parts: [rows, blocks],
            aligned: map.block == BLOCK,
        }
    }

    /// Of so many images with a place for each.
    fn times(self, images: usize) -> Self {
        let length = self.next.saturating_mul(images.saturating_sub(1)).saturating_add(self.length);
        Self { length, ..self }
    }

    /// Whether two ranges of the arena have nothing in common: other rows of one map, or other blocks of its images, may lie between
    /// each other.
    fn apart(&self, start: usize, other: &Self, other_start: usize) -> bool {
        if start + self.length <= other_start || other_start + other.length <= start {
            return true;
        }
        self.parts.iter().zip(&other.parts).any(|parts| match parts {
            (Some([period, length]), Some([other_period, other_length])) if period == other_period => {
                let ahead = (other_start + period - start % period) % period;
                *length <= ahead && ahead + other_length <= *period
            }
            _ => false,
        })
    }
}

const fn same_layout(a: Map, b: Map) -> bool {
    a.block == b.block
        && a.frame.top == b.frame.top
        && a.frame.left == b.frame.left
        && a.frame.bottom == b.frame.bottom
        && a.frame.right == b.frame.right
        && a.rest.rows == b.rest.rows
        && a.rest.blocks == b.rest.blocks
}

/// So many values in a row, as a map.
const fn array(length: usize) -> Map {
    Map { channels: 1, height: 1, width: length, block: 1, frame: Frame::NONE, rest: Rest::NONE }
}

const fn product(extents: &[usize]) -> usize {
    let (mut product, mut axis) = (1, 0);
    while axis < extents.len() {
        product *= extents[axis];
        axis += 1;
    }
    product
}

impl Step {
    const fn new<I: Isa>(name: &'static str, run: unsafe fn(&Arguments), input: Span, output: Span) -> Self {
        let isa = I::KIND;
        let (over_input, over_other) = (false, false);
        let (other, weights, result) = (None, None, None);
        let (scratch, work, images) = (0, Work::NONE, Images::TOGETHER);
        Self { name, isa, run, input, other, output, weights, scratch, result, images, work, over_input, over_other }
    }

    const fn with_work(mut self, work: Work) -> Self {
        self.work = work;
        self
    }

    const fn with_result(mut self, batch: usize, map: Map) -> Self {
        self.result = Some((batch, map));
        self
    }

    const fn with_vector(self, batch: usize, channels: usize) -> Self {
        self.with_result(
            batch,
            Map { channels, height: 1, width: 1, block: BLOCK, frame: Frame::NONE, rest: Rest::NONE },
        )
    }

    /// A convolution; `operands.other` is its shortcut.
    pub const fn conv<I: Isa, L: Layer<ConvGeometry> + Tiles>(name: &'static str, operands: Operands) -> Self {
        const { check_conv::<I::TileOf<L>>(&L::GEOMETRY, I::LANES) };
        let geometry = const { L::GEOMETRY };
        let input = Span::of(operands.input, geometry.batch, geometry.input);
        let results = geometry.results();
        let output = Span::of(operands.output, geometry.batch, results);
        let mut step = Self::new::<I>(name, I::enter::<Conv<L>>, input, output).with_result(geometry.batch, results);
        step.weights = Some(Span::at(operands.weights, conv_weights(&geometry)));
        step.scratch = conv_scratch::<I::TileOf<L>>(&geometry, I::LANES);
        if let Some(shortcut) = geometry.shortcut {
            step.other = Some(Span::of(operands.other, geometry.batch, shortcut));
            step.over_other = same_layout(shortcut, geometry.output);
        }
        step.with_work(Work::conv::<I::TileOf<L>>(&geometry, I::LANES))
    }

    /// A pooling layer.
    pub const fn pool<I: Isa, L: Layer<PoolGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_pool(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let input = Span::of(operands.input, geometry.batch, geometry.input);
        let output = Span::of(operands.output, geometry.batch, geometry.output);
        Self::new::<I>(name, I::enter::<Pool<L>>, input, output)
            .with_result(geometry.batch, geometry.output)
            .with_work(Work::pool(&geometry))
    }

    /// A sum or product, a scale and shift, an activation; `operands.other` is the sum's second term or the second factor.
    pub const fn elementwise<I: Isa, L: Layer<ElementwiseGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_elementwise(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let input = Span::of(operands.input, geometry.batch, geometry.input);
        let output = Span::of(operands.output, geometry.batch, geometry.output);
        let mut step = Self::new::<I>(name, I::enter::<Elementwise<L>>, input, output)
            .with_result(geometry.batch, geometry.output);
        step.over_input = same_layout(geometry.input, geometry.output);
        if let Some(other) = geometry.other {
            step.other = Some(Span::of(operands.other, geometry.batch, other));
            step.over_other = same_layout(other, geometry.output) && !repeats(other, geometry.output);
        }
        if geometry.affine {
            step.weights = Some(Span::at(operands.weights, 2 * vector_length(geometry.output.channels)));
        }
        step.with_work(Work::elementwise(&geometry))
    }

    /// A group normalisation.
    pub const fn group_norm<I: Isa, L: Layer<GroupNormGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_group_norm(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let input = Span::of(operands.input, geometry.batch, geometry.input);
        let output = Span::of(operands.output, geometry.batch, geometry.output);
        let mut step =
            Self::new::<I>(name, I::enter::<GroupNorm<L>>, input, output).with_result(geometry.batch, geometry.output);
        step.over_input = same_layout(geometry.input, geometry.output);
        step.weights = Some(Span::at(operands.weights, 2 * vector_length(geometry.output.channels)));
        step.with_work(Work::group_norm(&geometry))
    }

    /// A strided, shifted copy.
    pub const fn remap<I: Isa, L: Layer<RemapGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_remap(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let input = Span::of(operands.input, geometry.batch, geometry.input);
        let output = Span::of(operands.output, geometry.batch, geometry.output);
        Self::new::<I>(name, I::enter::<Remap<L>>, input, output)
            .with_result(geometry.batch, geometry.output)
            .with_work(Work::remap(&geometry))
    }

    /// A copy of channels.
    pub const fn channels<I: Isa, L: Layer<ChannelsGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_channels(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let input = Span::of(operands.input, geometry.batch, geometry.input);
        let output = Span::of(operands.output, geometry.batch, geometry.output);
        let step = Self::new::<I>(name, I::enter::<Channels<L>>, input, output).with_work(Work::channels(&geometry));
        // The parts of a concatenation before the last leave a map that is not whole.
        if geometry.to + geometry.count == geometry.output.channels {
            step.with_result(geometry.batch, geometry.output)
        } else {
            step
        }
    }

    /// Maximum or mean over a map.
    pub const fn global_pool<I: Isa, L: Layer<GlobalPoolGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_global_pool(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let input = Span::of(operands.input, geometry.batch, geometry.input);
        let output = Span::of(operands.output, geometry.batch, geometry.output);
        Self::new::<I>(name, I::enter::<GlobalPool<L>>, input, output)
            .with_result(geometry.batch, geometry.output)
            .with_work(Work::global_pool(&geometry))
    }

    /// A dense layer.
    pub const fn dense<I: Isa, L: Layer<DenseGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_dense(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let input = Span::at(operands.input, geometry.batch * vector_length(geometry.features));
        let output = Span::at(operands.output, geometry.batch * vector_length(geometry.units));
        let mut step =
            Self::new::<I>(name, I::enter::<Dense<L>>, input, output).with_vector(geometry.batch, geometry.units);
        step.weights = Some(Span::at(operands.weights, dense_weights(&geometry)));
        step.with_work(Work::dense(&geometry, I::LANES))
    }

    /// Softmax.
    pub const fn softmax<I: Isa, L: Layer<SoftmaxGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_softmax(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let length = geometry.batch * vector_length(geometry.features);
        let (input, output) = (Span::at(operands.input, length), Span::at(operands.output, length));
        let mut step =
            Self::new::<I>(name, I::enter::<Softmax<L>>, input, output).with_vector(geometry.batch, geometry.features);
        step.over_input = true;
        step.with_work(Work::softmax(&geometry))
    }

    /// A map as a vector.
    pub const fn flatten<I: Isa, L: Layer<FlattenGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_flatten(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let map = geometry.input;
        let input = Span::of(operands.input, geometry.batch, map);
        let length = geometry.batch * vector_length(map.channels * map.height * map.width);
        let output = Span::at(operands.output, length);
        Self::new::<I>(name, I::enter::<Flatten<L>>, input, output)
            .with_vector(geometry.batch, map.channels * map.height * map.width)
            .with_work(Work::flatten(&geometry))
    }

    /// One of the caller's inputs into a map: that of the index `operands.network_input`.
    pub const fn input<I: Isa, L: Layer<InputGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_input(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let map = geometry.output;
        let start = Start::Input(operands.network_input);
        let input = Span::new(start, geometry.batch * map.channels * map.height * map.width);
        let output = Span::of(operands.output, geometry.batch, map);
        Self::new::<I>(name, I::enter::<Input<L>>, input, output)
            .with_result(geometry.batch, geometry.output)
            .with_work(Work::input(&geometry))
    }

    /// A map into one of the network's outputs: that of the index `operands.network_output`.
    pub const fn output<I: Isa, L: Layer<OutputGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_output(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let map = geometry.input;
        let input = Span::of(operands.input, geometry.batch, map);
        let length = geometry.batch * map.channels * map.height * map.width;
        let output = Span::new(Start::Output(operands.network_output), length);
        Self::new::<I>(name, I::enter::<Output<L>>, input, output).with_work(Work::output(&geometry))
    }

    /// A map or a vector into an array.
    pub const fn as_array<I: Isa, L: Layer<OutputGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_output(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let map = geometry.input;
        let array = array(geometry.batch * map.channels * map.height * map.width);
        let (input, output) = (Span::of(operands.input, geometry.batch, map), Span::of(operands.output, 1, array));
        let work = Work::new("as array", geometry.batch, map, map);
        Self::new::<I>(name, I::enter::<Output<L>>, input, output).with_result(1, array).with_work(work)
    }

    /// An array into a map or a vector.
    pub const fn as_map<I: Isa, L: Layer<InputGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_input(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let map = geometry.output;
        let array = array(geometry.batch * map.channels * map.height * map.width);
        let (input, output) = (Span::of(operands.input, 1, array), Span::of(operands.output, geometry.batch, map));
        let work = Work::new("as map", geometry.batch, map, map);
        Self::new::<I>(name, I::enter::<Input<L>>, input, output).with_result(geometry.batch, map).with_work(work)
    }

    /// An output of the network that depends on no input: that of the index `operands.network_output`, from the weights.
    pub const fn constant<I: Isa, L: Layer<NestGeometry>>(name: &'static str, operands: Operands) -> Self {
        let geometry = const { L::GEOMETRY };
        let output = Span::new(Start::Output(operands.network_output), product(geometry.output));
        let mut step = Self::nest::<I, L>(name, operands);
        step.input = Span::at(0, 0);
        step.output = output;
        step.result = None;
        step
    }

    /// A loop nest over arrays; `operands.other` is its second operand, if both are computed.
    pub const fn nest<I: Isa, L: Layer<NestGeometry>>(name: &'static str, operands: Operands) -> Self {
        const { check_nest(&L::GEOMETRY) };
        let geometry = const { L::GEOMETRY };
        let result = array(product(geometry.output));
        let (a, b) = match (geometry.constant, geometry.b) {
            (Some(Operand::A), Some(b)) => (b, None),
            (Some(Operand::B), _) | (_, None) => (geometry.a, None),
            (None, Some(b)) => (geometry.a, Some(b)),
        };
        let input = Span::of(operands.input, 1, array(a.length));
        let output = Span::of(operands.output, 1, result);
        let mut step = Self::new::<I>(name, I::enter::<Nest<L>>, input, output).with_result(1, result);
        if let Some(b) = b {
            step.other = Some(Span::of(operands.other, 1, array(b.length)));
        }
        let constant = match (geometry.constant, geometry.b) {
            (Some(Operand::A), _) => geometry.a.length,
            (Some(Operand::B), Some(b)) => b.length,
            (Some(Operand::B), None) | (None, _) => 0,
        };
        if constant > 0 {
            step.weights = Some(Span::at(operands.weights, constant));
        }
        step.with_work(Work::nest(a.length, if let Some(b) = b { b.length } else { 0 }, constant, result))
    }

    /// With the number of multiply-accumulates that the network asks for, of all images.
    pub const fn with_macs(mut self, macs: u64) -> Self {
        self.work.macs = macs;
        self
    }

    /// Run image by image.
    pub const fn with_images(mut self, images: Images) -> Self {
        self.images = images;
        self.work.bytes_read *= images.count as u64;
        self.work.bytes_written *= images.count as u64;
        self
    }

    /// The layer's name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// What it has to do.
    pub const fn work(&self) -> Work {
        self.work
    }

    /// Checks that the step stays inside of the memory it is given.
    pub(super) fn check(&self, isa: Kind, memory: &Memory) -> Result<(), Error> {
        let fail = |problem| Err(Error::Step { step: self.name, problem });
        if self.isa != isa {
            return fail(Problem::Isa { found: self.isa, expected: isa });
        }
        let all = |span: Span, each: bool| {
            let count = if each || !matches!(span.start, Start::At(_)) { self.images.count } else { 1 };
            span.times(count)
        };
        let input = all(self.input, self.images.input);
        let other = self.other.map(|other| all(other, self.images.other));
        let output = all(self.output, self.images.output);
        let places = [
            (Place::Input, Some(input), memory.arena),
            (Place::Other, other, memory.arena),
            (Place::Output, Some(output), memory.arena),
            (Place::Weights, self.weights, memory.weights),
        ];
        for (place, span, available) in places {
            let Some(Span { start, length, aligned, .. }) = span else { continue };
            let expected = match start {
                Start::At(start) if aligned && start % BLOCK != 0 => return fail(Problem::Alignment { place, start }),
                Start::At(start) if start.checked_add(length).is_none_or(|end| end > available) => {
                    return fail(Problem::Range { place, start, length, available });
                }
                Start::At(_) => continue,
                Start::Input(index) => match memory.inputs.get(index) {
                    Some(input) => input.len(),
                    None => return fail(Problem::Input { found: index, available: memory.inputs.len() }),
                },
                Start::Output(index) => match memory.outputs.get(index) {
                    Some(output) => output.len(),
                    None => return fail(Problem::Output { found: index, available: memory.outputs.len() }),
                },
            };
            if length != expected {
                return fail(Problem::Caller { place, found: length, expected });
            }
        }
        for (place, span, allowed) in [
            (Place::Input, Some(input), self.over_input && self.images.input == self.images.output),
            (Place::Other, other, self.over_other && self.images.other == self.images.output),
        ] {
            let Some(span @ Span { start: Start::At(start), .. }) = span else { continue };
            let Span { start: Start::At(to), .. } = output else { continue };
            if !(span.apart(start, &output, to) || allowed && start == to) {
                return fail(Problem::Overlap { place });
            }
        }
        Ok(())
    }
}

/// The memory that steps read and write; lengths in f32 values.
pub(super) struct Memory {
    pub(super) arena: usize,
    pub(super) weights: usize,
    pub(super) inputs: &'static [crate::Input],
    pub(super) outputs: &'static [crate::Output],
}
