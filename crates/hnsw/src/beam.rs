//! The search loop: expand the nearest known row, look at its neighbours, until nothing near is left.

use crate::Error;
use crate::graph::Graph;
use crate::pool::Pool;
use crate::visited::Visited;

/// How rows are told apart from a query, during one search.
pub(crate) trait Scorer {
    /// Writes a number for each of `ids` that sorts like its distance.
    fn score(&mut self, ids: &[u32], out: &mut [i32]) -> Result<(), Error>;
    /// Asks for the memory that scoring `id` will read.
    fn prefetch(&self, id: u32);
    /// Is told of every row that is expanded, in the order that it happens, with its score.
    fn expand(&mut self, score: i32, id: u32) -> Result<(), Error>;
}

/// Candidates, marks and buffers of one search at a time.
#[derive(Debug, Default)]
pub(crate) struct Beam {
    pub(crate) pool: Pool,
    pub(crate) visited: Visited,
    pub(crate) ids: Vec<u32>,
    pub(crate) scores: Vec<i32>,
    /// Distances computed since the scratch was made.
    pub(crate) scored: u64,
    /// Rows expanded since the scratch was made.
    pub(crate) expanded: u64,
}

impl Beam {
    /// Begins a search of a graph: no row met, room for `ef` candidates.
    pub(crate) fn start(&mut self, graph: &impl Graph, ef: usize) {
        self.visited.reset(graph.rows());
        self.pool.reset(ef);
        let degree = graph.degree().max(self.ids.len());
        self.ids.resize(degree, 0);
        self.scores.resize(degree, 0);
    }

    /// Adds a row to search from.
    pub(crate) fn add(&mut self, score: i32, id: u32) {
        if self.visited.mark(&[id], &mut self.ids) == 1 {
            self.pool.insert(score, id);
        }
    }

    /// Searches until every candidate of the pool has been expanded.
    #[inline]
    pub(crate) fn run(&mut self, graph: &impl Graph, scorer: &mut impl Scorer) -> Result<(), Error> {
        while let Some(count) = self.issue(graph, scorer)? {
            self.collect(count, graph, scorer)?;
        }
        Ok(())
    }

    /// The first half of a step: takes the nearest candidate, finds the neighbours of it that are new and asks for
    /// their memory. Returns how many, or `None` when every candidate has been expanded.
    #[inline(always)]
    pub(crate) fn issue(
        &mut self,
        graph: &impl Graph,
        scorer: &mut impl Scorer,
    ) -> Result<Option<usize>, Error> {
        let Some((score, node)) = self.pool.next() else { return Ok(None) };
        let count = self.visited.mark(graph.neighbors(node), &mut self.ids);
        for &id in &self.ids[..count] {
            scorer.prefetch(id);
        }
        if let Some(next) = self.pool.peek() {
            graph.prefetch(next);
        }
        scorer.expand(score, node)?;
        Ok(Some(count))
    }

    /// The second half: scores what [`issue`](Self::issue) found and takes up what is near. Whatever comes to be next
    /// on the way, its neighbours are asked for at once.
    #[inline(always)]
    pub(crate) fn collect(
        &mut self,
        count: usize,
        graph: &impl Graph,
        scorer: &mut impl Scorer,
    ) -> Result<(), Error> {
        let (ids, scores) = (&self.ids[..count], &mut self.scores[..count]);
        scorer.score(ids, scores)?;
        self.scored += count as u64;
        self.expanded += 1;
        for (&id, &score) in ids.iter().zip(scores.iter()) {
            if score < self.pool.threshold() {
                let is_next = self.pool.insert(score, id);
                if is_next {
                    graph.prefetch(id);
                }
            }
        }
        Ok(())
    }
}
