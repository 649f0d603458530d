//! The problems of the compiler's stages as findings: those that say the same of several places become one.

use std::collections::BTreeMap;

use super::{Case, Finding, Topic};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity};
use crate::frontend::onnx::Unsupported;

/// Findings for all problems. The operators that cannot be compiled are told from their list, not from their error.
pub(super) fn gather(problems: Diagnostics, unsupported: &[Unsupported]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: BTreeMap<(Severity, &'static str, String, String), Vec<Diagnostic>> = BTreeMap::new();
    let mut order = Vec::new();
    for problem in problems.0 {
        if problem.code == "E-ONNX-OP" && !unsupported.is_empty() {
            findings.push(operators(problem, unsupported));
            continue;
        }
        let file = problem.place.as_ref().map(|place| place.file.display().to_string()).unwrap_or_default();
        let key = (problem.severity, problem.code, file, problem.message.clone());
        let same = seen.entry(key.clone()).or_default();
        if same.is_empty() {
            order.push(key);
        }
        same.push(problem);
    }
    findings.extend(order.iter().filter_map(|key| seen.remove(key)).filter_map(one));
    findings
}

/// Problems that differ in their subject, their line, and what would have been right, as one finding.
fn one(problems: Vec<Diagnostic>) -> Option<Finding> {
    let (first, others) = problems.split_first()?;
    let topic = topic(first.code);
    if others.is_empty() {
        return Some(Finding { topic, diagnostic: first.clone(), cases: Vec::new() });
    }
    let same = |of: fn(&Diagnostic) -> &Option<String>| others.iter().all(|other| of(other) == of(first));
    let (expected, hint) = (same(|problem| &problem.expected), same(|problem| &problem.hint));
    let lines = problems.iter().any(|problem| problem.place.as_ref().is_some_and(|place| place.position.is_some()));
    let case = |problem: &Diagnostic| {
        let mut what = Vec::new();
        if lines && let Some(place) = &problem.place {
            what.push(place.to_string());
        }
        what.extend(problem.expected.iter().filter(|_| !expected).map(|expected| format!("expected {expected}")));
        what.extend(problem.hint.iter().filter(|_| !hint).cloned());
        Case { name: problem.subject.clone().unwrap_or_default(), what: what.join("; "), ..Case::default() }
    };
    let cases: Vec<_> = problems.iter().map(case).collect();
    let mut place = first.place.clone();
    if let Some(place) = place.as_mut().filter(|_| lines) {
        place.position = None;
    }
    let diagnostic = Diagnostic {
        place,
        subject: None,
        message: format!("{} times: {}", cases.len(), first.message),
        expected: first.expected.clone().filter(|_| expected),
        hint: first.hint.clone().filter(|_| hint),
        ..first.clone()
    };
    Some(Finding { topic, diagnostic, cases })
}

/// Nodes that cannot be compiled, by operator and reason, the most frequent first.
fn operators(problem: Diagnostic, unsupported: &[Unsupported]) -> Finding {
    let mut kinds: BTreeMap<(&str, &str), Vec<String>> = BTreeMap::new();
    for node in unsupported {
        kinds.entry((&node.operator, &node.reason)).or_default().push(node.node.trim_matches('`').to_owned());
    }
    let mut cases: Vec<_> = kinds
        .into_iter()
        .map(|((operator, reason), nodes)| Case {
            name: operator.to_owned(),
            what: reason.to_owned(),
            nodes,
            values: None,
        })
        .collect();
    cases.sort_by_key(|case| std::cmp::Reverse(case.nodes.len()));
    let nodes = if unsupported.len() == 1 { "1 node".to_owned() } else { format!("{} nodes", unsupported.len()) };
    let message = format!("{nodes} cannot be compiled");
    Finding { topic: Topic::Operators, diagnostic: Diagnostic { message, ..problem }, cases }
}

/// What a code is about.
pub(super) fn topic(code: &str) -> Topic {
    match code {
        "E-ONNX-OPSET" | "W-ONNX-OPSET" => Topic::Versions,
        "E-ONNX-OP" | "E-ONNX-CTRL" | "E-ONNX-ATTR" | "E-ONNX-TRAIN" | "E-OP" => Topic::Operators,
        "E-ONNX-SHAPE" | "E-ADD" | "E-CONCAT" | "E-MUL" | "E-SHAPE" | "E-SHORTCUT" | "E-SPATIAL" | "E-GROUP" => {
            Topic::Shapes
        }
        "E-ONNX-DYN" | "W-ONNX-BATCH" => Topic::Dimensions,
        "E-ONNX-BIAS" | "E-ONNX-EXT" | "E-ONNX-WEIGHTS" | "W-DENORMAL" | "E-URL" => Topic::Weights,
        "E-PRE" | "E-LABELS" | "W-ACC" => Topic::Pictures,
        code if matches!(code.as_bytes(), [b'E', b'-', b'W', ..]) => Topic::Weights,
        _ => Topic::Model,
    }
}
