//! One query on several threads: the zones that it visits are shared out.
//!
//! What each thread keeps is the best of its zones, and the best of these are the best of all: candidates are told
//! apart by estimate and place, so the answer is that of one thread.

use layouts::Neighbor;
use simd_kernels::Element;

use crate::batch::{BatchSearcher, Work, write};
use crate::parallel::blocks;
use crate::params::SearchParams;
use crate::posting::Postings;
use crate::search::{EVERY, FIRST, Parts, Searcher, Wanted, refine, route, scan, scan_first, within_budget};
use crate::{Error, ZonalPq};

/// Zones that are worth a thread's while.
const LEAST: usize = 32;

impl<T: Element> ZonalPq<T> {
    /// [`search`](Self::search) on all threads of the current rayon pool: for one query at a time that visits hundreds of
    /// zones. Writes the neighbours to `out`, which has `k` places, fills it up with
    /// [`NO_NEIGHBOR`](crate::NO_NEIGHBOR), and returns how many there are. They are those of
    /// [`search`](Self::search).
    ///
    /// # Errors
    /// As [`search`](Self::search), and [`Error::Parameter`] if `out` does not fit or a time is set.
    ///
    /// ```
    /// use simd_kernels::Rows;
    /// use zonal_pq::{BatchSearcher, BuildParams, Metric, NO_NEIGHBOR, SearchParams, ZonalPq};
    /// let vectors: Vec<f32> = (0..8000).map(|x| (x as f32 * 0.37).sin()).collect();
    /// let index = ZonalPq::build(Rows::new(&vectors, 8)?, Metric::L2, &BuildParams::new())?;
    /// let mut out = [NO_NEIGHBOR; 3];
    /// let params = SearchParams::new(3, index.zones());
    /// let found = index.search_spread(&BatchSearcher::new(), &vectors[8..16], &params, &mut out)?;
    /// assert_eq!((found, out[0].id), (3, 1));
    /// # Ok::<(), zonal_pq::Error>(())
    /// ```
    pub fn search_spread(
        &self,
        scratch: &BatchSearcher,
        query: &[T],
        params: &SearchParams,
        out: &mut [Neighbor],
    ) -> Result<usize, Error> {
        spread(&self.parts()?, scratch, query, &params.resolve(self.calibration())?, out)
    }
}

/// The neighbours of a query, in `out`, and how many there are.
pub(crate) fn spread<T: Element, P: Postings<T>>(
    parts: &Parts<'_, P>,
    scratch: &BatchSearcher,
    query: &[T],
    params: &SearchParams,
    out: &mut [Neighbor],
) -> Result<usize, Error> {
    params.untimed()?;
    if out.len() != params.k {
        return Err(Error::Parameter {
            argument: "out",
            value: format!("{} places", out.len()),
            expected: "k places",
        });
    }
    scratch.with(|Work { searcher, .. }| {
        shared_out(parts, scratch, searcher, query, params)?;
        let found = if params.k == 0 { &[] } else { searcher.refiner.results.sorted() };
        write(found, out);
        Ok(found.len())
    })
}

/// Leaves the neighbours of a query in `searcher`.
fn shared_out<T: Element, P: Postings<T>>(
    parts: &Parts<'_, P>,
    scratch: &BatchSearcher,
    searcher: &mut Searcher,
    query: &[T],
    params: &SearchParams,
) -> Result<(), Error> {
    let params = params.within(parts.postings.zones(), parts.postings.rows())?;
    searcher.asked.prepare(query, "query", parts.space, parts.code, parts.kernels)?;
    if params.k == 0 {
        return Ok(());
    }
    let wanted = Wanted::nearest(&params);
    searcher.candidates.start(wanted.rerank);
    route(parts, searcher, params.nprobe)?;
    within_budget(&mut searcher.probes, parts.postings, params.budget);
    scan_first(parts, searcher, &params, EVERY)?;
    let rest = searcher.probes.len().saturating_sub(FIRST);
    let share = rest.div_ceil(hnsw::pieces::threads()).max(LEAST);
    if rest <= share {
        scan(parts, searcher, FIRST..usize::MAX, EVERY)?;
    } else {
        searcher.candidates.settle();
        let (probes, limit) = (&searcher.probes, searcher.candidates.limit());
        let found = blocks(rest, share, |range| {
            scratch.with(|Work { searcher: other, .. }| {
                other.asked.prepare(query, "query", parts.space, parts.code, parts.kernels)?;
                other.candidates.start_below(wanted.rerank, limit);
                other.probes.clone_from(probes);
                scan(parts, other, FIRST + range.start..FIRST + range.end, EVERY)?;
                Ok(other.candidates.finish().to_vec())
            })
        })?;
        found.iter().for_each(|candidates| searcher.candidates.merge(candidates));
    }
    refine(parts, searcher, query, &wanted)
}
