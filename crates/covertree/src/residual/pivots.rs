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
//! Pivots are the members explained worst by those before them, which is pivoted Cholesky. To have it in tiles and
//! not column by column, they are chosen in rounds: one candidate from each leaf, pivoted Cholesky among the
//! candidates conditional on the pivots so far, then one tile for the whole block.
//!
//! Coordinates are stored in `f32`: a stored coordinate is *some* number near the true one. How near, and how far the
//! computed basis is from orthonormal, is bounded here and added wherever a bound is used.

use layouts::{AlignedVec, Interleaved};
use simd_kernels::{Covariance, PANEL_ROWS, PanelElement, Panels, Rows};

use super::error::ResidualError;
use super::field::{Columns, Feature, Field, TileScratch};
use super::order::{LEAF, Range};

/// Unit roundoffs.
const UNIT: f64 = f64::EPSILON / 2.0;
const UNIT_F32: f32 = f32::EPSILON / 2.0;
/// Most pivots of a block.
pub(super) const MOST: usize = 128;
/// Pivots of the first round; later ones add a panel each.
const FIRST: usize = 32;
/// Squared remainder at which a residual feature counts as explained.
const EXPLAINED: f64 = 0.04;
/// Mean squared remainder after the first round above which residual features are given up.
const ROUGH: f64 = 0.2;
/// Remainder of a low-rank feature, times that of a query like it, that counts as explained.
const EXPLAINED_PRODUCT: f64 = 0.1;

type Panel<T> = Interleaved<T, PANEL_ROWS, 1>;

/// A block of points with its pivots.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) feature: Feature,
    /// Places of the pivots, without those that fill up panels.
    pub(super) pivots: Vec<u32>,
    pub(super) columns: Columns,
    /// Basis: row `i` holds what basis vector `i` takes of each pivot; panels of the padded number of pivots.
    transform: AlignedVec<f64>,
    /// Coordinates of the members, in panels.
    coordinates: AlignedVec<f32>,
    /// Bound on √(|x_j|² − |g_j|²), padded to panels.
    pub(super) remainders: Vec<f32>,
    pub(super) largest_remainder: f32,
    /// What errors of members grow with, sⱼ: 1, or their weights, for low-rank features.
    pub(super) scales: Vec<f32>,
    /// Bound on |g_j| / sⱼ.
    largest_norm: f64,
    /// Frobenius norm of the transform.
    transform_norm: f64,
    /// Largest error coefficient of a pivot.
    pivot_error: f64,
    /// Largest error coefficient of a member, and with the member's sⱼ divided out.
    pub(super) member_error: f64,
    scaled_error: f64,
    /// Bound on the members' coordinate errors over sⱼ.
    coordinate_error: f64,
    /// Bound on ‖BBᵀ − I‖ of the basis B.
    gram_error: f64,
    /// Lowest id of a member.
    pub(super) lowest_id: u32,
    /// For low-rank features: members relative to the block's centre in scaled coordinates, and their squared norms.
    centre: Vec<f64>,
    offsets: AlignedVec<f32>,
    offset_norms: Vec<f32>,
    largest_offset: f64,
}

/// Buffers of a build, reused from block to block.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    rows: AlignedVec<f64>,
    tile: TileScratch,
    /// Inner products of members with pivots, `MOST` a row.
    common: AlignedVec<f64>,
    /// Coordinates of members, `MOST` a row.
    coordinates: AlignedVec<f64>,
    products: Vec<f64>,
    packed: AlignedVec<f64>,
    candidates: Vec<u32>,
    columns: Columns,
    gram: Vec<f64>,
    rounded: AlignedVec<f32>,
}

/// The basis while it grows.
struct Basis {
    /// Row `i` holds what basis vector `i` takes of each pivot, `MOST` a row.
    transform: Vec<f64>,
    size: usize,
    /// By column of the basis the place of the pivot, `u32::MAX` where it only fills up a panel.
    chosen: Vec<u32>,
    /// Squared remainders of the members.
    left: Vec<f64>,
    /// Squared remainder at which a member counts as explained.
    explained: f64,
}

impl Basis {
    /// Whether the first round left so much that others will not do either. Holds for residual features only, whose
    /// norm is 1.
    fn rough(&self) -> bool {
        self.size >= FIRST && self.left.iter().sum::<f64>() > ROUGH * self.left.len() as f64
    }

