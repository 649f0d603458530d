//! The outputs as the user of a type sees them: an array when there is one, else a struct with a field for each.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};

use super::{Item, number, quoted};
use crate::pipeline::Compiled;
use crate::plan::Output;

/// The struct of several outputs.
pub(super) fn item(compiled: &Compiled, item: &Item) -> Option<TokenStream> {
    let several = several(compiled)?;
    let (name, network, visibility) = (name(item), &item.name, &item.visibility);
    let doc = format!(" What [`{network}::infer`] gives: the outputs of a call, valid until the next one.");
    let fields = several.iter().zip(fields(several)).map(|(output, field)| {
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
    let (name, fields) = (name(item), fields(several));
    let indices = (0..several.len()).map(number);
    quote!(#name { #(#fields: outputs.get::<#indices, _>()),* })
}

/// `[[f32; 1000]; 1]`
pub(super) fn array(shape: &[usize]) -> TokenStream {
    shape.iter().rev().fold(quote!(f32), |inner, extent| {
        let extent = number(*extent);
        quote!([#inner; #extent])
    })
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

/// A field for each output, no two alike: the output's name in snake case, of ASCII letters, digits and single `_` only.
fn fields(outputs: &[Output]) -> Vec<Ident> {
    let mut taken = BTreeSet::new();
    outputs
        .iter()
        .map(|output| {
            let stem = stem(&output.name);
            let (mut name, mut number) = (stem.clone(), 1);
            while !taken.insert(name.clone()) {
                number += 1;
                name = format!("{}_{number}", stem.trim_end_matches('_'));
            }
            Ident::new(&name, Span::call_site())
        })
        .collect()
}

/// Fields may have this many characters of an output's name.
const LONGEST: usize = 60;

fn stem(name: &str) -> String {
    let mut text = String::new();
    let mut last = '_';
    for c in name.chars().take(LONGEST) {
        if c.is_ascii_uppercase() && last.is_ascii_lowercase() {
            text.push('_');
        }
        if c.is_ascii_alphanumeric() {
            text.push(c.to_ascii_lowercase());
        } else if last != '_' {
            text.push('_');
        }
        last = if c.is_ascii_alphanumeric() { c } else { '_' };
    }
    let text = text.trim_end_matches('_');
    if text.is_empty() {
        return "output".to_owned();
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return format!("output_{text}");
    }
    // What is no identifier now is a keyword; `gen` is one since the edition of 2024.
    if text == "gen" || syn::parse_str::<Ident>(text).is_err() { format!("{text}_") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_output_has_a_field_of_its_own() {
        let names = [
            "c2",
            "C2",
            "c2_2",
            "495",
            "type",
            "self",
            "Self",
            "gen",
            "union",
            "last_hidden_state",
            "layer4Out",
            "getFPN",
            "/head/Gemm_output_0",
            "a  b",
            "__x__",
            "",
            "größe",
            "日本",
            "\0\"}",
            "crate",
            "async",
            "_",
            "outputs",
        ];
        let outputs: Vec<Output> =
            names.iter().map(|name| Output { name: (*name).to_owned(), shape: vec![1], softmax: false }).collect();
        let fields: Vec<String> = fields(&outputs).iter().map(Ident::to_string).collect();
        let expected = [
            "c2",
            "c2_2",
            "c2_2_2",
            "output_495",
            "type_",
            "self_",
            "self_2",
            "gen_",
            "union",
            "last_hidden_state",
            "layer4out",
            "get_fpn",
            "head_gemm_output_0",
            "a_b",
            "x",
            "output",
            "gr_e",
            "output_2",
            "output_3",
            "crate_",
            "async_",
            "output_4",
            "outputs",
        ];
        assert_eq!(fields, expected);
        let long = Output { name: "x".repeat(5000), shape: vec![1], softmax: false };
        assert_eq!(super::fields(&[long])[0].to_string().len(), 60);
    }
}
