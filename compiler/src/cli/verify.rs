//! `resnetc verify`

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use serde_json::json;

use super::model::{self, ModelOptions};
use super::npy::{self, Array};
use super::progress::Progress;
use super::{Failure, output};
use crate::diagnostic::{Diagnostic, Place};
use crate::ir::{Op, interpreter};
use crate::package::{Cache, Package};
use crate::pipeline::Compiled;
use crate::plan::Output;

/// Hold a model's program against the outputs that another framework gives for the same input
///
/// Builds the program, runs it over the input and compares each output that is expected: the largest
/// difference, divided by the largest expected magnitude. When that is beyond the tolerance, every layer is
/// held against a plain interpreter in 64-bit floats, and the first that departs is named.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A network that ships inside (see `resnetc specs`), or a .yaml, .yml or .onnx file
    model: String,

    #[command(flatten)]
    options: ModelOptions,

    /// The input, in the network's layout
    #[arg(long, value_name = "X.npy")]
    input: PathBuf,

    /// The expected output; of a network with several, an output and what is expected of it, and that as often as wanted
    #[arg(long, value_name = "Y.npy|NAME=Y.npy", required = true)]
    expect: Vec<PathBuf>,

    /// The largest difference allowed, as a part of the largest expected magnitude
    #[arg(long, value_name = "T", default_value_t = 1e-4, value_parser = tolerance, allow_hyphen_values = true)]
    tolerance: f64,

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

/// How far one tensor is from another.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Distance {
    /// The largest difference.
    difference: f64,
    /// The largest magnitude expected.
    magnitude: f64,
}

impl Distance {
    /// NaN anywhere makes it infinite.
    fn between(got: impl IntoIterator<Item = f64>, expected: impl IntoIterator<Item = f64>) -> Self {
        let mut distance = Self { difference: 0.0, magnitude: 0.0 };
        for (got, expected) in got.into_iter().zip(expected) {
            let difference = (got - expected).abs();
            distance.difference = distance.difference.max(if difference.is_nan() { f64::INFINITY } else { difference });
            distance.magnitude = distance.magnitude.max(expected.abs());
        }
        distance
    }

    fn relative(self) -> f64 {
        if self.difference == 0.0 { 0.0 } else { self.difference / self.magnitude }
    }
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let input = npy::read(&arguments.input)?;
    let mut progress = Progress::new();
    let options = arguments.options.options(&arguments.model)?;
    let compiled = model::compile(&options, &mut progress)?;
    fits(&input, &compiled.plan.input.shape, &arguments.input, "input")?;
    let expected = expectations(&compiled.plan.outputs, &arguments.expect)?;
    let program = model::build(&Package::new(&compiled), &Cache::open()?, &mut progress)?.path;

    let scratch = tempfile::tempdir()
        .map_err(|error| Diagnostic::error("E-FILE", format!("cannot make a temporary folder: {error}")))?;
    progress.line("Running the program");
    let mut compared = Vec::new();
    for (index, Expectation { output, array }) in expected.into_iter().enumerate() {
        let out = scratch.path().join(format!("{index}.npy"));
        let name = format!("--output={}", output.name);
        call(&program, ["tensor".as_ref(), name.as_ref(), arguments.input.as_os_str(), out.as_os_str()])?;
        let got = npy::read(&out)?;
        fits(&got, &output.shape, &out, &format!("output `{}`", output.name))?;
        compared.push(Compared { name: &output.name, distance: Distance::between(wide(&got), wide(&array)) });
    }
    let right = compared.iter().all(|compared| compared.distance.relative() <= arguments.tolerance);
    progress.clear();

    let layers = if right {
        None
    } else {
        let folder = scratch.path().join("trace");
        progress.line("Tracing the program");
        call(&program, [OsStr::new("trace"), arguments.input.as_os_str(), folder.as_os_str()])?;
        let layers = compare_layers(&compiled, &input, &folder, &mut progress)?;
        progress.clear();
        Some(layers)
    };
    report(arguments, &compared, right, layers.as_ref())?;
    if right { Ok(()) } else { Err(Failure::Told) }
}

/// What an output should be.
struct Expectation<'a> {
    output: &'a Output,
    array: Array,
}

/// An output beside what it should be.
struct Compared<'a> {
    name: &'a str,
    distance: Distance,
}

