//! Indexes larger than memory: what leads to zones is in memory, zones are read when a query visits them.
//!
//! Layout 2 of the file has, after the sections of every layout (see `file/`),
//!
//! | section | elements | holds |
//! |---|---|---|
//! | `sums` | `u64` | the checksum of every zone's part of `zones` |
//! | `zones` | `u8` | for each zone, from the start of a page of 4 KiB on, what a scan reads, unit by unit |
//! | `rows` | `u8` | zone by zone, each row's vector and then its integers, where they are kept |
//!
//! A unit of `zones` holds, for 16 or 64 rows, codes, factors, ids, then what rows have beside them under metrics
//! other than L2, then homes where rows can be in two zones. Units follow each other, so the first pages of a zone
//! are its first rows, which are those nearest to its centroid: with a page limit (as in SPANN: Chen et al., NeurIPS
//! 2021) the rest is not read.
//!
//! A query reads each of its zones that is not in the cache with one read, checks it, and then all candidates'
//! rows in the order they lie in, neighbours together. Vector and integers of a row lie side by side so that one
//! read serves both stages of refining.

mod cache;
mod rows;
mod save;
mod slots;
mod view;
mod zone;

use std::marker::PhantomData;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use hnsw::pieces::check_row;
use hnsw::{IdFilter, Metric};
use layouts::container::{FileReader, SectionInfo};
use layouts::{AlignedVec, Neighbor, Storage};
use simd_kernels::{Element, Kernels, Rows};

use crate::Error;
use crate::batch::NO_NEIGHBOR;
use crate::calibrate::Calibration;
use crate::code::Code;
use crate::file::{BY_ZONE, Front, KIND, PARAMS, damaged, unit_starts};
use crate::filter::filtered;
use crate::parallel::chunks;
use crate::params::{BuildParams, SearchParams};
use crate::range::within;
use crate::route::Router;
use crate::search::{Parts, Searcher, knn};
use crate::space::Space;
use cache::Cache;
use slots::Slots;
use view::View;
use zone::Shape;

const SUMS: &str = "sums";
const ZONES: &str = "zones";
const ROWS: &str = "rows";

/// Bytes of a page, the unit that zones start at and limits count in.
pub(crate) const PAGE: usize = 4096;

/// Vectors in zones on a disk.
///
/// In memory are the centroids and what finds them, 12 bytes a zone, and a cache of zones. [`ZonalPq`] makes the
/// file, and needs memory for all of it then; [`ZonalPq::open`] of the file that [`ZonalPq::save`] makes is the
/// alternative that leaves caching to the system.
///
/// [`ZonalPq`]: crate::ZonalPq
/// [`ZonalPq::open`]: crate::ZonalPq::open
/// [`ZonalPq::save`]: crate::ZonalPq::save
///
/// ```
/// use zonal_pq::{BuildParams, DiskIndex, DiskSearcher, Metric, SearchParams, ZonalPq};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("index.nigh");
/// let vectors: Vec<f32> = (0..32_000).map(|x| ((x * x % 977) as f32).sin()).collect();
/// let rows = simd_kernels::Rows::new(&vectors, 32)?;
/// ZonalPq::build(rows, Metric::L2, &BuildParams::new())?.save_by_zone(&path)?;
///
/// let index = DiskIndex::<f32>::open(&path, 1 << 20)?; // with a cache of a MiB
/// let mut searcher = DiskSearcher::new()?; // one per thread, used again and again
/// let found = index.search(&mut searcher, &vectors[..32], &SearchParams::new(10, 4))?;
/// assert_eq!(found[0].id, 0);
/// let reads = searcher.take_reads();
/// assert_eq!((reads.searches, reads.zones, reads.hits), (1, 4, 0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct DiskIndex<T: Element> {
    kernels: &'static Kernels,
    space: Space,
    router: Router,
    code: Code,
    /// First row of each zone, and the end.
    starts: Storage<u32>,
    /// First page of each zone, and the end.
    pages: AlignedVec<u32>,
    sums: AlignedVec<u64>,
    shape: Shape,
    file: FileReader,
    zones: SectionInfo,
    rows: SectionInfo,
    cache: Mutex<Cache>,
    params: BuildParams,
    calibration: Option<Calibration>,
    len: usize,
    elements: PhantomData<T>,
}

