//! What importers get wrong, one test each: from Constant nodes that are in the way to a softmax at the end. Results are those of a plain
//! form of the same network, or of the standard's rule, worked out here; all by the interpreter.

#[path = "onnx_support/builder.rs"]
#[expect(dead_code, reason = "bad models take more")]
mod builder;

use std::collections::BTreeMap;

use builder::{Builder, int, ints, string, tensor};
use resnetc::frontend::onnx;
use resnetc::frontend::onnx::proto::{AttributeProto, TensorProto, ValueInfoProto};
use resnetc::ir::{Graph, Op, interpreter};

fn graph(model: &Builder, batch: usize) -> Graph {
    let folder = tempfile::tempdir().unwrap();
    let (network, _) = onnx::load(&model.write(folder.path()), None, batch).unwrap_or_else(|error| panic!("{error}"));
    network.graph
}

/// Values of the input, the same for every model.
fn x(count: usize) -> Vec<f64> {
    (0..count).map(|index| (index * 37 % 101) as f64 / 50.0 - 1.0).collect()
}

fn results(model: &Builder) -> Vec<Vec<f64>> {
    results_of(model, 1)
}

fn results_of(model: &Builder, batch: usize) -> Vec<Vec<f64>> {
    let graph = graph(model, batch);
    let [input] = graph.inputs()[..] else { panic!("one input") };
    let values = BTreeMap::from([(input, x(graph.node(input).shape().len()))]);
    let values = interpreter::run(&graph, &values).unwrap();
    graph.outputs().iter().map(|output| values[&output.node].clone()).collect()
}

#[track_caller]
fn same(one: &Builder, other: &Builder) {
    let (one, other) = (results(one), results(other));
    close(&one.concat(), &other.concat());
}

#[track_caller]
fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-6 * (1.0 + expected.abs()), "{found} is not {expected}");
    }
}

/// What the passes have to do with: all but inputs and constants.
fn operations(model: &Builder) -> Vec<&'static str> {
    let graph = graph(model, 1);
    let order = graph.topological();
    let computes = |op: &&Op| !matches!(op, Op::Input(_) | Op::Constant(_));
    order.iter().map(|id| graph.node(*id).op()).filter(computes).map(Op::name).collect()
}

fn refused(model: &Builder) -> String {
    let folder = tempfile::tempdir().unwrap();
    match onnx::load(&model.write(folder.path()), None, 1) {
        Ok(_) => panic!("it is taken"),
        Err(errors) => errors.to_string(),
    }
}

