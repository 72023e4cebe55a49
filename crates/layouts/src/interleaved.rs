//! Rows interleaved in panels: one vector register holds the same few dimensions of many rows.
//!
//! Row-major blocks serve one query whose registers stay full of it. Where many rows meet many queries, or
//! where a row is short, a register is better filled *across* rows: one load then gives 16 rows' next
//! dimensions, no sum has to be reduced across a register, and a tail of rows is a tail of lanes. Narrow
//! elements keep `GROUP` neighbouring dimensions together, because that is what one lane of `vpdpbusd` (4
//! bytes) or `vdpbf16ps` (2 halves) multiplies and adds.
//!
//! Packing moves whole groups between 4 rows and 4 places at a time, which compilers turn into register
//! transposes; it runs at memory speed and is meant to be repeated per block into storage that is reused.

use simd_kernels::{Element, Rows};

use crate::aligned::AlignedVec;
use crate::error::{Error, expect_len, no_memory};

/// Rows of a block that are transposed together with as many groups.
const TILE: usize = 4;

/// Rows in panels of `LANES`, `GROUP` neighbouring dimensions kept together.
///
/// Element `(r, j)` lies in panel `r / LANES`, there at `((j / GROUP) * LANES + r % LANES) * GROUP + j % GROUP`.
/// With `GROUP * size_of::<T>()` = 4 and 16 lanes, one group of all lanes is one cache line and one 512-bit
/// register: `Interleaved<f32, 16, 1>`, `<bf16, 16, 2>`, `<u8, 16, 4>`. Bytewise codes take `<u8, 64, 1>`.
///
/// Invariants: a panel is `padded_dim() * LANES` elements, `padded_dim()` being `dim` rounded up to a multiple
/// of `GROUP`; whatever belongs to no row and dimension is 0, so it adds nothing to a product. (To a squared
/// distance an absent *row* adds a sum that must be ignored, as its lane must be.)
///
/// ```
/// use layouts::Interleaved;
/// use simd_kernels::Rows;
/// let data = [1u8, 2, 3, 4, 5, 6]; // 2 rows of 3
/// let mut block = Interleaved::<u8, 16, 4>::new();
/// block.pack(Rows::new(&data, 3)?)?;
/// assert_eq!(block.panel(0).unwrap()[..8], [1, 2, 3, 0, 4, 5, 6, 0]);
/// assert_eq!(block.get(1, 2), Some(6));
/// # Ok::<(), layouts::Error>(())
/// ```
#[derive(Debug)]
pub struct Interleaved<T, const LANES: usize, const GROUP: usize> {
    panels: AlignedVec<T>,
    len: usize,
    dim: usize,
}

impl<T: Element, const LANES: usize, const GROUP: usize> Interleaved<T, LANES, GROUP> {
    const SHAPE: () = assert!(LANES > 0 && LANES.is_multiple_of(TILE) && GROUP > 0);

    /// No rows; allocates nothing.
    pub const fn new() -> Self {
        const { Self::SHAPE };
        Self { panels: AlignedVec::new(), len: 0, dim: 0 }
    }

    /// The elements of all panels that `len` rows of `dim` make.
    ///
    /// # Errors
    /// [`Error::Memory`] if their number does not fit a `usize`.
    pub fn packed_len(len: usize, dim: usize) -> Result<usize, Error> {
        const { Self::SHAPE };
        let panel = dim.checked_next_multiple_of(GROUP).and_then(|dim| dim.checked_mul(LANES));
        panel.and_then(|panel| panel.checked_mul(len.div_ceil(LANES))).ok_or(no_memory::<T>(usize::MAX))
    }

    /// Replaces the contents by `rows`. Allocates only if they take more room than any before them did.
    ///
    /// O(len · dim) moves.
    ///
    /// # Errors
    /// [`Error::Memory`]; the old contents stay.
    pub fn pack(&mut self, rows: Rows<'_, T>) -> Result<(), Error> {
        self.panels.resize_stale(Self::packed_len(rows.len(), rows.dim())?)?;
        (self.len, self.dim) = (rows.len(), rows.dim());
        pack_panels::<T, LANES, GROUP>(rows, &mut self.panels);
        Ok(())
    }

