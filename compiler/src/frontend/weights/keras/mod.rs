//! Weights of Keras: what its HDF5 files and archives call a tensor, and in which order they have the layers.
//!
//! A tensor is named `<layer>/<variable>`, as in `conv1_conv/kernel`: the two last components of its path, without a `:0` behind them.
//! Two tensors of one name have their whole paths as names. Layers are listed besides in the file's order, for those that must count:
//!
//! - `.h5` (Keras 1 and 2, and `model.save("x.h5")` of Keras 3): `layer_names` lists the layers in the model's order, `weight_names` of each
//!   its variables, trainable ones first. Keras itself loads by this order and not by the names. A model inside the model is one layer of the
//!   file; it is listed here as the layers that own its variables.
//! - `.weights.h5` (Keras 3): `layers/<class>[_<k>]/vars/<i>`. `k` counts the layers of a class in the model's order; the name of the layer is
//!   an attribute of `vars` in newer files, and not in the file at all in older ones. Without names, a tensor is called by class and number
//!   among the layers of the class that have weights (`conv2d_1/kernel`). The layers stand by class, then by number: an order among the
//!   layers of one class only. TensorFlow 2.13 has `_layer_checkpoint_dependencies` for `layers`, and counts a layer with weights twice.
//! - `.keras`: a zip archive of such a file and `config.json`, which gives the layers' names and the model's order.
//!
//! Variables by index: 0 kernel, 1 bias; a normalisation has gamma, beta, moving mean and moving variance. Three of these are taken to lack
//! gamma (`scale=False`), two to lack both, unless the configuration says it. What is no weight is left out: optimizers, metrics, random
//! states, and the model's own variables in `top_level_model_weights`.

mod config;
mod legacy;
mod variables;

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use super::archive::Archive;
use super::content::Content;
use super::format::json;
use super::hdf5::{self, Hdf5};
use super::index::Index;
use super::{FileLayer, FileTensor, Found};
use variables::Variables;

/// Groups that hold the state of a training, at any depth.
const STATE: [&str; 6] = ["optimizer", "metrics", "_metrics", "compile_metrics", "loss_tracker", "seed_generator"];

/// A layer, with the path that tells it from others of its name.
struct Layer {
    path: String,
    label: String,
    layer: FileLayer,
}

/// The weights of an HDF5 file.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse(content: &mut Content, range: &Range<usize>) -> Result<Found, String> {
    hdf5::guarded(|| {
        let mut file = Hdf5::open(content, range)?;
        let root = file.root()?;
        if let Some(group) = file.group(&root, "model_weights")? {
            let config = file.text(&root, "model_config")?;
            return found(legacy::layers(&mut file, &group, config.as_deref())?);
        }
        if file.texts(&root, "layer_names")?.is_some() {
            return found(legacy::layers(&mut file, &root, None)?);
        }
        let mut all = Variables::default();
        all.read(&mut file)?;
        found(all.layers(None))
    })
}

/// Whether an archive is a `.keras` file.
pub fn is_archive(archive: &Archive) -> bool {
    archive.entries.contains_key("config.json") && archive.entries.keys().any(|name| name.starts_with("model.weights."))
}

/// The weights of a `.keras` file.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn parse_archive(archive: &Archive, content: &mut Content) -> Result<Found, String> {
    let entry = |name: &str| archive.entries.get(name);
    let config = entry("config.json").and_then(|range| content.get(range)).unwrap_or_default();
    let config: Value = json("`config.json`", config)?;
    let index = match (entry("model.weights.h5"), entry("model.weights.json")) {
        (Some(_), _) => Index::of_one("model.weights.h5"),
        (None, Some(range)) => Index::read(content.get(range).unwrap_or_default())?,
        (None, None) => return Err("its weights are neither `model.weights.h5` nor in shards".to_owned()),
    };
    let mut ranges = Vec::new();
    for shard in index.shards() {
        let range = entry(shard).ok_or_else(|| format!("the archive has no `{}`", shard.escape_debug()))?;
        ranges.push((shard.to_owned(), range.clone()));
    }
    shards(content, &ranges, Some(&config))
}

/// The weights of HDF5 files that lie in ranges of a content and belong together, by their names.
///
/// # Errors
/// A sentence that says what is wrong with one of them.
pub fn shards(
    content: &mut Content,
    ranges: &[(String, Range<usize>)],
    config: Option<&Value>,
) -> Result<Found, String> {
    hdf5::guarded(|| {
        let mut all = Variables::default();
        for (name, range) in ranges {
            let read = Hdf5::open(content, range).and_then(|mut file| all.read(&mut file));
            read.map_err(|message| format!("`{}`: {message}", name.escape_debug()))?;
        }
        found(all.layers(config))
    })
}

/// Names the tensors of layers.
fn found(layers: Vec<Layer>) -> Result<Found, String> {
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    let short = |layer: &Layer, variable: &str| format!("{}/{variable}", layer.label);
    for layer in &layers {
        for (variable, _) in &layer.layer.tensors {
            *uses.entry(short(layer, variable)).or_default() += 1;
        }
    }
    let mut tensors: BTreeMap<String, FileTensor> = BTreeMap::new();
    for layer in &layers {
        for (variable, tensor) in &layer.layer.tensors {
            let mut name = short(layer, variable);
            if uses.get(&name).is_some_and(|uses| *uses > 1) {
                name = format!("{}/{variable}", layer.path);
            }
            if tensors.contains_key(&name) {
                return Err(format!("tensor `{}` is in the file twice", name.escape_debug()));
            }
            tensors.insert(name, tensor.clone());
        }
    }
    Ok(Found { tensors, layers: Some(layers.into_iter().map(|layer| layer.layer).collect()) })
}

/// The class of a layer as Keras writes it in paths: `BatchNormalization` is `batch_normalization`.
fn snake_case(class: &str) -> String {
    // Registered classes have their package before a `>`.
    let class = class.rsplit('>').next().unwrap_or(class);
    let letters: Vec<char> = class.chars().filter(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    let mut text = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| letters.get(before));
        let word = letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
        if letter.is_ascii_uppercase() && before.is_some_and(|before| word || before.is_ascii_lowercase()) {
            text.push('_');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

/// A component of a path without the number behind it: `conv2d_1` is the second of `conv2d`.
fn numbered(component: &str) -> (&str, u64) {
    match component.rsplit_once('_') {
        Some((class, number)) if !class.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit()) => {
            number.parse().map_or((component, 0), |number| (class, number))
        }
        _ => (component, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_spelled_as_in_paths() {
        for (class, text) in [
            ("Conv2D", "conv2d"),
            ("BatchNormalization", "batch_normalization"),
            ("PReLU", "p_re_lu"),
            ("ReLU", "re_lu"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("DepthwiseConv2D", "depthwise_conv2d"),
            ("my_package>CustomLayer", "custom_layer"),
            ("Keras_Layer", "keras__layer"),
            ("TFOpLambda", "tf_op_lambda"),
        ] {
            assert_eq!(snake_case(class), text);
        }
    }

    #[test]
    fn numbers_stand_behind_classes() {
        assert_eq!(numbered("conv2d"), ("conv2d", 0));
        assert_eq!(numbered("conv2d_12"), ("conv2d", 12));
        assert_eq!(numbered("re_lu"), ("re_lu", 0));
        assert_eq!(numbered("_3"), ("_3", 0));
        assert_eq!(numbered("a_99999999999999999999999"), ("a_99999999999999999999999", 0));
    }
}