/// What searches read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reads {
    /// Searches that this is the sum of.
    pub searches: u64,
    /// Reads from the file, each of one piece.
    pub reads: u64,
    /// Bytes that they read.
    pub bytes: u64,
    /// Zones that were visited.
    pub zones: u64,
    /// Those of them that were found in the cache.
    pub hits: u64,
    /// Rows that were read to be measured.
    pub rows: u64,
}

impl Reads {
    fn add(&mut self, other: &Self) {
        self.searches += other.searches;
        self.reads += other.reads;
        self.bytes += other.bytes;
        self.zones += other.zones;
        self.hits += other.hits;
        self.rows += other.rows;
    }
}

/// Memory of one search at a time: made once per thread, used for any number of queries and indexes.
///
/// During a search it holds the zones that the query visits, beside the cache.
#[derive(Debug)]
pub struct DiskSearcher {
    searcher: Searcher,
    slots: Slots,
}

impl DiskSearcher {
    /// Empty scratch; it grows with its first query, by 16 bytes a zone among other things.
    ///
    /// # Errors
    /// [`Error::Layout`] without memory.
    pub fn new() -> Result<Self, Error> {
        Ok(Self { searcher: Searcher::new()?, slots: Slots::default() })
    }

    /// What all searches since the last call read.
    pub fn take_reads(&mut self) -> Reads {
        self.slots.take_reads()
    }

    /// Codes scanned and candidates measured by all searches so far.
    pub fn work(&self) -> (u64, u64) {
        self.searcher.work()
    }
}

/// Memory of batches: made once, used again and again, by any number of threads.
#[derive(Debug, Default)]
pub struct DiskBatchSearcher {
    free: Mutex<Vec<DiskSearcher>>,
}

impl DiskBatchSearcher {
    /// Empty scratch; it grows with its first batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// What all batches since the last call read.
    pub fn take_reads(&mut self) -> Reads {
        let mut sum = Reads::default();
        for searcher in self.free.get_mut().unwrap_or_else(PoisonError::into_inner) {
            sum.add(&searcher.take_reads());
        }
        sum
    }
}

impl<T: Element> DiskIndex<T> {
    /// Opens the file that [`ZonalPq::save_by_zone`](crate::ZonalPq::save_by_zone) made. Zones that were read are
    /// kept in memory up to `cache_bytes` (0 keeps none).
    ///
    /// What is in memory is read and checked now. A zone is compared with its checksum when it is read whole, and
    /// its ids are checked; vectors are not: [`verify`](Self::verify) reads everything.
    ///
    /// # Errors
    /// [`Error::Element`] if its vectors are not of `T`; [`Error::Container`] and [`Error::Damaged`], with the
    /// section's name, if it is none that can be searched.
    pub fn open(path: &Path, cache_bytes: usize) -> Result<Self, Error> {
        let file = FileReader::open(path, KIND)?;
        file.expect_layout(&[BY_ZONE])?;
        let Front { record, space, code, router, calibration, starts } = Front::read::<T>(&file)?;
        if record.params.lent {
            return Err(damaged(PARAMS, "vectors are lent to it, and it has its own"));
        }
        let shape = Shape {
            unit_rows: code.unit_rows(),
            unit_bytes: code.unit_bytes(),
            columns: code.columns(),
            norms: record.has_norms(),
            homes: record.has_homes(),
            dim: record.dim,
            row_dim: if record.bytes { record.row_dim() } else { 0 },
            stride: Shape::stride::<T>(record.dim, if record.bytes { record.row_dim() } else { 0 }),
            vectors: record.rows,
            zones: record.zones,
        };
        let pages = shape.page_starts(&unit_starts(&starts, shape.unit_rows)?)?;
        let sums = file.section::<u64>(SUMS)?;
        if sums.len() != record.zones {
            return Err(damaged(SUMS, "their number is not that of zones"));
        }
        let zones = file.info(ZONES)?;
        let last = pages.last().map_or(0, |&end| end as usize);
        if (zones.element(), Some(zones.len())) != (1, last.checked_mul(PAGE)) {
            return Err(damaged(ZONES, "its length is not that of as many rows"));
        }
        let rows = file.info(ROWS)?;
        if (rows.element(), Some(rows.len())) != (1, record.placed.checked_mul(shape.stride)) {
            return Err(damaged(ROWS, "its length is not that of as many rows"));
        }
        Ok(Self {
            kernels: Kernels::active()?,
            space,
            router,
            code,
            starts,
            pages,
            sums,
            shape,
            file,
            zones,
            rows,
            cache: Mutex::new(Cache::new(cache_bytes)),
            params: record.params,
            calibration,
            len: record.rows,
            elements: PhantomData,
        })
    }

