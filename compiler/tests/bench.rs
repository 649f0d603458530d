//! `resnetc bench`: what it measures hangs together, whatever the machine does meanwhile.

use std::collections::BTreeMap;
use std::fs;

use resnetc::bench::layers::{REST, Rows, Side};
use resnetc::bench::profile::Step;
use resnetc::frontend::{self, WeightSource};
use resnetc::passes::{self, PASSES};
use resnetc::pipeline::{Compiled, Options, compile_network};
use serde_json::Value;

#[path = "support/tool.rs"]
mod tool;

use tool::{told, tool};

/// Every pass has something to do here but two: there are no pads and no scales.
const TINY: &str = "spec: resnet/1
name: tiny
input: {name: input, shape: [N, 3, 16, 16]}
defaults:
  conv: {bias: false, padding: half}
stem:
  - conv: {channels: 16, kernel: 3}
  - batch_norm
  - activation
stages:
  block: basic
  depth: [1, 1]
  width: [16, 32]
  stride: [1, 2]
  shortcut: projection
head:
  - global_average_pool
  - flatten
  - dense: {units: 4}
output: {name: output, activation: none}
weights: {names: torchvision}
";

fn optional() -> Vec<&'static str> {
    let is_optional = |name: &&str| PASSES.iter().any(|pass| pass.name == *name && pass.optional);
    passes::names().into_iter().filter(is_optional).collect()
}

/// Times differ from machine to machine, so that the picture is not drawn again here: it shows passes that there are.
#[test]
fn the_picture_in_the_readme_is_of_a_measurement() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let (readme, file) =
        (fs::read_to_string(format!("{root}/README.md")).unwrap(), "specs/pictures/cifar-resnet56.bench.svg");
    assert!(readme.contains(&format!("]({file})")) && readme.contains(&format!("--svg {file}`")));
    let picture = fs::read_to_string(format!("{root}/{file}")).unwrap();
    let shown: Vec<&str> = picture.split('>').filter_map(|rest| rest.split('<').next()).map(str::trim).collect();
    let named: Vec<&str> = shown.iter().copied().filter(|text| text.contains('_') && !text.contains(' ')).collect();
    assert!(named.len() >= 3 && shown.contains(&"no passes"), "{shown:?}");
    assert!(named.iter().all(|name| optional().contains(name)), "draw it again with the README's command: {named:?}");
}

#[test]
fn what_cannot_be_measured_is_refused_before_anything_is_built() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.yaml"), TINY).unwrap();
    fs::create_dir(folder.path().join("folder")).unwrap();
    let off: Vec<&str> = optional().into_iter().flat_map(|pass| ["--no-pass", pass]).collect();
    let first = optional()[0];
    let cases: [(&[&str], i32, &str); 14] = [
        (&["--threads", "0"], 2, "1..=1024"),
        (&["--threads", "1,x"], 2, "invalid digit"),
        (&["--batch", "1,0"], 2, "whole number from 1"),
        (&["--batch", "-1"], 2, "whole number from 1"),
        (&["--seconds", "0"], 2, "expected a number from 0.1"),
        (&["--json", "--layers"], 2, "cannot be used with"),
        (&["--passes", "fold_batchnorm"], 1, "--passes: there is no pass `fold_batchnorm`"),
        (&["--passes", "remove_dead"], 1, "no program can do without the pass `remove_dead`"),
        (&["--passes", first, "--no-pass", first], 1, "is switched off by `--no-pass`"),
        (&off, 1, "no pass is left"),
        (&["--html", "folder"], 1, "error[E-OUTPUT]: folder: this is a folder"),
        (&["--html", "none/page.html"], 1, "cannot write beside this file"),
        (&["--html", "tiny.yaml"], 1, "name another file with `--html`"),
        (&["--svg", "tiny.yaml"], 1, "name another file with `--svg`"),
    ];
    for (arguments, code, word) in cases {
        let shown = told(&tool(folder.path(), &[&["bench", "tiny.yaml"], arguments].concat()), code);
        assert!(shown.contains(word), "{arguments:?}: {shown}");
    }
    assert!(told(&tool(folder.path(), &["bench", "none.yaml"]), 1).contains("none.yaml"));
    assert_eq!(fs::read_to_string(folder.path().join("tiny.yaml")).unwrap(), TINY);
    let help = told(&tool(folder.path(), &["bench", "--help"]), 0);
    assert!(help.contains("Examples:") && help.contains("--passes"), "{help}");
}

