//! What a program says about its steps: `PROGRAM bench --profile --json`.

use std::path::Path;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Place};
use crate::package;

/// The steps of a program, and what the machine can do.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The steps in the order they run.
    pub steps: Vec<Step>,
    /// Floating-point operations per second at best.
    pub peak: f64,
    /// Bytes per second at best: of a buffer as large as weights and activations, and of one in a second-level cache.
    pub bandwidth: [f64; 2],
}

/// A step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// What it computes: `conv 3x3/2 64 -> 128`.
    pub what: String,
    /// How long it takes.
    pub microseconds: f64,
    /// Multiply-accumulates that the network asks for here, of all images.
    pub macs: u64,
    /// Bytes of maps and weights, each once.
    pub bytes: u64,
}

/// Bytes that lie in the second-level cache of any core that is measured.
const SECOND_LEVEL: u64 = 1 << 18;

/// Profiles a program for about so many seconds.
///
/// # Errors
/// When it cannot be run, or prints something else.
pub fn profile(program: &Path, threads: Option<u32>, seconds: f64) -> Result<Profile, Diagnostic> {
    let mut arguments: Vec<String> =
        ["bench", "--profile", "--json", "--seconds", &seconds.to_string()].map(str::to_owned).to_vec();
    arguments.extend(threads.into_iter().flat_map(|threads| ["--threads".to_owned(), threads.to_string()]));
    let said = package::call(program, &arguments)?;
    serde_json::from_slice(&said)
        .ok()
        .as_ref()
        .and_then(read)
        .ok_or_else(|| Diagnostic::error("E-RUN", "the program printed no profile").at(Place::file(program)))
}

fn read(value: &Value) -> Option<Profile> {
    let steps = value.get("steps")?.as_array()?.iter().map(step).collect::<Option<Vec<_>>>()?;
    let threads = value.get("threads")?.as_u64()?;
    let buffers: Vec<(u64, f64)> = value
        .get("bandwidths")?
        .as_array()?
        .iter()
        .filter_map(|buffer| Some((buffer.get("buffer_bytes")?.as_u64()?, buffer.get("gbyte_per_s")?.as_f64()?)))
        .collect();
    // Each thread reads its part of a buffer. Where all are too large, the smallest comes nearest.
    let inside = buffers.iter().filter(|(bytes, _)| *bytes <= SECOND_LEVEL * threads).max_by_key(|(bytes, _)| *bytes);
    let (_, near) = inside.or_else(|| buffers.iter().min_by_key(|(bytes, _)| *bytes))?;
    let far = value.get("weights_gbyte_per_s")?.as_f64()?;
    Some(Profile { steps, peak: value.get("peak_gflop_per_s")?.as_f64()? * 1e9, bandwidth: [far * 1e9, near * 1e9] })
}

fn step(value: &Value) -> Option<Step> {
    let macs = value.get("macs")?.as_u64()?;
    Some(Step {
        name: value.get("name")?.as_str()?.to_owned(),
        what: what(value, macs > 0)?,
        microseconds: value.get("time_ms")?.as_f64()? * 1e3,
        macs,
        bytes: value.get("bytes")?.as_u64()?,
    })
}

/// The operation with its window, and with its channels where there is something to multiply.
fn what(value: &Value, channels: bool) -> Option<String> {
    let pair = |key: &str| -> Option<[u64; 2]> {
        let list = value.get(key)?.as_array()?;
        Some([list.first()?.as_u64()?, list.get(1)?.as_u64()?])
    };
    let first = |key: &str| value.get(key)?.as_array()?.first()?.as_u64();
    let mut text = value.get("operation")?.as_str()?.to_owned();
    if let Some([height, width]) = pair("kernel") {
        text.push_str(&format!(" {height}x{width}"));
    }
    match pair("stride") {
        None | Some([1, 1]) => {}
        Some([down, across]) if down == across => text.push_str(&format!("/{down}")),
        Some([down, across]) => text.push_str(&format!("/{down}x{across}")),
    }
    if channels {
        text.push_str(&format!(" {} -> {}", first("input_shape")?, first("output_shape")?));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn step(operation: &str, kernel: Value, stride: [u64; 2], macs: u64) -> Value {
        json!({
            "name": "a", "operation": operation, "kernel": kernel, "stride": stride, "macs": macs, "time_ms": 0.25,
            "bytes": 12, "input_shape": [64, 8, 8], "output_shape": [128, 4, 4],
        })
    }

    #[test]
    fn steps_are_told_in_short() {
        let shown = |value: Value| super::step(&value).unwrap().what;
        assert_eq!(shown(step("conv", json!([3, 3]), [2, 2], 5)), "conv 3x3/2 64 -> 128");
        assert_eq!(shown(step("conv", json!([1, 7]), [1, 1], 5)), "conv 1x7 64 -> 128");
        assert_eq!(shown(step("max pool", json!([3, 3]), [2, 1], 0)), "max pool 3x3/2x1");
        assert_eq!(shown(step("input", Value::Null, [1, 1], 0)), "input");
    }

    #[test]
    fn a_profile_is_read_and_anything_else_is_not() {
        let value = |sizes: &[u64]| {
            let buffers: Vec<Value> =
                sizes.iter().map(|size| json!({ "buffer_bytes": size, "gbyte_per_s": *size as f64 })).collect();
            json!({
                "steps": [step("input", Value::Null, [1, 1], 0)], "threads": 2, "bandwidths": buffers,
                "weights_gbyte_per_s": 7.0, "peak_gflop_per_s": 100.0,
            })
        };
        let profile = read(&value(&[1 << 14, 1 << 19, 1 << 20])).unwrap();
        assert_eq!((profile.peak, profile.steps.len(), profile.steps[0].microseconds), (1e11, 1, 250.0));
        assert_eq!(profile.bandwidth, [7e9, f64::from(1 << 19) * 1e9]);
        assert_eq!(read(&value(&[1 << 21, 1 << 20])).unwrap().bandwidth[1], f64::from(1 << 20) * 1e9);
        let mut broken = value(&[1 << 14]);
        broken["steps"][0]["time_ms"] = json!("fast");
        assert!(read(&broken).is_none() && read(&json!([1])).is_none());
    }
}
