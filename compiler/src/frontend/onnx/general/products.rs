//! Products of matrices, and what Einstein's notation says.

use std::collections::{BTreeMap, BTreeSet};

use super::super::attributes::{Node, attribute};
use super::super::importer::{Failure, Importer, Outcome, refuse};
use super::super::literal::element;
use super::super::operators::Operator;
use super::{Operand, Recipe, binary, nest, operand, optional, unary};
use crate::ir::scalar::{Combine, Function, FunctionKind};
use crate::ir::{Access, Move, strides};

/// The function for an operator.
pub(super) fn find(operator: &str) -> Option<Operator> {
    Some(match operator {
        "MatMul" => mat_mul,
        "Gemm" => gemm,
        "Einsum" => einsum,
        _ => return None,
    })
}

/// Multiplies two tensors whose axes have labels: axes of one label go together, those that the result does not have are summed over.
/// An extent of 1 goes with any.
pub(super) fn contracted(
    importer: &mut Importer<'_>,
    name: &str,
    [a, b]: [(&Operand, &[usize]); 2],
    result: &[usize],
    element: i32,
) -> Result<Operand, Failure> {
    let mut extents: BTreeMap<usize, usize> = BTreeMap::new();
    for (operand, labels) in [a, b] {
        for (label, extent) in labels.iter().zip(&operand.dims) {
            let known = extents.entry(*label).or_insert(1);
            match (*known, *extent) {
                (1, extent) => *known = extent,
                (known, extent) if extent == known || extent == 1 => {}
                _ => {
                    let message = format!("it takes the shapes {:?} and {:?} together", a.0.dims, b.0.dims);
                    return Err(refuse("E-ONNX-SHAPE", message));
                }
            }
        }
    }
    let summed: Vec<usize> = extents.keys().copied().filter(|label| !result.contains(label)).collect();
    let pick = |labels: &[usize]| -> Vec<usize> {
        labels.iter().map(|label| extents.get(label).copied().unwrap_or(1)).collect()
    };
    let access = |(operand, labels): (&Operand, &[usize])| {
        let own = strides(&operand.dims);
        let step = |wanted: &usize| -> usize {
            let there = labels.iter().zip(&own).zip(&operand.dims);
            there.filter(|((label, _), extent)| *label == wanted && **extent != 1).map(|((_, step), _)| *step).sum()
        };
        Access {
            start: 0,
            axes: result.iter().chain(&summed).map(|label| Move::step(step(label))).collect(),
            fill: 0.0,
        }
    };
    let reads = [(a.0, access(a)), (b.0, access(b))];
    let recipe = Recipe { combine: Combine::Multiply, ..Recipe::copy(element) };
    nest(importer, name, pick(result), &pick(&summed), &reads, recipe)
}

fn mat_mul<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (a, b) = (operand(importer, node, 0)?, operand(importer, node, 1)?);
    let element = a.element;
    Ok(product(importer, &node.name, &a, &b, element)?.value())
}

/// The product of matrices, or of stacks of them; what has one axis is a row on the left and a column on the right.
pub(super) fn product(
    importer: &mut Importer<'_>,
    name: &str,
    a: &Operand,
    b: &Operand,
    element: i32,
) -> Result<Operand, Failure> {
    let wrong = || refuse("E-ONNX-SHAPE", format!("it multiplies {:?} by {:?}", a.dims, b.dims));
    let (inner_a, inner_b) = (a.dims.last(), b.dims.iter().rev().nth(usize::from(b.dims.len() > 1)));
    if inner_a.is_none() || inner_a != inner_b {
        return Err(wrong());
    }
    // Labels: 0 is the inner axis, 1 rows, 2 columns, from 3 on the axes of the stack, from the last.
    let stack = |operand: &Operand| (3..(operand.dims.len() + 1).max(3)).rev().collect::<Vec<usize>>();
    let of_a = if a.dims.len() == 1 { vec![0] } else { [stack(a), vec![1, 0]].concat() };
    let of_b = if b.dims.len() == 1 { vec![0] } else { [stack(b), vec![0, 2]].concat() };
    let longest = if a.dims.len() > b.dims.len() { stack(a) } else { stack(b) };
    let rows = of_a.iter().filter(|label| **label == 1);
    let columns = of_b.iter().filter(|label| **label == 2);
    let result: Vec<usize> = longest.iter().chain(rows).chain(columns).copied().collect();
    contracted(importer, name, [(a, &of_a), (b, &of_b)], &result, element)
}

