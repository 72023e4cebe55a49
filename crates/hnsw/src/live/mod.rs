//! The index that changes: one writer inserts and removes, any number of readers search, nobody waits.
//!
//! What a reader sees is a version, built beside the one before it and published whole; see `README.md` in this
//! folder for why that is right and what it costs, and [`layouts::published`] for how versions are freed.

mod compact;
mod draft;
mod insert;
mod params;
mod read;
mod remove;
mod search;
mod state;
mod tree;

use std::fmt;
use std::sync::Arc;

use layouts::{Adjacency, published};
use simd_kernels::{Element, Kernels, Rows};

use crate::error::Error;
use crate::index::Hnsw;
use crate::intake::check_row;
use crate::metric::Metric;
use crate::parallel;
use draft::Draft;
use insert::Batch;
use state::State;

pub use params::LiveParams;
pub use read::{Reader, Readers, Snapshot};
pub use search::{Found, LiveBatchSearcher, LiveNeighbors, LiveSearcher, NO_KEY};

/// Rows below which a compaction is not worth its while.
const COMPACT_FROM: usize = 256;

/// A graph index that changes while it is searched: vectors come and go by keys of the caller's.
///
/// The `LiveHnsw` is the writer; [`readers`](Self::readers) gives the other side. What is done in one call becomes
/// visible at once, as a whole. Calls on batches are the efficient way in and out: their rows are worked on in
/// parallel, with a result that does not depend on the number of threads.
///
/// A call that fails has changed nothing, with one exception: where there is no memory for the few bytes that
/// publishing takes, the change is made and is published by the next call.
///
/// ```
/// use hnsw::{LiveHnsw, LiveParams, LiveSearcher, Metric, SearchParams};
/// let mut index = LiveHnsw::<f32>::new(2, Metric::L2, &LiveParams::default())?;
/// let mut reader = index.readers().reader()?;
/// let mut searcher = LiveSearcher::new()?;
/// index.insert(70, &[1.0, 2.0])?;
/// index.insert(71, &[3.0, 4.0])?;
/// let before = reader.snapshot();
/// assert!(index.remove(70)?);
/// let found = reader.search(&mut searcher, &[1.0, 2.0], &SearchParams::new(2, 50))?;
/// assert_eq!((found.len(), found[0].key, found[0].distance), (1, 71, 8.0));
/// let found = before.search(&mut searcher, &[1.0, 2.0], &SearchParams::new(2, 50))?;
/// assert_eq!((found.len(), found[0].key), (2, 70));
/// # Ok::<(), hnsw::Error>(())
/// ```
pub struct LiveHnsw<T: Element> {
    params: LiveParams,
    draft: Draft<T>,
    writer: published::Writer<State<T>>,
    /// Whether the draft holds what readers do not see.
    unpublished: bool,
}

impl<T: Element> LiveHnsw<T> {
    /// An empty index of vectors with `dim` elements. It learns its scale and codes from the first rows, as many as
    /// `params` say; until then searches are exact.
    ///
    /// # Errors
    /// [`Error::Parameter`], [`Error::Metric`], [`Error::Layout`] without memory.
    pub fn new(dim: usize, metric: Metric, params: &LiveParams) -> Result<Self, Error> {
        params.check(metric)?;
        metric.expect::<T>()?;
        let none: [T; 0] = [];
        Rows::new(&none, dim)?;
        Self::with(
            Draft::new(Kernels::active()?, metric, dim, &params.build, params.ef_insert, None)?,
            params,
        )
    }

    /// An empty index that learns its scale and codes from `sample`, and keeps them.
    ///
    /// # Errors
    /// As [`Hnsw::build`] on the sample; [`Error::Parameter`] if that has no rows.
    pub fn with_sample(sample: Rows<'_, T>, metric: Metric, params: &LiveParams) -> Result<Self, Error> {
        params.check(metric)?;
        if sample.is_empty() {
            let value = "empty".to_owned();
            return Err(Error::Parameter { argument: "sample", value, expected: "at least one row" });
        }
        let (kernels, trained) = compact::learn(sample, metric, params)?;
        let mut draft =
            Draft::new(kernels, metric, sample.dim(), &params.build, params.ef_insert, Some(trained))?;
        draft.sampled = true;
        Self::with(draft, params)
    }

