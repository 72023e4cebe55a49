//! The index that changes: one writer inserts and removes, any number of readers search, nobody waits.
//!
//! What a reader sees is a version, built beside the one before it and published whole. Versions share the zones in
//! which they are the same; a zone that is changed is copied first, once for all changes of a call. Removed vectors
//! leave their zone at once, so a scan never meets them.

mod centres;
mod check;
mod draft;
mod halves;
mod image;
mod keeping;
mod log;
mod make;
mod params;
mod read;
mod state;
mod store;
mod table;
mod upkeep;
mod zone;

use std::fmt;
use std::sync::Arc;

use hnsw::Metric;
use hnsw::pieces::check_row;
use layouts::published;
use simd_kernels::{Element, Rows};

use crate::build;
use crate::error::Error;
use crate::index::ZonalPq;
use crate::parallel::blocks;
use draft::{Carried, Draft};
use log::{Log, Mark};
use state::State;
use store::Store;

pub use check::Checked;
pub use log::Durability;
pub use params::LiveParams;
pub use read::{LiveBatchSearcher, LiveReader, LiveReaders, LiveSearcher, LiveSnapshot, NOT_FOUND};
pub use store::Recovery;
pub use upkeep::Upkeep;

/// Rows that are inserted between two looks at whether a zone is full.
const TOGETHER: usize = 4096;
/// Rows from which on scale and codes are not learnt anew as the index grows.
const LEARNT: usize = 16_384;

/// Zones and codes that change while they are searched: vectors come and go by keys of the caller's.
///
/// The `LiveZonal` is the writer; [`readers`](Self::readers) gives the other side. What is done in one call becomes
/// visible at once, as a whole. A call copies the zones that it touches, so batches are the efficient way in and out:
/// one vector costs about as much as a few hundred that go to the same zones. Results do not depend on the number of
/// threads.
///
/// A call that fails has changed nothing.
///
/// ```
/// use zonal_pq::{LiveParams, LiveSearcher, LiveZonal, Metric, SearchParams};
/// let mut index = LiveZonal::<f32>::new(2, Metric::L2, &LiveParams::default())?;
/// let mut reader = index.readers().reader()?;
/// let mut searcher = LiveSearcher::new()?;
/// index.insert(70, &[1.0, 2.0])?;
/// index.insert(71, &[3.0, 4.0])?;
/// let before = reader.snapshot();
/// assert!(index.remove(70)?);
/// let found = reader.search(&mut searcher, &[1.0, 2.0], &SearchParams::new(2, 10))?;
/// assert_eq!((found.len(), found[0].key, found[0].distance), (1, 71, 8.0));
/// let found = before.search(&mut searcher, &[1.0, 2.0], &SearchParams::new(2, 10))?;
/// assert_eq!((found.len(), found[0].key), (2, 70));
/// # Ok::<(), zonal_pq::Error>(())
/// ```
pub struct LiveZonal<T: Element> {
    params: LiveParams,
    /// `None` after a change that failed: made again from what is published.
    draft: Option<Draft<T>>,
    writer: published::Writer<State<T>>,
    /// Where changes are kept, if anywhere.
    store: Option<Store>,
}

impl<T: Element> LiveZonal<T> {
    /// An empty index of vectors with `dim` elements. It learns scale, zones and codes from its first rows, and again
    /// whenever it has twice as many, up to 16,384.
    ///
    /// # Errors
    /// [`Error::Parameter`], [`Error::Metric`], [`Error::Shape`] for a dimension that cannot be;
    /// [`Error::Layout`] without memory.
    pub fn new(dim: usize, metric: Metric, params: &LiveParams) -> Result<Self, Error> {
        params.check(metric)?;
        let none: [T; 0] = [];
        let index = build::build(Rows::new(&none, dim)?, metric, &params.build, &())?;
        Self::with(State::from_frozen(index, &[])?, params)
    }

