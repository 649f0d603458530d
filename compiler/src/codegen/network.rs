//! What surrounds the steps: the description of the network, the methods of its type, the header of the file.

use std::fmt::Write;

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use sha2::{Digest, Sha256};

use super::{Item, Weights, comment, inputs, number, outputs};
use crate::frontend::{Color, Interpolation, Preprocess, Resize, Rounding};
use crate::pipeline::Compiled;
use crate::plan::{Input, Output};

/// Comment lines above generated code: what it was made from, and how.
pub(super) fn header(compiled: &Compiled) -> String {
    let (network, plan) = (&compiled.network, &compiled.plan);
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(text, "// {name:<11}{}", comment(&value));
    };
    line("resnetc", format!("{}; generated code, not meant to be edited", env!("CARGO_PKG_VERSION")));
    line("network", network.name.clone());
    line("weights", network.weights.clone());
    for input in &plan.inputs {
        line("input", format!("{} {:?}", input.name, input.shape));
    }
    for output in &plan.outputs {
        line("output", format!("{} {:?}", output.name, output.shape));
    }
    line("passes", passes(compiled).join(" "));
    line("counts", format!("{} parameters, {} multiply-accumulates", network.parameters, plan.macs()));
    line("memory", format!("{} bytes of activations, {} of weights", plan.arena * 4, plan.weights.len() * 4));
    for (name, sum) in checksums(compiled) {
        line(name, sum);
    }
    text.push('\n');
    text
}

