//! Pivots of a block, chosen, and the orthonormal basis of their span while it grows.
//!
//! Pivots are the members explained worst by those before them, which is pivoted Cholesky. To have it in tiles and
//! not column by column, they are chosen in rounds: one candidate from each leaf, pivoted Cholesky among the
//! candidates conditional on the pivots so far, then one tile for the whole block.

use layouts::{AlignedVec, Interleaved};
use simd_kernels::{PANEL_ROWS, PanelElement, Panels, Rows};

use super::BLOCK;
use super::apart::heavy;
use super::columns::{Columns, TileScratch, grown};
use super::error::ResidualError;
use super::field::{Feature, Field};
use super::order::{LEAF, Range};

/// Most pivots of a block.
pub(super) const MOST: usize = 128;
/// Pivots of the first round; later ones add a panel each.
const FIRST: usize = 32;
/// Pivots by which half of the members have to be explained for a trial to go on.
const TRIAL: usize = 64;
/// Squared remainder at which a residual feature counts as explained.
const EXPLAINED: f64 = 0.07;
/// Mean squared remainder after the first round above which residual features are given up.
const ROUGH: f64 = 0.2;
/// The same for halves of blocks: what was not rough as a whole will be explained when it is small enough.
const ROUGH_HALF: f64 = 0.3;
/// Remainder of a low-rank feature, times that of a query like it, that counts as explained.
const EXPLAINED_PRODUCT: f64 = 0.1;

pub(super) type Panel<T> = Interleaved<T, PANEL_ROWS, 1>;

/// Buffers of a build, reused from block to block.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) tile: TileScratch,
    /// Inner products of members with pivots, `MOST` a row.
    pub(super) common: AlignedVec<f64>,
    /// Coordinates of members, `MOST` a row.
    pub(super) coordinates: AlignedVec<f64>,
    pub(super) products: Vec<f64>,
    pub(super) packed: AlignedVec<f64>,
    candidates: Vec<u32>,
    pub(super) columns: Columns,
    gram: Vec<f64>,
    /// Basis vectors as the low-rank part sees them.
    pub(super) vectors: Vec<f64>,
    pub(super) rounded: AlignedVec<f32>,
    members: Members,
}

impl Scratch {
    /// To be called before V changes.
    pub(super) fn forget(&mut self) {
        self.members.range = Range::default();
        self.columns.forget();
    }
}

/// Rows of V of a block's members, gathered once for all rounds if they do not lie together.
#[derive(Debug, Default)]
struct Members {
    rows: AlignedVec<f64>,
    range: Range,
}

impl Members {
    fn rows<'a>(&'a mut self, field: &'a Field, range: Range) -> Result<Rows<'a, f64>, ResidualError> {
        if self.range == range && !self.rows.is_empty() {
            return Ok(Rows::with_stride(&self.rows, range.len, field.rank, field.stride)?);
        }
        self.range = range;
        field.rows(range, &mut self.rows)
    }
}

/// A basis of the span of pivots, and what it leaves of the members.
pub(super) struct Basis {
    pub(super) feature: Feature,
    /// Row `i` holds what basis vector `i` takes of each pivot, `MOST` a row.
    pub(super) transform: Vec<f64>,
    /// Vectors, those that only fill up panels included.
    pub(super) size: usize,
    /// Members that are left to searches one by one, by their number in the block, in order.
    pub(super) apart: Vec<u32>,
    /// By column of the basis the place of the pivot, `u32::MAX` where it only fills up a panel.
    pub(super) chosen: Vec<u32>,
    /// Squared remainders of the members.
    pub(super) left: Vec<f64>,
    /// Squared remainder at which a member counts as explained.
    explained: f64,
}

impl Basis {
    /// A basis for a feature of the members of `range`, whose coordinates in it are then in `scratch`. Begins with the
    /// `previous` pivots. A `trial` ends where it turns out that it will not explain the members.
    pub(super) fn new(
        feature: Feature,
        field: &Field,
        range: Range,
        previous: &[u32],
        trial: bool,
        scratch: &mut Scratch,
    ) -> Result<Self, ResidualError> {
        scratch.common.resize_stale(range.len * MOST)?;
        scratch.coordinates.resize_stale(range.len * MOST)?;
        let mut left: Vec<f64> = (range.start..range.end()).map(|place| feature.norm(field, place)).collect();
        let explained = match feature {
            Feature::Residual => EXPLAINED,
            // The query's remainder is at most its norm, and queries are like members.
            Feature::LowRank => {
                let mut norms = left.clone();
                let middle = norms.len() / 2;
                let (_, median, _) = norms.select_nth_unstable_by(middle, f64::total_cmp);
                EXPLAINED_PRODUCT * EXPLAINED_PRODUCT / median.max(1e-300)
            }
        };
        let apart = if feature == Feature::Residual { heavy(field, range) } else { Vec::new() };
        // They count as explained, and are no pivots.
        for &at in &apart {
            left[at as usize] = 0.0;
        }
        let (transform, chosen) = (vec![0.0; MOST * MOST], Vec::with_capacity(MOST));
        let mut basis = Self { feature, transform, size: 0, apart, chosen, left, explained };
        loop {
            let again = basis.size == 0 && !previous.is_empty();
            let quota = match basis.size {
                0 if again => previous.len().next_multiple_of(PANEL_ROWS),
                0 => FIRST,
                _ => PANEL_ROWS,
            };
            if basis.size + quota > MOST {
                break;
            }
            if again {
                scratch.candidates.clear();
                scratch.candidates.extend_from_slice(previous);
            } else {
                candidates(&basis, range, &mut scratch.candidates);
            }
            if scratch.candidates.is_empty() {
                break;
            }
            let chosen = basis.choose(field, range, quota, scratch)?;
            if chosen.is_empty() {
                break;
            }
            basis.project(field, range, &chosen, scratch)?;
            if trial && basis.hopeless() {
                break;
            }
        }
        basis.compact(scratch);
        Ok(basis)
    }

