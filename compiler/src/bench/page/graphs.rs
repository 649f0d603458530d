//! The graph before the passes and after, with outlines around what became one layer.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::bench::report::Report;
use crate::drawing::escape::xml;
use crate::drawing::{Drawing, svg};

/// Writes the section.
pub(super) fn write(html: &mut String, report: &Report, before: &Drawing, after: &Drawing) {
    html.push_str(
        "<section id=\"graph\">\n<h2>Graph</h2>\n<p>Equal blocks that follow each other are drawn once. What an outline holds is one \
         step of the program with all passes; a step whose layers stand apart has several.</p>\n",
    );
    let groups = [groups(report, before), several(after)];
    for ((title, drawing), groups) in
        [("Before the passes", before), ("After all passes", after)].into_iter().zip(groups)
    {
        let _ = writeln!(
            html,
            "<details class=\"graph\"><summary><h3>{title}</h3> <span class=\"quiet\">{}</span></summary>\n\
             <div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\n{}</div>\n</details>",
            xml(&drawing.summary()),
            svg::inside(drawing, &groups)
        );
    }
    html.push_str("</section>\n");
}

/// The layers before the passes that are one step after them, by the timings of any setting.
fn groups(report: &Report, before: &Drawing) -> Vec<Vec<usize>> {
    let places: BTreeMap<&str, usize> =
        before.layers.iter().enumerate().map(|(place, layer)| (layer.name.as_str(), place)).collect();
    let layers = report.settings.iter().map(|setting| &setting.layers).find(|layers| !layers.is_empty());
    let group = |steps: &[(String, f64)]| -> Vec<usize> {
        steps.iter().filter_map(|(step, _)| places.get(step.as_str()).copied()).collect()
    };
    let all = layers.into_iter().flatten().map(|layer| group(&layer.unfused));
    all.filter(|group| group.len() > 1).collect()
}

/// The layers that took others over, each by itself.
fn several(after: &Drawing) -> Vec<Vec<usize>> {
    let layers = after.layers.iter().enumerate();
    layers.filter(|(_, layer)| layer.parts.len() > 1).map(|(place, _)| vec![place]).collect()
}
