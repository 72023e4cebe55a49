//! Many queries against panels: an outer product of broadcast query elements and lanes of rows.
//!
//! `P` panels times `Q` queries of sums stay in registers; each step loads `P` registers of rows and broadcasts
//! `Q` query elements for `P * Q` multiply-adds, so the multiply-add units are the limit and not the loads.
//! A group of queries walks all panels before the next, so that what depends on a query alone is computed once;
//! the panels stream from the second-level cache, at a sixth of what it can deliver.

use crate::element::Distance;
use crate::panels::{PANEL_ROWS, PanelElement, Panels};
use crate::view::Rows;

/// How one tier multiplies one type in panels.
///
/// # Safety
/// Loads read exactly what they state; methods may use the CPU features of their tier.
pub(crate) unsafe trait PanelStep {
    type Elem: PanelElement<Distance = Self::Out>;
    type Out: Distance;
    /// One group of sixteen rows.
    type Lanes: Copy;
    /// One group of a query, in every lane.
    type Broadcast: Copy;
    /// Sixteen sums.
    type Acc: Copy;
    /// What the whole query contributes, computed once per query.
    type Context: Copy;

    /// # Safety
    /// `from` must be readable for `16 * GROUP` elements.
    unsafe fn load(from: *const Self::Elem) -> Self::Lanes;
    /// # Safety
    /// `from` must be readable for `GROUP` elements.
    unsafe fn broadcast(from: *const Self::Elem) -> Self::Broadcast;
    /// The other elements count as zero.
    /// # Safety
    /// `from` must be readable for `n < GROUP` elements.
    unsafe fn broadcast_partial(from: *const Self::Elem, n: usize) -> Self::Broadcast;
    /// # Safety
    /// `query` must be readable for `dim` elements.
    unsafe fn context(query: *const Self::Elem, dim: usize) -> Self::Context;
    /// # Safety
    /// The CPU must have the tier's features.
    unsafe fn zero() -> Self::Acc;
    /// # Safety
    /// The CPU must have the tier's features.
    unsafe fn step(acc: Self::Acc, query: Self::Broadcast, rows: Self::Lanes) -> Self::Acc;
    /// Writes the sixteen inner products.
    /// # Safety
    /// `to` must be writable for sixteen results.
    unsafe fn store(acc: Self::Acc, context: Self::Context, to: *mut Self::Out);
    /// Writes `query_norm + norms − 2 · product` for the sixteen products.
    /// # Safety
    /// `norms` must be readable and `to` writable for sixteen values.
    unsafe fn store_l2(
        acc: Self::Acc,
        context: Self::Context,
        query_norm: Self::Out,
        norms: *const Self::Out,
        to: *mut Self::Out,
    );
}

/// Norms of queries and rows, when distances are wanted instead of products.
pub(crate) type Norms<'a, T> = Option<(&'a [T], &'a [T])>;

/// Everything about one call that does not change from tile to tile.
struct Call<'a, S: PanelStep> {
    queries: Rows<'a, S::Elem>,
    panels: Panels<'a, S::Elem>,
    norms: Norms<'a, S::Out>,
    out: *mut S::Out,
}

/// Inner products or distances of all queries to all rows in `out[query * panels.rows() + row]`.
///
/// # Safety
/// Both views must have the same dimension, `norms` and `out` the sizes that follow; the tier's features must be
/// there.
#[inline(always)]
pub(crate) unsafe fn panel<S: PanelStep, const P: usize, const Q: usize>(
    queries: Rows<'_, S::Elem>,
    panels: Panels<'_, S::Elem>,
    norms: Norms<'_, S::Out>,
    out: &mut [S::Out],
) {
    let call = Call::<S> { queries, panels, norms, out: out.as_mut_ptr() };
    let mut query = 0;
    // SAFETY: every tile stays within the queries.
    unsafe {
        while query + Q <= queries.len() {
            all_panels::<S, P, Q>(&call, query);
            query += Q;
        }
        while query < queries.len() {
            all_panels::<S, P, 1>(&call, query);
            query += 1;
        }
    }
}

