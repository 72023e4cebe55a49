//! Principal components as an integer matrix: the leading directions of the data, rounded to 8 bits.
//!
//! The rounded matrix is itself the map: base and queries go through the same one, so its rounding does not
//! blur their distances but only tilts the directions by about a hundredth. Integers in, integers out: exact,
//! equal on every instruction set, and at the speed of the byte-product instructions.

use layouts::{AlignedVec, Interleaved, Storage};
use simd_kernels::{Kernels, Panels, Rows};

use crate::Error;

/// Rows that the covariance is measured on: 16,384 products of two bytes fill 28 bits.
const SAMPLE: usize = 16_384;
/// Block power iterations. Directions whose variances are alike need not be told apart.
const ITERATIONS: usize = 12;

/// Leading principal directions, rounded, with the spread of the data along each.
#[derive(Debug)]
pub struct Rotation {
    /// `[i8]`, 16 directions a panel.
    pub panels: Storage<i8>,
    /// Input dimensions.
    pub dim: usize,
    /// Directions.
    pub directions: usize,
}

/// Mean and covariance of integer rows.
#[derive(Debug)]
pub struct Moments {
    /// Per dimension.
    pub mean: Vec<f64>,
    /// Per dimension.
    pub variance: Vec<f64>,
    /// Row-major, `dim * dim`; empty where that would be too large to turn anything by.
    pub covariance: Vec<f64>,
}

/// Dimensions up to which principal components are looked for: their matrix is 128 MiB then.
const ROTATED: usize = 4096;

impl Moments {
    /// Measured on a regular sample; exact integers until the last division.
    pub fn of(rows: Rows<'_, i8>, kernels: &'static Kernels) -> Result<Self, Error> {
        let dim = rows.dim();
        let step = rows.len().div_ceil(SAMPLE).max(1);
        let picked: Vec<usize> = (0..rows.len()).step_by(step).collect();
        let count = picked.len();
        let mut columns = AlignedVec::<i8>::zeroed(dim * count)?;
        for (at, &index) in picked.iter().enumerate() {
            for (column, &x) in rows.row(index).unwrap_or_default().iter().enumerate() {
                columns[column * count + at] = x;
            }
        }
        let views = Rows::new(&columns, count)?;
        let mean: Vec<f64> = views
            .iter()
            .map(|column| column.iter().map(|&x| i64::from(x)).sum::<i64>() as f64 / count as f64)
            .collect();
        let variance: Vec<f64> = views
            .iter()
            .zip(&mean)
            .map(|(column, mean)| {
                let squares: i64 = column.iter().map(|&x| i64::from(x) * i64::from(x)).sum();
                (squares as f64 / count as f64 - mean * mean).max(0.0)
            })
            .collect();
        if dim > ROTATED {
            return Ok(Self { mean, variance, covariance: Vec::new() });
        }
        let mut packed = Interleaved::<i8, 16, 4>::new();
        packed.pack(views)?;
        let panels = Panels::new(packed.as_slice(), count)?;
        let width = panels.rows();
        let mut covariance = vec![0.0; dim * dim];
        let rows_of = |range: std::ops::Range<usize>| -> Result<Vec<i32>, Error> {
            let mut out = vec![0i32; range.len() * width];
            if let Some(block) = views.slice(range.start, range.end) {
                kernels.panels::<i8>().inner_product(block, panels, &mut out)?;
            }
            Ok(out)
        };
        for (block, sums) in crate::parallel::blocks(dim, 16, rows_of)?.iter().enumerate() {
            for (at, sums) in sums.chunks_exact(width).enumerate() {
                let i = block * 16 + at;
                for (j, &sum) in sums.iter().take(dim).enumerate() {
                    covariance[i * dim + j] = f64::from(sum) / count as f64 - mean[i] * mean[j];
                }
            }
        }
        Ok(Self { mean, variance, covariance })
    }
}

