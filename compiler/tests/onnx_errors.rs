//! One bad model per error, with the whole text that a user sees: `bad_onnx/CASE.txt`. RESNET_BLESS=1 rewrites them.

#[path = "onnx_support/builder.rs"]
mod builder;

use std::path::Path;

use builder::{Builder, int, ints, string, tensor, typed};
use resnetc::frontend::{WeightSource, onnx};

/// A network that is right: convolution, ReLU, mean, dense.
fn good() -> Builder {
    Builder::new(&[0, 3, 8, 8])
        .floats("kernel", &[4, 3, 3, 3])
        .floats("bias", &[4])
        .floats("dense", &[2, 4])
        .ints("flat", &[0, -1])
        .node("Conv", &["x", "kernel", "bias"], &["a"], vec![ints("pads", &[1, 1, 1, 1])])
        .named("stem")
        .node("Relu", &["a"], &["b"], vec![])
        .node("GlobalAveragePool", &["b"], &["c"], vec![])
        .node("Reshape", &["c", "flat"], &["d"], vec![])
        .node("Gemm", &["d", "dense"], &["y"], vec![int("transB", 1)])
}

/// One operator from `x` to `y`.
fn one(op: &str, attributes: Vec<resnetc::frontend::onnx::proto::AttributeProto>) -> Builder {
    Builder::new(&[1, 4, 8, 8]).node(op, &["x"], &["y"], attributes).named("it")
}

fn sparse(dims: &[i64], places: (&[i64], &[i64])) -> Builder {
    let model = Builder::new(&[1, 4, 8, 8]).sparse("kernel", dims, &[1.0, 2.0], places);
    model.node("Conv", &["x", "kernel"], &["y"], vec![])
}

fn batch_norm(attributes: Vec<resnetc::frontend::onnx::proto::AttributeProto>, channels: i64) -> Builder {
    Builder::new(&[1, 4, 8, 8])
        .floats("gamma", &[channels])
        .floats("beta", &[4])
        .floats("mean", &[4])
        .floats("variance", &[4])
        .node("BatchNormalization", &["x", "gamma", "beta", "mean", "variance"], &["y", "m", "v"], attributes)
        .named("norm")
}

fn group_norm(groups: i64, vectors: i64) -> Builder {
    Builder::new(&[1, 4, 8, 8])
        .floats("gamma", &[vectors])
        .floats("beta", &[vectors])
        .node("GroupNormalization", &["x", "gamma", "beta"], &["y"], vec![int("num_groups", groups)])
        .named("norm")
}

