//! Medians, and how sure they are.

use super::report::Interval;
use crate::frontend::weights::seeded::splitmix64;

/// How often the bootstrap draws: its ends move by less than the last digit that is shown.
const DRAWS: usize = 4000;
/// What lies outside of the interval on either side.
const TAIL: f64 = 0.025;

/// Numbers that are as good as random, and the same in every run.
#[derive(Debug, Clone)]
pub struct Generator {
    seed: u64,
    drawn: u64,
}

impl Generator {
    /// The numbers of a seed: those of splitmix64.
    pub fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.drawn += 1;
        splitmix64(self.seed, self.drawn)
    }

    /// The next number, below another that is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        // The upper half of the product: no division, and even to one part in 2^64.
        ((u128::from(self.number()) * end as u128) >> 64) as usize
    }

    /// Puts things in another order, each equally likely.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for last in (1..things.len()).rev() {
            let other = self.below(last + 1);
            things.swap(last, other);
        }
    }
}

/// The middle of some numbers; 0 of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    quantile(&numbers, 0.5)
}

/// The value at a fraction of sorted numbers, between two neighbours in proportion; 0 of none.
pub fn quantile(sorted: &[f64], fraction: f64) -> f64 {
    let position = fraction * sorted.len().saturating_sub(1) as f64;
    let at = |position: f64| sorted.get(position as usize).copied().unwrap_or_default();
    let (below, above) = (at(position.floor()), at(position.ceil()));
    below + (above - below) * position.fract()
}

/// The median of some numbers, and the 95 % interval around it that the percentile bootstrap gives: from the median of as many drawn
/// from them, drawn again and again.
pub fn interval(numbers: &[f64]) -> Interval {
    let median = median(numbers.to_vec());
    if numbers.is_empty() {
        return Interval { median, low: median, high: median };
    }
    let mut generator = Generator::new(0);
    let mut medians: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let draw = |_| numbers.get(generator.below(numbers.len())).copied().unwrap_or_default();
            self::median((0..numbers.len()).map(draw).collect())
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    // Of a handful of numbers the ends may meet the median, but never cross it.
    let (low, high) = (quantile(&medians, TAIL).min(median), quantile(&medians, 1.0 - TAIL).max(median));
    Interval { median, low, high }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that the generator's authors publish for this seed.
    #[test]
    fn the_generator_is_splitmix64() {
        let mut generator = Generator::new(1_234_567);
        let numbers: Vec<u64> = (0..5).map(|_| generator.number()).collect();
        assert_eq!(
            numbers,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423,
                4_593_380_528_125_082_431,
                16_408_922_859_458_223_821,
            ]
        );
    }

    #[test]
    fn draws_are_even_and_orders_are_all_met() {
        let mut generator = Generator::new(7);
        let mut counts = [0_u32; 5];
        for _ in 0..50_000 {
            counts[generator.below(5)] += 1;
        }
        assert!(counts.iter().all(|count| (9_600..10_400).contains(count)), "{counts:?}");
        let mut orders = std::collections::BTreeMap::new();
        for _ in 0..6_000 {
            let mut things = [0, 1, 2];
            generator.shuffle(&mut things);
            *orders.entry(things).or_insert(0) += 1;
        }
        assert!(orders.len() == 6 && orders.values().all(|count| (850..1_150).contains(count)), "{orders:?}");
    }

    #[test]
    fn the_middle_of_numbers() {
        assert_eq!(median(vec![]), 0.0);
        assert_eq!(median(vec![3.0]), 3.0);
        assert_eq!(median(vec![3.0, 1.0]), 2.0);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.25), 1.5);
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 1.0), 4.0);
    }

    #[test]
    fn intervals_are_those_known_by_hand() {
        // The median of three drawn from three is the least with probability 7/27, and the greatest too: more than a tail.
        assert_eq!(interval(&[3.0, 1.0, 2.0]), Interval { median: 2.0, low: 1.0, high: 3.0 });
        assert_eq!(interval(&[0.5; 9]), Interval { median: 0.5, low: 0.5, high: 0.5 });
        assert_eq!(interval(&[0.7]), Interval { median: 0.7, low: 0.7, high: 0.7 });
        assert_eq!(interval(&[]), Interval { median: 0.0, low: 0.0, high: 0.0 });
        // Of 101 numbers the drawn median is at most the k-th, counted from 0, when 51 of 101 draws are, each with probability
        // (k + 1) / 101: with probability 0.017 at k = 39 and 0.028 at k = 40.
        let numbers: Vec<f64> = (0..101).map(f64::from).collect();
        let Interval { median, low, high } = interval(&numbers);
        assert_eq!(median, 50.0);
        assert!((39.0..=41.0).contains(&low) && (59.0..=61.0).contains(&high), "{low} {high}");
        assert_eq!(interval(&numbers), interval(&numbers));
    }
}
