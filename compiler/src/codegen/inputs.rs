//! The inputs as the user of a type sees them: the arguments of `infer`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::fields::{array, fields};
use super::{Item, number, outputs, quoted};
use crate::pipeline::Compiled;
use crate::plan::Input;

/// The constant that describes the inputs.
pub(super) fn constant(compiled: &Compiled, item: &Item) -> TokenStream {
    let runtime = &item.runtime;
    match compiled.plan.inputs.as_slice() {
        [input] => {
            let doc = format!(" Shape of the input {}: {}.", quoted(&input.name), axes(input));
            let rank = number(input.shape.len());
            let shape = input.shape.iter().map(|extent| number(*extent));
            quote! {
                #[doc = #doc]
                pub const INPUT_SHAPE: [usize; #rank] = [#(#shape),*];
            }
        }
        _ => quote! {
            /// Names and shapes of the inputs, in the order of the arguments of [`Self::infer`].
            pub const INPUTS: &'static [#runtime::Input] = program::NETWORK.inputs;
        },
    }
}

/// The method that runs the network.
pub(super) fn infer(compiled: &Compiled, item: &Item) -> TokenStream {
    let (result, value) = (outputs::result(compiled, item), outputs::value(compiled, item));
    let (runtime, inputs) = (&item.runtime, compiled.plan.inputs.as_slice());
    if let [input] = inputs {
        let input = array(&input.shape);
        return quote! {
            /// Runs the network. Allocates nothing; the result is valid until the next call.
            pub fn infer(&mut self, input: &#input) -> #result {
                let outputs = self.engine.infer_array(input);
                #value
            }
        };
    }
    let names: Vec<Ident> = fields(inputs.iter().map(|input| input.name.as_str()), "input", &["outputs"]);
    let arrays = inputs.iter().map(|input| array(&input.shape));
    let docs = inputs
        .iter()
        .zip(&names)
        .map(|(input, argument)| format!(" - `{argument}` is the input {}: {}.", quoted(&input.name), axes(input)));
    quote! {
        /// Runs the network. Allocates nothing; the result is valid until the next call.
        ///
        #(#[doc = #docs])*
        #[allow(clippy::too_many_arguments)]
        pub fn infer(&mut self, #(#names: &#arrays),*) -> #result {
            let outputs = match self.engine.infer_apart(&[#(#runtime::Tensor::flat(#names)),*]) {
                ::core::result::Result::Ok(outputs) => outputs,
                ::core::result::Result::Err(_) => ::core::unreachable!("the lengths are those of the types"),
            };
            #value
        }
    }
}

fn axes(input: &Input) -> String {
    match (input.shape.len(), input.channels_last) {
        (_, true) => "`[N, H, W, C]`".to_owned(),
        (4, false) => "`[N, C, H, W]`".to_owned(),
        _ => format!("`{:?}`", input.shape),
    }
}
