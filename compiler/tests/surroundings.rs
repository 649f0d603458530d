//! Preprocessing and labels given from outside, in place of what a spec says and for ONNX models, which say nothing.

#[path = "onnx_support/builder.rs"]
#[allow(dead_code)]
mod builder;

use std::fs;
use std::path::{Path, PathBuf};

use builder::{Builder, int, ints};
use resnetc::diagnostic::{Diagnostics, Severity};
use resnetc::frontend::source::Source;
use resnetc::frontend::surroundings::{PreprocessKeys, Surroundings, preprocess};
use resnetc::frontend::yaml::spec::{Labels, Preprocess, Preset, Scheme, Size};
use resnetc::frontend::{self, Changes, Network, WeightSource, shipped, yaml};

/// What keys of `preprocess`, as a spec has them, make of pictures for an input of a height and width.
fn rules(keys: &str, [height, width]: [usize; 2]) -> Result<String, String> {
    let given: Preprocess = serde_yaml::from_str(keys).unwrap();
    let keys = PreprocessKeys { own: None, given: &given, place: &|_| None };
    let mut problems = Diagnostics::new();
    let rules = preprocess(&keys, [3, height, width], &mut |problem| problems.push(problem));
    rules.map(|rules| rules.to_string()).ok_or_else(|| problems.to_string())
}

#[test]
fn presets_are_the_libraries_recipes() {
    const IMAGENET: &str = "rgb; (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]";
    const HALF: &str = "rgb; (x / 255 - [0.5, 0.5, 0.5]) / [0.5, 0.5, 0.5]";
    const CAFFE: &str = "bgr; (x - [103.939, 116.779, 123.68]) / [1.0, 1.0, 1.0]";
    let imagenet = |geometry: &str| format!("{geometry}; crop 224x224; {IMAGENET}");
    for (keys, side, expected) in [
        ("{preset: torchvision}", 224, imagenet("shorter side 256, bilinear")),
        ("{preset: timm}", 224, imagenet("shorter side 256, bicubic")),
        ("{preset: timm, crop_fraction: 0.95}", 224, imagenet("shorter side 235, bicubic")),
        ("{preset: timm, crop_fraction: 0.965, interpolation: bilinear}", 224, imagenet("shorter side 232, bilinear")),
        ("{preset: hugging_face}", 224, imagenet("shorter side 256, bicubic")),
        ("{preset: hugging_face}", 384, format!("squash to 384x384, bicubic; {IMAGENET}")),
        (
            "{preset: timm_inception, crop_fraction: 0.8975}",
            299,
            format!("shorter side 333, bicubic; crop 299x299; {HALF}"),
        ),
        ("{preset: keras_caffe}", 224, format!("squash to 224x224, nearest; {CAFFE}")),
        (
            "{preset: keras_tf}",
            299,
            "squash to 299x299, nearest; rgb; (x / 127.5 - [1.0, 1.0, 1.0]) / [1.0, 1.0, 1.0]".into(),
        ),
        ("{preset: raw}", 32, "squash to 32x32, bilinear; rgb; (x - [0.0, 0.0, 0.0]) / [1.0, 1.0, 1.0]".into()),
    ] {
        assert_eq!(rules(keys, [side; 2]), Ok(expected), "{keys}");
    }
    let wide = rules("{preset: timm, crop_fraction: 0.9}", [192, 256]).unwrap();
    assert!(wide.starts_with("cover 213x284, bicubic; crop 192x256;"), "{wide}");
}

#[test]
fn values_that_fit_nothing_are_refused() {
    for (keys, expected) in [
        ("{crop_fraction: 0}", "error[E-RANGE]: preprocess.crop_fraction: 0\n  expected: more than 0 and at most 1"),
        (
            "{crop_fraction: 1.01}",
            "error[E-RANGE]: preprocess.crop_fraction: 1.01\n  expected: more than 0 and at most 1",
        ),
        (
            "{crop_fraction: .nan}",
            "error[E-RANGE]: preprocess.crop_fraction: NaN\n  expected: more than 0 and at most 1",
        ),
        (
            "{crop_fraction: 1e-300}",
            "error[E-RANGE]: preprocess.crop_fraction: pictures would be resized to 18446744073709551615x18446744073709551615, height and width\n  expected: at most 65536x65536",
        ),
        ("{resize: 0}", "error[E-RANGE]: preprocess.resize: a side of 0\n  expected: 1 to 65536"),
        ("{crop: [1, 70000]}", "error[E-RANGE]: preprocess.crop: a side of 70000\n  expected: 1 to 65536"),
        ("{std: [1, 0, 1]}", "error[E-RANGE]: preprocess.std[1]: 0 cannot divide\n  expected: more than 0"),
        ("{std: [1, 1, 1e-300]}", "error[E-RANGE]: preprocess.std[2]: 0.000"),
        ("{mean: [.inf, 0, 0]}", "error[E-RANGE]: preprocess.mean[0]: inf cannot be subtracted\n  expected: a number"),
        ("{mean: [0]}", "error[E-LEN]: preprocess.mean: 1 entries\n  expected: 3, one per channel"),
        ("{range: [1, 1]}", "error[E-RANGE]: preprocess.range: [1.0, 1.0]\n  expected: the smaller value first"),
        (
            "{resize: 30}",
            "error[E-PRE]: preprocess.resize: a crop of [32, 32] from a picture that may be [30, 30]\n  expected: a crop no larger than `resize`",
        ),
        (
            "{preset: timm, crop: 30}",
            "error[E-PRE]: preprocess.crop: the picture becomes [30, 30], height and width\n  expected: [32, 32], as the input's shape says",
        ),
    ] {
        let found = rules(keys, [32, 32]).unwrap_err();
        assert!(found.starts_with(expected), "{keys}: {found}");
    }
}

