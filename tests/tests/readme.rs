//! The commands of the README, run as they stand there.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn blocks(language: &str) -> Vec<String> {
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let fence = format!("```{language}\n");
    readme.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The folder that cargo puts programs into while it runs this test.
fn programs() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_path_buf()
}

fn sh(script: &str, folder: &Path) -> String {
    let path = format!("{}:{}", programs().display(), env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    // What cargo says of this package to its tests would have dependencies built anew by cargo in the commands, which look for it.
    for (key, _) in env::vars_os() {
        if key.to_str().is_some_and(|key| key.starts_with("CARGO_PKG_") || key.starts_with("CARGO_MANIFEST_")) {
            shell.env_remove(key);
        }
    }
    let output = shell
        .args(["-euc", script])
        .current_dir(folder)
        .env("PATH", path)
        .env("RESNETC_CACHE", Path::new(env!("CARGO_TARGET_TMPDIR")).join("resnetc-cache"))
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{script}\n{out}\n{err}");
    out.into_owned()
}

#[cfg(unix)]
#[test]
fn every_command_runs() {
    let blocks = blocks("sh");
    let [first, tests, tool, recipes, tuned, measured] = blocks.as_slice() else {
        panic!("six blocks of commands: {blocks:?}")
    };
    // This builds the tool too, for the commands below.
    let shown = sh(first, Path::new(ROOT));
    assert!(shown.lines().nth(1).is_some_and(|best| best.contains("0.98") && best.contains("cat")), "{shown}");

    // The command for the tests is the one that CI runs: from here it would run itself.
    let ci = std::fs::read_to_string(Path::new(ROOT).join(".ci/run")).unwrap();
    assert!(ci.lines().any(|line| line == tests.trim()), "{tests}");

    let folder = tempfile::tempdir().unwrap();
    for name in ["specs", "examples"] {
        let there = Path::new(ROOT).join(name).canonicalize().unwrap();
        std::os::unix::fs::symlink(there, folder.path().join(name)).unwrap();
    }
    let shown = sh(tool, folder.path());
    assert!(shown.contains("cat") && shown.contains("layer1.0.conv1"), "{shown}");
    assert!(shown.contains("fits cifar-resnet20") && shown.contains("resnet50-11ad3fa6.pth"), "{shown}");
    for name in ["classify", "classify-rust", "cifar.weights", "features"] {
        assert!(folder.path().join(name).exists(), "{name}");
    }

    let shown = sh(tuned, folder.path());
    assert!(shown.contains("conv 3x3 stride 1") && folder.path().join("cifar.tuning.yaml").exists(), "{shown}");

    let shown = sh(measured, folder.path());
    assert!(shown.contains("without fuse_shortcut_add") && folder.path().join("cifar.bench.html").exists(), "{shown}");

    let shown = sh(recipes, folder.path());
    assert!(shown.contains("labels: 10") && shown.contains("labels: 1000"), "{shown}");

    let spec = self::blocks("yaml").remove(0);
    std::fs::write(folder.path().join("net.yaml"), spec).unwrap();
    let shown = sh("resnetc inspect net.yaml", folder.path());
    assert!(shown.contains("42 650"), "{shown}");
}
