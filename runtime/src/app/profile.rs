//! `PROGRAM bench --profile`: the time of every layer, and how near it comes to what the machine can do.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::bench::{FEWEST, quantile};
use super::table::{self, Align, Column, Fit, Line};
use super::{Failure, Problem, cli, failed};
use crate::engine::{Step, Work};
use crate::isa::Kind;
use crate::kernel::speed;
use crate::network::Network;
use crate::program::Model;

/// The most times that are kept, of all steps and runs together.
const MOST: usize = 1 << 24;
/// The smallest buffer that is read to measure how fast caches and memory are.
const SMALLEST: usize = 1 << 14;
/// The largest: more than most caches hold.
const LARGEST: usize = 1 << 28;

/// Measures, and prints what was found.
pub(super) fn run<M: Model>(
    model: &mut M,
    input: &[f32],
    task: &cli::Bench,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let times = Times::measure(model, input, Duration::from_secs_f64(task.seconds))?;
    let machine = Machine::measure(model).ok_or_else(|| {
        let found =
            "the speed of this machine cannot be measured: there is too little memory, or there are too few threads";
        Failure::Run(Problem::new(M::NETWORK.name, found))
    })?;
    let profile = Profile::new(model, &times, &machine);
    if task.json {
        writeln!(out, "{}", profile.json())?;
        return Ok(());
    }
    let width = task.columns.or_else(terminal_width);
    write!(out, "{}", profile.text(width))?;
    Ok(())
}

/// What was measured of the network; all in seconds.
struct Times {
    runs: usize,
    /// Median of the runs without timers.
    end_to_end: f64,
    /// One per step, from the runs with timers.
    steps: Vec<f64>,
}

impl Times {
    /// Runs the network by turns with and without timers, so that what else the machine does falls on both.
    ///
    /// The time of a step is its mean over the runs around the median of their totals, a quarter of all: means of the same runs add
    /// up to the mean of their totals, and what was delayed is not among them.
    fn measure<M: Model>(model: &mut M, input: &[f32], time: Duration) -> Result<Self, Failure> {
        let start = Instant::now();
        let most = (MOST / M::NETWORK.steps.max(1)).max(FEWEST);
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        while whole.len() < FEWEST || (start.elapsed() < time && whole.len() < most) {
            let begin = Instant::now();
            std::hint::black_box(model.run(std::hint::black_box(input)).map_err(failed::<M>)?);
            whole.push(begin.elapsed().as_secs_f64());
            let timings = model.timings(std::hint::black_box(input)).map_err(failed::<M>)?;
            let seconds: Vec<f64> = timings.iter().map(|timing| timing.time.as_secs_f64()).collect();
            parts.push((seconds.iter().sum::<f64>(), seconds));
        }
        whole.sort_by(f64::total_cmp);
        parts.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        let runs = parts.len();
        let middle = &parts[runs * 3 / 8..(runs * 5).div_ceil(8)];
        let mut steps = vec![0.0; model.steps().len()];
        for (_, seconds) in middle {
            for (sum, seconds) in steps.iter_mut().zip(seconds) {
                *sum += seconds / middle.len() as f64;
            }
        }
        Ok(Self { runs, end_to_end: quantile(&whole, 0.5), steps })
    }

    /// The sum of the steps.
    fn sum(&self) -> f64 {
        self.steps.iter().sum()
    }

    fn ratio(&self) -> f64 {
        ratio(self.sum(), self.end_to_end)
    }
}

/// What the machine does at best, with the network's instruction set and threads.
struct Machine {
    /// Floating-point operations per second.
    peak: f64,
    /// Bytes per second, by the size in bytes of a buffer that is read over and over.
    bandwidths: BTreeMap<usize, f64>,
    /// The size that stands for the network's weights.
    of_weights: usize,
    /// The smallest and the largest that stand for the maps of a step.
    of_maps: [usize; 2],
}

impl Machine {
    fn measure<M: Model>(model: &M) -> Option<Self> {
        let (isa, threads) = (Kind::forced(model.isa()).ok()?, model.threads());
        let peak = speed::operations(isa, threads)?;
        let of_weights = size((M::NETWORK.weight_bytes + M::NETWORK.arena_bytes) as usize);
        let sizes: Vec<usize> = model.steps().iter().map(|step| size(bytes_of_maps(&step.work()) as usize)).collect();
        let of_maps = [sizes.iter().min(), sizes.iter().max()].map(|size| size.copied().unwrap_or(of_weights));
        let mut bandwidths = BTreeMap::new();
        for size in sizes.into_iter().chain([of_weights]) {
            if let Entry::Vacant(place) = bandwidths.entry(size) {
                // Where memory is short, a smaller buffer stands for a larger.
                let mut buffers = std::iter::successors(Some(size), |size| (*size > SMALLEST).then_some(size / 2));
                place.insert(buffers.find_map(|buffer| speed::bandwidth(isa, threads, buffer))?);
            }
        }
        Some(Self { peak, bandwidths, of_weights, of_maps })
    }

