//! The arguments that change a network without another spec: those of Keras' constructors, and the results.

use clap::Args;

use super::Failure;
use super::surroundings::{named, read};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::frontend::surroundings::word;
use crate::frontend::{InputExtents, Overrides};

/// Options that change the network of a spec.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Network")]
pub struct StructureOptions {
    /// Whether the classifier is a part of the network
    #[arg(long, value_name = "true|false")]
    include_top: Option<bool>,

    /// What stands in place of the classifier when it is left out: none, avg or max
    #[arg(long, value_name = "KIND")]
    pooling: Option<String>,

    /// Classes of the classifier
    #[arg(long, value_name = "N")]
    classes: Option<usize>,

    /// What the classifier applies last: none, softmax or sigmoid
    #[arg(long, value_name = "KIND")]
    classifier_activation: Option<String>,

    /// Side of a square input, its height and width, or channels, height and width; of an ONNX model what it leaves open, also by the
    /// names of axes (height=320,width=320) or of inputs (left=1,3,320,320)
    #[arg(long, value_name = "SIDE|H,W|C,H,W|NAME=N,...")]
    input_shape: Option<String>,

    /// Values that are the results, such as stage1,stage2,stage3,stage4 or embedding
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    outputs: Vec<String>,
}

/// The changes that the options stand for.
pub const OPTIONS: [(&str, &str); 6] = [
    ("include_top", "--include-top"),
    ("pooling", "--pooling"),
    ("classes", "--classes"),
    ("classifier_activation", "--classifier-activation"),
    ("input_shape", "--input-shape"),
    ("outputs", "--outputs"),
];

impl StructureOptions {
    /// What the options say.
    ///
    /// # Errors
    /// The values that fit no network.
    pub fn overrides(&self) -> Result<Overrides, Failure> {
        let mut wrong = Diagnostics::new();
        let overrides = Overrides {
            include_top: self.include_top,
            pooling: read("pooling", &self.pooling, word, &mut wrong),
            classes: self.classes,
            classifier_activation: read("classifier_activation", &self.classifier_activation, word, &mut wrong),
            input_shape: read("input_shape", &self.input_shape, shape, &mut wrong),
            outputs: self.outputs.iter().map(|name| name.trim().to_owned()).collect(),
        };
        if wrong.has_errors() { Err(Failure::Usage(named(wrong))) } else { Ok(overrides) }
    }
}

fn shape(text: &str) -> Result<InputExtents, Diagnostic> {
    InputExtents::parse(text)
        .ok_or_else(|| Diagnostic::error("E-ARG", format!("`{text}` is no shape")).expected(InputExtents::EXPECTED))
}
