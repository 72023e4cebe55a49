//! Selection on the `wide` crate; what is kept is moved in scalar code.

use wide::{f32x8, f64x4, i32x8};

use super::lanes::Wide;
use crate::select::{
    self, Affine, Band, BandRows, BandShell, Compare, Estimate, EstimateShell, LEAST_ESTIMATES, Ordered,
    SelectTable, Shell,
};

pub(super) const SELECT: SelectTable = SelectTable::of::<Wide>();

macro_rules! compare {
    ($elem:ty, $vec:ident, $width:literal) => {
        // SAFETY: `wide`'s vectors are arrays of their element; `keep` writes one place a set bit at most, and
        // the place after the last of them, which is below `WIDTH` when a bit is left.
        unsafe impl Compare<$elem> for Wide {
            type Vector = $vec;
            const WIDTH: usize = $width;

            #[inline(always)]
            fn splat(self, value: $elem) -> $vec {
                $vec::splat(value)
            }
            #[inline(always)]
            fn below(self, x: $vec, limit: $vec) -> u32 {
                x.simd_lt(limit).to_bitmask()
            }
            #[inline(always)]
            fn equal(self, x: $vec, y: $vec) -> u32 {
                x.simd_eq(y).to_bitmask()
            }
            #[inline(always)]
            fn least(self, x: $vec, least: $vec) -> $vec {
                x.simd_lt(least).bitselect(x, least)
            }
            #[inline(always)]
            unsafe fn keep(self, x: $vec, bits: u32, id: u32, ids: *mut u32, values: *mut $elem) {
                let mut kept = 0;
                for (lane, value) in x.to_array().into_iter().enumerate() {
                    // SAFETY: `kept <= lane < WIDTH`, for which the caller vouches.
                    unsafe {
                        ids.add(kept).write(id.wrapping_add(lane as u32));
                        values.add(kept).write(value);
                    }
                    kept += (bits >> lane & 1) as usize;
                }
            }
        }
    };
}
compare!(f32, f32x8, 8);
compare!(f64, f64x4, 4);
compare!(i32, i32x8, 8);

impl<T: Ordered> Shell<T> for Wide
where
    Wide: Compare<T>,
{
    unsafe fn below(values: &[T], limit: T, base_id: u32, ids: &mut [u32], out: &mut [T]) -> usize {
        // SAFETY: the same contract.
        unsafe { select::below(Wide, values, limit, base_id, ids, out) }
    }
    unsafe fn argmin(values: &[T]) -> Option<(usize, T)> {
        select::argmin(Wide, values)
    }
    unsafe fn top_k(values: &[T], base_id: u32, ids: &mut [u32], out: &mut [T]) -> usize {
        // SAFETY: the same contract.
        unsafe { select::top_k(Wide, values, base_id, ids, out) }
    }
}

// SAFETY: what is read is what the method states.
unsafe impl Estimate for Wide {
    #[inline(always)]
    unsafe fn estimate(self, sums: *const i32, adds: *const f32, base: f32x8, slope: f32x8) -> f32x8 {
        // SAFETY: the caller vouches for 8 values in both places.
        let (sums, adds) = unsafe { (Compare::<i32>::load(self, sums), Compare::<f32>::load(self, adds)) };
        (base + adds) - slope * f32x8::from_i32x8(sums)
    }
    #[inline(always)]
    unsafe fn to_floats(self, from: *const i32) -> f32x8 {
        // SAFETY: the caller vouches for 8 values.
        f32x8::from_i32x8(unsafe { Compare::<i32>::load(self, from) })
    }
}

impl EstimateShell for Wide {
    unsafe fn estimates_below(
        sums: &[i32],
        adds: &[f32],
        line: Affine,
        limit: f32,
        ids: &mut [u32],
        out: &mut [f32],
    ) -> usize {
        // SAFETY: the same contract.
        unsafe { select::estimates_below(Wide, sums, adds, line, limit, ids, out) }
    }
    unsafe fn least_estimates(sums: &[i32], adds: &[f32], line: Affine, out: &mut [f32; LEAST_ESTIMATES]) {
        // SAFETY: the same contract.
        unsafe { select::least_estimates(Wide, sums, adds, line, out) }
    }
}

impl BandShell for Wide {
    unsafe fn bands_reaching(
        rows: BandRows<'_>,
        band: Band,
        level: f32,
        ids: &mut [u32],
        out: &mut [f32],
    ) -> usize {
        // SAFETY: the same contract.
        unsafe { select::bands_reaching(Wide, rows, band, level, ids, out) }
    }
}
