//! What a node reads, in words: names, shapes, and what made them.

use super::importer::Importer;
use super::model::Model;
use super::order::label;
use super::proto::NodeProto;
use super::shape::dims;
use super::value::Value;
use crate::diagnostic::Diagnostic;

/// So many inputs of a node are described; the rest is counted.
const DESCRIBED: usize = 6;

impl<'m> Importer<'m> {
    /// A diagnostic of a node; one about shapes also says which values the node reads, and what made them.
    pub fn with_origins(&mut self, proto: &NodeProto, mut diagnostic: Diagnostic) -> Diagnostic {
        let names: Vec<_> = proto.input.iter().filter(|name| !name.is_empty()).collect();
        // An input that could not be read is what the error is about.
        let read = names.iter().all(|name| self.known(name).is_some());
        if diagnostic.code != "E-ONNX-SHAPE" || names.is_empty() || !read {
            return diagnostic;
        }
        let model: &'m Model = self.model;
        let nodes = &model.graph.node;
        let producers = self.producers.get_or_insert_with(|| {
            let outputs = nodes.iter().enumerate().flat_map(|(index, node)| {
                node.output.iter().filter(|output| !output.is_empty()).map(move |output| (output.as_str(), index))
            });
            outputs.collect()
        });
        let makers: Vec<_> = names
            .iter()
            .take(DESCRIBED)
            .map(|name| producers.get(name.as_str()).and_then(|index| Some((*index, nodes.get(*index)?))))
            .collect();
        let described: Vec<_> = names.iter().zip(makers).map(|(name, maker)| self.origin(name, maker)).collect();
        let listed = match (described.split_last(), names.len().checked_sub(DESCRIBED)) {
            (_, Some(more @ 1..)) => format!("{} and {more} more", described.join(", ")),
            (Some((last, before)), _) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
            _ => described.join(", "),
        };
        diagnostic.message.push_str(&format!("; it reads {listed}"));
        diagnostic
    }

    /// `` `a` [1, 4, 8, 8] of node `stem` (Conv) ``
    fn origin(&self, name: &str, maker: Option<(usize, &NodeProto)>) -> String {
        let value = self.known(name);
        let shape = match value {
            Some(value @ (Value::Constant(_) | Value::Computed(_) | Value::Array(_) | Value::Text(_))) => {
                format!(" {:?}", dims(value))
            }
            Some(Value::Unknown) | None => String::new(),
        };
        match maker {
            Some((index, node)) => format!("`{name}`{shape} of node {} ({})", label(node, index), node.op_type),
            None if self.schedule.inputs.iter().any(|input| input.name == name) => {
                format!("the network's input `{name}`{shape}")
            }
            None => format!("the constant `{name}`{shape}"),
        }
    }
}
