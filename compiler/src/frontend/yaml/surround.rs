//! What surrounds a network: preprocessing, labels, expected counts.

use super::problems::Problems;
use super::resolve::Resolution;
use super::spec::{self, Labels, Preset, Scheme, Size, Spec};
use crate::diagnostic::nearest;
use crate::frontend::count;
use crate::frontend::source::Source;
use crate::frontend::weights::Role;
use crate::frontend::{Color, Interpolation, Preprocess, Resize, shipped};

/// A file of labels may have this many bytes.
const LARGEST_LABELS: u64 = 1 << 22;

const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];
/// Blue, green, red, of values from 0 to 255.
const CAFFE_MEAN: [f64; 3] = [103.939, 116.779, 123.68];

/// How a picture becomes the input, with the preset's values filled in.
pub fn preprocess(spec: &Spec, problems: &mut Problems<'_>) -> Option<Preprocess> {
    let given = spec.preprocess.as_ref()?;
    let spec::InputShape(_, channels, height, width) = spec.input.shape;
    if channels != 3 {
        problems
            .error("E-PRE", "preprocess", format!("pictures have 3 channels, the input has {channels}"))
            .hint("leave `preprocess` out: the program then takes raw tensors only");
        return None;
    }
    let preset = preset(given.preset);
    let (resize, shorter) = match given.resize {
        Some(Size::One(side)) => (Resize::ShorterSide(side), true),
        Some(Size::Pair(pair)) => (Resize::Exact(pair), false),
        None => (Resize::Exact([height, width]), false),
    };
    let crop = match given.crop {
        Some(Size::One(side)) => Some([side; 2]),
        Some(Size::Pair(pair)) => Some(pair),
        None => shorter.then_some([height, width]),
    };
    let smallest = match resize {
        Resize::ShorterSide(side) => [side; 2],
        Resize::Exact(pair) => pair,
    };
    if let Some(crop) = crop
        && crop.iter().zip(&smallest).any(|(crop, resized)| crop > resized)
    {
        problems
            .error("E-PRE", "preprocess.crop", format!("a crop of {crop:?} from a picture that may be {smallest:?}"))
            .expected("a crop no larger than `resize`");
    }
    let result = crop.unwrap_or(smallest);
    if result != [height, width] {
        let key = if given.crop.is_some() { "preprocess.crop" } else { "preprocess.resize" };
        problems
            .error("E-PRE", key, format!("the picture becomes {result:?}, height and width"))
            .expected(format!("{:?}, as `input.shape` says", [height, width]));
    }
    let range = given.range.unwrap_or(preset.range);
    let [low, high] = range;
    if low >= high {
        problems.error("E-RANGE", "preprocess.range", format!("{range:?}")).expected("the smaller value first");
    }
    let mean = three(given.mean.as_deref(), preset.mean, "preprocess.mean", problems);
    let std = three(given.std.as_deref(), preset.std, "preprocess.std", problems);
    if let Some(index) = std.iter().position(|std| *std <= 0.0) {
        problems
            .error("E-RANGE", &format!("preprocess.std[{index}]"), "a deviation that cannot divide")
            .expected("more than 0");
    }
    let color = given.color.unwrap_or(preset.color);
    if matches!(spec.weights.names.scheme(), Scheme::Keras | Scheme::Caffe) && color == spec::Color::Rgb {
        problems
            .warning("W-ACC", "preprocess", "weights with these names are usually trained on blue, green, red")
            .hint("`preset: keras_caffe` is what they expect");
    }
    Some(Preprocess {
        resize,
        interpolation: match given.interpolation.unwrap_or(preset.interpolation) {
            spec::Interpolation::Nearest => Interpolation::Nearest,
            spec::Interpolation::Bilinear => Interpolation::Bilinear,
            spec::Interpolation::Bicubic => Interpolation::Bicubic,
        },
        antialias: given.antialias.unwrap_or(preset.antialias),
        crop,
        color: match color {
            spec::Color::Rgb => Color::Rgb,
            spec::Color::Bgr => Color::Bgr,
        },
        scale: (high - low) / 255.0,
        // x * scale + low - mean, written with one subtraction.
        mean: mean.map(|mean| mean - low),
        std,
    })
}

