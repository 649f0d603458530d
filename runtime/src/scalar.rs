//! Functions of one and of two numbers, and what makes one number of many: what a loop nest computes with.
//!
//! Everything is computed in f64, and rounded to f32 where it is stored: so integers are exact up to 2^24 where they are stored, and sums
//! of integers up to 2^53 on their way. Truth is 1, falsehood 0.

/// A function of one number, with up to two parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Function {
    /// Which.
    pub kind: FunctionKind,
    /// The first parameter, of those that have one.
    pub alpha: f64,
    /// The second parameter.
    pub beta: f64,
}

/// Declares an enum of words, with all of them and their names.
macro_rules! words {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$inner])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name, as in text form and tables.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// How it is written in Rust.
            pub const fn variant(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($variant),)*
                }
            }

            /// The one of a name.
            pub fn named(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

words! {
    /// The functions of one number `x`.
    FunctionKind {
        /// `x`
        Identity = "identity",
        /// `alpha * x + beta`
        Affine = "affine",
        /// `min(max(x, alpha), beta)`
        Clip = "clip",
        /// `x` where it is not negative, else `alpha * x`
        LeakyRelu = "leaky_relu",
        /// `x` where it is not negative, else `alpha * (exp(x) - 1)`
        Elu = "elu",
        /// `x` where it is not negative, else `alpha * (exp(x / alpha) - 1)`
        Celu = "celu",
        /// `beta * x` where it is positive, else `beta * alpha * (exp(x) - 1)`
        Selu = "selu",
        /// `x` where it is above `alpha`, else 0
        ThresholdedRelu = "thresholded_relu",
        /// `x + beta` below `-alpha`, `x - beta` above `alpha`, else 0
        Shrink = "shrink",
        /// `1 / (1 + exp(-x))`
        Sigmoid = "sigmoid",
        /// `min(max(alpha * x + beta, 0), 1)`
        HardSigmoid = "hard_sigmoid",
        /// `x * min(max(alpha * x + beta, 0), 1)`
        HardSwish = "hard_swish",
        /// `x / (1 + exp(-alpha * x))`
        Swish = "swish",
        /// `x * tanh(ln(1 + exp(x)))`
        Mish = "mish",
        /// `x * (1 + erf(x / sqrt(2))) / 2`
        Gelu = "gelu",
        /// `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2`
        GeluTanh = "gelu_tanh",
        /// `ln(1 + exp(x))`
        Softplus = "softplus",
        /// `x / (1 + |x|)`
        Softsign = "softsign",
        /// `tanh(x)`
        Tanh = "tanh",
        /// `exp(x)`
        Exp = "exp",
        /// `ln(x)`
        Log = "log",
        /// `sqrt(x)`
        Sqrt = "sqrt",
        /// `1 / x`
        Reciprocal = "reciprocal",
        /// `|x|`
        Abs = "abs",
        /// -1, 0 or 1
        Sign = "sign",
        /// The error function.
        Erf = "erf",
        /// `sin(x)`
        Sin = "sin",
        /// `cos(x)`
        Cos = "cos",
        /// The greatest whole number that is not above.
        Floor = "floor",
        /// The smallest whole number that is not below.
        Ceil = "ceil",
        /// The nearest whole number; of two, the even one.
        Round = "round",
        /// The whole number next to it towards 0.
        Truncate = "truncate",
        /// A whole number into `alpha .. alpha + beta` by adding or subtracting `beta`: as integers of few bits overflow.
        Wrap = "wrap",
        /// The nearest f32.
        Single = "single",
        /// The nearest number of [`Float8::E4M3FN`]; what is beyond the largest is that one if `alpha` is not 0.
        Float8E4M3Fn = "float8_e4m3fn",
        /// As that, of [`Float8::E4M3FNUZ`].
        Float8E4M3FnUz = "float8_e4m3fnuz",
        /// As that, of [`Float8::E5M2`].
        Float8E5M2 = "float8_e5m2",
        /// As that, of [`Float8::E5M2FNUZ`].
        Float8E5M2FnUz = "float8_e5m2fnuz",
        /// 1 if it is not 0
        Truth = "truth",
        /// 1 if it is 0
        Not = "not",
        /// 1 if it is not a number
        IsNan = "is_nan",
    }
}

words! {
    /// The functions of two numbers.
    Combine {
        /// `a + b`
        Add = "add",
        /// `a - b`
        Subtract = "subtract",
        /// `a * b`
        Multiply = "multiply",
        /// `a / b`
        Divide = "divide",
        /// `a / b` towards 0, of whole numbers
        DivideWhole = "divide_whole",
        /// `a` to the power of `b`
        Power = "power",
        /// The larger one.
        Maximum = "maximum",
        /// The smaller one.
        Minimum = "minimum",
        /// The rest of `a / b`, with the sign of `b`.
        Modulo = "modulo",
        /// The rest of `a / b`, with the sign of `a`.
        Remainder = "remainder",
        /// `a` where it is not negative, else `a * b`.
        ParametricRelu = "parametric_relu",
        /// `b` where `a` is not 0, else 0.
        Masked = "masked",
        /// 1 if `a = b`
        Equal = "equal",
        /// 1 if `a > b`
        Greater = "greater",
        /// 1 if `a >= b`
        GreaterOrEqual = "greater_or_equal",
        /// 1 if neither is 0
        And = "and",
        /// 1 if not both are 0
        Or = "or",
        /// 1 if one is 0 and the other is not
        Xor = "xor",
    }
}

words! {
    /// What makes one number of many.
    Fold {
        /// Their sum.
        Sum = "sum",
        /// Their product.
        Product = "product",
        /// The largest.
        Maximum = "maximum",
        /// The smallest.
        Minimum = "minimum",
        /// Where the largest stands, the first of equal ones.
        FirstMaximum = "first_maximum",
        /// Where the largest stands, the last of equal ones.
        LastMaximum = "last_maximum",
        /// Where the smallest stands, the first of equal ones.
        FirstMinimum = "first_minimum",
        /// Where the smallest stands, the last of equal ones.
        LastMinimum = "last_minimum",
    }
}

impl Function {
    /// Changes nothing.
    pub const IDENTITY: Self = Self::plain(FunctionKind::Identity);

    /// A function without parameters.
    pub const fn plain(kind: FunctionKind) -> Self {
        Self { kind, alpha: 0.0, beta: 0.0 }
    }

    /// A function with its parameters.
    pub const fn of(kind: FunctionKind, alpha: f64, beta: f64) -> Self {
        Self { kind, alpha, beta }
    }

    /// Its value.
    #[inline(always)]
    pub fn apply(self, x: f64) -> f64 {
        let Self { kind, alpha, beta } = self;
        match kind {
            FunctionKind::Identity => x,
            FunctionKind::Affine => alpha * x + beta,
            FunctionKind::Clip => clip(x, alpha, beta),
            FunctionKind::LeakyRelu => choose(x >= 0.0, x, alpha * x),
            FunctionKind::Elu => choose(x >= 0.0, x, alpha * x.exp_m1()),
            FunctionKind::Celu => choose(x >= 0.0, x, alpha * (x / alpha).exp_m1()),
            FunctionKind::Selu => choose(x > 0.0, beta * x, beta * alpha * x.exp_m1()),
            FunctionKind::ThresholdedRelu => choose(x > alpha, x, 0.0),
            FunctionKind::Shrink => choose(x < -alpha, x + beta, choose(x > alpha, x - beta, 0.0)),
            FunctionKind::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            FunctionKind::HardSigmoid => clip(alpha * x + beta, 0.0, 1.0),
            FunctionKind::HardSwish => x * clip(alpha * x + beta, 0.0, 1.0),
            FunctionKind::Swish => x / (1.0 + (-alpha * x).exp()),
            FunctionKind::Mish => x * softplus(x).tanh(),
            FunctionKind::Gelu => x * 0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            FunctionKind::GeluTanh => {
                let inner = (2.0 * std::f64::consts::FRAC_1_PI).sqrt() * (x + 0.044715 * x * x * x);
                x * 0.5 * (1.0 + inner.tanh())
            }
            FunctionKind::Softplus => softplus(x),
            FunctionKind::Softsign => x / (1.0 + x.abs()),
            FunctionKind::Tanh => x.tanh(),
            FunctionKind::Exp => x.exp(),
            FunctionKind::Log => x.ln(),
            FunctionKind::Sqrt => x.sqrt(),
            FunctionKind::Reciprocal => 1.0 / x,
            FunctionKind::Abs => x.abs(),
            FunctionKind::Sign => choose(x > 0.0, 1.0, choose(x < 0.0, -1.0, x)),
            FunctionKind::Erf => erf(x),
            FunctionKind::Sin => x.sin(),
            FunctionKind::Cos => x.cos(),
            FunctionKind::Floor => x.floor(),
            FunctionKind::Ceil => x.ceil(),
            FunctionKind::Round => x.round_ties_even(),
            FunctionKind::Truncate => x.trunc(),
            FunctionKind::Wrap => alpha + (x - alpha).rem_euclid(beta),
            FunctionKind::Single => f64::from(x as f32),
            FunctionKind::Float8E4M3Fn => Float8::E4M3FN.round(x, alpha != 0.0),
            FunctionKind::Float8E4M3FnUz => Float8::E4M3FNUZ.round(x, alpha != 0.0),
            FunctionKind::Float8E5M2 => Float8::E5M2.round(x, alpha != 0.0),
            FunctionKind::Float8E5M2FnUz => Float8::E5M2FNUZ.round(x, alpha != 0.0),
            FunctionKind::Truth => truth(x != 0.0),
            FunctionKind::Not => truth(x == 0.0),
            FunctionKind::IsNan => truth(x.is_nan()),
        }
    }
}

impl Combine {
    /// Its value.
    #[inline(always)]
    pub fn apply(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Add => a + b,
            Self::Subtract => a - b,
            Self::Multiply => a * b,
            Self::Divide => a / b,
            Self::DivideWhole => (a / b).trunc(),
            Self::Power => a.powf(b),
            Self::Maximum => larger(a, b),
            Self::Minimum => -larger(-a, -b),
            Self::Modulo => {
                let rest = a % b;
                choose(rest != 0.0 && (rest < 0.0) != (b < 0.0), rest + b, rest)
            }
            Self::Remainder => a % b,
            Self::ParametricRelu => choose(a >= 0.0, a, a * b),
            Self::Masked => choose(a != 0.0, b, 0.0),
            Self::Equal => truth(a == b),
            Self::Greater => truth(a > b),
            Self::GreaterOrEqual => truth(a >= b),
            Self::And => truth(a != 0.0 && b != 0.0),
            Self::Or => truth(a != 0.0 || b != 0.0),
            Self::Xor => truth((a != 0.0) != (b != 0.0)),
        }
    }
}

