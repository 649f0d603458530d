//! Typed arrays as flat slices of values and back, without copies.

mod sealed {
    pub trait Sealed {}
}

/// A nested array of f32 values, of any number of axes; one f32 is an array of none.
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

impl sealed::Sealed for f32 {}

impl Tensor for f32 {
    const LENGTH: usize = 1;

    fn flat(&self) -> &[f32] {
        std::slice::from_ref(self)
    }

    fn flat_mut(&mut self) -> &mut [f32] {
        std::slice::from_mut(self)
    }

    fn from_flat(values: &[f32]) -> Option<&Self> {
        match values {
            [value] => Some(value),
            _ => None,
        }
    }

    fn boxed() -> Box<Self> {
        Box::new(0.0)
    }
}

impl<T: Tensor, const N: usize> sealed::Sealed for [T; N] {}

impl<T: Tensor, const N: usize> Tensor for [T; N] {
    const LENGTH: usize = N * T::LENGTH;

    fn flat(&self) -> &[f32] {
        // SAFETY: a tensor is a f32 or an array of tensors, and nobody else can implement the trait: so there are LENGTH of f32 in a row.
        unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), Self::LENGTH) }
    }

    fn flat_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr().cast(), Self::LENGTH) }
    }

    fn from_flat(values: &[f32]) -> Option<&Self> {
        // SAFETY: as above; every LENGTH of f32 in a row are such an array.
        (values.len() == Self::LENGTH).then(|| unsafe { &*values.as_ptr().cast() })
    }

    fn boxed() -> Box<Self> {
        let zeros = vec![0.0_f32; Self::LENGTH].into_boxed_slice();
        // SAFETY: as above; so both have one size and one alignment, with which the box frees what was allocated.
        unsafe { Box::from_raw(Box::into_raw(zeros).cast()) }
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
        let five = <[[[[[f32; 2]; 1]; 2]; 3]; 2]>::from_flat(&values).unwrap();
        assert_eq!((five[1][2][1][0][1], five.flat()), (23.0, &values[..]));
        assert_eq!(
            (f32::from_flat(&values[5..6]), f32::from_flat(&values), 3.0_f32.flat()),
            (Some(&5.0), None, &[3.0][..])
        );
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
