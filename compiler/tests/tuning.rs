//! Files of measured decisions: what is wrong with them is told, what is right decides, and `resnetc tune` writes them.

use std::fs;
use std::path::Path;

use resnetc::codegen::{Item, Weights};
use resnetc::frontend::WeightSource;
use resnetc::pipeline::{self, Compiled, Options};
use resnetc::plan::geometry::{Algorithm, Direct, Winograd};
use resnetc::plan::{Decision, Kernel, Layer, Pixels, Settings};
use resnetc::tuning::{self, File, Machine, Measured};

#[cfg(feature = "cli")]
#[path = "support/tool.rs"]
mod tool;

#[cfg(feature = "cli")]
use tool::{told, tool};

/// The convolutions of the last stage of `cifar-resnet20`, but the first.
const LAYER: &str = "conv 3x3 stride 1 dilation 1 groups 1 64->64 8x8 batch 1";

fn file(decision: &str) -> String {
    format!("tuning: resnetc/1\nlayers:\n  {LAYER}:\n    {decision}\n")
}

fn errors(text: &str) -> String {
    tuning::parse(text, Path::new("t.yaml")).unwrap_err().to_string()
}

fn compile(text: &str, exact: bool) -> Result<Compiled, String> {
    compile_model("cifar-resnet20", None, text, exact)
}

fn compile_model(model: &str, weights: Option<WeightSource>, text: &str, exact: bool) -> Result<Compiled, String> {
    let tuning = tuning::parse(text, Path::new("t.yaml")).map_err(|problems| problems.to_string())?;
    let options =
        Options { weights, settings: Settings { exact, tuning, ..Settings::default() }, ..Options::new(model) };
    pipeline::compile(&options, &mut |_| ()).map_err(|problems| problems.to_string())
}

/// The algorithms of all convolutions of 64 to 64 channels.
fn algorithms(compiled: &Compiled) -> Vec<Algorithm> {
    let steps = compiled.plan.steps.iter();
    steps
        .filter_map(|step| match &step.kernel {
            Kernel::Conv { geometry, .. } if geometry.input.channels == 64 => Some(geometry.algorithm),
            _ => None,
        })
        .collect()
}

#[test]
fn a_decision_of_the_file_goes_before_the_models() {
    let direct =
        compile(&file("direct: {band: 50, depth: 3, sums: 4096}\n    pixels: {avx512: 4, portable: 1}"), false)
            .unwrap();
    assert_eq!(algorithms(&direct), [Algorithm::Direct(Direct { band: 50, depth: 3, sums: 4096 }); 5]);
    let plan = direct.plan.to_string();
    let told = "direct, 50 pixels and 3 input blocks at a time; register tiles of 4 pixels (AVX-512), 4 (AVX2), 4 (NEON), 1 (portable)";
    assert_eq!(plan.matches(told).count(), 5, "{plan}");
    let winograd = compile(&file("winograd: {outputs: 2, group: 5}"), false).unwrap();
    assert_eq!(algorithms(&winograd), [Algorithm::Winograd(Winograd { outputs: 2, group: 5 }); 5]);
    assert_ne!(direct.plan.fingerprint, winograd.plan.fingerprint);
    // All other layers are as without a file.
    let plain = compile("tuning: resnetc/1\nlayers: {}\n", false).unwrap();
    let others = |compiled: &Compiled| {
        let steps = compiled.plan.steps.iter().filter(|step| !step.summary.contains("64x8x8"));
        steps.map(|step| step.kernel.algorithm()).collect::<Vec<_>>()
    };
    assert_eq!(others(&plain), others(&winograd));
}

