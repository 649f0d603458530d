//! Decisions that were measured, in the place of the model's.
//!
//! A [`Tuning`] knows layers by what bears on the decision and not by their names: equal layers share a decision, and one file
//! serves every network that has such layers.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::choose::Layer;
use super::geometry::{Algorithm, BLOCK, Direct, Grouped, Strassen, Winograd};
use crate::diagnostic::{Diagnostic, Place};

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The algorithm with its numbers.
    pub algorithm: Algorithm,
    /// Bounds of its register tiles.
    pub pixels: Pixels,
}

impl From<Algorithm> for Decision {
    fn from(algorithm: Algorithm) -> Self {
        Self { algorithm, pixels: Pixels::default() }
    }
}

/// The most output pixels of a register tile on each instruction set; as many as there are registers for where not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pixels {
    /// For AVX-512.
    pub avx512: Option<usize>,
    /// For AVX2 with FMA.
    pub avx2: Option<usize>,
    /// For NEON.
    pub neon: Option<usize>,
    /// For portable Rust.
    pub portable: Option<usize>,
}

impl Pixels {
    /// Names and bounds.
    pub fn named(self) -> [(&'static str, Option<usize>); 4] {
        [("avx512", self.avx512), ("avx2", self.avx2), ("neon", self.neon), ("portable", self.portable)]
    }

    /// A bound for the instruction set of this name; none when there is no such.
    pub fn of(isa: &str, most: usize) -> Self {
        let only = |name| (isa == name).then_some(most);
        Self { avx512: only("avx512"), avx2: only("avx2"), neon: only("neon"), portable: only("portable") }
    }
}

/// `winograd {outputs: 4, group: 16}`, with `, pixels {avx512: 7}` behind it when tiles are bounded.
impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, numbers) = numbers(self.algorithm);
        write!(f, "{name} {{{}}}", list(&numbers))?;
        let pixels: Vec<_> = self.pixels.named().into_iter().filter_map(|(name, most)| Some((name, most?))).collect();
        if pixels.is_empty() { Ok(()) } else { write!(f, ", pixels {{{}}}", list(&pixels)) }
    }
}

/// An algorithm's name and its numbers, as a file has them.
pub fn numbers(algorithm: Algorithm) -> (&'static str, Vec<(&'static str, usize)>) {
    match algorithm {
        Algorithm::Direct(Direct { band, depth, sums }) => {
            ("direct", vec![("band", band), ("depth", depth), ("sums", sums)])
        }
        Algorithm::Winograd(Winograd { outputs, group }) => ("winograd", vec![("outputs", outputs), ("group", group)]),
        Algorithm::Strassen(Strassen { band, depth }) => ("strassen", vec![("band", band), ("depth", depth)]),
        Algorithm::Grouped(Grouped { channels }) => ("grouped", vec![("channels", channels)]),
    }
}

