//! `resnetc graph`

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::model::{self, ModelOptions};
use super::progress::Progress;
use super::{Failure, compile, output};
use crate::diagnostic::{Diagnostic, Place};
use crate::drawing::{Drawing, dot, html, svg, text};
use crate::passes::Switches;
use crate::pipeline::Stage;
use crate::{package, passes};

const EXAMPLES: &str = "\
Examples:
  resnetc graph resnet50                          a line per layer, blocks under headings
  resnetc graph resnet152 -o resnet152.svg        one picture, equal blocks drawn once
  resnetc graph resnet152 -o resnet152.html       a page whose blocks open at a click
  resnetc graph model.onnx --after none           the model as it was read, before any pass
  resnetc graph resnet50 --after fold_batch_norm --format dot | dot -Tpdf > resnet50.pdf";

/// Draw a network's graph: its blocks, layers and shapes, and what the passes fused
///
/// Pictures need no other program: they are laid out here. Blocks are found in the graph itself, so that ONNX
/// models have them too. Layers that a pass made one are rows of one box. A spec whose weights are not given is
/// drawn with `seed:0`, which changes nothing but the time it takes.
#[derive(Debug, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// A network that ships inside (see `resnetc specs`), or a .yaml, .yml or .onnx file
    model: String,

    #[command(flatten)]
    options: ModelOptions,

    /// Draw the graph after this pass and those before it, without what nothing reads any more; `none` draws it as it was read
    /// [default: all passes]
    #[arg(long, value_name = "PASS")]
    after: Option<String>,

    /// How to draw [default: what the ending of `-o` says, else text]
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Where to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A picture on one page, equal blocks drawn once
    Svg,
    /// Graphviz' language, every layer, blocks as clusters
    Dot,
    /// A page whose blocks open at a click
    Html,
    /// A line per layer
    Text,
}

/// Runs the command.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let format = format(arguments)?;
    let skipped = skipped(arguments.after.as_deref())?;
    let options = arguments.options.options(&arguments.model)?;
    let mut progress = Progress::new();
    let network = model::load_seeded(&options, None, &mut progress)?;
    if let Some(path) = &arguments.output {
        compile::guard(path, &network)?;
    }
    progress.stage(Stage::Optimise);
    let mut graph = network.graph.clone();
    let mut switches = options.switches();
    switches.forced.retain(|pass| !skipped.contains(pass));
    switches.disabled.extend(skipped);
    let done = passes::run(&mut graph, &switches);
    progress.clear();
    done?;
    let state = state(arguments, &options.switches());
    let drawing = Drawing::new(&network.name, &state, &network.graph, &graph);
    let drawn = match format {
        Format::Svg => svg::write(&drawing),
        Format::Dot => dot::write(&drawing),
        Format::Html => html::write(&drawing),
        Format::Text => text::write(&drawing),
    };
    match &arguments.output {
        None => output::print(&drawn),
        Some(path) => {
            package::write_file(path, drawn.as_bytes(), false)?;
            output::note(&format!("wrote {}", path.display()));
            Ok(())
        }
    }
}

/// The format that is asked for, or that the ending of the file's name says.
fn format(arguments: &Arguments) -> Result<Format, Failure> {
    let Some(path) = arguments.output.as_deref().filter(|_| arguments.format.is_none()) else {
        return Ok(arguments.format.unwrap_or(Format::Text));
    };
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    match ending.as_deref() {
        Some("svg") => Ok(Format::Svg),
        Some("dot" | "gv") => Ok(Format::Dot),
        Some("html" | "htm" | "xhtml") => Ok(Format::Html),
        Some("txt" | "text") => Ok(Format::Text),
        _ => {
            let error = Diagnostic::error("E-ARGUMENT", "the ending of this name says nothing about the format")
                .at(Place::file(path))
                .expected("a name that ends in `.svg`, `.html`, `.dot` or `.txt`")
                .hint("or say `--format svg`, `--format html`, `--format dot` or `--format text`");
            Err(Failure::Usage(error.into()))
        }
    }
}

/// The passes that do not run, so that the graph is as it is after `last`.
fn skipped(last: Option<&str>) -> Result<Vec<String>, Failure> {
    let names = passes::names();
    let kept = match last {
        None => names.len(),
        Some("none") => 0,
        Some(last) => match names.iter().position(|name| *name == last) {
            Some(position) => position + 1,
            None => {
                let mut error = passes::unknown_pass(last).about("--after");
                error.expected = error.expected.map(|expected| format!("{expected}, or `none`"));
                return Err(error.into());
            }
        },
    };
    Ok(names.into_iter().skip(kept).map(str::to_owned).collect())
}

/// Which state of the graph is drawn, in words.
fn state(arguments: &Arguments, switches: &Switches) -> String {
    let mut state = match arguments.after.as_deref() {
        None => "after all passes".to_owned(),
        Some("none") => return "before the passes".to_owned(),
        Some(pass) => format!("after the pass {pass}"),
    };
    for (word, names) in [("but", &switches.disabled), ("forcing", &switches.forced)] {
        if !names.is_empty() {
            state += &format!(" {word} {}", names.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
        }
    }
    state
}
