//! The command line, as a user calls it, with a cache below the target folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("resnetc-cache")
}

pub fn tool(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_resnetc"))
        .args(arguments)
        .current_dir(folder)
        .env("RESNETC_CACHE", cache())
        .output()
        .unwrap()
}

/// All that a command says, which has to end with a code.
#[track_caller]
pub fn told(output: &Output, code: i32) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(output.status.code(), Some(code), "{out}\n{err}");
    format!("{out}{err}")
}
