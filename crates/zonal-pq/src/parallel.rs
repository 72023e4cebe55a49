//! Work over a range in blocks, as the graph shares it between threads, with the error of this crate.

use std::ops::Range;

use crate::Error;

/// `work(start..end)` for every block of `size` items, results in order.
pub(crate) fn blocks<R: Send>(
    len: usize,
    size: usize,
    work: impl Fn(Range<usize>) -> Result<R, Error> + Sync + Send,
) -> Result<Vec<R>, Error> {
    hnsw::pieces::try_blocks(len, size, work)
}

/// `work(index, chunk)` for every chunk of `size` items of `data`.
pub(crate) fn chunks<T: Send>(
    data: &mut [T],
    size: usize,
    work: impl Fn(usize, &mut [T]) -> Result<(), Error> + Sync + Send,
) -> Result<(), Error> {
    hnsw::pieces::try_chunks(data, size, work)
}

/// `work(index)` for `0..count`, results in order, with an error of any kind.
pub(crate) fn map<R: Send, E: Send>(
    count: usize,
    work: impl Fn(usize) -> Result<R, E> + Sync + Send,
) -> Result<Vec<R>, E> {
    hnsw::pieces::try_blocks(count, 1, |range| work(range.start))
}
