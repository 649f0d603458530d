//! What an engine refuses.

mod common;

use resnet::error::{Place, Problem};
use resnet::geometry::{
    Activation, DenseGeometry, ElementwiseGeometry, Frame, Images, InputGeometry, Join, Map, OutputGeometry, Rest,
};
use resnet::isa::Portable;
use resnet::{Aligned, Engine, Error, Isa, Kind, Layer, Network, Operands, Options, Program, Step, Weights};

const MAP: Map = Map { channels: 16, height: 2, width: 3, block: 16, frame: Frame::NONE, rest: Rest::NONE };
const FRAMED: Map = Map { frame: Frame { top: 1, left: 0, bottom: 0, right: 0 }, ..MAP };
const NETWORK: &Network = &common::network(
    &[common::input(&[1, 16, 2, 3])],
    &[common::output("output", &[1, 16, 2, 3]), common::output("before", &[1, 16, 2, 3])],
    5,
);

struct In;
impl Layer<InputGeometry> for In {
    const GEOMETRY: InputGeometry = InputGeometry { batch: 1, output: MAP, channels_last: false };
}
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
struct Framing;
impl Layer<ElementwiseGeometry> for Framing {
    const GEOMETRY: ElementwiseGeometry = ElementwiseGeometry { output: FRAMED, ..Relu::GEOMETRY };
}
struct Dense;
impl Layer<DenseGeometry> for Dense {
    const GEOMETRY: DenseGeometry =
        DenseGeometry { batch: 1, features: 10, units: 16, panel: 16, activation: Activation::None };
}
struct Out;
impl Layer<OutputGeometry> for Out {
    const GEOMETRY: OutputGeometry = OutputGeometry { batch: 1, input: MAP };
}
struct SmallOut;
impl Layer<OutputGeometry> for SmallOut {
    const GEOMETRY: OutputGeometry = OutputGeometry { batch: 1, input: Map { height: 1, ..MAP } };
}

macro_rules! program {
    ($name:ident<$isa:ident> $arena:literal, $weights:literal, [$($step:expr),*]) => {
        #[derive(Debug)]
        struct $name;
        impl Program for $name {
            const NETWORK: &'static Network = NETWORK;
            const ARENA: usize = $arena;
            const WEIGHTS: usize = $weights;
            const FINGERPRINT: u64 = 77;

            fn steps<$isa: Isa>() -> &'static [Step] {
                const { &[$($step),*] }
            }
        }
    };
}

program!(Good<I> 192, 176, [
    Step::input::<I, In>("input", Operands::new(0, 0)),
    Step::output::<I, Out>("before", Operands::new(0, 0).with_network_output(1)),
    Step::elementwise::<I, Relu>("relu", Operands::new(0, 0)),
    Step::dense::<I, Dense>("dense", Operands::new(0, 96)),
    Step::output::<I, Out>("output", Operands::new(0, 0))
]);
program!(NoInput<I> 192, 0, [Step::input::<I, In>("input", Operands::new(0, 0).with_network_input(1))]);
program!(TooFar<I> 176, 0, [Step::elementwise::<I, Relu>("relu", Operands::new(0, 96))]);
program!(FarOff<I> 192, 0, [Step::elementwise::<I, Relu>("relu", Operands::new(0, usize::MAX - 15))]);
program!(Crooked<I> 256, 0, [Step::elementwise::<I, Relu>("relu", Operands::new(8, 128))]);
program!(Shifted<I> 192, 0, [Step::elementwise::<I, Relu>("relu", Operands::new(0, 16))]);
program!(Grown<I> 192, 0, [Step::elementwise::<I, Framing>("relu", Operands::new(0, 0))]);
program!(DenseInPlace<I> 192, 176, [Step::dense::<I, Dense>("dense", Operands::new(0, 0))]);
program!(NoWeights<I> 192, 160, [Step::dense::<I, Dense>("dense", Operands::new(0, 96))]);
program!(SmallResult<I> 192, 0, [Step::output::<I, SmallOut>("output", Operands::new(0, 0))]);
program!(NoOutput<I> 192, 0, [Step::output::<I, Out>("output", Operands::new(0, 0).with_network_output(2))]);
program!(Foreign<Unused> 192, 0, [Step::elementwise::<Portable, Relu>("relu", Operands::new(0, 0))]);

