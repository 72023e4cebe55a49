//! Members set apart: what no block bounds, because it has nothing in common with the others.
//!
//! A member that is an inducing point has p at the jitter, and next to no correlation with any other. As a pivot it would
//! explain itself alone, and its weight, a hundred times that of others, would be in the errors of all that its block computes in
//! `f32`. So the blocks leave such members out, and searches compute their correlations one by one, in the panels of all
//! blocks together: no more products than they would take as pivots.

use simd_kernels::Rows;

use super::ResidualIndex;
use super::error::ResidualError;
use super::field::{Feature, Field};
use super::order::Range;
use super::search::{LOOSE_MEMBERS, Scratch, TILE, reaches};

/// Times the median weight of a block, above which a member is set apart.
const HEAVY: f64 = 16.0;
/// At most one of so many members of a block is.
const FEW: usize = 16;
/// Queries that meet them together, whole tiles: their products stay in the second-level cache.
const QUERIES: usize = 8 * TILE;

/// The members of a block to be set apart, by their number in it, in order; none if there are many.
pub(super) fn heavy(field: &Field, range: Range) -> Vec<u32> {
    let weights = &field.weights[range.start..range.end()];
    let mut sorted = weights.to_vec();
    let middle = sorted.len() / 2;
    let (_, &mut median, _) = sorted.select_nth_unstable_by(middle, f64::total_cmp);
    let above = weights.iter().enumerate().filter(|(_, weight)| **weight > HEAVY * median);
    let heavy: Vec<u32> = above.map(|(at, _)| at as u32).collect();
    if heavy.len() * FEW <= weights.len() { heavy } else { Vec::new() }
}

impl ResidualIndex {
    /// Puts queries that are such members off, as blocks would one after the other.
    pub(super) fn put_off_apart(&self, scratch: &mut Scratch) {
        let Scratch { queries, states, .. } = scratch;
        for ((state, &home), &place) in states.iter_mut().zip(&queries.homes).zip(&queries.places) {
            if self.blocks[home as usize].apart.binary_search(&place).is_ok() {
                state.loose = LOOSE_MEMBERS;
            }
        }
    }

    /// Adds the members set apart that may be neighbours to the candidates of all queries: by their correlations, and what these
    /// can be wrong by.
    pub(super) fn bound_apart(&self, scratch: &mut Scratch) -> Result<(), ResidualError> {
        let Scratch { queries, states, apart, tile, .. } = scratch;
        let (count, padded, places) = (queries.len(), self.apart.padded, self.apart.places());
        let farthest_limit = queries.limits.iter().copied().max().unwrap_or(0);
        if !places.iter().any(|&place| self.order.ids[place as usize] < farthest_limit) {
            return Ok(());
        }
        let (rank, stride, dim) = (self.field.rank, self.field.stride, self.field.dim());
        for start in (0..count).step_by(QUERIES) {
            let wanted = QUERIES.min(count - start);
            let rows = wanted.next_multiple_of(TILE);
            apart.resize(rows * padded, 0.0);
            let point = |row: usize, x: &mut [f64]| {
                let i = start + row;
                if let Some(from) = queries.coords.get(i * dim..(i + 1) * dim) {
                    x.copy_from_slice(from);
                }
                queries.weights.get(i).copied().unwrap_or(0.0)
            };
            let v = queries.v.get(start * stride..).unwrap_or_default();
            let v = Rows::with_stride(v, rows, rank, stride)?;
            self.apart.products(&self.field, Feature::Residual, v, point, tile, apart, padded, 0)?;
            for (i, correlations) in (start..start + wanted).zip(apart.chunks_exact(padded)) {
                let (state, limit) = (&mut states[i], queries.limits[i]);
                if state.is_put_off() {
                    continue;
                }
                state.certificate.pivot_evaluations += places.len() as u32;
                let threshold = state.threshold();
                // Measured again, a correlation may differ by the errors of both.
                let error = 2.02 * queries.errors[i];
                for (&place, correlation) in places.iter().zip(correlations) {
                    let upper = correlation.abs() + error * self.field.errors[place as usize];
                    let upper = (upper as f32).next_up();
                    if self.order.ids[place as usize] < limit && reaches(upper, threshold) {
                        state.candidates.push(place);
                        state.uppers.push(upper);
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[cfg(feature = "inducing")]
mod tests {
    use crate::residual::{Covariance, CovarianceModel, Eligible, Neighborhoods, Pruning, ResidualIndex};

    /// 1,800 points on a line, of which every 60th is an inducing point.
    fn index() -> ResidualIndex {
        let coords: Vec<f64> = (0..1800u32).map(|i| f64::from(i * 7919 % 1800) / 300.0).collect();
        let inducing: Vec<f64> = coords.iter().copied().step_by(60).collect();
        let model = CovarianceModel::new(Covariance::Matern32, &[0.2], 1.0);
        ResidualIndex::with_inducing(&coords, 1, &model, &inducing, 1e-7).unwrap()
    }

    #[test]
    fn inducing_points_are_set_apart_and_found() {
        let mut index = index();
        assert!(index.blocks.len() > 1);
        for model in [index.model().clone(), CovarianceModel::new(Covariance::Matern32, &[0.3], 2.0)] {
            index.update_parameters(&model).unwrap();
            let mut apart: Vec<u32> =
                index.apart.places().iter().map(|&place| index.order.ids[place as usize]).collect();
            apart.sort_unstable();
            assert!(apart.iter().copied().eq((0..1800).step_by(60)), "{apart:?}");
            for block in &index.blocks {
                assert!(block.pivots.iter().all(|place| !index.apart.places().contains(place)));
                assert_eq!(block.ids.iter().filter(|id| **id == u32::MAX).count(), block.apart.len());
            }
            let ids: Vec<u32> = (0..1800).collect();
            // So many that for some queries members set apart are among them.
            for (k, eligible) in [(3, Eligible::All), (1200, Eligible::All), (1200, Eligible::Predecessors)] {
                let (mut found, mut wanted) = (Neighborhoods::new(), Neighborhoods::new());
                index.search_members(&ids, k, eligible, Pruning::Bounds, &mut found).unwrap();
                index.search_members(&ids, k, eligible, Pruning::None, &mut wanted).unwrap();
                assert_eq!((found.ids(), found.distances()), (wanted.ids(), wanted.distances()));
                let others = (0..1800).filter(|query| query % 60 != 0);
                let is_apart = |id: u32| id != u32::MAX && id.is_multiple_of(60);
                let met = others.filter(|&query| found.neighbors(query).any(|found| is_apart(found.id)));
                assert!(k < 1200 || met.count() > 0);
            }
        }
    }
}