struct Values {
    interpolation: spec::Interpolation,
    antialias: bool,
    color: spec::Color,
    range: [f64; 2],
    mean: [f64; 3],
    std: [f64; 3],
}

fn preset(preset: Preset) -> Values {
    let unit = Values {
        interpolation: spec::Interpolation::Bilinear,
        antialias: true,
        color: spec::Color::Rgb,
        range: [0.0, 1.0],
        mean: [0.0; 3],
        std: [1.0; 3],
    };
    let keras = spec::Interpolation::Nearest;
    match preset {
        Preset::Unit => unit,
        Preset::Torchvision => Values { mean: IMAGENET_MEAN, std: IMAGENET_STD, ..unit },
        Preset::KerasCaffe => Values {
            interpolation: keras,
            antialias: false,
            color: spec::Color::Bgr,
            range: [0.0, 255.0],
            mean: CAFFE_MEAN,
            ..unit
        },
        Preset::KerasTf => Values { interpolation: keras, antialias: false, range: [-1.0, 1.0], ..unit },
        Preset::Raw => Values { range: [0.0, 255.0], ..unit },
    }
}

fn three(given: Option<&[f64]>, preset: [f64; 3], path: &str, problems: &mut Problems<'_>) -> [f64; 3] {
    match given {
        None => preset,
        Some(values) => values.try_into().unwrap_or_else(|_| {
            problems.error("E-LEN", path, format!("{} entries", values.len())).expected("3, one per channel");
            preset
        }),
    }
}

/// The labels, read from their file if they have one, and the file.
pub fn labels(
    spec: &Spec,
    source: &Source<'_>,
    resolution: &Resolution,
    problems: &mut Problems<'_>,
) -> (Vec<String>, Option<std::path::PathBuf>) {
    let mut file = None;
    let labels: Vec<String> = match &spec.labels {
        None => return (Vec::new(), None),
        Some(Labels::List(labels)) => labels.clone(),
        Some(Labels::Named(name)) => match shipped::labels(name) {
            Some(text) => text.lines().map(str::to_owned).collect(),
            None if !name.contains(['.', '/', '\\']) => {
                let names = shipped::label_sets();
                let problem = problems
                    .error("E-LABELS", "labels", format!("no set of labels is called `{name}`"))
                    .expected(format!("one of `{}`, a file, or a list", names.join("`, `")));
                if let Some(near) = nearest(name, names) {
                    problem.hint(format!("did you mean `{near}`?"));
                }
                return (Vec::new(), None);
            }
            None => match source.beside(name, LARGEST_LABELS) {
                Ok((path, bytes)) => {
                    file = path;
                    match std::str::from_utf8(&bytes) {
                        Ok(text) => text.lines().map(str::to_owned).collect(),
                        Err(_) => {
                            problems.error("E-LABELS", "labels", format!("`{name}` is not UTF-8 text"));
                            return (Vec::new(), file);
                        }
                    }
                }
                Err(message) => {
                    problems
                        .error("E-LABELS", "labels", message)
                        .expected("a text file beside or below the spec, one label per line");
                    return (Vec::new(), None);
                }
            },
        },
    };
    let classes = resolution.outputs.iter().filter_map(|output| output.shape.vector()).map(|[_, classes]| classes);
    match (classes.clone().next(), resolution.outputs.first()) {
        (Some(first), _) if !classes.clone().any(|classes| classes == labels.len()) => {
            problems
                .error("E-LABELS", "labels", format!("{} labels", labels.len()))
                .expected(format!("{first}, one per class"));
        }
        (None, Some(output)) => {
            problems
                .error("E-LABELS", "labels", format!("the output {} has no classes", output.shape))
                .hint("leave `labels` out, or end `head` with a `dense` layer");
        }
        (Some(_), _) | (None, None) => {}
    }
    (labels, file)
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
