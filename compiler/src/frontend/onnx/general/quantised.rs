//! Operators on quantised values, computed as the standard defines them: whole numbers are kept as f32, which holds them up to 2^24, and
//! their sums of products are made in f64, which holds them up to 2^53. So the integers are exact.

use super::super::attributes::{Node, axis};
use super::super::fold::broadcast;
use super::super::importer::{Failure, Importer, Outcome, refuse};
use super::super::literal::element::{FLOAT, INT8, INT32, UINT8, float8, is_whole, of_graph};
use super::super::literal::type_name;
use super::super::model::standard;
use super::super::operators::Operator;
use super::moves::joined;
use super::products::{of_matrices, product};
use super::reduce::soft;
use super::window::{averages, convolution};
use super::{Operand, Recipe, binary, nest, operand, optional, permuted, range, reduced, repeated, unary};
use crate::ir::Quantisation;
use crate::ir::scalar::{Combine, Fold, Function, FunctionKind};

/// The function for an operator of the standard, or of ONNX Runtime's own domain.
pub(super) fn find(domain: &str, operator: &str) -> Option<Operator> {
    let ours: Option<Operator> = Some(match operator {
        "QuantizeLinear" => quantize,
        "DequantizeLinear" => dequantize,
        _ if domain == "com.microsoft" => match operator {
            "QLinearAdd" => |importer, node| pair(importer, node, Combine::Add),
            "QLinearMul" => |importer, node| pair(importer, node, Combine::Multiply),
            "QLinearSigmoid" => |importer, node| one(importer, node, Function::plain(FunctionKind::Sigmoid)),
            "QLinearLeakyRelu" => |importer, node| {
                let slope = f64::from(node.float("alpha", 0.01)?);
                one(importer, node, Function::of(FunctionKind::LeakyRelu, slope, 0.0))
            },
            "QLinearAveragePool" => average,
            "QLinearGlobalAveragePool" => global_average,
            "QLinearConcat" => concat,
            "QGemm" => gemm,
            "QLinearSoftmax" => softmax,
            _ => return None,
        },
        "QLinearConv" => conv,
        "QLinearMatMul" => mat_mul,
        "ConvInteger" => conv_integer,
        "MatMulInteger" => mat_mul_integer,
        "DynamicQuantizeLinear" => dynamic,
        _ => return None,
    });
    ours.filter(|_| standard(domain) || domain == "com.microsoft")
}

/// A scale or zero point in the shape that goes with a tensor: one number, one for each position of an axis, or one for each block of
/// positions of it.
fn placed(
    importer: &mut Importer<'_>,
    name: &str,
    vector: Operand,
    dims: &[usize],
    along: Option<usize>,
    block: usize,
) -> Result<Operand, Failure> {
    if vector.len() == 1 {
        return Ok(vector.reshaped(Vec::new()));
    }
    let wrong =
        || refuse("E-ONNX-SHAPE", format!("a scale or zero point of shape {:?} belongs to {dims:?}", vector.dims));
    let along = along.ok_or_else(wrong)?;
    let extent = dims.get(along).copied().ok_or_else(wrong)?;
    if vector.dims == [extent] {
        let shape = (0..dims.len()).map(|axis| if axis == along { extent } else { 1 }).collect();
        return Ok(vector.reshaped(shape));
    }
    let blocks =
        vector.dims.get(along).copied().filter(|_| vector.dims.len() == dims.len() && block > 0).ok_or_else(wrong)?;
    if blocks.checked_mul(block).is_none_or(|most| most < extent || most - extent >= block) {
        return Err(wrong());
    }
    let mut positions = vec![super::Taken::Whole; vector.dims.len()];
    if let Some(slot) = positions.get_mut(along) {
        *slot = super::Taken::Listed((0..extent).map(|index| Some(index / block)).collect());
    }
    super::taken(importer, name, &vector, &positions, 0.0)
}

/// What a tensor is quantised to.
struct Target {
    scale: Operand,
    zero: Option<Operand>,
    element: i32,
    /// Whether what is beyond the largest floating-point number of 8 bits becomes that one. Integers always do.
    saturate: bool,
}

