//! Many queries against many rows, in tiles whose accumulators all stay in registers.

use super::{Step, block};
use crate::element::Element;
use crate::view::Rows;

/// Rows of one tile.
const TILE_ROWS: usize = 4;

/// The measure of query `i` to row `j` in `out[i * out_stride + j]`, `Q` queries and four rows at a time.
///
/// # Safety
/// Both views must have the same dimension, `out_stride >= rows.len()`, `out` must hold
/// `(queries.len() - 1) * out_stride + rows.len()` places; the tier's features must be there.
#[inline(always)]
pub(crate) unsafe fn tile<S: Step, const Q: usize>(
    queries: Rows<'_, S::Query>,
    rows: Rows<'_, S::Elem>,
    out: &mut [S::Out],
    out_stride: usize,
) where
    S::Query: Element,
{
    let dim = queries.dim();
    // SAFETY: `Rows` guarantees that row `i < len` of either view is readable at `i * stride`.
    unsafe {
        let query_at = |i: usize| queries.as_ptr().wrapping_add(i * queries.stride());
        let row_at = |j: usize| rows.as_ptr().wrapping_add(j * rows.stride());
        let mut i = 0;
        while i + Q <= queries.len() {
            let mut starts = [queries.as_ptr(); Q];
            let mut contexts = [S::context(query_at(i), dim); Q];
            for lane in 0..Q {
                starts[lane] = query_at(i + lane);
                contexts[lane] = S::context(starts[lane], dim);
            }
            let mut j = 0;
            while j + TILE_ROWS <= rows.len() {
                let acc =
                    accumulate::<S, Q>(starts, dim, [row_at(j), row_at(j + 1), row_at(j + 2), row_at(j + 3)]);
                for lane in 0..Q {
                    let at = (i + lane) * out_stride + j;
                    out[at..at + TILE_ROWS].copy_from_slice(&S::finish4(acc[lane], contexts[lane]));
                }
                j += TILE_ROWS;
            }
            while j < rows.len() {
                for lane in 0..Q {
                    let acc = block::<S, 1>(starts[lane], dim, [row_at(j)])[0];
                    out[(i + lane) * out_stride + j] = S::finish(acc, contexts[lane]);
                }
                j += 1;
            }
            i += Q;
        }
        while i < queries.len() {
            let query = std::slice::from_raw_parts(query_at(i), dim);
            super::rows::<S, 4>(query, rows, &mut out[i * out_stride..i * out_stride + rows.len()]);
            i += 1;
        }
    }
}

/// # Safety
/// Every pointer must be readable for `dim` dimensions; the tier's features must be there.
#[inline(always)]
unsafe fn accumulate<S: Step, const Q: usize>(
    queries: [*const S::Query; Q],
    dim: usize,
    rows: [*const S::Elem; TILE_ROWS],
) -> [[S::Acc; TILE_ROWS]; Q] {
    // SAFETY: every offset stays below `dim`, which the caller vouches for.
    unsafe {
        let mut acc = [[S::zero(); TILE_ROWS]; Q];
        let mut at = 0;
        while at + S::WIDTH <= dim {
            let row = [
                S::load_row(rows[0].add(at / S::PACK)),
                S::load_row(rows[1].add(at / S::PACK)),
                S::load_row(rows[2].add(at / S::PACK)),
                S::load_row(rows[3].add(at / S::PACK)),
            ];
            for (acc, query) in acc.iter_mut().zip(queries) {
                let query = S::load_query(query.add(at));
                for (acc, row) in acc.iter_mut().zip(row) {
                    *acc = S::step(*acc, query, row);
                }
            }
            at += S::WIDTH;
        }
        if S::HAS_TAIL && at < dim {
            let n = dim - at;
            // The loads, which branch, come first. What is left has no branch and is unrolled, and only then do
            // the accumulators stay in registers through the loop above.
            let row = [
                S::load_row_partial(rows[0].add(at / S::PACK), n),
                S::load_row_partial(rows[1].add(at / S::PACK), n),
                S::load_row_partial(rows[2].add(at / S::PACK), n),
                S::load_row_partial(rows[3].add(at / S::PACK), n),
            ];
            let mut query = [S::load_query_partial(queries[0].add(at), n); Q];
            for lane in 1..Q {
                query[lane] = S::load_query_partial(queries[lane].add(at), n);
            }
            for (acc, query) in acc.iter_mut().zip(query) {
                for (acc, row) in acc.iter_mut().zip(row) {
                    *acc = S::step(*acc, query, row);
                }
            }
        }
        acc
    }
}
