//! The search: groups of queries that lie together, against blocks of members.
//!
//! 1. For every block, one tile of correlations of the group with the block's pivots gives the queries' coordinates
//!    and with them a bound for the whole block.
//! 2. Each query's most promising block first, then whatever blocks its threshold leaves: one `f32` tile bounds all
//!    members from both sides. The k-th largest *lower* bound is a threshold without any exact correlation.
//! 3. Members whose upper bound reaches the threshold are measured in `f64`.
//!
//! No step drops a member whose computed |ρ| could reach the k-th largest: all bounds carry their own error.

use layouts::{AlignedVec, Neighbor, TopK};
use simd_kernels::Rows;

use super::ResidualIndex;
use super::error::ResidualError;
use super::field::Queries;
use super::table::Certificate;

/// Queries in a group: whole register tiles of the panel kernels (12 on AVX-512), and rows of V that fit the
/// second-level cache beside a block's pivots.
pub(super) const GROUP: usize = 48;

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

/// Buffers of a search, reused from group to group. Grow to what the largest group needed.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) queries: Queries,
    dots: Vec<f64>,
    exact: Vec<f64>,
    correlations: Vec<f32>,
    /// Coordinates of the group for each block.
    coordinates: Vec<f32>,
    /// Where a block's coordinates start.
    offsets: Vec<usize>,
    /// By block and query: remainder bound, slack, upper bound for the block.
    remainders: Vec<f32>,
    slacks: Vec<f32>,
    uppers: Vec<f32>,
    active: Vec<usize>,
    active_rows: Vec<f32>,
    active_v: AlignedVec<f64>,
    products: Vec<f32>,
    bounds: Vec<f32>,
    hits: Vec<u32>,
    hit_bounds: Vec<f32>,
    first: Vec<usize>,
    states: Vec<State>,
}

/// One query's progress.
#[derive(Debug)]
struct State {
    /// The largest lower bounds of |ρ|, as their negatives.
    lower: TopK<f32>,
    /// Members measured.
    best: TopK<f64>,
    /// Members whose upper bound reached the threshold when it was computed.
    candidates: Vec<u32>,
    uppers: Vec<f32>,
    /// Everything that was skipped lies below.
    skipped: f32,
    certificate: Certificate,
}

impl State {
    /// Lower bound of the k-th largest |ρ|; −∞ while fewer than k members are bounded.
    fn threshold(&self) -> f32 {
        -self.lower.threshold()
    }
}

/// Where one group's results go.
pub(super) struct Out<'a> {
    pub(super) ids: &'a mut [u32],
    pub(super) distances: &'a mut [f64],
    pub(super) certificates: &'a mut [Certificate],
}

/// The largest `f32` not above `x`, and the least not below it, up to one step.
fn below(x: f64) -> f32 {
    (x as f32).next_down()
}
fn above(x: f64) -> f32 {
    (x as f32).next_up()
}

