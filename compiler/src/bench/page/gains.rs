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
pub(super) const HEIGHT: u32 = 30;
const BAR: [u32; 2] = [7, 16];
const MIDDLE: u32 = 15;
/// Where lines from and to other rows meet the bar.
const ABOVE: &str = "7";
const BELOW: &str = "23";

/// Writes the section.
pub(super) fn write(html: &mut String, report: &Report) {
    html.push_str(
        "<section id=\"passes\">\n<h2>What each pass gains</h2>\n\
         <p>From the program without passes to the one with all, one pass more at a time: a bar ends where the next one begins. \
         Last, all passes but one: what is lost without it. Whiskers and brackets are 95 % intervals of ratios within \
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
    let plot = Plot::new(&chain);
    let Plot { scale, loss_scale, .. } = &plot;
    let columns: [Column; 7] = [
        ("what", "Pass".to_owned()),
        ("bar", format!("{}<span class=\"unseen\">time, ms</span>", axis(scale, &ticks(scale, "ms")))),
        ("number time", "Time, ms".to_owned()),
        ("number change", "Change, ms".to_owned()),
        ("number ratio", "Ratio to the row above".to_owned()),
        (
            "bar loss",
            format!("{}<span class=\"unseen\">lost without it</span>", axis(loss_scale, &percents(loss_scale))),
        ),
        ("number left", "All but it, to all passes".to_owned()),
    ];
    html.push_str("<div class=\"scroll\">\n");
    table::begin(html, "gains", &format!("What each pass gains: {title}"), &columns);
    if let Some(unfused) = chain.unfused {
        table::row(html, "whole", &columns, &plot.unfused(unfused));
    }
    for gain in &chain.gains {
        table::row(html, "", &columns, &plot.gain(gain));
    }
    if let Some(full) = chain.full {
        table::row(html, "whole", &columns, &plot.full(full, chain.unfused));
    }
    table::end(html);
    let _ = writeln!(html, "</div>\n<p class=\"note\">{}</p>", rounds(setting));
}

/// How often the programs were timed.
pub(super) fn rounds(setting: &Setting) -> String {
    let rounds = setting.timings.iter().map(|timing| timing.rounds);
    match (rounds.clone().min(), rounds.max()) {
        (Some(least), Some(most)) if least == most => {
            format!("Medians of {}, all programs in turn in each.", count(most, "round"))
        }
        (Some(least), Some(most)) => format!("Medians of {least} to {most} rounds, all programs in turn in each."),
        _ => "Nothing was timed.".to_owned(),
    }
}

/// What all rows of a setting share.
pub(super) struct Plot {
    /// Milliseconds.
    pub scale: Linear,
    /// The time that is lost without a pass, by that of all.
    loss_scale: Linear,
    /// The decimals of milliseconds.
    pub places: usize,
}

impl Plot {
    pub fn new(chain: &Chain<'_>) -> Self {
        let times = times(chain);
        Self {
            scale: Linear::covering(times.iter().copied(), 4),
            loss_scale: Linear::covering(losses(chain), 3),
            places: decimals(times.into_iter().filter(|time| time.is_finite()).fold(0.0, f64::max)),
        }
    }

    /// The cells of the program without passes.
    fn unfused(&self, unfused: Measured<'_>) -> [String; 7] {
        let time = unfused.milliseconds();
        let nothing = Strip::new(&self.loss_scale, HEIGHT).finish();
        let [change, ratio, left] = [String::new(), String::new(), String::new()];
        [
            "no passes".to_owned(),
            self.unfused_bar(unfused),
            milliseconds(&fixed(time, self.places)),
            change,
            ratio,
            nothing,
            left,
        ]
    }

    /// The cells of the program with all passes, held against that with none.
    fn full(&self, full: Measured<'_>, unfused: Option<Measured<'_>>) -> [String; 7] {
        let time = full.milliseconds();
        let (mut change, mut against) = (String::new(), String::new());
        if let Some(timing) = full.timing {
            let interval = &timing.against_unfused;
            let base = unfused.map_or(f64::NAN, |unfused| unfused.milliseconds());
            change = milliseconds(&signed(time - base, self.places));
            against = format!("{} <span class=\"of\">of none</span>", ratio(interval));
        }
        let nothing = Strip::new(&self.loss_scale, HEIGHT).finish();
        [
            "all passes".to_owned(),
            self.full_bar(full, unfused),
            milliseconds(&fixed(time, self.places)),
            change,
            against,
            nothing,
            String::new(),
        ]
    }

    /// The cells of a pass.
    fn gain(&self, gain: &Gain<'_>) -> [String; 7] {
        let timed = gain.added.and_then(|added| added.timing);
        let [mut time, mut change, mut against] = [String::new(), quiet("same program"), String::new()];
        if let Some(timing) = timed {
            let interval = &timing.against_neighbour;
            let words = match (gain.same, !interval.is_certain()) {
                (true, _) => quiet("same steps"),
                (false, true) => quiet("no difference"),
                (false, false) => String::new(),
            };
            time = milliseconds(&fixed(timing.median, self.places));
            change = format!("{words} {}", milliseconds(&signed(timing.median - gain.before, self.places)));
            against = ratio(interval);
        }
        let (loss, left) = self.loss(gain, timed.is_some());
        [name(gain.pass), self.gain_bar(gain), time, change, against, loss, left]
    }

    /// The bar of the program without passes.
    pub fn unfused_bar(&self, unfused: Measured<'_>) -> String {
        let time = unfused.milliseconds();
        let mut strip = Strip::new(&self.scale, HEIGHT);
        strip.bar([0.0, time], BAR, "total", &tip("no passes", unfused.timing, self.places));
        strip.link(time, BELOW, "100%");
        strip.finish()
    }

    /// The bar of what a pass gains.
    pub fn gain_bar(&self, gain: &Gain<'_>) -> String {
        let mut strip = Strip::new(&self.scale, HEIGHT);
        match gain.added.and_then(|added| added.timing) {
            Some(timing) => {
                let interval = &timing.against_neighbour;
                strip.link(gain.before, "0", ABOVE);
                let tip = tip(&visible(gain.pass), Some(timing), self.places);
                strip.bar([gain.before, timing.median], BAR, class(interval), &tip);
                strip.whisker(gain.before * interval.low, gain.before * interval.high, MIDDLE);
                strip.link(timing.median, BELOW, "100%");
            }
            None => strip.link(gain.before, "0", "100%"),
        }
        strip.finish()
    }

    /// The bar of the program with all passes.
    pub fn full_bar(&self, full: Measured<'_>, unfused: Option<Measured<'_>>) -> String {
        let time = full.milliseconds();
        let mut strip = Strip::new(&self.scale, HEIGHT);
        strip.bar([0.0, time], BAR, "total", &tip("all passes", full.timing, self.places));
        strip.link(time, "0", ABOVE);
        if let Some(timing) = full.timing {
            let interval = &timing.against_unfused;
            let base = unfused.map_or(f64::NAN, |unfused| unfused.milliseconds());
            strip.whisker(base * interval.low, base * interval.high, MIDDLE);
        }
        strip.finish()
    }

    /// What is lost without a pass, as a bar and in numbers.
    fn loss(&self, gain: &Gain<'_>, is_timed: bool) -> (String, String) {
        let mut strip = Strip::new(&self.loss_scale, HEIGHT);
        let Some(without) = gain.without else {
            return (strip.finish(), quiet(if is_timed { "not timed" } else { "same program" }));
        };
        // A program that is slower without the pass says that the pass gains.
        let class = match class(&without) {
            "slower" => "faster",
            "faster" => "slower",
            level => level,
        };
        let tip = format!("without {}: {} of the time with all passes", visible(gain.pass), interval(&without));
        strip.bar([0.0, without.median - 1.0], BAR, class, &tip);
        strip.whisker(without.low - 1.0, without.high - 1.0, MIDDLE);
        (strip.finish(), ratio(&without))
    }
}

/// A number with the unit that its column has, for where columns have no headings.
fn milliseconds(number: &str) -> String {
    format!("{number}<span class=\"unit\">{SPACE}ms</span>")
}

fn quiet(words: &str) -> String {
    format!("<span class=\"quiet\">{words}</span>")
}

/// A ratio in bold, with its interval.
fn ratio(interval: &Interval) -> String {
    format!("<b>{}</b> <span class=\"ends\">{}</span>", fixed(interval.median, 3), ends(interval))
}

fn class(against: &Interval) -> &'static str {
    match against {
        against if !against.is_certain() => "level",
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

/// The ticks of a scale as percent more, or less: the last with its unit.
fn percents(scale: &Linear) -> Vec<String> {
    let places = scale.decimals.saturating_sub(2);
    let last = scale.ticks.len().saturating_sub(1);
    let label = |(place, tick): (usize, &f64)| {
        let number = if *tick == 0.0 { "0".to_owned() } else { signed(tick * 100.0, places) };
        if place == last { format!("{number}{SPACE}%") } else { number }
    };
    scale.ticks.iter().enumerate().map(label).collect()
}
