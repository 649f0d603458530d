//! Stage 4: a plan written down as Rust. Cannot fail: whatever is wrong was found before.
//!
//! The code is a type that stands for the network, a type per distinct layer whose only content is its geometry, and a
//! constant table of steps. Every dimension is a constant; weights are never tokens.

mod fields;
mod inputs;
mod layer;
mod network;
mod outputs;

use std::collections::BTreeMap;

use proc_macro2::{Ident, Literal, TokenStream};
use quote::{format_ident, quote};

use crate::pipeline::Compiled;
use crate::plan::geometry::Images;
use crate::plan::{Kernel, Operands, Step};

/// The type that stands for the network in generated code.
#[derive(Debug, Clone)]
pub struct Item {
    /// Doc comments and other attributes of the type.
    pub attributes: TokenStream,
    /// Its visibility.
    pub visibility: TokenStream,
    /// Its name.
    pub name: Ident,
    /// The path of the runtime crate: `::resnet`.
    pub runtime: TokenStream,
    /// Where the packed weights are.
    pub weights: Weights,
}

/// Where a generated program finds its packed weights.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Weights {
    /// Inside the program: a path for `include_bytes!`, relative to the source file or absolute.
    Embedded(String),
    /// Given when the network is made.
    Runtime,
}

/// The tokens of the network: the type `item` describes, one for its outputs when there are several, and everything they need, hidden.
pub fn module(compiled: &Compiled, item: &Item) -> TokenStream {
    let Item { attributes, visibility, name, runtime, .. } = item;
    let plan = &compiled.plan;
    let layers = Layers::of(&plan.steps);
    let batch = plan.images() as u64;
    let definitions = layers.definitions.iter().map(Definition::tokens);
    let steps = plan.steps.iter().zip(&layers.of_step).enumerate().map(|(index, (step, layer))| {
        let constant = format_ident!("STEP_{index}");
        let doc = format!(" {}: {}", quoted(&step.name), step.summary);
        let constructor = match (&step.kernel, step.operands.network_output) {
            (Kernel::Nest { .. }, Some(_)) => format_ident!("constant"),
            (kernel, _) => constructor(kernel),
        };
        let (label, operands) = (&step.name, operands(&step.operands));
        let macs = (step.macs > 0).then(|| {
            let macs = Literal::u64_unsuffixed(step.macs.saturating_mul(batch));
            quote!(.with_macs(#macs))
        });
        let images = (step.images.count > 1).then(|| {
            let Images { count, input, other, output } = step.images;
            let count = number(count);
            quote!(.with_images(Images { count: #count, input: #input, other: #other, output: #output }))
        });
        quote! {
            #[doc = #doc]
            const #constant: Step = Step::#constructor::<I, #layer>(#label, #operands) #images #macs;
        }
    });
    let table = (0..plan.steps.len()).map(|index| format_ident!("STEP_{index}"));
    let (arena, length) = (number(plan.arena), number(plan.weights.len()));
    let fingerprint = Literal::u64_unsuffixed(plan.fingerprint);
    let description = network::constant(compiled);
    let outputs = outputs::item(compiled, item);
    let api = network::api(compiled, item);
    quote! {
        #attributes
        #visibility struct #name {
            engine: #runtime::Engine<Self>,
        }

        #outputs

        const _: () = {
            /// Names in here cannot clash with the user's.
            mod program {
                #[allow(unused_imports)]
                use #runtime::geometry::*;
                #[allow(unused_imports)]
                use #runtime::kernel::Tile;
                #[allow(unused_imports)]
                use #runtime::scalar::{Combine, Fold, Function, FunctionKind};
                #[allow(unused_imports)]
                use #runtime::network::{Color, Input, Interpolation, Network, Output, Preprocess, Resize, Rounding};
                #[allow(unused_imports)]
                use #runtime::{Isa, Layer, Operands, Step, Tiles};

                #description

                #(#definitions)*

                /// The steps for one instruction set.
                pub(super) struct Steps<I>(::core::marker::PhantomData<I>);

                impl<I: Isa> Steps<I> {
                    #(#steps)*

                    pub(super) const ALL: &'static [Step] = &[#(Self::#table),*];
                }
            }

            impl #runtime::Program for #name {
                const NETWORK: &'static #runtime::Network = &program::NETWORK;
                const ARENA: usize = #arena;
                const WEIGHTS: usize = #length;
                const FINGERPRINT: u64 = #fingerprint;

                fn steps<I: #runtime::Isa>() -> &'static [#runtime::Step] {
                    program::Steps::<I>::ALL
                }
            }

            #api
        };
    }
}

/// The tokens as formatted source, under a header that says what it was made from.
pub fn source(compiled: &Compiled, item: &Item) -> String {
    let tokens = module(compiled, item);
    let code = match syn::parse2(tokens.clone()) {
        Ok(file) => prettyplease::unparse(&file),
        // Unformatted code is still right.
        Err(_) => tokens.to_string(),
    };
    network::header(compiled) + &code
}

/// The distinct layers among steps.
struct Layers {
    definitions: Vec<Definition>,
    /// The layer of each step.
    of_step: Vec<Ident>,
}

/// A distinct layer: code grows with these, not with depth.
struct Definition {
    name: Ident,
    summary: String,
    users: Vec<String>,
    kernel: Kernel,
}

impl Layers {
    fn of(steps: &[Step]) -> Self {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        let (mut definitions, mut of_step): (Vec<Definition>, Vec<Ident>) = (Vec::new(), Vec::new());
        for step in steps {
            let next = definitions.len();
            let index = *seen.entry(format!("{:?}", step.kernel)).or_insert(next);
            if index == next {
                let stem = layer::stem(&step.kernel);
                let count = counts.entry(stem).or_default();
                *count += 1;
                definitions.push(Definition {
                    name: format_ident!("{stem}{count}"),
                    summary: step.summary.clone(),
                    users: Vec::new(),
                    kernel: step.kernel.clone(),
                });
            }
            if let Some(definition) = definitions.get_mut(index) {
                definition.users.push(step.name.clone());
                of_step.push(definition.name.clone());
            }
        }
        Self { definitions, of_step }
    }
}

impl Definition {
    fn tokens(&self) -> TokenStream {
        let name = &self.name;
        let (geometry, type_name) = layer::geometry(&self.kernel);
        let mut docs = vec![format!(" {}", self.summary)];
        docs.extend(self.kernel.algorithm().map(|algorithm| format!(" Computed {algorithm}.")));
        let tiles = layer::tiles(&self.kernel).map(|tiles| quote!(impl Tiles for #name { #tiles }));
        docs.push(format!(" Used by {}.", users(&self.users)));
        quote! {
            #(#[doc = #docs])*
            struct #name;

            impl Layer<#type_name> for #name {
                const GEOMETRY: #type_name = #geometry;
            }

            #tiles
        }
    }
}

/// The first few names, and how many more there are.
fn users(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| quoted(name)).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn constructor(kernel: &Kernel) -> Ident {
    format_ident!(
        "{}",
        match kernel {
            Kernel::Input(_) => "input",
            Kernel::Conv { .. } => "conv",
            Kernel::Pool(_) => "pool",
            Kernel::Elementwise(_) => "elementwise",
            Kernel::GroupNorm(_) => "group_norm",
            Kernel::Remap(_) => "remap",
            Kernel::Channels(_) => "channels",
            Kernel::GlobalPool(_) => "global_pool",
            Kernel::Dense(_) => "dense",
            Kernel::Softmax(_) => "softmax",
            Kernel::Flatten(_) => "flatten",
            Kernel::AsArray(_) => "as_array",
            Kernel::AsMap(_) => "as_map",
            Kernel::Nest { .. } => "nest",
            Kernel::Output(_) => "output",
        }
    )
}

fn operands(operands: &Operands) -> TokenStream {
    let (input, output) = (number(operands.input.unwrap_or(0)), number(operands.output.unwrap_or(0)));
    let other = operands.other.map(number).map(|other| quote!(.with_other(#other)));
    let weights = operands.weights.map(number).map(|weights| quote!(.with_weights(#weights)));
    let network_output = operands.network_output.map(number).map(|index| quote!(.with_network_output(#index)));
    let network_input = operands.network_input.map(number).map(|index| quote!(.with_network_input(#index)));
    quote!(Operands::new(#input, #output) #other #weights #network_input #network_output)
}

/// A name from a user's file as documentation shows it: what would end the line or the quotation is a space.
fn quoted(name: &str) -> String {
    format!("`{}`", comment(name).replace('`', " "))
}

/// A text from a user's file as a comment shows it: what would end the line, or turn the direction of what follows, is a space. rustc refuses
/// the latter in comments.
fn comment(text: &str) -> String {
    let acts = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if acts(c) { ' ' } else { c }).collect()
}

fn number(value: usize) -> Literal {
    Literal::usize_unsuffixed(value)
}
