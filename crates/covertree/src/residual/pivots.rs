//! Bounds from pivots: what a few members of a block say about the correlations with all of it.
//!
//! Both bounds project feature vectors onto the span of those of some members, the *pivots*. With coordinates h of the
//! query and g of a member, Cauchy and Schwarz bound what is left of an inner product:
//! |⟨x_q, x_j⟩ − h·g| ≤ √(|x_q|² − |h|²) √(|x_j|² − |g|²). g is computed once for all members; h costs one exact
//! product for each pivot.
//!
//! * **Residual subspace**, for smooth covariances: features u with ρ = ⟨u_q, u_j⟩ (they exist, because the Schur
//!   complement K − VVᵀ is positive semi-definite). h·g estimates ρ, |h| bounds a whole block.
//! * **Low rank**, for rough ones, whose residual features have no few directions: features w v, of which a block
//!   has few. ρ = k w_q w_j − ⟨w_q v_q, w_j v_j⟩, with k computed for each member, in `f32`.
//!
//! Coordinates are stored rounded: a stored coordinate is *some* number near the true one. How near, and how far the
//! computed basis is from orthonormal, is bounded here; `bounds.rs` adds it wherever a bound is used.

use layouts::AlignedVec;
use simd_kernels::{PANEL_ROWS, Panels, Rows};

use super::basis::{Basis, MOST, Scratch, dot, pack};
use super::bounds::UNIT;
use super::columns::Columns;
use super::error::ResidualError;
use super::field::{Feature, Field};
use super::order::Range;
use super::probe::{Probe, tail_error};
use super::words::{Packed, pack_rows};

/// Points in a block, at least, where a larger one is not explained.
const LEAST: usize = 256;
/// Mean squared remainder above which bounds would save nothing, and members are measured in tiles.
const HOPELESS: f64 = 0.25;

/// A block of points with its pivots.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) range: Range,
    pub(super) feature: Feature,
    /// Places of the pivots, without those that fill up panels.
    pub(super) pivots: Vec<u32>,
    pub(super) probe: Probe,
    /// Coordinates of the members over sⱼ and less `middle`, in panels of words.
    pub(super) coordinates: AlignedVec<i16>,
    pub(super) packed: Packed,
    /// For low-rank features, whose members are much alike, their mean; zeros for others.
    pub(super) middle: Vec<f64>,
    /// Bound on √(|x_j|² − |g_j|²), padded to panels.
    pub(super) remainders: Vec<f32>,
    pub(super) largest_remainder: f32,
    /// What errors of members grow with, sⱼ: 1, or their weights, for low-rank features.
    pub(super) scales: Vec<f32>,
    /// Bound on |g_j| / sⱼ.
    pub(super) largest_norm: f64,
    /// ‖ |T| a ‖ of the transform T, a being the pivots' error coefficients.
    pub(super) pivot_error: f64,
    /// The same for their lengths.
    pub(super) pivot_length: f64,
    /// The same for what their tails are wrong by, over the weighted length of the other tail.
    pub(super) tail_error: f64,
    /// Largest error coefficient of a member, and with the member's sⱼ divided out.
    pub(super) member_error: f64,
    pub(super) scaled_error: f64,
    /// Bound on the members' coordinate errors over sⱼ.
    pub(super) coordinate_error: f64,
    /// Bound on ‖BBᵀ − I‖ of the basis B.
    pub(super) gram_error: f64,
    /// Lowest id of a member.
    pub(super) lowest_id: u32,
    pub(super) centre: Vec<f64>,
    /// For low-rank features: members relative to the centre in scaled coordinates, and their squared norms.
    pub(super) offsets: AlignedVec<f32>,
    pub(super) offset_norms: Vec<f32>,
    pub(super) largest_offset: f64,
}
impl Block {
    /// Blocks of the members of `range`, in order: one, or several where few pivots do not explain so many members.
    ///
    /// Residual features first, for they bound whole blocks; low-rank ones for members that have no few residual
    /// directions. About 2 · members · pivots · rank operations, up to three times where a block is halved.
    pub(super) fn build(
        field: &Field,
        range: Range,
        ids: &[u32],
        scratch: &mut Scratch,
    ) -> Result<Vec<Self>, ResidualError> {
        let divisible = range.len > LEAST;
        let few = range.len / if divisible { 100 } else { 10 };
        for feature in [Feature::Residual, Feature::LowRank] {
            let basis = Basis::new(feature, field, range, &[], true, scratch)?;
            if basis.unexplained() <= few {
                return Ok(vec![Self::finished(field, range, ids, &basis, scratch)?]);
            }
            if divisible && feature == Feature::Residual && !basis.rough() {
                break;
            }
        }
        if divisible {
            let (low, high) = range.halves();
            let (low_ids, high_ids) = ids.split_at(low.len);
            let mut blocks = Self::build(field, low, low_ids, scratch)?;
            blocks.extend(Self::build(field, high, high_ids, scratch)?);
            return Ok(blocks);
        }
        let basis = Basis::new(Feature::Residual, field, range, &[], false, scratch)?;
        Ok(vec![Self::finished(field, range, ids, &basis, scratch)?])
    }

