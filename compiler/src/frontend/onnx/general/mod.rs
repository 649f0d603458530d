//! Operators on tensors of any shape: what the operators on maps do not take, as loop nests over arrays.
//!
//! A value is an array, in row-major order, or a constant. What is made of constants alone is computed at once, so every operator here
//! folds.

mod elementwise;
mod moves;
mod norm;
mod products;
mod quantised;
mod reduce;
mod resize;
mod window;

use std::sync::Arc;

use super::attributes::Node;
use super::constants;
use super::fold::broadcast;
use super::importer::{Failure, Importer, Outcome, refuse};
use super::literal::{Data, Literal, element, elements};
use super::operators::Operator;
use super::slice::Run;
use super::value::{Array, Value, View};
use crate::ir::scalar::{Combine, Fold, Function, FunctionKind};
use crate::ir::{Access, Move, Nest, NodeId, Numbers, Op, Quantisation, Shape, strides};

/// What the extents of a tensor may multiply to, those of 0 left out: then places in it, times any attribute of an operator, are numbers
/// of 64 bits.
const MOST_ELEMENTS: usize = 1 << 32;

/// The function for an operator of the standard, or of ONNX Runtime's own domain, on tensors of any shape, if it is supported.
pub(super) fn find(domain: &str, operator: &str) -> Option<Operator> {
    elementwise::find(operator)
        .or_else(|| moves::find(operator))
        .or_else(|| reduce::find(operator))
        .or_else(|| products::find(operator))
        .or_else(|| window::find(operator))
        .or_else(|| norm::find(operator))
        .or_else(|| resize::find(operator))
        .or_else(|| constants::find(operator))
        .filter(|_| super::model::standard(domain))
        .or_else(|| quantised::find(domain, operator))
}

/// An array or a constant with its extents.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    source: Source,
    pub dims: Vec<usize>,
    pub element: i32,
}

#[derive(Debug, Clone)]
enum Source {
    Node(NodeId),
    Constant(Literal),
}

/// How a loop nest reads one of its operands.
pub(super) type Read<'a> = (&'a Operand, Access);

/// What a loop nest makes of what it reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recipe {
    pub combine: Combine,
    pub fold: Fold,
    pub finish: Function,
    /// The type of the result's elements.
    pub element: i32,
}

impl Recipe {
    /// The values as they are.
    pub const fn copy(element: i32) -> Self {
        Self { combine: Combine::Add, fold: Fold::Sum, finish: Function::IDENTITY, element }
    }
}

impl Operand {
    /// So many elements.
    pub fn len(&self) -> usize {
        elements(&self.dims).unwrap_or(usize::MAX)
    }

    /// The operand, if places in it can be computed with.
    fn bounded(self) -> Result<Self, Failure> {
        addressable(&self.dims)?;
        Ok(self)
    }

    /// The same elements with other extents.
    pub fn reshaped(&self, dims: Vec<usize>) -> Self {
        Self { dims, ..self.clone() }
    }

    /// The same values as elements of another type.
    pub fn typed(&self, element: i32) -> Self {
        let source = match &self.source {
            Source::Constant(literal) => Source::Constant(Literal { element, ..literal.clone() }),
            Source::Node(node) => Source::Node(*node),
        };
        Self { element, source, dims: self.dims.clone() }
    }

    /// As a value of the model.
    pub fn value(self) -> Value {
        match self.source {
            Source::Node(node) => Value::Array(Array { node, dims: self.dims, element: self.element }),
            Source::Constant(literal) => {
                Value::Constant(Literal { dims: self.dims, data: literal.data, element: self.element })
            }
        }
    }

    /// A constant of floats.
    pub fn floats(dims: Vec<usize>, values: Vec<f32>) -> Self {
        let literal = Literal::new(dims, Data::Float(values.into()));
        Self { dims: literal.dims.clone(), element: element::FLOAT, source: Source::Constant(literal) }
    }

    /// The constant.
    pub fn literal(&self) -> Option<&Literal> {
        match &self.source {
            Source::Constant(literal) => Some(literal),
            Source::Node(_) => None,
        }
    }

