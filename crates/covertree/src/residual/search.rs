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
use super::bounds::QueryBounds;
use super::error::ResidualError;
use super::field::{Feature, MAX_DIM, Queries};
use super::order::Range;
use super::probe;
use super::table::Certificate;

/// Most queries in a group: a block's pivots stream past all of them from the second-level cache.
const GROUP: usize = 192;

/// Queries in a group, for that many in all; it does not depend on threads, so that certificates do not either.
pub(super) fn group_of(queries: usize) -> usize {
    (queries / 2).next_multiple_of(TILE).clamp(TILE, GROUP)
}

/// Queries that the panel kernels take together (12 on AVX-512); what is left over costs as much one by one, so
/// rows are padded to whole tiles. A multiple of what other tiers take.
const TILE: usize = 12;

/// Active queries whose bounds are computed together: their products with a block stay in the second-level cache.
const CHUNK: usize = 48;

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
const ROUNDING: f32 = 16.0 * f32::EPSILON;

/// Members that give a query its first threshold, at least.
const SEEDS: usize = 256;

/// What measuring a picked member costs, in members of a tile.
const PICKED_COST: usize = 6;
/// The same, in members of a tile that few queries share.
const PICKED_COST_ALONE: usize = 2;

/// A query is put off where bounds leave this much of blocks, in tenths, that have so many members together.
const LOOSE: usize = 9;
const LOOSE_MEMBERS: usize = 1536;

/// Buffers of a search, reused from group to group. Grow to what the largest group needed.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    pub(super) queries: Queries,
    dots: Vec<f64>,
    exact: Vec<f64>,
    probe: probe::Scratch,
    /// Coordinates of the group for each block.
    coordinates: Vec<f32>,
    /// Where a block's coordinates start.
    offsets: Vec<usize>,
    /// By block and query.
    bounds: Vec<QueryBounds>,
    /// Blocks and what they promise, best first.
    visits: Vec<(f32, usize)>,
    active: Vec<usize>,
    /// Candidates that the active queries had before.
    before: Vec<usize>,
    active_rows: Vec<f32>,
    active_v: AlignedVec<f64>,
    active_offsets: Vec<f32>,
    active_norms: Vec<f32>,
    products: Vec<f32>,
    covariances: Vec<f32>,
    uppers: Vec<f32>,
    lowers: Vec<f32>,
    hits: Vec<u32>,
    hit_bounds: Vec<f32>,
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
    /// Members of blocks of which bounds left nearly all.
    loose: usize,
    /// Everything that was skipped lies below.
    skipped: f32,
    certificate: Certificate,
}

