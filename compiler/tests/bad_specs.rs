//! One bad spec per error, with the text that it must give. `RESNET_BLESS=1` rewrites the texts.

use std::path::{Path, PathBuf};

use resnetc::frontend;

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