/// The leading `count` eigenvectors (as rows) and eigenvalues of a covariance, largest first, by block power
/// iteration with a Rayleigh-Ritz step (Golub and Van Loan, *Matrix Computations*, 8.2), all in `f64` in a
/// fixed order.
pub fn principal(covariance: &[f64], dim: usize, count: usize) -> (Vec<f64>, Vec<f64>) {
    let mut basis = vec![0.0f64; count * dim];
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    for value in &mut basis {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *value = (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5;
    }
    orthonormalise(&mut basis, dim);
    for _ in 0..ITERATIONS {
        basis = product(&basis, covariance, dim);
        orthonormalise(&mut basis, dim);
    }
    let image = product(&basis, covariance, dim);
    let mut small = vec![0.0; count * count];
    for i in 0..count {
        for j in 0..count {
            small[i * count + j] = dot(&basis[i * dim..][..dim], &image[j * dim..][..dim]);
        }
    }
    let (values, vectors) = jacobi(&mut small, count);
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    let mut directions = vec![0.0; count * dim];
    let mut spreads = Vec::with_capacity(count);
    for (to, &from) in order.iter().enumerate() {
        let out = &mut directions[to * dim..][..dim];
        for k in 0..count {
            let weight = vectors[k * count + from];
            for (out, x) in out.iter_mut().zip(&basis[k * dim..][..dim]) {
                *out += weight * x;
            }
        }
        spreads.push(values[from].max(0.0));
    }
    (directions, spreads)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0f64; 8];
    let (a_blocks, a_rest) = a.as_chunks::<8>();
    let (b_blocks, b_rest) = b.as_chunks::<8>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// `rows` times a symmetric matrix.
fn product(rows: &[f64], symmetric: &[f64], dim: usize) -> Vec<f64> {
    let one = |range: std::ops::Range<usize>| {
        let mut out = Vec::with_capacity(range.len() * dim);
        for row in rows[range.start * dim..range.end * dim].chunks_exact(dim) {
            out.extend(symmetric.chunks_exact(dim).map(|line| dot(row, line)));
        }
        Ok(out)
    };
    crate::parallel::blocks(rows.len() / dim, 8, one).unwrap_or_default().concat()
}

/// Gram-Schmidt, twice for stability; a row that vanishes becomes zero.
fn orthonormalise(basis: &mut [f64], dim: usize) {
    let count = basis.len() / dim;
    for i in 0..count {
        let (before, rest) = basis.split_at_mut(i * dim);
        let row = &mut rest[..dim];
        for _ in 0..2 {
            for other in before.chunks_exact(dim) {
                let along = dot(row, other);
                for (x, y) in row.iter_mut().zip(other) {
                    *x -= along * y;
                }
            }
        }
        let norm = dot(row, row).sqrt();
        let inverse = if norm > 1e-9 { 1.0 / norm } else { 0.0 };
        for x in row {
            *x *= inverse;
        }
    }
}

/// Cyclic Jacobi: eigenvalues, and eigenvectors as columns, of a small symmetric matrix.
fn jacobi(matrix: &mut [f64], n: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; n * n];
    for i in 0..n {
        vectors[i * n + i] = 1.0;
    }
    for _ in 0..12 {
        let off: f64 = (0..n).map(|i| (0..i).map(|j| matrix[i * n + j].powi(2)).sum::<f64>()).sum();
        let on: f64 = (0..n).map(|i| matrix[i * n + i].powi(2)).sum();
        if off <= on * 1e-18 {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = matrix[p * n + q];
                if apq == 0.0 {
                    continue;
                }
                let theta = (matrix[q * n + q] - matrix[p * n + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let t = if theta == 0.0 { 1.0 } else { t };
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                for k in 0..n {
                    let (x, y) = (matrix[k * n + p], matrix[k * n + q]);
                    matrix[k * n + p] = c * x - s * y;
                    matrix[k * n + q] = s * x + c * y;
                }
                for k in 0..n {
                    let (x, y) = (matrix[p * n + k], matrix[q * n + k]);
                    matrix[p * n + k] = c * x - s * y;
                    matrix[q * n + k] = s * x + c * y;
                }
                for k in 0..n {
                    let (x, y) = (vectors[k * n + p], vectors[k * n + q]);
                    vectors[k * n + p] = c * x - s * y;
                    vectors[k * n + q] = s * x + c * y;
                }
            }
        }
    }
    ((0..n).map(|i| matrix[i * n + i]).collect(), vectors)
}

impl Rotation {
    /// Rounds directions (as rows, orthonormal) to bytes, each on a scale of its own; also returns their lengths.
    pub fn new(directions: &[f64], dim: usize) -> Result<(Self, Vec<f64>), Error> {
        let mut rounded = AlignedVec::<i8>::with_capacity(directions.len())?;
        let mut lengths = Vec::with_capacity(directions.len() / dim);
        for direction in directions.chunks_exact(dim) {
            let largest = direction.iter().fold(0.0f64, |largest, x| largest.max(x.abs()));
            let scale = if largest > 0.0 { 127.0 / largest } else { 1.0 };
            let mut squares = 0.0;
            for x in direction {
                let x = (x * scale).round();
                squares += x * x;
                rounded.push(x as i8)?;
            }
            lengths.push(if squares > 0.0 { f64::sqrt(squares) } else { 1.0 });
        }
        let mut packed = Interleaved::<i8, 16, 4>::new();
        packed.pack(Rows::new(&rounded, dim)?)?;
        let panels = Storage::from(AlignedVec::from_slice(packed.as_slice())?);
        Ok((Self { panels, dim, directions: directions.len() / dim }, lengths))
    }

    /// Places that [`apply`](Self::apply) writes per row.
    pub fn width(&self) -> usize {
        self.directions.next_multiple_of(16)
    }

    /// `width` coordinates a row, those beyond `directions` zero.
    pub fn apply(&self, rows: Rows<'_, i8>, kernels: &'static Kernels, out: &mut [i32]) -> Result<(), Error> {
        Ok(kernels.panels::<i8>().inner_product(rows, Panels::new(&self.panels, self.dim)?, out)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn principal_directions_diagonalise() {
        let dim = 20;
        // A known basis: rotate pairs of axes, spreads falling.
        let mut covariance = vec![0.0; dim * dim];
        for pair in 0..dim / 2 {
            let (c, s) = (f64::cos(pair as f64), f64::sin(pair as f64));
            let (large, small) = (100.0 / (1.0 + pair as f64), 0.1);
            let (p, q) = (2 * pair, 2 * pair + 1);
            covariance[p * dim + p] = c * c * large + s * s * small;
            covariance[q * dim + q] = s * s * large + c * c * small;
            covariance[p * dim + q] = c * s * (large - small);
            covariance[q * dim + p] = c * s * (large - small);
        }
        let (directions, spreads) = principal(&covariance, dim, 6);
        for (pair, spread) in spreads.iter().enumerate() {
            assert!((spread - 100.0 / (1.0 + pair as f64)).abs() < 0.05, "{spreads:?}");
        }
        for a in 0..6 {
            for b in 0..6 {
                let product = dot(&directions[a * dim..][..dim], &directions[b * dim..][..dim]);
                assert!((product - f64::from(u8::from(a == b))).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_covariance_of_nothing_has_directions_of_no_spread() {
        let (_, spreads) = principal(&[0.0; 9], 3, 3);
        assert_eq!(spreads, [0.0; 3]);
    }
}
