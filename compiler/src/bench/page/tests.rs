use std::collections::BTreeSet;

use super::number::{ends, interval};
use super::sample::{HOSTILE, hostile, realistic, tiny};
use super::*;
use crate::bench::report::{Interval, Role};

#[path = "../../../tests/xml/mod.rs"]
mod xml;

/// The values of an attribute, in order.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let begin = format!(" {attribute}=\"");
    page.split(begin.as_str()).skip(1).map(|rest| rest.split('"').next().unwrap()).collect()
}

/// Checks what holds for every page, and gives it.
fn checked(report: &Report) -> String {
    let page = page(report);
    let elements = xml::elements(&page).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(elements[0], "html");
    assert!(!elements.iter().any(|element| element == "script"));
    let ids = values(&page, "id");
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "{ids:?}");
    for reference in values(&page, "href") {
        assert!(ids.iter().any(|id| reference == format!("#{id}")), "{reference}");
    }
    for reference in values(&page, "aria-labelledby").iter().chain(&values(&page, "aria-describedby")) {
        assert!(ids.contains(reference), "{reference}");
    }
    for place in ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "viewBox", "d", "transform"] {
        for value in values(&page, place) {
            assert!(!value.contains("NaN") && !value.contains("inf") && value.len() < 4000, "{place}: {value}");
        }
    }
    for size in ["r", "width", "height"].iter().flat_map(|size| values(&page, size)) {
        assert!(!size.starts_with('-'), "{size}");
    }
    for outside in ["src=", "url(", "@import", "fetch(", "https:"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let namespaces = page.matches("\"http://www.w3.org/2000/svg\"").count() + 1;
    assert_eq!(page.matches("http:").count(), namespaces);
    for words in ["name=\"viewport\"", "prefers-color-scheme:dark", "@media print", "max-width:46rem"] {
        assert!(page.contains(words), "{words}");
    }
    // Sections that are always there, whatever they have to show.
    for section in ["passes", "layers", "roofline", "memory", "graph"] {
        assert!(ids.contains(&section), "{section}");
    }
    page
}

#[test]
fn a_report_is_shown_with_all_its_numbers() {
    let report = realistic("cifar-resnet56");
    let page = checked(&report);
    let flat = page.replace("<wbr/>", "").replace("<b>", "").replace("</b>", "").replace("<span class=\"ends\">", "");
    for (pass, summary) in &report.passes {
        assert!(flat.contains(&format!("<code>{pass}</code>")) && page.contains(&crate::drawing::escape::xml(summary)));
    }
    for setting in &report.settings {
        let title = setting_title(setting);
        assert_eq!(page.matches(&format!(">{title}</h3>")).count(), 3, "{title}");
        for timing in &setting.timings {
            let told = match report.variants[timing.variant].role {
                Role::Unfused => continue,
                Role::Added(_) | Role::Without(_) => timing.against_neighbour,
                Role::Full => timing.against_unfused,
            };
            assert!(flat.contains(&interval(&told)), "{}", interval(&told));
        }
        for layer in &setting.layers {
            assert!(flat.contains(&format!("<code>{}</code>", layer.name)), "{}", layer.name);
            assert!(page.contains(&crate::drawing::escape::xml(&what(layer))));
        }
    }
    for text in ["2026-02-28 13:05 UTC", "AMD EPYC 7R13", "avx2", "9f86d081884c7d65", "cifar-resnet56.safetensors"] {
        assert!(flat.contains(text), "{text}");
    }
    // What changed nothing is told in words.
    assert!(page.contains("same program") && page.contains("no difference"));
    assert!(report.settings[0].layers.len() > 55);
}

#[test]
fn steps_of_one_layer_are_outlined_before_and_after() {
    let report = realistic("cifar-resnet20");
    let page = checked(&report);
    let (before, after) = page.split_once("After all passes</h3>").unwrap();
    let outlines = |part: &str| part.matches("class=\"group\"").count();
    assert!(outlines(before) > 5, "{}", outlines(before));
    assert!(outlines(after) > 5, "{}", outlines(after));
    // One style sheet for both.
    assert_eq!(page.matches("<style>").count(), 1);
}

