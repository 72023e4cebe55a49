//! Searches of one version of a changing index: by the walks of the frozen one, or exactly while there are too few
//! rows to learn from.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::FusedIterator;

use layouts::Blocks;
use simd_kernels::{Element, Rows};

use crate::batch::{Idle, Lane, check as check_batch, in_blocks, interleaved, row_mut};
use crate::error::Error;
use crate::filter::{Condition, Filtered};
use crate::graph::Graph;
use crate::intake::check_row;
use crate::iterate::{Ready, Walker, wait};
use crate::live::state::{State, for_keys};
use crate::metric::{Query, sortable, sorted_as};
use crate::params::SearchParams;
use crate::range::{self, push};
use crate::search::{Parts, Results, Scratch, begin, start, walk};
use crate::search_by::{Asking, walk_by};

/// A vector that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Its key.
    pub key: u64,
    /// Its distance from the query, in the metric's unit.
    pub distance: f32,
}

/// What stands in a batch where an index has fewer than `k` keys.
pub const NO_KEY: Found = Found { key: u64::MAX, distance: f32::INFINITY };

/// The best so far: a number that sorts like the distance, then the key.
#[derive(Debug, Default)]
pub(crate) struct Best {
    heap: BinaryHeap<(i32, u64)>,
    k: usize,
}

impl Best {
    /// Makes room for the best `k`.
    fn reset(&mut self, k: usize) -> Result<(), Error> {
        self.heap.clear();
        self.k = k;
        self.heap.try_reserve(k).map_err(|_| super::no_memory::<(i32, u64)>(k))
    }

    /// The best, nearest first, ties by the lower key; nothing is left.
    fn drain(&mut self, found: &mut Vec<Found>) -> Result<(), Error> {
        found.clear();
        super::reserve(found, self.heap.len())?;
        found.extend(self.heap.drain().map(|(distance, key)| Found { key, distance: sorted_as(distance) }));
        sort(found);
        Ok(())
    }
}

impl Results<u64> for Best {
    #[inline]
    fn offer(&mut self, distance: f32, key: u64) {
        // Adding zero makes -0 the same as 0.
        let offered = (sortable(distance + 0.0), key);
        if self.heap.len() < self.k {
            self.heap.push(offered);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && offered < *worst
        {
            *worst = offered;
        }
    }
    fn wanted(&self) -> usize {
        self.k
    }
    fn held(&self) -> usize {
        self.heap.len()
    }
    fn forget(&mut self) {
        self.heap.clear();
    }
}

fn sort(found: &mut [Found]) {
    found.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.key.cmp(&b.key)));
}

/// Memory of one search of a changing index at a time: made once per thread, used for any number of queries.
#[derive(Debug)]
pub struct LiveSearcher<T: Element> {
    scratch: Scratch<T>,
    best: Best,
    found: Vec<Found>,
    ready: Vec<Ready<u64>>,
}

impl<T: Element> LiveSearcher<T> {
    /// Empty scratch; it grows with its first query.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn new() -> Result<Self, Error> {
        let (scratch, best) = (Scratch::default(), Best::default());
        Ok(Self { scratch, best, found: Vec::new(), ready: Vec::new() })
    }

    /// Distances computed and rows expanded by all searches so far.
    pub fn work(&self) -> (u64, u64) {
        (self.scratch.beam.scored, self.scratch.beam.expanded)
    }
}

/// Memory of batches of searches of a changing index, for as many threads as ever used it at once. May be shared.
#[derive(Debug)]
pub struct LiveBatchSearcher<T: Element> {
    idle: Idle<T, Best>,
}

impl<T: Element> LiveBatchSearcher<T> {
    /// Empty scratch; it grows with the first batch.
    pub const fn new() -> Self {
        Self { idle: Idle::new() }
    }
}

impl<T: Element> Default for LiveBatchSearcher<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Checks a query; under cosine gives its inverse length.
fn check<T: Element>(state: &State<T>, query: &[T]) -> Result<f32, Error> {
    if query.len() != state.dim {
        return Err(Error::Dimension { argument: "query", expected: state.dim, actual: query.len() });
    }
    check_row(query, state.metric, "query", 0)
}

/// Measures everything that is there.
fn measure_all<T: Element>(
    state: &State<T>,
    query: &[T],
    inverse_norm: f32,
    mut each: impl FnMut(f32, u64) -> Result<(), Error>,
) -> Result<(), Error> {
    let (exact, query) = (state.exact()?, Query { vector: query, inverse_norm });
    for row in 0..state.labels.len() as u32 {
        let distance = exact.distance(&query, row)?;
        let mut taken = Ok(());
        for_keys(&state.labels, &state.extra, row, |key| {
            if taken.is_ok() {
                taken = each(distance, key);
            }
        });
        taken?;
    }
    Ok(())
}

