//! A query from end to end: make it ready, pick where to begin, walk, and measure exactly what was walked over.

use layouts::{Neighbor, TopK};
use simd_kernels::Element;

use crate::Error;
use crate::beam::{Beam, Scorer};
use crate::graph::Graph;
use crate::labels::Labels;
use crate::params::SearchParams;
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
        })
    }

    /// Distances computed and rows expanded by all searches so far.
    pub fn work(&self) -> (u64, u64) {
        (self.beam.scored, self.beam.expanded)
    }
}

/// Walks by codes and refines every expanded row, one step after its memory was asked for.
struct Refine<'a, T: Element> {
    view: View<'a, T>,
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
pub(crate) fn knn<'s, T: Element>(
    view: View<'_, T>,
    graph: &impl Graph,
    seeds: &Seeds,
    labels: &Labels,
    searcher: &'s mut Searcher<T>,
    query: &[T],
    params: &SearchParams,
) -> Result<&'s [Neighbor], Error> {
    view.prepare(query, &mut searcher.prepared)?;
    searcher.results.reset(params.k.clamp(1, labels.len().max(1)))?;
    if params.k == 0 || labels.len() == 0 {
        return Ok(&[]);
    }
    seeds.nearest(&view, query, &mut searcher.prepared, &mut searcher.scores, &mut searcher.starts)?;
    searcher.beam.start(graph, params.ef_search.max(params.k).min(graph.rows()));
    for &(score, row) in &searcher.starts {
        searcher.beam.add(score, row);
    }
    let mut refine = Refine {
        view,
        labels,
        query,
        prepared: &mut searcher.prepared,
        results: &mut searcher.results,
        pending: None,
    };
    searcher.beam.run(graph, &mut refine)?;
    refine.finish()?;
    Ok(searcher.results.sorted())
}
