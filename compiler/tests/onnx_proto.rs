//! The committed types of the ONNX format are those that `onnx.proto` gives.

use std::path::Path;

#[test]
fn committed_types_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/frontend/onnx");
    let descriptors = protox::compile(["onnx.proto"], [&folder]).unwrap();
    let out = tempfile::tempdir().unwrap();
    prost_build::Config::new()
        .bytes([".onnx.TensorProto.raw_data"])
        .out_dir(out.path())
        .compile_fds(descriptors)
        .unwrap();
    let generated = std::fs::read_to_string(out.path().join("onnx.rs")).unwrap();
    let committed = folder.join("proto.rs");
    if std::env::var_os("RESNET_BLESS").is_some() {
        std::fs::write(&committed, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(committed).unwrap_or_default();
    assert!(
        committed == generated,
        "compiler/src/frontend/onnx/proto.rs is not what onnx.proto gives; RESNET_BLESS=1 rewrites it"
    );
}
