//! The program against the interpreter, layer by layer.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use super::inputs;
use crate::cli::Failure;
use crate::cli::npy::{self, Array};
use crate::cli::progress::Progress;
use crate::diagnostic::Diagnostic;
use crate::ir::interpreter::Distance;
use crate::ir::{Graph, NodeId, Shape, interpreter};
use crate::pipeline::Compiled;
use crate::plan::{Section, Step};

/// A layer of the program that does not compute what the interpreter says.
#[derive(Debug)]
pub struct Departure {
    /// Its position among the steps.
    pub index: usize,
    /// Its name.
    pub layer: String,
    /// What it does.
    pub summary: String,
    /// By how much.
    pub distance: Distance,
}

/// The program against the interpreter, layer by layer.
#[derive(Debug)]
pub struct Layers {
    /// Steps of the program that are also nodes of the graph, by name and shape: these were compared.
    pub compared: usize,
    /// All steps.
    pub all: usize,
    /// The first that departs.
    pub departure: Option<Departure>,
}

/// What 32-bit sums may differ from 64-bit ones by, as a part of a layer's largest magnitude.
const ROUNDING: f64 = 1e-4;

/// Finds the first layer, in the order they run, that departs from the interpreter by more than rounding. The trace in `folder` is
/// a file `INDEX.npy` per step.
pub fn compare_layers(
    compiled: &Compiled,
    given: &[Array],
    folder: &Path,
    progress: &mut Progress,
) -> Result<Layers, Failure> {
    let graph = &compiled.graph;
    let inputs = inputs(graph, given);
    let steps = &compiled.plan.steps;
    let mut first: Option<Departure> = None;
    let mut compared = BTreeSet::new();
    let mut unreadable: Option<Diagnostic> = None;
    let walked = interpreter::walk(graph, &inputs, &mut |id, values| {
        let name = &graph.node(id).name;
        progress.line(&format!("Interpreting {name}"));
        let found = steps.iter().enumerate().filter(|(_, step)| writes(graph, step, id));
        for (index, step) in found {
            compared.insert(index);
            if first.as_ref().is_some_and(|first| first.index <= index) {
                continue;
            }
            let path = folder.join(format!("{index}.npy"));
            let expected = of_section(graph.node(id).shape(), values, step.part);
            match npy::read(&path) {
                Ok(got) if got.values.len() == expected.len() => {
                    let distance = Distance::between(got.wide(), expected.iter().copied());
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

/// Whether a step writes what a node computes. One that writes an output has the output's name, which may be that of some other node.
fn writes(graph: &Graph, step: &Step, id: NodeId) -> bool {
    match step.operands.network_output {
        Some(output) => graph.outputs().get(output).is_some_and(|output| output.node == id),
        None => step.name == graph.node(id).name && (step.part.is_some() || step.shape == graph.node(id).shape().0),
    }
}

/// The part of a map's values that a step computes.
fn of_section<'a>(shape: &Shape, values: &'a [f64], section: Option<Section>) -> Cow<'a, [f64]> {
    let (Some(Section { channels, rows }), Some([_, all, height, width])) = (section, shape.map()) else {
        return Cow::Borrowed(values);
    };
    let plane = height * width;
    let computed = |at: &usize| {
        let (channel, row) = (at / plane % all, at % plane / width);
        (channels[0]..channels[1]).contains(&channel) && (rows[0]..rows[1]).contains(&row)
    };
    values.iter().enumerate().filter(|(at, _)| computed(at)).map(|(_, value)| *value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the program of a small network would trace: the interpreter's own values, rounded.
    fn trace(compiled: &Compiled, input: &Array, folder: &Path) {
        let graph = &compiled.graph;
        let inputs = inputs(graph, std::slice::from_ref(input));
        interpreter::walk(graph, &inputs, &mut |id, values| {
            for (index, step) in compiled.plan.steps.iter().enumerate() {
                if writes(graph, step, id) {
                    let values = of_section(graph.node(id).shape(), values, step.part);
                    write(&folder.join(format!("{index}.npy")), &values);
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
        let compare =
            || compare_layers(&compiled, std::slice::from_ref(&input), folder.path(), &mut Progress::new()).unwrap();
        let layers = compare();
        assert!(layers.departure.is_none(), "{layers:?}");
        assert!(layers.compared >= 21 && layers.compared <= layers.all, "{layers:?}");

        // Two layers are wrong; it is the first that matters.
        for wrong in ["layer3.0.conv1", "layer2.1.conv1"] {
            let index = compiled.plan.steps.iter().position(|step| step.name == wrong).unwrap();
            let path = folder.path().join(format!("{index}.npy"));
            let mut values: Vec<f64> = npy::read(&path).unwrap().wide().collect();
            values[5] += 1.0;
            write(&path, &values);
            let departure = compare().departure.unwrap();
            assert_eq!((departure.index, departure.layer.as_str()), (index, wrong));
        }

        // A program that traces too little is no program of this plan.
        write(&folder.path().join("1.npy"), &[0.0]);
        assert!(matches!(
            compare_layers(&compiled, std::slice::from_ref(&input), folder.path(), &mut Progress::new()),
            Err(Failure::Input(_))
        ));
    }
}