/// `outputs: 4, group: 16`
pub fn list(numbers: &[(&'static str, usize)]) -> String {
    numbers.iter().map(|(name, number)| format!("{name}: {number}")).collect::<Vec<_>>().join(", ")
}

/// What is wrong with one number of a decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Which: a path such as `winograd.group`.
    pub subject: String,
    /// What is wrong.
    pub found: String,
    /// What would have been right.
    pub expected: String,
}

/// Most pixels of a register tile, on any instruction set.
const MOST_PIXELS: usize = 28;
/// Most pixels of a band: more than any map has.
const MOST_BAND: usize = 1 << 24;
/// Most sums between passes, per thread: 4 MiB.
const MOST_SUMS: usize = 1 << 20;
/// Most bytes of transformed input, per thread.
const MOST_GROUP_BYTES: usize = 64 << 20;
/// The largest number in a layer's text.
const LARGEST: usize = 1 << 20;

impl Layer {
    /// What is wrong with a decision for this layer; nothing when it can be carried out.
    pub fn refusals(&self, decision: &Decision) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        let mut within = |subject: String, number: usize, what: &str, most: usize| {
            if !(1..=most).contains(&number) {
                let found = format!("{number} {what}");
                refusals.push(Refusal { subject, found, expected: format!("1 to {most}") });
            }
        };
        for (isa, most) in decision.pixels.named() {
            if let Some(most) = most {
                within(format!("pixels.{isa}"), most, "pixels per register tile", MOST_PIXELS);
            }
        }
        match decision.algorithm {
            Algorithm::Direct(Direct { band, depth, sums }) => {
                within("direct.band".to_owned(), band, "pixels per band", MOST_BAND);
                within("direct.depth".to_owned(), depth, "input blocks per pass", self.blocks());
                within("direct.sums".to_owned(), sums, "sums per run", MOST_SUMS);
            }
            Algorithm::Winograd(winograd @ Winograd { outputs, group }) => {
                if self.winograd_tiles().is_empty() {
                    refusals.push(Refusal {
                        subject: "winograd".to_owned(),
                        found: "this layer cannot be computed by Winograd's minimal filtering".to_owned(),
                        expected:
                            "`direct`; Winograd takes a kernel of 3x3 with stride 1 or 2 behind the input, or of 7x7 with stride 2 on \
                             an input of few channels, without dilation"
                                .to_owned(),
                    });
                } else if !self.winograd_tiles().contains(&outputs) {
                    refusals.push(Refusal {
                        subject: "winograd.outputs".to_owned(),
                        found: format!("tiles of {outputs} outputs to a side"),
                        expected: self.winograd_tiles().iter().map(usize::to_string).collect::<Vec<_>>().join(" or "),
                    });
                } else {
                    let per_tile = winograd.products(self.stride[0]) * self.inputs.next_multiple_of(BLOCK) * 4;
                    let most = self.tiles(outputs).min(MOST_GROUP_BYTES / per_tile).max(1);
                    within("winograd.group".to_owned(), group, "tiles at a time", most);
                }
            }
            Algorithm::Strassen(Strassen { band, depth }) => {
                let half = self.blocks() / 2;
                if !self.has_strassen() {
                    refusals.push(Refusal {
                        subject: "strassen".to_owned(),
                        found: "this layer cannot be computed by Strassen's multiplication".to_owned(),
                        expected:
                            "`direct`; Strassen takes a kernel of 1x1 without groups, two pixels or more, and channels in \
                                   multiples of 32"
                                .to_owned(),
                    });
                } else if !half.is_multiple_of(depth) {
                    refusals.push(Refusal {
                        subject: "strassen.depth".to_owned(),
                        found: format!("{depth} input blocks of each half per pass"),
                        expected: format!("a divisor of {half}"),
                    });
                } else {
                    within("strassen.band".to_owned(), band, "pairs of pixels per band", self.pairs());
                }
            }
            Algorithm::Grouped(Grouped { channels }) => match self.grouped() {
                None => refusals.push(Refusal {
                    subject: "grouped".to_owned(),
                    found: "this layer cannot be computed in groups of few channels".to_owned(),
                    expected: format!(
                        "another decision; `grouped` takes 2 groups or more of 1, 2, 4, 8 or 16 channels, as many out as in, \
                         and a kernel that spans at most {} columns with a stride up to {}",
                        Grouped::WIDEST,
                        Grouped::LARGEST_STRIDE
                    ),
                }),
                Some(grouped) if grouped.channels != channels => refusals.push(Refusal {
                    subject: "grouped.channels".to_owned(),
                    found: format!("{channels} channels per group"),
                    expected: grouped.channels.to_string(),
                }),
                Some(_) => (),
            },
        }
        refusals
    }

    /// Reads the text that [`Layer`] is displayed as; `None` when it is no layer's.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let (words, raw) = match words.as_slice() {
            [words @ .., "raw"] => (words, true),
            words => (words, false),
        };
        let [
            "conv",
            kernel,
            "stride",
            stride,
            "dilation",
            dilation,
            "groups",
            groups,
            channels,
            output,
            "batch",
            batch,
        ] = words
        else {
            return None;
        };
        let (inputs, outputs) = channels.split_once("->")?;
        let layer = Self {
            batch: number(batch)?,
            inputs: number(inputs)?,
            outputs: number(outputs)?,
            output: pair(output)?,
            kernel: pair(kernel)?,
            stride: step(stride)?,
            dilation: step(dilation)?,
            groups: number(groups)?,
            raw,
        };
        let holds = layer.inputs.is_multiple_of(layer.groups)
            && layer.outputs.is_multiple_of(layer.groups)
            && (!raw || layer.inputs < BLOCK);
        // There is one text per layer.
        (holds && layer.to_string() == text).then_some(layer)
    }
}