impl State {
    /// Whether all members are to be measured for this query, later.
    fn is_put_off(&self) -> bool {
        self.loose >= LOOSE_MEMBERS
    }

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

/// Which members of a block give a query its first threshold: those around its own place, if it has one there and all
/// are eligible.
fn seeds(range: Range, own: u32, all: bool, k: usize) -> std::ops::Range<usize> {
    let wanted = SEEDS.max(4 * k);
    match (own as usize).checked_sub(range.start) {
        Some(own) if own < range.len && all && wanted < range.len => {
            let start = own.saturating_sub(wanted / 2).min(range.len - wanted);
            start..start + wanted
        }
        _ => 0..range.len,
    }
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
                loose: 0,
                skipped: 0.0,
                certificate: Certificate::default(),
            });
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
        let nothing = QueryBounds { remainder: 0.0, slack: 0.0, upper: f32::NEG_INFINITY };
        scratch.bounds.resize(self.blocks.len() * count, nothing);
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
                bounds.fill(QueryBounds { upper: f32::INFINITY, ..nothing });
                continue;
            }
            let coordinates = &mut scratch.coordinates[scratch.offsets[index]..][..rows * size];
            block.probe.coordinates(
                &self.field,
                block.feature,
                queries,
                rows,
                &mut scratch.probe,
                coordinates,
            )?;
            for (i, (coordinates, bounds)) in coordinates.chunks_exact(size).zip(bounds).enumerate() {
                if queries.limits[i] <= block.lowest_id {
                    continue;
                }
                let length = squared_norm(coordinates);
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
                if eligible && scratch.queries.homes[i] as usize == block {
                    scratch.active.push(i);
                }
            }
            self.bound_members(scratch, block)?;
        }
        // Blocks that promise most to most queries first: thresholds rise early.
        scratch.visits.clear();
        scratch.visits.extend(scratch.bounds.chunks_exact(count).enumerate().map(|(block, bounds)| {
            let promise: f32 = bounds.iter().map(|bounds| bounds.upper.clamp(0.0, 1.0)).sum();
            (promise, block)
        }));
        scratch.visits.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
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
                if upper >= state.threshold() - ROUNDING {
                    scratch.active.push(i);
                } else {
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
        let size = block.size();
        if scratch.active.is_empty() {
            return Ok(());
        }
        if size == 0 {
            return self.measure_block(scratch, index);
        }
        scratch.before.clear();
        scratch.before.extend(scratch.active.iter().map(|&i| scratch.states[i].candidates.len()));
        for start in (0..scratch.active.len()).step_by(CHUNK) {
            self.bound_chunk(scratch, index, start..scratch.active.len().min(start + CHUNK))?;
        }
        self.measure_heavy(scratch, index)
    }

    /// Bounds the members of a block for some of the active queries, and adds those that may be neighbours to their
    /// candidates.
    fn bound_chunk(
        &self,
        scratch: &mut Scratch,
        index: usize,
        chunk: std::ops::Range<usize>,
    ) -> Result<(), ResidualError> {
        let block = &self.blocks[index];
        let (count, size, range) = (scratch.queries.len(), block.size(), block.range);
        let coordinates = &scratch.coordinates[scratch.offsets[index]..];
        scratch.active_rows.clear();
        for &i in &scratch.active[chunk.clone()] {
            scratch.active_rows.extend_from_slice(&coordinates[i * size..(i + 1) * size]);
        }
        let padded = block.remainders.len();
        let rows = chunk.len().next_multiple_of(TILE);
        scratch.active_rows.resize(rows * size, 0.0);
        scratch.products.resize(rows * padded, 0.0);
        block.products(&self.field, &scratch.active_rows, &mut scratch.products)?;
        if block.feature == Feature::LowRank {
            self.covariances_of_active(scratch, index, chunk.clone(), rows)?;
        }
        scratch.uppers.resize(range.len, 0.0);
        scratch.hits.resize(range.len, 0);
        scratch.hit_bounds.resize(range.len, 0.0);
        let remainders = &block.remainders[..range.len];
        let ids = &self.order.ids[range.start..range.end()];
        for (row, (&i, products)) in
            scratch.active[chunk].iter().zip(scratch.products.chunks_exact(padded)).enumerate()
        {
            let at = index * count + i;
            let QueryBounds { remainder, slack, .. } = scratch.bounds[at];
            let state = &mut scratch.states[i];
            let limit = scratch.queries.limits[i];
            let own = scratch.queries.places[i];
            let bounds = &mut scratch.uppers[..];
            // Negative upper bounds.
            let members = remainders.iter().zip(&block.scales);
            match block.feature {
                Feature::Residual => {
                    for ((bound, product), (of_member, scale)) in bounds.iter_mut().zip(products).zip(members)
                    {
                        *bound = -(product.abs() + (remainder * of_member + slack * scale));
                    }
                }
                Feature::LowRank => {
                    // h·g estimates what the low-rank part takes off k w w.
                    let weight = scratch.queries.weights[i] as f32;
                    let covariances = &scratch.covariances[row * padded..(row + 1) * padded];
                    let estimates = products.iter().zip(covariances);
                    for ((bound, (product, covariance)), (of_member, scale)) in
                        bounds.iter_mut().zip(estimates).zip(members)
                    {
                        let estimate = covariance * (weight * scale) - product;
                        *bound = -(estimate.abs() + (remainder * of_member + slack * scale));
                    }
                }
            }
            let width = |at: usize| remainder * remainders[at] + slack * block.scales[at];
            if limit as usize <= self.field.len() {
                for (bound, &id) in bounds.iter_mut().zip(ids) {
                    *bound = if id < limit { *bound } else { f32::INFINITY };
                }
            }
            if range.start <= own as usize
                && (own as usize) < range.end()
                && limit as usize > self.field.len()
            {
                bounds[own as usize - range.start] = -1.0;
            }
            let mut threshold = state.threshold();
            if threshold == f32::NEG_INFINITY {
                // No threshold yet: one from the best lower bounds of the members around the query.
                let seeds = seeds(range, own, limit as usize > self.field.len(), state.lower.k());
                scratch.lowers.clear();
                scratch.lowers.extend(bounds[seeds.clone()].iter().zip(seeds.clone()).map(|(bound, at)| {
                    (bound + 2.0 * width(at)).min(if *bound < 0.0 { 0.0 } else { *bound })
                }));
                let wanted = state.lower.k().min(seeds.len());
                let (ids, lowers) = (&mut scratch.hits[..wanted], &mut scratch.hit_bounds[..wanted]);
                let first = (range.start + seeds.start) as u32;
                let found = self.field.kernels.top_k(&scratch.lowers, first, wanted, ids, lowers)?;
                for (&place, &lower) in ids.iter().zip(&*lowers).take(found) {
                    if lower < f32::INFINITY {
                        state.lower.push(Neighbor::new(place, lower));
                    }
                }
                threshold = state.threshold();
                let reach = if threshold == f32::NEG_INFINITY { f32::INFINITY } else { ROUNDING - threshold };
                let found = self.field.kernels.select_below(
                    bounds,
                    reach,
                    range.start as u32,
                    &mut scratch.hits,
                    &mut scratch.hit_bounds,
                )?;
                for (&place, &bound) in scratch.hits[..found].iter().zip(&scratch.hit_bounds[..found]) {
                    let at = place as usize - range.start;
                    if !seeds.contains(&at) && bound < f32::INFINITY {
                        state.lower.push(Neighbor::new(place, -(-bound - 2.0 * width(at)).max(0.0)));
                    }
                    state.candidates.push(place);
                    state.uppers.push(-bound);
                }
                threshold = state.threshold();
            } else {
                let found = self.field.kernels.select_below(
                    bounds,
                    ROUNDING - threshold,
                    range.start as u32,
                    &mut scratch.hits,
                    &mut scratch.hit_bounds,
                )?;
                for (&place, &bound) in scratch.hits[..found].iter().zip(&scratch.hit_bounds[..found]) {
                    let lower = (-bound - 2.0 * width(place as usize - range.start)).max(0.0);
                    state.lower.push(Neighbor::new(place, -lower));
                    state.candidates.push(place);
                    state.uppers.push(-bound);
                }
            }
            if threshold > f32::NEG_INFINITY {
                state.skipped = state.skipped.max(threshold);
            }
        }
        Ok(())
    }

    /// Measures the block for active queries to whom bounds left so much of it that picking would take longer.
    fn measure_heavy(&self, scratch: &mut Scratch, index: usize) -> Result<(), ResidualError> {
        let range = self.blocks[index].range;
        // Where bounds say little, a tile measures all members in less time than it takes to pick them.
        let picked = |scratch: &Scratch, at: usize| {
            scratch.states[scratch.active[at]].candidates.len() - scratch.before[at]
        };
        for at in 0..scratch.active.len() {
            let (i, count) = (scratch.active[at], picked(scratch, at));
            let state = &mut scratch.states[i];
            if count * 10 > range.len * LOOSE && count > 4 * state.best.k() {
                state.loose += range.len;
            }
            if state.is_put_off() {
                state.candidates.clear();
                state.uppers.clear();
            }
        }
        let (active, states) = (&mut scratch.active, &scratch.states);
        let before = &mut scratch.before;
        let mut at = 0;
        let mut kept = 0;
        active.retain(|&i| {
            before[kept] = before[at];
            at += 1;
            kept += usize::from(!states[i].is_put_off());
            !states[i].is_put_off()
        });
        let many =
            (0..scratch.active.len()).filter(|&at| picked(scratch, at) * PICKED_COST > range.len).count();
        let cost = if many >= TILE { PICKED_COST } else { PICKED_COST_ALONE };
        let mut heavy = 0;
        for at in 0..scratch.active.len() {
            if picked(scratch, at) * cost > range.len {
                let (i, before) = (scratch.active[at], scratch.before[at]);
                scratch.states[i].candidates.truncate(before);
                scratch.states[i].uppers.truncate(before);
                scratch.active[heavy] = i;
                heavy += 1;
            }
        }
        if heavy > 0 {
            scratch.active.truncate(heavy);
            return self.measure_block(scratch, index);
        }
        Ok(())
    }

    /// Covariances of some of the active queries with the members of a block, in `f32`.
    fn covariances_of_active(
        &self,
        scratch: &mut Scratch,
        index: usize,
        chunk: std::ops::Range<usize>,
        rows: usize,
    ) -> Result<(), ResidualError> {
        let block = &self.blocks[index];
        let (dim, padded) = (self.field.dim(), block.remainders.len());
        scratch.active_offsets.clear();
        scratch.active_offsets.resize(rows * dim, 0.0);
        scratch.active_norms.clear();
        scratch.active_norms.resize(rows, 0.0);
        let queries = &scratch.queries;
        let places = scratch.active_offsets.chunks_exact_mut(dim).zip(&mut scratch.active_norms);
        for (&i, (offset, norm)) in scratch.active[chunk].iter().zip(places) {
            *norm = block.offset(&self.field, &queries.coords[i * dim..(i + 1) * dim], offset);
        }
        scratch.covariances.resize(rows * padded, 0.0);
        let covariances = &mut scratch.covariances;
        block.covariances(&self.field, &scratch.active_offsets, &scratch.active_norms, covariances)
    }

    /// Measures all eligible members of a block for the active queries, in tiles.
    fn measure_block(&self, scratch: &mut Scratch, index: usize) -> Result<(), ResidualError> {
        let range = self.blocks[index].range;
        if scratch.active.is_empty() {
            return Ok(());
        }
        scratch.active_v.clear();
        let (rank, stride) = (self.field.rank, self.field.stride);
        for &i in &scratch.active {
            scratch.active_v.extend_from_slice(&scratch.queries.v[i * stride..(i + 1) * stride])?;
        }
        let rows = Rows::with_stride(&scratch.active_v, scratch.active.len(), rank, stride)?;
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
                if state.uppers[at] >= threshold - ROUNDING {
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

/// Σ x².
fn squared_norm(x: &[f32]) -> f64 {
    let mut sums = [0.0f64; 16];
    for x in x.chunks_exact(16) {
        for (sum, &x) in sums.iter_mut().zip(x) {
            *sum += f64::from(x) * f64::from(x);
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
