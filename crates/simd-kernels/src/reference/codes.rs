//! Code panels by plain loops.

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