    fn bandwidth(&self, size: usize) -> f64 {
        self.bandwidths.get(&size).copied().unwrap_or(f64::NAN)
    }

    /// The least seconds that a step's arithmetic and its memory take.
    fn bounds(&self, work: &Work) -> [f64; 2] {
        let maps = bytes_of_maps(work);
        let compute = 2.0 * work.macs as f64 / self.peak;
        let memory = maps as f64 / self.bandwidth(size(maps as usize))
            + work.bytes_of_weights as f64 / self.bandwidth(self.of_weights);
        [compute, memory]
    }
}

/// The size of buffer that stands for so many bytes: a power of two, so that there are few to measure.
fn size(bytes: usize) -> usize {
    bytes.clamp(SMALLEST, LARGEST).next_power_of_two()
}

pub(super) fn bytes_of_maps(work: &Work) -> u64 {
    work.bytes_read + work.bytes_written
}

/// `a / b`, or 0 where there is no `b`: a number at any rate.
fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

/// A step, or the sum of several.
#[derive(Clone, Copy, Default)]
struct Row {
    steps: usize,
    /// In seconds.
    time: f64,
    macs: u64,
    bytes: u64,
    /// The least seconds that arithmetic takes, that memory takes, and that either takes of each step.
    compute: f64,
    memory: f64,
    bound: f64,
}

impl Row {
    fn new(work: &Work, time: f64, machine: &Machine) -> Self {
        let [compute, memory] = machine.bounds(work);
        let bytes = bytes_of_maps(work) + work.bytes_of_weights;
        Self { steps: 1, time, macs: work.macs, bytes, compute, memory, bound: compute.max(memory) }
    }

    fn plus(self, other: &Self) -> Self {
        Self {
            steps: self.steps + other.steps,
            time: self.time + other.time,
            macs: self.macs + other.macs,
            bytes: self.bytes + other.bytes,
            compute: self.compute + other.compute,
            memory: self.memory + other.memory,
            bound: self.bound + other.bound,
        }
    }

    /// Floating-point operations per second, or 0 when there is nothing to multiply.
    fn rate(&self) -> f64 {
        ratio(2.0 * self.macs as f64, self.time)
    }

    /// What bounds it; of several, for the most part.
    fn bound_by(&self) -> &'static str {
        if self.compute >= self.memory { "compute" } else { "memory" }
    }

    fn of_bound(&self) -> f64 {
        ratio(self.bound, self.time)
    }
}

/// All that is known.
struct Profile<'a> {
    network: &'static Network,
    isa: &'static str,
    threads: usize,
    times: &'a Times,
    machine: &'a Machine,
    /// One per step.
    rows: Vec<(&'static Step, Row)>,
    total: Row,
}

impl<'a> Profile<'a> {
    fn new<M: Model>(model: &M, times: &'a Times, machine: &'a Machine) -> Self {
        let rows: Vec<(&Step, Row)> = model
            .steps()
            .iter()
            .zip(&times.steps)
            .map(|(step, time)| (step, Row::new(&step.work(), *time, machine)))
            .collect();
        let total = rows.iter().fold(Row::default(), |total, (_, row)| total.plus(row));
        Self { network: M::NETWORK, isa: model.isa(), threads: model.threads(), times, machine, rows, total }
    }

    /// Sums over the steps of a kind, the longest first: the operation with its window, and the algorithm.
    fn kinds(&self) -> Vec<(String, &'static str, Row)> {
        let mut kinds: BTreeMap<(String, &str), Row> = BTreeMap::new();
        for (step, row) in &self.rows {
            let work = step.work();
            let sum = kinds.entry((operation(&work), work.algorithm.unwrap_or_default())).or_default();
            *sum = sum.plus(row);
        }
        let mut kinds: Vec<_> = kinds.into_iter().map(|((kind, algorithm), row)| (kind, algorithm, row)).collect();
        kinds.sort_by(|(.., a), (.., b)| b.time.total_cmp(&a.time));
        kinds
    }

