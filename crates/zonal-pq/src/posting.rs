//! Postings: what a zone holds, and where postings come from.

use std::ops::Range;

use layouts::{AlignedVec, Storage};
use simd_kernels::{Element, PANEL_ROWS};

/// The rows of one zone, borrowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Posting<'a, T> {
    /// Rows.
    pub(crate) len: usize,
    /// Codes in whole panels.
    pub(crate) codes: &'a [u8],
    /// What the estimate of each row adds; infinite in the places of padding, which so are never near.
    pub(crate) factors: &'a [f32],
    pub(crate) ids: &'a [u32],
    /// Integer rows, if they are kept.
    pub(crate) bytes: &'a [i8],
    /// The vectors, if they are kept.
    pub(crate) vectors: &'a [T],
    /// Per row: under cosine the inverse length, under inner product |x|² in the unit of integer rows, else empty.
    pub(crate) norms: &'a [f32],
    /// Rows that live in another zone and are here a second time: that zone, or `NONE`. Empty if there is none.
    pub(crate) homes: &'a [u32],
}

/// Where postings come from: memory, a file, or a snapshot of an index that changes.
pub(crate) trait Postings<T>: Sync {
    /// Zones.
    fn zones(&self) -> usize;
    /// Rows in all zones, second places included.
    fn rows(&self) -> usize;
    /// The posting of a zone below [`zones`](Self::zones); empty for others.
    fn posting(&self, zone: u32) -> Posting<'_, T>;
}

/// All postings one after another, zone by zone.
#[derive(Debug)]
pub(crate) struct Frozen<T> {
    /// First row of each zone, and the end.
    pub(crate) starts: Storage<u32>,
    /// First panel of each zone, and the end.
    pub(crate) panels: Storage<u32>,
    /// Bytes of a panel.
    pub(crate) panel_bytes: usize,
    pub(crate) codes: Storage<u8>,
    pub(crate) factors: Storage<f32>,
    pub(crate) ids: Storage<u32>,
    pub(crate) bytes: Storage<i8>,
    pub(crate) vectors: Storage<T>,
    pub(crate) norms: Storage<f32>,
    pub(crate) homes: Storage<u32>,
    /// Elements of an integer row and of a vector.
    pub(crate) row_dim: usize,
    pub(crate) dim: usize,
}

impl<T> Frozen<T> {
    fn range(starts: &[u32], zone: u32) -> Range<usize> {
        let at = |zone: usize| starts.get(zone).map_or(0, |&start| start as usize);
        at(zone as usize)..at(zone as usize + 1)
    }

    /// Bytes of everything.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.starts)
            + size_of_val(&*self.panels)
            + self.codes.len()
            + size_of_val(&*self.factors)
            + size_of_val(&*self.ids)
            + self.bytes.len()
            + size_of_val(&*self.vectors)
            + size_of_val(&*self.norms)
            + size_of_val(&*self.homes)
    }
}

impl<T: Element> Postings<T> for Frozen<T> {
    fn zones(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    fn rows(&self) -> usize {
        self.ids.len()
    }

    #[inline]
    fn posting(&self, zone: u32) -> Posting<'_, T> {
        let rows = Self::range(&self.starts, zone);
        let panels = Self::range(&self.panels, zone);
        Posting {
            len: rows.len(),
            codes: of(&self.codes, &panels, self.panel_bytes),
            factors: of(&self.factors, &panels, PANEL_ROWS),
            ids: of(&self.ids, &rows, 1),
            bytes: of(&self.bytes, &rows, self.row_dim),
            vectors: of(&self.vectors, &rows, self.dim),
            norms: of(&self.norms, &rows, 1),
            homes: of(&self.homes, &rows, 1),
        }
    }
}

/// `width` elements for each of `range`; nothing of an empty slice.
fn of<'a, U>(all: &'a [U], range: &Range<usize>, width: usize) -> &'a [U] {
    all.get(range.start * width..range.end * width).unwrap_or_default()
}

/// Storage of something that is not kept.
pub(crate) fn nothing<U>() -> Storage<U> {
    Storage::Owned(AlignedVec::new())
}
