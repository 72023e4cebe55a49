//! Searching while another thread writes: handles, snapshots, and a search of one version.

use std::sync::Arc;

use hnsw::Found;
use layouts::{Neighbor, published};
use simd_kernels::{Element, Rows};

use super::draft::reserve;
use super::state::State;
use crate::Error;
use crate::batch::{BatchSearcher, NO_NEIGHBOR, batch};
use crate::filter::filtered;
use crate::params::SearchParams;
use crate::posting::Postings;
use crate::range::within;
use crate::search::{Searcher, knn};

/// What stands in the places of a batch's result for which there is no neighbour.
pub const NOT_FOUND: Found = Found { key: u64::MAX, distance: f32::INFINITY };

/// Memory of one search of a changing index at a time: made once per thread, used for any number of queries.
#[derive(Debug)]
pub struct LiveSearcher {
    inner: Searcher,
    found: Vec<Found>,
}

impl LiveSearcher {
    /// Empty scratch; it grows with its first query.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { inner: Searcher::new()?, found: Vec::new() })
    }

    /// Codes scanned and candidates measured by all searches so far.
    pub fn work(&self) -> (u64, u64) {
        self.inner.work()
    }
}

/// Memory of batches on a changing index: made once, used again and again.
#[derive(Debug, Default)]
pub struct LiveBatchSearcher {
    inner: BatchSearcher,
    found: Vec<Neighbor>,
}

impl LiveBatchSearcher {
    /// Empty scratch; it grows with its first batch.
    pub fn new() -> Self {
        Self::default()
    }
}

fn order(a: &Found, b: &Found) -> std::cmp::Ordering {
    a.distance.total_cmp(&b.distance).then(a.key.cmp(&b.key))
}

/// What was found, by its keys.
fn tell<'s, T: Element>(
    state: &State<T>,
    neighbours: &[Neighbor],
    found: &'s mut Vec<Found>,
) -> Result<&'s [Found], Error> {
    found.clear();
    reserve(found, neighbours.len())?;
    found.extend(neighbours.iter().map(|x| Found { key: state.key(x.id), distance: x.distance }));
    found.sort_unstable_by(order);
    Ok(found)
}

fn search<'s, T: Element>(
    state: &State<T>,
    searcher: &'s mut LiveSearcher,
    query: &[T],
    params: &SearchParams,
) -> Result<&'s [Found], Error> {
    let LiveSearcher { inner, found } = searcher;
    let neighbours = knn(&state.parts(), inner, query, &params.resolve(None)?)?;
    tell(state, neighbours, found)
}

fn search_within<'s, T: Element>(
    state: &State<T>,
    searcher: &'s mut LiveSearcher,
    query: &[T],
    radius: f32,
    params: &SearchParams,
) -> Result<&'s [Found], Error> {
    let LiveSearcher { inner, found } = searcher;
    let neighbours = within(&state.parts(), inner, query, radius, &params.resolve(None)?)?;
    tell(state, neighbours, found)
}

/// Everything of so many zones.
fn all<T: Element>(state: &State<T>, nprobe: usize) -> SearchParams {
    let rows = Postings::<T>::rows(state);
    SearchParams::new(rows, nprobe).rerank(rows)
}

fn search_filtered<'s, T: Element>(
    state: &State<T>,
    searcher: &'s mut LiveSearcher,
    query: &[T],
    params: &SearchParams,
    accepts: &(impl Fn(u64) -> bool + ?Sized),
) -> Result<&'s [Found], Error> {
    let LiveSearcher { inner, found } = searcher;
    let is_wanted = |slot: u32| accepts(state.key(slot));
    let neighbours = filtered(&state.parts(), inner, query, &params.resolve(None)?, &is_wanted)?;
    tell(state, neighbours, found)
}