/// `saturate(round(x / scale) + zero_point)`; of two nearest numbers the even one.
fn quantized(importer: &mut Importer<'_>, name: &str, x: &Operand, to: &Target) -> Result<Operand, Failure> {
    // The quotient is rounded to f32 before it is rounded to a whole number, as the standard has it.
    let ratio = single(importer, &format!("{name}.ratio"), x, &to.scale, Combine::Divide)?;
    let (rounded, last) = match (range(to.element), float8(to.element)) {
        (Some([low, high]), _) => {
            let round = Function::plain(FunctionKind::Round);
            let whole = unary(importer, &format!("{name}.round"), &ratio, round, FLOAT)?;
            (whole, Function::of(FunctionKind::Clip, low, high))
        }
        (None, Some((_, kind))) => (ratio, Function::of(kind, f64::from(u8::from(to.saturate)), 0.0)),
        (None, None) => {
            let message = format!("it quantises to {}", type_name(to.element));
            return Err(refuse("E-ONNX-TYPE", message));
        }
    };
    let moved = match &to.zero {
        Some(zero) => binary(importer, &format!("{name}.zero"), &rounded, &zero.typed(FLOAT), Combine::Add, FLOAT)?,
        None => rounded,
    };
    let result = unary(importer, &format!("{name}.saturate"), &moved, last, to.element)?;
    let known = quantisation(to.element, &to.scale, to.zero.as_ref(), &result.dims);
    result.declare(importer, known);
    Ok(result)
}

/// What elements of a type stand for, if its scales and zero points are constants, one for all or one for each position of an axis.
fn quantisation(element: i32, scale: &Operand, zero: Option<&Operand>, dims: &[usize]) -> Option<Quantisation> {
    let single = |value: f64| value as f32;
    let scales: Vec<f32> = scale.values()?.into_iter().map(single).collect();
    let axis = match scales.len() {
        1 => None,
        _ => Some(
            scale.dims.iter().position(|extent| *extent == scales.len()).filter(|_| scale.dims.len() == dims.len())?,
        ),
    };
    let zeros: Vec<f32> = zero.map_or(Some(Vec::new()), Operand::values)?.into_iter().map(single).collect();
    let zero_point = match zeros.as_slice() {
        zeros if zeros.iter().all(|zero| *zero == 0.0) => Vec::new(),
        &[zero] => vec![zero; scales.len()],
        zeros if zeros.len() == scales.len() => zeros.to_vec(),
        _ => return None,
    };
    Some(Quantisation { element: of_graph(element), scale: scales, zero_point, axis })
}

/// `(x - zero_point) * scale`
fn dequantized(
    importer: &mut Importer<'_>,
    name: &str,
    x: &Operand,
    scale: &Operand,
    zero: Option<&Operand>,
) -> Result<Operand, Failure> {
    let apart = difference(importer, &format!("{name}.apart"), x, zero)?;
    let result = single(importer, &format!("{name}.scaled"), &apart.typed(FLOAT), scale, Combine::Multiply)?;
    if result.literal().is_some() {
        result.declare(importer, quantisation(x.element, scale, zero, &result.dims));
    }
    Ok(result)
}

/// A function of two tensors, rounded to f32: what is rounded to whole numbers later hangs on that.
fn single(
    importer: &mut Importer<'_>,
    name: &str,
    a: &Operand,
    b: &Operand,
    combine: Combine,
) -> Result<Operand, Failure> {
    let dims = broadcast(&a.dims, &b.dims)?;
    let reads = [(a, repeated(&a.dims, &dims)), (b, repeated(&b.dims, &dims))];
    let recipe = Recipe { combine, finish: Function::plain(FunctionKind::Single), ..Recipe::copy(FLOAT) };
    nest(importer, name, dims, &[], &reads, recipe)
}

/// `x - zero_point`; of integers, as whole numbers of enough bits.
fn difference(
    importer: &mut Importer<'_>,
    name: &str,
    x: &Operand,
    zero: Option<&Operand>,
) -> Result<Operand, Failure> {
    let wide = if is_whole(x.element) { INT32 } else { FLOAT };
    let nothing = |zero: &&Operand| zero.values().is_some_and(|zeros| zeros.iter().all(|zero| *zero == 0.0));
    match zero.filter(|zero| !nothing(zero)) {
        Some(zero) => binary(importer, name, x, &zero.typed(wide), Combine::Subtract, wide),
        None => Ok(x.typed(if x.literal().is_some() { x.element } else { wide })),
    }
}

