//! Inputs of ONNX models: several of them, and extents that the file leaves open.

use std::path::Path;

#[path = "onnx_support/builder.rs"]
#[expect(dead_code, reason = "bad models take more")]
mod builder;

use builder::{Builder, int, ints, typed};
use resnetc::frontend::onnx;
use resnetc::frontend::onnx::proto::MetadataProto;
use resnetc::frontend::onnx::proto::tensor_shape_proto::dimension::Value as Extent;
use resnetc::frontend::{self, Changes, InputExtents, Network, Overrides, WeightSource};
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
    // As PaddlePaddle's exporter writes it.
    let minus = Builder::new(&[1, 3, 1, 1]).node("Relu", &["x"], &["y"], vec![]).with(|graph| {
        let shape = graph.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap();
        for axis in [0, 2, 3] {
            shape.dim[axis].value = Some(Extent::DimValue(-1));
        }
    });
    let path = minus.write(folder.path());
    assert_eq!(shapes(&load(&path, 2, "9,7").unwrap()), [("x", &[2, 3, 9, 7][..])]);
    let error = load(&path, 1, "").map(|_| ()).unwrap_err();
    assert!(
        error.contains("E-ONNX-DYN") && error.contains("its axes [2, 3]") && error.contains("x=N,N,N,N"),
        "{error}"
    );
    // Of a shape that nobody declares.
    let bare = Builder::new(&[1]).node("Relu", &["x"], &["y"], vec![]).with(|graph| {
        graph.input[0].r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape = None;
    });
    let path = bare.write(folder.path());
    assert_eq!(shapes(&load(&path, 2, "x=2,3,9,7").unwrap()), [("x", &[2, 3, 9, 7][..])]);
    assert_eq!(shapes(&load(&path, 1, "x=1,5").unwrap()), [("x", &[1, 5][..])]);
    let error = load(&path, 1, "").map(|_| ()).unwrap_err();
    assert!(error.contains("not declared") && error.contains("--input-shape x=N,N,N,N"), "{error}");
    let error = load(&path, 1, "y=1,3").map(|_| ()).unwrap_err();
    assert!(error.contains("E-ARG") && error.contains("is called `y`"), "{error}");
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

/// What is made of the metadata of a model with one picture and three classes: preprocessing, labels, and warnings.
fn hinted(input: &[i64], metadata: &[(&str, &str)]) -> (Option<String>, Vec<String>, String) {
    let mut model =
        Builder::new(input).node("GlobalAveragePool", &["x"], &["p"], vec![]).node("Flatten", &["p"], &["y"], vec![]);
    model.0.metadata_props.extend(
        metadata
            .iter()
            .map(|(key, value)| MetadataProto { key: key.as_bytes().to_vec(), value: value.as_bytes().to_vec() }),
    );
    let folder = tempfile::tempdir().unwrap();
    let path = model.write(folder.path());
    let loaded = frontend::load_with(path.to_str().unwrap(), None, 1, &Changes::default());
    let (network, warnings) = loaded.unwrap_or_else(|error| panic!("{metadata:?}: {error}"));
    (network.preprocess.map(|rules| rules.to_string()), network.labels, warnings.to_string())
}

#[test]
fn metadata_say_how_pictures_become_the_input() {
    let picture = [1, 3, 8, 6];
    let (rules, labels, warnings) = hinted(
        &picture,
        &[
            ("image.bitmappixelformat", "BGR8"),
            ("Image.NominalPixelRange", "Normalized_1_1"),
            ("Image.ColorSpaceGamma", "SRGB"),
            ("names", "{0: 'cat', 1: \"dog\", 2: 'it\\'s'}"),
            ("\u{7f}", "anything"),
        ],
    );
    assert_eq!((labels.as_slice(), warnings.as_str()), (["cat", "dog", "it's"].map(str::to_owned).as_slice(), ""));
    let rules = rules.unwrap();
    let expected = frontend::surroundings::Surroundings {
        preprocess: serde_yaml::from_str("{color: bgr, range: [-1, 1]}").unwrap(),
        labels: None,
    };
    let (mut other, _) = frontend::load_with("resnet18", Some(&WeightSource::Seed(1)), 1, &Changes::default()).unwrap();
    other.graph = {
        let folder = tempfile::tempdir().unwrap();
        let plain = Builder::new(&picture).node("Relu", &["x"], &["y"], vec![]);
        onnx::load(&plain.write(folder.path()), None, 1).unwrap().0.graph
    };
    expected.surround(&mut other, &Default::default()).unwrap();
    assert_eq!(rules, other.preprocess.unwrap().to_string());

    // What does not go with the model is left out, with a warning that says so.
    for (input, metadata, parts) in [
        (&picture, [("Image.BitmapPixelFormat", "Gray8")], ["`gray8`", "`Rgb8` or `Bgr8`"]),
        (&picture, [("Image.NominalPixelRange", "0..1")], ["`0..1`", "`Normalized_0_1`"]),
        (&[1, 4, 8, 6], [("Image.NominalPixelRange", "Normalized_0_1")], ["[1, 4, 8, 6]", "[N, 3, H, W]"]),
        (&picture, [("classes", "[\"a\", \"b\"]")], ["2 labels", "[1, 3]"]),
    ] {
        let (rules, labels, warnings) = hinted(input, &metadata);
        assert_eq!((rules, labels), (None, Vec::new()), "{metadata:?}");
        assert!(warnings.contains("W-ONNX-META") && parts.iter().all(|part| warnings.contains(part)), "{warnings}");
    }
    // What is no hint says nothing; what is given from outside holds.
    assert_eq!(hinted(&picture, &[("labels", "of the museum"), ("author", "a, b")]), (None, Vec::new(), String::new()));
}

#[test]
fn what_is_given_holds_over_metadata() {
    let mut model = Builder::new(&[1, 3, 8, 8]).node("GlobalAveragePool", &["x"], &["p"], vec![]).node(
        "Flatten",
        &["p"],
        &["y"],
        vec![],
    );
    let property = |key: &str, value: &str| MetadataProto { key: key.into(), value: value.into() };
    model.0.metadata_props = vec![
        property("Image.NominalPixelRange", "Normalized_0_1"),
        property("labels", "a\nb\nc"),
        MetadataProto { key: vec![0xff], value: vec![0xff, 0] },
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = model.write(folder.path());
    let surroundings = frontend::surroundings::Surroundings {
        preprocess: serde_yaml::from_str("{preset: torchvision}").unwrap(),
        labels: Some(serde_yaml::from_str("[x, y, z]").unwrap()),
    };
    let changes = Changes { surroundings, ..Changes::default() };
    let (network, warnings) = frontend::load_with(path.to_str().unwrap(), None, 1, &changes).unwrap();
    assert!(warnings.0.is_empty(), "{warnings}");
    assert_eq!(network.labels, ["x", "y", "z"]);
    assert_eq!(network.preprocess.unwrap().crop, Some([8, 8]));
    let (network, _) = frontend::load_with(path.to_str().unwrap(), None, 1, &Changes::default()).unwrap();
    assert_eq!((network.labels.len(), network.preprocess.unwrap().crop), (3, None));
}
