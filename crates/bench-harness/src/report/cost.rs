//! What an index costs: seconds to build and memory, against its speed.

use super::figure;
use super::plot::{Area, frame};
use super::scale::Scale;
use super::series::{Group, colour, full_name, groups, label, mark};
use super::svg::{Anchor, Svg, spread};
use crate::number::short;
use crate::record::Record;
use crate::run::Run;

const WIDTH: f64 = 500.0;
const HEIGHT: f64 = 300.0;
const AREA: Area = Area { left: 58.0, top: 16.0, right: 372.0, bottom: 252.0 };

/// The section, or nothing without records of indexes.
pub(super) fn section(run: &Run) -> String {
    let mut body = String::new();
    // One mode is enough: both have the same index.
    let mut all = groups(run);
    all.retain(|group| group.records.iter().any(|record| record.index_bytes.is_some()));
    for group in all.chunk_by(|a, b| a.dataset == b.dataset).filter_map(|pair| pair.first()) {
        body.push_str("<div class=\"pair\">\n");
        let note = group.note();
        let group = &group.representatives();
        let build = |record: &Record| record.build_s.map(|seconds| seconds.max(1e-6));
        body.push_str(&figure(
            &plot(group, build, "seconds to build"),
            &format!("{}, {}: build time.{note}", group.dataset, group.mode),
        ));
        let memory = |record: &Record| record.index_bytes.map(|bytes| bytes as f64 / f64::from(1 << 20));
        body.push_str(&figure(
            &plot(group, memory, "MiB in memory, vectors included"),
            &format!("{}, {}: memory.{note}", group.dataset, group.mode),
        ));
        body.push_str("</div>\n");
    }
    if body.is_empty() {
        return body;
    }
    super::section(
        "cost",
        "Build time and memory against speed",
        "Up and to the left is better: fast to search, cheap to have. Both axes are logarithmic. An exact scan's \
         build is a checked copy of its vectors.",
        &body,
    )
}

fn plot(group: &Group<'_>, cost: impl Fn(&Record) -> Option<f64>, title: &str) -> String {
    let points: Vec<(&Record, f64)> =
        group.records.iter().filter_map(|record| Some((*record, cost(record)?))).collect();
    let x = Scale::log_around(points.iter().map(|&(_, cost)| cost), (AREA.left, AREA.right));
    let y = Scale::log_around(points.iter().map(|&(record, _)| record.qps), (AREA.bottom, AREA.top));
    let mut svg = Svg::new(WIDTH, HEIGHT);
    frame(&mut svg, AREA, (&x, title), (&y, "queries per second"));
    let wanted: Vec<f64> = points.iter().map(|(record, _)| y.at(record.qps)).collect();
    let labels = spread(&wanted, 16.0, AREA.top, AREA.bottom);
    let curves = group.curves();
    for (&(record, cost), height) in points.iter().zip(labels) {
        svg.line("leader", (x.at(cost) + 7.0, y.at(record.qps)), (AREA.right + 8.0, height));
        svg.text("", (AREA.right + 12.0, height + 4.0), Anchor::Start, &label(record, &curves));
    }
    for &(record, cost) in &points {
        let tip = format!(
            "{}: {} {title}, {} queries per second",
            full_name(record),
            short(cost),
            short(record.qps)
        );
        let class = format!("dot {}", colour(record));
        svg.mark(mark(record, &group.records), &class, (x.at(cost), y.at(record.qps)), &tip);
    }
    svg.finish(&format!("{title} and speed on {}", group.dataset))
}