fn float(name: &str, f: f32) -> AttributeProto {
    AttributeProto { name: name.to_owned(), f, r#type: 1, ..AttributeProto::default() }
}

fn value(tensor: TensorProto) -> AttributeProto {
    AttributeProto { name: "value".to_owned(), t: Some(tensor), r#type: 4, ..AttributeProto::default() }
}

fn numbers(name: &str, dims: &[i64], values: &[f32]) -> TensorProto {
    TensorProto { float_data: values.to_vec(), ..tensor(name, dims, 1) }
}

/// With an initializer.
fn having(model: Builder, tensor: TensorProto) -> Builder {
    model.with(|graph| graph.initializer.push(tensor))
}

fn map() -> Builder {
    Builder::new(&[1, 4, 6, 6]).floats("k", &[4, 4, 1, 1]).floats("deep", &[4, 4, 3, 3])
}

fn normalised(opset: i64, attributes: Vec<AttributeProto>, outputs: &[&str]) -> Builder {
    let model =
        Builder::new(&[1, 4, 6, 6]).opset(opset).floats("gamma", &[4]).floats("beta", &[4]).floats("mean", &[4]);
    having(model, numbers("variance", &[4], &[1.0, 2.0, 0.5, 4.0])).node(
        "BatchNormalization",
        &["x", "gamma", "beta", "mean", "variance"],
        outputs,
        attributes,
    )
}

#[test]
fn a_what_does_nothing_is_nothing_and_what_is_constant_is_folded() {
    let cluttered = map()
        .node("Constant", &[], &["c"], vec![value(numbers("", &[4, 4, 1, 1], &[0.5; 16]))])
        .node("Identity", &["c"], &["i"], vec![])
        .node("Cast", &["i"], &["half"], vec![int("to", 10)])
        .node("Cast", &["half"], &["w"], vec![int("to", 1)])
        .node("Dropout", &["x"], &["d"], vec![])
        .node("Transpose", &["d"], &["t"], vec![ints("perm", &[0, 1, 2, 3])])
        .ints("none", &[0; 8])
        .node("Pad", &["t", "none"], &["p"], vec![])
        .node("Cast", &["p"], &["f"], vec![int("to", 1)])
        .node("Conv", &["f", "w"], &["y"], vec![]);
    let plain = having(map(), numbers("w", &[4, 4, 1, 1], &[0.5; 16])).node("Conv", &["x", "w"], &["y"], vec![]);
    assert_eq!(operations(&cluttered), ["conv"]);
    same(&cluttered, &plain);
    // Weights that are standardised in the graph, as in BiT: a normalisation in training mode over a constant.
    let standardised = having(map(), numbers("one", &[4], &[1.0; 4]));
    let standardised = having(standardised, numbers("zero", &[4], &[0.0; 4]))
        .opset(14)
        .ints("row", &[1, 4, -1])
        .ints("shape", &[4, 4, 3, 3])
        .node("Reshape", &["deep", "row"], &["r"], vec![])
        .node("BatchNormalization", &["r", "one", "zero", "zero", "one"], &["n"], vec![int("training_mode", 1)])
        .node("Reshape", &["n", "shape"], &["w"], vec![])
        .node("Conv", &["x", "w"], &["y"], vec![]);
    assert_eq!(operations(&standardised), ["conv"]);
    let weights: Vec<f64> = (0..36).map(|index| f64::from(index) * 0.25).collect();
    let mean = weights.iter().sum::<f64>() / 36.0;
    let variance = weights.iter().map(|weight| (weight - mean).powi(2)).sum::<f64>() / 36.0;
    let row: Vec<f32> = weights.iter().map(|weight| ((weight - mean) / (variance + 1e-5).sqrt()) as f32).collect();
    // Every output's weights are the same but for their mean.
    let plain = having(map(), numbers("w", &[4, 4, 3, 3], &row.repeat(4))).node("Conv", &["x", "w"], &["y"], vec![]);
    let (found, expected) = (results(&standardised).concat(), results(&plain).concat());
    assert!(found.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 1e-4));
}

#[test]
fn b_a_head_whose_shape_is_computed_from_an_open_batch_is_a_flattening() {
    let model = Builder::new(&[0, 4, 6, 6])
        .ints("zero", &[0])
        .ints("rest", &[-1])
        .node("Shape", &["x"], &["s"], vec![])
        .node("Gather", &["s", "first"], &["n"], vec![])
        .with(|graph| graph.initializer.push(TensorProto { int64_data: vec![0], ..tensor("first", &[], 7) }))
        .node("Unsqueeze", &["n", "zero"], &["u"], vec![])
        .node("Concat", &["u", "rest"], &["shape"], vec![int("axis", 0)])
        .node("Reshape", &["x", "shape"], &["y"], vec![]);
    let graph = graph(&model, 3);
    assert_eq!(graph.node(graph.outputs()[0].node).shape().0, [3, 144]);
    assert_eq!(results_of(&model, 3), [x(3 * 144)]);
}

#[test]
fn c_an_initializer_among_the_inputs_is_a_default() {
    let model = map().node("Conv", &["x", "k"], &["y"], vec![]);
    let listed = model.clone().with(|graph| graph.input.insert(0, builder::typed("k", &[4, 4, 1, 1])));
    same(&listed, &model);
}

#[test]
fn d_batch_normalisation_of_every_version() {
    let plain = normalised(15, vec![], &["y"]);
    same(&normalised(6, vec![int("is_test", 1)], &["y"]), &plain);
    same(&normalised(7, vec![int("spatial", 1)], &["y", "m", "v", "sm", "sv"]), &plain);
    same(&normalised(9, vec![], &["y", "m", "v", "sm", "sv"]), &plain);
    same(&normalised(14, vec![int("training_mode", 0)], &["y"]), &plain);
    let used = normalised(9, vec![], &["a", "m", "v"]).node("Relu", &["m"], &["y"], vec![]);
    assert!(refused(&used).contains("E-ONNX-TRAIN"));
    assert!(refused(&normalised(14, vec![int("training_mode", 1)], &["y"])).contains("E-ONNX-TRAIN"));
    assert!(refused(&normalised(6, vec![], &["y"])).contains("E-ONNX-TRAIN"));
}

#[test]
fn e_softmax_goes_over_all_axes_behind_one_before_version_13() {
    let old = Builder::new(&[2, 3, 2, 2]).opset(11).node("Softmax", &["x"], &["y"], vec![]);
    let new = Builder::new(&[2, 3, 2, 2]).node("Softmax", &["x"], &["y"], vec![]);
    let soft = |groups: Vec<Vec<usize>>| {
        let (x, mut y) = (x(24), vec![0.0; 24]);
        for group in groups {
            let sum: f64 = group.iter().map(|index| x[*index].exp()).sum();
            group.iter().for_each(|index| y[*index] = x[*index].exp() / sum);
        }
        y
    };
    close(&results_of(&old, 2).concat(), &soft((0..2).map(|n| (n * 12..n * 12 + 12).collect()).collect()));
    close(&results_of(&new, 2).concat(), &soft((0..12).map(|row| vec![2 * row, 2 * row + 1]).collect()));
}

#[test]
fn f_what_was_an_attribute_is_an_input_later() {
    let input =
        |opset| map().opset(opset).ints("two", &[2]).ints("spatial", &[2, 3]).ints("pads", &[0, 0, 1, 1, 0, 0, 2, 2]);
    let pairs = [
        ("ReduceMean", 13, vec![ints("axes", &[2, 3])], 18, vec!["spatial"]),
        ("ReduceSum", 11, vec![ints("axes", &[2, 3])], 13, vec!["spatial"]),
        ("Unsqueeze", 11, vec![ints("axes", &[2])], 13, vec!["two"]),
        ("Pad", 10, vec![ints("pads", &[0, 0, 1, 1, 0, 0, 2, 2])], 11, vec!["pads"]),
        ("Clip", 6, vec![float("min", 0.0), float("max", 6.0)], 11, vec!["low", "high"]),
        (
            "Slice",
            9,
            vec![ints("starts", &[1]), ints("ends", &[3]), ints("axes", &[1])],
            10,
            vec!["one", "three", "one"],
        ),
        ("Dropout", 11, vec![float("ratio", 0.3)], 12, vec!["ratio"]),
    ];
    for (operator, before, attributes, after, inputs) in pairs {
        let old = input(before).node(operator, &["x"], &["y"], attributes);
        let new = having(having(input(after), numbers("low", &[], &[0.0])), numbers("high", &[], &[6.0]));
        let new = having(new, numbers("ratio", &[], &[0.3])).ints("one", &[1]).ints("three", &[3]);
        same(&new.node(operator, &[vec!["x"], inputs].concat(), &["y"], vec![]), &old);
    }
    let split = |opset, inputs: &[&str], attributes| {
        let model = map().opset(opset).ints("parts", &[1, 3]);
        model.node("Split", inputs, &["a", "y"], attributes)
    };
    same(
        &split(13, &["x", "parts"], vec![int("axis", 1)]),
        &split(11, &["x"], vec![int("axis", 1), ints("split", &[1, 3])]),
    );
    let squeezed = |opset, inputs: &[&str], attributes| {
        let model = map().opset(opset).ints("spatial", &[2, 3]).node("GlobalAveragePool", &["x"], &["a"], vec![]);
        model.node("Squeeze", inputs, &["y"], attributes)
    };
    same(&squeezed(13, &["a", "spatial"], vec![]), &squeezed(11, &["a"], vec![ints("axes", &[2, 3])]));
}

#[test]
fn g_broadcasting_before_version_7_begins_at_an_axis() {
    let new = map().floats("bias", &[4, 1, 1]).node("Add", &["x", "bias"], &["y"], vec![]);
    let old = map().opset(6).floats("bias", &[4]);
    same(&old.node("Add", &["x", "bias"], &["y"], vec![int("broadcast", 1), int("axis", 1)]), &new);
    let gemm = |opset, attributes| {
        let model = map().opset(opset).floats("w", &[144, 3]).floats("c", &[3]).node("Flatten", &["x"], &["f"], vec![]);
        model.node("Gemm", &["f", "w", "c"], &["y"], attributes)
    };
    same(&gemm(6, vec![int("broadcast", 1)]), &gemm(9, vec![]));
}

#[test]
fn h_dense_layers_in_every_spelling() {
    let flat = || map().node("GlobalAveragePool", &["x"], &["g"], vec![]).node("Flatten", &["g"], &["f"], vec![]);
    // [4, 2] and its transpose.
    let (wide, tall) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [1.0, 3.0, 5.0, 7.0, 2.0, 4.0, 6.0, 8.0]);
    let with = |dims: &[i64], values: &[f32]| having(flat().floats("c", &[2]), numbers("w", dims, values));
    let plain =
        with(&[4, 2], &wide).node("MatMul", &["f", "w"], &["m"], vec![]).node("Add", &["m", "c"], &["y"], vec![]);
    same(&with(&[4, 2], &wide).node("Gemm", &["f", "w", "c"], &["y"], vec![]), &plain);
    same(&with(&[2, 4], &tall).node("Gemm", &["f", "w", "c"], &["y"], vec![int("transB", 1)]), &plain);
    let turned = with(&[4, 2], &wide).node("Transpose", &["f"], &["t"], vec![]);
    same(&turned.node("Gemm", &["t", "w", "c"], &["y"], vec![int("transA", 1)]), &plain);
    let halves = wide.map(|weight| weight * 2.0);
    let scaled = having(flat(), numbers("c", &[2], &[0.0, 0.5]));
    let scaled = having(scaled, numbers("w", &[4, 2], &halves));
    same(&scaled.node("Gemm", &["f", "w", "c"], &["y"], vec![float("alpha", 0.5), float("beta", 0.5)]), &plain);
}

