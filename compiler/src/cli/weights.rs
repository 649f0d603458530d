//! `resnetc weights`

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::table::{Align, grouped, table};
use super::{Failure, output};
use crate::frontend::weights::{self, Element, TensorFile};
use crate::frontend::yaml::fitting::{Fit, fitting};

/// List what a file of weights holds, and which of the networks that ship inside it fits
///
/// The content tells the format: safetensors (or the index of shards), what `torch.save` writes, Keras' `.h5`,
/// `.weights.h5` and `.keras`, NumPy's `.npz`, ONNX. A network fits when it asks for just these tensors.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file
    file: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let file = weights::load(&arguments.file)?;
    let fits = fitting(&file);
    if arguments.json { output::json(&as_json(&file, &fits)) } else { output::print(&as_text(&file, &fits)) }
}

fn as_text(file: &TensorFile, fits: &[Fit]) -> String {
    let rows: Vec<Vec<String>> = file
        .tensors
        .iter()
        .map(|(name, tensor)| {
            let name = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            vec![name, tensor.shape.to_string(), element(&tensor.element).to_owned(), grouped(tensor.shape.len() as u64)]
        })
        .collect();
    let mut text = table(
        &[("tensor", Align::Left), ("shape", Align::Left), ("element", Align::Left), ("values", Align::Right)],
        &rows,
    );
    text.push_str(&format!("\n{} tensors, {} values\n", file.tensors.len(), grouped(values(file) as u64)));
    if let Some(layers) = &file.layers {
        text.push_str(&format!("{} layers of Keras with weights\n", layers.len()));
    }
    for fit in fits {
        let without = if fit.include_top { "" } else { " without its classifier (`--include-top false`)" };
        text.push_str(&format!("fits {}{without}: {}\n", fit.name, fit.described.spec.description));
    }
    if fits.is_empty() {
        text.push_str("fits none of the networks that ship inside; a spec of your own may still describe its network\n");
    }
    text
}

fn as_json(file: &TensorFile, fits: &[Fit]) -> Value {
    let tensors: Vec<_> = file
        .tensors
        .iter()
        .map(|(name, tensor)| json!({"name": name, "shape": tensor.shape.0, "element": element(&tensor.element)}))
        .collect();
    let fits: Vec<_> = fits.iter().map(|fit| json!({"spec": fit.name, "include_top": fit.include_top})).collect();
    json!({
        "file": file.path.display().to_string(),
        "tensors": tensors,
        "values": values(file),
        "fits": fits,
    })
}

fn values(file: &TensorFile) -> usize {
    file.tensors.values().map(|tensor| tensor.shape.len()).fold(0, usize::saturating_add)
}

fn element(element: &Element) -> &str {
    match element {
        Element::F32 => "F32",
        Element::F16 => "F16",
        Element::Bf16 => "BF16",
        Element::F64 => "F64",
        Element::Other(name) => name,
    }
}
