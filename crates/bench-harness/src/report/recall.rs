//! Speed against recall: the plot of ann-benchmarks, with a lane of its own for what is exact.

use super::figure;
use super::plot::{Area, frame};
use super::scale::{Scale, Spacing};
use super::series::{Group, colour, full_name, groups, judged, label, mark};
use super::svg::{Anchor, Mark, Svg, spread};
use crate::peers::standing;
use crate::record::Record;
use crate::run::Run;

const WIDTH: f64 = 500.0;
const HEIGHT: f64 = 330.0;
const AREA: Area = Area { left: 58.0, top: 26.0, right: 286.0, bottom: 280.0 };
/// The lane of what found everything: a logit axis never reaches 1.
const EXACT: (f64, f64) = (312.0, 358.0);
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
        body.push_str("<div class=\"pair\">\n");
        for group in pair {
            let caption = format!("{}, {}: recall against queries per second.", group.dataset, group.mode);
            body.push_str(&figure(&plot(group), &caption));
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
         solid for ours, dashed for other libraries. Settings that another of the same index beats in both are left \
         out here; they stand in All results.",
        &body,
    )
}

/// Where a recall lies, in the lane when it is above what the axis shows.
fn place(scale: &Scale, recall: f64) -> f64 {
    if recall > HIGHEST { (EXACT.0 + EXACT.1) / 2.0 } else { scale.at(recall) }
}

/// Whether `other` finds as much as `record`, whose recall is given, as fast, and more of one of both.
fn beats(other: &Record, record: &Record, recall: f64) -> bool {
    judged(other).is_some_and(|others| {
        others >= recall && other.qps >= record.qps && (others > recall || other.qps > record.qps)
    })
}

fn plot(group: &Group<'_>) -> String {
    let lowest = group.records.iter().filter_map(|record| judged(record)).fold(0.9, f64::min);
    let low = [0.9, 0.8, 0.5, 0.1, 0.01].into_iter().find(|&low| lowest >= low).unwrap_or(0.001);
    let x = Scale::new(Spacing::Logit, (low, HIGHEST), (AREA.left, AREA.right));
    let y = Scale::log_around(group.records.iter().map(|record| record.qps), (AREA.bottom, AREA.top));
    let mut svg = Svg::new(WIDTH, HEIGHT);
    let title = format!("recall@{}", group.records.first().map_or(0, |record| record.k));
    svg.rect(
        "band",
        (EXACT.0, AREA.top),
        (EXACT.1 - EXACT.0, AREA.bottom - AREA.top),
        "found every neighbour",
    );
    frame(&mut svg, AREA, (&x, &title), (&y, "queries per second"));
    svg.text("soft", ((EXACT.0 + EXACT.1) / 2.0, AREA.bottom + 18.0), Anchor::Middle, "1");
    let curves = group.curves();
    let beaten = |record: &Record, recall: f64| {
        let of_same = curves.iter().find(|curve| curve.iter().any(|other| std::ptr::eq(*other, record)));
        of_same.is_some_and(|curve| curve.iter().any(|other| beats(other, record, recall)))
    };
    let points: Vec<(&Record, f64, f64)> = group
        .records
        .iter()
        .filter_map(|record| Some((*record, judged(record)?)))
        .filter(|&(record, recall)| !beaten(record, recall))
        .map(|(record, recall)| (record, place(&x, recall), y.at(record.qps)))
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
        let line: Vec<_> =
            standing::front(&of_curve).iter().map(|&(r, qps)| (place(&x, r), y.at(qps))).collect();
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
    let labels = spread(&wanted, 16.0, AREA.top, AREA.bottom);
    for (&(record, x, y), height) in ends.iter().zip(labels) {
        let text = label(record, &curves);
        svg.line("leader", (x + 7.0, y), (EXACT.1 + 6.0, height));
        svg.text("", (EXACT.1 + 10.0, height + 4.0), Anchor::Start, &text);
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
