//! What queries are measured against: a block's pivots, in the precision that its bounds need.
//!
//! A coordinate is what a basis vector b = Σ tᵢ uᵢ of pivots has in common with a query: w_q (Σ tᵢ wᵢ k(q, i) − v_q·Σ tᵢ wᵢ vᵢ). The
//! second sum does not depend on the query, so it is stored, one row a vector, and only the covariances are combined in a search.
//!
//! Bounds need far less than results: an error of a hundredth in ρ costs a few candidates more. But `f32` would be wrong by more
//! than that where p is small. So products with rows of V are summed in two pieces: their first columns, the *head*,
//! in `f64`, the rest, the *tail*, in `f32` at twice the speed, with its error added to every bound. Rows of V = K(X, U) L⁻ᵀ
//! lose length from column to column (what is left behind column t is the variance that t inducing points leave), so a
//! tail of half of the columns and more is short, and errors go with the product of two tails' lengths. Those of basis vectors are
//! a few times shorter than what their pivots' tails might add up to, for vectors are differences of points that lie together.

use layouts::AlignedVec;
use simd_kernels::{PANEL_ROWS, Panels, Rows};

use super::basis::pack;
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
    /// Basis vectors as rows of V are multiplied with them: the first columns, and the others.
    head: AlignedVec<f64>,
    tail: AlignedVec<f32>,
    /// Row `i` holds what basis vector `i` takes of the covariance with each pivot. Only for residual features.
    combination: AlignedVec<f64>,
    /// Pivots, and as many basis vectors, filled up to whole panels.
    pub(super) size: usize,
    /// Columns of the head.
    pub(super) columns: usize,
}

