//! What of a block is near a query, on AVX2.

use pulp::x86::V3;

use crate::lanes::Lanes;
use crate::math::Real;
use crate::near::{self, BoxBounds, NearTable};
use crate::panels::PANEL_ROWS;
use crate::select::{Compare, Ordered};

pub(super) const NEAR: NearTable = NearTable::of::<V3>();

impl<T: Real + Ordered> near::Shell<T> for V3
where
    V3: Lanes<T> + Compare<T>,
{
    #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
    unsafe fn rows<const NEAREST: bool>(query: &[T], panels: &[T], limit: T, out: &mut [T]) -> u64 {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { near::rows::<T, V3, NEAREST>(V3::new_unchecked(), query, panels, limit, out) }
    }
    #[target_feature(enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt")]
    unsafe fn boxes(query: &[T], panel: &[T], limit: T, out: &mut [T; PANEL_ROWS]) -> BoxBounds {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { near::boxes::<T, V3>(V3::new_unchecked(), query, panel, limit, out) }
    }
}
