//! Small sets are scanned, not walked: all rows against the query by byte products, sixteen rows a register.
//!
//! While the integer rows fit the second-level cache, comparing every one of them costs less than the jumps of
//! a walk, and misses nothing that the integers can tell apart.

use layouts::{AlignedVec, Interleaved, Storage};
use simd_kernels::{Kernels, PANEL_ROWS, Panels, Rows};

use crate::Error;
use crate::intake::Intake;
use crate::metric::Metric;

/// Bytes of integer rows up to which a scan is faster.
pub(crate) const SCAN_BYTES: usize = 768 << 10;

/// Integer rows in panels with their norms.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) panels: Storage<i8>,
    pub(crate) norms: Storage<i32>,
    pub(crate) dim: usize,
    pub(crate) rows: usize,
}

impl Scan {
    /// A scan of `rows`, where they are of few enough `bytes` for it to be the faster way and the integers order
    /// them as their metric does.
    pub(crate) fn where_faster(
        rows: Rows<'_, i8>,
        norms: &[i32],
        intake: &Intake,
        bytes: usize,
    ) -> Result<Option<Self>, Error> {
        let fits = match intake.metric {
            Metric::Hamming => false,
            Metric::InnerProduct => intake.is_like_cosine(),
            Metric::L2 | Metric::Cosine => true,
        };
        if fits && rows.len() * rows.dim() <= bytes { Self::new(rows, norms).map(Some) } else { Ok(None) }
    }

    /// Packs `rows`.
    pub(crate) fn new(rows: Rows<'_, i8>, norms: &[i32]) -> Result<Self, Error> {
        let mut packed = Interleaved::<i8, 16, 4>::new();
        packed.pack(rows)?;
        let mut padded = AlignedVec::from_slice(norms)?;
        padded.resize(norms.len().next_multiple_of(PANEL_ROWS), 0)?;
        Ok(Self {
            panels: Storage::from(AlignedVec::from_slice(packed.as_slice())?),
            norms: Storage::from(padded),
            dim: rows.dim(),
            rows: rows.len(),
        })
    }

    /// The `count` rows nearest to the integer row `query`, nearest first, in `found`.
    pub(crate) fn nearest(
        &self,
        query: &[i8],
        count: usize,
        kernels: &'static Kernels,
        scratch: &mut ScanScratch,
        found: &mut Vec<(i32, u32)>,
    ) -> Result<(), Error> {
        let norm: i32 = query.iter().map(|&x| i32::from(x) * i32::from(x)).sum();
        // Whole groups of four, as the panels have them: a rest would be put together anew for every tile.
        let dim = self.dim.next_multiple_of(4);
        scratch.query.clear();
        scratch.query.extend_from_slice(query);
        scratch.query.resize(dim, 0);
        scratch.distances.resize(self.norms.len(), 0);
        scratch.ids.resize(count.max(scratch.ids.len()), 0);
        scratch.least.resize(count.max(scratch.least.len()), 0);
        kernels.panels::<i8>().l2_squared(
            Rows::new(&scratch.query, dim)?,
            &[norm],
            Panels::new(&self.panels, dim)?,
            &self.norms,
            &mut scratch.distances,
        )?;
        let distances = scratch.distances.get(..self.rows).unwrap_or_default();
        let count = count.min(self.rows);
        let count = kernels.top_k(distances, 0, count, &mut scratch.ids, &mut scratch.least)?;
        found.clear();
        found.extend(scratch.least.iter().copied().zip(scratch.ids.iter().copied()).take(count));
        Ok(())
    }
}

/// Memory of one scan at a time.
#[derive(Debug, Default)]
pub(crate) struct ScanScratch {
    query: Vec<i8>,
    distances: Vec<i32>,
    ids: Vec<u32>,
    least: Vec<i32>,
}
