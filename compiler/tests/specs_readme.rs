//! The schema's reference, `specs/README.md`: its tables are those of the schema (`RESNET_BLESS=1` rewrites them), its examples are specs, every key has
//! one, and every spec that ships is listed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use resnetc::frontend::source::Source;
use resnetc::frontend::{shipped, yaml};
use serde_json::{Map, Value};

const README: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/README.md"));

fn schema() -> Value {
    serde_json::from_str(yaml::check::SCHEMA).unwrap()
}

/// A type of the schema; `Spec` is the whole.
fn definition(schema: &Value, name: &str) -> Value {
    if name == "Spec" { schema.clone() } else { schema["$defs"][name].clone() }
}

fn referred<'a>(root: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(target) => root.pointer(target.trim_start_matches('#')).unwrap(),
        None => value,
    }
}

/// The alternatives of a value in words, expressions left out.
fn kinds(root: &Value, value: &Value) -> Vec<String> {
    let value = referred(root, value);
    if let Some(choices) = value["anyOf"].as_array().or_else(|| value["oneOf"].as_array()) {
        let mut all: Vec<String> = Vec::new();
        for kind in choices.iter().flat_map(|choice| kinds(root, choice)) {
            if !all.contains(&kind) {
                all.push(kind);
            }
        }
        return all;
    }
    if let Some(word) = value["const"].as_str() {
        return vec![format!("`{word}`")];
    }
    if let Some(words) = value["enum"].as_array() {
        return words.iter().map(|word| format!("`{}`", word.as_str().unwrap())).collect();
    }
    if value["pattern"].is_string() {
        return Vec::new();
    }
    let types: Vec<&str> = match &value["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    types.into_iter().filter(|name| *name != "null").map(|name| kind(root, value, name)).collect()
}

fn kind(root: &Value, value: &Value, name: &str) -> String {
    match name {
        "string" => "text".to_owned(),
        "boolean" => "`true`, `false`".to_owned(),
        "object" => "map".to_owned(),
        "integer" | "number" => {
            let noun = if name == "integer" { "whole number" } else { "number" };
            match (value["minimum"].as_f64(), value["exclusiveMinimum"].as_f64(), value["maximum"].as_f64()) {
                (Some(least), _, Some(most)) => format!("{noun} from {least} to {most}"),
                (_, Some(limit), Some(most)) => format!("{noun} above {limit}, up to {most}"),
                (Some(least), ..) if least > 0.0 => format!("{noun} from {least}"),
                _ => noun.to_owned(),
            }
        }
        "array" => {
            let items = match value["prefixItems"].as_array() {
                Some(items) => items.iter().map(|item| kinds(root, item).join(" or ")).collect(),
                None => vec![kinds(root, &value["items"]).join(" or ")],
            };
            let count = match (value["minItems"].as_u64(), value["maxItems"].as_u64()) {
                (Some(least), Some(most)) if least == most => format!("list of {least}"),
                _ => "list".to_owned(),
            };
            let mut distinct: Vec<String> = Vec::new();
            for item in items {
                if !distinct.contains(&item) {
                    distinct.push(item);
                }
            }
            format!("{count}: {}", distinct.join(", "))
        }
        other => other.to_owned(),
    }
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ").replace('|', "\\|")
}

/// What a marker in the text stands for.
fn generated(kind: &str, name: &str) -> String {
    let root = schema();
    let value = definition(&root, name);
    let mut text = String::new();
    match kind {
        "keys" => {
            text.push_str("| key | type | default | meaning |\n|---|---|---|---|\n");
            let required: BTreeSet<&str> =
                value["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let empty = Map::new();
            let properties = value["properties"].as_object().unwrap_or(&empty);
            let mut keys: Vec<&String> = properties.keys().collect();
            keys.sort_by_key(|key| !required.contains(key.as_str()));
            for key in keys {
                let property = &properties[key];
                let default = match &property["default"] {
                    _ if required.contains(key.as_str()) => "(required)".to_owned(),
                    Value::Null => String::new(),
                    Value::String(word) if word.is_empty() => String::new(),
                    Value::Array(items) if items.is_empty() => String::new(),
                    Value::String(word) => format!("`{word}`"),
                    Value::Object(_) => String::new(),
                    other => format!("`{other}`"),
                };
                let meaning = one_line(property["description"].as_str().unwrap_or_default());
                writeln!(text, "| `{key}` | {} | {default} | {meaning} |", kinds(&root, property).join(" or "))
                    .unwrap();
            }
        }
        "words" => {
            text.push_str("| word | meaning |\n|---|---|\n");
            for choice in value["oneOf"].as_array().unwrap() {
                let meaning = one_line(choice["description"].as_str().unwrap_or_default());
                writeln!(text, "| `{}` | {meaning} |", choice["const"].as_str().unwrap()).unwrap();
            }
        }
        "layers" => {
            text.push_str("| layer | takes | meaning |\n|---|---|---|\n");
            for choice in value["oneOf"].as_array().unwrap() {
                let meaning = one_line(choice["description"].as_str().unwrap_or_default());
                let (key, property) = choice["properties"].as_object().unwrap().iter().next().unwrap();
                writeln!(text, "| `{key}:` | {} | {meaning} |", kinds(&root, property).join(" or ")).unwrap();
            }
        }
        other => panic!("{other}"),
    }
    text
}

#[test]
fn tables_are_those_of_the_schema() {
    let mut text = String::new();
    let mut shown = BTreeSet::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        writeln!(text, "{line}").unwrap();
        let Some(marker) = line.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) else { continue };
        let (kind, name) = marker.split_once(": ").unwrap();
        shown.insert(name.to_owned());
        text.push_str(&generated(kind, name));
        let end = lines.by_ref().find(|line| *line == "<!-- end -->").unwrap();
        writeln!(text, "{end}").unwrap();
    }
    if std::env::var_os("RESNET_BLESS").is_some() {
        std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("../specs/README.md"), &text).unwrap();
        return;
    }
    assert!(
        text == README,
        "the tables of specs/README.md are not those of the schema: run this test with RESNET_BLESS=1"
    );
    // Every type with keys or words of its own has its table.
    for (name, definition) in schema()["$defs"].as_object().unwrap() {
        let words = definition["oneOf"]
            .as_array()
            .is_some_and(|choices| choices.iter().all(|choice| choice["const"].is_string()));
        if (definition["properties"].is_object() || words) && !shown.contains(name) {
            let inline = definition["oneOf"].as_array().into_iter().flatten().all(|choice| {
                let word = choice["const"].as_str().unwrap();
                README.contains(&format!("`{word}`"))
            });
            assert!(words && inline, "specs/README.md does not show {name}");
        }
    }
}

