//! Blocks, found in the graph itself.
//!
//! A layer that no edge passes by is one that every path goes through. Between two such layers that do not follow each other
//! straight, paths lie side by side: that is a block. The layer where they meet belongs to it, and an activation behind
//! that, or the conv that several became whose results were added there. A layer that reads another twice is a block by itself. One walk over the layers in topological order finds all of them.

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Family, Layer, escape};

/// Layers with several paths through them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What the names of its layers have in common, or a number: anything at all.
    pub name: String,
    /// Its layers.
    pub layers: Range<usize>,
}

/// A piece of a network, from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// A layer outside of blocks.
    Layer(usize),
    /// A block, or several that do the same one after the other; never empty.
    Blocks(Vec<Block>),
}

/// The units that layers in topological order form.
pub(super) fn find(layers: &[Layer]) -> Vec<Unit> {
    let passed = last_readers(layers);
    let mut units: Vec<Unit> = Vec::new();
    // The reach of edges from layers before this one, and the first layer that is in no unit yet.
    let (mut reach, mut begin, mut index) = (0, 0, 0);
    while index < layers.len() {
        let is_cut = reach <= index;
        reach = reach.max(passed.get(index).copied().unwrap_or_default());
        index += 1;
        if !is_cut && index < layers.len() {
            continue;
        }
        if index - begin == 1 && layers.get(begin).is_some_and(|layer| layer.operands.len() < 2) {
            units.push(Unit::Layer(begin));
        } else {
            while reach <= index && layers.get(index).is_some_and(|next| belongs_to(next, index - 1)) {
                reach = reach.max(passed.get(index).copied().unwrap_or_default());
                index += 1;
            }
            let name = name(layers.get(begin..index).unwrap_or_default());
            append(&mut units, Block { name, layers: begin..index }, layers);
        }
        begin = index;
    }
    number_the_nameless(&mut units);
    units
}

/// The last reader of each layer; of one that nobody reads, itself.
fn last_readers(layers: &[Layer]) -> Vec<usize> {
    let mut last: Vec<usize> = (0..layers.len()).collect();
    for (index, layer) in layers.iter().enumerate() {
        for operand in &layer.operands {
            if let Some(reader) = last.get_mut(*operand) {
                *reader = index.max(*reader);
            }
        }
    }
    last
}

/// Whether a layer is an activation of one where paths meet, or the convs whose sum is what meets there.
fn belongs_to(layer: &Layer, index: usize) -> bool {
    let is_activation = layer.parts.first().is_some_and(|part| part.family == Family::Activation);
    let convs = layer.parts.iter().filter(|part| part.family == Family::Conv).count();
    layer.operands == [index] && (is_activation || convs > 1)
}

/// Puts a block with those before it when it does the same.
fn append(units: &mut Vec<Unit>, block: Block, layers: &[Layer]) {
    match units.last_mut() {
        Some(Unit::Blocks(run)) if run.last().is_some_and(|last| do_the_same(last, &block, layers)) => run.push(block),
        _ => units.push(Unit::Blocks(vec![block])),
    }
}

/// Whether two blocks are the same but for names and weights.
fn do_the_same(one: &Block, other: &Block, layers: &[Layer]) -> bool {
    let read = |block: &Block, index: usize, operand: &usize| match operand.checked_sub(block.layers.start) {
        Some(_) => (Some(index - operand), None),
        None => (None, layers.get(*operand).map(|layer| &layer.shape)),
    };
    one.layers.len() == other.layers.len()
        && one.layers.clone().zip(other.layers.clone()).all(|(a, b)| match (layers.get(a), layers.get(b)) {
            (Some(first), Some(second)) => {
                first.parts == second.parts
                    && first.results == second.results
                    && first.shape == second.shape
                    && first.operands.len() == second.operands.len()
                    && first.operands.iter().zip(&second.operands).all(|(x, y)| read(one, a, x) == read(other, b, y))
            }
            _ => false,
        })
}