    /// Moves the columns that hold a pivot together, because every round fills up a panel.
    fn compact(&mut self, scratch: &mut Scratch) {
        let keep: Vec<usize> = (0..self.size).filter(|&column| self.chosen[column] != u32::MAX).collect();
        let padded = keep.len().next_multiple_of(PANEL_ROWS);
        if padded == self.size {
            return;
        }
        let size = self.size;
        let move_columns = |row: &mut [f64]| {
            for (to, &from) in keep.iter().enumerate() {
                row[to] = row[from];
            }
            row[keep.len()..size].fill(0.0);
        };
        scratch.common.chunks_exact_mut(MOST).for_each(move_columns);
        scratch.coordinates.chunks_exact_mut(MOST).for_each(move_columns);
        for (to, &from) in keep.iter().enumerate() {
            self.transform.copy_within(from * MOST..(from + 1) * MOST, to * MOST);
        }
        self.transform[keep.len() * MOST..].fill(0.0);
        self.transform.chunks_exact_mut(MOST).for_each(move_columns);
        for (to, &from) in keep.iter().enumerate() {
            self.chosen[to] = self.chosen[from];
        }
        self.chosen.truncate(keep.len());
        self.chosen.resize(padded, u32::MAX);
        self.size = padded;
    }

    fn unexplained(&self) -> usize {
        self.left.iter().filter(|left| **left > self.explained).count()
    }
}

/// A query's bounds with respect to a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct QueryBounds {
    /// Bound on √(|x_q|² − |h|²).
    pub(super) remainder: f32,
    /// What bounds of members are to be widened by, over sⱼ.
    pub(super) slack: f32,
    /// Bound on |ρ| of all members.
    pub(super) upper: f32,
}

fn pack<T: PanelElement>(rows: Rows<'_, T>, to: &mut AlignedVec<T>) -> Result<(), ResidualError> {
    to.resize_stale(Panel::<T>::packed_len(rows.len(), rows.dim())?)?;
    Ok(Panel::<T>::pack_into(rows, to)?)
}

impl Block {
    /// Chooses pivots and computes the coordinates of all members. About 2 · members · pivots · rank operations.
    pub(super) fn update(
        &mut self,
        field: &Field,
        range: Range,
        ids: &[u32],
        scratch: &mut Scratch,
    ) -> Result<(), ResidualError> {
        scratch.common.resize_stale(range.len * MOST)?;
        scratch.coordinates.resize_stale(range.len * MOST)?;
        let previous = std::mem::take(&mut self.pivots);
        // Pivots that served before serve the same feature again.
        let fresh = previous.is_empty();
        if fresh {
            self.feature = Feature::Residual;
        }
        let mut basis = self.basis(field, range, &previous, fresh, scratch)?;
        if fresh && basis.rough() {
            self.feature = Feature::LowRank;
            basis = self.basis(field, range, &[], false, scratch)?;
            if basis.unexplained() > range.len / 10 {
                self.feature = Feature::Residual;
                basis = self.basis(field, range, &[], false, scratch)?;
            }
        }
        basis.compact(scratch);
        self.finish(field, range, ids, &basis, scratch)
    }

    /// A basis for the block's feature, and the coordinates of the members in it. Begins with the `previous` pivots.
    /// `may_give_up` where it turns out rough.
    fn basis(
        &self,
        field: &Field,
        range: Range,
        previous: &[u32],
        may_give_up: bool,
        scratch: &mut Scratch,
    ) -> Result<Basis, ResidualError> {
        let mut basis = Basis {
            transform: vec![0.0; MOST * MOST],
            size: 0,
            chosen: Vec::with_capacity(MOST),
            left: (range.start..range.end()).map(|place| self.feature.norm(field, place)).collect(),
            explained: match self.feature {
                Feature::Residual => EXPLAINED,
                // The query's remainder is at most its norm, and queries are like members.
                Feature::LowRank => {
                    let mut norms: Vec<f64> =
                        (range.start..range.end()).map(|place| self.feature.norm(field, place)).collect();
                    let middle = norms.len() / 2;
                    let (_, median, _) = norms.select_nth_unstable_by(middle, f64::total_cmp);
                    EXPLAINED_PRODUCT * EXPLAINED_PRODUCT / median.max(1e-300)
                }
            },
        };
        loop {
            let again = basis.size == 0 && !previous.is_empty();
            let quota = match basis.size {
                0 if again => previous.len().next_multiple_of(PANEL_ROWS),
                0 => FIRST,
                _ => PANEL_ROWS,
            };
            if basis.size + quota > MOST {
                return Ok(basis);
            }
            if again {
                scratch.candidates.clear();
                scratch.candidates.extend_from_slice(previous);
            } else {
                candidates(&basis, range, &mut scratch.candidates);
            }
            if scratch.candidates.is_empty() {
                return Ok(basis);
            }
            let chosen = self.choose(field, range, &mut basis, quota, scratch)?;
            if chosen.is_empty() {
                return Ok(basis);
            }
            self.project(field, range, &mut basis, &chosen, scratch)?;
            if may_give_up && basis.rough() {
                return Ok(basis);
            }
        }
    }

