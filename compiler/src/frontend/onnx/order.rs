//! Names and order: who makes which value, what the outputs depend on, in which order to take it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::model::Model;
use super::proto::{NodeProto, SparseTensorProto, TensorProto, ValueInfoProto};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, nearest};
use crate::limits;

/// So many nodes of a cycle or undefined names are named; the rest is counted.
const NAMED: usize = 20;
/// A suggestion is looked for among so many names at most.
const CANDIDATES: usize = 4096;
/// And only among names, and for a name, shorter than this.
const LONGEST: usize = 128;

/// What to take, and in which order.
pub(super) struct Schedule<'m> {
    /// Positions of the nodes that the outputs depend on, each after those that it reads from.
    pub nodes: Vec<usize>,
    /// Constants by name.
    pub initializers: BTreeMap<&'m str, &'m TensorProto>,
    /// Sparse constants by name.
    pub sparse: BTreeMap<&'m str, &'m SparseTensorProto>,
    /// The inputs that are not constants' defaults, in their order; at least one.
    pub inputs: Vec<&'m ValueInfoProto>,
    /// The outputs; at least one, and no two of the same name.
    pub outputs: Vec<&'m ValueInfoProto>,
    /// How often each value is read by the nodes taken, or is an output.
    pub uses: BTreeMap<&'m str, usize>,
}

/// Checks names, inputs and outputs, and orders the nodes.
pub(super) fn schedule<'m>(model: &'m Model, path: &Path) -> Result<Schedule<'m>, Diagnostics> {
    let graph = &model.graph;
    let mut errors = Diagnostics::new();
    let mut report = |diagnostic: Diagnostic| errors.push(diagnostic.at(Place::file(path)));

    let mut initializers = BTreeMap::new();
    for tensor in &graph.initializer {
        if initializers.insert(tensor.name.as_str(), tensor).is_some() {
            report(twice(&tensor.name, "two initializers"));
        }
    }
    let mut sparse = BTreeMap::new();
    for tensor in &graph.sparse_initializer {
        let Some(values) = &tensor.values else { continue };
        if sparse.insert(values.name.as_str(), tensor).is_some() || initializers.contains_key(values.name.as_str()) {
            report(twice(&values.name, "two initializers"));
        }
    }
    let inputs: Vec<_> = graph
        .input
        .iter()
        .filter(|input| !initializers.contains_key(input.name.as_str()) && !sparse.contains_key(input.name.as_str()))
        .collect();

    let input_names: BTreeSet<_> = inputs.iter().map(|input| input.name.as_str()).collect();
    let mut producers = BTreeMap::new();
    for (index, node) in graph.node.iter().enumerate() {
        for output in node.output.iter().filter(|output| !output.is_empty()) {
            let taken = initializers.contains_key(output.as_str())
                || sparse.contains_key(output.as_str())
                || input_names.contains(output.as_str());
            if producers.insert(output.as_str(), index).is_some() || taken {
                report(twice(output, "a node's output and something else"));
            }
        }
    }

    let inputs_given = taken(&inputs, &mut report);
    let outputs: Vec<_> = graph.output.iter().collect();
    if !(interface(&outputs, &mut report) && inputs_given) {
        return Err(errors);
    }

    let live = reachable(&graph.node, &producers, &outputs);
    let defined = |name: &str| {
        producers.contains_key(name)
            || initializers.contains_key(name)
            || sparse.contains_key(name)
            || input_names.contains(name)
    };
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    let mut undefined: BTreeMap<&str, String> = BTreeMap::new();
    for output in &outputs {
        *uses.entry(&output.name).or_default() += 1;
        if !defined(&output.name) {
            undefined.insert(&output.name, "the graph's output".to_owned());
        }
    }
    for (index, node) in graph.node.iter().enumerate().filter(|(index, _)| live.contains(index)) {
        for name in node.input.iter().filter(|name| !name.is_empty()) {
            *uses.entry(name).or_default() += 1;
            if !defined(name) {
                undefined.entry(name).or_insert_with(|| format!("node {}", label(node, index)));
            }
        }
    }
    for (count, (name, reader)) in undefined.iter().enumerate() {
        if count == NAMED {
            report(Diagnostic::error("E-ONNX-NAME", format!("{} more values have no origin", undefined.len() - NAMED)));
            break;
        }
        let candidates = producers.keys().chain(initializers.keys()).copied().chain(input_names.iter().copied());
        let mut diagnostic = Diagnostic::error("E-ONNX-NAME", format!("{reader} reads it, but nothing makes it"))
            .about(format!("value `{name}`"))
            .expected("an input of the graph, an initializer or a node's output");
        if name.len() < LONGEST
            && let Some(near) = nearest(name, candidates.filter(|other| other.len() < LONGEST).take(CANDIDATES))
        {
            diagnostic = diagnostic.hint(format!("did the writer mean `{near}`?"));
        }
        report(diagnostic);
    }

    let nodes = sorted(&graph.node, &producers, &live);
    if nodes.len() < live.len() {
        let placed: BTreeSet<_> = nodes.iter().copied().collect();
        let stuck: BTreeSet<_> = live.difference(&placed).copied().collect();
        let stuck: Vec<_> = on_cycles(&graph.node, &producers, stuck)
            .iter()
            .filter_map(|i| Some(label(graph.node.get(*i)?, *i)))
            .collect();
        let named = stuck.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        let more = if stuck.len() > NAMED { format!(" and {} more", stuck.len() - NAMED) } else { String::new() };
        report(
            Diagnostic::error("E-ONNX-CYCLE", format!("nodes wait for each other: {named}{more}"))
                .expected("a graph without cycles"),
        );
    }
    if errors.has_errors() {
        return Err(errors);
    }
    Ok(Schedule { nodes, initializers, sparse, inputs, outputs, uses })
}