fn number(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number| (1..=LARGEST).contains(number))
}

fn pair(text: &str) -> Option<[usize; 2]> {
    let (a, b) = text.split_once('x')?;
    Some([number(a)?, number(b)?])
}

fn step(text: &str) -> Option<[usize; 2]> {
    if text.contains('x') { pair(text) } else { number(text).map(|both| [both; 2]) }
}

/// `conv 3x3 stride 1 dilation 1 groups 1 256->256 14x14 batch 1`: kernel, channels, the output's size; with ` raw` behind it when it reads
/// the network's own input of few channels.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |[a, b]: [usize; 2]| format!("{a}x{b}");
        let step = |[a, b]: [usize; 2]| if a == b { a.to_string() } else { pair([a, b]) };
        write!(
            f,
            "conv {} stride {} dilation {} groups {} {}->{} {} batch {}{}",
            pair(self.kernel),
            step(self.stride),
            step(self.dilation),
            self.groups,
            self.inputs,
            self.outputs,
            pair(self.output),
            self.batch,
            if self.raw { " raw" } else { "" }
        )
    }
}

/// Decisions by layer, each of which can be carried out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tuning {
    /// The file it was read from.
    file: Option<PathBuf>,
    decisions: BTreeMap<Layer, Tuned>,
}

/// A decision, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuned {
    /// The decision.
    pub decision: Decision,
    /// The layer's place in the file.
    pub place: Option<Place>,
}

impl Tuning {
    /// One that was read from a file, without decisions so far.
    pub fn from_file(path: &Path) -> Self {
        Self { file: Some(path.to_path_buf()), ..Self::default() }
    }

    /// The file it was read from.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Adds a decision, in the place of one that the layer may have.
    ///
    /// # Errors
    /// When the layer cannot be computed so.
    pub fn insert(&mut self, layer: Layer, tuned: Tuned) -> Result<(), Vec<Refusal>> {
        let refusals = layer.refusals(&tuned.decision);
        if !refusals.is_empty() {
            return Err(refusals);
        }
        self.decisions.insert(layer, tuned);
        Ok(())
    }

    /// The decision for a layer.
    pub fn get(&self, layer: &Layer) -> Option<&Tuned> {
        self.decisions.get(layer)
    }

    /// The number of decisions.
    pub fn len(&self) -> usize {
        self.decisions.len()
    }

    /// Whether every decision is the model's.
    pub fn is_empty(&self) -> bool {
        self.decisions.is_empty()
    }

    /// Says that none of the network's layers is here.
    pub(super) fn strange(&self, some: Option<&Layer>) -> Diagnostic {
        let Self { file, decisions } = self;
        let mut warning =
            Diagnostic::warning("W-TUNING", format!("none of its {} layers is in the network", decisions.len()))
                .hint("make one for this network with `resnetc tune`, with the same batch and sizes");
        if let Some(layer) = some {
            warning = warning.expected(format!("layers such as `{layer}`"));
        }
        match file {
            Some(file) => warning.at(Place::file(file)),
            None => warning.about("tuning"),
        }
    }
}

