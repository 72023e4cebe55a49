//! Change: rounds of complete turnover beside fresh builds of the same rows, then readers beside a writer, who check
//! every answer.
//!
//! The data set is cut in halves: one is there, the other comes while it goes.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use ::hnsw::{
    BuildParams, Hnsw, LiveHnsw, LiveParams, LiveSearcher, Metric as GraphMetric, Readers, SearchParams,
    Searcher,
};
use simd_kernels::{Element, Rows};

use super::Measured;
use crate::dataset::{Dataset, Metric};
use crate::graph_engine::Searched;
use crate::progress::Progress;
use crate::protocol::cpu_seconds;
use crate::record::Record;
use crate::run::{RunError, Settings};
use crate::truth::{self, Oracle};
use crate::vectors::{Matrix, Vectors};

/// Candidates that recall is measured with.
const EFS: [usize; 3] = [16, 32, 64];
/// Rounds of turnover.
const ROUNDS: usize = 5;
/// Queries at most.
const QUERIES: usize = 500;
/// Times that each side of a comparison is measured.
const TIMES: usize = 3;
/// Candidates of the readers beside the writer.
const EF_BESIDE: usize = 64;
/// Seconds of readers beside a writer, and those of a quick run.
const SECONDS: [f64; 2] = [60.0, 2.0];
/// By how much a distance may differ from the oracle's, relatively.
const ROUNDING: f64 = 1e-4;

/// Measures the case, in the set's own element type.
pub(super) fn measure(
    settings: &Settings,
    dataset: &Dataset,
    progress: &dyn Progress,
) -> Result<Measured, RunError> {
    match &dataset.base {
        Vectors::F32(base) => churn(settings, dataset, base, progress),
        Vectors::F16(base) => churn(settings, dataset, base, progress),
        Vectors::Bf16(base) => churn(settings, dataset, base, progress),
        Vectors::U8(base) => churn(settings, dataset, base, progress),
        Vectors::I8(base) => churn(settings, dataset, base, progress),
        Vectors::Bits { data, .. } => churn(settings, dataset, data, progress),
        Vectors::F64(_) => Err(wrong(dataset, "f64 vectors are not searched")),
    }
}

fn wrong(dataset: &Dataset, reason: impl ToString) -> RunError {
    RunError::Wrong { dataset: dataset.name.clone(), reason: reason.to_string() }
}

/// One side of a comparison: recall, and seconds a query.
type Side = (f64, f64);

/// The two halves, and what is known of each.
struct Halves<'a, T: Element> {
    base: Rows<'a, T>,
    queries: Rows<'a, T>,
    rows: usize,
    k: usize,
    metric: GraphMetric,
    fresh: [Hnsw<T>; 2],
    /// The true k-th distance of every query, as the index counts it.
    limits: [Vec<f64>; 2],
}

impl<T: Element> Halves<'_, T> {
    fn range(&self, half: usize) -> Range<usize> {
        half * self.rows..(half + 1) * self.rows
    }

    fn vectors(&self, range: Range<usize>) -> Result<Rows<'_, T>, ::hnsw::Error> {
        let (start, end) = (range.start, range.end);
        let count = self.base.len();
        let none = || ::hnsw::Error::Dimension { argument: "rows", expected: count, actual: end };
        self.base.slice(start, end).ok_or_else(none)
    }

    /// Recall and time of all queries by `search`, which tells of distances.
    fn run(
        &self,
        half: usize,
        mut search: impl FnMut(&[T], &mut Vec<f32>) -> Result<(), ::hnsw::Error>,
    ) -> Result<Side, ::hnsw::Error> {
        let (mut hits, mut found) = (0, Vec::new());
        let (wall, cpu) = (Instant::now(), cpu_seconds());
        for (query, limit) in self.queries.iter().zip(&self.limits[half]) {
            found.clear();
            search(query, &mut found)?;
            hits += found.iter().filter(|&&distance| f64::from(distance) <= *limit).count();
        }
        let passed = wall.elapsed().as_secs_f64();
        let seconds = cpu_seconds().zip(cpu).map_or(passed, |(end, begin)| end - begin);
        let queries = self.queries.len() as f64;
        Ok((hits as f64 / (queries * self.k as f64), seconds / queries))
    }

    fn live(&self, index: &LiveHnsw<T>, half: usize, ef: usize) -> Result<Side, ::hnsw::Error> {
        let (mut searcher, mut reader) = (LiveSearcher::new()?, index.readers().reader()?);
        self.run(half, |query, found| {
            let all = reader.search(&mut searcher, query, &SearchParams::new(self.k, ef))?;
            found.extend(all.iter().map(|found| found.distance));
            Ok(())
        })
    }

    fn frozen(&self, half: usize, ef: usize) -> Result<Side, ::hnsw::Error> {
        let mut searcher = Searcher::new()?;
        self.run(half, |query, found| {
            let all = self.fresh[half].search(&mut searcher, query, &SearchParams::new(self.k, ef))?;
            found.extend(all.iter().map(|found| found.distance));
            Ok(())
        })
    }
}

