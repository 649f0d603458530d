//! The `key=value` pairs of a line, and the values in them.

use std::sync::Arc;

use super::super::{Access, Activation, Element, Layout, Numbers, Padding, Pool};
use super::lexer::Fault;
use crate::diagnostic::nearest;

/// What stands behind the `=`.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Word(String),
    Number(String),
    Text(String),
    List(Vec<String>),
}

/// A pair, and the column of its key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Attribute {
    pub key: String,
    pub value: Value,
    pub column: usize,
}

/// The attributes of a line; an operation takes what it knows, [`Attributes::finish`] refuses the rest.
#[derive(Debug, Default)]
pub(super) struct Attributes {
    given: Vec<Attribute>,
    known: Vec<&'static str>,
}

impl Attributes {
    pub(super) fn push(&mut self, attribute: Attribute) -> Result<(), Fault> {
        if self.given.iter().any(|other| other.key == attribute.key) {
            return Err(Fault::new(attribute.column, format!("`{}` is given twice", attribute.key)));
        }
        self.given.push(attribute);
        Ok(())
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), Fault> {
        let Some(attribute) = self.given.first() else { return Ok(()) };
        let fault = Fault::new(attribute.column, format!("the operation has no attribute `{}`", attribute.key));
        Err(match nearest(&attribute.key, self.known.iter().copied()) {
            Some(near) => fault.expected(format!("perhaps `{near}`")),
            None if self.known.is_empty() => fault.expected("no attributes"),
            None => fault.expected(format!("one of {:?}", self.known)),
        })
    }

    /// Takes an attribute whose text is not to be interpreted.
    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<(String, usize)>, Fault> {
        self.take(key, "a text in quotes", |value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    pub(super) fn number(&mut self, key: &'static str) -> Result<Option<usize>, Fault> {
        let number = self.take(key, "a whole number", |value| match value {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        })?;
        Ok(number.map(|(number, _)| number))
    }

    pub(super) fn float(&mut self, key: &'static str) -> Result<Option<f64>, Fault> {
        let number = self.take(key, "a number", |value| match value {
            Value::Number(text) => text.parse().ok(),
            _ => None,
        })?;
        Ok(number.map(|(number, _)| number))
    }

    pub(super) fn flag(&mut self, key: &'static str) -> Result<Option<bool>, Fault> {
        let flag = self.take(key, "`true` or `false`", |value| match value {
            Value::Word(word) => word.parse().ok(),
            _ => None,
        })?;
        Ok(flag.map(|(flag, _)| flag))
    }

    pub(super) fn pair(&mut self, key: &'static str) -> Result<Option<[usize; 2]>, Fault> {
        Ok(self.take(key, "two whole numbers, `[1, 2]`", whole_numbers::<2>)?.map(|(pair, _)| pair))
    }

    /// Any number of whole numbers.
    pub(super) fn list(&mut self, key: &'static str) -> Result<Option<Vec<usize>>, Fault> {
        let list = self.take(key, "whole numbers, `[1, 2]`", |value| match value {
            Value::List(items) => items.iter().map(|item| item.parse().ok()).collect(),
            Value::Word(_) | Value::Number(_) | Value::Text(_) => None,
        })?;
        Ok(list.map(|(list, _)| list))
    }

    /// How an operand of a loop nest is read.
    pub(super) fn access(&mut self, key: &'static str) -> Result<Option<Access>, Fault> {
        let access =
            self.take(key, "a start and how each axis moves, `\"0; 12 [0,1,-1] 1 fill 0.5\"`", |value| match value {
                Value::Text(text) => text.parse().ok(),
                Value::List(_) | Value::Word(_) | Value::Number(_) => None,
            })?;
        Ok(access.map(|(access, _)| access))
    }

    /// One of several words.
    pub(super) fn word<T>(&mut self, key: &'static str, named: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Fault> {
        let word = self.take(key, "another word", |value| match value {
            Value::Word(word) => named(word),
            Value::List(_) | Value::Text(_) | Value::Number(_) => None,
        })?;
        Ok(word.map(|(word, _)| word))
    }

    pub(super) fn padding(&mut self, key: &'static str) -> Result<Padding, Fault> {
        let sides = self.take(key, "four whole numbers: `[top, left, bottom, right]`", whole_numbers::<4>)?;
        let ([top, left, bottom, right], _) = sides.unwrap_or_default();
        Ok(Padding { top, left, bottom, right })
    }

    pub(super) fn activation(&mut self, key: &'static str) -> Result<Option<Activation>, Fault> {
        let names = Activation::ALL.map(Activation::name).join("`, `");
        let activation = self.take(key, &format!("one of `{names}`"), |value| match value {
            Value::Word(word) => Activation::named(word),
            _ => None,
        })?;
        Ok(activation.map(|(activation, _)| activation))
    }

    pub(super) fn layout(&mut self) -> Result<Layout, Fault> {
        let layout = self.take("layout", "`nchw`, `nhwc` or `array`", |value| match value {
            Value::Word(word) if word == "nchw" => Some(Layout::Nchw),
            Value::Word(word) if word == "nhwc" => Some(Layout::Nhwc),
            Value::Word(word) if word == "array" => Some(Layout::Array),
            _ => None,
        })?;
        Ok(layout.map(|(layout, _)| layout).unwrap_or_default())
    }

    pub(super) fn pool(&mut self, column: usize) -> Result<Pool, Fault> {
        Ok(Pool {
            kernel: self.pair("kernel")?.ok_or_else(|| missing(column, "kernel"))?,
            stride: self.pair("stride")?.unwrap_or([1, 1]),
            padding: self.padding("padding")?,
            ceil_mode: self.flag("ceil_mode")?.unwrap_or(false),
        })
    }

    /// What any operation may say of its result's numbers.
    pub(super) fn numbers(&mut self) -> Result<Numbers, Fault> {
        let known = self.known.len();
        let element = self.word("element", Element::named)?.unwrap_or_default();
        let quantisation =
            self.take("quantisation", "a type and its scales, `\"int8 axis 0 scale 0.5 0.25 zero 1 2\"`", |value| {
                match value {
                    Value::Text(text) => text.parse().ok(),
                    Value::List(_) | Value::Word(_) | Value::Number(_) => None,
                }
            })?;
        // They are no attributes of an operation's own, which is what an error about another one lists.
        self.known.truncate(known);
        Ok(Numbers { element, quantisation: quantisation.map(|(quantisation, _)| Arc::new(quantisation)) })
    }

    fn take<T>(
        &mut self,
        key: &'static str,
        expected: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<(T, usize)>, Fault> {
        self.known.push(key);
        let Some(index) = self.given.iter().position(|attribute| attribute.key == key) else { return Ok(None) };
        let attribute = self.given.remove(index);
        match read(&attribute.value) {
            Some(value) => Ok(Some((value, attribute.column))),
            None => Err(Fault::new(attribute.column, format!("`{key}` has no such value")).expected(expected)),
        }
    }
}

/// The error for an attribute that has no default.
pub(super) fn missing(column: usize, key: &str) -> Fault {
    Fault::new(column, format!("the attribute `{key}` is missing"))
}

fn whole_numbers<const COUNT: usize>(value: &Value) -> Option<[usize; COUNT]> {
    match value {
        Value::List(items) => items.iter().map(|item| item.parse().ok()).collect::<Option<Vec<_>>>()?.try_into().ok(),
        Value::Word(_) | Value::Number(_) | Value::Text(_) => None,
    }
}
