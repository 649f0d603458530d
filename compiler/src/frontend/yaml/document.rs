//! YAML text as a tree in which every key and value knows its place.
//!
//! Only plain YAML passes: one document of maps, lists and scalars. Anchors, aliases, tags, duplicate keys, tabs and deep
//! nesting are refused, so that what the text says is what is read.

use std::collections::BTreeMap;
use std::path::Path;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span};

use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::limits;

/// Maps and lists may be nested this deep.
pub const DEEPEST: usize = 64;

/// Line and column, from 1.
pub type Position = (usize, usize);

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Value {
    /// Where it begins.
    pub position: Position,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of values.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A scalar as it is written.
    Scalar {
        /// Its text, quotes removed.
        text: String,
        /// Whether it stands without quotes and may be a number, a boolean or null.
        plain: bool,
    },
    /// A list.
    List(Vec<Value>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
}

/// A key of a map with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key begins.
    pub position: Position,
    /// The value.
    pub value: Value,
}

impl Value {
    /// The entry of a key, when this is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|entry| entry.key == key),
            Kind::Scalar { .. } | Kind::List(_) => None,
        }
    }

    /// The value at a key path such as `stages.depth[2]`.
    pub fn find(&self, path: &str) -> Option<&Value> {
        let mut value = self;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            value = match step.strip_suffix(']') {
                Some(index) => match &value.kind {
                    Kind::List(items) => items.get(index.parse::<usize>().ok()?)?,
                    Kind::Scalar { .. } | Kind::Map(_) => return None,
                },
                None => &value.entry(step)?.value,
            };
        }
        Some(value)
    }

    /// Where the value at a key path stands, or the nearest value around it that exists.
    pub fn position_of(&self, path: &str) -> Position {
        let mut path = path;
        loop {
            if let Some(value) = self.find(path) {
                return value.position;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = path.get(..end).unwrap_or_default(),
                None => return self.position,
            }
        }
    }
}

/// Reads YAML text; `file` is what errors call it.
///
/// # Errors
/// `E-YAML`, at the first thing that is not plain YAML: what follows it cannot be trusted. Duplicate keys are all listed.
pub fn parse(text: &str, file: &Path) -> Result<Value, Diagnostics> {
    if text.len() > limits::SPEC_BYTES.count() {
        let message = format!("the file has {} bytes", text.len());
        return Err(Diagnostic::error("E-YAML", message)
            .at(Place::file(file))
            .expected(format!("at most {} bytes", limits::SPEC_BYTES.get()))
            .into());
    }
    if let Some((line, column)) = tab(text) {
        return Err(problem(file, (line, column), "a tab character").hint("indent and separate with spaces").into());
    }
    let mut reader = Reader { file, open: Vec::new(), root: None, duplicates: Diagnostics::new() };
    let mut documents = 0_usize;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            Diagnostics::from(problem(file, position(error.marker()), &format!("not valid YAML: {}", error.info())))
        })?;
        if let Event::DocumentStart(_) = event {
            documents += 1;
            if documents > 1 {
                return Err(problem(file, position(&span.start), "a second document begins")
                    .expected("one document per file")
                    .into());
            }
        }
        reader.take(event, span)?;
    }
    let Reader { root, duplicates, .. } = reader;
    match root {
        Some(_) if duplicates.has_errors() => Err(duplicates),
        Some(root) => Ok(root),
        None => Err(problem(file, (1, 1), "the file is empty").expected("a spec").into()),
    }
}

struct Reader<'a> {
    file: &'a Path,
    open: Vec<Open>,
    root: Option<Value>,
    duplicates: Diagnostics,
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    /// The key whose value comes next.
    pending: Option<(String, Position)>,
    seen: BTreeMap<String, Position>,
}

