//! Who is how fast at which recall: curves read off at fixed recalls, and ours beside the best peer.
//!
//! A curve is the Pareto front of a party's search points. Between two points the logarithm of the speed is taken
//! as linear in log(1 − recall), which is about what graphs and inverted lists do. Recall forgives ties.

use crate::record::Record;

/// The recalls that are compared at.
pub const TARGETS: [f64; 4] = [0.90, 0.95, 0.99, 0.999];

/// The speed of a party at a recall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct At {
    /// Queries per second.
    pub qps: f64,
    /// Whether even the cheapest setting finds more than was asked for, so that the speed is a lower bound.
    pub is_bound: bool,
}

/// The points that no other point beats in both recall and speed, by rising recall.
pub fn front(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut sorted: Vec<_> =
        points.iter().copied().filter(|(recall, qps)| recall.is_finite() && *qps > 0.0).collect();
    sorted.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1)));
    let mut fastest = 0.0;
    sorted.retain(|&(_, qps)| {
        let keep = qps > fastest;
        fastest = qps.max(fastest);
        keep
    });
    sorted.reverse();
    sorted
}

/// The speed at a recall of a party with these points (recall, queries per second), or `None` where its curve does
/// not reach that recall.
///
/// ```
/// use bench_harness::peers::standing::at;
/// // Halfway between 0.9 and 0.99 in log(1 - recall) is 0.9684; halfway between the speeds, 200.
/// let speed = at(&[(0.9, 400.0), (0.99, 100.0)], 1.0 - 0.1f64.powf(1.5)).unwrap();
/// assert!((speed.qps - 200.0).abs() < 1e-6 && !speed.is_bound);
/// ```
pub fn at(points: &[(f64, f64)], target: f64) -> Option<At> {
    let front = front(points);
    let (&first, &last) = (front.first()?, front.last()?);
    if last.0 < target {
        return None;
    }
    if first.0 >= target {
        return Some(At { qps: first.1, is_bound: first.0 > target && front.len() > 1 });
    }
    let pair = front.windows(2).find(|pair| pair[0].0 < target && target <= pair[1].0)?;
    let misses = |recall: f64| (1.0 - recall).max(1e-6).ln();
    let (low, high) = (misses(pair[0].0), misses(pair[1].0));
    let share = if high < low { (misses(target) - low) / (high - low) } else { 1.0 };
    let (slow, fast) = (pair[1].1.ln(), pair[0].1.ln());
    Some(At { qps: (fast + share.clamp(0.0, 1.0) * (slow - fast)).exp(), is_bound: false })
}

/// A party's curve on one data set in one mode.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Index, element type and build parameters.
    pub name: String,
    /// Its points, in the order of measurement.
    pub records: Vec<&'a Record>,
}

impl Row<'_> {
    /// Whether it is a peer's.
    pub fn is_peer(&self) -> bool {
        self.records.first().is_some_and(|record| record.peer.is_some())
    }

    /// The speed at a recall, by the best run of every point.
    pub fn at(&self, target: f64) -> Option<At> {
        let points: Vec<_> = self.records.iter().filter_map(|r| Some((recall(r)?, r.qps))).collect();
        at(&points, target)
    }

    /// The same by run number `run` alone; points that have no such run are left out.
    fn at_run(&self, target: f64, run: usize) -> Option<At> {
        let point = |record: &&Record| Some((recall(record)?, *record.qps_runs.get(run)?));
        at(&self.records.iter().filter_map(point).collect::<Vec<_>>(), target)
    }

    fn runs(&self) -> usize {
        self.records.iter().map(|record| record.qps_runs.len()).min().unwrap_or(0)
    }
}

/// What recall is compared by.
fn recall(record: &Record) -> Option<f64> {
    record.recall_tie.or(record.recall_id)
}

/// All parties on one data set in one mode.
#[derive(Clone, Debug)]
pub struct Standing<'a> {
    /// The data set.
    pub dataset: &'a str,
    /// `single` or `batch`.
    pub mode: &'a str,
    /// Ours first, then the peers, each in the order of measurement.
    pub rows: Vec<Row<'a>>,
}

/// One of ours beside the best peer at one recall.
#[derive(Clone, Debug, PartialEq)]
pub struct Ratio {
    /// The peer's name.
    pub peer: String,
    /// Our speed over the peer's: the median over the rounds.
    pub median: f64,
    /// The smallest ratio of a round.
    pub low: f64,
    /// The largest one.
    pub high: f64,
}

impl Standing<'_> {
    /// The peer that is fastest at a recall.
    pub fn best_peer(&self, target: f64) -> Option<(&Row<'_>, At)> {
        self.rows
            .iter()
            .filter(|row| row.is_peer())
            .filter_map(|row| Some((row, row.at(target)?)))
            .max_by(|a, b| a.1.qps.total_cmp(&b.1.qps))
    }

    /// A row's speed over that of the best peer at a recall, round by round. `None` where either curve ends before.
    pub fn ratio(&self, row: &Row<'_>, target: f64) -> Option<Ratio> {
        let (best, speed) = self.best_peer(target)?;
        let own = row.at(target)?;
        let rounds = row.runs().min(best.runs());
        let mut ratios: Vec<f64> = (0..rounds)
            .filter_map(|run| Some(row.at_run(target, run)?.qps / best.at_run(target, run)?.qps))
            .collect();
        if ratios.is_empty() {
            ratios.push(own.qps / speed.qps);
        }
        ratios.sort_by(f64::total_cmp);
        let middle = ratios.len() / 2;
        let median = if ratios.len().is_multiple_of(2) {
            (ratios[middle - 1] + ratios[middle]) / 2.0
        } else {
            ratios[middle]
        };
        Some(Ratio { peer: best.name.clone(), median, low: ratios[0], high: ratios[ratios.len() - 1] })
    }
}

