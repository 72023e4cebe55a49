//! Exact ground truth: computed, checked, cached.
//!
//! Small sets go through the [`Oracle`] alone. Large ones take candidates from the kernels, with a margin that
//! rounding cannot cross, and let the oracle order them; a sample of their queries is then compared with the
//! oracle alone. Truth that came with a set is compared with the oracle on a sample as well.

mod cache;
mod fast;
mod oracle;
mod shipped;

use rayon::prelude::*;

use crate::dataset::{Dataset, DatasetError, Metric, Truth};
use crate::generate::Random;
use crate::progress::Progress;
pub use cache::{Cache, CacheError};
pub use oracle::Oracle;
pub use shipped::check_shipped;
use simd_kernels::ShapeError;

/// Why there is no truth.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TruthError {
    /// The vectors do not fit each other or the metric.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// An id that names no base vector.
    #[error("query {query} names id {id}, but there are {rows} base vectors")]
    Id {
        /// The query.
        query: usize,
        /// The id.
        id: u32,
        /// Number of base vectors.
        rows: usize,
    },
    /// A query that does not exist.
    #[error("there is no query {query}: there are {queries}")]
    Query {
        /// The query.
        query: usize,
        /// Number of queries.
        queries: usize,
    },
    /// An id twice among the neighbours of one query.
    #[error("truth of query {query} holds id {id} twice")]
    Duplicate {
        /// The query.
        query: usize,
        /// The id.
        id: u32,
    },
    /// Truth that is not the oracle's, by more than ties and rounding.
    #[error("truth of query {query} is wrong at place {place}: distance {found}, the oracle says {expected}")]
    Disagreement {
        /// The query.
        query: usize,
        /// The place among its neighbours.
        place: usize,
        /// The oracle's distance there.
        expected: f64,
        /// The truth's distance there.
        found: f64,
    },
    /// A kernel refused its arguments.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// The work was cancelled.
    #[error("cancelled")]
    Cancelled,
}

/// Multiplications up to which the oracle alone is quick enough.
const ORACLE_ONLY: u128 = 100_000_000;
/// Queries whose answers are compared with the oracle's.
const SAMPLE: usize = 16;

/// The exact `k` nearest base vectors of every query of a set (all base vectors if `k` is larger), nearest
/// first, ties by lower id. The set's own truth is not looked at.
///
/// Complexity O(queries · base · dim), in parallel; the result does not depend on threads or on the tier.
///
/// # Errors
/// [`TruthError`] if the vectors do not fit each other or the metric, if the kernels disagree with the oracle,
/// or if `progress` asked for an end.
///
/// ```
/// use bench_harness::{generate::generate, progress::Quiet, truth};
/// let set = generate(&"synth:uniform?n=50&d=3&q=2".parse()?)?;
/// let truth = truth::exact(&set, 5, &Quiet)?;
/// assert_eq!((truth.len(), truth.k()), (2, 5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn exact(set: &Dataset, k: usize, progress: &dyn Progress) -> Result<Truth, TruthError> {
    let oracle = Oracle::new(set.metric, &set.base, &set.queries)?;
    let factors = [set.base.len(), set.queries.len(), set.base.dim()];
    let work: u128 = factors.iter().fold(1, |work, &factor| work.saturating_mul(factor as u128));
    if k == 0 || work <= ORACLE_ONLY {
        return oracle.truth(k, progress);
    }
    match by_kernels(&oracle, k, progress)? {
        Some(truth) => Ok(truth),
        None => oracle.truth(k, progress),
    }
}

/// The truth by way of the kernels, whatever the size, compared with the oracle on a sample of queries; `None`
/// if the kernels do not take these vectors. For tests and for curiosity: [`exact`] knows when to use it.
///
/// # Errors
/// As [`exact`].
pub fn by_kernels(
    oracle: &Oracle<'_>,
    k: usize,
    progress: &dyn Progress,
) -> Result<Option<Truth>, TruthError> {
    let truth = fast::truth(oracle, k, progress)?;
    if let Some(truth) = &truth {
        for query in sample(truth.len()) {
            let expected = oracle.nearest(query, truth.k());
            let (ids, distances) = truth.query(query).unwrap_or_default();
            for (place, (&(key, id), (&found_id, &found))) in
                expected.iter().zip(ids.iter().zip(distances)).enumerate()
            {
                let expected = oracle::distance(oracle.metric(), key);
                if id != found_id {
                    return Err(TruthError::Disagreement { query, place, expected, found });
                }
            }
        }
    }
    Ok(truth)
}

/// A few queries, spread at random but always the same ones.
fn sample(queries: usize) -> Vec<usize> {
    if queries <= SAMPLE {
        return (0..queries).collect();
    }
    let mut random = Random::new(0x7275_7468, queries as u64);
    let mut picked: Vec<usize> = (0..SAMPLE).map(|_| random.below(queries as u64) as usize).collect();
    picked.sort_unstable();
    picked.dedup();
    picked
}

/// Runs one piece of work per query, in parallel, in order.
fn each_query<T: Send>(
    oracle: &Oracle<'_>,
    what: &str,
    progress: &dyn Progress,
    work: impl Fn(usize) -> Result<T, TruthError> + Sync,
) -> Result<Vec<T>, TruthError> {
    let queries = oracle.queries().len();
    progress.start(what, queries as u64);
    let rows = (0..queries)
        .into_par_iter()
        .map(|query| {
            if progress.is_cancelled() {
                return Err(TruthError::Cancelled);
            }
            let row = work(query);
            progress.advance(1);
            row
        })
        .collect();
    progress.finish();
    rows
}

/// Truth of sorted (key, id) rows, `k` each.
fn assemble(metric: Metric, k: usize, rows: Vec<Vec<(f64, u32)>>) -> Result<Truth, TruthError> {
    let (mut ids, mut distances) = (Vec::with_capacity(rows.len() * k), Vec::with_capacity(rows.len() * k));
    for (key, id) in rows.into_iter().flatten() {
        ids.push(id);
        distances.push(oracle::distance(metric, key));
    }
    Ok(Truth::new(k, ids, distances)?)
}
