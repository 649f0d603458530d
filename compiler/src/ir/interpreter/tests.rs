use super::*;
use crate::ir::{Activation, GroupNorm, Pad, Padding, Pool, Tensor};

fn values(op: &Op, operands: &[(&[usize], &[f64])]) -> Vec<f64> {
    let shapes: Vec<_> = operands.iter().map(|(shape, _)| Shape(shape.to_vec())).collect();
    let operands: Vec<_> = shapes.iter().zip(operands).map(|(shape, (_, values))| Operand { shape, values }).collect();
    evaluate(op, &operands).unwrap()
}

#[test]
fn relu_keeps_what_is_positive() {
    let relu = Op::Activation(Activation::Relu);
    assert_eq!(values(&relu, &[(&[1, 3], &[-2.0, 0.0, 3.0])]), [0.0, 0.0, 3.0]);
}

#[test]
fn activations_are_what_they_are_called() {
    let x = [-8.0, -3.0, -1.5, 0.0, 0.5, 3.0, 7.0];
    let of = |activation| values(&Op::Activation(activation), &[(&[1, 7], &x)]);
    assert_eq!(of(Activation::Relu6), [0.0, 0.0, 0.0, 0.0, 0.5, 3.0, 6.0]);
    assert_eq!(of(Activation::HardSigmoid), [0.0, 0.0, 0.25, 0.5, 3.5 / 6.0, 1.0, 1.0]);
    assert_eq!(of(Activation::HardSwish), [0.0, 0.0, -0.375, 0.0, 1.75 / 6.0, 3.0, 7.0]);
    // 1 / (1 + e^-0.5), and tanh as (e^2x - 1) / (e^2x + 1).
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-15, "{found} for {expected}");
    close(of(Activation::Sigmoid)[4], 0.622_459_331_201_854_6);
    close(of(Activation::Silu)[4], 0.311_229_665_600_927_3);
    close(of(Activation::Tanh)[4], 0.462_117_157_260_009_8);
    for activation in Activation::ALL {
        let far = values(&Op::Activation(activation), &[(&[1, 2], &[-1e300, 1e300])]);
        assert!(far.iter().all(|value| !value.is_nan()), "{activation:?} of what is far: {far:?}");
        assert_eq!(Activation::named(activation.name()), Some(activation));
    }
}

#[test]
fn products_repeat_a_factor_per_channel() {
    let a: Vec<f64> = (1..=8).map(f64::from).collect();
    let multiply = Op::Multiply { activation: Some(Activation::Relu) };
    let by_channel = values(&multiply, &[(&[2, 2, 1, 2], &a), (&[2, 2, 1, 1], &[1.0, -1.0, 10.0, 0.5])]);
    assert_eq!(by_channel, [1.0, 2.0, 0.0, 0.0, 50.0, 60.0, 3.5, 4.0]);
    assert_eq!(values(&multiply, &[(&[1, 2], &[3.0, -2.0]), (&[1, 2], &[2.0, -4.0])]), [6.0, 8.0]);
    assert_eq!(values(&Op::Scale { factor: -0.5 }, &[(&[1, 2], &[3.0, -2.0])]), [-1.5, 1.0]);
}

#[test]
fn group_norm_has_the_mean_and_the_variance_of_a_group_of_an_image() {
    // The four groups, [image][group], have the means 3, 0, -1 and 4 and the variances 4, 0, 1 and 9.
    let x = [1.0, 1.0, 5.0, 5.0, 0.0, 0.0, 0.0, 0.0, 0.0, -2.0, -2.0, 0.0, 1.0, 7.0, 7.0, 1.0];
    let (gamma, beta) = ([1.0, 2.0, -1.0, 3.0], [0.0, 1.0, 10.0, 20.0]);
    let of = |epsilon, activation| {
        let norm = Op::GroupNorm(GroupNorm { groups: 2, epsilon, activation });
        values(&norm, &[(&[2, 4, 1, 2], &x), (&[4], &gamma), (&[4], &beta)])
    };
    let close = |found: &[f64], expected: [f64; 16]| {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?} for {expected:?}");
    };
    let plain = [-1.0, -1.0, 3.0, 3.0, 10.0, 10.0, 20.0, 20.0, 1.0, -1.0, -1.0, 3.0, 11.0, 9.0, 23.0, 17.0];
    close(&of(1e-12, None), plain);
    close(&of(1e-12, Some(Activation::Relu)), plain.map(|y| y.max(0.0)));
    // A variance of 4 and an epsilon of 12 make a deviation of 4.
    assert_eq!(of(12.0, None)[..4], [-0.5, -0.5, 2.0, 2.0]);
}