fn search_batch<T: Element>(
    state: &State<T>,
    searcher: &mut LiveBatchSearcher,
    queries: Rows<'_, T>,
    params: &SearchParams,
    out: &mut [Found],
) -> Result<(), Error> {
    let LiveBatchSearcher { inner, found } = searcher;
    found.clear();
    reserve(found, out.len())?;
    found.resize(out.len(), NO_NEIGHBOR);
    batch(&state.parts(), inner, queries, &params.resolve(None)?, found)?;
    for (out, found) in out.iter_mut().zip(&*found) {
        *out = if found.id == NO_NEIGHBOR.id {
            NOT_FOUND
        } else {
            Found { key: state.key(found.id), distance: found.distance }
        };
    }
    if params.k > 0 {
        out.chunks_mut(params.k).for_each(|found| found.sort_unstable_by(order));
    }
    Ok(())
}

/// Where [`LiveReader`]s and [`LiveSnapshot`]s come from: cloned and sent to whoever searches.
#[derive(Debug)]
pub struct LiveReaders<T: Element> {
    published: published::Published<State<T>>,
}

impl<T: Element> Clone for LiveReaders<T> {
    fn clone(&self) -> Self {
        Self { published: self.published.clone() }
    }
}

impl<T: Element> LiveReaders<T> {
    pub(crate) fn new(published: published::Published<State<T>>) -> Self {
        Self { published }
    }

    /// A reader for one thread or task, to be kept. O(readers), without a lock.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn reader(&self) -> Result<LiveReader<T>, Error> {
        Ok(LiveReader { reader: self.published.reader()? })
    }

    /// The version that is published, to keep for as long as one likes.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn snapshot(&self) -> Result<LiveSnapshot<T>, Error> {
        Ok(LiveSnapshot { state: self.published.snapshot()? })
    }
}

/// Searches whatever is published at the time, without a lock and without waiting.
#[derive(Debug)]
pub struct LiveReader<T: Element> {
    reader: published::Reader<State<T>>,
}

impl<T: Element> LiveReader<T> {
    /// Finds the `k` nearest vectors of the zones that are visited, in the version that is published when the call
    /// begins: nearest first, ties by the lower key, each key once. Which of several at the very distance of the
    /// `k`-th are among them is the same for the same changes, and nothing more is said of it. No allocation once
    /// `searcher` has served a query of the kind.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::NotFinite`], [`Error::ZeroVector`], naming `query`; [`Error::Parameter`].
    pub fn search<'s>(
        &mut self,
        searcher: &'s mut LiveSearcher,
        query: &[T],
        params: &SearchParams,
    ) -> Result<&'s [Found], Error> {
        search(&self.reader.pin(), searcher, query, params)
    }

    /// [`search`](Self::search) among the keys that `accepts`. Finds min(k, matches): beyond `nprobe` zones are visited
    /// until enough keys were met, four times as many at a time.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_filtered<'s>(
        &mut self,
        searcher: &'s mut LiveSearcher,
        query: &[T],
        params: &SearchParams,
        accepts: &(impl Fn(u64) -> bool + ?Sized),
    ) -> Result<&'s [Found], Error> {
        search_filtered(&self.reader.pin(), searcher, query, params, accepts)
    }

    /// [`search`](Self::search) for neighbours that are not farther than `radius`: see
    /// [`ZonalPq::search_within`](crate::ZonalPq::search_within).
    ///
    /// # Errors
    /// As [`search`](Self::search), and [`Error::Parameter`] if `radius` is NaN.
    pub fn search_within<'s>(
        &mut self,
        searcher: &'s mut LiveSearcher,
        query: &[T],
        radius: f32,
        params: &SearchParams,
    ) -> Result<&'s [Found], Error> {
        search_within(&self.reader.pin(), searcher, query, radius, params)
    }

    /// Everything within `radius` in the `nprobe` nearest zones: see
    /// [`ZonalPq::search_range`](crate::ZonalPq::search_range).
    ///
    /// # Errors
    /// As [`search_within`](Self::search_within).
    pub fn search_range<'s>(
        &mut self,
        searcher: &'s mut LiveSearcher,
        query: &[T],
        radius: f32,
        nprobe: usize,
    ) -> Result<&'s [Found], Error> {
        let state = self.reader.pin();
        search_within(&state, searcher, query, radius, &all(&state, nprobe))
    }

    /// [`search`](Self::search) for every query, all in one version, on the current rayon pool: zone by zone. `out`
    /// holds `k` places a query, filled up with [`NOT_FOUND`]. Results are those of single searches.
    ///
    /// # Errors
    /// As [`search`](Self::search), and [`Error::Parameter`] if `out` does not fit.
    pub fn search_batch(
        &mut self,
        searcher: &mut LiveBatchSearcher,
        queries: Rows<'_, T>,
        params: &SearchParams,
        out: &mut [Found],
    ) -> Result<(), Error> {
        search_batch(&self.reader.pin(), searcher, queries, params, out)
    }

    /// The version that is published, to keep for as long as one likes. Touches a count that readers share: not for
    /// every query.
    pub fn snapshot(&mut self) -> LiveSnapshot<T> {
        LiveSnapshot { state: self.reader.snapshot() }
    }
}

