//! One bad spec per error, with the text that it must give. `RESNET_BLESS=1` rewrites the texts.

use std::path::{Path, PathBuf};

use resnetc::frontend::source::Source;
use resnetc::frontend::{self, shipped, yaml};

#[test]
fn every_bad_spec_gives_its_errors() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/bad_specs");
    let mut specs: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    specs.sort();
    assert!(specs.len() > 40, "the folder of bad specs is gone");
    let mut wrong = Vec::new();
    for path in specs {
        let found = errors(&path, &folder);
        let expected_path = path.with_extension("expected");
        if std::env::var_os("RESNET_BLESS").is_some() {
            std::fs::write(&expected_path, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_path).unwrap_or_default();
        if found != expected {
            wrong.push(format!("{}\n--- expected\n{expected}--- found\n{found}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_file_that_is_too_long_is_not_read() {
    let path = std::env::temp_dir().join(format!("resnet-long-{}.yaml", std::process::id()));
    std::fs::write(&path, vec![b'#'; (1 << 20) + 1]).unwrap();
    let message = frontend::load(path.to_str().unwrap(), None, 1).unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();
    assert!(message.contains("E-YAML") && message.contains("1048577 bytes, more than the 1048576"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_folder_is_not_followed() {
    let folder = std::env::temp_dir().join(format!("resnet-link-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join("inside")).unwrap();
    std::fs::write(folder.join("secret.txt"), "a\nb\n").unwrap();
    std::os::unix::fs::symlink(folder.join("secret.txt"), folder.join("inside/labels.txt")).unwrap();
    let text =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_specs/labels_missing.yaml"));
    let spec = folder.join("inside/net.yaml");
    std::fs::write(&spec, text.unwrap()).unwrap();
    let message = frontend::load(spec.to_str().unwrap(), None, 1).unwrap_err().to_string();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(message.contains("E-LABELS") && message.contains("a link that leads outside"), "{message}");
}

fn errors(path: &Path, folder: &Path) -> String {
    let text = match frontend::load(path.to_str().unwrap(), None, 1) {
        Ok(_) => panic!("{} is not bad", path.display()),
        Err(problems) => {
            assert!(problems.has_errors(), "{} gave an empty error", path.display());
            problems.to_string()
        }
    };
    text.replace(&format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR), "") + "\n"
}

/// A spec with bytes and lines changed at random never makes the reader panic; most changes are errors with a place.
#[test]
fn changed_specs_are_read_or_refused() {
    let path = std::env::temp_dir().join(format!("resnet-changed-{}.yaml", std::process::id()));
    let text = shipped::spec("mlperf-tiny-resnet8").unwrap().text;
    let mut state = 1_u64;
    let mut random = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit
    };
    let pieces = [
        "0",
        "-1",
        "99999999999999999999",
        "[",
        "]",
        "{",
        "}",
        ": ",
        "\n",
        "- ",
        "*",
        "&a",
        "half",
        "N",
        ".5",
        "\u{fe}",
    ];
    let mut refused = 0;
    for _ in 0..1500 {
        let mut changed = text.as_bytes().to_vec();
        for _ in 0..=random(3) {
            let at = random(changed.len());
            let end = (at + [0, 1, random(12)][random(3)]).min(changed.len());
            let piece = if random(3) == 0 { "" } else { pieces[random(pieces.len())] };
            changed.splice(at..end, piece.bytes());
        }
        std::fs::write(&path, &changed).unwrap();
        if let Err(problems) = yaml::describe(&Source::File(&path), 1) {
            refused += 1;
            assert!(problems.has_errors() && problems.0.iter().all(|problem| problem.place.is_some()), "{problems}");
        }
    }
    std::fs::remove_file(&path).unwrap();
    assert!(refused > 750, "{refused} of 1500 were refused");
}