/// An input for each image and one place for their results.
const EACH_INPUT: Images = Images { count: 2, input: true, ..Images::TOGETHER };
program!(ManyInputs<I> 256, 0, [Step::elementwise::<I, Relu>("relu", Operands::new(96, 0)).with_images(EACH_INPUT)]);
program!(OverTheNext<I> 384, 0, [Step::elementwise::<I, Relu>("relu", Operands::new(0, 96)).with_images(EACH_INPUT)]);
program!(OverItself<I> 384, 0, [Step::elementwise::<I, Relu>("relu", Operands::new(0, 0)).with_images(EACH_INPUT)]);
program!(ManyOutputs<I> 96, 0, [Step::output::<I, Out>("output", Operands::new(0, 0)).with_images(EACH_INPUT)]);

const ONE: Options = Options { threads: Some(1) };

fn refused<P: Program + std::fmt::Debug>(isa: Kind) -> (&'static str, Problem) {
    let blob = common::blob(P::FINGERPRINT, &vec![0.0; P::WEIGHTS]);
    match Engine::<P>::with_isa(Weights::from_bytes(&blob), ONE, isa) {
        Err(Error::Step { step, problem }) => (step, problem),
        other => panic!("{other:?}"),
    }
}

#[test]
fn steps_outside_of_their_memory() {
    let range = |place, start, length, available| Problem::Range { place, start, length, available };
    assert_eq!(refused::<NoInput>(Kind::Portable), ("input", Problem::Input { found: 1, available: 1 }));
    assert_eq!(refused::<TooFar>(Kind::Portable), ("relu", range(Place::Output, 96, 96, 176)));
    assert_eq!(refused::<FarOff>(Kind::Portable), ("relu", range(Place::Output, usize::MAX - 15, 96, 192)));
    assert_eq!(refused::<Crooked>(Kind::Portable), ("relu", Problem::Alignment { place: Place::Input, start: 8 }));
    assert_eq!(refused::<ManyInputs>(Kind::Portable), ("relu", range(Place::Input, 96, 192, 256)));
    assert_eq!(refused::<NoWeights>(Kind::Portable), ("dense", range(Place::Weights, 0, 176, 160)));
}

#[test]
fn results_over_what_is_still_read() {
    let overlap = Problem::Overlap { place: Place::Input };
    assert_eq!(refused::<Shifted>(Kind::Portable), ("relu", overlap));
    assert_eq!(refused::<OverTheNext>(Kind::Portable), ("relu", overlap));
    assert_eq!(refused::<OverItself>(Kind::Portable), ("relu", overlap));
    assert_eq!(refused::<Grown>(Kind::Portable), ("relu", overlap));
    assert_eq!(refused::<DenseInPlace>(Kind::Portable), ("dense", overlap));
}

#[test]
fn steps_for_another_caller_or_machine() {
    let problem = Problem::Caller { place: Place::Output, found: 48, expected: 96 };
    assert_eq!(refused::<SmallResult>(Kind::Portable), ("output", problem));
    assert_eq!(
        refused::<ManyOutputs>(Kind::Portable),
        ("output", Problem::Range { place: Place::Input, start: 0, length: 192, available: 96 })
    );
    assert_eq!(refused::<NoOutput>(Kind::Portable), ("output", Problem::Output { found: 2, available: 2 }));
    for expected in Kind::all_available().filter(|kind| *kind != Kind::Portable) {
        assert_eq!(refused::<Foreign>(expected), ("relu", Problem::Isa { found: Kind::Portable, expected }));
    }
}

fn open(weights: Weights) -> Result<Engine<Good>, Error> {
    Engine::with_isa(weights, ONE, Kind::Portable)
}

fn values() -> Vec<f32> {
    common::random(1, Good::WEIGHTS)
}

#[test]
fn weights_of_another_program_or_damaged() {
    let good = common::blob(77, &values());
    assert!(open(Weights::from_bytes(&good)).is_ok());
    let refuse = |blob: &[u8]| open(Weights::from_bytes(blob)).unwrap_err();

    assert_eq!(refuse(b"not so"), Error::WeightsForeign { found: "not so".to_owned() });
    assert_eq!(
        refuse(&[&b"RESNETW2"[..], &good[8..]].concat()),
        Error::WeightsForeign { found: "RESNETW2".to_owned() }
    );
    assert_eq!(refuse(&common::blob(78, &values())), Error::WeightsFingerprint { found: 78, expected: 77 });
    assert_eq!(refuse(&good[..764]), Error::WeightsLength { found: 764, expected: 768 });
    assert_eq!(refuse(&[&good[..], &[0; 4]].concat()), Error::WeightsLength { found: 772, expected: 768 });
    assert_eq!(refuse(&common::blob(77, &values()[16..])), Error::WeightsLength { found: 704, expected: 768 });
    let mut damaged = good;
    damaged[100] ^= 1;
    assert!(matches!(refuse(&damaged), Error::WeightsChecksum { .. }));
}

