//! Results as text: the header, one table of indexes, one of ours beside the peers, and a short one of kernels.

mod cases;
mod covertree;
mod gate;
mod kernels;
mod peers;

use comfy_table::{Cell, CellAlignment, Table, presets};

use crate::number::{grouped, short};
use crate::record::Record;
use crate::run::Run;

pub use cases::cases;
pub use covertree::covertree;
pub use gate::gate;
pub use kernels::kernels;
pub(crate) use kernels::{
    at_middle_dimension, best_of, by_kernel, cells, gigabytes, tiers_of, work_per_cycle,
};
pub use peers::peers;
pub(crate) use peers::speed;

/// The header: one line a fact.
pub fn header(run: &Run) -> String {
    run.facts.iter().map(|(name, value)| format!("{name:<9} {value}\n")).collect()
}

/// Whether the record stands in [`indexes`]: the other suites have tables of their own.
fn is_index(record: &Record) -> bool {
    record.suite != "kernels" && record.suite != "covertree" && record.peer.is_none() && record.case.is_none()
}

/// All records of our indexes, in the order of measurement, under a line of column names. The points of peers, which
/// are many, stand in the report and in the records; [`peers`] has what they come to.
pub fn indexes(run: &Run) -> String {
    let mut head = vec![
        "index",
        "params",
        "dtype",
        "mode",
        "build s",
        "MiB",
        "recall id",
        "eps",
        "QPS",
        "p50 µs",
        "p95",
        "p99",
    ];
    head.extend(["dist/query", "of limit"]);
    if run.baseline.is_some() {
        head.push("baseline");
    }
    let mut table = plain(&head, 4);
    let several =
        run.records.iter().any(|record| run.records.first().is_some_and(|f| f.dataset != record.dataset));
    let mut dataset = String::new();
    for record in run.records.iter().filter(|record| is_index(record)) {
        if several && record.dataset != dataset {
            dataset.clone_from(&record.dataset);
            table.add_row(vec![Cell::new(format!("[{dataset}]"))]);
        }
        let mut row = vec![
            record.index.clone(),
            record.params.clone(),
            record.dtype.clone(),
            record.mode.clone(),
            number(record.build_s, 2),
            record.index_bytes.map_or_else(dash, |bytes| format!("{:.1}", bytes as f64 / (1 << 20) as f64)),
            number(record.recall_id, 4),
            number(record.recall_eps, 4),
            if record.qps >= 100.0 {
                grouped(record.qps.round() as u64)
            } else {
                format!("{:.1}", record.qps)
            },
            record.p50_us.map_or_else(dash, micros),
            record.p95_us.map_or_else(dash, micros),
            record.p99_us.map_or_else(dash, micros),
            record.distances_per_query.map_or_else(dash, |count| grouped(count.round() as u64)),
            share(record),
        ];
        if let Some((_, baseline)) = &run.baseline {
            row.push(baseline.compare(record).map_or_else(|| "new".to_owned(), |found| found.to_string()));
        }
        table.add_row(row);
    }
    table.to_string()
}

fn plain(head: &[&str], left: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(head.iter().copied());
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index >= left {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The share of the limit, with its place: `87 % memory`.
pub(crate) fn share(record: &Record) -> String {
    match (record.bound_share, &record.bound) {
        (Some(share), Some(bound)) => format!("{:.0} % {bound}", 100.0 * share),
        _ => dash(),
    }
}

/// Microseconds with as many digits as mean something.
pub(crate) fn micros(value: f64) -> String {
    if value >= 1000.0 { grouped(value.round() as u64) } else { short(value) }
}

pub(crate) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(dash, |value| format!("{value:.digits$}"))
}

pub(crate) fn dash() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::Baseline;

    fn record(dtype: &str, qps: f64) -> Record {
        Record {
            suite: "exact".into(),
            index: "exact".into(),
            params: "-".into(),
            dtype: dtype.into(),
            mode: "single".into(),
            recall_id: Some(1.0),
            qps,
            qps_runs: vec![qps],
            bound: Some("memory".into()),
            bound_share: Some(0.876),
            ..Record::default()
        }
    }

    #[test]
    fn the_table_says_speed_recall_limit_and_ratio() {
        let mut run = Run { records: vec![record("f32", 12_345.6), record("u8", 50.25)], ..Run::default() };
        let text = indexes(&run);
        for part in ["12,346", "50.2", "1.0000", "88 % memory", "recall id"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("baseline"));
        let earlier = Baseline::new(vec![record("f32", 6_172.8)]);
        run.baseline = Some(("earlier.jsonl".into(), earlier));
        let text = indexes(&run);
        assert!(text.contains("2.00x") && text.contains("new"), "{text}");
    }
}
