//! Names of inputs and outputs as names of files.

use std::collections::BTreeSet;

/// A file's name may have this many characters before its ending.
const LONGEST: usize = 100;

/// A file name for each name, `NAME.npy`; what can be no name of a file goes behind `word`. Characters other than ASCII letters, digits, `-`, `_` and `.` become `_`; no two names
/// are equal on a system that takes upper and lower case for the same, and none is one that a system keeps for itself.
pub(crate) fn files<'a>(names: impl Iterator<Item = &'a str>, word: &str) -> Vec<String> {
    let mut taken = BTreeSet::new();
    names
        .map(|name| {
            let stem = stem(name, word);
            let mut name = stem.clone();
            let mut number = 1;
            while !taken.insert(name.to_ascii_lowercase()) {
                number += 1;
                name = format!("{stem}_{number}");
            }
            name + ".npy"
        })
        .collect()
}

fn stem(name: &str, word: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let stem: String = name.chars().take(LONGEST).map(plain).collect();
    let odd = stem.is_empty() || stem.starts_with(['.', '-']) || reserved(&stem);
    if odd { format!("{word}_{stem}") } else { stem }
}

/// Names of devices on Windows, whatever ending they have.
fn reserved(stem: &str) -> bool {
    let first = stem.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let numbered = first.strip_prefix("com").or_else(|| first.strip_prefix("lpt"));
    ["con", "prn", "aux", "nul"].contains(&first.as_str()) || numbered.is_some_and(|rest| rest.len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_has_a_file_of_its_own() {
        let long = "x".repeat(1000);
        let names =
            ["c2", "C2", "/etc/passwd", "..", "", "a b", "a_b", "aux", "Com1.x", "-rf", "größe", "c2_2", long.leak()];
        let mut expected: Vec<String> = [
            "c2",
            "C2_2",
            "_etc_passwd",
            "output_..",
            "output_",
            "a_b",
            "a_b_2",
            "output_aux",
            "output_Com1.x",
            "output_-rf",
            "gr__e",
            "c2_2_2",
        ]
        .map(|stem| format!("{stem}.npy"))
        .into();
        expected.push(format!("{}.npy", "x".repeat(100)));
        assert_eq!(files(names.into_iter(), "output"), expected);
    }
}
