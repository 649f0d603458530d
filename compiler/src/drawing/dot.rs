//! A drawing in Graphviz' language: every layer, blocks as clusters.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::escape::{self, quoted, shown, xml};
use super::{Drawing, Unit, words};

const NAME: usize = 40;

/// Writes the drawing as a directed graph.
pub fn write(drawing: &Drawing) -> String {
    let mut dot = format!(
        "digraph {} {{\n  label={};\n  labelloc=t;\n  fontname=\"Helvetica\";\n  \
         node [shape=plain, fontname=\"Helvetica\", fontsize=10];\n  edge [fontname=\"Helvetica\", fontsize=9, color=\"#5b6472\"];\n",
        quoted(&escape::visible(&drawing.title)),
        quoted(&format!("{}: {}", shown(&drawing.title, 80), drawing.summary())),
    );
    let mut cluster = 0;
    for unit in &drawing.units {
        match unit {
            Unit::Layer(index) => node(&mut dot, drawing, *index, "  "),
            Unit::Blocks(run) => {
                for block in run {
                    let _ = writeln!(
                        dot,
                        "  subgraph cluster_{cluster} {{\n    label={};\n    labeljust=l;\n    style=\"rounded,filled\";\n    \
                         color=\"#8a93a1\";\n    fillcolor=\"#f5f6f8\";",
                        quoted(&shown(&block.name, NAME))
                    );
                    for index in block.layers.clone() {
                        node(&mut dot, drawing, index, "    ");
                    }
                    dot.push_str("  }\n");
                    cluster += 1;
                }
            }
        }
    }
    // A shape is written on the first edge that has it.
    let mut told: BTreeSet<usize> = BTreeSet::new();
    for (index, layer) in drawing.layers.iter().enumerate() {
        for operand in &layer.operands {
            let shape = drawing.layer(*operand).filter(|_| drawing.reshapes(*operand) && told.insert(*operand));
            let label = shape.map_or_else(String::new, |read| format!(" [label=\" {}\"]", words::extents(&read.shape)));
            let _ = writeln!(dot, "  n{operand} -> n{index}{label};");
        }
    }
    dot.push_str("}\n");
    dot
}

/// A layer as a table: its name, and a row for each of its parts.
fn node(dot: &mut String, drawing: &Drawing, index: usize, indent: &str) {
    let Some(layer) = drawing.layer(index) else { return };
    let mut rows = format!("<tr><td align=\"left\"><b>{}</b></td></tr>", xml(&shown(&layer.name, NAME)));
    for part in layer.rows() {
        let _ = write!(
            rows,
            "<tr><td align=\"left\" bgcolor=\"{}\">{}</td></tr>",
            part.family.colours()[0],
            xml(&shown(&part.what, NAME))
        );
    }
    let _ = writeln!(
        dot,
        "{indent}n{index} [label=<<table border=\"1\" cellborder=\"0\" cellspacing=\"1\" cellpadding=\"2\" bgcolor=\"white\" \
         style=\"rounded\">{rows}</table>>, tooltip={}];",
        quoted(&format!("{} {}", escape::visible(&layer.name), layer.shape))
    );
}