/// Compiles with all passes or with those alone that no program can do without.
fn compiled(model: &str, unfused: bool) -> Compiled {
    let mut options = Options::new(model);
    if unfused {
        options.disabled_passes = optional().into_iter().map(str::to_owned).collect();
    }
    let (network, _) = frontend::load(model, Some(&WeightSource::Seed(1)), 1).unwrap();
    compile_network(network, &options, &mut |_| ()).unwrap()
}

/// The steps of a plan, as if each took one microsecond.
fn steps(compiled: &Compiled) -> Vec<Step> {
    let step = |step: &resnetc::plan::Step| Step {
        name: step.name.clone(),
        what: step.summary.clone(),
        microseconds: 1.0,
        macs: step.macs,
        bytes: 1,
    };
    compiled.plan.steps.iter().map(step).collect()
}

#[test]
fn every_step_of_either_program_is_in_one_row() {
    for model in ["cifar-resnet20", "mlperf-tiny-resnet8", "resnet18", "keras-resnet50v2", "timm-seresnet50"] {
        let [unfused, full] = [true, false].map(|unfused| compiled(model, unfused));
        let [before, after] = [&unfused, &full].map(|one| Side::new(&one.graph, &one.plan));
        let rows = Rows::new(&unfused.network.graph, &before, &after);
        let layers = rows.timed(&steps(&unfused), &steps(&full));
        let sum = |of: &dyn Fn(&resnetc::bench::report::Layers) -> f64| layers.iter().map(of).sum::<f64>();
        assert_eq!(sum(&|layer| layer.fused), full.plan.steps.len() as f64, "{model}");
        assert_eq!(sum(&|layer| layer.unfused.len() as f64), unfused.plan.steps.len() as f64, "{model}");
        assert!(layers.iter().all(|layer| layer.name != REST), "{model}: {layers:#?}");
        // Nothing that multiplies stands beside nothing.
        for layer in &layers {
            assert!(layer.macs == 0 || !layer.unfused.is_empty(), "{model}: {layer:?}");
        }
    }
}

#[test]
fn a_fused_step_stands_beside_those_it_is_made_of() {
    let [unfused, full] = [true, false].map(|unfused| compiled("cifar-resnet20", unfused));
    let [before, after] = [&unfused, &full].map(|one| Side::new(&one.graph, &one.plan));
    let layers = Rows::new(&unfused.network.graph, &before, &after).timed(&steps(&unfused), &steps(&full));
    let of = |name: &str| -> Vec<&str> {
        let layer = layers.iter().find(|layer| layer.name == name).unwrap_or_else(|| panic!("{name}: {layers:#?}"));
        layer.unfused.iter().map(|(name, _)| name.as_str()).collect()
    };
    assert_eq!(of("input"), ["input"]);
    assert_eq!(of("layer1.0.conv2").len(), 4, "a conv, its normalisation, the sum, the activation");
    assert_eq!(of("layer1.0.conv2")[0], "layer1.0.conv2");
}

/// A number of JSON.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn interval(value: &Value) -> [f64; 3] {
    let [low, median, high] = ["low", "median", "high"].map(|key| number(&value[key]));
    assert!(0.0 < low && low <= median && median <= high && high.is_finite(), "{value}");
    [low, median, high]
}

