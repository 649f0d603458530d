//! Inputs of ONNX models: several of them, and extents that the file leaves open.

use std::path::Path;

#[path = "onnx_support/builder.rs"]
#[expect(dead_code, reason = "bad models take more")]
mod builder;

use builder::{Builder, int, ints, typed};
use resnetc::frontend::onnx;
use resnetc::frontend::{self, Changes, InputExtents, Network, Overrides};
use resnetc::ir::interpreter;

fn load(path: &Path, batch: usize, extents: &str) -> Result<Network, String> {
    let input_shape = (!extents.is_empty()).then(|| InputExtents::parse(extents).unwrap());
    let structure = Overrides { input_shape, ..Overrides::default() };
    let changes = Changes { structure, ..Changes::default() };
    let name = path.file_name().unwrap().to_str().unwrap();
    frontend::load_with(path.to_str().unwrap(), None, batch, &changes)
        .map(|(network, _)| network)
        .map_err(|problems| problems.to_string().replace(&path.display().to_string(), name))
}

fn shapes(network: &Network) -> Vec<(&str, &[usize])> {
    let graph = &network.graph;
    let of = |id| (graph.node(id).name.as_str(), graph.node(id).shape().0.as_slice());
    graph.inputs().into_iter().map(of).collect()
}

#[test]
fn several_inputs_are_taken_in_their_order() {
    let model = Builder::new(&[0, 2, 2, 2])
        .with(|graph| graph.input.extend([typed("weights", &[0, 2]), typed("z", &[0, 2, 2, 2])]))
        .node("Sub", &["x", "z"], &["d"], vec![])
        .node("ReduceSum", &["d"], &["s"], vec![ints("axes", &[2, 3]), int("keepdims", 0)])
        .node("Mul", &["s", "weights"], &["y"], vec![])
        .opset(12);
    let folder = tempfile::tempdir().unwrap();
    let path = model.write(folder.path());
    for batch in [1, 3] {
        let (network, warnings) = onnx::load(&path, None, batch).unwrap_or_else(|error| panic!("{error}"));
        assert!(warnings.0.is_empty(), "{warnings}");
        let expected: [(&str, &[usize]); 3] =
            [("x", &[batch, 2, 2, 2]), ("weights", &[batch, 2]), ("z", &[batch, 2, 2, 2])];
        assert_eq!(shapes(&network), expected);
        let graph = &network.graph;
        let inputs = graph.inputs();
        let values = |from: f64, count: usize| (0..count).map(|at| from + at as f64).collect::<Vec<_>>();
        let given = [
            (inputs[0], values(1.0, batch * 8)),
            (inputs[1], values(0.5, batch * 2)),
            (inputs[2], values(-1.0, batch * 8)),
        ];
        let found = interpreter::run(graph, &given.into_iter().collect()).unwrap();
        // Of every pair of pixels the difference is 2, and there are four.
        let expected: Vec<f64> = values(0.5, batch * 2).iter().map(|weight| 8.0 * weight).collect();
        assert_eq!(found[&graph.outputs()[0].node], expected);
    }
}

fn open() -> Builder {
    // The width has no name.
    Builder::new(&[0, 3, -1, 8])
        .with(|graph| {
            let shape = graph.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap();
            shape.dim[3].value = None;
            graph.input.push(typed("mask", &[0, -1]));
        })
        .node("ReduceMean", &["x"], &["m"], vec![ints("axes", &[1, 3]), int("keepdims", 0)])
        .node("Add", &["m", "mask"], &["y"], vec![])
        .opset(12)
}

#[test]
fn open_extents_are_given_by_name_or_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = open().write(folder.path());
    for text in ["height=6,x=1,3,6,10", "x=1,3,6,10,mask=1,6"] {
        let network = load(&path, 1, text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(shapes(&network), [("x", &[1, 3, 6, 10][..]), ("mask", &[1, 6])], "{text}");
    }
    // Height and width alone: the only picture.
    let picture = Builder::new(&[0, 3, -1, -1]).node("Relu", &["x"], &["y"], vec![]);
    let path = picture.write(folder.path());
    for (text, dims) in
        [("9", [2, 3, 9, 9]), ("9,7", [2, 3, 9, 7]), ("3,9,7", [2, 3, 9, 7]), ("height=4", [2, 3, 4, 4])]
    {
        let network = load(&path, 2, text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(shapes(&network), [("x", dims.as_slice())], "{text}");
    }
    // Channels last.
    let last = Builder::new(&[0, -1, -1, 3]).node("Transpose", &["x"], &["t"], vec![ints("perm", &[0, 3, 1, 2])]).node(
        "Relu",
        &["t"],
        &["y"],
        vec![],
    );
    let path = last.write(folder.path());
    assert_eq!(shapes(&load(&path, 1, "9,9").unwrap()), [("x", &[1, 3, 9, 9][..])]);
}

#[test]
fn what_cannot_be_given_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = open().write(folder.path());
    for (text, parts) in [
        ("", &["E-ONNX-DYN", "axes [2, 3]", "--input-shape x=N,N,N,N", "--input-shape height=N"][..]),
        ("height=6", &["E-ONNX-DYN", "its axis 3 has no fixed extent", "--input-shape x=N,N,N,N"]),
        ("width=6", &["E-ARG", "`width`", "`height=EXTENT`", "`mask=EXTENT,EXTENT`"]),
        ("x=6,6", &["E-ARG", "no input with 2 axes", "`x=EXTENT,EXTENT,EXTENT,EXTENT`"]),
        ("x=1,4,6,10", &["E-ARG", "axis 1 of the input `x` is fixed at 3, not 4"]),
        ("x=2,3,6,10", &["E-ARG", "2 images per call, not 1", "`batch`"]),
        ("batch=2", &["E-ARG", "2 images per call, not 1"]),
        ("4,6,10", &["E-ARG", "axis 1 of the input `x` is fixed at 3, not 4"]),
    ] {
        let error = load(&path, 1, text).map(|_| ()).unwrap_err();
        assert!(parts.iter().all(|part| error.contains(part)), "{text}: {error}");
    }
    let array = Builder::new(&[0, -1]).node("Relu", &["x"], &["y"], vec![]);
    let error = load(&array.write(folder.path()), 1, "4,6").map(|_| ()).unwrap_err();
    assert!(error.contains("0 inputs of four axes") && error.contains("`height=EXTENT`"), "{error}");
    // What is not the input stays as it is.
    let structure = Overrides { classes: Some(5), ..Overrides::default() };
    let changes = Changes { structure, ..Changes::default() };
    let error = frontend::load_with(path.to_str().unwrap(), None, 1, &changes).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("E-ARG") && error.contains("compiled as it is"), "{error}");
    let structure = Overrides { input_shape: InputExtents::parse("h=1"), ..Overrides::default() };
    let changes = Changes { structure, ..Changes::default() };
    let error = frontend::load_with("resnet18", None, 1, &changes).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("no named axes"), "{error}");
}
