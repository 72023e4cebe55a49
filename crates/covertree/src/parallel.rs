//! Two tasks or many, on the caller's current pool with the feature `rayon`, else one after the other.

/// Runs both, side by side if `large`.
pub(crate) fn join<A: Send, B: Send>(
    large: bool,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    #[cfg(feature = "rayon")]
    if large {
        return rayon::join(a, b);
    }
    let _ = large;
    (a(), b())
}

/// `f` of every element, in order.
pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, f: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    #[cfg(feature = "rayon")]
    {
        use rayon::iter::{IntoParallelIterator, ParallelIterator};
        if items.len() > 1 && rayon::current_num_threads() > 1 {
            return items.into_par_iter().map(f).collect();
        }
    }
    items.into_iter().map(f).collect()
}
