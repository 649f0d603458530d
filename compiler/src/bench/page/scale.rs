//! Scales of plots: where values lie, and where ticks are worth a line.

/// Values beyond are no measurement, and would overflow.
const LARGEST: f64 = 1e30;

/// From the lowest value, or 0, to the highest, or 0.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Linear {
    low: f64,
    high: f64,
    /// The values with a line: multiples of 1, 2 or 5 times a power of ten.
    pub ticks: Vec<f64>,
    /// How many decimals they have.
    pub decimals: usize,
}

impl Linear {
    /// A scale for values, with 0, at most so many ticks beside it, and a little room beyond.
    pub fn covering(values: impl IntoIterator<Item = f64>, most: usize) -> Self {
        let finite = values.into_iter().filter(|value| value.abs() < LARGEST);
        let (low, high) = finite.fold((0.0, 0.0), |(low, high): (f64, f64), value| (low.min(value), high.max(value)));
        let (low, high) = if high - low > 1.0 / LARGEST { (low, high) } else { (0.0, 1.0) };
        let least = (high - low) / most.max(1) as f64;
        let power = 10_f64.powf(least.log10().floor());
        let step = [1.0, 2.0, 5.0].map(|times| times * power).into_iter().find(|step| *step >= least * 0.999);
        let step = step.unwrap_or(10.0 * power);
        let ticks =
            ((low / step).ceil() as i64..=(high / step).floor() as i64).map(|tick| tick as f64 * step).collect();
        let room = (high - low) * 0.03;
        let low = if low < 0.0 { low - room } else { low };
        Self { low, high: high + room, ticks, decimals: (-step.log10().floor()).clamp(0.0, 9.0) as usize }
    }

    /// Where a value lies, in percent; what is beyond an end lies there, and what is no number at 0.
    pub fn percent(&self, value: f64) -> f64 {
        let value = if value.is_finite() { value } else { 0.0 };
        ((value - self.low) / (self.high - self.low) * 100.0).clamp(0.0, 100.0)
    }
}

/// A logarithmic scale.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Logarithmic {
    low: f64,
    high: f64,
}

impl Logarithmic {
    /// A scale for the values of these that have a logarithm, with room around them; one decade where there are none.
    pub fn covering(values: impl IntoIterator<Item = f64>) -> Self {
        let logarithms = values.into_iter().filter(|value| has_logarithm(*value)).map(f64::log10);
        let ends = logarithms.fold(None, |ends, value| match ends {
            None => Some((value, value)),
            Some((low, high)) => Some((value.min(low), value.max(high))),
        });
        let (low, high) = ends.unwrap_or((0.0, 1.0));
        let room = ((high - low) * 0.06).max(0.15);
        Self { low: low - room, high: high + room }
    }

    /// From 0 to 1; `None` for what has no logarithm.
    pub fn part(&self, value: f64) -> Option<f64> {
        has_logarithm(value).then(|| (value.log10() - self.low) / self.decades())
    }

    /// How many decades it covers.
    pub fn decades(&self) -> f64 {
        self.high - self.low
    }

    /// Its ends.
    pub fn ends(&self) -> [f64; 2] {
        [self.low, self.high].map(|end| 10_f64.powf(end))
    }

    /// The values with a line, and whether each has a label: powers of ten, and 2 and 5 times those where there are few; where
    /// there are many, some of them.
    pub fn ticks(&self) -> Vec<(f64, bool)> {
        let every = ((self.decades() / 8.0).ceil() as i32).max(1);
        let mut ticks = Vec::new();
        for decade in self.low.floor() as i32..=self.high.ceil() as i32 {
            for times in [1.0, 2.0, 5.0] {
                let is_labelled = self.decades() < 2.6 || (times == 1.0 && decade % every == 0);
                let tick = times * 10_f64.powi(decade);
                if (self.decades() < 8.0 || is_labelled) && (self.low..=self.high).contains(&tick.log10()) {
                    ticks.push((tick, is_labelled));
                }
            }
        }
        ticks
    }
}

fn has_logarithm(value: f64) -> bool {
    value > 1.0 / LARGEST && value < LARGEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let scale = Linear::covering([3.0, 41.4], 5);
        assert_eq!((scale.ticks.as_slice(), scale.decimals), (&[0.0, 10.0, 20.0, 30.0, 40.0][..], 0));
        assert!(scale.percent(0.0) == 0.0 && scale.percent(41.4) < 100.0);
        let scale = Linear::covering([-0.02, 0.11], 6);
        assert_eq!((scale.ticks.len(), scale.decimals), (3, 2));
        assert!(scale.percent(-0.02) > 0.0);
    }

    #[test]
    fn no_values_and_wild_ones_make_a_scale() {
        for values in [&[][..], &[f64::NAN, f64::INFINITY], &[0.0], &[1e300, -1e300], &[1e-300]] {
            let scale = Linear::covering(values.iter().copied(), 5);
            assert!((2..9).contains(&scale.ticks.len()), "{values:?}: {scale:?}");
            for value in [f64::NAN, f64::NEG_INFINITY, 1e300, 0.5] {
                assert!((0.0..=100.0).contains(&scale.percent(value)));
            }
            let scale = Logarithmic::covering(values.iter().copied());
            assert!(scale.decades() > 0.0 && scale.part(0.0).is_none() && scale.part(f64::NAN).is_none());
        }
        assert!(Logarithmic::covering([1e-29, 1e29]).ticks().len() < 30);
    }

    #[test]
    fn short_scales_label_twos_and_fives() {
        let labelled = |values: [f64; 2]| -> Vec<f64> {
            Logarithmic::covering(values).ticks().into_iter().filter(|tick| tick.1).map(|tick| tick.0).collect()
        };
        assert_eq!(labelled([10.0, 100.0]), [10.0, 20.0, 50.0, 100.0]);
        assert_eq!(labelled([0.1, 1000.0]), [0.1, 1.0, 10.0, 100.0, 1000.0]);
    }
}
