//! Bounds from pivots: what a few members of a block say about the correlations with all of it.
//!
//! Both bounds project feature vectors onto the span of those of some members, the *pivots*. With coordinates h of the
//! query and g of a member, Cauchy and Schwarz bound what is left of an inner product:
//! |⟨x_q, x_j⟩ − h·g| ≤ √(|x_q|² − |h|²) √(|x_j|² − |g|²). g is computed once for all members; h costs one
//! product for each basis vector.
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
use super::field::{CUTS, Feature, Field};
use super::order::Range;
use super::probe::{Probe, tail_error};
use super::words::{Packed, pack_rows};

/// Points in a block, at least, where a larger one is not explained.
const LEAST: usize = 256;
/// Mean squared remainder above which bounds would save nothing, and members are measured in tiles.
const HOPELESS: f64 = 0.25;

/// Members that tell how long the head has to be, about, and so many of ten have to agree.
const SAMPLE: usize = 32;
const FEW: usize = 9;
/// How far off tails may put a query's coordinates then.
const TAIL_ERROR: f64 = 4e-3;

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
    /// Ids of the members that are bounded, `u32::MAX` for those set apart.
    pub(super) ids: Vec<u32>,
    /// Places of the members set apart.
    pub(super) apart: Vec<u32>,
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
        self.apart.clear();
        self.ids.clear();
        self.ids.extend_from_slice(ids);
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
        for &at in &basis.apart {
            self.ids[at as usize] = u32::MAX;
            self.apart.push((range.start + at as usize) as u32);
            scratch.coordinates[at as usize * MOST..(at as usize + 1) * MOST].fill(0.0);
        }
        let bounded = |at: usize| !basis.is_apart(at);
        let mut columns = std::mem::take(&mut scratch.columns);
        columns.gather_rows(field, &self.pivots)?;
        self.probe.size = size;
        let errors_of = self.pivots.iter().map(|&place| field.errors[place as usize]);
        let lengths_of = self.pivots.iter().map(|&place| self.feature.norm(field, place as usize).sqrt());
        let (errors_of, lengths_of) = (errors_of.collect::<Vec<_>>(), lengths_of.collect::<Vec<_>>());
        self.pivot_error = absolute_norm(&basis.transform, size, &errors_of);
        self.pivot_length = absolute_norm(&basis.transform, size, &lengths_of);
        // Coordinates by way of vectors are wrong by (r/2 + size/2 + 72) u Σ |tᵢ| wᵢ w_q (|k| + |vᵢ| |v_q|): what the kernels' sums
        // and those that form vectors may lose, and single roundings. Coefficients stand for r/2 + 48.
        let rank = field.rank as f64 / 2.0;
        self.pivot_error *= (rank + size as f64 / 2.0 + 72.0) / (rank + 48.0);
        self.vectors(field, basis, &columns, scratch)?;
        self.gram_error = match self.feature {
            Feature::Residual => {
                let padded = field.rank.next_multiple_of(PANEL_ROWS);
                let head = self.choose_head(field, basis, &scratch.vectors);
                let rows = (&scratch.vectors[..], padded);
                self.probe.set(field, &columns, rows, head, &mut scratch.rounded)?;
                self.probe.set_combination(&basis.transform, &columns, MOST, &mut scratch.products)?;
                self.gram_error(field, basis, scratch)?
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
        self.scaled_error = errors
            .iter()
            .zip(&scales)
            .enumerate()
            .filter(|(at, _)| bounded(*at))
            .fold(0.0, |most, (_, (error, s))| f64::max(most, error / s));
        let feature_norm = |place: usize| self.feature.norm(field, place).sqrt();
        let places_of_members = range.start..range.end();
        let longest = places_of_members
            .zip(&scales)
            .fold(0.0, |most, (place, s)| f64::max(most, feature_norm(place) / s));
        self.coordinate_error = self.projection_error(longest, self.scaled_error);
        for (at, (((&left, &error), &s), row)) in
            basis.left.iter().zip(errors).zip(&scales).zip(scratch.coordinates.chunks_exact(MOST)).enumerate()
        {
            if !bounded(at) {
                self.remainders.push(0.0);
                continue;
            }
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

    /// The fewest columns of V that products with the basis vectors need in `f64` so that those in `f32` are hardly ever wrong by
    /// more than [`TAIL_ERROR`] for members, which queries are like. Sets what errors of the tail are.
    fn choose_head(&mut self, field: &Field, basis: &Basis, vectors: &[f64]) -> usize {
        self.tail_error = 0.0;
        // Outside of that, numbers of V might leave the range of `f32`.
        if !(1e-20..1e20).contains(&field.variance) {
            return field.rank;
        }
        let (range, rank, cut) = (self.range, field.rank, field.cut());
        let padded = rank.next_multiple_of(PANEL_ROWS);
        let mut of_members = Vec::new();
        let step = (range.len / SAMPLE).max(1);
        (range.start..range.end()).step_by(step).for_each(|place| field.tails(place, &mut of_members));
        let steps = rank.div_ceil(cut);
        let mut squares = vec![0.0; steps];
        for row in vectors.chunks_exact(padded) {
            for (square, columns) in squares.iter_mut().zip(row[..rank].chunks(cut)) {
                *square += dot(columns, columns);
            }
        }
        // Forming vectors has an error of its own.
        let rows = self.pivots.iter().map(|&place| Feature::LowRank.norm(field, place as usize).sqrt());
        let lengths: Vec<f64> = rows.collect();
        let formed =
            (basis.size as f64 / 2.0 + 36.0) * UNIT * absolute_norm(&basis.transform, basis.size, &lengths);
        let (mut head, mut squared) = (rank, 0.0f64);
        for (at, square) in squares.iter().enumerate().rev() {
            squared += square;
            let at_cut =
                |tails: &[f64]| -> Vec<f64> { tails.chunks_exact(CUTS).map(|tails| tails[at]).collect() };
            let mut tails = at_cut(&of_members);
            let few = tails.len() * FEW / 10;
            let (_, &mut tail, _) = tails.select_nth_unstable_by(few, f64::total_cmp);
            let error = tail_error(rank - at * cut) * squared.sqrt() * 1.001 + formed;
            let short = squared < 1e30 && error * tail <= TAIL_ERROR;
            if !short {
                break;
            }
            (head, self.tail_error) = (at * cut, error);
        }
        // A short tail does not pay for a second product.
        if head * 8 > rank * 7 {
            (head, self.tail_error) = (rank, 0.0);
        }
        head
    }

    /// What basis vectors take of the weighted rows of V of the pivots, in `scratch`: rows of whole panels of columns.
    fn vectors(
        &self,
        field: &Field,
        basis: &Basis,
        columns: &Columns,
        scratch: &mut Scratch,
    ) -> Result<(), ResidualError> {
        let (size, rank) = (basis.size, field.rank);
        let padded = rank.next_multiple_of(PANEL_ROWS);
        // Columns of V are the rows that the product wants, which is how sixteen of them lie.
        scratch.packed.resize_stale(padded * size)?;
        // What fills up panels must be numbers.
        let present = self.pivots.len();
        if rank < padded || present < size {
            scratch.packed.fill(0.0);
        }
        for (i, (row, weight)) in columns.rows.chunks_exact(rank).zip(&columns.weights).enumerate() {
            for (panel, from) in row.chunks(PANEL_ROWS).enumerate() {
                let to = &mut scratch.packed[(panel * size + i) * PANEL_ROWS..][..from.len()];
                for (to, v) in to.iter_mut().zip(from) {
                    *to = v * weight;
                }
            }
        }
        scratch.vectors.resize(size * padded, 0.0);
        let transform = Rows::with_stride(&basis.transform, size, size, MOST)?;
        let panels = field.kernels.panels::<f64>();
        Ok(panels.inner_product(transform, Panels::new(&scratch.packed, size)?, &mut scratch.vectors)?)
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
        let padded = rank.next_multiple_of(PANEL_ROWS);
        let panels = field.kernels.panels::<f64>();
        let vectors = &scratch.vectors;
        let rows = Rows::with_stride(vectors, size, rank, padded)?;
        pack(rows, &mut columns.v)?;
        for (weight, &place) in columns.weights.iter_mut().zip(&basis.chosen) {
            *weight = f64::from(u8::from(place != u32::MAX));
        }
        columns.forget();
        self.probe.set(field, columns, (vectors, padded), rank, &mut scratch.rounded)?;
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
    fn gram_error(&self, field: &Field, basis: &Basis, scratch: &mut Scratch) -> Result<f64, ResidualError> {
        let size = basis.size;
        // Pivots are members, whose products with them are there.
        let mut gram = vec![0.0; size * size];
        for (row, &place) in gram.chunks_exact_mut(size).zip(&self.pivots) {
            let at = (place as usize - self.range.start) * MOST;
            row.copy_from_slice(&scratch.common[at..at + size]);
        }
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
