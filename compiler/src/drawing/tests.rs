use super::*;
use crate::ir::text::parse;
use crate::ir::{Activation, Layout, Op, Tensor};
use crate::passes;

const BLOCK: &str = r#"
%0 = input "x" : [1, 1, 4, 4]
%1 = constant "k" : [1, 1, 1, 1] = [2]
%2 = conv(%0, %1) "l.conv" kernel=[1, 1] : [1, 1, 4, 4]
%3 = constant "v" : [1] = [1]
%4 = batch_norm(%2, mean: %3, variance: %3) "l.bn" epsilon=0.001 : [1, 1, 4, 4]
%5 = add(%4, %0) "l.add" : [1, 1, 4, 4]
%6 = relu(%5) "l.relu" : [1, 1, 4, 4]
%7 = global_average_pool(%6) "pool" : [1, 1, 1, 1]
output "y" = %7
output "features" = %6
"#;

fn graph(text: &str) -> Graph {
    parse(text, &mut |_, _| None).unwrap_or_else(|errors| panic!("{errors}"))
}

/// The drawing of a graph after all passes.
fn after(text: &str) -> Drawing {
    let before = graph(text);
    let mut now = before.clone();
    passes::run(&mut now, &Default::default()).unwrap();
    Drawing::new("net", "after all passes", &before, &now)
}

fn rows(drawing: &Drawing) -> Vec<(String, String, Vec<usize>)> {
    drawing.layers.iter().map(|layer| (layer.name.clone(), layer.what(), layer.operands.clone())).collect()
}

#[test]
fn weights_are_no_layers_and_edges_skip_them() {
    let graph = graph(BLOCK);
    let drawing = Drawing::new("net", "before the passes", &graph, &graph);
    let names: Vec<_> = drawing.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["x", "l.conv", "l.bn", "l.add", "l.relu", "pool"]);
    assert_eq!(drawing.layers[3].operands, [2, 0]);
    assert_eq!(drawing.layers[4].results, ["features"]);
    assert_eq!(drawing.summary(), "6 layers, 4 of them in 1 block; before the passes");
}

#[test]
fn fused_layers_are_parts_of_one() {
    let conv = "conv 1×1, 1 + batch_norm + add + relu".to_owned();
    assert_eq!(
        rows(&after(BLOCK)),
        [
            ("x".to_owned(), "input".to_owned(), vec![]),
            ("l.conv".to_owned(), conv, vec![0, 0]),
            ("pool".to_owned(), "global_average_pool".to_owned(), vec![1]),
        ]
    );
}

#[test]
fn a_pad_and_a_scale_are_told_where_they_went() {
    let drawing = after(
        r#"
%0 = input "x" : [1, 1, 4, 4]
%1 = pad(%0) "pad" spatial=[1, 1, 1, 1] : [1, 1, 6, 6]
%2 = constant "k" : [1, 1, 3, 3] = [1, 1, 1, 1, 1, 1, 1, 1, 1]
%3 = conv(%1, %2) "conv" kernel=[3, 3] : [1, 1, 4, 4]
%4 = scale(%3) "scale" factor=0.5 : [1, 1, 4, 4]
output "y" = %4
"#,
    );
    assert_eq!(drawing.layers[1].what(), "pad by 1 + conv 3×3, 1 + scale by 0.5");
}

#[test]
fn a_constant_that_is_data_is_a_layer() {
    let mut graph = Graph::new();
    let x = graph.input("x", Layout::Nchw, [1, 1, 1, 1]);
    let offset = graph.constant("offset", Tensor::new([1, 1, 1, 1], vec![1.0]).unwrap());
    let unread = graph.constant("unread", Tensor::new([1, 1, 1, 1], vec![1.0]).unwrap());
    let sum = graph.add("sum", Op::Add { activation: Some(Activation::Relu) }, &[x, offset]).unwrap();
    graph.output("y", sum);
    let drawing = Drawing::new("net", "", &graph, &graph);
    let names: Vec<_> = drawing.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["x", "offset", "sum"]);
    assert!(graph.contains(unread));
}

