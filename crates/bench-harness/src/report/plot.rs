//! A plot with two axes: frame, grid, ticks and titles.

use super::scale::Scale;
use super::svg::{Anchor, Svg};

/// The inner area of a plot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

/// Draws grid, ticks and axis titles.
pub(super) fn frame(svg: &mut Svg, area: Area, (x, x_title): (&Scale, &str), (y, y_title): (&Scale, &str)) {
    for (value, label) in y.ticks() {
        let at = y.at(value);
        svg.line("grid", (area.left, at), (area.right, at));
        svg.text("soft", (area.left - 8.0, at + 4.0), Anchor::End, &label);
    }
    for (value, label) in x.ticks() {
        let at = x.at(value);
        svg.line("grid", (at, area.top), (at, area.bottom));
        svg.text("soft", (at, area.bottom + 18.0), Anchor::Middle, &label);
    }
    svg.line("axis", (area.left, area.bottom), (area.right, area.bottom));
    svg.line("axis", (area.left, area.top), (area.left, area.bottom));
    svg.text("soft", ((area.left + area.right) / 2.0, area.bottom + 38.0), Anchor::Middle, x_title);
    svg.upward_text("soft", (13.0, (area.top + area.bottom) / 2.0), y_title);
}
