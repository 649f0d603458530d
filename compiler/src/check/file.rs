//! What an ONNX file says of itself: its format's version, and what it leaves open.

use std::path::Path;

use super::{Finding, Topic};
use crate::diagnostic::{Diagnostic, Place};
use crate::frontend::onnx::{Axis, Facts};
use crate::pipeline::Options;

/// The newest version of the format that is known: that of ONNX 1.23.
const NEWEST_FORMAT: i64 = 14;

pub(super) fn examine(facts: &Facts, options: &Options, findings: &mut Vec<Finding>) {
    let place = || Place::file(Path::new(&options.model));
    let mut add = |topic, diagnostic: Diagnostic| {
        findings.push(Finding { topic, diagnostic: diagnostic.at(place()), cases: Vec::new() });
    };
    if !(1..=NEWEST_FORMAT).contains(&facts.ir_version) {
        let message = match facts.ir_version {
            0 => "the file does not say which version of the format (IR) it is written in".to_owned(),
            version => format!("the file is written in version {version} of the format (IR), which is not known"),
        };
        add(
            Topic::Versions,
            Diagnostic::warning("W-ONNX-IR", message).expected(format!("version 1 to {NEWEST_FORMAT}")),
        );
    }
    for input in &facts.inputs {
        let Some(Axis::Open(name)) = input.axes.first() else { continue };
        let name = name.as_ref().map(|name| format!(", `{name}`,")).unwrap_or_default();
        let message = format!("its axis 0{name} is left open, and bound to {}", options.batch);
        let note = Diagnostic::note("N-DIM", message)
            .about(format!("input `{}`", input.name))
            .hint("`--batch` binds it to another number of images per call");
        add(Topic::Dimensions, note);
    }
}
