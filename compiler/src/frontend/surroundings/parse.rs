//! Values of keys from words on a command line or in a macro.

use std::fmt;

use serde::Deserialize;
use serde::de::IntoDeserializer;

use crate::diagnostic::{Diagnostic, nearest};
use crate::frontend::yaml::spec::Size;

/// One of the words that a key takes, as a spec would have it.
///
/// # Errors
/// `E-PRE`, with all the words.
pub fn word<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Diagnostic> {
    T::deserialize(text.into_deserializer()).map_err(|Words(words)| {
        let problem = Diagnostic::error("E-PRE", format!("unknown value `{text}`"))
            .expected(format!("one of `{}`", words.join("`, `")));
        match nearest(text, words.iter().copied()) {
            Some(near) => problem.hint(format!("did you mean `{near}`?")),
            None => problem,
        }
    })
}

/// A length, or height and width with a comma between.
///
/// # Errors
/// `E-PRE`, when it is neither.
pub fn size(text: &str) -> Result<Size, Diagnostic> {
    let lengths: Option<Vec<usize>> = text.split(',').map(|length| length.trim().parse().ok()).collect();
    match lengths.as_deref() {
        Some([side]) => Ok(Size::One(*side)),
        Some([height, width]) => Ok(Size::Pair([*height, *width])),
        _ => Err(Diagnostic::error("E-PRE", format!("`{text}` is no size"))
            .expected("a whole number, or height and width with a comma between: `224,224`")),
    }
}

/// Numbers with commas between.
///
/// # Errors
/// `E-PRE`, when one is none.
pub fn numbers(text: &str) -> Result<Vec<f64>, Diagnostic> {
    let number = |word: &str| {
        word.trim().parse::<f64>().map_err(|_| {
            Diagnostic::error("E-PRE", format!("`{}` is no number", word.trim()))
                .expected("numbers with commas between: `0.485,0.456,0.406`")
        })
    };
    text.split(',').map(number).collect()
}

/// serde's complaint about a word: those that it would have taken.
#[derive(Debug)]
struct Words(&'static [&'static str]);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

impl std::error::Error for Words {}

impl serde::de::Error for Words {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self(expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::yaml::spec::Preset;

    #[test]
    fn words_are_those_of_specs() {
        assert_eq!(word::<Preset>("timm_inception").unwrap(), Preset::TimmInception);
        let problem = word::<Preset>("torchvison").unwrap_err();
        assert_eq!(problem.hint.as_deref(), Some("did you mean `torchvision`?"));
        assert!(problem.expected.unwrap().contains("`keras_caffe`, `keras_tf`"));
    }

    #[test]
    fn sizes_and_numbers_are_separated_by_commas() {
        assert_eq!(size("256").unwrap(), Size::One(256));
        assert_eq!(size("240, 320").unwrap(), Size::Pair([240, 320]));
        assert_eq!(numbers("-1,0.5, 2e1").unwrap(), [-1.0, 0.5, 20.0]);
        for text in ["", "1,2,3", "-1", "1.5", "224x224", "99999999999999999999"] {
            assert!(size(text).is_err(), "{text}");
        }
        for text in ["", "1,,2", "a", "1;2"] {
            assert!(numbers(text).is_err(), "{text}");
        }
    }
}
