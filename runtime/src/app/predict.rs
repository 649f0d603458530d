//! `PROGRAM IMAGE...`: the most probable classes of pictures.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Failure, Problem, cli, decode, failed, files, list, open, preprocess, product};
use crate::network::{Network, Output, Preprocess};
use crate::program::Model;

/// A picture whose turn has come: ready in the input, or bad.
struct Entry {
    path: String,
    /// How long reading and preparing took, or what is wrong.
    prepared: Result<Duration, Problem>,
}

pub(super) fn run<M: Model>(
    task: &cli::Predict,
    out: &mut dyn Write,
    err: &mut dyn Write,
    terminal: bool,
) -> Result<u8, Failure> {
    let network = M::NETWORK;
    let (rules, chosen) = classifier(network)?;
    let Output { shape, softmax, .. } = network.outputs[chosen];
    let mut model = open::<M>(task.threads)?;
    let pictures = files::find(&task.images);
    let batch = network.images();
    let image = network.input_length() / batch;
    let classes = product(&shape[1..]);

    let mut printer =
        Printer { network, softmax, top: task.top, json: task.json, written: 0, bad: 0, out, err, progress: terminal };
    printer.start()?;
    let total = pictures.len();
    let mut input = vec![0.0; batch * image];
    let mut group: Vec<Entry> = Vec::new();
    let mut ready = 0;
    for (index, found) in pictures.into_iter().enumerate() {
        printer.progress(index, total);
        let begin = Instant::now();
        let path = match &found {
            Ok(path) => path.display().to_string(),
            Err(problem) => problem.place.clone(),
        };
        let part = &mut input[ready * image..(ready + 1) * image];
        let prepared = found.and_then(|path| prepare(network, rules, &path, part)).map(|()| begin.elapsed());
        ready += usize::from(prepared.is_ok());
        group.push(Entry { path, prepared });
        if ready < batch && index + 1 < total {
            continue;
        }
        // The last group may be short: what is left of the input is zeros, and what comes of it is dropped.
        input[ready * image..].fill(0.0);
        let begin = Instant::now();
        let output = if ready == 0 { None } else { model.run(&input).map_err(failed::<M>)?.get(chosen) };
        let time = begin.elapsed().div_f64(ready.max(1) as f64);
        let mut results = output.unwrap_or_default().chunks_exact(classes);
        for entry in group.drain(..) {
            match entry.prepared {
                Err(problem) => printer.bad(&entry.path, &problem)?,
                Ok(preparation) => {
                    let result = results.next().unwrap_or_default();
                    printer.good(&entry.path, result, time, preparation)?;
                }
            }
        }
        ready = 0;
    }
    printer.finish()?;
    Ok(u8::from(printer.bad > 0))
}

fn prepare(network: &Network, rules: &Preprocess, path: &Path, input: &mut [f32]) -> Result<(), Problem> {
    let picture = decode::decode(path)?;
    preprocess::fill(network, rules, &picture, input).map_err(|found| Problem::new(path.display(), found))
}

/// The rules of preprocessing and the index of the output with the classes, when the network is one that classifies pictures.
fn classifier(network: &'static Network) -> Result<(&'static Preprocess, usize), Failure> {
    let hint = "run raw numbers through the network: tensor IN.npy OUT";
    let refuse =
        |found: String, expected: &str| Failure::Usage(Problem::new(network.name, found).expected(expected).hint(hint));
    let chosen = classes(network).map_err(|(found, expected)| refuse(found, expected))?;
    let channels = preprocess::input_channels(network);
    match &network.preprocess {
        None => Err(refuse(
            "the model does not say how a picture becomes its input".to_string(),
            "a `preprocess` section in the model's file, to classify pictures",
        )),
        Some(_) if network.inputs.len() != 1 => {
            Err(refuse(format!("the network has {} inputs", network.inputs.len()), "one, to classify pictures"))
        }
        Some(_) if channels != 3 => {
            Err(refuse(format!("the network's input has {channels} channels"), "three, to classify pictures"))
        }
        Some(rules) => Ok((rules, chosen)),
    }
}

