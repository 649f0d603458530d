//! `resnetc check` on models that are wrong on purpose, with the whole report that a user sees: `check/CASE.txt`. RESNET_BLESS=1 rewrites
//! them.

#[expect(dead_code, reason = "other tests build other models")]
#[path = "onnx_support/builder.rs"]
mod builder;
#[path = "support/tool.rs"]
mod tool;

use std::path::Path;

use builder::{Builder, int, ints, tensor, typed};
use resnetc::frontend::onnx::proto::TensorProto;
use serde_json::{Value, json};
use tool::{told, tool};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Convolution, normalisation, ReLU, mean, dense, for 16 channels.
fn good() -> Builder {
    let model = Builder::new(&[0, 3, 8, 8]).weights("kernel", &[16, 3, 3, 3], &[0.5]).weights("mean", &[16], &[0.0]);
    model
        .weights("gamma", &[16], &[1.0])
        .weights("beta", &[16], &[0.0])
        .weights("variance", &[16], &[1.0])
        .weights("dense", &[16, 16], &[0.25])
        .ints("flat", &[0, -1])
        .node("Conv", &["x", "kernel"], &["a"], vec![ints("pads", &[1, 1, 1, 1])])
        .named("stem")
        .node("BatchNormalization", &["a", "gamma", "beta", "mean", "variance"], &["n"], vec![])
        .named("norm")
        .node("Relu", &["n"], &["b"], vec![])
        .node("GlobalAveragePool", &["b"], &["c"], vec![])
        .node("Reshape", &["c", "flat"], &["d"], vec![])
        .node("Gemm", &["d", "dense"], &["y"], vec![int("transB", 1)])
        .named("head")
}

trait Weights {
    /// A constant of these values over and over.
    fn weights(self, name: &str, dims: &[i64], values: &[f32]) -> Self;
    /// A constant with other values at some places.
    fn poisoned(self, name: &str, values: &[(usize, f32)]) -> Self;
}

impl Weights for Builder {
    fn weights(self, name: &str, dims: &[i64], values: &[f32]) -> Self {
        let count = usize::try_from(dims.iter().product::<i64>()).unwrap();
        let float_data = values.iter().copied().cycle().take(count).collect();
        self.with(|graph| graph.initializer.push(TensorProto { float_data, ..tensor(name, dims, 1) }))
    }

    fn poisoned(self, name: &str, values: &[(usize, f32)]) -> Self {
        self.with(|graph| {
            let tensor = graph.initializer.iter_mut().find(|tensor| tensor.name == name).unwrap();
            values.iter().for_each(|(index, value)| tensor.float_data[*index] = *value);
        })
    }
}

