//! The state while a model is read: what each value is, the graph so far, what went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use super::attributes::Node;
use super::external::External;
use super::general;
use super::input::tensor_type;
use super::literal::{self, Data, Literal, element, elements};
use super::model::{Model, standard};
use super::operators;
use super::order::{Schedule, label};
use super::proto::{NodeProto, SparseTensorProto, TensorProto, ValueInfoProto};
use super::text;
use super::unsupported::{CONTROL_FLOW, Unsupported};
use super::value::{Value, View};
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::ir::{Edit, Element, Graph, NodeId, Numbers, Op, Quantisation, Shape, Tensor};
use crate::limits;

/// Why a node cannot be taken.
pub(super) enum Failure {
    /// It does something that the graph cannot say.
    Unsupported(String),
    /// It is wrong.
    Refused(Box<Diagnostic>),
}

/// A node that cannot be taken, with a code and a sentence.
pub(super) fn refuse(code: &'static str, message: impl Into<String>) -> Failure {
    Failure::Refused(Box::new(Diagnostic::error(code, message)))
}

/// Why an operator on maps takes no array.
pub(super) fn array_read() -> Failure {
    Failure::Unsupported("it reads a tensor that is neither a map [N, C, H, W] nor a vector [N, features]".to_owned())
}

/// What a node makes first; what else it makes, it defines itself.
pub(super) type Outcome = Result<Value, Failure>;

/// A model on its way into a graph.
pub(super) struct Importer<'m> {
    /// The file.
    pub path: &'m Path,
    /// The file's content.
    pub model: &'m Model,
    /// Names and order.
    pub schedule: &'m Schedule<'m>,
    /// The graph so far.
    pub graph: Graph,
    /// Images per run.
    pub batch: usize,
    /// What went wrong so far.
    pub diagnostics: Diagnostics,
    /// Nodes that cannot be compiled.
    pub unsupported: Vec<Unsupported>,
    /// Tensors in other files.
    pub external: External,
    /// The batch that the file fixes, when another one is wanted.
    pub rebound: Option<usize>,
    values: BTreeMap<&'m str, Value>,
    declared: BTreeMap<&'m str, &'m ValueInfoProto>,
    /// Whether the file leaves the batch open.
    pub open_batch: bool,
    names: BTreeSet<String>,
    suffixes: BTreeMap<String, usize>,
    flattened: BTreeMap<NodeId, NodeId>,
    /// Maps and vectors as arrays.
    pub arrays: BTreeMap<NodeId, NodeId>,
    /// Arrays of such extents as maps.
    pub maps: BTreeMap<(NodeId, Vec<usize>), NodeId>,
    makers: BTreeMap<NodeId, &'m str>,
    /// By their address, elements of constants that stand for others, or are what others stand for.
    pub quantised: BTreeMap<usize, (Data, Arc<Quantisation>)>,
    folded: usize,
    worked: usize,
    /// Which node makes which value, once somebody asks.
    pub producers: Option<BTreeMap<&'m str, usize>>,
}

impl<'m> Importer<'m> {
    /// Nothing read yet.
    pub fn new(
        path: &'m Path,
        model: &'m Model,
        schedule: &'m Schedule<'m>,
        batch: usize,
        diagnostics: Diagnostics,
    ) -> Self {
        let declared = model.graph.value_info.iter().chain(schedule.outputs.iter().copied());
        Self {
            path,
            model,
            schedule,
            graph: Graph::new(),
            batch,
            diagnostics,
            unsupported: Vec::new(),
            external: External::new(path),
            rebound: None,
            values: BTreeMap::new(),
            declared: declared.map(|info| (info.name.as_str(), info)).collect(),
            open_batch: false,
            names: BTreeSet::new(),
            suffixes: BTreeMap::new(),
            flattened: BTreeMap::new(),
            arrays: BTreeMap::new(),
            maps: BTreeMap::new(),
            makers: BTreeMap::new(),
            quantised: BTreeMap::new(),
            folded: 0,
            worked: 0,
            producers: None,
        }
    }

    /// Takes a node of the model.
    pub fn node(&mut self, index: usize) {
        let Some(proto) = self.model.graph.node.get(index) else { return };
        let subject = format!("node {} ({})", label(proto, index), proto.op_type);
        let outcome = self.outcome(proto, index);
        let value = match outcome {
            Ok(value) => self.checked(proto, value),
            Err(failure) => Err(failure),
        };
        let value = value.unwrap_or_else(|failure| {
            let stand_in = self.stand_in(proto, &failure);
            match failure {
                Failure::Unsupported(reason) => {
                    let domain = if standard(&proto.domain) { "" } else { &proto.domain };
                    let separator = if domain.is_empty() { "" } else { "::" };
                    let version = self.version(proto, index);
                    self.unsupported.push(Unsupported {
                        operator: format!("{domain}{separator}{} ({version})", proto.op_type),
                        node: label(proto, index),
                        reason,
                    });
                }
                Failure::Refused(diagnostic) => {
                    let diagnostic = self.with_origins(proto, *diagnostic);
                    self.report(diagnostic.about(subject));
                }
            }
            stand_in
        });
        let mut outputs = proto.output.iter().filter(|output| !output.is_empty());
        if let Some(first) = proto.output.first().filter(|output| !output.is_empty()) {
            outputs.next();
            if let Value::Computed(view) = &value {
                self.makers.entry(view.node).or_insert(first);
            }
            self.values.insert(first, value);
        }
        for output in outputs {
            self.values.entry(output).or_insert(Value::Unknown);
        }
    }

