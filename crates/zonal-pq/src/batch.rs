//! Many queries at once: zone by zone, so that a zone is read once for all queries that visit it.
//!
//! A single query is bound by the memory that its zones lie in. Here the codes of a zone stay in the first-level
//! cache while several queries at a time are multiplied with them. Each query visits its nearest zone in a first
//! pass, so that its limit is tight before the rest comes.

use hnsw::pieces::check_row;
use layouts::Neighbor;
use simd_kernels::{Element, Rows, prefetch_slice};

use crate::Error;
use crate::candidates::{Candidates, Estimated};
use crate::code::CodeQuery;
use crate::parallel::chunks;
use crate::params::SearchParams;
use crate::posting::Postings;
use crate::refine::Asked;
use crate::route::Probe;
use crate::search::{FIRST, Parts, Searcher, Wanted, knn, within_budget, within_reach};

/// What stands in the places of a batch's result for which there is no neighbour.
pub const NO_NEIGHBOR: Neighbor = Neighbor::new(u32::MAX, f32::INFINITY);

/// Most queries that go through the zones together.
const BLOCK: usize = 1024;
/// Queries whose sums with a zone are made in one go: their sums stay in the second-level cache.
const TOGETHER: usize = 32;

/// Memory of batches: made once, used again and again, by any number of threads.
#[derive(Debug, Default)]
pub struct BatchSearcher {
    free: std::sync::Mutex<Vec<Work>>,
}

impl BatchSearcher {
    /// Empty scratch; it grows with its first batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `work` with scratch that nobody else has.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Work) -> Result<R, Error>) -> Result<R, Error> {
        let taken = self.free.lock().ok().and_then(|mut free| free.pop());
        let mut own = match taken {
            Some(own) => own,
            None => Work::new()?,
        };
        let done = work(&mut own);
        if let Ok(mut free) = self.free.lock() {
            free.push(own);
        }
        done
    }
}

/// One thread's scratch.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) searcher: Searcher,
    queries: Vec<Ready>,
    integers: Vec<i8>,
    /// Visits sorted by zone: (query, place among the query's probes).
    visits: Vec<Visit>,
}

/// A query's visit of a zone. What it needs of the probe is here: looking it up would wait for memory each time.
#[derive(Clone, Copy, Debug)]
struct Visit {
    zone: u32,
    query: u32,
    probe: u32,
    /// |q − c|².
    distance: f32,
}

/// What a block knows of one query.
#[derive(Debug, Default)]
struct Ready {
    inverse_norm: f32,
    code: CodeQuery,
    probes: Vec<Probe>,
    candidates: Candidates,
}

impl Work {
    fn new() -> Result<Self, Error> {
        Ok(Self { searcher: Searcher::new()?, queries: Vec::new(), integers: Vec::new(), visits: Vec::new() })
    }
}

/// The nearest neighbours of every query, `k` places each in `out`.
pub(crate) fn batch<T: Element, P: Postings<T>>(
    parts: &Parts<'_, P>,
    scratch: &BatchSearcher,
    queries: Rows<'_, T>,
    params: &SearchParams,
    out: &mut [Neighbor],
) -> Result<(), Error> {
    let expected = queries.len().saturating_mul(params.k);
    if out.len() != expected {
        return Err(Error::Parameter {
            argument: "out",
            value: format!("{} places", out.len()),
            expected: "k places for each query",
        });
    }
    let dim = parts.space.intake.dim;
    if queries.dim() != dim {
        return Err(Error::Dimension { argument: "queries", expected: dim, actual: queries.dim() });
    }
    for (row, query) in queries.iter().enumerate() {
        check_row(query, parts.space.metric, "queries", row)?;
    }
    params.untimed()?;
    let within = params.within(parts.postings.zones(), parts.postings.rows())?;
    let size = queries.len().div_ceil(hnsw::pieces::threads()).clamp(64, BLOCK);
    if params.k == 0 {
        return Ok(());
    }
    chunks(out, size * params.k, |index, out| {
        let start = index * size;
        let Some(rows) = queries.slice(start, start + out.len() / params.k) else { return Ok(()) };
        scratch.with(|work| block(parts, work, rows, &within, params.k, out))
    })
}

/// Copies results and pads them.
pub(crate) fn write(found: &[Neighbor], out: &mut [Neighbor]) {
    let (head, tail) = out.split_at_mut(found.len().min(out.len()));
    head.copy_from_slice(found.get(..head.len()).unwrap_or_default());
    tail.fill(NO_NEIGHBOR);
}

