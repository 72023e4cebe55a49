//! The search: groups of queries that lie together, against blocks of members.
//!
//! 1. For every block, one tile of products of the group with the block's basis vectors gives the queries' coordinates
//!    and with them a bound for the whole block.
//! 2. Each query's most promising block first, then whatever blocks its threshold leaves: one tile of 16-bit
//!    words bounds all members from both sides. The k-th largest *lower* bound is a threshold without any exact correlation.
//! 3. The few members that blocks leave out are bounded one by one.
//! 4. Members whose upper bound reaches the threshold are measured in `f64`.
//!
//! Where blocks are related (`relations.rs`), steps 1 and 2 are those of `related.rs`.
//!
//! No step drops a member whose computed |ρ| could reach the k-th largest: all bounds carry their own error.

use layouts::{AlignedVec, Neighbor, TopK};
use simd_kernels::{Band, Rows};

use super::ResidualIndex;
use super::bounds::{NOTHING, QueryBounds};
use super::columns::TileScratch;
use super::error::ResidualError;
use super::field::{Feature, MAX_DIM, Queries};
use super::probe;
use super::related;
use super::relations::Relations;
use super::table::Certificate;

/// Most queries in a group: what is read of V, for members that are measured, is read once a group.
const GROUP: usize = 516;

/// Queries in a group, for that many in all; it does not depend on threads, so that certificates do not either.
pub(super) fn group_of(queries: usize) -> usize {
    (queries / 2).next_multiple_of(TILE).clamp(TILE, GROUP)
}

/// Queries that the panel kernels take together (12 on AVX-512); what is left over costs as much one by one, so
/// rows are padded to whole tiles. A multiple of what other tiers take.
pub(super) const TILE: usize = 12;

/// Queries that tiles of rows take together.
const FOUR: usize = 4;

/// How members are kept from being measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pruning {
    /// By bounds, where they pay. The result is that of `None`.
    #[default]
    Bounds,
    /// Not at all: every eligible member is measured, in tiles.
    None,
}

/// What sums of a few `f32` terms near 1 lose by rounding, and more.
pub(super) const ROUNDING: f32 = 16.0 * f32::EPSILON;

/// A query is put off where bounds leave nearly all of blocks that have so many members together.
pub(super) const LOOSE_MEMBERS: usize = 1536;

/// Buffers of a search, reused from group to group. Grow to what the largest group needed.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) queries: Queries,
    pub(super) dots: Vec<f64>,
    /// Rows of V that lie apart, and numbers of such rows.
    pub(super) gathered: AlignedVec<f64>,
    pub(super) numbers: Vec<u32>,
    pub(super) exact: Vec<f64>,
    pub(super) probe: probe::Scratch,
    /// Coordinates of the group for each block.
    pub(super) coordinates: Vec<f32>,
    /// Where a block's coordinates start.
    pub(super) offsets: Vec<usize>,
    /// By block and query.
    pub(super) bounds: Vec<QueryBounds>,
    /// Blocks and what they promise, best first.
    pub(super) visits: Vec<(f32, usize)>,
    pub(super) active: Vec<usize>,
    /// Candidates that the active queries had before.
    pub(super) before: Vec<usize>,
    pub(super) active_rows: Vec<i16>,
    pub(super) bands: Vec<Band>,
    pub(super) active_v: AlignedVec<f64>,
    pub(super) active_offsets: Vec<f32>,
    pub(super) active_norms: Vec<f32>,
    pub(super) products: Vec<i32>,
    pub(super) covariances: Vec<f32>,
    pub(super) lowers: Vec<f32>,
    pub(super) hits: Vec<u32>,
    pub(super) hit_bounds: Vec<f32>,
    pub(super) states: Vec<State>,
    /// Correlations with the members set apart.
    pub(super) apart: Vec<f64>,
    pub(super) tile: TileScratch,
    pub(super) related: related::Scratch,
}

/// One query's progress.
#[derive(Debug)]
pub(super) struct State {
    /// The largest lower bounds of |ρ|, as their negatives.
    pub(super) lower: TopK<f32>,
    /// Members measured.
    pub(super) best: TopK<f64>,
    /// Members whose upper bound reached the threshold when it was computed.
    pub(super) candidates: Vec<u32>,
    pub(super) uppers: Vec<f32>,
    /// Members of blocks of which bounds left nearly all.
    pub(super) loose: usize,
    /// Everything that was skipped lies below.
    pub(super) skipped: f32,
    pub(super) certificate: Certificate,
}

