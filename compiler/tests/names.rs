//! Names of tensors: every scheme, maps from names of one's own, and parts of other networks.

use std::collections::BTreeMap;
use std::path::Path;

use resnetc::frontend::source::Source;
use resnetc::frontend::weights::seeded;
use resnetc::frontend::yaml::spec::Scheme;
use resnetc::frontend::{self, Changes, Network, WeightSource, shipped, yaml};
use resnetc::ir::interpreter::{self, Values};
use safetensors::Dtype;
use safetensors::tensor::TensorView;

fn named(spec: &str, scheme: Scheme) -> Vec<String> {
    let changes = Changes::default();
    let reading = yaml::Reading { batch: 1, changes: &changes, scheme: Some(scheme) };
    let (described, _) = yaml::describe_as(&Source::Shipped(shipped::spec(spec).unwrap()), reading).unwrap();
    described.resolution.requests.into_iter().map(|request| request.name).collect()
}

/// As the libraries write them.
#[test]
fn every_scheme_has_the_names_of_its_library() {
    for (spec, scheme, names) in [
        (
            "resnet50",
            Scheme::HuggingFace,
            [
                "resnet.embedder.embedder.convolution.weight",
                "resnet.embedder.embedder.normalization.running_var",
                "resnet.encoder.stages.0.layers.0.shortcut.convolution.weight",
                "resnet.encoder.stages.3.layers.2.layer.2.normalization.bias",
                "classifier.1.weight",
            ]
            .as_slice(),
        ),
        (
            "resnet50",
            Scheme::Torchvision,
            &["conv1.weight", "bn1.running_mean", "layer1.0.downsample.0.weight", "layer4.2.bn3.bias", "fc.weight"],
        ),
        (
            "timm-resnet50d",
            Scheme::Torchvision,
            &["conv1.6.weight", "conv1.4.running_var", "layer1.0.downsample.1.weight", "layer2.0.downsample.2.bias"],
        ),
        ("timm-seresnet50", Scheme::Torchvision, &["layer3.5.se.fc1.weight", "layer1.0.se.fc2.bias"]),
        (
            "timm-resnetv2_50",
            Scheme::TimmResnetv2,
            &[
                "stem.conv.weight",
                "stages.0.blocks.0.norm1.weight",
                "stages.0.blocks.0.downsample.conv.weight",
                "stages.3.blocks.2.norm3.running_var",
                "norm.bias",
                "head.fc.weight",
            ],
        ),
        (
            "keras-resnet101v2",
            Scheme::Keras,
            &[
                "conv1_conv/bias",
                "conv4_block23_preact_bn/gamma",
                "conv2_block1_0_conv/bias",
                "post_bn/moving_mean",
                "predictions/kernel",
            ],
        ),
        (
            "keras-inception-resnet-v2",
            Scheme::KerasNumbered,
            &[
                "conv2d/kernel",
                "conv2d_202/kernel",
                "batch_normalization_202/beta",
                "block17_20_conv/bias",
                "block8_10_conv/kernel",
                "conv_7b_bn/beta",
            ],
        ),
    ] {
        let found = named(spec, scheme);
        for name in names {
            assert!(found.iter().any(|found| found == name), "{spec} has no `{name}`");
        }
    }
}

const SMALL: &str = "spec: resnet/1
name: small
input: {shape: [N, 3, 8, 8]}
stem: [conv: {channels: 8, kernel: 3}, batch_norm, activation]
stages: {block: basic, depth: [1, 2], width: [8, 12], stride: [1, 2]}
head: [global_average_pool, flatten, dense: {units: 3}]
";