fn quantize<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (x, scale, zero) = (operand(importer, node, 0)?, operand(importer, node, 1)?, optional(importer, node, 2)?);
    let asked = i32::try_from(node.int("output_dtype", 0)?).unwrap_or(0);
    let element = match (&zero, asked) {
        (Some(zero), _) => zero.element,
        (None, 0) => UINT8,
        (None, asked) => asked,
    };
    let along = if x.dims.is_empty() { None } else { Some(axis(node.int("axis", 1)?, x.dims.len().max(2))?) };
    let block = usize::try_from(node.int("block_size", 0)?).unwrap_or(0);
    let name = |part: &str| format!("{}.{part}", node.name);
    let scale = placed(importer, &name("scales"), scale, &x.dims, along, block)?;
    let zero = zero.map(|zero| placed(importer, &name("zeros"), zero, &x.dims, along, block)).transpose()?;
    let saturate = node.flag("saturate", true)?;
    Ok(quantized(importer, &node.name, &x, &Target { scale, zero, element, saturate })?.value())
}

fn dequantize<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (x, scale, zero) = (operand(importer, node, 0)?, operand(importer, node, 1)?, optional(importer, node, 2)?);
    let along = if x.dims.is_empty() { None } else { Some(axis(node.int("axis", 1)?, x.dims.len().max(2))?) };
    let block = usize::try_from(node.int("block_size", 0)?).unwrap_or(0);
    let name = |part: &str| format!("{}.{part}", node.name);
    let scale = placed(importer, &name("scales"), scale, &x.dims, along, block)?;
    let zero = zero.map(|zero| placed(importer, &name("zeros"), zero, &x.dims, along, block)).transpose()?;
    Ok(dequantized(importer, &node.name, &x, &scale, zero.as_ref())?.value())
}

/// An operand with its scale and its zero point: three inputs of a node, from one on.
fn triple<'m>(
    importer: &mut Importer<'m>,
    node: &Node<'m>,
    from: usize,
) -> Result<(Operand, Operand, Option<Operand>), Failure> {
    Ok((operand(importer, node, from)?, operand(importer, node, from + 1)?, optional(importer, node, from + 2)?))
}

/// The scale and the zero point of a result, and the type that the latter gives it.
fn target<'m>(importer: &mut Importer<'m>, node: &Node<'m>, from: usize, otherwise: i32) -> Result<Target, Failure> {
    let (scale, zero) = (operand(importer, node, from)?, optional(importer, node, from + 1)?);
    let element = zero.as_ref().map_or(otherwise, |zero| zero.element);
    let one = |value: Operand| match value.len() {
        1 => Ok(value.reshaped(Vec::new())),
        _ => Err(Failure::Unsupported("its result has several scales".to_owned())),
    };
    Ok(Target { scale: one(scale)?, zero: zero.map(one).transpose()?, element, saturate: true })
}

/// The sum of products as whole numbers, times the scales of both; over that of the result, rounded and shifted, if that is quantised.
fn requantized<'m>(
    importer: &mut Importer<'m>,
    node: &Node<'m>,
    sums: &Operand,
    [a, b]: [&Operand; 2],
    to: Option<Target>,
) -> Outcome {
    let name = |part: &str| format!("{}.{part}", node.name);
    let both = single(importer, &name("scales"), a, b, Combine::Multiply)?;
    let factor = match &to {
        Some(to) => single(importer, &name("factor"), &both, &to.scale, Combine::Divide)?,
        None => both,
    };
    // The sum becomes f32 before it is scaled.
    let sums = unary(importer, &name("sums"), &sums.typed(FLOAT), Function::plain(FunctionKind::Single), FLOAT)?;
    let scaled = single(importer, &name("scaled"), &sums, &factor, Combine::Multiply)?;
    let Some(Target { scale, zero, element, saturate }) = to else { return Ok(scaled.value()) };
    let one = Operand::floats(Vec::new(), vec![1.0]);
    let result =
        quantized(importer, &node.name, &scaled, &Target { scale: one, zero: zero.clone(), element, saturate })?;
    // The scale was divided by above.
    let known = quantisation(element, &scale, zero.as_ref(), &result.dims);
    result.declare(importer, known);
    Ok(result.value())
}

/// A vector with a number for each output channel of a kernel, or a single number, beside a tensor of so many axes.
fn of_outputs(vector: Operand, outputs: usize, rank: usize, at: usize) -> Result<Operand, Failure> {
    match vector.len() {
        1 => Ok(vector.reshaped(Vec::new())),
        count if count == outputs => {
            Ok(vector.reshaped((0..rank).map(|axis| if axis == at { outputs } else { 1 }).collect()))
        }
        _ => Err(refuse("E-ONNX-SHAPE", format!("a vector of shape {:?} belongs to {outputs} outputs", vector.dims))),
    }
}

