//! Selection: values below a threshold with their ids, estimates likewise, the least value, the k least values.
//!
//! The loops are written once over [`Compare`], which says how a tier compares a register of values, turns the
//! result into bits, and moves chosen lanes together. Where hits are common (`select_below`) every register is
//! compacted *within the register* and stored whole: compressing straight to memory is microcoded on some CPUs
//! and 20 times slower. Where hits are rare (`top_k`) the bits of several registers are tested at once, and only
//! a hit is looked at in scalar code.
//!
//! All results are exact and equal on every tier. NaN is never below anything.

mod argmin;
mod bands;
mod below;
mod estimates;
mod top_k;

pub(crate) use argmin::argmin;
pub use bands::{Band, BandRows};
pub(crate) use bands::{BandShell, bands_reaching};
pub(crate) use below::below;
pub use estimates::{Affine, LEAST_ESTIMATES};
pub(crate) use estimates::{Estimate, EstimateShell, estimates_below, least_estimates};
pub(crate) use top_k::top_k;

use crate::element::Distance;
use crate::table::Kernels;
use crate::view::{ShapeError, expect_len};

/// A type whose values can be selected: `f32`, `f64` or `i32`, the types of distances. Sealed.
pub trait Ordered: Distance {
    #[doc(hidden)]
    fn select(kernels: &Kernels) -> &SelectKernels<Self>;
    /// The value that no other value is above.
    #[doc(hidden)]
    const GREATEST: Self;
}

macro_rules! ordered {
    ($($type:ident, $greatest:expr;)+) => {$(
        impl Ordered for $type {
            fn select(kernels: &Kernels) -> &SelectKernels<Self> {
                &kernels.select.$type
            }
            const GREATEST: Self = $greatest;
        }
    )+};
}
ordered! {
    f32, f32::INFINITY;
    f64, f64::INFINITY;
    i32, i32::MAX;
}

/// Comparisons of one tier on registers of `T`.
///
/// # Safety
/// `Vector` must be exactly `WIDTH` values of `T`, `WIDTH` at most 16, and the methods must touch only the memory
/// that they state. The value itself stands for the CPU features, so it exists only inside a tier's shells.
pub(crate) unsafe trait Compare<T: Ordered>: Copy {
    type Vector: Copy;
    const WIDTH: usize;

    /// # Safety
    /// `from` must be readable for `WIDTH` values.
    #[inline(always)]
    unsafe fn load(self, from: *const T) -> Self::Vector {
        // SAFETY: a vector is `WIDTH` values of `T`, which the caller vouches for.
        unsafe { from.cast::<Self::Vector>().read_unaligned() }
    }
    /// # Safety
    /// `to` must be writable for `WIDTH` values.
    #[inline(always)]
    unsafe fn put(self, x: Self::Vector, to: *mut T) {
        // SAFETY: a vector is `WIDTH` values of `T`, for which the caller vouches.
        unsafe { to.cast::<Self::Vector>().write_unaligned(x) }
    }
    /// The lanes, then zeros.
    #[inline(always)]
    fn lanes(self, x: Self::Vector) -> [T; 16] {
        let mut lanes = [T::default(); 16];
        // SAFETY: a vector is at most 16 values of `T`.
        unsafe { lanes.as_mut_ptr().cast::<Self::Vector>().write_unaligned(x) };
        lanes
    }
    fn splat(self, value: T) -> Self::Vector;
    /// Bit i set where lane i of `x` is below that of `limit`.
    fn below(self, x: Self::Vector, limit: Self::Vector) -> u32;
    /// Bit i set where the lanes are equal.
    fn equal(self, x: Self::Vector, y: Self::Vector) -> u32;
    /// `x` where it is below `least`, else `least`: NaN in `x` is passed over.
    fn least(self, x: Self::Vector, least: Self::Vector) -> Self::Vector;
    /// Stores the lanes of `x` whose bits are set one after another, and `id` plus their lane numbers likewise.
    ///
    /// # Safety
    /// Both places must be writable for `WIDTH` values, all of which may be overwritten.
    unsafe fn keep(self, x: Self::Vector, bits: u32, id: u32, ids: *mut u32, values: *mut T);
}

