//! A node with its inputs resolved, and typed access to what it says.

use super::importer::{Failure, array_read, refuse};
use super::literal::Literal;
use super::proto::{AttributeProto, NodeProto, SparseTensorProto, TensorProto};
use super::value::{Value, View};
use crate::Diagnostic;

const FLOAT: i32 = 1;
const INT: i32 = 2;
const STRING: i32 = 3;
const TENSOR: i32 = 4;
const FLOATS: i32 = 6;
const INTS: i32 = 7;
const SPARSE_TENSOR: i32 = 11;

/// A node of the model.
pub(super) struct Node<'m> {
    /// As the file has it.
    pub proto: &'m NodeProto,
    /// Its name in the graph, unique.
    pub name: String,
    /// Version of its operator set.
    pub opset: i64,
    /// Its inputs; `None` for an optional one that is absent.
    pub inputs: Vec<Option<Value>>,
}

impl<'m> Node<'m> {
    /// An input that may be absent.
    pub fn optional(&self, position: usize) -> Option<&Value> {
        self.inputs.get(position).and_then(Option::as_ref)
    }

    /// An input.
    pub fn value(&self, position: usize) -> Result<&Value, Failure> {
        self.optional(position).ok_or_else(|| refuse("E-ONNX-TYPE", format!("its input {position} is missing")))
    }

    /// An input that the graph computes.
    pub fn view(&self, position: usize) -> Result<&View, Failure> {
        match self.value(position)? {
            Value::Computed(view) => Ok(view),
            Value::Array(_) => Err(array_read()),
            Value::Constant(_) | Value::Text(_) | Value::Unknown => {
                Err(Failure::Unsupported(format!("its input {position} is constant")))
            }
        }
    }

    /// An input that is constant.
    pub fn literal(&self, position: usize) -> Result<&Literal, Failure> {
        match self.value(position)? {
            Value::Constant(literal) => Ok(literal),
            Value::Computed(_) | Value::Array(_) | Value::Text(_) | Value::Unknown => {
                Err(Failure::Unsupported(format!("its input {position} depends on the network's input")))
            }
        }
    }

    /// A constant input that may be absent.
    pub fn optional_literal(&self, position: usize) -> Result<Option<&Literal>, Failure> {
        self.optional(position).map(|_| self.literal(position)).transpose()
    }

    /// Integers of a constant input.
    pub fn input_ints(&self, position: usize) -> Result<&[i64], Failure> {
        let wrong =
            || refuse("E-ONNX-TYPE", format!("its input {position} has floating-point values, integers are due"));
        self.literal(position)?.as_ints().ok_or_else(wrong)
    }

    /// Integers that are an attribute in older versions and an input in newer ones.
    pub fn ints_either(&self, attribute: &str, position: usize) -> Result<Option<&[i64]>, Failure> {
        match self.ints(attribute)? {
            Some(ints) => Ok(Some(ints)),
            None => self.optional(position).map(|_| self.input_ints(position)).transpose(),
        }
    }

    /// An integer attribute, or its default.
    pub fn int(&self, name: &str, default: i64) -> Result<i64, Failure> {
        Ok(self.attribute(name, INT)?.map_or(default, |attribute| attribute.i))
    }

    /// A flag.
    pub fn flag(&self, name: &str, default: bool) -> Result<bool, Failure> {
        Ok(self.int(name, i64::from(default))? != 0)
    }

    /// A number, or its default.
    pub fn float(&self, name: &str, default: f32) -> Result<f32, Failure> {
        Ok(self.attribute(name, FLOAT)?.map_or(default, |attribute| attribute.f))
    }

    /// Integers.
    pub fn ints(&self, name: &str) -> Result<Option<&'m [i64]>, Failure> {
        Ok(self.attribute(name, INTS)?.map(|attribute| attribute.ints.as_slice()))
    }

    /// Numbers.
    pub fn floats(&self, name: &str) -> Result<Option<&'m [f32]>, Failure> {
        Ok(self.attribute(name, FLOATS)?.map(|attribute| attribute.floats.as_slice()))
    }

    /// A word.
    pub fn string(&self, name: &str, default: &'static str) -> Result<String, Failure> {
        let found = self.attribute(name, STRING)?;
        Ok(found.map_or(default.to_owned(), |attribute| String::from_utf8_lossy(&attribute.s).into_owned()))
    }

    /// A tensor.
    pub fn tensor(&self, name: &str) -> Result<Option<&'m TensorProto>, Failure> {
        Ok(self.attribute(name, TENSOR)?.and_then(|attribute| attribute.t.as_ref()))
    }

    /// A sparse tensor.
    pub fn sparse_tensor(&self, name: &str) -> Result<Option<&'m SparseTensorProto>, Failure> {
        Ok(self.attribute(name, SPARSE_TENSOR)?.and_then(|attribute| attribute.sparse_tensor.as_ref()))
    }

    /// Whether it has the attribute.
    pub fn has(&self, name: &str) -> bool {
        self.proto.attribute.iter().any(|attribute| attribute.name == name)
    }

    fn attribute(&self, name: &str, kind: i32) -> Result<Option<&'m AttributeProto>, Failure> {
        match self.proto.attribute.iter().find(|attribute| attribute.name == name) {
            Some(attribute) if attribute.r#type != kind && attribute.r#type != 0 => {
                let expected = match kind {
                    FLOAT => "a number",
                    INT => "an integer",
                    STRING => "a string",
                    TENSOR => "a tensor",
                    FLOATS => "numbers",
                    SPARSE_TENSOR => "a sparse tensor",
                    _ => "integers",
                };
                let message = format!("its attribute `{name}` is of another type");
                Err(Failure::Refused(Box::new(Diagnostic::error("E-ONNX-ATTR", message).expected(expected))))
            }
            found => Ok(found),
        }
    }
}

/// An attribute has a value that is not supported.
pub(super) fn attribute(name: &str, found: impl std::fmt::Debug, expected: &str) -> Failure {
    let message = format!("its attribute `{name}` is {found:?}");
    Failure::Refused(Box::new(Diagnostic::error("E-ONNX-ATTR", message).expected(expected.to_owned())))
}

/// Exactly two extents of at least 0, or the default.
pub(super) fn pair(name: &str, values: Option<&[i64]>, default: [usize; 2]) -> Result<[usize; 2], Failure> {
    let Some(values) = values else { return Ok(default) };
    let converted: Option<Vec<usize>> = values.iter().map(|value| usize::try_from(*value).ok()).collect();
    converted
        .and_then(|values| <[usize; 2]>::try_from(values).ok())
        .ok_or_else(|| attribute(name, values, "two numbers, for height and width"))
}

/// An axis counted from the end when negative.
pub(super) fn axis(value: i64, rank: usize) -> Result<usize, Failure> {
    let wrapped = if value < 0 { value.checked_add(rank as i64) } else { Some(value) };
    wrapped
        .and_then(|value| usize::try_from(value).ok())
        .filter(|axis| *axis < rank)
        .ok_or_else(|| attribute("axis", value, &format!("an axis of a tensor with {rank}")))
}
