//! The schema's reference: its example compiles, it names every key and word of the schema, and every spec that ships.

use resnetc::frontend::source::Source;
use resnetc::frontend::{shipped, yaml};

const README: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/README.md"));

#[test]
fn the_example_is_a_spec() {
    let text = README.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let path = std::env::temp_dir().join(format!("resnet-readme-{}.yaml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    let described = yaml::describe(&Source::File(&path), 1);
    std::fs::remove_file(&path).unwrap();
    let (described, warnings) = described.unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(warnings.0, []);
    assert_eq!(described.resolution.outputs[0].shape.0, [1, 10]);
}

#[test]
fn every_key_and_word_is_explained() {
    let mut open = vec![serde_json::from_str::<serde_json::Value>(yaml::check::SCHEMA).unwrap()];
    let mut missing = Vec::new();
    let mut count = 0;
    while let Some(schema) = open.pop() {
        let Some(object) = schema.as_object() else { continue };
        if let Some(properties) = object.get("properties").and_then(|properties| properties.as_object()) {
            count += properties.len();
            missing.extend(properties.keys().filter(|key| !mentions(key)).cloned());
        }
        if let Some(word) = object.get("const").and_then(|word| word.as_str()) {
            count += 1;
            missing.extend((!mentions(word) && word != "N").then(|| word.to_owned()));
        }
        open.extend(object.iter().flat_map(|(_, value)| match value {
            serde_json::Value::Array(items) => items.clone(),
            other => vec![other.clone()],
        }));
    }
    assert!(count > 80, "{count}");
    assert!(missing.is_empty(), "specs/README.md does not explain {missing:?}");
    for spec in &shipped::SPECS {
        let short = spec.name.strip_prefix("cifar-resnet").map(|depth| format!("`-{depth}`"));
        assert!(mentions(spec.name) || short.is_some_and(|short| README.contains(&short)), "{}", spec.name);
    }
}

/// Whether a name stands in the text as code, on its own or at the end of a key path or the start of a layer.
fn mentions(name: &str) -> bool {
    [format!("`{name}`"), format!(".{name}`"), format!("`{name}:"), format!("{{{name}:"), format!(", {name}:")]
        .iter()
        .any(|form| README.contains(form.as_str()))
}
