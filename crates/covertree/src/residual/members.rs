//! Step 2 of a search within a block: bounds of its members for the queries that it may hold neighbours of.

use layouts::Neighbor;
use simd_kernels::{Band, BandRows};

use super::ResidualIndex;
use super::error::ResidualError;
use super::field::Feature;
use super::order::Range;
use super::search::{ROUNDING, Scratch, TILE};
use super::words::add_row;

/// Active queries whose bounds are computed together: their products with a block stay in the second-level cache.
const CHUNK: usize = 48;

/// Members that give a query its first threshold, at least.
const SEEDS: usize = 256;

/// What measuring a picked member costs, in members of a tile.
const PICKED_COST: usize = 3;
/// The same, in members of a tile that few queries share.
const PICKED_COST_ALONE: usize = 2;

/// Bounds that leave more tenths of a block than this are loose.
const LOOSE: usize = 9;

/// Which members of a block give a query its first threshold: those around its own place, if it has one there.
fn seeds(range: Range, own: usize, wanted: usize) -> std::ops::Range<usize> {
    if own < range.len && wanted < range.len {
        let start = own.saturating_sub(wanted / 2).min(range.len - wanted);
        return start..start + wanted;
    }
    0..range.len
}

/// What bounds the members of a block for one query.
struct Members<'a> {
    rows: BandRows<'a>,
    band: Band,
    ids: &'a [u32],
    /// The query's own place in the block, and the id from which on none is eligible.
    own: usize,
    limit: u32,
}

impl Members<'_> {
    fn width(&self, at: usize) -> f32 {
        self.band.width(self.rows.remainders[at], self.rows.scales[at])
    }

    /// The negative lower bound that belongs to an upper one.
    fn lower(&self, at: usize, upper: f32) -> f32 {
        (2.0 * self.width(at) - upper).min(0.0)
    }

    /// The upper bound; of the query itself 1, and nothing for what is not eligible.
    fn upper(&self, at: usize) -> Option<f32> {
        if at == self.own {
            return Some(1.0);
        }
        let minuend = self.rows.minuends.map(|minuends| minuends[at]);
        let (remainder, scale) = (self.rows.remainders[at], self.rows.scales[at]);
        let upper = self.band.upper(self.rows.sums[at], minuend, remainder, scale);
        (self.ids[at] < self.limit).then_some(upper)
    }
}

impl ResidualIndex {
    /// Bounds the members of a block for the active queries.
    pub(super) fn bound_members(&self, scratch: &mut Scratch, index: usize) -> Result<(), ResidualError> {
        let block = &self.blocks[index];
        let size = block.size();
        if scratch.active.is_empty() {
            return Ok(());
        }
        if size == 0 {
            return self.measure_block(scratch, index, false);
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
        scratch.bands.clear();
        for &i in &scratch.active[chunk.clone()] {
            let (bounds, weight) = (&scratch.bounds[index * count + i], scratch.queries.weights[i]);
            let coordinates = &coordinates[i * size..(i + 1) * size];
            let off = add_row(coordinates, bounds.length, &mut scratch.active_rows);
            scratch.bands.push(block.band(bounds, coordinates, off, weight));
        }
        let padded = block.remainders.len();
        let rows = chunk.len().next_multiple_of(TILE);
        scratch.active_rows.resize(rows * size, 0);
        scratch.products.resize(rows * padded, 0);
        block.products(&self.field, &scratch.active_rows, &mut scratch.products)?;
        let low_rank = block.feature == Feature::LowRank;
        if low_rank {
            self.covariances_of_active(scratch, index, chunk.clone(), rows)?;
        }
        let ids = &block.ids[..];
        scratch.hits.resize(range.len, 0);
        scratch.hit_bounds.resize(range.len, 0.0);
        let Scratch { active, products, covariances, queries, bands, states, lowers, .. } = scratch;
        let (hits, hit_bounds) = (&mut scratch.hits, &mut scratch.hit_bounds);
        for (row, (&i, products)) in active[chunk].iter().zip(products.chunks_exact(padded)).enumerate() {
            let limit = queries.limits[i];
            let all = limit as usize > self.field.len();
            let members = Members {
                rows: BandRows {
                    sums: &products[..range.len],
                    minuends: low_rank.then(|| &covariances[row * padded..row * padded + range.len]),
                    remainders: &block.remainders[..range.len],
                    scales: &block.scales[..range.len],
                },
                band: bands[row],
                ids,
                own: if all { (queries.places[i] as usize).wrapping_sub(range.start) } else { usize::MAX },
                limit,
            };
            let state = &mut states[i];
            let mut known = 0..0;
            if state.threshold() == f32::NEG_INFINITY {
                // No threshold yet: one from the best lower bounds of the members around the query.
                known = seeds(range, members.own, SEEDS.max(4 * state.lower.k()));
                lowers.clear();
                let uppers = known.clone().filter_map(|at| Some((at, members.upper(at)?)));
                lowers.extend(uppers.map(|(at, upper)| members.lower(at, upper)));
                let wanted = state.lower.k().min(lowers.len());
                if wanted < lowers.len() {
                    lowers.select_nth_unstable_by(wanted, f32::total_cmp);
                }
                for &lower in &lowers[..wanted] {
                    state.lower.push(Neighbor::new(u32::MAX, lower));
                }
            }
            let level = state.threshold() - ROUNDING;
            let mut keep = |at: usize, upper: f32| {
                if !known.contains(&at) {
                    state.lower.push(Neighbor::new(u32::MAX, members.lower(at, upper)));
                }
                state.candidates.push((range.start + at) as u32);
                state.uppers.push(upper);
            };
            let kernels = self.field.kernels;
            let found = kernels.select_bands_reaching(members.rows, members.band, level, hits, hit_bounds)?;
            for (&at, &upper) in hits[..found].iter().zip(&hit_bounds[..found]) {
                let at = at as usize;
                if at != members.own && ids[at] < limit {
                    keep(at, upper);
                }
            }
            if ids.get(members.own).is_some_and(|&id| id != u32::MAX) {
                keep(members.own, 1.0);
            }
            let threshold = state.threshold();
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
            return self.measure_block(scratch, index, false);
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
}
