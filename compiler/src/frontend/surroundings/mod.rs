//! What surrounds a network: how a picture becomes its input, and what its classes are called.
//!
//! A spec says both; one structure is trained with many recipes, and an ONNX model says neither. So both can be given from outside,
//! key by key, in the terms of a spec.

mod labels;
mod parse;
mod preprocess;

pub use labels::{LabelKeys, labels};
pub use parse::{numbers, size, word};
pub use preprocess::{PreprocessKeys, preprocess, unfit};

use super::Network;
use super::yaml::spec::{Labels, Preprocess};
use crate::diagnostic::{Diagnostic, Diagnostics};

/// What is given from outside in place of what a model says itself.
///
/// Errors about a key that was given have no place, and the key as their subject: `preprocess.std`, `labels`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Surroundings {
    /// Keys of `preprocess`. A preset takes the place of all that the model says; any other key only of the same key, but that
    /// `crop_fraction` and the pair of `resize` and `crop` replace each other.
    pub preprocess: Preprocess,
    /// The name of a set, a path from the working folder, or a list.
    pub labels: Option<Labels>,
}

impl Surroundings {
    /// Surrounds a network that has no preprocessing and no labels of its own but for hints in the model's file.
    ///
    /// # Errors
    /// What does not hold together, or does not fit the network.
    pub fn surround(&self, network: &mut Network, hints: &Self) -> Result<(), Diagnostics> {
        let mut problems = Diagnostics::new();
        let shape = |id| &network.graph.node(id).shape().0;
        let inputs = network.graph.inputs();
        match inputs.iter().map(|id| shape(*id).as_slice()).collect::<Vec<_>>()[..] {
            [&[_, channels, height, width]] => {
                let own = Some(&hints.preprocess).filter(|own| **own != Preprocess::default());
                let keys = PreprocessKeys { own, given: &self.preprocess, place: &|_| None };
                let input = [channels, height, width];
                network.preprocess = preprocess(&keys, input, &mut |problem| problems.push(problem));
            }
            ref shapes if self.preprocess != Preprocess::default() => problems.push(
                Diagnostic::error("E-PRE", format!("the network's inputs are {shapes:?}, which are no pictures"))
                    .about("preprocess")
                    .expected("one input [N, C, H, W]")
                    .hint("leave out the preprocessing: the program takes raw tensors"),
            ),
            _ => {}
        }
        let outputs: Vec<_> =
            network.graph.outputs().iter().map(|output| network.graph.node(output.node).shape()).collect();
        let keys = LabelKeys { own: hints.labels.as_ref(), given: self.labels.as_ref(), place: &|_| None };
        let nothing_beside = |name: &str| Err(format!("`{name}` lies beside no spec"));
        let (labels, file) = labels(&keys, &nothing_beside, &outputs, &mut |problem| problems.push(problem));
        network.labels = labels;
        network.files.extend(file);
        problems.finish(()).map(|_| ())
    }
}

/// A problem with a key: at its place when the model gives it, else without one.
fn about(code: &'static str, key: &str, place: Option<crate::diagnostic::Place>, message: String) -> Diagnostic {
    Diagnostic { place, ..Diagnostic::error(code, message).about(key) }
}
