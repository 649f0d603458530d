//! `bench --profile`, around a small network that runs.

mod app_support;
mod common;

use resnet::geometry::{
    Activation, Algorithm, ConvGeometry, DenseGeometry, Direct, Frame, GlobalPoolGeometry, InputGeometry, Map,
    OutputGeometry, PoolGeometry, Reduction, Rest,
};
use resnet::{
    Engine, Error, Isa, Layer, Model, Network, Operands, Options, Outputs, Program, Step, Tile, Tiles, Timing, Traced,
    Weights,
};
use serde_json::Value;

use app_support::call;

const BATCH: usize = 2;
const IMAGE: Map = Map {
    channels: 3,
    height: 8,
    width: 8,
    block: 3,
    frame: Frame { top: 1, left: 1, bottom: 1, right: 1 },
    rest: Rest::NONE,
};
const STEM: Map = Map { channels: 32, height: 8, width: 8, block: 16, frame: Frame::NONE, rest: Rest::NONE };
const POOLED: Map = Map { height: 4, width: 4, ..STEM };

macro_rules! layer {
    ($name:ident: $type:ident $fields:tt) => {
        struct $name;
        impl Layer<$type> for $name {
            const GEOMETRY: $type = $type $fields;
        }
    };
}

layer!(In: InputGeometry { batch: BATCH, output: IMAGE, channels_last: false });
layer!(Stem: ConvGeometry {
    batch: BATCH, input: IMAGE, output: STEM, shortcut: None, kernel: [3, 3], stride: [1, 1], dilation: [1, 1],
    padding: [1, 1],  window: 1, first_block: &[], activation: Activation::Relu, second: None, algorithm: Algorithm::Direct(Direct { band: 48, depth: 1, sums: 1 }),
});
layer!(MaxPool: PoolGeometry {
    batch: BATCH, input: STEM, output: POOLED, kernel: [2, 2], stride: [2, 2], padding: [0; 4], reduction: Reduction::Max,
});
const MEANS: Map = Map { height: 1, width: 1, frame: Frame::NONE, ..POOLED };
layer!(Mean: GlobalPoolGeometry { batch: BATCH, input: POOLED, output: MEANS, reduction: Reduction::Mean });
layer!(Head: DenseGeometry { batch: BATCH, features: 32, units: 10, panel: 16, activation: Activation::None });
layer!(Out: OutputGeometry {
    batch: BATCH, input: Map { channels: 10, height: 1, width: 1, block: 16, frame: Frame::NONE, rest: Rest::NONE },
});

impl Tiles for Stem {
    type Avx512 = Tile<8, 0, 2>;
    type Avx2 = Tile<4, 0, 2>;
    type Neon = Tile<4, 0, 4>;
    type Portable = Tile<4, 0, 2>;
}

const STEM_WEIGHTS: usize = 32 * 28;
const STEM_MACS: u64 = (BATCH * 27 * 32 * 64) as u64;
const HEAD_MACS: u64 = (BATCH * 320) as u64;

const AT_STEM: usize = (BATCH * IMAGE.len()).next_multiple_of(16);
const AT_POOLED: usize = AT_STEM + BATCH * STEM.len();

struct Small;

impl Program for Small {
    const NETWORK: &'static Network = &Network {
        name: "small",
        arena_bytes: 4 * Self::ARENA as u64,
        weight_bytes: 4 * Self::WEIGHTS as u64,
        ..common::network(&[common::input(&[BATCH, 3, 8, 8])], &[common::output("output", &[BATCH, 10])], 6)
    };
    const ARENA: usize = AT_POOLED + BATCH * POOLED.len();
    const WEIGHTS: usize = STEM_WEIGHTS + 16 * 33;
    const FINGERPRINT: u64 = 9;

    fn steps<I: Isa>() -> &'static [Step] {
        const {
            &[
                Step::input::<I, In>("input", Operands::new(0, 0)),
                Step::conv::<I, Stem>("stem\u{1b}[2J", Operands::new(0, AT_STEM)).with_macs(STEM_MACS),
                Step::pool::<I, MaxPool>("maxpool", Operands::new(AT_STEM, AT_POOLED)),
                Step::global_pool::<I, Mean>("mean", Operands::new(AT_POOLED, 0)),
                Step::dense::<I, Head>("head", Operands::new(0, 64).with_weights(STEM_WEIGHTS)).with_macs(HEAD_MACS),
                Step::output::<I, Out>("output", Operands::new(64, 0)),
            ]
        }
    }
}

struct Running(Engine<Small>);

impl Model for Running {
    const NETWORK: &'static Network = Small::NETWORK;

    fn open(options: Options) -> Result<Self, Error> {
        let values = common::random(1, Small::WEIGHTS);
        Engine::new(Weights::from_bytes(&common::blob(Small::FINGERPRINT, &values)), options).map(Self)
    }

