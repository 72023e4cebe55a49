//! Files: an index in the common container, searched where it lies.
//!
//! Kind `zonal-pq`. Layout 1 is an index that is mapped and searched as it is, layout 2 one that is read zone by
//! zone; see [`DiskIndex`](crate::DiskIndex). Sections of both, in this order:
//!
//! | section | elements | holds |
//! |---|---|---|
//! | `params` | one `[u64; 64]` | everything that is one number, the parameters of the build among them |
//! | `intake.offset` | `f32` | what is subtracted from every dimension before rounding |
//! | `head.panels` | `i8` | head codes: the directions, 16 a panel |
//! | `head.means` | `f32` | the mean of all rows along each |
//! | `head.lengths` | `f32` | one over the length of each rounded direction |
//! | `head.steps` | `f32` | the step of the codes along each |
//! | `centroids` | `i8` | the centroid of every zone |
//! | `graph` | `u8` | a container of kind `hnsw` over them, where a graph leads to zones |
//! | `calibration` | `f32` | what finds what recall, if that was measured |
//! | `starts` | `u32` | the first row of every zone, and the end |
//!
//! (codes of other kinds have `product.codebook`, or nothing, in place of `head.*`), then in layout 1, zone by zone,
//! with `codes` and `factors` in whole units of 16 or 64 rows,
//!
//! | section | elements | holds |
//! |---|---|---|
//! | `codes` | `u8` | the scan code of every row |
//! | `factors` | `f32` | the columns of factors of every unit; what is added is infinite for padding |
//! | `ids` | `u32` | the vector that every row is |
//! | `homes` | `u32` | where rows can be in two zones: the other one, for those that are here a second time |
//! | `bytes` | `i8` | integer rows, where they are kept |
//! | `vectors` | the index's | the vectors |
//! | `norms` | `f32` | under cosine the inverse length, under inner product the square of every row |
//!
//! and in layout 2 what `disk/` says. Equal indexes make equal files.

mod check;
mod code;
mod record;

use std::path::Path;

use bytemuck::Pod;
use hnsw::{Hnsw, Metric};
use layouts::container::{Container, ContainerError, FileReader, OpenOptions, Placement, Writer};
use layouts::{AlignedVec, Storage};
use simd_kernels::{Element, Kernels, Rows};

use crate::Error;
use crate::calibrate::Calibration;
use crate::code::Code;
use crate::index::ZonalPq;
use crate::params::BuildParams;
use crate::posting::Frozen;
use crate::route::Router;
use crate::space::Space;

use check::sound_starts;
pub(crate) use check::{is_padding, unit_starts};
pub(crate) use record::Record;

pub(crate) const KIND: &str = "zonal-pq";
/// Mapped and searched as it is.
pub(crate) const MAPPED: u32 = 1;
/// Read zone by zone.
pub(crate) const BY_ZONE: u32 = 2;
/// What errors call bytes that are no file.
const IN_MEMORY: &str = "(memory)";

pub(crate) const PARAMS: &str = "params";
const INTAKE_OFFSET: &str = "intake.offset";
const CENTROIDS: &str = "centroids";
const GRAPH: &str = "graph";
const CALIBRATION: &str = "calibration";
const STARTS: &str = "starts";
const CODES: &str = "codes";
const FACTORS: &str = "factors";
const IDS: &str = "ids";
const HOMES: &str = "homes";
const BYTES: &str = "bytes";
const VECTORS: &str = "vectors";
const NORMS: &str = "norms";

/// What a file says of itself: enough to pick the type to [`open`](ZonalPq::open) it as, and whether to.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Description {
    /// The element type, by the name that [`Element::NAME`] has.
    pub element: &'static str,
    /// How vectors are compared.
    pub metric: Metric,
    /// Elements of a vector.
    pub dim: usize,
    /// Vectors, second places not counted.
    pub len: usize,
    /// Zones.
    pub zones: usize,
    /// Whether it is read zone by zone, by a [`DiskIndex`](crate::DiskIndex), and not to be mapped.
    pub by_zone: bool,
    /// What it was built with.
    pub params: BuildParams,
    /// Bytes of the file.
    pub file_bytes: u64,
}