#[test]
fn i_values_of_every_width_in_bytes_and_in_fields() {
    // 1, -2, 0.5 and 0 as bits of each type.
    let halves = [0x3c00_u16, 0xc000, 0x3800, 0];
    let brains = [0x3f80_u16, 0xc000, 0x3f00, 0];
    let wide = [1.0_f64, -2.0, 0.5, 0.0];
    let bytes = |bits: &[u16]| bits.iter().flat_map(|bits| bits.to_le_bytes()).collect::<Vec<u8>>();
    let fields = |bits: &[u16]| bits.iter().map(|bits| i32::from(*bits)).collect::<Vec<i32>>();
    let forms = [
        TensorProto { raw_data: bytes(&halves).into(), ..tensor("b", &[4, 1, 1], 10) },
        TensorProto { int32_data: fields(&halves), ..tensor("b", &[4, 1, 1], 10) },
        TensorProto { raw_data: bytes(&brains).into(), ..tensor("b", &[4, 1, 1], 16) },
        TensorProto { int32_data: fields(&brains), ..tensor("b", &[4, 1, 1], 16) },
        TensorProto {
            raw_data: wide.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>().into(),
            ..tensor("b", &[4, 1, 1], 11)
        },
        TensorProto { double_data: wide.to_vec(), ..tensor("b", &[4, 1, 1], 11) },
    ];
    let plain =
        having(map(), numbers("b", &[4, 1, 1], &[1.0, -2.0, 0.5, 0.0])).node("Add", &["x", "b"], &["y"], vec![]);
    for form in forms {
        same(&having(map(), form).node("Add", &["x", "b"], &["y"], vec![]), &plain);
    }
    let beyond = TensorProto { int32_data: vec![70_000; 4], ..tensor("b", &[4, 1, 1], 10) };
    let beyond = having(map(), beyond).node("Add", &["x", "b"], &["y"], vec![]);
    assert!(refused(&beyond).contains("values beyond float16"));
    let whole = |data_type: i32, raw: &[u8]| {
        let zero = TensorProto { raw_data: raw.to_vec().into(), ..tensor("q", &[1], data_type) };
        having(map(), zero).node("Cast", &["q"], &["b"], vec![int("to", 1)]).node("Add", &["x", "b"], &["y"], vec![])
    };
    let minus = |value: f32| having(map(), numbers("b", &[1], &[value])).node("Add", &["x", "b"], &["y"], vec![]);
    for (data_type, raw, expected) in [
        (2, [0xff].as_slice(), 255.0),
        (3, &[0xff], -1.0),
        (4, &[0xfe, 0xff], 65534.0),
        (5, &[0xfe, 0xff], -2.0),
        (6, &[0xfd, 0xff, 0xff, 0xff], -3.0),
        (12, &[0, 0, 1, 0], 65536.0),
        (7, &[0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], -4.0),
        (13, &[9, 0, 0, 0, 0, 0, 0, 0], 9.0),
        (9, &[1], 1.0),
        (17, &[0x38], 1.0),
        (18, &[0xc0], -1.0),
        (19, &[0xc0], -2.0),
        (20, &[0x45], 2.5),
        // What stands in the other half of the byte means nothing.
        (21, &[0x79], 9.0),
        (22, &[0x79], -7.0),
    ] {
        same(&whole(data_type, raw), &minus(expected));
    }
    let field = |data_type: i32, values: &[i32]| {
        let q = TensorProto { int32_data: values.to_vec(), ..tensor("q", &[4, 1, 1], data_type) };
        having(map(), q).node("Cast", &["q"], &["b"], vec![int("to", 1)]).node("Add", &["x", "b"], &["y"], vec![])
    };
    let float8 = numbers("b", &[4, 1, 1], &[1.0, -2.0, 0.5, 0.0]);
    same(&field(17, &[0x38, 0xc0, 0x30, 0]), &having(map(), float8).node("Add", &["x", "b"], &["y"], vec![]));
    let int4 = numbers("b", &[4, 1, 1], &[1.0, -2.0, 7.0, -8.0]);
    same(&field(22, &[0xe1, 0x87]), &having(map(), int4).node("Add", &["x", "b"], &["y"], vec![]));
    assert!(refused(&field(22, &[0xe1, 300])).contains("values beyond int4"));
    assert!(refused(&field(21, &[0xe1, 0x87, 0])).contains("4 elements, but 6 values"));
    assert!(refused(&field(19, &[0, 0, -1, 0])).contains("values beyond float8e5m2"));
    assert!(refused(&whole(22, &[0, 0])).contains("1 elements, but 2 bytes"));
}