fn conv<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (x, x_scale, x_zero) = triple(importer, node, 0)?;
    let (kernel, k_scale, k_zero) = triple(importer, node, 3)?;
    let target = target(importer, node, 6, x.element)?;
    let bias = optional(importer, node, 8)?;
    let (outputs, rank) = (kernel.dims.first().copied().unwrap_or(1), x.dims.len());
    let name = |part: &str| format!("{}.{part}", node.name);
    let x = difference(importer, &name("input"), &x, x_zero.map(|zero| zero.reshaped(Vec::new())).as_ref())?;
    let k_zero = k_zero.map(|zero| of_outputs(zero, outputs, rank, 0)).transpose()?;
    let k_scales = of_outputs(k_scale.clone(), outputs, rank, 0)?;
    weights(importer, &kernel, &k_scales, k_zero.as_ref());
    let kernel = difference(importer, &name("kernel"), &kernel, k_zero.as_ref())?;
    let mut sums = convolution(importer, node, &x, &kernel, INT32)?;
    if let Some(bias) = bias {
        let both = single(importer, &name("bias_scale"), &x_scale.reshaped(Vec::new()), &k_scale, Combine::Multiply)?;
        weights(importer, &bias, &both, None);
        let bias = of_outputs(bias, outputs, rank, 1)?;
        sums = binary(importer, &name("bias"), &sums, &bias, Combine::Add, INT32)?;
    }
    let k_scale = of_outputs(k_scale, outputs, rank, 1)?;
    requantized(importer, node, &sums, [&x_scale.reshaped(Vec::new()), &k_scale], Some(target))
}

/// Says what constant weights stand for.
fn weights(importer: &mut Importer<'_>, kernel: &Operand, scale: &Operand, zero: Option<&Operand>) {
    if kernel.literal().is_some() {
        kernel.declare(importer, quantisation(kernel.element, scale, zero, &kernel.dims));
    }
}

fn conv_integer<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (x, kernel) = (operand(importer, node, 0)?, operand(importer, node, 1)?);
    let (x_zero, k_zero) = (optional(importer, node, 2)?, optional(importer, node, 3)?);
    let name = |part: &str| format!("{}.{part}", node.name);
    let x = difference(importer, &name("input"), &x, x_zero.map(|zero| zero.reshaped(Vec::new())).as_ref())?;
    let (outputs, rank) = (kernel.dims.first().copied().unwrap_or(1), kernel.dims.len());
    let k_zero = k_zero.map(|zero| of_outputs(zero, outputs, rank, 0)).transpose()?;
    let kernel = difference(importer, &name("kernel"), &kernel, k_zero.as_ref())?;
    Ok(convolution(importer, node, &x, &kernel, INT32)?.value())
}

/// The zero points of a matrix's rows or columns, or of all of it.
fn beside(vector: Option<Operand>, rows: bool) -> Option<Operand> {
    vector.map(|vector| match (vector.dims.len(), vector.len()) {
        (_, 1) => vector.reshaped(Vec::new()),
        (1, count) if rows => vector.reshaped(vec![count, 1]),
        _ => vector,
    })
}

fn mat_mul<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (a, a_scale, a_zero) = triple(importer, node, 0)?;
    let (b, b_scale, b_zero) = triple(importer, node, 3)?;
    let target = target(importer, node, 6, a.element)?;
    let name = |part: &str| format!("{}.{part}", node.name);
    let a = difference(importer, &name("left"), &a, beside(a_zero, true).as_ref())?;
    let b_zero = beside(b_zero, false);
    if b_scale.len() == 1 {
        weights(importer, &b, &b_scale.reshaped(Vec::new()), b_zero.as_ref());
    }
    let b = difference(importer, &name("right"), &b, b_zero.as_ref())?;
    let sums = product(importer, &name("product"), &a, &b, INT32)?;
    let scales = [beside(Some(a_scale), true), beside(Some(b_scale), false)];
    let [Some(a_scale), Some(b_scale)] = scales else { return Err(refuse("E-ONNX-TYPE", "it lacks its scales")) };
    requantized(importer, node, &sums, [&a_scale, &b_scale], Some(target))
}

