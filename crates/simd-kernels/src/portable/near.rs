//! What of a block is near a query, on the `wide` crate.

use super::lanes::Wide;
use crate::lanes::Lanes;
use crate::math::Real;
use crate::near::{self, BoxBounds, NearTable};
use crate::panels::PANEL_ROWS;
use crate::select::{Compare, Ordered};

pub(super) const NEAR: NearTable = NearTable::of::<Wide>();

impl<T: Real + Ordered> near::Shell<T> for Wide
where
    Wide: Lanes<T> + Compare<T>,
{
    unsafe fn rows<const NEAREST: bool>(query: &[T], panels: &[T], limit: T, out: &mut [T]) -> u64 {
        // SAFETY: the same contract.
        unsafe { near::rows::<T, Wide, NEAREST>(Wide, query, panels, limit, out) }
    }
    unsafe fn boxes(query: &[T], panel: &[T], limit: T, out: &mut [T; PANEL_ROWS]) -> BoxBounds {
        // SAFETY: the same contract.
        unsafe { near::boxes::<T, Wide>(Wide, query, panel, limit, out) }
    }
}
