//! Constants, and how they are read from a file.

use std::sync::Arc;

use super::external::External;
use super::importer::{Failure, refuse};
use super::proto::{SparseTensorProto, TensorProto};

/// Axes that a tensor may have.
pub(super) const LARGEST_RANK: usize = 16;

/// A constant.
#[derive(Debug, Clone)]
pub(super) struct Literal {
    /// Extents, outermost first.
    pub dims: Vec<usize>,
    /// Elements in row-major order, as many as the extents say.
    pub data: Data,
    /// The type that the standard gives its elements, by its number.
    pub element: i32,
}

/// A constant of words: no value of a network, but numbers are made of it.
#[derive(Debug, Clone)]
pub(super) struct Text {
    /// Extents, outermost first.
    pub dims: Vec<usize>,
    /// Words in row-major order, as many as the extents say.
    pub words: Arc<[String]>,
}

/// Elements of a constant.
#[derive(Debug, Clone)]
pub(super) enum Data {
    /// Floating-point numbers of any width.
    Float(Arc<[f32]>),
    /// Integers of any width, and truth values as 0 and 1.
    Int(Arc<[i64]>),
}

/// Element types of the standard by their numbers.
pub(super) mod element {
    use crate::ir::scalar::{Float8, FunctionKind};
    use crate::ir::{Bits, Element};

    pub const FLOAT: i32 = 1;
    pub const UINT8: i32 = 2;
    pub const INT8: i32 = 3;
    pub const UINT16: i32 = 4;
    pub const INT16: i32 = 5;
    pub const INT32: i32 = 6;
    pub const INT64: i32 = 7;
    pub const STRING: i32 = 8;
    pub const BOOL: i32 = 9;
    pub const FLOAT16: i32 = 10;
    pub const DOUBLE: i32 = 11;
    pub const UINT32: i32 = 12;
    pub const UINT64: i32 = 13;
    pub const BFLOAT16: i32 = 16;
    pub const FLOAT8E4M3FN: i32 = 17;
    pub const FLOAT8E4M3FNUZ: i32 = 18;
    pub const FLOAT8E5M2: i32 = 19;
    pub const FLOAT8E5M2FNUZ: i32 = 20;
    pub const UINT4: i32 = 21;
    pub const INT4: i32 = 22;

    /// Whether it is a type of integers, or of truth values.
    pub const fn is_whole(element: i32) -> bool {
        matches!(element, UINT8 | INT8 | UINT16 | INT16 | INT32 | INT64 | BOOL | UINT32 | UINT64 | UINT4 | INT4)
    }

    /// Whether it is a type of floating-point numbers that f32 stands for.
    pub const fn is_float(element: i32) -> bool {
        matches!(element, FLOAT | FLOAT16 | DOUBLE | BFLOAT16)
    }

    /// The format, when it is a type of floating-point numbers of 8 bits, and the function that rounds to it.
    pub const fn float8(element: i32) -> Option<(Float8, FunctionKind)> {
        match element {
            FLOAT8E4M3FN => Some((Float8::E4M3FN, FunctionKind::Float8E4M3Fn)),
            FLOAT8E4M3FNUZ => Some((Float8::E4M3FNUZ, FunctionKind::Float8E4M3FnUz)),
            FLOAT8E5M2 => Some((Float8::E5M2, FunctionKind::Float8E5M2)),
            FLOAT8E5M2FNUZ => Some((Float8::E5M2FNUZ, FunctionKind::Float8E5M2FnUz)),
            _ => None,
        }
    }

