//! Kernels: gigabytes a second by tier, against what the first-level cache can deliver.

use std::fmt::Write;

use super::figure;
use super::scale::{Scale, Spacing};
use super::svg::{Anchor, Svg, escape, width_of};
use crate::number::short;
use crate::record::Record;
use crate::run::Run;

const WIDTH: f64 = 500.0;
const HEIGHT: f64 = 230.0;
const LEFT: f64 = 48.0;
const TOP: f64 = 20.0;
const BOTTOM: f64 = 180.0;
/// Types in the order of drawing.
const DTYPES: [&str; 7] = ["f32", "f16", "bf16", "u8", "i8", "bits", "f64"];

/// The section, or nothing when the suite was not run.
pub(super) fn section(run: &Run) -> String {
    let records: Vec<&Record> = run.records.iter().filter(|record| record.suite == "kernels").collect();
    let tiers = distinct(records.iter().map(|record| record.tier.as_str()));
    if tiers.is_empty() {
        return String::new();
    }
    let mut body = String::from("<div class=\"key\">");
    for (index, tier) in tiers.iter().enumerate() {
        let _ = write!(body, "<span><i class=\"t{}\"></i>{}</span>", shade(index, tiers.len()), escape(tier));
    }
    body.push_str("</div>\n<div class=\"pair\">\n");
    for dtype in DTYPES {
        let measure = if dtype == "bits" { "hamming" } else { "l2_squared" };
        let of_type: Vec<&Record> = records
            .iter()
            .copied()
            .filter(|record| record.dtype == dtype && record.metric == measure && record.mode == "rows")
            .collect();
        if !of_type.is_empty() {
            let unit = if dtype == "bits" { "bits" } else { "dimensions" };
            let caption = format!("{dtype}, {measure}, one query to many rows, by {unit}.");
            body.push_str(&figure(&bars(&of_type, &tiers, run.limits.l1), &caption));
        }
    }
    body.push_str("</div>\n");
    body.push_str(&details(&records, &tiers));
    super::section(
        "kernels",
        "Kernels by tier, against the L1 read limit",
        "Gigabytes of vectors per second that each kernel passes over, from blocks in the first-level cache. The \
         dashed line is what a plain read loop attains in the same process: a bar at the line is as fast as the \
         cache can deliver, a bar far below it is bound by arithmetic. A tier that looks like its neighbour gains \
         nothing from its instructions here.",
        &body,
    )
}

fn distinct<'a>(values: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

/// Five shades, from the least tier to the best.
fn shade(index: usize, tiers: usize) -> usize {
    if tiers <= 1 { 4 } else { index * 4 / (tiers - 1) }
}

fn bars(records: &[&Record], tiers: &[&str], limit: f64) -> String {
    let mut dimensions: Vec<usize> = records.iter().map(|record| record.dim).collect();
    dimensions.sort_unstable();
    dimensions.dedup();
    let rate = |record: &Record| record.bytes_per_s.unwrap_or(0.0) / 1e9;
    let limit = limit / 1e9;
    let most = records.iter().map(|record| rate(record)).fold(limit, f64::max);
    let y = Scale::new(Spacing::Linear, (0.0, most * 1.08), (BOTTOM, TOP));
    let mut svg = Svg::new(WIDTH, HEIGHT);
    for (value, label) in y.ticks() {
        svg.line("grid", (LEFT, y.at(value)), (WIDTH, y.at(value)));
        svg.text("soft", (LEFT - 8.0, y.at(value) + 4.0), Anchor::End, &label);
    }
    let slot = (WIDTH - LEFT) / dimensions.len() as f64;
    let width = (slot * 0.82 / tiers.len() as f64).min(26.0);
    for (index, &dim) in dimensions.iter().enumerate() {
        let middle = LEFT + slot * (index as f64 + 0.5);
        let first = middle - width * tiers.len() as f64 / 2.0;
        for (place, tier) in tiers.iter().enumerate() {
            let Some(record) = records.iter().find(|r| r.dim == dim && r.tier == *tier) else { continue };
            let top = y.at(rate(record));
            let tip = format!(
                "{tier}, {dim}: {:.1} GB/s, {:.2} ns a row, {:.1}x the baseline tier, {:.0} % of the L1 limit",
                rate(record),
                1e9 / record.qps,
                record.over_baseline_tier.unwrap_or(1.0),
                100.0 * record.bound_share.unwrap_or(0.0)
            );
            let class = format!("t{}", shade(place, tiers.len()));
            svg.rect(&class, (first + width * place as f64, top), (width - 1.5, BOTTOM - top), &tip);
        }
        svg.text("soft", (middle, BOTTOM + 18.0), Anchor::Middle, &dim.to_string());
    }
    svg.line("axis", (LEFT, BOTTOM), (WIDTH, BOTTOM));
    svg.line("limit-line", (LEFT, y.at(limit)), (WIDTH, y.at(limit)));
    let label = format!("L1 limit {} GB/s", short(limit));
    svg.text("limit", (WIDTH - 2.0, y.at(limit) - 5.0), Anchor::End, &label);
    svg.upward_text("soft", (11.0, (TOP + BOTTOM) / 2.0), "GB/s");
    let best = records.iter().max_by(|a, b| a.qps.total_cmp(&b.qps));
    if let Some(gain) = best.and_then(|record| record.over_baseline_tier) {
        let text = format!("best: {gain:.1}x the baseline tier");
        svg.text("soft", (WIDTH - width_of(&text).min(WIDTH), HEIGHT - 12.0), Anchor::Start, &text);
    }
    svg.finish("Kernel speed by dimension and tier")
}

