//! Residual networks through every way that people get an ONNX file, each against what ONNX Runtime makes of the same file:
//! `tests/reference/exporters.py` writes them to target/exporters, or RESNET_EXPORTERS names another folder.
//!
//! Every file is read, run by the interpreter in f64 and planned; of every model one way, another one from model to model, is a
//! program as well, in exact mode (of all ways with RESNET_EXPORTERS_PROGRAMS=all, of none with =none). A wrong result, a panic and a
//! refusal fail the test.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt::Write;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use resnetc::diagnostic::{Diagnostic, Diagnostics, Severity};
use resnetc::frontend::{Network, onnx};
use resnetc::ir::verify::verify;
use resnetc::ir::{Layout, Op, interpreter};
use resnetc::package::{self, Cache, Package};
use resnetc::pipeline::{self, Options};
use resnetc::plan::Settings;

#[path = "../../compiler/tests/support/npy.rs"]
mod npy;

/// What a file in f32 may depart from ONNX Runtime, as a part of the largest element.
const TOLERANCE: f64 = 1e-5;
/// Ways that give networks in f32; the others are `float16` and those of 8 bits.
const SINGLE: [&str; 10] =
    ["script11", "script13", "script17", "dynamo", "dynamic", "onnxsim", "onnxslim", "optimised", "keras", "tf2onnx"];
/// Ways in 8 bits.
const EIGHT_BITS: [&str; 2] = ["qdq", "qoperator"];

enum Outcome {
    /// What the interpreter departs by, and the program where there is one.
    Right(f64, Option<f64>),
    Refused(Diagnostics),
    Failed(String),
}

#[test]
#[ignore = "needs the files of tests/reference/exporters.py; run by .ci/run"]
fn files_of_every_exporter_are_right() {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/exporters");
    let folder = env::var_os("RESNET_EXPORTERS").map_or(made, PathBuf::from);
    let files = files(&folder);
    if files.is_empty() {
        println!("skipped: tests/reference/exporters.py makes the files; there are none in {}", folder.display());
        return;
    }
    let programs = env::var("RESNET_EXPORTERS_PROGRAMS").unwrap_or_default();
    let mut table: BTreeMap<&str, BTreeMap<&str, Outcome>> = BTreeMap::new();
    for (index, (model, ways)) in files.iter().enumerate() {
        let mut compiled = false;
        // Another way first for each model, so that all ways have a program of some model.
        let ways: Vec<_> = ways.iter().cycle().skip(index % ways.len()).take(ways.len()).collect();
        for (way, path) in ways {
            let build = match programs.as_str() {
                "all" => true,
                "none" => false,
                _ => !compiled,
            };
            let outcome = catch_unwind(AssertUnwindSafe(|| outcome(path, way, build)))
                .unwrap_or_else(|panic| Outcome::Failed(format!("it panics: {}", message(&*panic))));
            println!("{model}.{way}: {}", cell(&outcome));
            compiled |= matches!(outcome, Outcome::Right(_, Some(_)));
            table.entry(model).or_default().insert(way, outcome);
        }
    }
    println!("\n{}\n{}", shown(&table), refusals(&table));
    let failed: Vec<String> = table
        .iter()
        .flat_map(|(model, ways)| ways.iter().map(move |(way, outcome)| (*model, *way, outcome)))
        .filter_map(|(model, way, outcome)| match outcome {
            Outcome::Failed(reason) => Some(format!("{model}.{way}: {reason}")),
            Outcome::Refused(reason) => Some(format!("{model}.{way} is refused: {reason}")),
            Outcome::Right(..) => None,
        })
        .collect();
    assert!(failed.is_empty(), "{} files fail:\n{}", failed.len(), failed.join("\n"));
}

