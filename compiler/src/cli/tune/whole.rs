//! Times two whole programs in turn.

use std::path::Path;

use crate::bench::statistics::median;
use crate::bench::turns::{self, How};
use crate::cli::Failure;
use crate::cli::progress::Progress;

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
    let how = How { threads, seconds, rounds: [ROUNDS; 2] };
    let mut times = turns::time(&[own, tuned], &how, &mut |round, rounds| {
        progress.line(&format!("Timing the whole program, round {round} of {rounds}"));
    })?
    .into_iter();
    let [owns, tuneds] = [times.next().unwrap_or_default(), times.next().unwrap_or_default()];
    let ratios = owns.iter().zip(&tuneds).map(|(own, tuned)| tuned / own).collect();
    Ok(Whole { own: median(owns), tuned: median(tuneds), ratios })
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
