//! Scans by table by plain loops.

/// The code of group `group` and row `row` (below 64) of one block of codes of `bits` bits (4, 6 or 8); see
/// [`crate::CodeBlocks`]. Bytes that the block lacks count as 0.
pub fn block_code(bits: usize, block: &[u8], group: usize, row: usize) -> u8 {
    let byte = |plane: usize| block.get(group / 4 * 32 * bits + 64 * plane + row).copied().unwrap_or(0);
    let k = group % 4;
    match (bits, k) {
        (4, _) => byte(k / 2) >> (k % 2 * 4) & 15,
        (6, 0..3) => byte(k) & 63,
        (6, _) => byte(0) >> 6 | byte(1) >> 6 << 2 | byte(2) >> 6 << 4,
        _ => byte(k),
    }
}

/// Σ of the entries that row `row` of one block looks up in the tables of one query, modulo 2¹⁶.
pub fn lookup(bits: usize, tables: &[u8], block: &[u8], row: usize) -> u16 {
    let tables = tables.chunks_exact(1 << bits).enumerate();
    tables.fold(0, |sum: u16, (group, table)| {
        let entry = table.get(usize::from(block_code(bits, block, group, row)));
        sum.wrapping_add(entry.copied().map_or(0, u16::from))
    })
}