/// Builds programs and times them: some minutes on a machine that has built none so far.
#[test]
#[ignore = "builds and times programs; run by .ci/run"]
fn a_tiny_network_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.yaml"), TINY).unwrap();
    let arguments = ["bench", "tiny.yaml", "--seconds", "0.3", "--threads", "1", "--batch", "1,2"];
    let output = tool(folder.path(), &[&arguments[..], &["--json"]].concat());
    let shown = told(&output, 0);
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();

    assert_eq!((&json["network"], &json["weights"]), (&"tiny".into(), &"seed:0".into()), "{shown}");
    assert_eq!(json["sha256"]["tiny.yaml"].as_str().unwrap().len(), 64);
    assert!(String::from_utf8_lossy(&output.stderr).contains("measuring with seed:0"));
    let passes: Vec<String> =
        list(&json["passes"]).iter().map(|pass| pass["pass"].as_str().unwrap().to_owned()).collect();
    assert_eq!(passes, optional());

    // Per batch: one unfused, one full, each pass added once and left out once.
    let variants = list(&json["variants"]);
    assert_eq!(variants.len(), 2 * (2 * passes.len() + 1));
    let mut counts: BTreeMap<(u64, String, Option<String>), usize> = BTreeMap::new();
    for variant in &variants {
        let key = |key: &str| variant[key].as_str().map(str::to_owned);
        *counts.entry((variant["batch"].as_u64().unwrap(), key("role").unwrap(), key("pass"))).or_default() += 1;
        assert!((0.0..=1e-4).contains(&number(&variant["departure"])), "{variant}");
        for size in ["steps", "macs", "arena_bytes", "weight_bytes", "map_bytes"] {
            assert!(number(&variant[size]) > 0.0, "{variant}");
        }
        // Most of the weights and of what is computed stays in a near cache, where scratch memory lies beside them.
        let memory = number(&variant["weight_bytes"]) + number(&variant["arena_bytes"]);
        assert!(number(&variant["fetched_bytes"]) < 0.2 * memory, "{variant}");
    }
    assert!(counts.len() == variants.len() && counts.values().all(|count| *count == 1), "{counts:?}");
    let map_bytes = |role: &str| number(&variants.iter().find(|variant| variant["role"] == role).unwrap()["map_bytes"]);
    assert!(map_bytes("full") < map_bytes("unfused"));

    let settings = list(&json["settings"]);
    assert_eq!(settings.iter().map(|one| one["batch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
    for (setting, first) in settings.iter().zip([0, variants.len() / 2]) {
        let timings = list(&setting["timings"]);
        assert_eq!(timings.len(), variants.len() / 2);
        for (index, timing) in timings.iter().enumerate() {
            assert_eq!(timing["variant"].as_u64().unwrap() as usize, first + index);
            assert!(number(&timing["min_ms"]) > 0.0 && number(&timing["min_ms"]) <= number(&timing["median_ms"]));
            assert!(timing["rounds"].as_u64().unwrap() >= 5);
            interval(&timing["against_unfused"]);
            interval(&timing["against_neighbour"]);
        }
        assert_eq!(interval(&timings[0]["against_unfused"]), [1.0; 3]);
        // What has nothing to do is neither built nor timed again.
        let worths = list(&setting["passes"]);
        assert_eq!(worths.iter().map(|worth| worth["pass"].as_str().unwrap()).collect::<Vec<_>>(), passes);
        let idle = worths.iter().find(|worth| worth["pass"] == "fold_scale").unwrap();
        assert_eq!((idle["changes"].as_bool(), interval(&idle["added"])), (Some(false), [1.0; 3]), "{idle}");
        let busy = worths.iter().find(|worth| worth["pass"] == "fuse_shortcut_add").unwrap();
        assert_eq!(busy["changes"].as_bool(), Some(true), "{busy}");

        let layers = list(&setting["layers"]);
        let unfused: Vec<Value> = layers.iter().flat_map(|layer| list(&layer["unfused"])).collect();
        let steps = |role: &str| {
            let of = |variant: &&Value| variant["role"] == role && variant["batch"] == setting["batch"];
            variants.iter().find(of).unwrap()["steps"].as_u64().unwrap() as usize
        };
        assert_eq!(unfused.len(), steps("unfused"));
        assert!(layers.len() <= steps("full") && layers.iter().all(|layer| layer["name"] != REST), "{layers:#?}");
        assert!(unfused.iter().all(|step| number(&step["microseconds"]) >= 0.0));
        for speed in ["peak_gflop_per_s", "memory_gbyte_per_s", "cache_gbyte_per_s"] {
            assert!(number(&setting[speed]) > 0.0);
        }
        assert!(setting["verdict"].as_str().unwrap().contains("fold_scale"), "{setting}");
    }

    // All is built now. One pass alone, as text, with a page beside.
    let one = [
        "bench",
        "tiny.yaml",
        "--seconds",
        "0.1",
        "--passes",
        "fuse_shortcut_add",
        "--exact",
        "--html",
        "page.html",
        "--svg",
        "gains.svg",
        "--layers",
    ];
    let shown = told(&tool(folder.path(), &one), 0);
    for word in [
        "without fuse_shortcut_add",
        "costs when left out",
        "layer1.0.conv2",
        "exact",
        "wrote page.html",
        "wrote gains.svg",
    ] {
        assert!(shown.contains(word), "{word} is missing from:\n{shown}");
    }
    assert!(!shown.contains("up to "), "{shown}");
    for (file, begin) in [("page.html", "<!DOCTYPE html>"), ("gains.svg", "<svg ")] {
        assert!(fs::read_to_string(folder.path().join(file)).unwrap().starts_with(begin), "{file}");
    }
}
