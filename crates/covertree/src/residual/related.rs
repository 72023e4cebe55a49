//! Steps 1 and 2 of a search where blocks are related: queries are measured against the blocks that they may reach.
//!
//! Every query is measured against its home, which gives it a threshold and, by the [`Relations`] of the home, a bound
//! for every other block. Then it visits the few that promise most, whose candidates are measured so that its threshold is
//! what it will be in the end, nearly; then all others that it may still reach.

use std::ops::Range;

use layouts::AlignedVec;
use simd_kernels::WordPanels;

use super::ResidualIndex;
use super::bounds::{NOTHING, QueryBounds};
use super::error::ResidualError;
use super::factor::stride_of;
use super::field::{Feature, MAX_DIM};
use super::probe::{self, Points};
use super::relations::{Relations, relates};
use super::search::{Scratch as Search, State, TILE, reaches};
use super::words::{WORDS, add_row};

/// Queries whose reach is computed together: their products with a block stay in the first caches.
const CHUNK: usize = 48;
/// Blocks that a query visits before its candidates are measured.
const FIRST: usize = 5;

/// Buffers of a group. Grow to what the largest group needed.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// Rows of V of active queries, one after the other, by head and tail.
    heads: AlignedVec<f64>,
    tails: AlignedVec<f32>,
    coords: Vec<f64>,
    weights: Vec<f64>,
    coordinates: Vec<f32>,
    words: Vec<i16>,
    /// How far off words are.
    off: Vec<f32>,
    sums: Vec<i32>,
    /// By query the blocks that promise most, best first, and what they do.
    first: Vec<[(f32, usize); FIRST]>,
}

impl ResidualIndex {
    /// Adds the members that may be neighbours to the queries' candidates.
    pub(super) fn visit_related(
        &self,
        scratch: &mut Search,
        relations: &Relations,
    ) -> Result<(), ResidualError> {
        let count = scratch.queries.len();
        scratch.queries.v.resize(count.next_multiple_of(TILE) * self.field.stride, 0.0)?;
        scratch.queries.round()?;
        // One block's coordinates at a time.
        scratch.offsets.clear();
        scratch.offsets.resize(self.blocks.len(), 0);
        let most = self.blocks.iter().map(|block| block.size()).max().unwrap_or(0);
        scratch.coordinates.resize(count * most, 0.0);
        // Upper bounds: none yet, or nothing where no member is eligible or the block was visited.
        scratch.bounds.clear();
        for block in &self.blocks {
            scratch.bounds.extend(scratch.queries.limits.iter().map(|limit| {
                let eligible = *limit > block.lowest_id;
                let upper = if eligible { f32::INFINITY } else { f32::NEG_INFINITY };
                QueryBounds { upper, ..NOTHING }
            }));
        }
        let mut start = 0;
        while let Some(&home) = scratch.queries.homes.get(start) {
            let run = scratch.queries.homes[start..].iter().take_while(|other| **other == home).count();
            self.visit_home(scratch, relations, home as usize, start..start + run)?;
            start += run;
        }
        self.visit_first(scratch)?;
        self.measure_candidates(scratch)?;
        scratch.states[..count].iter_mut().for_each(State::raise);
        self.sort_visits(scratch);
        for visit in 0..scratch.visits.len() {
            let block = scratch.visits[visit].1;
            scratch.active.clear();
            scratch.active.extend(0..count);
            self.visit_if_reached(scratch, block)?;
        }
        Ok(())
    }

    /// Measures a run of queries against their home and its members, and bounds all other blocks.
    fn visit_home(
        &self,
        scratch: &mut Search,
        relations: &Relations,
        home: usize,
        run: Range<usize>,
    ) -> Result<(), ResidualError> {
        scratch.active.clear();
        scratch.active.extend(run.clone());
        self.recall_members(scratch, home);
        self.measure_against(scratch, home)?;
        if relates(&self.blocks[home]) {
            self.bound_others(scratch, relations, home, run.clone())?;
        }
        let count = scratch.queries.len();
        let bounds = &mut scratch.bounds[home * count..(home + 1) * count];
        scratch.active.clear();
        let states = &scratch.states;
        let visits = |i: &usize| bounds[*i].upper > f32::NEG_INFINITY && !states[*i].is_put_off();
        scratch.active.extend(run.clone().filter(visits));
        bounds[run].iter_mut().for_each(|bounds| bounds.upper = f32::NEG_INFINITY);
        self.bound_members(scratch, home)
    }

