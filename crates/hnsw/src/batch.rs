//! Many queries at once: on all threads, and on each of them several side by side.
//!
//! A search waits for memory: it cannot know the next row before this one is scored. Several searches have no such
//! bond, so one can compute while the rows of another travel. Each is kept as a state that makes half a step at a
//! time; what it computes, and in what order, is what a search by itself does, so results are the same bit by bit.

use std::sync::{Mutex, PoisonError};

use layouts::Neighbor;
use simd_kernels::{Element, Rows, ShapeError};

use crate::graph::Graph;
use crate::intake::check_row;
use crate::params::SearchParams;
use crate::search::{Parts, Refine, Searcher, begin, knn};
use crate::{Error, Hnsw, parallel};

/// Memory of batches: scratch for as many threads as ever used it at once.
///
/// May be shared: batches that run at the same time take what each needs.
#[derive(Debug)]
pub struct BatchSearcher<T: Element> {
    idle: Mutex<Vec<Vec<Lane<T>>>>,
}

/// What stands where there are fewer than `k` neighbours.
pub const NO_NEIGHBOR: Neighbor = Neighbor::new(u32::MAX, f32::INFINITY);

/// Searches that run side by side on a thread.
const LANES: usize = 3;
/// Queries that a thread takes at a time.
const BLOCK: usize = 32;

/// One search among several.
#[derive(Debug)]
struct Lane<T: Element> {
    searcher: Searcher<T>,
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

impl<T: Element> BatchSearcher<T> {
    /// Empty scratch; it grows with the first batch.
    pub const fn new() -> Self {
        Self { idle: Mutex::new(Vec::new()) }
    }

    fn take(&self) -> Result<Vec<Lane<T>>, Error> {
        if let Some(lanes) = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop() {
            return Ok(lanes);
        }
        (0..LANES)
            .map(|_| Ok(Lane { searcher: Searcher::new()?, query: 0, phase: Phase::Idle, pending: None }))
            .collect()
    }

    fn give(&self, lanes: Vec<Lane<T>>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(lanes);
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

/// Searches `queries` side by side.
fn interleaved<T: Element, G: Graph>(
    parts: &Parts<'_, T, G>,
    lanes: &mut [Lane<T>],
    queries: Rows<'_, T>,
    params: &SearchParams,
    out: &mut [Neighbor],
) -> Result<(), Error> {
    if let (Some(_), Some(lane)) = (parts.scan, lanes.first_mut()) {
        for (row, query) in queries.iter().enumerate() {
            write(knn(parts, &mut lane.searcher, query, params)?, row_mut(out, row, params.k));
        }
        return Ok(());
    }
    let mut next = 0;
    for lane in lanes.iter_mut() {
        lane.phase = Phase::Idle;
    }
    let mut busy = 0;
    loop {
        for lane in lanes.iter_mut() {
            if lane.phase == Phase::Idle {
                let Some(query) = queries.row(next) else { continue };
                lane.query = next;
                next += 1;
                if begin(parts, &mut lane.searcher, query, params, None)? {
                    (lane.phase, lane.pending) = (Phase::Asked, None);
                    busy += 1;
                } else {
                    write(&[], row_mut(out, lane.query, params.k));
                }
                continue;
            }
            let Searcher { beam, prepared, results, .. } = &mut lane.searcher;
            let mut refine = Refine {
                view: parts.view,
                labels: parts.labels,
                query: queries.row(lane.query).unwrap_or_default(),
                prepared,
                results,
                pending: lane.pending,
            };
            lane.phase = match lane.phase {
                Phase::Issued(count) => {
                    beam.collect(count, &mut refine)?;
                    if let Some(next) = beam.pool.peek() {
                        parts.graph.prefetch(next);
                    }
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
                write(lane.searcher.results.sorted(), row_mut(out, lane.query, params.k));
            }
        }
        if busy == 0 && next >= queries.len() {
            return Ok(());
        }
    }
}

fn row_mut(out: &mut [Neighbor], row: usize, k: usize) -> &mut [Neighbor] {
    out.get_mut(row * k..(row + 1) * k).unwrap_or_default()
}

/// Searches all `queries` on the threads of the caller's pool.
pub(crate) fn batch<T: Element, G: Graph + Sync>(
    parts: &Parts<'_, T, G>,
    scratch: &BatchSearcher<T>,
    queries: Rows<'_, T>,
    params: &SearchParams,
    out: &mut [Neighbor],
) -> Result<(), Error> {
    let expected = queries.len().saturating_mul(params.k);
    if out.len() != expected {
        return Err(ShapeError::Length { argument: "out", expected, actual: out.len() }.into());
    }
    if queries.dim() != parts.view.intake.dim {
        let (expected, actual) = (parts.view.intake.dim, queries.dim());
        return Err(Error::Dimension { argument: "queries", expected, actual });
    }
    // Up front, so that the error names the first bad row whatever the threads do.
    for (row, query) in queries.iter().enumerate() {
        check_row(query, parts.view.intake.metric, "queries", row)?;
    }
    if out.is_empty() {
        return Ok(());
    }
    parallel::chunks(out, BLOCK * params.k, |block, out| {
        let start = block * BLOCK;
        let Some(queries) = queries.slice(start, (start + BLOCK).min(queries.len())) else { return Ok(()) };
        let mut lanes = scratch.take()?;
        let result = interleaved(parts, &mut lanes, queries, params, out);
        scratch.give(lanes);
        result
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
