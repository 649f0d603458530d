//! Text to graph.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::scalar::{Combine, Fold, Function, FunctionKind};
use super::super::{
    Activation, BatchNorm, Chain, ChainKind, Conv, Dense, Graph, GroupNorm, Nest, NodeId, Op, Pad, SecondResult, Shape,
    Tensor,
};
use super::attributes::{Attribute, Attributes, Value, missing};
use super::fingerprint;
use super::lexer::{Fault, Token, tokens};
use crate::diagnostic::{Diagnostic, Diagnostics, Place, nearest};

/// Errors beyond this many are not collected.
const MOST_ERRORS: usize = 50;

/// Every operation but the activations, for the hint at a misspelt one.
const OPERATIONS: [&str; 22] = [
    "input",
    "constant",
    "conv",
    "batch_norm",
    "group_norm",
    "max_pool",
    "average_pool",
    "global_average_pool",
    "global_max_pool",
    "flatten",
    "dense",
    "add",
    "multiply",
    "scale",
    "concat",
    "slice",
    "softmax",
    "pad",
    "subsample",
    "as_array",
    "as_map",
    "nest",
];

/// Reads the text form. `constants` is asked, by name and shape and in the order of the text, for the values that are not in
/// it.
///
/// # Errors
/// `E-TEXT` with line and column for every line that cannot be read. The graph is sound by its shapes; what else
/// [`super::super::verify`] asks for is not looked at.
pub fn parse(text: &str, constants: &mut dyn FnMut(&str, &Shape) -> Option<Tensor>) -> Result<Graph, Diagnostics> {
    let mut parser = Parser { graph: Graph::new(), nodes: BTreeMap::new(), constants };
    let mut diagnostics = Diagnostics::new();
    for (index, line) in text.lines().enumerate() {
        if let Err(fault) = parser.line(line) {
            let place = Place::at(Path::new("<text>"), index + 1, fault.column);
            let diagnostic = Diagnostic::error("E-TEXT", fault.message).at(place);
            diagnostics.push(match fault.expected {
                Some(expected) => diagnostic.expected(expected),
                None => diagnostic,
            });
            if diagnostics.0.len() == MOST_ERRORS {
                break;
            }
        }
    }
    diagnostics.finish(parser.graph).map(|(graph, _)| graph)
}

struct Parser<'a> {
    graph: Graph,
    /// The nodes by their numbers; `None` for one whose line was wrong.
    nodes: BTreeMap<u64, Option<NodeId>>,
    constants: &'a mut dyn FnMut(&str, &Shape) -> Option<Tensor>,
}

/// What a line says before its operation is looked at.
struct Line {
    operation: String,
    column: usize,
    operands: Vec<Written>,
    name: String,
    attributes: Attributes,
    shape: Shape,
    shape_column: usize,
    values: Option<(Vec<String>, usize)>,
}

/// An operand as it is written.
struct Written {
    label: Option<String>,
    node: u64,
    column: usize,
}