impl Tuned {
    /// Says that a decision is at odds with `exact`.
    pub(super) fn inexact(&self, layer: &Layer) -> Diagnostic {
        let (name, _) = numbers(self.decision.algorithm);
        let error = Diagnostic::error("E-TUNING", format!("`{name}`, while the network is to be exact"))
            .about(format!("`{layer}`"))
            .expected("`direct` or `grouped`, sums of products")
            .hint("leave `exact` out, or make a file with `resnetc tune --exact`");
        match &self.place {
            Some(place) => error.at(place.clone()),
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "conv 3x3 stride 1 dilation 1 groups 1 256->256 14x14 batch 1";

    #[test]
    fn a_layer_is_read_back_from_its_text() {
        for text in [
            TEXT,
            "conv 7x7 stride 2 dilation 1 groups 1 3->64 112x112 batch 4 raw",
            "conv 1x7 stride 1x2 dilation 2x1 groups 32 64->128 7x9 batch 1",
        ] {
            assert_eq!(Layer::parse(text).map(|layer| layer.to_string()).as_deref(), Some(text));
        }
        for text in [
            "",
            "conv",
            "conv 3x3 stride 1 dilation 1 groups 1 256->256 14x14 batch 1 ",
            "conv 3x3 stride 1x1 dilation 1 groups 1 256->256 14x14 batch 1",
            "conv 3x3 stride 01 dilation 1 groups 1 256->256 14x14 batch 1",
            "conv 3x3 stride 0 dilation 1 groups 1 256->256 14x14 batch 1",
            "conv 3x3 stride 1 dilation 1 groups 0 256->256 14x14 batch 1",
            "conv 3x3 stride 1 dilation 1 groups 3 256->256 14x14 batch 1",
            "conv 3x3 stride 1 dilation 1 groups 512 256->256 14x14 batch 1",
            "conv 3x3 stride 1 dilation 1 groups 1 256->256 14x14 batch 18446744073709551616",
            "conv 3x3 stride 1 dilation 1 groups 1 16->256 14x14 batch 1 raw",
        ] {
            assert_eq!(Layer::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_carried_out_is_refused() {
        let layer = Layer::parse(TEXT).unwrap();
        let winograd = |outputs, group| Decision::from(Algorithm::Winograd(Winograd { outputs, group }));
        let direct = |band, depth, sums| Decision::from(Algorithm::Direct(Direct { band, depth, sums }));
        let subjects =
            |layer: Layer, decision| layer.refusals(&decision).into_iter().map(|r| r.subject).collect::<Vec<_>>();
        assert!(subjects(layer, winograd(4, 16)).is_empty());
        assert!(subjects(layer, direct(96, 16, 1)).is_empty());
        assert_eq!(subjects(layer, winograd(4, 17)), ["winograd.group"]);
        assert_eq!(subjects(layer, winograd(4, 0)), ["winograd.group"]);
        assert_eq!(subjects(layer, winograd(3, 1)), ["winograd.outputs"]);
        assert_eq!(subjects(Layer { stride: [3, 3], ..layer }, winograd(4, 1)), ["winograd"]);
        let stem = Layer { kernel: [7, 7], stride: [2, 2], inputs: 3, raw: true, ..layer };
        assert!(subjects(stem, winograd(3, 25)).is_empty());
        assert_eq!(subjects(stem, winograd(4, 25)), ["winograd.outputs"]);
        for other in [
            Layer { inputs: 5, ..stem },
            Layer { raw: false, ..stem },
            Layer { stride: [1, 1], ..stem },
            Layer { inputs: 1, output: [14, 4], ..stem },
        ] {
            assert_eq!(subjects(other, winograd(3, 1)), ["winograd"], "{other}");
        }
        assert_eq!(subjects(layer, direct(0, 17, usize::MAX)), ["direct.band", "direct.depth", "direct.sums"]);
        let pixels = Pixels { neon: Some(29), ..Pixels::of("avx2", 0) };
        assert_eq!(subjects(layer, Decision { pixels, ..direct(1, 1, 1) }), ["pixels.avx2", "pixels.neon"]);
        let grouped = |channels| Decision::from(Algorithm::Grouped(Grouped { channels }));
        let next = Layer { groups: 64, ..layer };
        assert!(subjects(next, grouped(4)).is_empty());
        assert_eq!(subjects(next, grouped(8)), ["grouped.channels"]);
        assert_eq!(subjects(layer, grouped(4)), ["grouped"]);
        // Transformed input of all tiles would be gigabytes.
        let huge = Layer { output: [1 << 12, 1 << 12], ..layer };
        assert_eq!(subjects(huge, winograd(2, 1 << 20)), ["winograd.group"]);
    }
}
