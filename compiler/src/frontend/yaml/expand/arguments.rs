//! What layers are given: literal values as they are, expressions evaluated with the names at hand.

use super::frame::{Frame, View};
use super::{Expansion, Padding};
use crate::frontend::yaml::expression::{self, is_expression};
use crate::frontend::yaml::spec::{
    self, ActivationChoice, Argument, Count, Extent, Flag, Number, PaddingRule, ZeroPadding,
};
use crate::ir::Activation;

impl Expansion<'_, '_> {
    /// The value of an expression, or a problem at `path`.
    pub(super) fn evaluate(&mut self, frame: &Frame, text: &str, path: &str) -> Option<Argument> {
        let value = expression::evaluate(text, &View { frame, channels: &self.channels });
        value.map_err(|message| self.error("E-PARAM", path, message)).ok()
    }

    /// A text with its expressions replaced.
    pub(super) fn text(&mut self, frame: &Frame, text: &str, path: &str) -> Option<String> {
        if !is_expression(text) {
            return Some(text.to_owned());
        }
        let text = expression::substitute(text, &View { frame, channels: &self.channels });
        text.map_err(|message| self.error("E-PARAM", path, message)).ok()
    }

    pub(super) fn count<const MIN: usize, const MAX: usize>(
        &mut self,
        frame: &Frame,
        count: &Count<MIN, MAX>,
        path: &str,
    ) -> Option<usize> {
        match count {
            Count::Literal(count) => Some(*count),
            Count::Expression(text) => {
                let value = self.evaluate(frame, text, path)?;
                self.in_range::<MIN, MAX>(&value, text, path)
            }
        }
    }

    fn in_range<const MIN: usize, const MAX: usize>(
        &mut self,
        value: &Argument,
        text: &str,
        path: &str,
    ) -> Option<usize> {
        match value {
            Argument::Count(count) if (MIN..=MAX).contains(count) => Some(*count),
            Argument::Count(count) => {
                self.error("E-RANGE", path, format!("`{text}` is {count}")).expected(format!("{MIN} to {MAX}"));
                None
            }
            other => {
                self.unfit(other, text, "a whole number", path);
                None
            }
        }
    }

    fn unfit(&mut self, value: &Argument, text: &str, expected: &str, path: &str) {
        let found = match value {
            Argument::Flag(flag) => format!("`{flag}`"),
            Argument::Count(count) => count.to_string(),
            Argument::Number(number) => number.to_string(),
            Argument::Text(word) => format!("the word `{word}`"),
            Argument::List(list) => format!("the list {list:?}"),
        };
        self.error("E-PARAM", path, format!("`{text}` is {found}")).expected(expected);
    }

    pub(super) fn extent(&mut self, frame: &Frame, extent: &Extent, path: &str) -> Option<[usize; 2]> {
        match extent {
            Extent::Both(Count::Literal(extent)) => Some([*extent; 2]),
            Extent::Both(Count::Expression(text)) => match self.evaluate(frame, text, path)? {
                Argument::List(list) => match <[usize; 2]>::try_from(list.as_slice()) {
                    Ok(pair) if pair.iter().all(|extent| (1..=4096).contains(extent)) => Some(pair),
                    _ => {
                        let list = Argument::List(list);
                        self.unfit(&list, text, "a number, or height and width, 1 to 4096", path);
                        None
                    }
                },
                value => self.in_range::<1, 4096>(&value, text, path).map(|extent| [extent; 2]),
            },
            Extent::Each([height, width]) => Some([self.count(frame, height, path)?, self.count(frame, width, path)?]),
        }
    }

    pub(super) fn padding(&mut self, frame: &Frame, padding: &spec::Padding, path: &str) -> Option<Padding> {
        match padding {
            spec::Padding::Rule(rule) => Some(Padding::Rule(*rule)),
            spec::Padding::All(Count::Literal(amount)) => Some(Padding::All(*amount)),
            spec::Padding::All(Count::Expression(text)) => match self.evaluate(frame, text, path)? {
                Argument::Text(word) => match word.as_str() {
                    "half" => Some(Padding::Rule(PaddingRule::Half)),
                    "same" => Some(Padding::Rule(PaddingRule::Same)),
                    "valid" => Some(Padding::Rule(PaddingRule::Valid)),
                    _ => {
                        self.unfit(&Argument::Text(word), text, "a number, `half`, `same` or `valid`", path);
                        None
                    }
                },
                Argument::List(list) => self.sides(list, text, path).map(Padding::Each),
                value => self.in_range::<0, 4096>(&value, text, path).map(Padding::All),
            },
            spec::Padding::Each(sides) => self.each(frame, sides, path).map(Padding::Each),
        }
    }

