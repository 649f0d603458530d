//! ONNX models made to harm: lengths that lie, extents beyond any memory, graphs without end, names of every kind. Each is an error or a
//! network, in little time and memory.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use builder::{Builder, int, ints, string, tensor, typed};
use resnetc::frontend::onnx;
use resnetc::frontend::onnx::proto::TensorProto;

#[path = "onnx_support/builder.rs"]
#[allow(dead_code, reason = "bad models take more")]
mod builder;

#[path = "support/peak.rs"]
mod peak;

use peak::Peak;

#[global_allocator]
static MEMORY: Peak = Peak::new();

/// Reads a file and measures it, one at a time: its error, or nothing when it is a network.
fn read(path: &Path, what: &str, seconds: u64, memory: usize) -> Option<String> {
    static ALONE: Mutex<()> = Mutex::new(());
    let guard = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let before = MEMORY.now.load(Ordering::Relaxed);
    MEMORY.most.store(before, Ordering::Relaxed);
    let begin = Instant::now();
    let read = onnx::load(path, None, 1);
    let (time, most) = (begin.elapsed(), MEMORY.most.load(Ordering::Relaxed).saturating_sub(before));
    drop(guard);
    println!("{what}: {time:?}, {most} bytes");
    assert!(time < Duration::from_secs(seconds), "{what}: {time:?}");
    assert!(most < memory, "{what}: {most} bytes of memory");
    read.err().map(|problems| {
        let text = problems.to_string();
        assert!(text.contains("error[E-"), "{what}: {text}");
        let file = path.metadata().map_or(0, |file| file.len() as usize);
        assert!(text.len() < 4 * file + 50_000, "{what}: an error of {} bytes", text.len());
        text
    })
}

/// What a file of `length` bytes may take while it is read: a model of a million empty nodes takes more than a hundred times its bytes.
fn allowed(length: usize) -> usize {
    400 * length + (8 << 20)
}

#[track_caller]
fn refused(bytes: &[u8], what: &str, expected: &str) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, bytes).unwrap();
    let text = read(&path, what, 30, allowed(bytes.len())).unwrap_or_else(|| panic!("{what} is taken"));
    assert!(text.contains(expected), "{what}: {text}");
}

