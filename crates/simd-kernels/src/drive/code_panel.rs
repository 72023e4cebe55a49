//! Many `i8` queries against panels of packed codes.
//!
//! As in [`super::panel`], a tile of `P` panels times `Q` queries keeps its sums in registers. Codes are unpacked
//! once for all queries of a tile, and a query's bytes are broadcast once for all of its panels. Products of
//! small codes are first summed in 16 bits where a tier gains from it, and moved to 32 bits once a *chunk*.

use crate::code_panels::{CodePanels, GROUP_BYTES};
use crate::panels::PANEL_ROWS;
use crate::view::Rows;

/// How one tier multiplies one width of codes.
///
/// # Safety
/// Loads read exactly what they state; methods may use the CPU features of their tier.
pub(crate) unsafe trait CodePanelStep {
    /// Bits of a code.
    const BITS: usize;
    /// Groups whose products a `Partial` can hold.
    const CHUNK: usize;
    /// The unpacked codes of one group of sixteen rows.
    type Lanes: Copy;
    /// One group of a query, in every lane.
    type Broadcast: Copy;
    /// Sixteen sums of at most `CHUNK` groups.
    type Partial: Copy;
    /// Sixteen sums.
    type Acc: Copy;
    /// What the whole query contributes, computed once per query.
    type Context: Copy;

    /// # Safety
    /// `from` must be readable for 64 bytes.
    unsafe fn load(from: *const u8) -> Self::Lanes;
    /// # Safety
    /// `from` must be readable for one group of dimensions.
    unsafe fn broadcast(from: *const i8) -> Self::Broadcast;
    /// # Safety
    /// `query` must be readable for `dim` elements.
    unsafe fn context(query: *const i8, dim: usize) -> Self::Context;
    /// # Safety
    /// The CPU must have the tier's features, here and below.
    unsafe fn zero() -> Self::Acc;
    /// # Safety
    /// See `zero`.
    unsafe fn start() -> Self::Partial;
    /// # Safety
    /// See `zero`.
    unsafe fn step(partial: Self::Partial, query: Self::Broadcast, rows: Self::Lanes) -> Self::Partial;
    /// # Safety
    /// See `zero`.
    unsafe fn flush(acc: Self::Acc, partial: Self::Partial) -> Self::Acc;
    /// # Safety
    /// `to` must be writable for sixteen results.
    unsafe fn store(acc: Self::Acc, context: Self::Context, to: *mut i32);
}

/// Everything about one call that does not change from tile to tile.
struct Call<'a, const BITS: usize> {
    queries: Rows<'a, i8>,
    panels: CodePanels<'a, BITS>,
    out: *mut i32,
}

/// Inner products of all queries and all rows in `out[query * panels.rows() + row]`.
///
/// # Safety
/// Both views must have the same dimension and `out` one place a pair; the tier's features must be there.
#[inline(always)]
pub(crate) unsafe fn code_panel<
    S: CodePanelStep,
    const BITS: usize,
    const P: usize,
    const Q: usize,
    const SINGLE: usize,
    const CHAINS: usize,
>(
    queries: Rows<'_, i8>,
    panels: CodePanels<'_, BITS>,
    out: &mut [i32],
) {
    let call = Call { queries, panels, out: out.as_mut_ptr() };
    let mut query = 0;
    // SAFETY: every tile stays within the queries.
    unsafe {
        while query + Q <= queries.len() {
            all_panels::<S, BITS, P, Q, 1>(&call, query);
            query += Q;
        }
        while Q > 4 && query + 4 <= queries.len() {
            all_panels::<S, BITS, P, 4, 1>(&call, query);
            query += 4;
        }
        while Q > 2 && query + 2 <= queries.len() {
            // Two queries are too few to hide the latency with few panels.
            if SINGLE == 4 {
                all_panels::<S, BITS, 4, 2, 1>(&call, query);
            } else {
                all_panels::<S, BITS, P, 2, 1>(&call, query);
            }
            query += 2;
        }
        while query < queries.len() {
            all_panels::<S, BITS, SINGLE, 1, CHAINS>(&call, query);
            query += 1;
        }
    }
}

/// `Q` queries against every panel.
///
/// # Safety
/// `Q` queries must exist from `query` on; the tier's features must be there.
#[inline(always)]
unsafe fn all_panels<
    S: CodePanelStep,
    const BITS: usize,
    const P: usize,
    const Q: usize,
    const CHAINS: usize,
