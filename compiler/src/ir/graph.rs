//! The graph on petgraph, and the only ways to change it.
//!
//! Nodes are operations with one result each; an edge carries the position of the operand it feeds. Every change
//! goes through [`Graph`], which infers shapes at once, so a node's shape is never stale. Nothing here recurses:
//! a thousand layers are a normal input.

use std::collections::BTreeSet;

use petgraph::Direction;
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;

use super::{Numbers, Op, Shape, ShapeError, Tensor, infer};

/// Names a node of one graph. Stays valid until the node is removed; a node that is added later may then get the same id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(NodeIndex<u32>);

impl NodeId {
    /// The number of the node: that of insertion, as long as none was removed.
    pub fn index(self) -> usize {
        self.0.index()
    }
}

/// An operation in the graph.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What the user's file calls it: a layer or an ONNX node.
    pub name: String,
    op: Op,
    shape: Shape,
    numbers: Numbers,
    computes: Option<NodeId>,
}

impl Node {
    /// The operation and its attributes.
    pub fn op(&self) -> &Op {
        &self.op
    }

    /// The shape of the result.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// What the numbers of the result are in the user's model.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// The node, of the graph as it was at [`Graph::remember`], whose value this one computes. None for nodes that were added
    /// since, and before any such call.
    pub fn computes(&self) -> Option<NodeId> {
        self.computes
    }
}

/// A result of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its name in the user's file.
    pub name: String,
    /// The node that makes it.
    pub node: NodeId,
}

/// Nodes that are computed together, part by part, so that what goes from one to the next never exists whole.
///
/// Each but the last is read by the next one alone, as its first operand, and is no result of the network. A chain changes no value: it is
/// what the plan may make use of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// What the nodes are in the network.
    pub kind: ChainKind,
    /// The nodes, in the order they are computed; at least two.
    pub nodes: Vec<NodeId>,
    /// Whether they are computed together even if the plan holds that for slower.
    pub forced: bool,
}

/// What the nodes of a chain are in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChainKind {
    /// The first convolutions and the max-pool behind them: some rows of the pool at a time.
    StemPool,
    /// The body of a residual block: some rows of its last convolution at a time.
    Bottleneck,
    /// The last convolution and the global pool behind it: some channels at a time.
    GlobalPool,
}

impl ChainKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::StemPool, Self::Bottleneck, Self::GlobalPool];

    /// Its name, as in text form and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::StemPool => "stem_pool",
            Self::Bottleneck => "bottleneck",
            Self::GlobalPool => "global_pool",
        }
    }

    /// The chain of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Why an edit was refused.
pub type Edit<T> = Result<T, ShapeError>;

/// A network as a directed acyclic graph.
#[derive(Debug, Clone, Default)]
pub struct Graph {
    nodes: StableDiGraph<Node, usize, u32>,
    outputs: Vec<Output>,
    chains: Vec<Chain>,
    /// By the index of each node, how many were added before it: ids are given again, and say nothing about that.
    ranks: Vec<usize>,
    added: usize,
}

impl Graph {
    /// An empty graph.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a node; its shape follows from its operands.
    pub fn add(&mut self, name: impl Into<String>, op: Op, operands: &[NodeId]) -> Edit<NodeId> {
        let name = name.into();
        let shape = self.infer(&name, &op, operands)?;
        let id = self.insert(Node { name, op, shape, numbers: Numbers::default(), computes: None });
        self.connect(id, operands);
        Ok(id)
    }

    /// Adds the network's input, of shape `[N, C, H, W]`.
    pub fn input(&mut self, name: impl Into<String>, layout: super::Layout, shape: impl Into<Shape>) -> NodeId {
        let (name, shape) = (name.into(), shape.into());
        self.insert(Node { name, op: Op::Input(layout), shape, numbers: Numbers::default(), computes: None })
    }

    /// Adds a constant.
    pub fn constant(&mut self, name: impl Into<String>, value: Tensor) -> NodeId {
        let shape = value.shape().clone();
        self.insert(Node {
            name: name.into(),
            op: Op::Constant(value),
            shape,
            numbers: Numbers::default(),
            computes: None,
        })
    }

    fn insert(&mut self, node: Node) -> NodeId {
        let id = NodeId(self.nodes.add_node(node));
        if self.ranks.len() <= id.index() {
            self.ranks.resize(id.index() + 1, 0);
        }
        if let Some(rank) = self.ranks.get_mut(id.index()) {
            *rank = self.added;
        }
        self.added += 1;
        id
    }