    /// Goes on from a frozen index, whose vector `id` gets the key `keys[id]`. The degree stays that of the index.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`]; [`Error::Layout`] if `keys` are not as many as vectors, and without memory;
    /// [`Error::Parameter`].
    pub fn from_frozen(index: Hnsw<T>, keys: &[u64], params: &LiveParams) -> Result<Self, Error> {
        params.check(index.metric())?;
        if index.is_empty() {
            expect_as_many(keys, 0)?;
            return Self::new(index.dim(), index.metric(), params);
        }
        Self::with(compact::thaw(index, keys, params)?, params)
    }

    fn with(mut draft: Draft<T>, params: &LiveParams) -> Result<Self, Error> {
        let writer = published::Writer::new(draft.state()?)?;
        Ok(Self { params: params.clone(), draft, writer, unpublished: false })
    }

    /// Adds a vector. About as much work as a search with twice `ef_insert` candidates, and a copy of what
    /// it changes; batches share both.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`] if the key is there: [`upsert`](Self::upsert) replaces. [`Error::Dimension`],
    /// [`Error::NotFinite`], [`Error::ZeroVector`], [`Error::TooMany`], [`Error::Layout`] without memory.
    pub fn insert(&mut self, key: u64, vector: &[T]) -> Result<(), Error> {
        self.one_of(vector)?;
        self.insert_batch(&[key], Rows::new(vector, self.draft.dim)?)
    }

    /// Adds many vectors, all or none.
    ///
    /// # Errors
    /// As [`insert`](Self::insert); [`Error::DuplicateKey`] also for a key that is twice in `keys`; [`Error::Layout`]
    /// if `keys` and `vectors` are not equally many.
    pub fn insert_batch(&mut self, keys: &[u64], vectors: Rows<'_, T>) -> Result<(), Error> {
        if let Some(&key) = keys.iter().find(|key| self.draft.places.contains_key(key)) {
            return Err(Error::DuplicateKey { key });
        }
        self.put(&[], keys, vectors)
    }

    /// Adds a vector, in place of the one of this key if there is one; says whether there was. Readers see the old
    /// one or the new, never both and never neither.
    ///
    /// # Errors
    /// As [`insert`](Self::insert), but for a key that is there.
    pub fn upsert(&mut self, key: u64, vector: &[T]) -> Result<bool, Error> {
        self.one_of(vector)?;
        Ok(self.upsert_batch(&[key], Rows::new(vector, self.draft.dim)?)? == 1)
    }

    /// Adds or replaces many vectors, all or none; returns how many were replaced.
    ///
    /// # Errors
    /// As [`insert_batch`](Self::insert_batch), but for keys that are there.
    pub fn upsert_batch(&mut self, keys: &[u64], vectors: Rows<'_, T>) -> Result<usize, Error> {
        let known = |key: &u64| self.draft.places.contains_key(key);
        let replaced: Vec<u64> = keys.iter().copied().filter(known).collect();
        self.put(&replaced, keys, vectors)?;
        Ok(replaced.len())
    }

