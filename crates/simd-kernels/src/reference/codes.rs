//! Code panels and word panels by plain loops.

use crate::word_panels::WordPanels;

/// Σ query · code for row `row` (below 16) of one panel of codes of `bits` bits (2, 4 or 8); see
/// [`crate::CodePanels`]. Dimensions that the panel lacks count as 0.
pub fn code_panel(bits: usize, query: &[i8], panel: &[u8], row: usize) -> i32 {
    let group_dims = 32 / bits;
    let code = |dim: usize| {
        let within = dim % group_dims;
        let byte = panel.get(dim / group_dims * 64 + 4 * row + within % 4).copied().unwrap_or(0);
        i32::from(byte >> (within / 4 * bits)) & ((1 << bits) - 1)
    };
    query.iter().enumerate().map(|(dim, &q)| i32::from(q) * code(dim)).sum()
}

/// Σ query · word for row `row` (below 16) of one word panel, modulo 2³². Dimensions that the panel lacks count as 0.
pub fn word_panel(query: &[i16], panel: &[i16], row: usize) -> i32 {
    let word = |at: usize| panel.get(WordPanels::place(query.len(), row, at)).copied().unwrap_or(0);
    let products = query.iter().enumerate().map(|(at, &q)| i32::from(q).wrapping_mul(i32::from(word(at))));
    products.fold(0, i32::wrapping_add)
}
