//! Functions that a model defines: each call is replaced by the function's body.
//!
//! Names inside a body are its own: values and nodes get the call's name in front, and a number behind where that is taken. An attribute
//! that refers to one of the function's takes what the call says, else the function's default, else it is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::rc::Rc;

use prost::Message;

use super::model::standard;
use super::operators;
use super::proto::{AttributeProto, FunctionProto, GraphProto, NodeProto, OperatorSetIdProto};
use crate::diagnostic::Diagnostic;
use crate::limits;

/// Functions that may be in each other.
const DEEPEST: usize = 500;

/// Domain, name and overload.
type Key = (String, String, String);

/// A node to be taken or written out, with the version of its operators and the calls that it comes from.
struct Pending {
    node: NodeProto,
    opset: i64,
    calls: Option<Rc<Calls>>,
}

/// The function whose body a node is of, and the calls around that.
struct Calls {
    function: Key,
    around: Option<Rc<Calls>>,
}

/// Writes out all calls, and gives the version of the standard's operators for each node.
pub(super) fn inline(
    graph: &mut GraphProto,
    functions: &[FunctionProto],
    opset: i64,
    supported: &RangeInclusive<i64>,
) -> Result<Vec<i64>, Diagnostic> {
    let key = |domain: &str, name: &str, overload: &str| -> Key {
        (if standard(domain) { "" } else { domain }.to_owned(), name.to_owned(), overload.to_owned())
    };
    let functions: BTreeMap<Key, &FunctionProto> = functions
        .iter()
        .map(|function| (key(&function.domain, &function.name, &function.overload), function))
        .collect();
    let mut names = Names::of(graph);
    let nodes = std::mem::take(&mut graph.node);
    let mut open: Vec<Pending> = nodes.into_iter().rev().map(|node| Pending { node, opset, calls: None }).collect();
    let mut opsets = Vec::with_capacity(open.len());
    let (mut written, mut bytes) = (0_usize, 0_usize);
    while let Some(Pending { node, opset, calls }) = open.pop() {
        let called = key(&node.domain, &node.op_type, &node.overload);
        let own = standard(&node.domain) && operators::find(&node.op_type).is_some();
        let Some(function) = functions.get(&called).filter(|_| !own) else {
            graph.node.push(node);
            opsets.push(opset);
            continue;
        };
        let subject = || format!("function `{}` of domain `{}`", function.name, function.domain);
        let around = std::iter::successors(calls.as_ref(), |call| call.around.as_ref());
        if around.into_iter().any(|call| call.function == called) {
            return Err(Diagnostic::error("E-ONNX-CYCLE", "it calls itself")
                .about(subject())
                .expected("functions that do not lead back to themselves"));
        }
        let around = std::iter::successors(calls.as_ref(), |call| call.around.as_ref());
        if around.take(DEEPEST).count() == DEEPEST {
            return Err(Diagnostic::error("E-ONNX-LIMIT", format!("more than {DEEPEST} functions are in each other"))
                .about(subject()));
        }
        let opset = version(&function.opset_import).unwrap_or(opset);
        if opset < *supported.start() {
            return Err(Diagnostic::error("E-ONNX-OPSET", format!("its operator set is version {opset}"))
                .about(subject())
                .expected(format!("version {} to {} of the standard operators", supported.start(), supported.end())));
        }
        let body = written_out(function, &node, &mut names);
        written += body.len();
        bytes = body.iter().fold(bytes, |bytes, node| bytes.saturating_add(node.encoded_len()));
        if written > limits::ONNX_NODES.count() || bytes > limits::ONNX_FUNCTION_BYTES.count() {
            return Err(Diagnostic::error(
                "E-ONNX-LIMIT",
                format!(
                    "with all functions written out, the model has more than {} nodes or {} bytes",
                    limits::ONNX_NODES.get(),
                    limits::ONNX_FUNCTION_BYTES.get()
                ),
            )
            .hint(limits::ONNX_NODES.hint())
            .about(subject()));
        }
        let calls = Some(Rc::new(Calls { function: called, around: calls }));
        open.extend(body.into_iter().rev().map(|node| Pending { node, opset, calls: calls.clone() }));
    }
    Ok(opsets)
}

