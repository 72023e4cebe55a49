//! Scans by table: a register of rows looks up its codes in the tables of several queries.
//!
//! A group of queries walks all blocks before the next, so that its tables stay in the first-level cache while the
//! codes stream. What is unpacked of the codes is shared by the queries. Entries below 64 are added four at a time
//! in bytes, which halves the work of widening.

use crate::lookups::{BLOCK_ROWS, CodeBlocks, LookupTables, UNIT_GROUPS};

/// How one tier looks up codes of one width.
///
/// # Safety
/// Loads read exactly what they state; methods may use the CPU features of their tier.
pub(crate) unsafe trait LookupStep {
    /// Bits of a code.
    const BITS: usize;
    /// Rows of a register: 16, 32 or 64.
    const ROWS: usize;
    /// The codes of one group.
    type Codes: Copy;
    /// The same, ready to look up.
    type Index: Copy;
    /// What they found: a byte a row.
    type Bytes: Copy;
    /// Sums in 16 bits.
    type Acc: Copy;

    /// The codes of four groups.
    ///
    /// # Safety
    /// `from` must be readable for `ROWS` bytes in each plane of a unit, which lie 64 bytes apart.
    unsafe fn unpack(from: *const u8) -> [Self::Codes; 4];
    /// # Safety
    /// The CPU must have the tier's features, here and below.
    unsafe fn prepare(codes: Self::Codes) -> Self::Index;
    /// # Safety
    /// `table` must be readable for `1 << BITS` bytes; see `prepare`.
    unsafe fn look(table: *const u8, index: Self::Index) -> Self::Bytes;
    /// The sums in bytes.
    ///
    /// # Safety
    /// See `prepare`.
    unsafe fn add(a: Self::Bytes, b: Self::Bytes) -> Self::Bytes;
    /// # Safety
    /// See `prepare`.
    unsafe fn zero() -> Self::Acc;
    /// # Safety
    /// See `prepare`.
    unsafe fn widen(acc: Self::Acc, bytes: Self::Bytes) -> Self::Acc;
    /// # Safety
    /// `to` must be writable for `ROWS` results.
    unsafe fn store(acc: Self::Acc, to: *mut u16);
}

/// Everything about one call that does not change from tile to tile.
struct Call<'a, const BITS: usize> {
    tables: LookupTables<'a, BITS>,
    blocks: CodeBlocks<'a, BITS>,
    out: *mut u16,
}

/// The sums of all queries and rows in `out[query * blocks.rows() + row]`. `SMALL` says that entries are below 64.
///
/// # Safety
/// Both views must have the same groups and `out` one place a pair; entries must be small where `SMALL` says so;
/// the tier's features must be there.
#[inline(always)]
pub(crate) unsafe fn lookup<
    S: LookupStep,
    const BITS: usize,
    const SMALL: bool,
    const Q: usize,
    const SINGLE: usize,
>(
    tables: LookupTables<'_, BITS>,
    blocks: CodeBlocks<'_, BITS>,
    out: &mut [u16],
) {
    let call = Call { tables, blocks, out: out.as_mut_ptr() };
    let mut query = 0;
    // SAFETY: every tile stays within the queries.
    unsafe {
        while Q > 1 && query + Q <= tables.len() {
            all_rows::<S, BITS, SMALL, Q, 1>(&call, query);
            query += Q;
        }
        while Q > 2 && query + 2 <= tables.len() {
            all_rows::<S, BITS, SMALL, 2, 1>(&call, query);
            query += 2;
        }
        while query < tables.len() {
            all_rows::<S, BITS, SMALL, 1, SINGLE>(&call, query);
            query += 1;
        }
    }
}

