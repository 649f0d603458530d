//! The same network in every format of weights. `reference/make_weights.py` wrote the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use resnetc::frontend::weights::{Element, TensorFile, load};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights").join(name)
}

fn read(name: &str) -> TensorFile {
    load(&path(name)).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Shapes and bits of all tensors that hold weights, by their names.
fn bits(file: &TensorFile) -> BTreeMap<String, (Vec<usize>, Vec<u32>)> {
    let weights = file.tensors.iter().filter_map(|(name, tensor)| {
        let values = file.values(tensor).ok()?;
        Some((name.clone(), (tensor.shape.0.clone(), values.into_iter().map(f32::to_bits).collect())))
    });
    weights.collect()
}

/// Names and classes of the layers, and how many variables each has.
fn layers(file: &TensorFile) -> Vec<(Option<&str>, Option<&str>, usize)> {
    let layers = file.layers.as_ref().unwrap().iter();
    layers.map(|layer| (layer.name.as_deref(), layer.class.as_deref(), layer.tensors.len())).collect()
}

const NAMED: [&str; 14] = [
    "weights.h5",
    "model.h5",
    "keras2.h5",
    "latest.h5",
    "chunked.h5",
    "keras3.weights.h5",
    "model.keras",
    "nameless.keras",
    "stored.npz",
    "deflated.npz",
    "model.safetensors.index.json",
    "raw.onnx",
    "typed.onnx",
    "external.onnx",
];

#[test]
fn every_format_has_the_same_bits() {
    let plain = bits(&read("plain.safetensors"));
    assert_eq!(plain.len(), 14);
    for name in NAMED {
        let file = read(name);
        assert_eq!(file.tensors.len(), plain.len(), "{name}");
        assert!(bits(&file) == plain, "{name}: {:?}", file.tensors.keys());
    }
}

/// The layers of the network in its own order: the convolution of the shortcut was made first, and comes second.
const ORDER: [(&str, &str, usize); 6] = [
    ("stem_conv", "conv2d", 1),
    ("stem_bn", "batch_normalization", 4),
    ("conv2d_1", "conv2d", 2),
    ("batch_normalization", "batch_normalization", 3),
    ("conv2d", "conv2d", 2),
    ("predictions", "dense", 2),
];

#[test]
fn layers_come_in_the_order_of_the_model() {
    let with_class: Vec<_> = ORDER.map(|(name, class, count)| (Some(name), Some(class), count)).to_vec();
    for name in ["model.h5", "model.keras", "nameless.keras"] {
        assert_eq!(layers(&read(name)), with_class, "{name}");
    }
    let without: Vec<_> = ORDER.map(|(name, _, count)| (Some(name), None, count)).to_vec();
    for name in ["weights.h5", "keras2.h5", "latest.h5", "chunked.h5"] {
        assert_eq!(layers(&read(name)), without, "{name}");
    }
    for name in ["plain.safetensors", "stored.npz", "raw.onnx", "model.safetensors.index.json"] {
        assert!(read(name).layers.is_none(), "{name}");
    }
}

#[test]
fn layers_of_variables_come_by_class_and_number() {
    let by_class: Vec<_> = [1, 3, 0, 2, 4, 5].iter().map(|at| ORDER[*at]).collect();
    let mut expected: Vec<_> =
        by_class.iter().map(|(name, class, count)| (Some(*name), Some(*class), *count)).collect();
    assert_eq!(layers(&read("keras3.weights.h5")), expected);
    // Keras writes no name for a layer that begins a shard.
    let sharded = read("sharded.weights.json");
    expected[5].0 = None;
    assert_eq!(layers(&sharded), expected);
    let plain = bits(&read("plain.safetensors"));
    let renamed = plain.iter().map(|(key, tensor)| (key.replace("predictions", "dense"), tensor.clone()));
    assert!(bits(&sharded) == renamed.collect());
    assert_eq!(sharded.shards, [path("sharded_00000.weights.h5"), path("sharded_00001.weights.h5")]);
    let numbered = ["batch_normalization", "batch_normalization_1", "conv2d", "conv2d_1", "conv2d_2", "dense"];
    for name in ["nameless.weights.h5", "tensorflow213.weights.h5"] {
        let file = read(name);
        let expected: Vec<_> = by_class.iter().map(|(_, class, count)| (None, Some(*class), *count)).collect();
        assert_eq!(layers(&file), expected, "{name}");
        // The names are those of the classes; the variables are the same.
        let mut expected = BTreeMap::new();
        for (layer, label) in by_class.iter().zip(numbered) {
            for (key, tensor) in plain.iter().filter(|(key, _)| key.split('/').next() == Some(layer.0)) {
                expected.insert(format!("{label}/{}", key.split('/').nth(1).unwrap()), tensor.clone());
            }
        }
        assert!(bits(&file) == expected, "{name}: {:?}", file.tensors.keys());
    }
}

#[test]
fn every_tensor_of_a_layer_is_among_the_tensors() {
    for name in ["model.h5", "model.keras", "keras3.weights.h5", "nameless.weights.h5", "nested.h5", "nested.keras"] {
        let file = read(name);
        let layers = file.layers.as_ref().unwrap();
        let mut of_layers: Vec<_> =
            layers.iter().flat_map(|layer| layer.tensors.iter().map(|(_, tensor)| tensor.bytes.clone())).collect();
        let mut all: Vec<_> = file.tensors.values().map(|tensor| tensor.bytes.clone()).collect();
        of_layers.sort_by_key(|range| (range.start, range.end));
        all.sort_by_key(|range| (range.start, range.end));
        assert_eq!(of_layers, all, "{name}");
    }
}

#[test]
fn models_inside_a_model_give_their_layers() {
    let plain = bits(&read("nested.safetensors"));
    // What would be called alike is called by its whole path.
    for (name, inner, outer) in [
        ("nested.h5", "backbone/twin", "twin/twin"),
        ("nested.keras", "layers/functional/layers/conv2d", "layers/conv2d"),
        ("nested.weights.h5", "layers/functional/layers/conv2d", "layers/conv2d"),
    ] {
        let file = read(name);
        let called = |key: &str| key.replace("inner twin", inner).replace("outer twin", outer);
        let expected: BTreeMap<_, _> = plain.iter().map(|(key, tensor)| (called(key), tensor.clone())).collect();
        assert!(bits(&file) == expected, "{name}: {:?}", file.tensors.keys());
    }
    for name in ["nested.h5", "nested.keras"] {
        let file = read(name);
        let names: Vec<_> = layers(&file).iter().map(|(name, _, _)| name.unwrap().to_owned()).collect();
        assert_eq!(names, ["twin", "twin", "batch_normalization", "conv2d", "dense"], "{name}");
    }
}

#[test]
fn every_type_of_element_has_its_values() {
    let plain = read("elements.safetensors");
    let expected = bits(&plain);
    for name in ["elements.npz", "elements.weights.h5", "elements.onnx"] {
        let file = read(name);
        let found = bits(&file);
        for (tensor, stored) in &plain.tensors {
            let key = if name.ends_with("h5") { format!("{tensor}/0") } else { tensor.clone() };
            let Some(other) = file.tensors.get(&key) else {
                assert_eq!((name, tensor.as_str()), ("elements.npz", "brain"));
                continue;
            };
            assert_eq!(other.element, stored.element, "{name}: {tensor}");
            assert!(found[&key] == expected[tensor], "{name}: {tensor}");
        }
        let whole = file.tensors.get("whole").or_else(|| file.tensors.get("whole/0")).unwrap();
        assert!(matches!(&whole.element, Element::Other(kind) if ["i8", "I64", "int64"].contains(&kind.as_str())));
        assert_eq!(whole.shape.0, [6]);
    }
    let (onnx, npz) = (read("elements.onnx"), read("elements.npz"));
    for (typed, raw) in [("brain_typed", "brain"), ("half_typed", "half"), ("double_typed", "double")] {
        assert!(bits(&onnx)[typed] == expected[raw], "{typed}");
    }
    let turned = &npz.tensors["turned"];
    assert_eq!(turned.shape.0, [3, 2]);
    assert_eq!(npz.values(turned).unwrap(), [0.0, 2.0, -0.5, 65504.0, 1.5, 1e-3]);
}
