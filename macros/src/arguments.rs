//! What stands between the braces of `resnet!`.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use resnetc::diagnostic::nearest;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, LitInt, LitStr, Token, Visibility, braced, bracketed};

/// The arguments of one invocation.
pub struct Arguments {
    /// Doc comments and other attributes.
    pub attributes: TokenStream,
    /// Visibility of the type.
    pub visibility: TokenStream,
    /// Name of the type.
    pub name: Ident,
    /// A path or the name of a shipped network.
    pub model: LitStr,
    /// Where the weights come from.
    pub weights: Weights,
    /// Images per call, from 1.
    pub batch: usize,
    /// Passes that are not to run.
    pub without: Vec<LitStr>,
}

/// The field `weights`.
pub enum Weights {
    /// Left out: the model's own.
    Own,
    /// `seed:N` or a path.
    Source(LitStr),
    /// Given when the network is made.
    Runtime,
}

const FIELDS: [&str; 4] = ["model", "weights", "batch", "without"];

impl Parse for Arguments {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let mut errors = Errors(None);
        let attributes = input.call(Attribute::parse_outer)?;
        let visibility: Visibility = input.parse()?;
        if !input.peek(Token![struct]) {
            return Err(input.error("expected a struct: `pub struct Name { model: \"...\" }`"));
        }
        input.parse::<Token![struct]>()?;
        let name: Ident = input.parse()?;
        let mut between = TokenStream::new();
        while !input.is_empty() && !input.peek(syn::token::Brace) {
            between.extend([input.parse::<TokenTree>()?]);
        }
        if !between.is_empty() {
            errors.push(Error::new_spanned(between, "a network has no generics, and its fields stand in braces"));
        }
        if input.is_empty() {
            errors.push(Error::new(name.span(), "a network has fields: `{ model: \"...\" }`"));
            return Err(errors.into_error(name.span()));
        }
        let body;
        braced!(body in input);
        let fields = Fields::read(&body, &mut errors);
        if !input.is_empty() {
            let rest: TokenStream = input.parse()?;
            errors.push(Error::new_spanned(rest, "one network per `resnet!`"));
        }
        let attributes = attributes.into_iter().map(ToTokens::into_token_stream).collect();
        fields.finish(attributes, visibility.into_token_stream(), name, errors)
    }
}

/// The fields as they are found, each at most once.
#[derive(Default)]
struct Fields {
    model: Option<LitStr>,
    weights: Option<Weights>,
    batch: Option<usize>,
    without: Option<Vec<LitStr>>,
    /// Fields that were there, rightly written or not.
    seen: Vec<String>,
}

impl Fields {
    fn read(body: ParseStream<'_>, errors: &mut Errors) -> Self {
        let mut fields = Self::default();
        while !body.is_empty() {
            if let Err(error) = fields.field(body, errors) {
                errors.push(error);
                // What follows the next comma can be read again.
                while !body.is_empty() && !body.peek(Token![,]) {
                    if body.parse::<TokenTree>().is_err() {
                        return fields;
                    }
                }
            }
            if !body.is_empty() && body.parse::<Token![,]>().is_err() {
                return fields;
            }
        }
        fields
    }

    /// Reads one field up to the comma behind it.
    fn field(&mut self, body: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
        let name =
            body.call(Ident::parse_any).map_err(|error| Error::new(error.span(), "expected the name of a field"))?;
        if !body.peek(Token![:]) {
            return Err(Error::new(name.span(), format!("expected `{name}: value`")));
        }
        body.parse::<Token![:]>()?;
        let mut value = TokenStream::new();
        while !body.is_empty() && !body.peek(Token![,]) {
            value.extend([body.parse::<TokenTree>()?]);
        }
        if value.is_empty() {
            return Err(Error::new(name.span(), format!("`{name}` has no value")));
        }
        let word = name.to_string();
        if self.seen.contains(&word) {
            return Err(Error::new(name.span(), format!("`{name}` is given twice")));
        }
        self.seen.push(word.clone());
        match word.as_str() {
            "model" => self.model = errors.keep(text(value, "a path or the name of a network: \"models/net.yaml\"")),
            "weights" => self.weights = errors.keep(weights(value)),
            "batch" => self.batch = errors.keep(batch(value)),
            "without" => self.without = errors.keep(without(value)),
            _ => return Err(Error::new(name.span(), unknown(&word))),
        }
        Ok(())
    }

