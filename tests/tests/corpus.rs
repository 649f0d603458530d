//! Every file of the fuzzers' corpus through the functions that they call: what was found once stays mended.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

#[path = "../../fuzz/src/targets.rs"]
mod targets;

/// Of a folder of files, what each is called and holds, in the order of their names.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn the_corpus_is_read_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let mut whole = 0;
    for (name, target) in targets::ALL {
        let files = files(&corpus.join(name));
        assert!(files.len() > 3, "{name} has {} files", files.len());
        for (file, data) in files {
            println!("{name}/{file}");
            let begin = Instant::now();
            target(&data);
            assert!(begin.elapsed() < Duration::from_secs(10), "{name}/{file}: {:?}", begin.elapsed());
            // A half of it is hardly ever whole, and never more than refused.
            target(&data[..data.len() / 2]);
            whole += data.len();
        }
    }
    assert_eq!(fs::read_dir(&corpus).unwrap().count(), targets::ALL.len());
    assert!(whole < 300_000, "the corpus has {whole} bytes");
}

#[test]
fn every_target_has_its_fuzzer() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/Cargo.toml")).unwrap();
    let found: Vec<&str> =
        manifest.lines().filter_map(|line| line.strip_prefix("path = \"targets/")?.strip_suffix(".rs\"")).collect();
    assert_eq!(found, targets::ALL.map(|(name, _)| name));
    for name in found {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../fuzz/targets/{name}.rs")));
        assert!(text.unwrap().contains(&format!("targets::{name}(data)")), "{name}");
    }
}
