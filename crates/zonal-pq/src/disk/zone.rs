//! A zone as it lies in a file, and as a scan wants it.

use layouts::AlignedVec;
use simd_kernels::{Element, PANEL_ROWS};

use super::{PAGE, ZONES};
use crate::Error;
use crate::file::{damaged, is_padding};
use crate::zones::NONE;

/// Bytes of a column of four bytes a row in a panel.
const COLUMN: usize = 4 * PANEL_ROWS;

/// How rows lie in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Bytes of the codes in a panel.
    pub(super) panel_bytes: usize,
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

    /// Columns of four bytes a row: factors, ids, and what else there is.
    fn columns(&self) -> usize {
        2 + usize::from(self.norms) + usize::from(self.homes)
    }

    /// Bytes of a panel.
    pub(super) fn record(&self) -> usize {
        self.panel_bytes + self.columns() * COLUMN
    }

    /// Panels that lie in so many pages, at least one.
    pub(super) fn panels_within(&self, pages: usize) -> usize {
        (pages.saturating_mul(PAGE) / self.record()).max(1)
    }

    /// The first page of each zone, and the end.
    pub(super) fn page_starts(&self, panels: &[u32]) -> Result<AlignedVec<u32>, Error> {
        let mut pages = AlignedVec::with_capacity(panels.len())?;
        let mut page = 0u32;
        pages.push(page)?;
        for pair in panels.windows(2) {
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

/// The first panels of a zone, or all, column by column.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) len: usize,
    pub(super) panels: usize,
    shape: Shape,
    words: AlignedVec<u32>,
}

impl Zone {
    /// Takes apart the first panels of a zone of `len` rows, and checks what searches rely on.
    pub(super) fn new(raw: &[u8], len: usize, shape: Shape) -> Result<Self, Error> {
        let panels = raw.len() / shape.record();
        let mut words = AlignedVec::<u32>::zeroed(raw.len() / 4)?;
        let bytes: &mut [u8] = bytemuck::cast_slice_mut(&mut words);
        let (codes, columns) = bytes.split_at_mut(panels * shape.panel_bytes);
        for (panel, record) in raw.chunks_exact(shape.record()).enumerate() {
            let (from, rest) = record.split_at(shape.panel_bytes);
            if let Some(to) = codes.get_mut(panel * shape.panel_bytes..(panel + 1) * shape.panel_bytes) {
                to.copy_from_slice(from);
            }
            for (column, from) in rest.chunks_exact(COLUMN).enumerate() {
                let at = (column * panels + panel) * COLUMN;
                if let Some(to) = columns.get_mut(at..at + COLUMN) {
                    to.copy_from_slice(from);
                }
            }
        }
        let zone = Self { len: len.min(panels * PANEL_ROWS), panels, shape, words };
        if zone.ids().iter().any(|&id| id as usize >= shape.vectors) {
            return Err(damaged(ZONES, "an id is no vector"));
        }
        if !is_padding(zone.factors().get(zone.len..).unwrap_or_default()) {
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
        bytes.get(..self.panels * self.shape.panel_bytes).unwrap_or_default()
    }

    fn column(&self, index: usize) -> &[u32] {
        let start = self.panels * (self.shape.panel_bytes / 4 + index * PANEL_ROWS);
        self.words.get(start..start + self.panels * PANEL_ROWS).unwrap_or_default()
    }

    pub(super) fn factors(&self) -> &[f32] {
        bytemuck::cast_slice(self.column(0))
    }

    pub(super) fn ids(&self) -> &[u32] {
        self.column(1).get(..self.len).unwrap_or_default()
    }

    pub(super) fn norms(&self) -> &[f32] {
        bytemuck::cast_slice(if self.shape.norms { self.column(2) } else { &[] })
    }

    pub(super) fn homes(&self) -> &[u32] {
        if !self.shape.homes {
            return &[];
        }
        self.column(2 + usize::from(self.shape.norms)).get(..self.len).unwrap_or_default()
    }
}
