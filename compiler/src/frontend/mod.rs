//! Stage 1: bytes in, a [`Network`] out.
//!
//! A YAML spec and an ONNX model become the same thing: a graph with all its weights as constants, and what
//! surrounds it (preprocessing, labels). Everything that can be wrong with a user's files is found here.

pub mod count;
mod extents;
pub mod onnx;
#[path = "../../../runtime/src/preprocess.rs"]
mod preprocess;
pub mod shipped;
pub mod source;
pub mod surroundings;
pub mod weights;
pub mod yaml;

use std::path::{Path, PathBuf};

pub use extents::InputExtents;
pub use preprocess::{Color, Interpolation, Preprocess, Resize, Rounding};
pub use yaml::overrides::Overrides;

use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::ir::Graph;
use source::Source;
use surroundings::Surroundings;

/// A network as the passes take it.
#[derive(Debug, Clone)]
pub struct Network {
    /// Its name: the spec's, or the ONNX graph's, or the file's.
    pub name: String,
    /// One sentence about it, or empty.
    pub description: String,
    /// The operations, weights included.
    pub graph: Graph,
    /// How a picture becomes the input.
    pub preprocess: Option<Preprocess>,
    /// A label per class, or none.
    pub labels: Vec<String>,
    /// Trainable parameters as the file has them, before any pass.
    pub parameters: u64,
    /// Every file that was read, so that a build can be repeated when one changes.
    pub files: Vec<PathBuf>,
    /// Where the weights came from: `seed:7`, a file's name, or `the model`.
    pub weights: String,
}

/// A model as far as it can be read.
#[derive(Debug, Clone, Default)]
pub struct Examined {
    /// The network, if it holds together. Weights that no network can use, such as NaN, are in it as the file has them.
    pub network: Option<Network>,
    /// All that is wrong or doubtful.
    pub problems: Diagnostics,
    /// What the metadata of an ONNX file say of pictures and classes.
    pub hints: Surroundings,
    /// What an ONNX file says of itself.
    pub facts: Option<onnx::Facts>,
    /// Nodes of an ONNX model that cannot be compiled; one of the problems names them too.
    pub unsupported: Vec<onnx::Unsupported>,
}

impl Examined {
    /// The network and the warnings.
    ///
    /// # Errors
    /// Everything collected when there is an error among it.
    pub fn finish(self) -> Result<(Network, Diagnostics), Diagnostics> {
        match self.network {
            Some(network) => self.problems.finish(network),
            None => Err(self.problems),
        }
    }
}

impl From<Diagnostics> for Examined {
    fn from(problems: Diagnostics) -> Self {
        Self { problems, ..Self::default() }
    }
}

/// What a user changes of a model without writing another.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes {
    /// Of the network itself.
    pub structure: Overrides,
    /// Of what surrounds it.
    pub surroundings: Surroundings,
}

/// Where the weights of a network come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WeightSource {
    /// The model file itself: ONNX initializers.
    Model,
    /// Made from the tensors' names by the seeded rule of [`weights::seeded`].
    Seed(u64),
    /// A file, whose format its content tells.
    File(PathBuf),
}

impl WeightSource {
    /// Reads `seed:N` or a path.
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix("seed:").and_then(|seed| seed.parse().ok()) {
            Some(seed) => Self::Seed(seed),
            None => Self::File(PathBuf::from(text)),
        }
    }
}

/// [`load_with`] nothing changed.
///
/// # Errors
/// As [`load_with`].
pub fn load(model: &str, weights: Option<&WeightSource>, batch: usize) -> Result<(Network, Diagnostics), Diagnostics> {
    load_with(model, weights, batch, &Changes::default())
}

/// Reads a model with its weights: `model` is the path of a spec (`.yaml`, `.yml`) or an ONNX model (`.onnx`), or the name of a spec
/// that ships with the compiler. Without `weights`, the model's own are taken, or those that its spec names. What is given in
/// `surroundings` takes the place of the model's own preprocessing and labels.
///
/// # Errors
/// All that is wrong with the model's files; `E-MODEL` when it is none.
pub fn load_with(
    model: &str,
    weights: Option<&WeightSource>,
    batch: usize,
    changes: &Changes,
) -> Result<(Network, Diagnostics), Diagnostics> {
    examine(model, weights, batch, changes).finish()
}

/// Reads a model as [`load_with`] does, as far as it can be read.
pub fn examine(model: &str, weights: Option<&WeightSource>, batch: usize, changes: &Changes) -> Examined {
    let path = Path::new(model);
    match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("yaml" | "yml") => yaml::examine(&Source::File(path), weights, batch, changes),
        Some("onnx") => {
            let extents = changes.structure.input_shape.as_ref();
            if !(Overrides { input_shape: None, ..changes.structure.clone() }).is_empty() {
                let message = "an ONNX model is compiled as it is: its classes, its head and its results stay";
                let problem = Diagnostic::error("E-ARG", message)
                    .at(crate::diagnostic::Place::file(path))
                    .hint("export another model, or compile a spec");
                return Diagnostics::from(problem).into();
            }
            let mut examined = onnx::examine(path, weights, batch, extents);
            if let Some(network) = &mut examined.network
                && let Err(problems) = changes.surroundings.surround(network, &examined.hints)
            {
                examined.problems.extend(problems);
            }
            examined
        }
        _ => match shipped::spec(model) {
            Some(shipped) => yaml::examine(&Source::Shipped(shipped), weights, batch, changes),
            None => Diagnostics::from(unknown(model)).into(),
        },
    }
}

/// Reads a spec without its weights: `model` is its path or the name of one that ships with the compiler.
///
/// # Errors
/// All that is wrong with it; `E-MODEL` when it is none.
pub fn describe(model: &str) -> Result<yaml::Described, Diagnostics> {
    let path = Path::new(model);
    let described = match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("yaml" | "yml") => yaml::describe(&Source::File(path), 1),
        Some("onnx") => Err(Diagnostic::error("E-MODEL", format!("`{model}` is no spec"))
            .expected("a path ending in `.yaml`, or the name of a spec that ships with the compiler")
            .hint("an ONNX model holds its weights itself")
            .into()),
        _ => match shipped::spec(model) {
            Some(shipped) => yaml::describe(&Source::Shipped(shipped), 1),
            None => Err(unknown(model).into()),
        },
    };
    described.map(|(described, _)| described)
}

fn unknown(model: &str) -> Diagnostic {
    let names: Vec<_> = shipped::SPECS.iter().map(|spec| spec.name).collect();
    let message = if Path::new(model).exists() {
        format!("`{model}` is not a model: its name ends neither in `.yaml` nor in `.onnx`")
    } else {
        format!("no spec that ships with the compiler is called `{model}`")
    };
    let problem = Diagnostic::error("E-MODEL", message)
        .expected(format!("a path ending in `.yaml` or `.onnx`, or one of `{}`", names.join("`, `")));
    match nearest(model, names) {
        Some(near) => problem.hint(format!("did you mean `{near}`?")),
        None => problem,
    }
}
