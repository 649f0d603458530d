//! `PROGRAM info`: what is inside.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::profile::bytes_of_maps;
use super::{Failure, cli, open};
use crate::network::Input;
use crate::program::Model;

/// The instruction sets that this program has kernels for, the best first.
const INSTRUCTION_SETS: &[&str] = if cfg!(target_arch = "x86_64") {
    &["avx512", "avx2", "portable"]
} else if cfg!(target_arch = "aarch64") {
    &["neon", "portable"]
} else {
    &["portable"]
};

/// The order of the axes, of a map.
fn layout(input: &Input) -> Option<&'static str> {
    match (input.shape.len(), input.channels_last) {
        (_, true) => Some("NHWC"),
        (4, false) => Some("NCHW"),
        _ => None,
    }
}

pub(super) fn run<M: Model>(task: &cli::Info, out: &mut dyn Write) -> Result<(), Failure> {
    let network = M::NETWORK;
    let model = open::<M>(None)?;
    let map_bytes: u64 = model.steps().iter().map(|step| bytes_of_maps(&step.work())).sum();
    let checksums: Map<String, Value> =
        network.checksums.iter().map(|(name, sum)| ((*name).to_string(), json!(sum))).collect();
    if task.json {
        let outputs: Vec<Value> = network
            .outputs
            .iter()
            .map(|output| json!({ "name": output.name, "shape": output.shape, "softmax": output.softmax }))
            .collect();
        let inputs: Vec<Value> = network
            .inputs
            .iter()
            .map(|input| json!({ "name": input.name, "shape": input.shape, "layout": layout(input) }))
            .collect();
        let object = json!({
            "name": network.name,
            "description": network.description,
            "inputs": inputs,
            "outputs": outputs,
            "parameters": network.parameters,
            "macs": network.macs,
            "passes": network.passes,
            "steps": network.steps,
            "arena_bytes": network.arena_bytes,
            "weight_bytes": network.weight_bytes,
            "map_bytes": map_bytes,
            "weights": network.weights,
            "checksums": checksums,
            "compiler": network.compiler,
            "labels": network.labels.len(),
            "classifies_pictures": network.preprocess.is_some(),
            "pictures": network.preprocess.map(|rules| rules.to_string()),
            "isas": INSTRUCTION_SETS,
            "isa": model.isa(),
            "threads": model.threads(),
        });
        writeln!(out, "{object:#}")?;
        return Ok(());
    }
    // A name from a file must not act on the terminal.
    let plain = |text: &str| text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
    writeln!(out, "{}", plain(network.name))?;
    if !network.description.is_empty() {
        writeln!(out, "{}", plain(network.description))?;
    }
    let mut line = |name: &str, value: String| writeln!(out, "  {name:<18}{}", plain(&value));
    for input in network.inputs {
        let layout = layout(input).unwrap_or_default();
        line("input", format!("{} {:?} {layout}", input.name, input.shape).trim_end().to_owned())?;
    }
    for output in network.outputs {
        line("output", format!("{} {:?}", output.name, output.shape))?;
    }
    line("parameters", network.parameters.to_string())?;
    line("MACs per image", network.macs.to_string())?;
    line("passes", network.passes.join(", "))?;
    line("steps", network.steps.to_string())?;
    line("arena", format!("{} bytes", network.arena_bytes))?;
    line("packed weights", format!("{} bytes", network.weight_bytes))?;
    line("maps in and out", format!("{map_bytes} bytes"))?;
    line("weights from", network.weights.to_string())?;
    for (name, sum) in network.checksums {
        line(&format!("checksum, {name}"), (*sum).to_string())?;
    }
    if let Some(rules) = network.preprocess {
        line("pictures", rules.to_string())?;
    }
    line("labels", network.labels.len().to_string())?;
    line("compiler", network.compiler.to_string())?;
    line("instruction sets", INSTRUCTION_SETS.join(", "))?;
    line("in use", format!("{}, {} thread(s)", model.isa(), model.threads()))?;
    Ok(())
}
