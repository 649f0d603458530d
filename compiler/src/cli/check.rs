//! `resnetc check`

use clap::Args;
use serde_json::{Value, json};

use super::model::ModelOptions;
use super::progress::Progress;
use super::surroundings::named;
use super::{Failure, output};
use crate::check::{self, Case, Finding, Report};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::frontend::onnx::Axis;

/// So many places of a finding are shown; the rest is counted.
const SHOWN: usize = 5;
/// The same of an operator's nodes, whose names are long.
const NODES: usize = 3;

/// Tell all that is wrong or doubtful about a model, in one report
///
/// Operators that cannot be compiled, with counts and nodes; shapes that do not fit, with what made them; weights that are NaN, infinite,
/// denormal, or variances below 0; unusual preprocessing; dimensions that the file leaves open; versions that are too new; and what would
/// be slow, with the reason. The check goes on after an error with what is left. Nothing is built.
///
/// Errors (E-...) keep a model from being compiled, warnings (W-...) are doubtful, notes (N-...) are worth knowing.
/// `resnetc explain CODE` tells more about each.
///
/// Exit status: 0 when there is no error, 1 when there is one, 2 when the arguments are wrong; with `--strict` also
/// 3 when there are warnings and no error.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A network that ships inside (see `resnetc specs`), or a .yaml, .yml or .onnx file
    model: String,

    #[command(flatten)]
    options: ModelOptions,

    /// Let warnings, but not notes, fail the check: exit status 3
    #[arg(long)]
    strict: bool,

    /// Show every place of a finding, however many they are
    #[arg(long)]
    all: bool,

    /// Print JSON: `findings` with all places, and what is known of the model; `check` is the version of the form, 1
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let options = arguments.options.options(&arguments.model)?;
    let mut progress = Progress::new();
    let mut report = check::check(&options, &mut |stage| progress.stage(stage));
    progress.clear();
    for finding in &mut report.findings {
        under_option(&mut finding.diagnostic);
    }
    if arguments.json {
        output::json(&as_json(&report))?;
    } else {
        output::print(&as_text(&report, if arguments.all { usize::MAX } else { SHOWN }))?;
    }
    match (report.count(Severity::Error), report.count(Severity::Warning)) {
        (0, 0) => Ok(()),
        (0, _) if arguments.strict => Err(Failure::Doubtful),
        (0, _) => Ok(()),
        _ => Err(Failure::Told),
    }
}

/// Puts a problem with what an option gave under the option's name.
fn under_option(problem: &mut Diagnostic) {
    if let Some(under) = named(Diagnostics(vec![problem.clone()])).0.pop() {
        *problem = under;
    }
}

fn as_text(report: &Report, shown: usize) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&of_finding(finding, shown));
    }
    let [errors, warnings, notes] =
        [Severity::Error, Severity::Warning, Severity::Note].map(|severity| report.count(severity));
    let counted = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {one}s")),
    };
    let mut counts: Vec<_> = [counted(errors, "error"), counted(warnings, "warning"), counted(notes, "note")]
        .into_iter()
        .flatten()
        .collect();
    if errors + warnings == 0 {
        counts.insert(0, "no problems".to_owned());
    }
    text.push_str(&format!("{}: {}", report.model, counts.join(", ")));
    let known = known(report);
    if !known.is_empty() {
        text.push_str(&format!(" ({})", known.join("; ")));
    }
    text.push('\n');
    if let Some(first) = report.findings.first().filter(|_| errors + warnings > 0) {
        text.push_str(&format!("`resnetc explain {}` tells more, and so for every code\n", first.diagnostic.code));
    }
    text
}

/// What is known of a model, in a few words each.
fn known(report: &Report) -> Vec<String> {
    let mut known = Vec::new();
    if let Some(facts) = &report.facts {
        known.push(format!("opset {}, IR version {}, {} nodes", facts.opset, facts.ir_version, facts.nodes));
    }
    known.extend(report.inputs.iter().map(|(name, shape)| format!("input `{name}` {shape:?}")));
    known.extend(report.weights.as_ref().map(|weights| format!("weights: {weights}")));
    known
}

