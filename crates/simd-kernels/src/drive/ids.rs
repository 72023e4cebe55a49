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
        let (blocks, rest) = (ids.chunks_exact(R), ids.len() % R);
        for &id in ids.iter().take(R) {
            prefetch(first.add(id as usize * stride), ahead);
        }
        for (index, (ids_now, out)) in blocks.zip(out.chunks_exact_mut(R)).enumerate() {
            let next = (index + 1) * R;
            for &id in ids.iter().skip(next).take(R) {
                prefetch(first.add(id as usize * stride), ahead);
            }
            let mut starts = [first; R];
            for (start, &id) in starts.iter_mut().zip(ids_now) {
                *start = first.add(id as usize * stride);
            }
            finish_block::<S, R>(block::<S, R>(query, dim, starts), context, out);
        }
        let done = ids.len() - rest;
        for (&id, out) in ids[done..].iter().zip(&mut out[done..]) {
            *out = S::finish(block::<S, 1>(query, dim, [first.add(id as usize * stride)])[0], context);
        }
    }
    true
}
