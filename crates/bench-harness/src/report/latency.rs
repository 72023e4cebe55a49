//! Latency: which share of single queries was answered within which time.

use super::figure;
use super::plot::{Area, frame};
use super::scale::{Scale, Spacing};
use super::series::{self, Group, colour, full_name, groups};
use super::svg::{Anchor, Svg, spread};
use crate::record::Record;
use crate::run::Run;
use crate::table::micros;

const WIDTH: f64 = 1024.0;
const HEIGHT: f64 = 320.0;
const AREA: Area = Area { left: 58.0, top: 14.0, right: 770.0, bottom: 270.0 };

/// The section, or nothing without latencies.
pub(super) fn section(run: &Run) -> String {
    let mut body = String::new();
    for all in groups(run) {
        let group = all.representatives();
        let drawn: Vec<&Record> =
            group.records.iter().copied().filter(|r| !r.latency_us.is_empty()).collect();
        if !drawn.is_empty() {
            let caption = format!(
                "{}: latency of single queries in the best run, logarithmic.{}",
                group.dataset,
                all.note()
            );
            body.push_str(&figure(&plot(&group, &drawn), &caption));
        }
    }
    if body.is_empty() {
        return body;
    }
    super::section(
        "latency",
        "Latency of single queries",
        "Further left is faster, steeper is steadier. A long tail to the right at the top is what the slowest \
         queries pay; the labels give the median and what 99 % of the queries keep.",
        &body,
    )
}

fn plot(group: &Group<'_>, drawn: &[&Record]) -> String {
    let all = drawn.iter().flat_map(|record| record.latency_us.iter().copied());
    let x = Scale::log_around(all, (AREA.left, AREA.right));
    let y = Scale::new(Spacing::Linear, (0.0, 100.0), (AREA.bottom, AREA.top));
    let mut svg = Svg::new(WIDTH, HEIGHT);
    frame(&mut svg, AREA, (&x, "microseconds per query"), (&y, "% of queries"));
    // Labels in the order of the medians, from the fastest at the top.
    let mut order: Vec<&Record> = drawn.to_vec();
    order.sort_by(|a, b| a.p50_us.unwrap_or(0.0).total_cmp(&b.p50_us.unwrap_or(0.0)));
    let wanted: Vec<f64> = (0..order.len()).map(|row| AREA.top + 14.0 + 21.0 * row as f64).collect();
    let labels = spread(&wanted, 17.0, AREA.top + 6.0, AREA.bottom);
    let curves = group.curves();
    for (record, label) in order.iter().zip(labels) {
        let mut points = vec![(x.at(record.latency_us.first().copied().unwrap_or(1.0)), AREA.bottom)];
        let steps = record.latency_us.len() as f64;
        points.extend(
            record
                .latency_us
                .iter()
                .enumerate()
                .map(|(step, &latency)| (x.at(latency), y.at(100.0 * (step + 1) as f64 / steps))),
        );
        svg.polyline(&format!("curve {}", colour(record)), &points);
        svg.rect(colour(record), (AREA.right + 22.0, label - 5.0), (14.0, 10.0), &full_name(record));
        svg.text("", (AREA.right + 44.0, label + 4.5), Anchor::Start, &series::label(record, &curves));
        if let (Some(median), Some(high)) = (record.p50_us, record.p99_us) {
            let text = format!("{} / {} µs", micros(median), micros(high));
            svg.text("soft", (WIDTH, label + 4.5), Anchor::End, &text);
        }
    }
    svg.finish(&format!("Latency on {}", group.dataset))
}