    /// What the graph calls it.
    pub const fn of_graph(element: i32) -> Element {
        match element {
            BOOL => Element::Bool,
            INT4 => Element::Int(Bits::Four),
            INT8 => Element::Int(Bits::Eight),
            INT16 => Element::Int(Bits::Sixteen),
            INT32 => Element::Int(Bits::ThirtyTwo),
            INT64 => Element::Int(Bits::SixtyFour),
            UINT4 => Element::UInt(Bits::Four),
            UINT8 => Element::UInt(Bits::Eight),
            UINT16 => Element::UInt(Bits::Sixteen),
            UINT32 => Element::UInt(Bits::ThirtyTwo),
            UINT64 => Element::UInt(Bits::SixtyFour),
            FLOAT8E4M3FN => Element::Float8E4M3Fn,
            FLOAT8E4M3FNUZ => Element::Float8E4M3FnUz,
            FLOAT8E5M2 => Element::Float8E5M2,
            FLOAT8E5M2FNUZ => Element::Float8E5M2FnUz,
            _ => Element::Float32,
        }
    }

    /// Whether it is a type of numbers, or of truth values.
    pub const fn is_number(element: i32) -> bool {
        is_whole(element) || is_float(element) || float8(element).is_some()
    }
}

impl Data {
    /// Where the elements lie, which is theirs for as long as they are kept.
    pub fn address(&self) -> usize {
        match self {
            Self::Float(values) => values.as_ptr() as usize,
            Self::Int(values) => values.as_ptr() as usize,
        }
    }
}

impl Literal {
    /// Values of float, or of int64.
    pub fn new(dims: Vec<usize>, data: Data) -> Self {
        let element = match data {
            Data::Float(_) => element::FLOAT,
            Data::Int(_) => element::INT64,
        };
        Self { dims, data, element }
    }

    /// Integers along one axis.
    pub fn ints(values: Vec<i64>) -> Self {
        Self::new(vec![values.len()], Data::Int(values.into()))
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Float(values) => values.len(),
            Data::Int(values) => values.len(),
        }
    }

    /// The integers, when it has integers.
    pub fn as_ints(&self) -> Option<&[i64]> {
        match &self.data {
            Data::Int(values) => Some(values),
            Data::Float(_) => None,
        }
    }

    /// The numbers, when it has floating-point numbers.
    pub fn as_floats(&self) -> Option<&Arc<[f32]>> {
        match &self.data {
            Data::Float(values) => Some(values),
            Data::Int(_) => None,
        }
    }
}

/// The product of extents; `None` when it, or the product of any of them, does not fit.
pub(super) fn elements(dims: &[usize]) -> Option<usize> {
    let product = dims.iter().try_fold(1_usize, |product, extent| product.checked_mul((*extent).max(1)))?;
    Some(if dims.contains(&0) { 0 } else { product })
}

/// The name of an element type of the standard.
pub(in crate::frontend) fn type_name(code: i32) -> String {
    let name = match code {
        1 => "float",
        2 => "uint8",
        3 => "int8",
        4 => "uint16",
        5 => "int16",
        6 => "int32",
        7 => "int64",
        8 => "string",
        9 => "bool",
        10 => "float16",
        11 => "double",
        12 => "uint32",
        13 => "uint64",
        16 => "bfloat16",
        17 => "float8e4m3fn",
        18 => "float8e4m3fnuz",
        19 => "float8e5m2",
        20 => "float8e5m2fnuz",
        21 => "uint4",
        22 => "int4",
        _ => return format!("type {code}"),
    };
    name.to_owned()
}

