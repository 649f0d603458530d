//! The head of the page: what was measured, where and when, and what all passes together are worth.

use std::fmt::Write;

use super::measured::{self, Chain};
use super::number::{NONE, count, date, decimals, ends, fixed, ratio};
use super::{name, setting_title, style};
use crate::bench::report::{Interval, Report, Setting};
use crate::drawing::escape::{shown, xml};

/// Columns of letters that a fact may take.
const FACT: usize = 120;

/// The page up to its first section.
pub(super) fn begin(report: &Report) -> String {
    let network = xml(&shown(&report.network, 80));
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\" xmlns=\"http://www.w3.org/1999/xhtml\">\n<head>\n<meta charset=\"utf-8\"/>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n\
         <title>{network}: what the passes gain</title>\n<style>\n{}</style>\n</head>\n<body>\n<main>\n<header>\n\
         <p class=\"over\">Fused against unfused</p>\n<h1>{network}</h1>\n",
        style::sheet()
    );
    html.push_str("<div class=\"cards\">\n");
    for setting in &report.settings {
        card(&mut html, report, setting);
    }
    html.push_str("</div>\n");
    if report.settings.is_empty() {
        html.push_str("<p>Nothing was timed.</p>\n");
    }
    facts(&mut html, report);
    html.push_str(
        "<nav aria-label=\"Sections\"><a href=\"#passes\">Passes</a> <a href=\"#layers\">Layers</a> \
         <a href=\"#roofline\">Roofline</a> <a href=\"#memory\">Memory</a> <a href=\"#graph\">Graph</a></nav>\n</header>\n",
    );
    html
}

/// All passes against none in one setting.
fn card(html: &mut String, report: &Report, setting: &Setting) {
    let chain = measured::chain(report, setting);
    let _ = write!(html, "<section class=\"card\"><h2>{}</h2>", setting_title(setting));
    match compared(&chain) {
        Some((against, [none, all])) => {
            let places = decimals(none.max(all));
            let verdict = if !against.is_certain() {
                "no difference was found".to_owned()
            } else {
                format!("{}× as fast", fixed(ratio(1.0, against.median), 2))
            };
            let _ = write!(
                html,
                "<p class=\"big\">{} <span class=\"of\">{}</span></p><p>of the time without passes: \
                 <span class=\"together\">{} ms</span> instead of <span class=\"together\">{} ms</span>, \
                 <span class=\"together\">{verdict}</span>.</p>",
                fixed(against.median, 3),
                ends(&against),
                fixed(all, places),
                fixed(none, places),
            );
        }
        None => {
            let time = [chain.full, chain.unfused].into_iter().flatten().map(|measured| measured.milliseconds()).next();
            let time = time.filter(|time| time.is_finite()).map(|time| format!("{} ms", fixed(time, decimals(time))));
            let _ = write!(
                html,
                "<p class=\"big\">{}</p><p>There is nothing to compare: programs with all passes and with none were not both timed.</p>",
                time.unwrap_or_else(|| NONE.to_owned())
            );
        }
    }
    html.push_str("</section>\n");
}

/// The ratio of all passes to none, and the milliseconds of none and of all.
fn compared(chain: &Chain<'_>) -> Option<(Interval, [f64; 2])> {
    let (unfused, full) = (chain.unfused?, chain.full?);
    unfused.timing?;
    Some((full.timing?.against_unfused, [unfused.milliseconds(), full.milliseconds()]))
}

/// What was measured, where and when.
fn facts(html: &mut String, report: &Report) {
    let text = |text: &str| xml(&shown(text, FACT));
    let machine = &report.machine;
    let sums = if report.exact {
        "exact: every convolution as sums of products"
    } else {
        "Winograd’s and Strassen’s algorithms where they pay"
    };
    let mut facts = vec![
        ("Model", name(&report.model)),
        ("Weights", name(&report.weights)),
        ("Processor", text(&machine.processor)),
        ("Instruction set", format!("{}, {} offered", text(&machine.isa), count(machine.threads, "thread"))),
        ("Compiler", format!("resnetc {}", text(&report.compiler))),
        ("Measured", format!("{} UTC", date(report.time))),
        ("Arithmetic", sums.to_owned()),
    ];
    if report.files.is_empty() {
        facts.push(("Files", "none were read".to_owned()));
    }
    html.push_str("<dl class=\"facts\">\n");
    for (term, fact) in facts {
        let _ = writeln!(html, "<div><dt>{term}</dt><dd>{fact}</dd></div>");
    }
    for (file, sum) in &report.files {
        let _ = writeln!(
            html,
            "<div class=\"wide\"><dt>File</dt><dd>{} <span class=\"sum\">SHA-256 <code>{}</code></span></dd></div>",
            name(file),
            text(sum)
        );
    }
    html.push_str("</dl>\n");
}