#[test]
fn concat_and_slice_move_channels_of_each_image() {
    let (a, b): (Vec<f64>, Vec<f64>) = ((0..4).map(f64::from).collect(), (10..18).map(f64::from).collect());
    let both = values(&Op::Concat { operands: 2 }, &[(&[2, 1, 1, 2], &a), (&[2, 2, 1, 2], &b)]);
    assert_eq!(both, [0.0, 1.0, 10.0, 11.0, 12.0, 13.0, 2.0, 3.0, 14.0, 15.0, 16.0, 17.0]);
    assert_eq!(values(&Op::Slice { channels: [1, 3] }, &[(&[2, 3, 1, 2], &both)]), b);
    assert_eq!(values(&Op::Slice { channels: [1, 2] }, &[(&[2, 2], &a)]), [1.0, 3.0]);
    assert_eq!(values(&Op::GlobalMaxPool, &[(&[1, 2, 1, 2], &[-1.0, -2.0, 5.0, 7.0])]), [-1.0, 7.0]);
}

#[test]
fn pad_and_subsample_are_option_a() {
    let x: Vec<f64> = (1..=9).map(f64::from).collect();
    let small = values(&Op::Subsample { stride: [2, 2] }, &[(&[1, 1, 3, 3], &x)]);
    assert_eq!(small, [1.0, 3.0, 7.0, 9.0]);
    let pad = Op::Pad(Pad { channels: [1, 0], spatial: Padding { left: 1, ..Padding::default() } });
    let padded = values(&pad, &[(&[1, 1, 2, 2], &small)]);
    assert_eq!(padded, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 0.0, 7.0, 9.0]);
}

#[test]
fn average_pool_divides_by_what_it_is_told_to() {
    let pool =
        Pool { kernel: [1, 3], stride: [1, 2], padding: Padding { left: 1, ..Padding::default() }, ceil_mode: true };
    let x: (&[usize], &[f64]) = (&[1, 1, 1, 5], &[1.0, 2.0, 4.0, 8.0, 16.0]);
    let averages = |count_include_padding| values(&Op::AveragePool { pool: pool.clone(), count_include_padding }, &[x]);
    // Padded: 0 1 2 | 2 4 8 | 8 16 and one place of overhang, which never counts.
    assert_eq!(averages(true), [1.0, 14.0 / 3.0, 12.0]);
    assert_eq!(averages(false), [1.5, 14.0 / 3.0, 12.0]);
}

#[test]
fn softmax_of_large_values_does_not_overflow() {
    let y = values(&Op::Softmax, &[(&[1, 2], &[1000.0, 1000.0])]);
    assert_eq!(y, [0.5, 0.5]);
}

#[test]
fn channels_last_buffers_are_brought_to_channels_first() {
    let shape = Shape::from([1, 2, 1, 3]);
    let y = logical(Layout::Nhwc, &shape, &[0.0, 10.0, 1.0, 11.0, 2.0, 12.0]);
    assert_eq!(y, Some(vec![0.0, 1.0, 2.0, 10.0, 11.0, 12.0]));
    assert_eq!(logical(Layout::Nchw, &shape, &[0.0]), None);
}

/// x -> a = relu(x) -> b = a + k
fn sample() -> (Graph, [NodeId; 4]) {
    let mut graph = Graph::new();
    let x = graph.input("x", Layout::Nchw, [1, 2]);
    let a = graph.add("a", Op::Activation(Activation::Relu), &[x]).unwrap();
    let k = graph.constant("k", Tensor::new([1, 2], vec![1.0, 2.0]).unwrap());
    let b = graph.add("b", Op::Add { activation: None }, &[a, k]).unwrap();
    graph.output("y", b);
    (graph, [x, a, k, b])
}

