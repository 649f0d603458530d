//! A setting's variants beside their times, in the order of the chain that adds pass after pass.

use crate::bench::report::{Interval, Report, Role, Setting, Timing, Variant};

/// A variant of a setting's batch; `None` for the time of one that was not timed.
#[derive(Clone, Copy)]
pub(super) struct Measured<'a> {
    pub variant: &'a Variant,
    pub timing: Option<&'a Timing>,
}

impl Measured<'_> {
    /// Milliseconds; no number when it was not timed.
    pub fn milliseconds(&self) -> f64 {
        self.timing.map_or(f64::NAN, |timing| timing.median)
    }
}

/// What a pass did to the program.
pub(super) struct Gain<'a> {
    pub pass: &'a str,
    /// The program with it, behind the passes before it; `None` when no program was built for it: it is the same.
    pub added: Option<Measured<'a>>,
    /// The time of the program before it, in milliseconds.
    pub before: f64,
    /// Whether the program has the steps and the memory of the one before it.
    pub same: bool,
    /// The time of the program without it, by that of the full one; `None` when there is none.
    pub without: Option<Interval>,
}

/// The variants of a setting.
pub(super) struct Chain<'a> {
    pub unfused: Option<Measured<'a>>,
    pub full: Option<Measured<'a>>,
    pub gains: Vec<Gain<'a>>,
}

/// The variants of a batch with their times in a setting of it.
pub(super) fn variants<'a>(report: &'a Report, setting: &'a Setting) -> Vec<Measured<'a>> {
    let timing = |place: usize| setting.timings.iter().find(|timing| timing.variant == place);
    let all = report.variants.iter().enumerate().filter(|(_, variant)| variant.batch == setting.batch);
    all.map(|(place, variant)| Measured { variant, timing: timing(place) }).collect()
}

/// A setting's variants by what they are for.
pub(super) fn chain<'a>(report: &'a Report, setting: &'a Setting) -> Chain<'a> {
    let all = variants(report, setting);
    let find = |role: &Role| all.iter().copied().find(|measured| measured.variant.role == *role);
    let (unfused, full) = (find(&Role::Unfused), find(&Role::Full));
    let last = last_added(report, full.map(|full| full.variant), |pass| find(&Role::Added(pass.to_owned())).is_some());
    let mut gains = Vec::new();
    let mut before = unfused;
    for (pass, _) in &report.passes {
        let is_last = last == Some(pass.as_str());
        let added = find(&Role::Added(pass.clone())).or(full.filter(|_| is_last));
        let same = match (added, before) {
            (None, _) => true,
            (Some(added), Some(before)) => footprint(added.variant) == footprint(before.variant),
            (Some(_), None) => false,
        };
        let left_out = find(&Role::Without(pass.clone())).and_then(|measured| measured.timing);
        // The program without the last pass may stand as the one before it alone.
        let without = left_out.map(|timing| timing.against_neighbour).or_else(|| {
            let last = added.filter(|_| is_last).and_then(|measured| measured.timing)?;
            Some(inverse(&last.against_neighbour))
        });
        let milliseconds = before.map_or(f64::NAN, |before| before.milliseconds());
        gains.push(Gain { pass, added, before: milliseconds, same, without });
        before = added.filter(|added| added.timing.is_some()).or(before);
    }
    Chain { unfused, full, gains }
}

/// The pass that makes the variant before it the full one: the last behind those that have a variant of their own.
fn last_added<'a>(report: &'a Report, full: Option<&Variant>, has_own: impl Fn(&str) -> bool) -> Option<&'a str> {
    let full = full?;
    let mut behind = report.passes.iter().map(|(pass, _)| pass.as_str()).rev().take_while(|pass| !has_own(pass));
    behind.find(|pass| full.passes.iter().any(|ran| ran == pass))
}

fn footprint(variant: &Variant) -> (usize, [u64; 4]) {
    (variant.steps, [variant.arena_bytes, variant.weight_bytes, variant.map_bytes, variant.fetched_bytes])
}

fn inverse(interval: &Interval) -> Interval {
    Interval { median: interval.median.recip(), low: interval.high.recip(), high: interval.low.recip() }
}
