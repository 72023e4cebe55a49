//! Searching a scan: one query or a batch, by one thread or many.

use rayon::prelude::*;
use simd_kernels::{Distance, Element, Ordered, Rows};

use super::batch::Batched;
use super::heap::Nearest;
use super::scan::{Scan, Scratch, TILE_QUERIES, Worker, has_padding, inverse_norm};
use super::{ExactError, Ranking};
use crate::engine::Neighbor;

impl<E: Batched, O: Distance + Ordered> Scan<E, O> {
    /// The `k` vectors nearest to `query` in `out`, nearest first, ties by lower id; all of them when there are
    /// fewer than `k`. With scratch for several threads the rows are shared out to the current rayon pool; the
    /// result is the same.
    ///
    /// # Errors
    /// [`ExactError`] if `k` is 0, or the query has another dimension or an element that is not finite; `out` is
    /// then as it was.
    pub fn search(
        &self,
        scratch: &mut Scratch<O>,
        query: &[E],
        k: usize,
        out: &mut Vec<Neighbor>,
    ) -> Result<(), ExactError> {
        let k = self.expect_k(k)?;
        self.check_query(query, 0)?;
        let rows = self.rows()?;
        let scale = self.scale_of(query);
        let workers = scratch.workers.as_mut_slice();
        // Shares are whole chunks, so that no thread gets a sliver.
        let share = self.len.div_ceil(workers.len()).next_multiple_of(self.chunk_rows());
        let scan_share = |(index, worker): (usize, &mut Worker<O>)| {
            let (start, end) = ((index * share).min(self.len), ((index + 1) * share).min(self.len));
            worker.prepare(1, self.chunk_rows(), k);
            rows.slice(start, end).map_or(Ok(()), |rows| self.scan_for_one(worker, query, scale, rows, start))
        };
        match workers {
            [only] => scan_share((0, only))?,
            _ => workers.par_iter_mut().enumerate().try_for_each(scan_share)?,
        }
        if let Some((first, others)) = workers.split_first_mut()
            && let [nearest, ..] = first.nearest.as_mut_slice()
        {
            others.iter().filter_map(|other| other.nearest.first()).for_each(|other| nearest.merge(other));
            out.clear();
            out.resize(k, Neighbor::default());
            nearest.write(out, |value| self.ranking.finish(value));
        }
        Ok(())
    }

    /// The nearest vectors of every query in `out`: query `i` has `out[i * m..][..m]`, where `m` is `k` or, if
    /// that is less, the number of vectors. With scratch for several threads the queries are shared out to the
    /// current rayon pool. Equal to one [`Scan::search`] a query.
    ///
    /// # Errors
    /// [`ExactError`] as for [`Scan::search`], naming the query; `out` is then as it was.
    pub fn search_batch(
        &self,
        scratch: &mut Scratch<O>,
        queries: Rows<'_, E>,
        k: usize,
        out: &mut Vec<Neighbor>,
    ) -> Result<(), ExactError> {
        let k = self.expect_k(k)?;
        queries.iter().enumerate().try_for_each(|(row, query)| self.check_query(query, row))?;
        out.clear();
        out.resize(queries.len() * k, Neighbor::default());
        if k == 0 || queries.is_empty() {
            return Ok(());
        }
        let workers = scratch.workers.as_mut_slice();
        let share = queries.len().div_ceil(workers.len());
        let scan_share = |(index, (worker, out)): (usize, (&mut Worker<O>, &mut [Neighbor]))| {
            let start = index * share;
            let end = start + out.len() / k;
            queries.slice(start, end).map_or(Ok(()), |queries| self.scan_for_many(worker, queries, k, out))
        };
        match workers {
            [only] => scan_share((0, (only, out.as_mut_slice()))),
            _ => {
                workers.par_iter_mut().zip(out.par_chunks_mut(share * k)).enumerate().try_for_each(scan_share)
            }
        }
    }

    /// `k`, or the number of vectors where that is less.
    fn expect_k(&self, k: usize) -> Result<usize, ExactError> {
        if k == 0 { Err(ExactError::ZeroK) } else { Ok(k.min(self.len)) }
    }

    fn check_query(&self, query: &[E], row: usize) -> Result<(), ExactError> {
        if query.len() != self.dim {
            // A bit string is given in bytes; its dimensions are bits.
            let unit = if self.bits.is_some() { 8 } else { 1 };
            let expected = self.bits.unwrap_or(self.dim);
            return Err(ExactError::Dimension { expected, actual: query.len() * unit });
        }
        if let Some(column) = query.iter().position(|value| !value.to_f64().is_finite()) {
            return Err(ExactError::NotFinite { argument: "query", row, column });
        }
        if let Some(bits) = self.bits
            && has_padding(bytemuck::cast_slice(query), bits)
        {
            return Err(ExactError::Padding { argument: "query", row, bits });
        }
        Ok(())
    }

