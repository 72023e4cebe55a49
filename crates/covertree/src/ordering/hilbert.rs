//! The order along the Hilbert curve, in any number of dimensions up to a limit.

use layouts::Permutation;
use simd_kernels::Rows;

use super::error::{OrderingError, check_coords, with_room};

/// The most dimensions that [`hilbert`] takes: four bits of each then make a key of 128.
pub const HILBERT_MAX_DIM: usize = 32;

/// The points along the Hilbert curve through the cube that holds them, ties by the lower id. O(n (d + log n)).
///
/// Neighbours on the curve are neighbours in space: consecutive cells share a face, in every dimension. The
/// cube is divided into 2ᵇ cells along each axis, b = min(32, ⌊128 / d⌋): 32 bits up to four dimensions, 12 at
/// ten, 4 at 32. All axes are scaled alike, by the longest, so that distances keep their proportions.
///
/// Hamilton and Rau-Chaplin, "Compact Hilbert indices: space-filling curves for domains with unequal side
/// lengths", Information Processing Letters 105 (2008), section 2.
///
/// ```
/// use simd_kernels::Rows;
/// let corners = [0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0];
/// let order = covertree::ordering::hilbert(Rows::new(&corners, 2)?)?;
/// assert_eq!(order.order(), [0, 3, 1, 2]); // around the square, never across
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`OrderingError`] if there are no points, one is not finite, or they have more than [`HILBERT_MAX_DIM`]
/// dimensions.
pub fn hilbert(coords: Rows<'_, f64>) -> Result<Permutation, OrderingError> {
    let curve = Curve::of(coords)?;
    let mut order = with_room(coords.len())?;
    order.extend(curve.sorted(coords)?.into_iter().map(|(_, id)| id));
    Ok(Permutation::new(order)?)
}

/// The curve through the cube that holds some points.
#[derive(Clone, Debug)]
pub(crate) struct Curve {
    low: Vec<f64>,
    /// The side of the cube; 1 where all points are one.
    side: f64,
    /// Bits of an axis.
    bits: u32,
}

impl Curve {
    /// The curve for `coords`, which are checked.
    pub(crate) fn of(coords: Rows<'_, f64>) -> Result<Self, OrderingError> {
        check_coords(coords)?;
        let dim = coords.dim();
        if dim > HILBERT_MAX_DIM {
            return Err(OrderingError::Dimension { dim, max: HILBERT_MAX_DIM });
        }
        let mut low = vec![f64::INFINITY; dim];
        let mut high = vec![f64::NEG_INFINITY; dim];
        for row in coords.iter() {
            for ((low, high), &x) in low.iter_mut().zip(&mut high).zip(row) {
                *low = low.min(x);
                *high = high.max(x);
            }
        }
        // Halves, because the difference of two finite numbers may not be finite.
        let half = low.iter().zip(&high).map(|(low, high)| high / 2.0 - low / 2.0).fold(0.0, f64::max);
        let side = if half > 0.0 { half } else { 1.0 };
        Ok(Self { low, side, bits: 32.min(u128::BITS / dim as u32) })
    }

    /// Bits of an axis.
    pub(crate) fn bits(&self) -> u32 {
        self.bits
    }

    /// The cell of `x` along `axis`, of 2^bits.
    pub(crate) fn cell(&self, axis: usize, x: f64) -> u64 {
        let cells = 1u64 << self.bits;
        let share = (x / 2.0 - self.low[axis] / 2.0) / self.side;
        // Rounding may reach the upper face; a cast of what is beyond the range saturates.
        ((share * cells as f64) as u64).min(cells - 1)
    }

    /// The middle, along `axis`, of the cell `cell` of 2^level.
    pub(crate) fn middle(&self, axis: usize, cell: u64, level: u32) -> f64 {
        let share = (cell as f64 + 0.5) / (1u64 << level) as f64;
        2.0 * (self.low[axis] / 2.0 + share * self.side)
    }

    /// The place of a point on the curve: d bits a level, coarsest first.
    pub(crate) fn key(&self, row: &[f64]) -> u128 {
        let dim = row.len() as u32;
        let mut cells = [0u64; HILBERT_MAX_DIM];
        for (axis, (cell, &x)) in cells.iter_mut().zip(row).enumerate() {
            *cell = self.cell(axis, x);
        }
        let mut turn = Turn { entry: 0, direction: 0 };
        let mut key = 0;
        for bit in (0..self.bits).rev() {
            let corner =
                cells.iter().take(row.len()).rev().fold(0, |word, cell| word << 1 | (cell >> bit & 1));
            let (step, next) = turn.visit(corner, dim);
            key = key << dim | u128::from(step);
            turn = next;
        }
        key
    }

