//! Speed: queries per second as bars, single queries and batches apart.

use super::figure;
use super::series::{Group, colour, full_name, groups, label, mode_words};
use super::svg::{Anchor, Svg, escape, width_of};
use crate::number::short;
use crate::run::Run;
use crate::table::share;

const WIDTH: f64 = 500.0;
const BAR: f64 = 20.0;
const STEP: f64 = 30.0;

/// The section, or nothing without records of indexes.
pub(super) fn section(run: &Run) -> String {
    let groups = groups(run);
    if groups.is_empty() {
        return String::new();
    }
    let mut body = String::new();
    for pair in groups.chunk_by(|a, b| a.dataset == b.dataset) {
        if let [first, ..] = pair {
            body.push_str(&format!("<h3>{}</h3>\n", escape(first.dataset)));
        }
        body.push_str("<div class=\"pair\">\n");
        for group in pair {
            let caption = format!("{}{}", caption(group), group.note());
            body.push_str(&figure(&bars(&group.representatives()), &caption));
        }
        body.push_str("</div>\n");
    }
    super::section(
        "speed",
        "Queries per second",
        "Longer is faster. The two modes have scales of their own and must not be compared: a batch re-uses every \
         vector that it reads for many queries. The thin line spans the slowest to the best run; the bar ends at \
         the best one, which is what counts.",
        &body,
    )
}

fn caption(group: &Group<'_>) -> String {
    let what = if group.mode == "batch" {
        "The share is of the L1 read limit: above 100 % a vector in registers serves several queries."
    } else {
        "The share is of what the place that holds the vectors can deliver: 100 % is as fast as they can be read."
    };
    format!("{}: {}. {what}", group.mode, mode_words(group.mode))
}

fn bars(group: &Group<'_>) -> String {
    let curves = group.curves();
    let names: Vec<String> = group.records.iter().map(|record| label(record, &curves)).collect();
    let left = names.iter().map(|name| width_of(name)).fold(60.0, f64::max) + 12.0;
    let right = 150.0;
    let most = group.records.iter().map(|record| record.qps).fold(f64::MIN_POSITIVE, f64::max);
    let length = |qps: f64| (qps / most) * (WIDTH - left - right);
    let height = STEP * group.records.len() as f64 + 6.0;
    let mut svg = Svg::new(WIDTH, height);
    for (row, (record, name)) in group.records.iter().zip(&names).enumerate() {
        let top = STEP * row as f64 + 4.0;
        let middle = top + BAR / 2.0;
        let tip = format!("{}: {:.1} queries per second, {}", full_name(record), record.qps, share(record));
        svg.text("", (left - 10.0, middle + 4.5), Anchor::End, name);
        svg.rect(colour(record), (left, top), (length(record.qps).max(1.0), BAR), &tip);
        let slowest = record.qps_runs.iter().copied().fold(record.qps, f64::min);
        if length(record.qps) - length(slowest) > 1.5 {
            let (from, to) = (left + length(slowest), left + length(record.qps));
            svg.line("run-range", (from, middle), (to, middle));
            svg.line("run-range", (from, middle - 4.0), (from, middle + 4.0));
        }
        let end = left + length(record.qps) + 8.0;
        let value = short(record.qps);
        svg.text("name", (end, middle + 4.5), Anchor::Start, &value);
        let share = share(record);
        if share != "-" {
            svg.text("soft", (end + width_of(&value) * 1.12 + 8.0, middle + 4.5), Anchor::Start, &share);
        }
    }
    svg.line("axis", (left, 0.0), (left, height));
    svg.finish(&format!("Queries per second on {}, {}", group.dataset, group.mode))
}