#[test]
fn j_half_precision_has_casts_at_its_ends() {
    let half = TensorProto {
        raw_data: [0x3800_u16; 16].iter().flat_map(|bits| bits.to_le_bytes()).collect::<Vec<u8>>().into(),
        ..tensor("h", &[4, 4, 1, 1], 10)
    };
    let model = having(map(), half)
        .node("Cast", &["x"], &["a"], vec![int("to", 10)])
        .node("Conv", &["a", "h"], &["b"], vec![])
        .node("Cast", &["b"], &["y"], vec![int("to", 1)]);
    assert_eq!(operations(&model), ["conv"]);
    same(&model, &having(map(), numbers("h", &[4, 4, 1, 1], &[0.5; 16])).node("Conv", &["x", "h"], &["y"], vec![]));
    // Its input may be of half precision itself; the program takes f32.
    let mut input = model.clone();
    input.graph().input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().elem_type = 10;
    same(&input, &model);
}

#[test]
fn k_reshape_copies_and_infers() {
    let reshaped = |shape: &[i64]| graph(&map().ints("s", shape).node("Reshape", &["x", "s"], &["y"], vec![]), 1);
    for (shape, expected) in [
        ([0, -1].as_slice(), vec![1, 144]),
        (&[-1, 0, 9], vec![4, 4, 9]),
        (&[0, 2, 2, -1], vec![1, 2, 2, 36]),
        (&[144], vec![144]),
    ] {
        let graph = reshaped(shape);
        assert_eq!(graph.node(graph.outputs()[0].node).shape().0, expected);
    }
    let zero = map().opset(14).ints("s", &[0, -1]).node("Reshape", &["x", "s"], &["y"], vec![int("allowzero", 1)]);
    assert!(refused(&zero).contains("E-ONNX-SHAPE"));
}

