//! Every way to misuse `resnet!`, and what the compiler says to it. `TRYBUILD=overwrite` writes the expectations anew.

use std::env;
use std::fs;

const BAD_SPEC: &str = "spec: resnet/1\nname: bad\ninput: {name: input, shape: [N, 3, 32, 32]}\nstem:\n  - conv: {channels: 16, kernle: 3}\n";

/// A safetensors file with no tensors.
const EMPTY_WEIGHTS: &[u8] = b"\x02\0\0\0\0\0\0\0{}";

#[test]
fn every_misuse_is_told_at_its_place() {
    // The crate that trybuild makes of the cases has its folder here; models are named from there.
    let target = env::current_exe().unwrap().ancestors().nth(3).unwrap().to_path_buf();
    let models = target.join("tests/trybuild/resnet-tests/models");
    fs::create_dir_all(&models).unwrap();
    fs::write(models.join("bad.yaml"), BAD_SPEC).unwrap();
    fs::write(models.join("backbone.onnx"), include_bytes!("../../examples/embed/models/backbone.onnx")).unwrap();
    fs::write(models.join("empty.safetensors"), EMPTY_WEIGHTS).unwrap();
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