/// The product of two matrices, each transposed if a node says so.
pub(super) fn of_matrices<'m>(
    importer: &mut Importer<'m>,
    node: &Node<'m>,
    a: &Operand,
    b: &Operand,
    element: i32,
) -> Result<Operand, Failure> {
    let labels = |transposed: bool, labels: [usize; 2]| {
        let [first, second] = labels;
        if transposed { [second, first] } else { labels }
    };
    if a.dims.len() != 2 || b.dims.len() != 2 {
        return Err(refuse("E-ONNX-SHAPE", format!("it multiplies {:?} by {:?}", a.dims, b.dims)));
    }
    let (of_a, of_b) = (labels(node.flag("transA", false)?, [0, 1]), labels(node.flag("transB", false)?, [1, 2]));
    contracted(importer, &format!("{}.product", node.name), [(a, &of_a), (b, &of_b)], &[0, 2], element)
}

/// Gemm: `alpha * A * B + beta * C`.
fn gemm<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (a, b, c) = (operand(importer, node, 0)?, operand(importer, node, 1)?, optional(importer, node, 2)?);
    let name = |part: &str| format!("{}.{part}", node.name);
    let element = a.element;
    let mut result = of_matrices(importer, node, &a, &b, element)?;
    let scaled = |importer: &mut Importer<'m>, part: &str, x: Operand, factor: f32| match factor {
        1.0 => Ok(x),
        _ => unary(importer, &name(part), &x, Function::of(FunctionKind::Affine, f64::from(factor), 0.0), element),
    };
    result = scaled(importer, "alpha", result, node.float("alpha", 1.0)?)?;
    if let Some(c) = c {
        let beta = node.float("beta", 1.0)?;
        let c = scaled(importer, "beta", c, beta)?;
        result = binary(importer, &node.name, &result, &c, Combine::Add, element)?;
    }
    Ok(result.value())
}

/// Einsum of one or two tensors.
fn einsum<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let equation: String = node.string("equation", "")?.chars().filter(|c| !c.is_whitespace()).collect();
    let wrong =
        || attribute("equation", &equation, "letters for the axes of one or two tensors, such as \"bij,bjk->bik\"");
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(right)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != node.inputs.len() || terms.is_empty() || terms.len() > 2 {
        return Err(wrong());
    }
    let operands: Vec<Operand> =
        (0..terms.len()).map(|position| operand(importer, node, position)).collect::<Result<_, _>>()?;
    // An ellipsis stands for axes that are labelled from the last one on.
    const ELLIPSIS: usize = 1 << 24;
    let read = |term: &str, rank: Option<usize>| -> Result<Vec<usize>, Failure> {
        let (before, after) = match term.split_once("...") {
            Some((before, after)) => (before, Some(after)),
            None => (term, None),
        };
        let letters = |part: &str| -> Result<Vec<usize>, Failure> {
            part.chars().map(|c| if c.is_ascii_alphabetic() { Ok(c as usize) } else { Err(wrong()) }).collect()
        };
        let (mut labels, behind) = (letters(before)?, letters(after.unwrap_or_default())?);
        if after.is_some() {
            let hidden = rank.unwrap_or(0).checked_sub(labels.len() + behind.len()).ok_or_else(wrong)?;
            labels.extend((0..hidden).rev().map(|axis| ELLIPSIS + axis));
        }
        labels.extend(behind);
        Ok(labels)
    };
    let labels: Vec<Vec<usize>> = terms
        .iter()
        .zip(&operands)
        .map(|(term, operand)| read(term, Some(operand.dims.len())))
        .collect::<Result<_, _>>()?;
    if labels.iter().zip(&operands).any(|(labels, operand)| labels.len() != operand.dims.len()) {
        return Err(wrong());
    }
    let hidden: BTreeSet<usize> = labels.iter().flatten().copied().filter(|label| *label >= ELLIPSIS).collect();
    let result: Vec<usize> = match right {
        Some(right) => {
            let written = right.replace("...", "").chars().count();
            let rank = written + if right.contains("...") { hidden.len() } else { 0 };
            read(right, Some(rank))?
        }
        None => {
            let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
            labels.iter().flatten().for_each(|label| *counts.entry(*label).or_default() += 1);
            let once = counts.into_iter().filter(|(label, count)| *count == 1 && *label < ELLIPSIS);
            hidden.iter().rev().copied().chain(once.map(|(label, _)| label)).collect()
        }
    };
    if result.iter().any(|label| !labels.iter().flatten().any(|known| known == label)) {
        return Err(wrong());
    }
    let one = Operand::floats(Vec::new(), vec![1.0]);
    let [a, b] = match (operands.as_slice(), labels.as_slice()) {
        ([a], [of_a]) => [(a, of_a.as_slice()), (&one, &[] as &[usize])],
        ([a, b], [of_a, of_b]) => [(a, of_a.as_slice()), (b, of_b.as_slice())],
        _ => return Err(wrong()),
    };
    let element = if a.0.element == element::FLOAT { element::FLOAT } else { a.0.element };
    Ok(contracted(importer, &node.name, [a, b], &result, element)?.value())
}
