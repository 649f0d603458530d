//! Times two whole programs in turn.

use std::path::Path;
use std::process::Command;

use super::layers::median;
use crate::cli::Failure;
use crate::cli::progress::Progress;
use crate::diagnostic::{Diagnostic, Place};

/// How often each program is timed.
const ROUNDS: usize = 7;
/// The tuned program is faster when the middle of the rounds' quotients is below this,
const BETTER: f64 = 0.995;
/// and when it was faster in so many of the rounds.
const WINS: usize = 5;

/// What came out.
#[derive(Debug, Clone)]
pub struct Whole {
    /// Milliseconds of the program as the compiler chooses: the median of the rounds.
    pub own: f64,
    /// Of the tuned one.
    pub tuned: f64,
    /// The tuned one's time by the other's, in each round.
    ratios: Vec<f64>,
}

impl Whole {
    /// The median of the rounds' quotients.
    pub fn ratio(&self) -> f64 {
        median(self.ratios.clone())
    }

    /// Whether the tuned program is faster beyond noise.
    pub fn tuned_wins(&self) -> bool {
        self.ratio() < BETTER && self.ratios.iter().filter(|ratio| **ratio < 1.0).count() >= WINS
    }
}

/// Times both for so many seconds together.
pub fn time(
    own: &Path,
    tuned: &Path,
    threads: Option<u32>,
    seconds: f64,
    progress: &mut Progress,
) -> Result<Whole, Failure> {
    // Each run warms up for a fifth more.
    let seconds = seconds / (2.4 * ROUNDS as f64);
    let (mut owns, mut tuneds, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        progress.line(&format!("Timing the whole program, round {} of {ROUNDS}", round + 1));
        // Neither always goes first.
        let (a, b) = if round % 2 == 0 {
            let own = milliseconds(own, threads, seconds)?;
            (own, milliseconds(tuned, threads, seconds)?)
        } else {
            let tuned = milliseconds(tuned, threads, seconds)?;
            (milliseconds(own, threads, seconds)?, tuned)
        };
        owns.push(a);
        tuneds.push(b);
        ratios.push(b / a);
    }
    Ok(Whole { own: median(owns), tuned: median(tuneds), ratios })
}

/// The time of the fastest of many inferences, as a program measures itself: other programs make some slower, and none faster.
fn milliseconds(program: &Path, threads: Option<u32>, seconds: f64) -> Result<f64, Failure> {
    let mut command = Command::new(program);
    command.args(["bench", "--json", "--seconds", &seconds.to_string()]);
    if let Some(threads) = threads {
        command.args(["--threads", &threads.to_string()]);
    }
    let failed = |what: String| Failure::from(Diagnostic::error("E-TUNE", what).at(Place::file(program)));
    let output = command.output().map_err(|error| failed(format!("cannot time the program: {error}")))?;
    let fastest = serde_json::from_slice::<serde_json::Value>(&output.stdout)
        .ok()
        .and_then(|value| value.get("min_ms")?.as_f64())
        .filter(|fastest| *fastest > 0.0);
    fastest.ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        failed(format!("the program printed no time ({}): {}", output.status, said.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tuned_program_wins_when_it_is_faster_beyond_noise() {
        let whole = |ratios: [f64; ROUNDS]| Whole { own: 1.0, tuned: 1.0, ratios: ratios.to_vec() };
        assert!(whole([0.9, 0.9, 0.9, 0.9, 0.9, 1.1, 1.1]).tuned_wins());
        assert!(!whole([0.9, 0.9, 0.9, 0.9, 1.1, 1.1, 1.1]).tuned_wins());
        assert!(!whole([0.996; ROUNDS]).tuned_wins());
    }
}
