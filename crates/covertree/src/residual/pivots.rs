//! The residual-subspace bound: what a few pivots say about all correlations with a block.
//!
//! ρᵢⱼ = ⟨uᵢ, uⱼ⟩ for residual feature vectors u (the Schur complement K − VVᵀ is positive semi-definite). Project
//! onto the span of some points of a block, its *pivots*: with coordinates h of the query and g of a member,
//! Cauchy and Schwarz bound what is left, |ρ − h·g| ≤ √(|u_q|² − |h|²) √(|u_j|² − |g|²). g is computed once for
//! all members; h costs one exact correlation for each pivot. From above this prunes; from below it gives a
//! threshold before anything was measured exactly.
//!
//! Pivots are the points that are explained worst by those before them, which is pivoted Cholesky. To have it in
//! tiles and not column by column, pivots are chosen in rounds: one candidate from each leaf, pivoted Cholesky among
//! the candidates conditional on the pivots so far, then one tile for the whole block.
//!
//! Coordinates are kept in `f32`: a computed coordinate is *some* number near the true one, and how near is bounded
//! here and added wherever a bound is used, as is how far the basis is from orthonormal.

use layouts::{AlignedVec, Interleaved};
use simd_kernels::{PANEL_ROWS, Panels, Rows};

use super::error::ResidualError;
use super::field::{Columns, Field};
use super::order::{LEAF, Range};

/// Unit roundoff of `f32`.
const UNIT: f32 = f32::EPSILON / 2.0;
/// Most pivots of a block.
pub(super) const MOST: usize = 96;
/// Squared remainder at which a member counts as explained.
const EXPLAINED: f64 = 0.02;
/// Pivots of the rounds: whole panels.
const ROUNDS: [usize; 4] = [32, 16, 16, 32];

/// A block of points with its pivots.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// Places of the pivots, in the order of the basis; at least one.
    pub(super) pivots: Vec<u32>,
    pub(super) columns: Columns,
    /// Basis: row `i` holds what basis vector `i` takes of each pivot; panels of the padded number of pivots.
    transform: AlignedVec<f32>,
    /// Coordinates of the members, in panels.
    coordinates: AlignedVec<f32>,
    /// Bound on √(|u_j|² − |g_j|²), padded to panels.
    pub(super) remainders: Vec<f32>,
    pub(super) largest_remainder: f32,
    /// Bound on |g_j|.
    pub(super) largest_norm: f32,
    /// Frobenius norm of the transform.
    transform_norm: f32,
    /// Largest error coefficient of a pivot.
    pivot_error: f32,
    /// Largest error coefficient of a member.
    pub(super) member_error: f32,
    /// Bound on the members' coordinate errors.
    coordinate_error: f32,
    /// Bound on ‖BBᵀ − I‖ of the basis B.
    gram_error: f32,
    /// Lowest id of a member.
    pub(super) lowest_id: u32,
}

/// Buffers of a build, reused from block to block.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    rows: AlignedVec<f64>,
    dots: Vec<f64>,
    exact: Vec<f64>,
    /// Correlations of members with pivots, `MOST` a row.
    correlations: AlignedVec<f32>,
    /// Coordinates of members, `MOST` a row.
    coordinates: AlignedVec<f32>,
    products: Vec<f32>,
    packed: AlignedVec<f32>,
    candidates: Vec<u32>,
    columns: Columns,
    gram: Vec<f64>,
}

