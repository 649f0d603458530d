//! The command line as a user calls it. Programs are built in a cache below the target folder, once.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

#[path = "support/npy.rs"]
mod npy;
#[expect(dead_code, reason = "what a command prints and what it reports are looked at apart here")]
#[path = "support/tool.rs"]
mod tool;

use tool::tool;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn done(output: &Output) -> String {
    assert_eq!(code(output), 0, "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn cat() -> String {
    format!("{ROOT}/specs/pictures/cat.jpg")
}

#[test]
fn wrong_arguments_exit_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 26] = [
        (&[], "Usage"),
        (
            &["inspect", "resnet18", "--pass", "fold_pad", "--no-pass", "fold_pad"],
            "`fold_pad` is switched off and forced",
        ),
        (&["compute"], "unrecognized subcommand"),
        (&["explain", "E-ONNX-OB"], "did you mean `E-ONNX-OP`?"),
        (&["compile"], "<MODEL>"),
        (&["compile", "resnet18", "--batch", "0"], "whole number from 1"),
        (&["compile", "resnet18", "--batch", "-3"], "whole number from 1"),
        (&["compile", "resnet18", "--batch=18446744073709551616"], "whole number from 1"),
        (&["compile", "resnet18", "--emit", "wasm"], "possible values"),
        (&["compile", "resnet18", "--weights", "seed:x"], "no seed"),
        (&["compile", "resnet18", "--preprocess", "torchvison"], "--preprocess: unknown value `torchvison`"),
        (&["inspect", "resnet18", "--interpolation", "lanczos"], "`nearest`, `bilinear`, `bicubic`"),
        (&["run", "resnet18", "cat.jpg", "--resize", "256x256"], "--resize: `256x256` is no size"),
        (&["compile", "resnet18", "--crop", "0"], "error[E-RANGE]: --crop: a side of 0"),
        (&["compile", "resnet18", "--crop-fraction", "-1"], "error[E-RANGE]: --crop-fraction: -1"),
        (&["compile", "resnet18", "--crop-fraction", "7/8"], "--crop-fraction: `7/8` is no number"),
        (&["compile", "resnet18", "--std", "1,0,1"], "error[E-RANGE]: --std[1]: 0 cannot divide"),
        (&["compile", "resnet18", "--mean", "-1,nan,0"], "error[E-RANGE]: --mean[1]: NaN"),
        (&["compile", "resnet18", "--mean", "0.5"], "error[E-LEN]: --mean: 1 entries"),
        (&["run"], "no picture"),
        (&["verify", "resnet18", "--input", "a", "--expect", "b", "--tolerance", "-1"], "tolerance"),
        (&["verify", "resnet18", "--expect", "b"], "--input"),
        (&["verify", "resnet18", "--input", "a"], "--expect"),
        (&["verify", "resnet18", "--passes", "--expect", "b"], "cannot be used with"),
        (&["verify", "resnet18", "--tensors", "--input", "a", "--expect", "b"], "cannot be used with"),
        (&["specs", "cifar-resnet21"], "did you mean"),
    ];
    for (arguments, word) in cases {
        let output = tool(folder.path(), arguments);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(word), "{arguments:?}: {}", text(&output.stderr));
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn help_teaches_with_examples_and_exit_codes() {
    let help = done(&tool(Path::new(ROOT), &["--help"]));
    for word in [
        "Examples:",
        "resnetc run cat.jpg",
        "resnetc check model.onnx",
        "check --strict",
        "Exit status:",
        "RESNETC_CACHE",
        "verify",
    ] {
        assert!(help.contains(word), "{word} is missing from:\n{help}");
    }
    assert!(done(&tool(Path::new(ROOT), &["--version"])).starts_with("resnetc "));
}

