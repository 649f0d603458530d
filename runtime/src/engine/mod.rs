//! Runs a compiled network: steps, memory, weights, threads.
//!
//! Every thread walks the same table of steps and does its share of each, with a barrier after each step.

mod float_state;
mod memory;
mod pool;
mod step;
mod weights;
mod work;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use memory::Aligned;
pub use pool::MAX_THREADS;
pub use step::{Operands, Step};
pub use weights::Weights;
pub use work::Work;

use crate::error::Error;
use crate::geometry::{BLOCK, Images};
use crate::isa::{Isa, Kind, Portable};
use crate::kernel::{Arguments, Claim, Share};
use crate::network::{Input, Network, Output, input_start};
use crate::outputs::{self, Arrays, Outputs};
use crate::program::{Options, Program};
use crate::tensor::Tensor;
use float_state::FloatState;
use memory::Buffer;
use pool::{Pool, Seat};
use step::{Memory, Span, Start};

/// A compiled network with its memory, ready to run.
///
/// A clone has memory of its own and shares weights and threads. While one of them has the threads, others run on their caller's
/// thread alone: results have the same bits for every number of threads.
#[derive(Debug)]
pub struct Engine<P> {
    steps: &'static [Step],
    isa: Kind,
    weights: Weights,
    values: Values,
    arena: Buffer,
    scratch: Scratch,
    /// All outputs, one after another.
    outputs: Vec<f32>,
    /// What each thread has left to do, in a call that all of them run.
    claims: Box<[Claim]>,
    pool: Arc<Pool>,
    program: PhantomData<fn() -> P>,
}

/// The values in an engine's weights.
#[derive(Debug, Clone, Copy)]
struct Values(*const f32);

// SAFETY: it points into the engine's weights, which nobody writes.
unsafe impl Send for Values {}
// SAFETY: as above.
unsafe impl Sync for Values {}

impl<P: Program> Engine<P> {
    /// Makes a network ready, with the fastest instruction set of the machine or the one that the environment variable `RESNET_ISA`
    /// names.
    ///
    /// # Errors
    /// When the weights are not the program's, or the threads or the instruction set cannot be had.
    pub fn new(weights: Weights, options: Options) -> Result<Self, Error> {
        Self::with_isa(weights, options, Kind::choose()?)
    }

