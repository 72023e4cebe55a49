//! Ours beside the peers: who wins where, losses shown as plainly as wins.

use std::fmt::Write;

use super::svg::escape;
use crate::number::short;
use crate::peers::standing::{Ratio, Row, Standing, TARGETS, standings};
use crate::record::Record;
use crate::run::Run;
use crate::table::{dash, number, speed};

/// The section, or nothing without peers.
pub(super) fn section(run: &Run) -> String {
    let standings = standings(&run.records);
    if standings.is_empty() {
        return String::new();
    }
    let mut body = wins(&standings);
    body.push_str(&standings.iter().map(table).collect::<String>());
    super::section(
        "peers",
        "Who wins where",
        "First the best of ours beside the best peer at each recall: above 1 ours is faster, below 1 the peer is; green \
         and red only where all rounds agree. Then every index. Queries per second at equal recall, one thread, all measured in turns in the same run. Under each of ours \
         stands its speed over that of the best peer: the median over the rounds, with the smallest and the largest. \
         Between measured points speeds are read off the curve (log QPS linear in log(1 − recall), ties forgiven). \
         “-”: the curve ends before that recall. “>”: even the cheapest setting finds more. Circumstances has a note \
         on every peer, and those that could not be had.",
        &body,
    )
}

/// The best of ours over the best peer, one line a data set and mode.
fn wins(standings: &[Standing<'_>]) -> String {
    let mut text = String::from(
        "<div class=\"scroll\">\n<table class=\"wins\">\n<thead><tr><th class=\"l\">recall</th>",
    );
    for target in TARGETS {
        let _ = write!(text, "<th>{target}</th>");
    }
    text.push_str("</tr></thead>\n<tbody>\n");
    for standing in standings {
        let _ = write!(
            text,
            "<tr><td class=\"l\">{}<small>{}</small></td>",
            escape(standing.dataset),
            standing.mode
        );
        for target in TARGETS {
            let (class, figure, who) = win(standing, target);
            let _ = write!(
                text,
                "<td class=\"{class}\"><b>{}</b><small>{}</small></td>",
                escape(&figure),
                escape(&who)
            );
        }
        text.push_str("</tr>\n");
    }
    text.push_str("</tbody>\n</table>\n</div>\n");
    text
}

/// Class, figure and words of a cell of [`wins`].
fn win(standing: &Standing<'_>, target: f64) -> (&'static str, String, String) {
    let ours = standing.rows.iter().filter(|row| !row.is_peer());
    // By the ratio, which is taken round by round: the speed of one quick moment makes no winner.
    let median = |row| standing.ratio(row, target).map_or(0.0, |ratio| ratio.median);
    let best = ours
        .filter_map(|row| Some((row, median(row), row.at(target)?.qps)))
        .max_by(|a, b| a.1.total_cmp(&b.1).then(a.2.total_cmp(&b.2)))
        .map(|(row, ..)| row);
    let peer = standing.best_peer(target).map(|(row, _)| library(&row.name).to_owned());
    match (best, peer) {
        (Some(row), Some(peer)) => match standing.ratio(row, target) {
            Some(ratio) => {
                (verdict(&ratio), format!("{}x", short(ratio.median)), format!("{} over {peer}", row.name))
            }
            None => ("even", dash(), String::new()),
        },
        (Some(row), None) => ("won", "ours alone".to_owned(), row.name.clone()),
        (None, Some(peer)) => ("lost", "theirs alone".to_owned(), peer),
        (None, None) => ("even", dash(), String::new()),
    }
}

/// Of a peer's name the library; its codes stand in the table of all.
pub(super) fn library(name: &str) -> &str {
    name.trim_start_matches("peer:").split(' ').next().unwrap_or_default()
}

/// The median ratio with the smallest and the largest; the peer's name stands in the table above.
fn range(ratio: &Ratio) -> String {
    format!("{}x ({} to {})", short(ratio.median), short(ratio.low), short(ratio.high))
}

/// Worse and better only where all rounds agree.
fn verdict(ratio: &Ratio) -> &'static str {
    match ratio {
        ratio if ratio.low > 1.0 => "won",
        ratio if ratio.high < 1.0 => "lost",
        _ => "even",
    }
}

