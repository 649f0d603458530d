//! A report as a page. Integration replaces this file by the folder of the same name.

use super::report::Report;

/// The page.
pub fn page(report: &Report) -> String {
    format!("<!DOCTYPE html><title>{}</title>\n", report.network)
}
