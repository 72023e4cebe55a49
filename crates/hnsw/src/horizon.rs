//! A walk without a bound: best first, nothing forgotten, so that it can stop anywhere and go on.
//!
//! Where a search for `k` neighbours drops what does not fit its pool, this one keeps every row it has met in a
//! heap. A row is *settled* once it has been expanded and nothing nearer is waiting: only a row met later can
//! then still come before it. Both kinds of search that do not know how many rows they will want, by radius and
//! one by one, are told of rows as they settle.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use layouts::Error as LayoutError;
use simd_kernels::Element;

use crate::Error;
use crate::beam::Beam;
use crate::graph::Graph;
use crate::pool::{id, key};
use crate::search::Parts;
use crate::view::Prepared;

/// The rows met so far that are not settled.
#[derive(Debug, Default)]
pub(crate) struct Horizon {
    /// Not expanded, by score.
    frontier: BinaryHeap<Reverse<u64>>,
    /// Expanded, by score; with the bits of the exact distance.
    expanded: BinaryHeap<Reverse<(u64, u32)>>,
}

/// Makes room for `more` in a heap.
pub(crate) fn reserve<O: Ord>(heap: &mut BinaryHeap<O>, more: usize) -> Result<(), Error> {
    heap.try_reserve(more).map_err(|_| LayoutError::Memory { bytes: more * size_of::<O>() }.into())
}

impl Horizon {
    /// Begins at all seeds, whose scores [`begin`](crate::search::begin) has left: in its order each leads to rows that
    /// no edge from nearer ones may lead to.
    pub(crate) fn start(
        &mut self,
        graph: &impl Graph,
        beam: &mut Beam,
        seeds: &[u32],
        scores: &[i32],
    ) -> Result<(), Error> {
        // The pool stays unused.
        beam.start(graph, 1);
        self.frontier.clear();
        self.expanded.clear();
        reserve(&mut self.frontier, seeds.len())?;
        for (&row, &score) in seeds.iter().zip(scores) {
            if beam.visited.insert(row) {
                self.frontier.push(Reverse(key(score, row)));
            }
        }
        Ok(())
    }

    /// Expands the nearest row that is known of, then hands every row that has settled to `settled` with its exact
    /// distance. Returns false once nothing is left, all rows having been settled.
    pub(crate) fn advance<T: Element, G: Graph, L>(
        &mut self,
        parts: &Parts<'_, T, G, L>,
        beam: &mut Beam,
        query: &[T],
        prepared: &mut Prepared<T::Distance>,
        mut settled: impl FnMut(u32, f32) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let view = &parts.view;
        let more = match self.frontier.pop() {
            None => false,
            Some(Reverse(at)) => {
                let node = id(at);
                view.prefetch_exact(node);
                let count = beam.visited.mark(parts.graph.neighbors(node), &mut beam.ids);
                let (ids, scores) = (&beam.ids[..count], &mut beam.scores[..count]);
                for &id in ids {
                    view.prefetch(id);
                }
                if let Some(&Reverse(next)) = self.frontier.peek() {
                    parts.graph.prefetch(id(next));
                }
                reserve(&mut self.frontier, count)?;
                reserve(&mut self.expanded, 1)?;
                view.score(query, prepared, ids, scores)?;
                for (&id, &score) in ids.iter().zip(scores.iter()) {
                    self.frontier.push(Reverse(key(score, id)));
                }
                beam.scored += count as u64;
                beam.expanded += 1;
                let distance = view.distance(query, prepared, node)?;
                self.expanded.push(Reverse((at, distance.to_bits())));
                true
            }
        };
        let nearest = self.frontier.peek().map_or(u64::MAX, |&Reverse(key)| key);
        while let Some(&Reverse((at, distance))) = self.expanded.peek() {
            if at > nearest {
                break;
            }
            self.expanded.pop();
            settled(id(at), f32::from_bits(distance))?;
        }
        Ok(more)
    }

    /// Hands over what has been expanded and not settled, in no order, for a search that ends here.
    pub(crate) fn abandon(
        &mut self,
        mut each: impl FnMut(u32, f32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.expanded.drain().try_for_each(|Reverse((at, distance))| each(id(at), f32::from_bits(distance)))
    }
}
