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
            let mut starts = [row; R];
            for (lane, start) in starts.iter_mut().enumerate() {
                *start = row.wrapping_add(lane * stride);
            }
            finish_block::<S, R>(block::<S, R>(query, dim, starts), context, out);
            row = row.wrapping_add(R * stride);
        }
        for out in blocks.into_remainder() {
            *out = S::finish(block::<S, 1>(query, dim, [row])[0], context);
            row = row.wrapping_add(stride);
        }
    }
}
