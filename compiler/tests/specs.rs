//! Every spec that ships: counts, structure, and that it loads.

use std::path::Path;
use std::time::Instant;

use resnetc::diagnostic::Diagnostics;
use resnetc::frontend::source::Source;
use resnetc::frontend::{self, Color, Network, Resize, WeightSource, count, shipped, yaml};
use resnetc::ir::{Layout, Op, Padding};

/// Name, parameters, statistics, multiply-accumulates: from the papers' and libraries' tables and an independent count.
const COUNTS: [(&str, u64, u64, u64); 45] = [
    ("akamaster-cifar-resnet20", 269_722, 1_376, 40_551_040),
    ("caffe-resnet101", 44_549_160, 105_344, 7_570_194_432),
    ("caffe-resnet152", 60_192_808, 151_424, 11_282_415_616),
    ("caffe-resnet50", 25_557_096, 53_120, 3_857_973_248),
    ("cifar-preactivation-resnet1001", 10_327_706, 149_216, 1_487_849_984),
    ("cifar-preactivation-resnet164", 1_703_258, 24_224, 244_500_992),
    ("cifar-resnet110", 1_727_962, 8_096, 252_887_680),
    ("cifar-resnet110-projection", 1_730_714, 8_288, 253_149_824),
    ("cifar-resnet1202", 19_421_274, 89_632, 2_829_238_912),
    ("cifar-resnet1202-projection", 19_424_026, 89_824, 2_829_501_056),
    ("cifar-resnet20", 269_722, 1_376, 40_551_040),
    ("cifar-resnet20-projection", 272_474, 1_568, 40_813_184),
    ("cifar-resnet32", 464_154, 2_272, 68_862_592),
    ("cifar-resnet32-projection", 466_906, 2_464, 69_124_736),
    ("cifar-resnet44", 658_586, 3_168, 97_174_144),
    ("cifar-resnet44-projection", 661_338, 3_360, 97_436_288),
    ("cifar-resnet56", 853_018, 4_064, 125_485_696),
    ("cifar-resnet56-projection", 855_770, 4_256, 125_747_840),
    ("keras-inception-resnet-v2", 55_813_192, 60_544, 13_155_794_016),
    ("keras-resnet101", 44_601_832, 105_344, 7_570_194_432),
    ("keras-resnet101v2", 44_577_896, 97_664, 7_194_476_544),
    ("keras-resnet152", 60_268_520, 151_424, 11_282_415_616),
    ("keras-resnet152v2", 60_236_904, 143_744, 10_906_697_728),
    ("keras-resnet50", 25_583_592, 53_120, 3_857_973_248),
    ("keras-resnet50v2", 25_568_360, 45_440, 3_482_255_360),
    ("mlperf-tiny-resnet8", 78_186, 480, 12_501_632),
    ("mlperf-tiny-resnet8-large", 204_526, 780, 32_562_192),
    ("resnet101", 44_549_160, 105_344, 7_801_405_440),
    ("resnet152", 60_192_808, 151_424, 11_513_626_624),
    ("resnet18", 11_689_512, 9_600, 1_814_073_344),
    ("resnet34", 21_797_672, 17_024, 3_663_761_408),
    ("resnet50", 25_557_032, 53_120, 4_089_184_256),
    ("resnext101_32x8d", 88_791_336, 202_880, 16_414_015_488),
    ("resnext101_64x4d", 83_455_272, 202_880, 15_460_270_080),
    ("resnext50_32x4d", 25_028_904, 68_224, 4_230_479_872),
    ("timm-legacy_senet154", 115_088_984, 247_552, 20_688_363_520),
    ("timm-resnet26t", 16_011_872, 30_960, 2_550_286_336),
    ("timm-resnet50_gn", 25_557_032, 0, 4_089_184_256),
    ("timm-resnet50d", 25_576_264, 53_248, 4_328_824_832),
    ("timm-resnetrs50", 35_691_912, 53_376, 2_278_629_376),
    ("timm-resnetv2_50", 25_549_352, 45_440, 4_089_184_256),
    ("timm-resnetv2_50x1_bit", 25_549_352, 0, 4_089_184_256),
    ("timm-seresnet50", 28_088_024, 53_120, 4_091_699_200),
    ("wide_resnet101_2", 126_886_696, 137_856, 22_753_050_624),
    ("wide_resnet50_2", 68_883_240, 68_224, 11_398_021_120),
];