impl State {
    pub(super) fn new(k: usize) -> Result<Self, ResidualError> {
        Ok(Self {
            lower: TopK::new(k)?,
            best: TopK::new(k)?,
            candidates: Vec::new(),
            uppers: Vec::new(),
            loose: 0,
            skipped: 0.0,
            certificate: Certificate::default(),
        })
    }

    /// Whether all members are to be measured for this query, later.
    pub(super) fn is_put_off(&self) -> bool {
        self.loose >= LOOSE_MEMBERS
    }

    /// Takes the k-th of the members measured for the threshold.
    pub(super) fn raise(&mut self) {
        if self.best.len() == self.best.k() {
            // Bounds of other blocks have to beat this, errors of both included.
            let worst = self.best.threshold();
            let lower = below(1.0 - worst * worst) - 4.0 * f32::EPSILON;
            while self.lower.threshold() > -lower {
                self.lower.push(Neighbor::new(u32::MAX, -lower));
            }
        }
    }

    /// Lower bound of the k-th largest |ρ|; −∞ while fewer than k members are bounded.
    pub(super) fn threshold(&self) -> f32 {
        -self.lower.threshold()
    }
}

/// Where one group's results go.
pub(super) struct Out<'a> {
    pub(super) ids: &'a mut [u32],
    pub(super) distances: &'a mut [f64],
    pub(super) certificates: &'a mut [Certificate],
}

/// An `f32` not above `x`.
fn below(x: f64) -> f32 {
    (x as f32).next_down()
}

impl ResidualIndex {
    /// Answers the group of queries in `scratch.queries`, `k` at most the number of members.
    ///
    /// Queries that bounds say nothing about, which takes a few blocks to notice, are put off: measuring all members for the
    /// few of a group waits for memory, so those of all groups are answered together afterwards. Returns through
    /// [`Certificate::is_put_off`] which they are.
    pub(super) fn search_group(
        &self,
        scratch: &mut Scratch,
        k: usize,
        (pruning, relations): (Pruning, Option<&Relations>),
        out: Out<'_>,
    ) -> Result<(), ResidualError> {
        let count = scratch.queries.len();
        while scratch.states.len() < count {
            scratch.states.push(State::new(k)?);
        }
        for state in &mut scratch.states[..count] {
            state.lower.reset(k)?;
            state.best.reset(k)?;
            state.candidates.clear();
            state.uppers.clear();
            state.loose = 0;
            state.skipped = 0.0;
            state.certificate = Certificate::default();
        }
        match pruning {
            Pruning::None => {
                for block in 0..self.blocks.len() {
                    scratch.active.clear();
                    let limits = scratch.queries.limits.iter().enumerate();
                    scratch.active.extend(
                        limits.filter(|(_, limit)| **limit > self.blocks[block].lowest_id).map(|(i, _)| i),
                    );
                    self.measure_block(scratch, block, true)?;
                }
            }
            Pruning::Bounds => {
                self.put_off_apart(scratch);
                if let Some(relations) = relations {
                    self.visit_related(scratch, relations)?;
                } else {
                    self.bound_blocks(scratch)?;
                    self.visit_blocks(scratch)?;
                }
                self.bound_apart(scratch)?;
            }
        }
        self.measure_candidates(scratch)?;
        self.write(scratch, k, out);
        Ok(())
    }

