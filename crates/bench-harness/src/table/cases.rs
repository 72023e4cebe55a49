//! The cases of the hnsw suite as text: every curve read off at fixed recalls, beside the first one.

use comfy_table::Cell;

use super::{dash, number, plain, speed};
use crate::number::grouped;
use crate::peers::standing::{TARGETS, all_standings};
use crate::record::Record;
use crate::run::Run;

/// All records of cases, or `None` if there are none. `x first` is the speed at recall .95 over that of the first row.
pub fn cases(run: &Run) -> Option<String> {
    let of = |churn: bool| -> Vec<Record> {
        let is_asked = |record: &&Record| {
            record.case.as_deref().is_some_and(|case| (case == "churn") == churn) && !record.is_making()
        };
        run.records.iter().filter(is_asked).cloned().collect()
    };
    let (curves, churn) = (of(false), of(true));
    let mut tables: Vec<String> = Vec::new();
    for standing in all_standings(&curves) {
        let recalls = TARGETS.map(|target| format!("{target}"));
        let mut head = vec!["index"];
        head.extend(recalls.iter().map(String::as_str));
        head.extend([
            "x first",
            "least recall",
            "most",
            "build s",
            "build cpu s",
            "bytes/vector",
            "beside it",
        ]);
        let mut table = plain(&head, 1);
        let first = standing.rows.first().and_then(|row| row.at(0.95));
        for row in &standing.rows {
            let Some(record) = row.records.first() else { continue };
            let over = row.at(0.95).zip(first).map(|(own, first)| own.qps / first.qps);
            let recall =
                |pick: fn(f64, f64) -> f64| row.records.iter().filter_map(|r| r.recall_tie).reduce(pick);
            let bytes = record.index_bytes.map(|bytes| bytes as f64 / record.n.max(1) as f64);
            let own = (record.dim * element_bytes(&record.dtype)) as f64;
            // What a peer saves is its vectors as floats and all else.
            let own = if row.is_peer() { 4.0 * record.dim as f64 } else { own };
            let mut cells = vec![row.name.clone()];
            cells.extend(TARGETS.map(|target| speed(row.at(target))));
            cells.extend([
                over.map_or_else(dash, |over| format!("{over:.2}")),
                number(recall(f64::min), 4),
                number(recall(f64::max), 4),
                number(record.build_s, 2),
                number(record.build_cpu_s, 2),
                number(bytes, 0),
                bytes.map_or_else(dash, |bytes| format!("{:+.0}", bytes - own)),
            ]);
            table.add_row(cells.into_iter().map(Cell::new));
        }
        tables
            .push(format!("{}, {}: queries per second at recall\n{table}", standing.dataset, standing.mode));
    }
    if !churn.is_empty() {
        let mut table =
            plain(&["index", "after", "rows", "recall", "drift", "per second", "time x fresh"], 2);
        for record in &churn {
            table.add_row(vec![
                record.index.clone(),
                record.params.clone(),
                grouped(record.n as u64),
                number(record.recall_tie, 4),
                record.recall_drift.map_or_else(dash, |drift| format!("{drift:+.4}")),
                grouped(record.qps.round() as u64),
                number(record.time_over_fresh, 2),
            ]);
        }
        let name = churn.first().map_or("", |record| &record.dataset);
        tables.push(format!("{name}: change\n{table}"));
    }
    (!tables.is_empty()).then(|| tables.join("\n\n"))
}

/// Bytes of an element.
fn element_bytes(dtype: &str) -> usize {
    match dtype {
        "f64" => 8,
        "f16" | "bf16" => 2,
        "u8" | "i8" => 1,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_stand_beside_the_first_and_change_beside_fresh_builds() {
        let record = |build: &str, recall: f64, qps: f64| Record {
            suite: "hnsw".into(),
            case: Some("parts".into()),
            index: "hnsw".into(),
            build: build.into(),
            dtype: "u8".into(),
            dataset: "set".into(),
            mode: "single".into(),
            n: 10,
            dim: 4,
            index_bytes: Some(640),
            recall_tie: Some(recall),
            qps,
            ..Record::default()
        };
        let mut run = Run::default();
        assert_eq!(cases(&run), None);
        run.records = vec![
            record("-", 0.95, 2000.0),
            record("-", 1.0, 200.0),
            record("degree=16", 0.95, 3000.0),
            Record {
                case: Some("churn".into()),
                params: "round 3 ef=16".into(),
                recall_drift: Some(-0.0012),
                time_over_fresh: Some(1.07),
                ..record("live", 0.93, 900.0)
            },
        ];
        let text = cases(&run).unwrap();
        for part in ["set, single", "degree=16", "1.50", "64", "+60", "round 3 ef=16", "-0.0012", "1.07"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