/// The `k` nearest keys of one version, nearest first, ties by the lower key.
pub(crate) fn search<'s, T: Element>(
    state: &State<T>,
    searcher: &'s mut LiveSearcher<T>,
    query: &[T],
    params: &SearchParams,
) -> Result<&'s [Found], Error> {
    let (params, inverse_norm) = (params.resolve(None)?, check(state, query)?);
    let LiveSearcher { scratch, best, found, .. } = searcher;
    best.reset(params.k.min(state.keys))?;
    if best.k > 0 {
        match state.parts()? {
            Some(parts) => {
                let params = SearchParams::new(best.k, params.ef_search);
                if begin(&parts, scratch, query, &params, None)? {
                    walk(&parts, scratch, best, query)?;
                    look_farther(&parts, scratch, best, query, &params)?;
                }
            }
            None => measure_all(state, query, inverse_norm, |distance, key| {
                best.offer(distance, key);
                Ok(())
            })?,
        }
    }
    best.drain(found)?;
    Ok(found)
}

/// Removed rows take up candidates: where they left too few, walks with more. With as many candidates as rows everything
/// is met.
fn look_farther<T: Element>(
    parts: &Parts<'_, T, Blocks<u32>, State<T>>,
    scratch: &mut Scratch<T>,
    best: &mut Best,
    query: &[T],
    params: &SearchParams,
) -> Result<(), Error> {
    let (rows, mut effort) = (parts.graph.rows(), params.ef_search.max(params.k));
    while best.held() < best.wanted() && effort < rows {
        effort = effort.saturating_mul(4);
        best.forget();
        start(parts.graph, scratch, effort, None);
        walk(parts, scratch, best, query)?;
    }
    Ok(())
}

/// A filter on the keys of a version.
struct OfKeys<'a, T: Element, F> {
    state: &'a State<T>,
    filter: F,
}

impl<T: Element, F: Fn(u64) -> bool> Condition for OfKeys<'_, T, F> {
    type Name = u64;
    /// A key lies in memory of its own, but in order.
    const ASKING: f64 = 0.3;
    #[inline]
    fn passes(&self, row: u32) -> bool {
        let mut passes = false;
        for_keys(&self.state.labels, &self.state.extra, row, |key| passes = passes || (self.filter)(key));
        passes
    }
    fn each(&self, row: u32, mut each: impl FnMut(u64)) {
        for_keys(&self.state.labels, &self.state.extra, row, |key| {
            if (self.filter)(key) {
                each(key);
            }
        });
    }
    fn count_hint(&self) -> Option<usize> {
        None
    }
    fn rows(&self) -> Result<impl Iterator<Item = u32>, Error> {
        Ok((0..self.state.labels.len() as u32).filter(|&row| self.passes(row)))
    }
}

/// The `k` nearest of the keys that `filter` accepts.
pub(crate) fn filtered<'s, T: Element>(
    state: &State<T>,
    searcher: &'s mut LiveSearcher<T>,
    query: &[T],
    params: &SearchParams,
    filter: impl Fn(u64) -> bool,
) -> Result<&'s [Found], Error> {
    let (params, inverse_norm) = (params.resolve(None)?, check(state, query)?);
    let LiveSearcher { scratch, best, found, .. } = searcher;
    best.reset(params.k.min(state.keys))?;
    if best.k > 0 {
        match state.parts()? {
            Some(parts) => {
                let condition = &OfKeys { state, filter };
                Filtered { parts: &parts, condition, scratch, results: best, query }.search(&params)?;
            }
            None => measure_all(state, query, inverse_norm, |distance, key| {
                if filter(key) {
                    best.offer(distance, key);
                }
                Ok(())
            })?,
        }
    }
    best.drain(found)?;
    Ok(found)
}

/// The `k` keys that are nearest by the caller's own distance.
pub(crate) fn search_by<'s, T: Element>(
    state: &State<T>,
    searcher: &'s mut LiveSearcher<T>,
    params: &SearchParams,
    distance: impl FnMut(u64) -> f32,
) -> Result<&'s [Found], Error> {
    let params = params.resolve(None)?;
    let LiveSearcher { scratch, best, found, .. } = searcher;
    best.reset(params.k.min(state.keys))?;
    if best.k > 0 {
        let mut asking = Asking::new(state, best, distance);
        match state.parts()? {
            Some(parts) => {
                let (rows, mut effort) = (parts.graph.rows(), params.ef_search.max(params.k));
                walk_by(&parts, &mut scratch.beam, effort, &mut asking)?;
                // As in `look_farther`: removed rows are candidates, too.
                while asking.results.held() < asking.results.wanted() && effort < rows {
                    effort = effort.saturating_mul(4);
                    asking.results.forget();
                    walk_by(&parts, &mut scratch.beam, effort, &mut asking)?;
                }
            }
            None => (0..state.labels.len() as u32).try_for_each(|row| asking.row(row).map(drop))?,
        }
    }
    best.drain(found)?;
    Ok(found)
}