    /// Says what a name stands for.
    pub fn define(&mut self, name: &'m str, value: Value) {
        self.values.insert(name, value);
    }

    /// The value of a name, if it was read already.
    pub fn known(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    /// What the file declares of a value.
    pub fn declared(&self, name: &str) -> Option<&'m ValueInfoProto> {
        self.declared.get(name).copied()
    }

    /// The value of a name.
    pub fn value(&mut self, name: &'m str) -> Outcome {
        if let Some(value) = self.values.get(name) {
            return Ok(value.clone());
        }
        if let Some(proto) = self.schedule.sparse.get(name) {
            let value = Value::Constant(self.dense(proto)?);
            self.values.insert(name, value.clone());
            return Ok(value);
        }
        let Some(proto) = self.schedule.initializers.get(name) else { return Ok(Value::Unknown) };
        let value = self.tensor(proto)?;
        self.values.insert(name, value.clone());
        Ok(value)
    }

    /// A constant of the file.
    pub fn tensor(&mut self, proto: &TensorProto) -> Outcome {
        Ok(match proto.data_type {
            element::STRING => Value::Text(literal::read_text(proto)?),
            _ => Value::Constant(literal::read(proto, &mut self.external)?),
        })
    }

    /// A sparse constant with its zeros.
    pub fn dense(&mut self, proto: &SparseTensorProto) -> Result<Literal, Failure> {
        let extents: Option<Vec<usize>> = proto.dims.iter().map(|extent| usize::try_from(*extent).ok()).collect();
        self.charge(extents.as_deref().and_then(elements))?;
        literal::read_sparse(proto, &mut self.external)
    }

    /// Adds a node to the graph.
    pub fn add(&mut self, name: &str, op: Op, operands: &[NodeId]) -> Result<NodeId, Failure> {
        let name = self.unique(name);
        let id = fits(self.graph.add(name, op, operands))?;
        let shape = self.graph.node(id).shape();
        match elements(&shape.0) {
            Some(count) if (1..=limits::MAP_ELEMENTS.count()).contains(&count) => Ok(id),
            _ => Err(refuse("E-ONNX-SHAPE", format!("its result would have the shape {shape}"))),
        }
    }

    /// Adds a constant to the graph.
    pub fn constant(&mut self, name: &str, dims: Vec<usize>, values: impl Into<Arc<[f32]>>) -> Result<NodeId, Failure> {
        let values = values.into();
        let address = values.as_ptr() as usize;
        let tensor = Tensor::new(Shape(dims), values)
            .ok_or_else(|| refuse("E-ONNX-SHAPE", format!("tensor `{name}` does not fit its extents")))?;
        let name = self.unique(name);
        let id = self.graph.constant(name, tensor);
        self.declare_constant(id, Element::Float32, address);
        Ok(id)
    }

    /// Says what the numbers of a constant are, whose elements came from an address, if its values are such.
    pub fn declare_constant(&mut self, id: NodeId, element: Element, address: usize) {
        let holds =
            self.graph.value(id).is_some_and(|tensor| tensor.values().iter().all(|value| element.holds(*value)));
        let quantisation = self.quantised.get(&address).map(|(_, quantisation)| quantisation.clone());
        let quantisation =
            quantisation.filter(|quantisation| [Element::Float32, quantisation.element].contains(&element));
        let numbers = Numbers { element, quantisation };
        if holds && numbers.fault(self.graph.node(id).shape()).is_none() {
            self.graph.declare(id, numbers);
        }
    }

    /// The name that a constant gets which comes from an input of a node.
    pub fn input_name(&self, node: &Node<'m>, position: usize, role: &str) -> String {
        match node.proto.input.get(position) {
            Some(name) if !name.is_empty() => name.clone(),
            _ => format!("{}.{role}", node.name),
        }
    }

    /// The shape of a node of the graph.
    pub fn shape(&self, view: &View) -> &Shape {
        self.graph.node(view.node).shape()
    }