    /// Visits the blocks that promise most to each query.
    fn visit_first(&self, scratch: &mut Search) -> Result<(), ResidualError> {
        let count = scratch.queries.len();
        let first = &mut scratch.related.first;
        first.clear();
        first.resize(count, [(f32::NEG_INFINITY, usize::MAX); FIRST]);
        for (block, bounds) in scratch.bounds.chunks_exact(count).enumerate() {
            for (first, bounds) in first.iter_mut().zip(bounds) {
                let mut new = (bounds.upper, block);
                for better in first.iter_mut() {
                    if new.0 > better.0 {
                        std::mem::swap(better, &mut new);
                    }
                }
            }
        }
        for block in 0..self.blocks.len() {
            scratch.active.clear();
            let wanted = |first: &[(f32, usize)]| first.iter().any(|(_, wanted)| *wanted == block);
            let queries = scratch.related.first.iter().enumerate();
            scratch.active.extend(queries.filter(|(_, first)| wanted(&first[..])).map(|(i, _)| i));
            self.visit_if_reached(scratch, block)?;
        }
        Ok(())
    }

    /// Measures those of the active queries that may reach a block against it, and those that still may against its members.
    fn visit_if_reached(&self, scratch: &mut Search, block: usize) -> Result<(), ResidualError> {
        self.keep_reaching(scratch, block);
        self.measure_against(scratch, block)?;
        self.keep_reaching(scratch, block);
        let count = scratch.queries.len();
        let bounds = &mut scratch.bounds[block * count..(block + 1) * count];
        scratch.active.iter().for_each(|&i| bounds[i].upper = f32::NEG_INFINITY);
        self.bound_members(scratch, block)
    }

    /// Leaves the active queries that may reach a block. What others skip is noted, and the block is nothing to them any more.
    fn keep_reaching(&self, scratch: &mut Search, block: usize) {
        let count = scratch.queries.len();
        let bounds = &mut scratch.bounds[block * count..(block + 1) * count];
        let states = &mut scratch.states;
        scratch.active.retain(|&i| {
            let (bounds, state) = (&mut bounds[i], &mut states[i]);
            if bounds.upper == f32::NEG_INFINITY || state.is_put_off() {
                return false;
            }
            let reached = reaches(bounds.upper, state.threshold());
            if !reached {
                state.skipped = state.skipped.max(bounds.upper);
                bounds.upper = f32::NEG_INFINITY;
            }
            reached
        });
    }

    /// Takes members of a block whose coordinates are kept there from the active queries, and fills in what measuring them
    /// would.
    fn recall_members(&self, scratch: &mut Search, number: usize) {
        let (block, count) = (&self.blocks[number], scratch.queries.len());
        if !relates(block) {
            return;
        }
        let (size, unit) = (block.size(), (block.packed.longest / f64::from(WORDS)) as f32);
        let Search { coordinates, bounds, queries, active, states, .. } = scratch;
        active.retain(|&i| {
            let at = (queries.places[i] as usize).wrapping_sub(block.range.start);
            if states[i].is_put_off() || at >= block.range.len {
                return !states[i].is_put_off();
            }
            let coordinates = &mut coordinates[i * size..(i + 1) * size];
            for (t, x) in coordinates.iter_mut().enumerate() {
                *x = f32::from(block.coordinates[WordPanels::place(size, at, t)]) * unit;
            }
            let squared = probe::squared_norm(coordinates);
            let error = block.coordinate_error + block.packed.off + 1e-6 * squared.sqrt();
            let bounds = &mut bounds[number * count + i];
            let upper = bounds.upper;
            *bounds = block.bounds_of(&self.field, queries, i, squared, error, 0.0);
            bounds.upper = bounds.upper.min(upper);
            false
        });
    }

