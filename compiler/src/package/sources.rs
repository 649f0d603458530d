//! The files of a package.

use super::Package;

/// The runtime's sources, which the tool carries: path inside the crate's folder, content.
pub const RUNTIME: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/runtime.rs"));

/// Versions of everything a program depends on. A test holds it against the runtime's manifest.
const LOCK: &str = include_str!("Cargo.lock.template");

const MAIN: &str = "//! A compiled residual network as a program.

#![forbid(unsafe_code)]

mod network;

fn main() -> std::process::ExitCode {
    resnet::app::main::<network::CompiledNetwork>()
}
";

const LICENCES: [(&str, &str); 2] = [
    ("LICENSE-APACHE", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../LICENSE-APACHE"))),
    ("LICENSE-MIT", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../LICENSE-MIT"))),
];

const IGNORE: &str = "/target\n";

/// Where a package finds the runtime, and what its program is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// The runtime inside, the program named after the network: complete in itself.
    Standalone,
    /// The runtime in the folder `runtime` beside the package, the program named `program`: as the cache has it.
    Shared,
}

/// The files of a package: path inside its folder, content.
pub fn files(package: &Package, layout: Layout) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = vec![
        ("Cargo.toml".to_owned(), manifest(package, layout).into_bytes()),
        ("Cargo.lock".to_owned(), LOCK.as_bytes().to_vec()),
        ("src/main.rs".to_owned(), MAIN.as_bytes().to_vec()),
        ("src/network.rs".to_owned(), package.source.clone().into_bytes()),
        ("weights.bin".to_owned(), package.blob.clone()),
    ];
    if layout == Layout::Standalone {
        files.push((".gitignore".to_owned(), IGNORE.as_bytes().to_vec()));
        files.extend(RUNTIME.iter().map(|(path, text)| (format!("runtime/{path}"), text.as_bytes().to_vec())));
        files.extend(LICENCES.iter().map(|(name, text)| (format!("runtime/{name}"), text.as_bytes().to_vec())));
    }
    files
}

fn manifest(package: &Package, layout: Layout) -> String {
    let (program, runtime) = match layout {
        Layout::Standalone => (target_name(&package.name), "runtime"),
        Layout::Shared => ("program".to_owned(), "../runtime"),
    };
    format!(
        r#"# Made by resnetc {version}.
[package]
name = "resnet-program"
version = "0.0.0"
edition = "2024"
publish = false

[[bin]]
name = "{program}"
path = "src/main.rs"

[dependencies]
resnet = {{ path = "{runtime}", default-features = false, features = ["app"] }}

{PROFILES}"#,
        version = env!("CARGO_PKG_VERSION"),
    )
}

/// A file name as the name of one of cargo's programs: without dots, and none that cargo wants for itself.
fn target_name(name: &str) -> String {
    match name {
        "build" | "deps" | "examples" | "incremental" => format!("{name}-network"),
        other => other.replace('.', "-"),
    }
}

/// How programs are compiled.
pub(super) const PROFILES: &str = r#"# Not a member of any workspace around it.
[workspace]

[profile.dev]
opt-level = 3

[profile.release]
opt-level = 3
# One unit keeps the kernels of a layer shape together; a panic on one thread must end the program, not hang the others.
codegen-units = 1
panic = "abort"
strip = true
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_takes_the_names_of_programs() {
        assert_eq!(target_name("resnet50.legacy"), "resnet50-legacy");
        assert_eq!(target_name("build"), "build-network");
        assert_eq!(target_name("cifar-resnet20"), "cifar-resnet20");
    }
}
