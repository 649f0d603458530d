//! ARCHITECTURE.md names the files and folders that there are.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The text in backquotes, in order.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of the code map: a path, and the names that its description gives inside of it.
fn map(text: &str) -> Vec<(String, Vec<String>)> {
    let section = text.split("## Code map\n").nth(1).unwrap().split("\n## ").next().unwrap();
    section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let (path, what) = line.trim_matches('|').split_once(" | ").unwrap();
            let path = quoted(path).next().unwrap().to_owned();
            // Names with an ending or a slash are files and folders; other words in backquotes are code.
            let inside = quoted(what).filter(|name| name.contains(['.', '/'])).map(str::to_owned).collect();
            (path, inside)
        })
        .collect()
}

#[test]
fn all_that_the_map_names_exists() {
    let text = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).unwrap();
    let rows = map(&text);
    assert!(rows.len() > 10, "{rows:?}");
    for (path, inside) in rows {
        let place = Path::new(ROOT).join(&path);
        assert_eq!(place.is_dir(), path.ends_with('/'), "{path}: a folder is written with a slash at its end");
        assert!(place.exists(), "{path} is not there");
        for name in inside {
            assert!(place.join(&name).exists(), "{path} has no {name}");
        }
    }
}

#[test]
fn the_map_names_all_that_exists() {
    let text = fs::read_to_string(Path::new(ROOT).join("ARCHITECTURE.md")).unwrap();
    let named: BTreeSet<String> = map(&text).into_iter().map(|(path, _)| path).collect();
    // What every crate has, and what has no design of its own.
    let plain = ["lib.rs", "main.rs", "mod.rs"];
    for folder in ["compiler/src", "runtime/src"] {
        for entry in fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if plain.contains(&name.as_str()) {
                continue;
            }
            let slash = if entry.path().is_dir() { "/" } else { "" };
            let path = format!("{folder}/{name}{slash}");
            assert!(named.contains(&path), "the code map of ARCHITECTURE.md does not name {path}");
        }
    }
    for member in ["specs/", "macros/", "tests/", "examples/"] {
        assert!(named.contains(member), "the code map of ARCHITECTURE.md does not name {member}");
    }
}

#[test]
fn the_map_tells_paths_from_words() {
    let text = "## Code map\n\n| folder | what |\n|---|---|\n| `a/` | has `b.rs`, `c/` and the `Word` |\n\n## Next\n| `d/` | no |\n";
    assert_eq!(map(text), [("a/".to_owned(), vec!["b.rs".to_owned(), "c/".to_owned()])]);
}
