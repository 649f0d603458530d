//! The description of a model in JSON: which layers it has, in which order.

use std::collections::BTreeMap;

use serde_json::Value;

use super::snake_case;

/// What a description says about a layer.
#[derive(Debug, Clone)]
pub struct Described {
    /// Its name.
    pub name: Option<String>,
    /// Its class as it stands in paths.
    pub class: String,
    /// Whether a normalisation has gamma.
    pub scale: bool,
    /// Whether a normalisation has beta.
    pub center: bool,
}

/// The layers of a model or of a layer that is a model, in its order.
pub fn layers(model: &Value) -> impl Iterator<Item = &Value> {
    let config = model.get("config");
    // Before 2.2.3, a sequence of layers was no more than their list.
    let list = config.and_then(|config| config.get("layers").or(Some(config)));
    list.and_then(Value::as_array).into_iter().flatten()
}

/// What an entry says about its layer.
pub fn described(entry: &Value) -> Described {
    let config = entry.get("config");
    let field = |name: &str| config.and_then(|config| config.get(name));
    let flag = |name: &str| field(name).and_then(Value::as_bool).unwrap_or(true);
    let name = field("name").or(entry.get("name")).and_then(Value::as_str);
    Described {
        name: name.map(str::to_owned),
        class: snake_case(entry.get("class_name").and_then(Value::as_str).unwrap_or_default()),
        scale: flag("scale"),
        center: flag("center"),
    }
}

/// The classes of all layers by their names, those of models inside included.
pub fn classes(model: &Value) -> BTreeMap<String, String> {
    let mut classes = BTreeMap::new();
    let mut open = vec![model];
    while let Some(model) = open.pop() {
        for entry in layers(model) {
            let Described { name, class, .. } = described(entry);
            classes.entry(name.unwrap_or_default()).or_insert(class);
            open.push(entry);
        }
    }
    classes
}