fn cases() -> Vec<(&'static str, Builder)> {
    let external = |entries: &[(&str, &str)]| {
        Builder::new(&[1, 4, 8, 8])
            .external("kernel", &[4, 4, 1, 1], entries)
            .node("Conv", &["x", "kernel"], &["y"], vec![])
            .named("conv")
    };
    vec![
        ("opset_too_old", good().opset(0)),
        ("opset_missing", {
            let mut model = good();
            model.0.opset_import.clear();
            model
        }),
        ("no_graph", {
            let mut model = good();
            model.0.graph = None;
            model
        }),
        ("name_twice", good().floats("bias", &[4]).node("Relu", &["a"], &["b"], vec![])),
        ("name_undefined", good().with(|graph| graph.node[1].input[0] = "aa".to_owned())),
        ("input_twice", good().with(|graph| graph.input.push(typed("x", &[1, 1])))),
        ("no_input", good().with(|graph| graph.input.clear())),
        ("no_output", good().with(|graph| graph.output.clear())),
        (
            "output_twice",
            good().with(|graph| graph.output.extend(["b", "y", "y", "b"].map(|name| typed(name, &[1, 4, 8, 8])))),
        ),
        ("output_undefined", good().with(|graph| graph.output.push(typed("bb", &[1, 4, 8, 8])))),
        ("output_shape", good().with(|graph| graph.output.push(typed("b", &[1, 4, 8, 7])))),
        (
            "too_many_outputs",
            good().with(|graph| graph.output.extend((0..1000).map(|index| typed(&format!("y{index}"), &[1])))),
        ),
        (
            "cycle",
            Builder::new(&[1, 4, 8, 8])
                .node("Add", &["x", "b"], &["a"], vec![])
                .named("first")
                .node("Relu", &["a"], &["b"], vec![])
                .node("Relu", &["b"], &["y"], vec![]),
        ),
        (
            "operators",
            Builder::new(&[1, 4, 8, 8])
                .node("Multinomial", &["x"], &["a"], vec![])
                .named("gate")
                .node("Mul", &["a", "x"], &["b"], vec![])
                .node("Clip", &["x", "low", "high"], &["c"], vec![])
                .floats("low", &[])
                .with(|graph| {
                    graph.initializer.push(resnetc::frontend::onnx::proto::TensorProto {
                        float_data: vec![5.0],
                        ..tensor("high", &[], 1)
                    });
                })
                .node("Gelu", &["b"], &["d"], vec![])
                .with(|graph| graph.node[3].domain = "com.microsoft".to_owned())
                .node("Block", &["d"], &["e"], vec![])
                .with(|graph| graph.node[4].domain = "local".to_owned())
                .node("Add", &["c", "e"], &["f"], vec![])
                .node("Sub", &["x", "x"], &["g"], vec![])
                .named("difference")
                .node("Add", &["f", "g"], &["y"], vec![]),
        ),
        ("control_flow", one("If", vec![])),
        ("pad_mode", one("Pad", vec![string("mode", "mirror"), ints("pads", &[0, 0, 1, 1, 0, 0, 1, 1])])),
        ("pool_too_large", one("MaxPool", vec![ints("kernel_shape", &[9, 3]), ints("dilations", &[2, 2])])),
        ("attribute_of_wrong_type", one("MaxPool", vec![int("kernel_shape", 3)])),
        ("pads_negative", good().with(|graph| graph.node[0].attribute = vec![ints("pads", &[-1, 0, 0, 0])])),
        ("type_of_weights", {
            Builder::new(&[1, 4, 8, 8])
                .with(|graph| {
                    let raw_data = vec![1_u8; 16].into();
                    graph.initializer.push(resnetc::frontend::onnx::proto::TensorProto {
                        raw_data,
                        ..tensor("kernel", &[4, 4, 1, 1], 3)
                    });
                })
                .node("Conv", &["x", "kernel"], &["y"], vec![])
        }),
        ("sparse_outside", sparse(&[4, 4, 1, 1], (&[2], &[3, 16]))),
        ("sparse_order", sparse(&[4, 4, 1, 1], (&[2, 4], &[1, 0, 0, 0, 0, 3, 0, 0]))),
        ("sparse_shapes", sparse(&[4, 4, 1, 1], (&[2, 3], &[0; 6]))),
        ("sparse_too_large", sparse(&[1 << 40, 1 << 20, 1, 1], (&[2], &[3, 16]))),
        ("function_of_itself", {
            let calls = |from: &str| Builder::new(&[1, 4, 8, 8]).node(from, &["a"], &["b"], vec![]).of("local");
            let mut model = calls("Two").function("local", "One", &["a"], &["b"]);
            model.0.functions.extend(calls("One").function("local", "Two", &["a"], &["b"]).0.functions);
            model.node("One", &["x"], &["y"], vec![]).of("local")
        }),
        ("functions_without_end", {
            // Each calls the next twice, so that 64 of them are 2^64 nodes.
            let mut model = Builder::new(&[1, 4, 8, 8]);
            for index in 0..64 {
                let next = format!("F{}", index + 1);
                model = model.node(&next, &["a"], &["m"], vec![]).of("local");
                model = model.node(&next, &["m"], &["b"], vec![]).of("local");
                model = model.function("local", &format!("F{index}"), &["a"], &["b"]);
            }
            model.node("F0", &["x"], &["y"], vec![]).of("local")
        }),
        ("functions_too_deep", {
            let mut model = Builder::new(&[1, 4, 8, 8]);
            for index in 0..2000 {
                model = model.node(&format!("F{}", index + 1), &["a"], &["b"], vec![]).of("local");
                model = model.function("local", &format!("F{index}"), &["a"], &["b"]);
            }
            model.node("F0", &["x"], &["y"], vec![]).of("local")
        }),
        ("function_undefined_name", {
            let model = Builder::new(&[1, 4, 8, 8]).node("Relu", &["nowhere"], &["b"], vec![]);
            model.function("local", "Lost", &["a"], &["b"]).node("Lost", &["x"], &["y"], vec![]).of("local").named("it")
        }),
        ("broadcast_opset_6", {
            let model = Builder::new(&[1, 4, 8, 8]).floats("c", &[8]).opset(6);
            model.node("Add", &["x", "c"], &["y"], vec![int("broadcast", 1), int("axis", 1)])
        }),
        ("no_broadcast_opset_6", {
            Builder::new(&[1, 4, 8, 8]).floats("c", &[8]).opset(6).node("Add", &["x", "c"], &["y"], vec![])
        }),
        ("batch_norm_in_training_opset_6", batch_norm(vec![], 4).opset(6)),
        ("dropout_in_training_opset_6", one("Dropout", vec![]).opset(6)),
        (
            "type_of_input",
            good().with(|graph| {
                if let Some(tensor) = graph.input[0].r#type.as_mut().and_then(|kind| kind.tensor_type.as_mut()) {
                    tensor.elem_type = 8;
                }
            }),
        ),
        ("dynamic_height", good().with(|graph| graph.input[0] = typed("x", &[0, 3, -1, 8]))),
        ("dynamic_everything", good().with(|graph| graph.input[0].r#type = None)),
        ("batch_norm_in_training", batch_norm(vec![int("training_mode", 1)], 4).opset(15)),
        (
            "batch_norm_statistics_read",
            batch_norm(vec![], 4)
                .node("Relu", &["m"], &["z"], vec![])
                .with(|graph| graph.output[0].name = "z".to_owned()),
        ),
        ("group_norm_per_group", group_norm(2, 2)),
        ("group_norm_groups", group_norm(3, 4)),
        (
            "dropout_in_training",
            Builder::new(&[1, 4, 8, 8])
                .with(|graph| {
                    let on = resnetc::frontend::onnx::proto::TensorProto {
                        raw_data: vec![1_u8].into(),
                        ..tensor("on", &[], 9)
                    };
                    graph.initializer.push(on);
                })
                .node("Dropout", &["x", "", "on"], &["y"], vec![]),
        ),
        ("external_missing", external(&[("location", "absent.data")])),
        ("external_escapes", external(&[("location", "../weights.data")])),
        ("external_absolute", external(&[("location", "/etc/passwd")])),
        ("external_short", external(&[("location", "short.data"), ("offset", "8")])),
        ("external_length", external(&[("location", "short.data"), ("length", "12")])),
        ("external_offset", external(&[("location", "short.data"), ("offset", "-1")])),
        ("external_link", external(&[("location", "link.data")])),
        ("shape_declared", good().with(|graph| graph.value_info.push(typed("a", &[0, 4, 7, 8])))),
        ("shape_of_weights", good().with(|graph| graph.initializer[0].dims = vec![4, 4, 3, 3])),
        ("shape_too_large", good().with(|graph| graph.initializer[0].dims = vec![i64::MAX, i64::MAX, 3, 3])),
        ("shape_channels", good().with(|graph| graph.input[0] = typed("x", &[0, 4, 8, 8]))),
        ("shape_of_statistics", batch_norm(vec![], 1)),
        ("shape_of_input", good().with(|graph| graph.input[0] = typed("x", &[0, 3]))),
        (
            "bias",
            good().with(|graph| {
                graph.initializer[1].dims = vec![3];
                graph.initializer[1].raw_data = vec![0; 12].into();
            }),
        ),
        (
            "constants_too_large",
            Builder::new(&[1, 4, 8, 8])
                .ints("extents", &[1 << 20, 1 << 20])
                .node("ConstantOfShape", &["extents"], &["c"], vec![])
                .node("Add", &["x", "c"], &["y"], vec![]),
        ),
        (
            "values",
            good().with(|graph| {
                let nan: Vec<u8> = (0..4).flat_map(|_| f32::NAN.to_le_bytes()).collect();
                graph.initializer[1].raw_data = nan.into();
                let infinite: Vec<u8> = (0..8).flat_map(|_| f32::INFINITY.to_le_bytes()).collect();
                graph.initializer[2].raw_data = infinite.into();
            }),
        ),
    ]
}

/// What a user sees of a model, paths shortened to the file's name.
fn text(path: &Path, weights: Option<&WeightSource>) -> String {
    let Err(errors) = onnx::load(path, weights, 1) else { return "no error\n".to_owned() };
    let folder = format!("{}/", path.parent().unwrap().display());
    format!("{errors}\n").replace(&folder, "")
}

fn check(name: &str, found: &str, wrong: &mut Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_onnx").join(format!("{name}.txt"));
    if std::env::var_os("RESNET_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != found || !found.starts_with("error[") {
        wrong.push(format!("{name}:\n--- expected\n{expected}--- found\n{found}"));
    }
}

#[test]
fn each_bad_model_has_its_error() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("short.data"), [0; 64]).unwrap();
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), [0; 64]).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(outside.path(), folder.path().join("link.data")).unwrap();
    let mut wrong = Vec::new();
    for (name, model) in cases() {
        check(name, &text(&model.write(folder.path()), None), &mut wrong);
    }
    let path = good().write(folder.path());
    check("weights_from_elsewhere", &text(&path, Some(&WeightSource::Seed(7))), &mut wrong);
    std::fs::write(&path, "not a model").unwrap();
    check("not_a_model", &text(&path, None), &mut wrong);
    check("no_file", &text(&folder.path().join("absent.onnx"), None), &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_good_model_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let (network, warnings) = onnx::load(&good().write(folder.path()), Some(&WeightSource::Model), 5).unwrap();
    assert!(warnings.0.is_empty(), "{warnings}");
    assert_eq!(
        (network.name.as_str(), network.weights.as_str(), network.parameters),
        ("tiny", "the model", 108 + 4 + 8)
    );
    assert_eq!(network.graph.node(network.graph.outputs()[0].node).shape().0, [5, 2]);
    let names: Vec<_> = network.graph.ids().map(|id| network.graph.node(id).name.as_str()).collect();
    let expected = [
        "x",
        "kernel",
        "bias",
        "stem",
        "Relu_1",
        "GlobalAveragePool_2",
        "GlobalAveragePool_2.flatten",
        "dense",
        "Gemm_4",
    ];
    assert_eq!(names, expected);
}