impl Fold {
    /// What is there before the first number.
    #[inline(always)]
    pub const fn start(self) -> f64 {
        match self {
            Self::Sum => 0.0,
            Self::Product => 1.0,
            Self::Maximum | Self::FirstMaximum | Self::LastMaximum => f64::NEG_INFINITY,
            Self::Minimum | Self::FirstMinimum | Self::LastMinimum => f64::INFINITY,
        }
    }

    /// Whether it tells a place, not a value.
    pub const fn tells_place(self) -> bool {
        matches!(self, Self::FirstMaximum | Self::LastMaximum | Self::FirstMinimum | Self::LastMinimum)
    }

    /// What is there after one number more, of those that tell no place.
    #[inline(always)]
    pub fn next(self, so_far: f64, x: f64) -> f64 {
        match self {
            Self::Sum => so_far + x,
            Self::Product => so_far * x,
            Self::Maximum => larger(so_far, x),
            Self::Minimum => -larger(-so_far, -x),
            Self::FirstMaximum | Self::LastMaximum | Self::FirstMinimum | Self::LastMinimum => so_far,
        }
    }

    /// Whether a number takes the place of the one chosen so far, of those that tell a place.
    #[inline(always)]
    pub fn replaces(self, chosen: f64, x: f64) -> bool {
        match self {
            Self::FirstMaximum => x > chosen,
            Self::LastMaximum => x >= chosen,
            Self::FirstMinimum => x < chosen,
            Self::LastMinimum => x <= chosen,
            Self::Sum | Self::Product | Self::Maximum | Self::Minimum => false,
        }
    }
}