    /// What its elements stand for, when that is the same for all.
    pub fn stands_for(&self, importer: &Importer<'_>) -> Option<Quantisation> {
        let quantisation = match &self.source {
            Source::Node(id) => importer.graph.node(*id).numbers().quantisation.as_ref(),
            Source::Constant(literal) => importer.quantised.get(&literal.data.address()).map(|(_, known)| known),
        };
        let own = element::of_graph(self.element);
        quantisation.filter(|known| known.axis.is_none() && known.element == own).map(|known| known.as_ref().clone())
    }

    /// Says what its elements stand for, or what stood for them.
    pub fn declare(&self, importer: &mut Importer<'_>, quantisation: Option<Quantisation>) {
        let Some(quantisation) = quantisation.map(Arc::new) else { return };
        match &self.source {
            Source::Constant(literal) => {
                importer.quantised.insert(literal.data.address(), (literal.data.clone(), quantisation));
            }
            Source::Node(id) => {
                let element = element::of_graph(self.element);
                let numbers = Numbers { element, quantisation: Some(quantisation) };
                if numbers.fault(importer.graph.node(*id).shape()).is_none() {
                    importer.graph.declare(*id, numbers);
                }
            }
        }
    }

    /// Values of the constant.
    pub fn values(&self) -> Option<Vec<f64>> {
        self.literal().map(values)
    }
}

/// Whether places in a tensor of such extents can be computed with.
fn addressable(dims: &[usize]) -> Result<(), Failure> {
    let count = dims.iter().try_fold(1_usize, |count, extent| count.checked_mul((*extent).max(1)));
    match count {
        Some(..=MOST_ELEMENTS) => Ok(()),
        _ => Err(refuse("E-ONNX-LIMIT", format!("a tensor of shape {dims:?} has more than 2^32 elements"))),
    }
}

/// Values of a constant, as numbers.
fn values(literal: &Literal) -> Vec<f64> {
    match &literal.data {
        Data::Float(values) => values.iter().map(|value| f64::from(*value)).collect(),
        Data::Int(values) => values.iter().map(|value| *value as f64).collect(),
    }
}

/// An input of a node.
pub(super) fn operand<'m>(importer: &mut Importer<'m>, node: &Node<'m>, position: usize) -> Result<Operand, Failure> {
    let value = node.value(position)?.clone();
    of(importer, &value)
}

/// An input of a node that may be absent.
pub(super) fn optional<'m>(
    importer: &mut Importer<'m>,
    node: &Node<'m>,
    position: usize,
) -> Result<Option<Operand>, Failure> {
    node.optional(position).cloned().map(|value| of(importer, &value)).transpose()
}

/// A value as an operand.
pub(super) fn of(importer: &mut Importer<'_>, value: &Value) -> Result<Operand, Failure> {
    if let Value::Constant(literal) = value {
        let (dims, element) = (literal.dims.clone(), literal.element);
        return Operand { source: Source::Constant(literal.clone()), dims, element }.bounded();
    }
    let Array { node, dims, element } = array(importer, value)?;
    Operand { source: Source::Node(node), dims, element }.bounded()
}

/// A computed value as an array.
pub(super) fn array(importer: &mut Importer<'_>, value: &Value) -> Result<Array, Failure> {
    match value {
        Value::Array(array) => Ok(array.clone()),
        Value::Computed(view) => array_of(importer, view),
        Value::Constant(_) | Value::Text(_) | Value::Unknown => {
            Err(Failure::Unsupported("it reads a constant".to_owned()))
        }
    }
}

fn array_of(importer: &mut Importer<'_>, view: &View) -> Result<Array, Failure> {
    let shape = importer.shape(view).clone();
    let name = importer.graph.node(view.node).name.clone();
    let node = match importer.arrays.get(&view.node) {
        Some(node) => *node,
        None => {
            let node = importer.add(&format!("{name}.array"), Op::AsArray, &[view.node])?;
            importer.arrays.insert(view.node, node);
            // Back with the same extents, it is what it was.
            importer.maps.insert((node, shape.0.clone()), view.node);
            node
        }
    };
    let order: Vec<usize> = view.axes.concat();
    let (dims, element) = (view.dims.clone(), element::FLOAT);
    if order.is_sorted() {
        return Ok(Array { node, dims, element });
    }
    let from = strides(&shape.0);
    let pick = |list: &[usize]| -> Vec<usize> { order.iter().filter_map(|axis| list.get(*axis)).copied().collect() };
    let access = Access { start: 0, axes: pick(&from).into_iter().map(Move::step).collect(), fill: 0.0 };
    let whole = Operand { source: Source::Node(node), dims: shape.0.clone(), element };
    let moved =
        nest(importer, &format!("{name}.transpose"), pick(&shape.0), &[], &[(&whole, access)], Recipe::copy(element))?;
    array(importer, &moved.reshaped(dims).value())
}

