//! Searching while another thread writes: handles, snapshots, and a search of one version.

use std::collections::BinaryHeap;
use std::sync::Arc;

use layouts::published;
use simd_kernels::Element;

use crate::beam::Scorer;
use crate::error::Error;
use crate::graph::Graph;
use crate::intake::check_row;
use crate::live::state::{Links, State, Trained, for_keys, unreachable};
use crate::metric::{Query, sortable};
use crate::params::SearchParams;
use crate::search::Searcher;
use crate::view::{Prepared, View};

/// A vector that was found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// Its key.
    pub key: u64,
    /// Its distance from the query, in the metric's unit.
    pub distance: f32,
}

/// The best so far: a number that sorts like the distance, then the key.
#[derive(Debug, Default)]
struct Best {
    heap: BinaryHeap<(i32, u64)>,
    k: usize,
}

impl Best {
    #[inline]
    fn offer(&mut self, distance: f32, key: u64) {
        // Adding zero makes -0 the same as 0.
        let offered = (sortable(distance + 0.0), key);
        if self.heap.len() < self.k {
            self.heap.push(offered);
        } else if let Some(mut worst) = self.heap.peek_mut()
            && offered < *worst
        {
            *worst = offered;
        }
    }
}

/// Memory of one search of a changing index at a time: made once per thread, used for any number of queries.
#[derive(Debug)]
pub struct LiveSearcher<T: Element> {
    inner: Searcher<T>,
    best: Best,
    found: Vec<Found>,
}

impl<T: Element> LiveSearcher<T> {
    /// Empty scratch; it grows with its first query.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { inner: Searcher::new()?, best: Best::default(), found: Vec::new() })
    }

    /// Distances computed and rows expanded by all searches so far.
    pub fn work(&self) -> (u64, u64) {
        self.inner.work()
    }
}

/// Walks by codes, measures every expanded row one step later, and reports the keys of those that are there.
struct Refine<'a, T: Element> {
    state: &'a State<T>,
    view: &'a View<'a, T>,
    query: &'a [T],
    prepared: &'a mut Prepared<T::Distance>,
    best: &'a mut Best,
    pending: Option<u32>,
}

impl<T: Element> Refine<'_, T> {
    fn refine(&mut self, row: u32) -> Result<(), Error> {
        let distance = self.view.distance(self.query, self.prepared, row)?;
        for_keys(&self.state.labels, &self.state.extra, row, |key| self.best.offer(distance, key));
        Ok(())
    }
}

impl<T: Element> Scorer for Refine<'_, T> {
    #[inline]
    fn score(&mut self, ids: &[u32], out: &mut [i32]) -> Result<(), Error> {
        self.view.score(self.query, self.prepared, ids, out)
    }
    #[inline]
    fn prefetch(&self, id: u32) {
        self.view.prefetch(id);
    }
    #[inline]
    fn expand(&mut self, _: i32, id: u32) -> Result<(), Error> {
        self.view.prefetch_exact(id);
        self.state.labels.prefetch(id as usize);
        match self.pending.replace(id) {
            Some(row) => self.refine(row),
            None => Ok(()),
        }
    }
}

/// The `k` nearest keys of one version, nearest first, ties by the lower key.
pub(crate) fn search<'s, T: Element>(
    state: &State<T>,
    searcher: &'s mut LiveSearcher<T>,
    query: &[T],
    params: &SearchParams,
) -> Result<&'s [Found], Error> {
    if query.len() != state.dim {
        return Err(Error::Dimension { argument: "query", expected: state.dim, actual: query.len() });
    }
    let inverse_norm = check_row(query, state.metric, "query", 0)?;
    let LiveSearcher { inner, best, found } = searcher;
    found.clear();
    best.heap.clear();
    best.k = params.k.min(state.keys);
    super::reserve(found, best.k)?;
    best.heap.try_reserve(best.k).map_err(|_| super::no_memory::<(i32, u64)>(best.k))?;
    if best.k > 0 {
        match &state.trained {
            Some(trained) => walk(state, trained, inner, best, query, params)?,
            None => {
                let (exact, query) = (state.exact()?, Query { vector: query, inverse_norm });
                for row in 0..state.labels.len() as u32 {
                    let distance = exact.distance(&query, row)?;
                    for_keys(&state.labels, &state.extra, row, |key| best.offer(distance, key));
                }
            }
        }
    }
    let number = |sortable: i32| f32::from_bits((sortable ^ ((sortable >> 31) & i32::MAX)) as u32);
    found.extend(best.heap.drain().map(|(distance, key)| Found { key, distance: number(distance) }));
    found.sort_unstable_by(|a, b| a.distance.total_cmp(&b.distance).then(a.key.cmp(&b.key)));
    Ok(found)
}

fn walk<T: Element>(
    state: &State<T>,
    trained: &Trained,
    searcher: &mut Searcher<T>,
    best: &mut Best,
    query: &[T],
    params: &SearchParams,
) -> Result<(), Error> {
    let (view, links) = (state.view(trained)?, Links(&state.graph));
    let Searcher { beam, prepared, scores, starts, .. } = searcher;
    view.prepare(query, prepared)?;
    state.seeds.nearest(&view, query, prepared, scores, starts)?;
    let mut effort = params.ef_search.max(best.k);
    loop {
        beam.start(&links, effort.min(links.rows()));
        for &(score, row) in &*starts {
            beam.add(score, row);
        }
        best.heap.clear();
        let mut refine = Refine { state, view: &view, query, prepared, best, pending: None };
        beam.run(&links, &mut refine)?;
        if let Some(row) = refine.pending.take() {
            refine.refine(row)?;
        }
        // Removed rows take up candidates: where they left too few, look farther. With as many candidates as rows
        // everything is met.
        if best.heap.len() == best.k || effort >= links.rows() {
            return Ok(());
        }
        effort = effort.saturating_mul(4);
    }
}

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
    /// [`Error::Dimension`], [`Error::NotFinite`], [`Error::ZeroVector`], naming `query`.
    pub fn search<'s>(
        &mut self,
        searcher: &'s mut LiveSearcher<T>,
        query: &[T],
        params: &SearchParams,
    ) -> Result<&'s [Found], Error> {
        search(&self.reader.pin(), searcher, query, params)
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
