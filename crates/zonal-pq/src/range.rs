//! Everything within a radius, and the nearest within one.

use hnsw::Metric;
use layouts::Neighbor;
use simd_kernels::Element;

use crate::params::SearchParams;
use crate::search::{FIRST, Searcher, Wanted, refine, route, scan};
use crate::{Error, ZonalPq};

/// How much above the radius an estimate may be for its row to be measured still: codes err on both sides.
const SLACK: f32 = 1.3;

impl<T: Element> ZonalPq<T> {
    /// All vectors of the `nprobe` nearest zones that are within `radius` (in the unit of the metric: squared under
    /// L2), nearest first. Estimates up to 1.3 times the radius are measured, so what codes say much wrongly can be
    /// missed; with all zones and a generous radius nothing is.
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
    /// are fewer. As in [`search_range`](Self::search_range) estimates decide what is measured.
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
        if radius.is_nan() {
            return Err(Error::Parameter {
                argument: "radius",
                value: "NaN".to_owned(),
                expected: "a number",
            });
        }
        let parts = self.parts();
        let params = params.resolve(self.calibration())?.within(self.zones(), self.rows)?;
        searcher.asked.prepare(query, "query", parts.space, parts.code, parts.kernels)?;
        if params.k == 0 {
            return Ok(&[]);
        }
        let limit = self.estimate_at(radius, query);
        let wanted = Wanted { k: params.k, rerank: params.rerank, limit, radius };
        searcher.candidates.start(wanted.rerank, wanted.limit);
        route(&parts, searcher, params.nprobe)?;
        scan::<T, _>(&parts, searcher, 0..FIRST, |_, _| true)?;
        scan::<T, _>(&parts, searcher, FIRST..usize::MAX, |_, _| true)?;
        refine(&parts, searcher, query, &wanted)?;
        Ok(searcher.refiner.results.sorted())
    }

    /// The estimate up to which a row may be within `radius`.
    fn estimate_at(&self, radius: f32, query: &[T]) -> f32 {
        let intake = &self.space.intake;
        let unit = f64::from(intake.scale) * intake.unit;
        let limit = match self.space.metric {
            Metric::L2 => f64::from(radius) * unit * unit * f64::from(SLACK),
            // |q − x|² of unit vectors is twice one minus their cosine.
            Metric::Cosine => 2.0 * f64::from(radius) * f64::from(intake.scale).powi(2) * f64::from(SLACK),
            // An estimate is |q|² − 2⟨q, x⟩ for a query of typical length; what it errs by goes with lengths.
            Metric::InnerProduct => {
                let norm = hnsw::pieces::norm_squared(query).sqrt();
                let factor = if norm > 0.0 { self.space.length / norm } else { 1.0 };
                let length = self.space.length * unit;
                length * length * f64::from(SLACK) + 2.0 * f64::from(radius) * factor * unit * unit
            }
            _ => f64::INFINITY,
        };
        limit as f32
    }
}
