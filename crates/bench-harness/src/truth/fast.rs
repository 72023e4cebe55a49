//! Truth of large sets: candidates by kernels, with a margin that no rounding error crosses, ranked by the oracle.
//!
//! A kernel's result lies within an error `e` of the exact key (a bound over the norms, below). Let `a` be the
//! k-th smallest result of a query: k vectors have keys of at most `a + e`, so every true neighbour has a
//! result of at most `a + 2 e`. Those are the candidates; the oracle computes their keys and orders them, so
//! the answer is the oracle's, bit for bit.

use rayon::prelude::*;
use simd_kernels::{Distance, Element, Forms, Kernels, Measure, Rows};

use super::oracle::{Oracle, keep_nearest, norms};
use super::{TruthError, assemble};
use crate::dataset::{Metric, Truth};
use crate::progress::Progress;
use crate::vectors::{Matrix, Vectors};

/// Queries of a task and rows of a tile: 16 x 512 results are 32 KiB.
const QUERIES: usize = 16;
const ROWS: usize = 512;

/// The truth of every query, or `None` when the kernels do not take these vectors.
pub(super) fn truth(
    oracle: &Oracle<'_>,
    k: usize,
    progress: &dyn Progress,
) -> Result<Option<Truth>, TruthError> {
    // A tier that cannot be had is the business of whoever searches; the oracle needs none.
    let Ok(kernels) = Kernels::active() else { return Ok(None) };
    let work = Work { oracle, k: k.min(oracle.len()), progress };
    let metric = oracle.metric();
    match (oracle.queries(), oracle.base()) {
        (Vectors::F32(q), Vectors::F32(b)) => work.numbers(kernels, q, b, FLOAT),
        (Vectors::F64(q), Vectors::F64(b)) => work.numbers(kernels, q, b, DOUBLE),
        (Vectors::F16(q), Vectors::F16(b)) => work.numbers(kernels, q, b, FLOAT),
        (Vectors::Bf16(q), Vectors::Bf16(b)) => work.numbers(kernels, q, b, FLOAT),
        (Vectors::U8(q), Vectors::U8(b)) => work.numbers(kernels, q, b, EXACT),
        (Vectors::I8(q), Vectors::I8(b)) => work.numbers(kernels, q, b, EXACT),
        (Vectors::Bits { data: q, .. }, Vectors::Bits { data: b, .. }) => {
            let (Ok(q), Ok(b)) = (q.rows(), b.rows()) else { return Ok(None) };
            let plain = |result: f64, _: usize| result;
            if metric == Metric::Hamming {
                work.run(kernels.hamming(), q, b, &plain, &|_| 0.0)
            } else {
                // A quotient of two counts, rounded once to f32.
                work.run(kernels.jaccard(), q, b, &plain, &|_| 1e-6)
            }
        }
        _ => Ok(None),
    }
}

/// How far a kernel's sum can be from the exact one: `relative` · (dim + 8) of the largest possible sum of
/// absolute terms, and `absolute` · dim · (1 + both norms) for what underflows, elements included.
#[derive(Clone, Copy)]
struct Rounding {
    relative: f64,
    absolute: f64,
}

/// Any order of `f32` additions, of products that are rounded or not; four times the unit roundoff covers the
/// expansion of a squared distance into norms and a product.
const FLOAT: Rounding = Rounding { relative: 4.0 / (1u64 << 24) as f64, absolute: 1e-36 };
const DOUBLE: Rounding = Rounding { relative: 4.0 / (1u64 << 53) as f64, absolute: 1e-300 };
const EXACT: Rounding = Rounding { relative: 0.0, absolute: 0.0 };

struct Work<'a> {
    oracle: &'a Oracle<'a>,
    k: usize,
    progress: &'a dyn Progress,
}

