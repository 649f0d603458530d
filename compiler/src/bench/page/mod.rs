//! A report as a page of HTML that needs nothing beside itself: no network, no script. It is well-formed XML too.
//!
//! A file per part of the page, in the order they are shown: `head`, `gains`, `layers`, `roofline`, `memory`, `graphs`. `picture` is
//! what the passes gain as one picture.
//! Rows of numbers are tables with a bar in each row, as wide as there is room, so that they read on a phone as on paper.

mod gains;
mod graphs;
mod head;
mod layers;
mod measured;
mod memory;
mod number;
mod picture;
mod roofline;
mod scale;
mod style;
mod table;

use std::collections::BTreeMap;
use std::fmt::Write;

use number::count;
pub use picture::picture;

use super::report::{Layers, Report, Setting};
use crate::drawing::escape::{shown, visible, xml};
use crate::drawing::{Drawing, Family};

/// Columns of letters that a name may take.
const NAME: usize = 40;

/// Writes the report as an HTML file.
pub fn page(report: &Report) -> String {
    let [before, after] = &report.graphs;
    let drawings = [
        Drawing::new(&report.network, "before the passes", before, before),
        Drawing::new(&report.network, "after all passes", before, after),
    ];
    let [before, after] = &drawings;
    let mut html = head::begin(report);
    gains::write(&mut html, report);
    layers::write(&mut html, report, &families(before));
    roofline::write(&mut html, report, &families(after));
    memory::write(&mut html, report);
    graphs::write(&mut html, report, before, after);
    html.push_str("</main>\n</body>\n</html>\n");
    html
}

/// The kind of operation that each layer is, by its name. A layer that took others over is what it was before.
fn families(drawing: &Drawing) -> BTreeMap<&str, Family> {
    let family = |families: &mut dyn Iterator<Item = Family>| {
        let all: Vec<Family> = families.collect();
        all.iter().copied().find(|family| matches!(family, Family::Conv | Family::Dense)).or(all.first().copied())
    };
    let each = drawing.layers.iter();
    each.filter_map(|layer| Some((layer.name.as_str(), family(&mut layer.parts.iter().map(|part| part.family))?)))
        .collect()
}

/// `Batch 1, 2 threads`.
fn setting_title(setting: &Setting) -> String {
    format!("Batch {}, {}", setting.batch, count(setting.threads, "thread"))
}

/// What a layer computes, with arrows as they are printed.
fn what(layer: &Layers) -> String {
    visible(&layer.what).replace("->", "→")
}

/// An entry of a legend.
fn key(html: &mut String, class: &str, label: &str) {
    let _ = write!(html, "<span class=\"item\"><span class=\"key {class}\"></span>{label}</span> ");
}

/// A name as code, as far as there is room, and in full where it is pointed at. It may break behind `_` and `.`.
fn name(name: &str) -> String {
    let (full, short) = (visible(name), shown(name, NAME));
    let broken = xml(&short).replace('_', "_<wbr/>").replace('.', ".<wbr/>");
    if full == short {
        format!("<code>{broken}</code>")
    } else {
        format!("<code title=\"{}\">{broken}</code>", xml(&full))
    }
}

#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;
