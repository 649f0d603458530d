//! The geometry of a layer as tokens: struct literals of the types in `runtime/src/geometry.rs`.

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

use super::number;
use crate::ir::{Access, Move, Nest};
use crate::plan::geometry::Operand;
use crate::plan::geometry::{
    Activation, Algorithm, ChannelsGeometry, ConvGeometry, DenseGeometry, Direct, ElementwiseGeometry, FlattenGeometry,
    Frame, GlobalPoolGeometry, GroupNormGeometry, Grouped, InputGeometry, Join, Map, OutputGeometry, PoolGeometry,
    Reduction, RemapGeometry, SoftmaxGeometry, Strassen, Winograd,
};
use crate::plan::{Kernel, Tile, Tiles};

/// What the types of such layers are called, before their number.
pub(super) fn stem(kernel: &Kernel) -> &'static str {
    match kernel {
        Kernel::Input(_) => "Input",
        Kernel::Conv { .. } => "Conv",
        Kernel::Pool(_) => "Pool",
        Kernel::Elementwise(_) => "Elementwise",
        Kernel::GroupNorm(_) => "GroupNorm",
        Kernel::Remap(_) => "Remap",
        Kernel::Channels(_) => "Channels",
        Kernel::GlobalPool(_) => "GlobalPool",
        Kernel::Dense(_) => "Dense",
        Kernel::Softmax(_) => "Softmax",
        Kernel::Flatten(_) => "Flatten",
        Kernel::Output(_) => "Output",
        Kernel::AsArray(_) => "AsArray",
        Kernel::AsMap(_) => "AsMap",
        Kernel::Nest { .. } => "Nest",
    }
}

