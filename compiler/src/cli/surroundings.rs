//! The arguments that say how a picture becomes the input, and what the classes are called.

use clap::Args;

use super::{Failure, structure};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::frontend::surroundings::{PreprocessKeys, Surroundings, numbers, size, unfit, word};
use crate::frontend::yaml::spec::{Labels, Preprocess};

/// Options that take the place of a model's own preprocessing and labels.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Preprocessing and labels")]
pub struct SurroundingsOptions {
    /// Recipe in place of the model's own: torchvision, timm, timm_inception, hugging_face, keras_caffe,
    /// keras_tf, unit or raw. The options below change single values of what holds then
    #[arg(long, value_name = "PRESET")]
    preprocess: Option<String>,

    /// Length of the shorter side after resizing, or height and width
    #[arg(long, value_name = "SIDE|H,W")]
    resize: Option<String>,

    /// Side of the square cut from the middle, or height and width
    #[arg(long, value_name = "SIDE|H,W")]
    crop: Option<String>,

    /// In place of both: the part of the shorter side that the crop keeps (timm's crop_pct)
    #[arg(long, value_name = "F", allow_hyphen_values = true)]
    crop_fraction: Option<String>,

    /// How pictures are resampled: nearest, bilinear or bicubic
    #[arg(long, value_name = "KIND")]
    interpolation: Option<String>,

    /// Subtracted per channel, such as 0.485,0.456,0.406
    #[arg(long, value_name = "A,B,C", allow_hyphen_values = true)]
    mean: Option<String>,

    /// Divided by per channel, such as 0.229,0.224,0.225
    #[arg(long, value_name = "A,B,C", allow_hyphen_values = true)]
    std: Option<String>,

    /// A label per class: imagenet1k, cifar10, cifar100, a file with one per line, or a,b,c
    #[arg(long, value_name = "SET|FILE|A,B,C")]
    labels: Option<String>,
}

/// The keys of a spec that the options stand for.
const OPTIONS: [(&str, &str); 8] = [
    ("preprocess.preset", "--preprocess"),
    ("preprocess.resize", "--resize"),
    ("preprocess.crop", "--crop"),
    ("preprocess.crop_fraction", "--crop-fraction"),
    ("preprocess.interpolation", "--interpolation"),
    ("preprocess.mean", "--mean"),
    ("preprocess.std", "--std"),
    ("labels", "--labels"),
];

impl SurroundingsOptions {
    /// What the options say.
    ///
    /// # Errors
    /// The values that fit no model.
    pub fn surroundings(&self) -> Result<Surroundings, Failure> {
        let mut wrong = Diagnostics::new();
        let preprocess = Preprocess {
            preset: read("preprocess.preset", &self.preprocess, word, &mut wrong),
            resize: read("preprocess.resize", &self.resize, size, &mut wrong),
            crop: read("preprocess.crop", &self.crop, size, &mut wrong),
            crop_fraction: read("preprocess.crop_fraction", &self.crop_fraction, number, &mut wrong),
            interpolation: read("preprocess.interpolation", &self.interpolation, word, &mut wrong),
            mean: read("preprocess.mean", &self.mean, numbers, &mut wrong),
            std: read("preprocess.std", &self.std, numbers, &mut wrong),
            ..Preprocess::default()
        };
        let keys = PreprocessKeys { own: None, given: &preprocess, place: &|_| None };
        unfit(&keys, &mut |problem| wrong.push(problem));
        if wrong.has_errors() {
            return Err(Failure::Usage(named(wrong)));
        }
        let labels = self.labels.as_ref().map(|text| match text.contains(',') {
            true => Labels::List(text.split(',').map(|label| label.trim().to_owned()).collect()),
            false => Labels::Named(text.clone()),
        });
        Ok(Surroundings { preprocess, labels })
    }
}

/// The value that an option gives for a key; what is wrong with it goes to `wrong`.
pub fn read<'a, T>(
    key: &str,
    text: &'a Option<String>,
    parse: impl Fn(&'a str) -> Result<T, Diagnostic>,
    wrong: &mut Diagnostics,
) -> Option<T> {
    text.as_deref().and_then(|text| parse(text).map_err(|problem| wrong.push(problem.about(key))).ok())
}

fn number(text: &str) -> Result<f64, Diagnostic> {
    text.parse()
        .map_err(|_| Diagnostic::error("E-PRE", format!("`{text}` is no number")).expected("a number such as 0.875"))
}

/// Problems with what an option gave, which have a key for their subject and no place, under the option's name.
pub fn named(mut problems: Diagnostics) -> Diagnostics {
    for problem in problems.0.iter_mut().filter(|problem| problem.place.is_none()) {
        let Some(subject) = &problem.subject else { continue };
        let (key, entry) = match subject.split_once('[') {
            Some((key, entry)) => (key, format!("[{entry}")),
            None => (subject.as_str(), String::new()),
        };
        if let Some((_, option)) = OPTIONS.iter().chain(&structure::OPTIONS).find(|(known, _)| *known == key) {
            problem.subject = Some(format!("{option}{entry}"));
        }
    }
    problems
}
