//! A query from end to end: make it ready, pick where to begin, walk, and measure exactly what was walked over.

use std::cmp::Reverse;

use layouts::{Neighbor, TopK};
use simd_kernels::Element;

use crate::Error;
use crate::beam::{Beam, Scorer};
use crate::graph::Graph;
use crate::horizon::Horizon;
use crate::labels::{Labels, Names};
use crate::params::SearchParams;
use crate::scan::{Scan, ScanScratch};
use crate::seeds::Seeds;
use crate::view::{Prepared, View};

/// Memory of one walk at a time, whatever becomes of what it finds.
#[derive(Debug)]
pub(crate) struct Scratch<T: Element> {
    pub(crate) beam: Beam,
    pub(crate) prepared: Prepared<T::Distance>,
    pub(crate) scores: Vec<i32>,
    pub(crate) starts: Vec<(i32, u32)>,
    pub(crate) scan: ScanScratch,
    pub(crate) waypoints: Vec<u32>,
    pub(crate) drawn: Vec<u32>,
    pub(crate) horizon: Horizon,
}

// Not derived: that would ask the same of `T`.
impl<T: Element> Default for Scratch<T> {
    fn default() -> Self {
        Self {
            beam: Beam::default(),
            prepared: Prepared::default(),
            scores: Vec::new(),
            starts: Vec::new(),
            scan: ScanScratch::default(),
            waypoints: Vec::new(),
            drawn: Vec::new(),
            horizon: Horizon::default(),
        }
    }
}

/// Memory of one search at a time: made once per thread, used for any number of queries and indexes.
#[derive(Debug)]
pub struct Searcher<T: Element> {
    pub(crate) scratch: Scratch<T>,
    pub(crate) results: TopK<f32>,
    pub(crate) found: Vec<Neighbor>,
    pub(crate) ready: Vec<Reverse<(i32, u32)>>,
}

impl<T: Element> Searcher<T> {
    /// Empty scratch; it grows with its first query.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn new() -> Result<Self, Error> {
        let (scratch, results) = (Scratch::default(), TopK::new(1)?);
        Ok(Self { scratch, results, found: Vec::new(), ready: Vec::new() })
    }

    /// Distances computed and rows expanded by all searches so far.
    pub fn work(&self) -> (u64, u64) {
        (self.scratch.beam.scored, self.scratch.beam.expanded)
    }
}

/// The best names so far.
pub(crate) trait Results<N> {
    /// Takes a name up if it is among the nearest.
    fn offer(&mut self, distance: f32, name: N);
    /// How many are wanted.
    fn wanted(&self) -> usize;
    /// How many there are.
    fn held(&self) -> usize;
    /// Forgets all.
    fn forget(&mut self);
}

impl Results<u32> for TopK<f32> {
    #[inline]
    fn offer(&mut self, distance: f32, id: u32) {
        self.push(Neighbor::new(id, distance));
    }
    fn wanted(&self) -> usize {
        self.k()
    }
    fn held(&self) -> usize {
        self.len()
    }
    fn forget(&mut self) {
        self.clear();
    }
}

/// Walks by codes and refines every expanded row, one step after its memory was asked for.
pub(crate) struct Refine<'a, T: Element, L, R> {
    pub(crate) view: View<'a, T>,
    pub(crate) names: &'a L,
    pub(crate) query: &'a [T],
    pub(crate) prepared: &'a mut Prepared<T::Distance>,
    pub(crate) results: &'a mut R,
    /// Expanded, its memory asked for, not measured yet.
    pub(crate) pending: Option<u32>,
}

impl<T: Element, L: Names, R: Results<L::Name>> Refine<'_, T, L, R> {
    fn refine(&mut self, row: u32) -> Result<(), Error> {
        let distance = self.view.distance(self.query, self.prepared, row)?;
        self.names.each(row, |name| self.results.offer(distance, name));
        Ok(())
    }

    /// Measures the last row.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.pending.take().map_or(Ok(()), |row| self.refine(row))
    }
}

impl<T: Element, L: Names, R: Results<L::Name>> Scorer for Refine<'_, T, L, R> {
    #[inline]
    fn score(&mut self, ids: &[u32], out: &mut [i32]) -> Result<(), Error> {
        self.view.score(self.query, self.prepared, ids, out)
    }
    #[inline]
    fn prefetch(&self, id: u32) {
        self.view.prefetch(id);
    }
    #[inline]
    fn expand(&mut self, _: i32, id: u32) -> Result<(), Error> {
        self.view.prefetch_exact(id);
        self.names.prefetch(id);
        match self.pending.replace(id) {
            Some(row) => self.refine(row),
            None => Ok(()),
        }
    }
}

/// Everything that a search looks at, borrowed from an index of any kind.
#[derive(Debug)]
pub(crate) struct Parts<'a, T, G, L = Labels> {
    pub(crate) view: View<'a, T>,
    pub(crate) graph: &'a G,
    pub(crate) seeds: &'a Seeds,
    pub(crate) names: &'a L,
    /// Small sets are scanned.
    pub(crate) scan: Option<&'a Scan>,
}