fn churn<T: Searched>(
    settings: &Settings,
    dataset: &Dataset,
    base: &Matrix<T>,
    progress: &dyn Progress,
) -> Result<Measured, RunError> {
    let refuse = |error: ::hnsw::Error| wrong(dataset, error);
    let metric = match dataset.metric {
        Metric::L2 => GraphMetric::L2,
        Metric::InnerProduct => GraphMetric::InnerProduct,
        Metric::Cosine => GraphMetric::Cosine,
        Metric::Hamming => GraphMetric::Hamming,
        metric => return Err(wrong(dataset, format!("hnsw does not search by {metric}"))),
    };
    let few = dataset.queries.prefix(QUERIES);
    let queries = T::queries(&few).ok_or_else(|| wrong(dataset, "queries and base differ in type"))?;
    let queries = queries.rows().map_err(|error| wrong(dataset, error))?;
    let base = base.rows().map_err(|error| wrong(dataset, error))?;
    let (rows, build) = (base.len() / 2, BuildParams::new());
    let k = settings.k.min(rows);
    let keys: Vec<u64> = (0..2 * rows as u64).collect();
    progress.start(&format!("fresh builds and truth of halves of {}", dataset.name), 0);
    let half = |half: usize| -> Result<(Hnsw<T>, Vec<f64>), RunError> {
        let ids: Vec<u32> = (half * rows..(half + 1) * rows).map(|row| row as u32).collect();
        let part = dataset.base.select(&ids).map_err(|_| wrong(dataset, "a row is missing"))?;
        let part = Dataset { base: part, queries: few.clone(), truth: None, ..dataset.clone() };
        let error = |error| RunError::Truth { dataset: dataset.name.clone(), error };
        let truth = truth::exact(&part, k, progress).map_err(error)?;
        let limit = |query: usize| {
            let farthest = truth.query(query).and_then(|(_, distances)| distances.last().copied());
            let farthest = farthest.unwrap_or(f64::NEG_INFINITY);
            let counted = if metric == GraphMetric::L2 { farthest * farthest } else { farthest };
            counted + ROUNDING * counted.abs() * 0.01
        };
        let vectors = base.slice(half * rows, (half + 1) * rows).unwrap_or(base);
        let fresh = Hnsw::build(vectors, metric, &build).map_err(refuse)?;
        Ok((fresh, (0..few.len()).map(limit).collect()))
    };
    let ((first, limits), (second, others)) = (half(0)?, half(1)?);
    let halves = Halves { base, queries, rows, k, metric, fresh: [first, second], limits: [limits, others] };
    progress.finish();

    let params = LiveParams::new(build.clone());
    let bulk =
        Hnsw::build(halves.vectors(halves.range(0)).map_err(refuse)?, metric, &build).map_err(refuse)?;
    let mut index = LiveHnsw::from_frozen(bulk, &keys[..rows], &params).map_err(refuse)?;
    let mut records = Vec::new();
    let record = |name: &str, params: String, (recall, seconds): Side| Record {
        suite: "hnsw".to_owned(),
        index: name.to_owned(),
        params,
        dataset: dataset.name.clone(),
        metric: dataset.metric.name().to_owned(),
        dtype: dataset.base.dtype().name().to_owned(),
        n: rows,
        dim: dataset.base.dim(),
        k,
        threads: 1,
        mode: "single".to_owned(),
        queries: few.len(),
        runs: TIMES,
        recall_tie: Some(recall),
        qps: 1.0 / seconds.max(1e-12),
        qps_runs: vec![1.0 / seconds.max(1e-12)],
        ..Record::default()
    };
    let rate = |params: &str, count: usize, seconds: f64| Record {
        recall_tie: None,
        ..record("hnsw-live", params.to_owned(), (0.0, seconds / count.max(1) as f64))
    };
    let judge = |name: &str, index: &LiveHnsw<T>, half: usize, records: &mut Vec<Record>| {
        let unreachable = index.snapshot().unreachable();
        if unreachable > 0 || index.len() != rows {
            return Err(wrong(dataset, format!("{name}: {unreachable} of {} unreachable", index.len())));
        }
        for ef in EFS {
            let mut times = [(); TIMES].map(|()| (f64::INFINITY, f64::INFINITY));
            let (mut live, mut frozen) = (0.0, 0.0);
            for time in &mut times {
                let (one, other) = (halves.live(index, half, ef), halves.frozen(half, ef));
                let (one, other) = (one.map_err(refuse)?, other.map_err(refuse)?);
                (live, frozen, *time) = (one.0, other.0, (one.1, other.1));
            }
            let least = |pick: fn(&Side) -> f64| times.iter().map(pick).fold(f64::INFINITY, f64::min);
            let (seconds, fresh) = (least(|time| time.0), least(|time| time.1));
            records.push(Record {
                recall_drift: Some(live - frozen),
                time_over_fresh: Some(seconds / fresh),
                ..record("hnsw-live", format!("{name} ef={ef}"), (live, seconds))
            });
        }
        Ok(())
    };
    judge("thawed", &index, 0, &mut records)?;
    progress.start(&format!("turnover of {}", dataset.name), ROUNDS as u64);
    let step = (rows / 10).max(1);
    for round in 1..=ROUNDS {
        let (from, to) = if round % 2 == 1 { (0, rows) } else { (rows, 0) };
        let (mut removing, mut inserting) = (0.0, 0.0);
        for at in (0..rows).step_by(step) {
            let end = (at + step).min(rows);
            let begun = Instant::now();
            index.remove_batch(&keys[from + at..from + end]).map_err(refuse)?;
            removing += begun.elapsed().as_secs_f64();
            let begun = Instant::now();
            let come = halves.vectors(to + at..to + end).map_err(refuse)?;
            index.insert_batch(&keys[to + at..to + end], come).map_err(refuse)?;
            inserting += begun.elapsed().as_secs_f64();
        }
        judge(&format!("round {round}"), &index, usize::from(round % 2 == 1), &mut records)?;
        records.push(rate(&format!("round {round}, rows removed in batches"), rows, removing));
        records.push(rate(&format!("round {round}, rows inserted in batches"), rows, inserting));
        progress.advance(1);
    }
    progress.finish();
    one_by_one(&halves, &keys, &params, &mut records, rate).map_err(refuse)?;
    let seconds = SECONDS[usize::from(settings.quick)];
    let whole = Dataset { queries: few.clone(), truth: None, ..dataset.clone() };
    progress.start(&format!("{seconds} s of readers beside a writer on {}", dataset.name), 0);
    let (searches, versions) = beside(&halves, &whole, &mut index, &keys, seconds)?;
    progress.finish();
    records.push(rate(
        &format!("searches of 2 readers beside a writer, {seconds} s"),
        searches as usize,
        seconds,
    ));
    records.push(rate(&format!("versions of that writer, {seconds} s"), versions as usize, seconds));
    let unreachable = index.snapshot().unreachable();
    let notice = format!(
        "{}: {searches} searches beside {versions} versions, every result sorted, unique, at its true distance and, of a \
         snapshot, in it; unreachable afterwards {unreachable}",
        dataset.name
    );
    Ok((records, vec![notice]))
}

