//! Ours beside the peers: who wins where, losses shown as plainly as wins.

use std::fmt::Write;

use super::svg::escape;
use crate::number::short;
use crate::peers::standing::{Row, Standing, TARGETS, standings};
use crate::record::Record;
use crate::run::Run;
use crate::table::{dash, number, speed, times};

/// The section, or nothing without peers.
pub(super) fn section(run: &Run) -> String {
    let standings = standings(&run.records);
    if standings.is_empty() {
        return String::new();
    }
    let body: String = standings.iter().map(table).collect();
    super::section(
        "peers",
        "Beside other libraries",
        "Queries per second at equal recall, one thread, all measured in turns in the same run. Under each of ours \
         stands its speed over that of the best peer: the median over the rounds, with the smallest and the largest. \
         Between measured points speeds are read off the curve (log QPS linear in log(1 − recall), ties forgiven). \
         “-”: the curve ends before that recall. “>”: even the cheapest setting finds more. Circumstances has a note \
         on every peer, and those that could not be had.",
        &body,
    )
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
        // Worse and better only where all rounds agree.
        let (class, words) = match ratio {
            Some(ratio) if ratio.low > 1.0 => ("won", times(ratio)),
            Some(ratio) if ratio.high < 1.0 => ("lost", times(ratio)),
            Some(ratio) => ("even", times(ratio)),
            None => ("even", dash()),
        };
        let _ = write!(text, "<td class=\"{class}\">{}</td>", escape(&words));
    }
    text.push_str("<td colspan=\"4\"></td></tr>\n");
}
