//! The code generated for small networks, of one input and output and of several, held against files of it. `RESNET_BLESS=1` writes the file anew.

use std::fs;
use std::path::Path;

use quote::{format_ident, quote};
use resnetc::codegen::{Item, Weights};
use resnetc::frontend::WeightSource;
use resnetc::pipeline::{self, Options};
use similar::TextDiff;

const HERE: &str = env!("CARGO_MANIFEST_DIR");

/// The code of a model that `examples/embed` has.
fn source(model: &str, name: &str, weights: Option<WeightSource>) -> String {
    let model = Path::new(HERE).join("../examples/embed/models").join(model);
    let options = Options { weights, ..Options::new(model.to_str().unwrap()) };
    let compiled = pipeline::compile(&options, &mut |_| ()).unwrap_or_else(|problems| panic!("{problems}"));
    compiled.source(&Item {
        attributes: quote!(#[doc = " A small network."]),
        visibility: quote!(pub),
        name: format_ident!("{name}"),
        runtime: quote!(::resnet),
        weights: Weights::Embedded("the.weights".to_owned()),
    })
}

#[test]
fn the_generated_code_is_that_of_the_snapshots() {
    check("small", || source("small.yaml", "Small", Some(WeightSource::Seed(1))));
    check("backbone", || source("backbone.onnx", "Backbone", None));
    check("pair", || source("../../../tests/models/pair.onnx", "Pair", None));
}

fn check(name: &str, make: impl Fn() -> String) {
    let source = make();
    assert!(source == make(), "not the same code twice");
    assert!(!source.contains(HERE), "the code names this checkout");
    let file = format!("snapshots/{name}.rs.txt");
    let path = Path::new(HERE).join(&file);
    if std::env::var_os("RESNET_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &source).unwrap();
        return;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let diff = TextDiff::from_lines(&expected, &source);
    let diff = diff.unified_diff().header(&file, "now").to_string();
    assert!(source == expected, "if this is meant, run the test with RESNET_BLESS=1\n{diff}");
}
