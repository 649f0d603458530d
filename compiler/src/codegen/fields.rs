//! Names from a user's file as identifiers, and shapes as types.

use std::collections::BTreeSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

use super::number;

/// `[[f32; 1000]; 1]`
pub(super) fn array(shape: &[usize]) -> TokenStream {
    shape.iter().rev().fold(quote!(f32), |inner, extent| {
        let extent = number(*extent);
        quote!([#inner; #extent])
    })
}

/// An identifier for each name, no two alike and none of `taken`: the name in snake case, of ASCII letters, digits and single `_` only;
/// what can be no identifier goes behind `word`.
pub(super) fn fields<'a>(names: impl Iterator<Item = &'a str>, word: &str, taken: &[&str]) -> Vec<Ident> {
    let mut taken: BTreeSet<String> = taken.iter().map(|name| (*name).to_owned()).collect();
    names
        .map(|name| {
            let stem = stem(name, word);
            let (mut name, mut number) = (stem.clone(), 1);
            while !taken.insert(name.clone()) {
                number += 1;
                name = format!("{}_{number}", stem.trim_end_matches('_'));
            }
            Ident::new(&name, Span::call_site())
        })
        .collect()
}

/// Identifiers may have this many characters of a name.
const LONGEST: usize = 60;

fn stem(name: &str, word: &str) -> String {
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
        return word.to_owned();
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return format!("{word}_{text}");
    }
    // What is no identifier now is a keyword; `gen` is one since the edition of 2024.
    if text == "gen" || syn::parse_str::<Ident>(text).is_err() { format!("{text}_") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_an_identifier_of_its_own() {
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
        let fields: Vec<String> = fields(names.into_iter(), "output", &[]).iter().map(Ident::to_string).collect();
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
        let long = super::fields(["x".repeat(5000).as_str()].into_iter(), "input", &[]);
        assert_eq!(long[0].to_string().len(), 60);
        let taken = super::fields(["self", "outputs", ""].into_iter(), "input", &["outputs"]);
        assert_eq!(taken.iter().map(Ident::to_string).collect::<Vec<_>>(), ["self_", "outputs_2", "input"]);
    }
}
