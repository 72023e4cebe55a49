//! Files: an index in the common container, searched where it lies.
//!
//! Layout 1 of kind `hnsw`. Sections, in this order:
//!
//! | section | elements | holds |
//! |---|---|---|
//! | `params` | one `[u64; 32]` | everything that is one number; see [`Record`] |
//! | `intake.offset` | `f32` | what is subtracted from every dimension before rounding |
//! | `coder.offset` | `f32` | the value of code 0, per coded dimension, or the mean that signs are about |
//! | `coder.factor` | `f32` | codes per unit, per coded dimension |
//! | `coder.dims` | `u32` | the input dimension of every coded one, where nothing is rotated |
//! | `coder.panels` | `i8` | the rotation, 16 directions a panel, where there is one |
//! | `scan.panels` | `i8` | the integer rows of a small set, 16 a panel |
//! | `scan.norms` | `i32` | their squared lengths |
//! | `codes` | `u8` | the code of every row |
//! | `adjacency` | `u32` | the neighbours of every row |
//! | `vectors` | the index's | the vectors |
//! | `inverse_norms` | `f32` | under cosine, one over the length of every vector |
//! | `labels` | `u32` | the caller's rows that every row stands for |
//! | `label_starts` | `u32` | where the labels of a row begin, where rows have several |
//! | `seeds` | `u32` | rows that searches may begin from |
//! | `calibration` | `f32` | what beam reaches what recall, if that was measured |
//!
//! A section that an index has no use for is empty. Equal indexes make equal files.

use std::path::Path;

use bytemuck::Pod;
use layouts::container::{Checks, Container, OpenOptions, Placement, Writer};
use layouts::{Adjacency, AlignedVec, Matrix, RowPadding, Storage as Memory};
use simd_kernels::{Element, Kernels, PANEL_ROWS, Panels};

use crate::Error;
use crate::calibrate::Calibration;
use crate::code::{Coder, LINE, Source};
use crate::codes::{Codes, Coding};
use crate::index::Hnsw;
use crate::intake::Intake;
use crate::labels::Labels;
use crate::metric::Metric;
use crate::params::{BuildParams, Quality, Storage};
use crate::rotation::Rotation;
use crate::scan::Scan;
use crate::seeds::Seeds;

const KIND: &str = "hnsw";
const LAYOUT: u32 = 1;
/// What errors call bytes that are no file.
const IN_MEMORY: &str = "(memory)";

const PARAMS: &str = "params";
const INTAKE_OFFSET: &str = "intake.offset";
const CODER_OFFSET: &str = "coder.offset";
const CODER_FACTOR: &str = "coder.factor";
const CODER_DIMS: &str = "coder.dims";
const CODER_PANELS: &str = "coder.panels";
const SCAN_PANELS: &str = "scan.panels";
const SCAN_NORMS: &str = "scan.norms";
const CODES: &str = "codes";
const ADJACENCY: &str = "adjacency";
const VECTORS: &str = "vectors";
const INVERSE_NORMS: &str = "inverse_norms";
const LABELS: &str = "labels";
const LABEL_STARTS: &str = "label_starts";
const SEEDS: &str = "seeds";
const CALIBRATION: &str = "calibration";

/// The element types, by their number in files.
const ELEMENTS: [&str; 5] = ["f32", "f16", "bf16", "u8", "i8"];
/// The metrics, likewise.
const METRICS: [Metric; 4] = [Metric::L2, Metric::InnerProduct, Metric::Cosine, Metric::Hamming];
/// The levels of quality, likewise.
const QUALITIES: [Quality; 3] = [Quality::Fast, Quality::Balanced, Quality::Max];
/// The paddings of rows, likewise.
const PADDINGS: [RowPadding; 2] = [RowPadding::None, RowPadding::CacheLine];

/// How codes are made, by its number in files: not at all,
const FULL: u64 = 0;
/// mixed of dimensions as they are,
const OF_DIMENSIONS: u64 = 1;
/// mixed of components,
const OF_COMPONENTS: u64 = 2;
/// bytes on a scale per vector,
const BYTES: u64 = 3;
/// or signs.
const SIGNS: u64 = 4;

