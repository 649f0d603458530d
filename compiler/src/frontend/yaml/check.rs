//! Checks the form of a spec against its JSON Schema, the one that ships for editors.
//!
//! serde stops at the first thing it cannot read; this walk finds every unknown key, wrong type, missing argument and value out of
//! range, each with its place, before serde reads the text.

use std::path::Path;

use serde_json::{Map, Value as Json};

use super::document::{Entry, Kind, Value};
use super::expression::is_expression;
use crate::diagnostic::{Diagnostic, Diagnostics, Place, nearest};

/// The schema, as `specs/` carries it.
pub const SCHEMA: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../specs/resnet.schema.json"));

/// Every departure of `document` from the schema.
///
/// Codes: `E-KEY`, `E-ARG` (a key is missing), `E-OP`, `E-TYPE`, `E-RANGE`, `E-LEN`, `E-SPEC`.
pub fn check(document: &Value, file: &Path) -> Diagnostics {
    let mut found = Diagnostics::new();
    match serde_json::from_str::<Json>(SCHEMA) {
        Ok(schema) => {
            Checker { root: &schema, file, found: &mut found }.value(document, &schema, "");
        }
        Err(error) => found.push(Diagnostic::error("E-INTERNAL", format!("the spec's own schema is broken: {error}"))),
    }
    found
}

struct Checker<'a> {
    root: &'a Json,
    file: &'a Path,
    found: &'a mut Diagnostics,
}

/// The kinds of JSON Schema, as YAML's core schema tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    Null,
}

impl Type {
    fn of(value: &Value) -> Self {
        match &value.kind {
            Kind::Map(_) => Self::Object,
            Kind::List(_) => Self::Array,
            Kind::Scalar { plain: false, .. } => Self::String,
            Kind::Scalar { text, plain: true } => match text.as_str() {
                "" | "~" | "null" | "Null" | "NULL" => Self::Null,
                "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Self::Boolean,
                text if is_integer(text) => Self::Integer,
                text if float(text).is_some() => Self::Number,
                _ => Self::String,
            },
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::Null => "null",
        }
    }

    fn fits(self, name: &str) -> bool {
        self.name() == name || (self == Self::Integer && name == "number")
    }
}

impl<'a> Checker<'a> {
    fn value(&mut self, value: &Value, schema: &'a Json, path: &str) {
        let mut alternatives = Vec::new();
        self.alternatives(schema, &mut alternatives, 0);
        let kind = Type::of(value);
        let text = match &value.kind {
            Kind::Scalar { text, .. } => text.as_str(),
            Kind::List(_) | Kind::Map(_) => "",
        };
        let fits = |schema: &&Json| takes(schema, kind) && (kind != Type::String || matches_pattern(schema, text));
        let fitting: Vec<_> = alternatives.iter().copied().filter(fits).collect();
        match (fitting.as_slice(), &value.kind) {
            ([], _) => self.wrong_type(value, kind, &alternatives, path),
            (_, Kind::Map(_)) => self.map(value, &fitting, &alternatives, path),
            (_, Kind::List(items)) => self.list(value, items, &fitting, path),
            (_, Kind::Scalar { text, .. }) => match kind {
                Type::String => self.word(value, text, &fitting, &alternatives, path),
                Type::Integer | Type::Number => self.number(value, text, &fitting, path),
                Type::Object | Type::Array | Type::Boolean | Type::Null => {}
            },
        }
    }

