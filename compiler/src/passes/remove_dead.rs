//! Removes what no result of the network depends on.
//!
//! Always right: nothing in the graph has an effect but its value. Inputs stay, for the caller passes them in any case.

use super::PassReport;
use crate::ir::{Edit, Graph};

pub(super) fn run(graph: &mut Graph) -> Edit<PassReport> {
    let mut report = PassReport::new("remove_dead");
    for name in graph.remove_dead() {
        report.changed(name, "removed: nothing reads it");
    }
    Ok(report)
}
