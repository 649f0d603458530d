//! What stands between the braces of `resnet!`.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use resnetc::diagnostic::{Diagnostic, nearest};
use resnetc::frontend::surroundings::word;
use resnetc::frontend::yaml::spec::{Labels, Size};
use resnetc::frontend::{Changes, InputExtents};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, Lit, LitInt, LitStr, Token, Visibility, braced, bracketed};

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
    /// Passes that are to rewrite wherever it is right.
    pub with: Vec<LitStr>,
    /// Whether every convolution is a sum of products.
    pub exact: bool,
    /// The path of a file of measured decisions.
    pub tuning: Option<LitStr>,
    /// What is changed of the model; paths as written.
    pub changes: Changes,
    /// Where the values of `changes` stand, by their fields.
    pub places: Vec<(String, Span)>,
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

const FIELDS: [&str; 21] = [
    "model",
    "weights",
    "batch",
    "without",
    "with",
    "exact",
    "tuning",
    "include_top",
    "pooling",
    "classes",
    "classifier_activation",
    "input_shape",
    "outputs",
    "preprocess",
    "resize",
    "crop",
    "crop_fraction",
    "interpolation",
    "mean",
    "std",
    "labels",
];

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
    with: Option<Vec<LitStr>>,
    exact: Option<bool>,
    tuning: Option<LitStr>,
    changes: Changes,
    places: Vec<(String, Span)>,
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
        if let Some(first) = value.clone().into_iter().next() {
            self.places.push((word.clone(), first.span()));
        }
        let Changes { structure, surroundings } = &mut self.changes;
        let preprocess = &mut surroundings.preprocess;
        match word.as_str() {
            "model" => self.model = errors.keep(text(value, "a path or the name of a network: \"models/net.yaml\"")),
            "weights" => self.weights = errors.keep(weights(value)),
            "batch" => self.batch = errors.keep(batch(value)),
            "without" => self.without = errors.keep(passes(value, "fold_batch_norm")),
            "with" => self.with = errors.keep(passes(value, "merge_siblings")),
            "exact" => self.exact = errors.keep(flag(value)),
            "tuning" => self.tuning = errors.keep(text(value, "the path of a file: \"models/net.tuning.yaml\"")),
            "include_top" => structure.include_top = errors.keep(flag(value)),
            "pooling" => structure.pooling = errors.keep(choice(value)),
            "classes" => structure.classes = errors.keep(batch(value)),
            "classifier_activation" => structure.classifier_activation = errors.keep(choice(value)),
            "input_shape" => structure.input_shape = errors.keep(shape(value)),
            "outputs" => structure.outputs = errors.keep(outputs(value)).unwrap_or_default(),
            "preprocess" => preprocess.preset = errors.keep(choice(value)),
            "resize" => preprocess.resize = errors.keep(size(value)),
            "crop" => preprocess.crop = errors.keep(size(value)),
            "crop_fraction" => preprocess.crop_fraction = errors.keep(number(value)),
            "interpolation" => preprocess.interpolation = errors.keep(choice(value)),
            "mean" => preprocess.mean = errors.keep(numbers(value)),
            "std" => preprocess.std = errors.keep(numbers(value)),
            "labels" => surroundings.labels = errors.keep(labels(value)),
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
                with: self.with.unwrap_or_default(),
                exact: self.exact.unwrap_or(false),
                tuning: self.tuning,
                changes: self.changes,
                places: self.places,
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

fn flag(value: TokenStream) -> syn::Result<bool> {
    let wrong = Error::new_spanned(&value, "expected `true` or `false`");
    syn::parse2::<syn::LitBool>(value).map(|flag| flag.value).map_err(|_| wrong)
}

fn shape(value: TokenStream) -> syn::Result<InputExtents> {
    const EXPECTED: &str = "height and width, or channels, height and width: [3, 160, 160]";
    if let Ok(text) = syn::parse2::<LitStr>(value.clone()) {
        let wrong = || Error::new_spanned(&value, format!("expected {}", InputExtents::EXPECTED));
        return InputExtents::parse(&text.value()).ok_or_else(wrong);
    }
    let wrong = Error::new_spanned(&value, format!("expected {EXPECTED}, each from 1 to 65536"));
    let extents = list::<LitInt>(value, EXPECTED)?;
    let extents: Vec<usize> = extents.iter().map(LitInt::base10_parse).collect::<syn::Result<_>>()?;
    InputExtents::picture(&extents).ok_or(wrong)
}

fn outputs(value: TokenStream) -> syn::Result<Vec<String>> {
    let names = list::<LitStr>(value, "a list of names of values: [\"stage3\", \"embedding\"]")?;
    Ok(names.iter().map(LitStr::value).collect())
}

fn passes(value: TokenStream, example: &str) -> syn::Result<Vec<LitStr>> {
    list(value, &format!("a list of names of passes: [\"{example}\"]"))
}

/// One of the words that a key of a spec takes.
fn choice<T: for<'de> serde::Deserialize<'de>>(value: TokenStream) -> syn::Result<T> {
    let text = text(value, "a word in quotes, such as \"torchvision\" or \"bicubic\"")?;
    word(&text.value()).map_err(|problem: Diagnostic| Error::new(text.span(), problem))
}

fn size(value: TokenStream) -> syn::Result<Size> {
    const EXPECTED: &str = "a whole number, or height and width: [224, 224]";
    let wrong = Error::new_spanned(&value, format!("expected {EXPECTED}"));
    let lengths = match syn::parse2::<LitInt>(value.clone()) {
        Ok(side) => vec![side],
        Err(_) => list::<LitInt>(value, EXPECTED)?,
    };
    let lengths: Vec<usize> = lengths.iter().map(LitInt::base10_parse).collect::<syn::Result<_>>()?;
    match lengths.as_slice() {
        [side] => Ok(Size::One(*side)),
        [height, width] => Ok(Size::Pair([*height, *width])),
        _ => Err(wrong),
    }
}

fn number(value: TokenStream) -> syn::Result<f64> {
    let wrong = Error::new_spanned(&value, "expected a number such as 0.875");
    syn::parse2::<Number>(value).map(|Number(number)| number).map_err(|_| wrong)
}

fn numbers(value: TokenStream) -> syn::Result<Vec<f64>> {
    let numbers = list::<Number>(value, "a list of numbers: [0.485, 0.456, 0.406]")?;
    Ok(numbers.into_iter().map(|Number(number)| number).collect())
}

fn labels(value: TokenStream) -> syn::Result<Labels> {
    const EXPECTED: &str = "\"imagenet1k\", \"models/labels.txt\", or a list of labels: [\"cat\", \"dog\"]";
    if matches!(value.clone().into_iter().next(), Some(TokenTree::Group(_))) {
        let labels = list::<LitStr>(value, EXPECTED)?;
        return Ok(Labels::List(labels.iter().map(LitStr::value).collect()));
    }
    text(value, EXPECTED).map(|text| Labels::Named(text.value()))
}

/// A number with or without a point, negative perhaps.
struct Number(f64);

impl Parse for Number {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let sign = if input.parse::<Option<Token![-]>>()?.is_some() { -1.0 } else { 1.0 };
        let number: f64 = match input.parse()? {
            Lit::Int(number) => number.base10_parse()?,
            Lit::Float(number) => number.base10_parse()?,
            other => return Err(Error::new(other.span(), "expected a number")),
        };
        Ok(Self(sign * number))
    }
}

