//! From candidates to results: byte rows first where they are kept, then the vectors, each fetched ahead of its use.

use hnsw::Metric;
use hnsw::pieces::{Exact, Query};
use layouts::{Neighbor, TopK, VisitedSet};
use simd_kernels::{Element, Kernels, Measure, Rows, prefetch_slice};

use crate::Error;
use crate::candidates::Candidate;
use crate::posting::{Posting, Postings};
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

/// Row `row` of a posting's `all`.
#[inline]
fn at<U>(all: &[U], row: usize, width: usize) -> &[U] {
    all.get(row * width..(row + 1) * width).unwrap_or_default()
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
        let mut twice = false;
        self.measured.clear();
        for &candidate in candidates.iter() {
            self.measured.push((0.0, candidate));
            twice |= !postings.posting(zone(candidate)).homes.is_empty();
        }
        if twice {
            self.visited.reset(postings.zones())?;
            for probe in probes {
                self.visited.insert(probe.zone);
            }
            let visited = &self.visited;
            self.measured.retain(|&(_, candidate)| {
                let home = postings.posting(zone(candidate)).homes.get(candidate.row()).copied();
                home.is_none_or(|home| home == NONE || !visited.contains(home))
            });
        }
        let dim = asked.vector.len();
        let row_dim = asked.integers.len();
        let by_bytes =
            self.measured.first().is_some_and(|&(_, first)| !postings.posting(zone(first)).bytes.is_empty());
        if by_bytes {
            let fetch = |candidate: Candidate| {
                let posting = postings.posting(zone(candidate));
                prefetch_slice(at(posting.bytes, candidate.row(), row_dim), FETCHED);
            };
            self.measured.iter().take(AHEAD).for_each(|&(_, candidate)| fetch(candidate));
            let l2 = kernels.forms::<i8>(Measure::L2Squared);
            for index in 0..self.measured.len() {
                if let Some(&(_, next)) = self.measured.get(index + AHEAD) {
                    fetch(next);
                }
                let Some((key, candidate)) = self.measured.get_mut(index) else { break };
                let posting = postings.posting(zone(*candidate));
                let distance = l2.pair(asked.integers, at(posting.bytes, candidate.row(), row_dim))?;
                let shift = match metric {
                    Metric::InnerProduct => posting.norms.get(candidate.row()).copied().unwrap_or(0.0),
                    _ => 0.0,
                };
                *key = distance as f32 - shift;
            }
            let wanted = k + k / 2 + 6;
            if self.measured.len() > wanted {
                self.measured
                    .select_nth_unstable_by(wanted, |a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
                self.measured.truncate(wanted);
            }
        }
        let query = Query { vector: asked.vector, inverse_norm: asked.inverse_norm };
        let fetch = |candidate: Candidate| {
            let posting = postings.posting(zone(candidate));
            prefetch_slice(at(posting.vectors, candidate.row(), dim), FETCHED);
        };
        self.measured.iter().take(AHEAD).for_each(|&(_, candidate)| fetch(candidate));
        for (index, &(_, candidate)) in self.measured.iter().enumerate() {
            if let Some(&(_, next)) = self.measured.get(index + AHEAD) {
                fetch(next);
            }
            let posting = postings.posting(zone(candidate));
            let distance = exact(&posting, metric, dim, kernels)?.distance(&query, candidate.row() as u32)?;
            if distance <= radius
                && let Some(&id) = posting.ids.get(candidate.row())
            {
                self.results.push(Neighbor::new(id, distance));
            }
        }
        Ok(())
    }
}

/// The vectors of a posting, to be measured.
fn exact<'a, T: Element>(
    posting: &Posting<'a, T>,
    metric: Metric,
    dim: usize,
    kernels: &'static Kernels,
) -> Result<Exact<'a, T>, Error> {
    let inverse_norms = if metric == Metric::Cosine { posting.norms } else { &[] };
    Ok(Exact { metric, rows: Rows::new(posting.vectors, dim)?, inverse_norms, kernels })
}
