//! The exact maximin order: always the point farthest from all points before it.

use layouts::Permutation;
use simd_kernels::Rows;

use super::blocks::{Blocks, LEAF};
use super::error::{OrderingError, check_coords, filled, with_room};

/// A maximin order and how far apart its points are.
#[derive(Clone, Debug, PartialEq)]
pub struct Maximin {
    /// The order: `order.order()[i]` is the point that stands at place i.
    pub order: Permutation,
    /// At place i the distance of that point to the nearest of those before it; infinite at place 0, then
    /// falling. These are the length scales that sparsity patterns are chosen by.
    pub distances: Vec<f64>,
}

/// The exact maximin order of the points: the first one, then always the point that is farthest from all before
/// it, ties to the lower id.
///
/// `first` names the first point; `None` takes the one nearest to the mean of all. Duplicates of earlier points
/// come last, by id, at distance 0. Distances are sums of squares in the order of the axes without fused
/// operations, so that every CPU gives the same order, that of the O(n²) definition.
///
/// The points lie in a tree of boxes in which every node knows its farthest point: the next point is read at the
/// root, and only boxes that it comes closer to than their farthest point are visited again. A point at distance
/// ℓ can only change points within ℓ, of which there are O(n / i) at place i where the dimension is low:
/// O(n log² n) in all there, O(n²) at worst. O(n d) memory, where methods that keep neighbour lists need more.
///
/// Source of the definition and of its use: Guinness, "Permutation and grouping methods for sharpening Gaussian
/// process approximations", Technometrics 60 (2018); Schäfer, Katzfuss and Owhadi, "Sparse Cholesky factorization
/// by Kullback-Leibler minimization", SIAM J. Sci. Comput. 43 (2021), whose algorithm 3 is another exact one.
///
/// ```
/// use simd_kernels::Rows;
/// let coords = [0.0, 1.0, 2.0, 3.0, 4.0]; // a line
/// let found = covertree::ordering::maximin(Rows::new(&coords, 1)?, None)?;
/// assert_eq!(found.order.order(), [2, 0, 4, 1, 3]);
/// assert_eq!(found.distances[1..], [2.0, 2.0, 1.0, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`OrderingError`] if there are no points, one is not finite, or `first` is none of them.
pub fn maximin(coords: Rows<'_, f64>, first: Option<u32>) -> Result<Maximin, OrderingError> {
    check_coords(coords)?;
    let rows = coords.len();
    let first = match first {
        Some(first) if first as usize >= rows => return Err(OrderingError::First { first, rows }),
        Some(first) => first,
        None => nearest_to_mean(coords),
    };
    let mut field = Field::new(coords)?;
    let (mut order, mut distances) = (with_room(rows)?, with_room(rows)?);
    let (mut next, mut squared) = (first, f64::INFINITY);
    for _ in 0..rows {
        order.push(next);
        distances.push(squared.sqrt());
        field.take(next, coords.row(next as usize).unwrap_or_default());
        (squared, next) = field.farthest();
    }
    Ok(Maximin { order: Permutation::new(order)?, distances })
}

/// The point nearest to the mean, ties to the lower id.
fn nearest_to_mean(coords: Rows<'_, f64>) -> u32 {
    let mut mean = vec![0.0; coords.dim()];
    let share = 1.0 / coords.len() as f64;
    for row in coords.iter() {
        mean.iter_mut().zip(row).for_each(|(mean, x)| *mean += x * share);
    }
    let squared =
        |row: &[f64]| -> f64 { row.iter().zip(&mean).map(|(x, mean)| (x - mean) * (x - mean)).sum() };
    let mut nearest = (f64::INFINITY, 0);
    for (id, row) in (0..).zip(coords.iter()) {
        let distance = squared(row);
        if distance < nearest.0 {
            nearest = (distance, id);
        }
    }
    nearest.1
}

/// What a point has whose turn has come: less than any squared distance.
const TAKEN: f64 = -1.0;

/// Every point's squared distance to the points taken so far, with the farthest point of every node on top.
struct Field {
    blocks: Blocks,
    /// By place in the tree.
    squared: Vec<f64>,
    /// By node: the largest of its points' squared distances, and the lowest row that has it.
    farthest: Vec<(f64, u32)>,
    /// The place of every row.
    places: Vec<u32>,
}

impl Field {
    fn new(coords: Rows<'_, f64>) -> Result<Self, OrderingError> {
        let n = coords.len();
        let blocks = Blocks::build(coords, n)?;
        let mut places = filled(0, n)?;
        for (place, &id) in (0..).zip(blocks.all_ids()) {
            places[id as usize] = place;
        }
        let nodes = 2 * blocks.leaves();
        let mut field = Self {
            blocks,
            squared: filled(f64::INFINITY, n)?,
            farthest: filled((TAKEN, u32::MAX), nodes)?,
            places,
        };
        for node in (1..nodes).rev() {
            field.refresh(node);
        }
        Ok(field)
    }

    /// The largest squared distance of all, and the lowest row that has it.
    fn farthest(&self) -> (f64, u32) {
        self.farthest.get(1).copied().unwrap_or((TAKEN, u32::MAX))
    }

    /// Takes the point `row` at `x` out and brings the others' distances up to date.
    fn take(&mut self, row: u32, x: &[f64]) {
        let place = self.places[row as usize] as usize;
        self.squared[place] = TAKEN;
        // Nothing changes where even the farthest point coincides with one that was taken.
        if self.farthest().0 > 0.0 {
            self.spread(1, x);
        }
        let mut node = self.blocks.leaves() + self.leaf_of(place);
        while node > 0 {
            self.refresh(node);
            node /= 2;
        }
    }

