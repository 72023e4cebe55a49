//! Work over a range in blocks, on the caller's rayon pool or, without the feature, one after the other.
//!
//! Every function gives the same result for any number of threads: blocks are fixed by the caller, each writes
//! only its own part, and parts are put together in order.

use crate::Error;

/// `work(start..end)` for every block of `size` items, results in order. The error is that of the first block that
/// failed, not of the first to fail.
pub fn try_blocks<R: Send, E: Send>(
    len: usize,
    size: usize,
    work: impl Fn(std::ops::Range<usize>) -> Result<R, E> + Sync + Send,
) -> Result<Vec<R>, E> {
    let block = |index: usize| work(index * size..((index + 1) * size).min(len));
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        let results: Vec<Result<R, E>> = (0..len.div_ceil(size)).into_par_iter().map(block).collect();
        results.into_iter().collect()
    }
    #[cfg(not(feature = "rayon"))]
    {
        (0..len.div_ceil(size)).map(block).collect()
    }
}

/// `work(index, chunk)` for every chunk of `size` items of `data`. The error is that of the first chunk that failed.
pub fn try_chunks<T: Send, E: Send>(
    data: &mut [T],
    size: usize,
    work: impl Fn(usize, &mut [T]) -> Result<(), E> + Sync + Send,
) -> Result<(), E> {
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        let failed = |(index, chunk): (usize, &mut [T])| work(index, chunk).err();
        data.par_chunks_mut(size).enumerate().find_map_first(failed).map_or(Ok(()), Err)
    }
    #[cfg(not(feature = "rayon"))]
    {
        data.chunks_mut(size).enumerate().try_for_each(|(index, chunk)| work(index, chunk))
    }
}

/// [`try_blocks`] with the error of this crate.
pub(crate) fn blocks<R: Send>(
    len: usize,
    size: usize,
    work: impl Fn(std::ops::Range<usize>) -> Result<R, Error> + Sync + Send,
) -> Result<Vec<R>, Error> {
    try_blocks(len, size, work)
}

/// [`try_chunks`] with the error of this crate.
pub(crate) fn chunks<T: Send>(
    data: &mut [T],
    size: usize,
    work: impl Fn(usize, &mut [T]) -> Result<(), Error> + Sync + Send,
) -> Result<(), Error> {
    try_chunks(data, size, work)
}

/// One value per thread, made when a thread first asks.
#[derive(Debug)]
pub struct PerThread<T, F> {
    free: std::sync::Mutex<Vec<T>>,
    make: F,
}

impl<T, F: Fn() -> T> PerThread<T, F> {
    /// None yet; `make` makes one.
    pub const fn new(make: F) -> Self {
        Self { free: std::sync::Mutex::new(Vec::new()), make }
    }

    /// Runs `work` with a value that nobody else has.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let taken = self.free.lock().ok().and_then(|mut free| free.pop());
        let mut value = taken.unwrap_or_else(&self.make);
        let result = work(&mut value);
        if let Ok(mut free) = self.free.lock() {
            free.push(value);
        }
        result
    }
}

/// Threads that work is shared between.
pub fn threads() -> usize {
    #[cfg(feature = "rayon")]
    {
        rayon::current_num_threads().max(1)
    }
    #[cfg(not(feature = "rayon"))]
    {
        1
    }
}
