//! Each pass against the graph before any, tensor by tensor.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Arguments, inputs};
use crate::cli::npy;
use crate::cli::progress::Progress;
use crate::cli::table::{Align, table};
use crate::cli::{Failure, model, output};
use crate::frontend::weights::seeded;
use crate::ir::Graph;
use crate::ir::interpreter::Values;
use crate::passes::equivalence::{Compared, Record, compare};
use crate::plan;

/// What a folded weight, rounded to 32 bits, may change of a tensor, as a part of its largest magnitude.
const TOLERANCE: f64 = 1e-5;

/// Runs the passes over a model and compares what the graph computes after each.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let options = arguments.options.options(&arguments.model)?;
    let mut progress = Progress::new();
    let network = model::load_seeded(&options, Some("verifying the passes"), &mut progress)?;
    let graph = &network.graph;
    let inputs = given(arguments, graph)?;
    let compared = compare(graph, &options.switches(), &inputs, &mut |pass, node| {
        progress.line(&format!("Interpreting {pass} {node}"));
    });
    progress.clear();
    let records = compared?;
    let tolerance = arguments.tolerance.unwrap_or(TOLERANCE);
    let departs = |tensor: &&Compared| tensor.distance.relative() > tolerance;
    let departure = records.iter().find_map(|record| Some((record, record.tensors.iter().find(departs)?)));
    if arguments.json {
        output::json(&as_json(&records, departure, tolerance))?;
    } else {
        let mut text = if arguments.tensors { by_tensor(&records) } else { by_pass(&records) };
        text.push_str(&match departure {
            Some((record, found)) => format!(
                "\ndifferent: after {}, `{}`, which `{}` computes, departs by {:.3e} of its largest value, tolerance \
                 {tolerance:e}; this is an error of resnetc\n",
                record.pass,
                found.tensor,
                found.node,
                found.distance.relative(),
            ),
            None => format!("\nequal: no pass moves a tensor by more than {tolerance:e} of its largest value\n"),
        });
        output::print(&text)?;
    }
    if departure.is_none() { Ok(()) } else { Err(Failure::Told) }
}

/// The inputs that are given, or numbers between -1 and 1 that follow from their names.
fn given(arguments: &Arguments, graph: &Graph) -> Result<Values, Failure> {
    if let Some(path) = &arguments.input {
        return Ok(inputs(graph, &npy::read_inputs(&plan::inputs(graph), path)?));
    }
    let made = |id| {
        let node = graph.node(id);
        let values = seeded::values(&node.name, (-1.0, 1.0), node.shape().len(), 0);
        (id, values.into_iter().map(f64::from).collect())
    };
    Ok(graph.inputs().into_iter().map(made).collect())
}

fn shown(tensor: &Compared) -> String {
    match tensor.distance.relative() {
        0.0 => "0".to_owned(),
        relative => format!("{relative:.1e}"),
    }
}

fn by_pass(records: &[Record]) -> String {
    let rows: Vec<_> = records
        .iter()
        .map(|record| {
            let mut row = vec![record.pass.to_owned(), record.changes.to_string(), record.tensors.len().to_string()];
            if let Some(worst) = record.worst() {
                row.push(shown(worst));
                row.push(worst.tensor.clone());
            }
            row
        })
        .collect();
    let columns = [
        ("pass", Align::Left),
        ("changes", Align::Right),
        ("tensors compared", Align::Right),
        ("furthest", Align::Right),
        ("tensor", Align::Left),
    ];
    table(&columns, &rows)
}

/// A row per tensor, a column per pass that changed something.
fn by_tensor(records: &[Record]) -> String {
    let records: Vec<_> = records.iter().filter(|record| record.changes > 0).collect();
    let mut columns = vec![("tensor", Align::Left)];
    columns.extend(records.iter().map(|record| (record.pass, Align::Right)));
    // Names are for people: two tensors may have the same one, and are rows of their own.
    let mut order: Vec<(&str, usize)> = Vec::new();
    let mut cells: BTreeMap<(&str, usize), BTreeMap<usize, String>> = BTreeMap::new();
    for (column, record) in records.iter().enumerate() {
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for tensor in &record.tensors {
            let count = seen.entry(tensor.tensor.as_str()).or_default();
            let key = (tensor.tensor.as_str(), *count);
            *count += 1;
            let row = cells.entry(key).or_insert_with(|| {
                order.push(key);
                BTreeMap::new()
            });
            row.insert(column, shown(tensor));
        }
    }
    let rows: Vec<Vec<String>> = order
        .iter()
        .map(|key| {
            let cell = |column: usize| cells.get(key).and_then(|row| row.get(&column)).cloned().unwrap_or_default();
            std::iter::once(key.0.to_owned()).chain((0..records.len()).map(cell)).collect()
        })
        .collect();
    table(&columns, &rows)
}

fn as_json(records: &[Record], departure: Option<(&Record, &Compared)>, tolerance: f64) -> serde_json::Value {
    let tensor = |tensor: &Compared| {
        json!({
            "tensor": tensor.tensor,
            "node": tensor.node,
            "difference": tensor.distance.difference,
            "magnitude": tensor.distance.magnitude,
            "relative": tensor.distance.relative(),
        })
    };
    let pass = |record: &Record| {
        let tensors: Vec<_> = record.tensors.iter().map(tensor).collect();
        json!({ "pass": record.pass, "changes": record.changes, "tensors": tensors })
    };
    json!({
        "equal": departure.is_none(),
        "tolerance": tolerance,
        "passes": records.iter().map(pass).collect::<Vec<_>>(),
        "departure": departure.map(|(record, found)| json!({ "pass": record.pass, "tensor": tensor(found) })),
    })
}
