//! Codes that look up tables, packed in blocks of 64 rows, as `simd_kernels::CodeBlocks` reads them.

use simd_kernels::{BLOCK_ROWS, Rows};

use crate::aligned::AlignedVec;
use crate::error::{Error, expect_below, expect_len, no_memory};

/// Codes that are packed together.
const UNIT: usize = 4;

/// Codes of `BITS` bits (4, 6 or 8) in blocks of 64 rows.
///
/// Four codes of 64 rows are a unit of `32 * BITS` bytes, in planes of one byte a row; which bits of which plane a
/// code has is the layout of `simd_kernels::CodeBlocks`. Units follow one another, and blocks do.
///
/// Invariants: a block is `padded_groups() / 4` units, `padded_groups()` being `groups` rounded up to a multiple of
/// 4; whatever belongs to no row and group is 0, so tables of the padding must be zeros to add nothing.
///
/// ```
/// use layouts::BlockedCodes;
/// use simd_kernels::{CodeBlocks, Kernels, LookupTables, Rows};
/// let codes = [1u8, 62, 3, 0b10_01_11, 5, 0, 1, 2, 3, 4]; // 2 rows of 5 codes, one a byte
/// let mut block = BlockedCodes::<6>::new();
/// block.pack(Rows::new(&codes, 5)?)?;
/// assert_eq!(block.as_slice()[0], 1 | 0b11 << 6);
/// assert_eq!((block.get(0, 3), block.padded_groups()), (Some(0b10_01_11), 8));
///
/// let mut tables = [0u8; 8 * 64]; // one query; three tables of padding
/// (tables[1], tables[64 + 62], tables[4 * 64 + 4]) = (10, 20, 30);
/// let mut sums = [0; 64];
/// let blocks = CodeBlocks::new(block.as_slice(), block.padded_groups())?;
/// Kernels::active()?.lookup_u6().sums(LookupTables::new(&tables, 8)?, blocks, &mut sums)?;
/// assert_eq!(sums[..3], [30, 30, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct BlockedCodes<const BITS: usize> {
    blocks: AlignedVec<u8>,
    len: usize,
    groups: usize,
}

impl<const BITS: usize> BlockedCodes<BITS> {
    const UNIT_BYTES: usize = {
        assert!(matches!(BITS, 4 | 6 | 8), "codes have 4, 6 or 8 bits");
        32 * BITS
    };

    /// No rows; allocates nothing.
    pub const fn new() -> Self {
        Self { blocks: AlignedVec::new(), len: 0, groups: 0 }
    }

    /// `groups` rounded up to a multiple of 4: the tables that a query brings, those of the padding being zeros.
    pub const fn padded(groups: usize) -> usize {
        groups.next_multiple_of(UNIT)
    }

    /// The bytes of all blocks that `len` rows of `groups` codes make.
    ///
    /// # Errors
    /// [`Error::Memory`] if their number does not fit a `usize`.
    pub fn packed_len(len: usize, groups: usize) -> Result<usize, Error> {
        let block = groups.div_ceil(UNIT).checked_mul(Self::UNIT_BYTES);
        block.and_then(|block| block.checked_mul(len.div_ceil(BLOCK_ROWS))).ok_or(no_memory::<u8>(usize::MAX))
    }

    /// Replaces the contents by `rows` of codes, one a byte, of which the low `BITS` bits count. Allocates only if
    /// they take more room than any before them did. O(len · groups).
    ///
    /// # Errors
    /// [`Error::Memory`]; the old contents stay.
    pub fn pack(&mut self, rows: Rows<'_, u8>) -> Result<(), Error> {
        self.blocks.resize_stale(Self::packed_len(rows.len(), rows.dim())?)?;
        (self.len, self.groups) = (rows.len(), rows.dim());
        pack_blocks::<BITS>(rows, &mut self.blocks);
        Ok(())
    }

    /// Packs `rows` into a slice of the caller's, in the same way.
    ///
    /// # Errors
    /// [`Error::Length`] unless `out` holds exactly [`packed_len`](Self::packed_len) bytes.
    pub fn pack_into(rows: Rows<'_, u8>, out: &mut [u8]) -> Result<(), Error> {
        expect_len("out", Self::packed_len(rows.len(), rows.dim())?, out.len())?;
        pack_blocks::<BITS>(rows, out);
        Ok(())
    }

    /// Writes the codes of one row into `blocks` of the caller's, whose rows have `codes.len()` codes; other rows
    /// stay as they are. O(groups).
    ///
    /// # Errors
    /// [`Error::Length`] if `blocks` is not a whole number of blocks of that many codes (the next longer length
    /// being expected), or `codes` is empty; [`Error::Range`] if it has no such row.
    pub fn write_row(blocks: &mut [u8], row: usize, codes: &[u8]) -> Result<(), Error> {
        if codes.is_empty() {
            return Err(Error::Length { argument: "codes", expected: 1, actual: 0 });
        }
        let block_len = codes.len().div_ceil(UNIT) * Self::UNIT_BYTES;
        expect_len("blocks", blocks.len().next_multiple_of(block_len), blocks.len())?;
        expect_below("row", row, blocks.len() / block_len * BLOCK_ROWS)?;
        if let Some(block) = blocks.chunks_exact_mut(block_len).nth(row / BLOCK_ROWS) {
            pack_row::<BITS>(codes, block, row % BLOCK_ROWS);
        }
        Ok(())
    }

