//! What each pass gains as one picture: for documents that show no pages.

use std::fmt::Write;

use super::gains::{self, HEIGHT, Plot};
use super::measured::{self, Chain, Measured};
use super::number::{fixed, interval, ticks};
use super::setting_title;
use super::table::axis;
use crate::bench::report::{Report, Setting};
use crate::drawing::escape::{shown, visible, xml};

/// Where the names begin, the bars, and the numbers end, in pixels.
const NAMES: u32 = 24;
const BARS: u32 = 210;
const BARS_END: u32 = 560;
const TIMES: u32 = 636;
const RATIOS: u32 = 856;
const WIDTH: u32 = 880;
/// Letters of a name.
const NAME: usize = 22;

/// Writes the gains as an SVG: a panel per batch and number of threads, of those passes that change the program.
pub fn picture(report: &Report) -> String {
    let mut body = String::new();
    let title = format!("{}: what each pass gains", shown(&visible(&report.network), 50));
    let _ = writeln!(body, "<text class=\"title\" x=\"{NAMES}\" y=\"40\">{}</text>", xml(&title));
    let machine = &report.machine;
    let exact = if report.exact { ", exact" } else { "" };
    let place = format!(
        "{} ({}{exact}), resnetc {}",
        visible(&machine.processor),
        visible(&machine.isa),
        visible(&report.compiler)
    );
    text(&mut body, "quiet", NAMES, 62, &place);
    let mut y = 62;
    for setting in &report.settings {
        y = panel(&mut body, report, setting, y);
    }
    let height = y + 16;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"gains\" role=\"img\" width=\"{WIDTH}\" height=\"{height}\" \
         viewBox=\"0 0 {WIDTH} {height}\" aria-label=\"{0}\">\n<title>{0}</title>\n<style>\n{1}</style>\n\
         <rect class=\"page\" width=\"{WIDTH}\" height=\"{height}\"/>\n{body}</svg>\n",
        xml(&title),
        sheet()
    )
}

/// Writes a panel from a height down, and gives the height where it ends.
fn panel(body: &mut String, report: &Report, setting: &Setting, top: u32) -> u32 {
    let chain = measured::chain(report, setting);
    let mut y = top + 40;
    text(body, "head", NAMES, y, &setting_title(setting));
    if chain.unfused.is_none() && chain.full.is_none() {
        text(body, "quiet", BARS, y, "no program was timed");
        return y;
    }
    let plot = Plot::new(&chain);
    cell(body, y - 12, 16, &axis(&plot.scale, &ticks(&plot.scale, "ms")));
    for (class, x, words) in [("quiet end", TIMES, "time, ms"), ("quiet end", RATIOS, "ratio to the row above")] {
        text(body, class, x, y, words);
    }
    y += 8;
    for Row { name, class, bar, time, ratio } in rows(&chain, &plot) {
        cell(body, y, HEIGHT, &bar);
        let middle = y + HEIGHT / 2 + 4;
        text(body, class, NAMES, middle, &shown(&visible(&name), NAME));
        text(body, "end", TIMES, middle, &time);
        text(body, "end", RATIOS, middle, &ratio);
        y += HEIGHT;
    }
    y += 18;
    text(body, "quiet", NAMES, y, &format!("{} In brackets 95 % intervals.", gains::rounds(setting)));
    y
}

/// A row of a panel.
struct Row {
    name: String,
    class: &'static str,
    bar: String,
    time: String,
    ratio: String,
}

fn rows(chain: &Chain<'_>, plot: &Plot) -> Vec<Row> {
    let time = |measured: Measured<'_>| fixed(measured.milliseconds(), plot.places);
    let mut rows = Vec::new();
    if let Some(unfused) = chain.unfused {
        let (bar, time) = (plot.unfused_bar(unfused), time(unfused));
        rows.push(Row { name: "no passes".to_owned(), class: "head", bar, time, ratio: String::new() });
    }
    for gain in chain.gains.iter().filter(|gain| !gain.same) {
        let Some((added, timing)) = gain.added.and_then(|added| Some((added, added.timing?))) else { continue };
        let (bar, ratio) = (plot.gain_bar(gain), interval(&timing.against_neighbour));
        rows.push(Row { name: gain.pass.to_owned(), class: "name", bar, time: time(added), ratio });
    }
    if let Some(full) = chain.full {
        let bar = plot.full_bar(full, chain.unfused);
        let ratio =
            full.timing.map_or(String::new(), |timing| format!("{} of none", interval(&timing.against_unfused)));
        rows.push(Row { name: "all passes".to_owned(), class: "head", bar, time: time(full), ratio });
    }
    rows
}

fn text(body: &mut String, class: &str, x: u32, y: u32, words: &str) {
    if !words.is_empty() {
        let _ = writeln!(body, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">{}</text>", xml(words));
    }
}

/// A strip where the bars lie.
fn cell(body: &mut String, y: u32, height: u32, strip: &str) {
    let width = BARS_END - BARS;
    let _ = writeln!(body, "<svg x=\"{BARS}\" y=\"{y}\" width=\"{width}\" height=\"{height}\">{strip}</svg>");
}

/// The style: explicit colours, for viewers that know no variables, and dark ones for dark screens.
fn sheet() -> String {
    let mut sheet = format!("{STRUCTURE}{}", theme(0));
    let _ = write!(sheet, "@media screen and (prefers-color-scheme:dark){{\n{}}}\n", theme(1));
    sheet
}

const STRUCTURE: &str = "\
.gains text{font:13px system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-variant-numeric:tabular-nums}
.gains .title{font-size:20px;font-weight:600}
.gains .head{font-weight:600}
.gains .name{font:12.5px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace}
.gains .end{text-anchor:end}
.gains .axis text{font-size:11px}
.gains .strip,.gains .axis{overflow:visible}
.gains .whisker{stroke-width:1.3}
";

fn theme(index: usize) -> String {
    let [page, ink, faint, grid, line, total, faster, slower, level] = [
        ["#ffffff", "#15181d"],
        ["#1a1d21", "#eceff3"],
        ["#56606d", "#a7b0bd"],
        ["#e3e6eb", "#2a3039"],
        ["#c6ccd5", "#3b434f"],
        ["#454d59", "#b3bcc8"],
        ["#0072b2", "#4aa3e0"],
        ["#d55e00", "#f58a42"],
        ["#858f9c", "#6f7988"],
    ]
    .map(|colours| colours.get(index).copied().unwrap_or_default());
    format!(
        ".gains .page{{fill:{page}}}\n.gains text{{fill:{ink}}}\n.gains .quiet,.gains .axis text{{fill:{faint}}}\n\
         .gains .grid{{stroke:{grid}}}\n.gains .zero{{stroke:{line}}}\n.gains .link{{stroke:{level}}}\n.gains .whisker{{stroke:{ink}}}\n\
         .gains .total{{fill:{total}}}\n.gains .faster{{fill:{faster};stroke:{faster}}}\n\
         .gains .slower{{fill:{slower};stroke:{slower}}}\n.gains .level{{fill:{level};stroke:{level}}}\n"
    )
}