/// Reads what the file at `path` holds, and nothing that grows with it.
///
/// # Errors
/// As [`ZonalPq::open`], for the front of the file and its parameters.
///
/// ```
/// # use zonal_pq::{BuildParams, Metric, ZonalPq};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("index.nigh");
/// # let rows = simd_kernels::Rows::new(&[0u8, 1, 2, 3], 2)?;
/// ZonalPq::build(rows, Metric::L2, &BuildParams::new())?.save(&path)?;
/// let found = zonal_pq::describe(&path)?;
/// assert_eq!((found.element, found.metric, found.dim, found.len), ("u8", Metric::L2, 2, 2));
/// assert!(ZonalPq::<f32>::open(&path).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn describe(path: &Path) -> Result<Description, Error> {
    let file = FileReader::open(path, KIND)?;
    let layout = file.expect_layout(&[MAPPED, BY_ZONE])?;
    let record = Record::read(&file)?;
    Ok(Description {
        element: record.element,
        metric: record.metric,
        dim: record.dim,
        len: record.rows,
        zones: record.zones,
        by_zone: layout == BY_ZONE,
        params: record.params,
        file_bytes: file.file_len(),
    })
}

/// What sections are taken from: a map, or copies of what is read.
pub(crate) trait Source {
    /// The elements of a section, compared with its checksum.
    fn get<T: Pod>(&self, name: &str) -> Result<Storage<T>, ContainerError>;
}

impl Source for Container {
    fn get<T: Pod>(&self, name: &str) -> Result<Storage<T>, ContainerError> {
        Ok(Storage::from(self.section::<T>(name)?))
    }
}

impl Source for FileReader {
    fn get<T: Pod>(&self, name: &str) -> Result<Storage<T>, ContainerError> {
        Ok(Storage::from(self.section::<T>(name)?))
    }
}

/// What of an index does not grow with its rows, as it is written.
#[derive(Debug)]
pub(crate) struct FrontBytes {
    record: [[u64; Record::WORDS]; 1],
    centroids: AlignedVec<i8>,
    graph: AlignedVec<u8>,
}

impl FrontBytes {
    pub(crate) fn of<T: Element>(index: &ZonalPq<T>) -> Result<Self, Error> {
        let graph = match &index.router.graph {
            Some(graph) => graph.to_bytes()?,
            None => AlignedVec::new(),
        };
        Ok(Self { record: [Record::of(index).words()], centroids: index.router.centroids.rows()?, graph })
    }

    /// The sections of every layout.
    pub(crate) fn sections<'a, T: Element>(&'a self, index: &'a ZonalPq<T>, layout: u32) -> Writer<'a> {
        let writer = Writer::new(KIND, layout).section(PARAMS, Placement::Plain, &self.record).section(
            INTAKE_OFFSET,
            Placement::Plain,
            &index.space.intake.offset,
        );
        code::sections(&index.code, writer)
            .section(CENTROIDS, Placement::Plain, &self.centroids)
            .section(GRAPH, Placement::Plain, &self.graph)
            .section(
                CALIBRATION,
                Placement::Plain,
                index.calibration.as_ref().map_or(&[], Calibration::as_slice),
            )
            .section(STARTS, Placement::Plain, &index.postings.starts)
    }
}

/// The same, read and checked.
#[derive(Debug)]
pub(crate) struct Front {
    pub(crate) record: Record,
    pub(crate) space: Space,
    pub(crate) code: Code,
    pub(crate) router: Router,
    pub(crate) calibration: Option<Calibration>,
    pub(crate) starts: Storage<u32>,
}