/// The examples: whole specs, or some top-level keys of one.
fn examples() -> impl Iterator<Item = &'static str> {
    README.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap())
}

/// Top-level keys with their text.
fn chunks(text: &str) -> BTreeMap<String, String> {
    let mut chunks: BTreeMap<String, String> = BTreeMap::new();
    let mut key = String::new();
    for line in text.lines() {
        if !line.starts_with([' ', '-', '#']) && !line.is_empty() {
            key = line.split(':').next().unwrap().to_owned();
        }
        writeln!(chunks.entry(key.clone()).or_default(), "{line}").unwrap();
    }
    chunks
}

#[test]
fn examples_are_specs() {
    let base = chunks(examples().next().unwrap());
    for example in examples() {
        let mut spec = base.clone();
        let own = chunks(example);
        if own.contains_key("graph") {
            spec.remove("stem");
            spec.remove("stages");
        }
        spec.extend(own);
        let text: String = spec.into_values().collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("example.yaml");
        std::fs::write(&path, &text).unwrap();
        let described = yaml::describe(&Source::File(&path), 1);
        let (described, _) = described.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        assert!(!described.resolution.outputs.is_empty());
    }
}

#[test]
fn every_key_has_an_example() {
    let mut open = vec![schema()];
    let (mut missing, mut count) = (BTreeSet::new(), 0);
    let shown: String = examples().collect();
    // Checksums of nothing and files that are not there are no examples that could be compiled.
    let told = ["file", "sha256", "md5", "expect", "parameters", "statistics", "macs"];
    while let Some(schema) = open.pop() {
        let Some(object) = schema.as_object() else { continue };
        if let Some(properties) = object.get("properties").and_then(Value::as_object) {
            count += properties.len();
            let shown = format!("\n{shown}");
            let has = |key: &str| ["\n", " ", "{", "["].iter().any(|before| shown.contains(&format!("{before}{key}:")));
            missing.extend(properties.keys().filter(|key| !has(key) && !told.contains(&key.as_str())).cloned());
        }
        open.extend(object.iter().flat_map(|(_, value)| match value {
            Value::Array(items) => items.clone(),
            other => vec![other.clone()],
        }));
    }
    assert!(count > 100, "{count}");
    assert!(missing.is_empty(), "specs/README.md has no example of {missing:?}");
    for spec in &shipped::SPECS {
        let short = spec.name.strip_prefix("cifar-resnet").map(|depth| format!("`-{depth}`"));
        let named = README.contains(&format!("`{}`", spec.name));
        assert!(named || short.is_some_and(|short| README.contains(&short)), "{}", spec.name);
    }
}