/// The version of the standard's operators.
pub(super) fn version(sets: &[OperatorSetIdProto]) -> Option<i64> {
    sets.iter().filter(|set| standard(&set.domain)).map(|set| set.version).max()
}

/// A function's nodes with the names that they have in the graph.
fn written_out(function: &FunctionProto, call: &NodeProto, names: &mut Names) -> Vec<NodeProto> {
    let given = if call.name.is_empty() { call.output.first().unwrap_or(&function.name) } else { &call.name };
    let actual = |formal: &[String], given: &[String]| -> BTreeMap<String, String> {
        let given = given.iter().cloned().chain(std::iter::repeat(String::new()));
        formal.iter().cloned().zip(given).collect()
    };
    let inputs = actual(&function.input, &call.input);
    let mut seen = inputs.clone();
    for (formal, name) in actual(&function.output, &call.output) {
        // What the caller does not want, and what is an input as well, is a value like others.
        if !name.is_empty() && !inputs.contains_key(&formal) {
            seen.insert(formal, name);
        }
    }
    let mut body = Vec::with_capacity(function.node.len());
    for node in &function.node {
        let mut renamed = |name: &String| match name.is_empty() {
            true => String::new(),
            false => seen.entry(name.clone()).or_insert_with(|| names.unique(&format!("{given}/{name}"))).clone(),
        };
        body.push(NodeProto {
            input: node.input.iter().map(&mut renamed).collect(),
            output: node.output.iter().map(&mut renamed).collect(),
            name: if node.name.is_empty() { String::new() } else { format!("{given}/{}", node.name) },
            attribute: node.attribute.iter().filter_map(|attribute| said(attribute, function, call)).collect(),
            ..node.clone()
        });
    }
    for (formal, name) in function.output.iter().zip(&call.output) {
        if let Some(input) = inputs.get(formal).filter(|_| !name.is_empty()) {
            let node = NodeProto {
                input: vec![input.clone()],
                output: vec![name.clone()],
                op_type: "Identity".to_owned(),
                ..NodeProto::default()
            };
            body.push(node);
        }
    }
    body
}

/// An attribute of a node in a body: its own, or the one that it refers to.
fn said(attribute: &AttributeProto, function: &FunctionProto, call: &NodeProto) -> Option<AttributeProto> {
    if attribute.ref_attr_name.is_empty() {
        return Some(attribute.clone());
    }
    let mut said = call.attribute.iter().chain(&function.attribute_proto);
    let said = said.find(|said| said.name == attribute.ref_attr_name)?;
    Some(AttributeProto { name: attribute.name.clone(), ..said.clone() })
}

/// Names of values that are taken.
struct Names {
    taken: BTreeSet<String>,
    suffixes: BTreeMap<String, usize>,
}

impl Names {
    fn of(graph: &GraphProto) -> Self {
        let values = graph.node.iter().flat_map(|node| node.input.iter().chain(&node.output));
        let inputs = graph.input.iter().map(|info| &info.name);
        let sparse = graph.sparse_initializer.iter().filter_map(|tensor| tensor.values.as_ref());
        let constants = graph.initializer.iter().chain(sparse).map(|tensor| &tensor.name);
        Self { taken: values.chain(inputs).chain(constants).cloned().collect(), suffixes: BTreeMap::new() }
    }

    fn unique(&mut self, name: &str) -> String {
        let mut candidate = name.to_owned();
        while !self.taken.insert(candidate.clone()) {
            let suffix = self.suffixes.entry(name.to_owned()).or_default();
            *suffix += 1;
            candidate = format!("{name}.{suffix}");
        }
        candidate
    }
}