    /// Makes a network ready, with a given instruction set.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn with_isa(weights: Weights, options: Options, isa: Kind) -> Result<Self, Error> {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => Self::only::<crate::isa::Avx512>(weights, options),
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => Self::only::<crate::isa::Avx2>(weights, options),
            #[cfg(not(target_arch = "x86_64"))]
            Kind::Avx512 | Kind::Avx2 => Err(Error::UnsupportedIsa { found: isa }),
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => Self::only::<crate::isa::Neon>(weights, options),
            #[cfg(not(target_arch = "aarch64"))]
            Kind::Neon => Err(Error::UnsupportedIsa { found: isa }),
            Kind::Portable => Self::only::<Portable>(weights, options),
        }
    }

    /// Makes a network ready, with an instruction set that is known when the program is compiled: it holds no kernels for others then.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn only<I: Isa>(weights: Weights, options: Options) -> Result<Self, Error> {
        let isa = I::KIND;
        if !isa.available() {
            return Err(Error::UnsupportedIsa { found: isa });
        }
        let steps = P::steps::<I>();
        let memory =
            Memory { arena: P::ARENA, weights: P::WEIGHTS, inputs: P::NETWORK.inputs, outputs: P::NETWORK.outputs };
        for step in steps {
            step.check(isa, &memory)?;
        }
        let values = Values(weights.values(P::WEIGHTS, P::FINGERPRINT)?.as_ptr());
        let threads = match options.threads {
            Some(threads @ 1..=MAX_THREADS) => threads,
            Some(found) => return Err(Error::Threads { found }),
            None => std::thread::available_parallelism().map_or(1, |threads| threads.get().min(MAX_THREADS)),
        };
        Ok(Self {
            steps,
            isa,
            weights,
            values,
            arena: Buffer::zeroed(P::ARENA),
            scratch: Scratch::new(steps, threads),
            outputs: vec![0.0; Self::output_length()],
            claims: claims(threads),
            pool: Arc::new(Pool::new(threads)?),
            program: PhantomData,
        })
    }

    /// Runs the network over `input`, in the caller's layout without gaps; several inputs lie one after another, in the order of
    /// [`Network::inputs`](crate::Network::inputs). Allocates nothing.
    ///
    /// # Errors
    /// When the input has another length than the network's.
    pub fn infer(&mut self, input: &[f32]) -> Result<Outputs<'_>, Error> {
        self.call(Inputs::Together(input), None)?;
        Ok(self.outputs())
    }

    /// Runs the network over inputs that lie apart, one slice for each. Allocates and copies nothing.
    ///
    /// # Errors
    /// When there are more or fewer than the network's, or one has another length.
    pub fn infer_apart(&mut self, inputs: &[&[f32]]) -> Result<Arrays<'_, P>, Error> {
        self.call(Inputs::Apart(inputs), None)?;
        Ok(Arrays::new(self.outputs()))
    }

    /// Runs the network over its only input, typed, for typed outputs. Allocates nothing.
    pub fn infer_array<Given: Tensor>(&mut self, input: &Given) -> Arrays<'_, P> {
        const {
            assert!(Given::LENGTH == P::NETWORK.input_length(), "the input's type is not of the network's input shape");
        }
        match self.call(Inputs::Together(input.flat()), None) {
            Ok(()) => Arrays::new(self.outputs()),
            Err(_) => unreachable!("the length is that of the type"),
        }
    }

    /// Runs the network once and tells how long each step took, its barrier included.
    ///
    /// # Errors
    /// As [`Engine::infer`].
    pub fn timings(&mut self, input: &[f32]) -> Result<Vec<Timing>, Error> {
        let mut times = vec![Duration::ZERO; self.steps.len()];
        self.call(Inputs::Together(input), Some(&mut times))?;
        Ok(self.steps.iter().zip(times).map(|(step, time)| Timing { step: step.name(), time }).collect())
    }

    /// Runs the network on the calling thread alone and shows what each step wrote, into the arena or as an output, as `[N, C, H, W]`
    /// without gaps; a vector has a height and a width of 1. Of a step that runs image by image, each image by itself.
    ///
    /// # Errors
    /// As [`Engine::infer`].
    pub fn trace(&mut self, input: &[f32], visit: &mut dyn FnMut(Traced<'_>)) -> Result<(), Error> {
        let input = Inputs::Together(input);
        input.check(P::NETWORK.inputs)?;
        let mut values = Vec::new();
        for (index, image) in turns(self.steps) {
            let step = &self.steps[index];
            let call = Call {
                steps: self.steps,
                arena: self.arena.as_mut_ptr(),
                scratch: self.scratch.start(),
                weights: self.values.0,
                input,
                outputs: self.outputs.as_mut_ptr(),
                network: P::NETWORK,
                times: std::ptr::null_mut(),
                claims: &[],
            };
            // A state of floating point of its own, since `visit` runs in that of the caller.
            {
                let _state = FloatState::for_steps();
                call.run(index, image, 0, Share::WHOLE);
            }
            if let Start::Output(output) = step.output.start {
                if let (Some(Output { shape, .. }), Some(values)) =
                    (P::NETWORK.outputs.get(output), self.outputs().get(output))
                {
                    let mut extents = [1; 4];
                    extents.iter_mut().zip(*shape).for_each(|(extent, axis)| *extent = *axis);
                    extents[0] /= step.images.count;
                    let length = values.len() / step.images.count;
                    let values = &values[image * length..(image + 1) * length];
                    visit(Traced { step: index, name: step.name(), image, shape: extents, values });
                }
                continue;
            }
            let (Some((batch, map)), Start::At(start)) = (step.result, step.output.start) else { continue };
            let start = start + step.output.of_image(step.images.output, image);
            values.clear();
            for (image, channel) in (0..batch).flat_map(|image| (0..map.channels).map(move |channel| (image, channel)))
            {
                let plane = start + image * map.len() + channel / map.block * map.plane() + map.interior();
                for (row, column) in (0..map.height).flat_map(|row| (0..map.width).map(move |column| (row, column))) {
                    let at = plane + row * map.row() + column * map.block + channel % map.block;
                    values.push(self.arena.as_slice()[at]);
                }
            }
            let shape = [batch, map.channels, map.height, map.width];
            visit(Traced { step: index, name: step.name(), image, shape, values: &values });
        }
        Ok(())
    }

    fn call(&mut self, input: Inputs<'_>, times: Option<&mut [Duration]>) -> Result<(), Error> {
        input.check(P::NETWORK.inputs)?;
        let call = Call {
            steps: self.steps,
            arena: self.arena.as_mut_ptr(),
            scratch: self.scratch.start(),
            weights: self.values.0,
            input,
            outputs: self.outputs.as_mut_ptr(),
            network: P::NETWORK,
            times: times.map_or(std::ptr::null_mut(), <[Duration]>::as_mut_ptr),
            claims: &self.claims,
        };
        self.claims.iter().for_each(|claim| claim.clear(0));
        if self.claims.len() == 1 || !self.pool.run(&|index, seat| call.walk(index, Some(seat))) {
            call.walk(0, None);
        }
        Ok(())
    }

    /// Length of all inputs together, in f32 values.
    pub const fn input_length() -> usize {
        P::NETWORK.input_length()
    }

    /// Length of all outputs together, in f32 values.
    pub const fn output_length() -> usize {
        outputs::start(P::NETWORK.outputs, P::NETWORK.outputs.len())
    }

    fn outputs(&self) -> Outputs<'_> {
        match Outputs::new(P::NETWORK.outputs, &self.outputs) {
            Some(outputs) => outputs,
            None => unreachable!("the values were made for the outputs"),
        }
    }
}

