//! Scans by table: codes of 4, 6 or 8 bits, of which each looks up a byte in a table of its own, summed per row.
//!
//! Product quantisation asks for it (one table of distances to the centroids of each sub-space), and so do codes
//! of one bit a dimension (one table of the 64 sums of six dimensions). André, Kermarrec and Le Scouarnec, "Cache
//! locality is not enough" (2015), keep tables of 16 entries in registers; instructions that look up 64 or 128
//! bytes at once take larger ones.
//!
//! A *block* is 64 rows. Four groups of codes are a *unit* of `32 * BITS` bytes: planes of 64 bytes, one byte a
//! row. With codes `c0..c3` of a row its bytes are
//!
//! * 4 bits: `c0 | c1 << 4`, `c2 | c3 << 4`;
//! * 6 bits: `ck | (c3 >> 2 k & 3) << 6` for `k` = 0, 1, 2: an instruction that takes the low six bits of an index
//!   needs no mask for the first three;
//! * 8 bits: `c0`, `c1`, `c2`, `c3`.
//!
//! The units of a block follow one another, and so do blocks. `layouts` makes them. The layout is the same on every
//! tier.

use crate::table::Kernels;
use crate::view::{ShapeError, expect_len};

/// Rows of one block.
pub const BLOCK_ROWS: usize = 64;

/// Groups that are packed together.
pub(crate) const UNIT_GROUPS: usize = 4;

/// More groups than any use has; keeps sizes far from overflow.
const MAX_GROUPS: usize = 1 << 15;

/// The bytes of the units of `groups` groups.
///
/// # Errors
/// As the views document.
fn expect_groups(groups: usize) -> Result<(), ShapeError> {
    if groups == 0 || groups > MAX_GROUPS {
        return Err(ShapeError::Dimension { dim: groups, max: MAX_GROUPS });
    }
    if !groups.is_multiple_of(UNIT_GROUPS) {
        return Err(ShapeError::Granule { dim: groups, granule: UNIT_GROUPS });
    }
    Ok(())
}

/// A checked view of blocks of 64 rows of codes.
///
/// Invariants: `groups` is a multiple of 4, from 4 to 32,768, and `data` holds a whole number of blocks of
/// `8 * BITS * groups` bytes.
#[derive(Clone, Copy, Debug)]
pub struct CodeBlocks<'a, const BITS: usize> {
    data: &'a [u8],
    groups: usize,
    len: usize,
}

impl<'a, const BITS: usize> CodeBlocks<'a, BITS> {
    /// Bytes of a unit: four groups of 64 rows.
    pub const UNIT: usize = {
        assert!(matches!(BITS, 4 | 6 | 8), "codes have 4, 6 or 8 bits");
        32 * BITS
    };

    /// A view of whole blocks whose rows have `groups` codes, those that pad to a multiple of 4 included.
    ///
    /// # Errors
    /// [`ShapeError::Dimension`] if `groups` is 0 or above 32,768, [`ShapeError::Granule`] if it is no multiple of
    /// 4, [`ShapeError::Data`] if `data` is not a whole number of blocks.
    pub fn new(data: &'a [u8], groups: usize) -> Result<Self, ShapeError> {
        expect_groups(groups)?;
        let block = groups / UNIT_GROUPS * Self::UNIT;
        if !data.len().is_multiple_of(block) {
            return Err(ShapeError::Data {
                expected: data.len().next_multiple_of(block),
                actual: data.len(),
            });
        }
        Ok(Self { data, groups, len: data.len() / block })
    }

    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no block.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of rows, those of the padding included: 64 a block.
    pub fn rows(&self) -> usize {
        self.len * BLOCK_ROWS
    }

    /// Codes of a row.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// The blocks `start..end`, or `None` when they do not all exist.
    pub fn slice(&self, start: usize, end: usize) -> Option<Self> {
        let len = end.checked_sub(start)?;
        let block = self.block_bytes();
        let data = self.data.get(start.checked_mul(block)?..end.checked_mul(block)?)?;
        Some(Self { data, groups: self.groups, len })
    }

    /// The address of block 0. Block `i < len` starts `i * block_bytes()` bytes further on.
    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.data.as_ptr()
    }

    /// Bytes of one block.
    pub(crate) fn block_bytes(&self) -> usize {
        self.groups / UNIT_GROUPS * Self::UNIT
    }
}

/// A checked view of the tables of queries: entry `e` of group `g` of query `q` is
/// `data[(q * groups + g) << BITS | e]`.
///
/// Invariants: `groups` is a multiple of 4, from 4 to 32,768; `data` holds whole queries of `groups << BITS` bytes;
/// `small` only if every entry is below 64.
#[derive(Clone, Copy, Debug)]
pub struct LookupTables<'a, const BITS: usize> {
    data: &'a [u8],
    groups: usize,
    len: usize,
    small: bool,
}

impl<'a, const BITS: usize> LookupTables<'a, BITS> {
    /// A view of the tables of whole queries. Looks at every entry once: where all are below 64, four of them add
    /// up in a byte, which scans up to half faster. Complexity O(data).
    ///
    /// # Errors
    /// [`ShapeError`] as [`CodeBlocks::new`].
    pub fn new(data: &'a [u8], groups: usize) -> Result<Self, ShapeError> {
        expect_groups(groups)?;
        let query = groups << BITS;
        if !data.len().is_multiple_of(query) {
            return Err(ShapeError::Data {
                expected: data.len().next_multiple_of(query),
                actual: data.len(),
            });
        }
        let any = data.iter().fold(0, |any, entry| any | entry);
        Ok(Self { data, groups, len: data.len() / query, small: any < 64 })
    }

