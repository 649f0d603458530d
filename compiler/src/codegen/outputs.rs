//! The outputs as the user of a type sees them: an array when there is one, else a struct with a field for each.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::fields::{array, fields};
use super::{Item, number, quoted};
use crate::pipeline::Compiled;
use crate::plan::Output;

/// The struct of several outputs.
pub(super) fn item(compiled: &Compiled, item: &Item) -> Option<TokenStream> {
    let several = several(compiled)?;
    let (name, network, visibility) = (name(item), &item.name, &item.visibility);
    let doc = format!(" What [`{network}::infer`] gives: the outputs of a call, valid until the next one.");
    let fields = several.iter().zip(names(several)).map(|(output, field)| {
        let doc = format!(" The output {}, of shape `{:?}`.", quoted(&output.name), output.shape);
        let array = array(&output.shape);
        quote! {
            #[doc = #doc]
            pub #field: &'a #array
        }
    });
    Some(quote! {
        #[doc = #doc]
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[allow(dead_code)]
        #visibility struct #name<'a> {
            #(#fields,)*
        }
    })
}

/// The constant that describes the outputs.
pub(super) fn constant(compiled: &Compiled, item: &Item) -> TokenStream {
    let runtime = &item.runtime;
    match compiled.plan.outputs.as_slice() {
        [Output { name, shape, .. }] => {
            let doc = format!(" Shape of the output {}.", quoted(name));
            let rank = number(shape.len());
            let shape = shape.iter().map(|extent| number(*extent));
            quote! {
                #[doc = #doc]
                pub const OUTPUT_SHAPE: [usize; #rank] = [#(#shape),*];
            }
        }
        _ => quote! {
            /// Names and shapes of the outputs, in the order of the fields that [`Self::infer`] gives.
            pub const OUTPUTS: &'static [#runtime::Output] = program::NETWORK.outputs;
        },
    }
}

/// The type of what `infer` gives.
pub(super) fn result(compiled: &Compiled, item: &Item) -> TokenStream {
    match compiled.plan.outputs.as_slice() {
        [output] => {
            let array = array(&output.shape);
            quote!(&#array)
        }
        _ => {
            let name = name(item);
            quote!(#name<'_>)
        }
    }
}

/// What `infer` gives, from `outputs: Arrays<'_, Self>`.
pub(super) fn value(compiled: &Compiled, item: &Item) -> TokenStream {
    let Some(several) = several(compiled) else { return quote!(outputs.get::<0, _>()) };
    let (name, fields) = (name(item), names(several));
    let indices = (0..several.len()).map(number);
    quote!(#name { #(#fields: outputs.get::<#indices, _>()),* })
}

fn several(compiled: &Compiled) -> Option<&[Output]> {
    match compiled.plan.outputs.as_slice() {
        [_] => None,
        several => Some(several),
    }
}

fn name(item: &Item) -> Ident {
    format_ident!("{}Outputs", item.name)
}

/// The field of each output.
fn names(outputs: &[Output]) -> Vec<Ident> {
    fields(outputs.iter().map(|output| output.name.as_str()), "output", &[])
}