/// `Q` queries against every panel.
///
/// # Safety
/// `Q` queries must exist from `query` on; the tier's features must be there.
#[inline(always)]
unsafe fn all_panels<S: PanelStep, const P: usize, const Q: usize>(call: &Call<'_, S>, query: usize) {
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
            one_tile::<S, P, Q>(call, panel, query, &contexts);
            panel += P;
        }
        while panel < call.panels.len() {
            one_tile::<S, 1, Q>(call, panel, query, &contexts);
            panel += 1;
        }
    }
}

/// # Safety
/// `P` panels must exist from `panel` on and `Q` queries from `query` on; the tier's features must be there.
#[inline(always)]
unsafe fn one_tile<S: PanelStep, const P: usize, const Q: usize>(
    call: &Call<'_, S>,
    panel: usize,
    query: usize,
    contexts: &[S::Context; Q],
) {
    let (dim, stride) = (call.queries.dim(), call.queries.stride());
    let elements = call.panels.panel_elements();
    let results = call.panels.rows();
    // SAFETY: `Rows` and `Panels` guarantee that their rows and panels are readable; `out` and the norms have one
    // place per pair, query and row, which the caller vouches for.
    unsafe {
        let first_query = call.queries.as_ptr().add(query * stride);
        let first_panel = call.panels.as_ptr().add(panel * elements);
        let acc = accumulate::<S, P, Q>(first_query, stride, dim, first_panel, elements);
        // By reference: taking the arrays apart by value would copy them through the stack.
        for (lane, acc) in acc.iter().enumerate() {
            for (column, &acc) in acc.iter().enumerate() {
                let row = (panel + column) * PANEL_ROWS;
                let to = call.out.add((query + lane) * results + row);
                match call.norms {
                    None => S::store(acc, contexts[lane], to),
                    Some((queries, rows)) => {
                        let query_norm = *queries.as_ptr().add(query + lane);
                        S::store_l2(acc, contexts[lane], query_norm, rows.as_ptr().add(row), to);
                    }
                }
            }
        }
    }
}

/// The inner products of a tile.
///
/// # Safety
/// `Q` queries `stride` apart must be readable for `dim` elements, `P` panels `elements` apart for a panel; the
/// tier's features must be there.
#[inline(always)]
unsafe fn accumulate<S: PanelStep, const P: usize, const Q: usize>(
    query: *const S::Elem,
    stride: usize,
    dim: usize,
    panel: *const S::Elem,
    elements: usize,
) -> [[S::Acc; P]; Q] {
    let group = <S::Elem as PanelElement>::GROUP;
    // SAFETY: query offsets stay below `dim`, panel offsets within the padded panel.
    unsafe {
        let mut acc = [[S::zero(); P]; Q];
        let mut at = 0;
        while at + group <= dim {
            let mut rows = [S::load(panel.add(at * PANEL_ROWS)); P];
            for (lane, rows) in rows.iter_mut().enumerate().skip(1) {
                *rows = S::load(panel.add(lane * elements + at * PANEL_ROWS));
            }
            for (lane, acc) in acc.iter_mut().enumerate() {
                let query = S::broadcast(query.add(lane * stride + at));
                for (acc, rows) in acc.iter_mut().zip(rows) {
                    *acc = S::step(*acc, query, rows);
                }
            }
            at += group;
        }
        if group > 1 && at < dim {
            // Loads first, then steps without a branch: only then do the sums stay in registers above.
            let mut queries = [S::broadcast_partial(query.add(at), dim - at); Q];
            for (lane, queries) in queries.iter_mut().enumerate().skip(1) {
                *queries = S::broadcast_partial(query.add(lane * stride + at), dim - at);
            }
            let mut rows = [S::load(panel.add(at * PANEL_ROWS)); P];
            for (lane, rows) in rows.iter_mut().enumerate().skip(1) {
                *rows = S::load(panel.add(lane * elements + at * PANEL_ROWS));
            }
            for (acc, query) in acc.iter_mut().zip(queries) {
                for (acc, rows) in acc.iter_mut().zip(rows) {
                    *acc = S::step(*acc, query, rows);
                }
            }
        }
        acc
    }
}
