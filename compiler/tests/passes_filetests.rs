//! Every pass, before and after, as text: `filetests/passes/*.txt`.
//!
//! A file starts with comments; one of them, `# passes: NAME...`, names the passes that run, and `# forced: NAME...` those of them
//! that rewrite wherever it is right. The graph before follows,
//! then a line `---`, the reports as comments, and the graph after. `RESNET_BLESS=1` writes the second half anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use resnetc::ir::text::{parse, print};
use resnetc::passes::{self, Switches};

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests/passes");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    files
}

fn result(file: &Path, before: &str) -> String {
    let chosen = before.lines().find_map(|line| line.strip_prefix("# passes:")).expect("a line `# passes:`");
    let chosen: BTreeSet<&str> = chosen.split_whitespace().collect();
    let forced = before.lines().find_map(|line| line.strip_prefix("# forced:")).unwrap_or_default();
    let forced = forced.split_whitespace().map(str::to_owned).collect();
    let names = passes::names();
    assert!(chosen.iter().all(|name| names.contains(name)), "{}: unknown pass in {chosen:?}", file.display());
    let disabled = names.iter().filter(|name| !chosen.contains(*name)).map(|name| (*name).to_owned()).collect();
    let mut graph = parse(before, &mut |_, _| None).unwrap_or_else(|errors| panic!("{}:\n{errors}", file.display()));
    let reports = passes::run(&mut graph, &Switches { disabled, forced })
        .unwrap_or_else(|errors| panic!("{}:\n{errors}", file.display()));
    let mut text = String::new();
    for report in reports {
        for change in report.changes {
            writeln!(text, "# {}: `{}`: {}", report.pass, change.node, change.what).unwrap();
        }
        for refusal in report.refusals {
            writeln!(text, "# {}: `{}` stays: {}", report.pass, refusal.node, refusal.reason).unwrap();
        }
    }
    text + &print(&graph)
}

#[test]
fn passes_do_what_the_files_say() {
    let files = files();
    assert!(!files.is_empty());
    let mut wrong = String::new();
    let mut covered = BTreeSet::new();
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        let (before, expected) = text.split_once("---\n").unwrap_or((&text, ""));
        let found = result(file, before);
        let chosen = before.lines().find_map(|line| line.strip_prefix("# passes:")).unwrap_or_default();
        covered.extend(chosen.split_whitespace().map(str::to_owned));
        if found == expected {
            continue;
        }
        if env::var_os("RESNET_BLESS").is_some_and(|value| value == "1") {
            fs::write(file, format!("{before}---\n{found}")).unwrap();
            continue;
        }
        let diff = similar::TextDiff::from_lines(expected, &found);
        let name = file.file_name().unwrap().to_string_lossy();
        writeln!(wrong, "{}", diff.unified_diff().header(&name, "found")).unwrap();
    }
    assert!(wrong.is_empty(), "\n{wrong}RESNET_BLESS=1 accepts what was found");
    let missing: Vec<_> = passes::names().into_iter().filter(|name| !covered.contains(*name)).collect();
    assert!(missing.is_empty(), "no file tests {missing:?}");
}
