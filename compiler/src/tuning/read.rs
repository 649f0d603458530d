//! Reads a file of measured decisions. Every problem is found at once, each at its line.

use std::path::Path;

use super::FORMAT;
use crate::diagnostic::{Diagnostic, Diagnostics, Place, nearest};
use crate::frontend::source;
use crate::frontend::yaml::document::{self, Entry, Kind, Position, Value};
use crate::limits;
use crate::plan::geometry::{Algorithm, Direct, Grouped, Strassen, Winograd};
use crate::plan::{Decision, Layer, Pixels, Tuned, Tuning};

/// A layer's text, as an example.
const EXAMPLE: &str = "conv 3x3 stride 1 dilation 1 groups 1 256->256 14x14 batch 1";

/// Reads a file.
///
/// # Errors
/// All that is wrong with it.
pub fn read(path: &Path) -> Result<Tuning, Diagnostics> {
    let failed = |message: String| Diagnostic::error("E-TUNING", message).at(Place::file(path));
    let bytes = source::read(path, limits::SPEC_BYTES.get())
        .map_err(|message| failed(message).hint("`resnetc tune MODEL -o FILE` writes such a file"))?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let before = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
        let line = before.filter(|byte| **byte == b'\n').count() + 1;
        Diagnostic::error("E-TUNING", "not UTF-8 text").at(Place::at(path, line, 1))
    })?;
    parse(&text, path)
}

/// Reads the text of a file; `path` is what errors call it.
///
/// # Errors
/// All that is wrong with it.
pub fn parse(text: &str, path: &Path) -> Result<Tuning, Diagnostics> {
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        let error = Diagnostic::error("E-TUNING", "the file is empty").at(Place::file(path));
        return Err(error.expected(format!("`tuning: {FORMAT}` and what follows it")).into());
    }
    let document = document::parse(text, path)?;
    let mut reader = Reader { path, problems: Diagnostics::new() };
    let tuning = reader.file(&document);
    reader.problems.finish(tuning).map(|(tuning, _)| tuning)
}

struct Reader<'a> {
    path: &'a Path,
    problems: Diagnostics,
}

