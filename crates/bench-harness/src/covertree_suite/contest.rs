//! Contenders on one workload, timed in turns, their answers judged.

use super::clock::Clock;
use crate::progress::Progress;
use crate::protocol::Threads;
use crate::record::Record;
use crate::reference::Pace;

/// What a batch of queries found: ids, `per_query` places each, unfilled ones `u32::MAX`.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) ids: Vec<u32>,
    pub(super) per_query: usize,
    /// Distances computed for all of them, where that is counted.
    pub(super) distances: Option<u64>,
}

/// What runs a batch of queries, or says why it cannot.
pub(super) type Batch<'a> = Box<dyn FnMut(&mut Found) -> Result<(), String> + Send + 'a>;

/// Recall by id and by distance of what was found.
pub(super) type Judge<'a> = &'a (dyn Fn(&Found) -> (f64, f64) + Sync);

/// One contender: what it is, and a call that answers `record.queries` queries.
pub(super) struct Contender<'a> {
    pub(super) record: Record,
    pub(super) batch: Batch<'a>,
}

/// Times all contenders `rounds` times in turns, after one call each that is judged and not timed.
pub(super) fn contest(
    threads: &Threads,
    rounds: usize,
    contenders: Vec<Contender<'_>>,
    judge: Judge<'_>,
    progress: &dyn Progress,
) -> Result<Vec<Record>, String> {
    threads.pool().install(|| {
        let mut field = Vec::new();
        for Contender { mut record, mut batch } in contenders {
            let mut found = Found::default();
            batch(&mut found)?;
            let (by_id, by_distance) = judge(&found);
            (record.recall_id, record.recall_eps) = (Some(by_id), Some(by_distance));
            record.distances_per_query = found.distances.map(|all| all as f64 / record.queries.max(1) as f64);
            (record.runs, record.threads, record.clock) = (rounds, threads.count(), Clock::name(threads));
            field.push((record, batch, found));
        }
        for _ in 0..rounds {
            let mut before = threads.reference().pace();
            for (record, batch, found) in &mut field {
                before = time_once(threads, record, before, || batch(found))?;
            }
            progress.advance(1);
        }
        Ok(field
            .into_iter()
            .map(|(mut record, ..)| {
                record.qps = record.qps_runs.iter().copied().fold(0.0, f64::max);
                record
            })
            .collect())
    })
}

/// Times work on `record.queries` things once and adds speed and pace to the record. Takes the machine's pace before it and
/// returns the one after.
pub(super) fn time_once(
    threads: &Threads,
    record: &mut Record,
    before: Pace,
    work: impl FnOnce() -> Result<(), String>,
) -> Result<Pace, String> {
    let clock = Clock::start(threads);
    work()?;
    record.qps_runs.push(record.queries as f64 / clock.seconds());
    let after = threads.reference().pace();
    let (pace, by) = (before.between(after), Clock::kind(threads));
    record.pace_near.push(pace.near_by(by));
    record.pace_far.push(pace.far_by(by));
    Ok(after)
}

/// Recall of answers to some queries beside the true ones: `truth(query)` gives the true ids, and `near(query, id)`
/// whether an id lies as near as the last true one, but for rounding. Queries without truth count as right.
pub(super) fn recall_of<'a>(
    found: &Found,
    truth: impl Fn(usize) -> &'a [u32],
    near: impl Fn(usize, u32) -> bool,
) -> (f64, f64) {
    let (mut wanted, mut by_id, mut by_distance) = (0usize, 0usize, 0usize);
    for (query, ids) in found.ids.chunks(found.per_query.max(1)).enumerate() {
        let truth = truth(query);
        wanted += truth.len();
        let mut seen = std::collections::HashSet::new();
        // An id that is given twice is right once.
        let distinct = ids.iter().filter(|&&id| id != u32::MAX && seen.insert(id));
        let distinct: Vec<u32> = distinct.copied().collect();
        by_id += distinct.iter().filter(|id| truth.contains(id)).count();
        let right = distinct.iter().filter(|&&id| truth.contains(&id) || near(query, id)).count();
        by_distance += right.min(truth.len());
    }
    let share = |right: usize| if wanted == 0 { 1.0 } else { right as f64 / wanted as f64 };
    (share(by_id), share(by_distance))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recall_counts_each_id_once_and_ties_as_right() {
        let truth = [vec![1, 2], vec![3, 4]];
        let found = |ids: &[u32]| Found { ids: ids.to_vec(), per_query: 2, distances: None };
        let judge = |ids: &[u32]| recall_of(&found(ids), |query| &truth[query], |_, id| id == 9);
        assert_eq!(judge(&[2, 1, 3, 4]), (1.0, 1.0));
        assert_eq!(judge(&[1, 9, 3, 4]), (0.75, 1.0));
        assert_eq!(judge(&[1, 1, 3, u32::MAX]), (0.5, 0.5));
        assert_eq!(judge(&[7, 8, 7, 8]), (0.0, 0.0));
    }
}
