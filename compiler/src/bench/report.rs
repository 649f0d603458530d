//! What a benchmark of fused against unfused programs found: plain numbers, shown as a table, JSON or a page.

use crate::ir::Graph;

/// All that a benchmark found.
#[derive(Debug, Clone)]
pub struct Report {
    /// The network's name.
    pub network: String,
    /// The model as it was named on the command line.
    pub model: String,
    /// The compiler's version.
    pub compiler: String,
    /// When it was measured: seconds since 1970, UTC.
    pub time: u64,
    /// Where it was measured.
    pub machine: Machine,
    /// What was read: each file's name, without its folder, and the SHA-256 of its bytes in hexadecimal.
    pub files: Vec<(String, String)>,
    /// Where the weights came from: `seed:0`, or a file's name.
    pub weights: String,
    /// Whether every convolution was computed as sums of products.
    pub exact: bool,
    /// The passes that were switched, in their order, with their summaries.
    pub passes: Vec<(String, String)>,
    /// The programs that were timed, one batch after another: the first of each batch runs no pass but those that no program can do without.
    pub variants: Vec<Variant>,
    /// Timings, one per batch and number of threads.
    pub settings: Vec<Setting>,
    /// The graph before the passes, and after all of them.
    pub graphs: [Graph; 2],
}

/// The machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// The instruction set.
    pub isa: String,
    /// Threads that the system offers.
    pub threads: usize,
}

/// Why a variant was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// No pass that can be left out, or none of those that were chosen to be switched.
    Unfused,
    /// The passes of the variant before it, and one more.
    Added(String),
    /// All passes but one.
    Without(String),
    /// All passes, each where it pays.
    Full,
}

/// A program.
#[derive(Debug, Clone)]
pub struct Variant {
    /// Why it was built. The last pass that is added makes it the full one, which then stands once, as [`Role::Full`].
    pub role: Role,
    /// Images per call.
    pub batch: usize,
    /// The passes that ran.
    pub passes: Vec<String>,
    /// Steps of the program.
    pub steps: usize,
    /// Multiply-accumulates that the network asks for, of all images of a call.
    pub macs: u64,
    /// Bytes of memory for activations.
    pub arena_bytes: u64,
    /// Bytes of the packed weights.
    pub weight_bytes: u64,
    /// Bytes of maps that all steps together read and write.
    pub map_bytes: u64,
    /// Bytes that a call is expected to fetch into a second-level cache of 512 KiB, on one thread.
    pub fetched_bytes: u64,
    /// The largest distance of its outputs from those of the unfused variant, by the largest of these.
    pub departure: f64,
}

/// One batch and number of threads.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Images per call.
    pub batch: usize,
    /// Threads.
    pub threads: usize,
    /// Timings, by the place of the variant in [`Report::variants`]: those of the batch.
    pub timings: Vec<Timing>,
    /// Each layer in the unfused and the full program.
    pub layers: Vec<Layers>,
    /// Floating-point operations per second that the machine does at best.
    pub peak: f64,
    /// Bytes per second that it reads at best: of a buffer as large as the weights and activations, and of one that lies in a second-level cache.
    pub bandwidth: [f64; 2],
}

/// The time of a variant.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Its place in [`Report::variants`].
    pub variant: usize,
    /// Median over the rounds, milliseconds.
    pub median: f64,
    /// The least time of any round, milliseconds.
    pub least: f64,
    /// How many rounds.
    pub rounds: usize,
    /// Its time by that of the unfused variant in the same round: median and the 95 % bootstrap interval around it.
    pub against_unfused: Interval,
    /// Its time by that of the variant to which it adds a pass or from which it takes one, in the same round.
    pub against_neighbour: Interval,
}

/// A ratio with the interval around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The median.
    pub median: f64,
    /// The lower end of the 95 % interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    /// The ratio of equal things: the same program is neither faster nor slower than itself.
    pub const ONE: Self = Self { median: 1.0, low: 1.0, high: 1.0 };

    /// Whether the ratio is below or above 1 beyond noise.
    pub fn is_certain(&self) -> bool {
        self.high < 1.0 || self.low > 1.0
    }
}

/// A step of the full program, or several that do together what cannot be told apart, and the steps of the unfused one that it does the
/// work of. Every step of either program is in one of these. What of the unfused one belongs nowhere is in a last one, called `rest`.
#[derive(Debug, Clone)]
pub struct Layers {
    /// The full program's step, as it is named there; of several, the one with the most multiply-accumulates.
    pub name: String,
    /// What it computes, in short: `conv 3x3 64 -> 64`.
    pub what: String,
    /// Microseconds in the full program.
    pub fused: f64,
    /// Microseconds of each step of the unfused program whose work it does, with its name.
    pub unfused: Vec<(String, f64)>,
    /// Multiply-accumulates that the network asks for here.
    pub macs: u64,
    /// Bytes of maps and of weights that the fused step reads and writes.
    pub bytes: u64,
}
