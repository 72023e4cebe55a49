//! One query against rows that are picked by id, fetched from memory before they are needed.

use super::{Step, block, finish_block};
use crate::prefetch::prefetch;
use crate::view::Rows;

/// Bytes of a row that are fetched ahead. Beyond the first lines the hardware's own prefetcher has seen the
/// stream, and more requests would only fill the line buffers.
const AHEAD_BYTES: usize = 512;

/// The measure of `query` to row `ids[i]` in `out[i]`; `false`, with nothing written, if an id names no row.
///
/// # Safety
/// `query` must hold the dimensions of a row, `out` one place an id; the tier's features must be there.
#[inline(always)]
pub(crate) unsafe fn ids<S: Step, const R: usize>(
    query: &[S::Query],
    rows: Rows<'_, S::Elem>,
    ids: &[u32],
    out: &mut [S::Out],
) -> bool {
    let highest = ids.iter().fold(0, |highest, &id| if id > highest { id } else { highest });
    if highest as usize >= rows.len() {
        return ids.is_empty();
    }
    let dim = query.len();
    let query = query.as_ptr();
    let (first, stride) = (rows.as_ptr(), rows.stride());
    let ahead = (rows.dim() * size_of::<S::Elem>()).min(AHEAD_BYTES);
    // SAFETY: every id was found to be below `len`, and `Rows` guarantees that such a row is readable at
    // `id * stride`; a prefetch reads nothing.
    unsafe {
        let context = S::context(query, dim);
        let fetch = |ids: &[u32]| {
            for &id in ids {
                prefetch(first.add(id as usize * stride), ahead);
            }
        };
        let (blocks, mut rest) = ids.split_at(ids.len() / R * R);
        let (out, mut out_rest) = out.split_at_mut(blocks.len());
        fetch(&ids[..R.min(ids.len())]);
        for (index, (ids_now, out)) in blocks.chunks_exact(R).zip(out.chunks_exact_mut(R)).enumerate() {
            let next = (index + 1) * R;
            fetch(&ids[next..(next + R).min(ids.len())]);
            some_ids::<S, R>(query, dim, context, (first, stride), ids_now, out);
        }
        // Up to R − 1 ids are left: four of them still share what a block shares.
        if R > 4 && rest.len() >= 4 {
            let (four, out_four);
            (four, rest) = rest.split_at(4);
            (out_four, out_rest) = out_rest.split_at_mut(4);
            some_ids::<S, 4>(query, dim, context, (first, stride), four, out_four);
        }
        for (&id, out) in rest.iter().zip(out_rest) {
            *out = S::finish(block::<S, 1>(query, dim, [first.add(id as usize * stride)])[0], context);
        }
    }
    true
}

/// # Safety
/// `query` must be readable for `dim` dimensions, and so must the rows that the first `R` of `ids` name in
/// `(first, stride)`; the tier's features must be there.
#[inline(always)]
unsafe fn some_ids<S: Step, const R: usize>(
    query: *const S::Query,
    dim: usize,
    context: S::Context,
    (first, stride): (*const S::Elem, usize),
    ids: &[u32],
    out: &mut [S::Out],
) {
    let mut starts = [first; R];
    for (start, &id) in starts.iter_mut().zip(ids) {
        *start = first.wrapping_add(id as usize * stride);
    }
    // SAFETY: the caller vouches for the rows.
    unsafe { finish_block::<S, R>(block::<S, R>(query, dim, starts), context, out) };
}
