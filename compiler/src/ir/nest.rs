//! Loop nests over arrays: what no operation on maps says.

use std::fmt;
use std::str::FromStr;

use super::Shape;
use super::scalar::{Combine, Fold, Function, FunctionKind};

/// Axes that a loop nest may have, of the result and reduced ones together.
pub const MOST_AXES: usize = 32;

/// A loop nest over one or two arrays of any rank, in row-major order:
/// `result[i] = finish(fold over r of combine(a[i, r], b[i, r]))`, with `i` through the axes of the result and `r` through those that are
/// reduced. Without a second operand there is nothing to combine, without reduced axes nothing to fold.
///
/// A transposition, a slice, a padding or a repetition reads one operand by places that its axes say; a sum of two tensors of different
/// shapes reads one of them with axes that do not move; a product of matrices combines by multiplication and folds by a sum.
#[derive(Debug, Clone, PartialEq)]
pub struct Nest {
    /// Extents of the result.
    pub shape: Shape,
    /// Extents of the axes that are reduced.
    pub reduced: Vec<usize>,
    /// How each operand is read: one or two.
    pub operands: Vec<Access>,
    /// What is made of two operands.
    pub combine: Combine,
    /// What is made of all that is reduced.
    pub fold: Fold,
    /// What is applied last.
    pub finish: Function,
}

/// How an operand is read: each axis moves the place by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Access {
    /// The place at position 0 of all axes that move it evenly.
    pub start: usize,
    /// How each axis moves it: those of the result, then the reduced ones.
    pub axes: Vec<Move>,
    /// What is read where a position has no place.
    pub fill: f32,
}

/// How an axis moves the place in an operand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// By as much from each position to the next.
    Even(isize),
    /// For each position, by how much; below 0 it has no place.
    Listed(Vec<i32>),
}

impl Access {
    /// An array of such extents as it is.
    pub fn whole(dims: &[usize]) -> Self {
        Self { start: 0, axes: strides(dims).into_iter().map(Move::step).collect(), fill: 0.0 }
    }

    /// The least and the greatest place that is read, if every place is one of an array that can be addressed.
    fn reach(&self, extents: &[usize]) -> Option<(isize, isize)> {
        let start = isize::try_from(self.start).ok()?;
        self.axes.iter().zip(extents).try_fold((start, start), |(least, most), (axis, extent)| {
            let end = match axis {
                Move::Even(step) => step.checked_mul(isize::try_from(extent.checked_sub(1)?).ok()?)?,
                Move::Listed(places) if places.len() == *extent => {
                    isize::try_from((*places.iter().max()?).max(0)).ok()?
                }
                Move::Listed(_) => return None,
            };
            Some((least.checked_add(end.min(0))?, most.checked_add(end.max(0))?))
        })
    }

    /// The place of a position, if it has one.
    fn place(&self, position: &[usize]) -> Option<usize> {
        let mut place = isize::try_from(self.start).ok()?;
        for (axis, index) in self.axes.iter().zip(position) {
            place += match axis {
                Move::Even(step) => step * isize::try_from(*index).ok()?,
                Move::Listed(places) => isize::try_from(*places.get(*index)?).ok().filter(|place| *place >= 0)?,
            };
        }
        usize::try_from(place).ok()
    }
}

impl Move {
    /// Evenly by so many places.
    pub fn step(step: usize) -> Self {
        Self::Even(step as isize)
    }
}

impl Nest {
    /// An array as it is.
    pub fn copy(shape: Shape) -> Self {
        Self {
            operands: vec![Access::whole(&shape.0)],
            shape,
            reduced: Vec::new(),
            combine: Combine::Add,
            fold: Fold::Sum,
            finish: Function::IDENTITY,
        }
    }

    /// Extents of all axes: of the result, then the reduced ones.
    pub fn extents(&self) -> Vec<usize> {
        [self.shape.0.as_slice(), &self.reduced].concat()
    }

    /// The shape of the result, or what is wrong with the operands.
    pub(super) fn infer(&self, operands: &[&Shape]) -> Result<Shape, String> {
        let extents = self.extents();
        if extents.len() > MOST_AXES || extents.contains(&0) {
            return Err(format!("a loop nest over {extents:?} has empty axes, or more than {MOST_AXES}"));
        }
        for (access, operand) in self.operands.iter().zip(operands) {
            let reach = access.reach(&extents).filter(|_| access.axes.len() == extents.len());
            let inside = reach.is_some_and(|(least, most)| {
                least >= 0 && usize::try_from(most).is_ok_and(|most| most < operand.len())
            });
            if !inside {
                return Err(format!("a loop nest over {extents:?} reads beyond its operand {operand}"));
            }
        }
        Ok(self.shape.clone())
    }

