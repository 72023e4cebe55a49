//! The search loop: expand the nearest known row, look at its neighbours, until nothing near is left.

use layouts::Adjacency;
use simd_kernels::{Kernels, Measure, Rows, prefetch_slice};

use crate::Error;
use crate::code::LINE;
use crate::pool::Pool;
use crate::visited::Visited;

/// Distances of rows to the query of a search, as integers that sort like distances.
pub(crate) trait Scorer {
    /// Scores `ids`, one place each in `out`.
    fn score(&self, ids: &[u32], out: &mut [i32]) -> Result<(), Error>;
    /// Asks for the memory of `id`.
    fn prefetch(&self, id: u32);
}

/// Codes of mixed width against a prepared query.
#[derive(Debug)]
pub(crate) struct CodeScorer<'a> {
    pub(crate) query: &'a [i8],
    pub(crate) codes: Rows<'a, u8>,
    pub(crate) data: &'a [u8],
    pub(crate) kernels: &'static Kernels,
}

impl Scorer for CodeScorer<'_> {
    #[inline]
    fn score(&self, ids: &[u32], out: &mut [i32]) -> Result<(), Error> {
        Ok(self.kernels.codes_mixed().ids(self.query, self.codes, ids, out)?)
    }
    #[inline]
    fn prefetch(&self, id: u32) {
        let bytes = self.codes.dim();
        let start = id as usize * bytes;
        if let Some(code) = self.data.get(start..start + bytes) {
            prefetch_slice(code, 4 * LINE);
        }
    }
}

/// Integer rows against a query that is one of them.
#[derive(Debug)]
pub(crate) struct RowScorer<'a> {
    pub(crate) query: &'a [i8],
    pub(crate) rows: Rows<'a, i8>,
    pub(crate) kernels: &'static Kernels,
}

impl Scorer for RowScorer<'_> {
    #[inline]
    fn score(&self, ids: &[u32], out: &mut [i32]) -> Result<(), Error> {
        Ok(self.kernels.forms::<i8>(Measure::L2Squared).ids(self.query, self.rows, ids, out)?)
    }
    #[inline]
    fn prefetch(&self, id: u32) {
        if let Some(row) = self.rows.row(id as usize) {
            prefetch_slice(row, 4 * LINE);
        }
    }
}

/// Scratch of one search: candidates, marks and buffers.
#[derive(Debug, Default)]
pub(crate) struct Beam {
    pub(crate) pool: Pool,
    visited: Visited,
    ids: Vec<u32>,
    scores: Vec<i32>,
    /// Distances computed since the scratch was made.
    pub(crate) scored: u64,
    /// Rows expanded.
    pub(crate) expanded: u64,
}

impl Beam {
    /// Searches `graph` from `starts`, keeping `ef` candidates in `pool`; `expand` is told of every expanded row.
    #[inline]
    pub(crate) fn search<S: Scorer>(
        &mut self,
        graph: &Adjacency<impl std::ops::Deref<Target = [u32]>>,
        scorer: &S,
        starts: &[(i32, u32)],
        ef: usize,
        mut expand: impl FnMut(i32, u32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.visited.reset(graph.len());
        self.pool.reset(ef);
        self.scores.resize(graph.stride().max(self.scores.len()), 0);
        self.ids.resize(graph.stride().max(self.ids.len()), 0);
        for &(score, id) in starts {
            if self.visited.mark(&[id], &mut self.ids) == 1 {
                self.pool.insert(score, id);
            }
        }
        while let Some((score, node)) = self.pool.next() {
            let count = self.visited.mark(graph.row(node), &mut self.ids);
            let (ids, scores) = (&self.ids[..count], &mut self.scores[..count]);
            for &id in ids {
                scorer.prefetch(id);
            }
            if let Some(next) = self.pool.peek() {
                graph.prefetch(next);
            }
            expand(score, node)?;
            scorer.score(ids, scores)?;
            self.scored += count as u64;
            self.expanded += 1;
            for (&id, &score) in ids.iter().zip(scores.iter()) {
                if score < self.pool.threshold() {
                    self.pool.insert(score, id);
                }
            }
        }
        Ok(())
    }
}