fn table(standing: &Standing<'_>) -> String {
    let mut text = String::from("<div class=\"scroll\">\n<table>\n<thead><tr><th class=\"l\">index</th>");
    let recalls = TARGETS.map(|target| format!("at {target}"));
    for column in recalls.iter().map(String::as_str).chain(["build s", "MiB", "grown MiB", "timed"]) {
        let _ = write!(text, "<th>{column}</th>");
    }
    let columns = TARGETS.len() + 5;
    let head = format!("{}, {}", standing.dataset, standing.mode);
    let _ = writeln!(
        text,
        "</tr></thead>\n<tbody>\n<tr class=\"group\"><td colspan=\"{columns}\">{}</td></tr>",
        escape(&head)
    );
    for row in &standing.rows {
        line(&mut text, row, standing);
    }
    text.push_str("</tbody>\n</table>\n</div>\n");
    text
}

fn line(text: &mut String, row: &Row<'_>, standing: &Standing<'_>) {
    let first = row.records.first();
    let library = first.and_then(|record| record.peer.as_deref()).unwrap_or("ours");
    let _ = write!(text, "<tr><td class=\"l\" title=\"{}\">{}</td>", escape(library), escape(&row.name));
    let fastest = TARGETS
        .map(|target| standing.rows.iter().filter_map(|row| Some(row.at(target)?.qps)).fold(0.0, f64::max));
    for (target, fastest) in TARGETS.into_iter().zip(fastest) {
        let at = row.at(target);
        let (open, close) = if at.is_some_and(|at| at.qps >= fastest) { ("<b>", "</b>") } else { ("", "") };
        let _ = write!(text, "<td>{open}{}{close}</td>", escape(&speed(at)));
    }
    let bytes = |of: fn(&Record) -> Option<u64>| {
        first.and_then(|r| of(r)).map_or_else(dash, |bytes| short(bytes as f64 / f64::from(1 << 20)))
    };
    let build = number(first.and_then(|record| record.build_s), 2);
    let how = first.and_then(|record| record.how.clone()).unwrap_or_else(|| standing.mode.to_owned());
    let (index, grown) = (bytes(|record| record.index_bytes), bytes(|record| record.resident_bytes));
    let _ = writeln!(text, "<td>{build}</td><td>{index}</td><td>{grown}</td><td>{}</td></tr>", escape(&how));
    if row.is_peer() {
        return;
    }
    let ratios = TARGETS.map(|target| standing.ratio(row, target));
    if ratios.iter().all(Option::is_none) {
        return;
    }
    text.push_str("<tr><td class=\"l ratio\">over the best peer</td>");
    for ratio in &ratios {
        let (class, words) =
            ratio.as_ref().map_or_else(|| ("even", dash()), |ratio| (verdict(ratio), range(ratio)));
        let _ = write!(text, "<td class=\"{class}\">{}</td>", escape(&words));
    }
    text.push_str("<td colspan=\"4\"></td></tr>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(index: &str, peer: bool, recall: f64, qps: f64) -> Record {
        Record {
            suite: if peer { "peers" } else { "hnsw" }.into(),
            index: index.into(),
            peer: peer.then(|| "library 1".to_owned()),
            dtype: "f32".into(),
            dataset: "set".into(),
            mode: "single".into(),
            recall_tie: Some(recall),
            qps,
            qps_runs: vec![qps; 2],
            ..Record::default()
        }
    }

    #[test]
    fn losses_stand_as_plainly_as_wins() {
        let records = [
            record("hnsw", false, 0.91, 300.0),
            record("hnsw", false, 0.96, 50.0),
            record("peer:a", true, 0.91, 100.0),
            record("peer:a", true, 0.96, 100.0),
            record("peer:a", true, 0.992, 100.0),
        ];
        let standings = standings(&records);
        let cells = TARGETS.map(|target| win(&standings[0], target));
        assert_eq!((cells[0].0, cells[0].1.as_str()), ("won", "3x"));
        assert_eq!(cells[0].2, "hnsw f32 over a");
        assert_eq!(cells[1].0, "lost");
        assert_eq!((cells[2].0, cells[2].1.as_str()), ("lost", "theirs alone"));
        assert_eq!((cells[3].0, cells[3].1.as_str()), ("even", "-"));
        let text = wins(&standings);
        assert!(text.contains("class=\"won\"") && text.contains("class=\"lost\""), "{text}");
    }
}