/// The longest words that most names begin with; empty when there are none.
fn name(layers: &[Layer]) -> String {
    const LONGEST: usize = 200;
    let is_separator = |character: char| matches!(character, '.' | '/' | '_' | ':' | '-' | ' ');
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for layer in layers {
        let name = layer.name.trim_start_matches(is_separator);
        let ends = name.match_indices(is_separator).map(|(end, _)| end).take_while(|end| *end < LONGEST);
        for words in ends.chain([name.len()]).filter_map(|end| name.get(..end)) {
            *counts.entry(words).or_default() += 1;
        }
    }
    let common = counts.into_iter().filter(|(words, count)| count * 2 > layers.len() && !words.ends_with(is_separator));
    common.map(|(words, _)| words).max_by_key(|words| words.len()).unwrap_or_default().to_owned()
}

/// Gives blocks a number for a name when they have none, or one that others have too.
fn number_the_nameless(units: &mut [Unit]) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut blocks: Vec<&mut Block> = Vec::new();
    for unit in units {
        if let Unit::Blocks(run) = unit {
            blocks.extend(run);
        }
    }
    for block in &blocks {
        *counts.entry(block.name.clone()).or_default() += 1;
    }
    for (index, block) in blocks.into_iter().enumerate() {
        if block.name.is_empty() || counts.get(&block.name) != Some(&1) {
            block.name = format!("block {}", index + 1);
        }
    }
}