/// Every key within `radius`.
pub(crate) fn range<'s, T: Element>(
    state: &State<T>,
    searcher: &'s mut LiveSearcher<T>,
    query: &[T],
    radius: f32,
    ef_search: usize,
) -> Result<&'s [Found], Error> {
    range::check(radius)?;
    let inverse_norm = check(state, query)?;
    let LiveSearcher { scratch, found, .. } = searcher;
    found.clear();
    match state.parts()? {
        Some(parts) => range::range(&parts, scratch, query, radius, ef_search, |key, distance| {
            push(found, Found { key, distance: distance + 0.0 })
        })?,
        None => measure_all(state, query, inverse_norm, |distance, key| match distance <= radius {
            true => push(found, Found { key, distance: distance + 0.0 }),
            false => Ok(()),
        })?,
    }
    sort(found);
    Ok(found)
}

/// The `k` nearest keys within `radius`.
pub(crate) fn within<'s, T: Element>(
    state: &State<T>,
    searcher: &'s mut LiveSearcher<T>,
    query: &[T],
    radius: f32,
    params: &SearchParams,
) -> Result<&'s [Found], Error> {
    range::check(radius)?;
    let found = search(state, searcher, query, params)?;
    Ok(&found[..found.partition_point(|found| found.distance <= radius)])
}

/// The `k` nearest keys of every query.
pub(crate) fn batch<T: Element>(
    state: &State<T>,
    scratch: &LiveBatchSearcher<T>,
    queries: Rows<'_, T>,
    params: &SearchParams,
    out: &mut [Found],
) -> Result<(), Error> {
    let params = params.resolve(None)?;
    let (places, k) = (params.k, params.k.min(state.keys));
    check_batch(queries, (state.dim, state.metric), places, out.len())?;
    let parts = state.parts()?;
    let write = |best: &mut Best, out: &mut [Found]| {
        out.fill(NO_KEY);
        for (place, (distance, key)) in out.iter_mut().zip(best.heap.drain()) {
            *place = Found { key, distance: sorted_as(distance) };
        }
        // What stands for none is the farthest of all.
        sort(out);
    };
    in_blocks(queries.len(), out, places, |block, out| {
        let query = |at| queries.row(block.start + at).unwrap_or_default();
        scratch.idle.with(
            || Ok(Best::default()),
            |lanes, together| {
                if let Some(parts) = &parts {
                    let params = SearchParams::new(k, params.ef_search);
                    let done = |row, lane: &mut Lane<T, Best>| {
                        let Lane { scratch, results, .. } = lane;
                        look_farther(parts, scratch, results, query(row), &params)?;
                        write(results, row_mut(out, row, places));
                        Ok(())
                    };
                    let queries = (block.len(), query);
                    let lanes = (lanes, together);
                    return interleaved(parts, lanes, queries, &params, |best| best.reset(k), done);
                }
                let Some(Lane { results: best, .. }) = lanes.first_mut() else { return Ok(()) };
                for row in 0..block.len() {
                    let query = query(row);
                    best.reset(k)?;
                    measure_all(state, query, check(state, query)?, |distance, key| {
                        best.offer(distance, key);
                        Ok(())
                    })?;
                    write(best, row_mut(out, row, places));
                }
                Ok(())
            },
        )
    })
}

/// Keys of one version, near before far, until none is left: see [`Snapshot::iter`](crate::Snapshot::iter).
#[derive(Debug)]
pub struct LiveNeighbors<'a, T: Element> {
    walker: Walker<'a, T, Blocks<u32>, State<T>>,
    failed: bool,
}

impl<T: Element> Iterator for LiveNeighbors<'_, T> {
    type Item = Result<Found, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.walker.next();
        self.failed = next.is_err();
        next.map(|next| next.map(|(key, distance)| Found { key, distance })).transpose()
    }
}

impl<T: Element> FusedIterator for LiveNeighbors<'_, T> {}

/// The keys of one version one after the other.
pub(crate) fn iter<'a, T: Element>(
    state: &'a State<T>,
    searcher: &'a mut LiveSearcher<T>,
    query: &'a [T],
    ef_search: usize,
) -> Result<LiveNeighbors<'a, T>, Error> {
    let inverse_norm = check(state, query)?;
    let LiveSearcher { scratch, ready, .. } = searcher;
    let walker = match state.parts()? {
        Some(parts) => Walker::new(parts, (scratch, ready), query, ef_search)?,
        None => {
            let mut all: BinaryHeap<Reverse<(i32, u64)>> = BinaryHeap::from(std::mem::take(ready));
            measure_all(state, query, inverse_norm, |distance, key| wait(&mut all, distance, key))?;
            Walker::ended(all, (scratch, ready), query)
        }
    };
    Ok(LiveNeighbors { walker, failed: false })
}
