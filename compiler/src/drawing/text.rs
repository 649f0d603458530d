//! A drawing as text for a terminal: a line per layer, blocks under headings.

use std::fmt::Write;

use super::escape::{columns, shown};
use super::{Block, Drawing, Layer, Unit};

/// Columns that names may take: a layer's own, and each that it reads.
const NAME: usize = 44;
/// Columns between which what a layer does is aligned: what is wider moves its own line alone.
const WHAT: usize = 52;

/// Writes the drawing as lines.
pub fn write(drawing: &Drawing) -> String {
    let names = drawing.layers.iter().map(|layer| columns(&shown(&layer.name, NAME))).max().unwrap_or(0);
    let whats = drawing.layers.iter().map(|layer| columns(&what(layer))).max().unwrap_or(0).min(WHAT);
    let shapes = drawing.layers.iter().map(|layer| layer.shape.to_string().len()).max().unwrap_or(0);
    let mut text = format!("{}: {}\n", shown(&drawing.title, 80), drawing.summary());
    let line = |text: &mut String, index: usize| {
        let Some(layer) = drawing.layer(index) else { return };
        let reads: Vec<String> = layer
            .operands
            .iter()
            .filter_map(|operand| drawing.layer(*operand))
            .map(|operand| shown(&operand.name, NAME))
            .collect();
        let reads = if reads.is_empty() { String::new() } else { format!("  from {}", reads.join(", ")) };
        let results: String = layer.results.iter().map(|name| format!("  = result {}", shown(name, NAME))).collect();
        let (name, what, shape) = (shown(&layer.name, NAME), what(layer), layer.shape.to_string());
        let pad = |text: &str, width: usize| " ".repeat(width.saturating_sub(columns(text)));
        let _ = writeln!(
            text,
            "  {name}{}  {what}{}  {shape}{}{reads}{results}",
            pad(&name, names),
            pad(&what, whats),
            if reads.is_empty() && results.is_empty() { String::new() } else { pad(&shape, shapes) }
        );
    };
    let mut was_block = true;
    for unit in &drawing.units {
        match unit {
            Unit::Layer(index) => {
                if was_block {
                    text.push('\n');
                }
                line(&mut text, *index);
                was_block = false;
            }
            Unit::Blocks(run) => {
                for (position, block) in run.iter().enumerate() {
                    let _ = writeln!(text, "\n{}", heading(run, position, block));
                    for index in block.layers.clone() {
                        line(&mut text, index);
                    }
                }
                was_block = true;
            }
        }
    }
    text
}

fn heading(run: &[Block], position: usize, block: &Block) -> String {
    let name = shown(&block.name, NAME);
    match run {
        [first, _, ..] if position == 0 => format!("{name} ({} alike, up to {})", run.len(), last(run, first)),
        [first, _, ..] => format!("{name} (like {})", shown(&first.name, NAME)),
        _ => name,
    }
}

fn last(run: &[Block], first: &Block) -> String {
    shown(&run.last().unwrap_or(first).name, NAME)
}

fn what(layer: &Layer) -> String {
    layer.what().replace('×', "x")
}
