//! Words, as some pipelines carry them beside a network: numbers are made of them while the model is read.

use std::sync::Arc;

use super::attributes::attribute;
use super::fold::{broadcast, sources, strides};
use super::importer::{Importer, Outcome, refuse};
use super::literal::{Data, Literal, Text, element, elements, type_name};
use super::value::Value;

/// Operators that take words.
pub(super) const READ_BY: [&str; 4] = ["Cast", "CastLike", "Equal", "Identity"];

/// Cast: the numbers that words spell, as the standard has it for this operator.
pub(super) fn numbers(importer: &mut Importer<'_>, text: &Text, to: i32) -> Outcome {
    importer.charge(Some(text.words.len()))?;
    let wrong = |word: &String| refuse("E-ONNX-TYPE", format!("it makes {} of {word:?}", type_name(to)));
    let data = if element::is_float(to) {
        let float = |word: &String| word.trim().parse::<f32>().map_err(|_| wrong(word));
        Data::Float(text.words.iter().map(float).collect::<Result<Arc<[f32]>, _>>()?)
    } else if matches!(to, element::INT32 | element::INT64) {
        let whole = |word: &String| {
            let value = word.trim().parse::<i64>().ok();
            value.filter(|value| to == element::INT64 || i32::try_from(*value).is_ok()).ok_or_else(|| wrong(word))
        };
        Data::Int(text.words.iter().map(whole).collect::<Result<Arc<[i64]>, _>>()?)
    } else {
        return Err(attribute(
            "to",
            type_name(to),
            "float, float16, bfloat16, double, int32 or int64 where it reads words",
        ));
    };
    Ok(Value::Constant(Literal { dims: text.dims.clone(), data, element: to }))
}

/// Equal, of words: whether they are the same, letter by letter.
pub(super) fn equal(importer: &mut Importer<'_>, a: &Text, b: &Text) -> Outcome {
    let dims = broadcast(&a.dims, &b.dims)?;
    importer.charge(elements(&dims))?;
    let (left, right) = (strides(&a.dims, dims.len()), strides(&b.dims, dims.len()));
    let pairs = sources(&dims, &left).zip(sources(&dims, &right));
    let same = pairs.map(|(left, right)| i64::from(a.words.get(left) == b.words.get(right))).collect();
    Ok(Value::Constant(Literal { dims, data: Data::Int(same), element: element::BOOL }))
}
