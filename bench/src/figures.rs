//! Numbers to calculate with, and numbers as text.

use std::fmt::Write as _;

/// Seconds in microseconds, which the product's pace and the simulation count in.
pub(crate) fn micros(secs: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a time to come, of hours at most"
    )]
    let micros = (secs.max(0.0) * 1e6).round() as u64;
    micros
}

/// A count as a number to calculate with.
pub(crate) fn float(count: usize) -> f64 {
    wide(count as u64)
}

/// The same for a count of 64 bits.
#[expect(clippy::cast_precision_loss, reason = "counts here are below 2^53")]
pub(crate) const fn wide(count: u64) -> f64 {
    count as f64
}

/// The median; 0 of nothing.
pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// Appends to a text.
pub(crate) fn push(text: &mut String, more: std::fmt::Arguments<'_>) {
    text.write_fmt(more).expect("a string takes everything");
}

/// With three significant digits, and commas between thousands.
pub(crate) fn significant(value: f64) -> String {
    let size = value.abs();
    if size >= 999.5 {
        return grouped(micros(value / 1e6));
    }
    if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 1.0 {
        format!("{value:.2}")
    } else if size >= 0.1 {
        format!("{value:.3}")
    } else if size >= 0.000_1 {
        format!("{value:.4}")
    } else {
        format!("{value:.6}")
    }
}

/// With commas between thousands.
pub(crate) fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
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
    fn a_figure_has_three_significant_digits() {
        for (value, text) in [
            (1_234_567.0, "1,234,567"),
            (999.7, "1,000"),
            (123.4, "123"),
            (12.34, "12.3"),
            (1.234, "1.23"),
            (0.1234, "0.123"),
            (0.01234, "0.0123"),
            (0.000_012_34, "0.000012"),
        ] {
            assert_eq!(significant(value), text);
        }
    }

    #[test]
    fn the_median_of_nothing_is_nothing() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!(median(Vec::new()).abs() < 1e-9);
    }
}