    /// The node of a view that must be a map.
    pub fn map(&self, view: &View) -> Result<NodeId, Failure> {
        if view.is_map(self.shape(view)) {
            return Ok(view.node);
        }
        Err(Failure::Unsupported(format!("it reads a tensor of shape {:?} that is not a map [N, C, H, W]", view.dims)))
    }

    /// The node of a view that must be a vector per image; flattens a map.
    pub fn vector(&mut self, view: &View) -> Result<NodeId, Failure> {
        let shape = self.shape(view);
        if !view.is_vector(shape) {
            let reason = format!(
                "it reads a tensor of shape {:?} that is not [N, features] in the order of the channels",
                view.dims
            );
            return Err(Failure::Unsupported(reason));
        }
        if shape.rank() == 2 {
            return Ok(view.node);
        }
        if let Some(flat) = self.flattened.get(&view.node) {
            return Ok(*flat);
        }
        let name = format!("{}.flatten", self.graph.node(view.node).name);
        let flat = self.add(&name, Op::Flatten, &[view.node])?;
        self.flattened.insert(view.node, flat);
        Ok(flat)
    }

    /// A node as it is.
    pub fn whole(&self, id: NodeId) -> Value {
        Value::Computed(View::whole(id, self.graph.node(id).shape()))
    }

    /// Whether the node behind an input of `node` is read there only, and was made by the model's node that the name tells.
    pub fn read_once(&self, node: &Node<'m>, position: usize, id: NodeId) -> bool {
        let name = node.proto.input.get(position).map(String::as_str).unwrap_or_default();
        self.makers.get(&id) == Some(&name)
            && self.schedule.uses.get(name) == Some(&1)
            && self.graph.readers(id).is_empty()
    }

    /// Counts a computed constant against what may be computed.
    pub fn charge(&mut self, count: Option<usize>) -> Result<usize, Failure> {
        let total = count.and_then(|count| count.checked_mul(8)).and_then(|bytes| bytes.checked_add(self.folded));
        match (count, total) {
            (Some(count), Some(total)) if total <= limits::ONNX_CONSTANT_BYTES.count() => {
                self.folded = total;
                Ok(count)
            }
            _ => {
                let limit = limits::ONNX_CONSTANT_BYTES;
                let message = format!("the constants that the model computes take more than {} bytes", limit.get());
                Err(Failure::Refused(Box::new(Diagnostic::error("E-ONNX-LIMIT", message).hint(limit.hint()))))
            }
        }
    }

    /// Takes note of terms that are added up for constants that the model computes, before they are.
    pub fn work(&mut self, terms: Option<usize>) -> Result<(), Failure> {
        match terms.and_then(|terms| terms.checked_add(self.worked)) {
            Some(total) if total <= limits::ONNX_CONSTANT_TERMS.count() => {
                self.worked = total;
                Ok(())
            }
            _ => {
                let limit = limits::ONNX_CONSTANT_TERMS;
                let message = format!("the constants that the model computes have more than {} terms", limit.get());
                Err(Failure::Refused(Box::new(Diagnostic::error("E-ONNX-LIMIT", message).hint(limit.hint()))))
            }
        }
    }

