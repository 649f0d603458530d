//! `resnetc verify`

mod expectations;
mod layers;
mod passes;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::model::{self, ModelOptions};
use super::npy::{self, Array};
use super::progress::Progress;
use super::{Failure, output};
use crate::diagnostic::Diagnostic;
use crate::ir::interpreter::{self, Distance, Values};
use crate::ir::{Graph, NodeId, Op};
use crate::package::{self, Cache, Package};
use expectations::{Expectation, expectations};
use layers::{Layers, compare_layers};

/// Hold a model's program against the outputs that another framework gives for the same input
///
/// Builds the program, runs it over the input and compares each output that is expected: the largest
/// difference, divided by the largest expected magnitude. When that is beyond the tolerance, every layer is
/// held against a plain interpreter in 64-bit floats, and the first that departs is named.
///
/// With `--passes` no program is built: after each of the compiler's passes the interpreter computes the network,
/// and every tensor that is still there is held against what it was before any pass.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A network that ships inside (see `resnetc specs`), or a .yaml, .yml or .onnx file
    model: String,

    #[command(flatten)]
    options: ModelOptions,

    /// The input, in the network's layout; of several inputs a folder with a file for each, named as the program names them; with
    /// `--passes` numbers between -1 and 1 when it is not given
    #[arg(long, value_name = "X.npy|FOLDER", required_unless_present = "passes")]
    input: Option<PathBuf>,

    /// The expected output; of a network with several, an output and what is expected of it, and that as often as wanted
    #[arg(long, value_name = "Y.npy|NAME=Y.npy", required_unless_present = "passes")]
    expect: Vec<PathBuf>,

    /// Hold the network after each pass against the network before any, tensor by tensor
    #[arg(long, conflicts_with = "expect")]
    passes: bool,

    /// Print a row per tensor, not per pass
    #[arg(long, requires = "passes", conflicts_with_all = ["json", "expect"])]
    tensors: bool,

    /// The largest difference allowed, as a part of the largest expected magnitude [default: 1e-4, of passes 1e-5]
    #[arg(long, value_name = "T", value_parser = tolerance, allow_hyphen_values = true)]
    tolerance: Option<f64>,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn tolerance(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("expected a number from 0".to_owned()),
    }
}

/// What programs in 32 bits may differ by from another framework, as a part of the largest magnitude.
const TOLERANCE: f64 = 1e-4;

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    match &arguments.input {
        Some(path) if !arguments.passes => program(arguments, path),
        _ => passes::run(arguments),
    }
}

/// Compares what the model's program makes of an input with what is expected.
fn program(arguments: &Arguments, path: &Path) -> Result<(), Failure> {
    let tolerance = arguments.tolerance.unwrap_or(TOLERANCE);
    let mut progress = Progress::new();
    let options = arguments.options.options(&arguments.model)?;
    let compiled = model::compile(&options, &mut progress)?;
    let given = npy::read_inputs(&compiled.plan.inputs, path)?;
    let expected = expectations(&compiled.plan.outputs, &arguments.expect)?;
    let program = model::build(&Package::new(&compiled), &Cache::open()?, &mut progress)?.path;

    let scratch = tempfile::tempdir()
        .map_err(|error| Diagnostic::error("E-FILE", format!("cannot make a temporary folder: {error}")))?;
    progress.line("Running the program");
    let mut compared = Vec::new();
    for (index, Expectation { output, array }) in expected.into_iter().enumerate() {
        let out = scratch.path().join(format!("{index}.npy"));
        let name = format!("--output={}", output.name);
        package::call(&program, ["tensor".as_ref(), name.as_ref(), path.as_os_str(), out.as_os_str()])?;
        let got = npy::read(&out)?;
        npy::fits(&got, &output.shape, &out, &format!("output `{}`", output.name))?;
        compared.push(Compared { name: &output.name, distance: Distance::between(got.wide(), array.wide()) });
    }
    let right = compared.iter().all(|compared| compared.distance.relative() <= tolerance);
    progress.clear();

    let layers = if right {
        None
    } else {
        let folder = scratch.path().join("trace");
        progress.line("Tracing the program");
        package::call(&program, [OsStr::new("trace"), path.as_os_str(), folder.as_os_str()])?;
        let layers = compare_layers(&compiled, &given, &folder, &mut progress)?;
        progress.clear();
        Some(layers)
    };
    report(arguments, &compared, tolerance, layers.as_ref())?;
    if right { Ok(()) } else { Err(Failure::Told) }
}

/// An output beside what it should be.
struct Compared<'a> {
    name: &'a str,
    distance: Distance,
}

fn report(
    arguments: &Arguments,
    outputs: &[Compared<'_>],
    tolerance: f64,
    layers: Option<&Layers>,
) -> Result<(), Failure> {
    let departure = layers.and_then(|layers| layers.departure.as_ref());
    let equal = |compared: &Compared<'_>| compared.distance.relative() <= tolerance;
    if arguments.json {
        let right = outputs.iter().all(equal);
        let outputs: Vec<_> = outputs
            .iter()
            .map(|compared| {
                json!({
                    "name": compared.name,
                    "equal": equal(compared),
                    "difference": compared.distance.difference,
                    "magnitude": compared.distance.magnitude,
                    "relative": compared.distance.relative(),
                })
            })
            .collect();
        return output::json(&json!({
            "equal": right,
            "outputs": outputs,
            "tolerance": tolerance,
            "layers_compared": layers.map(|layers| layers.compared),
            "departure": departure.map(|found| json!({
                "index": found.index,
                "layer": found.layer,
                "what": found.summary,
                "relative": found.distance.relative(),
            })),
        }));
    }
    let mut text = String::new();
    for compared in outputs {
        text.push_str(&format!(
            "{}: {}: largest difference {:.3e} of {:.3e}: {:.3e}, tolerance {:.3e}\n",
            if equal(compared) { "equal" } else { "different" },
            compared.name,
            compared.distance.difference,
            compared.distance.magnitude,
            compared.distance.relative(),
            tolerance,
        ));
    }
    if let Some(Layers { compared, all, departure }) = layers {
        text.push_str(&match departure {
            Some(found) => format!(
                "first of {compared} layers compared that departs from the interpreter: {} `{}` ({}), by {:.3e}; this is an \
                 error of resnetc\n",
                found.index,
                found.layer,
                found.summary,
                found.distance.relative(),
            ),
            None => format!(
                "all {compared} layers compared, of {all} steps, agree with the interpreter: the expected output is that of \
                 another network, of other weights, or of another preprocessing of the input\n"
            ),
        });
    }
    output::print(&text)
}

/// The interpreter's inputs, of buffers as the caller lays them out.
fn inputs(graph: &Graph, given: &[Array]) -> Values {
    let of = |(id, array): (NodeId, &Array)| match graph.node(id).op() {
        Op::Input(layout) => Some((id, interpreter::logical(*layout, graph.node(id).shape(), &array.values)?)),
        _ => None,
    };
    graph.inputs().into_iter().zip(given).filter_map(of).collect()
}