/// Queries that are measured against a block: all of a group, or some.
#[derive(Clone, Copy, Debug)]
pub(super) struct Points<'a> {
    /// The first columns of V, at least those of the head, and how far rows are apart.
    pub(super) heads: (&'a [f64], usize),
    /// The others in `f32`, from the head's end on, and how far rows are apart.
    pub(super) tails: (&'a [f32], usize),
    /// Coordinates, row by row, of fewer rows where some only fill up a tile.
    pub(super) coords: &'a [f64],
    pub(super) weights: &'a [f64],
}

/// Buffers of [`Probe::coordinates`].
#[derive(Debug, Default)]
pub(super) struct Scratch {
    heads: Vec<f64>,
    tails: Vec<f32>,
    covariances: Vec<f64>,
    pub(super) combined: Vec<f64>,
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
        self.columns = head;
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

    /// Takes over the transform of the basis, `stride` a row, for the covariances with gathered pivots. `rows` is scratch.
    pub(super) fn set_combination(
        &mut self,
        transform: &[f64],
        columns: &Columns,
        stride: usize,
        rows: &mut Vec<f64>,
    ) -> Result<(), ResidualError> {
        rows.clear();
        for row in transform.chunks(stride).take(self.size) {
            rows.extend(row.iter().zip(&columns.weights).map(|(t, weight)| t * weight));
        }
        pack(Rows::new(rows, self.size)?, &mut self.combination)
    }

    /// All queries of a group as what [`coordinates`](Self::coordinates) takes.
    pub(super) fn all<'a>(&self, field: &Field, queries: &'a Queries) -> Points<'a> {
        Points {
            heads: (&queries.v, field.stride),
            tails: (queries.rounded.get(self.columns..).unwrap_or_default(), field.stride),
            coords: &queries.coords,
            weights: &queries.weights,
        }
    }

    /// Coordinates in the block's basis of all points and of what fills up a tile, `rows` in all, `size` a row.
    pub(super) fn coordinates(
        &self,
        field: &Field,
        feature: Feature,
        points: Points<'_>,
        rows: usize,
        scratch: &mut Scratch,
        out: &mut [f32],
    ) -> Result<(), ResidualError> {
        let size = self.size;
        self.products(field, points, rows, scratch)?;
        if feature == Feature::Residual {
            self.combine(field, points.coords, rows, scratch)?;
        }
        let lines = scratch.heads.chunks_exact(size).zip(scratch.tails.chunks_exact(size));
        let lines = lines.zip(out.chunks_exact_mut(size)).zip(points.weights);
        match feature {
            Feature::LowRank => {
                for (((heads, tails), out), weight) in lines {
                    for (out, (head, tail)) in out.iter_mut().zip(heads.iter().zip(tails)) {
                        *out = ((head + f64::from(*tail)) * weight) as f32;
                    }
                }
            }
            Feature::Residual => {
                for ((((heads, tails), out), weight), combined) in
                    lines.zip(scratch.combined.chunks_exact(size))
                {
                    let terms = heads.iter().zip(tails).zip(combined);
                    for (out, ((head, tail), combined)) in out.iter_mut().zip(terms) {
                        *out = ((combined - head - f64::from(*tail)) * weight) as f32;
                    }
                }
            }
        }
        Ok(())
    }

    /// Adds what rows of V are multiplied with to `rows`, `stride` a vector. The tail has been rounded.
    pub(super) fn unpack_vectors(
        &self,
        rank: usize,
        stride: usize,
        rows: &mut AlignedVec<f64>,
    ) -> Result<(), ResidualError> {
        let start = rows.len();
        rows.resize(start + self.size * stride, 0.0)?;
        let (head, tail) = (self.columns, rank - self.columns);
        for (i, row) in rows[start..].chunks_exact_mut(stride).enumerate() {
            unpack(&self.head, i, &mut row[..head]);
            unpack(&self.tail, i, &mut row[head..head + tail]);
        }
        Ok(())
    }

    /// Adds what basis vectors take of the covariances with the pivots to `rows`, one row a vector.
    pub(super) fn unpack_combination(&self, rows: &mut Vec<f64>) {
        let start = rows.len();
        rows.resize(start + self.size * self.size, 0.0);
        for (i, row) in rows[start..].chunks_exact_mut(self.size.max(1)).enumerate() {
            unpack(&self.combination, i, row);
        }
    }

    /// Adds the coordinates of the pivots, and of what fills up panels, row by row.
    pub(super) fn unpack_coords(&self, dim: usize, coords: &mut Vec<f64>) {
        for i in 0..self.size {
            coords.extend((0..dim).map(|t| self.axes[t * self.size + i]));
        }
    }

    /// Products of rows with the basis vectors, in `heads` and `tails`.
    fn products(
        &self,
        field: &Field,
        points: Points<'_>,
        rows: usize,
        scratch: &mut Scratch,
    ) -> Result<(), ResidualError> {
        let (size, rank, head) = (self.size, field.rank, self.columns);
        scratch.heads.resize(rows * size, 0.0);
        scratch.tails.resize(rows * size, 0.0);
        if head > 0 {
            let v = Rows::with_stride(points.heads.0, rows, head, points.heads.1)?;
            let panels = Panels::new(&self.head, head)?;
            field.kernels.panels::<f64>().inner_product(v, panels, &mut scratch.heads)?;
        } else {
            scratch.heads.fill(0.0);
        }
        if head < rank {
            let v = Rows::with_stride(points.tails.0, rows, rank - head, points.tails.1)?;
            let panels = Panels::new(&self.tail, rank - head)?;
            field.kernels.panels::<f32>().inner_product(v, panels, &mut scratch.tails)?;
        } else {
            scratch.tails.fill(0.0);
        }
        Ok(())
    }

    /// What basis vectors take of the covariances of points with the pivots, in `scratch.combined`.
    pub(super) fn combine(
        &self,
        field: &Field,
        coords: &[f64],
        rows: usize,
        scratch: &mut Scratch,
    ) -> Result<(), ResidualError> {
        let (size, dim) = (self.size, field.dim());
        let count = coords.len() / dim;
        scratch.covariances.resize(rows * size, 0.0);
        let (covariances, padding) = scratch.covariances.split_at_mut(count * size);
        padding.fill(0.0);
        for (line, x) in covariances.chunks_exact_mut(size).zip(coords.chunks_exact(dim.clamp(1, MAX_DIM))) {
            field.squared_distances(x, &self.axes, size, line);
        }
        field.covariances(covariances)?;
        scratch.combined.resize(rows * size, 0.0);
        Ok(field.kernels.panels::<f64>().inner_product(
            Rows::new(&scratch.covariances, size)?,
            Panels::new(&self.combination, size)?,
            &mut scratch.combined,
        )?)
    }
}

