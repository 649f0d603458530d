//! Lets the network's first convs and the max-pool behind them be computed together, some rows at a time.
//!
//! Right for a max-pool and the convs, batch norms, scales and activations before it, as far back as each result goes to the next of
//! them alone, as what it reads first: then nothing else needs these results, and each of their rows depends on a few rows of what
//! is read. A pool that is not the network's first, or that reads no conv, is left alone.

use super::{Eagerness, PassReport, chain_back};
use crate::ir::{Chain, ChainKind, Edit, Graph, Op};

pub(super) fn run(graph: &mut Graph, eagerness: Eagerness) -> Edit<PassReport> {
    let mut report = PassReport::new("fuse_stem_pool");
    let order = graph.topological();
    let Some(pool) = order.into_iter().find(|id| matches!(graph.node(*id).op(), Op::MaxPool(_))) else {
        return Ok(report);
    };
    let name = graph.node(pool).name.clone();
    match chain_back(graph, pool) {
        Ok(nodes) => {
            let first = nodes.first().map(|id| graph.node(*id).name.clone()).unwrap_or_default();
            report.changed(name, format!("may be computed together with what it reads, from `{first}` on, by rows"));
            graph.chain(Chain { kind: ChainKind::StemPool, nodes, forced: eagerness == Eagerness::WhereRight });
        }
        Err(reason) => report.refused(name, reason),
    }
    Ok(report)
}