/// Reads a tensor of a file, its external data included.
pub(super) fn read(proto: &TensorProto, external: &mut External) -> Result<Literal, Failure> {
    let about = format!("tensor `{}`", proto.name);
    let (dims, count) = extents(&about, &proto.dims)?;
    let bits = match proto.data_type {
        21 | 22 => 4,
        2 | 3 | 9 | 17..=20 => 8,
        4 | 5 | 10 | 16 => 16,
        1 | 6 | 12 => 32,
        7 | 11 | 13 => 64,
        other => {
            return Err(Failure::Refused(Box::new(
                crate::Diagnostic::error("E-ONNX-TYPE", format!("{about} has elements of type {}", type_name(other)))
                    .expected("float, float8, float16, bfloat16, double, bool, or integers of 4 to 64 bits"),
            )));
        }
    };
    let Some(size) = count.checked_mul(bits).map(|bits| bits.div_ceil(8)) else {
        return Err(refuse("E-ONNX-SHAPE", format!("{about} has the extents {:?}", proto.dims)));
    };
    let fetched;
    let raw: Option<&[u8]> = if proto.data_location == 1 {
        fetched = external.read(proto, size).map_err(Failure::Refused)?;
        Some(&fetched)
    } else if !proto.raw_data.is_empty() {
        Some(&proto.raw_data)
    } else {
        None
    };
    let mismatch = |found: usize, unit: &str| {
        let message = format!("{about} has the extents {dims:?}, {count} elements, but {found} {unit} of data");
        refuse("E-ONNX-SHAPE", message)
    };
    let data = match raw {
        Some(raw) if raw.len() != size => return Err(mismatch(raw.len(), "bytes")),
        Some(raw) => from_bytes(raw, proto.data_type, count),
        None if !fit(proto) => {
            let message = format!("{about} has values beyond {}", type_name(proto.data_type));
            return Err(refuse("E-ONNX-TYPE", message));
        }
        None => from_fields(proto, count),
    };
    if let Some(value) = beyond(proto, raw) {
        return Err(Failure::Refused(Box::new(
            crate::Diagnostic::error("E-ONNX-TYPE", format!("{about} has the value {value:e}"))
                .expected("values that a float of 32 bits holds, which is what programs compute with"),
        )));
    }
    let literal = Literal { dims: dims.clone(), data, element: proto.data_type };
    if literal.len() != count {
        return Err(mismatch(literal.len(), "values"));
    }
    Ok(literal)
}

/// A value of a tensor of doubles that no f32 stands for. The greatest double is none: it says that there is no bound.
fn beyond(proto: &TensorProto, raw: Option<&[u8]>) -> Option<f64> {
    let lost = |value: &f64| value.is_finite() && value.abs() < f64::MAX && !(*value as f32).is_finite();
    match (proto.data_type, raw) {
        (element::DOUBLE, Some(raw)) => raw.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes)).find(lost),
        (element::DOUBLE, None) => proto.double_data.iter().copied().find(lost),
        _ => None,
    }
}

/// Extents of a tensor, and the number of its elements.
fn extents(about: &str, said: &[i64]) -> Result<(Vec<usize>, usize), Failure> {
    let dims: Option<Vec<usize>> = said.iter().map(|extent| usize::try_from(*extent).ok()).collect();
    let count = dims.as_deref().filter(|dims| dims.len() <= LARGEST_RANK).and_then(elements);
    dims.zip(count).ok_or_else(|| refuse("E-ONNX-SHAPE", format!("{about} has the extents {said:?}")))
}

/// Reads a tensor of words.
pub(super) fn read_text(proto: &TensorProto) -> Result<Text, Failure> {
    let about = format!("tensor `{}`", proto.name);
    let (dims, count) = extents(&about, &proto.dims)?;
    let words = &proto.string_data;
    if words.len() != count {
        let message = format!("{about} has the extents {dims:?}, {count} elements, but {} words", words.len());
        return Err(refuse("E-ONNX-SHAPE", message));
    }
    let word = |bytes: &Vec<u8>| match str::from_utf8(bytes) {
        Ok(word) => Ok(word.to_owned()),
        Err(error) => Err(refuse("E-ONNX-TYPE", format!("{about} has a word that is not UTF-8: {error}"))),
    };
    Ok(Text { dims, words: words.iter().map(word).collect::<Result<_, _>>()? })
}

/// Whether what a file keeps in 32 bits goes into the fewer bits of its type.
fn fit(proto: &TensorProto) -> bool {
    let within = |low: i32, high: i32| proto.int32_data.iter().all(|value| (low..=high).contains(value));
    match proto.data_type {
        element::UINT8 | 17..=22 => within(0, 0xff),
        element::INT8 => within(-0x80, 0x7f),
        element::UINT16 | element::FLOAT16 | element::BFLOAT16 => within(0, 0xffff),
        element::INT16 => within(-0x8000, 0x7fff),
        _ => true,
    }
}

