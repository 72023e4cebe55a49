//! Speed against recall: the plot of ann-benchmarks, with a lane of its own for what is exact.

use std::fmt::Write;

use super::figure;
use super::plot::{Area, frame};
use super::scale::{Scale, Spacing};
use super::series::{Group, colour, full_name, groups, judged, label, mark};
use super::svg::{Anchor, Mark, Svg, spread, width_of};
use crate::peers::standing;
use crate::record::Record;
use crate::run::Run;

/// What a plot measures.
#[derive(Clone, Copy)]
struct Size {
    width: f64,
    height: f64,
    area: Area,
    /// The lane of what found everything: a logit axis never reaches 1.
    exact: (f64, f64),
}

/// Two beside one another.
const SMALL: Size = Size {
    width: 500.0,
    height: 330.0,
    area: Area { left: 58.0, top: 26.0, right: 286.0, bottom: 280.0 },
    exact: (312.0, 358.0),
};
/// One by itself, for many curves.
const LARGE: Size = Size {
    width: 1024.0,
    height: 520.0,
    area: Area { left: 58.0, top: 26.0, right: 750.0, bottom: 470.0 },
    exact: (784.0, 846.0),
};
/// More curves than this are too many for a small plot.
const FEW: usize = 8;
/// From the lane to the labels.
const LABELS: f64 = 10.0;
/// Settings that find less are not drawn where there are some that find a good part.
const LITTLE: f64 = 0.5;
/// Recall at the right end of the logit axis.
const HIGHEST: f64 = 0.9999;

/// The section, or nothing without records of indexes.
pub(super) fn section(run: &Run) -> String {
    let mut groups: Vec<_> =
        groups(run).into_iter().filter(|g| g.records.iter().any(|r| judged(r).is_some())).collect();
    // Where there are curves, pictures of what is all exact would only stand in their way.
    if groups.iter().any(Group::has_curves) {
        groups.retain(Group::has_curves);
    }
    let mut body = String::new();
    for pair in groups.chunk_by(|a, b| a.dataset == b.dataset) {
        let many = pair.iter().any(|group| group.curves().len() > FEW);
        let (class, size) = if many { ("wide", LARGE) } else { ("pair", SMALL) };
        let _ = writeln!(body, "<div class=\"{class}\">");
        for group in pair {
            let caption = format!("{}, {}: recall against queries per second.", group.dataset, group.mode);
            body.push_str(&figure(&plot(group, size), &caption));
        }
        body.push_str("</div>\n");
    }
    if body.is_empty() {
        return body;
    }
    super::section(
        "recall",
        "Speed against recall",
        "Up and to the right is better. The recall axis is a logit: 0.9, 0.99 and 0.999 are equally hard steps. A \
         neighbour as near as the last true one counts as found, whichever of the two it is. An index that found every neighbour stands in the lane \"1\", beyond the axis, where no approximate index can \
         be placed. The dotted line joins what nothing else beats in both; a curve joins the settings of one index, \
         solid for ours, dashed for other libraries. Settings that another of the same index beats in both, or that find \
         less than half, are left out here; they stand in All results.",
        &body,
    )
}

/// Where a recall lies, in the lane when it is above what the axis shows.
fn place(scale: &Scale, lane: (f64, f64), recall: f64) -> f64 {
    if recall > HIGHEST { (lane.0 + lane.1) / 2.0 } else { scale.at(recall) }
}

/// Whether `other` finds as much as `record`, whose recall is given, as fast, and more of one of both.
fn beats(other: &Record, record: &Record, recall: f64) -> bool {
    judged(other).is_some_and(|others| {
        others >= recall && other.qps >= record.qps && (others > recall || other.qps > record.qps)
    })
}

