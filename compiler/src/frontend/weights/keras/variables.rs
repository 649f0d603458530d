//! Files of Keras 3: groups `vars`, whose variables have numbers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::hdf5::{Group, Hdf5};
use super::super::{FileLayer, FileTensor};
use super::config::{self, Described};
use super::{Layer, STATE, numbered};

/// What TensorFlow 2.13 calls the layers of a model.
const TENSORFLOW_213: &str = "_layer_checkpoint_dependencies";
/// Groups may lie this deep in each other.
const DEEPEST: usize = 64;
/// A path of a group may have this many bytes.
const LONGEST: usize = 1 << 12;

/// The variables of a file, or of all shards of one, by the path of what owns them.
#[derive(Default)]
pub struct Variables {
    owners: BTreeMap<Vec<String>, Owner>,
}

#[derive(Default)]
struct Owner {
    name: Option<String>,
    /// By number.
    tensors: BTreeMap<u64, FileTensor>,
}

impl Variables {
    /// Adds the variables of a file.
    pub fn read(&mut self, file: &mut Hdf5<'_>) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut open = vec![(Vec::new(), file.root()?)];
        let mut any = false;
        while let Some((path, group)) = open.pop() {
            let fail = |message: &str| format!("group `{}`: {message}", path.join("/").escape_debug());
            if !seen.insert(group.address()) {
                return Err(fail("a link leads to what was reached before"));
            }
            if path.len() > DEEPEST || path.iter().map(String::len).sum::<usize>() > LONGEST {
                return Err("its groups lie too deep in each other".to_owned());
            }
            for child in file.members(&group)?.0 {
                match child.name() {
                    "vars" => {
                        any = true;
                        self.owner(file, &path, &child).map_err(|message| fail(&message))?;
                    }
                    name => {
                        // On Windows, older Keras wrote `layers\conv2d` for a name.
                        let parts = name.split('\\').map(|part| if part == TENSORFLOW_213 { "layers" } else { part });
                        let parts: Vec<_> = parts.collect();
                        if !parts.iter().any(|part| STATE.contains(part)) {
                            open.push((
                                path.iter().map(String::as_str).chain(parts).map(str::to_owned).collect(),
                                child,
                            ));
                        }
                    }
                }
            }
        }
        if any {
            Ok(())
        } else {
            Err("the HDF5 file is none of Keras: it has neither `layer_names` nor `vars`".to_owned())
        }
    }

    fn owner(&mut self, file: &mut Hdf5<'_>, path: &[String], group: &Group) -> Result<(), String> {
        let datasets = file.members(group)?.1;
        if datasets.is_empty() {
            return Ok(());
        }
        let name = file.text(group, "name")?;
        let owner = self.owners.entry(path.to_vec()).or_default();
        owner.name = owner.name.take().or(name);
        for dataset in datasets {
            let fail = |message: &str| format!("variable `{}`: {message}", dataset.name().escape_debug());
            let number = dataset.name().parse().map_err(|_| fail("its name is no number"))?;
            let tensor = file.tensor(&dataset).map_err(|message| fail(&message))?;
            if owner.tensors.insert(number, tensor).is_some() {
                return Err(fail("it is in the file twice"));
            }
        }
        Ok(())
    }

    /// The layers: in the order of a description, if there is one; what it does not list comes with what it lies in.
    pub fn layers(&self, model: Option<&Value>) -> Vec<Layer> {
        let described = model.map(|model| self.described(model)).unwrap_or_default();
        let natural = |path: &[String]| -> Vec<(String, u64)> {
            path.iter().map(|part| numbered(part)).map(|(class, number)| (class.to_owned(), number)).collect()
        };
        let mut owners: Vec<_> = self.owners.iter().map(|(path, owner)| (natural(path), path, owner)).collect();
        owners.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let mut counts: BTreeMap<(&[String], String), usize> = BTreeMap::new();
        let mut layers = Vec::new();
        for (natural, path, owner) in owners {
            let said = described.get(path).map(|(_, said)| said);
            let listed = (0..=path.len()).rev().find_map(|length| described.get(path.get(..length)?));
            let place = listed.map_or(usize::MAX, |(place, _)| *place);
            let parent = path.get(..path.len().saturating_sub(1)).unwrap_or_default();
            let class = natural.last().map(|(class, _)| class.clone()).unwrap_or_default();
            let number = counts.entry((parent, class.clone())).or_default();
            layers.push(((place, natural), layer(path, class, *number, owner, said)));
            *number += 1;
        }
        layers.sort_by(|(a, _), (b, _)| a.cmp(b));
        layers.into_iter().map(|(_, layer)| layer).collect()
    }