    fn finished(
        field: &Field,
        range: Range,
        ids: &[u32],
        basis: &Basis,
        scratch: &mut Scratch,
    ) -> Result<Self, ResidualError> {
        let mut block = Self { range, feature: basis.feature, ..Self::default() };
        block.finish(field, ids, basis, scratch)?;
        Ok(block)
    }

    /// Bounds for another factor. The pivots that served before are kept, as far as they still tell something, and
    /// others added. About 2 · members · pivots · rank operations.
    pub(super) fn update(
        &mut self,
        field: &Field,
        ids: &[u32],
        scratch: &mut Scratch,
    ) -> Result<(), ResidualError> {
        let basis =
            Basis::new(self.feature, field, self.range, &self.pivots, self.pivots.is_empty(), scratch)?;
        self.finish(field, ids, &basis, scratch)
    }

    /// Packs what searches read, and bounds its errors.
    fn finish(
        &mut self,
        field: &Field,
        ids: &[u32],
        basis: &Basis,
        scratch: &mut Scratch,
    ) -> Result<(), ResidualError> {
        let range = self.range;
        let hopeless = basis.feature == Feature::Residual && basis.mean_left() > HOPELESS;
        let size = if hopeless { 0 } else { basis.size };
        self.lowest_id = ids.iter().copied().min().unwrap_or(u32::MAX);
        self.pivots.clear();
        self.pivots.extend(basis.chosen[..size].iter().filter(|&&place| place != u32::MAX));
        let errors = &field.errors[range.start..range.end()];
        self.member_error = errors.iter().copied().fold(0.0, f64::max);
        self.remainders.clear();
        let n = field.len();
        let axis = |t: usize| &field.axes[t * n + range.start..t * n + range.end()];
        self.centre.clear();
        self.centre.extend((0..field.dim()).map(|t| axis(t).iter().sum::<f64>() / range.len as f64));
        if size == 0 {
            // Nothing worth projecting on; searches measure such a block.
            return Ok(());
        }
        let mut columns = std::mem::take(&mut scratch.columns);
        columns.gather(field, &self.pivots)?;
        self.probe.size = size;
        let errors_of = self.pivots.iter().map(|&place| field.errors[place as usize]);
        let lengths_of = self.pivots.iter().map(|&place| self.feature.norm(field, place as usize).sqrt());
        self.pivot_error = absolute_norm(&basis.transform, size, &errors_of.collect::<Vec<_>>());
        self.pivot_length = absolute_norm(&basis.transform, size, &lengths_of.collect::<Vec<_>>());
        self.tail_error = 0.0;
        if self.feature == Feature::Residual && field.head < field.rank {
            let rounding = tail_error(field.rank - field.head);
            let tails_of = self.pivots.iter().map(|&place| rounding * field.tail(place as usize, field.head));
            self.tail_error = absolute_norm(&basis.transform, size, &tails_of.collect::<Vec<_>>());
        }
        self.gram_error = match self.feature {
            Feature::Residual => {
                let rows = (&columns.rows[..], field.rank);
                self.probe.set(field, &columns, rows, field.head, &mut scratch.rounded)?;
                self.probe.set_transform(&basis.transform, MOST, scratch)?;
                self.gram_error(field, basis, &columns, scratch)?
            }
            Feature::LowRank => self.make_explicit(field, basis, &mut columns, scratch)?,
        };
        scratch.columns = columns;
        let scales: Vec<f64> = match self.feature {
            Feature::Residual => vec![1.0; range.len],
            Feature::LowRank => field.weights[range.start..range.end()].to_vec(),
        };
        self.scales.clear();
        self.scales.extend(scales.iter().map(|&scale| (scale as f32).next_up()));
        self.scales.resize(range.len.next_multiple_of(PANEL_ROWS), 0.0);
        let norm = |row: &[f64]| dot(&row[..size], &row[..size]).sqrt();
        let scaled = |rows: &[f64]| {
            rows.chunks_exact(MOST)
                .map(norm)
                .zip(&scales)
                .fold(0.0, |most, (norm, s)| f64::max(most, norm / s))
        };
        self.largest_norm = scaled(&scratch.coordinates) * 1.000_001;
        self.middle.clear();
        self.middle.resize(size, 0.0);
        if self.feature == Feature::LowRank {
            for (row, s) in scratch.coordinates.chunks_exact(MOST).zip(&scales) {
                for (middle, x) in self.middle.iter_mut().zip(row) {
                    *middle += x / (s * range.len as f64);
                }
            }
        }
        let (rows, to) = (&scratch.coordinates, &mut self.coordinates);
        self.packed = pack_rows(rows, (size, MOST), &scales, &self.middle, to)?;
        self.scaled_error =
            errors.iter().zip(&scales).fold(0.0, |most, (error, s)| f64::max(most, error / s));
        let feature_norm = |place: usize| self.feature.norm(field, place).sqrt();
        let places_of_members = range.start..range.end();
        let longest = places_of_members
            .zip(&scales)
            .fold(0.0, |most, (place, s)| f64::max(most, feature_norm(place) / s));
        self.coordinate_error = self.projection_error(longest, self.scaled_error);
        for (((&left, &error), &s), row) in
            basis.left.iter().zip(errors).zip(&scales).zip(scratch.coordinates.chunks_exact(MOST))
        {
            let slack = self.remainder_slack(self.coordinate_error * s, error, norm(row));
            self.remainders.push(((left.max(0.0) + slack).sqrt() as f32).next_up());
        }
        self.largest_remainder = self.remainders.iter().copied().fold(0.0, f32::max);
        self.remainders.resize(range.len.next_multiple_of(PANEL_ROWS), 0.0);
        if self.feature == Feature::LowRank {
            self.place_members(field, range)?;
        }
        Ok(())
    }

