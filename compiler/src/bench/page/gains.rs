//! What each pass gains: the time with one pass more at a time, and the time that is lost without each.

use std::fmt::Write;

use super::measured::{self, Chain, Gain, Measured};
use super::number::{SPACE, count, decimals, ends, fixed, interval, signed, ticks};
use super::scale::Linear;
use super::table::{self, Column, Strip, axis};
use super::{key, name, setting_title};
use crate::bench::report::{Interval, Report, Setting, Timing};
use crate::drawing::escape::{visible, xml};

/// The height of a row's bars.
const HEIGHT: u32 = 30;
const BAR: [u32; 2] = [7, 16];
const MIDDLE: u32 = 15;

/// Writes the section.
pub(super) fn write(html: &mut String, report: &Report) {
    html.push_str(
        "<section id=\"passes\">\n<h2>What each pass gains</h2>\n\
         <p>From the program without passes to the one with all, one pass more at a time: a bar ends where the next one begins. \
         On the right, all passes but one: what is lost without it. Whiskers and brackets are 95 % intervals of ratios within \
         the same round; where an interval holds 1, no difference was found.</p>\n\
         <p class=\"legend\">",
    );
    let keys =
        [("total", "whole program"), ("faster", "faster"), ("slower", "slower"), ("level", "no difference found")];
    keys.into_iter().for_each(|(class, label)| key(html, class, label));
    html.push_str("</p>\n");
    for setting in &report.settings {
        write_setting(html, report, setting);
    }
    passes(html, report);
    html.push_str("</section>\n");
}

/// The passes with what they do.
fn passes(html: &mut String, report: &Report) {
    if report.passes.is_empty() {
        html.push_str("<p>No pass was switched.</p>\n");
        return;
    }
    html.push_str("<details class=\"words\"><summary>What the passes do</summary>\n<dl>\n");
    for (pass, summary) in &report.passes {
        let _ = writeln!(html, "<dt>{}</dt><dd>{}</dd>", name(pass), xml(&visible(summary)));
    }
    html.push_str("</dl>\n</details>\n");
}

fn write_setting(html: &mut String, report: &Report, setting: &Setting) {
    let chain = measured::chain(report, setting);
    let title = setting_title(setting);
    let _ = writeln!(html, "<h3>{title}</h3>");
    if chain.unfused.is_none() && chain.full.is_none() {
        html.push_str("<p>No program was timed.</p>\n");
        return;
    }
    let (times, losses) = (times(&chain), losses(&chain));
    let scale = Linear::covering(times.iter().copied(), 4);
    let loss_scale = Linear::covering(losses, 3);
    let places = decimals(times.iter().copied().filter(|time| time.is_finite()).fold(0.0, f64::max));
    let columns: [Column; 7] = [
        ("what", "Pass".to_owned()),
        ("bar", format!("{}<span class=\"unseen\">time, ms</span>", axis(&scale, &ticks(&scale, "ms")))),
        ("number time", "Time, ms".to_owned()),
        ("number change", "Change, ms".to_owned()),
        ("number ratio", "Ratio to the row above".to_owned()),
        (
            "bar loss",
            format!("{}<span class=\"unseen\">lost without it</span>", axis(&loss_scale, &percents(&loss_scale))),
        ),
        ("number left", "All but it, to all passes".to_owned()),
    ];
    html.push_str("<div class=\"scroll\">\n");
    table::begin(html, "gains", &format!("What each pass gains: {title}"), &columns);
    if let Some(unfused) = chain.unfused {
        total(html, &columns, &scale, &loss_scale, places, "no passes", unfused, chain.gains.first());
    }
    for gain in &chain.gains {
        let cells = row(gain, &scale, &loss_scale, places);
        table::row(html, "", &columns, &cells);
    }
    if let Some(full) = chain.full {
        total(html, &columns, &scale, &loss_scale, places, "all passes", full, None);
    }
    table::end(html);
    let _ = writeln!(html, "</div>\n<p class=\"note\">{}</p>", rounds(setting));
}

/// How often the programs were timed.
fn rounds(setting: &Setting) -> String {
    let rounds = setting.timings.iter().map(|timing| timing.rounds);
    match (rounds.clone().min(), rounds.max()) {
        (Some(least), Some(most)) if least == most => {
            format!("Medians of {}, all programs in turn in each.", count(most, "round"))
        }
        (Some(least), Some(most)) => format!("Medians of {least} to {most} rounds, all programs in turn in each."),
        _ => "Nothing was timed.".to_owned(),
    }
}

