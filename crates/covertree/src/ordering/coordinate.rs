//! The order along one coordinate.

use std::cmp::Ordering;

use layouts::Permutation;
use simd_kernels::Rows;

use super::error::{OrderingError, check_coords, ids};

/// The points by their coordinate `axis`, ties by the next axes in turn, then by the lower id. O(n log n).
///
/// ```
/// use simd_kernels::Rows;
/// let coords = [3.0, 0.0, 1.0, 5.0, 1.0, 4.0];
/// let order = covertree::ordering::coordinate(Rows::new(&coords, 2)?, 0)?;
/// assert_eq!(order.order(), [2, 1, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`OrderingError`] if there are no points, one is not finite, or `axis` is none of theirs.
pub fn coordinate(coords: Rows<'_, f64>, axis: usize) -> Result<Permutation, OrderingError> {
    check_coords(coords)?;
    let dim = coords.dim();
    if axis >= dim {
        return Err(OrderingError::Axis { axis, dim });
    }
    let mut order = ids(coords.len())?;
    let row = |id: u32| coords.row(id as usize).unwrap_or_default();
    order.sort_unstable_by(|&a, &b| {
        let (left, right) = (row(a), row(b));
        let turned = (axis..dim).chain(0..axis);
        turned
            .map(|axis| left[axis].partial_cmp(&right[axis]).unwrap_or(Ordering::Equal))
            .find(|&order| order != Ordering::Equal)
            .unwrap_or_else(|| a.cmp(&b))
    });
    Ok(Permutation::new(order)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_next_axis_and_then_to_the_lower_id() {
        let coords = [1.0, 2.0, 1.0, 1.0, 0.0, 9.0, 1.0, 1.0, -0.0, 9.0];
        let rows = Rows::new(&coords, 2).unwrap();
        assert_eq!(coordinate(rows, 0).unwrap().order(), [2, 4, 1, 3, 0]);
        assert_eq!(coordinate(rows, 1).unwrap().order(), [1, 3, 0, 2, 4]);
        assert!(matches!(coordinate(rows, 2), Err(OrderingError::Axis { axis: 2, dim: 2 })));
    }
}