enum Open {
    List(Position, Vec<Value>),
    Map(Position, OpenMap),
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Diagnostics> {
        let at = position(&span.start);
        match event {
            Event::Alias(_) => return Err(self.refused(at, "an alias")),
            Event::Scalar(_, _, anchor, _) | Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _)
                if anchor != 0 =>
            {
                return Err(self.refused(at, "an anchor"));
            }
            Event::Scalar(_, _, _, Some(_)) | Event::SequenceStart(_, Some(_)) | Event::MappingStart(_, Some(_)) => {
                return Err(self.refused(at, "a tag"));
            }
            Event::Scalar(text, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                return self.scalar(Value { position: at, kind: Kind::Scalar { text: text.into_owned(), plain } });
            }
            Event::SequenceStart(..) => {
                self.begin(at)?;
                self.open.push(Open::List(at, Vec::new()));
            }
            Event::MappingStart(..) => {
                self.begin(at)?;
                self.open.push(Open::Map(at, OpenMap::default()));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let value = match self.open.pop() {
                    Some(Open::List(position, items)) => Value { position, kind: Kind::List(items) },
                    Some(Open::Map(position, map)) => Value { position, kind: Kind::Map(map.entries) },
                    None => return Ok(()),
                };
                self.place(value);
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn begin(&self, at: Position) -> Result<(), Diagnostics> {
        if let Some(Open::Map(_, OpenMap { pending: None, .. })) = self.open.last() {
            return Err(problem(self.file, at, "a map or list as a key").expected("a word as a key").into());
        }
        if self.open.len() >= DEEPEST {
            return Err(problem(self.file, at, "maps and lists are nested too deep")
                .expected(format!("at most {DEEPEST} levels"))
                .into());
        }
        Ok(())
    }

    fn scalar(&mut self, value: Value) -> Result<(), Diagnostics> {
        if let Some(Open::Map(_, OpenMap { pending: pending @ None, seen, .. })) = self.open.last_mut() {
            let Kind::Scalar { text, .. } = value.kind else { return Ok(()) };
            if let Some((line, column)) = seen.insert(text.clone(), value.position) {
                self.duplicates.push(
                    problem(self.file, value.position, &format!("the key `{text}` stands twice in one map"))
                        .hint(format!("the first is in line {line}, column {column}")),
                );
            }
            *pending = Some((text, value.position));
        } else {
            self.place(value);
        }
        Ok(())
    }

    fn place(&mut self, value: Value) {
        match self.open.last_mut() {
            Some(Open::List(_, items)) => items.push(value),
            Some(Open::Map(_, map)) => {
                if let Some((key, position)) = map.pending.take() {
                    map.entries.push(Entry { key, position, value });
                }
            }
            None => self.root = Some(value),
        }
    }

    fn refused(&self, at: Position, what: &str) -> Diagnostics {
        problem(self.file, at, &format!("{what} is not allowed")).hint("write the value out").into()
    }
}

fn problem(file: &Path, (line, column): Position, message: &str) -> Diagnostic {
    Diagnostic::error("E-YAML", message).at(Place::at(file, line, column))
}

fn position(marker: &Marker) -> Position {
    (marker.line(), marker.col() + 1)
}

fn tab(text: &str) -> Option<Position> {
    text.lines()
        .enumerate()
        .find_map(|(line, text)| text.chars().position(|c| c == '\t').map(|column| (line + 1, column + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, Diagnostics> {
        parse(text, Path::new("a.yaml"))
    }

    #[test]
    fn values_are_found_with_their_places() {
        let value = read("a:\n  b: [1, {c: x}]\n").unwrap();
        assert_eq!(value.find("a.b[1].c").unwrap().position, (2, 14));
        assert_eq!(value.position_of("a.b[1].d"), (2, 10));
        assert_eq!(value.position_of("a.b[7]"), (2, 6));
    }

    #[test]
    fn what_is_not_plain_is_refused_in_its_place() {
        for (text, place) in [
            ("a: &x 1", "a.yaml:1:"),
            ("a: 1\nb: *x", "a.yaml:2:"),
            ("a: !!str 1", "a.yaml:1:"),
            ("a: 1\n---\nb: 1", "a.yaml:2:"),
            ("a: 1\nb: 2\na: 3", "a.yaml:3:1"),
            ("a: 1\n\tb: 2", "a.yaml:2:1"),
            ("a: [1", "a.yaml:"),
            ("", "a.yaml:1:1"),
            ("? [a]\n: 1", "a.yaml:1:3"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with("error[E-YAML]") && error.contains(place), "{text:?} gave {error}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        assert!(read(&format!("{}{}", "[".repeat(64), "]".repeat(64))).is_ok());
        assert!(read(&"[".repeat(100_000)).unwrap_err().to_string().starts_with("error[E-YAML]"));
        assert!(read(&"[".repeat(65)).unwrap_err().to_string().contains("nested too deep"));
    }
}