#[test]
fn run_gives_every_node_and_run_keeping_only_some() {
    let (graph, [x, a, k, b]) = sample();
    let inputs = Values::from([(x, vec![-1.0, 5.0])]);
    let all = run(&graph, &inputs).unwrap();
    let expected = [(x, vec![-1.0, 5.0]), (a, vec![0.0, 5.0]), (k, vec![1.0, 2.0]), (b, vec![1.0, 7.0])];
    assert_eq!(all, Values::from(expected.clone()));
    let kept = run_keeping(&graph, &inputs, &BTreeSet::from([b])).unwrap();
    assert_eq!(kept, Values::from([expected[3].clone()]));
}

#[test]
fn walk_stops_when_told() {
    let (graph, [x, a, ..]) = sample();
    let mut seen = Vec::new();
    walk(&graph, &Values::from([(x, vec![0.0, 0.0])]), &mut |id, _| {
        seen.push(id);
        if id == a { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    assert_eq!(seen, [x, a]);
}

#[test]
fn a_missing_or_short_input_and_a_giant_are_errors() {
    let (graph, [x, ..]) = sample();
    assert_eq!(run(&graph, &Values::new()).unwrap_err().to_string(), "node `x`: the input has no value");
    let short = run(&graph, &Values::from([(x, vec![0.0])])).unwrap_err();
    assert_eq!(short.message, "the input [1, 2] takes 2 values, got 1");
    let mut giant = Graph::new();
    giant.input("x", Layout::Nchw, [1 << 20, 1 << 20]);
    assert!(run(&giant, &Values::new()).unwrap_err().message.contains("more than the interpreter takes"));
}

#[test]
fn a_second_result_lies_behind_the_first_in_each_image() {
    let conv = crate::ir::Conv {
        kernel: [1, 1],
        stride: [1, 1],
        padding: Padding::default(),
        dilation: [1, 1],
        groups: 2,
        bias: true,
        shortcut: true,
        activation: None,
        second: Some(crate::ir::SecondResult { activation: Some(Activation::Relu) }),
    };
    let (x, kernel, bias) = ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [2.0, -1.0], [0.5, 1.0]);
    let (scale, shift, shortcut) = ([3.0, -2.0], [-10.0, 0.25], [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
    let map: &[usize] = &[2, 2, 1, 2];
    let operands: [(&[usize], &[f64]); 6] =
        [(map, &x), (&[2, 1, 1, 1], &kernel), (&[2], &bias), (&[2], &scale), (&[2], &shift), (map, &shortcut)];
    assert_eq!(
        values(&Op::Conv(conv), &operands),
        [2.5, 5.5, 0.0, 0.0, 0.0, 6.5, 0.25, 0.25, 14.5, 17.5, 0.0, 0.0, 33.5, 42.5, 0.25, 0.25]
    );
}

#[test]
fn threads_do_not_change_a_bit() {
    // Enough work to be split: against the same convolution channel by channel, which is not.
    let conv = crate::ir::Conv {
        kernel: [3, 3],
        stride: [1, 1],
        padding: Padding::same(1),
        dilation: [1, 1],
        groups: 1,
        bias: false,
        shortcut: false,
        activation: None,
        second: None,
    };
    let noise = |length: usize| (0..length).map(|i| ((i * 7919) % 1009) as f64 / 1009.0 - 0.5).collect::<Vec<_>>();
    let (x, kernel) = (noise(8 * 40 * 40), noise(16 * 8 * 9));
    let whole = values(&Op::Conv(conv.clone()), &[(&[1, 8, 40, 40], &x), (&[16, 8, 3, 3], &kernel)]);
    let parts: Vec<_> = kernel
        .chunks(8 * 9)
        .flat_map(|kernel| values(&Op::Conv(conv.clone()), &[(&[1, 8, 40, 40], &x), (&[1, 8, 3, 3], kernel)]))
        .collect();
    assert!(whole == parts);
}