/// A layer's geometry, and the name of its type.
pub(super) fn geometry(kernel: &Kernel) -> (TokenStream, Ident) {
    let name = match kernel {
        Kernel::AsArray(_) => format_ident!("OutputGeometry"),
        Kernel::AsMap(_) => format_ident!("InputGeometry"),
        _ => format_ident!("{}Geometry", stem(kernel)),
    };
    let tokens = match kernel {
        Kernel::Nest { nest, lengths, constant } => self::nest(nest, lengths, *constant),
        Kernel::Input(InputGeometry { batch, output, channels_last })
        | Kernel::AsMap(InputGeometry { batch, output, channels_last }) => {
            let (batch, output) = (number(*batch), map(output));
            quote!(InputGeometry { batch: #batch, output: #output, channels_last: #channels_last })
        }
        Kernel::Conv { geometry, first_block, .. } => conv(geometry, first_block),
        Kernel::Pool(geometry) => pool(geometry),
        Kernel::Elementwise(ElementwiseGeometry { batch, input, other, join, output, affine, activation }) => {
            let (batch, input, output) = (number(*batch), map(input), map(output));
            let (other, activation) = (optional(other), self::activation(*activation));
            let join = match join {
                Join::Sum => quote!(Join::Sum),
                Join::Product => quote!(Join::Product),
            };
            quote!(ElementwiseGeometry {
                batch: #batch, input: #input, other: #other, join: #join, output: #output, affine: #affine,
                activation: #activation,
            })
        }
        Kernel::GroupNorm(GroupNormGeometry { batch, input, output, groups, epsilon, activation }) => {
            let (batch, input, output, groups) = (number(*batch), map(input), map(output), number(*groups));
            let (epsilon, activation) = (Literal::f32_unsuffixed(*epsilon), self::activation(*activation));
            quote!(GroupNormGeometry {
                batch: #batch, input: #input, output: #output, groups: #groups, epsilon: #epsilon,
                activation: #activation,
            })
        }
        Kernel::Channels(ChannelsGeometry { batch, input, output, from, to, count }) => {
            let (batch, input, output) = (number(*batch), map(input), map(output));
            let (from, to, count) = (number(*from), number(*to), number(*count));
            quote!(ChannelsGeometry {
                batch: #batch, input: #input, output: #output, from: #from, to: #to, count: #count,
            })
        }
        Kernel::Remap(RemapGeometry { batch, input, output, stride, channels_before, top, left }) => {
            let (batch, input, output, stride) = (number(*batch), map(input), map(output), list(stride));
            let (before, top, left) = (number(*channels_before), number(*top), number(*left));
            quote!(RemapGeometry {
                batch: #batch, input: #input, output: #output, stride: #stride, channels_before: #before, top: #top,
                left: #left,
            })
        }
        Kernel::GlobalPool(GlobalPoolGeometry { batch, input, output, reduction }) => {
            let (batch, input, output, reduction) =
                (number(*batch), map(input), map(output), self::reduction(*reduction));
            quote!(GlobalPoolGeometry { batch: #batch, input: #input, output: #output, reduction: #reduction })
        }
        Kernel::Dense(DenseGeometry { batch, features, units, panel, activation }) => {
            let (batch, features, units) = (number(*batch), number(*features), number(*units));
            let (panel, activation) = (number(*panel), self::activation(*activation));
            quote!(DenseGeometry {
                batch: #batch, features: #features, units: #units, panel: #panel, activation: #activation,
            })
        }
        Kernel::Softmax(SoftmaxGeometry { batch, features }) => {
            let (batch, features) = (number(*batch), number(*features));
            quote!(SoftmaxGeometry { batch: #batch, features: #features })
        }
        Kernel::Flatten(FlattenGeometry { batch, input }) => {
            let (batch, input) = (number(*batch), map(input));
            quote!(FlattenGeometry { batch: #batch, input: #input })
        }
        Kernel::Output(OutputGeometry { batch, input }) | Kernel::AsArray(OutputGeometry { batch, input }) => {
            let (batch, input) = (number(*batch), map(input));
            quote!(OutputGeometry { batch: #batch, input: #input })
        }
    };
    (tokens, name)
}

/// A convolution's register tiles as associated types.
pub(super) fn tiles(kernel: &Kernel) -> Option<TokenStream> {
    let Kernel::Conv { tiles: Tiles { avx512, avx2, neon, portable }, .. } = kernel else { return None };
    let [avx512, avx2, neon, portable] = [avx512, avx2, neon, portable].map(tile);
    Some(quote! {
        type Avx512 = #avx512;
        type Avx2 = #avx2;
        type Neon = #neon;
        type Portable = #portable;
    })
}

fn tile(tile: &Tile) -> TokenStream {
    let (pixels, fewer, vectors) = (number(tile.pixels), number(tile.fewer), number(tile.vectors));
    quote!(Tile<#pixels, #fewer, #vectors>)
}

fn conv(geometry: &ConvGeometry, first_block: &[usize]) -> TokenStream {
    let (batch, input, output) = (number(geometry.batch), map(&geometry.input), map(&geometry.output));
    let shortcut = optional(&geometry.shortcut);
    let (kernel, stride, dilation) = (list(&geometry.kernel), list(&geometry.stride), list(&geometry.dilation));
    let (padding, window) = (list(&geometry.padding), number(geometry.window));
    let (first_block, activation) = (list(first_block), self::activation(geometry.activation));
    let second = match geometry.second {
        Some(second) => {
            let second = self::activation(second);
            quote!(Some(#second))
        }
        None => quote!(None),
    };
    let algorithm = match geometry.algorithm {
        Algorithm::Direct(Direct { band, depth, sums }) => {
            let (band, depth, sums) = (number(band), number(depth), number(sums));
            quote!(Algorithm::Direct(Direct { band: #band, depth: #depth, sums: #sums }))
        }
        Algorithm::Winograd(Winograd { outputs, group }) => {
            let (outputs, group) = (number(outputs), number(group));
            quote!(Algorithm::Winograd(Winograd { outputs: #outputs, group: #group }))
        }
        Algorithm::Strassen(Strassen { band, depth }) => {
            let (band, depth) = (number(band), number(depth));
            quote!(Algorithm::Strassen(Strassen { band: #band, depth: #depth }))
        }
        Algorithm::Grouped(Grouped { channels }) => {
            let channels = number(channels);
            quote!(Algorithm::Grouped(Grouped { channels: #channels }))
        }
    };
    quote!(ConvGeometry {
        batch: #batch, input: #input, output: #output, shortcut: #shortcut, kernel: #kernel, stride: #stride,
        dilation: #dilation, padding: #padding, window: #window, first_block: &#first_block,
        activation: #activation, second: #second, algorithm: #algorithm,
    })
}

fn nest(nest: &Nest, lengths: &[usize], constant: Option<Operand>) -> TokenStream {
    let (output, reduced) = (list(&nest.shape.0), list(&nest.reduced));
    let mut reads = nest.operands.iter().zip(lengths).map(|(access, length)| self::access(access, *length));
    let (a, b) = (reads.next(), reads.next());
    let b = match b {
        Some(b) => quote!(Some(#b)),
        None => quote!(None),
    };
    let constant = match constant {
        None => quote!(None),
        Some(Operand::A) => quote!(Some(Operand::A)),
        Some(Operand::B) => quote!(Some(Operand::B)),
    };
    let [combine, fold, kind] = [nest.combine.variant(), nest.fold.variant(), nest.finish.kind.variant()]
        .map(|variant| format_ident!("{variant}"));
    let [alpha, beta] = [nest.finish.alpha, nest.finish.beta].map(double);
    quote!(NestGeometry {
        output: &#output, reduced: &#reduced, a: #a, b: #b, constant: #constant, combine: Combine::#combine,
        fold: Fold::#fold, finish: Function::of(FunctionKind::#kind, #alpha, #beta),
    })
}

fn access(access: &Access, length: usize) -> TokenStream {
    let (length, start) = (number(length), number(access.start));
    let axes = access.axes.iter().map(|axis| match axis {
        Move::Even(step) => {
            let step = Literal::isize_unsuffixed(*step);
            quote!(Move::Even(#step))
        }
        Move::Listed(places) => {
            let places = places.iter().map(|place| Literal::i32_unsuffixed(*place));
            quote!(Move::Listed(&[#(#places),*]))
        }
    });
    let fill = single(access.fill);
    quote!(Access { length: #length, start: #start, axes: &[#(#axes),*], fill: #fill })
}

/// A number, which may be infinite.
fn single(value: f32) -> TokenStream {
    if value.is_finite() {
        let value = Literal::f32_unsuffixed(value);
        quote!(#value)
    } else {
        let bits = Literal::u32_unsuffixed(value.to_bits());
        quote!(f32::from_bits(#bits))
    }
}

fn double(value: f64) -> TokenStream {
    if value.is_finite() {
        let value = Literal::f64_unsuffixed(value);
        quote!(#value)
    } else {
        let bits = Literal::u64_unsuffixed(value.to_bits());
        quote!(f64::from_bits(#bits))
    }
}

fn pool(geometry: &PoolGeometry) -> TokenStream {
    let (batch, input, output) = (number(geometry.batch), map(&geometry.input), map(&geometry.output));
    let (kernel, stride, padding) = (list(&geometry.kernel), list(&geometry.stride), list(&geometry.padding));
    let reduction = reduction(geometry.reduction);
    quote!(PoolGeometry {
        batch: #batch, input: #input, output: #output, kernel: #kernel, stride: #stride, padding: #padding,
        reduction: #reduction,
    })
}

fn reduction(reduction: Reduction) -> TokenStream {
    match reduction {
        Reduction::Max => quote!(Reduction::Max),
        Reduction::Mean => quote!(Reduction::Mean),
        Reduction::MeanWithPadding => quote!(Reduction::MeanWithPadding),
    }
}

fn map(map: &Map) -> TokenStream {
    let (channels, height, width, block) =
        (number(map.channels), number(map.height), number(map.width), number(map.block));
    let frame = if map.frame.is_none() {
        quote!(Frame::NONE)
    } else {
        let Frame { top, left, bottom, right } = map.frame;
        let (top, left, bottom, right) = (number(top), number(left), number(bottom), number(right));
        quote!(Frame { top: #top, left: #left, bottom: #bottom, right: #right })
    };
    let rest = if map.rest.is_none() {
        quote!(Rest::NONE)
    } else {
        let (rows, blocks) = (number(map.rest.rows), number(map.rest.blocks));
        quote!(Rest { rows: #rows, blocks: #blocks })
    };
    quote!(Map { channels: #channels, height: #height, width: #width, block: #block, frame: #frame, rest: #rest })
}

fn optional(value: &Option<Map>) -> TokenStream {
    match value {
        Some(value) => {
            let map = map(value);
            quote!(Some(#map))
        }
        None => quote!(None),
    }
}

fn activation(activation: Activation) -> TokenStream {
    match activation {
        Activation::None => quote!(Activation::None),
        Activation::Relu => quote!(Activation::Relu),
        Activation::Relu6 => quote!(Activation::Relu6),
        Activation::Sigmoid => quote!(Activation::Sigmoid),
        Activation::HardSigmoid => quote!(Activation::HardSigmoid),
        Activation::HardSwish => quote!(Activation::HardSwish),
        Activation::Silu => quote!(Activation::Silu),
        Activation::Tanh => quote!(Activation::Tanh),
    }
}

fn list(values: &[usize]) -> TokenStream {
    let values = values.iter().map(|value| number(*value));
    quote!([#(#values),*])
}