/// A format of floating-point numbers in 8 bits: a sign, an exponent, a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Float8 {
    /// Bits of the fraction.
    fraction: i32,
    /// What the exponent's bits are more than the exponent.
    bias: i32,
    special: Special,
}

/// Which codes are no finite numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Special {
    /// Those whose exponent has all bits, as in IEEE 754: infinity without a fraction, else not a number.
    Exponent,
    /// The one with all bits, of either sign, is not a number; there is no infinity.
    AllBits,
    /// What would be -0 is not a number; there is no infinity.
    NegativeZero,
}

impl Float8 {
    /// 4 bits of exponent and 3 of fraction, without infinity.
    pub const E4M3FN: Self = Self { fraction: 3, bias: 7, special: Special::AllBits };
    /// 4 bits of exponent and 3 of fraction, without infinity and -0.
    pub const E4M3FNUZ: Self = Self { fraction: 3, bias: 8, special: Special::NegativeZero };
    /// 5 bits of exponent and 2 of fraction, as IEEE 754 would have them.
    pub const E5M2: Self = Self { fraction: 2, bias: 15, special: Special::Exponent };
    /// 5 bits of exponent and 2 of fraction, without infinity and -0.
    pub const E5M2FNUZ: Self = Self { fraction: 2, bias: 16, special: Special::NegativeZero };

