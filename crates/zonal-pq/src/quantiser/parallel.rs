//! Work over a range of items, on the caller's rayon pool or, without the feature, one after the other.

use super::Error;

/// `work(index)` for `0..count`, results in order; the error is that of the first item, not of the first to fail.
pub(super) fn map<R: Send>(
    count: usize,
    work: impl Fn(usize) -> Result<R, Error> + Sync + Send,
) -> Result<Vec<R>, Error> {
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        let results: Vec<Result<R, Error>> = (0..count).into_par_iter().map(work).collect();
        results.into_iter().collect()
    }
    #[cfg(not(feature = "rayon"))]
    {
        (0..count).map(work).collect()
    }
}
