//! A zone as it lies in a file, and as a scan wants it.

use layouts::AlignedVec;
use simd_kernels::Element;

use super::{PAGE, ZONES};
use crate::Error;
use crate::file::{damaged, is_padding};
use crate::zones::NONE;

/// How rows lie in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Rows, bytes of codes and columns of factors of a unit.
    pub(super) unit_rows: usize,
    pub(super) unit_bytes: usize,
    pub(super) columns: usize,
    /// Whether rows have a number beside them.
    pub(super) norms: bool,
    /// Whether rows can be in two zones.
    pub(super) homes: bool,
    pub(super) dim: usize,
    /// Integers of a row; 0 where they are not kept.
    pub(super) row_dim: usize,
    /// Bytes from one row's vector to the next one's.
    pub(super) stride: usize,
    pub(super) vectors: usize,
    pub(super) zones: usize,
}

impl Shape {
    /// Bytes from one row to the next: whole words, so that every vector is aligned.
    pub(super) fn stride<T: Element>(dim: usize, row_dim: usize) -> usize {
        (dim * size_of::<T>() + row_dim).next_multiple_of(4)
    }

    /// Bytes of a column of four bytes a row in a unit.
    fn column(&self) -> usize {
        4 * self.unit_rows
    }

    /// Bytes of a unit: codes, factors, ids, and what else there is.
    pub(super) fn record(&self) -> usize {
        let columns = self.columns + 1 + usize::from(self.norms) + usize::from(self.homes);
        self.unit_bytes + columns * self.column()
    }

    /// Units that lie in so many pages, at least one.
    pub(super) fn units_within(&self, pages: usize) -> usize {
        (pages.saturating_mul(PAGE) / self.record()).max(1)
    }

    /// The first page of each zone, and the end.
    pub(super) fn page_starts(&self, units: &[u32]) -> Result<AlignedVec<u32>, Error> {
        let mut pages = AlignedVec::with_capacity(units.len())?;
        let mut page = 0u32;
        pages.push(page)?;
        for pair in units.windows(2) {
            if let [start, end] = *pair {
                let bytes = (end - start) as usize * self.record();
                let next = u32::try_from(bytes.div_ceil(PAGE)).ok().and_then(|count| page.checked_add(count));
                page = next.ok_or(damaged(ZONES, "it has more pages than can be counted"))?;
                pages.push(page)?;
            }
        }
        Ok(pages)
    }
}

/// The first units of a zone, or all, column by column.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) len: usize,
    pub(super) units: usize,
    shape: Shape,
    words: AlignedVec<u32>,
}

impl Zone {
    /// Takes apart the first units of a zone of `len` rows, and checks what searches rely on.
    pub(super) fn new(raw: &[u8], len: usize, shape: Shape) -> Result<Self, Error> {
        let units = raw.len() / shape.record();
        let mut words = AlignedVec::<u32>::zeroed(raw.len() / 4)?;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        // Each kind of content lies together: its bytes in a unit, one kind after the other.
        let kinds = [shape.unit_bytes, shape.columns * shape.column()];
        let rest =
            std::iter::repeat_n(shape.column(), 1 + usize::from(shape.norms) + usize::from(shape.homes));
        let mut before = 0;
        for width in kinds.into_iter().chain(rest) {
            let to = bytes.get_mut(before * units..(before + width) * units).unwrap_or_default();
            for (to, record) in to.chunks_exact_mut(width).zip(raw.chunks_exact(shape.record())) {
                to.copy_from_slice(record.get(before..before + width).unwrap_or_default());
            }
            before += width;
        }
        let zone = Self { len: len.min(units * shape.unit_rows), units, shape, words };
        if zone.ids().iter().any(|&id| id as usize >= shape.vectors) {
            return Err(damaged(ZONES, "an id is no vector"));
        }
        if !is_padding(zone.factors(), zone.len, shape.unit_rows, shape.columns) {
            return Err(damaged(ZONES, "padding is not infinitely far"));
        }
        if shape.homes && zone.homes().iter().any(|&home| home != NONE && home as usize >= shape.zones) {
            return Err(damaged(ZONES, "a home is no zone"));
        }
        Ok(zone)
    }

    /// Bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.words.memory_bytes() + size_of::<Self>()
    }

    pub(super) fn codes(&self) -> &[u8] {
        let bytes: &[u8] = bytemuck::cast_slice(&self.words);
        bytes.get(..self.units * self.shape.unit_bytes).unwrap_or_default()
    }

    /// So many columns behind the codes and `skipped` columns.
    fn columns(&self, skipped: usize, count: usize) -> &[u32] {
        let start = self.units * (self.shape.unit_bytes / 4 + skipped * self.shape.unit_rows);
        self.words.get(start..start + count * self.units * self.shape.unit_rows).unwrap_or_default()
    }

    /// The columns of factors, unit by unit.
    pub(super) fn factors(&self) -> &[f32] {
        bytemuck::cast_slice(self.columns(0, self.shape.columns))
    }

    pub(super) fn ids(&self) -> &[u32] {
        self.columns(self.shape.columns, 1).get(..self.len).unwrap_or_default()
    }

    pub(super) fn norms(&self) -> &[f32] {
        bytemuck::cast_slice(if self.shape.norms { self.columns(self.shape.columns + 1, 1) } else { &[] })
    }

    pub(super) fn homes(&self) -> &[u32] {
        if !self.shape.homes {
            return &[];
        }
        let skipped = self.shape.columns + 1 + usize::from(self.shape.norms);
        self.columns(skipped, 1).get(..self.len).unwrap_or_default()
    }
}
