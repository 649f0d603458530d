//! Real models: PyTorch's exports, when `tests/reference/export_onnx.py` wrote them to the folder that RESNET_ONNX_EXPORTS names,
//! and MLPerf Tiny's ResNet-8 from the reference folder.

mod onnx_support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use onnx_support::{departure, npy};
use resnetc::frontend::{Network, onnx};
use resnetc::ir::Layout;
use resnetc::ir::verify::verify;

fn shared(path: &str) -> Option<PathBuf> {
    let root = std::env::var_os("RESNET_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"), PathBuf::from);
    let path = root.join(path);
    if !path.exists() {
        println!("skipped: {} is absent", path.display());
    }
    path.exists().then_some(path)
}

fn exported(name: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("RESNET_ONNX_EXPORTS").map(PathBuf::from);
    let path = folder.map(|folder| folder.join(format!("{name}.onnx"))).filter(|path| path.exists());
    if path.is_none() {
        println!("skipped: {name}.onnx was not exported (RESNET_ONNX_EXPORTS)");
    }
    path
}

fn load(path: &Path, batch: usize) -> Network {
    let (network, warnings) = onnx::load(path, None, batch).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(warnings.0.is_empty(), "{warnings}");
    if let Err(violations) = verify(&network.graph) {
        panic!("{violations:?}");
    }
    network
}

/// Operations by name, constants aside.
fn counts(network: &Network) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for id in network.graph.ids() {
        *counts.entry(network.graph.node(id).op().name()).or_default() += 1;
    }
    counts.remove("constant");
    counts
}

fn residual(convs: usize, relus: usize, adds: usize, norms: usize) -> BTreeMap<&'static str, usize> {
    let mut expected = BTreeMap::from([
        ("input", 1),
        ("conv", convs),
        ("relu", relus),
        ("add", adds),
        ("max_pool", 1),
        ("global_average_pool", 1),
        ("flatten", 1),
        ("dense", 1),
    ]);
    if norms > 0 {
        expected.insert("batch_norm", norms);
    }
    expected
}

#[test]
fn resnet18_and_resnet50_of_every_exporter() {
    for (name, convs, relus, adds) in [("resnet18", 20, 17, 8), ("resnet50", 53, 49, 16)] {
        for (exporter, batch) in
            [("script", 1), ("dynamo", 1), ("script_dynamic", 2), ("dynamo_dynamic", 2), ("script_unfolded", 1)]
        {
            let Some(path) = exported(&format!("{name}_{exporter}")) else { continue };
            let network = load(&path, batch);
            let norms = if exporter == "script_unfolded" { convs } else { 0 };
            assert_eq!(counts(&network), residual(convs, relus, adds, norms), "{name} {exporter}");
            let [output] = network.graph.outputs() else { panic!("one output") };
            assert_eq!(network.graph.node(output.node).shape().0, [batch, 1000]);
            assert_eq!(network.files.len(), if exporter.starts_with("dynamo") { 2 } else { 1 });
            if exporter == "script_unfolded" {
                assert_eq!(network.parameters, if name == "resnet18" { 11_689_512 } else { 25_557_032 });
            }
        }
    }
}

#[test]
fn resnext50_and_wide_resnet50() {
    for name in ["resnext50_32x4d", "wide_resnet50_2"] {
        for exporter in ["script", "dynamo"] {
            let Some(path) = exported(&format!("{name}_{exporter}")) else { continue };
            assert_eq!(counts(&load(&path, 1)), residual(53, 49, 16, 0), "{name} {exporter}");
        }
    }
}

#[test]
fn shortcut_without_weights_and_head_by_view() {
    for (exporter, batch) in
        [("script", 1), ("dynamo", 1), ("script_dynamic", 2), ("dynamo_dynamic", 2), ("script_unfolded", 1)]
    {
        let Some(path) = exported(&format!("option_a_{exporter}")) else { continue };
        let mut expected = residual(2, 2, 1, if exporter == "script_unfolded" { 2 } else { 0 });
        expected.remove("max_pool");
        expected.insert("subsample", 1);
        expected.insert("pad", 1);
        assert_eq!(counts(&load(&path, batch)), expected, "{exporter}");
    }
}

#[test]
fn another_batch_than_the_file_has() {
    let Some(path) = exported("option_a_dynamo") else { return };
    let (network, warnings) = onnx::load(&path, None, 3).unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(warnings.0.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["W-ONNX-BATCH"]);
    assert_eq!(network.graph.node(network.graph.outputs()[0].node).shape().0, [3, 10]);
}

#[test]
fn resnet8_of_mlperf_tiny() {
    let Some(path) = shared("realdata/mlperf_tiny_resnet8/resnet8.onnx") else { return };
    let network = load(&path, 1);
    let expected = [
        ("add", 3),
        ("conv", 9),
        ("dense", 1),
        ("flatten", 1),
        ("global_average_pool", 1),
        ("input", 1),
        ("relu", 7),
        ("softmax", 1),
    ];
    assert_eq!(counts(&network), BTreeMap::from(expected));
    let input = network.graph.inputs()[0];
    assert_eq!(network.graph.node(input).op(), &resnetc::ir::Op::Input(Layout::Nchw));
    assert_eq!(network.graph.node(input).shape().0, [1, 3, 32, 32]);
}

/// Largest difference from ONNX Runtime, in parts of the largest logit.
fn from_runtime(path: &Path, x: &Path, y: &Path) -> f64 {
    let ((shape, x), (_, y)) = (npy(x), npy(y));
    departure(&load(path, shape[0]), &x, &y)
}

#[test]
fn logits_are_those_of_onnx_runtime() {
    for name in ["option_a", "resnet18"] {
        for exporter in ["script", "dynamo", "script_dynamic", "dynamo_dynamic", "script_unfolded"] {
            let Some(path) = exported(&format!("{name}_{exporter}")) else { continue };
            let beside = |end: &str| path.with_file_name(format!("{name}_{exporter}_{end}.npy"));
            let departure = from_runtime(&path, &beside("x"), &beside("y"));
            println!("{name} {exporter}: {departure:e}");
            assert!(departure < 1e-5, "{name} {exporter}: {departure:e}");
        }
    }
}

#[test]
fn resnet8_is_as_onnx_runtime() {
    let Some(path) = shared("realdata/mlperf_tiny_resnet8/resnet8.onnx") else { return };
    let Some(beside) = exported("option_a_script") else { return };
    let [x, y] = ["x", "y"].map(|end| beside.with_file_name(format!("resnet8_{end}.npy")));
    if !x.exists() {
        println!("skipped: {} was not made", x.display());
        return;
    }
    let departure = from_runtime(&path, &x, &y);
    println!("resnet8: {departure:e}");
    assert!(departure < 1e-5, "{departure:e}");
}
