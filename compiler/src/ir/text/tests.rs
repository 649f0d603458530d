use std::sync::Arc;

use super::*;
use crate::ir::{Element, Graph, Numbers, Quantisation, Shape, Tensor};

fn read(text: &str) -> Result<Graph, Vec<String>> {
    parse(text, &mut |_, _| None).map_err(|errors| errors.0.iter().map(ToString::to_string).collect())
}

const ALL: &str = r#"%0 = input "image\n\u{7f} \"q\" \\ é" layout=nhwc : [1, 2, 8, 8]
%1 = constant "k" : [4, 1, 1, 2] = [1.0, -0.0, 1e-45, 3.4028235e38, 0.1, 0x7fc00001, 0xff800000, 7.0]
%2 = constant "b" : [4] = [0.0, 1.0, 2.0, 3.0]
%3 = conv(%0, %1, bias: %2) "conv" kernel=[1, 2] stride=[2, 1] padding=[0, 1, 0, 2] dilation=[1, 2] groups=2 activation=relu : [1, 4, 4, 9]
%4 = conv(%0, %1, shortcut: %3) "conv" kernel=[1, 2] stride=[2, 1] padding=[0, 1, 0, 2] dilation=[1, 2] groups=2 : [1, 4, 4, 9]
%5 = batch_norm(%4, gamma: %2, beta: %2, mean: %2, variance: %2) "bn" epsilon=1e-5 activation=relu : [1, 4, 4, 9]
%6 = batch_norm(%5, mean: %2, variance: %2) "bn2" epsilon=0.001 : [1, 4, 4, 9]
%7 = relu(%6) "" : [1, 4, 4, 9]
%8 = max_pool(%7) "max" kernel=[3, 3] stride=[2, 2] padding=[1, 1, 1, 1] ceil_mode=true : [1, 4, 3, 5]
%9 = average_pool(%8) "avg" kernel=[1, 1] count_include_padding=false : [1, 4, 3, 5]
%10 = pad(%9) "pad" channels=[1, 3] spatial=[0, 0, 1, 0] : [1, 8, 4, 5]
%11 = subsample(%10) "sub" stride=[2, 3] : [1, 8, 2, 2]
%12 = add(%11, %11) "add" activation=relu : [1, 8, 2, 2]
%13 = global_average_pool(%12) "gap" : [1, 8, 1, 1]
%14 = flatten(%13) "flat" : [1, 8]
%15 = constant "w" : [2, 8] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5]
%16 = constant "wb" : [2] = [1.0, 2.0]
%17 = dense(%14, %15, bias: %16) "fc" activation=tanh : [1, 2]
%18 = softmax(%17) "prob" : [1, 2]
%19 = relu6(%11) "a" : [1, 8, 2, 2]
%20 = sigmoid(%13) "b" : [1, 8, 1, 1]
%21 = hard_sigmoid(%19) "c" : [1, 8, 2, 2]
%22 = hard_swish(%21) "d" : [1, 8, 2, 2]
%23 = silu(%22) "e" : [1, 8, 2, 2]
%24 = tanh(%23) "f" : [1, 8, 2, 2]
%25 = multiply(%24, %20) "se" : [1, 8, 2, 2]
%26 = multiply(%25, %19) "product" activation=hard_swish : [1, 8, 2, 2]
%27 = scale(%26) "scale" factor=-0.17 : [1, 8, 2, 2]
%28 = concat(%27, %11, %27) "concat" : [1, 24, 2, 2]
%29 = concat(%14) "concat of one" : [1, 8]
%30 = slice(%28) "slice" channels=[3, 20] : [1, 17, 2, 2]
%31 = global_max_pool(%30) "gmp" : [1, 17, 1, 1]
%32 = group_norm(%7, gamma: %2, beta: %2) "gn" groups=2 epsilon=1e-5 activation=silu : [1, 4, 4, 9]
%33 = group_norm(%32, gamma: %2, beta: %2) "gn2" groups=1 epsilon=0.001 : [1, 4, 4, 9]
%34 = conv(%0, %1, bias: %2, scale: %2, shift: %2, shortcut: %3) "two" kernel=[1, 2] stride=[2, 1] padding=[0, 1, 0, 2] dilation=[1, 2] groups=2 activation=relu second_activation=silu : [1, 8, 4, 9]
%35 = conv(%0, %1, scale: %2, shift: %2) "two" kernel=[1, 2] groups=2 : [1, 8, 8, 7]
%36 = as_array(%12) "array" : [1, 8, 2, 2]
%37 = nest(%36) "moved" a="1; -1 [0,8,-1] 4 fill inf" finish=leaky_relu alpha=0.01 : [2, 3, 2]
%38 = nest(%36, %37) "product" a="0; 8 0 1" b="0; 0 4 1" combine=multiply reduced=[4] fold=sum : [4, 3]
%39 = nest(%38) "least" a="0; 4" reduced=[3] fold=last_minimum finish=affine alpha=2.0 beta=-0.5 : []
%40 = as_map(%38) "map" : [4, 3]
%41 = input "any" layout=array : [2, 3, 4]
%42 = nest(%41) "codes" a="0; 12 4 1" finish=round element=uint8 quantisation="uint8 axis 1 scale 0.5 0.25 1e-5 zero 1 2 3" : [2, 3, 4]
%43 = constant "numbers" quantisation="int8 scale 0.5" : [1] = [0.5]
%44 = constant "unread" : [0] = []
output "logits" = %17
output "prob" = %18
output "both" = %29
output "most" = %31
chain stem_pool(%7, %8)
chain bottleneck(%25, %26, %27) forced
"#;

