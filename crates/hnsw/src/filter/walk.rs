//! The two walks of a filtered search.
//!
//! Where many rows match, the graph is walked as ever and only matches are kept. Where few do, a walk over all
//! rows would measure mostly what it cannot return; there, only matches are candidates, and neighbours that do not
//! match are stepped over to *their* neighbours (ACORN-1: Patel and others, *ACORN: performant and
//! predicate-agnostic search over vector embeddings and structured data*, arXiv 2403.04871).

use layouts::{Neighbor, TopK};
use simd_kernels::Element;

use crate::Error;
use crate::beam::{Beam, Scorer};
use crate::filter::IdFilter;
use crate::graph::Graph;
use crate::labels::Labels;
use crate::search::Parts;
use crate::view::{Prepared, View};

/// Whether a row stands for an accepted id.
pub(crate) fn passes(labels: &Labels, filter: &(impl IdFilter + ?Sized), row: u32) -> bool {
    labels.of(row).iter().any(|&label| filter.accepts(label))
}

/// Measures rows that pass, one step after their memory was asked for.
pub(crate) struct Passing<'a, T: Element, F: ?Sized> {
    pub(crate) view: View<'a, T>,
    pub(crate) labels: &'a Labels,
    pub(crate) filter: &'a F,
    pub(crate) query: &'a [T],
    pub(crate) prepared: &'a mut Prepared<T::Distance>,
    pub(crate) results: &'a mut TopK<f32>,
    pub(crate) pending: Option<u32>,
}

impl<T: Element, F: IdFilter + ?Sized> Passing<'_, T, F> {
    /// Measures a row and offers those of its ids that are accepted.
    pub(crate) fn refine(&mut self, row: u32) -> Result<(), Error> {
        let distance = self.view.distance(self.query, self.prepared, row)?;
        for &label in self.labels.of(row) {
            if self.filter.accepts(label) {
                self.results.push(Neighbor::new(label, distance));
            }
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.pending.take().map_or(Ok(()), |row| self.refine(row))
    }
}

impl<T: Element, F: IdFilter + ?Sized> Scorer for Passing<'_, T, F> {
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
        if !passes(self.labels, self.filter, id) {
            return Ok(());
        }
        self.view.prefetch_exact(id);
        self.pending.replace(id).map_or(Ok(()), |row| self.refine(row))
    }
}

/// Adjacency rows of waypoints that are asked for ahead.
const AHEAD: usize = 4;

/// Finds what a two-hop walk scores after expanding `node`: its neighbours that pass, and through those that do not,
/// theirs, until there are as many as the graph's degree. Every row that is stepped over is marked like one that is
/// scored, so no row is looked through twice. Returns how many there are, in `beam.ids`.
pub(crate) fn gather<T: Element, G: Graph>(
    parts: &Parts<'_, T, G>,
    filter: &(impl IdFilter + ?Sized),
    beam: &mut Beam,
    waypoints: &mut Vec<u32>,
    node: u32,
) -> usize {
    let Parts { view, graph, labels, .. } = parts;
    let Beam { visited, ids, .. } = beam;
    let degree = graph.degree();
    let mut count = 0;
    waypoints.clear();
    for &near in graph.neighbors(node) {
        if near as usize >= graph.rows() {
            break;
        }
        if visited.contains(near) {
            continue;
        }
        if !passes(labels, filter, near) {
            waypoints.push(near);
            if waypoints.len() <= AHEAD {
                graph.prefetch(near);
            }
        } else if count < ids.len() {
            visited.insert(near);
            view.prefetch(near);
            ids[count] = near;
            count += 1;
        }
    }
    for (at, &over) in waypoints.iter().enumerate() {
        if count >= degree {
            break;
        }
        if let Some(&later) = waypoints.get(at + AHEAD) {
            graph.prefetch(later);
        }
        visited.insert(over);
        for &near in graph.neighbors(over) {
            if near as usize >= graph.rows() || count >= ids.len() {
                break;
            }
            if !visited.contains(near) && passes(labels, filter, near) {
                visited.insert(near);
                view.prefetch(near);
                ids[count] = near;
                count += 1;
            }
        }
    }
    count
}

/// Walks over matches only, until every candidate of the pool has been expanded.
pub(crate) fn two_hop<T: Element, G: Graph, F: IdFilter + ?Sized>(
    parts: &Parts<'_, T, G>,
    beam: &mut Beam,
    waypoints: &mut Vec<u32>,
    passing: &mut Passing<'_, T, F>,
) -> Result<(), Error> {
    while let Some((score, node)) = beam.pool.next() {
        let count = gather(parts, passing.filter, beam, waypoints, node);
        if let Some(next) = beam.pool.peek() {
            parts.graph.prefetch(next);
        }
        passing.expand(score, node)?;
        beam.collect(count, passing)?;
    }
    Ok(())
}
