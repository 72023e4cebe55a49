//! The vectors of a scan as they lie in memory, and the scratch that a search needs.

use layouts::AlignedVec;
use rayon::prelude::*;
use simd_kernels::{BitForms, Distance, DistanceForms, Element, Forms, Kernels, Measure, Rows};

use super::batch::PanelScratch;
use super::heap::Nearest;
use super::{ExactError, Ranking};
use crate::dataset::Metric;

/// Bytes of vectors that are compared before their distances are looked at: half of the smallest second-level
/// cache in use, so that a batch finds a chunk there for each of its tiles.
const CHUNK_BYTES: usize = 256 << 10;
/// Rows of a chunk at most, so that the distances of a whole tile stay in the second-level cache too.
const CHUNK_ROWS: usize = 1024;
/// Queries that go through a chunk together.
pub(super) const TILE_QUERIES: usize = 32;

/// Vectors of `E`, to be scanned with a kernel whose values are `O`.
#[derive(Debug)]
pub struct Scan<E: Element, O: Distance> {
    pub(super) forms: &'static Forms<E, E, O>,
    pub(super) kernels: &'static Kernels,
    pub(super) ranking: Ranking,
    data: AlignedVec<E>,
    /// Elements of a row.
    pub(super) dim: usize,
    pub(super) len: usize,
    /// One over the norm of each row, 0 for a row of zeros; empty unless the ranking is the cosine's.
    pub(super) inverse_norms: Vec<f64>,
    /// For bit strings: how many bits a row has.
    pub(super) bits: Option<usize>,
}

/// What a search needs besides the vectors: distances of a chunk and the nearest so far, once per thread.
///
/// It grows on first use and is then re-used; nothing of one search shows in the next.
#[derive(Debug)]
pub struct Scratch<O> {
    pub(super) workers: Vec<Worker<O>>,
}

#[derive(Debug)]
pub(super) struct Worker<O> {
    pub(super) distances: Vec<O>,
    pub(super) nearest: Vec<Nearest>,
    pub(super) panels: PanelScratch,
    /// What a selection finds in one chunk.
    pub(super) ids: Vec<u32>,
    pub(super) found: Vec<O>,
}

impl<O> Scratch<O> {
    /// Scratch for searches by `threads` threads (0 counts as 1) of whichever rayon pool the caller is in.
    pub fn new(threads: usize) -> Self {
        let worker = || Worker {
            distances: Vec::new(),
            nearest: Vec::new(),
            panels: PanelScratch::default(),
            ids: Vec::new(),
            found: Vec::new(),
        };
        Self { workers: std::iter::repeat_with(worker).take(threads.max(1)).collect() }
    }
}

impl<E: Element> Scan<E, E::Distance> {
    /// A scan of numbers: rows of `dim` elements under [`Metric::L2`], [`Metric::InnerProduct`],
    /// [`Metric::Cosine`] or [`Metric::L1`]. The vectors are copied. No rows is a valid scan.
    ///
    /// A row of zeros has cosine distance 1 to everything.
    ///
    /// # Errors
    /// [`ExactError`] if the shape is wrong, an element is NaN or infinite, or the metric compares bits.
    ///
    /// ```
    /// use bench_harness::{dataset::Metric, engine::Neighbor, exact::{Scan, Scratch}};
    /// let kernels = simd_kernels::Kernels::active()?;
    /// let scan = Scan::new(kernels, &[0.0f32, 0.0, 3.0, 4.0], 2, Metric::L2)?;
    /// let mut found = Vec::new();
    /// scan.search(&mut Scratch::new(1), &[0.0, 0.0], 1, &mut found)?;
    /// assert_eq!(found, [Neighbor { id: 0, distance: 0.0 }]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(
        kernels: &'static Kernels,
        data: &[E],
        dim: usize,
        metric: Metric,
    ) -> Result<Self, ExactError> {
        let measure = match metric {
            Metric::L2 => Measure::L2Squared,
            Metric::InnerProduct | Metric::Cosine => Measure::InnerProduct,
            Metric::L1 => Measure::L1,
            Metric::Hamming | Metric::Jaccard => return Err(ExactError::Metric { metric, dtype: E::NAME }),
        };
        let forms: &'static DistanceForms<E> = kernels.forms::<E>(measure);
        let mut scan = Self::with_forms(kernels, forms, data, dim, metric)?;
        if metric == Metric::Cosine {
            scan.inverse_norms = data.par_chunks_exact(dim).map(inverse_norm).collect();
        }
        Ok(scan)
    }
}

