//! Loop nests over arrays: what no kernel of maps does. Written for any shape, not for speed.

use std::marker::PhantomData;

use super::{Arguments, Kernel};
use crate::geometry::{Access, Move, NestGeometry, Operand};
use crate::isa::Isa;
use crate::program::Layer;

/// The loop nest of a layer.
pub(crate) struct Nest<L>(PhantomData<L>);

/// A place in an array, or none.
#[derive(Clone, Copy)]
struct Place {
    at: isize,
    inside: bool,
}

impl Place {
    /// Where no axis has moved it.
    #[inline(always)]
    const fn of(access: &Access) -> Self {
        Self { at: access.start as isize, inside: true }
    }

    #[inline(always)]
    fn moved(self, by: Move, position: usize) -> Self {
        match by {
            Move::Even(step) => Self { at: self.at + step * position as isize, ..self },
            Move::Listed(places) => {
                let place = places[position];
                Self { at: self.at + place.max(0) as isize, inside: self.inside && place >= 0 }
            }
        }
    }

    /// At a position of several axes, which are counted as one.
    #[inline(always)]
    fn moved_along(self, axes: &[Move], extents: &[usize], mut position: usize) -> Self {
        let mut place = self;
        for (by, extent) in axes.iter().zip(extents).rev() {
            place = place.moved(*by, position % extent);
            position /= extent;
        }
        place
    }
}

/// An operand: its values and how they are read.
#[derive(Clone, Copy)]
struct Source {
    values: *const f32,
    access: Access,
}

impl Source {
    /// # Safety
    /// The place, where there is one, lies in the array.
    #[inline(always)]
    unsafe fn read(&self, place: Place) -> f64 {
        // SAFETY: the caller vouches for the place.
        f64::from(if place.inside { unsafe { self.values.offset(place.at).read() } } else { self.access.fill })
    }
}

impl<L: Layer<NestGeometry>> Kernel for Nest<L> {
    #[inline(always)]
    unsafe fn run<I: Isa>(arguments: &Arguments) {
        let geometry = const { L::GEOMETRY };
        let (of_a, of_b) = match geometry.constant {
            None => (arguments.input, arguments.other),
            Some(Operand::A) => (arguments.weights, arguments.input),
            Some(Operand::B) => (arguments.input, arguments.weights),
        };
        let a = Source { values: of_a, access: geometry.a };
        let b = Source { values: of_b, access: const { second(&L::GEOMETRY) } };
        // The last axis of the output is the inner loop: rows of a scalar are one of one.
        let (outer, last) = const {
            match L::GEOMETRY.output.split_last() {
                Some((last, outer)) => (outer, *last),
                None => (&[] as &[usize], 1),
            }
        };
        let rank = const { L::GEOMETRY.output.len() };
        let rows = outer.iter().product::<usize>();
        let inner = |access: &Access| if rank == 0 { Move::Even(0) } else { access.axes[rank - 1] };
        let (a_inner, b_inner) = (inner(&a.access), inner(&b.access));
        let before = rank.saturating_sub(1);
        for row in arguments.share.units(rows) {
            let of_row =
                |source: &Source| Place::of(&source.access).moved_along(&source.access.axes[..before], outer, row);
            let (a_row, b_row) = (of_row(&a), of_row(&b));
            for x in 0..last {
                let (a_place, b_place) = (a_row.moved(a_inner, x), b_row.moved(b_inner, x));
                // SAFETY: the geometry was checked: whatever the positions, the places lie in the arrays, and the caller vouches for
                // the memory that it describes.
                unsafe {
                    let value = if const { L::GEOMETRY.reduced.is_empty() } {
                        pair::<L>(&a, a_place, &b, b_place)
                    } else {
                        folded::<L>(&a, a_place, &b, b_place)
                    };
                    arguments.output.add(row * last + x).write(geometry.finish.apply(value) as f32);
                }
            }
        }
    }
}

/// What both operands make at their places.
///
/// # Safety
/// The places lie in the arrays.
#[inline(always)]
unsafe fn pair<L: Layer<NestGeometry>>(a: &Source, a_place: Place, b: &Source, b_place: Place) -> f64 {
    // SAFETY: the caller vouches for the places.
    unsafe {
        let value = a.read(a_place);
        if const { L::GEOMETRY.b.is_some() } { L::GEOMETRY.combine.apply(value, b.read(b_place)) } else { value }
    }
}

/// What is made of all that is reduced.
///
/// # Safety
/// The places lie in the arrays, wherever the reduced axes move them.
#[inline(always)]
unsafe fn folded<L: Layer<NestGeometry>>(a: &Source, a_place: Place, b: &Source, b_place: Place) -> f64 {
    let geometry = const { L::GEOMETRY };
    let (outer, last) = const {
        match L::GEOMETRY.reduced.split_last() {
            Some((last, outer)) => (outer, *last),
            None => (&[] as &[usize], 1),
        }
    };
    let rank = const { L::GEOMETRY.output.len() };
    let runs = outer.iter().product::<usize>();
    let (a_axes, b_axes) = (&a.access.axes[rank..], &b.access.axes[rank..]);
    let (a_inner, b_inner) = (a_axes[outer.len()], b_axes[outer.len()]);
    let (mut so_far, mut chosen) = (geometry.fold.start(), 0);
    for run in 0..runs {
        let a_run = a_place.moved_along(&a_axes[..outer.len()], outer, run);
        let b_run = b_place.moved_along(&b_axes[..outer.len()], outer, run);
        for index in 0..last {
            // SAFETY: the caller vouches for the places.
            let value = unsafe { pair::<L>(a, a_run.moved(a_inner, index), b, b_run.moved(b_inner, index)) };
            if const { L::GEOMETRY.fold.tells_place() } {
                if geometry.fold.replaces(so_far, value) {
                    (so_far, chosen) = (value, run * last + index);
                }
            } else {
                so_far = geometry.fold.next(so_far, value);
            }
        }
    }
    if const { L::GEOMETRY.fold.tells_place() } { chosen as f64 } else { so_far }
}

/// How the second operand is read; where there is none, that is of no meaning.
const fn second(geometry: &NestGeometry) -> Access {
    match geometry.b {
        Some(b) => b,
        None => geometry.a,
    }
}