#[test]
fn the_same_file_gives_the_same_bytes() {
    let item = || Item {
        attributes: quote::quote!(),
        visibility: quote::quote!(pub),
        name: quote::format_ident!("Network"),
        runtime: quote::quote!(::resnet),
        weights: Weights::Runtime,
    };
    let text = file("winograd: {outputs: 2, group: 5}");
    let [a, b] = [0; 2].map(|_| compile(&text, false).unwrap());
    assert!(a.plan.blob() == b.plan.blob());
    assert_eq!(a.source(&item()), b.source(&item()));
    // What tells where a file comes from decides nothing.
    let told =
        text.replace("layers:", "compiler: 9.9\nmachine: {processor: \"another\", isa: neon, threads: 64}\nlayers:");
    let c = compile(&told, false).unwrap();
    assert_eq!(a.source(&item()), c.source(&item()));
    assert!(a.plan.blob() == c.plan.blob());
}

#[test]
fn exact_refuses_winograd_and_takes_sums_of_products() {
    assert_eq!(
        compile(&file("winograd: {outputs: 4, group: 4}"), true).unwrap_err(),
        format!(
            "error[E-TUNING]: t.yaml:3:3: `{LAYER}`: `winograd`, while the network is to be exact\n  \
             expected: `direct` or `grouped`, sums of products\n  \
             hint: leave `exact` out, or make a file with `resnetc tune --exact`"
        )
    );
    let compiled = compile(&file("direct: {band: 50, depth: 3, sums: 4096}"), true).unwrap();
    assert!(!compiled.plan.to_string().contains("winograd"));
    // Neither Winograd's nor Strassen's: groups of few channels are sums of products too.
    let grouped =
        file("grouped: {channels: 4}").replace(LAYER, "conv 3x3 stride 1 dilation 1 groups 32 128->128 56x56 batch 1");
    assert!(
        compile_model("resnext50_32x4d", Some(WeightSource::Seed(7)), &grouped, true).unwrap().warnings.0.is_empty()
    );
    let strassen = file("strassen: {band: 1, depth: 4}")
        .replace(LAYER, "conv 1x1 stride 1 dilation 1 groups 1 128->256 56x56 batch 1");
    let refusal = compile_model("resnext50_32x4d", Some(WeightSource::Seed(7)), &strassen, true).unwrap_err();
    assert!(refusal.contains("`strassen`, while the network is to be exact"), "{refusal}");
    // A file may have layers of other networks, whatever is said of them.
    let other = file("winograd: {outputs: 4, group: 4}").replace("8x8", "9x9");
    let compiled = compile(&other, true).unwrap();
    let warnings = compiled.warnings.to_string();
    assert!(warnings.starts_with("warning[W-TUNING]: t.yaml: none of its 1 layers is in the network\n"), "{warnings}");
    assert!(compile("tuning: resnetc/1\nlayers: {}\n", true).unwrap().warnings.0.is_empty());
}