    /// The leaf that holds a place.
    fn leaf_of(&self, place: usize) -> usize {
        let (n, leaves) = (self.squared.len() as u128, self.blocks.leaves() as u128);
        // The last leaf whose start, ⌊n l / leaves⌋, is not behind the place.
        (((place as u128 + 1) * leaves - 1) / n) as usize
    }

    /// Lowers the distances of the points of `node`, which `x` comes closer to than its farthest point is.
    fn spread(&mut self, node: usize, x: &[f64]) {
        if let Some(leaf) = node.checked_sub(self.blocks.leaves()) {
            let (start, end) = (self.blocks.start(leaf), self.blocks.start(leaf + 1));
            let mut out = [0.0; LEAF];
            let new = self.blocks.distances(leaf, end - start, x, &mut out);
            for (held, &new) in self.squared[start..end].iter_mut().zip(new) {
                *held = if new < *held { new } else { *held };
            }
        } else {
            for child in [2 * node, 2 * node + 1] {
                if self.blocks.gap(child, x) < self.farthest[child].0 {
                    self.spread(child, x);
                }
            }
        }
        self.refresh(node);
    }

    /// Finds the farthest point of `node` again, from its points or from its children.
    fn refresh(&mut self, node: usize) {
        self.farthest[node] = match node.checked_sub(self.blocks.leaves()) {
            Some(leaf) => {
                let held = &self.squared[self.blocks.start(leaf)..self.blocks.start(leaf + 1)];
                let mut largest = TAKEN;
                for &held in held {
                    largest = if held > largest { held } else { largest };
                }
                // Ids ascend within a leaf: the first is the lowest.
                let at = held.iter().position(|&held| held == largest);
                (largest, at.map_or(u32::MAX, |at| self.blocks.ids(leaf)[at]))
            }
            None => {
                let (left, right) = (self.farthest[2 * node], self.farthest[2 * node + 1]);
                if left.0 > right.0 || (left.0 == right.0 && left.1 < right.1) { left } else { right }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::random;
    use super::*;

    /// The definition, word by word.
    fn greedy(coords: Rows<'_, f64>, first: u32) -> (Vec<u32>, Vec<f64>) {
        let n = coords.len();
        let mut held = vec![f64::INFINITY; n];
        let (mut order, mut distances, mut next) = (vec![], vec![], first as usize);
        for _ in 0..n {
            order.push(next as u32);
            distances.push(held[next].sqrt());
            held[next] = TAKEN;
            let x = coords.row(next).unwrap();
            for (held, row) in held.iter_mut().zip(coords.iter()).filter(|(held, _)| **held != TAKEN) {
                let squared = row.iter().zip(x).fold(0.0, |sum, (a, b)| sum + (a - b) * (a - b));
                *held = held.min(squared);
            }
            next = (0..n).fold(0, |best, id| if held[id] > held[best] { id } else { best });
        }
        (order, distances)
    }

    fn check(coords: &[f64], dim: usize, first: Option<u32>) {
        let rows = Rows::new(coords, dim).unwrap();
        let found = maximin(rows, first).unwrap();
        let first = first.unwrap_or(found.order.order()[0]);
        let (order, distances) = greedy(rows, first);
        assert_eq!(found.order.order(), order, "{} points, d = {dim}", rows.len());
        assert_eq!(found.distances, distances);
    }

    #[test]
    fn the_order_is_that_of_the_definition() {
        for (n, dim, modulus) in [
            (1, 1, 9),
            (2, 2, 9),
            (33, 2, 9),
            (700, 2, u32::MAX),
            (700, 3, 1000),
            (300, 7, 50),
            (900, 1, 5000),
        ] {
            let values = random(n * dim, 11).unwrap();
            let coords: Vec<f64> = values.order().iter().map(|&v| f64::from(v % modulus) * 0.37).collect();
            check(&coords, dim, None);
            check(&coords, dim, Some((n / 2) as u32));
        }
    }

    #[test]
    fn ties_of_a_grid_and_duplicates_go_to_the_lower_id() {
        // A shuffled 24 x 20 grid whose steps are not exact in binary, every tenth point twice.
        let cells = random(480, 5).unwrap();
        let cells = cells.order().iter().chain(cells.order().iter().step_by(10));
        let coords: Vec<f64> =
            cells.flat_map(|&cell| [f64::from(cell % 24) * 0.1, f64::from(cell / 24) * 0.1]).collect();
        check(&coords, 2, None);
        check(&[2.5; 200], 2, Some(70));
    }

    #[test]
    fn extreme_coordinates_are_ordered_too() {
        check(&[1e300, -1e300, 0.0, 1e-300, -1e-300, 1e300], 1, Some(2));
        check(&[f64::MAX, -f64::MAX, 0.0, 5e-324], 1, Some(2));
    }

    #[test]
    fn what_cannot_be_ordered_is_named() {
        let rows = |data: &'static [f64]| Rows::new(data, 2).unwrap();
        assert!(matches!(maximin(rows(&[]), None), Err(OrderingError::Empty)));
        let refused = maximin(rows(&[0.0, 1.0, 2.0, f64::NAN]), None);
        assert!(matches!(refused, Err(OrderingError::NotFinite { row: 1, column: 1 })));
        let refused = maximin(rows(&[0.0, 1.0]), Some(1));
        assert!(matches!(refused, Err(OrderingError::First { first: 1, rows: 1 })));
    }
}