impl<P> Engine<P> {
    /// The instruction set in use.
    pub const fn isa(&self) -> Kind {
        self.isa
    }

    /// The number of threads.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// The steps in the order they run.
    pub const fn steps(&self) -> &'static [Step] {
        self.steps
    }
}

impl<P> Clone for Engine<P> {
    fn clone(&self) -> Self {
        Self {
            steps: self.steps,
            isa: self.isa,
            weights: self.weights.clone(),
            values: self.values,
            arena: Buffer::zeroed(self.arena.as_slice().len()),
            scratch: Scratch::new(self.steps, self.pool.threads()),
            outputs: vec![0.0; self.outputs.len()],
            claims: claims(self.pool.threads()),
            pool: Arc::clone(&self.pool),
            program: PhantomData,
        }
    }
}

fn claims(threads: usize) -> Box<[Claim]> {
    (0..threads).map(|_| Claim::new()).collect()
}

/// Memory that each thread has for itself.
#[derive(Debug)]
struct Scratch {
    memory: Buffer,
    each: usize,
}

impl Scratch {
    /// As much as the neediest step asks for, for each thread; an odd number of lines, so that threads do not meet in the same part of
    /// a shared cache.
    fn new(steps: &[Step], threads: usize) -> Self {
        let most = steps.iter().map(|step| step.scratch).max().unwrap_or(0);
        let each = if most == 0 { 0 } else { (most.div_ceil(BLOCK) | 1) * BLOCK };
        Self { memory: Buffer::zeroed(each * threads), each }
    }

    fn start(&mut self) -> (*mut f32, usize) {
        (self.memory.as_mut_ptr(), self.each)
    }
}

/// What a step wrote.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Traced<'a> {
    /// Its position among the steps.
    pub step: usize,
    /// The layer's name.
    pub name: &'static str,
    /// The first of the images.
    pub image: usize,
    /// `[N, C, H, W]`, where N is 1 for a step that runs image by image.
    pub shape: [usize; 4],
    /// The values, the last axis fastest.
    pub values: &'a [f32],
}

/// How long a step took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The step's name.
    pub step: &'static str,
    /// From the end of the step before to its own end.
    pub time: Duration,
}

/// The steps in the order they run, each with the number of the image: all steps of a section that runs image by image, for each.
fn turns(steps: &'static [Step]) -> impl Iterator<Item = (usize, usize)> {
    let mut first = 0;
    let sections = steps.chunk_by(|step, next| step.images.count > 1 && step.images.count == next.images.count);
    sections.flat_map(move |section| {
        let indices = first..first + section.len();
        first = indices.end;
        let images = section.first().map_or(1, |step| step.images.count);
        (0..images).flat_map(move |image| indices.clone().map(move |index| (index, image)))
    })
}

