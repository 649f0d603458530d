//! The interpreter against PyTorch in float64: the cases of `reference/interpreter.txt`, which
//! `reference/make_interpreter.py` writes.

use std::collections::BTreeMap;

use resnetc::ir::interpreter::{Values, run};
use resnetc::ir::text::parse;
use resnetc::ir::verify::verify;
use resnetc::ir::{Shape, Tensor};

const CASES: &str = include_str!("reference/interpreter.txt");

/// The graph's text and the tensors of a case.
fn read(case: &str) -> (String, BTreeMap<&str, (Shape, Vec<f64>)>) {
    let (graph, tensors) = case.split_once("\ntensor ").unwrap();
    let tensors = tensors.split("\ntensor ").map(|text| {
        let (head, values) = text.split_once('\n').unwrap();
        let (name, extents) = head.split_once(' ').unwrap();
        let extents = extents.trim_matches(['[', ']']).split(", ").map(|extent| extent.parse().unwrap()).collect();
        (name, (Shape(extents), values.split_whitespace().map(|value| value.parse().unwrap()).collect()))
    });
    (format!("# {graph}"), tensors.collect())
}

#[test]
fn operations_are_what_pytorch_computes() {
    let cases: Vec<_> = CASES.split("# case ").filter(|case| !case.is_empty()).collect();
    assert!(cases.len() >= 42, "{} cases", cases.len());
    for case in cases {
        let (text, tensors) = read(case);
        let name = case.lines().next().unwrap();
        let graph = parse(&text, &mut |name, _| {
            let (shape, values) = &tensors[name];
            Tensor::new(shape.clone(), values.iter().map(|value| *value as f32).collect::<Vec<_>>())
        });
        let graph = graph.unwrap_or_else(|errors| panic!("{name}: {errors}"));
        assert_eq!(verify(&graph), Ok(()), "{name}");
        let values = run(&graph, &Values::from([(graph.inputs()[0], tensors["x"].1.clone())])).unwrap();
        let (found, expected) = (&values[&graph.outputs()[0].node], &tensors["expected"].1);
        assert_eq!(found.len(), expected.len(), "{name}");
        for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
            let close = (found - expected).abs() <= 1e-12 * expected.abs().max(1.0);
            assert!(close, "{name}: value {index} is {found}, PyTorch has {expected}");
        }
    }
}
