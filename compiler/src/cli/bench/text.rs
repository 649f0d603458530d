//! A report as text.

use crate::bench::report::{Interval, Layers, Report, Role, Setting, Timing, Variant};
use crate::bench::worth::{Worth, verdict, worths};
use crate::cli::table::{Align, table};

/// What a variant is called.
pub fn name(role: &Role) -> String {
    match role {
        Role::Unfused => "unfused".to_owned(),
        Role::Added(pass) => format!("up to {pass}"),
        Role::Without(pass) => format!("without {pass}"),
        Role::Full => "full".to_owned(),
    }
}

/// All of it but the graphs; of the layers, when they are wanted.
pub fn report(report: &Report, layers: bool) -> String {
    let mut text = heading(report);
    for setting in &report.settings {
        let rounds = setting.timings.first().map_or(0, |timing| timing.rounds);
        text.push_str(&format!("\nbatch {}, {} thread(s), {rounds} rounds\n\n", setting.batch, setting.threads));
        text.push_str(&programs(report, setting));
        text.push('\n');
        text.push_str(&passes(report, setting));
        if layers {
            text.push('\n');
            text.push_str(&steps(setting));
        }
        text.push_str(&format!("\n{}\n", verdict(report, setting)));
    }
    // A name from a user's file must not steer the terminal.
    text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

fn heading(report: &Report) -> String {
    let machine = &report.machine;
    let exact = if report.exact { ", exact" } else { "" };
    let mut text = format!(
        "{}, weights from {}{exact}\n{}, {}, {} thread(s)\n",
        report.network, report.weights, machine.processor, machine.isa, machine.threads
    );
    if let Some(first) = report.variants.first() {
        text.push_str(&format!("passes of every program: {}\n", first.passes.join(", ")));
    }
    for (file, hash) in &report.files {
        text.push_str(&format!("{file}: sha256 {hash}\n"));
    }
    text
}

/// A row per program.
fn programs(report: &Report, setting: &Setting) -> String {
    let rows: Vec<Vec<String>> = setting
        .timings
        .iter()
        .filter_map(|timing| Some((timing, report.variants.get(timing.variant)?)))
        .map(|(timing, variant)| program(timing, variant))
        .collect();
    let columns = [
        ("program", Align::Left),
        ("ms", Align::Right),
        ("of unfused", Align::Right),
        ("95 %", Align::Left),
        ("arena MB", Align::Right),
        ("maps MB", Align::Right),
        ("fetched MB", Align::Right),
        ("weights MB", Align::Right),
        ("steps", Align::Right),
        ("departs by", Align::Right),
    ];
    table(&columns, &rows)
}

fn program(timing: &Timing, variant: &Variant) -> Vec<String> {
    let Interval { median, low, high } = timing.against_unfused;
    let range = if timing.against_unfused == Interval::ONE { String::new() } else { format!("{low:.3} to {high:.3}") };
    vec![
        name(&variant.role),
        format!("{:.3}", timing.median),
        format!("{median:.3}"),
        range,
        megabytes(variant.arena_bytes),
        megabytes(variant.map_bytes),
        megabytes(variant.fetched_bytes),
        megabytes(variant.weight_bytes),
        variant.steps.to_string(),
        if variant.departure == 0.0 { "0".to_owned() } else { format!("{:.1e}", variant.departure) },
    ]
}

/// A row per pass.
fn passes(report: &Report, setting: &Setting) -> String {
    let rows: Vec<Vec<String>> = worths(report, setting)
        .iter()
        .map(|Worth { pass, added, left_out }| {
            // Adding it saves 1 less the ratio of the time; leaving it out costs the ratio less 1.
            let saved = change(*added, |ratio| 1.0 - ratio);
            let lost = change(*left_out, |ratio| ratio - 1.0);
            [vec![(*pass).to_owned()], saved.to_vec(), lost.to_vec()].concat()
        })
        .collect();
    let columns = [
        ("pass", Align::Left),
        ("saves when added", Align::Right),
        ("95 %", Align::Left),
        ("costs when left out", Align::Right),
        ("95 %", Align::Left),
    ];
    table(&columns, &rows)
}

/// A ratio as a gain, with its interval.
fn change(ratio: Interval, gain: fn(f64) -> f64) -> [String; 2] {
    if ratio == Interval::ONE {
        return ["no change".to_owned(), String::new()];
    }
    let percent = |ratio: f64| format!("{:+.1} %", 100.0 * gain(ratio));
    let rises = gain(ratio.high) > gain(ratio.low);
    let (least, most) = if rises { (ratio.low, ratio.high) } else { (ratio.high, ratio.low) };
    let noise = if ratio.is_certain() { "" } else { ", noise" };
    [percent(ratio.median), format!("{} to {}{noise}", percent(least), percent(most))]
}

/// A row per step of the full program, with the time of those whose work it does.
fn steps(setting: &Setting) -> String {
    let was = |layer: &Layers| layer.unfused.iter().fold(0.0, |sum, (_, time)| sum + time);
    let row = |name: &str, what: &str, now: f64, was: f64, steps: usize| {
        let ratio = if was > 0.0 { format!("{:.2}", now / was) } else { String::new() };
        vec![name.to_owned(), what.to_owned(), format!("{now:.1}"), format!("{was:.1}"), steps.to_string(), ratio]
    };
    let layers = &setting.layers;
    let mut rows: Vec<Vec<String>> = layers
        .iter()
        .map(|layer| row(&layer.name, &layer.what, layer.fused, was(layer), layer.unfused.len()))
        .collect();
    let steps = layers.iter().map(|layer| layer.unfused.len()).sum();
    rows.push(row("all", "", layers.iter().map(|layer| layer.fused).sum(), layers.iter().map(was).sum(), steps));
    let columns = [
        ("layer", Align::Left),
        ("what", Align::Left),
        ("full us", Align::Right),
        ("unfused us", Align::Right),
        ("steps", Align::Right),
        ("ratio", Align::Right),
    ];
    table(&columns, &rows)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.2}", bytes as f64 * 1e-6)
}
