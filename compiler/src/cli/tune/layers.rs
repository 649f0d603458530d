//! Times the ways to compute each layer.

use std::path::Path;
use std::process::Command;

use crate::bench::statistics::median;
use crate::cli::Failure;
use crate::cli::progress::Progress;
use crate::diagnostic::{Diagnostic, Place};
use crate::package::{self, Cache, Probes};
use crate::plan::{Decision, Layer};
use crate::tuning::Measured;
use crate::tuning::probe::Subject;

/// A way is better when it takes less than this part of the time that the compiler's own takes,
const BETTER: f64 = 0.97;
/// and when it was faster in this part of the rounds.
const ROUNDS: f64 = 2.0 / 3.0;
/// Most bytes that are read between two rounds: no cache of a core is larger.
const MOST_FLUSHED: usize = 128 << 20;

/// How layers are timed.
#[derive(Debug, Clone, Copy)]
pub struct How<'a> {
    /// The instruction set.
    pub isa: &'a str,
    /// Threads; all when not given.
    pub threads: Option<u32>,
    /// For all layers together.
    pub seconds: f64,
    /// Bytes of weights and activations that pass through the caches in an inference.
    pub flushed: usize,
}

/// A layer with the times of the ways to compute it.
#[derive(Debug, Clone)]
pub struct Timed {
    /// The layer.
    pub layer: Layer,
    /// How many of the network's layers are such.
    pub count: usize,
    /// The ways, the compiler's own first.
    decisions: Vec<Decision>,
    /// Nanoseconds of each way, round by round.
    rounds: Vec<Vec<f64>>,
}

impl Timed {
    /// Each way with the median of its times, in microseconds.
    pub fn ways(&self) -> impl Iterator<Item = (Decision, f64)> + '_ {
        self.decisions.iter().enumerate().map(|(way, decision)| {
            let times = self.rounds.iter().filter_map(|round| round.get(way).copied()).collect();
            (*decision, median(times) / 1e3)
        })
    }

    /// Microseconds of the compiler's own way.
    pub fn own(&self) -> f64 {
        self.ways().next().map_or(0.0, |(_, time)| time)
    }

    /// The fastest way, when it is faster than the compiler's own beyond noise.
    pub fn faster(&self) -> Option<Measured> {
        let (model, own) = self.ways().next()?;
        let wins = |way: usize| {
            let won = |round: &&Vec<f64>| matches!((round.first(), round.get(way)), (Some(own), Some(it)) if it < own);
            self.rounds.iter().filter(won).count() as f64
        };
        let (_, (decision, microseconds)) = self
            .ways()
            .enumerate()
            .skip(1)
            .filter(|(way, (_, time))| *time < BETTER * own && wins(*way) >= ROUNDS * self.rounds.len() as f64)
            .min_by(|(_, (_, a)), (_, (_, b))| a.total_cmp(b))?;
        Some(Measured { layer: self.layer, decision, microseconds, model, model_microseconds: own })
    }
}

/// Builds a program per layer and runs one after the other.
pub fn time(
    subjects: &[Subject<'_>],
    how: &How<'_>,
    cache: &Cache,
    progress: &mut Progress,
) -> Result<Vec<Timed>, Failure> {
    let (mut programs, mut counted) = (Vec::new(), Vec::new());
    for (index, subject) in subjects.iter().enumerate() {
        progress.line(&format!("Writing programs for layer {} of {}", index + 1, subjects.len()));
        // With one way there is nothing to choose.
        if subject.decisions.len() > 1 {
            let probe = subject.probe()?;
            let flushed = how.flushed.min(MOST_FLUSHED);
            programs.push(Probes::program(&probe.source, how.isa, &probe.steps, flushed));
            counted.push(subject);
        }
    }
    if programs.is_empty() {
        return Ok(Vec::new());
    }
    let folder = tempfile::tempdir()
        .map_err(|error| Diagnostic::error("E-FILE", format!("cannot make a temporary folder: {error}")))?;
    let built =
        package::build_probes(&Probes { layers: programs }, cache, folder.path(), &mut |line| progress.line(line))?;
    let seconds = how.seconds / counted.len() as f64;
    let mut timed = Vec::new();
    for (index, (subject, program)) in counted.iter().zip(&built).enumerate() {
        let Subject { layer, count, decisions, .. } = subject;
        progress.line(&format!("Timing layer {} of {}: {layer}", index + 1, counted.len()));
        let rounds = rounds(program, how.threads, seconds, decisions.len())?;
        timed.push(Timed { layer: *layer, count: *count, decisions: decisions.clone(), rounds });
    }
    Ok(timed)
}

/// The times of each round, as a program prints them.
fn rounds(program: &Path, threads: Option<u32>, seconds: f64, ways: usize) -> Result<Vec<Vec<f64>>, Failure> {
    let failed = |what: String| Failure::from(Diagnostic::error("E-TUNE", what).at(Place::file(program)));
    let output = Command::new(program)
        .args([threads.unwrap_or(0).to_string(), seconds.to_string()])
        .output()
        .map_err(|error| failed(format!("cannot time a layer: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("a layer's program failed ({}): {}", output.status, said.trim())));
    }
    let round = |line: &str| -> Option<Vec<f64>> {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        let times: Vec<f64> = value.get("nanoseconds")?.as_array()?.iter().filter_map(|time| time.as_f64()).collect();
        (times.len() == ways).then_some(times)
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let rounds: Option<Vec<Vec<f64>>> = text.lines().map(round).collect();
    rounds.filter(|rounds| !rounds.is_empty()).ok_or_else(|| failed("a layer's program printed no times".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::geometry::{Algorithm, Winograd};

    fn timed(rounds: &[[f64; 3]]) -> Timed {
        let layer = Layer::parse("conv 3x3 stride 1 dilation 1 groups 1 64->64 8x8 batch 1").unwrap();
        let decisions =
            [1, 2, 4].map(|group| Decision::from(Algorithm::Winograd(Winograd { outputs: 4, group }))).to_vec();
        Timed { layer, count: 1, decisions, rounds: rounds.iter().map(|round| round.to_vec()).collect() }
    }

    fn group(measured: Option<Measured>) -> Option<usize> {
        match measured?.decision.algorithm {
            Algorithm::Winograd(Winograd { group, .. }) => Some(group),
            _ => None,
        }
    }

    #[test]
    fn another_way_is_taken_when_it_is_faster_beyond_noise() {
        assert_eq!(group(timed(&[[100.0, 90.0, 80.0]; 5]).faster()), Some(4));
        // By 2 % only.
        assert_eq!(group(timed(&[[100.0, 98.0, 101.0]; 5]).faster()), None);
        // In the middle, but in too few rounds.
        let mut rounds = vec![[100.0, 96.0, 200.0]; 6];
        rounds.extend([[95.0, 96.0, 200.0]; 4]);
        assert_eq!(group(timed(&rounds).faster()), None);
        // The second is the fastest that is so in most rounds.
        let rounds =
            [[100.0, 90.0, 50.0], [100.0, 90.0, 50.0], [100.0, 90.0, 50.0], [100.0, 90.0, 150.0], [100.0, 90.0, 150.0]];
        assert_eq!(group(timed(&rounds).faster()), Some(2));
    }
}
