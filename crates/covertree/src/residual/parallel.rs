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
pub(super) fn try_map<T: Send, S: Send, R: Send, E: Send>(
    items: Vec<T>,
    scratch: impl Fn() -> S + Send + Sync,
    work: impl Fn(&mut S, T) -> Result<R, E> + Send + Sync,
) -> Result<Vec<R>, E> {
    #[cfg(feature = "rayon")]
    let results: Vec<Result<R, E>> = {
        use rayon::prelude::*;
        if items.len() > 1 && rayon::current_num_threads() > 1 {
            items.into_par_iter().map_init(scratch, work).collect()
        } else {
            let mut scratch = scratch();
            items.into_iter().map(|item| work(&mut scratch, item)).collect()
        }
    };
    #[cfg(not(feature = "rayon"))]
    let results: Vec<Result<R, E>> = {
        let mut scratch = scratch();
        items.into_iter().map(|item| work(&mut scratch, item)).collect()
    };
    results.into_iter().collect()
}

/// Runs `work` on every item with scratch from the pool, and gives the first error in no particular order. On one
/// thread it allocates nothing but what scratch the pool lacks.
pub(super) fn try_each<T: Send, S: Default + Send, E: Send>(
    items: impl Iterator<Item = T>,
    pool: &Mutex<Vec<S>>,
    work: impl Fn(&mut S, T) -> Result<(), E> + Send + Sync,
) -> Result<(), E> {
    // A thread that panicked left its scratch out of the pool, so what is in it is sound.
    let pool = || pool.lock().unwrap_or_else(PoisonError::into_inner);
    let take = || pool().pop().unwrap_or_default();
    #[cfg(feature = "rayon")]
    if rayon::current_num_threads() > 1 {
        use rayon::prelude::*;
        let items: Vec<T> = items.collect();
        return items.into_par_iter().try_for_each(|item| {
            let mut scratch = take();
            let done = work(&mut scratch, item);
            pool().push(scratch);
            done
        });
    }
    let mut scratch = take();
    let mut items = items;
    let done = items.try_for_each(|item| work(&mut scratch, item));
    pool().push(scratch);
    done
}
