//! The time of each layer: the steps of the unfused program whose work it does, stacked, above its own.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::number::{count, decimals, fixed, ratio, ticks};
use super::scale::Linear;
use super::table::{self, Column, Strip, axis};
use super::{key, name, setting_title, style, what};
use crate::bench::report::{Layers, Report, Setting};
use crate::drawing::Family;
use crate::drawing::escape::{shorten, visible, xml};

const HEIGHT: u32 = 30;
const UNFUSED: [u32; 2] = [5, 10];
const FUSED: [u32; 2] = [17, 8];
/// As many layers are listed one by one without being folded away.
const FEW: usize = 12;
/// From so many microseconds on, a table tells milliseconds.
const MANY: f64 = 10_000.0;
/// Columns of letters that what a layer computes may take.
const WHAT: usize = 48;

/// Writes the section. `families` are those of the layers before the passes.
pub(super) fn write(html: &mut String, report: &Report, families: &BTreeMap<&str, Family>) {
    html.push_str(
        "<section id=\"layers\">\n<h2>Layers</h2>\n<p>Each step of the program with all passes, below the steps of the program \
         without them whose work it does. Layers that compute the same are one row, their times added up.</p>\n",
    );
    legend(html, report, families);
    for (place, setting) in report.settings.iter().enumerate() {
        let open = if place == 0 { " open=\"open\"" } else { "" };
        let _ = writeln!(html, "<details{open}><summary><h3>{}</h3></summary>", setting_title(setting));
        write_setting(html, setting, families);
        html.push_str("</details>\n");
    }
    html.push_str("</section>\n");
}

/// The kinds of steps that occur, and the bar of fused ones.
fn legend(html: &mut String, report: &Report, families: &BTreeMap<&str, Family>) {
    let steps = report.settings.iter().flat_map(|setting| &setting.layers).flat_map(|layer| &layer.unfused);
    let found: Vec<Option<Family>> = steps.map(|(step, _)| families.get(step.as_str()).copied()).collect();
    if found.is_empty() {
        return;
    }
    html.push_str("<p class=\"legend\"><span>Without passes:</span> ");
    for family in Family::ALL.into_iter().map(Some).chain([None]).filter(|family| found.contains(family)) {
        key(html, style::class(family), label(family));
    }
    html.push_str("<span>With all:</span> ");
    key(html, "total", "one step");
    html.push_str("</p>\n");
}

fn label(family: Option<Family>) -> &'static str {
    family.map_or("other", Family::name)
}

/// Layers that compute the same, or one.
struct Row<'a> {
    layers: Vec<&'a Layers>,
}

impl Row<'_> {
    fn fused(&self) -> f64 {
        self.layers.iter().map(|layer| time(layer.fused)).sum()
    }

    fn unfused(&self) -> f64 {
        self.layers.iter().flat_map(|layer| &layer.unfused).map(|(_, microseconds)| time(*microseconds)).sum()
    }

    /// The parts of the unfused bar: of one layer its steps, of several the kinds of steps, in the order they first run.
    fn parts(&self, families: &BTreeMap<&str, Family>) -> Vec<(String, Option<Family>, f64)> {
        let mut parts: Vec<(String, Option<Family>, f64)> = Vec::new();
        for (step, microseconds) in self.layers.iter().flat_map(|layer| &layer.unfused) {
            let family = families.get(step.as_str()).copied();
            let title = if self.layers.len() == 1 { visible(step) } else { label(family).to_owned() };
            match parts.iter_mut().find(|part| self.layers.len() > 1 && part.1 == family) {
                Some(part) => part.2 += time(*microseconds),
                None => parts.push((title, family, time(*microseconds))),
            }
        }
        parts
    }

    fn heading(&self) -> String {
        let Some(first) = self.layers.first() else { return String::new() };
        let full = what(first);
        let what = shorten(&full, WHAT);
        let what =
            if full == what { xml(&what) } else { format!("<span title=\"{}\">{}</span>", xml(&full), xml(&what)) };
        let names = match self.layers.last() {
            Some(last) if self.layers.len() > 1 => format!("{} … {}", name(&first.name), name(&last.name)),
            _ => name(&first.name),
        };
        let times = match self.layers.len() {
            1 => String::new(),
            several => format!(" <span class=\"times\">× {several}</span>"),
        };
        format!("{what}{times} <span class=\"names\">{names}</span>")
    }
}