/// `Q` queries against every row, `V` registers of rows at a time.
///
/// # Safety
/// `Q` queries must exist from `query` on; see [`lookup`].
#[inline(always)]
unsafe fn all_rows<S: LookupStep, const BITS: usize, const SMALL: bool, const Q: usize, const V: usize>(
    call: &Call<'_, BITS>,
    query: usize,
) {
    let rows = call.blocks.rows();
    let mut row = 0;
    // SAFETY: every tile stays within the rows, whose number is a multiple of 64 and hence of `ROWS`.
    unsafe {
        while row + V * S::ROWS <= rows {
            tile::<S, BITS, SMALL, Q, V>(call, query, row);
            row += V * S::ROWS;
        }
        while V > 1 && row < rows {
            tile::<S, BITS, SMALL, Q, 1>(call, query, row);
            row += S::ROWS;
        }
    }
}

/// # Safety
/// `V` registers of rows must exist from `row` on and `Q` queries from `query` on; see [`lookup`].
#[inline(always)]
unsafe fn tile<S: LookupStep, const BITS: usize, const SMALL: bool, const Q: usize, const V: usize>(
    call: &Call<'_, BITS>,
    query: usize,
    row: usize,
) {
    let unit_bytes = 32 * BITS;
    let units = call.blocks.groups() / UNIT_GROUPS;
    let (rows, stride) = (call.blocks.rows(), call.tables.query_bytes());
    // SAFETY: the views guarantee that blocks and tables are readable, and the caller that `row` and `query` are
    // theirs and that `out` has a place for each pair.
    unsafe {
        std::hint::assert_unchecked(units > 0);
        let tables = call.tables.as_ptr().add(query * stride);
        let mut columns = [call.blocks.as_ptr(); V];
        for (column, from) in columns.iter_mut().enumerate() {
            let row = row + column * S::ROWS;
            *from = from.add(row / BLOCK_ROWS * call.blocks.block_bytes() + row % BLOCK_ROWS);
        }
        let mut acc = [[S::zero(); V]; Q];
        for unit in 0..units {
            let mut codes = [S::unpack(columns[0].add(unit * unit_bytes)); V];
            for (codes, from) in codes.iter_mut().zip(columns).skip(1) {
                *codes = S::unpack(from.add(unit * unit_bytes));
            }
            let tables = tables.add((unit * UNIT_GROUPS) << BITS);
            let mut bytes = {
                let mut index = [S::prepare(codes[0][0]); V];
                for (index, codes) in index.iter_mut().zip(&codes).skip(1) {
                    *index = S::prepare(codes[0]);
                }
                let mut bytes = [[S::look(tables, index[0]); V]; Q];
                for (lane, bytes) in bytes.iter_mut().enumerate() {
                    for (bytes, &index) in bytes.iter_mut().zip(&index) {
                        *bytes = S::look(tables.add(lane * stride), index);
                    }
                }
                bytes
            };
            for group in 1..UNIT_GROUPS {
                let mut index = [S::prepare(codes[0][group]); V];
                for (index, codes) in index.iter_mut().zip(&codes).skip(1) {
                    *index = S::prepare(codes[group]);
                }
                let tables = tables.add(group << BITS);
                for (lane, (bytes, acc)) in bytes.iter_mut().zip(&mut acc).enumerate() {
                    for ((bytes, acc), &index) in bytes.iter_mut().zip(acc).zip(&index) {
                        let found = S::look(tables.add(lane * stride), index);
                        if SMALL {
                            *bytes = S::add(*bytes, found);
                        } else {
                            *acc = S::widen(*acc, *bytes);
                            *bytes = found;
                        }
                    }
                }
            }
            for (bytes, acc) in bytes.iter().zip(&mut acc) {
                for (bytes, acc) in bytes.iter().zip(acc) {
                    *acc = S::widen(*acc, *bytes);
                }
            }
        }
        for (lane, acc) in acc.iter().enumerate() {
            for (column, &acc) in acc.iter().enumerate() {
                S::store(acc, call.out.add((query + lane) * rows + row + column * S::ROWS));
            }
        }
    }
}
