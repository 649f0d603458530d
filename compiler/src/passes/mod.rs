//! Stage 2: rewrites of the graph.
//!
//! [`PASSES`] is the list in the order they run, each with the reason it stands where it does. Each can be switched off, and one
//! that weighs costs can be told to rewrite wherever it is right: [`Switches`]. The graph is right after any selection of
//! them. The driver verifies the graph before the first and after each.

mod affine;
pub mod equivalence;
mod fold_batch_norm;
mod fold_constants;
mod fold_pad;
mod fold_preprocess;
mod fold_scale;
mod fuse_activation;
mod fuse_bottleneck;
mod fuse_global_pool;
mod fuse_pre_activation;
mod fuse_projection;
mod fuse_shortcut_add;
mod fuse_stem_pool;
mod merge_siblings;
mod remove_dead;

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::ir::verify::{Verifier, Violation};
use crate::ir::{Conv, Edit, Graph, NodeId, Op, Padding, Tensor};

/// A rewrite of the graph.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// Its name: what `--no-pass` and `--pass` take.
    pub name: &'static str,
    /// What it does and when that is right, in one line.
    pub summary: &'static str,
    /// Why it stands where it does in the order.
    pub position: &'static str,
    /// Whether it is a choice: the others clean up what no program can be made of, and run in every one that is measured.
    pub optional: bool,
    run: Rewrite,
}

/// Two kinds of rewrite.
#[derive(Debug, Clone, Copy)]
enum Rewrite {
    /// One that pays wherever it is right.
    Always(fn(&mut Graph) -> Edit<PassReport>),
    /// One that weighs what it costs.
    Weighed(fn(&mut Graph, Eagerness) -> Edit<PassReport>),
}

/// How far a pass goes that weighs what its rewrite costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Eagerness {
    /// It rewrites where the program becomes faster by all that is known when it runs.
    #[default]
    WherePays,
    /// It rewrites wherever the result stays right, whatever it costs.
    WhereRight,
}

impl Pass {
    /// Rewrites the graph. Only a pass that weighs costs heeds how eager it is to be.
    ///
    /// # Errors
    /// When the graph refuses an edit: an error of the pass, never of the network.
    pub fn run(&self, graph: &mut Graph, eagerness: Eagerness) -> Edit<PassReport> {
        match self.run {
            Rewrite::Always(run) => run(graph),
            Rewrite::Weighed(run) => run(graph, eagerness),
        }
    }
}

/// Which passes do not run, and which do more than by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switches {
    /// Names of passes that do not run.
    pub disabled: BTreeSet<String>,
    /// Names of passes that rewrite wherever it is right, whether it pays or not: [`Eagerness::WhereRight`].
    pub forced: BTreeSet<String>,
}

/// Passes that are switched off, and no others told anything.
impl From<BTreeSet<String>> for Switches {
    fn from(disabled: BTreeSet<String>) -> Self {
        Self { disabled, forced: BTreeSet::new() }
    }
}

impl Switches {
    /// Whether every name is that of a pass, and none is switched both ways.
    ///
    /// # Errors
    /// `E-PASS` for every name that no pass has; else as [`Switches::agree`].
    pub fn check(&self) -> Result<(), Diagnostics> {
        let known = names();
        let unknown = self.disabled.union(&self.forced).filter(|name| !known.contains(&name.as_str()));
        let errors: Vec<_> = unknown.map(|name| unknown_pass(name)).collect();
        if errors.is_empty() { self.agree() } else { Err(Diagnostics(errors)) }
    }

    /// Whether no pass is switched both ways.
    ///
    /// # Errors
    /// `E-PASS` for every name that is both switched off and forced.
    pub fn agree(&self) -> Result<(), Diagnostics> {
        let both = self.disabled.intersection(&self.forced).map(|name| {
            Diagnostic::error("E-PASS", format!("the pass `{name}` is switched off and forced at once"))
                .expected("one of both at most")
        });
        let errors: Vec<_> = both.collect();
        if errors.is_empty() { Ok(()) } else { Err(Diagnostics(errors)) }
    }

    fn eagerness(&self, pass: &Pass) -> Eagerness {
        if self.forced.contains(pass.name) { Eagerness::WhereRight } else { Eagerness::WherePays }
    }
}