    fn run(&mut self, input: &[f32]) -> Result<Outputs<'_>, Error> {
        self.0.infer(input)
    }

    fn isa(&self) -> &'static str {
        self.0.isa().name()
    }

    fn threads(&self) -> usize {
        self.0.threads()
    }

    fn steps(&self) -> &'static [Step] {
        self.0.steps()
    }

    fn timings(&mut self, input: &[f32]) -> Result<Vec<Timing>, Error> {
        self.0.timings(input)
    }

    fn trace(&mut self, input: &[f32], visit: &mut dyn FnMut(Traced<'_>)) -> Result<(), Error> {
        self.0.trace(input, visit)
    }
}

fn bench(arguments: &[&str]) -> (u8, String, String) {
    call::<Running>(&[&["bench", "--seconds", "0.05"], arguments].concat())
}

fn json(arguments: &[&str]) -> Value {
    let (code, out, err) = bench(&[&["--profile", "--json"], arguments].concat());
    assert_eq!((code, err.as_str()), (0, ""));
    serde_json::from_str(&out).unwrap()
}

/// What is measured of a step, of a kind, and of all.
const MEASURED: [&str; 9] = [
    "time_ms",
    "share",
    "macs",
    "gflop_per_s",
    "fraction_of_peak",
    "bytes",
    "compute_bound_ms",
    "memory_bound_ms",
    "bound_ms",
];

#[test]
fn tells_all_of_every_step() {
    for threads in ["1", "2"] {
        let result = json(&["--threads", threads]);
        let number = |value: &Value, field: &str| {
            let number = value[field].as_f64().unwrap_or_else(|| panic!("{field}: {value}"));
            assert!(number.is_finite() && number >= 0.0, "{field}: {value}");
            number
        };
        for field in ["end_to_end_ms", "sum_of_steps_ms", "sum_over_end_to_end", "peak_gflop_per_s", "runs"] {
            assert!(number(&result, field) > 0.0);
        }
        assert_eq!((&result["name"], result["threads"].to_string().as_str()), (&"small".into(), threads));
        let steps = result["steps"].as_array().unwrap();
        let kinds = result["kinds"].as_array().unwrap();
        for object in steps.iter().chain(kinds).chain([&result["total"]]) {
            MEASURED.iter().for_each(|field| _ = number(object, field));
            assert!(matches!(object["bound"].as_str(), Some("compute" | "memory")), "{object}");
            assert_eq!(number(object, "fraction_of_bound") > 0.0, number(object, "bound_ms") > 0.0);
        }
        for list in [steps, kinds] {
            assert!((list.iter().map(|object| number(object, "share")).sum::<f64>() - 1.0).abs() < 1e-6);
        }
        assert!(
            (steps.iter().map(|step| number(step, "time_ms")).sum::<f64>() - number(&result, "sum_of_steps_ms")).abs()
                < 1e-6
        );

        let names: Vec<&str> = steps.iter().map(|step| step["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["input", "stem\u{1b}[2J", "maxpool", "mean", "head", "output"]);
        let operations: Vec<&str> = steps.iter().map(|step| step["operation"].as_str().unwrap()).collect();
        assert_eq!(operations, ["input", "conv", "max pool", "global mean", "dense", "output"]);
        let stem = &steps[1];
        assert_eq!((&stem["algorithm"], &stem["macs"]), (&"direct".into(), &STEM_MACS.into()));
        assert_eq!(stem["output_shape"], serde_json::json!([32, 8, 8]));
        assert!(number(stem, "tile_pixels") >= 4.0 && number(stem, "tile_channels") >= 8.0, "{stem}");
        assert_eq!(number(stem, "bytes_read"), (4 * BATCH * IMAGE.len()) as f64);
        assert_eq!(number(stem, "bytes_of_weights"), (4 * STEM_WEIGHTS) as f64);
        assert_eq!(number(stem, "bytes_written"), (4 * BATCH * STEM.len()) as f64);
        assert_eq!((&steps[0]["tile_pixels"], number(&steps[0], "gflop_per_s")), (&Value::Null, 0.0));
        assert_eq!(number(&result["total"], "macs"), (STEM_MACS + HEAD_MACS) as f64);
    }
}

#[test]
fn prints_a_table_that_keeps_to_a_width() {
    for width in [60, 80, 100, 160] {
        let (code, out, err) = bench(&["--profile", "--threads", "1", "--columns", &width.to_string()]);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(width < 80 || out.lines().all(|line| line.chars().count() <= width), "{out}");
        assert!(out.contains("maxpool") && out.contains("\nall ") && out.contains("end to end"), "{out}");
        assert!(!out.contains('\u{1b}'), "{out}");
        assert_eq!(out.contains("3x8x8 -> 32x8x8"), width == 160, "{out}");
    }
}

#[test]
fn refuses_what_makes_no_sense() {
    for wrong in
        [&["--columns", "80"][..], &["--profile", "--columns", "0"], &["--profile", "--json", "--columns", "9"]]
    {
        let (code, out, err) = bench(wrong);
        assert!(code == 2 && out.is_empty() && err.contains("--"), "{wrong:?}: {code} {out} {err}");
    }
    assert_eq!(bench(&["--profile", "--threads", "1000"]).0, 2);
}
