//! Networks of arrays: tensors of any shape, and maps that become such and maps again.

use resnetc::ir::scalar::{Combine, Fold, Function, FunctionKind};
use resnetc::ir::{Access, Dense, Graph, Layout, Move, Nest, Op, Shape};

use super::Chosen;
/// A loop nest that reads its operands so.
fn nest(shape: &[usize], reduced: &[usize], operands: Vec<Access>) -> Nest {
    let (combine, fold, finish) = (Combine::Multiply, Fold::Sum, Function::IDENTITY);
    Nest { shape: Shape(shape.to_vec()), reduced: reduced.to_vec(), operands, combine, fold, finish }
}

fn access(start: usize, axes: &[isize]) -> Access {
    Access { start, axes: axes.iter().map(|step| Move::Even(*step)).collect(), fill: 0.0 }
}

/// Arrays of several ranks: transposed, turned round, padded, reduced in every way, multiplied by a constant and by each other, and by
/// functions of one and two numbers.
pub fn arrays() -> Graph {
    let mut net = Chosen { graph: Graph::new(), seed: 1 };
    let x = net.graph.input("x", Layout::Array, Shape(vec![3, 4, 5]));
    let of = |nest: Nest| Op::Nest(Box::new(nest));
    let transposed = net.then(of(nest(&[5, 3, 4], &[], vec![access(15, &[1, 20, -5])])), &[x]);
    net.graph.output("transposed", transposed);
    let listed = vec![Move::Even(20), Move::Listed(vec![-1, 0, 15, 5, -1, 10]), Move::Even(1)];
    let padded = Access { start: 0, axes: listed, fill: 0.25 };
    let padded = net.then(of(nest(&[3, 6, 5], &[], vec![padded])), &[x]);
    net.graph.output("padded", padded);
    for fold in Fold::ALL {
        let folded = Nest { fold: *fold, ..nest(&[3, 5], &[2, 2], vec![access(0, &[20, 1, 10, 5])]) };
        let folded = net.then(of(folded), &[x]);
        net.graph.output(fold.name(), folded);
    }
    let weights = net.weight(&[5, 7]);
    let product = net.then(of(nest(&[12, 7], &[5], vec![access(0, &[5, 0, 1]), access(0, &[0, 1, 7])])), &[x, weights]);
    net.graph.output("matrix product", product);
    let [left, right] = [access(0, &[5, 0, 1]), access(0, &[0, 1, 12])];
    let square =
        net.then(of(nest(&[12, 12], &[7], vec![access(0, &[7, 0, 1]), access(0, &[0, 7, 1])])), &[product, product]);
    net.graph.output("square", square);
    let turned = net.then(of(nest(&[5, 12], &[], vec![access(0, &[1, 5])])), &[x]);
    let both = net.then(of(nest(&[12, 12], &[5], vec![left, right])), &[x, turned]);
    net.graph.output("both", both);
    let row = net.weight(&[5]);
    // Every other one, to spare the Rust compiler time; `runtime/src/scalar.rs` is what all of them are.
    for combine in Combine::ALL.iter().step_by(2) {
        let finish = Function::of(FunctionKind::Affine, 0.5, -1.0);
        let reads = vec![access(0, &[0, 0, 1]), Access::whole(&[3, 4, 5])];
        let one = Nest { combine: *combine, finish, ..nest(&[3, 4, 5], &[], reads) };
        // Powers of negative numbers are none, and whole numbers have no quotients by 0.
        let positive =
            Nest { finish: Function::of(FunctionKind::Clip, 0.5, 2.0), ..nest(&[60], &[], vec![access(0, &[1])]) };
        let positive = net.then(of(positive), &[x]);
        let first = net.then(of(one), &[row, positive]);
        net.graph.output(format!("{} of a constant", combine.name()), first);
    }
    let functions = FunctionKind::ALL.iter().filter(|kind| !matches!(kind, FunctionKind::Log | FunctionKind::Sqrt));
    for kind in functions.step_by(3) {
        let one = Nest { finish: Function::of(*kind, 0.6, 0.4), ..nest(&[60], &[], vec![access(0, &[1])]) };
        let one = net.then(of(one), &[x]);
        net.graph.output(format!("function {}", kind.name()), one);
    }
    let scalar = net.then(of(nest(&[], &[60], vec![access(0, &[1])])), &[x]);
    net.graph.output("scalar", scalar);
    let constant = net.weight(&[2, 3]);
    net.graph.output("constant", constant);
    net.graph
}

/// Maps that become arrays and maps again, of another number of images; a vector that becomes an array.
pub fn mixed(batch: usize) -> Graph {
    let (mut net, x) = Chosen::new([batch, 3, 9, 7], Layout::Nhwc);
    let y = net.conv(x, 20, [3, 3], 1, 1);
    let array = net.then(Op::AsArray, &[y]);
    // Groups of channels as images.
    let split = nest(&[4 * batch, 5, 9, 7], &[], vec![access(0, &[315, 63, 7, 1])]);
    let split = net.then(Op::Nest(Box::new(split)), &[array]);
    let map = net.then(Op::AsMap, &[split]);
    let z = net.conv(map, 24, [3, 3], 1, 1);
    let z = net.relu(z);
    let flat = net.then(Op::GlobalAveragePool, &[z]);
    let flat = net.then(Op::Flatten, &[flat]);
    let back = net.then(Op::AsArray, &[flat]);
    net.graph.output("array of a vector", back);
    let sum = nest(&[batch, 24], &[4], vec![access(0, &[96, 1, 24])]);
    let sum = net.then(Op::Nest(Box::new(sum)), &[back]);
    let vector = net.then(Op::AsMap, &[sum]);
    let kernel = net.weight(&[10, 24]);
    let logits = net.then(Op::Dense(Dense { bias: false, activation: None }), &[vector, kernel]);
    net.graph.output("logits", logits);
    net.graph.output("map", z);
    net.graph
}

/// Two pictures through the same layers, with what they have in common beside an array.
pub fn several(batch: usize) -> Graph {
    let (mut net, left) = Chosen::new([batch, 3, 9, 7], Layout::Nhwc);
    let right = net.graph.input("y", Layout::Nchw, [batch, 3, 9, 7]);
    let extra = net.graph.input("extra", Layout::Array, Shape(vec![batch, 20]));
    let [left, right] = [left, right].map(|picture| {
        let y = net.conv(picture, 20, [3, 3], 1, 1);
        let z = net.conv(y, 20, [3, 3], 1, 1);
        let sum = net.then(Op::Add { activation: None }, &[y, z]);
        let pooled = net.then(Op::GlobalAveragePool, &[sum]);
        net.then(Op::Flatten, &[pooled])
    });
    let product = net.then(Op::Multiply { activation: None }, &[left, right]);
    net.graph.output("product", product);
    let array = net.then(Op::AsArray, &[product]);
    let both = nest(&[batch, 20], &[], vec![access(0, &[20, 1]), access(0, &[20, 1])]);
    let both = net.then(Op::Nest(Box::new(both)), &[array, extra]);
    net.graph.output("both", both);
    net.graph
}
