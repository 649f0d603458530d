//! Gives the tool an identity that changes with its sources, and, for the command line, the runtime's sources to carry.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[cfg(feature = "cli")]
#[path = "build/manifest.rs"]
mod manifest;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    println!("cargo::rerun-if-changed=src");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let mut hash = Fnv::new();
    for file in files(&root.join("src"))? {
        hash.add(file.strip_prefix(&root)?.to_string_lossy().as_bytes());
        hash.add(&fs::read(&file)?);
    }
    #[cfg(feature = "cli")]
    embed(&root, &mut hash)?;
    println!("cargo::rustc-env=RESNETC_BUILD={:016x}", hash.0);
    Ok(())
}

/// Writes `OUT_DIR/runtime.rs`: a table of the runtime's files, its manifest freed from the workspace.
#[cfg(feature = "cli")]
fn embed(root: &Path, hash: &mut Fnv) -> Result<(), Box<dyn Error>> {
    use std::fmt::Write;

    let workspace = root.join("..");
    let runtime = workspace.join("runtime");
    println!("cargo::rerun-if-changed={}", runtime.join("src").display());
    println!("cargo::rerun-if-changed={}", runtime.join("Cargo.toml").display());
    println!("cargo::rerun-if-changed={}", workspace.join("Cargo.toml").display());

    let out = PathBuf::from(env::var("OUT_DIR")?);
    let manifest = manifest::standalone(
        &fs::read_to_string(runtime.join("Cargo.toml"))?,
        &fs::read_to_string(workspace.join("Cargo.toml"))?,
    )?;
    hash.add(manifest.as_bytes());
    let mut table = String::from("&[\n");
    writeln!(table, "    (\"Cargo.toml\", {manifest:?}),")?;
    for file in files(&runtime.join("src"))? {
        // Tests stay here, what declares them is not compiled in a program.
        if file.components().any(|part| part.as_os_str() == "tests") || file.ends_with("tests.rs") {
            continue;
        }
        hash.add(&fs::read(&file)?);
        let name = file.strip_prefix(&runtime)?.to_string_lossy().replace('\\', "/");
        let path = file.canonicalize()?;
        writeln!(table, "    ({name:?}, include_str!({:?})),", path.to_string_lossy())?;
    }
    table.push_str("]\n");
    fs::write(out.join("runtime.rs"), table)?;
    Ok(())
}

/// The files under a folder, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}

/// FNV-1a, 64 bits.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0xff]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}