/// Microseconds as they are added up and drawn: what is no time is none.
fn time(microseconds: f64) -> f64 {
    if microseconds.is_finite() && microseconds > 0.0 { microseconds } else { 0.0 }
}

fn write_setting(html: &mut String, setting: &Setting, families: &BTreeMap<&str, Family>) {
    let mut groups: Vec<Row<'_>> = Vec::new();
    for layer in &setting.layers {
        let alike = |row: &&mut Row<'_>| {
            row.layers.first().is_some_and(|first| {
                (&first.what, first.macs, first.unfused.len()) == (&layer.what, layer.macs, layer.unfused.len())
            })
        };
        match groups.iter_mut().find(alike) {
            Some(row) => row.layers.push(layer),
            None => groups.push(Row { layers: vec![layer] }),
        }
    }
    if groups.is_empty() {
        html.push_str("<p>No layer was timed.</p>\n");
        return;
    }
    let title = setting_title(setting);
    rows(html, &format!("Layers: {title}"), &groups, families);
    if groups.len() == setting.layers.len() {
        return;
    }
    let each: Vec<Row<'_>> = setting.layers.iter().map(|layer| Row { layers: vec![layer] }).collect();
    let open = if each.len() <= FEW { " open=\"open\"" } else { "" };
    let _ = writeln!(
        html,
        "<details class=\"each\"{open}><summary>All {} one by one</summary>",
        count(each.len(), "layer")
    );
    rows(html, &format!("Layers one by one: {title}"), &each, families);
    html.push_str("</details>\n");
}

fn rows(html: &mut String, label: &str, rows: &[Row<'_>], families: &BTreeMap<&str, Family>) {
    let largest = rows.iter().flat_map(|row| [row.fused(), row.unfused()]).fold(0.0, f64::max);
    let (unit, size) = if largest < MANY { ("µs", 1.0) } else { ("ms", 1e3) };
    let scale = Linear::covering([largest / size], 6);
    let places = if size > 1.0 { 3 } else { decimals(largest).min(1) };
    let columns: [Column; 5] = [
        ("what", "Layer".to_owned()),
        ("bar", format!("{}<span class=\"unseen\">time</span>", axis(&scale, &ticks(&scale, unit)))),
        ("number none", format!("None, {unit}")),
        ("number all", format!("All, {unit}")),
        ("number ratio", "Ratio".to_owned()),
    ];
    table::begin(html, "layers", label, &columns);
    for row in rows {
        let (fused, unfused) = (row.fused() / size, row.unfused() / size);
        let mut strip = Strip::new(&scale, HEIGHT);
        let mut from = 0.0;
        for (title, family, microseconds) in row.parts(families) {
            let to = from + microseconds / size;
            let tip = format!("{title}: {} {unit}", fixed(microseconds / size, places.max(1)));
            strip.bar([from, to], UNFUSED, &format!("part {}", style::class(family)), &tip);
            from = to;
        }
        strip.bar([0.0, fused], FUSED, "total", &format!("with all passes: {} {unit}", fixed(fused, places.max(1))));
        let cells = [
            row.heading(),
            strip.finish(),
            fixed(unfused, places),
            fixed(fused, places),
            fixed(ratio(fused, unfused), 3),
        ];
        table::row(html, "", &columns, &cells);
    }
    let fused = rows.iter().map(Row::fused).sum::<f64>() / size;
    let unfused = rows.iter().map(Row::unfused).sum::<f64>() / size;
    let cells = [
        "Sum of all".to_owned(),
        String::new(),
        fixed(unfused, places),
        fixed(fused, places),
        fixed(ratio(fused, unfused), 3),
    ];
    table::row(html, "whole", &columns, &cells);
    table::end(html);
}