#[test]
fn bad_models_exit_with_1_and_leave_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("bad.yaml"), "spec: resnet/1\nname: x\nstem: 7\n").unwrap();
    fs::write(folder.path().join("bad.onnx"), "no protobuf \u{ff}").unwrap();
    fs::write(folder.path().join("bad.safetensors"), "no tensors").unwrap();
    let before = names(folder.path());
    let cases: [(&[&str], &str); 11] = [
        (&["compile", "bad.yaml", "--weights", "seed:1", "-o", "out"], "bad.yaml:"),
        (&["compile", "bad.onnx", "-o", "out"], "bad.onnx"),
        (&["compile", "missing.yaml", "-o", "out"], "missing.yaml"),
        (&["compile", "resnet81", "-o", "out"], "resnet81"),
        (&["compile", "cifar-resnet20", "--resize", "30", "-o", "out"], "--resize: a crop of [32, 32]"),
        (&["compile", "cifar-resnet20", "--labels", "a,b", "-o", "out"], "--labels: 2 labels"),
        (&["compile", "cifar-resnet20", "--labels", "cifra10", "-o", "out"], "did you mean `cifar10`?"),
        (
            &["compile", "cifar-resnet20", "--labels", "./none.txt", "-o", "out"],
            "--labels: `./none.txt` does not exist",
        ),
        (&["compile", "cifar-resnet20", "--weights", "bad.safetensors", "-o", "out"], "bad.safetensors"),
        (&["compile", "cifar-resnet20", "--no-pass", "fold_batch_nrom", "-o", "out"], "fold_batch_norm"),
        (&["compile", "cifar-resnet20", "--pass", "merge_sibling", "-o", "out"], "did you mean `merge_siblings`?"),
    ];
    for (arguments, word) in cases {
        let output = tool(folder.path(), arguments);
        assert_eq!(code(&output), 1, "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains("error[E-"), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(word), "{arguments:?}: {}", text(&output.stderr));
        assert_eq!(names(folder.path()), before, "{arguments:?}");
    }
}

#[test]
fn outputs_do_not_destroy_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("mine")).unwrap();
    fs::write(folder.path().join("mine/thesis.txt"), "years").unwrap();
    let weights = folder.path().join("w.safetensors");
    fs::copy(format!("{ROOT}/specs/weights/cifar-resnet20.safetensors"), &weights).unwrap();
    let content = fs::read(&weights).unwrap();
    let cases: [&[&str]; 4] = [
        &["compile", "cifar-resnet20", "--emit", "rust", "-o", "mine"],
        &["compile", "cifar-resnet20", "-o", "mine"],
        &["compile", "cifar-resnet20", "--emit", "weights", "-o", "no/such/folder/w"],
        &["compile", "cifar-resnet20", "--emit", "weights", "--weights", "w.safetensors", "-o", "w.safetensors"],
    ];
    for arguments in cases {
        let output = tool(folder.path(), arguments);
        assert_eq!(code(&output), 1, "{arguments:?}: {}", text(&output.stderr));
    }
    assert_eq!(names(folder.path()), ["mine", "w.safetensors"]);
    assert_eq!(names(&folder.path().join("mine")), ["thesis.txt"]);
    assert!(fs::read(&weights).unwrap() == content);
}

