//! The two walks of a filtered search.
//!
//! Where many rows match, the graph is walked as ever and only matches are kept. Where few do, a walk over all
//! rows would measure mostly what it cannot return; there, only matches are candidates, and neighbours that do not
//! match are stepped over to *their* neighbours (ACORN-1: Patel and others, *ACORN: performant and
//! predicate-agnostic search over vector embeddings and structured data*, arXiv 2403.04871).

use simd_kernels::Element;

use crate::Error;
use crate::beam::{Beam, Scorer};
use crate::filter::Condition;
use crate::graph::Graph;
use crate::search::{Parts, Results};
use crate::view::{Prepared, View};

/// Measures rows that pass, one step after their memory was asked for.
pub(crate) struct Passing<'a, T: Element, C, R> {
    pub(crate) view: View<'a, T>,
    pub(crate) condition: &'a C,
    pub(crate) query: &'a [T],
    pub(crate) prepared: &'a mut Prepared<T::Distance>,
    pub(crate) results: &'a mut R,
    pub(crate) pending: Option<u32>,
    /// Rows that passed when they were expanded.
    pub(crate) met: usize,
}

impl<T: Element, C: Condition, R: Results<C::Name>> Passing<'_, T, C, R> {
    /// Measures a row and offers those of its names that are accepted.
    pub(crate) fn refine(&mut self, row: u32) -> Result<(), Error> {
        let distance = self.view.distance(self.query, self.prepared, row)?;
        self.condition.each(row, |name| self.results.offer(distance, name));
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.pending.take().map_or(Ok(()), |row| self.refine(row))
    }
}

impl<T: Element, C: Condition, R: Results<C::Name>> Scorer for Passing<'_, T, C, R> {
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
        if !self.condition.passes(id) {
            return Ok(());
        }
        self.met += 1;
        self.view.prefetch_exact(id);
        self.pending.replace(id).map_or(Ok(()), |row| self.refine(row))
    }
}

/// Adjacency rows of waypoints that are asked for ahead.
const AHEAD: usize = 4;

/// Finds what a two-hop walk scores after expanding `node`: its neighbours that pass, and through those that do not,
/// theirs, until there are as many as the graph's degree. Every row that is stepped over is marked like one that is
/// scored, so no row is looked through twice. Returns how many there are, in `beam.ids`.
pub(crate) fn gather<T: Element, G: Graph, L>(
    parts: &Parts<'_, T, G, L>,
    condition: &impl Condition,
    beam: &mut Beam,
    waypoints: &mut Vec<u32>,
    node: u32,
) -> usize {
    let Parts { view, graph, .. } = parts;
    let Beam { visited, ids, .. } = beam;
    let (rows, degree) = (graph.rows(), graph.degree());
    waypoints.resize(degree.max(waypoints.len()), 0);
    let (mut count, mut over) = (0, 0);
    // What passes is a coin toss, which no branch predictor guesses: everything is written, and counts move on.
    for &near in graph.neighbors(node) {
        if near as usize >= rows {
            break;
        }
        let pass = condition.passes(near);
        let (Some(id), Some(waypoint)) = (ids.get_mut(count), waypoints.get_mut(over)) else { break };
        (*id, *waypoint) = (near, near);
        over += usize::from(!pass & !visited.contains(near));
        count += usize::from(visited.insert_if(near, pass));
    }
    let waypoints = &waypoints[..over];
    for &near in waypoints.iter().take(AHEAD) {
        graph.prefetch(near);
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
            if near as usize >= rows {
                break;
            }
            let pass = condition.passes(near);
            let Some(id) = ids.get_mut(count) else { break };
            *id = near;
            count += usize::from(visited.insert_if(near, pass));
        }
    }
    for &id in ids.iter().take(count) {
        view.prefetch(id);
    }
    count
}

/// Walks over matches only, until every candidate of the pool has been expanded.
pub(crate) fn two_hop<T: Element, G: Graph, L, C: Condition, R: Results<C::Name>>(
    parts: &Parts<'_, T, G, L>,
    beam: &mut Beam,
    waypoints: &mut Vec<u32>,
    passing: &mut Passing<'_, T, C, R>,
) -> Result<(), Error> {
    while let Some((score, node)) = beam.pool.next() {
        let count = gather(parts, passing.condition, beam, waypoints, node);
        if let Some(next) = beam.pool.peek() {
            parts.graph.prefetch(next);
        }
        passing.expand(score, node)?;
        beam.collect(count, parts.graph, passing)?;
    }
    Ok(())
}
