//! What each pass is worth in a setting, in numbers and in words.

use super::report::{Interval, Report, Role, Setting, Timing};

/// What a pass is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Worth<'a> {
    /// The pass.
    pub pass: &'a str,
    /// The time with it by that without it, when the passes before it run, and none behind it.
    pub added: Interval,
    /// The time without it by that with it, when all others run.
    pub left_out: Interval,
}

impl Worth<'_> {
    /// Whether it makes another program at all.
    pub fn changes(&self) -> bool {
        self.added != Interval::ONE || self.left_out != Interval::ONE
    }
}

/// What each pass of a report is worth in one of its settings, in the order they run.
pub fn worths<'a>(report: &'a Report, setting: &Setting) -> Vec<Worth<'a>> {
    let timed = |role: &Role| {
        let of = |timing: &&Timing| report.variants.get(timing.variant).is_some_and(|variant| variant.role == *role);
        setting.timings.iter().find(of).map_or(Interval::ONE, |timing| timing.against_neighbour)
    };
    let last = report.passes.last().map(|(pass, _)| pass);
    report
        .passes
        .iter()
        .map(|(pass, _)| Worth {
            pass,
            added: timed(&if Some(pass) == last { Role::Full } else { Role::Added(pass.clone()) }),
            left_out: timed(&Role::Without(pass.clone())),
        })
        .collect()
}

/// The time of the full program by that of the unfused one.
pub fn whole(report: &Report, setting: &Setting) -> Interval {
    let is_full = |timing: &&Timing| report.variants.get(timing.variant).is_some_and(|it| it.role == Role::Full);
    setting.timings.iter().find(is_full).map_or(Interval::ONE, |timing| timing.against_unfused)
}

/// What a setting says, in a few sentences.
pub fn verdict(report: &Report, setting: &Setting) -> String {
    let Setting { batch, threads, .. } = setting;
    let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
    let whole = whole(report, setting);
    let said = match whole {
        Interval::ONE => "the passes change nothing".to_owned(),
        Interval { median, .. } if !whole.is_certain() => {
            format!("all passes together are within noise, {} of the unfused time", ratio(median))
        }
        Interval { median, low, high } => format!(
            "with all passes it takes {} of the unfused time ({} to {}), {}",
            ratio(median),
            ratio(low),
            ratio(high),
            if median < 1.0 { format!("{:.2} times as fast", 1.0 / median) } else { "which is slower".to_owned() },
        ),
    };
    let mut sentences = vec![format!("{}, {}: {said}.", count(*batch, "image"), count(*threads, "thread"))];
    let worths = worths(report, setting);
    let most = worths
        .iter()
        .filter(|worth| worth.left_out.is_certain())
        .max_by(|a, b| a.left_out.median.total_cmp(&b.left_out.median));
    if let Some(Worth { pass, left_out, .. }) = most.filter(|worth| worth.left_out.median > 1.0) {
        sentences.push(format!("Without {pass} it would take {} as long.", ratio(left_out.median)));
    }
    let named = |sentence: &str, wanted: &dyn Fn(&Worth<'_>) -> bool| {
        let names: Vec<&str> = worths.iter().filter(|worth| wanted(worth)).map(|worth| worth.pass).collect();
        (!names.is_empty()).then(|| format!("{sentence}: {}.", names.join(", ")))
    };
    sentences.extend(named("Slower with it than without", &|worth| worth.left_out.high < 1.0));
    sentences.extend(named("Within noise when left out alone", &|worth| {
        worth.left_out != Interval::ONE && !worth.left_out.is_certain()
    }));
    sentences.extend(named("No change to this network", &|worth| !worth.changes()));
    sentences.join(" ")
}

/// A ratio as text.
fn ratio(ratio: f64) -> String {
    format!("{ratio:.3}")
}
