//! Everything within a radius, and the nearest within one.

use layouts::Neighbor;
use simd_kernels::Element;

use crate::params::SearchParams;
use crate::posting::Postings;
use crate::search::{EVERY, Parts, Searcher, Wanted, refine, route, scan, within_budget};
use crate::{Error, ZonalPq};

impl<T: Element> ZonalPq<T> {
    /// All vectors of the `nprobe` nearest zones that are within `radius` (in the unit of the metric: squared under
    /// L2), nearest first. Every vector of these zones is measured, so with all zones nothing is missed. O(vectors of
    /// the zones · dim).
    ///
    /// # Errors
    /// As [`search`](Self::search), and [`Error::Parameter`] if `radius` is NaN.
    ///
    /// ```
    /// use simd_kernels::Rows;
    /// use zonal_pq::{BuildParams, Metric, Searcher, ZonalPq};
    /// let vectors: Vec<f32> = (0..2000).map(|x| (x / 2) as f32).collect();
    /// let index = ZonalPq::build(Rows::new(&vectors, 2)?, Metric::L2, &BuildParams::new())?;
    /// let found = index.search_range(&mut Searcher::new()?, &[500.0, 500.0], 8.5, index.zones())?.to_vec();
    /// assert_eq!(found.iter().map(|neighbor| neighbor.id).collect::<Vec<_>>(), [500, 499, 501, 498, 502]);
    /// # Ok::<(), zonal_pq::Error>(())
    /// ```
    pub fn search_range<'s>(
        &self,
        searcher: &'s mut Searcher,
        query: &[T],
        radius: f32,
        nprobe: usize,
    ) -> Result<&'s [Neighbor], Error> {
        let params = SearchParams::new(self.rows, nprobe).rerank(self.rows);
        self.search_within(searcher, query, radius, &params)
    }

    /// [`search`](Self::search) for neighbours that are not farther than `radius`: at most `k`, and fewer where there
    /// are fewer. As there, the `rerank` best by their estimates are measured.
    ///
    /// # Errors
    /// As [`search_range`](Self::search_range).
    pub fn search_within<'s>(
        &self,
        searcher: &'s mut Searcher,
        query: &[T],
        radius: f32,
        params: &SearchParams,
    ) -> Result<&'s [Neighbor], Error> {
        let params = params.resolve(self.calibration())?;
        within(&self.parts()?, searcher, query, radius, &params)
    }
}

/// The nearest neighbours that are not farther than `radius`.
pub(crate) fn within<'s, T: Element, P: Postings<T>>(
    parts: &Parts<'_, P>,
    searcher: &'s mut Searcher,
    query: &[T],
    radius: f32,
    params: &SearchParams,
) -> Result<&'s [Neighbor], Error> {
    if radius.is_nan() {
        return Err(Error::Parameter { argument: "radius", value: "NaN".to_owned(), expected: "a number" });
    }
    params.untimed()?;
    let params = params.within(parts.postings.zones(), parts.postings.rows())?;
    searcher.asked.prepare(query, "query", parts.space, parts.code, parts.kernels)?;
    if params.k == 0 {
        return Ok(&[]);
    }
    let wanted = Wanted { k: params.k, rerank: params.rerank, radius };
    searcher.candidates.start(wanted.rerank);
    route(parts, searcher, params.nprobe)?;
    within_budget(&mut searcher.probes, parts.postings, params.budget);
    scan::<T, _>(parts, searcher, 0..usize::MAX, EVERY)?;
    refine(parts, searcher, query, &wanted)?;
    Ok(searcher.refiner.results.sorted())
}
