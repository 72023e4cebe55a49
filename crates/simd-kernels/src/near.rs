//! What of a block is near a query: rows and boxes of a tree, measured and compared with a limit in one pass.
//!
//! A search in a tree of few dimensions asks for a few dozen distances at a time, and what it does with most of them is
//! to find them too large. So each call returns a bit for each row, and the caller looks at those that are set. Nothing
//! is fused: a tree prunes by comparing the distance of a box with that of a point in it, which needs both to be
//! rounded alike, operation by operation. Hence every tier equals the scalar twin bit for bit.
//!
//! Rows and boxes lie in panels (see [`Panels`](crate::Panels)), so that a lane is a row and no sum is horizontal. Up
//! to two registers of sums are taken through the dimensions at a time: more would help rows of many dimensions, whose
//! additions wait for one another, but not those of two or three.

use crate::element::Element;
use crate::lanes::Lanes;
use crate::math::Real;
use crate::panels::PANEL_ROWS;
use crate::select::{Compare, Ordered};
use crate::table::Kernels;
use crate::view::ShapeError;

/// Rows of a call, one bit each.
const MOST_ROWS: usize = 64;

/// What sixteen boxes are to a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoxBounds {
    /// Bit i for each box whose bound is not above the limit.
    pub within: u32,
    /// The box with the least bound, the first of equals; 16 if every bound is NaN.
    pub nearest: u32,
}

/// Query, panels, limit, and the places of the distances.
type Rows<T> = unsafe fn(&[T], &[T], T, &mut [T]) -> u64;
type Boxes<T> = unsafe fn(&[T], &[T], T, &mut [T; PANEL_ROWS]) -> BoxBounds;

/// These kernels for one type on one tier.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct NearKernels<T: Real> {
    pub(crate) within: Rows<T>,
    pub(crate) nearest: Rows<T>,
    pub(crate) boxes: Boxes<T>,
}

/// These kernels of one tier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NearTable {
    pub(crate) f32: NearKernels<f32>,
    pub(crate) f64: NearKernels<f64>,
}

/// How one tier compiles them: `#[target_feature]` functions around [`rows`] and [`boxes`].
pub(crate) trait Shell<T: Real> {
    /// # Safety
    /// As for [`rows`]; the CPU must have the tier's features.
    unsafe fn rows<const NEAREST: bool>(query: &[T], panels: &[T], limit: T, out: &mut [T]) -> u64;
    /// # Safety
    /// As for [`boxes`]; the CPU must have the tier's features.
    unsafe fn boxes(query: &[T], panel: &[T], limit: T, out: &mut [T; PANEL_ROWS]) -> BoxBounds;
}

impl NearTable {
    /// The functions as `S` compiles them.
    pub(crate) const fn of<S: Shell<f32> + Shell<f64>>() -> Self {
        const fn of<T: Real, S: Shell<T>>() -> NearKernels<T> {
            NearKernels { within: S::rows::<false>, nearest: S::rows::<true>, boxes: S::boxes }
        }
        Self { f32: of::<f32, S>(), f64: of::<f64, S>() }
    }
}

/// The token of a tier, as far as it is needed here.
pub(crate) trait Both<T: Real + Ordered>: Lanes<T> + Compare<T> {}
impl<T: Real + Ordered, S: Lanes<T> + Compare<T>> Both<T> for S {}

type Sums<T, S> = <S as Lanes<T>>::Vector;
type Values<T, S> = <S as Compare<T>>::Vector;

/// The same register by the name that comparisons have for it.
#[inline(always)]
pub(crate) fn values<T: Real + Ordered, S: Both<T>>(x: Sums<T, S>) -> Values<T, S> {
    const { assert!(<S as Lanes<T>>::WIDTH == <S as Compare<T>>::WIDTH) };
    // SAFETY: both are as many values of `T`, without padding or invalid bit patterns.
    unsafe { std::mem::transmute_copy(&x) }
}