/// A file with the tensors that a spec asks for, their names rewritten; the values are those of the torchvision names, whatever the file calls them.
fn write(spec: &Path, scheme: Scheme, file: &Path, rename: impl Fn(&str) -> String) {
    let changes = Changes::default();
    let described = |scheme| {
        let reading = yaml::Reading { batch: 1, changes: &changes, scheme: Some(scheme) };
        yaml::describe_as(&Source::File(spec), reading).unwrap().0.resolution.requests
    };
    let tensors = seeded::tensors(&described(Scheme::Torchvision), 3);
    let bytes: BTreeMap<String, (Vec<usize>, Vec<u8>)> = described(scheme)
        .iter()
        .zip(&tensors)
        .map(|(request, tensor)| {
            let bytes = tensor.values().iter().flat_map(|value| value.to_le_bytes()).collect();
            (rename(&request.name), (tensor.shape().0.clone(), bytes))
        })
        .collect();
    let views =
        bytes.iter().map(|(name, (shape, bytes))| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    std::fs::write(file, safetensors::serialize(views, None).unwrap()).unwrap();
}

fn result(network: &Network) -> Vec<f64> {
    let graph = &network.graph;
    let input = graph.inputs()[0];
    let values = (0..graph.node(input).shape().len()).map(|index| (index % 11) as f64 / 5.0 - 1.0).collect();
    interpreter::run(graph, &Values::from([(input, values)])).unwrap()[&graph.outputs()[0].node].clone()
}

#[test]
fn files_of_other_names_are_read_alike() {
    let folder = tempfile::tempdir().unwrap();
    let (spec, file) = (folder.path().join("small.yaml"), folder.path().join("w.safetensors"));
    std::fs::write(&spec, SMALL).unwrap();
    let load = || {
        frontend::load(spec.to_str().unwrap(), Some(&WeightSource::File(file.clone())), 1).map(|(network, _)| network)
    };
    write(&spec, Scheme::Torchvision, &file, str::to_owned);
    let expected = result(&load().unwrap());
    write(&spec, Scheme::HuggingFace, &file, str::to_owned);
    assert_eq!(result(&load().unwrap()), expected);

    // Names of one's own, with a map.
    write(&spec, Scheme::Torchvision, &file, |name| {
        name.replace("layer1.", "stage0.").replace("layer2.", "stage1.").replace("fc.", "classifier.")
    });
    let problems = load().unwrap_err().to_string();
    assert!(problems.contains("E-WNAME") && problems.contains("the file has `stage1.0.conv1.weight`"), "{problems}");
    let map = "weights: {names: {map: {\"stage{s-1}.{rest*}\": \"layer{s}.{rest*}\", \"classifier.{leaf*}\": \"fc.{leaf*}\"}}}\n";
    std::fs::write(&spec, format!("{SMALL}{map}")).unwrap();
    assert_eq!(result(&load().unwrap()), expected);
}

#[test]
fn a_part_of_another_network_computes_what_it_does_alone() {
    let folder = tempfile::tempdir().unwrap();
    let spec = folder.path().join("whole.yaml");
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/weights/cifar-resnet20.safetensors");
    let (alone, _) = frontend::load("cifar-resnet20", None, 1).unwrap();
    std::fs::write(
        &spec,
        "spec: resnet/1\nname: whole\ninput: {shape: [N, 3, 32, 32]}\ngraph: {scores: [network: cifar-resnet20]}\noutput: {}\n",
    )
    .unwrap();
    let load = |weights| frontend::load(spec.to_str().unwrap(), Some(&weights), 1).unwrap().0;
    let expected = result(&alone);
    assert_eq!(result(&load(WeightSource::File(weights))), expected);

    // Its tensors with a name before theirs, and a head of our own behind its features.
    std::fs::write(
        &spec,
        "spec: resnet/1\nname: whole\ninput: {shape: [N, 3, 32, 32]}
graph: {features: [network: {use: cifar-resnet20, name: backbone, include_top: false, pooling: avg}]}
head: [dense: {units: 4, name: own}]
",
    )
    .unwrap();
    let (described, _) = yaml::describe(&Source::File(&spec), 1).unwrap();
    let names: Vec<&str> = described.resolution.requests.iter().map(|request| request.name.as_str()).collect();
    assert!(names.contains(&"backbone.layer3.2.bn2.running_var") && names.contains(&"own.bias"), "{names:?}");
    assert!(!names.iter().any(|name| name.contains("fc")));
    assert_eq!(described.resolution.outputs[0].shape.0, [1, 4]);
}
