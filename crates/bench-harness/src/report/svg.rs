//! The few SVG elements that the plots need, as text.
//!
//! Written by hand because a plotting library writes colours into attributes: here every colour is a CSS class
//! of the page, so that a plot follows the reader's light or dark setting and prints on white.

use std::fmt::{Display, Write};

/// Where a text is anchored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// The shape of a mark: told apart without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Circle,
    Square,
    Diamond,
    Triangle,
}

impl Mark {
    /// The shape of the n-th kind of thing.
    pub(super) fn nth(n: usize) -> Self {
        [Mark::Circle, Mark::Square, Mark::Diamond, Mark::Triangle][n % 4]
    }
}

/// A picture under construction.
#[derive(Debug)]
pub(super) struct Svg {
    body: String,
    width: f64,
    height: f64,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Self { body: String::new(), width, height }
    }

    /// The finished picture, with a title for readers who cannot see it.
    pub(super) fn finish(self, title: &str) -> String {
        format!(
            "<svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">\n{}</svg>\n",
            self.width,
            self.height,
            escape(title),
            self.body
        )
    }

    fn push(&mut self, element: impl Display) {
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.body, "{element}");
    }

    pub(super) fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        self.push(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    pub(super) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.push(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>",
            escape(text)
        ));
    }

    /// A text that runs upwards, centred on the point.
    pub(super) fn upward_text(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        self.push(format_args!(
            "<text class=\"{class}\" transform=\"translate({x:.1} {y:.1}) rotate(-90)\" \
             text-anchor=\"middle\">{}</text>",
            escape(text)
        ));
    }

    /// A rectangle with what is shown when it is pointed at.
    pub(super) fn rect(&mut self, class: &str, (x, y): (f64, f64), (w, h): (f64, f64), tip: &str) {
        self.push(format_args!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\">\
             <title>{}</title></rect>",
            w.max(0.0),
            h.max(0.0),
            escape(tip)
        ));
    }

    pub(super) fn polyline(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut path = String::new();
        for (x, y) in points {
            let _ = write!(path, "{x:.1},{y:.1} ");
        }
        self.push(format_args!("<polyline class=\"{class}\" points=\"{}\"/>", path.trim_end()));
    }

    pub(super) fn mark(&mut self, mark: Mark, class: &str, (x, y): (f64, f64), tip: &str) {
        let tip = escape(tip);
        match mark {
            Mark::Circle => self.push(format_args!(
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5.5\"><title>{tip}</title></circle>"
            )),
            Mark::Square => self.push(format_args!(
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\">\
                 <title>{tip}</title></rect>",
                x - 5.0,
                y - 5.0
            )),
            Mark::Diamond | Mark::Triangle => {
                let corners = if mark == Mark::Diamond {
                    [(0.0, -7.0), (7.0, 0.0), (0.0, 7.0), (-7.0, 0.0)]
                } else {
                    [(0.0, -6.5), (6.5, 5.0), (0.0, 5.0), (-6.5, 5.0)]
                };
                let points: String =
                    corners.iter().map(|(dx, dy)| format!("{:.1},{:.1} ", x + dx, y + dy)).collect();
                self.push(format_args!(
                    "<polygon class=\"{class}\" points=\"{}\"><title>{tip}</title></polygon>",
                    points.trim_end()
                ));
            }
        }
    }
}

/// Text as it may stand in HTML and in attributes.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // Control characters are not allowed in a page at all.
            c if c.is_control() && c != '\n' && c != '\t' => escaped.push('\u{FFFD}'),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Room that a text of the plots' size takes, roughly; enough to keep labels apart.
pub(super) fn width_of(text: &str) -> f64 {
    text.chars().count() as f64 * 6.7
}

/// Moves labels apart that would overlap, keeping their order; positions are centres.
pub(super) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&a, &b| wanted[a].total_cmp(&wanted[b]));
    let mut placed = wanted.to_vec();
    let mut floor = low;
    for &at in &order {
        placed[at] = placed[at].max(floor);
        floor = placed[at] + gap;
    }
    let mut ceiling = high;
    for &at in order.iter().rev() {
        placed[at] = placed[at].min(ceiling);
        ceiling = placed[at] - gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_markup_cannot_become_markup() {
        assert_eq!(escape("<b a=\"1\">&\u{1}"), "&lt;b a=&quot;1&quot;&gt;&amp;\u{FFFD}");
        let mut svg = Svg::new(10.0, 10.0);
        svg.text("label", (0.0, 0.0), Anchor::Start, "<script>");
        assert!(!svg.finish("\"").contains("<script>"));
    }

    #[test]
    fn labels_are_kept_apart_and_inside() {
        let placed = spread(&[10.0, 11.0, 50.0, 99.0, 98.0], 12.0, 0.0, 100.0);
        let mut sorted = placed.clone();
        sorted.sort_by(f64::total_cmp);
        assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= 12.0 - 1e-9), "{sorted:?}");
        assert!(placed[0] < placed[1] && placed[4] < placed[3] && sorted[4] <= 100.0);
    }
}