/// An array as a map or a vector, for the operators on those.
pub(super) fn as_map(importer: &mut Importer<'_>, array: &Array) -> Result<Value, Failure> {
    let key = (array.node, array.dims.clone());
    if let Some(map) = importer.maps.get(&key) {
        return Ok(importer.whole(*map));
    }
    let node = exposed(importer, &importer.graph.node(array.node).name.clone(), array)?;
    let name = format!("{}.map", importer.graph.node(array.node).name);
    let map = importer.add(&name, Op::AsMap, &[node])?;
    importer.maps.insert(key, map);
    Ok(importer.whole(map))
}

/// A node of the graph that has just the extents of an array.
pub(super) fn exposed(importer: &mut Importer<'_>, name: &str, array: &Array) -> Result<NodeId, Failure> {
    if importer.graph.node(array.node).shape().0 == array.dims {
        return Ok(array.node);
    }
    let whole = Operand { source: Source::Node(array.node), dims: array.dims.clone(), element: array.element };
    let reads = [(&whole, Access::whole(&array.dims))];
    let copied =
        nest(importer, &format!("{name}.reshape"), array.dims.clone(), &[], &reads, Recipe::copy(array.element))?;
    match copied.source {
        Source::Node(id) => Ok(id),
        Source::Constant(literal) => constant(importer, name, &literal),
    }
}

/// A constant of the graph.
pub(super) fn constant(importer: &mut Importer<'_>, name: &str, literal: &Literal) -> Result<NodeId, Failure> {
    let values = match &literal.data {
        Data::Float(values) => values.clone(),
        Data::Int(values) => values.iter().map(|value| *value as f32).collect(),
    };
    let id = importer.constant(name, literal.dims.clone(), values)?;
    importer.declare_constant(id, element::of_graph(literal.element), literal.data.address());
    Ok(id)
}

/// A loop nest over one or two operands; of constants, its values.
pub(super) fn nest(
    importer: &mut Importer<'_>,
    name: &str,
    shape: Vec<usize>,
    reduced: &[usize],
    reads: &[Read],
    recipe: Recipe,
) -> Result<Operand, Failure> {
    let Recipe { combine, fold, finish, element } = recipe;
    let carried = match reads {
        // Elements of one tensor, moved or chosen.
        [(x, _)]
            if finish == Function::IDENTITY
                && element == x.element
                && (reduced.is_empty() || matches!(fold, Fold::Maximum | Fold::Minimum)) =>
        {
            x.stands_for(importer)
        }
        _ => None,
    };
    addressable(&shape)?;
    addressable(reduced)?;
    let accesses: Vec<Access> = reads.iter().map(|(_, access)| access.clone()).collect();
    let constants: Option<Vec<&Literal>> = reads.iter().map(|(operand, _)| operand.literal()).collect();
    let (dims, count) = (shape.clone(), elements(&shape));
    let nest = Nest { shape: Shape(shape), reduced: reduced.to_vec(), operands: accesses, combine, fold, finish };
    if let Some(constants) = constants {
        let count = importer.charge(count)?;
        importer.work(elements(reduced).and_then(|terms| terms.checked_mul(count)))?;
        let data = match (count, reduced.contains(&0)) {
            (0, _) => Vec::new(),
            (count, true) => vec![finish.apply(fold.start()); count],
            (_, false) => evaluated(nest, &constants)?,
        };
        let data = match element::is_whole(element) {
            true => Data::Int(data.into_iter().map(|value| value as i64).collect()),
            false => Data::Float(data.into_iter().map(|value| value as f32).collect()),
        };
        let literal = Literal { dims: dims.clone(), data, element };
        let result = Operand { source: Source::Constant(literal), dims, element };
        result.declare(importer, carried);
        return Ok(result);
    }
    if count == Some(0) || reduced.contains(&0) {
        return Err(Failure::Unsupported(format!("it makes an empty tensor, of shape {dims:?}")));
    }
    let mut operands = Vec::with_capacity(reads.len());
    for (position, (operand, _)) in reads.iter().enumerate() {
        operands.push(match &operand.source {
            Source::Node(node) => *node,
            Source::Constant(literal) if literal.len() == 0 => {
                return Err(Failure::Unsupported(format!("it reads an empty tensor, of shape {:?}", literal.dims)));
            }
            Source::Constant(literal) => constant(importer, &format!("{name}.constant{position}"), literal)?,
        });
    }
    let id = importer.add(name, Op::Nest(Box::new(nest)), &operands)?;
    importer.graph.declare(id, Numbers::of(element::of_graph(element)));
    let result = Operand { source: Source::Node(id), dims, element };
    result.declare(importer, carried);
    Ok(result)
}