#[test]
fn inspect_tables_layers_and_passes() {
    let table = done(&tool(Path::new(ROOT), &["inspect", "cifar-resnet20", "--explain"]));
    for word in ["layer1.0.conv1", "269 722", "fold_batch_norm", "arena bytes", "[1, 10]"] {
        assert!(table.contains(word), "{word} is missing from:\n{table}");
    }
    let json = done(&tool(Path::new(ROOT), &["inspect", "cifar-resnet20", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["parameters"], 269_722);
    assert_eq!(json["layers"].as_array().unwrap().last().unwrap()["shape"], serde_json::json!([1, 10]));

    let seeded = tool(Path::new(ROOT), &["inspect", "cifar-resnet32", "--json"]);
    assert!(text(&seeded.stderr).contains("seed:0"), "{}", text(&seeded.stderr));
    let json: serde_json::Value = serde_json::from_str(&done(&seeded)).unwrap();
    assert_eq!(json["weights"], "seed:0");
}

#[test]
fn passes_can_be_switched_off_and_forced() {
    let count = |arguments: &[&str]| {
        let json: serde_json::Value = serde_json::from_str(&done(&tool(Path::new(ROOT), arguments))).unwrap();
        json["layers"].as_array().unwrap().len()
    };
    let all = count(&["inspect", "cifar-resnet20", "--json"]);
    let fewer = count(&["inspect", "cifar-resnet20", "--json", "--no-pass", "fold_batch_norm"]);
    assert!(fewer > all, "{fewer} {all}");

    let explained = |arguments: &[&str]| {
        let mut all =
            vec!["inspect", "keras-resnet50", "--include-top", "false", "--input-shape", "32,32", "--explain"];
        all.extend(arguments);
        done(&tool(Path::new(ROOT), &all))
    };
    let part = "conv3_block1_1_conv: a part of conv `";
    let shown = explained(&[]);
    assert!(shown.contains("; `conv3_block1_1_conv` reads the same pixels") && !shown.contains(part), "{shown}");
    // Without the shortcut in a conv, the block's first conv and its projection are alike but for the activation.
    let shown = explained(&["--no-pass", "fuse_shortcut_add"]);
    assert!(shown.contains("conv3_block1_1_conv: left alone: does not pay: ") && !shown.contains(part), "{shown}");
    let shown = explained(&["--no-pass", "fuse_shortcut_add", "--pass", "merge_siblings"]);
    assert!(shown.contains(part), "{shown}");
}

#[test]
fn recipes_are_given_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let json = |arguments: &[&str]| {
        let output = tool(folder.path(), arguments);
        let json: serde_json::Value = serde_json::from_str(&done(&output)).unwrap();
        (json["pictures"].as_str().unwrap().to_owned(), json["labels"].clone(), text(&output.stderr))
    };
    let (pictures, labels, _) = json(&["inspect", "cifar-resnet20", "--json"]);
    assert_eq!(
        pictures,
        "squash to 32x32, bilinear; rgb; (x / 255 - [0.4914, 0.4822, 0.4465]) / [0.247, 0.2435, 0.2616]"
    );
    assert_eq!(labels[3], "cat");
    fs::write(folder.path().join("names.txt"), "0\n1\n2\n3\n4\n5\n6\n7\n8\nnine\n").unwrap();
    let (pictures, labels, told) = json(&[
        "inspect",
        "cifar-resnet20",
        "--json",
        "--preprocess",
        "keras_tf",
        "--crop-fraction=0.8",
        "--interpolation",
        "bicubic",
        "--mean",
        "-0.5,0,0.5",
        "--std=2,2,2",
        "--labels",
        "names.txt",
    ]);
    assert_eq!(pictures, "shorter side 40, bicubic; crop 32x32; rgb; (x / 127.5 - [0.5, 1.0, 1.5]) / [2.0, 2.0, 2.0]");
    assert_eq!(labels[9], "nine");
    assert!(told.contains("warning[W-ACC]: --preprocess: weights with `torchvision` names"), "{told}");
    let text = done(&tool(folder.path(), &["inspect", "cifar-resnet20", "--labels", "a,b,c,d,e,f,g,h,i,j"]));
    assert!(text.contains("\npictures: squash to 32x32") && text.contains("\nlabels: 10\n"), "{text}");

    // The program does what the options say: with the classes' names turned round, the cat is a dog.
    let turned = "airplane,automobile,bird,dog,deer,cat,frog,horse,ship,truck";
    let shown = done(&tool(folder.path(), &["run", "--labels", turned, "--json", &cat()]));
    assert!(probabilities(&shown)["dog"] > 0.9, "{shown}");
    // A flat input tells nothing of the picture.
    let arguments = ["run", "cifar-resnet20", "--std", "1e6,1e6,1e6", "--json", &cat()];
    let flat = probabilities(&done(&tool(folder.path(), &arguments)));
    assert!(flat.get("cat").is_none_or(|cat| *cat < 0.9), "{flat:?}");
}

#[test]
fn specs_lists_what_ships() {
    let list = done(&tool(Path::new(ROOT), &["specs"]));
    assert!(list.contains("cifar-resnet20") && list.contains("resnet152"), "{list}");
    let json: serde_json::Value = serde_json::from_str(&done(&tool(Path::new(ROOT), &["specs", "--json"]))).unwrap();
    for spec in json.as_array().unwrap() {
        assert!(!spec["description"].as_str().unwrap().is_empty(), "{spec}");
        let text = done(&tool(Path::new(ROOT), &["specs", spec["name"].as_str().unwrap()]));
        assert!(text.starts_with("spec: "), "{text}");
    }
}

#[test]
fn codes_are_explained_as_they_stand_in_messages() {
    let folder = tempfile::tempdir().unwrap();
    let shown = done(&tool(folder.path(), &["explain", "error[E-ONNX-CTRL]"]));
    assert!(shown.starts_with("E-ONNX-CTRL: ") && shown.contains("evaluation mode"), "{shown}");
    let all = done(&tool(folder.path(), &["explain"]));
    let json: serde_json::Value = serde_json::from_str(&done(&tool(folder.path(), &["explain", "--json"]))).unwrap();
    assert_eq!(all.lines().count() - 1, json.as_array().unwrap().len());
    assert!(all.contains("W-DENORMAL"), "{all}");
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_no_panic() {
    let tool = env!("CARGO_BIN_EXE_resnetc");
    let script = format!("'{tool}' inspect cifar-resnet20 --json | head -c 1; '{tool}' --help | head -c 1");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
}

#[test]
fn the_bundled_network_knows_the_bundled_picture() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("classify");
    done(&tool(folder.path(), &["compile", "cifar-resnet20", "-o", "classify"]));
    assert_eq!(names(folder.path()), ["classify"]);
    let output = Command::new(&program).arg(cat()).output().unwrap();
    let shown = done(&output);
    let best: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(best[1], "cat", "{shown}");
    let probability: f64 = best[0].parse().unwrap();
    assert!((probability - 0.98).abs() < 0.01, "{shown}");
    let weights = 269_722 * 4;
    assert!(fs::metadata(&program).unwrap().len() < weights + (8 << 20));

    // The same by `run`, the second time from the cache without compiling.
    let first = done(&tool(folder.path(), &["run", "--json", &cat()]));
    let started = std::time::Instant::now();
    let second = done(&tool(folder.path(), &["run", "cifar-resnet20", "--json", &cat()]));
    assert!(started.elapsed().as_secs_f64() < 5.0, "{:?}", started.elapsed());
    assert!(first.contains("cat") && second.contains("cat"), "{first}\n{second}");
    let info = done(&tool(folder.path(), &["run", "--", "info", "--json"]));
    assert!(info.contains("cifar-resnet20"), "{info}");
}

#[test]
fn run_compiles_again_when_the_weights_change() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("w.safetensors");
    let original = fs::read(format!("{ROOT}/specs/weights/cifar-resnet20.safetensors")).unwrap();
    fs::write(&weights, &original).unwrap();
    let arguments = ["run", "cifar-resnet20", "--weights", "w.safetensors", "--json", &cat()];
    let before = probabilities(&done(&tool(folder.path(), &arguments)));
    assert!(before["cat"] > 0.9, "{before:?}");
    // The first class, airplane, gets a bias that outweighs all else.
    let mut changed = original;
    let bias = tensor(&changed, "fc.bias");
    changed[bias.start..bias.start + 4].copy_from_slice(&100_f32.to_le_bytes());
    fs::write(&weights, &changed).unwrap();
    let after = probabilities(&done(&tool(folder.path(), &arguments)));
    assert!(after["airplane"] > 0.99 && after.get("cat").is_none_or(|cat| *cat < 0.01), "{before:?} {after:?}");
}