/// The nearest neighbours of a block of queries.
fn block<T: Element, P: Postings<T>>(
    parts: &Parts<'_, P>,
    work: &mut Work,
    queries: Rows<'_, T>,
    params: &SearchParams,
    places: usize,
    out: &mut [Neighbor],
) -> Result<(), Error> {
    if parts.postings.is_small(params.nprobe) {
        for (query, out) in queries.iter().zip(out.chunks_exact_mut(places)) {
            write(knn(parts, &mut work.searcher, query, params)?, out);
        }
        return Ok(());
    }
    let dim = parts.space.dim();
    if work.queries.len() < queries.len() {
        work.queries.resize_with(queries.len(), Ready::default);
    }
    work.integers.clear();
    let searcher = &mut work.searcher;
    for (query, ready) in queries.iter().zip(&mut work.queries) {
        let asked = &mut searcher.asked;
        asked.prepare(query, "queries", parts.space, parts.code, parts.kernels)?;
        work.integers.extend_from_slice(&asked.integers);
        ready.inverse_norm = asked.inverse_norm;
        // Handed over by exchange: what the scratch gets back is made anew by the next query.
        std::mem::swap(&mut ready.code, &mut asked.code);
        ready.candidates.start(params.rerank);
    }
    let ready = work.queries.iter_mut().map(|ready| &mut ready.probes);
    let integers = Rows::new(&work.integers, dim)?;
    parts.router.nearest_of_many(integers, params.nprobe, parts.kernels, &mut searcher.route, ready)?;
    for ready in work.queries.iter_mut().take(queries.len()) {
        within_budget(&mut ready.probes, parts.postings, params.budget);
    }
    for pass in [0..FIRST, FIRST..usize::MAX] {
        work.visits.clear();
        for (query, ready) in work.queries.iter_mut().take(queries.len()).enumerate() {
            if pass.start == FIRST {
                ready.candidates.settle();
                let Ready { probes, candidates, .. } = ready;
                within_reach(probes, candidates, parts.space.metric, params);
            }
            let visits = ready.probes.iter().enumerate().skip(pass.start).take(pass.len());
            work.visits.extend(visits.map(|(probe, to)| Visit {
                zone: to.zone,
                query: query as u32,
                probe: probe as u32,
                distance: to.distance,
            }));
        }
        work.visits.sort_unstable_by_key(|visit| u64::from(visit.zone) << 32 | u64::from(visit.query));
        let mut zones = work.visits.chunk_by(|a, b| a.zone == b.zone).peekable();
        while let Some(visits) = zones.next() {
            if let Some(&[Visit { zone, .. }, ..]) = zones.peek() {
                parts.postings.fetch(*zone);
            }
            let Some(&Visit { zone, .. }) = visits.first() else { continue };
            let posting = parts.postings.scanned(zone);
            let places = posting.places;
            for visits in visits.chunks(TOGETHER) {
                let estimates = &mut searcher.estimates;
                if estimates.sums.len() < visits.len() * places {
                    estimates.sums.resize(visits.len() * places, 0);
                }
                let Some(sums) = estimates.sums.get_mut(..visits.len() * places) else { continue };
                let asked = visits.iter().filter_map(|visit| work.queries.get(visit.query as usize));
                asked
                    .clone()
                    .for_each(|ready| prefetch_slice(std::slice::from_ref(ready), size_of::<Ready>()));
                let asked = asked.map(|ready| &ready.code);
                parts.code.sums(asked, posting.codes, parts.kernels, &mut searcher.gathered, sums)?;
                for (at, visit) in visits.iter().enumerate() {
                    let Some(ready) = work.queries.get_mut(visit.query as usize) else { continue };
                    let of = Estimated {
                        query: &ready.code,
                        zone: visit.distance,
                        factors: posting.factors,
                        limit: ready.candidates.limit(),
                        enough: ready.candidates.wanted(),
                    };
                    let range = at * places..(at + 1) * places;
                    let found = estimates.select(range, parts.code, &of, parts.kernels)?;
                    ready.candidates.extend(visit.probe as usize, found);
                }
                searcher.scanned += (posting.len * visits.len()) as u64;
            }
        }
    }
    let answers = out.chunks_exact_mut(places);
    for (((query, ready), integers), out) in
        queries.iter().zip(&mut work.queries).zip(work.integers.chunks_exact(dim)).zip(answers)
    {
        let asked = Asked { vector: query, inverse_norm: ready.inverse_norm, integers };
        let candidates = ready.candidates.finish();
        searcher.measured += candidates.len() as u64;
        searcher.refiner.run(
            parts.postings,
            &ready.probes,
            candidates,
            &asked,
            parts.space.metric,
            &Wanted::nearest(params),
            parts.kernels,
        )?;
        write(searcher.refiner.results.sorted(), out);
    }
    Ok(())
}