impl Front {
    pub(crate) fn read<T: Element>(file: &impl Source) -> Result<Self, Error> {
        let record = Record::read(file)?;
        if record.element != T::NAME {
            return Err(Error::Element { expected: T::NAME, found: record.element.to_owned() });
        }
        let space = record.space(floats(file, INTAKE_OFFSET, record.row_dim())?);
        let code = code::read(file, &record)?;
        let rows = file.get::<i8>(CENTROIDS)?;
        if Some(rows.len()) != record.zones.checked_mul(record.row_dim()) {
            return Err(damaged(CENTROIDS, "its length is not that of as many zones"));
        }
        let rows = Rows::new(&rows, record.row_dim())?;
        let bytes = file.get::<u8>(GRAPH)?;
        let graph = if bytes.is_empty() { None } else { Some(graph(&bytes, &record)?) };
        let router = Router::with_graph(rows, space.shifts(rows)?, graph)?;
        let table = file.get::<f32>(CALIBRATION)?;
        let calibration = if table.is_empty() { None } else { Some(Calibration::from_slice(&table)?) };
        let starts = file.get::<u32>(STARTS)?;
        sound_starts(&starts, &record)?;
        Ok(Self { record, space, code, router, calibration, starts })
    }
}

/// The graph over the centroids.
fn graph(bytes: &[u8], record: &Record) -> Result<Hnsw<i8>, Error> {
    let opened = Hnsw::<i8>::from_bytes(AlignedVec::from_slice(bytes)?);
    let graph = opened.map_err(|_| damaged(GRAPH, "it is no graph that can be searched"))?;
    let shape = (graph.metric(), graph.dim(), graph.len());
    if shape != (Metric::L2, record.row_dim(), record.zones) {
        return Err(damaged(GRAPH, "it is not over the centroids"));
    }
    Ok(graph)
}

