//! Searching while another thread writes: where readers come from, and what they can ask.

use std::sync::Arc;

use layouts::published;
use simd_kernels::{Element, Rows};

use crate::error::Error;
use crate::live::search::{
    Found, LiveBatchSearcher, LiveNeighbors, LiveSearcher, batch, filtered, iter, range, search, search_by,
    within,
};
use crate::live::state::{State, for_keys, unreachable};
use crate::params::SearchParams;

/// Where [`Reader`]s and [`Snapshot`]s come from: cloned and sent to whoever searches.
#[derive(Debug)]
pub struct Readers<T: Element> {
    published: published::Published<State<T>>,
}

impl<T: Element> Clone for Readers<T> {
    fn clone(&self) -> Self {
        Self { published: self.published.clone() }
    }
}

impl<T: Element> Readers<T> {
    pub(crate) fn new(published: published::Published<State<T>>) -> Self {
        Self { published }
    }

    /// A reader for one thread or task, to be kept. O(readers), without a lock.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn reader(&self) -> Result<Reader<T>, Error> {
        Ok(Reader { reader: self.published.reader()? })
    }

    /// The version that is published, to keep for as long as one likes.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn snapshot(&self) -> Result<Snapshot<T>, Error> {
        Ok(Snapshot { state: self.published.snapshot()? })
    }
}

/// Searches whatever is published at the time, without a lock and without waiting.
#[derive(Debug)]
pub struct Reader<T: Element> {
    reader: published::Reader<State<T>>,
}

impl<T: Element> Reader<T> {
    /// Finds the `k` nearest keys of the version that is published when the call begins, nearest first, ties by the
    /// lower key, each once; fewer only where fewer are there. No allocation once `searcher` has served a query of
    /// the kind.
    ///
    /// # Errors
    /// [`Error::Dimension`], [`Error::NotFinite`], [`Error::ZeroVector`], naming `query`; [`Error::NotCalibrated`]
    /// where a recall is asked for, as a changing index measures none.
    pub fn search<'s>(
        &mut self,
        searcher: &'s mut LiveSearcher<T>,
        query: &[T],
        params: &SearchParams,
    ) -> Result<&'s [Found], Error> {
        search(&self.reader.pin(), searcher, query, params)
    }

    /// As [`search`](Self::search), among the keys that `filter` accepts: never fewer than `min(k, matches)`.
    ///
    /// Which way is taken depends on how many keys of a sample match, as for
    /// [`Hnsw::search_filtered`](crate::Hnsw::search_filtered): a walk over everything, one over matches through
    /// what lies between, or a scan of the matches, for which `filter` is asked about every key. It is asked about
    /// a key more than once; the answer must not change meanwhile.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_filtered<'s>(
        &mut self,
        searcher: &'s mut LiveSearcher<T>,
        query: &[T],
        params: &SearchParams,
        filter: impl Fn(u64) -> bool,
    ) -> Result<&'s [Found], Error> {
        filtered(&self.reader.pin(), searcher, query, params, filter)
    }

    /// All keys at a distance of at most `radius`, nearest first, ties by the lower key: as
    /// [`Hnsw::search_range`](crate::Hnsw::search_range), approximate until the index has learned and a walk begins
    /// to pay, exact before.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a NaN radius, else as [`search`](Self::search); [`Error::Layout`] without memory.
    pub fn search_range<'s>(
        &mut self,
        searcher: &'s mut LiveSearcher<T>,
        query: &[T],
        radius: f32,
        ef_search: usize,
    ) -> Result<&'s [Found], Error> {
        range(&self.reader.pin(), searcher, query, radius, ef_search)
    }

    /// The nearest `params.k` of those keys that lie within `radius` (inclusive), nearest first: fewer where
    /// fewer lie within.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a NaN radius, else as [`search`](Self::search).
    pub fn search_within<'s>(
        &mut self,
        searcher: &'s mut LiveSearcher<T>,
        query: &[T],
        radius: f32,
        params: &SearchParams,
    ) -> Result<&'s [Found], Error> {
        within(&self.reader.pin(), searcher, query, radius, params)
    }

    /// The `params.k` keys that are nearest by `distance`, a function of the caller's own: as
    /// [`Hnsw::search_by`](crate::Hnsw::search_by), exact until the index has learned and a walk begins to pay.
    /// Where removed rows leave too few, the walk begins again, and keys are asked about again.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the function gives NaN; [`Error::NotCalibrated`] where a recall is asked for.
    pub fn search_by<'s>(
        &mut self,
        searcher: &'s mut LiveSearcher<T>,
        params: &SearchParams,
        distance: impl FnMut(u64) -> f32,
    ) -> Result<&'s [Found], Error> {
        search_by(&self.reader.pin(), searcher, params, distance)
    }

    /// The `params.k` nearest of every query: those of query `i` in `out[i * k..(i + 1) * k]`, each exactly as
    /// [`search`](Self::search) gives them, all of one version, for any number of threads. With fewer keys than `k` the places left
    /// hold [`NO_KEY`](crate::NO_KEY).
    ///
    /// With the feature `rayon` (default) the queries are shared out in the caller's current pool. Nothing is
    /// allocated once `scratch` has served as many threads.
    ///
    /// # Errors
    /// As [`search`](Self::search), naming the first row of `queries` that is at fault; [`Error::Shape`] if `out` does
    /// not hold `k` places for every query. `out` then holds anything.
    pub fn search_batch(
        &mut self,
        scratch: &LiveBatchSearcher<T>,
        queries: Rows<'_, T>,
        params: &SearchParams,
        out: &mut [Found],
    ) -> Result<(), Error> {
        batch(&self.reader.pin(), scratch, queries, params, out)
    }

    /// The version that is published, to keep for as long as one likes. Touches a count that readers share: not for
    /// every query.
    pub fn snapshot(&mut self) -> Snapshot<T> {
        Snapshot { state: self.reader.snapshot() }
    }
}