/// The mean or the maximum of windows along one axis of `x`, of six rows by six.
fn pooled(outputs: usize, window: impl Fn(usize) -> Vec<usize>, mean: bool) -> Vec<f64> {
    let x = x(144);
    let mut y = Vec::new();
    for plane in 0..4 {
        for (row, column) in (0..outputs).flat_map(|row| (0..outputs).map(move |column| (row, column))) {
            let (rows, columns) = (window(row), window(column));
            let values: Vec<f64> = rows
                .iter()
                .flat_map(|r| {
                    let (x, r) = (&x, *r);
                    columns.iter().map(move |c| x[plane * 36 + r * 6 + c])
                })
                .collect();
            let most = values.iter().copied().fold(f64::MIN, f64::max);
            y.push(if mean { values.iter().sum::<f64>() / values.len() as f64 } else { most });
        }
    }
    y
}

#[test]
fn l_windows_that_do_not_fit() {
    let pool = |operator: &str, more: Vec<AttributeProto>| {
        let attributes =
            [vec![ints("kernel_shape", &[2, 2]), ints("strides", &[4, 4]), int("ceil_mode", 1)], more].concat();
        results(&map().opset(19).node(operator, &["x"], &["y"], attributes)).concat()
    };
    // Padded to 8: a third window would begin at 8, behind the input and its padding before.
    let two = |index: usize| {
        [4 * index, 4 * index + 1]
            .into_iter()
            .filter_map(|place| place.checked_sub(1))
            .filter(|place| *place < 6)
            .collect()
    };
    close(&pool("MaxPool", vec![ints("pads", &[1; 4])]), &pooled(2, two, false));
    close(&pool("AveragePool", vec![ints("pads", &[1; 4])]), &pooled(2, two, true));
    // Windows of three at a step of two over six: the last has two elements, and is divided by those.
    let overhang = [ints("kernel_shape", &[3, 3]), ints("strides", &[2, 2]), int("ceil_mode", 1)];
    let mean =
        map().node("AveragePool", &["x"], &["y"], [overhang.to_vec(), vec![int("count_include_pad", 1)]].concat());
    close(&results(&mean).concat(), &pooled(3, |index| (2 * index..(2 * index + 3).min(6)).collect(), true));
    let apart = |operator: &str| {
        let attributes = vec![ints("kernel_shape", &[2, 2]), ints("dilations", &[3, 3])];
        results(&map().opset(19).node(operator, &["x"], &["y"], attributes)).concat()
    };
    for (operator, mean) in [("MaxPool", false), ("AveragePool", true)] {
        close(&apart(operator), &pooled(3, |index| vec![index, index + 3], mean));
    }
}