fn load(model: &str, weights: Option<WeightSource>) -> Network {
    match frontend::load(model, weights.as_ref(), 1) {
        Ok((network, warnings)) => {
            assert_eq!(warnings, Diagnostics::new(), "{model} has warnings");
            network
        }
        Err(problems) => panic!("{problems}"),
    }
}

fn nodes(network: &Network, wanted: impl Fn(&Op) -> bool) -> usize {
    network.graph.ids().filter(|id| wanted(network.graph.node(*id).op())).count()
}

#[test]
fn counts_are_those_of_the_tables() {
    let mut wrong = Vec::new();
    assert_eq!(COUNTS.map(|(name, ..)| name), shipped::SPECS.map(|spec| spec.name));
    for (name, parameters, statistics, macs) in COUNTS {
        let described = match yaml::describe(&Source::Shipped(shipped::spec(name).unwrap()), 1) {
            Ok((described, _)) => described,
            Err(problems) => {
                wrong.push(format!("{name}: {problems}"));
                continue;
            }
        };
        let (counts, expect) = (described.counts, described.spec.expect);
        if (counts.parameters, counts.statistics, counts.macs) != (parameters, statistics, macs) {
            wrong.push(format!("{name}: {counts:?}"));
        }
        if (expect.parameters, expect.statistics, expect.macs) != (Some(parameters), Some(statistics), Some(macs)) {
            wrong.push(format!("{name}: {expect:?}"));
        }
        assert_eq!(described.spec.name, name);
        assert!(!described.spec.source.is_empty() && !described.spec.description.is_empty());
        assert!(described.preprocess.is_some() && !described.labels.is_empty(), "{name}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn counts_of_the_graph_agree() {
    for (name, parameters, statistics, macs) in COUNTS {
        if parameters > 26_000_000 {
            continue;
        }
        let network = load(name, Some(WeightSource::Seed(1)));
        assert_eq!(network.parameters, parameters, "{name}");
        assert_eq!(count::parameters(&network.graph), parameters, "{name}");
        assert_eq!(count::statistics(&network.graph), statistics, "{name}");
        assert_eq!(count::macs(&network.graph), macs, "{name}");
    }
}

#[test]
fn batch_changes_shapes_and_no_count() {
    let (network, _) = frontend::load("cifar-resnet20", None, 4).unwrap();
    let output = network.graph.outputs()[0].node;
    assert_eq!(network.graph.node(output).shape().0, [4, 10]);
    assert_eq!(count::macs(&network.graph), 40_551_040);
}

#[test]
fn resnet50_has_its_structure() {
    let network = load("resnet50", Some(WeightSource::Seed(7)));
    assert_eq!(nodes(&network, |op| matches!(op, Op::Conv(_))), 53);
    assert_eq!(nodes(&network, |op| matches!(op, Op::BatchNorm(_))), 53);
    assert_eq!(nodes(&network, |op| matches!(op, Op::Add { .. })), 16);
    assert_eq!(nodes(&network, |op| matches!(op, Op::Activation(_))), 49);
    let strided: Vec<_> = network
        .graph
        .ids()
        .map(|id| network.graph.node(id))
        .filter(|node| matches!(node.op(), Op::Conv(conv) if conv.stride == [2, 2]))
        .map(|node| node.name.as_str())
        .collect();
    let expected = [
        "conv1",
        "layer2.0.conv2",
        "layer2.0.downsample.0",
        "layer3.0.conv2",
        "layer3.0.downsample.0",
        "layer4.0.conv2",
        "layer4.0.downsample.0",
    ];
    assert_eq!(strided, expected);
    assert_eq!(network.labels[285], "Egyptian cat");
    assert_eq!(network.preprocess.unwrap().resize, Resize::ShorterSide(232));
    assert_eq!(network.weights, "seed:7");
    assert!(network.files.is_empty());
}

#[test]
fn keras_and_caffe_have_their_peculiarities() {
    let keras = load("keras-resnet50", Some(WeightSource::Seed(7)));
    assert!(keras.graph.ids().all(|id| !matches!(keras.graph.node(id).op(), Op::Conv(conv) if !conv.bias)));
    assert!(matches!(keras.graph.node(keras.graph.inputs()[0]).op(), Op::Input(Layout::Nhwc)));
    assert_eq!(keras.graph.node(keras.graph.inputs()[0]).shape().0, [1, 3, 224, 224]);
    let preprocess = keras.preprocess.unwrap();
    assert_eq!((preprocess.color, preprocess.scale), (Color::Bgr, 1.0));
    let named = |network: &Network, name: &str| network.graph.ids().any(|id| network.graph.node(id).name == name);
    assert!(named(&keras, "conv2_block1_0_conv/kernel") && named(&keras, "conv5_block3_3_bn/moving_variance"));

    let caffe = load("caffe-resnet50", Some(WeightSource::Seed(7)));
    assert_eq!(nodes(&caffe, |op| matches!(op, Op::Conv(conv) if conv.bias)), 1);
    assert!(nodes(&caffe, |op| matches!(op, Op::MaxPool(pool) if pool.ceil_mode)) == 1);
    assert!(named(&caffe, "scale4f_branch2c.bias") && named(&caffe, "res2a_branch1.weight"));

    let tiny = load("mlperf-tiny-resnet8", Some(WeightSource::Seed(7)));
    let behind = Padding { top: 0, left: 0, bottom: 1, right: 1 };
    assert_eq!(nodes(&tiny, |op| matches!(op, Op::Conv(conv) if conv.padding == behind)), 2);
    assert_eq!(nodes(&tiny, |op| matches!(op, Op::BatchNorm(_))), 7);
    assert!(matches!(tiny.graph.node(tiny.graph.outputs()[0].node).op(), Op::Softmax));
    assert!(named(&tiny, "conv2d_5/kernel"));
    let projection = tiny.graph.ids().find(|id| tiny.graph.node(*id).name == "conv2d_5").unwrap();
    assert!(matches!(tiny.graph.node(projection).op(), Op::Conv(conv) if conv.kernel == [1, 1]));
}

#[test]
fn the_default_network_has_its_weights() {
    let network = load(shipped::DEFAULT, None);
    assert_eq!(network.weights, "cifar-resnet20.safetensors");
    assert_eq!(network.preprocess.as_ref().unwrap().resize, Resize::Exact([32, 32]));
    assert_eq!(nodes(&network, |op| matches!(op, Op::Subsample { .. })), 2);
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/cifar-resnet20.yaml");
    let same = load(file.to_str().unwrap(), None);
    assert_eq!(same.files.len(), 2);
    for (a, b) in network.graph.ids().zip(same.graph.ids()) {
        assert_eq!(network.graph.node(a), same.graph.node(b));
    }
}

#[test]
fn a_thousand_layers_load_in_a_second() {
    let start = Instant::now();
    let network = load("cifar-resnet1202", Some(WeightSource::Seed(7)));
    let elapsed = start.elapsed();
    assert_eq!(nodes(&network, |op| matches!(op, Op::Add { .. })), 600);
    println!("cifar-resnet1202: {elapsed:?}");
    // Generous: other tests run at the same time.
    assert!(elapsed.as_secs() < 10, "{elapsed:?}");
}

#[test]
fn models_that_are_none_are_refused() {
    let message = |model: &str, weights| frontend::load(model, weights, 1).unwrap_err().to_string();
    let unknown = message("resnet500", None);
    assert!(unknown.contains("E-MODEL") && unknown.contains("did you mean `resnet50`?"), "{unknown}");
    assert!(unknown.contains("`cifar-resnet1202`"), "{unknown}");
    assert!(message("Cargo.toml", None).contains("ends neither in `.yaml`"));
    assert!(message("nowhere.yaml", None).contains("`nowhere.yaml` does not exist"));
    let bare = message("caffe-resnet50", None);
    assert!(bare.contains("E-WNONE") && bare.contains("seed:7"), "{bare}");
    let source = WeightSource::parse("seed:many");
    assert!(message("resnet50", Some(&source)).contains("a seed is a whole number"));
}

#[test]
fn groups_and_base_width_make_resnext_and_wide_resnet() {
    let folder = std::env::temp_dir().join(format!("resnet-specs-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let text = shipped::spec("resnet50").unwrap().text;
    for (name, keys, parameters, macs) in [
        ("resnext50_32x4d", "groups: 32\n  base_width: 4", 25_028_904, 4_230_479_872_u64),
        ("wide_resnet50_2", "base_width: 128", 68_883_240, 11_398_381_568),
    ] {
        let head = text.split("expect:").next().unwrap();
        let text = head.replace("stride_on: 2", &format!("stride_on: 2\n  {keys}"))
            + &format!("expect: {{parameters: {parameters}}}\n");
        let path = folder.join(format!("{name}.yaml"));
        std::fs::write(&path, text).unwrap();
        let (described, _) = yaml::describe(&Source::File(&path), 1).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(described.counts.macs / 1_000_000, macs / 1_000_000, "{name}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}
