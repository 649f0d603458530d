//! What a file's metadata say of pictures and classes: the standard's properties of images, and lists of labels under the names that
//! trainers use.
//!
//! They are hints, and no part of what the model computes: those that cannot be followed are told and left out.

use serde_json::Value;

use super::super::surroundings::Surroundings;
use super::super::yaml::spec::{Color, Labels, Preprocess};
use crate::Diagnostic;
use crate::ir::Graph;

/// Metadata longer than this are no labels of anything.
const LONGEST: usize = 1 << 22;
/// Keys under which trainers keep the labels.
const LABELS: [&str; 6] = ["labels", "classes", "class_names", "class_labels", "names", "id2label"];

/// What the metadata say that goes with a network, and warnings about what does not.
pub(super) fn hints(metadata: &[(String, String)], graph: &Graph) -> (Surroundings, Vec<Diagnostic>) {
    let mut warnings = Vec::new();
    let mut doubt = |key: &str, message: String, expected: &str| {
        let warning = Diagnostic::warning("W-ONNX-META", message);
        warnings.push(warning.about(format!("metadata `{key}`")).expected(expected).hint("the hint is not followed"));
    };
    let preprocess = preprocess(metadata, graph, &mut doubt).unwrap_or_default();
    let labels = labels(metadata, graph, &mut doubt).map(Labels::List);
    (Surroundings { preprocess, labels }, warnings)
}

/// The standard's properties of images; keys and values are of either case.
/// <https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md>
fn preprocess(
    metadata: &[(String, String)],
    graph: &Graph,
    doubt: &mut dyn FnMut(&str, String, &str),
) -> Option<Preprocess> {
    let property = |name: &'static str| {
        let (_, value) = metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some((name, value.trim().to_ascii_lowercase()))
    };
    let (format, range) = (property("Image.BitmapPixelFormat"), property("Image.NominalPixelRange"));
    let (key, _) = format.as_ref().or(range.as_ref())?;
    let shapes: Vec<_> = graph.inputs().iter().map(|id| graph.node(*id).shape().0.clone()).collect();
    if !matches!(shapes.as_slice(), [shape] if matches!(shape.as_slice(), [_, 3, _, _])) {
        doubt(key, format!("it tells of pictures, the inputs are {shapes:?}"), "one input [N, 3, H, W]");
        return None;
    }
    if let Some((key, gamma)) = property("Image.ColorSpaceGamma")
        && gamma != "srgb"
    {
        doubt(key, format!("colours are `{gamma}`"), "`SRGB`, as the values of a picture's file are");
        return None;
    }
    let color = match format.as_ref().map(|(key, format)| (*key, format.as_str())) {
        None => None,
        Some((_, "rgb8")) => Some(Color::Rgb),
        Some((_, "bgr8")) => Some(Color::Bgr),
        Some((key, other)) => {
            doubt(key, format!("pixels are `{other}`"), "`Rgb8` or `Bgr8`");
            return None;
        }
    };
    let range = match range.as_ref().map(|(key, range)| (*key, range.as_str())) {
        // Eight bits as they are.
        None | Some((_, "nominalrange_0_255")) => [0.0, 255.0],
        Some((_, "normalized_0_1")) => [0.0, 1.0],
        Some((_, "normalized_1_1")) => [-1.0, 1.0],
        Some((_, "nominalrange_16_235")) => [16.0, 235.0],
        Some((key, other)) => {
            let known = "`NominalRange_0_255`, `Normalized_0_1`, `Normalized_1_1` or `NominalRange_16_235`";
            doubt(key, format!("values are `{other}`"), known);
            return None;
        }
    };
    Some(Preprocess { color, range: Some(range), ..Preprocess::default() })
}

fn labels(
    metadata: &[(String, String)],
    graph: &Graph,
    doubt: &mut dyn FnMut(&str, String, &str),
) -> Option<Vec<String>> {
    let own = |name: &&str| metadata.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    let (key, value) = LABELS.iter().find_map(own)?;
    // A value that is no list may mean anything.
    let labels = list(value)?;
    let outputs: Vec<_> = graph.outputs().iter().map(|output| graph.node(output.node).shape()).collect();
    if !outputs.iter().any(|shape| shape.vector().is_some_and(|[_, classes]| classes == labels.len())) {
        let shapes: Vec<_> = outputs.iter().map(|shape| &shape.0).collect();
        doubt(key, format!("{} labels, the outputs are {shapes:?}", labels.len()), "a label per class of an output");
        return None;
    }
    Some(labels)
}

/// A list of texts, or a table from numbers 0, 1, ... to texts: as JSON, as Python writes it, or lines.
fn list(text: &str) -> Option<Vec<String>> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST {
        return None;
    }
    if !text.starts_with(['[', '{']) {
        let lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
        return Some(lines).filter(|lines| lines.len() > 1);
    }
    let word = |value: &Value| value.as_str().map(str::to_owned);
    match serde_json::from_str::<Value>(text).or_else(|_| serde_json::from_str(&as_json(text))).ok()? {
        Value::Array(values) => values.iter().map(word).collect(),
        Value::Object(values) => (0..values.len()).map(|index| values.get(&index.to_string()).and_then(word)).collect(),
        _ => None,
    }
}

/// A list or a table of numbers and texts in Python's notation, as JSON: texts in single quotes, keys that are numbers.
fn as_json(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 64);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\'' | '"' => {
                json.push('"');
                while let Some(inner) = rest.next() {
                    match inner {
                        end if end == c => break,
                        '\\' => match rest.next() {
                            Some('\'') => json.push('\''),
                            Some(escaped) => json.extend(['\\', escaped]),
                            None => {}
                        },
                        '"' => json.push_str("\\\""),
                        other => json.push(other),
                    }
                }
                json.push('"');
            }
            '0'..='9' => {
                let mut number = String::from(c);
                while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                    number.push(digit);
                }
                json.push_str(&format!("\"{number}\""));
            }
            '(' => json.push('['),
            ')' => json.push(']'),
            other => json.push(other),
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_in_every_notation() {
        let expected = Some(vec!["cat".to_owned(), "it's, a \"dog\"".to_owned()]);
        for text in [
            r#"["cat", "it's, a \"dog\""]"#,
            r#"{"1": "it's, a \"dog\"", "0": "cat"}"#,
            r#"['cat', 'it\'s, a "dog"']"#,
            r#"{0: 'cat', 1: "it's, a \"dog\""}"#,
            "cat\nit's, a \"dog\"\n",
        ] {
            assert_eq!(list(text), expected, "{text}");
        }
        for text in [
            "",
            "cat",
            "[1, 2]",
            "{1: 'a', 2: 'b'}",
            "{'a': 'b'}",
            "[",
            "{0: ",
            "['a\\",
            "[[\"a\"]]",
            "{0: 'a', 1: 2.5}",
        ] {
            assert_eq!(list(text), None, "{text}");
        }
    }
}
