//! The nearest centroid of a sub-space, on a grid where `f32` arithmetic is exact.

use layouts::Interleaved;
use simd_kernels::{Kernels, PANEL_ROWS, Panels, Rows};

use super::super::prepared::nearest;
use super::super::{Error, Scratch};

/// |c|² − 2 ⟨x, c⟩ and everything on the way to it stays within 5/4 width L² < 2^24 for vectors within ±L and
/// centroids within ±L/2: whole numbers that `f32` holds, fused or not, in any order.
const EXACT: f32 = (1u32 << 23) as f32;

/// Vectors whose distances are computed at a time.
const BATCH: usize = 32;

/// The centroids of one sub-space, rounded to its grid.
#[derive(Clone, Debug)]
pub(super) struct Assigner {
    width: usize,
    /// Grid steps per unit.
    scale: f32,
    /// The greatest coordinate, in steps.
    limit: f32,
    panels: Vec<f32>,
    norms: Vec<f32>,
}

impl Assigner {
    /// For `centroids` of `width` dimensions; their number must be a multiple of 16. The grid reaches to twice the
    /// greatest coordinate of a centroid.
    pub(super) fn new(centroids: &[f32], width: usize) -> Result<Self, Error> {
        let largest = centroids.iter().fold(0.0f32, |largest, c| largest.max(c.abs()));
        let limit = (EXACT / width as f32).sqrt().floor();
        let scale = limit / (2.0 * largest);
        // Centroids that are all at the origin, or as good as that: any of them is the nearest.
        let scale = if scale.is_finite() { scale } else { 0.0 };
        let grid: Vec<f32> = centroids.iter().map(|c| nearest(c * scale) as f32).collect();
        let rows = Rows::new(&grid, width)?;
        let mut panels = vec![0.0; Interleaved::<f32, PANEL_ROWS, 1>::packed_len(rows.len(), width)?];
        Interleaved::<f32, PANEL_ROWS, 1>::pack_into(rows, &mut panels)?;
        let norms = rows.iter().map(|row| row.iter().map(|x| x * x).sum()).collect();
        Ok(Self { width, scale, limit, panels, norms })
    }

    /// Number of centroids.
    fn len(&self) -> usize {
        self.norms.len()
    }

    /// The nearest centroid of vectors `stride` values apart, of equals the lower. `centroids` are those that this
    /// was made of.
    pub(super) fn assign(
        &self,
        kernels: &'static Kernels,
        vectors: &[f32],
        stride: usize,
        centroids: &[f32],
        scratch: &mut Scratch,
        found: &mut [u32],
    ) -> Result<(), Error> {
        let (width, k) = (self.width, self.len());
        let panels = Panels::new(&self.panels, width)?;
        let zeros = [0.0; BATCH];
        let part = |index: usize| vectors.get(index * stride..index * stride + width).unwrap_or_default();
        scratch.scores.resize(BATCH * k, 0.0);
        for (batch, found) in found.chunks_mut(BATCH).enumerate() {
            let first = batch * BATCH;
            scratch.grid.clear();
            let mut outside = 0u32;
            for index in 0..found.len() {
                let mut largest = 0.0f32;
                for x in part(first + index) {
                    let x = x * self.scale;
                    largest = largest.max(x.abs());
                    scratch.grid.push(nearest(x.clamp(-self.limit, self.limit)) as f32);
                }
                outside |= u32::from(largest > self.limit) << index;
            }
            let scores = &mut scratch.scores[..found.len() * k];
            let rows = Rows::new(&scratch.grid, width)?;
            let norms = &zeros[..found.len()];
            kernels.panels::<f32>().l2_squared(rows, norms, panels, &self.norms, scores)?;
            for (index, (found, scores)) in found.iter_mut().zip(scores.chunks_exact(k)).enumerate() {
                *found = if outside >> index & 1 == 0 {
                    kernels.argmin(scores).map_or(0, |(at, _)| at as u32)
                } else {
                    plain(part(first + index), centroids)
                };
            }
        }
        Ok(())
    }
}

/// The nearest centroid of a vector that the grid does not reach, in plain `f64` arithmetic.
fn plain(vector: &[f32], centroids: &[f32]) -> u32 {
    let mut best = (f64::INFINITY, 0);
    for (at, centroid) in centroids.chunks_exact(vector.len().max(1)).enumerate() {
        let mut sum = 0.0;
        for (x, c) in vector.iter().zip(centroid) {
            let off = f64::from(*x) - f64::from(*c);
            sum += off * off;
        }
        if sum < best.0 {
            best = (sum, at as u32);
        }
    }
    best.1
}