    /// Says what the numbers of a node are, which changes none of them.
    pub fn declare(&mut self, id: NodeId, numbers: Numbers) {
        if let Some(node) = self.nodes.node_weight_mut(id.0) {
            node.numbers = numbers;
        }
    }

    /// Makes `node` a result of the network.
    pub fn output(&mut self, name: impl Into<String>, node: NodeId) {
        self.outputs.push(Output { name: name.into(), node });
    }

    /// Lets nodes be computed together.
    pub fn chain(&mut self, chain: Chain) {
        self.chains.push(chain);
    }

    /// Replaces what a node does and reads. Its shape must stay the same; what was said of its numbers holds no longer.
    pub fn replace(&mut self, id: NodeId, op: Op, operands: &[NodeId]) -> Edit<()> {
        let node = self.node(id);
        let shape = self.infer(&node.name, &op, operands)?;
        if shape != node.shape {
            return Err(ShapeError {
                node: node.name.clone(),
                message: format!("a replacement would change the shape from {} to {shape}", node.shape),
            });
        }
        let stale: Vec<_> = self.nodes.edges_directed(id.0, Direction::Incoming).map(|edge| edge.id()).collect();
        for edge in stale {
            self.nodes.remove_edge(edge);
        }
        self.connect(id, operands);
        if let Some(node) = self.nodes.node_weight_mut(id.0) {
            node.op = op;
            node.numbers = Numbers::default();
        }
        Ok(())
    }

    /// Lets every reader of `old`, results of the network included, read `new` instead. Their shapes must agree.
    pub fn redirect(&mut self, old: NodeId, new: NodeId) -> Edit<()> {
        if self.node(old).shape != self.node(new).shape {
            return Err(ShapeError {
                node: self.node(old).name.clone(),
                message: format!("its readers cannot read `{}` of another shape", self.node(new).name),
            });
        }
        let readers: Vec<_> = self
            .nodes
            .edges_directed(old.0, Direction::Outgoing)
            .filter(|edge| edge.target() != new.0)
            .map(|edge| (edge.id(), edge.target(), *edge.weight()))
            .collect();
        for (edge, reader, position) in readers {
            self.nodes.remove_edge(edge);
            self.nodes.add_edge(new.0, reader, position);
        }
        for output in self.outputs.iter_mut().filter(|output| output.node == old) {
            output.node = new;
        }
        Ok(())
    }

    /// Puts `new`, which computes now what `old` did, in its place: [`Graph::redirect`], then `old` is removed, so that it no longer
    /// counts as a reader of what it read. `new` may be one of its operands.
    pub fn supersede(&mut self, old: NodeId, new: NodeId) -> Edit<()> {
        let (computes, numbers) = (self.node(old).computes, self.node(old).numbers.clone());
        let seen = self.outputs.iter().any(|output| output.node == old)
            || self.readers(old).into_iter().any(|reader| reader != new);
        self.redirect(old, new)?;
        if seen && let Some(node) = self.nodes.node_weight_mut(new.0) {
            node.computes = computes;
            // The values are the same, so what was said of the one holds for the other.
            if node.numbers.is_plain() {
                node.numbers = numbers;
            }
        }
        if old != new && self.readers(old).is_empty() {
            self.nodes.remove_node(old.0);
            self.drop_chains();
        }
        Ok(())
    }

    /// Removes a node that nothing reads and that is no result of the network, so that it no longer counts as a reader of what it
    /// read. Whether it was one.
    pub fn remove_unread(&mut self, id: NodeId) -> bool {
        let unread = self.readers(id).is_empty() && self.outputs.iter().all(|output| output.node != id);
        let removed = unread && self.nodes.remove_node(id.0).is_some();
        self.drop_chains();
        removed
    }

    /// From now on, each node tells which of today's it computes: see [`Node::computes`].
    pub fn remember(&mut self) {
        let ids: Vec<_> = self.ids().collect();
        for id in ids {
            if let Some(node) = self.nodes.node_weight_mut(id.0) {
                node.computes = Some(id);
            }
        }
    }

    /// Removes every node that no result of the network depends on, inputs excepted. Returns their names in graph order.
    pub fn remove_dead(&mut self) -> Vec<String> {
        let mut live = BTreeSet::new();
        let mut open: Vec<_> = self.outputs.iter().map(|output| output.node).collect();
        while let Some(id) = open.pop() {
            if live.insert(id) {
                open.extend(self.operands(id));
            }
        }
        let dead: Vec<_> =
            self.ids().filter(|id| !live.contains(id) && !matches!(self.node(*id).op, Op::Input(_))).collect();
        let names = dead.iter().filter_map(|id| self.nodes.remove_node(id.0)).map(|node| node.name).collect();
        self.drop_chains();
        names
    }