#[test]
fn every_operation_reads_back_as_it_was_printed() {
    let graph = read(ALL).unwrap();
    assert_eq!(print(&graph), ALL);
}

#[test]
fn numbers_of_every_type_read_back() {
    let mut graph = read(ALL).unwrap();
    let ids: Vec<_> = graph.ids().collect();
    for (index, (element, _)) in Element::ALL.into_iter().cycle().take(ids.len()).enumerate() {
        let many = (0..index).map(|step| (step as f32 + 0.1) / 3.0);
        let quantisation = Quantisation {
            element,
            scale: many.clone().collect(),
            zero_point: many.map(f32::round).take(index % 2 * index).collect(),
            axis: (index % 3 > 0).then_some(index),
        };
        let quantisation = (index > 0).then(|| Arc::new(quantisation));
        graph.declare(ids[index], Numbers { element, quantisation });
    }
    let back = read(&print(&graph)).unwrap();
    assert_eq!(print(&back), print(&graph));
    let numbers =
        |graph: &Graph| graph.topological().iter().map(|id| graph.node(*id).numbers().clone()).collect::<Vec<_>>();
    assert_eq!(numbers(&back), numbers(&graph));
}

#[test]
fn comments_blank_lines_and_foreign_line_ends_are_skipped() {
    let text = format!("# head\r\n\r\n{}", ALL.replace('\n', "  # tail\r\n"));
    assert_eq!(print(&read(&text).unwrap()), ALL);
}

fn big() -> (String, Tensor) {
    let mut graph = Graph::new();
    let tensor = Tensor::new([17], (0..17).map(|i| i as f32).collect::<Vec<_>>()).unwrap();
    graph.constant("big", tensor.clone());
    (print(&graph), tensor)
}

