//! Making a tree.

use super::{ItemTree, Layout, VectorTree};
use crate::error::Error;
use crate::filter::next_state;
use crate::metric::Metric;
use crate::scalar::Scalar;
use crate::space::{
    Embedding, FANOUT, ItemBuilder, Items, Space, VectorBuilder, VectorMetric, Vectors, bound_balls,
};

/// How a tree is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BuildOptions {
    leaf: Option<usize>,
}

impl BuildOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most points of a leaf. The default is 32; vectors round it up to a multiple of 16. Larger leaves mean
    /// fewer nodes and more distances: good where distances are cheap and dimensions many.
    #[must_use]
    pub fn leaf(self, points: usize) -> Self {
        Self { leaf: Some(points) }
    }

    /// The most points of a leaf whose blocks start at multiples of `lanes`.
    pub(crate) fn leaf_size(self, lanes: usize) -> Result<usize, Error> {
        match self.leaf {
            Some(0) => Err(Error::Zero { argument: "leaf" }),
            Some(leaf) => Ok(leaf.min(1 << 16).next_multiple_of(lanes)),
            None => Ok(2 * FANOUT),
        }
    }
}

impl<T: Scalar> VectorTree<T> {
    /// A tree on `rows`, one after another, each of `dim` numbers, under `metric`. Row `i` has id `i`.
    ///
    /// O(n log n) on the caller's rayon pool; the same tree for any number of threads.
    ///
    /// # Errors
    /// [`Error::Empty`] without rows, [`Error::Zero`] or [`Error::Length`] for `dim` or for `rows` that are no whole
    /// number of rows, [`Error::NotFinite`] for NaN and infinity, [`Error::Direction`], [`Error::Latitude`],
    /// [`Error::Parameter`], [`Error::TooMany`], [`Error::Kernels`] if `NIGH_SIMD` names no tier of this CPU.
    ///
    /// ```
    /// use covertree::{Search, Searcher, VectorMetric, VectorTree};
    /// // Latitude and longitude of three stations.
    /// let stations = [48.86, 2.35, 51.51, -0.13, 40.42, -3.70];
    /// let tree = VectorTree::from_rows(&stations, 2, VectorMetric::EARTH_KM)?;
    /// let mut searcher = Searcher::new();
    /// let found = tree.search(&mut searcher, &[50.63, 3.06], &Search::nearest(1))?;
    /// assert_eq!((found[0].id, found[0].distance as u32), (0, 203)); // from Lille to Paris
    /// # Ok::<(), covertree::Error>(())
    /// ```
    pub fn from_rows(rows: &[T], dim: usize, metric: VectorMetric) -> Result<Self, Error> {
        Self::from_rows_with(rows, dim, metric, BuildOptions::new())
    }

    /// As [`from_rows`](Self::from_rows), with options.
    ///
    /// # Errors
    /// As there, and [`Error::Zero`] for a leaf of no points.
    pub fn from_rows_with(
        rows: &[T],
        dim: usize,
        metric: VectorMetric,
        options: BuildOptions,
    ) -> Result<Self, Error> {
        let embedding = Embedding::new::<T>(metric, dim)?;
        if rows.is_empty() {
            return Err(Error::Empty { argument: "rows" });
        }
        let rows = embed_rows(&embedding, "rows", rows)?;
        let count = rows.len() / embedding.width();
        check_count(count)?;
        let ids: Vec<u32> = (0..count as u32).collect();
        Self::from_embedded(embedding, &rows, &ids, count as u32, options)
    }

    /// A tree on embedded rows with ids, in the order of the ids.
    pub(crate) fn from_embedded(
        embedding: Embedding,
        rows: &[T],
        ids: &[u32],
        next_id: u32,
        options: BuildOptions,
    ) -> Result<Self, Error> {
        let leaf = options.leaf_size(Vectors::<T>::LANES)?;
        let builder = VectorBuilder { embedding, rows, leaf };
        let mut order: Vec<u32> = (0..ids.len() as u32).collect();
        let branch = builder.branch(&mut order);
        let layout = Layout::of(&branch, Vectors::<T>::LANES, false, ids, next_id)?;
        let space = builder.arrange(&layout)?;
        Ok(Self { space, shape: layout.shape, state: next_state(), options })
    }
}

/// The stored form of all rows.
pub(crate) fn embed_rows<T: Scalar>(
    embedding: &Embedding,
    argument: &'static str,
    rows: &[T],
) -> Result<Vec<T>, Error> {
    if !rows.len().is_multiple_of(embedding.dim) {
        let expected = format!("a multiple of {}", embedding.dim);
        return Err(Error::Length { argument, expected, actual: rows.len() });
    }
    let mut embedded = Vec::new();
    let numbers = (rows.len() / embedding.dim).saturating_mul(embedding.width());
    let memory = |_| layouts::Error::Memory { bytes: numbers.saturating_mul(size_of::<T>()) };
    embedded.try_reserve_exact(numbers).map_err(memory)?;
    for (index, row) in rows.chunks_exact(embedding.dim).enumerate() {
        embedding.embed(argument, index, row, &mut embedded)?;
    }
    Ok(embedded)
}

/// Ids are 31 bits, so that slots, which are padded, are 32.
pub(crate) fn check_count(count: usize) -> Result<(), Error> {
    const LIMIT: u64 = 1 << 30;
    let points = count as u64;
    if points > LIMIT { Err(Error::TooMany { points, limit: LIMIT }) } else { Ok(()) }
}

impl<P: Send + Sync, M: Metric<P>> ItemTree<P, M> {
    /// A tree on `items` under `metric`. Item `i` has id `i`.
    ///
    /// About 16 n log₁₆ n distances at most, fewer where the triangle inequality saves some, on the caller's rayon
    /// pool; the same tree for any number of threads.
    ///
    /// # Errors
    /// [`Error::Empty`] without items, [`Error::Metric`] if a distance is NaN or negative, [`Error::TooMany`].
    pub fn from_items(items: Vec<P>, metric: M) -> Result<Self, Error> {
        Self::from_items_with(items, metric, BuildOptions::new())
    }

    /// As [`from_items`](Self::from_items), with options.
    ///
    /// # Errors
    /// As there, and [`Error::Zero`] for a leaf of no points.
    pub fn from_items_with(items: Vec<P>, metric: M, options: BuildOptions) -> Result<Self, Error> {
        if items.is_empty() {
            return Err(Error::Empty { argument: "items" });
        }
        check_count(items.len())?;
        let ids: Vec<u32> = (0..items.len() as u32).collect();
        let builder = ItemBuilder::new(&metric, &items, options.leaf_size(Items::<P, M>::LANES)?);
        let branch = builder.root();
        builder.check()?;
        let layout = Layout::of(&branch, Items::<P, M>::LANES, true, &ids, items.len() as u32)?;
        let space = bound_balls(metric, items, &layout);
        Ok(Self { space, shape: layout.shape, state: next_state(), options })
    }
}
