//! Code panels of 8-bit codes: `usdot` takes codes and query as they are.

use std::arch::aarch64::*;

use super::codes::usdot;
use super::shell;
use crate::arm::neon::code_panel::broadcast;
use crate::code_panels::CodePanelTable;
use crate::drive::CodePanelStep;

/// One code a byte.
struct U8;

// SAFETY: loads read 64 bytes of a panel and four of a query, stores write sixteen results.
unsafe impl CodePanelStep for U8 {
    const BITS: usize = 8;
    const CHUNK: usize = usize::MAX;
    /// Four registers of four rows.
    type Lanes = [uint8x16_t; 4];
    type Broadcast = [int8x16_t; 1];
    type Partial = [int32x4_t; 4];
    type Acc = [int32x4_t; 4];
    type Context = ();

    #[inline(always)]
    unsafe fn load(from: *const u8) -> [uint8x16_t; 4] {
        // SAFETY: the caller vouches for 64 bytes.
        unsafe { [vld1q_u8(from), vld1q_u8(from.add(16)), vld1q_u8(from.add(32)), vld1q_u8(from.add(48))] }
    }
    #[inline(always)]
    unsafe fn broadcast(from: *const i8) -> [int8x16_t; 1] {
        // SAFETY: the same contract.
        unsafe { broadcast(from) }
    }
    #[inline(always)]
    unsafe fn context(_: *const i8, _: usize) {}
    #[inline(always)]
    unsafe fn zero() -> [int32x4_t; 4] {
        // SAFETY: the caller has NEON.
        unsafe { [vdupq_n_s32(0); 4] }
    }
    #[inline(always)]
    unsafe fn start() -> [int32x4_t; 4] {
        // SAFETY: the caller has NEON.
        unsafe { [vdupq_n_s32(0); 4] }
    }
    #[inline(always)]
    unsafe fn step(
        mut sum: [int32x4_t; 4],
        [query]: [int8x16_t; 1],
        rows: [uint8x16_t; 4],
    ) -> [int32x4_t; 4] {
        for (sum, rows) in sum.iter_mut().zip(rows) {
            // SAFETY: the caller has `i8mm`.
            *sum = unsafe { usdot(*sum, rows, query) };
        }
        sum
    }
    #[inline(always)]
    unsafe fn flush(mut acc: [int32x4_t; 4], partial: [int32x4_t; 4]) -> [int32x4_t; 4] {
        for (acc, partial) in acc.iter_mut().zip(partial) {
            // SAFETY: the caller has NEON.
            *acc = unsafe { vaddq_s32(*acc, partial) };
        }
        acc
    }
    #[inline(always)]
    unsafe fn store(acc: [int32x4_t; 4], (): (), to: *mut i32) {
        for (part, acc) in acc.into_iter().enumerate() {
            // SAFETY: the caller vouches for sixteen places.
            unsafe { vst1q_s32(to.add(4 * part), acc) };
        }
    }
}

pub(super) const CODE_PANELS: CodePanelTable = CodePanelTable {
    u8: shell!(code_panel_forms: U8; panels: 1, queries: 4, single: 2, chains: 2),
    ..crate::arm::neondot::KERNELS.code_panels
};
