//! Panel kernels of bytes: a lane of `udot` or `sdot` is a row, and its four products are the row's group.

use std::arch::aarch64::*;
use std::marker::PhantomData;

use super::bytes::NeonDot;
use super::panel_shells;
use crate::arm::neon::int8::Byte;
use crate::arm::neon::panel::{load_groups, store_l2_part};
use crate::arm::sums::Sums;
use crate::drive::{PanelStep, read_partial};
use crate::panels::{PanelElement, PanelForms};

struct Int8<E>(PhantomData<E>);

// SAFETY: loads read sixteen groups of four bytes, stores write sixteen results.
unsafe impl<E: Byte + PanelElement<Distance = i32>> PanelStep for Int8<E> {
    type Elem = E;
    type Out = i32;
    /// Four registers of four rows.
    type Lanes = [E::Vec; 4];
    type Broadcast = E::Vec;
    type Acc = [E::Acc; 4];
    type Context = ();

    #[inline(always)]
    unsafe fn load(from: *const E) -> [E::Vec; 4] {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { load_groups(from) }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const E) -> E::Vec {
        // SAFETY: the caller vouches for four bytes.
        unsafe { E::repeat(from.cast::<u32>().read_unaligned()) }
    }
    #[inline(always)]
    unsafe fn broadcast_partial(from: *const E, n: usize) -> E::Vec {
        // SAFETY: the caller vouches for `n` bytes.
        unsafe { E::repeat(read_partial(from.cast(), n) as u32) }
    }
    #[inline(always)]
    unsafe fn context(_: *const E, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> Self::Acc {
        // SAFETY: the caller has NEON.
        unsafe { [E::Acc::zero(); 4] }
    }
    #[inline(always)]
    unsafe fn step(mut acc: Self::Acc, query: E::Vec, rows: [E::Vec; 4]) -> Self::Acc {
        for (acc, rows) in acc.iter_mut().zip(rows) {
            // SAFETY: the caller has `dotprod`.
            *acc = unsafe { E::dot::<NeonDot>(*acc, rows, query) };
        }
        acc
    }
    #[inline(always)]
    unsafe fn store(acc: Self::Acc, (): (), to: *mut i32) {
        for (part, acc) in acc.into_iter().enumerate() {
            // SAFETY: the caller vouches for sixteen places.
            unsafe { vst1q_s32(to.add(4 * part), E::lanes(acc)) };
        }
    }
    #[inline(always)]
    unsafe fn store_l2(acc: Self::Acc, (): (), query_norm: i32, norms: *const i32, to: *mut i32) {
        for (part, acc) in acc.into_iter().enumerate() {
            // SAFETY: the caller vouches for sixteen norms and sixteen places.
            unsafe { store_l2_part(E::lanes(acc), query_norm, norms.add(4 * part), to.add(4 * part)) };
        }
    }
}

pub(super) const PANEL_U8: PanelForms<u8> = panel_shells!(Int8<u8>; panels: 1, queries: 5);
pub(super) const PANEL_I8: PanelForms<i8> = panel_shells!(Int8<i8>; panels: 1, queries: 5);
