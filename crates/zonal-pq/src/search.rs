//! A query from end to end: round it, find its zones, scan their codes, measure the best.

use layouts::Neighbor;
use simd_kernels::{Element, Kernels, PANEL_ROWS, prefetch_slice};

use crate::Error;
use crate::candidates::{Candidates, Estimates};
use crate::code::{Code, CodeQuery};
use crate::params::SearchParams;
use crate::posting::Postings;
use crate::refine::{Asked, Refiner};
use crate::route::{Probe, RouteScratch, Router};
use crate::space::Space;

/// Most bytes of the next zone that are asked for while one is scanned.
const FETCHED: usize = 16 << 10;

/// Memory of one search at a time: made once per thread, used for any number of queries and indexes.
#[derive(Debug)]
pub struct Searcher {
    pub(crate) route: RouteScratch,
    pub(crate) probes: Vec<Probe>,
    pub(crate) asked: Prepared,
    pub(crate) estimates: Estimates,
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
}

/// The nearest neighbours of one query.
pub(crate) fn knn<'s, T: Element, P: Postings<T>>(
    parts: &Parts<'_, P>,
    searcher: &'s mut Searcher,
    query: &[T],
    params: &SearchParams,
) -> Result<&'s [Neighbor], Error> {
    let params = params.within(parts.postings.zones(), parts.postings.rows())?;
    searcher.asked.prepare(query, "query", parts.space, parts.code, parts.kernels)?;
    if params.k == 0 {
        return Ok(&[]);
    }
    route(parts, searcher, &params)?;
    searcher.candidates.start(params.rerank, f32::INFINITY);
    scan(parts, searcher)?;
    let candidates = searcher.candidates.finish();
    searcher.measured += candidates.len() as u64;
    let asked = Asked {
        vector: query,
        inverse_norm: searcher.asked.inverse_norm,
        integers: &searcher.asked.integers,
    };
    searcher.refiner.run(
        parts.postings,
        &searcher.probes,
        candidates,
        &asked,
        parts.space.metric,
        params.k,
        f32::INFINITY,
        parts.kernels,
    )?;
    Ok(searcher.refiner.results.sorted())
}

/// Finds the zones to visit.
pub(crate) fn route<P>(
    parts: &Parts<'_, P>,
    searcher: &mut Searcher,
    params: &SearchParams,
) -> Result<(), Error> {
    let (integers, kernels) = (&searcher.asked.integers, parts.kernels);
    parts.router.nearest(integers, params.nprobe, kernels, &mut searcher.route, &mut searcher.probes)?;
    within_reach(&mut searcher.probes, params.reach);
    Ok(())
}

/// Leaves out zones that are too far.
pub(crate) fn within_reach(probes: &mut Vec<Probe>, reach: f32) {
    if reach < f32::INFINITY
        && let Some(nearest) = probes.first()
    {
        let limit = nearest.distance * reach;
        probes.retain(|probe| probe.distance <= limit);
    }
}

/// Scans the zones on the query's way.
fn scan<T: Element, P: Postings<T>>(parts: &Parts<'_, P>, searcher: &mut Searcher) -> Result<(), Error> {
    let query = &searcher.asked.code;
    let (slope, bias) = (query.slope(), query.bias());
    for (index, probe) in searcher.probes.iter().enumerate() {
        let posting = parts.postings.scanned(probe.zone);
        if let Some(next) = searcher.probes.get(index + 1) {
            let next = parts.postings.scanned(next.zone);
            prefetch_slice(next.codes, FETCHED);
            prefetch_slice(next.factors, FETCHED);
        }
        let places = posting.factors.len();
        debug_assert!(places.is_multiple_of(PANEL_ROWS));
        if searcher.estimates.sums.len() < places {
            searcher.estimates.sums.resize(places, 0);
        }
        let Some(sums) = searcher.estimates.sums.get_mut(..places) else { continue };
        parts.code.sums(query.weights(), posting.codes, parts.kernels, sums)?;
        let limit = searcher.candidates.limit();
        let base = probe.distance + bias;
        let found =
            searcher.estimates.select(0..places, posting.factors, base, slope, limit, parts.kernels)?;
        searcher.candidates.extend(index, found);
        searcher.scanned += posting.len as u64;
    }
    Ok(())
}
