//! What sets the members of the family apart where they look alike: each test fails for who takes one for the other.

use std::collections::BTreeSet;

use resnetc::frontend::{self, Color, Network, WeightSource, shipped};
use resnetc::ir::interpreter::{self, Values};
use resnetc::ir::{Conv, Graph, NodeId, Op, Padding};
use resnetc::passes;

fn load(model: &str) -> Network {
    frontend::load(model, Some(&WeightSource::Seed(1)), 1).unwrap_or_else(|problems| panic!("{problems}")).0
}

fn node(graph: &Graph, name: &str) -> NodeId {
    graph.ids().find(|id| graph.node(*id).name == name).unwrap_or_else(|| panic!("no `{name}`"))
}

fn conv<'a>(graph: &'a Graph, name: &str) -> &'a Conv {
    match graph.node(node(graph, name)).op() {
        Op::Conv(conv) => conv,
        other => panic!("`{name}` is {other:?}"),
    }
}

fn strides(graph: &Graph, names: [&str; 3]) -> [usize; 3] {
    names.map(|name| conv(graph, name).stride[0])
}

#[test]
fn the_stride_stands_where_each_library_has_it() {
    let v1 = load("keras-resnet50").graph;
    assert_eq!(strides(&v1, ["conv3_block1_1_conv", "conv3_block1_2_conv", "conv3_block1_0_conv"]), [2, 1, 2]);
    let caffe = load("caffe-resnet50").graph;
    assert_eq!(strides(&caffe, ["res3a_branch2a", "res3a_branch2b", "res3a_branch1"]), [2, 1, 2]);
    let v15 = load("resnet50").graph;
    assert_eq!(strides(&v15, ["layer2.0.conv1", "layer2.0.conv2", "layer2.0.downsample.0"]), [1, 2, 2]);
    // Keras' v2 has it in the last block of the first three stages, and only skips pixels beside it.
    let v2 = load("keras-resnet50v2").graph;
    assert_eq!(strides(&v2, ["conv2_block1_2_conv", "conv2_block3_2_conv", "conv5_block3_2_conv"]), [1, 2, 1]);
    assert_eq!(conv(&v2, "conv2_block1_0_conv").stride, [1, 1]);
    assert_eq!(v2.node(node(&v2, "conv2_block3_subsample")).op(), &Op::Subsample { stride: [2, 2] });
    let timm = load("timm-resnetv2_50").graph;
    let names = ["stages.1.blocks.0.conv1", "stages.1.blocks.0.conv2", "stages.1.blocks.0.downsample.conv"];
    assert_eq!(strides(&timm, names), [1, 2, 2]);
    let cifar = load("cifar-preactivation-resnet164").graph;
    assert_eq!(strides(&cifar, ["layer2.0.conv1", "layer2.0.conv2", "layer2.0.downsample.0"]), [2, 1, 2]);
}

/// The result of a graph with one input on values that are all below zero, before and after the passes.
fn below_zero(graph: &Graph) -> [Vec<f64>; 2] {
    let run = |graph: &Graph| {
        let input = graph.inputs()[0];
        let values = vec![-1.0; graph.node(input).shape().len()];
        let result = interpreter::run(graph, &Values::from([(input, values)])).unwrap();
        result[&graph.outputs()[0].node].clone()
    };
    let mut rewritten = graph.clone();
    passes::run(&mut rewritten, &Default::default()).unwrap();
    [run(graph), run(&rewritten)]
}

fn written(text: &str) -> Graph {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("small.yaml");
    std::fs::write(&path, format!("spec: resnet/1\nname: small\ninput: {{shape: [N, 1, 4, 4]}}\noutput: {{}}\n{text}"))
        .unwrap();
    frontend::load(path.to_str().unwrap(), Some(&WeightSource::Seed(1)), 1)
        .unwrap_or_else(|problems| panic!("{problems}"))
        .0
        .graph
}

