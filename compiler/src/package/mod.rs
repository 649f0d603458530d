//! The way from generated code to a program: a Rust package with the runtime's sources, built by cargo.

mod build;
mod cache;
mod call;
mod output;
mod probes;
mod sources;

pub use crate::frontend::weights::hexadecimal;
pub use crate::user_cache::file_name;
pub use build::{Program, build, build_probes};
pub use cache::Cache;
pub use call::call;
pub use output::{same_file, writable, write_file, write_folder};
pub use probes::Probes;
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

/// An error of the file system, with the file it is about.
fn trouble(doing: &str, path: &std::path::Path, error: &std::io::Error) -> Diagnostic {
    Diagnostic::error("E-FILE", format!("cannot {doing}: {error}")).at(crate::diagnostic::Place::file(path))
}
