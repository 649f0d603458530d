//! From the keys of `preprocess` to what a program does with a picture.

use super::about;
use crate::diagnostic::{Diagnostic, Place};
use crate::frontend::yaml::spec::{self, Preset, Size};
use crate::frontend::{Color, Interpolation, Preprocess, Resize, Rounding};

/// The longest side of a resized picture.
const LONGEST: usize = 1 << 16;

const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];
/// Blue, green, red, of values from 0 to 255.
const CAFFE_MEAN: [f64; 3] = [103.939, 116.779, 123.68];

/// What a preset stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Values {
    interpolation: spec::Interpolation,
    antialias: bool,
    /// The fraction of the shorter side that is cut from the middle; none where the whole picture is squashed.
    fraction: Option<f64>,
    rounding: Rounding,
    color: spec::Color,
    range: [f64; 2],
    mean: [f64; 3],
    std: [f64; 3],
}

/// From this size on, `hugging_face` squashes the whole picture.
const SQUASHED_FROM: usize = 384;

fn values(preset: Preset) -> Values {
    let unit = Values {
        interpolation: spec::Interpolation::Bilinear,
        antialias: true,
        fraction: None,
        rounding: Rounding::HalfToEven,
        color: spec::Color::Rgb,
        range: [0.0, 1.0],
        mean: [0.0; 3],
        std: [1.0; 3],
    };
    let torchvision = Values { fraction: Some(0.875), mean: IMAGENET_MEAN, std: IMAGENET_STD, ..unit };
    let timm = Values { interpolation: spec::Interpolation::Bicubic, ..torchvision };
    let keras = Values { interpolation: spec::Interpolation::Nearest, ..unit };
    match preset {
        Preset::Unit => unit,
        Preset::Torchvision => torchvision,
        Preset::Timm => timm,
        Preset::TimmInception => Values { mean: [0.5; 3], std: [0.5; 3], ..timm },
        Preset::HuggingFace => Values { rounding: Rounding::Down, ..timm },
        Preset::KerasCaffe => Values { color: spec::Color::Bgr, range: [0.0, 255.0], mean: CAFFE_MEAN, ..keras },
        Preset::KerasTf => Values { range: [-1.0, 1.0], ..keras },
        Preset::Raw => Values { range: [0.0, 255.0], ..unit },
    }
}

/// The keys of `preprocess`: as the model has them, and as they are given in their place.
#[derive(Clone, Copy)]
pub struct PreprocessKeys<'a> {
    /// The model's own.
    pub own: Option<&'a spec::Preprocess>,
    /// From outside.
    pub given: &'a spec::Preprocess,
    /// Where a key of the model's own stands.
    pub place: &'a dyn Fn(&str) -> Option<Place>,
}

impl PreprocessKeys<'_> {
    /// The keys that hold; none when there are none at all.
    pub fn merged(&self) -> Option<spec::Preprocess> {
        let given = self.given.clone();
        let own = match self.own {
            None if given == spec::Preprocess::default() => return None,
            Some(own) if given.preset.is_none() => own.clone(),
            None | Some(_) => spec::Preprocess::default(),
        };
        let sized = given.resize.is_some() || given.crop.is_some();
        let fraction = given.crop_fraction.is_some();
        Some(spec::Preprocess {
            preset: given.preset.or(own.preset),
            resize: given.resize.or(own.resize.filter(|_| !fraction)),
            crop: given.crop.or(own.crop.filter(|_| !fraction)),
            crop_fraction: given.crop_fraction.or(own.crop_fraction.filter(|_| !sized)),
            interpolation: given.interpolation.or(own.interpolation),
            antialias: given.antialias.or(own.antialias),
            color: given.color.or(own.color),
            range: given.range.or(own.range),
            mean: given.mean.or(own.mean),
            std: given.std.or(own.std),
        })
    }

    /// The first of some keys that was given from outside, else the first that the model has, else `preprocess` itself.
    fn key(&self, keys: &[&'static str]) -> (String, Option<Place>) {
        let among = |preprocess: &spec::Preprocess| keys.iter().copied().find(|key| present(preprocess, key));
        match (among(self.given), self.own) {
            (Some(key), _) => (format!("preprocess.{key}"), None),
            (None, Some(own)) if self.given.preset.is_none() => {
                let path = among(own).map_or_else(|| "preprocess".to_owned(), |key| format!("preprocess.{key}"));
                let place = (self.place)(&path);
                (path, place)
            }
            (None, None | Some(_)) => {
                let key = KEYS.into_iter().find(|key| present(self.given, key)).unwrap_or("preset");
                (format!("preprocess.{key}"), None)
            }
        }
    }

    fn error(&self, code: &'static str, keys: &[&'static str], message: String) -> Diagnostic {
        let (key, place) = self.key(keys);
        about(code, &key, place, message)
    }
}