    /// Reads the whole file and compares every checksum.
    ///
    /// # Errors
    /// [`Error::Container`], naming the section.
    pub fn verify(&self) -> Result<(), Error> {
        Ok(self.file.verify()?)
    }

    /// Finds the `k` nearest vectors of the zones that are visited, nearest first, ties by the lower id: those that
    /// the index in memory finds.
    ///
    /// Reads of one query follow each other; several searchers read side by side.
    ///
    /// # Errors
    /// As [`ZonalPq::search`](crate::ZonalPq::search); [`Error::Container`] if the file cannot be read and
    /// [`Error::Damaged`] if a zone is not what was written.
    pub fn search<'s>(
        &self,
        searcher: &'s mut DiskSearcher,
        query: &[T],
        params: &SearchParams,
    ) -> Result<&'s [Neighbor], Error> {
        self.search_pages(searcher, query, params, usize::MAX)
    }

    /// [`search`](Self::search) that reads at most `pages` pages of 4 KiB of what a scan reads of a zone: the rows
    /// nearest to its centroid, at least one unit of codes (16 or 64). What is found depends on `pages`, never on the cache.
    ///
    /// # Errors
    /// As [`search`](Self::search), and [`Error::Parameter`] if `pages` is 0.
    pub fn search_pages<'s>(
        &self,
        searcher: &'s mut DiskSearcher,
        query: &[T],
        params: &SearchParams,
        pages: usize,
    ) -> Result<&'s [Neighbor], Error> {
        let params = params.resolve(self.calibration())?;
        let DiskSearcher { searcher, slots } = searcher;
        self.with(slots, pages, |parts| knn(parts, searcher, query, &params))
    }

    /// [`search`](Self::search) among the ids that `filter` accepts: an [`IdSet`](hnsw::IdSet) or a closure. Finds
    /// min(k, matches): zones beyond `nprobe` are read until enough matches were met, all of them for a filter that
    /// accepts next to nothing, and the search holds what it has read of them until it ends.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn search_filtered<'s, F: IdFilter + ?Sized>(
        &self,
        searcher: &'s mut DiskSearcher,
        query: &[T],
        params: &SearchParams,
        filter: &F,
    ) -> Result<&'s [Neighbor], Error> {
        let params = params.resolve(self.calibration())?;
        let DiskSearcher { searcher, slots } = searcher;
        self.with(slots, usize::MAX, |parts| filtered(parts, searcher, query, &params, filter))
    }

    /// [`search`](Self::search) for neighbours that are not farther than `radius`: see
    /// [`ZonalPq::search_within`](crate::ZonalPq::search_within).
    ///
    /// # Errors
    /// As [`search`](Self::search), and [`Error::Parameter`] if `radius` is NaN.
    pub fn search_within<'s>(
        &self,
        searcher: &'s mut DiskSearcher,
        query: &[T],
        radius: f32,
        params: &SearchParams,
    ) -> Result<&'s [Neighbor], Error> {
        let params = params.resolve(self.calibration())?;
        let DiskSearcher { searcher, slots } = searcher;
        self.with(slots, usize::MAX, |parts| within(parts, searcher, query, radius, &params))
    }

    /// Everything within `radius` in the `nprobe` nearest zones, all of whose vectors are read: see
    /// [`ZonalPq::search_range`](crate::ZonalPq::search_range).
    ///
    /// # Errors
    /// As [`search_within`](Self::search_within).
    pub fn search_range<'s>(
        &self,
        searcher: &'s mut DiskSearcher,
        query: &[T],
        radius: f32,
        nprobe: usize,
    ) -> Result<&'s [Neighbor], Error> {
        let rows = self.len;
        self.search_within(searcher, query, radius, &SearchParams::new(rows, nprobe).rerank(rows))
    }

    /// [`search`](Self::search) for every query, on the current rayon pool, as many at once as it has threads.
    /// `out` holds `k` places a query, filled up with [`NO_NEIGHBOR`].
    ///
    /// # Errors
    /// As [`search`](Self::search), and [`Error::Parameter`] if `out` does not fit.
    pub fn search_batch(
        &self,
        scratch: &DiskBatchSearcher,
        queries: Rows<'_, T>,
        params: &SearchParams,
        out: &mut [Neighbor],
    ) -> Result<(), Error> {
        if out.len() != queries.len().saturating_mul(params.k) {
            return Err(Error::Parameter {
                argument: "out",
                value: format!("{} places", out.len()),
                expected: "k places for each query",
            });
        }
        for (row, query) in queries.iter().enumerate() {
            check_row(query, self.space.metric, "queries", row)?;
        }
        if params.k == 0 {
            return Ok(());
        }
        chunks(out, params.k, |index, out| {
            let Some(query) = queries.row(index) else { return Ok(()) };
            let taken = scratch.free.lock().ok().and_then(|mut free| free.pop());
            let mut searcher = match taken {
                Some(searcher) => searcher,
                None => DiskSearcher::new()?,
            };
            let done = self.search(&mut searcher, query, params).map(|found| {
                let (head, tail) = out.split_at_mut(found.len().min(out.len()));
                head.copy_from_slice(found.get(..head.len()).unwrap_or_default());
                tail.fill(NO_NEIGHBOR);
            });
            if let Ok(mut free) = scratch.free.lock() {
                free.push(searcher);
            }
            done
        })
    }

    /// Lets `work` search with zones that come from the file.
    fn with<'s, R>(
        &self,
        slots: &mut Slots,
        pages: usize,
        work: impl FnOnce(&Parts<'_, View<'_, T>>) -> Result<&'s R, Error>,
    ) -> Result<&'s R, Error>
    where
        R: ?Sized,
    {
        if pages == 0 {
            let value = pages.to_string();
            return Err(Error::Parameter { argument: "pages", value, expected: "1 or more" });
        }
        slots.start(self.shape.zones)?;
        let view = View { index: self, slots, units: self.shape.units_within(pages) };
        let parts = Parts {
            space: &self.space,
            router: &self.router,
            code: &self.code,
            postings: &view,
            kernels: self.kernels,
        };
        let found = work(&parts);
        // What could not be read explains whatever came of it.
        slots.finish()?;
        found
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Elements of a vector.
    pub fn dim(&self) -> usize {
        self.space.intake.dim
    }

    /// How vectors are compared.
    pub fn metric(&self) -> Metric {
        self.space.metric
    }

    /// Zones.
    pub fn zones(&self) -> usize {
        self.shape.zones
    }

    /// The parameters that the index was built with.
    pub fn params(&self) -> &BuildParams {
        &self.params
    }

    /// What was measured before the index was saved: with it, [`SearchParams::recall`] works.
    pub fn calibration(&self) -> Option<&Calibration> {
        self.calibration.as_ref()
    }

    /// Bytes of the file.
    pub fn file_bytes(&self) -> u64 {
        self.file.file_len()
    }

    /// Bytes of memory: what leads to zones, and what is in the cache now.
    pub fn memory_bytes(&self) -> usize {
        let graph = self.router.graph.as_ref().map_or(0, |graph| graph.memory_bytes());
        let cached = self.cache.lock().map_or(0, |cache| cache.bytes());
        self.router.centroids.panels.len()
            + size_of_val(&*self.router.centroids.norms)
            + size_of_val(&*self.router.shifts)
            + graph
            + size_of_val(&*self.starts)
            + size_of_val(&*self.pages)
            + size_of_val(&*self.sums)
            + cached
    }
}