    /// Coordinates and bounds of the active queries with respect to a block.
    fn measure_against(&self, scratch: &mut Search, number: usize) -> Result<(), ResidualError> {
        let (block, count, dim) = (&self.blocks[number], scratch.queries.len(), self.field.dim());
        let (size, active) = (block.size(), scratch.active.len());
        if size == 0 || active == 0 {
            return Ok(());
        }
        let (stride, head) = (self.field.stride, block.probe.columns);
        let tail = self.field.rank - head;
        let (head_stride, tail_stride) = (stride_of(head), stride_of(tail));
        let rows = active.next_multiple_of(TILE);
        let Search { queries, related, .. } = scratch;
        related.heads.resize_stale(rows * head_stride)?;
        related.tails.resize_stale(rows * tail_stride)?;
        related.coords.clear();
        related.weights.clear();
        for (row, &i) in scratch.active.iter().enumerate() {
            related.heads[row * head_stride..][..head].copy_from_slice(&queries.v[i * stride..][..head]);
            related.tails[row * tail_stride..][..tail]
                .copy_from_slice(&queries.rounded[i * stride + head..][..tail]);
            related.coords.extend_from_slice(&queries.coords[i * dim..(i + 1) * dim]);
            related.weights.push(queries.weights[i]);
        }
        // What fills up a tile must be numbers.
        related.heads[active * head_stride..].fill(0.0);
        related.tails[active * tail_stride..].fill(0.0);
        related.coordinates.resize(rows * size, 0.0);
        let points = Points {
            heads: (&related.heads, head_stride),
            tails: (&related.tails, tail_stride),
            coords: &related.coords,
            weights: &related.weights,
        };
        let out = &mut related.coordinates;
        block.probe.coordinates(&self.field, block.feature, points, rows, &mut scratch.probe, out)?;
        for (&i, coordinates) in scratch.active.iter().zip(related.coordinates.chunks_exact(size)) {
            let x = &queries.coords[i * dim..(i + 1) * dim];
            let offset = match block.feature {
                Feature::Residual => 0.0,
                Feature::LowRank => block.offset(&self.field, x, &mut [0.0; MAX_DIM][..dim]),
            };
            let bounds = &mut scratch.bounds[number * count + i];
            let upper = bounds.upper;
            *bounds = block.query_bounds(&self.field, queries, i, probe::squared_norm(coordinates), offset);
            // Where nothing is eligible, that stays.
            bounds.upper = bounds.upper.min(upper);
            scratch.coordinates[i * size..(i + 1) * size].copy_from_slice(coordinates);
            scratch.states[i].certificate.pivot_evaluations += block.pivots.len() as u32;
        }
        Ok(())
    }

