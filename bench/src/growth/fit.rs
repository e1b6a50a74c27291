//! A straight line through measured points.

/// `constant + per_recipient × recipients`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    /// What is paid for none.
    pub(crate) constant: f64,
    /// What each adds.
    pub(crate) per_recipient: f64,
}

impl Line {
    /// The line from which the points are off least, each in proportion to itself: the small ones
    /// count as much as the large ones. `None` through fewer than two, or with one that is not
    /// above 0.
    pub(crate) fn through(points: &[(f64, f64)]) -> Option<Self> {
        if points.len() < 2 || points.iter().any(|(_, y)| *y <= 0.0) {
            return None;
        }
        let (mut ones, mut xs, mut ys, mut squares, mut products) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (x, y) in points {
            let weight = 1.0 / (y * y);
            ones += weight;
            xs += weight * x;
            ys += weight * y;
            squares += weight * x * x;
            products += weight * x * y;
        }
        let determinant = ones * squares - xs * xs;
        let line = Self {
            constant: (ys * squares - xs * products) / determinant,
            per_recipient: (ones * products - xs * ys) / determinant,
        };
        (determinant > 0.0).then_some(line)
    }

    /// What it says for so many.
    pub(crate) fn at(self, recipients: f64) -> f64 {
        self.constant + self.per_recipient * recipients
    }

    /// How far the point is off that is off farthest, as a part of itself, and which that is.
    pub(crate) fn largest_deviation(self, points: &[(f64, f64)]) -> Option<(f64, (f64, f64))> {
        let deviation = |&(x, y): &(f64, f64)| ((y - self.at(x)).abs() / y, (x, y));
        let deviations = points.iter().map(deviation);
        deviations.max_by(|(one, _), (other, _)| one.total_cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPIENTS: [f64; 6] = [1.0, 10.0, 100.0, 1e3, 1e4, 1e5];

    fn points(cost: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        RECIPIENTS.iter().map(|x| (*x, cost(*x))).collect()
    }

    #[test]
    fn a_line_is_found_again() {
        let points = points(|x| 0.25 + 0.02 * x);
        let line = Line::through(&points).expect("a line");
        assert!((line.constant - 0.25).abs() < 1e-9, "{line:?}");
        assert!((line.per_recipient - 0.02).abs() < 1e-9, "{line:?}");
        let (deviation, _) = line.largest_deviation(&points).expect("points");
        assert!(deviation < 1e-9, "{deviation}");
    }

    #[test]
    fn what_is_no_line_is_off_it() {
        let points = points(|x| 0.25 + 0.000_1 * x * x);
        let line = Line::through(&points).expect("a line");
        let (deviation, _) = line.largest_deviation(&points).expect("points");
        assert!(deviation > 0.5, "{line:?} {deviation}");
    }

    #[test]
    fn there_is_no_line_through_one_point_or_through_nothing() {
        assert_eq!(Line::through(&[(1.0, 1.0)]), None);
        assert_eq!(Line::through(&[(1.0, 1.0), (2.0, 0.0)]), None);
    }
}
