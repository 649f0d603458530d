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
/// ```
/// resnet::resnet! {
///     /// Tells what a picture of 32x32 pixels shows.
///     pub struct Cifar {
///         model: "cifar-resnet20",
///     }
/// }
///
/// let mut network = Cifar::new()?;
/// let picture = [[[[0.0; 32]; 32]; 3]; 1];
/// let logits: &[[f32; 10]; 1] = network.infer(&picture);
/// assert!(logits[0].iter().all(|logit| logit.is_finite()));
/// # Ok::<(), resnet::Error>(())
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
/// | `with` | names of passes that are to rewrite wherever it is right, whether it pays or not, such as `["merge_siblings"]` |
/// | `exact` | `true` computes every convolution as a sum of products: without Winograd's minimal filtering and Strassen's multiplication, whose rounding errors are a few times larger |
/// | `tuning` | the path of a file in which `resnetc tune` wrote how layers are best computed on a machine |
/// | `include_top` | whether the classifier is a part of the network: `true` or `false` |
/// | `pooling` | what stands in its place when it is left out: `"none"`, `"avg"` or `"max"` |
/// | `classes` | classes of the classifier, from 1 |
/// | `classifier_activation` | what the classifier applies last: `"none"`, `"softmax"` or `"sigmoid"` |
/// | `input_shape` | height and width of the input, or channels, height and width: `[160, 160]`; what an ONNX model leaves open also by name: `"height=320,width=320"` |
/// | `outputs` | the values that are the results, such as `["stage2", "stage3", "embedding"]` |
/// | `preprocess` | how a picture becomes the input, in place of the model's own: `"torchvision"`, `"timm"`, `"timm_inception"`, `"hugging_face"`, `"keras_caffe"`, `"keras_tf"`, `"unit"` or `"raw"` |
/// | `resize`, `crop` | sizes of that: `256` for the shorter side or a square, `[224, 224]` for height and width |
/// | `crop_fraction` | in place of these two, the part of the shorter side that the crop keeps: `0.95` |
/// | `interpolation` | `"nearest"`, `"bilinear"` or `"bicubic"` |
/// | `mean`, `std` | subtracted and divided per channel: `[0.485, 0.456, 0.406]` |
/// | `labels` | `"imagenet1k"`, `"cifar10"`, `"cifar100"`, the path of a file with one label per line, or a list: `["cat", "dog"]` |
///
/// The fields from `include_top` to `outputs` change a spec; an ONNX model stays as it is. Those from `preprocess` on say what an ONNX model does not say, and take the place of what a spec says; a program's `NETWORK`
/// and the type's `LABELS` show it, `infer` takes the finished input either way.
///
/// Paths are relative to the folder of the crate's `Cargo.toml`. A change of the model, its weights or the file of `tuning` rebuilds the crate.
///
/// The type has `new`, `with_options`, `infer` and `clone`, and says what it is in associated constants such as
/// `INPUT_SHAPE` and `LABELS`. When the network has several outputs, a second type stands beside it, named as the first with
/// `Outputs` behind: `infer` gives it, and it has a reference to an array for each output, under the output's name in snake case (with
/// `_` for what no identifier has, behind keywords, and before a number that tells equal ones apart).
///
/// The weights lie in the program and are used in place; with `weights: runtime`, `new` takes them
/// as a `resnet::Weights`, which opens what `resnetc compile MODEL --emit weights` wrote.
#[proc_macro]
pub fn resnet(input: TokenStream) -> TokenStream {
    let file = proc_macro::Span::call_site().file();
    match expand::expand(input.into(), &file) {
        Ok(tokens) => tokens.into(),
        Err(error) => error.to_compile_error().into(),
    }
}
