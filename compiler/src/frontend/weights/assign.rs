//! Which tensor of a file answers which request: by name, or by order where names are not reliable.
//!
//! Keras numbers layers that have no name of their own anew in every process, and loads its own files by order: the layers with weights
//! of the file one by one for those of the model, each with its tensors in order. That is done here when the names do not fit: in
//! Keras' order of layers ([`Weighted`]), class by class when the file tells classes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Axes, FileLayer, FileTensor, Request, Role, TensorFile, Weighted};
use crate::ir::Shape;

/// What a network asks of a file.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Its tensors.
    pub requests: &'a [Request],
    /// Its layers with tensors, in Keras' order.
    pub layers: &'a [Weighted],
    /// What the file may have besides.
    pub left_out: &'a LeftOut,
}

/// What a file may have besides what is asked for: the tensors of a head that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Their names.
    pub names: BTreeSet<String>,
    /// How many layers they belong to.
    pub layers: usize,
}

/// The answer of a file to what is asked of it.
#[derive(Debug)]
pub struct Assignment<'a> {
    /// A name and a tensor for each request, where there is one.
    pub tensors: Vec<Option<(&'a str, &'a FileTensor)>>,
    /// Tensors of the file that nobody asks for.
    pub surplus: Vec<&'a str>,
    /// Why the file's order does not fit, when its order is what counts.
    pub order: Option<String>,
}

impl Assignment<'_> {
    /// Whether every request has a tensor of its shape, and none is left over.
    pub fn fits(&self, requests: &[Request]) -> bool {
        self.order.is_none() && self.surplus.is_empty() && self.matching(requests) == requests.len()
    }

    /// How many requests have a tensor of their shape.
    pub fn matching(&self, requests: &[Request]) -> usize {
        let matches = |(request, tensor): (&Request, &Option<(&str, &FileTensor)>)| {
            tensor.is_some_and(|(_, tensor)| has_shape(request, &tensor.shape))
        };
        requests.iter().zip(&self.tensors).filter(|pair| matches(*pair)).count()
    }
}

/// Whether a tensor of this shape answers a request. A dense kernel may be stored as a 1x1 convolution, as timm does.
pub fn has_shape(request: &Request, shape: &Shape) -> bool {
    let wanted = request.file_shape();
    let dense = request.role == Role::Kernel && wanted.0.len() == 2 && request.axes == Axes::OutputFirst;
    *shape == wanted
        || dense && matches!(shape.0.as_slice(), [units, features, 1, 1] if wanted.0 == [*units, *features])
}

/// Finds the tensors of a file that a network asks for.
pub fn assign<'a>(wanted: &Wanted<'_>, file: &'a TensorFile) -> Assignment<'a> {
    let named = by_name(wanted, file);
    let count = wanted.requests.len();
    let keras = wanted.requests.iter().all(|request| request.axes == Axes::OutputLast);
    let Some(layers) = file.layers.as_deref().filter(|_| keras) else { return named };
    // Names that only count the layers of a class fit any network with as many: they say nothing.
    let nameless = layers.iter().any(|layer| layer.name.is_none());
    if !nameless && named.matching(wanted.requests) == count {
        return named;
    }
    match by_order(wanted, layers) {
        Ok(tensors) => {
            let ordered = Assignment { tensors, surplus: Vec::new(), order: None };
            let better = ordered.matching(wanted.requests) > named.matching(wanted.requests);
            if better || nameless { ordered } else { named }
        }
        // A file that has most of the names is meant by its names.
        Err(_) if !nameless && named.matching(wanted.requests) * 2 > count => named,
        Err(reason) => Assignment { order: Some(reason), ..named },
    }
}

fn by_name<'a>(wanted: &Wanted<'_>, file: &'a TensorFile) -> Assignment<'a> {
    let asked: BTreeSet<&str> = wanted.requests.iter().map(|request| request.name.as_str()).collect();
    let of_request =
        |request: &Request| file.tensors.get_key_value(&request.name).map(|(name, tensor)| (name.as_str(), tensor));
    let surplus = file.tensors.keys().map(String::as_str).filter(|name| {
        !asked.contains(name) && !name.ends_with("num_batches_tracked") && !wanted.left_out.names.contains(*name)
    });
    Assignment { tensors: wanted.requests.iter().map(of_request).collect(), surplus: surplus.collect(), order: None }
}

fn by_order<'a>(
    wanted: &Wanted<'_>,
    layers: &'a [FileLayer],
) -> Result<Vec<Option<(&'a str, &'a FileTensor)>>, String> {
    let classes = layers.iter().all(|layer| layer.class.is_some());
    let mut queues: BTreeMap<&str, std::collections::VecDeque<&FileLayer>> = BTreeMap::new();
    for layer in layers {
        let class = if classes { layer.class.as_deref().unwrap_or_default() } else { "" };
        queues.entry(class).or_default().push_back(layer);
    }
    let mut tensors = vec![None; wanted.requests.len()];
    for (index, layer) in wanted.layers.iter().enumerate() {
        let class = if classes { layer.class } else { "" };
        let Some(stored) = queues.get_mut(class).and_then(std::collections::VecDeque::pop_front) else {
            return Err(match classes {
                true => format!(
                    "the file has {} layers of the class {class}, the network has {}",
                    layers.iter().filter(|layer| layer.class.as_deref() == Some(class)).count(),
                    wanted.layers.iter().filter(|layer| layer.class == class).count()
                ),
                false => format!(
                    "the file has {} layers with weights, the network has {}",
                    layers.len(),
                    wanted.layers.len()
                ),
            });
        };
        if stored.tensors.len() != layer.tensors.len() {
            let name = stored.name.as_ref().map(|name| format!(" (`{name}`)")).unwrap_or_default();
            return Err(format!(
                "layer {}{name} of the file has {} tensors, that of the network is a {} with {}",
                index + 1,
                stored.tensors.len(),
                layer.class,
                layer.tensors.len()
            ));
        }
        for (request, (variable, tensor)) in layer.tensors.clone().zip(&stored.tensors) {
            if let Some(slot) = tensors.get_mut(request) {
                *slot = Some((stored.name.as_deref().unwrap_or(variable), tensor));
            }
        }
    }
    let rest: usize = queues.values().map(std::collections::VecDeque::len).sum();
    if rest > wanted.left_out.layers {
        return Err(format!(
            "the file has {} layers with weights, the network has {}",
            layers.len(),
            wanted.layers.len()
        ));
    }
    Ok(tensors)
}