/// The probabilities of the one picture that was classified.
fn probabilities(shown: &str) -> BTreeMap<String, f64> {
    let json: serde_json::Value = serde_json::from_str(shown).unwrap();
    let mut found = BTreeMap::new();
    let mut open = vec![&json];
    while let Some(value) = open.pop() {
        if let (Some(label), Some(probability)) = (value["label"].as_str(), value["probability"].as_f64()) {
            found.insert(label.to_owned(), probability);
        }
        open.extend(value.as_array().into_iter().flatten());
        open.extend(value.as_object().into_iter().flat_map(|object| object.values()));
    }
    found
}

/// Where the values of a tensor lie in the bytes of a safetensors file.
fn tensor(file: &[u8], name: &str) -> std::ops::Range<usize> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let offset = |index: usize| 8 + length + header[name]["data_offsets"][index].as_u64().unwrap() as usize;
    offset(0)..offset(1)
}

#[test]
fn verify_tells_equal_from_different() {
    let folder = tempfile::tempdir().unwrap();
    let input: Vec<f32> = (0..3 * 32 * 32).map(|index| ((index * 37 % 101) as f32 - 50.0) / 25.0).collect();
    npy::write(&folder.path().join("x.npy"), &[1, 3, 32, 32], &input);
    let program = folder.path().join("classify");
    done(&tool(folder.path(), &["compile", "cifar-resnet20", "-o", "classify"]));
    let ran = Command::new(&program).args(["tensor", "x.npy", "y.npy"]).current_dir(folder.path()).output().unwrap();
    done(&ran);

    let verify = |expect: &str| {
        tool(folder.path(), &["verify", "cifar-resnet20", "--input", "x.npy", "--expect", expect, "--json"])
    };
    let equal: serde_json::Value = serde_json::from_str(&done(&verify("y.npy"))).unwrap();
    assert_eq!((&equal["equal"], &equal["outputs"][0]["difference"]), (&true.into(), &0.0.into()));

    let mut other = npy::read(&folder.path().join("y.npy"));
    other[3] += 1.0;
    npy::write(&folder.path().join("z.npy"), &[1, 10], &other);
    let output = verify("z.npy");
    assert_eq!(code(&output), 1, "{}", text(&output.stderr));
    let different: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(different["equal"], false);
    // The program is right, layer by layer: it is the expectation that is of something else.
    assert_eq!(different["departure"], serde_json::Value::Null);
    assert!(different["layers_compared"].as_u64().unwrap() >= 21, "{different}");

    npy::write(&folder.path().join("short.npy"), &[1, 9], &other[..9]);
    let output = verify("short.npy");
    assert_eq!(code(&output), 1);
    assert!(text(&output.stderr).contains("[1, 10]"), "{}", text(&output.stderr));
}

