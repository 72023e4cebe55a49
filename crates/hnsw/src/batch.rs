//! Many queries at once: on all threads, and on each of them several side by side.
//!
//! A search waits for memory: it cannot know the next row before this one is scored. Several searches have no such
//! bond, so one can compute while the rows of another travel. Each is kept as a state that makes half a step at a
//! time; what it computes, and in what order, is what a search by itself does, so results are the same bit by bit.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use layouts::{Neighbor, TopK};
use simd_kernels::{Element, Rows, ShapeError};

use crate::graph::Graph;
use crate::intake::check_row;
use crate::labels::Names;
use crate::metric::Metric;
use crate::order::{self, Order};
use crate::parallel::PerThread;
use crate::params::SearchParams;
use crate::search::{Parts, Refine, Results, Scratch, begin_ready, reset, scanned};
use crate::view::Together;
use crate::{Error, Hnsw, parallel};

/// Memory of batches: scratch for as many threads as ever used it at once.
///
/// May be shared: batches that run at the same time take what each needs.
#[derive(Debug)]
pub struct BatchSearcher<T: Element> {
    idle: Idle<T, TopK<f32>>,
    orders: PerThread<Order, fn() -> Order>,
}

/// What stands where there are fewer than `k` neighbours.
pub const NO_NEIGHBOR: Neighbor = Neighbor::new(u32::MAX, f32::INFINITY);

/// Searches that run side by side on a thread.
const LANES: usize = 3;
/// Queries that a thread takes at a time.
pub(crate) const BLOCK: usize = 32;

/// One search among several.
#[derive(Debug)]
pub(crate) struct Lane<T: Element, R> {
    pub(crate) scratch: Scratch<T>,
    pub(crate) results: R,
    /// The query's place in the block.
    query: usize,
    phase: Phase,
    pending: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    /// The neighbours of the nearest candidate have been asked for.
    Asked,
    /// Codes of so many new rows have been asked for.
    Issued(usize),
}

/// The lanes of threads that are not at work.
#[derive(Debug)]
pub(crate) struct Idle<T: Element, R> {
    threads: Mutex<Vec<Side<T, R>>>,
}

/// What one thread works with.
#[derive(Debug)]
struct Side<T: Element, R> {
    lanes: Vec<Lane<T, R>>,
    together: Together,
}

impl<T: Element, R> Idle<T, R> {
    pub(crate) const fn new() -> Self {
        Self { threads: Mutex::new(Vec::new()) }
    }

    /// Runs `work` with lanes that nobody else has; `make` makes the results of new ones.
    pub(crate) fn with(
        &self,
        make: impl Fn() -> Result<R, Error>,
        work: impl FnOnce(&mut [Lane<T, R>], &mut Together) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let taken = self.threads.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let new = || {
            let (scratch, results) = (Scratch::default(), make()?);
            Ok(Lane { scratch, results, query: 0, phase: Phase::Idle, pending: None })
        };
        let mut side = match taken {
            Some(side) => side,
            None => Side {
                lanes: (0..LANES).map(|_| new()).collect::<Result<_, Error>>()?,
                together: Together::default(),
            },
        };
        let result = work(&mut side.lanes, &mut side.together);
        self.threads.lock().unwrap_or_else(PoisonError::into_inner).push(side);
        result
    }
}