/// Backbones up to their heads, and a network of several inputs, by the interpreter and as programs.
#[test]
#[ignore = "needs the files of tests/reference/heads.py; run by .ci/run"]
fn networks_with_heads_and_several_inputs_are_right() {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/heads");
    let folder = env::var_os("RESNET_HEADS").map_or(made, PathBuf::from);
    let named =
        |entry: fs::DirEntry| entry.path().extension().is_some_and(|ending| ending == "onnx").then(|| entry.path());
    let mut paths: Vec<_> =
        fs::read_dir(&folder).into_iter().flatten().filter_map(|entry| named(entry.unwrap())).collect();
    paths.sort();
    if paths.is_empty() {
        println!("skipped: tests/reference/heads.py makes the files; there are none in {}", folder.display());
        return;
    }
    for path in paths {
        let settings = Settings { exact: true, ..Settings::default() };
        let options = Options { settings, ..Options::new(path.to_str().unwrap()) };
        let compiled = pipeline::compile(&options, &mut |_| ()).unwrap_or_else(|problems| panic!("{problems}"));
        let graph = &compiled.network.graph;
        let of = |id| {
            let Op::Input(layout) = graph.node(id).op() else { panic!("an input") };
            let values = npy::read(&path.with_extension("in").join(format!("{}.npy", graph.node(id).name)));
            (id, interpreter::logical(*layout, graph.node(id).shape(), &values).unwrap())
        };
        let given: BTreeMap<_, _> = graph.inputs().into_iter().map(of).collect();
        let kept: BTreeSet<_> = graph.outputs().iter().map(|output| output.node).collect();
        let values = interpreter::run_keeping(graph, &given, &kept).unwrap();

        let cache = Cache::inside(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("resnetc-cache")).unwrap();
        let program = package::build(&Package::new(&compiled), &cache, &mut |_| ()).unwrap().path;
        let input = match graph.inputs()[..] {
            [one] => path.with_extension("in").join(format!("{}.npy", graph.node(one).name)),
            _ => path.with_extension("in"),
        };
        let results = tempfile::tempdir().unwrap();
        for output in graph.outputs() {
            let expected = npy::read(&path.with_extension("out").join(format!("{}.npy", output.name)));
            let interpreted = distance(&values[&output.node], &expected);
            let result = results.path().join("y.npy");
            let arguments =
                ["tensor".as_ref(), "--output".as_ref(), output.name.as_ref(), input.as_os_str(), result.as_os_str()];
            let done = Command::new(&program).args(arguments).output().unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            let computed: Vec<f64> = npy::read(&result).into_iter().map(f64::from).collect();
            let computed = distance(&computed, &expected);
            println!("{} {}: {interpreted:.0e} {computed:.0e}", path.file_stem().unwrap().display(), output.name);
            assert!(interpreted <= TOLERANCE && computed <= TOLERANCE, "{}: {}", path.display(), output.name);
        }
    }
}

/// By model and way, the files that have ONNX Runtime's result beside them.
fn files(folder: &Path) -> BTreeMap<String, BTreeMap<String, PathBuf>> {
    let mut files: BTreeMap<String, BTreeMap<String, PathBuf>> = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Some((model, way)) = name.strip_suffix(".onnx").and_then(|stem| stem.split_once('.')) else { continue };
        if path.with_extension("output.npy").is_file() {
            files.entry(model.to_owned()).or_default().insert(way.to_owned(), path);
        }
    }
    files
}