#[test]
fn what_is_wrong_is_told_at_its_line() {
    let at = |decision: &str| errors(&file(decision));
    assert_eq!(
        at("winograd: {outputs: 4, group: 400}"),
        format!(
            "error[E-TUNING]: t.yaml:4:35: `{LAYER}`: winograd.group: 400 tiles at a time\n  expected: 1 to 4\n  \
             hint: remove the layer, or make the file anew"
        )
    );
    assert_eq!(
        errors(&file("winograd: {outputs: 4, group: 1}").replace("stride 1", "stride 3")),
        "error[E-TUNING]: t.yaml:4:15: `conv 3x3 stride 3 dilation 1 groups 1 64->64 8x8 batch 1`: winograd: this layer cannot be \
         computed by Winograd's minimal filtering\n  \
         expected: `direct`; Winograd takes a kernel of 3x3 with stride 1 or 2 behind the input, or of 7x7 with stride 2 on \
         an input of few channels, without dilation\n  \
         hint: remove the layer, or make the file anew"
    );
    let pointwise = |decision: &str| errors(&file(decision).replace("conv 3x3", "conv 1x1"));
    for (decision, told) in [
        (
            "strassen: {band: 1, depth: 3}",
            "strassen.depth: 3 input blocks of each half per pass\n  expected: a divisor of 2",
        ),
        ("strassen: {band: 1, depth: 0}", "strassen.depth: 0 input blocks of each half per pass"),
        ("strassen: {band: 33, depth: 1}", "strassen.band: 33 pairs of pixels per band\n  expected: 1 to 32"),
    ] {
        assert!(pointwise(decision).contains(told), "{decision}: {}", pointwise(decision));
    }
    assert_eq!(
        at("direct: {bnd: 1, depth: 2.5, sums: 1}"),
        format!(
            "error[E-TUNING]: t.yaml:4:14: `{LAYER}`: direct: unknown key `bnd`\n  expected: one of `band`, `depth`, `sums`\n  \
             hint: did you mean `band`?\n\
             error[E-TUNING]: t.yaml:4:5: `{LAYER}`: direct.band: is missing\n  expected: a whole number from 1\n\
             error[E-TUNING]: t.yaml:4:29: `{LAYER}`: direct.depth: this is `2.5`\n  expected: a whole number from 1"
        )
    );
    for (decision, told) in [
        ("direct: {band: 0, depth: 1, sums: 1}", "direct.band: 0 pixels per band"),
        ("direct: {band: 1, depth: 5, sums: 1}", "direct.depth: 5 input blocks per pass\n  expected: 1 to 4"),
        ("direct: {band: 1, depth: 1, sums: 18446744073709551615}", "direct.sums: 18446744073709551615 sums per run"),
        ("direct: {band: 1, depth: 1, sums: 18446744073709551616}", "direct.sums: this is `18446744073709551616`"),
        ("direct: {band: -1, depth: 1, sums: 1}", "direct.band: this is `-1`"),
        ("winograd: {outputs: 3, group: 1}", "tiles of 3 outputs to a side\n  expected: 2 or 4"),
        ("strassen: {band: 1, depth: 1}", "strassen: this layer cannot be computed by Strassen's multiplication"),
        ("winograd: 4", "winograd: this is `4`\n  expected: a map"),
        ("microseconds: 3", "no decision\n  expected: one of `direct`, `winograd`, `strassen` and `grouped`"),
        ("winograd: {outputs: 2, group: 1}\n    direct: {band: 1, depth: 1, sums: 1}", "several decisions"),
        ("winograd: {outputs: 2, group: 1}\n    pixels: {avx2: 0}", "pixels.avx2: 0 pixels per register tile"),
        ("winograd: {outputs: 2, group: 1}\n    pixels: {avx3: 1}", "unknown key `avx3`"),
        ("winograd: {outputs: 2, group: 1}\n    winograd: {outputs: 2, group: 1}", "stands twice"),
    ] {
        let found = at(decision);
        assert!(
            found.contains("]: t.yaml:4:") || found.contains("]: t.yaml:5:") || found.contains("]: t.yaml:3:"),
            "{found}"
        );
        assert!(found.contains(told), "{decision}: {found}");
    }
}