/// The constant `NETWORK`.
pub(super) fn constant(compiled: &Compiled) -> TokenStream {
    let (network, plan) = (&compiled.network, &compiled.plan);
    let (name, description, weights) = (&network.name, &network.description, &network.weights);
    let inputs = plan.inputs.iter().map(|Input { name, shape, channels_last }| {
        let shape = shape.iter().map(|extent| number(*extent));
        quote!(Input { name: #name, shape: &[#(#shape),*], channels_last: #channels_last })
    });
    let outputs = plan.outputs.iter().map(|Output { name, shape, softmax }| {
        let shape = shape.iter().map(|extent| number(*extent));
        quote!(Output { name: #name, shape: &[#(#shape),*], softmax: #softmax })
    });
    let (parameters, macs) = (Literal::u64_unsuffixed(network.parameters), Literal::u64_unsuffixed(plan.macs()));
    let passes = passes(compiled);
    let steps = number(plan.steps.len());
    let (arena, blob) = (number(plan.arena * 4), number(plan.weights.len() * 4));
    let checksums = checksums(compiled);
    let checksums = checksums.iter().map(|(name, sum)| quote!((#name, #sum)));
    let compiler = env!("CARGO_PKG_VERSION");
    let preprocess = match &network.preprocess {
        Some(preprocess) => {
            let preprocess = self::preprocess(preprocess);
            quote!(Some(#preprocess))
        }
        None => quote!(None),
    };
    let labels = &network.labels;
    quote! {
        /// The description of the network.
        pub(super) static NETWORK: Network = Network {
            name: #name,
            description: #description,
            inputs: &[#(#inputs),*],
            outputs: &[#(#outputs),*],
            parameters: #parameters,
            macs: #macs,
            passes: &[#(#passes),*],
            steps: #steps,
            arena_bytes: #arena,
            weight_bytes: #blob,
            weights: #weights,
            checksums: &[#(#checksums),*],
            compiler: #compiler,
            preprocess: #preprocess,
            labels: &[#(#labels),*],
        };
    }
}

/// The methods of the type, and its implementation of `Model` when it carries its weights.
pub(super) fn api(compiled: &Compiled, item: &Item) -> TokenStream {
    let (name, runtime) = (&item.name, &item.runtime);
    let (inputs, infer) = (inputs::constant(compiled, item), inputs::infer(compiled, item));
    let constant = outputs::constant(compiled, item);
    let make = match &item.weights {
        Weights::Embedded(path) => quote! {
            #[allow(dead_code)]
            impl #name {
                /// Makes the network ready, with as many threads as the process may use.
                ///
                /// # Errors
                /// When the variable `RESNET_ISA` names an instruction set that is unknown or missing here.
                pub fn new() -> ::core::result::Result<Self, #runtime::Error> {
                    Self::with_options(#runtime::Options::default())
                }

                /// Makes the network ready.
                ///
                /// # Errors
                /// As [`Self::new`], and when the options ask for no thread.
                pub fn with_options(options: #runtime::Options) -> ::core::result::Result<Self, #runtime::Error> {
                    static BLOB: &#runtime::Aligned<[u8]> = &#runtime::Aligned(*include_bytes!(#path));
                    #runtime::Engine::new(#runtime::Weights::embedded(&BLOB.0), options).map(|engine| Self { engine })
                }
            }

            impl #runtime::Model for #name {
                const NETWORK: &'static #runtime::Network = &program::NETWORK;

                fn open(options: #runtime::Options) -> ::core::result::Result<Self, #runtime::Error> {
                    Self::with_options(options)
                }

                fn run(&mut self, input: &[f32]) -> ::core::result::Result<#runtime::Outputs<'_>, #runtime::Error> {
                    self.engine.infer(input)
                }

                fn isa(&self) -> &'static str {
                    self.engine.isa().name()
                }

                fn threads(&self) -> usize {
                    self.engine.threads()
                }

                fn steps(&self) -> &'static [#runtime::Step] {
                    self.engine.steps()
                }

                fn timings(&mut self, input: &[f32]) -> ::core::result::Result<::std::vec::Vec<#runtime::Timing>, #runtime::Error> {
                    self.engine.timings(input)
                }

                fn trace(&mut self, input: &[f32], visit: &mut dyn FnMut(#runtime::Traced<'_>)) -> ::core::result::Result<(), #runtime::Error> {
                    self.engine.trace(input, visit)
                }
            }
        },
        Weights::Runtime => quote! {
            #[allow(dead_code)]
            impl #name {
                /// Makes the network ready with `weights` packed for it, and as many threads as the process may use.
                ///
                /// # Errors
                /// When the weights are damaged or belong to another network, or when the variable `RESNET_ISA` names an
                /// instruction set that is unknown or missing here.
                pub fn new(weights: #runtime::Weights) -> ::core::result::Result<Self, #runtime::Error> {
                    Self::with_options(weights, #runtime::Options::default())
                }

                /// Makes the network ready with `weights` packed for it.
                ///
                /// # Errors
                /// As [`Self::new`], and when the options ask for no thread.
                pub fn with_options(weights: #runtime::Weights, options: #runtime::Options) -> ::core::result::Result<Self, #runtime::Error> {
                    #runtime::Engine::new(weights, options).map(|engine| Self { engine })
                }
            }
        },
    };
    quote! {
        #[allow(dead_code)]
        impl #name {
            /// The network's name.
            pub const NAME: &'static str = program::NETWORK.name;
            #inputs
            #constant
            /// Trainable parameters.
            pub const PARAMETERS: u64 = program::NETWORK.parameters;
            /// Multiply-accumulates for one image.
            pub const MACS: u64 = program::NETWORK.macs;
            /// Bytes of activations that an instance holds.
            pub const ARENA_BYTES: u64 = program::NETWORK.arena_bytes;
            /// Bytes of packed weights.
            pub const WEIGHT_BYTES: u64 = program::NETWORK.weight_bytes;
            /// A label per class, or empty.
            pub const LABELS: &'static [&'static str] = program::NETWORK.labels;
            /// The whole description.
            pub const NETWORK: &'static #runtime::Network = &program::NETWORK;

            #infer

            /// The instruction set in use: `avx512`, `avx2`, `neon` or `portable`.
            pub fn isa(&self) -> &'static str {
                self.engine.isa().name()
            }

            /// The number of threads in use.
            pub fn threads(&self) -> usize {
                self.engine.threads()
            }
        }

        /// A copy has memory of its own for activations, and shares weights and threads.
        impl ::core::clone::Clone for #name {
            fn clone(&self) -> Self {
                Self { engine: self.engine.clone() }
            }
        }

        #make
    }
}

fn passes(compiled: &Compiled) -> Vec<&'static str> {
    compiled.passes.iter().map(|report| report.pass).collect()
}

/// SHA-256 of the packed weights, and the fingerprint of the plan.
fn checksums(compiled: &Compiled) -> Vec<(&'static str, String)> {
    let mut hash = Sha256::new();
    let mut buffer = Vec::with_capacity(1 << 16);
    for chunk in compiled.plan.weights.chunks(1 << 14) {
        buffer.clear();
        buffer.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
        hash.update(&buffer);
    }
    let sum = hash.finalize().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    vec![("sha256", sum), ("plan", format!("{:016x}", compiled.plan.fingerprint))]
}

fn preprocess(preprocess: &Preprocess) -> TokenStream {
    let resize = match preprocess.resize {
        Resize::ShorterSide(length) => {
            let length = number(length);
            quote!(Resize::ShorterSide(#length))
        }
        Resize::Cover(size) => {
            let size = size.map(number);
            quote!(Resize::Cover([#(#size),*]))
        }
        Resize::Exact(size) => {
            let size = size.map(number);
            quote!(Resize::Exact([#(#size),*]))
        }
    };
    let interpolation = match preprocess.interpolation {
        Interpolation::Nearest => quote!(Interpolation::Nearest),
        Interpolation::Bilinear => quote!(Interpolation::Bilinear),
        Interpolation::Bicubic => quote!(Interpolation::Bicubic),
    };
    let antialias = preprocess.antialias;
    let crop = match preprocess.crop {
        Some(size) => {
            let size = size.map(number);
            quote!(Some([#(#size),*]))
        }
        None => quote!(None),
    };
    let rounding = match preprocess.rounding {
        Rounding::HalfToEven => quote!(Rounding::HalfToEven),
        Rounding::Down => quote!(Rounding::Down),
    };
    let color = match preprocess.color {
        Color::Rgb => quote!(Color::Rgb),
        Color::Bgr => quote!(Color::Bgr),
    };
    let (scale, mean, std) = (preprocess.scale, preprocess.mean, preprocess.std);
    quote!(Preprocess {
        resize: #resize,
        interpolation: #interpolation,
        antialias: #antialias,
        crop: #crop,
        rounding: #rounding,
        color: #color,
        scale: #scale,
        mean: [#(#mean),*],
        std: [#(#std),*],
    })
}
