//! What surrounds a network: preprocessing, labels, expected counts.

use std::path::PathBuf;

use serde::Serialize;

use super::problems::Problems;
use super::resolve::Resolution;
use super::spec::{InputShape, Preset, ResidualBlock, Scheme, Spec, StageBlock};
use crate::diagnostic::Diagnostic;
use crate::frontend::Preprocess;
use crate::frontend::count;
use crate::frontend::source::Source;
use crate::frontend::surroundings::{self, LabelKeys, PreprocessKeys, Surroundings};
use crate::frontend::weights::Role;
use crate::ir::Shape;
use crate::limits;

/// How a picture becomes the input, with the preset's values filled in; what is given in `over` takes the place of what the spec says.
pub fn preprocess(spec: &Spec, over: &Surroundings, problems: &mut Problems<'_>) -> Option<Preprocess> {
    let InputShape(_, channels, height, width) = spec.input.shape;
    let mut found = Vec::new();
    let place = |path: &str| Some(problems.place(path));
    let keys = PreprocessKeys { own: spec.preprocess.as_ref(), given: &over.preprocess, place: &place };
    let rules = surroundings::preprocess(&keys, [channels, height, width], &mut |problem| found.push(problem));
    let preset = keys.merged().and_then(|keys| keys.preset).unwrap_or_default();
    let given = over.preprocess.preset.is_some();
    found.into_iter().for_each(|problem| problems.report(problem));
    if let Some(rules) = &rules {
        doubt_preset(spec, preset, rules, given, problems);
    }
    doubt_epsilon(spec, problems);
    rules
}

/// What the weights of a naming scheme are usually trained with.
struct Usual {
    /// Epsilons of batch normalisation.
    epsilons: &'static [f64],
    /// Presets, the likeliest first. `unit` and `raw` are in the list where nothing speaks against values of one's own.
    presets: &'static [Preset],
}

fn usual(spec: &Spec) -> Usual {
    const PYTORCH: Usual = Usual {
        epsilons: &[1e-5],
        presets: &[
            Preset::Torchvision,
            Preset::Timm,
            Preset::TimmInception,
            Preset::HuggingFace,
            Preset::Unit,
            Preset::Raw,
        ],
    };
    let preactivation = spec.stages.as_ref().is_some_and(|stages| {
        let blocks = [ResidualBlock::PreactivationBasic, ResidualBlock::PreactivationBottleneck];
        blocks.map(StageBlock::Residual).contains(&stages.block)
    });
    match spec.weights.names.scheme() {
        Scheme::Torchvision | Scheme::TimmResnetv2 | Scheme::HuggingFace => PYTORCH,
        Scheme::Keras if preactivation => Usual { epsilons: &[1.001e-5], presets: &[Preset::KerasTf] },
        Scheme::Keras => Usual { epsilons: &[1.001e-5], presets: &[Preset::KerasCaffe] },
        // Inception-ResNet-v2, and ResNet-8 of MLPerf Tiny.
        Scheme::KerasNumbered => Usual { epsilons: &[1e-3], presets: &[Preset::KerasTf, Preset::Raw] },
        Scheme::Caffe => Usual { epsilons: &[1e-5], presets: &[Preset::KerasCaffe] },
    }
}

/// Warns of values for pixels that no usual preset of the weights gives.
fn doubt_preset(spec: &Spec, preset: Preset, rules: &Preprocess, given: bool, problems: &mut Problems<'_>) {
    let (scheme, usual) = (spec.weights.names.scheme(), usual(spec).presets);
    if usual.contains(&preset) || usual.iter().any(|usual| usual.gives(rules)) {
        return;
    }
    let Some(likeliest) = usual.first() else { return };
    let message = format!(
        "weights with `{}` names are usually trained with `{}`, not with `{}`",
        word(&scheme),
        word(likeliest),
        word(&preset)
    );
    let hint = format!("say `{}` if they are the published ones", word(likeliest));
    let key = if given { "preprocess.preset" } else { "preprocess" };
    let warning = Diagnostic::warning("W-ACC", message).about(key).hint(hint);
    problems.report(if given { warning } else { warning.at(problems.place("preprocess")) });
}

/// Warns of an epsilon that the weights are not usually trained with.
fn doubt_epsilon(spec: &Spec, problems: &mut Problems<'_>) {
    let epsilon = spec.defaults.batch_norm.epsilon;
    let (scheme, usual) = (spec.weights.names.scheme(), usual(spec).epsilons);
    if usual.iter().any(|usual| (usual - epsilon).abs() <= usual * 1e-6) {
        return;
    }
    let list: Vec<_> = usual.iter().map(|epsilon| format!("{epsilon:e}")).collect();
    let message = format!(
        "weights with `{}` names are usually trained with an epsilon of {}, not of {epsilon:e}",
        word(&scheme),
        list.join(" or ")
    );
    problems
        .warning("W-ACC", "defaults.batch_norm.epsilon", message)
        .hint("results depart a little where the epsilon is another than in training");
}

/// A value of the spec as it is written.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The labels, read from their file if they have one, and the file.
pub fn labels(
    spec: &Spec,
    over: &Surroundings,
    source: &Source<'_>,
    resolution: &Resolution,
    problems: &mut Problems<'_>,
) -> (Vec<String>, Option<PathBuf>) {
    let mut found = Vec::new();
    let place = |path: &str| Some(problems.place(path));
    let keys = LabelKeys { own: spec.labels.as_ref(), given: over.labels.as_ref(), place: &place };
    let beside = |name: &str| source.beside(name, limits::LABEL_BYTES.get());
    let outputs: Vec<&Shape> = resolution.outputs.iter().map(|output| &output.shape).collect();
    let labels = surroundings::labels(&keys, &beside, &outputs, &mut |problem| found.push(problem));
    found.into_iter().for_each(|problem| problems.report(problem));
    labels
}

/// Parameters, statistics and multiply-accumulates of one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Trainable.
    pub parameters: u64,
    /// Running means and variances.
    pub statistics: u64,
    /// Of convolutions and dense layers.
    pub macs: u64,
}

/// The counts of a network whose shapes are known.
pub fn counts(resolution: &Resolution) -> Counts {
    let mut counts = Counts { parameters: 0, statistics: 0, macs: 0 };
    for request in &resolution.requests {
        let length = request.shape.len() as u64;
        match request.role {
            Role::Kernel | Role::Bias | Role::Gamma | Role::Beta => counts.parameters += length,
            Role::Mean | Role::Variance => counts.statistics += length,
        }
    }
    for layer in &resolution.layers {
        if let Some(kernel) = resolution.requests.get(layer.tensors.start).filter(|_| !layer.tensors.is_empty()) {
            let macs = count::operation_macs(&layer.op, &layer.shape, Some(&kernel.shape));
            counts.macs = counts.macs.saturating_add(macs);
        }
    }
    counts
}

/// Checks the counts against what the spec expects.
pub fn expect(spec: &Spec, counts: Counts, problems: &mut Problems<'_>) {
    let expect = spec.expect;
    for (key, expected, found) in [
        ("parameters", expect.parameters, counts.parameters),
        ("statistics", expect.statistics, counts.statistics),
        ("macs", expect.macs, counts.macs),
    ] {
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            problems
                .error("E-EXPECT", &format!("expect.{key}"), format!("the network has {found}"))
                .expected(expected.to_string());
        }
    }
}