    /// Chains of which a node was removed are chains no more.
    fn drop_chains(&mut self) {
        let nodes = &self.nodes;
        self.chains.retain(|chain| chain.nodes.iter().all(|id| nodes.contains_node(id.0)));
    }

    /// Renames a node.
    pub fn rename(&mut self, id: NodeId, name: impl Into<String>) {
        if let Some(node) = self.nodes.node_weight_mut(id.0) {
            node.name = name.into();
        }
    }

    /// The node of an id of this graph.
    ///
    /// # Panics
    /// When the node was removed, or the id belongs to another graph: an error of the caller, never of the input.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0]
    }

    /// Whether the node is still there.
    pub fn contains(&self, id: NodeId) -> bool {
        self.nodes.contains_node(id.0)
    }

    /// What a node reads, in operand order.
    pub fn operands(&self, id: NodeId) -> Vec<NodeId> {
        self.operand_positions(id).into_iter().map(|(_, source)| source).collect()
    }

    /// The nodes that read this one, once per operand they read it as, in graph order.
    pub fn readers(&self, id: NodeId) -> Vec<NodeId> {
        let mut readers: Vec<_> =
            self.nodes.edges_directed(id.0, Direction::Outgoing).map(|edge| NodeId(edge.target())).collect();
        readers.sort_unstable();
        readers
    }

    /// The only reader of a node, when there is just one and it is not a result of the network too.
    pub fn only_reader(&self, id: NodeId) -> Option<NodeId> {
        match self.readers(id).as_slice() {
            [reader] if self.outputs.iter().all(|output| output.node != id) => Some(*reader),
            _ => None,
        }
    }

    /// The value of a node, when it is a constant.
    pub fn value(&self, id: NodeId) -> Option<&Tensor> {
        match &self.node(id).op {
            Op::Constant(tensor) => Some(tensor),
            _ => None,
        }
    }

    /// The network's inputs, by rising id.
    pub fn inputs(&self) -> Vec<NodeId> {
        self.ids().filter(|id| matches!(self.node(*id).op, Op::Input(_))).collect()
    }

    /// The network's results, in the order they were added.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The nodes that are computed together.
    pub fn chains(&self) -> &[Chain] {
        &self.chains
    }

    /// All nodes, by rising id.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.nodes.node_indices().map(NodeId)
    }

    /// The number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.node_count()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All nodes, each after what it reads: the same for the same graph.
    ///
    /// Of the nodes that could come next, the one that was added first does. A constant stands directly before its first
    /// reader, so that the order of the rest does not hang on when a constant was made; unread constants stand last.
    /// Nodes on a cycle and behind it are left out: [`Graph::replace`] and [`Graph::redirect`] do not look for cycles,
    /// [`super::verify`] does.
    pub fn topological(&self) -> Vec<NodeId> {
        let slots = self.ids().map(|id| id.index() + 1).max().unwrap_or(0);
        let mut missing = vec![0_usize; slots];
        let mut ready = BTreeSet::new();
        let ranked = |id: NodeId| (self.ranks.get(id.index()).copied(), id);
        for id in self.ids().filter(|id| self.value(*id).is_none()) {
            let count = self.operand_positions(id).iter().filter(|(_, operand)| self.value(*operand).is_none()).count();
            if count == 0 {
                ready.insert(ranked(id));
            }
            if let Some(slot) = missing.get_mut(id.index()) {
                *slot = count;
            }
        }
        let mut order = Vec::with_capacity(self.len());
        let mut placed = BTreeSet::new();
        while let Some((_, id)) = ready.pop_first() {
            let constants = self.operands(id).into_iter().filter(|operand| self.value(*operand).is_some());
            order.extend(constants.filter(|constant| placed.insert(*constant)));
            order.push(id);
            for reader in self.readers(id) {
                if let Some(slot) = missing.get_mut(reader.index()) {
                    *slot = slot.saturating_sub(1);
                    if *slot == 0 {
                        ready.insert(ranked(reader));
                    }
                }
            }
        }
        order.extend(self.ids().filter(|id| self.value(*id).is_some() && !placed.contains(id)));
        order
    }

    /// What a node reads, each with its operand position, sorted.
    pub(super) fn operand_positions(&self, id: NodeId) -> Vec<(usize, NodeId)> {
        let mut edges: Vec<_> = self
            .nodes
            .edges_directed(id.0, Direction::Incoming)
            .map(|edge| (*edge.weight(), NodeId(edge.source())))
            .collect();
        edges.sort_unstable();
        edges
    }

    fn infer(&self, name: &str, op: &Op, operands: &[NodeId]) -> Edit<Shape> {
        let shapes: Vec<_> = operands.iter().map(|id| &self.node(*id).shape).collect();
        infer(op, &shapes).map_err(|message| ShapeError { node: name.to_owned(), message })
    }

    fn connect(&mut self, id: NodeId, operands: &[NodeId]) {
        for (position, operand) in operands.iter().enumerate() {
            self.nodes.add_edge(operand.0, id.0, position);
        }
    }
}

