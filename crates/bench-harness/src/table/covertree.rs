//! The covertree suite as text: every workload's contenders, their recall beside their speed, brute force as the
//! measure.

use comfy_table::Cell;

use super::{dash, number, plain};
use crate::number::grouped;
use crate::protocol::quartiles;
use crate::record::Record;
use crate::run::Run;

/// All records of the covertree suite, or `None` if there are none. Speeds are medians and ranges of the rounds; `x
/// brute` is the ratio of medians to the brute force of the same workload and neighbours.
pub fn covertree(run: &Run) -> Option<String> {
    let is_search = |record: &&Record| record.suite == "covertree" && !record.is_making();
    let records: Vec<&Record> = run.records.iter().filter(is_search).collect();
    if records.is_empty() {
        return None;
    }
    let mut head = vec!["index", "params", "k", "build ms", "update ms", "recall id", "eps"];
    head.extend(["queries/s", "range", "dist/query", "x brute"]);
    if run.baseline.is_some() {
        head.push("baseline");
    }
    let mut table = plain(&head, 2);
    let mut dataset = String::new();
    for record in &records {
        if record.dataset != dataset {
            dataset.clone_from(&record.dataset);
            let size = format!("[{dataset}]  {} x {}", grouped(record.n as u64), record.dim);
            table.add_row(vec![Cell::new(size)]);
        }
        let brute = records.iter().find(|other| {
            other.index.starts_with("brute-force") && (&other.dataset, other.k) == (&record.dataset, record.k)
        });
        let over = brute.and_then(|brute| Some(median(record)? / median(brute)?));
        let range = |pick: fn(f64, f64) -> f64| record.qps_runs.iter().copied().reduce(pick);
        let millis = |seconds: Option<f64>| number(seconds.map(|seconds| 1e3 * seconds), 1);
        let mut row = vec![
            record.index.clone(),
            record.params.clone(),
            record.k.to_string(),
            millis(record.build_s),
            millis(record.update_s),
            number(record.recall_id, 4),
            number(record.recall_eps, 4),
            median(record).map_or_else(dash, speed),
            match (range(f64::min), range(f64::max)) {
                (Some(least), Some(most)) => format!("{} to {}", speed(least), speed(most)),
                _ => dash(),
            },
            record.distances_per_query.map_or_else(dash, |count| grouped(count.round() as u64)),
            over.map_or_else(dash, |over| format!("{over:.2}")),
        ];
        if let Some((_, baseline)) = &run.baseline {
            row.push(baseline.compare(record).map_or_else(|| "new".to_owned(), |found| found.to_string()));
        }
        table.add_row(row);
    }
    let clock =
        if records.iter().any(|record| record.clock.is_some()) { "time on a core" } else { "time passed" };
    Some(format!("{table}\nspeeds: medians and ranges of the rounds, by {clock}"))
}

fn median(record: &Record) -> Option<f64> {
    quartiles(&record.qps_runs).map(|[_, median, _]| median)
}

fn speed(value: f64) -> String {
    if value >= 100.0 { grouped(value.round() as u64) } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_stand_beside_recall_and_the_ratio_to_brute_force() {
        let record = |index: &str, runs: &[f64]| Record {
            suite: "covertree".into(),
            index: index.into(),
            dataset: "gp-gold-32k".into(),
            k: 50,
            recall_eps: Some(1.0),
            recall_id: Some(0.9987),
            update_s: Some(0.0123),
            qps_runs: runs.to_vec(),
            ..Record::default()
        };
        let mut run = Run::default();
        assert_eq!(covertree(&run), None);
        run.records = vec![record("brute-force", &[100.0, 200.0, 300.0]), record("residual", &[1500.0])];
        let text = covertree(&run).unwrap();
        for part in ["[gp-gold-32k]", "0.9987", "1.0000", "12.3", "100 to 300", "7.50", "1,500"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