    /// What a description says about each path, with its place in the model's order.
    fn described(&self, model: &Value) -> BTreeMap<Vec<String>, (usize, Described)> {
        // The components below each path, by class, with their numbers.
        let mut below: BTreeMap<&[String], BTreeMap<&str, BTreeMap<u64, &String>>> = BTreeMap::new();
        for path in self.owners.keys() {
            for (length, component) in path.iter().enumerate() {
                let (class, number) = numbered(component);
                let classes = below.entry(path.get(..length).unwrap_or_default()).or_default();
                classes.entry(class).or_default().insert(number, component);
            }
        }
        let mut all = BTreeMap::new();
        // Models inside come where they stand: the list is worked off from its end.
        let mut open = vec![(Vec::new(), model, None)];
        while let Some((path, entry, said)) = open.pop() {
            let place = all.len();
            if let Some(said) = said {
                all.insert(path.clone(), (place, said));
            }
            let mut folder = path;
            folder.push("layers".to_owned());
            let Some(classes) = below.get(folder.as_slice()) else { continue };
            let entries: Vec<_> = config::layers(entry).map(|entry| (entry, config::described(entry))).collect();
            let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
            for (_, said) in &entries {
                *counts.entry(&said.class).or_default() += 1;
            }
            // As many as the model has are those of the model, whatever their numbers; else the numbers tell.
            let complete: BTreeMap<&str, Vec<&String>> = classes
                .iter()
                .filter(|(class, present)| counts.get(*class) == Some(&present.len()))
                .map(|(class, present)| (*class, present.values().copied().collect()))
                .collect();
            let mut used: BTreeMap<&str, usize> = BTreeMap::new();
            let mut inside = Vec::new();
            for (entry, said) in &entries {
                let class = said.class.as_str();
                let number = used.entry(class).or_default();
                let component = match complete.get(class) {
                    Some(present) => present.get(*number),
                    None => classes.get(class).and_then(|present| present.get(&(*number as u64))),
                };
                *number += 1;
                if let Some(component) = component {
                    let path = folder.iter().chain([*component]).cloned().collect();
                    inside.push((path, *entry, Some(said.clone())));
                }
            }
            open.extend(inside.into_iter().rev());
        }
        all
    }
}

/// A layer, which is the one of this number among those of its class that have weights.
fn layer(path: &[String], class: String, number: usize, owner: &Owner, said: Option<&Described>) -> Layer {
    let name = owner.name.clone().or_else(|| said.and_then(|said| said.name.clone()));
    let label = name.clone().unwrap_or_else(|| match (class.as_str(), number) {
        ("", _) => "model".to_owned(),
        (class, 0) => class.to_owned(),
        (class, number) => format!("{class}_{number}"),
    });
    let names = names(&class, owner.tensors.len(), said);
    let class = Some(class).filter(|class| !class.is_empty());
    let tensors = owner.tensors.iter().enumerate().map(|(at, (number, tensor))| {
        let in_order = *number == at as u64;
        let name = names.get(at).filter(|_| in_order && names.len() >= owner.tensors.len());
        (name.map_or_else(|| number.to_string(), |name| (*name).to_owned()), tensor.clone())
    });
    Layer { path: path.join("/"), label, layer: FileLayer { name, class, tensors: tensors.collect() } }
}

/// The variables of a layer by number; fewer than it has when its class is not known.
fn names(class: &str, count: usize, said: Option<&Described>) -> Vec<&'static str> {
    match class {
        "conv1d" | "conv2d" | "conv3d" | "conv2d_transpose" | "dense" | "depthwise_conv2d" | "einsum_dense" => {
            vec!["kernel", "bias"]
        }
        "separable_conv2d" => vec!["depthwise_kernel", "pointwise_kernel", "bias"],
        "p_re_lu" => vec!["alpha"],
        "normalization" => vec!["mean", "variance", "count"],
        "batch_normalization" | "layer_normalization" | "group_normalization" => {
            let statistics = if class == "batch_normalization" { 2 } else { 0 };
            let learned = count.saturating_sub(statistics);
            let (scale, center) = match said {
                Some(said) => (said.scale, said.center),
                None => (learned > 1, learned > 0),
            };
            let all = [
                (scale, "gamma"),
                (center, "beta"),
                (statistics > 0, "moving_mean"),
                (statistics > 0, "moving_variance"),
            ];
            all.into_iter().filter(|(has, _)| *has).map(|(_, name)| name).collect()
        }
        _ => Vec::new(),
    }
}