/// What a file says of itself: enough to pick the type to [`open`](Hnsw::open) it as.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Description {
    /// The element type, by the name that [`Element::NAME`] has.
    pub element: &'static str,
    /// How vectors are compared.
    pub metric: Metric,
    /// Elements of a vector.
    pub dim: usize,
    /// Vectors, equal ones counted apart.
    pub len: usize,
    /// The most neighbours of a row of the graph.
    pub degree: usize,
    /// What searches walk by; never [`Storage::Auto`].
    pub storage: Storage,
    /// Bytes of the file.
    pub file_bytes: usize,
}

/// Reads what the file at `path` holds, and nothing that grows with it.
///
/// # Errors
/// As [`Hnsw::open`], for the front of the file and its parameters.
///
/// ```
/// # use hnsw::{BuildParams, Hnsw, Metric};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("index.nigh");
/// # let rows = simd_kernels::Rows::new(&[0u8, 1, 2, 3], 2)?;
/// Hnsw::build(rows, Metric::L2, &BuildParams::new())?.save(&path)?;
/// let found = hnsw::describe(&path)?;
/// assert_eq!((found.element, found.metric, found.dim, found.len), ("u8", Metric::L2, 2, 2));
/// assert!(Hnsw::<f32>::open(&path).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn describe(path: &Path) -> Result<Description, Error> {
    let file = OpenOptions::new().checks(Checks::OnFirstUse).open(path, KIND)?;
    let record = Record::read(&file)?;
    Ok(Description {
        element: record.element,
        metric: record.metric,
        dim: record.dim,
        len: record.labels,
        degree: record.degree,
        storage: match record.coding {
            FULL => Storage::Full,
            BYTES => Storage::Bytes,
            SIGNS => Storage::Bits,
            _ => Storage::Lines(record.lines),
        },
        file_bytes: file.file_len(),
    })
}

/// The section `params`: one number after the other, those not listed 0.
#[derive(Debug)]
struct Record {
    element: &'static str,
    metric: Metric,
    dim: usize,
    /// Rows of the graph.
    rows: usize,
    /// Vectors that they stand for.
    labels: usize,
    degree: usize,
    padding: RowPadding,
    quality: Quality,
    /// Whether there is a `scan`.
    scanned: bool,
    scale: f32,
    unit: f64,
    largest_norm: f64,
    coding: u64,
    lines: usize,
    wide: usize,
    /// Coded dimensions.
    coded: usize,
    loss: f64,
}

impl Record {
    const WORDS: usize = 32;

    fn of<T: Element>(index: &Hnsw<T>) -> Self {
        let coder = mixed(index);
        let padded = index.vectors.stride() != index.vectors.dim();
        Self {
            element: T::NAME,
            metric: index.intake.metric,
            dim: index.intake.dim,
            rows: index.graph.len(),
            labels: index.labels.len(),
            degree: index.graph.degree(),
            padding: if padded { RowPadding::CacheLine } else { RowPadding::None },
            quality: index.quality,
            scanned: index.scan.is_some(),
            scale: index.intake.scale,
            unit: index.intake.unit,
            largest_norm: index.intake.largest_norm,
            coding: match &index.codes.coding {
                Coding::Full => FULL,
                Coding::Mixed(Coder { source: Source::Dimensions(_), .. }) => OF_DIMENSIONS,
                Coding::Mixed(Coder { source: Source::Components(_), .. }) => OF_COMPONENTS,
                Coding::Bytes { .. } => BYTES,
                Coding::Signs { .. } => SIGNS,
            },
            lines: coder.map_or(0, |coder| coder.lines),
            wide: coder.map_or(0, |coder| coder.wide),
            coded: coder.map_or(0, |coder| coder.offsets.len()),
            loss: coder.map_or(0.0, |coder| coder.loss),
        }
    }

