//! One network in several forms: with functions, with sparse constants, in older versions of the operators. Each is held against the
//! plain form, by the interpreter.

#[path = "onnx_support/builder.rs"]
#[expect(dead_code, reason = "bad models take more")]
mod builder;

use std::collections::BTreeMap;

use builder::{Builder, int, ints, string, tensor, typed};
use resnetc::frontend::onnx;
use resnetc::frontend::onnx::proto::{AttributeProto, TensorProto};
use resnetc::ir::interpreter;
use resnetc::ir::verify::verify;
use resnetc::pipeline::{self, Options};

/// What a model makes of one input: every output.
fn results(model: &Builder) -> Vec<Vec<f64>> {
    let folder = tempfile::tempdir().unwrap();
    let (network, warnings) =
        onnx::load(&model.write(folder.path()), None, 1).unwrap_or_else(|error| panic!("{error}"));
    assert!(warnings.0.is_empty(), "{warnings}");
    let graph = &network.graph;
    let [input] = graph.inputs()[..] else { panic!("one input") };
    let count = graph.node(input).shape().len();
    let x = (0..count).map(|index| (index * 37 % 101) as f64 / 50.0 - 1.0).collect();
    let values = interpreter::run(graph, &BTreeMap::from([(input, x)])).unwrap();
    graph.outputs().iter().map(|output| values[&output.node].clone()).collect()
}

fn input() -> Builder {
    Builder::new(&[1, 4, 6, 6]).floats("k", &[4, 4, 1, 1]).floats("deep", &[4, 4, 3, 3])
}

