//! The schema that ships is the one of the types. `RESNET_BLESS=1` rewrites it.

use std::path::Path;

use resnetc::frontend::yaml::{check, spec::Spec};

#[test]
fn schema_is_current() {
    let schema = schemars::schema_for!(Spec);
    let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/resnet.schema.json"));
    if std::env::var_os("RESNET_BLESS").is_some() {
        std::fs::write(path, &text).unwrap();
        return;
    }
    assert!(
        text == check::SCHEMA,
        "specs/resnet.schema.json is not that of the types: run this test with RESNET_BLESS=1"
    );
}