fn evaluated(nest: Nest, constants: &[&Literal]) -> Result<Vec<f64>, Failure> {
    let shapes: Vec<Shape> = constants.iter().map(|literal| Shape(literal.dims.clone())).collect();
    let values: Vec<Vec<f64>> = constants.iter().map(|literal| values(literal)).collect();
    let operands: Vec<crate::ir::interpreter::Operand> =
        shapes.iter().zip(&values).map(|(shape, values)| crate::ir::interpreter::Operand { shape, values }).collect();
    crate::ir::interpreter::evaluate(&Op::Nest(Box::new(nest)), &operands)
        .map_err(|message| refuse("E-ONNX-SHAPE", message))
}

/// How the elements of a tensor are read where it is repeated to larger extents.
pub(super) fn repeated(dims: &[usize], to: &[usize]) -> Access {
    let own = strides(dims).into_iter().zip(dims).map(|(step, extent)| if *extent == 1 { 0 } else { step });
    let missing = std::iter::repeat_n(0, to.len().saturating_sub(dims.len()));
    Access { start: 0, axes: missing.chain(own).map(Move::step).collect(), fill: 0.0 }
}

/// A function of each element.
pub(super) fn unary(
    importer: &mut Importer<'_>,
    name: &str,
    x: &Operand,
    finish: Function,
    element: i32,
) -> Result<Operand, Failure> {
    let recipe = Recipe { finish, ..Recipe::copy(element) };
    nest(importer, name, x.dims.clone(), &[], &[(x, Access::whole(&x.dims))], recipe)
}

/// A function of two tensors element by element, each repeated to the extents of both.
pub(super) fn binary(
    importer: &mut Importer<'_>,
    name: &str,
    a: &Operand,
    b: &Operand,
    combine: Combine,
    element: i32,
) -> Result<Operand, Failure> {
    let dims = broadcast(&a.dims, &b.dims)?;
    let reads = [(a, repeated(&a.dims, &dims)), (b, repeated(&b.dims, &dims))];
    nest(importer, name, dims, &[], &reads, Recipe { combine, finish: overflow(element), ..Recipe::copy(element) })
}

/// As integers of few bits overflow. Wider ones are computed in f32, which holds whole numbers up to 2^24.
pub(super) fn overflow(element: i32) -> Function {
    let wrap = |low: f64, count: f64| Function::of(FunctionKind::Wrap, low, count);
    match element {
        element::UINT8 => wrap(0.0, 256.0),
        element::INT8 => wrap(-128.0, 256.0),
        element::UINT16 => wrap(0.0, 65536.0),
        element::INT16 => wrap(-32768.0, 65536.0),
        element::UINT4 => wrap(0.0, 16.0),
        element::INT4 => wrap(-8.0, 16.0),
        _ => Function::IDENTITY,
    }
}

/// The least and the greatest value of integers of few bits.
pub(super) fn range(element: i32) -> Option<[f64; 2]> {
    match element {
        element::UINT8 => Some([0.0, 255.0]),
        element::INT8 => Some([-128.0, 127.0]),
        element::UINT16 => Some([0.0, 65535.0]),
        element::INT16 => Some([-32768.0, 32767.0]),
        element::UINT4 => Some([0.0, 15.0]),
        element::INT4 => Some([-8.0, 7.0]),
        _ => None,
    }
}

/// The axes in another order.
pub(super) fn permuted(
    importer: &mut Importer<'_>,
    name: &str,
    x: &Operand,
    order: &[usize],
) -> Result<Operand, Failure> {
    let pick = |list: &[usize]| -> Vec<usize> { order.iter().filter_map(|axis| list.get(*axis)).copied().collect() };
    let access = Access { start: 0, axes: pick(&strides(&x.dims)).into_iter().map(Move::step).collect(), fill: 0.0 };
    nest(importer, name, pick(&x.dims), &[], &[(x, access)], Recipe::copy(x.element))
}