/// One version, which never changes, for as long as it is kept.
#[derive(Clone, Debug)]
pub struct LiveSnapshot<T: Element> {
    pub(crate) state: Arc<State<T>>,
}

impl<T: Element> LiveSnapshot<T> {
    /// As [`LiveReader::search`], of this version.
    ///
    /// # Errors
    /// As [`LiveReader::search`].
    pub fn search<'s>(
        &self,
        searcher: &'s mut LiveSearcher,
        query: &[T],
        params: &SearchParams,
    ) -> Result<&'s [Found], Error> {
        search(&self.state, searcher, query, params)
    }

    /// As [`LiveReader::search_filtered`], of this version.
    ///
    /// # Errors
    /// As [`LiveReader::search`].
    pub fn search_filtered<'s>(
        &self,
        searcher: &'s mut LiveSearcher,
        query: &[T],
        params: &SearchParams,
        accepts: &(impl Fn(u64) -> bool + ?Sized),
    ) -> Result<&'s [Found], Error> {
        search_filtered(&self.state, searcher, query, params, accepts)
    }

    /// [`search`](Self::search) for neighbours that are not farther than `radius`: see
    /// [`ZonalPq::search_within`](crate::ZonalPq::search_within).
    ///
    /// # Errors
    /// As [`search`](Self::search), and [`Error::Parameter`] if `radius` is NaN.
    pub fn search_within<'s>(
        &self,
        searcher: &'s mut LiveSearcher,
        query: &[T],
        radius: f32,
        params: &SearchParams,
    ) -> Result<&'s [Found], Error> {
        search_within(&self.state, searcher, query, radius, params)
    }

    /// Everything within `radius` in the `nprobe` nearest zones: see
    /// [`ZonalPq::search_range`](crate::ZonalPq::search_range).
    ///
    /// # Errors
    /// As [`search_within`](Self::search_within).
    pub fn search_range<'s>(
        &self,
        searcher: &'s mut LiveSearcher,
        query: &[T],
        radius: f32,
        nprobe: usize,
    ) -> Result<&'s [Found], Error> {
        search_within(&self.state, searcher, query, radius, &all(&self.state, nprobe))
    }

    /// As [`LiveReader::search_batch`], of this version.
    ///
    /// # Errors
    /// As [`LiveReader::search_batch`].
    pub fn search_batch(
        &self,
        searcher: &mut LiveBatchSearcher,
        queries: Rows<'_, T>,
        params: &SearchParams,
        out: &mut [Found],
    ) -> Result<(), Error> {
        search_batch(&self.state, searcher, queries, params, out)
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.state.rows
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.state.rows == 0
    }

    /// Rows of each zone.
    pub fn zone_sizes(&self) -> Vec<usize> {
        self.state.zones.iter().map(|zone| zone.len()).collect()
    }

    /// All keys, ascending. O(n log n).
    pub fn keys(&self) -> Vec<u64> {
        let mut keys = Vec::with_capacity(self.len());
        for zone in self.state.zones.iter() {
            keys.extend(zone.slots().iter().map(|&slot| self.state.key(slot)));
        }
        keys.sort_unstable();
        keys
    }

    /// Bytes that this version leads to, those included that it shares with others, and those that are free for the zones
    /// of the next.
    pub fn memory_bytes(&self) -> usize {
        let state = &self.state;
        let graph = state.router.graph.as_ref().map_or(0, |graph| graph.memory_bytes());
        state.zones.memory_bytes() + state.keys.memory_bytes() + 2 * state.centroids.len() + graph
    }
}