/// Single inserts and removals, each published.
fn one_by_one<T: Element>(
    halves: &Halves<'_, T>,
    keys: &[u64],
    params: &LiveParams,
    records: &mut Vec<Record>,
    rate: impl Fn(&str, usize, f64) -> Record,
) -> Result<(), ::hnsw::Error> {
    let (rows, count) = (halves.rows, 2000.min(halves.rows));
    let bulk = Hnsw::build(halves.vectors(halves.range(1))?, halves.metric, &BuildParams::new())?;
    let mut index = LiveHnsw::from_frozen(bulk, &keys[rows..], &params.clone().compact_at(None))?;
    let begun = Instant::now();
    for key in 0..count {
        index.insert(key as u64, halves.base.row(key).unwrap_or_default())?;
    }
    records.push(rate("single rows inserted, each published", count, begun.elapsed().as_secs_f64()));
    let begun = Instant::now();
    for key in 0..count {
        index.remove(key as u64)?;
    }
    records.push(rate("single rows removed, each published", count, begun.elapsed().as_secs_f64()));
    Ok(())
}

/// A writer that goes round and round, and two readers that check every answer. Returns how many searches and
/// versions there were.
fn beside<T: Element>(
    halves: &Halves<'_, T>,
    dataset: &Dataset,
    index: &mut LiveHnsw<T>,
    keys: &[u64],
    seconds: f64,
) -> Result<(u64, u64), RunError> {
    let refuse = |error: ::hnsw::Error| wrong(dataset, error);
    let oracle = Oracle::new(dataset.metric, &dataset.base, &dataset.queries)
        .map_err(|error| RunError::Truth { dataset: dataset.name.clone(), error })?;
    let (stop, searches, fault) = (AtomicBool::new(false), AtomicU64::new(0), Mutex::new(None));
    let (readers, rows, mut turn) = (index.readers(), halves.rows, 0);
    let written = std::thread::scope(|scope| {
        for seed in 0..2usize {
            let (readers, stop, searches, fault, oracle) =
                (readers.clone(), &stop, &searches, &fault, &oracle);
            scope.spawn(move || {
                if let Err(reason) = read(halves, oracle, &readers, (stop, searches), seed * 37) {
                    *fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
                    stop.store(true, Ordering::Relaxed);
                }
            });
        }
        let begun = Instant::now();
        let mut write = || {
            while begun.elapsed().as_secs_f64() < seconds && !stop.load(Ordering::Relaxed) {
                // Single ones, batches and replacements by turns; all of one half goes, all of the other comes.
                let size = [1, 1, 1, 50, 1, 400][turn % 6];
                let start = turn * 127 % rows;
                let end = (start + size).min(rows);
                let (gone, come) = if turn % 2 == 0 { (rows, 0) } else { (0, rows) };
                index.remove_batch(&keys[gone + start..gone + end])?;
                index.upsert_batch(
                    &keys[come + start..come + end],
                    halves.vectors(come + start..come + end)?,
                )?;
                turn += 1;
            }
            Ok(())
        };
        let written = write();
        stop.store(true, Ordering::Relaxed);
        written
    });
    written.map_err(refuse)?;
    match fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(reason) => Err(wrong(dataset, reason)),
        None => Ok((searches.into_inner(), 2 * turn as u64)),
    }
}

