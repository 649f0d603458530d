//! The code generated for a small network, held against the file of it. `RESNET_BLESS=1` writes the file anew.

use std::fs;
use std::path::Path;

use quote::{format_ident, quote};
use resnetc::codegen::{Item, Weights};
use resnetc::frontend::WeightSource;
use resnetc::pipeline::{self, Options};
use similar::TextDiff;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// The specification that `examples/embed` has.
fn source() -> String {
    let model = Path::new(HERE).join("../examples/embed/models/small.yaml");
    let options = Options { weights: Some(WeightSource::Seed(1)), ..Options::new(model.to_str().unwrap()) };
    let compiled = pipeline::compile(&options, &mut |_| ()).unwrap_or_else(|problems| panic!("{problems}"));
    compiled.source(&Item {
        attributes: quote!(#[doc = " A small network."]),
        visibility: quote!(pub),
        name: format_ident!("Small"),
        runtime: quote!(::resnet),
        weights: Weights::Embedded("small.weights".to_owned()),
    })
}

#[test]
fn the_generated_code_is_that_of_the_snapshot() {
    let source = source();
    assert!(source == self::source(), "not the same code twice");
    assert!(!source.contains(HERE), "the code names this checkout");
    let path = Path::new(HERE).join("snapshots/small.rs.txt");
    if std::env::var_os("RESNET_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &source).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let diff = TextDiff::from_lines(&expected, &source);
    let diff = diff.unified_diff().header("snapshots/small.rs.txt", "now").to_string();
    assert!(source == expected, "if this is meant, run the test with RESNET_BLESS=1\n{diff}");
}
