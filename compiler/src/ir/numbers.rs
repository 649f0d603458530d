//! What the numbers of a tensor are in the user's model.
//!
//! Programs keep every number as f32. What is said here changes no value: it tells what type a model has for it, and what its integers
//! stand for.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::Shape;
use super::scalar::Float8;

/// The type of a tensor's elements. Float of 16 and 64 bits is `Float32`, which stands for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Element {
    /// Any number.
    #[default]
    Float32,
    /// 0 and 1.
    Bool,
    /// Integers with a sign, of so many bits.
    Int(Bits),
    /// Integers without a sign.
    UInt(Bits),
    /// [`Float8::E4M3FN`]
    Float8E4M3Fn,
    /// [`Float8::E4M3FNUZ`]
    Float8E4M3FnUz,
    /// [`Float8::E5M2`]
    Float8E5M2,
    /// [`Float8::E5M2FNUZ`]
    Float8E5M2FnUz,
}

/// How wide integers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bits {
    /// 4
    Four,
    /// 8
    Eight,
    /// 16
    Sixteen,
    /// 32
    ThirtyTwo,
    /// 64
    SixtyFour,
}

impl Element {
    /// All of them with their names, as in text form and reports.
    pub const ALL: [(Self, &'static str); 16] = [
        (Self::Float32, "float32"),
        (Self::Bool, "bool"),
        (Self::Int(Bits::Four), "int4"),
        (Self::Int(Bits::Eight), "int8"),
        (Self::Int(Bits::Sixteen), "int16"),
        (Self::Int(Bits::ThirtyTwo), "int32"),
        (Self::Int(Bits::SixtyFour), "int64"),
        (Self::UInt(Bits::Four), "uint4"),
        (Self::UInt(Bits::Eight), "uint8"),
        (Self::UInt(Bits::Sixteen), "uint16"),
        (Self::UInt(Bits::ThirtyTwo), "uint32"),
        (Self::UInt(Bits::SixtyFour), "uint64"),
        (Self::Float8E4M3Fn, "float8_e4m3fn"),
        (Self::Float8E4M3FnUz, "float8_e4m3fnuz"),
        (Self::Float8E5M2, "float8_e5m2"),
        (Self::Float8E5M2FnUz, "float8_e5m2fnuz"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(element, _)| *element == self).map_or("float32", |(_, name)| name)
    }

    /// The type of a name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(element, _)| *element)
    }

    /// Whether networks are quantised to it.
    pub fn is_quantised(self) -> bool {
        match self {
            Self::Int(bits) | Self::UInt(bits) => bits <= Bits::Sixteen,
            Self::Float8E4M3Fn | Self::Float8E4M3FnUz | Self::Float8E5M2 | Self::Float8E5M2FnUz => true,
            Self::Float32 | Self::Bool => false,
        }
    }

    /// Whether a number, as it is kept, is one of the type.
    pub fn holds(self, value: f32) -> bool {
        let whole = |low: f32, high: f32| value == value.trunc() && (low..=high).contains(&value);
        let one_of = |format: Float8| f64::from(value) == format.round(f64::from(value), true);
        match self {
            Self::Float32 => true,
            Self::Bool => whole(0.0, 1.0),
            Self::Int(bits) => {
                let half = bits.half();
                // The greatest of the wide types is no f32: what it is kept as is the next one.
                whole(-half, if bits <= Bits::Sixteen { half - 1.0 } else { half })
            }
            Self::UInt(bits) => {
                let all = 2.0 * bits.half();
                whole(0.0, if bits <= Bits::Sixteen { all - 1.0 } else { all })
            }
            Self::Float8E4M3Fn => one_of(Float8::E4M3FN),
            Self::Float8E4M3FnUz => one_of(Float8::E4M3FNUZ),
            Self::Float8E5M2 => one_of(Float8::E5M2),
            Self::Float8E5M2FnUz => one_of(Float8::E5M2FNUZ),
        }
    }
}

