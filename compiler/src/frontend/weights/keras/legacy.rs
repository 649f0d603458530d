//! Files of Keras 1 and 2, which Keras 3 still writes: groups by layer, lists of names as attributes.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::FileLayer;
use super::super::format::json;
use super::super::hdf5::{Group, Hdf5};
use super::{Layer, STATE, config};

/// The layers that have weights, in the file's order.
pub fn layers(file: &mut Hdf5<'_>, group: &Group, model: Option<&str>) -> Result<Vec<Layer>, String> {
    // What the classes are is a help, not a must: a model's description that is none changes nothing else.
    let classes = model.and_then(|text| json::<Value>("it", text.as_bytes()).ok()).map(|model| config::classes(&model));
    let names = file.texts(group, "layer_names")?.ok_or("the group of weights has no `layer_names`")?;
    let mut layers = Vec::new();
    for name in &names {
        let fail = |message: &str| format!("layer `{}`: {message}", name.escape_debug());
        let absent = "it is listed, but not in the file";
        let found = file.group(group, name).map_err(|message| fail(&message))?;
        let group = found.ok_or_else(|| fail(absent))?;
        let weights = file.texts(&group, "weight_names")?.ok_or_else(|| fail("it has no `weight_names`"))?;
        let mut owners: Vec<Layer> = Vec::new();
        let mut known: BTreeMap<String, usize> = BTreeMap::new();
        for weight in &weights {
            let fail = |message: &str| fail(&format!("`{}`: {message}", weight.escape_debug()));
            let (owner, variable) = split(weight);
            if owner.split('/').any(|part| STATE.contains(&part)) || variable == "seed_generator_state" {
                continue;
            }
            let found = file.dataset(&group, weight).map_err(|message| fail(&message))?;
            let dataset = found.ok_or_else(|| fail(absent))?;
            let tensor = file.tensor(&dataset).map_err(|message| fail(&message))?;
            let at = *known.entry(owner.to_owned()).or_insert(owners.len());
            if at == owners.len() {
                owners.push(layer(name, owner, classes.as_ref()));
            }
            if let Some(owner) = owners.get_mut(at) {
                owner.layer.tensors.push((variable.to_owned(), tensor));
            }
        }
        layers.append(&mut owners);
    }
    Ok(layers)
}

/// The layer of the file, or the one inside it that owns a variable.
fn layer(name: &str, owner: &str, classes: Option<&BTreeMap<String, String>>) -> Layer {
    let last = owner.rsplit('/').next().filter(|last| !last.is_empty());
    let label = last.unwrap_or(name).to_owned();
    let class = classes.and_then(|classes| classes.get(&label)).cloned();
    let path = if owner.is_empty() { name.to_owned() } else { format!("{name}/{owner}") };
    Layer { path, layer: FileLayer { name: Some(label.clone()), class, tensors: Vec::new() }, label }
}

/// The path of a variable's owner and the variable, of `conv1/kernel:0`.
fn split(weight: &str) -> (&str, &str) {
    let bare = match weight.rsplit_once(':') {
        Some((bare, number)) if !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()) => bare,
        _ => weight,
    };
    bare.rsplit_once('/').unwrap_or(("", bare))
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn variables_have_owners() {
        assert_eq!(split("conv1/kernel:0"), ("conv1", "kernel"));
        assert_eq!(split("a/b/kernel"), ("a/b", "kernel"));
        assert_eq!(split("kernel:12"), ("", "kernel"));
        assert_eq!(split("a:b"), ("", "a:b"));
    }
}
