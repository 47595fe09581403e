//! [`Figures`]: what a run has measured, by name, and what is made of several runs.

use std::{collections::BTreeMap, time::Duration};

/// Numbers by name; the unit is the end of the name.
pub type Figures = BTreeMap<&'static str, f64>;

/// The median of every figure; of an even number of runs the mean of the two in the middle.
pub fn medians(runs: &[Figures]) -> Figures {
    let mut by_name: BTreeMap<&'static str, Vec<f64>> = BTreeMap::new();
    for run in runs {
        for (name, value) in run {
            by_name.entry(name).or_default().push(*value);
        }
    }
    by_name.into_iter().map(|(name, values)| (name, median(values))).collect()
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        len if len % 2 == 1 => values[len / 2],
        len => f64::midpoint(values[len / 2 - 1], values[len / 2]),
    }
}

/// The smallest value that at least `percent` of all values do not exceed; zero of none.
pub fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// With as many digits as mean something.
pub fn text(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if 100.0 <= size => grouped(value.round()),
        size if 10.0 <= size => format!("{value:.1}"),
        size if 1.0 <= size => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// A whole number, its digits in groups of three.
pub fn grouped(whole: f64) -> String {
    let digits = format!("{:.0}", whole.abs());
    let mut text = if whole < 0.0 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values: Vec<Duration> = (1..=100).map(Duration::from_micros).collect();
        assert_eq!(percentile(&values, 50), Duration::from_micros(50));
        assert_eq!(percentile(&values, 99), Duration::from_micros(99));
        assert_eq!(percentile(&values[..1], 99), Duration::from_micros(1));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn medians_are_taken_figure_by_figure() {
        let run = |a: f64, b: f64| Figures::from([("a", a), ("b", b)]);
        let medians = medians(&[run(3.0, 1.0), run(1.0, 9.0), run(2.0, 5.0)]);
        assert_eq!(medians, run(2.0, 5.0));
        assert_eq!(median(vec![1.0, 2.0]), 1.5);
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, 0.0314, 1.5, 12.34, 123.4, 1_234_567.0].map(text);
        assert_eq!(texts, ["0", "0.031", "1.50", "12.3", "123", "1,234,567"]);
        assert_eq!([1.0, 1_000.0, -12_345.0].map(grouped), ["1", "1,000", "-12,345"]);
    }
}
