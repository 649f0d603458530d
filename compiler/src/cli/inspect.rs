//! `resnetc inspect`

use std::cmp::Reverse;
use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Value, json};

use super::model::{self, ModelOptions};
use super::progress::Progress;
use super::table::{Align, grouped, table};
use super::{Failure, output};
use crate::drawing::escape::{lines, visible};
use crate::ir::{Element, Graph, NodeId};
use crate::pipeline::Compiled;
use crate::plan::Step;

/// Show what a model becomes: layers, shapes, parameters, multiply-accumulates, passes, memory
///
/// A spec whose weights are not given is inspected with `seed:0`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A network that ships inside (see `resnetc specs`), or a .yaml, .yml or .onnx file
    model: String,

    #[command(flatten)]
    options: ModelOptions,

    /// Show every rewrite of each pass, every refused one with the reason, and which layers the plan computes together
    #[arg(long)]
    explain: bool,

    /// Show the plan: where each step reads and writes, and how it is computed
    #[arg(long)]
    plan: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let options = arguments.options.options(&arguments.model)?;
    let compiled = model::compile_seeded(&options, "inspecting", &mut Progress::new())?;
    if arguments.json {
        output::json(&as_json(&compiled))
    } else {
        let mut text = as_text(&compiled, arguments.explain);
        if arguments.plan {
            text.push_str(&format!("\n{}", compiled.plan));
        }
        output::print(&lines(&text))
    }
}

fn as_text(compiled: &Compiled, explain: bool) -> String {
    let (network, plan) = (&compiled.network, &compiled.plan);
    let mut text = visible(&network.name);
    if !network.description.is_empty() {
        text.push_str(&format!(": {}", lines(network.description.trim())));
    }
    text.push_str(&format!("\nweights: {}\n", visible(&network.weights)));
    for input in &plan.inputs {
        text.push_str(&format!("input: {} {:?}\n", visible(&input.name), input.shape));
    }
    for output in &plan.outputs {
        text.push_str(&format!("output: {} {:?}\n", visible(&output.name), output.shape));
    }
    let pictures = network.preprocess.map_or_else(|| "none, raw tensors only".to_owned(), |rules| rules.to_string());
    if let Some(quantised) = quantised(&network.graph) {
        text.push_str(&format!(
            "quantised: {quantised}; simulated in f32, which holds integers up to 2^24 exactly (no integer kernels)\n"
        ));
    }
    text.push_str(&format!("pictures: {pictures}\nlabels: {}\n\n", network.labels.len()));
    let rows: Vec<Vec<String>> = steps(compiled)
        .map(|(step, element)| {
            let typed = match element {
                Element::Float32 => String::new(),
                other => format!(" as {other}"),
            };
            vec![
                visible(&step.name),
                format!("{}{typed}", step.summary),
                format!("{:?}", step.shape),
                grouped(step.parameters),
                grouped(step.macs),
            ]
        })
        .collect();
    let columns = [
        ("layer", Align::Left),
        ("what", Align::Left),
        ("shape", Align::Left),
        ("parameters", Align::Right),
        ("MACs", Align::Right),
    ];
    text.push_str(&table(&columns, &rows));
    let totals = [
        ("parameters", grouped(network.parameters)),
        ("MACs per image", grouped(plan.macs())),
        ("layers", grouped(plan.steps.len() as u64)),
        ("arena bytes", grouped(plan.arena as u64 * 4)),
        ("weight bytes", grouped(plan.weights.len() as u64 * 4)),
        ("fetched bytes", grouped(plan.fetched())),
    ];
    text.push('\n');
    text.push_str(&table(
        &[("total", Align::Left), ("", Align::Right)],
        &totals.map(|(name, value)| vec![name.to_owned(), value]),
    ));
    text.push('\n');
    let rows: Vec<Vec<String>> = compiled
        .passes
        .iter()
        .map(|report| vec![report.pass.to_owned(), report.changes.len().to_string(), report.refusals.len().to_string()])
        .collect();
    let columns = [("pass", Align::Left), ("rewrites", Align::Right), ("refusals", Align::Right)];
    text.push_str(&table(&columns, &rows));
    if explain {
        for report in compiled.passes.iter().filter(|report| report.changes.len() + report.refusals.len() > 0) {
            text.push_str(&format!("\n{}\n", report.pass));
            for change in &report.changes {
                text.push_str(&format!("  {}: {}\n", change.node, change.what));
            }
            for refusal in &report.refusals {
                text.push_str(&format!("  {}: left alone: {}\n", refusal.node, refusal.reason));
            }
        }
        if !plan.chains.is_empty() {
            text.push_str("\nchains, as the plan decides about them\n");
            plan.chains.iter().for_each(|verdict| text.push_str(&format!("  {verdict}\n")));
        }
    }
    text
}

