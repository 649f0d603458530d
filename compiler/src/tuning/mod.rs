//! A file of measured decisions, as `resnetc tune` writes it and every command that compiles takes it:
//!
//! ```yaml
//! tuning: resnetc/1
//! compiler: 0.1.0
//! machine: {processor: "AMD EPYC 9R45", isa: avx512, threads: 2}
//! layers:
//!   conv 3x3 stride 1 dilation 1 groups 1 256->256 14x14 batch 1:
//!     winograd: {outputs: 4, group: 16}
//!     microseconds: 85.2
//!     model: direct {band: 196, depth: 2, sums: 32768}
//!     model_microseconds: 93.1
//! ```
//!
//! Under a layer stands its decision, `winograd`, `grouped` or `direct`, with `pixels: {avx512: 7}` beside it when its register tiles are bounded. What else
//! stands there, and above the layers, tells where it comes from and decides nothing.

pub mod probe;
mod read;

use std::fmt;

pub use read::{parse, read};

use crate::plan::tuning::{list, numbers};
use crate::plan::{Decision, Layer};

/// The value of `tuning`: the format of the file.
pub const FORMAT: &str = "resnetc/1";

/// The content of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// The compiler's version.
    pub compiler: String,
    /// Where it was measured.
    pub machine: Machine,
    /// Layers that are better computed otherwise than the model says.
    pub layers: Vec<Measured>,
}

/// Where it was measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The processor as it calls itself.
    pub processor: String,
    /// The instruction set in use.
    pub isa: String,
    /// Threads.
    pub threads: usize,
}

/// A measured decision.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The layer.
    pub layer: Layer,
    /// What is best.
    pub decision: Decision,
    /// Its time.
    pub microseconds: f64,
    /// What the model says.
    pub model: Decision,
    /// The time of that.
    pub model_microseconds: f64,
}

/// The text of the file.
impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { compiler, machine: Machine { processor, isa, threads }, layers } = self;
        writeln!(f, "# Made by `resnetc tune`: how some layers are best computed on this machine.")?;
        writeln!(f, "# `resnetc compile MODEL --tuning FILE` and the macro's field `tuning` take it.")?;
        writeln!(f, "tuning: {FORMAT}\ncompiler: {compiler}")?;
        writeln!(f, "machine: {{processor: \"{}\", isa: {isa}, threads: {threads}}}", quotable(processor))?;
        if layers.is_empty() {
            return writeln!(f, "layers: {{}}");
        }
        writeln!(f, "layers:")?;
        for Measured { layer, decision, microseconds, model, model_microseconds } in layers {
            let (algorithm, values) = numbers(decision.algorithm);
            writeln!(f, "  {layer}:\n    {algorithm}: {{{}}}", list(&values))?;
            let pixels = decision.pixels.named().into_iter().filter_map(|(name, most)| Some((name, most?)));
            let pixels: Vec<_> = pixels.collect();
            if !pixels.is_empty() {
                writeln!(f, "    pixels: {{{}}}", list(&pixels))?;
            }
            writeln!(f, "    microseconds: {microseconds:.1}\n    model: \"{model}\"")?;
            writeln!(f, "    model_microseconds: {model_microseconds:.1}")?;
        }
        Ok(())
    }
}

/// What may stand between double quotes as it is.
fn quotable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).take(200).collect()
}