fn list<T: Parse>(value: TokenStream, expected: &str) -> syn::Result<Vec<T>> {
    struct Items<T>(Punctuated<T, Token![,]>);

    impl<T: Parse> Parse for Items<T> {
        fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
            let items;
            bracketed!(items in input);
            Punctuated::parse_terminated(&items).map(Self)
        }
    }

    let span = value.clone();
    let items: Items<T> = syn::parse2(value).map_err(|_| Error::new_spanned(span, format!("expected {expected}")))?;
    Ok(items.0.into_iter().collect())
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
    use resnetc::frontend::surroundings::Surroundings;
    use resnetc::frontend::yaml::spec::Pooling;

    use super::*;

    fn errors(text: &str) -> Vec<String> {
        match syn::parse_str::<Arguments>(text) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.into_iter().map(|error| error.to_string()).collect(),
        }
    }

    #[test]
    fn everything_is_read() {
        let text = "/// Doc.\npub(crate) struct A { model: \"m.yaml\", weights: runtime, batch: 4, without: [\"a\", \"b\"], with: [\"c\"] }";
        let arguments = syn::parse_str::<Arguments>(text).unwrap();
        assert_eq!(arguments.name, "A");
        assert_eq!(arguments.model.value(), "m.yaml");
        assert!(matches!(arguments.weights, Weights::Runtime));
        assert_eq!((arguments.batch, arguments.without.len(), arguments.with.len()), (4, 2, 1));
    }

    #[test]
    fn exact_and_tuning_are_read() {
        let arguments =
            syn::parse_str::<Arguments>("struct A { model: \"m\", exact: true, tuning: \"t.yaml\" }").unwrap();
        assert_eq!((arguments.exact, arguments.tuning.map(|path| path.value())), (true, Some("t.yaml".to_owned())));
        let arguments = syn::parse_str::<Arguments>("struct A { model: \"m\" }").unwrap();
        assert!(!arguments.exact && arguments.tuning.is_none());
        let found = errors("struct A { model: \"m\", exact: 1, tuning: t }");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found.iter().any(|error| error == "expected `true` or `false`"), "{found:?}");
    }

    #[test]
    fn changes_of_the_network_are_read() {
        let text = "struct A { model: \"m\", include_top: false, pooling: \"avg\", input_shape: [3, 160, 128], outputs: [\"a\"] }";
        let structure = syn::parse_str::<Arguments>(text).unwrap().changes.structure;
        assert_eq!(
            (structure.include_top, structure.input_shape),
            (Some(false), Some(InputExtents::Picture(Some(3), [160, 128])))
        );
        assert_eq!((structure.pooling, structure.outputs), (Some(Pooling::Avg), vec!["a".to_owned()]));
        let found = errors(
            "struct A { model: \"m\", include_top: 0, pooling: \"mean\", classes: 0, input_shape: [1, 2, 3, 4] }",
        );
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn surroundings_are_read() {
        let text = "struct A { model: \"m.onnx\", preprocess: \"timm\", resize: [240, 320], crop_fraction: 1, mean: [0.5, -1, 2e1],
            std: [1], interpolation: \"nearest\", labels: [\"a, b\", \"c\"] }";
        let Surroundings { preprocess, labels } = syn::parse_str::<Arguments>(text).unwrap().changes.surroundings;
        assert_eq!(preprocess.preset, Some(resnetc::frontend::yaml::spec::Preset::Timm));
        assert_eq!((preprocess.resize, preprocess.crop), (Some(Size::Pair([240, 320])), None));
        assert_eq!((preprocess.crop_fraction, preprocess.mean), (Some(1.0), Some(vec![0.5, -1.0, 20.0])));
        assert_eq!(labels, Some(Labels::List(vec!["a, b".into(), "c".into()])));
        let found = errors(
            "struct A { model: \"m\", preprocess: \"tim\", resize: 1.5, crop: [1, 2, 3], crop_fraction: \"1\", mean: 0.5,
            std: [\"1\"], interpolation: bicubic, labels: 3 }",
        );
        assert_eq!(found.len(), 8, "{found:#?}");
        assert!(found.iter().any(|error| error.contains("did you mean `timm`?")));
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