/// The basis while it grows: row `i` of `transform` (f64, `MOST` a row).
struct Basis {
    transform: Vec<f64>,
    size: usize,
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
        let n = range.len;
        scratch.correlations.clear();
        scratch.correlations.resize(n * MOST, 0.0)?;
        scratch.coordinates.clear();
        scratch.coordinates.resize(n * MOST, 0.0)?;
        let mut left: Vec<f64> = field.norms[range.start..range.end()].to_vec();
        let mut basis = Basis { transform: vec![0.0; MOST * MOST], size: 0 };
        let previous = std::mem::take(&mut self.pivots);
        // Places in the basis without a pivot, which fill up a panel, hold `u32::MAX`.
        let mut chosen: Vec<u32> = Vec::with_capacity(MOST);
        for (round, quota) in ROUNDS.into_iter().enumerate() {
            let again = round == 0 && !previous.is_empty();
            let wanted = if again { previous.len().next_multiple_of(PANEL_ROWS) } else { quota };
            let quota = wanted.min(MOST - basis.size);
            candidates(&left, range, round, &previous, &mut scratch.candidates);
            if scratch.candidates.is_empty() || quota == 0 {
                break;
            }
            let fresh = self.choose(field, range, &mut basis, quota, &left, scratch)?;
            if fresh.is_empty() {
                break;
            }
            self.project(field, range, &mut basis, &fresh, &mut left, scratch)?;
            chosen.extend_from_slice(&fresh);
            chosen.resize(basis.size, u32::MAX);
            if left.iter().all(|&left| left <= EXPLAINED) {
                break;
            }
        }
        self.finish(field, range, ids, &basis, &chosen, &left, scratch)
    }

    /// Picks up to `quota` of the candidates by pivoted Cholesky of what the basis leaves of their correlations,
    /// and extends the basis by them.
    fn choose(
        &self,
        field: &Field,
        range: Range,
        basis: &mut Basis,
        quota: usize,
        left: &[f64],
        scratch: &mut Scratch,
    ) -> Result<Vec<u32>, ResidualError> {
        let count = scratch.candidates.len();
        scratch.columns.gather(field, &scratch.candidates, &mut scratch.rows)?;
        let padded = scratch.columns.padded;
        // Only the f64 values are used.
        scratch.products.resize(count * padded, 0.0);
        let (n, dim) = (field.len(), field.dim());
        let candidates = &scratch.candidates;
        let point = |i: usize, x: &mut [f64]| {
            let place = candidates[i] as usize;
            for (t, x) in x.iter_mut().enumerate().take(dim) {
                *x = field.axes[t * n + place];
            }
            field.weights[place]
        };
        let rows = Rows::new(&scratch.rows, field.rank)?;
        let (dots, exact) = (&mut scratch.dots, &mut scratch.exact);
        scratch.columns.correlations(field, rows, point, dots, exact, &mut scratch.products, padded, 0)?;
        // What the basis leaves of the candidates' correlations.
        scratch.gram.clear();
        scratch.gram.resize(count * count, 0.0);
        let size = basis.size;
        let coordinates = |i: usize| {
            let row = (candidates[i] as usize - range.start) * MOST;
            &scratch.coordinates[row..row + size]
        };
        for i in 0..count {
            for j in 0..i {
                let explained: f32 = coordinates(i).iter().zip(coordinates(j)).map(|(a, b)| a * b).sum();
                let rest = f64::from(scratch.products[i * padded + j]) - f64::from(explained);
                scratch.gram[i * count + j] = rest;
                scratch.gram[j * count + i] = rest;
            }
            scratch.gram[i * count + i] = left[candidates[i] as usize - range.start].max(0.0);
        }
        let picks = pivoted_cholesky(&scratch.gram, count, quota, EXPLAINED);
        // Rows of the basis: u_z less its projection on what comes before, normalised.
        let mut lower = vec![0.0f64; picks.len() * picks.len()];
        let mut fresh = Vec::with_capacity(picks.len());
        for (row, &pick) in picks.iter().enumerate() {
            let mut rest = scratch.gram[pick * count + pick];
            for (column, &other) in picks[..row].iter().enumerate() {
                let mut entry = scratch.gram[pick * count + other];
                for before in 0..column {
                    entry -= lower[row * picks.len() + before] * lower[column * picks.len() + before];
                }
                entry /= lower[column * picks.len() + column];
                lower[row * picks.len() + column] = entry;
                rest -= entry * entry;
            }
            if rest < EXPLAINED * 0.5 {
                break;
            }
            lower[row * picks.len() + row] = rest.sqrt();
            let mut target = [0.0f64; MOST];
            for (i, &g) in coordinates(pick).iter().enumerate() {
                for (target, t) in target[..size].iter_mut().zip(&basis.transform[i * MOST..]) {
                    *target -= f64::from(g) * t;
                }
            }
            target[size + row] = 1.0;
            for column in 0..row {
                let entry = lower[row * picks.len() + column];
                let before = &basis.transform[(size + column) * MOST..(size + column + 1) * MOST];
                for (target, t) in target.iter_mut().zip(before) {
                    *target -= entry * t;
                }
            }
            let scale = 1.0 / rest.sqrt();
            for (to, target) in basis.transform[(size + row) * MOST..].iter_mut().zip(&target) {
                *to = target * scale;
            }
            fresh.push(scratch.candidates[pick]);
        }
        Ok(fresh)
    }

    /// Computes the members' correlations with fresh pivots, their coordinates along the fresh basis vectors, and
    /// what is left of them.
    fn project(
        &mut self,
        field: &Field,
        range: Range,
        basis: &mut Basis,
        fresh: &[u32],
        left: &mut [f64],
        scratch: &mut Scratch,
    ) -> Result<(), ResidualError> {
        scratch.columns.gather(field, fresh, &mut scratch.rows)?;
        let (n, dim, size, padded) = (field.len(), field.dim(), basis.size, scratch.columns.padded);
        let point = |i: usize, x: &mut [f64]| {
            for (t, x) in x.iter_mut().enumerate().take(dim) {
                *x = field.axes[t * n + range.start + i];
            }
            field.weights[range.start + i]
        };
        let (dots, exact) = (&mut scratch.dots, &mut scratch.exact);
        let rows = field.rows(range)?;
        let columns = &scratch.columns;
        columns.correlations(field, rows, point, dots, exact, &mut scratch.correlations, MOST, size)?;
        let total = size + padded;
        let transform: Vec<f32> =
            basis.transform[size * MOST..total * MOST].iter().map(|&t| t as f32).collect();
        scratch.packed.resize_stale(padded * total)?;
        Interleaved::<f32, PANEL_ROWS, 1>::pack_into(
            Rows::with_stride(&transform, padded, total, MOST)?,
            &mut scratch.packed,
        )?;
        scratch.products.resize(range.len * padded, 0.0);
        field.kernels.panels::<f32>().inner_product(
            Rows::with_stride(&scratch.correlations, range.len, total, MOST)?,
            Panels::new(&scratch.packed, total)?,
            &mut scratch.products,
        )?;
        let members = scratch.coordinates.chunks_exact_mut(MOST).zip(scratch.products.chunks_exact(padded));
        for (left, (to, from)) in left.iter_mut().zip(members) {
            to[size..total].copy_from_slice(from);
            *left -= f64::from(from.iter().map(|g| g * g).sum::<f32>());
        }
        basis.size = total;
        Ok(())
    }

    /// Packs what searches read and bounds its errors.
    #[expect(clippy::too_many_arguments, reason = "one call, which hands over everything the build made")]
    fn finish(
        &mut self,
        field: &Field,
        range: Range,
        ids: &[u32],
        basis: &Basis,
        chosen: &[u32],
        left: &[f64],
        scratch: &mut Scratch,
    ) -> Result<(), ResidualError> {
        let size = basis.size;
        self.lowest_id = ids.iter().copied().min().unwrap_or(u32::MAX);
        self.pivots = chosen.iter().copied().filter(|&place| place != u32::MAX).collect();
        let members = field.errors[range.start..range.end()].iter();
        self.member_error = members.fold(0.0f64, |most, &error| most.max(error)) as f32 * (1.0 + UNIT);
        self.remainders.clear();
        if size == 0 {
            // Nothing to project on: every member's norm is its remainder.
            self.remainders.extend(left.iter().map(|left| left.max(0.0).sqrt() as f32 * (1.0 + 4.0 * UNIT)));
            self.largest_remainder = self.remainders.iter().copied().fold(0.0, f32::max);
            return Ok(());
        }
        // Padding within the basis keeps its place: a pivot of weight 0.
        let stand_in = chosen.iter().copied().find(|&place| place != u32::MAX).unwrap_or(range.start as u32);
        let places: Vec<u32> =
            chosen.iter().map(|&place| if place == u32::MAX { stand_in } else { place }).collect();
        self.columns.gather(field, &places, &mut scratch.rows)?;
        for (weight, &place) in self.columns.weights.iter_mut().zip(chosen) {
            if place == u32::MAX {
                *weight = 0.0;
            }
        }
        let transform: Vec<f32> = basis.transform[..size * MOST].iter().map(|&t| t as f32).collect();
        let rows = Rows::with_stride(&transform, size, size, MOST)?;
        self.transform.resize_stale(size * size)?;
        Interleaved::<f32, PANEL_ROWS, 1>::pack_into(rows, &mut self.transform)?;
        let coordinates = Rows::with_stride(&scratch.coordinates, range.len, size, MOST)?;
        self.coordinates.resize_stale(Interleaved::<f32, PANEL_ROWS, 1>::packed_len(range.len, size)?)?;
        Interleaved::<f32, PANEL_ROWS, 1>::pack_into(coordinates, &mut self.coordinates)?;

        self.transform_norm = transform.iter().map(|t| t * t).sum::<f32>().sqrt() * 1.001;
        let pivots = self.pivots.iter().map(|&place| field.errors[place as usize]);
        self.pivot_error = pivots.fold(0.0f64, f64::max) as f32 * (1.0 + UNIT);
        let largest = |row: &[f32]| row.iter().map(|c| c * c).sum::<f32>();
        let row_norm = scratch.correlations.chunks_exact(MOST).map(largest).fold(0.0, f32::max).sqrt();
        self.coordinate_error = self.projection_error(row_norm, self.member_error, size);
        self.gram_error = self.gram_error(field, &transform, chosen, &places, scratch)?;
        let (mut remainder, mut norm) = (0.0f32, 0.0f32);
        for (j, &left) in left.iter().enumerate() {
            let error = field.errors[range.start + j] as f32;
            let slack = self.remainder_slack(self.coordinate_error, error);
            let bound = (left.max(0.0) as f32 + slack).sqrt() * (1.0 + 4.0 * UNIT);
            self.remainders.push(bound);
            remainder = remainder.max(bound);
            let g = &scratch.coordinates[j * MOST..j * MOST + size];
            norm = norm.max(g.iter().map(|g| g * g).sum::<f32>().sqrt());
        }
        self.remainders.resize(range.len.next_multiple_of(PANEL_ROWS), 0.0);
        (self.largest_remainder, self.largest_norm) = (remainder, norm * (1.0 + 100.0 * UNIT));
        Ok(())
    }

    /// How far the basis, as stored, is from orthonormal: ‖T C Tᵀ − I‖ from the pivots' correlations C in `f64`, and
    /// what those can be wrong by. Expects the pivots gathered in `columns` and `scratch.rows`.
    fn gram_error(
        &self,
        field: &Field,
        transform: &[f32],
        chosen: &[u32],
        places: &[u32],
        scratch: &mut Scratch,
    ) -> Result<f32, ResidualError> {
        let (size, n) = (self.columns.padded, field.len());
        let point = |i: usize, x: &mut [f64]| {
            for (t, x) in x.iter_mut().enumerate() {
                *x = field.axes[t * n + places[i] as usize];
            }
            self.columns.weights[i]
        };
        scratch.products.resize(size * size, 0.0);
        let (dots, exact) = (&mut scratch.dots, &mut scratch.exact);
        let rows = Rows::new(&scratch.rows, field.rank)?;
        self.columns.correlations(field, rows, point, dots, exact, &mut scratch.products, size, 0)?;
        let weights = &self.columns.weights;
        for (i, (line, dots)) in exact.chunks_exact_mut(size).zip(dots.chunks_exact(size)).enumerate() {
            for ((rho, dot), weight) in line.iter_mut().zip(dots).zip(weights) {
                *rho = (*rho - dot) * (weights[i] * weight);
            }
        }
        let mut basis = vec![0.0f64; size * size];
        for (to, from) in basis.chunks_exact_mut(size).zip(transform.chunks_exact(MOST)) {
            for (to, &from) in to.iter_mut().zip(from) {
                *to = f64::from(from);
            }
        }
        let panels = field.kernels.panels::<f64>();
        let mut packed = AlignedVec::<f64>::zeroed(size * size)?;
        Interleaved::<f64, PANEL_ROWS, 1>::pack_into(Rows::new(&basis, size)?, &mut packed)?;
        dots.resize(size * size, 0.0);
        panels.inner_product(Rows::new(exact, size)?, Panels::new(&packed, size)?, dots)?;
        // `dots` is C Tᵀ; its columns are the rows that are needed next.
        let mut turned = vec![0.0f64; size * size];
        for (z, row) in dots.chunks_exact(size).enumerate() {
            for (i, &entry) in row.iter().enumerate() {
                turned[i * size + z] = entry;
            }
        }
        Interleaved::<f64, PANEL_ROWS, 1>::pack_into(Rows::new(&turned, size)?, &mut packed)?;
        panels.inner_product(Rows::new(&basis, size)?, Panels::new(&packed, size)?, dots)?;
        let (mut squared, mut wrong) = (0.0f64, 0.0f64);
        for (i, row) in dots.chunks_exact(size).enumerate() {
            for (j, &entry) in row.iter().enumerate() {
                let present = i == j && chosen.get(i).is_some_and(|&place| place != u32::MAX);
                squared += (entry - f64::from(u8::from(present))).powi(2);
            }
            let of_row = basis[i * size..(i + 1) * size].iter().zip(places);
            wrong += of_row.map(|(t, &place)| t.abs() * field.errors[place as usize]).sum::<f64>().powi(2);
        }
        Ok(((squared.sqrt() + wrong) * 1.001) as f32 + UNIT)
    }

    /// Bound on the error of computed coordinates, of correlations of the given norm whose errors are `error`
    /// times those of the pivots.
    fn projection_error(&self, norm: f32, error: f32, size: usize) -> f32 {
        let size = size as f32;
        // The kernels' own bound is (size / 4 + 16) ε; rounding the correlations adds one u.
        self.transform_norm * (size.sqrt() * error * self.pivot_error + (size / 2.0 + 34.0) * UNIT * norm)
    }

    /// What must be added to a squared remainder: coordinate errors, the basis, and how far K − VVᵀ as computed may
    /// be from positive semi-definite (taken as 16 times the error bound of its diagonal).
    fn remainder_slack(&self, coordinate_error: f32, error: f32) -> f32 {
        2.5 * coordinate_error + 2.0 * self.gram_error + 16.0 * error * error + 128.0 * UNIT
    }

    /// Pivots, padding of the basis included: the length of a query's coordinates.
    pub(super) fn size(&self) -> usize {
        self.columns.padded * usize::from(!self.pivots.is_empty())
    }

    /// Coordinates of queries from their correlations with the columns, both `size()` a row.
    pub(super) fn project_queries(
        &self,
        field: &Field,
        correlations: &[f32],
        coordinates: &mut [f32],
    ) -> Result<(), ResidualError> {
        let size = self.size();
        field.kernels.panels::<f32>().inner_product(
            Rows::new(correlations, size)?,
            Panels::new(&self.transform, size)?,
            coordinates,
        )?;
        Ok(())
    }

    /// A query's remainder bound and the slack of every bound on its correlations with members, from its squared
    /// norm, error coefficient, squared norm of correlations and squared norm of coordinates.
    pub(super) fn query_bounds(
        &self,
        norm: f64,
        error: f32,
        correlations: f32,
        coordinates: f32,
    ) -> (f32, f32) {
        let own = self.projection_error(correlations.sqrt(), error, self.size());
        let left = (norm as f32 - coordinates).max(0.0) + self.remainder_slack(own, error);
        let product = (self.size() + 4) as f32 * UNIT + 2.0 * self.gram_error;
        let slack =
            1.5 * (own + self.coordinate_error) + product + 4.0 * error * self.member_error + 8.0 * UNIT;
        (left.sqrt() * (1.0 + 4.0 * UNIT), slack)
    }

    /// h·g of every query with every member, padding included.
    pub(super) fn products(
        &self,
        field: &Field,
        queries: &[f32],
        out: &mut [f32],
    ) -> Result<(), ResidualError> {
        field.kernels.panels::<f32>().inner_product(
            Rows::new(queries, self.size())?,
            Panels::new(&self.coordinates, self.size())?,
            out,
        )?;
        Ok(())
    }
}