/// Reads a sparse tensor, with its zeros. How many elements it has must have been checked before.
pub(super) fn read_sparse(proto: &SparseTensorProto, external: &mut External) -> Result<Literal, Failure> {
    let (Some(values), Some(indices)) = (&proto.values, &proto.indices) else {
        return Err(refuse("E-ONNX-SHAPE", "a sparse tensor lacks its values or its indices"));
    };
    let about = format!("sparse tensor `{}`", values.name);
    let (dims, count) = extents(&about, &proto.dims)?;
    let (values, indices) = (read(values, external)?, read(indices, external)?);
    let wrong = |message: String| {
        let expected = "a place inside the tensor for each value, by number or by indices, in ascending order";
        Failure::Refused(Box::new(crate::Diagnostic::error("E-ONNX-SHAPE", message).expected(expected)))
    };
    let shapes = || wrong(format!("{about} has values of shape {:?} and indices of {:?}", values.dims, indices.dims));
    let places = indices.as_ints().ok_or_else(shapes)?;
    let per_value = match (values.dims.as_slice(), indices.dims.as_slice()) {
        ([many], [places]) if many == places => 1,
        ([many], [places, rank]) if many == places && *rank == dims.len() && *rank > 0 => *rank,
        _ => return Err(shapes()),
    };
    let extents = if per_value == 1 && indices.dims.len() == 1 { vec![count] } else { dims.clone() };
    let number = |place: &[i64]| {
        place.iter().zip(&extents).try_fold(0_usize, |number, (index, extent)| {
            let index = usize::try_from(*index).ok().filter(|index| index < extent)?;
            Some(number * extent + index)
        })
    };
    let numbers: Option<Vec<usize>> = places.chunks_exact(per_value).map(number).collect();
    let numbers = numbers.filter(|numbers| numbers.is_sorted_by(|one, next| one < next));
    let numbers =
        numbers.ok_or_else(|| wrong(format!("{about} of shape {dims:?} has indices outside of it or out of order")))?;
    let data = match &values.data {
        Data::Float(values) => Data::Float(spread(values, &numbers, count)),
        Data::Int(values) => Data::Int(spread(values, &numbers, count)),
    };
    Ok(Literal { dims, data, element: values.element })
}

/// Values at their places among so many, the others zero.
fn spread<T: Copy + Default>(values: &[T], places: &[usize], count: usize) -> Arc<[T]> {
    let mut all = vec![T::default(); count];
    for (value, place) in values.iter().zip(places) {
        if let Some(slot) = all.get_mut(*place) {
            *slot = *value;
        }
    }
    all.into()
}

fn from_bytes(raw: &[u8], kind: i32, count: usize) -> Data {
    match kind {
        17..=20 => Data::Float(raw.iter().map(|code| from_float8(*code, kind)).collect()),
        21 | 22 => Data::Int(from_nibbles(raw.iter().copied(), kind, count)),
        1 => Data::Float(raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
        10 => Data::Float(raw.as_chunks().0.iter().map(|bytes| from_half(u16::from_le_bytes(*bytes))).collect()),
        16 => Data::Float(raw.as_chunks().0.iter().map(|bytes| from_bfloat(u16::from_le_bytes(*bytes))).collect()),
        11 => Data::Float(raw.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes) as f32).collect()),
        2 => Data::Int(raw.iter().map(|byte| i64::from(*byte)).collect()),
        3 => Data::Int(raw.iter().map(|byte| i64::from(byte.cast_signed())).collect()),
        4 => Data::Int(raw.as_chunks().0.iter().map(|bytes| i64::from(u16::from_le_bytes(*bytes))).collect()),
        5 => Data::Int(raw.as_chunks().0.iter().map(|bytes| i64::from(i16::from_le_bytes(*bytes))).collect()),
        12 => Data::Int(raw.as_chunks().0.iter().map(|bytes| i64::from(u32::from_le_bytes(*bytes))).collect()),
        13 => Data::Int(raw.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes).cast_signed()).collect()),
        6 => Data::Int(raw.as_chunks().0.iter().map(|bytes| i64::from(i32::from_le_bytes(*bytes))).collect()),
        7 => Data::Int(raw.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect()),
        _ => Data::Int(raw.iter().map(|byte| i64::from(*byte != 0)).collect()),
    }
}

