//! Random residual graphs, each a function of its seed.

use resnetc::ir::scalar::{Combine, Fold, Function};
use resnetc::ir::{
    Access, Activation, BatchNorm, Conv, Dense, Graph, GroupNorm, Layout, Move, Nest, NodeId, Op, Pad, Padding, Pool,
    Shape, Tensor, strides,
};

/// A source of choices: SplitMix64, so that a graph is a function of its seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, count: usize) -> usize {
        (self.next() % count as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// From `low` to `high`.
    fn real(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn padding(&mut self, below: usize) -> Padding {
        let [top, left, bottom, right] = [0; 4].map(|_| self.below(below));
        Padding { top, left, bottom, right }
    }
}

struct Builder {
    dice: Dice,
    graph: Graph,
    /// Maps and vectors that may be read.
    pool: Vec<NodeId>,
}

impl Builder {
    fn tensor(&mut self, shape: &[usize], low: f64, high: f64) -> NodeId {
        let shape = Shape(shape.to_vec());
        let values: Vec<f32> = (0..shape.len()).map(|_| self.dice.real(low, high) as f32).collect();
        let name = format!("weight {}", self.graph.len());
        self.graph.constant(name, Tensor::new(shape, values).unwrap())
    }

    fn push(&mut self, op: Op, operands: &[NodeId]) -> NodeId {
        let name = self.dice.pick(&["layer", "l\"q\"", "a\\b\nc", "é\u{1}", ""]);
        let name = format!("{name}{}", self.graph.len());
        let id = self.graph.add(name, op, operands).unwrap();
        self.pool.push(id);
        id
    }

    fn activation(&mut self, percent: usize) -> Option<Activation> {
        self.dice.chance(percent).then(|| self.any_activation())
    }

    /// Half of them relu.
    fn any_activation(&mut self) -> Activation {
        if self.dice.chance(50) { Activation::Relu } else { self.dice.pick(&Activation::ALL) }
    }

    fn extents(&self, id: NodeId) -> Vec<usize> {
        self.graph.node(id).shape().0.clone()
    }

    /// A conv on a map; with `like`, one whose result has the same shape.
    fn conv(&mut self, x: NodeId, like: Option<&[usize]>) -> NodeId {
        let [_, channels, h, w] = self.extents(x)[..] else { unreachable!() };
        let groups = self.dice.pick(&(1..=channels).filter(|groups| channels % groups == 0).collect::<Vec<_>>());
        let (kernel, stride, padding, dilation, out) = match like {
            Some(shape) => ([3, 1], [1, 1], Padding { top: 0, bottom: 2, left: 0, right: 0 }, [1, 1], shape[1]),
            None => {
                let dilation = [0; 2].map(|_| 1 + self.dice.below(2));
                let padding = self.dice.padding(3);
                let room = [h + padding.top + padding.bottom, w + padding.left + padding.right];
                let kernel = [0, 1].map(|axis| {
                    let most = ((room[axis] - 1) / dilation[axis] + 1).min(3);
                    1 + self.dice.below(most)
                });
                let stride = [0; 2].map(|_| 1 + self.dice.below(2));
                (kernel, stride, padding, dilation, groups * (1 + self.dice.below(3)))
            }
        };
        let groups = if out % groups == 0 { groups } else { 1 };
        let bias = self.dice.chance(40);
        let weights = self.tensor(&[out, channels / groups, kernel[0], kernel[1]], -0.7, 0.7);
        let mut operands = vec![x, weights];
        if bias {
            operands.push(self.tensor(&[out], -1.0, 1.0));
        }
        let activation = self.activation(10);
        let conv = Conv { kernel, stride, padding, dilation, groups, bias, shortcut: false, activation, second: None };
        self.push(Op::Conv(conv), &operands)
    }

    fn norm(&mut self, x: NodeId) -> NodeId {
        let channels = self.extents(x)[1];
        let (gamma, beta) = (self.dice.chance(70), self.dice.chance(70));
        let mut operands = vec![x];
        if gamma {
            let low = if self.dice.chance(10) { 0.0 } else { -1.5 };
            operands.push(self.tensor(&[channels], low, -low));
        }
        if beta {
            operands.push(self.tensor(&[channels], -1.0, 1.0));
        }
        operands.push(self.tensor(&[channels], -1.0, 1.0));
        operands.push(self.tensor(&[channels], 0.0, 2.0));
        let epsilon = self.dice.pick(&[1e-5, 1e-3, 2e-5]);
        let activation = self.activation(10);
        self.push(Op::BatchNorm(BatchNorm { epsilon, gamma, beta, activation }), &operands)
    }

    fn group_norm(&mut self, x: NodeId) {
        let channels = self.extents(x)[1];
        let groups =
            self.dice.pick(&(1..=channels).filter(|groups| channels.is_multiple_of(*groups)).collect::<Vec<_>>());
        let operands = [x, self.tensor(&[channels], -1.5, 1.5), self.tensor(&[channels], -1.0, 1.0)];
        // Pixels that are all alike are divided by its root.
        let epsilon = self.dice.pick(&[1.0, 0.25]);
        let activation = self.activation(10);
        self.push(Op::GroupNorm(GroupNorm { groups, epsilon, activation }), &operands);
    }

    /// Loop nests over the values of a map, which becomes one again.
    fn nests(&mut self, x: NodeId) {
        let map = self.extents(x);
        let array = self.graph.add(format!("array {}", self.graph.len()), Op::AsArray, &[x]).unwrap();
        let steps = strides(&map);
        let (turned, [h, w]) = (self.dice.chance(50), [map[2], map[3]]);
        let mut shape = map.clone();
        let mut first = Access::whole(&map);
        if turned {
            shape.swap(2, 3);
            first.axes.swap(2, 3);
        }
        if self.dice.chance(50) {
            // The last channel first.
            first.start = (map[1] - 1) * steps[1];
            first.axes[1] = Move::Even(-(steps[1] as isize));
        }
        let mut reduced = Vec::new();
        if self.dice.chance(50) {
            // Two neighbouring rows, one of them beyond the map at its end.
            let (axis, step, extent) = if turned { (3, steps[2], h) } else { (2, steps[2], h) };
            let row = |at: usize| if at < extent { (at * step) as i32 } else { -1 };
            shape[axis] = 2 * extent.div_ceil(3);
            first.axes[axis] = Move::Listed((0..shape[axis]).map(row).collect());
            reduced.push(w.min(2));
            first.axes[if turned { 2 } else { 3 }] = Move::Even(0);
            first.axes.push(Move::Even(1));
        }
        let mut operands = vec![array];
        let mut reads = vec![first];
        if self.dice.chance(50) {
            // One value for each channel, or the array itself again.
            let mut access = reads[0].clone();
            if self.dice.chance(50) {
                operands.push(self.tensor(&[map[1]], -1.0, 1.0));
                access.start = 0;
                access.axes.iter_mut().for_each(|axis| *axis = Move::Even(0));
                access.axes[1] = Move::Even(1);
            } else {
                operands.push(array);
            }
            reads.push(access);
        }
        let (mut combine, mut fold) = (Combine::Add, Fold::Sum);
        if reads.len() > 1 {
            combine = self.dice.pick(&[Combine::Add, Combine::Subtract, Combine::Maximum, Combine::Minimum]);
        }
        if !reduced.is_empty() {
            fold = self.dice.pick(&[Fold::Sum, Fold::Maximum, Fold::Minimum]);
        }
        let nest = Nest { shape: Shape(shape), reduced, operands: reads, combine, fold, finish: Function::IDENTITY };
        let name = format!("nest {}", self.graph.len());
        let nest = self.graph.add(name, Op::Nest(Box::new(nest)), &operands).unwrap();
        self.push(Op::AsMap, &[nest]);
    }

    fn window(&mut self, x: NodeId) -> Pool {
        let [_, _, h, w] = self.extents(x)[..] else { unreachable!() };
        let kernel = [1 + self.dice.below(h.min(3)), 1 + self.dice.below(w.min(3))];
        let stride = [0; 2].map(|_| 1 + self.dice.below(3));
        let mut padding = self.dice.padding(kernel[0].min(kernel[1]));
        if self.dice.chance(50) {
            padding = Padding::default();
        }
        Pool { kernel, stride, padding, ceil_mode: self.dice.chance(50) }
    }

    /// One more node, or a few that belong together.
    fn grow(&mut self) {
        // Mostly the last node, so that graphs are deep; any other makes second readers.
        let maps: Vec<_> = self.pool.iter().copied().filter(|id| self.extents(*id).len() == 4).collect();
        let x = if self.dice.chance(75) { *maps.last().unwrap() } else { self.dice.pick(&maps) };
        let shape = self.extents(x);
        match self.dice.below(35) {
            0..=3 => {
                let conv = self.conv(x, None);
                self.norm(conv);
            }
            4 | 5 => {
                self.conv(x, None);
            }
            6 => {
                self.norm(x);
            }
            7 | 8 => {
                let activation = self.any_activation();
                self.push(Op::Activation(activation), &[x]);
            }
            9..=12 => {
                // A residual block, with a conv on one side or on both.
                let mut main = self.conv(x, Some(&shape));
                if self.dice.chance(60) {
                    main = self.norm(main);
                }
                if self.dice.chance(20) {
                    main = self.scale(main);
                }
                let mut side = x;
                if self.dice.chance(40) {
                    side = self.conv(x, Some(&shape));
                }
                let sides = if self.dice.chance(50) { [main, side] } else { [side, main] };
                let activation = self.activation(20);
                let sum = self.push(Op::Add { activation }, &sides);
                if self.dice.chance(60) {
                    let activation = self.any_activation();
                    self.push(Op::Activation(activation), &[sum]);
                }
            }
            13 => {
                let pool = self.window(x);
                self.push(Op::MaxPool(pool), &[x]);
            }
            14 => {
                let (pool, count_include_padding) = (self.window(x), self.dice.chance(50));
                self.push(Op::AveragePool { pool, count_include_padding }, &[x]);
            }
            15 | 16 => {
                // Option A: every second pixel, more channels of zeros; the sum with a conv that does the same.
                let small = self.push(Op::Subsample { stride: [2, 2] }, &[x]);
                let pad = Pad { channels: [1, 1], spatial: Padding::default() };
                let wide = self.push(Op::Pad(pad), &[small]);
                let out = self.extents(wide);
                let kernel = self.tensor(&[out[1], shape[1], 1, 1], -0.7, 0.7);
                let conv = Conv {
                    kernel: [1, 1],
                    stride: [2, 2],
                    padding: Padding::default(),
                    dilation: [1, 1],
                    groups: 1,
                    bias: false,
                    shortcut: false,
                    activation: None,
                    second: None,
                };
                let conv = self.push(Op::Conv(conv), &[x, kernel]);
                self.push(Op::Add { activation: None }, &[wide, conv]);
            }
            17 => {
                // A chain of constants.
                let mut constant = self.tensor(&shape, -1.0, 1.0);
                let other = self.tensor(&shape, -1.0, 1.0);
                for _ in 0..1 + self.dice.below(3) {
                    constant = self.push(Op::Add { activation: None }, &[constant, other]);
                }
                self.push(Op::Add { activation: None }, &[x, constant]);
            }
            18 => {
                self.push(Op::Add { activation: None }, &[x, x]);
            }
            19 => {
                let mut parts = vec![x];
                let like: Vec<_> = maps
                    .iter()
                    .copied()
                    .filter(|id| self.extents(*id)[2..] == shape[2..] && self.extents(*id)[1] <= 12)
                    .collect();
                for _ in 0..self.dice.below(4) {
                    let part = if like.is_empty() || self.dice.chance(30) {
                        self.conv(x, Some(&shape))
                    } else {
                        self.dice.pick(&like)
                    };
                    parts.insert(self.dice.below(parts.len() + 1), part);
                }
                self.push(Op::Concat { operands: parts.len() }, &parts);
            }
            20 => self.excite(x),
            21 => {
                let mut gate = self.conv(x, Some(&shape));
                let activation = self.dice.pick(&[Activation::Sigmoid, Activation::Tanh, Activation::Relu6]);
                gate = self.push(Op::Activation(activation), &[gate]);
                let sides = if self.dice.chance(50) { [gate, x] } else { [x, gate] };
                let activation = self.activation(20);
                self.push(Op::Multiply { activation }, &sides);
            }
            22 => {
                let mut y = x;
                if self.dice.chance(70) {
                    y = self.conv(x, None);
                }
                self.scale(y);
            }
            23 => {
                let begin = self.dice.below(shape[1]);
                let end = begin + 1 + self.dice.below(shape[1] - begin);
                self.push(Op::Slice { channels: [begin, end] }, &[x]);
            }
            24 | 25 => {
                let mut y = x;
                if self.dice.chance(50) {
                    let activation = self.any_activation();
                    y = self.push(Op::Activation(activation), &[x]);
                }
                let pad = Pad { channels: [0, 0], spatial: self.dice.padding(3) };
                y = self.push(Op::Pad(pad), &[y]);
                if self.dice.chance(50) {
                    self.conv(y, None);
                } else {
                    let pool = self.window(y);
                    self.push(Op::MaxPool(pool), &[y]);
                }
            }
            26 | 27 => self.projection(x),
            28 | 29 => self.siblings(x),
            30 => self.pre_activation(x),
            31 => {
                let y = self.conv(x, Some(&shape));
                self.group_norm(y);
            }
            32 => self.group_norm(x),
            33 => self.nests(x),
            _ => {
                let (spatial, channels) = (self.dice.padding(2), self.dice.below(2));
                self.push(Op::Pad(Pad { channels: [0, channels], spatial }), &[x]);
            }
        }
    }

    /// A sum, or a conv's result, that goes on by itself and normalised or activated.
    fn pre_activation(&mut self, x: NodeId) {
        let mut sum = self.plain(x, 16, [1, 1], [1, 1]);
        for _ in 0..1 + self.dice.below(2) {
            let before = if self.dice.chance(70) {
                self.norm(sum)
            } else {
                let activation = self.any_activation();
                self.push(Op::Activation(activation), &[sum])
            };
            let body = self.plain(before, 16, [1, 1], [1, 1]);
            sum = self.push(Op::Add { activation: None }, &[body, sum]);
        }
    }

    /// A conv without padding, groups and dilation.
    fn plain(&mut self, x: NodeId, out: usize, kernel: [usize; 2], stride: [usize; 2]) -> NodeId {
        let channels = self.extents(x)[1];
        let mut operands = vec![x, self.tensor(&[out, channels, kernel[0], kernel[1]], -0.7, 0.7)];
        let bias = self.dice.chance(50);
        if bias {
            operands.push(self.tensor(&[out], -1.0, 1.0));
        }
        let padding = Padding::default();
        let conv = Conv {
            kernel,
            stride,
            padding,
            dilation: [1, 1],
            groups: 1,
            bias,
            shortcut: false,
            activation: None,
            second: None,
        };
        self.push(Op::Conv(conv), &operands)
    }

    /// A map with a whole block of channels, mostly.
    fn widen(&mut self, x: NodeId) -> NodeId {
        let out = self.dice.pick(&[16, 16, 16, 5]);
        let wide = self.plain(x, out, [1, 1], [1, 1]);
        if self.dice.chance(50) { self.push(Op::Activation(Activation::Relu), &[wide]) } else { wide }
    }

    /// A block whose two 1x1 convs are added, with a stride or without; another conv may read the same pixels.
    fn projection(&mut self, x: NodeId) {
        let x = self.widen(x);
        let stride = self.dice.pick(&[[1, 1], [2, 2], [1, 2]]);
        let mut main = x;
        if self.dice.chance(50) {
            let out = self.dice.pick(&[16, 16, 3]);
            main = self.plain(main, out, [1, 1], stride);
            main = self.push(Op::Activation(Activation::Relu), &[main]);
            let shape = self.extents(main);
            main = self.conv(main, Some(&shape));
        } else {
            let pool = Pool { kernel: [1, 1], stride, padding: Padding::default(), ceil_mode: false };
            main = self.push(Op::MaxPool(pool), &[main]);
        }
        let out = 1 + self.dice.below(3);
        let mut sides = [self.plain(main, out, [1, 1], [1, 1]), self.plain(x, out, [1, 1], stride)];
        if self.dice.chance(60) {
            sides = sides.map(|side| self.norm(side));
        }
        if self.dice.chance(50) {
            sides.reverse();
        }
        let activation = self.activation(40);
        self.push(Op::Add { activation }, &sides);
    }

    /// Convs that read the same map alike, and are read by convs.
    fn siblings(&mut self, x: NodeId) {
        let [_, _, h, w] = self.extents(x)[..] else { unreachable!() };
        let kernel = [1 + self.dice.below(h.min(2)), 1 + self.dice.below(w.min(2))];
        let stride = [0; 2].map(|_| 1 + self.dice.below(2));
        let activation = self.any_activation();
        let mut last = Vec::new();
        for _ in 0..2 + self.dice.below(2) {
            let out = self.dice.pick(&[16, 16, 16, 2]);
            let mut part = self.plain(x, out, kernel, stride);
            if self.dice.chance(60) {
                part = self.norm(part);
            }
            if self.dice.chance(80) {
                part = self.push(Op::Activation(activation), &[part]);
            }
            if self.dice.chance(80) {
                part = self.plain(part, 2, [1, 1], [1, 1]);
            }
            last.push(part);
        }
        self.push(Op::Concat { operands: last.len() }, &last);
    }

    /// What exporters put in front of a network: its input normalised, and a conv behind that.
    fn preprocess(&mut self, x: NodeId) {
        let mut y = x;
        for _ in 0..1 + self.dice.below(3) {
            y = match self.dice.below(3) {
                0 => self.scale(y),
                1 => self.norm(y),
                _ => {
                    // Without a shift.
                    let channels = self.extents(y)[1];
                    let operands = [
                        y,
                        self.tensor(&[channels], -1.5, 1.5),
                        self.tensor(&[channels], 0.0, 0.0),
                        self.tensor(&[channels], 0.5, 2.0),
                    ];
                    let norm = BatchNorm { epsilon: 1e-5, gamma: true, beta: false, activation: None };
                    self.push(Op::BatchNorm(norm), &operands)
                }
            };
        }
        // What grows next reads the conv, or what is in front, and may keep it.
        if self.dice.chance(70) {
            self.pool.clear();
        }
        match self.dice.chance(50) {
            true => self.conv(y, None),
            false => self.plain(y, 3, [2, 2], [1, 1]),
        };
    }

    fn scale(&mut self, x: NodeId) -> NodeId {
        let factor = self.dice.pick(&[0.17, -1.0, 1.0, 0.0, 1.5]);
        self.push(Op::Scale { factor }, &[x])
    }

    /// Squeeze and excitation.
    fn excite(&mut self, x: NodeId) {
        let channels = self.extents(x)[1];
        let pool = self.dice.pick(&[Op::GlobalAveragePool, Op::GlobalMaxPool]);
        let mut gate = self.push(pool, &[x]);
        for (out, activation) in [(1 + channels / 2, Activation::Relu), (channels, Activation::Sigmoid)] {
            let inputs = self.extents(gate)[1];
            let weights = self.tensor(&[out, inputs, 1, 1], -0.7, 0.7);
            let bias = self.tensor(&[out], -1.0, 1.0);
            let conv = Conv {
                kernel: [1, 1],
                stride: [1, 1],
                padding: Padding::default(),
                dilation: [1, 1],
                groups: 1,
                bias: true,
                shortcut: false,
                activation: None,
                second: None,
            };
            gate = self.push(Op::Conv(conv), &[gate, weights, bias]);
            let activation = if self.dice.chance(80) { activation } else { Activation::HardSigmoid };
            gate = self.push(Op::Activation(activation), &[gate]);
        }
        self.push(Op::Multiply { activation: None }, &[x, gate]);
    }

    fn head(&mut self) {
        let x = *self.pool.iter().rev().find(|id| self.extents(**id).len() == 4).unwrap();
        let pooled = self.push(Op::GlobalAveragePool, &[x]);
        let flat = self.push(Op::Flatten, &[pooled]);
        let features = self.extents(flat)[1];
        let kernel = self.tensor(&[3, features], -1.0, 1.0);
        let mut operands = vec![flat, kernel];
        let bias = self.dice.chance(50);
        if bias {
            operands.push(self.tensor(&[3], -1.0, 1.0));
        }
        let mut y = self.push(Op::Dense(Dense { bias, activation: None }), &operands);
        if self.dice.chance(50) {
            y = self.norm(y);
        }
        if self.dice.chance(30) {
            let activation = self.any_activation();
            y = self.push(Op::Activation(activation), &[y]);
        }
        if self.dice.chance(20) {
            let begin = self.dice.below(3);
            let part = self.push(Op::Slice { channels: [begin, 3] }, &[y]);
            let product = self.push(Op::Multiply { activation: None }, &[y, y]);
            y = self.push(Op::Concat { operands: 3 }, &[part, product, y]);
            y = self.scale(y);
        }
        if self.dice.chance(50) {
            y = self.push(Op::Softmax, &[y]);
        }
        self.graph.output("y", y);
        if self.dice.chance(20) {
            let middle = self.dice.pick(&self.pool.clone());
            self.graph.output("middle", middle);
        }
    }
}

/// A sound graph of some `size` layers with its input's values.
pub fn random(seed: u64, size: usize) -> (Graph, Vec<f64>) {
    let mut builder = Builder { dice: Dice(seed), graph: Graph::new(), pool: Vec::new() };
    let dice = &mut builder.dice;
    let shape = [1 + dice.below(2), 1 + dice.below(4), 3 + dice.below(5), 3 + dice.below(5)];
    let values = (0..shape.iter().product()).map(|_| dice.real(-2.0, 2.0)).collect();
    let x = builder.graph.input("x", Layout::Nchw, shape);
    builder.pool.push(x);
    if builder.dice.chance(30) {
        builder.preprocess(x);
    }
    for _ in 0..size {
        builder.grow();
    }
    builder.head();
    (builder.graph, values)
}

/// A chain of residual blocks on one channel.
pub fn chain(blocks: usize) -> Graph {
    let mut builder = Builder { dice: Dice(1), graph: Graph::new(), pool: Vec::new() };
    let mut x = builder.graph.input("x", Layout::Nchw, [1, 1, 2, 2]);
    for _ in 0..blocks {
        let shape = builder.extents(x);
        let conv = builder.conv(x, Some(&shape));
        let norm = builder.norm(conv);
        let sum = builder.push(Op::Add { activation: None }, &[norm, x]);
        x = builder.push(Op::Activation(Activation::Relu), &[sum]);
    }
    builder.graph.output("y", x);
    builder.graph
}
