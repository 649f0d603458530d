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
    let mut models: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    models.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    models.sort();
    assert!(models.len() >= 45, "{}", models.len());
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
        if departure.is_nan() || departure > 1e-6 {
            failures.push(format!("{name}: departs by {departure:e}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
