//! How a picture becomes the input, where that is unusual.

use super::{Finding, Topic};
use crate::diagnostic::Diagnostic;
use crate::frontend::yaml::spec::Preset;
use crate::frontend::{Color, Network, Preprocess, Resize};
use crate::ir::{NodeId, Op};

/// Recipes that networks are published with.
const KNOWN: [Preset; 6] =
    [Preset::Unit, Preset::Torchvision, Preset::TimmInception, Preset::KerasCaffe, Preset::KerasTf, Preset::Raw];
/// The largest magnitude of an input that a known recipe makes is 255.
const LARGEST: f64 = 300.0;
/// The least distance of a black pixel's value and a white one's is 1 in the known recipes.
const NARROWEST: f64 = 0.5;
/// Less of a picture's shorter side is seldom kept.
const KEPT: f64 = 0.5;

pub(super) fn examine(network: &Network, findings: &mut Vec<Finding>) {
    let mut add = |diagnostic: Diagnostic| {
        findings.push(Finding {
            topic: Topic::Pictures,
            diagnostic: diagnostic.about("preprocessing"),
            cases: Vec::new(),
        });
    };
    let graph = &network.graph;
    // Several inputs are no picture.
    let [input] = graph.inputs()[..] else { return };
    let Some(rules) = &network.preprocess else {
        if graph.node(input).shape().map().is_some_and(|[_, channels, _, _]| channels == 3) {
            add(Diagnostic::note(
                "N-PRE",
                "nothing says how a picture becomes the input: the program takes raw tensors only",
            )
            .hint("`--preprocess` names a recipe, such as torchvision"));
        }
        return;
    };
    unusual(rules).into_iter().for_each(&mut add);
    if let Some(norm) = own_norm(network, input)
        && (rules.mean != [0.0; 3] || rules.std != [1.0; 3])
    {
        let message = format!("pictures are normalised, and `{norm}` normalises the input once more");
        add(Diagnostic::warning("W-PRE", message).hint(
            "a network that normalises its input itself is mostly fed with plain values: `--preprocess raw` or `unit`",
        ));
    }
}

/// The normalisation that alone reads the input, if there is one.
fn own_norm(network: &Network, input: NodeId) -> Option<&str> {
    let node = network.graph.node(network.graph.only_reader(input)?);
    matches!(node.op(), Op::BatchNorm(_)).then_some(node.name.as_str())
}

/// What no known recipe has.
fn unusual(rules: &Preprocess) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if let Some(part) = kept(rules).filter(|part| *part < KEPT) {
        let message = format!("the crop keeps {:.0} % of the picture's shorter side", part * 100.0);
        found.push(
            Diagnostic::warning("W-PRE", message)
                .expected("87 to 100 %, as recipes of classifiers have it")
                .hint("look at `resize` and `crop`"),
        );
    }
    if KNOWN.iter().any(|preset| preset.gives(rules)) {
        return found;
    }
    let ends = |channel: usize| {
        let [mean, std] = [&rules.mean, &rules.std].map(|values| values.get(channel).copied().unwrap_or(1.0));
        [-mean / std, (255.0 * rules.scale - mean) / std]
    };
    let ends = [0, 1, 2].map(ends);
    let wide = ends.iter().find(|[low, high]| low.abs().max(high.abs()) > LARGEST);
    let narrow = ends.iter().find(|[low, high]| high - low < NARROWEST);
    for ([low, high], hint) in [
        (wide, "mean and deviation may be meant for values from 0 to 1, and these are from 0 to 255"),
        (narrow, "mean and deviation may be meant for values from 0 to 255, and these are from 0 to 1"),
    ]
    .into_iter()
    .filter_map(|(ends, hint)| Some((ends?, hint)))
    {
        let message = format!("a channel goes from {low:.4} for black to {high:.4} for white");
        found.push(
            Diagnostic::warning("W-PRE", message)
                .expected("a range such as -2.1 to 2.6, 0 to 1, -1 to 1 or -124 to 151")
                .hint(hint),
        );
    }
    let turned = Preprocess { mean: reversed(rules.mean), std: reversed(rules.std), ..*rules };
    let other = Preprocess { color: if rules.color == Color::Rgb { Color::Bgr } else { Color::Rgb }, ..*rules };
    if KNOWN.iter().any(|preset| preset.gives(&turned)) {
        found.push(
            Diagnostic::warning(
                "W-PRE",
                format!(
                    "mean {:?} and deviation {:?} are those of a known recipe in the opposite order of channels",
                    rules.mean, rules.std
                ),
            )
            .expected(format!("the order of the picture's channels, {}", order(rules.color)))
            .hint("turn the lists round"),
        );
    } else if KNOWN
        .iter()
        .any(|preset| preset.gives(&other) || preset.gives(&Preprocess { color: other.color, ..turned }))
    {
        let message = format!(
            "channels in the order {}, with the values of a recipe of the order {}",
            order(rules.color),
            order(other.color)
        );
        found.push(
            Diagnostic::warning("W-PRE", message)
                .hint("red and blue changed places cost a few per cent of accuracy, and nothing else shows it"),
        );
    } else if rules.color == Color::Bgr && found.is_empty() {
        found.push(
            Diagnostic::warning("W-PRE", "channels in the order blue, green, red, without the values that go with it")
                .expected("the means of `keras_caffe`: 103.939, 116.779, 123.68, of values from 0 to 255")
                .hint("only networks from Caffe, and what was converted from them, read blue first"),
        );
    }
    found
}

fn reversed([a, b, c]: [f64; 3]) -> [f64; 3] {
    [c, b, a]
}

fn order(color: Color) -> &'static str {
    match color {
        Color::Rgb => "red, green, blue",
        Color::Bgr => "blue, green, red",
    }
}

/// The part of the shorter side that a crop keeps.
fn kept(rules: &Preprocess) -> Option<f64> {
    let [height, width] = rules.crop?;
    let side = match rules.resize {
        Resize::ShorterSide(side) => side,
        Resize::Cover([height, width]) | Resize::Exact([height, width]) => height.min(width),
    };
    Some(height.min(width) as f64 / side.max(1) as f64)
}