impl Scan<u8, i32> {
    /// A scan of bit strings of `bits` bits, each in `bits.div_ceil(8)` bytes, by their Hamming distance.
    ///
    /// # Errors
    /// [`ExactError`] if the shape is wrong or a bit beyond the end of a row is set.
    pub fn hamming(kernels: &'static Kernels, data: &[u8], bits: usize) -> Result<Self, ExactError> {
        Self::of_bits(kernels, kernels.hamming(), data, bits, Metric::Hamming)
    }
}

impl Scan<u8, f32> {
    /// As [`Scan::hamming`], by the Jaccard distance.
    ///
    /// # Errors
    /// As [`Scan::hamming`].
    pub fn jaccard(kernels: &'static Kernels, data: &[u8], bits: usize) -> Result<Self, ExactError> {
        Self::of_bits(kernels, kernels.jaccard(), data, bits, Metric::Jaccard)
    }
}

impl<O: Distance> Scan<u8, O> {
    fn of_bits(
        kernels: &'static Kernels,
        forms: &'static BitForms<O>,
        data: &[u8],
        bits: usize,
        metric: Metric,
    ) -> Result<Self, ExactError> {
        let mut scan = Self::with_forms(kernels, forms, data, bits.div_ceil(8), metric)?;
        scan.bits = Some(bits);
        if let Some(row) = data.chunks_exact(scan.dim).position(|row| has_padding(row, bits)) {
            return Err(ExactError::Padding { argument: "vectors", row, bits });
        }
        Ok(scan)
    }
}

impl<E: Element, O: Distance> Scan<E, O> {
    fn with_forms(
        kernels: &'static Kernels,
        forms: &'static Forms<E, E, O>,
        data: &[E],
        dim: usize,
        metric: Metric,
    ) -> Result<Self, ExactError> {
        let len = Rows::new(data, dim)?.len();
        if len > u32::MAX as usize {
            return Err(ExactError::TooMany { rows: len });
        }
        if let Some(at) = data.iter().position(|value| !value.to_f64().is_finite()) {
            return Err(ExactError::NotFinite { argument: "vectors", row: at / dim, column: at % dim });
        }
        Ok(Self {
            forms,
            kernels,
            ranking: Ranking::of(metric),
            data: AlignedVec::from_slice(data)?,
            dim,
            len,
            inverse_norms: Vec::new(),
            bits: None,
        })
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no vector.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of one vector: what a scan reads of it.
    pub fn row_bytes(&self) -> usize {
        self.dim * size_of::<E>()
    }

    /// Bytes that the scan keeps in memory.
    pub fn bytes(&self) -> usize {
        self.len * self.row_bytes() + size_of_val(self.inverse_norms.as_slice())
    }

    /// All vectors as the kernels take them.
    pub(super) fn rows(&self) -> Result<Rows<'_, E>, ExactError> {
        Ok(Rows::new(&self.data, self.dim)?)
    }

    /// Rows of one chunk.
    pub(super) fn chunk_rows(&self) -> usize {
        (CHUNK_BYTES / self.row_bytes()).clamp(16, CHUNK_ROWS)
    }
}

/// One over the norm, summed in `f64`; 0 for a row of zeros.
pub(super) fn inverse_norm<E: Element>(row: &[E]) -> f64 {
    let squared: f64 = row.iter().map(|value| value.to_f64() * value.to_f64()).sum();
    if squared > 0.0 { 1.0 / squared.sqrt() } else { 0.0 }
}

/// Whether a bit beyond the first `bits` is set.
pub(super) fn has_padding(row: &[u8], bits: usize) -> bool {
    !bits.is_multiple_of(8) && row.last().is_some_and(|last| last >> (bits % 8) != 0)
}
