//! A network's graph as a drawing: layers in topological order, the blocks they form, and what passes made one of several.
//!
//! [`Drawing::new`] takes a graph apart; [`svg`], [`html`], [`dot`] and [`text`] write the drawing down. Blocks are found in the
//! graph itself, so that models without names for them have blocks too. Constants that are weights of a layer are no layers here.

mod blocks;
pub mod dot;
pub(crate) mod escape;
mod fused;
pub mod html;
mod lanes;
mod layout;
pub(crate) mod style;
pub mod svg;
pub mod text;
mod wires;
mod words;

use std::collections::BTreeMap;

use crate::ir::{Graph, NodeId, Shape};

pub use blocks::{Block, Unit};
pub use style::Family;

/// A graph ready to be drawn.
#[derive(Debug, Clone)]
pub struct Drawing {
    /// The network's name, as its file has it.
    pub title: String,
    /// Which state of the network is drawn, such as `after all passes`.
    pub state: String,
    /// The layers, each behind those that it reads.
    pub layers: Vec<Layer>,
    /// The layers again, in order, as blocks and single ones.
    pub units: Vec<Unit>,
}

/// A node of the graph that is no weight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// Its name, as the user's file has it: anything at all.
    pub name: String,
    /// What it does, one row per operation that it computes, the first its own.
    pub parts: Vec<Part>,
    /// Names of the network's results that it makes: anything at all.
    pub results: Vec<String>,
    /// The shape of its result, the batch first.
    pub shape: Shape,
    /// The layers that it reads, as indices of [`Drawing::layers`], each smaller than its own.
    pub operands: Vec<usize>,
}

/// An operation that a layer computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What gives it its colour.
    pub family: Family,
    /// What it does, in a few words.
    pub what: String,
}

impl Part {
    fn new(family: Family, what: impl Into<String>) -> Self {
        Self { family, what: what.into() }
    }
}

impl Layer {
    /// What it computes, then the results that it makes: the rows of its box.
    fn rows(&self) -> Vec<Part> {
        let results =
            self.results.iter().map(|name| Part::new(Family::Interface, format!("result {}", escape::visible(name))));
        self.parts.iter().cloned().chain(results).collect()
    }

    /// What it computes, in one line.
    fn what(&self) -> String {
        self.parts.iter().map(|part| part.what.as_str()).collect::<Vec<_>>().join(" + ")
    }
}

impl Drawing {
    /// The drawing of `graph`. `before` is the same graph as it was before the passes: what is gone since was fused.
    pub fn new(title: &str, state: &str, before: &Graph, graph: &Graph) -> Self {
        let order: Vec<NodeId> = graph.topological().into_iter().filter(|id| is_layer(graph, *id)).collect();
        let places: BTreeMap<NodeId, usize> = order.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        let mut fused = fused::parts(before, graph);
        let mut results: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
        for output in graph.outputs() {
            results.entry(output.node).or_default().push(output.name.clone());
        }
        let layers: Vec<Layer> = order
            .iter()
            .map(|id| {
                let node = graph.node(*id);
                let parts = words::parts(graph, *id, &fused.remove(id).unwrap_or_default());
                let results = results.remove(id).unwrap_or_default();
                let operands = graph.operands(*id).iter().filter_map(|operand| places.get(operand).copied()).collect();
                Layer { name: node.name.clone(), parts, results, shape: node.shape().clone(), operands }
            })
            .collect();
        let units = blocks::find(&layers);
        Self { title: title.to_owned(), state: state.to_owned(), layers, units }
    }

    /// The layer of an index; `None` behind the last.
    pub fn layer(&self, index: usize) -> Option<&Layer> {
        self.layers.get(index)
    }

    /// The blocks, those of a run one by one.
    pub fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.units.iter().flat_map(|unit| match unit {
            Unit::Layer(_) => &[],
            Unit::Blocks(blocks) => blocks.as_slice(),
        })
    }

    /// One line about the whole: how many layers and blocks, and the state.
    pub fn summary(&self) -> String {
        let count = |number: usize, word: &str| format!("{number} {word}{}", if number == 1 { "" } else { "s" });
        let blocks = self.blocks().count();
        let blocks = if blocks == 0 { String::new() } else { format!(" in {}", count(blocks, "block")) };
        let joined = if blocks.is_empty() || self.units.iter().all(|unit| matches!(unit, Unit::Blocks(_))) {
            blocks
        } else {
            format!(", {} of them{blocks}", self.blocks().map(|block| block.layers.len()).sum::<usize>())
        };
        format!("{}{joined}; {}", count(self.layers.len(), "layer"), self.state)
    }

    /// Whether a layer's shape is another than that of the first layer it reads: what is worth saying on its edges.
    fn reshapes(&self, index: usize) -> bool {
        let Some(layer) = self.layer(index) else { return false };
        let read = layer.operands.first().and_then(|operand| self.layer(*operand));
        read.is_none_or(|read| read.shape != layer.shape)
    }
}

/// Whether a node is drawn: all but constants that are weights.
fn is_layer(graph: &Graph, id: NodeId) -> bool {
    if graph.value(id).is_none() {
        return true;
    }
    let is_data = |reader: NodeId| {
        graph
            .operands(reader)
            .iter()
            .enumerate()
            .any(|(position, operand)| *operand == id && !graph.node(reader).op().is_parameter(position))
    };
    graph.outputs().iter().any(|output| output.node == id) || graph.readers(id).into_iter().any(is_data)
}

#[cfg(test)]
mod tests;