    /// Picks up to `quota` of the candidates by pivoted Cholesky of what the basis leaves of their inner products,
    /// and extends the basis by them.
    fn choose(
        &self,
        field: &Field,
        range: Range,
        basis: &mut Basis,
        quota: usize,
        scratch: &mut Scratch,
    ) -> Result<Vec<u32>, ResidualError> {
        let count = scratch.candidates.len();
        scratch.columns.gather(field, &scratch.candidates, &mut scratch.rows)?;
        let padded = scratch.columns.padded;
        scratch.products.resize(count * padded, 0.0);
        let candidates = &scratch.candidates;
        let point = |i: usize, x: &mut [f64]| field.read(candidates[i] as usize, x);
        let rows = Rows::new(&scratch.rows, field.rank)?;
        let (tile, products) = (&mut scratch.tile, &mut scratch.products);
        scratch.columns.products(field, self.feature, rows, point, tile, products, padded, 0)?;
        // What the basis leaves of them.
        let size = basis.size;
        let coordinates = |i: usize| {
            let row = (candidates[i] as usize - range.start) * MOST;
            &scratch.coordinates[row..row + size]
        };
        scratch.gram.clear();
        scratch.gram.resize(count * count, 0.0);
        for (i, &candidate) in candidates.iter().enumerate() {
            for j in 0..i {
                let rest = scratch.products[i * padded + j] - dot(coordinates(i), coordinates(j));
                scratch.gram[i * count + j] = rest;
                scratch.gram[j * count + i] = rest;
            }
            scratch.gram[i * count + i] = basis.left[candidate as usize - range.start].max(0.0);
        }
        let (picks, lower) = pivoted_cholesky(&scratch.gram, count, quota, basis.explained);
        // Rows of the basis: a feature less its projection on what comes before, normalised.
        for (row, &pick) in picks.iter().enumerate() {
            let mut target = [0.0f64; MOST];
            for (i, g) in coordinates(pick).iter().enumerate() {
                for (target, t) in target[..size].iter_mut().zip(&basis.transform[i * MOST..]) {
                    *target -= g * t;
                }
            }
            target[size + row] = 1.0;
            for (column, before) in lower[..row].iter().enumerate() {
                let entry = before[pick];
                let before = &basis.transform[(size + column) * MOST..(size + column + 1) * MOST];
                for (target, t) in target.iter_mut().zip(before) {
                    *target -= entry * t;
                }
            }
            let scale = 1.0 / lower[row][pick];
            for (to, target) in basis.transform[(size + row) * MOST..].iter_mut().zip(&target) {
                *to = target * scale;
            }
        }
        Ok(picks.iter().map(|&pick| scratch.candidates[pick]).collect())
    }

    /// Computes the members' inner products with chosen pivots, their coordinates along the new basis vectors, and
    /// what is left of them.
    fn project(
        &self,
        field: &Field,
        range: Range,
        basis: &mut Basis,
        chosen: &[u32],
        scratch: &mut Scratch,
    ) -> Result<(), ResidualError> {
        scratch.columns.gather(field, chosen, &mut scratch.rows)?;
        let (size, padded) = (basis.size, scratch.columns.padded);
        let point = |i: usize, x: &mut [f64]| field.read(range.start + i, x);
        let (tile, common) = (&mut scratch.tile, &mut scratch.common);
        scratch.columns.products(field, self.feature, field.rows(range)?, point, tile, common, MOST, size)?;
        let total = size + padded;
        let rows = Rows::with_stride(&basis.transform[size * MOST..], padded, total, MOST)?;
        pack(rows, &mut scratch.packed)?;
        scratch.products.resize(range.len * padded, 0.0);
        field.kernels.panels::<f64>().inner_product(
            Rows::with_stride(&scratch.common, range.len, total, MOST)?,
            Panels::new(&scratch.packed, total)?,
            &mut scratch.products,
        )?;
        let members = scratch.coordinates.chunks_exact_mut(MOST).zip(scratch.products.chunks_exact(padded));
        for (left, (to, from)) in basis.left.iter_mut().zip(members) {
            to[size..total].copy_from_slice(from);
            *left -= dot(from, from);
        }
        basis.size = total;
        basis.chosen.extend_from_slice(chosen);
        basis.chosen.resize(total, u32::MAX);
        Ok(())
    }

