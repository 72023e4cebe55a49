//! The nearest neighbours of every point among the points before it, for all points in one pass.

use simd_kernels::Rows;

use super::error::{OrderingError, check_coords, filled, with_room};
use super::in_tree::ordered_neighbors_in_tree;
use crate::{VectorMetric, VectorTree};

/// What [`ordered_neighbors`] returns beside the neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrderedOptions {
    /// Begin every row with the point itself, at distance 0: rows are then m + 1 wide.
    pub include_self: bool,
    /// Return the distances too.
    pub distances: bool,
}

/// The neighbours of every point among the points before it: one row a point, of a fixed width, nearest first,
/// ties by the lower id, the places that no neighbour fills holding [`PADDING`](Self::PADDING).
#[derive(Clone, Debug, PartialEq)]
pub struct OrderedNeighbors {
    ids: Vec<u32>,
    distances: Option<Vec<f64>>,
    rows: usize,
    width: usize,
    include_self: bool,
}

impl OrderedNeighbors {
    /// What stands in the places of a row that no neighbour fills. Their distance is infinite.
    pub const PADDING: u32 = u32::MAX;

    /// Rows of padding, which a search fills.
    pub(crate) fn padded(rows: usize, m: usize, options: OrderedOptions) -> Result<Self, OrderingError> {
        let width = m + usize::from(options.include_self);
        let len = rows.saturating_mul(width);
        let distances = if options.distances { Some(filled(f64::INFINITY, len)?) } else { None };
        let mut found = Self {
            ids: filled(Self::PADDING, len)?,
            distances,
            rows,
            width,
            include_self: options.include_self,
        };
        if options.include_self {
            for (id, row) in (0..).zip(found.ids.chunks_exact_mut(width)) {
                row[0] = id;
            }
            for row in found.distances.iter_mut().flat_map(|all| all.chunks_exact_mut(width)) {
                row[0] = 0.0;
            }
        }
        Ok(found)
    }

    /// Writes the predecessors of point `i`, nearest first, and their distances.
    pub(crate) fn set(&mut self, i: usize, ids: &[u32], distances: &[f64]) {
        let start = i * self.width + usize::from(self.include_self);
        self.ids[start..start + ids.len()].copy_from_slice(ids);
        if let Some(all) = &mut self.distances {
            all[start..start + ids.len()].copy_from_slice(&distances[..ids.len()]);
        }
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no point; never so for what a search returned.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Places of a row: m, and one more where the point itself is included.
    pub fn width(&self) -> usize {
        self.width
    }

    /// All rows, `len() * width()` ids.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }

    /// All distances, where they were asked for; infinite in the padding.
    pub fn distances(&self) -> Option<&[f64]> {
        self.distances.as_deref()
    }

    /// Places of row `i` that are filled: as many as there are points before it, at most m, and the point itself
    /// where it is included.
    fn filled(&self, i: usize) -> usize {
        let start = i.saturating_mul(self.width);
        let row = self.ids.get(start..start.saturating_add(self.width)).unwrap_or_default();
        row.partition_point(|&id| id != Self::PADDING)
    }

    /// The neighbours of point `i`, without padding; none if there is no such point.
    pub fn row(&self, i: usize) -> &[u32] {
        let start = i.saturating_mul(self.width);
        self.ids.get(start..start.saturating_add(self.filled(i))).unwrap_or_default()
    }

    /// The distances of point `i` to its neighbours, without padding; none if they were not asked for.
    pub fn row_distances(&self, i: usize) -> &[f64] {
        let start = i.saturating_mul(self.width);
        let all = self.distances.as_deref().unwrap_or_default();
        all.get(start..start.saturating_add(self.filled(i))).unwrap_or_default()
    }

    /// The rows without their padding, one after the other.
    ///
    /// # Errors
    /// [`OrderingError::Layout`] without memory.
    pub fn to_csr(&self) -> Result<Csr, OrderingError> {
        let len: usize = (0..self.rows).map(|i| self.filled(i)).sum();
        let mut csr = Csr {
            offsets: with_room(self.rows + 1)?,
            ids: with_room(len)?,
            distances: if self.distances.is_some() { Some(with_room(len)?) } else { None },
        };
        csr.offsets.push(0);
        for i in 0..self.rows {
            csr.ids.extend_from_slice(self.row(i));
            if let Some(distances) = &mut csr.distances {
                distances.extend_from_slice(self.row_distances(i));
            }
            csr.offsets.push(csr.ids.len());
        }
        Ok(csr)
    }
}

/// Neighbours as compressed sparse rows: what sparse matrices are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Csr {
    /// Row i is `ids[offsets[i]..offsets[i + 1]]`; one more than there are rows.
    pub offsets: Vec<usize>,
    /// The neighbours, row after row, nearest first within a row.
    pub ids: Vec<u32>,
    /// Their distances, where they were asked for.
    pub distances: Option<Vec<f64>>,
}

/// The `m` nearest neighbours of every point among the points before it, by Euclidean distance, exactly.
///
/// The points stand in the order of `coords`; an order of one's own is applied first, see the example. Point i has
/// min(i, m) neighbours, all of lower number, nearest first, ties by the lower number. They are chosen by squared
/// distance, a sum in the order of the axes without fused operations: the same on every CPU and for every number of
/// threads, and ties are those of a plain loop.
///
/// Builds a [`VectorTree`] and asks it for [`all_predecessors`](crate::CoverTree::all_predecessors), in which every pair
/// of points is measured at most once, for the later of the two. O(n m log n) where the dimension is low; O(n (d + m))
/// memory.
///
/// ```
/// use covertree::ordering::{OrderedOptions, maximin, ordered_neighbors};
/// use simd_kernels::Rows;
/// let coords = [0.0, 0.0, 1.0, 0.0, 5.0, 5.0, 0.0, 1.0, 6.0, 5.0];
/// let rows = Rows::new(&coords, 2)?;
/// let order = maximin(rows, Some(0))?.order;
/// let mut ordered = Vec::new();
/// for &id in order.order() {
///     ordered.extend_from_slice(rows.row(id as usize).unwrap());
/// }
/// let options = OrderedOptions { distances: true, ..OrderedOptions::default() };
/// let found = ordered_neighbors(Rows::new(&ordered, 2)?, 2, options)?;
/// assert_eq!(order.order(), [0, 4, 1, 2, 3]);
/// assert_eq!(found.row(0), []); // nothing stands before the first
/// assert_eq!(found.row(2), [0, 1]); // (1, 0): before it stand (0, 0) and (6, 5)
/// assert_eq!(found.row_distances(2)[0], 1.0);
/// assert_eq!(found.to_csr()?.offsets, [0, 0, 1, 3, 5, 7]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`OrderingError`] if there are no points, one is not finite, `m` is 0 or above the number of points.
pub fn ordered_neighbors(
    coords: Rows<'_, f64>,
    m: usize,
    options: OrderedOptions,
) -> Result<OrderedNeighbors, OrderingError> {
    check_coords(coords)?;
    check_m(m, coords.len())?;
    let mut rows = with_room(coords.len() * coords.dim())?;
    coords.iter().for_each(|row| rows.extend_from_slice(row));
    ordered_neighbors_in_tree(&VectorTree::from_rows(&rows, coords.dim(), VectorMetric::L2)?, m, options)
}

/// Checks that there are at least `m` points, and `m` is not 0.
pub(crate) fn check_m(m: usize, rows: usize) -> Result<(), OrderingError> {
    match m {
        0 => Err(OrderingError::ZeroM),
        m if m > rows => Err(OrderingError::TooManyNeighbors { m, rows }),
        _ => Ok(()),
    }
}
