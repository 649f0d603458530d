//! Progress of long steps: one line on a terminal, rewritten in place; nothing elsewhere.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::pipeline::Stage;

/// The line at the bottom of the terminal.
#[derive(Debug)]
pub struct Progress {
    shown: bool,
    started: Instant,
    last: Option<Instant>,
}

impl Progress {
    /// Shows something only when standard error is a terminal.
    pub fn new() -> Self {
        Self { shown: io::stderr().is_terminal(), started: Instant::now(), last: None }
    }

    /// Says what is going on.
    pub fn stage(&mut self, stage: Stage) {
        self.last = None;
        self.line(match stage {
            Stage::Load => "Reading the model and its weights",
            Stage::Optimise => "Optimising",
            Stage::Plan => "Planning and packing the weights",
        });
    }

    /// Shows a line in the place of the last one.
    pub fn line(&mut self, text: &str) {
        const PAUSE: Duration = Duration::from_millis(30);
        let now = Instant::now();
        if !self.shown || self.last.is_some_and(|last| now - last < PAUSE) {
            return;
        }
        self.last = Some(now);
        let text: String = text.chars().filter(|c| !c.is_control()).take(90).collect();
        let _ = write!(io::stderr().lock(), "\r\x1b[2K{:6.1} s  {text}", self.started.elapsed().as_secs_f64());
    }

    /// Clears the line.
    pub fn clear(&mut self) {
        if self.shown {
            let _ = write!(io::stderr().lock(), "\r\x1b[2K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}