    /// Adds a diagnostic about the file.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic.at(Place::file(self.path)));
    }

    fn outcome(&mut self, proto: &'m NodeProto, index: usize) -> Outcome {
        if CONTROL_FLOW.contains(&proto.op_type.as_str()) && standard(&proto.domain) {
            return Err(Failure::Refused(Box::new(
                Diagnostic::error("E-ONNX-CTRL", format!("{} depends on values at run time", proto.op_type))
                    .expected("a graph without control flow")
                    .hint("export the model with fixed shapes, in evaluation mode"),
            )));
        }
        // First of all, so that it is said even of a node that reads what could not be made.
        let special = if standard(&proto.domain) { operators::find(&proto.op_type) } else { None };
        if special.is_none() && general::find(&proto.domain, &proto.op_type).is_none() {
            let what = if standard(&proto.domain) { "the operator" } else { "the operator's domain" };
            return Err(Failure::Unsupported(format!("{what} is not supported")));
        }
        let mut inputs = Vec::with_capacity(proto.input.len());
        for name in &proto.input {
            inputs.push(if name.is_empty() { None } else { Some(self.value(name)?) });
        }
        if inputs.iter().flatten().any(|value| matches!(value, Value::Unknown)) {
            return Ok(Value::Unknown);
        }
        if !text::READ_BY.contains(&proto.op_type.as_str())
            && inputs.iter().flatten().any(|value| matches!(value, Value::Text(_)))
        {
            return Err(Failure::Unsupported("it reads words, not numbers".to_owned()));
        }
        let name = if proto.name.is_empty() { format!("{}_{index}", proto.op_type) } else { proto.name.clone() };
        let node = Node { proto, name, opset: self.opset(index), inputs };
        self.taken(&node)
    }

    /// An operator on maps and vectors, if it takes what it reads; else one on tensors of any shape.
    fn taken(&mut self, node: &Node<'m>) -> Outcome {
        let proto = node.proto;
        let special = if standard(&proto.domain) { operators::find(&proto.op_type) } else { None };
        let general = general::find(&proto.domain, &proto.op_type);
        let further = proto.output.iter().skip(1).find(|output| self.schedule.uses.contains_key(output.as_str()));
        let refusal = match (special, further) {
            (Some(operator), None) => match self.on_maps(node, operator) {
                Err(Failure::Unsupported(reason)) => Failure::Unsupported(reason),
                outcome => return outcome,
            },
            (Some(operator), Some(_)) if proto.op_type == "Split" => return operator(self, node),
            (_, Some(_))
                if proto.op_type == "BatchNormalization" && !matches!(node.optional(0), Some(Value::Constant(_))) =>
            {
                return Err(super::norm::training("its updated statistics are read"));
            }
            (_, Some(output)) => Failure::Unsupported(format!("its further output `{output}` is read")),
            (None, None) => Failure::Unsupported("the operator is not supported".to_owned()),
        };
        match general {
            Some(operator) => operator(self, node),
            None => Err(refusal),
        }
    }

    /// The operator with arrays as maps, as far as they are such.
    fn on_maps(&mut self, node: &Node<'m>, operator: operators::Operator) -> Outcome {
        const MAPS: [&str; 8] = [
            "Conv",
            "BatchNormalization",
            "MaxPool",
            "AveragePool",
            "GlobalAveragePool",
            "GlobalMaxPool",
            "Gemm",
            "MatMul",
        ];
        let arrays = node.inputs.iter().flatten().any(|value| matches!(value, Value::Array(_)));
        let wanted = MAPS.contains(&node.proto.op_type.as_str())
            || node.inputs.iter().flatten().any(|value| matches!(value, Value::Computed(view) if view.dims.len() == 4));
        if !arrays || !wanted {
            return operator(self, node);
        }
        let mut inputs = node.inputs.clone();
        for value in inputs.iter_mut().flatten() {
            if let Value::Array(array) = value
                && element::is_float(array.element)
                && matches!(array.dims.len(), 2 | 4)
            {
                *value = general::as_map(self, array)?;
            }
        }
        operator(self, &Node { proto: node.proto, name: node.name.clone(), opset: node.opset, inputs })
    }

    fn opset(&self, index: usize) -> i64 {
        self.model.opsets.get(index).copied().unwrap_or_default()
    }

    fn version(&self, proto: &NodeProto, index: usize) -> String {
        if standard(&proto.domain) {
            format!("opset {}", self.opset(index))
        } else {
            "not a standard operator".to_owned()
        }
    }

    /// Compares with the shape that the file declares.
    fn checked(&mut self, proto: &NodeProto, value: Value) -> Outcome {
        let Some(name) = proto.output.first() else { return Ok(value) };
        let Some(declared) = self.declared.get(name.as_str()) else { return Ok(value) };
        let inferred = match &value {
            Value::Computed(view) => &view.dims,
            Value::Constant(literal) => &literal.dims,
            Value::Array(array) => &array.dims,
            Value::Text(text) => &text.dims,
            Value::Unknown => return Ok(value),
        };
        let Some((_, Some(dims))) = tensor_type(declared) else { return Ok(value) };
        let agrees = dims.len() == inferred.len()
            && dims.iter().zip(inferred).enumerate().all(|(axis, (declared, inferred))| {
                let free = axis == 0 && (self.open_batch || self.rebound.is_some());
                free || declared.is_none_or(|declared| usize::try_from(declared) == Ok(*inferred))
            });
        if agrees {
            return Ok(value);
        }
        let declared: Vec<_> =
            dims.iter().map(|extent| extent.map_or("?".to_owned(), |extent| extent.to_string())).collect();
        Err(Failure::Refused(Box::new(
            Diagnostic::error("E-ONNX-SHAPE", format!("its result `{name}` is declared as [{}]", declared.join(", ")))
                .expected(format!("{inferred:?}, which follows from its inputs")),
        )))
    }

    /// A name that no other node has.
    pub fn unique(&mut self, name: &str) -> String {
        let mut candidate = name.to_owned();
        while !self.names.insert(candidate.clone()) {
            let suffix = self.suffixes.entry(name.to_owned()).or_default();
            *suffix += 1;
            candidate = format!("{name}.{suffix}");
        }
        candidate
    }
}

/// An edit of the graph; what does not fit is an error of the model.
pub(super) fn fits<T>(edit: Edit<T>) -> Result<T, Failure> {
    edit.map_err(|error| refuse("E-ONNX-SHAPE", error.message))
}

/// A constant integer vector as a value.
pub(super) fn known(values: Vec<i64>) -> Value {
    Value::Constant(Literal::ints(values))
}