/// How one tier compiles selection: `#[target_feature]` functions around [`below`], [`argmin`] and [`top_k`].
pub(crate) trait Shell<T: Ordered> {
    /// # Safety
    /// As for [`below`]; the CPU must have the tier's features.
    unsafe fn below(values: &[T], limit: T, base_id: u32, ids: &mut [u32], out: &mut [T]) -> usize;
    /// # Safety
    /// The CPU must have the tier's features.
    unsafe fn argmin(values: &[T]) -> Option<(usize, T)>;
    /// # Safety
    /// As for [`top_k`]; the CPU must have the tier's features.
    unsafe fn top_k(values: &[T], base_id: u32, ids: &mut [u32], out: &mut [T]) -> usize;
}

/// Values, threshold, first id, and the places of ids and values.
type Below<T> = unsafe fn(&[T], T, u32, &mut [u32], &mut [T]) -> usize;

/// The selection of one type on one tier.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct SelectKernels<T: Ordered> {
    pub(crate) below: Below<T>,
    pub(crate) argmin: unsafe fn(&[T]) -> Option<(usize, T)>,
    pub(crate) top_k: unsafe fn(&[T], u32, &mut [u32], &mut [T]) -> usize,
}

/// The selection of one tier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SelectTable {
    pub(crate) f32: SelectKernels<f32>,
    pub(crate) f64: SelectKernels<f64>,
    pub(crate) i32: SelectKernels<i32>,
    pub(crate) estimates: EstimatesBelow,
    pub(crate) least_estimates: LeastEstimates,
    pub(crate) bands: BandsReaching,
}

/// Sums, adds, line, threshold, and the places of ids and values.
type EstimatesBelow = unsafe fn(&[i32], &[f32], Affine, f32, &mut [u32], &mut [f32]) -> usize;