/// One version, which never changes, for as long as it is kept.
#[derive(Clone, Debug)]
pub struct Snapshot<T: Element> {
    state: Arc<State<T>>,
}

impl<T: Element> Snapshot<T> {
    pub(crate) fn new(state: Arc<State<T>>) -> Self {
        Self { state }
    }

    /// As [`Reader::search`], of this version.
    ///
    /// # Errors
    /// As [`Reader::search`].
    pub fn search<'s>(
        &self,
        searcher: &'s mut LiveSearcher<T>,
        query: &[T],
        params: &SearchParams,
    ) -> Result<&'s [Found], Error> {
        search(&self.state, searcher, query, params)
    }

    /// As [`search`](Self::search), among the keys that `filter` accepts: never fewer than `min(k, matches)`.
    ///
    /// Which way is taken depends on how many keys of a sample match, as for
    /// [`Hnsw::search_filtered`](crate::Hnsw::search_filtered): a walk over everything, one over matches through
    /// what lies between, or a scan of the matches, for which `filter` is asked about every key. It is asked about
    /// a key more than once; the answer must not change meanwhile.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_filtered<'s>(
        &self,
        searcher: &'s mut LiveSearcher<T>,
        query: &[T],
        params: &SearchParams,
        filter: impl Fn(u64) -> bool,
    ) -> Result<&'s [Found], Error> {
        filtered(&self.state, searcher, query, params, filter)
    }

    /// All keys at a distance of at most `radius`, nearest first, ties by the lower key: as
    /// [`Hnsw::search_range`](crate::Hnsw::search_range), approximate until the index has learned and a walk begins
    /// to pay, exact before.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a NaN radius, else as [`search`](Self::search); [`Error::Layout`] without memory.
    pub fn search_range<'s>(
        &self,
        searcher: &'s mut LiveSearcher<T>,
        query: &[T],
        radius: f32,
        ef_search: usize,
    ) -> Result<&'s [Found], Error> {
        range(&self.state, searcher, query, radius, ef_search)
    }

    /// The nearest `params.k` of those keys that lie within `radius` (inclusive), nearest first: fewer where
    /// fewer lie within.
    ///
    /// # Errors
    /// [`Error::Parameter`] for a NaN radius, else as [`search`](Self::search).
    pub fn search_within<'s>(
        &self,
        searcher: &'s mut LiveSearcher<T>,
        query: &[T],
        radius: f32,
        params: &SearchParams,
    ) -> Result<&'s [Found], Error> {
        within(&self.state, searcher, query, radius, params)
    }

    /// The `params.k` keys that are nearest by `distance`, a function of the caller's own: as
    /// [`Hnsw::search_by`](crate::Hnsw::search_by), exact until the index has learned and a walk begins to pay.
    /// Where removed rows leave too few, the walk begins again, and keys are asked about again.
    ///
    /// # Errors
    /// [`Error::Parameter`] if the function gives NaN; [`Error::NotCalibrated`] where a recall is asked for.
    pub fn search_by<'s>(
        &self,
        searcher: &'s mut LiveSearcher<T>,
        params: &SearchParams,
        distance: impl FnMut(u64) -> f32,
    ) -> Result<&'s [Found], Error> {
        search_by(&self.state, searcher, params, distance)
    }

    /// The `params.k` nearest of every query: those of query `i` in `out[i * k..(i + 1) * k]`, each exactly as
    /// [`search`](Self::search) gives them, for any number of threads. With fewer keys than `k` the places left
    /// hold [`NO_KEY`](crate::NO_KEY).
    ///
    /// With the feature `rayon` (default) the queries are shared out in the caller's current pool. Nothing is
    /// allocated once `scratch` has served as many threads.
    ///
    /// # Errors
    /// As [`search`](Self::search), naming the first row of `queries` that is at fault; [`Error::Shape`] if `out` does
    /// not hold `k` places for every query. `out` then holds anything.
    pub fn search_batch(
        &self,
        scratch: &LiveBatchSearcher<T>,
        queries: Rows<'_, T>,
        params: &SearchParams,
        out: &mut [Found],
    ) -> Result<(), Error> {
        batch(&self.state, scratch, queries, params, out)
    }

    /// The keys one after the other, nearly in order of distance, for as long as the caller likes: as
    /// [`Hnsw::iter`](crate::Hnsw::iter). An iterator looks at one version throughout, so readers take a snapshot for it.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    ///
    /// ```
    /// use hnsw::{LiveHnsw, LiveParams, LiveSearcher, Metric};
    /// let mut index = LiveHnsw::<f32>::new(1, Metric::L2, &LiveParams::default())?;
    /// for key in 0..100 {
    ///     index.insert(key, &[key as f32])?;
    /// }
    /// let (snapshot, mut searcher) = (index.snapshot(), LiveSearcher::new()?);
    /// // The two nearest that are multiples of ten.
    /// let near = snapshot.iter(&mut searcher, &[52.0], 16)?.filter_map(Result::ok);
    /// let keys: Vec<u64> = near.map(|found| found.key).filter(|key| key % 10 == 0).take(2).collect();
    /// assert_eq!(keys, [50, 60]);
    /// # Ok::<(), hnsw::Error>(())
    /// ```
    pub fn iter<'a>(
        &'a self,
        searcher: &'a mut LiveSearcher<T>,
        query: &'a [T],
        ef_search: usize,
    ) -> Result<LiveNeighbors<'a, T>, Error> {
        iter(&self.state, searcher, query, ef_search)
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.state.keys
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.state.keys == 0
    }

    /// All keys, ascending. O(n log n).
    pub fn keys(&self) -> Vec<u64> {
        let mut keys = Vec::with_capacity(self.state.keys);
        for row in 0..self.state.labels.len() as u32 {
            for_keys(&self.state.labels, &self.state.extra, row, |key| keys.push(key));
        }
        keys.sort_unstable();
        keys
    }

    /// Vectors that no search would find, whatever the effort, as no path of edges leads to them: 0, always. To be
    /// asked by whoever wants to see it. O(edges).
    pub fn unreachable(&self) -> usize {
        let state = &self.state;
        match state.trained {
            Some(_) => unreachable(&state.graph, &state.labels, state.seeds.ids.first().copied()),
            None => 0,
        }
    }

    /// Bytes that this version leads to, those included that it shares with others.
    pub fn memory_bytes(&self) -> usize {
        let state = &self.state;
        state.graph.memory_bytes()
            + state.labels.memory_bytes()
            + state.extra.memory_bytes()
            + state.codes.len()
            + size_of_val(&*state.vectors)
            + size_of_val(&*state.inverse_norms)
            + size_of_val(&*state.seeds.ids)
    }
}