    /// An empty index with the scale, zones and codes of a build on `sample`, for vectors that are like it.
    ///
    /// # Errors
    /// As [`ZonalPq::build`] on the sample; [`Error::Parameter`] if that has no rows.
    pub fn with_sample(sample: Rows<'_, T>, metric: Metric, params: &LiveParams) -> Result<Self, Error> {
        params.check(metric)?;
        if sample.is_empty() {
            let value = "empty".to_owned();
            return Err(Error::Parameter { argument: "sample", value, expected: "at least one row" });
        }
        let index = build::build(sample, metric, &params.build, &())?;
        let keys: Vec<u64> = (0..index.len() as u64).collect();
        Self::with(State::from_frozen(index, &keys)?.emptied()?, params)
    }

    /// Goes on from a frozen index, whose vector `id` gets the key `keys[id]`. Second places are given up.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`]; [`Error::Layout`] if `keys` are not as many as vectors, and without memory;
    /// [`Error::Parameter`].
    pub fn from_frozen(index: ZonalPq<T>, keys: &[u64], params: &LiveParams) -> Result<Self, Error> {
        params.check(index.metric())?;
        expect_as_many(keys, index.len())?;
        expect_unique(keys)?;
        Self::with(State::from_frozen(index, keys)?, params)
    }

    fn with(state: State<T>, params: &LiveParams) -> Result<Self, Error> {
        let draft = Draft::new(&state, params)?;
        let writer = published::Writer::new(state)?;
        Ok(Self { params: params.clone(), draft: Some(draft), writer, store: None })
    }

    /// Adds a vector.
    ///
    /// # Errors
    /// As [`insert_batch`](Self::insert_batch).
    pub fn insert(&mut self, key: u64, vector: &[T]) -> Result<(), Error> {
        self.one_of(vector)?;
        self.insert_batch(&[key], Rows::new(vector, self.dim())?)
    }

    /// Adds many vectors, all or none, on the current rayon pool.
    ///
    /// # Errors
    /// [`Error::DuplicateKey`] if a key is there, or twice in `keys`; [`Error::Dimension`], [`Error::NotFinite`],
    /// [`Error::ZeroVector`], naming the row of `vectors`; [`Error::TooMany`]; [`Error::Layout`] if `keys` are not as
    /// many as vectors, and without memory.
    pub fn insert_batch(&mut self, keys: &[u64], vectors: Rows<'_, T>) -> Result<(), Error> {
        let draft = self.draft()?;
        if let Some(&key) = keys.iter().find(|key| draft.slots.contains_key(key)) {
            return Err(Error::DuplicateKey { key });
        }
        self.put(keys, vectors).map(|_| ())
    }

    /// Adds a vector, in place of the one of this key if there is one; says whether there was. Readers see the old
    /// one or the new, never both and never neither.
    ///
    /// # Errors
    /// As [`insert`](Self::insert), but for a key that is there.
    pub fn upsert(&mut self, key: u64, vector: &[T]) -> Result<bool, Error> {
        self.one_of(vector)?;
        Ok(self.upsert_batch(&[key], Rows::new(vector, self.dim())?)? == 1)
    }

    /// Adds or replaces many vectors, all or none; returns how many were replaced.
    ///
    /// # Errors
    /// As [`insert_batch`](Self::insert_batch), but for keys that are there.
    pub fn upsert_batch(&mut self, keys: &[u64], vectors: Rows<'_, T>) -> Result<usize, Error> {
        self.put(keys, vectors)
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
        let draft = self.draft()?;
        let mut known: Vec<u64> = keys.iter().copied().filter(|key| draft.slots.contains_key(key)).collect();
        known.sort_unstable();
        known.dedup();
        if known.is_empty() {
            return Ok(0);
        }
        self.change(|log| log.remove(&known), |draft, params| draft.take(&known, params))?;
        Ok(known.len())
    }