/// The inputs of a call.
#[derive(Debug, Clone, Copy)]
enum Inputs<'a> {
    /// One after another.
    Together(&'a [f32]),
    /// A slice for each.
    Apart(&'a [&'a [f32]]),
}

impl Inputs<'_> {
    /// Checks that they are as many and as long as described.
    fn check(self, described: &[Input]) -> Result<(), Error> {
        let same = |found: usize, expected: usize| match found == expected {
            true => Ok(()),
            false => Err(Error::InputLength { found, expected }),
        };
        match self {
            Self::Together(values) => same(values.len(), input_start(described, described.len())),
            Self::Apart(inputs) if inputs.len() != described.len() => {
                Err(Error::InputCount { found: inputs.len(), expected: described.len() })
            }
            Self::Apart(inputs) => {
                inputs.iter().zip(described).try_for_each(|(values, input)| same(values.len(), input.len()))
            }
        }
    }

    /// Where the input at `index` begins.
    ///
    /// # Safety
    /// They are as described, and there is one at `index`.
    unsafe fn start(self, described: &[Input], index: usize) -> *const f32 {
        match self {
            // SAFETY: all of them are as long as described.
            Self::Together(values) => unsafe { values.as_ptr().add(input_start(described, index)) },
            Self::Apart(inputs) => inputs[index].as_ptr(),
        }
    }
}

/// What the threads of a call share.
struct Call<'a> {
    steps: &'static [Step],
    arena: *mut f32,
    /// Scratch memory of the first thread, and the distance to that of the next.
    scratch: (*mut f32, usize),
    weights: *const f32,
    input: Inputs<'a>,
    /// All outputs, one after another.
    outputs: *mut f32,
    network: &'static Network,
    /// One place per step, or null.
    times: *mut Duration,
    /// Those of all threads.
    claims: &'a [Claim],
}

// SAFETY: each thread writes only the units of a step that it takes, which nobody else takes, the first alone writes the times, and a barrier lies between steps.
unsafe impl Sync for Call<'_> {}

impl Call<'_> {
    /// Does a thread's share of a step, for an image if it runs image by image. Only on a processor with the step's instruction set.
    fn run(&self, index: usize, image: usize, thread: usize, share: Share) {
        let step = &self.steps[index];
        let Images { input, other, output, .. } = step.images;
        // SAFETY: the engine checked that the processor has the step's instruction set and that the step stays inside of arena,
        // weights and the caller's buffers, and holds all of them for the time of the call. There is one time per step.
        unsafe {
            let place = |span: Span, each: bool| {
                let start = match span.start {
                    Start::At(start) => self.arena.add(start),
                    Start::Input(index) => self.input.start(self.network.inputs, index).cast_mut(),
                    Start::Output(index) => self.outputs.add(outputs::start(self.network.outputs, index)),
                };
                start.add(span.of_image(each, image))
            };
            (step.run)(&Arguments {
                input: place(step.input, input).cast_const(),
                other: step.other.map_or(std::ptr::null(), |span| place(span, other).cast_const()),
                output: place(step.output, output),
                weights: match step.weights {
                    Some(Span { start: Start::At(start), .. }) => self.weights.add(start),
                    _ => self.weights,
                },
                scratch: self.scratch.0.add(thread * self.scratch.1),
                share,
            });
        }
    }

    /// Runs all steps, with those who have a seat too or alone.
    fn walk(&self, thread: usize, mut seat: Option<Seat>) {
        let _state = FloatState::for_steps();
        let timed = thread == 0 && !self.times.is_null();
        let mut last = timed.then(Instant::now);
        for (turn, (index, image)) in turns(self.steps).enumerate() {
            let share = match seat {
                Some(_) => {
                    self.claims[thread].clear(turn + 1);
                    Share::new(thread, self.claims, turn)
                }
                None => Share::WHOLE,
            };
            self.run(index, image, thread, share);
            if seat.as_mut().is_some_and(|seat| !seat.wait()) {
                return;
            }
            if let Some(last) = &mut last {
                let now = Instant::now();
                // SAFETY: there is one place per step, and only this thread writes it.
                unsafe { *self.times.add(index) += now - *last };
                *last = now;
            }
        }
    }
}