/// Row `i` of packed rows.
fn unpack<T: Copy + Into<f64>>(panels: &[T], i: usize, row: &mut [f64]) {
    let panel = panels.chunks_exact((row.len() * PANEL_ROWS).max(1)).nth(i / PANEL_ROWS).unwrap_or_default();
    for (to, from) in row.iter_mut().zip(panel.iter().skip(i % PANEL_ROWS).step_by(PANEL_ROWS)) {
        *to = (*from).into();
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
    use super::{Scratch, UNIT_F32};
    use crate::residual::basis::dot;
    use crate::residual::field::{Feature, Queries};
    use crate::residual::{Covariance, CovarianceModel, Factor, ResidualIndex};

    /// Columns in `f64`, in the first block, for rows of 64 numbers that lose half of their square every `half` columns.
    fn head(half: f64, p: f64) -> usize {
        let coords: Vec<f64> = (0..400).map(f64::from).collect();
        let row = (0..64).map(|t| (0.4 / half).sqrt() * 0.5f64.powf(f64::from(t) / (2.0 * half)));
        let v: Vec<f64> = row.collect::<Vec<_>>().repeat(400);
        let model = CovarianceModel::new(Covariance::Matern12, &[10.0], 1.0);
        let factor = Factor { v: &v, rank: 64, p: &vec![p; 400] };
        ResidualIndex::from_factor(&coords, 1, &model, factor).unwrap().blocks[0].probe.columns
    }

    #[test]
    fn the_head_is_as_long_as_small_variances_ask_for() {
        // Every 64 or 16 columns leave a 256th of what was there before.
        assert_eq!((head(8.0, 0.3), head(2.0, 0.3)), (0, 0));
        assert_eq!((head(8.0, 1e-3), head(2.0, 1e-3)), (0, 0));
        assert_eq!((head(8.0, 1e-6), head(2.0, 1e-6)), (32, 16));
        assert_eq!((head(8.0, 1e-9), head(2.0, 1e-9)), (64, 16));
        assert_eq!(head(1e9, 1e-6), 0, "there is nothing in V");
    }

    /// 300 points on a line with rows of V that have a long tail, their variance the square of a power of two.
    fn long_tails(exponent: i32) -> ResidualIndex {
        let coords: Vec<f64> = (0..300).map(|i| f64::from(i) / 50.0).collect();
        let unit = 2f64.powi(exponent);
        let entry = |x: f64, t: i32| (f64::from(t + 1) * x).cos() * 0.9f64.powi(t) * 0.1 * unit;
        let v: Vec<f64> = coords.iter().flat_map(|&x| (0..128).map(move |t| entry(x, t))).collect();
        let p: Vec<f64> =
            v.chunks_exact(128).map(|row| unit * unit - row.iter().map(|v| v * v).sum::<f64>()).collect();
        let model = CovarianceModel::new(Covariance::Rbf, &[1.0], unit * unit);
        ResidualIndex::from_factor(&coords, 1, &model, Factor { v: &v, rank: 128, p: &p }).unwrap()
    }

    /// A row less its projection on others.
    fn take_off(row: &mut [f64], others: &[Vec<f64>]) {
        for other in others.iter().chain(others) {
            let share = dot(row, other) / dot(other, other);
            row.iter_mut().zip(other).for_each(|(to, other)| *to -= share * other);
        }
    }

    #[test]
    fn tails_are_as_wrong_as_stated_and_no_more() {
        // Variances above 10²⁰ know no `f32`; powers of two change no other bit.
        let (short, exact) = (long_tails(0), long_tails(40));
        let coordinates = |index: &ResidualIndex| {
            let (block, field) = (&index.blocks[0], &index.field);
            let mut queries = Queries::default();
            let unit = field.variance.sqrt();
            // What is far from all rows of V has a long row of its own and small coordinates all the same.
            let basis = block.pivots.iter().fold(Vec::<Vec<f64>>::new(), |mut basis, &place| {
                let mut row = field.row(place as usize).to_vec();
                take_off(&mut row, &basis);
                basis.push(row);
                basis
            });
            for place in (0..24).map(|i| 12 * i) {
                let mut v: Vec<f64> =
                    (0..128).map(|t| f64::from((t * 37 + place as i32) % 101 - 50)).collect();
                take_off(&mut v, &basis);
                let v: Vec<f64> =
                    v.iter().zip(field.row(place)).map(|(far, near)| far * unit + near).collect();
                let x: Vec<f64> = field.point(place).collect();
                field.push_point(&mut queries, &x, &v, unit * unit).unwrap();
            }
            queries.round().unwrap();
            let mut out = vec![0.0; 24 * block.probe.size];
            let probe = &block.probe;
            let points = probe.all(field, &queries);
            probe.coordinates(field, block.feature, points, 24, &mut Scratch::default(), &mut out).unwrap();
            (out, queries)
        };
        let ((found, queries), (wanted, _)) = (coordinates(&short), coordinates(&exact));
        let block = &short.blocks[0];
        assert_eq!(block.pivots, exact.blocks[0].pivots);
        assert_eq!((block.feature, exact.blocks[0].probe.columns), (Feature::Residual, 128));
        assert!(block.probe.columns < 64, "{}", block.probe.columns);
        let size = block.probe.size;
        let lines = found.chunks_exact(size).zip(wanted.chunks_exact(size));
        let mut share = 0.0f64;
        for (i, (found, wanted)) in lines.enumerate() {
            let off = found.iter().zip(wanted).map(|(x, y)| f64::from(x - y).powi(2)).sum::<f64>().sqrt();
            let rounding = 2.0 * f64::from(UNIT_F32) * super::squared_norm(wanted).sqrt();
            let tail = queries.tail(i, block.probe.columns, short.field.cut());
            assert!(off <= block.tail_error * tail + rounding, "{off} {}", block.tail_error * tail);
            share = share.max((off - rounding) / (block.tail_error * tail));
        }
        // An error that is not there would need no bound.
        assert!(share > 1e-4, "{share}");
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
            // A pivot lies in their span.
            let (mut queries, mut out) = (Queries::default(), vec![0.0; block.probe.size]);
            index.field.push_member(&mut queries, block.pivots[0] as usize, u32::MAX).unwrap();
            queries.round().unwrap();
            let scratch = &mut Scratch::default();
            let points = block.probe.all(&index.field, &queries);
            block.probe.coordinates(&index.field, block.feature, points, 1, scratch, &mut out).unwrap();
            let length = super::squared_norm(&out);
            assert!((length - 1.0).abs() < 1e-4, "{length}");
        }
    }
}