/// A row of a whole program.
#[expect(clippy::too_many_arguments, reason = "the table's columns and scales are one thing")]
fn total(
    html: &mut String,
    columns: &[Column],
    scale: &Linear,
    loss_scale: &Linear,
    places: usize,
    label: &str,
    measured: Measured<'_>,
    next: Option<&Gain<'_>>,
) {
    let time = measured.milliseconds();
    let mut strip = Strip::new(scale, HEIGHT);
    strip.bar([0.0, time], BAR, "total", &tip(label, measured.timing, places));
    if next.is_some() {
        strip.link(time, "23", "100%");
    } else {
        strip.link(time, "0", "7");
    }
    let against = measured.timing.map(|timing| timing.against_unfused).filter(|_| next.is_none());
    let base = against.map_or(f64::NAN, |against| time / against.median);
    if let Some(against) = against {
        strip.whisker(base * against.low, base * against.high, MIDDLE);
    }
    let cells = [
        label.to_owned(),
        strip.finish(),
        fixed(time, places),
        against.map_or_else(String::new, |_| signed(time - base, places)),
        against.map_or_else(String::new, |against| format!("{} <span class=\"of\">of none</span>", ratio(&against))),
        Strip::new(loss_scale, HEIGHT).finish(),
        String::new(),
    ];
    table::row(html, "whole", columns, &cells);
}

/// The cells of a pass.
fn row(gain: &Gain<'_>, scale: &Linear, loss_scale: &Linear, places: usize) -> [String; 7] {
    let timed = gain.added.and_then(|added| added.timing);
    let mut strip = Strip::new(scale, HEIGHT);
    let (time, change, against) = match timed {
        None => {
            strip.link(gain.before, "0", "100%");
            ("".to_owned(), "<span class=\"quiet\">same program</span>".to_owned(), String::new())
        }
        Some(timing) => {
            let against = timing.against_neighbour;
            strip.link(gain.before, "0", "7");
            let ends = [gain.before, timing.median];
            strip.bar(ends, BAR, class(&against), &tip(&visible(gain.pass), Some(timing), places));
            strip.whisker(gain.before * against.low, gain.before * against.high, MIDDLE);
            strip.link(timing.median, "23", "100%");
            let change = signed(timing.median - gain.before, places);
            let words = match (gain.same, against.tells_nothing()) {
                (true, _) => "<span class=\"quiet\">same steps</span> ",
                (false, true) => "<span class=\"quiet\">no difference</span> ",
                (false, false) => "",
            };
            (fixed(timing.median, places), format!("{words}{change}"), ratio(&against))
        }
    };
    let mut loss = Strip::new(loss_scale, HEIGHT);
    let left = match gain.without {
        None if timed.is_none() => "<span class=\"quiet\">same program</span>".to_owned(),
        None => "<span class=\"quiet\">not timed</span>".to_owned(),
        Some(without) => {
            let class = match class(&without) {
                "slower" => "faster",
                "faster" => "slower",
                level => level,
            };
            let tip = format!("without {}: {} of the time with all passes", visible(gain.pass), interval(&without));
            loss.bar([0.0, without.median - 1.0], BAR, class, &tip);
            loss.whisker(without.low - 1.0, without.high - 1.0, MIDDLE);
            ratio(&without)
        }
    };
    [name(gain.pass), strip.finish(), time, change, against, loss.finish(), left]
}

/// A ratio in bold, with its interval.
fn ratio(interval: &Interval) -> String {
    format!("<b>{}</b> <span class=\"ends\">{}</span>", fixed(interval.median, 3), ends(interval))
}

fn class(against: &Interval) -> &'static str {
    match against {
        against if against.tells_nothing() => "level",
        against if against.median < 1.0 => "faster",
        _ => "slower",
    }
}

fn tip(label: &str, timing: Option<&Timing>, places: usize) -> String {
    let Some(timing) = timing else { return format!("{label}: not timed") };
    format!(
        "{label}: median {} ms, least {} ms of {}; {} of the time without passes",
        fixed(timing.median, places),
        fixed(timing.least, places),
        count(timing.rounds, "round"),
        interval(&timing.against_unfused)
    )
}

/// All times that the bars and whiskers end at.
fn times(chain: &Chain<'_>) -> Vec<f64> {
    let mut times: Vec<f64> =
        [chain.unfused, chain.full].into_iter().flatten().map(|measured| measured.milliseconds()).collect();
    for gain in &chain.gains {
        if let Some(timing) = gain.added.and_then(|added| added.timing) {
            times.extend([timing.median, gain.before * timing.against_neighbour.high]);
        }
    }
    times
}

fn losses(chain: &Chain<'_>) -> Vec<f64> {
    let each = chain.gains.iter().filter_map(|gain| gain.without);
    each.flat_map(|without| [without.low - 1.0, without.median - 1.0, without.high - 1.0]).collect()
}

/// The ticks of a scale as percent more, or less.
fn percents(scale: &Linear) -> Vec<String> {
    let places = scale.decimals.saturating_sub(2);
    let label = |tick: &f64| match signed(tick * 100.0, places) {
        zero if *tick == 0.0 => zero,
        number => format!("{number}{SPACE}%"),
    };
    scale.ticks.iter().map(label).collect()
}
