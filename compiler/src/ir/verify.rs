//! What holds for every graph, before and after every pass.
//!
//! - **Acyclic**: no node depends on itself.
//! - **Operands**: the operands of a node fill the positions 0, 1, 2, ... with one node each.
//! - **Arity**: a node has as many operands as its operation takes.
//! - **Shapes**: the shape a node carries is the one that its operation and operands give.
//! - **Extents**: every extent is at least 1, and the elements of every tensor can be addressed.
//! - **Input**: there is an input.
//! - **Layout**: an input that the caller lays out as `[N, H, W, C]` is a map of four axes.
//! - **Outputs**: there is at least one result; its node is there; no two results have the same name.
//! - **Parameters**: kernels, biases and the vectors of normalisations are constants.
//! - **Finite**: every value of every constant is finite.
//!   Nothing is computed of a constant that is a result and that nobody reads: it may be empty, and its values may be any.
//! - **Variance**: `variance + epsilon` of a batch normalisation is positive in every channel.
//! - **Numbers**: a quantisation has a scale for all, or one for each position of its axis, and zero points of its type; a constant of a
//!   type has values of it.
//! - **Chains**: a chain has at least two nodes, none of which is in another one; each but the last is read by the next one alone, as
//!   its first operand, and is no result.
//!
//! Names are for people: they need not be unique, nothing hangs on them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Graph, Layout, NodeId, Op, Shape, Tensor, infer};

/// The invariants, as the text above explains them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// No node depends on itself.
    Acyclic,
    /// Operand positions are 0, 1, 2, ... with one node each.
    Operands,
    /// The operation takes that many operands.
    Arity,
    /// The shape is the inferred one.
    Shapes,
    /// Every extent is at least 1, every tensor can be addressed.
    Extents,
    /// There is an input.
    Input,
    /// A `[N, H, W, C]` input has four axes.
    Layout,
    /// There are results, their nodes exist, their names differ.
    Outputs,
    /// Kernels, biases and normalisation vectors are constants.
    Parameters,
    /// Every value of a constant is finite.
    Finite,
    /// `variance + epsilon` is positive.
    Variance,
    /// Quantisations fit their tensors, and constants their types.
    Numbers,
    /// Each node of a chain but the last is read by the next one alone.
    Chains,
}

/// The invariant in a few words.
impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Acyclic => "no node depends on itself",
            Self::Operands => "operands fill the positions from 0 on with one node each",
            Self::Arity => "a node has as many operands as its operation takes",
            Self::Shapes => "a node's shape is the one its operands give",
            Self::Extents => "every extent is at least 1 and every tensor fits in memory",
            Self::Input => "there is an input",
            Self::Layout => "an input laid out as [N, H, W, C] has four axes",
            Self::Outputs => "there is a result, results exist and have different names",
            Self::Parameters => "kernels, biases and normalisation vectors are constants",
            Self::Finite => "constants are finite",
            Self::Variance => "variance + epsilon is positive",
            Self::Numbers => "quantisations fit their tensors, and constants their types",
            Self::Chains => {
                "each node of a chain but the last is read by the next one alone, and no node is in two chains"
            }
        })
    }
}

/// An invariant that a node breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The node's name; that of the result when no node can be named; empty when it is about the graph as a whole.
    pub node: String,
    /// What is broken.
    pub invariant: Invariant,
    /// What was found instead.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.node.is_empty() {
            write!(f, "node `{}`: ", self.node)?;
        }
        write!(f, "{}; {}", self.invariant, self.found)
    }
}

/// Checks every invariant; all violations, in graph order.
pub fn verify(graph: &Graph) -> Result<(), Vec<Violation>> {
    Verifier::default().verify(graph)
}

/// Verifies a graph again and again while it is rewritten, and looks at the values of each constant once.
#[derive(Debug, Default)]
pub struct Verifier {
    /// The tensors known to be finite, by the address of their values, which stays theirs for as long as they are kept here.
    finite: BTreeMap<usize, Tensor>,
}