#[test]
fn verify_holds_each_pass_against_the_network_before_any() {
    let folder = tempfile::tempdir().unwrap();
    let verify = |arguments: &[&str]| {
        let mut all = vec!["verify", "mlperf-tiny-resnet8", "--weights", "seed:3", "--passes"];
        all.extend(arguments);
        tool(folder.path(), &all)
    };
    let shown = done(&verify(&[]));
    for words in ["fold_batch_norm", "tensors compared", "\nequal: no pass moves a tensor by more than 1e-5"] {
        assert!(shown.contains(words), "{words} is missing from:\n{shown}");
    }
    let json: serde_json::Value = serde_json::from_str(&done(&verify(&["--json"]))).unwrap();
    let pass = |name: &str| json["passes"].as_array().unwrap().iter().find(|pass| pass["pass"] == name).unwrap();
    let (folded, fused) = (pass("fold_batch_norm"), pass("fuse_shortcut_add"));
    let count = |pass: &serde_json::Value| pass["tensors"].as_array().unwrap().len();
    assert!(json["equal"] == true && json["departure"].is_null(), "{json}");
    assert!(count(folded) > count(fused) && count(fused) >= 10, "{shown}");
    assert!(folded["tensors"].as_array().unwrap().iter().any(|tensor| tensor["difference"].as_f64() > Some(0.0)));

    // Folded weights are rounded: nothing is equal to the last digit, and the first that departs is told.
    let output = verify(&["--tolerance", "0", "--tensors"]);
    let shown = text(&output.stdout);
    assert_eq!(code(&output), 1, "{shown}");
    assert!(shown.contains("\ndifferent: after fold_batch_norm, `"), "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("input_1 ")).count(), 1, "{shown}");

    npy::write(&folder.path().join("x.npy"), &[1, 3, 32, 32], &vec![1.0; 3 * 32 * 32]);
    npy::write(&folder.path().join("images.npy"), &[1, 32, 32, 3], &vec![1.0; 3 * 32 * 32]);
    // The network takes pictures as Keras does.
    done(&verify(&["--input", "images.npy"]));
    let output = verify(&["--input", "x.npy"]);
    assert!(code(&output) == 1 && text(&output.stderr).contains("the network's input"), "{}", text(&output.stderr));
}

#[test]
fn a_network_with_several_outputs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::copy(format!("{ROOT}/examples/embed/models/backbone.onnx"), at("backbone.onnx")).unwrap();
    let table = done(&tool(folder.path(), &["inspect", "backbone.onnx", "--plan"]));
    for word in ["output: c2 [1, 8, 16, 16]", "output: embedding [1, 16]", "writes output 3"] {
        assert!(table.contains(word), "{word} is missing from:\n{table}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&done(&tool(folder.path(), &["inspect", "backbone.onnx", "--json"]))).unwrap();
    assert_eq!(json["outputs"][1], serde_json::json!({ "name": "c3", "shape": [1, 16, 8, 8], "softmax": false }));

    let input: Vec<f32> = (0..3 * 32 * 32).map(|index| ((index * 37 % 101) as f32 - 50.0) / 25.0).collect();
    npy::write(&at("x.npy"), &[1, 3, 32, 32], &input);
    done(&tool(folder.path(), &["run", "backbone.onnx", "--", "tensor", "x.npy", "y"]));
    assert_eq!(names(&at("y")), ["c2.npy", "c3.npy", "embedding.npy", "logits.npy"]);
    let (c3, embedding) = (npy::read(&at("y/c3.npy")), npy::read(&at("y/embedding.npy")));
    for (map, mean) in c3.chunks(64).zip(&embedding) {
        assert!((map.iter().sum::<f32>() / 64.0 - mean).abs() < 1e-5 * mean.abs().max(1.0));
    }
    done(&tool(folder.path(), &["run", "backbone.onnx", "--", "tensor", "x.npy", "c3.npy", "--output", "c3"]));
    assert_eq!(npy::read(&at("c3.npy")), c3);

    let verify = |expect: &[&str]| {
        let mut arguments = vec!["verify", "backbone.onnx", "--input", "x.npy"];
        arguments.extend(expect.iter().flat_map(|expect| ["--expect", *expect]));
        tool(folder.path(), &arguments)
    };
    let shown = done(&verify(&["embedding=y/embedding.npy", "c2=y/c2.npy"]));
    assert!(shown.starts_with("equal: embedding: ") && shown.contains("\nequal: c2: "), "{shown}");
    let mut other = embedding;
    other[3] += 1.0;
    npy::write(&at("z.npy"), &[1, 16], &other);
    let output = verify(&["c2=y/c2.npy", "embedding=z.npy"]);
    let shown = text(&output.stdout);
    assert_eq!(code(&output), 1, "{shown}");
    assert!(shown.contains("equal: c2: ") && shown.contains("\ndifferent: embedding: "), "{shown}");
    assert!(shown.contains("agree with the interpreter"), "{shown}");
    for (expect, expected, word) in [
        (&["y/c2.npy"][..], 2, "`c2`, `c3`, `embedding`, `logits`"),
        (&["c4=y/c2.npy"], 2, "`c2`, `c3`, `embedding`, `logits`"),
        (&["c2=y/c2.npy", "c2=y/c2.npy"], 2, "twice"),
        (&["c2=y/c3.npy"], 1, "output `c2`"),
        (&["c2=absent.npy"], 1, "absent.npy"),
    ] {
        let output = verify(expect);
        let error = text(&output.stderr);
        assert!(code(&output) == expected && error.contains(word), "{expect:?}: {error}");
    }
}

#[test]
fn the_rust_package_is_complete_and_its_lock_current() {
    let folder = tempfile::tempdir().unwrap();
    let emit = || done(&tool(folder.path(), &["compile", "cifar-resnet20", "--emit", "rust", "-o", "package"]));
    emit();
    let package = folder.path().join("package");
    let source = fs::read(package.join("src/network.rs")).unwrap();
    emit();
    assert!(fs::read(package.join("src/network.rs")).unwrap() == source, "not the same bytes twice");

    let cargo = |arguments: &[&str]| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Command::new(cargo).args(arguments).current_dir(&package).output().unwrap()
    };
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/package/Cargo.lock.template");
    let current = cargo(&["metadata", "--locked", "--format-version", "1"]);
    if !current.status.success() && std::env::var_os("RESNET_BLESS").is_some() {
        fs::copy(format!("{ROOT}/Cargo.lock"), package.join("Cargo.lock")).unwrap();
        done(&cargo(&["metadata", "--format-version", "1"]));
        fs::copy(package.join("Cargo.lock"), &template).unwrap();
        return;
    }
    assert!(
        current.status.success(),
        "{} does not fit runtime/Cargo.toml; run this test with RESNET_BLESS=1\n{}",
        template.display(),
        text(&current.stderr)
    );
    // Built alone: nothing of this checkout is named in it.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    done(&cargo(&["build", "--locked", "--target-dir", target.to_str().unwrap()]));
    let program = target.join("debug").join("cifar-resnet20");
    let shown = done(&Command::new(program).arg(cat()).output().unwrap());
    assert!(shown.lines().nth(1).is_some_and(|best| best.contains("cat")), "{shown}");
    assert_eq!(names(&package.join("runtime")), ["Cargo.toml", "LICENSE-APACHE", "LICENSE-MIT", "src"]);
    assert!(!package.join("runtime/src/kernel/tests").exists());
    for name in ["Cargo.toml", "runtime/Cargo.toml", "src/network.rs"] {
        let text = fs::read_to_string(package.join(name)).unwrap();
        assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "{name} names the checkout");
    }
}

