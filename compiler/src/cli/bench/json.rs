//! A report as JSON: all of it but the graphs.

use serde_json::{Map, Value, json};

use crate::bench::report::{Interval, Layers, Report, Role, Setting, Timing, Variant};
use crate::bench::worth::{verdict, whole, worths};

/// The whole report.
pub fn report(report: &Report) -> Value {
    let machine = &report.machine;
    let files: Map<String, Value> = report.files.iter().map(|(name, hash)| (name.clone(), json!(hash))).collect();
    let passes: Vec<Value> =
        report.passes.iter().map(|(name, summary)| json!({ "pass": name, "summary": summary })).collect();
    json!({
        "network": report.network,
        "model": report.model,
        "compiler": report.compiler,
        "time": report.time,
        "machine": { "processor": machine.processor, "isa": machine.isa, "threads": machine.threads },
        "sha256": files,
        "weights": report.weights,
        "exact": report.exact,
        "passes": passes,
        "variants": report.variants.iter().map(variant).collect::<Vec<_>>(),
        "settings": report.settings.iter().map(|one| setting(report, one)).collect::<Vec<_>>(),
    })
}

fn variant(variant: &Variant) -> Value {
    let (role, pass) = match &variant.role {
        Role::Unfused => ("unfused", None),
        Role::Added(pass) => ("added", Some(pass)),
        Role::Without(pass) => ("without", Some(pass)),
        Role::Full => ("full", None),
    };
    json!({
        "role": role,
        "pass": pass,
        "batch": variant.batch,
        "passes": variant.passes,
        "steps": variant.steps,
        "macs": variant.macs,
        "arena_bytes": variant.arena_bytes,
        "weight_bytes": variant.weight_bytes,
        "map_bytes": variant.map_bytes,
        "fetched_bytes": variant.fetched_bytes,
        "departure": variant.departure,
    })
}

fn setting(report: &Report, setting: &Setting) -> Value {
    let [far, near] = setting.bandwidth;
    let passes: Vec<Value> = worths(report, setting)
        .iter()
        .map(|worth| {
            json!({
                "pass": worth.pass,
                "changes": worth.changes(),
                "added": interval(worth.added),
                "left_out": interval(worth.left_out),
            })
        })
        .collect();
    json!({
        "batch": setting.batch,
        "threads": setting.threads,
        "full_against_unfused": interval(whole(report, setting)),
        "timings": setting.timings.iter().map(timing).collect::<Vec<_>>(),
        "passes": passes,
        "layers": setting.layers.iter().map(layer).collect::<Vec<_>>(),
        "peak_gflop_per_s": setting.peak * 1e-9,
        "memory_gbyte_per_s": far * 1e-9,
        "cache_gbyte_per_s": near * 1e-9,
        "verdict": verdict(report, setting),
    })
}

fn timing(timing: &Timing) -> Value {
    json!({
        "variant": timing.variant,
        "median_ms": timing.median,
        "min_ms": timing.least,
        "rounds": timing.rounds,
        "against_unfused": interval(timing.against_unfused),
        "against_neighbour": interval(timing.against_neighbour),
    })
}

fn interval(Interval { median, low, high }: Interval) -> Value {
    json!({ "median": median, "low": low, "high": high })
}

fn layer(layer: &Layers) -> Value {
    let unfused: Vec<Value> =
        layer.unfused.iter().map(|(name, time)| json!({ "name": name, "microseconds": time })).collect();
    json!({
        "name": layer.name,
        "what": layer.what,
        "fused_microseconds": layer.fused,
        "unfused": unfused,
        "macs": layer.macs,
        "bytes": layer.bytes,
    })
}
