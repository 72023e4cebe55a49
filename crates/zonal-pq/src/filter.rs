//! Search under a condition on ids: pushed into the scan of zones, or, where few ids match, these and nothing else.
//!
//! Neighbours under a condition lie farther away than neighbours without, so zones are visited until enough matching
//! rows were met, not only `nprobe` of them. A search never returns fewer than min(k, matches).

use hnsw::IdFilter;
use layouts::Neighbor;
use simd_kernels::Element;

use crate::candidates::MOST_PROBES;
use crate::params::SearchParams;
use crate::posting::Postings;
use crate::search::{FIRST, Parts, Searcher, Wanted, refine, route, scan, scan_first};
use crate::{Error, ZonalPq};

/// Ids asked about to estimate the share of matches.
const DRAWS: u32 = 1024;
/// Matching rows met in zones before a search may stop, for each neighbour wanted.
const MET: usize = 20;
/// What measuring a match by itself costs, in rows scanned (a cache miss or two against a part of a register).
const MEASURED: f64 = 60.0;

/// The share of ids that a filter accepts.
fn share(filter: &(impl IdFilter + ?Sized), ids: usize) -> f64 {
    if let Some(count) = filter.count_hint() {
        return count.min(ids) as f64 / ids.max(1) as f64;
    }
    let draws = DRAWS.min(ids as u32).max(1);
    // A multiple of the golden section scatters without repeating early.
    let hits = (0..draws)
        .map(|draw| ((u64::from(draw).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) * ids as u64) >> 32)
        .filter(|&id| filter.accepts(id as u32))
        .count();
    hits as f64 / f64::from(draws)
}

impl<T: Element> ZonalPq<T> {
    /// [`search`](Self::search) among the ids that `filter` accepts: an [`IdSet`](hnsw::IdSet) or a closure.
    ///
    /// Finds min(k, matches) neighbours whatever `nprobe` is: zones beyond it are visited until enough matching
    /// vectors were met. Few matches are measured one by one instead, which is exact.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    ///
    /// ```
    /// use simd_kernels::Rows;
    /// use zonal_pq::{BuildParams, IdSet, Metric, SearchParams, Searcher, ZonalPq};
    /// let vectors: Vec<f32> = (0..8000).map(|x| (x as f32 * 0.37).sin()).collect();
    /// let index = ZonalPq::build(Rows::new(&vectors, 8)?, Metric::L2, &BuildParams::new())?;
    /// let mut searcher = Searcher::new()?;
    /// let even = |id: u32| id % 2 == 0;
    /// let found = index.search_filtered(&mut searcher, &vectors[8..16], &SearchParams::new(5, 4), &even)?;
    /// assert!(found.len() == 5 && found.iter().all(|neighbor| neighbor.id % 2 == 0));
    /// let two = IdSet::from_ids([3, 999])?;
    /// let found = index.search_filtered(&mut searcher, &vectors[..8], &SearchParams::new(5, 1), &two)?;
    /// assert_eq!(found.len(), 2);
    /// # Ok::<(), zonal_pq::Error>(())
    /// ```
    pub fn search_filtered<'s, F: IdFilter + ?Sized>(
        &self,
        searcher: &'s mut Searcher,
        query: &[T],
        params: &SearchParams,
        filter: &F,
    ) -> Result<&'s [Neighbor], Error> {
        let params = params.resolve(self.calibration())?;
        self.filtered_over(&self.parts()?, searcher, query, &params, filter)
    }

    /// The nearest matches, by the walk over zones or one by one, whatever costs less.
    pub(crate) fn filtered_over<'s, P: Postings<T>, F: IdFilter + ?Sized>(
        &self,
        parts: &Parts<'_, P>,
        searcher: &'s mut Searcher,
        query: &[T],
        params: &SearchParams,
        filter: &F,
    ) -> Result<&'s [Neighbor], Error> {
        params.untimed()?;
        let params = params.within(self.zones(), parts.postings.rows())?;
        searcher.asked.prepare(query, "query", parts.space, parts.code, parts.kernels)?;
        if params.k == 0 {
            return Ok(&[]);
        }
        let share = share(filter, self.rows);
        let zone_rows = self.rows as f64 / self.zones().max(1) as f64;
        let needed = (MET * params.k).max(params.rerank) as f64 / share.max(1e-9);
        let scanned = needed.max(params.nprobe as f64 * zone_rows).min(self.rows as f64);
        if share * self.rows as f64 * MEASURED <= scanned || self.zones() > MOST_PROBES {
            self.each_match(parts, searcher, query, params.k, filter)?;
        } else {
            let nprobe = ((2.0 * needed / zone_rows) as usize).max(params.nprobe).min(self.zones());
            zones(parts, searcher, query, &params, nprobe, filter)?;
        }
        Ok(searcher.refiner.results.sorted())
    }

    /// Measures every match.
    fn each_match<P: Postings<T>, F: IdFilter + ?Sized>(
        &self,
        parts: &Parts<'_, P>,
        searcher: &mut Searcher,
        query: &[T],
        k: usize,
        filter: &F,
    ) -> Result<(), Error> {
        let end = self.rows as u32;
        let mut next = filter.next_accepted(0, end);
        let ids = std::iter::from_fn(|| {
            let id = next?;
            next = filter.next_accepted(id + 1, end);
            Some(id)
        });
        let place = |id: u32| self.places.get(id as usize).map(|&place| (id, self.postings.zone_of(place)));
        let rows = ids.filter_map(place);
        let asked = searcher.asked.asked(query);
        searcher.refiner.each(parts.postings, rows, &asked, parts.space.metric, k, parts.kernels)
    }
}

