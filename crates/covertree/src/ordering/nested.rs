//! Nested grids: ever finer grids, one point a cell.

use layouts::Permutation;
use simd_kernels::Rows;

use super::error::{OrderingError, check_coords, filled, with_room};
use super::hilbert::Curve;

/// A nested order and where its levels begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nested {
    /// The order: `order.order()[i]` is the point that stands at place i.
    pub order: Permutation,
    /// Where every level begins, and at the end the number of points: level l holds the places
    /// `levels[l]..levels[l + 1]`, none of them if its cells were all taken.
    pub levels: Vec<u32>,
}

/// The points by nested grids, coarse to fine: level l divides the cube that holds the points into 2ˡ cells along
/// each axis, and every cell that has points but none of an earlier level adds the one nearest to its middle.
///
/// A cheap relative of [`maximin`](super::maximin): each prefix that ends with a level covers the domain as a
/// grid does, and the levels are those of multi-resolution approximations (Katzfuss, "A multi-resolution
/// approximation for massive spatial datasets", JASA 112, 2017). Within a level points stand along the Hilbert
/// curve; ties in distance go to the lower id. Points that the finest grid cannot tell apart make the last
/// level, in the order of their ids. O(n (d + log n) + n d · levels).
///
/// ```
/// use simd_kernels::Rows;
/// let coords: Vec<f64> = (0..9).map(f64::from).collect(); // a line
/// let nested = covertree::ordering::nested(Rows::new(&coords, 1)?)?;
/// assert_eq!(nested.order.order()[..4], [4, 2, 1, 7]); // 4 is the middle, and serves the right half too
/// assert_eq!(nested.levels[..4], [0, 1, 2, 4]); // then one a quarter that has none
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// As [`hilbert`](super::hilbert).
pub fn nested(coords: Rows<'_, f64>) -> Result<Nested, OrderingError> {
    check_coords(coords)?;
    let curve = Curve::of(coords)?;
    let (n, dim) = (coords.len(), coords.dim() as u32);
    let mut open = curve.sorted(coords)?;
    let (mut order, mut taken) = (with_room(n)?, filled(false, n)?);
    let mut levels = Vec::new();
    for level in 0..=curve.bits() {
        levels.push(order.len() as u32);
        let shift = dim * (curve.bits() - level);
        let cell_of = |key: u128| key.checked_shr(shift).unwrap_or(0);
        for cell in open.chunk_by(|a, b| cell_of(a.0) == cell_of(b.0)) {
            if cell.iter().any(|&(_, id)| taken[id as usize]) {
                continue;
            }
            if let Some(id) = nearest_to_middle(&curve, coords, level, cell) {
                taken[id as usize] = true;
                order.push(id);
            }
        }
        // Cells in which all points are taken cannot add any more.
        let mut kept = 0;
        let mut start = 0;
        while start < open.len() {
            let cell = cell_of(open[start].0);
            let len = open[start..].iter().take_while(|entry| cell_of(entry.0) == cell).count();
            if open[start..start + len].iter().any(|&(_, id)| !taken[id as usize]) {
                open.copy_within(start..start + len, kept);
                kept += len;
            }
            start += len;
        }
        open.truncate(kept);
        if open.is_empty() {
            break;
        }
    }
    if order.len() < n {
        levels.push(order.len() as u32);
        order.extend((0..).zip(&taken).filter(|&(_, &taken)| !taken).map(|(id, _): (u32, _)| id));
    }
    levels.push(n as u32);
    Ok(Nested { order: Permutation::new(order)?, levels })
}

/// The point of a cell that lies nearest to its middle.
fn nearest_to_middle(curve: &Curve, coords: Rows<'_, f64>, level: u32, cell: &[(u128, u32)]) -> Option<u32> {
    let row = |id: u32| coords.row(id as usize).unwrap_or_default();
    let one = row(cell.first()?.1);
    let middle =
        |axis: usize, x: f64| curve.middle(axis, curve.cell(axis, x) >> (curve.bits() - level), level);
    let squared = |id: u32| -> f64 {
        let terms = row(id).iter().zip(one).enumerate();
        terms.map(|(axis, (x, &one))| (x - middle(axis, one)).powi(2)).sum()
    };
    let nearest = cell.iter().map(|&(_, id)| (squared(id), id));
    nearest.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map(|(_, id)| id)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pseudo-random coordinates on a coarse lattice, so that duplicates occur.
    fn lattice(n: usize, dim: usize) -> Vec<f64> {
        let order = super::super::random(n * dim, 7).unwrap();
        order.order().iter().map(|&value| f64::from(value % 29)).collect()
    }

    #[test]
    fn every_level_holds_one_point_of_every_new_cell() {
        for dim in [1, 2, 3] {
            let coords = lattice(500, dim);
            let rows = Rows::new(&coords, dim).unwrap();
            let nested = nested(rows).unwrap();
            assert_eq!((nested.order.len(), nested.levels.last()), (500, Some(&500)));
            let curve = Curve::of(rows).unwrap();
            let cells = |id: &u32, level: usize| -> Vec<u64> {
                let row = rows.row(*id as usize).unwrap().iter().enumerate();
                row.map(|(axis, &x)| curve.cell(axis, x) >> (curve.bits() - level as u32)).collect()
            };
            for level in 0..4 {
                let held = &nested.order.order()[..nested.levels[level + 1] as usize];
                let mut seen: Vec<_> = held.iter().map(|id| cells(id, level)).collect();
                seen.sort();
                seen.dedup();
                let mut all: Vec<_> = (0..500).map(|id| cells(&id, level)).collect();
                all.sort();
                all.dedup();
                assert_eq!(seen, all, "d = {dim}, level {level}: every cell has its point");
                let new = &held[nested.levels[level] as usize..];
                let mut of_new: Vec<_> = new.iter().map(|id| cells(id, level)).collect();
                of_new.sort();
                of_new.dedup();
                assert_eq!(of_new.len(), new.len(), "d = {dim}, level {level}: one point a cell");
            }
        }
    }

    #[test]
    fn equal_points_come_last_by_id() {
        let coords = [5.0, 1.0, 5.0, 5.0, 1.0];
        let nested = nested(Rows::new(&coords, 1).unwrap()).unwrap();
        assert_eq!(nested.order.order(), [0, 1, 2, 3, 4]);
        assert_eq!(nested.levels.last(), Some(&5));
        let one = super::nested(Rows::new(&[3.0, 4.0], 2).unwrap()).unwrap();
        assert_eq!((one.order.order(), &one.levels[..]), (&[0u32][..], &[0, 1][..]));
    }
}