    /// The schemas of which one must hold, references followed.
    fn alternatives(&self, schema: &'a Json, into: &mut Vec<&'a Json>, depth: usize) {
        if depth > 16 {
            return;
        }
        if let Some(target) = schema.get("$ref").and_then(Json::as_str) {
            if let Some(target) = target.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) {
                self.alternatives(target, into, depth + 1);
            }
        } else if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Json::as_array) {
            for choice in choices {
                self.alternatives(choice, into, depth + 1);
            }
        } else {
            into.push(schema);
        }
    }

    fn map(&mut self, value: &Value, fitting: &[&'a Json], alternatives: &[&'a Json], path: &str) {
        let Kind::Map(entries) = &value.kind else { return };
        let chosen = match fitting {
            [only] if tag(only).is_none() => Some(*only),
            _ => fitting
                .iter()
                .copied()
                .find(|schema| tag(schema).is_some_and(|tag| value.entry(tag).is_some()))
                .or_else(|| most_alike(entries, fitting)),
        };
        let Some(schema) = chosen else {
            let names = words(alternatives);
            let (found, position) = match entries.first() {
                Some(entry) => (entry.key.as_str(), entry.position),
                None => ("{}", value.position),
            };
            if names.iter().any(|name| name == found) {
                let message = format!("`{found}` takes no arguments");
                self.report("E-ARG", position, path, message, Some(format!("the word `{found}` alone")), None);
            } else {
                self.unknown("E-OP", position, path, &format!("unknown layer `{found}`"), found, &names);
            }
            return;
        };
        let properties = schema.get("properties").and_then(Json::as_object);
        for entry in entries {
            let inner = if path.is_empty() { entry.key.clone() } else { format!("{path}.{}", entry.key) };
            let others = schema.get("additionalProperties").filter(|others| others.is_object());
            match properties.and_then(|properties| properties.get(&entry.key)).or(others) {
                Some(property) => self.value(&entry.value, property, &inner),
                None => {
                    let names: Vec<_> = properties.into_iter().flat_map(Map::keys).cloned().collect();
                    self.unknown(
                        "E-KEY",
                        entry.position,
                        &inner,
                        &format!("unknown key `{}`", entry.key),
                        &entry.key,
                        &names,
                    );
                }
            }
        }
        for key in strings(schema, "required").filter(|key| value.entry(key).is_none()) {
            let expected =
                properties.and_then(|properties| properties.get(key)).and_then(|property| self.describe(property));
            let (code, hint) = match (path, key) {
                ("", "spec") => ("E-SPEC", Some("begin the file with `spec: resnet/1`".to_owned())),
                _ => ("E-ARG", Some(format!("add `{key}:`"))),
            };
            self.report(code, value.position, path, format!("the key `{key}` is missing"), expected, hint);
        }
    }

    fn list(&mut self, value: &Value, items: &[Value], fitting: &[&'a Json], path: &str) {
        let length = |schema: &Json, key: &str| schema.get(key).and_then(Json::as_u64);
        let count = items.len() as u64;
        let fits = |schema: &&&Json| {
            length(schema, "minItems").is_none_or(|least| count >= least)
                && length(schema, "maxItems").is_none_or(|most| count <= most)
        };
        let Some(schema) = fitting.iter().find(fits) else {
            let expected =
                fitting.iter().filter_map(|schema| match (length(schema, "minItems"), length(schema, "maxItems")) {
                    (Some(least), Some(most)) if least == most => Some(format!("{least} entries")),
                    (least, Some(most)) => Some(format!("{} to {most} entries", least.unwrap_or(0))),
                    (Some(least), None) => Some(format!("at least {least} entries")),
                    (None, None) => None,
                });
            let expected = expected.collect::<Vec<_>>().join(" or ");
            let message = format!("the list has {} entries", items.len());
            self.report("E-LEN", value.position, path, message, Some(expected), None);
            return;
        };
        let prefix = schema.get("prefixItems").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        for (index, item) in items.iter().enumerate() {
            if let Some(schema) = prefix.get(index).or_else(|| schema.get("items")) {
                self.value(item, schema, &format!("{path}[{index}]"));
            }
        }
    }

    fn word(&mut self, value: &Value, text: &str, fitting: &[&'a Json], alternatives: &[&'a Json], path: &str) {
        let constrained = fitting.iter().all(|schema| schema.get("enum").is_some() || schema.get("const").is_some());
        let names = words(alternatives);
        if !constrained {
            self.length(value, text, fitting, path);
        } else if !words(fitting).iter().any(|word| word == text) {
            let tagged = alternatives.iter().any(|schema| tag(schema).is_some());
            if names.iter().any(|name| name == text) {
                let message = format!("`{text}` needs arguments");
                let expected = Some(format!("a map `{text}: {{...}}`"));
                self.report("E-ARG", value.position, path, message, expected, None);
            } else if path == "spec" {
                self.unknown("E-SPEC", value.position, path, &format!("unknown format `{text}`"), text, &names);
            } else if tagged {
                self.unknown("E-OP", value.position, path, &format!("unknown layer `{text}`"), text, &names);
            } else {
                self.unknown("E-TYPE", value.position, path, &format!("unknown value `{text}`"), text, &names);
            }
        }
    }

    fn length(&mut self, value: &Value, text: &str, fitting: &[&'a Json], path: &str) {
        let count = text.chars().count() as u64;
        for schema in fitting {
            let least = schema.get("minLength").and_then(Json::as_u64).unwrap_or(0);
            let most = schema.get("maxLength").and_then(Json::as_u64).unwrap_or(u64::MAX);
            if count < least || count > most {
                let message = format!("the text has {count} characters");
                self.report("E-LEN", value.position, path, message, Some(format!("{least} to {most}")), None);
            }
        }
    }

    fn number(&mut self, value: &Value, text: &str, fitting: &[&'a Json], path: &str) {
        let Some(first) = fitting.first() else { return };
        if fitting.iter().any(|schema| number_fits(schema, text)) {
            return;
        }
        let mut limits = Vec::new();
        for (key, words) in [("minimum", "at least"), ("exclusiveMinimum", "more than"), ("maximum", "at most")] {
            if let Some(limit) = first.get(key).and_then(Json::as_f64) {
                limits.push(format!("{words} {limit}"));
            }
        }
        if limits.is_empty() {
            limits.push("a number that can be held".to_owned());
        }
        let message = format!("{text} is out of range");
        self.report("E-RANGE", value.position, path, message, Some(limits.join(" and ")), None);
    }

    fn wrong_type(&mut self, value: &Value, kind: Type, alternatives: &[&'a Json], path: &str) {
        let mut expected: Vec<String> = Vec::new();
        for schema in alternatives {
            for text in describe(schema) {
                if !expected.contains(&text) {
                    expected.push(text);
                }
            }
        }
        let found = match (&value.kind, kind) {
            (_, Type::Null) => "nothing stands here".to_owned(),
            (Kind::Scalar { text, .. }, Type::String) => format!("found the text `{text}`"),
            (Kind::Scalar { text, .. }, _) => format!("found `{text}`"),
            (Kind::List(_), _) => "found a list".to_owned(),
            (Kind::Map(_), _) => "found a map".to_owned(),
        };
        let wants_text = expected.iter().any(|text| text == "text");
        let hint = (wants_text && matches!(kind, Type::Integer | Type::Number | Type::Boolean))
            .then(|| "put it in quotes if it is meant as text".to_owned());
        let code = if path == "spec" { "E-SPEC" } else { "E-TYPE" };
        self.report(code, value.position, path, found, Some(expected.join(" or ")), hint);
    }

    fn unknown(
        &mut self,
        code: &'static str,
        position: (usize, usize),
        path: &str,
        message: &str,
        found: &str,
        names: &[String],
    ) {
        let hint = nearest(found, names.iter().map(String::as_str)).map(|name| format!("did you mean `{name}`?"));
        let list: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        let expected = if list.len() == 1 { list.concat() } else { format!("one of {}", list.join(", ")) };
        self.report(code, position, path, message.to_owned(), Some(expected), hint);
    }

    fn describe(&self, schema: &'a Json) -> Option<String> {
        let mut alternatives = Vec::new();
        self.alternatives(schema, &mut alternatives, 0);
        let mut texts: Vec<String> = Vec::new();
        for text in alternatives.iter().flat_map(|schema| describe(schema)) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        (!texts.is_empty()).then(|| texts.join(" or "))
    }

    fn report(
        &mut self,
        code: &'static str,
        (line, column): (usize, usize),
        path: &str,
        message: String,
        expected: Option<String>,
        hint: Option<String>,
    ) {
        let mut diagnostic = Diagnostic::error(code, message).at(Place::at(self.file, line, column));
        diagnostic.subject = (!path.is_empty()).then(|| path.to_owned());
        diagnostic.expected = expected;
        diagnostic.hint = hint;
        self.found.push(diagnostic);
    }
}

fn number_fits(schema: &Json, text: &str) -> bool {
    let bound = |key: &str| schema.get(key).and_then(Json::as_f64);
    let number = float(text).unwrap_or(f64::NAN);
    let inside = number.is_finite()
        && bound("minimum").is_none_or(|least| number >= least)
        && bound("maximum").is_none_or(|most| number <= most)
        && bound("exclusiveMinimum").is_none_or(|limit| number > limit);
    let readable = !strings_of_type(schema).contains(&"integer") || text.trim_start_matches('+').parse::<u64>().is_ok();
    inside && readable
}

fn takes(schema: &Json, kind: Type) -> bool {
    strings_of_type(schema).iter().any(|name| kind.fits(name))
}

/// The one of the schemas without a tag that knows the most keys of a map.
fn most_alike<'a>(entries: &[Entry], schemas: &[&'a Json]) -> Option<&'a Json> {
    let known = |schema: &Json| {
        let properties = schema.get("properties").and_then(Json::as_object);
        entries.iter().filter(|entry| properties.is_some_and(|known| known.contains_key(&entry.key))).count()
    };
    // Of equals, the first.
    schemas.iter().copied().filter(|schema| tag(schema).is_none()).rev().max_by_key(|schema| known(schema))
}

