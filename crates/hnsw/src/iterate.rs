//! Neighbours one after the other, for as long as the caller likes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::FusedIterator;

use layouts::{Adjacency, Neighbor, Storage};
use simd_kernels::Element;

use crate::graph::Graph;
use crate::horizon::reserve;
use crate::params::SearchParams;
use crate::search::{Parts, Searcher, begin};
use crate::{Error, Hnsw};

/// An iterator's walk, over any kind of index.
#[derive(Debug)]
pub(crate) struct Walker<'a, T: Element, G> {
    parts: Parts<'a, T, G>,
    searcher: &'a mut Searcher<T>,
    query: &'a [T],
    ready: BinaryHeap<Reverse<Neighbor>>,
    ahead: usize,
    ended: bool,
}

impl<'a, T: Element, G: Graph> Walker<'a, T, G> {
    pub(crate) fn new(
        parts: Parts<'a, T, G>,
        searcher: &'a mut Searcher<T>,
        query: &'a [T],
        ef_search: usize,
    ) -> Result<Self, Error> {
        let ended = !begin(&parts, searcher, query, &SearchParams::new(1, 1), None)?;
        if !ended {
            let Searcher { beam, scores, horizon, .. } = &mut *searcher;
            horizon.start(parts.graph, beam, &parts.seeds.ids, scores)?;
        }
        let ready = BinaryHeap::from(std::mem::take(&mut searcher.ready));
        Ok(Self { parts, searcher, query, ready, ahead: ef_search.max(1), ended })
    }

    pub(crate) fn next(&mut self) -> Result<Option<Neighbor>, Error> {
        let Searcher { beam, prepared, horizon, .. } = &mut *self.searcher;
        while self.ready.len() < self.ahead && !self.ended {
            let (parts, ready) = (&self.parts, &mut self.ready);
            let more = horizon.advance(parts, beam, self.query, prepared, |row, distance| {
                let labels = parts.labels.of(row);
                reserve(ready, labels.len())?;
                ready.extend(labels.iter().map(|&label| Reverse(Neighbor::new(label, distance))));
                Ok(())
            });
            self.ended = !matches!(more, Ok(true));
            more?;
        }
        Ok(self.ready.pop().map(|Reverse(neighbor)| neighbor))
    }
}

impl<T: Element, G> Drop for Walker<'_, T, G> {
    /// Hands the heap's memory back for the next iterator.
    fn drop(&mut self) {
        self.ready.clear();
        self.searcher.ready = std::mem::take(&mut self.ready).into_vec();
    }
}

/// Neighbours of one query, near before far, until none is left: see [`Hnsw::iter`].
#[derive(Debug)]
pub struct Neighbors<'a, T: Element> {
    walker: Walker<'a, T, Adjacency<Storage<u32>>>,
    failed: bool,
}

impl<T: Element> Iterator for Neighbors<'_, T> {
    type Item = Result<Neighbor, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.walker.next();
        self.failed = next.is_err();
        next.transpose()
    }
}

impl<T: Element> FusedIterator for Neighbors<'_, T> {}

impl<T: Element> Hnsw<T> {
    /// The neighbours of `query` one after the other, resumed and not restarted with each: for callers who learn only
    /// from the results how many they need, as in a join or under a condition that no filter can express.
    ///
    /// **Order.** Neighbours come in *nearly* ascending order. The walk always keeps `ef_search` neighbours ready
    /// and hands out the nearest of these, so that a neighbour is out of order only if the walk met it after more
    /// than `ef_search` others that are farther. The first `k` are about what [`search`](Self::search) finds with
    /// `k` and this `ef_search + k`. With `ef_search` at the number of vectors the order is exact.
    ///
    /// **Completeness.** In the end every vector that the graph reaches has come exactly once.
    ///
    /// Every step costs O(degree) distances and O(log met) for the heap; memory is 8 bytes for every row met so far,
    /// kept by `searcher` for its next use. An item is an error only where memory is short; nothing follows it.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    ///
    /// ```
    /// use hnsw::{BuildParams, Hnsw, Metric, Searcher};
    /// use simd_kernels::Rows;
    /// let line: Vec<f32> = (0..1000).map(|x| x as f32).collect();
    /// let index = Hnsw::build(Rows::new(&line, 1)?, Metric::L2, &BuildParams::new())?;
    /// let mut searcher = Searcher::new()?;
    /// // The three nearest that are multiples of 50.
    /// let mut found = Vec::new();
    /// for neighbor in index.iter(&mut searcher, &[512.0], 32)? {
    ///     let neighbor = neighbor?;
    ///     if neighbor.id % 50 == 0 {
    ///         found.push(neighbor.id);
    ///     }
    ///     if found.len() == 3 {
    ///         break;
    ///     }
    /// }
    /// assert_eq!(found, [500, 550, 450]);
    /// # Ok::<(), hnsw::Error>(())
    /// ```
    pub fn iter<'a>(
        &'a self,
        searcher: &'a mut Searcher<T>,
        query: &'a [T],
        ef_search: usize,
    ) -> Result<Neighbors<'a, T>, Error> {
        Ok(Neighbors { walker: Walker::new(self.parts()?, searcher, query, ef_search)?, failed: false })
    }
}