    fn words(&self) -> [u64; Self::WORDS] {
        let place = |at: Option<usize>| at.unwrap_or(usize::MAX) as u64;
        let listed = [
            place(ELEMENTS.iter().position(|&name| name == self.element)),
            place(METRICS.iter().position(|&metric| metric == self.metric)),
            self.dim as u64,
            self.rows as u64,
            self.labels as u64,
            self.degree as u64,
            place(PADDINGS.iter().position(|&padding| padding == self.padding)),
            place(QUALITIES.iter().position(|&quality| quality == self.quality)),
            u64::from(self.scanned),
            u64::from(self.scale.to_bits()),
            self.unit.to_bits(),
            self.largest_norm.to_bits(),
            self.coding,
            self.lines as u64,
            self.wide as u64,
            self.coded as u64,
            self.loss.to_bits(),
        ];
        let mut words = [0; Self::WORDS];
        for (word, value) in words.iter_mut().zip(listed) {
            *word = value;
        }
        words
    }

    /// Every number that is one of a few, or has bounds of its own, is checked here; what has to fit a section is
    /// checked with it.
    fn read(file: &Container) -> Result<Self, Error> {
        file.expect_layout(&[LAYOUT])?;
        let words = file.value::<[u64; Self::WORDS]>(PARAMS)?;
        let mut words = words.into_iter();
        let mut next = || words.next().unwrap_or_default();
        let record = Self {
            element: pick(&ELEMENTS, next(), "the element type is none")?,
            metric: pick(&METRICS, next(), "the metric is none")?,
            dim: size(next(), 1, 1 << 20, "the dimension is out of range")?,
            rows: size(next(), 0, Adjacency::MAX_LEN, "there are more rows than ids")?,
            labels: size(next(), 0, u32::MAX as usize, "there are more vectors than ids")?,
            degree: size(next(), 4, 256, "the degree is out of range")?,
            padding: pick(&PADDINGS, next(), "the padding is none")?,
            quality: pick(&QUALITIES, next(), "the quality is none")?,
            scanned: pick(&[false, true], next(), "there is a scan or none")?,
            scale: positive(f32_of(next())?)?,
            unit: positive(f64::from_bits(next()))?,
            largest_norm: finite(f64::from_bits(next()))?,
            coding: size(next(), 0, 4, "the kind of codes is none")? as u64,
            lines: size(next(), 0, 16, "the lines of a code are out of range")?,
            wide: size(next(), 0, 16 * LINE, "the wide dimensions are out of range")?,
            coded: size(next(), 0, 32 * LINE, "the coded dimensions are out of range")?,
            loss: finite(f64::from_bits(next()))?,
        };
        if words.any(|word| word != 0) {
            return Err(damaged(PARAMS, "a reserved number is not 0"));
        }
        if !record.metric.compares(record.element) {
            return Err(damaged(PARAMS, "the metric does not compare the elements"));
        }
        if Intake::row_dim_of(record.dim, record.metric) > i8::MAX_DIM {
            return Err(damaged(PARAMS, "the dimension is out of range"));
        }
        let bytes = record.lines * LINE;
        let fits = if matches!(record.coding, OF_DIMENSIONS | OF_COMPONENTS) {
            let coded = 1..=(record.wide + 2 * bytes.saturating_sub(record.wide));
            (1..=16).contains(&record.lines)
                && record.wide.is_multiple_of(4)
                && record.wide <= bytes
                && coded.contains(&record.coded)
        } else {
            (record.lines, record.wide, record.coded) == (0, 0, 0)
        };
        if !fits {
            return Err(damaged(PARAMS, "the parameters of codes contradict each other"));
        }
        // Groups of equal vectors make rows fewer than vectors, never more.
        if record.rows > record.labels || (record.rows == 0) != (record.labels == 0) {
            return Err(damaged(PARAMS, "there are more rows than vectors"));
        }
        Ok(record)
    }
}

impl<T: Element> Hnsw<T> {
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