/// Reads what is expected of which output: `NAME=FILE`, or a file alone when there is one output.
fn expectations<'a>(outputs: &'a [Output], arguments: &[PathBuf]) -> Result<Vec<Expectation<'a>>, Failure> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for argument in arguments {
        // A name may have a `=` in it: the longest that fits is meant.
        let named = outputs
            .iter()
            .filter_map(|output| {
                let file = argument.to_str()?.strip_prefix(output.name.as_str())?.strip_prefix('=')?;
                Some((output, Path::new(file)))
            })
            .max_by_key(|(output, _)| output.name.len());
        let (output, file) = match (named, outputs) {
            (Some(named), _) => named,
            (None, [output]) => (output, argument.as_path()),
            (None, _) => {
                let names: Vec<_> = outputs.iter().map(|output| format!("`{}`", output.name)).collect();
                let message = format!("--expect {} begins with the name of no output", argument.display());
                let error = Diagnostic::error("E-ARGUMENT", message)
                    .expected(format!("NAME=Y.npy, NAME one of {}", names.join(", ")))
                    .hint("--expect can be given for any of them, once for each");
                return Err(Failure::Usage(error.into()));
            }
        };
        if !seen.insert(&output.name) {
            let message = format!("--expect says twice what `{}` should be", output.name);
            return Err(Failure::Usage(Diagnostic::error("E-ARGUMENT", message).expected("once for each output").into()));
        }
        let array = npy::read(file)?;
        fits(&array, &output.shape, file, &format!("output `{}`", output.name))?;
        found.push(Expectation { output, array });
    }
    Ok(found)
}

/// A layer of the program that does not compute what the interpreter says.
#[derive(Debug)]
struct Departure {
    index: usize,
    layer: String,
    summary: String,
    distance: Distance,
}

/// The program against the interpreter, layer by layer.
#[derive(Debug)]
struct Layers {
    /// Steps of the program that are also nodes of the graph, by name and shape: these were compared.
    compared: usize,
    /// All steps.
    all: usize,
    /// The first that departs.
    departure: Option<Departure>,
}

/// What 32-bit sums may differ from 64-bit ones by, as a part of a layer's largest magnitude.
const ROUNDING: f64 = 1e-4;