/// The passes in the order they run. One stands in it twice, and is switched off in both places.
pub const PASSES: [Pass; 15] = [
    Pass {
        position: "First: what nobody needs must not stand in the way of a rewrite as a second reader.",
        ..REMOVE_DEAD
    },
    Pass {
        name: "fold_constants",
        summary: "Computes what depends on constants alone; always right but for one rounding to f32.",
        position: "Before the rewrites of layers: what it computes is a constant to every later pass.",
        optional: false,
        run: Rewrite::Always(fold_constants::run),
    },
    Pass {
        name: "fold_pad",
        summary: "Makes zeros around a map the padding of the conv or pool that reads it, if the pool takes them for what they are.",
        position: "Before the rewrites of layers: a pad that is gone is no reader of the layer before it.",
        optional: true,
        run: Rewrite::Always(fold_pad::run),
    },
    Pass {
        name: "fold_scale",
        summary: "Multiplies a constant factor into the conv or dense layer before it, or into those behind it, if nothing else sees what it scales.",
        position: "Before fold_batch_norm: a scale that is gone does not stand between a layer and its normalisation. Those \
                   behind a normalisation go with it.",
        optional: true,
        run: Rewrite::Always(fold_scale::run),
    },
    Pass {
        name: "fold_preprocess",
        summary: "Multiplies the normalisation of the network's input into the convs that read it, if they pad no shifted values.",
        position: "Before fold_batch_norm, which could not fold what stands in front of the first layer and would only refuse it, \
                   and which takes the conv's new bias along. After fold_scale, which takes what is a scale alone.",
        optional: true,
        run: Rewrite::Always(fold_preprocess::run),
    },
    Pass {
        name: "fold_batch_norm",
        summary: "Multiplies a batch normalisation into the conv, dense or group norm layer before it, if nothing else sees that layer's result.",
        position: "Before the fusions: it needs the bare layer, and it brings the activation behind it next to the layer.",
        optional: true,
        run: Rewrite::Always(fold_batch_norm::run),
    },
    Pass {
        name: "fuse_activation",
        summary: "Lets the operation before an activation apply it, if nothing else sees that operation's result.",
        position: "Before fuse_shortcut_add: an add takes its activation along, and a conv with an activation of its own shows \
                   itself as one that no add may follow in the same epilogue.",
        optional: true,
        run: Rewrite::Always(fuse_activation::run),
    },
    Pass {
        name: "fuse_shortcut_add",
        summary: "Lets a conv add the shortcut to its result, if the add is the only one to see that result.",
        position: "After the passes that give convs and adds their final form.",
        optional: true,
        run: Rewrite::Always(fuse_shortcut_add::run),
    },
    Pass {
        name: "fuse_projection",
        summary: "Makes the two 1x1 convs of a projection block one over both of their inputs, if nothing else sees the carried conv's result.",
        position: "After fuse_shortcut_add, which lets one of the two carry the other's result.",
        optional: true,
        run: Rewrite::Weighed(fuse_projection::run),
    },
    Pass {
        name: "merge_siblings",
        summary: "Makes convs that read the same map alike one conv, if none of them adds a shortcut.",
        position: "After fuse_projection: a block's first conv and its projection, where both passes could have the latter, are \
                   better off there.",
        optional: true,
        run: Rewrite::Weighed(merge_siblings::run),
    },
    Pass {
        name: "fuse_pre_activation",
        summary: "Lets a conv write, beside the sum that goes on as the shortcut, the normalised sum that the next block reads.",
        position: "Behind the other rewrites: none of them knows a conv of two results.",
        optional: true,
        run: Rewrite::Weighed(fuse_pre_activation::run),
    },
    Pass {
        position: "Behind the rewrites, which leave weights and layers that nobody needs: as readers they would keep layers from their chains.",
        ..REMOVE_DEAD
    },
    Pass {
        name: "fuse_stem_pool",
        summary: "Lets the first convs and the max-pool behind them be computed together by rows, if nothing else sees their results.",
        position: "Behind the rewrites, which give the layers their final form. Chains change nothing; the plan decides whether they pay.",
        optional: true,
        run: Rewrite::Weighed(fuse_stem_pool::run),
    },
    Pass {
        name: "fuse_global_pool",
        summary: "Lets the last conv and the global pool be computed together by channels, if nothing else sees the conv's result.",
        position: "Before fuse_bottleneck: the last block's conv belongs to the pool where both want it.",
        optional: true,
        run: Rewrite::Weighed(fuse_global_pool::run),
    },
    Pass {
        name: "fuse_bottleneck",
        summary: "Lets the body of a residual block be computed together by rows, if nothing else sees its results.",
        position: "Behind the other chains: a layer is in one at most.",
        optional: true,
        run: Rewrite::Weighed(fuse_bottleneck::run),
    },
];

const REMOVE_DEAD: Pass = Pass {
    name: "remove_dead",
    summary: "Removes what no result of the network depends on; always right.",
    position: "",
    optional: false,
    run: Rewrite::Always(remove_dead::run),
};

/// What a pass did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PassReport {
    /// The pass.
    pub pass: &'static str,
    /// Nodes it changed, and how.
    pub changes: Vec<Change>,
    /// Nodes it left alone, and why.
    pub refusals: Vec<Refusal>,
}

