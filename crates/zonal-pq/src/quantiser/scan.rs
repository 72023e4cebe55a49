//! The scan: sums of table entries, or products with an integer query, for every code of some blocks.

use simd_kernels::{Kernels, Rows};

use super::Error;
use super::error::expect_len;
use super::layout::{BLOCK_ROWS, Layout, PACK, PLANE};

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
    let blocks_and_sums = || blocks.chunks_exact(bytes);
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
        Layout::Sixes { .. } => {
            for (block, sums) in blocks_and_sums().zip(sums.chunks_exact_mut(BLOCK_ROWS)) {
                sixes(tables, block, sums);
            }
        }
        Layout::Nibbles { .. } => {
            for (block, sums) in blocks_and_sums().zip(sums.chunks_exact_mut(BLOCK_ROWS)) {
                nibbles(tables, block, sums);
            }
        }
        Layout::Bytes { .. } => {
            for (block, sums) in blocks_and_sums().zip(sums.chunks_exact_mut(BLOCK_ROWS)) {
                bytes_of(tables, block, sums);
            }
        }
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

fn sixes(tables: &[u8], block: &[u8], sums: &mut [i32]) {
    sums.fill(0);
    let (tables, _) = tables.as_chunks::<64>();
    for (tables, planes) in tables.chunks_exact(4).zip(block.chunks_exact(PACK)) {
        let [t0, t1, t2, t3] = tables else { continue };
        let (b0, rest) = planes.split_at(PLANE);
        let (b1, b2) = rest.split_at(PLANE);
        for (((sum, &b0), &b1), &b2) in sums.iter_mut().zip(b0).zip(b1).zip(b2) {
            let fourth = b0 >> 6 | b1 >> 6 << 2 | b2 >> 6 << 4;
            let at = |table: &[u8; 64], index: u8| i32::from(table[usize::from(index & 63)]);
            *sum += at(t0, b0) + at(t1, b1) + at(t2, b2) + at(t3, fourth);
        }
    }
}

fn nibbles(tables: &[u8], block: &[u8], sums: &mut [i32]) {
    sums.fill(0);
    let (tables, _) = tables.as_chunks::<16>();
    for (tables, plane) in tables.chunks_exact(2).zip(block.chunks_exact(PLANE)) {
        let [low, high] = tables else { continue };
        for (sum, &byte) in sums.iter_mut().zip(plane) {
            *sum += i32::from(low[usize::from(byte & 15)]) + i32::from(high[usize::from(byte >> 4)]);
        }
    }
}

fn bytes_of(tables: &[u8], block: &[u8], sums: &mut [i32]) {
    sums.fill(0);
    let (tables, _) = tables.as_chunks::<256>();
    for (table, plane) in tables.iter().zip(block.chunks_exact(PLANE)) {
        for (sum, &byte) in sums.iter_mut().zip(plane) {
            *sum += i32::from(table[usize::from(byte)]);
        }
    }
}