#[test]
fn weights_from_files() {
    let folder = std::env::temp_dir().join(format!("resnet-weights-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let good = common::blob(77, &values());
    let path = folder.join("good.weights");
    std::fs::write(&path, &good).unwrap();
    let mut engine = open(Weights::open(&path).unwrap()).unwrap();
    let input = common::random(2, 96);
    let expected: Vec<f32> = input.iter().map(|value| value.max(0.0)).collect();
    let outputs = engine.infer(&input).unwrap();
    assert_eq!((outputs.named("output"), outputs.named("before")), (Some(&expected[..]), Some(&input[..])));
    assert_eq!((outputs.get(0), outputs.get(1), outputs.get(2)), (Some(&expected[..]), Some(&input[..]), None));

    std::fs::write(&path, &good[..200]).unwrap();
    assert_eq!(Weights::open(&path).unwrap_err(), Error::WeightsLength { found: 200, expected: 768 });
    std::fs::write(&path, b"PK").unwrap();
    assert_eq!(Weights::open(&path).unwrap_err(), Error::WeightsForeign { found: "PK".to_owned() });
    let missing = folder.join("missing.weights");
    assert!(
        matches!(Weights::open(&missing), Err(Error::WeightsUnreadable { path, .. }) if path.ends_with("missing.weights"))
    );
    assert!(matches!(Weights::open(&folder), Err(Error::WeightsUnreadable { .. })));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn embedded_weights_are_used_where_they_are() {
    let bytes: [u8; 768] = common::blob(77, &values()).try_into().unwrap();
    let aligned: &'static Aligned<[u8]> = Box::leak(Box::new(Aligned(bytes)));
    assert!(open(Weights::embedded(&aligned.0)).is_ok());

    let mut shifted = Aligned([0_u8; 832]);
    shifted.0[4..772].copy_from_slice(&bytes);
    let shifted: &'static Aligned<[u8]> = Box::leak(Box::new(shifted));
    assert_eq!(open(Weights::embedded(&shifted.0[4..772])).unwrap_err(), Error::WeightsMisaligned);
}

#[test]
fn inputs_of_another_length() {
    let mut engine = open(Weights::from_bytes(&common::blob(77, &values()))).unwrap();
    assert_eq!(engine.infer(&[0.0; 95]), Err(Error::InputLength { found: 95, expected: 96 }));
    assert!(engine.infer(&[0.0; 96]).is_ok());
    let apart = |engine: &mut Engine<Good>, inputs: &[&[f32]]| engine.infer_apart(inputs).map(|_| ());
    assert_eq!(apart(&mut engine, &[&[0.0; 96]]), Ok(()));
    assert_eq!(apart(&mut engine, &[&[0.0; 95]]), Err(Error::InputLength { found: 95, expected: 96 }));
    assert_eq!(apart(&mut engine, &[]), Err(Error::InputCount { found: 0, expected: 1 }));
    assert_eq!(apart(&mut engine, &[&[0.0; 48], &[0.0; 48]]), Err(Error::InputCount { found: 2, expected: 1 }));
}

#[test]
fn outputs_as_arrays() {
    let mut engine = open(Weights::from_bytes(&common::blob(77, &values()))).unwrap();
    let mut input = [[[[-1.0; 3]; 2]; 16]; 1];
    input[0][15][1][2] = 4.0;
    let outputs = engine.infer_array(&input);
    let after = outputs.get::<0, [[[[f32; 3]; 2]; 16]; 1]>();
    let before = outputs.get::<1, [[f32; 96]; 1]>();
    assert_eq!((after[0][0][0][0], after[0][15][1][2]), (0.0, 4.0));
    assert_eq!((before[0][0], before[0][95]), (-1.0, 4.0));
}

#[test]
fn traces_show_every_step_and_output() {
    let mut engine = open(Weights::from_bytes(&common::blob(77, &values()))).unwrap();
    let input = common::random(2, 96);
    let relu: Vec<f32> = input.iter().map(|value| value.max(0.0)).collect();
    let mut shown = Vec::new();
    engine
        .trace(&input, &mut |traced| shown.push((traced.step, traced.name, traced.shape, traced.values.to_vec())))
        .unwrap();
    let steps: Vec<_> = shown.iter().map(|(step, name, shape, _)| (*step, *name, *shape)).collect();
    let map = [1, 16, 2, 3];
    let expected =
        [(0, "input", map), (1, "before", map), (2, "relu", map), (3, "dense", [1, 16, 1, 1]), (4, "output", map)];
    assert_eq!(steps, expected);
    assert_eq!((&shown[1].3, &shown[4].3), (&input, &relu));
}

/// Three images through `input` and `relu` one by one, in the same place, and together from there on.
#[derive(Debug)]
struct OneByOne;

struct Out3;
impl Layer<OutputGeometry> for Out3 {
    const GEOMETRY: OutputGeometry = OutputGeometry { batch: 3, ..Out::GEOMETRY };
}

impl Program for OneByOne {
    const NETWORK: &'static Network = &common::network(
        &[common::input(&[3, 16, 2, 3])],
        &[common::output("output", &[3, 16, 2, 3]), common::output("before", &[3, 16, 2, 3])],
        4,
    );
    const ARENA: usize = 384;
    const WEIGHTS: usize = 0;
    const FINGERPRINT: u64 = 77;

    fn steps<I: Isa>() -> &'static [Step] {
        const {
            let three = Images { count: 3, ..Images::TOGETHER };
            &[
                Step::input::<I, In>("input", Operands::new(0, 0)).with_images(three),
                Step::output::<I, Out>("before", Operands::new(0, 0).with_network_output(1)).with_images(three),
                Step::elementwise::<I, Relu>("relu", Operands::new(0, 96))
                    .with_images(Images { output: true, ..three }),
                Step::output::<I, Out3>("output", Operands::new(96, 0)),
            ]
        }
    }
}

#[test]
fn steps_run_image_by_image() {
    let input = common::random(2, 3 * 96);
    let relu: Vec<f32> = input.iter().map(|value| value.max(0.0)).collect();
    for threads in [1, 2, 3] {
        let weights = Weights::from_bytes(&common::blob(77, &[]));
        let mut engine = Engine::<OneByOne>::new(weights, Options { threads: Some(threads) }).unwrap();
        let outputs = engine.infer(&input).unwrap();
        assert_eq!((outputs.get(0), outputs.get(1)), (Some(&relu[..]), Some(&input[..])), "{threads} threads");
        let times = engine.timings(&input).unwrap();
        assert_eq!(times.iter().map(|time| time.step).collect::<Vec<_>>(), ["input", "before", "relu", "output"]);

        let mut shown = Vec::new();
        engine
            .trace(&input, &mut |traced| {
                let first = traced.image * 96;
                let expected = if traced.step < 2 { &input } else { &relu };
                assert_eq!(traced.values, &expected[first..first + 96 * traced.shape[0]], "{}", traced.name);
                shown.push((traced.name, traced.image, traced.shape[0]));
            })
            .unwrap();
        let each = |image| [("input", image, 1), ("before", image, 1), ("relu", image, 1)];
        let expected = [&each(0)[..], &each(1), &each(2), &[("output", 0, 3)]].concat();
        assert_eq!(shown, expected);
    }
}

#[test]
fn numbers_of_threads() {
    let blob = common::blob(77, &values());
    for found in [0, 257, usize::MAX] {
        let options = Options { threads: Some(found) };
        let error = Engine::<Good>::with_isa(Weights::from_bytes(&blob), options, Kind::Portable).unwrap_err();
        assert_eq!(error, Error::Threads { found });
    }
    let engine = Engine::<Good>::with_isa(Weights::from_bytes(&blob), Options::default(), Kind::Portable).unwrap();
    assert_eq!(engine.threads(), std::thread::available_parallelism().map_or(1, usize::from));
}

#[test]
fn instruction_sets_of_other_machines() {
    let foreign = if cfg!(target_arch = "aarch64") { Kind::Avx2 } else { Kind::Neon };
    let blob = common::blob(77, &values());
    let error = Engine::<Good>::with_isa(Weights::from_bytes(&blob), ONE, foreign).unwrap_err();
    assert_eq!(error, Error::UnsupportedIsa { found: foreign });
    let text = error.to_string();
    assert!(text.contains(foreign.name()) && text.contains("portable"), "{text}");
}

#[test]
fn engines_go_between_threads() {
    const fn check<T: Send + Sync>() {}
    check::<Engine<Good>>();
}
