//! A query from end to end: make it ready, pick where to begin, walk, and measure exactly what was walked over.

use layouts::{Neighbor, TopK};
use simd_kernels::Element;

use crate::Error;
use crate::beam::{Beam, Scorer};
use crate::graph::Graph;
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
        })
    }

    /// Distances computed and rows expanded by all searches so far.
    pub fn work(&self) -> (u64, u64) {
        (self.beam.scored, self.beam.expanded)
    }
}

/// Walks by codes and refines every expanded row, one step after its memory was asked for.
struct Refine<'a, T: Element> {
    view: &'a View<'a, T>,
    labels: &'a Labels,
    query: &'a [T],
    prepared: &'a mut Prepared<T::Distance>,
    results: &'a mut TopK<f32>,
    pending: Option<u32>,
}

impl<T: Element> Refine<'_, T> {
    fn refine(&mut self, row: u32) -> Result<(), Error> {
        let distance = self.view.distance(self.query, self.prepared, row)?;
        for &label in self.labels.of(row) {
            self.results.push(Neighbor::new(label, distance));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Error> {
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

/// The `k` nearest of `query`, nearest first, ties by the lower label.
#[allow(clippy::too_many_arguments)]
pub(crate) fn knn<'s, T: Element>(
    view: &View<'_, T>,
    graph: &impl Graph,
    seeds: &Seeds,
    labels: &Labels,
    scan: Option<&Scan>,
    searcher: &'s mut Searcher<T>,
    query: &[T],
    params: &SearchParams,
) -> Result<&'s [Neighbor], Error> {
    let Searcher { beam, prepared, scores, starts, results, scan: scratch } = searcher;
    results.reset(params.k.clamp(1, labels.len().max(1)))?;
    let effort = params.ef_search.max(params.k).min(graph.rows());
    let Some(scan) = scan else {
        view.prepare(query, prepared)?;
        if params.k > 0 && effort > 0 {
            seeds.nearest(view, query, prepared, scores, starts)?;
            beam.start(graph, effort);
            for &(score, row) in &*starts {
                beam.add(score, row);
            }
            let mut refine = Refine { view, labels, query, prepared, results, pending: None };
            beam.run(graph, &mut refine)?;
            refine.finish()?;
        }
        return Ok(results.sorted());
    };
    view.prepare_scan(query, prepared)?;
    if params.k > 0 && effort > 0 {
        scan.nearest(&prepared.integers, effort, view.kernels, scratch, starts)?;
        beam.scored += scan.rows as u64;
        for &(_, row) in &*starts {
            view.prefetch_exact(row);
        }
        let mut refine = Refine { view, labels, query, prepared, results, pending: None };
        for &(_, row) in &*starts {
            refine.refine(row)?;
        }
    }
    Ok(results.sorted())
}