impl Verifier {
    /// Checks every invariant; all violations, in graph order.
    pub fn verify(&mut self, graph: &Graph) -> Result<(), Vec<Violation>> {
        let mut found = Vec::new();
        for id in graph.ids() {
            self.node(graph, id, &mut found);
        }
        acyclic(graph, &mut found);
        interface(graph, &mut found);
        chains(graph, &mut found);
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    fn node(&mut self, graph: &Graph, id: NodeId, violations: &mut Vec<Violation>) {
        let node = graph.node(id);
        let mut report =
            |invariant, found: String| violations.push(Violation { node: node.name.clone(), invariant, found });
        let operands = graph.operand_positions(id);
        let positions: Vec<_> = operands.iter().map(|(position, _)| *position).collect();
        if positions.iter().enumerate().any(|(expected, position)| expected != *position) {
            report(Invariant::Operands, format!("its positions are {positions:?}"));
        }
        let result = matches!(node.op(), Op::Constant(_))
            && graph.readers(id).is_empty()
            && graph.outputs().iter().any(|output| output.node == id);
        if node.shape().0.contains(&0) && !result || !addressable(node.shape()) {
            report(Invariant::Extents, format!("its shape is {}", node.shape()));
        }
        if operands.len() != node.op().arity() {
            let (name, arity) = (node.op().name(), node.op().arity());
            report(Invariant::Arity, format!("{name} takes {arity}, it has {}", operands.len()));
            return;
        }
        if !matches!(node.op(), Op::Input(_)) {
            let shapes: Vec<_> = operands.iter().map(|(_, operand)| graph.node(*operand).shape()).collect();
            match infer(node.op(), &shapes) {
                Ok(shape) if shape == *node.shape() => {}
                Ok(shape) => report(Invariant::Shapes, format!("it carries {}, inferred is {shape}", node.shape())),
                Err(message) => report(Invariant::Shapes, message),
            }
        }
        for (position, operand) in operands.iter().filter(|(position, _)| node.op().is_parameter(*position)) {
            if graph.value(*operand).is_none() {
                let name = &graph.node(*operand).name;
                report(Invariant::Parameters, format!("its operand {position} is `{name}`, which is computed"));
            }
        }
        if let Some(fault) = node.numbers().fault(node.shape()) {
            report(Invariant::Numbers, fault);
        }
        match node.op() {
            Op::Input(Layout::Nhwc) if node.shape().map().is_none() => {
                report(Invariant::Layout, format!("its shape is {}", node.shape()));
            }
            Op::Constant(tensor) => {
                if let Some(place) = self.first_not_finite(tensor).filter(|_| !result) {
                    let value = tensor.values().get(place).copied().unwrap_or(f32::NAN);
                    report(Invariant::Finite, format!("value {place} is {value}"));
                }
                let element = node.numbers().element;
                if let Some(value) = tensor.values().iter().find(|value| !element.holds(**value)) {
                    report(Invariant::Numbers, format!("a value is {value}, and its type is {element}"));
                }
            }
            Op::BatchNorm(norm) => {
                let variance = operands.last().and_then(|(_, variance)| graph.value(*variance));
                let values = variance.map(Tensor::values).unwrap_or_default();
                let low = values.iter().position(|value| f64::from(*value) + norm.epsilon <= 0.0);
                if let Some((channel, value)) = low.and_then(|channel| Some((channel, values.get(channel)?))) {
                    report(Invariant::Variance, format!("channel {channel} has {value} + {}", norm.epsilon));
                }
            }
            _ => {}
        }
    }

    fn first_not_finite(&mut self, tensor: &Tensor) -> Option<usize> {
        let address = tensor.values().as_ptr() as usize;
        if self.finite.get(&address).is_some_and(|known| known.values().len() == tensor.values().len()) {
            return None;
        }
        let place = tensor.values().iter().position(|value| !value.is_finite());
        if place.is_none() {
            self.finite.insert(address, tensor.clone());
        }
        place
    }
}

fn addressable(shape: &Shape) -> bool {
    shape.len() <= isize::MAX as usize / size_of::<f64>()
}

/// Names one node that lies on a cycle: from a node that no order reaches, upstream until a node comes again.
fn acyclic(graph: &Graph, violations: &mut Vec<Violation>) {
    let ordered: BTreeSet<_> = graph.topological().into_iter().collect();
    let Some(mut at) = graph.ids().find(|id| !ordered.contains(id)) else { return };
    let mut seen = BTreeSet::new();
    while seen.insert(at) {
        match graph.operands(at).into_iter().find(|operand| !ordered.contains(operand)) {
            Some(operand) => at = operand,
            None => return,
        }
    }
    let others = graph.len() - ordered.len();
    violations.push(Violation {
        node: graph.node(at).name.clone(),
        invariant: Invariant::Acyclic,
        found: format!("it does, and {others} nodes have no order"),
    });
}

fn interface(graph: &Graph, violations: &mut Vec<Violation>) {
    if graph.inputs().is_empty() {
        let found = "there is none".to_owned();
        violations.push(Violation { node: String::new(), invariant: Invariant::Input, found });
    }
    if graph.outputs().is_empty() {
        let found = "there is no result".to_owned();
        violations.push(Violation { node: String::new(), invariant: Invariant::Outputs, found });
    }
    let mut names = BTreeSet::new();
    for output in graph.outputs() {
        let mut report = |found: &str| {
            let found = found.to_owned();
            violations.push(Violation { node: output.name.clone(), invariant: Invariant::Outputs, found });
        };
        if !graph.contains(output.node) {
            report("the node of this result was removed");
        }
        if !names.insert(&output.name) {
            report("two results have this name");
        }
    }
}

fn chains(graph: &Graph, violations: &mut Vec<Violation>) {
    let mut seen = BTreeSet::new();
    for chain in graph.chains() {
        let mut report = |id: Option<&NodeId>, found: &str| {
            let node = id.filter(|id| graph.contains(**id)).map(|id| graph.node(*id).name.clone()).unwrap_or_default();
            let found = format!("the chain {} {found}", chain.kind.name());
            violations.push(Violation { node, invariant: Invariant::Chains, found });
        };
        if chain.nodes.len() < 2 {
            report(chain.nodes.first(), "has fewer than two nodes");
        }
        if let Some(id) = chain.nodes.iter().find(|id| !graph.contains(**id)) {
            report(Some(id), "has a node that was removed");
            continue;
        }
        for id in &chain.nodes {
            if !seen.insert(*id) {
                report(Some(id), "has a node of another chain, or one twice");
            }
        }
        for (id, next) in chain.nodes.iter().zip(chain.nodes.iter().skip(1)) {
            if graph.only_reader(*id) != Some(*next) || graph.operands(*next).first() != Some(id) {
                report(Some(id), "has a node that is not read by the next one alone, as its first operand");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ir::{BatchNorm, Chain, ChainKind, Conv, Element, Numbers, Padding};

    fn constant(graph: &mut Graph, name: &str, shape: &[usize], value: f32) -> NodeId {
        let shape = Shape(shape.to_vec());
        let values = vec![value; shape.len()];
        graph.constant(name, Tensor::new(shape, values).unwrap())
    }

    /// input -> conv -> batch_norm -> relu
    fn sample() -> (Graph, [NodeId; 4]) {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nchw, [1, 2, 4, 4]);
        let kernel = constant(&mut graph, "kernel", &[3, 2, 1, 1], 0.5);
        let conv = Conv {
            kernel: [1, 1],
            stride: [1, 1],
            padding: Padding::default(),
            dilation: [1, 1],
            groups: 1,
            bias: false,
            shortcut: false,
            activation: None,
            second: None,
        };
        let conv = graph.add("conv", Op::Conv(conv), &[x, kernel]).unwrap();
        let [mean, variance] = ["mean", "variance"].map(|name| constant(&mut graph, name, &[3], 1.0));
        let norm = BatchNorm { epsilon: 1e-5, gamma: false, beta: false, activation: None };
        let norm = graph.add("norm", Op::BatchNorm(norm), &[conv, mean, variance]).unwrap();
        let relu = graph.add("relu", Op::Activation(crate::ir::Activation::Relu), &[norm]).unwrap();
        graph.output("y", relu);
        (graph, [x, conv, norm, relu])
    }

    fn broken(graph: &Graph) -> Vec<(String, Invariant)> {
        let violations = verify(graph).err().unwrap_or_default();
        assert!(violations.iter().all(|violation| violation.to_string().contains(&violation.node)));
        violations.into_iter().map(|violation| (violation.node, violation.invariant)).collect()
    }

    #[test]
    fn a_sound_graph_passes() {
        assert_eq!(verify(&sample().0), Ok(()));
    }

    #[test]
    fn a_cycle_names_a_node_on_it() {
        let (mut graph, [_, _, norm, relu]) = sample();
        let (mean, variance) = (graph.operands(norm)[1], graph.operands(norm)[2]);
        let op = graph.node(norm).op().clone();
        graph.replace(norm, op, &[relu, mean, variance]).unwrap();
        let found = broken(&graph);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1, Invariant::Acyclic);
        assert!(["norm", "relu"].contains(&found[0].0.as_str()));
    }

    #[test]
    fn gaps_and_doubles_in_operand_positions_are_found() {
        let (mut graph, [_, conv, norm, _]) = sample();
        graph.corrupt_edges(norm, |position| if position == 2 { 5 } else { position });
        assert_eq!(broken(&graph), [("norm".to_owned(), Invariant::Operands)]);
        let (mut graph, _) = sample();
        graph.corrupt_edges(conv, |_| 0);
        assert!(broken(&graph).contains(&("conv".to_owned(), Invariant::Operands)));
    }

    #[test]
    fn arity_is_held_against_the_operation() {
        let (mut graph, [_, conv, ..]) = sample();
        graph.corrupt(conv, |op, _| {
            if let Op::Conv(conv) = op {
                conv.bias = true;
            }
        });
        assert_eq!(broken(&graph), [("conv".to_owned(), Invariant::Arity)]);
    }

    #[test]
    fn stale_shapes_and_empty_extents_are_found() {
        let (mut graph, [_, _, _, relu]) = sample();
        graph.corrupt(relu, |_, shape| *shape = Shape::from([1, 3, 4, 5]));
        assert_eq!(broken(&graph), [("relu".to_owned(), Invariant::Shapes)]);
        let (mut graph, [x, ..]) = sample();
        graph.corrupt(x, |_, shape| *shape = Shape::from([1, 2, 4, 0]));
        assert!(broken(&graph).contains(&("x".to_owned(), Invariant::Extents)));
        let (mut graph, [x, ..]) = sample();
        graph.corrupt(x, |_, shape| *shape = Shape::from([usize::MAX, 2, 4, 4]));
        assert!(broken(&graph).contains(&("x".to_owned(), Invariant::Extents)));
    }

    #[test]
    fn there_is_an_input() {
        let (mut graph, _) = sample();
        graph.input("second", Layout::Nchw, [1, 1, 1, 1]);
        assert_eq!(broken(&graph), []);
        assert!(broken(&Graph::new()).contains(&(String::new(), Invariant::Input)));
    }

    #[test]
    fn a_channels_last_input_is_a_map() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nhwc, [1, 10]);
        graph.output("y", x);
        assert_eq!(broken(&graph), [("x".to_owned(), Invariant::Layout)]);
    }