/// The other way round.
#[inline(always)]
pub(crate) fn sums<T: Real + Ordered, S: Both<T>>(x: Values<T, S>) -> Sums<T, S> {
    // SAFETY: as above.
    unsafe { std::mem::transmute_copy(&x) }
}

/// Bits of the lanes of `x` that are not above `limit`.
#[inline(always)]
fn not_above<T: Real + Ordered, S: Both<T>>(s: S, x: Values<T, S>, limit: Values<T, S>) -> u64 {
    u64::from(!s.below(limit, x)) & ((1 << <S as Lanes<T>>::WIDTH) - 1)
}

/// The least of the lanes in every lane. Step by step: a loop over distances would stay one.
#[inline(always)]
fn least_of_all<T: Real + Ordered, S: Both<T>>(s: S, x: Values<T, S>) -> Values<T, S> {
    let width = <S as Lanes<T>>::WIDTH;
    let halve = |x, distance| s.least(values::<T, S>(s.swap(sums::<T, S>(x), distance)), x);
    let x = if width > 8 { halve(x, 8) } else { x };
    let x = if width > 4 { halve(x, 4) } else { x };
    let x = if width > 2 { halve(x, 2) } else { x };
    halve(x, 1)
}

/// Σ (q − x)² of the lanes from `panel` on, `R` registers of them; of boxes Σ max(x − q, 0)².
///
/// # Safety
/// A panel from which the registers are a part must be readable from there on, `query` dimensions of it.
#[inline(always)]
unsafe fn squares<T: Real + Ordered, S: Both<T>, const R: usize, const BOXES: bool>(
    s: S,
    query: &[T],
    panel: *const T,
) -> [Sums<T, S>; R] {
    let zero = s.splat_zero();
    let mut sums = [zero; R];
    for (at, &q) in query.iter().enumerate() {
        let q = Lanes::splat(s, q);
        for (register, sum) in sums.iter_mut().enumerate() {
            // SAFETY: within the panel, for which the caller vouches.
            let x = unsafe { Lanes::load(s, panel.add(at * PANEL_ROWS + register * <S as Lanes<T>>::WIDTH)) };
            let apart = if BOXES { s.at_least(s.sub(x, q), zero) } else { s.sub(q, x) };
            *sum = s.add(*sum, s.mul(apart, apart));
        }
    }
    sums
}

/// Zero in every lane.
trait Zero<T: Real>: Lanes<T> {
    #[inline(always)]
    fn splat_zero(self) -> <Self as Lanes<T>>::Vector {
        Lanes::splat(self, T::zeroed())
    }
}
impl<T: Real, S: Lanes<T>> Zero<T> for S {}

/// Distances of the rows of `panels` to `query`, and the bits of those not above `limit`; if `NEAREST`, not above the
/// least of them either.
///
/// # Safety
/// `out` must hold a multiple of 16 places, at most 64, and `panels` as many rows of as many values as `query`.
#[inline(always)]
pub(crate) unsafe fn rows<T: Real + Ordered, S: Both<T>, const NEAREST: bool>(
    s: S,
    query: &[T],
    panels: &[T],
    limit: T,
    out: &mut [T],
) -> u64 {
    // SAFETY: the same contract; two registers only where a panel has as many.
    unsafe {
        if PANEL_ROWS / <S as Lanes<T>>::WIDTH > 1 {
            rows_by::<T, S, 2, NEAREST>(s, query, panels, limit, out)
        } else {
            rows_by::<T, S, 1, NEAREST>(s, query, panels, limit, out)
        }
    }
}

