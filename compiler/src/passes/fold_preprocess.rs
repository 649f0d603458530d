//! Multiplies the normalisation of the network's input into the convs that read it.
//!
//! Exporters put it in front: layers that rescale and normalise, subtractions and divisions per channel, a batch normalisation of the
//! data. With `scale x + shift` per channel of the input, `kernel (scale x + shift) + bias` is
//! `(kernel scale) x + (kernel shift summed up + bias)`: the kernel is scaled per input channel, the bias takes the sum over all
//! elements of the kernel. Right when the row of normalisations and scales behind the input goes to convs alone, and
//! straight: no activation in between. And when the border stays right: a conv pads the finished values with zeros, which
//! are zeros of the input only where no channel is shifted, so either no channel is or the conv has no padding.
//! Products and sums are taken in f64 and rounded to f32 once. Weights that f32 cannot hold are left as they were.

use super::affine::{Line, lines, row};
use super::{PassReport, constant_value};
use crate::ir::{Conv, Edit, Graph, NodeId, Op, Padding, Tensor};

pub(super) fn run(graph: &mut Graph) -> Edit<PassReport> {
    let mut report = PassReport::new("fold_preprocess");
    for input in graph.inputs() {
        for first in graph.readers(input) {
            if !graph.contains(first) {
                continue;
            }
            let row = row(graph, first);
            let Some(last) = row.last().copied() else { continue };
            let name = graph.node(last).name.clone();
            match fold(graph, input, &row, last) {
                Ok(convs) => {
                    let names: Vec<_> = convs.iter().map(|conv| format!("`{}`", graph.node(conv.id).name)).collect();
                    for folded in &row {
                        report.changed(
                            graph.node(*folded).name.clone(),
                            format!("folded forward into conv {}", names.join(", ")),
                        );
                    }
                    for conv in convs {
                        conv.put(graph, input, &name)?;
                    }
                    for unread in row.iter().rev() {
                        graph.remove_unread(*unread);
                    }
                }
                Err(reason) => report.refused(name, reason),
            }
        }
    }
    Ok(report)
}

/// A conv with the normalisation of its input in it.
struct Folded {
    id: NodeId,
    op: Conv,
    kernel: Tensor,
    bias: Option<Tensor>,
    /// Behind the bias: the shortcut, if any.
    rest: Vec<NodeId>,
}

impl Folded {
    fn put(self, graph: &mut Graph, input: NodeId, row: &str) -> Edit<()> {
        let name = graph.node(self.id).name.clone();
        let mut operands = vec![input, graph.constant(format!("{name}.weight * {row}"), self.kernel)];
        operands.extend(self.bias.map(|bias| graph.constant(format!("{name}.bias + {row}"), bias)));
        operands.extend(self.rest);
        graph.replace(self.id, Op::Conv(self.op), &operands)
    }
}

fn fold(graph: &Graph, input: NodeId, row: &[NodeId], last: NodeId) -> Result<Vec<Folded>, String> {
    if graph.outputs().iter().any(|output| output.node == last) {
        return Err("it is a result of the network".to_owned());
    }
    if let Some(activation) = graph.node(last).op().activation() {
        return Err(format!("it applies {}", activation.name()));
    }
    let channels = graph.node(input).shape().0.get(1).copied().unwrap_or(0);
    let lines = lines(graph, row, channels)?;
    let mut readers = graph.readers(last);
    readers.dedup();
    if readers.is_empty() {
        return Err("nothing reads it".to_owned());
    }
    readers.into_iter().map(|reader| folded(graph, reader, last, &lines)).collect()
}

fn folded(graph: &Graph, id: NodeId, normalised: NodeId, lines: &[Line]) -> Result<Folded, String> {
    let node = graph.node(id);
    let name = &node.name;
    let Op::Conv(conv) = node.op() else {
        return Err(format!("{} `{name}` reads it, no conv", node.op().name()));
    };
    let operands = graph.operands(id);
    let [_, kernel, rest @ ..] = operands.as_slice() else { return Err(format!("conv `{name}` has no weights")) };
    if rest.contains(&normalised) {
        return Err(format!("it is the shortcut of conv `{name}`"));
    }
    let shifted = lines.iter().position(|line| line.shift != 0.0);
    if let Some(channel) = shifted.filter(|_| conv.padding != Padding::default()) {
        return Err(format!("it shifts channel {channel}, and conv `{name}` pads what is shifted with zeros"));
    }
    let kernel = constant_value(graph, *kernel)?;
    let (old_bias, rest) = match rest {
        [bias, rest @ ..] if conv.bias => (Some(constant_value(graph, *bias)?), rest),
        rest => (None, rest),
    };
    let fill = || format!("the weights of conv `{name}` do not fill their shapes");
    let [outputs, inputs, height, width] = kernel.shape().map().ok_or_else(fill)?;
    let outputs_per_group = outputs.checked_div(conv.groups).unwrap_or(0).max(1);
    let mut weights = Vec::with_capacity(kernel.values().len());
    let mut sums = Vec::with_capacity(outputs);
    for (output, weights_of_output) in kernel.values().chunks((inputs * height * width).max(1)).enumerate() {
        let group = lines.chunks(inputs.max(1)).nth(output / outputs_per_group).ok_or_else(fill)?;
        let mut sum = old_bias.and_then(|bias| bias.values().get(output)).map_or(0.0, |bias| f64::from(*bias));
        for (plane, line) in weights_of_output.chunks((height * width).max(1)).zip(group) {
            weights.extend(plane.iter().map(|weight| (f64::from(*weight) * line.scale) as f32));
            sum += plane.iter().map(|weight| f64::from(*weight) * line.shift).sum::<f64>();
        }
        sums.push(sum as f32);
    }
    if !weights.iter().chain(&sums).all(|value| value.is_finite()) {
        return Err(format!("the weights of conv `{name}` would not fit in f32"));
    }
    // Without a shift the bias is what it was, or none.
    let bias = match (shifted, old_bias) {
        (Some(_), _) => Some(Tensor::new([outputs], sums).ok_or_else(fill)?),
        (None, old) => old.cloned(),
    };
    Ok(Folded {
        id,
        op: Conv { bias: bias.is_some(), ..conv.clone() },
        kernel: Tensor::new(kernel.shape().clone(), weights).ok_or_else(fill)?,
        bias,
        rest: rest.to_vec(),
    })
}