#[test]
fn m_padding_by_rule() {
    let conv = |more| {
        let attributes = [vec![ints("strides", &[2, 2])], more].concat();
        map().node("Conv", &["x", "deep"], &["y"], attributes)
    };
    let rule = |rule| conv(vec![string("auto_pad", rule)]);
    same(&rule("SAME_UPPER"), &conv(vec![ints("pads", &[0, 0, 1, 1])]));
    same(&rule("SAME_LOWER"), &conv(vec![ints("pads", &[1, 1, 0, 0])]));
    same(&rule("VALID"), &conv(vec![ints("pads", &[0; 4])]));
}

#[test]
fn n_pads_of_every_mode() {
    let pad = |more: Vec<AttributeProto>, inputs: &[&str]| {
        let model = having(map().opset(18), numbers("seven", &[], &[7.0])).ints("p", &[2, 1]).ints("axis", &[3]);
        results(&model.node("Pad", inputs, &["y"], more)).concat()
    };
    let rows = |place: &dyn Fn(i64) -> Option<usize>| -> Vec<f64> {
        let x = x(144);
        (0..24)
            .flat_map(|row| (-2..7).map(move |column| (row, column)))
            .map(|(row, column)| place(column).map_or(7.0, |column| x[row * 6 + column]))
            .collect()
    };
    let inside = |column: i64| usize::try_from(column).ok().filter(|column| *column < 6);
    close(&pad(vec![], &["x", "p", "seven", "axis"]), &rows(&inside));
    close(&pad(vec![string("mode", "edge")], &["x", "p", "", "axis"]), &rows(&|column| inside(column.clamp(0, 5))));
    let reflect = |column: i64| inside(if column < 0 { -column } else { 5 - (column - 5).abs() });
    close(&pad(vec![string("mode", "reflect")], &["x", "p", "", "axis"]), &rows(&reflect));
    close(&pad(vec![string("mode", "wrap")], &["x", "p", "", "axis"]), &rows(&|column| inside(column.rem_euclid(6))));
    // A value that is not 0 never becomes a convolution's own padding.
    let seven = having(map(), numbers("seven", &[], &[7.0])).ints("p", &[0, 0, 1, 1, 0, 0, 1, 1]);
    let seven = seven.node("Pad", &["x", "p", "seven"], &["a"], vec![]).node("Conv", &["a", "deep"], &["y"], vec![]);
    let zero = map().node("Conv", &["x", "deep"], &["y"], vec![ints("pads", &[1; 4])]);
    assert!(
        results(&seven).concat().iter().zip(&results(&zero).concat()).any(|(seven, zero)| (seven - zero).abs() > 1.0)
    );
}

