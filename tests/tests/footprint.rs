//! What a whole program takes: memory, and the time from its start to its first answer. The latter is told, not asserted: run it with
//! `--ignored --nocapture`, in release, on a machine that does nothing else.

#![cfg(target_os = "linux")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use resnetc::frontend::WeightSource;
use resnetc::package::{self, Cache, Package};
use resnetc::pipeline::{self, Options};

#[expect(dead_code, reason = "other tests read too")]
#[path = "../../compiler/tests/support/npy.rs"]
mod npy;

const MIB: f64 = (1 << 20) as f64;

/// A line such as `VmHWM:    1234 kB` of what the system tells about a process, in bytes.
fn memory(process: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[test]
#[ignore = "compiles ResNet-50, for minutes; run by .ci/run"]
fn a_program_of_resnet_50_takes_little_beside_its_weights() {
    let options = Options { weights: Some(WeightSource::Seed(7)), ..Options::new("resnet50") };
    let compiled = pipeline::compile(&options, &mut |_| ()).unwrap_or_else(|problems| panic!("{problems}"));
    let cache = Cache::inside(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("resnetc-cache")).unwrap();
    let program = package::build(&Package::new(&compiled), &cache, &mut |_| ());
    let program = program.unwrap_or_else(|problem| panic!("{problem}")).path;
    let weights = (compiled.plan.weights.len() * 4) as u64;
    let folder = tempfile::tempdir().unwrap();
    npy::write(&folder.path().join("x.npy"), &[1, 3, 224, 224], &vec![0.25; 3 * 224 * 224]);

    for threads in ["1", "2"] {
        let bench = Command::new(&program)
            .args(["bench", "--json", "--threads", threads, "--seconds", "3"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_secs(2));
        let most = memory(bench.id(), "VmHWM");
        let output = bench.wait_with_output().unwrap();
        assert!(output.status.success());
        let result: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let steady = result["min_ms"].as_f64().unwrap();
        match most {
            None => println!("skipped: the system does not tell how much memory the program takes"),
            Some(most) => {
                println!("{threads} threads: {:.1} MiB beside the weights", (most as f64 - weights as f64) / MIB);
                assert!(most <= weights + (24 << 20), "{most} bytes for {weights} bytes of weights");
            }
        }
        let mut first: Vec<f64> = (0..10)
            .map(|_| {
                let begin = Instant::now();
                let tensor = ["tensor", "--threads", threads, "x.npy", "y.npy"];
                let status = Command::new(&program).args(tensor).current_dir(folder.path()).status().unwrap();
                assert!(status.success());
                begin.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        first.sort_by(f64::total_cmp);
        println!(
            "{threads} threads: {steady:.1} ms a call at best; from start to first answer {:.1} ms at best, {:.1} in the middle",
            first[0], first[5]
        );
    }
}
