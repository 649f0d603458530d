//! The stages in order: the table of contents of the compiler.

use std::collections::BTreeSet;
use std::path::Path;

use crate::codegen::{self, Item};
use crate::diagnostic::Diagnostics;
use crate::frontend::{self, Changes, Network, WeightSource};
use crate::ir::Graph;
use crate::limits;
use crate::passes::{self, PassReport, Switches};
use crate::plan::{self, Plan, Settings};

/// What is to be compiled, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// A path (`.yaml`, `.yml`, `.onnx`) or the name of a spec that ships with the compiler.
    pub model: String,
    /// Where the weights come from; the model's own or the spec's default when not given.
    pub weights: Option<WeightSource>,
    /// Images per call, from 1.
    pub batch: usize,
    /// What the user changes of the model.
    pub changes: Changes,
    /// Names of passes that are not to run.
    pub disabled_passes: BTreeSet<String>,
    /// Names of passes that are to rewrite wherever it is right, whether it pays or not.
    pub forced_passes: BTreeSet<String>,
    /// What the plan is to heed.
    pub settings: Settings,
}

impl Options {
    /// A model with everything else at its default: its own weights and surroundings, one image per call, every pass.
    pub fn new(model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            weights: None,
            batch: 1,
            changes: Changes::default(),
            disabled_passes: BTreeSet::new(),
            forced_passes: BTreeSet::new(),
            settings: Settings::default(),
        }
    }

    /// How the passes are to run.
    pub fn switches(&self) -> Switches {
        Switches { disabled: self.disabled_passes.clone(), forced: self.forced_passes.clone() }
    }
}

/// What the compiler is doing, for those who show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Reading the model and its weights.
    Load,
    /// Running the passes.
    Optimise,
    /// Choosing algorithms, tiles and memory, and packing the weights.
    Plan,
}

/// A network with every decision taken, ready to be written down as code.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The network as it was read, its graph before any pass.
    pub network: Network,
    /// The graph after the passes. Its nodes tell which of those before the passes they compute.
    pub graph: Graph,
    /// What each pass did.
    pub passes: Vec<PassReport>,
    /// Steps, memory and packed weights.
    pub plan: Plan,
    /// What is doubtful but no error.
    pub warnings: Diagnostics,
}

impl Compiled {
    /// The network as a Rust module: tokens of its program and of the type that `item` describes.
    pub fn tokens(&self, item: &Item) -> proc_macro2::TokenStream {
        codegen::module(self, item)
    }

    /// The same as formatted source, with a header that says what it was made from.
    pub fn source(&self, item: &Item) -> String {
        codegen::source(self, item)
    }
}

/// Compiles a model: every stage but the writing of code, which [`Compiled`] does.
pub fn compile(options: &Options, progress: &mut dyn FnMut(Stage)) -> Result<Compiled, Diagnostics> {
    limits::check()?;
    progress(Stage::Load);
    let (mut network, mut warnings) =
        frontend::load_with(&options.model, options.weights.as_ref(), options.batch, &options.changes)?;
    network.files.extend(options.settings.tuning.file().map(Path::to_path_buf));
    let compiled = compile_network(network, options, progress)?;
    warnings.extend(compiled.warnings);
    Ok(Compiled { warnings, ..compiled })
}

/// Compiles a network that was read already: of the options, the passes that are switched off and the settings count.
///
/// # Errors
/// As [`passes::run`] and [`plan::plan`].
pub fn compile_network(
    network: Network,
    options: &Options,
    progress: &mut dyn FnMut(Stage),
) -> Result<Compiled, Diagnostics> {
    progress(Stage::Optimise);
    let mut graph = network.graph.clone();
    graph.remember();
    let reports = passes::run(&mut graph, &options.switches())?;
    progress(Stage::Plan);
    let (plan, warnings) = plan::plan(&graph, &options.settings)?;
    Ok(Compiled { network, graph, passes: reports, plan, warnings })
}