/// All kernels at one dimension, in nanoseconds, folded away.
fn details(records: &[&Record], tiers: &[&str]) -> String {
    let lines = distinct_lines(records);
    let mut text = String::from(
        "<details>\n<summary>All kernels and forms: nanoseconds per distance</summary>\n<div class=\"scroll\">\n\
         <table>\n<thead><tr><th class=\"l\">type</th><th class=\"l\">measure</th><th class=\"l\">form</th>\
         <th>dim</th>",
    );
    for tier in tiers {
        let _ = write!(text, "<th>{}</th>", escape(tier));
    }
    text.push_str("<th>best over baseline</th><th>of L1</th></tr></thead>\n<tbody>\n");
    for (dtype, metric, form, dim) in lines {
        let of_line: Vec<&Record> = records
            .iter()
            .copied()
            .filter(|r| r.dtype == dtype && r.metric == metric && r.mode == form && r.dim == dim)
            .collect();
        let _ = write!(
            text,
            "<tr><td class=\"l\">{dtype}</td><td class=\"l\">{metric}</td><td class=\"l\">{form}</td><td>{dim}</td>"
        );
        for tier in tiers {
            let cell = of_line.iter().find(|record| record.tier == *tier);
            let _ =
                write!(text, "<td>{}</td>", cell.map_or_else(String::new, |r| format!("{:.2}", 1e9 / r.qps)));
        }
        let best = of_line.iter().max_by(|a, b| a.qps.total_cmp(&b.qps));
        let gain = best.and_then(|record| record.over_baseline_tier).unwrap_or(1.0);
        let share = best.and_then(|record| record.bound_share).unwrap_or(0.0);
        let _ = writeln!(text, "<td>{gain:.1}x</td><td>{:.0} %</td></tr>", 100.0 * share);
    }
    text.push_str("</tbody>\n</table>\n</div>\n</details>\n");
    text
}

/// One line a kernel, at the middle one of the dimensions that were measured.
fn distinct_lines<'a>(records: &[&'a Record]) -> Vec<(&'a str, &'a str, &'a str, usize)> {
    let mut lines = Vec::new();
    for dtype in distinct(records.iter().map(|record| record.dtype.as_str())) {
        let mut dimensions: Vec<usize> =
            records.iter().filter(|record| record.dtype == dtype).map(|record| record.dim).collect();
        dimensions.sort_unstable();
        dimensions.dedup();
        let Some(&dim) = dimensions.get(dimensions.len() / 2) else { continue };
        for record in records.iter().filter(|record| record.dtype == dtype && record.dim == dim) {
            let line = (record.dtype.as_str(), record.metric.as_str(), record.mode.as_str(), dim);
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    lines
}