fn cases() -> Vec<(&'static str, Builder)> {
    vec![
        ("good", good()),
        (
            "operators",
            Builder::new(&[1, 4, 8, 8])
                .node("Warp", &["x"], &["a"], vec![])
                .named("gate")
                .node("Warp", &["a"], &["b"], vec![])
                .node("Gelu", &["b"], &["c"], vec![])
                .of("com.microsoft")
                .node("Warp", &["c"], &["d"], vec![])
                .node("Loop", &["d"], &["e"], vec![])
                .node("MaxPool", &["x"], &["f"], vec![ints("kernel_shape", &[2, 2]), ints("dilations", &[2, 2])])
                .named("pool")
                .node("Add", &["e", "f"], &["y"], vec![]),
        ),
        (
            "shapes",
            good()
                .floats("wide", &[16, 8, 1, 1])
                .node("Conv", &["b", "wide"], &["p"], vec![])
                .named("projection")
                .node("MaxPool", &["b"], &["q"], vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])])
                .named("pool")
                .node("Add", &["q", "a"], &["r"], vec![])
                .named("sum")
                .with(|graph| graph.output.extend(["p", "r"].map(|name| typed(name, &[1, 16, 8, 8])))),
        ),
        ("dimensions", {
            let names = |graph: &mut resnetc::frontend::onnx::proto::GraphProto| {
                graph.input[0] = typed("x", &[0, 3, -1, -1]);
                graph.node[2].op_type = "Warp".to_owned();
            };
            good().with(names)
        }),
        ("names_and_operators", {
            let broken = good().node("Warp", &["nothing"], &["z"], vec![]);
            broken.with(|graph| graph.output.push(typed("z", &[1, 16, 8, 8])))
        }),
        (
            "values",
            good()
                .poisoned("kernel", &[(29, f32::NAN), (30, f32::INFINITY), (31, f32::NAN)])
                .poisoned("dense", &[(17, 1e-40), (18, -1e-41), (3, 3e20)])
                .poisoned("variance", &[(2, -0.5), (3, 1e-12)])
                .poisoned("beta", &[(15, f32::NEG_INFINITY)]),
        ),
        (
            "dead",
            good()
                .poisoned("gamma", &std::array::from_fn::<_, 16, _>(|index| (index, 0.0)))
                .poisoned("variance", &std::array::from_fn::<_, 16, _>(|index| (index, 0.0)))
                .poisoned("dense", &std::array::from_fn::<_, 32, _>(|index| (index, 0.0))),
        ),
        (
            "overflow",
            good().poisoned("kernel", &[(27, 9e18)]).poisoned("gamma", &[(1, 9e18)]).poisoned("variance", &[(1, 0.0)]),
        ),
        ("training", {
            let training = |graph: &mut resnetc::frontend::onnx::proto::GraphProto| {
                graph.node[1].attribute.push(int("training_mode", 1));
            };
            let vectors = ["b", "gamma", "beta", "mean", "variance"];
            let twice =
                good().node("BatchNormalization", &vectors, &["q"], vec![int("training_mode", 1)]).named("norm2");
            twice.with(training).node("Dropout", &["b", "", "on"], &["p"], vec![]).named("drop").with(|graph| {
                graph.initializer.push(TensorProto { int32_data: vec![1], ..tensor("on", &[], 9) });
                graph.output.extend(["p", "q"].map(|name| typed(name, &[0, 16, 8, 8])));
            })
        }),
        (
            "behind",
            good()
                .node("Warp", &["b"], &["p"], vec![])
                .named("larger")
                .node("QuickGelu", &["p"], &["q"], vec![])
                .of("com.microsoft")
                .node("Add", &["q", "b"], &["r"], vec![])
                .named("sum")
                .with(|graph| {
                    graph.value_info.push(typed("p", &[0, 16, 16, 16]));
                    graph.output.push(typed("r", &[0, 16, 16, 16]));
                }),
        ),
        ("versions", {
            let mut model = good().opset(99);
            model.0.ir_version = 77;
            model
        }),
        (
            "slow",
            Builder::new(&[1, 24, 16, 16])
                .weights("odd", &[24, 24, 3, 3], &[0.1, 0.2])
                .weights("grouped", &[24, 12, 3, 3], &[0.1, 0.2])
                .weights("vector", &[24], &[1.0])
                .weights("joined", &[16, 48, 1, 1], &[0.1])
                .node("Conv", &["x", "odd"], &["a"], vec![ints("pads", &[1, 1, 1, 1])])
                .named("odd")
                .node("Conv", &["a", "grouped"], &["b"], vec![ints("pads", &[1, 1, 1, 1]), int("group", 2)])
                .named("grouped")
                .node("BatchNormalization", &["b", "vector", "vector", "vector", "vector"], &["c"], vec![])
                .named("norm")
                .node("Concat", &["b", "c"], &["d"], vec![int("axis", 1)])
                .named("join")
                .node("Conv", &["d", "joined"], &["y"], vec![])
                .named("last"),
        ),
    ]
}

fn check(folder: &Path, arguments: &[&str], code: i32) -> String {
    told(&tool(folder, &[&["check"], arguments].concat()), code)
}

fn parsed(folder: &Path, arguments: &[&str], code: i32) -> Value {
    serde_json::from_str(&check(folder, &[arguments, &["--json"]].concat(), code)).unwrap()
}

