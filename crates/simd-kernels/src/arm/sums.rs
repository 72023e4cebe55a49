//! Running sums of a row: how two are merged, and how the lanes of one or of four become results.

use std::arch::aarch64::*;

use crate::element::Distance;

/// Sums of one row, spread over lanes.
pub(super) trait Sums: Copy {
    /// What they add up to.
    type Total: Distance;

    /// # Safety
    /// The CPU must have NEON, here and below.
    unsafe fn zero() -> Self;

    /// # Safety
    /// See `zero`.
    unsafe fn merge(a: Self, b: Self) -> Self;

    /// # Safety
    /// See `zero`.
    unsafe fn total(self) -> Self::Total;

    /// The totals of four rows, each equal to that of `total` bit for bit.
    ///
    /// # Safety
    /// See `zero`.
    unsafe fn totals(rows: [Self; 4]) -> [Self::Total; 4];
}

impl Sums for float32x4_t {
    type Total = f32;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller vouches for NEON, here and below.
        unsafe { vdupq_n_f32(0.0) }
    }
    #[inline(always)]
    unsafe fn merge(a: Self, b: Self) -> Self {
        // SAFETY: as above.
        unsafe { vaddq_f32(a, b) }
    }
    /// (0 + 1) + (2 + 3), the order in which pairwise additions reduce four rows at once.
    #[inline(always)]
    unsafe fn total(self) -> f32 {
        // SAFETY: as above.
        unsafe { vpadds_f32(vget_low_f32(vpaddq_f32(self, self))) }
    }
    #[inline(always)]
    unsafe fn totals([a, b, c, d]: [Self; 4]) -> [f32; 4] {
        let mut totals = [0.0; 4];
        // SAFETY: as above; the store fills the array.
        unsafe { vst1q_f32(totals.as_mut_ptr(), vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d))) };
        totals
    }
}

/// Two registers, so that no lane adds up more than a quarter of the terms.
impl Sums for [float64x2_t; 2] {
    type Total = f64;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller vouches for NEON, here and below.
        unsafe { [vdupq_n_f64(0.0); 2] }
    }
    #[inline(always)]
    unsafe fn merge(a: Self, b: Self) -> Self {
        // SAFETY: as above.
        unsafe { [vaddq_f64(a[0], b[0]), vaddq_f64(a[1], b[1])] }
    }
    #[inline(always)]
    unsafe fn total(self) -> f64 {
        // SAFETY: as above.
        unsafe { vpaddd_f64(vaddq_f64(self[0], self[1])) }
    }
    #[inline(always)]
    unsafe fn totals(rows: [Self; 4]) -> [f64; 4] {
        let mut totals = [0.0; 4];
        let (low, high) = totals.split_at_mut(2);
        // SAFETY: as above; each store fills one half of the array.
        unsafe {
            let [a, b, c, d] = rows.map(|row| vaddq_f64(row[0], row[1]));
            vst1q_f64(low.as_mut_ptr(), vpaddq_f64(a, b));
            vst1q_f64(high.as_mut_ptr(), vpaddq_f64(c, d));
        }
        totals
    }
}

impl Sums for int32x4_t {
    type Total = i32;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller vouches for NEON, here and below.
        unsafe { vdupq_n_s32(0) }
    }
    #[inline(always)]
    unsafe fn merge(a: Self, b: Self) -> Self {
        // SAFETY: as above.
        unsafe { vaddq_s32(a, b) }
    }
    #[inline(always)]
    unsafe fn total(self) -> i32 {
        // SAFETY: as above.
        unsafe { vaddvq_s32(self) }
    }
    #[inline(always)]
    unsafe fn totals([a, b, c, d]: [Self; 4]) -> [i32; 4] {
        let mut totals = [0; 4];
        // SAFETY: as above; the store fills the array.
        unsafe { vst1q_s32(totals.as_mut_ptr(), vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d))) };
        totals
    }
}

/// Sums of unsigned terms; `Element::MAX_DIM` keeps them inside an `i32`.
impl Sums for uint32x4_t {
    type Total = i32;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the caller vouches for NEON, here and below.
        unsafe { vdupq_n_u32(0) }
    }
    #[inline(always)]
    unsafe fn merge(a: Self, b: Self) -> Self {
        // SAFETY: as above.
        unsafe { vaddq_u32(a, b) }
    }
    #[inline(always)]
    unsafe fn total(self) -> i32 {
        // SAFETY: as above.
        unsafe { int32x4_t::total(vreinterpretq_s32_u32(self)) }
    }
    #[inline(always)]
    unsafe fn totals(rows: [Self; 4]) -> [i32; 4] {
        // SAFETY: as above.
        unsafe { int32x4_t::totals(rows.map(|row| vreinterpretq_s32_u32(row))) }
    }
}
