//! Graphs, blocks of the user's own, and other specs as parts.

use std::rc::Rc;

use super::frame::{Frame, INPUT};
use super::{Expansion, ValueId};
use crate::diagnostic::nearest;
use crate::frontend::yaml::expression::is_expression;
use crate::frontend::yaml::names::Names;
use crate::frontend::yaml::overrides::Overrides;
use crate::frontend::yaml::spec::{
    Argument, Block, BlockUse, Layer, NetworkArguments, NetworkUse, Ordered, OutputActivation, Pooling,
};

/// What the result of a block is called inside it.
const OUTPUT: &str = "output";

/// The word that a parameter without default has for one.
const REQUIRED: &str = "required";

/// Blocks may use each other this deep.
const DEEPEST: usize = 64;

impl Expansion<'_, '_> {
    /// Expands values by name, each from `input` or from what its chain says. The last one is at hand afterwards.
    pub(super) fn values(&mut self, frame: &mut Frame, values: &Ordered<Vec<Layer>>, path: &str) {
        let Some(input) = self.value_named(frame, INPUT, path) else { return };
        frame.later = values.names().map(str::to_owned).collect();
        for (name, layers) in &values.0 {
            let path = format!("{path}.{name}");
            self.current = vec![input];
            let place = self.names.join(&frame.name, name);
            self.chain(frame, layers, &path, Some(&place));
            frame.later.remove(name);
            if self.current.is_empty() {
                return;
            }
            self.define(frame, name, &path);
        }
        if let Some((last, _)) = values.0.last() {
            frame.mark(last);
        }
    }

    /// Expands a use of a block.
    pub(super) fn block_use(
        &mut self,
        frame: &mut Frame,
        block: &BlockUse,
        path: &str,
        place: Option<&str>,
    ) -> Option<()> {
        let (name, repeat, label, arguments) = match block {
            BlockUse::Named(name) => (name, 1, None, None),
            BlockUse::With(with) => {
                let repeat = self.count(frame, &with.repeat, &format!("{path}.repeat"))?;
                (&with.block, repeat, with.name.as_ref(), Some(&with.arguments))
            }
        };
        let mut given = Vec::new();
        for (parameter, argument) in arguments.into_iter().flat_map(|arguments| &arguments.0) {
            let value = match argument {
                Argument::Text(text) if is_expression(text) => {
                    self.evaluate(frame, text, &format!("{path}.{parameter}"))?
                }
                other => other.clone(),
            };
            given.push((parameter.clone(), value));
        }
        let place = place.map_or_else(|| name.clone(), str::to_owned);
        for index in 1..=repeat {
            let own = match label {
                Some(label) => {
                    let outer = frame.parameters.insert("index".to_owned(), Argument::Count(index));
                    let own = self.text(frame, label, &format!("{path}.name"));
                    match outer {
                        Some(outer) => frame.parameters.insert("index".to_owned(), outer),
                        None => frame.parameters.remove("index"),
                    };
                    own?
                }
                None if repeat > 1 => self.names.join(&place, &(index - 1).to_string()),
                None => place.clone(),
            };
            let call = Call { block: name, name: own, given: &given, index, blocks: &frame.blocks };
            self.call(&call, path)?;
        }
        Some(())
    }

    /// Expands a block over the value at hand.
    pub(super) fn call(&mut self, call: &Call<'_>, path: &str) -> Option<()> {
        let spec = Rc::clone(&self.spec);
        let Some(block) = spec.blocks.get(call.block) else {
            let names: Vec<&str> = spec.blocks.names().collect();
            let problem = self.error("E-OP", path, format!("no block is called `{}`", call.block));
            let problem = match names.as_slice() {
                [] => problem.expected("a block of `blocks`, of which there are none"),
                names => problem.expected(format!("one of `{}`", names.join("`, `"))),
            };
            if let Some(near) = nearest(call.block, names) {
                problem.hint(format!("did you mean `{near}`?"));
            }
            return None;
        };
        self.used_blocks.insert(call.block.to_owned());
        if call.blocks.iter().any(|open| open == call.block) {
            let way = call.blocks.iter().map(|open| format!("`{open}`")).collect::<Vec<_>>().join(" uses ");
            self.error("E-REC", path, format!("the block `{}` uses itself", call.block))
                .expected("blocks that do not go in circles")
                .hint(format!("{way} uses `{}`", call.block));
            return None;
        }
        if call.blocks.len() >= DEEPEST {
            self.error("E-REC", path, "blocks use each other too deep").expected(format!("at most {DEEPEST} levels"));
            return None;
        }
        if !self.within_limit(path) {
            return None;
        }
        let input = self.single(path)?;
        let mut inner = self.frame_of(block, call, input, path)?;
        let home = format!("blocks.{}.values", call.block);
        self.values(&mut inner, &block.values, &home);
        if self.current.is_empty() {
            return None;
        }
        if block.values.get(OUTPUT).is_none() {
            self.error("E-REF", &home, "the block has no value `output`").expected("`output:`, the block's result");
            return None;
        }
        let output = self.value_named(&mut inner, OUTPUT, &home)?;
        for path in inner.never_read() {
            if !self.problems.has(&path) {
                self.problems
                    .warning("E-UNUSED", &path, "nothing reads this value")
                    .hint("read it with `from`, or leave it out");
            }
        }
        self.current = vec![output];
        Some(())
    }