    pub(super) fn zero_padding(&mut self, frame: &Frame, padding: &ZeroPadding, path: &str) -> Option<[usize; 4]> {
        match padding {
            ZeroPadding::All(Count::Literal(amount)) => Some([*amount; 4]),
            ZeroPadding::All(Count::Expression(text)) => match self.evaluate(frame, text, path)? {
                Argument::List(list) => self.sides(list, text, path),
                value => self.in_range::<0, 4096>(&value, text, path).map(|amount| [amount; 4]),
            },
            ZeroPadding::Each(sides) => self.each(frame, sides, path),
        }
    }

    fn each(&mut self, frame: &Frame, sides: &[Count<0, 4096>; 4], path: &str) -> Option<[usize; 4]> {
        let mut amounts = [0; 4];
        for (amount, side) in amounts.iter_mut().zip(sides) {
            *amount = self.count(frame, side, path)?;
        }
        Some(amounts)
    }

    fn sides(&mut self, list: Vec<usize>, text: &str, path: &str) -> Option<[usize; 4]> {
        match <[usize; 4]>::try_from(list.as_slice()) {
            Ok(sides) if sides.iter().all(|side| *side <= 4096) => Some(sides),
            _ => {
                self.unfit(&Argument::List(list), text, "a number, or top, left, bottom and right, 0 to 4096", path);
                None
            }
        }
    }

    pub(super) fn flag(&mut self, frame: &Frame, flag: &Flag, path: &str) -> Option<bool> {
        match flag {
            Flag::Literal(flag) => Some(*flag),
            Flag::Expression(text) => match self.evaluate(frame, text, path)? {
                Argument::Flag(flag) => Some(flag),
                other => {
                    self.unfit(&other, text, "`true` or `false`", path);
                    None
                }
            },
        }
    }

    pub(super) fn number(&mut self, frame: &Frame, number: &Number, path: &str) -> Option<f64> {
        match number {
            Number::Literal(number) => Some(*number),
            Number::Expression(text) => match self.evaluate(frame, text, path)? {
                Argument::Number(number) => Some(number),
                Argument::Count(count) => Some(count as f64),
                other => {
                    self.unfit(&other, text, "a number", path);
                    None
                }
            },
        }
    }

    /// The activation; `Some(None)` for `none`.
    pub(super) fn activation(
        &mut self,
        frame: &Frame,
        choice: &ActivationChoice,
        path: &str,
    ) -> Option<Option<Activation>> {
        match choice {
            ActivationChoice::Named(name) => Some(activation(*name)),
            ActivationChoice::Expression(text) => {
                let value = self.evaluate(frame, text, path)?;
                let named = match &value {
                    Argument::Text(word) => serde_yaml::from_str::<spec::Activation>(word).ok(),
                    Argument::Flag(_) | Argument::Count(_) | Argument::Number(_) | Argument::List(_) => None,
                };
                if named.is_none() {
                    self.unfit(&value, text, "the name of an activation", path);
                }
                named.map(activation)
            }
        }
    }
}

/// The activation that a name stands for.
pub(super) fn activation(name: spec::Activation) -> Option<Activation> {
    Some(match name {
        spec::Activation::Relu => Activation::Relu,
        spec::Activation::Relu6 => Activation::Relu6,
        spec::Activation::Sigmoid => Activation::Sigmoid,
        spec::Activation::HardSigmoid => Activation::HardSigmoid,
        spec::Activation::HardSwish => Activation::HardSwish,
        spec::Activation::Silu => Activation::Silu,
        spec::Activation::Tanh => Activation::Tanh,
        spec::Activation::None => return None,
    })
}
