//! Stage 2: rewrites of the graph.
//!
//! [`PASSES`] is the list in the order they run, each with the reason it stands where it does. Each can be switched off; the
//! graph is right after any selection of them. The driver verifies the graph before the first and after each.

pub mod equivalence;
mod fold_batch_norm;
mod fold_constants;
mod fold_pad;
mod fold_scale;
mod fuse_activation;
mod fuse_bottleneck;
mod fuse_global_pool;
mod fuse_shortcut_add;
mod fuse_stem_pool;
mod remove_dead;

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Diagnostics, nearest};
use crate::ir::verify::{Verifier, Violation};
use crate::ir::{Edit, Graph, NodeId, Op};

/// A rewrite of the graph.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    /// Its name: what `--no-pass` takes.
    pub name: &'static str,
    /// What it does and when that is right, in one line.
    pub summary: &'static str,
    /// Why it stands where it does in the order.
    pub position: &'static str,
    /// Whether it is a choice: the others clean up what no program can be made of, and run in every one that is measured.
    pub optional: bool,
    run: fn(&mut Graph) -> Edit<PassReport>,
}

impl Pass {
    /// Rewrites the graph.
    ///
    /// # Errors
    /// When the graph refuses an edit: an error of the pass, never of the network.
    pub fn run(&self, graph: &mut Graph) -> Edit<PassReport> {
        (self.run)(graph)
    }
}

/// The passes in the order they run. One stands in it twice, and is switched off in both places.
pub const PASSES: [Pass; 11] = [
    Pass {
        position: "First: what nobody needs must not stand in the way of a rewrite as a second reader.",
        ..REMOVE_DEAD
    },
    Pass {
        name: "fold_constants",
        summary: "Computes what depends on constants alone; always right but for one rounding to f32.",
        position: "Before the rewrites of layers: what it computes is a constant to every later pass.",
        optional: false,
        run: fold_constants::run,
    },
    Pass {
        name: "fold_pad",
        summary: "Makes zeros around a map the padding of the conv or pool that reads it, if the pool takes them for what they are.",
        position: "Before the rewrites of layers: a pad that is gone is no reader of the layer before it.",
        optional: true,
        run: fold_pad::run,
    },
    Pass {
        name: "fold_scale",
        summary: "Multiplies a constant factor into the conv or dense layer before it, or into those behind it, if nothing else sees what it scales.",
        position: "Before fold_batch_norm: a scale that is gone does not stand between a layer and its normalisation. Those \
                   behind a normalisation go with it.",
        optional: true,
        run: fold_scale::run,
    },
    Pass {
        name: "fold_batch_norm",
        summary: "Multiplies a batch normalisation into the conv or dense layer before it, if nothing else sees that layer's result.",
        position: "Before the fusions: it needs the bare layer, and it brings the activation behind it next to the layer.",
        optional: true,
        run: fold_batch_norm::run,
    },
    Pass {
        name: "fuse_activation",
        summary: "Lets the operation before an activation apply it, if nothing else sees that operation's result.",
        position: "Before fuse_shortcut_add: an add takes its activation along, and a conv with an activation of its own shows \
                   itself as one that no add may follow in the same epilogue.",
        optional: true,
        run: fuse_activation::run,
    },
    Pass {
        name: "fuse_shortcut_add",
        summary: "Lets a conv add the shortcut to its result, if the add is the only one to see that result.",
        position: "After the passes that give convs and adds their final form.",
        optional: true,
        run: fuse_shortcut_add::run,
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
        run: |graph| fuse_stem_pool::run(graph, std::env::var_os("FORCE").is_some()),
    },
    Pass {
        name: "fuse_global_pool",
        summary: "Lets the last conv and the global pool be computed together by channels, if nothing else sees the conv's result.",
        position: "Before fuse_bottleneck: the last block's conv belongs to the pool where both want it.",
        optional: true,
        run: |graph| fuse_global_pool::run(graph, std::env::var_os("FORCE").is_some()),
    },
    Pass {
        name: "fuse_bottleneck",
        summary: "Lets the body of a residual block be computed together by rows, if nothing else sees its results.",
        position: "Behind the other chains: a layer is in one at most.",
        optional: true,
        run: |graph| fuse_bottleneck::run(graph, std::env::var_os("FORCE").is_some()),
    },
];

const REMOVE_DEAD: Pass = Pass {
    name: "remove_dead",
    summary: "Removes what no result of the network depends on; always right.",
    position: "",
    optional: false,
    run: remove_dead::run,
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
/// `E-PASS` for every name in `disabled` that no pass has; `E-INTERNAL`, with the pass and the node, when the graph breaks an
/// invariant before the first pass or after one.
pub fn run(graph: &mut Graph, disabled: &BTreeSet<String>) -> Result<Vec<PassReport>, Diagnostics> {
    let mut reports = Vec::new();
    run_each(&PASSES, graph, disabled, &mut |_, report| {
        reports.push(report);
        Ok(())
    })?;
    Ok(reports)
}

/// Runs passes as [`run`] does, and shows the graph and the report after each.
fn run_each(
    passes: &[Pass],
    graph: &mut Graph,
    disabled: &BTreeSet<String>,
    after: &mut dyn FnMut(&Graph, PassReport) -> Result<(), Diagnostics>,
) -> Result<(), Diagnostics> {
    let known = names();
    let unknown: Vec<_> = disabled.iter().filter(|name| !known.contains(&name.as_str())).collect();
    if !unknown.is_empty() {
        return Err(Diagnostics(unknown.into_iter().map(|name| unknown_pass(name)).collect()));
    }
    let mut verifier = Verifier::default();
    verifier.verify(graph).map_err(|violations| internal("before the passes", violations))?;
    for pass in passes.iter().filter(|pass| !disabled.contains(pass.name)) {
        let report = pass.run(graph).map_err(|error| {
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

/// A node and those before it of which each is read by the next alone, as what it reads first, and gives each row of its result from a
/// few rows of what it reads. None of them is in a chain yet. Or why there is none before it.
fn chain_back(graph: &Graph, last: NodeId) -> Result<Vec<NodeId>, String> {
    let taken = |id: NodeId| graph.chains().iter().find(|chain| chain.nodes.contains(&id));
    if let Some(chain) = taken(last) {
        return Err(format!("it is in the chain {} already", chain.kind.name()));
    }
    let mut nodes = vec![last];
    let mut at = last;
    let reason = loop {
        let Some(before) = graph.operands(at).first().copied() else { break "it reads nothing".to_owned() };
        let node = graph.node(before);
        if let Some(reason) = seen_by_others(graph, before, at) {
            break reason;
        }
        if let Some(chain) = taken(before) {
            break format!("`{}` is in the chain {} already", node.name, chain.kind.name());
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ir::Layout;

    #[test]
    fn unknown_names_are_refused_all_at_once() {
        let disabled = ["fold_batchnorm", "remove_dead", "xyz"].map(str::to_owned).into();
        let errors = run(&mut Graph::new(), &disabled).unwrap_err();
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
    fn a_broken_graph_is_an_internal_error_with_its_time_and_node() {
        let mut graph = Graph::new();
        let x = graph.input("x", Layout::Nhwc, [1, 2]);
        graph.output("y", x);
        let errors = run(&mut graph, &BTreeSet::new()).unwrap_err();
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
                "fold_batch_norm",
                "fuse_activation",
                "fuse_shortcut_add",
                "fuse_stem_pool",
                "fuse_global_pool",
                "fuse_bottleneck"
            ]
        );
        assert!(PASSES.iter().all(|pass| !pass.position.is_empty() && !pass.summary.is_empty()));
    }
}
