//! Which steps of the unfused program each step of the full one does the work of.
//!
//! A step belongs to a node of its graph, and each node of a graph after passes knows which node before any it computes
//! ([`crate::ir::Node::computes`]). A value before the passes that nothing computes any more was on the way to one that something does: it belongs
//! to whatever makes that one. A node that passes made, and that computes nothing from before, belongs to those that read it.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::unionfind::UnionFind;

use super::profile;
use super::report::Layers;
use crate::ir::{Graph, NodeId};
use crate::plan::Plan;

/// The name of the row for steps of the unfused program that cannot be told to belong to a step of the full one.
pub const REST: &str = "rest";

/// The nodes that the steps of a program belong to, and which steps write a result of the network.
#[derive(Debug, Clone)]
pub struct Side {
    graph: Graph,
    steps: Vec<(NodeId, Option<usize>)>,
}

impl Side {
    /// A graph after passes, which remembers what it was, and its plan.
    pub fn new(graph: &Graph, plan: &Plan) -> Self {
        let results = plan.steps.iter().map(|step| step.operands.network_output);
        Self { graph: graph.clone(), steps: plan.nodes.iter().copied().zip(results).collect() }
    }

    /// The graph.
    pub fn into_graph(self) -> Graph {
        self.graph
    }
}

/// The steps of two programs, by the row that they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rows {
    unfused: Vec<Vec<usize>>,
    full: Vec<Vec<usize>>,
}

impl Rows {
    /// The rows of two programs of one network: the graph before the passes, and both sides of it.
    pub fn new(before: &Graph, unfused: &Side, full: &Side) -> Self {
        let mut classes = Classes::new(before, full);
        let mut rows: BTreeMap<usize, usize> = BTreeMap::new();
        let mut found = Self { unfused: Vec::new(), full: Vec::new() };
        for (step, (node, result)) in full.steps.iter().enumerate() {
            let class = match result {
                Some(result) => classes.result(*result),
                None => classes.now(*node),
            };
            let row = *rows.entry(class).or_insert(found.full.len());
            if row == found.full.len() {
                found.full.push(Vec::new());
                found.unfused.push(Vec::new());
            }
            if let Some(steps) = found.full.get_mut(row) {
                steps.push(step);
            }
        }
        let mut rest = Vec::new();
        for (step, (node, result)) in unfused.steps.iter().enumerate() {
            let class = match result {
                Some(result) => Some(classes.result(*result)),
                None => unfused.graph.node(*node).computes().map(|was| classes.was(was)),
            };
            let row = class.and_then(|class| rows.get(&class)).and_then(|row| found.unfused.get_mut(*row));
            row.unwrap_or(&mut rest).push(step);
        }
        if !rest.is_empty() {
            found.full.push(Vec::new());
            found.unfused.push(rest);
        }
        found
    }

    /// The rows with the times of both programs' steps.
    pub fn timed(&self, unfused: &[profile::Step], full: &[profile::Step]) -> Vec<Layers> {
        let pick = |steps: &[usize], of: &[profile::Step]| -> Vec<profile::Step> {
            steps.iter().filter_map(|step| of.get(*step)).cloned().collect()
        };
        self.full
            .iter()
            .zip(&self.unfused)
            .map(|(now, was)| {
                let (now, was) = (pick(now, full), pick(was, unfused));
                // The first of those with the most to multiply.
                let main = now.iter().rev().max_by_key(|step| step.macs);
                Layers {
                    name: main.map_or(REST, |step| &step.name).to_owned(),
                    what: main.map(|step| step.what.clone()).unwrap_or_default(),
                    // A sum of nothing would be -0.
                    fused: now.iter().fold(0.0, |sum, step| sum + step.microseconds),
                    unfused: was.into_iter().map(|step| (step.name, step.microseconds)).collect(),
                    macs: now.iter().map(|step| step.macs).sum(),
                    bytes: now.iter().map(|step| step.bytes).sum(),
                }
            })
            .collect()
    }
}

/// Nodes before the passes, nodes after them and results of the network, joined where they are one piece of work.
struct Classes {
    joined: UnionFind<usize>,
    /// Where the nodes after the passes begin, and the results.
    now: usize,
    results: usize,
}

impl Classes {
    fn new(before: &Graph, full: &Side) -> Self {
        let slots = |graph: &Graph| graph.ids().map(|id| id.index() + 1).max().unwrap_or(0);
        let graph = &full.graph;
        let now = slots(before);
        let results = now + slots(graph);
        let mut classes = Self { joined: UnionFind::new(results + before.outputs().len()), now, results };
        let mut computed = BTreeSet::new();
        for id in graph.ids().filter(|id| graph.value(*id).is_none()) {
            let node = graph.node(id);
            match node.computes() {
                Some(was) => classes.join(classes.was_at(was), classes.now_at(id), &mut computed, was),
                None => {
                    for reader in graph.readers(id) {
                        classes.joined.union(classes.now_at(id), classes.now_at(reader));
                    }
                }
            }
            // The node itself is still there, though it may compute more than it did.
            if before.contains(id) && before.value(id).is_none() && before.node(id).name == node.name {
                classes.join(classes.was_at(id), classes.now_at(id), &mut computed, id);
            }
        }
        for id in before.topological().into_iter().filter(|id| before.value(*id).is_none()) {
            if !computed.contains(&id)
                && let Some(reader) = before.readers(id).first()
            {
                classes.joined.union(classes.was_at(id), classes.was_at(*reader));
            }
        }
        classes
    }