#[test]
fn each_model_has_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for (name, model) in cases() {
        model.write(folder.path());
        let clean = matches!(name, "good" | "dead" | "overflow" | "versions" | "slow");
        let found = check(folder.path(), &["model.onnx"], i32::from(!clean));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check").join(format!("{name}.txt"));
        if std::env::var_os("RESNET_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        if expected != found {
            wrong.push(format!("{name}:\n--- expected\n{expected}--- found\n{found}"));
        }
        assert_eq!(clean, !found.contains("error["), "{found}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn json_has_every_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Builder::new(&[1, 4, 8, 8]);
    for index in 0..40 {
        let from = if index == 0 { "x".to_owned() } else { format!("v{}", index - 1) };
        let to = if index == 39 { "y".to_owned() } else { format!("v{index}") };
        model = model.node("Warp", &[&from], &[&to], vec![]);
    }
    model.write(folder.path());
    let report = parsed(folder.path(), &["model.onnx"], 1);
    assert_eq!((&report["check"], &report["errors"]), (&json!(1), &json!(1)));
    let finding = &report["findings"][0];
    assert_eq!((&finding["code"], &finding["topic"]), (&json!("E-ONNX-OP"), &json!("operators")));
    assert_eq!(finding["cases"][0]["nodes"].as_array().unwrap().len(), 40);
    assert_eq!(report["onnx"]["inputs"][0], json!({ "name": "x", "declared": [1, 4, 8, 8] }));
    let short = check(folder.path(), &["model.onnx"], 1);
    assert!(short.contains("and 37 more") && !check(folder.path(), &["model.onnx", "--all"], 1).contains("more:"));
}

#[test]
fn values_are_counted_and_placed() {
    let folder = tempfile::tempdir().unwrap();
    let (_, model) = cases().into_iter().find(|(name, _)| *name == "values").unwrap();
    model.write(folder.path());
    let report = parsed(folder.path(), &["model.onnx"], 1);
    let findings = report["findings"].as_array().unwrap();
    let case = |code: &str, tensor: &str| {
        let cases = findings.iter().filter(|finding| finding["code"] == code);
        let mut cases = cases.flat_map(|finding| finding["cases"].as_array().unwrap());
        cases.find(|case| case["name"] == tensor).unwrap()["values"].clone()
    };
    assert_eq!(case("E-WVAL", "kernel"), json!({ "count": 2, "of": 432, "first": [1, 0, 0, 2], "value": "NaN" }));
    assert_eq!(case("E-WVAL", "variance"), json!({ "count": 1, "of": 16, "first": [2], "value": -0.5 }));
    assert_eq!(
        (&case("W-DENORMAL", "dense")["count"], &case("W-DENORMAL", "dense")["first"]),
        (&json!(2), &json!([1, 1]))
    );
    assert_eq!(case("W-LARGE", "dense")["first"], json!([0, 3]));
    assert_eq!(case("N-VARIANCE", "variance")["first"], json!([3]));
}

#[test]
fn networks_that_ship_have_no_problems() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [
        &["cifar-resnet20", "--strict"][..],
        &["resnet18", "--weights", "seed:1", "--strict"],
        &["resnext50_32x4d", "--weights", "seed:1", "--strict"],
        &["keras-resnet50v2", "--weights", "seed:1", "--strict"],
    ] {
        let report = parsed(folder.path(), arguments, 0);
        assert_eq!((&report["errors"], &report["warnings"]), (&json!(0), &json!(0)), "{report:#}");
    }
    let quiet = check(folder.path(), &["cifar-resnet20"], 0);
    assert_eq!(quiet.lines().count(), 1, "{quiet}");
    assert!(quiet.starts_with("cifar-resnet20: no problems"), "{quiet}");
    let seeded = check(folder.path(), &["cifar-resnet32"], 0);
    assert!(seeded.contains("note[N-SEED]") && seeded.contains("no problems, 1 note"), "{seeded}");
}

#[test]
fn warnings_fail_only_a_strict_check() {
    let folder = tempfile::tempdir().unwrap();
    let (_, model) = cases().into_iter().find(|(name, _)| *name == "versions").unwrap();
    model.write(folder.path());
    assert!(check(folder.path(), &["model.onnx"], 0).contains("2 warnings"));
    check(folder.path(), &["model.onnx", "--strict"], 3);
    good().write(folder.path());
    check(folder.path(), &["model.onnx", "--strict"], 0);
}