    /// Removes a vector; says whether there was one of this key.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn remove(&mut self, key: u64) -> Result<bool, Error> {
        Ok(self.remove_batch(&[key])? == 1)
    }

    /// Removes many vectors; returns how many there were. Keys that are not there, or there twice, are passed over.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory; nothing is removed then.
    pub fn remove_batch(&mut self, keys: &[u64]) -> Result<usize, Error> {
        let mut known: Vec<u64> =
            keys.iter().copied().filter(|key| self.draft.places.contains_key(key)).collect();
        known.sort_unstable();
        known.dedup();
        if !known.is_empty() {
            self.change(&known, None)?;
        }
        Ok(known.len())
    }

    /// Checks a batch and changes the index by it.
    fn put(&mut self, replaced: &[u64], keys: &[u64], vectors: Rows<'_, T>) -> Result<(), Error> {
        let draft = &self.draft;
        if vectors.dim() != draft.dim {
            let (expected, actual) = (draft.dim, vectors.dim());
            return Err(Error::Dimension { argument: "vectors", expected, actual });
        }
        expect_as_many(keys, vectors.len())?;
        expect_unique(keys)?;
        let rows = draft.rows().saturating_add(keys.len());
        if rows > Adjacency::MAX_LEN {
            return Err(Error::TooMany { rows });
        }
        let metric = draft.metric;
        let inverse_norms = parallel::blocks(vectors.len(), 1024, |range| {
            let check = |row| check_row(vectors.row(row).unwrap_or_default(), metric, "vectors", row);
            range.map(check).collect::<Result<Vec<f32>, Error>>()
        })?
        .concat();
        if keys.is_empty() {
            return Ok(());
        }
        self.change(replaced, Some(Batch { keys, vectors, inverse_norms: &inverse_norms }))
    }

    /// Removes keys that are there and inserts others, or does nothing.
    fn change(&mut self, removed: &[u64], batch: Option<Batch<'_, T>>) -> Result<(), Error> {
        let before = self.draft.checkpoint()?;
        let state = self.apply(removed, batch);
        let state = match state {
            Ok(state) => state,
            Err(error) => {
                self.draft.restore(before);
                return Err(error);
            }
        };
        drop(before);
        let Draft { places, placed, .. } = &mut self.draft;
        for key in removed {
            places.remove(key);
        }
        places.extend(placed.drain(..));
        self.unpublished = true;
        if let Some(state) = state {
            self.writer.publish(state)?;
            self.unpublished = false;
        }
        self.maintain();
        Ok(())
    }

    /// Changes the draft, and makes a version of it if it is to be published: all that can fail.
    fn apply(&mut self, removed: &[u64], batch: Option<Batch<'_, T>>) -> Result<Option<State<T>>, Error> {
        let draft = &mut self.draft;
        draft.placed.clear();
        remove::remove(draft, removed)?;
        if let Some(batch) = batch {
            let more = batch.keys.len();
            reserve(&mut draft.placed, more)?;
            draft.places.try_reserve(more).map_err(|_| no_memory::<(u64, u32)>(more))?;
            match draft.trained.clone() {
                Some(trained) => insert::insert(draft, &trained, batch)?,
                None => insert::append(draft, batch)?,
            }
        }
        if self.params.publish { Ok(Some(draft.state()?)) } else { Ok(None) }
    }

    /// Learns once there is enough to learn from, and again once that is outgrown; compacts once enough was removed. Should there be no memory for it,
    /// the index stays as it is, which is right if not fast, and the next call tries again.
    fn maintain(&mut self) {
        let draft = &self.draft;
        let first = draft.trained.is_none() && draft.keys >= self.params.training;
        let again = self.params.compact_at.is_some() && draft.trained.is_some() && draft.is_outgrown();
        let next = if (first || again) && draft.keys > 0 {
            compact::rebuilt(draft).and_then(|(index, keys)| compact::thaw(index, &keys, &self.params))
        } else {
            let entries = draft.rows() + draft.extra.len();
            let removed = (draft.dead + draft.loose) as f32;
            let is_due = |share| entries >= COMPACT_FROM && removed >= share * entries as f32;
            if !self.params.compact_at.is_some_and(is_due) {
                return;
            }
            compact::compacted(draft)
        };
        if let Ok(next) = next {
            // If publishing fails, the draft is the same index in another form, and published next time.
            let _ = self.take_up(next);
        }
    }

    fn take_up(&mut self, next: Draft<T>) -> Result<(), Error> {
        self.draft = next;
        self.unpublished = true;
        if self.params.publish { self.publish() } else { Ok(()) }
    }

    /// Shows readers everything that was done; nothing happens if they see it already.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory; what was published stays so.
    pub fn publish(&mut self) -> Result<(), Error> {
        if self.unpublished {
            self.writer.publish(self.draft.state()?)?;
            self.unpublished = false;
        }
        Ok(())
    }

    /// Drops removed rows and lays out the others anew, near ones together, with new seeds: about the work of
    /// inserting a twentieth of them. Happens by itself if [`LiveParams::compact_at`] says so. Snapshots keep what they
    /// have.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory; the index is then unchanged.
    pub fn compact(&mut self) -> Result<(), Error> {
        let next = compact::compacted(&self.draft)?;
        self.take_up(next)
    }

    /// Builds the index anew from the vectors that are there: scale, codes and graph. For data that have moved away
    /// from what the index learned from.
    ///
    /// # Errors
    /// As [`Hnsw::build`]; the index is then unchanged.
    pub fn rebuild(&mut self) -> Result<(), Error> {
        if self.draft.keys == 0 {
            return self.compact();
        }
        let (index, keys) = compact::rebuilt(&self.draft)?;
        let next = compact::thaw(index, &keys, &self.params)?;
        self.take_up(next)
    }

    /// A frozen index of what is there, to be saved or mapped, and the key of each of its ids, ascending. The graph is
    /// this one, compacted.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn to_frozen(&self) -> Result<(Hnsw<T>, Vec<u64>), Error> {
        compact::frozen(&self.draft)
    }

    /// Where readers come from; may be cloned, sent, and outlive the writer.
    pub fn readers(&self) -> Readers<T> {
        Readers::new(self.writer.published())
    }

    /// The version that is published.
    pub fn snapshot(&self) -> Snapshot<T> {
        Snapshot::new(Arc::clone(self.writer.current()))
    }

    /// Number of vectors, published or not.
    pub fn len(&self) -> usize {
        self.draft.keys
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a vector of this key.
    pub fn contains(&self, key: u64) -> bool {
        self.draft.places.contains_key(&key)
    }

    /// The vector of a key.
    pub fn get(&self, key: u64) -> Option<&[T]> {
        self.draft.places.get(&key).map(|&row| self.draft.vector(row))
    }

    /// Removed vectors that take up room until the next compaction.
    pub fn removed(&self) -> usize {
        self.draft.dead + self.draft.loose
    }

    /// How vectors are compared.
    pub fn metric(&self) -> Metric {
        self.draft.metric
    }

    /// Elements of a vector.
    pub fn dim(&self) -> usize {
        self.draft.dim
    }

    /// Bytes of everything: the current version, and what the writer needs beside it. Not those of older versions
    /// that are still held.
    pub fn memory_bytes(&self) -> usize {
        let draft = &self.draft;
        let map = draft.places.capacity() * (size_of::<(u64, u32)>() + 1);
        self.snapshot().memory_bytes() + draft.integers.memory_bytes() + map + 7 * draft.rows()
    }

    fn one_of(&self, vector: &[T]) -> Result<(), Error> {
        let (expected, actual) = (self.draft.dim, vector.len());
        if expected == actual {
            Ok(())
        } else {
            Err(Error::Dimension { argument: "vector", expected, actual })
        }
    }
}