fn outcome(path: &Path, way: &str, build: bool) -> Outcome {
    let network = match onnx::load(path, None, 1) {
        Ok((network, _)) => network,
        Err(problems) => return refused(problems),
    };
    if let Err(violations) = verify(&network.graph) {
        return Outcome::Failed(format!("its graph is wrong: {violations:?}"));
    }
    let x = npy::read(&path.with_extension("input.npy"));
    let expected = npy::read(&path.with_extension("output.npy"));
    let bound = bound(&network, way, path);
    let interpreted = match interpreted(&network, &x) {
        Ok(values) => distance(&values, &expected),
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    if interpreted.is_nan() || interpreted > bound {
        return Outcome::Failed(format!("the interpreter departs by {interpreted:.1e}, more than {bound:.1e}"));
    }
    let settings = Settings { exact: true, ..Settings::default() };
    let options = Options { settings, ..Options::new(path.to_str().unwrap()) };
    let compiled = match pipeline::compile(&options, &mut |_| ()) {
        Ok(compiled) => compiled,
        Err(problems) => return refused(problems),
    };
    if !build {
        return Outcome::Right(interpreted, None);
    }
    let cache = Cache::inside(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("resnetc-cache")).unwrap();
    let program = match package::build(&Package::new(&compiled), &cache, &mut |_| ()) {
        Ok(program) => program.path,
        Err(problem) => return Outcome::Failed(format!("it is no program: {problem}")),
    };
    let values: Vec<f64> = run(&program, &network, &x).into_iter().map(f64::from).collect();
    let computed = distance(&values, &expected);
    if computed.is_nan() || computed > bound {
        return Outcome::Failed(format!("its program departs by {computed:.1e}, more than {bound:.1e}"));
    }
    Outcome::Right(interpreted, Some(computed))
}

/// What a way of writing numbers allows.
fn bound(network: &Network, way: &str, path: &Path) -> f64 {
    match way {
        // A value in half precision has 11 significant bits, so that each result in the file is rounded by up to 2^-11 of it, where ours
        // is not. Roundings are independent, and add up as the root of their number.
        "float16" => (network.graph.ids().count() as f64).sqrt() * (-11_f64).exp2(),
        // A value halfway between two steps may fall to either, where it is computed and again in what follows from it: two steps
        // of the result, of which 127 are the largest element at least; or what a step in a few places makes of ONNX Runtime's own result.
        way if EIGHT_BITS.contains(&way) => {
            let slack = npy::read(&path.with_extension("slack.npy"));
            slack.into_iter().map(f64::from).fold(2.0 / 127.0, f64::max)
        }
        way => {
            assert!(SINGLE.contains(&way), "{way} is no way of exporters.py");
            TOLERANCE
        }
    }
}

fn refused(mut problems: Diagnostics) -> Outcome {
    problems.0.retain(|problem| problem.severity == Severity::Error);
    let reason = |problem: &Diagnostic| !problem.code.is_empty() && !problem.message.is_empty();
    match !problems.0.is_empty() && problems.0.iter().all(reason) {
        true => Outcome::Refused(problems),
        false => Outcome::Failed(format!("it is refused without a reason: {problems}")),
    }
}

fn interpreted(network: &Network, x: &[f32]) -> Result<Vec<f64>, interpreter::InterpreterError> {
    let graph = &network.graph;
    let [input] = graph.inputs()[..] else { panic!("one input") };
    let output = graph.outputs()[0].node;
    let Op::Input(layout) = graph.node(input).op() else { panic!("an input") };
    let x = interpreter::logical(*layout, graph.node(input).shape(), x).expect("as many values as the input takes");
    let mut values = interpreter::run_keeping(graph, &BTreeMap::from([(input, x)]), &BTreeSet::from([output]))?;
    Ok(values.remove(&output).unwrap())
}

/// What a program makes of an input.
fn run(program: &Path, network: &Network, x: &[f32]) -> Vec<f32> {
    let input = network.graph.inputs()[0];
    let [n, c, h, w] = network.graph.node(input).shape().map().unwrap();
    let shape = match network.graph.node(input).op() {
        Op::Input(Layout::Nhwc) => [n, h, w, c],
        _ => [n, c, h, w],
    };
    let folder = tempfile::tempdir().unwrap();
    npy::write(&folder.path().join("x.npy"), &shape, x);
    let output = Command::new(program).args(["tensor", "x.npy", "y.npy"]).current_dir(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    npy::read(&folder.path().join("y.npy"))
}

/// The largest difference as a part of the largest magnitude expected; infinite when one is no number.
fn distance(got: &[f64], expected: &[f32]) -> f64 {
    assert_eq!(got.len(), expected.len(), "values of the result");
    let difference = got.iter().zip(expected).map(|(got, expected)| (got - f64::from(*expected)).abs());
    let largest = difference.map(|d| if d.is_nan() { f64::INFINITY } else { d }).fold(0.0, f64::max);
    largest / expected.iter().map(|value| f64::from(value.abs())).fold(0.0, f64::max)
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

fn cell(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Right(interpreted, None) => format!("{interpreted:.0e}"),
        Outcome::Right(interpreted, Some(program)) => format!("{interpreted:.0e} {program:.0e}"),
        Outcome::Refused(_) => "refused".to_owned(),
        Outcome::Failed(_) => "FAILED".to_owned(),
    }
}

/// A line per model, a column per way: what the interpreter departs by, and the program where there is one.
fn shown(table: &BTreeMap<&str, BTreeMap<&str, Outcome>>) -> String {
    let ways: Vec<&str> = SINGLE.into_iter().chain(["float16"]).chain(EIGHT_BITS).collect();
    let mut text = format!("{:<26}", "model");
    for way in &ways {
        let _ = write!(text, " {way:<11}");
    }
    for (model, outcomes) in table {
        let _ = write!(text, "\n{model:<26}");
        for way in &ways {
            let _ = write!(text, " {:<11}", outcomes.get(way).map_or("-".to_owned(), cell));
        }
    }
    text
}

/// Every reason for a refusal with an example, and how many nodes of which files it is of.
fn refusals(table: &BTreeMap<&str, BTreeMap<&str, Outcome>>) -> String {
    let mut reasons: BTreeMap<String, (String, BTreeMap<String, usize>)> = BTreeMap::new();
    for (model, outcomes) in table {
        for (way, outcome) in outcomes {
            let Outcome::Refused(problems) = outcome else { continue };
            for (operator, node, reason) in problems.0.iter().flat_map(complaints) {
                // Alike but for the numbers.
                let alike = format!("{operator} {reason}").replace(|c: char| c.is_ascii_digit(), "");
                let (_, files) = reasons
                    .entry(alike)
                    .or_insert_with(|| (format!("{operator} at {node}: {reason}"), BTreeMap::new()));
                *files.entry(format!("{model}.{way}")).or_default() += 1;
            }
        }
    }
    let mut text = String::new();
    for (example, files) in reasons.into_values() {
        let files: Vec<_> = files.into_iter().map(|(file, count)| format!("{file} ({count})")).collect();
        let _ = writeln!(text, "{example}\n    {}", files.join(" "));
    }
    text
}

/// Operators, nodes and reasons of a problem: one of each line where it lists what is not supported.
fn complaints(problem: &Diagnostic) -> Vec<(String, String, String)> {
    if problem.code == "E-ONNX-OP" {
        let one = |line: &str| {
            let (operator, rest) = line.trim().split_once(" at node ")?;
            let (node, reason) = rest.split_once(": ")?;
            Some((operator.to_owned(), node.to_owned(), reason.to_owned()))
        };
        return problem.message.lines().filter_map(one).collect();
    }
    let subject = problem.subject.clone().unwrap_or_default();
    let (node, operator) = subject.split_once(" (").unwrap_or((&subject, ""));
    vec![(
        format!("{} {}", problem.code, operator.trim_end_matches(')')).trim().to_owned(),
        node.trim_start_matches("node ").to_owned(),
        problem.message.clone(),
    )]
}