    /// Scans `rows`, the first of which has id `first`, for one query.
    fn scan_for_one(
        &self,
        worker: &mut Worker<O>,
        query: &[E],
        scale: f64,
        rows: Rows<'_, E>,
        first: usize,
    ) -> Result<(), ExactError> {
        let Worker { distances, nearest, ids, found, .. } = worker;
        let chunk = self.chunk_rows();
        for start in (0..rows.len()).step_by(chunk) {
            let end = (start + chunk).min(rows.len());
            let (Some(rows), Some(distances), Some(nearest)) =
                (rows.slice(start, end), distances.get_mut(..end - start), nearest.first_mut())
            else {
                break;
            };
            self.forms.rows(query, rows, distances)?;
            self.select(Found { ids, values: found }, nearest, distances, first + start, scale)?;
        }
        Ok(())
    }

    /// Scans all rows for queries, a tile of them at a time.
    fn scan_for_many(
        &self,
        worker: &mut Worker<O>,
        queries: Rows<'_, E>,
        k: usize,
        out: &mut [Neighbor],
    ) -> Result<(), ExactError> {
        worker.keep(queries.len(), k);
        let nearest = worker.nearest.get_mut(..queries.len()).unwrap_or(&mut []);
        if E::scan_panels(self, queries, &mut worker.panels, nearest)? {
            for (nearest, out) in nearest.iter_mut().zip(out.chunks_exact_mut(k)) {
                nearest.write(out, |value| self.ranking.finish(value));
            }
            return Ok(());
        }
        let rows = self.rows()?;
        let chunk = self.chunk_rows();
        for (tile, out) in (0..queries.len()).step_by(TILE_QUERIES).zip(out.chunks_mut(TILE_QUERIES * k)) {
            let Some(queries) = queries.slice(tile, (tile + TILE_QUERIES).min(queries.len())) else { break };
            worker.prepare(queries.len(), chunk, k);
            let Worker { distances, nearest, ids, found, .. } = worker;
            for start in (0..rows.len()).step_by(chunk) {
                let end = (start + chunk).min(rows.len());
                let (Some(rows), Some(distances)) =
                    (rows.slice(start, end), distances.get_mut(..queries.len() * (end - start)))
                else {
                    break;
                };
                self.forms.tile(queries, rows, distances)?;
                let of_queries = distances.chunks_exact(end - start).zip(queries.iter());
                for (nearest, (distances, query)) in nearest.iter_mut().zip(of_queries) {
                    let found = Found { ids: &mut *ids, values: &mut *found };
                    self.select(found, nearest, distances, start, self.scale_of(query))?;
                }
            }
            for (nearest, out) in nearest.iter_mut().zip(out.chunks_exact_mut(k)) {
                nearest.write(out, |value| self.ranking.finish(value));
            }
        }
        Ok(())
    }

    /// Offers a chunk, whose first row has id `first`, to the nearest so far.
    fn select(
        &self,
        found: Found<'_, O>,
        nearest: &mut Nearest,
        distances: &[O],
        first: usize,
        scale: f64,
    ) -> Result<(), ExactError> {
        let threshold = nearest.threshold();
        if matches!(self.ranking, Ranking::Plain | Ranking::Root) && threshold < f64::INFINITY {
            // The threshold is one of the kernel's own values. A later row that equals it has a higher id.
            let limit = O::from_f64(threshold);
            let count = self.kernels.select_below(distances, limit, 0, found.ids, found.values)?;
            for (&row, value) in found.ids.iter().zip(&*found.values).take(count) {
                nearest.offer(Neighbor { id: first as u32 + row, distance: value.to_f64() });
            }
            return Ok(());
        }
        let mut threshold = threshold;
        for (row, value) in (first..).zip(distances) {
            // The minimum with infinity turns a distance that is not a number into one that comes last.
            let distance = self.compared(value.to_f64(), row, scale).min(f64::INFINITY);
            if distance <= threshold {
                nearest.offer(Neighbor { id: row as u32, distance });
                threshold = nearest.threshold();
            }
        }
        Ok(())
    }
}

impl<E: Element, O: Distance> Scan<E, O> {
    /// What a cosine needs of a query.
    pub(super) fn scale_of(&self, query: &[E]) -> f64 {
        if self.ranking == Ranking::Cosine { inverse_norm(query) } else { 1.0 }
    }

    /// What the kernel's value of a query and a row is compared by: smaller is nearer.
    #[inline(always)]
    pub(super) fn compared(&self, value: f64, row: usize, scale: f64) -> f64 {
        match self.ranking {
            Ranking::Plain | Ranking::Root => value,
            Ranking::Negated => -value,
            Ranking::Cosine => 1.0 - value * scale * self.inverse_norms.get(row).copied().unwrap_or(0.0),
        }
    }
}

/// Room for what a selection finds in one chunk.
struct Found<'a, O> {
    ids: &'a mut [u32],
    values: &'a mut [O],
}

impl<O: Distance> Worker<O> {
    /// Room for the distances of `queries` queries to a chunk, and for `k` nearest of each.
    fn prepare(&mut self, queries: usize, chunk: usize, k: usize) {
        self.distances.resize(self.distances.len().max(queries * chunk), O::default());
        self.ids.resize(self.ids.len().max(chunk), 0);
        self.found.resize(self.found.len().max(chunk), O::default());
        self.keep(queries, k);
    }

    /// Room for `k` nearest of `queries` queries.
    fn keep(&mut self, queries: usize, k: usize) {
        self.nearest.resize_with(self.nearest.len().max(queries), Nearest::default);
        self.nearest.iter_mut().take(queries).for_each(|nearest| nearest.reset(k));
    }
}
