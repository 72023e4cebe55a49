//! Code panels: a lane of `sdot` is a row, and its four products are the row's group.

use std::arch::aarch64::*;

use super::bytes::NeonDot;
use super::shell;
use crate::arm::bytes::Bytes;
use crate::arm::neon::code_panel::{broadcast, load, u2, u4, u8_less_128};
use crate::arm::neon::codes::CodesU8;
use crate::code_panels::CodePanelTable;
use crate::drive::{CodePanelStep, Step};

macro_rules! step {
    ($(#[$text:meta])* $name:ident, $bits:literal, $parts:literal, $unpack:ident, $context:expr) => {
        $(#[$text])*
        struct $name;

        // SAFETY: loads read 64 bytes of a panel and one group of a query, stores write sixteen results.
        unsafe impl CodePanelStep for $name {
            const BITS: usize = $bits;
            const CHUNK: usize = usize::MAX;
            type Lanes = [[int8x16_t; $parts]; 4];
            type Broadcast = [int8x16_t; $parts];
            type Partial = [int32x4_t; 4];
            type Acc = [int32x4_t; 4];
            /// What is added to every sum.
            type Context = i32;

            #[inline(always)]
            unsafe fn load(from: *const u8) -> Self::Lanes {
                // SAFETY: the same contract.
                unsafe { load(from, $unpack) }
            }
            #[inline(always)]
            unsafe fn broadcast(from: *const i8) -> Self::Broadcast {
                // SAFETY: the same contract.
                unsafe { broadcast(from) }
            }
            #[inline(always)]
            unsafe fn context(query: *const i8, dim: usize) -> i32 {
                // SAFETY: the same contract.
                unsafe { $context(query, dim) }
            }
            #[inline(always)]
            unsafe fn zero() -> Self::Acc {
                // SAFETY: the caller has NEON.
                unsafe { [vdupq_n_s32(0); 4] }
            }
            #[inline(always)]
            unsafe fn start() -> Self::Partial {
                // SAFETY: the caller has NEON.
                unsafe { [vdupq_n_s32(0); 4] }
            }
            #[inline(always)]
            unsafe fn step(mut sum: Self::Partial, query: Self::Broadcast, rows: Self::Lanes) -> Self::Partial {
                for (sum, rows) in sum.iter_mut().zip(rows) {
                    for (query, rows) in query.into_iter().zip(rows) {
                        // SAFETY: the caller has `dotprod`.
                        *sum = unsafe { NeonDot::dot_i8(*sum, rows, query) };
                    }
                }
                sum
            }
            #[inline(always)]
            unsafe fn flush(mut acc: Self::Acc, partial: Self::Partial) -> Self::Acc {
                for (acc, partial) in acc.iter_mut().zip(partial) {
                    // SAFETY: the caller has NEON.
                    *acc = unsafe { vaddq_s32(*acc, partial) };
                }
                acc
            }
            #[inline(always)]
            unsafe fn store(acc: Self::Acc, context: i32, to: *mut i32) {
                for (part, acc) in acc.into_iter().enumerate() {
                    // SAFETY: the caller vouches for sixteen places.
                    unsafe { vst1q_s32(to.add(4 * part), vaddq_s32(acc, vdupq_n_s32(context))) };
                }
            }
        }
    };
}
step! {
    /// Two codes a byte, small enough to count as signed.
    U4, 4, 2, u4, nothing
}
step! {
    /// Four codes a byte.
    U2, 2, 4, u2, nothing
}
step! {
    /// One code a byte, held as code − 128.
    U8, 8, 1, u8_less_128, CodesU8::<NeonDot>::context
}

/// Small codes are not shifted, so there is nothing to put right.
///
/// # Safety
/// None.
#[inline(always)]
unsafe fn nothing(_: *const i8, _: usize) -> i32 {
    0
}

pub(super) const CODE_PANELS: CodePanelTable = CodePanelTable {
    u2: shell!(code_panel_forms: U2; panels: 1, queries: 2, single: 1, chains: 2),
    u4: shell!(code_panel_forms: U4; panels: 1, queries: 4, single: 2, chains: 2),
    u8: shell!(code_panel_forms: U8; panels: 1, queries: 4, single: 2, chains: 2),
};
