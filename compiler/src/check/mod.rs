//! Everything that is wrong or doubtful about a model, in one report: what `resnetc check` tells.
//!
//! A compiler stops at the first stage that has errors; a check goes on with whatever is left. Values that no network can use are put
//! aside, and a spec whose weights do not fit is planned with made-up ones, so that one report has all that there is to mend. Nothing in
//! here decides anything: findings come from the front end's problems, from the values of the weights, and from what passes and plan did.

mod file;
mod gather;
mod pictures;
mod speed;
mod values;

use std::path::Path;

use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::frontend::{self, Network, WeightSource, onnx};
use crate::pipeline::{self, Compiled, Options, Stage};

/// A problem, or something worth knowing, with all the places where it occurs.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What it is about.
    pub topic: Topic,
    /// What is to be said; of the places, when there are several, only how many they are.
    pub diagnostic: Diagnostic,
    /// The places, when it gathers several.
    pub cases: Vec<Case>,
}

/// A place where a finding occurs.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Case {
    /// The tensor, layer or operator.
    pub name: String,
    /// What is to be said of it alone; empty when the finding says all.
    pub what: String,
    /// Nodes that it is about, of an operator.
    pub nodes: Vec<String>,
    /// Values of a tensor that it is about.
    pub values: Option<Values>,
}

/// Values of a tensor that are remarkable.
#[derive(Debug, Clone, PartialEq)]
pub struct Values {
    /// How many they are.
    pub count: usize,
    /// How many the tensor has.
    pub of: usize,
    /// The index of the first, an extent per axis.
    pub first: Vec<usize>,
    /// The first.
    pub value: f32,
}

/// What a finding is about, in the order of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// The file, the spec, or what was asked for.
    Model,
    /// The versions of format and operators.
    Versions,
    /// Operators and their attributes.
    Operators,
    /// Shapes.
    Shapes,
    /// Extents that the file leaves open, and the batch.
    Dimensions,
    /// The weights and their values.
    Weights,
    /// How a picture becomes the input.
    Pictures,
    /// What takes longer than it could.
    Speed,
}

impl Topic {
    /// Its name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Versions => "versions",
            Self::Operators => "operators",
            Self::Shapes => "shapes",
            Self::Dimensions => "dimensions",
            Self::Weights => "weights",
            Self::Pictures => "pictures",
            Self::Speed => "speed",
        }
    }
}

/// What was found out about a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The model as it was named.
    pub model: String,
    /// Where the weights came from, when they were read.
    pub weights: Option<String>,
    /// Names and shapes of the inputs in the caller's order of axes, when the network holds together.
    pub inputs: Vec<(String, Vec<usize>)>,
    /// How a picture becomes the input, in words.
    pub pictures: Option<String>,
    /// What an ONNX file says of itself.
    pub facts: Option<onnx::Facts>,
    /// The findings: errors first, then warnings and notes, each in the order of topics.
    pub findings: Vec<Finding>,
}

impl Report {
    /// How many findings are as bad as this.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.diagnostic.severity == severity).count()
    }
}

/// Finds all that is wrong or doubtful about a model.
pub fn check(options: &Options, progress: &mut dyn FnMut(Stage)) -> Report {
    progress(Stage::Load);
    let load =
        |weights: Option<&WeightSource>| frontend::examine(&options.model, weights, options.batch, &options.changes);
    let mut examined = load(options.weights.as_ref());
    let mut report = Report {
        model: options.model.clone(),
        weights: None,
        inputs: Vec::new(),
        pictures: None,
        facts: examined.facts.take(),
        findings: Vec::new(),
    };
    let mut problems = std::mem::take(&mut examined.problems);
    let mut network = examined.network;
    if let Some(network) = &network {
        // What the front end says of single tensors, or of all at once, is told with counts.
        problems.0.retain(|problem| problem.code != "E-WVAL");
        values::examine(&network.graph, weights_file(network), &mut report.findings);
        report.weights = Some(network.weights.clone());
    } else if only_of_weights(&problems) {
        let none_given = problems.0.iter().any(|problem| problem.code == "E-WNONE");
        problems.0.retain(|problem| problem.code != "E-WNONE" || options.weights.is_some());
        network = load(Some(&WeightSource::Seed(0))).network;
        if none_given && network.is_some() {
            report.weights = Some("seed:0".to_owned());
            let note =
                Diagnostic::note("N-SEED", "no weights are given: the structure is checked with those of seed:0")
                    .hint("name the file of weights with `--weights`, so that its values are checked too");
            report.findings.push(Finding { topic: Topic::Weights, diagnostic: note, cases: Vec::new() });
        }
    }
    if let Some(facts) = &report.facts {
        file::examine(facts, options, &mut report.findings);
    }
    if let Some(network) = network {
        pictures::examine(&network, &mut report.findings);
        report.pictures = network.preprocess.map(|rules| rules.to_string());
        match plan(network, options, progress) {
            Ok(compiled) => {
                report.inputs =
                    compiled.plan.inputs.iter().map(|input| (input.name.clone(), input.shape.clone())).collect();
                speed::examine(&compiled, &mut report.findings);
                problems.0.extend(compiled.warnings.0.into_iter().filter(|warning| !told(warning, &report.findings)));
            }
            Err(errors) => problems.extend(errors),
        }
    }
    report.findings.extend(gather::gather(problems, &examined.unsupported));
    report.findings.sort_by_key(|finding| (std::cmp::Reverse(finding.diagnostic.severity), finding.topic));
    report
}

/// The file that the weights of a network come from, if they come from one.
fn weights_file(network: &Network) -> Option<&Path> {
    let mut files = network.files.iter().map(std::path::PathBuf::as_path);
    match network.weights.as_str() {
        "the model" => files.next(),
        name => files.rfind(|file| file.file_name().is_some_and(|own| own.to_string_lossy() == name)),
    }
}

/// Whether all errors are of a spec's weights, so that its structure can be looked at without them.
fn only_of_weights(problems: &Diagnostics) -> bool {
    let mut errors = problems.0.iter().filter(|problem| problem.severity == Severity::Error).peekable();
    errors.peek().is_some() && errors.all(|error| gather::topic(error.code) == Topic::Weights)
}

/// Whether a warning of the plan about packed weights says nothing that is not known of the tensors they come from.
fn told(warning: &Diagnostic, findings: &[Finding]) -> bool {
    let packed = warning.message.split(' ').next().and_then(|count| count.parse::<usize>().ok());
    let known =
        findings.iter().filter(|finding| finding.diagnostic.code == warning.code).flat_map(|finding| &finding.cases);
    let known: usize = known.filter_map(|case| case.values.as_ref()).map(|values| values.count).sum();
    warning.code == "W-DENORMAL" && packed.is_some_and(|packed| packed <= known)
}

/// Runs passes and plan over a network, whatever the values of its weights.
fn plan(mut network: Network, options: &Options, progress: &mut dyn FnMut(Stage)) -> Result<Compiled, Diagnostics> {
    values::tame(&mut network.graph)?;
    pipeline::compile_network(network, options, progress)
}
