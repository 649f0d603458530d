//! What each variant's program needs: steps, memory for activations, weights, and traffic of maps.

use std::fmt::Write;

use super::name;
use super::number::{NONE, fixed, scientific, unit};
use super::scale::Linear;
use super::table::{self, Column, Strip};
use crate::bench::report::{Report, Role, Variant};

/// Writes the section.
pub(super) fn write(html: &mut String, report: &Report) {
    html.push_str(
        "<section id=\"memory\">\n<h2>Memory</h2>\n<p>What the programs are made of. Maps are what all steps of a call read and \
         write of activations, wherever it lies; fetched is what the plan expects to come into a second-level cache of 512 KiB, maps and \
         weights, on one thread; the arena is the memory that activations lie in. The last column is the largest \
         distance of a result from that without passes, by the largest result: it is rounding.</p>\n",
    );
    let mut batches: Vec<usize> = Vec::new();
    for variant in &report.variants {
        if !batches.contains(&variant.batch) {
            batches.push(variant.batch);
        }
    }
    for batch in &batches {
        let variants: Vec<&Variant> = report.variants.iter().filter(|variant| variant.batch == *batch).collect();
        let _ = writeln!(html, "<h3>Batch {batch}</h3>");
        write_batch(html, *batch, &variants);
    }
    if batches.is_empty() {
        html.push_str("<p>No program was built.</p>\n");
    }
    html.push_str("</section>\n");
}

/// A quantity of programs: its heading, and how it is found.
type Quantity = (&'static str, fn(&Variant) -> f64);

const QUANTITIES: [Quantity; 5] = [
    ("Steps", |variant| variant.steps as f64),
    ("Maps", |variant| variant.map_bytes as f64),
    ("Fetched", |variant| variant.fetched_bytes as f64),
    ("Arena", |variant| variant.arena_bytes as f64),
    ("Weights", |variant| variant.weight_bytes as f64),
];

fn write_batch(html: &mut String, batch: usize, variants: &[&Variant]) {
    let scales = QUANTITIES.map(|(heading, of)| {
        let largest = variants.iter().map(|variant| of(variant)).fold(0.0, f64::max);
        let (unit, size) = if heading == "Steps" { ("", 1.0) } else { unit(largest) };
        let mut scale = Linear::covering([largest], 1);
        scale.ticks = vec![0.0];
        (scale, unit, size, if unit.is_empty() || unit == "bytes" { 0 } else { 2 })
    });
    let mut columns: Vec<Column> = vec![("what", "Program".to_owned())];
    for ((heading, _), (_, unit, ..)) in QUANTITIES.iter().zip(&scales) {
        columns.push(("number", if unit.is_empty() { (*heading).to_owned() } else { format!("{heading}, {unit}") }));
    }
    columns.push(("number", "Departure".to_owned()));
    let _ =
        writeln!(html, "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Memory, batch {batch}\">");
    table::begin(html, "memory", &format!("Memory, batch {batch}"), &columns);
    for variant in variants {
        let mut cells = vec![label(&variant.role)];
        for ((_, of), (scale, _, size, places)) in QUANTITIES.iter().zip(&scales) {
            let value = of(variant);
            let mut strip = Strip::new(scale, 5);
            strip.bar([0.0, value], [0, 5], "total", "");
            cells.push(format!("{}{}", fixed(value / size, *places), strip.finish()));
        }
        cells.push(match variant.role {
            Role::Unfused => NONE.to_owned(),
            _ => scientific(variant.departure),
        });
        let class = if matches!(variant.role, Role::Unfused | Role::Full) { "whole" } else { "" };
        table::row(html, class, &columns, &cells);
    }
    table::end(html);
    html.push_str("</div>\n");
}

fn label(role: &Role) -> String {
    match role {
        Role::Unfused => "no passes".to_owned(),
        Role::Added(pass) => format!("+ {}", name(pass)),
        Role::Without(pass) => format!("all but {}", name(pass)),
        Role::Full => "all passes".to_owned(),
    }
}
