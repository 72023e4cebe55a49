//! One query against rows that follow one another.

use super::{Step, block, finish_block};
use crate::view::Rows;

/// The measure of `query` to every row, `R` rows side by side.
///
/// # Safety
/// `query` must hold the dimensions of a row, `out` one place a row; the tier's features must be there.
#[inline(always)]
pub(crate) unsafe fn rows<S: Step, const R: usize>(
    query: &[S::Query],
    rows: Rows<'_, S::Elem>,
    out: &mut [S::Out],
) {
    let dim = query.len();
    let query = query.as_ptr();
    let (first, stride) = (rows.as_ptr(), rows.stride());
    // SAFETY: `Rows` guarantees that row `i < len` is readable at `i * stride`; `query` has `dim` dimensions.
    unsafe {
        let context = S::context(query, dim);
        let mut blocks = out.chunks_exact_mut(R);
        let mut row = first;
        for out in &mut blocks {
            some_rows::<S, R>(query, dim, context, row, stride, out);
            row = row.wrapping_add(R * stride);
        }
        // Up to R − 1 rows are left: four of them still share what a block shares.
        let mut rest = blocks.into_remainder();
        if R > 4 && rest.len() >= 4 {
            let (four, last) = rest.split_at_mut(4);
            some_rows::<S, 4>(query, dim, context, row, stride, four);
            row = row.wrapping_add(4 * stride);
            rest = last;
        }
        for out in rest {
            *out = S::finish(block::<S, 1>(query, dim, [row])[0], context);
            row = row.wrapping_add(stride);
        }
    }
}

/// # Safety
/// `query` and the `R` rows from `row` on must be readable for `dim` dimensions; the tier's features must be there.
#[inline(always)]
unsafe fn some_rows<S: Step, const R: usize>(
    query: *const S::Query,
    dim: usize,
    context: S::Context,
    row: *const S::Elem,
    stride: usize,
    out: &mut [S::Out],
) {
    let mut starts = [row; R];
    for (lane, start) in starts.iter_mut().enumerate() {
        *start = row.wrapping_add(lane * stride);
    }
    // SAFETY: the caller vouches for the rows.
    unsafe { finish_block::<S, R>(block::<S, R>(query, dim, starts), context, out) };
}