/// A field of a message: its number, and bytes with a length that need not be theirs.
fn field(number: u8, length: u64, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![number << 3 | 2];
    let mut rest = length;
    while rest > 0x7f {
        field.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    field.push(rest as u8);
    field.extend(bytes);
    field
}

fn whole(number: u8, bytes: &[u8]) -> Vec<u8> {
    field(number, bytes.len() as u64, bytes)
}

const GRAPH: u8 = 7;

#[test]
fn lengths_that_lie_are_errors() {
    let broken = "error[E-ONNX-FILE]";
    for length in [1, 0x7fff_ffff, 1 << 31, 1 << 32, 1 << 60, u64::MAX] {
        refused(&field(GRAPH, length, b""), "a graph that is not there", broken);
        // A tensor inside a graph whose own length holds, and its raw data, names and extents.
        for inner in [
            field(5, length, b""),
            whole(5, &field(9, length, b"")),
            whole(5, &field(8, length, b"")),
            whole(5, &field(1, length, b"")),
        ] {
            refused(&whole(GRAPH, &inner), "a length in a tensor", broken);
        }
    }
    refused(
        &[GRAPH << 3 | 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        "a length without end",
        broken,
    );
    refused(&[0xff; 64], "no field", broken);
    refused(&[], "nothing", broken);
    // Groups are of an old form of the format, and can be in each other without end.
    refused(&[GRAPH << 3 | 3; 1 << 20], "groups in groups", broken);
    // A graph in an attribute of a node of a graph, and so on.
    let mut nested = Vec::new();
    for _ in 0..200 {
        nested = whole(1, &whole(5, &whole(6, &nested)));
    }
    refused(&whole(GRAPH, &nested), "graphs in graphs", "error[E-ONNX-");
}

#[test]
fn names_that_are_no_text_are_errors() {
    // Of the graph, a node, a node's operator, a tensor, the input.
    for graph in [
        whole(2, b"\xff\xfe"),
        whole(1, &whole(3, b"\xc0\x80")),
        whole(1, &whole(4, b"\xed\xa0\x80")),
        whole(5, &whole(8, b"\x80")),
        whole(11, &whole(1, b"a\xff")),
    ] {
        refused(&whole(GRAPH, &graph), "a name that is no UTF-8", "error[E-ONNX-FILE]");
    }
}

fn conv(dims: &[i64]) -> Builder {
    Builder::new(&[1, 4, 8, 8]).with(|graph| graph.initializer.push(tensor("kernel", dims, 1))).node(
        "Conv",
        &["x", "kernel"],
        &["y"],
        vec![],
    )
}

#[test]
fn extents_beyond_memory_are_errors() {
    let huge: [&[i64]; 8] = [
        &[1 << 60],
        &[1 << 60, 1 << 60],
        &[i64::MAX, i64::MAX, 3, 3],
        &[i64::MIN, 1, 1, 1],
        &[-1, 4, 1, 1],
        &[4, 4, -1, -1],
        &[1 << 32, 1 << 32, 1, 1],
        &[3; 5000],
    ];
    for dims in huge {
        refused(&conv(dims).bytes(), &format!("weights of {:?}", &dims[..dims.len().min(4)]), "error[E-ONNX-");
        let external = Builder::new(&[1, 4, 8, 8])
            .external("kernel", dims, &[("location", "model.onnx"), ("offset", "0")])
            .node("Conv", &["x", "kernel"], &["y"], vec![]);
        refused(&external.bytes(), "external weights", "error[E-ONNX-");
        let shape = Builder::new(&[1, 4, 8, 8])
            .ints("extents", dims.get(..dims.len().min(64)).unwrap())
            .node("ConstantOfShape", &["extents"], &["c"], vec![])
            .node("Add", &["x", "c"], &["y"], vec![]);
        refused(&shape.bytes(), "a constant of a shape", "error[E-ONNX-");
    }
    // The first extent is the batch, which the user sets.
    for dims in [
        &[1, 1 << 60, 1, 1][..],
        &[1, 3, -5, 8],
        &[1, 3, i64::MIN, i64::MIN],
        &[1, 1 << 30, 1 << 30, 1 << 30],
        &[i64::MAX, i64::MAX, i64::MAX, i64::MAX],
        &[1; 5000],
    ] {
        let input = Builder::new(&[1, 4, 8, 8]).with(|graph| graph.input[0] = typed("x", dims));
        refused(&input.node("Relu", &["x"], &["y"], vec![]).bytes(), "the input", "error[E-ONNX-");
    }
    let extents = |name: &str| ints(name, &[i64::MAX, i64::MAX]);
    for (op, attributes) in [
        ("MaxPool", vec![extents("kernel_shape")]),
        ("MaxPool", vec![ints("kernel_shape", &[2, 2]), extents("strides")]),
        ("MaxPool", vec![ints("kernel_shape", &[i64::MIN, 0])]),
        ("MaxPool", vec![ints("kernel_shape", &[2, 2]), ints("pads", &[i64::MAX; 4])]),
        ("AveragePool", vec![extents("kernel_shape"), ints("pads", &[1 << 40; 4])]),
        ("Flatten", vec![int("axis", i64::MIN)]),
        ("Concat", vec![int("axis", i64::MAX)]),
        ("Transpose", vec![ints("perm", &[i64::MAX, 0, -1, 2])]),
        ("Softmax", vec![int("axis", i64::MIN)]),
        ("Split", vec![int("axis", 1), ints("split", &[i64::MAX, i64::MAX])]),
        ("ReduceMean", vec![ints("axes", &[i64::MIN, i64::MAX])]),
        ("Unsqueeze", vec![ints("axes", &[1 << 40])]),
        ("Pad", vec![ints("pads", &[0, 0, i64::MAX, i64::MAX, 0, 0, i64::MAX, i64::MAX])]),
        ("Pad", vec![ints("pads", &[0, 0, i64::MIN, 0, 0, 0, 0, 0])]),
    ] {
        for opset in [9, 13] {
            let model = Builder::new(&[1, 4, 8, 8]).opset(opset).node(op, &["x"], &["y"], attributes.clone());
            let folder = tempfile::tempdir().unwrap();
            // What an opset reads elsewhere it may leave out; it may not fall.
            let _ = read(&model.write(folder.path()), op, 30, 64 << 20);
        }
    }
    for attributes in [
        vec![ints("pads", &[i64::MAX; 4])],
        vec![ints("pads", &[1 << 30; 4])],
        vec![extents("strides")],
        vec![extents("dilations")],
        vec![ints("strides", &[0, 0])],
        vec![ints("dilations", &[0, 0])],
        vec![int("group", 0)],
        vec![int("group", i64::MIN)],
        vec![int("group", i64::MAX)],
    ] {
        let model = Builder::new(&[1, 4, 8, 8]).floats("kernel", &[4, 4, 3, 3]).node(
            "Conv",
            &["x", "kernel"],
            &["y"],
            attributes.clone(),
        );
        let folder = tempfile::tempdir().unwrap();
        let text = read(&model.write(folder.path()), "Conv", 30, 64 << 20);
        // One pixel is left of a map at the largest stride.
        let stride = attributes[0].name == "strides" && attributes[0].ints[0] > 0;
        assert!(text.is_some() || stride, "{attributes:?}");
    }
    // Reshape, Slice and Pad of later opsets take them as tensors.
    for (op, inputs) in [
        ("Reshape", vec![vec![i64::MAX, i64::MAX]]),
        ("Reshape", vec![vec![-1, -1]]),
        ("Reshape", vec![vec![0; 4000]]),
        ("Reshape", vec![vec![i64::MIN, 1]]),
        ("Slice", vec![vec![i64::MIN], vec![i64::MAX], vec![1], vec![i64::MIN]]),
        ("Slice", vec![vec![i64::MAX], vec![i64::MIN], vec![1], vec![i64::MAX]]),
        ("Slice", vec![vec![0], vec![1], vec![1], vec![0]]),
        ("Pad", vec![vec![0, 0, 1 << 62, 0, 0, 0, 1 << 62, 0]]),
        ("Unsqueeze", vec![vec![i64::MIN]]),
    ] {
        let mut model = Builder::new(&[1, 4, 8, 8]);
        let names: Vec<String> = (0..inputs.len()).map(|index| format!("i{index}")).collect();
        for (name, values) in names.iter().zip(&inputs) {
            model = model.ints(name, values);
        }
        let all: Vec<&str> = std::iter::once("x").chain(names.iter().map(String::as_str)).collect();
        refused(&model.node(op, &all, &["y"], vec![]).bytes(), op, "error[E-ONNX-");
    }
}

/// Every number that an operator takes, as large and as small as the format can say, over tensors of three to five axes.
#[test]
fn extreme_numbers_are_answered() {
    let numbers = [i64::MIN, -(1 << 31), -1, 0, 1, 7, 1 << 16, 1 << 32, 1 << 62, i64::MAX];
    // Operators with the names of their attributes: lists of one number per axis of pixels, single numbers, and what else they need.
    let windows = ["kernel_shape", "strides", "dilations", "pads", "output_padding", "output_shape"];
    let lists: [(&str, &[&str]); 6] = [
        ("Conv", &windows),
        ("ConvTranspose", &windows),
        ("MaxPool", &windows),
        ("AveragePool", &windows),
        ("ReduceSum", &["axes"]),
        ("Transpose", &["perm"]),
    ];
    let singles: [(&str, &[&str]); 14] = [
        ("Conv", &["group"]),
        ("ConvTranspose", &["group"]),
        ("Softmax", &["axis"]),
        ("ArgMax", &["axis"]),
        ("Concat", &["axis"]),
        ("Gather", &["axis"]),
        ("Split", &["axis", "num_outputs"]),
        ("Flatten", &["axis"]),
        ("DepthToSpace", &["blocksize"]),
        ("SpaceToDepth", &["blocksize"]),
        ("LayerNormalization", &["axis"]),
        ("GroupNormalization", &["num_groups"]),
        ("QuantizeLinear", &["axis", "block_size"]),
        ("DequantizeLinear", &["axis", "block_size"]),
    ];
    // Operators that take lists as inputs.
    let inputs: [(&str, usize); 12] = [
        ("Reshape", 1),
        ("Slice", 4),
        ("Pad", 1),
        ("Expand", 1),
        ("Tile", 1),
        ("Gather", 1),
        ("TopK", 1),
        ("Unsqueeze", 1),
        ("ReduceMean", 1),
        ("CumSum", 1),
        ("Trilu", 1),
        ("Compress", 1),
    ];
    let shapes: [&[i64]; 3] = [&[1, 4, 8], &[1, 4, 4, 8], &[1, 4, 2, 4, 8]];
    // Of the input, and of a constant, which is computed with at once; by the standard of today and of long ago.
    let try_it = |op: &str, x: &[i64], model: Builder, what: &str| {
        for (constant, version) in [(false, 12), (false, 21), (true, 12), (true, 21)] {
            let folder = tempfile::tempdir().unwrap();
            let mut model = model.clone().opset(version);
            if constant {
                model = model.floats("constant", x).with(|graph| graph.node[0].input[0] = "constant".to_owned());
            }
            let what = format!("{op} {version} of {}{x:?}, {what}", if constant { "a constant " } else { "" });
            let _ = read(&model.write(folder.path()), &what, 30, 1 << 28);
        }
    };
    for x in shapes {
        let pixels = x.len() - 2;
        for number in numbers {
            for (op, names) in lists {
                for name in names {
                    let length = if *name == "pads" { 2 * pixels } else { pixels };
                    let mut attributes = vec![ints(name, &vec![number; length])];
                    if op.ends_with("Pool") && *name != "kernel_shape" {
                        attributes.push(ints("kernel_shape", &vec![2; pixels]));
                    }
                    let kernel = [vec![4, 4], vec![2; pixels]].concat();
                    let model = Builder::new(x).floats("kernel", &kernel);
                    let all: &[&str] = if op.starts_with("Conv") { &["x", "kernel"] } else { &["x"] };
                    try_it(op, x, model.node(op, all, &["y"], attributes), &format!("{name} of {number}"));
                }
            }
            for (op, names) in singles {
                for name in names {
                    let kernel = [vec![4, 4], vec![2; pixels]].concat();
                    let model = Builder::new(x).floats("kernel", &kernel).floats("scale", &[4]).ints("first", &[0]);
                    let all: &[&str] = match op {
                        "Conv" | "ConvTranspose" => &["x", "kernel"],
                        "LayerNormalization" | "GroupNormalization" => &["x", "scale", "scale"],
                        "QuantizeLinear" | "DequantizeLinear" => &["x", "scale"],
                        "Concat" => &["x", "x"],
                        "Gather" => &["x", "first"],
                        _ => &["x"],
                    };
                    let what = format!("{name} of {number}");
                    try_it(op, x, model.node(op, all, &["y"], vec![int(name, number)]), &what);
                }
            }
            // Operators on constants alone: with their own number and with one as axis.
            for (op, name, all) in [
                ("GatherElements", "axis", &["x", "place"][..]),
                ("ScatterElements", "axis", &["x", "place", "update"]),
                ("GatherND", "batch_dims", &["x", "numbers"]),
                ("ScatterND", "axis", &["x", "numbers", "update"]),
                ("OneHot", "axis", &["x", "numbers", "two"]),
                ("Compress", "axis", &["x", "numbers"]),
                ("EyeLike", "k", &["square"]),
                ("BitShift", "direction", &["numbers", "numbers"]),
            ] {
                let ones = vec![1; x.len()];
                let place = TensorProto { int64_data: vec![number], ..tensor("place", &ones, 7) };
                let model = Builder::new(x).ints("numbers", &[number]).floats("two", &[2]).floats("square", &[3, 5]);
                let model = model.floats("update", &ones).with(|graph| graph.initializer.push(place));
                let attribute = if op == "BitShift" { string(name, "LEFT") } else { int(name, number) };
                let what = format!("{name} of {number}");
                try_it(op, x, model.clone().node(op, all, &["y"], vec![attribute]), &what);
                if op != "BitShift" {
                    try_it(op, x, model.node(op, all, &["y"], vec![]), &format!("positions of {number}"));
                }
            }
            for (op, count) in inputs {
                for rest in [1, number] {
                    for length in [1, x.len(), 2 * x.len()] {
                        let mut model = Builder::new(x);
                        let names: Vec<String> = (0..count).map(|index| format!("i{index}")).collect();
                        for (position, name) in names.iter().enumerate() {
                            let value = if position == 0 { number } else { rest };
                            model = model.ints(name, &vec![value; length]);
                        }
                        let all: Vec<&str> = std::iter::once("x").chain(names.iter().map(String::as_str)).collect();
                        try_it(op, x, model.node(op, &all, &["y"], vec![]), &format!("{length} of {number}, {rest}"));
                    }
                }
            }
        }
        for scale in [0.0, 1e-30, 1e-3, 0.3, 1e4, 1e8, 1e30, f32::INFINITY, f32::NAN, -1.0] {
            for mode in ["nearest", "linear", "cubic"] {
                let scales = tensor("scales", &[x.len() as i64], 1);
                let scales = TensorProto { float_data: vec![scale; x.len()], ..scales };
                let mut attributes = vec![string("mode", mode)];
                if mode != "nearest" {
                    attributes.push(int("antialias", 1));
                }
                let model = Builder::new(x).with(|graph| graph.initializer.push(scales));
                let model = model.node("Resize", &["x", "", "scales"], &["y"], attributes);
                try_it("Resize", x, model, &format!("{mode} by {scale}"));
            }
        }
    }
}

#[test]
fn values_that_are_fewer_than_their_shape_are_errors() {
    for proto in [
        TensorProto { raw_data: vec![0; 15].into(), ..tensor("kernel", &[4, 1, 1, 1], 1) },
        TensorProto { raw_data: vec![0; 17].into(), ..tensor("kernel", &[4, 1, 1, 1], 1) },
        TensorProto { float_data: vec![0.0; 3], ..tensor("kernel", &[4, 1, 1, 1], 1) },
        TensorProto { raw_data: vec![0; 16].into(), ..tensor("kernel", &[4, 1, 1, 1], 77) },
        TensorProto { raw_data: vec![0; 16].into(), ..tensor("kernel", &[4, 1, 1, 1], -1) },
    ] {
        let model = Builder::new(&[1, 1, 8, 8]).with(|graph| graph.initializer.push(proto.clone())).node(
            "Conv",
            &["x", "kernel"],
            &["y"],
            vec![],
        );
        refused(&model.bytes(), "values", "error[E-");
    }
}

#[test]
fn graphs_without_end_are_errors() {
    let own = Builder::new(&[1, 4, 8, 8]).node("Add", &["x", "y"], &["y"], vec![]);
    refused(&own.bytes(), "a node that reads itself", "error[E-ONNX-CYCLE]");
    let mut long = Builder::new(&[1, 4, 8, 8]).node("Add", &["x", "v9999"], &["v0"], vec![]);
    for index in 1..10_000 {
        long = long.node("Relu", &[&format!("v{}", index - 1)], &[&format!("v{index}")], vec![]);
    }
    let long = long.node("Relu", &["v9999"], &["y"], vec![]);
    refused(&long.bytes(), "a cycle of ten thousand", "error[E-ONNX-CYCLE]");
    let mut twice = Builder::new(&[1, 4, 8, 8]);
    for _ in 0..10_000 {
        twice = twice.node("Relu", &["x"], &["y"], vec![]).named("same");
    }
    refused(&twice.bytes(), "a value made ten thousand times", "error[E-ONNX-NAME]");
    let undefined = Builder::new(&[1, 4, 8, 8]).with(|graph| {
        let node = resnetc::frontend::onnx::proto::NodeProto {
            op_type: "Sum".to_owned(),
            input: (0..100_000).map(|index| format!("nowhere {index}")).collect(),
            output: vec!["y".to_owned()],
            ..Default::default()
        };
        graph.node.push(node);
    });
    refused(&undefined.bytes(), "a hundred thousand undefined names", "error[E-ONNX-NAME]");
    let long = "n".repeat(1 << 20);
    let named = Builder::new(&[1, 4, 8, 8]).node(&long, &["x"], &["y"], vec![]).named(&long);
    let folder = tempfile::tempdir().unwrap();
    let text = read(&named.write(folder.path()), "names of a megabyte", 30, 64 << 20).map(|text| text.len());
    assert!(text.is_some());
}

/// Nodes that do nothing, and more of what is small in the file and large in memory.
#[test]
fn a_million_nodes_take_bounded_time_and_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = Builder::new(&[1, 4, 8, 8]).node("Relu", &["x"], &["y"], vec![]).bytes();
    // Concatenated messages are one message: what comes later is added.
    let node = whole(GRAPH, &whole(1, &[whole(1, b"x"), whole(4, b"Relu")].concat()));
    for _ in 0..1_000_000 {
        bytes.extend(&node);
    }
    let path = folder.path().join("million.onnx");
    std::fs::write(&path, &bytes).unwrap();
    let _ = read(&path, "a million nodes without results", 60, allowed(bytes.len()));

    let mut bytes = Builder::new(&[1, 4, 8, 8]).bytes();
    for index in 0..200_000 {
        let (from, to) = (if index == 0 { "x".to_owned() } else { format!("v{index}") }, format!("v{}", index + 1));
        let to = if index == 199_999 { "y".to_owned() } else { to };
        let node = [whole(1, from.as_bytes()), whole(2, to.as_bytes()), whole(4, b"Relu")].concat();
        bytes.extend(whole(GRAPH, &whole(1, &node)));
    }
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(read(&path, "a chain of two hundred thousand nodes", 60, allowed(bytes.len())), None);

    // Empty nodes are two bytes each.
    let bytes = whole(GRAPH, &[1 << 3 | 2, 0].repeat(1 << 20));
    std::fs::write(&path, &bytes).unwrap();
    let _ = read(&path, "a million empty nodes", 60, allowed(bytes.len()));
}

#[cfg(unix)]
#[test]
fn external_data_is_a_file_of_the_folder() {
    use std::os::unix::fs::symlink;
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("model");
    std::fs::create_dir_all(folder.join("inner")).unwrap();
    std::fs::write(outer.path().join("secret"), [0; 64]).unwrap();
    std::fs::write(folder.join("inner/data"), [0; 64]).unwrap();
    symlink("/dev/zero", folder.join("zero")).unwrap();
    symlink(outer.path(), folder.join("up")).unwrap();
    symlink("loop", folder.join("loop")).unwrap();
    symlink("inner/data", folder.join("link")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(folder.join("pipe")).status();
    let model = |location: &str, more: &[(&str, &str)]| {
        let entries = [&[("location", location)], more].concat();
        let model = Builder::new(&[1, 4, 8, 8]).external("kernel", &[4, 4, 1, 1], &entries).node(
            "Conv",
            &["x", "kernel"],
            &["y"],
            vec![],
        );
        let path = model.write(&folder);
        read(&path, location, 5, 8 << 20)
    };
    assert_eq!(model("inner/data", &[]), None);
    assert_eq!(model("./link", &[]), None);
    let mut places = vec![
        "../secret",
        "up/secret",
        "/dev/zero",
        "zero",
        "loop",
        "inner",
        ".",
        "",
        "a\0b",
        "inner/../../secret",
        "inner/data/",
    ];
    if made.is_ok_and(|status| status.success()) {
        // To open a pipe would wait for somebody who writes.
        places.push("pipe");
    }
    for location in places {
        let text = model(location, &[]);
        assert!(text.as_ref().is_some_and(|text| text.starts_with("error[E-ONNX-EXT]")), "{location:?}: {text:?}");
    }
    for (key, value) in [
        ("offset", "18446744073709551615"),
        ("offset", "1"),
        ("offset", "99999999999999999999999"),
        ("offset", "1e3"),
        ("length", "0"),
        ("length", "18446744073709551615"),
        ("length", "-64"),
    ] {
        let text = model("inner/data", &[(key, value)]);
        assert!(text.as_ref().is_some_and(|text| text.starts_with("error[E-ONNX-EXT]")), "{key} {value}: {text:?}");
    }
    // The model itself may be no file either.
    for device in ["/dev/zero", "/dev/null"] {
        let link = folder.join("device.onnx");
        symlink(device, &link).unwrap();
        assert!(read(&link, device, 5, 8 << 20).is_some());
        std::fs::remove_file(link).unwrap();
    }
    if folder.join("pipe").exists() {
        let link = folder.join("pipe.onnx");
        symlink(folder.join("pipe"), &link).unwrap();
        assert!(read(&link, "a pipe", 5, 8 << 20).is_some());
    }
}

/// Whoever means it sets another limit; who sets none that exists is told.
#[cfg(feature = "cli")]
#[test]
fn limits_are_set_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let model = Builder::new(&[1, 4, 8, 8])
        .ints("extents", &[1, 4, 1, 1])
        .node("ConstantOfShape", &["extents"], &["c"], vec![])
        .node("Add", &["x", "c"], &["y"], vec![])
        .write(folder.path());
    let inspect = |limits: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_resnetc"))
            .args(["inspect", model.to_str().unwrap()])
            .env("RESNETC_LIMITS", limits)
            .output()
            .unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, text) = inspect("");
    assert_eq!(status, 0, "{text}");
    let (status, text) = inspect("onnx-constant-bytes=31");
    assert!(status == 1 && text.starts_with("error[E-ONNX-LIMIT]: "), "{status}: {text}");
    assert!(text.contains("set RESNETC_LIMITS=onnx-constant-bytes=NUMBER"), "{text}");
    assert_eq!(inspect("onnx-constant-bytes=1000000, map-elements=256").0, 0);
    let (status, text) = inspect("map-elements=255");
    assert!(status == 1 && text.starts_with("error[E-ONNX-SHAPE]: "), "{status}: {text}");
    let (status, text) = inspect("onnx-nods=1");
    assert!(
        status == 2 && text.contains("error[E-LIMITS]: RESNETC_LIMITS: ") && text.contains("`onnx-nodes`"),
        "{text}"
    );
}
