//! Words and figures of the page: headline, table of results, circumstances.

use std::fmt::Write;

use super::peers::library;
use super::series::{COMMON_RECALL, full_name, groups};
use super::svg::escape;
use crate::number::{grouped, short};
use crate::peers::standing::Standing;
use crate::record::Record;
use crate::run::Run;
use crate::table::{dash, micros, number, share};

/// Whether a record is of an index over a data set: workloads of the covertree suite count other things as queries.
fn is_index(record: &Record) -> bool {
    !matches!(record.suite.as_str(), "kernels" | "covertree")
}

/// Title and the figures that matter most.
pub(super) fn headline(run: &Run) -> String {
    let mut text = String::from("<header>\n<h1>Nigh benchmark</h1>\n");
    let datasets: Vec<&str> = groups(run).iter().filter(|g| g.mode == "single").map(|g| g.dataset).collect();
    let on = if datasets.is_empty() { String::new() } else { format!(" · {}", datasets.join(", ")) };
    let lead = format!("{} · {} · commit {}{on}", run.machine.date, run.machine.cpu, run.machine.commit);
    let _ = writeln!(text, "<p class=\"lead\">{}</p>\n<div class=\"cards\">", escape(&lead));
    for standing in crate::peers::standing::standings(&run.records).iter().filter(|s| s.mode == "single") {
        beside(&mut text, standing);
    }
    for mode in ["single", "batch"] {
        let of_mode = |record: &&Record| is_index(record) && record.peer.is_none() && record.mode == mode;
        let good = |record: &&Record| record.recall_id.is_some_and(|recall| recall >= COMMON_RECALL);
        let fastest = |records: &mut dyn Iterator<Item = &Record>| -> Option<Record> {
            records.max_by(|a, b| a.qps.total_cmp(&b.qps)).cloned()
        };
        if let Some(best) = fastest(&mut run.records.iter().filter(of_mode).filter(good)) {
            let what = format!("queries/s, {mode}, recall {}", number(best.recall_id, 3));
            card(&mut text, &short(best.qps), &what, (&full_name(&best), &best.dataset));
        }
    }
    let closest = run
        .records
        .iter()
        .filter(|r| r.suite != "kernels" && r.mode == "single" && r.bound_share.is_some())
        .max_by(|a, b| a.bound_share.unwrap_or(0.0).total_cmp(&b.bound_share.unwrap_or(0.0)));
    if let Some(record) = closest {
        let what = format!("of the {} read limit, single query", record.bound.clone().unwrap_or_default());
        let share = format!("{:.0} %", 100.0 * record.bound_share.unwrap_or(0.0));
        card(&mut text, &share, &what, (&full_name(record), &record.dataset));
    }
    let gain =
        run.records.iter().filter(|record| record.suite == "kernels" && record.mode == "rows").max_by(
            |a, b| a.over_baseline_tier.unwrap_or(0.0).total_cmp(&b.over_baseline_tier.unwrap_or(0.0)),
        );
    if let Some(record) = gain {
        let ratio = format!("{:.1}x", record.over_baseline_tier.unwrap_or(1.0));
        let why = format!("{} {} {}", record.metric, record.dtype, record.dim);
        card(&mut text, &ratio, "largest gain over the baseline tier", (&why, &record.tier));
    }
    text.push_str("</div>\n</header>\n");
    text
}

/// The best of ours over the best peer, at the recall that most users want.
fn beside(text: &mut String, standing: &Standing<'_>) {
    let ours = standing.rows.iter().filter(|row| !row.is_peer());
    let ratios = ours.filter_map(|row| Some((row, standing.ratio(row, COMMON_RECALL)?)));
    if let Some((row, ratio)) = ratios.max_by(|a, b| a.1.median.total_cmp(&b.1.median)) {
        let figure = format!("{}x {}", short(ratio.median), library(&ratio.peer));
        let what = format!("our speed over the best peer, single, recall {COMMON_RECALL}");
        card(text, &figure, &what, (&row.name, standing.dataset));
    }
}

fn card(text: &mut String, figure: &str, what: &str, (who, place): (&str, &str)) {
    let _ = writeln!(
        text,
        "<div class=\"card\"><span class=\"what\">{}</span><b>{}</b><span class=\"why\">{}<small>{}</small></span>\
         </div>",
        escape(what),
        escape(figure),
        escape(who),
        escape(place)
    );
}

/// Every record of an index as a line of one table.
pub(super) fn results(run: &Run) -> String {
    let groups = groups(run);
    if groups.is_empty() {
        return String::new();
    }
    let mut table = String::from("<div class=\"scroll\">\n<table>\n<thead><tr><th class=\"l\">index</th>");
    let mut columns =
        vec!["build s", "MiB", "recall id", "recall eps", "QPS", "p50 µs", "p95 µs", "p99 µs", "of limit"];
    if run.baseline.is_some() {
        columns.push("over baseline");
    }
    for column in &columns {
        let _ = write!(table, "<th>{column}</th>");
    }
    table.push_str("</tr></thead>\n<tbody>\n");
    for group in &groups {
        let k = group.records.first().map_or(0, |record| record.k);
        let head = format!("{}, {}, k = {k}", group.dataset, group.mode);
        let span = columns.len() + 1;
        let _ = writeln!(table, "<tr class=\"group\"><td colspan=\"{span}\">{}</td></tr>", escape(&head));
        for record in &group.records {
            let _ = write!(table, "<tr><td class=\"l\">{}</td>", escape(&full_name(record)));
            let mut cells = vec![
                number(record.build_s, 2),
                record
                    .index_bytes
                    .map_or_else(dash, |bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 20))),
                number(record.recall_id, 4),
                number(record.recall_eps, 4),
                grouped(record.qps.round() as u64),
                record.p50_us.map_or_else(dash, micros),
                record.p95_us.map_or_else(dash, micros),
                record.p99_us.map_or_else(dash, micros),
                share(record),
            ];
            if let Some((_, baseline)) = &run.baseline {
                cells.push(
                    baseline.compare(record).map_or_else(|| "new".to_owned(), |found| found.to_string()),
                );
            }
            for cell in cells {
                let _ = write!(table, "<td>{}</td>", escape(&cell));
            }
            table.push_str("</tr>\n");
        }
    }
    table.push_str("</tbody>\n</table>\n</div>\n");
    super::section(
        "results",
        "All results",
        "Recall id: share of the true neighbours that were found. Recall eps: share of answers no farther than the \
         true k-th distance plus 0.001, as ann-benchmarks counts. Latencies are those of the best run.",
        &table,
    )
}

/// Machine, build, data and protocol.
pub(super) fn circumstances(run: &Run) -> String {
    let mut list = String::from("<dl>\n");
    for (name, value) in &run.facts {
        let _ = writeln!(list, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(value));
    }
    list.push_str("</dl>\n");
    for notice in &run.notices {
        let _ = writeln!(list, "<p class=\"note\">{}</p>", escape(notice));
    }
    super::section(
        "circumstances",
        "Circumstances",
        "What the figures depend on. Read limits were measured in this very process, by XOR over a block in the \
         widest vectors that the CPU has; the best of several passes counts.",
        &list,
    )
}