/// A rewrite that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The node's name.
    pub node: String,
    /// What was done.
    pub what: String,
}

/// A rewrite that was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The node's name.
    pub node: String,
    /// Why not.
    pub reason: String,
}

impl PassReport {
    fn new(pass: &'static str) -> Self {
        Self { pass, changes: Vec::new(), refusals: Vec::new() }
    }

    fn changed(&mut self, node: impl Into<String>, what: impl Into<String>) {
        self.changes.push(Change { node: node.into(), what: what.into() });
    }

    fn refused(&mut self, node: impl Into<String>, reason: impl Into<String>) {
        self.refusals.push(Refusal { node: node.into(), reason: reason.into() });
    }
}

/// The names of the passes in the order they first run, each once.
pub fn names() -> Vec<&'static str> {
    let mut names = Vec::new();
    for pass in &PASSES {
        if !names.contains(&pass.name) {
            names.push(pass.name);
        }
    }
    names
}

/// Runs the passes in order, but for those that are switched off.
///
/// # Errors
/// As [`Switches::check`]; `E-INTERNAL`, with the pass and the node, when the graph breaks an invariant before the first pass or
/// after one.
pub fn run(graph: &mut Graph, switches: &Switches) -> Result<Vec<PassReport>, Diagnostics> {
    let mut reports = Vec::new();
    run_each(&PASSES, graph, switches, &mut |_, report| {
        reports.push(report);
        Ok(())
    })?;
    Ok(reports)
}

/// Runs passes as [`run`] does, and shows the graph and the report after each.
fn run_each(
    passes: &[Pass],
    graph: &mut Graph,
    switches: &Switches,
    after: &mut dyn FnMut(&Graph, PassReport) -> Result<(), Diagnostics>,
) -> Result<(), Diagnostics> {
    switches.check()?;
    let mut verifier = Verifier::default();
    verifier.verify(graph).map_err(|violations| internal("before the passes", violations))?;
    for pass in passes.iter().filter(|pass| !switches.disabled.contains(pass.name)) {
        let report = pass.run(graph, switches.eagerness(pass)).map_err(|error| {
            let message = format!("the pass {} made an edit that does not fit: {}", pass.name, error.message);
            Diagnostics::from(Diagnostic::error("E-INTERNAL", message).about(error.node))
        })?;
        verifier.verify(graph).map_err(|violations| internal(&format!("after the pass {}", pass.name), violations))?;
        after(graph, report)?;
    }
    Ok(())
}