/// The standings of a run: one for every data set and mode in which peers were measured.
pub fn standings(records: &[Record]) -> Vec<Standing<'_>> {
    let mut standings = all_standings(records);
    standings.retain(|standing| standing.rows.iter().any(Row::is_peer));
    standings
}

/// One for every data set and mode, with peers or without.
pub(crate) fn all_standings(records: &[Record]) -> Vec<Standing<'_>> {
    let mut standings: Vec<Standing<'_>> = Vec::new();
    for record in records.iter().filter(|record| record.suite != "kernels") {
        let place = standings.iter().position(|s| s.dataset == record.dataset && s.mode == record.mode);
        let place = place.unwrap_or_else(|| {
            standings.push(Standing { dataset: &record.dataset, mode: &record.mode, rows: Vec::new() });
            standings.len() - 1
        });
        let rows = &mut standings[place].rows;
        match rows.iter_mut().find(|row| row.records.first().is_some_and(|first| same_curve(first, record))) {
            Some(row) => row.records.push(record),
            None => rows.push(Row { name: curve_name(record), records: vec![record] }),
        }
    }
    for standing in &mut standings {
        standing.rows.sort_by_key(Row::is_peer);
    }
    standings
}

/// Whether two records are points of one curve.
pub(crate) fn same_curve(a: &Record, b: &Record) -> bool {
    (&a.index, &a.peer, &a.dtype, &a.build) == (&b.index, &b.peer, &b.dtype, &b.build)
}

/// What a curve is called: its index and element type; for ours the build parameters too, since ours may be several.
pub(crate) fn curve_name(record: &Record) -> String {
    match (&record.peer, record.build.as_str()) {
        (None, "" | "-") | (Some(_), _) => format!("{} {}", record.index, record.dtype),
        (None, build) => format!("{} {} {build}", record.index, record.dtype),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_is_what_nothing_beats_in_both() {
        let points = [(0.9, 100.0), (0.95, 80.0), (0.95, 90.0), (0.94, 50.0), (0.99, 10.0), (0.8, 100.0)];
        assert_eq!(front(&points), [(0.9, 100.0), (0.95, 90.0), (0.99, 10.0)]);
        assert!(front(&[(f64::NAN, 1.0), (0.5, 0.0)]).is_empty());
    }

    #[test]
    fn speeds_are_read_off_between_points_and_bounds_are_marked() {
        let points = [(0.92, 1000.0), (0.99, 100.0), (1.0, 10.0)];
        let speed = at(&points, 0.95).unwrap();
        // log(1 - r): (ln .05 - ln .08) / (ln .01 - ln .08) of the way from 1000 to 100.
        let share = (0.05f64.ln() - 0.08f64.ln()) / (0.01f64.ln() - 0.08f64.ln());
        assert!((speed.qps / (1000.0 * 10f64.powf(-share)) - 1.0).abs() < 1e-12 && !speed.is_bound);
        let on_a_point = at(&points, 0.99).unwrap();
        assert!((on_a_point.qps - 100.0).abs() < 1e-9 && !on_a_point.is_bound);
        assert_eq!(at(&points, 0.90), Some(At { qps: 1000.0, is_bound: true }));
        // Perfect recall counts as a miss in a million, so that the logarithm exists.
        let near = at(&points, 0.999).unwrap().qps;
        assert!(near > 10.0 && near < 100.0, "{near}");
        assert_eq!(at(&points[..2], 0.999), None);
        assert_eq!(at(&[], 0.5), None);
        assert_eq!(
            at(&[(1.0, 5.0)], 0.9),
            Some(At { qps: 5.0, is_bound: false }),
            "exact: no cheaper setting"
        );
    }

    fn record(index: &str, peer: Option<&str>, recall: f64, runs: [f64; 3]) -> Record {
        Record {
            suite: "exact".into(),
            index: index.into(),
            peer: peer.map(str::to_owned),
            dtype: "f32".into(),
            dataset: "set".into(),
            mode: "single".into(),
            recall_id: Some(0.1),
            recall_tie: Some(recall),
            qps: runs.into_iter().fold(0.0, f64::max),
            qps_runs: runs.to_vec(),
            ..Record::default()
        }
    }

    #[test]
    fn ours_stand_first_and_are_compared_with_the_best_peer_round_by_round() {
        let records = [
            record("peer:a", Some("a 1"), 0.9, [100.0, 200.0, 100.0]),
            record("ours", None, 0.96, [300.0, 300.0, 150.0]),
            record("peer:a", Some("a 1"), 0.99, [10.0, 10.0, 10.0]),
            record("peer:b", Some("b 1"), 0.9, [150.0, 100.0, 50.0]),
            Record { suite: "kernels".into(), ..Record::default() },
            Record { dataset: "other".into(), ..record("ours", None, 1.0, [1.0; 3]) },
        ];
        let standings = standings(&records);
        assert_eq!(standings.len(), 1, "a set without peers has no standing");
        let standing = &standings[0];
        let names: Vec<_> = standing.rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["ours f32", "peer:a f32", "peer:b f32"]);
        let ratio = standing.ratio(&standing.rows[0], 0.9).unwrap();
        // Rounds: 300 / 100, 300 / 200, 150 / 100.
        assert_eq!(ratio, Ratio { peer: "peer:a f32".into(), median: 1.5, low: 1.5, high: 3.0 });
        assert_eq!(standing.ratio(&standing.rows[0], 0.99), None, "ours does not reach it");
        assert_eq!(standing.best_peer(0.999).map(|_| ()), None);
    }
}