/// The only key of a map that stands for one case of a choice. (No struct of the spec consists of a single, required key.)
fn tag(schema: &Json) -> Option<&str> {
    let properties = schema.get("properties")?.as_object()?;
    let mut required = strings(schema, "required");
    match (properties.len(), required.next(), required.next()) {
        (1, Some(tag), None) if schema.get("additionalProperties") == Some(&Json::Bool(false)) => Some(tag),
        _ => None,
    }
}

/// Whether a text has the form that a schema asks for. There is one pattern: that of expressions.
fn matches_pattern(schema: &Json, text: &str) -> bool {
    schema.get("pattern").is_none() || is_expression(text)
}

fn strings_of_type(schema: &Json) -> Vec<&str> {
    match schema.get("type") {
        Some(Json::String(name)) => vec![name],
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

fn strings<'a>(schema: &'a Json, key: &str) -> impl Iterator<Item = &'a str> {
    schema.get(key).and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

/// Every word that one of the schemas allows: values of enumerations and tags of cases.
fn words(schemas: &[&Json]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for schema in schemas {
        let fixed = schema.get("const").and_then(Json::as_str);
        for word in strings(schema, "enum").chain(fixed).chain(tag(schema)) {
            if !words.iter().any(|known| known == word) {
                words.push(word.to_owned());
            }
        }
    }
    words
}

fn describe(schema: &Json) -> Vec<String> {
    let words = words(&[schema]);
    if !words.is_empty() && tag(schema).is_none() {
        return words.iter().map(|word| format!("`{word}`")).collect();
    }
    let count = |key: &str| schema.get(key).and_then(Json::as_u64);
    if schema.get("pattern").is_some() {
        // That an expression may stand here too is no help to one who wrote something else.
        return Vec::new();
    }
    strings_of_type(schema)
        .into_iter()
        .filter(|name| *name != "null")
        .map(|name| match (name, count("minItems"), count("maxItems")) {
            ("object", ..) => match tag(schema) {
                Some(tag) => format!("`{tag}: {{...}}`"),
                None => "a map".to_owned(),
            },
            ("array", Some(least), Some(most)) if least == most => format!("a list of {least}"),
            ("array", ..) => "a list".to_owned(),
            ("string", ..) => "text".to_owned(),
            ("integer", ..) => "a whole number".to_owned(),
            ("number", ..) => "a number".to_owned(),
            ("boolean", ..) => "`true` or `false`".to_owned(),
            (other, ..) => other.to_owned(),
        })
        .collect()
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit())
        && (digits == "0" || !digits.is_empty() && !digits.starts_with('0'))
}

