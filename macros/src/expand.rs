//! From arguments to tokens: by the compiler, or from the cache.

use std::collections::BTreeSet;
use std::env;
use std::path::{Path, PathBuf};

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use resnetc::codegen::{self, Item};
use resnetc::diagnostic::{Diagnostic, Diagnostics};
use resnetc::frontend::yaml::spec::Labels;
use resnetc::frontend::{Changes, WeightSource};
use resnetc::pipeline::{self, Options};
use resnetc::plan::Settings;
use resnetc::tuning;
use syn::Error;

use crate::arguments::{Arguments, Weights};
use crate::cache::{Entry, Expansion};

/// Expands an invocation that stands in `file`.
pub fn expand(input: TokenStream, file: &str) -> syn::Result<TokenStream> {
    let text = input.to_string();
    let arguments: Arguments = syn::parse2(input)?;
    let root = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from).unwrap_or_default();
    let entry = Entry::new(&[&root.to_string_lossy(), file, &arguments.name.to_string()], &text);
    let expansion = match entry.get() {
        Some(expansion) => expansion,
        None => compile(&arguments, &root, &entry)?,
    };
    let tokens: TokenStream =
        expansion.tokens.parse().map_err(|_| Error::new(Span::call_site(), "the cache of expansions is damaged"))?;
    let tokens = respan(tokens, &arguments.name);
    // The compiler of the user's crate watches what is included.
    let files = expansion.files.iter().filter_map(|file| file.to_str());
    Ok(quote! {
        #tokens
        #(const _: &[u8] = ::core::include_bytes!(#files);)*
    })
}

fn compile(arguments: &Arguments, root: &Path, entry: &Entry) -> syn::Result<Expansion> {
    let mut options = options(arguments, root);
    let tuned = arguments.tuning.as_ref().map(|path| tuning::read(&root.join(path.value()))).transpose();
    let mut compiled = tuned
        .and_then(|tuning| {
            options.settings.tuning = tuning.unwrap_or_default();
            pipeline::compile(&options, &mut |_| ())
        })
        .map_err(|problems| at_literals(arguments, &options, &problems, root))?;
    let failed = |error: std::io::Error| {
        Error::new(arguments.model.span(), format!("cannot write to the cache of expansions: {error}"))
    };
    let files: Vec<PathBuf> = compiled.network.files.iter().filter_map(|file| std::path::absolute(file).ok()).collect();
    let (weights, blob) = match arguments.weights {
        Weights::Runtime => {
            compiled.network.weights = "given at run time".to_owned();
            (codegen::Weights::Runtime, None)
        }
        Weights::Own | Weights::Source(_) => {
            let blob = entry.put_blob(&compiled.plan.blob()).map_err(failed)?;
            (codegen::Weights::Embedded(blob.to_string_lossy().into_owned()), Some(blob))
        }
    };
    let item = Item {
        attributes: arguments.attributes.clone(),
        visibility: arguments.visibility.clone(),
        name: arguments.name.clone(),
        runtime: quote!(::resnet),
        weights,
    };
    let expansion = Expansion { tokens: compiled.tokens(&item).to_string(), files, blob };
    entry.put(&expansion).map_err(failed)?;
    Ok(expansion)
}

fn options(arguments: &Arguments, root: &Path) -> Options {
    let model = arguments.model.value();
    let is_file = Path::new(&model).extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    let (is_file, is_onnx) =
        (matches!(is_file.as_deref(), Some("yaml" | "yml" | "onnx")), is_file.as_deref() == Some("onnx"));
    let weights = match &arguments.weights {
        Weights::Own => None,
        Weights::Source(text) => Some(match WeightSource::parse(&text.value()) {
            WeightSource::File(path) => WeightSource::File(root.join(path)),
            WeightSource::Seed(seed) => WeightSource::Seed(seed),
            WeightSource::Model => WeightSource::Model,
        }),
        // The values do not matter, only the shapes.
        Weights::Runtime if is_onnx => None,
        Weights::Runtime => Some(WeightSource::Seed(0)),
    };
    Options {
        model: if is_file { root.join(&model).to_string_lossy().into_owned() } else { model },
        weights,
        batch: arguments.batch,
        changes: changes(arguments, root),
        disabled_passes: arguments.without.iter().map(syn::LitStr::value).collect::<BTreeSet<_>>(),
        forced_passes: arguments.with.iter().map(syn::LitStr::value).collect::<BTreeSet<_>>(),
        settings: Settings { exact: arguments.exact, ..Settings::default() },
    }
}