    /// Packs `rows` into a slice of the caller's, for scratch that lives elsewhere.
    ///
    /// # Errors
    /// [`Error::Length`] unless `out` holds exactly [`packed_len`](Self::packed_len) elements.
    pub fn pack_into(rows: Rows<'_, T>, out: &mut [T]) -> Result<(), Error> {
        expect_len("out", Self::packed_len(rows.len(), rows.dim())?, out.len())?;
        pack_panels::<T, LANES, GROUP>(rows, out);
        Ok(())
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.panels.clear();
        self.len = 0;
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Elements of one row; 0 before the first [`pack`](Self::pack).
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// `dim` rounded up to a multiple of `GROUP`.
    pub fn padded_dim(&self) -> usize {
        self.dim.next_multiple_of(GROUP)
    }

    /// Elements of one panel.
    pub fn panel_len(&self) -> usize {
        self.padded_dim() * LANES
    }

    /// Panel `index`, with the rows `index * LANES..`, or `None` when there are fewer panels.
    pub fn panel(&self, index: usize) -> Option<&[T]> {
        let start = index.checked_mul(self.panel_len())?;
        self.panels.get(start..start.checked_add(self.panel_len())?).filter(|panel| !panel.is_empty())
    }

    /// All panels in order.
    pub fn panels(&self) -> impl ExactSizeIterator<Item = &[T]> {
        self.panels.chunks_exact(self.panel_len().max(1))
    }

    /// All panels as one slice, which starts a cache line.
    pub fn as_slice(&self) -> &[T] {
        &self.panels
    }

    /// Element `dim` of row `row`, or `None` when there is no such row or dimension.
    pub fn get(&self, row: usize, dim: usize) -> Option<T> {
        if row >= self.len || dim >= self.dim {
            return None;
        }
        let at = ((dim / GROUP) * LANES + row % LANES) * GROUP + dim % GROUP;
        self.panel(row / LANES)?.get(at).copied()
    }

    /// Writes row `row` to `out`, in its own order again.
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such row, [`Error::Length`] unless `out` has length `dim`.
    pub fn unpack_row(&self, row: usize, out: &mut [T]) -> Result<(), Error> {
        crate::error::expect_below("row", row, self.len)?;
        expect_len("out", self.dim, out.len())?;
        let groups = self.panel(row / LANES).unwrap_or_default().chunks_exact(GROUP);
        for (to, from) in out.chunks_mut(GROUP).zip(groups.skip(row % LANES).step_by(LANES)) {
            to.copy_from_slice(&from[..to.len()]);
        }
        Ok(())
    }

    /// Writes all rows to `out`, one after another.
    ///
    /// # Errors
    /// [`Error::Length`] unless `out` has length `len * dim`.
    pub fn unpack(&self, out: &mut [T]) -> Result<(), Error> {
        expect_len("out", self.len * self.dim, out.len())?;
        for (row, out) in out.chunks_exact_mut(self.dim.max(1)).enumerate() {
            self.unpack_row(row, out)?;
        }
        Ok(())
    }
}

impl<T: Element, const LANES: usize, const GROUP: usize> Default for Interleaved<T, LANES, GROUP> {
    fn default() -> Self {
        Self::new()
    }
}

/// Packs `rows` into `out`, whose length is that of all panels.
fn pack_panels<T: Element, const LANES: usize, const GROUP: usize>(rows: Rows<'_, T>, out: &mut [T]) {
    let panel_len = rows.dim().next_multiple_of(GROUP) * LANES;
    for (index, panel) in out.chunks_exact_mut(panel_len).enumerate() {
        let (groups, _) = panel.as_chunks_mut::<GROUP>();
        for tile in 0..LANES / TILE {
            let first = index * LANES + tile * TILE;
            let rows: [&[T]; TILE] = std::array::from_fn(|row| rows.row(first + row).unwrap_or_default());
            pack_tile::<T, LANES, GROUP>(rows, groups, tile * TILE);
        }
    }
}

/// Packs `TILE` rows, each of the block's dimension or empty (absent), into the lanes from `lane` on of one panel.
fn pack_tile<T: Element, const LANES: usize, const GROUP: usize>(
    rows: [&[T]; TILE],
    panel: &mut [[T; GROUP]],
    lane: usize,
) {
    let split = rows.map(|row| row.as_chunks::<GROUP>());
    let whole = split.map(|(groups, _)| groups);
    let (all_groups, _) = panel.as_chunks_mut::<LANES>();
    let full = whole.iter().map(|groups| groups.len()).min().unwrap_or(0);
    let (body, rest) = all_groups.split_at_mut(full);
    let sources = whole.map(|groups| &groups[..full]);

    let (blocks, _) = body.as_chunks_mut::<TILE>();
    for (block, to) in blocks.iter_mut().enumerate() {
        let from: [[[T; GROUP]; TILE]; TILE] =
            std::array::from_fn(|row| std::array::from_fn(|group| sources[row][block * TILE + group]));
        for (group, lanes) in to.iter_mut().enumerate() {
            let turned: [[T; GROUP]; TILE] = std::array::from_fn(|row| from[row][group]);
            lanes[lane..lane + TILE].copy_from_slice(&turned);
        }
    }
    for (group, lanes) in body.iter_mut().enumerate().skip(full / TILE * TILE) {
        for (row, source) in sources.iter().enumerate() {
            lanes[lane + row] = source[group];
        }
    }
    // What is left is the group that `dim` does not fill, and every group when a row of this tile is absent.
    for (group, lanes) in rest.iter_mut().enumerate() {
        for (row, (groups, tail)) in split.iter().enumerate() {
            let to = &mut lanes[lane + row];
            match groups.get(full + group) {
                Some(group) => *to = *group,
                None => {
                    *to = [T::zeroed(); GROUP];
                    if full + group == groups.len() {
                        to[..tail.len()].copy_from_slice(tail);
                    }
                }
            }
        }
    }
}
