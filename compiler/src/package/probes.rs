//! The package of the programs that time layers: a library that times, and a program per layer.
//!
//! Programs and not one program, so that cargo compiles them side by side.

use super::sources::PROFILES;

/// The library: it runs a network again and again and prints the times of some of its steps.
const LIBRARY: &str = include_str!("probe.rs.template");

/// What times the layers of a network.
#[derive(Debug, Clone)]
pub struct Probes {
    /// A program per layer.
    pub layers: Vec<String>,
}

impl Probes {
    /// The name of the program of a layer.
    pub fn name(layer: usize) -> String {
        format!("layer_{layer}")
    }

    /// The program of a layer: `source` is its generated module with a type `Probe`, `steps` the positions of the steps that are timed.
    pub fn program(source: &str, isa: &str, steps: &[usize], flushed: usize) -> String {
        let isa = match isa {
            "avx512" => "Avx512",
            "avx2" => "Avx2",
            "neon" => "Neon",
            _ => "Portable",
        };
        format!(
            "//! Times one layer, computed in several ways.\n\n#![forbid(unsafe_code)]\n#![allow(dead_code)]\n\n{source}\n\
             fn main() -> std::process::ExitCode {{\n    resnet_program::main::<resnet::isa::{isa}, Probe>(&{steps:?}, {flushed})\n}}\n"
        )
    }

    /// The files of the package: path inside its folder, content.
    pub(super) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = vec![
            ("Cargo.toml".to_owned(), manifest().into_bytes()),
            ("Cargo.lock".to_owned(), lock().into_bytes()),
            ("src/lib.rs".to_owned(), LIBRARY.as_bytes().to_vec()),
        ];
        files.extend(
            self.layers
                .iter()
                .enumerate()
                .map(|(index, program)| (format!("src/bin/{}.rs", Self::name(index)), program.as_bytes().to_vec())),
        );
        files
    }
}

fn manifest() -> String {
    format!(
        r#"# Made by resnetc {version}.
[package]
name = "resnet-program"
version = "0.0.0"
edition = "2024"
publish = false

[dependencies]
resnet = {{ path = "../runtime", default-features = false }}

{PROFILES}"#,
        version = env!("CARGO_PKG_VERSION"),
    )
}

/// Without the features of a whole program the runtime has no dependencies.
fn lock() -> String {
    format!(
        r#"version = 4

[[package]]
name = "resnet"
version = "{version}"

[[package]]
name = "resnet-program"
version = "0.0.0"
dependencies = [
 "resnet",
]
"#,
        version = env!("CARGO_PKG_VERSION"),
    )
}
