//! Kernels: gigabytes a second by tier, against what the first-level cache can deliver.

use std::fmt::Write;

use super::figure;
use super::scale::{Scale, Spacing};
use super::svg::{Anchor, Svg, escape, width_of};
use crate::kernel_suite::{PANEL, VALUES, work_per_s};
use crate::number::short;
use crate::record::Record;
use crate::run::Run;
use crate::table::{
    at_middle_dimension, best_of, by_kernel, cells, dash, gigabytes, share, tiers_of, work_per_cycle,
};

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
    let tiers = tiers_of(&records);
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
    body.push_str(&work(run, &records, &tiers, PANEL));
    body.push_str(&work(run, &records, &tiers, VALUES));
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

/// Kernels of panels or of values, by what they do in a second.
fn work(run: &Run, records: &[&Record], tiers: &[&str], form: &str) -> String {
    let of_form: Vec<&Record> = records.iter().copied().filter(|record| record.mode == form).collect();
    let shown = at_middle_dimension(&of_form);
    if shown.is_empty() {
        return String::new();
    }
    let (title, left, last): (_, &[&str], _) = if form == PANEL {
        (
            "Many queries to interleaved rows: multiply-adds per second",
            &["type", "measure", "call", "dim"],
            "GB/s",
        )
    } else {
        ("Functions and selections: values per second", &["type", "function", "call"], "of limit")
    };
    let mut text = begin_table(title, left, tiers, &["best over baseline", "best per cycle", last]);
    for of_line in by_kernel(&shown) {
        let (Some(first), Some(best)) = (of_line.first(), best_of(&of_line)) else { continue };
        let mut names = vec![first.dtype.clone(), first.metric.clone(), first.params.clone()];
        let last = if form == PANEL {
            names.push(first.dim.to_string());
            best.bytes_per_s.map_or_else(dash, gigabytes)
        } else {
            share(best)
        };
        let per_cycle = work_per_cycle(run, best).map_or_else(dash, short);
        let values = cells(&of_line, tiers, |record| work_per_s(record).map_or_else(dash, short));
        add_line(&mut text, &names, values.chain([gain(best), per_cycle, last]));
    }
    end_table(text)
}

/// All distances at one dimension, in nanoseconds.
fn details(records: &[&Record], tiers: &[&str]) -> String {
    let forms: Vec<&Record> = records.iter().copied().filter(|record| work_per_s(record).is_none()).collect();
    if forms.is_empty() {
        return String::new();
    }
    let title = "All distances and forms: nanoseconds per distance";
    let left = ["type", "measure", "form", "dim"];
    let mut text = begin_table(title, &left, tiers, &["best over baseline", "of limit"]);
    for of_line in by_kernel(&at_middle_dimension(&forms)) {
        let (Some(first), Some(best)) = (of_line.first(), best_of(&of_line)) else { continue };
        let names = [first.dtype.clone(), first.metric.clone(), first.mode.clone(), first.dim.to_string()];
        let values = cells(&of_line, tiers, |record| format!("{:.2}", 1e9 / record.qps));
        add_line(&mut text, &names, values.chain([gain(best), share(best)]));
    }
    end_table(text)
}

fn gain(best: &Record) -> String {
    best.over_baseline_tier.map_or_else(dash, |gain| format!("{gain:.1}x"))
}

/// A table that is folded away, up to its first line.
fn begin_table(title: &str, left: &[&str], tiers: &[&str], right: &[&str]) -> String {
    let title = escape(title);
    let mut text =
        format!("<details>\n<summary>{title}</summary>\n<div class=\"scroll\">\n<table>\n<thead><tr>");
    for name in left {
        let _ = write!(text, "<th class=\"l\">{}</th>", escape(name));
    }
    for name in tiers.iter().chain(right) {
        let _ = write!(text, "<th>{}</th>", escape(name));
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    text
}

fn add_line(text: &mut String, names: &[String], values: impl Iterator<Item = String>) {
    text.push_str("<tr>");
    for name in names {
        let _ = write!(text, "<td class=\"l\">{}</td>", escape(name));
    }
    for value in values {
        let _ = write!(text, "<td>{}</td>", escape(&value));
    }
    text.push_str("</tr>\n");
}

fn end_table(mut text: String) -> String {
    text.push_str("</tbody>\n</table>\n</div>\n</details>\n");
    text
}