/// Candidates of a round: in the first, the pivots that served before, or one point of each leaf at a fixed place;
/// later the least explained point of each leaf.
fn candidates(left: &[f64], range: Range, round: usize, previous: &[u32], out: &mut Vec<u32>) {
    out.clear();
    if round == 0 && !previous.is_empty() {
        out.extend_from_slice(previous);
        return;
    }
    // Not more than the Gram matrix of a few panels.
    let leaf = LEAF.max(left.len().div_ceil(64));
    for (index, leaf_left) in left.chunks(leaf).enumerate() {
        let worst = leaf_left
            .iter()
            .enumerate()
            .fold((0, EXPLAINED), |worst, (j, &left)| if left > worst.1 { (j, left) } else { worst });
        if worst.1 > EXPLAINED {
            out.push((range.start + index * leaf + worst.0) as u32);
        }
    }
}

/// Rows of the candidates with the largest remaining diagonal, one after another, until `most` or none above
/// `least`.
fn pivoted_cholesky(gram: &[f64], n: usize, most: usize, least: f64) -> Vec<usize> {
    let mut left: Vec<f64> = (0..n).map(|i| gram[i * n + i]).collect();
    let mut factor: Vec<Vec<f64>> = Vec::with_capacity(most);
    let mut picks: Vec<usize> = Vec::with_capacity(most);
    while picks.len() < most {
        let (pick, most_left) = left
            .iter()
            .enumerate()
            .fold((0, 0.0), |best: (usize, f64), (i, &left)| if left > best.1 { (i, left) } else { best });
        if most_left <= least {
            break;
        }
        let scale = 1.0 / most_left.sqrt();
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
        left[pick] = f64::NEG_INFINITY;
        factor.push(column);
        picks.push(pick);
    }
    picks
}