const KEYS: [&str; 10] =
    ["preset", "resize", "crop", "crop_fraction", "interpolation", "antialias", "color", "range", "mean", "std"];

fn present(preprocess: &spec::Preprocess, key: &str) -> bool {
    match key {
        "preset" => preprocess.preset.is_some(),
        "resize" => preprocess.resize.is_some(),
        "crop" => preprocess.crop.is_some(),
        "crop_fraction" => preprocess.crop_fraction.is_some(),
        "interpolation" => preprocess.interpolation.is_some(),
        "antialias" => preprocess.antialias.is_some(),
        "color" => preprocess.color.is_some(),
        "range" => preprocess.range.is_some(),
        "mean" => preprocess.mean.is_some(),
        "std" => preprocess.std.is_some(),
        _ => false,
    }
}

/// How a picture becomes an input of channels, height and width, with the preset's values filled in.
pub fn preprocess(
    keys: &PreprocessKeys<'_>,
    [channels, height, width]: [usize; 3],
    report: &mut dyn FnMut(Diagnostic),
) -> Option<Preprocess> {
    let merged = keys.merged()?;
    if channels != 3 {
        let message = format!("pictures have 3 channels, the input has {channels}");
        report(
            keys.error("E-PRE", &[], message)
                .hint("leave the preprocessing out: the program then takes raw tensors only"),
        );
        return None;
    }
    let preset = merged.preset.unwrap_or_default();
    let values = values(preset);
    let mut fit = true;
    {
        let mut report = |problem| {
            fit = false;
            report(problem);
        };
        unfit(keys, &mut report);
    }
    if !fit {
        return None;
    }
    let (resize, crop) = match geometry(keys, &merged, preset, [height, width]) {
        Ok(geometry) => geometry,
        Err(problems) => {
            problems.into_iter().for_each(report);
            return None;
        }
    };
    let [low, high] = merged.range.unwrap_or(values.range);
    let three = |given: Option<Vec<f64>>, preset| given.and_then(|given| given.try_into().ok()).unwrap_or(preset);
    Some(Preprocess {
        resize,
        interpolation: match merged.interpolation.unwrap_or(values.interpolation) {
            spec::Interpolation::Nearest => Interpolation::Nearest,
            spec::Interpolation::Bilinear => Interpolation::Bilinear,
            spec::Interpolation::Bicubic => Interpolation::Bicubic,
        },
        antialias: merged.antialias.unwrap_or(values.antialias),
        crop,
        rounding: values.rounding,
        color: match merged.color.unwrap_or(values.color) {
            spec::Color::Rgb => Color::Rgb,
            spec::Color::Bgr => Color::Bgr,
        },
        scale: (high - low) / 255.0,
        // x * scale + low - mean, written with one subtraction.
        mean: three(merged.mean, values.mean).map(|mean| mean - low),
        std: three(merged.std, values.std),
    })
}

/// What a picture is resized to, and what is cut from it then.
type Geometry = (Resize, Option<[usize; 2]>);

fn geometry(
    keys: &PreprocessKeys<'_>,
    merged: &spec::Preprocess,
    preset: Preset,
    input: [usize; 2],
) -> Result<Geometry, Vec<Diagnostic>> {
    let squashes = preset == Preset::HuggingFace && input.iter().all(|side| *side >= SQUASHED_FROM);
    let fraction = match (merged.crop_fraction, merged.resize.or(merged.crop)) {
        (Some(_), Some(_)) => {
            let message = "a fraction beside `resize` or `crop`, which it stands for".to_owned();
            return Err(vec![keys.error("E-PRE", &["crop_fraction"], message).hint("give one or the other")]);
        }
        (Some(_), None) if squashes => {
            let message =
                format!("`hugging_face` squashes pictures for inputs from {SQUASHED_FROM} on and cuts nothing");
            let problem = keys.error("E-PRE", &["crop_fraction"], message);
            return Err(vec![problem.hint("leave the fraction out, or take the preset `timm`")]);
        }
        (given, None) => given.or(values(preset).fraction).filter(|_| !squashes),
        (None, Some(_)) => None,
    };
    match fraction {
        Some(fraction) => by_fraction(keys, fraction, input),
        None => by_sizes(keys, merged, input),
    }
}

