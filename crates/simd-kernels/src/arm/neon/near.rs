//! What of a block is near a query, on NEON.

use pulp::aarch64::Neon;

use crate::lanes::Lanes;
use crate::math::Real;
use crate::near::{self, BoxBounds, NearTable};
use crate::panels::PANEL_ROWS;
use crate::select::{Compare, Ordered};

pub(super) const NEAR: NearTable = NearTable::of::<Neon>();

impl<T: Real + Ordered> near::Shell<T> for Neon
where
    Neon: Lanes<T> + Compare<T>,
{
    #[target_feature(enable = "neon")]
    unsafe fn rows<const NEAREST: bool>(query: &[T], panels: &[T], limit: T, out: &mut [T]) -> u64 {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { near::rows::<T, Neon, NEAREST>(Neon::new_unchecked(), query, panels, limit, out) }
    }
    #[target_feature(enable = "neon")]
    unsafe fn boxes(query: &[T], panel: &[T], limit: T, out: &mut [T; PANEL_ROWS]) -> BoxBounds {
        // SAFETY: this function has the token's features; the contract is the same.
        unsafe { near::boxes::<T, Neon>(Neon::new_unchecked(), query, panel, limit, out) }
    }
}
