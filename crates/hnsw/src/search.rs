//! A query from end to end: make it ready, pick where to begin, walk, and measure exactly what was walked over.

use std::cmp::Reverse;

use layouts::{Neighbor, TopK};
use simd_kernels::Element;

use crate::Error;
use crate::beam::{Beam, Scorer};
use crate::graph::Graph;
use crate::horizon::Horizon;
use crate::labels::Labels;
use crate::params::SearchParams;
use crate::scan::{Scan, ScanScratch};
use crate::seeds::Seeds;
use crate::view::{Prepared, View};

/// Memory of one search at a time: made once per thread, used for any number of queries and indexes.
#[derive(Debug)]
pub struct Searcher<T: Element> {
    pub(crate) beam: Beam,
    pub(crate) prepared: Prepared<T::Distance>,
    pub(crate) scores: Vec<i32>,
    pub(crate) starts: Vec<(i32, u32)>,
    pub(crate) results: TopK<f32>,
    pub(crate) scan: ScanScratch,
    pub(crate) waypoints: Vec<u32>,
    pub(crate) drawn: Vec<u32>,
    pub(crate) horizon: Horizon,
    pub(crate) found: Vec<Neighbor>,
    pub(crate) ready: Vec<Reverse<Neighbor>>,
}

impl<T: Element> Searcher<T> {
    /// Empty scratch; it grows with its first query.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            beam: Beam::default(),
            prepared: Prepared::default(),
            scores: Vec::new(),
            starts: Vec::new(),
            results: TopK::new(1)?,
            scan: ScanScratch::default(),
            waypoints: Vec::new(),
            drawn: Vec::new(),
            horizon: Horizon::default(),
            found: Vec::new(),
            ready: Vec::new(),
        })
    }

    /// Distances computed and rows expanded by all searches so far.
    pub fn work(&self) -> (u64, u64) {
        (self.beam.scored, self.beam.expanded)
    }
}

/// Walks by codes and refines every expanded row, one step after its memory was asked for.
pub(crate) struct Refine<'a, T: Element> {
    pub(crate) view: View<'a, T>,
    pub(crate) labels: &'a Labels,
    pub(crate) query: &'a [T],
    pub(crate) prepared: &'a mut Prepared<T::Distance>,
    pub(crate) results: &'a mut TopK<f32>,
    /// Expanded, its memory asked for, not measured yet.
    pub(crate) pending: Option<u32>,
}

impl<T: Element> Refine<'_, T> {
    fn refine(&mut self, row: u32) -> Result<(), Error> {
        let distance = self.view.distance(self.query, self.prepared, row)?;
        for &label in self.labels.of(row) {
            self.results.push(Neighbor::new(label, distance));
        }
        Ok(())
    }

    /// Measures the last row.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.pending.take().map_or(Ok(()), |row| self.refine(row))
    }
}

impl<T: Element> Scorer for Refine<'_, T> {
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
        match self.pending.replace(id) {
            Some(row) => self.refine(row),
            None => Ok(()),
        }
    }
}

/// Everything that a search looks at, borrowed from an index of any kind.
#[derive(Debug)]
pub(crate) struct Parts<'a, T, G> {
    pub(crate) view: View<'a, T>,
    pub(crate) graph: &'a G,
    pub(crate) seeds: &'a Seeds,
    pub(crate) labels: &'a Labels,
    /// Small sets are scanned.
    pub(crate) scan: Option<&'a Scan>,
}

// Not derived: that would ask the same of `T` and `G`.
impl<T: Copy, G> Clone for Parts<'_, T, G> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T: Copy, G> Copy for Parts<'_, T, G> {}

/// Makes a query ready and fills the pool with where to begin, but for row `skip`, which the search will not
/// meet. Returns whether there is anything to search for.
#[inline]
pub(crate) fn begin<T: Element, G: Graph>(
    parts: &Parts<'_, T, G>,
    searcher: &mut Searcher<T>,
    query: &[T],
    params: &SearchParams,
    skip: Option<u32>,
) -> Result<bool, Error> {
    let Parts { view, graph, seeds, labels, scan: _ } = parts;
    view.prepare(query, &mut searcher.prepared)?;
    searcher.results.reset(params.k.clamp(1, labels.len().max(1)))?;
    if params.k == 0 || labels.len() == 0 {
        return Ok(false);
    }
    seeds.nearest(view, query, &mut searcher.prepared, &mut searcher.scores, &mut searcher.starts)?;
    searcher.beam.start(*graph, params.ef_search.max(params.k).min(graph.rows()));
    if let Some(row) = skip {
        searcher.beam.visited.insert(row);
    }
    for &(score, row) in &searcher.starts {
        searcher.beam.add(score, row);
    }
    Ok(true)
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
    let Parts { view, graph, labels, .. } = *parts;
    if let Some(scan) = parts.scan {
        return scanned(parts, scan, searcher, query, params, skip);
    }
    if !begin(parts, searcher, query, params, skip)? {
        return Ok(());
    }
    let Searcher { beam, prepared, results, .. } = searcher;
    let mut refine = Refine { view, labels, query, prepared, results, pending: None };
    beam.run(graph, &mut refine)?;
    refine.finish()
}

/// Scans all integer rows and measures the `ef_search` nearest exactly.
fn scanned<T: Element, G: Graph>(
    parts: &Parts<'_, T, G>,
    scan: &Scan,
    searcher: &mut Searcher<T>,
    query: &[T],
    params: &SearchParams,
    skip: Option<u32>,
) -> Result<(), Error> {
    let Parts { view, labels, .. } = *parts;
    let Searcher { beam, prepared, starts, results, scan: scratch, .. } = searcher;
    view.prepare_scan(query, prepared)?;
    results.reset(params.k.clamp(1, labels.len().max(1)))?;
    if params.k == 0 || labels.len() == 0 {
        return Ok(());
    }
    let effort = params.ef_search.max(params.k).saturating_add(usize::from(skip.is_some()));
    scan.nearest(&prepared.integers, effort.min(scan.rows), view.kernels, scratch, starts)?;
    beam.scored += scan.rows as u64;
    for &(_, row) in &*starts {
        view.prefetch_exact(row);
    }
    let mut refine = Refine { view, labels, query, prepared, results, pending: None };
    for &(_, row) in starts.iter().filter(|&&(_, row)| Some(row) != skip) {
        refine.refine(row)?;
    }
    Ok(())
}
