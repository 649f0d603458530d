//! Which of the specs that ship a file of weights fits, and what sets one spec apart from another.

use super::spec::{ResidualBlock, Spec, StageBlock, Stages};
use super::{ALIKE, Described, Reading, describe_as, overrides::Overrides};
use crate::frontend::source::Source;
use crate::frontend::weights::{TensorFile, assign};
use crate::frontend::{Changes, shipped};

/// A spec that a file of weights fits.
#[derive(Debug, Clone)]
pub struct Fit {
    /// The spec's name.
    pub name: &'static str,
    /// Whether the file has the classifier too.
    pub include_top: bool,
    /// The spec.
    pub described: Described,
}

/// The specs that ship whose tensors are those of a file, none missing and none left over.
pub fn fitting(file: &TensorFile) -> Vec<Fit> {
    let mut fits = Vec::new();
    for shipped in &shipped::SPECS {
        for include_top in [true, false] {
            let structure = Overrides { include_top: Some(include_top), ..Overrides::default() };
            let changes = Changes { structure, ..Changes::default() };
            let reading = Reading { batch: 1, changes: &changes, scheme: None };
            let Ok((described, _)) = describe_as(&Source::Shipped(shipped), reading) else { continue };
            let own = described.spec.weights.names.scheme();
            let others = ALIKE.into_iter().filter(|scheme| ALIKE.contains(&own) && *scheme != own);
            let other = |scheme| {
                let reading = Reading { scheme: Some(scheme), ..reading };
                describe_as(&Source::Shipped(shipped), reading).ok().map(|(described, _)| described)
            };
            let found = std::iter::once(Some(described))
                .chain(others.map(other))
                .flatten()
                .find(|described| fits_exactly(described, file));
            if let Some(described) = found {
                fits.push(Fit { name: shipped.name, include_top, described });
                break;
            }
        }
    }
    fits
}

/// Nothing is missing, and nothing is left over: not the tensors of a head either.
fn fits_exactly(described: &Described, file: &TensorFile) -> bool {
    let nothing = crate::frontend::weights::LeftOut::default();
    let wanted = crate::frontend::weights::Wanted { left_out: &nothing, ..described.wanted() };
    assign(&wanted, file).fits(wanted.requests)
}

/// What `other` has that `spec` has not, in words.
pub fn differences(spec: &Spec, other: &Spec) -> Vec<String> {
    let mut found = Vec::new();
    if let (Some(stages), Some(others)) = (&spec.stages, &other.stages) {
        if preactivation(stages) != preactivation(others) {
            found.push(match preactivation(others) {
                true => "v2: normalisation and activation before the convolutions".to_owned(),
                false => "v1: normalisation behind the convolutions".to_owned(),
            });
        }
        if stages.depth != others.depth {
            found.push(format!("depth {:?}", others.depth));
        }
        if stages.width != others.width {
            found.push(format!("width {:?}", others.width));
        }
        if bottleneck(stages) != bottleneck(others) {
            found.push(if bottleneck(others) { "bottlenecks" } else { "basic blocks" }.to_owned());
        } else if stride_on(stages) != stride_on(others) {
            let kernel = if bottleneck(others) && stride_on(others) != 2 { "1x1" } else { "3x3" };
            found.push(format!("the stride on the {kernel} convolution (`stride_on: {}`)", stride_on(others)));
        }
        if (stages.groups, stages.base_width) != (others.groups, others.base_width) {
            found.push(format!("groups {} and base width {}", others.groups, others.base_width));
        }
        if stages.shortcut != others.shortcut {
            found.push("other shortcuts".to_owned());
        }
        if stages.squeeze_excitation.is_some() != others.squeeze_excitation.is_some() {
            let with = if others.squeeze_excitation.is_some() { "with" } else { "without" };
            found.push(format!("{with} squeeze-and-excitation"));
        }
    }
    let [own, others] = [spec, other].map(|spec| spec.defaults.batch_norm.epsilon);
    if own != others {
        found.push(format!("epsilon {others:e}"));
    }
    if spec.defaults.conv.bias != other.defaults.conv.bias {
        let with = if other.defaults.conv.bias { "with" } else { "without" };
        found.push(format!("{with} biases on its convolutions"));
    }
    if spec.stem != other.stem {
        found.push("another stem".to_owned());
    }
    if spec.weights.names != other.weights.names {
        found.push("tensors of other names".to_owned());
    }
    found
}

fn preactivation(stages: &Stages) -> bool {
    matches!(
        stages.block,
        StageBlock::Residual(ResidualBlock::PreactivationBasic | ResidualBlock::PreactivationBottleneck)
    )
}

fn bottleneck(stages: &Stages) -> bool {
    matches!(stages.block, StageBlock::Residual(ResidualBlock::Bottleneck | ResidualBlock::PreactivationBottleneck))
}

fn stride_on(stages: &Stages) -> usize {
    stages.stride_on.unwrap_or(if bottleneck(stages) { 2 } else { 1 })
}