    fn json(&self) -> Value {
        let measured = |row: &Row| {
            json!({
                "time_ms": row.time * 1e3,
                "share": ratio(row.time, self.total.time),
                "macs": row.macs,
                "gflop_per_s": row.rate() * 1e-9,
                "fraction_of_peak": ratio(row.rate(), self.machine.peak),
                "bytes": row.bytes,
                "bound": row.bound_by(),
                "compute_bound_ms": row.compute * 1e3,
                "memory_bound_ms": row.memory * 1e3,
                "bound_ms": row.bound * 1e3,
                "fraction_of_bound": row.of_bound(),
            })
        };
        let with = |mut object: Value, more: Value| {
            if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
                object.extend(more);
            }
            object
        };
        let steps = self.rows.iter().enumerate().map(|(index, (step, row))| {
            let work = step.work();
            let described = json!({
                "index": index,
                "name": step.name(),
                "operation": work.operation,
                "kernel": work.kernel,
                "stride": work.stride,
                "input_shape": work.input,
                "output_shape": work.output,
                "algorithm": work.algorithm,
                "tile_pixels": work.tile.map(|[pixels, _]| pixels),
                "tile_channels": work.tile.map(|[_, channels]| channels),
                "bytes_read": work.bytes_read,
                "bytes_written": work.bytes_written,
                "bytes_of_weights": work.bytes_of_weights,
            });
            with(described, measured(row))
        });
        let kinds = self.kinds();
        let kinds = kinds.iter().map(|(kind, algorithm, row)| {
            let algorithm = Some(algorithm).filter(|algorithm| !algorithm.is_empty());
            with(json!({ "kind": kind, "algorithm": algorithm, "steps": row.steps }), measured(row))
        });
        let bandwidths = self.machine.bandwidths.iter();
        let bandwidths = bandwidths.map(|(size, rate)| json!({ "buffer_bytes": size, "gbyte_per_s": rate * 1e-9 }));
        json!({
            "name": self.network.name,
            "isa": self.isa,
            "threads": self.threads,
            "batch": self.network.images(),
            "runs": self.times.runs,
            "end_to_end_ms": self.times.end_to_end * 1e3,
            "sum_of_steps_ms": self.times.sum() * 1e3,
            "sum_over_end_to_end": self.times.ratio(),
            "peak_gflop_per_s": self.machine.peak * 1e-9,
            "bandwidths": bandwidths.collect::<Vec<_>>(),
            "weights_gbyte_per_s": self.machine.bandwidth(self.machine.of_weights) * 1e-9,
            "total": measured(&self.total),
            "kinds": kinds.collect::<Vec<_>>(),
            "steps": steps.collect::<Vec<_>>(),
        })
    }

    fn text(&self, width: Option<usize>) -> String {
        let numbers = |row: &Row| {
            let of_macs = |text: String| if row.macs > 0 { text } else { String::new() };
            [
                format!("{:.3}", row.time * 1e3),
                percent(ratio(row.time, self.total.time), 1),
                of_macs(format!("{:.1}", row.rate() * 1e-9)),
                of_macs(percent(ratio(row.rate(), self.machine.peak), 0)),
                format!("{:.2}", row.bytes as f64 * 1e-6),
                row.bound_by().to_owned(),
                format!("{:.3}", row.bound * 1e3),
                percent(row.of_bound(), 0),
            ]
        };
        let cells = |texts: [String; 3], row: &Row, algorithm: String| {
            Line::Cells(texts.into_iter().chain(numbers(row)).chain([algorithm]).collect())
        };
        let mut lines: Vec<Line> = Vec::new();
        for (step, row) in &self.rows {
            let work = step.work();
            // A name from a user's file must not steer the terminal.
            let name = step.name().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let tile = work.tile.map_or_else(String::new, |[pixels, channels]| format!(" {pixels}x{channels}"));
            let texts = [name, operation(&work), shapes(&work)];
            lines.push(cells(texts, row, work.algorithm.unwrap_or_default().to_owned() + &tile));
        }
        lines.push(Line::Rule);
        for (kind, algorithm, row) in self.kinds() {
            let plural = if row.steps == 1 { "" } else { "s" };
            let texts = [kind, format!("{} step{plural}", row.steps), String::new()];
            lines.push(cells(texts, &row, algorithm.to_owned()));
        }
        lines.push(Line::Rule);
        let texts = ["all".to_owned(), format!("{} steps", self.total.steps), String::new()];
        lines.push(cells(texts, &self.total, String::new()));
        let width_of_text = width.unwrap_or(WIDE);
        [self.heading(), table::lay_out(&COLUMNS, &lines, width), self.legend(width_of_text)].join("\n")
    }

    fn heading(&self) -> String {
        format!(
            "{}: batch {}, {} thread(s), {}, {} runs\n",
            self.network.name,
            self.network.images(),
            self.threads,
            self.isa,
            self.times.runs
        )
    }

    fn legend(&self, width: usize) -> String {
        let (times, machine) = (self.times, self.machine);
        let apart = if (times.ratio() - 1.0).abs() > APART {
            "; they should be 3 % apart at most: the machine was busy with something else, measure again or longer"
        } else {
            ""
        };
        let speed = |size: usize| format!("{:.1} GB/s at {}", machine.bandwidth(size) * 1e-9, bytes(size));
        let [smallest, largest] = machine.of_maps.map(speed);
        let notes = [
            format!(
                "time: the steps add up to {:.3} ms; end to end, without timers, the network takes {:.3} ms (median): {:.1} %{apart}.",
                times.sum() * 1e3,
                times.end_to_end * 1e3,
                times.ratio() * 1e2
            ),
            format!(
                "GFLOP/s: two operations for each multiply-accumulate that the network asks for. The peak is {:.1}: multiply-adds \
                 in registers, measured on as many threads. An algorithm that needs fewer, as Winograd's or Strassen's, may exceed 100 %.",
                machine.peak * 1e-9
            ),
            "MB: maps read, maps written and weights, each value once.".to_owned(),
            format!(
                "bound: the least time that the machine allows, for arithmetic at the peak (compute) or for the bytes (memory), \
                 whichever is longer; of it: the share of the layer's time that this is. Weights come around once a run, so they \
                 count as read at the speed of a buffer as large as all of the network's weights and activations: {}. Maps were \
                 written just before, so they count as read and written at the speed of a buffer as large as the step's: from \
                 {smallest} to {largest}.",
                speed(machine.of_weights),
            ),
            "algorithm: how it is computed, and the tile held in registers: output pixels x output channels."
                .to_owned(),
        ];
        notes.map(|note| table::wrapped(&note, width, 2) + "\n").concat()
    }
}

