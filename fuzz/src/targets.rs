//! One function per kind of file: any bytes give a result or an error, and a result holds what it promises.
//!
//! `fuzz/targets` hands them what libFuzzer makes up, `tests/tests/corpus.rs` the committed corpus.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use quote::{format_ident, quote};
use resnet::app::{self, preprocess};
use resnetc::codegen::{Item, Weights};
use resnetc::frontend::source::Source;
use resnetc::frontend::weights::file;
use resnetc::frontend::{Network, WeightSource, onnx, yaml};
use resnetc::ir::text::{parse, print};
use resnetc::ir::verify::verify;
use resnetc::ir::{Graph, Op};
use resnetc::pipeline::{self, Options};
use resnetc::{Diagnostics, passes};

#[path = "../../runtime/tests/app_support/mod.rs"]
mod app_support;

/// Values of all nodes of a graph that is compiled: more would only take longer.
const SMALL: usize = 1 << 16;

/// A target by its name, which is the name of its folder of the corpus.
pub type Target = fn(&[u8]);

/// Every target.
pub const ALL: [(&str, Target); 9] = [
    ("yaml", yaml),
    ("onnx", onnx),
    ("safetensors", safetensors),
    ("npz", npz),
    ("pytorch", pytorch),
    ("hdf5", hdf5),
    ("npy", npy),
    ("picture", picture),
    ("ir_text", ir_text),
];

/// A file of this content, in a folder that has nothing else.
fn written(name: &str, data: &[u8]) -> PathBuf {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let path = FOLDER.get_or_init(|| tempfile::tempdir().unwrap()).path().join(name);
    std::fs::write(&path, data).unwrap();
    path
}

/// Errors have a code that is explained, and say something.
fn told(problems: &Diagnostics) {
    assert!(!problems.0.is_empty());
    for problem in &problems.0 {
        assert!(resnetc::diagnostic::codes::find(problem.code).is_some(), "{}", problem.code);
        assert!(!problem.message.is_empty());
    }
}

fn elements(graph: &Graph) -> usize {
    graph.ids().map(|id| graph.node(id).shape().len()).fold(0, usize::saturating_add)
}

/// A network as code: whatever it is called, the code is Rust with nothing in it but what every network has.
fn compiled(network: Network) {
    if elements(&network.graph) > SMALL || network.graph.len() > 200 {
        return;
    }
    let compiled = match pipeline::compile_network(network, &Options::new(""), &mut |_| {}) {
        Ok(compiled) => compiled,
        Err(problems) => return told(&problems),
    };
    let item = Item {
        attributes: quote!(),
        visibility: quote!(pub),
        name: format_ident!("Net"),
        runtime: quote!(::resnet),
        weights: Weights::Runtime,
    };
    let file = syn::parse_file(&compiled.source(&item)).unwrap();
    for item in file.items {
        match item {
            syn::Item::Struct(item) => assert!(item.ident == "Net" || item.ident == "NetOutputs"),
            syn::Item::Const(item) => assert_eq!(item.ident, "_"),
            _ => panic!("an item that no network has"),
        }
    }
}

/// A spec; with seeded weights, a network.
pub fn yaml(data: &[u8]) {
    let path = written("fuzzed.yaml", data);
    let described = match yaml::describe(&Source::File(&path), 1) {
        Ok((described, _)) => described,
        Err(problems) => return told(&problems),
    };
    let sizes = described.resolution.requests.iter().map(|request| request.shape.len());
    let maps = described.resolution.layers.iter().map(|layer| layer.shape.len());
    if sizes.chain(maps).fold(0, usize::saturating_add) > SMALL {
        return;
    }
    match yaml::load(&Source::File(&path), Some(&WeightSource::Seed(1)), 1, &Default::default()) {
        Ok((network, _)) => compiled(network),
        Err(problems) => told(&problems),
    }
}

/// An ONNX model, as a network and as a file of weights.
pub fn onnx(data: &[u8]) {
    let path = written("fuzzed.onnx", data);
    match onnx::load(&path, None, 1) {
        Ok((network, _)) => compiled(network),
        Err(problems) => told(&problems),
    }
    weights("fuzzed.onnx", data);
}

/// Any file of weights: its content tells the format.
fn weights(name: &str, data: &[u8]) {
    match file::parse(Path::new(name), Cow::Owned(data.to_vec())) {
        Ok(file) => {
            for tensor in file.tensors.values().filter(|tensor| tensor.shape.len() <= 1 << 24) {
                if let Ok(values) = file.values(tensor) {
                    assert_eq!(values.len(), tensor.shape.len());
                }
            }
        }
        Err(problems) => told(&problems),
    }
}

/// Weights of safetensors, and their index.
pub fn safetensors(data: &[u8]) {
    weights("absent/fuzzed.safetensors", data);
}

/// Weights of NumPy.
pub fn npz(data: &[u8]) {
    weights("absent/fuzzed.npz", data);
}

/// Weights of PyTorch: a zip of a pickle and its values, or the older form.
pub fn pytorch(data: &[u8]) {
    weights("absent/fuzzed.pt", data);
}

/// Weights of Keras.
pub fn hdf5(data: &[u8]) {
    weights("absent/fuzzed.h5", data);
}

/// A tensor that a program reads.
pub fn npy(data: &[u8]) {
    let path = written("fuzzed.npy", data);
    let out = path.with_extension("out");
    let arguments = ["tensor", path.to_str().unwrap(), out.to_str().unwrap()];
    let (code, _, problem) = app_support::colors(&arguments);
    if code == 0 {
        std::fs::remove_file(&out).unwrap();
    } else {
        assert!(code == 1 && problem.starts_with("error: "), "{code}: {problem}");
        assert!(!out.exists(), "a file that is half written");
    }
}

/// A picture that a program reads.
pub fn picture(data: &[u8]) {
    let path = written("fuzzed.png", data);
    match app::decode(&path) {
        Ok(picture) => {
            assert_eq!(picture.pixels.len(), picture.width * picture.height * 3);
            if picture.pixels.len() < SMALL {
                let mut rules = app_support::RULES;
                let _ = preprocess::resize(&picture, &rules);
                rules.antialias = false;
                let _ = preprocess::resize(&picture, &rules);
            }
        }
        Err(problem) => assert!(!problem.found.is_empty() && !problem.expected.is_empty(), "{problem}"),
    }
}

/// A graph as text: what is read prints to what reads as the same; the passes take it.
pub fn ir_text(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let graph = match parse(text, &mut |_, _| None) {
        Ok(graph) => graph,
        Err(problems) => return told(&problems),
    };
    let printed = print(&graph);
    if graph.ids().all(|id| graph.value(id).is_none_or(|tensor| tensor.values().len() <= resnetc::ir::text::INLINE)) {
        assert_eq!(print(&parse(&printed, &mut |_, _| None).unwrap()), printed);
    }
    if verify(&graph).is_err() || elements(&graph) > SMALL {
        return;
    }
    let mut rewritten = graph.clone();
    if passes::run(&mut rewritten, &Default::default()).is_ok() {
        assert_eq!(verify(&rewritten), Ok(()));
    }
    let is_network = graph.inputs().len() == 1
        && graph.outputs().iter().all(|output| !matches!(graph.node(output.node).op(), Op::Constant(_)));
    if is_network {
        compiled(Network {
            name: "fuzzed".to_owned(),
            description: String::new(),
            graph,
            preprocess: None,
            labels: Vec::new(),
            parameters: 0,
            files: Vec::new(),
            weights: String::new(),
        });
    }
}
