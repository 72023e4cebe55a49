//! Recall: how many of the true neighbours an index found, by id and by distance.

use crate::dataset::{Dataset, Metric, Truth};
use crate::truth::{Oracle, TruthError};

/// What ann-benchmarks adds to the true k-th distance.
pub const ANN_BENCHMARKS_EPSILON: f64 = 1e-3;
/// Relative difference below which two distances count as a tie.
pub const TIE: f64 = 1e-6;
/// What one minus a cosine can be off by: near 0 it has no relative precision.
const COSINE_ROUNDING: f64 = 1e-12;

/// Recall@k, averaged over all queries. Every figure is within 0..=1; a missing answer is a miss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recall {
    /// Share of the true ids that were found. Strict: of two vectors at the same distance at the last place
    /// only the one with the lower id counts.
    pub by_id: f64,
    /// Share of answers no farther than the true k-th distance plus [`ANN_BENCHMARKS_EPSILON`].
    pub by_distance: f64,
    /// Share of answers no farther than the true k-th distance, ties within [`TIE`] (relative) included.
    pub by_tie: f64,
}

/// Why there is no recall.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecallError {
    /// `k` is 0: recall@0 is no number.
    #[error("k is 0")]
    ZeroK,
    /// The set has no truth, or none for `k` neighbours.
    #[error("recall@{k} needs truth of as many neighbours; there are {known}")]
    Truth {
        /// Neighbours asked for.
        k: usize,
        /// Neighbours in the truth.
        known: usize,
    },
    /// Not one answer a query.
    #[error("{answers} answers for {queries} queries")]
    Answers {
        /// Answers given.
        answers: usize,
        /// Queries of the set.
        queries: usize,
    },
    /// More than `k` results in an answer.
    #[error("answer {query} holds {found} results, more than k = {k}")]
    TooMany {
        /// The query.
        query: usize,
        /// Results given.
        found: usize,
        /// Results asked for.
        k: usize,
    },
    /// An id twice in an answer.
    #[error("answer {query} holds id {id} twice")]
    Duplicate {
        /// The query.
        query: usize,
        /// The id.
        id: u32,
    },
    /// An answer that names no base vector.
    #[error(transparent)]
    Oracle(#[from] TruthError),
}

/// Recall@k of answers given as ids, one slice a query, nearest first or not.
///
/// Distances are computed here from the ids, as ann-benchmarks does, so an index cannot win by what it claims.
/// If there are fewer than `k` base vectors, an answer with all of them is complete.
///
/// # Errors
/// [`RecallError`]: `k` is 0, the truth knows fewer than `k` neighbours, an answer is too long, holds an id
/// twice or one that does not exist, or there is not one answer a query.
///
/// ```
/// use bench_harness::{generate::generate, progress::Quiet, recall::recall, truth};
/// let mut set = generate(&"synth:uniform?n=50&d=3&q=1".parse()?)?;
/// let truth = truth::exact(&set, 2, &Quiet)?;
/// let half = [truth.ids()[0]];
/// set.truth = Some(truth);
/// assert_eq!(recall(&set, 2, &[half])?.by_id, 0.5);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn recall<A: AsRef<[u32]>>(set: &Dataset, k: usize, answers: &[A]) -> Result<Recall, RecallError> {
    if k == 0 {
        return Err(RecallError::ZeroK);
    }
    let k = k.min(set.base.len());
    let truth = set.truth.as_ref().ok_or(RecallError::Truth { k, known: 0 })?;
    if k == 0 || k > truth.k() {
        return Err(RecallError::Truth { k, known: truth.k() });
    }
    if answers.len() != truth.len() {
        return Err(RecallError::Answers { answers: answers.len(), queries: truth.len() });
    }
    let oracle = Oracle::new(set.metric, &set.base, &set.queries)?;
    let mut hits = [0u64; 3];
    for (query, answer) in answers.iter().enumerate() {
        let answer = answer.as_ref();
        let of_query = count(&oracle, truth, k, query, answer)?;
        for (sum, hits) in hits.iter_mut().zip(of_query) {
            *sum += hits;
        }
    }
    let share = |hits: u64| hits as f64 / (k as f64 * answers.len() as f64);
    Ok(Recall { by_id: share(hits[0]), by_distance: share(hits[1]), by_tie: share(hits[2]) })
}

/// Hits of one answer: by id, by distance, by tie.
fn count(
    oracle: &Oracle<'_>,
    truth: &Truth,
    k: usize,
    query: usize,
    answer: &[u32],
) -> Result<[u64; 3], RecallError> {
    if answer.len() > k {
        return Err(RecallError::TooMany { query, found: answer.len(), k });
    }
    let mut sorted = answer.to_vec();
    sorted.sort_unstable();
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(RecallError::Duplicate { query, id: pair[0] });
    }
    let (ids, distances) = truth.query(query).unwrap_or_default();
    let kth = distances.get(k - 1).copied().unwrap_or(f64::NEG_INFINITY);
    let by_id = ids[..k].iter().filter(|id| sorted.binary_search(id).is_ok()).count();
    let found = oracle.distances(query, answer)?;
    let within = |limit: f64| found.iter().filter(|&&distance| distance <= limit).count() as u64;
    let rounding = if oracle.metric() == Metric::Cosine { COSINE_ROUNDING } else { 0.0 };
    Ok([by_id as u64, within(kth + ANN_BENCHMARKS_EPSILON), within(kth + TIE * kth.abs() + rounding)])
}