fn plot(group: &Group<'_>, size: Size) -> String {
    let Size { width, height, area, exact } = size;
    let found = || group.records.iter().filter_map(|record| judged(record));
    let least = if found().any(|recall| recall >= 0.9) { LITTLE } else { 0.0 };
    let lowest = found().filter(|&recall| recall >= least).fold(0.9, f64::min);
    let low = [0.9, 0.8, 0.5, 0.1, 0.01].into_iter().find(|&low| lowest >= low).unwrap_or(0.001);
    let x = Scale::new(Spacing::Logit, (low, HIGHEST), (area.left, area.right));
    let drawn = group.records.iter().filter(|record| judged(record).is_some_and(|recall| recall >= least));
    let y = Scale::log_around(drawn.map(|record| record.qps), (area.bottom, area.top));
    let curves = group.curves();
    // As wide as the longest label wants: on paper nothing may stand beside the drawing.
    let names = curves.iter().filter_map(|curve| curve.first()).map(|record| label(record, &curves));
    let width = names.map(|name| exact.1 + LABELS + width_of(&name)).fold(width, f64::max);
    let mut svg = Svg::new(width, height);
    let title = format!("recall@{}", group.records.first().map_or(0, |record| record.k));
    svg.rect(
        "band",
        (exact.0, area.top),
        (exact.1 - exact.0, area.bottom - area.top),
        "found every neighbour",
    );
    frame(&mut svg, area, (&x, &title), (&y, "queries per second"));
    svg.text("soft", ((exact.0 + exact.1) / 2.0, area.bottom + 18.0), Anchor::Middle, "1");
    let beaten = |record: &Record, recall: f64| {
        let of_same = curves.iter().find(|curve| curve.iter().any(|other| std::ptr::eq(*other, record)));
        of_same.is_some_and(|curve| curve.iter().any(|other| beats(other, record, recall)))
    };
    let points: Vec<(&Record, f64, f64)> = group
        .records
        .iter()
        .filter_map(|record| Some((*record, judged(record)?)))
        .filter(|&(record, recall)| recall >= least && !beaten(record, recall))
        .map(|(record, recall)| (record, place(&x, exact, recall), y.at(record.qps)))
        .collect();
    let mut front: Vec<(f64, f64)> = points
        .iter()
        .filter(|(_, x, y)| !points.iter().any(|(_, ox, oy)| (ox > x && oy <= y) || (ox >= x && oy < y)))
        .map(|&(_, x, y)| (x, y))
        .collect();
    front.sort_by(|a, b| a.0.total_cmp(&b.0));
    svg.polyline("front", &front);
    for curve in curves.iter().filter(|curve| curve.len() > 1) {
        let of_curve =
            curve.iter().filter_map(|record| Some((judged(record)?, record.qps))).collect::<Vec<_>>();
        let line: Vec<_> = standing::front(&of_curve)
            .iter()
            .filter(|point| point.0 >= least)
            .map(|&(r, qps)| (place(&x, exact, r), y.at(qps)))
            .collect();
        let theirs = if curve.iter().any(|record| record.peer.is_some()) { " theirs" } else { "" };
        svg.polyline(
            &format!("curve {}{theirs}", curve.first().map_or("other", |record| colour(record))),
            &line,
        );
    }
    // One label a curve, at the end with the highest recall.
    let ends: Vec<(&Record, f64, f64)> = curves
        .iter()
        .filter_map(|curve| {
            let of_curve =
                points.iter().filter(|(record, ..)| curve.iter().any(|r| std::ptr::eq(*r, *record)));
            of_curve.max_by(|a, b| a.1.total_cmp(&b.1)).copied()
        })
        .collect();
    let wanted: Vec<f64> = ends.iter().map(|&(_, _, y)| y).collect();
    let labels = spread(&wanted, 16.0, area.top, area.bottom);
    for (&(record, x, y), height) in ends.iter().zip(labels) {
        let text = label(record, &curves);
        svg.line("leader", (x + 7.0, y), (exact.1 + 6.0, height));
        svg.text("", (exact.1 + LABELS, height + 4.0), Anchor::Start, &text);
    }
    for &(record, x, y) in &points {
        let tip = format!(
            "{}: recall {:.4} (by id alone {:.4}), {:.0} queries per second",
            full_name(record),
            judged(record).unwrap_or(0.0),
            record.recall_id.unwrap_or(0.0),
            record.qps
        );
        let shape: Mark = mark(record, &group.records);
        svg.mark(shape, &format!("dot {}", colour(record)), (x, y), &tip);
    }
    svg.finish(&format!("Recall and speed on {}, {}", group.dataset, group.mode))
}