    /// Does at most `budget` splits and merges of zones that have become too large or too small, and says what was
    /// done and what is left. Once nothing is left, makes the graph that leads to the zones anew if there are many, and
    /// packs them together if changes have left them scattered over half as much memory again as they take: O(bytes), and
    /// as much memory for as long as older versions are held.
    /// [`LiveParams::upkeep`] says how much of the splits and merges other calls do by themselves.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn maintain(&mut self, budget: usize) -> Result<Upkeep, Error> {
        self.apply(|draft, params| {
            let mut done = draft.maintain(budget, params.neighbours)?;
            let graph_from = params.build.graph_from;
            if done.left == 0
                && draft.zones.len() >= graph_from
                && (draft.moved || draft.router.graph.is_none())
            {
                draft.route(graph_from)?;
            }
            if done.left == 0 && draft.zones.is_loose() {
                draft.zones.pack(draft.shape)?;
                done.packed = true;
            }
            Ok(done)
        })
    }

    /// Builds the index anew from the vectors that are there: scale, zones and codes. For data that have moved away
    /// from what the index learnt from.
    ///
    /// # Errors
    /// As [`ZonalPq::build`]; the index is then unchanged.
    pub fn rebuild(&mut self) -> Result<(), Error> {
        let none: [T; 0] = [];
        let state = self.writer.current().grown(&[], Rows::new(&none, self.dim())?, &self.params)?;
        self.draft = Some(Draft::new(&state, &self.params)?);
        self.writer.publish(state)?;
        Ok(())
    }

    /// Checks a batch and puts it in.
    fn put(&mut self, keys: &[u64], vectors: Rows<'_, T>) -> Result<usize, Error> {
        let dim = self.dim();
        if vectors.dim() != dim {
            return Err(Error::Dimension { argument: "vectors", expected: dim, actual: vectors.dim() });
        }
        expect_as_many(keys, vectors.len())?;
        expect_unique(keys)?;
        let metric = self.metric();
        let draft = self.draft()?;
        let rows = draft.rows().saturating_add(keys.len());
        if rows > i32::MAX as usize {
            return Err(Error::TooMany { rows });
        }
        blocks(vectors.len(), 1024, |range| {
            for row in range {
                check_row(vectors.row(row).unwrap_or_default(), metric, "vectors", row)?;
            }
            Ok(())
        })?;
        let replaced = keys.iter().filter(|key| draft.slots.contains_key(key)).count();
        if !keys.is_empty() {
            self.change(|log| log.put(keys, vectors), |draft, params| draft.put(keys, vectors, params))?;
        }
        Ok(replaced)
    }

    /// Changes the index and the log, or neither.
    fn change(
        &mut self,
        write: impl FnOnce(&mut Log) -> Result<Mark, Error>,
        apply: impl FnOnce(&mut Draft<T>, &LiveParams) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mark = match &mut self.store {
            Some(store) => Some(write(&mut store.log)?),
            None => None,
        };
        let result = self.apply(apply);
        if let (Err(_), Some(mark), Some(store)) = (&result, mark, &mut self.store) {
            store.log.take_back(mark);
        }
        result
    }

    /// Changes the draft and publishes it, or leaves everything as it was.
    fn apply<R>(
        &mut self,
        apply: impl FnOnce(&mut Draft<T>, &LiveParams) -> Result<R, Error>,
    ) -> Result<R, Error> {
        self.draft()?;
        let result = match &mut self.draft {
            Some(draft) => apply(draft, &self.params).and_then(|result| {
                self.writer.publish(draft.state()?)?;
                Ok(result)
            }),
            None => Err(Error::Cancelled),
        };
        if result.is_err() {
            // Back to what is published; should there be no memory for that either, the next call tries again.
            self.draft = None;
            let _ = self.draft();
        }
        result
    }

    /// The draft, made again if a change has failed.
    fn draft(&mut self) -> Result<&Draft<T>, Error> {
        let draft = match self.draft.take() {
            Some(draft) => draft,
            None => Draft::new(self.writer.current(), &self.params)?,
        };
        Ok(self.draft.insert(draft))
    }

    /// Where readers come from; may be cloned, sent, and outlive the writer.
    pub fn readers(&self) -> LiveReaders<T> {
        LiveReaders::new(self.writer.published())
    }

    /// The version that is published.
    pub fn snapshot(&self) -> LiveSnapshot<T> {
        LiveSnapshot { state: Arc::clone(self.writer.current()) }
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.writer.current().rows
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there is a vector of this key.
    pub fn contains(&self, key: u64) -> bool {
        self.slot(key).is_some()
    }

    /// The vector of a key.
    pub fn get(&self, key: u64) -> Option<&[T]> {
        let slot = self.slot(key)?;
        match &self.draft {
            Some(draft) => draft.vector(slot),
            None => self.writer.current().vector_of(slot),
        }
    }

    /// The slot of a key.
    fn slot(&self, key: u64) -> Option<u32> {
        match &self.draft {
            Some(draft) => draft.slots.get(&key).copied(),
            None => self.writer.current().slots().find(|&slot| self.writer.current().key(slot) == key),
        }
    }

    /// How vectors are compared.
    pub fn metric(&self) -> Metric {
        self.writer.current().learnt.space.metric
    }

    /// Elements of a vector.
    pub fn dim(&self) -> usize {
        self.writer.current().shape.dim
    }

    /// Zones.
    pub fn zones(&self) -> usize {
        self.writer.current().zones.len()
    }

    /// Looks over everything that must hold, in O(n · zones · dim), and says how far from the nearest zone vectors
    /// are. For tests.
    ///
    /// # Errors
    /// [`Error::Damaged`] says what does not hold; [`Error::Layout`] without memory.
    pub fn check(&mut self) -> Result<Checked, Error> {
        self.draft()?.check()
    }

    /// Bytes of the current version, and of what the writer needs beside it. Not those of older versions that are
    /// still held.
    pub fn memory_bytes(&self) -> usize {
        let draft = self.draft.as_ref().map_or(0, |draft| {
            draft.places.capacity() * size_of::<draft::Place>()
                + draft.slots.capacity() * (size_of::<(u64, u32)>() + 1)
                + 2 * draft.centres.rows().len()
        });
        self.snapshot().memory_bytes() + draft
    }

    fn one_of(&self, vector: &[T]) -> Result<(), Error> {
        let (expected, actual) = (self.dim(), vector.len());
        if expected == actual {
            Ok(())
        } else {
            Err(Error::Dimension { argument: "vector", expected, actual })
        }
    }
}

