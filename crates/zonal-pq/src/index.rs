//! The index: building, searching, and what it says of itself.

use hnsw::{Metric, Progress};
use layouts::Neighbor;
use layouts::container::Container;
use simd_kernels::{Element, Kernels, Rows};

use crate::batch::{BatchSearcher, batch};
use crate::build;
use crate::calibrate::Calibration;
use crate::code::Code;
use crate::error::Error;
use crate::params::{BuildParams, ScanCode, SearchParams};
use crate::posting::{Frozen, Postings};
use crate::route::Router;
use crate::search::{Parts, Searcher, knn};
use crate::space::Space;

/// Vectors in zones, with codes that are scanned.
#[derive(Debug)]
pub struct ZonalPq<T: Element> {
    pub(crate) kernels: &'static Kernels,
    pub(crate) space: Space,
    pub(crate) router: Router,
    pub(crate) code: Code,
    pub(crate) postings: Frozen<T>,
    /// Vectors, second places not counted.
    pub(crate) rows: usize,
    pub(crate) calibration: Option<Calibration>,
    /// The place of every id: what a filter with few matches looks up.
    pub(crate) places: Vec<u32>,
    /// What it was built with.
    pub(crate) params: BuildParams,
    /// The file that it lies in, if it was opened.
    pub(crate) file: Option<Container>,
}

impl<T: Element> ZonalPq<T> {
    /// Builds an index of all `vectors`, on the current rayon pool.
    ///
    /// The result is the same, byte for byte, for any number of threads and on any CPU. Takes O(n · zones · dim)
    /// byte products for the assignment and, beside the index, `dim` bytes a vector for the integer form.
    ///
    /// # Errors
    /// [`Error::NotFinite`] and [`Error::ZeroVector`] name the row; [`Error::Parameter`], [`Error::Metric`],
    /// [`Error::TooMany`]; [`Error::Layout`] without memory.
    pub fn build(vectors: Rows<'_, T>, metric: Metric, params: &BuildParams) -> Result<Self, Error> {
        build::build(vectors, metric, params, &())
    }

    /// [`build`](Self::build) with someone who hears of its stages and can stop it.
    ///
    /// # Errors
    /// As [`build`](Self::build), and [`Error::Cancelled`].
    pub fn build_with(
        vectors: Rows<'_, T>,
        metric: Metric,
        params: &BuildParams,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        build::build(vectors, metric, params, progress)
    }

    /// Finds the `k` nearest vectors of the zones that are visited, nearest first, ties by the lower id. No
    /// allocation once `searcher` has served a query of the kind.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::NotFinite`], [`Error::ZeroVector`], naming `query`; [`Error::Parameter`];
    /// [`Error::NoVectors`] if vectors are to be lent.
    pub fn search<'s>(
        &self,
        searcher: &'s mut Searcher,
        query: &[T],
        params: &SearchParams,
    ) -> Result<&'s [Neighbor], Error> {
        knn(&self.parts()?, searcher, query, &params.resolve(self.calibration())?)
    }

    /// [`search`](Self::search) for every query, on the current rayon pool: zone by zone, so that each is read once
    /// for all queries that visit it. `out` holds `k` places a query, filled up with
    /// [`NO_NEIGHBOR`](crate::NO_NEIGHBOR). Results are those of single searches.
    ///
    /// # Errors
    /// As [`search`](Self::search), and [`Error::Parameter`] if `out` does not fit.
    pub fn search_batch(
        &self,
        scratch: &BatchSearcher,
        queries: Rows<'_, T>,
        params: &SearchParams,
        out: &mut [Neighbor],
    ) -> Result<(), Error> {
        batch(&self.parts()?, scratch, queries, &params.resolve(self.calibration())?, out)
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Elements of a vector.
    pub fn dim(&self) -> usize {
        self.space.intake.dim
    }

    /// How vectors are compared.
    pub fn metric(&self) -> Metric {
        self.space.metric
    }

    /// The parameters that the index was built with, kept in its file too.
    pub fn params(&self) -> &BuildParams {
        &self.params
    }

    /// Rows of each zone, second places included.
    pub fn zone_sizes(&self) -> Vec<usize> {
        self.postings.starts.windows(2).map(|pair| (pair[1] - pair[0]) as usize).collect()
    }

    /// Bytes of vectors, codes, centroids and everything else, in memory or mapped.
    pub fn memory_bytes(&self) -> usize {
        let graph = self.router.graph.as_ref().map_or(0, |graph| graph.memory_bytes());
        self.postings.memory_bytes()
            + size_of_val(&*self.places)
            + self.router.centroids.panels.len()
            + size_of_val(&*self.router.centroids.norms)
            + size_of_val(&*self.router.shifts)
            + graph
    }

    /// What a scan reads: never [`ScanCode::Auto`], but what was chosen.
    pub fn code(&self) -> ScanCode {
        match &self.code {
            Code::Head(head) => ScanCode::Components { dims: head.dims },
            Code::Rabitq(rabitq) => ScanCode::Rabitq { bits: rabitq.params().bits },
            Code::Lvq(lvq) => ScanCode::Lvq { bits: lvq.bits() },
            Code::Product(product) => {
                ScanCode::Product { subspaces: product.subspaces(), bits: product.bits() }
            }
        }
    }

    /// Bytes that a scan reads of every vector: its code and its factors.
    pub fn code_bytes(&self) -> f64 {
        let unit = self.code.unit_bytes() + 4 * self.code.columns() * self.code.unit_rows();
        unit as f64 / self.code.unit_rows() as f64
    }

    /// What every search of this index looks at.
    pub(crate) fn parts(&self) -> Result<Parts<'_, Frozen<T>>, Error> {
        self.expect_vectors()?;
        Ok(self.parts_over(&self.postings))
    }

    /// The same with postings that have vectors from elsewhere.
    pub(crate) fn parts_over<'a, P>(&'a self, postings: &'a P) -> Parts<'a, P> {
        let Self { kernels, space, router, code, .. } = self;
        Parts { space, router, code, postings, kernels }
    }

    /// Refuses what needs vectors of the index's own.
    pub(crate) fn expect_vectors(&self) -> Result<(), Error> {
        if self.params.lent { Err(Error::NoVectors) } else { Ok(()) }
    }

    /// Zones.
    pub fn zones(&self) -> usize {
        Postings::<T>::zones(&self.postings)
    }
}