#[test]
fn zeros_around_a_pool_win_over_values_below_them() {
    let zeros = written("graph: {out: [zero_pad: 1, max_pool: {kernel: 3, stride: 1}]}\n");
    for found in below_zero(&zeros) {
        assert_eq!(found[0], 0.0);
        assert_eq!(found[5], -1.0);
    }
    // Padding of the pool itself never does.
    let padding = written("graph: {out: [max_pool: {kernel: 3, stride: 1, padding: 1}]}\n");
    for found in below_zero(&padding) {
        assert!(found.iter().all(|value| *value == -1.0), "{found:?}");
    }
    let v2 = load("keras-resnet50v2").graph;
    let pool = v2.ids().find(|id| matches!(v2.node(*id).op(), Op::MaxPool(_))).unwrap();
    let before = v2.operands(pool)[0];
    assert!(matches!(v2.node(before).op(), Op::Pad(pad) if pad.spatial == Padding::same(1)));
    assert!(matches!(v2.node(v2.operands(before)[0]).op(), Op::Conv(conv) if conv.bias && conv.activation.is_none()));
    let mut rewritten = v2.clone();
    passes::run(&mut rewritten, &Default::default()).unwrap();
    let kept =
        rewritten.ids().any(|id| matches!(rewritten.node(id).op(), Op::Pad(pad) if pad.spatial == Padding::same(1)));
    assert!(kept, "the zeros before the pool are gone");
}

#[test]
fn caffe_rounds_the_pool_up() {
    let graph = load("caffe-resnet50").graph;
    let pool = graph.ids().find(|id| matches!(graph.node(*id).op(), Op::MaxPool(_))).unwrap();
    let Op::MaxPool(attributes) = graph.node(pool).op() else { unreachable!() };
    assert!(attributes.ceil_mode && attributes.padding == Padding::default());
    assert_eq!(graph.node(pool).shape().0, [1, 64, 56, 56]);
}

#[test]
fn pictures_are_prepared_as_in_training() {
    let rules = |model: &str| load(model).preprocess.unwrap();
    for model in ["keras-resnet50", "keras-resnet152", "caffe-resnet50"] {
        let rules = rules(model);
        assert_eq!(
            (rules.color, rules.scale, rules.mean, rules.std),
            (Color::Bgr, 1.0, [103.939, 116.779, 123.68], [1.0; 3])
        );
    }
    for model in ["keras-resnet50v2", "keras-inception-resnet-v2"] {
        let rules = rules(model);
        assert_eq!((rules.color, rules.mean, rules.std), (Color::Rgb, [1.0; 3], [1.0; 3]));
        assert!((rules.scale - 1.0 / 127.5).abs() < 1e-15);
    }
    let torch = rules("resnet50");
    assert_eq!((torch.color, torch.mean, torch.std), (Color::Rgb, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]));
    assert_eq!(rules("timm-resnetv2_50").mean, [0.5; 3]);
    assert_eq!(rules("mlperf-tiny-resnet8").scale, 1.0);
}

#[test]
fn every_library_has_its_epsilon() {
    for (model, expected) in [
        ("resnet18", 1e-5),
        ("timm-seresnet50", 1e-5),
        ("keras-resnet50", 1.001e-5),
        ("keras-resnet50v2", 1.001e-5),
        ("keras-inception-resnet-v2", 1e-3),
        ("mlperf-tiny-resnet8", 1e-3),
    ] {
        let graph = load(model).graph;
        for id in graph.ids() {
            if let Op::BatchNorm(norm) = graph.node(id).op() {
                assert_eq!(norm.epsilon, expected, "{model}");
            }
        }
    }
}

#[test]
fn biases_stand_where_each_library_has_them() {
    let biased = |model: &str| -> BTreeSet<String> {
        let graph = load(model).graph;
        let has = |id: &NodeId| matches!(graph.node(*id).op(), Op::Conv(conv) if conv.bias);
        graph.ids().filter(has).map(|id| graph.node(id).name.clone()).collect()
    };
    let convs = |model: &str| {
        let graph = load(model).graph;
        graph.ids().filter(|id| matches!(graph.node(*id).op(), Op::Conv(_))).count()
    };
    assert_eq!(biased("resnet50").len(), 0);
    assert_eq!(biased("caffe-resnet50").into_iter().collect::<Vec<_>>(), ["conv1"]);
    assert_eq!(biased("caffe-resnet101").len(), 0);
    assert_eq!((biased("keras-resnet50").len(), convs("keras-resnet50")), (53, 53));
    let v2 = biased("keras-resnet50v2");
    assert!(v2.iter().all(|name| name == "conv1_conv" || name.ends_with("_3_conv") || name.ends_with("_0_conv")));
    assert_eq!(v2.len(), 1 + 16 + 4);
    let inception = biased("keras-inception-resnet-v2");
    assert!(inception.iter().all(|name| name.starts_with("block") && name.ends_with("_conv")), "{inception:?}");
    assert_eq!((inception.len(), convs("keras-inception-resnet-v2")), (40, 244));
}