    #[test]
    fn outputs_are_there_and_told_apart() {
        let (mut graph, [.., relu]) = sample();
        graph.output("y", relu);
        assert_eq!(broken(&graph), [("y".to_owned(), Invariant::Outputs)]);
        let mut graph = Graph::new();
        graph.input("x", Layout::Nchw, [1, 1, 1, 1]);
        assert_eq!(broken(&graph), [(String::new(), Invariant::Outputs)]);
    }

    #[test]
    fn parameters_are_constants() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nchw, [2, 2]);
        let dense = crate::ir::Dense { bias: false, activation: None };
        let y = graph.add("dense", Op::Dense(dense), &[x, x]).unwrap();
        graph.output("y", y);
        assert_eq!(broken(&graph), [("dense".to_owned(), Invariant::Parameters)]);
    }

    #[test]
    fn constants_are_finite_and_variances_positive() {
        let (mut graph, [_, _, norm, _]) = sample();
        let bad = constant(&mut graph, "bad", &[3], f32::NAN);
        let variance = constant(&mut graph, "low", &[3], -1.0);
        let op = graph.node(norm).op().clone();
        let conv = graph.operands(norm)[0];
        graph.replace(norm, op, &[conv, bad, variance]).unwrap();
        assert_eq!(broken(&graph), [("norm".to_owned(), Invariant::Variance), ("bad".to_owned(), Invariant::Finite)]);
    }

    #[test]
    fn numbers_are_of_their_types() {
        let (sound, [x, conv, ..]) = sample();
        let kernel = sound.operands(conv)[1];
        let with = |id: NodeId, element: &str, quantisation: &str| {
            let mut graph = sound.clone();
            let quantisation = quantisation.parse().ok().map(Arc::new);
            graph.declare(id, Numbers { element: Element::named(element).unwrap(), quantisation });
            broken(&graph)
        };
        let wrong = |name: &str| vec![(name.to_owned(), Invariant::Numbers)];
        assert_eq!(with(x, "uint8", ""), []);
        assert_eq!(with(x, "uint8", "uint8 axis 1 scale 0.5 0.25"), []);
        assert_eq!(with(x, "uint8", "uint8 axis 1 scale 0.5"), wrong("x"));
        assert_eq!(with(x, "uint8", "int8 scale 0.5"), wrong("x"));
        // Its values are all 0.5: no integers, but what integers may stand for.
        assert_eq!(with(kernel, "float32", "int8 axis 0 scale 0.5 0.25 0.125"), []);
        assert_eq!(with(kernel, "int8", ""), wrong("kernel"));
    }

    #[test]
    fn chains_are_rows_of_nodes_that_nobody_else_reads() {
        let chain = |nodes: &[NodeId]| Chain { kind: ChainKind::Bottleneck, nodes: nodes.to_vec(), forced: false };
        let (sound, [x, conv, norm, relu]) = sample();
        let with = |chains: &[&[NodeId]]| {
            let mut graph = sound.clone();
            chains.iter().for_each(|nodes| graph.chain(chain(nodes)));
            broken(&graph)
        };
        assert_eq!(with(&[&[conv, norm, relu]]), []);
        assert_eq!(with(&[&[conv]]), [("conv".to_owned(), Invariant::Chains)]);
        assert_eq!(with(&[&[conv, relu]]), [("conv".to_owned(), Invariant::Chains)]);
        assert_eq!(with(&[&[x, conv], &[conv, norm]]), [("conv".to_owned(), Invariant::Chains)]);
        let mut read_twice = sound.clone();
        read_twice.output("z", conv);
        read_twice.chain(chain(&[conv, norm]));
        assert_eq!(broken(&read_twice), [("conv".to_owned(), Invariant::Chains)]);
        let mut removed = sound.clone();
        removed.chain(chain(&[norm, relu]));
        removed.supersede(relu, norm).unwrap();
        assert_eq!((removed.chains(), broken(&removed)), (&[][..], vec![]));
    }

    #[test]
    fn a_verifier_sees_new_constants_each_time() {
        let (mut graph, _) = sample();
        let mut verifier = Verifier::default();
        assert_eq!(verifier.verify(&graph), Ok(()));
        constant(&mut graph, "bad", &[1], f32::INFINITY);
        assert_eq!(verifier.verify(&graph).unwrap_err()[0].invariant, Invariant::Finite);
    }
}