#[test]
fn outputs_keep_their_order_and_names() {
    let folder = tempfile::tempdir().unwrap();
    // A map, the input, the vector behind a reshape, a second name for it, and what nothing else reads.
    let model = good()
        .node("Identity", &["d"], &["again"], vec![])
        .node("MaxPool", &["b"], &["aside"], vec![ints("kernel_shape", &[2, 2])])
        .with(|graph| {
            let more = ["b", "x", "d", "again", "aside"]
                .map(|name| resnetc::frontend::onnx::proto::ValueInfoProto { name: name.to_owned(), r#type: None });
            graph.output.extend(more);
        });
    let (network, _) = onnx::load(&model.write(folder.path()), None, 2).unwrap();
    let graph = &network.graph;
    let outputs: Vec<_> = graph
        .outputs()
        .iter()
        .map(|output| (output.name.as_str(), graph.node(output.node).shape().0.clone()))
        .collect();
    let expected: [(&str, &[usize]); 6] = [
        ("y", &[2, 2]),
        ("b", &[2, 4, 8, 8]),
        ("x", &[2, 3, 8, 8]),
        ("d", &[2, 4]),
        ("again", &[2, 4]),
        ("aside", &[2, 4, 7, 7]),
    ];
    assert_eq!(outputs, expected.map(|(name, shape)| (name, shape.to_vec())));
    assert_eq!(graph.outputs()[3].node, graph.outputs()[4].node);
}

/// What makes a value of an addition its bias does not do so when the value is given out as well.
#[test]
fn a_value_that_is_given_out_is_not_folded_away() {
    let folder = tempfile::tempdir().unwrap();
    let model = |given_out: bool| {
        let model = Builder::new(&[1, 4, 8, 8])
            .floats("kernel", &[4, 4, 1, 1])
            .floats("shift", &[1, 4, 1, 1])
            .node("Conv", &["x", "kernel"], &["a"], vec![])
            .node("Add", &["a", "shift"], &["y"], vec![]);
        if given_out { model.with(|graph| graph.output.push(typed("a", &[1, 4, 8, 8]))) } else { model }
    };
    let load = |given_out| onnx::load(&model(given_out).write(folder.path()), None, 1).unwrap().0.graph;
    let (alone, both) = (load(false), load(true));
    let biases = |graph: &resnetc::ir::Graph| {
        graph.ids().filter(|id| matches!(graph.node(*id).op(), resnetc::ir::Op::Conv(conv) if conv.bias)).count()
    };
    assert_eq!((biases(&alone), biases(&both)), (1, 0));
    assert_ne!(both.outputs()[0].node, both.outputs()[1].node);
}

#[test]
fn order_shared_unused_and_listed_initializers_do_not_matter() {
    let folder = tempfile::tempdir().unwrap();
    let plain = good();
    let mut odd = good();
    let graph = odd.graph();
    graph.node.reverse();
    graph.input.extend([typed("kernel", &[4, 3, 3, 3]), typed("flat", &[2])]);
    let odd = odd.floats("unused", &[7]).node("Sigmoid", &["x"], &["nobody reads it"], vec![]);
    let (plain, _) = onnx::load(&plain.write(folder.path()), None, 1).unwrap();
    let (odd, _) = onnx::load(&odd.write(folder.path()), None, 1).unwrap();
    let operations = |network: &resnetc::frontend::Network| {
        let graph = &network.graph;
        graph
            .topological()
            .iter()
            .map(|id| (graph.node(*id).op().clone(), graph.operands(*id).len()))
            .collect::<Vec<_>>()
    };
    assert_eq!(operations(&plain), operations(&odd));
}

#[test]
fn newer_operators_are_read_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let (_, warnings) = onnx::load(&good().opset(26).write(folder.path()), None, 1).unwrap();
    assert_eq!(warnings.0.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["W-ONNX-OPSET"]);
}

#[test]
fn a_model_cut_or_changed_anywhere_is_an_error_or_a_model() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = good().bytes();
    let path = folder.path().join("model.onnx");
    let load = |bytes: &[u8], what: &str| {
        std::fs::write(&path, bytes).unwrap();
        let start = std::time::Instant::now();
        if let Err(errors) = onnx::load(&path, None, 1) {
            assert!(errors.has_errors(), "{what}");
        }
        assert!(start.elapsed().as_secs() < 5, "{what} took {:?}", start.elapsed());
    };
    for end in 0..bytes.len() {
        load(&bytes[..end], &format!("cut at {end}"));
    }
    for position in 0..bytes.len() {
        for change in [0x80, 0xff, bytes[position] ^ 1] {
            let mut changed = bytes.clone();
            changed[position] = change;
            load(&changed, &format!("byte {position} made {change:#x}"));
        }
    }
}

#[test]
fn a_thousand_layers_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = Builder::new(&[1, 4, 8, 8]);
    for index in 0..5000 {
        let from = if index == 0 { "x".to_owned() } else { format!("v{}", index - 1) };
        let to = if index == 4999 { "y".to_owned() } else { format!("v{index}") };
        model = model.node("Relu", &[&from], &[&to], vec![]);
    }
    let (network, _) = onnx::load(&model.write(folder.path()), None, 1).unwrap();
    assert_eq!(network.graph.len(), 5001);
}