/// timm's rule: every side of the input divided by the fraction, rounded down, is what the picture has to cover.
fn by_fraction(keys: &PreprocessKeys<'_>, fraction: f64, input: [usize; 2]) -> Result<Geometry, Vec<Diagnostic>> {
    let covered = input.map(|side| (side as f64 / fraction).floor() as usize);
    match covered {
        [height, width] if height.max(width) > LONGEST => {
            let message = format!("pictures would be resized to {height}x{width}, height and width");
            let problem = keys.error("E-RANGE", &["crop_fraction"], message);
            Err(vec![problem.expected(format!("at most {LONGEST}x{LONGEST}"))])
        }
        [height, width] if height == width => Ok((Resize::ShorterSide(height), Some(input))),
        _ => Ok((Resize::Cover(covered), Some(input))),
    }
}

fn by_sizes(
    keys: &PreprocessKeys<'_>,
    merged: &spec::Preprocess,
    input: [usize; 2],
) -> Result<Geometry, Vec<Diagnostic>> {
    let (resize, smallest) = match merged.resize {
        Some(Size::One(side)) => (Resize::ShorterSide(side), [side; 2]),
        Some(Size::Pair(pair)) => (Resize::Exact(pair), pair),
        None => (Resize::Exact(input), input),
    };
    let crop = match (merged.crop, resize) {
        (Some(Size::One(side)), _) => Some([side; 2]),
        (Some(Size::Pair(pair)), _) => Some(pair),
        (None, Resize::ShorterSide(_)) => Some(input),
        (None, Resize::Exact(_) | Resize::Cover(_)) => None,
    };
    let mut problems = Vec::new();
    if let Some(crop) = crop
        && crop.iter().zip(&smallest).any(|(crop, resized)| crop > resized)
    {
        let message = format!("a crop of {crop:?} from a picture that may be {smallest:?}");
        problems.push(keys.error("E-PRE", &["crop", "resize"], message).expected("a crop no larger than `resize`"));
    }
    let result = crop.unwrap_or(smallest);
    if result != input {
        let message = format!("the picture becomes {result:?}, height and width");
        let problem = keys.error("E-PRE", &["crop", "resize"], message);
        problems.push(problem.expected(format!("{input:?}, as the input's shape says")));
    }
    if problems.is_empty() { Ok((resize, crop)) } else { Err(problems) }
}

/// Reports the values that fit no network: out of range, not finite, or of the wrong number.
pub fn unfit(keys: &PreprocessKeys<'_>, report: &mut dyn FnMut(Diagnostic)) {
    let Some(merged) = keys.merged() else { return };
    let preset = values(merged.preset.unwrap_or_default());
    for (key, size) in [("resize", merged.resize), ("crop", merged.crop)] {
        let sides = match size {
            Some(Size::One(side)) => [side; 2],
            Some(Size::Pair(pair)) => pair,
            None => continue,
        };
        if let Some(side) = sides.iter().find(|side| !(1..=LONGEST).contains(side)) {
            report(keys.error("E-RANGE", &[key], format!("a side of {side}")).expected(format!("1 to {LONGEST}")));
        }
    }
    if let Some(fraction) = merged.crop_fraction.filter(|fraction| !(*fraction > 0.0 && *fraction <= 1.0)) {
        report(keys.error("E-RANGE", &["crop_fraction"], format!("{fraction}")).expected("more than 0 and at most 1"));
    }
    let range @ [low, high] = merged.range.unwrap_or(preset.range);
    if !(range.iter().all(|end| end.is_finite()) && low < high) {
        report(keys.error("E-RANGE", &["range"], format!("{range:?}")).expected("the smaller value first"));
    }
    for (name, given) in &[("mean", &merged.mean), ("std", &merged.std)] {
        let Some(given) = given else { continue };
        if given.len() != 3 {
            report(keys.error("E-LEN", &[name], format!("{} entries", given.len())).expected("3, one per channel"));
        }
        let fits = |value: f32| value.is_finite() && (*name == "mean" || value >= f32::MIN_POSITIVE);
        for (index, value) in given.iter().enumerate().filter(|(_, value)| !fits(**value as f32)) {
            let (key, place) = keys.key(&[name]);
            let key = format!("{key}[{index}]");
            let place = place.and_then(|_| (keys.place)(&key));
            let (message, expected) = match *name {
                "std" => (format!("{value} cannot divide"), "more than 0"),
                _ => (format!("{value} cannot be subtracted"), "a number"),
            };
            report(about("E-RANGE", &key, place, message).expected(expected));
        }
    }
}

impl Preset {
    /// Whether a program with these values for pixels gets the input that this preset gives, whatever the sizes.
    pub fn gives(self, preprocess: &Preprocess) -> bool {
        let values = values(self);
        let [low, high] = values.range;
        let color = if values.color == spec::Color::Bgr { Color::Bgr } else { Color::Rgb };
        preprocess.color == color
            && preprocess.scale == (high - low) / 255.0
            && preprocess.mean == values.mean.map(|mean| mean - low)
            && preprocess.std == values.std
    }
}
