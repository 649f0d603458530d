//! Multiplies a constant factor into the weights of the conv or dense layer beside it.
//!
//! - Behind the layer: `f (kernel x + bias)` is `(f kernel) x + f bias`. Right when the layer's result goes to the scale
//!   alone, and straight: no shortcut and no activation in between.
//! - In front of layers: `kernel (f x) + bias` is `(f kernel) x + bias`, zeros of a conv's padding included. Right when
//!   nothing but the inputs of conv and dense layers sees the scaled values.
//!
//! A factor of 1 is no operation at all. Products are taken in f64 and rounded to f32 once; weights that f32 cannot hold are
//! left as they were.

use super::{PassReport, seen_by_others};
use crate::ir::{Conv, Dense, Edit, Graph, NodeId, Op, Tensor};

pub(super) fn run(graph: &mut Graph) -> Edit<PassReport> {
    let mut report = PassReport::new("fold_scale");
    for id in graph.topological() {
        let Op::Scale { factor } = *graph.node(id).op() else { continue };
        let name = graph.node(id).name.clone();
        let Some(x) = graph.operands(id).first().copied() else { continue };
        if factor.to_bits() == 1.0_f64.to_bits() {
            graph.supersede(id, x)?;
            report.changed(name, "removed: its factor is 1");
            continue;
        }
        let folded = behind(graph, id, x, factor)
            .map(|layer| vec![layer])
            .or_else(|reason| in_front(graph, id, x, factor).map_err(|other| format!("{reason}; {other}")));
        match folded {
            Ok(layers) => {
                let names: Vec<_> = layers.iter().map(|layer| format!("`{}`", graph.node(layer.id).name)).collect();
                report.changed(name.clone(), format!("folded into {}", names.join(", ")));
                let follows = layers.first().is_some_and(|layer| layer.id == x);
                for layer in layers {
                    layer.put(graph, &name)?;
                }
                // Else nobody reads it now: left there, it would still read what the next passes look at.
                if follows {
                    graph.supersede(id, x)?;
                } else {
                    graph.remove_unread(id);
                }
            }
            Err(reason) => report.refused(name, reason),
        }
    }
    Ok(report)
}

/// A layer with a factor in it.
struct Scaled {
    id: NodeId,
    x: NodeId,
    kernel: Tensor,
    /// `None` where the bias stays as it is.
    bias: Option<Tensor>,
}

impl Scaled {
    fn put(self, graph: &mut Graph, scale: &str) -> Edit<()> {
        let name = graph.node(self.id).name.clone();
        let op = graph.node(self.id).op().clone();
        let mut operands = graph.operands(self.id);
        let kernel = graph.constant(format!("{name}.weight * {scale}"), self.kernel);
        let bias = self.bias.map(|bias| graph.constant(format!("{name}.bias * {scale}"), bias));
        for (operand, new) in operands.iter_mut().zip([Some(self.x), Some(kernel), bias]) {
            *operand = new.unwrap_or(*operand);
        }
        graph.replace(self.id, op, &operands)
    }
}

fn behind(graph: &Graph, id: NodeId, layer: NodeId, factor: f64) -> Result<Scaled, String> {
    let node = graph.node(layer);
    let (bias, shortcut, activation) = match node.op() {
        Op::Conv(Conv { bias, shortcut, activation, .. }) => (*bias, *shortcut, *activation),
        Op::Dense(Dense { bias, activation }) => (*bias, false, *activation),
        other => return Err(format!("it follows {} `{}`, no conv or dense layer", other.name(), node.name)),
    };
    if let Some(reason) = seen_by_others(graph, layer, id) {
        return Err(reason);
    }
    if shortcut {
        return Err(format!("`{}` adds a shortcut before it", node.name));
    }
    if let Some(activation) = activation {
        return Err(format!("`{}` applies {} before it", node.name, activation.name()));
    }
    let operands = graph.operands(layer);
    let x = *operands.first().ok_or("its layer reads nothing")?;
    let bias = if bias { Some(scaled(graph, operands.get(2), factor)?) } else { None };
    Ok(Scaled { id: layer, x, kernel: scaled(graph, operands.get(1), factor)?, bias })
}

fn in_front(graph: &Graph, id: NodeId, x: NodeId, factor: f64) -> Result<Vec<Scaled>, String> {
    if graph.outputs().iter().any(|output| output.node == id) {
        return Err("it is a result of the network".to_owned());
    }
    let mut layers = Vec::new();
    for reader in graph.readers(id) {
        let (node, operands) = (graph.node(reader), graph.operands(reader));
        if !matches!(node.op(), Op::Conv(_) | Op::Dense(_)) {
            return Err(format!("{} `{}` reads it, no conv or dense layer", node.op().name(), node.name));
        }
        if operands.iter().skip(1).any(|operand| *operand == id) {
            return Err(format!("it is the shortcut of `{}`", node.name));
        }
        layers.push(Scaled { id: reader, x, kernel: scaled(graph, operands.get(1), factor)?, bias: None });
    }
    if layers.is_empty() { Err("nothing reads it".to_owned()) } else { Ok(layers) }
}

fn scaled(graph: &Graph, weight: Option<&NodeId>, factor: f64) -> Result<Tensor, String> {
    let weight = *weight.ok_or("its layer has no weights")?;
    let name = &graph.node(weight).name;
    let tensor = graph.value(weight).ok_or_else(|| format!("`{name}` is computed, not constant"))?;
    let values: Vec<f32> = tensor.values().iter().map(|value| (f64::from(*value) * factor) as f32).collect();
    if !values.iter().all(|value| value.is_finite()) {
        return Err(format!("`{name}` would not fit in f32"));
    }
    Tensor::new(tensor.shape().clone(), values).ok_or_else(|| format!("`{name}` does not fill its shape"))
}