/// An attribute that is the function's one of that name.
fn refers(name: &str, to: &str) -> AttributeProto {
    AttributeProto { name: name.to_owned(), ref_attr_name: to.to_owned(), r#type: 7, ..AttributeProto::default() }
}

#[test]
fn calls_are_what_their_functions_say() {
    let plain = input()
        .node("Conv", &["x", "k"], &["a"], vec![])
        .node("Relu", &["a"], &["b"], vec![])
        .node("Conv", &["b", "deep"], &["c"], vec![ints("pads", &[1, 1, 1, 1])])
        .node("Relu", &["c"], &["d"], vec![])
        .node("Conv", &["d", "deep"], &["e"], vec![ints("strides", &[2, 2])])
        .node("Relu", &["e"], &["y"], vec![]);
    // A function in a function; what they call their values is what the graph calls others.
    let mut model = input()
        .node("Conv", &["d", "w", "bias"], &["b"], vec![refers("pads", "pads"), refers("strides", "strides")])
        .node("Relu", &["b"], &["y"], vec![])
        .function("local", "Layer", &["d", "w", "bias"], &["y"])
        .node("Layer", &["x", "w"], &["a"], vec![refers("pads", "pads")])
        .of("local")
        .function("local", "Padded", &["x", "w"], &["a"]);
    model.0.functions[1].attribute_proto = vec![ints("pads", &[1, 1, 1, 1])];
    let called = model
        .node("Layer", &["x", "k"], &["b"], vec![])
        .of("local")
        .named("y/b")
        .node("Padded", &["b", "deep"], &["d"], vec![])
        .of("local")
        .named("y")
        .node("Layer", &["d", "deep"], &["y"], vec![ints("strides", &[2, 2])])
        .of("local")
        .named("y");
    assert_eq!(results(&called), results(&plain));
}

#[test]
fn an_output_may_be_an_input_and_another_unwanted() {
    let plain = input().node("Relu", &["x"], &["a"], vec![]).node("Add", &["a", "x"], &["y"], vec![]);
    let called = input()
        .node("Relu", &["a"], &["b"], vec![])
        .node("Sigmoid", &["a"], &["aside"], vec![])
        .function("local", "Both", &["a"], &["b", "aside", "a"])
        .node("Both", &["x"], &["p", "", "q"], vec![])
        .of("local")
        .node("Add", &["p", "q"], &["y"], vec![]);
    assert_eq!(results(&called), results(&plain));
}

#[test]
fn a_body_is_read_in_its_own_version_and_known_operators_stay() {
    let pooled = || input().node("GlobalAveragePool", &["x"], &["p"], vec![]);
    let plain = pooled().node("Softmax", &["p"], &["y"], vec![int("axis", 1)]);
    // Before version 13 the axis was 1 unless given, since then it is the last.
    let mut called = input().node("Softmax", &["a"], &["b"], vec![]).function("local", "Old", &["a"], &["b"]);
    called.0.functions[0].opset_import = called.0.opset_import.clone();
    called.0.functions[0].opset_import[0].version = 12;
    // A function of the standard's own domain does not take the place of an operator that is known.
    let called = called
        .node("Sigmoid", &["a"], &["b"], vec![])
        .function("", "Identity", &["a"], &["b"])
        .node("GlobalAveragePool", &["x"], &["p"], vec![])
        .node("Old", &["p"], &["m"], vec![])
        .of("local")
        .node("Identity", &["m"], &["y"], vec![]);
    assert_eq!(results(&called), results(&plain));
}

#[test]
fn sparse_constants_have_their_zeros() {
    let kernel = |model: Builder| model.node("Conv", &["x", "kernel"], &["y"], vec![]);
    let plain = kernel(input().with(|graph| {
        let mut values = vec![0.0_f32; 16];
        (values[2], values[7], values[15]) = (3.0, -2.0, 0.5);
        let mut tensor = builder::tensor("kernel", &[4, 4, 1, 1], 1);
        tensor.float_data = values;
        graph.initializer.push(tensor);
    }));
    let (dims, values) = ([4, 4, 1, 1], [3.0, -2.0, 0.5]);
    let by_number = kernel(input().sparse("kernel", &dims, &values, (&[3], &[2, 7, 15])));
    let by_indices = kernel(input().sparse("kernel", &dims, &values, (&[3, 4], &[0, 2, 0, 0, 1, 3, 0, 0, 3, 3, 0, 0])));
    let mut of_node = by_number.clone();
    let sparse_tensor = of_node.graph().sparse_initializer.pop();
    let attribute =
        AttributeProto { name: "sparse_value".to_owned(), r#type: 11, sparse_tensor, ..AttributeProto::default() };
    let of_node = of_node.node("Constant", &[], &["kernel"], vec![attribute]);
    for model in [by_number, by_indices, of_node] {
        assert_eq!(results(&model), results(&plain));
    }
}

#[test]
fn operators_before_version_7_are_read_by_their_rules() {
    let word = |name: &str, value: &str| AttributeProto {
        name: name.to_owned(),
        r#type: 3,
        s: value.as_bytes().to_vec(),
        ..AttributeProto::default()
    };
    let plain = |model: Builder| model.node("Sigmoid", &["r"], &["y"], vec![]).opset(12);
    let old = |model: Builder, version| model.node("Sigmoid", &["r"], &["y"], vec![]).opset(version);
    let vector = |name: &str, dims: &[i64]| input().floats(name, dims);
    let broadcast = |axis| vec![int("broadcast", 1), int("axis", axis)];
    for (wanted, found) in [
        // Axes match from an attribute's on.
        (
            plain(vector("c", &[4, 1, 1]).node("Add", &["x", "c"], &["r"], vec![])),
            old(vector("c", &[4]).node("Add", &["x", "c"], &["r"], broadcast(1)), 6),
        ),
        (
            plain(vector("c", &[4, 1, 1]).node("Mul", &["x", "c"], &["r"], vec![])),
            old(vector("c", &[4]).node("Mul", &["x", "c"], &["r"], broadcast(-3)), 1),
        ),
        (
            plain(vector("c", &[1]).node("Sub", &["x", "c"], &["r"], vec![])),
            old(vector("c", &[1]).node("Sub", &["x", "c"], &["r"], vec![int("broadcast", 1)]), 6),
        ),
        // What became inputs are attributes.
        (
            plain(input().ints("s", &[0, -1]).node("Reshape", &["x", "s"], &["r"], vec![])),
            old(input().node("Reshape", &["x"], &["r"], vec![ints("shape", &[0, -1])]), 4),
        ),
        (
            plain(input().ints("p", &[0, 0, 1, 2, 0, 0, 0, 1]).node("Pad", &["x", "p"], &["r"], vec![])),
            old(input().node("Pad", &["x"], &["r"], vec![ints("paddings", &[0, 0, 1, 2, 0, 0, 0, 1])]), 1),
        ),
        // A type is a word.
        (
            plain(input().node("Identity", &["x"], &["r"], vec![])),
            old(input().node("Cast", &["x"], &["r"], vec![word("to", "FLOAT")]), 1),
        ),
        // Evaluation must be said.
        (
            plain(input().node("Identity", &["x"], &["r"], vec![])),
            old(input().node("Dropout", &["x"], &["r"], vec![int("is_test", 1)]), 6),
        ),
        // The axis has a default.
        (
            plain(input().node("Concat", &["x", "x"], &["r"], vec![int("axis", 1)])),
            old(input().node("Concat", &["x", "x"], &["r"], vec![]), 1),
        ),
    ] {
        assert_eq!(results(&found), results(&wanted), "{:?}", found.0.graph.unwrap().node);
    }
}

#[test]
fn a_format_before_version_3_means_the_first_operators() {
    let mut model = input().node("Relu", &["x"], &["y"], vec![]);
    model.0.opset_import.clear();
    model.0.ir_version = 2;
    assert_eq!(results(&model), results(&input().node("Relu", &["x"], &["y"], vec![])));
}

/// A constant of words.
fn words(name: &str, dims: &[i64], words: &[&str]) -> TensorProto {
    let string_data = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    TensorProto { string_data, ..tensor(name, dims, 8) }
}

#[test]
fn numbers_are_made_of_words() {
    let plain = input()
        .with(|graph| {
            let factors = TensorProto { float_data: vec![1.5, -2.0, 1e-3, 40.0], ..tensor("factors", &[4, 1, 1], 1) };
            let shifts = TensorProto { float_data: vec![1.0, 0.0, 0.0, 1.0], ..tensor("shifts", &[4, 1, 1], 1) };
            graph.initializer.extend([factors, shifts]);
        })
        .node("Mul", &["x", "factors"], &["a"], vec![])
        .node("Add", &["a", "shifts"], &["y"], vec![]);
    let to = |kind: i64| vec![int("to", kind)];
    let spelt = input()
        .with(|graph| {
            graph.initializer.push(words("spelt", &[4, 1, 1], &["1.5", " -2", "1e-3", "4.0E1"]));
            graph.initializer.push(words("one", &[4, 1, 1], &["a", "b", "c", "ü"]));
            graph.initializer.push(words("other", &[4, 1, 1], &["a", "B", "c ", "ü"]));
            graph.initializer.push(words("like", &[], &["1"]));
        })
        .node("Identity", &["spelt"], &["same"], vec![])
        .node("CastLike", &["same", "k"], &["factors"], vec![])
        .node("Equal", &["one", "other"], &["equal"], vec![])
        .node("Cast", &["equal"], &["shifts"], to(1))
        .node("Mul", &["x", "factors"], &["a"], vec![])
        .node("Add", &["a", "shifts"], &["y"], vec![]);
    assert_eq!(results(&spelt), results(&plain));
}

#[test]
fn words_that_no_network_can_have_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |model: Builder| match onnx::load(&model.write(folder.path()), None, 1) {
        Ok(_) => panic!("it is taken"),
        Err(problems) => problems.to_string(),
    };
    let with = |word: &str| input().with(|graph| graph.initializer.push(words("words", &[1], &[word])));
    let cast = |word: &str, to: i64| with(word).node("Cast", &["words"], &["n"], vec![int("to", to)]);
    for (word, to, reason) in [
        ("one", 1, "it makes float of \"one\""),
        ("1.5", 6, "it makes int32 of \"1.5\""),
        ("3000000000", 6, "it makes int32 of \"3000000000\""),
        ("1", 9, "its attribute `to` is \"bool\""),
        ("1", 8, "its attribute `to` is \"string\""),
    ] {
        let text = refused(cast(word, to).node("Add", &["x", "n"], &["y"], vec![]));
        assert!(text.contains(reason), "{text}");
    }
    let text = refused(with("1").node("Add", &["x", "words"], &["y"], vec![]));
    assert!(text.contains("it reads words, not numbers"), "{text}");
    let text = refused(with("1").node("Identity", &["words"], &["y"], vec![]));
    assert!(text.contains("it is 1 words, of shape [1]") && text.contains("a tensor of numbers"), "{text}");
    let broken = |data: Vec<Vec<u8>>| {
        let words = TensorProto { string_data: data, ..tensor("words", &[2], 8) };
        let model = input().with(|graph| graph.initializer.push(words));
        refused(model.node("Cast", &["words"], &["n"], vec![int("to", 1)]).node("Add", &["x", "n"], &["y"], vec![]))
    };
    assert!(broken(vec![b"1".to_vec()]).contains("2 elements, but 1 words"));
    assert!(broken(vec![b"1".to_vec(), vec![0xff]]).contains("is not UTF-8"));
}

/// Sums of constants overflow as their type does: each of these is 1 by then.
#[test]
fn integers_of_constants_overflow_as_their_type_does() {
    let plain =
        input().with(|graph| graph.initializer.push(TensorProto { float_data: vec![1.0], ..tensor("one", &[1], 1) }));
    let plain = plain.node("Add", &["x", "one"], &["y"], vec![]);
    let integers = |name: &str, kind: i32, values: &[i32]| TensorProto {
        int32_data: values.to_vec(),
        ..tensor(name, &[values.len() as i64], kind)
    };
    let sums = |kind: i32, all: &[i32]| {
        let last = all.len() as i64 - 1;
        input()
            .with(|graph| graph.initializer.push(integers("all", kind, all)))
            .ints("axis", &[0])
            .ints("last", &[last])
            .node("CumSum", &["all", "axis"], &["sums"], vec![])
            .node("Gather", &["sums", "last"], &["sum"], vec![])
            .node("Cast", &["sum"], &["one"], vec![int("to", 1)])
            .node("Add", &["x", "one"], &["y"], vec![])
    };
    // uint8, int8, int32
    for (kind, all) in [(2, &[200, 57][..]), (3, &[127, 127, 3]), (6, &[i32::MAX, i32::MAX, 3])] {
        assert_eq!(results(&sums(kind, all)), results(&plain), "type {kind}");
    }
    let scattered = input()
        .with(|graph| {
            graph.initializer.extend([integers("data", 3, &[100]), integers("update", 3, &[100, 57])]);
        })
        .ints("places", &[0, 0])
        .node("ScatterElements", &["data", "places", "update"], &["sum"], vec![string("reduction", "add")])
        .opset(18)
        .node("Cast", &["sum"], &["one"], vec![int("to", 1)])
        .node("Add", &["x", "one"], &["y"], vec![]);
    assert_eq!(results(&scattered), results(&plain));
}

/// Results that no input leads to: nothing at all, and what is no number.
#[test]
fn constants_that_are_results_may_be_anything() {
    let floats =
        |name: &str, dims: &[i64], values: &[f32]| TensorProto { float_data: values.to_vec(), ..tensor(name, dims, 1) };
    let model = input()
        .with(|graph| {
            graph.initializer.push(floats("infinite", &[2], &[f32::NEG_INFINITY, 1.0]));
            graph.initializer.push(TensorProto { int64_data: vec![0, 3], ..tensor("extents", &[2], 7) });
            graph.output.extend([typed("empty", &[0, 3]), typed("any", &[2])]);
        })
        .node("Conv", &["x", "k"], &["y"], vec![])
        .node("ConstantOfShape", &["extents"], &["empty"], vec![])
        .node("Identity", &["infinite"], &["any"], vec![]);
    let folder = tempfile::tempdir().unwrap();
    let path = model.write(folder.path());
    let compiled =
        pipeline::compile(&Options::new(path.to_str().unwrap()), &mut |_| ()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(verify(&compiled.graph), Ok(()));
    let shapes: Vec<_> = compiled.plan.outputs.iter().map(|output| output.shape.clone()).collect();
    assert_eq!(shapes, [vec![1, 4, 6, 6], vec![0, 3], vec![2]]);
    // The greatest double stands for no bound, another one beyond f32 for nothing.
    let double = |value: f64| {
        let double = TensorProto { double_data: vec![value], ..tensor("double", &[], 11) };
        let model = input().with(|graph| {
            graph.initializer.push(double);
            graph.initializer.push(floats("low", &[], &[0.5]));
        });
        let model = model.node("Cast", &["double"], &["high"], vec![int("to", 1)]);
        onnx::load(&model.node("Clip", &["x", "low", "high"], &["y"], vec![]).write(folder.path()), None, 1)
    };
    assert_eq!(double(f64::MAX).map_err(|problems| problems.to_string()).map(|_| ()), Ok(()));
    let text = double(2.4e198).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("tensor `double` has the value 2.4e198"), "{text}");
    // Where it is read, a weight has to be a number.
    let read = input().with(|graph| graph.initializer.push(floats("infinite", &[1], &[f32::INFINITY]))).node(
        "Add",
        &["x", "infinite"],
        &["y"],
        vec![],
    );
    let text = onnx::load(&read.write(folder.path()), None, 1).map(|_| ()).unwrap_err().to_string();
    assert!(text.contains("E-WVAL"), "{text}");
}