impl<T: Element> Draft<T> {
    /// Inserts checked vectors of keys that are not there.
    fn insert(&mut self, keys: &[u64], vectors: Rows<'_, T>, params: &LiveParams) -> Result<(), Error> {
        if self.zones.len() == 0 || self.is_outgrown(keys.len()) {
            return self.learn(keys, vectors, params);
        }
        let integers = self.integers(vectors.len(), |row| vectors.row(row).unwrap_or_default())?;
        let nearest = self.centres.nearest(Rows::new(&integers, self.learnt.space.dim())?, self.kernels)?;
        let targets: Vec<u32> = nearest.iter().map(|&(zone, _)| zone).collect();
        let mut carried = self.gather(keys, vectors)?;
        carried.integers = integers;
        self.place(&carried, &targets)?;
        self.keep_up(keys.len(), params)
    }

    /// New slots for keys, and their vectors.
    fn gather(&mut self, keys: &[u64], vectors: Rows<'_, T>) -> Result<Carried<T>, Error> {
        let mut slots = Vec::with_capacity(keys.len());
        let mut flat = layouts::AlignedVec::with_capacity(vectors.len() * vectors.dim())?;
        for (&key, vector) in keys.iter().zip(vectors.iter()) {
            slots.push(self.take_slot(key)?);
            flat.extend_from_slice(vector)?;
        }
        Ok(Carried { slots, vectors: flat, integers: layouts::AlignedVec::new() })
    }