impl Work<'_> {
    fn numbers<T: Element>(
        &self,
        kernels: &'static Kernels,
        queries: &Matrix<T>,
        base: &Matrix<T>,
        rounding: Rounding,
    ) -> Result<Option<Truth>, TruthError> {
        let (Ok(q), Ok(b)) = (queries.rows(), base.rows()) else { return Ok(None) };
        let dim = base.dim() as f64;
        let base_norms = norms(self.oracle.base());
        let query_norms = norms(self.oracle.queries());
        let largest = base_norms.iter().copied().fold(0.0, f64::max);
        let lost = |query: usize| rounding.absolute * dim * (1.0 + query_norms[query] + largest);
        let error = |query: usize, sum: f64| rounding.relative * (dim + 8.0) * sum + lost(query);
        match self.oracle.metric() {
            Metric::L2 => {
                let margin = |query: usize| error(query, (query_norms[query] + largest).powi(2));
                self.run(kernels.forms(Measure::L2Squared), q, b, &|result, _| result, &margin)
            }
            Metric::InnerProduct => {
                let margin = |query: usize| error(query, query_norms[query] * largest);
                self.run(kernels.forms(Measure::InnerProduct), q, b, &|result, _| -result, &margin)
            }
            Metric::L1 => {
                let margin = |query: usize| error(query, dim.sqrt() * (query_norms[query] + largest));
                self.run(kernels.forms(Measure::L1), q, b, &|result, _| result, &margin)
            }
            Metric::Cosine => {
                // The product over the row's norm orders rows as the cosine does; the margin is in its scale.
                // 1e-12 covers the rounding of the norms, the division, and the oracle's own.
                let smallest = base_norms.iter().copied().filter(|&norm| norm > 0.0).fold(f64::MAX, f64::min);
                let key = |result: f64, id: usize| {
                    if base_norms[id] > 0.0 { -result / base_norms[id] } else { 0.0 }
                };
                let margin = |query: usize| {
                    let relative = rounding.relative * (dim + 8.0) + 1e-12;
                    relative * query_norms[query] + lost(query) / smallest
                };
                self.run(kernels.forms(Measure::InnerProduct), q, b, &key, &margin)
            }
            _ => Ok(None),
        }
    }

    fn run<Q: Element, E: Element, O: Distance>(
        &self,
        forms: &Forms<Q, E, O>,
        queries: Rows<'_, Q>,
        base: Rows<'_, E>,
        key: &(dyn Fn(f64, usize) -> f64 + Sync),
        margin: &(dyn Fn(usize) -> f64 + Sync),
    ) -> Result<Option<Truth>, TruthError> {
        self.progress.start("exact neighbours", queries.len() as u64);
        let starts: Vec<usize> = (0..queries.len()).step_by(QUERIES).collect();
        let rows: Result<Vec<_>, TruthError> = starts
            .into_par_iter()
            .map(|start| {
                if self.progress.is_cancelled() {
                    return Err(TruthError::Cancelled);
                }
                let end = (start + QUERIES).min(queries.len());
                let found = self.block(forms, start..end, queries, base, key, margin);
                self.progress.advance((end - start) as u64);
                found
            })
            .collect();
        self.progress.finish();
        let rows = rows?.into_iter().flatten().collect();
        assemble(self.oracle.metric(), self.k, rows).map(Some)
    }

    fn block<Q: Element, E: Element, O: Distance>(
        &self,
        forms: &Forms<Q, E, O>,
        block: std::ops::Range<usize>,
        queries: Rows<'_, Q>,
        base: Rows<'_, E>,
        key: &(dyn Fn(f64, usize) -> f64 + Sync),
        margin: &(dyn Fn(usize) -> f64 + Sync),
    ) -> Result<Vec<Vec<(f64, u32)>>, TruthError> {
        let mut pools: Vec<Pool> = block.clone().map(|query| Pool::new(self.k, margin(query))).collect();
        let mut out = vec![O::default(); block.len() * ROWS];
        let tile_queries = queries.slice(block.start, block.end).ok_or(TruthError::Cancelled)?;
        let mut start = 0;
        while start < base.len() {
            let end = (start + ROWS).min(base.len());
            let tile = base.slice(start, end).ok_or(TruthError::Cancelled)?;
            let out = &mut out[..block.len() * (end - start)];
            forms.tile(tile_queries, tile, out)?;
            for (pool, results) in pools.iter_mut().zip(out.chunks_exact(end - start)) {
                for (id, result) in (start..end).zip(results) {
                    pool.offer(key(result.to_f64(), id), id as u32);
                }
            }
            start = end;
        }
        Ok(block.zip(pools).map(|(query, pool)| pool.finish(self.oracle, query)).collect())
    }
}

/// The candidates of one query.
struct Pool {
    k: usize,
    margin: f64,
    /// Results above this cannot belong to a neighbour.
    threshold: f64,
    found: Vec<(f64, u32)>,
    /// How many may gather before those above the threshold are dropped.
    room: usize,
    /// A result that is no number: the bound says nothing, and the oracle does the whole query.
    is_broken: bool,
}

impl Pool {
    fn new(k: usize, margin: f64) -> Self {
        let is_broken = !margin.is_finite();
        Self { k, margin, threshold: f64::INFINITY, found: Vec::new(), room: 4 * k + 256, is_broken }
    }

    fn offer(&mut self, result: f64, id: u32) {
        if !result.is_finite() {
            self.is_broken = true;
        }
        if result <= self.threshold {
            self.found.push((result, id));
            if self.found.len() >= self.room {
                self.drop_far();
                self.room = self.room.max(2 * self.found.len());
            }
        }
    }

    fn drop_far(&mut self) {
        if self.k == 0 || self.found.len() < self.k {
            return;
        }
        let (_, &mut (kth, _), _) = self.found.select_nth_unstable_by(self.k - 1, |a, b| a.0.total_cmp(&b.0));
        self.threshold = kth + 2.0 * self.margin;
        self.found.retain(|&(result, _)| result <= self.threshold);
    }

    fn finish(mut self, oracle: &Oracle<'_>, query: usize) -> Vec<(f64, u32)> {
        if self.is_broken {
            return oracle.nearest(query, self.k);
        }
        self.drop_far();
        let mut keys = Vec::with_capacity(self.found.len());
        oracle.keys(query, self.found.iter().map(|&(_, id)| id), &mut keys);
        keep_nearest(&mut keys, self.k);
        keys
    }
}