/// Rows, band, level, and the places of ids and values.
type BandsReaching = unsafe fn(BandRows<'_>, Band, f32, &mut [u32], &mut [f32]) -> usize;

/// Sums, adds, line, and the places of the least.
type LeastEstimates = unsafe fn(&[i32], &[f32], Affine, &mut [f32; LEAST_ESTIMATES]);

impl SelectTable {
    /// The functions as `S` compiles them.
    pub(crate) const fn of<S: Shell<f32> + Shell<f64> + Shell<i32> + EstimateShell + BandShell>() -> Self {
        const fn of<T: Ordered, S: Shell<T>>() -> SelectKernels<T> {
            SelectKernels { below: S::below, argmin: S::argmin, top_k: S::top_k }
        }
        Self {
            f32: of::<f32, S>(),
            f64: of::<f64, S>(),
            i32: of::<i32, S>(),
            estimates: S::estimates_below,
            least_estimates: S::least_estimates,
            bands: S::bands_reaching,
        }
    }
}

/// Ids are 32 bits: the last of `len` from `base_id` must be one.
fn expect_ids(base_id: u32, len: usize) -> Result<(), ShapeError> {
    if len as u64 > u64::from(u32::MAX - base_id) + 1 {
        return Err(ShapeError::IdRange { base_id, len });
    }
    Ok(())
}

fn expect_room(argument: &'static str, needed: usize, actual: usize) -> Result<(), ShapeError> {
    if actual < needed { Err(ShapeError::Room { argument, needed, actual }) } else { Ok(()) }
}

impl Kernels {
    /// All values below `threshold` in their order, with the ids `base_id`, `base_id + 1`, ... that they have by
    /// place; returns how many. NaN is never below, and nothing is below NaN. Complexity O(n); no allocation.
    ///
    /// Both outputs must have room for every value, whatever the threshold: registers are stored whole. What
    /// they hold beyond the returned count is unspecified.
    ///
    /// # Errors
    /// [`ShapeError`] if an output is shorter than `values`, or an id would not fit 32 bits; nothing is written.
    ///
    /// ```
    /// let kernels = simd_kernels::Kernels::active()?;
    /// let (mut ids, mut kept) = ([0; 4], [0.0; 4]);
    /// let n = kernels.select_below(&[3.0f32, 1.0, 2.0, 0.5], 2.0, 100, &mut ids, &mut kept)?;
    /// assert_eq!((&ids[..n], &kept[..n]), (&[101, 103][..], &[1.0, 0.5][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn select_below<T: Ordered>(
        &self,
        values: &[T],
        threshold: T,
        base_id: u32,
        out_ids: &mut [u32],
        out_values: &mut [T],
    ) -> Result<usize, ShapeError> {
        expect_ids(base_id, values.len())?;
        expect_room("out_ids", values.len(), out_ids.len())?;
        expect_room("out_values", values.len(), out_values.len())?;
        // SAFETY: the table is only handed out when the CPU has the tier's features; the outputs have room.
        Ok(unsafe { (T::select(self).below)(values, threshold, base_id, out_ids, out_values) })
    }

    /// Of the rows' estimates `(base + adds[i]) - slope * sums[i]` those below `threshold`, in their order, with their
    /// places; returns how many. The very values of [`Affine::estimate`]; NaN is never below. What
    /// [`Kernels::select_below`] gives for a slice of them, without that slice. Complexity O(n); no allocation.
    ///
    /// Both outputs must have room for every row, whatever the threshold. What they hold beyond the returned count
    /// is unspecified.
    ///
    /// # Errors
    /// [`ShapeError`] unless `adds` is as long as `sums` and the outputs at least as long, and if a place would not fit
    /// 32 bits; nothing is written.
    ///
    /// ```
    /// use simd_kernels::{Affine, Kernels};
    /// let (sums, adds) = ([3, 0, 2], [1.0, 0.5, 1.0]);
    /// let (mut ids, mut kept) = ([0; 3], [0.0; 3]);
    /// let line = Affine { base: 10.0, slope: 2.0 };
    /// let n = Kernels::active()?.select_estimates_below(&sums, &adds, line, 8.0, &mut ids, &mut kept)?;
    /// assert_eq!((&ids[..n], &kept[..n]), (&[0, 2][..], &[5.0, 7.0][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn select_estimates_below(
        &self,
        sums: &[i32],
        adds: &[f32],
        line: Affine,
        threshold: f32,
        out_ids: &mut [u32],
        out_values: &mut [f32],
    ) -> Result<usize, ShapeError> {
        expect_ids(0, sums.len())?;
        expect_len("adds", sums.len(), adds.len())?;
        expect_room("out_ids", sums.len(), out_ids.len())?;
        expect_room("out_values", sums.len(), out_values.len())?;
        // SAFETY: the table is only handed out when the CPU has the tier's features; inputs are equally long and the
        // outputs have room.
        Ok(unsafe { (self.select.estimates)(sums, adds, line, threshold, out_ids, out_values) })
    }

    /// The least of every 64th estimate: of the rows' estimates `(base + adds[i]) - slope * sums[i]` the least with
    /// `i % 64 == p` in `out[p]`, infinity where there is no such row; NaN is passed over.
    ///
    /// The `m`-th least of these is never below the `m`-th least of all, and with many more rows than `m` not far above:
    /// a threshold for [`Kernels::select_estimates_below`], for much less than a selection costs. Complexity O(n); no
    /// allocation.
    ///
    /// # Errors
    /// [`ShapeError`] unless `adds` is as long as `sums`; nothing is written.
    ///
    /// ```
    /// use simd_kernels::{Affine, Kernels};
    /// let sums: Vec<i32> = (0..200).collect();
    /// let mut least = [0.0; 64];
    /// let line = Affine { base: 200.0, slope: 1.0 };
    /// Kernels::active()?.least_estimates(&sums, &[0.0; 200], line, &mut least)?;
    /// assert_eq!((least[0], least[7], least[8]), (8.0, 1.0, 64.0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn least_estimates(
        &self,
        sums: &[i32],
        adds: &[f32],
        line: Affine,
        out: &mut [f32; LEAST_ESTIMATES],
    ) -> Result<(), ShapeError> {
        expect_len("adds", sums.len(), adds.len())?;
        // SAFETY: the table is only handed out when the CPU has the tier's features; inputs are equally long.
        unsafe { (self.select.least_estimates)(sums, adds, line, out) };
        Ok(())
    }

    /// Of the rows' bands those whose upper ends are not below `level`, in their order: places and upper ends; returns how many.
    /// The very values of [`Band::upper`]; NaN is not below anything, so that no row is lost to it. Complexity O(n); no
    /// allocation.
    ///
    /// Both outputs must have room for every row, whatever the level. What they hold beyond the returned count is
    /// unspecified.
    ///
    /// # Errors
    /// [`ShapeError`] unless all parts of `rows` are equally long and the outputs at least as long, and if a place would not
    /// fit 32 bits; nothing is written.
    ///
    /// ```
    /// use simd_kernels::{Band, BandRows, Kernels};
    /// let (sums, remainders) = ([4, -2, 0], [0.25, 1.0, 0.5]);
    /// let rows = BandRows { sums: &sums, minuends: None, remainders: &remainders, scales: &[1.0; 3] };
    /// let band = Band { weight: 1.0, base: 0.0, slope: 0.125, remainder: 0.5, slack: 0.125 };
    /// let (mut ids, mut uppers) = ([0; 3], [0.0; 3]);
    /// let n = Kernels::active()?.select_bands_reaching(rows, band, 0.75, &mut ids, &mut uppers)?;
    /// assert_eq!((&ids[..n], &uppers[..n]), (&[0, 1][..], &[0.75, 0.875][..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn select_bands_reaching(
        &self,
        rows: BandRows<'_>,
        band: Band,
        level: f32,
        out_ids: &mut [u32],
        out_uppers: &mut [f32],
    ) -> Result<usize, ShapeError> {
        let len = rows.sums.len();
        expect_ids(0, len)?;
        expect_len("rows.minuends", len, rows.minuends.map_or(len, <[f32]>::len))?;
        expect_len("rows.remainders", len, rows.remainders.len())?;
        expect_len("rows.scales", len, rows.scales.len())?;
        expect_room("out_ids", len, out_ids.len())?;
        expect_room("out_uppers", len, out_uppers.len())?;
        // SAFETY: the table is only handed out when the CPU has the tier's features; inputs are equally long and the
        // outputs have room.
        Ok(unsafe { (self.select.bands)(rows, band, level, out_ids, out_uppers) })
    }

    /// The place and value of the least value, the first of equals; NaN never wins. `None` if there is no
    /// value, or nothing but NaN. Complexity O(n).
    ///
    /// ```
    /// let kernels = simd_kernels::Kernels::active()?;
    /// assert_eq!(kernels.argmin(&[2.0f32, f32::NAN, 1.0, 1.0]), Some((2, 1.0)));
    /// assert_eq!(kernels.argmin::<i32>(&[]), None);
    /// # Ok::<(), simd_kernels::TierError>(())
    /// ```
    pub fn argmin<T: Ordered>(&self, values: &[T]) -> Option<(usize, T)> {
        // SAFETY: the table is only handed out when the CPU has the tier's features.
        unsafe { (T::select(self).argmin)(values) }
    }

    /// The `k` least values, sorted by (value, id), with their ids as in [`Kernels::select_below`]; returns how
    /// many there are: `k`, or all if there are fewer. NaN comes last. Complexity O(n) while the least values
    /// stand in no particular order, O(n log k) at worst; no allocation: the outputs are the working memory.
    ///
    /// # Errors
    /// [`ShapeError`] if an output has no room for the results, or an id would not fit 32 bits; nothing is
    /// written.
    ///
    /// ```
    /// let kernels = simd_kernels::Kernels::active()?;
    /// let (mut ids, mut least) = ([0; 2], [0; 2]);
    /// assert_eq!(kernels.top_k(&[5, 3, 9, 3], 0, 2, &mut ids, &mut least)?, 2);
    /// assert_eq!((ids, least), ([1, 3], [3, 3]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn top_k<T: Ordered>(
        &self,
        values: &[T],
        base_id: u32,
        k: usize,
        out_ids: &mut [u32],
        out_values: &mut [T],
    ) -> Result<usize, ShapeError> {
        let k = k.min(values.len());
        expect_ids(base_id, values.len())?;
        expect_room("out_ids", k, out_ids.len())?;
        expect_room("out_values", k, out_values.len())?;
        let (Some(ids), Some(out)) = (out_ids.get_mut(..k), out_values.get_mut(..k)) else {
            return Ok(0);
        };
        if k == 0 {
            return Ok(0);
        }
        // SAFETY: the table is only handed out when the CPU has the tier's features; the outputs are equally
        // long, not empty, and not longer than `values`.
        Ok(unsafe { (T::select(self).top_k)(values, base_id, ids, out) })
    }
}
