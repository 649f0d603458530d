//! Numbers as text: digits that mean something, a dash for what is no number.

use super::scale::Linear;
use crate::bench::report::Interval;

/// Stands for what was not measured, or is no number.
pub(super) const NONE: &str = "–";

/// Between a number and its unit: no line ends there.
pub(super) const SPACE: char = '\u{a0}';

/// A number with so many decimals, and a true minus.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let text = if value.abs() < 1e9 { format!("{value:.decimals$}") } else { scientific(value) };
    let is_zero = !text.contains(|digit: char| ('1'..='9').contains(&digit));
    match text.strip_prefix('-') {
        Some(rest) if is_zero => rest.to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// A difference: [`fixed`] with its sign.
pub(super) fn signed(value: f64, decimals: usize) -> String {
    let text = fixed(value, decimals);
    if value > 0.0 && value.is_finite() && text.contains(|digit: char| ('1'..='9').contains(&digit)) {
        format!("+{text}")
    } else {
        text
    }
}

/// The decimals with which a column shows at least three digits of its largest number.
pub(super) fn decimals(largest: f64) -> usize {
    match largest.abs() {
        size if size >= 1000.0 => 0,
        size if size >= 100.0 => 1,
        size if size >= 10.0 => 2,
        _ => 3,
    }
}

/// Two digits and a power of ten: `3.1e-7`, and `0` for nothing.
pub(super) fn scientific(value: f64) -> String {
    match value {
        value if !value.is_finite() => NONE.to_owned(),
        0.0 => "0".to_owned(),
        value => format!("{value:.1e}"),
    }
}

/// Three digits: `0.0721`, `7.21`, `721`.
pub(super) fn digits(value: f64) -> String {
    let size = value.abs();
    if !size.is_finite() || size >= 1e6 || (size < 1e-3 && size > 0.0) {
        return scientific(value);
    }
    let before = if size > 0.0 { size.log10().floor() as i32 } else { 0 };
    fixed(value, (2 - before).max(0) as usize)
}

/// `0.912 (0.905–0.921)`.
pub(super) fn interval(interval: &Interval) -> String {
    format!("{} {}", fixed(interval.median, 3), ends(interval))
}

/// `(0.905–0.921)`, or that there is none.
pub(super) fn ends(interval: &Interval) -> String {
    if !interval.low.is_finite() || !interval.high.is_finite() {
        return "(no interval)".to_owned();
    }
    format!("({}–{})", fixed(interval.low, 3), fixed(interval.high, 3))
}

/// The labels of a scale's ticks: the last with its unit.
pub(super) fn ticks(scale: &Linear, unit: &str) -> Vec<String> {
    let last = scale.ticks.len().saturating_sub(1);
    let label = |(place, tick): (usize, &f64)| {
        let number = if scale.decimals > 6 { scientific(*tick) } else { fixed(*tick, scale.decimals) };
        if place == last { format!("{number}{SPACE}{unit}") } else { number }
    };
    scale.ticks.iter().enumerate().map(label).collect()
}

/// A count with its word: `1 thread`, `2 threads`.
pub(super) fn count(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// The unit that a column of bytes is told in, by its largest, and how many bytes that is.
pub(super) fn unit(largest: f64) -> (&'static str, f64) {
    match largest {
        bytes if bytes >= (1_u64 << 30) as f64 => ("GiB", (1_u64 << 30) as f64),
        bytes if bytes >= (1_u64 << 20) as f64 => ("MiB", (1_u64 << 20) as f64),
        bytes if bytes >= 1024.0 => ("KiB", 1024.0),
        _ => ("bytes", 1.0),
    }
}

/// A quotient, `NAN` where there is none.
pub(super) fn ratio(value: f64, by: f64) -> f64 {
    if by == 0.0 { f64::NAN } else { value / by }
}

/// Seconds since 1970 as a day and a time: `2026-02-28 13:05`.
pub(super) fn date(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March have their leap day at the end; 400 of them are always as many days.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = (era * 400 + year + u64::from(month >= 10), if month < 10 { month + 3 } else { month - 9 });
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", rest / 3600, rest / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_digits_and_signs() {
        assert_eq!(fixed(-0.0004, 3), "0.000");
        assert_eq!([fixed(-1.5, 1), signed(1.5, 1), signed(0.01, 1)], ["−1.5", "+1.5", "0.0"]);
        assert_eq!([fixed(f64::NAN, 2), signed(f64::INFINITY, 2), scientific(f64::NAN)], [NONE; 3]);
        assert_eq!(fixed(1e300, 3), "1.0e300");
        assert_eq!([digits(0.07214), digits(7.214), digits(721.4), digits(0.0)], ["0.0721", "7.21", "721", "0.00"]);
        assert_eq!([scientific(3.14e-7), scientific(0.0)], ["3.1e-7", "0"]);
        let interval = super::interval(&Interval { median: 0.912, low: 0.905, high: 0.921 });
        assert_eq!(interval, "0.912 (0.905–0.921)");
        assert_eq!([count(1, "thread"), count(0, "thread")], ["1 thread", "0 threads"]);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00");
        assert_eq!(date(951_782_399), "2000-02-28 23:59");
        assert_eq!(date(951_782_400), "2000-02-29 00:00");
        assert_eq!(date(1_772_283_900), "2026-02-28 13:05");
        assert_eq!(date(4_107_542_400), "2100-03-01 00:00");
        assert!(!date(u64::MAX).is_empty());
    }
}