impl Parser<'_> {
    fn line(&mut self, line: &str) -> Result<(), Fault> {
        let tokens = tokens(line)?;
        let end = line.chars().count() + 1;
        let mut reader = Reader { rest: &tokens, end };
        match reader.next() {
            None => Ok(()),
            Some((Token::Word(word), _)) if word == "output" => {
                let (name, _) = reader.text()?;
                reader.mark('=')?;
                let (number, column) = reader.node()?;
                reader.finish()?;
                if let Some(node) = self.known(number, column)? {
                    self.graph.output(name, node);
                }
                Ok(())
            }
            Some((Token::Word(word), _)) if word == "chain" => self.chain(&mut reader),
            Some((Token::Node(number), column)) => {
                if self.nodes.contains_key(number) {
                    return Err(Fault::new(*column, format!("`%{number}` is defined twice")));
                }
                self.nodes.insert(*number, None);
                reader.mark('=')?;
                let mut line = reader.definition()?;
                let numbers = line.attributes.numbers()?;
                let node = self.define(line)?;
                if let Some(node) = node {
                    self.graph.declare(node, numbers);
                }
                self.nodes.insert(*number, node);
                Ok(())
            }
            Some((token, column)) => {
                let fault = Fault::new(*column, format!("a line does not start with {}", token.describe()));
                Err(fault.expected("a node, `%0 = ...`, `output \"name\" = %0`, or `chain kind(%0, %1)`"))
            }
        }
    }

    /// Reads a chain, behind its first word.
    fn chain(&mut self, reader: &mut Reader) -> Result<(), Fault> {
        let kinds = ChainKind::ALL.map(ChainKind::name).join("`, `");
        let kind = match reader.next() {
            Some((Token::Word(word), column)) => ChainKind::named(word).ok_or_else(|| {
                Fault::new(*column, format!("there is no chain `{word}`")).expected(format!("one of `{kinds}`"))
            })?,
            found => return Err(reader.fault(found, &format!("one of `{kinds}`"))),
        };
        let written = reader.operands()?;
        let forced = match reader.rest {
            [(Token::Word(word), _)] if word == "forced" => true,
            _ => {
                reader.finish()?;
                false
            }
        };
        let mut nodes = Vec::with_capacity(written.len());
        for Written { label, node, column } in written {
            if label.is_some() {
                return Err(Fault::new(column, "a node of a chain has no label"));
            }
            nodes.push(self.known(node, column)?);
        }
        if let Some(nodes) = nodes.into_iter().collect::<Option<Vec<_>>>() {
            self.graph.chain(Chain { kind, nodes, forced });
        }
        Ok(())
    }

    /// The node of a number; `None` when its own line was wrong, which has been said there.
    fn known(&self, number: u64, column: usize) -> Result<Option<NodeId>, Fault> {
        self.nodes.get(&number).copied().ok_or_else(|| {
            Fault::new(column, format!("`%{number}` is not defined")).expected("a node defined on a line above")
        })
    }

    /// Adds the node of a line; `None` when it reads a node whose own line was wrong.
    fn define(&mut self, mut line: Line) -> Result<Option<NodeId>, Fault> {
        let mut operands = Vec::with_capacity(line.operands.len());
        for operand in &line.operands {
            operands.push(self.known(operand.node, operand.column)?);
        }
        let op = match line.operation.as_str() {
            "input" | "constant" => {
                if let Some(operand) = line.operands.first() {
                    return Err(Fault::new(operand.column, format!("{} has no operands", line.operation)));
                }
                if line.operation == "constant" {
                    return self.constant(line).map(Some);
                }
                let layout = line.attributes.layout()?;
                line.end()?;
                return Ok(Some(self.graph.input(line.name, layout, line.shape)));
            }
            _ => operation(&mut line)?,
        };
        std::mem::take(&mut line.attributes).finish()?;
        line.no_values()?;
        let Some(operands) = operands.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };
        let inferred = super::super::infer(
            &op,
            &operands.iter().map(|operand| self.graph.node(*operand).shape()).collect::<Vec<_>>(),
        );
        match inferred {
            Err(message) => Err(Fault::new(line.column, message)),
            Ok(shape) if shape != line.shape => {
                let message = format!("the operands give the shape {shape}, not {}", line.shape);
                Err(Fault::new(line.shape_column, message))
            }
            Ok(_) => {
                let added = self.graph.add(line.name, op, &operands);
                added.map(Some).map_err(|error| Fault::new(line.column, error.message))
            }
        }
    }

    fn constant(&mut self, mut line: Line) -> Result<NodeId, Fault> {
        let hash = line.attributes.text("sha256")?;
        std::mem::take(&mut line.attributes).finish()?;
        let tensor = match (hash, &line.values) {
            (Some((_, column)), Some(_)) => {
                return Err(Fault::new(column, "a constant has either values or `sha256`, not both"));
            }
            (None, None) => {
                return Err(Fault::new(line.column, "the constant has no values").expected("` = [...]` or `sha256`"));
            }
            (None, Some((values, column))) => {
                let numbers = values.iter().map(|value| {
                    single(value).ok_or_else(|| Fault::new(*column, format!("`{value}` is no f32 value")))
                });
                let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
                let count = numbers.len();
                Tensor::new(line.shape.clone(), numbers).ok_or_else(|| {
                    let message = format!("{count} values do not fill the shape {}", line.shape);
                    Fault::new(*column, message).expected(format!("{} values", line.shape.len()))
                })?
            }
            (Some((hash, column)), None) => {
                let tensor = (self.constants)(&line.name, &line.shape)
                    .ok_or_else(|| Fault::new(line.column, format!("the values of `{}` are not at hand", line.name)))?;
                if *tensor.shape() != line.shape {
                    let message = format!("the values of `{}` have the shape {}", line.name, tensor.shape());
                    return Err(Fault::new(line.shape_column, message).expected(line.shape.to_string()));
                }
                let found = fingerprint(tensor.values());
                if found != hash {
                    let message = format!("the values of `{}` are others: their sha256 is {found}", line.name);
                    return Err(Fault::new(column, message).expected(hash));
                }
                tensor
            }
        };
        Ok(self.graph.constant(line.name, tensor))
    }
}

