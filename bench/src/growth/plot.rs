//! Draws curves on logarithmic axes as SVG. The picture has a light background of its own, so that it can
//! be read on a dark page.

use crate::figures::{grouped, push};

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 380.0;
/// Around the axes of a panel.
const LEFT: f64 = 64.0;
const RIGHT: f64 = 36.0;
const TOP: f64 = 44.0;
const BOTTOM: f64 = 56.0;
/// How wide its legend is.
const LEGEND: f64 = 250.0;
const BACKGROUND: &str = "#fcfcf9";
/// Colours that can be told apart without colour vision, by their lightness.
const COLOURS: [&str; 4] = ["#0b3c5d", "#d1495b", "#2e8b57", "#b8860b"];
/// And without any colour.
const DASHES: [&str; 4] = ["none", "7 3", "2 3", "9 3 2 3"];

/// Curves on one pair of axes.
pub(crate) struct Panel {
    /// What its curves show, and in which unit.
    pub(crate) title: &'static str,
    /// The curves.
    pub(crate) curves: Vec<Curve>,
}

/// Points that are joined.
pub(crate) struct Curve {
    /// Its name in the legend.
    pub(crate) name: String,
    /// Recipients, and what they cost. What is not above 0 has no place here, and is left out.
    pub(crate) points: Vec<(f64, f64)>,
}

/// A logarithmic axis: powers of ten, from one to another.
#[derive(Clone, Copy)]
struct Axis {
    from: i32,
    to: i32,
    /// Where on the picture the first one is, and the last.
    begin: f64,
    end: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, begin: f64, end: f64) -> Self {
        let least = values.clone().fold(f64::INFINITY, f64::min);
        let most = values.fold(f64::NEG_INFINITY, f64::max);
        let (from, to) = if least.is_finite() {
            (power(least.log10().floor()), power(most.log10().ceil()))
        } else {
            (0, 1)
        };
        Self {
            from,
            to: to.max(from + 1),
            begin,
            end,
        }
    }

    fn place(self, value: f64) -> f64 {
        let part = (value.log10() - f64::from(self.from)) / f64::from(self.to - self.from);
        self.begin + part * (self.end - self.begin)
    }

    fn powers(self) -> impl Iterator<Item = (i32, f64)> {
        (self.from..=self.to).map(move |power| (power, self.place(10_f64.powi(power))))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a power of ten of a finite number is small, and rounded already"
)]
fn power(rounded: f64) -> i32 {
    rounded as i32
}

/// The panels, side by side.
pub(crate) fn svg(panels: &[Panel]) -> String {
    let count = u32::try_from(panels.len()).unwrap_or(u32::MAX);
    let width = WIDTH * f64::from(count);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" width=\"{width}\" height=\"{HEIGHT}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"#222\">\n\
         <rect width=\"{width}\" height=\"{HEIGHT}\" rx=\"8\" fill=\"{BACKGROUND}\" stroke=\"#ccc\"/>\n"
    );
    for (at, panel) in (0_u32..).zip(panels) {
        draw(&mut svg, panel, WIDTH * f64::from(at));
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, panel: &Panel, left: f64) {
    let drawn = |(_, cost): &(f64, f64)| *cost > 0.0;
    let points = || panel.curves.iter().flat_map(|curve| &curve.points);
    let points = || points().copied().filter(drawn);
    let (begin, end) = (left + LEFT, left + WIDTH - RIGHT);
    let (bottom, top) = (HEIGHT - BOTTOM, TOP);
    let x = Axis::over(points().map(|(x, _)| x), begin, end);
    let y = Axis::over(points().map(|(_, y)| y), bottom, top);

    text(svg, left + WIDTH / 2.0, 24.0, "middle", panel.title);
    for (power, at) in x.powers() {
        line(svg, (at, bottom), (at, top));
        text(svg, at, bottom + 18.0, "middle", &number(power));
    }
    for (power, at) in y.powers() {
        line(svg, (begin, at), (end, at));
        text(svg, begin - 6.0, at + 4.0, "end", &number(power));
    }
    let middle = f64::midpoint(begin, end);
    text(svg, middle, HEIGHT - 14.0, "middle", "recipients");
    let styles = COLOURS.iter().zip(DASHES).cycle();
    for (at, (curve, (colour, dashes))) in (0_u32..).zip(panel.curves.iter().zip(styles)) {
        let stroke = format!(
            "fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\""
        );
        svg.push_str("<polyline points=\"");
        let drawn: Vec<(f64, f64)> = curve.points.iter().copied().filter(drawn).collect();
        for (recipients, cost) in &drawn {
            push(
                svg,
                format_args!("{:.1},{:.1} ", x.place(*recipients), y.place(*cost)),
            );
        }
        push(svg, format_args!("\" {stroke}/>\n"));
        for (recipients, cost) in &drawn {
            let (x, y) = (x.place(*recipients), y.place(*cost));
            push(
                svg,
                format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>\n"),
            );
        }
        // The legend, where curves that rise are not.
        let row = top + 16.0 + 18.0 * f64::from(at);
        push(
            svg,
            format_args!(
                "<rect x=\"{}\" y=\"{}\" width=\"{LEGEND}\" height=\"18\" fill=\"{BACKGROUND}\"/>\n",
                begin + 6.0,
                row - 9.0
            ),
        );
        let (from, to) = (begin + 10.0, begin + 42.0);
        push(
            svg,
            format_args!("<path d=\"M{from} {row}H{to}\" {stroke}/>\n"),
        );
        text(svg, to + 6.0, row + 4.0, "start", &curve.name);
    }
}

fn line(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    push(
        svg,
        format_args!("<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"#ddd\"/>\n"),
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    push(
        svg,
        format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>\n"),
    );
}

/// A power of ten, written out.
fn number(power: i32) -> String {
    let value = 10_f64.powi(power);
    if power < 0 {
        let places = usize::try_from(-power).unwrap_or_default();
        return format!("{value:.places$}");
    }
    grouped(10_u64.pow(power.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(points: Vec<(f64, f64)>) -> Panel {
        let name = "CPU".to_owned();
        Panel {
            title: "milliseconds",
            curves: vec![Curve { name, points }],
        }
    }

    #[test]
    fn axes_begin_and_end_at_powers_of_ten() {
        let axis = Axis::over([0.4, 1_500.0].into_iter(), 100.0, 500.0);
        assert_eq!((axis.from, axis.to), (-1, 4));
        assert!((axis.place(0.1) - 100.0).abs() < 1e-9);
        assert!((axis.place(10_000.0) - 500.0).abs() < 1e-9);
        let one = Axis::over([10.0].into_iter(), 0.0, 1.0);
        assert_eq!((one.from, one.to), (1, 2));
        assert_eq!(number(-1), "0.1");
        assert_eq!(number(2), "100");
        assert_eq!(number(6), "1,000,000");
    }

    #[test]
    fn every_point_is_on_the_picture_and_what_has_no_logarithm_is_not() {
        let svg = svg(&[
            panel(vec![(1.0, 0.5), (10.0, 0.0), (100.0, 4.0)]),
            panel(vec![]),
        ]);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("recipients").count(), 2);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n"));
    }
}