#[test]
fn inception_scales_its_residuals_behind_their_bias_and_has_no_gamma() {
    let graph = load("keras-inception-resnet-v2").graph;
    let mut factors = Vec::new();
    for id in graph.ids() {
        match graph.node(id).op() {
            Op::BatchNorm(norm) => assert!(!norm.gamma && norm.beta),
            Op::Scale { factor } => {
                factors.push(*factor);
                assert!(matches!(graph.node(graph.operands(id)[0]).op(), Op::Conv(conv) if conv.bias));
            }
            _ => {}
        }
    }
    let count = |factor: f64| factors.iter().filter(|found| **found == factor).count();
    assert_eq!([count(0.17), count(0.1), count(0.2), count(1.0)], [10, 20, 9, 1]);
    // The last block has no activation.
    let features = conv(&graph, "conv_7b");
    assert_eq!(features.kernel, [1, 1]);
    let before = graph.operands(node(&graph, "conv_7b"))[0];
    assert!(matches!(graph.node(before).op(), Op::Add { activation: None }));
}

#[test]
fn channels_of_zeros_stand_on_both_sides_or_behind() {
    let stages = |shortcut: &str| {
        written(&format!(
            "stem: [conv: {{channels: 16, kernel: 3}}]\nstages: {{block: basic, depth: [1], width: [32], stride: [2], shortcut: {shortcut}}}\n"
        ))
    };
    let pads = |graph: &Graph| -> Vec<[usize; 2]> {
        graph
            .ids()
            .filter_map(|id| match graph.node(id).op() {
                Op::Pad(pad) => Some(pad.channels),
                _ => None,
            })
            .collect()
    };
    assert_eq!(pads(&stages("pad_split")), [[8, 8]]);
    assert_eq!(pads(&stages("pad_end")), [[0, 16]]);
    assert_eq!(pads(&load("cifar-resnet20").graph), [[8, 8], [16, 16]]);
}

#[test]
fn means_divide_by_what_each_library_divides_by() {
    let pools = |model: &str| -> Vec<_> {
        let graph = load(model).graph;
        graph
            .ids()
            .filter_map(|id| match graph.node(id).op() {
                Op::AveragePool { pool, count_include_padding } => Some((pool.clone(), *count_include_padding)),
                _ => None,
            })
            .collect()
    };
    let [(pool, counted)] = pools("keras-inception-resnet-v2").try_into().unwrap();
    assert_eq!((pool.kernel, pool.stride, pool.padding, counted), ([3, 3], [1, 1], Padding::same(1), false));
    // ResNet-D: none in the first stage, which has no stride; rounded up, and the overhang does not count.
    let means = pools("timm-resnet50d");
    assert_eq!(means.len(), 3);
    for (pool, counted) in means {
        assert_eq!((pool.kernel, pool.stride, pool.ceil_mode, counted), ([2, 2], [2, 2], true, false));
    }
}

#[test]
fn same_padding_is_uneven_at_a_stride() {
    let graph = load("mlperf-tiny-resnet8").graph;
    let uneven = Padding { top: 0, left: 0, bottom: 1, right: 1 };
    let strided = graph.ids().filter_map(|id| match graph.node(id).op() {
        Op::Conv(conv) if conv.stride == [2, 2] && conv.kernel == [3, 3] => Some(conv.padding),
        _ => None,
    });
    assert_eq!(strided.collect::<Vec<_>>(), [uneven; 2]);
}

#[test]
fn the_preactivation_is_shared_where_channels_change() {
    for (model, shortcut, body) in [
        ("cifar-preactivation-resnet164", "layer2.0.downsample.0", "layer2.0.conv1"),
        ("keras-resnet50v2", "conv3_block1_0_conv", "conv3_block1_1_conv"),
        ("timm-resnetv2_50", "stages.1.blocks.0.downsample.conv", "stages.1.blocks.0.conv1"),
    ] {
        let graph = load(model).graph;
        let reads = |name: &str| graph.operands(node(&graph, name))[0];
        assert_eq!(reads(shortcut), reads(body), "{model}");
        assert!(matches!(graph.node(reads(body)).op(), Op::Activation(_)), "{model}");
    }
    assert!(shipped::spec("cifar-preactivation-resnet1001").is_some());
}