/// The operation of a line with its attributes; all but inputs and constants.
fn operation(line: &mut Line) -> Result<Op, Fault> {
    let column = line.column;
    let attributes = &mut line.attributes;
    let (op, plain, labels): (Op, usize, &[&str]) = match line.operation.as_str() {
        "conv" => {
            let labels: &[&str] = &["bias", "scale", "shift", "shortcut"];
            let second_activation = attributes.activation("second_activation")?;
            let second =
                labelled(&line.operands, "scale") || labelled(&line.operands, "shift") || second_activation.is_some();
            let conv = Conv {
                kernel: attributes.pair("kernel")?.ok_or_else(|| missing(column, "kernel"))?,
                stride: attributes.pair("stride")?.unwrap_or([1, 1]),
                padding: attributes.padding("padding")?,
                dilation: attributes.pair("dilation")?.unwrap_or([1, 1]),
                groups: attributes.number("groups")?.unwrap_or(1),
                bias: labelled(&line.operands, "bias"),
                shortcut: labelled(&line.operands, "shortcut"),
                activation: attributes.activation("activation")?,
                second: second.then_some(SecondResult { activation: second_activation }),
            };
            (Op::Conv(conv), 2, labels)
        }
        "batch_norm" => {
            let norm = BatchNorm {
                epsilon: attributes.float("epsilon")?.ok_or_else(|| missing(column, "epsilon"))?,
                gamma: labelled(&line.operands, "gamma"),
                beta: labelled(&line.operands, "beta"),
                activation: attributes.activation("activation")?,
            };
            (Op::BatchNorm(norm), 1, &["gamma", "beta", "mean", "variance"])
        }
        "group_norm" => {
            let norm = GroupNorm {
                groups: attributes.number("groups")?.ok_or_else(|| missing(column, "groups"))?,
                epsilon: attributes.float("epsilon")?.ok_or_else(|| missing(column, "epsilon"))?,
                activation: attributes.activation("activation")?,
            };
            (Op::GroupNorm(norm), 1, &["gamma", "beta"])
        }
        "dense" => {
            let bias = labelled(&line.operands, "bias");
            (Op::Dense(Dense { bias, activation: attributes.activation("activation")? }), 2, &["bias"])
        }
        "max_pool" => (Op::MaxPool(attributes.pool(column)?), 1, &[]),
        "average_pool" => {
            let pool = attributes.pool(column)?;
            let count = attributes.flag("count_include_padding")?;
            let count_include_padding = count.ok_or_else(|| missing(column, "count_include_padding"))?;
            (Op::AveragePool { pool, count_include_padding }, 1, &[])
        }
        "global_average_pool" => (Op::GlobalAveragePool, 1, &[]),
        "global_max_pool" => (Op::GlobalMaxPool, 1, &[]),
        "flatten" => (Op::Flatten, 1, &[]),
        "softmax" => (Op::Softmax, 1, &[]),
        "add" => (Op::Add { activation: attributes.activation("activation")? }, 2, &[]),
        "multiply" => (Op::Multiply { activation: attributes.activation("activation")? }, 2, &[]),
        "scale" => {
            let factor = attributes.float("factor")?.ok_or_else(|| missing(column, "factor"))?;
            (Op::Scale { factor }, 1, &[])
        }
        "concat" => {
            let operands = line.operands.len();
            (Op::Concat { operands }, operands, &[])
        }
        "slice" => {
            let channels = attributes.pair("channels")?.ok_or_else(|| missing(column, "channels"))?;
            (Op::Slice { channels }, 1, &[])
        }
        "pad" => {
            let channels = attributes.pair("channels")?.unwrap_or([0, 0]);
            (Op::Pad(Pad { channels, spatial: attributes.padding("spatial")? }), 1, &[])
        }
        "as_array" => (Op::AsArray, 1, &[]),
        "as_map" => (Op::AsMap, 1, &[]),
        "nest" => {
            let mut operands = vec![attributes.access("a")?.ok_or_else(|| missing(column, "a"))?];
            operands.extend(attributes.access("b")?);
            let count = operands.len();
            let nest = Nest {
                shape: line.shape.clone(),
                reduced: attributes.list("reduced")?.unwrap_or_default(),
                operands,
                combine: attributes.word("combine", Combine::named)?.unwrap_or(Combine::Add),
                fold: attributes.word("fold", Fold::named)?.unwrap_or(Fold::Sum),
                finish: Function {
                    kind: attributes.word("finish", FunctionKind::named)?.unwrap_or(FunctionKind::Identity),
                    alpha: attributes.float("alpha")?.unwrap_or(0.0),
                    beta: attributes.float("beta")?.unwrap_or(0.0),
                },
            };
            (Op::Nest(Box::new(nest)), count, &[])
        }
        "subsample" => (Op::Subsample { stride: attributes.pair("stride")?.unwrap_or([1, 1]) }, 1, &[]),
        other => match Activation::named(other) {
            Some(activation) => (Op::Activation(activation), 1, &[]),
            None => {
                let fault = Fault::new(column, format!("there is no operation `{other}`"));
                let known = [&OPERATIONS[..], &Activation::ALL.map(Activation::name)].concat();
                return Err(match nearest(other, known.iter().copied()) {
                    Some(near) => fault.expected(format!("perhaps `{near}`")),
                    None => fault.expected(format!("one of {known:?}")),
                });
            }
        },
    };
    place_operands(line, plain, labels)?;
    Ok(op)
}