/// # Safety
/// As for [`rows`]; a panel must have at least `R` registers.
#[inline(always)]
unsafe fn rows_by<T: Real + Ordered, S: Both<T>, const R: usize, const NEAREST: bool>(
    s: S,
    query: &[T],
    panels: &[T],
    limit: T,
    out: &mut [T],
) -> u64 {
    let width = <S as Lanes<T>>::WIDTH;
    let (count, to) = (out.len(), out.as_mut_ptr());
    let mut limit = Compare::splat(s, limit);
    let (mut bits, mut row) = (0, 0);
    while row < count {
        let (panel, lane) = (row / PANEL_ROWS, row % PANEL_ROWS);
        // SAFETY: `row` is below the number of rows, and so are those of the other register, for 16 is a multiple of
        // both; the caller vouches for panels and places.
        unsafe {
            let first = panels.as_ptr().add(panel * PANEL_ROWS * query.len() + lane);
            let sums = squares::<T, S, R, false>(s, query, first);
            for (register, &sum) in sums.iter().enumerate() {
                let row = row + register * width;
                s.store(to.add(row), sum);
                let distances = values::<T, S>(sum);
                if NEAREST {
                    limit = s.least(distances, limit);
                } else {
                    bits |= not_above(s, distances, limit) << row;
                }
            }
        }
        row += R * width;
    }
    if NEAREST {
        limit = least_of_all(s, limit);
        let mut row = 0;
        while row < count {
            // SAFETY: the number of rows is a multiple of the width.
            let distances = unsafe { Compare::load(s, to.add(row).cast_const()) };
            bits |= not_above(s, distances, limit) << row;
            row += width;
        }
    }
    bits
}

/// Bounds of the boxes of `panel`.
///
/// # Safety
/// `panel` must hold 16 rows of as many values as `query`.
#[inline(always)]
pub(crate) unsafe fn boxes<T: Real + Ordered, S: Both<T>>(
    s: S,
    query: &[T],
    panel: &[T],
    limit: T,
    out: &mut [T; PANEL_ROWS],
) -> BoxBounds {
    // SAFETY: the same contract; two registers only where a panel has as many.
    unsafe {
        if PANEL_ROWS / <S as Lanes<T>>::WIDTH > 1 {
            boxes_by::<T, S, 2>(s, query, panel, limit, out)
        } else {
            boxes_by::<T, S, 1>(s, query, panel, limit, out)
        }
    }
}

/// # Safety
/// As for [`boxes`]; a panel must have at least `R` registers.
#[inline(always)]
unsafe fn boxes_by<T: Real + Ordered, S: Both<T>, const R: usize>(
    s: S,
    query: &[T],
    panel: &[T],
    limit: T,
    out: &mut [T; PANEL_ROWS],
) -> BoxBounds {
    let width = <S as Lanes<T>>::WIDTH;
    let to = out.as_mut_ptr();
    let limit = Compare::splat(s, limit);
    let mut least = Compare::splat(s, T::GREATEST);
    let (mut within, mut row) = (0, 0);
    while row < PANEL_ROWS {
        // SAFETY: `row` and the register after it are within the panel and `out`, for which the caller vouches.
        unsafe {
            let sums = squares::<T, S, R, true>(s, query, panel.as_ptr().add(row));
            for (register, &sum) in sums.iter().enumerate() {
                let row = row + register * width;
                s.store(to.add(row), sum);
                let bounds = values::<T, S>(sum);
                within |= not_above(s, bounds, limit) << row;
                least = s.least(bounds, least);
            }
        }
        row += R * width;
    }
    let least = least_of_all(s, least);
    let (mut equal, mut row) = (0u32, 0);
    while row < PANEL_ROWS {
        // SAFETY: within `out`.
        equal |= s.equal(unsafe { Compare::load(s, to.add(row).cast_const()) }, least) << row;
        row += width;
    }
    BoxBounds { within: within as u32, nearest: (equal | 1 << PANEL_ROWS).trailing_zeros() }
}

#[inline]
fn expect_block<T: Element>(query: &[T], panels: &[T], rows: usize) -> Result<(), ShapeError> {
    let dim = query.len();
    if dim == 0 || dim > T::MAX_DIM {
        return Err(ShapeError::Dimension { dim, max: T::MAX_DIM });
    }
    if rows > MOST_ROWS || !rows.is_multiple_of(PANEL_ROWS) {
        let expected = rows.min(MOST_ROWS).next_multiple_of(PANEL_ROWS);
        return Err(ShapeError::Length { argument: "out", expected, actual: rows });
    }
    if panels.len() != rows * dim {
        return Err(ShapeError::Data { expected: rows * dim, actual: panels.len() });
    }
    Ok(())
}

