//! What of a block is near a query, on AVX-512.

use pulp::x86::V4;

use crate::lanes::Lanes;
use crate::math::Real;
use crate::near::{self, BoxBounds, NearTable};
use crate::panels::PANEL_ROWS;
use crate::select::{Compare, Ordered};

pub(super) const NEAR: NearTable = NearTable::of::<V4>();

impl<T: Real + Ordered> near::Shell<T> for V4
where
    V4: Lanes<T> + Compare<T>,
{
    #[target_feature(
        enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
    )]
    unsafe fn rows<const NEAREST: bool>(query: &[T], panels: &[T], limit: T, out: &mut [T]) -> u64 {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { near::rows::<T, V4, NEAREST>(V4::new_unchecked(), query, panels, limit, out) }
    }
    #[target_feature(
        enable = "avx2,fma,f16c,popcnt,bmi1,bmi2,lzcnt,avx512f,avx512bw,avx512cd,avx512dq,avx512vl"
    )]
    unsafe fn boxes(query: &[T], panel: &[T], limit: T, out: &mut [T; PANEL_ROWS]) -> BoxBounds {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { near::boxes::<T, V4>(V4::new_unchecked(), query, panel, limit, out) }
    }
}