    /// Forgets the rows and keeps the memory.
    pub fn clear(&mut self) {
        self.blocks.clear();
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
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// `groups` rounded up to a multiple of 4.
    pub fn padded_groups(&self) -> usize {
        Self::padded(self.groups)
    }

    /// All blocks as one slice, which starts a cache line.
    pub fn as_slice(&self) -> &[u8] {
        &self.blocks
    }

    /// Code `group` of row `row`, or `None` when there is no such row or group.
    pub fn get(&self, row: usize, group: usize) -> Option<u8> {
        if row >= self.len || group >= self.groups {
            return None;
        }
        Self::code(&self.blocks, self.groups, row, group)
    }

    /// Code `group` of row `row` in `blocks` of the caller's, whose rows have `groups` codes; `None` when there is
    /// no such row or group. The rows of the padding count.
    pub fn code(blocks: &[u8], groups: usize, row: usize, group: usize) -> Option<u8> {
        if group >= groups {
            return None;
        }
        let unit = (row / BLOCK_ROWS).checked_mul(groups.div_ceil(UNIT))?.checked_add(group / UNIT)?;
        let start = unit.checked_mul(Self::UNIT_BYTES)?;
        let planes = blocks.get(start..start.checked_add(Self::UNIT_BYTES)?)?;
        let mut bytes = [0; UNIT];
        for (byte, plane) in bytes.iter_mut().zip(planes.chunks_exact(BLOCK_ROWS)) {
            *byte = plane.get(row % BLOCK_ROWS).copied()?;
        }
        unpack::<BITS>(bytes).get(group % UNIT).copied()
    }

    /// Writes the codes of row `row` to `out`, one a byte.
    ///
    /// # Errors
    /// [`Error::Range`] if there is no such row, [`Error::Length`] unless `out` has length `groups`.
    pub fn unpack_row(&self, row: usize, out: &mut [u8]) -> Result<(), Error> {
        expect_below("row", row, self.len)?;
        expect_len("out", self.groups, out.len())?;
        for (group, out) in out.iter_mut().enumerate() {
            *out = self.get(row, group).unwrap_or_default();
        }
        Ok(())
    }
}

/// The bytes of one row in the planes of a unit; those that a narrow code has no plane for stay 0.
fn pack<const BITS: usize>(codes: [u8; UNIT]) -> [u8; UNIT] {
    let [a, b, c, d] = codes.map(|code| code & (u8::MAX >> (8 - BITS)));
    match BITS {
        4 => [a | b << 4, c | d << 4, 0, 0],
        6 => [a | d << 6, b | d >> 2 << 6, c | d >> 4 << 6, 0],
        _ => [a, b, c, d],
    }
}

/// What [`pack`] packed.
fn unpack<const BITS: usize>([a, b, c, d]: [u8; UNIT]) -> [u8; UNIT] {
    match BITS {
        4 => [a & 15, a >> 4, b & 15, b >> 4],
        6 => [a & 63, b & 63, c & 63, a >> 6 | b >> 6 << 2 | c >> 6 << 4],
        _ => [a, b, c, d],
    }
}

/// Packs `rows` into `out`, whose length is that of all blocks.
fn pack_blocks<const BITS: usize>(rows: Rows<'_, u8>, out: &mut [u8]) {
    let block_len = rows.dim().div_ceil(UNIT) * BlockedCodes::<BITS>::UNIT_BYTES;
    for (index, block) in out.chunks_exact_mut(block_len).enumerate() {
        for lane in 0..BLOCK_ROWS {
            pack_row::<BITS>(rows.row(index * BLOCK_ROWS + lane).unwrap_or_default(), block, lane);
        }
    }
}

/// Packs the codes of one row into its block; codes that are missing are 0.
fn pack_row<const BITS: usize>(codes: &[u8], block: &mut [u8], lane: usize) {
    let mut codes = codes.chunks(UNIT);
    for unit in block.chunks_exact_mut(BlockedCodes::<BITS>::UNIT_BYTES) {
        let mut four = [0; UNIT];
        for (to, from) in four.iter_mut().zip(codes.next().unwrap_or_default()) {
            *to = *from;
        }
        for (plane, byte) in unit.chunks_exact_mut(BLOCK_ROWS).zip(pack::<BITS>(four)) {
            if let Some(to) = plane.get_mut(lane) {
                *to = byte;
            }
        }
    }
}