    fn finish(
        self,
        attributes: TokenStream,
        visibility: TokenStream,
        name: Ident,
        mut errors: Errors,
    ) -> syn::Result<Arguments> {
        if !self.seen.iter().any(|field| field == "model") {
            errors.push(Error::new(
                name.span(),
                "no `model`: give the path of a spec or an ONNX model, or a shipped name",
            ));
        }
        match (self.model, errors) {
            (Some(model), Errors(None)) => Ok(Arguments {
                attributes,
                visibility,
                name,
                model,
                weights: self.weights.unwrap_or(Weights::Own),
                batch: self.batch.unwrap_or(1),
                without: self.without.unwrap_or_default(),
            }),
            (_, errors) => Err(errors.into_error(name.span())),
        }
    }
}

fn unknown(field: &str) -> String {
    let known = FIELDS.map(|field| format!("`{field}`")).join(", ");
    match nearest(field, FIELDS) {
        Some(near) => format!("unknown field `{field}`; did you mean `{near}`? The fields are {known}"),
        None => format!("unknown field `{field}`; the fields are {known}"),
    }
}

fn text(value: TokenStream, expected: &str) -> syn::Result<LitStr> {
    let span = value.clone();
    let text: LitStr =
        syn::parse2(value).map_err(|_| Error::new_spanned(&span, format!("expected a string literal: {expected}")))?;
    if text.value().is_empty() {
        return Err(Error::new(text.span(), format!("this is empty; expected {expected}")));
    }
    Ok(text)
}

fn weights(value: TokenStream) -> syn::Result<Weights> {
    if let Ok(word) = syn::parse2::<Ident>(value.clone()) {
        return if word == "runtime" {
            Ok(Weights::Runtime)
        } else {
            Err(Error::new(word.span(), "expected a string literal, or the word `runtime`"))
        };
    }
    let text = text(value, "\"models/net.safetensors\" or \"seed:7\", or the word runtime without quotes")?;
    if let Some(seed) = text.value().strip_prefix("seed:")
        && seed.parse::<u64>().is_err()
    {
        return Err(Error::new(text.span(), "expected `seed:` and a whole number from 0 to 18446744073709551615"));
    }
    Ok(Weights::Source(text))
}

fn batch(value: TokenStream) -> syn::Result<usize> {
    let span = value.clone();
    let number = syn::parse2::<LitInt>(value).and_then(|number| number.base10_parse::<usize>());
    match number {
        Ok(batch) if batch > 0 => Ok(batch),
        _ => Err(Error::new_spanned(span, "expected a whole number from 1")),
    }
}

fn without(value: TokenStream) -> syn::Result<Vec<LitStr>> {
    struct Names(Punctuated<LitStr, Token![,]>);

    impl Parse for Names {
        fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
            let names;
            bracketed!(names in input);
            Punctuated::parse_terminated(&names).map(Self)
        }
    }

    let span = value.clone();
    let names: Names = syn::parse2(value)
        .map_err(|_| Error::new_spanned(span, "expected a list of names of passes: [\"fold_batch_norm\"]"))?;
    Ok(names.0.into_iter().collect())
}

/// Every misuse, so that all can be mended at once.
struct Errors(Option<Error>);

impl Errors {
    fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(errors) => errors.combine(error),
            None => self.0 = Some(error),
        }
    }

    fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    fn into_error(self, span: Span) -> Error {
        self.0.unwrap_or_else(|| Error::new(span, "not a network"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> Vec<String> {
        match syn::parse_str::<Arguments>(text) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.into_iter().map(|error| error.to_string()).collect(),
        }
    }

    #[test]
    fn everything_is_read() {
        let text =
            "/// Doc.\npub(crate) struct A { model: \"m.yaml\", weights: runtime, batch: 4, without: [\"a\", \"b\"], }";
        let arguments = syn::parse_str::<Arguments>(text).unwrap();
        assert_eq!(arguments.name, "A");
        assert_eq!(arguments.model.value(), "m.yaml");
        assert!(matches!(arguments.weights, Weights::Runtime));
        assert_eq!((arguments.batch, arguments.without.len()), (4, 2));
    }

    #[test]
    fn every_misuse_is_told_at_once() {
        let found =
            errors("struct A<T> { wieghts: \"x\", batch: 0, batch: 1, without: \"a\", weights: 3 } struct B {}");
        assert_eq!(found.len(), 8, "{found:#?}");
        assert!(found.iter().any(|error| error.contains("did you mean `weights`")));
        assert!(found.iter().any(|error| error.contains("no `model`")));
    }

    #[test]
    fn no_input_panics() {
        for text in [
            "",
            "struct",
            "struct A",
            "struct A;",
            "struct A(u8);",
            "enum A {}",
            "struct A { model }",
            "struct A { 3 }",
        ] {
            assert!(!errors(text).is_empty(), "{text}");
        }
    }
}