    /// Whether a member is left to searches one by one.
    pub(super) fn is_apart(&self, at: usize) -> bool {
        self.apart.binary_search(&(at as u32)).is_ok()
    }

    /// Whether some rounds left so much that others will not do either.
    fn hopeless(&self) -> bool {
        self.rough() || (self.size >= TRIAL && self.unexplained() > self.left.len() / 2)
    }

    /// Whether the first round left so much of residual features that they have no few directions.
    pub(super) fn rough(&self) -> bool {
        let most = if self.left.len() > BLOCK / 2 { ROUGH } else { ROUGH_HALF };
        self.feature == Feature::Residual && self.size >= FIRST && self.mean_left() > most
    }

    /// Mean squared remainder.
    pub(super) fn mean_left(&self) -> f64 {
        self.left.iter().sum::<f64>() / self.left.len() as f64
    }

    /// Members that the basis does not explain.
    pub(super) fn unexplained(&self) -> usize {
        self.left.iter().filter(|left| **left > self.explained).count()
    }

    /// Picks up to `quota` of the candidates by pivoted Cholesky of what the basis leaves of their inner products,
    /// and extends the basis by them.
    fn choose(
        &mut self,
        field: &Field,
        range: Range,
        quota: usize,
        scratch: &mut Scratch,
    ) -> Result<Vec<u32>, ResidualError> {
        let count = scratch.candidates.len();
        scratch.columns.gather(field, &scratch.candidates)?;
        let padded = scratch.columns.padded;
        scratch.products.resize(count * padded, 0.0);
        let candidates = &scratch.candidates;
        let point = |i: usize, x: &mut [f64]| field.read(candidates[i] as usize, x);
        let rows = Rows::new(&scratch.columns.rows, field.rank)?;
        let (tile, products) = (&mut scratch.tile, &mut scratch.products);
        scratch.columns.products(field, self.feature, rows, point, tile, products, padded, 0)?;
        // What the basis leaves of them.
        let size = self.size;
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
            scratch.gram[i * count + i] = self.left[candidate as usize - range.start].max(0.0);
        }
        let (picks, lower) = pivoted_cholesky(&scratch.gram, count, quota, self.explained);
        // Rows of the basis: a feature less its projection on what comes before, normalised.
        for (row, &pick) in picks.iter().enumerate() {
            let mut target = [0.0f64; MOST];
            for (i, g) in coordinates(pick).iter().enumerate() {
                for (target, t) in target[..size].iter_mut().zip(&self.transform[i * MOST..]) {
                    *target -= g * t;
                }
            }
            target[size + row] = 1.0;
            for (column, before) in lower[..row].iter().enumerate() {
                let entry = before[pick];
                let before = &self.transform[(size + column) * MOST..(size + column + 1) * MOST];
                for (target, t) in target.iter_mut().zip(before) {
                    *target -= entry * t;
                }
            }
            let scale = 1.0 / lower[row][pick];
            for (to, target) in self.transform[(size + row) * MOST..].iter_mut().zip(&target) {
                *to = target * scale;
            }
        }
        Ok(picks.iter().map(|&pick| scratch.candidates[pick]).collect())
    }

    /// Computes the members' inner products with chosen pivots, their coordinates along the new basis vectors, and
    /// what is left of them.
    fn project(
        &mut self,
        field: &Field,
        range: Range,
        chosen: &[u32],
        scratch: &mut Scratch,
    ) -> Result<(), ResidualError> {
        scratch.columns.gather(field, chosen)?;
        let (size, padded) = (self.size, scratch.columns.padded);
        let total = size + padded;
        pack(Rows::with_stride(&self.transform[size * MOST..], padded, total, MOST)?, &mut scratch.packed)?;
        let point = |i: usize, x: &mut [f64]| field.read(range.start + i, x);
        let (tile, common) = (&mut scratch.tile, &mut scratch.common);
        let rows = scratch.members.rows(field, range)?;
        scratch.columns.products(field, self.feature, rows, point, tile, common, MOST, size)?;
        let products = grown(&mut scratch.products, range.len * padded);
        field.kernels.panels::<f64>().inner_product(
            Rows::with_stride(&scratch.common, range.len, total, MOST)?,
            Panels::new(&scratch.packed, total)?,
            products,
        )?;
        let members = scratch.coordinates.chunks_exact_mut(MOST).zip(products.chunks_exact(padded));
        for (left, (to, from)) in self.left.iter_mut().zip(members) {
            to[size..total].copy_from_slice(from);
            *left -= dot(from, from);
        }
        self.size = total;
        self.chosen.extend_from_slice(chosen);
        self.chosen.resize(total, u32::MAX);
        Ok(())
    }

    /// Moves the columns that hold a pivot together, because every round fills up a panel.
    fn compact(&mut self, scratch: &mut Scratch) {
        let keep: Vec<usize> = (0..self.size).filter(|&column| self.chosen[column] != u32::MAX).collect();
        let padded = keep.len().next_multiple_of(PANEL_ROWS);
        if padded == self.size && keep.iter().enumerate().all(|(to, &from)| to == from) {
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
}

/// Rows in panels.
pub(super) fn pack<T: PanelElement>(rows: Rows<'_, T>, to: &mut AlignedVec<T>) -> Result<(), ResidualError> {
    to.resize_stale(Panel::<T>::packed_len(rows.len(), rows.dim())?)?;
    Ok(Panel::<T>::pack_into(rows, to)?)
}

/// Σ aᵢ bᵢ, of short rows.
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
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