    /// Step 1.
    fn bound_blocks(&self, scratch: &mut Scratch) -> Result<(), ResidualError> {
        let count = scratch.queries.len();
        let rows = count.next_multiple_of(TILE);
        scratch.queries.v.resize(rows * self.field.stride, 0.0)?;
        scratch.offsets.clear();
        let mut total = 0;
        for block in &self.blocks {
            scratch.offsets.push(total);
            total += block.size() * rows;
        }
        scratch.coordinates.resize(total, 0.0);
        scratch.bounds.clear();
        scratch.bounds.resize(self.blocks.len() * count, NOTHING);
        let dim = self.field.dim();
        let queries = &mut scratch.queries;
        if self.blocks.iter().any(|block| block.size() > 0 && block.probe.columns < self.field.rank) {
            queries.round()?;
        }
        let queries = &scratch.queries;
        let farthest_limit = queries.limits.iter().copied().max().unwrap_or(0);
        for (index, block) in self.blocks.iter().enumerate() {
            if block.lowest_id >= farthest_limit {
                continue;
            }
            let size = block.size();
            let bounds = &mut scratch.bounds[index * count..(index + 1) * count];
            if size == 0 {
                bounds.fill(QueryBounds { upper: f32::INFINITY, ..NOTHING });
                continue;
            }
            let coordinates = &mut scratch.coordinates[scratch.offsets[index]..][..rows * size];
            block.probe.coordinates(
                &self.field,
                block.feature,
                block.probe.all(&self.field, queries),
                rows,
                &mut scratch.probe,
                coordinates,
            )?;
            for (i, (coordinates, bounds)) in coordinates.chunks_exact(size).zip(bounds).enumerate() {
                if queries.limits[i] <= block.lowest_id {
                    continue;
                }
                let length = probe::squared_norm(coordinates);
                let x = &queries.coords[i * dim..(i + 1) * dim];
                let offset = match block.feature {
                    Feature::Residual => 0.0,
                    Feature::LowRank => block.offset(&self.field, x, &mut [0.0; MAX_DIM][..dim]),
                };
                *bounds = block.query_bounds(&self.field, queries, i, length, offset);
                scratch.states[i].certificate.pivot_evaluations += block.pivots.len() as u32;
            }
        }
        Ok(())
    }

    /// Step 2.
    fn visit_blocks(&self, scratch: &mut Scratch) -> Result<(), ResidualError> {
        let count = scratch.queries.len();
        for block in 0..self.blocks.len() {
            scratch.active.clear();
            for i in 0..count {
                let eligible = scratch.bounds[block * count + i].upper > f32::NEG_INFINITY;
                if eligible && scratch.queries.homes[i] as usize == block && !scratch.states[i].is_put_off() {
                    scratch.active.push(i);
                }
            }
            self.bound_members(scratch, block)?;
        }
        self.sort_visits(scratch);
        for visit in 0..scratch.visits.len() {
            let block = scratch.visits[visit].1;
            scratch.active.clear();
            for i in 0..count {
                let upper = scratch.bounds[block * count + i].upper;
                if scratch.queries.homes[i] as usize == block || upper == f32::NEG_INFINITY {
                    continue;
                }
                let state = &mut scratch.states[i];
                if state.is_put_off() {
                    continue;
                }
                if reaches(upper, state.threshold()) {
                    scratch.active.push(i);
                } else {
                    state.skipped = state.skipped.max(upper);
                }
            }
            self.bound_members(scratch, block)?;
        }
        Ok(())
    }

    /// Blocks that promise most to most queries first: thresholds rise early.
    pub(super) fn sort_visits(&self, scratch: &mut Scratch) {
        let bounds = scratch.bounds.chunks_exact(scratch.queries.len());
        scratch.visits.clear();
        scratch.visits.extend(bounds.enumerate().map(|(block, bounds)| {
            let promise: f32 = bounds.iter().map(|bounds| bounds.upper.clamp(0.0, 1.0)).sum();
            (promise, block)
        }));
        scratch.visits.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    }

    /// Measures `all` eligible members of a block for the active queries, or only those that it bounds, in tiles.
    pub(super) fn measure_block(
        &self,
        scratch: &mut Scratch,
        index: usize,
        all: bool,
    ) -> Result<(), ResidualError> {
        let range = self.blocks[index].range;
        if scratch.active.is_empty() {
            return Ok(());
        }
        scratch.active_v.clear();
        let (rank, stride) = (self.field.rank, self.field.stride);
        for &i in &scratch.active {
            scratch.active_v.extend_from_slice(&scratch.queries.v[i * stride..(i + 1) * stride])?;
        }
        // Two or three rows besides whole fours take longer than four.
        let mut count = scratch.active.len();
        if count % FOUR > 1 {
            count = count.next_multiple_of(FOUR);
            scratch.active_v.resize(count * stride, 0.0)?;
        }
        let rows = Rows::with_stride(&scratch.active_v, count, rank, stride)?;
        let (queries, active) = (&scratch.queries, &scratch.active);
        let (dots, exact) = ((&mut scratch.gathered, &mut scratch.dots), &mut scratch.exact);
        self.field.correlations_tile(queries, rows, active, range, dots, exact)?;
        let ids = if all { &self.order.ids[range.start..range.end()] } else { &self.blocks[index].ids };
        for (&i, correlations) in active.iter().zip(scratch.exact.chunks_exact_mut(range.len)) {
            let state = &mut scratch.states[i];
            let own = (queries.places[i] as usize).wrapping_sub(range.start);
            if let Some(own) = correlations.get_mut(own) {
                *own = 1.0;
            }
            let limit = queries.limits[i];
            state.certificate.pair_evaluations += range.len as u32;
            // 1 − |ρ| decides nearly always, the root only near the threshold.
            let mut reach = reach_of(&state.best);
            for (&correlation, &id) in correlations.iter().zip(ids) {
                let left = 1.0 - correlation.abs();
                if left <= reach && id < limit {
                    state.best.push(Neighbor::new(id, distance(left)));
                    reach = reach_of(&state.best);
                }
            }
            state.raise();
        }
        Ok(())
    }