    /// Number of queries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no query.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tables of a query.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// All entries.
    pub fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Whether every entry is below 64.
    pub fn is_small(&self) -> bool {
        self.small
    }

    /// The address of the first table of query 0. Those of query `i < len` start `i * query_bytes()` further on.
    pub(crate) fn as_ptr(&self) -> *const u8 {
        self.data.as_ptr()
    }

    /// Bytes of the tables of one query.
    pub(crate) fn query_bytes(&self) -> usize {
        self.groups << BITS
    }
}

type Lookup<const BITS: usize> = unsafe fn(LookupTables<'_, BITS>, CodeBlocks<'_, BITS>, &mut [u16]);

/// Sums of table entries that codes of `BITS` bits look up.
#[derive(Clone, Copy, Debug)]
pub struct LookupForms<const BITS: usize> {
    /// For entries below 64.
    pub(crate) small: Lookup<BITS>,
    /// For any entries.
    pub(crate) any: Lookup<BITS>,
}

impl<const BITS: usize> LookupForms<BITS> {
    /// Σ over the groups of the entry that the code of row `j` looks up in the table of query `i`, in
    /// `out[i * blocks.rows() + j]`: exact modulo 2¹⁶, so exact where the largest entries of all groups add up to
    /// less than that (257 groups of any entries, 1,040 of entries below 64). Complexity
    /// O(queries · rows · groups); no allocation.
    ///
    /// # Errors
    /// [`ShapeError`] if the groups differ or `out` does not hold one place a pair.
    #[inline]
    pub fn sums(
        &self,
        tables: LookupTables<'_, BITS>,
        blocks: CodeBlocks<'_, BITS>,
        out: &mut [u16],
    ) -> Result<(), ShapeError> {
        expect_len("tables", blocks.groups(), tables.groups())?;
        expect_len("out", tables.len().saturating_mul(blocks.rows()), out.len())?;
        let kernel = if tables.is_small() { self.small } else { self.any };
        // SAFETY: the table that this came from is only handed out when the CPU has the tier's features, the
        // shapes were just checked, and the view knows that its entries are small.
        unsafe { kernel(tables, blocks, out) };
        Ok(())
    }
}

/// The scans by table of one tier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LookupTable {
    pub(crate) u4: LookupForms<4>,
    pub(crate) u6: LookupForms<6>,
    pub(crate) u8: LookupForms<8>,
}

impl Kernels {
    /// Sums of table entries looked up by 4-bit codes.
    ///
    /// ```
    /// use simd_kernels::{CodeBlocks, Kernels, LookupTables};
    /// // One block of four groups: a plane of two codes a byte, and another.
    /// let mut block = [0u8; 128];
    /// (block[7], block[64 + 7]) = (2 | 3 << 4, 5 | 15 << 4); // row 7 is (2, 3, 5, 15)
    /// let mut tables = [0u8; 4 * 16];
    /// (tables[2], tables[16 + 3], tables[32 + 5], tables[48 + 15]) = (1, 10, 100, 200);
    /// let mut sums = [0; 64];
    /// let (tables, blocks) = (LookupTables::new(&tables, 4)?, CodeBlocks::new(&block, 4)?);
    /// Kernels::active()?.lookup_u4().sums(tables, blocks, &mut sums)?;
    /// assert_eq!(sums[6..9], [0, 311, 0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lookup_u4(&'static self) -> &'static LookupForms<4> {
        &self.lookup.u4
    }

    /// The same for 6-bit codes: four codes of a row lie in three bytes.
    pub fn lookup_u6(&'static self) -> &'static LookupForms<6> {
        &self.lookup.u6
    }

    /// The same for 8-bit codes.
    pub fn lookup_u8(&'static self) -> &'static LookupForms<8> {
        &self.lookup.u8
    }
}

/// Compiles the scans by table of one [`crate::drive::LookupStep`] as shells of one tier: `queries` meet one
/// register of rows together, and one query meets `single` registers.
macro_rules! lookup_forms {
    ($(#[$attribute:meta])? $step:ty; queries: $queries:literal, single: $single:literal) => {{
        use $crate::drive::{LookupStep, lookup};
        const BITS: usize = <$step as LookupStep>::BITS;
        $(#[$attribute])?
        unsafe fn small(
            tables: $crate::LookupTables<'_, BITS>,
            blocks: $crate::CodeBlocks<'_, BITS>,
            out: &mut [u16],
        ) {
            // SAFETY: the shell has the step's features, and its own caller keeps the driver's contract.
            unsafe { lookup::<$step, BITS, true, $queries, $single>(tables, blocks, out) }
        }
        $(#[$attribute])?
        unsafe fn any(
            tables: $crate::LookupTables<'_, BITS>,
            blocks: $crate::CodeBlocks<'_, BITS>,
            out: &mut [u16],
        ) {
            // SAFETY: as above.
            unsafe { lookup::<$step, BITS, false, $queries, $single>(tables, blocks, out) }
        }
        $crate::lookups::LookupForms { small, any }
    }};
}
pub(crate) use lookup_forms;
