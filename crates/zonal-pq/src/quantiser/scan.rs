//! The scan: sums of table entries, or products with an integer query, for every code of some blocks.

use simd_kernels::{CodeBlocks, Kernels, LookupForms, LookupTables, Rows};

use super::Error;
use super::error::expect_len;
use super::layout::{BLOCK_ROWS, Layout};

/// Blocks whose sums are widened at a time.
const BATCH: usize = 16;

/// What a query brings to a scan: `tables` for codes in planes, `query` for codes in rows.
///
/// `tables` holds [`Layout::tables`] tables of [`Layout::entries`] bytes; `query` one value a symbol, zeros behind
/// them up to what a row holds.
///
/// Writes to `sums`, one a row, `Σ tables[t][symbol t]` or `Σ query[i] · symbol i`. Exact, so that every tier gives
/// the same. O(blocks · symbols), no allocation.
///
/// # Errors
/// [`Error::Length`] unless `blocks` is a whole number of blocks, `sums` holds one a row of these, and `tables` or
/// `query` is as long as the layout says.
pub(super) fn scan(
    kernels: &'static Kernels,
    layout: Layout,
    tables: &[u8],
    query: &[i8],
    blocks: &[u8],
    sums: &mut [i32],
) -> Result<(), Error> {
    let bytes = layout.block_bytes();
    if bytes == 0 || !blocks.len().is_multiple_of(bytes) {
        let expected = blocks.len().next_multiple_of(bytes.max(1));
        return Err(Error::Length { argument: "blocks", expected, actual: blocks.len() });
    }
    expect_len("sums", blocks.len() / bytes * BLOCK_ROWS, sums.len())?;
    expect_len("tables", layout.tables() * layout.entries(), tables.len())?;
    match layout {
        Layout::Rows8 { .. } => {
            kernels.codes_u8().rows(query, Rows::new(blocks, layout.row_bytes())?, sums)?
        }
        Layout::Rows4 { .. } => {
            kernels.codes_u4().rows(query, Rows::new(blocks, layout.row_bytes())?, sums)?
        }
        Layout::Rows1 { .. } => {
            expect_len("query", 8 * layout.row_bytes(), query.len())?;
            for (row, sum) in blocks.chunks_exact(layout.row_bytes()).zip(sums) {
                *sum = bits(query, row);
            }
        }
        Layout::Sixes { .. } => lookup(kernels.lookup_u6(), layout, tables, blocks, sums)?,
        Layout::Nibbles { .. } => lookup(kernels.lookup_u4(), layout, tables, blocks, sums)?,
        Layout::Bytes { .. } => lookup(kernels.lookup_u8(), layout, tables, blocks, sums)?,
    }
    Ok(())
}

/// The same for rows picked by number; only for codes in rows.
pub(super) fn scan_ids(
    kernels: &'static Kernels,
    layout: Layout,
    query: &[i8],
    blocks: &[u8],
    ids: &[u32],
    sums: &mut [i32],
) -> Result<(), Error> {
    match layout {
        Layout::Rows8 { .. } => {
            kernels.codes_u8().ids(query, Rows::new(blocks, layout.row_bytes())?, ids, sums)?;
        }
        Layout::Rows4 { .. } => {
            kernels.codes_u4().ids(query, Rows::new(blocks, layout.row_bytes())?, ids, sums)?;
        }
        Layout::Rows1 { .. } => {
            expect_len("sums", ids.len(), sums.len())?;
            expect_len("query", 8 * layout.row_bytes(), query.len())?;
            let bytes = layout.row_bytes();
            let rows = blocks.len() / bytes;
            if ids.iter().any(|&id| id as usize >= rows) {
                return Err(simd_kernels::ShapeError::Id { rows }.into());
            }
            for (&id, sum) in ids.iter().zip(sums) {
                *sum = bits(query, &blocks[id as usize * bytes..(id as usize + 1) * bytes]);
            }
        }
        _ => return Err(Error::Layout),
    }
    Ok(())
}

/// Σ of the query's values where the row has a one.
fn bits(query: &[i8], row: &[u8]) -> i32 {
    let mut sum = 0;
    for (query, byte) in query.chunks_exact(8).zip(row) {
        for (bit, &value) in query.iter().enumerate() {
            sum += i32::from(value) & -i32::from(byte >> bit & 1);
        }
    }
    sum
}

/// Sums of table entries. The kernel counts in 16 bits: where all tables together may leave these, a block is done
/// in parts of as many tables as stay within.
fn lookup<const BITS: usize>(
    forms: &LookupForms<BITS>,
    layout: Layout,
    tables: &[u8],
    blocks: &[u8],
    sums: &mut [i32],
) -> Result<(), Error> {
    let (all, bytes) = (layout.tables(), layout.block_bytes());
    // Whole units of four tables, in which planes are packed.
    let most = usize::from(u16::MAX) / usize::from(layout.greatest_entry()).max(1) / 4 * 4;
    let mut narrow = [0u16; BATCH * BLOCK_ROWS];
    if all <= most {
        let tables = LookupTables::new(tables, all)?;
        for (blocks, sums) in blocks.chunks(BATCH * bytes).zip(sums.chunks_mut(BATCH * BLOCK_ROWS)) {
            let narrow = &mut narrow[..sums.len()];
            forms.sums(tables, CodeBlocks::new(blocks, all)?, narrow)?;
            for (sum, narrow) in sums.iter_mut().zip(narrow) {
                *sum = i32::from(*narrow);
            }
        }
        return Ok(());
    }
    sums.fill(0);
    let narrow = &mut narrow[..BLOCK_ROWS];
    for (block, sums) in blocks.chunks_exact(bytes).zip(sums.chunks_exact_mut(BLOCK_ROWS)) {
        let parts = block.chunks(most / 4 * CodeBlocks::<BITS>::UNIT).zip(tables.chunks(most << BITS));
        for (block, tables) in parts {
            let count = tables.len() >> BITS;
            forms.sums(LookupTables::new(tables, count)?, CodeBlocks::new(block, count)?, narrow)?;
            for (sum, narrow) in sums.iter_mut().zip(narrow.iter()) {
                *sum += i32::from(*narrow);
            }
        }
    }
    Ok(())
}
