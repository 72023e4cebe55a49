//! From candidates to results: byte rows first where they are kept, then the vectors, each fetched ahead of its use.

use hnsw::Metric;
use hnsw::pieces::{Exact, Query};
use layouts::{Neighbor, TopK, VisitedSet};
use simd_kernels::{Element, Kernels, Measure, Rows, prefetch_slice};

use crate::Error;
use crate::candidates::Candidate;
use crate::posting::Postings;
use crate::route::Probe;
use crate::zones::NONE;

/// Rows whose memory is asked for ahead of their use.
const AHEAD: usize = 8;
/// Most bytes of a row that are asked for ahead: the rest comes with the first.
const FETCHED: usize = 1024;

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

    /// Measures `candidates` and keeps the `k` nearest that are not farther than `radius`.
    #[expect(clippy::too_many_arguments, reason = "a query's whole context; it is one call site")]
    pub(crate) fn run<T: Element, P: Postings<T>>(
        &mut self,
        postings: &P,
        probes: &[Probe],
        candidates: &mut [Candidate],
        asked: &Asked<'_, T>,
        metric: Metric,
        k: usize,
        radius: f32,
        kernels: &'static Kernels,
    ) -> Result<(), Error> {
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
        if postings.has_bytes() {
            let fetch = |candidate: Candidate| {
                prefetch_slice(postings.bytes(zone(candidate), candidate.row()), FETCHED);
            };
            self.measured.iter().take(AHEAD).for_each(|&(_, candidate)| fetch(candidate));
            let l2 = kernels.forms::<i8>(Measure::L2Squared);
            for index in 0..self.measured.len() {
                if let Some(&(_, next)) = self.measured.get(index + AHEAD) {
                    fetch(next);
                }
                let Some((key, candidate)) = self.measured.get_mut(index) else { break };
                let (zone, row) = (zone(*candidate), candidate.row());
                let distance = l2.pair(asked.integers, postings.bytes(zone, row))?;
                let shift = if metric == Metric::InnerProduct { postings.norm(zone, row) } else { 0.0 };
                *key = distance as f32 - shift;
            }
            let wanted = k + k / 2 + 6;
            if self.measured.len() > wanted {
                self.measured.select_nth_unstable_by(wanted, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                self.measured.truncate(wanted);
            }
        }
        let query = Query { vector: asked.vector, inverse_norm: asked.inverse_norm };
        let fetch = |candidate: Candidate| {
            let (zone, row) = (zone(candidate), candidate.row());
            prefetch_slice(postings.vector(zone, row), FETCHED);
            prefetch_slice(postings.ids(zone).get(row..).unwrap_or_default(), 4);
        };
        self.measured.iter().take(AHEAD).for_each(|&(_, candidate)| fetch(candidate));
        for (index, &(_, candidate)) in self.measured.iter().enumerate() {
            if let Some(&(_, next)) = self.measured.get(index + AHEAD) {
                fetch(next);
            }
            let (zone, row) = (zone(candidate), candidate.row());
            let vector = Rows::new(postings.vector(zone, row), asked.vector.len())?;
            let norm = if metric == Metric::Cosine { [postings.norm(zone, row)] } else { [0.0] };
            let exact = Exact { metric, rows: vector, inverse_norms: &norm, kernels };
            let distance = exact.distance(&query, 0)?;
            // An id is looked up only for what can count.
            if distance <= radius
                && distance <= self.results.threshold()
                && let Some(&id) = postings.ids(zone).get(row)
            {
                self.results.push(Neighbor::new(id, distance));
            }
        }
        Ok(())
    }
}
