//! Typed arrays as flat slices of values and back, without copies.

use crate::engine::zeroed_box;

mod sealed {
    pub trait Sealed {}
}

/// A nested array of f32 values, of one to four axes.
pub trait Tensor: sealed::Sealed + Sized {
    /// Number of values.
    const LENGTH: usize;

    /// Its values, the last axis fastest.
    fn flat(&self) -> &[f32];

    /// Its values, the last axis fastest.
    fn flat_mut(&mut self) -> &mut [f32];

    /// Values as an array, when there are as many as it holds.
    fn from_flat(values: &[f32]) -> Option<&Self>;

    /// An array of zeros on the heap, which was never on the stack.
    fn boxed() -> Box<Self>;
}

macro_rules! tensor {
    ([$($axis:ident),*], $type:ty, $self:ident => $flat:expr, $flat_mut:expr, $values:ident => $from:expr) => {
        impl<$(const $axis: usize),*> sealed::Sealed for $type {}

        impl<$(const $axis: usize),*> Tensor for $type {
            const LENGTH: usize = 1 $(* $axis)*;

            fn flat(&$self) -> &[f32] {
                $flat
            }

            fn flat_mut(&mut $self) -> &mut [f32] {
                $flat_mut
            }

            fn from_flat($values: &[f32]) -> Option<&Self> {
                $from
            }

            fn boxed() -> Box<Self> {
                zeroed_box::<Self>()
            }
        }
    };
}

tensor!([A], [f32; A], self => self, self, values => values.try_into().ok());
tensor!([A, B], [[f32; B]; A], self => self.as_flattened(), self.as_flattened_mut(), values => rows::<_, B>(values)?.try_into().ok());
tensor!(
    [A, B, C], [[[f32; C]; B]; A],
    self => self.as_flattened().as_flattened(), self.as_flattened_mut().as_flattened_mut(),
    values => rows::<_, B>(rows::<_, C>(values)?)?.try_into().ok()
);
tensor!(
    [A, B, C, D], [[[[f32; D]; C]; B]; A],
    self => self.as_flattened().as_flattened().as_flattened(),
    self.as_flattened_mut().as_flattened_mut().as_flattened_mut(),
    values => rows::<_, B>(rows::<_, C>(rows::<_, D>(values)?)?)?.try_into().ok()
);

/// The rows of `N` elements each that the elements make without rest.
fn rows<T, const N: usize>(elements: &[T]) -> Option<&[[T; N]]> {
    match elements.as_chunks::<N>() {
        (rows, []) => Some(rows),
        (_, [_, ..]) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_flattened_and_rebuilt() {
        let values: Vec<f32> = (0..24).map(|value| value as f32).collect();
        let cube = <[[[f32; 4]; 3]; 2]>::from_flat(&values).unwrap();
        assert_eq!(cube[1][2][3], 23.0);
        assert_eq!(cube.flat(), values);
        let four = <[[[[f32; 2]; 2]; 3]; 2]>::from_flat(&values).unwrap();
        assert_eq!((four[1][0][1][1], four.flat()), (15.0, &values[..]));
        assert_eq!(<[[f32; 4]; 6]>::from_flat(&values).unwrap()[5], [20.0, 21.0, 22.0, 23.0]);
        assert_eq!(<[f32; 24]>::from_flat(&values).unwrap()[7], 7.0);
    }

    #[test]
    fn wrong_lengths_are_refused() {
        let values = [0.0; 23];
        assert!(<[f32; 24]>::from_flat(&values).is_none());
        assert!(<[[f32; 4]; 6]>::from_flat(&values).is_none());
        assert!(<[[[f32; 4]; 3]; 2]>::from_flat(&values[..20]).is_none());
    }

    #[test]
    fn boxes_larger_than_the_stack() {
        let mut image = <[[[[f32; 1024]; 1024]; 16]; 1]>::boxed();
        image[0][15][1023][1023] = 1.0;
        assert_eq!(image.flat().iter().sum::<f32>(), 1.0);
        assert_eq!(image.flat().len(), <[[[[f32; 1024]; 1024]; 16]; 1]>::LENGTH);
        image.flat_mut()[0] = 2.0;
        assert_eq!(image[0][0][0][0], 2.0);
    }
}