/// QGemm: a product of matrices and a vector of int32, whose scale is `alpha` times those of both.
fn gemm<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (a, a_scale, a_zero) = triple(importer, node, 0)?;
    let (b, b_scale, b_zero) = triple(importer, node, 3)?;
    let bias = optional(importer, node, 6)?;
    let target = if node.optional(7).is_some() { Some(target(importer, node, 7, a.element)?) } else { None };
    let name = |part: &str| format!("{}.{part}", node.name);
    let a = difference(importer, &name("left"), &a, a_zero.map(|zero| zero.reshaped(Vec::new())).as_ref())?;
    // A number for each column of what is multiplied, which is a row where that is transposed.
    let transposed = node.flag("transB", false)?;
    let b_zero = beside(b_zero, transposed);
    let columns = if transposed { vec![b_scale.len(), 1] } else { vec![1, b_scale.len()] };
    weights(importer, &b, &b_scale.reshaped(columns), b_zero.as_ref());
    let b = difference(importer, &name("right"), &b, b_zero.as_ref())?;
    let mut sums = of_matrices(importer, node, &a, &b, INT32)?;
    let a_scale = match node.float("alpha", 1.0)? {
        1.0 => a_scale.reshaped(Vec::new()),
        alpha => {
            let alpha = Operand::floats(Vec::new(), vec![alpha]);
            single(importer, &name("alpha"), &a_scale.reshaped(Vec::new()), &alpha, Combine::Multiply)?
        }
    };
    let b_scale = if b_scale.len() == 1 { b_scale.reshaped(Vec::new()) } else { b_scale };
    if let Some(bias) = bias {
        let both = single(importer, &name("bias_scale"), &a_scale, &b_scale, Combine::Multiply)?;
        weights(importer, &bias, &both, None);
        sums = binary(importer, &name("bias"), &sums, &bias, Combine::Add, INT32)?;
    }
    requantized(importer, node, &sums, [&a_scale, &b_scale], target)
}

fn mat_mul_integer<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (a, b) = (operand(importer, node, 0)?, operand(importer, node, 1)?);
    let (a_zero, b_zero) = (optional(importer, node, 2)?, optional(importer, node, 3)?);
    let name = |part: &str| format!("{}.{part}", node.name);
    let a = difference(importer, &name("left"), &a, beside(a_zero, true).as_ref())?;
    let b = difference(importer, &name("right"), &b, beside(b_zero, false).as_ref())?;
    Ok(product(importer, &node.name, &a, &b, INT32)?.value())
}

/// DynamicQuantizeLinear: to uint8, by the range of the values, which has 0 in it.
fn dynamic<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = operand(importer, node, 0)?;
    let name = |part: &str| format!("{}.{part}", node.name);
    let axes: Vec<usize> = (0..x.dims.len()).collect();
    let clip = |low: f64, high: f64| Function::of(FunctionKind::Clip, low, high);
    let most = reduced(importer, &name("most"), &x, &axes, Fold::Maximum, clip(0.0, f64::INFINITY), FLOAT)?;
    let least = reduced(importer, &name("least"), &x, &axes, Fold::Minimum, clip(f64::NEG_INFINITY, 0.0), FLOAT)?;
    let (most, least) = (most.reshaped(Vec::new()), least.reshaped(Vec::new()));
    let range = single(importer, &name("range"), &most, &least, Combine::Subtract)?;
    let steps = Operand::floats(Vec::new(), vec![255.0]);
    let scale = single(importer, &name("scale"), &range, &steps, Combine::Divide)?;
    let ratio = single(importer, &name("ratio"), &least, &scale, Combine::Divide)?;
    let negated = unary(importer, &name("negated"), &ratio, Function::of(FunctionKind::Affine, -1.0, 0.0), FLOAT)?;
    let clipped = unary(importer, &name("clipped"), &negated, clip(0.0, 255.0), FLOAT)?;
    let zero = unary(importer, &name("zero"), &clipped, Function::plain(FunctionKind::Round), UINT8)?;
    let to = Target { scale: scale.clone(), zero: Some(zero.clone()), element: UINT8, saturate: true };
    let result = quantized(importer, &node.name, &x, &to)?;
    for (position, value) in [(1, scale), (2, zero)] {
        if let Some(output) = node.proto.output.get(position).filter(|output| !output.is_empty()) {
            importer.define(output, value.value());
        }
    }
    Ok(result.value())
}