impl<T: Element> Idle<T, TopK<f32>> {
    /// Runs `work` with the scratch of one search.
    pub(crate) fn with_scratch(
        &self,
        work: impl FnOnce(&mut Scratch<T>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let work = |lanes: &mut [Lane<T, _>], _: &mut _| {
            lanes.first_mut().map_or(Ok(()), |lane| work(&mut lane.scratch))
        };
        self.with(|| Ok(TopK::new(1)?), work)
    }
}

impl<T: Element> BatchSearcher<T> {
    /// Empty scratch; it grows with the first batch.
    pub const fn new() -> Self {
        Self { idle: Idle::new(), orders: PerThread::new(Order::default) }
    }
}

impl<T: Element> Default for BatchSearcher<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Copies results and pads them.
fn write(found: &[Neighbor], out: &mut [Neighbor]) {
    let (head, tail) = out.split_at_mut(found.len().min(out.len()));
    head.copy_from_slice(&found[..head.len()]);
    tail.fill(NO_NEIGHBOR);
}

/// Searches `count` queries side by side: query `i` is `query(i)`. Of every query `reset` is told before it begins,
/// and `done` when its results are complete, or at once where there is nothing to search for.
pub(crate) fn interleaved<'q, T: Element, G: Graph, L: Names, R: Results<L::Name>>(
    parts: &Parts<'_, T, G, L>,
    (lanes, together): (&mut [Lane<T, R>], &mut Together),
    (count, query): (usize, impl Fn(usize) -> &'q [T]),
    params: &SearchParams,
    reset: impl Fn(&mut R) -> Result<(), Error>,
    mut done: impl FnMut(usize, &mut Lane<T, R>) -> Result<(), Error>,
) -> Result<(), Error> {
    parts.view.together(count, &query, together)?;
    let mut next = 0;
    for lane in lanes.iter_mut() {
        lane.phase = Phase::Idle;
    }
    let mut busy = 0;
    loop {
        for lane in lanes.iter_mut() {
            if lane.phase == Phase::Idle {
                if next >= count {
                    continue;
                }
                lane.query = next;
                next += 1;
                reset(&mut lane.results)?;
                let (asked, scratch) = (query(lane.query), &mut lane.scratch);
                parts.view.prepare_of(asked, (together, lane.query), &mut scratch.prepared)?;
                if begin_ready(parts, scratch, asked, params, None)? {
                    (lane.phase, lane.pending) = (Phase::Asked, None);
                    busy += 1;
                } else {
                    done(lane.query, lane)?;
                }
                continue;
            }
            let Lane { scratch: Scratch { beam, prepared, .. }, results, .. } = lane;
            let mut refine = Refine {
                view: parts.view,
                names: parts.names,
                query: query(lane.query),
                prepared,
                results,
                pending: lane.pending,
            };
            lane.phase = match lane.phase {
                Phase::Issued(count) => {
                    beam.collect(count, parts.graph, &mut refine)?;
                    Phase::Asked
                }
                _ => match beam.issue(parts.graph, &mut refine)? {
                    Some(count) => Phase::Issued(count),
                    None => {
                        refine.finish()?;
                        busy -= 1;
                        Phase::Idle
                    }
                },
            };
            lane.pending = refine.pending;
            if lane.phase == Phase::Idle {
                done(lane.query, lane)?;
            }
        }
        if busy == 0 && next >= count {
            return Ok(());
        }
    }
}

/// The places of a query's results.
pub(crate) fn row_mut<F>(out: &mut [F], row: usize, k: usize) -> &mut [F] {
    out.get_mut(row * k..(row + 1) * k).unwrap_or_default()
}

/// Checks the shape of a batch, then its queries: the error names the first bad row whatever the threads do.
pub(crate) fn check<T: Element>(
    queries: Rows<'_, T>,
    (dim, metric): (usize, Metric),
    k: usize,
    out: usize,
) -> Result<(), Error> {
    let expected = queries.len().saturating_mul(k);
    if out != expected {
        return Err(ShapeError::Length { argument: "out", expected, actual: out }.into());
    }
    if queries.dim() != dim {
        return Err(Error::Dimension { argument: "queries", expected: dim, actual: queries.dim() });
    }
    for (row, query) in queries.iter().enumerate() {
        check_row(query, metric, "queries", row)?;
    }
    Ok(())
}

/// `work(queries, out)` for blocks of `queries` numbers, on the threads of the caller's pool.
pub(crate) fn in_blocks<F: Send>(
    queries: usize,
    out: &mut [F],
    k: usize,
    work: impl Fn(Range<usize>, &mut [F]) -> Result<(), Error> + Sync + Send,
) -> Result<(), Error> {
    if out.is_empty() {
        return Ok(());
    }
    parallel::chunks(out, BLOCK * k, |block, out| {
        let start = block * BLOCK;
        work(start..(start + BLOCK).min(queries), out)
    })
}

/// Searches all `queries` on the threads of the caller's pool.
pub(crate) fn batch<T: Element, G: Graph + Sync>(
    parts: &Parts<'_, T, G>,
    scratch: &BatchSearcher<T>,
    queries: Rows<'_, T>,
    params: &SearchParams,
    out: &mut [Neighbor],
) -> Result<(), Error> {
    check(queries, (parts.view.intake.dim, parts.view.intake.metric), params.k, out.len())?;
    if order::pays(parts, queries.len()) {
        batch_by_seeds(parts, scratch, queries, params, out)
    } else {
        batch_as_given(parts, scratch, queries, params, out, |at| at)
    }
}

/// Searches a batch by the order of its queries' seeds, and leaves the results in the order of the queries.
fn batch_by_seeds<T: Element, G: Graph + Sync>(
    parts: &Parts<'_, T, G>,
    scratch: &BatchSearcher<T>,
    queries: Rows<'_, T>,
    params: &SearchParams,
    out: &mut [Neighbor],
) -> Result<(), Error> {
    scratch.orders.with(|order| {
        order.fill(parts, &scratch.idle, queries)?;
        batch_as_given(parts, scratch, queries, params, out, |at| order.place(at))?;
        order.restore(out, params.k);
        Ok(())
    })
}

/// Searches query `place(i)` as number `i`, where its results are left.
fn batch_as_given<T: Element, G: Graph + Sync>(
    parts: &Parts<'_, T, G>,
    scratch: &BatchSearcher<T>,
    queries: Rows<'_, T>,
    params: &SearchParams,
    out: &mut [Neighbor],
    place: impl Fn(usize) -> usize + Sync + Send,
) -> Result<(), Error> {
    let (k, names) = (params.k, parts.names.len());
    in_blocks(queries.len(), out, k, |block, out| {
        let query = |at| queries.row(place(block.start + at)).unwrap_or_default();
        scratch.idle.with(
            || Ok(TopK::new(1)?),
            |lanes, together| {
                if let (Some(scan), Some(Lane { scratch, results, .. })) = (parts.scan, lanes.first_mut()) {
                    for row in 0..block.len() {
                        reset(results, k, names)?;
                        scanned(parts, scan, (scratch, results), query(row), params, None)?;
                        write(results.sorted(), row_mut(out, row, k));
                    }
                    return Ok(());
                }
                let done = |query, lane: &mut Lane<T, TopK<f32>>| {
                    write(lane.results.sorted(), row_mut(out, query, k));
                    Ok(())
                };
                let reset = |results: &mut TopK<f32>| reset(results, k, names);
                interleaved(parts, (lanes, together), (block.len(), query), params, reset, done)
            },
        )
    })
}

impl<T: Element> Hnsw<T> {
    /// The `params.k` nearest of every query: those of query `i` in `out[i * k..(i + 1) * k]`, each exactly as
    /// [`search`](Self::search) gives them, for any number of threads.
    ///
    /// A query with fewer neighbours than `k` has [`NO_NEIGHBOR`](crate::NO_NEIGHBOR) in the places left.
    /// With the feature `rayon` (default) the queries are shared out in the caller's current pool. Nothing is
    /// allocated once `scratch` has served as many threads.
    ///
    /// # Errors
    /// As [`search`](Self::search), naming the first row of `queries` that is at fault;
    /// [`Error::Shape`] if `out` does not hold `k` places for every query. `out` then holds anything.
    ///
    /// ```
    /// use hnsw::{BatchSearcher, BuildParams, Hnsw, Metric, NO_NEIGHBOR, SearchParams};
    /// use simd_kernels::Rows;
    /// let line: Vec<f32> = (0..1000).map(|x| x as f32).collect();
    /// let index = Hnsw::build(Rows::new(&line, 1)?, Metric::L2, &BuildParams::new())?;
    /// let scratch = BatchSearcher::new();
    /// let mut out = [NO_NEIGHBOR; 6];
    /// let queries = [10.1f32, 900.1];
    /// index.search_batch(&scratch, Rows::new(&queries, 1)?, &SearchParams::new(3, 32), &mut out)?;
    /// assert_eq!(out.map(|n| n.id), [10, 11, 9, 900, 901, 899]);
    /// # Ok::<(), hnsw::Error>(())
    /// ```
    pub fn search_batch(
        &self,
        scratch: &BatchSearcher<T>,
        queries: Rows<'_, T>,
        params: &SearchParams,
        out: &mut [Neighbor],
    ) -> Result<(), Error> {
        batch(&self.parts()?, scratch, queries, &params.resolve(self.calibration())?, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BuildParams;

    #[test]
    fn the_order_of_searches_changes_no_result() {
        let point = |i: u32| [(i * 37 % 101) as f32, (i * i % 89) as f32, (i % 7) as f32];
        let base: Vec<f32> = (0..900).flat_map(point).collect();
        let queries: Vec<f32> = (0..130).flat_map(|i| point(7 * i + 3).map(|x| x + 0.25)).collect();
        let (base, queries) = (Rows::new(&base, 3).unwrap(), Rows::new(&queries, 3).unwrap());
        let params = BuildParams::new().experiment("scan_bytes", 0.0).seeds(20);
        let index = Hnsw::build(base, Metric::L2, &params).unwrap();
        let (parts, scratch) = (index.parts().unwrap(), BatchSearcher::new());
        let params = SearchParams::new(4, 12);
        let mut given = vec![NO_NEIGHBOR; queries.len() * 4];
        batch_as_given(&parts, &scratch, queries, &params, &mut given, |at| at).unwrap();
        let mut sorted = vec![NO_NEIGHBOR; given.len()];
        batch_by_seeds(&parts, &scratch, queries, &params, &mut sorted).unwrap();
        assert_eq!(given, sorted);
        assert!(!order::pays(&parts, queries.len()), "an index that fits a cache");
    }
}