// Not derived: that would ask the same of `T`, `G` and `L`.
impl<T: Copy, G, L> Clone for Parts<'_, T, G, L> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Copy, G, L> Copy for Parts<'_, T, G, L> {}

/// Makes a query ready and fills the pool with where to begin, but for row `skip`, which the search will not
/// meet. Returns whether there is anything to search for.
#[inline]
pub(crate) fn begin<T: Element, G: Graph, L: Names>(
    parts: &Parts<'_, T, G, L>,
    scratch: &mut Scratch<T>,
    query: &[T],
    params: &SearchParams,
    skip: Option<u32>,
) -> Result<bool, Error> {
    parts.view.prepare(query, &mut scratch.prepared)?;
    begin_ready(parts, scratch, query, params, skip)
}

/// [`begin`] for a query that is ready.
#[inline]
pub(crate) fn begin_ready<T: Element, G: Graph, L: Names>(
    parts: &Parts<'_, T, G, L>,
    scratch: &mut Scratch<T>,
    query: &[T],
    params: &SearchParams,
    skip: Option<u32>,
) -> Result<bool, Error> {
    let Parts { view, graph, seeds, names, scan: _ } = parts;
    if params.k == 0 || names.names() == 0 {
        return Ok(false);
    }
    seeds.nearest(view, query, &mut scratch.prepared, &mut scratch.scores, &mut scratch.starts)?;
    start(*graph, scratch, params.ef_search.max(params.k), skip);
    Ok(true)
}

/// Fills an empty pool for `ef` candidates with where a query that is ready begins.
#[inline]
pub(crate) fn start<T: Element>(graph: &impl Graph, scratch: &mut Scratch<T>, ef: usize, skip: Option<u32>) {
    scratch.beam.start(graph, ef.min(graph.rows()));
    if let Some(row) = skip {
        scratch.beam.visited.insert(row);
    }
    for &(score, row) in &scratch.starts {
        scratch.beam.add(score, row);
    }
}

/// Makes room in `results` for the `k` nearest of so many names.
pub(crate) fn reset(results: &mut TopK<f32>, k: usize, names: usize) -> Result<(), Error> {
    Ok(results.reset(k.clamp(1, names.max(1)))?)
}

/// The `k` nearest of `query`, nearest first, ties by the lower label.
pub(crate) fn knn<'s, T: Element, G: Graph>(
    parts: &Parts<'_, T, G>,
    searcher: &'s mut Searcher<T>,
    query: &[T],
    params: &SearchParams,
) -> Result<&'s [Neighbor], Error> {
    walk_or_scan(parts, searcher, query, params, None)?;
    Ok(searcher.results.sorted())
}

/// Fills `results` with the nearest of `query`, but for row `skip`.
pub(crate) fn walk_or_scan<T: Element, G: Graph>(
    parts: &Parts<'_, T, G>,
    searcher: &mut Searcher<T>,
    query: &[T],
    params: &SearchParams,
    skip: Option<u32>,
) -> Result<(), Error> {
    let Searcher { scratch, results, .. } = searcher;
    reset(results, params.k, parts.names.len())?;
    if let Some(scan) = parts.scan {
        return scanned(parts, scan, (scratch, results), query, params, skip);
    }
    if begin(parts, scratch, query, params, skip)? { walk(parts, scratch, results, query) } else { Ok(()) }
}

/// Walks from what [`begin`] or [`start`] have put into the pool, and measures what is expanded.
#[inline]
pub(crate) fn walk<T: Element, G: Graph, L: Names>(
    parts: &Parts<'_, T, G, L>,
    scratch: &mut Scratch<T>,
    results: &mut impl Results<L::Name>,
    query: &[T],
) -> Result<(), Error> {
    let Scratch { beam, prepared, .. } = scratch;
    let Parts { view, names, .. } = *parts;
    let mut refine = Refine { view, names, query, prepared, results, pending: None };
    beam.run(parts.graph, &mut refine)?;
    refine.finish()
}

/// Scans all integer rows and measures the `ef_search` nearest exactly.
pub(crate) fn scanned<T: Element, G: Graph>(
    parts: &Parts<'_, T, G>,
    scan: &Scan,
    (scratch, results): (&mut Scratch<T>, &mut TopK<f32>),
    query: &[T],
    params: &SearchParams,
    skip: Option<u32>,
) -> Result<(), Error> {
    let Parts { view, names, .. } = *parts;
    let Scratch { beam, prepared, starts, scan: scratch, .. } = scratch;
    view.prepare_scan(query, prepared)?;
    if params.k == 0 || names.len() == 0 {
        return Ok(());
    }
    let effort = params.ef_search.max(params.k).saturating_add(usize::from(skip.is_some()));
    scan.nearest(&prepared.integers, effort.min(scan.rows), view.kernels, scratch, starts)?;
    beam.scored += scan.rows as u64;
    for &(_, row) in &*starts {
        view.prefetch_exact(row);
    }
    let mut refine = Refine { view, names, query, prepared, results, pending: None };
    for &(_, row) in starts.iter().filter(|&&(_, row)| Some(row) != skip) {
        refine.refine(row)?;
    }
    Ok(())
}
