//! What queries are measured against: a block's pivots, in the precision that its bounds need.
//!
//! Bounds need far less than results: an error of a hundredth in ρ costs a few candidates more. But `f32` would be wrong by more
//! than that where p is small. So inner products of rows of V are summed in two pieces: their first columns, the *head*,
//! in `f64`, the rest, the *tail*, in `f32` at twice the speed, with its error added to every bound. Rows of V = K(X, U) L⁻ᵀ
//! lose length from column to column (what is left behind column t is the variance that t inducing points leave), so a
//! tail of half of the columns and more is short, and errors go with the product of two tails' lengths.

use layouts::AlignedVec;
use simd_kernels::{Panels, Rows};

use super::basis::{Scratch as Build, pack};
use super::bounds::UNIT_F32;
use super::columns::Columns;
use super::error::ResidualError;
use super::field::{Feature, Field, MAX_DIM, Queries};

/// What an inner product of so many columns in `f32` is wrong by, over the product of the lengths: (r / 2 + 32) u of
/// the kernels, u for each rounded factor, and something for products of errors.
pub(super) fn tail_error(columns: usize) -> f64 {
    (columns as f64 / 2.0 + 36.0) * f64::from(UNIT_F32)
}

/// The pivots of a block.
#[derive(Debug, Default)]
pub(super) struct Probe {
    axes: Vec<f64>,
    /// 0 for what only fills up a panel.
    weights: Vec<f64>,
    /// Their rows of V, or the basis vectors themselves where these are known: the first columns, and the others.
    head: AlignedVec<f64>,
    tail: AlignedVec<f32>,
    /// Basis: row `i` holds what basis vector `i` takes of each pivot. Only for residual features.
    transform: AlignedVec<f32>,
    /// Its Frobenius norm.
    transform_norm: f64,
    /// Pivots, filled up to whole panels.
    pub(super) size: usize,
    /// Columns of the head.
    pub(super) columns: usize,
}

/// Buffers of [`Probe::coordinates`].
#[derive(Debug, Default)]
pub(super) struct Scratch {
    heads: Vec<f64>,
    tails: Vec<f32>,
    covariances: Vec<f64>,
    common: Vec<f32>,
    /// What the projections in `f32` are wrong by.
    pub(super) projection_errors: Vec<f64>,
}

impl Probe {
    /// Takes over gathered pivots, the rows of V in `rows` (`stride` apart) for them, and how many columns are the head.
    pub(super) fn set(
        &mut self,
        field: &Field,
        columns: &Columns,
        (rows, stride): (&[f64], usize),
        head: usize,
        rounded: &mut AlignedVec<f32>,
    ) -> Result<(), ResidualError> {
        self.axes.clone_from(&columns.axes);
        self.weights.clone_from(&columns.weights);
        (self.size, self.columns) = (columns.padded, head);
        let count = rows.len() / stride;
        if head > 0 {
            pack(Rows::with_stride(rows, count, head, stride)?, &mut self.head)?;
        }
        let tail = field.rank - head;
        if tail > 0 {
            rounded.resize_stale(count * tail)?;
            for (to, row) in rounded.chunks_exact_mut(tail).zip(rows.chunks(stride)) {
                for (to, &from) in to.iter_mut().zip(&row[head..]) {
                    *to = from as f32;
                }
            }
            pack(Rows::new(rounded, tail)?, &mut self.tail)?;
        }
        Ok(())
    }

    /// Takes over the transform of the basis, `stride` a row.
    pub(super) fn set_transform(
        &mut self,
        transform: &[f64],
        stride: usize,
        build: &mut Build,
    ) -> Result<(), ResidualError> {
        self.transform_norm = 0.0;
        build.rounded.resize_stale(self.size * self.size)?;
        for (to, row) in build.rounded.chunks_exact_mut(self.size).zip(transform.chunks(stride)) {
            for (to, &from) in to.iter_mut().zip(row) {
                *to = from as f32;
                self.transform_norm += from * from;
            }
        }
        self.transform_norm = self.transform_norm.sqrt();
        pack(Rows::new(&build.rounded, self.size)?, &mut self.transform)
    }

