//! A label per class: from a set that ships, a file, or a list.

use std::path::{Path, PathBuf};

use super::about;
use crate::diagnostic::{Diagnostic, Place, nearest};
use crate::frontend::shipped;
use crate::frontend::source::{self, Content};
use crate::frontend::yaml::spec::Labels;
use crate::ir::Shape;
use crate::limits;

/// The key `labels`: as the model has it, and as it is given in its place.
#[derive(Clone, Copy)]
pub struct LabelKeys<'a> {
    /// The model's own.
    pub own: Option<&'a Labels>,
    /// From outside.
    pub given: Option<&'a Labels>,
    /// Where the model's own key stands.
    pub place: &'a dyn Fn(&str) -> Option<Place>,
}

/// The labels, and the file that they were read from. `beside` reads a file that the model names, `outputs` are the network's.
pub fn labels(
    keys: &LabelKeys<'_>,
    beside: &dyn Fn(&str) -> Result<Content, String>,
    outputs: &[&Shape],
    report: &mut dyn FnMut(Diagnostic),
) -> (Vec<String>, Option<PathBuf>) {
    let Some(labels) = keys.given.or(keys.own) else { return (Vec::new(), None) };
    let outside = keys.given.is_some();
    let place = if outside { None } else { (keys.place)("labels") };
    let mut problem = |message: String, expected: String, hint: Option<String>| {
        report(Diagnostic { hint, ..about("E-LABELS", "labels", place.clone(), message).expected(expected) });
    };
    let mut file = None;
    let labels: Vec<String> = match labels {
        Labels::List(labels) => labels.clone(),
        Labels::Named(name) => match shipped::labels(name) {
            Some(text) => lines(text),
            None if !name.contains(['.', '/', '\\']) => {
                let names = shipped::label_sets();
                let hint = nearest(name, names.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                let expected = format!("one of `{}`, a file, or a list", names.join("`, `"));
                problem(format!("no set of labels is called `{name}`"), expected, hint);
                return (Vec::new(), None);
            }
            None => {
                let read = if outside {
                    let path = Path::new(name);
                    source::read(path, limits::LABEL_BYTES.get()).map(|bytes| (Some(path.to_path_buf()), bytes.into()))
                } else {
                    beside(name)
                };
                let (path, bytes) = match read {
                    Ok(content) => content,
                    Err(message) => {
                        let expected = if outside { "a text file" } else { "a text file beside or below the spec" };
                        problem(message, format!("{expected}, one label per line"), None);
                        return (Vec::new(), None);
                    }
                };
                file = path;
                match std::str::from_utf8(&bytes) {
                    Ok(text) => lines(text.trim_start_matches('\u{feff}')),
                    Err(_) => {
                        problem(format!("`{name}` is not UTF-8 text"), "one label per line".to_owned(), None);
                        return (Vec::new(), file);
                    }
                }
            }
        },
    };
    let mut classes = outputs.iter().filter_map(|shape| shape.vector()).map(|[_, classes]| classes).peekable();
    match (classes.peek().copied(), outputs.first()) {
        (Some(first), _) if !classes.any(|classes| classes == labels.len()) => {
            problem(format!("{} labels", labels.len()), format!("{first}, one per class"), None);
        }
        (None, Some(shape)) => {
            let hint = "leave the labels out, or compile a network that ends in a `dense` layer";
            problem(
                format!("the output {shape} has no classes"),
                "an output [N, classes]".to_owned(),
                Some(hint.to_owned()),
            );
        }
        (Some(_), _) | (None, None) => {}
    }
    (labels, file)
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}