/// The bundled weights with some bytes of one tensor changed.
fn poison(folder: &Path, name: &str, changes: &[(usize, f32)]) {
    let mut bytes = std::fs::read(format!("{ROOT}/specs/weights/cifar-resnet20.safetensors")).unwrap();
    let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let start = 8 + length + usize::try_from(header[name]["data_offsets"][0].as_u64().unwrap()).unwrap();
    for (index, value) in changes {
        bytes[start + index * 4..start + index * 4 + 4].copy_from_slice(&value.to_le_bytes());
    }
    std::fs::write(folder.join("w.safetensors"), bytes).unwrap();
}

#[test]
fn a_spec_with_poisoned_weights_is_checked_to_the_end() {
    let folder = tempfile::tempdir().unwrap();
    poison(folder.path(), "conv1.weight", &[(0, f32::NAN), (100, f32::NAN), (200, 1e-40)]);
    let arguments = ["cifar-resnet20", "--weights", "w.safetensors", "--std", "60,60,60"];
    let report = parsed(folder.path(), &arguments, 1);
    let codes: Vec<_> =
        report["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["E-WVAL", "W-DENORMAL", "W-PRE"], "{report:#}");
    assert_eq!(report["findings"][0]["cases"][0]["values"]["count"], 2);
    assert_eq!(report["inputs"][0]["shape"], json!([1, 3, 32, 32]));
    // The compiler itself stops at the values, and points to the explanation.
    let stopped = told(&tool(folder.path(), &["inspect", "cifar-resnet20", "--weights", "w.safetensors"]), 1);
    assert!(
        stopped.contains("2 of its 432 values are not finite") && stopped.contains("resnetc explain E-WVAL"),
        "{stopped}"
    );
}

#[test]
fn weights_of_another_network_leave_the_structure_to_be_checked() {
    let folder = tempfile::tempdir().unwrap();
    let weights = format!("{ROOT}/specs/weights/cifar-resnet20.safetensors");
    let report = parsed(folder.path(), &["cifar-resnet32", "--weights", &weights], 1);
    let findings = report["findings"].as_array().unwrap();
    let missing = findings.iter().find(|finding| finding["code"] == "E-WNAME").unwrap();
    assert!(missing["cases"].as_array().unwrap().len() > 10, "{missing:#}");
    assert_eq!(report["inputs"][0]["shape"], json!([1, 3, 32, 32]));
}

#[test]
fn unusual_recipes_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = |options: &[&str]| {
        let base = ["resnet18", "--weights", "seed:1"];
        check(folder.path(), &[&base, options].concat(), 0)
    };
    for (options, word) in [
        (&["--mean", "123.675,116.28,103.53", "--std", "58.395,57.12,57.375"][..], "meant for values from 0 to 255"),
        (
            &["--preprocess", "raw", "--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225"],
            "meant for values from 0 to 1",
        ),
        (&["--mean", "0.406,0.456,0.485", "--std", "0.225,0.224,0.229"], "opposite order of channels"),
        (&["--resize", "1024"], "keeps 22 %"),
    ] {
        let text = recipe(options);
        assert!(text.contains("warning[W-PRE]") && text.contains(word), "{options:?}: {text}");
    }
    for options in [&["--preprocess", "timm"][..], &["--preprocess", "unit"], &["--std", "0.23,0.23,0.23"]] {
        let text = recipe(options);
        assert!(!text.contains("W-PRE"), "{options:?}: {text}");
    }
}

#[test]
fn what_is_no_model_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bad.onnx"), "no protobuf \u{ff}").unwrap();
    for (model, code) in [("bad.onnx", "E-ONNX-FILE"), ("resnet81", "E-MODEL"), ("none.yaml", "E-YAML")] {
        let report = parsed(folder.path(), &[model], 1);
        assert_eq!(report["findings"][0]["code"], code, "{report:#}");
    }
    check(folder.path(), &["resnet18", "--weights", "seed:x"], 2);
}
