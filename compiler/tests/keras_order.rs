//! Keras' order of layers, and files that are read by it. `reference/make_weights.py` wrote the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use resnetc::frontend::source::Source;
use resnetc::frontend::{self, WeightSource, shipped, yaml};
use resnetc::ir::interpreter::{self, Values};

/// The layers with weights of a shipped spec, in Keras' order: what their first tensor belongs to.
fn order(spec: &str) -> Vec<String> {
    let (described, _) = yaml::describe(&Source::Shipped(shipped::spec(spec).unwrap()), 1).unwrap();
    let resolution = described.resolution;
    let layer = |name: &str| name.split('/').next().unwrap().to_owned();
    resolution.weighted.iter().map(|weighted| layer(&resolution.requests[weighted.tensors.start].name)).collect()
}

fn after<'a>(order: &'a [String], name: &str, count: usize) -> Vec<&'a str> {
    let begin = order.iter().position(|layer| layer == name).unwrap() + 1;
    order[begin..begin + count].iter().map(String::as_str).collect()
}

/// keras.io calls these numbers depth.
#[test]
fn models_have_as_many_layers_with_weights_as_keras_says() {
    for (spec, layers) in [
        ("keras-resnet50", 107),
        ("keras-resnet101", 209),
        ("keras-resnet152", 311),
        ("keras-resnet50v2", 103),
        ("keras-resnet101v2", 205),
        ("keras-resnet152v2", 307),
        ("keras-inception-resnet-v2", 449),
    ] {
        assert_eq!(order(spec).len(), layers, "{spec}");
    }
}

#[test]
fn branches_stand_by_their_depth() {
    let block = |names: [&str; 8]| names.map(|name| format!("conv2_block1_{name}"));
    let v1 = order("keras-resnet50");
    let expected = ["1_conv", "1_bn", "2_conv", "2_bn", "0_conv", "3_conv", "0_bn", "3_bn"];
    assert_eq!(after(&v1, "conv1_bn", 8), block(expected));
    let v2 = order("keras-resnet50v2");
    let expected = ["preact_bn", "1_conv", "1_bn", "2_conv", "2_bn", "0_conv", "3_conv"];
    assert_eq!(after(&v2, "conv1_conv", 7), expected.map(|name| format!("conv2_block1_{name}")));
    let inception = order("keras-inception-resnet-v2");
    let expected = [
        "conv2d_8",
        "batch_normalization_8",
        "conv2d_6",
        "conv2d_9",
        "batch_normalization_6",
        "batch_normalization_9",
        "conv2d_5",
        "conv2d_7",
        "conv2d_10",
        "conv2d_11",
        "batch_normalization_5",
    ];
    assert_eq!(after(&inception, "batch_normalization_4", 11), expected);
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights").join(name)
}

/// The network of the files. `order` is that of its two branches, and so of the numbers of their layers.
fn spec(branches: [&str; 2], gamma: bool) -> String {
    format!(
        "spec: resnet/1
name: small
input: {{name: image, shape: [N, 3, 8, 8], layout: nhwc}}
defaults: {{conv: {{padding: same}}, batch_norm: {{epsilon: 1.0e-3}}}}
graph:
  stem: [conv: {{channels: 4, kernel: 3, name: stem_conv}}, batch_norm: {{name: stem_bn}}, activation]
  {}
  {}
  sum: [from: [shortcut, branch], add]
head: [global_average_pool, flatten, dense: {{units: 3, name: predictions}}]
weights: {{names: keras_numbered}}
",
        branches[0],
        branches[1].replace("GAMMA", if gamma { "true" } else { "false" }),
    )
}

const SHORTCUT: &str = "shortcut: [from: stem, conv: {channels: 6, kernel: 1, stride: 2, bias: true}]";
const BRANCH: &str = "branch: [from: stem, conv: {channels: 6, kernel: 3, stride: 2, bias: true}, batch_norm: {gamma: GAMMA}, activation]";

/// What the network makes of an input with the weights of a file, or what is wrong.
fn result(spec: &str, weights: &str) -> Result<Vec<f64>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.yaml");
    std::fs::write(&path, spec).unwrap();
    let weights = WeightSource::File(fixture(weights));
    let (network, _) =
        frontend::load(path.to_str().unwrap(), Some(&weights), 1).map_err(|problems| problems.to_string())?;
    let graph = &network.graph;
    let input: Vec<f64> = (0..3 * 8 * 8).map(|index| f64::from(index % 7) - 3.0).collect();
    let values = interpreter::run(graph, &Values::from([(graph.inputs()[0], input)])).unwrap();
    Ok(values[&graph.outputs()[0].node].clone())
}

#[test]
fn files_are_read_by_order_where_names_say_nothing() {
    let as_made = spec([SHORTCUT, &BRANCH.replace("GAMMA", "false")], false);
    let expected = result(&as_made, "plain.safetensors").unwrap();
    // Numbered the other way round, every name of the branches means another layer.
    let turned = spec([&BRANCH.replace("GAMMA", "false"), SHORTCUT], false);
    let mut results = BTreeMap::new();
    for (name, spec) in [("as made", &as_made), ("turned", &turned)] {
        for file in [
            "weights.h5",
            "model.h5",
            "keras2.h5",
            "keras3.weights.h5",
            "model.keras",
            "nameless.keras",
            "nameless.weights.h5",
        ] {
            results.insert(
                format!("{file}, {name}"),
                result(spec, file).unwrap_or_else(|problems| panic!("{file}, {name}: {problems}")),
            );
        }
    }
    for (case, found) in results {
        assert_eq!(found, expected, "{case}");
    }
    // A file that has no order is read by its names alone.
    assert!(result(&turned, "plain.safetensors").unwrap_err().contains("E-WSHAPE"));
}

#[test]
fn an_order_that_does_not_fit_is_told() {
    let with_gamma = spec([SHORTCUT, &BRANCH.replace("GAMMA", "true")], true);
    let text = result(&with_gamma, "nameless.weights.h5").unwrap_err();
    assert!(
        text.starts_with("error[E-WORDER]: ")
            && text.contains("has 3 tensors")
            && text.contains("batch_normalization with 4"),
        "{text}"
    );
    let longer = spec(
        [
            SHORTCUT,
            "branch: [from: stem, conv: {channels: 6, kernel: 3, stride: 2, bias: true}, conv: {channels: 6, kernel: 3, bias: true}, batch_norm: {gamma: false}]",
        ],
        false,
    );
    let text = result(&longer, "nameless.weights.h5").unwrap_err();
    assert!(
        text.contains("E-WORDER") && text.contains("the file has 3 layers of the class conv2d, the network has 4"),
        "{text}"
    );
}