/// The value of a plain scalar that is a number; infinite or not a number where YAML says so.
fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    match digits {
        ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        _ if digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && (is_integer(text) || !digits.bytes().all(|byte| byte.is_ascii_digit())) =>
        {
            text.parse().ok()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this walk understands. A keyword that is not among them would be accepted in silence.
    const KEYWORDS: [&str; 25] = [
        "$defs",
        "$id",
        "$ref",
        "$schema",
        "additionalProperties",
        "anyOf",
        "const",
        "default",
        "description",
        "enum",
        "exclusiveMinimum",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "oneOf",
        "pattern",
        "prefixItems",
        "properties",
        "required",
        "title",
    ];

    #[test]
    fn every_keyword_of_the_schema_is_understood() {
        let mut open = vec![serde_json::from_str::<Json>(SCHEMA).unwrap()];
        while let Some(schema) = open.pop() {
            let Some(object) = schema.as_object() else { continue };
            for (key, value) in object {
                assert!(key == "type" || KEYWORDS.contains(&key.as_str()), "keyword {key} is not checked");
                match key.as_str() {
                    "properties" | "$defs" => open.extend(value.as_object().unwrap().values().cloned()),
                    "items" => open.push(value.clone()),
                    "anyOf" | "oneOf" | "prefixItems" => open.extend(value.as_array().unwrap().iter().cloned()),
                    "additionalProperties" if value.is_object() => open.push(value.clone()),
                    "additionalProperties" => assert_eq!(value, &Json::Bool(false)),
                    "pattern" => assert_eq!(value, "\\$"),
                    _ => {}
                }
            }
        }
    }

    #[test]
    fn scalars_have_the_types_of_the_core_schema() {
        let kind = |text: &str| {
            Type::of(&Value { position: (1, 1), kind: Kind::Scalar { text: text.to_owned(), plain: true } })
        };
        assert_eq!(kind("1e-5"), Type::Number);
        assert_eq!(kind(".nan"), Type::Number);
        assert_eq!(kind("-3"), Type::Integer);
        assert_eq!(kind("007"), Type::String);
        assert_eq!(kind("0x10"), Type::String);
        assert_eq!(kind("1.2.3"), Type::String);
        assert_eq!(kind("infinity"), Type::String);
        assert_eq!(kind("~"), Type::Null);
        assert_eq!(kind("yes"), Type::String);
    }
}