#[test]
fn one_node_and_none_are_drawn() {
    let mut graph = Graph::new();
    let empty = Drawing::new("", "", &graph, &graph);
    let x = graph.input("x", Layout::Nchw, [1, 3, 2, 2]);
    graph.output("x", x);
    let one = Drawing::new("one", "as it is", &graph, &graph);
    for write in [svg::write, html::write, dot::write, text::write] {
        assert!(!write(&empty).is_empty());
        assert!(write(&one).contains("input"));
    }
    assert_eq!(text::write(&one), "one: 1 layer; as it is\n\n  x  input  [1, 3, 2, 2]  = result x\n");
}

#[test]
fn text_has_a_line_per_layer_and_a_heading_per_block() {
    let graph = graph(BLOCK);
    let drawing = Drawing::new("net", "before the passes", &graph, &graph);
    assert_eq!(
        text::write(&drawing),
        "net: 6 layers, 4 of them in 1 block; before the passes

  x       input                [1, 1, 4, 4]

l
  l.conv  conv 1x1, 1          [1, 1, 4, 4]  from x
  l.bn    batch_norm           [1, 1, 4, 4]  from l.conv
  l.add   add                  [1, 1, 4, 4]  from l.bn, x
  l.relu  relu                 [1, 1, 4, 4]  from l.add  = result features

  pool    global_average_pool  [1, 1, 1, 1]  from l.relu  = result y
"
    );
}

#[test]
fn names_are_data_in_every_format() {
    let hostile = "a\"b\\<script>alert('&')</script>\n\u{1b}[2J\u{202e}]]>";
    let mut graph = Graph::new();
    let x = graph.input(hostile, Layout::Nchw, [1, 3, 2, 2]);
    graph.output(hostile, x);
    let drawing = Drawing::new(hostile, "as it is", &graph, &graph);
    for write in [svg::write, html::write, dot::write, text::write] {
        let written = write(&drawing);
        assert!(!written.contains(['\u{1b}', '\u{202e}']), "{written}");
    }
    for write in [svg::write, html::write] {
        assert!(!write(&drawing).contains("<script>alert"));
    }
    assert!(dot::write(&drawing).starts_with("digraph \"a\\\"b\\\\<script>"));
}

#[test]
fn layers_do_not_overlap_and_a_thousand_are_laid_out() {
    let mut graph = Graph::new();
    let mut x = graph.input("x", Layout::Nchw, [1, 2, 2, 2]);
    for index in 0..3000 {
        let relu = graph.add(format!("{index}.relu"), Op::Activation(Activation::Relu), &[x]).unwrap();
        let tanh = graph.add(format!("{index}.tanh"), Op::Activation(Activation::Tanh), &[x]).unwrap();
        // One block of ten is another than those around it.
        let op = if index % 10 == 0 { Op::Multiply { activation: None } } else { Op::Add { activation: None } };
        x = graph.add(format!("{index}.join"), op, &[relu, tanh]).unwrap();
    }
    graph.output("y", x);
    let drawing = Drawing::new("deep", "as it is", &graph, &graph);
    // The last block is one by itself: it makes the result.
    assert_eq!(drawing.units.len(), 602);
    let page = layout::network(&drawing);
    let boxes: Vec<_> = page.scene.boxes.iter().map(|placed| (placed.x, placed.y, placed.height)).collect();
    assert_eq!(boxes.len(), 1 + 601 * 3);
    let apart = |a: &(i64, i64, i64), b: &(i64, i64, i64)| {
        a.0 + lanes::BOX <= b.0 || b.0 + lanes::BOX <= a.0 || a.1 + a.2 <= b.1 || b.1 + b.2 <= a.1
    };
    for (index, one) in boxes.iter().enumerate() {
        assert!(boxes[index + 1..].iter().all(|other| apart(one, other)), "{one:?}");
        assert!(one.0 >= 0 && one.0 + lanes::BOX <= page.scene.width && one.1 + one.2 <= page.scene.height);
    }
    let (width, height) = (page.scene.width as f64, page.scene.height as f64);
    assert!((0.7..2.5).contains(&(width / height)), "{width} x {height}");
}
