//! Codes of a few bits interleaved in panels of sixteen rows, as `simd_kernels::CodePanels` reads them.

use simd_kernels::{CodePanels, PANEL_ROWS, Rows};

use crate::aligned::AlignedVec;
use crate::error::{Error, expect_below, expect_len, no_memory};

/// Bytes of one group: four of each row.
const GROUP_BYTES: usize = 64;

/// Codes of `BITS` bits (2, 4 or 8) in panels of sixteen rows.
///
/// A group of 64 bytes holds `32 / BITS` dimensions of the sixteen rows of a panel: byte `4 r + j` has, from its
/// lowest bits up, the dimensions `j`, `4 + j`, `8 + j`, ... of row `r`. Groups follow one another, and panels do.
///
/// Invariants: a panel is `padded_dim() / (32 / BITS)` groups, `padded_dim()` being `dim` rounded up to whole
/// groups; whatever belongs to no row and dimension is 0, so it adds nothing to a product.
///
/// ```
/// use layouts::InterleavedCodes;
/// use simd_kernels::{CodePanels, Kernels, Rows};
/// let codes = [1u8, 2, 3, 4, 5, 6, 7, 8, 9, 15, 14, 13]; // 2 rows of 6 codes, one a byte
/// let mut block = InterleavedCodes::<4>::new();
/// block.pack(Rows::new(&codes, 6)?)?;
/// assert_eq!(block.as_slice()[..8], [0x51, 0x62, 0x03, 0x04, 0xe7, 0xd8, 0x09, 0x0f]);
/// assert_eq!(block.get(1, 3), Some(15));
///
/// let query = [1i8, 1, 1, 1, 1, 1, 0, 0]; // padded to whole groups
/// let mut sums = [0; 16];
/// let panels = CodePanels::new(block.as_slice(), block.padded_dim())?;
/// Kernels::active()?.code_panels_u4().inner_product(Rows::new(&query, 8)?, panels, &mut sums)?;
/// assert_eq!(sums[..3], [21, 66, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct InterleavedCodes<const BITS: usize> {
    panels: AlignedVec<u8>,
    len: usize,
    dim: usize,
}

impl<const BITS: usize> InterleavedCodes<BITS> {
    const GROUP: usize = CodePanels::<BITS>::GROUP;

    /// No rows; allocates nothing.
    pub const fn new() -> Self {
        Self { panels: AlignedVec::new(), len: 0, dim: 0 }
    }

    /// `dim` rounded up to whole groups: the dimension that queries are padded to with zeros.
    pub const fn padded(dim: usize) -> usize {
        dim.next_multiple_of(Self::GROUP)
    }

    /// The bytes of all panels that `len` rows of `dim` codes make.
    ///
    /// # Errors
    /// [`Error::Memory`] if their number does not fit a `usize`.
    pub fn packed_len(len: usize, dim: usize) -> Result<usize, Error> {
        let panel = dim.div_ceil(Self::GROUP).checked_mul(GROUP_BYTES);
        panel.and_then(|panel| panel.checked_mul(len.div_ceil(PANEL_ROWS))).ok_or(no_memory::<u8>(usize::MAX))
    }

    /// Replaces the contents by `rows` of codes, one a byte, of which the low `BITS` bits count. Allocates only if
    /// they take more room than any before them did. O(len · dim).
    ///
    /// # Errors
    /// [`Error::Memory`]; the old contents stay.
    pub fn pack(&mut self, rows: Rows<'_, u8>) -> Result<(), Error> {
        self.panels.resize_stale(Self::packed_len(rows.len(), rows.dim())?)?;
        (self.len, self.dim) = (rows.len(), rows.dim());
        pack_panels::<BITS>(rows, &mut self.panels);
        Ok(())
    }

    /// Packs `rows` into a slice of the caller's, in the same way.
    ///
    /// # Errors
    /// [`Error::Length`] unless `out` holds exactly [`packed_len`](Self::packed_len) bytes.
    pub fn pack_into(rows: Rows<'_, u8>, out: &mut [u8]) -> Result<(), Error> {
        expect_len("out", Self::packed_len(rows.len(), rows.dim())?, out.len())?;
        pack_panels::<BITS>(rows, out);
        Ok(())
    }

