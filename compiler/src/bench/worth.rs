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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::{Machine, Variant};
    use crate::bench::variants::{selections, timings};
    use crate::ir::Graph;

    /// A report of the passes `a`, `b` and `c`, of which `b` changes nothing, with the times of the programs: none, `a`, `a` and `c`,
    /// `c` alone.
    fn report(times: &[Vec<f64>; 4]) -> Report {
        let selections = selections(&["a", "b", "c"], &Default::default());
        let programs = [0, 1, 1, 2, 3, 2, 1];
        let places: Vec<_> = selections.iter().map(|one| one.neighbour).zip(programs).collect();
        let variant = |role| Variant {
            role,
            batch: 2,
            passes: Vec::new(),
            steps: 1,
            macs: 1,
            arena_bytes: 1,
            weight_bytes: 1,
            map_bytes: 1,
            fetched_bytes: 1,
            departure: 0.0,
        };
        Report {
            network: "n".to_owned(),
            model: "n".to_owned(),
            compiler: "0".to_owned(),
            time: 0,
            machine: Machine { processor: "p".to_owned(), isa: "i".to_owned(), threads: 1 },
            files: Vec::new(),
            weights: "seed:0".to_owned(),
            exact: false,
            passes: ["a", "b", "c"].map(|pass| (pass.to_owned(), String::new())).to_vec(),
            variants: selections.into_iter().map(|one| variant(one.role)).collect(),
            settings: vec![Setting {
                batch: 2,
                threads: 1,
                timings: timings(0, &places, times),
                layers: Vec::new(),
                peak: 1.0,
                bandwidth: [1.0; 2],
            }],
            graphs: [Graph::new(), Graph::new()],
        }
    }

    #[test]
    fn a_pass_is_worth_what_it_saves_and_what_its_lack_costs() {
        let report = report(&[vec![10.0; 5], vec![8.0; 5], vec![4.0; 5], vec![5.0; 5]]);
        let sure = |median| Interval { median, low: median, high: median };
        let setting = &report.settings[0];
        let expected = [("a", 0.8, 1.25), ("b", 1.0, 1.0), ("c", 0.5, 2.0)];
        let expected = expected.map(|(pass, added, out)| Worth { pass, added: sure(added), left_out: sure(out) });
        assert_eq!(worths(&report, setting), expected);
        assert_eq!(
            verdict(&report, setting),
            "2 images, 1 thread: with all passes it takes 0.400 of the unfused time (0.400 to 0.400), 2.50 times as fast. \
             Without c it would take 2.000 as long. No change to this network: b."
        );
    }

    #[test]
    fn noise_and_loss_are_called_by_their_names() {
        let report = report(&[
            vec![10.0; 5],
            vec![10.0, 9.0, 11.0, 10.5, 9.5],
            vec![10.0, 9.5, 10.5, 10.2, 9.8],
            vec![9.0, 8.5, 9.5, 9.2, 8.8],
        ]);
        assert_eq!(
            verdict(&report, &report.settings[0]),
            "2 images, 1 thread: all passes together are within noise, 1.000 of the unfused time. Slower with it than without: a. \
             Within noise when left out alone: c. No change to this network: b."
        );
    }
}
