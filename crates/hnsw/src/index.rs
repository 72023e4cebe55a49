//! The frozen index: built in bulk, searched by any number of threads, saved and mapped.

use layouts::container::Container;
use layouts::{Adjacency, Matrix, Neighbor, Storage as Memory};
use simd_kernels::{Element, Kernels, Rows};

use crate::build;
use crate::calibrate::Calibration;
use crate::codes::{Codes, Coding};
use crate::error::Error;
use crate::intake::Intake;
use crate::labels::Labels;
use crate::metric::{Exact, Metric};
use crate::params::{BuildParams, Quality, SearchParams, Storage};
use crate::progress::Progress;
use crate::scan::Scan;
use crate::search::{Parts, Searcher, knn};
use crate::seeds::Seeds;
use crate::view::View;

/// A graph index over vectors of `T`: `f32`, `f16`, `bf16`, `u8` or `i8`, or bits as `u8` under
/// [`Metric::Hamming`].
///
/// Ids are the places of vectors in what the index was built from. An index does not change;
/// [`LiveHnsw`](crate::LiveHnsw) does.
///
/// ```
/// use hnsw::{BuildParams, Hnsw, Metric, SearchParams, Searcher};
/// use simd_kernels::Rows;
///
/// let vectors: Vec<f32> = (0..3000).map(|x| (x as f32 * 0.37).sin()).collect();
/// let index = Hnsw::build(Rows::new(&vectors, 3)?, Metric::L2, &BuildParams::new())?;
/// let mut searcher = Searcher::new()?;
/// let found = index.search(&mut searcher, &vectors[..3], &SearchParams::new(5, 50))?;
/// assert_eq!((found.len(), found[0].id, found[0].distance), (5, 0, 0.0));
/// # Ok::<(), hnsw::Error>(())
/// ```
#[derive(Debug)]
pub struct Hnsw<T: Element> {
    pub(crate) kernels: &'static Kernels,
    pub(crate) intake: Intake,
    pub(crate) codes: Codes,
    /// Small sets are scanned.
    pub(crate) scan: Option<Scan>,
    pub(crate) graph: Adjacency<Memory<u32>>,
    pub(crate) vectors: Matrix<T, Memory<T>>,
    pub(crate) inverse_norms: Memory<f32>,
    pub(crate) labels: Labels,
    pub(crate) seeds: Seeds,
    pub(crate) quality: Quality,
    pub(crate) calibration: Option<Calibration>,
    /// The file that it lies in, if it was opened from one.
    pub(crate) file: Option<Container>,
}

impl<T: Element> Hnsw<T> {
    /// Builds an index of all `vectors`, on the current rayon pool.
    ///
    /// The result is the same, byte for byte, for any number of threads and on any CPU. Takes about
    /// O(n · dim · (rounds · leaf + degree²)) operations and, beside the index, `dim` bytes for the integer form and
    /// 0.5 to 1 KiB for the candidates of every vector.
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

    /// Finds the `k` nearest vectors, nearest first, ties by the lower id. No allocation once `searcher` has
    /// served a query of the kind.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::NotFinite`], [`Error::ZeroVector`], naming `query`.
    pub fn search<'s>(
        &self,
        searcher: &'s mut Searcher<T>,
        query: &[T],
        params: &SearchParams,
    ) -> Result<&'s [Neighbor], Error> {
        knn(&self.parts()?, searcher, query, &params.resolve(self.calibration())?)
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Elements of a vector.
    pub fn dim(&self) -> usize {
        self.intake.dim
    }

    /// How vectors are compared.
    pub fn metric(&self) -> Metric {
        self.intake.metric
    }

    /// What a search walks by: never [`Storage::Auto`], but what was chosen.
    pub fn storage(&self) -> Storage {
        match &self.codes.coding {
            Coding::Full => Storage::Full,
            Coding::Mixed(coder) => Storage::Lines(coder.lines),
            Coding::Bytes { .. } => Storage::Bytes,
            Coding::Signs { .. } => Storage::Bits,
        }
    }

    /// Bytes of vectors, codes, graph and everything else, in memory or mapped.
    pub fn memory_bytes(&self) -> usize {
        let scan = self.scan.as_ref().map_or(0, |scan| scan.panels.len() + size_of_val(&*scan.norms));
        let starts = self.labels.starts.as_ref().map_or(0, |starts| size_of_val(&**starts));
        self.codes.data.len()
            + size_of_val(self.graph.as_slice())
            + size_of_val(self.vectors.as_slice())
            + size_of_val(&*self.inverse_norms)
            + size_of_val(&*self.labels.ids)
            + size_of_val(&*self.seeds.ids)
            + starts
            + scan
    }

    /// What every search of this index looks at.
    pub(crate) fn parts(&self) -> Result<Parts<'_, T, Adjacency<Memory<u32>>>, Error> {
        Ok(Parts {
            view: self.view()?,
            graph: &self.graph,
            seeds: &self.seeds,
            names: &self.labels,
            scan: self.scan.as_ref(),
        })
    }

    pub(crate) fn view(&self) -> Result<View<'_, T>, Error> {
        let exact = Exact {
            metric: self.intake.metric,
            rows: self.vectors.rows(),
            inverse_norms: &self.inverse_norms,
            kernels: self.kernels,
        };
        Ok(View {
            intake: &self.intake,
            coding: &self.codes.coding,
            codes: self.codes.coding.rows(&self.codes.data)?,
            exact,
            kernels: self.kernels,
        })
    }
}
