//! The example crate, built outside the workspace as a user would, in the debug profile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A copy of the example whose path to the runtime is absolute, with the versions of this workspace.
fn copy(name: &str) -> PathBuf {
    let (from, to) = (Path::new(ROOT).join("examples/embed"), Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
    for folder in ["src", "models"] {
        fs::create_dir_all(to.join(folder)).unwrap();
        for entry in fs::read_dir(from.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, to.join(folder).join(path.file_name().unwrap())).unwrap();
        }
    }
    let runtime = Path::new(ROOT).canonicalize().unwrap().join("runtime");
    let manifest = fs::read_to_string(from.join("Cargo.toml")).unwrap();
    fs::write(to.join("Cargo.toml"), manifest.replace("../../runtime", runtime.to_str().unwrap())).unwrap();
    fs::copy(Path::new(ROOT).join("Cargo.lock"), to.join("Cargo.lock")).unwrap();
    to
}

fn run(folder: &Path) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example-target");
    let mut command = Command::new(cargo);
    // It is built many times here, and its kernels run a few times each.
    command.env("CARGO_PROFILE_DEV_OPT_LEVEL", "1").env("CARGO_PROFILE_DEV_DEBUG", "false");
    command.args(["run", "-q", "--target-dir"]).arg(target).current_dir(folder).output().unwrap()
}

/// Where the first value of a tensor lies in a safetensors file.
fn first_value(file: &[u8], name: &str) -> usize {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    8 + length + header[name]["data_offsets"][0].as_u64().unwrap() as usize
}

#[test]
fn the_example_runs_and_follows_its_files() {
    let folder = copy("embed");
    let first = run(&folder);
    let shown = String::from_utf8_lossy(&first.stdout).into_owned();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert_eq!(
        shown,
        "cifar-resnet20: cat\nsmall: 42650 parameters, [2, 10]\nbackbone: c2, c3, embedding, logits\nfeatures: stage2, stage3, embedding\n"
    );

    // A change of the weights rebuilds the crate: a bias of the first class that outweighs all else.
    let trained = folder.join("models/cifar.safetensors");
    let mut weights = fs::read(Path::new(ROOT).join("specs/weights/cifar-resnet20.safetensors")).unwrap();
    fs::write(&trained, &weights).unwrap();
    let main = folder.join("src/main.rs");
    let code = fs::read_to_string(&main).unwrap();
    let named = "model: \"cifar-resnet20\", weights: \"models/cifar.safetensors\",";
    fs::write(&main, code.replace("model: \"cifar-resnet20\",", named)).unwrap();
    assert_eq!(String::from_utf8_lossy(&run(&folder).stdout), shown);
    let bias = first_value(&weights, "fc.bias");
    weights[bias..bias + 4].copy_from_slice(&100_f32.to_le_bytes());
    fs::write(&trained, &weights).unwrap();
    let changed = run(&folder);
    assert!(String::from_utf8_lossy(&changed.stdout).starts_with("cifar-resnet20: airplane\n"), "{changed:?}");
    fs::write(&main, &code).unwrap();

    // So does a change of the file of measured decisions, whose errors are told at its literal.
    let tuning = folder.join("models/tuning.yaml");
    let layer = "conv 3x3 stride 1 dilation 1 groups 1 64->64 8x8 batch 1";
    let decided = format!("tuning: resnetc/1\nlayers:\n  {layer}:\n    winograd: {{outputs: 2, group: 5}}\n");
    fs::write(&tuning, &decided).unwrap();
    fs::write(
        &main,
        code.replace("model: \"cifar-resnet20\",", "model: \"cifar-resnet20\", tuning: \"models/tuning.yaml\","),
    )
    .unwrap();
    assert_eq!(String::from_utf8_lossy(&run(&folder).stdout), shown);
    fs::write(&tuning, decided.replace("group: 5", "group: 500")).unwrap();
    let refused = run(&folder);
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(errors.contains("models/tuning.yaml:4:35") && errors.contains("1 to 16"), "{errors}");
    assert!(errors.contains("tuning: \"models/tuning.yaml\""), "not at the literal:\n{errors}");
    fs::write(&main, code.replace("model: \"cifar-resnet20\",", "model: \"cifar-resnet20\", exact: true,")).unwrap();
    assert_eq!(String::from_utf8_lossy(&run(&folder).stdout), shown);
    fs::write(&main, code).unwrap();

    // So does a change of the model.
    let model = folder.join("models/small.yaml");
    let text = fs::read_to_string(&model).unwrap();
    fs::write(&model, text.replace("width: [16, 32]", "width: [16, 48]")).unwrap();
    let second = run(&folder);
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    assert_ne!(String::from_utf8_lossy(&second.stdout), shown);

    // An error in the model file is told with its place, at the literal.
    fs::write(&model, text.replace("kernel: 3", "kernle: 3")).unwrap();
    let third = run(&folder);
    let errors = String::from_utf8_lossy(&third.stderr).into_owned();
    assert!(!third.status.success());
    assert!(errors.contains("models/small.yaml:10:26") && errors.contains("kernel"), "{errors}");
    assert!(errors.contains("model: \"models/small.yaml\""), "not at the literal:\n{errors}");
}

#[test]
fn the_readme_shows_code_of_the_example() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let example = fs::read_to_string(Path::new(ROOT).join("examples/embed/src/main.rs")).unwrap();
    let blocks: Vec<_> = readme.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 2, "{blocks:?}");
    for code in blocks {
        assert!(example.contains(code), "{code}");
    }
}