impl Bits {
    /// Half as many as there are integers of the width.
    fn half(self) -> f32 {
        match self {
            Self::Four => 8.0,
            Self::Eight => 128.0,
            Self::Sixteen => 32_768.0,
            Self::ThirtyTwo => 2_147_483_648.0,
            Self::SixtyFour => 9_223_372_036_854_775_808.0,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the elements of a type stand for numbers: `(x - zero_point) * scale`.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantisation {
    /// The type.
    pub element: Element,
    /// One for all, or one for each position of the axis.
    pub scale: Vec<f32>,
    /// As many as there are scales; none where all are 0.
    pub zero_point: Vec<f32>,
    /// The axis along which they differ.
    pub axis: Option<usize>,
}

impl Quantisation {
    /// What is wrong with it for a tensor of such a shape.
    fn fault(&self, shape: &Shape) -> Option<String> {
        let count = match self.axis {
            Some(axis) => shape.0.get(axis).copied(),
            None => Some(1),
        };
        if count != Some(self.scale.len()) || ![0, self.scale.len()].contains(&self.zero_point.len()) {
            let (scales, zeros) = (self.scale.len(), self.zero_point.len());
            return Some(format!("it has {scales} scales and {zeros} zero points for the shape {shape}"));
        }
        if self.element == Element::Float32 || self.scale.iter().any(|scale| !scale.is_finite()) {
            return Some(format!("it quantises to {} with scales {:?}", self.element, self.scale));
        }
        let strange = self.zero_point.iter().find(|zero| !self.element.holds(**zero));
        strange.map(|zero| format!("its zero point {zero} is no {}", self.element))
    }
}

/// `int8 axis 0 scale 0.5 0.25 zero -1 2`
impl fmt::Display for Quantisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.element.name())?;
        if let Some(axis) = self.axis {
            write!(f, " axis {axis}")?;
        }
        f.write_str(" scale")?;
        self.scale.iter().try_for_each(|scale| write!(f, " {scale:?}"))?;
        if !self.zero_point.is_empty() {
            f.write_str(" zero")?;
            self.zero_point.iter().try_for_each(|zero| write!(f, " {zero}"))?;
        }
        Ok(())
    }
}

impl FromStr for Quantisation {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let numbers = |text: &str| -> Result<Vec<f32>, ()> {
            text.split_whitespace().map(|word| word.parse().map_err(|_| ())).collect()
        };
        let (head, rest) = text.split_once(" scale ").ok_or(())?;
        let (scales, zeros) = rest.split_once(" zero ").unwrap_or((rest, ""));
        let (name, axis) = match head.split_once(" axis ") {
            Some((name, axis)) => (name, Some(axis.parse().map_err(|_| ())?)),
            None => (head, None),
        };
        let element = Element::named(name).ok_or(())?;
        Ok(Self { element, scale: numbers(scales)?, zero_point: numbers(zeros)?, axis })
    }
}

/// What the numbers of a tensor are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Numbers {
    /// The type of its elements.
    pub element: Element,
    /// If it is of the quantisation's own type, its elements stand for others; if it is of `Float32`, they are what those of that type
    /// stand for.
    pub quantisation: Option<Arc<Quantisation>>,
}

impl Numbers {
    /// Elements of a type of which no more is known.
    pub const fn of(element: Element) -> Self {
        Self { element, quantisation: None }
    }

    /// Whether there is nothing to say of them.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }

    /// The type that they are quantised to, if they are.
    pub fn quantised(&self) -> Option<Element> {
        let stored = Some(self.element).filter(|element| element.is_quantised());
        self.quantisation.as_ref().map(|quantisation| quantisation.element).or(stored)
    }

    /// What is wrong with it for a tensor of such a shape.
    pub fn fault(&self, shape: &Shape) -> Option<String> {
        let quantisation = self.quantisation.as_deref()?;
        if ![Element::Float32, quantisation.element].contains(&self.element) {
            return Some(format!("its elements are {}, quantised are {}", self.element, quantisation.element));
        }
        quantisation.fault(shape)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        assert!(Element::ALL.iter().all(|(element, name)| Element::named(name) == Some(*element)));
        assert!(Element::ALL.iter().all(|(element, name)| element.name() == *name));
        assert_eq!(Element::named("int5"), None);
    }

    #[test]
    fn types_hold_what_they_can() {
        for (name, within, beyond) in [
            ("int8", [-128.0, 127.0], [-129.0, 0.5]),
            ("uint4", [0.0, 15.0], [16.0, -1.0]),
            ("int64", [-9.0e18, 9.0e18], [1.0e19, f32::INFINITY]),
            ("bool", [0.0, 1.0], [2.0, f32::NAN]),
            ("float8_e4m3fn", [448.0, 0.001_953_125], [449.0, 0.001]),
        ] {
            let element = Element::named(name).unwrap();
            assert!(within.iter().all(|value| element.holds(*value)), "{name}");
            assert!(!beyond.iter().any(|value| element.holds(*value)), "{name}");
        }
    }

    #[test]
    fn quantisations_read_back_and_fit_their_tensors() {
        for (text, shape, fits) in [
            ("uint8 scale 0.5 zero 3", vec![2, 3], true),
            ("int8 axis 1 scale 0.5 1e-5 0.25", vec![2, 3], true),
            ("int8 axis 0 scale 0.5 1e-5 0.25", vec![2, 3], false),
            ("int8 axis 2 scale 0.5", vec![2, 3], false),
            ("uint8 scale 0.5 zero -3", vec![2, 3], false),
            ("uint8 scale inf", vec![2, 3], false),
            ("float32 scale 1.0", vec![], false),
        ] {
            let quantisation: Quantisation = text.parse().unwrap();
            assert_eq!(quantisation.to_string(), text);
            assert_eq!(quantisation.fault(&Shape(shape)).is_none(), fits, "{text}");
        }
        for text in ["", "int8", "int8 scale x", "int8 axis x scale 1.0", "int5 scale 1.0"] {
            assert!(text.parse::<Quantisation>().is_err(), "{text}");
        }
    }
}