fn described(spec: &str, given: &str) -> Result<(String, Diagnostics), String> {
    let surroundings = Surroundings { preprocess: serde_yaml::from_str(given).unwrap(), labels: None };
    let source = Source::Shipped(shipped::spec(spec).unwrap());
    let changes = Changes { surroundings, ..Changes::default() };
    yaml::describe_as(&source, yaml::Reading { batch: 1, changes: &changes, scheme: None })
        .map(|(described, warnings)| (described.preprocess.unwrap().to_string(), warnings))
        .map_err(|problems| problems.to_string())
}

#[test]
fn given_keys_take_the_place_of_a_spec_s() {
    let shown = |given: &str| described("resnet50", given).unwrap().0;
    let own = shown("{}");
    assert!(own.starts_with("shorter side 232, bilinear; crop 224x224; rgb; (x / 255 - [0.485"), "{own}");
    assert_eq!(shown("{resize: 256}"), own.replace("232", "256"));
    assert_eq!(shown("{interpolation: bicubic}"), own.replace("bilinear", "bicubic"));
    assert_eq!(shown("{crop_fraction: 0.95}"), own.replace("232", "235"));
    assert_eq!(shown("{mean: [0.5, 0.5, 0.5]}"), own.replace("[0.485, 0.456, 0.406]", "[0.5, 0.5, 0.5]"));
    // A preset leaves nothing of the spec's.
    assert_eq!(shown("{preset: torchvision}"), own.replace("232", "256"));
    assert_eq!(shown("{preset: timm, resize: 240}"), own.replace("232, bilinear", "240, bicubic"));
    let error = described("resnet50", "{resize: 200}").unwrap_err();
    assert_eq!(
        error,
        "error[E-PRE]: preprocess.resize: a crop of [224, 224] from a picture that may be [200, 200]\n  expected: a crop no larger than `resize`"
    );
    let error = described("resnet50", "{resize: 240, crop_fraction: 0.9}").unwrap_err();
    assert!(error.starts_with("error[E-PRE]: preprocess.crop_fraction: a fraction beside"), "{error}");
}

/// Warnings of a shipped spec under given keys, as text.
fn warnings(spec: &str, given: &str) -> String {
    described(spec, given).unwrap().1.to_string()
}

#[test]
fn recipes_that_contradict_the_names_are_doubted() {
    for spec in &shipped::SPECS {
        let (_, warnings) = yaml::describe(&Source::Shipped(spec), 1).unwrap();
        assert_eq!(warnings.0, [], "{}", spec.name);
    }
    assert_eq!(
        warnings("resnet50", "{preset: keras_tf}"),
        "warning[W-ACC]: preprocess.preset: weights with `torchvision` names are usually trained with `torchvision`, not with `keras_tf`\n  hint: say `torchvision` if they are the published ones"
    );
    for (spec, given, doubted) in [
        ("resnet50", "{preset: keras_caffe}", true),
        ("resnet50", "{preset: timm}", false),
        ("resnet50", "{preset: timm_inception}", false),
        ("resnet50", "{preset: hugging_face}", false),
        ("resnet50", "{preset: raw}", false),
        ("keras-resnet50", "{preset: torchvision}", true),
        ("keras-resnet50", "{preset: keras_tf}", true),
        ("keras-resnet50", "{preset: raw, color: bgr, mean: [103.939, 116.779, 123.68]}", false),
        ("caffe-resnet50", "{preset: torchvision}", true),
        ("caffe-resnet50", "{interpolation: bicubic}", false),
        ("mlperf-tiny-resnet8", "{preset: keras_tf}", false),
        ("mlperf-tiny-resnet8", "{preset: torchvision}", true),
    ] {
        let text = warnings(spec, given);
        assert_eq!(text.contains("W-ACC"), doubted, "{spec} {given}: {text}");
    }
}