    /// Scaled squared distance of a point to the members' centre.
    pub(super) fn centre_distance(&self, field: &Field, x: &[f64]) -> f64 {
        let steps = x.iter().zip(&self.centre).zip(&field.inverse_lengthscales);
        steps.map(|((x, centre), scale)| ((x - centre) * scale).powi(2)).sum()
    }

    /// What distances in `f32` are computed from.
    fn place_members(&mut self, field: &Field, range: Range) -> Result<(), ResidualError> {
        let (n, dim) = (field.len(), field.dim());
        let axis = |t: usize| &field.axes[t * n + range.start..t * n + range.end()];
        let mut rows = vec![0.0f32; range.len * dim];
        for t in 0..dim {
            let scale = field.inverse_lengthscales[t];
            for (row, x) in rows.chunks_exact_mut(dim).zip(axis(t)) {
                row[t] = ((x - self.centre[t]) * scale) as f32;
            }
        }
        pack(Rows::new(&rows, dim)?, &mut self.offsets)?;
        self.offset_norms.clear();
        self.offset_norms.extend(rows.chunks_exact(dim).map(|row| row.iter().map(|x| x * x).sum::<f32>()));
        self.offset_norms.resize(range.len.next_multiple_of(PANEL_ROWS), 0.0);
        self.largest_offset = f64::from(self.offset_norms.iter().copied().fold(0.0, f32::max));
        Ok(())
    }

