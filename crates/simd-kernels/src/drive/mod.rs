//! Loops written once for every tier: a [`Step`] says how one tier holds and combines vectors of one type, and
//! the drivers say in which order memory is walked.
//!
//! * [`pair`]: one vector against one. Several accumulators hide the latency of the multiply-add.
//! * [`rows`], [`ids`]: one query against many. `R` rows are read side by side, so that each piece of the query
//!   is loaded once for all of them and their horizontal sums share one transposed reduction. That, not a wider
//!   register, is the big win: summing the lanes of one row costs as much as 128 dimensions.
//! * [`tile`]: many queries against many rows; a tile of accumulators re-uses every load.
//!
//! Every row has exactly one accumulator in `rows`, `ids` and `tile`, and `finish` adds lanes in the same order
//! as `finish4`: the three forms agree bit for bit on one tier. `pair` may differ within the rounding bound.
//!
//! Everything here is `#[inline(always)]` and compiled inside the `#[target_feature]` shells of `table::forms!`.

mod code_panel;
mod ids;
mod lookup;
mod pair;
mod panel;
mod partial;
mod rows;
mod tile;
mod word_panel;

pub(crate) use code_panel::{CodePanelStep, code_panel};
pub(crate) use ids::ids;
pub(crate) use lookup::{LookupStep, lookup};
pub(crate) use pair::{cosine, pair};
pub(crate) use panel::{PanelStep, panel};
pub(crate) use partial::{read_partial, read_partial_32};
pub(crate) use rows::rows;
pub(crate) use tile::tile;
pub(crate) use word_panel::{WordPanelStep, word_panel};

use crate::element::{Distance, Element};

/// How one tier computes one measure for one pair of element types.
///
/// # Safety
/// The loads must read exactly the elements that they state and nothing else. All methods may use the CPU
/// features of their tier, so callers run them only inside that tier's shells.
pub(crate) unsafe trait Step {
    /// What the query is made of.
    type Query: Copy;
    /// What rows are made of.
    type Elem: Element;
    /// What a distance is held in.
    type Out: Distance;
    /// Query elements in registers, ready for `step`.
    type QueryVec: Copy;
    /// Row elements in registers, ready for `step`.
    type RowVec: Copy;
    /// Running sums of one row.
    type Acc: Copy;
    /// What the whole query contributes, computed once per query: a correction term, or nothing.
    type Context: Copy;
    /// Dimensions per vector.
    const WIDTH: usize;
    /// Dimensions per stored row element: 1, or 2 for packed 4-bit codes.
    const PACK: usize = 1;
    /// What the dimension must be a multiple of: 1, or the group of packed codes.
    const GRANULE: usize = 1;
    /// Whether a dimension may be no multiple of `WIDTH`. Where it may not, the partial loads are never called.
    const HAS_TAIL: bool = !Self::GRANULE.is_multiple_of(Self::WIDTH);

    /// # Safety
    /// `from` must be readable for `WIDTH` dimensions.
    unsafe fn load_query(from: *const Self::Query) -> Self::QueryVec;

    /// Missing elements count as zero.
    ///
    /// # Safety
    /// `from` must be readable for `n` dimensions, `0 < n < WIDTH`.
    unsafe fn load_query_partial(from: *const Self::Query, n: usize) -> Self::QueryVec;

    /// # Safety
    /// `from` must be readable for `WIDTH` dimensions.
    unsafe fn load_row(from: *const Self::Elem) -> Self::RowVec;

    /// Missing elements are such that, against a query that misses the same ones, they contribute nothing.
    ///
    /// # Safety
    /// `from` must be readable for `n` dimensions, `0 < n < WIDTH`.
    unsafe fn load_row_partial(from: *const Self::Elem, n: usize) -> Self::RowVec;

    /// # Safety
    /// `query` must be readable for `dim` dimensions.
    unsafe fn context(query: *const Self::Query, dim: usize) -> Self::Context;

    /// # Safety
    /// The CPU must have the tier's features.
    unsafe fn zero() -> Self::Acc;

    /// # Safety
    /// The CPU must have the tier's features.
    unsafe fn step(acc: Self::Acc, query: Self::QueryVec, row: Self::RowVec) -> Self::Acc;

    /// The sum of two accumulators.
    ///
    /// # Safety
    /// The CPU must have the tier's features.
    unsafe fn merge(a: Self::Acc, b: Self::Acc) -> Self::Acc;

    /// The measure, from the sums of one row.
    ///
    /// # Safety
    /// The CPU must have the tier's features.
    unsafe fn finish(acc: Self::Acc, context: Self::Context) -> Self::Out;

    /// Four rows at once; each result equals that of `finish`, bit for bit.
    ///
    /// # Safety
    /// The CPU must have the tier's features.
    unsafe fn finish4(acc: [Self::Acc; 4], context: Self::Context) -> [Self::Out; 4];
}

/// The sums of `R` rows against one query, one accumulator each.
///
/// # Safety
/// `query` and every pointer of `rows` must be readable for `dim` dimensions, at least one; the tier's features must
/// be there.
#[inline(always)]
unsafe fn block<S: Step, const R: usize>(
    query: *const S::Query,
    dim: usize,
    rows: [*const S::Elem; R],
) -> [S::Acc; R] {
    // SAFETY: every offset stays below `dim`, which the caller vouches for.
    unsafe {
        // `Rows` has no dimension of zero; unsaid, a `memset` of the results is compiled for it.
        std::hint::assert_unchecked(dim > 0);
        std::hint::assert_unchecked(S::HAS_TAIL || dim >= S::WIDTH);
        let mut acc = [S::zero(); R];
        let mut at = 0;
        while at + S::WIDTH <= dim {
            let query = S::load_query(query.add(at));
            for (acc, row) in acc.iter_mut().zip(rows) {
                *acc = S::step(*acc, query, S::load_row(row.add(at / S::PACK)));
            }
            at += S::WIDTH;
        }
        if S::HAS_TAIL && at < dim {
            let n = dim - at;
            let query = S::load_query_partial(query.add(at), n);
            // The loads, which branch, come first. What is left has no branch and is unrolled, and only then do
            // the accumulators stay in registers through the loop above.
            let mut tails = [S::load_row_partial(rows[0].add(at / S::PACK), n); R];
            for lane in 1..R {
                tails[lane] = S::load_row_partial(rows[lane].add(at / S::PACK), n);
            }
            for (acc, row) in acc.iter_mut().zip(tails) {
                *acc = S::step(*acc, query, row);
            }
        }
        acc
    }
}

/// Reduces the sums of `R` rows (1, or a multiple of 4) into `out`.
///
/// # Safety
/// The tier's features must be there.
#[inline(always)]
unsafe fn finish_block<S: Step, const R: usize>(acc: [S::Acc; R], context: S::Context, out: &mut [S::Out]) {
    let (fours, ones) = acc.as_chunks::<4>();
    let (out_fours, out_ones) = out.as_chunks_mut::<4>();
    for (acc, out) in fours.iter().zip(out_fours) {
        // SAFETY: the caller vouches for the features.
        *out = unsafe { S::finish4(*acc, context) };
    }
    for (acc, out) in ones.iter().zip(out_ones) {
        // SAFETY: as above.
        *out = unsafe { S::finish(*acc, context) };
    }
}
