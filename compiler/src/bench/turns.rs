//! Several programs timed by turns, so that what else the machine does falls on all of them.
//!
//! Each is a process that waits for its turn, so that neither its start nor the reading of its weights is timed.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::statistics::Generator;
use crate::diagnostic::{Diagnostic, Place};

/// Runs of a turn that are timed, of which the fastest counts: other programs make some slower, and none faster.
const FEWEST: usize = 3;
/// The most, however short they are.
const MOST: usize = 10_000;

/// How long programs are timed.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// Threads of each program; all when not given.
    pub threads: Option<u32>,
    /// Seconds for all programs together. The fewest rounds are run even so.
    pub seconds: f64,
    /// The fewest rounds and the most.
    pub rounds: [usize; 2],
}

/// Times programs by turns, in rounds in which each has one turn. The milliseconds of each program, round by round: of the fastest run
/// of its turn. `progress` gets the round and how many there are.
///
/// # Errors
/// When a program cannot be run, or fails.
pub fn time(
    programs: &[&Path],
    how: &How,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Vec<Vec<f64>>, Diagnostic> {
    let mut players = programs.iter().map(|path| Player::start(path, how.threads)).collect::<Result<Vec<_>, _>>()?;
    // The first turn warms up, and tells how long a run takes.
    let mut milliseconds = 0.0;
    for player in &mut players {
        player.turn(FEWEST)?;
        milliseconds += player.turn(1)?;
    }
    let (runs, rounds) = amount(milliseconds / 1e3, how);
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); players.len()];
    let mut order: Vec<usize> = (0..players.len()).collect();
    let mut generator = Generator::new(0);
    for round in 0..rounds {
        progress(round + 1, rounds);
        // Who comes early in one round comes late in the next, and nobody has always the same one before it.
        if round % 2 == 0 {
            generator.shuffle(&mut order);
        } else {
            order.reverse();
        }
        for index in &order {
            if let (Some(player), Some(times)) = (players.get_mut(*index), times.get_mut(*index)) {
                times.push(player.turn(runs)?);
            }
        }
    }
    Ok(times)
}

/// How many runs of a turn are timed, and how many rounds there are, when one run of each program takes so many seconds together: as many
/// rounds as there is time for, then as many runs.
fn amount(seconds: f64, how: &How) -> (usize, usize) {
    let [fewest, most] = how.rounds;
    let seconds = seconds.max(1e-9);
    // One more run of each turn is not timed.
    let rounds = (how.seconds / (seconds * (FEWEST + 1) as f64)) as usize;
    let rounds = rounds.clamp(fewest, most.max(fewest));
    let runs = (how.seconds / (seconds * rounds as f64)) as usize;
    (runs.saturating_sub(1).clamp(FEWEST, MOST), rounds)
}

/// A program that waits for its turn.
struct Player {
    path: PathBuf,
    child: Child,
    /// Closed when it is to end.
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Player {
    fn start(path: &Path, threads: Option<u32>) -> Result<Self, Diagnostic> {
        let mut command = Command::new(path);
        command.args(["bench", "--turns"]);
        if let Some(threads) = threads {
            command.args(["--threads", &threads.to_string()]);
        }
        let wrong = |error: &dyn std::fmt::Display| {
            Diagnostic::error("E-RUN", format!("cannot time the program: {error}")).at(Place::file(path))
        };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| wrong(&error))?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(to), Some(from)) => {
                Ok(Self { path: path.to_owned(), child, to: Some(to), from: BufReader::new(from) })
            }
            _ => Err(wrong(&"there is no way to talk to it")),
        }
    }

    /// Lets it run once without and so often with a clock. The least milliseconds.
    fn turn(&mut self, runs: usize) -> Result<f64, Diagnostic> {
        let asked = self.to.as_mut().map(|to| writeln!(to, "{runs}").and_then(|()| to.flush()));
        let mut line = String::new();
        let answer = self.from.read_line(&mut line);
        let times: Option<Vec<f64>> = serde_json::from_str(&line).ok();
        let least = times.into_iter().flatten().filter(|time| *time > 0.0).min_by(f64::total_cmp);
        match (asked, answer, least) {
            (Some(Ok(())), Ok(_), Some(least)) => Ok(least),
            _ => Err(self.failure()),
        }
    }

    /// What it says about its end.
    fn failure(&mut self) -> Diagnostic {
        self.to = None;
        let mut said = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            let _ = errors.read_to_string(&mut said);
        }
        let status = self.child.wait().map_or_else(|error| error.to_string(), |status| status.to_string());
        Diagnostic::error("E-RUN", format!("the program printed no times ({status}): {}", said.trim()))
            .at(Place::file(&self.path))
    }
}

impl Drop for Player {
    /// It ends at the end of what it reads.
    fn drop(&mut self) {
        self.to = None;
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn amount(seconds_of_a_round: f64, seconds: f64) -> (usize, usize) {
        super::amount(seconds_of_a_round, &How { threads: None, seconds, rounds: [5, 40] })
    }

    #[test]
    fn time_goes_to_rounds_first_and_then_to_runs() {
        // Too little for the fewest rounds, for more, for the most, and for more runs in each.
        assert_eq!(amount(1.0, 0.1), (3, 5));
        assert_eq!(amount(1.0, 40.0), (3, 10));
        assert_eq!(amount(1.0, 160.0), (3, 40));
        assert_eq!(amount(0.01, 30.0), (74, 40));
        assert_eq!(amount(1e-6, 30.0), (MOST, 40));
        assert_eq!(amount(0.0, 30.0), (MOST, 40));
        assert_eq!(super::amount(0.125, &How { threads: None, seconds: 87.5, rounds: [7, 7] }), (99, 7));
    }

    #[cfg(unix)]
    #[test]
    fn programs_take_turns_and_errors_are_told() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        let [one, two] = ["1.5", "0.5"].map(|time| {
            script(
                time,
                &format!(
                    "while read runs; do echo $0 $@ $runs >> {}/log; echo '[9, {time}]'; done",
                    folder.path().display()
                ),
            )
        });
        let how = How { threads: Some(3), seconds: 0.1, rounds: [4, 4] };
        let mut seen = Vec::new();
        let times = time(&[&one, &two], &how, &mut |round, rounds| seen.push((round, rounds))).unwrap();
        assert_eq!(times, [[1.5; 4], [0.5; 4]]);
        assert_eq!(seen, [(1, 4), (2, 4), (3, 4), (4, 4)]);
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        assert!(log.lines().all(|line| line.contains(" bench --turns --threads 3 ")), "{log}");
        let who: Vec<bool> = log.lines().map(|line| line.contains("1.5")).collect();
        // Behind the warm-up, each round is the one before it in the other order, or shuffled.
        let rounds: Vec<&[bool]> = who[4..].chunks(2).collect();
        assert!(rounds.len() == 4 && rounds[0][0] == rounds[1][1] && rounds[2][0] == rounds[3][1], "{log}");
        assert!(rounds.iter().all(|round| round[0] != round[1]), "{log}");

        let broken = script("broken", "echo no such thing >&2; exit 3");
        let error = time(&[&broken], &how, &mut |_, _| ()).unwrap_err().to_string();
        assert!(error.contains("E-RUN") && error.contains("no such thing") && error.contains('3'), "{error}");
        let error = time(&[&folder.path().join("missing")], &how, &mut |_, _| ()).unwrap_err().to_string();
        assert!(error.contains("cannot time the program"), "{error}");
    }
}
