//! Conv, and the padding rules that it shares with pooling.

use super::attributes::{Node, attribute, pair};
use super::importer::{Failure, Importer, Outcome, refuse};
use crate::Diagnostic;
use crate::ir::{Conv, NodeId, Op, Padding};

/// Conv.
pub(super) fn conv<'m>(importer: &mut Importer<'m>, node: &Node<'m>) -> Outcome {
    let x = importer.map(node.view(0)?)?;
    let weights = node.literal(1)?;
    let &[out, _, height, width] = weights.dims.as_slice() else {
        let reason =
            format!("its weights have the shape {:?}, not that of a convolution over height and width", weights.dims);
        return Err(Failure::Unsupported(reason));
    };
    let kernel = pair("kernel_shape", node.ints("kernel_shape")?, [height, width])?;
    if kernel != [height, width] {
        let message = format!("its kernel_shape is {kernel:?}, its weights have the shape {:?}", weights.dims);
        return Err(refuse("E-ONNX-SHAPE", message));
    }
    let stride = pair("strides", node.ints("strides")?, [1, 1])?;
    let dilation = pair("dilations", node.ints("dilations")?, [1, 1])?;
    let groups = node.int("group", 1)?;
    let groups = usize::try_from(groups).map_err(|_| attribute("group", groups, "1 or more"))?;
    let padding = padding(importer, node, x, kernel, stride, dilation)?;

    let values = floats(node, 1)?;
    let dims = weights.dims.clone();
    let mut operands = vec![x, importer.constant(&importer.input_name(node, 1, "kernel"), dims, values)?];
    let bias = node.optional_literal(2)?;
    if let Some(bias) = bias {
        if bias.dims != [out] {
            return Err(wrong_bias(&bias.dims, out));
        }
        operands.push(importer.constant(&importer.input_name(node, 2, "bias"), vec![out], floats(node, 2)?)?);
    }
    let conv = Conv {
        kernel,
        stride,
        padding,
        dilation,
        groups,
        bias: bias.is_some(),
        shortcut: false,
        activation: None,
        second: None,
    };
    let id = importer.add(&node.name, Op::Conv(conv), &operands)?;
    Ok(importer.whole(id))
}

/// The floating-point values of a constant input.
pub(super) fn floats(node: &Node<'_>, position: usize) -> Result<std::sync::Arc<[f32]>, Failure> {
    let values = node.literal(position)?.as_floats();
    values.cloned().ok_or_else(|| {
        refuse("E-ONNX-TYPE", format!("its input {position} has integers, floating-point values are due"))
    })
}

/// A bias of the wrong length.
pub(super) fn wrong_bias(found: &[usize], channels: usize) -> Failure {
    let message = format!("its bias has the shape {found:?}");
    Failure::Refused(Box::new(
        Diagnostic::error("E-ONNX-BIAS", message).expected(format!("[{channels}], one value per output channel")),
    ))
}

/// The padding of a window: given, or by the rule of `auto_pad`.
pub(super) fn padding(
    importer: &Importer<'_>,
    node: &Node<'_>,
    x: NodeId,
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
) -> Result<Padding, Failure> {
    let rule = node.string("auto_pad", "NOTSET")?;
    let upper = match rule.as_str() {
        "NOTSET" | "" => return explicit(node),
        "VALID" => return Ok(Padding::default()),
        "SAME_UPPER" => true,
        "SAME_LOWER" => false,
        other => return Err(attribute("auto_pad", other, "NOTSET, VALID, SAME_UPPER or SAME_LOWER")),
    };
    let [_, _, height, width] = importer.graph.node(x).shape().map().unwrap_or_default();
    let [top, bottom] = same(height, kernel[0], stride[0], dilation[0], upper)
        .ok_or_else(|| attribute("strides", stride, "positive numbers"))?;
    let [left, right] = same(width, kernel[1], stride[1], dilation[1], upper)
        .ok_or_else(|| attribute("strides", stride, "positive numbers"))?;
    Ok(Padding { top, left, bottom, right })
}

/// Padding before and after, such that there are `input / stride` windows, rounded up. `None` when a number is 0 or too large.
fn same(input: usize, kernel: usize, stride: usize, dilation: usize, upper: bool) -> Option<[usize; 2]> {
    let extent = kernel.checked_sub(1)?.checked_mul(dilation)?.checked_add(1)?;
    let windows = input.checked_add(stride.checked_sub(1)?)?.checked_div(stride)?;
    let total = windows.checked_sub(1)?.checked_mul(stride)?.checked_add(extent)?.saturating_sub(input);
    let (less, more) = (total / 2, total - total / 2);
    Some(if upper { [less, more] } else { [more, less] })
}

fn explicit(node: &Node<'_>) -> Result<Padding, Failure> {
    let Some(pads) = node.ints("pads")? else { return Ok(Padding::default()) };
    let converted: Option<Vec<usize>> = pads.iter().map(|pad| usize::try_from(*pad).ok()).collect();
    match converted.as_deref() {
        Some(&[top, left, bottom, right]) => Ok(Padding { top, left, bottom, right }),
        _ => Err(attribute("pads", pads, "four numbers of at least 0: above, left, below, right")),
    }
}