#[test]
fn the_gains_are_a_picture_by_themselves() {
    let mut few = tiny();
    few.settings.clear();
    let mut named = realistic("cifar-resnet20");
    named.network = HOSTILE.to_owned();
    for report in [realistic("cifar-resnet56"), tiny(), few, hostile(), named] {
        let picture = picture(&report);
        let elements = xml::elements(&picture).unwrap_or_else(|error| panic!("{error}\n{picture}"));
        assert_eq!(elements[0], "svg");
        for forbidden in ["NaN", "inf%", "<script", "url(", "https:", "\0"] {
            assert!(!picture.contains(forbidden), "{forbidden}");
        }
        for setting in &report.settings {
            assert!(picture.contains(&format!(">{}</text>", setting_title(setting))));
        }
    }
    let report = realistic("cifar-resnet56");
    let picture = picture(&report);
    for setting in &report.settings {
        let full = setting.timings.iter().find(|timing| report.variants[timing.variant].role == Role::Full).unwrap();
        assert!(picture.contains(&format!("{} of none", interval(&full.against_unfused))));
    }
    assert!(picture.contains(">fold_batch_norm<") && picture.contains("prefers-color-scheme:dark"));
    // What changes nothing has no row.
    assert!(!picture.contains(">fold_scale<"));
}

#[test]
fn little_makes_a_page_too() {
    let mut report = tiny();
    let page = checked(&report);
    assert!(page.contains("0.250 ms") && page.contains("No layer was timed."), "{page}");
    report.settings.clear();
    checked(&report);
    report.variants.clear();
    report.passes.clear();
    let page = checked(&report);
    for words in ["Nothing was timed.", "No program was built.", "No pass was switched."] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn names_are_data_and_no_number_breaks_a_plot() {
    let page = checked(&hostile());
    assert!(!page.contains("<script") && !page.contains(['\0', '\u{1b}', '\u{202e}']));
    assert!(page.contains("a&quot;b&#39;&lt;script&gt;") && page.contains("\\u{202e}"));
    let mut report = realistic("cifar-resnet20");
    report.network = HOSTILE.to_owned();
    checked(&report);
}

#[test]
fn the_last_pass_stands_as_all_of_them_and_what_it_gains_is_lost_without_it() {
    let report = realistic("cifar-resnet20");
    let chain = measured::chain(&report, &report.settings[0]);
    let last = chain.gains.last().unwrap();
    assert_eq!((last.pass, &last.added.unwrap().variant.role), ("widen_frames", &Role::Full));
    let gained = last.added.unwrap().timing.unwrap().against_neighbour;
    let lost = last.without.unwrap();
    assert!((gained.median * lost.median - 1.0).abs() < 1e-12 && lost.low < lost.median && lost.median < lost.high);
    let unbuilt: Vec<&str> = chain.gains.iter().filter(|gain| gain.added.is_none()).map(|gain| gain.pass).collect();
    assert_eq!(unbuilt, ["remove_dead", "fold_scale"]);
    assert!(ends(&Interval { median: 1.0, low: 0.5, high: 2.0 }).contains('–'));
}

/// Writes pages into the folder that `RESNETC_PAGES` names, to be looked at.
#[test]
fn pages_can_be_looked_at() {
    let Some(folder) = std::env::var_os("RESNETC_PAGES") else { return };
    let pages = ["resnet50", "resnet152"].map(|model| (model, realistic(model)));
    for (name, report) in pages.into_iter().chain([("tiny", tiny()), ("hostile", hostile())]) {
        let path = std::path::Path::new(&folder).join(name);
        std::fs::write(path.with_extension("html"), page(&report)).unwrap();
        std::fs::write(path.with_extension("svg"), picture(&report)).unwrap();
    }
}
