//! The `resnet!` macro: a door, not a room. Arguments in, errors at their literals, the compiler does the rest.

#![forbid(unsafe_code)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

mod arguments;
mod cache;
mod expand;

use proc_macro::TokenStream;

/// Compiles a residual network into a type.
///
/// ```ignore
/// resnet::resnet! {
///     /// Classifies pictures into the 1000 classes of ImageNet.
///     pub struct ResNet50 {
///         model: "models/resnet50.yaml",
///         weights: "models/resnet50.safetensors",
///     }
/// }
///
/// let mut network = ResNet50::new()?;
/// let logits: &[[f32; 1000]; 1] = network.infer(&input);
/// ```
///
/// The fields, of which `model` alone is required:
///
/// | field | value |
/// |---|---|
/// | `model` | the path of a spec (`.yaml`, `.yml`) or an ONNX model (`.onnx`), or the name of a network that ships with the compiler |
/// | `weights` | the path of a file, or `"seed:N"`, or the word `runtime`; the model's own when left out |
/// | `batch` | images per call, from 1, which it is when left out |
/// | `without` | names of passes that are not to run, such as `["fold_batch_norm"]` |
///
/// Paths are relative to the folder of the crate's `Cargo.toml`. A change of the model or its weights rebuilds the crate.
///
/// The type has `new`, `with_options`, `infer` and `clone`, and says what it is in associated constants such as
/// `INPUT_SHAPE` and `LABELS`. The weights lie in the program and are used in place; with `weights: runtime`, `new` takes them
/// as a `resnet::Weights`, which opens what `resnetc compile MODEL --emit weights` wrote.
#[proc_macro]
pub fn resnet(input: TokenStream) -> TokenStream {
    let file = proc_macro::Span::call_site().file();
    match expand::expand(input.into(), &file) {
        Ok(tokens) => tokens.into(),
        Err(error) => error.to_compile_error().into(),
    }
}
