//! The order of a batch: queries that begin at the same seed follow one another, because they read the same rows.
//!
//! Rows lie in an order that keeps neighbours together, so what one search has brought near the core, page tables
//! included, serves the next. On an index that caches hold there is nothing to gain.

use layouts::TopK;
use simd_kernels::{Element, Rows};

use crate::batch::{BLOCK, Idle};
use crate::graph::Graph;
use crate::labels::Names;
use crate::search::Parts;
use crate::{Error, parallel};

/// Bytes of neighbour lists from which on order is worth its making.
const LARGE: usize = 32 << 20;

/// The queries of one batch, each as its nearest seed and its place, by seed.
#[derive(Debug, Default)]
pub(crate) struct Order {
    queries: Vec<(u32, u32)>,
}

/// Whether so many queries of such an index gain by order: many to a seed, over more memory than caches hold.
pub(crate) fn pays<T, G: Graph, L>(parts: &Parts<'_, T, G, L>, queries: usize) -> bool {
    let large = parts.graph.rows() * parts.graph.degree() * size_of::<u32>() >= LARGE;
    let many = queries >= parts.seeds.ids.len() && u32::try_from(queries).is_ok();
    large && many && parts.scan.is_none()
}

impl Order {
    /// Sorts queries by the seed that is nearest to each.
    pub(crate) fn fill<T: Element, G: Graph + Sync, L: Names + Sync>(
        &mut self,
        parts: &Parts<'_, T, G, L>,
        idle: &Idle<T, TopK<f32>>,
        queries: Rows<'_, T>,
    ) -> Result<(), Error> {
        self.queries.clear();
        let bytes = queries.len().saturating_mul(size_of::<(u32, u32)>());
        self.queries.try_reserve(queries.len()).map_err(|_| layouts::Error::Memory { bytes })?;
        self.queries.resize(queries.len(), (0, 0));
        parallel::chunks(&mut self.queries, BLOCK, |block, keys| {
            idle.with_scratch(|scratch| {
                for (key, place) in keys.iter_mut().zip(block * BLOCK..) {
                    let query = queries.row(place).unwrap_or_default();
                    parts.view.prepare(query, &mut scratch.prepared)?;
                    let (scores, starts) = (&mut scratch.scores, &mut scratch.starts);
                    parts.seeds.nearest(&parts.view, query, &mut scratch.prepared, scores, starts)?;
                    *key = (starts.first().map_or(0, |&(_, row)| row), place as u32);
                }
                Ok(())
            })
        })?;
        self.queries.sort_unstable();
        Ok(())
    }

    /// The query that is to be searched as number `at`.
    pub(crate) fn place(&self, at: usize) -> usize {
        self.queries.get(at).map_or(usize::MAX, |&(_, place)| place as usize)
    }

    /// Puts results, `k` of each query and in this order, to their queries' places, and forgets the order.
    pub(crate) fn restore<F>(&mut self, out: &mut [F], k: usize) {
        for at in 0..self.queries.len() {
            // Every exchange puts one query's results where they belong.
            while self.place(at) != at {
                let to = self.place(at);
                let (low, high) = (at.min(to) * k, at.max(to) * k);
                let (head, tail) = out.split_at_mut(high);
                head[low..low + k].swap_with_slice(&mut tail[..k]);
                self.queries.swap(at, to);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_return_to_their_places() {
        // Fixed points, a pair that changes places, and a long cycle.
        for places in [vec![], vec![0], vec![1, 0, 2], vec![3, 0, 1, 2, 4], vec![5, 3, 4, 1, 0, 2]] {
            let mut order = Order { queries: places.iter().map(|&place| (7, place)).collect() };
            let mut out: Vec<u32> = places.iter().flat_map(|&place| [10 * place, 10 * place + 1]).collect();
            order.restore(&mut out, 2);
            let expected: Vec<u32> = (0..places.len() as u32).flat_map(|at| [10 * at, 10 * at + 1]).collect();
            assert_eq!(out, expected);
        }
    }
}