/// The index of the output with a value per class: the first vector with as many values as there are labels, or, without labels, the
/// only vector. Else what was found and what was expected.
fn classes(network: &Network) -> Result<usize, (String, &'static str)> {
    let vectors: Vec<(usize, usize)> = network
        .outputs
        .iter()
        .enumerate()
        .filter(|(_, output)| product(output.shape.get(2..).unwrap_or_default()) == 1)
        .filter(|(_, output)| output.shape.first() == Some(&network.images()))
        .filter_map(|(index, output)| Some((index, *output.shape.get(1)?)))
        .collect();
    let labels = network.labels.len();
    match (vectors.as_slice(), labels) {
        ([], _) => Err((
            format!("the network's outputs are maps: {}", list(network.outputs)),
            "an output with one value per class, to classify pictures",
        )),
        ([(index, _)], 0) => Ok(*index),
        (several, 0) => Err((
            format!("{} of the network's outputs could be classes: {}", several.len(), list(network.outputs)),
            "one such output, or labels, which tell which one it is",
        )),
        (vectors, labels) => {
            vectors.iter().find(|(_, length)| *length == labels).map(|(index, _)| *index).ok_or_else(|| {
                let found = format!("the network has {labels} labels, but its outputs are {}", list(network.outputs));
                (found, "an output with one value per label, to classify pictures")
            })
        }
    }
}

/// Probabilities of an image's classes, after softmax unless it was taken, and the order of the classes from the most probable; equals in the order of
/// their index.
fn rank(softmax: bool, output: &[f32]) -> Vec<(usize, f64)> {
    let mut ranked: Vec<(usize, f64)> = output.iter().map(|&value| f64::from(value)).enumerate().collect();
    if !softmax {
        let largest = ranked.iter().fold(f64::NEG_INFINITY, |largest, &(_, value)| largest.max(value));
        for (_, value) in &mut ranked {
            *value = (*value - largest).exp();
        }
        let sum: f64 = ranked.iter().map(|&(_, value)| value).sum();
        for (_, value) in &mut ranked {
            *value /= sum;
        }
    }
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    ranked
}

fn label(network: &Network, class: usize) -> String {
    network.labels.get(class).map_or_else(|| format!("class {class}"), ToString::to_string)
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

/// Writes results as text or as a JSON array with an object per line.
struct Printer<'a> {
    network: &'static Network,
    /// Whether the values are probabilities already.
    softmax: bool,
    top: usize,
    json: bool,
    written: usize,
    bad: usize,
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    progress: bool,
}

impl Printer<'_> {
    fn start(&mut self) -> io::Result<()> {
        if self.json { self.out.write_all(b"[") } else { Ok(()) }
    }

    fn finish(&mut self) -> io::Result<()> {
        self.clear();
        if self.json { self.out.write_all(b"\n]\n") } else { Ok(()) }
    }

    fn progress(&mut self, done: usize, total: usize) {
        if self.progress && total > 1 {
            let _ = write!(self.err, "\r\x1b[K{done} of {total} pictures");
            let _ = self.err.flush();
        }
    }

    fn clear(&mut self) {
        if self.progress {
            let _ = write!(self.err, "\r\x1b[K");
        }
    }

    fn object(&mut self, object: &Value) -> io::Result<()> {
        write!(self.out, "{}\n{object}", if self.written == 0 { "" } else { "," })?;
        self.written += 1;
        Ok(())
    }

    fn bad(&mut self, path: &str, problem: &Problem) -> io::Result<()> {
        self.clear();
        self.bad += 1;
        let _ = writeln!(self.err, "error: {problem}");
        if self.json {
            let error = json!({ "found": problem.found, "expected": problem.expected, "hint": problem.hint });
            self.object(&json!({ "file": path, "error": error }))?;
        }
        Ok(())
    }

    fn good(&mut self, path: &str, output: &[f32], time: Duration, preparation: Duration) -> io::Result<()> {
        if output.iter().any(|value| !value.is_finite()) {
            let problem = Problem::new(path, "the network's output is not finite")
                .hint("the weights do not suit the network or its preprocessing");
            return self.bad(path, &problem);
        }
        self.clear();
        let mut ranked = rank(self.softmax, output);
        ranked.truncate(self.top);
        if self.json {
            let predictions: Vec<Value> = ranked
                .iter()
                .map(|&(class, probability)| {
                    json!({ "class": class, "label": label(self.network, class), "probability": probability })
                })
                .collect();
            return self.object(&json!({
                "file": path,
                "predictions": predictions,
                "milliseconds": milliseconds(time),
                "preprocess_milliseconds": milliseconds(preparation),
            }));
        }
        writeln!(
            self.out,
            "{path}  ({:.3} ms, and {:.3} ms to prepare the picture)",
            milliseconds(time),
            milliseconds(preparation)
        )?;
        for (class, probability) in ranked {
            writeln!(self.out, "  {probability:.4}  {}", label(self.network, class))?;
        }
        // A long walk shows its results as they come.
        self.out.flush()
    }
}