#[test]
fn a_hostile_file_is_an_error_and_nothing_else() {
    for (text, told) in [
        ("", "error[E-TUNING]: t.yaml: the file is empty"),
        ("7", "t.yaml:1:1: the file: this is `7`\n  expected: a map"),
        ("a: b", "t.yaml:1:1: tuning: is missing: this is no file of measured decisions"),
        ("tuning: resnetc/2\nlayers: {}", "t.yaml:1:9: tuning: this is `resnetc/2`\n  expected: `resnetc/1`"),
        ("tuning: resnetc/1", "t.yaml:1:1: layers: is missing"),
        ("tuning: resnetc/1\nlayers: [1]", "t.yaml:2:9: `layers`: this is a list"),
        ("tuning: resnetc/1\nlayres: {}\nlayers: {}", "t.yaml:2:1: unknown key `layres`"),
        ("tuning: resnetc/1\nlayers: {conv1: {}}", "t.yaml:2:10: `conv1`: is no layer"),
        ("tuning: &a resnetc/1\nlayers: *a", "an anchor is not allowed"),
        ("tuning: \"resnetc/1\nlayers: {}", "error[E-YAML]: t.yaml:"),
        ("tuning: resnetc/1\n---\nlayers: {}", "a second document"),
    ] {
        let found = errors(text);
        assert!(found.contains(told), "{text:?}: {found}");
    }
    assert!(errors(&"[".repeat(100_000)).starts_with("error[E-YAML]: t.yaml:1:"));
    assert!(errors(&format!("tuning: resnetc/1\nlayers: {{{}: {{}}}}", "x".repeat(10_000))).len() < 1000);
    let many: String = (0..20_000).map(|index| format!("  x{index}: {{}}\n")).collect();
    assert!(errors(&format!("tuning: resnetc/1\nlayers:\n{many}")).contains("is no layer"));

    let folder = tempfile::tempdir().unwrap();
    let read = |content: &[u8]| {
        let path = folder.path().join("t.yaml");
        fs::write(&path, content).unwrap();
        tuning::read(&path).unwrap_err().to_string()
    };
    assert!(read(&vec![b'#'; (1 << 20) + 1]).contains("more than the 1048576 that are read"));
    assert!(read(b"tuning: resnetc/1\n\xff").contains("t.yaml:2:1: not UTF-8 text"));
    let missing = tuning::read(&folder.path().join("none.yaml")).unwrap_err().to_string();
    assert!(
        missing.contains("none.yaml` does not exist\n  hint: `resnetc tune MODEL -o FILE` writes such a file"),
        "{missing}"
    );
    assert!(tuning::read(folder.path()).unwrap_err().to_string().contains("is not a file"));
}

#[test]
fn what_is_written_is_read_back() {
    let layer = Layer::parse(LAYER).unwrap();
    let winograd = Decision::from(Algorithm::Winograd(Winograd { outputs: 2, group: 5 }));
    let direct = Decision::from(Algorithm::Direct(Direct { band: 96, depth: 2, sums: 32768 }));
    let bounded = Decision { pixels: Pixels::of("avx512", 7), ..direct };
    let other = Layer { outputs: 32, ..layer };
    let written = File {
        compiler: "0.1.0".to_owned(),
        machine: Machine { processor: "A \"fine\" one\n\\".to_owned(), isa: "avx512".to_owned(), threads: 2 },
        layers: vec![
            Measured { layer, decision: winograd, microseconds: 12.34, model: direct, model_microseconds: 20.0 },
            Measured { layer: other, decision: bounded, microseconds: 1.0, model: winograd, model_microseconds: 2.0 },
        ],
    };
    let text = written.to_string();
    assert_eq!(
        text.lines().skip(2).collect::<Vec<_>>().join("\n"),
        "tuning: resnetc/1\n\
         compiler: 0.1.0\n\
         machine: {processor: \"A fine one\", isa: avx512, threads: 2}\n\
         layers:\n\
         \x20 conv 3x3 stride 1 dilation 1 groups 1 64->64 8x8 batch 1:\n\
         \x20   winograd: {outputs: 2, group: 5}\n\
         \x20   microseconds: 12.3\n\
         \x20   model: \"direct {band: 96, depth: 2, sums: 32768}\"\n\
         \x20   model_microseconds: 20.0\n\
         \x20 conv 3x3 stride 1 dilation 1 groups 1 64->32 8x8 batch 1:\n\
         \x20   direct: {band: 96, depth: 2, sums: 32768}\n\
         \x20   pixels: {avx512: 7}\n\
         \x20   microseconds: 1.0\n\
         \x20   model: \"winograd {outputs: 2, group: 5}\"\n\
         \x20   model_microseconds: 2.0"
    );
    let read = tuning::parse(&text, Path::new("t.yaml")).unwrap();
    assert_eq!(read.len(), 2);
    assert_eq!(read.get(&layer).map(|tuned| tuned.decision), Some(winograd));
    assert_eq!(read.get(&other).map(|tuned| tuned.decision), Some(bounded));
    let empty = File { layers: Vec::new(), ..written }.to_string();
    assert!(tuning::parse(&empty, Path::new("t.yaml")).unwrap().is_empty(), "{empty}");
}

