//! A curve as a picture: one panel for each figure, both axes logarithmic, every point with its value. No more than
//! what a page of documentation needs.

use std::fmt::Write as _;

use super::{
    curves::Curve,
    figures::{grouped, text},
};

const WIDTH: f64 = 640.0;
const PANEL_HEIGHT: f64 = 190.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 60.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 34.0;
/// Of what a curve has measured, that many figures are drawn.
const PANELS: usize = 2;

/// An SVG that can be read on a light and on a dark page.
pub fn svg(curve: &Curve) -> String {
    let figures = &curve.axis.figures()[..PANELS];
    let height = PANEL_HEIGHT * figures.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    );
    for (index, figure) in figures.iter().enumerate() {
        panel(&mut svg, curve, figure, PANEL_HEIGHT * index as f64);
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, curve: &Curve, figure: &str, top: f64) {
    let points: Vec<(f64, f64)> =
        curve.points.iter().filter_map(|(at, figures)| Some((*at as f64, *figures.get(figure)?))).collect();
    let x = scale(points.iter().map(|(x, _)| *x), 0.0, (LEFT, WIDTH - RIGHT));
    // A page's coordinates grow downwards. What hardly changes is to look like it.
    let y = scale(points.iter().map(|(_, y)| *y), 1.0, (top + PANEL_HEIGHT - BOTTOM, top + TOP));
    let places: Vec<(f64, f64)> = points.iter().map(|(at, value)| (x(*at), y(*value))).collect();
    let floor = top + PANEL_HEIGHT - BOTTOM;
    let line: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    let mut add = |text: std::fmt::Arguments<'_>| writeln!(svg, "{text}").expect("a string takes every text");
    add(format_args!("<text x=\"{LEFT}\" y=\"{:.1}\" fill=\"#333333\">{figure}</text>", top + 18.0));
    add(format_args!(
        "<line x1=\"{LEFT}\" y1=\"{0:.1}\" x2=\"{1}\" y2=\"{0:.1}\" stroke=\"#cccccc\"/>",
        floor + 8.0,
        WIDTH - RIGHT
    ));
    add(format_args!(
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#2266aa\" stroke-width=\"2\"/>",
        line.join(" ")
    ));
    for ((at, value), (x, y)) in points.iter().zip(&places) {
        add(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"#2266aa\"/>"));
        add(format_args!(
            "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"#2266aa\" text-anchor=\"middle\">{}</text>",
            y - 7.0,
            text(*value)
        ));
        add(format_args!(
            "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"#666666\" text-anchor=\"middle\">{}</text>",
            floor + 24.0,
            grouped(*at)
        ));
    }
}

/// Logarithmic, over at least so many powers of ten: from the smallest value at one end to the greatest at the other.
fn scale(values: impl Iterator<Item = f64>, powers_min: f64, ends: (f64, f64)) -> impl Fn(f64) -> f64 {
    // What is zero is drawn as something small.
    let log = |value: f64| value.max(1e-3).log10();
    let (least, most) = values
        .map(log)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    let middle = f64::midpoint(least, most);
    let half = ((most - least).max(powers_min) / 2.0).max(f64::EPSILON);
    move |value| {
        let (low, high) = ends;
        f64::midpoint(low, high) + (log(value) - middle) / half * (high - low) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::{curves::Axis, figures::Figures};
    use super::*;

    #[test]
    fn scales_are_logarithmic() {
        let place = scale([1.0, 100.0].into_iter(), 0.0, (0.0, 10.0));
        assert_eq!([1.0, 10.0, 100.0].map(|value| place(value).round()), [0.0, 5.0, 10.0]);
        let flat = scale([7.0, 7.0].into_iter(), 0.0, (0.0, 10.0));
        assert_eq!(flat(7.0), 5.0);
    }

    #[test]
    fn what_hardly_changes_looks_flat() {
        let place = scale([100.0, 110.0].into_iter(), 1.0, (0.0, 100.0));
        assert_eq!([100.0, 110.0].map(|value| place(value).round()), [48.0, 52.0]);
    }

    #[test]
    fn every_point_is_drawn_in_every_panel() {
        let point = |at| (at, Figures::from([("ops_per_s", 10.0), ("rss_mb", 0.0)]));
        let curve = Curve { axis: Axis::Keys, points: vec![point(1), point(10), point(100)] };
        let svg = svg(&curve);
        assert_eq!(svg.matches("<circle").count(), 6);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }
}
