//! Every operator, in every way that it is used, against ONNX Runtime: `onnx_operators/` holds a model, an input and ONNX Runtime's
//! result per case, written by `tests/reference/onnx_operators.py`.

mod onnx_support;

use std::path::Path;

use onnx_support::{departure, npy};
use resnetc::frontend::onnx;
use resnetc::ir::verify::verify;

#[test]
fn results_are_those_of_onnx_runtime() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/onnx_operators");
    assert!(compare(&folder, 1e-6) >= 60);
}

#[test]
fn whole_models_of_a_folder_too() {
    match std::env::var_os("RESNET_ONNX_CASES") {
        Some(folder) => assert!(compare(Path::new(&folder), 1e-5) > 0),
        None => println!("skipped: RESNET_ONNX_CASES names no folder of models with .x.npy and .y.npy beside them"),
    }
}

/// Compares all models of a folder; returns how many there are.
fn compare(folder: &Path, tolerance: f64) -> usize {
    let mut models: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    models.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    models.sort();
    let count = models.len();
    let mut failures = Vec::new();
    for path in models {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let ((shape, x), (_, y)) = (npy(&path.with_extension("x.npy")), npy(&path.with_extension("y.npy")));
        let network = match onnx::load(&path, None, shape[0]) {
            Ok((network, warnings)) if warnings.0.is_empty() => network,
            Ok((_, problems)) | Err(problems) => {
                failures.push(format!("{name}: {problems}"));
                continue;
            }
        };
        if let Err(violations) = verify(&network.graph) {
            failures.push(format!("{name}: {violations:?}"));
            continue;
        }
        let departure = departure(&network, &x, &y);
        if departure.is_nan() || departure > tolerance {
            failures.push(format!("{name}: departs by {departure:e}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    count
}

#[test]
fn patterns_become_the_operations_they_are() {
    for (case, expected) in [
        ("activations", "input sigmoid multiply tanh hard_swish add hard_sigmoid relu6 add"),
        ("average_pool_whole", "input global_average_pool"),
        ("cancelling_transposes", "input relu batch_norm conv"),
        ("channels_last_input", "input batch_norm conv"),
        ("channels_last_input_padded", "input pad conv"),
        ("clip_as_relu", "input relu"),
        ("concat_channels_last", "input conv concat"),
        ("concat_of_maps", "input conv max_pool concat"),
        ("concat_of_vectors", "input global_average_pool global_max_pool flatten flatten concat slice"),
        ("conv_then_bias", "input conv"),
        ("conv_then_bias_read_twice", "input conv batch_norm add"),
        ("flatten_by_arithmetic", "input relu flatten"),
        ("group_normalization", "input scale group_norm"),
        ("group_normalization_of_instances", "input scale group_norm batch_norm batch_norm relu"),
        ("identity_dropout_cast", "input relu"),
        ("instance_normalization", "input group_norm batch_norm batch_norm relu"),
        ("mat_mul_add", "input flatten dense"),
        ("reduce_mean_channels_last", "input conv global_average_pool flatten"),
        ("scale_of_branch", "input conv scale add scale"),
        ("slice_both_then_zeros", "input subsample pad"),
        ("slice_of_channels", "input slice slice subsample max_pool subsample add"),
        ("split_in_equal_parts", "input slice slice slice add multiply"),
        ("split_of_channels", "input slice slice slice add concat"),
        ("squeeze_excite", "input global_average_pool conv relu conv sigmoid multiply"),
        ("squeeze_excite_channels_last", "input conv global_max_pool multiply global_max_pool flatten"),
        ("squeeze_excite_dense", "input global_average_pool flatten dense hard_sigmoid multiply"),
        ("squeeze_unsqueeze_conv", "input global_average_pool conv"),
        ("subsample_and_pad", "input subsample pad"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/onnx_operators/{case}.onnx"));
        let (shape, _) = npy(&path.with_extension("x.npy"));
        let (network, _) = onnx::load(&path, None, shape[0]).unwrap_or_else(|errors| panic!("{case}: {errors}"));
        let names = network.graph.topological().into_iter().map(|id| network.graph.node(id).op().name());
        let found: Vec<_> = names.filter(|name| *name != "constant").collect();
        assert_eq!(found.join(" "), expected, "{case}");
    }
}
