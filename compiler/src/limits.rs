//! How large a user's files may be, and what is made of them: so that none of them takes time or memory without end.
//!
//! Each limit has a name by which the variable [`VARIABLE`] sets another value, for the command line and the macro alike. They only refuse:
//! what is compiled does not depend on them. The README lists them. Depths of nesting are fixed, since the stack is.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use crate::diagnostic::{Diagnostic, nearest};

/// The variable that sets limits: `NAME=VALUE`, several with commas between them.
pub const VARIABLE: &str = "RESNETC_LIMITS";

/// A bound that can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Its name.
    pub name: &'static str,
    /// Its value when nothing else is said.
    pub default: u64,
    /// What it bounds.
    pub what: &'static str,
}

const fn limit(name: &'static str, default: u64, what: &'static str) -> Limit {
    Limit { name, default, what }
}

/// Images per call of a spec.
pub static BATCH: Limit = limit("batch", 4096, "images per call of a spec");
/// Bytes of a text file with labels.
pub static LABEL_BYTES: Limit = limit("label-bytes", 1 << 22, "bytes of a file of labels");
/// Elements of a map or a vector of a network.
pub static MAP_ELEMENTS: Limit = limit("map-elements", 1 << 31, "elements of a network's input, and of every result");
/// Bytes of the constants that the operators of an ONNX model compute.
pub static ONNX_CONSTANT_BYTES: Limit =
    limit("onnx-constant-bytes", 1 << 31, "bytes of constants that an ONNX model computes");
/// Terms of the sums and products of the constants that the operators of an ONNX model compute.
pub static ONNX_CONSTANT_TERMS: Limit =
    limit("onnx-constant-terms", 1 << 31, "terms that are added up for constants that an ONNX model computes");
/// Bytes of the nodes of an ONNX model with its functions written out.
pub static ONNX_FUNCTION_BYTES: Limit =
    limit("onnx-function-bytes", 1 << 31, "bytes of an ONNX model's nodes, functions written out");
/// Inputs of an ONNX model.
pub static ONNX_INPUTS: Limit = limit("onnx-inputs", 1000, "inputs of an ONNX model");
/// Nodes of an ONNX model's functions, written out.
pub static ONNX_NODES: Limit = limit("onnx-nodes", 1 << 20, "nodes that an ONNX model's functions are written out to");
/// Outputs of an ONNX model.
pub static ONNX_OUTPUTS: Limit = limit("onnx-outputs", 1000, "outputs of an ONNX model");
/// Values of all tensors of a spec.
pub static PARAMETERS: Limit = limit("parameters", 1 << 30, "values of all tensors of a spec");
/// Bytes of a spec or a tuning file.
pub static SPEC_BYTES: Limit = limit("spec-bytes", 1 << 20, "bytes of a spec, or of a file of tuning");
/// Layers and blocks of a spec, repeats counted.
pub static SPEC_LAYERS: Limit = limit("spec-layers", 200_000, "layers and blocks of a spec, repeated ones too");
/// Bytes of a file of weights, its shards together.
pub static WEIGHT_BYTES: Limit =
    limit("weight-bytes", 1 << 32, "bytes of a file of weights, its shards or external files together");
/// Bytes that packed parts of a small file of weights unpack to.
pub static UNPACKED_BYTES: Limit = limit(
    "unpacked-bytes",
    1 << 30,
    "bytes that a file of weights unpacks to; twice its own are always allowed, and never more than 1032 times",
);

/// Every limit, in the order of the names.
pub static ALL: [&Limit; 14] = [
    &BATCH,
    &LABEL_BYTES,
    &MAP_ELEMENTS,
    &ONNX_CONSTANT_BYTES,
    &ONNX_CONSTANT_TERMS,
    &ONNX_FUNCTION_BYTES,
    &ONNX_INPUTS,
    &ONNX_NODES,
    &ONNX_OUTPUTS,
    &PARAMETERS,
    &SPEC_BYTES,
    &SPEC_LAYERS,
    &UNPACKED_BYTES,
    &WEIGHT_BYTES,
];

type Chosen = BTreeMap<&'static str, u64>;

impl Limit {
    /// The value that holds: the user's, or the default.
    pub fn get(&self) -> u64 {
        chosen().as_ref().ok().and_then(|chosen| chosen.get(self.name).copied()).unwrap_or(self.default)
    }

    /// The value that holds as a count of things in memory.
    pub fn count(&self) -> usize {
        usize::try_from(self.get()).unwrap_or(usize::MAX)
    }

    /// What to do about a file that is refused for it.
    pub fn hint(&self) -> String {
        format!("if it is meant so, set {VARIABLE}={}=NUMBER", self.name)
    }
}

/// Whether the variable says what it may say.
///
/// # Errors
/// `E-LIMITS`.
pub fn check() -> Result<(), Diagnostic> {
    chosen().as_ref().map(|_| ()).map_err(Clone::clone)
}

fn chosen() -> &'static Result<Chosen, Diagnostic> {
    static CHOSEN: OnceLock<Result<Chosen, Diagnostic>> = OnceLock::new();
    CHOSEN.get_or_init(|| match std::env::var_os(VARIABLE) {
        Some(text) => parse(&text.to_string_lossy()),
        None => Ok(Chosen::new()),
    })
}

fn parse(text: &str) -> Result<Chosen, Diagnostic> {
    let mut chosen = Chosen::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let wrong = |message: String| Diagnostic::error("E-LIMITS", message).about(VARIABLE);
        let Some((name, value)) = entry.split_once('=') else {
            return Err(
                wrong(format!("`{entry}` has no value")).expected("NAME=NUMBER, several with commas between them")
            );
        };
        let Some(limit) = ALL.iter().find(|limit| limit.name == name.trim()) else {
            let names = ALL.map(|limit| limit.name);
            let problem = wrong(format!("no limit is called `{}`", name.trim()))
                .expected(format!("one of `{}`", names.join("`, `")));
            return Err(match nearest(name.trim(), names) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem,
            });
        };
        let number = value.trim().parse().ok().filter(|number| *number > 0);
        let number = number.ok_or_else(|| {
            wrong(format!("`{}` of `{}` is no limit", value.trim(), limit.name))
                .expected(format!("a whole number from 1 to {}", u64::MAX))
        })?;
        chosen.insert(limit.name, number);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_set_by_name() {
        assert_eq!(parse(""), Ok(Chosen::new()));
        let chosen = parse(" onnx-nodes = 7,weight-bytes=18446744073709551615, ").unwrap();
        assert_eq!(chosen, Chosen::from([("onnx-nodes", 7), ("weight-bytes", u64::MAX)]));
        for (text, expected) in [
            ("onnx-nodes", "`onnx-nodes` has no value"),
            ("onnx-node=7", "did you mean `onnx-nodes`?"),
            ("onnx-nodes=0", "`0` of `onnx-nodes` is no limit"),
            ("onnx-nodes=-1", "`-1` of `onnx-nodes` is no limit"),
            ("onnx-nodes=18446744073709551616", "is no limit"),
        ] {
            let problem = parse(text).unwrap_err().to_string();
            assert!(
                problem.starts_with("error[E-LIMITS]: RESNETC_LIMITS: ") && problem.contains(expected),
                "{problem}"
            );
        }
    }

    #[test]
    fn the_readme_lists_every_limit() {
        let readme = include_str!("../../README.md");
        assert!(ALL.is_sorted_by_key(|limit| limit.name));
        for Limit { name, default, what } in ALL {
            assert!(readme.contains(&format!("| `{name}` | {default} | {what} |\n")), "{name}");
        }
    }
}