    /// Writes the codes of one row into `panels` of the caller's, whose rows have `codes.len()` codes; other rows
    /// stay as they are. O(dim).
    ///
    /// # Errors
    /// [`Error::Length`] if `panels` is not a whole number of panels of that dimension (the next longer length
    /// being expected), or `codes` is empty; [`Error::Range`] if it has no such row.
    pub fn write_row(panels: &mut [u8], row: usize, codes: &[u8]) -> Result<(), Error> {
        if codes.is_empty() {
            return Err(Error::Length { argument: "codes", expected: 1, actual: 0 });
        }
        let panel_len = codes.len().div_ceil(Self::GROUP) * GROUP_BYTES;
        expect_len("panels", panels.len().next_multiple_of(panel_len), panels.len())?;
        expect_below("row", row, panels.len() / panel_len * PANEL_ROWS)?;
        if let Some(panel) = panels.chunks_exact_mut(panel_len).nth(row / PANEL_ROWS) {
            pack_row::<BITS>(codes, panel, row % PANEL_ROWS);
        }
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

    /// Codes of one row; 0 before the first [`pack`](Self::pack).
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// `dim` rounded up to whole groups.
    pub fn padded_dim(&self) -> usize {
        Self::padded(self.dim)
    }

    /// All panels as one slice, which starts a cache line.
    pub fn as_slice(&self) -> &[u8] {
        &self.panels
    }

    /// Code `dim` of row `row`, or `None` when there is no such row or dimension.
    pub fn get(&self, row: usize, dim: usize) -> Option<u8> {
        if row >= self.len || dim >= self.dim {
            return None;
        }
        Self::code(&self.panels, self.dim, row, dim)
    }

    /// Code `dim` of row `row` in `panels` of the caller's, whose rows have `row_dim` codes; `None` when there is
    /// no such row or dimension. The rows of the padding count.
    pub fn code(panels: &[u8], row_dim: usize, row: usize, dim: usize) -> Option<u8> {
        if dim >= row_dim {
            return None;
        }
        let groups = row_dim.div_ceil(Self::GROUP);
        let group = (row / PANEL_ROWS).checked_mul(groups)?.checked_add(dim / Self::GROUP)?;
        let within = dim % Self::GROUP;
        let byte = panels.get(group.checked_mul(GROUP_BYTES)? + 4 * (row % PANEL_ROWS) + within % 4)?;
        Some(byte >> (within / 4 * BITS) & mask::<BITS>())
    }

    /// Writes the codes of row `row` to `out`, one a byte.
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such row, [`Error::Length`] unless `out` has length `dim`.
    pub fn unpack_row(&self, row: usize, out: &mut [u8]) -> Result<(), Error> {
        expect_below("row", row, self.len)?;
        expect_len("out", self.dim, out.len())?;
        for (dim, out) in out.iter_mut().enumerate() {
            *out = self.get(row, dim).unwrap_or_default();
        }
        Ok(())
    }
}

/// The bits of a code.
const fn mask<const BITS: usize>() -> u8 {
    u8::MAX >> (8 - BITS)
}

/// Packs `rows` into `out`, whose length is that of all panels.
fn pack_panels<const BITS: usize>(rows: Rows<'_, u8>, out: &mut [u8]) {
    let panel_len = rows.dim().div_ceil(CodePanels::<BITS>::GROUP) * GROUP_BYTES;
    for (index, panel) in out.chunks_exact_mut(panel_len).enumerate() {
        for lane in 0..PANEL_ROWS {
            match rows.row(index * PANEL_ROWS + lane) {
                Some(codes) => pack_row::<BITS>(codes, panel, lane),
                None => {
                    let (groups, _) = panel.as_chunks_mut::<GROUP_BYTES>();
                    groups.iter_mut().for_each(|group| group[4 * lane..4 * lane + 4].fill(0));
                }
            }
        }
    }
}

/// Packs the codes of one row into lane `lane` of its panel.
fn pack_row<const BITS: usize>(codes: &[u8], panel: &mut [u8], lane: usize) {
    let (groups, _) = panel.as_chunks_mut::<GROUP_BYTES>();
    for (group, codes) in groups.iter_mut().zip(codes.chunks(CodePanels::<BITS>::GROUP)) {
        let mut bytes = [0u8; 4];
        for (part, four) in codes.chunks(4).enumerate() {
            for (byte, code) in bytes.iter_mut().zip(four) {
                *byte |= (code & mask::<BITS>()) << (part * BITS);
            }
        }
        group[4 * lane..4 * lane + 4].copy_from_slice(&bytes);
    }
}