/// The name of a run of blocks: that of the first, and of the last when there are several.
pub(super) fn title(run: &[Block], width: usize) -> String {
    let [first, .., last] = run else {
        return run.first().map(|block| escape::shown(&block.name, width)).unwrap_or_default();
    };
    let whole = format!("{} … {}", escape::visible(&first.name), escape::visible(&last.name));
    if escape::columns(&whole) <= width {
        return whole;
    }
    let half = width.saturating_sub(3) / 2;
    format!("{} … {}", escape::shown(&first.name, half), escape::shown(&last.name, half))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drawing::Part;

    /// Layers of one shape, each an operation and what it reads.
    fn layers(list: &[(&str, &str, &[usize])]) -> Vec<Layer> {
        let family = |what: &str| if what == "relu" { Family::Activation } else { Family::Conv };
        list.iter()
            .map(|(name, what, operands)| Layer {
                name: (*name).to_owned(),
                parts: vec![Part::new(family(what), *what)],
                results: Vec::new(),
                shape: [1, 8].into(),
                operands: operands.to_vec(),
            })
            .collect()
    }

    /// Units in short: `0` is a layer, `1..3+3..5` a run of two blocks.
    fn outline(units: &[Unit]) -> String {
        let short = |unit: &Unit| match unit {
            Unit::Layer(index) => index.to_string(),
            Unit::Blocks(run) => run.iter().map(|block| format!("{:?}", block.layers)).collect::<Vec<_>>().join("+"),
        };
        units.iter().map(short).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_chain_has_no_blocks_and_one_node_is_a_unit() {
        let chain = layers(&[("a", "input", &[]), ("b", "conv", &[0]), ("c", "relu", &[1])]);
        assert_eq!(find(&chain), [Unit::Layer(0), Unit::Layer(1), Unit::Layer(2)]);
        assert_eq!(find(&chain[..1]), [Unit::Layer(0)]);
        assert_eq!(find(&[]), []);
    }

    #[test]
    fn equal_blocks_that_follow_each_other_are_a_run() {
        let list = layers(&[
            ("x", "input", &[]),
            ("l.0.a", "conv", &[0]),
            ("l.0.add", "add", &[1, 0]),
            ("l.0.act", "relu", &[2]),
            ("l.1.a", "conv", &[3]),
            ("l.1.add", "add", &[4, 3]),
            ("l.1.act", "relu", &[5]),
            ("l.2.a", "conv", &[6]),
            ("l.2.add", "add", &[6, 7]),
            ("l.2.act", "relu", &[8]),
            ("fc", "dense", &[9]),
        ]);
        let units = find(&list);
        // The last adds its operands the other way round.
        assert_eq!(outline(&units), "0 1..4+4..7 7..10 10");
        assert!(matches!(&units[1], Unit::Blocks(run) if title(run, 30) == "l.0 … l.1"));
    }

    #[test]
    fn a_layer_with_its_own_shortcut_is_a_block() {
        let list = layers(&[("x", "input", &[]), ("a", "conv", &[0, 0]), ("b", "conv", &[1, 1]), ("y", "conv", &[2])]);
        assert_eq!(outline(&find(&list)), "0 1..2+2..3 3");
    }

    #[test]
    fn titles_are_cut_only_when_they_must_be() {
        let run = ["layer1.1", "layer1.110"].map(|name| Block { name: name.to_owned(), layers: 0..1 });
        assert_eq!(title(&run, 21), "layer1.1 … layer1.110");
        assert_eq!(title(&run, 20), "layer1.1 … laye…110");
        assert_eq!(title(&run[..1], 5), "la….1");
        assert_eq!(title(&[], 5), "");
    }

    #[test]
    fn blocks_of_other_shapes_are_not_the_same() {
        let mut list = layers(&[
            ("x", "input", &[]),
            ("a", "conv", &[0]),
            ("b", "add", &[1, 0]),
            ("c", "conv", &[2]),
            ("d", "add", &[3, 2]),
        ]);
        assert_eq!(outline(&find(&list)), "0 1..3+3..5");
        list[0].shape = [1, 9].into();
        assert_eq!(outline(&find(&list)), "0 1..3 3..5");
    }

    #[test]
    fn branches_that_end_by_themselves_are_in_a_block() {
        let list = layers(&[("x", "input", &[]), ("head", "conv", &[0]), ("main", "conv", &[0]), ("y", "conv", &[2])]);
        assert_eq!(outline(&find(&list)), "0 1..3 3");
        // The last layers need not meet.
        assert_eq!(outline(&find(&list[..3])), "0 1..3");
        let apart = layers(&[("x", "input", &[]), ("a", "conv", &[0]), ("b", "conv", &[1]), ("c", "conv", &[0])]);
        assert_eq!(outline(&find(&apart)), "0 1..4");
    }

    #[test]
    fn names_are_the_words_that_most_layers_share() {
        let of = |names: &[&str]| {
            let list: Vec<_> = names.iter().map(|name| (*name, "conv", &[][..])).collect();
            name(&layers(&list))
        };
        assert_eq!(of(&["layer1.10.conv1", "layer1.10.conv2", "layer1.10.bn1"]), "layer1.10");
        assert_eq!(of(&["conv4_block1_1_conv", "conv4_block1_2_bn", "conv4_block1_out"]), "conv4_block1");
        assert_eq!(of(&["/layer1/layer1.0/conv1/Conv", "/layer1/layer1.0/Add"]), "layer1/layer1.0");
        assert_eq!(of(&["layer1", "layer1.sum", "c2"]), "layer1");
        assert_eq!(of(&["conv2d_5", "block35_1"]), "");
        assert_eq!(of(&["層.é", "層.è", ""]), "層");
        assert_eq!(of(&["..", "//"]), "");
    }

    #[test]
    fn names_that_tell_nothing_become_numbers() {
        let list = layers(&[
            ("x", "input", &[]),
            ("conv_1", "conv", &[0]),
            ("conv_2", "add", &[1, 0]),
            ("conv_3", "conv", &[2]),
            ("conv_4", "add", &[3, 2]),
        ]);
        assert!(matches!(&find(&list)[1], Unit::Blocks(run) if title(run, 40) == "block 1 … block 2"));
    }
}
