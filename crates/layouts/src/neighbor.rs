//! One result of a search, and the order that all results are in.

use std::cmp::Ordering;

use simd_kernels::Distance;

/// A row and its distance from the query.
///
/// Ordered by distance, ties by the lower id, so that equal inputs give equal results whatever the order they
/// were met in. The order is total: -0 equals +0, and NaN, which no structure here takes up, stands after
/// everything. `==` agrees with it.
///
/// ```
/// use layouts::Neighbor;
/// let mut found = [Neighbor::new(9, 2.0), Neighbor::new(7, 1.0), Neighbor::new(3, 2.0)];
/// found.sort();
/// assert_eq!(found.map(|neighbor| neighbor.id), [7, 3, 9]);
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Neighbor<D = f32> {
    /// The row.
    pub id: u32,
    /// Its distance; smaller is nearer.
    pub distance: D,
}

impl<D: Distance> Neighbor<D> {
    /// Row `id` at `distance`.
    pub const fn new(id: u32, distance: D) -> Self {
        Self { id, distance }
    }

    /// Whether `self` comes before `other`, for distances that are not NaN: what `<` says, in two comparisons.
    #[inline]
    pub(crate) fn nearer_than(self, other: Self) -> bool {
        self.distance < other.distance || (self.distance == other.distance && self.id < other.id)
    }
}

impl<D: Distance> Ord for Neighbor<D> {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_distance = self.distance.partial_cmp(&other.distance);
        let nan_last = || is_nan(self.distance).cmp(&is_nan(other.distance));
        by_distance.unwrap_or_else(nan_last).then(self.id.cmp(&other.id))
    }
}

impl<D: Distance> PartialOrd for Neighbor<D> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<D: Distance> PartialEq for Neighbor<D> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<D: Distance> Eq for Neighbor<D> {}

/// Whether `distance` is NaN, the one value that does not equal itself.
#[inline]
pub(crate) fn is_nan<D: Distance>(distance: D) -> bool {
    distance.partial_cmp(&distance).is_none()
}

/// The distance that nothing is farther than: +∞, or the largest integer.
#[inline]
pub(crate) fn farthest<D: Distance>() -> D {
    D::from_f64(f64::INFINITY)
}