impl Kernels {
    /// The squared distances of `query` to the rows of `panels` in `out`, up to four panels of 16, and a bit for each
    /// that is not above `limit` (NaN is never above).
    ///
    /// Differences are squared and added up in the order of the dimensions, unfused: equal to
    /// [`reference::near::panel_within`](crate::reference::near::panel_within) bit for bit on every tier, which
    /// [`PanelForms`](crate::PanelForms) are not. Complexity O(rows · dim); no allocation.
    ///
    /// # Errors
    /// [`ShapeError`] if `query` is empty or above the element's limit, `out` does not hold 16, 32, 48 or 64 places or
    /// none, or `panels` not as many rows as long as `query`; nothing is written.
    ///
    /// ```
    /// let kernels = simd_kernels::Kernels::active()?;
    /// // Row r of the panel is (r, 2).
    /// let panel: Vec<f64> = (0..16).map(f64::from).chain([2.0; 16]).collect();
    /// let mut distances = [0.0; 16];
    /// let near = kernels.panel_within(&[3.0, 2.0], &panel, 1.0, &mut distances)?;
    /// assert_eq!((near, distances[3], distances[5]), (0b11100, 0.0, 4.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn panel_within<T: Real + Ordered>(
        &self,
        query: &[T],
        panels: &[T],
        limit: T,
        out: &mut [T],
    ) -> Result<u64, ShapeError> {
        expect_block(query, panels, out.len())?;
        // SAFETY: the table is only handed out when the CPU has the tier's features; the shape was checked.
        Ok(unsafe { (T::near(self).within)(query, panels, limit, out) })
    }

    /// As [`panel_within`](Self::panel_within), but of the rows not above `limit` only the nearest gets its bit, and
    /// those that are as near.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn panel_nearest<T: Real + Ordered>(
        &self,
        query: &[T],
        panels: &[T],
        limit: T,
        out: &mut [T],
    ) -> Result<u64, ShapeError> {
        expect_block(query, panels, out.len())?;
        // SAFETY: as above.
        Ok(unsafe { (T::near(self).nearest)(query, panels, limit, out) })
    }

    /// For the rows x of one panel Σ max(xᵢ − qᵢ, 0)² in `out`, which are not above `limit`, and which is the least.
    ///
    /// Those are squared distances to boxes: of a box from lo to hi let the row be (lo₀, −hi₀, lo₁, −hi₁, …), and of a
    /// point p the query (p₀, −p₀, p₁, −p₁, …). Operations and their order are those of
    /// [`panel_within`](Self::panel_within), so a bound is never above the computed distance of a point in the box; equal
    /// to [`reference::near::box_bounds`](crate::reference::near::box_bounds) bit for bit. Complexity O(dim).
    ///
    /// # Errors
    /// [`ShapeError`] if `query` is empty or above the element's limit, or `panel` does not hold 16 rows as long;
    /// nothing is written.
    ///
    /// ```
    /// let kernels = simd_kernels::Kernels::active()?;
    /// // Intervals from 2 i to 2 i + 1.
    /// let panel: Vec<f64> = (0..16).map(|i| 2.0 * i as f64).chain((0..16).map(|i| -2.0 * i as f64 - 1.0)).collect();
    /// let mut bounds = [0.0; 16];
    /// let found = kernels.box_bounds(&[7.5, -7.5], &panel, 0.5, &mut bounds)?;
    /// assert_eq!((found.within, found.nearest, bounds[3], bounds[5]), (0b11000, 3, 0.25, 6.25));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn box_bounds<T: Real + Ordered>(
        &self,
        query: &[T],
        panel: &[T],
        limit: T,
        out: &mut [T; PANEL_ROWS],
    ) -> Result<BoxBounds, ShapeError> {
        expect_block(query, panel, PANEL_ROWS)?;
        // SAFETY: as above.
        Ok(unsafe { (T::near(self).boxes)(query, panel, limit, out) })
    }
}
