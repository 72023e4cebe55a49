//! Ours beside the peers: queries per second at fixed recalls, and the ratio to the best peer.

use comfy_table::Cell;

use super::{dash, number, plain};
use crate::number::{grouped, short};
use crate::peers::standing::{At, Ratio, Row, Standing, TARGETS, standings};
use crate::record::Record;
use crate::run::Run;

/// One table for every data set and mode in which peers were measured, or `None`.
pub fn peers(run: &Run) -> Option<String> {
    let tables: Vec<String> = standings(&run.records).iter().map(table).collect();
    if tables.is_empty() {
        return None;
    }
    let clock = match run.records.iter().any(|record| record.clock.is_some()) {
        true => " Speeds and build times are by CPU time.",
        false => "",
    };
    Some(format!(
        "{}\n- the curve ends before that recall; > even the cheapest setting finds more, so a lower bound. Ratios are \
         medians over the rounds (smallest to largest). Speeds between measured points are read off the curve, log QPS \
         linear in log(1 - recall); recall forgives ties.{clock}",
        tables.join("\n\n")
    ))
}

fn table(standing: &Standing<'_>) -> String {
    let recalls = TARGETS.map(|target| format!("{target}"));
    let mut head = vec!["index"];
    head.extend(recalls.iter().map(String::as_str));
    head.extend(["build s", "MiB", "grown MiB", "timed"]);
    let mut table = plain(&head, 1);
    for row in &standing.rows {
        let first = row.records.first();
        let bytes = |of: fn(&Record) -> Option<u64>| {
            first.and_then(|r| of(r)).map_or_else(dash, |bytes| short(bytes as f64 / f64::from(1 << 20)))
        };
        let mut cells = vec![row.name.clone()];
        cells.extend(TARGETS.map(|target| speed(row.at(target))));
        cells.push(number(first.and_then(|record| record.build_s), 2));
        cells.push(bytes(|record| record.index_bytes));
        cells.push(bytes(|record| record.resident_bytes));
        cells.push(how(row, standing.mode));
        table.add_row(cells.into_iter().map(Cell::new));
        if !row.is_peer() && TARGETS.iter().any(|&target| standing.ratio(row, target).is_some()) {
            let mut cells = vec!["  over the best peer".to_owned()];
            cells.extend(TARGETS.map(|target| standing.ratio(row, target).map_or_else(dash, |r| times(&r))));
            table.add_row(cells.into_iter().map(Cell::new));
        }
    }
    format!("{}, {}: queries per second at recall\n{table}", standing.dataset, standing.mode)
}

fn how(row: &Row<'_>, mode: &str) -> String {
    let how = row.records.first().and_then(|record| record.how.clone());
    how.unwrap_or_else(|| if mode == "batch" { "one call" } else { "a call a query" }.to_owned())
}

/// A speed at a recall: `12,345`, `>12,345` for a lower bound, `-` where the curve ends before.
pub(crate) fn speed(at: Option<At>) -> String {
    at.map_or_else(dash, |at| {
        let sign = if at.is_bound { ">" } else { "" };
        format!("{sign}{}", grouped(at.qps.round() as u64))
    })
}

/// A ratio with its range and the peer: `1.52x glass (1.48 to 1.55)`.
fn times(ratio: &Ratio) -> String {
    let digits = |value: f64| if value < 0.1 { format!("{value:.4}") } else { format!("{value:.2}") };
    let peer = ratio.peer.trim_start_matches("peer:").split(' ').next().unwrap_or_default();
    format!("{}x {peer} ({} to {})", digits(ratio.median), digits(ratio.low), digits(ratio.high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_speeds_bounds_gaps_and_ratios() {
        let record = |index: &str, peer: Option<&str>, recall, qps| Record {
            suite: "exact".into(),
            index: index.into(),
            peer: peer.map(str::to_owned),
            how: peer.map(|_| "native loop".to_owned()),
            dtype: "f32".into(),
            dataset: "set".into(),
            mode: "single".into(),
            recall_id: Some(recall),
            qps,
            qps_runs: vec![qps * 0.9, qps],
            resident_bytes: peer.map(|_| 3 << 20),
            ..Record::default()
        };
        let mut run = Run {
            records: vec![
                record("ours", None, 0.93, 9000.0),
                record("ours", None, 0.9995, 3000.0),
                record("peer:glass", Some("glass 2"), 0.9, 10_000.0),
                record("peer:glass", Some("glass 2"), 0.99, 1000.0),
            ],
            ..Run::default()
        };
        let text = peers(&run).unwrap();
        for part in
            ["set, single", ">9,000", "10,000", "x glass (", "native loop", "a call a query", "grown MiB"]
        {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let last = |name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
        assert!(last("peer:glass").contains("-"), "glass does not reach .999:\n{text}");
        run.records.truncate(2);
        assert_eq!(peers(&run), None, "no peers, no table");
    }
}
