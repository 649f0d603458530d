//! How far a batch goes through the network image by image.
//!
//! A step that computes all images reads each of its weights once, but the early maps of many images do not stay in a cache from one step
//! to the next. Late layers have small maps and large weights. So the first nodes run image by image, as many as save bytes that come
//! from afar: the maps of all images between steps, less the weights that are read again for each further image.

use super::choose::Layer;
use super::layout::extents;
use super::traffic;
use crate::ir::{Graph, NodeId, Op};

/// Bytes of all images' maps of a step that stay in a near cache.
const NEAR: f64 = traffic::NEAR as f64;

/// How many nodes, in topological order, run image by image.
pub(super) fn early(graph: &Graph) -> usize {
    let (mut saved, mut most, mut early) = (0.0, 0.0, 0);
    for (position, id) in graph.topological().into_iter().enumerate() {
        let Some([batch, ..]) = extents(graph.node(id).shape()) else { continue };
        if matches!(graph.node(id).op(), Op::Constant(_)) {
            continue;
        }
        let maps = bytes(graph, id) + graph.operands(id).into_iter().map(|operand| bytes(graph, operand)).sum::<f64>();
        let weights = match graph.node(id).op() {
            Op::Conv(conv) => Layer::of(graph, id, conv).map_or(0.0, |layer| layer.weights()),
            Op::Dense(_) => graph.operands(id).get(1).map_or(0.0, |kernel| elements(graph, *kernel)),
            _ => 0.0,
        };
        saved += if maps > NEAR { maps } else { 0.0 } - weights * 4.0 * (batch - 1) as f64;
        if batch > 1 && saved > most {
            (most, early) = (saved, position + 1);
        }
    }
    early
}

/// Bytes of a map or a vector, of all images.
fn bytes(graph: &Graph, id: NodeId) -> f64 {
    match graph.node(id).op() {
        Op::Constant(_) => 0.0,
        _ => 4.0 * elements(graph, id),
    }
}

fn elements(graph: &Graph, id: NodeId) -> f64 {
    graph.node(id).shape().0.iter().map(|extent| *extent as f64).product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::{self, WeightSource};

    /// The first node that does not run image by image.
    fn first_together(spec: &str, batch: usize) -> Option<String> {
        let (network, _) = frontend::load(spec, Some(&WeightSource::Seed(1)), batch).unwrap();
        let mut graph = network.graph;
        crate::passes::run(&mut graph, &Default::default()).unwrap();
        let together = graph.topological().into_iter().skip(early(&graph));
        let mut together = together.filter(|id| !matches!(graph.node(*id).op(), Op::Constant(_)));
        together.next().map(|id| graph.node(id).name.clone())
    }

    #[test]
    fn large_maps_run_image_by_image_and_heavy_weights_together() {
        assert_eq!(first_together("resnet50", 8).as_deref(), Some("layer3.0.conv2"));
        assert_eq!(first_together("resnet50", 1).as_deref(), Some("input"));
        assert_eq!(first_together("cifar-resnet20", 2).as_deref(), Some("input"));
    }
}