    /// Low-rank features are known in full, so queries can be projected on the basis vectors themselves: puts them into
    /// `columns` and the probe in place of the pivots. Returns how far they are from orthonormal, which is known to rounding, where
    /// by way of the pivots' inner products it would be known to that times the square of a large transform.
    fn make_explicit(
        &mut self,
        field: &Field,
        basis: &Basis,
        columns: &mut Columns,
        scratch: &mut Scratch,
    ) -> Result<f64, ResidualError> {
        let (size, rank) = (basis.size, field.rank);
        // Columns of the weighted pivots are the rows that the product wants.
        let padded = rank.next_multiple_of(PANEL_ROWS);
        let mut transposed = vec![0.0; padded * size];
        for (i, (row, weight)) in columns.rows.chunks_exact(rank).zip(&columns.weights).enumerate() {
            for (t, v) in row.iter().enumerate() {
                transposed[t * size + i] = v * weight;
            }
        }
        pack(Rows::new(&transposed, size)?, &mut scratch.packed)?;
        let panels = field.kernels.panels::<f64>();
        let mut vectors = vec![0.0; size * padded];
        let transform = Rows::with_stride(&basis.transform, size, size, MOST)?;
        panels.inner_product(transform, Panels::new(&scratch.packed, size)?, &mut vectors)?;
        let rows = Rows::with_stride(&vectors, size, rank, padded)?;
        pack(rows, &mut columns.v)?;
        for (weight, &place) in columns.weights.iter_mut().zip(&basis.chosen) {
            *weight = f64::from(u8::from(place != u32::MAX));
        }
        columns.forget();
        self.probe.set(field, columns, (&vectors, padded), rank, &mut scratch.rounded)?;
        let mut gram = vec![0.0; size * size];
        panels.inner_product(rows, Panels::new(&columns.v, rank)?, &mut gram)?;
        let mut squared = 0.0f64;
        for (i, row) in gram.chunks_exact(size).enumerate() {
            for (j, &entry) in row.iter().enumerate() {
                let present = i == j && basis.chosen[i] != u32::MAX;
                squared += (entry - f64::from(u8::from(present))).powi(2);
            }
        }
        let rounding = (rank as f64 / 2.0 + 34.0) * UNIT * size as f64;
        Ok((squared.sqrt() + rounding) * 1.01)
    }

    /// How far the basis is from orthonormal: ‖T C Tᵀ − I‖ from the pivots' inner products C, and what those can be
    /// wrong by.
    fn gram_error(
        &self,
        field: &Field,
        basis: &Basis,
        columns: &Columns,
        scratch: &mut Scratch,
    ) -> Result<f64, ResidualError> {
        let size = columns.padded;
        let point = |i: usize, x: &mut [f64]| {
            field.read(self.pivots[i] as usize, x);
            columns.weights[i]
        };
        let mut gram = vec![0.0; size * size];
        let rows = Rows::new(&columns.rows, field.rank)?;
        columns.products(field, self.feature, rows, point, &mut scratch.tile, &mut gram, size, 0)?;
        let panels = field.kernels.panels::<f64>();
        let transform = Rows::with_stride(&basis.transform, size, size, MOST)?;
        scratch.products.resize(size * size, 0.0);
        let transposed = &mut scratch.products;
        pack(transform, &mut scratch.packed)?;
        panels.inner_product(Rows::new(&gram, size)?, Panels::new(&scratch.packed, size)?, transposed)?;
        // C Tᵀ; its columns are the rows that are needed next.
        for (z, row) in transposed.chunks_exact(size).enumerate() {
            for (i, &entry) in row.iter().enumerate() {
                gram[i * size + z] = entry;
            }
        }
        pack(Rows::new(&gram, size)?, &mut scratch.packed)?;
        let product = transposed;
        panels.inner_product(transform, Panels::new(&scratch.packed, size)?, product)?;
        let mut squared = 0.0f64;
        for (i, row) in product.chunks_exact(size).enumerate() {
            for (j, &entry) in row.iter().enumerate() {
                let present = i == j && basis.chosen[i] != u32::MAX;
                squared += (entry - f64::from(u8::from(present))).powi(2);
            }
        }
        Ok((squared.sqrt() + self.pivot_error * self.pivot_error) * 1.001 + UNIT)
    }
}

/// ‖ |T| a ‖ for the rows of a transform, `MOST` apart, of which `size` count.
fn absolute_norm(transform: &[f64], size: usize, a: &[f64]) -> f64 {
    let rows = transform.chunks_exact(MOST).take(size);
    let sums = rows.map(|row| row.iter().zip(a).map(|(t, a)| t.abs() * a).sum::<f64>());
    sums.map(|sum| sum * sum).sum::<f64>().sqrt() * 1.001
}
