//! A query from end to end: round it, find its zones, scan their codes, measure the best.

use std::ops::Range;
use std::time::{Duration, Instant};

use hnsw::Metric;
use layouts::Neighbor;
use simd_kernels::{Element, Kernels};

use crate::Error;
use crate::candidates::{Candidates, Estimated, Estimates};
use crate::code::{Code, CodeQuery};
use crate::params::SearchParams;
use crate::posting::Postings;
use crate::refine::{Asked, Refiner};
use crate::route::{Probe, RouteScratch, Router};
use crate::space::Space;

/// Memory of one search at a time: made once per thread, used for any number of queries and indexes.
#[derive(Debug)]
pub struct Searcher {
    pub(crate) route: RouteScratch,
    pub(crate) probes: Vec<Probe>,
    pub(crate) asked: Prepared,
    pub(crate) estimates: Estimates,
    pub(crate) gathered: Vec<i8>,
    pub(crate) candidates: Candidates,
    pub(crate) refiner: Refiner,
    pub(crate) scanned: u64,
    pub(crate) measured: u64,
}

/// A query made ready.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    pub(crate) inverse_norm: f32,
    pub(crate) integers: Vec<i8>,
    pub(crate) code: CodeQuery,
    flat: Vec<f32>,
    scaled: Vec<f32>,
}

impl Searcher {
    /// Empty scratch; it grows with its first query.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn new() -> Result<Self, Error> {
        Ok(Self {
            route: RouteScratch::new()?,
            probes: Vec::new(),
            asked: Prepared::default(),
            estimates: Estimates::default(),
            gathered: Vec::new(),
            candidates: Candidates::default(),
            refiner: Refiner::new()?,
            scanned: 0,
            measured: 0,
        })
    }

    /// Codes scanned and candidates measured by all searches so far.
    pub fn work(&self) -> (u64, u64) {
        (self.scanned, self.measured)
    }
}

/// Everything that a search looks at, borrowed from an index of any kind.
#[derive(Debug)]
pub(crate) struct Parts<'a, P> {
    pub(crate) space: &'a Space,
    pub(crate) router: &'a Router,
    pub(crate) code: &'a Code,
    pub(crate) postings: &'a P,
    pub(crate) kernels: &'static Kernels,
}

impl<P> Clone for Parts<'_, P> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<P> Copy for Parts<'_, P> {}

impl Prepared {
    /// Checks and rounds a query.
    pub(crate) fn prepare<T: Element>(
        &mut self,
        query: &[T],
        argument: &'static str,
        space: &Space,
        code: &Code,
        kernels: &'static Kernels,
    ) -> Result<(), Error> {
        self.inverse_norm = space.check(query, argument)?;
        self.flat.resize(space.dim(), 0.0);
        self.integers.resize(space.dim(), 0);
        space.query(query, self.inverse_norm, &mut self.scaled, &mut self.flat, &mut self.integers);
        code.prepare(&self.integers, kernels, &mut self.code)
    }

    /// What refining wants to know of the query.
    pub(crate) fn asked<'a, T>(&'a self, vector: &'a [T]) -> Asked<'a, T> {
        Asked { vector, inverse_norm: self.inverse_norm, integers: &self.integers }
    }
}

/// What a search is after, beside the nearest.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Neighbours.
    pub(crate) k: usize,
    /// Candidates.
    pub(crate) rerank: usize,
    /// Distances above it are of no interest.
    pub(crate) radius: f32,
}

impl Wanted {
    /// The `k` nearest.
    pub(crate) fn nearest(params: &SearchParams) -> Self {
        Self { k: params.k, rerank: params.rerank, radius: f32::INFINITY }
    }
}

/// The nearest neighbours of one query.
pub(crate) fn knn<'s, T: Element, P: Postings<T>>(
    parts: &Parts<'_, P>,
    searcher: &'s mut Searcher,
    query: &[T],
    params: &SearchParams,
) -> Result<&'s [Neighbor], Error> {
    let begun = (params.time < Duration::MAX).then(Instant::now);
    let params = params.within(parts.postings.zones(), parts.postings.rows())?;
    searcher.asked.prepare(query, "query", parts.space, parts.code, parts.kernels)?;
    if params.k == 0 {
        return Ok(&[]);
    }
    let wanted = Wanted::nearest(&params);
    searcher.candidates.start(wanted.rerank);
    route(parts, searcher, params.nprobe)?;
    within_budget(&mut searcher.probes, parts.postings, params.budget);
    scan_first(parts, searcher, &params, EVERY)?;
    match begun {
        None => scan(parts, searcher, FIRST..usize::MAX, EVERY)?,
        Some(begun) => {
            let mut next = FIRST;
            while next < searcher.probes.len() && begun.elapsed() < params.time {
                scan(parts, searcher, next..next + 1, EVERY)?;
                next += 1;
            }
            // A row's second place counts where its first was not reached.
            searcher.probes.truncate(next);
        }
    }
    refine(parts, searcher, query, &wanted)?;
    Ok(searcher.refiner.results.sorted())
}