    /// Coordinates in the block's basis of all queries and of what fills up a tile, `rows` in all, `size` a row.
    pub(super) fn coordinates(
        &self,
        field: &Field,
        feature: Feature,
        queries: &Queries,
        rows: usize,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<(), ResidualError> {
        let (size, rank, stride, head) = (self.size, field.rank, field.stride, self.columns);
        let (has_head, has_tail) = (head > 0, head < rank);
        scratch.heads.resize(rows * size, 0.0);
        scratch.tails.resize(rows * size, 0.0);
        if has_head {
            let v = Rows::with_stride(&queries.v, rows, head, stride)?;
            let panels = Panels::new(&self.head, head)?;
            field.kernels.panels::<f64>().inner_product(v, panels, &mut scratch.heads)?;
        } else {
            scratch.heads.fill(0.0);
        }
        if has_tail {
            let v = queries.rounded.get(head..).unwrap_or_default();
            let v = Rows::with_stride(v, rows, rank - head, stride)?;
            let panels = Panels::new(&self.tail, rank - head)?;
            field.kernels.panels::<f32>().inner_product(v, panels, &mut scratch.tails)?;
        } else {
            scratch.tails.fill(0.0);
        }
        match feature {
            Feature::LowRank => {
                scratch.projection_errors.clear();
                // Rounding to `f32` is in the bounds of members, which are made from stored coordinates.
                scratch.projection_errors.resize(queries.len(), 0.0);
                let lines = scratch.heads.chunks_exact(size).zip(scratch.tails.chunks_exact(size));
                let lines = lines.zip(out.chunks_exact_mut(size)).zip(&queries.weights);
                for (((heads, tails), out), weight) in lines {
                    let products = heads.iter().zip(tails).zip(&self.weights);
                    for (out, ((head, tail), other)) in out.iter_mut().zip(products) {
                        *out = ((head + f64::from(*tail)) * (weight * other)) as f32;
                    }
                }
                Ok(())
            }
            Feature::Residual => {
                self.common(field, queries, rows, scratch)?;
                // (size / 2 + 32) u of the kernels, u for each rounded factor, by Cauchy and Schwarz in every sum.
                let error = (size as f64 / 2.0 + 36.0) * f64::from(UNIT_F32) * self.transform_norm * 1.01;
                scratch.projection_errors.clear();
                let lines = scratch.common.chunks_exact(size).take(queries.len());
                scratch.projection_errors.extend(lines.map(|line| error * squared_norm(line).sqrt()));
                Ok(field.kernels.panels::<f32>().inner_product(
                    Rows::new(&scratch.common, size)?,
                    Panels::new(&self.transform, size)?,
                    out,
                )?)
            }
        }
    }

    /// Residual correlations with the pivots, from the inner products.
    fn common(
        &self,
        field: &Field,
        queries: &Queries,
        rows: usize,
        scratch: &mut Scratch,
    ) -> Result<(), ResidualError> {
        let (size, dim) = (self.size, field.dim());
        let count = queries.len();
        scratch.covariances.resize(count * size, 0.0);
        for (line, x) in
            scratch.covariances.chunks_exact_mut(size).zip(queries.coords.chunks_exact(dim.clamp(1, MAX_DIM)))
        {
            field.squared_distances(x, &self.axes, size, line);
        }
        field.covariances(&mut scratch.covariances)?;
        scratch.common.resize(rows * size, 0.0);
        scratch.common[count * size..].fill(0.0);
        let products = scratch.heads.chunks_exact(size).zip(scratch.tails.chunks_exact(size));
        let lines = products.zip(scratch.covariances.chunks_exact(size)).zip(&queries.weights);
        for (to, (((heads, tails), covariances), weight)) in scratch.common.chunks_exact_mut(size).zip(lines)
        {
            let terms = heads.iter().zip(tails).zip(covariances).zip(&self.weights);
            for (to, (((head, tail), covariance), other)) in to.iter_mut().zip(terms) {
                *to = ((covariance - head - f64::from(*tail)) * (weight * other)) as f32;
            }
        }
        Ok(())
    }
}

/// Σ x², for whole panels.
pub(super) fn squared_norm(x: &[f32]) -> f64 {
    let mut sums = [0.0f64; 16];
    for x in x.chunks_exact(16) {
        for (sum, &x) in sums.iter_mut().zip(x) {
            *sum += f64::from(x) * f64::from(x);
        }
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use crate::residual::{Covariance, CovarianceModel, Factor, ResidualIndex};

    /// Columns in `f64` for rows of 64 numbers that lose half of their square every `half` columns.
    fn head(half: f64, p: f64) -> usize {
        let coords: Vec<f64> = (0..400).map(f64::from).collect();
        let row = (0..64).map(|t| (0.4 / half).sqrt() * 0.5f64.powf(f64::from(t) / (2.0 * half)));
        let v: Vec<f64> = row.collect::<Vec<_>>().repeat(400);
        let model = CovarianceModel::new(Covariance::Matern12, &[10.0], 1.0);
        let factor = Factor { v: &v, rank: 64, p: &vec![p; 400] };
        ResidualIndex::from_factor(&coords, 1, &model, factor).unwrap().field.head
    }

    #[test]
    fn the_head_is_as_long_as_small_variances_ask_for() {
        // Every 16 columns leave a 256th of what was there before.
        assert_eq!(head(2.0, 0.3), 0);
        assert_eq!(head(2.0, 1e-3), 16);
        assert_eq!(head(2.0, 1e-6), 48);
        assert_eq!(head(2.0, 1e-9), 64);
        assert_eq!(head(1e9, 1e-6), 0, "there is nothing in V");
    }

    #[test]
    fn an_update_takes_pivots_of_the_new_factor() {
        let coords: Vec<f64> = (0..200).map(f64::from).collect();
        let model = |variance| CovarianceModel::new(Covariance::Rbf, &[25.0], variance);
        let v = [0.0; 200];
        let p = [1.0; 200];
        let mut index =
            ResidualIndex::from_factor(&coords, 1, &model(1.0), Factor { v: &v, rank: 1, p: &p }).unwrap();
        for variance in [1.0, 4.0, 9.0] {
            // One block, so that the buffers of one update hold the pivots of the next.
            let p = [variance; 200];
            index.update_factor(&model(variance), Factor { v: &v, rank: 1, p: &p }).unwrap();
            let block = &index.blocks[0];
            assert!(index.blocks.len() == 1 && block.pivots.len() > 3);
            // What of old pivots slipped into the basis shows in how far it is from orthonormal.
            assert!(block.gram_error < 1e-6, "{}", block.gram_error);
            let weights = &block.probe.weights[..block.pivots.len()];
            assert!(weights.iter().all(|weight| (weight - 1.0 / f64::sqrt(variance)).abs() < 1e-9));
        }
    }
}
