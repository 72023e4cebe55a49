//! Files: an index in the common container, searched where it lies.
//!
//! Layout 1 of kind `hnsw`. Sections, in this order:
//!
//! | section | elements | holds |
//! |---|---|---|
//! | `params` | one `[u64; 32]` | everything that is one number; see `record.rs` |
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

mod record;
mod sections;

use std::path::Path;

use layouts::container::{Checks, Container, OpenOptions, Placement, Writer};
use layouts::{Adjacency, AlignedVec, Matrix, Storage as Memory};
use simd_kernels::{Element, Kernels};

use crate::Error;
use crate::calibrate::Calibration;
use crate::code::{Coder, Source};
use crate::codes::{Codes, Coding};
use crate::index::Hnsw;
use crate::labels::Labels;
use crate::metric::Metric;
use crate::params::{BuildParams, Storage};
use crate::seeds::Seeds;
use record::{BYTES, FULL, Record, SIGNS};
use sections::{coding, damaged, intake, large, scan};

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

/// The coder of an index that walks by mixed codes.
fn mixed<T: Element>(index: &Hnsw<T>) -> Option<&Coder> {
    match &index.codes.coding {
        Coding::Mixed(coder) => Some(coder),
        _ => None,
    }
}