fn from_fields(proto: &TensorProto, count: usize) -> Data {
    let bytes = proto.int32_data.iter().map(|value| *value as u8);
    match proto.data_type {
        kind @ 17..=20 => Data::Float(bytes.map(|code| from_float8(code, kind)).collect()),
        kind @ (21 | 22) => Data::Int(from_nibbles(bytes, kind, count)),
        1 => Data::Float(proto.float_data.as_slice().into()),
        10 => Data::Float(proto.int32_data.iter().map(|bits| from_half(*bits as u16)).collect()),
        16 => Data::Float(proto.int32_data.iter().map(|bits| from_bfloat(*bits as u16)).collect()),
        11 => Data::Float(proto.double_data.iter().map(|value| *value as f32).collect()),
        2..=6 => Data::Int(proto.int32_data.iter().map(|value| i64::from(*value)).collect()),
        12 | 13 => Data::Int(proto.uint64_data.iter().map(|value| value.cast_signed()).collect()),
        7 => Data::Int(proto.int64_data.as_slice().into()),
        _ => Data::Int(proto.int32_data.iter().map(|value| i64::from(*value != 0)).collect()),
    }
}

/// IEEE 754 binary16 to binary32, exact.
fn from_half(bits: u16) -> f32 {
    let magnitude = match (bits >> 10 & 0x1f, f32::from(bits & 0x3ff)) {
        (0, fraction) => fraction * (-24_f32).exp2(),
        (31, 0.0) => f32::INFINITY,
        (31, _) => f32::NAN,
        (exponent, fraction) => (1.0 + fraction / 1024.0) * (f32::from(exponent) - 15.0).exp2(),
    };
    if bits >> 15 == 1 { -magnitude } else { magnitude }
}

/// A floating-point number of 8 bits.
fn from_float8(code: u8, kind: i32) -> f32 {
    element::float8(kind).map_or(f32::NAN, |(format, _)| format.decode(code) as f32)
}

/// Integers of 4 bits, the first in the lower half of the first byte. Behind an odd number of them half a byte means nothing.
fn from_nibbles(bytes: impl ExactSizeIterator<Item = u8>, kind: i32, count: usize) -> Arc<[i64]> {
    let padding = usize::from(count % 2 == 1 && bytes.len() == count.div_ceil(2));
    let values = bytes.len().saturating_mul(2).saturating_sub(padding);
    let both = bytes.flat_map(|byte| match kind {
        element::INT4 => [i64::from(byte.cast_signed() << 4 >> 4), i64::from(byte.cast_signed() >> 4)],
        _ => [i64::from(byte & 0xf), i64::from(byte >> 4)],
    });
    both.take(values).collect()
}

/// bfloat16 is the upper half of a binary32.
fn from_bfloat(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_integers_of_4_bits_share_a_byte() {
        let read = |kind, count, bytes: &[u8]| from_nibbles(bytes.iter().copied(), kind, count).to_vec();
        assert_eq!(read(element::INT4, 4, &[0x7f, 0x18]), [-1, 7, -8, 1]);
        assert_eq!(read(element::UINT4, 3, &[0x7f, 0x08]), [15, 7, 8]);
        // As many as there are, whatever is due.
        assert_eq!(read(element::UINT4, 1, &[0x7f, 0x08]).len(), 4);
    }

    #[test]
    fn halves_are_exact() {
        for (bits, value) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x3555, 0.333_251_95),
            (0x0001, 5.960_464_5e-8),
            (0x7bff, 65504.0),
            (0x7c00, f32::INFINITY),
        ] {
            assert_eq!(from_half(bits), value, "{bits:#x}");
        }
        assert!(from_half(0x7e00).is_nan());
        assert_eq!(from_bfloat(0x3fc0), 1.5);
    }
}
