//! `PROGRAM bench`: latency on this machine; of every layer with `--profile`.

use std::io::{self, BufRead, Write};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Failure, Problem, cli, failed, open, profile};
use crate::program::Model;

/// The fewest runs that are measured, however long they take.
pub(super) const FEWEST: usize = 5;
/// The most runs that are measured, however short they are.
const MOST: usize = 1_000_000;

pub(super) fn run<M: Model>(task: &cli::Bench, out: &mut dyn Write) -> Result<(), Failure> {
    let network = M::NETWORK;
    let mut model = open::<M>(task.threads)?;
    let input = noise(network.input_length());
    if task.turns {
        return turns(&mut model, &input, io::stdin().lock(), out);
    }
    let seconds = Duration::from_secs_f64(task.seconds);
    repeat(&mut model, &input, seconds.div_f64(5.0).min(Duration::from_secs(1)))?;
    if task.profile {
        return profile::run(&mut model, &input, task, out);
    }
    let mut times = repeat(&mut model, &input, seconds)?;
    times.sort_by(f64::total_cmp);
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    let at = |fraction: f64| quantile(&times, fraction);
    let (batch, runs) = (network.images(), times.len());
    if task.json {
        let object = json!({
            "name": network.name,
            "isa": model.isa(),
            "threads": model.threads(),
            "batch": batch,
            "runs": runs,
            "median_ms": at(0.5),
            "min_ms": at(0.0),
            "mean_ms": mean,
            "p90_ms": at(0.9),
            "p99_ms": at(0.99),
            "max_ms": at(1.0),
        });
        writeln!(out, "{object}")?;
        return Ok(());
    }
    writeln!(
        out,
        "{}: batch {batch}, {} thread(s), {}, {runs} runs\n  median {:.3} ms\n  min    {:.3} ms\n  mean   {mean:.3} ms\n  \
         p90    {:.3} ms\n  p99    {:.3} ms",
        network.name,
        model.threads(),
        model.isa(),
        at(0.5),
        at(0.0),
        at(0.9),
        at(0.99),
    )?;
    Ok(())
}

/// Runs when it is told to, so that several programs can be timed by turns: for each line with a number, so many runs, and a line with
/// the milliseconds of each as JSON. One more before them is not timed: the caches are full of what ran meanwhile.
fn turns<M: Model>(model: &mut M, input: &[f32], lines: impl BufRead, out: &mut dyn Write) -> Result<(), Failure> {
    for line in lines.lines() {
        let line = line.unwrap_or_default();
        let runs =
            line.trim().parse::<usize>().ok().filter(|runs| (1..=MOST).contains(runs)).ok_or_else(|| {
                Failure::Usage(Problem::new("standard input", format!("`{line}` is no number of runs")))
            })?;
        let mut times = Vec::with_capacity(runs);
        for run in 0..=runs {
            let begin = Instant::now();
            std::hint::black_box(model.run(std::hint::black_box(input)).map_err(failed::<M>)?);
            if run > 0 {
                times.push(begin.elapsed().as_secs_f64() * 1e3);
            }
        }
        writeln!(out, "{}", json!(times))?;
        out.flush()?;
    }
    Ok(())
}

/// Milliseconds of each run, for about as long as given.
fn repeat<M: Model>(model: &mut M, input: &[f32], time: Duration) -> Result<Vec<f64>, Failure> {
    let start = Instant::now();
    let mut times = Vec::new();
    while times.len() < FEWEST || (start.elapsed() < time && times.len() < MOST) {
        let begin = Instant::now();
        std::hint::black_box(model.run(std::hint::black_box(input)).map_err(failed::<M>)?);
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// The value at a fraction of the sorted `times`, between two neighbours in proportion.
pub(super) fn quantile(times: &[f64], fraction: f64) -> f64 {
    let position = fraction * (times.len() - 1) as f64;
    let (below, above) = (times[position.floor() as usize], times[position.ceil() as usize]);
    below + (above - below) * position.fract()
}

/// Values from -1 to 1, the same in every run: a linear congruential generator's upper bits.
fn noise(length: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..length).map(|_| next()).collect()
}
