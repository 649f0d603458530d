//! The way from generated code to a program: a Rust package with the runtime's sources, built by cargo.

mod build;
mod cache;
mod output;
mod sources;

pub use build::{Program, build};
pub use cache::Cache;
pub use output::{same_file, write_file, write_folder};
pub use sources::{Layout, files};

use quote::{format_ident, quote};
use sha2::{Digest, Sha256};

use crate::codegen::{Item, Weights};
use crate::diagnostic::Diagnostic;
use crate::pipeline::Compiled;

/// What a package is made of.
#[derive(Debug, Clone)]
pub struct Package {
    /// The name of the network as a file name.
    pub name: String,
    /// The generated module.
    pub source: String,
    /// The packed weights.
    pub blob: Vec<u8>,
}

impl Package {
    /// Writes a compiled network down.
    pub fn new(compiled: &Compiled) -> Self {
        let item = Item {
            attributes: quote!(#[doc = " The network of this program."]),
            visibility: quote!(pub),
            name: format_ident!("CompiledNetwork"),
            runtime: quote!(::resnet),
            weights: Weights::Embedded("../weights.bin".to_owned()),
        };
        Self { name: file_name(&compiled.network.name), source: compiled.source(&item), blob: compiled.plan.blob() }
    }

    /// SHA-256 of all that makes the program what it is but the runtime, in hexadecimal.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([0]);
        hash.update(self.source.as_bytes());
        hash.update([0]);
        hash.update(&self.blob);
        hexadecimal(&hash.finalize())
    }
}

/// A network's name as the name of a file: letters, digits, `-`, `_` and `.`, and not hidden.
pub fn file_name(name: &str) -> String {
    let mut text: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' }).collect();
    text.truncate(100);
    if text.chars().all(|c| matches!(c, '.' | '_')) {
        return "network".to_owned();
    }
    if text.starts_with(['.', '-']) { format!("network{text}") } else { text }
}

/// Bytes as hexadecimal digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// An error of the file system, with the file it is about.
fn trouble(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error("E-FILE", format!("cannot {doing}: {error}")).at(crate::diagnostic::Place::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_safe_file_names() {
        assert_eq!(file_name("cifar-resnet20"), "cifar-resnet20");
        assert_eq!(file_name("../../etc/passwd"), "network.._.._etc_passwd");
        assert_eq!(file_name(""), "network");
        assert_eq!(file_name("..."), "network");
        assert_eq!(file_name("--help"), "network--help");
        assert_eq!(file_name("größe"), "gr__e");
    }

    #[test]
    fn hexadecimal_has_two_digits_per_byte() {
        assert_eq!(hexadecimal(&[0, 10, 255]), "000aff");
    }
}