fn labelled(operands: &[Written], label: &str) -> bool {
    operands.iter().any(|operand| operand.label.as_deref() == Some(label))
}

/// Checks that the first operands are plain and the others labelled in the operation's order.
fn place_operands(line: &Line, plain: usize, labels: &[&str]) -> Result<(), Fault> {
    let mut open = labels.iter();
    for (index, operand) in line.operands.iter().enumerate() {
        let right = match &operand.label {
            None => index < plain,
            Some(label) => index >= plain && open.any(|next| next == label),
        };
        if !right {
            let expected = match labels {
                [] => format!("{plain} operands without labels"),
                _ => format!("{plain} operands without labels, then `{}:`, each at most once", labels.join(":`, `")),
            };
            return Err(Fault::new(operand.column, "an operand does not belong here").expected(expected));
        }
    }
    Ok(())
}

impl Line {
    fn end(&mut self) -> Result<(), Fault> {
        std::mem::take(&mut self.attributes).finish()?;
        self.no_values()
    }

    fn no_values(&self) -> Result<(), Fault> {
        match &self.values {
            Some((_, column)) => Err(Fault::new(*column, "only a constant has values")),
            None => Ok(()),
        }
    }
}

/// An f32 value in decimal, or its bits in hexadecimal behind `0x`.
fn single(text: &str) -> Option<f32> {
    match text.strip_prefix("0x") {
        Some(bits) => u32::from_str_radix(bits, 16).ok().map(f32::from_bits),
        None => text.parse().ok(),
    }
}