>(
    call: &Call<'_, BITS>,
    query: usize,
) {
    let (dim, stride) = (call.queries.dim(), call.queries.stride());
    // SAFETY: every tile stays within the panels, and the queries were vouched for.
    unsafe {
        let first = call.queries.as_ptr().add(query * stride);
        let mut contexts = [S::context(first, dim); Q];
        for (lane, context) in contexts.iter_mut().enumerate().skip(1) {
            *context = S::context(first.add(lane * stride), dim);
        }
        let mut panel = 0;
        while panel + P <= call.panels.len() {
            one_tile::<S, BITS, P, Q, 1>(call, panel, query, &contexts);
            panel += P;
        }
        while P > 2 && panel + 2 <= call.panels.len() {
            one_tile::<S, BITS, 2, Q, 1>(call, panel, query, &contexts);
            panel += 2;
        }
        // What is left is too little to hide the latency of a chain of additions, unless there are several.
        while P > 1 && panel < call.panels.len() {
            one_tile::<S, BITS, 1, Q, CHAINS>(call, panel, query, &contexts);
            panel += 1;
        }
    }
}

/// # Safety
/// `P` panels must exist from `panel` on and `Q` queries from `query` on; the tier's features must be there.
#[inline(always)]
unsafe fn one_tile<
    S: CodePanelStep,
    const BITS: usize,
    const P: usize,
    const Q: usize,
    const CHAINS: usize,
>(
    call: &Call<'_, BITS>,
    panel: usize,
    query: usize,
    contexts: &[S::Context; Q],
) {
    let (dim, stride) = (call.queries.dim(), call.queries.stride());
    let bytes = call.panels.panel_bytes();
    let results = call.panels.rows();
    // SAFETY: `Rows` and `CodePanels` guarantee that their rows and panels are readable; `out` has one place per
    // pair, which the caller vouches for.
    unsafe {
        let first_query = call.queries.as_ptr().add(query * stride);
        let first_panel = call.panels.as_ptr().add(panel * bytes);
        let acc = accumulate::<S, BITS, P, Q, CHAINS>(first_query, stride, dim, first_panel, bytes);
        // By reference: taking the arrays apart by value would copy them through the stack.
        for (lane, acc) in acc.iter().enumerate() {
            for (column, &acc) in acc.iter().enumerate() {
                let row = (panel + column) * PANEL_ROWS;
                S::store(acc, contexts[lane], call.out.add((query + lane) * results + row));
            }
        }
    }
}

/// The inner products of a tile, each in `CHAINS` sums.
///
/// # Safety
/// `Q` queries `stride` apart must be readable for `dim` elements, `P` panels `bytes` apart for a panel, and `dim`
/// must be whole groups, at least one; the tier's features must be there.
#[inline(always)]
unsafe fn accumulate<
    S: CodePanelStep,
    const BITS: usize,
    const P: usize,
    const Q: usize,
    const CHAINS: usize,
>(
    query: *const i8,
    stride: usize,
    dim: usize,
    panel: *const u8,
    bytes: usize,
) -> [[S::Acc; P]; Q] {
    const { assert!(CHAINS == 1 || (P == 1 && Q == 1 && CHAINS <= S::CHUNK)) };
    let group_dims = 32 / BITS;
    let groups = dim / group_dims;
    // SAFETY: query offsets stay below `dim`, panel offsets within the panel.
    unsafe {
        std::hint::assert_unchecked(groups > 0);
        let mut acc = [[S::zero(); P]; Q];
        let mut group = 0;
        while group < groups {
            // Each chain may take a chunk; what the chains leave is less than one.
            let chunk = S::CHUNK.saturating_mul(CHAINS);
            let end = if chunk < groups - group { group + chunk } else { groups };
            let mut partial = [[S::start(); P]; Q];
            if CHAINS > 1 {
                let mut chains = [S::start(); CHAINS];
                while group + CHAINS <= end {
                    for (lane, chain) in chains.iter_mut().enumerate() {
                        let rows = S::load(panel.add((group + lane) * GROUP_BYTES));
                        let query = S::broadcast(query.add((group + lane) * group_dims));
                        *chain = S::step(*chain, query, rows);
                    }
                    group += CHAINS;
                }
                for chain in &chains {
                    acc[0][0] = S::flush(acc[0][0], *chain);
                }
            }
            while group < end {
                let mut rows = [S::load(panel.add(group * GROUP_BYTES)); P];
                for (lane, rows) in rows.iter_mut().enumerate().skip(1) {
                    *rows = S::load(panel.add(lane * bytes + group * GROUP_BYTES));
                }
                for (lane, partial) in partial.iter_mut().enumerate() {
                    let query = S::broadcast(query.add(lane * stride + group * group_dims));
                    for (partial, rows) in partial.iter_mut().zip(rows) {
                        *partial = S::step(*partial, query, rows);
                    }
                }
                group += 1;
            }
            for (acc, partial) in acc.iter_mut().zip(&partial) {
                for (acc, partial) in acc.iter_mut().zip(partial) {
                    *acc = S::flush(*acc, *partial);
                }
            }
        }
        acc
    }
}
