//! Predecessors under any metric that a tree was built for.

use super::error::OrderingError;
use super::neighbors::{OrderedNeighbors, OrderedOptions, check_m};
use crate::search::Search;
use crate::space::Space;
use crate::tree::CoverTree;

/// The `m` nearest neighbours of every point of `tree` among the points with lower ids, exactly, under whatever
/// metric the tree was built for: angular, L1, great-circle, one of the user's.
///
/// The points stand in the order of their ids; a point that was removed has an empty row, or only itself where
/// that is included. [`CoverTree::all_predecessors`] does the work. [`ordered_neighbors`](super::ordered_neighbors)
/// builds the tree of Euclidean distance by itself.
///
/// ```
/// use covertree::ordering::{OrderedOptions, ordered_neighbors_in_tree};
/// use covertree::{VectorMetric, VectorTree};
/// let tree = VectorTree::from_rows(&[0.0, 0.0, 3.0, 1.0, 1.0, 1.0], 2, VectorMetric::L1)?;
/// let found = ordered_neighbors_in_tree(&tree, 2, OrderedOptions { distances: true, ..Default::default() })?;
/// assert_eq!(found.row(2), [0, 1]); // (1, 1) is as far from (0, 0) as from (3, 1): the lower id comes first
/// assert_eq!(found.row_distances(2), [2.0, 2.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`OrderingError`] if `m` is 0 or above the number of points, or the tree refuses.
pub fn ordered_neighbors_in_tree<S: Space>(
    tree: &CoverTree<S>,
    m: usize,
    options: OrderedOptions,
) -> Result<OrderedNeighbors, OrderingError> {
    check_m(m, tree.len())?;
    let runs = tree.all_predecessors(&Search::nearest(m))?;
    let mut found = OrderedNeighbors::padded(runs.len(), m, options)?;
    let (mut ids, mut distances) = (Vec::with_capacity(m), Vec::with_capacity(m));
    for (i, run) in runs.iter().enumerate() {
        ids.clear();
        distances.clear();
        ids.extend(run.iter().map(|neighbor| neighbor.id));
        distances.extend(run.iter().map(|neighbor| crate::scalar::Scalar::wide(neighbor.distance)));
        found.set(i, &ids, &distances);
    }
    Ok(found)
}