/// The refusal, `E-PASS`, of a name that no pass has.
pub fn unknown_pass(name: &str) -> Diagnostic {
    let known = names();
    let diagnostic = Diagnostic::error("E-PASS", format!("there is no pass `{name}`"))
        .expected(format!("one of `{}`", known.join("`, `")));
    match nearest(name, known.iter().copied()) {
        Some(near) => diagnostic.hint(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

fn internal(when: &str, violations: Vec<Violation>) -> Diagnostics {
    let diagnostics = violations.into_iter().map(|violation| {
        let message = format!("{when}, the graph breaks an invariant: {}; {}", violation.invariant, violation.found);
        let diagnostic = Diagnostic::error("E-INTERNAL", message);
        if violation.node.is_empty() { diagnostic } else { diagnostic.about(violation.node) }
    });
    Diagnostics(diagnostics.collect())
}

/// Why `producer`'s result may not be replaced for `reader` alone; `None` when `reader` alone sees it.
fn seen_by_others(graph: &Graph, producer: NodeId, reader: NodeId) -> Option<String> {
    if graph.only_reader(producer) == Some(reader) {
        return None;
    }
    let name = &graph.node(producer).name;
    let other = graph.readers(producer).into_iter().find(|other| *other != reader);
    Some(match other {
        Some(other) => format!("`{name}` is read by `{}` too", graph.node(other).name),
        None if graph.outputs().iter().any(|output| output.node == producer) => {
            format!("`{name}` is a result of the network")
        }
        None => format!("`{name}` is read twice"),
    })
}

/// Why a node can be in no chain: it is in one.
fn chained(graph: &Graph, id: NodeId) -> Option<String> {
    let chain = graph.chains().iter().find(|chain| chain.nodes.contains(&id))?;
    Some(format!("`{}` is in the chain {} already", graph.node(id).name, chain.kind.name()))
}

/// A node and those before it of which each is read by the next alone, as what it reads first, and gives each row of its result from a
/// few rows of what it reads. None of them is in a chain yet. Or why there is none before it.
fn chain_back(graph: &Graph, last: NodeId) -> Result<Vec<NodeId>, String> {
    if let Some(reason) = chained(graph, last) {
        return Err(reason);
    }
    let mut nodes = vec![last];
    let mut at = last;
    let reason = loop {
        let Some(before) = graph.operands(at).first().copied() else { break "it reads nothing".to_owned() };
        let node = graph.node(before);
        if let Some(reason) = seen_by_others(graph, before, at) {
            break reason;
        }
        if let Some(reason) = chained(graph, before) {
            break reason;
        }
        let by_rows = match node.op() {
            Op::Conv(conv) => !conv.shortcut,
            Op::BatchNorm(_) | Op::Activation(_) | Op::Scale { .. } => true,
            Op::Pad(pad) => pad.channels == [0, 0],
            _ => false,
        };
        if !by_rows {
            let shortcut = if matches!(node.op(), Op::Conv(_)) { " with a shortcut" } else { "" };
            break format!("it follows {}{shortcut} `{}`", node.op().name(), node.name);
        }
        nodes.push(before);
        at = before;
    };
    // What only rescales the map before it belongs to a chain with a conv in it.
    let convs = nodes.iter().skip(1).filter(|id| matches!(graph.node(**id).op(), Op::Conv(_))).count();
    if convs == 0 {
        return Err(format!("there is no conv before it that it alone reads: {reason}"));
    }
    nodes.reverse();
    Ok(nodes)
}

/// The value of a layer's parameter.
fn constant_value(graph: &Graph, id: NodeId) -> Result<&Tensor, String> {
    graph.value(id).ok_or_else(|| format!("`{}` is computed, not constant", graph.node(id).name))
}

/// The channels that lie together in memory: only whole blocks of them can be written and read within another map.
const BLOCK: usize = crate::plan::geometry::BLOCK;

/// Refuses a map that has no whole blocks of channels.
fn whole_blocks(graph: &Graph, id: NodeId) -> Result<(), String> {
    let node = graph.node(id);
    match node.shape().0.get(1) {
        Some(channels) if channels.is_multiple_of(BLOCK) => Ok(()),
        Some(channels) => Err(format!("`{}` has {channels} channels, no multiple of {BLOCK}", node.name)),
        None => Err(format!("`{}` has no channels", node.name)),
    }
}

/// Whether a node is a conv that wants a frame of zeros around its input `x`: one that pads, or that looks at more than a pixel at a
/// time, which minimal filtering may extend.
fn frames(graph: &Graph, reader: NodeId, x: NodeId) -> bool {
    match graph.node(reader).op() {
        Op::Conv(Conv { kernel, padding, .. }) => {
            graph.operands(reader).first() == Some(&x) && (*kernel != [1, 1] || *padding != Padding::default())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Layout;

    #[test]
    fn unknown_names_are_refused_all_at_once() {
        let disabled: BTreeSet<String> = ["fold_batchnorm", "remove_dead"].map(str::to_owned).into();
        let forced = ["xyz"].map(str::to_owned).into();
        let errors = run(&mut Graph::new(), &Switches { disabled, forced }).unwrap_err();
        let texts: Vec<_> = errors.0.iter().map(|error| (error.message.as_str(), error.hint.as_deref())).collect();
        assert_eq!(
            texts,
            [
                ("there is no pass `fold_batchnorm`", Some("did you mean `fold_batch_norm`?")),
                ("there is no pass `xyz`", None),
            ]
        );
    }

    #[test]
    fn a_pass_is_switched_one_way() {
        let [disabled, forced] = [&["fold_pad", "remove_dead"], &["fuse_projection", "fold_pad"]]
            .map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        let errors = run(&mut Graph::new(), &Switches { disabled, forced }).unwrap_err();
        assert_eq!(
            errors.to_string(),
            "error[E-PASS]: the pass `fold_pad` is switched off and forced at once\n  expected: one of both at most"
        );
    }

    #[test]
    fn a_broken_graph_is_an_internal_error_with_its_time_and_node() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nhwc, [1, 2]);
        graph.output("y", x);
        let errors = run(&mut graph, &Switches::default()).unwrap_err();
        assert_eq!(
            errors.to_string(),
            "error[E-INTERNAL]: x: before the passes, the graph breaks an invariant: an input laid out as [N, H, W, C] has four axes; its shape is [1, 2]"
        );
    }

    #[test]
    fn every_pass_has_its_reason_and_a_name_that_is_listed_once() {
        assert_eq!(
            names(),
            [
                "remove_dead",
                "fold_constants",
                "fold_pad",
                "fold_scale",
                "fold_preprocess",
                "fold_batch_norm",
                "fuse_activation",
                "fuse_shortcut_add",
                "fuse_projection",
                "merge_siblings",
                "fuse_pre_activation",
                "fuse_stem_pool",
                "fuse_global_pool",
                "fuse_bottleneck"
            ]
        );
        assert!(PASSES.iter().all(|pass| !pass.position.is_empty() && !pass.summary.is_empty()));
    }
}