    fn written<R>(
        &self,
        write: impl FnOnce(&Writer<'_>) -> Result<R, layouts::container::ContainerError>,
    ) -> Result<R, Error> {
        let params = [Record::of(self).words()];
        let (dims, panels) = match mixed(self).map(|coder| &coder.source) {
            None => (&[][..], &[][..]),
            Some(Source::Dimensions(dims)) => (dims.as_slice(), &[][..]),
            Some(Source::Components(rotation)) => (&[][..], &rotation.panels[..]),
        };
        let offsets = match &self.codes.coding {
            Coding::Full | Coding::Bytes { .. } => &[][..],
            Coding::Mixed(coder) => &coder.offsets,
            Coding::Signs { means } => means,
        };
        let factors = mixed(self).map_or(&[][..], |coder| &coder.factors);
        let scan = self.scan.as_ref();
        let writer = Writer::new(KIND, LAYOUT)
            .section(PARAMS, Placement::Plain, &params)
            .section(INTAKE_OFFSET, Placement::Plain, &self.intake.offset)
            .section(CODER_OFFSET, Placement::Plain, offsets)
            .section(CODER_FACTOR, Placement::Plain, factors)
            .section(CODER_DIMS, Placement::Plain, dims)
            .section(CODER_PANELS, Placement::Plain, panels)
            .section(SCAN_PANELS, Placement::Hot, scan.map_or(&[][..], |scan| &scan.panels))
            .section(SCAN_NORMS, Placement::Plain, scan.map_or(&[][..], |scan| &scan.norms))
            .section(CODES, Placement::Hot, &self.codes.data)
            .section(ADJACENCY, Placement::Hot, self.graph.as_slice())
            .section(VECTORS, Placement::Hot, self.vectors.as_slice())
            .section(INVERSE_NORMS, Placement::Plain, &self.inverse_norms)
            .section(LABELS, Placement::Plain, &self.labels.ids)
            .section(LABEL_STARTS, Placement::Plain, self.labels.starts.as_deref().unwrap_or_default())
            .section(SEEDS, Placement::Plain, &self.seeds.ids)
            .section(
                CALIBRATION,
                Placement::Plain,
                self.calibration.as_ref().map_or(&[], Calibration::as_slice),
            );
        Ok(write(&writer)?)
    }

    /// Opens the index in the file at `path`: mapped, compared with its checksums, and searched where it lies.
    ///
    /// Everything that a search relies on is checked, in one pass over the graph and the labels: a file that opens
    /// can be searched, whoever wrote it.
    ///
    /// # Errors
    /// [`Error::Element`] if its vectors are not of `T`; [`Error::Container`] and [`Error::Damaged`], with the
    /// section's name, if it is none that can be searched.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_with(path, OpenOptions::new())
    }

    /// Opens it otherwise: read into memory, or without comparing the checksums of codes and vectors, which are then
    /// first read when a search does. Damage there can make results wrong, nothing more;
    /// [`verify`](Self::verify) finds it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// ```
    /// # use hnsw::{BuildParams, Hnsw, Metric, SearchParams, Searcher};
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("index.nigh");
    /// # let rows = simd_kernels::Rows::new(&[0.0f32, 1.0, 2.0, 3.0], 2)?;
    /// use layouts::container::{Checks, OpenOptions, Residence};
    /// Hnsw::build(rows, Metric::L2, &BuildParams::new())?.save(&path)?;
    /// let index = Hnsw::<f32>::open_with(&path, OpenOptions::new().residence(Residence::Memory))?;
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

    /// Parameters to build its like with: the storage is what was chosen. Experimental ones are not kept in files.
    pub fn params(&self) -> BuildParams {
        BuildParams::new()
            .degree(self.graph.degree())
            .quality(self.quality)
            .storage(self.storage())
            .seeds(self.seeds.ids.len().max(1))
            .calibrate(self.calibration.is_some())
    }