/// Ways to break a graph, for the tests of the verifier.
#[cfg(test)]
impl Graph {
    pub(super) fn corrupt(&mut self, id: NodeId, change: impl FnOnce(&mut Op, &mut Shape)) {
        let node = &mut self.nodes[id.0];
        change(&mut node.op, &mut node.shape);
    }

    pub(super) fn corrupt_edges(&mut self, id: NodeId, position: impl Fn(usize) -> usize) {
        let edges: Vec<_> = self.nodes.edges_directed(id.0, Direction::Incoming).map(|edge| edge.id()).collect();
        for edge in edges {
            self.nodes[edge] = position(self.nodes[edge]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::ir::{Activation, Layout, Quantisation};

    const RELU: Op = Op::Activation(Activation::Relu);

    fn one(graph: &mut Graph, name: &str) -> NodeId {
        graph.constant(name, Tensor::new([1, 1, 1, 1], vec![1.0]).unwrap())
    }

    fn names(graph: &Graph, ids: &[NodeId]) -> Vec<String> {
        ids.iter().map(|id| graph.node(*id).name.clone()).collect()
    }

    #[test]
    fn constants_stand_before_their_first_reader_whenever_they_were_made() {
        let mut graph = Graph::new();
        let unread = one(&mut graph, "unread");
        let x = graph.input("x", Layout::Nchw, [1, 1, 1, 1]);
        let a = graph.add("a", RELU, &[x]).unwrap();
        let early = one(&mut graph, "early");
        let late = one(&mut graph, "late");
        let b = graph.add("b", Op::Add { activation: None }, &[a, late]).unwrap();
        let c = graph.add("c", Op::Add { activation: None }, &[early, late]).unwrap();
        assert_eq!(graph.topological(), [x, a, late, b, early, c, unread]);
    }

    #[test]
    fn what_is_added_later_comes_later_whatever_its_id() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nchw, [1, 1, 1, 1]);
        let [gone, a] = ["gone", "a"].map(|name| graph.add(name, RELU, &[x]).unwrap());
        assert!(graph.remove_unread(gone));
        let b = graph.add("b", RELU, &[x]).unwrap();
        assert_eq!((b, graph.topological()), (gone, vec![x, a, b]));
    }

    #[test]
    fn operands_keep_their_order_and_readers_count_each_reading() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nchw, [1, 1, 1, 1]);
        let a = graph.add("a", RELU, &[x]).unwrap();
        let sum = graph.add("sum", Op::Add { activation: None }, &[a, x]).unwrap();
        let twice = graph.add("twice", Op::Add { activation: None }, &[sum, sum]).unwrap();
        assert_eq!(graph.operands(sum), [a, x]);
        assert_eq!(graph.readers(sum), [twice, twice]);
        assert_eq!(graph.only_reader(sum), None);
        assert_eq!(graph.only_reader(a), Some(sum));
        graph.output("y", a);
        assert_eq!(graph.only_reader(a), None);
    }

    #[test]
    fn replace_keeps_the_shape_and_leaves_the_node_as_it_was_when_it_cannot() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nchw, [1, 2, 3, 4]);
        let a = graph.add("a", RELU, &[x]).unwrap();
        let error = graph.replace(a, Op::Flatten, &[x]).unwrap_err();
        assert!(error.to_string().contains("[1, 2, 3, 4] to [1, 24]"), "{error}");
        assert!(graph.replace(a, RELU, &[]).is_err());
        assert_eq!((graph.node(a).op(), graph.operands(a)), (&RELU, vec![x]));
    }

    #[test]
    fn redirect_moves_readers_and_outputs_but_not_the_new_node_itself() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nchw, [1, 1, 1, 1]);
        let a = graph.add("a", RELU, &[x]).unwrap();
        let b = graph.add("b", RELU, &[a]).unwrap();
        let sum = graph.add("sum", Op::Add { activation: None }, &[a, a]).unwrap();
        graph.output("y", a);
        graph.redirect(a, b).unwrap();
        assert_eq!(graph.operands(b), [a]);
        assert_eq!(graph.operands(sum), [b, b]);
        assert_eq!(graph.outputs()[0].node, b);
        let flat = graph.add("flat", Op::Flatten, &[x]).unwrap();
        assert!(graph.redirect(b, flat).is_err());
    }

    #[test]
    fn supersede_leaves_no_reader_behind() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nchw, [1, 1, 1, 1]);
        let a = graph.add("a", RELU, &[x]).unwrap();
        let b = graph.add("b", RELU, &[a]).unwrap();
        let c = graph.add("c", RELU, &[b]).unwrap();
        graph.output("y", b);
        graph.supersede(b, a).unwrap();
        assert!(!graph.contains(b));
        assert_eq!((graph.readers(a), graph.operands(c), graph.outputs()[0].node), (vec![c], vec![a], a));
    }

    #[test]
    fn what_is_read_is_not_removed() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nchw, [1, 1, 1, 1]);
        let a = graph.add("a", RELU, &[x]).unwrap();
        let b = graph.add("b", RELU, &[a]).unwrap();
        let y = graph.add("y", RELU, &[x]).unwrap();
        graph.output("y", y);
        assert_eq!([y, a, b, a].map(|id| graph.remove_unread(id)), [false, false, true, true]);
        assert_eq!((graph.readers(x), graph.contains(y)), (vec![y], true));
    }

    #[test]
    fn nodes_know_what_they_compute() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nchw, [1, 1, 1, 1]);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| graph.add(name, RELU, &[x]).unwrap());
        graph.replace(b, RELU, &[a]).unwrap();
        graph.replace(c, RELU, &[b]).unwrap();
        graph.replace(d, RELU, &[c]).unwrap();
        graph.output("y", d);
        assert_eq!(graph.node(a).computes(), None);
        graph.remember();
        let added = graph.add("added", RELU, &[x]).unwrap();
        assert_eq!([x, a, added].map(|id| graph.node(id).computes()), [Some(x), Some(a), None]);
        // `c` goes first: what nobody reads any more is no value to stand for.
        graph.supersede(c, a).unwrap();
        graph.supersede(b, a).unwrap();
        assert_eq!((graph.node(a).computes(), graph.operands(d)), (Some(c), vec![a]));
        graph.supersede(d, a).unwrap();
        assert_eq!(graph.node(a).computes(), Some(d));
    }

    #[test]
    fn what_is_said_of_numbers_goes_with_the_values() {
        let numbers = |text: &str| {
            let quantisation: Quantisation = text.parse().unwrap();
            Numbers { element: quantisation.element, quantisation: Some(Arc::new(quantisation)) }
        };
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nchw, [1, 1, 1, 1]);
        let [a, b, c] = ["a", "b", "c"].map(|name| graph.add(name, RELU, &[x]).unwrap());
        graph.output("y", b);
        graph.output("z", c);
        let (one, other) = (numbers("uint8 scale 0.5 zero 3"), numbers("int8 scale 0.25"));
        graph.declare(b, one.clone());
        graph.declare(c, other.clone());
        graph.supersede(b, a).unwrap();
        assert_eq!(*graph.node(a).numbers(), one);
        // What is known already stays: both are right.
        graph.supersede(c, a).unwrap();
        assert_eq!(*graph.node(a).numbers(), one);
        graph.replace(a, RELU, &[x]).unwrap();
        assert!(graph.node(a).numbers().is_plain());
    }

    #[test]
    fn dead_nodes_go_and_inputs_stay() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nchw, [1, 1, 1, 1]);
        let spare = graph.input("spare", Layout::Nchw, [1, 1, 1, 1]);
        let a = graph.add("a", RELU, &[x]).unwrap();
        let b = graph.add("b", RELU, &[a]).unwrap();
        graph.add("c", RELU, &[b]).unwrap();
        one(&mut graph, "k");
        graph.output("y", a);
        assert_eq!(graph.remove_dead(), ["b", "c", "k"]);
        assert_eq!(graph.inputs(), [x, spare]);
        assert!(!graph.contains(b) && graph.contains(a));
        assert_eq!(names(&graph, &graph.topological()), ["x", "spare", "a"]);
    }
}