#[test]
fn weights_alone_are_a_blob_for_this_plan() {
    let folder = tempfile::tempdir().unwrap();
    done(&tool(folder.path(), &["compile", "cifar-resnet20", "--emit", "weights"]));
    let blob = fs::read(folder.path().join("cifar-resnet20.weights")).unwrap();
    assert!(blob.starts_with(b"RESNETW1") && blob.len().is_multiple_of(4), "{}", blob.len());
}

#[test]
fn without_cargo_the_error_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_resnetc"))
        .args(["compile", "cifar-resnet20", "-o", "classify"])
        .current_dir(folder.path())
        .env("RESNETC_CACHE", folder.path().join("cache"))
        .env("CARGO", folder.path().join("no-cargo"))
        .output()
        .unwrap();
    assert_eq!(code(&output), 1);
    assert!(
        text(&output.stderr).contains("E-CARGO") && text(&output.stderr).contains("rustup"),
        "{}",
        text(&output.stderr)
    );
    assert_eq!(names(folder.path()), ["cache"]);
}

/// The tool in no folder of its own.
fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_resnetc"))
}

#[test]
fn weights_are_listed_with_the_networks_that_they_fit() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/weights/cifar-resnet20.safetensors");
    let output = command().arg("weights").arg(&file).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("layer1.0.conv1.weight") && text.contains("fits cifar-resnet20: "), "{text}");
    let output = command().arg("weights").arg(&file).arg("--json").output().unwrap();
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["fits"], serde_json::json!([{"spec": "cifar-resnet20", "include_top": true}]));
    assert_eq!(found["values"], 269_722 + 1_376);
}

