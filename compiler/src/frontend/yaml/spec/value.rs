//! What may stand where a layer wants a number, a rule or a word: the thing itself, or an expression of a block's parameters.

use serde::Deserialize;

use super::{Activation, PaddingRule};

/// A whole number from `MIN` to `MAX`, or an expression such as `$width * 4`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Count<const MIN: usize, const MAX: usize> {
    /// A number.
    Literal(usize),
    /// Of the parameters and values at hand.
    Expression(String),
}

/// Text with a `$`: what an expression looks like to JSON Schema.
#[cfg(feature = "schema")]
pub(super) fn expression() -> serde_json::Value {
    serde_json::json!({"type": "string", "pattern": "\\$", "description": "An expression of a block's parameters."})
}

#[cfg(feature = "schema")]
impl<const MIN: usize, const MAX: usize> schemars::JsonSchema for Count<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Count{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"anyOf": [{"type": "integer", "minimum": MIN, "maximum": MAX}, expression()]})
    }
}

/// A number, or an expression.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Number {
    /// A number.
    Literal(f64),
    /// Of the parameters and values at hand.
    Expression(String),
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Number {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"anyOf": [{"type": "number"}, expression()]})
    }
}

/// `true` or `false`, or a parameter that is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Flag {
    /// The value.
    Literal(bool),
    /// Of the parameters at hand.
    Expression(String),
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Flag {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Flag".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"anyOf": [{"type": "boolean"}, expression()]})
    }
}

/// A number for both directions, or one each for height and width.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Extent {
    /// The same for height and width.
    Both(Count<1, 4096>),
    /// Height, then width.
    Each([Count<1, 4096>; 2]),
}

impl Default for Extent {
    fn default() -> Self {
        Self::Both(Count::Literal(1))
    }
}

/// What is added around a map: a number for all sides, `[top, left, bottom, right]`, or a rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Padding {
    /// By a rule.
    Rule(PaddingRule),
    /// The same on all sides.
    All(Count<0, 4096>),
    /// Top, left, bottom, right.
    Each([Count<0, 4096>; 4]),
}

impl Default for Padding {
    fn default() -> Self {
        Self::Rule(PaddingRule::Half)
    }
}

/// A number for all sides, or `[top, left, bottom, right]`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum ZeroPadding {
    /// The same on all sides.
    All(Count<0, 4096>),
    /// Top, left, bottom, right.
    Each([Count<0, 4096>; 4]),
}

/// An activation by its name, `none`, or a parameter that names one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum ActivationChoice {
    /// The name.
    Named(Activation),
    /// Of the parameters at hand.
    Expression(String),
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ActivationChoice {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ActivationChoice".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"anyOf": [generator.subschema_for::<Activation>(), expression()]})
    }
}

/// What a parameter of a block is given: a number, a word, `true` or `false`, a list of numbers, or an expression of the parameters at
/// hand where the block is used.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum Argument {
    /// `true` or `false`.
    Flag(bool),
    /// A whole number.
    Count(usize),
    /// A number.
    Number(f64),
    /// A word, or an expression.
    Text(String),
    /// A list, as of a kernel's height and width.
    List(Vec<usize>),
}