    fn join(&mut self, was: usize, now: usize, computed: &mut BTreeSet<NodeId>, id: NodeId) {
        self.joined.union(was, now);
        computed.insert(id);
    }

    fn was_at(&self, id: NodeId) -> usize {
        id.index()
    }

    fn now_at(&self, id: NodeId) -> usize {
        self.now + id.index()
    }

    fn was(&mut self, id: NodeId) -> usize {
        self.joined.find_mut(self.was_at(id))
    }

    fn now(&mut self, id: NodeId) -> usize {
        self.joined.find_mut(self.now_at(id))
    }

    fn result(&mut self, index: usize) -> usize {
        self.joined.find_mut(self.results + index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::{Activation, Layout, Op};

    const RELU: Op = Op::Activation(Activation::Relu);

    fn side(graph: &Graph, steps: &[(NodeId, Option<usize>)]) -> Side {
        Side { graph: graph.clone(), steps: steps.to_vec() }
    }

    /// Each row's steps of the full program, and those of the unfused one.
    fn rows(before: &Graph, unfused: &Side, full: &Side) -> Vec<(Vec<usize>, Vec<usize>)> {
        let Rows { unfused, full } = Rows::new(before, unfused, full);
        full.into_iter().zip(unfused).collect()
    }

    #[test]
    fn a_node_that_passes_made_of_several_shares_their_row() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nchw, [1, 1, 2, 2]);
        let a = graph.add("a", RELU, &[x]).unwrap();
        let b = graph.add("b", RELU, &[x]).unwrap();
        let sum = graph.add("sum", Op::Add { activation: None }, &[a, b]).unwrap();
        graph.output("y", sum);
        graph.remember();
        let unfused = side(&graph, &[(x, None), (a, None), (b, None), (sum, None), (sum, Some(0))]);

        // Both as one, and the parts of its result in their places.
        let mut merged = graph.clone();
        let both = merged.add("both", Op::Concat { operands: 2 }, &[x, x]).unwrap();
        let parts = [(a, 0), (b, 1)].map(|(old, begin)| {
            let name = merged.node(old).name.clone();
            let part = merged.add(name, Op::Slice { channels: [begin, begin + 1] }, &[both]).unwrap();
            merged.supersede(old, part).unwrap();
            part
        });
        let steps = [(x, None), (both, None), (parts[0], None), (parts[1], None), (sum, None), (sum, Some(0))];
        let full = side(&merged, &steps);
        assert_eq!(
            rows(&graph, &unfused, &full),
            [(vec![0], vec![0]), (vec![1, 2, 3], vec![1, 2]), (vec![4], vec![3]), (vec![5], vec![4])]
        );
    }

    #[test]
    fn what_is_gone_belongs_to_its_reader_and_what_nobody_reads_to_the_rest() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nchw, [1, 1, 2, 2]);
        let scale = graph.add("scale", Op::Scale { factor: 2.0 }, &[x]).unwrap();
        let relu = graph.add("relu", RELU, &[scale]).unwrap();
        let unread = graph.add("unread", RELU, &[x]).unwrap();
        graph.output("y", relu);
        graph.remember();
        let unfused = side(&graph, &[(x, None), (scale, None), (relu, None), (unread, None), (relu, Some(0))]);
        let mut fused = graph.clone();
        fused.replace(relu, RELU, &[x]).unwrap();
        fused.remove_dead();
        let full = side(&fused, &[(x, None), (relu, None), (relu, Some(0))]);
        let found = Rows::new(&graph, &unfused, &full);
        let times = |names: &[&str]| -> Vec<profile::Step> {
            let step = |(index, name): (usize, &&str)| profile::Step {
                name: (*name).to_owned(),
                what: String::new(),
                microseconds: (index + 1) as f64,
                macs: 0,
                bytes: 1,
            };
            names.iter().enumerate().map(step).collect()
        };
        let shown: Vec<String> = found
            .timed(&times(&["x", "scale", "relu", "unread", "y"]), &times(&["x", "relu", "y"]))
            .iter()
            .map(|Layers { name, fused, unfused, .. }| format!("{name} {fused} {unfused:?}"))
            .collect();
        assert_eq!(
            shown,
            [
                r#"x 1 [("x", 1.0)]"#,
                r#"relu 2 [("scale", 2.0), ("relu", 3.0)]"#,
                r#"y 3 [("y", 5.0)]"#,
                r#"rest 0 [("unread", 4.0)]"#,
            ]
        );
    }
}