    /// Its values.
    pub(super) fn evaluate(&self, operands: &[&[f64]]) -> Vec<f64> {
        let extents = self.extents();
        let count = self.shape.len();
        let folded: usize = self.reduced.iter().product();
        let mut position = vec![0_usize; extents.len()];
        let mut values = Vec::with_capacity(count);
        for _ in 0..count {
            let (mut so_far, mut chosen) = (self.fold.start(), 0_usize);
            for index in 0..folded {
                let mut read = self.operands.iter().zip(operands).map(|(access, values)| {
                    let place = access.place(&position);
                    place.and_then(|place| values.get(place)).copied().unwrap_or(f64::from(access.fill))
                });
                let first = read.next().unwrap_or_default();
                let value = read.next().map_or(first, |second| self.combine.apply(first, second));
                if self.reduced.is_empty() {
                    so_far = value;
                } else if !self.fold.tells_place() {
                    so_far = self.fold.next(so_far, value);
                } else if self.fold.replaces(so_far, value) {
                    (so_far, chosen) = (value, index);
                }
                advance(&mut position, &extents);
            }
            let result = if self.fold.tells_place() && !self.reduced.is_empty() { chosen as f64 } else { so_far };
            values.push(self.finish.apply(result));
        }
        values
    }

    /// What it is, in a word.
    pub fn word(&self) -> &'static str {
        match (self.reduced.is_empty(), self.operands.len(), self.finish.kind) {
            (true, 1, FunctionKind::Identity) => "rearrange",
            (true, 1, kind) => kind.name(),
            (true, _, _) => self.combine.name(),
            (false, 1, _) => "reduce",
            (false, _, _) => "contract",
        }
    }
}

/// `2x3x4 reduce 5, sum of multiply, then sqrt`.
impl fmt::Display for Nest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = |extents: &[usize]| {
            let words: Vec<String> = extents.iter().map(usize::to_string).collect();
            if words.is_empty() { "1".to_owned() } else { words.join("x") }
        };
        write!(f, "{} {}", self.word(), times(&self.shape.0))?;
        if !self.reduced.is_empty() {
            write!(f, ", {} of {}", self.fold.name(), times(&self.reduced))?;
            if self.operands.len() > 1 {
                write!(f, " by {}", self.combine.name())?;
            }
        }
        if self.finish.kind != FunctionKind::Identity && self.word() != self.finish.kind.name() {
            write!(f, ", then {}", self.finish.kind.name())?;
        }
        Ok(())
    }
}

/// `2; 12 1 [0,1,-1] fill 0.5`: the start, how each axis moves, and the fill if it is not 0.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};", self.start)?;
        for axis in &self.axes {
            match axis {
                Move::Even(step) => write!(f, " {step}")?,
                Move::Listed(places) => {
                    let places: Vec<String> = places.iter().map(i32::to_string).collect();
                    write!(f, " [{}]", places.join(","))?;
                }
            }
        }
        if self.fill.to_bits() != 0 {
            write!(f, " fill {:?}", self.fill)?;
        }
        Ok(())
    }
}

impl FromStr for Access {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (start, rest) = text.split_once(';').ok_or(())?;
        let (axes, fill) = rest.split_once("fill").unwrap_or((rest, "0"));
        let axis = |word: &str| match word.strip_prefix('[').and_then(|word| word.strip_suffix(']')) {
            Some(places) => places.split(',').map(|place| place.parse().ok()).collect::<Option<_>>().map(Move::Listed),
            None => word.parse().ok().map(Move::Even),
        };
        Ok(Self {
            start: start.parse().map_err(|_| ())?,
            axes: axes.split_whitespace().map(axis).collect::<Option<_>>().ok_or(())?,
            fill: fill.trim().parse().map_err(|_| ())?,
        })
    }
}

/// Distances of neighbours along each axis of an array without gaps.
pub fn strides(dims: &[usize]) -> Vec<usize> {
    let mut strides = vec![1_usize; dims.len()];
    let mut step = 1_usize;
    for (slot, extent) in strides.iter_mut().zip(dims).rev() {
        *slot = step;
        step = step.saturating_mul(*extent);
    }
    strides
}

/// The next position in row-major order; behind the last comes the first.
fn advance(position: &mut [usize], extents: &[usize]) {
    for (index, extent) in position.iter_mut().zip(extents).rev() {
        *index += 1;
        if *index < *extent {
            return;
        }
        *index = 0;
    }
}
