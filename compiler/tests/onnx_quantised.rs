//! What the graph and `resnetc inspect` say of networks in 8 bits.

#[path = "onnx_support/builder.rs"]
#[expect(dead_code, reason = "bad models take more")]
mod builder;

use std::path::{Path, PathBuf};
use std::process::Command;

use builder::{Builder, int, ints, tensor, typed};
use resnetc::frontend::onnx;
use resnetc::frontend::onnx::proto::TensorProto;
use resnetc::ir::text::{parse, print};
use resnetc::ir::verify::verify;
use resnetc::ir::{Graph, Tensor};
use resnetc::pipeline::{self, Options};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn floats(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto { float_data: values.to_vec(), ..tensor(name, dims, 1) }
}

fn integers(name: &str, kind: i32, dims: &[i64], values: &[i32]) -> TensorProto {
    TensorProto { int32_data: values.to_vec(), ..tensor(name, dims, kind) }
}

/// A convolution between pairs of operators that quantise and dequantise.
fn pairs(folder: &Path) -> PathBuf {
    let model = Builder::new(&[1, 2, 4, 4])
        .with(|graph| {
            graph.initializer.extend([
                floats("scale", &[], &[0.02]),
                integers("zero", 2, &[], &[128]),
                integers("w", 3, &[3, 2, 1, 1], &[1, -2, 3, -4, 5, -128]),
                floats("w_scale", &[3], &[0.5, 0.25, 0.125]),
                integers("w_zero", 3, &[3], &[0, 0, 0]),
                integers("b", 6, &[3], &[100, -100, 7]),
                floats("b_scale", &[3], &[0.01, 0.005, 0.0025]),
            ]);
        })
        .node("QuantizeLinear", &["x", "scale", "zero"], &["q"], vec![])
        .node("DequantizeLinear", &["q", "scale", "zero"], &["d"], vec![])
        .node("DequantizeLinear", &["w", "w_scale", "w_zero"], &["kernel"], vec![int("axis", 0)])
        .node("DequantizeLinear", &["b", "b_scale"], &["bias"], vec![int("axis", 0)])
        .node("Conv", &["d", "kernel", "bias"], &["c"], vec![])
        .node("QuantizeLinear", &["c", "scale", "zero"], &["cq"], vec![])
        .node("DequantizeLinear", &["cq", "scale", "zero"], &["y"], vec![]);
    model.write(folder)
}

/// For each node that is more than floats, its type and what it stands for.
fn said(graph: &Graph) -> Vec<String> {
    let nodes = graph.topological().into_iter().map(|id| graph.node(id)).filter(|node| !node.numbers().is_plain());
    nodes
        .map(|node| {
            let quantisation = node.numbers().quantisation.as_ref().map_or(String::new(), |known| format!(", {known}"));
            format!("{}: {}{quantisation}", node.name, node.numbers().element)
        })
        .collect()
}

fn read_back(graph: &Graph) {
    let text = print(graph);
    let mut large = graph.topological().into_iter().filter_map(|id| graph.value(id)).cloned().collect::<Vec<Tensor>>();
    large.retain(|tensor| tensor.values().len() > resnetc::ir::text::INLINE);
    let mut large = large.into_iter();
    let back = parse(&text, &mut |_, _| large.next()).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    assert_eq!(print(&back), text);
    assert_eq!(said(&back), said(graph));
}