    /// The number of a code.
    pub fn decode(self, code: u8) -> f64 {
        let (magnitude, negative) = (i32::from(code & 0x7f), code >> 7 == 1);
        let (exponent, fraction) = (magnitude >> self.fraction, magnitude & ((1 << self.fraction) - 1));
        let size = match self.special {
            Special::Exponent if exponent == 0x7f >> self.fraction => choose(fraction == 0, f64::INFINITY, f64::NAN),
            Special::AllBits if magnitude == 0x7f => f64::NAN,
            Special::NegativeZero if code == 0x80 => f64::NAN,
            // Below the least exponent the fraction stands alone.
            _ if exponent == 0 => f64::from(fraction) * two_to(1 - self.bias - self.fraction),
            _ => f64::from((1 << self.fraction) + fraction) * two_to(exponent - self.bias - self.fraction),
        };
        choose(negative, -size, size)
    }

    /// The nearest number, of two the one with an even fraction. Beyond the largest, infinity included, it is that one if `saturate`, else
    /// infinity, or not a number where there is none.
    pub fn round(self, x: f64, saturate: bool) -> f64 {
        let exponent = (x.to_bits() >> 52 & 0x7ff) as i32 - 1023;
        let step = two_to(exponent.max(1 - self.bias) - self.fraction);
        let near = (x / step).round_ties_even() * step;
        let most = self.decode(match self.special {
            Special::Exponent => 0x7f - (1 << self.fraction),
            Special::AllBits => 0x7e,
            Special::NegativeZero => 0x7f,
        });
        if near.abs() > most {
            let beyond = choose(self.special == Special::Exponent, f64::INFINITY, f64::NAN);
            return choose(saturate, most, beyond).copysign(x);
        }
        choose(near == 0.0 && self.special == Special::NegativeZero, 0.0, near)
    }
}