    /// Keys and ids in the order of the curve.
    pub(crate) fn sorted(&self, coords: Rows<'_, f64>) -> Result<Vec<(u128, u32)>, OrderingError> {
        let mut keys = with_room(coords.len())?;
        keys.extend((0..).zip(coords.iter()).map(|(id, row)| (self.key(row), id)));
        keys.sort_unstable();
        Ok(keys)
    }
}

/// How the curve of one level is turned within its cell: where it enters and along which axis it leaves.
#[derive(Clone, Copy, Debug)]
struct Turn {
    /// The corner it enters at, a bit an axis.
    entry: u64,
    /// The axis along which it leaves.
    direction: u32,
}

impl Turn {
    /// The number of the sub-cell at `corner` along the curve, and how the curve is turned in there.
    fn visit(self, corner: u64, dim: u32) -> (u64, Turn) {
        let by = (self.direction + 1) % dim;
        let step = from_gray(rotate_right(corner ^ self.entry, by, dim));
        // Where the curve enters the sub-cell, and along which axis it goes through, in its own frame.
        let (entry, direction) = match step {
            0 => (0, 0),
            _ => {
                let even = (step - 1) & !1;
                let last = if step & 1 == 1 { step } else { step - 1 };
                (even ^ (even >> 1), last.trailing_ones() % dim)
            }
        };
        let entry = self.entry ^ rotate_left(entry, by, dim);
        (step, Turn { entry, direction: (self.direction + direction + 1) % dim })
    }
}

/// The number whose Gray code is `gray`.
fn from_gray(gray: u64) -> u64 {
    [1, 2, 4, 8, 16, 32].iter().fold(gray, |word, shift| word ^ (word >> shift))
}

fn rotate_right(word: u64, by: u32, width: u32) -> u64 {
    (word >> by | word << (width - by)) & ((1u64 << width) - 1)
}

fn rotate_left(word: u64, by: u32, width: u32) -> u64 {
    (word << by | word >> (width - by)) & ((1u64 << width) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every cell of a grid of `side` cells along each of `dim` axes.
    fn grid(dim: usize, side: usize) -> Vec<f64> {
        let cells = side.pow(dim as u32);
        (0..cells)
            .flat_map(|cell| (0..dim).map(move |axis| (cell / side.pow(axis as u32) % side) as f64 + 0.5))
            .collect()
    }

    #[test]
    fn consecutive_cells_of_a_full_grid_share_a_face() {
        for (dim, side) in [(1, 64), (2, 32), (3, 8), (4, 4), (5, 4), (6, 2), (10, 2)] {
            let mut coords = grid(dim, side);
            // Two corners stretch the cube, so that its cells are those of the grid.
            coords.extend(std::iter::repeat_n(0.0, dim));
            coords.extend(std::iter::repeat_n(side as f64, dim));
            let order = hilbert(Rows::new(&coords, dim).unwrap()).unwrap();
            let cells = (side.pow(dim as u32)) as u32;
            let inner: Vec<u32> = order.order().iter().copied().filter(|&id| id < cells).collect();
            for pair in inner.windows(2) {
                let row = |id: u32| &coords[id as usize * dim..][..dim];
                let steps: f64 = row(pair[0]).iter().zip(row(pair[1])).map(|(a, b)| (a - b).abs()).sum();
                assert_eq!(steps, 1.0, "d = {dim}: {:?} then {:?}", row(pair[0]), row(pair[1]));
            }
        }
    }

    #[test]
    fn equal_points_keep_their_order_and_extreme_ones_have_a_place() {
        let coords = [1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
        let order = hilbert(Rows::new(&coords, 2).unwrap()).unwrap();
        assert_eq!(order.order(), [1, 3, 0, 2]);
        let same = hilbert(Rows::new(&[7.0; 12], 4).unwrap()).unwrap();
        assert_eq!(same.order(), [0, 1, 2]);
        let wide = [f64::MAX, -f64::MAX, 0.0, 5e-324];
        assert_eq!(hilbert(Rows::new(&wide, 1).unwrap()).unwrap().order(), [1, 2, 3, 0]);
        let many = [0.0; 33];
        let refused = hilbert(Rows::new(&many, 33).unwrap());
        assert!(matches!(refused, Err(OrderingError::Dimension { dim: 33, max: 32 })));
    }
}
