//! Many queries of 16-bit integers against panels of them.
//!
//! As in [`super::panel`], a tile of `P` panels times `Q` queries keeps its sums in registers.

use crate::panels::PANEL_ROWS;
use crate::word_panels::WordPanels;

/// Words of one group of sixteen rows.
const GROUP_WORDS: usize = PANEL_ROWS * WordPanels::GROUP;

/// How one tier multiplies words.
///
/// # Safety
/// Loads read exactly what they state; methods may use the CPU features of their tier.
pub(crate) unsafe trait WordPanelStep {
    /// Two dimensions of sixteen rows.
    type Lanes: Copy;
    /// Two dimensions of a query, in every lane.
    type Broadcast: Copy;
    /// Sixteen sums.
    type Acc: Copy;

    /// # Safety
    /// `from` must be readable for 32 words.
    unsafe fn load(from: *const i16) -> Self::Lanes;
    /// # Safety
    /// `from` must be readable for two words.
    unsafe fn broadcast(from: *const i16) -> Self::Broadcast;
    /// # Safety
    /// The CPU must have the tier's features, here and below.
    unsafe fn zero() -> Self::Acc;
    /// # Safety
    /// See `zero`.
    unsafe fn step(acc: Self::Acc, query: Self::Broadcast, rows: Self::Lanes) -> Self::Acc;
    /// # Safety
    /// `to` must be writable for sixteen results.
    unsafe fn store(acc: Self::Acc, to: *mut i32);
}

/// Inner products of all queries and all rows in `out[query * panels.rows() + row]`.
///
/// # Safety
/// `queries` must be `count` queries of the panels' dimension and `out` have one place a pair; the tier's features must
/// be there.
#[inline(always)]
pub(crate) unsafe fn word_panel<S: WordPanelStep, const P: usize, const Q: usize>(
    queries: &[i16],
    count: usize,
    panels: WordPanels<'_>,
    out: &mut [i32],
) {
    let (queries, out) = (queries.as_ptr(), out.as_mut_ptr());
    let mut query = 0;
    // SAFETY: every tile stays within the queries.
    unsafe {
        while query + Q <= count {
            all_panels::<S, P, Q>(queries, panels, query, out);
            query += Q;
        }
        while Q > 4 && query + 4 <= count {
            all_panels::<S, P, 4>(queries, panels, query, out);
            query += 4;
        }
        while query < count {
            all_panels::<S, P, 1>(queries, panels, query, out);
            query += 1;
        }
    }
}

/// `Q` queries against every panel.
///
/// # Safety
/// `Q` queries must exist from `query` on; the tier's features must be there.
#[inline(always)]
unsafe fn all_panels<S: WordPanelStep, const P: usize, const Q: usize>(
    queries: *const i16,
    panels: WordPanels<'_>,
    query: usize,
    out: *mut i32,
) {
    let mut panel = 0;
    // SAFETY: every tile stays within the panels, and the queries were vouched for.
    unsafe {
        while panel + P <= panels.len() {
            one_tile::<S, P, Q>(queries, panels, panel, query, out);
            panel += P;
        }
        while panel < panels.len() {
            one_tile::<S, 1, Q>(queries, panels, panel, query, out);
            panel += 1;
        }
    }
}

/// # Safety
/// `P` panels must exist from `panel` on and `Q` queries from `query` on; the tier's features must be there.
#[inline(always)]
unsafe fn one_tile<S: WordPanelStep, const P: usize, const Q: usize>(
    queries: *const i16,
    panels: WordPanels<'_>,
    panel: usize,
    query: usize,
    out: *mut i32,
) {
    let (dim, rows) = (panels.dim(), panels.rows());
    let words = PANEL_ROWS * dim;
    // SAFETY: query offsets stay below `dim`, panel offsets within a panel, and `out` has one place a pair.
    unsafe {
        let first_query = queries.add(query * dim);
        let first_panel = panels.as_ptr().add(panel * words);
        let mut acc = [[S::zero(); P]; Q];
        for group in 0..dim / WordPanels::GROUP {
            let from = first_panel.add(group * GROUP_WORDS);
            let mut lanes = [S::load(from); P];
            for (column, lanes) in lanes.iter_mut().enumerate().skip(1) {
                *lanes = S::load(from.add(column * words));
            }
            for (lane, acc) in acc.iter_mut().enumerate() {
                let query = S::broadcast(first_query.add(lane * dim + group * WordPanels::GROUP));
                for (acc, lanes) in acc.iter_mut().zip(lanes) {
                    *acc = S::step(*acc, query, lanes);
                }
            }
        }
        // By reference: taking the arrays apart by value would copy them through the stack.
        for (lane, acc) in acc.iter().enumerate() {
            for (column, &acc) in acc.iter().enumerate() {
                S::store(acc, out.add((query + lane) * rows + (panel + column) * PANEL_ROWS));
            }
        }
    }
}
