//! What the ONNX tests share.

use std::collections::BTreeMap;
use std::path::Path;

use resnetc::frontend::Network;
use resnetc::ir::{Op, interpreter};

/// Extents and values of an npy file of f32 in C order.
pub fn npy(path: &Path) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(path).unwrap();
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..end]).unwrap();
    assert!(header.contains("'<f4'") && header.contains("'fortran_order': False"), "{header}");
    let shape = header.split_once('(').unwrap().1.split_once(')').unwrap().0;
    let shape = shape.split(',').filter_map(|extent| extent.trim().parse().ok()).collect();
    (shape, bytes[end..].as_chunks().0.iter().map(|value| f32::from_le_bytes(*value)).collect())
}

/// Largest difference of a network's result from `y`, in parts of the largest element of `y`.
pub fn departure(network: &Network, x: &[f32], y: &[f32]) -> f64 {
    let graph = &network.graph;
    let [input] = graph.inputs()[..] else { panic!("one input") };
    let Op::Input(layout) = graph.node(input).op() else { panic!("an input") };
    let x = interpreter::logical(*layout, graph.node(input).shape(), x).unwrap();
    let values = interpreter::run(graph, &BTreeMap::from([(input, x)])).unwrap();
    let ours = &values[&graph.outputs()[0].node];
    assert_eq!(ours.len(), y.len());
    let largest = y.iter().fold(0.0_f64, |largest, y| largest.max(f64::from(*y).abs()));
    ours.iter().zip(y).fold(0.0_f64, |most, (ours, y)| most.max((ours - f64::from(*y)).abs())) / largest
}