/// Searches until told to stop; the reason if an answer is wrong.
fn read<T: Element>(
    halves: &Halves<'_, T>,
    oracle: &Oracle<'_>,
    readers: &Readers<T>,
    (stop, searches): (&AtomicBool, &AtomicU64),
    mut at: usize,
) -> Result<(), String> {
    let told = |error: ::hnsw::Error| error.to_string();
    let (mut searcher, mut reader) = (LiveSearcher::new().map_err(told)?, readers.reader().map_err(told)?);
    let params = SearchParams::new(halves.k, EF_BESIDE);
    while !stop.load(Ordering::Relaxed) {
        let snapshot = reader.snapshot();
        let there: HashSet<u64> = snapshot.keys().into_iter().collect();
        if there.len() != snapshot.len() || snapshot.unreachable() > 0 {
            return Err(format!("{} unreachable of {}", snapshot.unreachable(), there.len()));
        }
        for turn in 0..400 {
            at = (at + 1) % halves.queries.len();
            let query = halves.queries.row(at).unwrap_or_default();
            // Every other search is of whatever is published.
            let of_snapshot = turn % 2 == 0;
            let found = if of_snapshot {
                snapshot.search(&mut searcher, query, &params)
            } else {
                reader.search(&mut searcher, query, &params)
            }
            .map_err(told)?;
            if of_snapshot && found.len() != halves.k.min(there.len()) {
                return Err(format!("{} results of {}", found.len(), there.len()));
            }
            let rising =
                |pair: &[::hnsw::Found]| (pair[0].distance, pair[0].key) < (pair[1].distance, pair[1].key);
            if !found.windows(2).all(rising) {
                return Err(format!("not sorted, or not unique: {found:?}"));
            }
            let ids: Vec<u32> = found.iter().map(|found| found.key as u32).collect();
            let true_distances = oracle.distances(at, &ids).map_err(|error| error.to_string())?;
            for (found, true_distance) in found.iter().zip(true_distances) {
                let counted = match halves.metric {
                    GraphMetric::L2 => true_distance * true_distance,
                    _ => true_distance,
                };
                if (f64::from(found.distance) - counted).abs() > ROUNDING * (1.0 + counted.abs()) {
                    return Err(format!("{found:?} is at {counted}"));
                }
                if of_snapshot && !there.contains(&found.key) {
                    return Err(format!("{found:?} is not in the snapshot"));
                }
            }
        }
        searches.fetch_add(400, Ordering::Relaxed);
    }
    Ok(())
}