#[test]
fn large_constants_are_asked_for_and_checked() {
    let (text, tensor) = big();
    assert_eq!(text, "%0 = constant \"big\" sha256=\"b578392a98eb1802e897b008cffe3b3c\" : [17]\n");
    let mut asked = Vec::new();
    let graph = parse(&text, &mut |name, shape| {
        asked.push((name.to_owned(), shape.clone()));
        Some(tensor.clone())
    });
    assert_eq!(print(&graph.unwrap()), text);
    assert_eq!(asked, [("big".to_owned(), Shape::from([17]))]);
    let error = |given: Option<Tensor>| parse(&text, &mut |_, _| given.clone()).unwrap_err().to_string();
    assert!(error(None).contains("<text>:1:6: the values of `big` are not at hand"));
    assert!(error(Tensor::new([17], vec![0.0; 17])).contains("<text>:1:21: the values of `big` are others"));
    assert!(error(Tensor::new([1, 17], vec![0.0; 17])).contains("have the shape [1, 17]"));
}

#[test]
fn errors_are_placed_and_all_collected() {
    let text = "%0 = input \"x\" : [1, 2]\n%1 = relo(%0) \"r\" : [1, 2]\n%2 = relu(%1) \"after a bad one\" : [1, 2]\n%2 = relu(%0) \"r\" : [1, 2]\noutput \"y\" = %9\n";
    assert_eq!(
        read(text).unwrap_err(),
        [
            "error[E-TEXT]: <text>:2:6: there is no operation `relo`\n  expected: perhaps `relu`",
            "error[E-TEXT]: <text>:4:1: `%2` is defined twice",
            "error[E-TEXT]: <text>:5:14: `%9` is not defined\n  expected: a node defined on a line above",
        ]
    );
}