/// Which positions of an axis are taken, one after the other.
#[derive(Debug, Clone)]
pub(super) enum Taken {
    /// All, as they are.
    Whole,
    /// A run of them.
    Run(Run),
    /// These; where there is none, the fill.
    Listed(Vec<Option<usize>>),
}

/// For each axis, the positions that are taken.
pub(super) fn taken(
    importer: &mut Importer<'_>,
    name: &str,
    x: &Operand,
    positions: &[Taken],
    fill: f32,
) -> Result<Operand, Failure> {
    let (mut start, mut dims, mut axes) = (0, Vec::with_capacity(positions.len()), Vec::with_capacity(positions.len()));
    for ((taken, extent), step) in positions.iter().zip(&x.dims).zip(strides(&x.dims)) {
        let (first, count, axis) = match taken {
            Taken::Whole => (0, *extent, Move::step(step)),
            // From one position there is no way to go, however far it would be.
            Taken::Run(Run { start, count: count @ 0..=1, .. }) => (start * step, *count, Move::Even(0)),
            Taken::Run(run) => (run.start * step, run.count, Move::Even(run.step as isize * step as isize)),
            Taken::Listed(positions) => {
                let (first, axis) = moved(positions, step)?;
                (first, positions.len(), axis)
            }
        };
        start += first;
        dims.push(count);
        axes.push(axis);
    }
    nest(importer, name, dims, &[], &[(x, Access { start, axes, fill })], Recipe::copy(x.element))
}

/// How an axis moves that takes such positions, and where it starts.
pub(super) fn moved(positions: &[Option<usize>], step: usize) -> Result<(usize, Move), Failure> {
    let distance = |pair: &[Option<usize>]| match pair {
        [Some(one), Some(next)] => Some(*next as isize - *one as isize),
        _ => None,
    };
    let first = positions.first().copied().flatten();
    let even = distance(positions.get(..2).unwrap_or_default()).or(first.filter(|_| positions.len() == 1).map(|_| 0));
    if let (Some(first), Some(even)) = (first, even)
        && positions.windows(2).all(|pair| distance(pair) == Some(even))
    {
        return Ok((first * step, Move::Even(even * step as isize)));
    }
    let places: Option<Vec<i32>> = positions
        .iter()
        .map(|position| match position {
            None => Some(-1),
            Some(position) => position.checked_mul(step).and_then(|place| i32::try_from(place).ok()),
        })
        .collect();
    let too_large = || refuse("E-ONNX-LIMIT", "it rearranges a tensor of more than 2^31 elements");
    Ok((0, Move::Listed(places.ok_or_else(too_large)?)))
}

/// The part of a value that some runs take.
pub(super) fn cut(importer: &mut Importer<'_>, name: &str, value: &Value, runs: &[Run]) -> Outcome {
    let x = of(importer, value)?;
    let positions: Vec<Taken> = runs.iter().map(|run| Taken::Run(*run)).collect();
    Ok(taken(importer, name, &x, &positions, 0.0)?.value())
}

/// Folds some axes, which have an extent of 1 afterwards.
pub(super) fn reduced(
    importer: &mut Importer<'_>,
    name: &str,
    x: &Operand,
    axes: &[usize],
    fold: Fold,
    finish: Function,
    element: i32,
) -> Result<Operand, Failure> {
    let steps = strides(&x.dims);
    let kept: Vec<usize> =
        x.dims.iter().enumerate().map(|(axis, extent)| if axes.contains(&axis) { 1 } else { *extent }).collect();
    let pick = |list: &[usize]| -> Vec<usize> { axes.iter().filter_map(|axis| list.get(*axis)).copied().collect() };
    let (extents, inner) = (pick(&x.dims), pick(&steps));
    let access = Access { start: 0, axes: steps.into_iter().chain(inner).map(Move::step).collect(), fill: 0.0 };
    let recipe = Recipe { combine: Combine::Add, fold, finish, element };
    if extents.is_empty() {
        return unary(importer, name, x, finish, element);
    }
    nest(importer, name, kept, &extents, &[(x, access)], recipe)
}