impl Reader<'_> {
    fn file(&mut self, document: &Value) -> Tuning {
        let mut tuning = Tuning::from_file(self.path);
        let Some(entries) = self.map(document, "the file") else { return tuning };
        match entries.iter().find(|entry| entry.key == "tuning") {
            Some(entry) if matches!(&entry.value.kind, Kind::Scalar { text, .. } if text == FORMAT) => (),
            Some(entry) => {
                let found = format!("this is {}", shown(&entry.value));
                self.problem(entry.value.position, "tuning", found)
                    .expected_hint(format!("`{FORMAT}`, the format that this compiler reads"), "make it anew");
                // What follows may mean something else.
                return tuning;
            }
            None => {
                self.problem(document.position, "tuning", "is missing: this is no file of measured decisions")
                    .expected_hint(format!("`tuning: {FORMAT}`"), "`resnetc tune MODEL -o FILE` writes such a file");
                return tuning;
            }
        }
        self.known(entries, "", &["tuning", "compiler", "machine", "layers"]);
        let Some(layers) = entries.iter().find(|entry| entry.key == "layers") else {
            self.problem(document.position, "layers", "is missing")
                .expected_hint("a map from layers to decisions, or `{}`", "");
            return tuning;
        };
        for entry in self.map(&layers.value, "`layers`").unwrap_or_default() {
            self.layer(entry, &mut tuning);
        }
        tuning
    }

    fn layer(&mut self, entry: &Entry, tuning: &mut Tuning) {
        let before = self.problems.0.len();
        let subject = format!("`{}`", brief(&entry.key));
        let layer = Layer::parse(&entry.key);
        if layer.is_none() {
            self.problem(entry.position, &subject, "is no layer").expected_hint(format!("such as `{EXAMPLE}`"), "");
        }
        let Some(entries) = self.map(&entry.value, &subject) else { return };
        let keys =
            ["direct", "winograd", "strassen", "grouped", "pixels", "microseconds", "model", "model_microseconds"];
        self.known(entries, &subject, &keys);
        let find = |key: &str| entries.iter().find(|entry| entry.key == key);
        let ways: Vec<&Entry> = ["direct", "winograd", "strassen", "grouped"].into_iter().filter_map(find).collect();
        let algorithm = match ways.as_slice() {
            [way] if way.key == "direct" => self
                .numbers(way, &subject, ["band", "depth", "sums"])
                .map(|[band, depth, sums]| Algorithm::Direct(Direct { band, depth, sums })),
            [way] if way.key == "winograd" => self
                .numbers(way, &subject, ["outputs", "group"])
                .map(|[outputs, group]| Algorithm::Winograd(Winograd { outputs, group })),
            [way] if way.key == "strassen" => self
                .numbers(way, &subject, ["band", "depth"])
                .map(|[band, depth]| Algorithm::Strassen(Strassen { band, depth })),
            [way] => {
                self.numbers(way, &subject, ["channels"]).map(|[channels]| Algorithm::Grouped(Grouped { channels }))
            }
            several => {
                let message = if several.is_empty() { "no decision" } else { "several decisions" };
                self.problem(entry.position, &subject, message)
                    .expected_hint("one of `direct`, `winograd`, `strassen` and `grouped`", "");
                None
            }
        };
        let pixels = find("pixels").and_then(|entry| self.pixels(entry, &subject)).unwrap_or_default();
        let (Some(layer), Some(algorithm)) = (layer, algorithm) else { return };
        if self.problems.0.len() > before {
            return;
        }
        let (line, column) = entry.position;
        let tuned = Tuned { decision: Decision { algorithm, pixels }, place: Some(Place::at(self.path, line, column)) };
        for refusal in tuning.insert(layer, tuned).err().unwrap_or_default() {
            let position = entry.value.position_of(&refusal.subject);
            self.problem(position, &format!("{subject}: {}", refusal.subject), refusal.found)
                .expected_hint(refusal.expected, "remove the layer, or make the file anew");
        }
    }

    /// The whole numbers of these keys, all of which there are.
    fn numbers<const N: usize>(&mut self, entry: &Entry, subject: &str, keys: [&str; N]) -> Option<[usize; N]> {
        let subject = format!("{subject}: {}", entry.key);
        let entries = self.map(&entry.value, &subject)?;
        self.known(entries, &subject, &keys);
        let mut numbers = [0; N];
        let mut complete = true;
        for (slot, key) in numbers.iter_mut().zip(keys) {
            let number = match entries.iter().find(|entry| entry.key == key) {
                Some(entry) => self.number(entry, &subject),
                None => {
                    self.problem(entry.position, &format!("{subject}.{key}"), "is missing")
                        .expected_hint("a whole number from 1", "");
                    None
                }
            };
            complete &= number.is_some();
            *slot = number.unwrap_or(0);
        }
        complete.then_some(numbers)
    }

    fn pixels(&mut self, entry: &Entry, subject: &str) -> Option<Pixels> {
        let subject = format!("{subject}: {}", entry.key);
        let entries = self.map(&entry.value, &subject)?;
        self.known(entries, &subject, &["avx512", "avx2", "neon", "portable"]);
        let mut of =
            |key: &str| entries.iter().find(|entry| entry.key == key).and_then(|entry| self.number(entry, &subject));
        Some(Pixels { avx512: of("avx512"), avx2: of("avx2"), neon: of("neon"), portable: of("portable") })
    }

    fn number(&mut self, entry: &Entry, subject: &str) -> Option<usize> {
        let number = match &entry.value.kind {
            Kind::Scalar { text, plain: true } => text.parse().ok(),
            Kind::Scalar { .. } | Kind::List(_) | Kind::Map(_) => None,
        };
        if number.is_none() {
            let found = format!("this is {}", shown(&entry.value));
            self.problem(entry.value.position, &format!("{subject}.{}", entry.key), found)
                .expected_hint("a whole number from 1", "");
        }
        number
    }

    fn map<'v>(&mut self, value: &'v Value, subject: &str) -> Option<&'v [Entry]> {
        match &value.kind {
            Kind::Map(entries) => Some(entries),
            Kind::Scalar { .. } | Kind::List(_) => {
                let found = format!("this is {}", shown(value));
                self.problem(value.position, subject, found).expected_hint("a map", "");
                None
            }
        }
    }

    fn known(&mut self, entries: &[Entry], subject: &str, keys: &[&str]) {
        for entry in entries.iter().filter(|entry| !keys.contains(&entry.key.as_str())) {
            let hint = nearest(&entry.key, keys.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let found = format!("unknown key `{}`", brief(&entry.key));
            self.problem(entry.position, subject, found)
                .expected_hint(format!("one of `{}`", keys.join("`, `")), &hint.unwrap_or_default());
        }
    }

    fn problem(&mut self, (line, column): Position, subject: &str, message: impl Into<String>) -> Problem<'_> {
        let mut error = Diagnostic::error("E-TUNING", message).at(Place::at(self.path, line, column));
        error.subject = (!subject.is_empty()).then(|| subject.to_owned());
        self.problems.push(error);
        Problem(self.problems.0.last_mut())
    }
}

/// The problem that was added last, to say more about it.
struct Problem<'a>(Option<&'a mut Diagnostic>);

impl Problem<'_> {
    /// Says what would have been right, and what to do unless that is empty.
    fn expected_hint(self, expected: impl Into<String>, hint: &str) {
        if let Some(diagnostic) = self.0 {
            diagnostic.expected = Some(expected.into());
            diagnostic.hint = (!hint.is_empty()).then(|| hint.to_owned());
        }
    }
}

/// A value in words.
fn shown(value: &Value) -> String {
    match &value.kind {
        Kind::Scalar { text, .. } => format!("`{}`", brief(text)),
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a map".to_owned(),
    }
}

/// A text that may be of any length and kind, as a message shows it.
fn brief(text: &str) -> String {
    const SHOWN: usize = 80;
    let short: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() { format!("{short}...") } else { short }
}