    fn read(file: Container) -> Result<Self, Error> {
        let record = Record::read(&file)?;
        if record.element != T::NAME {
            return Err(Error::Element { expected: T::NAME, found: record.element });
        }
        let intake = intake(&file, &record)?;
        let coding = coding(&file, &record, intake.row_dim())?;
        let data = large::<u8>(&file, CODES, record.rows.checked_mul(coding.stride()))?;
        coding.rows(&data)?;
        let codes = Codes { coding, data };
        let scan = scan(&file, &record, intake.row_dim())?;
        let graph = Adjacency::from_storage(
            Memory::from(file.section::<u32>(ADJACENCY)?),
            record.rows,
            record.degree,
        )
        .map_err(|error| file.invalid(ADJACENCY, error))?;
        let vectors = Matrix::from_storage(
            Memory::from(file.section_unverified::<T>(VECTORS)?),
            record.rows,
            record.dim,
            record.padding,
        )
        .map_err(|error| file.invalid(VECTORS, error))?;
        let norms = if record.metric == Metric::Cosine { record.rows } else { 0 };
        let inverse_norms = large::<f32>(&file, INVERSE_NORMS, Some(norms))?;
        let starts = file.section::<u32>(LABEL_STARTS)?;
        if starts.is_empty() != (record.labels == record.rows) {
            return Err(damaged(LABEL_STARTS, "they are there exactly where rows have several labels"));
        }
        let starts = if starts.is_empty() { None } else { Some(Memory::from(starts)) };
        let ids = file.section::<u32>(LABELS)?;
        if ids.len() != record.labels {
            return Err(damaged(LABELS, "their number is not that in `params`"));
        }
        let labels = Labels::new(starts, Memory::from(ids), record.rows)?;
        let seeds = file.section::<u32>(SEEDS)?;
        let rise = seeds.windows(2).all(|pair| pair[0] < pair[1]);
        if !rise || seeds.last().is_some_and(|&id| id as usize >= record.rows) {
            return Err(damaged(SEEDS, "they do not rise, or one is no row"));
        }
        if seeds.is_empty() != (record.rows == 0) {
            return Err(damaged(SEEDS, "there is none to begin from"));
        }
        let table = file.section::<f32>(CALIBRATION)?;
        let calibration = if table.is_empty() { None } else { Some(Calibration::from_slice(&table)?) };
        Ok(Self {
            kernels: Kernels::active()?,
            intake,
            codes,
            scan,
            graph,
            vectors,
            inverse_norms,
            labels,
            seeds: Seeds { ids: Memory::from(seeds) },
            quality: record.quality,
            calibration,
            file: Some(file),
        })
    }
}

fn intake(file: &Container, record: &Record) -> Result<Intake, Error> {
    let offset = floats(file, INTAKE_OFFSET, Intake::row_dim_of(record.dim, record.metric))?;
    Ok(Intake {
        metric: record.metric,
        dim: record.dim,
        offset,
        scale: record.scale,
        unit: record.unit,
        largest_norm: record.largest_norm,
    })
}

fn coding(file: &Container, record: &Record, row_dim: usize) -> Result<Coding, Error> {
    let means = record.coding == SIGNS;
    let offsets = floats(file, CODER_OFFSET, if means { row_dim } else { record.coded })?;
    let factors = floats(file, CODER_FACTOR, record.coded)?;
    if factors.iter().any(|&factor| factor <= 0.0) {
        return Err(damaged(CODER_FACTOR, "a factor is not positive"));
    }
    let dims = file.section::<u32>(CODER_DIMS)?;
    let panels = file.section::<i8>(CODER_PANELS)?;
    let of_dimensions = record.coding == OF_DIMENSIONS;
    if dims.len() != if of_dimensions { record.coded } else { 0 } {
        return Err(damaged(CODER_DIMS, "their number is not that of coded dimensions"));
    }
    if dims.iter().any(|&dim| dim as usize >= row_dim) {
        return Err(damaged(CODER_DIMS, "one is not below the dimension"));
    }
    if record.coding != OF_COMPONENTS && !panels.is_empty() {
        return Err(damaged(CODER_PANELS, "there is a rotation that nothing uses"));
    }
    let source = match record.coding {
        FULL => return Ok(Coding::Full),
        BYTES => return Ok(Coding::Bytes { dim: row_dim }),
        SIGNS => return Ok(Coding::Signs { means: offsets }),
        OF_DIMENSIONS => {
            let mut copy = Vec::new();
            copy.try_reserve_exact(dims.len())
                .map_err(|_| layouts::Error::Memory { bytes: size_of_val(&dims[..]) })?;
            copy.extend_from_slice(&dims);
            Source::Dimensions(copy)
        }
        _ => {
            let found =
                Panels::new(&panels, row_dim).map_err(|error| file.invalid(CODER_PANELS, error.into()))?;
            if found.rows() != record.coded.next_multiple_of(simd_kernels::PANEL_ROWS) {
                return Err(damaged(CODER_PANELS, "its directions are not as many as coded dimensions"));
            }
            Source::Components(Rotation {
                panels: Memory::from(panels),
                dim: row_dim,
                directions: record.coded,
            })
        }
    };
    Ok(Coding::Mixed(Coder {
        source,
        lines: record.lines,
        wide: record.wide,
        offsets,
        factors,
        loss: record.loss,
    }))
}

