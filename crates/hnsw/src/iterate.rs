//! Neighbours one after the other, for as long as the caller likes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::FusedIterator;

use layouts::{Adjacency, Neighbor, Storage};
use simd_kernels::Element;

use crate::graph::Graph;
use crate::horizon::reserve;
use crate::labels::{Labels, Names};
use crate::metric::{sortable, sorted_as};
use crate::params::SearchParams;
use crate::search::{Parts, Scratch, Searcher, begin};
use crate::{Error, Hnsw};

/// A name in a heap, before those that are farther.
pub(crate) type Ready<N> = Reverse<(i32, N)>;

/// An iterator's walk, over any kind of index.
#[derive(Debug)]
pub(crate) struct Walker<'a, T: Element, G, L: Names> {
    /// `None` where everything lies in `ready` from the beginning.
    parts: Option<Parts<'a, T, G, L>>,
    scratch: &'a mut Scratch<T>,
    query: &'a [T],
    ready: BinaryHeap<Ready<L::Name>>,
    /// Where the heap's memory came from, and returns to.
    home: &'a mut Vec<Ready<L::Name>>,
    ahead: usize,
}

/// Puts a name into a heap.
pub(crate) fn wait<N: Ord>(ready: &mut BinaryHeap<Ready<N>>, distance: f32, name: N) -> Result<(), Error> {
    reserve(ready, 1)?;
    // Adding zero makes -0 the same as 0.
    ready.push(Reverse((sortable(distance + 0.0), name)));
    Ok(())
}

impl<'a, T: Element, G: Graph, L: Names> Walker<'a, T, G, L> {
    pub(crate) fn new(
        parts: Parts<'a, T, G, L>,
        (scratch, home): (&'a mut Scratch<T>, &'a mut Vec<Ready<L::Name>>),
        query: &'a [T],
        ef_search: usize,
    ) -> Result<Self, Error> {
        let begun = begin(&parts, scratch, query, &SearchParams::new(1, 1), None)?;
        if begun {
            let Scratch { beam, scores, horizon, .. } = &mut *scratch;
            horizon.start(parts.graph, beam, &parts.seeds.ids, scores)?;
        }
        let ready = BinaryHeap::from(std::mem::take(home));
        Ok(Self { parts: begun.then_some(parts), scratch, query, ready, home, ahead: ef_search.max(1) })
    }

    /// A walk that has met everything, which lies in `ready`.
    pub(crate) fn ended(
        ready: BinaryHeap<Ready<L::Name>>,
        (scratch, home): (&'a mut Scratch<T>, &'a mut Vec<Ready<L::Name>>),
        query: &'a [T],
    ) -> Self {
        Self { parts: None, scratch, query, ready, home, ahead: 0 }
    }

    pub(crate) fn next(&mut self) -> Result<Option<(L::Name, f32)>, Error> {
        let Scratch { beam, prepared, horizon, .. } = &mut *self.scratch;
        while let (true, Some(parts)) = (self.ready.len() < self.ahead, &self.parts) {
            let ready = &mut self.ready;
            let more = horizon.advance(parts, beam, self.query, prepared, |row, distance| {
                let mut taken = Ok(());
                parts.names.each(row, |name| {
                    if taken.is_ok() {
                        taken = wait(ready, distance, name);
                    }
                });
                taken
            });
            if !matches!(more, Ok(true)) {
                self.parts = None;
            }
            more?;
        }
        Ok(self.ready.pop().map(|Reverse((distance, name))| (name, sorted_as(distance))))
    }
}

impl<T: Element, G, L: Names> Drop for Walker<'_, T, G, L> {
    /// Hands the heap's memory back for the next iterator.
    fn drop(&mut self) {
        self.ready.clear();
        *self.home = std::mem::take(&mut self.ready).into_vec();
    }
}

/// Neighbours of one query, near before far, until none is left: see [`Hnsw::iter`].
#[derive(Debug)]
pub struct Neighbors<'a, T: Element> {
    walker: Walker<'a, T, Adjacency<Storage<u32>>, Labels>,
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
        next.map(|next| next.map(|(id, distance)| Neighbor::new(id, distance))).transpose()
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
        let Searcher { scratch, ready, .. } = searcher;
        Ok(Neighbors {
            walker: Walker::new(self.parts()?, (scratch, ready), query, ef_search)?,
            failed: false,
        })
    }
}