    /// Packs what searches read, and bounds its errors.
    fn finish(
        &mut self,
        field: &Field,
        range: Range,
        ids: &[u32],
        basis: &Basis,
        scratch: &mut Scratch,
    ) -> Result<(), ResidualError> {
        let size = basis.size;
        self.lowest_id = ids.iter().copied().min().unwrap_or(u32::MAX);
        self.pivots = basis.chosen.iter().copied().filter(|&place| place != u32::MAX).collect();
        let errors = &field.errors[range.start..range.end()];
        self.member_error = errors.iter().copied().fold(0.0, f64::max);
        self.remainders.clear();
        if size == 0 {
            // Nothing worth projecting on; searches measure such a block.
            return Ok(());
        }
        let stand_in = self.pivots.first().copied().unwrap_or_default();
        let places: Vec<u32> =
            basis.chosen.iter().map(|&place| if place == u32::MAX { stand_in } else { place }).collect();
        self.columns.gather(field, &places, &mut scratch.rows)?;
        for (weight, &place) in self.columns.weights.iter_mut().zip(&basis.chosen) {
            if place == u32::MAX {
                *weight = 0.0;
            }
        }
        pack(Rows::with_stride(&basis.transform, size, size, MOST)?, &mut self.transform)?;
        scratch.rounded.resize_stale(range.len * size)?;
        let lines = scratch.rounded.chunks_exact_mut(size).zip(scratch.coordinates.chunks_exact(MOST));
        for (to, from) in lines {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = from as f32;
            }
        }
        pack(Rows::new(&scratch.rounded, size)?, &mut self.coordinates)?;

        self.transform_norm = dot(&basis.transform, &basis.transform).sqrt() * 1.001;
        let pivots = self.pivots.iter().map(|&place| field.errors[place as usize]);
        self.pivot_error = pivots.fold(0.0, f64::max);
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
        let largest_common = scaled(&scratch.common);
        self.largest_norm = scaled(&scratch.coordinates) * 1.000_001;
        self.scaled_error =
            errors.iter().zip(&scales).fold(0.0, |most, (error, s)| f64::max(most, error / s));
        self.coordinate_error = self.projection_error(largest_common, self.scaled_error, self.largest_norm);
        self.gram_error = self.gram_error(field, basis, &places, scratch)?;
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