/// How messages name a node: by its name, or by operator and position.
pub(super) fn label(node: &NodeProto, index: usize) -> String {
    if node.name.is_empty() { format!("`{}_{index}`", node.op_type) } else { format!("`{}`", node.name) }
}

/// Checks the list of inputs, and says whether it can be gone on with.
fn taken(inputs: &[&ValueInfoProto], report: &mut impl FnMut(Diagnostic)) -> bool {
    if inputs.is_empty() || inputs.len() > limits::ONNX_INPUTS.count() {
        let message = match inputs.len() {
            0 => "the graph has no input".to_owned(),
            count => format!("the graph has {count} inputs"),
        };
        report(
            Diagnostic::error("E-ONNX-IO", message)
                .expected(format!("1 to {} inputs, such as an image, `[N, C, H, W]`", limits::ONNX_INPUTS.get()))
                .hint("export the network with what it computes from as its inputs"),
        );
        return false;
    }
    let mut names = BTreeSet::new();
    let mut told = BTreeSet::new();
    for input in inputs {
        if !names.insert(&input.name) && told.insert(&input.name) {
            report(twice(&input.name, "two inputs"));
        }
    }
    told.is_empty()
}

/// Checks the list of outputs, and says whether it can be gone on with.
fn interface(outputs: &[&ValueInfoProto], report: &mut impl FnMut(Diagnostic)) -> bool {
    if outputs.is_empty() || outputs.len() > limits::ONNX_OUTPUTS.count() {
        let message = match outputs.len() {
            0 => "the graph has no output".to_owned(),
            count => format!("the graph has {count} outputs"),
        };
        report(
            Diagnostic::error("E-ONNX-IO", message)
                .expected(format!("1 to {} outputs: maps, embeddings, the classes' scores", limits::ONNX_OUTPUTS.get()))
                .hint("export the network with the outputs that are wanted"),
        );
        return false;
    }
    let mut names = BTreeSet::new();
    let mut told = BTreeSet::new();
    for output in outputs {
        if !names.insert(&output.name) && told.insert(&output.name) {
            report(
                Diagnostic::error("E-ONNX-NAME", "it stands more than once among the graph's outputs")
                    .about(format!("output `{}`", output.name))
                    .expected("a name of its own for each output")
                    .hint("give the value out once, or again behind an `Identity`"),
            );
        }
    }
    true
}

fn twice(name: &str, by: &str) -> Diagnostic {
    Diagnostic::error("E-ONNX-NAME", format!("the name is given twice, by {by}"))
        .about(format!("value `{name}`"))
        .expected("one origin per name")
}

/// The nodes that some output depends on.
fn reachable(nodes: &[NodeProto], producers: &BTreeMap<&str, usize>, outputs: &[&ValueInfoProto]) -> BTreeSet<usize> {
    let mut live = BTreeSet::new();
    let mut open: Vec<usize> =
        outputs.iter().filter_map(|output| producers.get(output.name.as_str())).copied().collect();
    while let Some(index) = open.pop() {
        if live.insert(index) {
            let inputs = nodes.get(index).map_or(&[][..], |node| node.input.as_slice());
            open.extend(inputs.iter().filter_map(|name| producers.get(name.as_str())));
        }
    }
    live
}

/// Of nodes that no order was found for, those that are not only behind a cycle.
fn on_cycles(nodes: &[NodeProto], producers: &BTreeMap<&str, usize>, mut stuck: BTreeSet<usize>) -> BTreeSet<usize> {
    let sources = |index: usize| -> BTreeSet<usize> {
        let inputs = nodes.get(index).map_or(&[][..], |node| node.input.as_slice());
        inputs.iter().filter_map(|name| producers.get(name.as_str())).copied().collect()
    };
    let mut readers: BTreeMap<usize, usize> = BTreeMap::new();
    for source in stuck.iter().flat_map(|index| sources(*index)) {
        *readers.entry(source).or_default() += 1;
    }
    let mut open: Vec<usize> = stuck.iter().copied().filter(|index| !readers.contains_key(index)).collect();
    while let Some(index) = open.pop() {
        stuck.remove(&index);
        for source in sources(index) {
            if let Some(count) = readers.get_mut(&source) {
                *count -= 1;
                if *count == 0 {
                    open.push(source);
                }
            }
        }
    }
    stuck
}

/// Kahn's algorithm, the first ready node of the file first.
fn sorted(nodes: &[NodeProto], producers: &BTreeMap<&str, usize>, live: &BTreeSet<usize>) -> Vec<usize> {
    let mut missing: BTreeMap<usize, usize> = BTreeMap::new();
    let mut readers: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate().filter(|(index, _)| live.contains(index)) {
        let sources: BTreeSet<_> = node.input.iter().filter_map(|name| producers.get(name.as_str())).copied().collect();
        missing.insert(index, sources.len());
        for source in sources {
            readers.entry(source).or_default().push(index);
        }
    }
    let mut ready: BTreeSet<usize> =
        missing.iter().filter(|(_, count)| **count == 0).map(|(index, _)| *index).collect();
    let mut order = Vec::with_capacity(live.len());
    while let Some(index) = ready.pop_first() {
        order.push(index);
        for reader in readers.get(&index).into_iter().flatten() {
            if let Some(count) = missing.get_mut(reader) {
                *count -= 1;
                if *count == 0 {
                    ready.insert(*reader);
                }
            }
        }
    }
    order
}