#[test]
fn every_layer_of_every_network_has_a_text_that_is_read_back() {
    for model in ["resnet18", "keras-inception-resnet-v2", "resnext50_32x4d", "cifar-resnet20"] {
        let options = Options { weights: Some(WeightSource::Seed(1)), ..Options::new(model) };
        let compiled = pipeline::compile(&options, &mut |_| ()).unwrap();
        for (_, layer) in resnetc::plan::layers(&compiled.graph) {
            assert_eq!(Layer::parse(&layer.to_string()), Some(layer));
        }
    }
}

#[cfg(feature = "cli")]
#[test]
fn commands_take_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let tuned = folder.path().join("t.yaml");
    fs::write(&tuned, file("winograd: {outputs: 2, group: 5}")).unwrap();
    let shown = told(&tool(folder.path(), &["inspect", "cifar-resnet20", "--plan", "--tuning", "t.yaml"]), 0);
    assert_eq!(shown.matches("winograd F(2x2, 3x3), 5 tiles at a time").count(), 5, "{shown}");
    // The same file and model, the same bytes.
    for name in ["a", "b"] {
        let arguments = ["compile", "cifar-resnet20", "--tuning", "t.yaml", "--emit", "weights", "-o", name];
        told(&tool(folder.path(), &arguments), 0);
    }
    assert!(fs::read(folder.path().join("a")).unwrap() == fs::read(folder.path().join("b")).unwrap());
    // Nobody writes over it.
    let over = ["compile", "cifar-resnet20", "--tuning", "t.yaml", "--emit", "weights", "-o", "t.yaml"];
    assert!(told(&tool(folder.path(), &over), 1).contains("E-OUTPUT"));
    fs::write(&tuned, file("winograd: {outputs: 2, group: 0}")).unwrap();
    for command in ["inspect", "compile"] {
        let shown = told(&tool(folder.path(), &[command, "cifar-resnet20", "--tuning", "t.yaml"]), 1);
        assert!(shown.contains("error[E-TUNING]: t.yaml:4:35:"), "{shown}");
    }
    for (arguments, word) in [
        (["tune", "cifar-resnet20", "--tuning", "t.yaml"], "leave it out"),
        (["tune", "cifar-resnet20", "--seconds", "-1"], "expected a number from 0.1"),
        (["tune", "cifar-resnet20", "--threads", "0"], "1..=1024"),
    ] {
        let shown = told(&tool(folder.path(), &arguments), 2);
        assert!(shown.contains(word), "{shown}");
    }
}

const TINY: &str = "spec: resnet/1
name: tiny
input: {name: input, shape: [N, 3, 16, 16]}
stem:
  - conv: {channels: 16, kernel: 3, padding: half, bias: false}
  - activation: relu
stages:
  block: basic
  depth: [1]
  width: [16]
  stride: [1]
  shortcut: projection
head:
  - global_average_pool
  - flatten
  - dense: {units: 4}
output: {name: output, activation: none}
weights: {names: torchvision}
";

/// Builds programs and times them: some minutes on a machine that has built none so far.
#[cfg(feature = "cli")]
#[test]
#[ignore = "builds and times programs; run by .ci/run"]
fn a_tiny_network_is_tuned() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.yaml"), TINY).unwrap();
    let tuned = tool(folder.path(), &["tune", "tiny.yaml", "--seconds", "1", "--threads", "1", "--json"]);
    let shown = told(&tuned, 0);
    let json: serde_json::Value = serde_json::from_slice(&tuned.stdout).unwrap();
    let layers = json["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 2, "{shown}");
    for layer in layers {
        let ways = layer["ways"].as_array().unwrap();
        assert!(ways.len() >= 2 && ways.iter().all(|way| way["microseconds"].as_f64().unwrap() > 0.0), "{shown}");
    }
    // Whatever came out is a file that compiles.
    let tuning = tuning::read(&folder.path().join("tiny.tuning.yaml")).unwrap();
    assert_eq!(tuning.len() as u64, json["tuned_layers"].as_u64().unwrap());
    told(&tool(folder.path(), &["inspect", "tiny.yaml", "--tuning", "tiny.tuning.yaml"]), 0);
}