#[test]
fn each_error_has_its_text() {
    let head = "%0 = input \"x\" : [1, 2, 4, 4]\n%1 = constant \"k\" : [2, 2, 1, 1] = [1, 0, 0, 1]\n";
    for (line, column, message) in [
        ("%", 1, "names no node"),
        ("%99999999999999999999 = relu", 1, "names no node"),
        ("hello", 1, "does not start with `hello`"),
        ("%2", 3, "ends too soon"),
        ("%2 = relu(%0 \"r\" : [1]", 14, "unexpected \"r\""),
        ("%2 = relu(%0) \"r : [1]", 15, "not closed"),
        ("%2 = relu(%0) \"\\q\" : [1]", 16, "is no escape"),
        ("%2 = relu(%0) \"\\u{110000}\" : [1]", 16, "is no escape"),
        ("%2 = relu(%0) \"r\" : [1, 2, 4, 5]", 21, "the operands give the shape [1, 2, 4, 4]"),
        ("%2 = relu(%0) \"r\" : [1, x]", 25, "unexpected `x`"),
        ("%2 = relu(%0) \"r\" : [-1]", 21, "no whole number"),
        ("%2 = relu(%0) \"r\" : [1, 2, 4, 4] = [1]", 36, "only a constant has values"),
        ("%2 = relu(%0) \"r\" a=1 : [1, 2, 4, 4]", 19, "no attribute `a`"),
        ("%2 = relu(%0, %0) \"r\" : [1, 2, 4, 4]", 15, "does not belong here"),
        ("%2 = relu \"r\" : [1, 2, 4, 4]", 6, "relu takes 1 operands, got 0"),
        ("%2 = input(%0) \"r\" : [1]", 12, "input has no operands"),
        ("%2 = conv(%0, %1) \"c\" : [1]", 6, "`kernel` is missing"),
        ("%2 = conv(%0, %1) \"c\" kernel=[1] : [1]", 23, "`kernel` has no such value"),
        ("%2 = conv(%0, %1) \"c\" kernel=[1, 1] kernel=[1, 1] : [1]", 37, "given twice"),
        ("%2 = conv(%0, %1) \"c\" kernel=[1, 1] strides=[1, 1] : [1]", 37, "no attribute `strides`"),
        ("%2 = conv(%0, %1, shortcut: %0, bias: %0) \"c\" kernel=[1, 1] : [1]", 33, "does not belong here"),
        ("%2 = conv(%0, %1, %0) \"c\" kernel=[1, 1] : [1]", 19, "does not belong here"),
        ("%2 = conv(%0, %1, scale: %1) \"c\" kernel=[1, 1] : [1]", 6, "takes 4 operands, got 3"),
        ("%2 = conv(%0, %1) \"c\" kernel=[1, 1] second_activation=relu : [1]", 6, "takes 4 operands, got 2"),
        ("%2 = batch_norm(%0, mean: %1, variance: %1) \"b\" epsilon=1e-5 : [1]", 6, "got a vector of shape"),
        ("%2 = batch_norm(%0) \"b\" : [1]", 6, "`epsilon` is missing"),
        ("%2 = group_norm(%0) \"g\" epsilon=1e-5 : [1]", 6, "`groups` is missing"),
        ("%2 = average_pool(%0) \"a\" kernel=[1, 1] : [1, 2, 4, 4]", 6, "`count_include_padding` is missing"),
        ("%2 = conv(%0, %1) \"c\" kernel=[1, 1] activation=gelu : [1]", 37, "`activation` has no such value"),
        ("%2 = scale(%0) \"s\" : [1, 2, 4, 4]", 6, "`factor` is missing"),
        ("%2 = scale(%0) \"s\" factor=1e999 : [1, 2, 4, 4]", 6, "must be finite"),
        ("%2 = slice(%0) \"s\" : [1, 2, 4, 4]", 6, "`channels` is missing"),
        ("%2 = slice(%0) \"s\" channels=[1, 3] : [1, 2, 4, 4]", 6, "channels 1..3 of 2"),
        ("%2 = concat \"c\" : [1, 2, 4, 4]", 6, "concat got 0 operands"),
        ("%2 = concat(%0, x: %0) \"c\" : [1, 4, 4, 4]", 17, "does not belong here"),
        ("%2 = constant \"k\" : [2]", 6, "the constant has no values"),
        ("%2 = constant \"k\" : [2] = [1]", 27, "1 values do not fill the shape [2]"),
        ("%2 = constant \"k\" : [18446744073709551615, 2] = [1]", 49, "do not fill the shape"),
        ("%2 = constant \"k\" : [1] = [1.2.3]", 27, "`1.2.3` is no f32 value"),
        ("%2 = constant \"k\" sha256=\"\" : [1] = [1]", 19, "either values or `sha256`"),
        ("%2 = pad(%0) \"p\" channels=[18446744073709551615, 0] : [1]", 6, "does not fit in memory"),
        ("%2 = pad(%0) \"p\" channels=[9223372036854775807, 0] : [1]", 6, "does not fit in memory"),
        ("output %0", 8, "unexpected `%0`"),
        ("chain %0", 7, "unexpected `%0`"),
        ("chain pair(%0, %1)", 7, "there is no chain `pair`"),
        ("chain bottleneck(%0, %9)", 22, "`%9` is not defined"),
        ("chain bottleneck(%0, x: %1)", 22, "has no label"),
        ("chain bottleneck(%0, %1) always", 26, "unexpected `always`"),
        ("output \"y\" = %0 %1", 17, "unexpected `%1`"),
        ("%2 = relu(%0) \"r\" ; : [1]", 19, "has no meaning here"),
    ] {
        let errors = read(&format!("{head}{line}")).unwrap_err();
        assert_eq!(errors.len(), 1, "{line}: {errors:?}");
        assert!(errors[0].contains(&format!("<text>:3:{column}: ")), "{line}: {}", errors[0]);
        assert!(errors[0].contains(message), "{line}: {}", errors[0]);
    }
}

#[test]
fn no_beginning_of_a_text_makes_it_panic_and_errors_are_bounded() {
    for end in ALL.char_indices().map(|(index, _)| index) {
        let _ = read(&ALL[..end]);
    }
    assert_eq!(read(&"%\n".repeat(10_000)).unwrap_err().len(), 50);
}
