//! Results as text: the header, one table of indexes, and a short one of kernels.

use comfy_table::{Cell, CellAlignment, Table, presets};

use crate::number::{grouped, short};
use crate::record::Record;
use crate::run::Run;

/// The header: one line a fact.
pub fn header(run: &Run) -> String {
    run.facts.iter().map(|(name, value)| format!("{name:<9} {value}\n")).collect()
}

/// All records of indexes, in the order of measurement, under a line of column names.
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
    for record in run.records.iter().filter(|record| record.suite != "kernels") {
        if several && record.dataset != dataset {
            dataset.clone_from(&record.dataset);
            table.add_row(vec![Cell::new(format!("[{dataset}]"))]);
        }
        let mut row = vec![
            name_of(record),
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

/// Kernels of L2² (Hamming for bits) on contiguous rows, one line a type and dimension, one column a tier.
/// `None` when the suite was not run.
pub fn kernels(run: &Run) -> Option<String> {
    let shown: Vec<&Record> = run
        .records
        .iter()
        .filter(|r| {
            r.suite == "kernels" && r.mode == "rows" && (r.metric == "l2_squared" || r.metric == "hamming")
        })
        .collect();
    let mut tiers: Vec<&str> = Vec::new();
    let mut lines: Vec<(&str, &str, usize)> = Vec::new();
    for record in &shown {
        if !tiers.contains(&record.tier.as_str()) {
            tiers.push(&record.tier);
        }
        let line = (record.dtype.as_str(), record.metric.as_str(), record.dim);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    let mut head = vec!["one to many", "dtype", "dim"];
    head.extend(&tiers);
    head.extend(["best GB/s", "of limit"]);
    (!shown.is_empty()).then(|| {
        let mut table = plain(&head, 2);
        for (dtype, metric, dim) in lines {
            let of_line: Vec<&&Record> =
                shown.iter().filter(|r| r.dtype == dtype && r.metric == metric && r.dim == dim).collect();
            let mut row = vec![metric.to_owned(), dtype.to_owned(), dim.to_string()];
            row.extend(tiers.iter().map(|tier| {
                let record = of_line.iter().find(|record| record.tier == *tier);
                record.map_or_else(dash, |record| format!("{:.2} ns", 1e9 / record.qps))
            }));
            let best = of_line.iter().max_by(|a, b| a.qps.total_cmp(&b.qps));
            row.push(best.and_then(|r| r.bytes_per_s).map_or_else(dash, |rate| format!("{:.1}", rate / 1e9)));
            row.push(best.map_or_else(dash, |record| share(record)));
            table.add_row(row);
        }
        table.to_string()
    })
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

fn name_of(record: &Record) -> String {
    record.peer.as_ref().map_or_else(|| record.index.clone(), |peer| format!("{peer} {}", record.index))
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

    #[test]
    fn kernels_have_a_column_for_each_tier() {
        let kernel = |tier: &str, qps| Record {
            suite: "kernels".into(),
            mode: "rows".into(),
            metric: "l2_squared".into(),
            tier: tier.into(),
            dim: 96,
            ..record("f32", qps)
        };
        let run = Run { records: vec![kernel("baseline", 1e8), kernel("avx2", 4e8)], ..Run::default() };
        let text = kernels(&run).unwrap();
        assert!(text.contains("10.00 ns") && text.contains("2.50 ns") && text.contains("avx2"), "{text}");
        assert!(kernels(&Run::default()).is_none());
    }
}