fn inspect(model: &Path, arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_resnetc")).arg("inspect").arg(model).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn weights_and_activations_between_pairs_are_known_by_their_types() {
    let folder = tempfile::tempdir().unwrap();
    let model = pairs(folder.path());
    let (network, _) = onnx::load(&model, None, 1).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(verify(&network.graph), Ok(()));
    let said = said(&network.graph);
    for expected in [
        "kernel: float32, int8 axis 0 scale 0.5 0.25 0.125",
        "bias: float32, int32 axis 0 scale 0.01 0.005 0.0025",
        "QuantizeLinear_0.saturate: uint8, uint8 scale 0.02 zero 128",
        "QuantizeLinear_5.saturate: uint8, uint8 scale 0.02 zero 128",
    ] {
        assert!(said.iter().any(|line| line == expected), "{expected}: {said:#?}");
    }
    read_back(&network.graph);
    let compiled = pipeline::compile(&Options::new(model.to_str().unwrap()), &mut |_| ()).unwrap();
    read_back(&compiled.graph);
    let text = inspect(&model, &[]);
    let line = "quantised: 2 tensors of uint8, 1 of int32, 1 of int8; simulated in f32, which holds integers up to 2^24 exactly (no integer kernels)";
    assert!(text.lines().any(|found| found == line), "{text}");
    assert!(text.lines().any(|row| row.contains("QuantizeLinear_5.saturate") && row.contains(" as uint8")), "{text}");
    let json: serde_json::Value = serde_json::from_str(&inspect(&model, &["--json"])).unwrap();
    assert_eq!(json["quantised"], serde_json::json!({ "int32": 1, "int8": 1, "uint8": 2 }));
    let layers = json["layers"].as_array().unwrap();
    assert_eq!(layers.iter().filter(|layer| layer["element"] == "uint8").count(), 2);
    assert!(layers.iter().any(|layer| layer["element"] == "float32"));
}

#[test]
fn operators_on_integers_tell_their_types() {
    let model = Path::new(ROOT).join("tests/onnx_operators/quantised_gemm.onnx");
    let (network, _) = onnx::load(&model, None, 3).unwrap_or_else(|errors| panic!("{errors}"));
    let said = said(&network.graph);
    let weights = |line: &String| line.contains(": int8, int8 axis 0 scale ");
    assert_eq!(said.iter().filter(|line| weights(line)).count(), 1, "{said:#?}");
    // The scale of the result is its own, though the sums were divided by it before.
    assert!(said.iter().any(|line| line.ends_with(": uint8, uint8 scale 0.02 zero 99")), "{said:#?}");
    assert!(said.iter().any(|line| line.ends_with(": int32")), "{said:#?}");
    read_back(&network.graph);
    let text = inspect(&model, &["--batch", "3"]);
    let line = "quantised: 2 tensors of uint8, 1 of int32, 1 of int8; simulated in f32, which holds integers up to 2^24 exactly (no integer kernels)";
    assert!(text.lines().any(|found| found == line), "{text}");
}

#[test]
fn what_moves_integers_keeps_what_they_stand_for() {
    let folder = tempfile::tempdir().unwrap();
    let model = Builder::new(&[1, 2, 4, 4])
        .with(|graph| {
            graph.initializer.extend([
                floats("scale", &[], &[0.02]),
                integers("zero", 2, &[], &[128]),
                TensorProto { int64_data: vec![1, 2, 8], ..tensor("dims", &[3], 7) },
            ]);
            graph.output.push(typed("flat", &[1, 2, 8]));
        })
        .node("QuantizeLinear", &["x", "scale", "zero"], &["q"], vec![])
        .node("MaxPool", &["q"], &["pooled"], vec![ints("kernel_shape", &[2, 1]), ints("strides", &[2, 1])])
        .node("Transpose", &["pooled"], &["moved"], vec![ints("perm", &[0, 2, 3, 1])])
        .node("Concat", &["moved", "moved", "moved"], &["joined"], vec![int("axis", 0)])
        .node("Reshape", &["pooled", "dims"], &["flat"], vec![])
        .node("DequantizeLinear", &["joined", "scale", "zero"], &["y"], vec![]);
    let (network, _) = onnx::load(&model.write(folder.path()), None, 1).unwrap_or_else(|errors| panic!("{errors}"));
    let said = said(&network.graph);
    for node in ["MaxPool_1", "Transpose_2", "Concat_3.1.joined", "flat.reshape"] {
        let line = format!("{node}: uint8, uint8 scale 0.02 zero 128");
        assert!(said.contains(&line), "{line}: {said:#?}");
    }
}

#[test]
fn networks_of_floats_have_nothing_to_tell() {
    let model = Path::new(ROOT).join("tests/onnx_operators/conv_bias.onnx");
    let (network, _) = onnx::load(&model, None, 1).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(said(&network.graph), Vec::<String>::new());
    assert!(!inspect(&model, &[]).contains("quantised"));
    let json: serde_json::Value = serde_json::from_str(&inspect(&model, &["--json"])).unwrap();
    assert_eq!(json["quantised"], serde_json::json!({}));
}
