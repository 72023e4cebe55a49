//! The loops that the feature `rayon` spreads over the caller's pool. Results are the same without it.

use std::sync::{Mutex, PoisonError};

/// Runs `work` on every item.
pub(super) fn for_each<T: Send>(items: Vec<T>, work: impl Fn(T) + Send + Sync) {
    #[cfg(feature = "rayon")]
    {
        use rayon::prelude::*;
        items.into_par_iter().for_each(work);
    }
    #[cfg(not(feature = "rayon"))]
    items.into_iter().for_each(work);
}

/// Runs `work` on every item with scratch that items share one after another, and collects what it returns in
/// the order of the items; the first error in that order wins.
pub(super) fn try_map<T: Send, S: Default + Send, R: Send, E: Send>(
    items: Vec<T>,
    work: impl Fn(&mut S, T) -> Result<R, E> + Send + Sync,
) -> Result<Vec<R>, E> {
    #[cfg(feature = "rayon")]
    if items.len() > 1 && rayon::current_num_threads() > 1 {
        use rayon::prelude::*;
        let pool = Mutex::default();
        // One at a time, so that no thread is left with several at the end.
        let items = items.into_par_iter().with_max_len(1);
        let results: Vec<Result<R, E>> =
            items.map(|item| lend(&pool, |scratch| work(scratch, item))).collect();
        return results.into_iter().collect();
    }
    let mut scratch = S::default();
    items.into_iter().map(|item| work(&mut scratch, item)).collect()
}

/// Runs `work` on every item with scratch from the pool, and gives the first error in no particular order. On one
/// thread it allocates nothing but what scratch the pool lacks.
pub(super) fn try_each<T: Send, S: Default + Send, E: Send>(
    mut items: impl Iterator<Item = T>,
    pool: &Mutex<Vec<S>>,
    work: impl Fn(&mut S, T) -> Result<(), E> + Send + Sync,
) -> Result<(), E> {
    #[cfg(feature = "rayon")]
    if rayon::current_num_threads() > 1 {
        use rayon::prelude::*;
        let items = items.collect::<Vec<T>>().into_par_iter().with_max_len(1);
        return items.try_for_each(|item| lend(pool, |scratch| work(scratch, item)));
    }
    lend(pool, |scratch| items.try_for_each(|item| work(scratch, item)))
}

/// Lends scratch from the pool.
fn lend<S: Default, R>(pool: &Mutex<Vec<S>>, work: impl FnOnce(&mut S) -> R) -> R {
    // A thread that panicked left its scratch out of the pool, so what is in it is sound.
    let pool = || pool.lock().unwrap_or_else(PoisonError::into_inner);
    let mut scratch = pool().pop().unwrap_or_default();
    let result = work(&mut scratch);
    pool().push(scratch);
    result
}