    /// Whether with so many more rows there are twice as many as scale and codes were learnt from.
    fn is_outgrown(&self, more: usize) -> bool {
        let learnt_from = self.pace.learnt_from;
        learnt_from < LEARNT && self.rows() + more >= 2 * learnt_from.max(1)
    }

    /// Learns everything anew from what is there and what comes.
    fn learn(&mut self, keys: &[u64], vectors: Rows<'_, T>, params: &LiveParams) -> Result<(), Error> {
        let state = self.state()?.grown(keys, vectors, params)?;
        *self = Self::new(&state, params)?;
        Ok(())
    }

    /// The upkeep of a call that has changed so many rows.
    fn keep_up(&mut self, changed: usize, params: &LiveParams) -> Result<(), Error> {
        let operations = match params.upkeep {
            0 => 0,
            each => 1 + each * changed / self.target().max(1),
        };
        self.maintain(operations, params.neighbours).map(|_| ())
    }
}

impl<T: Element> fmt::Debug for LiveZonal<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LiveZonal")
            .field("params", &self.params)
            .field("len", &self.len())
            .field("zones", &self.zones())
            .finish_non_exhaustive()
    }
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
    shareable::<LiveZonal<f32>>();
    shareable::<LiveReaders<f32>>();
    shareable::<LiveReader<f32>>();
    shareable::<LiveSnapshot<f32>>();
    shareable::<LiveSearcher>();
    shareable::<LiveBatchSearcher>();
};

#[cfg(test)]
mod tests {
    use super::*;

    /// A change that fails half-way, as one without memory would, leaves everything as it was.
    #[test]
    fn a_change_that_fails_is_taken_back() {
        let data: Vec<f32> = (0..4000).map(|x| ((x * x) as f32 * 0.017).sin()).collect();
        let rows = Rows::new(&data, 4).unwrap();
        let mut index = LiveZonal::new(4, Metric::L2, &LiveParams::default().zone_rows(1, 32)).unwrap();
        let keys: Vec<u64> = (0..600).collect();
        index.insert_batch(&keys, rows.slice(0, 600).unwrap()).unwrap();
        let before = (index.check().unwrap(), index.snapshot().keys(), index.snapshot().zone_sizes());
        let result: Result<(), Error> = index.apply(|draft, params| {
            draft.remove(&keys[..200])?;
            draft.put(&[900, 901, 902], rows.slice(700, 703).unwrap(), params)?;
            Err(Error::Cancelled)
        });
        assert!(matches!(result, Err(Error::Cancelled)) && index.contains(5) && !index.contains(900));
        assert_eq!((index.check().unwrap(), index.snapshot().keys(), index.snapshot().zone_sizes()), before);
        // Without a draft, what is published answers.
        index.draft = None;
        assert!(index.get(5) == rows.row(5) && !index.contains(900) && index.len() == 600);
        assert!(index.remove(5).unwrap() && index.check().unwrap().rows == 599);
    }

    /// And so does one whose log says otherwise already.
    #[test]
    fn the_log_does_not_keep_what_failed() {
        let folder = tempfile::tempdir().unwrap();
        let params = LiveParams::default();
        let mut index = LiveZonal::<f32>::new(2, Metric::L2, &params).unwrap();
        index.keep_in(folder.path(), Durability::Always).unwrap();
        index.insert(1, &[1.0, 2.0]).unwrap();
        let one = [3.0, 4.0];
        let failed = index.change(|log| log.put(&[2], Rows::new(&one, 2)?), |_, _| Err(Error::Cancelled));
        assert!(matches!(failed, Err(Error::Cancelled)));
        index.insert(3, &[5.0, 6.0]).unwrap();
        drop(index);
        let index = LiveZonal::<f32>::open(folder.path(), &params, Durability::Always).unwrap();
        assert_eq!((index.snapshot().keys(), index.recovery().unwrap().changes), (vec![1, 3], 2));
    }
}