    /// The names inside a block: its input, and its parameters with what they are given.
    fn frame_of(&mut self, block: &Block, call: &Call<'_>, input: ValueId, path: &str) -> Option<Frame> {
        let mut frame = Frame::of_network(input);
        frame.name = call.name.clone();
        frame.blocks = call.blocks.iter().cloned().chain([call.block.to_owned()]).collect();
        frame.parameters.insert("index".to_owned(), Argument::Count(call.index));
        for (name, value) in call.given {
            if block.parameters.get(name).is_none() {
                let names: Vec<&str> = block.parameters.names().collect();
                let message = format!("the block `{}` has no parameter `{name}`", call.block);
                let problem = self.error("E-PARAM", &format!("{path}.{name}"), message);
                let problem = match names.as_slice() {
                    [] => problem.expected("no arguments"),
                    names => problem.expected(format!("one of `{}`", names.join("`, `"))),
                };
                if let Some(near) = nearest(name, names) {
                    problem.hint(format!("did you mean `{near}`?"));
                }
                return None;
            }
            frame.parameters.insert(name.clone(), value.clone());
        }
        for (name, default) in &block.parameters.0 {
            if frame.parameters.contains_key(name) {
                continue;
            }
            let value = match default {
                Argument::Text(word) if word == REQUIRED => {
                    self.error("E-PARAM", path, format!("the block `{}` needs `{name}`", call.block))
                        .hint(format!("add `{name}:`"));
                    return None;
                }
                Argument::Text(text) if is_expression(text) => {
                    self.evaluate(&frame, text, &format!("blocks.{}.parameters.{name}", call.block))?
                }
                value => value.clone(),
            };
            frame.parameters.insert(name.clone(), value);
        }
        Some(frame)
    }

    /// Expands another spec over the value at hand.
    pub(super) fn network(&mut self, frame: &Frame, network: &NetworkUse, path: &str) -> Option<()> {
        let plain;
        let network = match network {
            NetworkUse::With(with) => with,
            NetworkUse::Named(name) => {
                plain = NetworkArguments {
                    spec: name.clone(),
                    name: None,
                    include_top: true,
                    pooling: Pooling::None,
                    classes: None,
                    classifier_activation: OutputActivation::None,
                };
                &plain
            }
        };
        // That the spec could not be read has been told.
        let mut part = (**self.library.get(&network.spec)?).clone();
        if self.open_networks.contains(&network.spec) || self.open_networks.len() >= DEEPEST {
            self.error("E-REC", path, format!("the spec `{}` is a part of itself", network.spec))
                .expected("specs that do not go in circles");
            return None;
        }
        let overrides = Overrides {
            include_top: Some(network.include_top),
            pooling: Some(network.pooling),
            classes: network.classes,
            classifier_activation: Some(network.classifier_activation),
            ..Overrides::default()
        };
        if let Err(message) = overrides.apply(&mut part) {
            self.error("E-ARG", path, message.message).hint(message.hint);
            return None;
        }
        let prefix = match &network.name {
            Some(name) => self.text(frame, name, &format!("{path}.name"))?,
            None => String::new(),
        };
        let input = self.single(path)?;
        let channels = self.channels.get(input).copied().flatten();
        if channels.is_some_and(|channels| channels != part.input.shape.1) {
            self.error(
                "E-REF",
                path,
                format!(
                    "`{}` reads {} channels, {} are at hand",
                    network.spec,
                    part.input.shape.1,
                    channels.unwrap_or(0)
                ),
            );
            return None;
        }
        let names = Names::new(part.weights.names.scheme(), &part, &self.names.within_part(&prefix));
        let outer_names = std::mem::replace(&mut self.names, names);
        let outer = std::mem::replace(&mut self.spec, Rc::new(part));
        let outer_part = self.part.clone();
        let outer_blocks = std::mem::take(&mut self.used_blocks);
        self.part.get_or_insert_with(|| path.to_owned());
        self.open_networks.push(network.spec.clone());
        let mut inner = Frame::of_network(input);
        self.body(&mut inner);
        let outputs = if self.problems.any() { Vec::new() } else { self.outputs(&mut inner) };
        self.open_networks.pop();
        self.part = outer_part;
        self.spec = outer;
        self.names = outer_names;
        self.used_blocks = outer_blocks;
        self.current = outputs.first().map(|output| vec![output.value]).unwrap_or_default();
        Some(())
    }
}

/// A use of a block.
pub(super) struct Call<'a> {
    /// The block's name.
    pub(super) block: &'a str,
    /// What `${name}` is inside.
    pub(super) name: String,
    /// Its arguments.
    pub(super) given: &'a [(String, Argument)],
    /// The how manieth use in a row it is, from 1.
    pub(super) index: usize,
    /// The blocks that it stands in.
    pub(super) blocks: &'a [String],
}