#[test]
fn weights_of_another_network_name_it() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/weights/cifar-resnet20.safetensors");
    let output = command().args(["inspect", "cifar-resnet32", "--weights"]).arg(&file).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = "the weights fit `cifar-resnet20`, not `cifar-resnet32`\n  expected: a network with depth [3, 3, 3]\n  hint: compile `cifar-resnet20` with them";
    assert!(text.contains("error[E-WSPEC]: ") && text.contains(said), "{text}");
}

#[test]
fn a_network_is_changed_by_options() {
    let output = command()
        .args([
            "inspect",
            "resnet18",
            "--weights",
            "seed:1",
            "--input-shape",
            "64,96",
            "--outputs",
            "stage2,embedding",
            "--json",
        ])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["outputs"][0]["shape"], serde_json::json!([1, 128, 8, 12]));
    assert_eq!(found["outputs"][1]["shape"], serde_json::json!([1, 512]));
    for (arguments, said) in [
        (["--pooling", "mean"], "--pooling: unknown value `mean`"),
        (["--input-shape", "64x64"], "--input-shape: `64x64` is no shape"),
        (["--classes", "0"], "--classes: 0 classes"),
        (["--pooling", "avg"], "--pooling: pooling stands in place of the head"),
    ] {
        let output = command().args(["inspect", "resnet18", "--weights", "seed:1"]).args(arguments).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && text.contains(said), "{text}");
    }
}