/// A sum or product of quantised tensors.
fn pair<'m>(importer: &mut Importer<'m>, node: &Node<'m>, combine: Combine) -> Outcome {
    let (a, a_scale, a_zero) = triple(importer, node, 0)?;
    let (b, b_scale, b_zero) = triple(importer, node, 3)?;
    let to = target(importer, node, 6, a.element)?;
    let name = |part: &str| format!("{}.{part}", node.name);
    let a = dequantized(importer, &name("a"), &a, &a_scale, a_zero.as_ref())?;
    let b = dequantized(importer, &name("b"), &b, &b_scale, b_zero.as_ref())?;
    let result = binary(importer, &name("result"), &a, &b, combine, FLOAT)?;
    Ok(quantized(importer, &node.name, &result, &to)?.value())
}

/// A function of a quantised tensor.
fn one<'m>(importer: &mut Importer<'m>, node: &Node<'m>, function: Function) -> Outcome {
    let (x, x_scale, x_zero) = triple(importer, node, 0)?;
    let to = target(importer, node, 3, x.element)?;
    let x = dequantized(importer, &format!("{}.x", node.name), &x, &x_scale, x_zero.as_ref())?;
    let result = unary(importer, &format!("{}.result", node.name), &x, function, FLOAT)?;
    Ok(quantized(importer, &node.name, &result, &to)?.value())
}

fn average<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (x, x_scale, x_zero) = triple(importer, node, 0)?;
    let to = target(importer, node, 3, x.element)?;
    let name = |part: &str| format!("{}.{part}", node.name);
    let x = dequantized(importer, &name("x"), &x, &x_scale, x_zero.as_ref())?;
    let rank = x.dims.len();
    let last = node.flag("channels_last", false)? && rank > 2;
    let first = if last { [&[0, rank - 1][..], &(1..rank - 1).collect::<Vec<_>>()].concat() } else { Vec::new() };
    let x = if last { permuted(importer, &name("channels_first"), &x, &first)? } else { x };
    let mut result = averages(importer, node, &name("mean"), &x)?;
    if last {
        let back: Vec<usize> = [&[0][..], &(2..rank).collect::<Vec<_>>(), &[1]].concat();
        result = permuted(importer, &name("channels_last"), &result, &back)?;
    }
    Ok(quantized(importer, &node.name, &result, &to)?.value())
}

/// QLinearConcat: the scale and the zero point of the result, then three inputs for each part.
fn concat<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let to = target(importer, node, 0, UINT8)?;
    let mut parts = Vec::with_capacity(node.inputs.len() / 3);
    for position in (2..node.inputs.len()).step_by(3) {
        let (x, scale, zero) = triple(importer, node, position)?;
        parts.push(dequantized(importer, &format!("{}.part{}", node.name, parts.len()), &x, &scale, zero.as_ref())?);
    }
    let whole = joined(importer, &format!("{}.joined", node.name), &parts, node.int("axis", 1)?)?;
    Ok(quantized(importer, &node.name, &whole, &to)?.value())
}

fn global_average<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (x, x_scale, x_zero) = triple(importer, node, 0)?;
    let to = target(importer, node, 3, x.element)?;
    let x = dequantized(importer, &format!("{}.x", node.name), &x, &x_scale, x_zero.as_ref())?;
    let rank = x.dims.len();
    let axes: Vec<usize> =
        if node.flag("channels_last", false)? { (1..rank.saturating_sub(1)).collect() } else { (2..rank).collect() };
    let count: usize = axes.iter().filter_map(|axis| x.dims.get(*axis)).product();
    let share = Function::of(FunctionKind::Affine, 1.0 / count.max(1) as f64, 0.0);
    let result = reduced(importer, &format!("{}.mean", node.name), &x, &axes, Fold::Sum, share, FLOAT)?;
    Ok(quantized(importer, &node.name, &result, &to)?.value())
}

fn softmax<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let (x, x_scale, x_zero) = triple(importer, node, 0)?;
    let to = target(importer, node, 3, if x.element == INT8 { INT8 } else { UINT8 })?;
    let x = dequantized(importer, &format!("{}.x", node.name), &x, &x_scale, x_zero.as_ref())?;
    let old = node.int("opset", 13)? < 13;
    let first = axis(node.int("axis", -1)?, x.dims.len())?;
    let axes: Vec<usize> = if old { (first..x.dims.len()).collect() } else { vec![first] };
    let result = soft(importer, &format!("{}.softmax", node.name), &x, &axes, false)?;
    Ok(quantized(importer, &node.name, &result, &to)?.value())
}
