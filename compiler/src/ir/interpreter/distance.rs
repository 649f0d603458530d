//! How far results are apart.

/// How far one tensor is from another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distance {
    /// The largest difference.
    pub difference: f64,
    /// The largest magnitude expected.
    pub magnitude: f64,
}

impl Distance {
    /// NaN anywhere makes it infinite.
    pub fn between(got: impl IntoIterator<Item = f64>, expected: impl IntoIterator<Item = f64>) -> Self {
        let mut distance = Self { difference: 0.0, magnitude: 0.0 };
        for (got, expected) in got.into_iter().zip(expected) {
            let difference = (got - expected).abs();
            distance.difference = distance.difference.max(if difference.is_nan() { f64::INFINITY } else { difference });
            distance.magnitude = distance.magnitude.max(expected.abs());
        }
        distance
    }

    /// The difference as a part of the magnitude; 0 when there is no difference.
    pub fn relative(self) -> f64 {
        if self.difference == 0.0 { 0.0 } else { self.difference / self.magnitude }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_the_largest_difference_over_the_largest_magnitude() {
        let distance = Distance::between([1.0, -4.0, 2.0], [1.0, -4.5, 2.25]);
        assert_eq!(distance, Distance { difference: 0.5, magnitude: 4.5 });
        assert_eq!(Distance::between([f64::NAN], [1.0]).relative(), f64::INFINITY);
        assert_eq!(Distance::between([0.0], [0.0]).relative(), 0.0);
        assert_eq!(Distance::between([1.0], [0.0]).relative(), f64::INFINITY);
    }
}
