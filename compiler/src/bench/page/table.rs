//! Tables whose rows may hold bars. Roles are written out, since narrow screens show rows as grids, which takes their meaning.

use std::fmt::Write;

use super::scale::Linear;
use crate::drawing::escape::xml;

/// A column: its class, and its heading as HTML.
pub(super) type Column = (&'static str, String);

/// Begins a table with its headings.
pub(super) fn begin(html: &mut String, class: &str, label: &str, columns: &[Column]) {
    let _ = write!(
        html,
        "<table class=\"{class}\" role=\"table\" aria-label=\"{}\">\n<thead role=\"rowgroup\"><tr role=\"row\">",
        xml(label)
    );
    for (class, heading) in columns {
        let _ = write!(html, "<th scope=\"col\" role=\"columnheader\" class=\"{class}\">{heading}</th>");
    }
    html.push_str("</tr></thead>\n<tbody role=\"rowgroup\">\n");
}

/// A row: the first cell is its heading.
pub(super) fn row(html: &mut String, class: &str, columns: &[Column], cells: &[String]) {
    let _ = write!(html, "<tr role=\"row\" class=\"{class}\">");
    for (position, ((class, _), cell)) in columns.iter().zip(cells).enumerate() {
        let _ = match position {
            0 => write!(html, "<th scope=\"row\" role=\"rowheader\" class=\"{class}\">{cell}</th>"),
            _ => write!(html, "<td role=\"cell\" class=\"{class}\">{cell}</td>"),
        };
    }
    html.push_str("</tr>\n");
}

/// Ends a table.
pub(super) fn end(html: &mut String) {
    html.push_str("</tbody>\n</table>\n");
}

/// The bars of a row, beside the lines of a scale. It is as wide as its cell; numbers beside it say the same.
pub(super) struct Strip<'a> {
    scale: &'a Linear,
    svg: String,
}

impl<'a> Strip<'a> {
    /// A strip of so many pixels in height, without bars.
    pub fn new(scale: &'a Linear, height: u32) -> Self {
        let mut svg = format!("<svg class=\"strip\" aria-hidden=\"true\" width=\"100%\" height=\"{height}\">");
        for tick in &scale.ticks {
            let (at, class) = (percent(scale, *tick), if *tick == 0.0 { "zero" } else { "grid" });
            let _ = write!(svg, "<line class=\"{class}\" x1=\"{at}\" x2=\"{at}\" y1=\"0\" y2=\"100%\"/>");
        }
        Self { scale, svg }
    }

    /// A bar between two values, from `y` down, with what is told, if anything, where it is pointed at.
    pub fn bar(&mut self, [from, to]: [f64; 2], [y, height]: [u32; 2], class: &str, tip: &str) {
        let (from, to) = (self.scale.percent(from), self.scale.percent(to));
        let tip = if tip.is_empty() { String::new() } else { format!("<title>{}</title>", xml(tip)) };
        let _ = write!(
            self.svg,
            "<rect class=\"{class}\" x=\"{:.2}%\" y=\"{y}\" width=\"{:.2}%\" height=\"{height}\">{tip}</rect>",
            from.min(to),
            (to - from).abs()
        );
    }

    /// An interval with its ends, around a height; none when an end is no number.
    pub fn whisker(&mut self, low: f64, high: f64, y: u32) {
        if !low.is_finite() || !high.is_finite() {
            return;
        }
        let [low, high] = [low, high].map(|end| percent(self.scale, end));
        for (x1, x2, y1, y2) in [(&low, &high, y, y), (&low, &low, y - 4, y + 4), (&high, &high, y - 4, y + 4)] {
            let _ = write!(self.svg, "<line class=\"whisker\" x1=\"{x1}\" x2=\"{x2}\" y1=\"{y1}\" y2=\"{y2}\"/>");
        }
    }

    /// A line at a value from one height to another: where the bar of the row before or behind has its end.
    pub fn link(&mut self, value: f64, y1: &str, y2: &str) {
        if value.is_finite() {
            let at = percent(self.scale, value);
            let _ = write!(self.svg, "<line class=\"link\" x1=\"{at}\" x2=\"{at}\" y1=\"{y1}\" y2=\"{y2}\"/>");
        }
    }

    /// The picture.
    pub fn finish(self) -> String {
        self.svg + "</svg>"
    }
}

/// The labels of a scale's lines, as a strip for the heading of its column.
pub(super) fn axis(scale: &Linear, labels: &[String]) -> String {
    let mut svg = "<svg class=\"axis\" aria-hidden=\"true\" width=\"100%\" height=\"16\">".to_owned();
    for (tick, label) in scale.ticks.iter().zip(labels) {
        let at = scale.percent(*tick);
        let anchor = if at < 3.0 {
            "start"
        } else if at > 96.0 {
            "end"
        } else {
            "middle"
        };
        let _ = write!(svg, "<text x=\"{at:.2}%\" y=\"12\" text-anchor=\"{anchor}\">{}</text>", xml(label));
    }
    svg + "</svg>"
}

fn percent(scale: &Linear, value: f64) -> String {
    format!("{:.2}%", scale.percent(value))
}
