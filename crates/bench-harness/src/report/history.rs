//! The run against an earlier one: which speeds changed, and which differences are only noise.

use super::figure;
use super::scale::{Scale, Spacing};
use super::series::full_name;
use super::svg::{Anchor, Svg, width_of};
use crate::baseline::{Baseline, Comparison};
use crate::record::Record;
use crate::run::Run;

const WIDTH: f64 = 1024.0;
const STEP: f64 = 24.0;
/// Kernels that are drawn: those that moved most.
const KERNELS: usize = 12;

/// The section; without a baseline it says how to get one.
pub(super) fn section(run: &Run) -> String {
    let Some((source, baseline)) = &run.baseline else {
        let text = "No earlier run was given. Keep this run's results.jsonl and pass it to --baseline next time: this \
                    section then shows what changed, with differences within the spread of the runs marked as no \
                    change.";
        return super::section("history", "Against an earlier run", text, "");
    };
    let rows = rows(run, baseline);
    let text = format!(
        "Speed now over speed in {source}, logarithmic; right of 1 is faster. Grey: within the spread of the runs, no \
         change. Of kernels only those that moved most are drawn."
    );
    if rows.is_empty() {
        return super::section(
            "history",
            "Against an earlier run",
            &text,
            "<p>No record matches one of it.</p>\n",
        );
    }
    let date = baseline.matching(rows[0].0).map_or("", |record| record.date.as_str());
    let commit = baseline.matching(rows[0].0).map_or("", |record| record.commit.as_str());
    let caption = format!("Baseline of {date}, commit {commit}; {} records match.", rows.len());
    super::section("history", "Against an earlier run", &text, &figure(&plot(&rows), &caption))
}

fn rows<'a>(run: &'a Run, baseline: &Baseline) -> Vec<(&'a Record, Comparison)> {
    let compared = |record: &'a Record| Some((record, baseline.compare(record)?));
    let (mut kernels, mut rows): (Vec<_>, Vec<_>) =
        run.records.iter().filter_map(compared).partition(|(record, _)| record.suite == "kernels");
    let distance = |comparison: &Comparison| comparison.ratio.ln().abs();
    kernels.retain(|(_, comparison)| comparison.is_change);
    kernels.sort_by(|a, b| distance(&b.1).total_cmp(&distance(&a.1)));
    kernels.truncate(KERNELS);
    rows.append(&mut kernels);
    rows
}

fn label(record: &Record) -> String {
    if record.suite == "kernels" {
        format!("{} {} {} {} {}", record.metric, record.mode, record.dtype, record.dim, record.tier)
    } else {
        format!("{} {} {}", record.dataset, full_name(record), record.mode)
    }
}

fn plot(rows: &[(&Record, Comparison)]) -> String {
    let labels: Vec<String> = rows.iter().map(|(record, _)| label(record)).collect();
    let left = labels.iter().map(|label| width_of(label)).fold(120.0, f64::max) + 16.0;
    let (right, bottom) = (WIDTH - 170.0, STEP * rows.len() as f64 + 12.0);
    let furthest =
        rows.iter().map(|(_, comparison)| comparison.ratio.ln().abs()).fold(0.2, f64::max).exp() * 1.1;
    let x = Scale::new(Spacing::Log, (1.0 / furthest, furthest), (left, right));
    let mut svg = Svg::new(WIDTH, bottom + 30.0);
    for (value, label) in x.ticks() {
        svg.line("grid", (x.at(value), 0.0), (x.at(value), bottom));
        svg.text("soft", (x.at(value), bottom + 18.0), Anchor::Middle, &format!("{label}x"));
    }
    svg.line("axis", (x.at(1.0), 0.0), (x.at(1.0), bottom));
    for (row, ((_, comparison), label)) in rows.iter().zip(&labels).enumerate() {
        let middle = STEP * (row as f64 + 0.5) + 4.0;
        let class = match comparison {
            Comparison { is_change: false, .. } => "same",
            Comparison { ratio, .. } if *ratio > 1.0 => "better",
            _ => "worse",
        };
        let (from, to) = (x.at(1.0).min(x.at(comparison.ratio)), x.at(1.0).max(x.at(comparison.ratio)));
        svg.text("", (left - 12.0, middle + 4.5), Anchor::End, label);
        svg.rect(class, (from, middle - 6.0), ((to - from).max(1.5), 12.0), &comparison.to_string());
        let words =
            if comparison.is_change { comparison.to_string() } else { format!("{comparison} no change") };
        svg.text("soft", (right + 12.0, middle + 4.5), Anchor::Start, &words);
    }
    svg.finish("Speed now over speed then")
}