impl<T: Element> ZonalPq<T> {
    /// Writes the index to `path`, in place of any file that is there: at once or, if anything fails, not at all.
    /// An index that was opened from that very file goes on with what it has.
    ///
    /// # Errors
    /// [`Error::Container`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        self.written(|writer| writer.save(path))
    }

    /// The bytes of the file that [`save`](Self::save) writes.
    ///
    /// # Errors
    /// [`Error::Container`] without memory.
    pub fn to_bytes(&self) -> Result<AlignedVec<u8>, Error> {
        self.written(|writer| writer.to_bytes())
    }

    fn written<R>(&self, write: impl FnOnce(&Writer<'_>) -> Result<R, ContainerError>) -> Result<R, Error> {
        let front = FrontBytes::of(self)?;
        let postings = &self.postings;
        let writer = front
            .sections(self, MAPPED)
            .section(CODES, Placement::Hot, &postings.codes)
            .section(FACTORS, Placement::Hot, &postings.factors)
            .section(IDS, Placement::Plain, &postings.ids)
            .section(HOMES, Placement::Plain, &postings.homes)
            .section(BYTES, Placement::Hot, &postings.bytes)
            .section(VECTORS, Placement::Hot, &postings.vectors)
            .section(NORMS, Placement::Plain, &postings.norms);
        Ok(write(&writer)?)
    }

    /// Opens the index in the file at `path`: mapped, compared with its checksums, and searched where it lies.
    ///
    /// Everything that a search relies on is checked, in one pass over ids and the ends of zones: a file that
    /// opens can be searched, whoever wrote it. Centroids and the graph over them are copied.
    ///
    /// # Errors
    /// [`Error::Element`] if its vectors are not of `T`; [`Error::Container`] and [`Error::Damaged`], with the
    /// section's name, if it is none that can be searched.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, OpenOptions::new())
    }

    /// Opens it otherwise: read into memory, or without comparing the checksums of codes, integer rows, vectors
    /// and their lengths, which are then first read when a search does. Damage there can make results wrong,
    /// nothing more; [`verify`](Self::verify) finds it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// ```
    /// # use zonal_pq::{BuildParams, Metric, SearchParams, Searcher, ZonalPq};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("index.nigh");
    /// # let rows = simd_kernels::Rows::new(&[0.0f32, 1.0, 2.0, 3.0], 2)?;
    /// use layouts::container::{OpenOptions, Residence};
    /// ZonalPq::build(rows, Metric::L2, &BuildParams::new())?.save(&path)?;
    /// let index = ZonalPq::<f32>::open_with(&path, OpenOptions::new().residence(Residence::Memory))?;
    /// let mut searcher = Searcher::new()?;
    /// assert_eq!(index.search(&mut searcher, &[2.0, 3.0], &SearchParams::new(1, 16))?[0].id, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_with(path: &Path, options: OpenOptions) -> Result<Self, Error> {
        Self::read(options.open(path, KIND)?)
    }

    /// Opens an index that [`to_bytes`](Self::to_bytes) made, in memory, without a copy.
    ///
    /// # Errors
    /// As [`open`](Self::open); errors name the file `(memory)`.
    pub fn from_bytes(bytes: AlignedVec<u8>) -> Result<Self, Error> {
        Self::read(OpenOptions::new().open_bytes(bytes, Path::new(IN_MEMORY), KIND)?)
    }

    /// Compares every checksum of the file that has not been compared yet. Nothing to do for what was built here.
    ///
    /// # Errors
    /// [`Error::Container`], naming the section.
    pub fn verify(&self) -> Result<(), Error> {
        self.file.as_ref().map_or(Ok(()), |file| Ok(file.verify()?))
    }

    fn read(file: Container) -> Result<Self, Error> {
        file.expect_layout(&[MAPPED])?;
        let Front { record, space, code, router, calibration, starts } = Front::read::<T>(&file)?;
        let (unit_rows, unit_bytes, columns) = (code.unit_rows(), code.unit_bytes(), code.columns());
        let units = unit_starts(&starts, unit_rows)?;
        let count = units.last().map_or(0, |&end| end as usize);
        let codes = large::<u8>(&file, CODES, count.checked_mul(unit_bytes))?;
        let factors = file.get::<f32>(FACTORS)?;
        if Some(factors.len()) != count.checked_mul(unit_rows * columns) {
            return Err(damaged(FACTORS, "its length is not that of as many rows"));
        }
        check::sound_padding(&factors, &starts, &units, unit_rows, columns)?;
        let ids = file.get::<u32>(IDS)?;
        let homes = file.get::<u32>(HOMES)?;
        check::sound_ids(&ids, &homes, &starts, &record)?;
        let row_dim = record.row_dim();
        let kept = if record.bytes { record.placed.checked_mul(row_dim) } else { Some(0) };
        let bytes = large::<i8>(&file, BYTES, kept)?;
        let kept = if record.params.lent { Some(0) } else { record.placed.checked_mul(record.dim) };
        let vectors = large::<T>(&file, VECTORS, kept)?;
        let norms = large::<f32>(&file, NORMS, Some(if record.has_norms() { record.placed } else { 0 }))?;
        let postings = Frozen {
            starts,
            units: Storage::from(units),
            unit_rows,
            unit_bytes,
            columns,
            codes,
            factors,
            ids,
            bytes,
            vectors,
            norms,
            homes,
            row_dim,
            dim: record.dim,
        };
        Ok(Self {
            kernels: Kernels::active()?,
            space,
            router,
            places: postings.places(record.rows),
            postings,
            code,
            rows: record.rows,
            calibration,
            params: record.params,
            file: Some(file),
        })
    }
}

/// A section of `len` elements that need not be read now.
fn large<T: Pod>(file: &Container, name: &'static str, len: Option<usize>) -> Result<Storage<T>, Error> {
    let section = file.section_unverified::<T>(name)?;
    if Some(section.len()) != len {
        return Err(damaged(name, "its length is not that of as many rows"));
    }
    Ok(Storage::from(section))
}

/// A copy of a section of `len` finite numbers.
fn floats(file: &impl Source, name: &'static str, len: usize) -> Result<Vec<f32>, Error> {
    let section = file.get::<f32>(name)?;
    if section.len() != len {
        return Err(damaged(name, "its length is not that of a vector"));
    }
    if !section.iter().all(|x| x.is_finite()) {
        return Err(damaged(name, "a number is not finite"));
    }
    let mut copy = Vec::new();
    copy.try_reserve_exact(len).map_err(|_| layouts::Error::Memory { bytes: size_of_val(&section[..]) })?;
    copy.extend_from_slice(&section);
    Ok(copy)
}

pub(crate) fn damaged(section: &'static str, reason: &'static str) -> Error {
    Error::Damaged { section, reason }
}
