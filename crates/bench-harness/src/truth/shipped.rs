//! Truth that came with a set: its ids are used, its distances are computed anew, a sample is checked.

use super::{Oracle, TruthError, each_query, oracle, sample};
use crate::dataset::{Dataset, DatasetError, Truth};
use crate::progress::Progress;
use crate::vectors::Matrix;

/// Relative and absolute difference of distances that is put down to rounding: published truth was computed
/// in `f32`, where a distance close to another may have come out on its other side.
const RELATIVE: f64 = 1e-5;
const ABSOLUTE: f64 = 1e-6;

/// Makes truth of the ids that came with a set: one row a query, nearest first.
///
/// Distances are computed from the ids by the oracle, so that all truth holds distances of one definition and
/// precision. Every query is checked for ids that do not exist or come twice; of a fixed random sample of
/// queries the distances are compared with the oracle's, place by place.
///
/// # Errors
/// [`TruthError`], naming the query: an id out of range or twice, or a distance that differs from the true one
/// by more than ties and rounding explain.
pub fn check_shipped(set: &Dataset, ids: &Matrix<u32>, progress: &dyn Progress) -> Result<Truth, TruthError> {
    let oracle = Oracle::new(set.metric, &set.base, &set.queries)?;
    if ids.len() != set.queries.len() {
        let (k, queries) = (ids.dim(), set.queries.len());
        let count = ids.data().len();
        return Err(DatasetError::TruthShape { ids: count, distances: count, k, queries }.into());
    }
    let rows = each_query(&oracle, "distances of the given truth", progress, |query| {
        let row = ids.row(query).unwrap_or_default();
        let mut sorted = row.to_vec();
        sorted.sort_unstable();
        if let Some(pair) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(TruthError::Duplicate { query, id: pair[0] });
        }
        oracle.distances(query, row)
    })?;
    for query in sample(rows.len()) {
        let expected = oracle.nearest(query, ids.dim());
        for (place, (&(key, _), &found)) in expected.iter().zip(&rows[query]).enumerate() {
            let expected = oracle::distance(set.metric, key);
            if (found - expected).abs() > ABSOLUTE + RELATIVE * expected.abs() {
                return Err(TruthError::Disagreement { query, place, expected, found });
            }
        }
    }
    Ok(Truth::new(ids.dim(), ids.data().to_vec(), rows.into_iter().flatten().collect())?)
}
