//! Real files of weights, where there are any; each test says when it is skipped.

use std::path::{Path, PathBuf};

use resnetc::frontend::weights::{Role, TensorFile, load, seeded};
use resnetc::frontend::{self, WeightSource};

fn read(path: &Path) -> TensorFile {
    load(path).unwrap_or_else(|problems| panic!("{problems}"))
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// A file that Keras 2.4 with TensorFlow wrote, optimizer and all.
#[test]
fn a_published_file_of_keras_fits_its_network() {
    let shared = std::env::var_os("RESNET_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = shared.join("realdata/mlperf_tiny_resnet8/resnet8.h5");
    if !path.is_file() {
        println!("skipped: {} is absent", path.display());
        return;
    }
    let file = read(&path);
    let layers = file.layers.as_ref().unwrap();
    let count = |class| layers.iter().filter(|layer| layer.class.as_deref() == Some(class)).count();
    assert_eq!([count("conv2d"), count("batch_normalization"), count("dense"), layers.len()], [9, 7, 1, 17]);
    let elements: usize = file.tensors.values().map(|tensor| tensor.shape.len()).sum();
    assert_eq!(elements, 78_666);
    frontend::load("mlperf-tiny-resnet8", Some(&WeightSource::File(path)), 1)
        .unwrap_or_else(|problems| panic!("{problems}"));
}

/// Files of one network with the seeded weights of seed 7, in a folder that `RESNET_WEIGHTS` names: `keras/NAME.h5`, `.weights.h5`, `.keras`
/// and `torchvision/NAME.safetensors`, `.pth`.
#[test]
fn files_of_whole_networks_have_the_seeded_weights() {
    let Some(folder) = std::env::var_os("RESNET_WEIGHTS").map(PathBuf::from) else {
        println!("skipped: RESNET_WEIGHTS is not set");
        return;
    };
    for (name, tensors) in [("ResNet50", 320), ("ResNet50V2", 272), ("InceptionResNetV2", 898)] {
        for ending in ["h5", "weights.h5", "keras"] {
            let file = read(&folder.join(format!("keras/{name}.{ending}")));
            assert_eq!(file.tensors.len(), tensors, "{name}.{ending}");
            for (key, tensor) in &file.tensors {
                let (role, shape) = role(key, &tensor.shape.0);
                let expected = seeded::values(key, seeded::bounds(role, &shape), tensor.shape.len(), 7);
                assert!(bits(&file.values(tensor).unwrap()) == bits(&expected), "{name}.{ending}: {key}");
            }
            println!("{name}.{ending}: {} layers, {tensors} tensors", file.layers.as_ref().unwrap().len());
        }
    }
    let (zip, plain) = (folder.join("torchvision/resnet18.pth"), folder.join("torchvision/resnet18.safetensors"));
    let (zip, plain) = (read(&zip), read(&plain));
    assert!(zip.tensors.keys().eq(plain.tensors.keys()));
    for (key, tensor) in &plain.tensors {
        let other = &zip.tensors[key];
        assert_eq!((&other.shape, &other.element), (&tensor.shape, &tensor.element), "{key}");
        if let Ok(values) = plain.values(tensor) {
            assert!(bits(&values) == bits(&zip.values(other).unwrap()), "{key}");
        }
    }
    println!("resnet18.pth: {} tensors", zip.tensors.len());
}

/// What a variable is for, and its shape with the output axis first.
fn role(key: &str, shape: &[usize]) -> (Role, Vec<usize>) {
    let role = match key.rsplit('/').next().unwrap() {
        "kernel" => Role::Kernel,
        "bias" => Role::Bias,
        "gamma" => Role::Gamma,
        "beta" => Role::Beta,
        "moving_mean" => Role::Mean,
        "moving_variance" => Role::Variance,
        other => panic!("{other}"),
    };
    let last = shape.len() - 1;
    (role, std::iter::once(shape[last]).chain(shape[..last].iter().copied()).collect())
}
