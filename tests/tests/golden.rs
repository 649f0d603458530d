//! Compiled programs against the results of other frameworks, which lie in a folder beside the checkout.
//! `RESNET_SHARED` names another; where it is absent, the tests say so and pass.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use resnetc::frontend::weights::seeded;
use resnetc::frontend::yaml::spec::OutputActivation;
use resnetc::frontend::{Changes, Overrides, WeightSource};
use resnetc::package::{self, Cache, Package};
use resnetc::pipeline::{self, Options};

#[path = "../../compiler/tests/support/npy.rs"]
mod npy;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const SEED: u64 = 7;
/// The largest difference to a reference, as a part of its largest magnitude.
const TOLERANCE: f64 = 1e-5;

/// A folder or a file of the references.
fn shared(path: &str) -> Option<PathBuf> {
    let root = env::var_os("RESNET_SHARED").map_or_else(|| Path::new(ROOT).join("../shared"), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        println!("skipped: the references are not here: {}", path.display());
        return None;
    }
    Some(path)
}

/// The program of a model.
fn program(model: &str, weights: Option<WeightSource>, batch: usize) -> PathBuf {
    build(&Options { weights, batch, ..Options::new(model) })
}

fn build(options: &Options) -> PathBuf {
    let compiled = pipeline::compile(options, &mut |_| ()).unwrap_or_else(|problems| panic!("{problems}"));
    let cache = Cache::inside(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("resnetc-cache")).unwrap();
    package::build(&Package::new(&compiled), &cache, &mut |_| ()).unwrap_or_else(|problem| panic!("{problem}")).path
}

/// The instruction sets of this machine.
fn instruction_sets() -> Vec<&'static str> {
    #[cfg(target_arch = "x86_64")]
    let more = [
        ("avx2", is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")),
        ("avx512", is_x86_feature_detected!("avx512f")),
    ];
    #[cfg(target_arch = "aarch64")]
    let more = [("neon", true)];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let more = [];
    let more = more.into_iter().filter_map(|(name, there): (&'static str, bool)| there.then_some(name));
    std::iter::once("portable").chain(more).collect()
}

/// Runs a tensor through a program. The result of a set of instructions, or of the best.
fn run(program: &Path, shape: &[usize], input: &[f32], isa: Option<&str>) -> Vec<f32> {
    let folder = tempfile::tempdir().unwrap();
    npy::write(&folder.path().join("x.npy"), shape, input);
    let output = Command::new(program)
        .args(["tensor", "x.npy", "y.npy"])
        .current_dir(folder.path())
        .envs(isa.map(|isa| ("RESNET_ISA", isa)))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    npy::read(&folder.path().join("y.npy"))
}

/// The largest difference as a part of the largest magnitude expected; infinite when one is no number.
fn distance(got: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(got.len(), expected.len());
    let difference = got.iter().zip(expected).map(|(a, b)| f64::from(*a) - f64::from(*b));
    let largest = difference.map(|d| if d.is_nan() { f64::INFINITY } else { d.abs() }).fold(0.0, f64::max);
    largest / expected.iter().map(|value| f64::from(value.abs())).fold(0.0, f64::max)
}

/// A model on the seeded input against its reference, on every set of instructions.
fn compare(model: &str, weights: Option<WeightSource>, shape: [usize; 4], reference: &Path) {
    compare_as(&Options { weights, ..Options::new(model) }, shape, reference);
}

fn compare_as(options: &Options, shape: [usize; 4], reference: &Path) {
    let model = &options.model;
    let expected = npy::read(reference);
    let input = seeded::values("input", (-1.0, 1.0), shape.iter().product(), SEED);
    let program = build(options);
    for isa in instruction_sets() {
        let distance = distance(&run(&program, &shape, &input, Some(isa)), &expected);
        println!("{model} {isa}: {distance:.2e}");
        assert!(distance <= TOLERANCE, "{model} on {isa}: {distance:.3e}");
    }
}

const PLANES: [usize; 4] = [1, 3, 224, 224];
const PIXELS: [usize; 4] = [1, 224, 224, 3];
const LARGE_PIXELS: [usize; 4] = [1, 299, 299, 3];

#[test]
#[ignore = "needs ../shared and minutes; run by .ci/run"]
fn specs_agree_with_torchvision() {
    let Some(golden) = shared("golden/torchvision") else { return };
    for name in [
        "resnet18",
        "resnet34",
        "resnet50",
        "resnet101",
        "resnet152",
        "resnext50_32x4d",
        "resnext101_32x8d",
        "wide_resnet50_2",
        "wide_resnet101_2",
    ] {
        compare(name, Some(WeightSource::Seed(SEED)), PLANES, &golden.join(format!("{name}.output.npy")));
    }
}

#[test]
#[ignore = "needs ../shared and minutes; run by .ci/run"]
fn specs_agree_with_timm() {
    let Some(golden) = shared("golden/timm") else { return };
    for name in ["resnet50d", "resnet26t", "seresnet50", "resnetv2_50"] {
        let model = format!("timm-{name}");
        compare(&model, Some(WeightSource::Seed(SEED)), PLANES, &golden.join(format!("{name}.output.npy")));
    }
}

#[test]
#[ignore = "needs ../shared and minutes; run by .ci/run"]
fn specs_agree_with_keras() {
    let Some(golden) = shared("golden/keras") else { return };
    for (name, model, shape) in [
        ("ResNet50", "keras-resnet50", PIXELS),
        ("ResNet101", "keras-resnet101", PIXELS),
        ("ResNet152", "keras-resnet152", PIXELS),
        ("ResNet50V2", "keras-resnet50v2", PIXELS),
        ("ResNet101V2", "keras-resnet101v2", PIXELS),
        ("ResNet152V2", "keras-resnet152v2", PIXELS),
        ("InceptionResNetV2", "keras-inception-resnet-v2", LARGE_PIXELS),
    ] {
        // The references are logits, without the softmax that the constructors apply when not told otherwise.
        let structure = Overrides { classifier_activation: Some(OutputActivation::None), ..Overrides::default() };
        let options = Options {
            weights: Some(WeightSource::Seed(SEED)),
            changes: Changes { structure, ..Changes::default() },
            ..Options::new(model)
        };
        compare_as(&options, shape, &golden.join(format!("{name}.output.npy")));
    }
}

#[test]
#[ignore = "needs ../shared and RESNET_ONNX_EXPORTS; run by .ci/run"]
fn onnx_exports_agree_with_torchvision() {
    let Some(golden) = shared("golden/torchvision") else { return };
    let Some(exports) = env::var_os("RESNET_ONNX_EXPORTS").map(PathBuf::from) else {
        println!("skipped: RESNET_ONNX_EXPORTS names no folder with torchvision/*.onnx");
        return;
    };
    for name in ["resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2"] {
        for ending in ["onnx", "legacy.onnx"] {
            let model = exports.join(format!("torchvision/{name}.{ending}"));
            compare(model.to_str().unwrap(), None, PLANES, &golden.join(format!("{name}.output.npy")));
        }
    }
}

/// The colours of a picture of 32x32 pixels, row by row, red, green and blue of each pixel.
fn pixels(path: &Path) -> Vec<u8> {
    let mut decoder = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap()));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height, info.color_type), (32, 32, png::ColorType::Rgb), "{}", path.display());
    pixels.truncate(info.buffer_size());
    pixels
}