    /// Step 4.
    pub(super) fn measure_candidates(&self, scratch: &mut Scratch) -> Result<(), ResidualError> {
        let queries = &scratch.queries;
        for (i, state) in scratch.states[..queries.len()].iter_mut().enumerate() {
            if state.candidates.is_empty() {
                continue;
            }
            let threshold = state.threshold();
            let mut kept = 0;
            for at in 0..state.candidates.len() {
                if reaches(state.uppers[at], threshold) {
                    state.candidates[kept] = state.candidates[at];
                    kept += 1;
                }
            }
            state.candidates.truncate(kept);
            if threshold > f32::NEG_INFINITY {
                state.skipped = state.skipped.max(threshold);
            }
            let (dots, exact) = ((&mut scratch.numbers, &mut scratch.dots), &mut scratch.exact);
            self.field.correlations_at(queries, i, &state.candidates, dots, exact)?;
            for (&place, &correlation) in state.candidates.iter().zip(exact.iter()) {
                let left = if place == queries.places[i] { 0.0 } else { 1.0 - correlation.abs() };
                state.best.push(Neighbor::new(self.order.ids[place as usize], distance(left)));
            }
            state.certificate.pair_evaluations += kept as u32;
            state.candidates.clear();
            state.uppers.clear();
        }
        Ok(())
    }

    fn write(&self, scratch: &mut Scratch, k: usize, out: Out<'_>) {
        let lines = out.ids.chunks_exact_mut(k).zip(out.distances.chunks_exact_mut(k)).zip(out.certificates);
        for (i, (state, ((ids, distances), certificate))) in scratch.states.iter_mut().zip(lines).enumerate()
        {
            let found = state.best.sorted();
            for ((id, distance), neighbor) in ids.iter_mut().zip(distances).zip(found) {
                (*id, *distance) = (neighbor.id, neighbor.distance);
            }
            let error = scratch.queries.errors[i] * self.largest_error;
            let last = found.last().filter(|_| found.len() == k);
            let last = last.map_or(0.0, |neighbor| 1.0 - neighbor.distance * neighbor.distance);
            let bound = f64::from(state.skipped.max(0.0));
            *certificate = Certificate {
                bound,
                bound_gap: last - bound,
                error,
                error_f32: error * f64::from(f32::EPSILON) / f64::EPSILON,
                ..state.certificate
            };
            if state.is_put_off() {
                certificate.put_off();
            }
        }
    }
}

/// Whether an upper bound may reach a threshold: one that is no number, from numbers beyond what `f32` holds, may.
pub(super) fn reaches(upper: f32, threshold: f32) -> bool {
    upper.partial_cmp(&(threshold - ROUNDING)) != Some(std::cmp::Ordering::Less)
}

/// √(1 − |ρ|) of 1 − |ρ|, which rounding can make negative.
fn distance(left: f64) -> f64 {
    left.max(0.0).sqrt()
}

/// What 1 − |ρ| must not exceed to enter, with room for the root's rounding.
fn reach_of(best: &TopK<f64>) -> f64 {
    let worst = best.threshold();
    worst * worst * (1.0 + 4.0 * f64::EPSILON)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_are_no_number_reach_every_threshold() {
        assert!(reaches(0.5, 0.5) && reaches(0.5 - ROUNDING / 2.0, 0.5) && !reaches(0.49, 0.5));
        assert!(reaches(f32::NAN, 0.5) && reaches(f32::INFINITY, 0.5) && reaches(0.0, f32::NEG_INFINITY));
    }
}
