//! Postings: what a zone holds, and where postings come from.

use std::ops::Range;

use layouts::{AlignedVec, Storage};
use simd_kernels::{Element, prefetch_slice};

use crate::zones::NONE;

/// What a scan reads of a zone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanned<'a> {
    /// Rows.
    pub(crate) len: usize,
    /// Codes in whole units of so many `places` for rows.
    pub(crate) codes: &'a [u8],
    pub(crate) places: usize,
    /// Columns of factors, unit by unit; what is added is infinite in the places of padding, which so are never near.
    pub(crate) factors: &'a [f32],
}

/// Where postings come from: memory, a file, or a snapshot of an index that changes.
///
/// Zones are below [`zones`](Self::zones) and rows below the length of theirs; for others there are empty slices and
/// zeros.
pub(crate) trait Postings<T>: Sync {
    /// Zones.
    fn zones(&self) -> usize;
    /// Rows in all zones, second places included.
    fn rows(&self) -> usize;
    /// Whether all codes fit a cache and a query of `nprobe` zones scans little of them, so that reading a zone for
    /// several queries at once saves nothing.
    fn is_small(&self, _nprobe: usize) -> bool {
        false
    }
    /// What a scan of a zone reads.
    fn scanned(&self, zone: u32) -> Scanned<'_>;
    /// Asks for the memory that a scan of a zone will read.
    #[inline]
    fn fetch(&self, zone: u32) {
        let posting = self.scanned(zone);
        prefetch_slice(posting.codes, FETCHED);
        prefetch_slice(posting.factors, FETCHED);
    }
    /// The ids of a zone's rows.
    fn ids(&self, zone: u32) -> &[u32];
    /// Whether integer rows are kept.
    fn has_bytes(&self) -> bool;
    /// An integer row.
    fn bytes(&self, zone: u32, row: usize) -> &[i8];
    /// A vector.
    fn vector(&self, zone: u32, row: usize) -> &[T];
    /// Under cosine the inverse length of a vector, under inner product |x|² in the unit of integer rows.
    fn norm(&self, zone: u32, row: usize) -> f32;
    /// Called with rows before their integers, vectors and norms are asked for, so that they can be brought from
    /// where they lie all at once.
    #[inline]
    fn bring(&self, _rows: impl Iterator<Item = (u32, usize)>) {}
    /// Whether rows can be in two zones.
    fn has_homes(&self) -> bool;
    /// The zone that a row lives in, if it is here a second time, else [`NONE`](crate::zones::NONE).
    fn home(&self, zone: u32, row: usize) -> u32;
}

/// Most bytes of codes, and of factors, that are asked for ahead.
const FETCHED: usize = 16 << 10;
/// Bytes of codes and factors that a second-level cache holds beside what else a query touches.
const SMALL: usize = 768 << 10;
/// Bytes of codes and factors that a query scans in less time than it takes to tell queries apart zone by zone.
const LITTLE: usize = 256 << 10;

/// All postings one after another, zone by zone.
#[derive(Debug)]
pub(crate) struct Frozen<T> {
    /// First row of each zone, and the end.
    pub(crate) starts: Storage<u32>,
    /// First unit of codes of each zone, and the end.
    pub(crate) units: Storage<u32>,
    /// Rows, bytes of codes and columns of factors of a unit.
    pub(crate) unit_rows: usize,
    pub(crate) unit_bytes: usize,
    pub(crate) columns: usize,
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

    /// The place of a row among all.
    #[inline]
    fn place(&self, zone: u32, row: usize) -> usize {
        self.starts.get(zone as usize).map_or(usize::MAX / 2, |&start| start as usize + row)
    }

    /// The place of every id where it lives, second places left out; `rows` ids.
    pub(crate) fn places(&self, rows: usize) -> Vec<u32> {
        let mut places = vec![0; rows];
        for (at, &id) in self.ids.iter().enumerate() {
            if self.homes.get(at).is_none_or(|&home| home == NONE)
                && let Some(place) = places.get_mut(id as usize)
            {
                *place = at as u32;
            }
        }
        places
    }

    /// Zone and row of a place.
    pub(crate) fn zone_of(&self, place: u32) -> (u32, u32) {
        let zone = self.starts.partition_point(|&start| start <= place).saturating_sub(1);
        (zone as u32, place - self.starts.get(zone).copied().unwrap_or(0))
    }

    /// Bytes of everything.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of_val(&*self.starts)
            + size_of_val(&*self.units)
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

    fn is_small(&self, nprobe: usize) -> bool {
        let bytes = self.codes.len() + size_of_val(&*self.factors);
        let zones = Postings::<T>::zones(self).max(1);
        bytes <= SMALL && bytes / zones * nprobe.min(zones) <= LITTLE
    }

    #[inline]
    fn scanned(&self, zone: u32) -> Scanned<'_> {
        let units = Self::range(&self.units, zone);
        Scanned {
            len: Self::range(&self.starts, zone).len(),
            codes: of(&self.codes, &units, self.unit_bytes),
            places: units.len() * self.unit_rows,
            factors: of(&self.factors, &units, self.unit_rows * self.columns),
        }
    }

    #[inline]
    fn ids(&self, zone: u32) -> &[u32] {
        of(&self.ids, &Self::range(&self.starts, zone), 1)
    }

    #[inline]
    fn has_bytes(&self) -> bool {
        !self.bytes.is_empty()
    }

    #[inline]
    fn bytes(&self, zone: u32, row: usize) -> &[i8] {
        let at = self.place(zone, row);
        of(&self.bytes, &(at..at + 1), self.row_dim)
    }

    #[inline]
    fn vector(&self, zone: u32, row: usize) -> &[T] {
        let at = self.place(zone, row);
        of(&self.vectors, &(at..at + 1), self.dim)
    }

    #[inline]
    fn norm(&self, zone: u32, row: usize) -> f32 {
        self.norms.get(self.place(zone, row)).copied().unwrap_or(0.0)
    }

    #[inline]
    fn has_homes(&self) -> bool {
        !self.homes.is_empty()
    }

    #[inline]
    fn home(&self, zone: u32, row: usize) -> u32 {
        self.homes.get(self.place(zone, row)).copied().unwrap_or(NONE)
    }
}

/// `width` elements for each of `range`; nothing of an empty slice.
fn of<'a, U>(all: &'a [U], range: &Range<usize>, width: usize) -> &'a [U] {
    all.get(range.start.saturating_mul(width)..range.end.saturating_mul(width)).unwrap_or_default()
}

/// Storage of something that is not kept.
pub(crate) fn nothing<U>() -> Storage<U> {
    Storage::Owned(AlignedVec::new())
}