fn scan(file: &Container, record: &Record, row_dim: usize) -> Result<Option<Scan>, Error> {
    let len = if record.scanned { record.rows.next_multiple_of(PANEL_ROWS) } else { 0 };
    let norms = large::<i32>(file, SCAN_NORMS, Some(len))?;
    let panels = large::<i8>(file, SCAN_PANELS, len.checked_mul(row_dim.next_multiple_of(4)))?;
    let rows = Panels::new(&panels, row_dim).map_err(|error| file.invalid(SCAN_PANELS, error.into()))?.rows();
    if rows != len {
        return Err(damaged(SCAN_PANELS, "it is not of as many rows"));
    }
    Ok(record.scanned.then_some(Scan { panels, norms, dim: row_dim, rows: record.rows }))
}

/// The coder of an index that walks by mixed codes.
fn mixed<T: Element>(index: &Hnsw<T>) -> Option<&Coder> {
    match &index.codes.coding {
        Coding::Mixed(coder) => Some(coder),
        _ => None,
    }
}

/// A section of `len` elements that need not be read now.
fn large<T: Pod>(file: &Container, name: &'static str, len: Option<usize>) -> Result<Memory<T>, Error> {
    let section = file.section_unverified::<T>(name)?;
    if Some(section.len()) != len {
        return Err(damaged(name, "its length is not that of as many rows"));
    }
    Ok(Memory::from(section))
}

/// A copy of a section of `len` finite numbers.
fn floats(file: &Container, name: &'static str, len: usize) -> Result<Vec<f32>, Error> {
    let section = file.section::<f32>(name)?;
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

fn damaged(section: &'static str, reason: &'static str) -> Error {
    Error::Damaged { section, reason }
}

/// The value of a number that stands for one.
fn pick<T: Copy>(of: &[T], number: u64, reason: &'static str) -> Result<T, Error> {
    let at = usize::try_from(number).unwrap_or(usize::MAX);
    of.get(at).copied().ok_or(damaged(PARAMS, reason))
}

fn size(value: u64, low: usize, high: usize, reason: &'static str) -> Result<usize, Error> {
    let value = usize::try_from(value).map_err(|_| damaged(PARAMS, reason))?;
    if (low..=high).contains(&value) { Ok(value) } else { Err(damaged(PARAMS, reason)) }
}

fn f32_of(bits: u64) -> Result<f32, Error> {
    let bits = u32::try_from(bits).map_err(|_| damaged(PARAMS, "a number is longer than it can be"))?;
    Ok(f32::from_bits(bits))
}

fn finite(value: f64) -> Result<f64, Error> {
    if value.is_finite() && value >= 0.0 { Ok(value) } else { Err(damaged(PARAMS, "a number is not finite")) }
}

fn positive<F: Copy + Into<f64>>(value: F) -> Result<F, Error> {
    let wide: f64 = value.into();
    if wide.is_finite() && wide > 0.0 { Ok(value) } else { Err(damaged(PARAMS, "a scale is not above 0")) }
}