    /// Bounds all other blocks for a run of queries that were measured against their home.
    fn bound_others(
        &self,
        scratch: &mut Search,
        relations: &Relations,
        home: usize,
        run: Range<usize>,
    ) -> Result<(), ResidualError> {
        let (from, count) = (&self.blocks[home], scratch.queries.len());
        let size = from.size();
        let Search { coordinates, bounds, queries, related, .. } = scratch;
        for start in run.clone().step_by(CHUNK) {
            let chunk = start..run.end.min(start + CHUNK);
            related.words.clear();
            related.off.clear();
            for i in chunk.clone() {
                let length = bounds[home * count + i].length;
                related.off.push(add_row(&coordinates[i * size..(i + 1) * size], length, &mut related.words));
            }
            related.words.resize(chunk.len().next_multiple_of(TILE) * size, 0);
            for (number, block) in self.blocks.iter().enumerate() {
                if number == home || !relates(block) {
                    continue;
                }
                let relation = relations.of(home, number);
                let others = block.size();
                related.sums.clear();
                if !relation.words.is_empty() {
                    related.sums.resize(related.words.len() / size * others, 0);
                    let panels = WordPanels::new(&relation.words, size)?;
                    let kernel = self.field.kernels.word_panels();
                    kernel.inner_product(&related.words, panels, &mut related.sums)?;
                }
                let mut sums = related.sums.chunks_exact(others);
                for (i, off) in chunk.clone().zip(&related.off) {
                    let range = relation.range(bounds[home * count + i].length, sums.next(), *off);
                    let own = bounds[home * count + i];
                    let upper = relations.upper(from, (number, block), &own, range, queries.errors[i]);
                    let bounds = &mut bounds[number * count + i];
                    // A bound that is no number is none.
                    if upper < bounds.upper {
                        bounds.upper = upper;
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
    use super::*;
    use crate::residual::{
        Covariance, CovarianceModel, Eligible, Neighborhoods, Pruning, ResidualIndex, SearchScratch,
    };

    /// Points spread over the unit square, the `start`-th and following.
    fn square(start: u32, count: u32) -> Vec<f64> {
        let place = |i: u32| [f64::from(i) * 0.754_877_666, f64::from(i) * 0.569_840_291].map(f64::fract);
        (start..start + count).flat_map(place).collect()
    }

    fn index() -> ResidualIndex {
        let coords = square(0, 3000);
        let model = CovarianceModel::new(Covariance::Matern52, &[0.12], 1.0);
        let inducing: Vec<f64> = coords.chunks_exact(2).step_by(50).flatten().copied().collect();
        let mut index = ResidualIndex::with_inducing(&coords, 2, &model, &inducing, 1e-6).unwrap();
        assert!(index.relate_blocks().unwrap() && index.blocks.len() > 3);
        assert!(!index.apart.places().is_empty());
        index
    }

    /// Bounds that homes give must hold for every member of every other block, and leave few of them.
    #[test]
    fn bounds_of_other_blocks_hold_and_tell_something() {
        let index = index();
        let relations = index.relations.as_ref().unwrap();
        let new = square(5000, 300);
        for of_members in [true, false] {
            let mut scratch = Search::default();
            let queries = &mut scratch.queries;
            if of_members {
                for place in (0..3000).step_by(11) {
                    index.field.push_member(queries, place, u32::MAX).unwrap();
                    queries.homes.push(index.block_of_place(place) as u32);
                }
            } else {
                let inducing = index.inducing.as_ref().unwrap();
                let mut v = vec![0.0; 300 * inducing.rank];
                let point = |i: usize, x: &mut [f64]| x.copy_from_slice(&new[2 * i..2 * i + 2]);
                let squares =
                    inducing.solve(index.field.kernels, &index.model, point, &mut v, inducing.rank).unwrap();
                let p: Vec<f64> = squares.variances(&index.model).map(|(_, p)| p).collect();
                let mut order: Vec<usize> = (0..300).collect();
                order.sort_by_key(|&i| index.block_of_point(&new[2 * i..2 * i + 2]));
                for i in order {
                    let (x, v) = (&new[2 * i..2 * i + 2], &v[i * inducing.rank..(i + 1) * inducing.rank]);
                    index.field.push_point(queries, x, v, p[i]).unwrap();
                    queries.homes.push(index.block_of_point(x) as u32);
                }
            }
            let (count, blocks) = (queries.len(), index.blocks.len());
            queries.v.resize(count.next_multiple_of(TILE) * index.field.stride, 0.0).unwrap();
            queries.round().unwrap();
            scratch.offsets.resize(blocks, 0);
            scratch.coordinates.resize(count * 128, 0.0);
            scratch.bounds.resize(blocks * count, QueryBounds { upper: f32::INFINITY, ..NOTHING });
            for _ in 0..count {
                scratch.states.push(State::new(5).unwrap());
            }
            let homes = scratch.queries.homes.clone();
            let mut start = 0;
            for run in homes.chunk_by(|a, b| a == b) {
                let home = run[0] as usize;
                index.visit_home(&mut scratch, relations, home, start..start + run.len()).unwrap();
                start += run.len();
            }
            let (mut close, mut few, mut pairs) = (0.0f64, 0, 0);
            let (mut numbers, mut dots, mut exact) = (Vec::new(), Vec::new(), Vec::new());
            for (number, block) in index.blocks.iter().enumerate() {
                let places: Vec<u32> = (block.range.start..block.range.end())
                    .filter(|&place| block.ids[place - block.range.start] != u32::MAX)
                    .map(|place| place as u32)
                    .collect();
                for i in (0..count).filter(|&i| homes[i] as usize != number) {
                    let buffers = (&mut numbers, &mut dots);
                    index.field.correlations_at(&scratch.queries, i, &places, buffers, &mut exact).unwrap();
                    let largest = exact.iter().fold(0.0f64, |most, rho| most.max(rho.abs()));
                    let upper = f64::from(scratch.bounds[number * count + i].upper);
                    assert!(upper >= largest, "{upper} for {largest}");
                    if upper < 0.5 {
                        few += 1;
                    }
                    pairs += 1;
                    close = close.max(largest / upper);
                }
            }
            assert!(few * 2 > pairs && few < pairs, "{few} of {pairs}");
            assert!(close > 0.9, "{close}");
        }
    }

    #[test]
    fn results_are_those_without_relations() {
        let mut related = index();
        let mut other = index();
        other.relations = None;
        let new = square(7000, 500);
        let ids: Vec<u32> = (0..3000).collect();
        for variance in [1.0, 2.5] {
            let (mut found, mut wanted) = (Neighborhoods::new(), Neighborhoods::new());
            let mut scratch = SearchScratch::new();
            for (k, eligible) in [(1, Eligible::All), (12, Eligible::All), (12, Eligible::Predecessors)] {
                related
                    .search_members_with(&mut scratch, &ids, k, eligible, Pruning::Bounds, &mut found)
                    .unwrap();
                other.search_members(&ids, k, eligible, Pruning::None, &mut wanted).unwrap();
                assert_eq!((found.ids(), found.distances()), (wanted.ids(), wanted.distances()));
                let bounds = found.certificates().iter().zip(wanted.distances().chunks_exact(k));
                for (certificate, distances) in bounds.filter(|_| eligible == Eligible::All) {
                    let last = 1.0 - distances[k - 1] * distances[k - 1];
                    assert!(certificate.bound <= last + 1e-6, "{certificate:?}");
                }
            }
            related.search_new_points(&new, 9, Pruning::Bounds, &mut found).unwrap();
            other.search_new_points(&new, 9, Pruning::None, &mut wanted).unwrap();
            assert_eq!((found.ids(), found.distances()), (wanted.ids(), wanted.distances()));
            // Fewer pivots than without relations, by far.
            let evaluations = |found: &Neighborhoods| -> u32 {
                found.certificates().iter().map(|certificate| certificate.pivot_evaluations).sum()
            };
            other.search_new_points(&new, 9, Pruning::Bounds, &mut wanted).unwrap();
            assert!(evaluations(&found) * 4 < evaluations(&wanted) * 3);
            let model = CovarianceModel::new(Covariance::Matern52, &[0.1 * variance], variance);
            for index in [&mut related, &mut other] {
                index.update_parameters(&model).unwrap();
                assert!(index.relations.is_none());
            }
            assert!(related.relate_blocks().unwrap());
        }
    }

    #[test]
    fn predecessors_are_searched_with_relations_where_that_pays() {
        let index = index();
        let (mut found, mut wanted) = (Neighborhoods::new(), Neighborhoods::new());
        let ids: Vec<u32> = (0..3000).collect();
        assert!(Relations::pay_once(&index.field, &index.blocks));
        let mut unrelated = self::index();
        unrelated.relations = None;
        unrelated.search_predecessors(7, &mut found).unwrap();
        unrelated.search_members(&ids, 7, Eligible::Predecessors, Pruning::None, &mut wanted).unwrap();
        assert_eq!((found.ids(), found.distances()), (wanted.ids(), wanted.distances()));
        // The same relations, whether they were there or not.
        index.search_predecessors(7, &mut wanted).unwrap();
        assert_eq!(found, wanted);
        assert!(unrelated.search_predecessors(0, &mut found).is_err());
    }
}
