//! A tensor of a file: where its elements lie, and their values.

use std::ops::Range;

use crate::ir::Shape;

/// How a file stores an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Element {
    /// 32-bit floating point.
    F32,
    /// 16-bit floating point.
    F16,
    /// The upper half of a 32-bit floating point number.
    Bf16,
    /// 64-bit floating point, rounded once to 32 bits.
    F64,
    /// Anything else, by the name that the format has for it.
    Other(String),
}

/// A tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTensor {
    /// Its extents, in the file's order.
    pub shape: Shape,
    /// How its elements are stored.
    pub element: Element,
    /// Where its bytes lie in the file's content, little-endian.
    pub bytes: Range<usize>,
    /// How many elements lie from one index of an axis to the next. None: row-major, without gaps.
    pub strides: Option<Vec<usize>>,
}

impl FileTensor {
    /// A tensor that lies in its file row-major and without gaps.
    pub fn dense(shape: Shape, element: Element, bytes: Range<usize>) -> Self {
        Self { shape, element, bytes, strides: None }
    }

    /// A view with strides of `bytes`, which hold elements of `width` bytes.
    ///
    /// # Errors
    /// A sentence, when the view reaches past the bytes or has more elements than they hold.
    pub fn strided(
        shape: Shape,
        element: Element,
        bytes: Range<usize>,
        strides: Vec<usize>,
        width: usize,
    ) -> Result<Self, String> {
        if shape.0.len() != strides.len() {
            return Err(format!("its shape {shape} has {} strides", strides.len()));
        }
        let held = bytes.len() / width.max(1);
        let count = shape.0.iter().try_fold(1_usize, |count, extent| count.checked_mul(*extent));
        let last = shape.0.iter().zip(&strides).try_fold(0_usize, |last, (extent, stride)| {
            last.checked_add(extent.saturating_sub(1).checked_mul(*stride)?)
        });
        let fits = match (count, last) {
            (Some(0), _) => true,
            (Some(count), Some(last)) => count <= held && last < held,
            _ => false,
        };
        if !fits {
            return Err(format!("a view of shape {shape} and strides {strides:?} does not fit its {held} elements"));
        }
        let mut next = 1_usize;
        let dense = shape.0.iter().zip(&strides).rev().all(|(extent, stride)| {
            let dense = *extent == 1 || *stride == next;
            next = next.saturating_mul(*extent);
            dense
        });
        let (used, strides) = match (dense, count, last) {
            (_, Some(0), _) => (0, None),
            (true, Some(count), _) => (count, None),
            (_, _, last) => (last.map_or(0, |last| last + 1), Some(strides)),
        };
        Ok(Self { shape, element, bytes: bytes.start..bytes.start + used * width, strides })
    }

    /// The values of a view in row-major order, from all that its bytes hold.
    fn gather(&self, values: Vec<f32>) -> Vec<f32> {
        let Some(strides) = &self.strides else { return values };
        let mut offsets = vec![0_usize];
        for (extent, stride) in self.shape.0.iter().zip(strides) {
            offsets =
                offsets.iter().flat_map(|offset| (0..*extent).map(move |index| offset + index * stride)).collect();
        }
        offsets.into_iter().filter_map(|offset| values.get(offset).copied()).collect()
    }

    /// The values of a tensor, whose bytes are given, in the file's order.
    ///
    /// # Errors
    /// The name of an element type that holds no weights.
    pub(super) fn values(&self, bytes: &[u8]) -> Result<Vec<f32>, String> {
        let halves = || bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
        let stored = match &self.element {
            Element::F32 => bytes.as_chunks::<4>().0.iter().map(|word| f32::from_le_bytes(*word)).collect(),
            Element::F16 => halves().map(from_f16).collect(),
            Element::Bf16 => halves().map(|half| f32::from_bits(u32::from(half) << 16)).collect(),
            Element::F64 => bytes.as_chunks::<8>().0.iter().map(|word| f64::from_le_bytes(*word) as f32).collect(),
            Element::Other(name) => return Err(name.clone()),
        };
        Ok(self.gather(stored))
    }
}

/// The value of an IEEE half-precision number, which every f32 can hold.
fn from_f16(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let (exponent, mantissa) = (u32::from(half >> 10 & 0x1F), u32::from(half & 0x3FF));
    match (exponent, mantissa) {
        // Zero and the subnormal numbers: multiples of 2^-24.
        (0, mantissa) => f32::from_bits(sign | (mantissa as f32 * f32::from_bits(0x3380_0000)).to_bits()),
        (31, mantissa) => f32::from_bits(sign | 0x7F80_0000 | mantissa << 13),
        (exponent, mantissa) => f32::from_bits(sign | (exponent + 112) << 23 | mantissa << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::from_f16;

    #[test]
    fn halves_have_their_values() {
        for (bits, value) in [
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x3555, 0.333_251_95),
            (0x7BFF, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0x7C00, f32::INFINITY),
            (0x0000, 0.0),
        ] {
            assert_eq!(from_f16(bits), value, "{bits:#06x}");
        }
        assert!(from_f16(0x7E00).is_nan());
        assert!(from_f16(0x8000).is_sign_negative());
    }
}