impl<T: Element> fmt::Debug for LiveHnsw<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LiveHnsw")
            .field("params", &self.params)
            .field("len", &self.len())
            .field("removed", &self.removed())
            .finish_non_exhaustive()
    }
}

fn no_memory<T>(len: usize) -> Error {
    layouts::Error::Memory { bytes: len.saturating_mul(size_of::<T>()) }.into()
}

fn reserve<T>(vec: &mut Vec<T>, more: usize) -> Result<(), Error> {
    vec.try_reserve(more).map_err(|_| no_memory::<T>(more))
}

fn expect_as_many(keys: &[u64], expected: usize) -> Result<(), Error> {
    let actual = keys.len();
    if expected == actual {
        Ok(())
    } else {
        Err(layouts::Error::Length { argument: "keys", expected, actual }.into())
    }
}

fn expect_unique(keys: &[u64]) -> Result<(), Error> {
    let mut sorted = keys.to_vec();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Error::DuplicateKey { key: pair[0] }),
        None => Ok(()),
    }
}

/// Fails to compile should a type stop being shareable between threads.
const _: () = {
    const fn shareable<T: Send + Sync>() {}
    shareable::<LiveHnsw<f32>>();
    shareable::<Readers<f32>>();
    shareable::<Reader<f32>>();
    shareable::<Snapshot<f32>>();
    shareable::<LiveSearcher<f32>>();
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::params::{BuildParams, SearchParams};

    /// Seeds that are removed give way to rows that are there; the root alone may stay, as a waypoint.
    #[test]
    fn seeds_are_rows_that_are_there() {
        let data: Vec<f32> = (0..2400).map(|x| ((x * x) as f32 * 0.017).sin()).collect();
        let params = LiveParams::new(BuildParams::new().degree(8).seeds(16)).training(100).compact_at(None);
        let mut index = LiveHnsw::new(3, Metric::L2, &params).unwrap();
        index.insert_batch(&(0..800).collect::<Vec<_>>(), Rows::new(&data, 3).unwrap()).unwrap();
        for _ in 0..4 {
            let draft = &index.draft;
            let of = |&row: &u32| draft.labels.row(row as usize).unwrap()[0];
            let keys: Vec<u64> = draft.seeds.ids.iter().map(of).collect();
            assert!(keys.len() > 4);
            index.remove_batch(&keys).unwrap();
            let draft = &index.draft;
            assert!(draft.seeds.ids.iter().skip(1).all(|&row| draft.is_alive(row)));
        }
        index.compact().unwrap();
        assert!(index.draft.seeds.ids.iter().all(|&row| index.draft.is_alive(row)));
        assert_eq!(index.draft.seeds.ids.len(), 16);
    }

    /// A change that fails late, as one without memory would, is taken back whole.
    #[test]
    fn a_change_that_fails_is_taken_back() {
        const DIM: usize = 4;
        let data: Vec<f32> = (0..3000 * DIM).map(|x| ((x * x) as f32 * 0.017).sin()).collect();
        let rows = |from: usize, to: usize| Rows::new(&data[from * DIM..to * DIM], DIM).unwrap();
        let params = LiveParams::new(BuildParams::new().degree(8)).training(100);
        let mut index = LiveHnsw::new(DIM, Metric::Cosine, &params).unwrap();
        let mut other = LiveHnsw::new(DIM, Metric::Cosine, &params).unwrap();
        for index in [&mut index, &mut other] {
            index.insert_batch(&(0..1000).collect::<Vec<_>>(), rows(0, 1000)).unwrap();
            index.remove_batch(&[3, 4, 5]).unwrap();
        }

        let before = index.draft.checkpoint().unwrap();
        let keys: Vec<u64> = (0..600).chain(5000..5400).collect();
        let batch = Batch { keys: &keys, vectors: rows(1000, 2000), inverse_norms: &[1.0; 1000] };
        let removed: Vec<u64> = (100..600).collect();
        index.params.publish = false;
        index.apply(&removed, Some(batch)).unwrap();
        assert_ne!(index.draft.rows(), other.draft.rows());
        index.draft.restore(before);
        index.params.publish = true;

        // From here on both must go the same way.
        let mut searcher = LiveSearcher::new().unwrap();
        for step in 0..3u64 {
            let new: Vec<u64> = (6000 + 300 * step..6300 + 300 * step).collect();
            for index in [&mut index, &mut other] {
                index
                    .insert_batch(&new, rows(2000 + 300 * step as usize, 2300 + 300 * step as usize))
                    .unwrap();
                index.remove_batch(&(10 + 40 * step..50 + 40 * step).collect::<Vec<_>>()).unwrap();
            }
            let (one, two) = (index.snapshot(), other.snapshot());
            assert_eq!((one.keys(), one.unreachable()), (two.keys(), 0));
            assert_eq!(index.draft.graph, other.draft.graph);
            assert_eq!(index.draft.places, other.draft.places);
            for query in data.chunks_exact(DIM).step_by(97) {
                let params = SearchParams::new(5, 10);
                let expected = two.search(&mut searcher, query, &params).unwrap().to_vec();
                assert_eq!(one.search(&mut searcher, query, &params).unwrap(), expected);
            }
        }
    }
}