/// File names and classes of the pictures, in the order of the list.
fn pictures() -> Option<(PathBuf, Vec<(String, usize)>)> {
    let folder = shared("realdata/cifar10_test")?;
    let list = fs::read_to_string(folder.join("labels.csv")).unwrap();
    let row = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        (fields[0].to_owned(), fields[1].parse().unwrap())
    };
    let rows: Vec<(String, usize)> = list.lines().skip(1).map(row).collect();
    assert_eq!(rows.len(), 200);
    Some((folder.join("images"), rows))
}

#[test]
#[ignore = "needs ../shared; run by .ci/run"]
fn mlperf_tiny_agrees_with_onnx_runtime_on_real_pictures() {
    let Some(model) = shared("realdata/mlperf_tiny_resnet8/resnet8.onnx") else { return };
    let Some((folder, rows)) = pictures() else { return };
    let batch = rows.len();
    // The model takes planes of raw values, [N, 3, 32, 32].
    let mut input = Vec::new();
    for (file, _) in &rows {
        let pixels = pixels(&folder.join(file));
        for channel in 0..3 {
            input.extend(pixels.iter().skip(channel).step_by(3).map(|value| f32::from(*value)));
        }
    }
    let output = run(&program(model.to_str().unwrap(), None, 1), &[batch, 3, 32, 32], &input, None);
    let classes: Vec<usize> = output.chunks(10).map(best).collect();
    let right = classes.iter().zip(&rows).filter(|(class, (_, label))| *class == label).count();
    println!("{right} of {batch} right");
    assert_eq!(right, 171);

    let fixture = fs::read_to_string(Path::new(ROOT).join("tests/reference/resnet8_predictions.txt")).unwrap();
    let expected: BTreeMap<&str, usize> = fixture
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_once(' ').map(|(file, class)| (file, class.parse().unwrap())).unwrap())
        .collect();
    assert_eq!(expected.len(), batch);
    for ((file, _), class) in rows.iter().zip(classes) {
        assert_eq!(Some(&class), expected.get(file.as_str()), "{file}");
    }
}

fn best(values: &[f32]) -> usize {
    (0..values.len()).max_by(|a, b| values[*a].total_cmp(&values[*b])).unwrap()
}

#[test]
#[ignore = "needs ../shared; run by .ci/run"]
fn the_bundled_network_is_right_on_real_pictures() {
    let Some((folder, rows)) = pictures() else { return };
    let program = program("cifar-resnet20", None, 1);
    let output =
        Command::new(program).arg("--json").args(rows.iter().map(|(file, _)| folder.join(file))).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let found = found.as_array().unwrap();
    assert_eq!(found.len(), rows.len());
    let class = |found: &serde_json::Value| found["predictions"][0]["class"].as_u64().unwrap() as usize;
    let right = found.iter().zip(&rows).filter(|(found, (_, label))| class(found) == *label).count();
    assert_eq!(right, 173);
}