impl ResidualIndex {
    /// Answers the group of queries in `scratch.queries`, `k` at most the number of members.
    pub(super) fn search_group(
        &self,
        scratch: &mut Scratch,
        k: usize,
        pruning: Pruning,
        out: Out<'_>,
    ) -> Result<(), ResidualError> {
        let count = scratch.queries.len();
        while scratch.states.len() < count {
            scratch.states.push(State {
                lower: TopK::new(k)?,
                best: TopK::new(k)?,
                candidates: Vec::new(),
                uppers: Vec::new(),
                skipped: 0.0,
                certificate: Certificate::default(),
            });
        }
        for state in &mut scratch.states[..count] {
            state.lower.reset(k)?;
            state.best.reset(k)?;
            state.candidates.clear();
            state.uppers.clear();
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
                    self.measure_block(scratch, block)?;
                }
            }
            Pruning::Bounds => {
                self.bound_blocks(scratch)?;
                self.visit_blocks(scratch)?;
            }
        }
        self.measure_candidates(scratch)?;
        self.write(scratch, k, out);
        Ok(())
    }

    /// Step 1.
    fn bound_blocks(&self, scratch: &mut Scratch) -> Result<(), ResidualError> {
        let count = scratch.queries.len();
        let blocks = self.blocks.len();
        scratch.offsets.clear();
        let mut total = 0;
        for block in &self.blocks {
            scratch.offsets.push(total);
            total += block.size() * count;
        }
        scratch.coordinates.resize(total, 0.0);
        for values in [&mut scratch.remainders, &mut scratch.slacks, &mut scratch.uppers] {
            values.clear();
            values.resize(blocks * count, f32::NEG_INFINITY);
        }
        let dim = self.field.dim();
        let farthest_limit = scratch.queries.limits.iter().copied().max().unwrap_or(0);
        for (index, block) in self.blocks.iter().enumerate() {
            if block.lowest_id >= farthest_limit {
                continue;
            }
            let size = block.size();
            let queries = &scratch.queries;
            let mut norms = [(0.0f32, 0.0f32); GROUP];
            if size > 0 {
                let point = |i: usize, x: &mut [f64]| {
                    x.copy_from_slice(&queries.coords[i * dim..(i + 1) * dim]);
                    queries.weights[i]
                };
                let rows = Rows::new(&queries.v, self.field.rank)?;
                scratch.correlations.resize(count * size, 0.0);
                let (dots, exact) = (&mut scratch.dots, &mut scratch.exact);
                let columns = &block.columns;
                let rounded = &mut scratch.correlations;
                columns.correlations(&self.field, rows, point, dots, exact, rounded, size, 0)?;
                let coordinates = &mut scratch.coordinates[scratch.offsets[index]..][..count * size];
                block.project_queries(&self.field, &scratch.correlations, coordinates)?;
                for ((norms, c), h) in norms
                    .iter_mut()
                    .zip(scratch.correlations.chunks_exact(size))
                    .zip(coordinates.chunks_exact(size))
                {
                    *norms = (squared_norm(c), squared_norm(h));
                }
            }
            for i in 0..count {
                if queries.limits[i] <= block.lowest_id {
                    continue;
                }
                let (c, h) = norms[i];
                let error = above(queries.errors[i]);
                let (remainder, slack) = block.query_bounds(queries.norms[i], error, c, h);
                let at = index * count + i;
                scratch.remainders[at] = remainder;
                scratch.slacks[at] = slack;
                scratch.uppers[at] =
                    h.sqrt() * block.largest_norm + remainder * block.largest_remainder + slack;
                scratch.states[i].certificate.pivot_evaluations += block.pivots.len() as u32;
            }
        }
        Ok(())
    }

    /// Step 2.
    fn visit_blocks(&self, scratch: &mut Scratch) -> Result<(), ResidualError> {
        let count = scratch.queries.len();
        let blocks = self.blocks.len();
        // The block that bounds say most about: where the query's coordinates are longest.
        scratch.first.clear();
        for i in 0..count {
            let remainder = |block: usize| scratch.remainders[block * count + i];
            let eligible = (0..blocks).filter(|&block| scratch.uppers[block * count + i] > f32::NEG_INFINITY);
            let first = eligible.min_by(|&a, &b| remainder(a).total_cmp(&remainder(b)));
            scratch.first.push(first.unwrap_or(usize::MAX));
        }
        for block in 0..blocks {
            scratch.active.clear();
            scratch.active.extend((0..count).filter(|&i| scratch.first[i] == block));
            self.bound_members(scratch, block)?;
        }
        for block in 0..blocks {
            scratch.active.clear();
            for i in 0..count {
                let upper = scratch.uppers[block * count + i];
                if scratch.first[i] == block || upper == f32::NEG_INFINITY {
                    continue;
                }
                if upper >= scratch.states[i].threshold() {
                    scratch.active.push(i);
                } else {
                    let state = &mut scratch.states[i];
                    state.skipped = state.skipped.max(upper);
                }
            }
            self.bound_members(scratch, block)?;
        }
        Ok(())
    }

    /// Bounds the members of a block for the active queries.
    fn bound_members(&self, scratch: &mut Scratch, index: usize) -> Result<(), ResidualError> {
        let block = &self.blocks[index];
        let (count, size) = (scratch.queries.len(), block.size());
        if scratch.active.is_empty() {
            return Ok(());
        }
        if size == 0 {
            return self.measure_block(scratch, index);
        }
        let range = self.order.blocks[index];
        let coordinates = &scratch.coordinates[scratch.offsets[index]..][..count * size];
        scratch.active_rows.clear();
        for &i in &scratch.active {
            scratch.active_rows.extend_from_slice(&coordinates[i * size..(i + 1) * size]);
        }
        let padded = block.remainders.len();
        scratch.products.resize(scratch.active.len() * padded, 0.0);
        block.products(&self.field, &scratch.active_rows, &mut scratch.products)?;
        scratch.bounds.resize(range.len, 0.0);
        scratch.hits.resize(range.len, 0);
        scratch.hit_bounds.resize(range.len, 0.0);
        let remainders = &block.remainders[..range.len];
        let ids = &self.order.ids[range.start..range.end()];
        for (&i, products) in scratch.active.iter().zip(scratch.products.chunks_exact(padded)) {
            let at = index * count + i;
            let (remainder, slack) = (scratch.remainders[at], scratch.slacks[at]);
            let state = &mut scratch.states[i];
            let limit = scratch.queries.limits[i];
            let own = scratch.queries.places[i];
            let bounds = &mut scratch.bounds[..];
            // Negative upper bounds, less the slack that all share.
            for ((bound, product), of_member) in bounds.iter_mut().zip(products).zip(remainders) {
                *bound = -(product.abs() + remainder * of_member);
            }
            if limit as usize <= self.field.len() {
                for (bound, &id) in bounds.iter_mut().zip(ids) {
                    *bound = if id < limit { *bound } else { f32::INFINITY };
                }
            }
            if range.start <= own as usize
                && (own as usize) < range.end()
                && limit as usize > self.field.len()
            {
                bounds[own as usize - range.start] = -2.0;
            }
            let mut threshold = state.threshold();
            if threshold == f32::NEG_INFINITY {
                // No threshold yet: one from the best lower bounds of this block.
                for (at, (bound, of_member)) in bounds.iter().zip(remainders).enumerate() {
                    if *bound < f32::INFINITY {
                        let lower = (-bound - 2.0 * remainder * of_member - slack).max(0.0);
                        state.lower.push(Neighbor::new((range.start + at) as u32, -lower));
                    }
                }
                threshold = state.threshold();
                let reach = if threshold == f32::NEG_INFINITY { f32::INFINITY } else { slack - threshold };
                let found = self.field.kernels.select_below(
                    bounds,
                    reach.next_up(),
                    range.start as u32,
                    &mut scratch.hits,
                    &mut scratch.hit_bounds,
                )?;
                state.candidates.extend_from_slice(&scratch.hits[..found]);
                state.uppers.extend(scratch.hit_bounds[..found].iter().map(|bound| slack - bound));
            } else {
                let found = self.field.kernels.select_below(
                    bounds,
                    (slack - threshold).next_up(),
                    range.start as u32,
                    &mut scratch.hits,
                    &mut scratch.hit_bounds,
                )?;
                for (&place, &bound) in scratch.hits[..found].iter().zip(&scratch.hit_bounds[..found]) {
                    let of_member = remainders[place as usize - range.start];
                    let lower = (-bound - 2.0 * remainder * of_member - slack).max(0.0);
                    state.lower.push(Neighbor::new(place, -lower));
                    state.candidates.push(place);
                    state.uppers.push(slack - bound);
                }
            }
            if threshold > f32::NEG_INFINITY {
                state.skipped = state.skipped.max(threshold);
            }
        }
        Ok(())
    }

    /// Measures all eligible members of a block for the active queries, in tiles.
    fn measure_block(&self, scratch: &mut Scratch, index: usize) -> Result<(), ResidualError> {
        let range = self.order.blocks[index];
        if scratch.active.is_empty() {
            return Ok(());
        }
        scratch.active_v.clear();
        let rank = self.field.rank;
        for &i in &scratch.active {
            scratch.active_v.extend_from_slice(&scratch.queries.v[i * rank..(i + 1) * rank])?;
        }
        let rows = Rows::new(&scratch.active_v, rank)?;
        let (queries, active) = (&scratch.queries, &scratch.active);
        let (dots, exact) = (&mut scratch.dots, &mut scratch.exact);
        self.field.correlations_tile(queries, rows, active, range, dots, exact)?;
        let ids = &self.order.ids[range.start..range.end()];
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
            if state.best.len() == state.best.k() {
                // Bounds of other blocks have to beat this, errors of both included.
                let worst = state.best.threshold();
                let lower = below(1.0 - worst * worst) - 4.0 * f32::EPSILON;
                while state.lower.threshold() > -lower {
                    state.lower.push(Neighbor::new(u32::MAX, -lower));
                }
            }
        }
        Ok(())
    }

    /// Step 3.
    fn measure_candidates(&self, scratch: &mut Scratch) -> Result<(), ResidualError> {
        let queries = &scratch.queries;
        for (i, state) in scratch.states[..queries.len()].iter_mut().enumerate() {
            if state.candidates.is_empty() {
                continue;
            }
            let threshold = state.threshold();
            let mut kept = 0;
            for at in 0..state.candidates.len() {
                if state.uppers[at] >= threshold {
                    state.candidates[kept] = state.candidates[at];
                    kept += 1;
                }
            }
            state.candidates.truncate(kept);
            if threshold > f32::NEG_INFINITY {
                state.skipped = state.skipped.max(threshold);
            }
            let (dots, exact) = (&mut scratch.dots, &mut scratch.exact);
            self.field.correlations_at(queries, i, &state.candidates, dots, exact)?;
            for (&place, &correlation) in state.candidates.iter().zip(exact.iter()) {
                let left = if place == queries.places[i] { 0.0 } else { 1.0 - correlation.abs() };
                state.best.push(Neighbor::new(self.order.ids[place as usize], distance(left)));
            }
            state.certificate.pair_evaluations += kept as u32;
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
            let error = scratch.queries.errors[i] * f64::from(self.largest_error);
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
        }
    }
}

/// Σ x².
fn squared_norm(x: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    for x in x.chunks_exact(16) {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum += x * x;
        }
    }
    sums.iter().sum()
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