/// The width of text where nothing says how wide it may be.
const WIDE: usize = 120;
/// How far apart the sum of the steps and the whole may be.
const APART: f64 = 0.03;

const COLUMNS: [Column; 12] = {
    const fn column(title: &'static str, align: Align, fit: Fit) -> Column {
        Column { title, align, fit }
    }
    [
        column("layer", Align::Left, Fit::Least(16)),
        column("operation", Align::Left, Fit::Rank(1)),
        column("channels x height x width", Align::Left, Fit::Rank(3)),
        column("ms", Align::Right, Fit::Whole),
        column("share", Align::Right, Fit::Whole),
        column("GFLOP/s", Align::Right, Fit::Whole),
        column("peak", Align::Right, Fit::Whole),
        column("MB", Align::Right, Fit::Whole),
        column("bound", Align::Left, Fit::Whole),
        column("bound ms", Align::Right, Fit::Rank(2)),
        column("of it", Align::Right, Fit::Whole),
        column("algorithm", Align::Left, Fit::Least(11)),
    ]
};

/// `conv 3x3/2`
fn operation(work: &Work) -> String {
    let mut text = work.operation.to_owned();
    if let Some([height, width]) = work.kernel {
        text += &format!(" {height}x{width}");
    }
    match work.stride {
        [1, 1] => {}
        [down, across] if down == across => text += &format!("/{down}"),
        [down, across] => text += &format!("/{down}x{across}"),
    }
    text
}

/// `64x56x56 -> 256x56x56`, or once when they are the same.
fn shapes(work: &Work) -> String {
    let shape = |[channels, height, width]: [usize; 3]| match [height, width] {
        [1, 1] => format!("{channels}"),
        _ => format!("{channels}x{height}x{width}"),
    };
    if work.input == work.output {
        shape(work.input)
    } else {
        format!("{} -> {}", shape(work.input), shape(work.output))
    }
}

fn percent(fraction: f64, digits: usize) -> String {
    format!("{:.digits$}%", fraction * 1e2)
}

/// A power of two.
fn bytes(size: usize) -> String {
    if size >= 1 << 20 { format!("{} MiB", size >> 20) } else { format!("{} KiB", size >> 10) }
}

/// The width of the terminal that the output goes to.
fn terminal_width() -> Option<usize> {
    if !io::stdout().is_terminal() {
        return None;
    }
    let given = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    // The standard library does not tell, `stty` does: "rows columns" of the terminal that it reads from.
    let asked = || {
        let output = Command::new("stty").arg("size").stdin(Stdio::inherit()).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()?.split_whitespace().nth(1)?.parse().ok()
    };
    given.or_else(asked).filter(|width| *width > 0).or(Some(80))
}