fn model(folder: &Path, channels: i64) -> PathBuf {
    let model = Builder::new(&[0, channels, 8, 8])
        .floats("kernel", &[4, channels, 3, 3])
        .floats("dense", &[2, 4])
        .ints("flat", &[0, -1])
        .node("Conv", &["x", "kernel"], &["a"], vec![ints("pads", &[1, 1, 1, 1])])
        .node("GlobalAveragePool", &["a"], &["b"], vec![])
        .node("Reshape", &["b", "flat"], &["c"], vec![])
        .node("Gemm", &["c", "dense"], &["y"], vec![int("transB", 1)]);
    let path = folder.join("model.onnx");
    fs::write(&path, model.bytes()).unwrap();
    path
}

fn onnx(channels: i64, surroundings: &Surroundings) -> Result<Network, Diagnostics> {
    let folder = tempfile::tempdir().unwrap();
    let path = model(folder.path(), channels);
    let changes = Changes { surroundings: surroundings.clone(), ..Changes::default() };
    frontend::load_with(path.to_str().unwrap(), None, 1, &changes).map(|(network, _)| network)
}

fn labels(labels: Labels) -> Surroundings {
    Surroundings { labels: Some(labels), ..Surroundings::default() }
}

#[test]
fn an_onnx_model_is_surrounded() {
    let bare = onnx(3, &Surroundings::default()).unwrap();
    assert!(bare.preprocess.is_none() && bare.labels.is_empty());
    let preprocess = Preprocess { preset: Some(Preset::Torchvision), ..Preprocess::default() };
    let list = Labels::List(vec!["cat".into(), "dog".into()]);
    let network = onnx(3, &Surroundings { preprocess: preprocess.clone(), labels: Some(list) }).unwrap();
    assert!(network.preprocess.unwrap().to_string().starts_with("shorter side 9, bilinear; crop 8x8;"));
    assert_eq!(network.labels, ["cat", "dog"]);

    let problems = onnx(1, &Surroundings { preprocess, labels: Some(Labels::Named("imagenet1k".into())) }).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "error[E-PRE]: preprocess.preset: pictures have 3 channels, the input has 1\n  hint: leave the preprocessing out: the program then takes raw tensors only\nerror[E-LABELS]: labels: 1000 labels\n  expected: 2, one per class"
    );
    let preprocess = Preprocess { resize: Some(Size::One(4)), ..Preprocess::default() };
    let problems = onnx(3, &Surroundings { preprocess, labels: None }).unwrap_err();
    assert!(problems.to_string().contains("preprocess.resize: a crop of [8, 8]"), "{problems}");
}

#[test]
fn labels_are_read_from_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("labels.txt");
    let named = |text: &str| labels(Labels::Named(text.to_owned()));
    let file = named(path.to_str().unwrap());
    fs::write(&path, "\u{feff}cat\r\ndog\r\n").unwrap();
    let network = onnx(3, &file).unwrap();
    assert_eq!(network.labels, ["cat", "dog"]);
    assert!(network.files.contains(&path));
    for (content, expected) in [
        (&b"cat"[..], "labels: 1 labels\n  expected: 2, one per class"),
        (b"", "0 labels"),
        (b"\xff\xfe\0", "is not UTF-8 text"),
    ] {
        fs::write(&path, content).unwrap();
        let problems = onnx(3, &file).unwrap_err().to_string();
        assert!(problems.starts_with("error[E-LABELS]: labels: ") && problems.contains(expected), "{problems}");
    }
    fs::write(&path, vec![b'\n'; (1 << 22) + 1]).unwrap();
    assert!(onnx(3, &file).unwrap_err().to_string().contains("more than the 4194304"));
    assert!(onnx(3, &named("no/such.txt")).unwrap_err().to_string().contains("does not exist"));
    assert!(onnx(3, &named("cifra10")).unwrap_err().to_string().contains("did you mean `cifar10`?"));
    let (network, _) = frontend::load_with(
        "cifar-resnet20",
        Some(&WeightSource::Seed(1)),
        1,
        &Changes {
            surroundings: labels(Labels::List((0..10).map(|class| format!("class {class}")).collect())),
            ..Changes::default()
        },
    )
    .unwrap();
    assert_eq!(network.labels[9], "class 9");
}

#[test]
fn an_unusual_epsilon_is_doubted() {
    let text = shipped::spec("resnet18").unwrap().text;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("net.yaml");
    assert!(text.contains("epsilon: 1.0e-5"), "the case is no longer one");
    fs::write(&path, text.replace("epsilon: 1.0e-5", "epsilon: 1.001e-5")).unwrap();
    let (described, warnings) = yaml::describe(&Source::File(&path), 1).unwrap();
    assert_eq!(described.spec.weights.names.scheme(), Scheme::Torchvision);
    assert!(warnings.0.iter().all(|warning| warning.severity == Severity::Warning && warning.place.is_some()));
    let warnings = warnings.to_string();
    assert!(
        warnings.contains("defaults.batch_norm.epsilon: weights with `torchvision` names are usually trained with an epsilon of 1e-5, not of 1.001e-5"),
        "{warnings}"
    );
}