/// The changes as given, the path of a file of labels from the crate's folder.
fn changes(arguments: &Arguments, root: &Path) -> Changes {
    let mut changes = arguments.changes.clone();
    if let Some(Labels::Named(name)) = &mut changes.surroundings.labels
        && name.contains(['.', '/', '\\'])
    {
        *name = root.join(&name).to_string_lossy().into_owned();
    }
    changes
}

/// The field that a problem without a place is about, with what of it is meant: `std` and `[1]`.
fn field(problem: &Diagnostic) -> Option<(&str, &str)> {
    let key = problem.subject.as_deref().filter(|_| problem.place.is_none())?;
    let (key, entry) = key.split_at(key.find('[').unwrap_or(key.len()));
    match key {
        "preprocess.preset" => Some(("preprocess", entry)),
        "labels" | "include_top" | "pooling" | "classes" | "classifier_activation" | "input_shape" | "outputs" => {
            Some((key, entry))
        }
        key => key.strip_prefix("preprocess.").map(|field| (field, entry)),
    }
}

/// The compiler's errors, each at the literal that names the file it is about, paths relative to the crate as written.
fn at_literals(arguments: &Arguments, options: &Options, problems: &Diagnostics, root: &Path) -> Error {
    let prefix = format!("{}{}", root.display(), std::path::MAIN_SEPARATOR);
    let weights = match (&arguments.weights, &options.weights) {
        (Weights::Source(literal), Some(WeightSource::File(path))) => Some((literal, path.clone())),
        _ => None,
    };
    let tuning = arguments.tuning.as_ref().map(|literal| (literal, root.join(literal.value())));
    let mut errors = problems.0.iter().map(|problem| {
        if let Some((name, entry)) = field(problem)
            && let Some((_, span)) = arguments.places.iter().find(|(field, _)| field == name)
        {
            let told = problem.clone().about(format!("{name}{entry}"));
            return Error::new(*span, told.to_string().replace(&prefix, ""));
        }
        let place = problem.place.as_ref().map(|place| place.file.as_path());
        let named = weights.iter().chain(&tuning).find(|(_, path)| place == Some(path));
        let span = match named {
            Some((literal, _)) => literal.span(),
            None => match arguments
                .without
                .iter()
                .chain(&arguments.with)
                .find(|pass| problem.subject.as_deref() == Some(&pass.value()))
            {
                Some(pass) => pass.span(),
                None => arguments.model.span(),
            },
        };
        Error::new(span, problem.to_string().replace(&prefix, ""))
    });
    let first = errors.next().unwrap_or_else(|| Error::new(arguments.model.span(), "the model cannot be compiled"));
    errors.fold(first, |mut all, error| {
        all.combine(error);
        all
    })
}

/// Gives the type's name its place in the user's file wherever it stands, so that tools find it there.
fn respan(tokens: TokenStream, name: &Ident) -> TokenStream {
    tokens
        .into_iter()
        .map(|token| match token {
            TokenTree::Ident(ident) if ident == *name => TokenTree::Ident(name.clone()),
            TokenTree::Group(group) => {
                let mut new = proc_macro2::Group::new(group.delimiter(), respan(group.stream(), name));
                new.set_span(group.span());
                TokenTree::Group(new)
            }
            token @ (TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_)) => token,
        })
        .collect::<TokenStream>()
        .into_token_stream()
}