/// The tokens of a line that are still to be read.
struct Reader<'a> {
    rest: &'a [(Token, usize)],
    /// The column behind the line.
    end: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a (Token, usize)> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    fn peek_mark(&self, mark: char) -> bool {
        matches!(self.rest.first(), Some((Token::Mark(found), _)) if *found == mark)
    }

    fn fault(&self, found: Option<&(Token, usize)>, expected: &str) -> Fault {
        match found {
            Some((token, column)) => Fault::new(*column, format!("unexpected {}", token.describe())),
            None => Fault::new(self.end, "the line ends too soon"),
        }
        .expected(expected)
    }

    fn mark(&mut self, mark: char) -> Result<usize, Fault> {
        match self.next() {
            Some((Token::Mark(found), column)) if *found == mark => Ok(*column),
            found => Err(self.fault(found, &format!("`{mark}`"))),
        }
    }

    fn text(&mut self) -> Result<(String, usize), Fault> {
        match self.next() {
            Some((Token::Text(text), column)) => Ok((text.clone(), *column)),
            found => Err(self.fault(found, "a name in quotes")),
        }
    }

    fn node(&mut self) -> Result<(u64, usize), Fault> {
        match self.next() {
            Some((Token::Node(number), column)) => Ok((*number, *column)),
            found => Err(self.fault(found, "a node, `%0`")),
        }
    }

    fn finish(&mut self) -> Result<(), Fault> {
        match self.next() {
            None => Ok(()),
            found => Err(self.fault(found, "the end of the line")),
        }
    }

    /// Numbers in brackets.
    fn list(&mut self) -> Result<(Vec<String>, usize), Fault> {
        let column = self.mark('[')?;
        let mut items = Vec::new();
        while !self.peek_mark(']') {
            if !items.is_empty() {
                self.mark(',')?;
            }
            match self.next() {
                Some((Token::Number(number), _)) => items.push(number.clone()),
                found => return Err(self.fault(found, "a number")),
            }
        }
        self.mark(']')?;
        Ok((items, column))
    }

    fn operands(&mut self) -> Result<Vec<Written>, Fault> {
        let mut operands = Vec::new();
        if !self.peek_mark('(') {
            return Ok(operands);
        }
        self.mark('(')?;
        while !self.peek_mark(')') {
            if !operands.is_empty() {
                self.mark(',')?;
            }
            let (label, node, column) = match self.next() {
                Some((Token::Node(number), column)) => (None, *number, *column),
                Some((Token::Word(label), column)) => {
                    self.mark(':')?;
                    (Some(label.clone()), self.node()?.0, *column)
                }
                found => return Err(self.fault(found, "a node, `%0`, or a label, `bias: %0`")),
            };
            operands.push(Written { label, node, column });
        }
        self.mark(')')?;
        Ok(operands)
    }

    /// What stands behind `%0 =`.
    fn definition(&mut self) -> Result<Line, Fault> {
        let (operation, column) = match self.next() {
            Some((Token::Word(word), column)) => (word.clone(), *column),
            found => return Err(self.fault(found, "an operation")),
        };
        let operands = self.operands()?;
        let (name, _) = self.text()?;
        let mut attributes = Attributes::default();
        while !self.peek_mark(':') {
            let (key, column) = match self.next() {
                Some((Token::Word(key), column)) => (key.clone(), *column),
                found => return Err(self.fault(found, "an attribute, `key=value`, or `:` and the shape")),
            };
            self.mark('=')?;
            let value = if self.peek_mark('[') {
                Value::List(self.list()?.0)
            } else {
                match self.next() {
                    Some((Token::Word(word), _)) => Value::Word(word.clone()),
                    Some((Token::Number(number), _)) => Value::Number(number.clone()),
                    Some((Token::Text(text), _)) => Value::Text(text.clone()),
                    found => return Err(self.fault(found, "a value")),
                }
            };
            attributes.push(Attribute { key, value, column })?;
        }
        self.mark(':')?;
        let (extents, shape_column) = self.list()?;
        let extents = extents.iter().map(|extent| extent.parse().ok()).collect::<Option<Vec<usize>>>();
        let shape = Shape(extents.ok_or_else(|| Fault::new(shape_column, "an extent is no whole number"))?);
        let mut values = None;
        if self.peek_mark('=') {
            self.mark('=')?;
            values = Some(self.list()?);
        }
        self.finish()?;
        Ok(Line { operation, column, operands, name, attributes, shape, shape_column, values })
    }
}
