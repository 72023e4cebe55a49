//! Searching an index with vectors that the caller holds.

use hnsw::IdFilter;
use layouts::Neighbor;
use simd_kernels::{Element, Rows};

use crate::batch::{BatchSearcher, batch};
use crate::calibrate::{Calibration, measure};
use crate::params::SearchParams;
use crate::posting::{Frozen, Postings, Scanned};
use crate::range::within;
use crate::search::{Searcher, knn};
use crate::spread::spread;
use crate::{Error, ZonalPq};

/// An index with the vectors that it was built of, which stay the caller's: what [`ZonalPq::with_vectors`] gives.
///
/// Searches are those of the index itself and find the same; only the exact distances, at the end of a query, are
/// measured on the caller's rows, which are looked up by id.
#[derive(Clone, Copy, Debug)]
pub struct LentVectors<'a, T: Element> {
    index: &'a ZonalPq<T>,
    postings: Lent<'a, T>,
}

impl<T: Element> ZonalPq<T> {
    /// The index with `vectors` to measure by: row `id` is the vector that has that id. For indexes built with
    /// [`BuildParams::lent_vectors`](crate::BuildParams::lent_vectors), which have none of their own. O(1): that they are
    /// the same vectors is the caller's word. Others make distances wrong, nothing more.
    ///
    /// # Errors
    /// [`Error::Dimension`] and [`Error::Parameter`], naming `vectors`, if these are not as many of the same dimension.
    ///
    /// ```
    /// use simd_kernels::Rows;
    /// use zonal_pq::{BuildParams, Metric, SearchParams, Searcher, ZonalPq};
    /// let vectors: Vec<f32> = (0..8000).map(|x| (x as f32 * 0.37).sin()).collect();
    /// let rows = Rows::new(&vectors, 8)?;
    /// let index = ZonalPq::build(rows, Metric::L2, &BuildParams::new().lent_vectors())?;
    /// let searched = index.with_vectors(rows)?;
    /// let mut searcher = Searcher::new()?;
    /// assert_eq!(searched.search(&mut searcher, &vectors[8..16], &SearchParams::new(3, 4))?[0].id, 1);
    /// # Ok::<(), zonal_pq::Error>(())
    /// ```
    pub fn with_vectors<'a>(&'a self, vectors: Rows<'a, T>) -> Result<LentVectors<'a, T>, Error> {
        if vectors.dim() != self.dim() {
            let (expected, actual) = (self.dim(), vectors.dim());
            return Err(Error::Dimension { argument: "vectors", expected, actual });
        }
        if vectors.len() != self.len() {
            let value = format!("{} rows", vectors.len());
            return Err(Error::Parameter { argument: "vectors", value, expected: "a row for every id" });
        }
        Ok(LentVectors { index: self, postings: Lent { frozen: &self.postings, vectors } })
    }
}

impl<T: Element> LentVectors<'_, T> {
    /// As [`ZonalPq::search`].
    ///
    /// # Errors
    /// As there.
    pub fn search<'s>(
        &self,
        searcher: &'s mut Searcher,
        query: &[T],
        params: &SearchParams,
    ) -> Result<&'s [Neighbor], Error> {
        knn(&self.index.parts_over(&self.postings), searcher, query, &self.resolve(params)?)
    }

    /// As [`ZonalPq::search_batch`].
    ///
    /// # Errors
    /// As there.
    pub fn search_batch(
        &self,
        scratch: &BatchSearcher,
        queries: Rows<'_, T>,
        params: &SearchParams,
        out: &mut [Neighbor],
    ) -> Result<(), Error> {
        batch(&self.index.parts_over(&self.postings), scratch, queries, &self.resolve(params)?, out)
    }

    /// As [`ZonalPq::search_spread`].
    ///
    /// # Errors
    /// As there.
    pub fn search_spread(
        &self,
        scratch: &BatchSearcher,
        query: &[T],
        params: &SearchParams,
        out: &mut [Neighbor],
    ) -> Result<usize, Error> {
        spread(&self.index.parts_over(&self.postings), scratch, query, &self.resolve(params)?, out)
    }

    /// As [`ZonalPq::search_filtered`].
    ///
    /// # Errors
    /// As there.
    pub fn search_filtered<'s, F: IdFilter + ?Sized>(
        &self,
        searcher: &'s mut Searcher,
        query: &[T],
        params: &SearchParams,
        filter: &F,
    ) -> Result<&'s [Neighbor], Error> {
        let parts = self.index.parts_over(&self.postings);
        self.index.filtered_over(&parts, searcher, query, &self.resolve(params)?, filter)
    }

    /// As [`ZonalPq::search_within`].
    ///
    /// # Errors
    /// As there.
    pub fn search_within<'s>(
        &self,
        searcher: &'s mut Searcher,
        query: &[T],
        radius: f32,
        params: &SearchParams,
    ) -> Result<&'s [Neighbor], Error> {
        within(&self.index.parts_over(&self.postings), searcher, query, radius, &self.resolve(params)?)
    }

    /// As [`ZonalPq::search_range`].
    ///
    /// # Errors
    /// As there.
    pub fn search_range<'s>(
        &self,
        searcher: &'s mut Searcher,
        query: &[T],
        radius: f32,
        nprobe: usize,
    ) -> Result<&'s [Neighbor], Error> {
        let rows = self.index.len();
        self.search_within(searcher, query, radius, &SearchParams::new(rows, nprobe).rerank(rows))
    }

    /// What [`ZonalPq::calibrate`] measures, to be handed to [`ZonalPq::set_calibration`] when the loan is over.
    ///
    /// # Errors
    /// As there.
    pub fn calibrate(&self, queries: Option<Rows<'_, T>>) -> Result<Calibration, Error> {
        let table = measure(&self.index.parts_over(&self.postings), queries, self.index.len())?;
        Ok(Calibration { table })
    }

    fn resolve(&self, params: &SearchParams) -> Result<SearchParams, Error> {
        params.resolve(self.index.calibration())
    }
}

/// Postings whose vectors are the caller's.
#[derive(Clone, Copy, Debug)]
struct Lent<'a, T: Element> {
    frozen: &'a Frozen<T>,
    vectors: Rows<'a, T>,
}

impl<T: Element> Postings<T> for Lent<'_, T> {
    fn zones(&self) -> usize {
        Postings::<T>::zones(self.frozen)
    }

    fn rows(&self) -> usize {
        Postings::<T>::rows(self.frozen)
    }

    fn is_small(&self, nprobe: usize) -> bool {
        self.frozen.is_small(nprobe)
    }

    #[inline]
    fn scanned(&self, zone: u32) -> Scanned<'_> {
        self.frozen.scanned(zone)
    }

    #[inline]
    fn ids(&self, zone: u32) -> &[u32] {
        self.frozen.ids(zone)
    }

    fn has_bytes(&self) -> bool {
        self.frozen.has_bytes()
    }

    #[inline]
    fn bytes(&self, zone: u32, row: usize) -> &[i8] {
        self.frozen.bytes(zone, row)
    }

    #[inline]
    fn vector(&self, zone: u32, row: usize) -> &[T] {
        let id = self.frozen.ids(zone).get(row);
        id.and_then(|&id| self.vectors.row(id as usize)).unwrap_or_default()
    }

    #[inline]
    fn norm(&self, zone: u32, row: usize) -> f32 {
        self.frozen.norm(zone, row)
    }

    fn has_homes(&self) -> bool {
        self.frozen.has_homes()
    }

    #[inline]
    fn home(&self, zone: u32, row: usize) -> u32 {
        self.frozen.home(zone, row)
    }
}