    /// What distances in `f32` are computed from.
    fn place_members(&mut self, field: &Field, range: Range) -> Result<(), ResidualError> {
        let (n, dim) = (field.len(), field.dim());
        let axis = |t: usize| &field.axes[t * n + range.start..t * n + range.end()];
        self.centre.clear();
        self.centre.extend((0..dim).map(|t| axis(t).iter().sum::<f64>() / range.len as f64));
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

    /// How far the basis is from orthonormal: ‖T C Tᵀ − I‖ from the pivots' inner products C, and what those can be
    /// wrong by. Expects the pivots gathered in `columns` and `scratch.rows`.
    fn gram_error(
        &self,
        field: &Field,
        basis: &Basis,
        places: &[u32],
        scratch: &mut Scratch,
    ) -> Result<f64, ResidualError> {
        let size = self.columns.padded;
        let point = |i: usize, x: &mut [f64]| {
            field.read(places[i] as usize, x);
            self.columns.weights[i]
        };
        let mut gram = vec![0.0; size * size];
        let rows = Rows::new(&scratch.rows, field.rank)?;
        self.columns.products(field, self.feature, rows, point, &mut scratch.tile, &mut gram, size, 0)?;
        let panels = field.kernels.panels::<f64>();
        let transform = Rows::with_stride(&basis.transform, size, size, MOST)?;
        scratch.products.resize(size * size, 0.0);
        let transposed = &mut scratch.products;
        panels.inner_product(Rows::new(&gram, size)?, Panels::new(&self.transform, size)?, transposed)?;
        // C Tᵀ; its columns are the rows that are needed next.
        for (z, row) in transposed.chunks_exact(size).enumerate() {
            for (i, &entry) in row.iter().enumerate() {
                gram[i * size + z] = entry;
            }
        }
        pack(Rows::new(&gram, size)?, &mut scratch.packed)?;
        let product = transposed;
        panels.inner_product(transform, Panels::new(&scratch.packed, size)?, product)?;
        let (mut squared, mut wrong) = (0.0f64, 0.0f64);
        for (i, (row, basis_row)) in
            product.chunks_exact(size).zip(basis.transform.chunks_exact(MOST)).enumerate()
        {
            for (j, &entry) in row.iter().enumerate() {
                let present = i == j && basis.chosen[i] != u32::MAX;
                squared += (entry - f64::from(u8::from(present))).powi(2);
            }
            let of_row = basis_row.iter().zip(places);
            wrong += of_row.map(|(t, &place)| t.abs() * field.errors[place as usize]).sum::<f64>().powi(2);
        }
        Ok((squared.sqrt() + wrong) * 1.001 + UNIT)
    }

    /// Bound on the error of coordinates of norm `length` computed from inner products of norm `common`, whose errors
    /// are `error` times those of the pivots, and rounded to `f32`.
    fn projection_error(&self, common: f64, error: f64, length: f64) -> f64 {
        let size = self.columns.padded as f64;
        // The kernels' own bound is (size / 4 + 16) ε.
        self.transform_norm * (size.sqrt() * error * self.pivot_error + (size / 2.0 + 34.0) * UNIT * common)
            + f64::from(UNIT_F32) * length
    }

    /// What must be added to a squared remainder: errors of coordinates of norm `length`, the basis, and how far
    /// K − VVᵀ as computed may be from positive semi-definite (taken as 16 times the error bound of its diagonal).
    fn remainder_slack(&self, coordinate_error: f64, error: f64, length: f64) -> f64 {
        2.5 * coordinate_error * length.max(coordinate_error)
            + 2.0 * self.gram_error * length * length
            + 16.0 * error * error
    }

    /// Pivots, padding of the basis included: the length of a query's coordinates.
    pub(super) fn size(&self) -> usize {
        self.columns.padded * usize::from(!self.pivots.is_empty())
    }

    /// Coordinates of queries from their inner products with the columns, both `size()` a row.
    pub(super) fn project_queries(
        &self,
        field: &Field,
        common: &[f64],
        coordinates: &mut [f64],
    ) -> Result<(), ResidualError> {
        let size = self.size();
        field.kernels.panels::<f64>().inner_product(
            Rows::new(common, size)?,
            Panels::new(&self.transform, size)?,
            coordinates,
        )?;
        Ok(())
    }

    /// Bounds of a query from the squared norm of its feature, its error coefficient and weight, and the squared norms
    /// of its inner products with the pivots and of its coordinates.
    pub(super) fn query_bounds(
        &self,
        field: &Field,
        feature_norm: f64,
        error: f64,
        weight: f64,
        (common, coordinates): (f64, f64),
        offset_norm: f32,
    ) -> QueryBounds {
        let length = coordinates.sqrt();
        let own = self.projection_error(common.sqrt(), error, length);
        let left = (feature_norm - coordinates).max(0.0) + self.remainder_slack(own, error, length);
        let remainder = (left.sqrt() as f32).next_up();
        let in_product = (self.size() as f64 / 2.0 + 36.0) * f64::from(UNIT_F32) + 2.0 * self.gram_error;
        let mut slack = 1.5 * (own * self.largest_norm + self.coordinate_error * length)
            + in_product * length * self.largest_norm
            + 4.0 * error * self.scaled_error;
        let mut upper = f32::INFINITY;
        match self.feature {
            Feature::Residual => {
                let product = length * self.largest_norm + left.sqrt() * f64::from(self.largest_remainder);
                upper = ((product + slack) as f32).next_up();
            }
            Feature::LowRank => {
                slack += covariance_error(field, f64::from(offset_norm), self.largest_offset) * weight;
            }
        }
        QueryBounds { remainder, slack: (slack as f32).next_up(), upper }
    }

    /// A query relative to the block's centre, for `covariances`; returns the squared norm.
    pub(super) fn offset(&self, field: &Field, x: &[f64], offset: &mut [f32]) -> f32 {
        let scaled = x.iter().zip(&self.centre).zip(&field.inverse_lengthscales);
        for (to, ((x, centre), scale)) in offset.iter_mut().zip(scaled) {
            *to = ((x - centre) * scale) as f32;
        }
        offset.iter().map(|x| x * x).sum()
    }

    /// Covariances in `f32` of queries, by offsets and their squared norms, with every member, padding included.
    pub(super) fn covariances(
        &self,
        field: &Field,
        offsets: &[f32],
        norms: &[f32],
        out: &mut [f32],
    ) -> Result<(), ResidualError> {
        let dim = field.dim();
        let rows = Rows::new(offsets, dim)?;
        let panels = Panels::new(&self.offsets, dim)?;
        field.kernels.panels::<f32>().l2_squared(rows, norms, panels, &self.offset_norms, out)?;
        Ok(field.kernels.covariance(field.covariance, 1.0, field.variance as f32, out)?)
    }

    /// h·g of every query with every member, padding included.
    pub(super) fn products(
        &self,
        field: &Field,
        queries: &[f32],
        out: &mut [f32],
    ) -> Result<(), ResidualError> {
        let rows = Rows::new(queries, self.size())?;
        let panels = Panels::new(&self.coordinates, self.size())?;
        Ok(field.kernels.panels::<f32>().inner_product(rows, panels, out)?)
    }
}

/// Bound on the error of covariances computed in `f32` from offsets with squared norms up to those given.
///
/// The squared distance is wrong by δ = (dim + 16) ε (|a|² + |b|²) and 4 ε more for rounded offsets, and covariances
/// change with it by at most σ² times: 1/2 (RBF), 3/2 (Matérn 3/2), 5/6 (Matérn 5/2); for Matérn 1/2 by
/// σ² √δ in all, and by σ² δ / r where the distance is at least r.
fn covariance_error(field: &Field, query: f64, member: f64) -> f64 {
    let epsilon = f64::from(f32::EPSILON);
    let delta = (field.dim() as f64 + 24.0) * epsilon * (query + member);
    let change = match field.covariance {
        Covariance::Rbf => 0.5 * delta,
        Covariance::Matern32 => 1.5 * delta,
        Covariance::Matern52 => 5.0 / 6.0 * delta,
        _ => delta.sqrt().min(delta / (0.999 * query.sqrt() - 1.001 * member.sqrt()).max(1e-300)),
    };
    // A covariance is wrong by (4 + 1.5 a) ε of itself, and a exp(−a) (1 + a + a²/3) stays below 1.6.
    field.variance * (change.min(1.0) + 10.0 * epsilon)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0f64; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f64>()
}

/// The least explained member of each leaf that is not explained.
fn candidates(basis: &Basis, range: Range, out: &mut Vec<u32>) {
    out.clear();
    // Not more than four panels of candidates.
    let leaf = LEAF.max(basis.left.len().div_ceil(64));
    for (index, left) in basis.left.chunks(leaf).enumerate() {
        let worst = left
            .iter()
            .enumerate()
            .fold((0, basis.explained), |worst, (j, &left)| if left > worst.1 { (j, left) } else { worst });
        if worst.1 > basis.explained {
            out.push((range.start + index * leaf + worst.0) as u32);
        }
    }
}

/// Takes the row with the largest remaining diagonal, one after another, until `most` or none above `least`. Returns
/// the rows taken and the columns of the factor.
fn pivoted_cholesky(gram: &[f64], n: usize, most: usize, least: f64) -> (Vec<usize>, Vec<Vec<f64>>) {
    let mut left: Vec<f64> = (0..n).map(|i| gram[i * n + i]).collect();
    let mut factor: Vec<Vec<f64>> = Vec::with_capacity(most);
    let mut picks: Vec<usize> = Vec::with_capacity(most);
    while picks.len() < most {
        let worst = left.iter().enumerate().fold(
            (0, least),
            |worst: (usize, f64), (i, &left)| {
                if left > worst.1 { (i, left) } else { worst }
            },
        );
        if worst.1 <= least {
            break;
        }
        let (pick, scale) = (worst.0, 1.0 / worst.1.sqrt());
        let mut column: Vec<f64> = gram[pick * n..(pick + 1) * n].to_vec();
        for before in &factor {
            let at_pick = before[pick];
            for (entry, other) in column.iter_mut().zip(before) {
                *entry -= at_pick * other;
            }
        }
        for (entry, left) in column.iter_mut().zip(&mut left) {
            *entry *= scale;
            *left -= *entry * *entry;
        }
        column[pick] = worst.1.sqrt();
        left[pick] = f64::NEG_INFINITY;
        factor.push(column);
        picks.push(pick);
    }
    (picks, factor)
}