/// A diagnostic with the places where it occurs between its sentence and its hint.
fn of_finding(finding: &Finding, shown: usize) -> String {
    let text = finding.diagnostic.to_string();
    let head = finding.diagnostic.message.lines().count().max(1);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut cases: Vec<String> =
        finding.cases.iter().take(shown).map(|case| format!("    {}", of_case(case, shown))).collect();
    if let Some(more @ 1..) = finding.cases.len().checked_sub(shown) {
        cases.push(format!("    and {more} more; `--all` shows them"));
    }
    let at = head.min(lines.len());
    lines.splice(at..at, cases);
    lines.push(String::new());
    lines.join("\n")
}

fn of_case(case: &Case, shown: usize) -> String {
    let shown = if shown == SHOWN { NODES } else { shown };
    // An operator is no name of the file, and a subject has its names in backquotes already.
    let plain = !case.nodes.is_empty() || case.name.is_empty() || case.name.contains('`');
    let mut text = if plain { case.name.clone() } else { format!("`{}`", case.name) };
    if !case.nodes.is_empty() {
        let named: Vec<_> = case.nodes.iter().take(shown).map(|node| format!("`{node}`")).collect();
        text.push_str(&format!(", {}: {}", case.nodes.len(), named.join(", ")));
        if let Some(more @ 1..) = case.nodes.len().checked_sub(shown) {
            text.push_str(&format!(" and {more} more"));
        }
    }
    if !case.what.is_empty() {
        let separator = if text.is_empty() { "" } else { ": " };
        text.push_str(&format!("{separator}{}", case.what));
    }
    text
}

fn as_json(report: &Report) -> Value {
    let findings: Vec<Value> = report.findings.iter().map(json_of).collect();
    let axis = |axis: &Axis| match axis {
        Axis::Fixed(extent) => json!(extent),
        Axis::Open(name) => json!(name.as_deref().unwrap_or("")),
    };
    let file = report.facts.as_ref().map(|facts| {
        let inputs: Vec<Value> = facts
            .inputs
            .iter()
            .map(|input| json!({ "name": input.name, "declared": input.axes.iter().map(axis).collect::<Vec<_>>() }))
            .collect();
        json!({
            "opset": facts.opset,
            "ir_version": facts.ir_version,
            "producer": facts.producer,
            "nodes": facts.nodes,
            "inputs": inputs,
        })
    });
    json!({
        "check": 1,
        "model": report.model,
        "errors": report.count(Severity::Error),
        "warnings": report.count(Severity::Warning),
        "notes": report.count(Severity::Note),
        "weights": report.weights,
        "inputs": report.inputs.iter().map(|(name, shape)| json!({ "name": name, "shape": shape })).collect::<Vec<_>>(),
        "pictures": report.pictures,
        "onnx": file,
        "findings": findings,
    })
}

fn json_of(finding: &Finding) -> Value {
    let Finding { topic, diagnostic, cases } = finding;
    let place = diagnostic.place.as_ref().map(|place| {
        let [line, column] = [place.position.map(|(line, _)| line), place.position.map(|(_, column)| column)];
        json!({ "file": place.file.display().to_string(), "line": line, "column": column })
    });
    let cases: Vec<Value> = cases
        .iter()
        .map(|case| {
            // NaN and infinities are no numbers of JSON: they are words there.
            let values = case.values.as_ref().map(|values| {
                let value =
                    if values.value.is_finite() { json!(values.value) } else { json!(values.value.to_string()) };
                json!({ "count": values.count, "of": values.of, "first": values.first, "value": value })
            });
            json!({ "name": case.name, "what": case.what, "nodes": case.nodes, "values": values })
        })
        .collect();
    json!({
        "severity": diagnostic.severity.word(),
        "code": diagnostic.code,
        "topic": topic.name(),
        "place": place,
        "subject": diagnostic.subject,
        "message": diagnostic.message,
        "expected": diagnostic.expected,
        "hint": diagnostic.hint,
        "cases": cases,
    })
}
