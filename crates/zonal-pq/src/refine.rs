//! From candidates to results: byte rows first where they are kept, then the vectors, each fetched ahead of its use.

use hnsw::Metric;
use hnsw::pieces::{Exact, Query};
use layouts::{Neighbor, TopK, VisitedSet};
use simd_kernels::{Element, Kernels, Measure, Rows, prefetch_slice};

use crate::Error;
use crate::candidates::Candidate;
use crate::posting::Postings;
use crate::route::Probe;
use crate::search::Wanted;
use crate::zones::NONE;

/// Fewest and most rows whose memory is asked for ahead of their use, and the bytes that are to be on their way.
const AHEAD: (usize, usize) = (8, 32);
const ON_THE_WAY: usize = 8 << 10;
/// Most bytes of a row that are asked for ahead: the rest comes with the first.
const FETCHED: usize = 1024;

/// Rows of so many bytes whose memory is asked for ahead of their use.
fn ahead(bytes: usize) -> usize {
    (ON_THE_WAY / bytes.max(1)).clamp(AHEAD.0, AHEAD.1)
}

/// What is known of a query.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a, T> {
    pub(crate) vector: &'a [T],
    pub(crate) inverse_norm: f32,
    /// As an integer row.
    pub(crate) integers: &'a [i8],
}

/// Scratch of refining.
#[derive(Debug)]
pub(crate) struct Refiner {
    /// Zones on the way of the query, where rows can be in two.
    visited: VisitedSet,
    measured: Vec<(f32, Candidate)>,
    pub(crate) results: TopK<f32>,
}

impl Refiner {
    pub(crate) fn new() -> Result<Self, Error> {
        Ok(Self { visited: VisitedSet::new(0)?, measured: Vec::new(), results: TopK::new(1)? })
    }

    /// Measures `candidates` and keeps the nearest of what is wanted.
    #[expect(clippy::too_many_arguments, reason = "a query's whole context, from two callers")]
    pub(crate) fn run<T: Element, P: Postings<T>>(
        &mut self,
        postings: &P,
        probes: &[Probe],
        candidates: &mut [Candidate],
        asked: &Asked<'_, T>,
        metric: Metric,
        wanted: &Wanted,
        kernels: &'static Kernels,
    ) -> Result<(), Error> {
        let k = wanted.k.min(candidates.len());
        self.results.reset(k.max(1))?;
        let zone = |candidate: Candidate| probes.get(candidate.probe()).map_or(NONE, |probe| probe.zone);
        self.measured.clear();
        self.measured.extend(candidates.iter().map(|&candidate| (0.0, candidate)));
        if postings.has_homes() {
            self.visited.reset(postings.zones())?;
            for probe in probes {
                self.visited.insert(probe.zone);
            }
            let visited = &self.visited;
            self.measured.retain(|&(_, candidate)| {
                let home = postings.home(zone(candidate), candidate.row());
                home == NONE || !visited.contains(home)
            });
        }
        postings.bring(self.measured.iter().map(|&(_, candidate)| (zone(candidate), candidate.row())));
        if postings.has_bytes() {
            let fetch = |candidate: Candidate| {
                prefetch_slice(postings.bytes(zone(candidate), candidate.row()), FETCHED);
            };
            let ahead = ahead(asked.integers.len());
            self.measured.iter().take(ahead).for_each(|&(_, candidate)| fetch(candidate));
            let l2 = kernels.forms::<i8>(Measure::L2Squared);
            for index in 0..self.measured.len() {
                if let Some(&(_, next)) = self.measured.get(index + ahead) {
                    fetch(next);
                }
                let Some((key, candidate)) = self.measured.get_mut(index) else { break };
                let (zone, row) = (zone(*candidate), candidate.row());
                let distance = l2.pair(asked.integers, postings.bytes(zone, row))?;
                let shift = if metric == Metric::InnerProduct { postings.norm(zone, row) } else { 0.0 };
                *key = distance as f32 - shift;
            }
            let kept = k + k / 2 + 6;
            if self.measured.len() > kept {
                self.measured.select_nth_unstable_by(kept, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                self.measured.truncate(kept);
            }
        }
        let fetch = |candidate: Candidate| {
            let (zone, row) = (zone(candidate), candidate.row());
            prefetch_slice(postings.vector(zone, row), FETCHED);
            prefetch_slice(postings.ids(zone).get(row..).unwrap_or_default(), 4);
        };
        let ahead = ahead(size_of_val(asked.vector));
        self.measured.iter().take(ahead).for_each(|&(_, candidate)| fetch(candidate));
        for (index, &(_, candidate)) in self.measured.iter().enumerate() {
            if let Some(&(_, next)) = self.measured.get(index + ahead) {
                fetch(next);
            }
            let (zone, row) = (zone(candidate), candidate.row());
            let distance = exact(postings, (zone, row), asked, metric, kernels)?;
            // An id is looked up only for what can count.
            if distance <= wanted.radius
                && distance <= self.results.threshold()
                && let Some(&id) = postings.ids(zone).get(row)
            {
                self.results.push(Neighbor::new(id, distance));
            }
        }
        Ok(())
    }

    /// Measures rows given by id and place, and keeps the `k` nearest.
    pub(crate) fn each<T: Element, P: Postings<T>>(
        &mut self,
        postings: &P,
        rows: impl Iterator<Item = (u32, (u32, u32))>,
        asked: &Asked<'_, T>,
        metric: Metric,
        k: usize,
        kernels: &'static Kernels,
    ) -> Result<(), Error> {
        self.results.reset(k.max(1))?;
        // Filled and emptied in turn: memory is asked for a block ahead.
        let mut block = [(0u32, (0u32, 0u32)); AHEAD.0];
        let mut rows = rows.fuse();
        loop {
            let mut count = 0;
            for (place, row) in block.iter_mut().zip(rows.by_ref()) {
                prefetch_slice(postings.vector(row.1.0, row.1.1 as usize), FETCHED);
                *place = row;
                count += 1;
            }
            if count == 0 {
                return Ok(());
            }
            for &(id, (zone, row)) in block.iter().take(count) {
                let distance = exact(postings, (zone, row as usize), asked, metric, kernels)?;
                self.results.push(Neighbor::new(id, distance));
            }
        }
    }
}

/// The distance of one row, exactly.
#[inline]
fn exact<T: Element, P: Postings<T>>(
    postings: &P,
    (zone, row): (u32, usize),
    asked: &Asked<'_, T>,
    metric: Metric,
    kernels: &'static Kernels,
) -> Result<f32, Error> {
    let query = Query { vector: asked.vector, inverse_norm: asked.inverse_norm };
    let rows = Rows::new(postings.vector(zone, row), asked.vector.len())?;
    let norm = if metric == Metric::Cosine { [postings.norm(zone, row)] } else { [0.0] };
    Ok(Exact { metric, rows, inverse_norms: &norm, kernels }.distance(&query, 0)?)
}