/// Finds the first layer, in the order they run, that departs from the interpreter by more than rounding. The trace in `folder` is
/// a file `INDEX.npy` per step.
fn compare_layers(
    compiled: &Compiled,
    input: &Array,
    folder: &Path,
    progress: &mut Progress,
) -> Result<Layers, Failure> {
    let graph = &compiled.graph;
    let mut inputs = interpreter::Values::new();
    for id in graph.inputs() {
        let node = graph.node(id);
        if let Op::Input(layout) = node.op() {
            inputs.extend(interpreter::logical(*layout, node.shape(), &input.values).map(|values| (id, values)));
        }
    }
    let steps = &compiled.plan.steps;
    let mut first: Option<Departure> = None;
    let mut compared = BTreeSet::new();
    let mut unreadable: Option<Diagnostic> = None;
    let walked = interpreter::walk(graph, &inputs, &mut |id, values| {
        let name = &graph.node(id).name;
        progress.line(&format!("Interpreting {name}"));
        // A step that writes an output has the output's name, which may be that of some other layer.
        let found = steps.iter().enumerate().filter(|(_, step)| match step.operands.network_output {
            Some(output) => graph.outputs().get(output).is_some_and(|output| output.node == id),
            None => step.name == *name && step.shape == graph.node(id).shape().0,
        });
        for (index, step) in found {
            compared.insert(index);
            if first.as_ref().is_some_and(|first| first.index <= index) {
                continue;
            }
            let path = folder.join(format!("{index}.npy"));
            match npy::read(&path) {
                Ok(got) if got.values.len() == values.len() => {
                    let distance = Distance::between(wide(&got), values.iter().copied());
                    if distance.relative() > ROUNDING {
                        let (layer, summary) = (step.name.clone(), step.summary.clone());
                        first = Some(Departure { index, layer, summary, distance });
                    }
                }
                Ok(got) => {
                    let message = format!("the trace of layer {index} has the shape {:?}", got.shape);
                    unreadable = Some(Diagnostic::error("E-RUN", message).expected(format!("{:?}", step.shape)));
                    return ControlFlow::Break(());
                }
                Err(error) => {
                    unreadable = Some(error);
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    });
    walked.map_err(|error| Diagnostic::error("E-INTERPRETER", error.message).about(error.node))?;
    match unreadable {
        Some(error) => Err(error.into()),
        None => Ok(Layers { compared: compared.len(), all: steps.len(), departure: first }),
    }
}

fn report(
    arguments: &Arguments,
    outputs: &[Compared<'_>],
    right: bool,
    layers: Option<&Layers>,
) -> Result<(), Failure> {
    let departure = layers.and_then(|layers| layers.departure.as_ref());
    let equal = |compared: &Compared<'_>| compared.distance.relative() <= arguments.tolerance;
    if arguments.json {
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
            "tolerance": arguments.tolerance,
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
            arguments.tolerance,
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

/// Runs the program, which tells its own errors.
fn call<'a>(program: &Path, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<(), Failure> {
    let done = Command::new(program).args(arguments).output().map_err(|error| {
        Diagnostic::error("E-RUN", format!("cannot run the program: {error}")).at(Place::file(program))
    })?;
    if done.status.success() {
        return Ok(());
    }
    let message = format!("the program failed ({}): {}", done.status, String::from_utf8_lossy(&done.stderr).trim());
    Err(Diagnostic::error("E-RUN", message).into())
}

/// Checks a tensor's shape.
fn fits(array: &Array, shape: &[usize], path: &Path, what: &str) -> Result<(), Diagnostic> {
    if array.shape == shape {
        return Ok(());
    }
    Err(Diagnostic::error("E-NPY", format!("its shape is {:?}", array.shape))
        .at(Place::file(path))
        .expected(format!("{shape:?}, the shape of the network's {what}")))
}

fn wide(array: &Array) -> impl Iterator<Item = f64> + '_ {
    array.values.iter().map(|value| f64::from(*value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program of a small network would trace: the interpreter's own values, rounded.
    fn trace(compiled: &Compiled, input: &Array, folder: &Path) {
        let graph = &compiled.graph;
        let mut inputs = interpreter::Values::new();
        for id in graph.inputs() {
            if let Op::Input(layout) = graph.node(id).op() {
                let values = interpreter::logical(*layout, graph.node(id).shape(), &input.values).unwrap();
                inputs.insert(id, values);
            }
        }
        interpreter::walk(graph, &inputs, &mut |id, values| {
            for (index, step) in compiled.plan.steps.iter().enumerate() {
                if step.name == graph.node(id).name && step.shape == graph.node(id).shape().0 {
                    write(&folder.join(format!("{index}.npy")), values);
                }
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    }

    fn write(path: &Path, values: &[f64]) {
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({},), }}\n", values.len());
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(values.iter().flat_map(|value| (*value as f32).to_le_bytes()));
        std::fs::write(path, bytes).unwrap();
    }

    #[test]
    fn the_first_layer_that_departs_is_found() {
        let compiled = crate::pipeline::compile(&crate::pipeline::Options::new("cifar-resnet20"), &mut |_| ()).unwrap();
        let values = (0..3 * 32 * 32).map(|index| ((index * 37 % 101) as f32 - 50.0) / 25.0).collect();
        let input = Array { shape: vec![1, 3, 32, 32], values };
        let folder = tempfile::tempdir().unwrap();
        trace(&compiled, &input, folder.path());
        let compare = || compare_layers(&compiled, &input, folder.path(), &mut Progress::new()).unwrap();
        let layers = compare();
        assert!(layers.departure.is_none(), "{layers:?}");
        assert!(layers.compared >= 21 && layers.compared <= layers.all, "{layers:?}");

        // Two layers are wrong; it is the first that matters.
        for wrong in ["layer3.0.conv1", "layer2.1.conv1"] {
            let index = compiled.plan.steps.iter().position(|step| step.name == wrong).unwrap();
            let path = folder.path().join(format!("{index}.npy"));
            let mut values: Vec<f64> = wide(&npy::read(&path).unwrap()).collect();
            values[5] += 1.0;
            write(&path, &values);
            let departure = compare().departure.unwrap();
            assert_eq!((departure.index, departure.layer.as_str()), (index, wrong));
        }

        // A program that traces too little is no program of this plan.
        write(&folder.path().join("1.npy"), &[0.0]);
        assert!(matches!(
            compare_layers(&compiled, &input, folder.path(), &mut Progress::new()),
            Err(Failure::Input(_))
        ));
    }

    #[test]
    fn distance_is_the_largest_difference_over_the_largest_magnitude() {
        let distance = Distance::between([1.0, -4.0, 2.0], [1.0, -4.5, 2.25]);
        assert_eq!(distance, Distance { difference: 0.5, magnitude: 4.5 });
        assert_eq!(Distance::between([f64::NAN], [1.0]).relative(), f64::INFINITY);
        assert_eq!(Distance::between([0.0], [0.0]).relative(), 0.0);
        assert_eq!(Distance::between([1.0], [0.0]).relative(), f64::INFINITY);
    }
}