/// Finds the `nprobe` zones to visit.
pub(crate) fn route<P>(parts: &Parts<'_, P>, searcher: &mut Searcher, nprobe: usize) -> Result<(), Error> {
    let (integers, kernels) = (&searcher.asked.integers, parts.kernels);
    parts.router.nearest(integers, nprobe, kernels, &mut searcher.route, &mut searcher.probes)
}

/// Leaves out zones beyond the one that uses up the budget.
pub(crate) fn within_budget<T: Element, P: Postings<T>>(
    probes: &mut Vec<Probe>,
    postings: &P,
    budget: usize,
) {
    if budget == usize::MAX {
        return;
    }
    let mut sum = 0usize;
    let spent = probes.iter().position(|probe| {
        sum += postings.scanned(probe.zone).len;
        sum >= budget
    });
    probes.truncate(spent.map_or(usize::MAX, |last| last + 1));
}

/// Zones that every query visits; what is found there says whether others are within its reach.
pub(crate) const FIRST: usize = 2;

/// Scans the nearest zones and leaves out others that are beyond reach.
pub(crate) fn scan_first<T: Element, P: Postings<T>>(
    parts: &Parts<'_, P>,
    searcher: &mut Searcher,
    params: &SearchParams,
    accepts: Option<impl Fn(&[u32], u32) -> bool>,
) -> Result<(), Error> {
    scan(parts, searcher, 0..FIRST, accepts)?;
    within_reach(&mut searcher.probes, &mut searcher.candidates, parts.space.metric, params);
    Ok(())
}

/// Leaves out zones that are beyond reach, after the first have been scanned.
pub(crate) fn within_reach(
    probes: &mut Vec<Probe>,
    candidates: &mut Candidates,
    metric: Metric,
    params: &SearchParams,
) {
    if params.reach < f32::INFINITY
        && metric != Metric::InnerProduct
        && let Some(nearest) = probes.first()
    {
        let limit = nearest.distance + params.reach * candidates.kth(params.k).max(0.0);
        let within = probes.partition_point(|probe| probe.distance <= limit);
        probes.truncate(within.max(FIRST));
    }
}

/// What a scan accepts that accepts every row.
pub(crate) const EVERY: Option<fn(&[u32], u32) -> bool> = None;

/// Scans zones on the query's way, given by their place there; rows count that `accepts` (the zone's ids, the row).
pub(crate) fn scan<T: Element, P: Postings<T>>(
    parts: &Parts<'_, P>,
    searcher: &mut Searcher,
    places: Range<usize>,
    accepts: Option<impl Fn(&[u32], u32) -> bool>,
) -> Result<(), Error> {
    let query = &searcher.asked.code;
    let last = searcher.probes.len();
    let first = places.start.min(last);
    let probes = searcher.probes.get(first..places.end.min(last)).unwrap_or_default();
    for (index, probe) in probes.iter().enumerate() {
        let posting = parts.postings.scanned(probe.zone);
        if let Some(next) = searcher.probes.get(first + index + 1) {
            parts.postings.fetch(next.zone);
        }
        let estimates = &mut searcher.estimates;
        if estimates.sums.len() < posting.places {
            estimates.sums.resize(posting.places, 0);
        }
        let Some(sums) = estimates.sums.get_mut(..posting.places) else { continue };
        let one = std::iter::once(query);
        parts.code.sums(one, posting.codes, parts.kernels, &mut searcher.gathered, sums)?;
        let candidates = &mut searcher.candidates;
        let enough = if accepts.is_none() { candidates.wanted() } else { usize::MAX };
        let of = Estimated {
            query,
            zone: probe.distance,
            factors: posting.factors,
            limit: candidates.limit(),
            enough,
        };
        let found = estimates.select(0..posting.places, parts.code, &of, parts.kernels)?;
        match &accepts {
            None => candidates.extend(first + index, found),
            Some(accepts) => {
                let ids = parts.postings.ids(probe.zone);
                candidates.extend(first + index, found.filter(|&(row, _)| accepts(ids, row)));
            }
        }
        searcher.scanned += posting.len as u64;
    }
    Ok(())
}

/// Measures the candidates of a scan.
pub(crate) fn refine<T: Element, P: Postings<T>>(
    parts: &Parts<'_, P>,
    searcher: &mut Searcher,
    query: &[T],
    wanted: &Wanted,
) -> Result<(), Error> {
    let candidates = searcher.candidates.finish();
    searcher.measured += candidates.len() as u64;
    let asked = searcher.asked.asked(query);
    let metric = parts.space.metric;
    searcher.refiner.run(parts.postings, &searcher.probes, candidates, &asked, metric, wanted, parts.kernels)
}
