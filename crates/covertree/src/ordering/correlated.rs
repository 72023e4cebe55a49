//! The correlation form: predecessors by residual correlation.

use super::error::OrderingError;
use super::neighbors::{OrderedNeighbors, OrderedOptions, check_m};
use crate::residual::{Neighborhoods, ResidualIndex};

/// The `m` nearest neighbours of every point among the points before it, by the distance √(1 − |ρ|) of residual
/// correlation, exactly.
///
/// The points of `index` stand in the order of their ids. This is the search of VIF approximations ("correlation
/// based" neighbours in GPBoost); see [`residual`](crate::residual) for the metric. After
/// [`update_factor`](ResidualIndex::update_factor) the same call gives the neighbours under the new parameters.
/// [`ResidualIndex::search_predecessors`] does the work and also has a certificate for every point.
///
/// ```
/// use covertree::ordering::{OrderedOptions, ordered_neighbors_by_correlation};
/// use covertree::residual::{Covariance, CovarianceModel, Factor, ResidualIndex};
/// let coords = [0.0, 10.0, 1.0, 9.5];
/// let model = CovarianceModel::new(Covariance::Matern32, &[2.0], 1.0);
/// let factor = Factor { v: &[], rank: 0, p: &[1.0; 4] };
/// let index = ResidualIndex::from_factor(&coords, 1, &model, factor)?;
/// let found = ordered_neighbors_by_correlation(&index, 2, OrderedOptions::default())?;
/// assert_eq!((found.row(1), found.row(2), found.row(3)), (&[0][..], &[0, 1][..], &[1, 2][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`OrderingError`] if `m` is 0 or above the number of points, or there is no memory.
pub fn ordered_neighbors_by_correlation(
    index: &ResidualIndex,
    m: usize,
    options: OrderedOptions,
) -> Result<OrderedNeighbors, OrderingError> {
    check_m(m, index.len())?;
    let mut rows = Neighborhoods::new();
    index.search_predecessors(m, &mut rows)?;
    let mut found = OrderedNeighbors::padded(index.len(), m, options)?;
    let lines = rows.ids().chunks_exact(m).zip(rows.distances().chunks_exact(m));
    for (i, (ids, distances)) in lines.enumerate() {
        found.set(i, &ids[..m.min(i)], distances);
    }
    Ok(found)
}