#[test]
fn o_where_the_largest_stands_and_pools_of_integers() {
    let output = ValueInfoProto { name: "i".to_owned(), r#type: None };
    let attributes = vec![ints("kernel_shape", &[2, 2]), ints("strides", &[2, 2])];
    let model = map().node("MaxPool", &["x"], &["y", "i"], attributes.clone()).with(|graph| graph.output.push(output));
    let [largest, places] = &results(&model)[..] else { panic!("two outputs") };
    assert_eq!(places.len(), 36);
    let x = x(144);
    assert!(largest.iter().zip(places).all(|(value, place)| x[*place as usize] == *value));
    let whole = map()
        .node("Mul", &["x", "fifty"], &["l"], vec![])
        .with(|graph| graph.initializer.push(numbers("fifty", &[], &[50.0])))
        .node("Round", &["l"], &["r"], vec![])
        .node("Cast", &["r"], &["q"], vec![int("to", 3)])
        .node("MaxPool", &["q"], &["m"], attributes)
        .node("Cast", &["m"], &["y"], vec![int("to", 1)]);
    close(&results(&whole).concat(), &largest.iter().map(|value| (value * 50.0).round()).collect::<Vec<_>>());
}

#[test]
fn p_constants_and_nodes_in_any_order_and_number() {
    let plain = map().node("Conv", &["x", "k"], &["a"], vec![]).node("Conv", &["a", "k"], &["b"], vec![]).node(
        "Relu",
        &["b"],
        &["y"],
        vec![],
    );
    let turned = plain.clone().floats("unread", &[7]).with(|graph| graph.node.reverse());
    same(&turned, &plain);
    let empty = map()
        .node("Conv", &["x", "k", ""], &["a"], vec![])
        .node("Conv", &["a", "k"], &["b"], vec![])
        .node("Clip", &["b", "", ""], &["c"], vec![])
        .node("Relu", &["c"], &["y"], vec![]);
    same(&empty, &plain);
}

#[test]
fn q_functions_are_written_out() {
    let model = map()
        .node("Conv", &["i", "w"], &["c"], vec![])
        .node("Relu", &["c"], &["o"], vec![])
        .function("local", "Layer", &["i", "w"], &["o"])
        .node("Layer", &["x", "k"], &["y"], vec![])
        .of("local");
    same(&model, &map().node("Conv", &["x", "k"], &["c"], vec![]).node("Relu", &["c"], &["y"], vec![]));
}

#[test]
fn r_a_softmax_at_the_end_is_known() {
    let head = || map().node("GlobalAveragePool", &["x"], &["g"], vec![]).node("Flatten", &["g"], &["f"], vec![]);
    let softmax = |model: &Builder| {
        let mut graph = graph(model, 1);
        resnetc::passes::run(&mut graph, &Default::default()).unwrap();
        let (plan, _) = resnetc::plan::plan(&graph, &Default::default()).unwrap();
        plan.outputs[0].softmax
    };
    assert!(softmax(&head().node("Softmax", &["f"], &["y"], vec![int("axis", 1)])));
    assert!(!softmax(&head().node("Identity", &["f"], &["y"], vec![])));
}
