//! The names at hand in a network or a block: its values and its parameters.

use std::collections::{BTreeMap, BTreeSet};

use super::{Expansion, ValueId};
use crate::diagnostic::nearest;
use crate::frontend::yaml::expression::Scope;
use crate::frontend::yaml::spec::Argument;

/// What the input of a network or a block is called inside it.
pub(super) const INPUT: &str = "input";

/// A network's or a block's names.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// The beginning of the names of layers that have none of their own; empty in the network itself.
    pub(super) name: String,
    /// By name.
    pub(super) parameters: BTreeMap<String, Argument>,
    /// The blocks that this one is used by, and itself.
    pub(super) blocks: Vec<String>,
    values: BTreeMap<String, Named>,
    /// Names that are defined further down.
    pub(super) later: BTreeSet<String>,
}

#[derive(Debug)]
struct Named {
    value: ValueId,
    path: String,
    read: bool,
}

impl Frame {
    /// The names of a network whose input is `input`.
    pub(super) fn of_network(input: ValueId) -> Self {
        let mut frame = Self::default();
        frame.values.insert(INPUT.to_owned(), Named { value: input, path: INPUT.to_owned(), read: true });
        frame
    }

    /// The key paths of values that nothing has read.
    pub(super) fn never_read(&self) -> Vec<String> {
        self.values.values().filter(|named| !named.read).map(|named| named.path.clone()).collect()
    }

    /// Counts a value as read.
    pub(super) fn mark(&mut self, name: &str) {
        if let Some(named) = self.values.get_mut(name) {
            named.read = true;
        }
    }
}

impl Expansion<'_, '_> {
    /// Gives the value at hand a name.
    pub(super) fn define(&mut self, frame: &mut Frame, name: &str, path: &str) {
        let Some(value) = self.single(path) else { return };
        if name == INPUT {
            self.error("E-DUP", path, "`input` is what is read from outside").hint("choose another name");
        } else if frame.values.contains_key(name) {
            let first = frame.values.get(name).map(|named| named.path.clone()).unwrap_or_default();
            self.error("E-DUP", path, format!("a value is called `{name}` already"))
                .hint(format!("choose another name; the first is at {first}"));
        } else {
            frame.values.insert(name.to_owned(), Named { value, path: path.to_owned(), read: false });
        }
    }

    /// The value of a name.
    pub(super) fn value_named(&mut self, frame: &mut Frame, name: &str, path: &str) -> Option<ValueId> {
        if let Some(named) = frame.values.get_mut(name) {
            named.read = true;
            return Some(named.value);
        }
        if frame.later.contains(name) {
            self.error("E-ORDER", path, format!("`{name}` is defined further down"))
                .hint("a value is read behind the place that defines it");
            return None;
        }
        let names: Vec<String> = frame.values.keys().cloned().collect();
        let problem = self
            .error("E-REF", path, format!("no value is called `{name}`"))
            .expected(format!("one of `{}`", names.join("`, `")));
        if let Some(near) = nearest(name, names.iter().map(String::as_str)) {
            problem.hint(format!("did you mean `{near}`?"));
        }
        None
    }
}

/// The names at hand, as expressions see them.
pub(super) struct View<'a> {
    pub(super) frame: &'a Frame,
    pub(super) channels: &'a [Option<usize>],
}

impl Scope for View<'_> {
    fn lookup(&self, name: &str, field: Option<&str>) -> Result<Argument, String> {
        match field {
            None if name == "name" => Ok(Argument::Text(self.frame.name.clone())),
            None => match self.frame.parameters.get(name) {
                Some(value) => Ok(value.clone()),
                None if self.frame.values.contains_key(name) => {
                    Err(format!("`${name}` is a value, no number; its channels are `${name}.channels`"))
                }
                None => {
                    let near = nearest(name, self.frame.parameters.keys().map(String::as_str));
                    let near = near.map(|near| format!("; did you mean `${near}`?")).unwrap_or_default();
                    Err(format!("no parameter is called `{name}`{near}"))
                }
            },
            Some("channels") => match self.frame.values.get(name) {
                Some(named) => match self.channels.get(named.value).copied().flatten() {
                    Some(channels) => Ok(Argument::Count(channels)),
                    None => Err(format!("the channels of `{name}` are not known here")),
                },
                None => Err(format!("no value is called `{name}`")),
            },
            Some(field) => Err(format!("a value has no `{field}`, only `channels`")),
        }
    }
}