/// The steps of the plan, each with the type of its result's elements.
fn steps(compiled: &Compiled) -> impl Iterator<Item = (&Step, Element)> {
    let element = |id: &NodeId| compiled.graph.node(*id).numbers().element;
    compiled.plan.steps.iter().zip(compiled.plan.nodes.iter().map(element))
}

/// How many tensors are quantised to each type.
fn counts(graph: &Graph) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for element in graph.ids().filter_map(|id| graph.node(id).numbers().quantised()) {
        *counts.entry(element.name()).or_default() += 1;
    }
    counts
}

/// That in words, the most frequent type first; none where nothing is quantised.
fn quantised(graph: &Graph) -> Option<String> {
    let mut counts: Vec<_> = counts(graph).into_iter().collect();
    counts.sort_by_key(|(name, count)| (Reverse(*count), *name));
    let words: Vec<String> = counts
        .iter()
        .enumerate()
        .map(|(position, (name, count))| {
            let tensors = if *count == 1 { "tensor" } else { "tensors" };
            if position == 0 { format!("{count} {tensors} of {name}") } else { format!("{count} of {name}") }
        })
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

fn as_json(compiled: &Compiled) -> Value {
    let (network, plan) = (&compiled.network, &compiled.plan);
    let layers: Vec<Value> = steps(compiled)
        .map(|(step, element)| {
            json!({
                "name": step.name,
                "what": step.summary,
                "element": element.name(),
                "shape": step.shape,
                "parameters": step.parameters,
                "macs": step.macs,
            })
        })
        .collect();
    let passes: Vec<Value> = compiled
        .passes
        .iter()
        .map(|report| {
            let changes: Vec<_> =
                report.changes.iter().map(|change| json!({ "node": change.node, "what": change.what })).collect();
            let refusals: Vec<_> =
                report.refusals.iter().map(|left| json!({ "node": left.node, "reason": left.reason })).collect();
            json!({ "pass": report.pass, "rewrites": changes, "refusals": refusals })
        })
        .collect();
    let chains: Vec<Value> = plan
        .chains
        .iter()
        .map(|verdict| {
            json!({
                "kind": verdict.kind.name(),
                "layers": verdict.layers,
                "parts": verdict.parts,
                "reason": verdict.reason,
            })
        })
        .collect();
    let outputs: Vec<Value> = plan
        .outputs
        .iter()
        .map(|output| json!({ "name": output.name, "shape": output.shape, "softmax": output.softmax }))
        .collect();
    let inputs: Vec<_> = plan
        .inputs
        .iter()
        .map(|input| json!({ "name": input.name, "shape": input.shape, "channels_last": input.channels_last }))
        .collect();
    json!({
        "name": network.name,
        "description": network.description,
        "weights": network.weights,
        "inputs": inputs,
        "outputs": outputs,
        "quantised": counts(&network.graph),
        "pictures": network.preprocess.map(|rules| rules.to_string()),
        "labels": network.labels,
        "parameters": network.parameters,
        "macs": plan.macs(),
        "arena_bytes": plan.arena * 4,
        "weight_bytes": plan.weights.len() * 4,
        "fetched_bytes": plan.fetched(),
        "layers": layers,
        "passes": passes,
        "chains": chains,
    })
}
