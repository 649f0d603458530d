//! Stage 1: bytes in, a [`Network`] out.
//!
//! A YAML spec and an ONNX model become the same thing: a graph with all its weights as constants, and what
//! surrounds it (preprocessing, labels). Everything that can be wrong with a user's files is found here.

pub mod count;
pub mod onnx;
#[path = "../../../runtime/src/preprocess.rs"]
mod preprocess;
pub mod shipped;
pub mod source;
pub mod surroundings;
pub mod weights;
pub mod yaml;

use std::path::{Path, PathBuf};

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

/// Reads a model with its weights: `model` is the path of a spec (`.yaml`, `.yml`) or an ONNX model (`.onnx`), or the name of a spec
/// that ships with the compiler. Without `weights`, the model's own are taken, or those that its spec names.
///
/// # Errors
/// All that is wrong with the model's files; `E-MODEL` when it is none.
pub fn load(model: &str, weights: Option<&WeightSource>, batch: usize) -> Result<(Network, Diagnostics), Diagnostics> {
    load_as(model, weights, batch, &Overrides::default(), &Surroundings::default())
}

/// As [`load`], with what the user changes of a spec, and the preprocessing and labels that take the place of the model's own.
///
/// # Errors
/// As [`load`]; `E-ARG` for changes that the model does not allow.
pub fn load_as(
    model: &str,
    weights: Option<&WeightSource>,
    batch: usize,
    overrides: &Overrides,
    surroundings: &Surroundings,
) -> Result<(Network, Diagnostics), Diagnostics> {
    let path = Path::new(model);
    let reading = yaml::Reading { batch, overrides, surroundings, scheme: None };
    match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("yaml" | "yml") => yaml::load(&Source::File(path), weights, reading),
        Some("onnx") if !overrides.is_empty() => Err(Diagnostic::error(
            "E-ARG",
            "an ONNX model is compiled as it is: its classes, its input and its head cannot be changed",
        )
        .hint("export another model, or compile a spec")
        .into()),
        Some("onnx") => {
            let (mut network, warnings) = onnx::load(path, weights, batch)?;
            surroundings.surround(&mut network)?;
            Ok((network, warnings))
        }
        _ => match shipped::spec(model) {
            Some(shipped) => yaml::load(&Source::Shipped(shipped), weights, reading),
            None => Err(unknown(model).into()),
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
