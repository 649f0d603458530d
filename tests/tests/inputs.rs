//! Types with several inputs, against the interpreter.

use std::ffi::OsString;

use resnet::{Error, Model, Options, Tensor};
use resnetc::ir::{Op, interpreter};
use resnetc::pipeline;

const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/models/pair.onnx");

resnet::resnet! {
    /// Two pictures and a vector.
    pub struct Pair { model: "models/pair.onnx" }
}

resnet::resnet! {
    /// Three of each.
    struct Three { model: "models/pair.onnx", batch: 3 }
}

type Picture = [[[f32; 16]; 16]; 3];

fn picture(seed: usize) -> Picture {
    let value = |index: usize| ((index * 37 + seed * 61) % 101) as f32 / 50.0 - 1.0;
    std::array::from_fn(|c| std::array::from_fn(|y| std::array::from_fn(|x| value((c * 16 + y) * 16 + x))))
}

/// The outputs, as the interpreter computes them from the model before any pass.
fn expected(batch: usize, given: &[&[f32]]) -> Vec<Vec<f64>> {
    let options = pipeline::Options { batch, ..pipeline::Options::new(MODEL) };
    let graph = pipeline::compile(&options, &mut |_| ()).unwrap_or_else(|problems| panic!("{problems}")).network.graph;
    assert_eq!(graph.inputs().len(), given.len());
    let logical = |(id, values): (_, &&[f32])| {
        let Op::Input(layout) = graph.node(id).op() else { panic!("an input") };
        (id, interpreter::logical(*layout, graph.node(id).shape(), values).unwrap())
    };
    let values = interpreter::run(&graph, &graph.inputs().into_iter().zip(given).map(logical).collect()).unwrap();
    graph.outputs().iter().map(|output| values[&output.node].clone()).collect()
}

fn check(found: &[f32], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    assert!(largest > 0.01, "{what} says nothing");
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() <= 1e-5 * largest, "{what}: {found}, not {expected}");
    }
}

#[test]
fn each_input_is_an_argument_of_its_shape() {
    let (left, right, kind) = ([picture(1)], [picture(2)], [[0.5, -1.0, 2.0]]);
    let expected = expected(1, &[left.flat(), right.flat(), kind.flat()]);
    let mut pair = Pair::with_options(Options { threads: Some(2) }).unwrap();
    let outputs = pair.infer(&left, &right, &kind);
    let distance: &[[f32; 1]; 1] = outputs.distance;
    check(distance.flat(), &expected[0], "distance");
    check(outputs.scores.flat(), &expected[1], "scores");

    // One after another, they are the same.
    let (distance, scores) = (*outputs.distance, *outputs.scores);
    let together = [left.flat(), right.flat(), kind.flat()].concat();
    let outputs = Model::run(&mut pair, &together).unwrap();
    assert_eq!((outputs.get(0), outputs.get(1)), (Some(distance.flat()), Some(scores.flat())));
    assert_eq!(pair.infer(&right, &left, &kind).distance, &distance);
}

#[test]
fn inputs_are_described() {
    let found: Vec<_> = Pair::INPUTS.iter().map(|input| (input.name, input.shape, input.channels_last)).collect();
    let expected: [(&str, &[usize], bool); 3] =
        [("left", &[1, 3, 16, 16], false), ("right", &[1, 3, 16, 16], false), ("type", &[1, 3], false)];
    assert_eq!(found, expected);
    assert_eq!(Pair::NETWORK.input_length(), 2 * 768 + 3);
    let short = Pair::new().unwrap().run(&[0.0; 2 * 768]).map(|_| ());
    assert_eq!(short, Err(Error::InputLength { found: 1536, expected: 1539 }));
}

#[test]
fn batches_have_so_many_of_each() {
    let (left, right) = ([picture(1), picture(2), picture(3)], [picture(4), picture(5), picture(1)]);
    let kind = [[0.5, -1.0, 2.0], [1.0, 0.0, 0.0], [-3.0, 1.0, 0.25]];
    let expected = expected(3, &[left.flat(), right.flat(), kind.flat()]);
    let mut three = Three::new().unwrap();
    let outputs = three.infer(&left, &right, &kind);
    check(outputs.distance.flat(), &expected[0], "distance");
    check(outputs.scores.flat(), &expected[1], "scores");
}

/// A `.npy` file.
fn npy(shape: &str, values: &[f32]) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

fn program(arguments: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let all = std::iter::once("pair").chain(arguments.iter().copied()).map(OsString::from);
    let code = resnet::app::run::<Pair>(all, &mut out, &mut err, false);
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

#[test]
fn programs_read_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(at("in")).unwrap();
    let (left, right, kind) = ([picture(1)], [picture(2)], [[0.5, -1.0, 2.0]]);
    std::fs::write(at("in/left.npy"), npy("(1, 3, 16, 16)", left.flat())).unwrap();
    std::fs::write(at("in/right.npy"), npy("(1, 3, 16, 16)", right.flat())).unwrap();
    let (code, _, err) = program(&["tensor", &at("in"), &at("out")]);
    assert!(code == 1 && err.contains("type.npy: no such file"), "{err}");
    std::fs::write(at("in/type.npy"), npy("(1, 4)", &[0.0; 4])).unwrap();
    let (code, _, err) = program(&["tensor", &at("in"), &at("out")]);
    assert!(code == 1 && err.contains("type.npy: a tensor of shape [1, 4]") && err.contains("[1, 3]"), "{err}");
    std::fs::write(at("in/type.npy"), npy("(1, 3)", kind.flat())).unwrap();
    assert_eq!(program(&["tensor", &at("in"), &at("out")]), (0, String::new(), String::new()));
    let scores = std::fs::read(at("out/scores.npy")).unwrap();
    let scores: Vec<f32> = scores[128..].as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect();
    assert_eq!(Pair::new().unwrap().infer(&left, &right, &kind).scores.flat(), scores);

    let (code, _, err) = program(&["tensor", &at("in/left.npy"), &at("out")]);
    assert!(code == 1 && err.contains("no folder") && err.contains("left.npy, right.npy, type.npy"), "{err}");
    let (code, _, err) = program(&["cat.png"]);
    assert!(code == 2 && err.contains("tensor"), "{err}");
    let (code, info, _) = program(&["info", "--json"]);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    assert_eq!((code, &info["inputs"][2]["name"], &info["inputs"][2]["layout"]), (0, &"type".into(), &().into()));
    let info = program(&["info"]).1;
    assert!(info.contains("left [1, 3, 16, 16] NCHW") && info.contains("type [1, 3]\n"), "{info}");
    assert_eq!(program(&["bench", "--seconds", "0.01"]).0, 0);
}