/// A power of 2 that is a normal number.
fn two_to(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

#[inline(always)]
fn choose(condition: bool, yes: f64, no: f64) -> f64 {
    if condition { yes } else { no }
}

#[inline(always)]
fn truth(condition: bool) -> f64 {
    choose(condition, 1.0, 0.0)
}

/// What is not a number stays so.
#[inline(always)]
fn clip(x: f64, low: f64, high: f64) -> f64 {
    let raised = choose(x < low, low, x);
    choose(raised > high, high, raised)
}

/// The larger one, or what is not a number.
#[inline(always)]
fn larger(a: f64, b: f64) -> f64 {
    choose(a.is_nan() || a > b, a, b)
}

fn softplus(x: f64) -> f64 {
    choose(x > 0.0, x, 0.0) + (-x.abs()).exp().ln_1p()
}

/// The error function, to about 1e-13: its series about 0, and further out the continued fraction of what is left to 1 (Abramowitz and
/// Stegun, Handbook of Mathematical Functions, 7.1.6 and 7.1.14).
fn erf(x: f64) -> f64 {
    let size = x.abs();
    if size.is_nan() {
        return x;
    }
    if size > 6.0 {
        return 1.0_f64.copysign(x);
    }
    let tail = (-x * x).exp() / std::f64::consts::PI.sqrt();
    if size < 2.5 {
        // The terms are all positive: 2 x exp(-x^2) / sqrt(pi) * sum of (2 x^2)^n / (1 * 3 * ... * (2 n + 1)).
        let (mut term, mut sum) = (1.0, 1.0);
        for n in 1..64 {
            term *= 2.0 * x * x / f64::from(2 * n + 1);
            sum += term;
        }
        return 2.0 * x * tail * sum;
    }
    let fraction = (1..=60).rev().fold(size, |below, n| size + f64::from(n) / 2.0 / below);
    (1.0 - tail / fraction).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back() {
        assert!(FunctionKind::ALL.iter().all(|kind| FunctionKind::named(kind.name()) == Some(*kind)));
        assert!(Combine::ALL.iter().all(|kind| Combine::named(kind.name()) == Some(*kind)));
        assert!(Fold::ALL.iter().all(|kind| Fold::named(kind.name()) == Some(*kind)));
        assert_eq!(Combine::named("nothing"), None);
    }

    #[test]
    fn the_error_function_is_that_of_the_tables() {
        // Abramowitz and Stegun, table 7.1, and the limits.
        for (x, expected) in [
            (0.0, 0.0),
            (0.1, 0.112_462_916_0),
            (0.5, 0.520_499_877_8),
            (1.0, 0.842_700_792_9),
            (1.5, 0.966_105_146_5),
            (2.0, 0.995_322_265_0),
            (2.6, 0.999_763_965_6),
            (3.0, 0.999_977_909_5),
            (9.0, 1.0),
        ] {
            assert!((erf(x) - expected).abs() < 1e-10, "{x}: {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
        assert!(erf(f64::NAN).is_nan());
        assert!((erf(2.499_999_999) - erf(2.500_000_001)).abs() < 1e-11);
    }

    #[test]
    fn what_is_not_a_number_stays_so() {
        assert!(Combine::Maximum.apply(f64::NAN, 1.0).is_nan() && Combine::Maximum.apply(1.0, f64::NAN).is_nan());
        assert!(Combine::Minimum.apply(f64::NAN, 1.0).is_nan() && Combine::Minimum.apply(1.0, f64::NAN).is_nan());
        assert!(Function::of(FunctionKind::Clip, 0.0, 1.0).apply(f64::NAN).is_nan());
    }

    #[test]
    fn whole_numbers_overflow_as_integers_do() {
        let byte = Function::of(FunctionKind::Wrap, 0.0, 256.0);
        let signed = Function::of(FunctionKind::Wrap, -128.0, 256.0);
        for x in [-300_i32, -129, -128, -1, 0, 127, 128, 255, 256, 511] {
            assert_eq!(byte.apply(f64::from(x)), f64::from(x as u8));
            assert_eq!(signed.apply(f64::from(x)), f64::from(x as i8));
        }
    }

    #[test]
    fn remainders_have_the_sign_that_they_say() {
        assert_eq!([(-7.0, 3.0), (7.0, -3.0), (-6.0, 3.0)].map(|(a, b)| Combine::Modulo.apply(a, b)), [2.0, -2.0, 0.0]);
        assert_eq!([(-7.0, 3.0), (7.0, -3.0)].map(|(a, b)| Combine::Remainder.apply(a, b)), [-1.0, 1.0]);
    }

    #[test]
    fn softplus_is_exact_far_out() {
        assert_eq!(softplus(800.0), 800.0);
        assert!(softplus(-40.0) > 0.0);
    }
}