/// The nearest matches in zones of any kind: `nprobe` zones and as many more as it takes to meet enough matches.
pub(crate) fn filtered<'s, T: Element, P: Postings<T>, F: IdFilter + ?Sized>(
    parts: &Parts<'_, P>,
    searcher: &'s mut Searcher,
    query: &[T],
    params: &SearchParams,
    filter: &F,
) -> Result<&'s [Neighbor], Error> {
    params.untimed()?;
    let params = params.within(parts.postings.zones(), parts.postings.rows())?;
    searcher.asked.prepare(query, "query", parts.space, parts.code, parts.kernels)?;
    if params.k == 0 {
        return Ok(&[]);
    }
    zones(parts, searcher, query, &params, params.nprobe, filter)?;
    Ok(searcher.refiner.results.sorted())
}

/// Visits zones until enough matches were met, of those that `nprobe` leads to or, where these are too few, of four
/// times as many.
fn zones<T: Element, P: Postings<T>, F: IdFilter + ?Sized>(
    parts: &Parts<'_, P>,
    searcher: &mut Searcher,
    query: &[T],
    params: &SearchParams,
    nprobe: usize,
    filter: &F,
) -> Result<(), Error> {
    let accepts = |ids: &[u32], row: u32| ids.get(row as usize).is_some_and(|&id| filter.accepts(id));
    let wanted = Wanted::nearest(params);
    let enough = (MET * params.k).max(params.rerank);
    let all = parts.postings.zones().min(MOST_PROBES);
    let mut nprobe = nprobe;
    loop {
        searcher.candidates.start(wanted.rerank);
        route(parts, searcher, nprobe)?;
        scan_first(parts, searcher, params, Some(accepts))?;
        let (mut met, mut visited) = (0, 0);
        let reached = searcher.probes.len();
        while visited < reached && (visited < params.nprobe || met < enough) {
            let Some(probe) = searcher.probes.get(visited) else { break };
            let ids = parts.postings.ids(probe.zone);
            met += ids.iter().filter(|&&id| filter.accepts(id)).count();
            if visited >= FIRST {
                scan(parts, searcher, visited..visited + 1, Some(accepts))?;
            }
            visited += 1;
        }
        if met >= enough || nprobe >= all {
            break;
        }
        nprobe = (4 * nprobe).min(all);
    }
    refine(parts, searcher, query, &wanted)
}
